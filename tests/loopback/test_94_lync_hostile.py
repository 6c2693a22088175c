"""
Sessions of the Lync dialect where the way is long, the network bad, or the other end hostile: two proxies, several devices, UDP, answers
that come twice or for ever, lost connections, addresses of strangers, clients that never acknowledge, and what a killed daemon leaves.
"""
import contextlib
import os

import pytest
from lync_lab import BOB, fe, jid, lab, line, lync, partner, person, refusal, words  # noqa: F401

from harness.lync import OFFER, LyncUser, tag_of
from harness.proc import wait_until
from harness.sip import SipUser
from harness.sipmsg import token
from harness.store import fill_disk, on_small_disk
from harness.wire import Listener
from harness.xmpp import child_text

LYNC = {"name": "lh", "partner": {"partner_type": "federated"}, "gateway": {"delivery": {"deadline": "45s"}},
        "domains": {"corp.example": {"dialect": "lync"}, "corp2.example": {"dialect": "lync"}}}
STATES = "http://jabber.org/protocol/chatstates"
ACTIVE, COMPOSING = ("<%s xmlns='%s'/>" % (s, STATES) for s in ("active", "composing"))


def sessions(inst):
    return inst.gateway.metric("xfed_sip_sessions")


def of_call(user, call_id, method):
    """Every request of the gateway's in that call, repeats too."""
    return [m for m, _ in user.sip.raw.items if m.get("call-id") == call_id and m.method == method]


def shown_once(user, text):
    return [m.text for m in user.sip.inbox.items if m.method == "MESSAGE"].count(text) == 1


# ---- two proxies ----

PROXIES = ["fe1.int.corp.example", "director.int.corp.example"]


@pytest.mark.parametrize("by", ["contact", "user"])
def test_every_request_takes_the_route_through_all_proxies(lab, by):
    """Front End and Edge, and one more: ACK, MESSAGE, INFO, NOTIFY and BYE go the way of the INVITE, whoever sent that."""
    alice, text, lost = lab.person(behind=PROXIES), words("text"), words("lost")
    if by == "user":
        answer, d = alice.invite(BOB)
        assert ", ".join(answer.all("record-route")) == alice.routes()
    lab.partner.say("bob", jid(alice), text, inner=ACTIVE)
    alice.wait_text(text)
    d = alice.dialogs[0]
    lab.partner.say("bob", jid(alice), None, inner=COMPOSING)
    alice.wait("INFO")
    answer = alice.say(d, lost)
    assert answer.status == 202
    got = lab.partner.wait_body(lost)
    lab.partner.send("<message from='bob@partner.example' to='%s' id='%s' type='error'><error type='cancel'>"
                     "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>" % (jid(alice), got.get("id")))
    alice.wait("NOTIFY")
    alice.on_message = 408  # ends it
    lab.partner.say("bob", jid(alice), words("last"))
    alice.wait("BYE")
    for method in ("MESSAGE", "INFO", "NOTIFY", "BYE") + (("ACK",) if by == "contact" else ()):
        found = of_call(alice, d.call_id, method)
        assert found, method
        for m in found:
            assert m.start == "%s %s SIP/2.0" % (method, alice.gruu[1:-1]), m.start
            assert ", ".join(m.all("route")) == alice.routes(), method


def test_a_proxy_that_routes_strictly(lab):
    """RFC 3261 section 12.2.1.1: its URI is the Request-URI, and the client's Contact the last route."""
    alice, text = lab.person(), words("strict")
    strict = "<sip:%s:%d;transport=tcp>" % (lab.fe.address, lab.fe.port)
    alice.proxies = lambda: [strict]
    lab.partner.say("bob", jid(alice), text)
    got = alice.wait_text(text)
    assert got.start == "MESSAGE %s SIP/2.0" % strict[1:-1] and got.get("route") == alice.gruu


# ---- several devices ----

