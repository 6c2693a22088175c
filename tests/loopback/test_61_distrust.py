"""
What neither daemon takes from the other end of the channel on trust (proto/channel.md: every stanza is read again), and how many
strangers may sit in front of either.
"""
import itertools
import queue
import select
import threading
import time

import pytest

from harness.channel import EDGE, GATEWAY, ChannelPeer, FakeEdge
from harness.proc import wait_until
from harness.sip import SipUser
from harness.wire import Wire
from harness.xmpp import child_text

numbers = itertools.count(1)
DELIVERED, REFUSED = 1, 2
MESSAGE, PRESENCE, SUBSCRIPTION, ERROR = 1, 2, 3, 4
HONEST = " type='chat' xml:lang='de'"

# what is wrong -> what the frame says instead of what the stanza does
LIES = {
    "another sender of the domain": {"sender": "mallory@%(from)s"},
    "a resource the sender has not": {"sender": "alice@%(from)s/phone"},
    "another domain": {"sender": "alice@elsewhere.example"},
    "another recipient": {"to": "mallory@%(to)s"},
    "no recipient": {"to": "%(to)s"},
    "another id": {"id": "of somebody else"},
    "another kind": {"kind": PRESENCE},
    "said to be an error": {"kind": ERROR},
    "another type": {"type": "groupchat"},
    "no type": {"type": ""},
    "another language": {"lang": "en"},
}


def stanza(sender, to, id, body="forged", name="message", more=""):
    inner = "<body>%s</body>" % body if name == "message" else ""
    return "<%s xmlns='jabber:server' from='%s' to='%s' id='%s'%s>%s</%s>" % (name, sender, to, id, more, inner, name)


@pytest.fixture(scope="module")
def edge_of(install, started, certs, new_partner):
    """An edge with a gateway of its own, which a second one may link to; and partners for some kinds only."""
    inst = install("distrust", edge={"channel": {"allow": ["fe.corp.example", "rogue.corp.example"]}}, gateway={"limits": {"connections": 6}})
    inst.list_partner("distrust.example")
    inst.list_partner("talks.example", kinds=["message"])
    inst.list_partner("shows.example", kinds=["presence"])
    try:
        started(inst)
        inst.partner = new_partner(inst, "distrust.example")
        yield inst
    finally:
        inst.stop()


@pytest.fixture
def rogue(edge_of, certs):
    """Dials the edge as a second gateway, with a certificate that may link."""
    peer = ChannelPeer.connect(edge_of.channel, certs.client(certs.leaf("rogue", "host:rogue.corp.example")), "edge-int.corp.example")
    peer.hello("rogue", GATEWAY)
    assert peer.read_until("Hello")["name"] == b"edge1"
    assert peer.read_until("Credit")
    yield peer
    peer.close()


@pytest.mark.parametrize("name", LIES)
def test_an_edge_compares_frame_and_stanza(edge_of, rogue, name):
    """Outcomes and late errors are written from the frame's words: they have to be those of the stanza."""
    since = edge_of.partner.inbox.mark()
    ident, where = "e%d" % next(numbers), {"from": "corp.example", "to": "distrust.example"}
    honest = {"sender": "alice@corp.example", "to": "bob@distrust.example", "id": ident, "kind": MESSAGE, "type": "chat", "lang": "de"}
    lie = {key: value % where if isinstance(value, str) else value for key, value in LIES[name].items()}
    rogue.deliver(1, stanza=stanza(honest["sender"], honest["to"], ident, more=HONEST), **dict(honest, **lie))
    rogue.deliver(2, stanza=stanza(honest["sender"], honest["to"], ident, "true " + ident, more=HONEST), **honest)
    edge_of.partner.wait_body("true " + ident, 20, since)
    outcome = rogue.outcomes(1)[1]
    assert (outcome["fate"], outcome["reason"]) == (REFUSED, b"xmpp.stanza.invalid")
    assert [child_text(s, "body") for s in edge_of.partner.inbox.items[since:]] == ["true " + ident]


