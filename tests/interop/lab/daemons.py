"""xfed-edge and xfed-gateway of a build directory, in the namespaces of the DMZ host and the inside host."""
import json
import os

from harness import daemon as base
from harness.http import http_get
from harness.proc import wait_until

from .domains import ASKING, DOMAINS, LYNC, served_by
from .net import HOSTS

HTTP = ("127.0.0.1", 9560)  # inside each daemon's own namespace
EDGE_YAML = """name: edge1
external:
  listen: ["{edge[wan]}:5269"]
  source: {edge[wan]}
channel:
  listen: ["{edge[dmz]}:23456"]
  certificate: {certs}/edge-int.chain.pem
  key: {certs}/edge-int.key
  ca: {certs}/ca.pem
  allow: [fe.corp.example]
certificates:
  - {{certificate: {certs}/corp.chain.pem, key: {certs}/corp.key}}
  - {{certificate: {certs}/corp2.chain.pem, key: {certs}/corp2.key}}
{more_certificates}trust: {{ca: {certs}/ca.pem}}
dns: {{servers: ["{dns[wan]}:53"], dnssec: off}}
control_socket: {dir}/edge1.sock
http: {{listen: "127.0.0.1:9560"}}
log: {{level: debug, format: text}}
stop_timeout: 5s
"""
GATEWAY_YAML = """name: gw1
edges: [{{name: edge1, address: "edge-int.corp.example:23456"}}]
channel: {{certificate: {certs}/fe.chain.pem, key: {certs}/fe.key, ca: {certs}/ca.pem}}
domains:
  - domain: corp.example
    next_hop: "sip:sip.corp.example:5061;transport=tls"
    peers: [sip.corp.example]
    max_request: 15KiB
  - domain: corp2.example
    next_hop: "sip:{sip[lan]}:5999;transport=tcp"
    peer_addresses: ["{sip[lan]}"]
{more_domains}sip:
  listen: ["tls:{fe[lan]}:5061", "tcp:{fe[lan]}:5060"]
  advertise: fe.corp.example
  certificate: {certs}/fe.chain.pem
  key: {certs}/fe.key
  ca: {certs}/ca.pem
  answer_within: 10s
  error_hold: 1s
partners_dir: {dir}/partners.d
access_dir: {dir}/access.d
store: {{sqlite: {dir}/gateway.db}}
dns: {{servers: ["{dns[lan]}:53"], dnssec: off}}
control_socket: {dir}/gw1.sock
http: {{listen: "127.0.0.1:9560"}}
log: {{level: debug, format: text}}
"""
# One with each fault a certificate of ours can have (lab/domains.py)
MORE_CERTIFICATE = "  - {{certificate: {chain}, key: {key}}}\n"
MORE_DOMAIN = """  - domain: {domain}
    next_hop: "sip:sip.corp.example:5061;transport=tls"
    peers: [sip.corp.example]
"""
ASKING_DOMAIN = """  - domain: {domain}
    next_hop: "sip:{sip[lan]}:5070;transport=tcp"
    peer_addresses: ["{sip[lan]}"]
    auth: {{username: xfed, password_file: {dir}/sip.secret}}
"""
LYNC_DOMAIN = """  - domain: {domain}
    next_hop: "sip:{sip[lan]}:5080;transport=tcp"
    peer_addresses: ["{sip[lan]}"]
    dialect: lync
"""
SPECIAL = {ASKING: ASKING_DOMAIN, LYNC: LYNC_DOMAIN}
SIP_PASSWORD = "the password"
PARTNER_YAML = """domain: {domain}
description: partner of the interop lab
partner_type: federated
tls: required
sasl: required
dialback: false
limits: {{stanzas_per_second: 1000}}
"""


# Rows of the negotiation matrix, by their number.
ROWS = {
    2: {"tls": "required", "sasl": "required", "dialback": "false"},
    7: {"tls": "required", "sasl": "optional", "dialback": "true"},
    9: {"tls": "optional", "sasl": "optional", "dialback": "true"},
    13: {"tls": "required", "sasl": "not-supported", "dialback": "true"},
    15: {"tls": "optional", "sasl": "not-supported", "dialback": "true"},
    17: {"tls": "not-supported", "sasl": "not-supported", "dialback": "true"},
}


