"""A right to see that is taken and given back: the user's server is asked again, however far the end of the old subscription has got."""
import itertools

import pytest

from harness.presence import PresenceServer, Watch, pidf
from harness.proc import wait_until

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def own(install, started):
    inst = install("rights")
    inst.list_partner("first.example")
    started(inst)
    yield inst
    inst.stop()


@pytest.fixture
def server(own, users):
    user = users["corp.example"]
    flow = user.dial(own.sip)
    yield PresenceServer(user, flow)
    user.answer = 200
    flow.close()


class Pair:
    """A contact at a partner of its own, who sees a user."""

    def __init__(self, inst, new_partner, server):
        n = next(numbers)
        self.inst, self.server, self.domain = inst, server, "rights%d.example" % n
        self.local, self.remote = "u%d@corp.example" % n, "c%d@%s" % (n, self.domain)
        self.policy()
        self.partner = new_partner(inst, self.domain)
        since = server.user.inbox.mark()
        self.partner.send("<presence from='%s' to='%s' type='subscribe'/>" % (self.remote, self.local))
        self.request = server.wait("sip:" + self.local, 20, since)
        self.says(self.request, "desk")
        self.hears(self.local + "/desk")

    def policy(self, **keys):
        self.inst.list_partner(self.domain, **keys)
        self.inst.reload()

    def says(self, request, device):
        body = pidf("pres:" + self.local, (device, "open", None, None))
        assert self.server.notify(request, "active;expires=3600", body).status == 200

    def hears(self, sender, kind=None, since=0):
        return self.partner.inbox.wait(lambda s: s.tag.endswith("}presence") and s.get("type") == kind and s.get("from") == sender, 30, since)

    def is_revoked(self, **keys):
        """The old subscription is being ended; its last NOTIFY is still to come."""
        since, mark = self.partner.inbox.mark(), self.inst.gateway.process.mark()
        self.policy(**keys)
        self.server.wait_inside(self.request, "0", 20)
        self.hears(self.local + "/desk", "unavailable", since)
        self.inst.gateway.process.wait_line("event=presence.resumed", 30, mark)  # everybody has been looked at

    def is_seen_again(self, since):
        """The server is asked anew, and what it says is told."""
        again = self.server.wait("sip:" + self.local, 30, since)
        told = self.partner.inbox.mark()
        self.says(again, "desk")
        self.hears(self.local + "/desk", None, told)
        assert self.inst.gateway.metric("xfed_presence_drift") == 0

    def ends(self):
        assert self.server.notify(self.request, "terminated;reason=timeout").status == 200


@pytest.fixture
def pair(own, new_partner, server):
    p = Pair(own, new_partner, server)
    yield p
    p.partner.close()
    own.unlist_partner(p.domain)
    own.reload()


def test_a_right_given_back_while_the_old_subscription_ends(pair, own):
    pair.is_revoked(kinds=["message"])
    since, mark = pair.server.user.inbox.mark(), own.gateway.process.mark()
    pair.policy()
    own.gateway.process.wait_line("event=presence.resumed", 30, mark)  # everybody has been looked at
    pair.ends()
    pair.is_seen_again(since)


def test_a_right_given_back_when_the_old_subscription_has_ended(pair):
    pair.is_revoked(kinds=["message"])
    pair.ends()
    since = pair.server.user.inbox.mark()
    pair.policy()
    pair.is_seen_again(since)


@pytest.mark.parametrize("has_ended", [False, True])
@pytest.mark.parametrize("how", ["approve", "add"])
def test_a_right_that_the_user_gives_back(pair, own, tools, how, has_ended):
    """The partner has become one whose users may see only who has added them."""
    pair.is_revoked(partner_type="public-unverified")
    since = pair.server.user.inbox.mark()
    if has_ended:
        pair.ends()
    if how == "approve":
        own.gateway.ctl(tools, "contact", "approve", pair.local, pair.remote)
    else:
        watch = Watch(pair.server.user, pair.server.flow, "sip:" + pair.remote, "sip:" + pair.local)
        assert watch.subscribe().status == 200
        pair.hears(pair.local, "subscribe")
    if not has_ended:
        pair.ends()
    pair.is_seen_again(since)


def test_what_crosses_the_end_is_told_to_nobody(pair, own, tools):
    since, asked = pair.partner.inbox.mark(), pair.server.user.inbox.mark()
    one, = own.gateway.control("subscription", "list", user=pair.local)["subscriptions"]
    own.gateway.ctl(tools, "subscription", "remove", str(one["id"]))
    pair.server.wait_inside(pair.request, "0", 20)
    pair.hears(pair.local + "/desk", "unavailable", since)
    pair.says(pair.request, "phone")
    pair.ends()
    pair.partner.send("<presence from='%s' to='%s' type='probe'/>" % (pair.remote, pair.local))
    pair.is_seen_again(asked)  # by then whatever was told before has come
    assert not [s for s in pair.partner.inbox.items[since:] if s.get("from") == pair.local + "/phone"]
