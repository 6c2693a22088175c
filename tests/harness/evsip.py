"""
A SIP server with its users under load, on evloop: a user agent server for what the gateway sends (answers by plan, late, and
told from their retransmissions by branch), and a user agent client (RFC 3261 section 17.1.2: retransmissions on UDP, Timer F,
a lost connection fails its transactions). What it knows stays in its log, by message number.
"""
import collections
import itertools
import re
import socket

from .evloop import READ, Acceptor, Conn
from .sipmsg import T1, T2

TIMER_F = 64 * T1
ABSORBS = 5.0  # seconds for which a SIP server (Kamailio) still knows a repetition over UDP by its branch when it has answered
BRANCH = re.compile(rb"branch=([^;,\s]+)")
CALL_ID = re.compile(rb"(?im)^(?:call-id|i)[ \t]*:[ \t]*(\S+)")
LENGTH = re.compile(rb"(?im)^(?:content-length|l)[ \t]*:[ \t]*(\d+)")
COPIED = re.compile(rb"(?im)^(?:via|v|from|f|call-id|i|cseq)[ \t]*:[^\r]*\r\n")
TO = re.compile(rb"(?im)^(?:to|t)[ \t]*:[^\r]*")
NUMBER = re.compile(rb"\r\n\r\n([xs])(\d+) ")
FROM_URI = re.compile(rb"(?im)^(?:from|f)[ \t]*:[^\r]*?sips?:([^>;\r]*)")
TO_URI = re.compile(rb"(?im)^(?:to|t)[ \t]*:[^\r]*?sips?:([^>;\r]*)")
REASON_TEXT = re.compile(rb"(?im)^(?:warning|reason|x-xfed-reason)[ \t]*:[ \t]*([^\r]*)")

Request = collections.namedtuple("Request", "number raw branch sender recipient")  # number None: `recipient` is called with its outcome


class SipLog:
    def __init__(self):
        self.handed = {}    # number -> when its user handed it in
        self.sent = {}      # number -> when it went out first
        self.finals = collections.defaultdict(list)  # number -> [(when, status, line)]
        self.local = {}     # number -> (when, 408 | 503): made here
        self.received = collections.defaultdict(list)  # number -> [(when, branch, call_id)]; no retransmissions
        self.answers = {}   # number -> status, decided when it came
        self.answered = {}  # number -> when the answer went out
        self.order = []     # numbers as they came
        self.notes = []     # (when, contact, user, text): messages without a number, what the gateway tells users by itself
        self.strange = []


def split(buffer):
    """Whole messages at the beginning of what a stream has brought, and what is left."""
    whole = []
    while True:
        buffer = buffer.lstrip(b"\r\n")
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return whole, buffer
        m = LENGTH.search(buffer, 0, end)
        size = end + 4 + (int(m.group(1)) if m else 0)
        if len(buffer) < size:
            return whole, buffer
        whole.append(buffer[:size])
        buffer = buffer[size:]


class Transaction:
    """Of a client."""

    def __init__(self, sip, request, flow):
        self.sip, self.request, self.flow = sip, request, flow
        self.interval = T1
        self.is_proceeding = False
        self.again = sip.loop.after(T1, self._retransmit) if flow is None else None
        self.timer_f = sip.loop.after(TIMER_F, lambda: sip.fail(self, 408))
        self.write()

    def write(self):
        if self.flow is None:
            self.sip.send_udp(self.request.raw, self.sip.gateway)
        else:
            self.flow.conn.send(self.request.raw)

    def _retransmit(self):
        self.interval = T2 if self.is_proceeding else min(2 * self.interval, T2)
        self.again = self.sip.loop.after(self.interval, self._retransmit)
        self.write()

    def stop(self):
        self.timer_f.cancel()
        if self.again:
            self.again.cancel()


class Flow:
    """A TCP connection of the client: queues until it is there."""

    def __init__(self, sip):
        self.sip = sip
        self.buffer = b""
        self.waiting = collections.deque()
        self.conn = None
        self.is_up = False
        self.dial()

    def dial(self):
        if not self.sip.is_closed:
            self.conn = Conn.connect(self.sip.loop, self.sip.gateway, self._connected, self._data, self._end)

    def _connected(self):
        self.is_up = True
        while self.waiting:
            self.sip.begin(self.waiting.popleft(), self)

    def _data(self, data):
        whole, self.buffer = split(self.buffer + data)
        for raw in whole:
            self.sip.take(raw, self.conn.send, False)

    def _end(self, _):
        self.is_up, self.buffer = False, b""
        self.sip.lost(self)
        self.sip.loop.after(0.3, self.dial)


