"""
People with a real client of the Lync dialect (pidgin-sipe on libpurple, lync/lync_user.c) behind a front end (lab/lync_front.py), and people
at Prosody. What is asserted is what they see.
"""
import itertools
import os

import pytest

from harness.proc import wait_until

from lab.lync_client import PROGRAM
from lab.lync_world import LyncWorld

WORLD = 10  # those before it belong to test_87_presence_recovery.py
numbers = itertools.count(1)


def words(prefix):
    return "%s %d" % (prefix, next(numbers))


@pytest.fixture(scope="module")
def world(lab, tools):
    program = os.path.join(os.path.abspath(os.environ["XFED_BUILD"]), PROGRAM)
    if not os.access(program, os.X_OK):
        pytest.skip("not built, for the lack of libpurple-dev: %s (packaging/install-deps test)" % program)
    world = LyncWorld(lab, WORLD, tools, program, lab.on_start)
    try:
        yield world.start()
    finally:
        failed = world.end()
    assert failed is None, failed


@pytest.fixture(scope="module")
def bob(world):
    return world.contact("bob")


@pytest.fixture
def person(world):
    """person(): somebody at a client, whom nobody knows from another test."""
    there = []

    def make(name=None, **kwargs):
        there.append(world.client(name or "u%d" % next(numbers), **kwargs))
        return there[-1]
    yield make
    for client in there:
        client.close()


def bare(contact):
    return contact.jid.split("/")[0]


def uri(contact):
    return "sip:" + bare(contact)


def said(client, contact, since=0):
    """The texts that a client has shown of a contact."""
    return [e["text"] for e in client.seen("said", since) if e["from"] == uri(contact)]


def bodies(contact, client, since=0):
    return [m.body for m in contact.inbox.items[since:] if m.sender.split("/")[0] == client.user and m.type != "error" and m.body is not None]


@pytest.fixture
def open_session(person, bob):
    """A client that has a session with Bob, opened by the one or the other."""
    def make(by):
        anna, text = person(), words("opened by " + by)
        if by == "client":
            anna.say(uri(bob), text)
            bob.wait_body(text)
        else:
            bob.send(anna.user, text, state="active")
            anna.wait_said(uri(bob), text)
        return anna
    return make


SIDES = pytest.mark.parametrize("by", ["client", "contact"])
LONG = "".join("%04d " % n for n in range(1000))
TEXTS = {
    "lines": "one\ntwo\n\nfour", "markup": "a < b & c > d \"e\" 'f' <b>not bold</b> &amp; &lt;", "german": "Grüße aus Köln, ÄÖÜ ß €",
    "greek and russian": "Καλημέρα κόσμε. Привет, мир", "chinese and japanese": "你好,世界。こんにちは世界", "arabic and hebrew": "مرحبا بالعالم שלום עולם",
    "emoji": "👍🏽 👩‍👩‍👧 🇩🇪", "combining": "e\u0301 a\u030a o\u0308", "spaces": "a  b   c",
}


# ---- messages ----

def test_the_client_writes_first(person, bob):
    anna, text, back = person(), words("first & <b>"), words("answer & <b>")
    anna.say(uri(bob), text)
    got = bob.wait_body(text)
    assert got.sender.split("/")[0] == anna.user and got.to.split("/")[0] == bare(bob)
    bob.send(got.sender, back)
    anna.wait_said(uri(bob), back)
    assert bodies(bob, anna) == [text] and said(anna, bob) == [back]


def test_the_contact_writes_first(person, bob):
    anna, text, back = person(), words("first & <b>"), words("answer & <b>")
    bob.send(anna.user, text)
    anna.wait_said(uri(bob), text)
    anna.say(uri(bob), back)
    assert bob.wait_body(back).sender.split("/")[0] == anna.user
    assert bodies(bob, anna) == [back] and said(anna, bob) == [text]


@SIDES
def test_five_thousand_characters(open_session, bob, by):
    anna = open_session(by)
    there, back = LONG[:4990] + words("x"), LONG[:4990] + words("y")
    anna.say(uri(bob), there)
    bob.wait_body(there)
    bob.send(anna.user, back)
    anna.wait_said(uri(bob), back)


