"""
What is known of the Lync dialect, statement by statement: a row has the statement, what is sent, and what has to come of it. Statements that
another test holds are in ELSEWHERE.
"""
import os
import re
import xml.etree.ElementTree as ET

import pytest
from lync_lab import BOB, fe, jid, lab, line, lync, partner, person, refusal, words  # noqa: F401

from harness.lync import AUDIO, FORMAT, TYPING
from harness.presence import ENHANCED, LyncWatch, PresenceServer, show_of
from harness.xmpp import child_text

LYNC = {"name": "ls", "partner": {"partner_type": "federated"}}
CATEGORIES, PRESENTITY, PIDF = "application/msrtc-event-categories+xml", "text/xml+msrtc.pidf", "application/pidf+xml"
STATES = "http://jabber.org/protocol/chatstates"
ROWS, SEEN = [], set()


def row(section, statement, run, **what):
    assert (section, statement) not in SEEN, statement
    SEEN.add((section, statement))
    ROWS.append(pytest.param(run, what, id="%s %s" % (section, statement)))


def whole(m):
    """A message as lines "name: value", and its body."""
    return "\n".join([m.start] + ["%s: %s" % h for h in m.headers] + ["", m.text.replace("\r\n", "\n")])


def judge(m, has=(), lacks=()):
    for pattern in has:
        assert re.search(pattern, whole(m), re.M), "%s is not in\n%s" % (pattern, whole(m))
    for pattern in lacks:
        assert not re.search(pattern, whole(m), re.M), "%s is in\n%s" % (pattern, whole(m))


def chat_state(state):
    return "<%s xmlns='%s'/>" % (state, STATES)


def state_of(stanza):
    return next((e.tag[len(STATES) + 2:] for e in stanza if e.tag.startswith("{%s}" % STATES)), None)


# ---- 4.1: what a client or front end calls with ----

def offered(lab, status=200, has=(), lacks=(), code=None, media="message", **invite):
    """An INVITE of the user's; where it is accepted a text then reaches the contact."""
    alice, text = lab.person(media=media), words("then")
    with lab.refusal(code):
        answer, d = alice.invite(BOB, **invite)
    assert answer.status == status, whole(answer)
    judge(answer, has, lacks)
    if status == 200:
        assert alice.say(d, text).status == 202
        lab.partner.wait_body(text)


def sdp(line, more=""):
    return "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=session\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n%s\r\n%s" % (line, more)


REAL = "a=accept-types:text/plain multipart/alternative image/gif text/rtf text/html application/x-ms-ink application/ms-imdn+xml text/x-msmsgsinvite\r\n"
MULTIPARTY = "com.microsoft.rtc-multiparty"
NO_MESSAGES = 415  # to a call, a file and the like

row("4.1", "the media line of OCS 2007 and later", offered, sdp=sdp("m=message 5060 sip null"), has=[r"^m=message \d+ sip null$"], lacks=["x-ms-message"])
row("4.1", "the media line of LCS 2005", offered, media="x-ms-message", has=[r"^m=x-ms-message \d+ sip null$"], lacks=["m=message"])
row("4.1", "the media line names the user in place of null", offered, sdp=sdp("m=message 5060 sip sip:alice@corp.example"), has=["^m=message "])
row("4.1", "an offer without accept-types is one of plain text", offered, sdp=sdp("m=message 5060 sip null"), has=["^a=accept-types:text/plain"])
row("4.1", "the offer of a real client, with a list of types separated by blanks", offered, sdp=sdp("m=message 5060 sip null", REAL),
    has=[r"^a=accept-types:text/plain( \S+)*$"], lacks=["text/rtf", "image/gif", "x-ms-ink", "msmsgsinvite"])
row("4.1", "a description ends its lines with LF alone", offered, sdp=sdp("m=message 5060 sip null", REAL).replace("\r\n", "\n"))
row("4.1", "Content-Type of the INVITE has a call-type", offered, content_type="application/sdp; call-type=im")
row("4.1", "the INVITE has Supported: ms-sender, and we support nothing of it", offered, headers=[("Supported", "ms-sender, ms-early-media, timer")],
    lacks=["(?i)^supported:.*(ms-|timer|histinfo|multiparty)"])
row("4.1", "what has no bearing on a session of two is passed over", offered, headers=[
    ("ms-keep-alive", "UAC;hop-hop=yes"), ("P-Preferred-Identity", "<sip:alice@corp.example>"), ("Allow-Events", "presence"),
    ("Ms-Sensitivity", "private"), ("ms-subnet", "192.0.2.0"), ("Accept-Language", "en-US")])
row("4.1", "we never say that we take a text from ms-text-format", offered, lacks=["(?i)ms-text-format", "(?i)ms-body"])
row("4.1", "an INVITE with a Conversation-ID of words", offered, headers=[("Ms-Conversation-ID", "AdMH0q8Vd3JzqZ9oT5O0")])
row("4.1", "a conversation of several (Require: com.microsoft.rtc-multiparty)", offered, status=420, headers=[
    ("Require", MULTIPARTY), ("EndPoints", "<sip:alice@corp.example>, <sip:bob@partner.example>, <sip:carol@corp.example>"),
    ("Roster-Manager", "sip:alice@corp.example"), ("TriggeredInvite", "TRUE")], has=["(?i)^unsupported: " + MULTIPARTY])
row("4.1", "a conversation of several, by EndPoints alone", offered, status=415, code="sip.session.content", headers=[
    ("EndPoints", "<sip:alice@corp.example>, <sip:bob@partner.example>, <sip:carol@corp.example>")])
row("4.1", "a conversation of two, by EndPoints", offered, headers=[("EndPoints", '"a, b, c" <sip:alice@corp.example>;epid=1, <sip:bob@partner.example>')])
row("4.1", "an invitation to a conference (application/ms-conf-invite+xml)", offered, status=415, code="sip.session.content",
    content_type="application/ms-conf-invite+xml", sdp='<Conferencing version="2.0"><focus-uri>sip:f@corp.example;gruu;opaque=app:conf:focus:id:1'
    '</focus-uri><im available="true"/></Conferencing>', headers=[("Referred-By", "<sip:alice@corp.example>")], has=["(?i)^accept: application/sdp"])