@pytest.mark.parametrize("to, kind, name, is_allowed", [
    ("talks.example", MESSAGE, "message", True), ("talks.example", PRESENCE, "presence", False), ("shows.example", MESSAGE, "message", False),
    ("shows.example", PRESENCE, "presence", True), ("talks.example", SUBSCRIPTION, "presence", False),
])
def test_an_edge_asks_what_a_partner_takes(edge_of, rogue, to, kind, name, is_allowed):
    """policy of the partner: `kinds`, whatever the gateway says. What may go fails later, for nobody is there."""
    sender = "alice@corp.example"
    more = " type='subscribe'" if kind == SUBSCRIPTION else ""
    rogue.deliver(1, sender, "bob@" + to, stanza(sender, "bob@" + to, "k1", name=name, more=more), kind=kind, id="k1", type="subscribe" if more else "")
    rogue.send("Withdraw", seq=1)
    outcome = rogue.outcomes(1, 20)[1]
    assert (outcome.get("reason") == b"policy.kind.forbidden") == (not is_allowed), outcome


@pytest.fixture(scope="module")
def gateway_of(install, certs):
    """A gateway whose only edge is one by script; the user it sends to."""
    fake = FakeEdge(certs)
    user = SipUser("corp.example")
    inst = install("distrusting", users={"corp.example": user})
    inst.gateway_config["edges"] = [{"name": "edge1", "address": "127.0.0.1:%d" % fake.listener.port, "tls_name": "edge-int.corp.example"}]
    inst.write_configs()
    inst.list_partner("distrust.example")
    inst.gateway.start()
    try:
        inst.fake, inst.user = fake, user
        yield inst
    finally:
        inst.gateway.stop()
        fake.close()
        user.close()


def new_link(gateway_of, **hello):
    """The next link of the gateway, as a new run of that edge."""
    count = gateway_of.fake.links.mark()
    for old in gateway_of.fake.links.items[:count]:
        old.close()
    peer = gateway_of.fake.links.wait_count(count + 1, 30)[count]
    assert peer.read_until("Hello", 20)["name"] == b"gw1"
    peer.hello("edge1", EDGE, **hello)
    assert peer.read_until("Credit", 20)
    return peer


@pytest.fixture
def fake_edge(gateway_of):
    return new_link(gateway_of)


@pytest.mark.parametrize("name", LIES)
def test_a_gateway_compares_frame_and_stanza(gateway_of, fake_edge, name):
    since = gateway_of.user.said.mark()
    ident, where = "g%d" % next(numbers), {"from": "distrust.example", "to": "corp.example"}
    honest = {"sender": "alice@distrust.example", "to": "bob@corp.example", "id": ident, "kind": MESSAGE, "type": "chat", "lang": "de"}
    lie = {key: value % where if isinstance(value, str) else value for key, value in LIES[name].items()}
    fake_edge.deliver(1, stanza=stanza(honest["sender"], honest["to"], ident, more=HONEST), **dict(honest, **lie))
    outcome = fake_edge.outcomes(1)[1]
    assert (outcome["fate"], outcome["reason"]) == (REFUSED, b"xmpp.stanza.invalid")
    fake_edge.deliver(2, stanza=stanza(honest["sender"], honest["to"], ident, "true " + ident, more=HONEST), **honest)
    attempted = fake_edge.read_until("Attempted")
    fake_edge.send("AttemptedAck", seqs=attempted["seqs"])
    gateway_of.user.wait_text("true " + ident, 10, since)
    assert fake_edge.outcomes(1)[2]["fate"] == 1
    assert [m.text for m in gateway_of.user.said.items[since:]] == ["true " + ident]


# ---- an edge that does not answer ----

def answer_pings(peer, until):
    """Reads on, and lives, up to a message of that name."""
    while True:
        name, fields = peer.read(30)
        assert name not in (None, "Settled"), "%s instead of %s: %s" % (name, until, fields)
        if name == "Ping":
            peer.send("Pong", id=fields["id"])
        if name == until:
            return fields


def test_an_edge_that_never_answers(install, started, certs, new_partner):
    """What it has brought is never begun, and holds up nobody: another edge's message for the same user goes first. The link ends."""
    fake, user = FakeEdge(certs), SipUser("corp.example")
    inst = install("silent-edge", users={"corp.example": user})
    inst.gateway_config["edges"].append({"name": "edge2", "address": "127.0.0.1:%d" % fake.listener.port, "tls_name": "edge-int.corp.example"})
    inst.write_configs()
    inst.list_partner("distrust.example")
    try:
        started(inst)
        partner = new_partner(inst, "distrust.example")
        peer = fake.links.wait_count(1, 20)[0]
        peer.hello("edge2", EDGE)
        assert peer.read_until("Credit", 20)
        mark, since = inst.gateway.process.mark(), user.said.mark()
        peer.deliver(1, "alice@distrust.example", "dave@corp.example",
                     stanza("alice@distrust.example", "dave@corp.example", "s1", "never begun"), id="s1", remaining_ms=60000)
        answer_pings(peer, "Attempted")
        partner.say("bob", "dave@corp.example", "steps past")
        user.wait_text("steps past", 10, since)
        assert answer_pings(peer, "Close")["reason"] == b"channel.answer.missing"
        inst.gateway.process.wait_line("event=channel.down peer=edge2 .*reason=channel.answer.missing", 10, mark)
        assert [m.text for m in user.said.items[since:]] == ["steps past"]
    finally:
        inst.stop()
        fake.close()
        user.close()


