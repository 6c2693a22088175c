"""Prosody 0.12 with SASL EXTERNAL: the certificates of either side that test_40_refusals.py does not have."""
import pytest

from lab.domains import OURS

OK = (200, 202)


@pytest.fixture(scope="module", autouse=True)
def listed(partners):
    partners({"selfsigned.example": 2, "serverauth.example": 2})


class TestTheirCertificate:
    def test_self_signed_sip_to_xmpp(self, xfed, dave, refusal):
        with refusal("tls.cert.untrusted", "selfsigned.example"):
            assert dave.message("sip:eve@selfsigned.example", "never arrives").status == 504

    def test_self_signed_xmpp_to_sip(self, lab, xfed, dave, refusal):
        eve, since = lab.user("eve@selfsigned.example"), dave.inbox.mark()
        with refusal("tls.cert.untrusted", "selfsigned.example"):
            eve.wait_error(eve.send("dave@corp.example", "never arrives"), 40)
        assert dave.inbox.mark() == since
        assert xfed.logins("selfsigned.example") == {"in": set(), "out": set()}

    def test_one_for_servers_only_is_good(self, lab, xfed, dave):
        eve = lab.user("eve@serverauth.example")
        eve.send("dave@corp.example", "as a client, with serverAuth")
        dave.wait_text("as a client, with serverAuth", 20)
        assert dave.message("sip:" + eve.jid, "to a server, with serverAuth").status in OK
        eve.wait_body("to a server, with serverAuth", 20)
        assert xfed.logins("serverauth.example") == {"in": {"external"}, "out": {"external"}}


# Ours is good enough for Prosody when it is for servers only, or has a domain in an XmppAddr.
GOOD = ("serverauth", "xmppaddr")
WORDS = {"wrongname": "not valid for this name", "expired": "has expired", "selfsigned": "is not trusted",
         "foreign": "is not trusted"}


class TestOurCertificate:
    @pytest.mark.parametrize("variant", OURS)
    def test_sip_to_xmpp(self, lab, xfed, alice, dave, refusal, variant):
        domain = variant + ".corp.example"
        sender = "sip:dave@" + domain
        if variant in GOOD:
            assert dave.message("sip:alice@partner.example", "with " + variant, sender=sender).status in OK
            assert alice.wait_body("with " + variant, 20).sender.split("/")[0] == "dave@" + domain
            assert xfed.methods(domain, "partner.example")["out"] == {"external"}
            return
        with refusal("stream.error.received", WORDS[variant]):
            assert dave.message("sip:alice@partner.example", "never arrives", sender=sender).status == 504
        assert xfed.methods(domain, "partner.example")["out"] == set()

    @pytest.mark.parametrize("variant", OURS)
    def test_xmpp_to_sip(self, lab, xfed, alice, dave, refusal, variant):
        domain = variant + ".corp.example"
        since = dave.inbox.mark()
        if variant in GOOD:
            alice.send("dave@" + domain, "with " + variant)
            dave.wait_text("with " + variant, 20, since)
            assert xfed.methods(domain, "partner.example")["in"] == {"external"}
            return
        with refusal("stream.error.received", WORDS[variant]):
            alice.wait_error(alice.send("dave@" + domain, "never arrives"), 40)
        assert dave.inbox.mark() == since
        assert xfed.methods(domain, "partner.example")["in"] == set()
