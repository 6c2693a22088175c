"""IM sessions of the Lync dialect, with a scripted client that does what captures of a real one show (proto/delivery.md, Sessions)."""
import os
import threading
import time

import pytest
from lync_lab import BOB, fe, jid, line, lync, partner, person, refusal, words  # noqa: F401

from harness.daemon import Refusal
from harness.installation import HOST, write
from harness.lync import AUDIO, OFFER, SDP, TYPING, LyncUser, tag_of, uri_of
from harness.proc import wait_until
from harness.sip import SipUser
from harness.sipmsg import response_to, token
from harness.xmpp import child_text

LYNC = {"name": "ly", "gateway": {"im": {"session_idle": "20s"}, "delivery": {"deadline": "45s"}}}


def sessions(inst):
    return inst.gateway.metric("xfed_sip_sessions")


def failure(inst, tools, mentions):
    """The newest failure whose text has the words."""
    found = wait_until("a failure that says " + mentions, lambda: [f for f in inst.gateway.control("failures", "list", partner="partner.example")[
        "failures"] if mentions in f["text"]], 20)
    return inst.gateway.ctl(tools, "failures", "show", str(found[0]["id"]), check=False)[1]


# ---- opened by either side ----

def test_opened_by_the_contact(partner, person):
    alice, one, two, back = person(), words("one"), words("two"), words("back")
    partner.say("bob", jid(alice), one)
    got = alice.wait_text(one)
    invite = alice.wait("INVITE")
    assert (invite.uri("from"), invite.uri("to")) == (BOB, alice.uri) and invite.get("content-type") == "application/sdp"
    assert "m=message " in invite.text and " sip null" in invite.text and "a=accept-types:text/plain" in invite.text
    assert "timer" not in (invite.get("supported") or "") and invite.get("ms-conversation-id")
    d = alice.dialogs[0]
    assert got.get("call-id") == invite.get("call-id") and got.start.split()[1] == alice.gruu[1:-1]
    assert got.get("route") == alice.routes() and got.get("content-type").startswith("text/plain")
    partner.say("bob", jid(alice), two)
    assert alice.wait_text(two).get("call-id") == d.call_id
    answer = alice.say(d, back)
    assert answer.status == 202 and answer.get("message-id")
    got = partner.wait_body(back)
    assert (got.get("from"), got.get("to")) == (jid(alice), "bob@partner.example")
    assert len(alice.dialogs) == 1


def test_opened_by_the_user(partner, person):
    alice, one, back = person(), words("one"), words("back")
    answer, d = alice.invite(BOB)
    assert answer.status == 200 and answer.get("record-route") == alice.routes()
    assert "m=message " in answer.text and "timer" not in (answer.get("supported") or "")
    assert alice.say(d, one).status == 202
    assert partner.wait_body(one).get("from") == jid(alice)
    partner.say("bob", jid(alice), back)
    assert alice.wait_text(back).get("call-id") == d.call_id
    assert alice.bye(d).status == 200


def test_the_media_name_of_the_client_is_answered(person):
    old = person(media="x-ms-message")
    answer, d = old.invite(BOB)
    assert "m=x-ms-message " in answer.text and "m=message" not in answer.text
    assert old.bye(d).status == 200


def test_after_bye_the_next_message_opens_another(partner, person):
    alice, one, two = person(), words("one"), words("two")
    _, d = alice.invite(BOB)
    partner.say("bob", jid(alice), one)
    alice.wait_text(one)
    alice.bye(d)
    partner.say("bob", jid(alice), two)
    assert alice.wait_text(two).get("call-id") == alice.dialogs[1].call_id
    assert alice.wait("INVITE").get("ms-conversation-id")


def test_a_hundred_each_way_in_order(partner, person):
    alice = person()
    out, back = [words("out") for _ in range(100)], [words("back") for _ in range(100)]
    since = alice.sip.inbox.mark()
    for text in out:
        partner.say("bob", jid(alice), text)
    alice.wait_text(out[-1], 30, since)
    assert [m.text for m in alice.sip.inbox.items[since:] if m.method == "MESSAGE"] == out
    assert len(alice.dialogs) == 1
    d, since = alice.dialogs[0], partner.inbox.mark()
    waiting = []
    for text in back:  # the client does not wait for answers
        raw, branch = alice.inside(d, "MESSAGE", body=text, content_type="text/plain; charset=UTF-8")
        waiting.append((raw, branch))
    answers = []
    threads = [threading.Thread(target=lambda r=raw, b=branch: answers.append(alice.sip.ask(alice.flow, r, b, 30))) for raw, branch in waiting[:1]]
    for t in threads:
        t.start()
    for raw, _ in waiting[1:]:
        alice.flow.send(raw)
    for t in threads:
        t.join()
    partner.wait_body(back[-1], 30, since)
    got = [child_text(s, "body") for s in partner.inbox.items[since:] if child_text(s, "body") in back]
    assert got == back and answers[0].status == 202


def test_a_re_invite_and_an_update_are_answered(partner, person):
    alice, text = person(), words("text")
    _, d = alice.invite(BOB, headers=[("Supported", "timer"), ("Session-Expires", "1800")])
    answer = alice.ask(d, "UPDATE", headers=[("Supported", "timer"), ("Session-Expires", "1800;refresher=uac")])
    assert answer.status == 200 and answer.get("session-expires") == "1800;refresher=uac"
    raw, branch = alice.inside(d, "INVITE", body="", headers=[("Supported", "timer"), ("Session-Expires", "1800;refresher=uac")])
    answer = alice.sip.ask(alice.flow, raw, branch)
    assert answer.status == 200 and "m=message " in answer.text
    alice.flow.send(alice.request("ACK", d.contact, d.peer, d.cseq, d.call_id, d.mine, d.theirs)[0])
    assert alice.say(d, text).status == 202
    partner.wait_body(text)


def test_a_refresh_in_the_moment_of_an_answer(partner, person):
    """The client answers a text, and refreshes with the same packet: the next text of the contact does not wait for anything."""
    alice, one, two = person(), words("one"), words("two")
    answered = []

    def answer(m):
        if m.method != "MESSAGE" or answered or one not in m.text:
            return 200
        answered.append(m)
        return None
    partner.say("bob", jid(alice), "first")
    alice.wait_text("first")
    alice.on_message = answer
    partner.say("bob", jid(alice), one)
    partner.say("bob", jid(alice), two)
    wait_until("the text that is not answered yet", lambda: answered, 20)
    d = alice.dialogs[0]
    raw, _ = alice.inside(d, "INVITE", body="")
    with alice.sip.lock:
        flow = alice.sip.held[answered[0].branch]
    flow.send(response_to(answered[0], 200, "OK") + raw)
    assert alice.wait_text(two, 30).get("call-id") == d.call_id


