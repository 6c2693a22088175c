"""ejabberd, jabberd2 and a Prosody with dialback among themselves: what is asked of ours works between others."""
import pytest

from lab.domains import BAD

EXTERNAL, DIALBACK, PLAIN = "EXTERNAL", "dialback over TLS", "dialback without TLS"


def both_ways(a, b):
    a.send(b.jid, "there from " + a.jid)
    b.wait_body("there from " + a.jid, 20)
    b.send(a.jid, "back from " + b.jid)
    a.wait_body("back from " + b.jid, 20)


@pytest.mark.parametrize("one, other", [
    ("partner.example", "ejabberd.example"),             # EXTERNAL
    ("partner3.example", "db.ejabberd.example"),
    ("selfsigned.partner3.example", "expired.db.ejabberd.example"),
    ("plain.partner3.example", "plain.ejabberd.example"),
    ("partner3.example", "jabberd2.example"),
    ("db.ejabberd.example", "jabberd2.example"),
    ("partner3.example", "selfsigned.jabberd2.example"),
])
def test_messages_between(lab, one, other):
    both_ways(lab.user("eve@" + one), lab.user("eve@" + other))


@pytest.mark.parametrize("variant", BAD)
def test_bad_certificate_is_bad_for_ejabberd(lab, variant):
    eve = lab.user("eve@%s.ejabberd.example" % variant)
    alice = lab.user("alice")
    refused = alice.send(eve.jid, "never arrives")
    assert alice.wait_error(refused).condition in ("remote-server-timeout", "remote-server-not-found")
    refused = eve.send(alice.jid, "never arrives")
    assert eve.wait_error(refused).condition in ("remote-server-timeout", "remote-server-not-found")
