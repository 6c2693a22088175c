"""Presence both ways between SIP and XMPP (RFC 8048, RFC 6121 sections 3 and 4, RFC 6665)."""
import itertools
import sqlite3

import pytest

from harness.proc import wait_until
from harness.presence import PresenceServer, Watch, basics, pidf, state_of

numbers = itertools.count(1)
STATUS = "{jabber:server}status"
SHOW = "{jabber:server}show"


def presence_of(partner, sender, kind=None, timeout=10, what=lambda s: True):
    """The presence stanza that the partner has got from that address (bare, or full)."""
    return partner.inbox.wait(lambda s: s.tag.endswith("}presence") and s.get("type") == kind and
                              sender in (s.get("from"), s.get("from").split("/")[0]) and what(s), timeout)


@pytest.fixture
def names():
    n = next(numbers)
    return "watcher%d" % n, "contact%d" % n


def send(partner, who, to, kind=None, inner="", resource=""):
    sender = "%s@%s%s" % (who, partner.domain, "/" + resource if resource else "")
    partner.send("<presence from='%s' to='%s'%s>%s</presence>" % (sender, to, " type='%s'" % kind if kind else "", inner))


def test_a_sip_user_watches_a_contact(xfed, partner, user, flow, names):
    watcher, contact = names
    local, remote = watcher + "@corp.example", contact + "@partner.example"
    watch = Watch(user, flow, "sip:" + remote, "sip:" + local)
    answer = watch.subscribe()
    assert answer.status == 200 and answer.get("expires") == "600" and "fe.corp.example" in answer.get("contact")
    first = watch.wait(lambda m: True)
    assert state_of(first) == "pending" and not first.body
    asked = presence_of(partner, local, "subscribe")
    assert asked.get("to") == remote
    send(partner, contact, local, "subscribed")
    assert watch.wait(lambda m: state_of(m) == "active")
    send(partner, contact, local, inner="<show>away</show><status>at lunch</status>", resource="desk")
    told = watch.wait(lambda m: m.body and "open" in [b[0] for b in basics(m).values()])
    assert list(basics(told).values()) == [("open", "away", "at lunch")]
    send(partner, contact, local, resource="phone")
    assert watch.wait(lambda m: m.body and len(basics(m)) == 2)
    send(partner, contact, local, "unavailable", resource="desk")
    send(partner, contact, local, "unavailable", resource="phone")
    assert watch.wait(lambda m: m.body and [b[0] for b in basics(m).values()] == ["closed"])
    assert watch.subscribe(0).status == 200
    assert "timeout" in watch.wait(lambda m: state_of(m) == "terminated").get("subscription-state")


def test_nothing_is_told_twice(xfed, partner, user, flow, names):
    """An approval with the presence right behind it, as servers send them, is one NOTIFY: those that may go at once are left for changes."""
    watcher, contact = names
    local, remote = watcher + "@corp.example", contact + "@partner.example"
    watch = Watch(user, flow, "sip:" + remote, "sip:" + local)
    assert watch.subscribe().status == 200
    presence_of(partner, local, "subscribe")
    partner.send("<presence from='%s' to='%s' type='subscribed'/><presence from='%s/desk' to='%s'/>" % (remote, local, remote, local))
    watch.wait(lambda m: m.body and list(basics(m).values()) == [("open", None, None)])
    assert watch.subscribe(500).status == 200
    watch.wait(lambda m: m.get("subscription-state").endswith("expires=500"))
    told = [m.get("subscription-state") for m in user.inbox.items if m.method == "NOTIFY" and m.get("call-id") == watch.call_id]
    assert len(told) == 3, told


def test_a_contact_refuses(xfed, partner, user, flow, names):
    watcher, contact = names
    local, remote = watcher + "@corp.example", contact + "@partner.example"
    watch = Watch(user, flow, "sip:" + remote, "sip:" + local)
    assert watch.subscribe().status == 200
    presence_of(partner, local, "subscribe")
    send(partner, contact, local, "unsubscribed")
    assert "rejected" in watch.wait(lambda m: state_of(m) == "terminated").get("subscription-state")


