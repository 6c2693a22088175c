"""
An upgrade from the packages of a release before, on two hosts that carry messages at that moment: none is lost. On each host a service
and an instance run.
"""
import os
import threading
import time

import pytest

from around import OURS, PARTNER, SECOND
from conftest import PACKAGES
from harness.proc import wait_until
from hosts import Host
from lab.net import HOSTS

EDGE = """name: {name}
external: {{listen: ["{wan}:{s2s}"]}}
channel:
  listen: ["{dmz}:{channel}"]
  certificate: /etc/xfed/tls/edge-int.pem
  key: /etc/xfed/tls/edge-int.key
  ca: /etc/xfed/tls/ca.pem
  allow: [fe.corp.example]
certificates: [{{certificate: /etc/xfed/tls/ours.pem, key: /etc/xfed/tls/ours.key}}, {{certificate: /etc/xfed/tls/second.pem, key: /etc/xfed/tls/second.key}}]
trust: {{ca: /etc/xfed/tls/ca.pem}}
"""
GATEWAY = """name: {name}
edges: [{{name: {edge}, address: "edge-int.corp.example:{channel}"}}]
channel: {{certificate: /etc/xfed/tls/fe.pem, key: /etc/xfed/tls/fe.key, ca: /etc/xfed/tls/ca.pem}}
domains: [{{domain: {domain}, next_hop: "sip:{sip_server}:5060;transport=tcp", peer_addresses: ["{sip_server}", "{user}"]}}]
sip: {{listen: ["tcp:{lan}:{sip}"], advertise: fe.corp.example}}
store: {{sqlite: /var/lib/xfed/{name}.db}}
"""
PARTNER_YAML = "domain: %s\npartner_type: federated\nlimits: {stanzas_per_second: 1000}\n" % PARTNER
UNITS = {"edge": ("xfed-edge", "xfed-edge@two"), "fe": ("xfed-gateway", "xfed-gateway@two")}


def put_key(host, certs, name, file, owner):
    host.put(certs.chain(name), "/etc/xfed/tls/%s.pem" % file)
    host.put(certs.key(name), "/etc/xfed/tls/%s.key" % file)
    host.sh("chown %s: /etc/xfed/tls/%s.key && chmod 600 /etc/xfed/tls/%s.key" % (owner, file, file))


def write(host, path, text):
    with open(host.path(path), "w", encoding="utf-8") as f:
        f.write(text)


@pytest.fixture(scope="module")
def pair(around, host_layers, older, packages, scratch):
    made = {name: Host("up-" + name, host_layers, scratch, around.net.ns(name), resolver)
            for name, resolver in (("edge", "10.91.1.53"), ("fe", "10.91.3.53"))}
    try:
        for name, host in made.items():
            host.start()
            wanted = [n for n in PACKAGES if n not in ("xfed-gateway" if name == "edge" else "xfed-edge")]
            for package in wanted:
                host.put(older[package], "/root/older/")
                host.put(packages[package], "/root/newer/")
            host.sh("apt-get install -y ./older/*.deb")
            host.put(around.certs.ca, "/etc/xfed/tls/ca.pem")
        edge, fe = made["edge"], made["fe"]
        for name, file in (("edge-int", "edge-int"), ("corp", "ours"), (SECOND, "second")):
            put_key(edge, around.certs, name, file, "xfed-edge")
        put_key(fe, around.certs, "fe", "fe", "xfed-gateway")
        values = dict(HOSTS["fe"], **HOSTS["edge"], sip_server=HOSTS["sip"]["lan"], user=HOSTS["sipua"]["lan"])
        values["lan"] = HOSTS["fe"]["lan"]
        for place, name, s2s, channel in (("edge", "edge1", 5269, 23456), ("edge/two", "edge2", 5270, 23457)):
            write(edge, "/etc/xfed/%s.yaml" % place, EDGE.format(name=name, s2s=s2s, channel=channel, wan=HOSTS["edge"]["wan"], dmz=HOSTS["edge"]["dmz"]))
        for place, name, of, domain, channel, sip in (("gateway", "gw1", "edge1", OURS, 23456, 5060), ("gateway/two", "gw2", "edge2", SECOND, 23457, 5070)):
            write(fe, "/etc/xfed/%s.yaml" % place, GATEWAY.format(name=name, edge=of, domain=domain, channel=channel, sip=sip, **values))
        write(fe, "/etc/xfed/partners.d/%s.yaml" % PARTNER, PARTNER_YAML)
        for name, host in made.items():
            host.run("systemctl", "enable", "--now", *UNITS[name])
        for name in ("gw1", "gw2"):
            wait_until("%s in service" % name, lambda n=name: "in service" in fe.run("xfedctl", "--name", n, "status", check=False).stdout, 60)
        yield made
    finally:
        for host in made.values():
            host.stop()