def test_three_devices_ring_and_answer(lab):
    """The first to accept has the session; the others get ACK and BYE, for each copy of their answer another ACK, and no text."""
    alice, text, more = lab.person(), words("forked"), words("more")
    alice.on_invite = None
    lab.partner.say("bob", jid(alice), text)
    invite = alice.wait("INVITE")
    tags = [token() for _ in range(3)]
    for tag in tags:
        alice.answer_invite(invite, 180, alice.dialog_of(invite, tag))
    dialogs = {d.mine: d for d in alice.dialogs}
    first = alice.answer_invite(invite, 200, dialogs[tags[1]])
    for tag in (tags[0], tags[2], tags[0]):
        alice.answer_invite(invite, 200, dialogs[tag])
    assert alice.wait_text(text).get("to").endswith(";tag=" + first.mine)
    for tag in (tags[0], tags[2]):
        alice.wait("BYE", what=lambda m, t=tag: tag_of(m.get("to")) == t)

    def acks():
        return sorted(tag_of(m.get("to")) for m in of_call(alice, invite.get("call-id"), "ACK"))
    wait_until("an ACK for each answer", lambda: acks() == sorted([tags[0], tags[0], tags[1], tags[2]]), 20)
    lab.partner.say("bob", jid(alice), more)
    assert alice.wait_text(more).get("to").endswith(";tag=" + first.mine)
    assert {tag_of(m.get("to")) for m in of_call(alice, invite.get("call-id"), "BYE")} == {tags[0], tags[2]}
    assert shown_once(alice, text)


# ---- a front end that answers twice, or for ever ----

def test_an_answer_that_is_repeated_for_ever(lab):
    """Each copy gets its ACK, nothing else comes of it, and nobody waits."""
    alice, carol, text, other = lab.person(), lab.person(), words("copies"), words("other")
    before = sessions(lab.inst)
    lab.partner.say("bob", jid(alice), text)
    alice.wait_text(text)
    invite = alice.wait("INVITE")
    for _ in range(1000):
        alice.answer_invite(invite, 200, alice.dialogs[0])
    lab.partner.say("bob", jid(carol), other)
    carol.wait_text(other)
    wait_until("an ACK for each", lambda: len(of_call(alice, invite.get("call-id"), "ACK")) == 1001, 60)
    assert shown_once(alice, text) and sessions(lab.inst) == before + 2
    assert not of_call(alice, invite.get("call-id"), "BYE")


@pytest.mark.parametrize("second", [486, 603, 487])
def test_a_refusal_after_the_acceptance_changes_nothing(lab, second):
    alice, text, more = lab.person(), words("kept"), words("more")
    lab.partner.say("bob", jid(alice), text)
    alice.wait_text(text)
    alice.answer_invite(alice.wait("INVITE"), second, alice.dialogs[0])
    lab.partner.say("bob", jid(alice), more)
    assert alice.wait_text(more).get("call-id") == alice.dialogs[0].call_id


def test_an_acceptance_after_the_refusal_opens_nothing(lab):
    """Its text has been refused already; the next one calls anew."""
    alice, ident, text = lab.person(), words("id"), words("anew")
    alice.on_invite = 486
    lab.partner.say("bob", jid(alice), "refused", id=ident)
    lab.partner.wait_error(ident)
    invite = alice.wait("INVITE")
    alice.on_invite = 200
    alice.answer_invite(invite, 200)
    lab.partner.say("bob", jid(alice), text)
    got = alice.wait_text(text)
    assert got.get("call-id") != invite.get("call-id") and not of_call(alice, invite.get("call-id"), "MESSAGE")


@pytest.mark.parametrize("first, second", [(200, 480), (200, 481), (480, 200), (200, 200)])
def test_a_message_that_is_answered_twice(lab, first, second):
    """The first answer counts."""
    alice, ident, text = lab.person(), words("id"), words("next")
    lab.partner.say("bob", jid(alice), "first")
    alice.wait_text("first")
    alice.on_message = None
    lab.partner.say("bob", jid(alice), "twice", id=ident)
    m = alice.wait_text("twice")
    alice.on_message = 200
    alice.sip.respond(m, first)
    alice.sip.respond(m, second)
    if first != 200:
        lab.partner.wait_error(ident)
    lab.partner.say("bob", jid(alice), text)
    assert alice.wait_text(text).get("call-id") == alice.dialogs[0].call_id
    assert len([s for s in lab.partner.inbox.items if s.get("id") == ident]) == (first != 200)


# ---- lost connections ----

@contextlib.contextmanager
def connected(lab, user):
    """With another connection to the gateway than that of before."""
    user.flow.close()
    user.flow = lab.fe.dial(lab.inst.sip)
    yield
    user.flow.close()


