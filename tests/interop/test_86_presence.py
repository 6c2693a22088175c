"""
Presence between real servers: Prosody and ejabberd on one side, Kamailio with its presence server and rules of its users on the other,
for a scripted phone and a real one. What is seen is what the servers give their users, and when.
"""
import itertools
import time

import pytest

from lab.baresip import Baresip

SOON = 2.0  # seconds
CONTACTS = {"prosody": "wanda@partner.example", "ejabberd": "wanda@ejabberd.example"}  # who have no resource but those of these tests
numbers = itertools.count(1)


@pytest.fixture(scope="module", autouse=True)
def listed(partners):
    partners({"ejabberd.example": 2})


@pytest.fixture(scope="module")
def logged_in(lab):
    """contact(SERVER, RESOURCE): one user at each, each resource once."""
    there = {}

    def get(server, resource="desk"):
        if (server, resource) not in there:
            there[server, resource] = lab.contact("%s/%s" % (CONTACTS[server], resource))
        return there[server, resource]
    return get


@pytest.fixture(params=CONTACTS)
def server(request):
    return request.param


class Two:
    """A contact and a SIP user who know nothing of each other."""

    def __init__(self, lab, contact, transport):
        self.lab, self.contact, self.user = lab, contact, "user%d" % next(numbers)
        self.kamailio = lab.server("sip")
        self.local, self.jid = self.user + "@corp.example", contact.jid.split("/")[0]
        self.uri = "sip:" + self.jid
        self.phone = self.device("desk", transport)

    def device(self, name, transport="tcp"):
        return self.lab.phone("sip:" + self.local, transport, name)

    def allow(self):
        self.kamailio.rule(self.user, allow=[self.uri])

    def contact_watches(self):
        """Both sides agree; the user is published as `one`."""
        self.allow()
        self.phone.publish(note="one")
        since = self.contact.presences.mark()
        self.contact.say(to=self.local, type="subscribe")
        self.contact.wait_presence(self.local, lambda p: p.type == "subscribed", since=since)
        self.contact.wait_presence(self.local, lambda p: p.status == "one", since=since)

    def user_watches(self, phone=None):
        watch = (phone or self.phone).watch(self.uri)
        assert watch.status == 200
        self.contact.wait_presence(self.local, lambda p: p.type == "subscribe")
        self.contact.say(to=self.local, type="subscribed")
        watch.views.wait(lambda v: v.state == "active" and v.shown)
        return watch


@pytest.fixture
def two(lab, xfed, logged_in, server):
    contact = logged_in(server)
    contact.say()
    return Two(lab, contact, "tcp" if server == "prosody" else "udp")


def soon(since, seen):
    """What was done at `since` was seen in time."""
    assert seen.at - since < SOON, "seen after %.3f s" % (seen.at - since)


def test_a_sip_user_watches_a_contact(two):
    watch = two.phone.watch(two.uri)
    assert watch.status == 200
    assert watch.views.wait(lambda v: True).state == "pending"
    two.contact.wait_presence(two.local, lambda p: p.type == "subscribe")
    since = time.monotonic()
    two.contact.say(to=two.local, type="subscribed")
    soon(since, watch.views.wait(lambda v: v.state == "active" and list(v.shown.values()) == [(None, None)]))
    watch.wait_room()
    since = time.monotonic()
    two.contact.say("dnd", "busy & <übel>")
    told = watch.views.wait(lambda v: list(v.shown.values()) == [("dnd", "busy & <übel>")])
    soon(since, told)
    assert told.activities == {"busy"}
    since = time.monotonic()
    two.contact.say(type="unavailable")
    soon(since, watch.views.wait(lambda v: not v.shown and v.tuples))
    assert watch.views.items[-1].state == "active"
    assert two.phone.unwatch(two.uri) == 200


def test_a_contact_refuses(two):
    watch = two.phone.watch(two.uri)
    two.contact.wait_presence(two.local, lambda p: p.type == "subscribe")
    since = time.monotonic()
    two.contact.say(to=two.local, type="unsubscribed")
    told = watch.views.wait(lambda v: v.state == "terminated")
    soon(since, told)
    assert told.reason == "rejected" and not told.shown


def test_a_contact_takes_its_word_back(two):
    watch = two.user_watches()
    since = time.monotonic()
    two.contact.say(to=two.local, type="unsubscribed")
    told = watch.views.wait(lambda v: v.state == "terminated")
    soon(since, told)
    assert told.reason == "rejected" and not told.shown


