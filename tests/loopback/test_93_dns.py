"""xfedctl dns and firewall of running services: what partners and firewalls need, and what of it is not as it should be."""
import re
import shutil
import subprocess

import pytest

from harness.mockdns import MockDns
from harness.proc import clean_environment

OURS = ("corp.example", "corp2.example", "corp3.example")
ADDRESS = "192.0.2.10"


@pytest.fixture(scope="module")
def world(install, started):
    """An installation with DNS servers of its own: the resolver's, and one that is asked by name."""
    inst = install("records", edge={"external": {"public_addresses": [ADDRESS]}})
    inst.other = MockDns()
    try:
        yield started(inst)
    finally:
        inst.stop()
        inst.other.close()


def zone(world, tools):
    """[(name, type, data)] of dns print."""
    status, text = world.gateway.ctl(tools, "dns", "print", check=False)
    assert status == 0, text
    rows = [line.split(None, 4) for line in text.splitlines() if not line.startswith(";")]
    assert all(row[1:3] == ["3600", "IN"] for row in rows), text
    return [(row[0].rstrip("."), row[3], row[4]) for row in rows]


def publish(server, records):
    for name, kind, data in records:
        words = data.split()
        server.add(name, kind, data if kind in ("A", "AAAA") else tuple(int(w) for w in words[:3]) + (words[3].rstrip("."),))


def unpublish(server):
    with server.lock:
        server.records.clear()
        server.special.clear()


@pytest.fixture
def published(world, tools):
    """What dns print says is published at the other server, and dns check is asked of that: check(), check(change of the records)."""
    records = zone(world, tools)

    def check(change=lambda r: r, *words):
        unpublish(world.other)
        publish(world.other, change(records))
        return world.gateway.ctl(tools, "dns", "check", "--server", "127.0.0.1:%d" % world.other.address[1], *words, check=False)
    yield check
    unpublish(world.other)


def test_an_edge_has_one_name(world, tools):
    """Whichever of our domains was asked about."""
    text = world.gateway.ctl(tools, "dns", "print", "corp2.example", check=False)[1]
    assert " edge1.corp.example.\n" in text and "edge1.corp2" not in text, text


def test_print(world, tools):
    records = zone(world, tools)
    port = world.s2s[1]
    for domain in OURS:
        assert ("_xmpp-server._tcp." + domain, "SRV", "10 10 %d edge1.corp.example." % port) in records, records
    assert ("edge1.corp.example", "A", ADDRESS) in records, records
    keys = [data for name, kind, data in records if (name, kind) == ("_%d._tcp.edge1.corp.example" % port, "TLSA")]
    assert len(keys) == 3 and all(re.fullmatch("3 1 1 [0-9a-f]{64}", k) for k in keys), keys
    key = subprocess.run("openssl x509 -in '%s' -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum" % world.certs.chain("corp"), shell=True,
                         stdout=subprocess.PIPE, text=True, check=True).stdout.split()[0]
    assert "3 1 1 " + key in keys, (key, keys)
    status, text = world.gateway.ctl(tools, "dns", "print", "corp2.example", check=False)
    assert status == 0 and "corp2.example" in text and "_tcp.corp.example" not in text, text


def test_what_is_printed_is_what_is_checked(published):
    status, text = published()
    assert status == 0 and "no problem was found" in text and "PROBLEM" not in text, text


@pytest.mark.parametrize("change, words", [
    (lambda r: [x for x in r if x[0] != "_xmpp-server._tcp.corp2.example"], "_xmpp-server._tcp.corp2.example has no SRV record"),
    (lambda r: [x for x in r if x[1] != "A"], "edge1.corp.example has no address"),
    (lambda r: [(n, t, "192.0.2.77" if t == "A" else d) for n, t, d in r], "no edge of this gateway"),
    (lambda r: [(n, t, re.sub(r"^10 10 \d+", "10 10 5222", d)) for n, t, d in r], "listens on port"),
    (lambda r: [x for x in r if x[1] != "TLSA"] + [(x[0], "TLSA", "3 1 1 " + "00" * 32) for x in r if x[1] == "TLSA"][:1], "partners who use DANE refuse it"),
])
def test_each_difference(published, change, words):
    status, text = published(change)
    assert status == 1 and "PROBLEM" in text and words in text, text


def test_servers_that_fail(world, tools, published):
    status, text = published()
    assert status == 0, text
    world.other.answer("_xmpp-server._tcp.corp.example", "servfail")
    status, text = world.gateway.ctl(tools, "dns", "check", "corp.example", "--server", "127.0.0.1:%d" % world.other.address[1], check=False)
    assert status == 1 and "the server answers with a failure" in text and "dns.bogus" in text, text


