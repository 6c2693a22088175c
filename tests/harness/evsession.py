"""
A front end of the Lync dialect with its users, under load, on evloop: what they write goes in sessions (INVITE, MESSAGE in the dialog,
BYE), and so does what is written to them. They behave as captures of real clients have it (harness/lync.py), and have the habits that are
hard on the other end: an INVITE is left alone for a while or for good, both ends call at once, a dialog is ended or forgotten in the middle
of a conversation. A message that is answered 481 was not taken, and is not in the log. What was written in a session that could not be
opened has the answer to its INVITE.
"""
import collections
import itertools
import re

from .evsip import BRANCH, CALL_ID, FROM_URI, NUMBER, REASON_TEXT, TO_URI, EvSip, Request
from .lync import OFFER
from .sipmsg import T1, T2

TO_TAG = re.compile(rb"(?im)^(?:to|t)[ \t]*:[^\r]*;tag=([^;\r]*)")
FROM_TAG = re.compile(rb"(?im)^(?:from|f)[ \t]*:[^\r]*;tag=([^;\r]*)")
CONTACT = re.compile(rb"(?im)^(?:contact|m)[ \t]*:[^\r<]*<([^>]*)>")
CSEQ = re.compile(rb"(?im)^cseq[ \t]*:[ \t]*\d+[ \t]+(\w+)")
MESSAGE_ID = re.compile(rb"(?im)^message-id[ \t]*:[ \t]*([^\r]*)")
NOT_DELIVERED = re.compile(rb"<message-id>([^<]*)</message-id>")
TEXT = "text/plain; charset=UTF-8"
UNACKED = 64 * T1  # RFC 3261 section 13.3.1.4


class Call:
    """A dialog that an INVITE has made."""

    def __init__(self, talk, call_id, mine, theirs, target):
        self.talk, self.call_id, self.mine, self.theirs, self.target = talk, call_id, mine, theirs, target
        self.cseq = 1
        self.under_way = 0   # of our messages
        self.is_acked = True
        self.is_leaving = False


class Talk:
    """A user of ours and a contact."""

    def __init__(self, user, contact):
        self.user, self.contact = user, contact
        self.current = None  # the call in which messages of ours are sent
        self.inviting = None  # Call: our INVITE has no answer yet
        self.is_yielding = False  # and is not wanted any more
        self.waiting = collections.deque()  # (number, bytes)


class Habits:
    """What the users of a front end do, by a generator of random numbers; nothing odd before `is_on`."""

    def __init__(self, rng):
        self.rng, self.is_on = rng, False

    def _happens(self, chance):
        return self.is_on and self.rng.random() < chance

    def invited(self):
        """(status or None: never, seconds until then)."""
        kind = self.rng.random() if self.is_on else 1.0
        if kind < 0.02:
            return None, 0
        if kind < 0.05:
            return self.rng.choice((480, 486, 603)), self.rng.choice((0, 1.0))
        return 200, self.rng.uniform(3, 12) if kind < 0.10 else self.rng.choice((0, 0, 0.05, 0.5))

    def forgets(self):
        """The dialog, when a message comes in it."""
        return self._happens(0.03)

    def leaves(self):
        """The dialog, after a message."""
        return self._happens(0.06)

    def yields(self):
        """Where both have called at once: the own call is given up."""
        return self._happens(0.5)


