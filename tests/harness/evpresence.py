"""
Presence of the two scripted sides under load, on evloop. They behave as real ones, and are as forgetful: the SIP server tells each
state once and drops a subscription whose NOTIFY got 481 or no answer (Kamailio); the partner's server broadcasts, answers probes and
keeps what its users were told (Prosody), and what waits for a stream that cannot be had is lost. Phones refresh what they watch, and
ask anew when it ended; nobody does anything because he knows of a fault. What is true, and who may see it, is asked of `truth`:
    truth.devices(owner) -> {name: (show, note)}      truth.verdict(watcher, owner) -> "allowed", "pending" or "refused"
    truth.told(watcher, owner, [(show, note)])        what a watcher was shown
Owners and watchers are bare JIDs.
"""
import collections
import itertools
import re
import xml.etree.ElementTree as ET

from .presence import PIDF, pidf
from .sipmsg import parse_sip

ASKED_S = 60  # what phones ask for: the least we grant
ENDS = (404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604)  # RFC 5057
FINAL = ("rejected", "noresource", "invariant")
SHOW, STATUS = "{jabber:client}show", "{jabber:client}status"
TARGET = re.compile(r"<([^>]*)>")


def bare(uri):
    """The JID of a SIP URI of this lab: no address in it has anything to escape."""
    return re.sub(r"^(sips?|pres):", "", uri).split(";")[0]


class Dialog:
    """What a request inside it needs."""

    def __init__(self, call_id, local, remote, target):
        self.call_id, self.local, self.remote, self.target = call_id, local, remote, target
        self.cseq = 0

    def request(self, presence, method, headers, body=""):
        self.cseq += 1
        branch = "z9hG4bKp%d-%sp" % (next(presence.numbers), presence.sip.domain.split(".")[0])
        lines = ["%s %s SIP/2.0" % (method, self.target), "Via: SIP/2.0/%s 127.0.0.1:%d;branch=%s;rport" % (
            presence.sip.transport.upper(), presence.sip.port, branch), "Max-Forwards: 70", "From: " + self.local, "To: " + self.remote,
            "Call-ID: " + self.call_id, "CSeq: %d %s" % (self.cseq, method), "Contact: " + presence.contact, "Event: presence", *headers]
        data = body.encode()
        lines += ["Content-Type: application/pidf+xml"] if body else []
        lines += ["Content-Length: %d" % len(data), "", ""]
        return branch.encode(), "\r\n".join(lines).encode() + data


class Served:
    """A subscription of a contact's, through the gateway, to one of our users: we notify."""

    def __init__(self, presence, m):
        self.presence = presence
        self.owner, self.watcher = bare(m.start.split()[1]), bare(m.uri("from"))
        self.tag = "n%d" % next(presence.numbers)
        self.dialog = Dialog(m.get("call-id"), "%s;tag=%s" % (m.get("to"), self.tag), m.get("from"), TARGET.search(m.get("contact")).group(1))
        self.is_busy = self.is_dirty = self.is_over = False
        self.ends_at = 0.0

    def granted(self, seconds):
        self.ends_at = self.presence.loop.now() + seconds
        self.presence.loop.after(seconds + 0.1, self._look)

    def _look(self):
        if not self.is_over and self.presence.loop.now() >= self.ends_at:
            self.tell("timeout")

    def tell(self, end=None):
        """The state as it is now; `end`: that it is over, and why."""
        if self.is_over:
            return
        if end:
            self.presence.drop(self)
        elif self.is_busy:
            self.is_dirty = True
            return
        self.is_busy, self.is_dirty = True, False
        verdict = self.presence.truth.verdict(self.watcher, self.owner)
        left = max(1, int(self.ends_at - self.presence.loop.now()))
        state = "terminated;reason=%s" % end if end else "%s;expires=%d" % ("active" if verdict == "allowed" else "pending", left)
        devices = self.presence.truth.devices(self.owner)
        body = pidf("pres:" + self.owner, *[(name, "open", show, note) for name, (show, note) in devices.items()])
        branch, raw = self.dialog.request(self.presence, "NOTIFY", ["Subscription-State: " + state], "" if end else body)
        self.presence.sip.ask(branch, raw, self.owner, self._answered)

    def _answered(self, status, _):
        self.is_busy = False
        if status in ENDS:
            self.presence.drop(self)
        if self.is_dirty:
            self.tell()


