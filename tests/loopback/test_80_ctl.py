"""
What xfedctl answers about partners that do not work: the journal of failed attempts, partner check, explain FROM TO, streams
shown and closed. Each refusal is seen as the sender sees it, in the log, in the metrics, and with step, side and remedy in the
journal.
"""
import itertools
import json
import os
import re
import socket
import struct
import time

import pytest

from harness.peer import DIALBACK, Peer, dialback_element
from harness.proc import wait_until
from harness.sip import SipUser
from harness.wire import free_port
from harness.xmpp import OFFER_NOTHING, Partner, STREAM, Stop, XmppStream

numbers = itertools.count(1)
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SASL_FAILURE = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>"


def then_stop(*data):
    def script(stream, go_on):
        for d in data:
            stream.send(d)
        raise Stop
    return script


def ctl(inst, tools, *words, as_json=True):
    """(exit status, answer) of xfedctl at the gateway."""
    status, text = inst.gateway.ctl(tools, *(("--json",) if as_json else ()), *words, check=False)
    return status, json.loads(text) if as_json and text.startswith("{") else text


def failures(inst, tools, domain):
    status, found = ctl(inst, tools, "failures", "list", "--partner", domain, "--limit", "20")
    assert status == 0, found
    return found["failures"]


def to(user, flow, domain, text="never arrives", timeout=20):
    return user.message(flow, "sip:eve@" + domain, text, timeout=timeout)


@pytest.fixture
def dialback_peer(xfed, certs, dns):
    """A listed partner that proves itself by dialback alone, inside TLS."""
    made = []

    def make(domain, **file):
        xfed.list_partner(domain, **dict({"sasl": "not-supported", "dialback": True}, **file))
        p = Peer(domain, certs, certs.leaf(domain.split(".")[0], "xmpp:" + domain), xfed.s2s, "TLS+dialback")
        made.append(p)
        dns.xmpp(domain, ("xmpp." + domain, p.port, "127.0.0.1"))
        dns.xmpp("corp.example", ("edge.corp.example", xfed.s2s[1], "127.0.0.1"))
        xfed.reload()
        return p
    yield make
    for p in made:
        p.close()
        xfed.unlist_partner(p.domain)


# ---- ten causes and more: (reason, side, step that failed, words of the remedy, status for the SIP sender) ----

def no_records(c, domain):
    c.xfed.list_partner(domain)


def srv_dot(c, domain):
    c.xfed.list_partner(domain)
    c.dns.add("_xmpp-server._tcp." + domain, "SRV", (0, 0, 0, "."))


def nobody_listens(c, domain):
    c.xfed.list_partner(domain)
    c.dns.xmpp(domain, ("xmpp." + domain, free_port(), "127.0.0.1"))


def nobody_answers(c, domain):
    """A listener that accepts nothing, with a full queue: the kernel drops what comes."""
    c.xfed.list_partner(domain)
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    c.keep.append(full)
    for _ in range(4):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(full.getsockname())
        c.keep.append(s)
    c.dns.xmpp(domain, ("xmpp." + domain, full.getsockname()[1], "127.0.0.1"))


def server(step=None, script=None, names=None):
    def make(c, domain):
        p = c.listed(domain, names=names(domain) if names else None)
        if step:
            p.at[step] = script
    return make


def dialback(**behaviour):
    def make(c, domain):
        p = c.dialback_peer(domain)
        for name, value in behaviour.items():
            setattr(p, name, value)
    return make


