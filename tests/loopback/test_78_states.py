"""
What comes when nobody expects it any more: a verdict during STARTTLS, behind our closing tag, after a reload that took the
method away. Each event in each state is unit/s2s/test_s2s_legal.c; here the edge is what brings them late.
"""
import itertools
import threading

import pytest

from harness.peer import Peer, Refused, dialback_element, dialback_key
from harness.proc import wait_until
from harness.xmpp import SASL, STARTTLS, STREAM, TLS, StreamError, XmppStream, message

numbers = itertools.count(1)
DB = " xmlns:db='jabber:server:dialback'"
BOUND = 30


@pytest.fixture
def slow(xfed, certs, dns):
    """slow(file) is a Peer whose authoritative server answers `valid` once `go` is set."""
    made = []

    def make(abilities, **file):
        domain = "state%d.example" % next(numbers)
        leaf = certs.leaf(domain.split(".")[0], "xmpp:" + domain)
        p = Peer(domain, certs, leaf, xfed.s2s, abilities, certs.leaf(leaf + "-plain", "by=self", "xmpp:" + domain))
        p.file = dict({"sasl": "optional", "dialback": True}, **file)
        p.go = threading.Event()

        def answer(served, e):
            assert p.go.wait(BOUND)
            served.answer_verify(e, "valid")
        p.authority = answer
        xfed.list_partner(domain, **p.file)
        dns.xmpp(domain, ("xmpp." + domain, p.port, "127.0.0.1"))
        made.append(p)
        xfed.reload()
        return p
    yield make
    for p in made:
        p.go.set()
        p.may_end.set()
        p.close()
        xfed.unlist_partner(p.domain)
    if made:
        xfed.reload()


def let_go(p):
    """The verdict is given; the edge has it when it closes the stream it asked on."""
    p.go.set()
    wait_until("the end of the question's stream", lambda: [e for e, _ in p.events.items].count("end") >= 1, BOUND)


def test_a_verdict_during_starttls(xfed, user, certs, slow):
    """What was asked in the clear proves nothing inside TLS: no stanza passes, and nobody is called EXTERNAL."""
    p = slow("all", tls="optional")
    mark, since = xfed.edge.process.mark(), user.said.mark()
    s = XmppStream.connect(xfed.s2s)
    s.open(p.domain, "corp.example", more=DB)
    key = dialback_key(p.secret, "corp.example", p.domain, s.read_header().get("id"))
    s.expect(STREAM + "features")
    s.send(dialback_element("result", p.domain, "corp.example", key=key))
    p.asked.wait_count(1, BOUND)
    s.send(STARTTLS)
    s.expect(TLS + "proceed")
    let_go(p)
    s.start_tls(certs.client(None), hostname="corp.example")  # nothing of ours came in between, or this would fail
    s.open(p.domain, "corp.example", more=DB)
    s.read_header()
    assert s.expect(STREAM + "features").find(SASL + "mechanisms") is None
    s.send(message("eve@" + p.domain, "user@corp.example", "proved by nothing"))
    assert StreamError(s.read()).condition == "not-authorized"
    xfed.edge.process.wait_line("s2s.closed .*partner=%s .*stream.unauthenticated" % p.domain, BOUND, mark)
    assert not [x for x in xfed.edge.process.lines[mark:] if "s2s.authenticated" in x and p.domain in x]
    assert user.said.mark() == since


def test_a_verdict_behind_our_closing_tag(xfed, user, slow):
    """A stream the operator has closed takes nothing any more."""
    p = slow("TLS+dialback")
    mark, since = xfed.edge.process.mark(), user.said.mark()
    s = p.open_stream("corp.example")
    p.send_key(s)
    p.asked.wait_count(1, BOUND)
    number = next(t["id"] for t in xfed.edge.control("stream", "list")["streams"] if t["direction"] == "in" and t["remote"] == p.domain)
    xfed.edge.control("stream", "close", id=str(number))
    assert s.event(BOUND)[0] == "end"
    let_go(p)
    s.wire.send(message("eve@" + p.domain, "user@corp.example", "behind the end") + "</stream:stream>")
    xfed.edge.process.wait_line("s2s.closed .*partner=%s .*stream.closed.operator .*stanzas_in=0" % p.domain, BOUND, mark)
    assert not [x for x in xfed.edge.process.lines[mark:] if "s2s.authenticated" in x and p.domain in x]
    assert user.said.mark() == since


def test_a_verdict_after_a_reload(xfed, user, slow):
    """The key was good when it came; dialback is not allowed any more when the verdict does."""
    p = slow("TLS+dialback")
    mark, since = xfed.edge.process.mark(), user.said.mark()
    s = p.open_stream("corp.example")
    p.send_key(s)
    p.asked.wait_count(1, BOUND)
    xfed.list_partner(p.domain, sasl="required", dialback=False)
    xfed.reload()
    let_go(p)
    with pytest.raises(Refused) as e:
        p.next_of(s, "element", timeout=BOUND)  # `valid` was on its way
        p.next_of(s, "element", timeout=BOUND)
    assert e.value.condition == "not-authorized"
    xfed.edge.process.wait_line("s2s.closed .*partner=%s .*dialback.not-allowed" % p.domain, BOUND, mark)
    assert not [x for x in xfed.edge.process.lines[mark:] if "s2s.authenticated" in x and p.domain in x]
    assert user.said.mark() == since
