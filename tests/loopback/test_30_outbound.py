"""
Streams the edge opens, and what a partner can do to them ([A1], [A4-09], [A5], [A6]): the SIP sender gets the status of the
reason code, one log line and the metrics name it, and nothing is written to a stream that was not authenticated.
"""
import itertools
import socket
import threading

import pytest

from harness.wire import free_port
from harness.xmpp import (OFFER_NOTHING, OFFER_TLS, PROCEED, STREAM, Stop, child_text, header)

numbers = itertools.count(1)


def stop(stream, go_on):
    raise Stop


def then_stop(*data):
    """Sends instead of the step, and does nothing more."""
    def script(stream, go_on):
        for d in data:
            stream.send(d)
        raise Stop
    return script


def close(stream, go_on):
    stream.close()
    raise Stop


def half_close(stream, go_on):
    stream.wire.half_close()
    raise Stop


def reset(stream, go_on):
    stream.wire.reset()
    raise Stop


def garbage(stream, go_on):
    assert stream.wire.recv(10)  # the ClientHello; what came before it would be an injection
    stream.send("HTTP/1.1 400 Bad Request\r\n\r\n")
    raise Stop


def stream_error(condition):
    return ("<stream:error><%s xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>" % condition)


def to(user, flow, domain, text="never arrives", timeout=20):
    return user.message(flow, "sip:eve@" + domain, text, timeout=timeout)


# ---- names and addresses ----

@pytest.mark.parametrize("name, records, code, status", [
    ("nothing", lambda dns, d: None, "dns.name.missing", 404),
    ("dot", lambda dns, d: dns.add("_xmpp-server._tcp." + d, "SRV", (0, 0, 0, ".")), "dns.srv.refused", 404),
    ("servfail", lambda dns, d: dns.answer("_xmpp-server._tcp." + d, "servfail"), "dns.bogus", 404),
    ("targetless", lambda dns, d: dns.add("_xmpp-server._tcp." + d, "SRV", (0, 0, 5269, "nowhere." + d)), "dns.name.missing", 404),
    ("closed", lambda dns, d: dns.xmpp(d, ("xmpp." + d, free_port(), "127.0.0.1")), "net.connect.refused", 504),
    ("cnameloop", lambda dns, d: (dns.add("_xmpp-server._tcp." + d, "CNAME", "a." + d), dns.add("a." + d, "CNAME", "b." + d),
                                  dns.add("b." + d, "CNAME", "a." + d)), None, 404),
])
def test_no_way_to_the_partner(xfed, dns, user, flow, refusal, name, records, code, status):
    domain = "dns-%s.example" % name
    xfed.list_partner(domain)
    records(dns, domain)
    xfed.reload()
    if code is None:
        assert to(user, flow, domain).status in (404, 504)
        return
    with refusal(code, domain):
        assert to(user, flow, domain).status == status


def test_nobody_answers_the_connection(xfed, dns, user, flow, refusal):
    """limits.connect_timeout: a host that drops what it gets; here a full queue of a listener that accepts nothing."""
    xfed.list_partner("blackhole.example")
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        fill = [socket.socket() for _ in range(4)]
        for s in fill:
            s.setblocking(False)
            s.connect_ex(address)
        dns.xmpp("blackhole.example", ("xmpp.blackhole.example", address[1], "127.0.0.1"))
        xfed.reload()
        with refusal("net.connect.timeout", "blackhole.example"):
            assert to(user, flow, "blackhole.example").status == 504
        for s in fill:
            s.close()


def test_a_dot_means_no_fallback(xfed, dns, user, flow, refusal):
    """[A1-02]: an address record beside the refusal is not asked for."""
    domain = "dot-and-a.example"
    xfed.list_partner(domain)
    dns.add("_xmpp-server._tcp." + domain, "SRV", (0, 0, 0, "."))
    dns.add(domain, "A", "127.0.0.1")
    xfed.reload()
    with refusal("dns.srv.refused", domain):
        assert to(user, flow, domain).status == 404
    assert not dns.was_asked(domain)


