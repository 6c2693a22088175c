"""How long contacts, requests and subscriptions last, and what a gateway that starts, leaves or cannot write does with them."""
import itertools
import os
import re
import sqlite3
import time

import pytest

from harness.presence import PresenceServer, Watch, basics, pidf, state_of
from harness.proc import wait_until
from harness.store import fill_disk, on_small_disk, path_of, stored

numbers = itertools.count(1)
SHOW = "{jabber:server}show"
DAY = 86400
servers = {}


class Pair:
    """A SIP user, a contact of a partner of its own, and what each end sees."""

    def __init__(self, inst, new_partner, users, **policy):
        n = next(numbers)
        self.inst, self.user, self.domain = inst, users["corp.example"], "life%d.example" % n
        self.local, self.remote, self.uri = "u%d@corp.example" % n, "c%d@%s" % (n, self.domain), "sip:u%d@corp.example" % n
        inst.list_partner(self.domain, **policy)
        if inst.gateway.process:
            inst.reload()
        self.partner = new_partner(inst, self.domain)
        self.dial()

    def dial(self):
        self.flow = self.user.dial(self.inst.sip)
        self.server = servers.setdefault(self.user, PresenceServer(self.user, self.flow))  # one for all, as it answers for the user
        self.server.flow, self.user.answer = self.flow, self.server.answer

    def send(self, kind=None, resource="", ident="", inner=""):
        self.partner.send("<presence from='%s%s' to='%s'%s%s>%s</presence>" % (
            self.remote, "/" + resource if resource else "", self.local, " type='%s'" % kind if kind else "", " id='%s'" % ident if ident else "", inner))

    def hears(self, kind, since=0, timeout=30):
        """The next stanza of that type that the contact gets from the user."""
        return self.partner.inbox.wait(lambda s: s.tag.endswith("}presence") and s.get("type") == kind and
                                       s.get("from", "").split("/")[0] == self.local, timeout, since)

    def watch(self):
        return Watch(self.user, self.flow, "sip:" + self.remote, "sip:" + self.local)

    def watched(self):
        """The contact watches the user, who is at the desk."""
        self.send("subscribe")
        request = self.server.wait(self.uri, 20)
        assert self.server.notify(request, "active;expires=3600", pidf("pres:" + self.local, ("desk", "open", None, None))).status == 200
        assert self.hears(None).get("from") == self.local + "/desk"
        return request

    def added(self):
        """The user watches the contact, who lets it."""
        watch = self.watch()
        assert watch.subscribe().status == 200
        self.hears("subscribe")
        self.send("subscribed")
        watch.wait(lambda m: state_of(m) == "active", 20)
        return watch

    def saved(self, column="relation"):
        row = stored(self.inst, "SELECT %s FROM contact WHERE local = ?" % column, self.local)
        return row[0] if row else None

    def close(self):
        self.user.answer = 200
        self.flow.close()
        self.partner.close()
        self.inst.unlist_partner(self.domain)


def change(inst, sql, *args):
    with sqlite3.connect(path_of(inst)) as db:
        db.execute(sql, args)
    db.close()


@pytest.fixture(scope="module")
def own(install, started):
    inst = install("life", gateway={"limits": {"pending_requests": 2}})
    inst.list_partner("first.example")
    started(inst)
    yield inst
    inst.stop()


@pytest.fixture
def pair(own, new_partner, users):
    made = []

    def make(**policy):
        made.append(Pair(own, new_partner, users, **policy))
        return made[-1]
    yield make
    for p in made:
        p.close()


def restart(p, sql=None, *args):
    """The gateway, with its store changed in between."""
    p.inst.gateway.process.stop()
    if sql:
        change(p.inst, sql, *args)
    p.inst.gateway.start().wait_ready()
    p.flow.close()
    p.dial()


def ago(days):
    return int(time.time()) - days * DAY


def test_a_lapse_is_told(pair):
    p = pair()
    p.watched()
    p.added()
    wait_until("both in the store", lambda: p.saved() == "both", 20)
    since = p.partner.inbox.mark()
    restart(p, "UPDATE contact SET used_s = ?, wanted_s = ?", ago(31), ago(31))
    assert p.hears("unsubscribe", since).get("to") == p.remote
    assert p.hears("unavailable", since) is not None
    assert p.hears("unsubscribed", since).get("to") == p.remote
    wait_until("the store has forgotten it", lambda: p.saved() is None or p.saved() == "none", 20)


