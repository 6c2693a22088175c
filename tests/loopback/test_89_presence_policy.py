"""
No watcher is told anything about a user that policy, that user's SIP server or that contact's server has not allowed, while policy changes:
reloads with other access and partner files under watches of both directions. The judge is that of the fault harness (tests/faults).
"""
import itertools
import os
import random
import re
import threading
import time

import pytest

from faults.presence import Truth
from harness.installation import write
from harness.presence import PresenceServer, Watch, basics, is_presence, notifies_of, pidf, send_presence, state_of, watched
from harness.proc import wait_until

STATUS = "{jabber:server}status"
ALWAYS = "always@corp.example"  # a user whom no round touches
USERS = ["u%d@corp.example" % n for n in range(3)]
DOMAINS = ["pol%d.example" % n for n in range(3)]  # no round touches the last
ROUNDS = 10  # a watch is told a change every five seconds
FILES = {  # what the file of a partner says in a round; None: there is none
    "all": {}, "messages": {"kinds": ["message", "iq"]}, "notes": {"partner_type": "public-verified"}, "unlisted": None,
}
numbers = itertools.count(1)


class Scene:
    """Users of ours and contacts of partners who all see each other; each of them tells what it is by notes that are used once."""

    def __init__(self, inst, new_partner, user):
        self.inst, self.user = inst, user
        self.truth = Truth(time.monotonic)
        self.file, self.granted = dict.fromkeys(DOMAINS, "all"), set(USERS)
        self.denied = set()  # (watcher, owner), by the server of the owner
        self.write()
        self.inst.start()
        self.partners = {d: new_partner(inst, d) for d in DOMAINS}
        self.server = PresenceServer(user, user.dial(inst.sip))
        self.flow, self.answered, self.mark = user.dial(inst.sip), set(), user.inbox.mark()
        self.pairs = [(local, "c@" + d) for local in [ALWAYS] + USERS for d in DOMAINS]
        self.watches, self.newest = [], {}  # all there ever were; pair -> the last one
        for local, remote in self.pairs:
            self.truth.decide(local, remote, "allowed")
            self.truth.decide(remote, local, "allowed")
            self.keep((local, remote), watched(self.partner(remote), user, self.flow, local, remote))
            send_presence(self.partner(remote), remote, local, "subscribe")

    def keep(self, pair, watch):
        self.watches.append(watch)
        self.newest[pair] = watch

    def partner(self, remote):
        return self.partners[remote.split("@")[1]]

    # ---- policy ----
    def write(self):
        write(self.inst.dir + "/access.d/rest.yaml", "name: rest\nscope: global\nallowed: false\n")
        write(self.inst.dir + "/access.d/some.yaml", "name: some\nscope: user\nallowed: true\ngranted_to: [%s]\n" % ", ".join([ALWAYS, *sorted(self.granted)]))
        for domain, what in self.file.items():
            if FILES[what] is not None:
                self.inst.list_partner(domain, **FILES[what])
            elif os.path.exists(self.inst.partner_path(domain)):
                self.inst.unlist_partner(domain)

    def judge(self, which):
        """Tells the judge what policy lets be told: `which` of the verdicts, those that open before a reload, those that close behind it."""
        for local, remote in self.pairs:
            what, is_open = self.file[remote.split("@")[1]], self.is_open(local, remote)
            for watcher, owner, may in ((local, remote, is_open), (remote, local, is_open and what == "all")):  # a public partner sees no notes
                verdict = "allowed" if may and (watcher, owner) not in self.denied else "refused"
                if verdict == which:
                    self.truth.decide(watcher, owner, verdict)

    def reload(self, files, granted):
        self.file.update(files)
        self.granted = set(granted)
        self.judge("allowed")
        self.write()
        mark = self.inst.gateway.process.mark()
        self.inst.reload()
        self.judge("refused")
        return mark

    def is_open(self, local, remote):
        return self.file[remote.split("@")[1]] in ("all", "notes") and (local == ALWAYS or local in self.granted)

    # ---- what the servers say ----
    def deny(self, denied):
        """The servers of these owners let these watchers see nothing; those of the others let."""
        mute = {pair for local, remote in self.pairs if self.file[remote.split("@")[1]] == "unlisted" for pair in ((local, remote), (remote, local))}
        begun, ended = denied - self.denied - mute, self.denied - denied - mute  # nobody hears those that are not listed
        self.denied = self.denied - ended | begun
        self.judge("allowed")
        for watcher, owner in sorted(begun | ended):
            is_contacts = watcher in USERS  # the contact's server decides; else that of the user
            local, remote = (watcher, owner) if is_contacts else (owner, watcher)
            if is_contacts:
                send_presence(self.partner(remote), remote, local, "unsubscribed" if (watcher, owner) in begun else "subscribed")
            elif (watcher, owner) in ended:
                send_presence(self.partner(remote), remote, local, "subscribe")
            else:
                for m in self.dialogs():
                    if (self.remote_of(m), self.local_of(m)) == (watcher, owner):
                        self.server.notify(m, "terminated;reason=rejected")
        self.pass_by()
        self.judge("refused")

    def pass_by(self):
        """What the partners have sent before has been looked at: each gets an answer behind it."""
        for domain, partner in self.partners.items():
            if self.file[domain] != "unlisted":
                ident = "ping%d" % next(numbers)
                partner.send("<iq from='c@%s' to='corp.example' type='get' id='%s'><ping xmlns='urn:xmpp:ping'/></iq>" % (domain, ident))
                partner.inbox.wait(lambda s: s.get("id") == ident, 20)

    def dialogs(self):
        """Every one that there ever was."""
        return {m.get("call-id"): m for m in self.user.inbox.items if m.method == "SUBSCRIBE" and m.get("call-id") in self.answered}.values()

    def document(self, local):
        (name, (show, note)), = self.truth.devices(local).items()
        return pidf("pres:" + local, (name, "open", show, note))

    def serve(self):
        """The SIP server answers each SUBSCRIBE with a NOTIFY. It knows nothing of our policy; who may not see is pending, with a document."""
        items = self.user.inbox.items
        while self.mark < len(items):
            m = items[self.mark]
            if m.method == "SUBSCRIBE" and self.local_of(m) in (ALWAYS, *USERS):  # other gateways of the suite ask for users of theirs
                wait_until("it is answered", lambda: m.branch in self.user.answered, 20)
                is_end = m.get("expires") == "0"
                state = "pending" if (self.remote_of(m), self.local_of(m)) in self.denied else "active"
                self.server.notify(m, "terminated;reason=timeout" if is_end else state + ";expires=3600", None if is_end else self.document(self.local_of(m)))
                self.answered.add(m.get("call-id"))
            self.mark += 1

    @staticmethod
    def local_of(m):
        return re.search("<sip:([^>]*)>", m.get("to")).group(1)  # the Request-URI is another inside a dialog

    @staticmethod
    def remote_of(m):
        return re.search("<sip:([^>;]*)", m.get("from")).group(1)

    def change(self):
        """Everybody is something else, and says so to all who ever asked, also to those that may not be told any more."""
        for local in [ALWAYS] + USERS:
            self.truth.publish(local, {"desk": "away"})
        for _, remote in self.pairs[:len(DOMAINS)]:
            self.truth.publish(remote, {"home": "away"})
        self.serve()
        for m in self.dialogs():
            state = "pending" if (self.remote_of(m), self.local_of(m)) in self.denied else "active"
            self.server.notify(m, state + ";expires=3600", self.document(self.local_of(m)))
        for local, remote in self.pairs:
            if self.file[remote.split("@")[1]] != "unlisted":
                self.show(local, remote)

    def show(self, local, remote):
        (name, (show, note)), = self.truth.devices(remote).items()
        send_presence(self.partner(remote), "%s/%s" % (remote, name), local, None, "<show>%s</show><status>%s</status>" % (show, note))

    def ask(self):
        """Whoever was ended asks again, and contacts ask all the time, allowed or not; contacts' servers say nothing to that."""
        for pair in self.pairs:
            local, remote = pair
            last = notifies_of(self.user, self.newest[pair])[-1]
            if state_of(last) == "terminated":
                watch = Watch(self.user, self.flow, "sip:" + remote, "sip:" + local)
                may = self.is_open(local, remote)
                assert watch.subscribe().status == (200 if may else 403), (pair, may)
                if may:
                    watch.wait(lambda m: True, 20)
                    self.keep(pair, watch)
            if self.file[remote.split("@")[1]] != "unlisted":
                send_presence(self.partner(remote), remote, local, "probe")

    # ---- what was told ----
    def told_contact(self, remote, local):
        """Notes, in their order; None: presence without one."""
        is_it = is_presence(local)
        return [s.findtext(STATUS) for s in self.partner(remote).inbox.items if is_it(s) and s.get("to").split("/")[0] == remote]

    def told_user(self, local, remote):
        return [note for w in self.watches if (w.sender, w.target) == ("sip:" + local, "sip:" + remote)
                for m in self.user.inbox.items if m.method == "NOTIFY" and m.get("call-id") == w.call_id and m.body
                for basic, _, note in basics(m).values() if basic == "open"]

    def leaks(self):
        for local, remote in self.pairs:
            self.truth.told(remote, local, [(None, note) for note in self.told_contact(remote, local) if note])
            self.truth.told(local, remote, [(None, note) for note in self.told_user(local, remote) if note])
        return self.truth.leaks

    def wait_told(self, pairs):
        """Each end of these is shown what the other is now."""
        def is_right():
            self.serve()
            return all(self.note(local) in self.told_contact(remote, local) and self.note(remote) in self.told_user(local, remote)
                       for local, remote in pairs)
        wait_until("everybody sees everybody", is_right, 60)

    def note(self, owner):
        (_, note), = self.truth.devices(owner).values()
        return note


