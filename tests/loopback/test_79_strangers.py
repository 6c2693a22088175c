"""
Who may use up a limit: nobody is counted as a partner before it is proved, strangers share their places by address and by network,
each direction has a reserve, and a refusal leaves nothing behind (libxfed/include/xfed/limits.h says whom each limit hurts).
"""
import itertools
import re
import socket
import subprocess
import sys
import threading
import types

import pytest

from harness.peer import Peer, Refused
from harness.proc import wait_until
from harness.sip import SipUser
from harness.sipmsg import parse_sip
from harness.wire import Wire
from harness.xmpp import STARTTLS, STREAM, TLS, XmppStream, message

numbers = itertools.count(1)
UNPROVED = "policy.unproved.exceeded"
PLACES, OF_ADDRESS, OF_NETWORK = 12, 3, 6  # limits.unauthenticated, a quarter, a half


@pytest.fixture(scope="module")
def shared(install, started):
    user = SipUser("corp.example")
    inst = install("shr", users={"corp.example": user}, edge={"limits": {"unauthenticated": PLACES, "connect_timeout": "1s"}},
                   gateway={"limits": {"connections": 20, "unauthenticated": PLACES}})
    try:
        yield started(inst)
    finally:
        inst.stop()
        user.close()


@pytest.fixture
def make(shared, certs, dns):
    """make(ABILITIES, **FILE) is a Peer for a domain of its own that policy lists."""
    made = []

    def make(abilities="all", **file):
        domain = "share%d.example" % next(numbers)
        leaf = certs.leaf(domain.split(".")[0], "xmpp:" + domain)
        p = Peer(domain, certs, leaf, shared.s2s, abilities, certs.leaf(leaf + "-plain", "by=self", "xmpp:" + domain))
        shared.list_partner(domain, **dict({"sasl": "optional", "dialback": True}, **file))
        shared.reload()
        dns.xmpp(domain, ("xmpp." + domain, p.port, "127.0.0.1"))
        made.append(p)
        return p
    yield make
    for p in made:
        p.may_end.set()
        p.close()
        shared.unlist_partner(p.domain)
    shared.reload()
    wait_until("the end of all streams", lambda: not shared.streams(), 20)


def counted(daemon, code):
    return daemon.metric("xfed_refusals_total", reason=code) or 0


def is_refused(wire):
    """Closed at TCP level, without a word."""
    try:
        return wire.recv(20) == b""
    except ConnectionError:
        return True


def refused_lines(daemon, event, mark):
    return [line for line in daemon.process.lines[mark:] if "event=%s " % event in line]


# ---- partners ----

def stranger(inst, certs, domain, source):
    """A stream that has named a partner inside TLS and has proved nothing."""
    s = XmppStream.connect(inst.s2s, source)
    s.open(domain, "corp.example")
    s.read_header()
    s.expect(STREAM + "features")
    s.send(STARTTLS)
    s.expect(TLS + "proceed")
    s.start_tls(certs.client(None), hostname="corp.example")
    s.open(domain, "corp.example")
    s.read_header()
    s.expect(STREAM + "features")
    return s


@pytest.mark.parametrize("abilities", ["all", "TLS+dialback"])
def test_strangers_do_not_use_up_a_partners_streams(shared, make, certs, abilities):
    """Six that name it; it has three, and gets them; its fourth is refused, as those count that have proved themselves."""
    p = make(abilities, limits={"connections": 3})
    strangers = [stranger(shared, certs, p.domain, "127.0.%d.1" % (1 + i)) for i in range(6)]
    mine = [p.dial("corp.example") for _ in range(3)]
    with pytest.raises(Refused) as e:
        p.dial("corp.example")
    assert e.value.condition == "resource-constraint"
    e.value.stream.close()
    for s in strangers + mine:
        s.close()