def test_dns_that_does_not_answer(xfed, dns, user, flow, refusal):
    domain = "dns-silent.example"
    xfed.list_partner(domain)
    dns.answer("_xmpp-server._tcp." + domain, "silent")
    xfed.reload()
    with refusal("dns.timeout", domain):
        assert to(user, flow, domain).status == 504
    assert len(dns.was_asked("_xmpp-server._tcp." + domain)) >= 1


def test_cname_and_truncation(xfed, dns, listed, user, flow):
    """An alias is followed; a truncated answer is asked for again over TCP."""
    p = listed("alias.example")
    srv = "_xmpp-server._tcp.alias.example"
    dns.clear(srv)
    dns.add(srv, "CNAME", "srv.hosting.example")
    dns.add("srv.hosting.example", "SRV", (0, 0, p.port, "xmpp.alias.example"))
    dns.answer(srv, "truncate")
    assert to(user, flow, "alias.example", "by tcp").status in (200, 202)
    p.wait_body("by tcp")
    assert {a[2] for a in dns.was_asked(srv)} == {"udp", "tcp"}


def test_the_next_target_is_tried(xfed, dns, listed, user, flow):
    p = listed("second.example")
    dns.xmpp("second.example", ("dead.second.example", free_port(), "127.0.0.1"), ("xmpp.second.example", p.port, "127.0.0.1"))
    assert to(user, flow, "second.example", "at the second").status in (200, 202)
    p.wait_body("at the second")


def test_connect_to_instead_of_srv(xfed, dns, listed, user, flow):
    """[A1-04]: the certificate is still checked for the domain."""
    p = listed("direct.example")
    dns.clear("_xmpp-server._tcp.direct.example")
    xfed.list_partner("direct.example", connect_to="127.0.0.1:%d" % p.port)
    xfed.reload()
    assert to(user, flow, "direct.example", "straight").status in (200, 202)
    p.wait_body("straight")
    assert not dns.was_asked("_xmpp-server._tcp.direct.example")


def test_unlisted_partner(dns, user, flow, refusal):
    """Nothing is asked for a domain nobody listed: no DNS, no connection."""
    with refusal("policy.partner.unlisted"):
        assert to(user, flow, "nobody-listed.example").status == 403
    assert not dns.was_asked("_xmpp-server._tcp.nobody-listed.example")


# ---- certificates ----

@pytest.mark.parametrize("domain, names, code", [
    ("untrusted.example", ["by=foreign", "xmpp:untrusted.example"], "tls.cert.untrusted"),
    ("expired.example", ["start=20200101000000Z", "end=20210101000000Z", "xmpp:expired.example"], "tls.cert.expired"),
    ("wrongname.example", ["xmpp:other.example"], "tls.cert.name-mismatch"),
    ("future.example", ["start=20400101000000Z", "end=20410101000000Z", "xmpp:future.example"], "tls.cert.not-yet-valid"),
    ("clientonly.example", ["eku=clientAuth", "xmpp:clientonly.example"], "tls.cert.purpose"),
])
def test_certificate_of_the_partner(xfed, certs, listed, user, flow, refusal, domain, names, code):
    p = listed(domain, names=names)
    with refusal(code, domain):
        assert to(user, flow, domain).status == 504
    assert p.inbox.mark() == 0


# ---- misbehaviour, step by step: (step, script, code, status) ----

