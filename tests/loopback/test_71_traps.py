"""
Bugs of other servers, each a test of ours: dialback in its three roles against a partner that gets it wrong, and what else
tests/README.md does not find elsewhere ([A8], XEP-0220, XEP-0185).
"""
import concurrent.futures
import itertools
import os
import re
import socket
import threading

import pytest

from harness.peer import DIALBACK, Peer, Refused, dialback_element, dialback_key, verdict_of
from harness.proc import wait_until
from harness.wire import free_port
from harness.xmpp import AUTH, SASL, XmppStream, child_text, message

numbers = itertools.count(1)
DB = "xmlns:db='jabber:server:dialback'"


@pytest.fixture
def able(xfed, certs, dns):
    """able(...) is a Peer for a domain of its own that policy lists: TLS required, certificates or dialback, unless `file` says else."""
    made = []

    def make(abilities="TLS+dialback", file=None, **kwargs):
        domain = "trap%d.example" % next(numbers)
        names = ["xmpp:" + domain, "host:*." + domain]
        leaf = certs.leaf(domain.split(".")[0], *names)
        p = Peer(domain, certs, leaf, xfed.s2s, abilities, certs.leaf(leaf + "-plain", "by=self", *names), **kwargs)
        xfed.list_partner(domain, **dict({"sasl": "optional", "dialback": True, "additional_domains": ["*." + domain]}, **(file or {})))
        for name in p.hosted:
            dns.xmpp(name, ("xmpp." + domain, p.port, "127.0.0.1"))
        made.append(p)
        xfed.reload()
        return p
    yield make
    for p in made:
        p.may_end.set()
        p.close()
        xfed.unlist_partner(p.domain)
        assert not p.violations
    if made:
        xfed.reload()


def text():
    return "trap %d" % next(numbers)


def status_of(user, flow, domain, body=None):
    return user.message(flow, "sip:eve@" + domain, body or text()).status


def count_in(p, what):
    return [e for e, _ in p.events.items].count(what)


# ---- a stanza needs a pair that has been proved ----

def test_each_pair_is_proved_by_itself(xfed, user, able):
    """Kamailio, XSF notice of 2012: a key that is valid for one pair says nothing about another one."""
    p = able()
    p.hosted["sub." + p.domain] = "TLS+dialback"
    s = p.dial("corp.example")
    since = user.said.mark()
    body = text()
    s.send(message("eve@" + p.domain, "user@corp.example", body))
    user.wait_text(body)
    s.send(message("eve@sub." + p.domain, "user@corp.example", "not mine"))
    with pytest.raises(Refused) as e:
        p.next_of(s, "element")
    assert e.value.condition == "invalid-from"
    s = p.dial("corp.example")
    s.send(message("eve@" + p.domain, "user@corp2.example", "not yours"))
    with pytest.raises(Refused) as e:
        p.next_of(s, "element")
    assert e.value.condition == "host-unknown"
    assert [m.text for m in user.said.items[since:]] == [body]


def test_nothing_is_let_in_between_key_and_verdict(xfed, user, able):
    """A stanza behind a key that is still being verified."""
    p = able()
    p.authority = "silent"
    since = user.said.mark()
    s = p.open_stream("corp.example")
    p.send_key(s)
    p.asked.wait_count(1, 10)
    s.send(message("eve@" + p.domain, "user@corp.example", "too early"))
    with pytest.raises(Refused) as e:
        p.next_of(s, "element")
    assert e.value.condition == "not-authorized"
    assert user.said.mark() == since


def test_another_sender_on_the_same_stream(xfed, user, dns, able):
    """[A8-17]: sender multiplexing, verified at that domain's own server."""
    p = able()
    sub = "sub." + p.domain
    p.hosted[sub] = "TLS+dialback"
    dns.xmpp(sub, ("xmpp." + sub, p.port, "127.0.0.1"))
    s = p.dial("corp.example")
    p.send_key(s, domain=sub)
    assert p.wait_result(s) == ("valid", None)
    for domain in (p.domain, sub):
        body = text()
        s.send(message("eve@" + domain, "user@corp.example", body))
        assert user.wait_text(body).uri("from") == "sip:eve@" + domain
    assert [e.get("to") for e, _ in p.asked.items] == [p.domain, sub]


