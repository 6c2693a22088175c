"""
The conversation of packaging/demo: the bundled partner and the bundled SIP user talk through both daemons and see each other's
presence, then a partner nobody listed is refused. Every step is printed with its verdict.

    python3 -m harness.talk prepare DIR                   chooses the ports and writes them as shell variables
    python3 -m harness.talk run DIR XFEDCTL [lync]        talks; exit status 0 when every step was ok
    python3 -m harness.talk stay DIR XFEDCTL [lync]       the same; says so on descriptor 3 and keeps the peers up until SIGTERM

With `lync` the SIP user is one of the Lync dialect (talk_lync.py).
"""
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ET

from .browser import Browser
from .certs import Certs
from .http import http_get
from .presence import PresenceServer, Watch, basics, pidf, state_of
from .proc import wait_until
from .sip import SipUser
from .wire import free_port
from .xmpp import Partner, XmppStream

HOST = "127.0.0.1"
PORTS = ("s2s", "channel", "sip", "edge_http", "gateway_http", "panel", "partner", "user")
WIDTH = 72


def show(text):
    for line in text.splitlines():
        print("      | " + line)
    sys.stdout.flush()


def as_text(m):
    """A SIP message to be read by people."""
    return "\n".join([m.start] + ["%s: %s" % ({"call-id": "Call-ID", "cseq": "CSeq"}.get(k, k.title()), v) for k, v in m.headers] + ["", m.text])


def as_stanza(element):
    ET.register_namespace("", "jabber:server")
    return ET.tostring(element, "unicode")


class Steps:
    def __init__(self):
        self.failed = 0

    def do(self, what, action):
        print("  " + what + " " + "." * max(WIDTH - len(what), 3) + " ", end="", flush=True)
        try:
            trace = action()
        except (AssertionError, OSError) as e:
            print("FAILED", flush=True)
            show(str(e))
            self.failed += 1
            return
        print("ok", flush=True)
        if trace:
            show(trace)