def partner_yaml(row):
    """A partner file for a row of the negotiation matrix."""
    text = PARTNER_YAML
    for key, value in ROWS[row].items():
        text = text.replace({"dialback": "dialback: false"}.get(key, key + ": required"), "%s: %s" % (key, value))
    return text


def write(path, text):
    """Replaces a file in one step, as an editor does."""
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(path + ".new", path)


class Daemon(base.Daemon):
    def __init__(self, net, host, name, binary, config, directory):
        super().__init__(name, binary, config, directory, HTTP, net.ns(host))
        self.net, self.host = net, host

    def get(self, path):
        return self.net.call(self.host, http_get, HTTP[0], HTTP[1], path)


class Installation:
    """One edge and one gateway that federate corp.example with the lab's partners."""

    LISTED = ("partner.example", "untrusted.example", "expired.example", "wrongname.example", "silent.example",
              "missing.example", "bogus.example", "refused.example")

    def __init__(self, net, directory, certs, tools):
        self.dir, self.tools = directory, tools
        self.partners = directory + "/partners.d"
        os.makedirs(self.partners)
        os.makedirs(directory + "/access.d")
        more = {name: DOMAINS[name].certificate for name in served_by("edge") if name.endswith(".corp.example")}
        self.set_sip_password(SIP_PASSWORD)
        values = dict(HOSTS, certs=certs.dir, dir=directory,
                      more_domains="".join(SPECIAL.get(name, MORE_DOMAIN).format(domain=name, dir=directory, **HOSTS)
                                           for name in more),
                      more_certificates="".join(MORE_CERTIFICATE.format(chain=certs.chain(c), key=certs.key(c))
                                                for c in more.values() if c))
        write(directory + "/edge.yaml", EDGE_YAML.format(**values))
        write(directory + "/gateway.yaml", GATEWAY_YAML.format(**values))
        for domain in self.LISTED:
            self.list_partner(domain)
        self.edge = Daemon(net, "edge", "edge1", tools["xfed-edge"], directory + "/edge.yaml", directory)
        self.gateway = Daemon(net, "fe", "gw1", tools["xfed-gateway"], directory + "/gateway.yaml", directory)

    def set_sip_password(self, password):
        write(self.dir + "/sip.secret", password + "\n")
        os.chmod(self.dir + "/sip.secret", 0o600)

    def list_partner(self, domain, text=PARTNER_YAML):
        write("%s/%s.yaml" % (self.partners, domain), text.format(domain=domain))

    def unlist_partner(self, domain):
        os.unlink("%s/%s.yaml" % (self.partners, domain))

    def start(self):
        self.edge.start()
        self.gateway.start()
        self.edge.wait_ready()
        self.gateway.wait_ready()

    def reload(self, check=True):
        return self.gateway.ctl(self.tools, "reload", check=check)

    def reload_and_wait(self, timeout=5):
        """Reloads; on return the edge runs the new policy."""
        before = self.edge.metric("xfed_policy_revision")
        self.reload()
        wait_until("a new policy revision on the edge",
                   lambda: self.edge.metric("xfed_policy_revision") > before, timeout)

    def logins(self, domain):
        """{direction: methods} of the streams a partner domain has ever had."""
        found = {"in": set(), "out": set()}
        for name, labels, value in self.edge.samples():
            if name == "xfed_s2s_auth_total" and labels["partner"] == domain and labels["result"] == "ok" and value > 0:
                found[labels["direction"]].add(labels["method"])
        return found

    def methods(self, local, remote):
        """{direction: methods} of the live streams of a pair of domains."""
        found = {"in": set(), "out": set()}
        for stream in self.streams():
            if (stream["local"], stream["remote"]) == (local, remote) and "method" in stream:
                found[stream["direction"]].add(stream["method"])
        return found

    def streams(self):
        """The edge's live streams, as the objects of `xfedctl --json stream list`."""
        found = []

        def walk(value):
            if isinstance(value, dict):
                if "direction" in value:
                    found.append(value)
                else:
                    for v in value.values():
                        walk(v)
            elif isinstance(value, list):
                for v in value:
                    walk(v)
        walk(self.edge.ctl(self.tools, "stream", "list", as_json=True))
        return found

    def streams_of(self, domain):
        return [s for s in self.streams() if domain in json.dumps(s)]

    def refusals(self, code):
        return sum(d.metric("xfed_refusals_total", reason=code) for d in (self.edge, self.gateway))

    def stop(self):
        try:
            self.gateway.stop()
        finally:
            self.edge.stop()
