"""What xfedctl says of presence, and does about it: explain, test, contact and subscription, each in words for people and as JSON."""
import itertools
import json
import sqlite3
import threading
import time

import pytest

from harness.presence import PresenceServer, Watch, pidf, state_of
from harness.proc import wait_until
from harness.xmpp import child_text

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
    said = [[(g["gate"], g["state"], g.get("reason")) for g in j["gates"]] + [j.get("closed")] for j in (among[kind], answer)]
    assert said[0] == said[1], (whole, answer)  # the words have times in them
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
    assert " answers; " in gates["next-hop"]["text"], gates  # the SIP server is what was asked
    wait_until("it may see", lambda: judged(xfed, tools, local, remote, "presence")[0] is None, 20)
    assert server.notify(request, "terminated;reason=timeout").status == 200
    wait_until("nothing shows it", lambda: judged(xfed, tools, local, remote, "presence")[0] == "subscription", 20)


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


# ---- test ----

class Asked:
    """xfedctl test, while the other side is played; `answer` is its JSON, `status` its exit status."""

    def __init__(self, inst, tools, *words):
        self.thread = threading.Thread(target=self._run, args=(inst, tools, words), daemon=True)
        self.thread.start()

    def _run(self, inst, tools, words):
        self.status, self.answer = ctl(inst, tools, "test", *words)

    def end(self, timeout=60):
        self.thread.join(timeout)
        assert not self.thread.is_alive(), "xfedctl test has not ended"
        self.steps = {s["step"]: s for s in self.answer["steps"]}
        assert [s["at_ms"] for s in self.answer["steps"]] == sorted(s["at_ms"] for s in self.answer["steps"])
        assert (self.status == 0) == self.answer["ok"] == ("problem" not in [s["state"] for s in self.answer["steps"]]), self.answer
        return self.answer


def test_im_message(partner, remote, since=0):
    return partner.inbox.wait(lambda s: s.tag.endswith("}message") and s.get("to") == remote and "a test" in (child_text(s, "body") or ""), 20, since)


test_im_message.__test__ = False


def fates(inst, fate):
    """By the gateway's own count, without its edges'."""
    want = {"direction": "to_xmpp", "kind": "message", "fate": fate}
    return sum(n for name, have, n in inst.gateway.samples() if name == "xfed_stanzas_total" and "edge" not in have and want.items() <= have.items())


def test_im_that_nobody_answers(xfed, tools, partner, names):
    local, remote = names
    before = fates(xfed, "delivered")
    status, text = ctl(xfed, tools, "test", "im", remote, "--from", local, as_json=False)
    assert status == 0 and "no error came within 10 s" in text and "way back: not tested" in text, text
    assert test_im_message(partner, remote).get("from") == local
    assert fates(xfed, "delivered") == before + 1


def test_im_that_is_answered(xfed, tools, partner, user, names):
    local, remote = names
    asked = Asked(xfed, tools, "im", remote, "from=sip:" + local, "wait=60")
    test_im_message(partner, remote)
    partner.say(remote.split("@")[0], local, "yes, I am here")
    answer = asked.end()
    assert answer["accepted"] and answer["answered"] and answer["inbound"] == "proved" and asked.status == 0, answer
    assert (answer["kind"], answer["from"], answer["to"]) == ("im", local, remote) and answer["took_ms"] < 60000
    assert user.wait_text("yes, I am here")  # goes on to the user, as any answer does


def test_im_that_is_acknowledged(xfed, tools, listed, names):
    """What the partner's server has said is told apart from what was only written to it."""
    for domain, sm, words in [("counts.example", True, "has acknowledged it"), ("counts-not.example", False, "acknowledges nothing")]:
        p = listed(domain)
        p.sm = sm
        asked = Asked(xfed, tools, "im", "bob@" + domain, "from=" + names[0], "wait=60")
        test_im_message(p, "bob@" + domain)
        p.say("bob", names[0], "here")
        asked.end()
        assert words in asked.steps["accepted"]["text"] and "over edge1" in asked.steps["accepted"]["text"], asked.steps


def test_im_that_was_to_be_answered(xfed, tools, partner, names):
    local, remote = names
    asked = Asked(xfed, tools, "im", remote, "from=" + local, "wait=11")
    answer = asked.end()
    assert asked.status == 1 and asked.steps["answered"]["state"] == "problem" and asked.steps["no-error"]["state"] == "ok", answer
    assert answer["inbound"] == "not-tested" and answer["took_ms"] >= 11000


