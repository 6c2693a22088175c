"""
One user never stops a domain: what any user of an honest server can send is answered, or dropped by a rule, and the stream goes on
with what the others send. And XEP-0478: our limits are told, a partner's are obeyed.
"""
import itertools
import threading
from xml.sax.saxutils import quoteattr

import pytest

from harness.inbox import Inbox
from harness.proc import wait_until
from harness.xmpp import APP_ERRORS, ASK, AUTH, OFFER_SM, SASL, XmppStream, error_of, message

numbers = itertools.count(1)
LIMITS = "{urn:xmpp:stream-limits:0}"
DOMAIN = "crowd.example"

# By stringprep, or without any preparation, these are addresses; by RFC 7622 they are none.
ODD_FROM = ["i\u2665you@" + DOMAIN + "/x", "a\u00a0b@" + DOMAIN, "alice@" + DOMAIN + "/\u0378", "a\"<&'b@" + DOMAIN + "/<>", "@" + DOMAIN, "a@b@" + DOMAIN,
            "x" * 1024 + "@" + DOMAIN]
ODD_TO = ["da ve@corp.example", "d\u2665ve@corp.example", "dave@corp.example/\u0378", "\"dave\"@corp.example", "da<ve@corp.example", "@corp.example",
          "dave@@corp.example", "dave@corp.example/" + "r" * 1024]


def stanza(kind, sender, to, ident, inside="", type=None, more=""):
    return "<%s%s from=%s to=%s id='%s'%s>%s</%s>" % (kind, more, quoteattr(sender), quoteattr(to), ident, " type='%s'" % type if type else "", inside, kind)


def usual(kind, ident, inside="", **kwargs):
    return stanza(kind, "alice@%s/r" % DOMAIN, "dave@corp.example", ident, inside, **kwargs)


TOO_MUCH = {
    "bytes": (usual, "<body>" + "x" * 70000 + "</body>", "", "policy.size.exceeded", "65536 bytes"),
    "nearly the hard maximum": (usual, "<body>" + "x" * 261900 + "</body>", "", "policy.size.exceeded", "65536 bytes"),
    "section": (usual, "<body><![CDATA[" + "x" * 67000 + "]]></body>", "", "policy.size.exceeded", "65536 bytes"),
    "depth": (usual, "<a>" * 40 + "</a>" * 40, "", "policy.shape.exceeded", "32 levels"),
    "depth of 256 KiB": (usual, "<a>" * 37000 + "</a>" * 37000, "", "policy.shape.exceeded", "32 levels"),
    "nodes": (usual, "<a/>" * 5000, "", "policy.shape.exceeded", "4096 elements"),
    "attributes": (usual, "<a " + " ".join("b%d=''" % i for i in range(70)) + "/>", "", "policy.shape.exceeded", "64 attributes"),
    "attributes of its own": (usual, "<body>x</body>", "".join(" b%d=''" % i for i in range(500)), "policy.shape.exceeded", "64 attributes"),
}


class Crowd:
    """A partner's stream on which others speak, too."""

    def __init__(self, xfed, partner, user, has_sm):
        self.xfed, self.partner, self.user = xfed, partner, user
        self.stream = partner.dial("corp.example")
        self.has_sm = has_sm
        self.sent = 0
        if has_sm:
            self.stream.enable_sm()

    def send(self, xml):
        self.stream.send(xml)
        self.sent += 1

    def others_speak(self):
        """A message of somebody else on the same stream arrives."""
        text, since = "others %d" % next(numbers), self.user.said.mark()
        self.send(message("bob@" + DOMAIN, "dave@corp.example", text, id=text.replace(" ", "-")))
        return lambda: self.user.wait_text(text, 20, since)

    def between_others(self, xml):
        before = self.others_speak()
        self.send(xml)
        after = self.others_speak()
        before()
        after()

    def answer(self, ident, since=0):
        return self.partner.inbox.wait(lambda s: s.get("type") == "error" and s.get("id") == ident, 20, since)

    def is_whole(self):
        """The stream is open, and with stream management both sides have counted the same."""
        if self.has_sm:
            self.stream.send(ASK)
            self.stream.wait_ack(self.sent, 20)
        before = self.others_speak()
        before()


