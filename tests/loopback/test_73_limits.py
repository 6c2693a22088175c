"""
How many and how long: streams of one partner and of all, time to establish, inactivity; names and addresses of a partner;
waiting between attempts (interface: limits; [A1]).
"""
import itertools
import re
import threading
import time

import pytest

from harness.peer import Peer, Refused
from harness.proc import wait_until
from harness.wire import Wire, free_port
from harness.xmpp import XmppStream, message

numbers = itertools.count(1)
DIALBACK_ONLY = {"tls": "not-supported", "sasl": "not-supported", "dialback": True}


@pytest.fixture(scope="module")
def small(install, started, certs, dns):
    """An edge that takes few streams and is patient with them; policy, DNS and certificates as everywhere."""
    inst = install("lim", edge={"limits": {"connections": 30, "unauthenticated": 6, "address_share": 100, "network_share": 100, "connect_timeout": "1s"}}, gateway={"sip": {"answer_within": "30s"}})
    try:
        yield started(inst)
    finally:
        inst.stop()


@pytest.fixture(scope="module")
def brief(install, started, certs, dns):
    """An edge whose streams have little time to be set up, for the tests of just that: on a busy machine they are not in time."""
    inst = install("brief", edge={"limits": {"establish_timeout": "3s"}})
    try:
        yield started(inst)
    finally:
        inst.stop()


@pytest.fixture(scope="module")
def sleepy(install, started, certs, dns):
    inst = install("sleepy", edge={"limits": {"inactivity": "10s"}})
    try:
        yield started(inst)
    finally:
        inst.stop()


@pytest.fixture
def make(small, certs, dns):
    """make(ABILITIES, file=...) is a Peer for a domain of its own that policy lists."""
    made = []

    def make(abilities="all", file=None, inst=small, **kwargs):
        domain = "limit%d.example" % next(numbers)
        leaf = certs.leaf(domain.split(".")[0], "xmpp:" + domain, "host:*." + domain)
        plain = certs.leaf(leaf + "-plain", "by=self", "xmpp:" + domain)
        p = Peer(domain, certs, leaf, inst.s2s, abilities, plain, **kwargs)
        inst.list_partner(domain, **dict({"sasl": "optional", "dialback": True}, **(file or {})))
        inst.reload()
        dns.xmpp(domain, ("xmpp." + domain, p.port, "127.0.0.1"))
        made.append((inst, p))
        return p
    yield make
    for inst, p in made:
        p.may_end.set()
        p.close()
        inst.unlist_partner(p.domain)
        assert not p.violations
    for inst in {id(i): i for i, _ in made}.values():
        inst.reload()
        wait_until("the end of all streams", lambda: not inst.streams(), 10)


@pytest.fixture
def sip(small, user):
    flow = user.dial(small.sip)
    yield flow
    flow.close()


@pytest.fixture
def brief_sip(brief, user):
    flow = user.dial(brief.sip)
    yield flow
    flow.close()


def counted(inst, code):
    return inst.edge.metric("xfed_refusals_total", reason=code)


# ---- how many ----

@pytest.mark.parametrize("abilities, file, how", [
    ("all", {}, ("stream", "resource-constraint")),
    ("TLS+dialback", {}, ("stream", "resource-constraint")),
    ("dialback", DIALBACK_ONLY, ("dialback", "resource-constraint")),
], ids=["external", "dialback-tls", "dialback-plain"])
def test_streams_of_one_partner(small, make, abilities, file, how):
    """20 unless its file says otherwise; whatever the method; what ends makes room."""
    p = make(abilities, file=file)
    before = counted(small, "policy.connections.exceeded")
    streams = []
    for n in range(1, 21):
        streams.append(p.dial("corp.example"))
        wait_until("%d streams, and no question" % n, lambda: len(small.streams(p.domain)) == n, 5)
    with pytest.raises(Refused) as e:
        p.dial("corp.example")
    assert (e.value.how, e.value.condition) == how
    assert counted(small, "policy.connections.exceeded") == before + 1
    e.value.stream.close()
    streams.pop().close()
    wait_until("room", lambda: len(small.streams(p.domain)) == 19, 5)
    p.dial("corp.example").close()
    for s in streams:
        s.close()


