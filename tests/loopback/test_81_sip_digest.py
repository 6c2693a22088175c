"""A next hop that asks who we are (RFC 7616, RFC 8760, RFC 3261 section 22): domains[].auth."""
import hashlib
import itertools
import os
import re
import threading

import pytest

from harness.daemon import Refusal
from harness.proc import wait_until
from harness.sip import SipUser

numbers = itertools.count(1)
HOST = "127.0.0.1"
TOGETHER = 6
USER, PASSWORD, REALM = "xfed", "the password", "corp"


def params_of(value):
    return {k: v.strip('"') for k, v in re.findall(r'(\w+)=("[^"]*"|[^,\s]+)', value)}


class Server:
    """Answers what carries the right digest of its present nonce, and asks all others."""

    def __init__(self, user):
        self.user, self.algorithm, self.status, self.nonce, self.says_stale, self.refusals = user, "SHA-256", 407, "n-1", True, 0
        self.opaque = None
        user.answer = self.answer

    def is_right(self, m, value):
        p = params_of(value)
        h = getattr(hashlib, {"MD5": "md5", "SHA-256": "sha256"}[self.algorithm])

        def digest(*parts):
            return h(":".join(parts).encode()).hexdigest()
        want = digest(digest(USER, REALM, PASSWORD), p["nonce"], p["nc"], p["cnonce"], "auth", digest(m.method, p["uri"]))
        return p["response"] == want and p["username"] == USER and p["uri"] == m.start.split(" ")[1], p["nonce"]

    def challenge(self, nonce, is_stale):
        self.refusals += 1
        name = "Proxy-Authenticate" if self.status == 407 else "WWW-Authenticate"
        more = (', opaque="%s"' % self.opaque if self.opaque else "") + (", stale=true" if is_stale else "")
        return self.status, [(name, 'Digest realm="%s", nonce="%s", algorithm=%s, qop="auth"%s' % (REALM, nonce, self.algorithm, more))]

    def judge(self, m):
        """Whether the digest is right, and its nonce."""
        value = m.get("proxy-authorization" if self.status == 407 else "authorization")
        return self.is_right(m, value) if value else (False, "")

    def answer(self, m):
        is_right, nonce = self.judge(m)
        return 200 if is_right and nonce == self.nonce else self.challenge(self.nonce, is_right and self.says_stale)


class CountingServer(Server):
    """Takes no number of a nonce that is not above the last one, and does not say that it is stale."""

    def __init__(self, user, seen, changes):
        super().__init__(user)
        self.seen, self.changes = seen, changes

    def answer(self, m):
        is_right, nonce = self.judge(m)
        count = int(params_of(m.get("proxy-authorization"))["nc"], 16) if is_right else 0
        if is_right and nonce == self.nonce and count > self.seen:
            self.seen = count
            return 200
        if is_right and self.changes:
            self.nonce, self.seen = self.nonce + "x", 0
        return self.challenge(self.nonce, False)


class OneTimeServer(Server):
    """Each of its nonces is good for one request. It asks when `together` requests are there, so that they are asked at once."""

    def __init__(self, user, together):
        super().__init__(user)
        self.fresh, self.numbers, self.together, self.lock, self.late = set(), itertools.count(1), together, threading.Lock(), []

    def answer(self, m):
        is_right, nonce = self.judge(m)
        with self.lock:
            if is_right and nonce in self.fresh:
                self.fresh.remove(nonce)
                return 200
            self.late.append(m)
            if len(self.late) < self.together:
                return None
            late, self.late = self.late, []
            for one in late:
                nonce = "once-%d" % next(self.numbers)
                self.fresh.add(nonce)
                self.user.respond(one, self.challenge(nonce, False))
        return None


@pytest.fixture(scope="module")
def user():
    user = SipUser("digest")
    yield user
    user.close()