class Talk:
    def __init__(self, directory, xfedctl):
        with open(directory + "/ports.json", encoding="utf-8") as f:
            self.port = json.load(f)
        self.dir, self.xfedctl = directory, xfedctl
        self.certs = Certs(directory + "/ca")
        edge = (HOST, self.port["s2s"])
        self.partner = Partner("partner.example", self.certs, "partner", edge, (HOST, self.port["partner"]))
        self.user = SipUser("corp.example", HOST, self.port["user"])

    def close(self):
        self.partner.close()
        self.user.close()

    def ctl(self, *words, socket_of="gw1", typed=""):
        done = subprocess.run([self.xfedctl, "--socket", "%s/%s.sock" % (self.dir, socket_of), *words], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=20, check=False, input=typed)
        assert done.returncode == 0, "xfedctl %s: %s" % (" ".join(words), done.stdout)
        return done.stdout

    # ---- the steps ----
    def ready(self):
        for name in ("edge", "gateway"):
            wait_until("200 from the %s's /readyz; its log is %s/%s.log" % (name, self.dir, name),
                       lambda: http_get(HOST, self.port[name + "_http"], "/readyz")[0] == 200, 30)

    def to_sip(self):
        self.partner.say("alice", "dave@corp.example", "Hello Dave, this is XMPP. \U0001F44B", subject="First contact")
        got = self.user.wait_text("Hello Dave, this is XMPP. \U0001F44B", 15)
        assert got.uri("from") == "sip:alice@partner.example", got.get("from")
        return as_text(got)

    def to_xmpp(self):
        flow = self.user.dial((HOST, self.port["sip"]))
        response = self.user.message(flow, "sip:alice@partner.example", "Hello Alice, this is SIP. <&>", sender="sip:dave@corp.example")
        assert response.status in (200, 202), "the gateway answered: " + response.start
        stanza = self.partner.wait_body("Hello Alice, this is SIP. <&>", 15)
        assert stanza.get("from") == "dave@corp.example", stanza.get("from")
        flow.close()
        return as_stanza(stanza) + "\n" + response.start

    def external(self):
        text = self.ctl("stream", "list", socket_of="edge1")
        streams = json.loads(self.ctl("--json", "stream", "list", socket_of="edge1"))["streams"]
        methods = {s["direction"]: s.get("method") for s in streams if s["remote"] == "partner.example"}
        assert methods == {"in": "external", "out": "external"}, text
        return text

    def sip_watches(self):
        self.flow = self.user.dial((HOST, self.port["sip"]))
        self.watch = Watch(self.user, self.flow, "sip:alice@partner.example", "sip:dave@corp.example")
        answer = self.watch.subscribe()
        assert answer.status == 200, "the gateway answered: " + answer.start
        self.partner.inbox.wait(lambda s: s.get("type") == "subscribe" and s.get("from") == "dave@corp.example", 15)
        self.partner.send("<presence from='alice@partner.example' to='dave@corp.example' type='subscribed'/>")
        return self.told(self.alice_is("<status>at my desk</status>"), ("open", None, "at my desk"))

    def alice_is(self, inner):
        self.partner.send("<presence from='alice@partner.example/laptop' to='dave@corp.example'>%s</presence>" % inner)
        return "alice: " + inner

    def told(self, said, wanted):
        """The NOTIFY in which the SIP user is told that."""
        got = self.watch.wait(lambda m: m.body and list(basics(m).values()) == [wanted], 15)
        return "%s\nNOTIFY, %s\n%s" % (said, state_of(got), got.text)

    def xmpp_changes(self):
        return self.told(self.alice_is("<show>away</show><status>at lunch</status>"), ("open", "away", "at lunch"))

    def serve_presence(self):
        self.server = PresenceServer(self.user, self.flow)

    def xmpp_watches(self):
        self.serve_presence()
        self.partner.send("<presence from='alice@partner.example' to='dave@corp.example' type='subscribe'/>")
        self.asked = self.server.wait("sip:dave@corp.example", 15)
        shown = self.dave_is(None, "in the office")
        self.partner.inbox.wait(lambda s: s.get("type") == "subscribed" and s.get("from") == "dave@corp.example", 15)
        return "\n".join(["SUBSCRIBE, from " + self.asked.get("from"), shown])

    def dave_is(self, show, note):
        """The stanza in which the contact is told that."""
        since = self.partner.inbox.mark()
        answer = self.server.notify(self.asked, "active;expires=600", pidf("pres:dave@corp.example", ("phone", "open", show, note)))
        assert answer.status == 200, "the gateway answered: " + answer.start
        got = self.partner.inbox.wait(lambda s: s.tag == "{jabber:server}presence" and s.get("from") == "dave@corp.example/phone", 15, since)
        assert [(c.tag, c.text) for c in got if c.tag == "{jabber:server}status"] == [("{jabber:server}status", note)]
        return as_stanza(got)

    def sip_changes(self):
        shown = self.dave_is("dnd", "on the phone")
        assert "<show>dnd</show>" in shown, shown
        return shown

    def unknown_user(self):
        before, self.user.answer = self.user.answer, 404
        found = self.partner.wait_error(self.partner.say("alice", "nobody@corp.example", "Is anybody there?"), 15)
        self.user.answer = before
        assert found[:2] == ("item-not-found", "cancel"), found
        return "error from nobody@corp.example: %s (type %s)" % found[:2]

    def unlisted(self):
        stream = XmppStream.connect((HOST, self.port["s2s"]))
        stream.open("unlisted.example", "corp.example")
        error = stream.read_error(with_header=True)
        assert (error.condition, error.text.split(":")[0]) == ("policy-violation", "policy.partner.unlisted"), (error.condition, error.text)
        stream.close()
        with open(self.dir + "/edge.log", encoding="utf-8") as f:
            line = [line for line in f if "reason=policy.partner.unlisted" in line][-1]
        return "stream error: %s\nlog of the edge: %s" % (error.condition, textwrap.fill(line.strip(), 100, subsequent_indent="    "))

    def explain(self):
        text = self.ctl("explain", "policy.partner.unlisted")
        assert "xfedctl partner add DOMAIN" in text, text
        return text

    def status(self):
        text = self.ctl("status")
        assert "edge1" in text, text
        return text

    def panel(self):
        """Somebody is let in, with a password of this run, and sees what status says."""
        password = secrets.token_urlsafe(9)
        told = self.ctl("panel", "user", "add", "demo", "admin", typed=password + "\n")
        browser = Browser((HOST, self.port["panel"]))
        answer = browser.sign_in("demo", password)
        assert answer.status == 303, "signing in is answered with %d: %s" % (answer.status, answer.text())
        page = browser.get("/")
        assert page.status == 200 and "edge1" in page.body, page.text()
        with open(self.dir + "/panel.login", "w", encoding="utf-8") as f:
            f.write("name demo, password %s\n" % password)
        return told

    def conversation(self):
        return [
            ("XMPP to SIP: alice@partner.example writes to dave@corp.example", self.to_sip),
            ("SIP to XMPP: dave@corp.example answers", self.to_xmpp),
            ("both streams have logged in with certificates (SASL EXTERNAL)", self.external),
        ]

    def presence(self):
        return [
            ("dave watches alice, who lets him: he sees that she is there", self.sip_watches),
            ("she goes to lunch: he sees it", self.xmpp_changes),
            ("alice watches dave, whose server lets her: she sees that he is there", self.xmpp_watches),
            ("he is on the phone: she sees it", self.sip_changes),
        ]

    def refusals(self):
        return [
            ("a user SIP does not know: the sender is told", self.unknown_user),
            ("a refusal: unlisted.example has no partner file", self.unlisted),
            ("what the reason means: xfedctl explain policy.partner.unlisted", self.explain),
            ("the control panel lets in an administrator made for this run", self.panel),
            ("how things stand: xfedctl status", self.status),
        ]

    def all(self):
        steps = Steps()
        steps.do("the gateway has linked to the edge and sent its policy", self.ready)
        if not steps.failed:
            for what, action in self.conversation() + self.presence() + self.refusals():
                steps.do(what, action)
        return steps.failed


def prepare(directory):
    ports = {}
    for name in PORTS:
        port = free_port(HOST)
        while port in ports.values():
            port = free_port(HOST)
        ports[name] = port
    with open(directory + "/ports.json", "w", encoding="utf-8") as f:
        json.dump(ports, f)
    for name, port in ports.items():
        print("%s_port=%d" % (name, port))


def run(talk, stays):
    try:
        failed = talk.all()
        if stays and not failed:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
            os.write(3, b"verified\n")
            signal.sigwait({signal.SIGTERM, signal.SIGINT})
        return 1 if failed else 0
    finally:
        talk.close()


def main(words):
    socket.setdefaulttimeout(30)
    if words[:1] == ["prepare"] and len(words) == 2:
        prepare(words[1])
        return 0
    if words[:1] in (["run"], ["stay"]) and words[3:] in ([], ["lync"]) and len(words) >= 3:
        if words[3:]:
            from .talk_lync import LyncTalk as Kind
        else:
            Kind = Talk
        return run(Kind(words[1], words[2]), words[0] == "stay")
    print(__doc__.strip(), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
