"""Presence never sticks: what is lost is asked for again, and what nobody answers for is over (RFC 6665 sections 4.1 and 4.2)."""
import itertools

import pytest

from harness.presence import PresenceServer, Watch, basics, pidf, state_of
from harness.proc import wait_until
from harness.sip import SipUser

numbers = itertools.count(1)
SHOW = "{jabber:server}show"


@pytest.fixture
def names():
    n = next(numbers)
    return "stuck%d@corp.example" % n, "watcher%d@partner.example" % n


def send(partner, sender, to, kind=None, inner=""):
    domain = to.split("@")[1]
    partner.send("<presence from='%s' to='%s'%s>%s</presence>" % (sender, to, " type='%s'" % kind if kind else "", inner), domain)


def wait_presence(partner, sender, kind=None, since=0, what=lambda s: True, timeout=20):
    return partner.inbox.wait(lambda s: s.tag.endswith("}presence") and s.get("type") == kind and
                              sender in (s.get("from"), s.get("from", "").split("/")[0]) and what(s), timeout, since)


def show_of(s):
    return s.find(SHOW).text if s.find(SHOW) is not None else None


def followed(server, partner, local, remote, show="away"):
    since, told = server.user.inbox.mark(), partner.inbox.mark()
    send(partner, remote, local, "subscribe")
    request = server.wait("sip:" + local, 20, since)
    assert server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", show, None))).status == 200
    wait_presence(partner, local + "/desk", None, told)
    return request


def asked_anew(server, request, since, timeout=20):
    """The SUBSCRIBE that begins another subscription to the same user."""
    uri = request.start.split()[1]
    return server._wait(lambda m: m.start.split()[1] == uri and m.get("from").split(";")[0] == request.get("from").split(";")[0] and
                        m.get("call-id") != request.get("call-id"), timeout, since)


@pytest.fixture
def server(user, flow):
    return PresenceServer(user, flow)


# ---- the SIP side ----

def test_a_connection_that_closes_is_a_reason_to_ask(xfed, partner, server, user, names):
    """Who answers 481 has forgotten it: it is made anew at once, and what changed meanwhile is told."""
    local, remote = names
    server.flow = user.dial(xfed.sip)
    request = followed(server, partner, local, remote)
    since, told = user.inbox.mark(), partner.inbox.mark()
    contact = server.contact()[1:-1]
    server.status[contact] = 481
    before = xfed.gateway.metric("xfed_presence_refreshes_total", result="lost")
    server.flow.close()
    server.wait_inside(request, request.get("expires"), 20)
    again = asked_anew(server, request, since)
    server.flow = user.dial(xfed.sip)
    assert server.notify(again, "active;expires=3600", pidf("pres:" + local, ("desk", "open", "dnd", None))).status == 200
    wait_presence(partner, local + "/desk", None, told, lambda s: show_of(s) == "dnd")
    assert xfed.gateway.metric("xfed_presence_refreshes_total", result="lost") > before
    del server.status[contact]  # else what this asks for would be in doubt still when the next test begins
    server.flow.close()


def test_a_connection_that_closes_and_a_server_that_stays(xfed, partner, server, user, names):
    local, remote = names
    server.flow = user.dial(xfed.sip)
    request = followed(server, partner, local, remote)
    since = user.inbox.mark()
    server.flow.close()
    user.inbox.wait(lambda m: m.method == "SUBSCRIBE" and m.get("call-id") == request.get("call-id"), 20, since)
    server.flow = user.dial(xfed.sip)
    assert server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", "xa", None))).status == 200
    wait_presence(partner, local + "/desk", None, 0, lambda s: show_of(s) == "xa")
    wait_until("nothing is in doubt", lambda: xfed.gateway.metric("xfed_presence_stale", why="connection-closed") == 0, 20)
    server.flow.close()