def test_whoever_calls_refreshes(person):
    alice = person()
    answer, d = alice.invite(BOB, headers=[("Supported", "timer"), ("Session-Expires", "1800")])
    assert answer.get("session-expires") == "1800;refresher=uac" and answer.get("require") == "timer"
    alice.bye(d)
    answer, d = alice.invite(BOB)
    assert answer.get("session-expires") is None and answer.get("require") is None
    alice.bye(d)


def test_an_idle_session_is_ended_and_opened_again(partner, person):
    alice, one, two = person(), words("one"), words("two")
    partner.say("bob", jid(alice), one)
    alice.wait_text(one)
    alice.wait("BYE", 60, what=lambda m: m.get("call-id") == alice.dialogs[0].call_id)
    partner.say("bob", jid(alice), two)
    assert alice.wait_text(two).get("call-id") == alice.dialogs[1].call_id


# ---- refused ----

@pytest.mark.parametrize("status, condition, code", [
    (404, "item-not-found", "sip.user.unknown"), (480, "recipient-unavailable", "sip.user.offline"), (486, None, None),
    (488, "not-acceptable", "sip.request.refused"), (503, None, "sip.server.error"), (603, None, "sip.user.declined"), (408, "remote-server-timeout", None)])
def test_an_invite_that_is_refused_refuses_what_waits(lync, partner, person, status, condition, code):
    alice = person()
    alice.on_invite = lambda m: status if len(alice.sip.inbox.items) and ready.wait(60) else status
    ready = threading.Event()
    ids = [words("id") for _ in range(3)]
    uncertain = lync.gateway.metric("xfed_deliveries_uncertain_total")
    for i in ids:
        partner.say("bob", jid(alice), "refuse me", id=i)
    ready.set()
    for i in ids:
        got = partner.wait_error(i)
        assert condition is None or got[0] == condition, got
        assert code is None or code in (got[2] or ""), got
    assert lync.gateway.metric("xfed_deliveries_uncertain_total") == uncertain
    alice.on_invite, text = 200, words("again")
    partner.say("bob", jid(alice), text)
    alice.wait_text(text)


def test_what_a_server_says_to_administrators(lync, partner, person, tools):
    """ms-diagnostics is in the log, among the failures and in status, and the contact hears nothing of it."""
    alice, mark = person(), lync.gateway.process.mark()
    said = [("ms-diagnostics", '1018;reason="Parsing\x07failure %s";source="fe.corp.example"' % alice.epid)]
    words_said = "ms-diagnostics 1018 of fe.corp.example: Parsing failure " + alice.epid
    for where, status in (("on_invite", 504), ("on_message", 405)):
        ident = words("id")
        setattr(alice, where, (status, said))
        partner.say("bob", jid(alice), "refuse me", id=ident)
        got = partner.wait_error(ident)
        assert alice.epid not in " ".join(str(x) for x in got), got
        setattr(alice, where, 200)
        line = lync.gateway.process.wait_line(r"event=delivery\.refused .*sip_status=%d .*%s" % (status, alice.epid), 20, mark)
        assert 'diagnostics="%s"' % words_said in line, line
    assert words_said in failure(lync, tools, alice.epid)
    hop = [h for h in lync.gateway.control("status", "")["sip"] if h.get("refusals")]
    assert hop[0]["refusals"]["status"] == 504 and hop[0]["refusals"]["text"] == words_said, hop
    assert words_said in lync.gateway.ctl(tools, "status", check=False)[1]
    answer, d = person("d" + alice.epid).invite(BOB)
    assert alice.ask(d, "BYE", headers=said).status == 200
    line = lync.gateway.process.wait_line(r"event=session\.ended .*" + d.call_id, 20, mark)
    assert 'diagnostics="%s"' % words_said in line, line


@pytest.mark.parametrize("status, condition", [(415, "not-acceptable"), (480, "recipient-unavailable"), (486, None), (500, "internal-server-error"),
                                               (403, None), (603, None)])
def test_a_message_that_is_refused_leaves_the_session(partner, person, status, condition):
    alice, ident, text = person(), words("id"), words("next")
    partner.say("bob", jid(alice), "first")
    alice.wait_text("first")
    alice.on_message = status
    partner.say("bob", jid(alice), "refuse me", id=ident)
    got = partner.wait_error(ident)
    assert condition is None or got[0] == condition, got
    alice.on_message = 200
    partner.say("bob", jid(alice), text)
    assert alice.wait_text(text).get("call-id") == alice.dialogs[0].call_id and len(alice.dialogs) == 1


def test_481_is_one_new_session_and_one_more_try(partner, person):
    alice, text, ident = person(), words("gone"), words("id")
    partner.say("bob", jid(alice), "first")
    alice.wait_text("first")
    gone = alice.dialogs[0]
    alice.on_message = lambda m: 481 if m.get("call-id") == gone.call_id else 200
    partner.say("bob", jid(alice), text, id=ident)
    alice.wait("MESSAGE", what=lambda m: m.text == text and m.get("call-id") != gone.call_id)
    assert len([m for m in alice.sip.inbox.items if m.method == "MESSAGE" and m.text == text]) == 2
    alice.on_message = 481
    partner.say("bob", jid(alice), "twice", id=ident + "x")
    assert partner.wait_error(ident + "x")
    assert len([m for m in alice.sip.inbox.items if m.method == "MESSAGE" and m.text == "twice"]) == 2


def test_408_is_uncertain_and_the_session_is_ended(partner, person):
    alice, ident, text = person(), words("id"), words("behind")
    partner.say("bob", jid(alice), "first")
    alice.wait_text("first")
    old, held = alice.dialogs[0], threading.Event()
    alice.on_message = lambda m: (408 if held.wait(60) else 408) if m.get("call-id") == old.call_id else 200
    partner.say("bob", jid(alice), "lost", id=ident)
    alice.wait_text("lost")
    partner.say("bob", jid(alice), text)
    held.set()
    error = partner.wait_error(ident)
    assert error[0] == "remote-server-timeout" and "may have been delivered" in error[2], error
    assert alice.wait_text(text).get("call-id") != old.call_id
    alice.wait("BYE", what=lambda m: m.get("call-id") == old.call_id)


# ---- the answer to the INVITE ----

