"""
The gates of policy, asked of the running daemons: each combination of partner type, kinds, direction, relation and access that can be
brought about is tried with a message, and what becomes of it is compared with a table written by hand and with `explain`.

The table is that of tests/unit/gateway/test_gates.c, where every combination is; here is what reaches the daemons from outside.
"""
import itertools
import json
import os
import re

import pytest

from harness.installation import write
from harness.proc import wait_until
from harness.sip import SipUser
from harness.xmpp import child_text

TYPES = {"federated": "federated", "verified": "public-verified", "unverified": "public-unverified"}
POLICY = ("addresses", "direction", "partner", "kinds", "access", "contact", "mapping")
REASONS = {"partner": "policy.partner.unlisted", "kinds": "policy.kind.forbidden", "access": "policy.access.user",
           "contact": "policy.contact.unauthorised"}
# access.d: one whom a rule allows, one whom a rule refuses, one whom none covers; "": the domain alone.
USERS = {"dave": True, "erin": False, "frank": False, "": False}
numbers = itertools.count(1)

# (type, kinds has message) -> the gate that is closed, for a user who may: from a stranger, from somebody written to, to anybody.
# For users who may not it is kinds or access, whichever comes first.
TABLE = {
    ("federated", True): (None, None, None),
    ("verified", True): (None, None, None),
    ("unverified", True): ("contact", None, None),
    ("federated", False): ("kinds", "kinds", "kinds"),
    ("verified", False): ("kinds", "kinds", "kinds"),
    ("unverified", False): ("kinds", "kinds", "kinds"),
}


def at(who, domain):
    return "%s@%s" % (who, domain) if who else domain


def expected(kind, has_message, who, column):
    gate = TABLE[kind, has_message][column]
    return gate if USERS[who] or gate == "kinds" else "access"


@pytest.fixture(scope="module")
def inst(install, started):
    """corp.example is known inside as inside.example."""
    user = SipUser("corp.example")
    inst = install("gates", users={"corp.example": user})
    inst.gateway_config["domains"][0]["sip_domain"] = "inside.example"
    inst.write_configs()
    write(inst.dir + "/access.d/yes.yaml", json.dumps({"name": "Yes", "scope": "user", "federation": True, "xmpp": True,
                                                              "granted_to": ["dave@corp.example"]}))
    write(inst.dir + "/access.d/no.yaml", json.dumps({"name": "No", "scope": "user", "federation": True, "xmpp": False,
                                                             "granted_to": ["erin@corp.example"]}))
    for kind, partner_type in TYPES.items():
        inst.list_partner("%s.example" % kind, partner_type=partner_type)
        inst.list_partner("no-%s.example" % kind, partner_type=partner_type, kinds=["presence"])
    inst.user = user
    started(inst)
    inst.flow = user.dial(inst.sip)
    yield inst
    inst.flow.close()
    inst.stop()
    user.close()


@pytest.fixture(scope="module")
def partner_of(inst, new_partner):
    made = {}

    def get(domain):
        if domain not in made:
            made[domain] = new_partner(inst, domain)
        return made[domain]
    return get


def refused(inst, word):
    """Why the message that this word of a log line names was refused: what either daemon said."""
    lines = [text + " " for d in (inst.edge, inst.gateway) for text in d.process.lines]
    return {r.group(1) for text in lines if " %s " % word in text for r in [re.search(r" reason=(policy\.\S+)", text)] if r}


def explained(inst, tools, sender, target):
    """The first gate of policy that is closed, and its reason."""
    text = inst.gateway.ctl(tools, "--json", "explain", sender, target, check=False)[1]
    closed = [g for g in json.loads(text)["gates"] if g["gate"] in POLICY and g["state"] == "closed"]
    return (closed[0]["gate"], closed[0]["reason"]) if closed else (None, None)


def check(inst, tools, sender, target, want, send):
    """`send` gives whether it got through, and what names it in the log."""
    is_through, word = send()
    assert is_through == (want is None), (sender, target, want)
    if want is not None:
        wait_until("a line that says why", lambda: refused(inst, word), 10)
    assert refused(inst, word) == ({REASONS[want]} if want else set()), (sender, target)
    assert explained(inst, tools, sender, target) == ((want, REASONS[want]) if want else (None, None)), (sender, target)


def from_partner(inst, p, name, who):
    """The way in: the user gets it, or its sender an error."""
    number = next(numbers)
    text, ident = "in %d" % number, "g%d" % number
    since, errors = inst.user.said.mark(), p.inbox.mark()
    p.say(name, at(who, "corp.example"), text, id=ident)

    def outcome():
        if any(m.text == text for m in inst.user.said.items[since:]):
            return "through"
        return "refused" if any(s.get("type") == "error" and s.get("id") == ident for s in p.inbox.items[errors:]) else None
    wait_until("what becomes of a message to %s" % who, outcome, 20)
    return outcome() == "through", "id=" + ident