def test_another_target_on_the_same_stream(xfed, users, able):
    p = able()
    s = p.dial("corp.example")
    p.send_key(s, local="corp2.example")
    assert p.wait_result(s) == ("valid", None)
    body = text()
    s.send(message("eve@" + p.domain, "user@corp2.example", body))
    users["corp2.example"].wait_text(body)


# ---- unsolicited and mismatched answers ----

UNSOLICITED = [
    ("result", dict(type="valid")), ("result", dict(type="invalid")), ("result", dict(type="error", condition="item-not-found")),
    ("verify", dict(type="valid", id="x")), ("verify", dict(type="invalid", id="x")), ("verify", dict(type="valid")),
]


@pytest.mark.parametrize("kind, how", UNSOLICITED, ids=["%s-%s" % (k, "-".join(map(str, h.values()))) for k, h in UNSOLICITED])
def test_answers_nobody_asked_for_are_dropped(xfed, user, able, kind, how):
    """XSF notice of 2012, [A8-12]: no state, no end of the stream; afterwards nothing is proved."""
    p = able()
    s = p.open_stream("corp.example")
    for local, remote in (("corp.example", p.domain), (p.domain, "corp.example")):
        s.send(dialback_element(kind, remote, local, **how))
    s.send(message("eve@" + p.domain, "user@corp.example", "believe me"))
    with pytest.raises(Refused) as e:
        p.next_of(s, "element")
    assert (e.value.how, e.value.condition) == ("stream", "not-authorized")


@pytest.mark.parametrize("changed", [dict(id="another"), dict(id=None), dict(sender="other.example"), dict(to="corp2.example")],
                         ids=["id", "no-id", "from", "to"])
def test_a_verdict_that_does_not_match_is_dropped(xfed, user, able, changed):
    """Only the one that matches id, from and to counts; the wrong ones say the opposite and come first."""
    p = able()

    def confused(served, e):
        served.answer_verify(e, "valid", **changed)
        served.answer_verify(e, "invalid", **changed)
        served.answer_verify(e, "error", "item-not-found", **changed)
        served.answer_verify(e, "valid")
    p.authority = confused
    s = p.dial("corp.example")
    body = text()
    s.send(message("eve@" + p.domain, "user@corp.example", body))
    user.wait_text(body)


@pytest.mark.parametrize("changed", [dict(sender="other.example"), dict(to="corp2.example"), dict(sender=None), dict(to=None)],
                         ids=["from", "to", "no-from", "no-to"])
def test_an_answer_to_our_key_that_does_not_match_is_dropped(xfed, user, flow, able, changed):
    p = able()
    sent = []

    def confused(served, e):
        values = dict({"sender": e.get("to"), "to": e.get("from")}, **changed)
        for verdict in ("valid", "invalid"):
            served.stream.send(dialback_element("result", values["sender"], values["to"], verdict))
        served.stream.send(dialback_element("verify", e.get("to"), e.get("from"), "valid", id=served.id))
        assert not served.pairs
        sent.append(p.inbox.mark())
        served.answer_result(e, "valid")
    p.receiver = confused
    body = text()
    assert status_of(user, flow, p.domain, body) in (200, 202)
    p.wait_body(body)
    assert sent == [0]


# ---- keys ----