@pytest.fixture
def scene(install, new_partner, users):
    inst = install("policy")
    os.makedirs(inst.dir + "/access.d", exist_ok=True)
    user = users["corp.example"]
    try:
        yield Scene(inst, new_partner, user)
    finally:
        user.answer = 200
        inst.stop()


def test_what_policy_or_a_server_forbids_is_told_to_nobody(scene):
    rng = random.Random("policy")
    scene.change()
    scene.wait_told(scene.pairs)
    forbidden = 0
    for _ in range(ROUNDS):
        scene.reload({d: rng.choice(sorted(FILES)) for d in DOMAINS[:-1]}, [u for u in USERS if rng.random() < 0.6])
        scene.deny({(w, o) for local, remote in scene.pairs for w, o in ((local, remote), (remote, local))
                    if ALWAYS not in (w, o) and rng.random() < 0.15})
        scene.ask()
        scene.change()
        forbidden += sum(scene.truth.verdict(remote, local) != "allowed" for local, remote in scene.pairs)
        scene.wait_told([(ALWAYS, "c@" + DOMAINS[-1])])  # what came before it has been looked at
    assert forbidden > ROUNDS and not scene.leaks(), scene.truth.leaks[:5]
    # What is allowed again is told again.
    scene.reload(dict.fromkeys(DOMAINS, "all"), USERS)
    scene.deny(set())
    scene.ask()
    for local, remote in scene.pairs:
        send_presence(scene.partner(remote), remote, local, "subscribed")
        send_presence(scene.partner(remote), remote, local, "subscribe")
    scene.pass_by()
    scene.change()
    scene.wait_told(scene.pairs)
    assert not scene.leaks(), scene.truth.leaks[:5]
    assert scene.inst.gateway.metric("xfed_presence_drift") == 0