row("4.1", "a call: audio alone", offered, status=NO_MESSAGES, code="sip.session.media", sdp=AUDIO)
row("4.1", "a call: audio and video", offered, status=NO_MESSAGES, code="sip.session.media",
    sdp=AUDIO + "m=video 30002 RTP/AVP 34\r\n")
row("4.1", "a call beside messages: the messages are accepted, the call is not", offered, sdp=sdp("m=audio 30000 RTP/AVP 0", "m=message 5060 sip null\r\n"),
    has=["^m=audio 0 ", r"^m=message [1-9]\d* sip null$"])
row("4.1", "a file (m=x-data, m=data)", offered, status=NO_MESSAGES, code="sip.session.media", sdp=sdp("m=data 6901 TCP/RTP/AVP 127"))
row("4.1", "shared applications (m=applicationsharing)", offered, status=NO_MESSAGES, code="sip.session.media",
    sdp=sdp("m=applicationsharing 6900 TCP/RTP/AVP 127"))
row("4.1", "messages by MSRP", offered, status=NO_MESSAGES, code="sip.session.media", sdp=sdp("m=message 7394 TCP/MSRP *", "a=path:msrp://127.0.0.1:7394/x;tcp\r\n"))
row("4.1", "no description", offered, status=488, code="sip.session.description", sdp="", content_type=None)
row("4.1", "a description that is none", offered, status=488, code="sip.session.description", sdp="m=message 5060 sip null\r\n")


# ---- 4.1: bodies ----

def said(lab, status=202, shown=None, code=None, body="", method="MESSAGE", has=(), **message):
    """What the user sends in a session. `shown`: the contact's next text, which without it is that of the plain message behind it."""
    alice, after, since = lab.person(), words("after"), lab.partner.inbox.mark()
    _, d = alice.invite(BOB)
    with lab.refusal(code):
        answer = alice.ask(d, method, body=body, **message)
    assert answer.status == status, whole(answer)
    judge(answer, has)
    assert alice.say(d, after).status == 202, "the session is over"
    lab.partner.wait_body(after, since=since)
    texts = [child_text(s, "body") for s in lab.partner.inbox.items[since:] if s.get("from") == jid(alice) and child_text(s, "body") is not None]
    assert texts == ([shown] if shown is not None else []) + [after]


def part(kind, text, boundary="=_x"):
    return "--%s\r\nContent-Type: %s; charset=UTF-8\r\n\r\n%s\r\n" % (boundary, kind, text)


ALTERNATIVE = part("text/plain", "the plain one") + part("text/html", "<b>not this</b>") + part("text/rtf", "{\\rtf1 nor this}") + "--=_x--\r\n"
RICH = part("text/rtf", "{\\rtf1 no}") + part("text/html", "<div>only &lt;html&gt;</div>") + "--=_x--\r\n"
FILE = ("MIME-Version: 1.0\r\nInvitation-Command: INVITE\r\nApplication-Name: File Transfer\r\nApplication-File: plan.pdf\r\n"
        "Invitation-Cookie: 17\r\n")

row("4.1", "text/plain with msgr: the text, without its fonts", said, body="bold & red", content_type="text/plain; charset=UTF-8" + FORMAT, shown="bold & red",
    has=[r"^message-id: \S+"])
row("4.1", "lines are joined by CRLF, and stay so", said, body="one\r\ntwo", content_type="text/plain; charset=UTF-8", shown="one\r\ntwo")
row("4.1", "text/html to text", said, body="<div style='color:red'>one<br>two &amp; <b>three</b></div>", content_type="text/html; charset=UTF-8",
    shown="one\ntwo & three")
row("4.1", "multipart/alternative: the plain part", said, body=ALTERNATIVE, content_type='multipart/alternative; boundary="=_x"', shown="the plain one")
row("4.1", "multipart/alternative without a plain part: the text of the HTML", said, body=RICH, content_type='multipart/alternative; boundary="=_x"',
    shown="only <html>")
row("4.1", "text/rtf: this type of message", said, body="{\\rtf1 x}", content_type="text/rtf", status=415, code="sip.content.unsupported",
    has=["(?i)^accept: text/plain"])
row("4.1", "a picture", said, body="GIF89a", content_type="image/gif", status=415, code="sip.content.unsupported")
row("4.1", "handwriting", said, body="<ink/>", content_type="application/x-ms-ink", status=415, code="sip.content.unsupported")
row("4.1", "an invitation to a file", said, body=FILE, content_type="text/x-msmsgsinvite; charset=UTF-8", status=415, code="sip.content.unsupported")
row("4.1", "a charset nobody knows", said, body="x", content_type="text/plain; charset=x-nowhere", status=415, code="sip.charset.unsupported")
row("4.1", "application/ms-imdn+xml in a MESSAGE is no text", said, body="<imdn xmlns='urn:ietf:params:xml:ns:imdn'><message-id>1</message-id><recipient "
    "uri='sip:bob@partner.example'><status>200</status></recipient></imdn>", content_type="application/ms-imdn+xml", status=200)
row("4.1", "application/ms-imdn+xml in a NOTIFY is answered", said, method="NOTIFY", content_type="application/ms-imdn+xml", status=200,
    body="<imdn xmlns='urn:ietf:params:xml:ns:imdn'><message-id>1</message-id><recipient uri='sip:bob@partner.example'><status>408</status></recipient></imdn>")
row("4.1", "actions of a conference in an INFO", said, method="INFO", content_type="application/xml", status=415, code="sip.content.unsupported",
    body='<action xmlns="http://schemas.microsoft.com/sip/multiparty/" type="RequestRM"><RequestRM uri="sip:alice@corp.example" bid="1"/></action>')
row("4.1", "REFER in a session: refused, and the session goes on", said, method="REFER", status=405, has=["(?i)^allow: .*INVITE"], headers=[
    ("Refer-To", "<sip:f@corp.example;gruu;opaque=app:conf:focus:id:1>"), ("Referred-By", "<sip:alice@corp.example>")])
