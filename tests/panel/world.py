"""
What the panel shows in these tests: both daemons between a partner and a SIP server by script, with the panel on, its writer beside the
gateway, two users, and something of everything there is a page for.
"""
import json
import os

from harness.browser import add_user
from harness.daemon import SANITIZER_ENV
from harness.installation import Installation, write
from harness.peer import Peer
from harness.presence import PresenceServer, followed, send_presence, watched
from harness.proc import Process, clean_environment, wait_until
from harness.wire import free_port
from harness.xmpp import Partner, XmppStream

HOST = "127.0.0.1"
ADMIN, READER = ("anna", "correct horse battery"), ("rita", "staple of the reader")
EVIL = "<script>document.title='pwned'</script><img src=x onerror=alert(1)>\"'&"


class PanelInstallation(Installation):
    """An installation whose gateway has a panel, and the panel its writer and its users."""

    def __init__(self, *arguments, panel=None, **kwargs):
        super().__init__(*arguments, **kwargs)
        self.panel = (HOST, free_port(HOST))
        self.gateway_config["panel"] = dict({"listen": "%s:%d" % self.panel, "users_file": self.dir + "/panel.users"}, **panel or {})
        self.origin = "%s://%s:%d" % (("https" if panel and "certificate" in panel else "http",) + self.panel)
        self.writer = None
        self.write_configs()

    def start(self):
        self.start_as_it_is(True)
        add_user(self.gateway, self.tools, READER[0], "reader", READER[1])
        return self

    def start_as_it_is(self, is_linked):
        """With an administrator alone. With is_linked=False nobody waits for a link, which does not come."""
        if is_linked:
            super().start()
        else:
            self.edge.start()
            self.gateway.start()
            wait_until("socket of the gateway", lambda: os.path.exists(self.gateway.socket), 20, self.gateway.process)
        self.start_writer()
        add_user(self.gateway, self.tools, ADMIN[0], "admin", ADMIN[1])

    def start_writer(self):
        self.writer = Process("writer", [self.tools["xfedctl"], "--socket", self.gateway.socket, "panel", "writer", "config=" + self.gateway.config, "user=root"],
                              self.dir + "/writer.log", env=clean_environment(**SANITIZER_ENV))
        path = self.dir + "/gw1.writer"
        wait_until("socket of the writer", lambda: os.path.exists(path), 20, self.writer)

    def stop_writer(self):
        if self.writer is not None:
            writer, self.writer = self.writer, None
            status = writer.stop()
            assert status in (0, -15), "the writer exited with %s:\n%s" % (status, "\n".join(writer.lines[-20:]))

    def processes(self):
        return super().processes() + ([self.writer] if self.writer is not None else [])

    def stop(self):
        try:
            self.stop_writer()
        finally:
            super().stop()


class Life:
    """Something of everything: two partners, a failure of each kind, rules, contacts, subscriptions, hostile texts. Close it."""

    def __init__(self, inst, certs, dns, user):
        self.inst, self.user, self.keep = inst, user, []
        dns.xmpp("corp.example", ("edge.corp.example", inst.s2s[1], HOST))
        inst.list_partner("partner.example", description="Partner & Söhne, Vertrag 4711")
        inst.list_partner("idle.example", description="a partner of whom nobody has asked anything", tls="optional", sasl="optional", dialback=True,
                          additional_domains=["a-rather-long-name-of-a-department.idle.example", "*.it.idle.example"], kinds=["message", "presence"])
        inst.list_partner("expired.example", description=EVIL)
        inst.list_partner("nowhere.example")
        inst.list_partner("public.example", partner_type="public-unverified")
        self.rule("everyone", scope="global", federation=True, xmpp=True)
        self.rule("Sales", scope="user", federation=True, xmpp=True, granted_to=["dave@corp.example", "user@corp.example"])
        self.rule("third", scope="site", federation=False, xmpp=False, domains=["corp3.example"])
        self.partner = self.made(Partner("partner.example", certs, certs.leaf("partner", "xmpp:partner.example"), inst.s2s))
        leaf = certs.leaf("panel-expired", "start=20200101000000Z", "end=20210101000000Z", "xmpp:expired.example")
        self.expired = self.made(Peer("expired.example", certs, leaf, inst.s2s))
        self.public = self.made(Partner("public.example", certs, certs.leaf("public", "xmpp:public.example"), inst.s2s))
        for p in (self.partner, self.expired, self.public):
            dns.xmpp(p.domain, ("xmpp." + p.domain, p.port, HOST))
        inst.reload()
        self.flow = self.made(user.dial(inst.sip))
        self.talk()
        self.watch()
        self.stranger()

    def made(self, thing):
        self.keep.insert(0, thing)
        return thing

    def rule(self, name, **more):
        write("%s/access.d/%s.yaml" % (self.inst.dir, name.lower()), json.dumps(dict(more, name=name), indent=1) + "\n")

    def talk(self):
        self.partner.say("alice", "dave@corp.example", "hello")
        self.user.wait_text("hello")
        assert self.user.message(self.flow, "sip:alice@partner.example", "hello back", sender="sip:dave@corp.example").status in (200, 202)
        for target in ("bob@expired.example", "bob@nowhere.example"):
            assert self.user.message(self.flow, "sip:" + target, "to nobody", sender="sip:dave@corp.example", timeout=60).status >= 300

    def watch(self):
        """dave and alice see each other; frank sees erin, of a public partner, who asks to see him."""
        self.server = PresenceServer(self.user, self.flow)
        self.watched = watched(self.partner, self.user, self.flow, "dave@corp.example", "alice@partner.example")
        send_presence(self.partner, "alice@partner.example/desk", "dave@corp.example", inner="<status>at my desk</status>")
        self.watched.wait(lambda m: m.body and b"at my desk" in m.body)
        followed(self.server, self.partner, "dave@corp.example", "alice@partner.example")
        watched(self.public, self.user, self.flow, "frank@corp.example", "erin@public.example")
        send_presence(self.public, "erin@public.example", "frank@corp.example", "subscribe")
        wait_until("the request", lambda: self.inst.gateway.control("contact", "list", state="waiting")["contacts"], 20)

    def stranger(self):
        """Somebody who has proved nothing, and names himself as it should hurt."""
        stream = XmppStream.connect(self.inst.s2s)
        stream.open("stranger.example", "corp.example")
        stream.read_error(with_header=True)
        stream.close()

    def close(self):
        for thing in self.keep:
            thing.close()