@pytest.mark.parametrize("what", ["wrong", "empty", "of another stream", "of another pair", "too long"])
def test_keys_that_prove_nothing(xfed, user, able, refusal, what):
    """[A8-11]: invalid and the end of the stream; an empty or oversized one is not even asked about."""
    p = able()
    s = p.open_stream("corp.example")
    key = {"wrong": "0" * 64, "empty": "", "of another stream": dialback_key(p.secret, "corp.example", p.domain, "not-this"),
           "of another pair": dialback_key(p.secret, "corp2.example", p.domain, s.id), "too long": "a" * 300}[what]
    is_asked = what not in ("empty", "too long")
    with refusal("dialback.invalid" if is_asked else "dialback.identity.refused", p.domain):
        p.send_key(s, key=key)
        assert p.wait_result(s) == (("invalid", None) if is_asked else ("error", "not-acceptable"))
        if is_asked:
            with pytest.raises(Refused) as e:
                p.next_of(s, "element")
            assert (e.value.how, e.value.condition) == ("closed", "end")
            s.send("</stream:stream>")
    assert p.asked.mark() == (1 if is_asked else 0)
    s.close()


def test_blanks_around_a_key(xfed, user, able):
    """[A8-07]: the examples of the XEP have them."""
    p = able()
    s = p.open_stream("corp.example")
    p.send_key(s, key="\n  %s\n" % dialback_key(p.secret, "corp.example", p.domain, s.id))
    assert p.wait_result(s) == ("valid", None)
    s.close()


def test_two_keys_for_one_pair(xfed, able):
    """One stream that says two things about itself is not believed."""
    p = able()
    p.authority = "silent"
    s = p.open_stream("corp.example")
    p.send_key(s)
    p.asked.wait_count(1, 10)
    p.send_key(s, key="1" * 64)
    assert p.wait_result(s) == ("error", "not-acceptable")
    s.close()


def test_one_answer_for_a_key_sent_twice(xfed, user, able):
    """OF-2325: no loop, no second question."""
    p = able()
    s = p.open_stream("corp.example")
    p.send_key(s)
    p.send_key(s)
    assert p.wait_result(s) == ("valid", None)
    body = text()
    s.send(message("eve@" + p.domain, "user@corp.example", body))
    user.wait_text(body)
    assert p.asked.mark() == 1


def test_a_key_is_never_verified_where_it_came_in(xfed, able):
    """[A8-13], XEP-0288 2.2: the question goes out on a connection of its own, to the server DNS names, over TLS."""
    p = able()
    s = p.dial("corp.example")
    element, served = p.asked.items[0]
    assert served.is_secure and served.pairs == set()
    assert (element.get("from"), element.get("to"), element.get("id")) == ("corp.example", p.domain, s.id)
    s.close()


def test_dialback_does_not_go_round_in_circles(xfed, user, flow, able):
    """OF-2325: verifying needs no dialback of its own, in either direction; a refused pair is not tried again by itself."""
    p = able()
    assert status_of(user, flow, p.domain) in (200, 202)
    s = p.dial("corp.example")
    assert count_in(p, "connected") == 2   # ours to it, and the one with the question
    assert count_in(p, "key") == 1
    p.receiver = "error:forbidden"
    wait_until("the end of the question's stream", lambda: count_in(p, "end") == 1, 5)
    s.close()
    p.streams[0].wire.reset()
    wait_until("the end of ours", lambda: not [x for x in xfed.streams(p.domain) if x["direction"] == "out"], 5)
    assert status_of(user, flow, p.domain) == 504
    assert status_of(user, flow, p.domain) == 504
    assert count_in(p, "key") == 2


# ---- the race with EXTERNAL ----

def test_a_key_and_a_certificate_at_once(xfed, user, able):
    """OF-2626: both in one write; the pair is proved once, and the stream works."""
    p = able("all")
    s = p.open_stream("corp.example")
    s.send(dialback_element("result", p.domain, "corp.example", key=dialback_key(p.secret, "corp.example", p.domain, s.id)) + AUTH)
    seen = []
    while SASL + "success" not in seen:
        seen.append(p.next_of(s, "element").tag)
    assert set(seen) <= {DIALBACK + "result", SASL + "success"}
    s.restart()
    p.open_again(s)
    body = text()
    s.send(message("eve@" + p.domain, "user@corp.example", body))
    user.wait_text(body)
    s.close()