def test_a_contact_watches_a_sip_user(xfed, partner, user, flow, names):
    local_user, contact = names
    local, remote, uri = local_user + "@corp.example", contact + "@partner.example", "sip:%s@corp.example" % local_user
    server = PresenceServer(user, flow)
    send(partner, contact, local, "subscribe")
    request = server.wait(uri)
    assert request.get("event") == "presence" and request.uri("from") == "sip:" + remote
    assert server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", "away", "in a meeting"))).status == 200
    assert presence_of(partner, local, "subscribed").get("to") == remote
    shown = presence_of(partner, local)
    assert shown.get("from") == local + "/desk" and shown.find(SHOW).text == "away" and shown.find(STATUS).text == "in a meeting"
    assert server.notify(request, "active;expires=3500", pidf("pres:" + local, ("desk", "closed", None, None))).status == 200
    assert presence_of(partner, local, "unavailable").get("from") == local + "/desk"
    send(partner, contact, local, "unsubscribe")
    server.wait_inside(request, "0")
    assert server.notify(request, "terminated;reason=timeout").status == 200


def test_what_is_pending_shows_nothing(xfed, partner, user, flow, names):
    """Nothing is told before the user, or the user's server, has said yes ([B5.1])."""
    local_user, contact = names
    local, uri = local_user + "@corp.example", "sip:%s@corp.example" % local_user
    server = PresenceServer(user, flow)
    send(partner, contact, local, "subscribe")
    request = server.wait(uri)
    since = partner.inbox.mark()
    assert server.notify(request, "pending;expires=3600", pidf("pres:" + local, ("desk", "open", None, "too early"))).status == 200
    send(partner, contact, local, "probe")
    assert partner.inbox.wait(lambda s: s.get("type") == "unsubscribed" and s.get("from") == local, 10, since) is not None
    assert not [s for s in partner.inbox.items[since:] if s.get("from", "").startswith(local) and s.get("type") != "unsubscribed"]
    assert server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", None, "now"))).status == 200
    assert presence_of(partner, local, "subscribed") is not None


def test_a_sip_user_refuses(xfed, partner, user, flow, names):
    local_user, contact = names
    local, uri = local_user + "@corp.example", "sip:%s@corp.example" % local_user
    server = PresenceServer(user, flow)
    server.status[uri] = 403
    send(partner, contact, local, "subscribe")
    server.wait(uri)
    assert presence_of(partner, local, "unsubscribed") is not None


def test_a_refusal_says_why(xfed, user, flow, names):
    answer = Watch(user, flow, "sip:%s@nobody.example" % names[1], "sip:%s@corp.example" % names[0]).subscribe()
    assert answer.status == 403 and "policy.partner.unlisted" in answer.get("warning")


@pytest.mark.parametrize("headers, status", [([("Expires", "10")], 423)])
def test_too_short(xfed, partner, user, flow, names, headers, status):
    watch = Watch(user, flow, "sip:%s@partner.example" % names[1], "sip:%s@corp.example" % names[0])
    answer = watch.subscribe(10)
    assert answer.status == status and answer.get("min-expires") == "60"


def test_a_probe_is_answered_from_what_is_known(xfed, partner, user, flow, names):
    local_user, contact = names
    local, uri = local_user + "@corp.example", "sip:%s@corp.example" % local_user
    server = PresenceServer(user, flow)
    since = partner.inbox.mark()
    send(partner, contact, local, "probe")
    assert partner.inbox.wait(lambda s: s.get("type") == "unsubscribed" and s.get("from") == local, 10, since) is not None  # nothing is told to strangers
    send(partner, contact, local, "subscribe")
    request = server.wait(uri)
    assert server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", None, None))).status == 200
    presence_of(partner, local)
    since = partner.inbox.mark()
    send(partner, contact, local, "probe")
    assert partner.inbox.wait(lambda s: s.tag.endswith("}presence") and s.get("from") == local + "/desk", 10, since) is not None


