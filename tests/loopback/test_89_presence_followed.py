"""What a contact sees of a SIP user never sticks: what is lost is asked for again, and what nobody answers for is over (RFC 6665 section 4.1)."""
import itertools

import pytest

from harness.presence import PresenceServer, asked_anew, followed, pidf, send_presence, show_of, wait_presence
from harness.proc import wait_until
from harness.sip import SipUser

numbers = itertools.count(1)


@pytest.fixture
def names():
    n = next(numbers)
    return "followed%d@corp.example" % n, "watcherf%d@partner.example" % n


@pytest.fixture
def server(user, flow):
    return PresenceServer(user, flow)


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
    send_presence(partner, remote, local, "probe")
    assert show_of(wait_presence(partner, local + "/desk", None, told)) == "away"
    assert not [m for m in user.inbox.items[since:] if m.method == "SUBSCRIBE" and m.start.split()[1] == "sip:" + local]


@pytest.mark.parametrize("first, headers", [(503, [("Retry-After", "1")]), (500, [("Retry-After", "1")]), (423, [("Min-Expires", "40000")])])
def test_a_subscribe_that_is_not_taken_now(xfed, partner, server, user, names, first, headers):
    local, remote = names
    uri = "sip:" + local
    server.status[uri] = [(first, headers)]
    send_presence(partner, remote, local, "subscribe")
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
    send_presence(partner, remote, local, "subscribe")
    wait_presence(partner, local, "unsubscribed")


def test_a_notify_before_the_answer(xfed, partner, server, user, names):
    local, remote = names
    server.status["sip:" + local] = None
    send_presence(partner, remote, local, "subscribe")
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