def delivered(lab, user, text, **kwargs):
    """A text of the contact, whose answer the gateway has."""
    mark, ident = lab.inst.gateway.process.mark(), words("id").replace(" ", "-")
    lab.partner.say("bob", jid(user), text, id=ident, **kwargs)
    m = user.wait_text(text)
    lab.inst.gateway.process.wait_line("event=delivery.delivered .* id=%s " % ident, 20, mark)
    return m


def cut(lab, user, m):
    """The front end closes the connection on which that request came, and the gateway has heard of it."""
    mark = lab.inst.gateway.process.mark()
    with user.sip.lock:
        flow = user.sip.held[m.branch]
    port = flow.local[1]  # as the gateway names it, whoever has opened it
    flow.close()
    lab.inst.gateway.process.wait_line("event=sip.closed .* port=%d " % port, 20, mark)


def test_the_connection_is_lost_before_the_answer_to_the_invite(lab):
    """Its texts have not been sent, so that they are refused and not uncertain; or they go in another INVITE."""
    alice, ident, text = lab.person(), words("id"), words("next")
    uncertain = lab.inst.gateway.metric("xfed_deliveries_uncertain_total")
    alice.on_invite = None
    lab.partner.say("bob", jid(alice), "lost on the way", id=ident)
    cut(lab, alice, alice.wait("INVITE"))
    assert lab.partner.wait_error(ident)[0] in ("remote-server-not-found", "remote-server-timeout", "service-unavailable")
    assert lab.inst.gateway.metric("xfed_deliveries_uncertain_total") == uncertain
    alice.on_invite = 200
    lab.partner.say("bob", jid(alice), text)
    alice.wait_text(text)
    assert not [m for m in alice.sip.inbox.items if m.method == "MESSAGE" and m.text == "lost on the way" and m.uri("to") == alice.uri]


def test_the_connection_is_lost_between_two_texts(lab):
    """A dialog outlives its connection: the next text goes over a new one, once, and so does the user's."""
    alice, one, two, back = lab.person(), words("one"), words("two"), words("back")
    m = delivered(lab, alice, one)
    cut(lab, alice, m)
    got = delivered(lab, alice, two)
    assert got.get("call-id") == m.get("call-id") and shown_once(alice, two)
    with connected(lab, alice):
        assert alice.say(alice.dialogs[0], back).status == 202
        lab.partner.wait_body(back)


def test_the_connection_is_lost_while_a_text_is_under_way(lab):
    """That one is uncertain, and never sent again; what waits behind it arrives."""
    alice, ident, text, behind = lab.person(), words("id"), words("under way"), words("behind")
    lab.partner.say("bob", jid(alice), "first")
    alice.wait_text("first")
    alice.on_message = lambda m: None if m.text == text else 200
    lab.partner.say("bob", jid(alice), text, id=ident)
    lab.partner.say("bob", jid(alice), behind)
    cut(lab, alice, alice.wait_text(text))
    error = lab.partner.wait_error(ident, 60)
    assert "may have been delivered" in error[2], error
    alice.wait_text(behind, 60)
    assert shown_once(alice, text) and shown_once(alice, behind)


def test_the_users_connection_is_lost_before_the_answer(lab):
    """The contact has the text once, and the session goes on over another connection."""
    alice, text, more = lab.person(flow=lab.fe.dial(lab.inst.sip)), words("cut"), words("more")
    _, d = alice.invite(BOB)
    alice.flow.send(alice.inside(d, "MESSAGE", body=text, content_type="text/plain; charset=UTF-8")[0])
    lab.partner.wait_body(text)
    with connected(lab, alice):
        assert alice.say(d, more).status == 202
        lab.partner.wait_body(more)
    assert [child_text(s, "body") for s in lab.partner.inbox.items].count(text) == 1


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_half_an_invite(lab, share):
    """Nothing comes of what was not read whole."""
    alice, text, flow, before = lab.person(), words("whole"), lab.fe.dial(lab.inst.sip), sessions(lab.inst)
    raw, _, _ = alice.start_invite(BOB)
    flow.send(raw[:int(len(raw) * share)])
    flow.close()
    assert sessions(lab.inst) == before
    _, d = alice.invite(BOB)
    assert alice.say(d, text).status == 202
    lab.partner.wait_body(text)


# ---- addresses of strangers ----