@pytest.mark.parametrize("state, body, status", [
    (None, None, 400), ("active;expires=60", "no XML", 400), ("active;expires=60", "<!DOCTYPE x><x/>", 400),
    ("active;expires=60", pidf("pres:x@y", *[("t%d" % n, "open", None, None) for n in range(500)]), 413),
])
def test_a_notify_that_cannot_be_read_changes_nothing(xfed, partner, user, flow, names, state, body, status):
    local_user, contact = names
    local, uri = local_user + "@corp.example", "sip:%s@corp.example" % local_user
    server = PresenceServer(user, flow)
    send(partner, contact, local, "subscribe")
    request = server.wait(uri)
    assert server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", None, None))).status == 200
    presence_of(partner, local)
    since = partner.inbox.mark()
    assert server.notify(request, state or "", body).status == status
    send(partner, contact, local, "probe")
    again = partner.inbox.wait(lambda s: s.tag.endswith("}presence") and s.get("from", "").startswith(local), 10, since)
    assert again.get("from") == local + "/desk" and again.get("type") is None


def test_whose_access_is_revoked_is_gone_at_once(own, new_partner, users, names):
    local_user, contact = names
    domain = "revoked%s.example" % local_user
    own.list_partner(domain)
    own.reload()
    partner = new_partner(own, domain)
    user = users["corp.example"]
    flow = user.dial(own.sip)
    local, uri = local_user + "@corp.example", "sip:%s@corp.example" % local_user
    server = PresenceServer(user, flow)
    partner.send("<presence from='%s@%s' to='%s' type='subscribe'/>" % (contact, domain, local))
    request = server.wait(uri)
    assert server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", None, "here"))).status == 200
    presence_of(partner, local)
    own.list_partner(domain, kinds=["message"])
    own.reload()
    server.wait_inside(request, "0")
    flow.close()
    partner.close()
    own.unlist_partner(domain)


@pytest.fixture(scope="module")
def own(install):
    inst = install("presence").start()
    yield inst
    inst.stop()


def test_a_restart_forgets_no_contact(own, new_partner, users, names):
    """Whom contacts watch is asked for anew, without anybody's doing."""
    local_user, contact = names
    domain = "kept%s.example" % local_user
    own.list_partner(domain)
    own.reload()
    partner = new_partner(own, domain)
    user = users["corp.example"]
    flow = user.dial(own.sip)
    local, uri = local_user + "@corp.example", "sip:%s@corp.example" % local_user
    server = PresenceServer(user, flow)
    partner.send("<presence from='%s@%s' to='%s' type='subscribe' id='s1'/>" % (contact, domain, local))
    request = server.wait(uri)
    assert server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", None, None))).status == 200
    presence_of(partner, local)
    wait_until("it is in the store", lambda: saved(own, local) == "from", 10)
    since = user.inbox.mark()
    own.gateway.process.child.kill()
    own.gateway.process.stop()
    own.gateway.start().wait_ready()
    flow = user.dial(own.sip)
    server.flow = flow
    again = server.wait(uri, 20, since)
    told = partner.inbox.mark()
    assert server.notify(again, "active;expires=3600", pidf("pres:" + local, ("desk", "open", "dnd", None))).status == 200
    assert partner.inbox.wait(lambda s: s.get("from") == local + "/desk", 10, told).find(SHOW).text == "dnd"
    flow.close()
    partner.close()
    own.unlist_partner(domain)


def test_a_restart_forgets_no_watcher(own, new_partner, users, names):
    """A device goes on being told in the dialog it has; what its contact has said meanwhile is told as soon as its server says it again."""
    watcher, contact = names
    domain = "seen%s.example" % watcher
    own.list_partner(domain)
    own.reload()
    partner = new_partner(own, domain)
    user = users["corp.example"]
    flow = user.dial(own.sip)
    local, remote = watcher + "@corp.example", "%s@%s" % (contact, domain)
    watch = Watch(user, flow, "sip:" + remote, "sip:" + local, listens=True)
    assert watch.subscribe().status == 200
    presence_of(partner, local, "subscribe")
    mark = own.gateway.process.mark()
    send(partner, contact, local, "subscribed")
    send(partner, contact, local, resource="desk")
    last = watch.wait(lambda m: m.body and list(basics(m).values()) == [("open", None, None)])
    delivered = "event=delivery.delivered partner=%s " % domain  # an approval is when it is in the store, and the watch was before it
    wait_until("it is in the store", lambda: len([x for x in own.gateway.process.lines[mark:] if delivered in x]) == 2, 10)
    since, told = partner.inbox.mark(), user.inbox.mark()
    own.gateway.process.child.kill()
    own.gateway.process.stop()
    own.gateway.start().wait_ready()
    partner.inbox.wait(lambda s: s.get("type") == "probe" and s.get("from") == local, 20, since)
    send(partner, contact, local, inner="<show>dnd</show>", resource="desk")
    again = user.inbox.wait(lambda m: m.method == "NOTIFY" and m.get("call-id") == watch.call_id, 20, told)
    assert list(basics(again).values()) == [("open", "dnd", None)]  # and nothing before that
    assert again.get("from") == last.get("from") and int(again.get("cseq").split()[0]) > int(last.get("cseq").split()[0])
    watch.flow = flow = user.dial(own.sip)
    assert watch.subscribe(0).status == 200
    wait_until("it is in the store no more", lambda: kept(own, local) == 0, 10)
    flow.close()
    partner.close()
    own.unlist_partner(domain)


