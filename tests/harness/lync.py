"""
A user of a Lync-family client behind its front end, by script: INVITE with SDP, MESSAGE and INFO in the dialog, BYE, as captures of a real
client have them. The front end adds Record-Route and a Via of its own; the client's Via has no branch, and its Contact is a GRUU.
"""
import dataclasses
import re

from .sipmsg import response_to, token

OFFER = ("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=session\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=%s 5060 sip %s\r\n"
         "a=accept-types:text/plain text/html image/gif application/im-iscomposing+xml application/ms-imdn+xml text/x-msmsgsinvite\r\n")
AUDIO = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=session\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 30000 RTP/AVP 0\r\n"
TYPING = '<?xml version="1.0"?><KeyboardActivity> <status status="%s" /></KeyboardActivity>'
SDP = "application/sdp"
FORMAT = ";msgr=WAAtAE0ATQBTAC0ASQBNAC0ARgBvAHIAbQBhAHQAOgAgAEYATgA9AE0AUwA"


def tag_of(value):
    m = re.search(r";tag=([^;]+)", value or "")
    return m.group(1) if m else None


def uri_of(value):
    return re.search(r"<([^>]*)>", value).group(1)


@dataclasses.dataclass
class Dialog:
    call_id: str
    mine: str          # our tag
    theirs: str        # the gateway's
    contact: str       # its Contact; the URI of requests in the dialog
    peer: str          # the contact's URI
    cseq: int = 1
    is_open: bool = True


