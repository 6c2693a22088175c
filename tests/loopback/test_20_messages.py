"""Messages in both directions (RFC 7572, [B2], [B4], proto/delivery.md): each transport of SIP, fields, order, late errors."""
import itertools
import re
import threading

import pytest

from harness.daemon import Refusal
from harness.sip import SipUser
from harness.wire import Listener
from harness.xmpp import LANG, child_text, message

numbers = itertools.count(1)

BODIES = {
    "ascii": "plain words, 0123456789 ~!@#$%^&*()_+",
    "emoji": "\U0001F600 \U0001F469\u200D\U0001F469\u200D\U0001F466 \U0001F1EA\U0001F1EA \U0001F44D\U0001F3FD",
    "right to left": "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd",
    "combining": "e\u0301 o\u0308 n\u0303 \u1100\u1161\u11a8",
    "xml specials": "<body>&amp; \"quoted\" 'single' ]]> <!-- no comment --> &#10;</body>",
    "blanks": "  leading and trailing \t ",
    "lines": "one\r\ntwo\nthree\rfour\n",
    "sip look-alike": "\r\n\r\nMESSAGE sip:x SIP/2.0\r\nContent-Length: 0\r\n\r\n",
    "5000 characters": "0123456789" * 500,
    "14000 bytes of emoji": "\U0001F600" * 3500,
}


def body(prefix):
    return "%s %d" % (prefix, next(numbers))


def test_first_message_each_way(xfed, partner, user, flow):
    partner.say("alice", "dave@corp.example", "hello Dave")
    got = user.wait_text("hello Dave")
    assert got.start == "MESSAGE sip:dave@corp.example SIP/2.0"
    assert (got.uri("from"), got.uri("to")) == ("sip:alice@partner.example", "sip:dave@corp.example")
    assert got.get("content-type").replace(" ", "").lower() == "text/plain;charset=utf-8"
    assert got.get("contact") is None and got.get("max-forwards")
    assert "fe.corp.example" in got.get("via")
    response = user.message(flow, "sip:alice@partner.example", "hello Alice", sender="sip:dave@corp.example")
    assert response.status in (200, 202)
    assert response.body == b"" and response.get("contact") is None and ";tag=" in response.get("to")
    got = partner.wait_body("hello Alice")
    assert got.get("from") == "dave@corp.example" and got.get("to") == "alice@partner.example" and got.get("id")
    for direction in ("in", "out"):
        assert [s for s in xfed.streams("partner.example") if s["direction"] == direction and s.get("method") == "external"]
        assert xfed.edge.metric("xfed_s2s_auth_total", partner="partner.example", direction=direction, method="external", result="ok") > 0


@pytest.mark.parametrize("domain, transport", [("corp.example", "tcp"), ("corp2.example", "udp"), ("corp3.example", "tls")])
def test_every_transport(xfed, partner, users, certs, domain, transport):
    user = users[domain]
    since = user.said.mark()
    partner.say("alice", "dave@" + domain, "über " + transport)
    got = user.wait_text("über " + transport, 10, since)
    assert got.get("via").startswith("SIP/2.0/%s fe.corp.example" % transport.upper())
    gateway = xfed.sips if transport == "tls" else xfed.sip
    flow = user.dial(gateway, transport, certs.client("sip"), "fe.corp.example")
    response = user.message(flow, "sip:alice@partner.example", "zurück " + transport, sender="sip:dave@" + domain)
    assert response.status in (200, 202)
    assert partner.wait_body("zurück " + transport).get("from") == "dave@" + domain


@pytest.mark.parametrize("name", BODIES)
def test_bodies_xmpp_to_sip(partner, user, name):
    since = user.said.mark()
    partner.say("alice", "dave@corp.example", BODIES[name])
    assert user.said.wait_count(1, 10, since)[0].text == BODIES[name]


@pytest.mark.parametrize("name", BODIES)
def test_bodies_sip_to_xmpp(partner, user, flow, name):
    since = partner.inbox.mark()
    assert user.message(flow, "sip:alice@partner.example", BODIES[name]).status in (200, 202)
    assert child_text(partner.inbox.wait_count(1, 10, since)[0], "body") == BODIES[name]


def test_subject_language_xmpp_to_sip(partner, user):
    text = body("Grüezi")
    partner.say("alice", "dave@corp.example", text, subject="Gruß\n& Kuß", lang="de-CH")
    got = user.wait_text(text)
    assert got.get("subject") == "Gruß & Kuß"
    assert got.get("content-language") == "de-CH"


