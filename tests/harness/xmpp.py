"""
An XMPP server of a partner, by script: one stream with every step in reach, and a partner that serves and opens streams
(RFC 6120, XEP-0178) and can be told to misbehave at any step.
"""
import collections
import threading
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from .inbox import Inbox
from .wire import Listener, Wire

SERVER, STREAM = "{jabber:server}", "{http://etherx.jabber.org/streams}"
TLS, SASL = "{urn:ietf:params:xml:ns:xmpp-tls}", "{urn:ietf:params:xml:ns:xmpp-sasl}"
STREAM_ERRORS, STANZA_ERRORS = "{urn:ietf:params:xml:ns:xmpp-streams}", "{urn:ietf:params:xml:ns:xmpp-stanzas}"
APP_ERRORS = "{urn:xmpp:errors}"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"

STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
AUTH = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"
SUCCESS = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
OFFER_TLS = "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>"
OFFER_EXTERNAL = ("<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism>"
                  "</mechanisms></stream:features>")
OFFER_NOTHING = "<stream:features/>"
SM = "{urn:xmpp:sm:3}"  # stream management, XEP-0198
OFFER_SM = "<stream:features><sm xmlns='urn:xmpp:sm:3'/></stream:features>"
ENABLE, ENABLED, ASK = "<enable xmlns='urn:xmpp:sm:3'/>", "<enabled xmlns='urn:xmpp:sm:3'/>", "<r xmlns='urn:xmpp:sm:3'/>"


def header(sender=None, to=None, version="1.0", ns="jabber:server", stream_ns="http://etherx.jabber.org/streams", id=None,
           declaration="<?xml version='1.0'?>", name="stream:stream", more=""):
    """A stream header; what is None is left out; `more` goes in as it is."""
    text = "%s<%s xmlns='%s' xmlns:stream='%s'%s" % (declaration, name, ns, stream_ns, more)
    for key, value in (("from", sender), ("to", to), ("id", id), ("version", version)):
        if value is not None:
            text += " %s=%s" % (key, quoteattr(value))
    return text + ">"


def text_of(value):
    """Text of an element; a CR is written as a reference to survive XML's line-end rule."""
    return escape(value, {"\r": "&#xD;"})


def message(sender, to, body=None, id=None, type="chat", subject=None, thread=None, lang=None, inner=""):
    attributes = [("from", sender), ("to", to), ("id", id), ("type", type), ("xml:lang", lang)]
    xml = "<message" + "".join(" %s=%s" % (k, quoteattr(v)) for k, v in attributes if v is not None) + ">"
    for name, value in (("subject", subject), ("body", body), ("thread", thread)):
        if value is not None:
            xml += "<%s>%s</%s>" % (name, text_of(value), name)
    return xml + inner + "</message>"


def child_text(stanza, name):
    element = stanza.find(SERVER + name)
    return None if element is None else element.text or ""


def error_of(stanza):
    """(condition, type, text) of an error stanza."""
    error = stanza.find(SERVER + "error")
    assert error is not None, ET.tostring(stanza)
    condition = next((e.tag[len(STANZA_ERRORS):] for e in error if e.tag.startswith(STANZA_ERRORS) and not e.tag.endswith("}text")), None)
    text = error.find(STANZA_ERRORS + "text")
    return condition, error.get("type"), None if text is None else text.text


class StreamEnded(AssertionError):
    """The other side closed where something else was expected."""


class StreamError:
    def __init__(self, element):
        self.conditions = [e.tag[len(STREAM_ERRORS):] for e in element if e.tag.startswith(STREAM_ERRORS) and not e.tag.endswith("}text")]
        self.condition = self.conditions[0] if self.conditions else None
        text = element.find(STREAM_ERRORS + "text")
        self.text = None if text is None else text.text
        self.more = [e.tag for e in element if not e.tag.startswith(STREAM_ERRORS)]


