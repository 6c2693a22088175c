"""
Both error tables of RFC 7247 section 7 with this project's decisions ([B3]), a row each: what the SIP user answers as the
XMPP sender sees it, at a federated and at a public partner; what the contact's server answers as the SIP user sees it; and
an error that comes after the answer. The tables are written down here once more, from the standard and the decisions.
"""
import concurrent.futures
import itertools

import pytest

from harness.xmpp import APP_ERRORS, SERVER, STANZA_ERRORS, child_text, error_of, message

numbers = itertools.count(1)

# RFC 6120 section 8.3.3; where it allows several types, the first.
TYPES = {"bad-request": "modify", "conflict": "cancel", "feature-not-implemented": "cancel", "forbidden": "auth", "gone": "cancel",
         "internal-server-error": "cancel", "item-not-found": "cancel", "jid-malformed": "modify", "not-acceptable": "modify",
         "not-allowed": "cancel", "not-authorized": "auth", "policy-violation": "modify", "recipient-unavailable": "wait",
         "redirect": "modify", "registration-required": "auth", "remote-server-not-found": "cancel",
         "remote-server-timeout": "wait", "resource-constraint": "wait", "service-unavailable": "cancel",
         "subscription-required": "auth", "undefined-condition": "cancel", "unexpected-request": "wait"}

# RFC 7247 table 3, with 477 and 478 of Kamailio and one unlisted code of each class. Redirections without an address that the
# partner may know are recipient-unavailable: <redirect/> has to carry one.
STATUSES = {
    300: "recipient-unavailable", 301: "gone", 302: "recipient-unavailable", 305: "recipient-unavailable", 380: "not-acceptable",
    399: "recipient-unavailable",
    400: "bad-request", 401: "not-authorized", 402: "bad-request", 403: "forbidden", 404: "item-not-found",
    405: "feature-not-implemented", 406: "not-acceptable", 407: "registration-required", 408: "remote-server-timeout", 410: "gone",
    413: "policy-violation", 414: "policy-violation", 415: "not-acceptable", 416: "not-acceptable", 420: "feature-not-implemented",
    421: "not-acceptable", 423: "resource-constraint", 430: "recipient-unavailable", 439: "feature-not-implemented",
    440: "policy-violation", 477: "recipient-unavailable", 478: "recipient-unavailable", 480: "recipient-unavailable",
    481: "item-not-found", 482: "not-acceptable", 483: "not-acceptable", 484: "item-not-found", 485: "item-not-found",
    486: "recipient-unavailable", 487: "recipient-unavailable", 488: "not-acceptable", 489: "policy-violation",
    491: "unexpected-request", 493: "bad-request", 499: "bad-request",
    500: "internal-server-error", 501: "feature-not-implemented", 502: "remote-server-not-found", 503: "internal-server-error",
    504: "remote-server-timeout", 505: "not-acceptable", 513: "policy-violation", 580: "internal-server-error",
    600: "recipient-unavailable", 603: "recipient-unavailable", 604: "item-not-found", 606: "not-acceptable", 699: "recipient-unavailable",
}
WAITS = {477, 478, 503}          # decisions: these are type wait
TOO_BIG = {413, 414, 513}        # [A10-11]: with stanza-too-big
# What tells whether there is such a user is one and the same for a public partner.
HIDDEN = {s for s in STATUSES if s < 400} | {403, 404, 410, 430, 477, 478, 480, 484, 485, 486, 487, 600, 603, 604, 699}

# RFC 7247 table 2 with the decisions: no 401, 407 (nobody to challenge), 408 (RFC 4320), 491, 503 and 6xx from us.
CONDITIONS = [  # condition, status for a bare JID, for a full JID, header
    ("bad-request", 400, None), ("conflict", 400, None), ("feature-not-implemented", 501, None), ("forbidden", 403, None),
    ("gone", 410, None), ("internal-server-error", 500, None), ("item-not-found", 404, None), ("jid-malformed", 400, None),
    ("not-acceptable", 406, "accept"), ("not-allowed", 403, None), ("not-authorized", 403, None), ("policy-violation", 403, None),
    ("recipient-unavailable", 480, None), ("redirect", 480, None), ("registration-required", 403, None),
    ("remote-server-not-found", 404, None), ("remote-server-timeout", 504, None), ("resource-constraint", 480, "retry-after"),
    ("service-unavailable", 480, None), ("subscription-required", 400, None), ("undefined-condition", 400, None),
    ("unexpected-request", 400, None), ("no-such-condition", 400, None),
]
NEVER = {401, 407, 408, 491, 503} | set(range(600, 700))


