"""ejabberd 23.01 with dialback, over TLS and without, and the certificates of either side."""
import pytest

from lab.domains import BAD, OURS, THEIRS
from lab.federation import both_ways, fingerprint, to_sip

PARENT = "db.ejabberd.example"


@pytest.fixture(scope="module", autouse=True)
def listed(partners):
    rows = {PARENT: 13, "best." + PARENT: 7, "plain.ejabberd.example": 17, "optional.ejabberd.example": 9,
            "naked.ejabberd.example": 7}
    rows.update({"%s.%s" % (variant, PARENT): 7 for variant in THEIRS})
    partners(rows)


@pytest.mark.parametrize("domain, method", [
    (PARENT, "dialback-tls"),
    ("best." + PARENT, "external"),
    ("plain.ejabberd.example", "dialback-plain"),
    ("optional.ejabberd.example", "dialback-plain"),
])
def test_messages_both_ways(lab, xfed, dave, domain, method):
    both_ways(lab.user("eve@" + domain), dave)
    assert xfed.logins(domain) == {"in": {method}, "out": {method}}
    assert xfed.methods("corp.example", domain) == {"in": {method}, "out": {method}}


class TestWithoutTlsWhereItIsRequired:
    def test_sip_to_xmpp(self, lab, xfed, dave, refusal):
        lab.server("ejabberd")
        with refusal("tls.required.missing", "naked.ejabberd.example"):
            assert dave.message("sip:eve@naked.ejabberd.example", "never arrives").status == 504

    def test_xmpp_to_sip(self, lab, xfed, dave, refusal):
        eve, since = lab.user("eve@naked.ejabberd.example"), dave.inbox.mark()
        with refusal("tls.required.missing", "naked.ejabberd.example"):
            eve.wait_error(eve.send("dave@corp.example", "never arrives"), 40)
        assert dave.inbox.mark() == since
        assert xfed.logins("naked.ejabberd.example") == {"in": set(), "out": set()}


@pytest.mark.parametrize("variant", THEIRS)
def test_their_certificate(lab, xfed, dave, variant):
    domain = "%s.%s" % (variant, PARENT)
    method = "dialback-tls" if variant in BAD else "external"
    both_ways(lab.user("eve@" + domain), dave)
    assert xfed.logins(domain) == {"in": {method}, "out": {method}}
    shown = [s["certificate"]["sha256"] for s in xfed.streams_of(domain) if "method" in s]
    assert shown and set(shown) == {fingerprint(lab.certs, domain)}


# of our certificate -> how ejabberd logs in here, and we there: with `serverauth` it offers EXTERNAL and refuses it
# ("unsupported certificate purpose"), so that dialback follows
METHODS = {variant: ("external", "dialback-tls") for variant in BAD + ("serverauth",)}


@pytest.mark.parametrize("variant", METHODS)
def test_our_certificate(lab, xfed, dave, variant):
    ours, domain = variant + ".corp.example", "best." + PARENT
    both_ways(lab.user("eve@" + domain), dave, ours)
    there, here = METHODS[variant]
    assert xfed.methods(ours, domain) == {"in": {there}, "out": {here}}


def test_our_certificate_with_an_xmppaddr_kills_its_process(lab, xfed, dave, refusal):
    """There is no way in; who else talks to it does not suffer."""
    assert "xmppaddr" in OURS
    eve = lab.user("eve@best." + PARENT)
    with refusal("net.stream.lost", "xmppaddr.corp.example"):
        assert dave.message("sip:" + eve.jid, "never arrives", sender="sip:dave@xmppaddr.corp.example").status == 504
    to_sip(eve, dave)
