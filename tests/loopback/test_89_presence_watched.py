"""What a SIP user sees of a contact never sticks: watchers that are slow, gone, or refuse for now, and who cannot be asked (RFC 6665 section 4.2)."""
import itertools

import pytest

from harness.presence import Watch, basics, notifies_of, send_presence, state_of, wait_presence, watched
from harness.proc import wait_until

numbers = itertools.count(1)


@pytest.fixture
def names():
    n = next(numbers)
    return "watching%d@corp.example" % n, "watcherw%d@partner.example" % n


def test_without_an_edge_a_contact_is_there_for_a_minute_and_asked_for_behind_it(install, new_partner, users, names):
    """Nobody can be asked, and what was known is older by the minute: it is not shown for ever."""
    inst = install("stuck-edge").start()
    try:
        inst.list_partner("edge.example")
        inst.reload()
        partner, user = new_partner(inst, "edge.example"), users["corp.example"]
        local, remote = names[0], "watcher@edge.example"
        watch = watched(partner, user, user.dial(inst.sip), local, remote)
        send_presence(partner, remote + "/desk", local)
        watch.wait(lambda m: m.body and "open" in str(basics(m)), 20)
        since, told = user.inbox.mark(), partner.inbox.mark()
        inst.edge.stop()
        wait_until("it is in doubt", lambda: inst.gateway.metric("xfed_presence_stale") == 1, 30)
        user.inbox.wait(lambda m: m in notifies_of(user, watch) and state_of(m) == "active" and "open" not in str(basics(m) if m.body else ""), 120, since)
        assert inst.gateway.metric("xfed_presence_stale") == 1
        inst.edge.start().wait_ready()
        wait_presence(partner, local, "probe", told, timeout=120)
        send_presence(partner, remote + "/desk", local)
        user.inbox.wait(lambda m: m in notifies_of(user, watch) and m.body and "open" in str(basics(m)), 30, since)
    finally:
        inst.stop()


def test_devices_of_one_user_are_one_subscription(xfed, partner, user, flow, names):
    local, remote = names
    first = watched(partner, user, flow, local, remote)
    since = partner.inbox.mark()
    second = Watch(user, flow, "sip:" + remote, "sip:" + local)
    assert second.subscribe().status == 200
    assert second.wait(lambda m: state_of(m) == "active", 20)
    send_presence(partner, remote + "/desk", local, None, "<show>dnd</show>")
    for w in (first, second):
        w.wait(lambda m: m.body and ("open", "dnd", None) in basics(m).values(), 20)
    assert not [s for s in partner.inbox.items[since:] if s.get("type") == "subscribe" and s.get("from") == local]
    assert first.subscribe(0).status == 200
    send_presence(partner, remote + "/desk", local, None, "<show>xa</show>")
    second.wait(lambda m: m.body and ("open", "xa", None) in basics(m).values(), 20)


def test_a_watcher_that_is_gone(xfed, partner, user, flow, names):
    local, remote = names
    watch = watched(partner, user, flow, local, remote)
    user.answer = lambda m: 481 if m.method == "NOTIFY" and m.get("call-id") == watch.call_id else 200
    send_presence(partner, remote + "/desk", local)
    watch.wait(lambda m: m.body and len(basics(m)) == 1 and "open" in str(basics(m)), 20)
    wait_until("it is over", lambda: watch.subscribe().status == 481, 20)


def test_a_notify_that_is_not_taken_now_is_told_later(xfed, partner, user, flow, names):
    """With what is true then."""
    local, remote = names
    watch = watched(partner, user, flow, local, remote)
    user.answer = lambda m: (500, [("Retry-After", "1")]) if m.method == "NOTIFY" else 200
    send_presence(partner, remote + "/desk", local, None, "<show>xa</show>")
    refused = watch.wait(lambda m: m.body and ("open", "xa", None) in basics(m).values(), 20)
    user.answer = 200
    since = user.inbox.items.index(refused) + 1
    user.inbox.wait(lambda m: m.method == "NOTIFY" and m.get("call-id") == watch.call_id and ("open", "xa", None) in basics(m).values(), 30, since)


def test_the_rate_of_a_watcher(xfed, partner, user, flow, names):
    """A bucket of three, one back every five seconds, the last state wins; who goes offline is told at once."""
    local, remote = names
    watch = watched(partner, user, flow, local, remote)
    since = user.inbox.mark()
    for n in range(40):
        send_presence(partner, remote + "/desk", local, None, "<status>%d</status>" % n)
    watch.wait(lambda m: m.body and "39" in str(basics(m)), 40)
    assert len(notifies_of(user, watch, since)) <= 8
    for n in range(40, 60):
        send_presence(partner, remote + "/desk", local, None, "<status>%d</status>" % n)
    send_presence(partner, remote + "/desk", local, "unavailable")
    watch.wait(lambda m: m.body and [b[0] for b in basics(m).values()] == ["closed"] and m in notifies_of(user, watch, since), 20)


def test_a_connection_that_closes_under_a_watch(xfed, partner, user, names):
    """The watcher is told again, by the way its Contact names: it may have missed something."""
    local, remote = names
    flow = user.dial(xfed.sip)
    watch = Watch(user, flow, "sip:" + remote, "sip:" + local)
    contact = "<sip:phone@%s:%d;transport=tcp>" % (user.address, user.port)
    raw_contact = "<sip:phone@%s:%d;transport=%s>" % (flow.local + (flow.transport,))
    since = partner.inbox.mark()
    sent, flow.send = flow.send, lambda data: sent(data.replace(raw_contact.encode(), contact.encode()))
    assert watch.subscribe().status == 200
    wait_presence(partner, local, "subscribe", since)
    send_presence(partner, remote, local, "subscribed")
    watch.wait(lambda m: state_of(m) == "active", 20)
    send_presence(partner, remote + "/desk", local, None, "<show>xa</show>")
    watch.wait(lambda m: m.body and ("open", "xa", None) in basics(m).values(), 20)
    mark = user.inbox.mark()
    flow.close()
    user.inbox.wait(lambda m: m.method == "NOTIFY" and m.get("call-id") == watch.call_id and ("open", "xa", None) in basics(m).values(), 30, mark)


def test_a_connection_that_breaks_under_a_notify(xfed, partner, user, names):
    """Nobody knows whether it arrived: it comes once more by another connection, and the subscription stays."""
    local, remote = names
    flow = user.dial(xfed.sip)
    watch = watched(partner, user, flow, local, remote, listens=True)
    user.answer = lambda m: None if m.method == "NOTIFY" and m.get("call-id") == watch.call_id else 200
    send_presence(partner, remote + "/desk", local, None, "<show>xa</show>")
    first = watch.wait(lambda m: m.body and ("open", "xa", None) in basics(m).values(), 20)
    user.answer = 200
    mark = user.inbox.items.index(first) + 1
    flow.close()
    user.inbox.wait(lambda m: m.method == "NOTIFY" and m.get("call-id") == watch.call_id and ("open", "xa", None) in basics(m).values(), 30, mark)
    mark = user.inbox.mark()
    send_presence(partner, remote + "/desk", local, None, "<show>dnd</show>")
    user.inbox.wait(lambda m: m.method == "NOTIFY" and m.get("call-id") == watch.call_id and ("open", "dnd", None) in basics(m).values(), 30, mark)
