"""
Presence under faults: what is true of a hundred users a side, who may see it, and the judge of what every watcher was told. It asks the
daemons nothing: what is true is decided here, by the seed, and what was told is what the scripted peers were shown.
"""
import collections

from harness.evpresence import Phone, SipPresence, XmppPresence

KINDS = ("watches", "right", "pending", "refused", "ended", "stale", "stuck", "leaked")
BAD = ("stale", "stuck", "leaked")
SETTLES = 120.0   # seconds behind the fault (and the last change) after which a watcher has to be right
QUIET = 6.0       # seconds for which all stay right: a bucket's delay and some
SETS_UP = 60.0
SHOWS = (None, None, "away", "dnd", "xa", "chat")

Watch = collections.namedtuple("Watch", "way watcher owner devices begins ends verdict turns")


class Truth:
    """What is so. A note names its owner and is used once, so that whoever is shown it proves when it was so."""

    def __init__(self, now):
        self.now = now
        self.state = {}     # owner -> {device: (show, note)}
        self.spans = {}     # note -> [owner, from, until]
        self.verdicts = {}  # (watcher, owner) -> word
        self.allowed = collections.defaultdict(list)  # (watcher, owner) -> [[from, until]]
        self.leaks = []
        self.count = 0

    def devices(self, owner):
        return self.state.get(owner, {})

    def verdict(self, watcher, owner):
        return self.verdicts.get((watcher, owner), "refused")

    def publish(self, owner, shows):
        """`shows`: {device: show}; returns the names of the devices that have left."""
        old, new = self.devices(owner), {}
        for name, show in shows.items():
            self.count += 1
            note = "%s %d" % (owner, self.count)
            self.spans[note] = [owner, self.now(), None]
            new[name] = (show, note)
        for _, note in old.values():
            self.spans[note][2] = self.now()
        self.state[owner] = new
        return [name for name in old if name not in new]

    def decide(self, watcher, owner, verdict):
        spans = self.allowed[watcher, owner]
        if verdict == "allowed" and self.verdict(watcher, owner) != "allowed":
            spans.append([self.now(), None])
        elif verdict != "allowed" and spans and spans[-1][1] is None:
            spans[-1][1] = self.now()
        self.verdicts[watcher, owner] = verdict

    def told(self, watcher, owner, shown):
        """A watcher was shown this: it must have been true while he was allowed to see it."""
        for _, note in shown:
            span = self.spans.get(note)
            is_fine = span is not None and span[0] == owner and any(
                (until is None or span[1] <= until) and (span[2] is None or span[2] >= since) for since, until in self.allowed[watcher, owner])
            if not is_fine:
                self.leaks.append("%s was told of %s: %s; true %s, allowed %s" % (watcher, owner, note, span, self.allowed[watcher, owner]))


class Plan:
    """Who watches whom, who lets him, and when what changes: the seed decides. `until`: when the last change is made."""

    def __init__(self, rng, users, watches, strikes, until, partner, domains):
        self.rng, self.until = rng, until
        self.xmpp = ["u%d@%s" % (n, partner) for n in range(users)]
        self.sip = ["u%d@%s" % (n, rng.choice(domains)) for n in range(users)]
        self.watches = []
        seen = set()
        while len(self.watches) < 2 * watches:
            way = "to_sip" if len(self.watches) % 2 else "to_xmpp"  # whom it is told to
            watcher, owner = (rng.choice(self.sip), rng.choice(self.xmpp)) if way == "to_sip" else (rng.choice(self.xmpp), rng.choice(self.sip))
            if rng.random() < 0.3 and self.watches:  # both see each other
                watcher, owner = (self.watches[-1].owner, self.watches[-1].watcher) if self.watches[-1].way != way else (watcher, owner)
            if (watcher, owner) not in seen:
                seen.add((watcher, owner))
                self.watches.append(self._watch(way, watcher, owner))
        changes = [(self._when(strikes), owner) for owner in self.xmpp + self.sip for _ in range(rng.choice((0, 1, 2, 4)))]
        self.changes = sorted(changes)

    def _when(self, strikes):
        """Half of it around the strike."""
        return max(0.0, min(self.until, self.rng.gauss(strikes, 1.0))) if self.rng.random() < 0.5 else self.rng.uniform(0, self.until)

    def _watch(self, way, watcher, owner):
        rng = self.rng
        begins = rng.uniform(0, self.until) if rng.random() < 0.15 else None  # None: before anything happens
        ends = rng.uniform(begins or 0, self.until) if rng.random() < 0.06 else None
        verdict = rng.choices(("allowed", "pending", "refused"), (90, 6, 4))[0]
        turns = None  # (when, another verdict)
        if ends is None and rng.random() < 0.08:
            turns = (rng.uniform(begins or 0, self.until), {"allowed": "refused", "pending": "allowed"}.get(verdict))
        return Watch(way, watcher, owner, 2 if way == "to_sip" and rng.random() < 0.1 else 1, begins, ends, verdict,
                     turns if turns and turns[1] else None)

    def shows(self):
        names = self.rng.choice(((), ("desk",), ("desk",), ("phone",), ("desk", "phone")))
        return {name: self.rng.choice(SHOWS) for name in names}


