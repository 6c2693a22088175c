"""The channel between gateway and edge under bad peers and a bad network; the way out of service and back (proto/channel.md)."""
import itertools
import os
import re
import socket
import ssl
import struct
import threading
import time

import pytest

from harness.channel import EDGE, GATEWAY, ChannelPeer, FakeEdge, frame, varint
from harness.proc import wait_until
from harness.proxy import HostileProxy
from harness.sip import SipUser
from harness.wire import Wire, free_port
from harness.xmpp import XmppStream, child_text, message

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def proxied(install, started, new_partner):
    """An installation whose channel runs through a proxy; and a partner and a user of its own."""
    user = SipUser("corp.example")
    inst = install("proxied", users={"corp.example": user}, edge={"channel": {"allow": ["fe.corp.example", "rogue.corp.example"]}})
    proxy = HostileProxy(inst.channel)
    inst.gateway_config["edges"][0]["address"] = "127.0.0.1:%d" % proxy.port
    inst.write_configs()
    inst.list_partner("proxied.example")
    try:
        started(inst)
        inst.proxy, inst.user = proxy, user
        inst.partner = new_partner(inst, "proxied.example")
        yield inst
    finally:
        inst.stop()
        proxy.close()
        user.close()


@pytest.fixture
def calm(proxied):
    yield proxied
    proxied.proxy.chunk = 65536
    proxied.proxy.refuses = False
    proxied.proxy.resume()
    wait_until("the channel", lambda: proxied.edge.metric("xfed_channel_up", peer="gw1") == 1, 20)


def both_ways(inst, flow, word):
    """One message each way."""
    text = "%s %d" % (word, next(numbers))
    since = inst.user.said.mark()
    inst.partner.say("alice", "dave@corp.example", text)
    inst.user.wait_text(text, 15, since)
    assert inst.user.message(flow, "sip:alice@proxied.example", text + " back", sender="sip:dave@corp.example").status in (200, 202)
    inst.partner.wait_body(text + " back", 15)


def test_re_chunked_to_single_bytes(calm):
    calm.proxy.chunk = 1
    calm.proxy.cut()  # the handshake and the policy too
    flow = calm.user.dial(calm.sip)
    wait_until("two links at least", lambda: calm.proxy.accepted >= 2, 15)
    wait_until("the channel", lambda: calm.gateway.get("/readyz")[0] == 200 and calm.edge.metric("xfed_channel_up", peer="gw1") == 1, 20)
    for i in range(5):
        both_ways(calm, flow, "bytewise")
    calm.list_partner("another.example")
    calm.reload(20)
    flow.close()


@pytest.mark.parametrize("how", ["close", "reset"])
def test_cut_and_resumed_nothing_is_lost_or_doubled(calm, how):
    """
    Messages each way while the link is cut twice with requests in flight. The oracle is what the ends have sent and
    received: to SIP everything once and in order; to XMPP what was answered with 200 once, nothing twice.
    """
    flow = calm.user.dial(calm.sip)
    both_ways(calm, flow, "before")
    sip_since, xmpp_since = calm.user.said.mark(), calm.partner.inbox.mark()
    count, statuses = 30, {}
    calm.user.answer = lambda m: None if m.text in ("x5", "x15") else 200

    def from_sip():
        for i in range(count):
            wait_until("the channel", lambda: calm.gateway.get("/readyz")[0] == 200, 20)
            # the answers to the first ones are held for an error, so that they are in flight when the link goes
            sender = "sip:erin@corp.example" if i < 10 else "sip:dave@corp.example"
            statuses[i] = calm.user.message(flow, "sip:alice@proxied.example", "s%d" % i, sender=sender).status
    sending = threading.Thread(target=from_sip)
    sending.start()
    for i in range(count):
        calm.partner.say("alice", "dave@corp.example", "x%d" % i, id="cut-%s-%d" % (how, i))
    for text in ("x5", "x15"):
        request = calm.user.wait_text(text, 30, sip_since)
        links = calm.proxy.accepted
        calm.proxy.cut(how)
        calm.user.respond(request)
        wait_until("a new link", lambda: calm.proxy.accepted > links, 20)
    calm.user.answer = 200
    calm.user.wait_text("x%d" % (count - 1), 30, sip_since)
    sending.join(60)
    assert [m.text for m in calm.user.said.items[sip_since:]] == ["x%d" % i for i in range(count)]
    delivered = ["s%d" % i for i in range(count) if statuses[i] in (200, 202)]
    calm.partner.wait_body(delivered[-1], 10, xmpp_since)  # written is not yet read
    assert not [s for s in calm.partner.inbox.items[xmpp_since:] if s.get("type") == "error"]
    arrived = [child_text(s, "body") for s in calm.partner.inbox.items[xmpp_since:]]
    assert len(set(arrived)) == len(arrived), arrived
    assert set(delivered) <= set(arrived), (statuses, arrived)
    assert arrived == sorted(arrived, key=lambda t: int(t[1:]))
    failed = [status for status in statuses.values() if status not in (200, 202)]
    assert len(failed) <= 4 and set(failed) <= {504, 480}, statuses  # what was asked for while the link was down
    flow.close()


