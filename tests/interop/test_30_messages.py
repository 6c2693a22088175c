"""Messages in both directions through both daemons, between real users (RFC 7572; requirements B4, A5)."""
import pytest

from lab.bodies import BODIES, normal

BURST = 200


def arrived_at_sip(user, body, timeout=15, since=0):
    return user.inbox.wait(lambda m: normal(m.text) == normal(body), timeout, since)


def arrived_at_xmpp(user, body, timeout=15, since=0):
    return user.inbox.wait(lambda m: m.type != "error" and m.body is not None and normal(m.body) == normal(body),
                           timeout, since)


def test_first_message_each_way_logs_in_with_external_both_ways(lab, xfed, alice, dave):
    mark = lab.partner.process.mark()
    alice.send("dave@corp.example", "hello Dave")
    dave.wait_text("hello Dave", 20)
    assert dave.message("sip:alice@partner.example", "hello Alice").status in (200, 202)
    alice.wait_body("hello Alice", 20)
    # the partner's own word for it
    lab.partner.process.wait_line("SASL EXTERNAL with corp.example succeeded", 5, mark)
    lab.partner.process.wait_line("Accepting SASL EXTERNAL identity from corp.example", 5, mark)
    # and ours
    for direction in ("in", "out"):
        have = [(labels, value) for name, labels, value in xfed.edge.samples()
                if name == "xfed_s2s_auth_total" and labels.get("partner") == "partner.example"
                and labels.get("direction") == direction and value > 0]
        assert [labels["method"] for labels, _ in have] == ["external"], (direction, have)
        mine = [s for s in xfed.streams_of("partner.example") if s["direction"] == direction]
        assert mine and all(s.get("method") == "external" for s in mine), (direction, xfed.streams())


@pytest.mark.parametrize("name", BODIES)
def test_body_xmpp_to_sip(xfed, alice, dave, name):
    since = dave.inbox.mark()
    sent = alice.send("dave@corp.example", BODIES[name])
    got = arrived_at_sip(dave, BODIES[name], since=since)
    assert got.uri("from") == "sip:alice@partner.example"
    assert got.uri("to") == "sip:dave@corp.example"
    assert got.get("content-type").replace(" ", "").lower() == "text/plain;charset=utf-8"  # B4-14
    assert got.get("contact") is None                                                    # B4-09
    assert not [m for m in alice.inbox.items if m.type == "error" and m.id == sent]


@pytest.mark.parametrize("name", BODIES)
def test_body_sip_to_xmpp(xfed, alice, dave, name):
    since = alice.inbox.mark()
    response = dave.message("sip:alice@partner.example", BODIES[name])
    assert response.status in (200, 202), response.start
    assert response.body == b"" and response.get("contact") is None                      # B4-09
    got = arrived_at_xmpp(alice, BODIES[name], since=since)
    assert got.sender.split("/")[0] == "dave@corp.example"
    assert got.to.split("/")[0] == "alice@partner.example"


def test_sip_user_on_udp(lab, xfed, alice):
    erin = lab.user("erin")
    alice.send("erin@corp.example", "über UDP")
    erin.wait_text("über UDP", 15)
    assert erin.message("sip:alice@partner.example", "zurück").status in (200, 202)
    assert alice.wait_body("zurück").sender.split("/")[0] == "erin@corp.example"


def test_over_max_request_is_refused_to_its_sender_and_harms_no_other(xfed, alice, dave, refusal):
    since = dave.inbox.mark()
    with refusal("sip.request.too-large"):
        small = alice.send("dave@corp.example", "before the big one")
        big = alice.send("dave@corp.example", "x" * 20000)
        error = alice.wait_error(big)
    assert error.condition == "policy-violation"
    assert error.sender.split("/")[0] == "dave@corp.example"
    alice.send("dave@corp.example", "after the big one")
    dave.wait_text("after the big one", 15, since)
    assert [m.text for m in dave.inbox.items[since:]] == ["before the big one", "after the big one"]
    assert not [m for m in alice.inbox.items if m.type == "error" and m.id == small]