STEPS = {
    "no STARTTLS offered": ("features", then_stop(OFFER_NOTHING), "tls.required.missing"),
    "failure instead of proceed": ("proceed", then_stop("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>"), "tls.required.missing"),
    "bytes behind proceed": ("proceed", then_stop(PROCEED + "<message from='a@b' to='c@d'/>"), "starttls.injection"),
    "features behind proceed": ("proceed", then_stop(PROCEED + OFFER_TLS), "starttls.injection"),
    "garbage instead of TLS": ("tls", garbage, "tls.handshake.failed"),
    "no mechanisms": ("mechanisms", then_stop(OFFER_NOTHING), "sasl.external.not-offered"),
    "only PLAIN": ("mechanisms", then_stop("<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN"
                                           "</mechanism></mechanisms></stream:features>"), "sasl.external.not-offered"),
    "EXTERNAL refused": ("success", then_stop("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>"), "sasl.external.refused"),
    "no version": ("header", lambda s, go_on: (s.read_header(), s.send(header("x.example", None, version=None, id="1")), stop(s, go_on)),
                   "stream.version.old"),
    "wrong namespace": ("header", lambda s, go_on: (s.read_header(), s.send(header("x.example", None, ns="jabber:client", id="1")), stop(s, go_on)), None),
    "not XML": ("header", then_stop("SSH-2.0-OpenSSH_9.2\r\n"), None),
    "DOCTYPE": ("header", then_stop("<!DOCTYPE a>"), None),
    "success before it is due": ("mechanisms", then_stop("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"), None),
    "a stanza instead of features": ("ready", then_stop("<message from='eve@x.example' to='user@corp.example'><body>in</body></message>"), None),
    "host unknown": ("features", then_stop(stream_error("host-unknown")), "stream.host.unknown"),
    "remote connection failed": ("mechanisms", then_stop(stream_error("remote-connection-failed")), "stream.error.received"),
    "closed at the start": ("header", close, "net.stream.lost"),
    "closed before proceed": ("proceed", close, "net.stream.lost"),
    "closed in the handshake": ("tls", close, None),
    "closed before success": ("success", close, "net.stream.lost"),
    "half-closed at the start": ("features", half_close, "net.stream.lost"),
    "half-closed before success": ("success", half_close, "net.stream.lost"),
    "reset before features": ("features", reset, "net.stream.lost"),
    "reset before success": ("success", reset, "net.stream.lost"),
    "clean close before features": ("features", then_stop("</stream:stream>"), None),
}


@pytest.mark.parametrize("name", STEPS)
def test_step(xfed, listed, user, flow, name):
    step, script, code = STEPS[name]
    domain = "step%d.example" % next(numbers)
    p = listed(domain)
    p.at[step] = script
    mark = xfed.edge.process.mark()
    before = xfed.refusals(code) if code else 0
    assert to(user, flow, domain).status == 504
    line = xfed.edge.process.wait_line(r"event=s2s\.(closed|out-failed).*%s.* reason=" % domain, 5, mark)
    if code:
        xfed.edge.process.wait_line(r"event=s2s\.closed.*%s.* reason=%s( |$)" % (domain, code), 5, mark)
        assert xfed.refusals(code) > before
    assert " side=" in line
    assert p.inbox.mark() == 0  # nothing was written before the stream was authenticated
    assert not [s for s in xfed.streams(domain) if s["state"] == "ready"]


def test_after_bytes_behind_proceed_tcp_is_closed_without_a_word(xfed, listed, user, flow):
    """[A2-13]"""
    p = listed("injector.example")
    p.at["proceed"] = then_stop(PROCEED + "<x/>")
    assert to(user, flow, "injector.example").status == 504
    p.events.wait(lambda e: e[0] in ("eof", "reset"), 10)
    assert not [e for e in p.events.items if e[0].startswith("error:") or e[0] == "end"]


def test_recovers_at_the_next_message(xfed, listed, user, flow):
    """A failed attempt is no sentence: after a reload, which clears the waiting time, the next one goes through."""
    p = listed("recovers.example")
    p.at["success"] = close
    assert to(user, flow, "recovers.example").status == 504
    assert to(user, flow, "recovers.example").status == 504  # within the waiting time: refused at once
    assert len([e for e in p.events.items if e[0] == "connected"]) == 1
    p.at.clear()
    xfed.edge.control("reload")
    assert to(user, flow, "recovers.example", "at last").status in (200, 202)
    p.wait_body("at last")


def test_first_messages_wait_for_the_stream(xfed, listed, user, flow):
    """Several at once while the stream is being set up: one stream, nothing lost."""
    p = listed("setup.example")
    go = threading.Event()

    def wait(stream, go_on):
        assert go.wait(60)
        go_on()
    p.at["success"] = wait
    answers = []

    def one(i):
        answers.append(to(user, flow, "setup.example", "early %d" % i).status)
    threads = [threading.Thread(target=one, args=(i,)) for i in range(5)]
    for t in threads:
        t.start()
    p.wait_event("success")
    xfed.edge.process.wait_line("event=", 5)
    go.set()
    for t in threads:
        t.join(60)
    assert sorted(answers) == [200] * 5 or set(answers) <= {200, 202}
    p.inbox.wait_count(5, 10)
    assert {child_text(s, "body") for s in p.inbox.items} == {"early %d" % i for i in range(5)}
    assert len([e for e in p.events.items if e[0] == "connected"]) == 1