@pytest.mark.parametrize("state, is_asked", [
    ("terminated;reason=deactivated", True), ("terminated;reason=timeout", True), ("terminated;reason=probation;retry-after=1", True),
    ("terminated;reason=giveup;retry-after=1", True), ("terminated;retry-after=1", True), ("terminated;reason=something;retry-after=1", True),
    ("terminated;reason=rejected", False), ("terminated;reason=noresource;retry-after=1", False),
])
def test_how_a_subscription_ends(xfed, partner, server, user, names, state, is_asked):
    local, remote = names
    request = followed(server, partner, local, remote)
    since, told = user.inbox.mark(), partner.inbox.mark()
    assert server.notify(request, state).status == 200
    if is_asked:
        again = asked_anew(server, request, since)
        assert server.notify(again, "active;expires=3600", pidf("pres:" + local, ("desk", "open", "dnd", None))).status == 200
        wait_presence(partner, local + "/desk", None, told, lambda s: show_of(s) == "dnd")
        assert not [s for s in partner.inbox.items[told:] if s.get("type") in ("unavailable", "unsubscribed") and s.get("from").startswith(local)]
    else:
        wait_presence(partner, local + "/desk", "unavailable", told)
        wait_presence(partner, local, "unsubscribed", told)
    assert server.notify(request, "active;expires=3600").status == 481  # that one is over


def test_what_never_changes_stays(xfed, partner, server, user, names):
    local, remote = names
    request = followed(server, partner, local, remote)
    since, told = user.inbox.mark(), partner.inbox.mark()
    assert server.notify(request, "terminated;reason=invariant;retry-after=1").status == 200
    send(partner, remote, local, "probe")
    assert show_of(wait_presence(partner, local + "/desk", None, told)) == "away"
    assert not [m for m in user.inbox.items[since:] if m.method == "SUBSCRIBE" and m.start.split()[1] == "sip:" + local]


@pytest.mark.parametrize("first, headers", [(503, [("Retry-After", "1")]), (500, [("Retry-After", "1")]), (423, [("Min-Expires", "40000")])])
def test_a_subscribe_that_is_not_taken_now(xfed, partner, server, user, names, first, headers):
    local, remote = names
    uri = "sip:" + local
    server.status[uri] = [(first, headers)]
    send(partner, remote, local, "subscribe")
    request = server.wait(uri)
    since = user.inbox.items.index(request) + 1
    again = server.wait(uri, 30, since)
    assert first != 423 or again.get("expires") == "40000"
    assert server.notify(again, "active;expires=3600", pidf("pres:" + local, ("desk", "open", "away", None))).status == 200
    wait_presence(partner, local + "/desk")


@pytest.mark.parametrize("status", [403, 404, 405, 489, 603])
def test_a_subscribe_that_is_refused(xfed, partner, server, names, status):
    local, remote = names
    server.status["sip:" + local] = status
    send(partner, remote, local, "subscribe")
    wait_presence(partner, local, "unsubscribed")


def test_a_notify_before_the_answer(xfed, partner, server, user, names):
    local, remote = names
    server.status["sip:" + local] = None
    send(partner, remote, local, "subscribe")
    request = user.inbox.wait(lambda m: m.method == "SUBSCRIBE" and m.start.split()[1] == "sip:" + local, 20)
    server.dialogs[request.get("call-id")] = {"request": request, "tag": "early", "cseq": 0}
    assert server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", "away", None))).status == 200
    wait_presence(partner, local + "/desk")
    del server.status["sip:" + local]
    raw = server.answer(request)
    assert raw is None and request.branch in user.answered
    assert server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", "xa", None))).status == 200
    wait_presence(partner, local + "/desk", None, 0, lambda s: show_of(s) == "xa")