def test_a_contact_watches_a_sip_user(two):
    two.phone.publish("open", "away", "lunch & <übel>")
    two.contact.say(to=two.local, type="subscribe")  # whom no rule names: it waits
    asked = two.contact.presences.mark()
    two.kamailio.process.wait_line("NOTIFY sip:%s.* pending" % two.local, 10)
    assert not [p for p in two.contact.presences.items[asked:] if p.bare == two.local]
    since = time.monotonic()
    two.allow()
    soon(since, two.contact.wait_presence(two.local, lambda p: p.type == "subscribed"))
    soon(since, two.contact.wait_presence(two.local, lambda p: (p.show, p.status) == ("away", "lunch & <übel>")))
    since = time.monotonic()
    two.phone.publish("open", "on-the-phone", "a call")
    soon(since, two.contact.wait_presence(two.local, lambda p: (p.show, p.status) == ("dnd", "a call")))
    since = time.monotonic()
    two.phone.unpublish()
    soon(since, two.contact.wait_presence(two.local, lambda p: p.type == "unavailable"))
    assert two.contact.sees(two.local) == {}
    mark = two.kamailio.process.mark()
    two.contact.say(to=two.local, type="unsubscribe")
    two.kamailio.process.wait_line("NOTIFY sip:%s.* terminated;reason=timeout" % two.local, 10, mark)


def test_a_sip_user_refuses(two):
    two.kamailio.rule(two.user, block=[two.uri])
    since = time.monotonic()
    two.contact.say(to=two.local, type="subscribe")
    soon(since, two.contact.wait_presence(two.local, lambda p: p.type == "unsubscribed"))


def test_a_sip_user_takes_its_word_back(two):
    two.contact_watches()
    since = time.monotonic()
    two.kamailio.rule(two.user, block=[two.uri])
    soon(since, two.contact.wait_presence(two.local, lambda p: p.type == "unsubscribed"))
    assert two.contact.sees(two.local) == {}


def test_both_watch_each_other(two):
    two.contact_watches()
    watch = two.user_watches()
    watch.wait_room()
    since = time.monotonic()
    two.contact.say("xa", "away for long")
    two.phone.publish("open", "busy", "two")
    soon(since, watch.views.wait(lambda v: list(v.shown.values()) == [("xa", "away for long")]))
    soon(since, two.contact.wait_presence(two.local, lambda p: (p.show, p.status) == ("dnd", "two")))
    mark = two.contact.presences.mark()
    assert two.phone.unwatch(two.uri) == 200  # one way ends, the other goes on
    since = time.monotonic()
    two.phone.publish("open", None, "three")
    soon(since, two.contact.wait_presence(two.local, lambda p: p.status == "three", since=mark))


def test_two_resources_and_two_devices(two, logged_in, server):
    phone = two.device("phone", "udp")
    first = two.user_watches()
    asked = len([p for p in two.contact.presences.items if p.bare == two.local and p.type == "subscribe"])
    second = phone.watch(two.uri)
    second.views.wait(lambda v: v.state == "active" and v.shown)
    mobile = logged_in(server, "mobile%d" % next(numbers))
    first.wait_room()
    second.wait_room()
    since = time.monotonic()
    mobile.say("away", "on the way")
    for watch in (first, second):
        seen = watch.views.wait(lambda v: len(v.shown) == 2 and ("away", "on the way") in v.shown.values())
        soon(since, seen)
    assert len([p for p in two.contact.presences.items if p.bare == two.local and p.type == "subscribe"]) == asked  # one for both
    mobile.logout()
    for watch in (first, second):
        watch.views.wait(lambda v: len(v.shown) == 1, since=watch.views.mark() - 1)
    assert two.phone.unwatch(two.uri) == 200
    two.contact_watches()
    phone.publish(note="two")
    two.contact.wait_presence(two.local, lambda p: p.status == "two")
    assert two.contact.sees(two.local) == {"desk": (None, "one"), "phone": (None, "two")}
    two.phone.unpublish()
    two.contact.wait_presence(two.local, lambda p: p.type == "unavailable")
    assert two.contact.sees(two.local) == {"phone": (None, "two")}


def test_a_phone_of_flesh_and_blood(lab, xfed, logged_in, server, directory):
    contact, user = logged_in(server), "bruno%d" % next(numbers)
    local, uri = user + "@corp.example", "sip:" + CONTACTS[server]
    contact.say()
    lab.server("sip").rule(user, allow=[uri])
    baresip = Baresip(lab.net, "%s/baresip-%s" % (directory, server), "sip:" + local, [uri]).start()
    try:
        contact.wait_presence(local, lambda p: p.type == "subscribe")
        contact.say(to=local, type="subscribed")
        contact.say(to=local, type="subscribe")
        contact.wait_presence(local, lambda p: p.type == "subscribed")
        baresip.wait_sees(uri, "Online")
        seen = contact.wait_presence(local, lambda p: p.type is None)
        contact.say("dnd")
        baresip.wait_sees(uri, "Busy")
        since = time.monotonic()
        baresip.command("presence_offline")
        gone = contact.wait_presence(local, lambda p: p.type == "unavailable")
        assert gone.sender == seen.sender
        soon(since, gone)
        contact.say(type="unavailable")
        baresip.wait_sees(uri, "Offline")
    finally:
        baresip.stop()


def test_nothing_is_left_in_doubt(xfed):
    assert xfed.gateway.metric("xfed_presence_drift") == 0