# ---- what is shown of what they say ----

SIDES = {
    "what it knows": ({"side": "operator", "whose": "partner"}, ("operator", "partner")),
    "nothing, being older": ({}, ("partner", None)),
    "nonsense": ({"side": "nobody\nevent=forged", "whose": "x" * 64}, ("partner", None)),
}


@pytest.mark.parametrize("name", SIDES)
def test_the_side_an_edge_says(gateway_of, certs, name):
    """The log and the metric name it, not the reason's own; words that are none change nothing."""
    says, (side, whose) = SIDES[name]
    gateway, user = gateway_of.gateway, gateway_of.user
    peer = new_link(gateway_of, policy={"epoch": 1, "counter": 1, "hash": b"h" * 32})
    peer.send("Credit", messages=1000, bytes=1000000)
    labels = {"reason": "tls.cert.expired", "side": side}
    mark, before = gateway.process.mark(), gateway.metric("xfed_refusals_total", **labels)
    flow = user.dial(gateway_of.sip)
    answer = queue.Queue()
    threading.Thread(target=lambda: answer.put(user.message(flow, "sip:bob@distrust.example", "who is at fault?", sender="sip:dave@corp.example"))).start()
    delivery = peer.read_until("Deliver", 20)
    while delivery["kind"] != MESSAGE:  # errors for what an earlier run of this edge has brought
        delivery = peer.read_until("Deliver", 20)
    peer.send("Settled", outcomes=dict({"seq": delivery["seq"], "fate": REFUSED, "reason": "tls.cert.expired", "sip_status": 504}, **says))
    assert answer.get(timeout=30).status == 504
    flow.close()
    line = gateway.process.wait_line("event=delivery.refused .*reason=tls.cert.expired", 10, mark)
    assert " side=%s " % side in line
    assert (" whose=%s " % whose in line) if whose else "whose" not in line
    assert gateway.metric("xfed_refusals_total", **labels) == before + 1


def hop_of(gateway_of):
    """The SIP server of corp.example, as status shows it."""
    return next(h for h in gateway_of.gateway.control("status")["sip"] if h["next_hop"].endswith(":%d" % gateway_of.user.port))


@pytest.mark.parametrize("replay, fate", [(1, DELIVERED), (0, REFUSED)])
def test_482_to_a_repeat_is_a_message_that_was_taken(gateway_of, fake_edge, replay, fate):
    """By the SIP server too: it is no refusal of its."""
    ident = "c%d" % next(numbers)
    gateway_of.user.answer = 200
    fake_edge.deliver(1, "alice@distrust.example", "bob@corp.example", stanza("alice@distrust.example", "bob@corp.example", ident), id=ident)
    fake_edge.send("AttemptedAck", seqs=fake_edge.read_until("Attempted")["seqs"])
    assert fake_edge.outcomes(1)[1]["fate"] == DELIVERED
    before = hop_of(gateway_of)
    gateway_of.user.answer = 482
    try:
        fake_edge.deliver(2, "alice@distrust.example", "bob@corp.example", stanza("alice@distrust.example", "bob@corp.example", ident), id=ident, replay=replay)
        fake_edge.send("AttemptedAck", seqs=fake_edge.read_until("Attempted")["seqs"])
        assert fake_edge.outcomes(1)[2]["fate"] == fate
    finally:
        gateway_of.user.answer = 200
    after = hop_of(gateway_of)
    assert (after.get("refusals") == before.get("refusals")) == bool(replay)


def clock_problems(daemon):
    status = daemon.control("status")
    return [p["text"] for p in status["problems"] if p["reason"] == "channel.clock.apart"], status["channel"]


