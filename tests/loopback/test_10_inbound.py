"""
What bad input gets on streams that partners open (RFC 6120 section 4.9, [A2], [A4], [A5], [A10]): the exact stream error, the
reason code in one log line and in the metrics, a closed stream; the good partner's stream carries on.
"""
import itertools
import socket
import ssl

import pytest

from harness import xmpp
from harness.xmpp import AUTH, SASL, STARTTLS, STREAM, XmppStream, header, message

H = header("partner.example", "corp.example")
PING = "<iq type='get' id='%s' from='partner.example' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>"
numbers = itertools.count(1)


class Closed:
    """One stream has to be closed in the block for this reason: one line, one count, with the side at fault."""

    def __init__(self, xfed, code, is_clean=False):
        self.xfed, self.code, self.is_clean = xfed, code, is_clean

    def counts(self):
        edge = self.xfed.edge
        return (edge.metric("xfed_s2s_closed_total", reason=self.code), edge.metric("xfed_refusals_total", reason=self.code))

    def __enter__(self):
        self.before = self.counts()
        self.mark = self.xfed.edge.process.mark()
        return self

    def of(self, stream):
        self.address = "%s:%d" % stream.wire.sock.getsockname()[:2]
        return stream

    def __exit__(self, kind, value, trace):
        if kind is not None:
            return
        process = self.xfed.edge.process
        mine = r"event=s2s\.closed .*address=%s( |$)" % self.address.replace(".", r"\.")
        line = process.wait_line(mine, 10, self.mark)
        assert " reason=%s " % self.code in line + " ", line
        assert " side=" in line and " conn=" in line, line
        lines = [text for text in process.lines[self.mark:] if "reason=" in text and "address=%s " % self.address in text + " "]
        assert lines == [line], lines
        closed, refused = self.counts()
        assert closed == self.before[0] + 1
        assert refused == self.before[1] + (0 if self.is_clean else 1)


@pytest.fixture
def closed(xfed):
    return lambda code, **kwargs: Closed(xfed, code, **kwargs)


@pytest.fixture(autouse=True)
def bystander(xfed, partner):
    """The good partner has a stream open all the time; after each test it is the same one, and it works."""
    partner.stream_to("corp.example")
    before = [s["id"] for s in xfed.streams("partner.example") if s["direction"] == "in" and s["state"] == "ready"]
    yield
    ident = "still-%d" % next(numbers)
    partner.send(PING % (ident, "corp.example"))
    answer = partner.inbox.wait(lambda s: s.get("id") == ident, 10)
    assert answer.get("type") == "result"
    after = [s["id"] for s in xfed.streams("partner.example") if s["direction"] == "in" and s["state"] == "ready"]
    assert before[0] in after


@pytest.fixture
def clear(xfed, partner):
    """A connection with nothing said yet."""
    stream = XmppStream.connect(xfed.s2s)
    yield stream
    stream.close()


@pytest.fixture
def logged_in(xfed, partner):
    stream = partner.dial("corp.example")
    yield stream
    stream.close()


def big(size):
    return "<message from='a@partner.example' to='b@corp.example'><body>" + "x" * size + "</body></message>"