class LyncUser:
    """`sip`: the SipUser the gateway reaches; `flow`: a connection to the gateway."""

    def __init__(self, sip, flow, name="alice", media="message", behind=()):
        """`behind`: hosts of proxies between the one that the gateway talks to and the client, the next one first."""
        self.sip, self.flow, self.media, self.behind = sip, flow, media, behind
        self.uri = "sip:%s@%s" % (name, sip.domain)
        self.epid = token()
        self.gruu = "<%s;opaque=user:epid:%s;gruu>" % (self.uri, token().upper())
        self.contact_value = None  # in place of the GRUU
        self.dialogs = []          # as they were opened, by either side
        self.on_invite = 200       # status, (status, headers), None: silence; or function(INVITE) -> these
        self.on_message = 200      # of MESSAGE in a dialog, likewise
        self.on_info = 200
        self.on_notify = self.on_bye = 200
        self.accepts = None        # the SDP of our 200; None: that of our mode
        sip.answer = self.answer

    # ---- requests of the gateway ----
    def answer(self, m):
        if m.uri("to") != self.uri:
            return 404
        if m.method == "INVITE":
            what = self.on_invite(m) if callable(self.on_invite) else self.on_invite
            if what is not None:
                self.answer_invite(m, what)
            return None
        if m.method == "CANCEL":
            return 200
        if m.method == "BYE":
            d = self.find(m)
            if d:
                d.is_open = False
        what = {"MESSAGE": self.on_message, "INFO": self.on_info, "NOTIFY": self.on_notify, "BYE": self.on_bye}.get(m.method, 200)
        return what(m) if callable(what) else what

    def find(self, m):
        return next((d for d in self.dialogs if d.call_id == m.get("call-id") and d.mine == tag_of(m.get("to"))), None)

    def proxies(self):
        """What each has put into Record-Route, the gateway's neighbour first, which is the Route of the gateway's requests (RFC 3261 section 12.1)."""
        return ["<sip:%s:%d;transport=%s;opaque=state:Ci.R200;lr>" % (self.sip.address, self.sip.port, self.flow.transport)] + [
            "<sip:%s:5061;transport=tls;opaque=state:F%d;lr>" % (host, n) for n, host in enumerate(self.behind)]

    def routes(self):
        return ", ".join(self.proxies())

    def dialog_of(self, m, mine=None):
        """The dialog that an INVITE of the gateway makes."""
        d = Dialog(m.get("call-id"), mine or token(), tag_of(m.get("from")), uri_of(m.get("contact")), m.uri("from"), cseq=0)
        self.dialogs.append(d)
        return d

    def answer_invite(self, m, what=200, dialog=None):
        """Answers an INVITE of the gateway; the dialog where it is accepted."""
        status, headers = what if isinstance(what, tuple) else (what, [])
        body = b""
        if 200 <= status < 300:
            dialog = dialog or self.dialog_of(m)
            sdp = OFFER % (self.media, self.uri) if self.accepts is None else self.accepts
            body = sdp.encode()
            recorded = [("Record-Route", r) for r in reversed(self.proxies())]  # the last one that the INVITE passed is on top
            headers = recorded + [("Contact", self.contact_value or self.gruu), ("Content-Type", SDP),
                                  ("Supported", "com.microsoft.rtc-multiparty")] + list(headers)
        mine = dialog.mine if dialog else token()
        raw = response_to(m, status, headers=headers).replace(b"Content-Length: 0", b"Content-Length: %d" % len(body)) + body
        raw = re.sub(rb"(\r\nTo: [^\r]*?;tag=)[^\r;]*", lambda x: x.group(1) + mine.encode(), raw)
        with self.sip.lock:
            flow = self.sip.held[m.branch]
            if status >= 200:
                self.sip.answered[m.branch] = raw
        flow.send(raw)
        return dialog

    def wait(self, method, timeout=10, since=0, what=lambda m: True):
        return self.sip.inbox.wait(lambda m: m.method == method and m.uri("to") == self.uri and what(m), timeout, since)

    def wait_text(self, text, timeout=10, since=0):
        return self.wait("MESSAGE", timeout, since, lambda m: m.text == text)

    # ---- requests of ours ----
    def request(self, method, uri, to, cseq, call_id, mine, theirs=None, headers=(), body="", content_type=None, branch=None):
        data = body if isinstance(body, bytes) else body.encode("utf-8")
        branch = branch or "z9hG4bK" + token()
        lines = ["%s %s SIP/2.0" % (method, uri)]
        if method in ("INVITE", "SUBSCRIBE"):
            lines += ["Record-Route: " + r for r in self.proxies()]
        lines += ["Via: SIP/2.0/%s %s:%d;branch=%s" % ((self.flow.transport.upper(),) + self.flow.local + (branch,)),
                  "Via: SIP/2.0/tcp 127.0.0.1:51706;ms-received-port=51706;ms-received-cid=200",
                  "From: <%s>;tag=%s;epid=%s" % (self.uri, mine, self.epid),
                  "To: <%s>%s" % (to, ";tag=" + theirs if theirs else ""), "Max-Forwards: 69", "CSeq: %d %s" % (cseq, method),
                  "User-Agent: UCCAPI/15.0 (a client of this dialect)", "Call-ID: " + call_id]
        if method not in ("BYE", "CANCEL", "ACK"):
            lines.append("Contact: " + (self.contact_value or self.gruu))
        if content_type:
            lines.append("Content-Type: " + content_type)
        lines += ["%s: %s" % h for h in headers] + ["Content-Length: %d" % len(data)]
        return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + data, branch

    def start_invite(self, to, sdp=None, headers=(), content_type=SDP, call_id=None, mine=None):
        """The bytes of an INVITE, what its dialog will be, and its branch."""
        d = Dialog(call_id or token() + "x", mine or token(), None, None, to)
        headers = [("Supported", "ms-sender"), ("Ms-Conversation-ID", "978902061"),
                   ("ms-text-format", "text/plain; charset=UTF-8" + FORMAT + ";ms-body=aGVsbG8=")] + list(headers)
        body = OFFER % (self.media, "null") if sdp is None else sdp
        raw, branch = self.request("INVITE", to, to, 1, d.call_id, d.mine, headers=headers, body=body, content_type=content_type)
        return raw, d, branch

    def invite(self, to, timeout=20, acks=True, **kwargs):
        """The final response, and the dialog where it was accepted (acknowledged as the client or the front end does)."""
        raw, d, branch = self.start_invite(to, **kwargs)
        answer = self.sip.ask(self.flow, raw, branch, timeout)
        assert answer is not None, "no final response to INVITE %s" % to
        return answer, self.settle(answer, d, branch, acks)

    def settle(self, answer, d, branch, acks=True):
        if answer.status >= 300:
            self.flow.send(self.request("ACK", d.peer, d.peer, 1, d.call_id, d.mine, tag_of(answer.get("to")), branch=branch)[0])
            return None
        d.theirs, d.contact = tag_of(answer.get("to")), uri_of(answer.get("contact"))
        self.dialogs.append(d)
        if acks:
            self.flow.send(self.request("ACK", d.contact, d.peer, 1, d.call_id, d.mine, d.theirs)[0])
        return d

    def inside(self, d, method, body="", content_type=None, headers=(), cseq=None):
        """The bytes of a request in the dialog, and its branch."""
        d.cseq = cseq or d.cseq + 1
        return self.request(method, d.contact, d.peer, d.cseq, d.call_id, d.mine, d.theirs, headers, body, content_type)

    def ask(self, d, method, timeout=20, **kwargs):
        raw, branch = self.inside(d, method, **kwargs)
        return self.sip.ask(self.flow, raw, branch, timeout)

    def say(self, d, text, content_type="text/plain; charset=UTF-8" + FORMAT, **kwargs):
        """A text in the dialog; the final response."""
        return self.ask(d, "MESSAGE", body=text, content_type=content_type, **kwargs)

    def bye(self, d, timeout=20):
        d.is_open = False
        return self.ask(d, "BYE", timeout)