@SIDES
def test_multilingual(open_session, bob, by):
    anna, since = open_session(by), bob.inbox.mark()
    for text in TEXTS.values():
        anna.say(uri(bob), text)
        bob.wait_body(text, since=since)
        bob.send(anna.user, text)
        anna.wait_said(uri(bob), text)


@SIDES
def test_a_hundred_in_order_each_way(person, bob, by):
    """At once, behind the first, which opens the session: of texts typed while both ends open one the client keeps some until the next."""
    anna = person()
    there, back = [words("there") for _ in range(100)], [words("back") for _ in range(100)]
    if by == "client":
        anna.say(uri(bob), there[0])
        bob.wait_body(there[0])
    else:
        bob.send(anna.user, back[0])
        anna.wait_said(uri(bob), back[0])
    for one, other in itertools.zip_longest(there[by == "client":], back[by == "contact":]):
        if other:
            bob.send(anna.user, other)
        if one:
            anna.say(uri(bob), one)
    anna.wait_said(uri(bob), back[-1], 60)
    bob.wait_body(there[-1], 60)
    assert said(anna, bob) == back and bodies(bob, anna) == there
    assert not anna.seen("error")


# ---- typing ----

@SIDES
def test_the_contact_types(open_session, bob, by):
    anna, text = open_session(by), words("typed")
    bob.send(anna.user, None, state="composing")
    anna.wait("typing", **{"from": uri(bob), "state": "composing"})
    bob.send(anna.user, None, state="paused")
    anna.wait("typing", **{"from": uri(bob), "state": lambda s: s != "composing"})
    since = anna.events.mark()
    bob.send(anna.user, None, state="composing")
    anna.wait("typing", since=since, **{"from": uri(bob), "state": "composing"})
    bob.send(anna.user, text, state="active")
    anna.wait_said(uri(bob), text)


def test_the_user_types(open_session, bob):
    anna, text = open_session("contact"), words("typed")
    since = bob.inbox.mark()

    def shown(state):
        return bob.inbox.wait(lambda m: m.state == state and m.sender.split("/")[0] == anna.user, 20, since)
    anna.do("type", to=uri(bob), state="composing")
    shown("composing")
    anna.do("type", to=uri(bob), state="paused")
    shown("paused")
    anna.say(uri(bob), text)
    bob.wait_body(text)


def test_a_contact_who_types_before_there_is_a_session(person, bob):
    anna, text = person(), words("typed")
    bob.send(anna.user, None, state="composing")
    bob.send(anna.user, text, state="active")
    anna.wait_said(uri(bob), text)
    assert said(anna, bob) == [text]


# ---- refusals ----

OFFLINE, SERVICE = "recipients are offline", "service is not available"
BUSY, TYPE, BLOCKED = "do not want to be disturbed", "support this type of message", "administrator has blocked"
SHOWN_FOR = [(480, (), OFFLINE), (404, (), OFFLINE), (486, (), BUSY), (415, (), TYPE), (504, (), SERVICE), (503, (), SERVICE),
             (606, [("Warning", '309 fe.example "policy.kind.forbidden"')], BLOCKED), (606, [("Warning", '399 fe.example "x"')], OFFLINE)]


@pytest.mark.parametrize("to, shown", [("nobody@{theirs}", OFFLINE), ("eve@unlisted.example", SERVICE), ("eve@nowhere.invalid", SERVICE)])
def test_a_text_that_reaches_nobody(world, person, bob, to, shown):
    anna, one, two, text = person(), words("lost"), words("lost"), words("not lost")
    to = "sip:" + to.format(theirs=world.theirs)
    for lost in (one, two):
        anna.say(to, lost)
        error = anna.wait_error(lost)
        assert shown in error["text"] and error["with"] == to, error
    anna.say(uri(bob), text)
    bob.wait_body(text)


def test_a_text_that_is_too_large(open_session, bob):
    anna, large, text = open_session("client"), "L" * 100000, words("small")
    anna.say(uri(bob), large)
    assert TYPE in anna.wait_error(large[:100])["text"]
    anna.say(uri(bob), text)
    bob.wait_body(text)