@pytest.fixture(scope="module")
def crowded(xfed, new_partner):
    xfed.list_partner(DOMAIN)
    partner = new_partner(xfed, DOMAIN)
    xfed.reload()
    yield partner
    xfed.unlist_partner(DOMAIN)
    xfed.reload()


@pytest.fixture(params=[False, True], ids=["plain", "sm"])
def crowd(xfed, crowded, user, request):
    crowd = Crowd(xfed, crowded, user, request.param)
    yield crowd
    crowd.stream.close()


def dropped(xfed):
    return xfed.edge.metric("xfed_dropped_total", rule="no-error-due")


# ---- addresses ----

def test_addresses_that_are_none(crowd, refusal):
    """Each is answered with the addresses as they came; where the recipient's is malformed, by our domain."""
    odd = [(sender, "dave@corp.example") for sender in ODD_FROM] + [("alice@" + DOMAIN, to) for to in ODD_TO]
    for sender, to in odd:
        ident = "odd%d" % next(numbers)
        with refusal("xmpp.address.malformed", DOMAIN):
            crowd.between_others(stanza("message", sender, to, ident, "<body>odd</body>"))
            error = crowd.answer(ident)
        assert error_of(error)[:2] == ("jid-malformed", "modify")
        assert error.get("to") == sender
        assert error.get("from") == (to if to == "dave@corp.example" else "corp.example")
    crowd.is_whole()


def test_queries_from_and_to_addresses_that_are_none(crowd):
    for sender, to in (("a b@" + DOMAIN, "corp.example"), ("alice@" + DOMAIN, "da ve@corp.example")):
        ident = "query%d" % next(numbers)
        crowd.send(stanza("iq", sender, to, ident, "<ping xmlns='urn:xmpp:ping'/>", type="get"))
        assert error_of(crowd.answer(ident))[0] == "jid-malformed"
    crowd.is_whole()


def test_an_answer_that_nobody_has_to_take(crowd):
    """An id in single quotes grows sixfold in double ones. What is more than everybody takes could end our stream: it is not sent."""
    before, since, ident = crowd.xfed.edge.metric("xfed_dropped_total", rule="error-too-large"), crowd.partner.inbox.mark(), "long%d" % next(numbers)
    crowd.between_others("<message from='a b@%s' to='dave@corp.example' id='%s'/>" % (DOMAIN, '"' * 3000))
    crowd.between_others("<message from='a b@%s' to='dave@corp.example' id='%s'/>" % (DOMAIN, ident))
    assert error_of(crowd.answer(ident))[0] == "jid-malformed"
    assert crowd.partner.inbox.mark() == since + 1
    assert crowd.xfed.edge.metric("xfed_dropped_total", rule="error-too-large") == before + 1
    crowd.is_whole()


# ---- limits ----

@pytest.mark.parametrize("what", TOO_MUCH, ids=[w.replace(" ", "-") for w in TOO_MUCH])
def test_more_than_a_stanza_may(crowd, refusal, what):
    make, inside, more, code, limit = TOO_MUCH[what]
    ident, reached = "much%d" % next(numbers), crowd.user.said.mark()
    with refusal(code, DOMAIN):
        crowd.between_others(make("message", ident, inside, more=more))
        error = crowd.answer(ident)
    condition, _, text = error_of(error)
    assert condition == "policy-violation" and limit in text and code in text
    assert (error.get("from"), error.get("to")) == ("dave@corp.example", "alice@%s/r" % DOMAIN)
    assert bool(error.findall(".//" + APP_ERRORS + "stanza-too-big")) == (code == "policy.size.exceeded")
    assert crowd.user.said.mark() == reached + 2
    crowd.is_whole()


