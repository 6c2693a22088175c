"""
What a peer may have us do beside its messages: elements, keys, names for IDNA, bytes before anything is proved. Of one stream, of
one address, and behind the login. The units are unit/s2s/test_s2s.c; here the edge is held to the budget of an address.
"""
import base64
import random
import ssl
import subprocess

import pytest

from harness.proc import wait_until
from harness.xmpp import STARTTLS, TLS, STREAM, StreamError, XmppStream, message

DB = " xmlns:db='jabber:server:dialback'"
BOUND = 30
IDN = "\u00fc." * 20 + "example"


def asking(name, count):
    return "<db:verify from='%s' to='%s' id='x'>k</db:verify>" % (name, name) * count


def stranger(xfed, source):
    s = XmppStream.connect(xfed.s2s, source)
    s.open("partner.example", "corp.example", more=DB)
    s.read_header(BOUND)
    s.expect(STREAM + "features", BOUND)
    return s


def error_of(s):
    """The stream error that ends it, and how many answers came before."""
    answers = 0
    while True:
        e = s.read(BOUND)
        if e.tag == STREAM + "error":
            return StreamError(e), answers
        answers += 1


@pytest.mark.parametrize("name, most", [("asker.example", 400), (IDN, 40)], ids=["ascii", "idn"])
def test_one_stream(xfed, partner, user, refusal, name, most):
    """A flood of questions ends with the stream, and costs nobody else anything."""
    with refusal("policy.work.exceeded"):
        s = stranger(xfed, "127.5.%d.1" % (most % 100))
        s.wire.send(asking(name, 1000).encode())
        error, answers = error_of(s)
    assert error.condition == "policy-violation" and error.text.startswith("policy.work.exceeded")
    assert 10 < answers <= (900 if name.isascii() else 200)  # how many exactly is in the transcripts, where time stands still
    partner.say("alice", "user@corp.example", "past the flood of " + str(most))
    user.wait_text("past the flood of " + str(most), BOUND)


def test_one_address(xfed, partner, user):
    """Many streams that each stay below their own bound are bounded together; somebody at another address is not concerned."""
    mark = xfed.edge.process.mark()
    before = xfed.edge.metric("xfed_refusals_total", reason="policy.work.exceeded") or 0
    streams = []
    ended = False
    for _ in range(100):
        try:
            s = stranger(xfed, "127.6.0.1")
        except (AssertionError, OSError):
            ended = True  # not even taken in any more
            break
        streams.append(s)
        s.wire.send(asking("asker.example", 250).encode())
        for _ in range(250):
            e = s.read(BOUND)
            if e.tag == STREAM + "error":
                assert StreamError(e).text.startswith("policy.work.exceeded")
                ended = True
                break
        if ended:
            break
    assert ended and len(streams) > 3
    xfed.edge.process.wait_line("event=s2s.work-exceeded .*source=127.6.0.1", BOUND, mark)
    assert xfed.edge.metric("xfed_refusals_total", reason="policy.work.exceeded") > before
    s = partner.stream_to("corp.example")
    partner.say("alice", "user@corp.example", "from elsewhere")
    user.wait_text("from elsewhere", BOUND)
    for other in streams:
        other.wire.close()


def test_acknowledgements_without_end(xfed, listed, user, refusal):
    """Behind the login: <r/> without a stanza between them. As many as stanzas are no flood."""
    p = listed("asks.example", file={"limits": {"stanzas_per_second": 2000}})
    s = p.stream_to("corp.example")
    s.send("<enable xmlns='urn:xmpp:sm:3'/>")
    s.send("".join(message("a@asks.example", "user@corp.example", "asked %d" % i) + "<r xmlns='urn:xmpp:sm:3'/>" for i in range(40)))
    user.wait_text("asked 39", BOUND)
    with refusal("policy.work.exceeded"):
        s.wire.send(b"<r xmlns='urn:xmpp:sm:3'/>" * 4000)
        wait_until("the stream error", lambda: b"<policy-violation " in s.seen, BOUND)