# name, bytes, stream error, reason
CLEAR = [
    ("HTTP", "GET / HTTP/1.1\r\n\r\n", "not-well-formed", "stream.xml.malformed"),
    ("wrong end tag", H + "<a></b>", "not-well-formed", "stream.xml.malformed"),
    ("unbound prefix", H + "<x:y/>", "not-well-formed", "stream.xml.malformed"),
    ("text between elements", H + "hello", "bad-format", "stream.xml.malformed"),
    ("DOCTYPE", "<!DOCTYPE a [<!ENTITY b 'c'>]>" + H, "restricted-xml", "stream.xml.restricted"),
    ("DOCTYPE behind the declaration", "<?xml version='1.0'?><!DOCTYPE a SYSTEM 'http://127.0.0.1/x'>", "restricted-xml", "stream.xml.restricted"),
    ("comment", H + "<!-- x -->", "restricted-xml", "stream.xml.restricted"),
    ("processing instruction", H + "<?php x ?>", "restricted-xml", "stream.xml.restricted"),
    ("entity", H + "<a>&nbsp;</a>", "restricted-xml", "stream.xml.restricted"),
    ("billion laughs", "<!DOCTYPE l [<!ENTITY a 'lol'><!ENTITY b '&a;&a;'>]><l>&b;</l>", "restricted-xml", "stream.xml.restricted"),
    ("declared EUC-JP", "<?xml version='1.0' encoding='EUC-JP'?>" + H, "unsupported-encoding", "stream.xml.encoding"),
    ("UTF-16", "\ufeff<stream".encode("utf-16-le"), "unsupported-encoding", "stream.xml.encoding"),
    ("Latin-1 byte", H.encode() + b"<a>\xe9</a>", "unsupported-encoding", "stream.xml.encoding"),
    ("wrong stream namespace", header("partner.example", "corp.example", stream_ns="http://example.com/streams"), "invalid-namespace", "stream.xml.namespace"),
    ("client namespace", header("partner.example", "corp.example", ns="jabber:client"), "invalid-namespace", "stream.xml.namespace"),
    ("wrong root", header("partner.example", "corp.example", name="stream:strom"), "invalid-namespace", "stream.xml.namespace"),
    ("no version", header("partner.example", "corp.example", version=None), "unsupported-version", "stream.version.old"),
    ("version 0.9", header("partner.example", "corp.example", version="0.9"), "unsupported-version", "stream.version.old"),
    ("no to", header("partner.example", None), "host-unknown", "stream.to.unknown"),
    ("unknown to", header("partner.example", "other.example"), "host-unknown", "stream.to.unknown"),
    ("to that is no domain", header("partner.example", "user@corp.example"), "host-unknown", "stream.to.unknown"),
    ("from that is no domain", header("a@b@c", "corp.example"), "invalid-from", "stream.from.unproved"),
    ("unlisted from", header("unlisted.example", "corp.example"), "policy-violation", "policy.partner.unlisted"),
    ("from that is ours", header("corp2.example", "corp.example"), "policy-violation", "policy.partner.unlisted"),
    ("message before TLS", H + message("a@partner.example", "b@corp.example", "too early"), "not-authorized", "stream.unauthenticated"),
    ("presence before TLS", H + "<presence from='a@partner.example' to='b@corp.example'/>", "not-authorized", "stream.unauthenticated"),
    ("iq before TLS", H + PING % ("x", "corp.example"), "not-authorized", "stream.unauthenticated"),
    ("unknown element", H + "<nonsense xmlns='urn:x'/>", "unsupported-stanza-type", "stream.stanza.unsupported"),
    ("bytes behind starttls", H + STARTTLS + "<message", "policy-violation", "starttls.injection"),
    ("a stanza behind starttls", H + STARTTLS + big(1), "policy-violation", "starttls.injection"),
    ("a header behind starttls", H + STARTTLS + H, "policy-violation", "starttls.injection"),
    ("second declaration", H + H, "restricted-xml", "stream.xml.restricted"),
    ("header inside the stream", H + header("partner.example", "corp.example", declaration="") + "</stream:stream>", "unsupported-stanza-type", "stream.stanza.unsupported"),
    ("large element before TLS", H + big(20000), "policy-violation", "stream.xml.too-big"),
    ("start tag without end", H + "<message a='" + "x" * 20000, "policy-violation", "stream.xml.too-big"),
    ("deep element before TLS", H + "<a>" * 40, "policy-violation", "stream.xml.too-deep"),
]


@pytest.mark.parametrize("name, data, condition, code", CLEAR, ids=[row[0].replace(" ", "-") for row in CLEAR])
def test_before_tls(clear, closed, name, data, condition, code):
    with closed(code) as c:
        c.of(clear).send(data)
        error = clear.read_error(with_header=True)
    assert error.condition == condition
    assert error.text.startswith(code)
    if code == "stream.xml.too-big":
        assert error.more == [xmpp.APP_ERRORS + "stanza-too-big"]  # [A3-07]


def test_the_header_of_a_refusal_is_complete(clear, closed):
    """RFC 6120 4.9.1.2: an error answers an opening, so the opening is answered first, with an id of its own."""
    with closed("stream.to.unknown") as c:
        c.of(clear).send(header("partner.example", "other.example"))
        opened = clear.read_header()
        clear.read_error(with_header=False)
    assert opened.get("id") and opened.get("version") == "1.0"
    assert opened.get(xmpp.LANG)


def test_a_peer_without_version_gets_none_back(clear, closed):
    """[A2-08]"""
    with closed("stream.version.old") as c:
        c.of(clear).send(header("partner.example", "corp.example", version=None))
        opened = clear.read_header()
        clear.read_error(with_header=False)
    assert opened.get("version") is None