def kept(inst, local):
    with sqlite3.connect("file:%s/gateway.db?mode=ro&immutable=1" % inst.dir, uri=True) as db:
        return db.execute("SELECT count(*) FROM watch WHERE local = ?", (local,)).fetchone()[0]


def saved(inst, local):
    with sqlite3.connect("file:%s/gateway.db?mode=ro&immutable=1" % inst.dir, uri=True) as db:
        rows = db.execute("SELECT relation FROM contact WHERE local = ?", (local,)).fetchall()
    return rows[0][0] if rows else None


def test_a_watch_is_in_the_store_behind_its_contact(own, users, names):
    """Who finds a watch without the relation that it has made takes the contact for one that has refused."""
    user = users["corp.example"]
    domain = "behind%s.example" % names[0]
    own.list_partner(domain)
    own.reload()
    flow = user.dial(own.sip)

    def both(local):
        with sqlite3.connect("file:%s/gateway.db?mode=ro&immutable=1" % own.dir, uri=True) as db:
            return db.execute("SELECT (SELECT count(*) FROM watch WHERE local = ?1), (SELECT relation FROM contact WHERE local = ?1)",
                              (local,)).fetchone()
    for _ in range(5):
        local = "behind%d@corp.example" % next(numbers)
        watch = Watch(user, flow, "sip:whoever@" + domain, "sip:" + local)
        assert watch.subscribe().status == 200
        wait_until("the watch is in the store", lambda at=local: both(at)[0] == 1, 20)
        assert both(local)[1] is not None
        assert watch.subscribe(0).status == 200
    flow.close()
    own.unlist_partner(domain)


def test_a_public_partner_sees_nobody_unasked(own, new_partner, users, names):
    """Who has not been added gets the same answer for every address, and SIP is not asked; who has been sees no notes."""
    local_user, contact = names
    domain = "public%s.example" % local_user
    own.list_partner(domain, partner_type="public-unverified")
    own.reload()
    partner = new_partner(own, domain)
    user = users["corp.example"]
    flow = user.dial(own.sip)
    local, remote, uri = local_user + "@corp.example", "%s@%s" % (contact, domain), "sip:%s@corp.example" % local_user
    server = PresenceServer(user, flow)
    since = user.inbox.mark()
    partner.send("<presence from='%s' to='%s' type='subscribe' id='p1'/>" % (remote, local))
    assert partner.wait_error("p1")[0] == "service-unavailable"
    assert user.inbox.mark() == since
    watch = Watch(user, flow, "sip:" + remote, "sip:" + local)
    assert watch.subscribe().status == 200  # the user adds the contact
    partner.send("<presence from='%s' to='%s' type='subscribe' id='p2'/>" % (remote, local))
    request = server.wait(uri)
    assert server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", "away", "a secret"))).status == 200
    shown = partner.inbox.wait(lambda s: s.get("from") == local + "/desk", 10)
    assert shown.find(SHOW).text == "away" and shown.find(STATUS) is None
    flow.close()
    partner.close()
    own.unlist_partner(domain)


