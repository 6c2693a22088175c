"""
A SIP server and user in one, on UDP, TCP and TLS at one port: it is the gateway's next hop, answers MESSAGE as told, and
sends requests or raw bytes to the gateway (RFC 3261, RFC 3428).
"""
import queue
import socket
import ssl
import threading
import time

from .inbox import Inbox
from .patience import patience
from .sipmsg import T1, T2, parse_sip, response_to, split_stream, token
from .wire import Listener, Wire


class Flow:
    """A connection of ours to the gateway, or one it opened: whole messages in, bytes out."""

    def __init__(self, user, wire, transport):
        self.user, self.wire, self.transport = user, wire, transport
        self.inbox = Inbox("%s %s" % (user.name, transport))  # responses and requests, as they came
        self.is_open = True

    @property
    def local(self):
        return self.wire.sock.getsockname()[:2]

    def send(self, data):
        self.wire.send(data)

    def run(self):
        buffer = b""
        try:
            while True:
                try:
                    data = self.wire.recv(60)
                except TimeoutError:
                    continue
                if not data:
                    return
                whole, buffer = split_stream(buffer + data)
                for raw in whole:
                    self.user.received(parse_sip(raw), self)
        except (OSError, ssl.SSLError):
            return
        finally:
            self.is_open = False
            self.inbox.put(None)  # the end
            self.wire.close()

    def wait_end(self, timeout=10):
        """The gateway has closed it."""
        return self.inbox.wait(lambda m: m is None, timeout)

    def close(self):
        self.wire.close()


class UdpFlow:
    transport, is_open = "udp", True

    def __init__(self, user, sock, peer):
        self.user, self.sock, self.peer = user, sock, peer
        self.inbox = Inbox("%s udp" % user.name)

    @property
    def local(self):
        return self.sock.getsockname()[:2]

    def send(self, data):
        self.sock.sendto(data, self.peer)


