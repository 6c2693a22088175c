"""
A partner's XMPP server under load, on evloop: it opens a stream to each of our domains and serves those the edge opens, by
TLS and SASL EXTERNAL, with XEP-0198 where it is told to and the other side can. Stanzas are found by their canonical
spelling, without an XML tree. What it knows stays in its log, by message number.

It behaves as Prosody does: queues while it dials, and when a stream with stream management dies, whatever was not
acknowledged goes back to its sender as an error. Without stream management it cannot know, and says nothing.
"""
import collections
import re

from .evloop import Acceptor, Conn
from .xmpp import AUTH, OFFER_EXTERNAL, OFFER_TLS, PROCEED, STARTTLS, SUCCESS, header

SM = "urn:xmpp:sm:3"
ENABLE = b"<enable xmlns='urn:xmpp:sm:3'/>"
ENABLED = b"<enabled xmlns='urn:xmpp:sm:3'/>"
ASK = b"<r xmlns='urn:xmpp:sm:3'/>"
OFFER_SM = "<stream:features><sm xmlns='urn:xmpp:sm:3'/></stream:features>"
OFFER_NOTHING = "<stream:features/>"

TOP = re.compile(rb"<(message|presence|iq)\b[^>]*?(?:/>|(?<!/)>.*?</\1>)|<(r|a|enabled|enable|failed)\b[^>]*?(?:/>|>.*?</\2>)"
                 rb"|<stream:error\b.*?</stream:error>|</stream:stream>", re.S)
ROOT = re.compile(rb"<stream:stream\b[^>]*>")
FEATURES = re.compile(rb"<stream:features\s*/>|<stream:features\b.*?</stream:features>", re.S)
NUMBER = re.compile(rb"<body>([xs])(\d+) ")
IDENT = re.compile(rb"\sid=['\"]x(\d+)['\"]")
IS_ERROR = re.compile(rb"^<\w+[^>]*\stype=['\"]error['\"]")
H = re.compile(rb"\sh=['\"](\d+)['\"]")
CONDITION = re.compile(rb"<([a-z-]+) xmlns=['\"]urn:ietf:params:xml:ns:xmpp-stanzas['\"]")
TEXT = re.compile(rb"<text\b[^>]*>(.*?)</text>", re.S)
FROM = re.compile(rb"\sfrom=['\"]([^'\"]*)['\"]")


class PartnerLog:
    """Everything the oracle may know of this side. Times are the loop's."""

    def __init__(self):
        self.handed = {}    # number -> when its user handed it in
        self.written = {}   # number -> (stream, index on it, when)
        self.errors = collections.defaultdict(list)  # number -> [(when, condition, text)]
        self.bounced = {}   # number -> (when, why): an error this server made itself
        self.received = collections.defaultdict(list)  # number -> [(when, stream)]
        self.order = []     # numbers as they came
        self.ends = {}      # stream -> (when, how)
        self.acked = set()  # numbers the edge has acknowledged
        self.strange = []   # what it could not make sense of
        self.sm_streams = 0


class Stream:
    """What the two roles have in common: a number, a buffer, and steps that wait for a pattern."""

    def __init__(self, partner, name):
        self.partner, self.name = partner, name
        self.buffer = b""
        self.step = None     # (pattern, function(match)) or None: stanzas
        self.conn = None
        self.has_sm = False  # what comes and what goes is counted
        self.handled = 0
        self.is_ready = False

    def wait(self, pattern, go_on):
        self.step = (pattern, go_on)
        self._feed(b"")

    def on_data(self, data):
        self._feed(data)

    def _feed(self, data):
        self.buffer += data
        while self.step is not None and self.conn.is_open:
            pattern, go_on = self.step
            m = pattern.search(self.buffer)
            if m is None:
                if b"<stream:error" in self.buffer or b"</stream:stream>" in self.buffer:
                    self.end("closed: %s" % self.buffer[-300:].decode("utf-8", "replace"))
                return
            self.buffer, self.step = self.buffer[m.end():], None
            go_on(m)
        if self.is_ready and self.conn.is_open:
            self._stanzas()

    def _stanzas(self):
        at = 0
        for m in TOP.finditer(self.buffer):
            at = m.end()
            self.take(m)
            if not self.conn.is_open:
                return
        self.buffer = self.buffer[at:]

    def take(self, m):
        raw, sm = m.group(0), m.group(2)
        if m.group(1):
            self.handled += 1
            self.partner.take_stanza(self, raw)
        elif sm == b"r":
            self.conn.send(b"<a xmlns='%s' h='%d'/>" % (SM.encode(), self.handled))
        elif sm == b"a":
            self.take_ack(int(H.search(raw).group(1)))
        elif sm == b"enable":
            self.partner.log.sm_streams += 1
            self.has_sm, self.handled = True, 0
            self.conn.send(ENABLED)
        elif sm == b"enabled":
            self.partner.log.sm_streams += 1
            self.handled = 0
        elif sm == b"failed":
            self.no_sm()
        else:
            self.conn.send(b"</stream:stream>")
            self.end("closed: %s" % raw.decode("utf-8", "replace"))

    def take_ack(self, h):
        self.partner.log.strange.append("%s: <a h='%d'/>" % (self.name, h))

    def no_sm(self):
        self.partner.log.strange.append("%s: <failed/>" % self.name)

    def end(self, how):
        self.conn.close()
        self.on_end(how)

    def on_end(self, how):
        self.partner.log.ends[self.name] = (self.partner.loop.now(), how)
        self.partner.ended(self)