class Presence:
    """The peers' presence, and what is done with it in a run."""

    def __init__(self, loop, plan, partner, sips, fronts, grants):
        self.loop, self.plan = loop, plan
        self.truth = Truth(loop.now)
        self.partner = XmppPresence(partner, self.truth)
        self.sips = {domain: SipPresence(sip, fronts[domain], self.truth, plan.rng, grants[domain]) for domain, sip in sips.items()}
        self.phones = collections.defaultdict(list)  # Watch -> its devices
        self.over = set()
        for owner in plan.xmpp + plan.sip:
            self.truth.publish(owner, plan.shows())

    def _owner_side(self, w):
        return self.partner if w.way == "to_sip" else self.sips[w.owner.split("@")[1]]

    # ---- what happens ----
    def _begin(self, w):
        if w.way == "to_xmpp":
            self.partner.watch(w.watcher, w.owner)
            return
        self.phones[w] = [Phone(self.sips[w.watcher.split("@")[1]], w.watcher, w.owner, self.plan.rng.uniform(20, 40)) for _ in range(w.devices)]
        for phone in self.phones[w]:
            phone.start()

    def _end(self, w):
        self.over.add(w)
        if w.way == "to_xmpp":
            self.partner.unwatch(w.watcher, w.owner)
        for phone in self.phones[w]:
            phone.stop()

    def _turn(self, w):
        self.truth.decide(w.watcher, w.owner, w.turns[1])
        self._owner_side(w).decided(w.watcher, w.owner)

    def _change(self, owner):
        gone = self.truth.publish(owner, self.plan.shows())
        if owner in self.plan.xmpp:
            self.partner.changed(owner, gone)
        else:
            self.sips[owner.split("@")[1]].changed(owner)

    def set_up(self):
        """Those that begin before anything happens; whether all of them came to be right."""
        for w in self.plan.watches:
            self.truth.decide(w.watcher, w.owner, w.verdict)
        first = [w for w in self.plan.watches if w.begins is None]
        for i, w in enumerate(first):
            self.loop.after(i * 0.005, lambda w=w: self._begin(w))
        begun = self.loop.now()
        return self.loop.run(lambda: self.loop.now() - begun > len(first) * 0.005 and not self.wrong(first), SETS_UP)

    def schedule(self):
        for w in self.plan.watches:
            for when, do in ((w.begins, self._begin), (w.ends, self._end), (w.turns and w.turns[0], self._turn)):
                if when is not None:
                    self.loop.after(when, lambda w=w, do=do: do(w))
        for when, owner in self.plan.changes:
            self.loop.after(when, lambda o=owner: self._change(o))
        self.loop.after(self.plan.until, self._confident)

    def _confident(self):
        for sip in self.sips.values():
            sip.is_shy = False

    def settle(self, since):
        """Until everybody is right for a while; how long after `since` that was, or None."""
        state = {"wrong": self.loop.now(), "checked": 0.0}

        def is_right():
            now = self.loop.now()
            if now - state["checked"] < 0.25:
                return False
            state["checked"] = now
            if self.wrong(self.plan.watches):
                state["wrong"] = now
            return now - state["wrong"] >= QUIET
        is_fine = self.loop.run(is_right, max(QUIET + 1.0, since + SETTLES - self.loop.now()))
        return max(0.0, state["wrong"] - since) if is_fine else None

    # ---- the judge ----
    def _kind(self, w):
        """What a watch has come to, and what shows it."""
        verdict = self.truth.verdict(w.watcher, w.owner)
        if w in self.over:
            return "ended", ""
        if w.way == "to_xmpp":
            seen = self.partner.seen.get((w.watcher, w.owner))
            return judge_seen(verdict, self.truth.devices(w.owner), seen)
        kinds = [judge_phone(verdict, self.truth.devices(w.owner), phone) for phone in self.phones[w]] or [("stuck", "not begun")]
        return max(kinds, key=lambda k: k[0] in BAD)

    def wrong(self, watches):
        return [(w, *k) for w, k in ((w, self._kind(w)) for w in watches) if k[0] in BAD]

    def judge(self):
        """Way -> counts and examples."""
        result = {}
        for way in ("to_sip", "to_xmpp"):
            counts, examples = dict.fromkeys(KINDS, 0), collections.defaultdict(list)
            for w in [w for w in self.plan.watches if w.way == way]:
                kind, words = self._kind(w)
                counts["watches"] += 1
                counts[kind] += 1
                if kind in BAD:
                    examples[kind].append("%s watches %s (%s): %s" % (w.watcher, w.owner, self.truth.verdict(w.watcher, w.owner), words))
            users = self.plan.sip if way == "to_sip" else self.plan.xmpp
            leaks = [words for words in self.truth.leaks if words.split(" ")[0] in users]
            counts["leaked"] = len(leaks)
            examples["leaked"] = leaks
            result[way] = {**counts, "examples": {k: e[:5] for k, e in examples.items() if e}, "violations": [k for k in BAD if counts[k]]}
        return result


def judge_seen(verdict, devices, seen):
    """One of the partner's users, of a contact on SIP."""
    if seen is None:
        return "stuck", "not begun"
    words = "%s, was shown %s, true is %s; %s" % (seen.relation, seen.devices, devices, " | ".join(seen.history[-12:]))
    if verdict == "allowed":
        if seen.relation != "subscribed":
            return "stuck", words
        return ("right", "") if seen.devices == devices else ("stale", words)
    if seen.devices:
        return "stale", words
    if verdict == "pending":
        return ("pending", "") if seen.relation == "pending" else ("stuck", words)
    return ("refused", "") if seen.relation == "refused" else ("stuck", words)


def judge_phone(verdict, devices, phone):
    """A phone, of one of the partner's users."""
    words = "%s %s, was shown %s, true is %s; %s" % (phone.state, phone.reason, phone.shown, devices, " | ".join(phone.history[-12:]))
    if verdict == "allowed":
        if phone.state != "active" or phone.shown is None:
            return "stuck", words
        return ("right", "") if sorted(phone.shown, key=str) == sorted(devices.values(), key=str) else ("stale", words)
    if verdict == "pending":
        return ("pending", "") if phone.state == "pending" else ("stuck", words)
    return ("refused", "") if phone.state == "terminated" and phone.reason in ("rejected", "refused") else ("stuck", words)