row("4.1", "OPTIONS in a session", said, method="OPTIONS", status=200)


# ---- 4.1: typing ----

def typed(lab, body, method="INFO", content_type="application/xml", state="composing", status=200):
    """What a client says of its user's typing, to a contact whose client has said something of its own."""
    alice = lab.person()
    lab.partner.say("bob", jid(alice), "first", inner=chat_state("active"))
    alice.wait_text("first")
    since = lab.partner.inbox.mark()
    if state == "paused":
        assert alice.ask(alice.dialogs[0], "INFO", body=TYPING % "type", content_type="application/xml").status == 200
    assert alice.ask(alice.dialogs[0], method, body=body, content_type=content_type).status == status
    lab.partner.inbox.wait(lambda s: s.get("from") == jid(alice) and state_of(s) == state, 20, since)


ISCOMPOSING = '<?xml version="1.0"?><isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing"><state>%s</state></isComposing>'
row("4.1", "KeyboardActivity: type", typed, body=TYPING % "type")
row("4.1", "KeyboardActivity: idle", typed, body=TYPING % "idle", state="paused")
row("4.1", "KeyboardActivity in a namespace", typed, body='<KeyboardActivity xmlns="http://schemas.microsoft.com/sip/"><status status="type"/></KeyboardActivity>')
row("4.1", "KeyboardActivity with more attributes", typed, body='<KeyboardActivity><status status="type" expires="6"/></KeyboardActivity>')
row("4.1", "isComposing in a MESSAGE: active", typed, method="MESSAGE", content_type="application/im-iscomposing+xml", body=ISCOMPOSING % "active")
row("4.1", "isComposing in a MESSAGE: idle", typed, method="MESSAGE", content_type="application/im-iscomposing+xml", body=ISCOMPOSING % "idle", state="paused")
row("4.1", "isComposing in an INFO", typed, content_type="application/im-iscomposing+xml", body=ISCOMPOSING % "active")


# ---- 4.1: what we send ----

def sent(lab, method, has=(), lacks=(), inner=chat_state("active"), then=None):
    """The first request of that method that a user gets of a contact who writes and then types."""
    alice, text = lab.person(), words("from bob")
    since = alice.sip.inbox.mark()
    lab.partner.say("bob", jid(alice), text, inner=inner)
    alice.wait_text(text)
    if method == "INFO":
        lab.partner.say("bob", jid(alice), None, inner=chat_state("composing"))
    if method == "BYE":
        alice.on_message = 408
        lab.partner.say("bob", jid(alice), words("timed out"))
    judge(alice.wait(method, 20, since), has, lacks)


EVERY = [r"^via: SIP/2\.0/TCP \S+;branch=z9hG4bK", r"^max-forwards: \d+$", r"^from: .*<sip:bob@partner\.example>;tag=", r"^to: <sip:u\d+@corp\.example>",
         r"^call-id: \S+$", r"^user-agent: "]
NO_EXTENSION = ["(?i)^(require|proxy-require):", "(?i)^supported:.*(timer|100rel|ms-|multiparty)", "(?i)^session-expires:", "(?i)ms-text-format", "(?i)ms-body"]
row("4.1", "INVITE: the least description there is", sent, method="INVITE", has=EVERY + [
    "^content-type: application/sdp$", r"^v=0\no=- 0 0 IN IP4 \S+\ns=session\nc=IN IP4 \S+\nt=0 0\nm=message \d+ sip null\na=accept-types:text/plain( \S+)*\n"])
row("4.1", "INVITE: multipart/alternative is offered, as it is taken; rich text and files are not", sent, method="INVITE",
    has=["^a=accept-types:.* multipart/alternative"], lacks=["text/rtf", "image/", "msmsgsinvite"])
row("4.1", "INVITE: the number of the conversation", sent, method="INVITE", has=[r"^ms-conversation-id: \d+$"])
row("4.1", "INVITE: no extension is asked for, no text is in a header, and nothing says timer", sent, method="INVITE", lacks=NO_EXTENSION)
row("4.1", "INVITE: a conversation of two", sent, method="INVITE", lacks=["(?i)^(endpoints|roster-manager|triggeredinvite):", "(?i)^subject:"])
row("4.1", "MESSAGE: text/plain in lower case and UTF-8, without msgr", sent, method="MESSAGE", has=EVERY + ["^content-type: text/plain; charset=UTF-8$"],
    lacks=["msgr"])
row("4.1", "MESSAGE: to the GRUU of the 200, by its Record-Route", sent, method="MESSAGE", has=[
    r"\AMESSAGE sip:u\d+@corp\.example;opaque=user:epid:[0-9A-F]+;gruu SIP/2\.0$", r"^route: <sip:127\.0\.0\.1:\d+;.*;lr>$"])
row("4.1", "INFO: KeyboardActivity, which every client of the family knows", sent, method="INFO", has=EVERY + [
    "^content-type: application/xml$", '<KeyboardActivity><status status="type"/></KeyboardActivity>'])
row("4.1", "BYE ends a session", sent, method="BYE", has=EVERY[:-1])


def conversations(lab):
    """The number of each conversation is another one, also of the same two."""
    alice, carol, ids = lab.person(), lab.person(), []
    for one in (alice, carol, alice):
        text = words("number")
        lab.partner.say("bob", jid(one), text)
        m = one.wait_text(text)
        ids.append(one.wait("INVITE", what=lambda i, m=m: i.get("call-id") == m.get("call-id")).get("ms-conversation-id"))
        assert one.bye(one.dialogs[-1]).status == 200
    assert len(set(ids)) == 3, ids


def clash(lab):
    """A session that the client has forgotten is opened anew under another number than the client gave it."""
    alice, text = lab.person(), words("again")
    _, old = alice.invite(BOB)
    alice.on_message = lambda m: 481 if m.get("call-id") == old.call_id else 200
    lab.partner.say("bob", jid(alice), text)
    alice.wait("MESSAGE", what=lambda m: m.text == text and m.get("call-id") != old.call_id)
    assert alice.wait("INVITE").get("ms-conversation-id") != "978902061"


