"""
Dialback's answers ([A8-10] to [A8-15], XEP-0220 section 2.5): every error we raise as receiving and as authoritative server,
every one we receive as initiating server, the secret and its predecessor; and the SASL errors that have no test elsewhere.
"""
import itertools

import pytest

from harness.installation import write
from harness.peer import Peer, Refused, dialback_element, dialback_key, verdict_of
from harness.proc import wait_until
from harness.wire import free_port
from harness.xmpp import SASL, message

numbers = itertools.count(1)
OURS, BEFORE, LONG_AGO = "s3cr3tf0rd14lb4ck-of-today", "s3cr3tf0rd14lb4ck-of-yesterday", "s3cr3tf0rd14lb4ck-of-last-year"


@pytest.fixture(scope="module")
def home(install, started):
    """An installation whose secret the test knows."""
    inst = install("dia")
    inst.secret = inst.dir + "/dialback.secret"
    write(inst.secret, OURS + "\n" + BEFORE + "\n")
    inst.gateway_config["dialback"] = {"secret_file": inst.secret}
    inst.write_configs()
    try:
        yield started(inst)
    finally:
        inst.stop()


@pytest.fixture(scope="module")
def peers(home, certs, dns):
    """One partner with many domains: peers() is a Peer for a domain of its own."""
    home.list_partner("base.example", additional_domains=["*.base.example"], sasl="optional", dialback=True, limits={"connections": 500})
    home.reload()
    leaf, plain = certs.leaf("base", "host:*.base.example"), certs.leaf("base-plain", "by=self", "host:*.base.example")
    made = []

    def make(abilities="TLS+dialback"):
        domain = "d%d.base.example" % next(numbers)
        p = Peer(domain, certs, leaf, home.s2s, abilities, plain)
        dns.xmpp(domain, ("xmpp." + domain, p.port, "127.0.0.1"))
        made.append(p)
        return p
    yield make
    for p in made:
        p.close()
        assert not p.violations


@pytest.fixture
def sip(home, user):
    flow = user.dial(home.sip)
    yield flow
    flow.close()


def logged(home, mark, pattern):
    return home.edge.process.wait_line(pattern, 10, mark)


# ---- receiving: what our answer is ----

def dead_port(p, dns):
    dns.xmpp(p.domain, ("xmpp." + p.domain, free_port(), "127.0.0.1"))


def no_record(p, dns):
    dns.clear("_xmpp-server._tcp." + p.domain)


def refused_record(p, dns):
    no_record(p, dns)
    dns.add("_xmpp-server._tcp." + p.domain, "SRV", (0, 0, 0, "."))


def host_unknown(p, dns):
    p.authority = lambda served, e: served.fail("host-unknown") or False


def says(what):
    def script(p, dns):
        p.authority = what
    return script


ANSWERS = [
    ("right", says("right"), "valid", None, None),
    ("wrong", says("wrong"), "invalid", None, "dialback.invalid"),
    ("authority refuses the connection", dead_port, "error", "remote-connection-failed", "dialback.authority.unreachable"),
    ("authority has no record", no_record, "error", "remote-connection-failed", "dialback.authority.unreachable"),
    ("authority does not want to be found", refused_record, "error", "remote-connection-failed", "dialback.authority.unreachable"),
    ("authority does not host the domain", says("error:item-not-found"), "error", "remote-server-not-found", "dialback.authority.unknown"),
    ("authority says host-unknown", host_unknown, "error", "remote-server-not-found", "dialback.authority.unknown"),
    ("authority closes", says("close"), "error", "remote-server-timeout", "dialback.timeout"),
    ("authority refuses to judge", says("error:policy-violation"), "error", "remote-server-not-found", "dialback.authority.refused"),
    ("authority fails", says("error:internal-server-error"), "error", "remote-server-not-found", "dialback.authority.refused"),
]


