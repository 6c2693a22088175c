"""Everything a scenario needs beside the daemons: network, DNS, certificates, servers, users."""
import contextlib
import os

from .certs import Certs
from .dns import Dns
from .kamailio import Kamailio
from .net import HOSTS, Net
from .nsloop import NsLoop
from .prosody import Prosody
from .sip_user import SipUser
from .xmpp_user import XmppUser

PASSWORD = "pw"
# user -> (the server's host, JID)
XMPP_USERS = {
    "alice": ("partner", "alice@partner.example"),
    "bob": ("partner2", "bob@partner2.example"),
    "eve_untrusted": ("partner2", "eve@untrusted.example"),
    "eve_expired": ("partner2", "eve@expired.example"),
    "eve_wrongname": ("partner2", "eve@wrongname.example"),
    "eve_unlisted": ("partner2", "eve@unlisted.example"),
}
SIP_USERS = {"dave": "tcp", "erin": "udp"}


class Lab:
    def __init__(self, directory):
        self.dir = directory
        self.net = Net()
        self.dns = self.certs = self.partner = self.partner2 = self.kamailio = None
        self.loops, self.users = {}, {}
        self.cleanup = contextlib.ExitStack()

    def start(self):
        with contextlib.ExitStack() as undo:
            undo.callback(self.net.down)
            self.net.up()
            self.certs = Certs(self._sub("ca")).make()
            self.dns = Dns(self.net, self._sub("dns"))
            undo.callback(self.dns.stop)
            self.dns.start()
            self.partner = self._prosody("partner", {"partner.example": "partner"})
            self.partner2 = self._prosody("partner2", {
                "partner2.example": "partner2", "untrusted.example": "untrusted", "expired.example": "expired",
                "wrongname.example": "wrongname", "unlisted.example": "unlisted"})
            self.kamailio = Kamailio(self.net, self._sub("kamailio"), self.certs)
            for server in (self.partner, self.partner2, self.kamailio):
                undo.callback(server.stop)
                server.start()
            undo.callback(self._close_loops)
            self.cleanup = undo.pop_all()
        return self

    def _sub(self, name):
        path = os.path.join(self.dir, name)
        os.makedirs(path)
        return path

    def _prosody(self, host, domains):
        users = [(jid, PASSWORD) for where, jid in XMPP_USERS.values() if where == host]
        return Prosody(self.net, self._sub(host), host, domains, users, self.certs, self.dns.dir + "/example.key")

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
                host, jid = XMPP_USERS[name]
                user = XmppUser(self._loop(host), jid, PASSWORD, HOSTS[host]["wan"])
                user.login()
                self.cleanup.callback(user.logout)
            self.users[name] = user
        return self.users[name]

    def stranger(self, aor, target):
        """A SIP user that speaks to `target` directly instead of to the SIP server."""
        user = SipUser(self._loop("sipua"), aor, target, HOSTS["sipua"]["lan"])
        self.cleanup.callback(user.close)
        user.connect()
        return user

    def processes(self):
        servers = (self.partner, self.partner2, self.kamailio)
        return [s.process for s in servers if s is not None and s.process is not None]

    def stop(self):
        self.cleanup.close()