row("4.1", "a clash of numbers is an error to a client: they are random", conversations)
row("4.1", "nor is the client's own number used again", clash)


def text_in_header(lab):
    """The INVITE has the text base64-coded, and the MESSAGE has it again: the contact sees it once, and never one that is in the INVITE alone."""
    alice, text, since = lab.person(), words("hello"), lab.partner.inbox.mark()
    answer, d = alice.invite(BOB, headers=[("ms-text-format", "text/plain; charset=UTF-8;ms-body=bmV2ZXIgc2hvd24=")])
    assert answer.status == 200 and alice.say(d, text).status == 202
    lab.partner.wait_body(text, since=since)
    assert [child_text(s, "body") for s in lab.partner.inbox.items[since:] if s.get("from") == jid(alice)] == [text]


row("4.1", "the first text is in ms-text-format and comes again as MESSAGE: once", text_in_header)


# ---- 4.1, 4.5: what a client answers ----

def answered(lab, invite=200, message=200, condition=None, is_over=False):
    """Answers to what a contact writes: the contact's error, and whether the next text goes in the same session."""
    alice, ident, text = lab.person(), words("id"), words("next")
    alice.on_invite, alice.on_message = invite, message
    lab.partner.say("bob", jid(alice), "judge me", id=ident)
    if condition:
        assert lab.partner.wait_error(ident)[0] == condition
    else:
        alice.wait_text("judge me")
    alice.on_invite = alice.on_message = 200
    since = alice.sip.inbox.mark()
    lab.partner.say("bob", jid(alice), text)
    got = alice.wait_text(text, since=since)
    if invite == 200:
        assert (got.get("call-id") != alice.dialogs[0].call_id) == is_over
    assert not [s for s in lab.partner.inbox.items if s.get("id") == ident and s.get("type") == "error"] or condition


def typing_refused(lab, status):
    """INFO is refused: what is written then arrives, once."""
    alice, text = lab.person(), words("after")
    lab.partner.say("bob", jid(alice), "first", inner=chat_state("active"))
    alice.wait_text("first")
    alice.on_info = status
    lab.partner.say("bob", jid(alice), None, inner=chat_state("composing"))
    alice.wait("INFO")
    lab.partner.say("bob", jid(alice), text, inner=chat_state("active"))
    alice.wait_text(text)
    assert len([m for m in alice.sip.inbox.items if m.text == text]) == 1


def diagnosed(lab, value, name="ms-diagnostics", status=404):
    """What a front end says of a refusal is for operators: nothing of it comes to the contact."""
    alice, ident = lab.person(), words("id")
    alice.on_invite = (status, [(name, value)])
    lab.partner.say("bob", jid(alice), "diagnosed", id=ident)
    error = str(lab.partner.wait_error(ident))
    assert "fe9.int" not in error and "Destination" not in error and "diagnostics" not in error, error


for _status in (405, 408, 415, 480, 481, 501):
    row("4.5", "%d to an INFO of ours" % _status, typing_refused, status=_status)
for _value in ('4005;reason="Destination URI either not enabled for SIP or does not exist";source="fe9.int.corp.example"',
               '4003;reason="From URI not enabled for remote access";source="fe9.int.corp.example"', '2165.7;source="fe9.int.corp.example"',
               '1047;reason="Failed to complete TLS negotiation with a federated peer server";WinsockFailureCode="10054(WSAECONNRESET)";source="fe9.int"',
               '4005;reason="Destination', "not a number"):
    row("4.4", "ms-diagnostics: " + _value.split(";")[0] + (" with an open quote" if _value.endswith("Destination") else ""), diagnosed, value=_value)
row("4.4", "ms-diagnostics-public", diagnosed, name="ms-diagnostics-public", value='4005;reason="Destination URI either not enabled for SIP or does not exist"')
row("4.1", "200 to a MESSAGE: accepted", answered)
row("4.1", "202 to a MESSAGE: accepted", answered, message=(202, [("Message-Id", "17")]))
row("4.1", "480 to an INVITE: offline", answered, invite=480, condition="recipient-unavailable")
row("4.1", "606 to an INVITE: not acceptable", answered, invite=606, condition="not-acceptable")
row("4.1", "606 to a MESSAGE: the session stays", answered, message=606, condition="not-acceptable")
row("4.5", "486 to an INVITE: busy", answered, invite=486, condition="recipient-unavailable")
row("4.5", "415 to a MESSAGE: the session stays", answered, message=415, condition="not-acceptable")
row("4.5", "488 to an INVITE of ours", answered, invite=488, condition="not-acceptable")
row("4.5", "500 to a MESSAGE: the session stays", answered, message=500, condition="internal-server-error")
row("4.5", "408 to a MESSAGE ends the session", answered, message=408, condition="remote-server-timeout", is_over=True)
row("4.5", "481 to two MESSAGEs ends the session", answered, message=481, condition="item-not-found", is_over=True)


# ---- 4.1, 4.5: what our refusals have the user read ----

def refused(lab, status, code, to=None, body="x", content_type="text/plain; charset=UTF-8", has=()):
    with lab.refusal(code):
        alice = lab.person()
        answer, d = alice.invite(to or BOB)
        if d:
            answer = alice.say(d, body, content_type=content_type)
    assert answer.status == status, whole(answer)
    judge(answer, has)
    assert d is None or d.is_open


def lost(lab, condition, status):
    """The contact's server refuses a text within the time of its answer."""
    alice, text = lab.person(), words("lost")
    _, d = alice.invite("sip:%s@partner.example" % words("c").replace(" ", ""))
    mark = alice.flow.inbox.mark()
    raw, branch = alice.inside(d, "MESSAGE", body=text, content_type="text/plain; charset=UTF-8")
    alice.flow.send(raw)
    got = lab.partner.wait_body(text)
    lab.partner.send("<message from='%s' to='%s' id='%s' type='error'><error type='cancel'><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
                     % (got.get("to"), got.get("from"), got.get("id"), condition))
    answer = alice.flow.inbox.wait(lambda m: m and m.is_response and m.branch == branch and m.status >= 200, 20, mark)
    assert answer.status == status, whole(answer)
    judge(answer, has=[r"^warning: %d " % (309 if status == 606 else 399)])


