"""Bad and unusual SIP at the gateway's door ([C1] to [C3], proto/delivery.md): 400 or silence, 403, 405, 415, 489."""
import itertools
import socket
import time
from email.utils import formatdate

import pytest

from harness.sipmsg import token
from harness.xmpp import child_text

numbers = itertools.count(1)


def lines(*parts, body=b""):
    return "\r\n".join(parts).encode("utf-8") + b"\r\n\r\n" + body


def good_headers(flow, branch, method="MESSAGE", skip=(), **other):
    headers = {"Via": "SIP/2.0/%s %s:%d;branch=%s;rport" % ((flow.transport.upper(),) + flow.local + (branch,)), "Max-Forwards": "70",
               "From": "<sip:user@%s>;tag=%s" % (flow.user.domain, token()), "To": "<sip:alice@partner.example>", "Call-ID": token(),
               "CSeq": "1 " + method, "Content-Type": "text/plain", "Content-Length": "2"}
    headers.update({k.replace("_", "-"): v for k, v in other.items()})
    return ["%s: %s" % (k, v) for k, v in headers.items() if k not in skip and v is not None]


def raw_message(flow, branch, start="MESSAGE sip:alice@partner.example SIP/2.0", skip=(), method="MESSAGE", body=b"hi", **other):
    return lines(start, *good_headers(flow, branch, method, skip, **other), body=body)


MALFORMED = [
    ("CSeq of another method", dict(CSeq="1 INVITE")),
    ("CSeq that overflows", dict(CSeq="99999999999 MESSAGE")),
    ("broken From", dict(From="<sip:user@corp.example;tag=1 <")),
    ("unterminated quote", dict(To='"alice <sip:alice@partner.example>')),
    ("NUL in the URI", dict(start="MESSAGE sip:ali%00ce@partner.example SIP/2.0")),
    ("blank in the URI", dict(start="MESSAGE sip:ali ce@partner.example SIP/2.0")),
    ("headers in the URI", dict(start="MESSAGE sip:alice@partner.example?Route=%3Csip:x%3E SIP/2.0")),
]


@pytest.mark.parametrize("name, change", MALFORMED, ids=[m[0].replace(" ", "-") for m in MALFORMED])
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_malformed_requests_get_400(xfed, partner, users, transport, name, change):
    user = users["corp.example" if transport == "tcp" else "corp2.example"]
    flow = user.dial(xfed.sip, transport)
    since, reached = flow.inbox.mark(), partner.inbox.mark()
    flow.send(raw_message(flow, "z9hG4bK" + token(), **change))
    answer = flow.inbox.wait_count(1, 10, since)[0]
    assert answer is not None and answer.status in (400, 404, 482) if "URI" in name else answer.status == 400, answer
    assert partner.inbox.mark() == reached
    if transport == "tcp":
        flow.close()


@pytest.mark.parametrize("missing", ["To", "From", "Call-ID", "CSeq", "Via"])
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_requests_nobody_could_answer_get_none(xfed, partner, users, transport, missing):
    """[C1-03]: a response has to copy these; without them there is none, and the connection stays."""
    user = users["corp.example" if transport == "tcp" else "corp2.example"]
    flow = user.dial(xfed.sip, transport)
    since, reached = flow.inbox.mark(), partner.inbox.mark()
    flow.send(raw_message(flow, "z9hG4bK" + token(), skip=(missing,)))
    raw, branch = user.request(flow, "OPTIONS", "sip:fe.corp.example")
    assert user.ask(flow, raw, branch) is not None
    assert [m.branch for m in flow.inbox.items[since:]] == [branch]
    assert partner.inbox.mark() == reached


@pytest.mark.parametrize("data", [
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP nobody;branch=z9hG4bKx\r\nContent-Length: 0\r\n\r\n",
    b"SIP/2.0 abc OK\r\n\r\n", b"SIP/2.0 200\r\n\r\n", b"\x00\x01\x00\x00", b"\r\n\r\n", b"hello\r\n\r\n", b"\xff" * 2000, b"SIP/2.0 200 OK\r\n",
], ids=["stray", "status", "no-headers", "stun", "keepalive", "no-sip", "binary", "cut"])
def test_silence_for_responses_and_noise_over_udp(xfed, users, data):
    """A response that matches nothing, and what is no SIP, gets no answer; the next request does."""
    user = users["corp2.example"]
    flow = user.dial(xfed.sip, "udp")
    since = flow.inbox.mark()
    flow.send(data)
    raw, branch = user.request(flow, "OPTIONS", "sip:fe.corp.example")
    answer = user.ask(flow, raw, branch)
    assert answer is not None
    assert [m.branch for m in flow.inbox.items[since:]] == [branch]