def test_what_is_used_does_not_lapse(pair):
    p = pair()
    p.watched()
    wait_until("it is in the store", lambda: p.saved() == "from", 20)
    since, asked = p.partner.inbox.mark(), p.user.inbox.mark()
    restart(p, "UPDATE contact SET used_s = ?, wanted_s = 0", ago(29))
    p.server.wait(p.uri, 30, asked)
    p.send("probe")  # a use: the next lapse is counted from now
    p.send("subscribe", ident="again")
    wait_until("its use is in the store", lambda: p.saved("used_s") is not None and p.saved("used_s") >= ago(1), 20)
    assert p.hears("subscribed", since) is not None
    assert not [s for s in p.partner.inbox.items[since:] if s.get("type") in ("unsubscribe", "unsubscribed")]


def test_what_rests_on_the_users_adding_is_kept_up_by_the_user(pair):
    """Of an unverified partner's contact: that it shows itself every day does not count."""
    p = pair(partner_type="public-unverified")
    p.added()
    p.watched()
    wait_until("both in the store", lambda: p.saved() == "both", 20)
    since = p.partner.inbox.mark()
    restart(p, "UPDATE contact SET used_s = ?, wanted_s = ?", ago(0), ago(31))
    assert p.hears("unsubscribed", since) is not None
    p.send("subscribe", ident="again")
    assert p.partner.wait_error("again")[0] == "service-unavailable"


def test_an_unverified_contact_that_sends_the_user_away_sees_it_no_more(pair):
    p = pair(partner_type="public-unverified")
    watch = p.added()
    request = p.watched()
    since = p.partner.inbox.mark()
    p.send("unsubscribed")
    assert watch.wait(lambda m: state_of(m) == "terminated", 20) is not None
    assert p.hears("unavailable", since).get("from") == p.local + "/desk"
    assert p.hears("unsubscribed", since) is not None
    p.server.wait_inside(request, "0", 20)


def test_a_partner_that_becomes_unverified_by_mistake_loses_no_contacts(pair, own):
    p = pair()
    p.watched()
    wait_until("it is in the store", lambda: p.saved() == "from", 20)
    since = p.partner.inbox.mark()
    own.list_partner(p.domain, partner_type="public-unverified")
    own.reload()
    assert p.hears("unavailable", since) is not None
    asked = p.user.inbox.mark()
    restart(p, "UPDATE contact SET used_s = ?, wanted_s = 0", ago(1))
    assert p.saved() == "from"
    own.list_partner(p.domain, partner_type="federated")
    own.reload()
    p.server.wait(p.uri, 30, asked)  # it sees the user again, without anybody's doing


def test_no_subscription_is_longer_than_it_may_be(install, started, new_partner, users):
    """Neither what is asked for nor what is granted, whether a time is given or not."""
    inst = install("short", gateway={"presence": {"refresh": "90s"}})
    inst.list_partner("first.example")
    started(inst)
    p = Pair(inst, new_partner, users)
    try:
        p.send("subscribe")
        assert p.server.wait(p.uri, 20).get("expires") == "90"
        assert p.watch().subscribe(3600).get("expires") == "90"
        assert p.watch().subscribe(None).get("expires") == "90"
    finally:
        p.flow.close()
        inst.stop()


