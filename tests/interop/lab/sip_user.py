"""A SIP user: registers at the lab's Kamailio over UDP or TCP, sends and receives MESSAGE (RFC 3428)."""
import asyncio

from harness.inbox import Inbox
from harness.sipmsg import T1, T2, parse_sip, response_to, split_stream, token


class UdpPort(asyncio.DatagramProtocol):
    is_reliable, via = False, "UDP"

    def __init__(self, user):
        self.user = user
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        if data.strip(b"\r\n\0"):
            self.user.received(parse_sip(data))

    def write(self, data):
        self.transport.sendto(data)

    def close(self):
        self.transport.close()

    def address(self):
        return self.transport.get_extra_info("sockname")


class TcpPort(asyncio.Protocol):
    is_reliable, via = True, "TCP"

    def __init__(self, user):
        self.user, self.buffer = user, b""
        self.transport = None
        self.is_closed = False

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, exc):
        self.is_closed = True
        self.user.lost(exc)

    def data_received(self, data):
        whole, self.buffer = split_stream(self.buffer + data)
        for one in whole:
            self.user.received(parse_sip(one))

    def write(self, data):
        self.transport.write(data)

    def close(self):
        self.transport.close()

    def address(self):
        return self.transport.get_extra_info("sockname")


class SipUser:
    def __init__(self, nsloop, aor, proxy, local, transport="tcp"):
        self.nsloop, self.aor, self.proxy, self.local = nsloop, aor, proxy, local
        self.transport = transport
        self.user, self.domain = aor.split(":", 1)[1].split("@")
        self.inbox = Inbox(aor)  # the MESSAGE requests, each once
        self.answer = 200        # what a MESSAGE is answered with; None: nothing at all
        self.port = None
        self.pending = {}        # branch of the request -> future of the final response
        self.answered = {}       # branch -> response, for retransmissions
        self.cseq = 0
        self.register_id = token()

    # ---- towards the proxy ----
    def register(self, timeout=10):
        self.connect(timeout)
        response = self.nsloop.run(self._request("REGISTER", "sip:" + self.domain, "<%s>" % self.aor, [
            ("Contact", self._contact()), ("Expires", "600")], b"", self.register_id), timeout)
        if response is None or response.status != 200:
            raise AssertionError("%s was not registered: %s" % (self.aor, response and response.start))
        return self

    def connect(self, timeout=10):
        """Opens the way to the proxy; register() does it by itself."""
        self.nsloop.run(self._open(), timeout)

    async def _open(self):
        loop = asyncio.get_running_loop()
        if self.transport == "udp":
            _, self.port = await loop.create_datagram_endpoint(
                lambda: UdpPort(self), local_addr=(self.local, 0), remote_addr=self.proxy)
        else:
            _, self.port = await loop.create_connection(
                lambda: TcpPort(self), *self.proxy, local_addr=(self.local, 0))

    def _contact(self):
        return "<sip:%s@%s:%d;transport=%s>" % ((self.user,) + self.port.address()[:2] + (self.transport,))

    def message(self, to, body, subject=None, lang=None, content_type="text/plain;charset=UTF-8", headers=(),
                timeout=40, sender=None):
        """Sends one MESSAGE; the final response. `sender`: another address of this user than its own."""
        return self.nsloop.run(self._message(to, body, subject, lang, content_type, headers, timeout, sender), timeout + 1)

    async def _message(self, to, body, subject=None, lang=None, content_type="text/plain;charset=UTF-8",
                       headers=(), timeout=40, sender=None):
        extra = list(headers) + [("Content-Type", content_type)]
        if subject is not None:
            extra.append(("Subject", subject))
        if lang is not None:
            extra.append(("Content-Language", lang))
        data = body if isinstance(body, bytes) else body.encode("utf-8")
        response = await self._request("MESSAGE", to, "<%s>" % to, extra, data, token() + "@" + self.local, timeout, sender)
        if response is None:
            raise AssertionError("%s: no final response to MESSAGE %s within %.0f s" % (self.aor, to, timeout))
        return response

    def messages(self, to, bodies, timeout):
        """Sends them one after the other, each after the final response to the one before; the statuses."""
        async def all_of_them():
            return [(await self._message(to, body)).status for body in bodies]
        return self.nsloop.run(all_of_them(), timeout)

    async def _request(self, method, uri, to, extra, body, call_id, timeout=10, sender=None, tag=None):
        self.cseq += 1
        branch = "z9hG4bK" + token()
        lines = ["%s %s SIP/2.0" % (method, uri),
                 "Via: SIP/2.0/%s %s:%d;branch=%s;rport" % ((self.port.via,) + self.port.address()[:2] + (branch,)),
                 "Max-Forwards: 70", "From: <%s>;tag=%s" % (sender or self.aor, tag or token()), "To: " + to,
                 "Call-ID: " + call_id, "CSeq: %d %s" % (self.cseq, method)]
        lines += ["%s: %s" % h for h in extra] + ["Content-Length: %d" % len(body)]
        raw = "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + body
        final = self.pending[branch] = asyncio.get_running_loop().create_future()
        try:
            return await asyncio.wait_for(self._send_until(final, raw), timeout)
        except asyncio.TimeoutError:
            return None
        finally:
            del self.pending[branch]

    async def _send_until(self, final, raw):
        interval = T1
        while True:
            self.port.write(raw)
            if self.port.is_reliable:
                return await final
            try:
                return await asyncio.wait_for(asyncio.shield(final), interval)
            except asyncio.TimeoutError:
                interval = min(interval * 2, T2)

    # ---- from the proxy ----
    def received(self, message):
        branch = message.branch
        if message.is_response:
            future = self.pending.get(branch)
            if message.status >= 200 and future is not None and not future.done():
                future.set_result(message)
        elif branch in self.answered:
            self.port.write(self.answered[branch])
        elif message.method == "MESSAGE":
            self.inbox.put(message)
            if self.answer is not None:
                self._respond(message, branch, self.answer)
        elif message.method == "NOTIFY":
            self._respond(message, branch, self.notified(message), [("Contact", self._contact())])
        elif message.method != "ACK":
            self._respond(message, branch, 405)

    def notified(self, notify):
        """The status of the answer to a NOTIFY; a user that watches nobody knows of no subscription."""
        return 481

    def _respond(self, request, branch, status, headers=()):
        raw = response_to(request, status, headers=headers)
        self.answered[branch] = raw
        self.port.write(raw)

    def lost(self, exc):
        for future in self.pending.values():
            if not future.done():
                future.set_exception(ConnectionError("%s: the proxy closed the connection: %s" % (self.aor, exc)))

    def wait_text(self, text, timeout=10, since=0):
        return self.inbox.wait(lambda m: m.text == text, timeout, since)

    def close(self):
        if self.port is not None:
            self.nsloop.loop.call_soon_threadsafe(self.port.close)
