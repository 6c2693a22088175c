"""
Where requests go (RFC 3263, [C4-04] to [C4-07]) and to which place next (proto/delivery.md: Attempts, rule 3). corp.example
names no next hop; corp2.example one without a port; corp3.example one without a transport.
"""
import itertools

import pytest

from harness.daemon import Refusal
from harness.mockdns import MockDns
from harness.proc import wait_until
from harness.sip import SipUser
from harness.wire import free_port

numbers = itertools.count(1)
HOST = "127.0.0.1"
SRV_TYPE, NAPTR_TYPE = 33, 35
NAMES = ["corp.example", "_sips._tcp.corp.example", "_sip._tcp.corp.example", "_sip._udp.corp.example", "_sip._tcp.pool.corp.example",
         "pool.corp.example", "one.corp.example", "two.corp.example", "srv.elsewhere.example", "_sip._udp.elsewhere.example",
         "_sip._tcp.elsewhere.example", "_sips._tcp.elsewhere.example"]


@pytest.fixture(scope="module")
def inst(install, started, dns):
    """An installation that finds its SIP servers in the DNS."""
    fixed = free_port()
    inst = install("locate", gateway={"dns": {"servers": ["%s:%d" % dns.address[:2]]}, "domains": [
        {"domain": "corp.example", "peer_addresses": [HOST], "peers": ["sip.corp.example"]},
        {"domain": "corp2.example", "next_hop": "sip:pool.corp.example;transport=tcp", "peer_addresses": [HOST]},
        {"domain": "corp3.example", "next_hop": "sip:one.corp.example:%d" % fixed, "peer_addresses": [HOST]},
    ]})
    inst.fixed = fixed
    inst.list_partner("locate.example")
    try:
        yield started(inst)
    finally:
        inst.stop()


@pytest.fixture(scope="module")
def peer(inst, new_partner):
    return new_partner(inst, "locate.example")


@pytest.fixture
def zone(inst, dns):
    """zone({(name, type): values}): what the DNS says from now on; nothing of before is remembered."""
    def make(records):
        for name in NAMES:
            dns.clear(name)
        for (name, kind), values in records.items():
            dns.add(name, kind, *values)
        inst.reload()  # forgets what was found
    yield make
    for name in NAMES:
        dns.clear(name)


@pytest.fixture
def server(certs):
    """server(ADDRESS, leaf=...) makes a SIP server for the test."""
    made = []

    def make(address=HOST, port=0, leaf=None):
        made.append(SipUser("located %d" % next(numbers), address, port, certs=certs if leaf else None, leaf=leaf))
        return made[-1]
    yield make
    for user in made:
        user.close()


@pytest.fixture
def refused_as(inst):
    return lambda code: Refusal(inst, code)


def pool(*servers):
    """corp2.example at these servers, in this order; a number is a port where nobody listens."""
    ports = [s if isinstance(s, int) else s.port for s in servers]
    hosts = ["one.corp.example", "two.corp.example"]
    records = {("_sip._tcp.pool.corp.example", "SRV"): [(10 + i, 0, ports[i], hosts[i]) for i in reversed(range(len(ports)))]}
    for i, s in enumerate(servers):
        records[(hosts[i], "A")] = [HOST if isinstance(s, int) else s.address]
    return records


def new_text(words):
    return "%s %d" % (words, next(numbers))


def number_of(request):
    """The number of the place, as the branch carries it."""
    return request.branch.rsplit(".", 1)[1]


def reached(user, text):
    return [m for m, _ in user.raw.items if m.text == text]


def types_asked(dns, name):
    return {a[1] for a in dns.was_asked(name)}


# ---- which place ----

def test_naptr_then_srv_then_address(inst, peer, dns, zone, server):
    """[C4-04]: the lowest order with a transport of ours decides; what it names is asked for, and nothing of a higher order."""
    user = server()
    zone({("corp.example", "NAPTR"): [(20, 10, "s", "SIP+D2U", "", "_sip._udp.elsewhere.example"),
                                      (5, 10, "s", "E2U+sip", "", "_sips._tcp.elsewhere.example"),
                                      (10, 10, "s", "SIP+D2T", "", "_sip._tcp.elsewhere.example")],
          ("_sip._tcp.elsewhere.example", "SRV"): [(10, 10, user.port, "srv.elsewhere.example")],
          ("srv.elsewhere.example", "A"): [HOST]})
    text = new_text("by naptr")
    peer.say("alice", "dave@corp.example", text)
    request = user.wait_text(text)
    assert "SIP/2.0/TCP" in request.get("via") and number_of(request) == "0"
    assert NAPTR_TYPE in types_asked(dns, "corp.example")
    assert SRV_TYPE in types_asked(dns, "_sip._tcp.elsewhere.example")
    assert not dns.was_asked("_sip._udp.elsewhere.example") and not dns.was_asked("_sips._tcp.elsewhere.example")
    wait_until("the next hop up, named by the domain",
               lambda: inst.gateway.metric("xfed_sip_next_hop_up", next_hop="corp.example") == 1, 10)
    asked = len(dns.was_asked("corp.example"))
    text = new_text("by naptr again")
    peer.say("alice", "dave@corp.example", text)
    user.wait_text(text)
    assert len(dns.was_asked("corp.example")) == asked, "the TTL has not ended"


