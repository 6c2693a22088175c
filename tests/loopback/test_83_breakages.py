"""
What the administrator reads when something of the edge's side is broken: rows of (what is broken, what each answer of xfedctl says).
The cause stands in every answer that concerns it, and what to do about it.
"""
import pytest

from harness.breakages import says, told

SENDER = "user@corp.example"


def unlisted(b):
    return "nobody@unlisted.example"


ROWS = {
    "partner not listed": (unlisted, {
        "explain": says(1, "CLOSED partner", "no file in", "unlisted.example", "add partners.d/DOMAIN.yaml"),
        "check": says(1, "PROBLEM policy", "add partners.d/DOMAIN.yaml", never=["no problem was found"]),
    }),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_partner_that_is_broken(xfed, tools, name):
    make, rows = ROWS[name]
    told(xfed, tools, rows, SENDER, make(None))
