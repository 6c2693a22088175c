"""DNS of the lab: knot answers for the signed zone `example.`, unbound resolves and validates."""
import os

from harness.proc import Process, wait_until

from .domains import DOMAINS
from .net import HOSTS, WORLDS, in_world, run

SRV_TARGETS = {host: "xmpp.%s.example" % host for host in ("partner", "partner2", "partner3", "ejabberd", "jabberd2")}
SRV_TARGETS["edge"] = "edge.corp.example"
ADDRESSES = {target: HOSTS[host]["wan"] for host, target in SRV_TARGETS.items()}
ADDRESSES.update({
    "edge-int.corp.example": HOSTS["edge"]["dmz"],
    "fe.corp.example": HOSTS["fe"]["lan"],
    "sip.corp.example": HOSTS["sip"]["lan"],
})
SOA = "$TTL 60\n@ SOA ns.example. hostmaster.example. 1 3600 600 86400 60\n@ NS ns.example.\n"

KNOT_CONF = """server:
    rundir: "{dir}/run"
    listen: [ 127.0.0.1@5300 ]
log:
  - target: stderr
    any: info
database:
    storage: "{dir}/knot"
policy:
  - id: lab
    algorithm: ecdsap256sha256
    ksk-lifetime: 0
    zsk-lifetime: 0
template:
  - id: default
    storage: "{dir}/zones"
    zonefile-sync: -1
    zonefile-load: difference-no-serial
    journal-content: all
zone:
  - domain: example.
    file: example.zone
    dnssec-signing: on
    dnssec-policy: lab
  - domain: bogus.example.
    file: bogus.example.zone
    dnssec-signing: on
    dnssec-policy: lab
"""
UNBOUND_CONF = """server:
    directory: "{dir}"
    chroot: ""
    username: ""
    pidfile: "{dir}/run/unbound.pid"
    use-syslog: no
    logfile: ""
    verbosity: 1
    interface: 10.91.1.53
    interface: 10.91.3.53
    interface: 127.0.0.1
    do-ip6: no
    access-control: 10.91.0.0/16 allow
    access-control: 127.0.0.0/8 allow
    do-not-query-localhost: no
    module-config: "validator iterator"
    trust-anchor-file: "{dir}/example.key"
    cache-max-ttl: 5
    cache-max-negative-ttl: 1
    val-log-level: 2
remote-control:
    control-enable: no
stub-zone:
    name: "example."
    stub-addr: 127.0.0.1@5300
stub-zone:
    name: "bogus.example."
    stub-addr: 127.0.0.1@5300
"""


def zone_example():
    rows = [SOA, "ns A 127.0.0.1\n"]
    for name, domain in DOMAINS.items():
        rows.append("_xmpp-server._tcp.%s. SRV 10 10 %d %s.\n" % (name, domain.port, SRV_TARGETS[domain.host]))
    for n in range(1, WORLDS + 1):
        for domain, target, role in (("p", "xmpp", "partner"), ("c", "edge", "edge")):
            rows.append("_xmpp-server._tcp.%s%d SRV 10 10 5269 %s.%s%d\n" % (domain, n, target, domain, n))
            rows.append("%s.%s%d A %s\n" % (target, domain, n, HOSTS[in_world(n, role)]["wan"]))
        for target, role, leg in (("edge-int", "edge", "dmz"), ("fe", "fe", "lan"), ("sip", "sip", "lan")):
            rows.append("%s.c%d A %s\n" % (target, n, HOSTS[in_world(n, role)][leg]))
    rows += ["%s. A %s\n" % address for address in ADDRESSES.items()]
    rows.append("_xmpp-server._tcp.refused.example. SRV 0 0 0 .\n")
    # a signed child whose DS record fits no key: validating resolvers answer SERVFAIL
    rows.append("bogus NS ns.example.\nbogus DS 12345 13 2 " + "00" * 31 + "FF\n")
    return "".join(rows)


class Dns:
    def __init__(self, net, directory):
        self.net, self.dir = net, directory
        self.knot = self.unbound = None

    def start(self):
        for sub in ("zones", "knot", "run"):
            os.makedirs(os.path.join(self.dir, sub))
        self._write("zones/example.zone", zone_example())
        self._write("zones/bogus.example.zone",
                    SOA + "_xmpp-server._tcp SRV 10 10 5269 xmpp\nxmpp A 10.91.1.11\n")
        self._write("knot.conf", KNOT_CONF.format(dir=self.dir))
        self._write("unbound.conf", UNBOUND_CONF.format(dir=self.dir))
        netns = self.net.ns("dns")
        self.knot = Process("knotd", ["knotd", "-c", self.dir + "/knot.conf"], self.dir + "/knotd.log", netns)
        self.knot.wait_line(r"\[example\.\] DNSSEC, next signing", 10)
        wait_until("the zone's key", self._trust_anchor, 10, self.knot)
        self.unbound = Process("unbound", ["unbound", "-d", "-c", self.dir + "/unbound.conf"],
                               self.dir + "/unbound.log", netns)
        self.unbound.wait_line(r"start of service", 10)
        wait_until("a validated answer", lambda: self.ask("_xmpp-server._tcp.partner.example", "SRV"), 10,
                   self.unbound)

    def _write(self, name, text):
        with open(os.path.join(self.dir, name), "w", encoding="ascii") as f:
            f.write(text)

    def _trust_anchor(self):
        answer = self.kdig("127.0.0.1", "example.", "DNSKEY", "-p", "5300")
        keys = [line for line in answer.splitlines() if line.split()[3:5] == ["DNSKEY", "257"]]
        if not keys:
            return False
        self._write("example.key", "\n".join(keys) + "\n")
        return True

    def kdig(self, server, name, rrtype, *options, host="dns"):
        return run("ip", "netns", "exec", self.net.ns(host), "kdig", "+noall", "+answer", "+header",
                   *options, "@" + server, name, rrtype)

    def ask(self, name, rrtype):
        """The records of an answer that unbound calls secure; empty when there is none."""
        text = self.kdig("10.91.1.53", name, rrtype, "+dnssec", host="edge")
        if "NOERROR" not in text or " ad" not in text.split("Flags:", 1)[-1].split(";", 1)[0]:
            return []
        return [line for line in text.splitlines() if not line.startswith(";") and "RRSIG" not in line and line]

    def stop(self):
        for process in (self.unbound, self.knot):
            if process is not None:
                process.stop()
