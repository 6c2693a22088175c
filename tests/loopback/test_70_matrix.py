"""
The negotiation matrix: every row of tls x sasl x dialback against a partner of every ability, in both directions. Each cell
ends in exactly the method that xfed's reading of the row allows, best first, or in a refusal with its reason. What is expected
is worked out here from a table of its own; nothing is taken from the code that is tested.
"""
import collections
import concurrent.futures
import itertools
import json
import os
import re
import socket
import subprocess
import threading

import pytest

from harness.daemon import SANITIZER_ENV
from harness.installation import write
from harness.peer import ABILITIES, OFFER, Peer, Refused
from harness.proc import clean_environment, wait_until
from harness.xmpp import PROCEED, STARTTLS, XmppStream, message

E, DT, DP = "external", "dialback-tls", "dialback-plain"
REQUIRED, OPTIONAL, NOT = "required", "optional", "not-supported"

Row = collections.namedtuple("Row", "number tls sasl dialback methods warns")

# Required means required: rows 1 to 4 are certificates and nothing else, whatever stands beside them.
ROWS = [
    Row(1, REQUIRED, REQUIRED, True, [E], "dialback never runs"),
    Row(2, REQUIRED, REQUIRED, False, [E], None),
    Row(3, OPTIONAL, REQUIRED, True, [E], "no TLS is refused"),
    Row(4, OPTIONAL, REQUIRED, False, [E], "no TLS is refused"),
    Row(5, NOT, REQUIRED, True, [], None),
    Row(6, NOT, REQUIRED, False, [], None),
    Row(7, REQUIRED, OPTIONAL, True, [E, DT], None),
    Row(8, REQUIRED, OPTIONAL, False, [E], None),
    Row(9, OPTIONAL, OPTIONAL, True, [E, DT, DP], None),
    Row(10, OPTIONAL, OPTIONAL, False, [E], "no TLS is refused"),
    Row(11, NOT, OPTIONAL, True, [DP], "never runs"),
    Row(12, NOT, OPTIONAL, False, [], None),
    Row(13, REQUIRED, NOT, True, [DT], None),
    Row(14, REQUIRED, NOT, False, [], None),
    Row(15, OPTIONAL, NOT, True, [DT, DP], None),
    Row(16, OPTIONAL, NOT, False, [], None),
    Row(17, NOT, NOT, True, [DP], None),
    Row(18, NOT, NOT, False, [], None),
]
VALID = [r for r in ROWS if r.methods]
LABELS = {"nothing": "nothing", "TLS": "tls", "TLS+EXTERNAL": "external", "TLS+dialback": "dbtls", "dialback": "dbonly", "all": "all"}
NEEDS = {E: {"tls", "external"}, DT: {"tls", "dialback"}, DP: {"dialback"}}
Outcome = collections.namedtuple("Outcome", "method how reason")


def cell_domain(row, ability):
    return "%s.row%d.example" % (LABELS[ability], row.number)


def best(row, able):
    return next((m for m in row.methods if NEEDS[m] <= able), None)


def expect_inbound(row, able):
    """The partner calls. It tries what it can where nothing of it is offered."""
    method = best(row, able)
    if method:
        return Outcome(method, None, None)
    if not ("tls" in able and row.tls != NOT):
        if "dialback" in able:
            return Outcome(None, "dialback policy-violation", "tls.required.missing")
        if "external" in able:
            return Outcome(None, "stream policy-violation", "sasl.tries.exceeded")
        return Outcome(None, "stream not-authorized", "stream.unauthenticated")
    if DT not in row.methods:  # only a certificate would do, so it is looked at first
        return Outcome(None, "stream not-authorized", "tls.cert.untrusted" if "dialback" in able else "tls.cert.missing")
    if "external" in able:
        return Outcome(None, "stream policy-violation", "sasl.tries.exceeded")
    return Outcome(None, "stream not-authorized", "stream.unauthenticated")


def expect_outbound(row, able):
    """We call: status 504 and the reason of the attempt."""
    method = best(row, able)
    if method:
        return Outcome(method, None, None)
    if "tls" in able and row.tls != NOT and DT not in row.methods:
        return Outcome(None, "504", "tls.cert.untrusted" if "dialback" in able else "sasl.external.not-offered")
    if "tls" not in able and DP not in row.methods:
        return Outcome(None, "504", "tls.required.missing")
    return Outcome(None, "504", "stream.error.received")  # it does not know the dialback it was offered


def settings(row):
    return {"tls": row.tls, "sasl": row.sasl, "dialback": row.dialback}