def test_a_partner_that_never_finishes(xfed, listed, user, certs):
    """
    sip.answer_within: at its end the stanza is withdrawn, the sender gets the status of the step it waited on, and it is
    never written later: the streams finish afterwards and carry the next message only.
    """
    steps = ["header", "features", "proceed", "tls", "mechanisms", "success", "ready"]
    partners, answers, go = {}, {}, threading.Event()
    for step in steps:
        p = partners[step] = listed("slow-%s.example" % step)

        def wait(stream, go_on):
            assert go.wait(60)
            go_on()
        p.at[step] = wait

    def ask(step):
        flow = user.dial(xfed.sip)
        answers[step] = to(user, flow, "slow-%s.example" % step, "too late").status
        flow.close()
    threads = [threading.Thread(target=ask, args=(step,)) for step in steps]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert answers == {step: answers.get(step) for step in steps} and set(answers.values()) <= {504, 480}, answers
    go.set()
    flow = user.dial(xfed.sip)
    for step in steps:
        assert to(user, flow, "slow-%s.example" % step, "in time").status in (200, 202)
        partners[step].wait_body("in time")
        assert [child_text(s, "body") for s in partners[step].inbox.items] == ["in time"]
    flow.close()


def test_a_partner_that_stops_reading(xfed, listed, user, certs):
    """Its stream fills up; the senders are told, and the other partners go on."""
    p = listed("deaf.example")
    flow = user.dial(xfed.sip)
    assert to(user, flow, "deaf.example", "opens the stream").status in (200, 202)
    p.wait_body("opens the stream")
    p.is_reading.clear()
    since = user.stray.mark()
    for i in range(600):
        raw, branch = user.request(flow, "MESSAGE", "sip:deaf%d@deaf.example" % i, body="x" * 14000, content_type="text/plain")
        flow.send(raw)
    final = user.stray.wait(lambda m: m.status >= 400, 30, since)
    assert final.status in (480, 504)
    flow.close()
    p.close()


def test_a_lost_stream_is_opened_again(xfed, listed, user, flow):
    p = listed("lossy.example")
    assert to(user, flow, "lossy.example", "one").status in (200, 202)
    p.wait_body("one")
    mark = xfed.edge.process.mark()
    p.streams[0].wire.reset()
    xfed.edge.process.wait_line("event=s2s.closed partner=lossy.example .*reason=net.stream.lost", 5, mark)
    assert to(user, flow, "lossy.example", "two").status in (200, 202)
    p.wait_body("two")


def test_a_partner_that_closes_cleanly_is_dialled_again(xfed, listed, user, flow):
    p = listed("polite.example")
    assert to(user, flow, "polite.example", "one").status in (200, 202)
    p.wait_body("one")
    mark = xfed.edge.process.mark()
    p.streams[0].send("</stream:stream>")
    xfed.edge.process.wait_line("event=s2s.closed partner=polite.example .*reason=stream.closed.peer", 5, mark)
    assert to(user, flow, "polite.example", "two").status in (200, 202)
    p.wait_body("two")


def test_stanzas_on_a_stream_of_ours_are_refused(xfed, listed, user, flow):
    """A stream carries stanzas one way: what a partner sends back on ours has proved nothing."""
    p = listed("backwards.example")
    assert to(user, flow, "backwards.example", "one").status in (200, 202)
    p.wait_body("one")
    since, mark = user.said.mark(), xfed.edge.process.mark()
    p.streams[0].send("<message from='eve@backwards.example' to='user@corp.example'><body>x</body></message>")
    p.wait_event("error:not-authorized")
    xfed.edge.process.wait_line("event=s2s.closed partner=backwards.example .*reason=stream.unauthenticated", 5, mark)
    assert user.said.mark() == since