def test_a_stalled_channel(calm):
    """
    Nothing passes and nothing is closed: the SIP sender hears in time. The request may have got through, so the answer is
    the uncertain one, counted as such, and a repeat of the request does not become a second stanza.
    """
    flow = calm.user.dial(calm.sip)
    both_ways(calm, flow, "before")
    since, mark = calm.partner.inbox.mark(), calm.gateway.process.mark()
    before = calm.gateway.metric("xfed_deliveries_uncertain_total")
    calm.proxy.stall()
    raw, branch = calm.user.request(flow, "MESSAGE", "sip:alice@proxied.example", body="stalled", content_type="text/plain")
    assert calm.user.ask(flow, raw, branch).status in (504, 480)
    calm.gateway.process.wait_line("event=delivery.uncertain .*reason=delivery.uncertain", 5, mark)
    assert calm.gateway.metric("xfed_deliveries_uncertain_total") == before + 1
    calm.proxy.resume()
    both_ways(calm, flow, "after")
    calm.user.ask(flow, raw.replace(branch.encode(), b"z9hG4bKrepeat" + branch[-6:].encode()), "z9hG4bKrepeat" + branch[-6:])
    both_ways(calm, flow, "after the repeat")
    assert [child_text(s, "body") for s in calm.partner.inbox.items[since:]].count("stalled") <= 1
    flow.close()


def test_a_message_to_sip_waits_for_the_channel(calm):
    flow = calm.user.dial(calm.sip)
    both_ways(calm, flow, "before")
    calm.proxy.refuses = True
    calm.proxy.cut()
    mark = calm.user.said.mark()
    text = "parked %d" % next(numbers)
    calm.partner.say("alice", "dave@corp.example", text)
    calm.proxy.refuses = False
    calm.user.wait_text(text, 15, mark)
    assert [m.text for m in calm.user.said.items[mark:]] == [text]
    flow.close()


# ---- a peer with a valid certificate that breaks the protocol ----

def huge_frame():
    return struct.pack("!I", 266241) + b"x" * 64


BAD_FRAMES = {
    "too long": huge_frame(),
    "length of 2 GiB": struct.pack("!I", 0x80000000),
    "length 0": struct.pack("!I", 0),
    "not protobuf": struct.pack("!I", 8) + b"\xff" * 8,
    "truncated field": struct.pack("!I", 3) + b"\x2a\x7f\x01",
    "two messages in one": struct.pack("!I", 8) + b"\x12\x02\x08\x01\x1a\x02\x08\x01",
    "number 0": frame("Withdraw", seq=0),
    "text that is no UTF-8": frame("Close", reason=b"\xc3\x28", text=b""),
    "many empty submessages": (lambda body: struct.pack("!I", len(body)) + body)(b"\x42" + varint(20000) + b"\x0a\x00" * 10000),
    "hello again": frame("Hello", version_min=1, version_max=1, role=GATEWAY, name="rogue", boot_nonce=7, lowest_unsettled=1),
    "a policy part without begin": frame("PolicyPart", offset=0, data=b"x"),
    "an outcome of an edge's kind": frame("PolicyResult", ok=1, revision={"epoch": 1, "counter": 1, "hash": b"x" * 32}),
}


