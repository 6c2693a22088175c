"""What users of phones and of XMPP clients really send: encoded bodies, other charsets, old messages, content without a text; odd addresses."""
import base64
import concurrent.futures
import datetime
import itertools
from email.utils import format_datetime

import pytest

from harness.xmpp import LANG, STANZA_ERRORS, child_text, message

numbers = itertools.count(1)
DELAY = "{urn:xmpp:delay}delay"
TO = "sip:alice@partner.example"


def fresh(words):
    return "%s, content %d" % (words, next(numbers))  # other files of the suite count too


def refused_by_contact(partner, user, flow, to, jid, condition):
    """The response to a MESSAGE whose stanza the contact's server answers with an error."""
    text = fresh("refuse me")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asking = pool.submit(user.message, flow, to, text)
        stanza = partner.wait_body(text)
        assert stanza.get("to") == jid
        partner.send("<message type='error' id='%s' from='%s' to='%s'><error type='cancel'><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
                     "</message>" % (stanza.get("id"), jid, stanza.get("from"), condition))
        return asking.result(20)


def quoted(data):
    return b"".join(b"=%02X" % c if c > 126 or c == 0x3D else b"%c" % c for c in data)


@pytest.mark.parametrize("coding", [None, "7bit", "8BIT", "binary", "base64", "Quoted-Printable"])
@pytest.mark.parametrize("charset, codec", [
    (None, "utf-8"), ("UTF-8", "utf-8"), ("us-ascii", "ascii"), ("ISO-8859-1", "latin-1"), ("iso-8859-15", "iso8859-15"),
    ("Windows-1252", "cp1252"), ("utf-16", "utf-16"), ("UTF-16LE", "utf-16-le"), ("utf-16be", "utf-16-be")])
def test_what_was_encoded_is_read(partner, user, flow, charset, codec, coding):
    text = fresh("5 € für “müßig” ✓ 😀").encode(codec, "ignore").decode(codec)
    data = text.encode(codec)
    if coding == "base64":
        data = base64.encodebytes(data)
    elif coding == "Quoted-Printable":
        data = quoted(data)
    response = user.message(flow, TO, data, content_type="text/plain" + (";charset=" + charset if charset else ""),
                            headers=[("Content-Transfer-Encoding", coding)] if coding else [])
    assert response.status in (200, 202), response.start
    assert partner.wait_body(text)


def test_the_header_by_the_wrong_name(partner, user, flow):
    """Transfer-Encoding is HTTP's; clients that mean the other have been seen."""
    text = fresh("wrong name")
    data = base64.b64encode(text.encode())
    assert user.message(flow, TO, data, headers=[("Transfer-Encoding", "base64")]).status in (200, 202)
    assert partner.wait_body(text)


@pytest.mark.parametrize("content_type, headers, body, reason, named", [
    ("image/png", [], b"\x89PNG", "sip.content.unsupported", "Content-Type image/png"),
    ("text/plain;charset=ISO-2022-JP", [], b"x", "sip.charset.unsupported", "charset ISO-2022-JP"),
    ("text/plain;charset=UTF-7", [], b"x", "sip.charset.unsupported", "charset UTF-7"),
    ("text/plain", [("Content-Transfer-Encoding", "x-uuencode")], b"begin 644 x", "sip.coding.unsupported",
     "Content-Transfer-Encoding x-uuencode"),
    ("text/plain", [("Content-Encoding", "gzip")], b"\x1f\x8b", "sip.coding.unsupported", "Content-Encoding gzip"),
    ("text/plain", [("Content-Transfer-Encoding", "base64")], b"1+1=2", "sip.content.garbled", "it is no base64"),
    ("text/plain;charset=utf-16le", [], b"odd", "sip.content.garbled", "none of its charset"),
    ("text/plain;charset=windows-1252", [], b"\x81", "sip.content.garbled", "none of its charset"),
])
def test_what_cannot_be_read_is_refused_by_name(xfed, partner, user, flow, refusal, content_type, headers, body, reason, named):
    since = partner.inbox.mark()
    with refusal(reason, named):
        response = user.message(flow, TO, body, content_type=content_type, headers=headers)
    assert response.status == 415 and response.get("accept") == "text/plain" and response.get("accept-encoding") == "identity"
    warning = response.get("warning")
    assert warning.startswith('399 fe.corp.example "%s: ' % reason) and warning.endswith('(%s)"' % warning.split("(")[-1][:-2])
    assert named in warning
    marker = fresh("behind")
    assert user.message(flow, TO, marker).status in (200, 202)
    partner.wait_body(marker)
    assert [child_text(s, "body") for s in partner.inbox.items[since:]] == [marker]


def test_an_empty_message_has_a_word_of_its_own(user, flow, refusal):
    with refusal("sip.content.empty"):
        response = user.message(flow, TO, b"")
    assert response.status == 400 and "without a text" in response.get("warning") and "text/plain" not in response.get("warning")