class Phone:
    """A device of one of our users that watches a contact; it wants to until `stop`."""

    def __init__(self, presence, watcher, owner, every):
        self.presence, self.watcher, self.owner, self.every = presence, watcher, owner, every
        self.dialog = None
        self.shown = None     # the devices that the last document had: [(show, note)]
        self.state = "none"   # of the last NOTIFY: pending, active, terminated
        self.reason = None    # of its end
        self.is_wanted = self.is_asking = False
        self.timer = None
        self.history = []     # (when, words): what it went through

    def note(self, words):
        self.history.append("%.2f %s" % (self.presence.loop.now(), words))

    def start(self):
        self.is_wanted = True
        self._begin()

    def stop(self):
        self.is_wanted = False
        if self.dialog is not None and not self.is_asking:
            self._ask(0)

    def _later(self, seconds, do):
        if self.timer is not None:
            self.timer.cancel()
        self.timer = self.presence.loop.after(seconds, do)

    def _begin(self):
        if not self.is_wanted or self.is_asking:
            return
        self._forget()
        n = next(self.presence.numbers)
        uri = "sip:" + self.owner
        self.dialog = Dialog("w%d@%s" % (n, self.presence.sip.domain), "<sip:%s>;tag=w%d" % (self.watcher, n), "<%s>" % uri, uri)
        self.presence.phones[self.dialog.call_id] = self
        self._ask(ASKED_S)

    def _forget(self):
        if self.dialog is not None:
            self.presence.phones.pop(self.dialog.call_id, None)
            self.dialog = None

    def _ask(self, seconds):
        self.is_asking = True
        branch, raw = self.dialog.request(self.presence, "SUBSCRIBE", ["Accept: application/pidf+xml", "Expires: %d" % seconds])
        self.presence.sip.ask(branch, raw, self.watcher, lambda status, answer, d=self.dialog: self._answered(d, status, answer))

    def _answered(self, dialog, status, raw):
        self.is_asking = False
        self.note("SUBSCRIBE: %d" % status)
        if dialog is not self.dialog:
            return
        if status < 300:
            self._learn(dialog, parse_sip(raw), "to")
        if not self.is_wanted:
            if status < 300 and self.presence.phones.get(dialog.call_id) is self and self.state != "terminated":
                self._later(self.every, lambda: self.dialog is not None and self._ask(0))
            else:
                self._forget()
        elif status < 300:
            self._later(self.every, self._refresh)
        elif status == 403:
            self.state, self.reason = "terminated", "refused"
            self._forget()
        else:
            self._forget()
            self._later(0.1 if status == 481 else 5.0, self._begin)

    @staticmethod
    def _learn(dialog, m, ours):
        dialog.remote = m.get(ours)
        target = TARGET.search(m.get("contact") or "")
        dialog.target = target.group(1) if target else dialog.target

    def _refresh(self):
        if self.dialog is not None and not self.is_asking:
            self._ask(ASKED_S if self.is_wanted else 0)

    def notified(self, m):
        words = [w.strip() for w in m.get("subscription-state").split(";")]
        self._learn(self.dialog, m, "from")
        self.state = words[0]
        self.note("NOTIFY %s %d bytes" % (";".join(words), len(m.body)))
        if m.body:
            root = ET.fromstring(m.body)
            self.shown = []
            for t in root.iter(PIDF + "tuple"):
                show, note = t.find("%sstatus/{jabber:client}show" % PIDF), t.find(PIDF + "note")
                if t.find("%sstatus/%sbasic" % (PIDF, PIDF)).text == "open":
                    self.shown.append((show.text if show is not None else None, note.text if note is not None else None))
            self.presence.truth.told(self.watcher, self.owner, self.shown)
        if self.state == "terminated":
            self.reason = next((w[7:] for w in words if w.startswith("reason=")), None)
            self._forget()
            if self.reason not in FINAL:
                self._later(1.0, self._begin)