def test_a_user_has_so_many_contacts(install, started, new_partner, users, tools):
    """Also after a restart; those there are stay, what contacts ask for does not count, and other users are not concerned."""
    inst = install("many")
    inst.list_partner("first.example")
    started(inst)
    p = Pair(inst, new_partner, users)
    try:
        inst.gateway.process.stop()
        with sqlite3.connect(path_of(inst)) as db:
            rows = [(p.local, "c%d@%s" % (i, p.domain), "to" if i % 2 else "none+pending-out", ago(0)) for i in range(4999)]
            rows += [(p.local, "asks%d@%s" % (i, p.domain), "from", ago(0)) for i in range(9)]
            db.executemany("INSERT INTO contact (local, remote, wrote_s, alive_s, relation, used_s, wanted_s) VALUES (?1, ?2, 0, 0, ?3, ?4, ?4)", rows)
        db.close()
        inst.gateway.start().wait_ready()
        p.flow.close()
        p.dial()
        to = lambda name: Watch(p.user, p.flow, "sip:%s@%s" % (name, p.domain), "sip:" + p.local)
        assert to("last").subscribe().status == 200
        answer = to("more").subscribe()
        assert answer.status == 480 and "delivery.queue.full" in answer.get("warning") and int(answer.get("retry-after")) > 0
        assert to("more").subscribe(0).status == 200  # a fetch adds nobody
        assert to("last").subscribe().status == 200 and to("c1").subscribe().status == 200 and to("c2").subscribe().status == 200
        assert Watch(p.user, p.flow, "sip:more@" + p.domain, "sip:other." + p.local).subscribe().status == 200
        inst.gateway.ctl(tools, "contact", "remove", p.local, "c7@" + p.domain)
        assert to("more").subscribe().status == 200
    finally:
        p.flow.close()
        inst.stop()


def test_a_request_that_nobody_answers_is_refused_after_a_month(pair):
    p = pair()
    p.send("subscribe")
    request = p.server.wait(p.uri, 20)
    assert p.server.notify(request, "pending;expires=3600").status == 200
    wait_until("it is in the store", lambda: p.saved() == "none+pending-in", 20)
    since, asked = p.partner.inbox.mark(), p.user.inbox.mark()
    restart(p, "UPDATE contact SET asked_s = ?", ago(29))
    p.server.wait(p.uri, 30, asked)  # it still waits, and is asked again
    assert not [s for s in p.partner.inbox.items[since:] if s.get("type") == "unsubscribed"]
    restart(p, "UPDATE contact SET asked_s = ?", ago(31))
    assert p.hears("unsubscribed", since) is not None


def test_only_so_many_requests_wait(pair):
    """For one user, by users of one partner; whoever else asks is told to wait, and others are not hurt."""
    p = pair()
    for name in ("a", "b"):
        p.partner.send("<presence from='%s@%s' to='%s' type='subscribe'/>" % (name, p.domain, p.local))
        p.user.inbox.wait(lambda m: m.method == "SUBSCRIBE" and m.uri("from") == "sip:%s@%s" % (name, p.domain), 20)
    p.partner.send("<presence from='c@%s' to='%s' type='subscribe' id='third'/>" % (p.domain, p.local))
    assert p.partner.wait_error("third")[0] == "resource-constraint"
    other = "x" + p.local
    p.partner.send("<presence from='c@%s' to='%s' type='subscribe'/>" % (p.domain, other))
    p.server.wait("sip:" + other, 20)


def test_who_sees_the_user_already_is_answered_however_many_wait(pair):
    """Its server may have lost the answer: what it asks again begins nothing, and takes no other's place."""
    p = pair()
    p.watched()
    for name in ("a", "b"):
        p.partner.send("<presence from='%s@%s' to='%s' type='subscribe'/>" % (name, p.domain, p.local))
        p.user.inbox.wait(lambda m: m.method == "SUBSCRIBE" and m.uri("from") == "sip:%s@%s" % (name, p.domain), 20)
    since = p.partner.inbox.mark()
    p.send("subscribe", ident="again")
    answer = p.partner.inbox.wait(lambda s: s.tag.endswith("}presence") and s.get("type") in ("subscribed", "error"), 20, since)
    assert (answer.get("type"), answer.get("from")) == ("subscribed", p.local)


def test_what_the_user_does_gives_a_request_no_more_time(pair):
    p = pair()
    p.send("subscribe")
    request = p.server.wait(p.uri, 20)
    assert p.server.notify(request, "pending;expires=3600").status == 200
    wait_until("it is in the store", lambda: p.saved() == "none+pending-in", 20)
    asked = p.user.inbox.mark()
    restart(p, "UPDATE contact SET asked_s = ? WHERE local = ?", ago(29), p.local)
    p.server.wait(p.uri, 30, asked)
    assert p.watch().subscribe().status == 200  # the user asks to see the contact, and says nothing of the request
    wait_until("that is in the store", lambda: p.saved() == "none+pending-out+in", 20)
    assert p.saved("asked_s") <= ago(29)