CAUSES = {
    "no records": (no_records, "dns.name.missing", "partner", "dns", "has to correct its DNS", 404),
    "SRV says no": (srv_dot, "dns.srv.refused", "partner", "dns", "offers no XMPP federation", 404),
    "nobody listens": (nobody_listens, "net.connect.refused", "partner", "tcp", "Nobody listens", 504),
    "nobody answers": (nobody_answers, "net.connect.timeout", "network", "tcp", "firewalls", 504),
    "no TLS": (server("features", then_stop(OFFER_NOTHING)), "tls.required.missing", "partner", "tls", "requires TLS", 504),
    "expired": (server(names=lambda d: ["start=20200101000000Z", "end=20210101000000Z", "xmpp:" + d]), "tls.cert.expired", "partner",
                "certificate", "renew", 504),
    "untrusted": (server(names=lambda d: ["by=foreign", "xmpp:" + d]), "tls.cert.untrusted", "partner", "certificate", "trusted CA", 504),
    "wrong name": (server(names=lambda d: ["xmpp:other.example"]), "tls.cert.name-mismatch", "partner", "certificate", "does not name", 504),
    "no EXTERNAL": (server("mechanisms", then_stop(OFFER_NOTHING)), "sasl.external.not-offered", "partner", "sasl", "does not offer EXTERNAL", 504),
    "EXTERNAL refused": (server("success", then_stop(SASL_FAILURE)), "sasl.external.refused", "partner", "sasl", "refused our certificate", 504),
    "dialback invalid": (dialback(receiver="invalid"), "dialback.invalid", "us", "dialback", "authoritative server", 504),
    "dialback error": (dialback(receiver="error:remote-connection-failed"), "dialback.authority.unreachable", "us", "dialback", "called back", 504),
}


class Cause:
    def __init__(self, **parts):
        self.__dict__.update(parts)
        self.keep = []


@pytest.fixture
def cause(xfed, dns, listed, dialback_peer):
    c = Cause(xfed=xfed, dns=dns, listed=listed, dialback_peer=dialback_peer)
    yield c
    for s in c.keep:
        s.close()


@pytest.mark.parametrize("name", CAUSES)
def test_a_cause_is_told_everywhere(xfed, tools, cause, user, flow, refusal, name):
    make, code, side, step, words, status = CAUSES[name]
    domain = "cause%d.example" % next(numbers)
    make(cause, domain)
    xfed.reload()
    with refusal(code, domain):  # the log line and the metric
        assert to(user, flow, domain).status == status  # what the sender gets
    found = wait_until("a failure of %s" % domain, lambda: failures(xfed, tools, domain), 5)[0]
    assert (found["reason"], found["side"], found["direction"]) == (code, side, "out"), found
    assert (found["local"], found["remote"], found["edge"]) == ("corp.example", domain, "edge1"), found
    assert words in found["remedy"], found
    exit_status, shown = ctl(xfed, tools, "failures", "show", str(found["id"]))
    assert exit_status == 0
    steps = shown["steps"]
    assert steps and not steps[-1]["ok"] and steps[-1]["step"] == step, steps
    assert all(s["ok"] for s in steps[:-1] if s["step"] != "certificate"), steps
    assert [s["step"] for s in steps][0] == "dns", steps
    if step == "certificate":
        assert shown["chain"] and shown["chain"][0]["sha256"], shown
    text = ctl(xfed, tools, "failures", "show", str(found["id"]), as_json=False)[1]
    assert code in text and words in text and re.search(r"%s +FAILED" % step, text), text
    print(text)  # pytest -s: what tests/README.md has


def test_a_failure_of_theirs(xfed, tools, listed, certs):
    """A partner whose certificate does not name it: what it was told, and the journal with direction in."""
    p = listed("inbound-bad.example", names=["xmpp:other.example"])
    stream = None
    try:
        stream = XmppStream.connect(xfed.s2s)
        stream.to_tls(p.domain, "corp.example", p.client_context)
        stream.open(p.domain, "corp.example")
        error = stream.read_error(with_header=True)
        assert error.condition in ("not-authorized", "policy-violation"), error.condition
    finally:
        stream.close()
    found = wait_until("a failure of theirs", lambda: failures(xfed, tools, p.domain), 5)[0]
    assert (found["direction"], found["reason"], found["side"]) == ("in", "tls.cert.name-mismatch", "partner"), found
    status, words = ctl(xfed, tools, "failures", "retry", str(found["id"]), as_json=False)
    assert status == 1 and "only they can" in words, words


