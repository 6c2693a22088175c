"""
All that runs on worker threads, at the same time: TLS handshakes with partners in both directions, with SIP servers and for
checks, reloads, writes of the journal. Every message arrives once, every reload counts; what ThreadSanitizer
has to say about it is heard when the daemons end (tests/tsan).
"""
import signal
import threading

import pytest

from harness.proc import wait_until
from harness.xmpp import child_text, message

ROUNDS = 12
PARTNERS = ["at%d.example" % i for i in range(6)]
GONE = ["gone%d.example" % i for i in range(ROUNDS)]  # listed, but nowhere to be found


@pytest.fixture
def busy(request, install, started, users):
    """An installation of one test's own, with all of these partners listed."""
    inst = install(request.node.name[:20])
    for domain in PARTNERS + GONE:
        inst.list_partner(domain)
    try:
        yield started(inst)
    finally:
        inst.stop()


@pytest.fixture
def partners(busy, new_partner):
    return [new_partner(busy, domain) for domain in PARTNERS]


def at_once(*parts):
    """Runs them all on threads; the first failure of any is the test's."""
    failed = []

    def run(part):
        try:
            part()
        except Exception as e:  # told on the test's own thread
            failed.append(e)
    threads = [threading.Thread(target=run, args=(part,), name="at-once", daemon=True) for part in parts]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
        assert not t.is_alive(), "still running after two minutes"
    if failed:
        raise failed[0]


def log_in_and_say(partner):
    """A new stream for each message."""
    for i in range(ROUNDS):
        stream = partner.dial("corp.example")
        stream.send(message("alice@" + partner.domain, "dave@corp.example", "%s in %d" % (partner.domain, i), id="in%d" % i) + "</stream:stream>")
        kind, element = stream.event(20)
        assert kind == "end", (kind, element)
        stream.close()


def be_called(inst, partner, user):
    """The edge opens a stream for a message, and again for the next one."""
    flow = user.dial(inst.sip)
    for i in range(3):
        assert user.message(flow, "sip:bob@" + partner.domain, "%s out %d" % (partner.domain, i)).status in (200, 202)
        stream = next(s for s in inst.streams(partner.domain) if s["direction"] == "out")
        inst.edge.control("stream", "close", id=str(stream["id"]))
        wait_until("the end of the stream", lambda gone=stream["id"]: gone not in [s["id"] for s in inst.streams(partner.domain)], 10)
    flow.close()


def come_by_sips(inst, user, certs, partner):
    """A new TLS connection of a SIP server for each message."""
    for i in range(ROUNDS):
        flow = user.dial(inst.sips, "tls", certs.client("sip"), "fe.corp.example")
        assert user.message(flow, "sip:bob@" + partner.domain, "by sips %d" % i).status in (200, 202)
        flow.close()


def fail(inst, user):
    """Each of them becomes a row of the journal."""
    flow = user.dial(inst.sip)
    for domain in GONE:
        assert user.message(flow, "sip:eve@" + domain, "to nowhere").status == 404
    flow.close()


def reload_often(inst, revisions):
    """Another file in each round: every reload is a revision of its own, written to the store."""
    for i in range(ROUNDS):
        inst.list_partner("spare.example", limits={"stanzas_per_second": 100 + i})
        revisions.append(inst.reload(20)["revision"])


def check_often(inst, tools, partner):
    for _ in range(ROUNDS):
        assert inst.gateway.ctl(tools, "partner", "check", partner.domain, as_json=True, check=False)[0] in (0, 1)
        assert inst.gateway.ctl(tools, "failures", "list", "--limit", "100", check=False)[0] == 0


def test_all_jobs_at_once(busy, partners, users, tools, certs):
    user, secure = users["corp.example"], users["corp3.example"]
    since, revisions = user.said.mark(), []
    at_once(*[lambda p=p: log_in_and_say(p) for p in partners], *[lambda p=p: be_called(busy, p, user) for p in partners[:3]],
            lambda: come_by_sips(busy, secure, certs, partners[3]), lambda: fail(busy, user), lambda: reload_often(busy, revisions),
            lambda: check_often(busy, tools, partners[4]))
    expected = sorted("%s in %d" % (p.domain, i) for p in partners for i in range(ROUNDS))
    for text in expected:
        user.wait_text(text, 20, since)
    assert sorted(m.text for m in user.said.items[since:]) == expected
    for p in partners[:3]:
        assert [child_text(s, "body") for s in p.inbox.items] == ["%s out %d" % (p.domain, i) for i in range(3)]
    assert [child_text(s, "body") for s in partners[3].inbox.items] == ["by sips %d" % i for i in range(ROUNDS)]
    assert revisions == list(range(revisions[0], revisions[0] + ROUNDS))
    found = busy.gateway.control("failures", "list", limit=100)["failures"]
    assert set(GONE) <= {f["remote"] for f in found}


def test_the_end_in_the_middle_of_it(busy, partners, users):
    """SIGTERM while handshakes and a reload run: both daemons end in good order, and nobody waits for ever."""
    def knock(partner):
        try:
            log_in_and_say(partner)
        except (AssertionError, OSError):
            pass  # the edge ends under it
    threads = [threading.Thread(target=knock, args=(p,), name="knock", daemon=True) for p in partners]
    for t in threads:
        t.start()
    wait_until("a stream", busy.streams, 10)
    busy.list_partner("spare.example")
    busy.gateway.process.child.send_signal(signal.SIGHUP)
    busy.edge.process.child.send_signal(signal.SIGTERM)
    busy.edge.process.wait_line("service.state state=draining", 10)
    busy.stop()  # asks for exit status 0 and silent sanitizers
    for t in threads:
        t.join(60)
    assert not [t for t in threads if t.is_alive()]