def test_a_verdict_that_comes_after_the_login(xfed, user, dns, able):
    """The stream has begun anew meanwhile: its id is another one, the verdict is about no stream any more."""
    p = able("all")
    sub = "late.sub." + p.domain  # the certificate does not prove it
    p.hosted[sub] = "TLS+dialback"
    dns.xmpp(sub, ("xmpp." + p.domain, p.port, "127.0.0.1"))
    go = threading.Event()

    def late(served, e):
        assert go.wait(60)
        served.answer_verify(e, "valid")
    p.authority = late
    s = p.open_stream("corp.example")
    p.send_key(s, domain=sub)
    p.asked.wait_count(1, 10)
    p.prove_by_certificate(s)
    go.set()
    wait_until("the end of the question's stream", lambda: count_in(p, "end") >= 1, 5)
    body = text()
    s.send(message("eve@" + p.domain, "user@corp.example", body))
    user.wait_text(body)
    s.send(message("eve@" + sub, "user@corp.example", "late"))
    with pytest.raises(Refused) as e:
        p.next_of(s, "element")
    assert e.value.condition == "invalid-from"


# ---- names and prefixes ----

@pytest.mark.parametrize("form", ["<result xmlns='jabber:server:dialback' from='%s' to='%s'>%s</result>",
                                  "<other:result xmlns:other='jabber:server:dialback' from='%s' to='%s'>%s</other:result>"],
                         ids=["default", "other-prefix"])
def test_any_prefix_of_dialback(xfed, able, form):
    """jabberd2 #126, OF-2690: the namespace counts, not the prefix."""
    p = able()
    s = p.open_stream("corp.example")
    s.send(form % (p.domain, "corp.example", dialback_key(p.secret, "corp.example", p.domain, s.id)))
    assert p.wait_result(s) == ("valid", None)
    s.close()


def test_an_undeclared_prefix_is_not_well_formed(xfed, able):
    """OF-2681, OF-2662: "db:" that nobody has declared."""
    p = able()
    p.hosted[p.domain] = frozenset({"tls"})  # its header declares no db
    s = p.open_stream("corp.example")
    s.send("<db:result from='%s' to='corp.example'>k</db:result>" % p.domain)
    with pytest.raises(Refused) as e:
        p.next_of(s, "element")
    assert e.value.condition == "not-well-formed"


def test_our_own_prefix(xfed, user, flow, able):
    """[A8-02]: db, declared on our header; some servers accept nothing else."""
    p = able()
    raw = []

    def look(served, e):
        raw.append(served.stream.seen)
        served.answer_result(e, "valid")
    p.receiver = look
    assert status_of(user, flow, p.domain) in (200, 202)
    assert re.match(rb"(<\?xml[^>]*\?>)?<stream:stream [^>]*xmlns:db='jabber:server:dialback'", raw[0]), raw[0][:300]
    assert b"<db:result " in raw[0]


def test_domains_in_other_spellings(xfed, user, able):
    """The key is made of the names as they were written; the pair is the same one ([A8-05], [A10-22])."""
    p = able()
    s = p.open_stream("corp.example")
    upper = p.domain.upper()
    p.hosted[upper] = "TLS+dialback"

    def as_written(served, e):
        key = "".join(e.itertext()).strip()
        is_ours = key in (dialback_key(p.secret, e.get("from"), e.get("to"), e.get("id")), dialback_key(p.secret, "CORP.example", upper, e.get("id")))
        served.answer_verify(e, "valid" if is_ours else "invalid")
    p.authority = as_written
    p.send_key(s, local="CORP.example", domain=upper)
    answer = p.next_of(s, "element", DIALBACK + "result")
    assert verdict_of(answer) == ("valid", None)
    assert (answer.get("from"), answer.get("to")) == ("CORP.example", upper)  # swapped, as they came
    body = text()
    s.send(message("eve@" + p.domain, "user@corp.example", body))
    user.wait_text(body)