class EvFrontEnd(EvSip):
    """`port`: where the gateway reaches it. Over TCP."""

    def __init__(self, loop, domain, gateway, plan, habits, port, flows=1, address=("127.0.0.1", 0)):
        super().__init__(loop, domain, "tcp", gateway, plan, flows, address=address)
        self.habits, self.front = habits, port
        self.talks = {}    # (user, contact) -> Talk
        self.calls = {}    # (Call-ID, our tag) -> Call
        self.invited = {}  # branch of an INVITE that waits for our answer -> how to answer it: function(status)
        self.ids = {}      # Message-Id -> number
        self.serial = itertools.count(1)
        self.opened = collections.Counter()  # "ours", "theirs"

    def talk(self, user, contact):
        return self.talks.setdefault((user, contact), Talk(user, contact))

    def _routes(self):
        return "<sip:127.0.0.1:%d;transport=tcp;opaque=state:Ci.R200;lr>" % self.front

    @staticmethod
    def _gruu(user):
        return "<sip:%s;opaque=user:epid:%s;gruu>" % (user, user.split("@")[0].upper())

    def flow_of(self, user):
        return self.flows[sum(user.encode()) % len(self.flows)]

    # ---- requests of ours ----
    def _raw(self, call, method, branch, headers=(), body=b""):
        talk, uri = call.talk, call.target or "sip:" + call.talk.contact
        lines = ["%s %s SIP/2.0" % (method, uri), "Via: SIP/2.0/TCP 127.0.0.1:%d;branch=%s" % (self.front, branch)]
        lines += ["Record-Route: " + self._routes()] if method == "INVITE" else []
        lines += ["Via: SIP/2.0/tcp 127.0.0.1:51706;ms-received-port=51706;ms-received-cid=200", "Max-Forwards: 69",
                  "From: <sip:%s>;tag=%s;epid=0123456789" % (talk.user, call.mine),
                  "To: <sip:%s>%s" % (talk.contact, ";tag=" + call.theirs if call.theirs else ""), "Call-ID: " + call.call_id,
                  "CSeq: %d %s" % (1 if method == "ACK" else call.cseq, method)]
        lines += ["Contact: " + self._gruu(talk.user)] if method in ("INVITE", "MESSAGE") else []
        lines += [*headers, "Content-Length: %d" % len(body), "", ""]
        return "\r\n".join(lines).encode() + body

    def _branch(self):
        return "z9hG4bKp%d-%ss" % (next(self.serial), self.domain.split(".")[0])  # no digits at its end: no number of a message

    def _send(self, user, raw):
        flow = self.flow_of(user) if self.flows else None
        if flow is not None and flow.is_up:
            flow.conn.send(raw)

    def request(self, number, sender, recipient, body):
        return Request(number, ("s%d %s" % (number, body)).encode("utf-8"), b"", sender, recipient)

    def hand_in(self, request):
        self.log.handed[request.number] = self.log.sent[request.number] = self.loop.now()
        talk = self.talk(request.sender, request.recipient)
        talk.waiting.append((request.number, request.raw))
        self._go_on(talk)

    def call(self, user, contact):
        """Opens a session in which nothing is said yet."""
        self._invite(self.talk(user, contact))

    def _go_on(self, talk):
        if talk.current is None:
            if talk.inviting is None and talk.waiting:
                self._invite(talk)
            return
        while talk.waiting and talk.current is not None:
            self._say(talk.current, *talk.waiting.popleft())

    def _say(self, call, number, data):
        call.cseq += 1
        call.under_way += 1
        branch = self._branch()
        self.log.sent[number] = self.loop.now()
        self.ask(branch.encode(), self._raw(call, "MESSAGE", branch, ["Content-Type: " + TEXT], data), call.talk.user,
                 lambda status, raw: self._said(call, number, status, raw))

    def _outcome(self, number, status, raw):
        if raw is None:
            self.log.local[number] = (self.loop.now(), status)
            return
        reason = REASON_TEXT.search(raw)
        line = raw[:raw.find(b"\r\n")].decode("utf-8", "replace") + (" | " + reason.group(1).decode() if reason else "")
        self.log.finals[number].append((self.loop.now(), status, line))

    def _said(self, call, number, status, raw):
        call.under_way -= 1
        self._outcome(number, status, raw)
        if raw is not None and 200 <= status < 300:
            m = MESSAGE_ID.search(raw)
            if m is None:
                self.log.strange.append("s%d: %d without Message-Id" % (number, status))
            else:
                self.ids[m.group(1)] = number
        elif status == 481:
            self._drop(call)
        self._may_leave(call)

    def _invite(self, talk):
        n, branch = next(self.serial), self._branch()
        call = talk.inviting = Call(talk, "i%d@%s" % (n, self.domain), "i%d" % n, "", "")
        call.branch = branch
        for number, _ in talk.waiting:
            self.log.sent[number] = self.loop.now()
        body = (OFFER % ("message", "null")).encode()
        raw = self._raw(call, "INVITE", branch, ["Supported: ms-sender", "Ms-Conversation-ID: %d" % n, "Content-Type: application/sdp"], body)
        self.ask(branch.encode(), raw, talk.user, lambda status, answer: self._answered_invite(call, status, answer))

    def _answered_invite(self, call, status, raw):
        talk, is_yielding = call.talk, call.talk.is_yielding
        talk.inviting, talk.is_yielding = None, False
        if raw is not None:
            call.theirs = TO_TAG.search(raw).group(1).decode()
        if raw is not None and status < 300:
            call.target = CONTACT.search(raw).group(1).decode()
            self._ack(call, self._branch())
            self.calls[call.call_id, call.mine] = call
            self.opened["ours"] += 1
            if is_yielding:
                self._leave(call)
            elif talk.current is None or self.habits.yields():
                talk.current = call
        else:
            if raw is not None:
                self._ack(call, call.branch)
            if not is_yielding and talk.current is None:
                while talk.waiting:
                    self._outcome(talk.waiting.popleft()[0], status, raw)
        self._go_on(talk)

    def _ack(self, call, branch):
        self._send(call.talk.user, self._raw(call, "ACK", branch))

    def _may_leave(self, call):
        """No BYE overtakes a message of ours."""
        is_known = self.calls.get((call.call_id, call.mine)) is call
        call.is_leaving = is_known and (call.is_leaving or self.habits.leaves())
        if call.is_leaving and call.under_way == 0 and not (call is call.talk.current and call.talk.waiting):
            self._leave(call)

    def _leave(self, call):
        self._drop(call)
        call.cseq += 1
        branch = self._branch()
        self.ask(branch.encode(), self._raw(call, "BYE", branch), call.talk.user, lambda status, raw: None)

    def _drop(self, call):
        self.calls.pop((call.call_id, call.mine), None)
        if call.talk.current is call:
            call.talk.current = None
            self._go_on(call.talk)

    def _response(self, raw, branch):
        method = CSEQ.search(raw).group(1)
        if method == b"CANCEL":
            return
        if method == b"INVITE" and branch not in self.transactions and raw.startswith(b"SIP/2.0 2"):  # our ACK was lost
            call = self.calls.get((CALL_ID.search(raw).group(1).decode(), FROM_TAG.search(raw).group(1).decode()))
            if call is not None:
                self._ack(call, self._branch())
            return
        super()._response(raw, branch)

    # ---- requests of the gateway ----
    def take(self, raw, reply, is_udp):
        m = BRANCH.search(raw)
        branch = m.group(1) if m else b""
        if raw.startswith(b"SIP/2.0 "):
            self._response(raw, branch)
            return
        method, tag = raw[:raw.find(b" ")], TO_TAG.search(raw)
        call = self.calls.get((CALL_ID.search(raw).group(1).decode(), tag.group(1).decode())) if tag else None
        if method == b"ACK":
            if call is not None:
                call.is_acked = True
        elif method == b"INVITE" and tag is None:
            self._take_invite(raw, branch, reply)
        elif method == b"CANCEL":
            self._answer(raw, branch, 200, reply)
            answer = self.invited.pop(branch, None)
            if answer is not None:
                answer(487)
        elif tag is not None and call is None:
            self._answer(raw, branch, 481, reply)
        elif method == b"BYE":
            self._answer(raw, branch, 200, reply)
            self._drop(call)
        elif method == b"MESSAGE" and NUMBER.search(raw) and call is not None:
            self._take_message(call, raw, branch, reply)
        else:
            self._take_other(raw, branch, reply)

    def _take_other(self, raw, branch, reply):
        """What the gateway says of itself: a NOTIFY of a message that was not delivered, or words."""
        body = raw[raw.find(b"\r\n\r\n") + 4:]
        told = NOT_DELIVERED.search(body)
        if told and told.group(1) not in self.ids:
            self.log.strange.append("nobody knows the message of %s" % body.decode("utf-8", "replace"))
        if told or raw.startswith(b"MESSAGE "):
            addresses = [a.search(raw).group(1).decode() if a.search(raw) else "" for a in (FROM_URI, TO_URI)]
            self.log.notes.append((self.loop.now(), *addresses, body.decode("utf-8", "replace")))
        self._answer(raw, branch, 200, reply)

    def _take_message(self, call, raw, branch, reply):
        if self.habits.forgets():
            self._drop(call)
            self._answer(raw, branch, 481, reply)
            return
        number = int(NUMBER.search(raw).group(2))
        self.log.received[number].append((self.loop.now(), branch.decode(), call.call_id))
        self.log.order.append(number)
        status, seconds = self.plan(number)
        self.log.answers[number] = status

        def answer():
            self._answer(raw, branch, status, reply, number)
            self._may_leave(call)
        self.loop.after(seconds, answer)

    def _take_invite(self, raw, branch, reply):
        status, seconds = self.habits.invited()
        self.invited[branch] = lambda what: self._answer_invite(raw, branch, reply, what)
        if status is not None:
            self.loop.after(seconds, lambda: branch in self.invited and self.invited.pop(branch)(status))

    def _answer_invite(self, raw, branch, reply, status):
        tag = "o%d" % next(self.serial)
        if status >= 300:
            self._answer(raw, branch, status, reply, tag=tag)
            return
        user, contact = TO_URI.search(raw).group(1).decode(), FROM_URI.search(raw).group(1).decode()
        talk = self.talk(user, contact)
        call = Call(talk, CALL_ID.search(raw).group(1).decode(), tag, FROM_TAG.search(raw).group(1).decode(), CONTACT.search(raw).group(1).decode())
        call.is_acked = False
        self.calls[call.call_id, call.mine] = call
        self.opened["theirs"] += 1
        headers = ("Record-Route: %s\r\nContact: %s\r\nContent-Type: application/sdp\r\n" % (self._routes(), self._gruu(user))).encode()
        self._accept_call(call, lambda: self._answer(raw, branch, 200, reply, None, headers, tag, (OFFER % ("message", "null")).encode()))
        talk.current = call
        if talk.inviting is not None and not talk.is_yielding and self.habits.yields():
            talk.is_yielding = True
            self._send(user, self._raw(talk.inviting, "CANCEL", talk.inviting.branch))
        self._go_on(talk)

    def _accept_call(self, call, say, interval=T1, spent=0.0):
        """The 200 until it is acknowledged (RFC 3261 section 13.3.1.4)."""
        if call.is_acked or self.is_closed or (spent > 0 and (call.call_id, call.mine) not in self.calls):
            return
        if spent >= UNACKED:
            self._leave(call)
            return
        say()
        self.loop.after(interval, lambda: self._accept_call(call, say, min(2 * interval, T2), spent + interval))
