"""The conversation of `packaging/demo --lync`: the SIP user is one of the Lync dialect behind a front end, and what is said goes through sessions."""
import xml.etree.ElementTree as ET

from .lync import TYPING, LyncUser
from .presence import LyncWatch, state_of
from .talk import HOST, Talk, as_stanza, as_text
from .xmpp import child_text

STATES = "http://jabber.org/protocol/chatstates"


def chat_state(word):
    return "<%s xmlns='%s'/>" % (word, STATES)


def states_of(stanza):
    return [e.tag.split("}")[1] for e in stanza if e.tag.startswith("{%s}" % STATES)]


class LyncTalk(Talk):
    def __init__(self, directory, xfedctl):
        super().__init__(directory, xfedctl)
        self.server = None
        self.dave = LyncUser(self.user, None, "dave")
        self.user.answer = self.answer

    def answer(self, m):
        """The front end: presence is its own business, the rest that of its users."""
        return self.server.answer(m) if m.method == "SUBSCRIBE" else self.dave.answer(m)

    def ready(self):
        super().ready()
        self.flow = self.dave.flow = self.user.dial((HOST, self.port["sip"]))

    # ---- the session ----
    def to_sip(self):
        text = "Hello Dave, this is XMPP. \U0001F44B"
        self.partner.say("alice", "dave@corp.example", text, inner=chat_state("active"))
        got = self.dave.wait_text(text, 15)
        invite = self.dave.wait("INVITE")
        assert got.uri("from") == "sip:alice@partner.example" and got.get("call-id") == invite.get("call-id"), got.get("from")
        return as_text(invite) + "\n" + as_text(got)

    def to_xmpp(self):
        text = "Hello Alice, this is Lync. <&>"
        response = self.dave.say(self.dave.dialogs[0], text)
        assert response.status == 202 and response.get("message-id"), "the gateway answered: " + response.start
        stanza = self.partner.wait_body(text, 15)
        assert stanza.get("from") == "dave@corp.example", stanza.get("from")
        return as_stanza(stanza) + "\n" + response.start

    def alice_types(self):
        self.partner.say("alice", "dave@corp.example", None, inner=chat_state("composing"))
        info = self.dave.wait("INFO", 15)
        assert 'status="type"' in info.text, info.text
        return as_text(info)

    def dave_types(self):
        since = self.partner.inbox.mark()
        response = self.dave.ask(self.dave.dialogs[0], "INFO", body=TYPING % "type", content_type="application/xml")
        assert response.status == 200, "the gateway answered: " + response.start
        return as_stanza(self.partner.inbox.wait(lambda s: s.get("from") == "dave@corp.example" and "composing" in states_of(s), 15, since))

    def window_closed(self):
        answer = self.dave.bye(self.dave.dialogs[0])
        assert answer.status == 200, "the gateway answered: " + answer.start
        answer, dialog = self.dave.invite("sip:alice@partner.example")
        assert answer.status == 200, "the gateway answered: " + answer.start
        since = self.partner.inbox.mark()
        assert self.dave.say(dialog, "One more thing").status == 202
        self.partner.inbox.wait(lambda s: child_text(s, "body") == "One more thing", 15, since)
        self.partner.say("alice", "dave@corp.example", "Yes?")
        assert self.dave.wait_text("Yes?", 15).get("call-id") == dialog.call_id
        return as_text(answer)

    def conversation(self):
        first, second, streams = super().conversation()
        return [(first[0] + ", which opens a session", self.to_sip), ("in it dave@corp.example answers", self.to_xmpp), streams,
                ("alice types, and dave sees it", self.alice_types), ("dave types, and alice sees it", self.dave_types),
                ("dave closes his window, and writes again: another session", self.window_closed)]

    # ---- presence ----
    def sip_watches(self):
        self.watch = LyncWatch(self.user, self.flow, "sip:alice@partner.example", "sip:dave@corp.example")
        answer = self.watch.subscribe()
        assert answer.status == 200, "the gateway answered: " + answer.start
        self.partner.inbox.wait(lambda s: s.get("type") == "subscribe" and s.get("from") == "dave@corp.example", 15)
        self.partner.send("<presence from='alice@partner.example' to='dave@corp.example' type='subscribed'/>")
        return self.told(self.alice_is("<status>at my desk</status>"), ("3500", "at my desk"))

    def xmpp_changes(self):
        return self.told(self.alice_is("<show>away</show><status>at lunch</status>"), ("15500", "at lunch"))

    def told(self, said, wanted):
        """The NOTIFY in which the SIP user is told that."""
        def shown(m):
            root = ET.fromstring(m.body)
            found = [next((e.text for e in root.iter() if e.tag.endswith("}" + name)), None) for name in ("availability", "body")]
            return tuple(found) == wanted
        got = self.watch.wait(lambda m: m.body and m.get("content-type") == "application/msrtc-event-categories+xml" and shown(m), 15)
        return "%s\nNOTIFY, %s\n%s" % (said, state_of(got), got.text)

    def serve_presence(self):
        super().serve_presence()
        self.user.answer = self.answer

    def unknown_user(self):
        found = self.partner.wait_error(self.partner.say("alice", "nobody@corp.example", "Is anybody there?"), 15)
        assert found[:2] == ("item-not-found", "cancel"), found
        return "INVITE refused with 404; error from nobody@corp.example: %s (type %s)" % found[:2]