def test_subject_language_sip_to_xmpp(partner, user, flow):
    text = body("bonjour")
    assert user.message(flow, "sip:alice@partner.example", text, subject="salut <&>", lang="fr").status in (200, 202)
    got = partner.wait_body(text)
    assert (child_text(got, "subject"), got.get(LANG)) == ("salut <&>", "fr")


def test_type_and_thread_come_back(partner, user, flow):
    """[B4-01], [B4-07]: the Call-ID is new for each; the pair's thread and the contact's last type are given back."""
    sender, to = "sip:thread@corp.example", "sip:amy@partner.example"
    one, two = body("one"), body("two")
    partner.say("amy", "thread@corp.example", one, thread="a thread é")
    partner.say("amy", "thread@corp.example", two, thread="a thread é")
    assert user.wait_text(one).get("call-id") != user.wait_text(two).get("call-id")
    back = body("back")
    assert user.message(flow, to, back, sender=sender).status in (200, 202)
    got = partner.wait_body(back)
    assert (child_text(got, "thread"), got.get("type")) == ("a thread é", "chat")
    other, back = body("normal"), body("back")
    partner.say("amy", "thread@corp.example", other, thread="n-1", type="normal")
    user.wait_text(other)
    assert user.message(flow, to, back, sender=sender).status in (200, 202)
    got = partner.wait_body(back)
    assert got.get("type") in (None, "normal") and child_text(got, "thread") == "n-1"


@pytest.mark.parametrize("type, reaches", [("headline", False), ("groupchat", False), ("no-such-type", True), ("chat", True)])
def test_only_what_the_user_got_as_chat_or_normal_gives_its_type(partner, user, flow, type, reaches):
    """A server drops an answer of type headline without a word (RFC 6121 8.5.2.1.1), after the user has had a 200 for it."""
    contact, text, back = "t-%s" % type, body("said"), body("answered")
    partner.say(contact, "dave@corp.example", text, type=type)
    if reaches:
        user.wait_text(text)
    else:
        passed = body("passed")
        partner.say(contact + "-2", "dave@corp.example", passed)  # behind it
        user.wait_text(passed)
    assert user.message(flow, "sip:%s@partner.example" % contact, back, sender="sip:dave@corp.example").status in (200, 202)
    assert partner.wait_body(back).get("type") == ("chat" if type == "chat" else None)


def test_what_the_phone_refused_gives_no_type(partner, user, flow):
    text, back = body("busy"), body("answered")
    user.answer = 486
    assert partner.wait_error(partner.say("refused", "dave@corp.example", text, type="chat", thread="lost"))
    user.answer = 200
    assert user.message(flow, "sip:refused@partner.example", back, sender="sip:dave@corp.example").status in (200, 202)
    got = partner.wait_body(back)
    assert got.get("type") is None and child_text(got, "thread") is None


def test_first_contact_has_no_type(partner, user, flow):
    text = body("stranger")
    assert user.message(flow, "sip:unheard@partner.example", text).status in (200, 202)
    got = partner.wait_body(text)
    assert got.get("type") in (None, "normal") and child_text(got, "thread") is None


def test_of_several_bodies_the_one_without_language_goes(partner, user):
    """[B4-12]"""
    text = body("plain")
    partner.send(message("alice@partner.example", "dave@corp.example", id="b1",
                         inner="<body xml:lang='de'>deutsch</body><body>%s</body><body xml:lang='fr'>francais</body>" % text))
    assert user.wait_text(text).text == text


def dropped(xfed):
    """By the gateway itself; its page has the edge's series too, with a label of their own."""
    return sum(value for name, labels, value in xfed.gateway.samples() if name == "xfed_dropped_total" and "edge" not in labels)


def test_what_has_no_body_becomes_no_request(xfed, partner, user):
    """[B4-11]: the next one shows that it was passed over and not queued."""
    since = user.said.mark()
    before = dropped(xfed)
    silent = [message("alice@partner.example", "dave@corp.example", inner="<composing xmlns='http://jabber.org/protocol/chatstates'/>"),
              message("alice@partner.example", "dave@corp.example"),
              message("alice@partner.example", "dave@corp.example", "breaking news", type="headline"),
              message("alice@partner.example", "dave@corp.example", "an error", type="error", id="x1",
                      inner="<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>")]
    for xml in silent:
        partner.send(xml)
    text = body("with a body")
    partner.say("alice", "dave@corp.example", text)
    user.wait_text(text, 10, since)
    assert [m.text for m in user.said.items[since:]] == [text]
    assert dropped(xfed) == before + len(silent)