def test_strangers_take_no_place_of_others(install, started, tools, users):
    """Headers in the clear from domains nobody lists: one entry for their network, told and counted, below what is ours."""
    inst = install("strangers")
    inst.list_partner("gone.example")
    started(inst)
    many = 80
    try:
        flow = users["corp.example"].dial(inst.sip)
        assert to(users["corp.example"], flow, "gone.example").status == 404
        flow.close()
        real = wait_until("the failure", lambda: failures(inst, tools, "gone.example"), 10)
        for i in range(many):
            stream = XmppStream.connect(inst.s2s)
            stream.open("z%d.attacker.example" % i, "corp.example")
            stream.read_goodbye()
            stream.close()

        def strangers():
            found = ctl(inst, tools, "failures", "list", "--limit", "500")[1]["failures"]
            assert [f for f in found if f["id"] == real[0]["id"]]
            found = [f for f in found if f.get("proved") is False]
            return found if found and found[0]["count"] == many else None
        (found,) = wait_until("all of them, counted", strangers, 60)  # the last ones when their window ends
        assert (found["network"], found["reason"], found["direction"]) == ("127.0.0.0/24", "policy.partner.unlisted", "in"), found
        assert all(n.endswith(".attacker.example") for n in found["names"]) and found["remote"] == found["names"][0], found
        text = ctl(inst, tools, "failures", "list", as_json=False)[1]
        assert text.index("gone.example") < text.index("have not authenticated") < text.index("127.0.0.0/24"), text
        text = ctl(inst, tools, "failures", "show", str(found["id"]), as_json=False)[1]
        assert "policy.partner.unlisted" in text and "names claimed" in text and "xfedctl partner add DOMAIN" in text, text
    finally:
        inst.stop()


def test_keys_of_strangers_are_no_failures_of_ours(install, started, tools, dns, users):
    """A key for a made-up domain of a partner with a wildcard has the edge ask: that the question fails is the stranger's doing."""
    inst = install("keys")
    inst.list_partner("gone.example")
    inst.list_partner("wild.example", additional_domains=["*.wild.example"], tls="optional", sasl="optional", dialback=True)
    started(inst)
    try:
        for i in range(40):
            stream = XmppStream.connect(inst.s2s)
            stream.open("wild.example", "corp.example", more=" xmlns:db='%s'" % DIALBACK)
            stream.read_header()
            stream.expect(STREAM + "features")
            stream.send(dialback_element("result", "x%d.wild.example" % i, "corp.example", key="00"))
            assert stream.read().get("type") == "error"
            stream.close()
        flow = users["corp.example"].dial(inst.sip)
        assert to(users["corp.example"], flow, "gone.example").status == 404
        flow.close()
        wait_until("the failure of ours", lambda: failures(inst, tools, "gone.example"), 10)

        def all_counted():
            found = [f for f in ctl(inst, tools, "failures", "list", "--limit", "500")[1]["failures"] if f["remote"] != "gone.example"]
            assert all(f.get("proved") is False and f["network"] == "127.0.0.0/24" for f in found), found
            return sum(f["count"] for f in found) == 80  # each key: the question that failed, and the stream it came on
        wait_until("the strangers', apart and counted", all_counted, 60)
    finally:
        inst.stop()


def test_the_journal_survives_a_restart(install, started, tools, dns, users):
    inst = install("journal")
    inst.list_partner("gone.example")
    started(inst)
    try:
        flow = users["corp.example"].dial(inst.sip)
        assert to(users["corp.example"], flow, "gone.example").status == 404
        flow.close()
        before = wait_until("the failure", lambda: failures(inst, tools, "gone.example"), 5)
        inst.gateway.stop()
        inst.gateway.start()
        inst.gateway.wait_ready()
        assert failures(inst, tools, "gone.example") == before
    finally:
        inst.stop()