@pytest.fixture
def rogue(proxied, certs):
    """Dials the edge as a second gateway, with a certificate that may link."""
    leaf = certs.leaf("rogue", "host:rogue.corp.example")
    peers = []

    def dial(greets=True):
        peer = ChannelPeer.connect(proxied.channel, certs.client(leaf), "edge-int.corp.example")
        peers.append(peer)
        if greets:
            peer.hello("rogue", GATEWAY)
            assert peer.read_until("Hello")["name"] == b"edge1"
        return peer
    yield dial
    for peer in peers:
        peer.close()


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_bad_frames_close_the_channel_and_nothing_else(calm, rogue, name):
    since = calm.edge.process.mark()
    link_before = calm.proxy.accepted
    peer = rogue()
    peer.raw(BAD_FRAMES[name])
    assert peer.read_close() == "channel.frame.bad"
    calm.edge.process.wait_line("event=channel.down peer=rogue .*reason=channel.frame.bad", 5, since)
    again = rogue()  # and it may come back
    again.send("Ping", id=5, lowest_unsettled=1)
    assert again.read_until("Pong")["id"] == 5
    again.close()
    assert calm.proxy.accepted == link_before  # the good gateway's link was not touched
    flow = calm.user.dial(calm.sip)
    both_ways(calm, flow, "beside the rogue")
    flow.close()


@pytest.mark.parametrize("name, data, code", [
    ("something before hello", frame("Ping", id=1, lowest_unsettled=1), "channel.frame.bad"),
    ("an edge at an edge", frame("Hello", version_min=1, version_max=1, role=EDGE, name="rogue", boot_nonce=7, lowest_unsettled=1), "channel.frame.bad"),
    ("no boot nonce", frame("Hello", version_min=1, version_max=1, role=GATEWAY, name="rogue", boot_nonce=0, lowest_unsettled=1), "channel.frame.bad"),
    ("a version of the future", frame("Hello", version_min=7, version_max=9, role=GATEWAY, name="rogue", boot_nonce=7, lowest_unsettled=1), "channel.version.unsupported"),
], ids=["ping-first", "role", "nonce", "version"])
def test_bad_greetings(calm, rogue, name, data, code):
    peer = rogue(greets=False)
    peer.raw(data)
    assert peer.read_close() == code


def test_pings_are_answered_at_once(calm, rogue):
    """proto/channel.md section 3; the round trip an operator sees is that of the network."""
    peer = rogue()
    start = time.monotonic()
    for i in range(1, 11):
        peer.send("Ping", id=i, lowest_unsettled=1)
        assert peer.read_until("Pong")["id"] == i
    assert time.monotonic() - start < 5  # with the tick of each second it would be ten


def test_what_a_rogue_gateway_delivers_is_checked(calm, rogue):
    """The edge trusts no stanza: the sender has to be of a domain of ours, the recipient of a listed partner."""
    peer = rogue()
    peer.read_until("Credit")
    since = calm.partner.inbox.mark()
    rows = [("a@foreign.example", "b@proxied.example"), ("a@corp.example", "b@unlisted.example"), ("a@proxied.example", "b@proxied.example")]
    for i, (sender, to) in enumerate(rows, 1):
        stanza = "<message xmlns='jabber:server' from='%s' to='%s' id='r%d'><body>forged</body></message>" % (sender, to, i)
        peer.send("Deliver", **{"seq": i, "kind": 1, "id": "r%d" % i, "from": sender, "to": to, "remaining_ms": 5000, "stanza": stanza,
                                "lowest_unsettled": 1})
    fates = {}
    while len(fates) < len(rows):
        outcomes = peer.read_until("Settled")["outcomes"]
        for o in outcomes if isinstance(outcomes, list) else [outcomes]:
            fates[o["seq"]] = o["fate"]
    assert set(fates.values()) == {2}, fates  # refused
    flow = calm.user.dial(calm.sip)
    both_ways(calm, flow, "honest")
    flow.close()
    assert "forged" not in [child_text(s, "body") for s in calm.partner.inbox.items[since:]]