@pytest.mark.parametrize("text, type, condition", [("never arrives", "groupchat", "service-unavailable"), (None, "chat", "not-acceptable")])
def test_refused_messages(partner, user, text, type, condition):
    """[B4-11]; a subject alone is something that somebody wrote."""
    since = user.said.mark()
    ident = "refused-%d" % next(numbers)
    partner.send(message("alice@partner.example", "dave@corp.example", text, id=ident, type=type, subject="a subject"))
    assert partner.wait_error(ident)[0] == condition
    assert user.said.mark() == since


@pytest.mark.parametrize("jid, uri", [
    ("o\\27brien@partner.example", "sip:o'brien@partner.example"),
    ("a\\26b@partner.example", "sip:a&b@partner.example"),
    ("tr\u00e4umer@partner.example", "sip:tr%C3%A4umer@partner.example"),
    ("with\\20blank@partner.example", "sip:with%20blank@partner.example"),
])
def test_addresses_cross_and_come_back(partner, user, flow, jid, uri):
    """[B2]: an address that crossed can be answered."""
    text = body("address")
    partner.send(message(jid + "/res", "dave@corp.example", text, id="a%d" % next(numbers)))
    assert user.wait_text(text).uri("from") == uri
    text = body("address")
    assert user.message(flow, uri, text).status in (200, 202)
    assert partner.wait_body(text).get("to") == jid


@pytest.mark.parametrize("status, condition, type", [
    (404, "item-not-found", "cancel"), (480, "recipient-unavailable", "wait"), (486, "recipient-unavailable", "wait"),
    (403, "forbidden", "auth"), (603, "recipient-unavailable", "wait"), (500, "internal-server-error", None),
    (503, "internal-server-error", "wait"), (413, "policy-violation", "modify"), (415, "not-acceptable", "modify"),
])
def test_sip_failures_reach_the_xmpp_sender(partner, user, status, condition, type):
    """RFC 7247 table 3, [B3-02]: the id is the stanza's, the addresses are turned round."""
    user.answer = status
    ident = "fail-%d" % next(numbers)
    partner.send(message("alice@partner.example/desk", "dave@corp.example", body("fails"), id=ident))
    got = partner.inbox.wait(lambda s: s.get("type") == "error" and s.get("id") == ident, 15)
    assert (got.get("from"), got.get("to")) == ("dave@corp.example", "alice@partner.example/desk")
    found = partner.wait_error(ident)
    assert found[0] == condition and (type is None or found[1] == type), found


def test_unknown_sip_user(partner, user, refusal):
    user.answer = 404
    with refusal("sip.user.unknown"):
        assert partner.wait_error(partner.say("alice", "nobody@corp.example", "x"))[:2] == ("item-not-found", "cancel")


def test_202_is_success(partner, user):
    user.answer = 202
    text = body("queued there")
    ident = partner.say("alice", "dave@corp.example", text)
    user.wait_text(text)
    partner.say("alice", "dave@corp.example", text + " behind")
    user.wait_text(text + " behind")
    assert not [s for s in partner.inbox.items if s.get("id") == ident]


def test_over_max_request(partner, user, refusal):
    since = user.said.mark()
    with refusal("sip.request.too-large"):
        before = body("before")
        partner.say("alice", "dave@corp.example", before)
        big = partner.say("alice", "dave@corp.example", "x" * 20000)
        assert partner.wait_error(big)[0] == "policy-violation"
    after = body("after")
    partner.say("alice", "dave@corp.example", after)
    user.wait_text(after, 10, since)
    assert [m.text for m in user.said.items[since:]] == [before, after]


def test_over_1300_bytes_to_a_next_hop_for_udp(partner, users):
    """[C3-02], RFC 3261 18.1.1: never more than 1300 bytes on UDP; TCP stands in for it."""
    user = users["corp2.example"]
    since = user.said.mark()
    large, fits = "x" * 1300 + body(""), "y" * 500 + body("")
    partner.say("alice", "dave@corp2.example", large)
    partner.say("alice", "dave@corp2.example", fits)
    got = user.said.wait_count(2, 20, since)
    assert [(m.text, "SIP/2.0/TCP" in m.get("via")) for m in got] == [(large, True), (fits, False)]


