"""
What a hundred thousand presence subscriptions of ten thousand users cost: memory, a start, a change, and whether messages feel them. The
peers are those of the fault harness, lean: one SIP server over TCP, one partner, all in this process.
"""
import collections
import itertools
import os
import re
import shutil
import sqlite3
import statistics
import time
from types import SimpleNamespace

import messages
from harness.evloop import Loop
from harness.evsip import CALL_ID, EvSip
from harness.evxmpp import EvPartner
from harness.installation import Installation
from harness.presence import pidf
from harness.proc import wait_until
from harness.wire import free_port
from harness.xmpp import message
from lab import LOCAL, MANY, Failed, check, cpu_us, flow, memory_kb

OURS, THEIRS = "corp.example", "partner.example"
USERS, EACH = 10000, 5        # contacts of each user: they see each other, which is two subscriptions
WINDOW = 256
START_GOAL_S, KB_GOAL = 10, 1.5
FROM = re.compile(rb"(?im)^(?:from|f)[ \t]*:[ \t]*([^\r]*)")
TO = re.compile(rb"(?im)^(?:to|t)[ \t]*:[ \t]*([^\r]*)")
CONTACT = re.compile(rb"(?im)^(?:contact|m)[ \t]*:[^\r<]*<([^>]*)>")
ATTR = {name: re.compile(rb"\s%s=['\"]([^'\"]*)['\"]" % name) for name in (b"type", b"from", b"to")}


def user(i):
    return "u%d@%s" % (i, OURS)


def contact(i, n):
    return "c%d-%d@%s" % (i, n, THEIRS)


class SipSide:
    """A presence server that lets everybody see, and phones."""

    def __init__(self, sip, port):
        self.sip, self.numbers = sip, itertools.count(1)
        self.contact = "<sip:127.0.0.1:%d;transport=tcp>" % port
        self.dialogs, self.notified, self.answers = {}, 0, collections.Counter()
        self.pending = 0
        sip.presence = self

    def take(self, raw, answer):
        if raw.startswith(b"SUBSCRIBE "):
            call_id = CALL_ID.search(raw).group(1)
            d = self.dialogs.get(call_id)
            if d is None:
                tag = "n%d" % next(self.numbers)
                to, peer = TO.search(raw).group(1).decode(), FROM.search(raw).group(1).decode()
                d = self.dialogs[call_id] = SimpleNamespace(tag=tag, local="%s;tag=%s" % (to, tag), remote=peer, cseq=0, call_id=call_id.decode(),
                                                            target=CONTACT.search(raw).group(1).decode(), owner=to.split("sip:")[1].rstrip(">"))
            answer(200, b"Expires: 3600\r\nContact: %s\r\n" % self.contact.encode(), d.tag)
            self.tell(d)
        else:
            self.notified += raw.startswith(b"NOTIFY ") and b"\r\n\r\n<" in raw
            answer(200)

    def _ask(self, method, d, lines, body=""):
        d.cseq += 1
        branch = "z9hG4bKp%dp" % next(self.numbers)
        head = ["%s %s SIP/2.0" % (method, d.target), "Via: SIP/2.0/TCP 127.0.0.1:%d;branch=%s;rport" % (self.sip.port, branch),
                "Max-Forwards: 70", "From: " + d.local, "To: " + d.remote, "Call-ID: " + d.call_id, "CSeq: %d %s" % (d.cseq, method),
                "Contact: " + self.contact, "Event: presence", *lines, "Content-Length: %d" % len(body), "", ""]
        self.pending += 1
        self.sip.ask(branch.encode(), ("\r\n".join(head) + body).encode(), d.owner, self._answered)

    def _answered(self, status, _):
        self.pending -= 1
        self.answers[status] += 1

    def tell(self, d, note="at work"):
        body = pidf("pres:" + d.owner, ("desk", "open", "away", note))
        self._ask("NOTIFY", d, ["Subscription-State: active;expires=3600", "Content-Type: application/pidf+xml"], body)

    def watch(self, watcher, owner):
        n = next(self.numbers)
        d = SimpleNamespace(local="<sip:%s>;tag=w%d" % (watcher, n), remote="<sip:%s>" % owner, cseq=0, call_id="w%d@phones" % n,
                            target="sip:" + owner, owner=watcher)
        self._ask("SUBSCRIBE", d, ["Accept: application/pidf+xml", "Expires: 3600"])