@pytest.fixture
def stranger(dns):
    """Somebody at an address that is no peer, and has a name; TCP and UDP."""
    met = []
    s = Listener(("127.0.0.3", 0), lambda sock, address: met.append(address), "stranger")
    s.met, s.uri = met, "sip:%s@127.0.0.3:%d;transport=tcp" % ("%s", s.port)
    dns.add("stranger.example", "A", "127.0.0.3")
    s.name = "sip:%%s@stranger.example:%d;transport=tcp" % s.port
    yield s
    s.close()
    dns.clear("stranger.example")


@pytest.mark.parametrize("form", ["uri", "name"])
@pytest.mark.parametrize("by", ["contact", "user"])
@pytest.mark.parametrize("header", ["Contact", "Record-Route", "Record-Route first", "re-INVITE", "UPDATE"])
def test_a_strangers_address_leads_nowhere(lab, stranger, by, header, form):
    """What an INVITE or its answer claims is no reason to connect to anybody: everything goes to the front end, or nowhere."""
    alice, texts = lab.person(), [words("to the front end") for _ in range(2)]
    address = "<%s>" % (getattr(stranger, form) % "mallory")
    if header == "Contact":
        alice.contact_value = address
    elif header.startswith("Record-Route"):
        own = alice.proxies()
        alice.proxies = lambda: [address[:-1] + ";lr>"] + own if header.endswith("first") else own + [address[:-1] + ";lr>"]
    if by == "user":
        assert alice.invite(BOB)[0].status == 200
    m = delivered(lab, alice, texts[0], inner=ACTIVE)
    d = alice.dialogs[0]
    if header in ("re-INVITE", "UPDATE"):
        alice.contact_value = address
        body = dict(body=OFFER % ("message", "null"), content_type="application/sdp") if header == "re-INVITE" else {}
        assert alice.ask(d, header.replace("re-", ""), **body).status == 200
    cut(lab, alice, m)
    lab.partner.say("bob", jid(alice), None, inner=COMPOSING)
    delivered(lab, alice, texts[1])
    with connected(lab, alice):
        assert alice.bye(alice.dialogs[-1]).status == 200
    assert not stranger.met


@pytest.mark.parametrize("status", [302, 305])
def test_a_redirection_to_a_stranger_is_not_followed(lab, stranger, status):
    alice, ident, text = lab.person(), words("id"), words("next")
    alice.on_invite = (status, [("Contact", "<%s>" % (stranger.uri % "mallory"))])
    lab.partner.say("bob", jid(alice), "redirected", id=ident)
    error = lab.partner.wait_error(ident)
    assert "127.0.0.3" not in str(error)
    alice.on_invite = 200
    lab.partner.say("bob", jid(alice), text)
    alice.wait_text(text)
    assert not stranger.met


@pytest.mark.parametrize("contact", ["<mailto:alice@corp.example>", "<sip:a@corp.example>, <sip:b@corp.example>", "nonsense"])
def test_a_contact_that_is_none(lab, contact):
    """No dialog can be made of it: a session that nobody can use is not opened, and the front end that answered so is acknowledged."""
    alice, ident, text = lab.person(), words("id"), words("next")
    alice.contact_value = contact
    assert alice.invite(BOB)[0].status == 400
    lab.partner.say("bob", jid(alice), "nowhere to go", id=ident)
    assert lab.partner.wait_error(ident)
    alice.wait("INVITE")
    alice.contact_value = None
    lab.partner.say("bob", jid(alice), text)
    alice.wait_text(text)


# ---- UDP ----

@pytest.fixture
def udp(lab, users):
    """A user of corp2.example, whose front end is reached over UDP."""
    sip = users["corp2.example"]
    yield LyncUser(sip, sip.dial(lab.inst.sip, "udp"), words("u").replace(" ", ""))
    sip.answer = 200


def test_a_session_over_udp(lab, udp):
    one, two, back = words("one"), words("two"), words("back")
    lab.partner.say("bob", jid(udp), one, inner=ACTIVE)
    assert udp.wait_text(one).get("via").startswith("SIP/2.0/UDP ")
    d = udp.dialogs[0]
    lab.partner.say("bob", jid(udp), None, inner=COMPOSING)
    udp.wait("INFO")
    assert udp.say(d, back).status == 202
    lab.partner.wait_body(back)
    assert udp.bye(d).status == 200
    _, d = udp.invite(BOB)
    lab.partner.say("bob", jid(udp), two)
    assert udp.wait_text(two).get("call-id") == d.call_id
    assert udp.bye(d).status == 200