class SipUser:
    def __init__(self, domain, address="127.0.0.1", port=0, certs=None, leaf=None):
        """With a leaf the port speaks TLS, without one TCP; UDP in any case."""
        self.name, self.domain, self.address = domain, domain, address
        self.certs, self.leaf = certs, leaf
        self.inbox = Inbox(domain)     # requests of the gateway, each once, without those of `asked`
        self.said = Inbox(domain + " MESSAGE")   # what people say alone: presence of other files' contacts comes when it likes
        self.asked = Inbox(domain + " OPTIONS")  # by which it asks whether the server is there, at times of its own
        self.raw = Inbox(domain + " all")  # every request, repeats too: (message, flow)
        self.answer = 200              # status, function(message) -> status or (status, headers), or None: silence
        self.answered = {}             # branch -> response
        self.held = {}                 # branch -> flow, where silence was the answer
        self.pending = {}              # branch -> queue of responses
        self.stray = Inbox(domain + " stray responses")
        self.cseq = 0
        self.lock = threading.Lock()
        self.flows = {}
        self.listener = Listener((address, port), self._serve, "sip-" + domain)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((address, self.listener.port))
        self.is_closed = False
        self.udp_thread = threading.Thread(target=self._run_udp, name="sip-udp", daemon=True)
        self.udp_thread.start()

    @property
    def port(self):
        return self.listener.port

    # ---- in ----
    def _serve(self, sock, _):
        wire = Wire(sock)
        if self.leaf:
            try:
                wire.start_tls(self.certs.server(self.leaf), True)
            except (OSError, ssl.SSLError):
                return
        Flow(self, wire, "tls" if self.leaf else "tcp").run()

    def _run_udp(self):
        while not self.is_closed:
            try:
                data, sender = self.udp.recvfrom(65536)
            except OSError:
                return
            if data.strip(b"\r\n\0") and not self.is_closed:
                self.received(parse_sip(data), self._udp_flow(sender))

    def _udp_flow(self, peer):
        with self.lock:
            return self.flows.setdefault(("udp", peer), UdpFlow(self, self.udp, peer))

    def received(self, message, flow):
        flow.inbox.put(message)
        if message.is_response:
            waiting = self.pending.get(message.branch)
            if waiting is not None:
                waiting.put(message)
            else:
                self.stray.put(message)
            return
        self.raw.put((message, flow))
        with self.lock:
            old = self.answered.get(message.branch)
            is_new = old is None and message.branch not in self.held
            if is_new:
                self.held[message.branch] = flow
        if old is not None:
            flow.send(old)
            return
        if not is_new or message.method == "ACK":
            return
        if message.method == "MESSAGE":
            self.said.put(message)
        (self.asked if message.method == "OPTIONS" else self.inbox).put(message)
        answer = self.answer(message) if callable(self.answer) else self.answer
        if answer is not None:
            self.respond(message, answer)

    def respond(self, message, answer=200):
        """Answers a request, now or later."""
        status, headers = answer if isinstance(answer, tuple) else (answer, ())
        raw = response_to(message, status, headers=headers)
        with self.lock:
            flow = self.held.get(message.branch)
            if status >= 200:
                self.answered[message.branch] = raw
        flow.send(raw)

    def wait_text(self, text, timeout=10, since=0):
        return self.inbox.wait(lambda m: m.text == text, timeout, since)

    # ---- out ----
    def dial(self, gateway, transport="tcp", context=None, hostname=None, source=None):
        """A flow to the gateway. For TLS: a context, and the name to ask for (None: not checked)."""
        if transport == "udp":
            if source:
                raise ValueError("UDP leaves from the user's own port")
            return self._udp_flow(gateway)
        wire = Wire.connect(gateway, source or self.address)
        if transport == "tls":
            wire.start_tls(context, hostname=hostname)
        flow = Flow(self, wire, transport)
        threading.Thread(target=flow.run, name="sip-flow", daemon=True).start()
        return flow

    def request(self, flow, method, uri, to=None, sender=None, body=b"", headers=(), branch=None, call_id=None, cseq=None,
                max_forwards="70", content_type=None):
        """The bytes of a request, and its branch."""
        with self.lock:
            self.cseq += 1
            number = cseq or self.cseq
        branch = branch or "z9hG4bK" + token()
        data = body if isinstance(body, bytes) else body.encode("utf-8")
        sender = sender or "sip:user@" + self.domain
        lines = ["%s %s SIP/2.0" % (method, uri),
                 "Via: SIP/2.0/%s %s:%d;branch=%s;rport" % ((flow.transport.upper(),) + flow.local + (branch,)),
                 "Max-Forwards: " + max_forwards, "From: <%s>;tag=%s" % (sender, token()), "To: <%s>" % (to or uri),
                 "Call-ID: " + (call_id or token() + "@harness"), "CSeq: %d %s" % (number, method)]
        if content_type is not None:
            lines.append("Content-Type: " + content_type)
        lines += ["%s: %s" % h for h in headers] + ["Content-Length: %d" % len(data)]
        return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + data, branch

    def ask(self, flow, raw, branch, timeout=20):
        """Sends a request as a client transaction does; the final response, or None when there is none in time."""
        waiting = self.pending[branch] = queue.Queue()
        deadline = time.monotonic() + patience(timeout)
        interval = T1
        try:
            flow.send(raw)
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                try:
                    message = waiting.get(timeout=min(interval, left) if flow.transport == "udp" else left)
                except queue.Empty:
                    if flow.transport == "udp" and time.monotonic() < deadline:
                        flow.send(raw)
                        interval = min(2 * interval, T2)
                    continue
                if message.status >= 200:
                    return message
        finally:
            del self.pending[branch]

    def message(self, flow, to, body, subject=None, lang=None, content_type="text/plain;charset=UTF-8", headers=(), timeout=20,
                **kwargs):
        """Sends one MESSAGE; the final response."""
        extra = list(headers)
        if subject is not None:
            extra.append(("Subject", subject))
        if lang is not None:
            extra.append(("Content-Language", lang))
        raw, branch = self.request(flow, "MESSAGE", to, body=body, headers=extra, content_type=content_type, **kwargs)
        response = self.ask(flow, raw, branch, timeout)
        assert response is not None, "no final response to MESSAGE %s within %.0f s" % (to, timeout)
        return response

    def close(self):
        self.is_closed = True
        self.listener.close()
        try:
            self.udp.sendto(b"\r\n", self.udp.getsockname())  # wakes its thread
        except OSError:
            pass
        self.udp_thread.join(5)
        self.udp.close()