@pytest.mark.parametrize("name, script, verdict, condition, reason", ANSWERS, ids=[a[0].replace(" ", "-") for a in ANSWERS])
def test_the_answer_to_a_key(home, peers, dns, name, script, verdict, condition, reason):
    """Step 4 of XEP-0220: an error leaves the stream open; the right key afterwards still counts."""
    p = peers()
    script(p, dns)
    mark = home.edge.process.mark()
    s = p.open_stream("corp.example")
    p.send_key(s)
    assert p.wait_result(s) == (verdict, condition)
    if verdict == "error":
        logged(home, mark, r"event=s2s\.pair-refused partner=%s .*reason=%s side=\S+ text=%s " % (p.domain, reason, condition))
        count = sum(v for n, have, v in home.edge.samples() if n == "xfed_s2s_auth_total" and have["result"] == reason
                    and have["partner"] == "unproved" and have["direction"] == "in" and have["method"] == "dialback-tls")
        assert count >= 1
        p.authority = "right"
        dns.xmpp(p.domain, ("xmpp." + p.domain, p.port, "127.0.0.1"))
        home.edge.control("reload")  # no waiting for the next call
        p.send_key(s)
        assert p.wait_result(s) == ("valid", None)
    elif verdict == "invalid":
        with pytest.raises(Refused) as e:
            p.next_of(s, "element")
        assert (e.value.how, e.value.condition) == ("closed", "end")
        s.send("</stream:stream>")
        logged(home, mark, r"event=s2s\.closed partner=%s .*direction=in reason=dialback.invalid" % p.domain)
    s.close()


def test_an_unknown_target(home, peers):
    """[A8-10]: item-not-found, with the domain as it was asked for; the stream stays."""
    p = peers()
    s = p.open_stream("corp.example")
    mark = home.edge.process.mark()
    p.send_key(s, local="Other.Example", key="0" * 64)
    answer = p.next_of(s, "element")
    assert verdict_of(answer) == ("error", "item-not-found") and answer.get("from") == "Other.Example"
    logged(home, mark, "event=s2s.pair-refused partner=%s local=other.example .*reason=stream.to.unknown" % p.domain)
    p.prove_by_dialback(s).close()


def test_forbidden_where_another_pair_lives(home, peers, dns):
    """[A8-11]: a wrong key on a stream that has proved another pair is an error, and costs that pair nothing."""
    p, other = peers(), peers()
    other.authority = "invalid"
    s = p.dial("corp.example")
    p.hosted[other.domain] = "TLS+dialback"
    p.send_key(s, domain=other.domain)
    assert p.wait_result(s) == ("error", "forbidden")
    p.send_key(s)
    assert p.wait_result(s) == ("valid", None)
    s.close()


def test_more_pairs_than_a_stream_may_carry(home, peers, dns, user):
    """resource-constraint at the 65th; the others go on ([A8-14])."""
    p = peers("all")
    names = ["n%d.%s" % (i, p.domain) for i in range(70)]
    s = p.open_stream("corp.example")
    for name in names:
        p.hosted[name] = "TLS+dialback"
        dns.xmpp(name, ("xmpp." + p.domain, p.port, "127.0.0.1"))
    found = {}
    for name in names:
        p.send_key(s, domain=name)
        found[name] = p.wait_result(s)
    assert [found[n] for n in names] == [("valid", None)] * 64 + [("error", "resource-constraint")] * 6
    body = "from the first of many"
    s.send(message("eve@" + names[0], "user@corp.example", body))
    assert user.wait_text(body).uri("from") == "sip:eve@" + names[0]
    s.close()


def test_refusals_without_end(home, peers):
    """A stream that has proved nothing is not refused for ever: after sixteen errors it is closed."""
    p = peers()
    s = p.open_stream("corp.example")
    seen = 0
    with pytest.raises(Refused) as e:
        for i in range(20):
            p.send_key(s, local="no%d.example" % i, key="0" * 64)
            assert p.wait_result(s) == ("error", "item-not-found")
            seen += 1
    assert (e.value.how, e.value.condition, seen) == ("stream", "not-authorized", 16)