def test_more_than_a_partner_may_have_prove_themselves_at_once(shared, make):
    """None is refused by its name; when they have proved themselves, those beyond the limit are."""
    p = make("all", limits={"connections": 1})
    before = counted(shared.edge, "policy.connections.exceeded")
    first, second = [p.open_stream("corp.example") for _ in range(2)]
    p.prove_by_certificate(first)
    with pytest.raises(Refused) as e:
        p.prove_by_certificate(second)
        p.next_of(second, "element")
    assert (e.value.how, e.value.condition) == ("stream", "resource-constraint")
    assert counted(shared.edge, "policy.connections.exceeded") == before + 1
    first.send(message("eve@" + p.domain, "user@corp.example", "the first stays"))
    shared.users["corp.example"].wait_text("the first stays")
    first.close()
    second.close()


def test_keys_of_strangers_share_the_streams_they_cause(shared, make, dns):
    """One of ours for each pair of domains they name: an address has its part of those, and a partner elsewhere its own."""
    p = make("TLS+dialback", additional_domains=["*.sub.example"])
    names = ["k%d.sub.example" % i for i in range(OF_ADDRESS + 2)]
    for name in names:
        p.hosted[name] = "TLS+dialback"
        dns.xmpp(name, ("xmpp." + p.domain, p.port, "127.0.0.1"))
    go, mark = threading.Event(), shared.edge.process.mark()
    p.at["starttls"] = lambda served, e: go.wait(60) and False
    s = p.open_stream("corp.example", names[0], source="127.0.8.1")
    other = p.open_stream("corp.example", names[-1], source="127.0.9.1")
    for name in names[:-1]:
        p.send_key(s, domain=name, key="0" * 64)
    assert p.wait_result(s) == ("error", "resource-constraint")
    p.send_key(other, domain=names[-1])
    shared.edge.process.wait_line("event=dialback.refused .*source=127.0.8.1 share=address .*reason=" + UNPROVED, 10, mark)
    wait_until("the calls", lambda: len([e for e, _ in p.events.items if e == "connected"]) == OF_ADDRESS + 1, 20)
    go.set()
    s.close()
    other.close()


@pytest.fixture
def crowded(install, started):
    """Places enough for many keys of strangers at once."""
    inst = install("crowd", edge={"limits": {"unauthenticated": 400}})
    try:
        yield started(inst)
    finally:
        inst.stop()


def test_keys_of_strangers_for_one_partner_do_not_lock_it_out(crowded, certs, dns):
    """
    All questions about a partner go on one stream of 64 places. 150 wrong keys from three networks, which its server answers
    one by one: none of them times out, and its own key waits for its turn and no longer.
    """
    domain = "victim.example"
    p = Peer(domain, certs, certs.leaf("victim", "xmpp:" + domain), crowded.s2s, "dialback")
    crowded.list_partner(domain, tls="not-supported", sasl="not-supported", dialback=True)
    crowded.reload()
    dns.xmpp(domain, ("xmpp." + domain, p.port, "127.0.0.1"))
    questions, go = [], threading.Event()

    def one_by_one(served, e):
        questions.append((served, e))
        go.wait(60)
        served.answer_verify(e, "valid" if "".join(e.itertext()).strip() != "00" else "invalid")
        return True
    p.authority = one_by_one
    strangers = []
    for i in range(150):
        s = p.open_stream("corp.example", source="127.0.%d.1" % (40 + i % 3))
        p.send_key(s, key="00")
        strangers.append(s)
    wait_until("the first question", lambda: questions, 20)
    mine = p.open_stream("corp.example", source="127.0.50.1")
    p.send_key(mine)
    # behind this nothing of the edge's is under way any more: all that was sent before has been taken
    wait_until("every stream", lambda: len([x for x in crowded.streams() if x["direction"] == "in"]) == 151, 20)
    go.set()
    assert p.wait_result(mine, 40) == ("valid", None)
    place = next(i for i, (_, e) in enumerate(questions) if "".join(e.itertext()).strip() != "00")
    assert place < 70, "its own key waited for all the others"
    for s in strangers:
        assert p.wait_result(s, 40) == ("invalid", None)
        s.close()
    mine.close()
    p.close()


