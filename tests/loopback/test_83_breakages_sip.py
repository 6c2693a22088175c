"""
What the administrator reads when something of the gateway's side is broken: rows of (what is broken, what each answer of xfedctl
says). The cause stands in every answer that concerns it, and what to do about it.
"""
import itertools
import json
import os
import re
import socket
import sqlite3
import subprocess

import pytest

from harness.breakages import says, told
from harness.installation import write
from harness.daemon import SANITIZER_ENV, stay_root
from harness.proc import clean_environment, wait_until
from harness.sip import SipUser
from harness.store import fill_disk, on_small_disk
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

    def say(self, text="to what is broken", to="dave"):
        return self.peer.say("alice", to + "@corp.example", "%s %d" % (text, next(numbers)))

    def refused(self, text="to what is broken", to="dave"):
        """(condition, type, text) of the error that its sender gets."""
        return self.peer.wait_error(self.say(text, to), 60)

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
    """To whoever is written to: what it says of one of them may be his phone's doing."""
    def make(s):
        s.user.answer = status
        return [s.refused(to=name) for name in ("dave", "erin", "frank")][-1]
    return make


def wrong_certificate(s):
    tls = SipUser("corp3.example", certs=s.certs, leaf="sip")
    s.keep.append(tls)
    s.configure(next_hop="sip:127.0.0.1:%d;transport=tls" % tls.port, tls_name="other.corp.example")
    return s.refused()


def its_certificate(*words):
    def make(s):
        leaf = s.certs.leaf("sip-" + "".join(c for c in "".join(words) if c.isalnum())[:30], *words, "host:sip.corp.example")
        tls = SipUser("corp3.example", certs=s.certs, leaf=leaf)
        s.keep.append(tls)
        s.configure(next_hop="sip:127.0.0.1:%d;transport=tls" % tls.port, tls_name="sip.corp.example")
        return s.refused()
    return make