def test_an_answer_that_comes_late_and_a_message_before_it(partner, person):
    alice, text, early = person(), words("wait"), words("early")
    alice.on_invite = None
    partner.say("bob", jid(alice), text)
    invite = alice.wait("INVITE")
    d = alice.dialog_of(invite)
    assert alice.say(d, early).status == 202
    assert partner.wait_body(early).get("from") == jid(alice)
    alice.answer_invite(invite, 200, d)
    assert alice.wait_text(text).get("call-id") == d.call_id


def test_nobody_answers_and_the_answer_comes_too_late(partner, person):
    """After delivery.deadline less Timer F the INVITE is cancelled; a 2xx that comes all the same is acknowledged and ended."""
    alice, ids, text = person(), [words("id") for _ in range(2)], words("then")
    alice.on_invite = None
    for i in ids:
        partner.say("bob", jid(alice), "nobody there", id=i)
    invite = alice.wait("INVITE")
    alice.sip.respond(invite, 180)
    for i in ids:
        error = partner.wait_error(i, 60)
        assert error[0] == "recipient-unavailable" and "sip.session.unanswered" in error[2], error
    alice.sip.raw.wait(lambda item: item[0].method == "CANCEL" and item[0].get("call-id") == invite.get("call-id"))
    late = alice.answer_invite(invite, 200)
    alice.wait("BYE", what=lambda m: m.get("call-id") == late.call_id)
    alice.on_invite = 200
    partner.say("bob", jid(alice), text)
    assert alice.wait_text(text).get("call-id") != late.call_id


def test_an_answer_after_ten_seconds_is_one(partner, person):
    alice, text = person(), words("slow")
    alice.on_invite = None
    partner.say("bob", jid(alice), text)
    invite = alice.wait("INVITE")
    t = threading.Timer(10, lambda: alice.answer_invite(invite, 200))
    t.start()
    assert alice.wait_text(text, 30).get("call-id") == invite.get("call-id")
    t.join()


def test_a_second_device_that_answers_gets_ack_and_bye(partner, person):
    alice, text = person(), words("forked")
    alice.on_invite = None
    partner.say("bob", jid(alice), text)
    invite = alice.wait("INVITE")
    first = alice.answer_invite(invite, 200)
    second = alice.answer_invite(invite, 200, alice.dialog_of(invite))
    assert alice.wait_text(text).get("to").endswith(";tag=" + first.mine)
    bye = alice.wait("BYE", what=lambda m: m.get("to").endswith(";tag=" + second.mine))
    assert bye.get("call-id") == second.call_id and first.is_open


def test_an_answer_without_messages_is_ended(partner, person):
    alice, ident = person(), words("id")
    alice.accepts = AUDIO
    partner.say("bob", jid(alice), "no text there", id=ident)
    assert "sip.session.media" in partner.wait_error(ident)[2]
    alice.wait("BYE")


def test_both_at_once_and_a_proxy_turns_the_two_round(lync, partner, person):
    """The BYE comes before the INVITE that it gives up."""
    alice, text = person(), words("ours")
    partner.say("bob", jid(alice), text)
    alice.wait_text(text)
    raw, d, branch = alice.start_invite(BOB)
    bye, bye_branch = alice.request("BYE", BOB, BOB, 2, d.call_id, d.mine)
    log, mark = lync.gateway.process.mark(), alice.flow.inbox.mark()
    assert alice.sip.ask(alice.flow, bye, bye_branch).status == 481
    alice.flow.send(raw)
    lync.gateway.process.wait_line("event=session.withdrawn .*call_id=" + d.call_id, 20, log)
    assert alice.say(alice.dialogs[0], words("own")).status == 202
    assert not [m for m in alice.flow.inbox.items[mark:] if m and m.is_response and m.branch == branch and m.status >= 200]


@pytest.mark.parametrize("is_answered_first", [True, False])
def test_both_at_once_and_the_client_gives_up_its_own(partner, person, is_answered_first):
    """Any answer to what it has given up would have it tell its user that the text was lost, and forget the dialog there is."""
    alice, text, own = person(), words("ours"), words("own")
    alice.on_invite = None
    partner.say("bob", jid(alice), text)
    invite = alice.wait("INVITE")
    raw, d, branch = alice.start_invite(BOB)
    mark = alice.flow.inbox.mark()
    alice.flow.send(raw)
    bye, bye_branch = alice.request("BYE", BOB, BOB, 2, d.call_id, d.mine)
    if is_answered_first:
        ours = alice.answer_invite(invite, 200)
    assert alice.sip.ask(alice.flow, bye, bye_branch).status == 200
    if not is_answered_first:
        ours = alice.answer_invite(invite, 200)
    assert alice.wait_text(text).get("call-id") == ours.call_id
    assert alice.say(ours, own).status == 202
    partner.wait_body(own)
    assert not [m for m in alice.flow.inbox.items[mark:] if m and m.is_response and m.branch == branch and m.status >= 200]


def test_both_at_once_and_the_client_waits(partner, person):
    alice, text = person(), words("waits")
    alice.on_invite = None
    partner.say("bob", jid(alice), text)
    alice.wait("INVITE")
    answer, d = alice.invite(BOB, timeout=30)
    assert answer.status == 200
    assert alice.wait_text(text).get("call-id") == d.call_id
    assert len([m for m in alice.sip.inbox.items if m.method == "MESSAGE" and m.text == text]) == 1


def test_a_second_invite_replaces_the_first(partner, person):
    alice, text = person(), words("replaced")
    _, first = alice.invite(BOB)
    _, second = alice.invite(BOB)
    alice.wait("BYE", what=lambda m: m.get("call-id") == first.call_id)
    partner.say("bob", jid(alice), text)
    assert alice.wait_text(text).get("call-id") == second.call_id


def test_bye_with_unanswered_messages(partner, person):
    """What was under way gets its answer; what waits goes in a new session."""
    alice, ident, text = person(), words("id"), words("later")
    _, d = alice.invite(BOB)
    alice.on_message = lambda m: None if m.get("call-id") == d.call_id else 200
    partner.say("bob", jid(alice), "under way", id=ident)
    under_way = alice.wait_text("under way")
    partner.say("bob", jid(alice), text)
    assert alice.bye(d).status == 200
    alice.sip.respond(under_way, 480)
    assert partner.wait_error(ident)[0] == "recipient-unavailable"
    assert alice.wait_text(text).get("call-id") != d.call_id


# ---- bodies, typing, late failures ----