class Matrix:
    def __init__(self, inst, peer, user):
        self.inst, self.peer, self.user = inst, peer, user
        self.flow = user.dial(inst.sip)

    def lines(self, pattern):
        wanted = re.compile(pattern)
        return [line for line in self.inst.edge.process.lines if wanted.search(line)]

    def reason_of(self, pattern):
        line = self.inst.edge.process.wait_line(pattern, 10)
        return re.search(r" reason=(\S+)", line).group(1)

    def inbound(self, row, ability):
        domain = cell_domain(row, ability)
        body = "in " + domain
        try:
            stream = self.peer.dial_best("corp.example", domain)
        except Refused as e:
            address = "%s:%d" % e.stream.wire.sock.getsockname()[:2]
            e.stream.close()
            event = "s2s.closed" if e.how != "dialback" else "s2s.pair-refused"
            reason = self.reason_of(r"event=%s .*address=%s( |$)" % (re.escape(event), re.escape(address)))
            return Outcome(None, "%s %s" % (e.how, e.condition), reason)
        stream.send(message("eve@" + domain, "user@corp.example", body))
        self.user.wait_text(body, 20)
        address = "%s:%d" % stream.wire.sock.getsockname()[:2]
        line = self.inst.edge.process.wait_line(r"event=s2s\.authenticated .*address=%s " % re.escape(address), 10)
        said = re.search(r" method=(\S+)", line).group(1)
        stream.close()
        return Outcome(stream.method if said == stream.method else "%s here, %s there" % (stream.method, said), None, None)

    def outbound(self, row, ability):
        domain = cell_domain(row, ability)
        body = "out " + domain
        response = self.user.message(self.flow, "sip:eve@" + domain, body, timeout=60)
        if response.status != 200:
            return Outcome(None, str(response.status), self.reason_of(r"event=s2s\.out-failed partner=%s " % re.escape(domain)))
        self.peer.wait_body(body, 10)
        line = self.inst.edge.process.wait_line(r"event=s2s\.authenticated partner=%s .*direction=out" % re.escape(domain), 10)
        said = re.search(r" method=(\S+)", line).group(1)
        mine = {s.method for what, s in list(self.peer.events.items) if what == "proved" and s.domain == domain}
        return Outcome(said if mine == {said} else "%s here, %s there" % (mine, said), None, None)


@pytest.fixture(scope="module")
def matrix(install, started, certs, dns, users):
    """One pair of daemons, one partner file a row, one domain of it for each ability, all served by one peer."""
    names = ["host:*.row%d.example" % r.number for r in ROWS]
    certs.leaf("matrix", *names)
    certs.leaf("matrix-foreign", "by=foreign", *names)
    inst = install("mat", gateway={"sip": {"answer_within": "30s"}}, edge={"limits": {"unauthenticated": 900, "connect_timeout": "60s"}})
    domains = {cell_domain(r, a): a for r in VALID for a in ABILITIES}
    peer = Peer("all.row1.example", certs, "matrix", inst.s2s, "all", "matrix-foreign", domains=domains)
    for r in VALID:
        inst.list_partner("row%d.example" % r.number, additional_domains=["*.row%d.example" % r.number], limits={"connections": 100},
                          **settings(r))
    for domain in domains:
        dns.xmpp(domain, ("xmpp." + domain, peer.port, "127.0.0.1"))
    m = None
    try:
        started(inst)
        m = Matrix(inst, peer, users["corp.example"])
        yield m
    finally:
        if m:
            m.flow.close()
        peer.close()
        inst.stop()


def compare(cells, expected, found):
    """Every cell that is not as the table has it, one line each."""
    return ["row %2d %-13s %-12s: expected %s, found %s" % (
        c[0].number, "%s/%s/%s" % (c[0].tls[0], c[0].sasl[0], "dialback" if c[0].dialback else "-"), c[1],
        tuple(v for v in expected(c[0], ABILITIES[c[1]]) if v), tuple(v for v in f if v) if isinstance(f, Outcome) else f)
        for c, f in zip(cells, found) if expected(c[0], ABILITIES[c[1]]) != f]


def run(cells, one):
    def guarded(cell):
        try:
            return one(*cell)
        except (AssertionError, OSError) as e:
            return "%s: %s" % (type(e).__name__, str(e)[:300])
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        return list(pool.map(guarded, cells))


CELLS = [(r, a) for r in VALID for a in ABILITIES]