@pytest.fixture(scope="module")
def public(xfed, new_partner):
    """A public partner whose user alice the local users have written to."""
    p = new_partner(xfed, "strangers.example")
    xfed.list_partner("strangers.example", partner_type="public-unverified")
    xfed.reload()
    yield p
    p.close()
    xfed.unlist_partner("strangers.example")
    xfed.reload()


def answer_by_user(message):
    """The status is in the user's name; what else follows it is headers."""
    name = message.uri("to").split(":")[1].split("@")[0]
    return int(name[1:4]), [("Contact", value) for value in CONTACTS.get(name, ())]


CONTACTS = {}  # user -> Contact values


def found_of(stanza):
    error = stanza.find(SERVER + "error")
    return error_of(stanza)[:2], bool(error.findall(APP_ERRORS + "stanza-too-big")), error_of(stanza)[2]


@pytest.mark.parametrize("kind", ["federated", "public"])
def test_every_sip_status_as_the_partner_sees_it(partner, public, user, flow, kind):
    """[B3-01], [B3-02]: condition, type, addresses turned round, the id of the stanza, the words; every row is reported."""
    p = partner if kind == "federated" else public
    idents, since = {}, p.inbox.mark()
    user.answer = 200
    if kind == "public":  # who was written to may answer
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert set(pool.map(lambda s: user.message(flow, "sip:alice@strangers.example", "hello", sender="sip:u%d@corp.example" % s).status,
                                STATUSES)) <= {200, 202}
    user.answer = answer_by_user
    for status in STATUSES:
        idents["s%d-%d" % (status, next(numbers))] = status
    for ident, status in idents.items():
        p.send(message("alice@%s/desk" % p.domain, "u%d@corp.example" % status, "to %d" % status, id=ident))
    wrong, texts = [], set()
    for ident, status in idents.items():
        stanza = p.inbox.wait(lambda s: s.get("type") == "error" and s.get("id") == ident, 20, since)
        assert (stanza.get("from"), stanza.get("to")) == ("u%d@corp.example" % status, "alice@%s/desk" % p.domain)
        assert child_text(stanza, "body") is None
        found, is_big, text = found_of(stanza)
        condition = STATUSES[status]
        type = "wait" if status in WAITS else TYPES[condition]
        if kind == "public" and status in HIDDEN:
            condition, type = "service-unavailable", "cancel"
            texts.add(text)
        if found != (condition, type) or is_big != (status in TOO_BIG):
            wrong.append("%d: expected %s %s, found %s %s%s" % ((status, condition, type) + found + (" stanza-too-big" if is_big else "",)))
    assert not wrong, "\n".join(wrong)
    if kind == "public":
        assert len(texts) == 1, texts  # nor do the words tell


@pytest.mark.parametrize("status, contact, condition, content", [
    (301, "<sip:new@corp.example>", "gone", "xmpp:new@corp.example"),
    (302, "\"New\" <sip:new.one@corp2.example;transport=tcp>;q=1", "redirect", "xmpp:new.one@corp2.example"),
    (300, "<sip:tr%C3%A4umer@corp.example>", "redirect", "xmpp:tr%C3%A4umer@corp.example"),
    (301, "<sip:u@10.1.2.3:5070;transport=tcp>", "gone", None),
    (302, "<sip:u@10.1.2.3:5070;transport=tcp>", "recipient-unavailable", None),
    (302, "<sip:elsewhere@partner.example>", "recipient-unavailable", None),
    (302, "<tel:+4912345>", "recipient-unavailable", None),
    (410, "<sip:new@corp.example>", "gone", None),
])
def test_a_redirection_shows_addresses_of_ours_only(partner, public, user, flow, status, contact, condition, content):
    """301 carries the new address, 410 none; where a phone is stays inside; a public partner sees nothing of it."""
    name = "u%dc%d" % (status, next(numbers))
    CONTACTS[name] = [contact]
    assert user.message(flow, "sip:alice@strangers.example", "hello", sender="sip:%s@corp.example" % name).status in (200, 202)
    user.answer = answer_by_user
    for p in (partner, public):
        ident = "r%d" % next(numbers)
        p.send(message("alice@" + p.domain, name + "@corp.example", "where are you", id=ident))
        stanza = p.inbox.wait(lambda s: s.get("type") == "error" and s.get("id") == ident, 15)
        wanted = (condition, content) if p is partner else ("service-unavailable", None)
        found = error_of(stanza)[0]
        element = stanza.find(SERVER + "error").find(STANZA_ERRORS + found)
        assert (found, element.text) == wanted


