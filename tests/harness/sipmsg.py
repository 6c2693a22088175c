"""SIP messages as the bundled users read them: headers by name, bodies by Content-Length."""
import dataclasses
import os
import re
from typing import List, Optional, Tuple

COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length",
           "c": "content-type", "s": "subject", "k": "supported", "e": "content-encoding"}
T1 = 0.5  # RFC 3261 section 17.1.2.2, UDP only
T2 = 4.0


def token():
    return os.urandom(6).hex()


@dataclasses.dataclass
class SipMessage:
    start: str
    headers: List[Tuple[str, str]]
    body: bytes

    def get(self, name) -> Optional[str]:
        return next((v for k, v in self.headers if k == name), None)

    def all(self, name):
        return [v for k, v in self.headers if k == name]

    @property
    def is_response(self):
        return self.start.startswith("SIP/2.0 ")

    @property
    def status(self):
        return int(self.start.split(" ", 2)[1])

    @property
    def method(self):
        return self.start.split(" ", 1)[0]

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def branch(self):
        m = re.search(r"branch=([^;,\s]+)", self.get("via") or "")
        return m.group(1) if m else ""

    def uri(self, name):
        value = self.get(name) or ""
        m = re.search(r"<([^>]*)>", value)
        return m.group(1) if m else value.split(";")[0].strip()


def parse_sip(raw):
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = re.sub(r"\r\n[ \t]+", " ", head.decode("utf-8")).split("\r\n")
    headers = []
    for line in lines[1:]:
        name, _, value = line.partition(":")
        name = name.strip().lower()
        headers.append((COMPACT.get(name, name), value.strip()))
    return SipMessage(lines[0], headers, body)


def split_stream(buffer):
    """Whole messages at the beginning of what a stream has brought, and what is left."""
    whole = []
    while True:
        buffer = buffer.lstrip(b"\r\n")
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return whole, buffer
        m = re.search(rb"(?im)^(?:content-length|l)\s*:\s*(\d+)", buffer[:end])
        size = end + 4 + (int(m.group(1)) if m else 0)
        if len(buffer) < size:
            return whole, buffer
        whole.append(buffer[:size])
        buffer = buffer[size:]


def response_to(request, status, phrase="No", headers=()):
    """The bytes of a response to a parsed request (RFC 3261 section 8.2.6)."""
    lines = ["SIP/2.0 %d %s" % (status, "OK" if status == 200 else phrase)]
    lines += ["Via: " + v for v in request.all("via")]
    to = request.get("to")
    lines += ["From: " + request.get("from"), "To: " + (to if ";tag=" in to or status == 100 else to + ";tag=" + token()),
              "Call-ID: " + request.get("call-id"), "CSeq: " + request.get("cseq")]
    lines += ["%s: %s" % h for h in headers] + ["Content-Length: 0"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")