class SipPresence:
    """Of one EvSip: the presence server of its users, and their phones."""

    def __init__(self, sip, front, truth, rng, grants):
        self.sip, self.truth, self.rng, self.grants = sip, truth, rng, grants
        self.loop = sip.loop
        self.contact = "<sip:127.0.0.1:%d;transport=%s>" % (front, sip.transport)
        self.numbers = itertools.count(1)
        self.served = {}  # Call-ID -> Served
        self.of_owner = collections.defaultdict(set)
        self.phones = {}  # Call-ID -> Phone
        self.strange = []
        self.is_shy = True  # now and then it asks to come again
        sip.presence = self

    def drop(self, served):
        served.is_over = True
        self.served.pop(served.dialog.call_id, None)
        self.of_owner[served.owner].discard(served)

    def changed(self, owner):
        for served in list(self.of_owner[owner]):
            served.tell()

    def decided(self, watcher, owner):
        """The verdict on that watcher is another one."""
        for served in [s for s in self.of_owner[owner] if s.watcher == watcher]:
            served.tell("rejected" if self.truth.verdict(watcher, owner) == "refused" else None)

    def take(self, raw, answer):
        """answer(status, headers, tag)"""
        m = parse_sip(raw)
        if m.method == "OPTIONS":
            answer(200)
        elif m.method == "NOTIFY":
            phone = self.phones.get(m.get("call-id"))
            answer(200 if phone else 481)
            if phone:
                phone.notified(m)
        elif m.method == "SUBSCRIBE":
            self._subscribe(m, answer)
        else:
            self.strange.append(m.start)
            answer(405)

    def _subscribe(self, m, answer):
        served = self.served.get(m.get("call-id"))
        if ";tag=" in m.get("to"):
            if served is None:
                answer(481)
                return
        elif served is None:
            verdict = self.truth.verdict(bare(m.uri("from")), bare(m.start.split()[1]))
            if verdict == "refused":
                answer(403)
                return
            if self.is_shy and self.rng.random() < 0.03:
                answer(503, b"Retry-After: %d\r\n" % self.rng.randrange(1, 4))
                return
            served = Served(self, m)
            if m.get("expires") != "0":
                self.served[served.dialog.call_id] = served
                self.of_owner[served.owner].add(served)
        seconds = min(int(m.get("expires")), self.grants)
        served.granted(seconds)
        headers = b"Expires: %d\r\nContact: %s\r\n" % (seconds, self.contact.encode())
        if self.rng.random() < 0.1:  # RFC 6665 section 4.4.1: the NOTIFY may be there first
            served.tell(None if seconds else "timeout")
            self.loop.after(0.02, lambda: answer(200, headers, served.tag))
        else:
            answer(200, headers, served.tag)
            served.tell(None if seconds else "timeout")


class Seen:
    """What one of the partner's users was told of a contact."""

    def __init__(self, watcher, owner):
        self.watcher, self.owner = watcher, owner
        self.devices = {}  # resource -> (show, note)
        self.is_wanted = False
        self.relation = "none"  # pending, subscribed, refused
        self.asked_at = 0.0
        self.history = []