def test_im_to_who_does_not_exist(xfed, tools, partner, names):
    local, remote = names
    refused = fates(xfed, "refused")
    asked = Asked(xfed, tools, "im", remote, "from=" + local)
    got = test_im_message(partner, remote)
    partner.send("<message from='%s' to='%s' id='%s' type='error'><error type='cancel'><item-not-found "
                 "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>" % (remote, local, got.get("id")))
    answer = asked.end()
    assert asked.steps["failed"]["reason"] == "xmpp.user.unknown" and "item-not-found" in asked.steps["failed"]["text"], answer
    assert "gate" not in answer and answer["inbound"] == "proved" and fates(xfed, "refused") == refused + 1


@pytest.mark.parametrize("kind", ["im", "presence"])
def test_the_gate_that_is_closed_is_named(xfed, tools, listed, refusal, kind, names):
    local, _ = names
    with refusal("policy.partner.unlisted"):
        asked = Asked(xfed, tools, kind, "bob@not-listed.example", "from=" + local)
        answer = asked.end()
    assert answer["gate"] == "partner" and asked.steps["gate"]["reason"] == "policy.partner.unlisted" and not answer["accepted"], answer
    listed("other-kinds-%s.example" % kind, file={"kinds": ["iq"]})
    status, text = ctl(xfed, tools, "test", kind, "bob@other-kinds-%s.example" % kind, "from=" + local, as_json=False)
    assert status == 1 and "the gate that is closed: kinds" in text and "way out: the partner's server has not got it" in text, text


@pytest.mark.parametrize("kind", ["im", "presence"])
def test_a_partner_that_cannot_be_reached(xfed, tools, kind, names, dns):
    domain = "no-server-%s.example" % kind
    xfed.list_partner(domain)
    xfed.reload()
    asked = Asked(xfed, tools, kind, "bob@" + domain, "from=" + names[0])
    answer = asked.end(120)
    assert answer["gate"] == "stream" and asked.steps["failed"]["reason"] == "dns.name.missing", answer
    assert kind == "im" or "has not asked yet" in relation(xfed, tools, names[0], "bob@" + domain)
    assert not [text for text in xfed.edge.process.lines if domain in text and "delivery.refused" in text][1:]  # what was never there is not taken back there
    xfed.unlist_partner(domain)


def test_who_sends(xfed, own, tools, names):
    assert ctl(xfed, tools, "test", "im", names[1])[0] == 2  # nobody is named, and there is no test_user
    for words in (["im", names[1], "from=bob@elsewhere.example"], ["im", "partner.example", "from=" + names[0]], ["im", names[1], "wait=601"]):
        assert ctl(xfed, tools, "test", *words)[0] == 2, words
    asked = Asked(own, tools, "im", "bob@nobody.example")
    assert asked.end()["from"] == "probe@corp.example"


@pytest.fixture(scope="module")
def own(install):
    inst = install("commands")
    inst.gateway_config["domains"][0]["test_user"] = "Probe@corp.example"
    inst.write_configs()
    inst.start()
    yield inst
    inst.stop()


def test_a_service_that_leaves_ends_its_tests(install, tools, new_partner, names):
    inst = install("leaves")
    inst.list_partner("leaves.example")
    inst.start()
    p = new_partner(inst, "leaves.example")
    asked = [Asked(inst, tools, kind, "bob@leaves.example", "from=" + names[0], "wait=300") for kind in ("im", "presence")]
    p.inbox.wait(lambda s: s.get("type") == "subscribe", 20)
    wait_until("both are under way", lambda: ctl(inst, tools, "status")[0] == 0 and p.inbox.mark() >= 2, 20)
    inst.stop()
    for a in asked:
        assert a.end()["ok"] is False and a.steps["stopped"]["reason"] == "service.leaving"
    assert p.inbox.wait(lambda s: s.get("type") == "unsubscribe", 20) is not None
    p.close()


def relation(inst, tools, local, remote):
    """Whether the user sees the contact or has asked to, in explain's words."""
    return judged(inst, tools, local, remote, "subscription")[1]["approval"]["text"]


