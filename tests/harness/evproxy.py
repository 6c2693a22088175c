"""The hostile proxy of evloop, TCP and UDP: cut, stall, delay, re-chunk, half-close, reset, loss. Ways: "in" is towards the target."""
import collections
import socket

from .evloop import READ, RECEIVE, RST, WRITE, Acceptor

HELD = 1024 * 1024  # no more is read from a side while so much of it waits


class Pipe:
    """One way of one link."""

    def __init__(self, link, source, sink, way):
        self.link, self.source, self.sink, self.way = link, source, sink, way
        self.queue = collections.deque()  # (when, bytes)
        self.held = 0
        self.last_due = 0.0
        self.is_eof = self.is_shut = self.is_waking = False

    @property
    def wants_read(self):
        return not self.is_eof and self.held < HELD and not self.link.proxy.is_stalled(self.way)

    @property
    def wants_write(self):
        return bool(self.queue) and not self.link.proxy.is_stalled(self.way) and self.queue[0][0] <= self.link.proxy.loop.now()

    def read(self):
        try:
            data = self.source.recv(RECEIVE)
        except BlockingIOError:
            return
        except OSError:
            self.link.end("reset")
            return
        if not data:
            self.is_eof = True
        for due, piece in self.link.proxy.pieces(data, self):
            self.queue.append((due, piece))
            self.held += len(piece)
        self.write()

    def write(self):
        proxy = self.link.proxy
        now = proxy.loop.now()
        try:
            while self.queue and not proxy.is_stalled(self.way) and self.queue[0][0] <= now:
                due, piece = self.queue[0]
                n = self.sink.send(piece)
                self.held -= n
                proxy.carried[self.way] += n
                if n < len(piece):
                    self.queue[0] = (due, piece[n:])
                    break
                self.queue.popleft()
        except BlockingIOError:
            pass
        except OSError:
            self.link.end("reset")
            return
        if self.is_eof and not self.queue and not self.is_shut:
            self.shut()
        elif self.queue and self.queue[0][0] > now and not self.is_waking:
            self.is_waking = True
            proxy.loop.after(self.queue[0][0] - now, self.wake)

    def wake(self):
        self.is_waking = False
        if self.link.is_open:
            self.write()
            self.link.watch()

    def shut(self):
        self.is_shut = True
        try:
            self.sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        if all(p.is_shut for p in self.link.pipes):
            self.link.end("fin")


class Link:
    def __init__(self, proxy, client):
        self.proxy, self.client = proxy, client
        self.is_open, self.is_connecting = True, True
        self.server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        for s in (self.client, self.server):
            s.setblocking(False)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.connect_ex(proxy.target)
        self.pipes = (Pipe(self, self.client, self.server, "in"), Pipe(self, self.server, self.client, "out"))
        self.watch()

    def watch(self):
        if not self.is_open:
            return
        there, back = self.pipes
        if self.is_connecting:
            self.proxy.loop.watch(self.server, WRITE, self._connected)
            return
        self.proxy.loop.watch(self.client, (READ if there.wants_read else 0) | (WRITE if back.wants_write else 0), self._client)
        self.proxy.loop.watch(self.server, (READ if back.wants_read else 0) | (WRITE if there.wants_write else 0), self._server)

    def _connected(self, _):
        self.is_connecting = False
        if self.server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.end("reset")
        self.watch()

    def _serve(self, events, reader, writer):
        if events & WRITE:
            writer.write()
        if events & READ and self.is_open and reader.wants_read:
            reader.read()
        self.watch()

    def _client(self, events):
        self._serve(events, self.pipes[0], self.pipes[1])

    def _server(self, events):
        self._serve(events, self.pipes[1], self.pipes[0])

    def end(self, how):
        if not self.is_open:
            return
        self.is_open = False
        self.proxy.links.discard(self)
        for s in (self.client, self.server):
            self.proxy.loop.watch(s, 0, None)
            try:
                if how == "reset":
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
            except OSError:
                pass
            s.close()

    def half_close(self, way):
        pipe = self.pipes[0 if way == "in" else 1]
        pipe.is_eof = True
        pipe.write()
        self.watch()