class XmppStream:
    """One stream, either role. Reading is for one thread; every wait is bounded."""

    def __init__(self, wire):
        self.wire = wire
        self.restart()
        self.is_closed = False   # </stream:stream> has been read
        self.seen = b""          # plaintext received since the last restart
        self.sm_received = None  # stanzas since <enable/>; None: not enabled by the peer

    @classmethod
    def connect(cls, address, source=None):
        return cls(Wire.connect(address, source))

    def restart(self):
        self.parser = ET.XMLPullParser(("start", "end"))
        self.depth = 0
        self.root = None
        self.queue = collections.deque()
        self.seen = b""

    # ---- out ----
    def send(self, data):
        self.wire.send(data)

    def open(self, sender, to, **kwargs):
        self.send(header(sender, to, **kwargs))

    # ---- in ----
    def _parse(self, data):
        self.seen += data
        self.parser.feed(data)
        for event, element in self.parser.read_events():
            if event == "start":
                self.depth += 1
                if self.depth == 1:
                    self.root = element
                    self.queue.append(("header", element))
            else:
                self.depth -= 1
                if self.depth == 0:
                    self.queue.append(("end", None))
                elif self.depth == 1:
                    self.root.remove(element)
                    self.queue.append(("element", element))

    def event(self, timeout=10):
        """("header" | "element", Element), ("end", None) for the closing tag, ("eof" | "reset", None)."""
        while not self.queue:
            try:
                data = self.wire.recv(timeout)
            except TimeoutError:
                raise AssertionError("nothing within %.0f s; so far: %r" % (timeout, self.seen[-500:])) from None
            except OSError:
                return "reset", None
            if not data:
                return "eof", None
            self._parse(data)
        kind, element = self.queue.popleft()
        if kind == "end":
            self.is_closed = True
        return kind, element

    def read_header(self, timeout=10):
        kind, element = self.event(timeout)
        if kind != "header":
            raise StreamEnded("a stream header expected, found: %s %r" % (kind, self.seen[-500:]))
        return element

    def read(self, timeout=10):
        """The next element, a stream error included."""
        kind, element = self.event(timeout)
        if kind != "element":
            raise StreamEnded("an element expected, found: %s %r" % (kind, self.seen[-500:]))
        return element

    def expect(self, tag, timeout=10):
        element = self.read(timeout)
        assert element.tag == tag, "%s expected, found %s" % (tag, ET.tostring(element))
        return element

    def read_error(self, timeout=10, with_header=None):
        """The stream error, the closing tag (which is answered) and the end of the connection, exactly in this order."""
        error = self.read_goodbye(timeout, with_header)
        try:
            self.send("</stream:stream>")
        except OSError:
            pass  # gone already
        self.expect_gone(timeout)
        return error

    def read_goodbye(self, timeout=10, with_header=None):
        """The stream error and the closing tag."""
        kind, element = self.event(timeout)
        if with_header or (with_header is None and kind == "header"):
            assert kind == "header", (kind, self.seen[-500:])
            kind, element = self.event(timeout)
        while kind == "element" and element.tag == STREAM + "features":
            kind, element = self.event(timeout)
        assert kind == "element" and element.tag == STREAM + "error", (kind, self.seen[-800:])
        error = StreamError(element)
        assert len(error.conditions) == 1, ET.tostring(element)
        kind, _ = self.event(timeout)
        assert kind == "end", "no closing tag behind the stream error: %s" % kind
        return error

    def expect_gone(self, timeout=10):
        """Nothing more than the end of the connection."""
        kind, element = self.event(timeout)
        assert kind in ("eof", "reset"), "the connection goes on: %s %r" % (kind, self.seen[-500:])
        return kind

    def start_tls(self, context, server_side=False, hostname=None):
        self.wire.start_tls(context, server_side, hostname)
        self.restart()

    def close(self):
        self.wire.close()

    # ---- stream management ----
    def enable_sm(self):
        self.send(ENABLE)
        self.expect(SM + "enabled")
        return self

    def read_ack(self, timeout=10):
        return int(self.expect(SM + "a", timeout).get("h"))

    def ask_ack(self, timeout=10):
        self.send(ASK)
        return self.read_ack(timeout)

    def wait_ack(self, h, timeout=10):
        """Reads acknowledgements, and nothing else, up to this one."""
        while self.read_ack(timeout) != h:
            pass

    def ack(self, h=None):
        self.send("<a xmlns='urn:xmpp:sm:3' h='%d'/>" % (self.sm_received if h is None else h))

    # ---- the initiator's way in ----
    def to_features(self, local, remote, **kwargs):
        self.open(local, remote, **kwargs)
        self.read_header()
        return self.expect(STREAM + "features")

    def to_tls(self, local, remote, context):
        features = self.to_features(local, remote)
        assert features.find(TLS + "starttls") is not None, ET.tostring(features)
        self.send(STARTTLS)
        self.expect(TLS + "proceed")
        self.start_tls(context, hostname=remote)
        return self

    def to_mechanisms(self, local, remote, context):
        """Up to the offer inside TLS: the mechanisms."""
        self.to_tls(local, remote, context)
        features = self.to_features(local, remote)
        return [m.text for m in features.iter(SASL + "mechanism")]

    def log_in(self, local, remote, context, auth=AUTH):
        """A whole login with EXTERNAL: afterwards stanzas may be sent."""
        mechanisms = self.to_mechanisms(local, remote, context)
        assert mechanisms == ["EXTERNAL"], mechanisms
        self.send(auth)
        self.expect(SASL + "success")
        self.restart()
        self.to_features(local, remote)
        return self


class Stop(Exception):
    """Raised by a script: what it has done was the last thing; the connection stays as it is."""