@pytest.mark.parametrize("attributes", ["to='corp.example'", "from='%s'", ""])
def test_a_key_without_addresses(home, peers, attributes):
    p = peers()
    s = p.open_stream("corp.example")
    s.send("<db:result xmlns:db='jabber:server:dialback' %s>k</db:result>" % (attributes % p.domain if "%" in attributes else attributes))
    with pytest.raises(Refused) as e:
        p.next_of(s, "element")
    assert (e.value.how, e.value.condition) == ("stream", "improper-addressing")


# ---- authoritative: what we say of our own keys ----

@pytest.mark.parametrize("secret, verdict", [(OURS, "valid"), (BEFORE, "valid"), (LONG_AGO, "invalid")])
@pytest.mark.parametrize("is_plain", [False, True], ids=["tls", "clear"])
def test_a_question_about_a_key_of_ours(home, peers, secret, verdict, is_plain):
    """XEP-0185 with the secret of now and the one before; answered without anybody having logged in ([A8-19])."""
    p = peers()
    s = p.open_stream("corp.example", wants_tls=not is_plain)
    key = dialback_key(secret, p.domain, "corp.example", "417GAF25")
    s.send(dialback_element("verify", p.domain, "corp.example", id="417GAF25", key="  %s\n" % key))
    answer = p.next_of(s, "element")
    assert verdict_of(answer) == (verdict, None)
    assert (answer.get("from"), answer.get("to"), answer.get("id")) == ("corp.example", p.domain, "417GAF25")
    s.close()


@pytest.mark.parametrize("change", ["id", "receiving", "originating", "case", "cut"])
def test_a_key_of_ours_for_something_else(home, peers, change):
    p = peers()
    s = p.open_stream("corp.example")
    key = dialback_key(OURS, "x.example" if change == "receiving" else p.domain, "corp2.example" if change == "originating" else "corp.example",
                       "other" if change == "id" else "id1")
    key = {"case": key.upper(), "cut": key[:63]}.get(change, key)
    s.send(dialback_element("verify", p.domain, "corp.example", id="id1", key=key))
    assert verdict_of(p.next_of(s, "element")) == ("invalid", None)
    s.close()


def test_a_question_about_a_foreign_domain(home, peers):
    """[A8-10]: item-not-found, and the stream stays."""
    p = peers()
    s = p.open_stream("corp.example")
    for to in ("other.example", "sub.corp.example"):
        s.send(dialback_element("verify", p.domain, to, id="i", key="0" * 64))
        answer = p.next_of(s, "element")
        assert verdict_of(answer) == ("error", "item-not-found") and answer.get("from") == to
    p.prove_by_dialback(s).close()


@pytest.mark.parametrize("missing", ["from", "to", "id"])
def test_a_question_that_lacks_something(home, peers, missing):
    p = peers()
    s = p.open_stream("corp.example")
    values = {"from": p.domain, "to": "corp.example", "id": "i"}
    del values[missing]
    s.send("<db:verify xmlns:db='jabber:server:dialback' %s>k</db:verify>" % " ".join("%s='%s'" % v for v in values.items()))
    with pytest.raises(Refused) as e:
        p.next_of(s, "element")
    assert (e.value.how, e.value.condition) == ("stream", "improper-addressing")


def test_our_key_is_made_of_the_secret(home, peers, user, sip):
    """[A8-05] in full: the key that the edge sends is the one this secret gives for this stream."""
    p = peers()
    keys = []

    def look(served, e):
        keys.append(("".join(e.itertext()), dialback_key(OURS, e.get("to"), e.get("from"), served.id)))
        served.answer_result(e, *p.ask_authority(served, e.get("from"), e.get("to"), keys[-1][0]))
    p.receiver = look
    assert user.message(sip, "sip:eve@" + p.domain, "by key").status in (200, 202)
    assert keys[0][0] == keys[0][1]