class Faults:
    """What a leg suffers; its TCP and its UDP proxy share one."""

    def __init__(self, rng):
        self.rng = rng
        self.stalled = set()  # ways
        self.refuses = False  # new connections are closed at once, datagrams dropped
        self.delay = 0.0
        self.chunk = None     # most bytes in a piece
        self.loss = 0.0       # of datagrams


class TcpProxy:
    def __init__(self, loop, target, faults, address=("127.0.0.1", 0)):
        self.loop, self.target, self.faults = loop, target, faults
        self.links = set()
        self.carried = {"in": 0, "out": 0}
        self.acceptor = Acceptor(loop, address, self._accept)
        self.address = self.acceptor.address

    def is_stalled(self, way):
        return way in self.faults.stalled

    def pieces(self, data, pipe):
        f, now = self.faults, self.loop.now()
        due = max(now + f.delay, pipe.last_due) if f.delay or pipe.queue else now
        at = 0
        while at < len(data):
            size = f.rng.randint(1, f.chunk) if f.chunk else len(data)
            yield due, data[at:at + size]
            at += size
            if f.chunk:
                due += 0.0002  # or the kernel puts them together again
        pipe.last_due = due

    def _accept(self, client):
        if self.faults.refuses:
            if self.faults.rng.random() < 0.5:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
            client.close()
            return
        self.links.add(Link(self, client))

    def touch(self):
        """After a change of faults: what waited goes on."""
        for link in list(self.links):
            for pipe in link.pipes:
                if link.is_open:
                    pipe.write()
            link.watch()

    def cut(self, how):
        for link in list(self.links):
            link.end(how)

    def ports(self, faces_target):
        """(near, far) of each link's connection to the target, or else to the client; the near end is the proxy's."""
        ends = [link.server if faces_target else link.client for link in self.links if not link.is_connecting]
        return [(s.getsockname()[1], s.getpeername()[1]) for s in ends]

    def half_close(self, way):
        for link in list(self.links):
            link.half_close(way)

    def close(self):
        self.cut("fin")
        self.acceptor.close()


class UdpProxy:
    """Each sender gets a socket of its own towards the target, so that answers find back."""

    def __init__(self, loop, target, faults, address):
        self.loop, self.target, self.faults = loop, target, faults
        self.front = self._socket(address)
        self.address = self.front.getsockname()
        self.backs = {}  # sender -> socket
        loop.watch(self.front, READ, self._from_front)

    @staticmethod
    def _socket(address):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        s.bind(address)
        s.setblocking(False)
        return s

    def _carry(self, way, send):
        f = self.faults
        if way in f.stalled or f.refuses or (f.loss and f.rng.random() < f.loss):
            return
        if f.delay:
            self.loop.after(f.delay, send)
        else:
            send()

    @staticmethod
    def _send(sock, data, to):
        try:
            sock.sendto(data, to)
        except OSError:
            pass  # a datagram may be lost

    def _from_front(self, _):
        for data, sender in self._receive(self.front):
            back = self.backs.get(sender)
            if back is None:
                back = self.backs[sender] = self._socket(("127.0.0.1", 0))
                self.loop.watch(back, READ, lambda _, b=back, s=sender: self._from_back(b, s))
            self._carry("in", lambda d=data, b=back: self._send(b, d, self.target))

    def _from_back(self, back, sender):
        for data, _ in self._receive(back):
            self._carry("out", lambda d=data: self._send(self.front, d, sender))

    @staticmethod
    def _receive(sock):
        for _ in range(256):
            try:
                yield sock.recvfrom(65536)
            except OSError:
                return

    def close(self):
        for s in [self.front] + list(self.backs.values()):
            self.loop.watch(s, 0, None)
            s.close()