CROWD = 4000  # several times what a gateway looks at in a turn of its loop


def test_nobody_is_told_while_a_reload_has_not_looked_at_everybody(install, started, new_partner, users):
    """The contacts of a domain that may see nothing any more are looked at one after the other: none is shown anything behind the first."""
    inst, domain = install("crowd"), "crowd.example"
    user, remote = users["corp.example"], "c@" + domain
    inst.list_partner(domain)
    os.makedirs(inst.dir + "/access.d", exist_ok=True)
    started(inst)
    try:
        partner, flow = new_partner(inst, domain), user.dial(inst.sip)
        server = PresenceServer(user, flow)
        locals_, since = ["crowd%d@corp.example" % n for n in range(CROWD)], user.inbox.mark()
        for local in locals_:
            send_presence(partner, remote, local, "subscribe")
        requests = {}

        def is_asked_for():
            requests.update((Scene.local_of(m), m) for m in user.inbox.items[since:] if m.method == "SUBSCRIBE" and "sip:crowd" in m.get("to"))
            return len(requests) == CROWD
        wait_until("everybody is asked for", is_asked_for, 60)
        for local, m in requests.items():
            wait_until("it is answered", lambda: m.branch in user.answered, 20)
            server.notify(m, "active;expires=3600", pidf("pres:" + local, ("desk", "open", None, None)))
        wait_until("everybody is seen", lambda: len({s.get("from") for s in partner.inbox.items if s.get("from", "").endswith("/desk")}) == CROWD, 60)
        told = partner.inbox.mark()
        changes = [server.notify_bytes(m, "active;expires=3600", pidf("pres:" + local, ("desk", "open", "dnd", None)))[0]
                   for local, m in reversed(requests.items())]
        write(inst.dir + "/access.d/rest.yaml", "name: rest\nscope: global\nallowed: false\n")
        sender = threading.Thread(target=lambda: [flow.send(raw) for raw in changes])
        sender.start()
        inst.reload(20)
        sender.join()
        wait_until("everybody is gone", lambda: sum(s.get("type") == "unavailable" for s in partner.inbox.items[told:]) == CROWD, 60)
        kinds = [(s.get("type"), s.get("from")) for s in partner.inbox.items[told:] if s.tag.endswith("}presence")]
        first = [kind for kind, _ in kinds].index("unavailable")
        assert [k for k in kinds[first:] if k[0] is None] == []
    finally:
        user.answer = 200
        inst.stop()
