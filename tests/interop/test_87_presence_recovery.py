"""
What each user sees is the truth again after a part was killed (SIGKILL) or a leg was cut for a minute, while both users changed what they
are. Each scenario has a world of its own (lab/world.py), and all of them go on at the same time.
"""
import concurrent.futures
import time

import pytest

from harness.proc import wait_until

from lab.world import World

CUT_S = 60.0
RIGHT_WITHIN_S = 90.0
# name -> what happens, and the transport between gateway and SIP server
SCENARIOS = {
    "kill-gateway": ("tls",), "kill-edge": ("udp",), "kill-kamailio": ("tls",), "kill-kamailio-udp": ("udp",), "kill-prosody": ("tls",),
    "cut-s2s": ("tls",), "cut-channel": ("tls",), "cut-sip": ("tls",), "cut-sip-udp": ("udp",),
}
LEGS = {"s2s": ("edge", "wan"), "channel": ("edge", "dmz"), "sip": ("fe", "lan")}


class Story:
    """Two who watch each other, and what the one sees of the other."""

    def __init__(self, world, transport):
        self.world = world
        self.local, self.jid = "dave@" + world.ours, "alice@" + world.theirs
        self.alice = world.contact("alice")
        self.dave = world.phone("dave", "udp" if transport == "udp" else "tcp")
        world.kamailio.rule("dave", allow=["sip:" + self.jid])
        self.change(("open", "busy", "one"), ("away", "one"))
        self.watch = self.dave.watch("sip:" + self.jid)
        self.alice.wait_presence(self.local, lambda p: p.type == "subscribe")
        self.alice.say(to=self.local, type="subscribed")
        self.alice.say(to=self.local, type="subscribe")
        self.wait_truth(("dnd", "one"), ("away", "one"), 20)

    def change(self, of_dave, of_alice):
        self.dave.publish(*of_dave)
        self.alice.say(*of_alice)

    def is_true(self, of_dave, of_alice):
        views = self.watch.views.items
        dave_sees = list(self.watch.sees.values()) if views and views[-1].state == "active" else None
        return dave_sees == ([of_alice] if of_alice else []) and list(self.alice.sees(self.local).values()) == ([of_dave] if of_dave else [])

    def wait_truth(self, of_dave, of_alice, within=RIGHT_WITHIN_S):
        """How long it took."""
        since = time.monotonic()
        try:
            wait_until("truth", lambda: self.is_true(of_dave, of_alice), within)
        except AssertionError:
            raise AssertionError("dave is %s and alice sees %s; alice is %s and dave sees %s" % (
                of_dave, self.alice.sees(self.local), of_alice, self.watch.views.items[-1])) from None
        return time.monotonic() - since


def kill(story, name):
    world = story.world
    is_theirs = name in ("kamailio", "prosody")  # a server of the users' own, without which they say nothing
    world.kill(name)
    if not is_theirs:
        story.change(("open", "away", "two"), ("xa", "two"))
    world.begin_again(name)
    if is_theirs:
        wait_until("users who are back", lambda: not story.dave.comeback.is_under_way and not story.alice.comeback.is_under_way and story.alice.client, 30)
        story.change(("open", "away", "two"), ("xa", "two"))


def cut(story, leg):
    role, net = LEGS[leg]
    host = story.world.host[role]
    story.world.net.plug(host, net, False)
    since = time.monotonic()
    story.change(("open", "away", "two"), ("xa", "two"))
    wait_until("the end of the cut", lambda: time.monotonic() - since >= CUT_S, CUT_S + 10)
    story.world.net.plug(host, net, True)


def play(world, name, transport):
    story = Story(world, transport)
    what, part = name.split("-")[:2]
    (kill if what == "kill" else cut)(story, part)
    took = story.wait_truth(("away", "two"), ("xa", "two"))
    assert took < RIGHT_WITHIN_S, "it took %.0f s" % took
    story.change(("open", None, "three"), (None, "three"))
    story.wait_truth((None, "three"), (None, "three"), 30)
    story.dave.unpublish()
    wait_until("alice sees that dave is gone", lambda: story.alice.sees(story.local) == {}, 30)
    story.alice.say(type="unavailable")
    wait_until("dave sees that alice is gone", lambda: story.watch.sees == {}, 30)
    assert world.gateway.metric("xfed_presence_drift") == 0
    return took


@pytest.fixture(scope="module")
def played(lab, tools):
    """The outcome of each scenario, as it comes; the worlds are stopped when all of them have ended."""
    worlds, results = [], {}
    with concurrent.futures.ThreadPoolExecutor(len(SCENARIOS)) as pool:
        try:
            for number, (name, (transport,)) in enumerate(SCENARIOS.items(), 1):
                world = World(lab, number, tools, transport)
                worlds.append(world)
                results[name] = pool.submit(lambda w=world, n=name, t=transport: play(w.start(), n, t))
            concurrent.futures.wait(results.values())
        finally:
            ends = list(pool.map(World.end, worlds))
    return results, dict(zip(results, ends))


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_truth_comes_back(played, name):
    results, ends = played
    results[name].result()
    assert ends[name] is None, ends[name]