class Incoming(Stream):
    """Opened by the edge."""

    def __init__(self, partner, sock, name):
        super().__init__(partner, name)
        self.conn = Conn(partner.loop, sock, self.on_data, self.on_end)
        self.peer = None
        self.wait(ROOT, self._header)

    def _open(self, features):
        m = FROM.search(self.root)
        self.peer = m.group(1).decode() if m else self.peer
        self.conn.send((header(self.partner.domain, self.peer, id=self.name) + features).encode())

    def _header(self, m):
        self.root = m.group(0)
        self._open(OFFER_TLS)
        self.wait(re.compile(rb"<starttls\b[^>]*>"), self._starttls)

    def _starttls(self, _):
        self.conn.send(PROCEED.encode())
        self.conn.start_tls(self.partner.server_context, True, None, lambda: self.wait(ROOT, self._header2))

    def _header2(self, m):
        self.root = m.group(0)
        self._open(OFFER_EXTERNAL)
        self.wait(re.compile(rb"<auth\b[^>]*>.*?</auth>", re.S), self._auth)

    def _auth(self, _):
        names = [v for k, v in (self.conn.tls.getpeercert() or {}).get("subjectAltName", ()) if k == "DNS"]
        if self.peer not in names:
            self.partner.log.strange.append("%s: the certificate of %s names %s" % (self.name, self.peer, names))
        self.conn.send(SUCCESS.encode())
        self.wait(ROOT, self._ready)

    def _ready(self, m):
        self.root = m.group(0)
        self._open(OFFER_SM if self.partner.sm else OFFER_NOTHING)
        self.is_ready = True


class Outgoing(Stream):
    """Opened by us, to one of the domains behind the edge."""

    def __init__(self, partner, local, name):
        super().__init__(partner, name)
        self.local = local
        self.index = 0
        self.unacked = collections.deque()  # (number, bytes)
        self.acked = 0
        self.is_asking = False
        self.asked = None    # what was written and acknowledged at the last question
        self.conn = Conn.connect(partner.loop, partner.edge, self._connected, self.on_data, self.on_end)

    def _open(self, go_on):
        self.conn.send(header(self.partner.domain, self.local).encode())
        self.wait(ROOT, lambda _: self.wait(FEATURES, go_on))

    def _connected(self):
        self._open(self._features)

    def _features(self, _):
        self.conn.send(STARTTLS.encode())
        self.wait(re.compile(rb"<proceed\b[^>]*>"), lambda _: self.conn.start_tls(
            self.partner.client_context, False, self.local, lambda: self._open(self._mechanisms)))

    def _mechanisms(self, _):
        self.conn.send(AUTH.encode())
        self.wait(re.compile(rb"<success\b[^>]*>"), lambda _: self._open(self._done))

    def _done(self, features):
        self.is_ready = True
        if self.partner.sm and SM.encode() in features.group(0):
            self.has_sm = True
            self.conn.send(ENABLE)
        self.partner.is_up(self)

    def write(self, items):
        now, log = self.partner.loop.now(), self.partner.log
        for number, _ in items:
            if number is not None:
                log.written[number] = (self.name, self.index, now)
            self.index += 1
        if self.has_sm:
            self.unacked.extend(number for number, _ in items)
        more = self.question() if self.has_sm and not self.is_asking else b""
        self.conn.send(b"".join(raw for _, raw in items) + more)

    def question(self):
        self.is_asking, self.asked = True, (self.index, self.acked)
        return ASK

    def take_ack(self, h):
        self.is_asking = False
        while self.acked < h and self.unacked:
            number = self.unacked.popleft()
            if number is not None:
                self.partner.log.acked.add(number)
            self.acked += 1
        if self.acked != h:
            self.partner.log.strange.append("%s: h='%d', %d were sent" % (self.name, h, self.acked))
        if self.unacked and self.asked != (self.index, self.acked):  # as Prosody: the same question again would go in circles
            self.conn.send(self.question())

    def no_sm(self):
        self.has_sm = False
        self.unacked.clear()