def test_nobody_is_answered_who_waits_for_nothing(crowd):
    """Errors, results and presence are dropped by rule, and counted."""
    much = "<a/>" * 5000
    quiet = [("message", "error"), ("iq", "error"), ("iq", "result"), ("presence", None), ("presence", "unavailable"), ("presence", "error")]
    before, since = dropped(crowd.xfed), crowd.partner.inbox.mark()
    for kind, type in quiet:
        crowd.send(usual(kind, "quiet%d" % next(numbers), much, type=type))
        crowd.send(stanza(kind, "a b@" + DOMAIN, "dave@corp.example", "quiet%d" % next(numbers), type=type))
    # Answers keep their order: this one is behind any that would have been for those.
    ident = "loud%d" % next(numbers)
    crowd.send(stanza("presence", "a b@" + DOMAIN, "dave@corp.example", ident, type="subscribe"))
    assert error_of(crowd.answer(ident))[0] == "jid-malformed"
    assert crowd.partner.inbox.mark() == since + 1
    assert dropped(crowd.xfed) == before + 2 * len(quiet)
    crowd.is_whole()


ENDS = {
    "hard maximum": (usual("message", "h", "<body>" + "x" * 262144 + "</body>"), "policy-violation", "stream.xml.too-big"),
    "start tag": (usual("message", "h", more=" a='%s'" % ("x" * 17000)), "policy-violation", "stream.xml.too-big"),
    "wrong tag behind a limit": (usual("message", "h", "<a/>" * 5000 + "<b></c>"), "not-well-formed", "stream.xml.malformed"),
    "comment behind a limit": (usual("message", "h", "<body>" + "x" * 70000 + "</body><!-- x -->"), "restricted-xml", "stream.xml.restricted"),
    "unproved and too large": (stanza("message", "a@other.example", "dave@corp.example", "h", "<body>" + "x" * 70000 + "</body>"), "invalid-from",
                               "stream.from.unproved"),
    "unproved and malformed": (stanza("message", "a b@other.example", "dave@corp.example", "h"), "invalid-from", "stream.from.unproved"),
    "relayed and malformed": (stanza("message", "alice@" + DOMAIN, "da ve@else.example", "h"), "host-unknown", "stream.relay.attempt"),
    "no domain": (stanza("message", "alice@" + DOMAIN, "dave@", "h"), "improper-addressing", "stream.address.improper"),
}


@pytest.mark.parametrize("what", ENDS, ids=[w.replace(" ", "-") for w in ENDS])
def test_what_is_no_users_doing_ends_the_stream(crowded, refusal, what):
    data, condition, code = ENDS[what]
    stream = crowded.dial("corp.example")
    with refusal(code, DOMAIN):
        stream.send(data)
        assert stream.read_error().condition == condition


# ---- XEP-0478 ----

def told(features):
    limits = features.find(LIMITS + "limits")
    return None if limits is None else {e.tag[len(LIMITS):]: int(e.text) for e in limits}


def test_our_limits_are_told(xfed, listed):
    p = listed("told.example", file={"limits": {"stanza_size": "20000B"}})
    stream = XmppStream.connect(xfed.s2s).to_tls("told.example", "corp.example", p.client_context)
    assert told(stream.to_features("told.example", "corp.example")) == {"max-bytes": 20000, "idle-seconds": 600}
    stream.send(AUTH)
    stream.expect(SASL + "success")
    stream.restart()
    assert told(stream.to_features("told.example", "corp.example")) == {"max-bytes": 20000, "idle-seconds": 600}
    stream.close()


def offer(inside, sm=False):
    limits = "<limits xmlns='urn:xmpp:stream-limits:0'>%s</limits>" % inside
    features = OFFER_SM.replace("</stream:features>", limits + "</stream:features>") if sm else "<stream:features>%s</stream:features>" % limits
    return lambda stream, go_on: stream.send(features)


def sender_of(user, flow, domain, text):
    box = Inbox("the sender of %d bytes" % len(text))
    threading.Thread(target=lambda: box.put(user.message(flow, "sip:alice@" + domain, text).status), daemon=True).start()
    return lambda: box.wait(lambda status: True, 30)