def test_each_question_of_a_stranger_counts(shared, make, dns):
    """Not only the one that begins a stream of ours: those that join it have places as well, by address."""
    p = make("TLS+dialback", additional_domains=["*.join.example"])
    names = ["j%d.join.example" % i for i in range(2)]
    for name in names:
        p.hosted[name] = "TLS+dialback"
        dns.xmpp(name, ("xmpp." + p.domain, p.port, "127.0.0.1"))
    go, mark = threading.Event(), shared.edge.process.mark()
    p.at["starttls"] = lambda served, e: go.wait(60) and False
    first, second = [p.open_stream("corp.example", names[0], source="127.0.18.1") for _ in range(2)]
    for name in names:
        p.send_key(first, domain=name, key="0" * 64)
    wait_until("both calls", lambda: len([e for e, _ in p.events.items if e == "connected"]) == 2, 20)
    for name in names:
        p.send_key(second, domain=name, key="0" * 64)
    assert p.wait_result(second) == ("error", "resource-constraint")
    shared.edge.process.wait_line("event=dialback.refused .*source=127.0.18.1 share=address .*reason=" + UNPROVED, 10, mark)
    go.set()
    first.close()
    second.close()


# ---- places at 5269 ----

def test_places_at_5269(shared, make):
    """A quarter for an address, a half for a network, the rest for others; one line a source; what is given back is free again."""
    p = make()
    mark, before = shared.edge.process.mark(), counted(shared.edge, UNPROVED)
    held = [Wire.connect(shared.s2s, "127.0.5.1") for _ in range(OF_ADDRESS)]
    beyond = [Wire.connect(shared.s2s, "127.0.5.1") for _ in range(20)]
    assert all(is_refused(w) for w in beyond)
    held += [Wire.connect(shared.s2s, "127.0.5.2") for _ in range(OF_NETWORK - OF_ADDRESS)]
    assert is_refused(Wire.connect(shared.s2s, "127.0.5.3"))
    assert counted(shared.edge, UNPROVED) == before + 21
    p.dial("corp.example").close()  # from 127.0.0.1
    wait_until("both lines", lambda: len(refused_lines(shared.edge, "s2s.refused", mark)) >= 2, 10)
    lines = refused_lines(shared.edge, "s2s.refused", mark)
    assert len([x for x in lines if "source=127.0.5.1 share=address" in x]) == 1
    assert len([x for x in lines if "source=127.0.5.0/24 share=network" in x]) == 1
    assert len(lines) == 2 and all("reason=" + UNPROVED in x for x in lines)
    held += [Wire.connect(shared.s2s, "127.0.6.%d" % (1 + i % 2)) for i in range(PLACES - OF_NETWORK)]
    wait_until("all", lambda: len(shared.streams()) == PLACES, 10)
    assert is_refused(Wire.connect(shared.s2s, "127.0.7.1"))
    wait_until("the line of all", lambda: [x for x in refused_lines(shared.edge, "s2s.refused", mark) if "share=total" in x], 10)
    for w in held:
        w.close()
    wait_until("nobody", lambda: not shared.streams(), 10)
    again = Wire.connect(shared.s2s, "127.0.5.1")
    wait_until("one", lambda: len(shared.streams()) == 1, 10)
    again.close()


def test_who_has_proved_itself_holds_no_place(shared, make):
    """Many partners behind one address: more streams than the address has places, as each gives its own back."""
    p = make("all", limits={"connections": 20})
    streams = [p.dial("corp.example") for _ in range(PLACES + 2)]
    for s in streams:
        s.close()


# ---- the channel ----