class Flow:
    """Messages of one sender to one recipient, one after the other, for as long as it is wanted; what became of each."""

    def __init__(self, name, send, stop):
        self.name, self.send, self.stop = name, send, stop
        self.sent = []  # (text, what send() gave back)
        self.error = None
        self.thread = threading.Thread(target=self._run, name=name)

    def _run(self):
        try:
            while not self.stop.is_set():
                text = "%s %d" % (self.name, len(self.sent))
                self.sent.append((text, self.send(text)))
                time.sleep(0.02)
        except BaseException as e:  # told by the test
            self.error = e


def fateless(flow, arrived, told):
    """Of messages from XMPP: those that have not arrived, and whose sender has not been told so by an error."""
    return [text for text, id in flow.sent if text not in arrived and id not in told]


def is_accepted(status):
    return 200 <= status < 300


def missing(flow, arrived):
    """Of messages from SIP: those whose sender was told that they are delivered, and are not."""
    return [text for text, status in flow.sent if is_accepted(status) and text not in arrived]


def test_the_judge_sees_a_loss():
    flow = Flow("control", None, threading.Event())
    flow.sent = [("arrived", "1"), ("told", "2"), ("lost", "3")]
    assert fateless(flow, {"arrived"}, {"2"}) == ["lost"]
    flow.sent = [("arrived", 200), ("refused", 503), ("no answer", 0), ("lost", 202)]
    assert missing(flow, {"arrived"}) == ["lost"]


def over_its_own_connection(user, to):
    """What a SIP server does: connects again when the other end has closed, and knows of what was not answered."""
    def send(text):
        try:
            if user.port.is_closed:
                user.connect()
            return user.message(to, text).status
        except OSError:
            return 0
    return send


def pids(pair):
    return {unit: host.run("systemctl", "show", "-P", "MainPID", unit).stdout.strip() for name, host in pair.items() for unit in UNITS[name]}


def test_upgrade_under_load_loses_nothing(around, pair):
    alice = around.user("eve@" + PARTNER)
    dave = around.user("dave")
    direct = around.stranger("sip:frank@" + SECOND, (HOSTS["fe"]["lan"], 5070))
    stop = threading.Event()
    to_alice = "sip:eve@" + PARTNER
    flows = [Flow("in", lambda text: alice.send("dave@" + OURS, text), stop), Flow("in-two", lambda text: alice.send("dave@" + SECOND, text), stop),
             Flow("out", lambda text: dave.message(to_alice, text).status, stop), Flow("out-two", over_its_own_connection(direct, to_alice), stop)]
    before = pids(pair)
    for flow in flows:
        flow.thread.start()
    try:
        for flow in flows:  # all four ways are open before the first package is touched
            wait_until("messages of " + flow.name, lambda f=flow: f.error or len(f.sent) >= 10, 60)
        for name in ("fe", "edge"):  # README.md: gateways first
            pair[name].sh("apt-get install -y ./newer/*.deb")
        count = [len(flow.sent) for flow in flows]
        for flow, had in zip(flows, count):
            wait_until("more messages of " + flow.name, lambda f=flow, n=had: f.error or len(f.sent) >= n + 10, 60)
    finally:
        stop.set()
        for flow in flows:
            flow.thread.join()
    assert [flow.error for flow in flows if flow.error] == []

    after = pids(pair)
    assert [unit for unit in before if after[unit] in ("0", before[unit])] == [], "not restarted"
    for host in pair.values():
        assert host.failed() == ""
        assert "(deleted)" not in host.sh("readlink /proc/[0-9]*/exe || true").stdout
    for inbound in flows[:2]:
        wait_until("the fate of %d messages %s" % (len(inbound.sent), inbound.name), lambda f=inbound: not fateless(
            f, {m.text for m in dave.inbox.items}, {m.id for m in alice.inbox.items if m.type == "error"}), 90)
    for outbound in flows[2:]:
        assert any(is_accepted(status) for _, status in outbound.sent)
        wait_until("all that was accepted of %s" % outbound.name, lambda f=outbound: not missing(f, {m.body for m in alice.inbox.items}), 90)
    print({flow.name: len(flow.sent) for flow in flows}, "refused in words:", len([m for m in alice.inbox.items if m.type == "error"]),
          {status for flow in flows[2:] for _, status in flow.sent})


def test_versions_after_it(pair, packages):
    for host in pair.values():
        versions = host.sh("dpkg-query -W -f '${Version}\\n' 'xfed-*'").stdout.split()
        assert versions and set(versions) == {os.path.basename(packages["xfed-common"]).split("_")[1]}