def read_as(client, contact, lost, shown):
    """A text that is refused; what is blocked is not shown again with the error."""
    since = client.events.mark()
    client.say(uri(contact), lost)
    error = client.wait("error", since=since, **{"with": uri(contact)})["text"]
    assert shown in error and (lost in error) == (shown != BLOCKED), error


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
@pytest.mark.parametrize("status, headers, shown", SHOWN_FOR, ids=["%d %s" % (s, w.split()[0] if not h else h[0][1][:3]) for s, h, w in SHOWN_FOR])
def test_what_the_client_shows_of_a_status(world, person, open_session, bob, method, status, headers, shown):
    """On this the statuses are chosen that our reasons become (fe-gateway/interwork/lync_status.h); and what is written then arrives."""
    anna, lost, text = person() if method == "INVITE" else open_session("contact"), words("lost"), words("not lost")
    with world.front.refusing("client", method, status, headers):
        read_as(anna, bob, lost, shown)
    anna.say(uri(bob), text)
    bob.wait_body(text)
    bob.send(anna.user, text)
    anna.wait_said(uri(bob), text)


@pytest.mark.parametrize("status, condition", [(486, "recipient-unavailable"), (415, "not-acceptable"), (606, "not-acceptable")])
def test_what_a_contact_is_told_of_a_status(world, person, bob, status, condition):
    """The front end refuses for a user who is busy, cannot take it, or may not."""
    anna, text = person(), words("after")
    with world.front.refusing("gateway", "INVITE", status):
        assert bob.wait_error(bob.send(anna.user, words("lost"))).condition == condition
    bob.send(anna.user, text)
    anna.wait_said(uri(bob), text)


@pytest.mark.parametrize("by", ["INVITE", "MESSAGE"])
def test_a_partner_to_whom_no_messages_may_go(world, person, open_session, bob, by):
    """kinds without message: blocked by the administrator, where the session begins and where it is open already."""
    anna, lost, text = person() if by == "INVITE" else open_session("contact"), words("lost"), words("again")
    world.policy(kinds="[presence]")
    try:
        read_as(anna, bob, lost, BLOCKED)
    finally:
        world.policy()
    anna.say(uri(bob), text)
    bob.wait_body(text)
    assert lost not in bodies(bob, anna)


@pytest.mark.parametrize("condition, shown", [("not-acceptable", TYPE), ("item-not-found", OFFLINE), ("internal-server-error", SERVICE)])
def test_a_text_that_the_contacts_client_refuses(open_session, bob, condition, shown):
    """Bob is known to be there, so that it has been answered already: told by a NOTIFY in the session."""
    anna, lost, text = open_session("contact"), words("lost"), words("next")
    anna.say(uri(bob), lost)
    since = anna.events.mark()
    bob.refuse(bob.wait_body(lost), condition)
    assert shown in anna.wait("error", since=since)["text"]
    anna.say(uri(bob), text)
    bob.wait_body(text)


def test_a_user_who_does_not_exist(world, bob):
    error = bob.wait_error(bob.send("nobody@" + world.ours, words("lost")))
    assert error.condition == "item-not-found", error


@SIDES
def test_a_user_who_signs_off_in_a_session(world, person, open_session, bob, by):
    anna, text, back = open_session(by), words("again"), words("again")
    name = anna.user.split("@")[0]
    anna.sign_off()
    error = bob.wait_error(bob.send(anna.user, words("lost")))
    assert error.condition == "recipient-unavailable", error
    anna = person(name)
    bob.send(anna.user, text)
    anna.wait_said(uri(bob), text)
    anna.say(uri(bob), back)
    bob.wait_body(back)


@SIDES
def test_a_window_that_is_closed(open_session, bob, by):
    anna, text, back = open_session(by), words("after"), words("after")
    anna.do("close", to=uri(bob))
    bob.send(anna.user, text)
    anna.wait_said(uri(bob), text)
    anna.do("close", to=uri(bob))
    anna.say(uri(bob), back)
    bob.wait_body(back)


