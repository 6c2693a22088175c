"""
SIP over UDP: a port where nobody listens (ICMP, RFC 3261 section 18.4), ICMP that somebody has forged, and the pace of a burst.
"""
import itertools
import socket
import struct
import threading

import pytest

from harness.proc import wait_until
from harness.sipmsg import parse_sip, response_to
from harness.wire import free_port
from harness.xmpp import message

numbers = itertools.count(1)
HOST = "127.0.0.1"
BURST = 256
ARRIVED_NS = 35  # SO_TIMESTAMPNS
T1_NS = 500 * 10 ** 6


class Server:
    """A SIP server on UDP alone: every datagram as it came, and when the kernel had it; it answers what it is told to."""

    def __init__(self, port=0, answers=True):
        self.answers = answers
        self.came = []  # (ns, bytes, message, sender)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, ARRIVED_NS, 1)
        self.sock.bind((HOST, port))
        self.port = self.sock.getsockname()[1]
        self.is_open = True
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while True:
            data, control, _, sender = self.sock.recvmsg(65536, 256)
            if not self.is_open:
                return
            m = parse_sip(data)
            ns = next(s * 10 ** 9 + n for _, kind, value in control if kind == ARRIVED_NS for s, n in [struct.unpack("qq", value)])
            self.came.append((ns, data, m, sender))
            if self.answers:
                self.answer(m, sender)

    def answer(self, m, sender):
        self.sock.sendto(response_to(m, 200), sender)

    def wait(self, text):
        wait_until("%r at the server" % text, lambda: [c for c in self.came if c[2].text == text], 10)
        return [c for c in self.came if c[2].text == text]

    def close(self):
        if self.is_open:
            self.is_open = False
            self.sock.sendto(b"x", (HOST, self.port))
            self.thread.join(10)
            self.sock.close()


