"""
A partner's server that can as much as it is told to: TLS, EXTERNAL (RFC 6120, XEP-0178) and dialback in its three roles
(XEP-0220) with real keys (XEP-0185). What Partner scripts step by step is negotiated here, in either direction.
"""
import hashlib
import hmac
import ssl
import threading
import xml.etree.ElementTree as ET
from xml.sax.saxutils import quoteattr

from .inbox import Inbox
from .sipmsg import token
from .wire import Wire
from .xmpp import (AUTH, PROCEED, SASL, SERVER, STANZA_ERRORS, STARTTLS, STREAM, SUCCESS, TLS, Partner, StreamError, XmppStream,
                   message)

DIALBACK = "{jabber:server:dialback}"
DIALBACK_FEATURE = "{urn:xmpp:features:dialback}dialback"
DECLARE_DIALBACK = " xmlns:db='jabber:server:dialback'"
OFFER = {
    "tls": "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    "external": "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>",
    "dialback": "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>",
}
ABILITIES = {
    "nothing": frozenset(),
    "TLS": frozenset({"tls"}),
    "TLS+EXTERNAL": frozenset({"tls", "external"}),
    "TLS+dialback": frozenset({"tls", "dialback"}),
    "dialback": frozenset({"dialback"}),
    "all": frozenset({"tls", "external", "dialback"}),
}


def dialback_key(secret, receiving, originating, stream_id):
    """[A8-05]: the HMAC's key is the hex text of the hash."""
    hashed = hashlib.sha256(secret.encode()).hexdigest()
    return hmac.new(hashed.encode(), ("%s %s %s" % (receiving, originating, stream_id)).encode(), hashlib.sha256).hexdigest()


def dialback_element(kind, sender, to, type=None, id=None, key="", condition=None):
    """<db:result/> or <db:verify/> with its prefix declared in place."""
    text = "<db:%s%s" % (kind, DECLARE_DIALBACK)
    for name, value in (("from", sender), ("to", to), ("id", id), ("type", type)):
        if value is not None:
            text += " %s=%s" % (name, quoteattr(value))
    inner = key
    if condition:
        inner = "<error type='cancel'><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>" % condition
    return "%s>%s</db:%s>" % (text, inner, kind) if inner else text + "/>"


def verdict_of(element):
    """("valid" | "invalid", None) or ("error", CONDITION) of an answer."""
    if element.get("type") != "error":
        return element.get("type"), None
    error = element.find(SERVER + "error")
    conditions = [e.tag[len(STANZA_ERRORS):] for e in error if e.tag.startswith(STANZA_ERRORS)] if error is not None else []
    return "error", conditions[0] if conditions else None


class Refused(Exception):
    """A stream of ours that was not let in: by "stream" error, "dialback" answer, "tls" or "closed"."""

    def __init__(self, how, condition, text=None):
        super().__init__("%s: %s %s" % (how, condition, text or ""))
        self.how, self.condition, self.text = how, condition, text


