"""SIP presence by hand (RFC 6665): a device that watches, and a server that is asked for a user's presence."""
import re
import xml.etree.ElementTree as ET

from .proc import wait_until
from .sipmsg import response_to, token

SHOW = "{jabber:server}show"
PIDF = "{urn:ietf:params:xml:ns:pidf}"


def pidf(entity, *tuples):
    """A document: each tuple is (id, basic, show or None, note or None)."""
    parts = []
    for name, basic, show, note in tuples:
        parts.append("<tuple id='%s'><status><basic>%s</basic>%s</status>%s</tuple>" % (
            name, basic, "<show xmlns='jabber:client'>%s</show>" % show if show else "", "<note>%s</note>" % note if note else ""))
    return "<?xml version='1.0'?><presence xmlns='urn:ietf:params:xml:ns:pidf' entity='%s'>%s</presence>" % (entity, "".join(parts))


def basics(notify):
    """id -> (basic, show, note) of a NOTIFY's document."""
    root = ET.fromstring(notify.body)
    found = {}
    for t in root.iter(PIDF + "tuple"):
        show = t.find("%sstatus/{jabber:client}show" % PIDF)
        note = t.find(PIDF + "note")
        found[t.get("id")] = (t.find("%sstatus/%sbasic" % (PIDF, PIDF)).text, show.text if show is not None else None,
                              note.text if note is not None else None)
    return found


def state_of(notify):
    return notify.get("subscription-state").split(";")[0].strip()


class Watch:
    """A subscription of `user`'s to `target` through a flow to the gateway."""

    def __init__(self, user, flow, target, sender, listens=False):
        """`listens`: it can be reached where the user listens too, not over its flow alone."""
        self.user, self.flow, self.target, self.sender = user, flow, target, sender
        self.listens = listens
        self.call_id, self.tag, self.to = token() + "@watch", token(), "<%s>" % target
        self.cseq = 0

    def subscribe(self, expires=600, headers=()):
        self.cseq += 1
        branch = "z9hG4bK" + token()
        lines = ["SUBSCRIBE %s SIP/2.0" % self.target,
                 "Via: SIP/2.0/%s %s:%d;branch=%s;rport" % ((self.flow.transport.upper(),) + self.flow.local + (branch,)),
                 "Max-Forwards: 70", "From: <%s>;tag=%s" % (self.sender, self.tag), "To: " + self.to, "Call-ID: " + self.call_id,
                 "CSeq: %d SUBSCRIBE" % self.cseq, "Contact: <sip:phone@%s:%d;transport=%s>" % (*((self.user.address, self.user.port) if self.listens else self.flow.local), self.flow.transport),
                 "Event: presence", "Accept: application/pidf+xml"] + (["Expires: %d" % expires] if expires is not None else [])
        lines += ["%s: %s" % h for h in headers] + ["Content-Length: 0"]
        answer = self.user.ask(self.flow, "\r\n".join(lines).encode() + b"\r\n\r\n", branch)
        if answer is not None and answer.status < 300:
            self.to = answer.get("to")
        return answer

    def wait(self, what, timeout=10):
        """The next NOTIFY of it for which what(NOTIFY) holds."""
        return self.user.inbox.wait(lambda m: m.method == "NOTIFY" and m.get("call-id") == self.call_id and what(m), timeout)


ENHANCED = ("application/msrtc-event-categories+xml, text/xml+msrtc.pidf, application/xpidf+xml, application/pidf+xml, application/rlmi+xml, "
            "multipart/related")
BATCH = """<batchSub xmlns="http://schemas.microsoft.com/2006/01/sip/batch-subscribe" uri="%s" name="">
<action name="subscribe" id="63792024"><adhocList>
<resource uri="%s"/>
</adhocList>
<categoryList xmlns="http://schemas.microsoft.com/2006/09/sip/categorylist">
<category name="calendarData"/>
<category name="contactCard"/>
<category name="note"/>
<category name="state"/>
</categoryList>
</action>
</batchSub>
"""


