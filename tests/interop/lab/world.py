"""A small installation of its own between a real partner and a real SIP server: everything in it may be killed and cut off."""
import os
import signal

from harness.proc import wait_until

from .daemons import Daemon, write
from .kamailio import Kamailio
from .net import HOSTS, in_world
from .nsloop import NsLoop
from .prosody import Prosody
from .sip_phone import SipPhone
from .xmpp_user import XmppUser

PASSWORD = "pw"
EDGE_YAML = """name: edge
external: {{listen: ["{edge[wan]}:5269"], source: {edge[wan]}}}
channel:
  listen: ["{edge[dmz]}:23456"]
  certificate: {certs}/world-edge-int.chain.pem
  key: {certs}/world-edge-int.key
  ca: {certs}/ca.pem
  allow: [fe.{ours}]
certificates: [{{certificate: {certs}/world-edge.chain.pem, key: {certs}/world-edge.key}}]
trust: {{ca: {certs}/ca.pem}}
dns: {{servers: ["{dns[wan]}:53"], dnssec: off}}
control_socket: {dir}/edge.sock
http: {{listen: "127.0.0.1:9560"}}
log: {{level: debug, format: text}}
stop_timeout: 5s
"""
GATEWAY_YAML = """name: gw
edges: [{{name: edge, address: "edge-int.{ours}:23456"}}]
channel: {{certificate: {certs}/world-fe.chain.pem, key: {certs}/world-fe.key, ca: {certs}/ca.pem}}
domains:
  - domain: {ours}
    next_hop: "sip:sip.{ours}:{port};transport={transport}"
    peers: [sip.{ours}]
    peer_addresses: ["{sip[lan]}"]
    udp_trusted: true
    dialect: {dialect}
sip:
  listen: ["tls:{fe[lan]}:5061", "tcp:{fe[lan]}:5060", "udp:{fe[lan]}:5060"]
  advertise: fe.{ours}
  certificate: {certs}/world-fe.chain.pem
  key: {certs}/world-fe.key
  ca: {certs}/ca.pem
partners_dir: {dir}/partners.d
access_dir: {dir}/access.d
store: {{sqlite: {dir}/gateway.db}}
presence: {{refresh: {refresh}}}
dns: {{servers: ["{dns[lan]}:53"], dnssec: off}}
control_socket: {dir}/gw.sock
http: {{listen: "127.0.0.1:9560"}}
log: {{level: debug, format: text}}
"""
PARTNER_YAML = """domain: {theirs}
partner_type: federated
tls: required
sasl: required
dialback: false
{more}"""


class World:
    """`transport`: between gateway and SIP server, tls, tcp or udp. Its parts can be killed by name and started again."""

    DIALECT = "standard"

    def __init__(self, lab, number, tools, transport="tls", on_start=lambda process: None):
        self.lab, self.number, self.net, self.tools, self.on_start = lab, number, lab.net, tools, on_start
        self.theirs, self.ours = "p%d.example" % number, "c%d.example" % number
        self.dir = "%s/w%d" % (lab.dir, number)
        self.host = {role: in_world(number, role) for role in ("partner", "edge", "fe", "sip", "sipua")}
        self.at = {role: HOSTS[host] for role, host in self.host.items()}
        port = 5061 if transport == "tls" else 5060
        os.makedirs(self.dir + "/partners.d")
        os.makedirs(self.dir + "/access.d")
        values = dict(self.at, dns=HOSTS["dns"], certs=lab.certs.dir, dir=self.dir, ours=self.ours, port=port, transport=transport, dialect=self.DIALECT,
                      refresh="60s" if transport == "udp" else "8h")  # over UDP nothing else tells of a server that was quickly there again
        write(self.dir + "/edge.yaml", EDGE_YAML.format(**values))
        write(self.dir + "/gw.yaml", GATEWAY_YAML.format(**values))
        self._write_policy()
        self.edge = Daemon(self.net, self.host["edge"], "edge", tools["xfed-edge"], self.dir + "/edge.yaml", self.dir)
        self.gateway = Daemon(self.net, self.host["fe"], "gw", tools["xfed-gateway"], self.dir + "/gw.yaml", self.dir)
        self.prosody = Prosody(self.net, self.dir + "/prosody", self.host["partner"], {self.theirs: "world-partner"},
                               [("%s@%s" % (user, self.theirs), PASSWORD) for user in ("alice", "bob")], lab.certs,
                               lab.dns.dir + "/example.key", modules=("smacks",))
        self.loops, self.users = {}, []
        self.sip_server = self._make_sip_server(port, transport)

    def _write_policy(self, **more):
        write("%s/partners.d/%s.yaml" % (self.dir, self.theirs), PARTNER_YAML.format(
            theirs=self.theirs, more="".join("%s: %s\n" % item for item in more.items())))

    def policy(self, **more):
        """More keys in the partner's file, in force on the edge too."""
        self._write_policy(**more)
        revision = self.gateway.control("reload")["revision"]
        wait_until("revision %s on the edge" % revision, lambda: self.edge.metric("xfed_policy_revision") >= revision, 20)

    def _make_sip_server(self, port, transport):
        self.kamailio = Kamailio(self.net, self.dir + "/kamailio", self.lab.certs, (self.at["fe"]["lan"], port, transport), self.ours,
                                 host=self.host["sip"], certificate="world-sip")
        return self.kamailio

    def start(self):
        for part in (self.edge, self.gateway, self.prosody, self.sip_server):
            self._start(part)
        self.edge.wait_ready()
        self.gateway.wait_ready()
        return self

    def _start(self, part):
        part.start()
        for process in part.processes():
            self.on_start(process)

    def kill(self, name):
        """SIGKILL for a part and all its processes."""
        part = getattr(self, name)
        process = part.process
        os.killpg(process.child.pid, signal.SIGKILL)
        process.child.wait()
        return part

    def begin_again(self, name):
        part = getattr(self, name)
        self._start(part)
        if part in (self.edge, self.gateway):
            part.wait_ready()

    def _loop(self, role):
        if role not in self.loops:
            self.loops[role] = NsLoop(self.net.ns(self.host[role]))
        return self.loops[role]

    def phone(self, user, transport="tcp", name="desk"):
        phone = SipPhone(self._loop("sipua"), "sip:%s@%s" % (user, self.ours), (self.at["sip"]["lan"], 5060), self.at["sipua"]["lan"], transport,
                         name)
        self.users.append(phone)
        return phone.register()

    def contact(self, user, resource="desk"):
        contact = XmppUser(self._loop("partner"), "%s@%s/%s" % (user, self.theirs, resource), PASSWORD, self.at["partner"]["wan"], True).login()
        self.users.append(contact)
        return contact

    def end(self):
        """What was wrong with how it stopped; None: nothing."""
        try:
            self.stop()
        except (AssertionError, OSError) as e:
            return str(e)
        return None

    def stop(self):
        for user in self.users:
            user.close()
        try:
            self.gateway.stop()
        finally:
            try:
                self.edge.stop()
            finally:
                self.sip_server.stop()
                self.prosody.stop()
                for loop in self.loops.values():
                    loop.close()
