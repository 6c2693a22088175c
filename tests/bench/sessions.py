"""
What a message costs in an open session of the Lync dialect, beside one of page mode, and what memory a session takes. The peers are those
of the fault harness, without its habits: one SIP server, one front end, both over TCP, and one partner, all in this process.
"""
import glob
import re
import statistics
from types import SimpleNamespace

from harness.evsession import EvFrontEnd
from harness.wire import free_port
from harness.xmpp import message
from against import callgrind
from lab import memory_kb
from subscriptions import OURS, THEIRS, Rig

LYNC = "corp3.example"
SESSIONS = 10000
SETTLED_S = 40  # transactions are forgotten 32 s after their last response
CALM = SimpleNamespace(invited=lambda: (200, 0), forgets=lambda: False, leaves=lambda: False, yields=lambda: False)
RATIO_GOAL, KB_GOAL = 1.1, 4
COUNTED = (400, 2000)  # sessions that are open; of more the gateway's clock, not its messages, has most of what is counted: callgrind is slow
MESSAGES = 400         # of each kind, under callgrind, spread over all that are open
CACHE = "--cache-sim=yes --D1=32768,8,64 --LL=1048576,16,64"  # the last level as what one core of a busy machine has of it


class SessionRig(Rig):
    def __init__(self, lab, name):
        super().__init__(lab, name)
        port = free_port()
        config = next(d for d in self.inst.gateway_config["domains"] if d["domain"] == LYNC)
        config.clear()
        config.update({"domain": LYNC, "dialect": "lync", "next_hop": "sip:127.0.0.1:%d;transport=tcp" % port, "peer_addresses": ["127.0.0.1"]})
        self.inst.gateway_config["im"] = {"session_idle": "1h"}
        self.inst.write_configs()
        self.front = EvFrontEnd(self.loop, LYNC, self.inst.sip, lambda _: (200, 0), CALM, port, address=("127.0.0.1", port))
        self.servers = {"page mode": (OURS, self.sip), "session": (LYNC, self.front)}

    def stop(self):
        super().stop()
        self.front.close()

    def settled_kb(self):
        """KB of each daemon's own when nothing is under way any more."""
        self.loop.run(lambda: False, SETTLED_S)
        return {name: memory_kb(self.pid(name))["private_dirty"] for name in ("gateway", "edge")}

    # ---- what is done with user number i ----
    def say(self, how, i):
        """The contact writes to the user."""
        n, domain = next(self.numbers), self.servers[how][0]
        raw = message("c%d@%s/desk" % (i, THEIRS), "u%d@%s" % (i, domain), "x%d how are you today?" % n, id="x%d" % n)
        self.partner.hand_in(domain, [(n, raw.encode())])

    def answer(self, how, i):
        """The user writes to the contact."""
        domain, server = self.servers[how]
        server.hand_in(server.request(next(self.numbers), "u%d@%s" % (i, domain), "c%d@%s" % (i, THEIRS), "how are you today?"))

    def call(self, i):
        """The user opens a session, and says nothing."""
        self.front.call("u%d@%s" % (i, LYNC), "c%d@%s" % (i, THEIRS))

    def arrived(self, how):
        return len(self.servers[how][1].log.order)

    def answered(self, how):
        return len(self.servers[how][1].log.finals)


def sessions(lab, quick):
    count, rounds = (1000, 3) if quick else (SESSIONS, 7)
    rig = SessionRig(lab, "sessions")
    try:
        rig.start()
        # one of each, so that streams and connections are there; further ones are on from here
        for how in rig.servers:
            rig.all_of("the first messages", [0], lambda i, h=how: rig.say(h, i), lambda h=how: rig.arrived(h))
            rig.all_of("the first answers", [0], lambda i, h=how: rig.answer(h, i), lambda h=how: rig.answered(h))
        out = memory(rig, count)
        out.update(messages(rig, range(count), rounds))
        return out
    finally:
        rig.stop()


def memory(rig, count):
    """Of sessions opened by users who say nothing; and what a first message leaves, in a session that it opens and in page mode."""
    out, before = {}, rig.settled_kb()
    pairs = range(1, count + 1)
    steps = (("a session, opened by the user", rig.call, lambda: rig.front.opened["ours"]),
             ("a session, opened by the contact's first message", lambda i: rig.say("session", count + i), lambda: rig.arrived("session")),
             ("a pair of page mode, its first message", lambda i: rig.say("page mode", count + i), lambda: rig.arrived("page mode")))
    for name, do, done in steps:
        rig.all_of(name, pairs, do, done)
        after = rig.settled_kb()
        each = {d: round((after[d] - before[d]) / count, 2) for d in after}
        out[name] = {"pairs": count, "KB_each": round(sum(each.values()), 2), **each, "goal": "" if "page" in name else KB_GOAL}
        before = after
    open_ones = rig.inst.gateway.metric("xfed_sip_sessions")
    assert open_ones == 2 * count + 1, "%d sessions are open, not %d" % (open_ones, 2 * count + 1)
    return out