@pytest.mark.parametrize("direction", ["in", "out"])
def test_every_cell(matrix, direction):
    expected = expect_inbound if direction == "in" else expect_outbound

    def failed(reason, label):
        return sum(v for n, have, v in matrix.inst.edge.samples() if n == "xfed_s2s_auth_total" and have["partner"] == label
                   and have["direction"] == direction and have["result"] == reason)
    every = collections.Counter(expected(row, ABILITIES[a]).reason for row in VALID for a in ABILITIES)
    before = {reason: failed(reason, "unproved") for reason in every if reason}
    found = run(CELLS, matrix.inbound if direction == "in" else matrix.outbound)
    wrong = compare(CELLS, expected, found)
    assert not wrong, "%d of %d cells:\n%s" % (len(wrong), len(CELLS), "\n".join(wrong))
    assert not matrix.peer.violations
    # And the metrics say the same: as many of each method as there are cells that end in it, and nothing else.
    for row in VALID:
        label = "row%d.example" % row.number
        wanted = collections.Counter(expected(row, ABILITIES[a]).method for a in ABILITIES)
        for method in (E, DT, DP):
            count = matrix.inst.edge.metric("xfed_s2s_auth_total", partner=label, direction=direction, method=method, result="ok")
            assert count == wanted[method], (row, method, count, wanted)
        for reason, cells in collections.Counter(expected(row, ABILITIES[a]).reason for a in ABILITIES).items():
            if reason and direction == "out":
                assert failed(reason, label) == cells, (row, reason, failed(reason, label), cells)
    if direction == "in":  # who came in and failed has not proved whose doing it was
        for reason, were in before.items():
            assert failed(reason, "unproved") - were == every[reason], (reason, failed(reason, "unproved"), were, every[reason])


# ---- loading ----

BY_NUMBER = {r.number: r for r in ROWS}
INVALID = [r for r in ROWS if not r.methods]


def file_of(domain, row):
    return "domain: %s\ntls: %s\nsasl: %s\ndialback: %s\n" % (domain, row.tls, row.sasl, str(row.dialback).lower())


def problems(result):
    return result.get("errors", []), result.get("warnings", [])


@pytest.mark.parametrize("row", INVALID, ids=lambda r: "row%d" % r.number)
def test_an_invalid_row_is_refused(matrix, row):
    """By a reload, which changes nothing, and by --check-config, which stands for the start: file:line:key."""
    inst = matrix.inst
    domain = "row%d.example" % row.number
    path = inst.partner_path(domain)
    before = inst.edge.metric("xfed_policy_revision")
    mark = inst.gateway.process.mark()
    write(path, file_of(domain, row))
    try:
        result = inst.gateway.control("reload")
        assert not result["ok"]
        errors, _ = problems(result)
        assert len(errors) == 1 and re.match(r"%s:3:\d+:sasl: .*row %d of tls, sasl and dialback" % (re.escape(path), row.number), errors[0]), errors
        inst.gateway.process.wait_line("reason=config.matrix.invalid", 5, mark)
        assert inst.edge.metric("xfed_policy_revision") == before
        status, text = check_config(inst)
        assert status == 1 and "%s:3:" % path in text and "row %d" % row.number in text, (status, text)
    finally:
        os.unlink(path)