def test_what_nobody_answers_for_is_over_after_a_minute(install, new_partner, certs, users, names):
    """The SIP server is gone, its connections with it; after a minute the contact is told so, and all is as before when it is back."""
    own_user = SipUser("corp.example")
    inst = install("stuck-minute", users={**users, "corp.example": own_user}).start()
    try:
        inst.list_partner("minute.example")
        inst.reload()
        partner = new_partner(inst, "minute.example")
        local, remote = names[0], "watcher@minute.example"
        server = PresenceServer(own_user, own_user.dial(inst.sip))
        request = followed(server, partner, local, remote)
        told, port = partner.inbox.mark(), own_user.port
        own_user.close()
        server.flow.close()
        wait_until("it is in doubt", lambda: inst.gateway.metric("xfed_presence_stale") > 0, 30)
        gone = wait_presence(partner, local + "/desk", "unavailable", told, timeout=120)
        assert gone is not None
        said = inst.gateway.control("status")["presence"]
        assert said["watched"] == 1 and said["stale"] >= 1 and {w["why"] for w in said["stale_by"]} <= {
            "connection-closed", "hop-lost", "subscription-ended"} and all(w["text"] for w in said["stale_by"]), said
        back = SipUser("corp.example", port=port)
        server = PresenceServer(back, back.dial(inst.sip))
        again = server.wait("sip:" + local, 120)
        assert again.get("call-id") != request.get("call-id")
        told = partner.inbox.mark()
        assert server.notify(again, "active;expires=3600", pidf("pres:" + local, ("desk", "open", "dnd", None))).status == 200
        assert show_of(wait_presence(partner, local + "/desk", None, told)) == "dnd"
        wait_until("nothing is in doubt", lambda: inst.gateway.metric("xfed_presence_stale") == 0, 30)
        assert inst.gateway.metric("xfed_presence_drift") == 0
        back.close()
    finally:
        inst.stop()


def test_a_server_over_udp_is_looked_after(xfed, new_partner, users, names):
    """It is asked with OPTIONS while subscriptions rest on it; where that has no answer they are refreshed."""
    xfed.list_partner("udp-presence.example")
    xfed.reload()
    partner = new_partner(xfed, "udp-presence.example")
    user = users["corp2.example"]
    local, remote = names[0].replace("corp.", "corp2."), "watcher@udp-presence.example"
    server = PresenceServer(user, user.dial(xfed.sip, "udp"))
    since = user.inbox.mark()
    request = followed(server, partner, local, remote)
    try:
        user.inbox.wait(lambda m: m.method == "OPTIONS", 60, since)
        since = user.inbox.mark()
        user.answer = lambda m: None if m.method == "OPTIONS" else server.answer(m)
        user.inbox.wait(lambda m: m.method == "OPTIONS", 60, since)
        user.inbox.wait(lambda m: m.method == "SUBSCRIBE" and m.get("call-id") == request.get("call-id"), 90, since)
    finally:
        user.answer = 200
        xfed.unlist_partner("udp-presence.example")


# ---- watchers ----

def watched(partner, user, flow, local, remote):
    """A device of the user's watches the contact, who has let it."""
    watch = Watch(user, flow, "sip:" + remote, "sip:" + local)
    since = partner.inbox.mark()
    assert watch.subscribe().status == 200
    wait_presence(partner, local, "subscribe", since)
    send(partner, remote, local, "subscribed")
    watch.wait(lambda m: state_of(m) == "active", 20)
    return watch


def test_without_an_edge_a_contact_is_there_for_a_minute_and_asked_for_behind_it(install, new_partner, users, names):
    """Nobody can be asked, and what was known is older by the minute: it is not shown for ever."""
    inst = install("stuck-edge").start()
    try:
        inst.list_partner("edge.example")
        inst.reload()
        partner, user = new_partner(inst, "edge.example"), users["corp.example"]
        local, remote = names[0], "watcher@edge.example"
        watch = watched(partner, user, user.dial(inst.sip), local, remote)
        send(partner, remote + "/desk", local)
        watch.wait(lambda m: m.body and "open" in str(basics(m)), 20)
        since, told = user.inbox.mark(), partner.inbox.mark()
        inst.edge.stop()
        wait_until("it is in doubt", lambda: inst.gateway.metric("xfed_presence_stale") == 1, 30)
        user.inbox.wait(lambda m: m in of(user, watch) and state_of(m) == "active" and "open" not in str(basics(m) if m.body else ""), 120, since)
        assert inst.gateway.metric("xfed_presence_stale") == 1
        inst.edge.start().wait_ready()
        wait_presence(partner, local, "probe", told, timeout=120)
        send(partner, remote + "/desk", local)
        user.inbox.wait(lambda m: m in of(user, watch) and m.body and "open" in str(basics(m)), 30, since)
    finally:
        inst.stop()


def of(user, watch, since=0):
    return [m for m in user.inbox.items[since:] if m.method == "NOTIFY" and m.get("call-id") == watch.call_id]