def test_streams_of_all_partners(small, make, dns, user, sip):
    """The edge's own limit: no more are accepted, and what is kept for ours is ours, and no more; those there are go on."""
    p = make("all", file={"limits": {"connections": 100}})
    names = ["r%d.%s" % (i, p.domain) for i in range(4)]
    small.list_partner(p.domain, additional_domains=["*." + p.domain], limits={"connections": 100})
    small.reload()
    for name in names:
        p.hosted[name] = "all"
        dns.xmpp(name, ("xmpp." + p.domain, p.port, "127.0.0.1"))
    streams = []
    for n in range(1, 28):
        streams.append(p.dial("corp.example"))
        for s in streams:  # a silent one would have to go for a newer one
            s.send(" ")
        wait_until("%d streams, and no question" % n, lambda: len(small.streams()) == n, 5)
    mark, before = small.edge.process.mark(), counted(small, "policy.connections.exceeded")
    one_more = Wire.connect(small.s2s)
    assert one_more.recv(5) == b""
    small.edge.process.wait_line("event=s2s.refused .*reason=policy.connections.exceeded", 5, mark)
    assert counted(small, "policy.connections.exceeded") == before + 1
    assert [user.message(sip, "sip:eve@" + name, "room for three").status in (200, 202) for name in names] == [True, True, True, False]
    small.edge.process.wait_line("event=s2s.out-failed partner=%s .*reason=policy.connections.exceeded side=operator" % names[3], 5, mark)
    for s in (streams[0], streams[-1]):
        body = "still there %d" % next(numbers)
        s.send(message("eve@" + p.domain, "user@corp.example", body))
        user.wait_text(body)
    for s in streams:
        s.close()


def test_streams_that_say_nothing(small, make):
    """Of all only so many may be there without having proved anything; one that ends makes room."""
    p = make("all")
    silent = [Wire.connect(small.s2s) for _ in range(6)]
    wait_until("six", lambda: len(small.streams()) == 6, 5)
    assert Wire.connect(small.s2s).recv(5) == b""
    silent.pop().close()

    def got_in():
        try:
            p.dial("corp.example").close()
            return True
        except (Refused, OSError):
            return False
    wait_until("room, as soon as a socket is closed", got_in, 20)
    for w in silent:
        w.close()


def test_calls_of_ours_take_no_place_of_callers(small, make, dns, user, sip):
    """limits.unauthenticated is about who calls us: six streams of ours that are being set up, and a partner still gets in."""
    slow, other = make("all"), make("all")
    names = ["u%d.%s" % (i, slow.domain) for i in range(6)]
    small.list_partner(slow.domain, additional_domains=["*." + slow.domain])
    small.reload()
    go = threading.Event()
    slow.at["starttls"] = lambda served, e: go.wait(60) and False
    for name in names:
        slow.hosted[name] = "all"
        dns.xmpp(name, ("xmpp." + slow.domain, slow.port, "127.0.0.1"))
    threads = [threading.Thread(target=user.message, args=(sip, "sip:eve@" + name, "hello")) for name in names]
    for t in threads:
        t.start()
    wait_until("six calls", lambda: len([e for e, _ in slow.events.items if e == "header"]) == 6, 5)
    other.dial("corp.example").close()
    go.set()
    for t in threads:
        t.join(60)


# ---- how long ----

@pytest.mark.parametrize("until", ["nothing", "header", "tls", "key"])
def test_a_stream_has_to_be_established_in_time(brief, make, until):
    """limits.establish_timeout, three seconds here: connection-timeout, whatever was done before."""
    p = make("all" if until != "key" else "TLS+dialback", inst=brief)
    p.authority = "silent"
    before, mark = counted(brief, "stream.establish.timeout"), brief.edge.process.mark()
    started, s = time.monotonic(), None
    with pytest.raises(Refused) as e:
        if until == "nothing":
            s = XmppStream.connect(brief.s2s)
            s.is_secure = False
        else:
            s = p.open_stream("corp.example", wants_tls=until != "header")
        if until == "key":
            p.send_key(s)
        while True:
            p.next_of(s, "header" if until == "nothing" else "element")
    assert (e.value.how, e.value.condition) == ("stream", "connection-timeout")
    assert time.monotonic() - started >= 2.9
    brief.edge.process.wait_line("event=s2s.closed .*direction=in reason=stream.establish.timeout", 5, mark)
    assert counted(brief, "stream.establish.timeout") >= before + 1
    (s or e.value.stream).close()


