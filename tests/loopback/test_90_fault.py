"""
One seed of the faults under load of tests/fault, all at the same time: nothing is lost, nothing comes twice, and every sender
has a true word, by the peers' own logs.
"""
import json
import os
import random
import subprocess
import sys
import types

import pytest

from faults.lab import Message, breaches
from faults.oracle import judge_to_sip, judge_to_xmpp
from faults.presence import Truth, judge_phone, judge_seen
from faults.scenarios import Fault
from harness.evloop import Loop
from harness.evproxy import Faults, TcpProxy
from harness.evsession import EvFrontEnd
from harness.evsip import SipLog
from harness.evxmpp import ASK, Conn, EvPartner, Outgoing, PartnerLog
from harness.proc import clean_environment
from harness.xmpp import message

FAULT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fault")
SCENARIOS = ("kill9-edge", "kill9-gateway", "cut-5s", "cut-40s", "stop-edge", "stop-gateway", "reset-partner", "reset-sip", "rechunk-channel")
SEED, MESSAGES, USERS, WATCHES, SESSIONS, LONGEST = 1, 300, 60, 60, 120, 400


@pytest.fixture(scope="module")
def results(directory, tools):
    """Scenario -> its result, from one run of them all."""
    path = directory + "/fault.json"
    build = os.path.dirname(os.path.dirname(tools["xfed-edge"]))
    words = [sys.executable, "-B", FAULT, "--scenario", *SCENARIOS, "--seed", str(SEED), "--messages", str(MESSAGES), "--users", str(USERS),
             "--presence", str(WATCHES), "--sessions", str(SESSIONS), "--jobs", str(len(SCENARIOS)), "--build", build, "--json", path,
             "--keep", directory + "/fault"]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LONGEST, env=clean_environment(), check=False)
    assert done.returncode in (0, 1) and os.path.exists(path), done.stdout
    with open(path, encoding="utf-8") as f:
        return {r["scenario"]: r for r in map(json.loads, f)}


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_message_has_one_true_fate(results, name):
    result = results[name]
    assert not result["problems"], "\n".join(result["problems"])
    assert result["in_flight"][0] > MESSAGES // 4, "nearly nothing was under way when it struck: %s" % result["in_flight"]
    for way in ("to_sip", "to_xmpp"):
        found = result[way]
        assert found["sent"] == MESSAGES * 5 // 4
        assert found["delivered"] > 0
        wrong = found["violations"]
        assert not wrong, "%s %s: %s; again: tests/fault --scenario %s --seed %d --messages %d --users %d\n%s" % (
            name, way, wrong, name, SEED, MESSAGES, USERS, json.dumps(found["examples"], indent=1))


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_message_in_a_session_has_one_true_fate(results, name):
    result = results[name]["sessions"]
    assert result["opened"]["ours"] > 0 and result["opened"]["theirs"] > 0
    for way in ("to_sip", "to_xmpp"):
        found = result[way]
        assert found["sent"] == SESSIONS * 5 // 4
        assert found["delivered"] > 0
        wrong = found["violations"]
        assert not wrong, "%s %s: %s; again: tests/fault --scenario %s --seed %d --messages %d --users %d --sessions %d\n%s" % (
            name, way, wrong, name, SEED, MESSAGES, USERS, SESSIONS, json.dumps(found["examples"], indent=1))


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_watcher_was_told_last_what_is_so(results, name):
    for way in ("to_sip", "to_xmpp"):
        found = results[name]["presence"][way]
        assert found["watches"] == WATCHES and found["right"] > WATCHES // 2
        assert not found["violations"], "%s %s: %s; again: tests/fault --scenario %s --seed %d --messages %d --users %d --presence %d\n%s" % (
            name, way, found["violations"], name, SEED, MESSAGES, USERS, WATCHES, json.dumps(found["examples"], indent=1))


def test_the_scripted_partner_manages_its_stream(certs):
    """Two of them: what is acknowledged is off the queue; what is not when the stream dies goes back to its senders."""
    loop = Loop()
    there = EvPartner(loop, "corp.example", certs, "corp", None, True)
    proxy = TcpProxy(loop, ("127.0.0.1", there.port), Faults(random.Random(1)))
    here = EvPartner(loop, "partner.example", certs, "partner", proxy.address, True)

    def say(numbers):
        here.hand_in("corp.example", [(n, message("a@partner.example", "b@corp.example", "s%d words" % n, id="x%d" % n).encode()) for n in numbers])
    try:
        say(range(1, 51))
        assert loop.run(lambda: len(here.log.acked) == 50, 10), here.log.strange
        proxy.faults.stalled.add("out")  # what comes back: the acknowledgements
        say(range(51, 61))
        assert loop.run(lambda: len(there.log.order) == 60, 10)
        proxy.cut("reset")
        assert loop.run(lambda: here.log.bounced, 10)
        proxy.faults.stalled.clear()
        assert sorted(here.log.bounced) == list(range(51, 61)) and here.log.acked == set(range(1, 51))
        say([61])
        assert loop.run(lambda: 61 in here.log.acked, 10)
        assert there.log.order == list(range(1, 62)) and not here.log.strange + there.log.strange
    finally:
        here.close()
        there.close()
        proxy.close()


