"""
The channel of proto/channel.md from outside: enough of its messages to be an edge or a gateway that breaks the rules behind a
valid certificate. Fields are named as in proto/channel.proto.
"""
import os
import struct
import threading

from .inbox import Inbox
from .wire import Listener, Wire

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
# message -> field -> (number, kind); a kind that is a name is a message.
MESSAGES = {
    "Revision": {"epoch": (1, "uint"), "counter": (2, "uint"), "hash": (3, "bytes")},
    "Hello": {"version_min": (1, "uint"), "version_max": (2, "uint"), "role": (3, "uint"), "name": (4, "bytes"),
              "boot_nonce": (5, "fixed64"), "lowest_unsettled": (6, "uint"), "software": (8, "bytes"), "policy": (9, "Revision")},
    "Ping": {"id": (1, "uint"), "lowest_unsettled": (2, "uint"), "wall_ms": (4, "uint")},
    "Pong": {"id": (1, "uint"), "wall_ms": (2, "uint")},
    "Credit": {"messages": (1, "uint"), "bytes": (2, "uint"), "taken": (3, "uint")},
    "Deliver": {"seq": (1, "uint"), "kind": (2, "uint"), "type": (3, "bytes"), "id": (4, "bytes"), "from": (5, "bytes"),
                "to": (6, "bytes"), "lang": (7, "bytes"), "remaining_ms": (8, "uint"), "stanza": (12, "bytes"),
                "lowest_unsettled": (13, "uint"), "replay": (11, "uint")},
    "Attempted": {"seqs": (1, "bytes")},
    "AttemptedAck": {"seqs": (1, "bytes"), "refused": (2, "bytes")},
    "Outcome": {"seq": (1, "uint"), "fate": (2, "uint"), "condition": (3, "bytes"), "error_type": (4, "bytes"),
                "text": (5, "bytes"), "sip_status": (6, "uint"), "reason": (7, "bytes"), "rule": (8, "bytes"),
                "side": (10, "bytes"), "whose": (11, "bytes")},
    "Settled": {"outcomes": (1, "Outcome")},
    "Withdraw": {"seq": (1, "uint")},
    "PolicyBegin": {"revision": (1, "Revision"), "total_bytes": (2, "uint")},
    "PolicyPart": {"offset": (1, "uint"), "data": (2, "bytes")},
    "PolicyCommit": {"hash": (1, "bytes")},
    "PolicyResult": {"revision": (1, "Revision"), "ok": (2, "uint"), "reason": (3, "bytes"), "text": (4, "bytes")},
    "FailureEvent": {"at_s": (1, "uint"), "direction": (2, "uint"), "local": (3, "bytes"), "remote": (4, "bytes"), "reason": (5, "bytes"),
                     "side": (6, "bytes"), "text": (7, "bytes"), "repeated_count": (12, "uint"), "address": (13, "bytes")},
    "Drain": {"grace_ms": (1, "uint")},
    "Close": {"reason": (1, "bytes"), "text": (2, "bytes")},
}
FRAME = {"Hello": 1, "Ping": 2, "Pong": 3, "Credit": 4, "Deliver": 5, "Attempted": 6, "AttemptedAck": 7, "Settled": 8,
         "Withdraw": 9, "Request": 10, "Reply": 11, "Counters": 12, "PolicyBegin": 13, "PolicyPart": 14, "PolicyCommit": 15,
         "PolicyResult": 16, "StreamEvent": 17, "FailureEvent": 18, "Drain": 19, "Close": 20}
NAMES = {number: name for name, number in FRAME.items()}
EDGE, GATEWAY = 1, 2


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def read_varint(data, at):
    value = shift = 0
    while True:
        b = data[at]
        value |= (b & 127) << shift
        at, shift = at + 1, shift + 7
        if b < 128:
            return value, at


def encode(name, values):
    out = b""
    for field, value in values.items():
        number, kind = MESSAGES[name][field]
        for v in value if isinstance(value, list) else [value]:
            if kind == "uint":
                out += varint(number << 3 | VARINT) + varint(int(v))
            elif kind == "fixed64":
                out += varint(number << 3 | FIXED64) + struct.pack("<Q", v)
            else:
                data = encode(kind, v) if kind in MESSAGES else v.encode("utf-8") if isinstance(v, str) else v
                out += varint(number << 3 | BYTES) + varint(len(data)) + data
    return out


