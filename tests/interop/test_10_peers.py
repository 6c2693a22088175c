"""The harness by itself: the peers work with each other before any of ours is in between."""
import pytest

from lab.bodies import BODIES, normal


def test_messages_between_two_prosodys_with_sasl_external(lab, alice):
    bob = lab.user("bob")
    mark = lab.partner.process.mark()
    alice.send("bob@partner2.example", " <ünï> & 👩‍👩‍👧 ", subject="s", thread="t-1", lang="de")
    got = bob.inbox.wait(lambda m: m.sender.startswith("alice@"))
    assert (got.body, got.subject, got.thread, got.lang, got.type) == (" <ünï> & 👩‍👩‍👧 ", "s", "t-1", "de", "chat")
    bob.send("alice@partner.example", "back")
    alice.wait_body("back")
    lab.partner.process.wait_line("SASL EXTERNAL with partner2.example succeeded", 5, mark)
    lab.partner.process.wait_line("Accepting SASL EXTERNAL identity from partner2.example", 5, mark)


@pytest.mark.parametrize("domain", ["untrusted.example", "expired.example", "wrongname.example"])
def test_bad_certificate_is_bad_for_prosody_too(lab, alice, domain):
    refused = alice.send("eve@" + domain, "never arrives")
    assert alice.wait_error(refused).condition in ("remote-server-timeout", "remote-server-not-found")


@pytest.mark.parametrize("sender, receiver", [("dave", "erin"), ("erin", "dave")])
def test_messages_between_sip_users(lab, sender, receiver):
    a, b = lab.user(sender), lab.user(receiver)
    response = a.message(b.aor, "sälü", subject="S", lang="de")
    assert response.status == 200
    got = b.wait_text("sälü")
    assert got.uri("from") == a.aor
    assert (got.get("subject"), got.get("content-language")) == ("S", "de")


@pytest.mark.parametrize("name", BODIES)
def test_peers_themselves_carry_the_body(lab, alice, dave, name):
    """What a server changes by itself cannot be asked of the way through ours."""
    bob = lab.user("bob")
    since = bob.inbox.mark()
    alice.send(bob.jid, BODIES[name])
    bob.inbox.wait(lambda m: m.body is not None and normal(m.body) == normal(BODIES[name]), since=since)
    since = dave.inbox.mark()
    assert dave.message(dave.aor, BODIES[name]).status == 200
    dave.wait_text(BODIES[name], since=since)


def test_unregistered_sip_user_is_404(dave):
    assert dave.message("sip:nobody@corp.example", "x").status == 404


def test_dns_answers(lab):
    assert lab.dns.ask("_xmpp-server._tcp.corp.example", "SRV")
    assert "NXDOMAIN" in lab.dns.kdig("10.91.1.53", "_xmpp-server._tcp.missing.example", "SRV")
    assert "SERVFAIL" in lab.dns.kdig("10.91.1.53", "_xmpp-server._tcp.bogus.example", "SRV")