def check_config(inst):
    done = subprocess.run([inst.tools["xfed-gateway"], "-c", inst.gateway.config, "--check-config"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=30, env=clean_environment(**SANITIZER_ENV), check=False)
    return done.returncode, done.stdout


def test_warned_rows_load_with_their_warning(matrix):
    """At the start, by --check-config and by a reload; rows without a warning load in silence."""
    status, text = check_config(matrix.inst)
    assert status == 0, text
    _, warnings = problems(matrix.inst.gateway.control("reload"))
    start = "\n".join(matrix.inst.gateway.process.lines)
    for said in (text, "\n".join(warnings), start):
        for row in VALID:
            mine = [line for line in said.splitlines() if "partners.d/row%d.example.yaml:" % row.number in line]
            if row.warns is None:
                assert not mine, mine
            else:
                assert any("sasl: warning: row %d of" % row.number in line and row.warns in line for line in mine), (row, said)


def test_the_manual_has_every_row_and_an_example_without_a_warning(matrix):
    with open(os.environ["XFED_BUILD"] + "/packaging/man/xfed-partner.yaml.5", encoding="utf-8") as f:
        page = f.read().replace("\\-", "-")
    for row in VALID + INVALID:
        head = "Row %d: tls %s, sasl %s, dialback %s\n" % (row.number, row.tls, row.sasl, str(row.dialback).lower())
        assert head in page, head
        said = page.split(head)[1].split("\n")[0]
        assert said.startswith("refused: ") == (row in INVALID) and (row not in VALID or (row.warns or "") in said), said
    example = page.split(".SH EXAMPLE\n.nf\n")[1].split(".fi")[0]
    path = matrix.inst.partner_path("fabrikam.example")
    write(path, example)
    try:
        errors, warnings = problems(matrix.inst.gateway.control("config", "check"))
        assert not errors and not [w for w in warnings if path in w], (errors, warnings)
    finally:
        os.unlink(path)


# ---- required cannot be downgraded, by either side ----

numbers = itertools.count(1)


@pytest.fixture
def fresh(matrix, dns):
    """fresh(NUMBER, ABILITIES) is a domain of a row's partner with no stream yet; scripts of the peer end with the test."""
    def make(number, abilities="all"):
        domain = "x%d.row%d.example" % (next(numbers), number)
        matrix.peer.hosted[domain] = abilities
        dns.xmpp(domain, ("xmpp." + domain, matrix.peer.port, "127.0.0.1"))
        return domain
    yield make
    peer = matrix.peer
    peer.receiver, peer.authority, peer.external, peer.features = "verify", "right", "right", None
    peer.at.clear()
    assert not peer.violations


def attempt(matrix, domain, since):
    """We write to a domain: (status, reason or method, what the peer saw of the attempt)."""
    mark = matrix.inst.edge.process.mark()
    status = matrix.user.message(matrix.flow, "sip:eve@" + domain, "to " + domain, timeout=60).status
    pattern = r"event=s2s\.(authenticated|out-failed) partner=%s " % re.escape(domain)
    line = matrix.inst.edge.process.wait_line(pattern, 10, mark)
    seen = [what for what, s in matrix.peer.events.items[since:] if s.domain == domain]
    return status, re.search(r" (?:method|reason)=(\S+)", line).group(1), seen


@pytest.mark.parametrize("number", [r.number for r in VALID if r.methods[0] == E])
@pytest.mark.parametrize("closes", [False, True], ids=["same-stream", "closed"])
def test_external_refused_by_the_partner(matrix, fresh, number, closes):
    """[A5-08]: dialback over TLS where the row allows it, on the same stream or on a new one; else not a single key."""
    domain = fresh(number)
    peer, since = matrix.peer, matrix.peer.events.mark()
    peer.external = "refuse:not-authorized"
    if closes:
        def and_close(served, element):
            served.stream.send("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure></stream:stream>")
            return False
        peer.at["auth"] = and_close
    status, found, seen = attempt(matrix, domain, since)
    if DT in BY_NUMBER[number].methods:
        assert (status, found) == (200, DT)
        assert seen.count("connected") == (2 if closes else 1) or "key" in seen
    else:
        assert (status, found) == (504, "sasl.external.refused")
        assert "key" not in seen


@pytest.mark.parametrize("number", [r.number for r in VALID if r.tls == REQUIRED])
def test_starttls_taken_out_of_the_features(matrix, fresh, number):
    """Somebody on the way removes the offer and leaves dialback: nothing is sent in the clear."""
    domain = fresh(number)
    since = matrix.peer.events.mark()
    matrix.peer.features = lambda served: ["dialback"]
    status, found, seen = attempt(matrix, domain, since)
    assert (status, found) == (504, "tls.required.missing")
    assert "key" not in seen


@pytest.mark.parametrize("number, expected", [(1, "tls.handshake.failed"), (7, "tls.handshake.failed"), (13, "tls.handshake.failed"),
                                              (3, "tls.handshake.failed"), (10, "tls.handshake.failed"), (9, DP), (15, DP)])
def test_a_broken_handshake(matrix, fresh, number, expected):
    """Without TLS only where the row allows plain dialback."""
    domain = fresh(number)
    since = matrix.peer.events.mark()

    def garbage(served, element):
        served.stream.send(PROCEED)
        assert served.stream.wire.recv(10)
        served.stream.send("HTTP/1.1 400 Bad Request\r\n\r\n")
        return False
    matrix.peer.at["starttls"] = garbage
    status, found, seen = attempt(matrix, domain, since)
    assert (status, found) == (200 if expected == DP else 504, expected)
    assert ("key" in seen) == (expected == DP)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 8, 10])