row("4.5", "the partner is not listed: the service is not available", refused, status=504, code="policy.partner.unlisted", to="sip:eve@nobody.example",
    has=["^warning: 399 "])
for _condition, _status, _text in (
        ("item-not-found", 404, "offline"), ("gone", 404, "offline"), ("jid-malformed", 404, "offline"),
        ("service-unavailable", 404, "offline; 480 would end the session"), ("recipient-unavailable", 404, "offline; 480 would end the session"),
        ("redirect", 404, "offline; 480 would end the session"), ("not-acceptable", 415, "this type of message"),
        ("feature-not-implemented", 415, "this type of message"), ("policy-violation", 606, "blocked, with Warning 309"),
        ("internal-server-error", 504, "the service is not available"), ("remote-server-not-found", 504, "the service is not available"),
        ("remote-server-timeout", 504, "the service is not available; 408 would end the session"),
        ("resource-constraint", 504, "the service is not available"), ("undefined-condition", 504, "the service is not available")):
    row("4.5", "%s of the contact's server: %s" % (_condition, _text), lost, condition=_condition, status=_status)


# ---- 4.2: SUBSCRIBE of a client ----

def asked(lab, status=200, kind=None, has=(), lacks=(), headers=(), accept=ENHANCED, expires=None, is_related=True):
    """A client's SUBSCRIBE, and the form of the first NOTIFY that has a state."""
    contact = words("contact").replace(" ", "")
    remote, local = contact + "@partner.example", "w" + contact + "@corp.example"
    watch = LyncWatch(lab.fe, lab.line, "sip:" + remote, "sip:" + local, accept=accept)
    answer = watch.subscribe(expires, headers)
    assert answer.status == status, whole(answer)
    judge(answer, has, lacks)
    if status == 200 and expires != 0:
        lab.partner.send("<presence from='%s' to='%s' type='subscribed'/>" % (remote, local))
        lab.partner.send("<presence from='%s/desk' to='%s'><show>away</show></presence>" % (remote, local))
        lab.partner.send("<presence from='%s/lap' to='%s'/>" % (remote, local))
        told = watch.wait(lambda m: m.body and m.get("content-type") == (kind or CATEGORIES), 20)
        if kind == PIDF:
            assert len(re.findall("<tuple ", told.text)) == 1
        judge(told, has=["^event: presence", "^subscription-state: active", r"^notify|\ANOTIFY"], lacks=["(?i)^require:", "(?i)benotify"])


row("4.2", "enhanced presence is first, wherever it stands in Accept", asked, accept=PIDF + ", " + PRESENTITY + ", " + CATEGORIES, kind=CATEGORIES)
row("4.2", "then msrtc.pidf", asked, accept=PIDF + ", " + PRESENTITY, kind=PRESENTITY)
row("4.2", "then PIDF, of exactly one tuple", asked, accept=PIDF, kind=PIDF)
row("4.2", "Accept of several lines with parameters", asked, accept=PIDF + ";q=0.5, text/xml+msrtc.pidf;q=0.9", kind=PRESENTITY)
row("4.2", "without Microsoft extensions in ours: a plain 200 without a body, Expires, and plain NOTIFY", asked, has=[r"^expires: [1-9]\d+$", "^content-length: 0$"],
    lacks=["(?i)^supported:.*ms-", "(?i)ms-piggyback", "(?i)^require:"])
row("4.2", "com.microsoft.autoextend is passed over", asked, headers=[("Supported", "com.microsoft.autoextend")], lacks=["autoextend"])
row("4.2", "Proxy-Require: ms-benotify is a proxy's business", asked, headers=[("Proxy-Require", "ms-benotify")])
row("4.2", "28,800 seconds, as the specification has", asked, expires=28800, has=["^expires: 28800$"])
row("4.2", "no Expires: the 200 has one, or the client never refreshes", asked, has=[r"^expires: [1-9]\d+$"])
row("4.2", "Expires: 0 at sign-off", asked, expires=0, has=["^expires: 0$"])
row("4.2", "a list of contacts in one SUBSCRIBE (Require: adhoclist)", asked, status=420, headers=[("Require", "adhoclist, categoryList")],
    has=["(?i)^unsupported: .*adhoclist"])
row("4.2", "a list of contacts (Require: eventlist)", asked, status=420, headers=[("Require", "eventlist")], has=["(?i)^unsupported: eventlist"])
row("4.2", "lists alone are asked for (rlmi)", asked, status=406, accept="application/rlmi+xml, multipart/related")
row("4.2", "xpidf, which Windows Messenger asked for, alone", asked, status=406, accept="application/xpidf+xml")


def refreshed(lab):
    """A refresh without Accept means the form of before."""
    contact = words("contact").replace(" ", "")
    remote, local = contact + "@partner.example", "w" + contact + "@corp.example"
    watch = LyncWatch(lab.fe, lab.line, "sip:" + remote, "sip:" + local)
    assert watch.subscribe().status == 200
    lab.partner.send("<presence from='%s' to='%s' type='subscribed'/>" % (remote, local))
    lab.partner.send("<presence from='%s/desk' to='%s'><status>before</status></presence>" % (remote, local))
    watch.wait(lambda m: ">before<" in m.text, 20)
    watch.accept = None
    assert watch.subscribe().status == 200
    lab.partner.send("<presence from='%s/desk' to='%s'><status>after</status></presence>" % (remote, local))
    assert watch.wait(lambda m: ">after<" in m.text, 20).get("content-type") == CATEGORIES


row("4.2", "a refresh implies the form of before", refreshed)


