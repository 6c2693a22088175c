"""What cannot be delivered: the sender's condition or status, and the reason code in log and metric (reasons.md)."""
import pytest

from lab.net import HOSTS


def to_partner(dave, domain):
    return dave.message("sip:eve@" + domain, "never arrives").status


@pytest.mark.parametrize("domain, code", [
    ("untrusted.example", "tls.cert.untrusted"),
    ("expired.example", "tls.cert.expired"),
    ("wrongname.example", "tls.cert.name-mismatch"),
])
class TestBadCertificate:
    def test_sip_to_xmpp(self, xfed, dave, refusal, domain, code):
        with refusal(code, domain):
            assert to_partner(dave, domain) == 504

    def test_xmpp_to_sip(self, lab, xfed, dave, refusal, domain, code):
        eve = lab.user("eve@" + domain)
        since = dave.inbox.mark()
        with refusal(code, domain):
            refused = eve.send("dave@corp.example", "never arrives")
            assert eve.wait_error(refused, 40).type == "error"
        assert dave.inbox.mark() == since
        assert not [s for s in xfed.streams_of(domain) if s.get("method") == "external"]


def test_unlisted_partner_sip_to_xmpp(xfed, dave, refusal):
    with refusal("policy.partner.unlisted"):
        assert to_partner(dave, "unlisted.example") == 403


def test_unlisted_partner_xmpp_to_sip(lab, xfed, dave, refusal):
    eve = lab.user("eve@unlisted.example")
    since, mark = dave.inbox.mark(), lab.partner2.process.mark()
    with refusal("policy.partner.unlisted"):
        refused = eve.send("dave@corp.example", "never arrives")
        eve.wait_error(refused, 40)
    lab.partner2.process.wait_line("policy-violation", 5, mark)
    assert dave.inbox.mark() == since


def test_unknown_sip_user_of_a_federated_partner(xfed, alice, refusal):
    with refusal("sip.user.unknown"):
        error = alice.wait_error(alice.send("nobody@corp.example", "never arrives"), 20)
    assert (error.condition, error.error_type) == ("item-not-found", "cancel")


def test_unknown_xmpp_user(xfed, dave, refusal):
    """Prosody answers service-unavailable for an account it does not have; that is 480 to SIP (reasons.md)."""
    with refusal("xmpp.error.received"):
        assert dave.message("sip:nobody@partner.example", "never arrives").status == 480


@pytest.mark.parametrize("domain, code, status", [
    ("missing.example", "dns.name.missing", 404),
    ("bogus.example", "dns.bogus", 404),
    ("refused.example", "dns.srv.refused", 404),
    ("silent.example", "net.connect.refused", 504),
])
def test_partner_cannot_be_reached(xfed, dave, refusal, domain, code, status):
    with refusal(code, domain):
        assert to_partner(dave, domain) == status


def test_nobody_listens_at_the_sip_next_hop(xfed, alice, refusal):
    with refusal("sip.server.unreachable"):
        error = alice.wait_error(alice.send("anyone@corp2.example", "never arrives"), 20)
    assert error.condition == "remote-server-timeout"


def test_sip_sender_that_may_not_speak_for_the_domain(lab, xfed, refusal):
    """From outside the listed peers: the gateway's SIP port takes no word for whom a request is from."""
    stranger = lab.stranger("sip:mallory@corp.example", (HOSTS["fe"]["lan"], 5060))
    with refusal("sip.sender.untrusted"):
        assert stranger.message("sip:alice@partner.example", "never arrives").status == 403


def test_none_of_this_has_harmed_the_good_partner(xfed, alice, dave):
    alice.send("dave@corp.example", "still here")
    dave.wait_text("still here", 15)
    assert dave.message("sip:alice@partner.example", "so am I").status in (200, 202)
    alice.wait_body("so am I")