@pytest.mark.parametrize("at", ["starttls", "auth", "result"])
def test_a_partner_that_leaves_us_waiting(brief, make, user, brief_sip, at):
    """The same for streams of ours: the sender gets 504 with the reason."""
    p = make("all", file={"sasl": "required", "dialback": False}, inst=brief) if at != "result" else make("TLS+dialback", inst=brief)
    p.at[at] = lambda served, e: True
    mark = brief.edge.process.mark()
    assert user.message(brief_sip, "sip:eve@" + p.domain, "hello?").status == 504
    brief.edge.process.wait_line("event=s2s.out-failed partner=%s .*reason=%s" % (p.domain, "dialback.timeout" if at == "result" else "stream.establish.timeout"), 10, mark)


def test_idle_streams_are_closed(sleepy, make, user):
    """limits.inactivity, 10 s here: both directions, cleanly; a stanza starts the time anew, blanks do not."""
    p, flow = make("all", inst=sleepy), user.dial(sleepy.sip)
    mark = sleepy.edge.process.mark()
    assert user.message(flow, "sip:eve@" + p.domain, "once").status in (200, 202)
    idle, busy = p.dial("corp.example"), p.dial("corp.example")
    started, said = time.monotonic(), None
    while said is None:
        try:
            said = idle.event(0.9)[0]
        except AssertionError:  # nothing yet
            idle.send(" ")
            busy.send(message("eve@" + p.domain, "user@corp.example", "busy"))
    assert said == "end" and time.monotonic() - started >= 9
    idle.send("</stream:stream>")
    p.wait_event("end", 10)
    for direction in ("in", "out"):
        sleepy.edge.process.wait_line("event=s2s.closed partner=%s .*direction=%s reason=stream.closed.idle" % (p.domain, direction), 5, mark)
    busy.send(message("eve@" + p.domain, "user@corp.example", "busy still"))
    user.wait_text("busy still")
    for c in (idle, busy, flow):
        c.close()


# ---- names ----

def test_additional_domains(small, make, dns, user, sip):
    """Exact ones and "*.", which stands for any depth below and not for itself; in both directions, by either method."""
    p = make("TLS+dialback", file={})
    extra, deep, itself = "extra-" + p.domain, "a.b.it." + p.domain, "it." + p.domain
    small.list_partner(p.domain, sasl="optional", dialback=True, additional_domains=[extra, "*." + itself])
    small.reload()
    for domain in (extra, deep, itself):
        p.hosted[domain] = "TLS+dialback"
        dns.xmpp(domain, ("xmpp." + p.domain, p.port, "127.0.0.1"))
    for domain in (extra, deep):
        s = p.dial_best("corp.example", domain)
        body = "from " + domain
        s.send(message("eve@" + domain, "user@corp.example", body))
        assert user.wait_text(body).uri("from") == "sip:eve@" + domain
        assert user.message(sip, "sip:eve@" + domain, "to " + domain).status in (200, 202)
        p.wait_body("to " + domain)
        s.close()
        assert small.edge.metric("xfed_s2s_auth_total", partner=p.domain, direction="in", method="dialback-tls", result="ok") >= 1
    with pytest.raises(Refused) as e:
        p.dial_best("corp.example", itself)
    assert (e.value.how, e.value.condition) == ("stream", "policy-violation")
    assert user.message(sip, "sip:eve@" + itself, "no").status == 403