@pytest.mark.parametrize("ahead_s, words", [(-125, "behind"), (50, None), (86400, "ahead of")])
def test_clocks_that_are_apart(edge_of, rogue, gateway_of, fake_edge, ahead_s, words):
    """Both ends say so, with what to do; the link lives on, and nothing else is made of it."""
    for daemon, peer, name in ((edge_of.edge, rogue, "rogue"), (gateway_of.gateway, fake_edge, "edge1")):
        peer.send("Ping", id=1, lowest_unsettled=1, wall_ms=int((time.time() + ahead_s) * 1000))
        peer.read_until("Pong")
        problems, links = clock_problems(daemon)
        problems = [p for p in problems if "The clock of %s is" % name in p]
        apart_ms = next(link["clock_ms"] for link in links if link["peer"] == name)
        assert abs(apart_ms - 1000 * ahead_s) < 10000
        assert abs(daemon.metric("xfed_channel_clock_difference_seconds", peer=name) - ahead_s) < 10
        assert len(problems) == (1 if words else 0), problems
        assert not words or (words in problems[0] and "NTP" in problems[0])


def test_daemons_of_one_host_agree(edge_of):
    """Real pings: the difference is known, and none."""
    for daemon in (edge_of.edge, edge_of.gateway):
        def knows():
            problems, links = clock_problems(daemon)
            known = [link["clock_ms"] for link in links if "clock_ms" in link and link["peer"] in ("gw1", "edge1")]
            return known and not problems and abs(known[0]) < 10000
        wait_until("%s to know the other clock" % daemon.name, knows, 20)


# ---- how many strangers ----

def is_closed(wire):
    """Closed by the other side; what it said before is thrown away."""
    try:
        while select.select([wire.sock], [], [], 0)[0]:
            if not wire.sock.recv(4096):
                return True
    except OSError:
        return True
    return False


def strangers(address, count):
    """So many silent connections, each from a network of its own."""
    return [Wire.connect(address, "127.1.%d.1" % i) for i in range(count)]


def sit_down(daemon, address, count, most, event):
    """Of `count` strangers at most `most` may stay; the others are turned away with a line."""
    mark = daemon.process.mark()
    wires = strangers(address, count)
    try:
        daemon.process.wait_line("event=%s " % event, 8, mark)
        wait_until("%d that were turned away" % (count - most), lambda: sum(map(is_closed, wires)) >= count - most, 8)
    finally:
        for w in wires:
            w.close()


def test_handshakes_of_the_channel_are_limited(edge_of):
    """XFED_CHANNEL_UNAUTH_MAX; the link that is up is not touched, and a gateway still gets in afterwards."""
    sit_down(edge_of.edge, edge_of.channel, 48, 24, "channel.refused")
    assert edge_of.edge.metric("xfed_channel_up", peer="gw1") == 1


def test_links_that_are_up_are_limited(install, started, certs):
    """XFED_CHANNEL_LINKS_MAX gateways that have proved themselves: one more is told of as that, not as a stranger."""
    names = ["links%d.corp.example" % i for i in range(63)]
    contexts = [certs.client(certs.leaf(name.split(".")[0], "host:" + name)) for name in names]
    inst = install("links", edge={"channel": {"allow": ["fe.corp.example"] + names}})
    peers = []
    try:
        started(inst)

        def link(i):
            peers.append(ChannelPeer.connect(inst.channel, contexts[i], "edge-int.corp.example"))
            peers[-1].hello("links%d" % i, GATEWAY)
            assert peers[-1].read_until("Credit")
            for p in peers[:-1] if i % 8 == 0 else []:
                p.send("Ping", id=1)  # alive, however long the others take
        for i in range(63):  # and the gateway's own
            link(i)
        mark = inst.edge.process.mark()
        before = inst.edge.metric("xfed_refusals_total", reason="policy.connections.exceeded", side="operator") or 0
        with pytest.raises((OSError, AssertionError)):
            link(0)
        inst.edge.process.wait_line("event=channel.refused .*limit=links reason=policy.connections.exceeded", 5, mark)
        assert inst.edge.metric("xfed_refusals_total", reason="policy.connections.exceeded", side="operator") == before + 1
    finally:
        for p in peers:
            p.close()
        inst.stop()


def test_sip_connections_are_limited(edge_of, users):
    """limits.connections of the gateway, 6 here; what ends makes room."""
    sit_down(edge_of.gateway, edge_of.sip, 16, 6, "sip.refused")

    def gets_in():
        flow = users["corp.example"].dial(edge_of.sip)
        try:
            raw, branch = users["corp.example"].request(flow, "OPTIONS", "sip:fe.corp.example", sender="sip:dave@corp.example")
            return users["corp.example"].ask(flow, raw, branch, 5)
        except OSError:
            return None
        finally:
            flow.close()
    wait_until("room for one more", gets_in, 30)