STATES = "http://jabber.org/protocol/chatstates"
MULTIPART = ("--x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n--x\r\nContent-Type: text/html\r\n\r\n<b>no</b>\r\n--x--\r\n")


def chat_state(state):
    return "<%s xmlns='%s'/>" % (state, STATES)


def typing_of(stanza):
    return next((e.tag[len(STATES) + 2:] for e in stanza if e.tag.startswith("{%s}" % STATES)), None)


def test_bodies_of_this_dialect(partner, person):
    alice, one, two = person(), words("markup"), words("parts")
    _, d = alice.invite(BOB)
    assert alice.say(d, "<div><b>%s</b> &amp; more</div>" % one, content_type="text/html; charset=UTF-8").status == 202
    assert partner.inbox.wait(lambda s: (child_text(s, "body") or "").startswith(one), 10)
    assert alice.say(d, MULTIPART % two, content_type='multipart/alternative; boundary="x"').status == 202
    partner.wait_body(two)


def test_the_contact_types(partner, person):
    alice, text = person(), words("typed")
    partner.say("bob", jid(alice), "first", inner=chat_state("active"))
    alice.wait_text("first")
    since = alice.sip.inbox.mark()
    partner.say("bob", jid(alice), None, inner=chat_state("composing"))
    info = alice.wait("INFO", 10, since)
    assert 'status="type"' in info.text and info.get("call-id") == alice.dialogs[0].call_id
    assert info.get("content-type").split(";")[0] == "application/xml"
    again = alice.sip.inbox.mark()
    alice.wait("INFO", 10, again, lambda m: 'status="type"' in m.text)  # a client takes it back after 6 s
    since = alice.sip.inbox.mark()
    partner.say("bob", jid(alice), None, inner=chat_state("paused"))
    alice.wait("INFO", 10, since, lambda m: 'status="idle"' in m.text)
    partner.say("bob", jid(alice), text, inner=chat_state("active"))
    alice.wait_text(text)


def test_typing_before_there_is_a_session_opens_none(lync, partner, person):
    alice, text = person(), words("opens")
    dropped = lync.gateway.metric("xfed_dropped_total", rule="no-body") or 0
    partner.say("bob", jid(alice), None, inner=chat_state("composing"))
    partner.say("bob", jid(alice), text)
    alice.wait_text(text)
    wait_until("what was dropped is counted", lambda: lync.gateway.metric("xfed_dropped_total", rule="no-body") == dropped + 1, 20)
    assert len([m for m in alice.sip.inbox.items if m.method == "INVITE" and m.uri("to") == alice.uri]) == 1
    assert not [m for m in alice.sip.inbox.items if m.method == "INFO" and m.uri("to") == alice.uri]


def test_the_user_types(partner, person):
    alice = person()
    partner.say("bob", jid(alice), "first", inner=chat_state("active"))
    alice.wait_text("first")
    d, since = alice.dialogs[0], partner.inbox.mark()
    for _ in range(2):
        assert alice.ask(d, "INFO", body='<?xml version="1.0"?><KeyboardActivity> <status status="type" /></KeyboardActivity>',
                         content_type="application/xml").status == 200
    got = partner.inbox.wait(lambda s: typing_of(s) == "composing" and s.get("from") == jid(alice), 10, since)
    assert child_text(got, "body") is None and got.get("type") == "chat"
    partner.inbox.wait(lambda s: typing_of(s) == "paused" and s.get("from") == jid(alice), 20, since)  # nothing more for 6 s
    assert len([s for s in partner.inbox.items[since:] if typing_of(s) == "composing" and s.get("from") == jid(alice)]) == 1
    assert alice.ask(d, "INFO", body="<action name='conf'/>", content_type="application/xml").status == 415


def test_a_contact_that_says_nothing_of_typing_is_told_nothing(partner, person):
    alice, text = person(), words("plain")
    _, d = alice.invite(BOB)
    since = partner.inbox.mark()
    assert alice.ask(d, "INFO", body='<KeyboardActivity><status status="type"/></KeyboardActivity>', content_type="application/xml").status == 200
    assert alice.say(d, text).status == 202
    partner.wait_body(text)
    assert not [s for s in partner.inbox.items[since:] if typing_of(s)]


@pytest.mark.parametrize("condition, status", [("item-not-found", 404), ("service-unavailable", 404), ("not-acceptable", 415),
                                               ("policy-violation", 606), ("internal-server-error", 504)])
def test_what_the_contacts_server_refuses_has_the_status_whose_text_is_true(partner, person, condition, status):
    """408, 480 and 481 would end the session."""
    alice, text = person(), words("refused")
    _, d = alice.invite("sip:%s@partner.example" % words("c").replace(" ", ""))
    answers = []
    t = threading.Thread(target=lambda: answers.append(alice.say(d, text)))
    t.start()
    got = partner.wait_body(text)
    partner.send("<message from='%s' to='%s' id='%s' type='error'><error type='cancel'><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>" % (
        got.get("to"), got.get("from"), got.get("id"), condition))
    t.join()
    assert answers[0].status == status
    assert (" 309 " in " " + (answers[0].get("warning") or "")) == (status == 606)
    assert d.is_open


def lose(partner, user, text):
    """The contact's server says of that text, which has been answered, that there is no such user."""
    partner.send("<message from='bob@%s' to='%s' id='%s' type='error'><error type='cancel'><item-not-found xmlns='%s'/></error></message>" % (
        partner.domain, jid(user), partner.wait_body(text).get("id"), "urn:ietf:params:xml:ns:xmpp-stanzas"))


def test_a_late_error_is_a_notify_in_the_session(partner, person, refusal):
    alice, text = person(), words("lost")
    _, d = alice.invite(BOB)
    answer = alice.say(d, text)
    with refusal("xmpp.user.unknown"):
        lose(partner, alice, text)
        note = alice.wait("NOTIFY")
    assert note.get("content-type") == "application/ms-imdn+xml" and note.get("event") is None
    assert answer.get("message-id") in note.text and "<status>404</status>" in note.text and note.get("call-id") == d.call_id


def test_a_late_error_that_the_client_does_not_take_is_told_by_a_message(partner, person):
    """It has forgotten the dialog, as one that was started anew has: the next message finds that out too, and opens another."""
    alice, text = person(), words("lost")
    _, d = alice.invite(BOB)
    assert alice.say(d, text).status == 202
    alice.on_notify, alice.on_message = 481, lambda m: 481 if m.get("call-id") == d.call_id else 200
    lose(partner, alice, text)
    assert alice.wait("NOTIFY").get("call-id") == d.call_id
    told = alice.wait("MESSAGE", what=lambda m: "was not delivered" in m.text and m.get("call-id") != d.call_id)
    assert "xmpp.user.unknown" in told.text