class Served:
    """One stream that the edge has opened."""

    def __init__(self, peer, stream):
        self.peer, self.stream = peer, stream
        self.domain = self.local = self.id = None
        self.abilities = frozenset()
        self.is_secure = False
        self.method = None
        self.pairs = set()  # (domain of ours, domain of the edge's) that may send

    def say(self, what):
        self.peer.events.put((what, self))

    def run(self):
        while True:
            kind, element = self.stream.event(120)
            if kind == "header":
                if not self.on_header(element):
                    return
            elif kind == "element":
                if not self.on_element(element):
                    return
            else:
                self.say(kind)
                if kind == "end":
                    self.peer.may_end.wait(20)
                    self.stream.send("</stream:stream>")
                else:
                    return

    def on_header(self, root):
        self.local = root.get("from") or self.local
        self.domain = root.get("to")
        self.id = token() + token()
        self.abilities = self.peer.abilities_of(self.domain)
        if self.abilities is None:
            self.stream.open(self.domain, self.local, id=self.id)
            self.fail("host-unknown")
            return False
        more = DECLARE_DIALBACK if "dialback" in self.abilities else ""
        self.stream.open(self.domain, self.local, id=self.id, more=more)
        self.say("header")
        self.stream.send(self.peer.features_of(self))
        return True

    def offers(self):
        """What a server that can this much offers now, in order."""
        if self.method:
            return []
        if self.is_secure:
            return [a for a in ("external", "dialback") if a in self.abilities]
        return [a for a in ("tls", "dialback") if a in self.abilities]

    def fail(self, condition):
        self.say("refused:" + condition)
        self.stream.send("<stream:error><%s xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>" % condition)

    def on_element(self, e):
        tag = e.tag
        script = self.peer.at.get(tag.split("}")[1])
        if script:
            return script(self, e) is not False
        if tag == TLS + "starttls" and "tls" in self.abilities and not self.is_secure:
            return self.on_starttls()
        if tag == SASL + "auth" and "external" in self.abilities and self.is_secure:
            return self.on_auth()
        if tag == DIALBACK + "result" and "dialback" in self.abilities:
            return self.on_result(e)
        if tag == DIALBACK + "verify" and "dialback" in self.abilities:
            return self.on_verify(e)
        if tag == STREAM + "error":
            self.say("error:%s" % StreamError(e).condition)
            return True
        if tag in (SERVER + "message", SERVER + "presence", SERVER + "iq"):
            return self.on_stanza(e)
        self.fail("unsupported-stanza-type")
        return False

    def on_stanza(self, e):
        pair = tuple((e.get(name) or "").split("/")[0].split("@")[-1] for name in ("to", "from"))
        if pair not in self.pairs:
            self.peer.violations.append("%s -> %s before it was proved: %s" % (pair[1], pair[0], ET.tostring(e, "unicode")))
            self.fail("not-authorized")
            return False
        self.peer.inbox.put(e)
        return True

    def on_starttls(self):
        self.stream.send(PROCEED)
        try:
            self.stream.start_tls(self.peer.server_context_of(self.abilities), True)
        except (ssl.SSLError, OSError) as error:
            self.say("tls-failed: %s" % error)
            return False
        self.is_secure = True
        self.say("tls")
        return True

    def on_auth(self):
        script = self.peer.external
        if script != "right":
            self.say("external-refused")
            self.stream.send("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><%s/></failure>" % script.partition(":")[2])
            return True
        if self.local not in self.stream.wire.peer_names():
            self.fail("not-authorized")
            return False
        self.stream.send(SUCCESS)
        self.stream.restart()
        self.prove(self.domain, self.local, "external")
        return True

    def prove(self, domain, local, method):
        self.pairs.add((domain, local))
        self.method = method
        self.say("proved")

    # ---- receiving ----
    def on_result(self, e):
        if e.get("type") is not None:
            self.peer.violations.append("an answer on a stream of the edge's: %s" % ET.tostring(e, "unicode"))
            return True
        self.say("key")
        script = self.peer.receiver
        if callable(script):
            return script(self, e) is not False
        verdict = script.partition(":")[::2]
        if script == "silent":
            return True
        if script == "close":
            return False
        if script == "verify":
            verdict = self.peer.ask_authority(self, e.get("from"), e.get("to"), "".join(e.itertext()).strip())
        self.answer_result(e, *verdict)
        return verdict[0] != "invalid"

    def answer_result(self, e, verdict, condition=None):
        if verdict == "valid":
            self.prove(e.get("to"), e.get("from"), "dialback-tls" if self.is_secure else "dialback-plain")
        self.stream.send(dialback_element("result", e.get("to"), e.get("from"), verdict, condition=condition or None))
        if verdict == "invalid":
            self.stream.send("</stream:stream>")

    # ---- authoritative ----
    def on_verify(self, e):
        if e.get("type") is not None:
            self.peer.violations.append("an answer on a stream of the edge's: %s" % ET.tostring(e, "unicode"))
            return True
        self.peer.asked.put((e, self))
        script = self.peer.authority
        if callable(script):
            return script(self, e) is not False
        if script == "silent":
            return True
        if script == "close":
            return False
        verdict, _, condition = script.partition(":")
        if script in ("right", "wrong"):
            key = dialback_key(self.peer.secret, e.get("from"), e.get("to"), e.get("id"))
            is_right = "".join(e.itertext()).strip() == key
            verdict = "valid" if is_right == (script == "right") else "invalid"
        self.answer_verify(e, verdict, condition)
        return True

    def answer_verify(self, e, verdict, condition=None, **changed):
        values = dict({"sender": e.get("to"), "to": e.get("from"), "id": e.get("id")}, **changed)
        self.stream.send(dialback_element("verify", type=verdict, condition=condition or None, **values))


