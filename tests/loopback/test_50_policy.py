"""What policy decides: queries answered at the edge, kinds, rates, sizes, access, and reload while everything else carries on."""
import itertools
import json
import time

import pytest

from harness.installation import write
from harness.proc import wait_until
from harness.xmpp import SERVER, XmppStream, error_of, message

numbers = itertools.count(1)


def ask(partner, query, type="get", to="corp.example", sender=None, ident=None):
    ident = ident or "q%d" % next(numbers)
    partner.send("<iq type='%s' id='%s' from='%s' to='%s'>%s</iq>" % (type, ident, sender or partner.domain, to, query), "corp.example")
    return partner.inbox.wait(lambda s: s.get("id") == ident, 10)


# ---- queries ([A12]) ----

def test_ping(partner):
    answer = ask(partner, "<ping xmlns='urn:xmpp:ping'/>", sender="alice@partner.example/desk")
    assert answer.tag == SERVER + "iq" and answer.get("type") == "result" and len(answer) == 0
    assert (answer.get("from"), answer.get("to")) == ("corp.example", "alice@partner.example/desk")


def test_disco_info(partner):
    query = ask(partner, "<query xmlns='http://jabber.org/protocol/disco#info'/>")[0]
    ns = "{http://jabber.org/protocol/disco#info}"
    assert {(i.get("category"), i.get("type")) for i in query.iter(ns + "identity")} == {("server", "im"), ("gateway", "simple")}
    features = {f.get("var") for f in query.iter(ns + "feature")}
    assert {"http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items", "urn:xmpp:ping", "jabber:iq:version",
            "urn:xmpp:time"} <= features


def test_disco_items(partner):
    answer = ask(partner, "<query xmlns='http://jabber.org/protocol/disco#items'/>")
    assert answer.get("type") == "result" and len(answer[0]) == 0


def test_version(partner):
    query = ask(partner, "<query xmlns='jabber:iq:version'/>")[0]
    fields = {e.tag.split("}")[1]: e.text for e in query}
    assert fields["name"] and fields["version"] and "os" not in fields


