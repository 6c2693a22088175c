"""A TCP proxy between two parties that are to suffer: cut, stall, delay, re-chunk, half-close, reset."""
import select
import socket
import struct
import threading
import time

from .wire import Listener


class Link:
    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server = proxy, client, server
        self.carried = {"in": 0, "out": 0}  # bytes towards the target, and back

    def pump(self, source, sink, way):
        proxy = self.proxy
        try:
            while True:
                proxy.flowing.wait()
                if not select.select([source], [], [], 0.2)[0]:
                    if self not in proxy.links:
                        return
                    continue
                if not proxy.flowing.is_set():
                    continue
                data = source.recv(65536)
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                if proxy.delay:
                    time.sleep(proxy.delay)  # the fault this proxy is for
                for i in range(0, len(data), proxy.chunk):
                    sink.sendall(data[i:i + proxy.chunk])
                self.carried[way] += len(data)
        except (OSError, ValueError):
            for s in (source, sink):
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def shut(self, how):
        for s in (self.client, self.server):
            try:
                if how == "reset":
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    s.close()
                else:
                    s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class HostileProxy:
    def __init__(self, target, address=("127.0.0.1", 0)):
        self.target = target
        self.chunk = 65536
        self.delay = 0.0
        self.refuses = False        # new connections are closed at once
        self.flowing = threading.Event()
        self.flowing.set()
        self.links = set()
        self.accepted = 0
        self.listener = Listener(address, self._serve, "proxy")
        self.address = self.listener.address

    @property
    def port(self):
        return self.listener.port

    def _serve(self, client, _):
        self.accepted += 1
        if self.refuses:
            return
        try:
            server = socket.create_connection(self.target, 5)
        except OSError:
            return
        for s in (client, server):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server.settimeout(None)
        link = Link(self, client, server)
        self.links.add(link)
        back = threading.Thread(target=link.pump, args=(server, client, "out"), name="proxy-back", daemon=True)
        back.start()
        link.pump(client, server, "in")
        back.join()
        self.links.discard(link)
        server.close()

    def stall(self):
        """Nothing passes any more, and nothing is closed."""
        self.flowing.clear()

    def resume(self):
        self.flowing.set()

    def cut(self, how="close"):
        """Ends what is open: "close" or "reset"."""
        for link in list(self.links):
            link.shut(how)

    def close(self):
        self.refuses = True
        self.cut()
        self.links.clear()
        self.flowing.set()
        self.listener.close()
