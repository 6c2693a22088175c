"""Who may see a user no more is shown nothing more, also of what is on its way when that is decided."""
import itertools
import os

import pytest

from harness.installation import write
from harness.presence import PresenceServer, pidf

numbers = itertools.count(1)
STATUS = "{jabber:server}status"


@pytest.fixture(scope="module")
def inst(install):
    inst = install("revo")
    os.makedirs(inst.dir + "/access.d", exist_ok=True)
    inst.start()
    yield inst
    inst.stop()


def allow(inst, *users):
    write(inst.dir + "/access.d/rest.yaml", "name: rest\nscope: global\nallowed: false\n")
    write(inst.dir + "/access.d/some.yaml", "name: some\nscope: user\nallowed: true\ngranted_to:\n" + "".join("  - %s\n" % u for u in users))
    inst.reload()


class Scene:
    """A contact of a partner of its own watches two users; what comes from the second shows that nothing more comes from the first."""

    def __init__(self, inst, new_partner, users):
        n = next(numbers)
        self.inst, self.domain = inst, "revo%d.example" % n
        self.local, self.other, self.remote = "seen%d@corp.example" % n, "other%d@corp.example" % n, "carl@revo%d.example" % n
        inst.list_partner(self.domain)
        allow(inst, self.local, self.other)
        self.partner = new_partner(inst, self.domain)
        user = users["corp.example"]
        self.server = PresenceServer(user, user.dial(inst.sip))
        self.request, self.other_request = self.watched(self.local), self.watched(self.other)

    def watched(self, local):
        since = self.server.user.inbox.mark()
        self.send(local, "subscribe")
        request = self.server.wait("sip:" + local, 20, since)
        self.notify(request, local, "first")
        assert self.hears(local).find(STATUS).text == "first"
        return request

    def send(self, local, kind):
        self.partner.send("<presence from='%s' to='%s' type='%s'/>" % (self.remote, local, kind))

    def notify(self, request, local, note):
        assert self.server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", None, note))).status == 200

    def hears(self, local, kind=None, since=0, what=lambda s: True):
        return self.partner.inbox.wait(lambda s: s.tag.endswith("}presence") and s.get("type") == kind and
                                       s.get("from", "").split("/")[0] == local and what(s), 20, since)


@pytest.mark.parametrize("how", ["access", "removed"])
def test_a_notify_that_crosses_the_end_is_not_told(inst, new_partner, users, how):
    scene = Scene(inst, new_partner, users)
    since = scene.partner.inbox.mark()
    if how == "access":
        allow(inst, scene.other)
    else:
        found = [s for s in inst.gateway.control("subscription", "list")["subscriptions"] if scene.local in str(s)]
        inst.gateway.control("subscription", "remove", id=found[0]["id"])
    scene.server.wait_inside(scene.request, "0", 20)
    scene.hears(scene.local, "unavailable", since)
    since = scene.partner.inbox.mark()
    scene.notify(scene.request, scene.local, "secret")
    scene.notify(scene.other_request, scene.other, "second")
    scene.hears(scene.other, None, since)
    assert not [s for s in scene.partner.inbox.items[since:] if s.get("from", "").startswith(scene.local)]


def test_notes_are_taken_back_from_a_partner_that_becomes_public(inst, new_partner, users):
    scene = Scene(inst, new_partner, users)
    since = scene.partner.inbox.mark()
    inst.list_partner(scene.domain, partner_type="public-verified")
    inst.reload()
    assert scene.hears(scene.local, None, since).find(STATUS) is None
    since = scene.partner.inbox.mark()
    scene.send(scene.local, "probe")
    assert scene.hears(scene.local, None, since).find(STATUS) is None