class EvSip:
    """
    `plan(number)` -> (status, seconds until it is sent) for what is received. With transport "udp" a user has one request
    outstanding per recipient (RFC 3428 section 8); over "tcp" it is a trunk that pipelines, on `flows` connections.
    """

    def __init__(self, loop, domain, transport, gateway, plan, flows=1, gives_up=30.0, address=("127.0.0.1", 0)):
        self.loop, self.domain, self.transport, self.gateway, self.plan = loop, domain, transport, gateway, plan
        self.gives_up = gives_up
        self.log = SipLog()
        self.is_closed = False
        self.acceptor = Acceptor(loop, address, self._accept)
        self.port = self.acceptor.address[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        self.udp.bind(self.acceptor.address)
        self.udp.setblocking(False)
        loop.watch(self.udp, READ, self._read_udp)
        self.answered = {}      # branch -> response, None until it is answered
        self.last_copy = {}     # branch -> when it came last, or was answered
        self.absorbs = ABSORBS  # Timer J where datagrams are lost on purpose
        self.transactions = {}  # branch -> Transaction
        self.pairs = {}         # (sender, recipient) -> what waits behind the one outstanding
        self.conns = set()
        self.flow_count = flows
        self.flows = []
        self.numbers = itertools.count(1)
        self.presence = None    # evpresence.SipPresence: takes what is no MESSAGE

    # ---- server ----
    def _accept(self, sock):
        state = {"buffer": b""}

        def data(more):
            whole, state["buffer"] = split(state["buffer"] + more)
            for raw in whole:
                self.take(raw, conn.send, False)
        conn = Conn(self.loop, sock, data, lambda _: self.conns.discard(conn))
        self.conns.add(conn)

    def send_udp(self, data, to):
        try:
            self.udp.sendto(data, to)
        except OSError:
            pass  # a datagram may be lost

    def _read_udp(self, _):
        for _ in range(256):
            try:
                data, sender = self.udp.recvfrom(65536)
            except OSError:
                return
            if data.strip(b"\r\n\0"):
                self.take(data, lambda raw, to=sender: self.send_udp(raw, to), True)

    def _is_retransmission(self, branch, is_udp):
        """What a server absorbs: over UDP, as long as copies keep coming. Nothing is repeated over TCP (RFC 3261 section 17.1.2.2)."""
        now, last = self.loop.now(), self.last_copy.get(branch)
        self.last_copy[branch] = now
        is_known = branch in self.answered and (self.answered[branch] is None or now - last < self.absorbs)
        return is_udp and is_known

    def take(self, raw, reply, is_udp):
        branch = BRANCH.search(raw)
        branch = branch.group(1) if branch else b""
        if raw.startswith(b"SIP/2.0 "):
            self._response(raw, branch)
            return
        if self._is_retransmission(branch, is_udp):
            if self.answered[branch] is not None:
                reply(self.answered[branch])
            return
        self.answered[branch] = None
        if self.presence is not None and not raw.startswith(b"MESSAGE "):
            self.presence.take(raw, lambda status, headers=b"", tag=None: self._answer(raw, branch, status, reply, None, headers, tag))
            return
        m = NUMBER.search(raw)
        if not raw.startswith(b"MESSAGE ") or m is None or m.group(1) != b"x":
            addresses = [a.search(raw).group(1).decode() if a.search(raw) else "" for a in (FROM_URI, TO_URI)]
            self.log.notes.append((self.loop.now(), *addresses, raw[raw.find(b"\r\n\r\n") + 4:].decode("utf-8", "replace")))
            self._answer(raw, branch, 200, reply)
            return
        number = int(m.group(2))
        call_id = CALL_ID.search(raw)
        self.log.received[number].append((self.loop.now(), branch.decode(), call_id.group(1).decode() if call_id else ""))
        self.log.order.append(number)
        status, seconds = self.plan(number)
        self.log.answers[number] = status
        if seconds:
            self.loop.after(seconds, lambda: self._answer(raw, branch, status, reply, number))
        else:
            self._answer(raw, branch, status, reply, number)

    def _answer(self, raw, branch, status, reply, number=None, headers=b"", tag=None, body=b""):
        to = TO.search(raw).group(0)
        if b";tag=" not in to:
            to += b";tag=%s" % (tag.encode() if tag else b"u%d" % next(self.numbers))
        response = (b"SIP/2.0 %d Answer\r\n" % status + b"".join(COPIED.findall(raw[:raw.find(b"\r\n\r\n") + 2])) + to +
                    b"\r\n" + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.answered[branch] = response
        self.last_copy[branch] = self.loop.now()
        if number is not None:
            self.log.answered[number] = self.loop.now()
        if not self.is_closed:
            reply(response)

    # ---- client ----
    def request(self, number, sender, recipient, body):
        branch = "z9hG4bKu-%s-%d" % (self.domain.split(".")[0], number)
        data = ("s%d %s" % (number, body)).encode("utf-8")
        uri = "sip:" + recipient
        raw = ("MESSAGE %s SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1:%d;branch=%s;rport\r\nMax-Forwards: 70\r\nFrom: <sip:%s>;tag=t%d\r\n"
               "To: <%s>\r\nCall-ID: c%d@%s\r\nCSeq: %d MESSAGE\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: %d\r\n\r\n" % (
                   uri, self.transport.upper(), self.port, branch, sender, number, uri, number, self.domain, number, len(data)))
        return Request(number, raw.encode("utf-8") + data, branch.encode(), sender, recipient)

    def hand_in(self, request):
        self.log.handed[request.number] = self.loop.now()
        pair = (request.sender, request.recipient)
        if self.transport == "udp":
            if pair in self.pairs:
                self.pairs[pair].append(request)
                return
            self.pairs[pair] = collections.deque()
            self.begin(request, None)
            return
        self._over_tcp(request)

    def _over_tcp(self, request):
        if not self.flows:
            self.flows = [Flow(self) for _ in range(self.flow_count)]
        flow = self.flows[sum(request.sender.encode()) % len(self.flows)]  # a sender's stay in order
        if flow.is_up:
            self.begin(request, flow)
        else:
            flow.waiting.append(request)
            self.loop.after(self.gives_up, lambda: self._give_up(flow, request))

    def ask(self, branch, raw, sender, on_final):
        """A request that is no message: on_final(status, response) once, of an answer or, with None, of our own 408 or 503."""
        request = Request(None, raw, branch, sender, on_final)
        if self.transport == "udp":
            self.begin(request, None)
        else:
            self._over_tcp(request)

    def _give_up(self, flow, request):
        if request in flow.waiting:
            flow.waiting.remove(request)
            self._made_up(request, 503)

    def _made_up(self, request, status):
        if request.number is None:
            request.recipient(status, None)
        else:
            self.log.local[request.number] = (self.loop.now(), status)

    def begin(self, request, flow):
        if request.number is not None:
            self.log.sent[request.number] = self.loop.now()
        self.transactions[request.branch] = Transaction(self, request, flow)

    def _response(self, raw, branch):
        line = raw[:raw.find(b"\r\n")].decode("utf-8", "replace")
        status = int(line.split(" ", 2)[1])
        number = self._number(branch)
        t = self.transactions.get(branch)
        if t is not None and t.request.number is None and status >= 200:
            self._done(t)
            t.request.recipient(status, raw)
            return
        if status < 200:
            if t is not None:
                t.is_proceeding = True
            return
        if number is None:
            if not branch.startswith(b"z9hG4bKp"):  # else the answer to a repetition, or one that comes too late
                self.log.strange.append(line)
            return
        reason = REASON_TEXT.search(raw)
        self.log.finals[number].append((self.loop.now(), status, line + (" | " + reason.group(1).decode() if reason else "")))
        if t is not None:
            self._done(t)

    @staticmethod
    def _number(branch):
        m = re.search(rb"(\d+)$", branch)
        return int(m.group(1)) if m else None

    def _done(self, t):
        t.stop()
        self.transactions.pop(t.request.branch, None)
        pair = (t.request.sender, t.request.recipient)
        if self.transport != "udp" or t.request.number is None:
            return
        if self.pairs[pair]:
            self.begin(self.pairs[pair].popleft(), None)
        else:
            del self.pairs[pair]

    def fail(self, t, status):
        self._done(t)
        self._made_up(t.request, status)

    def lost(self, flow):
        for t in [t for t in self.transactions.values() if t.flow is flow]:
            self.fail(t, 503)

    def close(self):
        self.is_closed = True
        self.acceptor.close()
        self.loop.watch(self.udp, 0, None)
        self.udp.close()
        for t in self.transactions.values():
            t.stop()
        for conn in list(self.conns) + [f.conn for f in self.flows]:
            conn.close()
