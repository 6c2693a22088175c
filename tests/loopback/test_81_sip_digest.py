"""A next hop that asks who we are (RFC 7616, RFC 8760, RFC 3261 section 22): domains[].auth."""
import hashlib
import itertools
import os
import re

import pytest

from harness.proc import wait_until
from harness.sip import SipUser

numbers = itertools.count(1)
HOST = "127.0.0.1"
USER, PASSWORD, REALM = "xfed", "the password", "corp"


def params_of(value):
    return {k: v.strip('"') for k, v in re.findall(r'(\w+)=("[^"]*"|[^,\s]+)', value)}


class Server:
    """Answers what carries the right digest of its present nonce, and asks all others."""

    def __init__(self, user):
        self.user, self.algorithm, self.status, self.nonce, self.says_stale, self.refusals = user, "SHA-256", 407, "n-1", True, 0
        user.answer = self.answer

    def is_right(self, m, value):
        p = params_of(value)
        h = getattr(hashlib, {"MD5": "md5", "SHA-256": "sha256"}[self.algorithm])

        def digest(*parts):
            return h(":".join(parts).encode()).hexdigest()
        want = digest(digest(USER, REALM, PASSWORD), p["nonce"], p["nc"], p["cnonce"], "auth", digest(m.method, p["uri"]))
        return p["response"] == want and p["username"] == USER and p["uri"] == m.start.split(" ")[1], p["nonce"]

    def answer(self, m):
        value = m.get("proxy-authorization" if self.status == 407 else "authorization")
        is_right, nonce = self.is_right(m, value) if value else (False, "")
        if is_right and nonce == self.nonce:
            return 200
        stale = ", stale=true" if is_right and self.says_stale else ""
        self.refusals += 1
        name = "Proxy-Authenticate" if self.status == 407 else "WWW-Authenticate"
        return self.status, [(name, 'Digest realm="%s", nonce="%s", algorithm=%s, qop="auth"%s' % (REALM, self.nonce, self.algorithm, stale))]


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
    inst = install("digest", gateway={"domains": [
        {"domain": "corp.example", "next_hop": "sip:%s:%d;transport=tcp" % (HOST, user.port), "peer_addresses": [HOST],
         "auth": {"username": USER, "password_file": secret}}]})
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


def cseq(m):
    return int(m.get("cseq").split(" ")[0])


@pytest.mark.parametrize("algorithm, status", [("SHA-256", 407), ("MD5", 401), ("SHA-256", 401)])
def test_asked_once_and_known_from_then_on(inst, peer, user, server, algorithm, status):
    server.algorithm, server.status, server.nonce = algorithm, status, "%s-%d" % (algorithm, status)
    inst.reload()  # nothing is known of before
    first, second = send(peer, user, server, 2)
    assert cseq(second) == cseq(first) + 1
    assert second.branch == first.branch + ".1"
    known, = send(peer, user, server, 1)
    assert params_of(known.get("proxy-authorization" if status == 407 else "authorization"))["nc"] == "00000002"


@pytest.mark.parametrize("says_stale", [True, False])
def test_a_nonce_grows_old(inst, peer, user, server, says_stale):
    server.nonce = "young"
    inst.reload()
    send(peer, user, server, 2)
    server.nonce, server.says_stale = "next", says_stale
    first, second = send(peer, user, server, 2)
    assert first.branch.endswith(".1") and second.branch.endswith(".2") and cseq(second) == cseq(first) + 1


def test_a_wrong_password_is_said_once(inst, peer, user, server):
    with open(inst.secret, encoding="utf-8") as f:
        good = f.read()
    try:
        with open(inst.secret, "w", encoding="utf-8") as f:
            f.write("another password\n")
        inst.reload()
        send(peer, user, server, 2)
    finally:
        with open(inst.secret, "w", encoding="utf-8") as f:
            f.write(good)
    inst.reload()
    send(peer, user, server, 2)