def test_subject_and_language_xmpp_to_sip(xfed, alice, dave):
    since = dave.inbox.mark()
    alice.send("dave@corp.example", "Grüezi", subject="Gruß & Kuß", lang="de-CH")
    got = arrived_at_sip(dave, "Grüezi", since=since)
    assert got.get("subject") == "Gruß & Kuß"
    assert got.get("content-language") == "de-CH"                                        # B4-03


def test_subject_and_language_sip_to_xmpp(xfed, alice, dave):
    since = alice.inbox.mark()
    assert dave.message("sip:alice@partner.example", "bonjour", subject="salut <&>", lang="fr").status in (200, 202)
    got = arrived_at_xmpp(alice, "bonjour", since=since)
    assert (got.subject, got.lang) == ("salut <&>", "fr")


def test_thread_and_type_come_back(xfed, alice, dave):
    """B4-07 as adopted: the Call-ID is new for each delivery, the pair's thread is given back; B4-01: so is the type."""
    since = dave.inbox.mark()
    alice.send("dave@corp.example", "thread one", thread="thread with blanks é")
    alice.send("dave@corp.example", "thread two", thread="thread with blanks é")
    one, two = arrived_at_sip(dave, "thread one", since=since), arrived_at_sip(dave, "thread two", since=since)
    assert one.get("call-id") != two.get("call-id")
    back = alice.inbox.mark()
    assert dave.message("sip:alice@partner.example", "same thread").status in (200, 202)
    got = arrived_at_xmpp(alice, "same thread", since=back)
    assert (got.thread, got.type) == ("thread with blanks é", "chat")
    alice.send("dave@corp.example", "no chat", type="normal", thread="n-1")
    arrived_at_sip(dave, "no chat", since=since)
    assert dave.message("sip:alice@partner.example", "normal too").status in (200, 202)
    got = arrived_at_xmpp(alice, "normal too", since=back)
    assert (got.thread, got.type) in (("n-1", "normal"), ("n-1", None))


def test_messages_without_body_do_not_become_empty_requests(xfed, alice, dave):
    """B4-11: a stanza that carries no body is no MESSAGE; the next one shows that it was passed over, not queued."""
    since = dave.inbox.mark()
    alice.send("dave@corp.example", None, subject=None)
    alice.send("dave@corp.example", "with a body")
    dave.wait_text("with a body", 15, since)
    assert [m.text for m in dave.inbox.items[since:]] == ["with a body"]


def test_burst_keeps_its_order_xmpp_to_sip(xfed, alice, dave):
    since, errors = dave.inbox.mark(), alice.inbox.mark()
    bodies = ["to sip %d" % i for i in range(BURST)]
    for body in bodies:
        alice.send("dave@corp.example", body)
    dave.wait_text(bodies[-1], 60, since)
    assert [m.text for m in dave.inbox.items[since:]] == bodies
    assert not [m for m in alice.inbox.items[errors:] if m.type == "error"]


def test_burst_keeps_its_order_sip_to_xmpp(xfed, alice, dave):
    alice.send("dave@corp.example", "so that no answer is held back for an error")
    dave.wait_text("so that no answer is held back for an error")
    since = alice.inbox.mark()
    bodies = ["to xmpp %d" % i for i in range(BURST)]
    statuses = dave.messages("sip:alice@partner.example", bodies, 60)
    assert set(statuses) <= {200, 202}, statuses
    alice.wait_body(bodies[-1], 20, since)
    assert [m.body for m in alice.inbox.items[since:]] == bodies


def test_no_delivery_is_left_without_a_fate(xfed):
    for daemon in (xfed.edge, xfed.gateway):
        assert daemon.metric("xfed_deliveries_unaccounted") == 0
        assert daemon.metric("xfed_deliveries_uncertain_total") == 0