# ---- TLS, and budgets that follow the shares ----

@pytest.fixture
def with_shares(install, started, listed):
    """with_shares(PERCENT) starts an edge whose addresses and networks have that much."""
    made = []

    def make(percent):
        inst = install("w%d" % percent, edge={"limits": {"unauthenticated": 400, "address_share": percent, "network_share": percent}})
        made.append(inst)
        inst.list_partner("partner.example")
        return started(inst)
    yield make
    for inst in made:
        inst.stop()


def test_handshakes_have_a_price(with_shares):
    """Begun and left, over and over: an address has its budget of them, and others theirs."""
    inst = with_shares(1)
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(into, out, server_hostname="corp.example")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    hello = out.read()

    def begins(source):
        s = stranger(inst, source)
        s.send(STARTTLS)
        s.expect(TLS + "proceed", BOUND)
        s.wire.send(hello)
        answer = s.wire.recv(BOUND)
        s.wire.close()
        return answer[:1] == b"\x16"
    mark = inst.edge.process.mark()
    taken = 0
    while taken < 2000 and begins("127.7.0.1"):
        taken += 1
    assert 3 <= taken < 1000
    inst.edge.process.wait_line("event=s2s.work-exceeded .*source=127.7.0.1 work=tls", BOUND, mark)
    assert begins("127.7.1.1")


def test_one_address_for_all(with_shares):
    """Behind one proxy, with shares of 100, what ends one address elsewhere is far from the whole budget."""
    inst = with_shares(100)
    streams = [stranger(inst, "127.8.0.1") for _ in range(30)]
    for s in streams:
        s.wire.send(asking("asker.example", 250).encode())
        for _ in range(250):
            assert s.read(BOUND).tag != STREAM + "error"
    for s in streams:
        s.wire.close()


def prime(bits, rng):
    """Good enough for a throw-away key."""
    while True:
        n = rng.getrandbits(bits) | 3 << (bits - 2) | 1
        if all(n % d for d in range(3, 2000, 2)) and all(pow(a, n - 1, n) == 1 for a in (2, 3, 5, 7)):
            return n


def der(tag, body):
    size = len(body)
    length = bytes([size]) if size < 128 else bytes([0x80 | (size.bit_length() + 7) // 8]) + size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag]) + length + body


def key_of_long_exponent(path):
    """An RSA key whose public exponent is as long as its modulus: the signer's work becomes the verifier's."""
    rng = random.Random(7)
    p, q, d = prime(1024, rng), prime(1024, rng), 65537
    e = pow(d, -1, (p - 1) * (q - 1))
    numbers = (0, p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    body = der(0x30, b"".join(der(2, n.to_bytes(n.bit_length() // 8 + 1, "big")) for n in numbers))
    with open(path, "w", encoding="ascii") as out:
        out.write("-----BEGIN RSA PRIVATE KEY-----\n%s-----END RSA PRIVATE KEY-----\n" % base64.encodebytes(body).decode())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["tls12", "tls13"])
def test_a_key_that_costs_much_is_not_worked_with(xfed, partner, tmp_path, version):
    """Refused by the certificate, before a signature is checked with it."""
    key, cert = str(tmp_path / "long.key"), str(tmp_path / "long.pem")
    key_of_long_exponent(key)
    subprocess.run(["openssl", "req", "-x509", "-new", "-key", key, "-subj", "/CN=partner.example", "-days", "2", "-out", cert], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=BOUND)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(cert, key)
    context.minimum_version = context.maximum_version = version
    mark = xfed.edge.process.mark()
    s = stranger(xfed, "127.9.0.1")
    s.send(STARTTLS)
    s.expect(TLS + "proceed", BOUND)
    try:
        s.start_tls(context, hostname="corp.example")
        s.wire.recv(BOUND)
    except OSError:
        pass  # the alert
    xfed.edge.process.wait_line("event=s2s.closed .*reason=tls.cert.untrusted .*a key of the chain is too long.*address=127.9.0.1", BOUND, mark)
    s.wire.close()