def test_an_invite_of_ours_is_lost_over_udp(lab, udp):
    text = words("lost once")
    udp.on_invite = None
    lab.partner.say("bob", jid(udp), text)
    invite = udp.wait("INVITE")
    udp.sip.raw.wait_count(1, 1)
    wait_until("a copy of it", lambda: len(of_call(udp, invite.get("call-id"), "INVITE")) >= 2, 20)
    d = udp.answer_invite(invite)
    udp.wait_text(text)
    for _ in range(3):  # our ACK was lost
        udp.answer_invite(invite, 200, d)
    wait_until("an ACK for each", lambda: len(of_call(udp, d.call_id, "ACK")) >= 4, 20)
    assert shown_once(udp, text)
    assert udp.bye(d).status == 200


def test_an_answer_and_an_ack_are_lost_over_udp(lab, udp):
    """The INVITE comes twice, and is one; its 200 is repeated until the ACK comes."""
    raw, d, branch = udp.start_invite(BOB)
    mark, before = udp.flow.inbox.mark(), sessions(lab.inst)
    udp.flow.send(raw)
    udp.flow.send(raw)

    def answers():
        return [m for m in udp.flow.inbox.items[mark:] if m.is_response and m.branch == branch and m.status == 200]
    wait_until("the answer, repeated", lambda: len(answers()) >= 4, 20)
    assert len({m.get("to") for m in answers()}) == 1 and sessions(lab.inst) == before + 1
    udp.settle(answers()[0], d, branch)
    text = words("at last")
    assert udp.say(d, text).status == 202
    lab.partner.wait_body(text)
    assert udp.bye(d).status == 200


def test_a_message_is_lost_over_udp(lab, udp):
    """It is sent again, and shown once."""
    one, two = words("one"), words("two")
    _, d = udp.invite(BOB)
    lab.partner.say("bob", jid(udp), one)
    udp.wait_text(one)
    udp.on_message = None
    lab.partner.say("bob", jid(udp), two)
    m = udp.wait_text(two)
    wait_until("a copy of it", lambda: len([c for c in of_call(udp, d.call_id, "MESSAGE") if c.branch == m.branch]) >= 2, 20)
    udp.sip.respond(m, 200)
    udp.on_message = 200
    assert udp.bye(d).status == 200


# ---- clients without manners ----

def test_a_hundred_sessions_that_nobody_acknowledges(lab):
    """Each ends with BYE when its 200 has been repeated for 32 s; until then they take nothing from others."""
    alice, carol, text, before = lab.person(), lab.person(), words("beside"), sessions(lab.inst)
    calls = set()
    for n in range(100):
        answer, d = alice.invite("sip:c%d@partner.example" % n, acks=False)
        assert answer.status == 200
        calls.add(d.call_id)
    assert sessions(lab.inst) == before + 100
    _, d = carol.invite(BOB)
    assert carol.say(d, text).status == 202
    lab.partner.wait_body(text)
    wait_until("a BYE in each", lambda: calls <= {m.get("call-id") for m in alice.sip.inbox.items if m.method == "BYE"}, 90)
    assert carol.bye(d).status == 200
    wait_until("they are gone", lambda: sessions(lab.inst) <= before, 20)


def test_more_sessions_than_a_user_may_have(lab, refusal):
    """500 with one partner and 1,000 in all: the next is refused, and those there are go on; other users have their own."""
    for domain in ("second.example", "third.example"):
        lab.inst.list_partner(domain, partner_type="federated")
    lab.inst.reload()
    alice, carol, before = lab.person(), lab.person(), sessions(lab.inst)
    calls = open_many(alice, ["sip:m%d@partner.example" % n for n in range(500)])
    with refusal("sip.session.limit"):
        assert alice.invite(BOB)[0].status == 504
    ident = words("id")
    lab.partner.say("late", jid(alice), "one too many", id=ident)
    assert "sip.session.limit" in lab.partner.wait_error(ident)[2]
    calls += open_many(alice, ["sip:m%d@second.example" % n for n in range(500)])
    with refusal("sip.session.limit"):
        assert alice.invite("sip:one.too.many@third.example")[0].status == 504
    for user, d in ((alice, calls[0]), (alice, calls[499]), (carol, carol.invite(BOB)[1])):
        text = words("goes on")
        assert user.say(d, text).status == 202
        lab.partner.wait_body(text)
    for d in calls:
        alice.flow.send(alice.inside(d, "BYE")[0])
    wait_until("they are gone", lambda: sessions(lab.inst) <= before + 1, 60)
    assert alice.invite("sip:one.more@third.example")[0].status == 200