def to_partner(inst, p, name, who):
    """The way out: the contact gets it, or its sender a final response that says no."""
    number = next(numbers)
    text, call_id = "out %d" % number, "gates-%d" % number
    since = p.inbox.mark()
    status = inst.user.message(inst.flow, "sip:%s@%s" % (name, p.domain), text, sender="sip:" + at(who, "inside.example"), call_id=call_id).status
    if status in (200, 202):
        p.wait_body(text, 10, since)  # written, and perhaps not read yet
    else:
        assert text not in [child_text(s, "body") for s in p.inbox.items[since:]], status
    return status in (200, 202), "call_id=" + call_id


@pytest.mark.parametrize("who", USERS)
@pytest.mark.parametrize("has_message", [True, False], ids=["message", "no-message"])
@pytest.mark.parametrize("kind", TYPES)
def test_every_combination(inst, tools, partner_of, kind, has_message, who):
    p = partner_of(("" if has_message else "no-") + kind + ".example")
    ours, known, stranger = at(who, "corp.example"), "known-" + who, "stranger-" + who
    theirs = {name: "%s@%s" % (name, p.domain) for name in (known, stranger)}
    check(inst, tools, theirs[stranger], ours, expected(kind, has_message, who, 0), lambda: from_partner(inst, p, stranger, who))
    check(inst, tools, ours, theirs[known], expected(kind, has_message, who, 2), lambda: to_partner(inst, p, known, who))
    # Where the user could not write nobody has been written to, and it is as a stranger's.
    column = 1 if expected(kind, has_message, who, 2) is None else 0
    check(inst, tools, theirs[known], ours, expected(kind, has_message, who, column), lambda: from_partner(inst, p, known, who))


def test_a_domain_alone_is_judged_by_site_and_global_rules(inst, tools, partner_of):
    """What is no user is of a site all the same, both ways; without a rule for it, it may not (above)."""
    p = partner_of("federated.example")
    rule = inst.dir + "/access.d/all.yaml"
    for text, want in [({"scope": "global", "allowed": True}, None), ({"scope": "global", "allowed": False}, "access"),
                       ({"scope": "site", "allowed": True, "domains": ["corp.example"]}, None),
                       ({"scope": "site", "allowed": False, "domains": ["corp.example"]}, "access")]:
        write(rule, json.dumps(dict(text, name="All")))
        inst.reload()
        check(inst, tools, "bob@federated.example", "corp.example", want, lambda: from_partner(inst, p, "bob", ""))
        check(inst, tools, "corp.example", "bob@federated.example", want, lambda: to_partner(inst, p, "bob", ""))
    os.unlink(rule)
    inst.reload()


def test_an_unlisted_partner(inst, tools, partner_of):
    p = partner_of("unlisted.example")
    check(inst, tools, "dave@corp.example", "bob@unlisted.example", "partner", lambda: to_partner(inst, p, "bob", "dave"))
    assert explained(inst, tools, "bob@unlisted.example", "dave@corp.example") == ("partner", REASONS["partner"])
    before = inst.refusals(REASONS["partner"])
    with pytest.raises(AssertionError):
        p.dial("corp.example")  # the edge does not even let it log in
    wait_until("a refusal", lambda: inst.refusals(REASONS["partner"]) > before, 10)


def test_partners_do_not_know_the_name_inside(inst, tools, partner_of):
    """Our user may be named either way; a partner reaches it by the name outside alone, and explain says so."""
    p = partner_of("federated.example")
    assert from_partner(inst, p, "bob", "dave")[0]
    since = p.inbox.mark()
    ident = "g%d" % next(numbers)
    relays = inst.refusals("stream.relay.attempt")
    p.send("<message from='bob@federated.example' to='dave@inside.example' id='%s'><body>inside</body></message>" % ident)
    wait_until("a refusal", lambda: inst.refusals("stream.relay.attempt") > relays, 10)
    assert not [s for s in p.inbox.items[since:] if s.get("id") == ident and s.get("type") != "error"]
    assert not [m for m in inst.user.said.items if m.text == "inside"]
    assert explained(inst, tools, "bob@federated.example", "dave@inside.example") == ("direction", "stream.relay.attempt")
    assert explained(inst, tools, "bob@federated.example", "dave@corp.example") == (None, None)
    for ours in ("dave@inside.example", "dave@corp.example", "sip:dave@inside.example"):
        assert explained(inst, tools, ours, "bob@federated.example") == (None, None)


def test_between_two_of_ours(inst, tools):
    loops = inst.refusals("sip.loop.detected")
    assert inst.user.message(inst.flow, "sip:x@corp2.example", "round and round", sender="sip:dave@inside.example").status == 482
    wait_until("a refusal", lambda: inst.refusals("sip.loop.detected") == loops + 1, 10)
    assert explained(inst, tools, "dave@corp.example", "x@corp2.example") == ("direction", "sip.loop.detected")