def test_a_stream_that_is_lost_leaves_nobody_online(own, new_partner, users, names):
    """What was said over it is asked for again; what is not said again is gone."""
    watcher, contact = names
    domain = "lost%s.example" % watcher
    own.list_partner(domain)
    own.reload()
    partner = new_partner(own, domain)
    user = users["corp.example"]
    flow = user.dial(own.sip)
    local, remote = watcher + "@corp.example", "%s@%s" % (contact, domain)
    watch = Watch(user, flow, "sip:" + remote, "sip:" + local)
    assert watch.subscribe().status == 200
    presence_of(partner, local, "subscribe")
    send(partner, contact, local, "subscribed")
    send(partner, contact, local, resource="desk")
    send(partner, contact, local, resource="phone")
    watch.wait(lambda m: m.body and len(basics(m)) == 2 and {b[0] for b in basics(m).values()} == {"open"})
    since = partner.inbox.mark()
    partner.out.pop("corp.example").wire.reset()
    partner.inbox.wait(lambda s: s.get("type") == "probe" and s.get("from") == local, 20, since)
    send(partner, contact, local, resource="desk")  # the phone is not there any more
    assert watch.wait(lambda m: m.body and list(basics(m).values()) == [("open", None, None)], 30)
    flow.close()
    partner.close()
    own.unlist_partner(domain)


def test_a_stream_that_is_closed_as_idle_puts_nothing_in_doubt(own, new_partner, users, names):
    """A server that closes what is idle would else be asked about everybody each time, over a stream that is idle again soon."""
    watcher, contact = names
    user = users["corp.example"]
    flow, local = user.dial(own.sip), watcher + "@corp.example"
    partners = {}
    for kind in ("tidy", "torn"):
        domain = kind + watcher + ".example"
        own.list_partner(domain)
        own.reload()
        partner = partners[kind] = new_partner(own, domain)
        watch = Watch(user, flow, "sip:%s@%s" % (contact, domain), "sip:" + local)
        assert watch.subscribe().status == 200
        presence_of(partner, local, "subscribe")
        send(partner, contact, local, "subscribed")
        send(partner, contact, local, resource="desk")
        watch.wait(lambda m: m.body and list(basics(m).values()) == [("open", None, None)])
    tidy, torn = partners["tidy"], partners["torn"]
    since = tidy.inbox.mark()
    for goodbye in ("<stream:error><connection-timeout xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>", "</stream:stream>"):
        mark, asked = own.gateway.process.mark(), torn.inbox.mark()
        send(tidy, contact, local, resource="desk")
        stream = tidy.out.pop("corp.example")
        stream.send(goodbye)
        own.gateway.process.wait_line("edge.stream-closed .*partner=%s .*stream.closed.peer" % tidy.domain, 20, mark)
        stream.close()
        send(torn, contact, local, resource="desk")
        torn.out.pop("corp.example").wire.reset()
        torn.inbox.wait(lambda s: s.get("type") == "probe", 20, asked)
    Watch(user, flow, "sip:other@" + tidy.domain, "sip:" + local).subscribe()
    tidy.inbox.wait(lambda s: s.get("type") == "subscribe", 20, since)
    assert [s.get("type") for s in tidy.inbox.items[since:]] == ["subscribe"]
    flow.close()
    for partner in partners.values():
        partner.close()
        own.unlist_partner(partner.domain)


def test_what_is_told_again_when_the_link_is_back(own, new_partner, users, names):
    local_user, contact = names
    domain = "again%s.example" % local_user
    own.list_partner(domain)
    own.reload()
    partner = new_partner(own, domain)
    user = users["corp.example"]
    flow = user.dial(own.sip)
    local, uri = local_user + "@corp.example", "sip:%s@corp.example" % local_user
    server = PresenceServer(user, flow)
    partner.send("<presence from='%s@%s' to='%s' type='subscribe'/>" % (contact, domain, local))
    request = server.wait(uri)
    assert server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", None, None))).status == 200
    presence_of(partner, local)
    own.edge.stop()
    assert server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", "away", None))).status == 200
    since = partner.inbox.mark()
    own.edge.start().wait_ready()
    assert partner.inbox.wait(lambda s: s.get("from") == local + "/desk", 30, since).find(SHOW).text == "away"
    flow.close()
    partner.close()
    own.unlist_partner(domain)


