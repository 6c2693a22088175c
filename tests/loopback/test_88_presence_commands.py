"""What xfedctl says of presence, and does about it: explain, each in words for people and as JSON."""
import itertools
import json

import pytest

from harness.presence import PresenceServer, Watch, pidf, state_of
from harness.proc import wait_until

numbers = itertools.count(1)


@pytest.fixture
def names():
    """A local user, and a contact at partner.example."""
    n = next(numbers)
    return "asker%d@corp.example" % n, "asked%d@partner.example" % n


def ctl(inst, tools, *words, as_json=True):
    """(exit status, answer) of xfedctl at the gateway."""
    status, text = inst.gateway.ctl(tools, *(("--json",) if as_json else ()), *words, check=False)
    return status, json.loads(text) if as_json and text.startswith("{") else text


def send(partner, who, to, kind=None, inner="", resource=""):
    partner.send("<presence from='%s%s' to='%s'%s>%s</presence>" % (who, "/" + resource if resource else "", to, " type='%s'" % kind if kind else "", inner))


# ---- explain ----

def judged(inst, tools, sender, target, kind):
    """What explain says of one kind, with its exit status where that is asked for; the other form says the same."""
    status, answer = ctl(inst, tools, "explain", sender, target, "kind=" + kind)
    assert (status, answer["kind"]) == (0 if answer["ok"] else 1, kind), answer
    whole = ctl(inst, tools, "explain", sender, target)[1]
    among = {j["kind"]: j for j in [whole] + whole["others"]}
    assert sorted(among) == ["message", "presence", "subscription"], whole
    assert among[kind]["gates"] == answer["gates"] and among[kind].get("closed") == answer.get("closed"), (whole, answer)
    return answer.get("closed"), {g["gate"]: g for g in answer["gates"]}


def test_explain_who_is_shown_what(xfed, tools, partner, user, flow, names):
    local, remote = names
    closed, gates = judged(xfed, tools, remote, local, "presence")
    assert closed == "approval" and gates["approval"]["reason"] == "presence.approval.missing" and "has not asked" in gates["approval"]["text"]
    status, text = ctl(xfed, tools, "explain", remote, local, as_json=False)
    assert status == 0 and "CLOSED" not in text and "presence: not shown: %s has not asked to see %s" % (local, remote) in text, text
    assert "approval" not in [g["gate"] for g in ctl(xfed, tools, "explain", remote, local)[1]["gates"]]  # a message needs none
    watch = Watch(user, flow, "sip:" + remote, "sip:" + local)
    assert watch.subscribe().status == 200
    assert "waits for an answer" in judged(xfed, tools, remote, local, "presence")[1]["approval"]["text"]
    assert "has asked, and waits" in judged(xfed, tools, local, remote, "subscription")[1]["approval"]["text"]
    send(partner, remote, local, "subscribed")
    watch.wait(lambda m: state_of(m) == "active")
    assert judged(xfed, tools, remote, local, "presence")[0] is None
    closed, gates = judged(xfed, tools, local, remote, "presence")  # not the other way round
    assert closed == "approval" and "%s has not asked to see %s" % (remote, local) in gates["approval"]["text"]


def test_explain_a_request_that_waits_for_the_sip_server(xfed, tools, partner, user, flow, names):
    local, remote = names
    server = PresenceServer(user, flow)
    send(partner, remote, local, "subscribe")
    request = server.wait("sip:" + local)
    assert server.notify(request, "pending;expires=3600").status == 200
    closed, gates = judged(xfed, tools, local, remote, "presence")
    assert closed == "approval" and "waits for an answer for" in gates["approval"]["text"], gates
    assert server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", None, None))).status == 200
    wait_until("it may see", lambda: judged(xfed, tools, local, remote, "presence")[0] is None, 20)


def test_explain_kinds_and_strangers(xfed, tools, listed, names):
    listed("silent.example", file={"kinds": ["message"]})
    for kind in ("presence", "subscription"):
        closed, gates = judged(xfed, tools, names[0], "a@silent.example", kind)
        assert closed == "kinds" and "does not name presence" in gates["kinds"]["text"]
    status, text = ctl(xfed, tools, "explain", names[0], "a@silent.example", as_json=False)
    assert status == 0 and "subscription: closed at kinds" in text, text
    listed("stranger.example", file={"partner_type": "public-unverified"})
    closed, gates = judged(xfed, tools, "eve@stranger.example", names[0], "subscription")
    assert closed == "contact" and "has not added eve@stranger.example" in gates["contact"]["text"]