def test_a_key_where_only_a_certificate_counts(matrix, fresh, number):
    """The partner could log in and prefers dialback, inside TLS: not-authorized, and logging in still works afterwards."""
    domain = fresh(number)
    mark = matrix.inst.edge.process.mark()
    s = matrix.peer.open_stream("corp.example", domain)
    matrix.peer.send_key(s)
    assert matrix.peer.wait_result(s) == ("error", "not-authorized")
    matrix.inst.edge.process.wait_line(r"event=s2s.pair-refused partner=%s .*reason=dialback.not-allowed" % domain, 5, mark)
    matrix.peer.prove_by_certificate(s)
    s.send(message("eve@" + domain, "user@corp.example", "by certificate " + domain))
    matrix.user.wait_text("by certificate " + domain)
    s.close()


@pytest.mark.parametrize("number", [11, 17])
def test_starttls_where_policy_has_none(matrix, fresh, number):
    domain = fresh(number)
    s = matrix.peer.open_stream("corp.example", domain)
    s.send(STARTTLS)
    with pytest.raises(Refused) as refused:
        matrix.peer.next_of(s, "element")
    assert (refused.value.how, refused.value.condition) == ("stream", "unsupported-stanza-type")
    s.close()


@pytest.mark.parametrize("number", [r.number for r in VALID])
def test_a_peer_without_version(matrix, fresh, number):
    """[A2-08]: only dialback in the clear is left, where the row has it."""
    domain = fresh(number)
    s = XmppStream.connect(matrix.inst.s2s)
    s.domain, s.local, s.is_secure = domain, "corp.example", False
    s.open(domain, "corp.example", version=None, more=" xmlns:db='jabber:server:dialback'")
    s.id = s.read_header().get("id")
    if DP in BY_NUMBER[number].methods:
        matrix.peer.prove_by_dialback(s)
        s.send(message("eve@" + domain, "user@corp.example", "old " + domain))
        matrix.user.wait_text("old " + domain)
        s.close()
    else:
        assert s.read_error(with_header=False).condition == "unsupported-version"


def test_a_pair_on_another_partner_s_stream_after_a_reload(matrix, fresh, dns):
    """Dialback lets a domain ride on a stream of its host; when its own row wants certificates, that is over."""
    inst, peer = matrix.inst, matrix.peer
    host, guest = fresh(7), "guest%d.row7.example" % next(numbers)
    peer.hosted[guest] = "TLS+dialback"
    dns.xmpp(guest, ("xmpp." + guest, peer.port, "127.0.0.1"))
    inst.list_partner(guest, sasl="optional", dialback=True)
    inst.reload()
    try:
        s = peer.dial_best("corp.example", host)
        peer.send_key(s, domain=guest)
        assert peer.wait_result(s) == ("valid", None)
        s.send(message("eve@" + guest, "user@corp.example", "as a guest"))
        matrix.user.wait_text("as a guest")
        inst.list_partner(guest, sasl="required", dialback=False)
        inst.reload()
        since = matrix.user.said.mark()
        s.send(message("eve@" + host, "user@corp.example", "the host goes on"))
        matrix.user.wait_text("the host goes on")
        s.send(message("eve@" + guest, "user@corp.example", "no longer"))
        with pytest.raises(Refused) as e:
            peer.next_of(s, "element")
        assert (e.value.how, e.value.condition) == ("stream", "not-authorized")
        assert [m.text for m in matrix.user.said.items[since:]] == ["the host goes on"]
    finally:
        inst.unlist_partner(guest)
        inst.reload()


@pytest.mark.parametrize("number, method, change", [(7, E, {"sasl": "not-supported"}), (9, DP, {"tls": "required"}), (7, DT, {"dialback": False})])
def test_a_reload_that_takes_a_method_away(matrix, fresh, dns, number, method, change):
    """Live streams are judged again, in both directions, and go on by what is left."""
    inst, peer = matrix.inst, matrix.peer
    domain = "own%d.row%d.example" % (next(numbers), number)
    peer.hosted[domain] = {E: "all", DT: "TLS+dialback", DP: "dialback"}[method]
    dns.xmpp(domain, ("xmpp." + domain, peer.port, "127.0.0.1"))
    inst.list_partner(domain, **settings(BY_NUMBER[number]))
    inst.reload()
    try:
        s, since = peer.dial_best("corp.example", domain), peer.events.mark()
        assert s.method == method and attempt(matrix, domain, since)[:2] == (200, method)
        inst.list_partner(domain, **dict(settings(BY_NUMBER[number]), **change))
        inst.reload()
        with pytest.raises(Refused) as e:
            peer.next_of(s, "element")
        assert e.value.how == "stream"
        peer.events.wait(lambda i: i[0].startswith("error:") and i[1].domain == domain, 10, since)
        status, found, _ = attempt(matrix, domain, since)
        assert (status, found) == ((200, DT) if method == E else (504, "tls.required.missing" if method == DP else "tls.cert.untrusted"))
    finally:
        inst.unlist_partner(domain)
        inst.reload()


