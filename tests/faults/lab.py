"""One edge and one gateway between a partner and two SIP servers, with a hostile proxy on every leg, and what they are given to do."""
import collections
import os
import random
import re
import signal
import time

from harness import wire
from harness.daemon import SANITIZER
from harness.evloop import Loop
from harness.evproxy import Faults, TcpProxy, UdpProxy
from harness.evsession import EvFrontEnd, Habits
from harness.evsip import ABSORBS, TIMER_F, EvSip
from harness.evxmpp import EvPartner
from harness.firewall import Firewall, Watch
from harness.installation import HOST, Installation
from harness.mockdns import MockDns
from harness.xmpp import message

from . import oracle
from .presence import BAD as PRESENCE_BAD
from .presence import Plan as PresencePlan
from .presence import Presence
from .scenarios import LEGS, SCENARIOS

PARTNER = "partner.example"
DOMAINS = {"corp.example": "tcp", "corp2.example": "udp"}
LYNC = "corp3.example"  # its messages go in sessions
REFUSALS = (403, 404, 480, 486, 500, 603)
SETTLES = 66.0  # seconds after the last message in which everything has its fate: the deadline is 60 s
NOTICED_WITHIN = 40.0  # seconds until a connection is closed whose other side acknowledges nothing
QUIET = 4.0     # seconds in which a second copy or a late error would come
BREACH = re.compile(r" reason=policy\.")  # no fault makes the lab's own peers break a policy: one of them, or an edge, is wrong

Message = collections.namedtuple("Message", "number way sender recipient domain")