def try_to_link(inst, context):
    """As gw1, until the edge has closed it."""
    since = inst.edge.process.mark()
    try:
        peer = ChannelPeer.connect(inst.channel, context, "edge-int.corp.example")
        peer.hello("gw1", GATEWAY)
        while peer.read(10)[0] is not None:
            pass
    except OSError:
        pass  # refused in the handshake
    return inst.edge.process.wait_line("event=channel\\.[a-z]+ .*reason=", 10, since)


@pytest.mark.parametrize("leaf", ["partner", "partner-foreign", "partner-selfsigned", None])
def test_certificates_that_may_not_link(calm, certs, leaf):
    line = try_to_link(calm, certs.client(leaf))
    assert "event=channel.stranger " in line and re.search(r"reason=(channel.peer.untrusted|tls\.[a-z.-]+)", line), line
    assert calm.edge.metric("xfed_channel_up", peer="gw1") == 1


def test_a_stranger_is_no_gateway(install, started, certs):
    """A scanner is no problem. Who shows a certificate may be a gateway: noted beside a link, and not in the place of one that is refused."""
    inst = started(install("scanned"))
    try:
        def told(what):
            return [(p["reason"], p["text"]) for p in inst.edge.control("status")[what]]
        nothing = certs.client(None)
        nothing.check_hostname = False
        nothing.verify_mode = ssl.CERT_NONE
        assert "reason=tls.cert.missing" in try_to_link(inst, nothing)
        distrusts = ssl.create_default_context()
        distrusts.check_hostname = False
        assert "event=channel.stranger" in try_to_link(inst, distrusts)
        assert (told("problems"), told("notes")) == ([], [])
        try_to_link(inst, certs.client("partner-selfsigned"))
        ((reason, text),) = told("notes")
        assert reason == "channel.peer.untrusted" and "who has not proved to be a gateway" in text and "keep it from channel.listen" in text, text
        assert told("problems") == []
        peer = ChannelPeer.connect(inst.channel, certs.client("fe"), "edge-int.corp.example")
        peer.raw(huge_frame())
        assert peer.read_close() == "channel.frame.bad"
        wait_until("the gateway's", lambda: told("problems"), 10)
        try_to_link(inst, certs.client("partner-selfsigned"))
        ((reason, text),) = told("problems")
        assert reason == "channel.frame.bad" and text.startswith("A gateway at 127.0.0.1:") and ".." not in text, text
        inst.gateway.stop()
        wait_until("a problem", lambda: [r for r, t in told("problems") if "has not proved" in t], 10)
    finally:
        inst.stop()


def test_xmpp_on_the_channel_port(calm):
    wire = Wire.connect(calm.channel)
    wire.send("<?xml version='1.0'?><stream:stream xmlns='jabber:server'>")
    while wire.recv(15):
        pass
    wire.close()


@pytest.fixture(scope="module")
def beside_a_rogue(install, started, certs, new_partner):
    """A gateway with two edges, one of them by script."""
    fake = FakeEdge(certs)
    user = SipUser("corp.example")
    inst = install("rogue-edge", users={"corp.example": user})
    inst.gateway_config["edges"].append({"name": "edge2", "address": "127.0.0.1:%d" % fake.listener.port, "tls_name": "edge-int.corp.example"})
    inst.write_configs()
    inst.list_partner("proxied.example")
    try:
        started(inst)
        inst.fake, inst.user = fake, user
        inst.partner = new_partner(inst, "proxied.example")
        yield inst
    finally:
        inst.stop()
        fake.close()
        user.close()


@pytest.mark.parametrize("name", ["too long", "not protobuf", "many empty submessages", "number 0"])
def test_a_gateway_closes_and_dials_again(beside_a_rogue, name):
    inst = beside_a_rogue
    count = inst.fake.links.mark()
    peer = inst.fake.links.items[count - 1] if count else inst.fake.links.wait_count(1, 15)[0]
    mark, count = inst.gateway.process.mark(), inst.fake.links.mark()
    assert peer.read_until("Hello")["name"] == b"gw1"
    peer.hello("edge2", EDGE)
    peer.raw(BAD_FRAMES[name])
    assert peer.read_close() == "channel.frame.bad"
    inst.gateway.process.wait_line("reason=channel.frame.bad", 5, mark)
    inst.fake.links.wait_count(1, 15, count)  # dialled again
    flow = inst.user.dial(inst.sip)
    both_ways(inst, flow, "beside the rogue edge")
    flow.close()


