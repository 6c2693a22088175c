"""
One thread for many peers: sockets, TLS and timers by callback. What carries load is written on this, so that a thousand
messages each way cost the script less than they cost the daemons; tests that follow one conversation use Wire instead.
"""
import heapq
import itertools
import selectors
import socket
import ssl
import struct
import time

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
RECEIVE = 256 * 1024
RST = struct.pack("ii", 1, 0)


class Timer:
    __slots__ = ("call",)

    def __init__(self, call):
        self.call = call

    def cancel(self):
        self.call = None


class Loop:
    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.timers = []
        self.numbers = itertools.count()

    @staticmethod
    def now():
        return time.monotonic()

    def after(self, seconds, call):
        """Calls once, in `seconds`; the answer can be cancelled."""
        timer = Timer(call)
        heapq.heappush(self.timers, (time.monotonic() + seconds, next(self.numbers), timer))
        return timer

    def watch(self, sock, events, call):
        """call(events) whenever there is something; events 0 ends it."""
        fd = sock.fileno()
        known = self.selector.get_map().get(fd) if fd >= 0 else None
        if events == 0:
            if known is not None:
                self.selector.unregister(sock)
        elif known is None:
            self.selector.register(sock, events, call)
        elif known.events != events or known.data is not call:
            self.selector.modify(sock, events, call)

    def _fire(self):
        now = time.monotonic()
        while self.timers and self.timers[0][0] <= now:
            call, _ = heapq.heappop(self.timers)[2].call, None
            if call is not None:
                call()

    def step(self, longest):
        left = self.timers[0][0] - time.monotonic() if self.timers else longest
        for key, events in self.selector.select(max(0, min(left, longest))):
            if self.selector.get_map().get(key.fd) is key:  # not closed by one before it
                key.data(events)
        self._fire()

    def run(self, is_done, timeout):
        """Until is_done(), asked every 50 ms at least, or for `timeout` seconds; whether it came to be."""
        deadline = time.monotonic() + timeout
        while not is_done():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.step(min(left, 0.05))
        return True


class Conn:
    """
    A TCP connection, in the clear or inside TLS. on_data(bytes) for what comes; on_end(how) once: "eof", "reset", "refused",
    "tls: WORDS"; not for a close() of ours.
    """

    def __init__(self, loop, sock, on_data, on_end, connecting=False):
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.loop, self.sock, self.on_data, self.on_end = loop, sock, on_data, on_end
        self.out = bytearray()
        self.tls = self.incoming = self.outgoing = self.on_tls = None
        self.is_connecting, self.is_open = connecting, True
        self.on_connect = None
        self._watch()

    @classmethod
    def connect(cls, loop, address, on_connect, on_data, on_end, source=None):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        if source:
            sock.bind(source)
        sock.connect_ex(address)
        conn = cls(loop, sock, on_data, on_end, True)
        conn.on_connect = on_connect
        return conn

    def _watch(self):
        self.loop.watch(self.sock, READ | (WRITE if self.out or self.is_connecting else 0), self._ready)

    def _ready(self, events):
        if self.is_connecting:
            if self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._end("refused")
                return
            if not events & WRITE:
                return
            self.is_connecting = False
            self._watch()
            self.on_connect()
            return
        if events & WRITE and self.out:
            self._write()
        if events & READ and self.is_open:
            self._read()

    def _write(self):
        try:
            del self.out[:self.sock.send(self.out)]
        except BlockingIOError:
            pass
        except OSError:
            pass  # what has come is still read, and then tells of the end
            self.out.clear()
        self._watch()

    def _read(self):
        try:
            data = self.sock.recv(RECEIVE)
        except BlockingIOError:
            return
        except OSError:
            self._end("reset")
            return
        if not data:
            self._end("eof")
        elif self.tls is None:
            self.on_data(data)
        else:
            self.incoming.write(data)
            self._read_tls()

    # ---- TLS ----
    def start_tls(self, context, server_side, hostname, on_tls):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side, hostname)
        self.on_tls = on_tls
        self._read_tls()

    def _read_tls(self):
        data = b""
        try:
            if self.on_tls is not None:
                self.tls.do_handshake()
                self._flush()
                done, self.on_tls = self.on_tls, None
                done()
            while self.is_open:
                more = self.tls.read(RECEIVE)
                if not more:
                    break
                data += more
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            pass
        except ssl.SSLError as e:
            self._flush()
            self._end("tls: %s" % e.reason)
            return
        if self.is_open:
            self._flush()
            if data:
                self.on_data(data)

    def _flush(self):
        data = self.outgoing.read()
        if data:
            self.out += data
            self._write()

    # ---- out ----
    def send(self, data):
        if not self.is_open:
            return
        if self.tls is None:
            self.out += data
            if not self.is_connecting:
                self._write()
            return
        view = memoryview(data)
        while view:
            view = view[self.tls.write(view):]
        self._flush()

    def _end(self, how):
        if self.is_open:
            self.close()
            self.on_end(how)

    def close(self, how="fin"):
        if not self.is_open:
            return
        self.is_open = False
        self.loop.watch(self.sock, 0, None)
        if how == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
        self.sock.close()


class Acceptor:
    def __init__(self, loop, address, on_accept):
        self.loop, self.on_accept = loop, on_accept
        self.socket = socket.create_server(address, backlog=256)
        self.socket.setblocking(False)
        self.address = self.socket.getsockname()[:2]
        loop.watch(self.socket, READ, self._ready)

    def _ready(self, _):
        try:
            while True:
                self.on_accept(self.socket.accept()[0])
        except OSError:
            return

    def close(self):
        self.loop.watch(self.socket, 0, None)
        self.socket.close()