class XmppSide:
    """A server whose users let everybody see them; each has one device."""

    def __init__(self, partner):
        self.partner, self.presences, self.subscribed = partner, 0, 0
        partner.presence = self

    def send(self, sender, to, kind=None, note=None, device="desk"):
        raw = "<presence from='%s' to='%s'%s>%s</presence>" % (
            sender if kind else sender + "/" + device, to, " type='%s'" % kind if kind else "",
            "" if kind else "<show>away</show><status>%s</status>" % note)
        self.partner.hand_in(OURS, [(None, raw.encode())])

    def take(self, raw):
        head = raw[:raw.find(b">") + 1]
        kind, peer, own = (ATTR[n].search(head) for n in (b"type", b"from", b"to"))
        peer, own = peer.group(1).decode(), own.group(1).decode()
        if kind is None:
            self.presences += 1
        elif kind.group(1) == b"subscribe":
            self.send(own, peer, "subscribed")
            self.send(own, peer, None, "at home")
        elif kind.group(1) == b"probe":
            self.send(own, peer, None, "at home")
        elif kind.group(1) == b"subscribed":
            self.subscribed += 1
        elif kind.group(1) == b"error":
            raise Failed("an error: %s" % raw.decode())


class Rig:
    """Both daemons, and the two sides."""

    def __init__(self, lab, name):
        self.dir = "%s/%s" % (lab.dir, name)
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        self.loop = Loop()
        nobody = SimpleNamespace(address=("127.0.0.1", 9))
        port = free_port()
        self.inst = Installation(self.dir, lab.tools, lab.certs, nobody, {OURS: SimpleNamespace(port=port)}, edge={"log": {"level": "warning"}}, gateway={
            "log": {"level": "warning"}, "limits": {"transactions": MANY, "queue_messages": 4096}, "sip": {"answer_within": "10s", "error_hold": "1s"}})
        self.partner = EvPartner(self.loop, THEIRS, lab.certs, "partner", self.inst.s2s, lab.has_sm)
        self.inst.list_partner(THEIRS, connect_to="127.0.0.1:%d" % self.partner.port, limits={"stanzas_per_second": MANY, "connections": 1000})
        self.sip = EvSip(self.loop, OURS, "tcp", self.inst.sip, lambda _: (200, 0), address=("127.0.0.1", port))
        self.phones, self.server = SipSide(self.sip, port), XmppSide(self.partner)
        self.numbers = itertools.count(1)

    def start(self):
        """Seconds until the gateway says that it is ready."""
        self.inst.edge.start()
        return self.start_gateway()

    def start_gateway(self):
        begun = time.monotonic()
        self.inst.gateway.start()
        self.until("the gateway to be ready", lambda: self.inst.gateway.get("/readyz")[0] == 200, 60)
        return time.monotonic() - begun

    def until(self, what, is_done, timeout):
        if not self.loop.run(is_done, timeout):
            raise Failed("waited %d s for %s" % (timeout, what))

    def pid(self, name):
        return getattr(self.inst, name).process.child.pid

    def stop(self):
        for d in (self.inst.gateway, self.inst.edge):
            if d.process is not None:
                d.process.stop()
        self.partner.close()
        self.sip.close()

    def memory(self):
        """KB of the gateway that are its own, when they have stopped to change."""
        values = [memory_kb(self.pid("gateway"))["private_dirty"]]
        self.loop.run(lambda: False, 2)
        values.append(memory_kb(self.pid("gateway"))["private_dirty"])
        return values[-1]

    # ---- what is done ----
    def all_of(self, what, items, do, done, timeout=600):
        """do(item) for each, at most WINDOW ahead of done(); CPU time of each daemon meanwhile, in us a piece."""
        before = {name: cpu_us(self.pid(name)) for name in ("gateway", "edge")}
        begun, first, items = time.monotonic(), done(), list(items)
        state = {"next": 0}

        def step():
            while state["next"] < len(items) and state["next"] - (done() - first) < WINDOW:
                do(items[state["next"]])
                state["next"] += 1
            return done() - first >= len(items)
        deadline = begun + timeout
        while not step():
            if time.monotonic() > deadline:
                raise Failed("%s: %d of %d in %d s" % (what, done() - first, len(items), timeout))
            self.loop.step(0.01)
        return {name: (cpu_us(self.pid(name)) - us) / len(items) for name, us in before.items()}

    def message_to_sip(self, pair):
        n = next(self.numbers)
        self.partner.hand_in(OURS, [(n, message(contact(*pair) + "/desk", user(pair[0]), "x%d how are you today?" % n, id="x%d" % n).encode())])

    def message_to_xmpp(self, pair):
        self.sip.hand_in(self.sip.request(next(self.numbers), user(pair[0]), contact(*pair), "how are you today?"))


