"""A SIP user with presence: publishes its own (RFC 3903) and watches others (RFC 6665, RFC 3856), as phones do."""
import asyncio
import dataclasses
import re
import time
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

from harness.inbox import Inbox
from harness.proc import wait_until
from harness.sipmsg import token

from .comeback import Comeback
from .sip_user import SipUser

PIDF = "{urn:ietf:params:xml:ns:pidf}"
RPID = "{urn:ietf:params:xml:ns:pidf:rpid}"
PERSON = "{urn:ietf:params:xml:ns:pidf:data-model}"
DOCUMENT = """<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid"
 entity="{aor}"><tuple id="{name}"><status><basic>{basic}</basic></status><contact priority="0.8">{aor}</contact>{note}</tuple>{person}</presence>"""


@dataclasses.dataclass
class View:
    """What one NOTIFY says."""
    at: float  # of the monotonic clock
    state: str
    reason: str
    tuples: dict  # id -> (basic, show or None, note or None)
    activities: set

    @property
    def shown(self):
        """What a phone shows of those that are there: id -> (show, note)."""
        return {name: t[1:] for name, t in self.tuples.items() if t[0] == "open"}


def read_notify(m):
    state, _, rest = (m.get("subscription-state") or "").partition(";")
    reason = re.search(r"reason=([\w-]+)", rest)
    view = View(time.monotonic(), state.strip(), reason.group(1) if reason else "", {}, set())
    if m.body:
        root = ET.fromstring(m.body)
        for t in root.iter(PIDF + "tuple"):
            show, note = t.find("%sstatus/{jabber:client}show" % PIDF), t.find(PIDF + "note")
            view.tuples[t.get("id")] = (t.find("%sstatus/%sbasic" % (PIDF, PIDF)).text, show.text if show is not None else None,
                                        note.text if note is not None else None)
        for activities in root.iter(RPID + "activities"):
            view.activities.update(a.tag[len(RPID):] for a in activities)
    return view


class Watch:
    """A subscription: its dialog, and what has been said in it. `views` goes on where it is made anew."""

    def __init__(self, phone, uri):
        self.uri, self.views = uri, Inbox("%s watching %s" % (phone.aor, uri))
        self.begin()

    def begin(self):
        self.call_id, self.tag, self.to, self.target, self.routes = token() + "@phone", token(), "<%s>" % self.uri, self.uri, ()

    def wait_room(self):
        """Until the next change is told at once: of the NOTIFYs that may go so one comes back every 5 s."""
        wait_until("5 s since the last NOTIFY", lambda: time.monotonic() - self.views.items[-1].at > 5.0, 10)

    @property
    def sees(self):
        """id -> (show, note) of who is there, by the last NOTIFY."""
        return self.views.items[-1].shown if self.views.items else {}


class SipPhone(SipUser):
    """`name`: of its tuple. One that has lost its connection comes back and begins anew what it did."""

    def __init__(self, nsloop, aor, proxy, local, transport="tcp", name="desk"):
        super().__init__(nsloop, aor, proxy, local, transport)
        self.name = name
        self.watches = {}
        self.etag = self.document = None
        self.refreshing = None
        self.comeback = Comeback(aor, self._open_again)

    # ---- its own presence ----
    def publish(self, basic="open", activity=None, note=None):
        """Tells its server what it is from now on; the status of the answer."""
        clear = "<note>%s</note>" % escape(note) if note else ""
        person = '<dm:person id="p"><rpid:activities><rpid:%s/></rpid:activities></dm:person>' % activity if activity else ""
        self.document = DOCUMENT.format(aor=self.aor, name=self.name, basic=basic, note=clear, person=person)
        return self.nsloop.run(self._publish(), 45)

    def unpublish(self):
        self.document = None
        return self.nsloop.run(self._publish(), 45)

    async def _publish(self):
        headers = [("Event", "presence"), ("Expires", "600" if self.document else "0")]
        body = self.document.encode() if self.document else b""
        headers += [("Content-Type", "application/pidf+xml")] if body else []
        match = [("SIP-If-Match", self.etag)] if self.etag else []
        response = await self._request("PUBLISH", self.aor, "<%s>" % self.aor, headers + match, body, token() + "@phone", 40)
        if response is not None and response.status == 412 and body:  # forgotten by the server
            response = await self._request("PUBLISH", self.aor, "<%s>" % self.aor, headers, body, token() + "@phone", 40)
        if response is None or response.status != 200:
            raise AssertionError("%s: PUBLISH was answered %s" % (self.aor, response and response.start))
        self.etag = response.get("sip-etag") if body else None
        return response.status

    # ---- that of others ----
    def watch(self, uri, expires=600):
        """Begins to watch; the Watch, whose `status` is that of the answer."""
        w = self.watches[uri] = Watch(self, uri)
        w.status = self.nsloop.run(self._subscribe(w, expires), 45)
        return w

    def refresh(self, uri, expires=600):
        return self.nsloop.run(self._subscribe(self.watches[uri], expires), 45)

    def unwatch(self, uri):
        """No more of it; the status of the answer."""
        w = self.watches[uri]
        status = self.nsloop.run(self._subscribe(w, 0), 45)
        w.views.wait(lambda v: v.state == "terminated")
        del self.watches[uri]
        return status

    async def _subscribe(self, w, expires):
        headers = [("Route", r) for r in w.routes] + [("Contact", self._contact()), ("Event", "presence"), ("Accept", "application/pidf+xml"),
                                                      ("Expires", str(expires))]
        response = await self._request("SUBSCRIBE", w.target, w.to, headers, b"", w.call_id, 40, tag=w.tag)
        if response is not None and response.status < 300:
            self._in_dialog(w, response, "to", list(reversed(response.all("record-route"))))
            if expires:
                asyncio.get_running_loop().call_later(int(response.get("expires")) * 0.75, self._refresh, w, w.call_id)
        return response and response.status

    def _refresh(self, w, call_id):
        """Before it expires, in the dialog it is in; who is not known there any more begins anew."""
        async def go_on():
            if await self._subscribe(w, 600) == 481 and w.call_id == call_id:
                w.begin()
                await self._subscribe(w, 600)
        if not self.comeback.left.is_set() and w.call_id == call_id and self.watches.get(w.uri) is w:
            self.refreshing = asyncio.ensure_future(go_on())

    @staticmethod
    def _in_dialog(w, m, peer, routes):
        """The first answer or NOTIFY makes the dialog (RFC 6665 section 4.4.1)."""
        if ";tag=" not in w.to:
            w.to, w.routes = m.get(peer), routes
            w.target = m.uri("contact")

    def notified(self, notify):
        w = next((w for w in self.watches.values() if w.call_id == notify.get("call-id")), None)
        if w is None:
            return 481
        self._in_dialog(w, notify, "from", notify.all("record-route"))
        w.views.put(read_notify(notify))
        return 200

    # ---- when its connection is gone ----
    def lost(self, exc):
        super().lost(exc)
        self.comeback.begin()

    async def _open_again(self):
        await self._open()
        await self._request("REGISTER", "sip:" + self.domain, "<%s>" % self.aor, [("Contact", self._contact()), ("Expires", "600")], b"",
                            self.register_id)
        if self.document:
            await self._publish()
        for w in list(self.watches.values()):
            w.begin()
            w.status = await self._subscribe(w, 600)

    def close(self):
        self.nsloop.loop.call_soon_threadsafe(self.comeback.leave)
        super().close()