def asks_the_front_end(lab):
    """A SUBSCRIBE of ours: nothing of Microsoft's in it, so that the answer is PIDF and plain NOTIFY."""
    server, local, remote = PresenceServer(lab.fe, lab.line), words("w").replace(" ", ""), words("c").replace(" ", "")
    lab.partner.send("<presence from='%s@partner.example' to='%s@corp.example' type='subscribe'/>" % (remote, local))
    request = server.wait("sip:%s@corp.example" % local)
    judge(request, has=["^event: presence$", "^accept: application/pidf\\+xml$", r"^expires: [1-9]\d*$"],
          lacks=["(?i)ms-", "(?i)msrtc", "(?i)microsoft", "(?i)^(require|proxy-require):", "rlmi", "xpidf"])


row("4.2", "SUBSCRIBE towards a front end has none of Microsoft's extensions", asks_the_front_end)


# ---- 4.2, 4.3: what a front end tells ----

def followed(lab, kind, body, show=None, status=None, is_offline=False, answer=200):
    """A NOTIFY of the front end in the dialog of a contact who watches, and what the contact is shown then."""
    server, local, remote = PresenceServer(lab.fe, lab.line), words("l").replace(" ", "") + "@corp.example", words("r").replace(" ", "") + "@partner.example"
    lab.partner.send("<presence from='%s' to='%s' type='subscribe'/>" % (remote, local))
    request = server.wait("sip:" + local)
    since = lab.partner.inbox.mark()
    if is_offline:  # somebody who was never there is not told to be gone
        server.notify(request, "active;expires=3600", pidf("<basic>open</basic>", local))
        wait_shown(lab, local, since, lambda s: s.get("type") is None)
        since = lab.partner.inbox.mark()
    text = body % {"user": local}
    assert server.notify(request, "active;expires=3600", text, headers=[("Content-Type", kind)]).status == answer
    if answer == 200:
        got = wait_shown(lab, local, since, lambda s: s.get("type") in (None, "unavailable"))
        assert (got.get("type"), show_of(got), child_text(got, "status")) == ("unavailable" if is_offline else None, show, status), ET.tostring(got)


def wait_shown(lab, local, since, what):
    return lab.partner.inbox.wait(lambda s: s.tag.endswith("}presence") and (s.get("from") or "").split("/")[0] == local and what(s), 20, since)


def pidf(status, user, more=""):
    return ('<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:ep="urn:ietf:params:xml:ns:pidf:status:rpid-status" xmlns:ci="urn:ietf:params:xml:ns:pidf:cipid" '
            'entity="sip:%s"><tuple id="0"><status>%s</status></tuple>%s</presence>' % (user, status, more))


def activity(word):
    return pidf("<basic>open</basic><ep:activities><ep:activity>%s</ep:activity></ep:activities>" % word, "%(user)s")


NS = "http://schemas.microsoft.com/2006/09/sip/"


def categories(number, more="", note=""):
    return ('<categories xmlns="%scategories" uri="sip:%%(user)s"><category name="state" instance="1" publishTime="2026-11-29T22:32:48Z"><state xmlns="%sstate" '
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="aggregateState"><availability>%d</availability>%s</state></category>%s</categories>'
            % (NS, NS, number, more, note))


def note(kind, text):
    return ('<category name="note" instance="0" publishTime="2026-11-29T22:32:46Z"><note xmlns="%snote"><body type="%s" uri="">%s</body></note></category>'
            % (NS, kind, text))


def presentity(availability, number, info=""):
    return ('<presentity xmlns="http://schemas.microsoft.com/2002/09/sip/presence" uri="%%(user)s"><availability aggregate="%d" description="" epid="0"/>'
            '<activity aggregate="%d" description="" note="" epid="0"/><userInfo>%s</userInfo><devices/></presentity>' % (availability, number, info))


row("4.2", "PIDF: open", followed, kind=PIDF, body=pidf("<basic>open</basic>", "%(user)s"))
row("4.2", "PIDF: closed", followed, kind=PIDF, body=pidf("<basic>closed</basic>", "%(user)s"), is_offline=True)
row("4.2", "PIDF: the old activity away in the status of the tuple", followed, kind=PIDF, body=activity("away"), show="away")
row("4.2", "PIDF: the old activity busy", followed, kind=PIDF, body=activity("busy"), show="dnd")
row("4.2", "PIDF: an activity nobody knows", followed, kind=PIDF, body=activity("in-the-sauna"))
row("4.2", "PIDF: a display name of CIPID changes nothing", followed, kind=PIDF, body=pidf("<basic>open</basic>", "%(user)s", "<ci:display-name>Alice</ci:display-name>"))
row("4.2", "PIDF: entity with pres:", followed, kind=PIDF, body=pidf("<basic>open</basic>", "%(user)s").replace('entity="sip:', 'entity="pres:'))
row("4.2", "PIDF that is broken", followed, kind=PIDF, body="<presence", answer=400)
row("4.2", "xpidf of old peers is not asked for, nor taken", followed, kind="application/xpidf+xml", answer=400,
    body='<presence><presentity uri="sip:%(user)s;method=SUBSCRIBE"/><atom id="1"><address uri="sip:%(user)s"><status status="open"/></address></atom></presence>')
for _low, _high, _show, _words in ((3000, 4499, None, None), (4500, 5999, "away", "Inactive"), (6000, 7499, "dnd", "Busy"), (7500, 8999, "dnd", "Busy, inactive"),
                                   (9000, 11999, "dnd", None), (12000, 14999, "away", "Be right back"), (15000, 17999, "away", None)):
    for _number in (_low, _high):
        row("4.3", "availability %d: %s%s" % (_number, _show or "available", ", " + _words if _words else ""), followed, kind=CATEGORIES,
            body=categories(_number), show=_show, status=_words)
for _number in (0, 2999, 18000, 18500):
    row("4.3", "availability %d: offline" % _number, followed, kind=CATEGORIES, body=categories(_number), is_offline=True)