def test_presence_that_is_granted_leaves_nothing_behind(xfed, tools, partner, names):
    local, remote = names
    asked = Asked(xfed, tools, "presence", remote, "from=" + local, "wait=60")
    request = partner.inbox.wait(lambda s: s.get("type") == "subscribe" and s.get("to") == remote, 20)
    assert request.get("from") == local
    send(partner, remote, local, "subscribed")
    send(partner, remote, local, resource="desk")
    answer = asked.end()
    assert answer["accepted"] and answer["approved"] and answer["shown"] and answer["inbound"] == "proved" and asked.status == 0, answer
    assert "online" in asked.steps["shown"]["text"] and "taken-back" in asked.steps
    assert partner.inbox.wait(lambda s: s.get("type") == "unsubscribe" and s.get("to") == remote, 20) is not None
    assert "has not asked yet" in relation(xfed, tools, local, remote)


def test_presence_that_waits(xfed, tools, partner, names):
    local, remote = names
    status, text = ctl(xfed, tools, "test", "presence", remote, "from=" + local, as_json=False)
    assert status == 0 and "it waits for approval" in text and "way back: not tested" in text and "no error came within 10 s" in text, text
    assert partner.inbox.wait(lambda s: s.get("type") == "unsubscribe" and s.get("to") == remote, 20) is not None
    assert "has not asked yet" in relation(xfed, tools, local, remote)


def test_presence_that_is_waited_for_briefly(xfed, tools, partner, names):
    status, text = ctl(xfed, tools, "test", "presence", names[1], "from=" + names[0], "wait=1", as_json=False)
    assert status == 1 and "no error came within 1 s" in text, text


def test_presence_that_is_refused(xfed, tools, partner, names):
    local, remote = names
    asked = Asked(xfed, tools, "presence", remote, "from=" + local)
    partner.inbox.wait(lambda s: s.get("type") == "subscribe" and s.get("to") == remote, 20)
    since = partner.inbox.mark()
    send(partner, remote, local, "unsubscribed")
    answer = asked.end()
    assert asked.status == 1 and "refused" in asked.steps and answer["inbound"] == "proved" and not answer["approved"], answer
    assert not [s for s in partner.inbox.items[since:] if s.get("type") == "unsubscribe" and s.get("to") == remote]


def test_presence_of_whom_the_user_sees_already(xfed, tools, partner, user, flow, names):
    """What was there stays."""
    local, remote = names
    watch = Watch(user, flow, "sip:" + remote, "sip:" + local)
    assert watch.subscribe().status == 200
    send(partner, remote, local, "subscribed")
    watch.wait(lambda m: state_of(m) == "active")
    since = partner.inbox.mark()
    asked = Asked(xfed, tools, "presence", remote, "from=" + local, "wait=60")
    partner.inbox.wait(lambda s: s.get("type") == "probe" and s.get("to") == remote, 20, since)
    send(partner, remote, local, "unavailable")
    answer = asked.end()
    assert answer["ok"] and answer["shown"] and "offline" in asked.steps["shown"]["text"] and "taken-back" not in asked.steps, answer
    assert "may see" in relation(xfed, tools, local, remote)
    assert not [s for s in partner.inbox.items[since:] if s.get("type") == "unsubscribe" and s.get("to") == remote]


# ---- contact, subscription ----

def both_forms(inst, tools, *words, status=0):
    """(JSON, text) of one command that changes nothing."""
    (code, answer), (again, text) = ctl(inst, tools, *words), ctl(inst, tools, *words, as_json=False)
    assert code == again == status, (answer, text)
    return answer, text


def rows(text):
    return [line.split() for line in text.splitlines()]