def test_an_error_of_the_contacts_server_is_named(partner, user, flow):
    name = "nobody%d" % next(numbers)
    response = refused_by_contact(partner, user, flow, "sip:%s@partner.example" % name, name + "@partner.example", "not-acceptable")
    assert response.status == 406
    assert response.get("warning").startswith('399 fe.corp.example "xmpp.error.received: ')
    assert response.get("warning").endswith('(not-acceptable)"')


# ---- time ----

def days_ago(days):
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) - datetime.timedelta(days=days)


@pytest.mark.parametrize("stamps", [
    "<delay xmlns='urn:xmpp:delay' from='partner.example' stamp='%(one)s'>Offline Storage</delay>",
    "<delay xmlns='urn:xmpp:delay' stamp='%(other)s'/><delay xmlns='urn:xmpp:delay' stamp='%(one)s'/>",
    "<x xmlns='jabber:x:delay' from='partner.example' stamp='%(old)s'/>",
])
def test_a_message_that_was_kept_is_shown_as_old_to_sip(partner, user, stamps):
    sent = days_ago(3)
    stamp = {"one": sent.strftime("%Y-%m-%dT%H:%M:%SZ"), "other": days_ago(1).strftime("%Y-%m-%dT%H:%M:%S.000Z"), "old": sent.strftime("%Y%m%dT%H:%M:%S")}
    text = fresh("see you at noon")
    partner.send(message("alice@partner.example", "dave@corp.example", text, inner=stamps % stamp))
    assert user.wait_text(text).get("date") == format_datetime(sent, usegmt=True)


@pytest.mark.parametrize("inner", ["", "<delay xmlns='urn:xmpp:delay' stamp='yesterday'/>", "<delay xmlns='urn:xmpp:delay' stamp='1970-01-01T00:00:00Z'/>",
                                   "<delay xmlns='urn:xmpp:delay' stamp='2999-01-01T00:00:00Z'/>", "<delay xmlns='urn:xmpp:delay' stamp='%(now)s'/>"])
def test_a_message_of_now_has_no_date(partner, user, inner):
    text = fresh("now")
    partner.send(message("alice@partner.example", "dave@corp.example", text, inner=inner % {"now": days_ago(0).strftime("%Y-%m-%dT%H:%M:%SZ")}))
    assert user.wait_text(text).get("date") is None


def test_a_message_that_was_kept_is_shown_as_old_to_xmpp(partner, user, flow):
    sent, text = days_ago(3), fresh("kept by the SIP server")
    assert user.message(flow, TO, text, headers=[("Date", format_datetime(sent, usegmt=True))]).status in (200, 202)
    delay = partner.wait_body(text).find(DELAY)
    assert delay.attrib == {"from": "corp.example", "stamp": sent.strftime("%Y-%m-%dT%H:%M:%SZ")}


@pytest.mark.parametrize("date", [None, "now", "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 01 Jan 2999 00:00:00 GMT", "yesterday"])
def test_a_clock_that_is_off_makes_no_delay(partner, user, flow, date):
    text = fresh("clock")
    date = format_datetime(days_ago(0), usegmt=True) if date == "now" else date
    assert user.message(flow, TO, text, headers=[("Date", date)] if date else []).status in (200, 202)
    assert partner.wait_body(text).find(DELAY) is None


# ---- content without a text ----

UNREAD = {
    "omemo": ("<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/><payload>BBB=</payload></encrypted>", "encrypted"),
    "openpgp": ("<openpgp xmlns='urn:xmpp:openpgp:0'>CCC=</openpgp>", "encrypted"),
    "otr": ("<body>?OTR:AAMDJ+MVmSfjFZcAAAAAAQAAAAIAAA==.</body>", "encrypted"),
    "invitation": ("<x xmlns='jabber:x:conference' jid='room@muc.partner.example'/>", "invitation"),
    "xhtml": ("<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'>hi</body></html>", "formatted"),
    "file": ("<x xmlns='jabber:x:oob'><url>https://up.example/a.jpg</url></x>", "link or file"),
    "wrong namespace": ("<body xmlns='jabber:client'>hi</body>", "namespace"),
    "unknown": ("<thing xmlns='urn:nobody:knows'>hi</thing>", "plain text"),
}
SIGNALS = {
    "chat state": "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
    "receipt": "<received xmlns='urn:xmpp:receipts' id='x'/>",
    "marker": "<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/>",
    "key": "<encrypted xmlns='urn:xmpp:omemo:2'><header sid='1'><keys jid='a@b'/></header></encrypted><store xmlns='urn:xmpp:hints'/>",
}


@pytest.mark.parametrize("what", UNREAD)
def test_its_sender_is_told_what_nobody_can_read(partner, user, refusal, what):
    inner, words = UNREAD[what]
    ident, since = "u%d" % next(numbers), user.said.mark()
    with refusal("xmpp.content.unreadable", words):
        partner.send(message("alice@partner.example", "dave@corp.example", id=ident, inner=inner))
        condition, kind, text = partner.wait_error(ident)
    assert (condition, kind) == ("not-acceptable", "modify")
    assert text.startswith("The message has no text that the user could read: ") and words in text
    assert len(user.said.items) == since