# ---- peers that stop half-way ----

def test_closed_in_the_middle_of_dialback(xfed, user, flow, able, refusal):
    """OF-2608: after our key nothing but the end."""
    p = able()
    p.receiver = "close"
    with refusal("net.stream.lost", p.domain):
        assert status_of(user, flow, p.domain) == 504
    assert not xfed.streams(p.domain)


def test_the_asker_leaves_before_the_verdict(xfed, able):
    """The verdict finds no stream and is dropped; the next key is asked about again."""
    p = able()
    go = threading.Event()

    def late(served, e):
        assert go.wait(60)
        served.answer_verify(e, "valid")
    p.authority = late
    s = p.open_stream("corp.example")
    p.send_key(s)
    p.asked.wait_count(1, 10)
    s.close()
    wait_until("the end of the asker", lambda: not [x for x in xfed.streams(p.domain) if x["direction"] == "in"], 5)
    go.set()
    p.authority = "right"
    p.dial("corp.example").close()


def test_a_key_while_the_last_question_s_stream_is_closing(xfed, able):
    """A partner with several streams, and a slow answer to our closing tag: the second key is asked about on a new stream."""
    p = able()
    p.may_end.clear()
    streams = [p.dial("corp.example") for _ in range(3)]
    assert p.asked.mark() == 3
    p.may_end.set()
    for s in streams:
        s.close()


def test_no_id_in_the_header(xfed, user, flow, able, refusal):
    """A stream without an id has no key ([A2-06], MIM's start-stream cases)."""
    p = able()
    open_header = XmppStream.open

    def without(self, sender, to, **kwargs):
        kwargs.pop("id", None)
        open_header(self, sender, to, **kwargs)
    p.open_header = without
    XmppStream.open = lambda self, sender, to, **kw: (without if sender == p.domain and "id" in kw else open_header)(self, sender, to, **kw)
    try:
        with refusal("dialback.unavailable", p.domain):
            assert status_of(user, flow, p.domain) == 504
    finally:
        XmppStream.open = open_header
    assert count_in(p, "key") == 0


def test_many_questions_at_once(xfed, able):
    """Ten streams with a key each: one verdict for each, whoever comes first."""
    p = able()
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        streams = list(pool.map(lambda _: p.dial("corp.example"), range(10)))
    assert {s.method for s in streams} == {"dialback-tls"}
    assert sorted(e.get("id") for e, _ in p.asked.items) == sorted(s.id for s in streams)
    for s in streams:
        s.close()


# ---- nothing is done for those who are not listed ----

def test_unlisted_domains_cost_nothing(xfed, dns, able):
    """OF-1188, ejabberd #1108: no DNS, no connection out; neither for a header nor for a key."""
    p = able()
    stranger = "nobody-%d.example" % next(numbers)
    dns.xmpp(stranger, ("xmpp." + stranger, p.port, "127.0.0.1"))
    s = XmppStream.connect(xfed.s2s)
    s.open(stranger, "corp.example")
    assert s.read_error(with_header=True).condition == "policy-violation"
    s = p.open_stream("corp.example")
    connected = count_in(p, "connected")
    p.send_key(s, domain=stranger, key="0" * 64)
    assert p.wait_result(s) == ("error", "policy-violation")
    p.send_key(s, domain="corp2.example", key="0" * 64)  # ours
    assert p.wait_result(s) == ("error", "policy-violation")
    s.close()
    assert count_in(p, "connected") == connected
    for name in ("_xmpp-server._tcp." + stranger, stranger, "_xmpp-server._tcp.corp2.example"):
        assert not dns.was_asked(name)


# ---- DNS ----