class Peer(Partner):
    """
    A server for one domain or several, each with abilities of its own. Streams of the edge's are Served; dial() opens ours.

    receiver: what it makes of a key - "verify" (asks the edge), "valid", "invalid", "error:CONDITION", "silent", "close" or
    function(served, element). authority: what it says of a key of its own - "right", "wrong", "valid", "invalid",
    "error:CONDITION", "silent", "close" or function(served, element). external: "right" or "refuse:CONDITION".
    at[NAME] = function(served, element) takes an element of that name instead; False ends the stream there.
    A certificate of `plain_leaf` stands in for the good one where a server that can dialback cannot EXTERNAL.
    """

    def __init__(self, domain, certs, leaf, edge, abilities="all", plain_leaf=None, secret=None, domains=None, **kwargs):
        self.hosted = {domain: abilities}
        self.hosted.update(domains or {})
        self.plain_leaf = plain_leaf or leaf
        self.plain_context, self.plain_client = certs.server(self.plain_leaf), certs.client(self.plain_leaf)
        self.bare_client = certs.client(None)
        self.secret = secret or token()
        self.receiver, self.authority, self.external = "verify", "right", "right"
        self.features = None      # function(served) -> names or XML, instead of what is able
        self.violations = []      # what the edge must never do
        self.may_end = threading.Event()  # cleared: closing tags are not answered
        self.may_end.set()
        self.asked = Inbox(domain + " verify")  # (element, served): what the edge asked us about
        super().__init__(domain, certs, leaf, edge, **kwargs)

    def abilities_of(self, domain):
        able = self.hosted.get(domain)
        return ABILITIES[able] if isinstance(able, str) else able

    def features_of(self, served):
        offered = self.features(served) if self.features else served.offers()
        if isinstance(offered, str):
            return offered
        return "<stream:features>%s</stream:features>" % "".join(OFFER[a] for a in offered)

    def is_plain(self, abilities):
        return "dialback" in abilities and "external" not in abilities

    def server_context_of(self, abilities):
        return self.plain_context if self.is_plain(abilities) else self.server_context

    def client_context_of(self, abilities):
        if "external" in abilities:
            return self.client_context
        return self.plain_client if "dialback" in abilities else self.bare_client

    def _serve(self, sock, _):
        stream = XmppStream(Wire(sock))
        served = Served(self, stream)
        self.streams.append(stream)
        self.events.put(("connected", served))
        try:
            served.run()
        except (AssertionError, OSError, ET.ParseError) as e:
            self.events.put(("failed: %s" % e, served))
        finally:
            stream.close()

    # ---- streams of ours ----
    def open_stream(self, local, domain=None, source=None, wants_tls=True, abilities=None):
        """A stream of ours up to its last features before authentication."""
        domain = domain or self.domain
        able = self.abilities_of(domain) if abilities is None else abilities
        s = XmppStream.connect(self.edge, source)
        s.is_secure, s.domain, s.local, s.able, s.method = False, domain, local, able, None
        try:
            return self.negotiate_tls(s, wants_tls)
        except Refused as e:
            e.stream = s
            raise

    def negotiate_tls(self, s, wants_tls):
        features = self.open_again(s)
        if wants_tls and "tls" in s.able and features.find(TLS + "starttls") is not None:
            s.send(STARTTLS)
            s.expect(TLS + "proceed")
            try:
                s.start_tls(self.client_context_of(s.able), hostname=s.local)
            except (ssl.SSLError, OSError) as e:
                raise Refused("tls", str(e)) from None
            s.is_secure = True
            features = self.open_again(s)
        s.features = features
        return s

    def open_again(self, s):
        s.open(s.domain, s.local, more=DECLARE_DIALBACK if "dialback" in s.able else "")
        s.id = self.next_of(s, "header").get("id")
        return self.next_of(s, "element", STREAM + "features")

    def next_of(self, s, wanted, tag=None, timeout=10):
        """The next event, which has to be this; Refused when it is a stream error or the end."""
        kind, element = s.event(timeout)
        if kind == "element" and element.tag == STREAM + "error":
            error = StreamError(element)
            raise Refused("stream", error.condition, error.text)
        if kind in ("end", "eof", "reset"):
            raise Refused("closed", kind)
        if kind == "header" and wanted != "header":
            return self.next_of(s, wanted, tag, timeout)  # opened only to say why not
        assert kind == wanted and (tag is None or element.tag == tag), (kind, s.seen[-500:])
        return element

    def send_key(self, s, local=None, domain=None, key=None):
        local, domain = local or s.local, domain or s.domain
        key = dialback_key(self.secret, local, domain, s.id) if key is None else key
        s.send(dialback_element("result", domain, local, key=key))

    def wait_result(self, s, timeout=15):
        """(verdict, condition) for the next answer."""
        return verdict_of(self.next_of(s, "element", DIALBACK + "result", timeout))

    def prove_by_dialback(self, s, **kwargs):
        self.send_key(s, **kwargs)
        verdict, condition = self.wait_result(s)
        if verdict != "valid":
            raise Refused("dialback", condition or verdict)
        s.method = "dialback-tls" if s.is_secure else "dialback-plain"
        return s

    def prove_by_certificate(self, s):
        while True:
            s.send(AUTH)
            answer = self.next_of(s, "element")
            if answer.tag == SASL + "success":
                break
            assert answer.tag == SASL + "failure", answer.tag
        s.restart()
        self.open_again(s)
        s.method = "external"
        return s

    def dial_best(self, local, domain=None, **kwargs):
        """
        A stream of ours, by the best of what both can do; where nothing that we can do is offered it is tried all the same,
        as long as the edge lets us. Refused says how that ended.
        """
        s = self.open_stream(local, domain, **kwargs)
        try:
            is_offered = any(m.text == "EXTERNAL" for m in s.features.iter(SASL + "mechanism"))
            if "external" in s.able and is_offered:
                return self.prove_by_certificate(s)
            if "dialback" in s.able:
                return self.prove_by_dialback(s)
            if "external" in s.able:
                return self.prove_by_certificate(s)
            s.send(message("eve@" + s.domain, "user@" + s.local, "without a name"))
            self.next_of(s, "element")
            raise AssertionError("a stanza on a stream that has proved nothing was not refused")
        except Refused as e:
            e.stream = s
            raise

    def dial(self, local, source=None):
        return self.dial_best(local, source=source)

    def stream_to(self, local):
        with self.lock:
            stream = self.out.get(local)
            if stream is None or stream.is_closed:
                stream = self.out[local] = self.dial_best(local)
                threading.Thread(target=self._drain, args=(stream,), name="peer-out", daemon=True).start()
            return stream

    # ---- receiving: our question to the edge ----
    def ask_authority(self, served, sender, target, key):
        """What the edge, as authoritative server of `sender`, says of a key, asked on a stream of its own."""
        try:
            s = self.open_stream(sender, target)
        except Refused:
            return "error", "remote-connection-failed"
        s.send(dialback_element("verify", target, sender, id=served.id, key=key))
        try:
            answer = self.next_of(s, "element", DIALBACK + "verify")
        except Refused:
            return "error", "remote-server-timeout"
        finally:
            s.close()
        assert (answer.get("from"), answer.get("to"), answer.get("id")) == (sender, target, served.id), ET.tostring(answer)
        verdict, condition = verdict_of(answer)
        return (verdict, None) if verdict != "error" else ("error", "remote-server-not-found" if condition == "item-not-found" else condition)
