"""An XMPP user (slixmpp) at one of the lab's servers."""
import asyncio
import dataclasses
import time
from typing import Optional
from xml.sax.saxutils import escape, quoteattr

import slixmpp
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from harness.inbox import Inbox

from .comeback import Comeback

CLIENT = "{jabber:client}"
CHAT_STATES = "http://jabber.org/protocol/chatstates"
STANZAS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


@dataclasses.dataclass
class Message:
    sender: str
    to: str
    id: Optional[str]
    type: Optional[str]
    lang: Optional[str]
    body: Optional[str]
    subject: Optional[str]
    thread: Optional[str]
    condition: Optional[str] = None  # of an error
    error_type: Optional[str] = None
    text: Optional[str] = None
    state: Optional[str] = None      # XEP-0085


@dataclasses.dataclass
class Presence:
    at: float  # of the monotonic clock
    sender: str
    type: Optional[str]
    show: Optional[str]
    status: Optional[str]

    @property
    def bare(self):
        return self.sender.split("/")[0]


def child_text(xml, name):
    element = xml.find(CLIENT + name)
    return None if element is None else element.text or ""


def parse_presence(xml):
    return Presence(time.monotonic(), xml.get("from") or "", xml.get("type"), child_text(xml, "show"), child_text(xml, "status"))


def parse_message(xml):
    m = Message(xml.get("from"), xml.get("to"), xml.get("id"), xml.get("type"), xml.get(XML_LANG),
                child_text(xml, "body"), child_text(xml, "subject"), child_text(xml, "thread"))
    m.state = next((e.tag[len(CHAT_STATES) + 2:] for e in xml if e.tag.startswith("{%s}" % CHAT_STATES)), None)
    error = xml.find(CLIENT + "error")
    if error is not None:
        m.error_type = error.get("type")
        for element in error:
            if element.tag == STANZAS + "text":
                m.text = element.text
            elif element.tag.startswith(STANZAS):
                m.condition = element.tag[len(STANZAS):]
    return m


def clear_text(value):
    """Text of an element; a CR has to be written as a reference to survive XML's line-end rule."""
    return escape(value, {"\r": "&#xD;"})