def open_many(user, contacts):
    """A session with each, opened without waiting for answers; the dialogs."""
    mark, asked = user.flow.inbox.mark(), {}
    for contact in contacts:
        raw, d, branch = user.start_invite(contact)
        asked[branch] = d
        user.flow.send(raw)

    def finals():
        return {m.branch: m for m in user.flow.inbox.items[mark:] if m and m.is_response and m.status >= 200 and m.branch in asked}
    wait_until("an answer to each", lambda: len(finals()) == len(asked), 120)
    answers = finals()
    assert {m.status for m in answers.values()} == {200}
    return [user.settle(answers[branch], d, branch) for branch, d in asked.items()]


def test_ten_thousand_sessions(install, started, users, new_partner):
    """
    They are open at once, serve both ways, and end with the gateway, each with its BYE. Nobody answers those: what answers a process that is gone
    has its connection reset, and loses what it has not read yet.
    """
    sip = SipUser("corp.example")
    inst = install("ly-many", users=dict(users, **{"corp.example": sip}), gateway={"stop_timeout": "30s", "log": {"level": "info"}})
    inst.gateway_config["domains"][0]["dialect"] = "lync"
    inst.write_configs()
    inst.list_partner("many.example")
    started(inst)
    try:
        mine = new_partner(inst, "many.example")
        people = [LyncUser(sip, sip.dial(inst.sip), "p%d" % n) for n in range(20)]
        by_uri = {p.uri: p for p in people}
        sip.answer = lambda m: None if m.method == "BYE" else by_uri[m.uri("to")].answer(m)
        calls = [(p, d) for p in people for d in open_many(p, ["sip:c%d@many.example" % n for n in range(500)])]
        assert sessions(inst) == len(calls) == 10000
        for p, d in (calls[0], calls[5000], calls[-1]):
            text, back = words("text"), words("back")
            assert p.say(d, text).status == 202
            mine.wait_body(text)
            mine.say(d.peer[4:].split("@")[0], jid(p), back)
            assert p.wait_text(back).get("call-id") == d.call_id
        inst.gateway.stop(60)
        wait_until("a BYE in each", lambda: {d.call_id for _, d in calls} <= {m.get("call-id") for m in sip.inbox.items if m.method == "BYE"}, 20)
    finally:
        inst.stop()
        sip.close()


def test_the_disk_is_full(install, started, users, new_partner):
    """Sessions need no disk: who has one goes on, and others begin."""
    sip = SipUser("corp.example")
    inst = install("ly-full", users=dict(users, **{"corp.example": sip}))
    inst.gateway_config["domains"][0]["dialect"] = "lync"
    on_small_disk(inst)
    inst.list_partner("full.example")
    started(inst)
    try:
        mine = new_partner(inst, "full.example")
        people = [LyncUser(sip, sip.dial(inst.sip), name) for name in ("anna", "berta")]
        sip.answer = lambda m: next(p for p in people if p.uri == m.uri("to")).answer(m)
        mine.say("bob", jid(people[0]), "before")
        people[0].wait_text("before")
        filler = fill_disk(inst)
        for n, p in enumerate(people):
            text, back = words("full"), words("back")
            mine.say("bob%d" % n if n else "bob", jid(p), text)
            p.wait_text(text)
            assert p.say(p.dialogs[0], back).status == 202
            mine.wait_body(back)
        wait_until("the store failing", lambda: inst.gateway.metric("xfed_store_writable") == 0, 40)
        assert people[0].say(people[0].dialogs[0], words("still")).status == 202
        os.unlink(filler)
    finally:
        inst.stop()
        sip.close()


# ---- killed ----

