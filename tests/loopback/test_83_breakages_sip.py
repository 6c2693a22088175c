"""
What the administrator reads when something of the gateway's side is broken: rows of (what is broken, what each answer of xfedctl
says). The cause stands in every answer that concerns it, and what to do about it.
"""
import itertools
import os
import re

import pytest

from harness.breakages import says, told
from harness.proc import wait_until
from harness.sip import SipUser
from harness.wire import free_port

numbers = itertools.count(1)
PARTNER, OTHER = "broken-sip.example", "alice@broken-sip.example"


class Scene:
    """What a breaker gets: an installation whose corp.example goes to `user` over TCP, and a partner that writes to it."""

    def __init__(self, inst, peer, user, certs):
        self.inst, self.peer, self.user, self.certs = inst, peer, user, certs
        self.domain = inst.gateway_config["domains"][0]
        self.as_it_was = dict(self.domain)
        self.keep = []

    def configure(self, **keys):
        self.domain.update(keys)
        self.inst.write_configs()
        self.inst.reload()

    def say(self, text="to what is broken"):
        return self.peer.say("alice", "dave@corp.example", "%s %d" % (text, next(numbers)))

    def refused(self, text="to what is broken"):
        """(condition, type, text) of the error that its sender gets."""
        return self.peer.wait_error(self.say(text), 60)

    def taken(self):
        """The next one gets through."""
        text = "mended %d" % next(numbers)
        self.peer.say("alice", "dave@corp.example", text)
        self.user.wait_text(text, 20)

    def status(self):
        return self.inst.gateway.control("status")

    def hop(self):
        found = [h for h in self.status()["sip"] if str(self.domain["next_hop"].split(":")[2].split(";")[0]) in h["next_hop"]]
        return found[-1]

    def problems(self):
        return [p["reason"] for p in self.status()["problems"]]

    def back(self):
        """Everything as it was, and known to be: nothing is a problem any more."""
        self.user.answer = 200
        self.domain.clear()
        self.domain.update(self.as_it_was)
        self.inst.write_configs()
        self.inst.reload()
        for k in self.keep:
            k.close()
        self.keep.clear()


@pytest.fixture(scope="module")
def user():
    user = SipUser("corp.example")
    yield user
    user.close()


@pytest.fixture(scope="module")
def inst(install, started, users, user, dns):
    inst = install("breaks", gateway={"dns": {"servers": ["%s:%d" % dns.address[:2]]}}, users=dict(users, **{"corp.example": user}))
    inst.list_partner(PARTNER)
    try:
        yield started(inst)
    finally:
        inst.stop()


@pytest.fixture(scope="module")
def peer(inst, new_partner):
    return new_partner(inst, PARTNER)


@pytest.fixture
def scene(inst, peer, user, certs):
    s = Scene(inst, peer, user, certs)
    yield s
    s.back()


# ---- the SIP server ----

def server_down(s):
    s.configure(next_hop="sip:127.0.0.1:%d;transport=tcp" % free_port())
    return s.refused()


def answers(status):
    def make(s):
        s.user.answer = status
        return s.refused()
    return make


def wrong_certificate(s):
    tls = SipUser("corp3.example", certs=s.certs, leaf="sip")
    s.keep.append(tls)
    s.configure(next_hop="sip:127.0.0.1:%d;transport=tls" % tls.port, tls_name="other.corp.example")
    return s.refused()


def refuses_our_certificate(s):
    """It trusts another CA; with TLS 1.3 it says so when our handshake is over."""
    tls = SipUser("corp3.example", certs=s.certs, leaf="sip")
    tls.certs = OtherCa(s.certs)
    s.keep.append(tls)
    s.configure(next_hop="sip:127.0.0.1:%d;transport=tls" % tls.port, tls_name="sip.corp.example")
    return s.refused()


class OtherCa:
    def __init__(self, certs):
        self.certs = certs

    def server(self, leaf, ca=None):
        return self.certs.server(leaf, self.certs.dir + "/foreign/ca.crt")


def not_in_dns(s):
    s.configure(next_hop="sip:nowhere.corp.example:5060;transport=tcp")
    return s.refused()


def too_long(s):
    s.configure(max_request="2KiB")
    return s.refused("x" * 3000)


