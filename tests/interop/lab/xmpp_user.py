"""An XMPP user (slixmpp) at one of the lab's servers."""
import asyncio
import dataclasses
from typing import Optional
from xml.sax.saxutils import escape, quoteattr

import slixmpp
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from harness.inbox import Inbox

CLIENT = "{jabber:client}"
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


def parse_message(xml):
    def child(name):
        element = xml.find(CLIENT + name)
        return None if element is None else element.text or ""

    m = Message(xml.get("from"), xml.get("to"), xml.get("id"), xml.get("type"), xml.get(XML_LANG),
                child("body"), child("subject"), child("thread"))
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
    def __init__(self, nsloop, jid, password, host):
        self.nsloop, self.jid, self.host = nsloop, jid, host
        self.password = password
        self.inbox = Inbox(jid)
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
            client.send_presence()
            settle()
        client.add_event_handler("session_start", started)
        client.add_event_handler("failed_auth", lambda e: settle(ConnectionError("login refused")))
        client.add_event_handler("connection_failed", lambda e: settle(ConnectionError(str(e))))
        client.connect((self.host, 5222), disable_starttls=True)
        await online

    def send(self, to, body, subject=None, thread=None, lang=None, type="chat", id=None):
        """Sends one message and gives back its id."""
        self.count += 1
        id = id or "%s-%d" % (self.jid.split("@")[0], self.count)
        xml = "<message to=%s id=%s%s%s>" % (
            quoteattr(to), quoteattr(id), " type=%s" % quoteattr(type) if type else "",
            " xml:lang=%s" % quoteattr(lang) if lang else "")
        for name, value in (("subject", subject), ("body", body), ("thread", thread)):
            if value is not None:
                xml += "<%s>%s</%s>" % (name, clear_text(value), name)
        self.nsloop.loop.call_soon_threadsafe(self.client.send_raw, xml + "</message>")
        return id

    def wait_body(self, body, timeout=10, since=0):
        return self.inbox.wait(lambda m: m.type != "error" and m.body == body, timeout, since)

    def wait_error(self, id, timeout=15):
        return self.inbox.wait(lambda m: m.type == "error" and m.id == id, timeout)

    def logout(self, timeout=5):
        async def leave():
            await self.client.disconnect(wait=1.0)
        if self.client is not None:
            self.nsloop.run(leave(), timeout)
            self.client = None