class XmppPresence:
    """Of an EvPartner: presence of its users, and what they were told of contacts."""

    PATIENCE = 8.0  # seconds after which a user whose request has no answer asks again

    def __init__(self, partner, truth):
        self.partner, self.truth, self.loop = partner, truth, partner.loop
        self.watchers = collections.defaultdict(set)  # owner of ours -> who is subscribed to it
        self.asked = collections.defaultdict(set)     # owner of ours -> whose request waits
        self.seen = {}  # (watcher, owner) -> Seen
        self.strange = []
        self.errors = collections.Counter()
        partner.presence = self

    def _send(self, sender, to, kind=None, inner=""):
        raw = "<presence from='%s' to='%s'%s>%s</presence>" % (sender, to, " type='%s'" % kind if kind else "", inner)
        self.partner.hand_in(to.split("@")[1], [(None, raw.encode())])

    # ---- what our users show ----
    def _tell(self, owner, to):
        devices = self.truth.devices(owner)
        for name, (show, note) in devices.items():
            self._send("%s/%s" % (owner, name), to, None, ("<show>%s</show>" % show if show else "") + "<status>%s</status>" % note)
        return bool(devices)

    def changed(self, owner, gone):
        """Its devices are others now; `gone`: names of those that have left."""
        for to in self.watchers[owner]:
            for name in gone:
                self._send("%s/%s" % (owner, name), to, "unavailable")
            self._tell(owner, to)

    def decided(self, watcher, owner):
        verdict = self.truth.verdict(watcher, owner)
        if verdict == "allowed" and watcher in self.asked[owner]:
            self._approve(watcher, owner)
        elif verdict == "refused":
            if watcher in self.watchers[owner]:
                for name in self.truth.devices(owner):
                    self._send("%s/%s" % (owner, name), watcher, "unavailable")
            self.watchers[owner].discard(watcher)
            self.asked[owner].discard(watcher)
            self._send(owner, watcher, "unsubscribed")

    def _approve(self, watcher, owner):
        self.asked[owner].discard(watcher)
        self.watchers[owner].add(watcher)
        self._send(owner, watcher, "subscribed")
        self._tell(owner, watcher)

    # ---- what our users want to see ----
    def watch(self, watcher, owner):
        seen = self.seen.setdefault((watcher, owner), Seen(watcher, owner))
        seen.is_wanted = True
        self._ask(seen)

    def unwatch(self, watcher, owner):
        seen = self.seen[watcher, owner]
        seen.is_wanted, seen.relation = False, "none"
        seen.devices.clear()
        self._send(watcher, owner, "unsubscribe")

    def _ask(self, seen):
        """Until it is answered, as users do."""
        if seen.is_wanted and seen.relation in ("none", "pending"):
            seen.relation, seen.asked_at = "pending", self.loop.now()
            self._send(seen.watcher, seen.owner, "subscribe")
            self.loop.after(self.PATIENCE, lambda at=seen.asked_at: seen.asked_at == at and self._ask(seen))

    # ---- in ----
    def take(self, raw):
        root = ET.fromstring(raw.replace(b"<presence", b"<presence xmlns='jabber:client'", 1) if b"xmlns=" not in raw[:raw.find(b">")] else raw)
        sender, _, device = root.get("from").partition("/")
        user, kind = root.get("to").split("/")[0], root.get("type")
        if kind in ("subscribe", "unsubscribe", "probe"):
            self._request(kind, sender, user)
        elif kind == "error":
            condition = next((e.tag.split("}")[1] for e in root.iter() if e.tag.startswith("{urn:ietf:params:xml:ns:xmpp-stanzas}")), "none")
            self.errors[condition] += 1
        elif (user, sender) not in self.seen:
            if kind not in ("unsubscribed", "unavailable"):
                self.strange.append(raw.decode("utf-8", "replace"))
        else:
            self._told(self.seen[user, sender], kind, device, root)

    def _request(self, kind, watcher, owner):
        verdict = self.truth.verdict(watcher, owner)
        if kind == "subscribe":
            if watcher in self.watchers[owner]:
                self._send(owner, watcher, "subscribed")
            elif verdict == "allowed":
                self._approve(watcher, owner)
            elif verdict == "refused":
                self._send(owner, watcher, "unsubscribed")
            else:
                self.asked[owner].add(watcher)
        elif kind == "unsubscribe":
            self.watchers[owner].discard(watcher)
            self.asked[owner].discard(watcher)
        elif watcher not in self.watchers[owner]:
            self._send(owner, watcher, "unsubscribed")
        elif not self._tell(owner, watcher):
            self._send(owner, watcher, "unavailable")

    def _told(self, seen, kind, device, root):
        seen.history.append("%.2f %s %s" % (self.loop.now(), kind or "available", device))
        if kind == "subscribed":
            seen.relation = "subscribed" if seen.is_wanted else "none"
        elif kind == "unsubscribed":
            seen.relation = "refused" if seen.is_wanted else "none"
            seen.devices.clear()
        elif kind == "unavailable":
            if device:
                seen.devices.pop(device, None)
            else:
                seen.devices.clear()
        elif kind is None:
            shown = (root.findtext(SHOW), root.findtext(STATUS))
            self.truth.told(seen.watcher, seen.owner, [shown])
            if seen.relation == "subscribed":
                seen.devices[device] = shown