def rogue_link(inst):
    """A link of the test's own, up: one that an earlier test has left may have been silent for too long."""
    count = inst.fake.links.mark()
    for old in inst.fake.links.items[:count]:
        old.close()
    peer = inst.fake.links.wait_count(1, 15, count)[0]
    assert peer.read_until("Hello")["name"] == b"gw1"
    peer.hello("edge2", EDGE)
    peer.read_until("Credit")
    return peer


def test_a_rogue_edge_cannot_send_as_us(beside_a_rogue):
    """The gateway does not trust the edge."""
    inst = beside_a_rogue
    peer = rogue_link(inst)
    since = inst.user.said.mark()
    rows = [("boss@corp.example", "dave@corp.example"), ("eve@unlisted.example", "dave@corp.example"), ("alice@proxied.example", "x@proxied.example"),
            ("a b@proxied.example", "dave@corp.example"), ("alice@proxied.example", "da ve@corp.example"), ("alice@", "dave@corp.example"),
            ("alice@proxied.example", "dave@corp.example", "<a>" * 40 + "</a>" * 40), ("alice@proxied.example", "dave@corp.example", "<a/>" * 5000),
            ("alice@proxied.example", "dave@corp.example", "<a></b>"), ("i\\40\\26@proxied.example", "dave\\20@corp.example")]
    for i, (sender, to, *inside) in enumerate(rows, 1):
        stanza = "<message xmlns='jabber:server' from='%s' to='%s' id='f%d'><body>forged</body>%s</message>" % (sender, to, i, "".join(inside))
        peer.send("Deliver", **{"seq": i, "kind": 1, "id": "f%d" % i, "from": sender, "to": to, "remaining_ms": 50000, "stanza": stanza,
                                "lowest_unsettled": 1})
    fates = {}
    while len(fates) < len(rows):
        outcomes = peer.read_until("Settled")["outcomes"]
        for o in outcomes if isinstance(outcomes, list) else [outcomes]:
            fates[o["seq"]] = o["fate"]
    assert set(fates.values()) == {2}, fates
    assert inst.user.said.mark() == since
    peer.send("Ping", id=99, lowest_unsettled=1)  # none of them has ended the link
    assert peer.read_until("Pong")["id"] == 99