def test_a_late_error_in_the_moment_the_session_ends(partner, person):
    """BYE and error come at once, in whatever order: the user is told by NOTIFY or by a message, and once."""
    alice = person()
    for _ in range(8):
        text, since = words("lost"), alice.sip.inbox.mark()
        _, d = alice.invite(BOB)
        answer = alice.say(d, text)
        partner.wait_body(text)
        raw, branch = alice.inside(d, "BYE")
        lose(partner, alice, text)
        assert alice.sip.ask(alice.flow, raw, branch).status == 200
        def tells(m):
            return m.method in ("NOTIFY", "MESSAGE") and m.uri("to") == alice.uri and (answer.get("message-id") in m.text or "not delivered" in m.text)
        alice.sip.inbox.wait(tells, 20, since)


# ---- bad input ----


LOST = ('<?xml version="1.0"?><imdn xmlns="http://schemas.microsoft.com/rtc/2005/08/imdn"><message-id>%s</message-id>'
        '<recipient uri="&lt;%s&gt;"><status>%d</status><entry><key>ms-diagnostics</key>'
        '<value>6001;source="fe.corp.example";reason="Gone %s"</value></entry></recipient></imdn>')


@pytest.mark.parametrize("method", ["NOTIFY", "MESSAGE", "INFO"])
def test_what_the_client_says_was_lost_is_told(lync, partner, person, refusal, method):
    """A text that was accepted with a Message-Id, and that the client says later has not been delivered: its sender hears of it once."""
    alice, text, ident, mark = person(), words("lost"), words("id"), lync.gateway.process.mark()
    name = token()
    alice.on_message = (202, [("Message-Id", name)])
    partner.say("bob", jid(alice), text, id=ident)
    alice.wait_text(text)
    d, lost = alice.dialogs[0], LOST % (name, alice.uri, 480, alice.epid)
    unknown = lync.gateway.metric("xfed_dropped_total", rule="imdn-unknown") or 0
    with refusal("sip.user.offline"):
        assert alice.ask(d, method, body=lost, content_type="application/ms-imdn+xml").status == 200
        got = partner.wait_error(ident)
    assert got[0] == "recipient-unavailable" and "sip.user.offline" in got[2] and alice.epid not in got[2], got
    line = lync.gateway.process.wait_line(r"event=delivery\.error-late .*" + alice.epid, 20, mark)
    assert 'diagnostics="ms-diagnostics 6001 of fe.corp.example: Gone %s"' % alice.epid in line, line
    for body in (lost, LOST % ("no", alice.uri, 480, "x")):     # a second time, and of no message of ours
        assert alice.ask(d, method, body=body, content_type="application/ms-imdn+xml").status == 200
    wait_until("both are counted", lambda: lync.gateway.metric("xfed_dropped_total", rule="imdn-unknown") == unknown + 2, 20)
    alice.on_message, text = 200, words("next")
    partner.say("bob", jid(alice), text)
    assert alice.wait_text(text).get("call-id") == d.call_id


def test_what_the_client_says_was_delivered_is_told_nobody(lync, partner, person):
    alice, text, ident = person(), words("fine"), words("id")
    alice.on_message = (202, [("Message-Id", "2")])
    partner.say("bob", jid(alice), text, id=ident)
    alice.wait_text(text)
    d = alice.dialogs[0]
    mark = len(partner.inbox.items)
    assert alice.ask(d, "NOTIFY", body=LOST.split("<recipient")[0] % "2" + "</imdn>", content_type="application/ms-imdn+xml").status == 200
    unread = lync.gateway.metric("xfed_dropped_total", rule="imdn-unread") or 0
    assert alice.ask(d, "NOTIFY", body="<imdn>", content_type="application/ms-imdn+xml").status == 200
    assert lync.gateway.metric("xfed_dropped_total", rule="imdn-unread") == unread + 1
    answer = alice.say(d, text)
    assert answer.status == 202 and partner.wait_body(text, since=mark)
    assert not [s for s in partner.inbox.items[mark:] if s.get("type") == "error"]


@pytest.mark.parametrize("name, kwargs, status, code", [
    ("no description", dict(sdp="", content_type=None), 488, "sip.session.description"),
    ("broken", dict(sdp="nothing of the kind"), 488, "sip.session.description"),
    ("audio", dict(sdp=AUDIO), 415, "sip.session.media"),
    ("a conference", dict(sdp="<Conferencing/>", content_type="application/ms-conf-invite+xml"), 415, "sip.session.content"),
])
def test_an_invite_that_offers_no_messages(person, refusal, name, kwargs, status, code):
    alice = person()
    with refusal(code):
        answer, d = alice.invite(BOB, **kwargs)
    assert answer.status == status and d is None
    assert (answer.get("accept") == "application/sdp") == (status == 415), answer


def test_what_is_taken_is_said(partner, person, fe):
    """Accept of a 415 and a 406 has all that would have been taken there, and not more."""
    alice = person()
    _, d = alice.invite(BOB)
    texts = "text/plain, multipart/alternative, text/html"
    inside = "application/im-iscomposing+xml, application/xml, text/xml, application/ms-imdn+xml"
    answer = alice.say(d, "{\\rtf1}", content_type="text/rtf")
    assert (answer.status, answer.get("accept")) == (415, texts + ", " + inside), answer
    answer = alice.ask(d, "INFO", body="x", content_type="application/dtmf")
    assert (answer.status, answer.get("accept")) == (415, inside), answer
    answer = fe.message(alice.flow, BOB, "{\\rtf1}", sender=alice.uri, content_type="text/rtf")
    assert (answer.status, answer.get("accept")) == (415, texts), answer
    raw, branch = alice.request("SUBSCRIBE", BOB, BOB, 1, token() + "x", token(), headers=[("Event", "presence"), ("Accept", "text/plain")])
    answer = alice.sip.ask(alice.flow, raw, branch)
    assert (answer.status, answer.get("accept")) == (
        406, "application/msrtc-event-categories+xml, text/xml+msrtc.pidf, application/pidf+xml"), answer


def test_a_text_that_is_too_large_is_no_type_that_is_taken(lync, partner, person, fe, certs):
    """Above 64 KiB nobody looks at what it says. 415 has the text that is true; a client of the standard dialect gets 413."""
    alice, text = person(), words("next")
    _, d = alice.invite(BOB)
    assert alice.say(d, "x" * 70000).status == 415
    assert alice.say(d, text).status == 202
    partner.wait_body(text)
    flow = fe.dial(lync.sips, "tls", certs.client("sip"), "fe.corp.example")
    assert fe.message(flow, BOB, "x" * 70000, sender="sip:carol@corp3.example").status == 413
    flow.close()