def test_contacts_and_subscriptions_of_a_user_who_watches(xfed, tools, partner, user, flow, names):
    local, remote = names
    assert both_forms(xfed, tools, "contact", "list", "--user", local)[1] == "no contacts\n"
    assert ctl(xfed, tools, "contact", "show", local, remote)[0] == 1
    watch = Watch(user, flow, "sip:" + remote, "sip:" + local)
    assert watch.subscribe().status == 200
    partner.inbox.wait(lambda s: s.get("type") == "subscribe" and s.get("to") == remote, 20)
    answer, text = both_forms(xfed, tools, "contact", "list", "user=sip:" + local, "state=waiting")
    found, = answer["contacts"]
    assert (found["user"], found["contact"], found["state"], found["user_sees"], found["contact_sees"]) == (local, remote, "none+pending-out", "asked", "no")
    assert rows(text)[1][:4] == [local, remote, "asked", "no"], text
    send(partner, remote, local, "subscribed")
    watch.wait(lambda m: state_of(m) == "active")
    assert both_forms(xfed, tools, "contact", "list", "user=" + local, "state=waiting")[0]["contacts"] == []
    answer, text = both_forms(xfed, tools, "subscription", "list", "--user", local)
    one, = answer["subscriptions"]
    assert (one["watcher"], one["user"], one["contact"], one["state"]) == ("user", local, remote, "active") and 0 < one["expires_s"] <= 600
    assert rows(text)[1][1:4] == [local, remote, "active"], text
    answer, text = both_forms(xfed, tools, "subscription", "show", str(one["id"]))
    assert answer["relation"]["state"] == "to" and answer["id"] == one["id"] and "the user sees the contact" in text
    answer, text = both_forms(xfed, tools, "contact", "show", local, remote)
    assert answer["live"][0]["id"] == one["id"] and answer["added"] and answer["subscriptions"] == 1 and "state" in text
    # The device is told to ask again, the relation stays.
    status, text = ctl(xfed, tools, "subscription", "remove", str(one["id"]), as_json=False)
    assert status == 0 and "they stay contacts" in text
    assert "deactivated" in watch.wait(lambda m: state_of(m) == "terminated").get("subscription-state")
    assert ctl(xfed, tools, "contact", "show", local, remote)[1]["state"] == "to"
    wait_until("it is gone", lambda: ctl(xfed, tools, "subscription", "show", str(one["id"]))[0] == 1, 20)
    # Both are told.
    status, text = ctl(xfed, tools, "contact", "remove", local, remote, as_json=False)
    assert status == 0 and "contacts no longer (it was: to)" in text
    assert partner.inbox.wait(lambda s: s.get("type") == "unsubscribe" and s.get("to") == remote, 20) is not None
    assert ctl(xfed, tools, "contact", "remove", local, remote)[0] == 1
    said = [line for line in xfed.gateway.process.lines if "audit.command" in line and local in line]
    assert [verb for verb in ("subscription verb=remove", "contact verb=remove") if any("noun=" + verb in line for line in xfed.gateway.process.lines)] == \
        ["subscription verb=remove", "contact verb=remove"] and said


def test_a_contact_who_watches(xfed, tools, partner, user, flow, names):
    local, remote = names
    server = PresenceServer(user, flow)
    send(partner, remote, local, "subscribe")
    request = server.wait("sip:" + local)
    assert server.notify(request, "pending;expires=3600").status == 200
    answer, text = both_forms(xfed, tools, "contact", "list", "user=" + local)
    assert answer["contacts"][0]["contact_sees"] == "asked" and answer["contacts"][0]["asked"] > time.time() - 60
    assert "waits for the SIP server since" in ctl(xfed, tools, "contact", "show", local, remote, as_json=False)[1]
    assert server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", None, None))).status == 200
    partner.inbox.wait(lambda s: s.get("from") == local + "/desk", 20)
    one, = ctl(xfed, tools, "subscription", "list", "user=" + local)[1]["subscriptions"]
    assert (one["watcher"], one["state"], one["devices"]) == ("contact", "active", 1)
    status, text = ctl(xfed, tools, "subscription", "remove", str(one["id"]), as_json=False)
    assert status == 0 and "is being ended" in text
    server.wait_inside(request, "0")
    assert ctl(xfed, tools, "subscription", "show", str(one["id"]))[1]["state"] == "ending"
    assert partner.inbox.wait(lambda s: s.get("type") == "unavailable" and s.get("from") == local + "/desk", 20) is not None
    assert ctl(xfed, tools, "contact", "show", local, remote)[1]["contact_sees"] == "yes"
    assert ctl(xfed, tools, "contact", "remove", local, remote)[0] == 0
    assert partner.inbox.wait(lambda s: s.get("type") == "unsubscribed" and s.get("from") == local, 20) is not None