class LyncWatch(Watch):
    """What a client of that family sends through its front end, byte by byte as a capture has it: no Expires, a body, a Via without branch."""

    def __init__(self, user, flow, target, sender, accept=ENHANCED):
        super().__init__(user, flow, target, sender)
        self.accept = accept

    def subscribe(self, expires=None, headers=()):
        self.cseq += 1
        branch, tp = "z9hG4bK" + token(), self.flow.transport
        body = BATCH % (self.sender, self.target)
        lines = ["SUBSCRIBE %s SIP/2.0" % self.target,
                 "Record-Route: <sip:%s:%d;transport=%s;opaque=state:Ci.R1b00;lr>" % (self.user.address, self.user.port, tp),
                 "Via: SIP/2.0/%s %s:%d;branch=%s" % ((tp.upper(),) + self.flow.local + (branch,)),
                 "Via: SIP/2.0/tcp 127.0.0.1:51276;ms-received-port=51276;ms-received-cid=1B00",
                 "From: <%s>;tag=%s;epid=a92c7be9925a" % (self.sender, self.tag), "To: " + self.to, "Max-Forwards: 69",
                 "CSeq: %d SUBSCRIBE" % self.cseq, "User-Agent: Purple/2.14.12 Sipe/1.25.0 (linux-x86_64)", "Call-ID: " + self.call_id,
                 *(["Accept: " + self.accept] if self.accept else []), "Supported: ms-piggyback-first-notify", "Content-Type: application/msrtc-adrl-categorylist+xml",
                 "Supported: ms-benotify", "Proxy-Require: ms-benotify", "Event: presence",
                 "Contact: <%s;opaque=user:epid:409F4BD19EBE5313BDCCD7DB;gruu>" % self.sender] + (
                     ["Expires: %d" % expires] if expires is not None else [])
        lines += ["%s: %s" % h for h in headers] + ["Content-Length: %d" % len(body), "", body]
        answer = self.user.ask(self.flow, "\r\n".join(lines).encode(), branch)
        if answer is not None and answer.status < 300:
            self.to = answer.get("to")
        return answer


class PresenceServer:
    """Answers the SUBSCRIBEs that come to `user`, and tells the presence of each target in NOTIFYs over a flow of its own."""

    def __init__(self, user, flow):
        self.user, self.flow, self.dialogs, self.status = user, flow, {}, {}
        user.answer = self.answer

    def answer(self, m):
        if m.method != "SUBSCRIBE":
            return 200
        d = self.dialogs.setdefault(m.get("call-id"), {"request": m, "tag": token(), "cseq": 0})
        status = self.status.get(m.start.split()[1], 200)
        headers = [("Contact", self.contact()), ("Expires", m.get("expires"))]
        if isinstance(status, list):  # one after the other, then 200
            status = status.pop(0) if status else 200
        if isinstance(status, tuple):
            status, headers = status
        if status is None:
            return None
        raw = response_to(m, status, headers=headers)
        raw = re.sub(rb"(\r\nTo: [^\r]*?;tag=)[^\r;]*", lambda x: x.group(1) + d["tag"].encode(), raw)
        with self.user.lock:
            self.user.answered[m.branch] = raw
            flow = self.user.held[m.branch]
        flow.send(raw)
        return None

    def contact(self):
        return "<sip:server@%s:%d;transport=%s>" % (self.user.address, self.user.port, self.flow.transport)

    def wait(self, uri, timeout=10, since=0):
        """The next SUBSCRIBE to that address, when it has been answered."""
        return self.wait_for(lambda m: m.start.split()[1] == uri, timeout, since)

    def wait_inside(self, request, expires, timeout=10):
        """A further one in the dialog that `request` began."""
        return self.wait_for(lambda m: m.get("call-id") == request.get("call-id") and m is not request and m.get("expires") == expires, timeout, 0)

    def wait_for(self, what, timeout, since):
        found = self.user.inbox.wait(lambda m: m.method == "SUBSCRIBE" and what(m), timeout, since)
        wait_until("it is answered", lambda: found.branch in self.user.answered, timeout)
        return found

    def notify(self, request, state, body=None, headers=(), cseq=None, tag=None):
        """The gateway's answer to a NOTIFY in the dialog that `request` began."""
        raw, branch = self.notify_bytes(request, state, body, headers, cseq, tag)
        return self.user.ask(self.flow, raw, branch)

    def notify_bytes(self, request, state, body=None, headers=(), cseq=None, tag=None):
        d = self.dialogs[request.get("call-id")]
        d["cseq"] += cseq is None
        branch, data = "z9hG4bK" + token(), (body or "").encode()
        target = re.search(r"<([^>]*)>", d["request"].get("contact")).group(1)
        lines = ["NOTIFY %s SIP/2.0" % target,
                 "Via: SIP/2.0/%s %s:%d;branch=%s;rport" % ((self.flow.transport.upper(),) + self.flow.local + (branch,)),
                 "Max-Forwards: 70", "From: %s;tag=%s" % (d["request"].get("to"), tag or d["tag"]), "To: " + d["request"].get("from"),
                 "Call-ID: " + request.get("call-id"), "CSeq: %d NOTIFY" % (d["cseq"] if cseq is None else cseq), "Contact: " + self.contact(), "Event: presence",
                 "Subscription-State: " + state]
        lines += ["%s: %s" % h for h in headers]
        lines += ["Content-Type: application/pidf+xml"] if body and "Content-Type" not in dict(headers) else []
        lines.append("Content-Length: %d" % len(data))
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + data, branch