def test_devices_of_one_user_are_one_subscription(xfed, partner, user, flow, names):
    local, remote = names
    first = watched(partner, user, flow, local, remote)
    since = partner.inbox.mark()
    second = Watch(user, flow, "sip:" + remote, "sip:" + local)
    assert second.subscribe().status == 200
    assert second.wait(lambda m: state_of(m) == "active", 20)
    send(partner, remote + "/desk", local, None, "<show>dnd</show>")
    for w in (first, second):
        w.wait(lambda m: m.body and ("open", "dnd", None) in basics(m).values(), 20)
    assert not [s for s in partner.inbox.items[since:] if s.get("type") == "subscribe" and s.get("from") == local]
    assert first.subscribe(0).status == 200
    send(partner, remote + "/desk", local, None, "<show>xa</show>")
    second.wait(lambda m: m.body and ("open", "xa", None) in basics(m).values(), 20)


def test_a_watcher_that_is_gone(xfed, partner, user, flow, names):
    local, remote = names
    watch = watched(partner, user, flow, local, remote)
    user.answer = lambda m: 481 if m.method == "NOTIFY" and m.get("call-id") == watch.call_id else 200
    send(partner, remote + "/desk", local)
    watch.wait(lambda m: m.body and len(basics(m)) == 1 and "open" in str(basics(m)), 20)
    wait_until("it is over", lambda: watch.subscribe().status == 481, 20)


def test_a_notify_that_is_not_taken_now_is_told_later(xfed, partner, user, flow, names):
    """With what is true then."""
    local, remote = names
    watch = watched(partner, user, flow, local, remote)
    user.answer = lambda m: (500, [("Retry-After", "1")]) if m.method == "NOTIFY" else 200
    send(partner, remote + "/desk", local, None, "<show>xa</show>")
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
        send(partner, remote + "/desk", local, None, "<status>%d</status>" % n)
    watch.wait(lambda m: m.body and "39" in str(basics(m)), 40)
    assert len(of(user, watch, since)) <= 8
    for n in range(40, 60):
        send(partner, remote + "/desk", local, None, "<status>%d</status>" % n)
    send(partner, remote + "/desk", local, "unavailable")
    watch.wait(lambda m: m.body and [b[0] for b in basics(m).values()] == ["closed"] and m in of(user, watch, since), 20)


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
    send(partner, remote, local, "subscribed")
    watch.wait(lambda m: state_of(m) == "active", 20)
    send(partner, remote + "/desk", local, None, "<show>xa</show>")
    watch.wait(lambda m: m.body and ("open", "xa", None) in basics(m).values(), 20)
    mark = user.inbox.mark()
    flow.close()
    user.inbox.wait(lambda m: m.method == "NOTIFY" and m.get("call-id") == watch.call_id and ("open", "xa", None) in basics(m).values(), 30, mark)


def test_a_connection_that_breaks_under_a_notify(xfed, partner, user, names):
    """Nobody knows whether it arrived: it comes once more by another connection, and the subscription stays."""
    local, remote = names
    flow = user.dial(xfed.sip)
    watch = Watch(user, flow, "sip:" + remote, "sip:" + local, listens=True)
    since = partner.inbox.mark()
    assert watch.subscribe().status == 200
    wait_presence(partner, local, "subscribe", since)
    send(partner, remote, local, "subscribed")
    watch.wait(lambda m: state_of(m) == "active", 20)
    user.answer = lambda m: None if m.method == "NOTIFY" and m.get("call-id") == watch.call_id else 200
    send(partner, remote + "/desk", local, None, "<show>xa</show>")
    first = watch.wait(lambda m: m.body and ("open", "xa", None) in basics(m).values(), 20)
    user.answer = 200
    mark = user.inbox.items.index(first) + 1
    flow.close()
    user.inbox.wait(lambda m: m.method == "NOTIFY" and m.get("call-id") == watch.call_id and ("open", "xa", None) in basics(m).values(), 30, mark)
    mark = user.inbox.mark()
    send(partner, remote + "/desk", local, None, "<show>dnd</show>")
    user.inbox.wait(lambda m: m.method == "NOTIFY" and m.get("call-id") == watch.call_id and ("open", "dnd", None) in basics(m).values(), 30, mark)
