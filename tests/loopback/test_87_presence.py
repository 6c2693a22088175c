"""Presence both ways between SIP and XMPP (RFC 8048, RFC 6121 sections 3 and 4, RFC 6665)."""
import itertools

import pytest

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


def test_a_sip_user_refuses(xfed, partner, user, flow, names):
    local_user, contact = names
    local, uri = local_user + "@corp.example", "sip:%s@corp.example" % local_user
    server = PresenceServer(user, flow)
    server.status[uri] = 403
    send(partner, contact, local, "subscribe")
    server.wait(uri)
    assert presence_of(partner, local, "unsubscribed") is not None


@pytest.mark.parametrize("headers, status", [([("Expires", "10")], 423)])
def test_too_short(xfed, partner, user, flow, names, headers, status):
    watch = Watch(user, flow, "sip:%s@partner.example" % names[1], "sip:%s@corp.example" % names[0])
    answer = watch.subscribe(10)
    assert answer.status == status and answer.get("min-expires") == "60"
