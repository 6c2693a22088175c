"""`xfedctl partner check` with real servers: what it tries, what it finds, and the exit status that says so."""
import re

import pytest

# domain -> its row of the matrix, exit status, what has to be said
CHECKS = {
    "best.partner3.example": (7, 0, [r"method +external works", r"method +dialback-tls works"]),
    "plain.partner3.example": (17, 0, [r"method +dialback-plain works"]),
    "naked.partner3.example": (7, 1, [r"PROBLEM +tls ", r"tls\.required\.missing"]),
    "expired.partner3.example": (7, 0, [r"method +dialback-tls works"]),
    "best.ejabberd.example": (2, 0, [r"method +external works"]),
    "expired.ejabberd.example": (2, 1, [r"PROBLEM +certificate", r"tls\.cert\.expired"]),
    "wrongname.ejabberd.example": (2, 1, [r"PROBLEM +certificate", r"tls\.cert\.name-mismatch", r"other\.example"]),
    "jabberd2.example": (13, 0, [r"method +dialback-tls works"]),
    "best.jabberd2.example": (2, 1, [r"sasl\.external\.not-offered"]),
    "silent.example": (2, 1, [r"PROBLEM +tcp", r"net\.connect\.refused"]),
    "missing.example": (2, 1, [r"PROBLEM +dns", r"dns\.name\.missing"]),
}
LISTED_ANYWAY = ("silent.example", "missing.example")


@pytest.fixture(scope="module", autouse=True)
def listed(lab, partners):
    partners({domain: row for domain, (row, _, _) in CHECKS.items() if domain not in LISTED_ANYWAY})
    for host in ("partner3", "ejabberd", "jabberd2"):
        lab.server(host)


@pytest.mark.parametrize("domain", CHECKS)
def test_check(xfed, domain):
    _, expected, words = CHECKS[domain]
    status, text = xfed.gateway.ctl(xfed.tools, "partner", "check", domain, check=False)
    assert status == expected, text
    for word in words:
        assert re.search(word, text), "%r is not in:\n%s" % (word, text)
    assert xfed.methods("corp.example", domain)["out"] == set(), "a check leaves no stream behind"