@pytest.fixture
def served(own, new_partner, users, names):
    """A contact that sees a user of ours: (local, remote, partner, server, request)."""
    local_user, contact = names
    domain = "served%s.example" % local_user
    own.list_partner(domain)
    own.reload()
    partner = new_partner(own, domain)
    user = users["corp.example"]
    flow = user.dial(own.sip)
    local, remote, uri = local_user + "@corp.example", "%s@%s" % (contact, domain), "sip:%s@corp.example" % local_user
    server = PresenceServer(user, flow)
    partner.send("<presence from='%s' to='%s' type='subscribe'/>" % (remote, local))
    request = server.wait(uri)
    assert server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", "away", None))).status == 200
    assert presence_of(partner, local, what=lambda s: s.get("from") == local + "/desk") is not None
    yield local, remote, partner, server, request
    flow.close()
    partner.close()
    own.unlist_partner(domain)


def test_a_refusal_without_a_way_is_told_when_there_is_one(own, served):
    local, _, partner, server, request = served
    own.edge.stop()
    assert server.notify(request, "terminated;reason=rejected").status == 200
    since = partner.inbox.mark()
    own.edge.start().wait_ready()
    assert partner.inbox.wait(lambda s: s.get("type") == "unsubscribed" and s.get("from") == local, 60, since) is not None


def test_a_refusal_that_nobody_has_heard_outlives_the_gateway(own, served, users):
    """The store keeps what was until the contact knows: the gateway that starts asks again, hears it again, and tells it."""
    local, _, partner, server, request = served
    wait_until("it is in the store", lambda: saved(own, local) == "from", 20)
    own.edge.stop()
    mark = own.gateway.process.mark()
    assert server.notify(request, "terminated;reason=rejected").status == 200
    own.gateway.process.wait_line("event=presence.relation local=%s .*state=none" % local, 20, mark)
    behind = "behind%d@corp.example" % next(numbers)
    assert Watch(server.user, server.flow, "sip:someone@" + partner.domain, "sip:" + behind).subscribe().status == 200
    wait_until("what has changed since is in the store", lambda: saved(own, behind), 20)
    own.gateway.process.child.kill()
    own.gateway.process.stop()
    since, told = server.user.inbox.mark(), partner.inbox.mark()
    own.edge.start()
    own.gateway.start().wait_ready()
    server.flow = server.user.dial(own.sip)
    again = server.wait("sip:" + local, 30, since)
    assert server.notify(again, "terminated;reason=rejected").status == 200
    assert partner.inbox.wait(lambda s: s.get("type") == "unsubscribed" and s.get("from") == local, 60, told) is not None
    wait_until("it is in the store no more", lambda: saved(own, local) in (None, "none"), 20)


def test_who_asks_again_is_told_again(served):
    """Without stream management its server may have got neither the approval nor what was behind it."""
    local, remote, partner, _, _ = served
    since = partner.inbox.mark()
    partner.send("<presence from='%s' to='%s' type='subscribe'/>" % (remote, local))
    assert partner.inbox.wait(lambda s: s.get("type") == "subscribed" and s.get("from") == local, 20, since) is not None
    shown = partner.inbox.wait(lambda s: s.get("from") == local + "/desk" and s.get("type") is None, 20, since)
    assert shown.find(SHOW).text == "away"


def test_the_formats_of_lync_are_not_for_all(xfed, partner, user, flow, names):
    """Without `dialect: lync` it is PIDF, whatever a client would take besides."""
    watcher, contact = names
    local, remote = watcher + "@corp.example", contact + "@partner.example"
    watch = Watch(user, flow, "sip:" + remote, "sip:" + local)
    assert watch.subscribe(headers=[("Accept", "application/msrtc-event-categories+xml, text/xml+msrtc.pidf")]).status == 200
    presence_of(partner, local, "subscribe")
    send(partner, contact, local, "subscribed")
    send(partner, contact, local, inner="<show>dnd</show>", resource="desk")
    told = watch.wait(lambda m: b"<show" in m.body)
    assert told.get("content-type") == "application/pidf+xml" and b'entity="pres:' in told.body


def test_a_subscribe_of_a_dialog_that_is_not_there(xfed, partner, user, flow, names):
    """481, after which a client begins a new one (RFC 6665 section 4.1.2.2); nobody is asked for anything."""
    local, remote = names[0] + "@corp.example", names[1] + "@partner.example"
    watch = Watch(user, flow, "sip:" + remote, "sip:" + local)
    watch.to = "<sip:%s>;tag=ofbefore" % remote
    assert watch.subscribe().status == 481
    assert not [s for s in partner.inbox.items if s.get("from") == local]