class Plan:
    """Who writes to whom, when, and how SIP answers: the seed decides."""

    def __init__(self, rng, messages, users, domains, first=1):
        self.rng, self.domains = rng, domains
        self.messages = {"to_sip": {}, "to_xmpp": {}}
        self.early = messages  # so many are under way when the fault strikes; a quarter more follows
        self.answers = {}
        busy = {way: [self._pair(users) for _ in range(users * pairs)] for way, pairs in (("to_sip", 2), ("to_xmpp", rng.choice((2, 10))))}
        numbers = range(first, first + messages * 5 // 4)
        for way in self.messages:
            for number in numbers:
                sender, recipient, domain = rng.choice(busy[way])
                self.messages[way][number] = Message(number, way, sender, recipient, domain)
        slow = rng.uniform(0.3, 0.8)
        for number in numbers:
            status = rng.choice(REFUSALS) if rng.random() < 0.04 else rng.choice((200, 200, 202))
            self.answers[number] = (status, rng.uniform(0.5, 3.0) if rng.random() < slow else rng.choice((0, 0.02, 0.1)))
        self.strikes = rng.uniform(0.3, 2.0)

    def _pair(self, users):
        domain = self.rng.choice(self.domains)
        return "u%d" % self.rng.randrange(users), "u%d" % self.rng.randrange(users), domain

    def times(self, until):
        """When each is handed in: the early ones at once, the others until the fault is over and a little longer."""
        for way, messages in self.messages.items():
            when = [self.rng.uniform(0, 0.7) for _ in range(self.early)]
            when += [self.rng.uniform(0.7, until) for _ in range(len(messages) - self.early)]
            for seconds, number in zip(sorted(when), messages):
                yield seconds, way, number

    def body(self):
        return "".join(self.rng.choices("abc defgh <&>", k=self.rng.choice((5, 40, 300))))


class Lab:
    def __init__(self, directory, tools, certs, scenario, seed, sm, messages=1000, users=100, log="info", ports=(15000, 32000),
                 watches=150, sessions=0):
        self.name, self.seed, self.sm = scenario, seed, sm
        self.users, self.watches = users, watches
        self.rng = random.Random("%s %d %s" % (scenario, seed, sm))
        self.plan = Plan(self.rng, messages, users, list(DOMAINS))
        rng = random.Random("sessions %s %d %s" % (scenario, seed, sm))  # the plan of page mode is the same without
        self.talks = Plan(rng, sessions, users, [LYNC], messages * 5 // 4 + 1)
        self.habits = Habits(rng)
        self.messages = {way: {**self.plan.messages[way], **self.talks.messages[way]} for way in self.plan.messages}
        self.loop = Loop()
        self.faults = {leg: Faults(self.rng) for leg in LEGS}
        wire.PORTS = ports
        os.makedirs(directory)
        self.dns = MockDns()
        self.domains = list(DOMAINS) + ([LYNC] if sessions else [])
        ports_of = {domain: wire.free_port() for domain in self.domains}
        fronts = {domain: type("Front", (), {"port": ports_of[domain]}) for domain in self.domains}
        self.inst = Installation(directory, tools, certs, self.dns, fronts, edge={"log": {"level": log}}, gateway={
            "log": {"level": log}, "sip": {"answer_within": "10s", "error_hold": "1s"}})
        self.proxies = {leg: [] for leg in LEGS}
        self._make_channel()
        self._make_partner(certs)
        self._make_sip(ports_of)
        self.inst.write_configs()
        rate = {} if scenario == "backlog" else {"limits": {"stanzas_per_second": 100000}}  # there the default holds
        self.inst.list_partner(PARTNER, **rate)
        self.fronts = ports_of
        self.presence = None
        self.firewall = Firewall()
        self.watch = None  # of forgotten connections
        self.is_over = False
        self.dead = []  # processes that were killed on purpose
        self.struck = None
        self.in_flight = None

    def _proxy(self, leg, target, address=(HOST, 0)):
        self.proxies[leg].append(TcpProxy(self.loop, target, self.faults[leg], address))
        return self.proxies[leg][-1]

    def _make_channel(self):
        front = self._proxy("channel", self.inst.channel)
        self.inst.gateway_config["edges"][0]["address"] = "%s:%d" % front.address

    def _make_partner(self, certs):
        to_edge = self._proxy("partner", self.inst.s2s)
        self.partner = EvPartner(self.loop, PARTNER, certs, "partner", to_edge.address, self.sm)
        to_partner = self._proxy("partner", (HOST, self.partner.port))
        self.dns.xmpp(PARTNER, ("xmpp." + PARTNER, to_partner.address[1], HOST))

    def _make_sip(self, ports_of):
        to_gateway = self._proxy("sip", self.inst.sip)
        self.udp = [UdpProxy(self.loop, self.inst.sip, self.faults["sip"], to_gateway.address)]
        self.sip = {}
        for domain, transport in DOMAINS.items():
            sip = EvSip(self.loop, domain, transport, to_gateway.address, self.plan.answers.__getitem__, self.rng.choice((1, 1, 3)))
            self.sip[domain] = sip
            self._proxy("sip", (HOST, sip.port), (HOST, ports_of[domain]))
            self.udp.append(UdpProxy(self.loop, (HOST, sip.port), self.faults["sip"], (HOST, ports_of[domain])))
        if LYNC in ports_of:
            self._make_front_end(to_gateway.address, ports_of[LYNC])

    def _make_front_end(self, gateway, port):
        rng = self.habits.rng
        config = next(d for d in self.inst.gateway_config["domains"] if d["domain"] == LYNC)
        config.clear()
        config.update({"domain": LYNC, "dialect": "lync", "next_hop": "sip:%s:%d;transport=tcp" % (HOST, port), "peer_addresses": [HOST]})
        self.inst.gateway_config["im"] = {"session_idle": rng.choice(("5s", "10m"))}
        self.sip[LYNC] = EvFrontEnd(self.loop, LYNC, gateway, self.talks.answers.__getitem__, self.habits, port, rng.choice((1, 1, 3)))
        self._proxy("sip", (HOST, self.sip[LYNC].port), (HOST, port))

    # ---- what a fault does ----
    def daemon(self, name):
        return getattr(self.inst, name)

    def kill(self, name):
        process = self.daemon(name).process
        process.child.kill()
        process.child.wait()
        self.dead.append(process)

    def restart(self, name):
        self.daemon(name).start()

    def signal(self, name, word):
        self.daemon(name).process.child.send_signal(getattr(signal, "SIG" + word))

    def cut(self, leg, how):
        for proxy in self.proxies[leg]:
            proxy.cut(how)

    def half_close(self, leg, way):
        for proxy in self.proxies[leg]:
            proxy.half_close(way)

    def forget(self, leg):
        """Each half of the leg's links that has a daemon at its end; on the channel that is both halves."""
        daemons = (self.inst.s2s, self.inst.sip, self.inst.channel)
        ends = []  # (daemon's port, the proxy's)
        for proxy in self.proxies[leg]:
            if proxy.target in daemons:
                ends += [(far, near) for near, far in proxy.ports(faces_target=True)]
            if proxy.target not in daemons or leg == "channel":
                ends += [(far, near) for near, far in proxy.ports(faces_target=False)]
        listening = {port for _, port in daemons} | {p.address[1] for proxies in self.proxies.values() for p in proxies}
        self.firewall.forget({port for end in ends for port in end} - listening)
        self.watch = Watch(ends)
        self._look()

    def _look(self):
        self.watch.look(self.loop.now())
        if not self.is_over:
            self.loop.after(0.5, self._look)

    def remember(self):
        self.is_over = True
        self.firewall.remember()

    def touch(self, leg):
        for proxy in self.proxies[leg]:
            proxy.touch()

    # ---- what is said ----
    def _body(self, m):
        return (self.talks if m.domain == LYNC else self.plan).body()

    def _raw(self, m):
        return message("%s@%s/r" % (m.sender, PARTNER), "%s@%s" % (m.recipient, m.domain), "x%d %s" % (m.number, self._body(m)),
                       id="x%d" % m.number).encode("utf-8")

    def hand_in(self, way, number):
        m = self.messages[way][number]
        if way == "to_sip":
            self.partner.hand_in(m.domain, [(number, self._raw(m))])
            return
        sip = self.sip[m.domain]
        sip.hand_in(sip.request(number, "%s@%s" % (m.sender, m.domain), "%s@%s" % (m.recipient, PARTNER), self._body(m)))

    # ---- what is known ----
    def open_ones(self):
        """How many of each direction nobody has a word of yet."""
        p = self.partner.log
        to_sip = sum(1 for n, m in self.messages["to_sip"].items() if n not in p.errors and n not in p.bounced and not (
            n in self.sip[m.domain].log.received and 200 <= self.sip[m.domain].log.answers[n] < 300))
        to_xmpp = sum(1 for n, m in self.messages["to_xmpp"].items()
                      if n not in self.sip[m.domain].log.finals and n not in self.sip[m.domain].log.local)
        return to_sip, to_xmpp

    def _unanswered(self, plan):
        """In flight at this moment: handed in, and no answer was given yet."""
        p = self.partner.log
        to_sip = sum(1 for n, m in plan.messages["to_sip"].items()
                     if n in p.handed and n not in p.errors and n not in self.sip[m.domain].log.answered)
        to_xmpp = sum(1 for n, m in plan.messages["to_xmpp"].items()
                      if n in self.sip[m.domain].log.handed and n not in self.sip[m.domain].log.finals)
        return to_sip, to_xmpp

    def events(self):
        """Grows with everything that arrives anywhere."""
        p = self.partner.log
        return len(p.order) + sum(len(e) for e in p.errors.values()) + sum(
            len(s.log.order) + sum(len(f) for f in s.log.finals.values()) for s in self.sip.values())

    def _make_presence(self, until):
        rng = random.Random("presence %s %d %s" % (self.name, self.seed, self.sm))  # the messages' plan is the same without
        plan = PresencePlan(rng, self.users, self.watches, self.plan.strikes, until, PARTNER, list(DOMAINS))
        grants = {domain: rng.choice((60, 3600)) if transport == "tcp" else 60 for domain, transport in DOMAINS.items()}
        sips = {domain: self.sip[domain] for domain in DOMAINS}
        self.presence = Presence(self.loop, plan, self.partner, sips, self.fronts, grants)

    # ---- the run ----
    def _strike(self, fault):
        self.struck = self.loop.now()
        self.in_flight = [self._unanswered(plan) for plan in (self.plan, self.talks)]
        for sip in self.sip.values():
            sip.absorbs = TIMER_F if "sip" in fault.where else ABSORBS
        for seconds, do in fault.steps:
            self.loop.after(seconds, do)

    def _warm_up(self):
        """One message each way through each domain, so that streams and connections are there; they count like all others."""
        first = []
        for way, messages in self.messages.items():
            for domain in self.domains:
                first.append(next(((way, n) for n, m in messages.items() if m.domain == domain), None))
        for way, number in filter(None, first):
            self.hand_in(way, number)

        def all_there():
            return all(n in (self.partner.log.received if way == "to_xmpp" else self.sip[self.messages[way][n].domain].log.received)
                       for way, n in filter(None, first))
        assert self.loop.run(all_there, 20), "the first messages did not get through: %s" % self.partner.log.strange
        return set(filter(None, first))

    def _wait_quiet(self):
        state = {"events": self.events(), "since": self.loop.now(), "checked": 0.0}

        def is_quiet():
            now = self.loop.now()
            if now - state["checked"] < 0.25:
                return False
            state["checked"] = now
            events = self.events()
            if events != state["events"] or any(self.open_ones()):
                state["events"], state["since"] = events, now
            return now - state["since"] >= QUIET
        return is_quiet

    def _start(self):
        """The link between the two goes through this loop, so that it has to run meanwhile."""
        daemons = (self.inst.edge, self.inst.gateway)
        for daemon in daemons:
            daemon.start()
        for daemon in daemons:
            assert self.loop.run(lambda d=daemon: d.get("/readyz")[0] == 200, 30), "%s does not become ready:\n%s" % (
                daemon.name, "\n".join(daemon.process.lines[-20:]))

    def run(self):
        self._start()
        done = self._warm_up()
        self.habits.is_on = True
        fault = SCENARIOS[self.name](self, self.rng)
        until = max(4.0, self.plan.strikes + fault.length + 2.0)
        early = self._begin_presence(until) if self.watches else []
        for seconds, way, number in [*self.plan.times(until), *self.talks.times(until)]:
            if (way, number) not in done:
                self.loop.after(seconds, lambda w=way, n=number: self.hand_in(w, n))
        self.loop.after(self.plan.strikes, lambda: self._strike(fault))
        self.loop.run(lambda: False, until)
        begun = self.loop.now()
        is_quiet = self._wait_quiet()
        self.loop.run(is_quiet, SETTLES)
        waited = self.loop.now() - begun
        shown = {}
        if self.presence:
            settled = self.presence.settle(begun)
            shown = {"settled_s": None if settled is None else round(settled, 1), **self.presence.judge()}
        return self._judge(fault, waited, early, shown)

    def _begin_presence(self, until):
        self._make_presence(until)
        is_fine = self.presence.set_up()
        wrong = [] if is_fine else self.presence.wrong([w for w in self.presence.plan.watches if w.begins is None])
        self.presence.schedule()
        return ["before any fault: %s of %s to %s: %s" % (kind, w.watcher, w.owner, words) for w, kind, words in wrong[:5]]

    def _judge(self, fault, waited, early, shown):
        logs = [s.log for s in self.sip.values()]
        problems = early + self._stop_daemons() + (self.watch.late(self.struck + fault.length, NOTICED_WITHIN) if self.watch else [])
        result = {"scenario": self.name, "seed": self.seed, "sm": self.sm, "sm_streams": self.partner.log.sm_streams, "fault": fault.words,
                  "strikes_s": round(self.plan.strikes, 2), "in_flight": self.in_flight[0], "settled_s": round(waited, 1), "problems": problems,
                  "strange": self.partner.log.strange[:10] + [s for log in logs for s in log.strange[:5]],
                  "notes": sum(len(log.notes) for log in logs), "note_examples": [n[1:] for log in logs for n in log.notes[:2]]}
        result.update(self._fates(self.plan, fault))
        result["sessions"] = {"in_flight": self.in_flight[1], "opened": dict(self.sip[LYNC].opened), **self._fates(self.talks, fault)} \
            if LYNC in self.sip else {}
        result["presence"] = shown
        is_stale = any(shown[way][c] for way in ("to_sip", "to_xmpp") for c in PRESENCE_BAD) if shown else False
        result["is_bad"] = bool(problems) or is_stale or any(
            found[way]["violations"] for found in (result, result["sessions"]) if found for way in ("to_sip", "to_xmpp"))
        return result

    def _fates(self, plan, fault):
        """Way -> what became of the messages of a plan."""
        partner, logs = self.partner.log, [s.log for domain, s in self.sip.items() if domain in plan.domains]
        has_sm = self.sm and partner.sm_streams > 0  # a side that does not offer it is served without
        verdicts = {"to_sip": oracle.judge_to_sip(plan.messages["to_sip"], partner, logs, fault, self.struck, has_sm),
                    "to_xmpp": oracle.judge_to_xmpp(plan.messages["to_xmpp"], partner, logs, fault, self.struck, has_sm)}
        return {way: {**v.counts, "examples": dict(v.examples), "told": dict(v.reasons.most_common(12)),
                      "violations": [c for c in oracle.BAD if v.counts[c]]} for way, v in verdicts.items()}

    def _stop_daemons(self):
        """A daemon that was not killed on purpose ends cleanly, no sanitizer has spoken in any run, no edge has refused a peer by policy."""
        problems = []
        for process in [self.inst.edge.process] + [p for p in self.dead if p.name == self.inst.edge.name]:
            problems += breaches(process)
        for daemon in (self.inst.gateway, self.inst.edge):
            try:
                daemon.stop(20)
            except AssertionError as e:
                problems.append(str(e)[:2000])
        for process in self.dead:
            problems += ["%s: %s" % (process.name, line) for line in process.lines if SANITIZER.search(line)][:3]
        return problems

    def close(self):
        for daemon in (self.inst.gateway, self.inst.edge):
            if daemon.process is not None and daemon.process.is_running:
                daemon.process.child.kill()
                daemon.process.child.wait()
        self.partner.close()
        for sip in self.sip.values():
            sip.close()
        for proxy in [p for leg in LEGS for p in self.proxies[leg]] + self.udp:
            proxy.close()
        self.dns.close()


def breaches(process):
    return ["%s: %s" % (process.name, line) for line in process.lines if BREACH.search(line)][:3]


def timed(lab):
    started = time.monotonic()
    try:
        result = lab.run()
    finally:
        lab.close()
    result["took_s"] = round(time.monotonic() - started, 1)
    return result