for _token, _number, _show, _words in (
        ("on-the-phone", 6500, "dnd", "In a call"), ("in-a-conference", 6500, "dnd", "In a conference"), ("in-a-meeting", 6500, "dnd", "In a meeting"),
        ("in-presentation", 9500, "dnd", "Presenting"), ("urgent-interruptions-only", 9500, "dnd", "Urgent interruptions only"),
        ("out-of-office", 15500, "xa", "Out of office"), ("off-work", 15500, "away", "Off work"), ("never-heard-of", 6500, "dnd", "Busy")):
    row("4.3", "activity %s" % _token, followed, kind=CATEGORIES, body=categories(_number, '<activity token="%s"/>' % _token), show=_show, status=_words)
row("4.3", "an activity in words of the user's own, with an LCID", followed, kind=CATEGORIES,
    body=categories(6500, '<activity><custom LCID="1031">Beim Zahnarzt</custom></activity>'), show="dnd", status="Beim Zahnarzt")
row("4.3", "a personal note is shown", followed, kind=CATEGORIES, body=categories(3500, note=note("personal", "on the road")), status="on the road")
row("4.3", "a note goes before the words of a state", followed, kind=CATEGORIES, body=categories(12500, note=note("personal", "on the road")), show="away",
    status="on the road")
row("4.3", "the note of somebody out of office", followed, kind=CATEGORIES, body=categories(15500, '<activity token="out-of-office"/>', note("OOF", "until May")),
    show="xa", status="until May")
for _number, _show, _words in ((100, "away", None), (200, "away", "Inactive"), (300, "away", "Be right back"), (400, None, None), (500, "dnd", "In a call"),
                               (600, "dnd", "Busy")):
    row("4.2", "msrtc.pidf: online and activity %d" % _number, followed, kind=PRESENTITY, body=presentity(300, _number), show=_show, status=_words)
row("4.2", "msrtc.pidf: availability 0", followed, kind=PRESENTITY, body=presentity(0, 400), is_offline=True)
row("4.2", "msrtc.pidf: a note", followed, kind=PRESENTITY, body=presentity(300, 400, "<note>ms note</note>"), status="ms note")
row("4.2", "msrtc.pidf: do not disturb is among the states", followed, kind=PRESENTITY, show="dnd", body=presentity(
    300, 400, '<states xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><state avail="9500" xsi:type="userState">do-not-disturb</state></states>'))


# ---- 4.3: what a contact says, as a client shows it ----

def watched(lab, inner, kind=CATEGORIES, has=(), lacks=(), presence_type=None):
    """A client watches a contact, who lets it, is there, and says so."""
    contact = words("contact").replace(" ", "")
    remote, local = contact + "@partner.example", "w" + contact + "@corp.example"
    watch = LyncWatch(lab.fe, lab.line, "sip:" + remote, "sip:" + local, accept=ENHANCED if kind == CATEGORIES else kind)
    assert watch.subscribe().status == 200
    lab.partner.send("<presence from='%s' to='%s' type='subscribed'/>" % (remote, local))
    lab.partner.send("<presence from='%s/desk' to='%s'><show>xa</show><status>before</status></presence>" % (remote, local))
    watch.wait(lambda m: m.body and "before" in m.text or kind == PIDF and "away" in m.text, 20)
    kind_of = " type='%s'" % presence_type if presence_type else ""
    lab.partner.send("<presence from='%s/desk' to='%s'%s>%s</presence>" % (remote, local, kind_of, inner))
    watch.wait(lambda m: m.body and all(re.search(p, m.text) for p in has) and not any(re.search(p, m.text) for p in lacks), 20)


def number(n):
    return "<availability>%d</availability>" % n


row("4.3", "no show: 3500", watched, inner="", has=[number(3500)], lacks=["<activity"])
row("4.3", "chat: 3500", watched, inner="<show>chat</show>", has=[number(3500)])
row("4.3", "away: 15500", watched, inner="<show>away</show>", has=[number(15500), 'token="away"'], lacks=["before"])
row("4.3", "xa: 15500", watched, inner="<show>xa</show><status>after</status>", has=[number(15500), "after"])
row("4.3", "dnd: 9500", watched, inner="<show>dnd</show>", has=[number(9500)])
row("4.3", "unavailable: 18500", watched, inner="", presence_type="unavailable", has=[number(18500)])
def refused_to_see(lab):
    """The contact's server answers with an error: the end, and nothing else than offline was ever shown."""
    contact = words("contact").replace(" ", "")
    remote, local = contact + "@partner.example", "w" + contact + "@corp.example"
    watch = LyncWatch(lab.fe, lab.line, "sip:" + remote, "sip:" + local)
    assert watch.subscribe().status == 200
    asked = lab.partner.inbox.wait(lambda s: s.get("type") == "subscribe" and s.get("from") == local, 20)
    lab.partner.send("<presence from='%s' to='%s' type='error' id='%s'><error type='cancel'><item-not-found "
                     "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>" % (remote, local, asked.get("id")))
    assert watch.wait(lambda m: m.get("subscription-state").startswith("terminated"), 20)
    told = [m.text for m in lab.fe.inbox.items if m.method == "NOTIFY" and m.get("call-id") == watch.call_id and m.body]
    assert all(number(18500) in text for text in told), told


row("4.3", "an error: closed", refused_to_see)
row("4.3", "the status of a federated partner's user is the note", watched, inner="<status>at lunch</status>", has=[">at lunch<", 'type="personal"'])
row("4.5", "no status: the note of before is taken away, which the client would keep", watched, inner="", has=['<category name="note"/>'], lacks=["before"])
row("4.5", "PIDF has only open, away and busy: away", watched, inner="<show>away</show><status>x</status>", kind=PIDF, has=["<basic>open", ">away<", ">x<"])
row("4.5", "PIDF has only open, away and busy: busy", watched, inner="<show>dnd</show>", kind=PIDF, has=["<basic>open", ">busy<"])
row("4.5", "PIDF: closed", watched, inner="", presence_type="unavailable", kind=PIDF, has=["<basic>closed"])


# ---- 4.5: what a client does ----

def vias(lab):
    """Its Via has no branch and lower case; the answer has all of them as they came."""
    alice = lab.person()
    raw, _, branch = alice.start_invite(BOB)
    answer = alice.sip.ask(alice.flow, raw, branch)
    assert answer.all("via")[1:] == ["SIP/2.0/tcp 127.0.0.1:51706;ms-received-port=51706;ms-received-cid=200"]
    assert "epid=" in answer.get("from") and answer.get("from") == re.search(rb"From: ([^\r]*)", raw).group(1).decode()


