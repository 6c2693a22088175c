"""How deliveries end that neither side answered in the ordinary way (proto/delivery.md: Fates, Time)."""
import itertools
import threading
import time

from harness.proc import wait_until
from harness.proxy import HostileProxy
from harness.sip import SipUser

numbers = itertools.count(1)


def error_for(got, condition="item-not-found", text=""):
    words = "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>%s</text>" % text if text else ""
    return ("<message type='error' id='%s' from='%s' to='%s'><error type='cancel'><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>%s"
            "</error></message>") % (got.get("id"), got.get("to"), got.get("from"), condition, words)


def test_an_error_after_the_answer_reaches_the_user_as_a_message(partner, user, flow, refusal):
    """[B4-06]: the 200 has gone, so the contact's address says that the message was lost, and why."""
    to, text = "sip:late%d@partner.example" % next(numbers), "late %d" % next(numbers)
    assert user.message(flow, to, text, sender="sip:dave@corp.example").status == 200  # after error_hold
    got = partner.wait_body(text)
    since = user.said.mark()
    with refusal("xmpp.user.unknown"):
        partner.send(error_for(got, text="nobody of that name"))
        note = user.said.wait(lambda m: m.uri("from") == to, 10, since)
    assert "not delivered" in note.text and "nobody of that name" in note.text and "xmpp.user.unknown" in note.text
    partner.send(error_for(got))  # a second one says nothing new
    partner.say("late", "dave@corp.example", "the end %s" % text)
    user.wait_text("the end %s" % text, since=since)
    assert len([m for m in user.said.items[since:] if m.uri("from") == to]) == 1


def test_an_error_from_another_domain_is_no_word_about_it(xfed, partner, listed, user, flow):
    """Who knows an id of ours and is somebody else changes neither the answer nor what the user is told."""
    other = listed("meddler%d.example" % next(numbers))
    to, text = "sip:quiet%d@partner.example" % next(numbers), "quiet %d" % next(numbers)
    answers = []
    asking = threading.Thread(target=lambda: answers.append(user.message(flow, to, text, sender="sip:dave@corp.example").status))
    before = xfed.gateway.metric("xfed_dropped_total", rule="type-error")
    asking.start()
    got = partner.wait_body(text)
    other.send(error_for(got).replace("@partner.example", "@" + other.domain))
    asking.join(60)
    assert answers == [200]
    wait_until("the drop by rule", lambda: xfed.gateway.metric("xfed_dropped_total", rule="type-error") > before, 10)


def test_a_connection_lost_after_the_request_is_uncertain_and_not_repeated(install, started, new_partner):
    """Attempts, rule 3: what was written may have been delivered. The sender is told so, and nobody sends it again."""
    user = SipUser("corp.example")
    inst = install("broken", users={"corp.example": user})
    inst.list_partner("broken.example")
    started(inst)
    try:
        p = new_partner(inst, "broken.example")
        user.answer = None
        ident = p.say("alice", "dave@corp.example", "lost in the middle", id="u1")
        request = user.wait_text("lost in the middle")
        user.held[request.branch].close()
        condition, _, text = p.wait_error(ident)
        assert condition == "remote-server-timeout" and "may have been delivered" in text
        user.answer = 200
        p.say("alice", "dave@corp.example", "the next one")
        user.wait_text("the next one")
        assert [m.text for m in user.said.items] == ["lost in the middle", "the next one"]
        for daemon in (inst.edge, inst.gateway):
            assert daemon.metric("xfed_deliveries_uncertain_total") == 1, daemon.name
    finally:
        inst.stop()
        user.close()


def test_a_gateway_that_stops_settles_first(install, started, new_partner):
    """SIGTERM: no new work, what is in flight gets its fate on both sides, exit status 0."""
    user = SipUser("corp.example")
    inst = install("leaving", users={"corp.example": user})
    inst.list_partner("leaving.example")
    started(inst)
    try:
        p = new_partner(inst, "leaving.example")
        flow = user.dial(inst.sip)
        p.say("alice", "dave@corp.example", "hello")
        user.wait_text("hello")
        user.answer = None
        first = p.say("alice", "dave@corp.example", "in flight", id="l1")
        request = user.wait_text("in flight")
        second = p.say("alice", "dave@corp.example", "behind it", id="l2")
        wait_until("both", lambda: inst.gateway.metric("xfed_deliveries_in_flight") == 2, 10)
        mark = inst.gateway.process.mark()
        inst.gateway.process.child.terminate()
        inst.gateway.process.wait_line("event=service.state state=draining", 5, mark)
        refused = user.message(flow, "sip:alice@leaving.example", "too late", sender="sip:dave@corp.example")
        assert refused.status == 503 and refused.get("retry-after")
        user.respond(request, 404)
        assert p.wait_error(first)[0] == "item-not-found"
        user.respond(user.wait_text("behind it"), 486)
        assert p.wait_error(second)[0] == "recipient-unavailable"
        assert inst.gateway.process.child.wait(60) == 0
    finally:
        inst.stop()
        user.close()


