"""Requests and answers of both directions crossing each other in every order (RFC 6121 section 3, [A11], [B5]): one contact, two directions."""
import itertools
import time

import pytest

from harness.presence import PresenceServer, Watch, basics, pidf, state_of
from harness.proc import wait_until

numbers = itertools.count(1)

# What the contact answers the user, what the user's SIP server answers the contact, and what is between them in the end.
ENDS = {("approves", "approves"): "both", ("denies", "approves"): "from", ("approves", "denies"): "to", ("denies", "denies"): None}
# The user asks (u) and is answered (c), the contact asks (p) and is answered (s).
ORDERS = ["".join(o) for o in itertools.permutations("ucps") if o.index("u") < o.index("c") and o.index("p") < o.index("s")]


class Ends:
    """A SIP user and a contact of the shared partner."""

    def __init__(self, xfed, partner, user, flow):
        n = next(numbers)
        self.xfed, self.partner, self.user = xfed, partner, user
        self.local, self.remote, self.uri = "rel%d@corp.example" % n, "rel%d@partner.example" % n, "sip:rel%d@corp.example" % n
        self.watch, self.server, self.request = Watch(user, flow, "sip:" + self.remote, "sip:" + self.local), PresenceServer(user, flow), None
        self.begin = partner.inbox.mark()

    def says(self, kind, sender="", to=""):
        self.partner.send("<presence from='%s%s' to='%s%s' type='%s'/>" % (self.remote, sender, self.local, to, kind))

    def hears(self, kind, sender=None):
        return self.partner.inbox.wait(lambda s: s.tag.endswith("}presence") and s.get("type") == kind and
                                       (s.get("from") == sender if sender else s.get("from", "").split("/")[0] == self.local), 20, self.begin)

    def u(self, answer):
        assert self.watch.subscribe().status == 200
        self.hears("subscribe", self.local)

    def c(self, answer):
        self.says("subscribed" if answer == "approves" else "unsubscribed")
        self.watch.wait(lambda m: state_of(m) == ("active" if answer == "approves" else "terminated"), 20)

    def p(self, answer):
        self.says("subscribe")
        self.request = self.server.wait(self.uri, 20)

    def s(self, answer):
        if answer == "approves":
            assert self.server.notify(self.request, "active;expires=3600", pidf("pres:" + self.local, ("desk", "open", None, None))).status == 200
            self.hears("subscribed", self.local)
            self.hears(None, self.local + "/desk")
        else:
            assert self.server.notify(self.request, "terminated;reason=rejected").status == 200
            self.hears("unsubscribed", self.local)


@pytest.fixture
def ends(xfed, partner, user, flow):
    return Ends(xfed, partner, user, flow)


@pytest.mark.parametrize("answers", ENDS, ids="-".join)
@pytest.mark.parametrize("order", ORDERS)
def test_requests_and_answers_cross(ends, order, answers):
    of = {"u": None, "c": answers[0], "p": None, "s": answers[1]}
    for step in order:
        getattr(ends, step)(of[step])
    # What holds is what each sees of the other from now on.
    since, seen = ends.partner.inbox.mark(), ends.user.inbox.mark()
    if answers[0] == "approves":
        ends.partner.send("<presence from='%s/home' to='%s'/>" % (ends.remote, ends.local))
        ends.watch.wait(lambda m: m.body and [b[0] for b in basics(m).values()] == ["open"], 20)
    ends.says("probe")
    if answers[1] == "approves":
        assert ends.partner.inbox.wait(lambda s: s.get("from") == ends.local + "/desk", 20, since) is not None
    else:
        assert ends.partner.inbox.wait(lambda s: s.get("type") == "unsubscribed" and s.get("from") == ends.local, 20, since) is not None
    assert [m for m in ends.user.inbox.items[seen:] if m.method == "SUBSCRIBE" and m.start.split()[1] == ends.uri] == []


def test_an_answer_to_nobodys_question_changes_nothing(ends):
    """`subscribed` without a request is no approval of a later one; `unsubscribed` and `unsubscribe` end nothing that is not there."""
    for kind in ("subscribed", "unsubscribed", "unsubscribe", "subscribed"):
        ends.says(kind)
    ends.says("probe")
    ends.hears("unsubscribed", ends.local)  # they have been taken
    ends.u(None)
    assert state_of(ends.watch.wait(lambda m: True, 20)) == "pending"
    ends.c("approves")
    assert [d for d in ends.server.dialogs.values() if d["request"].uri("to") == ends.uri] == []  # those of others are refreshed when they like


def refused(ends, stanza):
    """The contact's server sends a stanza of the user's back."""
    ends.partner.send("<presence from='%s' to='%s' type='error' id='%s'><error type='auth'>"
                      "<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>" % (ends.remote, stanza.get("from"), stanza.get("id")))


def test_an_error_ends_what_it_answers_and_no_more(ends):
    """That the contact's server does not take what the user shows says nothing of what the user may see."""
    for step in "ucps":
        getattr(ends, step)("approves")
    refused(ends, ends.hears(None, ends.local + "/desk"))
    refused(ends, ends.hears("subscribed", ends.local))
    ends.partner.send("<presence from='%s/home' to='%s'/>" % (ends.remote, ends.local))  # behind them
    told = ends.watch.wait(lambda m: state_of(m) == "terminated" or (m.body and [b[0] for b in basics(m).values()] == ["open"]), 20)
    assert state_of(told) == "active"
    since = ends.partner.inbox.mark()
    again = Watch(ends.user, ends.watch.flow, "sip:" + ends.remote, "sip:" + ends.local)
    assert again.subscribe().status == 200
    assert state_of(again.wait(lambda m: True, 20)) == "active"
    assert not [s for s in ends.partner.inbox.items[since:] if s.get("type") == "subscribe" and s.get("from") == ends.local]