def test_approval_is_the_users_not_the_sip_servers(xfed, tools, listed, user, flow, names):
    """A contact of an unverified partner may ask then; the SIP server still answers."""
    local = names[0]
    p = listed("unverified.example", file={"partner_type": "public-unverified"})
    remote = "eve@unverified.example"
    server = PresenceServer(user, flow)
    p.send("<presence from='%s' to='%s' type='subscribe' id='a1'/>" % (remote, local))
    assert p.wait_error("a1")[0] == "service-unavailable"
    status, text = ctl(xfed, tools, "contact", "approve", local, remote, as_json=False)
    assert status == 0 and "may ask to see" in text, text
    found, = ctl(xfed, tools, "contact", "list", "partner=unverified.example")[1]["contacts"]
    assert found["approved"] and found["contact_sees"] == "no" and found["user"] == local
    closed, gates = judged(xfed, tools, remote, local, "subscription")
    assert closed is None and "an operator has approved for %s: %s" % (local, remote) in gates["contact"]["text"], gates
    shown = ctl(xfed, tools, "contact", "show", local, remote)[1]
    assert shown["approved"] and not shown["added"]
    server.status["sip:" + local] = 403
    p.send("<presence from='%s' to='%s' type='subscribe' id='a2'/>" % (remote, local))
    server.wait("sip:" + local)
    assert p.inbox.wait(lambda s: s.get("type") == "unsubscribed" and s.get("from") == local, 20) is not None
    assert ctl(xfed, tools, "contact", "remove", local, remote)[0] == 0
    assert judged(xfed, tools, remote, local, "subscription")[0] == "contact"
    # Where nothing is to be approved that is said, and nothing is written.
    status, text = ctl(xfed, tools, "contact", "approve", local, names[1], as_json=False)
    assert status == 1 and "the SIP server decides" in text and ctl(xfed, tools, "contact", "show", local, names[1])[0] == 1
    assert ctl(xfed, tools, "contact", "approve", local, "bob@not-listed.example")[0] == 1


@pytest.mark.parametrize("words", [("contact", "show", "bob@elsewhere.example", "a@partner.example"), ("contact", "list", "state=loud"),
                                   ("contact", "list", "after=nowhere"), ("contact", "remove", "corp.example", "a@partner.example")])
def test_contacts_that_are_asked_for_wrongly(xfed, tools, words):
    assert ctl(xfed, tools, *words)[0] == 2


def test_many_contacts_come_in_pages(install, tools):
    """More than one answer holds, and a few among many: each once, and other questions are answered between."""
    inst = install("many")
    inst.list_partner("many.example")
    inst.start()
    inst.gateway.stop()
    with sqlite3.connect(inst.dir + "/gateway.db") as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(contact)")]
        now = int(time.time())
        for n in range(12000):
            row = {"local": "user%d@corp.example" % (n // 3), "remote": "c%d@many.example" % n, "wrote_s": 0, "alive_s": 0, "preapproved": 0, "approved": 0,
                   "relation": "to" if n % 4000 else "none+pending-out", "asked_s": 0, "used_s": now, "wanted_s": now}
            assert set(columns) <= set(row), columns
            db.execute("INSERT INTO contact (%s) VALUES (%s)" % (", ".join(columns), ", ".join("?" * len(columns))), [row[c] for c in columns])
    inst.gateway.start().wait_ready()
    status, answer = ctl(inst, tools, "contact", "list")
    assert status == 0 and len(answer["contacts"]) == 100 and answer["next"]
    status, text = ctl(inst, tools, "contact", "list", as_json=False)
    assert 'there are more: contact list --after "%s"' % answer["next"] in text
    assert len(ctl(inst, tools, "contact", "list", "limit=1200")[1]["contacts"]) == 1200
    everything = ctl(inst, tools, "contact", "list", "limit=100000")[1]
    assert "next" not in everything and len({c["contact"] for c in everything["contacts"]}) == len(everything["contacts"]) == 12000
    behind = ctl(inst, tools, "contact", "list", "limit=100000", "--after", answer["next"])[1]["contacts"]
    assert [c["contact"] for c in answer["contacts"] + behind] == [c["contact"] for c in everything["contacts"]]
    waiting = ctl(inst, tools, "contact", "list", "state=waiting")[1]["contacts"]
    assert sorted(c["contact"] for c in waiting) == ["c%d@many.example" % n for n in (0, 4000, 8000)]
    assert ctl(inst, tools, "contact", "list", "state=asked")[1]["contacts"] == waiting  # the word of the columns
    status, text = ctl(inst, tools, "contact", "list", "state=to", "partner=many.example", as_json=False)
    assert '" partner=many.example state=to, or a higher limit=' in text, text[-300:]
    one = inst.gateway.control("contact", "list", state="waiting", limit=100)  # of one answer there is less
    assert len(one["contacts"]) < 3 and one["next"]
    empty = inst.gateway.control("contact", "list", state="both")  # nobody, by as many looks as an answer may take: there may be more behind
    for _ in range(2):
        assert empty["contacts"] == [] and empty["next"]
        empty = inst.gateway.control("contact", "list", state="both", after=empty["next"])
    assert empty == {"contacts": []}
    assert [c["contact"] for c in ctl(inst, tools, "contact", "list", "user=user7@corp.example")[1]["contacts"]] == ["c21@many.example", "c22@many.example", "c23@many.example"]
    inst.stop()