def test_exact_beats_the_wildcard(small, make, dns, user, sip):
    """A domain below a partner's wildcard may be a partner of its own, with settings of its own."""
    p = make("all", file={"sasl": "required", "dialback": False})
    small.list_partner(p.domain, sasl="required", dialback=False, additional_domains=["*." + p.domain])
    own = "own." + p.domain
    p.hosted[own] = "dialback"
    small.list_partner(own, **DIALBACK_ONLY)
    small.reload()
    try:
        dns.xmpp(own, ("xmpp." + p.domain, p.port, "127.0.0.1"))
        assert p.dial_best("corp.example", own).method == "dialback-plain"
        p.hosted["other." + p.domain] = "dialback"
        with pytest.raises(Refused) as e:
            p.dial_best("corp.example", "other." + p.domain)
        assert (e.value.how, e.value.condition) == ("dialback", "policy-violation")
    finally:
        small.unlist_partner(own)


# ---- addresses ----

def test_connect_to(small, make, dns, user, sip):
    """[A1-04]: instead of SRV, for messages and for the questions of dialback; the certificate is the domain's all the same."""
    p = make("TLS+dialback")
    dns.clear("_xmpp-server._tcp." + p.domain)
    small.list_partner(p.domain, sasl="optional", dialback=True, connect_to="127.0.0.1:%d" % p.port)
    small.reload()
    assert user.message(sip, "sip:eve@" + p.domain, "straight").status in (200, 202)
    p.wait_body("straight")
    p.dial("corp.example").close()
    assert not dns.was_asked("_xmpp-server._tcp." + p.domain)


def test_connect_to_by_name(small, make, dns, user, sip):
    p = make("all")
    dns.clear("_xmpp-server._tcp." + p.domain)
    dns.add("gate." + p.domain, "A", "127.0.0.1")
    small.list_partner(p.domain, connect_to="gate.%s:%d" % (p.domain, p.port))
    small.reload()
    assert user.message(sip, "sip:eve@" + p.domain, "by name").status in (200, 202)
    p.wait_body("by name")
    assert not dns.was_asked("_xmpp-server._tcp." + p.domain)


def test_every_address_of_a_target_before_the_next_target(small, make, dns, user, sip):
    """[A1-01]: two dead addresses of the first, then the second one."""
    p = make("all")
    name = "_xmpp-server._tcp." + p.domain
    dns.clear(name)
    dns.clear("xmpp." + p.domain)
    dead = free_port()
    dns.add(name, "SRV", (1, 0, dead, "one." + p.domain), (2, 0, p.port, "two." + p.domain))
    dns.add("one." + p.domain, "A", "127.0.0.1", "127.0.0.2")
    dns.add("two." + p.domain, "A", "127.0.0.1")
    mark = small.edge.process.mark()
    assert user.message(sip, "sip:eve@" + p.domain, "third time lucky").status in (200, 202)
    tried = [re.search(r"address=(\S+)", line).group(1) for line in small.edge.process.lines[mark:]
             if "event=s2s.connect-failed partner=" + p.domain in line]
    assert sorted(tried) == ["127.0.0.1:%d" % dead, "127.0.0.2:%d" % dead]


def test_without_srv_the_domain_itself(small, make, dns, user, sip):
    """[A1-03]: an address record and port 5269, only where there is no SRV record at all."""
    p = make("all")
    dns.clear("_xmpp-server._tcp." + p.domain)
    dns.add(p.domain, "A", "127.0.0.1")
    mark = small.edge.process.mark()
    assert user.message(sip, "sip:eve@" + p.domain, "fallback").status == 504
    small.edge.process.wait_line("event=s2s.connect-failed partner=%s .*address=127.0.0.1:5269" % p.domain, 5, mark)


def test_with_srv_never_the_domain_itself(small, make, dns, user, sip):
    p = make("all")
    name = "_xmpp-server._tcp." + p.domain
    dns.clear(name)
    dns.add(name, "SRV", (1, 0, free_port(), "dead." + p.domain))
    dns.add("dead." + p.domain, "A", "127.0.0.1")
    dns.add(p.domain, "A", "127.0.0.1")
    assert user.message(sip, "sip:eve@" + p.domain, "no fallback").status == 504
    assert not dns.was_asked(p.domain)


