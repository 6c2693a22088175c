"""
One seed of the faults under load of tests/fault, all at the same time: nothing is lost, nothing comes twice, and every sender
has a true word, by the peers' own logs.
"""
import json
import os
import random
import subprocess
import sys

import pytest

from harness.evloop import Loop
from harness.evproxy import Faults, TcpProxy
from harness.evxmpp import EvPartner
from harness.proc import clean_environment
from harness.xmpp import message

FAULT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fault")
SCENARIOS = ("kill9-edge", "kill9-gateway", "cut-5s", "cut-40s", "stop-edge", "stop-gateway", "reset-partner", "reset-sip", "rechunk-channel")
SEED, MESSAGES, USERS, LONGEST = 1, 300, 60, 280
# What a gateway has of an edge's run that has ended it lets go of today: neither attempts nor outcomes are taken over.
NOT_BUILT = {("kill9-edge", "to_sip"): {"lost"}}


@pytest.fixture(scope="module")
def results(directory, tools):
    """Scenario -> its result, from one run of them all."""
    path = directory + "/fault.json"
    build = os.path.dirname(os.path.dirname(tools["xfed-edge"]))
    words = [sys.executable, "-B", FAULT, "--scenario", *SCENARIOS, "--seed", str(SEED), "--messages", str(MESSAGES), "--users", str(USERS),
             "--jobs", str(len(SCENARIOS)), "--build", build, "--json", path, "--keep", directory + "/fault"]
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
        wrong = set(found["violations"]) - NOT_BUILT.get((name, way), set())
        assert not wrong, "%s %s: %s; again: tests/fault --scenario %s --seed %d --messages %d --users %d\n%s" % (
            name, way, sorted(wrong), name, SEED, MESSAGES, USERS, json.dumps(found["examples"], indent=1))


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