def test_a_contact_who_is_offline(world, person):
    """Prosody keeps what comes for him."""
    anna, text = person(), words("kept")
    anna.say("sip:alice@" + world.theirs, text)
    world.front.passed("gateway", lambda m: m.is_response and "MESSAGE" in m.get("cseq") and m.status in (200, 202) and m.uri("from") == anna.uri)
    alice = world.contact("alice")
    alice.wait_body(text)
    alice.close()
    assert not anna.seen("error")


# ---- both at once, and several places ----

def both_see(anna, bob, theirs, ours):
    """
    Each text has come once, and so does what is written then. Such a client takes its INVITE back, and holds its text until its user writes the
    next one.
    """
    more = words("more")
    anna.wait_said(uri(bob), ours)
    anna.say(uri(bob), more)
    bob.wait_body(more)
    assert bodies(bob, anna) == [theirs, more] and said(anna, bob) == [ours]
    for text in (words("at last"), words("at last")):
        bob.send(anna.user, text)
        anna.wait_said(uri(bob), text)
        anna.say(uri(bob), text)
        bob.wait_body(text)
    assert not anna.seen("error")


def test_both_open_at_once_and_the_client_is_first(world, person, bob):
    anna, ours, theirs = person(), words("ours"), words("theirs")
    since = world.front.log.mark()
    with world.front.holding("gateway", "INVITE"):
        bob.send(anna.user, ours)
        world.front.passed("gateway", lambda m: m.start.startswith("INVITE"), since)
        anna.say(uri(bob), theirs)
        world.front.passed("client", lambda m: m.start.startswith("INVITE") and m.uri("from") == anna.uri, since)
    both_see(anna, bob, theirs, ours)


def test_both_open_at_once_and_the_contact_is_first(world, person, bob):
    anna, ours, theirs = person(), words("ours"), words("theirs")
    since = world.front.log.mark()
    with world.front.holding("client", "INVITE"):
        anna.say(uri(bob), theirs)
        world.front.passed("client", lambda m: m.start.startswith("INVITE") and m.uri("to") == uri(bob), since)
        bob.send(anna.user, ours)
        world.front.passed("client", lambda m: m.is_response and m.status == 200 and "INVITE" in m.get("cseq") and m.uri("to") == anna.uri, since)
    both_see(anna, bob, theirs, ours)


def test_both_open_at_once(person, bob):
    anna, ours, theirs = person(), words("ours"), words("theirs")
    bob.send(anna.user, ours)
    anna.say(uri(bob), theirs)
    both_see(anna, bob, theirs, ours)


@pytest.fixture
def two_places(world, person):
    """One user at two computers: the client then takes its time before it answers."""
    name = "u%d" % next(numbers)
    first = person(name)
    return first, person(name, netns=world.net.ns("sipua"))


def test_a_user_at_two_places(bob, two_places):
    """Whichever answers first shows the text, and has the conversation."""
    text, back, again = words("once"), words("back"), words("again")
    bob.send(two_places[0].user, text)
    wait_until("a text at one of them", lambda: any(said(c, bob) for c in two_places), 40)
    has, other = two_places if said(two_places[0], bob) else reversed(two_places)
    has.say(uri(bob), back)
    bob.wait_body(back)
    bob.send(has.user, again)
    has.wait_said(uri(bob), again)
    assert said(has, bob) == [text, again] and not said(other, bob)


def test_a_user_at_two_places_who_writes_before_one_has_answered(world, bob, two_places):
    text, own, more = words("once"), words("own"), words("more")
    since = world.front.log.mark()
    bob.send(two_places[0].user, text)
    world.front.passed("gateway", lambda m: m.start.startswith("INVITE"), since)
    world.front.has_reached(two_places[0].user)
    two_places[1].say(uri(bob), own)
    bob.wait_body(own)
    wait_until("a text at one of them", lambda: any(said(c, bob) for c in two_places), 40)
    two_places[1].say(uri(bob), more)
    bob.wait_body(more)
    assert said(two_places[0], bob) + said(two_places[1], bob) == [text] and bodies(bob, two_places[1]) == [own, more]


