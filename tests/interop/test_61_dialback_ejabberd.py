"""ejabberd 23.01 with dialback, over TLS and without, and the certificates of either side."""
import pytest

from lab.domains import BAD, OURS, THEIRS
from lab.federation import both_ways, fingerprint

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


# Of our certificate -> how ejabberd logs in here. When we log in there, dialback follows upon EXTERNAL: what is bad is
# not offered it, with `serverauth` it is refused ("unsupported certificate purpose"), and with a domain in an XmppAddr
# the process dies, so that we try once more.
METHODS = dict.fromkeys(OURS, "external")


@pytest.mark.parametrize("variant", METHODS)
def test_our_certificate(lab, xfed, dave, variant):
    ours, domain = variant + ".corp.example", "best." + PARENT
    both_ways(lab.user("eve@" + domain), dave, ours)
    assert xfed.methods(ours, domain) == {"in": {METHODS[variant]}, "out": {"dialback-tls"}}