def come_back(data, sent_from, sent_to):
    """To `sent_from`: ICMP, port unreachable, that quotes a datagram which went to `sent_to`."""
    udp = struct.pack("!HHHH", sent_from[1], sent_to[1], 8 + len(data), 0)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(data), 1, 0, 64, socket.IPPROTO_UDP, 0, socket.inet_aton(sent_from[0]),
                     socket.inet_aton(sent_to[0]))
    body = ip + udp + data
    total = (3 << 8) + 3 + sum(struct.unpack("!%dH" % ((len(body) + 1) // 2), body + b"\0" * (len(body) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.sendto(struct.pack("!BBHI", 3, 3, ~total & 0xffff, 0) + body, (sent_from[0], 0))


def new_text(words):
    return "%s %d" % (words, next(numbers))


@pytest.fixture(scope="module")
def inst(install, started, dns):
    """corp.example has its next hop at a name that the tests give places; corp2.example at one port that is theirs."""
    inst = install("udp", gateway={"dns": {"servers": ["%s:%d" % dns.address[:2]]}})
    inst.port = free_port()
    inst.gateway_config["domains"] = [
        {"domain": "corp.example", "next_hop": "sip:pool.corp.example;transport=udp", "peer_addresses": [HOST], "udp_trusted": True},
        {"domain": "corp2.example", "next_hop": "sip:%s:%d;transport=udp" % (HOST, inst.port), "peer_addresses": [HOST], "udp_trusted": True},
    ]
    inst.write_configs()
    inst.list_partner("udp.example", limits={"stanzas_per_second": 100000})
    try:
        yield started(inst)
    finally:
        inst.stop()


@pytest.fixture(scope="module")
def peer(inst, new_partner):
    return new_partner(inst, "udp.example")


@pytest.fixture
def server():
    made = []

    def make(*args, **kwargs):
        made.append(Server(*args, **kwargs))
        return made[-1]
    yield make
    for s in made:
        s.close()


@pytest.fixture
def pool(inst, dns):
    """corp.example at these ports, in this order."""
    names = ["_sip._udp.pool.corp.example", "one.corp.example"]

    def make(*ports):
        dns.add(names[0], "SRV", *[(10 + i, 0, port, names[1]) for i, port in enumerate(ports)])
        dns.add(names[1], "A", HOST)
        inst.reload()
    yield make
    for name in names:
        dns.clear(name)


def test_a_closed_port_is_refused_at_once(inst, peer):
    before = inst.refusals("sip.server.unreachable")
    condition, _, text = peer.wait_error(peer.say("alice", "dave@corp2.example", new_text("to nobody")))
    assert condition == "remote-server-timeout" and "may have been delivered" not in text
    assert inst.refusals("sip.server.unreachable") > before
    problem, = [p for p in inst.gateway.control("status")["problems"] if p["reason"] == "sip.server.unreachable"]
    assert "connection refused (ICMP)" in problem["text"]


def test_the_next_place_when_a_port_is_closed(inst, peer, server, pool):
    """The first one is passed over after that, without being asked."""
    second = server()
    pool(free_port(), second.port)
    for place in ("1", "1"):
        text = new_text("to the second")
        peer.say("alice", "dave@corp.example", text)
        (_, _, m, _), = second.wait(text)
        assert m.branch.rsplit(".", 1)[1] == place


def test_a_port_that_closes_after_the_request_leaves_it_uncertain(inst, peer, server):
    first = server(inst.port, answers=False)
    text = new_text("into the closing door")
    ident = peer.say("alice", "dave@corp2.example", text)
    first.wait(text)
    first.close()
    condition, _, words = peer.wait_error(ident)
    assert condition == "remote-server-timeout" and "may have been delivered" in words


def test_forged_returns_end_nothing(inst, peer, server):
    """Who has not seen the request; behind them the loop goes on, and reads answers. Who has can do no more than end it."""
    s = server(inst.port, answers=False)
    text, other = new_text("still on its way"), new_text("returned by one who knows")
    ident = peer.say("alice", "dave@corp2.example", text)
    _, data, m, sender = s.wait(text)[0]
    there = (HOST, s.port)
    for quoted in (b"", data[:8], data[:60], data.replace(m.branch.encode(), b"z9hG4bK" + b"0" * 32), data[:-1] + b"?", b"x" * 500,
                   b"\r\nVia: ;branch=" + m.branch.encode() + b";rport"):
        for _ in range(40):
            come_back(quoted, sender, there)
    come_back(data, sender, (HOST, s.port + 1))
    known = peer.say("romeo", "juliet@corp2.example", other)
    _, known_data, _, _ = s.wait(other)[0]
    come_back(known_data[:520], sender, there)
    assert peer.wait_error(known)[0] == "remote-server-timeout"
    s.answer(m, sender)
    s.answers = True
    last = new_text("behind it")
    peer.say("alice", "dave@corp2.example", last)  # to the same user: it waits for the answer to the first
    s.wait(last)
    assert not [e for e in peer.inbox.items if e.get("type") == "error" and e.get("id") == ident]


def test_a_burst_leaves_at_a_pace(inst, peer, server, pool, dns):
    """All of it is ready in one moment, when the DNS answers. Only what is answered late, or found no room as this reader was late, is repeated."""
    dns.answer("_sip._udp.pool.corp.example", "silent")
    inst.reload()
    s = server()
    stream = peer.dial("corp.example")
    stream.send("".join(message("u%d@udp.example/x" % i, "b%d@corp.example" % i, "burst %d" % i) for i in range(BURST)))
    wait_until("the burst in the gateway", lambda: inst.gateway.metric("xfed_deliveries_in_flight") >= BURST, 10)
    dns.clear("_sip._udp.pool.corp.example")
    pool(s.port)
    wait_until("the burst at the server", lambda: len({m.text for _, _, m, _ in s.came}) >= BURST, 20)
    first = {}
    for ns, _, m, _ in s.came:
        assert first.setdefault(m.branch, ns) == ns or ns - first[m.branch] >= T1_NS * 0.9
    assert s.came[-1][0] - s.came[0][0] >= 5 * 10 ** 6