def fill(path, relations):
    """`relations`: (user, contact, state): into a store that the gateway has made."""
    now = int(time.time())
    with sqlite3.connect(path) as db:
        columns = {row[1]: row for row in db.execute("PRAGMA table_info(contact)")}
        values = {name: now for name in columns if name.endswith("_s") and name != "asked_s"}
        values.update({name: 0 for name, row in columns.items() if row[3] and name not in values})
        db.executemany("INSERT INTO contact (local, remote, relation, %s) VALUES (?, ?, ?, %s)" % (
            ", ".join(n for n in values if n not in ("local", "remote", "relation")),
            ", ".join(str(v) for n, v in values.items() if n not in ("local", "remote", "relation"))), relations)
    db.close()


def make_store(inst, relations):
    """The gateway makes it before it answers anything; it is not ready without an edge."""
    inst.gateway.start()
    wait_until("the gateway's pages", lambda: inst.gateway.get("/readyz")[0] in (200, 503), 20, inst.gateway.process)
    inst.gateway.stop()
    fill(inst.dir + "/gateway.db", relations)


def new_requests(rig):
    """One of each kind that nobody has had before: when all are answered, from now."""
    begun = time.monotonic()
    notified, seen, got = rig.phones.notified, len(rig.partner.log.order), len(rig.sip.log.order)
    subscribed = rig.server.subscribed
    rig.phones.watch("new@" + OURS, "newcomer@" + THEIRS)
    rig.server.send("newcomer2@" + THEIRS, "new2@" + OURS, "subscribe")
    rig.message_to_sip((USERS + 1, 0))
    rig.message_to_xmpp((USERS + 2, 0))
    rig.until("new requests to be served", lambda: rig.phones.notified > notified and rig.server.subscribed > subscribed and
              len(rig.partner.log.order) > seen and len(rig.sip.log.order) > got and rig.sip.log.finals, 60)
    return time.monotonic() - begun


