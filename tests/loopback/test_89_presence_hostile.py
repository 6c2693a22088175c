"""What bad input gets: SIP servers and partners that do presence wrong, or too much of it."""
import itertools

import pytest

from harness.presence import SHOW, PresenceServer, Watch, basics, followed, is_presence, pidf, send_presence, state_of
from harness.proc import wait_until
from harness.sip import SipUser

numbers = itertools.count(1)


@pytest.fixture
def names():
    n = next(numbers)
    return "victim%d@corp.example" % n, "hostile%d@partner.example" % n


def shown(partner, local, remote, since=None):
    """What a probe says: the show of user/desk; None: none such."""
    mark = partner.inbox.mark()
    send_presence(partner, remote, local, "probe")
    found = partner.inbox.wait(lambda s: s.tag.endswith("}presence") and s.get("from", "").startswith(local) and s.get("type") != "subscribed", 20, mark)
    return found.find(SHOW).text if found.get("from") == local + "/desk" and found.find(SHOW) is not None else None


@pytest.fixture
def server(user, flow):
    return PresenceServer(user, flow)


def still_works(xfed, partner, server, names):
    local, remote = "other." + names[0], "other." + names[1]
    followed(server, partner, local, remote)


# ---- NOTIFY ----

def test_a_notify_of_no_subscription(xfed, partner, server, user, flow, names):
    local, remote = names
    raw, branch = user.request(flow, "NOTIFY", "sip:fe.corp.example", sender="sip:" + local,
                               headers=[("Event", "presence"), ("Subscription-State", "active"), ("Contact", server.contact())])
    assert user.ask(flow, raw, branch).status == 481
    request = followed(server, partner, local, remote)
    raw, branch = server.notify_bytes(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", "dnd", None)))
    other = raw.replace(request.get("call-id").encode(), b"another@call")
    assert user.ask(flow, other, branch).status == 481
    raw, branch = server.notify_bytes(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", "dnd", None)), tag="another-fork")
    assert user.ask(flow, raw, branch).status == 481  # another fork, or a server that has changed its tag (RFC 3856 section 6.9)
    assert shown(partner, local, remote) == "away"
    assert server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", "xa", None))).status == 200
    assert shown(partner, local, remote) == "xa"


def test_a_notify_out_of_order(xfed, partner, server, names):
    local, remote = names
    request = followed(server, partner, local, remote)
    assert server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", "dnd", None)), cseq=9).status == 200
    assert server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", "xa", None)), cseq=8).status == 500
    assert shown(partner, local, remote) == "dnd"


DEEP = "<?xml version='1.0'?><presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:x@y'><tuple id='t'><status><basic>open</basic>%s%s</status></tuple></presence>"


@pytest.mark.parametrize("body, statuses, reason", [
    (pidf("pres:x@y", *[("t%d" % n, "open", None, None) for n in range(600)]), (413,), "sip.presence.too-large"),
    (DEEP % ("<x xmlns='y'>" * 100, "</x>" * 100), (400, 413), "sip.presence"),
    ("<presence", (400,), "sip.presence.malformed"),
    ("<!DOCTYPE p [<!ENTITY a 'b'>]><presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:x@y'>&a;</presence>", (400,), "sip.presence.malformed"),
], ids=["tuples", "levels", "cut", "entity"])
def test_a_document_that_cannot_be_read(xfed, partner, server, names, refusal, body, statuses, reason):
    local, remote = names
    request = followed(server, partner, local, remote)
    answer = server.notify(request, "active;expires=3600", body)
    assert answer.status in statuses and reason in answer.get("warning")
    assert shown(partner, local, remote) == "away"


@pytest.mark.parametrize("body", [
    pidf("pres:x@y", *[("t%d" % n, "open", None, None) for n in range(10000)]), pidf("pres:x@y", ("t", "open", None, "x" * 10 * 1024 * 1024)),
], ids=["10000 tuples", "10 MB"])
def test_a_document_no_message_may_hold(xfed, partner, server, user, names, body):
    """It ends at its head, with the connection it came on: nobody keeps 10 MB for a server. The last good state stays."""
    local, remote = names
    request = followed(server, partner, local, remote)
    kept, server.flow = server.flow, user.dial(xfed.sip)
    raw, branch = server.notify_bytes(request, "active;expires=3600", body)
    waiting = server.flow.inbox
    try:
        server.flow.send(raw)
    except OSError:
        pass  # closed while we write
    waiting.wait(lambda m: m is None or m.status == 413, 20)
    server.flow = kept
    assert shown(partner, local, remote) == "away"
    assert server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", "xa", None))).status == 200


def test_a_flood_of_notifies(xfed, partner, server, user, names):
    """What is too often is refused with a reason, nobody else waits for it, and the last state is asked for when it is quiet."""
    local, remote = names
    request = followed(server, partner, local, remote)
    before = xfed.refusals("sip.presence.too-often")
    told = partner.inbox.mark()
    since = user.inbox.mark()
    shows = itertools.cycle(["xa", "dnd"])
    for _ in range(1000):
        server.flow.send(server.notify_bytes(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", next(shows), None)))[0])
    refused = server.flow.inbox.wait(lambda m: m is not None and m.is_response and m.status == 500 and request.get("call-id") == m.get("call-id"), 20)
    assert refused.get("retry-after") and "sip.presence.too-often" in refused.get("warning")
    still_works(xfed, partner, server, names)
    wait_until("most of it is refused", lambda: xfed.refusals("sip.presence.too-often") - before > 800, 30)
    assert len([s for s in partner.inbox.items[told:] if s.get("from") == local + "/desk"]) < 200
    user.inbox.wait(lambda m: m.method == "SUBSCRIBE" and m.get("call-id") == request.get("call-id"), 30, since)
    assert server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", "chat", None))).status == 200
    assert partner.inbox.wait(lambda s: s.get("from") == local + "/desk" and s.find(SHOW) is not None and s.find(SHOW).text == "chat", 20, told) is not None


# ---- SUBSCRIBE ----

def test_a_server_that_never_answers(xfed, partner, server, user, names):
    local, remote = names
    server.status["sip:" + local] = None
    send_presence(partner, remote, local, "subscribe")
    user.inbox.wait(lambda m: m.method == "SUBSCRIBE" and m.start.split()[1] == "sip:" + local, 20)
    still_works(xfed, partner, server, names)
    assert xfed.gateway.metric("xfed_presence_subscriptions", of="watched", state="waiting") >= 1


def test_a_server_that_answers_a_hundred_times(xfed, partner, server, user, names):
    local, remote = names
    request = followed(server, partner, local, remote)
    raw = user.answered[request.branch]
    for _ in range(100):
        server.flow.send(raw)
    assert shown(partner, local, remote) == "away"
    still_works(xfed, partner, server, names)


# ---- partners ----

def test_a_partner_that_asks_from_many_addresses(xfed, partner, server, user, names):
    """For one user a hundred requests of a partner's wait; what is more is refused, and the user of another is not."""
    local, remote = names
    user.answer = lambda m: server.answer(m)
    for n in range(150):
        send_presence(partner, "many%d.%s" % (n, remote), local, "subscribe", ident="many%d" % n)
    condition = partner.wait_error("many149", 30)
    assert condition[0] == "resource-constraint"
    refused = {s.get("id") for s in partner.inbox.items if s.get("type") == "error" and s.get("from") == local}
    assert len(refused) == 50, len(refused)
    still_works(xfed, partner, server, names)


def test_presence_for_users_nobody_watches(xfed, partner, server, names):
    local, remote = names
    before = xfed.gateway.metric("xfed_dropped_total", rule="presence-unwatched")
    for n in range(300):
        send_presence(partner, remote + "/r%d" % n, "nobody%d.%s" % (n, local))
    wait_until("all are dropped by that rule", lambda: xfed.gateway.metric("xfed_dropped_total", rule="presence-unwatched") - before >= 300, 30)
    still_works(xfed, partner, server, names)


def test_more_resources_than_anybody_has(xfed, partner, user, flow, names):
    local, remote = names
    watch = Watch(user, flow, "sip:" + remote, "sip:" + local)
    assert watch.subscribe().status == 200
    partner.inbox.wait(is_presence(local, "subscribe"), 20)
    send_presence(partner, remote, local, "subscribed")
    watch.wait(lambda m: state_of(m) == "active", 20)
    before = xfed.gateway.metric("xfed_dropped_total", rule="presence-devices")
    for n in range(100):
        send_presence(partner, remote + "/r%d" % n, local)
    wait_until("the rest is dropped by that rule", lambda: xfed.gateway.metric("xfed_dropped_total", rule="presence-devices") - before == 84, 30)
    assert watch.wait(lambda m: m.body and len(basics(m)) == 16, 30)


def test_subscribe_and_unsubscribe_without_end(xfed, partner, server, user, names):
    local, remote = names
    waiting = ("waiting", "pending", "active")

    def count():
        return sum(xfed.gateway.metric("xfed_presence_subscriptions", of="watched", state=s) for s in waiting)
    before = count()
    for n in range(200):
        send_presence(partner, remote, local, "subscribe" if n % 2 == 0 else "unsubscribe", ident="loop%d" % n)
    still_works(xfed, partner, server, names)
    request = followed(server, partner, local, remote)
    assert count() - before <= 2  # some of the tests before may be ending yet
    assert len({m.get("call-id") for m in user.inbox.items if m.method == "SUBSCRIBE" and "sip:" + local == m.start.split()[1]}) <= 101
    send_presence(partner, remote, local, "unsubscribe")
    server.wait_inside(request, "0", 20)


def test_methods_and_packages(xfed, user, flow, names):
    local, remote = names
    for headers, status in (([("Event", "dialog")], 489), ([], 489), ([("Event", "presence"), ("Accept", "application/xpidf+xml")], 406)):
        raw, branch = user.request(flow, "SUBSCRIBE", "sip:" + remote, sender="sip:" + local,
                                   headers=headers + [("Contact", "<sip:phone@%s:%d;transport=tcp>" % flow.local), ("Expires", "600")])
        answer = user.ask(flow, raw, branch)
        assert answer.status == status, str(answer)
        if status == 489:
            assert answer.get("allow-events") == "presence"
        else:
            assert answer.get("accept") == "application/pidf+xml" and "sip.accept.unsupported" in answer.get("warning")


def test_a_state_that_no_packet_holds(xfed, partner, users, names):
    """Over UDP notes are left out where they do not fit; the watch goes on, and is told them when they do."""
    user = users["corp2.example"]
    user.answer = 200
    local, remote = names[0].replace("corp.", "corp2."), names[1]
    watch = Watch(user, user.dial(xfed.sip, "udp"), "sip:" + remote, "sip:" + local)
    assert watch.subscribe().status == 200
    partner.inbox.wait(is_presence(local, "subscribe"), 20)
    send_presence(partner, remote, local, "subscribed")
    for status, seen in ("s" * 1000, None), ("short", "short"), ("s" * 3000, None):
        send_presence(partner, remote + "/home", local, None, "<show>away</show><status>%s</status>" % status)
        watch.wait(lambda m: m.body and list(basics(m).values()) == [("open", "away", seen)], 20)
    assert watch.subscribe().status == 200


@pytest.mark.parametrize("has_tcp", [True, False])
def test_a_state_that_no_packet_holds_goes_by_tcp(xfed, partner, users, names, has_tcp):
    """To whoever does not ask for UDP by name (RFC 3261 section 18.1.1); who refuses TCP is told what a packet holds, and the watch goes on."""
    user = SipUser("corp2.example")
    if not has_tcp:
        user.listener.close()
    local, remote = names[0].replace("corp.", "corp2."), names[1]
    flow = user.dial(xfed.sip, "udp")
    sent, contact = flow.send, ("<sip:phone@%s:%d;transport=udp>" % (user.address, user.port)).encode()
    flow.send = lambda data: sent(data.replace(contact, contact.replace(b";transport=udp", b"")))
    watch = Watch(user, flow, "sip:" + remote, "sip:" + local, listens=True)
    assert watch.subscribe().status == 200
    partner.inbox.wait(is_presence(local, "subscribe"), 20)
    partner.send("<presence from='%s' to='%s' type='subscribed'/>" % (remote, local), "corp2.example")
    for show, status, seen in ("away", "s" * 1000, "s" * 1000 if has_tcp else None), ("dnd", "short", "short"), ("xa", "t" * 1000, "t" * 1000 if has_tcp else None):
        partner.send("<presence from='%s/home' to='%s'><show>%s</show><status>%s</status></presence>" % (remote, local, show, status), "corp2.example")
        watch.wait(lambda m: m.body and list(basics(m).values()) == [("open", show, seen)], 40)
    by = {m.get("via").split()[0].rsplit("/", 1)[1] for m in user.inbox.items if m.method == "NOTIFY"}
    assert by == ({"UDP", "TCP"} if has_tcp else {"UDP"})
    assert watch.subscribe(0).status == 200
    user.close()


def test_more_devices_than_anybody_has(xfed, partner, user, flow, names):
    """One contact is watched by so many of a user's devices; others of the user's contacts are not concerned."""
    local, remote = names
    user.answer = 200
    for _ in range(32):
        assert Watch(user, flow, "sip:" + remote, "sip:" + local).subscribe().status == 200
    for expires in 600, 0:
        answer = Watch(user, flow, "sip:" + remote, "sip:" + local).subscribe(expires)
        assert answer.status == 480 and "delivery.queue.full" in answer.get("warning") and int(answer.get("retry-after")) > 0
    assert Watch(user, flow, "sip:other." + remote, "sip:" + local).subscribe().status == 200