def decode(name, data):
    """Fields of one message; lists where a field came twice; of messages this file does not describe: nothing."""
    fields = {number: (field, kind) for field, (number, kind) in MESSAGES.get(name, {}).items()}
    values, at = {}, 0
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == VARINT:
            value, at = read_varint(data, at)
        elif key & 7 == FIXED64:
            value, at = struct.unpack("<Q", data[at:at + 8])[0], at + 8
        elif key & 7 == FIXED32:
            value, at = data[at:at + 4], at + 4
        else:
            size, at = read_varint(data, at)
            value, at = data[at:at + size], at + size
        if key >> 3 in fields:
            field, kind = fields[key >> 3]
            if kind in MESSAGES:
                value = decode(kind, value)
            if field in values:
                previous = values[field]
                value = (previous if isinstance(previous, list) else [previous]) + [value]
            values[field] = value
    return values


def frame(message, /, **values):
    body = encode(message, values)
    whole = varint(FRAME[message] << 3 | BYTES) + varint(len(body)) + body
    return struct.pack("!I", len(whole)) + whole


class ChannelPeer:
    """One link, either end, after its TLS handshake."""

    def __init__(self, wire):
        self.wire, self.buffer = wire, b""

    @classmethod
    def connect(cls, address, context, hostname):
        wire = Wire.connect(address)
        wire.start_tls(context, hostname=hostname)
        return cls(wire)

    def send(self, message, /, **values):
        self.wire.send(frame(message, **values))

    def hello(self, name, role, **values):
        self.send("Hello", **dict({"version_min": 1, "version_max": 1, "role": role, "name": name,
                                   "boot_nonce": int.from_bytes(os.urandom(8), "big") | 1, "lowest_unsettled": 1}, **values))

    def raw(self, data):
        self.wire.send(data)

    def read(self, timeout=10):
        """(message, fields), or (None, None) at the end."""
        while len(self.buffer) < 4 or len(self.buffer) < 4 + struct.unpack("!I", self.buffer[:4])[0]:
            try:
                data = self.wire.recv(timeout)
            except ConnectionError:
                return None, None
            if not data:
                return None, None
            self.buffer += data
        size = struct.unpack("!I", self.buffer[:4])[0]
        body, self.buffer = self.buffer[4:4 + size], self.buffer[4 + size:]
        key, at = read_varint(body, 0)
        length, at = read_varint(body, at)
        name = NAMES.get(key >> 3, "?")
        return name, decode(name, body[at:at + length])

    def read_until(self, wanted, timeout=10):
        """The fields of the first message of that name; None when the link ends before."""
        while True:
            name, fields = self.read(timeout)
            if name is None or name == wanted:
                return fields

    def read_close(self, timeout=10):
        """The reason of Close, which has to be the last message."""
        fields = self.read_until("Close", timeout)
        assert fields is not None, "the link ended without Close"
        name, _ = self.read(timeout)
        assert name is None, "%s behind Close" % name
        return fields["reason"].decode()

    def deliver(self, seq, sender, to, stanza, kind=1, id="", type="", lang="", remaining_ms=50000, replay=0):
        self.send("Deliver", **{"seq": seq, "kind": kind, "type": type, "id": id, "from": sender, "to": to, "lang": lang,
                                "remaining_ms": remaining_ms, "stanza": stanza, "lowest_unsettled": 1, "replay": replay})

    def outcomes(self, count, timeout=10):
        """{seq: outcome} of the next ones that come, so many."""
        found = {}
        while len(found) < count:
            settled = self.read_until("Settled", timeout)
            assert settled is not None, "the link ended; so far: %s" % found
            some = settled["outcomes"]
            found.update((o["seq"], o) for o in (some if isinstance(some, list) else [some]))
        return found

    def close(self):
        self.wire.close()


class FakeEdge:
    """An edge by script: every link of a gateway is put into `links`."""

    def __init__(self, certs):
        self.certs = certs
        self.links = Inbox("fake edge")
        self.done = threading.Event()
        self.listener = Listener(("127.0.0.1", 0), self._serve, "fake-edge")

    def _serve(self, sock, _):
        wire = Wire(sock)
        wire.start_tls(self.certs.server("edge-int"), True)
        self.links.put(ChannelPeer(wire))
        self.done.wait()

    def close(self):
        self.done.set()
        self.listener.close()