def test_require(person):
    answer, _ = person().invite(BOB, headers=[("Require", "com.microsoft.rtc-multiparty")])
    assert answer.status == 420 and answer.get("unsupported") == "com.microsoft.rtc-multiparty"


def test_what_policy_forbids_is_refused_at_the_invite(person, refusal):
    with refusal("policy.partner.unlisted"):
        answer, _ = person().invite("sip:eve@nobody.example")
    assert answer.status == 504 # "the service is not available"


def test_a_message_of_no_dialog_and_one_out_of_order(partner, person):
    alice, text = person(), words("order")
    _, d = alice.invite(BOB)
    assert alice.say(d, text).status == 202
    assert alice.say(d, "late", cseq=1).status == 500
    assert alice.say(d, "rich", content_type="text/rtf", cseq=9).status == 415
    alice.bye(d)
    assert alice.say(d, "gone").status == 481


def test_an_invite_that_is_never_acknowledged_disturbs_nobody(partner, person):
    alice, bob, text = person(), person(), words("fine")
    assert alice.invite(BOB, acks=False)[0].status == 200
    _, d = bob.invite(BOB)
    assert bob.say(d, text).status == 202
    partner.wait_body(text)


def test_clients_that_draw_the_same_numbers(partner, person):
    """Their Call-IDs and tags come from a generator that begins with the second of the start."""
    people, texts = [person(), person()], [words("same"), words("same")]
    for p, text in zip(people, texts):
        answer, d = p.invite(BOB, call_id=texts[0].replace(" ", "-"), mine="52054781")
        assert answer.status == 200
        assert p.say(d, text).status == 202
        assert partner.wait_body(text).get("from") == jid(p)


def test_a_hundred_sessions(lync, partner, person):
    before = sessions(lync)
    people = [person() for _ in range(100)]
    for p in people:
        partner.say("bob", jid(p), "to " + p.uri)
    for p in people:
        p.wait_text("to " + p.uri, 30)
    # on a slow machine some of these, or of those before, have been idle for too long meanwhile
    wait_until("each is counted", lambda: sessions(lync) >= sum(p.dialogs[0].is_open for p in people) > 0, 20)
    for p in people:
        assert p.bye(p.dialogs[0]).status == 200
    wait_until("they are gone", lambda: sessions(lync) <= before, 20)


def test_a_client_that_opens_sessions_without_end(lync, partner, person):
    alice, text = person(), words("end")
    for _ in range(50):
        answer, d = alice.invite(BOB)
        assert answer.status == 200
    partner.say("bob", jid(alice), text)
    assert alice.wait_text(text).get("call-id") == d.call_id


def test_one_partner_leaves_a_user_room_for_others(install, started, users):
    """Half of the sessions that a user may have: a partner has as many addresses as it likes."""
    sip = SipUser("corp.example")
    inst = install("ly-share", users=dict(users, **{"corp.example": sip}), gateway={"im": {"session_idle": "1h"}})
    inst.gateway_config["domains"][0]["dialect"] = "lync"
    inst.write_configs()
    for domain in ("greedy.example", "modest.example"):
        inst.list_partner(domain)
    started(inst)
    try:
        alice = LyncUser(sip, sip.dial(inst.sip))
        for i in range(500):
            assert alice.invite("sip:b%d@greedy.example" % i)[0].status == 200
        with Refusal(inst, "sip.session.limit"):
            assert alice.invite("sip:b500@greedy.example")[0].status >= 400
        assert alice.invite("sip:bob@modest.example")[0].status == 200
        alice.bye(alice.dialogs[0])
        assert alice.invite("sip:b500@greedy.example")[0].status == 200
    finally:
        inst.stop()
        sip.close()


def test_a_flood_of_texts_that_waits_for_no_answer(lync, partner, person):
    """Each has its answer, in order of arrival at the partner; what is too much is refused, and nobody else waits for it."""
    alice, other, text = person(), person(), words("beside")
    _, d = alice.invite(BOB)
    texts = [words("flood") for _ in range(400)]
    since, mark = partner.inbox.mark(), alice.flow.inbox.mark()
    for t in texts:
        alice.flow.send(alice.inside(d, "MESSAGE", body=t, content_type="text/plain; charset=UTF-8")[0])
    _, beside = other.invite(BOB)
    assert other.say(beside, text).status == 202
    partner.wait_body(text)
    def finals():
        return [m for m in alice.flow.inbox.items[mark:] if m and m.is_response and "MESSAGE" in m.get("cseq") and m.get("call-id") == d.call_id]
    wait_until("all are answered", lambda: len(finals()) == len(texts), 60)
    taken = sum(m.status < 300 for m in finals())
    got = [child_text(s, "body") for s in partner.inbox.items[since:] if child_text(s, "body") in texts]
    assert len(got) == taken and got == [t for t in texts if t in got]
    alice.bye(d)


def test_kill_of_the_gateway_in_the_middle(lync, partner, person):
    """What waited for its session goes in a new one, or is told; what was under way is uncertain; the dialogs of before are unknown."""
    alice, quiet = person(), person()
    partner.say("bob", jid(alice), "first")
    alice.wait_text("first")
    old = alice.dialogs[0]
    alice.on_message, quiet.on_invite = None, None
    lost, waiting = words("id"), words("id")
    partner.say("bob", jid(alice), "under way", id=lost)
    alice.wait_text("under way")
    text = words("waits")
    partner.say("bob", jid(quiet), text, id=waiting)
    quiet.wait("INVITE")
    lync.gateway.process.child.kill()
    lync.gateway.process.child.wait()
    alice.on_message, quiet.on_invite, since = 200, 200, alice.sip.inbox.mark()
    lync.gateway.start().wait_ready()
    lync.edge.wait_ready()
    error = partner.wait_error(lost, 60)
    assert "may have been delivered" in error[2], error
    quiet.wait_text(text, 60, since)
    again = words("again")
    partner.say("bob", jid(alice), again)
    assert alice.wait_text(again).get("call-id") != old.call_id
    alice.flow = alice.sip.dial(lync.sip)
    assert alice.say(old, "into the old one").status == 481
    alice.flow.close()