def test_over_1300_bytes_to_a_next_hop_that_takes_no_tcp(install, started, new_partner):
    """It is too large, its sender hears so, and TCP is not tried again for a moment; what fits goes on by UDP, and the hop is not down."""
    user = SipUser("corp2.example")
    user.listener.close()  # TCP is refused there, UDP is not
    inst = install("udp-only", users={"corp2.example": user})
    inst.list_partner("wide.example")
    started(inst)
    try:
        p = new_partner(inst, "wide.example")
        with Refusal(inst, "sip.request.too-large"):
            assert p.wait_error(p.say("alice", "dave@corp2.example", "x" * 1300))[0] == "policy-violation"
        mark = inst.gateway.process.mark()
        assert p.wait_error(p.say("alice", "dave@corp2.example", "z" * 1300))[0] == "policy-violation"
        p.say("alice", "dave@corp2.example", "fits")
        user.wait_text("fits")
        assert not [line for line in inst.gateway.process.lines[mark:] if "event=sip.closed" in line]  # not even tried
        # status asks the other servers of this gateway too, which do not run
        problem, = [x for x in inst.gateway.control("status")["problems"] if x["reason"] == "sip.request.too-large"]
        assert problem["reason"] == "sip.request.too-large" and "refuses TCP" in problem["text"] and str(user.port) in problem["text"], problem
        seconds = int(re.search(r"again in (\d+) s", problem["text"]).group(1))
        assert 0 < seconds <= 30, problem
        user.listener = Listener((user.address, user.port), user._serve, "sip-again")  # it takes TCP now: a reload is all it needs
        inst.reload()
        assert not [x for x in inst.gateway.control("status")["problems"] if x["reason"] == "sip.request.too-large"]
        p.say("alice", "dave@corp2.example", "y" * 1300)
        user.wait_text("y" * 1300)
    finally:
        inst.stop()
        user.close()


def test_100_in_a_row_keep_their_order_xmpp_to_sip(partner, user):
    since, errors = user.said.mark(), partner.inbox.mark()
    bodies = ["to sip %d" % i for i in range(100)]
    for text in bodies:
        partner.say("alice", "dave@corp.example", text)
    user.wait_text(bodies[-1], 30, since)
    assert [m.text for m in user.said.items[since:]] == bodies
    assert not [s for s in partner.inbox.items[errors:] if s.get("type") == "error"]


def test_one_request_at_a_time_for_one_recipient(partner, user):
    """RFC 3428 section 8: the next one goes out when the last one has its answer; other recipients do not wait."""
    user.answer = None
    since = user.said.mark()
    first, second, other = body("first"), body("second"), body("other")
    partner.say("alice", "queue@corp.example", first)
    held = user.wait_text(first, 10, since)
    partner.say("alice", "queue@corp.example", second)
    partner.say("alice", "other@corp.example", other)
    last = user.wait_text(other, 10, since)
    assert [m.text for m in user.said.items[since:]] == [first, other]
    user.answer = 200
    user.respond(last)
    user.respond(held)
    user.wait_text(second, 10, since)


def test_100_in_a_row_keep_their_order_sip_to_xmpp(partner, user, flow):
    partner.say("alice", "dave@corp.example", body("so that no answer is held"))
    since = partner.inbox.mark()
    bodies = ["to xmpp %d" % i for i in range(100)]
    statuses = {user.message(flow, "sip:alice@partner.example", text, sender="sip:dave@corp.example").status for text in bodies}
    assert statuses <= {200, 202}
    partner.wait_body(bodies[-1], 10, since)
    assert [child_text(s, "body") for s in partner.inbox.items[since:]] == bodies