def test_a_reload_while_the_edge_connects(matrix, certs, dns, tools):
    """
    The policy that counts is the one of the moment TCP is there: nothing of the older one is used, not even its memory. The
    port's queue is full, so the attempt hangs until it has become longer and the kernel tries again.
    """
    inst, domain, answers = matrix.inst, "hanging.example", []
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    address, fillers = full.getsockname(), [socket.socket() for _ in range(4)]
    for s in fillers:
        s.setblocking(False)
        s.connect_ex(address)
    dns.xmpp(domain, ("xmpp." + domain, address[1], address[0]))
    inst.list_partner(domain, sasl="optional", dialback=True)
    inst.reload()
    mark, peer = inst.edge.process.mark(), None
    asking = threading.Thread(target=lambda: answers.append(matrix.user.message(matrix.flow, "sip:eve@" + domain, "x").status), daemon=True)
    asking.start()

    def is_connecting():
        """`failures retry` leaves an attempt that is under way alone, and says how far it is."""
        status, text = inst.gateway.ctl(tools, "--json", "failures", "retry", domain, check=False)
        return status == 0 and "connecting" in [p["state"] for p in json.loads(text)["pairs"]]
    try:
        wait_until("the attempt", is_connecting, 10)
        inst.list_partner(domain, sasl="required", dialback=False)
        inst.reload()
        peer = Peer(domain, certs, certs.leaf("hanging", "xmpp:" + domain), inst.s2s, "TLS+dialback", address=full)
        inst.edge.process.wait_line("event=s2s.out-failed partner=%s .*reason=sasl.external.not-offered" % domain, 15, mark)
        asking.join(60)
        assert answers == [504]
        assert "key" not in [what for what, _ in peer.events.items]
    finally:
        inst.unlist_partner(domain)
        inst.reload()
        for s in fillers + [peer or full]:
            s.close()


@pytest.mark.parametrize("change, status, reason", [({"sasl": "required", "dialback": False}, 504, "dialback.not-allowed"), ({}, 200, None)],
                         ids=["taken-away", "kept"])
def test_a_reload_while_the_edge_negotiates(matrix, fresh, change, status, reason):
    """The edge's key is answered under another policy: a method that is no longer allowed then is of no use; others go on."""
    inst, peer, domain = matrix.inst, matrix.peer, fresh(7)
    peer.hosted[domain] = "TLS+dialback"
    inst.list_partner(domain, sasl="optional", dialback=True)
    inst.reload()
    mark, held, released = inst.edge.process.mark(), threading.Event(), threading.Event()

    def hold(served, element):
        held.set()
        assert released.wait(60)
        return served.on_result(element)
    peer.at["result"], peer.receiver = hold, "valid"
    answers = []
    asking = threading.Thread(target=lambda: answers.append(matrix.user.message(matrix.flow, "sip:eve@" + domain, "y").status), daemon=True)
    asking.start()
    try:
        assert held.wait(60)
        inst.list_partner(domain, **dict({"sasl": "optional", "dialback": True, "limits": {"connections": 7}}, **change))
        inst.reload()
        released.set()
        asking.join(60)
        assert answers == [status]
        if reason:
            inst.edge.process.wait_line("event=s2s.out-failed partner=%s .*reason=%s" % (domain, reason), 5, mark)
    finally:
        released.set()
        peer.at.pop("result", None)
        inst.unlist_partner(domain)
        inst.reload()


def test_mechanisms_beside_dialback_are_tried_in_order(matrix, fresh):
    """Best first also when the partner lists them the other way round, and with empty mechanisms ([A5-02])."""
    one, two = fresh(9), fresh(9)
    since = matrix.peer.events.mark()
    matrix.peer.features = lambda served: ["tls", "dialback"] if not served.is_secure else ["dialback", "external"] if not served.method else []
    assert attempt(matrix, one, since)[:2] == (200, E)
    matrix.peer.features = lambda served: "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>%s</stream:features>" % (
        OFFER["tls"] if not served.is_secure else OFFER["dialback"])
    assert attempt(matrix, two, since)[:2] == (200, DT)