def messages(rig, pairs, rounds):
    """CPU time a message of both daemons; in turn, so that what the machine does besides falls on both."""
    out = {}
    ways = {"to SIP": (rig.say, rig.arrived), "to XMPP": (rig.answer, rig.answered)}
    for way, (do, done) in ways.items():
        spent = {how: [] for how in rig.servers}
        for turn in range(rounds + 1):
            for how in list(rig.servers)[::1 if turn % 2 else -1]:
                us = rig.all_of("%s, %s" % (how, way), pairs, lambda i, h=how: do(h, i), lambda h=how: done(h))
                if turn > 0:  # each pair has written before
                    spent[how].append(us)
        both = {how: [sum(us.values()) for us in spent[how]] for how in spent}
        middle = {how: {d: round(statistics.median(us[d] for us in spent[how]), 1) for d in ("edge", "gateway")} for how in spent}
        out[way] = {"us_in_a_session": round(statistics.median(both["session"]), 1), "us_edge": middle["session"]["edge"],
                    "us_gateway": middle["session"]["gateway"], "us_page_mode": round(statistics.median(both["page mode"]), 1),
                    "page_edge": middle["page mode"]["edge"], "page_gateway": middle["page mode"]["gateway"],
                    "ratio": round(statistics.median(a / b for a, b in zip(both["session"], both["page mode"])), 2), "goal": RATIO_GOAL}
    return out


def counted(lab, quick):
    """
    Instructions of the gateway for a message, by callgrind, and how many lines of its memory were not in a cache of 1 MB: what grows with
    the number of sessions.
    """
    out = {}
    for count in COUNTED[:1] if quick else COUNTED:
        program = "valgrind --tool=callgrind --instr-atstart=no %s --callgrind-out-file=%s/sessions-%d.cg" % (CACHE, lab.dir, count)
        rig = SessionRig(lab.under({"xfed-gateway": program}), "sessions-counted")
        try:
            rig.start()
            out.update(counted_of(rig, count, "%s/sessions-%d.cg" % (lab.dir, count)))
        finally:
            rig.stop()
    return out


def counted_of(rig, count, path):
    ways = {"to SIP": (rig.say, rig.arrived), "to XMPP": (rig.answer, rig.answered)}
    for do, done in ways.values():  # each pair has written before
        for how in rig.servers:
            rig.all_of("the first messages", range(count), lambda i, h=how: do(h, i), lambda h=how: done(h))
    callgrind(rig.pid("gateway"), "--instr=on")
    some, seen = range(0, count, max(1, count // MESSAGES)), {}
    for is_measured in (False, True):  # the first fill the simulated caches
        for way, (do, done) in ways.items():
            for how in rig.servers:
                rig.all_of("%s, %s" % (how, way), some, lambda i, h=how: do(h, i), lambda h=how: done(h))
                events = dump(path, rig.pid("gateway"), "%s, %s" % (way, how))
                if is_measured:
                    seen[way, how] = {name: n / len(some) for name, n in events.items()}
    return {"%s, %d open" % (way, count): row_of(seen[way, "session"], seen[way, "page mode"]) for way in ways}


def row_of(session, page):
    return {"instructions_in_a_session": round(session["Ir"]), "in_page_mode": round(page["Ir"]), "ratio": round(session["Ir"] / page["Ir"], 3),
            "goal": RATIO_GOAL, "lines_not_in_cache": round(session["DLmr"] + session["DLmw"], 1), "page_lines": round(page["DLmr"] + page["DLmw"], 1)}


def dump(path, pid, what):
    """What callgrind has counted since it was asked last; for callgrind_annotate, the file is kept under a name that says what it is of."""
    before = set(glob.glob(glob.escape(path) + ".*"))
    callgrind(pid, "--dump=" + what)
    new, = set(glob.glob(glob.escape(path) + ".*")) - before
    with open(new, encoding="utf-8") as f:
        text = f.read()
    names = re.search(r"^events: (.*)", text, re.M).group(1).split()
    return dict(zip(names, map(int, re.search(r"^(?:summary|totals): (.*)", text, re.M).group(1).split())))