def no_contact(lab):
    """SDP and Contact of its 200 may be missing, or name another medium: the INVITE is accepted all the same where there is a way back."""
    alice, text = lab.person(), words("without a description")
    alice.accepts = ""
    lab.partner.say("bob", jid(alice), text)
    alice.wait_text(text)


def never_refreshed(lab):
    """It hangs up on a re-INVITE, and knows no UPDATE: whatever timer it asks for, neither comes of us."""
    alice, text = lab.person(), words("refreshed")
    answer, d = alice.invite(BOB, headers=[("Supported", "timer"), ("Session-Expires", "90"), ("Min-SE", "90")])
    assert answer.get("session-expires") == "90;refresher=uac"
    for n in range(3):
        assert alice.ask(d, "UPDATE", headers=[("Supported", "timer"), ("Session-Expires", "90;refresher=uas")]).status == 200
        lab.partner.say("bob", jid(alice), text + " %d" % n)
        alice.wait_text(text + " %d" % n)
    assert not [m for m in alice.sip.inbox.items if m.uri("to") == alice.uri and m.method in ("INVITE", "UPDATE")]


def no_info_before(lab):
    """It does not answer an INFO of no session at all: none is sent."""
    alice, text = lab.person(), words("text")
    for state in ("composing", "paused", "composing"):
        lab.partner.say("bob", jid(alice), None, inner=chat_state(state))
    lab.partner.say("bob", jid(alice), text)
    alice.wait_text(text)
    assert [m.method for m in alice.sip.inbox.items if m.uri("to") == alice.uri] == ["INVITE", "MESSAGE"]


def no_200_twice(lab):
    """202 to INVITE counts as a failure: ours is 200, with a description, without ms-text-format in Supported."""
    answer, _ = lab.person().invite(BOB)
    assert answer.status == 200
    judge(answer, has=["^content-type: application/sdp$", "^contact: <sip:", "^m=message "], lacks=["(?i)^supported:.*ms-text-format"])


def both_kinds_of_name(lab):
    """A URI with the epid of one device, and one with maddr: in-dialog requests go there, by the route."""
    for contact in ("<sip:%s;opaque=user:epid:ABCDEF;gruu>", "<sip:%s:5678;maddr=192.0.2.7;transport=tcp>;proxy=replace"):
        alice, text = lab.person(), words("by name")
        alice.contact_value = contact % jid(alice)
        lab.partner.say("bob", jid(alice), text)
        got = alice.wait_text(text)
        assert got.start == "MESSAGE %s SIP/2.0" % re.search("<(.*)>", alice.contact_value).group(1) and got.get("route") == alice.routes()


def refused_for_good(lab):
    """A SUBSCRIBE that is refused is not sent again before the next sign-on: a partner that is out of reach for now is no refusal."""
    lab.inst.list_partner("away.example", partner_type="federated")
    lab.inst.reload()
    watch = LyncWatch(lab.fe, lab.line, "sip:bob@away.example", "sip:%s@corp.example" % words("w").replace(" ", ""))
    answer = watch.subscribe()
    assert answer.status == 200 and int(answer.get("expires")) >= 60


row("4.5", "Via without a branch and in lower case, From with epid", vias)
row("4.5", "its 200 may have no description", no_contact)
row("4.5", "never a re-INVITE or UPDATE of ours", never_refreshed)
row("4.5", "no INFO without a session", no_info_before)
row("4.5", "200 to INVITE, never 202", no_200_twice)
row("4.5", "GRUU, and the maddr of older clients", both_kinds_of_name)
row("4.5", "who cannot be asked now is not refused", refused_for_good)


@pytest.mark.parametrize("run, what", ROWS)
def test_statement(lab, run, what):
    run(lab, **what)


ELSEWHERE = [
    ("4.1", "one INVITE for a conversation, MESSAGE in its dialog, BYE", "test_91_sessions.py::test_opened_by_the_contact"),
    ("4.1", "the same, by the user", "test_91_sessions.py::test_opened_by_the_user"),
    ("4.1", "typing is said again within 5 s, and a text ends it", "test_91_sessions.py::test_the_contact_types"),
    ("4.5", "typing lapses after 6 s", "test_91_sessions.py::test_the_user_types"),
    ("4.1", "202 with Message-Id, and a late failure as application/ms-imdn+xml in a NOTIFY", "test_91_sessions.py::test_a_late_error_is_a_notify_in_the_session"),
    ("4.2", "a refresh asks for another form", "test_92_lync_presence.py::test_a_refresh_is_told_in_its_form"),
    ("4.3", "notes by partner type", "test_89_presence_revoked.py"),
    ("4.3", "busy for dnd, as configured", "test_88_life.py"),
    ("4.5", "INVITEs that cross, and which of the two lives", "test_91_sessions.py::test_both_at_once_and_the_client_gives_up_its_own"),
    ("4.5", "an answer after 10 s, and a MESSAGE before it", "test_91_sessions.py::test_an_answer_that_comes_late_and_a_message_before_it"),
    ("4.5", "offline before the end of a subscription", "test_92_lync_presence.py::test_offline_is_told_before_the_end"),
    ("4.5", "SUBSCRIBE in a dialog from before a restart: 200 and NOTIFY", "test_92_lync_presence.py::test_a_refresh_of_a_dialog_that_is_not_there"),
    ("4.4", "a front end by certificate and address", "test_92_neighbour.py::test_only_with_the_name_of_the_edge"),
]


@pytest.mark.parametrize("where", [e[2] for e in ELSEWHERE], ids=["%s %s" % e[:2] for e in ELSEWHERE])
def test_held_elsewhere(where):
    path, _, name = where.partition("::")
    with open(os.path.join(os.path.dirname(__file__), path), encoding="utf-8") as f:
        assert not name or "def %s(" % name in f.read()