# ---- retry ----

def test_retry_dials_now(xfed, tools, listed, user, flow):
    """Within the waiting time nothing is dialled; retry forgets it and dials, once by the failure and once by the domain."""
    p = listed("retry.example")
    p.at["success"] = then_stop(SASL_FAILURE)
    assert to(user, flow, p.domain).status == 504
    assert to(user, flow, p.domain).status == 504  # at once: the waiting time
    connected = [e for e in p.events.items if e[0] == "connected"]
    assert len(connected) == 1
    found = wait_until("the failure", lambda: failures(xfed, tools, p.domain), 5)[0]
    mark = p.events.mark()
    status, text = ctl(xfed, tools, "failures", "retry", p.domain, as_json=False)
    assert status == 0 and "edge1: corp.example -> retry.example: dialling" in text, text
    p.wait_event("success", since=mark)
    p.at.clear()
    mark = p.events.mark()
    wait_until("the second attempt has failed too", lambda: failures(xfed, tools, p.domain)[0]["count"] >= 2, 5)
    status, answer = ctl(xfed, tools, "failures", "retry", str(found["id"]))
    assert status == 0 and answer["pairs"][0]["edge"] == "edge1", answer
    p.wait_event("ready", since=mark)
    assert to(user, flow, p.domain, "after the retry").status in (200, 202)
    p.wait_body("after the retry")
    assert [s.tag for s in p.inbox.items] == ["{jabber:server}message"]  # the retry itself sent nothing that could be answered


def test_retry_of_nothing(xfed, tools):
    status, text = ctl(xfed, tools, "failures", "retry", "never-tried.example", as_json=False)
    assert status == 1 and "no edge remembers" in text, text
    status, text = ctl(xfed, tools, "failures", "retry", "999999", as_json=False)
    assert status == 1 and "no failure of that number" in text, text


# ---- partner check ----

def steps_of(answer, step):
    return [s for s in answer["steps"] if s["step"] == step]


def test_check_of_a_good_partner(xfed, tools, listed, dns, user, flow):
    p = listed("fine.example")
    dns.xmpp("corp.example", ("edge.corp.example", xfed.s2s[1], "127.0.0.1"))
    before = xfed.edge.metric("xfed_s2s_auth_total", partner="fine.example")
    status, answer = ctl(xfed, tools, "partner", "check", p.domain)
    assert (status, answer["ok"], answer["edge"], answer["local"]) == (0, True, "edge1", "corp.example"), answer
    assert steps_of(answer, "policy")[0]["text"].startswith(xfed.partner_path(p.domain)), answer
    assert "SRV 0 0 %d xmpp.fine.example" % p.port in steps_of(answer, "dns")[0]["text"]
    assert answer["endpoints"] == [{"target": "xmpp.fine.example", "address": "127.0.0.1:%d" % p.port, "reachable": True}]
    assert answer["tls"].startswith("TLS1.") and answer["cipher"]
    assert "dns:fine.example" in answer["certificate"]["names"]
    assert answer["offers"]["external"] is True
    assert [m for m in answer["methods"] if m["allowed"]] == [{"method": "external", "allowed": True, "works": True}]
    assert "which is this edge" in steps_of(answer, "reverse-dns")[-1]["text"], answer
    assert all(s["state"] != "problem" for s in answer["steps"])
    text = ctl(xfed, tools, "partner", "check", p.domain, as_json=False)[1]
    assert "no problem was found" in text and "PROBLEM" not in text, text
    # A check leaves nothing behind: no stream, no count, no failure; and it has sent no stanza.
    assert not [s for s in xfed.streams(p.domain) if s["state"] == "ready"]
    assert xfed.edge.metric("xfed_s2s_auth_total", partner="fine.example") == before
    assert not failures(xfed, tools, p.domain) and p.inbox.mark() == 0
    assert to(user, flow, p.domain, "after the check").status in (200, 202)
    p.wait_body("after the check")


