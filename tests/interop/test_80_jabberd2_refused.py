"""jabberd2 2.7 where it is refused. It knows no SASL EXTERNAL: certificates required, it can only fail."""
import time

import pytest

from harness.proc import wait_until

OK = (200, 202)
DOMAIN = "refused.jabberd2.example"


def closed(xfed, domain):
    return xfed.edge.metric("xfed_s2s_closed_total", partner="unproved", direction="in")


@pytest.fixture(scope="module", autouse=True)
def listed(partners):
    partners({DOMAIN: 2, "best.jabberd2.example": 2})


def test_certificate_required_sip_to_xmpp(lab, xfed, dave, refusal):
    lab.restart_s2s("best.jabberd2.example")
    with refusal("sasl.external.not-offered", "best.jabberd2.example"):
        assert dave.message("sip:eve@best.jabberd2.example", "never arrives").status == 504


def test_certificate_required_xmpp_to_sip(lab, xfed, dave, refusal):
    """With a good certificate: it tries dialback, which policy does not allow."""
    eve, since = lab.user("eve@best.jabberd2.example"), dave.inbox.mark()
    lab.restart_s2s("best.jabberd2.example")
    with refusal("dialback.not-allowed", "best.jabberd2.example"):
        eve.wait_error(eve.send("dave@corp.example", "never arrives"), 20)
    assert dave.inbox.mark() == since


def test_reconnect_storm_harms_no_other(lab, xfed, alice, dave):
    """Where it is refused inside TLS, it comes back at once until its message is too old (traps)."""
    eve, since, mark = lab.user("eve@" + DOMAIN), dave.inbox.mark(), xfed.edge.process.mark()
    lab.restart_s2s("expired.jabberd2.example")  # what has failed before, it remembers and does not try as often
    sent = eve.send("dave@corp.example", "never arrives")
    slowest, count = 0, 0

    def is_over():
        """After at most a tenth of a second: more messages than that a second are a storm themselves."""
        try:
            return eve.wait_error(sent, 0.1)
        except AssertionError:
            return None
    while not is_over() and count < 200:
        start, body = time.monotonic(), "in the storm %d" % count
        alice.send("dave@corp.example", body)
        dave.wait_text(body, 10, since)
        assert dave.message("sip:alice@partner.example", body).status in OK
        slowest, count = max(slowest, time.monotonic() - start), count + 1
    assert is_over() and count > 3
    assert closed(xfed, DOMAIN) > 100, "that was no storm"
    assert slowest < 2, "of %d messages each way, one pair took %.1f s" % (count, slowest)
    assert not [m for m in dave.inbox.items[since:] if "never" in m.text]
    told = [line for line in xfed.edge.process.lines[mark:] if DOMAIN in line]
    assert 0 < len(told) < 200, "%d log lines for %d connections" % (len(told), closed(xfed, DOMAIN))
    wait_until("the end of all of them", lambda: not [s for s in xfed.streams() if DOMAIN in str(s)], 10)
    assert xfed.logins(DOMAIN) == {"in": set(), "out": set()}


def test_unlisted_is_told_once_and_stays_away(lab, xfed, dave, refusal):
    """A stream error is what jabberd2 takes for an answer."""
    eve, since = lab.user("eve@unlisted.jabberd2.example"), dave.inbox.mark()
    before = closed(xfed, "other")
    with refusal("policy.partner.unlisted", "unlisted.jabberd2.example"):
        eve.wait_error(eve.send("dave@corp.example", "never arrives"), 20)
    assert closed(xfed, "other") == before + 1
    assert dave.inbox.mark() == since