class Moment:
    """How far a session has come when a daemon is killed; and what has been said in it, each once at most and told if not."""

    def __init__(self, lab):
        self.lab, self.alice = lab, lab.person()
        self.ident, self.text, self.back = words("id"), words("to the user"), words("to the contact")
        self.call = None

    def say(self):
        self.lab.partner.say("bob", jid(self.alice), self.text, id=self.ident)

    def invited(self):
        self.alice.on_invite = None
        self.say()
        return self.alice.wait("INVITE")

    def ringing(self):
        self.alice.sip.respond(self.invited(), 180)

    def accepted(self):
        self.alice.on_message = None
        self.alice.answer_invite(self.invited(), 200)

    def under_way(self):
        self.alice.on_message = None
        self.say()
        self.alice.wait_text(self.text)

    def answered(self):
        self.say()
        self.alice.wait_text(self.text)

    def typing(self):
        self.lab.partner.say("bob", jid(self.alice), self.text, id=self.ident, inner=ACTIVE)
        self.alice.wait_text(self.text)
        self.lab.partner.say("bob", jid(self.alice), None, inner=COMPOSING)
        self.alice.wait("INFO")

    def calling(self):
        """The user's INVITE is on its way."""
        raw, *self.call = self.alice.start_invite(BOB)
        self.alice.flow.send(raw)

    def called(self):
        self.alice.invite(BOB, acks=False)

    def writing(self):
        """The user's text is held for an error of the contact's server, and not answered."""
        _, d = self.alice.invite("sip:%s@partner.example" % words("c").replace(" ", ""))
        self.alice.flow.send(self.alice.inside(d, "MESSAGE", body=self.back, content_type="text/plain; charset=UTF-8")[0])
        self.lab.partner.wait_body(self.back)

    def leaving(self):
        """BYE is on its way."""
        _, d = self.alice.invite(BOB)
        self.alice.flow.send(self.alice.inside(d, "BYE")[0])


    def go_on(self):
        """The client answers what it has not answered, and acknowledges the answer it got."""
        alice = self.alice
        for m in alice.sip.inbox.items:
            if m.method == "MESSAGE" and m.uri("to") == alice.uri and m.branch not in alice.sip.answered:
                alice.sip.respond(m, 200)
        if self.call:
            d, branch = self.call
            alice.settle(alice.flow.inbox.wait(lambda m: m and m.is_response and m.branch == branch and m.status >= 200), d, branch)


FROM_CONTACT = ("invited", "ringing", "accepted", "under_way", "answered", "typing")


def kill(lab, part, moment):
    daemon = getattr(lab.inst, part)
    daemon.process.child.kill()
    daemon.process.child.wait()
    moment.alice.on_invite = moment.alice.on_message = 200
    if part == "edge":
        lab.partner.out.clear()  # its streams died with it
    daemon.start()
    lab.inst.edge.wait_ready()
    lab.inst.gateway.wait_ready()
    if part == "gateway":
        moment.alice.flow.close()
        moment.alice.flow = lab.fe.dial(lab.inst.sip)
    else:
        moment.go_on()


@pytest.mark.parametrize("part", ["gateway", "edge"])
@pytest.mark.parametrize("step", FROM_CONTACT + ("calling", "called", "writing", "leaving"))
def test_a_daemon_is_killed_at_each_step(lab, step, part):
    """What was said is shown once or its sender told, or, where an edge had it that partner is without stream management, lost with that
    edge's socket; the next texts go both ways, and no session of before is in their way."""
    moment = Moment(lab)
    getattr(moment, step)()
    kill(lab, part, moment)
    alice = moment.alice

    def told():
        return [s for s in lab.partner.inbox.items if s.get("type") == "error" and s.get("id") == moment.ident]
    if step in FROM_CONTACT:
        wait_until("a fate", lambda: told() or any(m.text == moment.text for m in alice.sip.inbox.items if m.method == "MESSAGE"), 90)
    text, back = words("next"), words("next")
    lab.partner.say("bob", jid(alice), text)
    got = alice.wait_text(text, 60)
    d = next(d for d in alice.dialogs if d.call_id == got.get("call-id"))
    answer = alice.say(d, back)
    assert answer.status == 202, answer.start
    lab.partner.wait_body(back, 60)
    texts = [m.text for m in alice.sip.inbox.items if m.method == "MESSAGE" and m.uri("to") == alice.uri]
    assert texts.count(moment.text) <= 1 and texts.count(text) == 1
    assert [child_text(s, "body") for s in lab.partner.inbox.items].count(moment.back) <= 1
    assert len(told()) <= 1
    alice.bye(d)