@pytest.fixture(scope="module")
def inst(install, started, user, tmp_path_factory):
    secret = str(tmp_path_factory.mktemp("digest") / "sip.secret")
    with open(secret, "w", encoding="utf-8") as f:
        f.write(PASSWORD + "\nnot this line\n")
    os.chmod(secret, 0o600)
    auth = {"username": USER, "password_file": secret}
    inst = install("digest", gateway={"domains": [
        {"domain": "corp.example", "next_hop": "sip:%s:%d;transport=tcp" % (HOST, user.port), "peer_addresses": [HOST], "auth": auth},
        {"domain": "corp2.example", "next_hop": "sip:%s:%d" % (HOST, user.port), "peer_addresses": [HOST], "auth": auth}]})
    inst.secret = secret
    inst.list_partner("digest.example")
    try:
        yield started(inst)
    finally:
        inst.stop()


@pytest.fixture(scope="module")
def peer(inst, new_partner):
    return new_partner(inst, "digest.example")


@pytest.fixture
def server(user):
    return Server(user)


def send(peer, user, server, count):
    """Sends one; the requests it takes, in their order. The first has the Call-ID and From tag of all."""
    text = "asked %d" % next(numbers)
    peer.say("alice", "dave@corp.example", text)
    wait_until("%d requests" % count, lambda: len([m for m in user.inbox.items if m.text == text]) >= count, 10)
    requests = [m for m in user.inbox.items if m.text == text]
    assert len(requests) == count
    assert len({(m.get("call-id"), m.get("from")) for m in requests}) == 1
    return requests


def wait_answers(user, texts):
    """Each of them has been answered 2xx; the requests that it took, by text."""
    def taken():
        return {t: [m for m in user.inbox.items if m.text == t] for t in texts}

    def are_answered():
        return all(any(b" 200 " in user.answered.get(m.branch, b"").split(b"\r\n")[0] for m in of) for of in taken().values())
    wait_until("a 200 for each of %d messages" % len(texts), are_answered, 10)
    return taken()


def cseq(m):
    return int(m.get("cseq").split(" ")[0])


def forget(inst):
    """Nothing is known of before: other credentials, and the right ones again."""
    for username in ("somebody else", USER):
        for domain in inst.gateway_config["domains"]:
            domain["auth"]["username"] = username
        inst.write_configs()
        inst.reload()


def test_what_a_server_said_outlives_a_reload(inst, peer, user, server):
    """The nonce goes on with its count: one that begins anew is a repetition to the server."""
    server.nonce = "long-lived"
    forget(inst)
    send(peer, user, server, 2)
    inst.reload()
    known, = send(peer, user, server, 1)
    assert params_of(known.get("proxy-authorization" if server.status == 407 else "authorization"))["nc"] == "00000002"


@pytest.mark.parametrize("algorithm, status", [("SHA-256", 407), ("MD5", 401), ("SHA-256", 401)])
def test_asked_once_and_known_from_then_on(inst, peer, user, server, algorithm, status):
    server.algorithm, server.status, server.nonce = algorithm, status, "%s-%d" % (algorithm, status)
    forget(inst)
    first, second = send(peer, user, server, 2)
    assert cseq(second) == cseq(first) + 1
    assert second.branch == first.branch + ".1"
    known, = send(peer, user, server, 1)
    assert params_of(known.get("proxy-authorization" if status == 407 else "authorization"))["nc"] == "00000002"


@pytest.mark.parametrize("says_stale", [True, False])
def test_a_nonce_grows_old(inst, peer, user, server, says_stale):
    server.nonce = "young"
    forget(inst)
    send(peer, user, server, 2)
    server.nonce, server.says_stale = "next", says_stale
    first, second = send(peer, user, server, 2)
    assert first.branch.endswith(".1") and second.branch.endswith(".2") and cseq(second) == cseq(first) + 1


@pytest.mark.parametrize("changes", [True, False])
def test_a_nonce_that_a_run_before_us_has_used(inst, peer, user, changes):
    """We begin at 1; the server counts on, and gives a new nonce, or the same one again."""
    CountingServer(user, 7, changes)
    forget(inst)
    send(peer, user, None, 3)
    send(peer, user, None, 1)