def test_a_new_secret(home, peers, user, sip):
    """The next secret is used at once, the one it replaces still counts, the one before no more."""
    p, fresh = peers(), "s3cr3tf0rd14lb4ck-of-tomorrow"
    write(home.secret, fresh + "\n" + OURS + "\n")
    home.reload()
    try:
        verdicts = {}
        s = p.open_stream("corp.example")
        for secret in (fresh, OURS, BEFORE):
            s.send(dialback_element("verify", p.domain, "corp.example", id="i", key=dialback_key(secret, p.domain, "corp.example", "i")))
            verdicts[secret] = p.next_of(s, "element").get("type")
        assert verdicts == {fresh: "valid", OURS: "valid", BEFORE: "invalid"}
        s.close()
        sent = []

        def look(served, e):
            sent.append("".join(e.itertext()) == dialback_key(fresh, e.get("to"), e.get("from"), served.id))
            served.answer_result(e, "valid")
        p.receiver = look
        assert user.message(sip, "sip:eve@" + p.domain, "with the new one").status in (200, 202)
        assert sent == [True]
    finally:
        write(home.secret, OURS + "\n" + BEFORE + "\n")
        home.reload()


# ---- initiating: what their answers are to us ----

RECEIVED = [
    ("invalid", "dialback.invalid", "us"),
    ("error:item-not-found", "dialback.target.unknown", "partner"),
    ("error:remote-connection-failed", "dialback.authority.unreachable", "us"),
    ("error:remote-server-not-found", "dialback.authority.unknown", "us"),
    ("error:remote-server-timeout", "dialback.timeout", "partner"),
    ("error:policy-violation", "dialback.policy.refused", "us"),
    ("error:not-authorized", "dialback.certificate.required", "us"),
    ("error:forbidden", "dialback.invalid", "us"),
    ("error:not-acceptable", "dialback.identity.refused", "partner"),
    ("error:resource-constraint", "dialback.pairs.exceeded", "partner"),
    ("error:internal-server-error", "dialback.error.received", "partner"),
    ("error:never-heard-of", "dialback.error.received", "partner"),
    ("error", "dialback.error.received", "partner"),
]


@pytest.mark.parametrize("answer, reason, side", RECEIVED, ids=[r[0] for r in RECEIVED])
def test_what_is_said_of_our_key(home, peers, user, sip, answer, reason, side):
    """504 for the sender, nothing written, the reason and whose fault it is in the log, in the metrics, in the journal."""
    p = peers()
    p.receiver = answer
    mark = home.edge.process.mark()
    before = home.edge.metric("xfed_refusals_total", reason=reason, side=side)
    assert user.message(sip, "sip:eve@" + p.domain, "refused").status == 504
    logged(home, mark, r"event=s2s\.out-failed partner=%s .*reason=%s side=%s" % (p.domain, reason, side))
    assert home.edge.metric("xfed_refusals_total", reason=reason, side=side) > before
    assert p.inbox.mark() == 0
    wait_until("the failure in the journal", lambda: [f for f in home.gateway.control("failures", "list")["failures"]
                                                      if f.get("remote") == p.domain and f.get("reason") == reason], 10)


# ---- SASL ----

@pytest.mark.parametrize("what, condition", [
    ("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>=</response>", "malformed-request"),
    ("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'><x/></auth>", "malformed-request"),
    ("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "malformed-request"),
    ("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>=</auth>", "invalid-mechanism"),
    ("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='external'>=</auth>", "invalid-mechanism"),
    ("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>PQ</auth>", "incorrect-encoding"),
], ids=["response-first", "child", "success", "no-mechanism", "lower-case", "padding"])
def test_sasl_that_cannot_be(home, peers, what, condition):
    """[A5-06]; the stream stays, and a login after it works."""
    p = peers("all")
    s = p.open_stream("corp.example")
    s.send(what)
    failure = p.next_of(s, "element", SASL + "failure")
    assert [e.tag for e in failure] == [SASL + condition]
    p.prove_by_certificate(s)
    s.close()


def test_external_where_the_certificate_proves_nothing(home, peers):
    """[A5-01]: not offered, and not accepted either."""
    p = peers("TLS+dialback")
    s = p.open_stream("corp.example")
    assert not list(s.features.iter(SASL + "mechanism"))
    s.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>")
    assert [e.tag for e in p.next_of(s, "element", SASL + "failure")] == [SASL + "not-authorized"]
    p.prove_by_dialback(s).close()