def test_stream_ids_are_long_and_never_the_same(xfed, partner):
    seen = set()
    for _ in range(5):
        stream = XmppStream.connect(xfed.s2s)
        stream.open("partner.example", "corp.example")
        seen.add(stream.read_header().get("id"))
        stream.close()
    assert len(seen) == 5 and all(len(i) >= 16 for i in seen)


def test_tls_is_required_and_nothing_offered_beside_it(clear, partner):
    """[A4-01]: no mechanisms before TLS."""
    features = clear.to_features("partner.example", "corp.example")
    assert [e.tag for e in features] == [xmpp.TLS + "starttls"]
    assert [e.tag for e in features[0]] == [xmpp.TLS + "required"]


def test_auth_before_tls(clear, partner):
    """[A5-08]: EXTERNAL without TLS is refused; the third try ends the stream."""
    clear.to_features("partner.example", "corp.example")
    for i in range(3):
        clear.send(AUTH)
        failure = clear.expect(SASL + "failure")
        assert [e.tag for e in failure] == [SASL + "encryption-required"]
    assert clear.read_error().condition == "policy-violation"


def test_without_from_nothing_is_proved(clear, partner, closed):
    """[A2-09], [A4-06]: tolerated, but no certificate fits a name that was not given, and no stanza is taken."""
    features = clear.to_features(None, "corp.example")
    assert features.find(xmpp.TLS + "starttls") is not None
    clear.send(STARTTLS)
    clear.expect(xmpp.TLS + "proceed")
    clear.start_tls(partner.client_context, hostname="corp.example")
    features = clear.to_features(None, "corp.example")
    assert not list(features.iter(SASL + "mechanism"))
    with closed("stream.unauthenticated") as c:
        c.of(clear).send(message("a@partner.example", "b@corp.example", "who am I"))
        assert clear.read_error().condition == "not-authorized"


def test_garbage_instead_of_a_client_hello(clear, closed):
    clear.to_features("partner.example", "corp.example")
    clear.send(STARTTLS)
    clear.expect(xmpp.TLS + "proceed")
    with closed("tls.handshake.failed") as c:
        c.of(clear).send(b"\x17\x03\x03\x00\x05hello" * 3)
        while clear.wire.recv(10):  # an alert, and the end
            pass


def test_close_during_the_handshake(clear, closed):
    clear.to_features("partner.example", "corp.example")
    clear.send(STARTTLS)
    clear.expect(xmpp.TLS + "proceed")
    with closed("net.stream.lost") as c:
        c.of(clear).wire.half_close()
        assert clear.wire.recv(10) == b""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tls_1_1_is_refused(clear, partner, closed, certs):
    old = certs.client("partner")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    clear.to_features("partner.example", "corp.example")
    clear.send(STARTTLS)
    clear.expect(xmpp.TLS + "proceed")
    with closed("tls.version.old") as c:
        c.of(clear)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            clear.start_tls(old, hostname="corp.example")


@pytest.mark.parametrize("what, data, condition, code", [
    ("message", message("a@partner.example", "b@corp.example", "too early"), "not-authorized", "stream.unauthenticated"),
    ("starttls again", STARTTLS, "unsupported-stanza-type", "stream.stanza.unsupported"),
    ("comment", "<!-- x -->", "restricted-xml", "stream.xml.restricted"),
    ("large element", big(20000), "policy-violation", "stream.xml.too-big"),
], ids=["message", "starttls-again", "comment", "large-element"])
def test_inside_tls_before_authentication(clear, partner, closed, what, data, condition, code):
    assert clear.to_mechanisms("partner.example", "corp.example", partner.client_context) == ["EXTERNAL"]
    with closed(code) as c:
        c.of(clear).send(data)
        error = clear.read_error()
    assert error.condition == condition


def test_a_stanza_is_not_taken_from_the_pipeline_before_success(clear, partner, closed):
    """What follows <auth/> in the same record comes before the stream is opened again: no stanza of the new stream."""
    clear.to_mechanisms("partner.example", "corp.example", partner.client_context)
    with closed("stream.xml.namespace") as c:
        c.of(clear).send(AUTH + message("a@partner.example", "b@corp.example", "smuggled"))
        clear.expect(SASL + "success")
        clear.restart()
        clear.read_error()


