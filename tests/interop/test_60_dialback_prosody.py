"""Prosody 0.12 with dialback (XEP-0220), over TLS and without, and the certificates of either side."""
import pytest

from lab.domains import BAD, OURS, THEIRS
from lab.federation import both_ways, fingerprint, to_sip, to_xmpp

PARENT = "partner3.example"


@pytest.fixture(scope="module", autouse=True)
def listed(partners):
    rows = {PARENT: 13, "best." + PARENT: 7, "plain." + PARENT: 17, "optional." + PARENT: 9, "naked." + PARENT: 7}
    rows.update({"%s.%s" % (variant, PARENT): 7 for variant in THEIRS})
    partners(rows)


# Both sides' certificates are good: policy and TLS decide.
@pytest.mark.parametrize("domain, method", [
    (PARENT, "dialback-tls"),
    ("best." + PARENT, "external"),
    ("plain." + PARENT, "dialback-plain"),
    ("optional." + PARENT, "dialback-plain"),
])
def test_messages_both_ways(lab, xfed, dave, domain, method):
    both_ways(lab.user("eve@" + domain), dave)
    assert xfed.logins(domain) == {"in": {method}, "out": {method}}
    assert xfed.methods("corp.example", domain) == {"in": {method}, "out": {method}}


def test_sip_to_xmpp_first(lab, xfed, dave):
    """Our key is verified on a stream that Prosody opens for it, before there is any other."""
    eve = lab.user("eve@" + PARENT)
    to_xmpp(dave, eve, "serverauth.corp.example")
    assert xfed.methods("serverauth.corp.example", PARENT)["out"] == {"dialback-tls"}
    to_sip(eve, dave, "serverauth.corp.example")
    assert xfed.methods("serverauth.corp.example", PARENT)["in"] == {"dialback-tls"}


class TestWithoutTlsWhereItIsRequired:
    def test_sip_to_xmpp(self, lab, xfed, dave, refusal):
        lab.server("partner3")
        with refusal("tls.required.missing", "naked." + PARENT):
            assert dave.message("sip:eve@naked." + PARENT, "never arrives").status == 504

    def test_xmpp_to_sip(self, lab, xfed, dave, refusal):
        eve, since = lab.user("eve@naked." + PARENT), dave.inbox.mark()
        with refusal("tls.required.missing", "naked." + PARENT):
            eve.wait_error(eve.send("dave@corp.example", "never arrives"), 40)
        assert dave.inbox.mark() == since
        assert xfed.logins("naked." + PARENT) == {"in": set(), "out": set()}


@pytest.mark.parametrize("variant", THEIRS)
def test_their_certificate(lab, xfed, dave, variant):
    """What does not log in with a certificate proves itself by dialback; what was shown is recorded."""
    domain = "%s.%s" % (variant, PARENT)
    method = "dialback-tls" if variant in BAD else "external"
    both_ways(lab.user("eve@" + domain), dave)
    assert xfed.logins(domain) == {"in": {method}, "out": {method}}
    shown = [s["certificate"]["sha256"] for s in xfed.streams_of(domain) if "method" in s]
    assert shown and set(shown) == {fingerprint(lab.certs, domain)}


@pytest.mark.parametrize("variant", OURS)
def test_our_certificate(lab, xfed, dave, variant):
    """Prosody offers EXTERNAL to a good certificate only; whether ours is good does not matter when it logs in here."""
    ours, domain = variant + ".corp.example", "best." + PARENT
    both_ways(lab.user("eve@" + domain), dave, ours)
    method = "dialback-tls" if variant in BAD else "external"
    assert xfed.methods(ours, domain) == {"in": {"external"}, "out": {method}}


def test_burst_keeps_its_order_while_dialback_goes_on(lab, xfed, dave):
    eve, ours = lab.user("eve@" + PARENT), "expired.corp.example"
    bodies = ["dialback %d" % i for i in range(40)]
    since = dave.inbox.mark()
    for body in bodies:
        eve.send("dave@" + ours, body)
    dave.wait_text(bodies[-1], 30, since)
    assert [m.text for m in dave.inbox.items[since:]] == bodies
    assert xfed.methods(ours, PARENT)["in"] == {"dialback-tls"}
