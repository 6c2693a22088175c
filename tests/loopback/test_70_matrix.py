"""
The negotiation matrix: every row of tls x sasl x dialback against a partner of every ability, in both directions. Each cell
ends in exactly the method that xfed's reading of the row allows, best first, or in a refusal with its reason. What is expected
is worked out here from a table of its own; nothing is taken from the code that is tested.
"""
import collections
import concurrent.futures
import itertools
import os
import re

import pytest

from harness.installation import write
from harness.peer import ABILITIES, Peer, Refused, dialback_element
from harness.xmpp import PROCEED, SASL, STARTTLS, message

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
    inst = install("m", gateway={"sip": {"answer_within": "30s"}}, edge={"limits": {"unauthenticated": 900}})
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
            if reason:
                count = sum(v for n, have, v in matrix.inst.edge.samples() if n == "xfed_s2s_auth_total" and have["partner"] == label
                            and have["direction"] == direction and have["result"] == reason)
                assert count == cells, (row, reason, count, cells)
