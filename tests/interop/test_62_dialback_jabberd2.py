"""jabberd2 2.7 with dialback over TLS, the only thing it knows, and the certificates of either side."""
import pytest

from lab.domains import OURS, THEIRS
from lab.federation import both_ways, fingerprint, to_sip, to_xmpp

PARENT = "jabberd2.example"
BOTH = {"in": {"dialback-tls"}, "out": {"dialback-tls"}}


@pytest.fixture(scope="module", autouse=True)
def listed(partners):
    rows = {PARENT: 13, "best." + PARENT: 7}
    rows.update({"%s.%s" % (variant, PARENT): 7 for variant in THEIRS})
    partners(rows)


@pytest.fixture
def fresh(lab):
    """
    A jabberd2 that has spoken with nobody: it has been seen to drop the first fresh stream after its first TLS handshake
    (traps); not in every sequence, so the messages are what counts.
    """
    lab.restart_s2s(PARENT)


def test_first_messages_xmpp_to_sip_first(lab, xfed, dave, fresh):
    """Its first handshake is the one that brings its key; the first fresh stream is ours, with the question about that."""
    eve = lab.user("eve@" + PARENT)
    to_sip(eve, dave, timeout=15)
    to_xmpp(dave, eve, timeout=15)
    assert xfed.logins(PARENT) == BOTH
    assert xfed.methods("corp.example", PARENT) == BOTH


def test_first_messages_sip_to_xmpp_first(lab, xfed, dave, fresh):
    eve, ours = lab.user("eve@best." + PARENT), "serverauth.corp.example"
    to_xmpp(dave, eve, ours, timeout=15)
    to_sip(eve, dave, ours, timeout=15)
    assert xfed.methods(ours, "best." + PARENT) == BOTH


def test_second_domain_on_the_same_stream(lab, xfed, dave):
    """It asks for another pair on a stream that it has (XEP-0220 2.6)."""
    both_ways(lab.user("eve@" + PARENT), dave)
    both_ways(lab.user("eve@best." + PARENT), dave)
    assert xfed.logins("best." + PARENT) == BOTH


@pytest.mark.parametrize("variant", THEIRS)
def test_their_certificate(lab, xfed, dave, variant):
    domain = "%s.%s" % (variant, PARENT)
    lab.restart_s2s(domain)
    both_ways(lab.user("eve@" + domain), dave)
    assert xfed.logins(domain) == BOTH
    shown = [s["certificate"]["sha256"] for s in xfed.streams_of(domain) if "method" in s]
    assert shown and set(shown) == {fingerprint(lab.certs, domain)}


@pytest.mark.parametrize("variant", OURS)
def test_our_certificate(lab, xfed, dave, variant):
    both_ways(lab.user("eve@best." + PARENT), dave, variant + ".corp.example")
    assert xfed.methods(variant + ".corp.example", "best." + PARENT) == BOTH


def test_restart_is_survived(lab, xfed, dave):
    """Streams that have gone with its process are made anew for the next message each way."""
    eve = lab.user("eve@best." + PARENT)
    both_ways(eve, dave)
    lab.restart_s2s(PARENT)
    both_ways(eve, dave)