def test_check_of_dialback(xfed, tools, dialback_peer):
    """The key of a check is a real one: the partner asks the edge about it."""
    p = dialback_peer("fine-dialback.example", sasl="optional")
    status, answer = ctl(xfed, tools, "partner", "check", p.domain)
    assert (status, answer["ok"]) == (0, True), answer
    methods = {m["method"]: m for m in answer["methods"]}
    assert methods["dialback-tls"]["works"] is True and methods["external"]["works"] is False, answer
    assert methods["external"]["reason"] == "sasl.external.not-offered"
    assert methods["dialback-plain"] == {"method": "dialback-plain", "allowed": False}
    assert [s["state"] for s in steps_of(answer, "method")] == ["note", "ok"], answer


CHECKS = {
    "no records": (no_records, "dns", "dns.name.missing"),
    "SRV says no": (srv_dot, "dns", "dns.srv.refused"),
    "nobody listens": (nobody_listens, "tcp", "net.connect.refused"),
    "nobody answers": (nobody_answers, "tcp", "net.connect.timeout"),
    "no TLS": (server("features", then_stop(OFFER_NOTHING)), "tls", "tls.required.missing"),
    "expired": (server(names=lambda d: ["start=20200101000000Z", "end=20210101000000Z", "xmpp:" + d]), "certificate", "tls.cert.expired"),
    "no EXTERNAL": (server("mechanisms", then_stop(OFFER_NOTHING)), "method", "sasl.external.not-offered"),
    "EXTERNAL refused": (server("success", then_stop(SASL_FAILURE)), "method", "sasl.external.refused"),
    "dialback invalid": (dialback(receiver="invalid"), "method", "dialback.invalid"),
}


@pytest.mark.parametrize("name", CHECKS)
def test_check_of_a_bad_partner(xfed, tools, cause, name):
    make, step, code = CHECKS[name]
    domain = "check%d.example" % next(numbers)
    make(cause, domain)
    xfed.reload()
    status, answer = ctl(xfed, tools, "partner", "check", domain)
    assert (status, answer["ok"]) == (1, False), answer
    bad = [s for s in answer["steps"] if s["state"] == "problem" and not s["step"].startswith("reverse")]
    assert (bad[0]["step"], bad[0]["reason"]) == (step, code), answer["steps"]
    assert bad[0]["remedy"] and bad[0]["side"], bad
    text = ctl(xfed, tools, "partner", "check", domain, as_json=False)[1]
    assert re.search(r"PROBLEM +%s " % step, text) and "%s: %s: %s" % (step, code, bad[0]["remedy"]) in text, text


def test_check_of_a_partner_that_falls_silent(xfed, tools, listed):
    """Three methods that each wait: the check ends within its 20 s all the same, and says which it did not see the end of."""
    p = listed("mute.example", file={"tls": "optional", "sasl": "optional", "dialback": True})
    p.at["header"] = then_stop()
    began = time.monotonic()
    status, answer = ctl(xfed, tools, "partner", "check", p.domain)
    assert time.monotonic() - began < 20 and answer["took_ms"] < 20000
    assert (status, answer["ok"]) == (1, False), answer
    assert {m["reason"] for m in answer["methods"]} == {"stream.establish.timeout"}, answer
    assert [s["state"] for s in steps_of(answer, "method")] == ["problem"] * 3, answer
    assert "not within the 18 s" in steps_of(answer, "method")[-1]["text"], answer
    # The edge goes on, and the next check is as good as any.
    p.at.clear()
    assert ctl(xfed, tools, "partner", "check", p.domain)[1]["methods"][0]["works"] is True


def test_check_of_a_partner_nobody_listed(xfed, tools):
    status, answer = ctl(xfed, tools, "partner", "check", "unheard-of.example")
    assert (status, answer["ok"]) == (1, False)
    assert [(s["step"], s["reason"]) for s in answer["steps"]] == [("policy", "policy.partner.unlisted")]


