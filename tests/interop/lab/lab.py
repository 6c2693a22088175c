"""Everything a scenario needs beside the daemons: network, DNS, certificates, servers, users."""
import contextlib
import os

from .certs import Certs
from .dns import Dns
from .domains import DOMAINS, served_by
from .ejabberd import Ejabberd
from .jabberd2 import Jabberd2
from .kamailio import Kamailio
from .net import HOSTS, Net
from .nsloop import NsLoop
from .prosody import Prosody
from .sip_phone import SipPhone
from .sip_user import SipUser
from .xmpp_user import XmppUser

PASSWORD = "pw"

# user -> JID; beside these there are at every domain eve and wanda, known by their JIDs; wanda is only there while presence is looked at
XMPP_USERS = {
    "alice": "alice@partner.example",
    "bob": "bob@partner2.example",
}
SIP_USERS = {"dave": "tcp", "erin": "udp"}


def login_of(domain):
    """What ejabberd does for a domain."""
    if DOMAINS[domain].certificate is None:
        return "plain"
    return "dialback" if "db" in domain.split(".") else "external"


class Lab:
    """`on_start(process)` is called for each process of a server; the servers of `EARLY` run from the beginning."""

    EARLY = ("partner", "partner2", "sip")
    SMACKS = ("partner", "partner3")  # with stream management

    def __init__(self, directory, on_start=lambda process: None):
        self.dir, self.on_start = directory, on_start
        self.net = Net()
        self.dns = self.certs = None
        self.servers, self.loops, self.users = {}, {}, {}
        self.cleanup = contextlib.ExitStack()

    def start(self):
        with contextlib.ExitStack() as undo:
            undo.callback(self.net.down)
            self.net.up()
            self.certs = Certs(self._sub("ca")).make()
            self.dns = Dns(self.net, self._sub("dns"))
            undo.callback(self.dns.stop)
            self.dns.start()
            undo.callback(self._stop_servers)
            undo.callback(self._close_loops)
            for host in self.EARLY:
                self.server(host)
            self.cleanup = undo.pop_all()
        return self

    def _sub(self, name):
        path = os.path.join(self.dir, name)
        os.makedirs(path)
        return path

    def server(self, host):
        """The server on a host, started at the first call."""
        if host not in self.servers:
            made = self.servers[host] = self._make(host, self._sub("kamailio" if host == "sip" else host))
            try:
                made.start()
            finally:
                for process in made.processes():
                    self.on_start(process)
        return self.servers[host]

    def restart_s2s(self, domain):
        """jabberd2 with other servers forgotten, showing the certificate of a domain of its own."""
        self.on_start(self.server("jabberd2").restart_s2s(domain))

    def _make(self, host, directory):
        if host == "sip":
            return Kamailio(self.net, directory, self.certs, more_domains=[
                d for d in served_by("edge") if d.endswith(".corp.example")])
        certificates = {name: DOMAINS[name].certificate for name in served_by(host)}
        users = [(user + name, PASSWORD) for name in certificates for user in ("eve@", "wanda@")]
        users += [(jid, PASSWORD) for jid in XMPP_USERS.values() if jid.split("@")[1] in certificates]
        if host == "ejabberd":
            return Ejabberd(self.net, directory, host, {name: (c, login_of(name)) for name, c in certificates.items()},
                            users, self.certs)
        if host == "jabberd2":
            return Jabberd2(self.net, directory, host, certificates, users, self.certs)
        return Prosody(self.net, directory, host, certificates, users, self.certs, self.dns.dir + "/example.key",
                       secure=host != "partner3", modules=("smacks",) if host in self.SMACKS else ())

    def _stop_servers(self):
        for server in self.servers.values():  # all at once: some take their time
            for process in server.processes():
                if process.is_running:
                    process.child.terminate()
        for server in reversed(self.servers.values()):
            server.stop()

    @property
    def partner(self):
        return self.server("partner")

    @property
    def partner2(self):
        return self.server("partner2")

    def _loop(self, host):
        if host not in self.loops:
            self.loops[host] = NsLoop(self.net.ns(host))
        return self.loops[host]

    def _close_loops(self):
        for loop in self.loops.values():
            loop.close()

    def user(self, name):
        """A user, logged in or registered at the first call."""
        if name not in self.users:
            if name in SIP_USERS:
                user = SipUser(self._loop("sipua"), "sip:%s@corp.example" % name, (HOSTS["sip"]["lan"], 5060),
                               HOSTS["sipua"]["lan"], SIP_USERS[name])
                self.cleanup.callback(user.close)
                user.register()
            else:
                jid = XMPP_USERS.get(name, name)
                host = DOMAINS[jid.split("@")[1]].host
                self.server(host)
                user = XmppUser(self._loop(host), jid, PASSWORD, HOSTS[host]["wan"])
                user.login()
                self.cleanup.callback(user.logout)
            self.users[name] = user
        return self.users[name]

    def phone(self, aor, transport="tcp", name="desk"):
        """A registered device of a SIP user that has presence."""
        phone = SipPhone(self._loop("sipua"), aor, (HOSTS["sip"]["lan"], 5060), HOSTS["sipua"]["lan"], transport, name)
        self.cleanup.callback(phone.close)
        return phone.register()

    def contact(self, jid):
        """An XMPP user logged in anew; one JID may have several, with resources."""
        host = DOMAINS[jid.split("/")[0].split("@")[1]].host
        self.server(host)
        user = XmppUser(self._loop(host), jid, PASSWORD, HOSTS[host]["wan"]).login()
        self.cleanup.callback(user.logout)
        return user

    def stranger(self, aor, target):
        """A SIP user that speaks to `target` directly instead of to the SIP server."""
        user = SipUser(self._loop("sipua"), aor, target, HOSTS["sipua"]["lan"])
        self.cleanup.callback(user.close)
        user.connect()
        return user

    def stop(self):
        self.cleanup.close()