def test_a_rogue_edge_floods_neither_log_nor_journal(beside_a_rogue):
    """What it makes up is no key of the log, and takes no row from what others have told."""
    inst = beside_a_rogue
    peer = rogue_link(inst)
    mark = inst.gateway.process.mark()
    peer.send("FailureEvent", at_s=int(time.time()), direction=2, local="corp.example", remote="proxied.example", reason="net.connect.refused", side="partner")
    real = wait_until("a failure of an attempt", lambda: inst.gateway.control("failures", "list", partner="proxied.example")["failures"], 10)[0]
    assert (real["edge"], real["reason"]) == ("edge2", "net.connect.refused") and "proved" not in real, real
    inst.gateway.process.wait_line("event=failure .*reason=net.connect.refused", 10, mark)  # it is told after it has been recorded
    mark, began = inst.gateway.process.mark(), time.monotonic()
    for i in range(3000):
        # ... also as one of an attempt of ours, about a partner, under words that change
        ours = i % 2
        peer.send("FailureEvent", at_s=int(time.time()), direction=1 + ours, local="corp.example", remote="proxied.example" if ours else "r%d.example" % i,
                  reason="made.up.r%d" % i, side="somebody", text="words %d" % i, address="" if ours else "10.0.%d.%d:5" % (i // 256 % 256, i % 256))
    peer.send("Ping", id=77, lowest_unsettled=1)
    while True:
        name, fields = peer.read(60)
        assert name is not None
        if name == "Pong" and fields["id"] == 77:
            break
    windows = 1 + int((time.monotonic() - began) // 10)  # RT_LOG_WINDOW_MS, from the first line on
    found = inst.gateway.control("failures", "list", limit=500)["failures"]
    peer.raw(BAD_FRAMES["too long"])
    inst.gateway.process.wait_line("reason=channel.frame.bad", 30, mark)
    told = [line for line in inst.gateway.process.lines[mark:] if "event=failure " in line]
    assert told and len(told) <= 120 * windows, (len(told), windows)  # the burst of one event and reason, and a few of the partner
    assert all("reason=channel.reason.unknown" in line and "side=us" in line for line in told), told[0]
    assert {f["reason"] for f in found} == {"channel.reason.unknown"}
    strangers = [f for f in found if f.get("proved") is False]
    assert 0 < len(strangers) <= 500 // 4 + 1
    assert inst.gateway.control("failures", "show", id=real["id"])["reason"] == "net.connect.refused"


# ---- out of service and back ----

def listens(address):
    try:
        socket.create_connection(address, 2).close()
        return True
    except OSError:
        return False


def test_who_does_not_finish_in_time(install, started, new_partner):
    """limits.establish_timeout: silence before, inside and behind TLS ends with connection-timeout."""
    user = SipUser("corp.example")
    inst = install("hurried", users={"corp.example": user}, edge={"limits": {"establish_timeout": "1s"}})
    inst.list_partner("hurried.example")
    started(inst)
    try:
        p = new_partner(inst, "hurried.example")
        finished = p.dial("corp.example")
        streams = [XmppStream.connect(inst.s2s) for _ in range(4)]
        streams[1].to_features("hurried.example", "corp.example")
        streams[2].to_tls("hurried.example", "corp.example", p.client_context)
        streams[3].to_mechanisms("hurried.example", "corp.example", p.client_context)
        mark = inst.edge.process.mark()
        assert [s.read_error().condition for s in streams] == ["connection-timeout"] * 4
        inst.edge.process.wait_line("event=s2s.closed .*reason=stream.establish.timeout", 5, mark)
        finished.send("</stream:stream>")
        assert finished.event()[0] == "end"
    finally:
        inst.stop()
        user.close()


def test_a_newer_stream_replaces_a_dead_one(install, started, new_partner):
    """A partner that opens another stream for a pair: the older has to show life, or goes with conflict (RFC 6120 4.9.3.3)."""
    user = SipUser("corp.example")
    inst = install("renewed", users={"corp.example": user}, edge={"limits": {"establish_timeout": "1s"}})
    inst.list_partner("renewed.example")
    started(inst)
    try:
        p = new_partner(inst, "renewed.example")
        dead, alive = p.dial("corp.example"), p.dial("corp.example")
        mark = inst.edge.process.mark()
        newest = p.dial("corp.example")
        alive.send(" ")
        assert dead.read_error().condition == "conflict"
        inst.edge.process.wait_line("event=s2s.closed .*reason=stream.replaced", 5, mark)
        for stream, words in ((alive, "over the older one"), (newest, "over the newest one")):
            stream.send("<message from='alice@renewed.example' to='dave@corp.example' id='%s'><body>%s</body></message>" % (words[-9:-4], words))
            user.wait_text(words)
    finally:
        inst.stop()
        user.close()


def test_an_edge_without_a_gateway_leaves_and_comes_back(install, started, new_partner):
    user = SipUser("corp.example")
    inst = install("alone", users={"corp.example": user}, edge={"channel": {"grace": "1s"}})
    inst.list_partner("alone.example")
    started(inst)
    try:
        p = new_partner(inst, "alone.example")
        stream = p.dial("corp.example")
        mark = inst.edge.process.mark()
        inst.gateway.stop()
        assert stream.read_error().condition == "system-shutdown"
        inst.edge.process.wait_line("event=service.state state=out-of-service", 10, mark)
        wait_until("5269 to be closed", lambda: not listens(inst.s2s), 10)
        assert inst.edge.get("/readyz")[0] == 503 and inst.edge.get("/healthz")[0] == 200
        status = inst.edge.control("status")
        assert status["state"] == "out-of-service" and status["problems"][0]["reason"].startswith("channel.")
        inst.gateway.start().wait_ready()
        inst.edge.wait_ready()
        p.say("alice", "dave@corp.example", "back again")
        user.wait_text("back again")
    finally:
        inst.stop()
        user.close()


@pytest.mark.parametrize("how", ["no gateway", "SIGTERM"])
def test_what_comes_behind_the_goodbye_is_answered(install, started, new_partner, how):
    """
    A partner without stream management has sent a message before it sees that the edge closes: its sender gets an error (RFC 6120
    4.4: what comes until the other closing tag counts).
    """
    user = SipUser("corp.example")
    inst = install("goodbye-" + how[:2], users={"corp.example": user}, edge={"channel": {"grace": "1s"}})
    inst.list_partner("goodbye.example")
    started(inst)
    try:
        p = new_partner(inst, "goodbye.example")
        stream = p.dial("corp.example")
        if how == "SIGTERM":
            inst.edge.process.child.terminate()
        else:
            inst.gateway.stop()
        assert stream.read_goodbye().condition == "system-shutdown"
        stream.send(message("alice@goodbye.example", "dave@corp.example", "too late", id="last") + "</stream:stream>")
        assert p.wait_error("last", 10)[:2] == ("remote-server-timeout", "wait")
        if how == "SIGTERM":
            assert inst.edge.process.child.wait(60) == 0
    finally:
        inst.stop()
        user.close()


def test_an_edge_opens_nothing_before_the_first_policy(install):
    """Rule 5: before a gateway has pushed a policy nobody can connect."""
    inst = install("waiting")
    inst.edge.start()
    try:
        wait_until("200 from /healthz", lambda: inst.edge.get("/healthz")[0] == 200, 10, inst.edge.process)
        assert inst.edge.get("/readyz")[0] == 503
        assert not listens(inst.s2s)
    finally:
        inst.edge.stop()


def test_sigterm_drains(install, started, new_partner):
    """What is in flight is settled, streams end with system-shutdown, exit status 0."""
    user = SipUser("corp.example")
    inst = install("drained", users={"corp.example": user})
    inst.list_partner("drained.example")
    started(inst)
    try:
        p = new_partner(inst, "drained.example")
        stream = p.dial("corp.example")
        flow = user.dial(inst.sip)
        assert user.message(flow, "sip:alice@drained.example", "opens ours").status in (200, 202)
        user.answer = None
        ident = p.say("alice", "dave@corp.example", "in flight", id="held")
        request = user.wait_text("in flight")
        mark = inst.edge.process.mark()
        inst.edge.process.child.terminate()
        inst.edge.process.wait_line("event=service.state state=draining", 5, mark)
        wait_until("5269 to be closed", lambda: not listens(inst.s2s), 10)
        user.respond(request, 404)
        assert p.wait_error(ident)[0] == "item-not-found"
        assert stream.read_error().condition == "system-shutdown"
        p.wait_event("error:system-shutdown")
        assert inst.edge.process.child.wait(60) == 0
    finally:
        inst.stop()
        user.close()


# ---- a hostile network between partner and edge ----

@pytest.fixture
def patient(install, started):
    """An installation that gives a request all the time there may be; its user."""
    user = SipUser("corp.example")
    inst = install("patient", users={"corp.example": user}, gateway={"sip": {"answer_within": "30s"}})
    try:
        inst.list_partner("line.example")
        started(inst)
        inst.user = user
        yield inst
    finally:
        inst.stop()
        user.close()


def test_partner_behind_a_bad_line(patient, new_partner, dns):
    xfed, user, flow = patient, patient.user, patient.user.dial(patient.sip)
    p = new_partner(xfed, "line.example")
    proxy = HostileProxy(("127.0.0.1", p.port))
    proxy.chunk = 1
    dns.xmpp("line.example", ("xmpp.line.example", proxy.port, "127.0.0.1"))
    inward = HostileProxy(xfed.s2s)
    inward.chunk = 1
    p.edge = inward.address
    try:
        assert user.message(flow, "sip:alice@line.example", "byte by byte").status in (200, 202)
        p.wait_body("byte by byte")
        since = user.said.mark()
        p.say("alice", "dave@corp.example", "and back")
        user.wait_text("and back", 10, since)
        mark = xfed.edge.process.mark()
        proxy.cut("reset")
        inward.cut("reset")
        for direction in ("in", "out"):
            xfed.edge.process.wait_line("event=s2s.closed partner=line.example .*direction=%s reason=net.stream.lost" % direction, 5, mark)
        assert user.message(flow, "sip:alice@line.example", "after the cut").status in (200, 202)
        p.wait_body("after the cut")
    finally:
        flow.close()
        proxy.close()
        inward.close()


def test_a_request_of_a_short_cut_waits_for_the_link(calm):
    """A SIP request that comes while the link is gone for a moment is delivered with the next one, not refused."""
    flow = calm.user.dial(calm.sip)
    both_ways(calm, flow, "before")
    calm.proxy.refuses = True
    calm.proxy.cut()
    wait_until("the end of the link", lambda: calm.gateway.get("/readyz")[0] != 200, 10)
    since = calm.partner.inbox.mark()
    raw, branch = calm.user.request(flow, "MESSAGE", "sip:alice@proxied.example", body="in between", content_type="text/plain")
    answers = []
    asking = threading.Thread(target=lambda: answers.append(calm.user.ask(flow, raw, branch)))
    asking.start()
    wait_until("a delivery that waits", lambda: calm.gateway.control("status")["deliveries_in_flight"] == 1, 5)
    calm.proxy.refuses = False
    asking.join(60)
    assert answers[0].status == 200
    calm.partner.wait_body("in between", 5, since)
    flow.close()


# ---- what the channel cannot carry ----

FRAME_STANZA = 262144  # of a frame, proto/channel.md section 4


def near_the_largest(sender, to, ident, left):
    """A stanza that is small on the wire and, written out, `left` bytes short of the largest: every quote becomes &quot;."""
    begin = "<message from='%s' to='%s' id='%s' type='chat'><body>x</body>" % (sender, to, ident)
    end, empty, parts = "</message>", "<x xmlns='u:x' a='%s'/>", []
    room = FRAME_STANZA - left - len(begin) - len(end)
    while room > len(empty) + 6:
        quotes = min(2000, (room - len(empty)) // 6)
        parts.append(empty % ('"' * quotes))
        room -= len(empty) - 2 + 6 * quotes
    return begin + "".join(parts) + end


def test_from_xmpp_what_no_frame_holds_holds_up_nobody(xfed, partner, user, refusal):
    """A stanza that may be sent and addresses that may be so long, but not in one frame: refused at once, and the next one goes."""
    sender, to = "e" * 1023 + "@partner.example/" + "r" * 1023, "u" * 1023 + "@corp.example/" + "s" * 1023
    ident = "i" * 1016 + "%08d" % next(numbers)
    text = "behind the largest %d" % next(numbers)
    with refusal("delivery.size.exceeded", "partner.example"):
        partner.send(near_the_largest(sender, to, ident, 30))
        partner.say("alice", "dave@corp.example", text)
        assert partner.wait_error(ident)[:2] == ("policy-violation", "modify")
        user.wait_text(text, 20)


def test_from_sip_what_no_frame_holds_holds_up_nobody(xfed, partner, user, flow, refusal):
    """A CR in the body becomes &#xD;: a request that may be so large comes out larger than a frame."""
    uri = "sip:alice@partner.example;filler=" + "x" * 3900
    began = time.monotonic()
    with refusal("delivery.size.exceeded", "partner.example"):
        for crs in range(52260, 52420, 40):  # up to the largest stanza and beyond it
            response = user.message(flow, uri, "\r" * crs + "x", call_id="c" * 1000 + "%d" % next(numbers))
            assert response.status == 513, (crs, response.status)
    xfed.gateway.process.wait_line("event=delivery.refused .*reason=delivery.size.exceeded side=local-user", 10)
    text = "behind it %d" % next(numbers)
    assert user.message(flow, "sip:alice@partner.example", text).status in (200, 202)
    partner.wait_body(text)
    assert time.monotonic() - began < 60
