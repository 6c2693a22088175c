"""
Where a partner's DNS may lead the edge: not inside. The installation of these tests lets it lead to 127.0.0.2 alone, so that every
other address of the loopback stands for the services of a real edge's host, which believe in its address.
"""
import itertools
import json
import os
import socket
import subprocess
import sys
import threading

import pytest

from harness.peer import Peer
from harness.proc import wait_until
from harness.wire import free_port

OUTSIDE = "127.0.0.2"
CODE = "dns.address.refused"
numbers = itertools.count(1)


class Service:
    """Somebody inside, who counts whoever comes."""

    def __init__(self, address="127.0.0.1"):
        self.sock = socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.port, self.came = self.sock.getsockname()[1], []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                s, peer = self.sock.accept()
            except OSError:
                return
            self.came.append(peer)
            s.close()

    def close(self):
        self.sock.close()


@pytest.fixture(scope="module")
def edge_of(install, started):
    inst = install("reach", edge={"external": {"allow_networks": [OUTSIDE]}, "limits": {"connect_timeout": "5s"}})
    inst.list_partner("partner.example")
    try:
        yield started(inst)
    finally:
        inst.stop()


@pytest.fixture
def service():
    made = Service()
    yield made
    made.close()


@pytest.fixture
def flow(edge_of, user):
    flow = user.dial(edge_of.sip)
    yield flow
    flow.close()


@pytest.fixture
def server(edge_of, certs, dns):
    """server(DOMAIN): a listed partner at the one address that may be, by dialback or certificate; its records are the test's."""
    made = []

    def make(domain, abilities="all", **file):
        edge_of.list_partner(domain, **dict({"sasl": "optional", "dialback": True}, **file))
        leaf = certs.leaf(domain.split(".")[0], "xmpp:" + domain)
        unproved = certs.leaf(leaf + "-plain", "by=self", "xmpp:" + domain)
        p = Peer(domain, certs, leaf, edge_of.s2s, abilities, unproved, address=(OUTSIDE, 0))
        made.append(p)
        edge_of.reload()
        return p
    yield make
    for p in made:
        p.close()
        edge_of.unlist_partner(p.domain)


def ctl(inst, tools, *words):
    status, text = inst.gateway.ctl(tools, "--json", *words, check=False)
    return status, json.loads(text)


def srv(dns, domain, *targets):
    """(priority, port, address) each; the target's name is its place."""
    for i, (priority, port, address) in enumerate(targets):
        name = address if address == "localhost" else "t%d.%s" % (i, domain)
        dns.add("_xmpp-server._tcp." + domain, "SRV", (priority, 0, port, name))
        if name != address:
            dns.add(name, "AAAA" if ":" in address else "A", address)


INSIDE = {
    "loopback": "127.0.0.1", "another loopback": "127.9.9.9", "localhost": "localhost", "IPv6 loopback": "::1", "mapped": "::ffff:127.0.0.1",
    "unspecified": "0.0.0.0", "IPv6 unspecified": "::", "link-local": "169.254.169.254", "IPv6 link-local": "fe80::1", "multicast": "224.0.0.1",
    "IPv6 multicast": "ff02::1", "broadcast": "255.255.255.255", "6to4": "2002:7f00:1::1", "NAT64": "64:ff9b::7f00:1",
}


@pytest.mark.parametrize("what", INSIDE)
def test_a_sender_is_told_and_nobody_inside_is_called(edge_of, dns, tools, user, flow, service, what):
    domain = "inside%d.example" % next(numbers)
    edge_of.list_partner(domain)
    srv(dns, domain, (0, service.port, INSIDE[what]))
    edge_of.reload()
    assert user.message(flow, "sip:eve@" + domain, "to nobody", timeout=20).status == 404
    wait_until("the journal has it", lambda: ctl(edge_of, tools, "failures", "list", "--partner", domain)[1]["failures"], 20)
    failure = ctl(edge_of, tools, "failures", "list", "--partner", domain)[1]["failures"][0]
    shown = ctl(edge_of, tools, "failures", "show", str(failure["id"]))[1]
    assert (failure["reason"], failure["side"]) == (CODE, "partner"), failure
    assert "external.allow_networks" in json.dumps(shown) and "connect_to" in json.dumps(shown), shown
    assert [(s["step"], s["ok"]) for s in shown["steps"]][:1] == [("dns", False)] and CODE in shown["steps"][0]["detail"], shown
    edge_of.unlist_partner(domain)
    assert service.came == []


def test_an_address_record_without_srv(edge_of, dns, user, flow, service):
    """The fallback to the addresses of the domain itself is somebody else's DNS too."""
    edge_of.list_partner("fallback.example")
    dns.add("fallback.example", "A", "127.0.0.1")
    edge_of.reload()
    before = edge_of.refusals(CODE)
    assert user.message(flow, "sip:eve@fallback.example", "to nobody", timeout=20).status == 404
    assert edge_of.refusals(CODE) > before
    edge_of.unlist_partner("fallback.example")