def test_an_end_without_a_way_is_told_of_both_directions(pair, own, tools):
    """Else the partner's server keeps the user subscribed to one who is no contact any more."""
    p = pair()
    p.watched()
    p.added()
    wait_until("it is in the store", lambda: p.saved() == "both", 20)
    own.edge.stop()
    since = p.partner.inbox.mark()
    own.gateway.ctl(tools, "contact", "remove", p.local, p.remote)
    own.edge.start().wait_ready()
    assert p.hears("unsubscribed", since, 120).get("to") == p.remote
    assert p.hears("unsubscribe", since, 120).get("to") == p.remote


def test_a_request_that_does_not_get_there_is_made_again(own, new_partner, users):
    """The partner's server is not there when the user asks: it is asked when it is, and the device waits."""
    n, user = next(numbers), users["corp.example"]
    domain, local = "away%d.example" % n, "u%d@corp.example" % n
    own.list_partner(domain)
    own.reload()
    flow, mark = user.dial(own.sip), own.gateway.process.mark()
    watch = Watch(user, flow, "sip:c@" + domain, "sip:" + local)
    assert watch.subscribe().status == 200
    own.gateway.process.wait_line("event=presence.undelivered local=%s .*kind=subscription" % local, 60, mark)
    partner = new_partner(own, domain)
    asked = partner.inbox.wait(lambda s: s.get("type") == "subscribe" and s.get("from") == local, 120)
    partner.send("<presence from='%s' to='%s' type='subscribed'/>" % (asked.get("to"), local))
    watch.wait(lambda m: state_of(m) == "active", 20)
    flow.close()
    partner.close()
    own.unlist_partner(domain)


def test_a_fetch_waits_for_what_the_contact_says(pair):
    p = pair()
    assert p.added().subscribe(0).status == 200
    p.hears("unavailable")  # the last device has signed off
    since = p.partner.inbox.mark()
    fetch = p.watch()
    answer = fetch.subscribe(0)
    assert answer.status == 200 and answer.get("expires") == "0"
    assert p.hears("probe", since) is not None
    p.send(resource="desk", inner="<show>dnd</show>")
    p.send(resource="phone")
    told = fetch.wait(lambda m: True, 20)
    assert state_of(told) == "terminated" and "timeout" in told.get("subscription-state")
    assert {b[:2] for b in basics(told).values()} == {("open", "dnd"), ("open", None)}


def test_a_fetch_of_whom_the_contact_does_not_answer_for_says_nothing(pair):
    p = pair()
    assert p.added().subscribe(0).status == 200
    p.hears("unavailable")
    fetch = p.watch()
    assert fetch.subscribe(0).status == 200
    told = fetch.wait(lambda m: True, 20)
    assert state_of(told) == "terminated" and not told.body


def test_a_fetch_adds_nobody(pair):
    p = pair()
    since = p.partner.inbox.mark()
    fetch = p.watch()
    assert fetch.subscribe(0).status == 200
    told = fetch.wait(lambda m: True, 20)
    assert state_of(told) == "terminated" and not told.body
    p.send("subscribe", ident="later")  # behind it whatever there is has come
    p.server.wait(p.uri, 20)
    assert [s for s in p.partner.inbox.items[since:] if s.tag.endswith("}presence")] == [] and p.saved() in (None, "none+pending-in")


def test_what_show_and_activities_mean_is_the_partners_own(own, new_partner, users):
    p = Pair(own, new_partner, users, presence={"on-the-phone": "chat", "xmpp-dnd": "meeting"})
    watch = p.added()
    p.send(resource="desk", inner="<show>dnd</show>")
    assert b"meeting" in watch.wait(lambda m: m.body and "open" in [b[0] for b in basics(m).values()], 20).body
    p.send("subscribe")
    request = p.server.wait(p.uri, 20)
    body = pidf("pres:" + p.local, ("desk", "open", None, None)).replace(
        "</presence>", "<dm:person xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' id='p'><rpid:activities xmlns:rpid='urn:ietf:params:xml:ns:pidf:rpid'>"
        "<rpid:on-the-phone/></rpid:activities></dm:person></presence>")
    assert p.server.notify(request, "active;expires=3600", body).status == 200
    assert p.hears(None).find(SHOW).text == "chat"
    p.close()