def test_an_error_to_the_request_ends_it(ends):
    ends.u(None)
    refused(ends, ends.hears("subscribe", ends.local))
    assert "rejected" in ends.watch.wait(lambda m: state_of(m) == "terminated", 20).get("subscription-state")


def test_each_direction_is_cancelled_by_itself(ends):
    for step in "ucps":
        getattr(ends, step)("approves")
    since = ends.partner.inbox.mark()
    ends.says("unsubscribe")  # the contact does not want to see the user any more
    ends.server.wait_inside(ends.request, "0", 20)
    stanzas = lambda: [(s.get("type"), s.get("from")) for s in ends.partner.inbox.items[since:] if s.get("from", "").startswith(ends.local)]
    wait_until("it is told that it is over", lambda: len(stanzas()) >= 2, 20)
    assert stanzas()[:2] == [("unavailable", ends.local + "/desk"), ("unsubscribed", ends.local)]  # in this order ([A11-03])
    ends.partner.send("<presence from='%s/home' to='%s'/>" % (ends.remote, ends.local))  # and shows itself to the user all the same
    ends.watch.wait(lambda m: m.body and [b[0] for b in basics(m).values()] == ["open"], 20)
    ends.says("unsubscribed")
    assert "rejected" in ends.watch.wait(lambda m: state_of(m) == "terminated", 20).get("subscription-state")


def test_full_addresses_stand_for_bare_ones(ends):
    """Of subscription stanzas and probes ([A11-01], [A11-06])."""
    ends.says("subscribe", "/home", "/desk")
    ends.request = ends.server.wait(ends.uri, 20)
    assert ends.request.uri("from") == "sip:" + ends.remote
    ends.s("approves")
    assert ends.hears("subscribed").get("to") == ends.remote
    since = ends.partner.inbox.mark()
    ends.says("probe", "/home", "/desk")
    assert ends.partner.inbox.wait(lambda s: s.get("from") == ends.local + "/desk", 20, since) is not None


def test_what_is_asked_again_is_answered_again(ends):
    """A contact that sees the user already is told so at once, and the user who is let already is active at once ([A11-02], [B5-07])."""
    for step in "ucps":
        getattr(ends, step)("approves")
    since, seen = ends.partner.inbox.mark(), ends.user.inbox.mark()
    ends.says("subscribe")
    assert ends.partner.inbox.wait(lambda s: s.get("type") == "subscribed" and s.get("from") == ends.local, 20, since) is not None
    again = Watch(ends.user, ends.watch.flow, "sip:" + ends.remote, "sip:" + ends.local)
    assert again.subscribe().status == 200
    assert state_of(again.wait(lambda m: True, 20)) == "active"
    assert not [s for s in ends.partner.inbox.items[since:] if s.get("type") == "subscribe"]
    assert [m for m in ends.user.inbox.items[seen:] if m.method == "SUBSCRIBE" and m.start.split()[1] == ends.uri] == []


def put_off(ends, stanza, kind, condition):
    """The contact's server cannot answer now."""
    ends.partner.send("<presence from='%s' to='%s' type='error' id='%s'><error type='%s'>"
                      "<%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>" % (ends.remote, stanza.get("from"), stanza.get("id"), kind, condition))


def asked_again(ends, kind, first):
    """The next stanza of that type, and how long behind the first one it has come at least."""
    since, begin = ends.partner.inbox.items.index(first) + 1, time.monotonic()
    found = ends.partner.inbox.wait(lambda s: s.get("type") == kind and s.get("from") == ends.local, 120, since)
    return found, time.monotonic() - begin


def test_a_request_that_cannot_be_answered_now_is_made_again(ends):
    """In growing pauses, while the device goes on waiting; not at once, as whoever cannot answer has enough to do."""
    ends.u(None)
    first = ends.hears("subscribe", ends.local)
    put_off(ends, first, "wait", "resource-constraint")
    second, pause = asked_again(ends, "subscribe", first)
    assert pause > 10
    put_off(ends, second, "cancel", "remote-server-not-found")
    third, longer = asked_again(ends, "subscribe", second)
    assert longer > 1.2 * pause
    assert [state_of(m) for m in ends.user.inbox.items if m.method == "NOTIFY" and m.get("call-id") == ends.watch.call_id] == ["pending"]
    ends.c("approves")


def test_a_probe_that_cannot_be_answered_now_is_made_again(ends):
    ends.u(None)
    ends.c("approves")
    ends.watch.wait(lambda m: m.body, 20)
    assert ends.watch.subscribe().status == 200
    probe = ends.hears("probe", ends.local)
    put_off(ends, probe, "wait", "internal-server-error")
    asked_again(ends, "probe", probe)
    ends.partner.send("<presence from='%s/home' to='%s'/>" % (ends.remote, ends.local))
    ends.watch.wait(lambda m: m.body and [b[0] for b in basics(m).values()] == ["open"], 20)


def test_a_passing_error_to_something_else_asks_nobody_again(ends):
    """As to an approval: what the user may see is not concerned."""
    for step in "ucps":
        getattr(ends, step)("approves")
    before, stale = (ends.xfed.gateway.metric("xfed_dropped_total", rule="type-error"), ends.xfed.gateway.metric("xfed_presence_stale", why="put-off"))
    put_off(ends, ends.hears("subscribed", ends.local), "wait", "resource-constraint")
    wait_until("it is dropped", lambda: ends.xfed.gateway.metric("xfed_dropped_total", rule="type-error") == before + 1, 20)
    assert ends.xfed.gateway.metric("xfed_presence_stale", why="put-off") <= stale  # that of others may end meanwhile