def test_check_sees_that_nobody_finds_us(xfed, tools, listed, dns):
    """The reverse direction: our own records, as the DNS has them."""
    p = listed("findable.example")
    dns.clear("_xmpp-server._tcp.corp.example")
    dns.clear("corp.example")
    xfed.edge.control("reload")  # forgets what the resolver has kept
    status, answer = ctl(xfed, tools, "partner", "check", p.domain)
    assert status == 1
    bad = [s for s in answer["steps"] if s["state"] == "problem"]
    assert [(s["step"], s["reason"]) for s in bad] == [("reverse-dns", "dns.own.missing")], answer


# ---- explain FROM TO ----

def gate_of(answer, name):
    return next(g for g in answer["gates"] if g["gate"] == name)


def explain(xfed, tools, sender, target, closed=None, code=None, words=""):
    status, answer = ctl(xfed, tools, "explain", sender, target)
    assert (status, answer["ok"], answer.get("closed")) == (1 if closed else 0, not closed, closed), answer
    text = ctl(xfed, tools, "explain", sender, target, as_json=False)[1]
    if closed:
        gate = gate_of(answer, closed)
        assert (gate["reason"], gate["state"]) == (code, "closed") and words in gate["text"], gate
        assert re.search(r"CLOSED +%s " % closed, text) and gate["remedy"] in text, text
    else:
        assert "CLOSED" not in text and "no gate is closed" in text, text
    return answer


def test_explain_an_open_way(xfed, tools, partner, user, flow):
    assert to(user, flow, "partner.example", "opens a stream").status in (200, 202)
    partner.wait_body("opens a stream")
    answer = explain(xfed, tools, "user@corp.example", "alice@partner.example")
    assert answer["direction"] == "to_xmpp" and "open at edge1" in gate_of(answer, "stream")["text"]
    assert gate_of(answer, "partner")["text"] == xfed.partner_path("partner.example")
    answer = explain(xfed, tools, "alice@partner.example", "sip:user@corp.example")
    assert answer["direction"] == "to_sip"


def test_explain_no_partner_file(xfed, tools):
    explain(xfed, tools, "user@corp.example", "alice@nobody-listed.example", "partner", "policy.partner.unlisted", "nobody-listed.example")


def test_explain_no_address(xfed, tools):
    explain(xfed, tools, "user@corp.example", "a@b@c", "addresses", "sip.address.unmappable", "a@b@c")


def test_explain_not_between_us_and_them(xfed, tools, partner):
    explain(xfed, tools, "a@corp.example", "b@corp2.example", "direction", "sip.loop.detected")
    explain(xfed, tools, "a@partner.example", "b@elsewhere.example", "direction", "stream.relay.attempt")


def test_explain_kinds(xfed, tools, listed):
    listed("presence-only.example", file={"kinds": ["presence"]})
    explain(xfed, tools, "user@corp.example", "a@presence-only.example", "kinds", "policy.kind.forbidden", "presence-only.example.yaml")


def test_explain_a_contact_nobody_wrote_to(xfed, tools, listed, user, flow):
    """And open once the user has written."""
    p = listed("public.example", file={"partner_type": "public-unverified"})
    explain(xfed, tools, "eve@public.example", "user@corp.example", "contact", "policy.contact.unauthorised", "has not written")
    assert to(user, flow, p.domain, "first").status in (200, 202)
    explain(xfed, tools, "eve@public.example", "user@corp.example")