# ---- waiting between attempts ----

def test_waiting_between_attempts(small, make, dns, user, sip):
    """At once, then one second, doubling: refused at once meanwhile, with one line that says for how long."""
    p = make("all")
    p.at["starttls"] = lambda served, e: False
    mark = small.edge.process.mark()
    pattern = "event=s2s.out-failed partner=%s .*next_try_ms=" % p.domain

    def lines():
        return [line for line in small.edge.process.lines[mark:] if re.search(pattern, line)]
    for attempt, most in ((1, 1000), (2, 2000)):
        started = time.monotonic()
        wait_until("attempt %d" % attempt, lambda: user.message(sip, "sip:eve@" + p.domain, "hello?").status == 504 and len(lines()) == attempt, 6)
        waits = int(re.search(r"next_try_ms=(\d+)", lines()[-1]).group(1))
        assert most * 3 / 4 <= waits <= most
        if attempt == 2:
            assert time.monotonic() - started > 0.5
    assert len([e for e, _ in p.events.items if e == "connected"]) == 2
    del p.at["starttls"]
    small.edge.control("reload")  # somebody has mended it and says so
    assert user.message(sip, "sip:eve@" + p.domain, "mended").status in (200, 202)


# ---- one partner's part of our streams ----

@pytest.fixture(scope="module")
def shared(install, started, certs, dns):
    """40 streams: 36 may be ours, 9 of them to one partner, 18 for answers alone."""
    inst = install("part", edge={"limits": {"connections": 40, "unauthenticated": 20, "address_share": 100, "network_share": 100}})
    try:
        yield started(inst)
    finally:
        inst.stop()


def asking_from_many(inst, make, dns, count):
    """A partner that proves many names of its own and asks something from each: every answer needs a stream of ours."""
    p = make("all", inst=inst)
    inst.list_partner(p.domain, additional_domains=["*." + p.domain], sasl="optional", dialback=True, limits={"stanzas_per_second": 1000})
    inst.reload()
    p.receiver = "valid"
    names = ["q%d.%s" % (i, p.domain) for i in range(count)]
    s = p.dial("corp.example")
    for name in names:
        p.hosted[name] = "all"
        dns.xmpp(name, ("xmpp." + p.domain, p.port, "127.0.0.1"))
        p.send_key(s, "corp.example", name)
        assert p.wait_result(s) == ("valid", None)
        s.send("<iq type='get' id='p' from='%s' to='corp.example'><ping xmlns='urn:xmpp:ping'/></iq>" % name)
    return p, s


def ours(inst, domain=""):
    return [s for s in inst.streams() if s["direction"] == "out" and s["remote"].endswith(domain)]


def test_a_partner_of_many_names_has_a_part_of_our_streams(shared, make, dns, user):
    """One that asks has 9 and no more, two such together 18: what a user writes to others still goes. Answered, they are closed."""
    flow = user.dial(shared.sip)
    mark = shared.edge.process.mark()
    p, s = asking_from_many(shared, make, dns, 12)
    wait_until("its part", lambda: len(ours(shared, p.domain)) == 9, 20)
    line = shared.edge.process.wait_line("event=s2s.out-failed partner=q[0-9]*.%s .*reason=policy.connections.exceeded" % p.domain, 20, mark)
    assert "side=partner" in str(line) and "9 streams of ours go to this partner" in str(line)
    q, t = asking_from_many(shared, make, dns, 12)
    wait_until("the part of both", lambda: len(ours(shared)) == 18, 20)
    r, u = asking_from_many(shared, make, dns, 1)
    shared.edge.process.wait_line("event=s2s.out-failed partner=q0.%s .*18 streams of ours carry answers alone" % r.domain, 20, mark)
    other = make("all", inst=shared)
    assert user.message(flow, "sip:eve@" + other.domain, "past those that ask").status in (200, 202)
    wait_until("the end of those for answers alone", lambda: not ours(shared, q.domain), 120)
    assert ours(shared, other.domain)
    for stream in (s, t, u):
        stream.close()
    flow.close()