# ---- both ends of it ----

def send_presence(partner, sender, to, kind=None, inner="", ident=None):
    """A stanza of a partner's user, over the stream to that domain of ours."""
    attributes = "".join(" %s='%s'" % a for a in (("type", kind), ("id", ident)) if a[1])
    partner.send("<presence from='%s' to='%s'%s>%s</presence>" % (sender, to, attributes, inner), to.split("@")[1])


def is_presence(sender, kind=None):
    """Of that sender, by the full address or the bare one."""
    return lambda s: s.tag.endswith("}presence") and s.get("type") == kind and sender in (s.get("from"), s.get("from", "").split("/")[0])


def wait_presence(partner, sender, kind=None, since=0, what=lambda s: True, timeout=20):
    is_it = is_presence(sender, kind)
    return partner.inbox.wait(lambda s: is_it(s) and what(s), timeout, since)


def show_of(s):
    return s.find(SHOW).text if s.find(SHOW) is not None else None


def followed(server, partner, local, remote, show="away"):
    """A contact watches a user: the SUBSCRIBE, when the contact has been told a first state."""
    since, told = server.user.inbox.mark(), partner.inbox.mark()
    send_presence(partner, remote, local, "subscribe")
    request = server.wait("sip:" + local, 20, since)
    assert server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", show, None))).status == 200
    wait_presence(partner, local + "/desk", None, told)
    return request


def asked_anew(server, request, since, timeout=20):
    """The SUBSCRIBE that begins another subscription to the same user."""
    uri = request.start.split()[1]
    return server.wait_for(lambda m: m.start.split()[1] == uri and m.get("from").split(";")[0] == request.get("from").split(";")[0] and
                           m.get("call-id") != request.get("call-id"), timeout, since)


def watched(partner, user, flow, local, remote, **how):
    """A device of the user's watches the contact, who has let it."""
    watch = Watch(user, flow, "sip:" + remote, "sip:" + local, **how)
    since = partner.inbox.mark()
    assert watch.subscribe().status == 200
    wait_presence(partner, local, "subscribe", since)
    send_presence(partner, remote, local, "subscribed")
    watch.wait(lambda m: state_of(m) == "active", 20)
    return watch


def notifies_of(user, watch, since=0):
    return [m for m in user.inbox.items[since:] if m.method == "NOTIFY" and m.get("call-id") == watch.call_id]