def test_without_naptr_srv_of_each_transport(peer, dns, zone, server):
    """[C4-04]: a transport with records, and none where there are no records."""
    user = server()
    zone({("_sip._udp.corp.example", "SRV"): [(10, 10, user.port, "one.corp.example")], ("one.corp.example", "A"): [HOST]})
    text = new_text("by srv")
    peer.say("alice", "dave@corp.example", text)
    assert "SIP/2.0/UDP" in user.wait_text(text).get("via")
    for name in ("_sips._tcp.corp.example", "_sip._tcp.corp.example", "_sip._udp.corp.example"):
        assert SRV_TYPE in types_asked(dns, name), name


def test_a_request_too_large_for_udp_takes_another_transport(peer, zone, server):
    """[C3-02], [C4-04]: above 1300 bytes UDP is no choice, whatever its order."""
    user = server()
    zone({("corp.example", "NAPTR"): [(10, 10, "s", "SIP+D2U", "", "_sip._udp.corp.example"),
                                      (20, 10, "s", "SIP+D2T", "", "_sip._tcp.corp.example")],
          ("_sip._udp.corp.example", "SRV"): [(10, 10, user.port, "one.corp.example")],
          ("_sip._tcp.corp.example", "SRV"): [(10, 10, user.port, "one.corp.example")], ("one.corp.example", "A"): [HOST]})
    small, large = new_text("small"), new_text("large") + " x" * 700
    peer.say("alice", "dave@corp.example", small)
    assert "SIP/2.0/UDP" in user.wait_text(small).get("via")
    peer.say("alice", "dave@corp.example", large)
    assert "SIP/2.0/TCP" in user.wait_text(large).get("via")


def test_a_port_that_is_written_is_kept(inst, peer, dns, zone, server):
    """[C4-04]: with a port only addresses are asked for, and the transport is UDP."""
    user = server(port=inst.fixed)
    before = dns.was_asked("_sip._udp.one.corp.example")
    zone({("one.corp.example", "A"): [HOST]})
    text = new_text("by port")
    peer.say("alice", "dave@corp3.example", text)
    assert "SIP/2.0/UDP" in user.wait_text(text).get("via")
    assert dns.was_asked("_sip._udp.one.corp.example") == before
    assert not types_asked(dns, "one.corp.example") & {SRV_TYPE, NAPTR_TYPE}


def wait_up(inst):
    """The gateway knows with the answer, which comes behind the request the test has waited for."""
    wait_until("the next hop up", lambda: inst.gateway.metric("xfed_sip_next_hop_up", next_hop="tcp:pool.corp.example") == 1, 10)


def test_srv_records_in_order(inst, peer, dns, zone, server):
    """RFC 2782: the lowest priority first, and only it while it answers; a transport that is written is not asked about."""
    first, second = server(), server("127.0.0.2")
    zone(pool(first, second))
    before = dns.was_asked("pool.corp.example")
    text = new_text("the first")
    peer.say("alice", "dave@corp2.example", text)
    assert number_of(first.wait_text(text)) == "0"
    assert not second.raw.items
    assert dns.was_asked("pool.corp.example") == before, "neither NAPTR nor addresses of the name itself"
    wait_up(inst)


# ---- the next place ----

def test_nobody_listens_at_the_first(inst, peer, zone, server):
    """Nothing was written, so the second gets it: once, by a branch of its own, and the sender hears of nothing."""
    second = server()
    zone(pool(free_port(), second))
    text, after = new_text("second choice"), new_text("and the next")
    mark, errors = inst.gateway.process.mark(), peer.inbox.mark()
    peer.say("alice", "dave@corp2.example", text)
    peer.say("alice", "dave@corp2.example", after)
    assert number_of(second.wait_text(text)) == "1"
    second.wait_text(after)
    assert len(reached(second, text)) == 1 and len(reached(second, after)) == 1
    inst.gateway.process.wait_line("event=delivery.next-place .*number=1", 5, mark)
    assert not [s for s in peer.inbox.items[errors:] if s.get("type") == "error"]
    wait_up(inst)
    mark, third = inst.gateway.process.mark(), new_text("it is remembered")
    peer.say("alice", "dave@corp2.example", third)
    assert number_of(second.wait_text(third)) == "1"
    assert not [line for line in inst.gateway.process.lines[mark:] if "delivery.next-place" in line]