def test_the_words_of_sip_reach_the_sender(partner, user):
    """[B3-01]: the reason phrase is the text, with the reason code behind it."""
    user.answer = 486
    text = partner.wait_error(partner.say("alice", "busy@corp.example", "hello"))[2]
    assert text == "The user cannot be reached at the moment: No (sip.user.offline)", text


# ---- XMPP to SIP ----

def error_stanza(of, condition, type=None, text=None, content=""):
    inner = "<%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>%s</%s>" % (condition, content, condition)
    if text:
        inner += "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>%s</text>" % text
    return "<message type='error' id='%s' from='%s' to='%s'><error type='%s'>%s</error></message>" % (
        of.get("id"), of.get("to"), of.get("from"), type or TYPES.get(condition, "cancel"), inner)


def asked(partner, user, flow, xml_of):
    """One MESSAGE to a contact never written to, answered by the partner with an error: the SIP response."""
    n = next(numbers)
    to, text = "sip:contact%d@partner.example" % n, "refuse me %d" % n
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asking = pool.submit(user.message, flow, to, text)
        partner.send(xml_of(partner.wait_body(text)))
        return asking.result(20)


@pytest.mark.parametrize("condition, status, header", CONDITIONS, ids=[c[0] for c in CONDITIONS])
def test_every_condition_as_the_sip_user_sees_it(partner, user, flow, condition, status, header):
    response = asked(partner, user, flow, lambda s: error_stanza(s, condition))
    assert response.status == status and response.status not in NEVER
    assert (response.get("allow") is not None) == (status == 405)
    assert (response.get("retry-after") is not None) == (header == "retry-after")
    if header:
        assert response.get(header), response.headers
    assert response.get("contact") is None


def test_the_words_of_the_contact_reach_the_sip_user(partner, user, flow):
    """[B3-01]: one line, no control characters."""
    response = asked(partner, user, flow, lambda s: error_stanza(s, "item-not-found", text="kein  Zug\nnach \u00dcberall&#xD;\nVia: x"))
    assert response.start.startswith("SIP/2.0 404 kein") and "\u00dcberall" in response.start
    assert len(response.all("via")) == 1


@pytest.mark.parametrize("condition, content, status, contact", [
    ("gone", "xmpp:new@partner.example", 301, "<sip:new@partner.example>"),
    ("redirect", "xmpp:new@partner.example?message", 302, "<sip:new@partner.example>"),
    ("gone", "xmpp:o\\27brien@partner.example", 301, "<sip:o'brien@partner.example>"),
    ("gone", "xmpp:new@unlisted.example", 410, None),
    ("redirect", "sip:+1900@pstn.example", 480, None),
    ("redirect", "http://partner.example/moved", 480, None),
    ("gone", "xmpp:partner.example", 410, None),
    ("gone", "new@partner.example", 410, None),
    ("gone", "xmpp:a@partner.example&gt;&#xD;&#xA;Via: x", 410, None),
    ("item-not-found", "xmpp:new@partner.example", 404, None),
])
def test_a_new_address_of_the_contact(partner, user, flow, condition, content, status, contact):
    """301 and 302 carry a Contact; it points to a partner's user or nowhere."""
    response = asked(partner, user, flow, lambda s: error_stanza(s, condition, content=content))
    assert (response.status, response.get("contact")) == (status, contact)
    assert len(response.all("via")) == 1


@pytest.mark.parametrize("condition, says", [
    ("item-not-found", "nobody here"), ("service-unavailable", "nobody here"), ("resource-constraint", "nobody here"),
    ("item-not-found", "delivery.uncertain: words that are ours"),
])
def test_a_late_error_becomes_a_message(partner, user, flow, refusal, condition, says):
    """The 200 has gone: a short MESSAGE from the contact names the reason, and nothing the partner says makes it another one."""
    n = next(numbers)
    text, since = "too late %d" % n, user.said.mark()
    assert user.message(flow, "sip:late%d@partner.example" % n, text, sender="sip:dave@corp.example").status == 200
    stanza = partner.wait_body(text)
    with refusal("xmpp.user.unknown" if condition == "item-not-found" else "xmpp.error.received"):
        partner.send(error_stanza(stanza, condition, text=says))
        told = user.said.wait(lambda m: "not delivered" in m.text, 10, since)
    assert told.uri("from") == "sip:late%d@partner.example" % n and told.uri("to") == "sip:dave@corp.example"
    assert says in told.text
    # Nobody is told twice, and the error is no message of the contact's.
    partner.send(error_stanza(stanza, condition))
    marker = "marker %d" % n
    partner.say("late%d" % n, "dave@corp.example", marker)
    user.wait_text(marker, 10, since)
    assert len(user.said.items) == since + 2