@pytest.mark.parametrize("rounds", [1, 3])
def test_nonces_that_are_good_once(inst, peer, user, rounds):
    """Several at once, and again with what the first ones have left behind: each is delivered, asked once and no more."""
    OneTimeServer(user, TOGETHER)
    forget(inst)
    for _ in range(rounds):
        texts = ["once %d" % next(numbers) for _ in range(TOGETHER)]
        for number, text in enumerate(texts):
            peer.say("alice", "dave%d@corp.example" % number, text)
        for text, requests in wait_answers(user, texts).items():
            assert len(requests) == 2, text
            assert cseq(requests[1]) == cseq(requests[0]) + 1
            assert len({m.branch for m in requests}) == 2


def transport_of(m):
    return m.get("via").split(" ")[0].split("/")[2]


def test_with_its_credentials_too_large_for_udp(inst, peer, user, server):
    """The first one goes out over UDP, as nobody knows yet how much will be asked for; the second time over TCP."""
    server.nonce, server.opaque = "n" * 250, "o" * 250
    forget(inst)
    text = "asked %d " % next(numbers) + "x" * 300
    peer.say("alice", "dave@corp2.example", text)
    first, second = wait_answers(user, [text])[text]
    assert (transport_of(first), transport_of(second)) == ("UDP", "TCP")
    assert cseq(second) == cseq(first) + 1
    text = "known %d " % next(numbers) + "x" * 300
    peer.say("alice", "dave@corp2.example", text)
    known, = wait_answers(user, [text])[text]
    assert transport_of(known) == "TCP"


def with_password(inst, text):
    with open(inst.secret, "w", encoding="utf-8") as f:
        f.write(text + "\n")
    forget(inst)


@pytest.mark.parametrize("asks", ['Basic realm="corp"', 'Digest realm="corp", nonce="n", algorithm=SHA-512-256', 'Digest realm="corp", nonce="n", qop="auth-int"'])
def test_a_way_to_ask_that_nobody_here_knows(inst, tools, peer, user, server, asks):
    """There are credentials: what has to change is how the server asks, and that is what everybody is told."""
    user.answer = (407, [("Proxy-Authenticate", asks)])
    try:
        with Refusal(inst, "sip.auth.unsupported"):
            assert peer.wait_error(peer.say("alice", "dave@corp.example", "asked %d" % next(numbers)))[0] == "registration-required"
        problem, = [p for p in inst.gateway.control("status")["problems"] if p["reason"].startswith("sip.")]
        code, text = inst.gateway.ctl(tools, "explain", "alice@digest.example", "dave@corp.example", check=False)
        assert problem["reason"] == "sip.auth.unsupported" and code == 1
        for said in (problem["text"], text):
            assert "let it ask by digest with SHA-256 or MD5" in said and "set domains[].auth" not in said, said
    finally:
        user.answer = server.answer
        forget(inst)
    assert not [p for p in inst.gateway.control("status")["problems"] if p["reason"].startswith("sip.")]


def test_a_wrong_password_is_said_once(inst, peer, user, server):
    """Two answers, as the nonce might be known from a run before, one line in the log, one error; and nothing is tried again."""
    mark = inst.gateway.process.mark()
    try:
        with_password(inst, "another password")
        text = "asked %d" % next(numbers)
        with Refusal(inst, "sip.auth.refused"):
            assert peer.wait_error(peer.say("alice", "dave@corp.example", text))[0] == "registration-required"
        assert len([m for m in user.inbox.items if m.text == text]) == 3
        lines = [line for line in inst.gateway.process.lines[mark:] if "sip.auth-failed" in line]
        assert len(lines) == 1 and "username or password is wrong" in lines[0], lines
        problem, = [p for p in inst.gateway.control("status")["problems"] if p["reason"] == "sip.auth.refused"]
        assert str(user.port) in problem["text"] and "domains[].auth" in problem["text"]
        gates = inst.gateway.control("explain", **{"from": "alice@digest.example", "to": "dave@corp.example"})
        assert gates["closed"] == "next-hop"
    finally:
        with_password(inst, PASSWORD)
    assert not [p for p in inst.gateway.control("status")["problems"] if p["reason"].startswith("sip.")]  # new ones may be right
    send(peer, user, server, 2)