class EvPartner:
    REDIAL = 0.5
    GIVES_UP = 60.0  # on what waits for a stream

    def __init__(self, loop, domain, certs, leaf, edge, sm, address=("127.0.0.1", 0)):
        self.loop, self.domain, self.edge, self.sm = loop, domain, edge, sm
        self.server_context, self.client_context = certs.server(leaf), certs.client(leaf)
        self.log = PartnerLog()
        self.out = {}      # local domain -> Outgoing
        self.waiting = collections.defaultdict(collections.deque)  # local domain -> (number, bytes)
        self.redials = {}  # local domain -> timer
        self.count = 0
        self.is_closed = False
        self.incoming = set()
        self.presence = None  # evpresence.XmppPresence: takes presence stanzas
        self.acceptor = Acceptor(loop, address, self._accept)

    @property
    def port(self):
        return self.acceptor.address[1]

    def _name(self, prefix):
        self.count += 1
        return "%s%d" % (prefix, self.count)

    def _accept(self, sock):
        self.incoming.add(Incoming(self, sock, self._name("in")))

    # ---- out ----
    def hand_in(self, local, items):
        """Messages of our users, as (number, bytes), for one domain behind the edge; presence has the number None."""
        now = self.loop.now()
        for number, _ in items:
            if number is None:
                continue
            self.log.handed[number] = now
            self.loop.after(self.GIVES_UP, lambda n=number: self._give_up(local, n))
        stream = self.out.get(local)
        if stream is not None and stream.is_ready:
            stream.write(items)
            return
        self.waiting[local].extend(items)
        if stream is None and local not in self.redials:
            self._dial(local)

    def _give_up(self, local, number):
        waiting = self.waiting[local]
        if any(n == number for n, _ in waiting):
            self.waiting[local] = collections.deque(i for i in waiting if i[0] != number)
            self.log.bounced[number] = (self.loop.now(), "no stream")

    def _dial(self, local):
        self.redials.pop(local, None)
        if not self.is_closed:
            self.out[local] = Outgoing(self, local, self._name("out"))

    def is_up(self, stream):
        items, self.waiting[stream.local] = list(self.waiting[stream.local]), collections.deque()
        if items:
            stream.write(items)

    def ended(self, stream):
        if isinstance(stream, Incoming):
            self.incoming.discard(stream)
            return
        if self.out.get(stream.local) is stream:
            del self.out[stream.local]
        for number in filter(None, stream.unacked):
            self.log.bounced[number] = (self.loop.now(), "not acknowledged")
        stream.unacked.clear()
        if not stream.is_ready:  # it could not be opened: nobody is told of presence that waited for it
            self.waiting[stream.local] = collections.deque(i for i in self.waiting[stream.local] if i[0] is not None)
        if self.waiting[stream.local] and stream.local not in self.redials and not self.is_closed:
            self.redials[stream.local] = self.loop.after(self.REDIAL, lambda: self._dial(stream.local))

    # ---- in ----
    def take_stanza(self, stream, raw):
        now = self.loop.now()
        if self.presence is not None and raw.startswith(b"<presence"):
            self.presence.take(raw)
            return
        if IS_ERROR.match(raw):
            m = IDENT.search(raw[:raw.find(b">")])
            condition, text = CONDITION.search(raw), TEXT.search(raw)
            if m is None:
                self.log.strange.append(raw.decode("utf-8", "replace"))
                return
            self.log.errors[int(m.group(1))].append((now, condition.group(1).decode() if condition else "", text.group(1).decode() if text else ""))
            return
        m = NUMBER.search(raw)
        if m is None or m.group(1) != b"s":
            self.log.strange.append(raw.decode("utf-8", "replace"))
            return
        number = int(m.group(2))
        self.log.received[number].append((now, stream.name))
        self.log.order.append(number)

    def close(self):
        self.is_closed = True
        self.acceptor.close()
        for stream in list(self.out.values()) + list(self.incoming):
            stream.conn.close()
