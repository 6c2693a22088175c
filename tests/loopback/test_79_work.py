"""
What a peer may have us do beside its messages: elements, keys, names for IDNA, bytes before anything is proved. Of one stream, of
one address, and behind the login. The units are unit/s2s/test_s2s.c; here the edge is held to the budget of an address.
"""
import pytest

from harness.proc import wait_until
from harness.xmpp import STREAM, StreamError, XmppStream, message

DB = " xmlns:db='jabber:server:dialback'"
BOUND = 30
IDN = "\u00fc." * 20 + "example"


def asking(name, count):
    return "<db:verify from='%s' to='%s' id='x'>k</db:verify>" % (name, name) * count


def stranger(xfed, source):
    s = XmppStream.connect(xfed.s2s, source)
    s.open("partner.example", "corp.example", more=DB)
    s.read_header(BOUND)
    s.expect(STREAM + "features", BOUND)
    return s


def error_of(s):
    """The stream error that ends it, and how many answers came before."""
    answers = 0
    while True:
        e = s.read(BOUND)
        if e.tag == STREAM + "error":
            return StreamError(e), answers
        answers += 1


@pytest.mark.parametrize("name, most", [("asker.example", 400), (IDN, 40)], ids=["ascii", "idn"])
def test_one_stream(xfed, partner, user, refusal, name, most):
    """A flood of questions ends with the stream, and costs nobody else anything."""
    with refusal("policy.work.exceeded"):
        s = stranger(xfed, "127.5.%d.1" % (most % 100))
        s.wire.send(asking(name, 1000).encode())
        error, answers = error_of(s)
    assert error.condition == "policy-violation" and error.text.startswith("policy.work.exceeded")
    assert 10 < answers <= (900 if name.isascii() else 200)  # how many exactly is in the transcripts, where time stands still
    partner.say("alice", "user@corp.example", "past the flood of " + str(most))
    user.wait_text("past the flood of " + str(most), BOUND)


def test_one_address(xfed, partner, user):
    """Many streams that each stay below their own bound are bounded together; somebody at another address is not concerned."""
    mark = xfed.edge.process.mark()
    before = xfed.edge.metric("xfed_refusals_total", reason="policy.work.exceeded") or 0
    streams = []
    ended = False
    for _ in range(40):
        try:
            s = stranger(xfed, "127.6.0.1")
        except (AssertionError, OSError):
            ended = True  # not even taken in any more
            break
        streams.append(s)
        s.wire.send(asking("asker.example", 250).encode())
        for _ in range(250):
            e = s.read(BOUND)
            if e.tag == STREAM + "error":
                assert StreamError(e).text.startswith("policy.work.exceeded")
                ended = True
                break
        if ended:
            break
    assert ended and len(streams) > 3
    xfed.edge.process.wait_line("event=s2s.work-exceeded .*source=127.6.0.1", BOUND, mark)
    assert xfed.edge.metric("xfed_refusals_total", reason="policy.work.exceeded") > before
    s = partner.stream_to("corp.example")
    partner.say("alice", "user@corp.example", "from elsewhere")
    user.wait_text("from elsewhere", BOUND)
    for other in streams:
        other.wire.close()


def test_acknowledgements_without_end(xfed, listed, user, refusal):
    """Behind the login: <r/> without a stanza between them. As many as stanzas are no flood."""
    p = listed("asks.example", file={"limits": {"stanzas_per_second": 2000}})
    s = p.stream_to("corp.example")
    s.send("<enable xmlns='urn:xmpp:sm:3'/>")
    s.send("".join(message("a@asks.example", "user@corp.example", "asked %d" % i) + "<r xmlns='urn:xmpp:sm:3'/>" for i in range(40)))
    user.wait_text("asked 39", BOUND)
    with refusal("policy.work.exceeded"):
        s.wire.send(b"<r xmlns='urn:xmpp:sm:3'/>" * 4000)
        wait_until("the stream error", lambda: b"<policy-violation " in s.seen, BOUND)