def test_after_a_start_a_partner_gets_no_storm(pair, own):
    """Its subscriptions are made anew at half its rate, while whoever asks is served at once."""
    p, other = pair(limits={"stanzas_per_second": 20}), pair()
    own.gateway.process.stop()
    for i in range(60):
        change(own, "INSERT INTO contact (local, remote, wrote_s, alive_s, relation, used_s) VALUES (?, ?, 0, 0, 'from', ?)",
               p.local, "many%d@%s" % (i, p.domain), ago(0))
    asked = other.user.inbox.mark()
    own.gateway.start().wait_ready()
    p.dial()
    other.dial()
    other.send("subscribe")
    other.server.wait(other.uri, 20, asked)
    line = own.gateway.process.wait_line(r"event=presence\.resumed ", 120)
    assert int(re.search(r" ms=(\d+)", line).group(1)) >= 4000
    wait_until("the last of them", lambda: len({m.uri("from") for m in p.user.inbox.items[asked:] if m.method == "SUBSCRIBE" and
                                                "@" + p.domain in m.uri("from")}) == 60, 20)


def test_a_device_whose_way_is_not_known_at_first(install, new_partner, users, dns):
    """The name of the next hop says nothing when the gateway starts: the watch stays, and is told as soon as there is a way."""
    user, hop = users["corp.example"], "late.corp.example"
    dns.clear(hop)
    dns.add(hop, "A", "127.0.0.1")
    inst = install("late", gateway={"dns": {"servers": ["%s:%d" % dns.address[:2]]}, "domains": [
        {"domain": "corp.example", "next_hop": "sip:%s:%d;transport=tcp" % (hop, user.port), "peer_addresses": ["127.0.0.1"]}]}).start()
    p = Pair(inst, new_partner, users)
    try:
        watch = Watch(user, p.flow, "sip:" + p.remote, "sip:" + p.local, listens=True)
        assert watch.subscribe().status == 200
        p.hears("subscribe")
        p.send("subscribed")
        p.send(resource="desk")
        watch.wait(lambda m: m.body and [b[0] for b in basics(m).values()] == ["open"], 20)
        wait_until("both are in the store", lambda: kept(inst, p.local) == 1 and p.saved() == "to", 20)
        inst.gateway.process.child.kill()
        inst.gateway.process.stop()
        dns.answer(hop, "servfail")
        asked, told, since = len(dns.was_asked(hop)), user.inbox.mark(), p.partner.inbox.mark()
        inst.gateway.start().wait_ready()
        wait_until("it is looked for again and again", lambda: len(dns.was_asked(hop)) >= asked + 3, 60)
        shown = inst.gateway.control("subscription", verb="list", user=p.local)["subscriptions"]
        assert len(shown) <= 1 and kept(inst, p.local) == 1, shown
        assert user.inbox.mark() == told, user.inbox.items[told:]
        dns.clear(hop)
        dns.add(hop, "A", "127.0.0.1")
        p.hears("probe", since, 60)
        p.send(resource="desk", inner="<show>dnd</show>")
        again = user.inbox.wait(lambda m: m.method == "NOTIFY" and m.get("call-id") == watch.call_id, 30, told)
        assert [b[:2] for b in basics(again).values()] == [("open", "dnd")]
    finally:
        dns.clear(hop)
        p.flow.close()
        inst.stop()