def test_who_was_written_to_and_who_is_there_outlive_a_restart(install, started, new_partner):
    """A public partner's contact may go on answering; one that has written is not waited for again (error_hold)."""
    user = SipUser("corp.example")
    inst = install("again", users={"corp.example": user}, gateway={"sip": {"error_hold": "10s"}})
    inst.list_partner("known.example")
    inst.list_partner("public2.example", partner_type="public-unverified")
    started(inst)
    try:
        known, public = new_partner(inst, "known.example"), new_partner(inst, "public2.example")
        flow = user.dial(inst.sip)
        known.say("alice", "dave@corp.example", "I am here")
        user.wait_text("I am here")
        assert user.message(flow, "sip:alice@known.example", "hello", sender="sip:dave@corp.example").status == 200
        raw, _ = user.request(flow, "MESSAGE", "sip:alice@public2.example", body="hello", content_type="text/plain", sender="sip:dave@corp.example")
        flow.send(raw)
        public.wait_body("hello")  # its answer is held; the end of the service answers it
        inst.gateway.stop()
        inst.gateway.start().wait_ready()
        flow = user.dial(inst.sip)
        began = time.monotonic()
        assert user.message(flow, "sip:alice@known.example", "again", sender="sip:dave@corp.example").status == 200
        assert time.monotonic() - began < 9.5, "held for an error"
        public.say("alice", "dave@corp.example", "may I?")
        user.wait_text("may I?")
        assert public.wait_error(public.say("mallory", "dave@corp.example", "spam"))[0] == "service-unavailable"
    finally:
        inst.stop()
        user.close()


def test_a_repetition_at_a_new_run_without_a_channel_is_uncertain(install, started, new_partner):
    """Over UDP it may have been handed over by the run before; a plain refusal would be a wrong word to its sender."""
    user = SipUser("corp2.example")
    inst = install("reborn", users={"corp2.example": user})
    proxy = HostileProxy(inst.channel)
    inst.gateway_config["edges"][0]["address"] = "127.0.0.1:%d" % proxy.port
    inst.write_configs()
    inst.list_partner("reborn.example")
    started(inst)
    try:
        p = new_partner(inst, "reborn.example")
        flow = user.dial(inst.sip, "udp")
        raw, branch = user.request(flow, "MESSAGE", "sip:amy@reborn.example", body="once", sender="sip:dave@corp2.example", content_type="text/plain")
        assert user.ask(flow, raw, branch).status == 200
        p.wait_body("once")
        inst.gateway.process.child.kill()
        inst.gateway.process.child.wait()
        proxy.refuses = True
        inst.gateway.start()
        wait_until("its pages", lambda: inst.gateway.get("/healthz")[0] == 200, 20, inst.gateway.process)
        repeated = user.ask(flow, raw, branch)
        assert (repeated.status, repeated.start) == (504, "SIP/2.0 504 May Have Been Delivered")
        stream = user.dial(inst.sip)
        fresh = user.message(stream, "sip:amy@reborn.example", "twice", sender="sip:dave@corp2.example")
        assert fresh.start == "SIP/2.0 504 Server Time-out"  # who repeats over TCP does it on another connection, as another request
        proxy.refuses = False
        inst.gateway.wait_ready()
        assert user.message(stream, "sip:amy@reborn.example", "at last", sender="sip:dave@corp2.example").status == 200
        p.wait_body("at last")
        assert [s.find("{jabber:server}body").text for s in p.inbox.items] == ["once", "at last"]
    finally:
        inst.stop()
        proxy.close()
        user.close()


def test_errors_wait_for_a_partner_that_cannot_be_reached(xfed, listed, dns, user):
    """They are the only word their senders get: an attempt that fails, and the pause after it, do not end them."""
    p = listed("away.example")
    proxy = HostileProxy(("127.0.0.1", p.port))
    dns.xmpp("away.example", ("xmpp.away.example", proxy.port, "127.0.0.1"))
    proxy.refuses = True
    user.answer = 404
    try:
        mark = xfed.edge.process.mark()
        first = p.say("alice", "nobody@corp.example", "first %d" % next(numbers), id="away1")
        xfed.edge.process.wait_line("event=s2s.out-failed partner=away.example", 10, mark)
        second = p.say("alice", "nobody@corp.example", "second %d" % next(numbers), id="away2")
        xfed.edge.process.wait_line("event=delivery.refused partner=away.example .*id=away2", 10, mark)
        proxy.refuses = False
        for ident in (first, second):
            assert p.wait_error(ident, 20)[0] == "item-not-found"
        assert [s.get("id") for s in p.inbox.items] == [first, second]
    finally:
        proxy.close()


def test_outcomes_do_not_wait_for_a_quiet_second(install, started, new_partner):
    """The edge that had a message was killed: its sender is told soon after the next run has linked, however busy the gateway is."""
    user = SipUser("corp.example")
    inst = install("busy", users={"corp.example": user}, gateway={"sip": {"answer_within": "30s"}})
    inst.list_partner("busy.example")
    started(inst)
    is_over = threading.Event()
    answers = []
    try:
        p = new_partner(inst, "busy.example")
        silent = threading.Event()
        p.at["header"] = lambda stream, go_on: silent.wait(60)
        flow, other = user.dial(inst.sip), user.dial(inst.sip)
        asking = threading.Thread(target=lambda: answers.append(user.message(flow, "sip:amy@busy.example", "x", sender="sip:dave@corp.example", timeout=60)))
        began = time.monotonic()
        asking.start()
        p.wait_event("header")  # the edge has it, and waits for the partner

        def be_busy():
            while not is_over.wait(0.2):
                raw, branch = user.request(other, "OPTIONS", "sip:fe.corp.example", sender="sip:dave@corp.example")
                user.ask(other, raw, branch, 5)
        busy = threading.Thread(target=be_busy)
        busy.start()
        inst.edge.process.child.kill()
        inst.edge.process.child.wait()
        inst.edge.start().wait_ready()
        wait_until("the answer", lambda: answers, 5)
        assert time.monotonic() - began < 25  # not the gateway's own, at the end of answer_within
        assert answers[0].start == "SIP/2.0 504 May Have Been Delivered"
        silent.set()
    finally:
        is_over.set()
        inst.stop()
        user.close()