# ---- presence ----

class Watched:
    """A user at a client and Bob, of whom each watches the other."""

    def __init__(self, anna, bob):
        self.anna, self.bob = anna, bob
        bob.say("away", "first")
        anna.do("watch", of=uri(bob))
        bob.wait_presence(anna.user, lambda p: p.type == "subscribe", 20)
        bob.say(to=anna.user, type="subscribed")
        self.client_sees("away", "first")
        bob.say(to=anna.user, type="subscribe")
        bob.wait_presence(anna.user, lambda p: p.type == "subscribed", 20)
        bob.wait_presence(anna.user, lambda p: p.type is None, 20)

    def client_sees(self, status, note="", since=0):
        return self.anna.wait("contact", since=since, of=uri(self.bob), status=status, text=lambda t: note in (t or ""))

    def contact_sees(self, show, note, since=0):
        return self.bob.wait_presence(self.anna.user, lambda p: (p.type, p.show, p.status) == (None, show, note), 20, since)


@pytest.fixture
def watched(person, bob):
    yield Watched(person(), bob)
    bob.say()


SHOWN = [(None, "available", "available"), ("chat", "available", "to chat"), ("away", "away", "at lunch & <übel>"), ("xa", "away", "for long"),
         ("dnd", "do-not-disturb", "busy")]


def test_a_client_watches_a_contact(watched):
    for show, status, note in SHOWN:
        since = watched.anna.events.mark()
        watched.bob.say(show, note)
        watched.client_sees(status, note, since)
    since = watched.anna.events.mark()
    watched.bob.say(type="unavailable")
    watched.anna.wait("contact", since=since, of=uri(watched.bob), online=False)
    since = watched.anna.events.mark()
    watched.bob.say("away", "back")
    watched.client_sees("away", "back", since)


CHOSEN = [("busy", "dnd"), ("do-not-disturb", "dnd"), ("be-right-back", "away"), ("away", "away"), ("available", None)]


def test_a_contact_watches_a_client(watched):
    for status, show in CHOSEN:
        since, note = watched.bob.presences.mark(), words(status)
        watched.anna.do("be", status=status, note=note)
        watched.contact_sees(show, note, since)
    watched.anna.sign_off()
    watched.bob.wait_presence(watched.anna.user, lambda p: p.type == "unavailable", 20)


# ---- broken ----

@SIDES
@pytest.mark.parametrize("part", ["gateway", "edge"])
def test_a_part_is_killed(world, open_session, bob, part, by):
    """Each message is shown, or its sender told that it was not delivered; and the next one arrives."""
    anna, since = open_session(by), bob.inbox.mark()
    there, back = [words("there") for _ in range(20)], [words("back") for _ in range(20)]
    ids = {}
    for one, other in zip(there, back):
        if one == there[10]:
            world.kill(part)
        anna.say(uri(bob), one)
        ids[other] = bob.send(anna.user, other)
    world.begin_again(part)
    for text in there:
        wait_until("a fate of " + text, lambda t=text: t in bodies(bob, anna, since) or any(t in (e["text"] or "") for e in anna.seen("error")), 90)
    for text, ident in ids.items():
        wait_until("a fate of " + text, lambda t=text, i=ident: t in said(anna, bob) or any(
            m.type == "error" and m.id == i for m in bob.inbox.items[since:]), 90)
    nexts = [words("next"), words("next")]
    anna.say(uri(bob), nexts[0])
    shown = anna.events.mark()
    wait_until("a fate of the next", lambda: nexts[0] in bodies(bob, anna, since) or any(nexts[0] in (e["text"] or "") for e in anna.seen("error")), 60)
    assert part == "gateway" or nexts[0] in bodies(bob, anna, since)
    if nexts[0] not in bodies(bob, anna, since):  # its session was the killed one's
        anna.say(uri(bob), nexts[1])
        bob.wait_body(nexts[1], since=since)
    text = words("at last")
    bob.send(anna.user, text)
    anna.wait_said(uri(bob), text)
    assert len(set(said(anna, bob))) == len(said(anna, bob)) or part == "edge", "shown twice"