def test_a_store_that_is_full_takes_no_new_contacts_and_keeps_the_others(install, started, new_partner, users):
    inst = install("life-full")
    on_small_disk(inst)
    inst.list_partner("first.example")
    started(inst)
    old, new = Pair(inst, new_partner, users), Pair(inst, new_partner, users)
    try:
        request = old.watched()
        filler = fill_disk(inst)
        for i in range(400):  # more than fits into what the store has taken already
            old.partner.send("<presence from='%s' to='fill%d@corp.example' type='subscribe'/>" % (old.remote, i))
        wait_until("the store failing", lambda: inst.gateway.metric("xfed_store_writable") == 0, 40)
        new.send("subscribe", ident="new")
        assert new.partner.wait_error("new")[0] == "resource-constraint"
        answer = new.watch().subscribe()
        assert answer.status == 500 and answer.get("retry-after") == "60" and "store.write.failed" in answer.get("warning")
        since = old.partner.inbox.mark()
        old.send("subscribe", ident="known")  # who is known already goes on, and is told so
        assert old.hears("subscribed", since) is not None
        told = old.hears(None, since)  # asked again, it is told again what it knows
        assert told is not None and told.find(SHOW) is None
        since = old.partner.inbox.items.index(told) + 1
        assert old.server.notify(request, "active;expires=3600", pidf("pres:" + old.local, ("desk", "open", "away", None))).status == 200
        assert old.hears(None, since).find(SHOW).text == "away"
        os.unlink(filler)
        wait_until("the store written", lambda: inst.gateway.metric("xfed_store_writable") == 1, 40)
        new.send("subscribe")
        new.server.wait(new.uri, 20)
    finally:
        old.flow.close()
        new.flow.close()
        inst.stop()


# ---- what a gateway that is started finds of before ----

def watched_at_a_place(p):
    """The user watches the contact, who is at the desk, with a device that can be reached without its connection."""
    watch = Watch(p.user, p.flow, "sip:" + p.remote, "sip:" + p.local, listens=True)
    assert watch.subscribe().status == 200
    p.hears("subscribe")
    p.send("subscribed")
    p.send(resource="desk")
    watch.wait(lambda m: m.body and "open" in [b[0] for b in basics(m).values()], 20)
    wait_until("the watch is in the store", lambda: kept(p.inst, p.local) == 1, 20)
    return watch


def kept(inst, local):
    return stored(inst, "SELECT count(*) FROM watch WHERE local = ?", local)[0]


def killed(inst):
    inst.gateway.process.child.kill()
    inst.gateway.process.stop()


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_who_may_see_no_more_after_a_start_is_told(pair, own, how):
    p = pair()
    p.watched()
    watched_at_a_place(p)
    wait_until("both in the store", lambda: p.saved() == "both", 20)
    since, told = p.partner.inbox.mark(), p.user.inbox.mark()
    if how == "killed":
        killed(own)
    else:
        own.gateway.process.stop()
    own.list_partner(p.domain, kinds=["message"])
    own.gateway.start().wait_ready()
    assert p.hears("unavailable", since).get("from") == p.local
    last = p.user.inbox.wait(lambda m: m.method == "NOTIFY" and state_of(m) == "terminated" and m.uri("from") == "sip:" + p.remote, 20, told)
    assert "reason=rejected" in last.get("subscription-state")
    wait_until("the watch is over", lambda: kept(own, p.local) == 0, 20)
    wait_until("contacts are kept", lambda: p.saved() == "both", 20)


# ---- what is refused leaves nothing behind ----

def test_a_watch_that_is_refused_adds_nobody(pair):
    p = pair()
    since = p.partner.inbox.mark()
    assert p.watch().subscribe(10).status == 423
    p.send("subscribe")  # behind it whatever there is has come
    p.server.wait(p.uri, 20)
    p.send("probe")
    p.hears("unsubscribed", since)
    assert not [s for s in p.partner.inbox.items[since:] if s.get("type") == "subscribe"]


def test_a_refresh_that_comes_too_late_asks_nobody_again(pair):
    p = pair()
    watch = p.added()
    p.user.answer = None  # the last NOTIFY is under way
    p.send("unsubscribed")
    watch.wait(lambda m: state_of(m) == "terminated", 20)
    since = p.partner.inbox.mark()
    assert watch.subscribe().status == 481
    p.send("probe")
    p.hears("unsubscribed", since)
    assert not [s for s in p.partner.inbox.items[since:] if s.get("type") == "subscribe"]


def test_an_end_with_an_unreadable_body_is_an_end(pair):
    p = pair()
    request = p.watched()
    since = p.partner.inbox.mark()
    assert p.server.notify(request, "terminated;reason=rejected", "<html/>").status == 200
    assert p.hears("unsubscribed", since).get("from") == p.local
