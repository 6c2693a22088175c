"""Reload: partner files come and go while other streams carry on."""
import json
import os
import time

import pytest

from harness.proc import wait_until

from lab.daemons import PARTNER_YAML

NEW = "partner2.example"


def reload_and_time(xfed):
    """Reloads; the seconds from the command's end until the edge runs the new policy."""
    before = xfed.edge.metric("xfed_policy_revision")
    xfed.reload()
    start = time.monotonic()
    wait_until("a new policy revision on the edge",
               lambda: xfed.edge.metric("xfed_policy_revision") > before, 5)
    return time.monotonic() - start


def good_streams(xfed):
    """Identity of the streams of the partner that no test here touches: a stream that was reopened has another."""
    streams = xfed.streams_of("partner.example")
    assert all("conn" in s or "id" in s for s in streams), streams
    return sorted((s["direction"], str(s.get("conn", s.get("id")))) for s in streams)


@pytest.fixture
def chatter(xfed, alice, dave):
    """A conversation of the good partner, so that it has streams in both directions to lose."""
    alice.send("dave@corp.example", "chatter")
    dave.wait_text("chatter")
    assert dave.message("sip:alice@partner.example", "chatter").status in (200, 202)
    before = good_streams(xfed)
    assert len(before) >= 2
    yield before


def test_new_partner_file_works_within_a_second(lab, xfed, dave, chatter):
    bob = lab.user("bob")
    assert dave.message("sip:bob@" + NEW, "too early").status == 403
    xfed.list_partner(NEW)
    assert reload_and_time(xfed) < 1.0
    assert dave.message("sip:bob@" + NEW, "welcome").status in (200, 202)
    bob.wait_body("welcome", 20)
    bob.send("dave@corp.example", "thanks")
    dave.wait_text("thanks", 20)
    assert good_streams(xfed) == chatter


def test_broken_partner_file_changes_nothing(lab, xfed, dave, chatter):
    assert xfed.streams_of(NEW), "the test before has opened streams of " + NEW
    path = os.path.join(xfed.partners, NEW + ".yaml")
    before = xfed.edge.metric("xfed_policy_revision")
    xfed.list_partner(NEW, PARTNER_YAML.replace("dialback: false", "dialback: flase"))
    status, text = xfed.reload(check=False)
    assert status == 1
    assert path + ":6" in text and "dialback" in text and "flase" in text and "true" in text, text
    assert xfed.edge.metric("xfed_policy_revision") == before
    assert good_streams(xfed) == chatter
    bob = lab.user("bob")
    assert dave.message("sip:bob@" + NEW, "as before").status in (200, 202)
    bob.wait_body("as before")
    xfed.list_partner(NEW)


def test_impossible_combination_is_refused_with_its_row(xfed, chatter):
    before = xfed.edge.metric("xfed_policy_revision")
    xfed.list_partner(NEW, PARTNER_YAML.replace("tls: required", "tls: not-supported"))
    status, text = xfed.reload(check=False)
    assert status == 1 and NEW in text, text
    assert xfed.edge.metric("xfed_policy_revision") == before
    assert good_streams(xfed) == chatter
    xfed.list_partner(NEW)


def test_config_check_names_file_line_and_key(xfed):
    status, text = xfed.gateway.ctl(xfed.tools, "config", "check", check=False)
    assert status == 0, text
    xfed.list_partner(NEW, PARTNER_YAML.replace("sasl:", "sals:"))
    status, text = xfed.gateway.ctl(xfed.tools, "config", "check", check=False)
    assert status == 1
    assert NEW + ".yaml:5" in text and "sals" in text, text
    xfed.list_partner(NEW)


def test_removed_partner_file_closes_its_streams(lab, xfed, dave, chatter):
    assert xfed.streams_of(NEW)
    mark = lab.partner2.process.mark()
    xfed.unlist_partner(NEW)
    assert reload_and_time(xfed) < 1.0
    lab.partner2.process.wait_line("policy-violation", 5, mark)
    wait_until("the streams' end", lambda: not xfed.streams_of(NEW), 5)
    assert dave.message("sip:bob@" + NEW, "too late").status == 403
    assert good_streams(xfed) == chatter


def test_hangup_signal_is_a_reload_too(xfed, chatter):
    before = xfed.edge.metric("xfed_policy_revision")
    xfed.list_partner(NEW)
    xfed.gateway.process.child.send_signal(1)
    wait_until("a new policy revision on the edge", lambda: xfed.edge.metric("xfed_policy_revision") > before, 5)
    xfed.unlist_partner(NEW)
    reload_and_time(xfed)
    assert good_streams(xfed) == chatter


def test_partner_list_and_show(xfed):
    listed = xfed.gateway.ctl(xfed.tools, "partner", "list")
    assert "partner.example" in listed and "expired.example" in listed
    shown = xfed.gateway.ctl(xfed.tools, "partner", "show", "partner.example")
    assert "federated" in shown and "required" in shown


def test_status(xfed, alice):
    # One of the edge's own certificates has expired, for another test: that is a problem, named first, and exit status 1.
    status, text = xfed.edge.ctl(xfed.tools, "status", check=False)
    assert status == 1 and text.startswith("edge1 "), text
    assert "PROBLEM tls.own.expired" in text.splitlines()[1] and "expired.corp.example" in text.splitlines()[1], text
    alice.wait_error(alice.send("anyone@corp2.example", "nobody listens there"), 20)
    status, text = xfed.gateway.ctl(xfed.tools, "status", check=False)
    assert status == 1, text  # what is wrong makes the exit status, and stands first
    assert text.splitlines()[0].startswith("gw1") and "PROBLEM sip.server.unreachable" in text.splitlines()[1], text