def test_stop_ends_the_sessions(install, started, users, new_partner):
    sip = SipUser("corp.example")
    inst = install("ly-stop", users=dict(users, **{"corp.example": sip}))
    inst.gateway_config["domains"][0]["dialect"] = "lync"
    inst.write_configs()
    inst.list_partner("stops.example")
    started(inst)
    try:
        mine = new_partner(inst, "stops.example")
        alice = LyncUser(sip, sip.dial(inst.sip))
        mine.say("bob", jid(alice), "hello")
        alice.wait_text("hello")
        inst.gateway.stop()
        alice.wait("BYE")
    finally:
        inst.stop()
        sip.close()


def test_a_server_that_asks_for_a_password(install, started, users, new_partner, tmp_path):
    """In the session too, and for its end; and what is sent twice for that is one message: the session ends when it is idle."""
    challenge = (407, [("Proxy-Authenticate", 'Digest realm="corp", nonce="n-1", algorithm=SHA-256, qop="auth"')])
    secret = tmp_path / "secret"
    secret.write_text("the password\n")
    secret.chmod(0o600)
    sip = SipUser("corp.example")
    inst = install("ly-auth", users=dict(users, **{"corp.example": sip}), gateway={"im": {"session_idle": "5s"}})
    inst.gateway_config["domains"][0].update(dialect="lync", auth={"username": "xfed", "password_file": str(secret)})
    inst.write_configs()
    inst.list_partner("asked.example")
    started(inst)
    try:
        mine = new_partner(inst, "asked.example")
        alice, nonces = LyncUser(sip, sip.dial(inst.sip)), []
        alice.on_invite = lambda m: 200 if m.get("proxy-authorization") else challenge

        def asks(nonce):
            return 407, [("Proxy-Authenticate", challenge[1][0][1].replace("n-1", nonce) + ", stale=true")]

        def judge(m):  # another nonce for the message, and for the BYE
            nonces.append(m.get("proxy-authorization") or "")
            return 200 if 'nonce="n-2"' in nonces[-1] else asks("n-2")
        alice.on_message = judge
        alice.on_bye = lambda m: 200 if 'nonce="n-3"' in m.get("proxy-authorization") else asks("n-3")
        mine.say("bob", jid(alice), "hello")
        alice.wait("MESSAGE", what=lambda m: 'nonce="n-2"' in (m.get("proxy-authorization") or ""))
        assert len(nonces) == 2
        alice.wait("BYE", 60)
        alice.wait("BYE", 20, what=lambda m: 'nonce="n-3"' in m.get("proxy-authorization"))
    finally:
        inst.stop()
        sip.close()


def test_what_is_not_sent_has_the_reason_of_page_mode(install, started, users, new_partner, dns):
    """A next hop that is not found, and a table of transactions that is full: the same words, whether an INVITE or a MESSAGE was to go."""
    sip = SipUser("corp.example")
    inst = install("ly-unsent", users=dict(users, **{"corp.example": sip}), gateway={"limits": {"transactions": 64}})
    lync_, page, lost = inst.gateway_config["domains"]
    for d in (page, lost):
        for key in ("next_hop", "tls_name", "peers", "udp_trusted"):
            d.pop(key, None)
        d.update(next_hop="sip:nowhere.example;transport=tcp", peer_addresses=[HOST])
    lync_["dialect"] = lost["dialect"] = "lync"
    inst.gateway_config["dns"] = {"servers": ["%s:%d" % dns.address[:2]]}
    inst.write_configs()
    inst.list_partner("asked.example")
    started(inst)
    sip.answer = lambda m: None  # nobody answers
    try:
        mine = new_partner(inst, "asked.example")
        mine.say("bob", "dave@" + page["domain"], "x", id="page")
        mine.say("bob", "dave@" + lost["domain"], "x", id="session")
        told = mine.wait_error("session", 60)
        assert told == mine.wait_error("page", 60) and "dns.name.missing" in told[2], told
        ids = ["full-%d" % n for n in range(80)]
        for n, ident in enumerate(ids):
            mine.say("bob", "u%d@corp.example" % n, "x", id=ident)
        told = mine.inbox.wait(lambda s: s.get("type") == "error" and s.get("id") in ids, 60)
        told = mine.wait_error(told.get("id"))
        assert "too many transactions" in told[2] and "delivery.queue.full" in told[2] and told[1] == "wait", told
    finally:
        inst.stop()
        sip.close()


def test_bye_before_a_refresh_is_answered(partner, person):
    """Both come in one piece; neither is left without an answer."""
    alice = person()
    _, d = alice.invite(BOB)
    again, one = alice.inside(d, "INVITE", body="")
    bye, two = alice.inside(d, "BYE")
    answers = {}
    waits = threading.Thread(target=lambda: answers.update(bye=alice.sip.ask(alice.flow, again + bye, two)))
    mark = alice.flow.inbox.mark()
    waits.start()
    final = alice.flow.inbox.wait(lambda m: m and m.is_response and m.branch == one and m.status >= 200, 20, mark)
    waits.join()
    assert answers["bye"].status == 200 and final.status in (200, 487)


def test_page_mode_beside_it(lync, partner, users, line):
    """Other domains of the same gateway go on in page mode."""
    dave, text = users["corp2.example"], words("page")
    partner.say("bob", "dave@corp2.example", text)
    assert dave.wait_text(text).start == "MESSAGE sip:dave@corp2.example SIP/2.0"


def test_an_invite_in_a_session_that_is_not_accepted_yet(partner, person):
    """It is no refresh: what waits goes on waiting for the client's answer to ours."""
    alice, text, mine = person(), words("early"), token()
    alice.on_invite = None
    partner.say("bob", jid(alice), text)
    invite = alice.wait("INVITE")
    contact, theirs = uri_of(invite.get("contact")), tag_of(invite.get("from"))
    raw, branch = alice.request("INVITE", contact, invite.uri("from"), 1, invite.get("call-id"), mine, theirs, body=OFFER % ("message", "null"),
                                content_type=SDP)
    assert alice.sip.ask(alice.flow, raw, branch).status == 491
    alice.flow.send(alice.request("ACK", contact, invite.uri("from"), 1, invite.get("call-id"), mine, theirs, branch=branch)[0])
    alice.answer_invite(invite, 200, alice.dialog_of(invite, mine))
    assert alice.wait_text(text).get("call-id") == invite.get("call-id")