@pytest.mark.parametrize("condition, type, status", [
    ("item-not-found", "cancel", 404), ("service-unavailable", "cancel", 480), ("recipient-unavailable", "wait", 480),
    ("forbidden", "auth", 403), ("resource-constraint", "wait", 480), ("remote-server-not-found", "cancel", 404),
])
def test_an_error_of_the_partner_becomes_the_answer(partner, user, flow, condition, type, status):
    """sip.error_hold: the answer waits a moment for an error stanza with the id of ours (RFC 7247 table 2)."""
    to = "sip:err%d@partner.example" % next(numbers)
    text = body("refuse me")
    answers = []
    asking = threading.Thread(target=lambda: answers.append(user.message(flow, to, text)))
    asking.start()
    got = partner.wait_body(text)
    partner.send(("<message type='error' id='%s' from='%s' to='%s'><error type='%s'><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
                  "</error></message>") % (got.get("id"), got.get("to"), got.get("from"), type, condition))
    asking.join(60)
    assert answers and answers[0].status == status, answers


@pytest.mark.parametrize("condition, status", [("feature-not-implemented", 501), ("forbidden", 403)])
def test_the_answer_to_a_repetition_is_the_first_one(xfed, partner, users, condition, status):
    """Its response was lost: what the contact's server has refused does not become a 200 when the request comes again."""
    user = users["corp2.example"]
    flow = user.dial(xfed.sip, "udp")
    text = body("again " + condition)
    raw, branch = user.request(flow, "MESSAGE", "sip:err%d@partner.example" % next(numbers), body=text, content_type="text/plain")
    answers = []
    asking = threading.Thread(target=lambda: answers.append(user.ask(flow, raw, branch)))
    asking.start()
    got = partner.wait_body(text)
    partner.send(("<message type='error' id='%s' from='%s' to='%s'><error type='cancel'><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
                  "</message>") % (got.get("id"), got.get("to"), got.get("from"), condition), "corp2.example")
    asking.join(60)
    assert answers and answers[0].status == status
    stray = flow.inbox.mark()
    flow.send(raw)
    assert flow.inbox.wait_count(1, 20, stray)[0].status == status


def test_an_error_with_a_foreign_id_changes_nothing(partner, user, flow):
    to, text = "sip:err%d@partner.example" % next(numbers), body("accept me")
    answers = []
    asking = threading.Thread(target=lambda: answers.append(user.message(flow, to, text)))
    asking.start()
    got = partner.wait_body(text)
    partner.send(("<message type='error' id='not-yours' from='%s' to='%s'><error type='cancel'><item-not-found "
                  "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>") % (got.get("to"), got.get("from")))
    asking.join(60)
    assert answers and answers[0].status in (200, 202)


def test_a_retransmission_is_one_message(xfed, partner, users):
    """[C2-02]: the same request again over UDP gets the same answer and no second stanza."""
    user = users["corp2.example"]
    flow = user.dial(xfed.sip, "udp")
    text = body("once")
    raw, branch = user.request(flow, "MESSAGE", "sip:alice@partner.example", body=text, content_type="text/plain")
    first = user.ask(flow, raw, branch)
    since, stray = partner.inbox.mark(), flow.inbox.mark()
    flow.send(raw)
    again = flow.inbox.wait_count(1, 10, stray)[0]
    assert (again.status, again.get("to")) == (first.status, first.get("to"))
    marker = body("marker")
    assert user.message(flow, "sip:alice@partner.example", marker).status in (200, 202)
    partner.wait_body(marker, 10, since)
    assert [child_text(s, "body") for s in partner.inbox.items[since:]] == [marker]


def test_the_same_request_by_another_way_is_one_message(xfed, partner, user, flow):
    """proto/delivery.md, Identity: Call-ID, tag, CSeq and URI know a request again after a fail-over, with a new branch."""
    text = body("by two ways")
    raw, branch = user.request(flow, "MESSAGE", "sip:alice@partner.example", body=text, content_type="text/plain")
    assert user.ask(flow, raw, branch).status in (200, 202)
    partner.wait_body(text)
    since = partner.inbox.mark()
    other = user.dial(xfed.sip)
    answer = user.ask(other, raw.replace(branch.encode(), b"z9hG4bKanother1"), "z9hG4bKanother1")
    assert answer.status in (200, 202)
    marker = body("marker")
    assert user.message(other, "sip:alice@partner.example", marker).status in (200, 202)
    partner.wait_body(marker, 10, since)
    assert [child_text(s, "body") for s in partner.inbox.items[since:]] == [marker]


def test_no_delivery_is_left_without_a_fate(xfed, partner):
    for daemon in (xfed.edge, xfed.gateway):
        assert daemon.metric("xfed_deliveries_unaccounted") == 0
        assert daemon.metric("xfed_deliveries_uncertain_total") == 0