def subscriptions(lab, quick):
    users = USERS // 20 if quick else USERS
    pairs = [(i, n) for i in range(users) for n in range(EACH)]
    rig = Rig(lab, "subscriptions")
    try:
        rig.start()
        new_requests(rig)
        empty = rig.memory()
        rig.inst.gateway.stop()
        fill(rig.inst.dir + "/gateway.db", [(user(i), contact(i, n), "both") for i, n in pairs])
        begun, told = time.monotonic(), rig.server.presences
        ready = rig.start_gateway()
        served = ready + new_requests(rig)
        rig.until("the resynchronisation", lambda: rig.server.presences - told >= len(pairs) and rig.phones.pending == 0, 600)
        whole = time.monotonic() - begun
        follows = rig.memory()
        rig.all_of("watching", pairs, lambda p: rig.phones.watch(user(p[0]), contact(*p)), lambda: rig.phones.answers[200], 900)
        rig.until("all to be told", lambda: rig.phones.pending == 0, 60)
        both = rig.memory()
        count = 2 * len(pairs)
        out = {"memory and start": {
            "subscriptions": count, "KB_each": round((both - empty) / count, 2), "goal": KB_GOAL, "KB_one_way": round((follows - empty) / len(pairs), 2),
            "MB": round(both / 1024), "ready_s": round(ready, 1), "new_requests_served_s": round(served, 1), "served_within": START_GOAL_S,
            "resynchronised_s": round(whole, 1)}}
        out.update(changes(rig, pairs, quick))
        return out
    finally:
        rig.stop()


def changes(rig, pairs, quick):
    """CPU time a change of presence in each direction, beside that of a message between the same."""
    count = 1000 if quick else 10000
    log = rig.partner.log
    dialogs = [d for d in rig.phones.dialogs.values() if d.owner.split("@")[0] not in ("new", "new2")][-count:]
    rig.all_of("warming up", pairs[:count], rig.message_to_sip, lambda: len(rig.sip.log.order))
    rows = {
        "to XMPP": (rig.all_of("changes to XMPP", dialogs, lambda d: rig.phones.tell(d, "in a meeting"), lambda: rig.server.presences),
                    rig.all_of("messages to XMPP", pairs[:count], rig.message_to_xmpp, lambda: len(log.order))),
        "to SIP": (rig.all_of("changes to SIP", pairs[:count], lambda p: rig.server.send(contact(*p), user(p[0]), None, "in a meeting"),
                              lambda: rig.phones.notified),
                   rig.all_of("messages to SIP", pairs[:count], rig.message_to_sip, lambda: len(rig.sip.log.order))),
    }
    out = {}
    for name, (change, words) in rows.items():
        us, message_us = sum(change.values()), sum(words.values())
        out[name] = {"us_a_change": round(us, 1), "edge": round(change["edge"], 1), "gateway": round(change["gateway"], 1),
                     "us_a_message": round(message_us, 1), "ratio": round(us / message_us, 2), "goal": "< 2"}
    return out


def contacts(lab, quick):
    """CPU time of a message where the store has 100,000 contacts, beside one with none but those who write."""
    count, rounds = (5000, 3) if quick else (20000, 7)
    out = {}
    for direction in ("to-sip", "to-xmpp"):
        pairs = []
        for turn in range(2 * rounds):
            pairs.append((turn % 2 == 1, _message_us(lab, direction, turn % 2 == 1, count)))
        one, many = ([us for is_many, us in pairs if is_many == which] for which in (False, True))
        ratios = [b / a for a, b in zip(one, many)]
        out[direction] = {"us_with_few": round(statistics.median(one), 1), "us_with_100000": round(statistics.median(many), 1),
                          "ratio": round(statistics.median(ratios), 3), "goal": "< 1.05"}
    return out


def _message_us(lab, direction, is_many, count):
    relations = [(user(i), contact(i, n), "to") for i in range(USERS) for n in range(2 * EACH)] if is_many else []
    run = lab.run(prepare=lambda inst: make_store(inst, relations))
    try:
        run.warm(LOCAL["tcp"], "tcp" if direction == "to-xmpp" else None)
        what = dict(dir=direction, remote=THEIRS, local=LOCAL["tcp"], transport="tcp", count=count,
                    window=messages.UNDER_WAY if direction == "to-sip" else messages.WINDOW["tcp"])
        return messages.figures(check(run.measure(flow(**what)), direction))["both_us"]
    finally:
        run.stop()