def test_the_next_address_is_tried(edge_of, dns, user, flow, service, server):
    p = server("second.example")
    srv(dns, p.domain, (1, service.port, "127.0.0.1"), (2, p.port, OUTSIDE))
    assert user.message(flow, "sip:eve@second.example", "past the inside", timeout=20).status in (200, 202)
    p.wait_body("past the inside")
    assert service.came == []


def test_what_the_operator_names_is_called(edge_of, dns, certs, user, flow):
    """connect_to, as an address and as a name."""
    for i, host in enumerate(("127.0.0.1", "localhost")):
        domain = "named%d.example" % i
        p = Peer(domain, certs, certs.leaf("named%d" % i, "xmpp:" + domain), edge_of.s2s)
        edge_of.list_partner(domain, connect_to="%s:%d" % (host, p.port))
        edge_of.reload()
        try:
            assert user.message(flow, "sip:eve@" + domain, "by name", timeout=20).status in (200, 202)
            p.wait_body("by name")
        finally:
            p.close()
            edge_of.unlist_partner(domain)


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "closed"])
def test_a_key_does_not_tell_open_from_closed(edge_of, dns, server, service, is_open):
    """Whoever sends a key has the edge ask the domain's server: not one inside, and the answer is the same whatever is there."""
    p = server("key%d.example" % is_open, "TLS+dialback")
    srv(dns, p.domain, (0, service.port if is_open else free_port(), "127.0.0.1"))
    s = p.open_stream("corp.example")
    p.send_key(s)
    assert p.wait_result(s, 20) == ("error", "remote-connection-failed")
    s.close()
    assert service.came == []


@pytest.mark.parametrize("has_another", [False, True], ids=["alone", "beside a good one"])
def test_partner_check_calls_nobody_inside(edge_of, dns, tools, server, service, has_another):
    p = server("checked%d.example" % has_another)
    srv(dns, p.domain, *[(1, service.port, "127.0.0.1")] + [(2, p.port, OUTSIDE)] * has_another)
    status, answer = ctl(edge_of, tools, "partner", "check", p.domain)
    refused = [s for s in answer["steps"] if s.get("reason") == CODE]
    assert len(refused) == 1 and "127.0.0.1" in refused[0]["text"] and "loopback" in refused[0]["text"], answer
    assert "external.allow_networks" in refused[0]["remedy"], refused
    assert refused[0]["state"] == ("note" if has_another else "problem"), refused
    assert any(m.get("works") for m in answer["methods"]) == has_another, answer
    assert [e.get("reason") for e in answer["endpoints"]][0] == CODE, answer
    assert service.came == []


def test_a_reload_changes_what_is_allowed(edge_of, dns, user, flow, certs):
    p = Peer("opened.example", certs, certs.leaf("opened", "xmpp:opened.example"), edge_of.s2s)
    edge_of.list_partner(p.domain)
    srv(dns, p.domain, (0, p.port, "127.0.0.1"))
    edge_of.reload()
    try:
        assert user.message(flow, "sip:eve@opened.example", "too early", timeout=20).status == 404
        edge_of.edge_config["external"]["allow_networks"] = ["127.0.0.0/8"]
        edge_of.write_configs()
        assert edge_of.edge.control("reload")["ok"]
        assert user.message(flow, "sip:eve@opened.example", "in time", timeout=20).status in (200, 202)
        p.wait_body("in time")
    finally:
        edge_of.edge_config["external"]["allow_networks"] = [OUTSIDE]
        edge_of.write_configs()
        edge_of.edge.control("reload")
        p.close()
        edge_of.unlist_partner(p.domain)


OWN = "198.51.100.7"


def test_own_addresses(request):
    """An address of the edge's host that is like any other but for that; in a network of its own, where there is one."""
    if os.environ.get("XFED_OWN_NETWORK"):
        own_address(request.getfixturevalue)
        return
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST") and k != "XFED_LOOPBACK_DIR"}
    done = subprocess.run(["unshare", "-n", "sh", "-c", 'ip link set lo up && ip addr add %s/32 dev lo && exec "$@"' % OWN, "sh", sys.executable, "-m",
                           "pytest", "-q", "-p", "no:cacheprovider", __file__ + "::test_own_addresses"], env=dict(env, XFED_OWN_NETWORK="1"),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout


def own_address(fixture):
    inst, dns, user, certs = (fixture(name) for name in ("edge_of", "dns", "user", "certs"))
    flow = fixture("flow")
    p = Peer("own.example", certs, certs.leaf("own", "xmpp:own.example"), inst.s2s, address=(OWN, 0))
    inst.list_partner(p.domain)
    srv(dns, p.domain, (0, p.port, OWN))
    inst.reload()
    try:
        mark = inst.edge.process.mark()
        assert user.message(flow, "sip:eve@own.example", "to ourselves", timeout=20).status == 404
        inst.edge.process.wait_line("event=s2s.address-refused .*reason=%s .*%s:%d is an address of this host" % (CODE, OWN, p.port), 20, mark)
        inst.edge_config["external"]["allow_networks"] = [OWN]
        inst.write_configs()
        assert inst.edge.control("reload")["ok"]
        assert user.message(flow, "sip:eve@own.example", "by leave", timeout=20).status in (200, 202)
        p.wait_body("by leave")
    finally:
        p.close()