@pytest.mark.parametrize("what", SIGNALS)
def test_signals_between_clients_are_dropped_and_counted(xfed, partner, user, what):
    before, since, told = xfed.gateway.metric("xfed_dropped_total", rule="no-body"), user.said.mark(), partner.inbox.mark()
    partner.send(message("alice@partner.example", "dave@corp.example", id="s%d" % next(numbers), inner=SIGNALS[what]))
    marker = fresh("behind")
    partner.say("alice", "dave@corp.example", marker)
    user.wait_text(marker)
    assert xfed.gateway.metric("xfed_dropped_total", rule="no-body") == before + 1
    assert [m.text for m in user.said.items[since:]] == [marker] and partner.inbox.mark() == told


# ---- addresses ----

def test_a_telephone_number_with_an_asserted_identity(partner, user, flow, refusal):
    text = fresh("by phone")
    headers = [("P-Asserted-Identity", '"Dave" <sip:dave@corp.example>, <tel:+4915112345678>')]
    assert user.message(flow, TO, text, sender="tel:+4915112345678", headers=headers).status in (200, 202)
    assert partner.wait_body(text).get("from") == "dave@corp.example"
    for odd, reason in (([], "sip.sender.nameless"), (headers + [("Privacy", "id")], "sip.sender.nameless"),
                        ([("P-Asserted-Identity", "<tel:+4915112345678>")], "sip.sender.nameless"),
                        ([("P-Asserted-Identity", "<sip:dave@else.example>")], "sip.sender.untrusted")):
        with refusal(reason):
            response = user.message(flow, TO, text, sender="tel:+4915112345678", headers=odd)
        assert response.status == 403
        assert response.get("warning").startswith('399 fe.corp.example "%s: ' % reason)  # it is a peer: only strangers are told no remedies
    # 416 is for what was asked for.
    assert user.message(flow, "tel:+4915112345678", text, sender="sip:dave@corp.example").status == 416


def test_a_domain_is_an_address_to_sip(partner, user):
    for sender, to, uris in (("partner.example", "dave@corp.example", ("sip:partner.example", "sip:dave@corp.example")),
                             ("partner.example/announce", "dave@corp.example", ("sip:partner.example", "sip:dave@corp.example")),
                             ("alice@partner.example", "corp.example", ("sip:alice@partner.example", "sip:corp.example")),
                             ("partner.example", "corp.example/x", ("sip:partner.example", "sip:corp.example"))):
        text = fresh("maintenance at 22:00")
        partner.send(message(sender, to, text, type="normal"))
        got = user.wait_text(text)
        assert (got.uri("from"), got.uri("to")) == uris and got.start == "MESSAGE %s SIP/2.0" % uris[1]


def test_a_domain_is_an_address_to_xmpp(partner, user, flow):
    for sender, to, jids in (("sip:dave@corp.example", "sip:partner.example", ("dave@corp.example", "partner.example")),
                             ("sip:corp.example", TO, ("corp.example", "alice@partner.example")),
                             ("sip:corp.example:5060;transport=tcp", "sip:partner.example", ("corp.example", "partner.example"))):
        text = fresh("thank you")
        assert user.message(flow, to, text, sender=sender).status in (200, 202)
        got = partner.wait_body(text)
        assert (got.get("from"), got.get("to")) == jids


def test_an_error_of_a_domain_reaches_the_sip_user(partner, flow, user):
    response = refused_by_contact(partner, user, flow, "sip:partner.example", "partner.example", "service-unavailable")
    assert response.status == 480


# ---- words ----

def test_a_redirection_is_logged_with_where_it_pointed(xfed, partner, user):
    mark = xfed.gateway.process.mark()
    user.answer = lambda m: (302, [("Contact", "<sip:dave@10.1.2.3:5070>")])
    condition, _, text = partner.wait_error(partner.say("alice", "moved@corp.example", "where are you"))
    assert condition == "recipient-unavailable" and text.startswith("The user is reached at another address: ") and "10.1.2.3" not in text
    xfed.gateway.process.wait_line("event=delivery.refused .*reason=sip.request.redirected .*contact=.*10.1.2.3", 5, mark)


def test_streams_of_ours_claim_no_language(xfed, partner, user, flow):
    """A server writes the language of the stream on every text that has none (RFC 6120 section 4.7.4)."""
    text = fresh("language")
    assert user.message(flow, TO, text).status in (200, 202)
    assert partner.wait_body(text).get(LANG) is None
    opened = [e[1] for e in partner.events.items if e[0] == "ready"]
    assert opened and all(s.root.get(LANG) is None for s in opened)
    assert partner.stream_to("corp.example").root.get(LANG) == "en"
    error = partner.inbox.wait(lambda s: s.get("type") == "error" and s.find(".//" + STANZA_ERRORS + "text") is not None, 1)
    assert error.find(".//" + STANZA_ERRORS + "text").get(LANG) == "en"