def test_who_may_not_write_any_more_does_not_type_either(lync, partner, person):
    """In a session that is open already."""
    alice, path, since = person(), lync.dir + "/access.d/none.yaml", partner.inbox.mark()
    partner.say("bob", jid(alice), "first", inner=chat_state("active"))
    alice.wait_text("first")
    d = alice.dialogs[0]
    write(path, "name: None\nscope: user\nallowed: true\ngranted_to: [dave@corp2.example]\n")
    lync.reload()
    try:
        with Refusal(lync, "policy.access.user"):
            assert alice.say(d, "not from you").status == 504
        with Refusal(lync, "policy.access.user"):
            assert alice.ask(d, "INFO", body=TYPING % "type", content_type="application/xml").status == 504
    finally:
        os.unlink(path)
        lync.reload()
    text = words("again")
    assert alice.say(d, text).status == 202
    partner.wait_body(text)
    assert not [s for s in partner.inbox.items[since:] if typing_of(s) and s.get("from") == jid(alice)]


def test_a_contact_that_floods_typing_does_not_flood_the_client(partner, person):
    alice, text = person(), words("after")
    partner.say("bob", jid(alice), "first", inner=chat_state("active"))
    alice.wait_text("first")
    since = alice.sip.inbox.mark()
    for i in range(1000):
        partner.say("bob", jid(alice), None, inner=chat_state("paused" if i % 2 else "composing"))
    partner.say("bob", jid(alice), text)
    alice.wait_text(text, 30, since)
    assert 2 <= len([m for m in alice.sip.inbox.items[since:] if m.method == "INFO" and m.uri("to") == alice.uri]) <= 200


def test_a_client_that_floods_typing_does_not_flood_the_contact(partner, person):
    alice, text = person(), words("after")
    partner.say("bob", jid(alice), "first", inner=chat_state("active"))
    alice.wait_text("first")
    d, since, began = alice.dialogs[0], partner.inbox.mark(), time.monotonic()
    for i in range(300):
        assert alice.ask(d, "INFO", body=TYPING % ("idle" if i % 2 else "type"), content_type="application/xml").status == 200
    last, took = partner.inbox.mark(), time.monotonic() - began
    assert alice.ask(d, "INFO", body=TYPING % "type", content_type="application/xml").status == 200
    partner.inbox.wait(lambda s: typing_of(s) == "composing" and s.get("from") == jid(alice), 30, last)  # what is true at last is told
    assert alice.say(d, text).status == 202
    partner.wait_body(text, 30, since)
    told = [s for s in partner.inbox.items[since:] if typing_of(s) == "composing" and s.get("from") == jid(alice)]
    assert 1 <= len(told) <= took + 3, (len(told), took)


# ---- who may speak in a session ----

def test_only_a_peer_of_the_domain_speaks_in_a_session(lync, partner, person, fe, certs):
    """Whoever may send as another domain, and knows all of the dialog, can neither end nor refresh it, nor say anything in it."""
    alice, text = person(), words("still there")
    _, d = alice.invite(BOB)
    own, alice.flow = alice.flow, fe.dial(lync.sips, "tls", certs.client("sip"), "fe.corp.example")  # that of corp3.example
    for method, kwargs in (("BYE", {}), ("UPDATE", {}), ("INVITE", dict(body=OFFER % ("message", "null"), content_type=SDP)), ("NOTIFY", {}),
                           ("INFO", dict(body=TYPING % "type", content_type="application/xml")), ("MESSAGE", dict(body="no", content_type="text/plain"))):
        with Refusal(lync, "sip.sender.untrusted"):
            assert alice.ask(d, method, **kwargs).status == 403, method
    alice.flow.close()
    alice.flow = own
    assert alice.say(d, text).status == 202
    partner.wait_body(text)
    assert alice.bye(d).status == 200


# ---- sip list ----

def test_sip_list(lync, partner, person, fe, tools):
    """Connections, sessions and transactions, in pages that go on where what the page before ended with is gone."""
    def ask(*words_, **kwargs):
        return lync.gateway.ctl(tools, "sip", "list", *words_, **kwargs)

    def mine(d):
        return [s for s in ask("kind=session", "limit=1000", as_json=True)["sip"] if s.get("call_id") == d.call_id]
    alice, carol = person(), person()
    _, first = alice.invite(BOB)
    text = words("listed")
    partner.say("bob", jid(carol), text)
    carol.wait_text(text)
    second = carol.dialogs[0]
    (one,), (two,) = mine(first), mine(second)
    assert (one["user"], one["contact"], one["opened_by"], one["state"]) == (jid(alice), "bob@partner.example", "user", "open"), one
    assert (two["user"], two["opened_by"], two["state"], two["under_way"]) == (jid(carol), "contact", "open", 0), two
    # what continues after the first one is the second, also when the first one is over
    for _ in range(2):
        page = lync.gateway.control("sip", "list", kind="session", limit=1, after="session %d" % one["id"])
        assert page["sip"] == [mine(second)[0]] and page["counts"]["sessions"] >= 1, page
        if first.is_open:
            assert alice.bye(first).status == 200
            wait_until("the first session is over", lambda: not mine(first), 20)
    # a message that nobody answers is a transaction, and under way in its session
    carol.on_message, text = None, words("silent")
    partner.say("bob", jid(carol), text)
    sent = carol.wait_text(text)
    found = [t for t in ask("kind=transaction", "limit=5000", as_json=True)["sip"] if t.get("call_id") == sent.get("call-id") and t["state"] == "trying"]
    assert [(t["direction"], t["method"], t["transport"]) for t in found] == [("out", "MESSAGE", "TCP")], found
    assert mine(second)[0]["under_way"] == 1
    peer = "%s:%d" % alice.flow.local
    found = [c for c in ask(as_json=True)["sip"] if c["kind"] == "connection" and c["address"] == peer]
    assert [(c["direction"], c["transport"], c["state"], c["trusted"], c["neighbour"]) for c in found] == [("in", "TCP", "open", True, False)], found
    flow = fe.held[sent.branch]
    flow.send(response_to(sent, 200))
    shown = ask("limit=1")
    assert shown.startswith("in all: ") and 'there are more: sip list --after "connection ' in shown, shown
    whole = lync.gateway.control("sip", "list", limit=500)
    kinds = [i["kind"] for i in whole["sip"]]
    assert kinds == sorted(kinds) and set(kinds) == {"connection", "session", "transaction"}, kinds
    for after in ("session", "session x", "call 1", "session 1 2", " 1"):
        assert lync.gateway.ask("sip", "list", after=after)["error"]["code"] == "bad-request", after
    assert lync.gateway.ask("sip", "list", kind="connection", after="session 1")["error"]["code"] == "bad-request"