def test_the_scripted_partner_does_not_ask_in_circles(monkeypatch):
    """An answer that acknowledges nothing new is no occasion to ask again; what was written or acknowledged since is."""
    sent = []
    conn = types.SimpleNamespace(is_open=True, send=sent.append, close=lambda: None)
    monkeypatch.setattr(Conn, "connect", lambda *_: conn)
    partner = types.SimpleNamespace(loop=types.SimpleNamespace(now=lambda: 0.0), log=PartnerLog(), edge=None, ended=lambda _: None)
    out = Outgoing(partner, "corp.example", "out1")
    out.has_sm = True

    def asks(do, what):
        sent.clear()
        do(what)
        return b"".join(sent).count(ASK)
    assert asks(out.write, [(1, b"1"), (2, b"2")]) == 1
    assert asks(out.take_ack, 0) == 0
    assert asks(out.write, [(3, b"3")]) == 1
    assert asks(out.write, [(4, b"4")]) == 0  # the last question has no answer yet
    assert asks(out.take_ack, 0) == 1
    assert asks(out.take_ack, 3) == 1
    assert asks(out.take_ack, 3) == 0
    assert asks(out.take_ack, 4) == 0
    assert partner.log.acked == {1, 2, 3, 4} and not partner.log.strange


def test_scripted_front_ends_keep_each_others_messages():
    """Two of them, each the other's gateway, with a few of their habits: each message is there once, or was refused for a reason."""
    loop, rng = Loop(), random.Random(1)
    habits = types.SimpleNamespace(invited=lambda: (200, rng.choice((0, 0.02))), forgets=lambda: rng.random() < 0.1,
                                   leaves=lambda: rng.random() < 0.2, yields=lambda: rng.random() < 0.5)
    here, there = (EvFrontEnd(loop, domain, None, lambda _: (200, rng.choice((0, 0.01))), habits, 5060) for domain in ("a.example", "b.example"))
    here.gateway, there.gateway = ("127.0.0.1", there.port), ("127.0.0.1", here.port)
    try:
        for n in range(1, 201):
            one, other = (here, there) if n % 2 else (there, here)
            request = one.request(n, *("u%d@%s" % (n // 2 % 4, side.domain) for side in (one, other)), "words")
            loop.after(n * 0.002, lambda o=one, r=request: o.hand_in(r))
        assert loop.run(lambda: len(here.log.finals) + len(there.log.finals) == 200, 60), (here.log.finals, there.log.finals)
        assert not here.log.local and not there.log.local
        for sender, receiver, first in ((here, there, 1), (there, here, 2)):
            for n in range(first, 201, 2):
                statuses = [status for _, status, _ in sender.log.finals[n]]
                assert statuses in ([200], [481]) and len(receiver.log.received.get(n, ())) == (statuses == [200])
            assert sender.opened["ours"] > 4 and sum(s == 481 for f in sender.log.finals.values() for _, s, _ in f) > 0
    finally:
        here.close()
        there.close()


# ---- the judge itself ----

def test_a_policy_breach_is_a_problem_of_the_run():
    lines = ["2026-11-30T08:45:05.983Z info event=delivery.refused partner=partner.example reason=sip.user.offline text=\"reason=policy.\"",
             "2026-11-30T08:45:06.000Z info event=s2s.closed partner=partner.example reason=policy.work.exceeded side=partner"]
    assert breaches(types.SimpleNamespace(name="edge1", lines=lines)) == ["edge1: " + lines[1]]


def judged(fault_where, change):
    """What the oracle finds in two pairs' logs that were in order before change(partner, sip)."""
    messages = {n: Message(n, "to_sip", "a", "b", "corp.example") for n in (1, 2, 3, 4)}
    partner, sip = PartnerLog(), SipLog()
    for n in messages:
        partner.handed[n], partner.written[n] = 1.0, ("out1", n - 1, 1.0)
        partner.received[n].append((1.5, "in1"))
        partner.order.append(n)
        sip.handed[n] = sip.sent[n] = 1.0
        sip.received[n].append((2.0, "branch%d" % n, "call%d" % n))
        sip.answers[n], sip.answered[n] = 200, 2.0
        sip.finals[n].append((2.0, 200, "SIP/2.0 200 OK"))
        sip.order.append(n)
    change(partner, sip)
    fault = Fault([], 1, fault_where, "")
    both = judge_to_sip(messages, partner, [sip], fault, 1.2, False), judge_to_xmpp(messages, partner, [sip], fault, 1.2, False)
    return [sorted((c, n) for c, n in v.counts.items() if n and c not in ("sent", "delivered")) for v in both]


def lose(log, number):
    del log.received[number]
    log.order.remove(number)


PLAIN, UNCERTAIN = (3.0, "item-not-found", "nobody"), (3.0, "remote-server-timeout", "The message may have been delivered: the answer was lost (delivery.uncertain)")


@pytest.mark.parametrize("where, change, to_sip, to_xmpp", [
    ({"gateway"}, lambda p, s: None, [], []),
    ({"gateway"}, lambda p, s: lose(s, 2), [("lost", 1)], []),
    ({"gateway"}, lambda p, s: lose(p, 2), [], [("lost", 1)]),
    ({"edge"}, lambda p, s: (lose(s, 4), p.ends.update(out1=(1.3, "reset"))), [("physical", 1)], []),
    ({"edge"}, lambda p, s: (lose(s, 3), p.ends.update(out1=(1.3, "reset"))), [("lost", 1)], []),  # one behind it got through
    ({"channel"}, lambda p, s: (lose(s, 4), p.ends.update(out1=(1.3, "reset"))), [("lost", 1)], []),
    ({"edge"}, lambda p, s: (lose(s, 4), p.ends.update(out1=(1.3, "reset")), p.bounced.update({4: (1.3, "")})), [("local", 1)], []),
    ({"sip"}, lambda p, s: p.bounced.update({4: (1.3, "")}), [("local", 1), ("wrong_local", 1)], []),
    ({"gateway"}, lambda p, s: s.received[2].append((3.0, "other", "call2")), [("duplicate", 1)], []),
    ({"gateway"}, lambda p, s: p.received[2].append((3.0, "in2")), [], [("duplicate", 1)]),
    ({"gateway"}, lambda p, s: p.errors[2].append(PLAIN), [("false_error", 1)], []),
    ({"gateway"}, lambda p, s: p.errors[2].append(UNCERTAIN), [("uncertain", 1)], []),
    ({"partner"}, lambda p, s: p.errors[2].append(UNCERTAIN), [("uncertain", 1), ("wrong_uncertain", 1)], []),
    ({"gateway"}, lambda p, s: s.answers.update({2: 486}), [("lost", 1)], []),
    ({"gateway"}, lambda p, s: (s.answers.update({2: 486}), p.errors[2].append(PLAIN)), [("refused", 1)], []),
    ({"gateway"}, lambda p, s: s.order.reverse(), [("disorder", 3)], []),
    ({"gateway"}, lambda p, s: s.finals.update({2: [(3.0, 480, "SIP/2.0 480 No")]}), [], [("false_error", 1)]),
    ({"gateway"}, lambda p, s: s.finals.update({2: [(3.0, 504, "SIP/2.0 504 May Have Been Delivered")]}), [], [("uncertain", 1)]),
    ({"gateway"}, lambda p, s: s.finals[2].append((3.0, 480, "SIP/2.0 480 No")), [], [("false_error", 1), ("false_ok", 1)]),
    ({"edge"}, lambda p, s: s.finals.update({2: [(30.0, 200, "SIP/2.0 200 OK")]}), [], [("late", 1)]),
    ({"gateway"}, lambda p, s: (s.finals.pop(2), s.local.update({2: (3.0, 503)})), [], [("local", 1)]),
    ({"edge"}, lambda p, s: (s.finals.pop(2), s.local.update({2: (3.0, 408)})), [], [("local", 1), ("wrong_local", 1)]),
    ({"edge"}, lambda p, s: (lose(p, 2), p.ends.update(in1=(1.6, "reset"))), [], [("physical", 1)]),
    ({"edge"}, lambda p, s: (lose(p, 2), s.finals.pop(2), p.ends.update(in1=(1.6, "reset"))), [], [("lost", 1)]),
    ({"edge"}, lambda p, s: (lose(p, 2), s.notes.append((4.0, "b@partner.example", "a@corp.example", "Your last message was not delivered"))),
     [], [("refused", 1)]),
])
def test_the_judge(where, change, to_sip, to_xmpp):
    assert judged(where, change) == [to_sip, to_xmpp]


# ---- the judge of presence ----

DESK, PHONE = ("away", "u@p 1"), (None, "u@p 2")


def phone(state, shown=None, reason=None):
    return types.SimpleNamespace(state=state, shown=shown, reason=reason, history=[])


@pytest.mark.parametrize("verdict, devices, watching, kind", [
    ("allowed", {"desk": DESK}, phone("active", [DESK]), "right"),
    ("allowed", {}, phone("active", []), "right"),
    ("allowed", {"desk": DESK, "phone": PHONE}, phone("active", [PHONE, DESK]), "right"),
    ("allowed", {"desk": DESK}, phone("active", [PHONE]), "stale"),
    ("allowed", {}, phone("active", [DESK]), "stale"),
    ("allowed", {"desk": DESK}, phone("active", [DESK, DESK]), "stale"),
    ("allowed", {"desk": DESK}, phone("active"), "stuck"),  # no document yet
    ("allowed", {"desk": DESK}, phone("pending"), "stuck"),
    ("allowed", {"desk": DESK}, phone("terminated", [DESK], "rejected"), "stuck"),
    ("pending", {"desk": DESK}, phone("pending"), "pending"),
    ("pending", {"desk": DESK}, phone("terminated", None, "rejected"), "stuck"),
    ("refused", {"desk": DESK}, phone("terminated", None, "rejected"), "refused"),
    ("refused", {"desk": DESK}, phone("terminated", None, "timeout"), "stuck"),
    ("refused", {"desk": DESK}, phone("active", [DESK]), "stuck"),
])
def test_the_judge_of_phones(verdict, devices, watching, kind):
    assert judge_phone(verdict, devices, watching)[0] == kind


@pytest.mark.parametrize("verdict, true, relation, shown, kind", [
    ("allowed", {"desk": DESK}, "subscribed", {"desk": DESK}, "right"),
    ("allowed", {}, "subscribed", {}, "right"),
    ("allowed", {"desk": DESK}, "subscribed", {"phone": DESK}, "stale"),
    ("allowed", {}, "subscribed", {"desk": DESK}, "stale"),
    ("allowed", {"desk": DESK}, "subscribed", {"desk": PHONE}, "stale"),
    ("allowed", {"desk": DESK}, "pending", {}, "stuck"),
    ("allowed", {"desk": DESK}, "refused", {}, "stuck"),
    ("pending", {"desk": DESK}, "pending", {}, "pending"),
    ("pending", {"desk": DESK}, "pending", {"desk": DESK}, "stale"),
    ("pending", {"desk": DESK}, "refused", {}, "stuck"),
    ("refused", {"desk": DESK}, "refused", {}, "refused"),
    ("refused", {"desk": DESK}, "refused", {"desk": DESK}, "stale"),
    ("refused", {"desk": DESK}, "subscribed", {}, "stuck"),
])
def test_the_judge_of_partners_users(verdict, true, relation, shown, kind):
    assert judge_seen(verdict, true, types.SimpleNamespace(relation=relation, devices=shown, history=[]))[0] == kind


@pytest.mark.parametrize("steps, is_leak", [
    ("publish allow tell", False),
    ("allow publish tell", False),
    ("publish tell", True),
    ("publish ask tell", True),
    ("publish allow publish tell-first", False),     # old, but once true while he might see it
    ("publish publish allow tell-first", True),      # over before he might
    ("allow publish forbid tell", False),            # it was under way
    ("allow forbid publish tell", True),
    ("allow forbid publish allow tell", False),
    ("allow publish tell-other", True),              # of somebody else
    ("allow publish tell-nothing", True),            # without a note: of nobody
])
def test_the_judge_of_what_may_be_told(steps, is_leak):
    clock = iter(range(100))
    truth = Truth(lambda: next(clock))
    notes = []
    for step in steps.split():
        if step == "publish":
            truth.publish("u@p", {"desk": None})
            notes.append(truth.devices("u@p")["desk"][1])
        elif step in ("allow", "ask", "forbid"):
            truth.decide("w@s", "u@p", {"allow": "allowed", "ask": "pending", "forbid": "refused"}[step])
        else:
            note = {"tell": notes[-1], "tell-first": notes[0], "tell-nothing": None}.get(step)
            if step == "tell-other":
                truth.publish("v@p", {"desk": None})
                note = truth.devices("v@p")["desk"][1]
            truth.told("w@s", "u@p", [(None, note)])
    assert bool(truth.leaks) == is_leak