class Partner:
    """
    A partner's server. What the gateway's users send arrives in `inbox`; send() goes through a stream of our own to the edge.

    `at[STEP] = function(stream, go_on)` takes the place of a step of a stream the edge opens: header, features, proceed, tls,
    header2, mechanisms, success, header3, ready. go_on() does what would have been done.
    `sm`: stream management is offered on those; `acks`: <r/> is answered.
    """
    STEPS = ("header", "features", "proceed", "tls", "header2", "mechanisms", "success", "header3", "ready")

    def __init__(self, domain, certs, leaf, edge, address=("127.0.0.1", 0), reads=True):
        self.domain, self.certs, self.edge = domain, certs, edge
        self.server_context, self.client_context = certs.server(leaf), certs.client(leaf)
        self.inbox = Inbox(domain)   # stanzas
        self.events = Inbox(domain + " streams")  # (what, stream): steps reached, "error:CONDITION", "end", "eof", "reset"
        self.at = {}
        self.sm, self.acks = False, True
        self.streams = []            # opened by the edge
        self.out = {}                # local domain -> stream of ours
        self.lock = threading.Lock()
        self.is_reading = threading.Event()
        if reads:
            self.is_reading.set()
        self.listener = Listener(address, self._serve, "partner-" + domain)
        self.count = 0

    @property
    def port(self):
        return self.listener.port

    # ---- streams the edge opens ----
    def _serve(self, sock, _):
        stream = XmppStream(Wire(sock))
        self.streams.append(stream)
        self.events.put(("connected", stream))
        try:
            self._negotiate(stream)
            self._receive(stream)
        except Stop:
            self._drain(stream)
        except (AssertionError, OSError, ET.ParseError) as e:
            self.events.put(("failed: %s" % e, stream))
        finally:
            stream.close()

    def _step(self, stream, name, go_on):
        self.events.put((name, stream))
        script = self.at.get(name)
        if script is None:
            go_on()
        else:
            script(stream, go_on)

    def _negotiate(self, s):
        local = [None]

        def open_again():
            h = s.read_header()
            local[0] = h.get("from") or local[0]
            s.open(self.domain, local[0], id="s%d" % id(s))

        self._step(s, "header", open_again)
        self._step(s, "features", lambda: s.send(OFFER_TLS))
        s.expect(TLS + "starttls")
        self._step(s, "proceed", lambda: s.send(PROCEED))
        self._step(s, "tls", lambda: s.start_tls(self.server_context, True))
        self._step(s, "header2", open_again)
        self._step(s, "mechanisms", lambda: s.send(OFFER_EXTERNAL))
        s.expect(SASL + "auth")

        def succeed():
            assert local[0] in s.wire.peer_names(), (local[0], s.wire.peer_names())
            s.send(SUCCESS)
            s.restart()
        self._step(s, "success", succeed)
        self._step(s, "header3", open_again)
        self._step(s, "ready", lambda: s.send(OFFER_SM if self.sm else OFFER_NOTHING))

    def _receive(self, s):
        while True:
            self.is_reading.wait()
            if not self._take(s):
                return

    def _drain(self, s):
        """After the end of a script: what the edge still says."""
        while self._take(s):
            pass

    def _take(self, s):
        try:
            kind, element = s.event(60)
        except AssertionError:
            return True  # quiet for a minute
        except ET.ParseError as e:
            self.events.put(("failed: %s" % e, s))
            return False
        if kind == "element" and element.tag == STREAM + "error":
            self.events.put(("error:%s" % StreamError(element).condition, s))
        elif kind == "element" and element.tag.startswith(SM):
            self._take_sm(s, element.tag[len(SM):])
        elif kind == "element":
            s.sm_received = s.sm_received if s.sm_received is None else s.sm_received + 1
            self.inbox.put(element)
        elif kind == "end":
            self.events.put(("end", s))
            try:
                s.send("</stream:stream>")
            except OSError:
                pass
        elif kind != "header":
            self.events.put((kind, s))
            return False
        return True

    def _take_sm(self, s, name):
        self.events.put((name, s))
        if name == "enable":
            s.sm_received = 0
            s.send(ENABLED)
        elif name == "r" and self.acks:
            s.ack()

    def wait_event(self, what, timeout=10, since=0):
        return self.events.wait(lambda e: e[0] == what, timeout, since)

    # ---- streams of ours ----
    def dial(self, local, source=None):
        """A stream that has logged in, for a script to go on with."""
        return XmppStream.connect(self.edge, source).log_in(self.domain, local, self.client_context)

    def stream_to(self, local):
        with self.lock:
            stream = self.out.get(local)
            if stream is None or stream.is_closed:
                stream = self.out[local] = self.dial(local)
                threading.Thread(target=self._drain, args=(stream,), name="partner-out", daemon=True).start()
            return stream

    def send(self, xml, local="corp.example"):
        self.stream_to(local).send(xml)

    def say(self, sender, to, body, **kwargs):
        """One message of a user of ours; its id."""
        self.count += 1
        ident = kwargs.pop("id", "m%d" % self.count)
        self.send(message("%s@%s" % (sender, self.domain), to, body, id=ident, **kwargs), to.split("@")[-1].split("/")[0])
        return ident

    # ---- what has come ----
    def wait_body(self, body, timeout=10, since=0):
        return self.inbox.wait(lambda s: s.get("type") != "error" and child_text(s, "body") == body, timeout, since)

    def wait_error(self, ident, timeout=15, since=0):
        """(condition, type, text) of the error stanza for one of ours."""
        return error_of(self.inbox.wait(lambda s: s.get("type") == "error" and s.get("id") == ident, timeout, since))

    def close(self):
        self.is_reading.set()
        self.listener.close()
        for stream in list(self.out.values()) + self.streams:
            stream.close()