WORKS = says(0, "no gate is closed")
SERVER = {
    "down": (server_down, "sip.server.unreachable", {
        "status": says(1, "PROBLEM sip.server.unreachable", "connection refused", "nobody listens there", "check domains[].next_hop", "DOWN since"),
        "explain": says(1, "nobody listens there", "check domains[].next_hop")}),
    "403": (answers(403), "sip.request.refused", {
        "status": says(1, "PROBLEM sip.request.refused", "refuses messages with 403 Forbidden", "let it take messages from this gateway", "REFUSES since", "answered 403 1 time from"),
        "explain": says(1, "403 Forbidden", "let it take messages from this gateway")}),
    "407": (answers((407, [("Proxy-Authenticate", 'Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"')])), "sip.auth.needed", {
        "status": says(1, "PROBLEM sip.auth.needed", "407 Proxy Authentication Required", "set domains[].auth"),
        "explain": says(1, "sip.auth.needed", "set domains[].auth")}),
    "503": (answers(503), "sip.server.error", {
        "status": says(1, "PROBLEM sip.server.error", "503 Service Unavailable", "overloaded", "look at its log", "answered 503 1 time from"),
        "explain": says(1, "503 Service Unavailable", "look at its log")}),
    "wrong certificate": (wrong_certificate, "sip.server.unreachable", {
        "status": says(1, "tls.cert.name-mismatch", "sip.corp.example and not other.corp.example", "set domains[].tls_name"),
        "explain": says(1, "tls.cert.name-mismatch", "sip.corp.example and not other.corp.example", "set domains[].tls_name")}),
    "refuses our certificate": (refuses_our_certificate, "tls.cert.refused", {
        "status": says(1, "PROBLEM tls.cert.refused", "does not take our certificate, that of sip.certificate", "CA is unknown", "let that server trust its CA"),
        "explain": says(1, "tls.cert.refused", "does not take our certificate, that of sip.certificate")}),
    "not in the DNS": (not_in_dns, "sip.server.unreachable", {
        "status": says(1, "PROBLEM dns.name.missing", "nowhere.corp.example", "/etc/hosts is not asked", "correct domains[].next_hop"),
        "explain": says(1, "nowhere.corp.example", "/etc/hosts is not asked", "correct domains[].next_hop")}),
}


@pytest.mark.parametrize("name", SERVER)
def test_the_sip_server(scene, tools, name):
    """Status and explain say why; the sender, the log and the metric have the same word; the partner has nothing to do with it."""
    make, word, rows = SERVER[name]
    mark, before = scene.inst.gateway.process.mark(), scene.inst.gateway.metric("xfed_refusals_total", reason=word)
    assert word in make(scene)[2]
    told(scene.inst, tools, dict(rows, failures=says(0, "no failures")), OTHER, "dave@corp.example", PARTNER, timeout=0.9)
    scene.inst.gateway.process.wait_line(r"event=delivery\.refused .*reason=%s " % re.escape(word), 10, mark)
    assert scene.inst.gateway.metric("xfed_refusals_total", reason=word) > before


def test_a_server_that_is_there_again(scene, tools):
    """Nobody has to send a message to find out: it is asked, and is no problem any more."""
    port = free_port()
    scene.configure(next_hop="sip:127.0.0.1:%d;transport=tcp" % port)
    scene.refused()
    assert scene.hop()["state"] == "down" and "sip.server.unreachable" in scene.problems()
    again = SipUser("corp.example", port=port)
    scene.keep.append(again)
    wait_until("the SIP server up", lambda: scene.hop()["state"] == "up", 20)
    assert "sip.server.unreachable" not in scene.problems()
    assert [m.method for m in again.inbox.items] == ["OPTIONS"]
    assert scene.inst.gateway.metric("xfed_sip_next_hop_up", next_hop="tcp:127.0.0.1:%d" % port) == 1


def test_what_works_again_is_history(scene, tools):
    """Refusals are counted, and stand beside the last message that was taken; once one was taken they are no problem."""
    scene.taken()
    scene.user.answer = 503
    for _ in range(3):
        scene.refused()
    told(scene.inst, tools, {"status": says(1, "answered 503 3 times from", "last took one at", "the next message tries again")}, timeout=0.9)
    scene.user.answer = 200
    scene.taken()
    told(scene.inst, tools, {"status": says(0, "up since", "answered 503 3 times from", "last took one at", never=("PROBLEM",))}, timeout=0.9)
    scene.user.answer = 404  # about a user
    assert scene.refused()[0] == "item-not-found"
    told(scene.inst, tools, {"status": says(0, never=("PROBLEM",)), "explain": says(0, "answers; takes requests of up to")}, OTHER, "dave@corp.example", timeout=0.9)


def test_a_server_that_hangs(scene, tools):
    """Timed out is something else than unreachable."""
    scene.user.answer = None
    scene.refused()
    told(scene.inst, tools, {"status": says(1, "PROBLEM sip.server.timeout", "can be reached and does not answer in time", never=("unreachable",)),
                             "explain": says(1, "sip.server.timeout", "can be reached and does not answer in time")}, OTHER, "dave@corp.example", timeout=0.9)
    scene.user.answer = 200
    wait_until("the SIP server up", lambda: scene.hop()["state"] == "up", 20)


def test_too_long_for_sip(scene, tools):
    """The sender, and the log, read how long it was, how long it may be, and where that is set; explain says the limit."""
    mark = scene.inst.gateway.process.mark()
    error = too_long(scene)
    assert error[0] == "policy-violation" and re.search(r"its SIP request has 3\d\d\d bytes, and 2048 are allowed \(domains\[\]\.max_request\)", error[2]), error
    scene.inst.gateway.process.wait_line(r"reason=sip\.request\.too-large .*3\d\d\d bytes, and 2048 are allowed", 10, mark)
    told(scene.inst, tools, {"status": says(0, never=("PROBLEM",)), "explain": says(0, "requests of up to 2048 bytes (domains[].max_request)")},
         OTHER, "dave@corp.example", timeout=0.9)