@pytest.mark.parametrize("auth, condition", [
    ("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>", "invalid-mechanism"),
    ("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>b3RoZXIuZXhhbXBsZQ==</auth>", "invalid-authzid"),
    ("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>!!</auth>", "incorrect-encoding"),
    ("<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "aborted"),
], ids=["mechanism", "identity", "base64", "abort"])
def test_wrong_authentication(clear, partner, auth, condition):
    """[A5-03] to [A5-08]: a failure that says why, a limited number of tries; a right one is still possible before."""
    clear.to_mechanisms("partner.example", "corp.example", partner.client_context)
    for _ in range(2):
        clear.send(auth)
        assert [e.tag for e in clear.expect(SASL + "failure")] == [SASL + condition]
    clear.send(AUTH)
    clear.expect(SASL + "success")


def test_explicit_identity_and_challenge(clear, partner):
    """[A5-04]: no initial response gives an empty challenge; an authzid equal to the domain is accepted."""
    clear.to_mechanisms("partner.example", "corp.example", partner.client_context)
    clear.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'/>")
    clear.expect(SASL + "challenge")
    clear.send("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>cGFydG5lci5leGFtcGxl</response>")
    clear.expect(SASL + "success")


def test_another_pair_behind_sasl(clear, partner, closed):
    """[A5-09]"""
    clear.to_mechanisms("partner.example", "corp.example", partner.client_context)
    clear.send(AUTH)
    clear.expect(SASL + "success")
    clear.restart()
    with closed("stream.from.unproved") as c:
        c.of(clear).open("other.example", "corp.example")
        assert clear.read_error().condition == "invalid-from"


AUTHENTICATED = [
    ("wrong from", message("a@other.example", "b@corp.example", "x"), "invalid-from", "stream.from.unproved"),
    ("from that is ours", message("b@corp.example", "c@corp.example", "x"), "invalid-from", "stream.from.unproved"),
    ("subdomain from", message("a@sub.partner.example", "b@corp.example", "x"), "invalid-from", "stream.from.unproved"),
    ("relay", message("a@partner.example", "b@third.example", "x"), "host-unknown", "stream.relay.attempt"),
    ("our other domain", message("a@partner.example", "b@corp2.example", "x"), "host-unknown", "stream.relay.attempt"),
    ("no from", "<message to='b@corp.example'><body>x</body></message>", "improper-addressing", "stream.address.improper"),
    ("no to", "<message from='a@partner.example'><body>x</body></message>", "improper-addressing", "stream.address.improper"),
    ("from without a domain", message("a@", "b@corp.example", "x"), "improper-addressing", "stream.address.improper"),
    ("foreign namespace", "<message xmlns='jabber:client' from='a@partner.example' to='b@corp.example'/>", "invalid-namespace", "stream.xml.namespace"),
    ("prefix", "<s:message xmlns:s='jabber:server' from='a@partner.example' to='b@corp.example'/>", "bad-namespace-prefix", "stream.xml.prefix"),
    ("unknown element", "<nonsense xmlns='urn:x'/>", "unsupported-stanza-type", "stream.stanza.unsupported"),
    ("DOCTYPE", "<!DOCTYPE a>", "restricted-xml", "stream.xml.restricted"),
    ("not well-formed", "<message><body></message>", "not-well-formed", "stream.xml.malformed"),
    ("deeper than a stanza may, and no stanza", "<nonsense xmlns='urn:x'>" + "<a>" * 40 + "</a>" * 40 + "</nonsense>", "policy-violation", "stream.xml.too-deep"),
    ("larger than anything may", big(270000), "policy-violation", "stream.xml.too-big"),
]


@pytest.mark.parametrize("name, data, condition, code", AUTHENTICATED, ids=[row[0].replace(" ", "-") for row in AUTHENTICATED])
def test_after_authentication(xfed, user, logged_in, closed, name, data, condition, code):
    reached = user.said.mark()
    with closed(code) as c:
        c.of(logged_in).send(data)
        error = logged_in.read_error()
    assert error.condition == condition
    if code == "stream.xml.too-big":
        assert error.more == [xmpp.APP_ERRORS + "stanza-too-big"]
    assert user.said.mark() == reached


def test_what_was_sent_before_the_fault_arrives(user, logged_in, closed):
    since = user.said.mark()
    with closed("stream.xml.restricted") as c:
        c.of(logged_in).send(message("a@partner.example", "b@corp.example", "whole stanza", id="w1") + "<!-- x -->")
        logged_in.read_error()
    user.wait_text("whole stanza", 10, since)


def test_half_a_stanza_and_a_cut(user, logged_in, closed):
    since = user.said.mark()
    with closed("net.stream.lost") as c:
        c.of(logged_in).send("<message from='a@partner.example' to='b@corp.example'><body>half")
        logged_in.wire.reset()
    assert user.said.mark() == since


def test_clean_close_is_answered(logged_in, closed):
    with closed("stream.closed.peer", is_clean=True) as c:
        c.of(logged_in).send("</stream:stream>")
        assert logged_in.event()[0] == "end"
        logged_in.expect_gone()


def test_an_error_of_the_partner_is_logged_with_its_words(xfed, logged_in, closed):
    with closed("stream.error.received") as c:
        mark = c.mark
        c.of(logged_in).send("<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns="
                             "'urn:ietf:params:xml:ns:xmpp-streams'>two of you</text></stream:error></stream:stream>")
        assert logged_in.event()[0] == "end"
        logged_in.expect_gone()
    xfed.edge.process.wait_line("reason=stream.error.received.*conflict: two of you", 5, mark)


def test_bytes_one_by_one(xfed, partner):
    """Any chunking: a whole login and a query, each byte in a write of its own."""
    stream = XmppStream.connect(xfed.s2s)
    whole = stream.wire.send
    stream.wire.send = lambda data: [whole(data[i:i + 1]) for i in range(len(data))]
    stream.log_in("partner.example", "corp.example", partner.client_context)
    since = partner.inbox.mark()
    stream.send(PING % ("bytewise", "corp.example"))
    assert partner.inbox.wait(lambda s: s.get("id") == "bytewise", 10, since).get("type") == "result"
    stream.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_our_certificate_is_refused(xfed, clear, certs, version):
    """By OpenSSL, which sends its alert in the clear under TLS 1.3: the same words for both, and not the partner's fault."""
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    own.minimum_version = own.maximum_version = version
    own.load_verify_locations(certs.dir + "/foreign/ca.crt")
    with Closed(xfed, "tls.cert.refused") as c:
        c.of(clear).open("partner.example", "corp.example")
        clear.read_header()
        clear.expect(STREAM + "features")
        clear.send(STARTTLS)
        clear.expect(xmpp.TLS + "proceed")
        with pytest.raises(ssl.SSLCertVerificationError):
            clear.start_tls(own, hostname="corp.example")
    line = xfed.edge.process.wait_line("event=s2s.closed .*address=%s " % c.address, 1, c.mark)
    assert 'side=operator' in line and "CA is unknown" in line, line


@pytest.mark.parametrize("leaf, code", [
    ("partner-foreign", "tls.cert.untrusted"), ("partner-selfsigned", "tls.cert.untrusted"), ("partner-expired", "tls.cert.expired"),
    ("partner-future", "tls.cert.not-yet-valid"), ("partner-wrongname", "tls.cert.name-mismatch"), ("partner-cnonly", "tls.cert.name-mismatch"),
    ("partner-nosan", "tls.cert.name-mismatch"), ("partner-clientauth", "tls.cert.purpose"), ("partner-nul", "tls.cert.untrusted"),
    ("partner-subwild", "tls.cert.name-mismatch"), (None, "tls.cert.missing"),
])
def test_certificates_that_do_not_prove_the_domain(xfed, partner, certs, closed, leaf, code):
    """[A6]; EXTERNAL is not offered where it cannot succeed."""
    stream = XmppStream.connect(xfed.s2s)
    stream.to_tls("partner.example", "corp.example", certs.client(leaf))
    with closed(code) as c:
        c.of(stream).open("partner.example", "corp.example")
        assert stream.read_error(with_header=True).condition == "not-authorized"


@pytest.mark.parametrize("leaf", ["partner-rsa", "partner-inter", "partner-dnsonly", "partner-srvonly", "partner-xmppaddr",
                                  "partner-wildcard", "partner-serverauth", "partner-anyeku", "partner-noeku"])
def test_certificates_that_prove_the_domain(xfed, partner, certs, leaf):
    stream = XmppStream.connect(xfed.s2s).log_in("partner.example", "corp.example", certs.client(leaf))
    stream.close()


def test_our_certificate_is_chosen_by_name(xfed, partner, certs):
    for local in ("corp.example", "corp2.example", "corp3.example"):
        stream = XmppStream.connect(xfed.s2s).log_in("partner.example", local, certs.client("partner"))
        assert local in stream.wire.peer_names()
        stream.close()


def test_a_stream_that_never_speaks_harms_nobody(xfed, partner):
    """Connections that say nothing hold their place only; the others go on (the fixture asks)."""
    silent = [socket.create_connection(xfed.s2s) for _ in range(20)]
    stream = partner.dial("corp.example")
    stream.close()
    for s in silent:
        s.close()