class XmppUser:
    """`comes_back`: one whose stream is lost logs in again, as clients do."""

    def __init__(self, nsloop, jid, password, host, comes_back=False):
        self.nsloop, self.jid, self.host = nsloop, jid, host
        self.password = password
        self.shown = (None, None)    # show and status of the last presence for all
        self.inbox = Inbox(jid)
        self.presences = Inbox(jid)  # of others; emptied at each login
        self.comeback = Comeback(jid, self._login_again) if comes_back else None
        self.client = None
        self.count = 0

    def login(self, timeout=15):
        self.nsloop.run(self._login(), timeout)
        return self

    async def _login(self):
        online = asyncio.get_running_loop().create_future()

        def settle(error=None):
            if not online.done():
                if error is None:
                    online.set_result(None)
                else:
                    online.set_exception(error)

        client = self.client = slixmpp.ClientXMPP(self.jid, self.password)
        # the user sits on its server's own network; jabberd2 knows nothing better than PLAIN
        client["feature_mechanisms"].unencrypted_scram = client["feature_mechanisms"].unencrypted_plain = True
        client.register_handler(Callback("messages", MatchXPath(CLIENT + "message"),
                                         lambda stanza: self.inbox.put(parse_message(stanza.xml))))
        async def started(_):
            await client.get_roster()
            client.send_presence(pshow=self.shown[0], pstatus=self.shown[1])
            settle()
        client.add_event_handler("session_start", started)
        client.register_handler(Callback("presences", MatchXPath(CLIENT + "presence"),
                                         lambda stanza: self.presences.put(parse_presence(stanza.xml))))
        self.presences = Inbox(self.jid)
        client.roster.auto_authorize, client.roster.auto_subscribe = None, False  # the test decides
        client.add_event_handler("failed_auth", lambda e: settle(ConnectionError("login refused")))
        client.add_event_handler("connection_failed", lambda e: settle(ConnectionError(str(e))))
        client.add_event_handler("disconnected", lambda _: self._lost(client))
        client.connect((self.host, 5222), disable_starttls=True)
        await online

    def _lost(self, client):
        if client is self.client and self.comeback is not None:
            self.comeback.begin()

    async def _login_again(self):
        old, self.client = self.client, None
        if old is not None:
            old.abort()
        try:
            await asyncio.wait_for(self._login(), 10)
        except asyncio.TimeoutError:
            raise ConnectionError("no answer to a login") from None

    def send(self, to, body, subject=None, thread=None, lang=None, type="chat", id=None, state=None):
        """Sends one message and gives back its id. `state`: whether one types (XEP-0085)."""
        self.count += 1
        id = id or "%s-%d" % (self.jid.split("@")[0], self.count)
        xml = "<message to=%s id=%s%s%s>" % (
            quoteattr(to), quoteattr(id), " type=%s" % quoteattr(type) if type else "",
            " xml:lang=%s" % quoteattr(lang) if lang else "")
        for name, value in (("subject", subject), ("body", body), ("thread", thread)):
            if value is not None:
                xml += "<%s>%s</%s>" % (name, clear_text(value), name)
        if state is not None:
            xml += "<%s xmlns=%s/>" % (state, quoteattr(CHAT_STATES))
        self.nsloop.loop.call_soon_threadsafe(self.client.send_raw, xml + "</message>")
        return id

    def refuse(self, message, condition, type="cancel"):
        """Answers a message with an error."""
        xml = "<message to=%s id=%s type='error'><error type=%s><%s xmlns='%s'/></error></message>" % (
            quoteattr(message.sender), quoteattr(message.id), quoteattr(type), condition, STANZAS[1:-1])
        self.nsloop.loop.call_soon_threadsafe(self.client.send_raw, xml)

    # ---- presence (RFC 6121 sections 3 and 4) ----
    def say(self, show=None, status=None, to=None, type=None, priority=None):
        """Sends presence, to all who watch or to one address."""
        if to is None and type is None:
            self.shown = (show, status)
        xml = "<presence%s%s>" % (" to=%s" % quoteattr(to) if to else "", " type=%s" % quoteattr(type) if type else "")
        for name, value in (("show", show), ("status", status), ("priority", priority)):
            if value is not None:
                xml += "<%s>%s</%s>" % (name, clear_text(str(value)), name)
        if self.client is not None:  # else it is said at the login
            self.nsloop.loop.call_soon_threadsafe(self.client.send_raw, xml + "</presence>")

    def sees(self, bare):
        """{resource: (show, status)} of an address, by what has come since the login."""
        found = {}
        for p in list(self.presences.items):
            resource = p.sender.partition("/")[2]
            if p.bare == bare and p.type is None:
                found[resource] = (p.show, p.status)
            elif p.bare == bare and p.type == "unavailable":
                found.pop(resource, None) if resource else found.clear()
        return found

    def wait_presence(self, bare, wanted, timeout=10, since=0):
        """The first stanza from an address for which wanted(Presence) holds."""
        return self.presences.wait(lambda p: p.bare == bare and wanted(p), timeout, since)

    def wait_body(self, body, timeout=10, since=0):
        return self.inbox.wait(lambda m: m.type != "error" and m.body == body, timeout, since)

    def wait_error(self, id, timeout=15):
        return self.inbox.wait(lambda m: m.type == "error" and m.id == id, timeout)

    def logout(self, timeout=5):
        async def leave():
            if self.comeback is not None:
                self.comeback.leave()
            if self.client is not None:
                await self.client.disconnect(wait=1.0)
        if self.client is not None or self.comeback is not None:
            self.nsloop.run(leave(), timeout)
            self.client = None

    def close(self):
        """Leaves without a word where its server is gone."""
        try:
            self.logout()
        except (AssertionError, OSError):
            self.client = None