def test_a_gateway_links_while_strangers_sit_in_the_handshakes(shared, make):
    """From the gateway's own address and from many others, each place held; it links all the same, and soon."""
    p = make()
    held = []
    for i in range(40):
        try:
            held.append(Wire.connect(shared.channel, "127.0.%d.1" % (i // 4)))
        except OSError:
            pass
    mark = shared.edge.process.mark()
    shared.gateway.process.stop()
    shared.gateway.start()
    shared.gateway.wait_ready()
    shared.edge.process.wait_line("event=channel.up ", 20, mark)
    wait_until("the channel", lambda: shared.gateway.get("/readyz")[0] == 200, 20)
    lines = refused_lines(shared.edge, "channel.refused", 0)
    assert lines and all("reason=" + UNPROVED in x for x in lines)
    for w in held:
        w.close()
    p.dial("corp.example").close()


# ---- SIP ----

HOLD = """
import socket, sys
held = [socket.create_connection((sys.argv[1], int(sys.argv[2])), source_address=(source, 0)) for source in sys.argv[3:]]
print("held", flush=True)
sys.stdin.read()
"""


def test_strangers_on_the_sip_port(shared, make):
    """The next hop can be called and listed peers get in, however many connections strangers try to hold."""
    user = shared.users["corp.example"]
    p = make()
    mark = shared.gateway.process.mark()
    sources = ["127.0.0.99"] * 30 + ["127.0.%d.1" % i for i in range(20, 50)]
    holder = subprocess.Popen([sys.executable, "-c", HOLD, shared.sip[0], str(shared.sip[1])] + sources,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        s = p.dial("corp.example")
        text = "past the strangers %d" % next(numbers)
        s.send(message("eve@" + p.domain, "user@corp.example", text))
        user.wait_text(text, 20)
        flow = user.dial(shared.sip)
        assert user.message(flow, "sip:eve@" + p.domain, "and back").status in (200, 202)
        flow.close()
        s.close()
        wait_until("the line", lambda: refused_lines(shared.gateway, "sip.refused", mark), 10)
        lines = refused_lines(shared.gateway, "sip.refused", mark)
        assert len([x for x in lines if "source=127.0.0.99 share=address" in x]) == 1
        assert all("reason=" + UNPROVED in x for x in lines)
    finally:
        holder.stdin.close()
        holder.wait(10)


def test_what_is_said_to_a_stranger_is_forgotten(shared):
    """RFC 3261 section 8.2.7: the same request again is judged and refused again, the answer is the same to the tag."""
    user = shared.users["corp.example"]
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.99", 0))
    sock.settimeout(20)
    raw, _ = user.request(types.SimpleNamespace(transport="udp", local=sock.getsockname()), "MESSAGE", "sip:eve@partner.example",
                          sender="sip:user@corp.example", body="x", content_type="text/plain")
    before, answers = counted(shared.gateway, "sip.sender.untrusted"), []
    for _ in range(3):
        sock.sendto(raw, shared.sip)
        answers.append(parse_sip(sock.recv(65536)))
    assert [a.status for a in answers] == [403] * 3
    assert len({re.search(r"tag=(\S+)", a.get("to")).group(1) for a in answers}) == 1
    assert counted(shared.gateway, "sip.sender.untrusted") == before + 3
    sock.close()


def test_an_address_that_a_reload_takes_out_is_a_stranger(install, started):
    """Its connections have to take places then, like any stranger's: for some there are none, the others are closed after 30 s."""
    inst = install("unlisted", gateway={"limits": {"unauthenticated": 2, "address_share": 100, "network_share": 100}})
    domain, source = inst.gateway_config["domains"][0], "127.0.0.77"
    domain["peer_addresses"] = domain["peer_addresses"] + [source]
    inst.write_configs()
    started(inst)
    held = [Wire.connect(inst.sip, source) for _ in range(5)]
    try:
        wait_until("five connections", lambda: sum("event=sip.open " in x and source in x for x in inst.gateway.process.lines) == 5, 20)
        mark = inst.gateway.process.mark()
        domain["peer_addresses"] = domain["peer_addresses"][:-1]
        inst.write_configs()
        assert inst.gateway.control("reload")["ok"]

        def closed(code):
            return sum("event=sip.closed " in x and "reason=" + code in x for x in inst.gateway.process.lines[mark:])
        wait_until("three without a place", lambda: closed(UNPROVED) == 3, 20)
        assert closed("sip.sender.untrusted") == 0
        wait_until("one line for them", lambda: refused_lines(inst.gateway, "sip.refused", mark), 10)
        assert len(refused_lines(inst.gateway, "sip.refused", mark)) == 1
        with pytest.raises((AssertionError, ConnectionError)):  # and nobody else gets in
            late = Wire.connect(inst.sip, source)
            assert not is_refused(late)
        wait_until("the end of the two others", lambda: closed("sip.sender.untrusted") == 2, 90)
        assert closed(UNPROVED) == 3
    finally:
        for w in held:
            w.close()
        inst.stop()