def test_it_asks_the_edges_resolver_past_its_cache(world, tools, dns):
    try:
        assert world.gateway.ctl(tools, "dns", "check", "corp.example", check=False)[0] == 1
        publish(dns, [r for r in zone(world, tools) if "corp.example" in r[0]])
        status, text = world.gateway.ctl(tools, "dns", "check", "corp.example", check=False)
        assert status == 0 and "asked by edge1\n" in text, text
        publish(dns, [("edge1.corp.example", "A", "192.0.2.99")])
        assert world.gateway.ctl(tools, "dns", "check", "corp.example", check=False)[0] == 1
    finally:
        dns.clear("_xmpp-server._tcp.corp.example")
        dns.clear("edge1.corp.example")
        dns.clear("_%d._tcp.edge1.corp.example" % world.s2s[1])


@pytest.mark.parametrize("words, status, said", [
    (("dns", "print", "nobody.example"), 1, "not one of domains[]"),
    (("dns", "print", "a..b"), 2, "is no domain"),
    (("dns", "check", "--server", "ns.example"), 2, "is no address of a server"),
    (("dns", "check", "--edge", "edge7"), 1, "there is no edge edge7; edges[] has edge1"),
    (("firewall", "print", "--for", "pf"), 2, "table, nftables"),
])
def test_what_cannot_be_asked(world, tools, words, status, said):
    got, text = world.gateway.ctl(tools, *words, check=False)
    assert got == status and said in text and len([x for x in text.splitlines() if not x.startswith("usage:")]) == 1, text


def test_an_edge_that_is_down(install, started, tools):
    """Its address is not known either: a problem each, and nothing is guessed."""
    inst = install("unknown")
    try:
        started(inst)
        status, text = inst.gateway.ctl(tools, "dns", "print", check=False)
        assert status == 1 and "PROBLEM" in text and "external.public_addresses" in text and "SRV 10 10" in text, text
        inst.edge.stop()
        status, text = inst.gateway.ctl(tools, "dns", "print", check=False)
        assert status == 1 and "there is no link to the edge edge1" in text and "SRV" not in text, text
        status, text = inst.gateway.ctl(tools, "dns", "check", check=False)
        assert status == 1 and "there is no link to the edge edge1" in text, text
    finally:
        inst.stop()


# ---- firewall ----

def test_firewall_table(world, tools):
    status, text = world.edge.ctl(tools, "firewall", "print", check=False)
    assert status == 0, text
    assert re.search(r"^SOURCE +DESTINATION +PROTOCOL +PORT +WHY$", text, re.M), text
    assert re.search(r"^partners +edge1: 127\.0\.0\.1 +tcp +%d +streams of partners" % world.s2s[1], text, re.M), text
    assert re.search(r"^gateways that are linked now: 127\.0\.0\.1 +edge1: 127\.0\.0\.1 +tcp +%d " % world.channel[1], text, re.M), text
    assert re.search(r"^edge1 +partners +tcp +5269 ", text, re.M), text
    status, text = world.gateway.ctl(tools, "firewall", "print", check=False)
    assert status == 0, text
    assert re.search(r"^gw1 +127\.0\.0\.1 +tcp +%d +the channel to this edge$" % world.channel[1], text, re.M), text
    assert re.search(r"^SIP servers: 127\.0\.0\.1 +gw1: 127\.0\.0\.1 +tcp +%d " % world.sip[1], text, re.M), text
    assert re.search(r"^SIP servers, by their certificates +gw1: 127\.0\.0\.1 +tcp +%d " % world.sips[1], text, re.M), text


def test_no_rule_where_nobody_may_send(world, tools):
    """A row without networks would let everybody in."""
    def shown():
        status, text = world.gateway.ctl(tools, "firewall", "print", check=False)
        assert status == 0, text
        return re.search(r" udp +%d " % world.sip[1], text)

    assert shown()
    domain = world.gateway_config["domains"][1]
    domain["udp_trusted"] = False
    try:
        world.write_configs_of_gateway()
        world.reload(60)
        assert not shown()
    finally:
        domain["udp_trusted"] = True
        world.write_configs_of_gateway()
        world.reload(60)
    assert shown()


@pytest.mark.skipif(not shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin"), reason="no nftables")
@pytest.mark.parametrize("role", ["edge", "gateway"])
def test_nftables_takes_it(world, tools, role, directory):
    """Twice, as a second load replaces the first; and in a namespace of its own, which it may change."""
    status, text = getattr(world, role).ctl(tools, "firewall", "print", "--for", "nftables", check=False)
    assert status == 0 and "dport %d accept" % (world.s2s[1] if role == "edge" else world.sips[1]) in text, text
    path = "%s/%s.nft" % (directory, role)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    done = subprocess.run(["unshare", "-n", "sh", "-ec", "nft -c -f '%s'; nft -f '%s'; nft -f '%s'; nft list ruleset" % (path, path, path)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, env=clean_environment(), check=False)
    assert done.returncode == 0 and done.stdout.count("chain input") == 1, done.stdout
