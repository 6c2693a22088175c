"""A DNS server by script, UDP and TCP: what the daemons' dns.servers points at."""
import select
import socket
import struct
import threading

A, CNAME, SOA, AAAA, SRV, NAPTR, TLSA = 1, 5, 6, 28, 33, 35, 52
TYPES = {"A": A, "CNAME": CNAME, "AAAA": AAAA, "SRV": SRV, "NAPTR": NAPTR, "TLSA": TLSA}
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3


def pack_name(name):
    out = b""
    for label in name.strip(".").split("."):
        if label:
            out += bytes([len(label)]) + label.encode("ascii")
    return out + b"\0"


def unpack_name(data, at):
    labels = []
    while data[at]:
        n = data[at]
        labels.append(data[at + 1:at + 1 + n].decode("ascii"))
        at += n + 1
    return ".".join(labels), at + 1


def pack_rdata(kind, value):
    if kind == A:
        return socket.inet_aton(value)
    if kind == AAAA:
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == CNAME:
        return pack_name(value)
    if kind == NAPTR:  # (order, preference, flags, services, regexp, replacement)
        texts = b"".join(bytes([len(t)]) + t.encode("ascii") for t in value[2:5])
        return struct.pack("!HH", *value[:2]) + texts + pack_name(value[5])
    if kind == TLSA:  # (usage, selector, matching, hexadecimal digits)
        return bytes(value[:3]) + bytes.fromhex(value[3])
    return struct.pack("!HHH", *value[:3]) + pack_name(value[3])


class MockDns:
    """Names that were never set do not exist; `answer` makes a name special: SERVFAIL, or silence."""

    def __init__(self, address="127.0.0.1", port=0):
        self.records = {}  # (name, type) -> [value]
        self.special = {}  # name -> "servfail" | "silent" | "truncate"
        self.asked = []    # (name, type, "udp" | "tcp")
        self.lock = threading.Lock()
        self.tcp = socket.create_server((address, port))
        self.address = self.tcp.getsockname()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(self.address)
        self.wake, self.waker = socket.socketpair()
        self.thread = threading.Thread(target=self._run, name="dns", daemon=True)
        self.thread.start()

    def add(self, name, kind, *values):
        with self.lock:
            self.records.setdefault((name.lower(), TYPES[kind]), []).extend(values)

    def clear(self, name):
        with self.lock:
            for key in [k for k in self.records if k[0] == name.lower()]:
                del self.records[key]
            self.special.pop(name.lower(), None)

    def clear_below(self, *domains):
        with self.lock:
            for held in (self.records, self.special):
                for key in list(held):
                    name = key[0] if isinstance(key, tuple) else key
                    if any(name == d or name.endswith("." + d) for d in domains):
                        del held[key]

    def answer(self, name, how):
        with self.lock:
            self.special[name.lower()] = how

    def xmpp(self, domain, *targets):
        """SRV records of a domain for (host, port, address) in this order of preference."""
        self.clear("_xmpp-server._tcp." + domain)
        for priority, (host, port, address) in enumerate(targets):
            self.add("_xmpp-server._tcp." + domain, "SRV", (priority, 0, port, host))
            if address:
                self.clear(host)
                self.add(host, "A", address)

    def was_asked(self, name):
        with self.lock:
            return [a for a in self.asked if a[0] == name.lower()]

    def _reply(self, data, transport):
        ident, flags, questions = struct.unpack("!HHH", data[:6])
        name, end = unpack_name(data, 12)
        kind, klass = struct.unpack("!HH", data[end:end + 4])
        question = data[12:end + 4]
        key = name.lower()
        with self.lock:
            self.asked.append((key, kind, transport))
            special = self.special.get(key)
            code, answers = self._find(key, kind)
        if special == "silent":
            return None
        if special == "servfail":
            code, answers = SERVFAIL, []
        is_cut = special == "truncate" and transport == "udp"
        if is_cut:
            answers = []
        head = struct.pack("!HHHHHH", ident, 0x8180 | (flags & 0x0100) | (0x0200 if is_cut else 0) | code, 1, len(answers), 0, 0)
        body = b""
        for owner, rtype, value in answers:
            rdata = pack_rdata(rtype, value)
            body += (b"\xc0\x0c" if owner == key else pack_name(owner)) + struct.pack("!HHIH", rtype, 1, 60, len(rdata)) + rdata
        return head + question + body

    def _find(self, name, kind):
        answers = []
        for _ in range(16):
            found = self.records.get((name, kind))
            if found is not None:
                return NOERROR, answers + [(name, kind, v) for v in found]
            alias = self.records.get((name, CNAME))
            if not alias:
                break
            answers.append((name, CNAME, alias[0]))
            name = alias[0].lower()
        exists = bool(answers) or any(k[0] == name for k in self.records)
        return (NOERROR if exists else NXDOMAIN), answers

    def _run(self):
        while True:
            ready = select.select([self.wake, self.udp, self.tcp], [], [])[0]
            if self.wake in ready:
                return
            if self.udp in ready:
                data, sender = self.udp.recvfrom(4096)
                reply = self._reply(data, "udp")
                if reply:
                    self.udp.sendto(reply, sender)
            if self.tcp in ready:
                threading.Thread(target=self._serve_tcp, args=(self.tcp.accept()[0],), daemon=True).start()

    def _serve_tcp(self, sock):
        with sock:
            sock.settimeout(5)
            try:
                while True:
                    size = sock.recv(2, socket.MSG_WAITALL)
                    if len(size) < 2:
                        return
                    reply = self._reply(sock.recv(struct.unpack("!H", size)[0], socket.MSG_WAITALL), "tcp")
                    if reply:
                        sock.sendall(struct.pack("!H", len(reply)) + reply)
            except OSError:
                return

    def close(self):
        self.waker.send(b"x")
        self.thread.join(5)
        for s in (self.udp, self.tcp, self.wake, self.waker):
            s.close()
