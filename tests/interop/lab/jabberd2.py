"""jabberd2, a partner's server: TLS, but dialback only; it knows no SASL EXTERNAL between servers."""
import gzip
import os
import sqlite3
from xml.sax.saxutils import quoteattr

from harness.proc import Process, wait_until

from .net import HOSTS
from .ports import can_connect

MODULES = "/usr/lib/x86_64-linux-gnu/jabberd2"
SCHEMA = "/usr/share/doc/jabberd2/db-setup.sqlite.gz"
ROUTER = """<router>
  <id>router</id>
  <log type='stdout'/>
  <local><ip>127.0.0.1</ip><port>5347</port><users>{dir}/router-users.xml</users></local>
  <aci><acl type='all'><user>jabberd</user></acl></aci>
</router>
"""
ROUTER_USERS = "<users><user><name>jabberd</name><secret>lab</secret></user></users>\n"
LINK = """  <router>
    <ip>127.0.0.1</ip><port>5347</port><user>jabberd</user><pass>lab</pass>
    <retry><init>10</init><lost>0</lost><sleep>1</sleep></retry>
  </router>
  <log type='stdout'/>
"""
CHAINS = {
    "in-sess": "validate privacy roster iq-ping presence deliver",
    "in-router": "session validate presence privacy",
    "pkt-sm": "iq-ping disco presence",
    "pkt-user": "roster presence disco deliver offline",
    "pkt-router": "session",
    "user-load": "active roster privacy",
    "user-create": "active",
}
SM = """<sm>
  <id>sm</id>
{link}  <local>{ids}</local>
  <storage><path>{modules}</path><driver>sqlite</driver><sqlite><dbname>{dir}/jabberd2.db</dbname></sqlite></storage>
  <modules><path>{modules}</path>{chains}</modules>
  <user><auto-create/></user>
</sm>
"""
C2S = """<c2s>
  <id>c2s</id>
{link}  <local>{ids}<ip>{address}</ip><port>5222</port></local>
  <authreg>
    <path>{modules}</path><module>sqlite</module>
    <mechanisms><sasl><plain/></sasl></mechanisms>
    <sqlite><dbname>{dir}/jabberd2.db</dbname></sqlite>
  </authreg>
</c2s>
"""
# A real one bounces what it cannot deliver after a minute; here it takes some seconds.
S2S = """<s2s>
  <id>s2s</id>
{link}  <local>
    <ip>{address}</ip><port>5269</port>
    <pemfile>{certificate}</pemfile><cachain>{ca}</cachain>
    {ids}
  </local>
  <check><interval>1</interval><queue>{patience}</queue><retry>{patience}</retry></check>
  <lookup><srv>xmpp-server</srv><min-ttl>1</min-ttl><bad-host-timeout>1</bad-host-timeout></lookup>
  <security><require_tls/></security>
</s2s>
"""


class Jabberd2:
    """
    `domains`: name -> certificate. As a client it shows one certificate for all domains: the first one's, until
    restart_s2s() chooses another.
    """

    PROGRAMS = ("router", "sm", "s2s", "c2s")

    def __init__(self, net, directory, host, domains, users, certs, patience=5):
        self.net, self.dir, self.host = net, directory, host
        self.domains, self.users, self.certs, self.patience = domains, users, certs, patience
        self.address = HOSTS[host]["wan"]
        self.client = next(iter(domains))  # the domain whose certificate is shown as a client
        self.programs = {}

    def _configs(self):
        both = self.certs.both
        plain_ids = "".join("<id>%s</id>" % d for d in self.domains)
        s2s_ids = "".join("<id pemfile=%s>%s</id>" % (quoteattr(both(name)), d) for d, name in self.domains.items())
        chains = "".join("<chain id='%s'>%s</chain>" % (chain, "".join("<module>%s</module>" % m for m in names.split()))
                         for chain, names in CHAINS.items())
        values = {"dir": self.dir, "modules": MODULES, "link": LINK, "address": self.address, "ca": self.certs.ca,
                  "certificate": both(self.domains[self.client]), "patience": self.patience, "chains": chains}
        return {"router.xml": ROUTER.format(**values), "router-users.xml": ROUTER_USERS,
                "sm.xml": SM.format(ids=plain_ids, **values), "c2s.xml": C2S.format(ids=plain_ids, **values),
                "s2s.xml": S2S.format(ids=s2s_ids, **values)}

    def _accounts(self):
        with gzip.open(SCHEMA, "rt", encoding="utf-8") as f, sqlite3.connect(self.dir + "/jabberd2.db") as db:
            db.executescript(f.read())
            db.executemany("insert into authreg (username, realm, password) values (?, ?, ?)",
                           [(*jid.split("@"), password) for jid, password in self.users])

    def start(self):
        os.makedirs(self.dir, exist_ok=True)
        self._write_configs()
        self._accounts()
        for name in self.PROGRAMS:
            self._run(name)
        self._wait_port(5222)

    def _write_configs(self):
        for name, text in self._configs().items():
            with open(os.path.join(self.dir, name), "w", encoding="utf-8") as f:
                f.write(text)

    def _run(self, name):
        process = self.programs[name] = Process(
            "jabberd2-" + name, ["jabberd2-" + name, "-c", "%s/%s.xml" % (self.dir, name)],
            "%s/%s.log" % (self.dir, name), self.net.ns(self.host))
        process.wait_line("listening for incoming connections" if name == "router" else
                          "connection to router established", 10)
        if name == "s2s":
            process.wait_line("listening for connections", 10)

    def _wait_port(self, port):
        wait_until("port %d of jabberd2" % port, lambda: self.net.call(self.host, can_connect, self.address, port), 15,
                   self.programs["c2s"])

    def restart_s2s(self, domain):
        """The program that speaks with other servers, anew: no stream, no cache, the certificate of this domain."""
        self.client = domain
        self.programs["s2s"].stop()
        self._write_configs()
        self._run("s2s")
        return self.programs["s2s"]

    def processes(self):
        return list(self.programs.values())

    def stop(self):
        for process in reversed(self.programs.values()):
            process.stop()