@pytest.mark.parametrize("name, data", [
    ("negative length", b"MESSAGE sip:alice@partner.example SIP/2.0\r\nContent-Length: -1\r\n\r\n"),
    ("two lengths", b"MESSAGE sip:alice@partner.example SIP/2.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
    ("no SIP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("headers without end", b"MESSAGE sip:alice@partner.example SIP/2.0\r\nX: " + b"x" * 70000),
    ("huge length", b"MESSAGE sip:alice@partner.example SIP/2.0\r\nContent-Length: 99999999\r\n\r\n"),
    ("binary without end", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 70000),
], ids=["negative-length", "two-lengths", "no-sip", "no-end-of-headers", "huge-length", "binary"])
def test_broken_framing_ends_the_connection(xfed, user, flow, name, data):
    """[C3-06]: nobody knows where the next message begins."""
    try:
        flow.send(data)
    except OSError:
        pass  # closed while we were still sending
    flow.wait_end(10)
    other = user.dial(xfed.sip)
    raw, branch = user.request(other, "OPTIONS", "sip:fe.corp.example")
    assert user.ask(other, raw, branch) is not None
    other.close()


def test_bytes_one_by_one_and_two_in_one(xfed, partner, user, flow):
    texts = ["bytewise %d" % next(numbers) for _ in range(3)]
    raws = [user.request(flow, "MESSAGE", "sip:alice@partner.example", body=t, content_type="text/plain") for t in texts]
    since = flow.inbox.mark()
    for i in range(len(raws[0][0])):
        flow.send(raws[0][0][i:i + 1])
    flow.send(raws[1][0] + raws[2][0])
    for text in texts:
        partner.wait_body(text)
    flow.inbox.wait(lambda m: m.branch == raws[2][1] and m.status in (200, 202), 10, since)


@pytest.mark.parametrize("method, status, header, reason", [
    ("SUBSCRIBE", 489, "allow-events", "sip.event.unsupported"), ("INVITE", 405, "allow", "sip.method.unsupported"),
    ("PUBLISH", 405, "allow", "sip.method.unsupported"), ("REGISTER", 405, "allow", "sip.method.unsupported"),
    ("NOTIFY", 481, None, "sip.dialog.unknown"), ("FROBNICATE", None, None, "sip.method.unsupported"),
])
def test_methods(xfed, partner, user, flow, refusal, method, status, header, reason):
    """proto/delivery.md, "Until the rest is built"; [C1-09]. What nobody takes leaves a line and is counted."""
    raw, branch = user.request(flow, method, "sip:alice@partner.example", headers=[("Event", "dialog"), ("Contact", "<sip:user@127.0.0.1>")])
    with refusal(reason, "method=%s " % method):
        answer = user.ask(flow, raw, branch, 10)
    assert answer is not None and 400 <= answer.status < 600
    if status:
        assert answer.status == status
    if header:
        assert ("MESSAGE" if header == "allow" else "presence") in answer.get(header)


def test_ack_is_never_answered(xfed, user, flow):
    raw, branch = user.request(flow, "ACK", "sip:alice@partner.example")
    since = flow.inbox.mark()
    flow.send(raw)
    raw, branch = user.request(flow, "OPTIONS", "sip:fe.corp.example")
    assert user.ask(flow, raw, branch) is not None
    assert [m.branch for m in flow.inbox.items[since:]] == [branch]


@pytest.mark.parametrize("content_type, encoding", [
    ("text/html", None), ("message/cpim", None), ("application/im-iscomposing+xml", None), ("text/plain", "gzip"),
    ("text/plain;charset=utf-32", None), ("multipart/mixed;boundary=x", None), (None, None),
])
def test_bodies_that_cannot_be_translated(partner, user, flow, content_type, encoding):
    """415 with Accept: text/plain ([B4-02])."""
    reached = partner.inbox.mark()
    headers = [("Content-Encoding", encoding)] if encoding else []
    answer = user.message(flow, "sip:alice@partner.example", "<p>x</p>", content_type=content_type, headers=headers)
    if content_type is None:
        assert answer.status in (400, 415)
    else:
        assert answer.status == 415 and (encoding or "text/plain" in (answer.get("accept") or "")), answer.headers
    assert partner.inbox.mark() == reached


def test_bytes_that_are_no_utf8(partner, user, flow):
    assert user.message(flow, "sip:alice@partner.example", b"\xff\xfe\xc3\x28").status == 415


def test_control_characters_are_left_out(partner, user, flow):
    """[B4-13]"""
    text = "bell%d" % next(numbers)
    assert user.message(flow, "sip:alice@partner.example", "\x07\x00%s\x1b" % text).status in (200, 202)
    partner.wait_body(text)


@pytest.mark.parametrize("uri, statuses", [
    ("sips:alice@partner.example", {403}), ("tel:+4312345", {416}), ("mailto:alice@partner.example", {416}),
    ("sip:%20alice@partner.example", {404, 484}), ("sip:alice@corp2.example", {403, 482}), ("sip:alice@192.0.2.1", {403, 404}),
])
def test_addresses_that_cannot_be_reached(partner, user, flow, uri, statuses):
    """[B1-05], [B1-08]: sips is not kept across XMPP; we relay for nobody."""
    reached = partner.inbox.mark()
    raw, branch = user.request(flow, "MESSAGE", uri, to="sip:alice@partner.example", body="x", content_type="text/plain")
    assert user.ask(flow, raw, branch).status in statuses
    assert partner.inbox.mark() == reached


def test_a_message_that_has_expired(partner, user, flow, refusal):
    """[B4-10]: Expires counts from Date; what is too late is refused, and not delivered as if it were new."""
    now = time.time()
    late = [("Date", formatdate(now - 100, usegmt=True)), ("Expires", "60")]
    with refusal("delivery.deadline"):
        assert user.message(flow, "sip:alice@partner.example", "too late", sender="sip:dave@corp.example", headers=late).status == 504
    for i, headers in enumerate(([("Date", formatdate(now - 100, usegmt=True)), ("Expires", "600")], [("Expires", "60")],
                                 [("Date", formatdate(now - 100, usegmt=True)), ("Expires", "0")], [("Date", "yesterday"), ("Expires", "60")],
                                 [("Date", formatdate(5, usegmt=True)), ("Expires", "60")])):  # a clock that was never set
        assert user.message(flow, "sip:alice@partner.example", "in time %d" % i, sender="sip:dave@corp.example", headers=headers).status == 200
    partner.wait_body("in time 4")
    assert not [s for s in partner.inbox.items if child_text(s, "body") == "too late"]


def test_a_request_at_the_end_of_its_hops(partner, user, flow, refusal):
    """[B1-06]: the way to the partner would be one hop more."""
    reached = partner.inbox.mark()
    with refusal("sip.hops.exceeded", "partner.example"):
        assert user.message(flow, "sip:alice@partner.example", "x", max_forwards="0").status == 483
    assert partner.inbox.mark() == reached
    assert user.message(flow, "sip:alice@partner.example", "x", max_forwards="1").status == 200


# ---- who may speak for a domain ----

def test_a_stranger_over_tcp(xfed, partner, user, refusal):
    """peer_addresses lists 127.0.0.1; the stranger comes from another address with the same words."""
    flow = user.dial(xfed.sip, source="127.0.0.9")
    reached = partner.inbox.mark()
    with refusal("sip.sender.untrusted", "127.0.0.9:"):
        assert user.message(flow, "sip:alice@partner.example", "forged").status == 403
    assert partner.inbox.mark() == reached
    flow.close()


def test_udp_addresses_count_only_where_trusted(xfed, partner, users, refusal):
    """corp.example lists the address, but not udp_trusted; corp2.example does."""
    user = users["corp2.example"]
    flow = user.dial(xfed.sip, "udp")
    with refusal("sip.sender.untrusted"):
        assert user.message(flow, "sip:alice@partner.example", "forged", sender="sip:user@corp.example").status == 403
    assert user.message(flow, "sip:alice@partner.example", "mine %d" % next(numbers)).status in (200, 202)


def test_strangers_are_answered_where_they_are(xfed, users):
    """Neither maddr nor sent-by of a datagram nobody knows sends our answer to somebody else; it goes back to its source."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as victim, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as beside:
        stranger.bind(("127.0.0.99", 0))
        victim.bind(("127.0.0.200", 0))
        beside.bind(("127.0.0.99", 0))
        stranger.settimeout(10)
        vias = ["10.9.9.9:%d;maddr=127.0.0.200" % victim.getsockname()[1], "127.0.0.200:%d" % victim.getsockname()[1],
                "127.0.0.99:%d" % beside.getsockname()[1]]
        for via in vias:
            branch = "z9hG4bK" + token()
            stranger.sendto(lines("MESSAGE sip:alice@partner.example SIP/2.0", "Via: SIP/2.0/UDP %s;branch=%s" % (via, branch), "Max-Forwards: 70",
                                  "From: <sip:nobody@corp.example>;tag=1", "To: <sip:alice@partner.example>", "Call-ID: " + token(),
                                  "CSeq: 1 MESSAGE", "Content-Length: 0"), xfed.sip)
            answer = stranger.recv(65536)
            assert answer.startswith(b"SIP/2.0 403 ") and branch.encode() in answer, answer
        for other in (victim, beside):  # an answer would have been here before the one that came last
            other.setblocking(False)
            with pytest.raises(BlockingIOError):
                other.recv(65536)


def test_from_another_domain_of_ours(xfed, partner, users, certs, refusal):
    """The server of corp3.example has proved itself by certificate for corp3.example only."""
    user = users["corp3.example"]
    flow = user.dial(xfed.sips, "tls", certs.client("sip"), "fe.corp.example")
    with refusal("sip.sender.untrusted"):
        assert user.message(flow, "sip:alice@partner.example", "forged", sender="sip:user@corp.example").status == 403
    text = "proved %d" % next(numbers)
    assert user.message(flow, "sip:alice@partner.example", text).status in (200, 202)
    partner.wait_body(text)
    flow.close()


@pytest.mark.parametrize("leaf, shown", [("partner", "certificate of dns:partner.example"), ("partner-foreign", "(tls.cert.untrusted)"),
                                         (None, "no certificate")])
def test_certificates_that_may_not_send(xfed, partner, users, certs, refusal, leaf, shown):
    """Another name, another CA, none at all."""
    user = users["corp3.example"]
    reached = partner.inbox.mark()
    flow = user.dial(xfed.sips, "tls", certs.client(leaf), "fe.corp.example")
    with refusal("sip.sender.untrusted", shown):
        assert user.message(flow, "sip:alice@partner.example", "forged").status == 403
    assert partner.inbox.mark() == reached
    flow.close()


@pytest.mark.parametrize("sender, statuses", [
    ("sip:user@foreign.example", {403, 404}), ("sip:alice@partner.example", {403, 404}), ("sip:foreign.example", {403, 404}), ("tel:+4912345", {403}),
])
def test_senders_that_are_not_ours(partner, user, flow, sender, statuses):
    reached = partner.inbox.mark()
    assert user.message(flow, "sip:alice@partner.example", "x", sender=sender).status in statuses
    assert partner.inbox.mark() == reached


# ---- the next hop ----

def test_a_next_hop_without_a_good_certificate(xfed, partner, users, certs, refusal):
    """Over TLS the server has to prove the name of the next hop."""
    user = users["corp3.example"]
    good, user.leaf = user.leaf, "partner"
    try:
        partner.say("alice", "before@corp3.example", "closes what is open")
        for flow in [f for m, f in user.raw.items if f.transport == "tls" and f.is_open]:
            flow.close()
        since = user.said.mark()
        ident = partner.say("alice", "dave@corp3.example", "not to you")
        assert partner.wait_error(ident)[0] == "remote-server-timeout"
        assert not [m for m in user.said.items[since:] if m.text == "not to you"]
    finally:
        user.leaf = good


def test_answers_that_match_nothing_are_ignored(partner, user):
    """A response with a branch of nobody, and one with another method, settle nothing."""
    user.answer = None
    text = "confused %d" % next(numbers)
    ident = partner.say("alice", "dave@corp.example", text)
    request = user.wait_text(text)
    flow = user.held[request.branch]
    wrong = [b"SIP/2.0 404 No\r\nVia: SIP/2.0/TCP fe.corp.example;branch=z9hG4bKnobody\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n"
             b"Call-ID: x\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n",
             b"SIP/2.0 nonsense\r\nContent-Length: 0\r\n\r\n"]
    flow.send(wrong[0])
    user.respond(request, 480)
    assert partner.wait_error(ident)[0] == "recipient-unavailable"


def test_provisional_answers_do_not_settle(partner, user):
    user.answer = None
    text = "patience %d" % next(numbers)
    ident = partner.say("alice", "dave@corp.example", text)
    request = user.wait_text(text)
    user.respond(request, 100)
    user.respond(request, 486)
    assert partner.wait_error(ident)[0] == "recipient-unavailable"


def test_udp_requests_are_repeated_until_answered(xfed, partner, users):
    """Timer E ([C2]); one message for the user."""
    user = users["corp2.example"]
    user.answer = None
    try:
        text = "again %d" % next(numbers)
        mark = user.raw.mark()
        partner.say("alice", "dave@corp2.example", text)
        request = user.wait_text(text)
        user.raw.wait(lambda e: e[0].branch == request.branch, 5, mark + 1)  # the repeat
        user.respond(request, 200)
    finally:
        user.answer = 200


def test_nobody_listens_at_the_next_hop(xfed, partner, users, certs, install, started, new_partner):
    """A domain whose SIP server is down: the sender is told at once, and other domains are not harmed."""
    inst = install("down", users={"corp2.example": users["corp2.example"], "corp3.example": users["corp3.example"]})
    inst.list_partner("down.example")
    started(inst)
    try:
        p = new_partner(inst, "down.example")
        before = inst.refusals("sip.server.unreachable")
        assert p.wait_error(p.say("alice", "dave@corp.example", "x"))[0] == "remote-server-timeout"
        assert inst.refusals("sip.server.unreachable") > before
        text = "still here %d" % next(numbers)
        p.say("alice", "dave@corp2.example", text)
        users["corp2.example"].wait_text(text)
    finally:
        inst.stop()
