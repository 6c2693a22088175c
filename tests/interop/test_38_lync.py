"""IM sessions between a real client of the Lync family and real Prosody (proto/delivery.md, Sessions)."""
import itertools

import pytest

from harness.proc import wait_until
from lab import lync

BOB = "sip:alice@partner.example"  # the contact of the user
numbers = itertools.count(1)


def words(prefix):
    return "%s number %d." % (prefix, next(numbers))


@pytest.fixture(scope="module")
def front_end(lab, xfed, tmp_path_factory):
    why = lync.why_not_here()
    if why:
        pytest.skip(why)
    front_end = lync.FrontEnd(lab.net, str(tmp_path_factory.mktemp("lync")))
    lab.on_start(front_end.start())
    yield front_end
    front_end.stop()


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return lync.build(str(tmp_path_factory.mktemp("client")))


@pytest.fixture
def zoe(lab, front_end, program, tmp_path):
    """Each test has a user of its own: the front end remembers where the one before was."""
    client = lync.Client(lab.net, program, str(tmp_path / "zoe"), "zoe%d" % next(numbers))
    lab.on_start(client.process)
    yield client
    client.leave()


def sessions(xfed):
    return xfed.gateway.metric("xfed_sip_sessions")


def test_opened_by_the_user(xfed, alice, zoe):
    text, back, before = words("hello"), words("and hello"), sessions(xfed)
    zoe.tell("say", BOB, text)
    assert alice.wait_body(text, 20).sender.split("/")[0] == zoe.jid
    assert sessions(xfed) == before + 1
    alice.send(zoe.jid, back)
    assert zoe.wait("text", back)["who"] == BOB
    zoe.tell("shut", BOB)
    wait_until("the session is over", lambda: sessions(xfed) == before, 10)
    again = words("again")
    alice.send(zoe.jid, again)
    zoe.wait("text", again)


def test_opened_by_the_contact(xfed, alice, zoe):
    text, back, before = words("first"), words("back"), sessions(xfed)
    alice.send(zoe.jid, text)
    assert zoe.wait("text", text)["who"] == BOB
    zoe.tell("say", BOB, back)
    alice.wait_body(back, 20)
    assert sessions(xfed) == before + 1


def test_both_at_once(alice, zoe):
    """Whichever call lives: nothing is lost, and nothing comes twice. The client sends what waited for its own with the next text."""
    one, two, three = words("one"), words("two"), words("three")
    since = alice.inbox.mark()
    zoe.tell("say", BOB, one)
    alice.send(zoe.jid, two)
    zoe.wait("text", two)
    zoe.tell("say", BOB, three)
    for text in (one, three):
        alice.wait_body(text, 20)
    assert sorted(m.body for m in alice.inbox.items[since:] if m.body in (one, three)) == sorted((one, three))
    assert zoe.texts() == [two]


def test_in_order_both_ways(alice, zoe):
    out, back = [words("out") for _ in range(50)], [words("back") for _ in range(50)]
    for text in out:
        alice.send(zoe.jid, text)
    zoe.wait("text", out[-1])
    assert zoe.texts() == out
    since = alice.inbox.mark()
    for text in back:
        zoe.tell("say", BOB, text)
    alice.wait_body(back[-1], 20)
    assert [m.body for m in alice.inbox.items[since:] if m.body in back] == back


@pytest.mark.parametrize("text", ["\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd \U0001F600 \u1100\u1161", "x" * 5000 + ".", "<b>no markup</b> &amp; so on"],
                         ids=["scripts", "5000 characters", "markup"])
def test_texts(alice, zoe, text):
    back = words("read")
    alice.send(zoe.jid, text)
    wait_until("it is read", lambda: text in zoe.texts(), 20)
    zoe.tell("say", BOB, text + back)
    alice.wait_body(text + back, 20)


def test_what_policy_refuses_is_seen(zoe):
    zoe.tell("say", "sip:eve@unlisted.example", "nobody gets this")
    assert "service is not available" in zoe.wait("not-delivered", "nobody gets this")["text"]


def test_a_contact_that_is_not_there(zoe):
    zoe.tell("say", "sip:nobody@partner.example", "is anybody there")
    assert "offline" in zoe.wait("not-delivered", "is anybody there")["text"]


def test_a_user_who_is_not_there(alice, front_end):
    error = alice.wait_error(alice.send("gone@" + lync.LYNC, "are you there"), 20)
    assert error.condition == "recipient-unavailable"


def test_kill_of_the_gateway(xfed, alice, zoe):
    """The client's dialog is unknown then, which it is told by 481; what is written next gets there."""
    text, after, back = words("before"), words("after"), words("answer")
    alice.send(zoe.jid, text)
    zoe.wait("text", text)
    xfed.gateway.process.child.kill()
    xfed.gateway.process.child.wait()
    xfed.gateway.start()
    xfed.gateway.wait_ready()
    xfed.edge.wait_ready()
    alice.send(zoe.jid, after)
    zoe.wait("text", after)
    zoe.tell("say", BOB, back)
    alice.wait_body(back, 20)
