"""
What one partner, one SIP server or one phone in trouble costs the others (proto/delivery.md: Flow control, Order).
"""
import signal
import time

import pytest

from harness.proc import wait_until
from harness.sip import SipUser
from harness.xmpp import XmppStream, message

FLOOD = 2400  # what a partner throws at us in one go, over all its streams
STREAMS = 6


@pytest.fixture
def make(install, started):
    """make(NAME, ...) starts an installation whose SIP servers are its own: (installation, users by domain)."""
    made = []

    def make(name, partners, **kwargs):
        users = {"corp.example": SipUser("corp.example"), "corp2.example": SipUser("corp2.example")}
        inst = install(name, users=users, **kwargs)
        made.append((inst, users))
        for domain in partners:
            inst.list_partner(domain, limits={"stanzas_per_second": 100000})
        return started(inst), users
    yield make
    for inst, users in made:
        inst.stop()
        for user in users.values():
            user.close()


def flood(partner, number, to="corp.example", start=0):
    """Over streams of its own: from ten users to ten, each pair in order."""
    streams = [partner.dial(to) for _ in range(STREAMS)]
    for k, stream in enumerate(streams):
        stream.send("".join(message("u%d@%s/x" % (i % 10, partner.domain), "f%d.%d@%s" % (k, i % 10, to), "flood %d %d" % (k, start + i), id="f%d" % i)
                            for i in range(number // STREAMS)))
    return streams


def paused(inst, domain):
    shown = [inst.edge.control("stream", "show", id=str(s["id"])) for s in inst.streams(domain)]
    return [s for s in shown if s["paused"]]


def in_order(requests):
    """Each pair's messages in the order they were sent, each once."""
    last = {}
    for m in requests:
        if m.text.startswith("flood "):
            _, stream, number = m.text.split()
            pair = (m.uri("from"), m.uri("to"))
            assert last.get(pair, (stream, -1))[0] == stream and last.get(pair, (stream, -1))[1] < int(number), m.text
            last[pair] = (stream, int(number))


def test_a_flood_does_not_hold_up_the_others(make, new_partner):
    """What waits for the gateway is taken partner by partner, not in the order it came: the few do not wait for the many."""
    inst, users = make("share", ["flood.example", "paced.example"])
    user = users["corp.example"]
    noisy, paced = new_partner(inst, "flood.example"), new_partner(inst, "paced.example")
    paced.say("alice", "dave@corp.example", "hello")
    user.wait_text("hello")
    gateway = inst.gateway.process.child
    gateway.send_signal(signal.SIGSTOP)
    try:
        flood(noisy, FLOOD)
        wait_until("what the edge takes of the flood", lambda: inst.edge.metric("xfed_deliveries_in_flight") >= FLOOD, 20)
        for i in range(5):
            paced.say("alice", "dave@corp.example", "paced %d" % i)
        wait_until("the paced ones", lambda: inst.edge.metric("xfed_deliveries_in_flight") >= FLOOD + 5, 10)
    finally:
        gateway.send_signal(signal.SIGCONT)
    user.wait_text("paced 4", timeout=20)
    position = [m.text for m in user.said.items].index("paced 4")
    assert position < FLOOD / 4, position
    wait_until("all of the flood", lambda: len(user.said.items) >= FLOOD + 6, 60)
    assert [m.text for m in user.said.items if m.text.startswith("paced")] == ["paced %d" % i for i in range(5)]
    in_order(user.said.items)
    wait_until("their fates", lambda: inst.edge.metric("xfed_deliveries_in_flight") == 0, 10)


def test_while_a_flood_lasts_the_others_are_served_at_once(make, new_partner):
    """The delay of each of them, while the flood never ends. The bound is that of a slow machine, the flood's backlog is not."""
    inst, users = make("share2", ["flood2.example", "paced2.example"])
    user = users["corp.example"]
    noisy, paced = new_partner(inst, "flood2.example"), new_partner(inst, "paced2.example")
    delays = []
    flood(noisy, 2 * FLOOD)
    for i in range(20):
        began, since = time.monotonic(), user.said.mark()
        paced.say("alice", "dave@corp.example", "paced %d" % i)
        user.wait_text("paced %d" % i, since=since)
        delays.append(time.monotonic() - began)
    delivered = len(user.said.items)
    wait_until("all of the flood", lambda: len(user.said.items) >= 2 * FLOOD + 20, 120)
    in_order(user.said.items)
    assert sorted(delays)[len(delays) // 2] < 1.0, delays
    print("paced: median %.0f ms, most %.0f ms, %d of the flood delivered meanwhile" % (
        1000 * sorted(delays)[len(delays) // 2], 1000 * max(delays), delivered - 20))


def test_a_server_that_does_not_answer_has_its_part_and_no_more(make, new_partner):
    """30 % of what may wait, then resource-constraint; the other server's users do not notice."""
    inst, users = make("hopcap", ["hopcap.example"], gateway={"limits": {"waiting_messages": 100}})
    p = new_partner(inst, "hopcap.example")
    users["corp.example"].answer = None
    for i in range(30):
        p.say("alice", "u%d@corp.example" % i, "silence %d" % i)
    wait_until("thirty in flight", lambda: len(users["corp.example"].inbox.items) == 30, 20)
    before = inst.refusals("delivery.queue.full")
    condition, kind, text = p.wait_error(p.say("alice", "u99@corp.example", "one more", id="over"))
    assert (condition, kind) == ("resource-constraint", "wait") and "delivery.queue.full" in text
    assert inst.refusals("delivery.queue.full") > before
    p.say("alice", "carol@corp2.example", "the others")
    users["corp2.example"].wait_text("the others")
    for request in list(users["corp.example"].inbox.items):
        users["corp.example"].respond(request, 200)
    users["corp.example"].answer = 200
    wait_until("room again", lambda: inst.gateway.metric("xfed_deliveries_in_flight") == 0, 10)
    p.say("alice", "u99@corp.example", "now it goes")
    users["corp.example"].wait_text("now it goes")


def test_a_phone_that_does_not_answer_holds_up_itself(make, new_partner):
    """Per recipient: the bound of its queue, nobody else's; a proxy's 408 for the first refuses those behind it at once."""
    inst, users = make("phone", ["phone.example", "phone2.example"], gateway={"limits": {"queue_messages": 8}})
    user = users["corp.example"]
    p, other = new_partner(inst, "phone.example"), new_partner(inst, "phone2.example")
    user.answer = lambda m: None if "dead@" in m.uri("to") else 200
    idents = [p.say("alice", "dead@corp.example", "dead %d" % i, id="d%d" % i) for i in range(8)]
    condition, kind, text = p.wait_error(p.say("alice", "dead@corp.example", "dead 8", id="d8"))
    assert (condition, kind) == ("resource-constraint", "wait") and "delivery.queue.full" in text
    # Above that there is room for a partner that finds it filled by another, and not without end.
    theirs = [other.say("bob", "dead@corp.example", "dead too", id="o0")]
    condition, kind, text = other.wait_error(other.say("bob", "dead@corp.example", "dead too 2", id="o1"))
    assert (condition, kind) == ("resource-constraint", "wait") and "delivery.queue.full" in text
    for i in range(20):
        p.say("alice", "u%d@corp.example" % i, "alive %d" % i)
    user.wait_text("alive 19")
    user.respond(user.wait_text("dead 0"), 408)
    for ident in idents:
        assert p.wait_error(ident)[0] == "remote-server-timeout"
    for ident in theirs:
        assert other.wait_error(ident)[0] == "remote-server-timeout"
    assert [m.text for m in user.said.items if "dead@" in m.uri("to")] == ["dead 0"]


def test_one_stanza_waits_for_its_stream_whatever_its_size(make, new_partner):
    """The bound on what is parked for a partner is none on one stanza: it goes when the stream is there."""
    inst, users = make("large", ["large.example"], edge={"limits": {"park": "16KiB"}})
    user = users["corp.example"]
    p = new_partner(inst, "large.example")
    flow = user.dial(inst.sip)
    for size in (20000, 40000):
        assert user.message(flow, "sip:alice@large.example", "x" * size, timeout=30).status in (200, 202)
        p.wait_body("x" * size)
        for stream in inst.streams("large.example"):
            inst.edge.control("stream", "close", id=str(stream["id"]))
        wait_until("no stream", lambda: not inst.streams("large.example"), 10)
    flow.close()


def test_a_partner_waits_at_its_own_streams(make, new_partner):
    """Without a gateway that takes anything: memory is bounded by what is parked per stream, then the edge stops reading."""
    park = 64 * 1024
    inst, users = make("park", ["park.example"], edge={"limits": {"park": "64KiB"}})
    user = users["corp.example"]
    p = new_partner(inst, "park.example")
    p.say("alice", "dave@corp.example", "hello")
    user.wait_text("hello")
    gateway = inst.gateway.process.child
    gateway.send_signal(signal.SIGSTOP)
    try:
        stream = p.dial("corp.example")
        body = "x" * 1000
        stream.send("".join(message("a@park.example/x", "u%d@corp.example" % i, body + str(i), id="p%d" % i) for i in range(300)))
        wait_until("a stream that is not read", lambda: paused(inst, "park.example"), 10)
        assert inst.edge.metric("xfed_deliveries_in_flight") < 2 * park / 1000 + 64
    finally:
        gateway.send_signal(signal.SIGCONT)
    wait_until("all of them", lambda: len(user.said.items) == 301, 30)
    assert sorted(int(m.text[1000:]) for m in user.said.items[1:]) == list(range(300))
    assert not paused(inst, "park.example")


def test_a_stream_that_is_not_read_is_not_taken_for_dead(make, new_partner):
    """A newer stream of its pair has the older one show life; while it is we who do not read, it is not asked to."""
    inst, users = make("unread", ["unread.example"], edge={"limits": {"park": "64KiB", "establish_timeout": "1s"}})
    user = users["corp.example"]
    p = new_partner(inst, "unread.example")
    gateway = inst.gateway.process.child
    gateway.send_signal(signal.SIGSTOP)
    try:
        stream = p.dial("corp.example")
        stream.send("".join(message("a@unread.example/x", "u%d@corp.example" % i, "x" * 1000 + str(i), id="p%d" % i) for i in range(300)))
        wait_until("a stream that is not read", lambda: paused(inst, "unread.example"), 10)
        newer = p.dial("corp.example")
        for _ in range(3):  # each has the time a stream has to show life, one after the other
            stranger = XmppStream.connect(inst.s2s)
            stranger.open("unread.example", "corp.example")
            stranger.read_goodbye()
            stranger.close()
    finally:
        gateway.send_signal(signal.SIGCONT)
    wait_until("all of them", lambda: len(user.said.items) == 300, 30)
    assert not [line for line in inst.edge.process.lines if "reason=stream.replaced" in line]
    newer.close()