@pytest.mark.parametrize("sm", [False, True], ids=["plain", "sm"])
def test_a_partners_limit_is_obeyed(xfed, listed, user, flow, tools, refusal, sm):
    """What is too large is refused to its sender at once, parked before the limit was known or not; nothing waits behind it."""
    domain = "small-%s.example" % ("sm" if sm else "plain")
    p = listed(domain)
    p.at["ready"] = offer("<max-bytes>10000</max-bytes>", sm)
    may_go = threading.Event()
    p.at["features"] = lambda stream, go_on: (may_go.wait(30), go_on())
    with refusal("xmpp.size.exceeded", domain):
        parked = [sender_of(user, flow, domain, text) for text in ("L" * 12000, "small one")]
        p.wait_event("header")
        may_go.set()
        assert [wait() for wait in parked] == [413, 200]
    p.wait_body("small one")
    with refusal("xmpp.size.exceeded", domain):
        assert user.message(flow, "sip:alice@" + domain, "&" * 2500).status == 413  # as it is written: "&amp;"
    assert user.message(flow, "sip:alice@" + domain, "m" * 9000).status == 200
    p.wait_body("m" * 9000)
    assert not [s for s in p.inbox.items if (s.findtext("{jabber:server}body") or "")[:1] in "L&" and s.get("type") != "error"]
    shown = [xfed.edge.control("stream", "show", id=str(s["id"])) for s in xfed.streams(domain) if s["direction"] == "out"]
    assert [s["peer_stanza_size"] for s in shown] == [10000]
    assert "stanzas of up to 10000 bytes" in xfed.edge.ctl(tools, "stream", "show", str(shown[0]["id"]))
    assert not [e for e in p.events.items if e[0].startswith("error")]


GARBAGE = {"zero": "<max-bytes>0</max-bytes>", "negative": "<max-bytes>-1</max-bytes>", "huge": "<max-bytes>99999999999999999999999</max-bytes>",
           "below-rfc-6120": "<max-bytes>9999</max-bytes>", "word": "<max-bytes>many</max-bytes>", "none": ""}


@pytest.mark.parametrize("what", GARBAGE)
def test_a_limit_that_is_none(listed, user, flow, what):
    p = listed("limit-%s.example" % what)
    p.at["ready"] = offer(GARBAGE[what])
    assert user.message(flow, "sip:alice@" + p.domain, "g" * 12000).status == 200
    p.wait_body("g" * 12000)


# ---- from SIP ----

def test_odd_requests_of_one_user_end_nothing(xfed, listed, user, flow):
    """What cannot become an address or a stanza is refused to its sender; link and stream carry the next one."""
    p = listed("calm.example")
    assert user.message(flow, "sip:alice@calm.example", "first").status == 200
    links, streams = xfed.edge.control("status")["channel"], [s["id"] for s in xfed.streams("calm.example")]
    odd = ["sip:da%00ve@corp.example", "sip:%20dave@corp.example", "sip:%ff%fe@corp.example", "sip:" + "d" * 1100 + "@corp.example", "sip:d%E2%99%A5ve@corp.example"]
    for sender in odd:
        assert user.message(flow, "sip:alice@calm.example", "odd", sender=sender).status >= 400
    for to in ("sip:al%00ice@calm.example", "sip:al%E2%99%A5ice@calm.example", "sip:" + "a" * 1100 + "@calm.example"):
        assert user.message(flow, to, "odd").status >= 400
    assert user.message(flow, "sip:alice@calm.example", "x" * 100000).status == 413  # the connection is that of all users of a proxy
    assert user.message(flow, "sip:alice@calm.example", "last").status == 200
    p.wait_body("last")
    assert [s["id"] for s in xfed.streams("calm.example")] == streams
    assert [(x["peer"], x["since"]) for x in xfed.edge.control("status")["channel"]] == [(x["peer"], x["since"]) for x in links]