def test_explain_access(install, started, tools, dns):
    from harness.installation import write
    inst = install("explain")
    inst.list_partner("partner.example")
    write(inst.dir + "/access.d/some.yaml", json.dumps({"name": "Some", "scope": "user", "allowed": True, "granted_to": ["alice@corp.example"]}))
    started(inst)
    try:
        explain(inst, tools, "alice@corp.example", "bob@partner.example")
        explain(inst, tools, "carol@corp.example", "bob@partner.example", "access", "policy.access.user", "carol@corp.example")
        inst.edge.stop()
        wait_until("the gateway has lost its edge", lambda: inst.gateway.get("/readyz")[0] != 200, 10)
        status, answer = ctl(inst, tools, "explain", "alice@corp.example", "bob@partner.example")
        assert (status, answer["closed"]) == (1, "link") and gate_of(answer, "stream")["state"] == "skipped", answer
        said = gate_of(answer, "gateway")  # in the words of status
        shown = ctl(inst, tools, "status", as_json=False)[1]
        assert said["state"] == "closed" and said["text"].startswith("OUT OF SERVICE") and "(gateway)" in shown and ": OUT OF SERVICE, up" in shown, (said, shown)
    finally:
        inst.stop()


def test_explain_a_partner_that_failed(xfed, tools, listed, user, flow):
    p = listed("shut.example")
    p.at["success"] = then_stop(SASL_FAILURE)
    assert to(user, flow, p.domain).status == 504
    explain(xfed, tools, "user@corp.example", "eve@shut.example", "stream", "sasl.external.refused", "the last attempt of edge1 failed")


def test_explain_a_sip_server_that_is_down(install, started, tools, new_partner, certs):
    inst = install("hopdown", users={})  # nobody listens where the next hops are
    inst.list_partner("lonely.example")
    started(inst)
    try:
        p = new_partner(inst, "lonely.example")
        p.wait_error(p.say("eve", "user@corp.example", "is anybody there?"), 40)
        explain(inst, tools, "eve@lonely.example", "user@corp.example", "next-hop", "sip.server.unreachable")
    finally:
        inst.stop()


# ---- streams ----

def test_stream_show_and_close(xfed, tools, listed, user, flow):
    p = listed("closable.example")
    assert to(user, flow, p.domain, "one").status in (200, 202)
    p.wait_body("one")
    found = [s for s in ctl(xfed, tools, "stream", "list", p.domain)[1]["streams"] if s["direction"] == "out"]
    ident = "%s/%d" % (found[0]["edge"], found[0]["id"])
    status, shown = ctl(xfed, tools, "stream", "show", ident)
    assert status == 0
    assert (shown["remote"], shown["state"], shown["method"], shown["edge"]) == (p.domain, "ready", "external", "edge1"), shown
    assert shown["stanzas_out"] == 1 and "dns:closable.example" in shown["certificate"]["names"], shown
    assert "certificate_problem" not in shown
    text = ctl(xfed, tools, "stream", "show", str(found[0]["id"]), as_json=False)[1]
    assert re.search(r"from and to +corp\.example -> closable\.example", text) and "dns:closable.example" in text, text
    at_the_edge = xfed.edge.ctl(tools, "stream", "show", str(found[0]["id"]), as_json=True)
    assert at_the_edge["remote"] == p.domain
    mark = xfed.edge.process.mark()
    status, text = ctl(xfed, tools, "stream", "close", ident, as_json=False)
    assert (status, text) == (0, "%s closed: corp.example and %s\n" % (ident, p.domain))
    p.wait_event("end")  # </stream:stream> and no error
    assert not [e for e in p.events.items if e[0].startswith("error:")]
    xfed.edge.process.wait_line(r"event=s2s\.closed partner=closable\.example .*reason=stream\.closed\.operator", 5, mark)
    xfed.gateway.process.wait_line("event=audit.command.*noun=stream", 5)
    xfed.edge.process.wait_line("event=audit.request peer=gw1 verb=stream.close", 5, mark)
    assert to(user, flow, p.domain, "two").status in (200, 202)  # the next one opens another
    p.wait_body("two")
    status, text = ctl(xfed, tools, "stream", "show", ident, as_json=False)
    assert status == 1 and "no such stream" in text, text
    out = [s for s in xfed.streams(p.domain) if s["direction"] == "out"]
    xfed.edge.ctl(tools, "stream", "close", str(out[0]["id"]))  # at the edge itself
    wait_until("the second stream is gone", lambda: not [s for s in xfed.streams(p.domain) if s["id"] == out[0]["id"]], 10)


