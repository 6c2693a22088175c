"""
One TCP connection, in the clear or inside TLS, that a script can use as badly as it likes. Reading is for one thread at a
time; writing is safe beside it.
"""
import select
import socket
import ssl
import struct
import threading
import time

from .patience import patience


class Wire:
    def __init__(self, sock):
        sock.setblocking(True)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.tls = None
        self.lock = threading.Lock()
        self.incoming = self.outgoing = None
        self.is_eof = False

    @classmethod
    def connect(cls, address, source=None, timeout=5):
        return cls(socket.create_connection(address, patience(timeout), (source, 0) if source else None))

    # ---- TLS ----
    def start_tls(self, context, server_side=False, hostname=None, timeout=10):
        """Handshake over the open connection. ssl.SSLError or ConnectionError when it does not succeed."""
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(self.incoming, self.outgoing, server_side, None if server_side else hostname)
        deadline = time.monotonic() + patience(timeout)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush()
                data = self._receive(deadline)
                if not data:
                    raise ConnectionError("closed during the TLS handshake") from None
                self.incoming.write(data)
            except ssl.SSLError:
                self._flush()  # the alert
                raise
        self._flush()
        self.tls = tls

    def peer_names(self):
        cert = self.tls.getpeercert() or {}
        return [value for kind, value in cert.get("subjectAltName", ()) if kind == "DNS"]

    def _flush(self):
        data = self.outgoing.read()
        if data:
            self.sock.sendall(data)

    # ---- bytes ----
    def send(self, data):
        if isinstance(data, str):
            data = data.encode("utf-8")
        with self.lock:
            if self.tls is None:
                self.sock.sendall(data)
            else:
                self.tls.write(data)
                self._flush()

    def _receive(self, deadline):
        left = deadline - time.monotonic()
        if self.sock.fileno() < 0:
            raise ConnectionAbortedError("closed here")
        ready = select.select([self.sock], [], [], max(left, 0))[0]
        if not ready:
            raise TimeoutError
        return self.sock.recv(65536)

    def recv(self, timeout=10):
        """Some bytes; none at the end. TimeoutError; ConnectionError after a reset."""
        deadline = time.monotonic() + patience(timeout)
        while True:
            if self.tls is None:
                data = self._receive(deadline)
                self.is_eof = not data
                return data
            with self.lock:
                try:
                    data = self.tls.read(65536)
                    self._flush()
                    return data
                except ssl.SSLWantReadError:
                    self._flush()
                except ssl.SSLZeroReturnError:
                    self.is_eof = True
                    return b""
            if self.is_eof:
                return b""
            data = self._receive(deadline)
            if data:
                self.incoming.write(data)
            else:
                self.is_eof = True

    # ---- ends ----
    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits in recv()
        except OSError:
            pass
        self.sock.close()


class Listener:
    """
    Accepts connections on a thread and serves each on one of its own: serve(sock, address). `address` may be a socket that
    listens already.
    """

    def __init__(self, address, serve, name):
        self.serve, self.name = serve, name
        self.socket = address if isinstance(address, socket.socket) else socket.create_server(address, backlog=64)
        self.socket.listen(64)
        self.address = self.socket.getsockname()[:2]
        self.is_closed = False
        self.open = set()
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self._accept, name=name, daemon=True)
        self.thread.start()

    @property
    def port(self):
        return self.address[1]

    def _accept(self):
        while not self.is_closed:
            try:
                sock, address = self.socket.accept()
            except OSError:
                return
            with self.lock:
                self.open.add(sock)
            threading.Thread(target=self._one, args=(sock, address), name=self.name + "-one", daemon=True).start()

    def _one(self, sock, address):
        try:
            self.serve(sock, address)
        finally:
            with self.lock:
                self.open.discard(sock)
            sock.close()

    def stop_listening(self):
        self.is_closed = True
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()
        self.thread.join(5)

    def close(self):
        self.stop_listening()
        with self.lock:
            for sock in self.open:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


PORTS = (15000, 32000)  # below the range the kernel gives to clients; programs that run side by side take a part each
given = set()           # by free_port(): whoever asked may not listen there yet


def free_port(address="127.0.0.1"):
    """A port of PORTS nobody listens on now."""
    import random
    for _ in range(1000):
        port = random.randrange(*PORTS)
        if port in given:
            continue
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind((address, port))
                udp.bind((address, port))
                given.add(port)
                return port
            except OSError:
                continue
    raise AssertionError("no free port on %s" % address)