def test_srv_with_equal_and_zero_weights(xfed, dns, user, flow, able):
    """MongooseIM #4759: any order, but every target until one answers."""
    p = able("all")
    name = "_xmpp-server._tcp." + p.domain
    dns.clear(name)
    for i in range(4):
        dead = "dead%d.%s" % (i, p.domain)
        dns.add(name, "SRV", (5, 0, free_port(), dead))
        dns.add(dead, "A", "127.0.0.1")
    dns.add(name, "SRV", (5, 0, p.port, "xmpp." + p.domain))
    mark = xfed.edge.process.mark()
    assert status_of(user, flow, p.domain) in (200, 202)
    failed = [line for line in xfed.edge.process.lines[mark:] if "event=s2s.connect-failed partner=" + p.domain in line]
    assert len(failed) <= 4 and len({re.search(r"address=(\S+)", line).group(1) for line in failed}) == len(failed)


# ---- order across a reconnect ----

def test_order_and_no_doubles_across_a_reconnect(xfed, user, flow, able):
    """OF-2322, OF-3193: what was answered 200 has been written, once and in order; what was not is refused to its sender."""
    p = able("all")
    answers = []
    p.say("eve", "dave@corp.example", "here I am, so no answer is held")
    user.wait_text("here I am, so no answer is held")
    for i in range(30):
        if i in (10, 20):
            for last in [j for j in range(i) if answers[j] in (200, 202)][-1:]:
                p.wait_body("line %d" % last)  # what it has not read yet, a reset throws away
            p.streams[-1].wire.reset()
        answers.append(user.message(flow, "sip:eve@" + p.domain, "line %d" % i, sender="sip:dave@corp.example").status)
    written = ["line %d" % i for i, status in enumerate(answers) if status in (200, 202)]
    assert set(answers) <= {200, 202, 504}
    p.wait_body(written[-1])
    got = [child_text(s, "body") for s in p.inbox.items]
    assert len(got) == len(set(got)) and got == sorted(got, key=lambda b: int(b.split()[1]))
    lost = [b for b in written if b not in got]
    assert len(lost) <= 2, lost  # in the socket of the connection that was reset: the one physical loss


# ---- storms ----

def test_a_partner_that_reconnects_without_end(xfed, partner, able):
    """jabberd2 when refused: a thousand times a second. Others go on, and the log does not fill up."""
    p = able("nothing", file={"sasl": "required", "dialback": False})
    mark = xfed.edge.process.mark()

    def storm(_):
        for _ in range(40):
            with socket.create_connection(xfed.s2s) as sock:
                sock.sendall(("<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' "
                              "from='%s' to='corp.example'><message from='a@%s' to='b@corp.example'/>" % (p.domain, p.domain)).encode())
                while sock.recv(4096):
                    pass
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        done = pool.map(storm, range(5))
        partner.dial("corp.example").close()
        list(done)
    partner.dial("corp.example").close()
    lines = [line for line in xfed.edge.process.lines[mark:] if "event=s2s.closed partner=" + p.domain in line]
    assert len(lines) <= 200
    assert xfed.edge.metric("xfed_refusals_total", reason="stream.unauthenticated") >= 200
    assert not xfed.streams(p.domain)


# ---- the table ----

def test_the_readme_names_tests_that_exist():
    """Of traps and of errors: a stranger finds each."""
    tests = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    with open(tests + "/README.md", encoding="utf-8") as f:
        readme = f.read()
    named = re.findall(r"`((?:loopback|interop|unit)/[\w/]+\.(?:py|c))(?:::(\w+))?`", readme)
    assert len(named) > 80
    absent = []
    for path, name in named:
        try:
            with open("%s/%s" % (tests, path), encoding="utf-8") as f:
                source = f.read()
        except OSError:
            source = None
        if source is None or (name and not re.search(r"^(def|static void) %s\(" % name, source, re.M)):
            absent.append("%s::%s" % (path, name))
    assert not absent, absent
