"""Prosody, the partners' server: one process may serve several domains, each with its certificate."""
import os

from harness.proc import Process, wait_until

from .net import HOSTS
from .ports import can_connect

CONFIG = """run_as_root = true
daemonize = false
pidfile = "{dir}/prosody.pid"
data_path = "{dir}/data"
log = {{ {{ levels = {{ min = "debug" }}; to = "console" }} }}
interfaces = {{ "{address}" }}
c2s_ports = {{ 5222 }}; c2s_direct_tls_ports = {{}}
s2s_ports = {{ 5269 }}; s2s_direct_tls_ports = {{}}
network_backend = "epoll"
unbound = {{ resolvconf = true; trustfile = "{anchor}"; hoststxt = false }}
modules_enabled = {{ "roster"; "saslauth"; "tls"; "dialback"; "disco"; "presence"; "message"; "iq"; "ping"{more} }}
modules_disabled = {{ "s2s_bidi" }}
authentication = "internal_plain"
-- users sit on the server's own network
c2s_require_encryption = false; allow_unencrypted_plain_auth = true
s2s_require_encryption = {secure}; s2s_secure_auth = {secure}
ssl = {{ cafile = "{ca}" }}
"""
WITHOUT_TLS = """VirtualHost "{domain}"
    modules_disabled = {{ "tls" }}
"""
VIRTUAL_HOST = """VirtualHost "{domain}"
    ssl = {{ certificate = "{chain}"; key = "{key}"; cafile = "{ca}" }}
"""


class Prosody:
    """
    `domains` maps each domain to the name of its certificate, None: no TLS; `users` lists (jid, password). Other servers
    have to bring a certificate, or, with secure=False, may use dialback. `modules`: more than the usual ones.
    """

    def __init__(self, net, directory, host, domains, users, certs, anchor, secure=True, modules=()):
        self.secure, self.modules = secure, modules
        self.net, self.dir, self.host, self.anchor = net, directory, host, anchor
        self.domains, self.users, self.certs = domains, users, certs
        self.address = HOSTS[host]["wan"]
        self.process = None

    def start(self):
        os.makedirs(self.dir, exist_ok=True)
        config = self.dir + "/prosody.cfg.lua"
        with open(config, "w", encoding="utf-8") as f:
            f.write(CONFIG.format(dir=self.dir, address=self.address, ca=self.certs.ca, anchor=self.anchor,
                                  secure=str(self.secure).lower(),
                                  more="".join('; "%s"' % m for m in self.modules)))
            for domain, name in self.domains.items():
                f.write(VIRTUAL_HOST.format(domain=domain, chain=self.certs.chain(name), key=self.certs.key(name),
                                            ca=self.certs.ca) if name else WITHOUT_TLS.format(domain=domain))
        for jid, password in self.users:
            self._account(*jid.split("@"), password)
        self.process = Process(self.host, ["prosody", "--config", config, "-F"], self.dir + "/prosody.log",
                               self.net.ns(self.host))
        wait_until("port 5269 of Prosody",
                   lambda: self.net.call(self.host, can_connect, self.address, 5269), 15, self.process)

    def _account(self, user, domain, password):
        folder = "%s/data/%s/accounts" % (self.dir, domain.replace(".", "%2e"))
        os.makedirs(folder, exist_ok=True)
        with open("%s/%s.dat" % (folder, user), "w", encoding="utf-8") as f:
            f.write('return { ["password"] = "%s"; };\n' % password)

    def processes(self):
        return [self.process] if self.process is not None else []

    def stop(self):
        if self.process is not None:
            self.process.stop()
