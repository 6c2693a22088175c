"""
Deliveries whose edge has been killed: what the gateway had queued goes on, and errors reach their senders by way of the edge's
next run (proto/delivery.md, section 5 of a message's way and Attempts).
"""
import itertools
import time

import pytest

from harness.proc import wait_until
from harness.sip import SipUser
from harness.xmpp import error_of

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def mortal(install, started, new_partner):
    """An installation whose edge may die; a partner and a user of its own."""
    user = SipUser("corp.example")
    inst = install("orphans", users={"corp.example": user})
    inst.list_partner("orphans.example")
    try:
        started(inst)
        inst.user = user
        inst.partner = new_partner(inst, "orphans.example")
        yield inst
    finally:
        inst.stop()
        user.close()


def kill_edge(inst):
    mark = inst.gateway.process.mark()
    inst.edge.process.child.kill()
    inst.edge.process.child.wait()
    inst.gateway.process.wait_line("event=channel.down", 10, mark)
    inst.partner.out.clear()  # its streams died with the edge


def revive(inst):
    inst.edge.start().wait_ready()
    inst.gateway.wait_ready()


def hold_three(inst):
    """Three messages for one user: the first is attempted and unanswered, the others wait behind it in the gateway."""
    n = next(numbers)
    texts = ["orphan %d %s" % (n, word) for word in ("first", "second", "third")]
    inst.user.answer = lambda m: None if m.text == texts[0] else 200
    since = inst.user.said.mark()
    for i, text in enumerate(texts):
        inst.partner.say("alice", "zoe@corp.example", text, id="o-%d-%d" % (n, i))
    request = inst.user.wait_text(texts[0], 10, since)
    wait_until("three deliveries at the gateway", lambda: inst.gateway.control("status")["deliveries_in_flight"] == 3, 10)
    return n, texts, since, request


def errors_since(inst, mark):
    return {s.get("id"): error_of(s) for s in inst.partner.inbox.items[mark:] if s.get("type") == "error"}


def arrived(inst, since):
    return [m.text for m in inst.user.said.items[since:]]


def test_what_was_queued_is_taken_over_and_a_late_refusal_is_told(mortal):
    n, texts, since, request = hold_three(mortal)
    mark = mortal.partner.inbox.mark()
    kill_edge(mortal)
    revive(mortal)
    mortal.user.respond(request, 404)
    mortal.user.wait_text(texts[2], 15, since)
    assert arrived(mortal, since) == texts
    condition, kind, text = mortal.partner.wait_error("o-%d-0" % n, 15, mark)
    assert (condition, kind) == ("item-not-found", "cancel") and "sip.user.unknown" in text
    assert list(errors_since(mortal, mark)) == ["o-%d-0" % n]


def test_an_outcome_of_the_time_between_is_told(mortal):
    n, texts, since, request = hold_three(mortal)
    mark = mortal.partner.inbox.mark()
    kill_edge(mortal)
    mortal.user.respond(request, 486)
    revive(mortal)
    mortal.user.wait_text(texts[2], 15, since)
    assert arrived(mortal, since) == texts
    assert mortal.partner.wait_error("o-%d-0" % n, 15, mark)[0] == "recipient-unavailable"
    assert list(errors_since(mortal, mark)) == ["o-%d-0" % n]


def test_what_was_delivered_meanwhile_is_no_error(mortal):
    n, texts, since, request = hold_three(mortal)
    mark = mortal.partner.inbox.mark()
    kill_edge(mortal)
    mortal.user.respond(request, 200)
    revive(mortal)
    mortal.user.wait_text(texts[2], 15, since)
    mortal.partner.say("alice", "zoe@corp.example", "after %d" % n)
    mortal.user.wait_text("after %d" % n, 15, since)
    assert arrived(mortal, since) == texts + ["after %d" % n]
    assert not errors_since(mortal, mark)


def test_after_ten_seconds_another_gateway_may_have_it(mortal):
    """Then what was not attempted is neither begun nor forgotten: its senders hear that nobody knows."""
    n, texts, since, request = hold_three(mortal)
    mark = mortal.partner.inbox.mark()
    gone = time.monotonic()
    kill_edge(mortal)
    wait_until("the end of ten seconds without a link", lambda: time.monotonic() - gone > 10.5, 12)
    revive(mortal)
    for i in (1, 2):
        condition, kind, text = mortal.partner.wait_error("o-%d-%d" % (n, i), 15, mark)
        assert (condition, kind) == ("remote-server-timeout", "wait") and "delivery.uncertain" in text
    mortal.user.respond(request, 200)
    mortal.partner.say("alice", "zoe@corp.example", "after %d" % n)
    mortal.user.wait_text("after %d" % n, 15, since)
    assert arrived(mortal, since) == [texts[0], "after %d" % n]
    assert len(errors_since(mortal, mark)) == 2