def test_time(partner):
    fields = {e.tag.split("}")[1]: e.text for e in ask(partner, "<time xmlns='urn:xmpp:time'/>")[0]}
    assert fields["utc"].endswith("Z") and "tzo" in fields
    said = time.mktime(time.strptime(fields["utc"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
    assert abs(said - time.time()) < 60


@pytest.mark.parametrize("query, type, to, condition", [
    ("<query xmlns='jabber:iq:roster'/>", "get", "corp.example", "service-unavailable"),
    ("<ping xmlns='urn:xmpp:ping'/>", "get", "dave@corp.example", "service-unavailable"),
    ("<ping xmlns='urn:xmpp:ping'/>", "get", "nobody-at-all@corp.example", "service-unavailable"),
    ("<query xmlns='http://jabber.org/protocol/disco#info'/>", "get", "dave@corp.example", "service-unavailable"),
    ("<ping xmlns='urn:xmpp:ping'/>", "set", "corp.example", "service-unavailable"),
    ("<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>", "get", "corp.example", "item-not-found"),
    ("", "get", "corp.example", "bad-request"),
    ("<a xmlns='x'/><b xmlns='x'/>", "get", "corp.example", "bad-request"),
    ("<ping xmlns='urn:xmpp:ping'/>", "unheard-of", "corp.example", "bad-request"),
])
def test_queries_that_are_refused(partner, query, type, to, condition):
    """An address with a local part is always service-unavailable: nothing is learnt from it."""
    answer = ask(partner, query, type, to)
    assert answer.get("type") == "error" and error_of(answer)[0] == condition


def test_answers_to_nothing_are_dropped(xfed, partner):
    before = xfed.edge.metric("xfed_dropped_total", rule="iq-answer")
    partner.send("<iq type='result' id='r1' from='partner.example' to='corp.example'/>"
                 "<iq type='error' id='r2' from='partner.example' to='dave@corp.example'/>")
    assert ask(partner, "<ping xmlns='urn:xmpp:ping'/>").get("type") == "result"
    assert xfed.edge.metric("xfed_dropped_total", rule="iq-answer") == before + 2
    assert not [s for s in partner.inbox.items if s.get("id") in ("r1", "r2")]


# ---- presence of whom nobody watches ----

def dropped(xfed):
    """By the gateway itself; its page has the edge's series too, with a label of their own."""
    return sum(value for name, labels, value in xfed.gateway.samples()
               if name == "xfed_dropped_total" and labels.get("rule") == "presence-unwatched" and "edge" not in labels)


def test_presence_of_whom_nobody_watches_is_dropped(xfed, partner, user):
    since = user.said.mark()
    before = dropped(xfed)
    for kind in ("", "type='unavailable'"):
        partner.send("<presence from='alice@partner.example' to='nobody.watches@corp.example' %s/>" % kind)
    wait_until("two dropped", lambda: dropped(xfed) == before + 2, 5)
    assert user.said.mark() == since


# ---- limits of a partner ----

def test_kinds(xfed, listed, user, flow, refusal):
    """A partner that may send queries only: a message is refused in both directions; errors always pass."""
    p = listed("queries.example", file={"kinds": ["iq"]})
    since = user.said.mark()
    with refusal("policy.kind.forbidden", "queries.example"):
        assert p.wait_error(p.say("alice", "dave@corp.example", "not allowed"))[0] == "policy-violation"
    with refusal("policy.kind.forbidden", "queries.example"):
        assert user.message(flow, "sip:alice@queries.example", "not allowed").status == 403
    assert ask(p, "<ping xmlns='urn:xmpp:ping'/>").get("type") == "result"
    assert user.said.mark() == since


def test_rate(xfed, listed, refusal):
    p = listed("hasty.example", file={"limits": {"stanzas_per_second": 5}})
    stream = p.stream_to("corp.example")
    with refusal("policy.rate.exceeded", "hasty.example"):
        stream.send("".join("<iq type='get' id='h%d' from='hasty.example' to='corp.example'><ping xmlns='urn:xmpp:ping'/></iq>" % i
                            for i in range(30)))
        answers = p.inbox.wait_count(30, 10)
    errors = [error_of(a)[:2] for a in answers if a.get("type") == "error"]
    assert len(errors) >= 20 and set(errors) == {("resource-constraint", "wait")}
    assert [a for a in answers if a.get("type") == "result"]


def test_a_backlog_waits_and_is_not_refused(xfed, listed, user):
    """After an outage a partner's server hands over at once what has gathered: it is paced, in order, and none is refused."""
    rate, count = 20, 120
    p = listed("patient.example", file={"limits": {"stanzas_per_second": rate}})
    stream = p.stream_to("corp.example")
    since = user.said.mark()
    began = time.monotonic()
    stream.send("".join(message("alice%d@patient.example/r" % (i % 7), "dave@corp.example", "backlog %d" % i, id="k%d" % i) for i in range(count)))
    got = user.said.wait_count(count, 60, since)
    assert time.monotonic() - began > count / rate - 1.5  # a second's worth goes at once
    for sender in range(7):
        mine = [int(m.text.split()[1]) for m in got if "alice%d@" % sender in m.get("from")]
        assert mine == sorted(mine) and len(mine) == len(range(sender, count, 7))
    assert not p.inbox.items  # no error


PING = "<iq type='get' id='%s' from='%s' to='corp.example'><ping xmlns='urn:xmpp:ping'/></iq>"


def test_rate_is_the_partners_over_all_its_streams(xfed, listed, refusal):
    """
    Eight streams have no more than one, and no stream that is opened anew begins with more. What is answered is counted against the
    time it took, so a slow machine makes the bound looser and nothing else.
    """
    rate, each = 5, 10
    p = listed("broad.example", file={"limits": {"stanzas_per_second": rate}})
    began = time.monotonic()
    with refusal("policy.rate.exceeded", "broad.example"):
        for round in range(2):
            streams = [p.dial("corp.example") for _ in range(8)]
            for n, stream in enumerate(streams):
                stream.send("".join(PING % ("b%d.%d.%d" % (round, n, i), "broad.example") for i in range(each)))
            answers = p.inbox.wait_count(8 * each * (round + 1), 30)
            for stream in streams:
                stream.close()
        seconds = time.monotonic() - began
    served = [a for a in answers if a.get("type") == "result"]
    assert 1 <= len(served) <= rate + rate * seconds + 1, (len(served), seconds)
    assert {error_of(a)[:2] for a in answers if a.get("type") == "error"} == {("resource-constraint", "wait")}


def test_size(xfed, listed, refusal):
    p = listed("verbose.example", file={"limits": {"stanza_size": "10000B"}})
    with refusal("policy.size.exceeded", "verbose.example"):
        condition, _, text = p.wait_error(p.say("alice", "dave@corp.example", "x" * 10001))
        assert condition == "policy-violation" and "10000 bytes" in text


def test_connections(xfed, listed, refusal):
    p = listed("many.example", file={"limits": {"connections": 3}})
    streams = [p.dial("corp.example") for _ in range(3)]
    with refusal("policy.connections.exceeded"):
        one_more = XmppStream.connect(xfed.s2s).to_tls("many.example", "corp.example", p.client_context)
        one_more.open("many.example", "corp.example")
        assert one_more.read_error(with_header=True).condition == "resource-constraint"
    for s in streams:
        s.close()
    wait_until("the streams' end", lambda: not xfed.streams("many.example"), 5)
    p.dial("corp.example").close()


def test_additional_domains_and_wildcards(xfed, listed, certs, user):
    """An exact name beats a wildcard; a wildcard does not stand for its own domain."""
    p = listed("main.example", names=["xmpp:main.example", "xmpp:dept.main.example", "xmpp:a.it.main.example", "xmpp:it.main.example"],
               file={"additional_domains": ["dept.main.example", "*.it.main.example"]})
    for domain in ("dept.main.example", "a.it.main.example"):
        XmppStream.connect(xfed.s2s).log_in(domain, "corp.example", p.client_context).close()
    stranger = XmppStream.connect(xfed.s2s)
    stranger.open("it.main.example", "corp.example")
    assert stranger.read_error(with_header=True).condition == "policy-violation"


# ---- who may use federation at all ----

@pytest.fixture
def access(xfed):
    """Writes a rule; afterwards everyone may again."""
    path = xfed.dir + "/access.d/few.yaml"

    def rule(text):
        write(path, text)
        assert xfed.gateway.control("reload")["ok"]
    yield rule
    import os
    os.unlink(path)
    assert xfed.gateway.control("reload")["ok"]


def test_access(partner, user, flow, refusal, access):
    access("name: Few\nscope: user\nallowed: true\ngranted_to: [dave@corp.example]\n")
    since, reached = user.said.mark(), partner.inbox.mark()
    with refusal("policy.access.user"):
        assert partner.wait_error(partner.say("alice", "erin@corp.example", "not for you"))[0] == "service-unavailable"
    with refusal("policy.access.user"):
        assert user.message(flow, "sip:alice@partner.example", "not from you", sender="sip:erin@corp.example").status == 403
    text = "granted %d" % next(numbers)
    partner.say("alice", "dave@corp.example", text)
    user.wait_text(text)
    assert [m.text for m in user.said.items[since:]] == [text]
    assert not [s for s in partner.inbox.items[reached:] if s.get("type") != "error"]


# ---- a public partner ----

def test_public_partner(xfed, listed, user, flow, refusal):
    """Without a word from the local user a stranger does not get through; an outgoing message authorises for a day."""
    p = listed("public.example", file={"partner_type": "public-unverified"})
    since = user.said.mark()
    with refusal("policy.contact.unauthorised"):
        assert p.wait_error(p.say("alice", "dave@corp.example", "spam?"))[0] == "service-unavailable"
    assert user.message(flow, "sip:alice@public.example", "hello", sender="sip:dave@corp.example").status in (200, 202)
    text = "reply %d" % next(numbers)
    p.say("alice", "dave@corp.example", text)
    user.wait_text(text, 10, since)
    with refusal("policy.contact.unauthorised"):
        assert p.wait_error(p.say("mallory", "dave@corp.example", "spam"))[0] == "service-unavailable"
    assert [m.text for m in user.said.items[since:]] == [text]
    user.answer = 404
    ident = p.say("alice", "dave@corp.example", "gone?")
    assert p.wait_error(ident)[0] == "service-unavailable"  # accounts are not revealed to the public


# ---- reload ----

def good(xfed):
    return sorted((s["direction"], s["id"]) for s in xfed.streams("partner.example") if s["state"] == "ready")


@pytest.fixture
def untouched(xfed, partner, user, flow):
    """The good partner keeps its streams through a test of this section."""
    partner.stream_to("corp.example")
    assert user.message(flow, "sip:alice@partner.example", "opens ours").status in (200, 202)
    before = good(xfed)
    yield
    assert set(before) <= set(good(xfed))


def test_a_new_partner_within_a_second(xfed, certs, new_partner, untouched):
    p = new_partner(xfed, "fresh.example")
    stream = XmppStream.connect(xfed.s2s)
    stream.open("fresh.example", "corp.example")
    assert stream.read_error(with_header=True).condition == "policy-violation"
    xfed.list_partner("fresh.example")
    start = time.monotonic()
    xfed.reload()
    p.dial("corp.example").close()
    assert time.monotonic() - start < 10  # a second, and what a busy machine adds to our own part


def test_a_removed_partner_loses_its_streams(xfed, listed, user, flow, untouched):
    p = listed("leaving.example")
    stream = p.dial("corp.example")
    assert user.message(flow, "sip:alice@leaving.example", "while it lasts").status in (200, 202)
    xfed.unlist_partner("leaving.example")
    mark = xfed.edge.process.mark()
    xfed.reload()
    error = stream.read_error()
    assert error.condition == "policy-violation"
    p.wait_event("error:policy-violation")
    for direction in ("in", "out"):
        xfed.edge.process.wait_line("event=s2s.closed partner=leaving.example .*direction=%s reason=policy.partner.unlisted" % direction, 5, mark)
    assert user.message(flow, "sip:alice@leaving.example", "too late").status == 403


BROKEN = [
    ("typo in a key", "domain: broken.example\nsassl: required\n", 2, "sassl"),
    ("typo in a value", "domain: broken.example\ndialback: flase\n", 2, "flase"),
    ("impossible matrix", "domain: broken.example\ntls: not-supported\nsasl: required\ndialback: false\n", None, "sasl"),
    ("not YAML", "domain: broken.example\n  x: [\n", None, ""),
    ("wrong name", "domain: other.example\n", 1, "other.example"),
    ("a domain of ours", "domain: corp.example\n", 1, "corp.example"),
    ("empty", "", None, ""),
    ("two documents", "domain: broken.example\n---\ndomain: second.example\n", None, ""),
    ("a number out of range", "domain: broken.example\nlimits: {stanza_size: 1MiB}\n", 2, "stanza_size"),
    ("not built yet", "domain: broken.example\ndane: on\n", 2, "dane"),
    ("a key twice", "domain: broken.example\ntls: required\ntls: optional\n", 3, "tls"),
]


@pytest.mark.parametrize("name, text, line, word", BROKEN, ids=[row[0].replace(" ", "-") for row in BROKEN])
def test_a_broken_file_changes_nothing(xfed, partner, untouched, name, text, line, word):
    """file:line:key, what was found, what is accepted; the last good policy stays."""
    domain = "corp.example" if name == "a domain of ours" else "broken.example"
    path = xfed.partner_path(domain)
    before = xfed.edge.metric("xfed_policy_revision")
    mark = xfed.gateway.process.mark()
    write(path, text)
    try:
        result = xfed.gateway.control("reload")
        assert not result["ok"]
        errors = "\n".join(result["errors"])
        assert path in errors and word in errors, errors
        if line:
            assert "%s:%d:" % (path, line) in errors, errors
        xfed.gateway.process.wait_line("reason=config", 5, mark)
        assert not xfed.gateway.control("config", "check")["ok"]
        assert xfed.edge.metric("xfed_policy_revision") == before
    finally:
        import os
        os.unlink(path)
    assert xfed.gateway.control("config", "check")["ok"]


def test_sighup_reloads(xfed, new_partner):
    import signal
    p = new_partner(xfed, "hup.example")
    xfed.list_partner("hup.example")
    before = xfed.edge.metric("xfed_policy_revision")
    xfed.gateway.process.child.send_signal(signal.SIGHUP)
    wait_until("a new revision", lambda: xfed.edge.metric("xfed_policy_revision") > before, 5)
    p.dial("corp.example").close()


def test_reload_without_a_change_makes_no_revision(xfed, partner):
    """Only files that differ make a new revision."""
    xfed.reload()
    before = xfed.edge.metric("xfed_policy_revision")
    assert xfed.gateway.control("reload")["ok"]
    assert xfed.edge.metric("xfed_policy_revision") == before


def test_xfedctl(xfed, partner, tools):
    """What an operator sees, as text and as JSON."""
    partner.stream_to("corp.example")
    code, text = xfed.gateway.ctl(tools, "--json", "status", check=False)
    status = json.loads(text)
    assert code == (1 if status["problems"] else 0)
    assert status["role"] == "gateway" and status["state"] == "in-service"
    assert [c["peer"] for c in status["channel"] if c["up"]] == ["edge1"]
    assert xfed.edge.ctl(tools, "status", as_json=True)["state"] == "in-service"
    assert "partner.example" in xfed.edge.ctl(tools, "stream", "list")
    assert "partner.example" in xfed.gateway.ctl(tools, "partner", "list")
    shown = xfed.gateway.ctl(tools, "partner", "show", "partner.example").splitlines()
    assert [line.split()[1:] for line in shown if line.startswith(("type ", "presence "))] == [["federated"], ["as", "in", "gateway.yaml"]], shown
    assert json.dumps(xfed.gateway.ctl(tools, "config", "check", as_json=True))
    code, text = xfed.gateway.ctl(tools, "partner", "show", "nobody.example", check=False)
    assert code == 1 and text
    code, text = xfed.gateway.ctl(tools, "no-such-noun", check=False)
    assert code == 2 and text


def test_what_a_partner_file_says_of_presence_is_shown(xfed, listed, tools):
    """Its own rows, and only those."""
    listed("mapped.example", file={"presence": {"xmpp-dnd": "none", "on-the-phone": "xa"}})
    assert xfed.gateway.ctl(tools, "partner", "show", "mapped.example", as_json=True)["presence"] == {"on-the-phone": "xa", "xmpp-dnd": "none"}
    assert "on-the-phone: xa, xmpp-dnd: none\n" in xfed.gateway.ctl(tools, "partner", "show", "mapped.example")
    assert "presence" not in xfed.gateway.ctl(tools, "partner", "show", "partner.example", as_json=True)