def of_its_certificate(code, *words):
    return dict.fromkeys(("status", "explain"), says(1, code, *words))


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
        "status": says(1, "PROBLEM sip.request.refused", "refuses messages with 403 Forbidden", "does not take messages from this gateway", "let it trust", "REFUSES since", "answered 403 3 times from"),
        "explain": says(1, "403 Forbidden", "does not take messages from this gateway", "let it trust")}),
    "407": (answers((407, [("Proxy-Authenticate", 'Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"')])), "sip.auth.needed", {
        "status": says(1, "PROBLEM sip.auth.needed", "407 Proxy Authentication Required", "set domains[].auth"),
        "explain": says(1, "sip.auth.needed", "set domains[].auth")}),
    "503": (answers(503), "sip.server.error", {
        "status": says(1, "PROBLEM sip.server.error", "503 Service Unavailable", "overloaded", "look at that server's log", "answered 503 3 times from"),
        "explain": says(1, "503 Service Unavailable", "overloaded", "look at that server's log")}),
    "wrong certificate": (wrong_certificate, "sip.server.unreachable", {
        "status": says(1, "tls.cert.name-mismatch", "sip.corp.example and not other.corp.example", "set domains[].tls_name"),
        "explain": says(1, "tls.cert.name-mismatch", "sip.corp.example and not other.corp.example", "set domains[].tls_name")}),
    "expired certificate": (its_certificate("start=20200101000000Z", "end=20210101000000Z"), "sip.server.unreachable", of_its_certificate(
        "tls.cert.expired", "has expired: have it renewed (valid from 2020-01-01 to 2021-01-01; it is 20", "by this host's clock")),
    "certificate of another CA": (its_certificate("by=foreign"), "sip.server.unreachable", of_its_certificate("tls.cert.untrusted", "sip.ca has to have that CA")),
    "weak certificate": (its_certificate("md=sha1"), "sip.server.unreachable", of_its_certificate("tls.cert.weak", "is too weak: have a new one made")),
    "refuses our certificate": (refuses_our_certificate, "tls.cert.refused", {
        "status": says(1, "PROBLEM tls.cert.refused", "does not take our certificate, that of sip.certificate", "CA is unknown", "let the other side trust its CA"),
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
    told(scene.inst, tools, rows, OTHER, "dave@corp.example", PARTNER)
    scene.inst.gateway.process.wait_line(r"event=delivery\.refused .*reason=%s " % re.escape(word), 10, mark)
    assert scene.inst.gateway.metric("xfed_refusals_total", reason=word) > before
    closed = [line for line in scene.inst.gateway.process.lines[mark:] if "event=sip.closed" in line and "reason=tls." in line]
    assert all("side=partner" not in line for line in closed), closed
    assert closed or "tls.cert" not in str(rows["status"].words), name


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
    assert again.asked.mark() == 1 and not again.inbox.items
    assert scene.inst.gateway.metric("xfed_sip_next_hop_up", next_hop="tcp:127.0.0.1:%d" % port) == 1


def test_the_next_place_of_a_server_is_there_again(scene, dns):
    """The first one is in maintenance and says so: the next one is asked, as a message would be sent there."""
    ports = [free_port(), free_port()]
    dns.add("_sip._tcp.pool.corp.example", "SRV", *[(10 + i, 0, port, "one.corp.example") for i, port in enumerate(ports)])
    dns.add("one.corp.example", "A", "127.0.0.1")
    scene.configure(next_hop="sip:pool.corp.example;transport=tcp")
    scene.refused()
    assert scene.status()["sip"][-1]["state"] == "down"
    first, second = (SipUser("corp.example", port=port) for port in ports)
    scene.keep += [first, second]
    first.answer = 503
    wait_until("the SIP server up", lambda: scene.status()["sip"][-1]["state"] == "up", 20)
    assert first.asked.mark() == second.asked.mark() == 1 and not first.inbox.items + second.inbox.items


def test_what_works_again_is_history(scene, tools):
    """Refusals are counted, and stand beside the last message that was taken; once one was taken they are no problem."""
    scene.taken()
    answers(503)(scene)
    told(scene.inst, tools, {"status": says(1, "answered 503 3 times from", "last took one at", "the next message tries again")})
    scene.user.answer = 200
    scene.taken()
    told(scene.inst, tools, {"status": says(0, "up since", "answered 503 3 times from", "last took one at", never=("PROBLEM",))})
    scene.user.answer = 404  # about a user
    assert scene.refused()[0] == "item-not-found"
    told(scene.inst, tools, {"status": says(0, never=("PROBLEM",)), "explain": says(0, "answers; takes requests of up to")}, OTHER, "dave@corp.example")


@pytest.mark.parametrize("status", [403, 405, 503])
def test_a_phone_that_refuses(scene, tools, status):
    """One user's phone, or what is behind the server for him: a fact beside the server that works, and no problem of it."""
    scene.taken()
    mark = scene.inst.gateway.process.mark()
    scene.user.answer = status
    for _ in range(3):
        scene.refused()
    told(scene.inst, tools, {"status": says(0, "up since", "answered %d 3 times from" % status, never=("PROBLEM",)),
                             "explain": says(0, "answers, the last message with %d, which may be its recipient's device alone" % status)},
         OTHER, "dave@corp.example")
    scene.user.answer = 200
    scene.taken()
    assert not [line for line in scene.inst.gateway.process.lines[mark:] if "event=sip.hop-" in line]


def test_a_server_that_hangs(scene, tools):
    """Timed out is something else than unreachable."""
    scene.user.answer = None
    scene.refused()
    told(scene.inst, tools, {"status": says(1, "PROBLEM sip.server.timeout", "can be reached and does not answer in time", never=("unreachable",)),
                             "explain": says(1, "sip.server.timeout", "can be reached and does not answer in time")}, OTHER, "dave@corp.example")
    scene.user.answer = 200
    wait_until("the SIP server up", lambda: scene.hop()["state"] == "up", 20)


def test_too_long_for_sip(scene, tools):
    """The sender, and the log, read how long it was, how long it may be, and where that is set; explain says the limit."""
    mark = scene.inst.gateway.process.mark()
    error = too_long(scene)
    assert error[0] == "policy-violation" and re.search(r"its SIP request has 3\d\d\d bytes, and 2048 are allowed \(domains\[\]\.max_request\)", error[2]), error
    scene.inst.gateway.process.wait_line(r"reason=sip\.request\.too-large .*3\d\d\d bytes, and 2048 are allowed", 10, mark)
    told(scene.inst, tools, {"status": says(0, never=("PROBLEM",)), "explain": says(0, "requests of up to 2048 bytes (domains[].max_request)")},
         OTHER, "dave@corp.example")


# ---- who may send ----

def sender(s, leaf, source=None):
    """A SIP server that sends as corp3.example over TLS with that certificate, or over TCP from that address: it is refused."""
    if source:
        user = s.user
        flow = user.dial(s.inst.sip, source=source)
    else:
        user = s.inst.users["corp3.example"]
        flow = user.dial(s.inst.sips, "tls", s.certs.client(leaf), "fe.corp.example")
    s.keep.append(flow)
    return lambda: user.message(flow, "sip:" + OTHER, "from whom", sender="sip:user@" + user.domain).status


SENDERS = {
    "no certificate": (None, None, ["no certificate", "as corp3.example", "no certificate) may not send", "have it present a certificate with a name that domains[].peers of corp3.example has"]),
    "another CA": ("partner-foreign", None, ["(tls.cert.untrusted)", "signed by a CA of sip.ca"]),
    "another name": ("partner", None, ["certificate of dns:partner.example", "add one of its names to domains[].peers of corp3.example"]),
    "another address": (None, "127.0.0.99", ["127.0.0.99:", "over TCP", "add 127.0.0.99 to domains[].peer_addresses of corp.example"]),
}


@pytest.mark.parametrize("name", SENDERS)
def test_a_sip_server_that_may_not_send(scene, tools, name):
    """Status names the last ones and what would let them send; a reload, or that one may, ends it."""
    leaf, source, words = SENDERS[name]
    send = sender(scene, leaf, source)
    assert send() == 403
    told(scene.inst, tools, {"status": says(1, "(1 message refused)")})
    assert send() == 403
    ours, other = "user@" + ("corp.example" if source else "corp3.example"), OTHER
    told(scene.inst, tools, {"explain": says(1, "CLOSED sender a SIP peer (", *words), "back": says(0, never=["CLOSED", "SIP peer ("])}, ours, other)
    told(scene.inst, tools, {"status": says(1, "PROBLEM sip.sender.untrusted", "(2 messages refused)", "refused SIP sender", "2 times from", *words)})
    if source:  # a stranger, where the domain's own server can send
        flow = scene.user.dial(scene.inst.sip, source="127.0.0.1")
        scene.keep.append(flow)
        assert scene.user.message(flow, "sip:" + OTHER, "from the server", sender="sip:user@corp.example").status in (200, 202)
        told(scene.inst, tools, {"explain": says(0, "others may send as corp.example; a SIP peer ("), "status": says(1, "(2 messages refused)")}, ours, other)
        scene.configure(peer_addresses=["127.0.0.1", source])
        assert send() in (200, 202)
    else:
        scene.inst.reload()
    told(scene.inst, tools, {"status": says(0, never=("refused SIP sender",))})


def test_strangers_take_fixed_room(scene, tools):
    """The last few are named. Who claims to be nobody of ours is one, no problem of ours, and pushes nobody out who claims to be."""
    def refused_from(number, domain):
        flow = scene.user.dial(scene.inst.sip, source="127.0.0.%d" % number)
        scene.keep.append(flow)
        assert scene.user.message(flow, "sip:" + OTHER, "from whom", sender="sip:user@" + domain).status == 403
    for i in range(20):
        refused_from(98, "stranger%d.example" % i)
    one, = scene.status()["untrusted"]
    assert one["domain"] == "stranger19.example" and one["count"] == 20
    told(scene.inst, tools, {"status": says(0, "none of domains[]", never=("PROBLEM",))})
    for i in range(100, 106):
        refused_from(i, "corp.example")
    refused_from(99, "stranger.example")
    found = {u["peer"].split(":")[0] for u in scene.status()["untrusted"]}
    assert found == {"127.0.0.99", "127.0.0.103", "127.0.0.104", "127.0.0.105"}, found
    scene.inst.reload()


def test_strangers_do_not_use_up_the_log_of_peers(scene):
    """What nobody takes is logged by event and reason, so many lines in ten seconds: those of strangers are counted apart."""
    stranger, peer = (scene.user.dial(scene.inst.sip, source="127.0.0.%d" % n) for n in (97, 1))
    scene.keep += [stranger, peer]
    mark = scene.inst.gateway.process.mark()
    for flow, count in ((stranger, 150), (peer, 1)):
        for _ in range(count):
            raw, branch = scene.user.request(flow, "PUBLISH", "sip:" + OTHER)
            assert scene.user.ask(flow, raw, branch).status == 405
    scene.inst.gateway.process.wait_line(r"event=sip\.refused .*peer=\"127\.0\.0\.1:", 10, mark)
    assert any("event=sip.stranger-refused" in line for line in scene.inst.gateway.process.lines[mark:])


def test_a_user_without_access(scene, tools):
    write(scene.inst.dir + "/access.d/few.yaml", json.dumps({"name": "Few", "scope": "user", "allowed": True, "granted_to": ["erin@corp.example"]}))
    scene.inst.reload()
    try:
        flow = scene.user.dial(scene.inst.sip)
        scene.keep.append(flow)
        response = scene.user.message(flow, "sip:" + OTHER, "without access")
        assert response.status == 403 and "policy.access.user" in response.get("warning")
        told(scene.inst, tools, {"status": says(0), "explain": says(1, "policy.access.user", "the gate that is closed: access", "grant it in access.d")},
             "user@corp.example", OTHER)
    finally:
        os.unlink(scene.inst.dir + "/access.d/few.yaml")
        scene.inst.reload()


# ---- the gateway itself ----

@pytest.fixture
def own(install, started, tools):
    """own(NAME, prepare=...): an installation for one test, prepared before it starts."""
    made = []

    def make(name, prepare=None, start=True):
        inst = install(name)
        inst.list_partner(PARTNER)
        if prepare:
            prepare(inst)
        made.append(inst)
        return started(inst) if start else inst
    yield make
    for inst in made:
        inst.stop()


def test_the_disk_of_the_store_is_full(own, tools, users, new_partner):
    """The first thing of status, with the file and what the system said; messages go on, and with room again all is well."""
    inst = own("full", on_small_disk)
    peer = new_partner(inst, PARTNER)
    filler = fill_disk(inst)
    flow = users["corp.example"].dial(inst.sip)
    assert users["corp.example"].message(flow, "sip:" + OTHER, "who may answer is kept").status in (200, 202)
    peer.wait_body("who may answer is kept")
    wait_until("the store failing", lambda: inst.gateway.metric("xfed_store_writable") == 0, 30)
    text = told(inst, tools, {"status": says(1, "PROBLEM store.write.failed", inst.dir + "/store/gateway.db", "No space left on device", "make room on its disk"),
                              "explain": says(0)}, "user@corp.example", OTHER)["status"]
    assert "PROBLEM store.write.failed" in [line for line in text.splitlines() if "PROBLEM" in line][0]
    inst.gateway.process.wait_line(r"event=store\.failed reason=store\.write\.failed ", 10)
    os.unlink(filler)
    wait_until("the store written", lambda: inst.gateway.metric("xfed_store_writable") == 1, 30)
    told(inst, tools, {"status": says(0, never=("store.write.failed",))})
    flow.close()


def test_the_gateway_is_stopped(own, tools):
    """xfedctl says that it does not run; the edge, that it has no link."""
    inst = own("stopped")
    inst.gateway.stop()
    told(inst, tools, {"status": says(1, "gw1.sock", "the service does not run", "systemctl start"), "explain": says(1, "the service does not run"),
                       "failures": says(1, "the service does not run"), "check": says(1, "the service does not run"),
                       "edge": says(1, "PROBLEM channel.down", "check both services")}, "user@corp.example", OTHER, timeout=10)
    inst.gateway.start().wait_ready()
    told(inst, tools, {"status": says(0), "edge": says(0)}, timeout=10)


def test_what_only_a_gateway_answers_asked_of_an_edge(inst, tools):
    status, text = inst.edge.ctl(tools, "failures", "list", check=False)
    assert (status, text) == (2, "xfedctl: edge1 is an edge; failures list is asked on the inside host, where xfed-gateway runs (linked with this edge: gw1)\n")


def second(inst, install, directory, more):
    """A second gateway for the edge of `inst`, with its own store."""
    other = install(directory, gateway=dict(more, edges=inst.gateway_config["edges"]))
    other.list_partner(PARTNER)
    other.gateway.start()
    return other


@pytest.mark.parametrize("which", ["name", "certificate"])
def test_two_gateways_as_one(own, install, tools, certs, which):
    inst = own("twins-" + which, lambda i: (i.edge_config["channel"].update(allow=["fe.corp.example", "fe2.corp.example"]), i.write_configs()))
    certs.leaf("fe2", "host:fe2.corp.example")
    mine = {"certificate": certs.chain("fe2"), "key": certs.key("fe2"), "ca": certs.ca}
    other = second(inst, install, "twin2-" + which, {"channel": mine} if which == "name" else {"name": "gw2"})
    try:
        other.gateway.process.wait_line("event=service.start", 20)
        if which == "name":
            words = ["PROBLEM channel.name.twice", "The edge edge1 has 2 links of gateways called gw1", "stop one, or give it a name, a store and a certificate of its own"]
        else:
            words = ["PROBLEM channel.replaced", "a certificate with a name of its own"]
        for one in (inst, other):  # on whichever host he looks
            told(one, tools, {"status": says(1, *words)}, timeout=10)
        if which == "name":  # since the second came
            status = other.gateway.control("status")
            (since,) = [p["since"] for p in status["problems"] if p["reason"] == "channel.name.twice"]
            assert since == max(link["since"] for link in status["edges"][0]["channel"])
        wait_until("the loser told", lambda: any("Reload on the gateway whose files are right" in one.gateway.ctl(tools, "status", check=False)[1]
                                                 for one in (inst, other)), 10)
        other.gateway.stop()
        inst.reload()  # the edge has said whose number is in force: ours goes above it
        told(inst, tools, {"status": says(0, never=["channel.replaced", "channel.name.twice"]),
                           "explain": says(0)}, "user@corp.example", "bob@" + PARTNER, timeout=30)
    finally:
        other.gateway.stop()


def start_of(inst):
    done = subprocess.run([inst.gateway.binary, "-c", inst.gateway.config, *stay_root(inst.gateway.binary)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                          env=clean_environment(**SANITIZER_ENV), check=False)
    return done.returncode, done.stdout


def no_key(inst):
    inst.gateway_config["sip"]["key"] = inst.dir + "/nothing.key"


def port_taken(inst):
    with socket.create_server(inst.sip):
        return start_of(inst)


def store_taken(inst):
    other = sqlite3.connect(inst.dir + "/gateway.db")
    other.execute("BEGIN EXCLUSIVE")
    try:
        return start_of(inst)
    finally:
        other.close()


def store_nowhere(inst):
    inst.gateway_config["store"] = {"sqlite": inst.dir + "/no-such-directory/gateway.db"}


STARTS = {
    "key unreadable": (no_key, ["sip.key", "nothing.key", "No such file"]),
    "port in use": (port_taken, ["sip.listen: cannot listen on", "address already in use", "ss -lntup"]),
    "store in use": (store_taken, ["gateway.db", "in use by another gateway"]),
    "store nowhere": (store_nowhere, ["no-such-directory/gateway.db", "unable to open", "No such file or directory", "store.sqlite"]),
}


@pytest.mark.parametrize("name", STARTS)
def test_a_gateway_that_cannot_start(own, name):
    """One sentence says what was wrong, and where."""
    make, words = STARTS[name]
    inst = own("start-" + name.replace(" ", "-"), start=False)
    done = make(inst)
    if done is None:
        inst.write_configs()
        done = start_of(inst)
    assert done[0] == 1
    assert not [w for w in words if w not in done[1]], done[1]