@pytest.mark.parametrize("ident", ["edge1/999999", "999999", "edge9/1"])
def test_stream_that_is_not_there(xfed, tools, ident):
    for verb in ("show", "close"):
        status, text = ctl(xfed, tools, "stream", verb, ident, as_json=False)
        assert status == 1 and "xfedctl: gw1" in text, text


@pytest.mark.parametrize("ident", ["edge1/", "x", "1x", "/"])
def test_stream_that_cannot_be(xfed, tools, ident):
    for verb in ("show", "close"):
        status, text = ctl(xfed, tools, "stream", verb, ident, as_json=False)
        assert status == 2 and "usage: xfedctl stream %s" % verb in text, text
        for daemon in (xfed.gateway, xfed.edge):
            assert daemon.ask("stream", verb, id=ident)["error"]["code"] == "not-found"


# ---- the table of commands ----

with open(os.path.join(TOP, "libxfed", "include", "xfed", "rt", "commands.def"), encoding="utf-8") as table:
    COMMANDS = re.findall(r'^COMMAND\(\w+, "(\w+)", "(\w*)", (\w+), (\w+), ', table.read(), re.MULTILINE)


@pytest.mark.parametrize("noun, verb, served, who", [c for c in COMMANDS if c[2] != "XFEDCTL"])
def test_a_command_is_served_where_the_table_says(xfed, noun, verb, served, who):
    """Asked with an argument that no command has, so that nothing happens. What the panel alone asks no socket takes."""
    for daemon, is_gateway in ((xfed.gateway, True), (xfed.edge, False)):
        error = daemon.ask(noun, verb, bogus=1)["error"]
        if served != "PANEL" and is_gateway or served in ("BOTH", "INSIDE"):
            assert error == {"code": "bad-request", "text": "%s has no argument bogus" % " ".join((noun, verb)).strip()}
        else:
            assert error["code"] == "unknown-command", error


def test_every_command_of_the_table_is_seen():
    assert len(COMMANDS) >= 18 and ("failures", "retry", "GATEWAY", "CHANGE") in COMMANDS


def test_a_stream_opened_for_nothing_breaks_at_once(install, started, certs, dns, tools):
    """`failures retry` has a stream opened and nothing written; when it is reset behind its features, nobody is owed a word."""
    long = ".".join(["a" * 60] * 3) + ".example"
    inst = install("retry-reset")
    inst.list_partner(long)
    started(inst)
    partner = Partner(long, certs, certs.leaf("longest", "xmpp:short.example", "xmpp:" + long), inst.s2s)
    partner.sm = True

    def reset(stream, go_on):
        go_on()
        raw = stream.wire.sock
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(raw.detach())
    try:
        dns.xmpp(long, ("xmpp." + long, partner.port, "127.0.0.1"))
        partner.at["ready"] = reset
        user = SipUser("corp.example")
        flow = user.dial(inst.sip)
        mark = inst.edge.process.mark()
        user.message(flow, "sip:bob@" + long, "one", sender="sip:alice@corp.example")
        inst.edge.process.wait_line("event=s2s.closed|event=s2s.out-failed", 20, mark)
        for _ in range(6):
            mark = inst.edge.process.mark()
            inst.gateway.control("failures", "retry", domain=long)
            inst.edge.process.wait_line("event=s2s.closed|event=s2s.out-failed", 20, mark)
        assert inst.edge.process.is_running
        assert not [line for line in inst.edge.process.lines if "event=delivery.uncertain" in line and "partner=" + long not in line]
        user.close()
    finally:
        inst.stop()
        partner.close()