def test_all_have_failed(peer, zone, server):
    """Then they are tried in their order again: one that is back is found at once."""
    port, second = free_port(), server()
    zone(pool(port, second))
    text = new_text("by way of the second")
    peer.say("alice", "dave@corp2.example", text)
    assert number_of(second.wait_text(text)) == "1"
    second.close()
    condition, _, words = peer.wait_error(peer.say("alice", "dave@corp2.example", "nobody", id=new_text("nobody").replace(" ", "-")))
    assert condition == "remote-server-timeout" and "sip.server.unreachable" in words
    first = server(port=port)
    text = new_text("the first is back")
    peer.say("alice", "dave@corp2.example", text)
    assert number_of(first.wait_text(text)) == "0"


def test_503_leads_to_the_next(peer, zone, server):
    """[C4-05]: same request, another branch."""
    first, second = server(), server("127.0.0.2")
    first.answer = 503
    zone(pool(first, second))
    text, errors = new_text("busy"), peer.inbox.mark()
    peer.say("alice", "dave@corp2.example", text)
    got = second.wait_text(text)
    refused = first.wait_text(text)
    assert (number_of(refused), number_of(got)) == ("0", "1")
    assert refused.branch.rsplit(".", 1)[0] == got.branch.rsplit(".", 1)[0]
    for header in ("call-id", "cseq", "from"):
        assert refused.get(header) == got.get(header), header
    assert len(reached(first, text)) == 1 and len(reached(second, text)) == 1
    assert not [s for s in peer.inbox.items[errors:] if s.get("type") == "error"]


@pytest.mark.parametrize("status", [480, 500, 603])
def test_no_other_answer_does(peer, zone, server, status):
    first, second = server(), server("127.0.0.2")
    first.answer = status
    zone(pool(first, second))
    text = new_text("no")
    peer.wait_error(peer.say("alice", "dave@corp2.example", text))
    assert len(reached(first, text)) == 1 and not second.raw.items


def test_all_places_refuse(inst, peer, zone, server, refused_as):
    """After the last one its answer counts; where nobody listens that is sip.server.unreachable."""
    first, second = server(), server("127.0.0.2")
    first.answer = second.answer = 503
    zone(pool(first, second))
    text = new_text("no place")
    peer.wait_error(peer.say("alice", "dave@corp2.example", text))
    assert len(reached(first, text)) == 1 and len(reached(second, text)) == 1
    zone(pool(free_port(), free_port()))
    with refused_as("sip.server.unreachable"):
        assert peer.wait_error(peer.say("alice", "dave@corp2.example", "nobody"))[0] == "remote-server-timeout"
    wait_until("the next hop down", lambda: inst.gateway.metric("xfed_sip_next_hop_up", next_hop="tcp:pool.corp.example") == 0, 10)


def test_a_connection_lost_after_the_request_ends_the_attempts(inst, peer, zone, server):
    """Rule 3: what was written may have been delivered, so nobody else gets it."""
    first, second = server(), server("127.0.0.2")
    first.answer = None
    zone(pool(first, second))
    text, mark = new_text("lost"), inst.gateway.process.mark()
    ident = peer.say("alice", "dave@corp2.example", text)
    request = first.wait_text(text)
    first.held[request.branch].close()
    condition, _, words = peer.wait_error(ident)
    assert condition == "remote-server-timeout" and "may have been delivered" in words
    inst.gateway.process.wait_line("event=delivery.uncertain .*reason=delivery.uncertain", 5, mark)
    assert not second.raw.items


def test_silence_ends_the_attempts(inst, peer, zone, server):
    """Rule 3: Timer F (32 s) is no reason to try the next place."""
    first, second = server(), server("127.0.0.2")
    first.answer = None
    zone(pool(first, second))
    text, mark = new_text("silence"), inst.gateway.process.mark()
    condition, _, words = peer.wait_error(peer.say("alice", "dave@corp2.example", text), 45)
    assert condition == "remote-server-timeout" and "may have been delivered" in words
    inst.gateway.process.wait_line("event=delivery.uncertain .*reason=sip.server.timeout", 5, mark)
    assert len(reached(first, text)) == 1 and not second.raw.items


# ---- no place ----

