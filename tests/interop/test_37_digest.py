"""Digest authentication towards a real Kamailio that asks (RFC 7616, RFC 8760; its modules auth and tm)."""
import pytest

from lab.daemons import SIP_PASSWORD
from lab.domains import ASKING
from lab.kamailio import AskingKamailio

MANY = 12


@pytest.fixture(scope="module")
def proxy(lab, tmp_path_factory):
    proxy = AskingKamailio(lab.net, str(tmp_path_factory.mktemp("asking")), "xfed", SIP_PASSWORD)
    yield proxy
    proxy.stop()


@pytest.fixture
def asking(lab, xfed, proxy, request):
    """Started anew, and nothing is known of it at the gateway."""
    proxy.stop()
    lab.on_start(proxy.start(*request.param))
    for password in ("a password that changes", SIP_PASSWORD):  # what its server has said stays known with the same one
        xfed.set_sip_password(password)
        xfed.reload()
    return proxy


def both(*kinds):
    return pytest.mark.parametrize("asking", kinds, indirect=True, ids=lambda k: "-".join(map(str, k)))


def assert_said(asking, want):
    """How often it has asked, and let through; its log may be a little behind."""
    assert (asking.wait_said("ASKED", want[0]), asking.wait_said("KNOWN", want[1])) == want


KINDS = [(algorithm, one_time, status) for algorithm in ("MD5", "SHA-256") for one_time in (False, True) for status in (401, 407)]


@both(*KINDS)
def test_messages_get_through(asking, alice, dave, request):
    """One after the other: the nonce goes on, or each message is asked once where it is good once."""
    algorithm, one_time, status = request.node.callspec.params["asking"]
    for number in range(3):
        text = "past %s %s %d number %d" % (algorithm, one_time, status, number)
        alice.send("dave@" + ASKING, text)
        got = dave.wait_text(text, 20)
        assert got.get("authorization") is None and got.get("proxy-authorization") is None
    assert_said(asking, (3 if one_time else 1, 3))


@both(("SHA-256", False, 407), ("SHA-256", True, 407))
def test_several_at_once(lab, asking, alice, dave, request):
    """Each is delivered, and asked at most once more."""
    users, texts = {"dave": dave, "erin": lab.user("erin")}, []
    for number in range(MANY):
        name = ("dave", "erin")[number % 2]
        texts.append((name, "%s: %d" % (request.node.name, number)))
        alice.send("%s@%s" % (name, ASKING), texts[-1][1])
    for name, text in texts:
        users[name].wait_text(text, 30)
    assert asking.wait_said("KNOWN", MANY) == MANY and asking.said("ASKED") <= MANY


@both(("SHA-256", False, 407))
def test_a_wrong_password(xfed, asking, alice, dave, refusal):
    since = dave.inbox.mark()
    try:
        xfed.set_sip_password("another one")
        xfed.reload()
        with refusal("sip.auth.refused"):
            assert alice.wait_error(alice.send("dave@" + ASKING, "never arrives"), 20).condition == "registration-required"
        assert_said(asking, (3, 0))  # its first nonce might have been known from a run before
    finally:
        xfed.set_sip_password(SIP_PASSWORD)
        xfed.reload()
    alice.send("dave@" + ASKING, "arrives")
    dave.wait_text("arrives", 20, since)