NOWHERE = [
    ("srv-refuses", {("_sip._tcp.pool.corp.example", "SRV"): [(0, 0, 0, ".")], ("pool.corp.example", "A"): [HOST]}, None, "dns.srv.refused"),
    ("servfail", {}, "_sip._tcp.pool.corp.example", "dns.bogus"),
    ("nothing", {}, None, "dns.name.missing"),
    ("srv-without-address", {("_sip._tcp.pool.corp.example", "SRV"): [(0, 0, 5060, "one.corp.example")]}, None, "dns.name.missing"),
]


@pytest.mark.parametrize("name, records, broken, reason", NOWHERE, ids=[n[0] for n in NOWHERE])
def test_the_dns_gives_no_place(inst, peer, dns, zone, server, refused_as, name, records, broken, reason):
    """The sender, the log line and the metric name what the DNS said; nothing is remembered of it."""
    user = server()
    zone(pool(user))
    text = new_text("before")
    peer.say("alice", "dave@corp2.example", text)
    user.wait_text(text)
    wait_up(inst)
    zone(records)
    if broken:
        dns.answer(broken, "servfail")
        inst.reload()
    mark = inst.gateway.process.mark()
    with refused_as("sip.server.unreachable"):
        condition, _, words = peer.wait_error(peer.say("alice", "dave@corp2.example", "nowhere"))
    assert condition == "remote-server-timeout" and reason in words
    inst.gateway.process.wait_line("event=sip.hop-down .*next_hop=tcp:pool.corp.example .*reason=%s" % reason, 5, mark)
    zone(pool(user))
    text = new_text("after")
    peer.say("alice", "dave@corp2.example", text)
    user.wait_text(text)


# ---- the name to prove ----

@pytest.mark.parametrize("names, is_good", [(("sip:corp.example",), True), (("sip:srv.elsewhere.example", "host:srv.elsewhere.example"), False)],
                         ids=["the-domain", "the-srv-target"])
def test_the_certificate_is_for_the_domain(peer, zone, server, certs, refused_as, names, is_good):
    """[C4-06], RFC 5922 section 7.3: an SRV record leads elsewhere, and who is there proves the domain all the same."""
    user = server(leaf=certs.leaf("locate-%s" % ("good" if is_good else "bad"), *names))
    zone({("corp.example", "NAPTR"): [(10, 10, "s", "SIPS+D2T", "", "_sips._tcp.corp.example")],
          ("_sips._tcp.corp.example", "SRV"): [(10, 10, user.port, "srv.elsewhere.example")], ("srv.elsewhere.example", "A"): [HOST]})
    text = new_text("over tls")
    if is_good:
        peer.say("alice", "dave@corp.example", text)
        assert "SIP/2.0/TLS" in user.wait_text(text).get("via")
        return
    with refused_as("tls.cert.name-mismatch"):
        assert peer.wait_error(peer.say("alice", "dave@corp.example", text))[0] == "remote-server-timeout"
    assert not user.raw.items


# ---- whom we ask ----

@pytest.fixture
def other_dns():
    server = MockDns()
    yield server
    server.close()


@pytest.fixture
def with_servers(inst, dns):
    """with_servers(DNS): the daemon in question asks there from now on. The test ends with the servers of before."""
    def make(daemon, config, server):
        config["dns"]["servers"] = ["%s:%d" % server.address[:2]]
        inst.write_configs()
        assert daemon.control("reload")["ok"]
    yield make
    for daemon, config in ((inst.gateway, inst.gateway_config), (inst.edge, inst.edge_config)):
        make(daemon, config, dns)


def test_a_gateway_asks_the_servers_of_its_reload(inst, peer, zone, server, other_dns, with_servers):
    before, after = server(), server()
    zone(pool(before))
    text = new_text("by the first servers")
    peer.say("alice", "dave@corp2.example", text)
    before.wait_text(text)
    for (name, kind), values in pool(after).items():
        other_dns.add(name, kind, *values)
    with_servers(inst.gateway, inst.gateway_config, other_dns)
    text = new_text("by the others")
    peer.say("alice", "dave@corp2.example", text)
    after.wait_text(text)
    assert not reached(before, text)


def test_an_edge_asks_the_servers_of_its_reload(inst, dns, other_dns, with_servers):
    inst.list_partner("moved.example")
    inst.reload()
    question = "_xmpp-server._tcp.moved.example"
    inst.gateway.control("partner", "check", domain="moved.example")
    asked = len(dns.was_asked(question))
    assert asked > 0
    with_servers(inst.edge, inst.edge_config, other_dns)
    inst.gateway.control("partner", "check", domain="moved.example")
    assert other_dns.was_asked(question) and len(dns.was_asked(question)) == asked
