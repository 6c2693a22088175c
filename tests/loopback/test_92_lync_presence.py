"""Presence in the dialect of Lync, with a scripted client and front end that send what captures have (fe-gateway/interwork/msrtc.h)."""
import itertools
import xml.etree.ElementTree as ET

import pytest
from lync_lab import fe, line, lync, partner  # noqa: F401

from harness.presence import LyncWatch, PresenceServer, state_of

LYNC = {"name": "lp", "partner": {"partner_type": "federated"}, "domains": {
    "corp.example": {"dialect": "lync"}, "corp2.example": {"dialect": "lync", "sip_domain": "inside2.example"}}}
numbers = itertools.count(1)
BASE = "{http://schemas.microsoft.com/2006/09/sip/%s}%s"
CATEGORIES, PRESENTITY, PIDF = "application/msrtc-event-categories+xml", "text/xml+msrtc.pidf", "application/pidf+xml"


@pytest.fixture
def names():
    n = next(numbers)
    return "watcher%d@corp.example" % n, "contact%d@partner.example" % n


def send(partner, sender, to, kind=None, inner=""):
    partner.send("<presence from='%s' to='%s'%s>%s</presence>" % (sender, to, " type='%s'" % kind if kind else "", inner))


def presence_of(partner, sender, kind=None, what=lambda s: True):
    return partner.inbox.wait(lambda s: s.tag.endswith("}presence") and s.get("type") == kind and
                              sender in (s.get("from"), s.get("from").split("/")[0]) and what(s), 20)


def categories(notify):
    """(availability, token, note) of a NOTIFY."""
    root = ET.fromstring(notify.body)
    assert root.tag == BASE % ("categories", "categories")
    activity = root.find(".//" + BASE % ("state", "activity"))
    note = root.find(".//" + BASE % ("note", "body"))
    return (root.find(".//" + BASE % ("state", "availability")).text, activity.get("token") if activity is not None else None,
            note.text if note is not None else None)


def shown(watch, *want):
    told = watch.wait(lambda m: m.body and m.get("content-type") == CATEGORIES and categories(m) == want, 20)
    assert told is not None
    return told


def watching(fe, line, partner, names, **kwargs):
    """A client that watches a contact, who has agreed."""
    local, remote = names
    watch = LyncWatch(fe, line, "sip:" + remote, "sip:" + local, **kwargs)
    answer = watch.subscribe()
    assert answer.status == 200 and int(answer.get("expires")) >= 60 and answer.get("record-route")
    assert presence_of(partner, local, "subscribe").get("to") == remote
    send(partner, remote, local, "subscribed")
    return watch


def test_each_availability_is_shown_as_it_is(lync, fe, line, partner, names):
    local, remote = names
    watch = watching(fe, line, partner, names)
    desk = remote + "/desk"
    send(partner, desk, local)
    told = shown(watch, "3500", None, None)
    assert told.start.split()[1] == "sip:%s;opaque=user:epid:409F4BD19EBE5313BDCCD7DB;gruu" % local
    assert ET.fromstring(told.body).get("uri") == "sip:" + remote
    for inner, want in (("<show>away</show>", ("15500", "away", None)),
                        ("<show>dnd</show><status>no calls</status>", ("9500", None, "no calls")),
                        ("<show>xa</show><status>gr\u00fc\u00df &lt;b&gt;</status>", ("15500", "away", "gr\u00fc\u00df <b>")),
                        ("<show>chat</show>", ("3500", None, None)),
                        ("<idle xmlns='urn:xmpp:idle:1' since='2020-01-01T00:00:00Z'/>", ("5000", None, None))):
        send(partner, desk, local, inner=inner)
        shown(watch, *want)
    send(partner, desk, local, "unavailable")
    shown(watch, "18500", None, None)


def test_the_richest_that_is_asked_for_is_written(lync, fe, line, partner):
    for accept, kind, has in ((PIDF + ", " + PRESENTITY, PRESENTITY, b'<state avail="9500"'),
                              (PIDF, PIDF, b"<ep:activity>busy</ep:activity>"), ("*/*", PIDF, b'entity="sip:')):
        n = next(numbers)
        names = "watcher%d@corp.example" % n, "contact%d@partner.example" % n
        watch = watching(fe, line, partner, names, accept=accept)
        send(partner, names[1] + "/desk", names[0], inner="<show>dnd</show>")
        told = watch.wait(lambda m, h=has: m.body and h in m.body, 20)
        assert told.get("content-type") == kind
        assert (b'uri="%s"' % names[1].encode() in told.body) == (kind == PRESENTITY)


def test_none_that_is_asked_for_can_be_written(lync, fe, line, names):
    answer = LyncWatch(fe, line, "sip:" + names[1], "sip:" + names[0], accept="application/rlmi+xml").subscribe()
    assert answer.status == 406


def test_offline_is_told_before_the_end(lync, fe, line, partner, names):
    """A client keeps the last state for ever, whatever ends the subscription."""
    local, remote = names
    watch = watching(fe, line, partner, names)
    send(partner, remote + "/desk", local, inner="<status>here</status>")
    shown(watch, "3500", None, "here")
    send(partner, remote, local, "unsubscribed")
    last = watch.wait(lambda m: state_of(m) == "terminated", 20)
    told = [m for m in fe.inbox.items if m.method == "NOTIFY" and m.get("call-id") == watch.call_id]
    before = told[told.index(last) - 1]
    assert state_of(before) == "active" and categories(before) == ("18500", None, None)


def test_a_refresh_is_told_in_its_form(lync, fe, line, partner, names):
    local, remote = names
    watch = watching(fe, line, partner, names)
    send(partner, remote + "/desk", local, inner="<show>away</show>")
    shown(watch, "15500", "away", None)
    watch.accept = PIDF
    assert watch.subscribe().status == 200
    assert watch.wait(lambda m: m.get("content-type") == PIDF and b">away<" in m.body, 20)


def test_a_refresh_of_a_dialog_that_is_not_there(lync, fe, line, partner, names):
    """As after a restart that has lost it: 481 would cost the user the contact's presence until the next sign-on."""
    local, remote = names
    first = watching(fe, line, partner, names)
    send(partner, remote + "/desk", local, inner="<show>away</show>")
    shown(first, "15500", "away", None)
    watch = LyncWatch(fe, line, "sip:" + remote, "sip:" + local.replace("corp", "Corp"))
    watch.to, watch.cseq = "<sip:%s>;tag=ofbefore" % remote, 7
    answer = watch.subscribe()
    assert answer.status == 200 and int(answer.get("expires")) >= 60 and answer.get("to") == "<sip:%s>;tag=ofbefore" % remote
    told = shown(watch, "15500", "away", None)
    assert told.get("from").endswith(";tag=ofbefore") and ";tag=" + watch.tag in told.get("to")
    assert int(told.get("cseq").split()[0]) > 100000, "a client refuses numbers that go back"
    assert state_of(told) == "active"
    send(partner, remote + "/desk", local, inner="<show>dnd</show>")
    shown(watch, "9500", None, None)
    assert watch.subscribe().status == 200
    other = LyncWatch(fe, line, "sip:" + remote, "sip:nobody@elsewhere.example")
    other.to = "<sip:%s>;tag=ofbefore" % remote
    assert other.subscribe().status == 481


def test_a_refresh_of_a_lost_dialog_by_the_inside_name(lync, fe, line, partner, names):
    """A user whose domain SIP knows by another name than partners do is one of that dialect too."""
    local, remote = names[0].replace("corp", "corp2"), names[1]
    watch = LyncWatch(fe, line, "sip:" + remote, "sip:" + local.replace("corp2", "inside2"))
    watch.to, watch.cseq = "<sip:%s>;tag=ofbefore" % remote, 7
    answer = watch.subscribe()
    assert answer.status == 200 and int(answer.get("expires")) >= 60, answer
    told = watch.wait(lambda m: m.method == "NOTIFY", 20)
    assert told.get("from").endswith(";tag=ofbefore") and ";tag=" + watch.tag in told.get("to"), told


def state_doc(number, more="", note=None):
    return ('<categories xmlns="http://schemas.microsoft.com/2006/09/sip/categories" uri="sip:alice@corp.example">'
            '<category name="state" instance="1" publishTime="2026-11-29T22:32:48Z"><state xmlns="http://schemas.microsoft.com/2006/09/sip/state" '
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="aggregateState"><availability>%d</availability>%s</state></category>'
            '%s</categories>' % (number, more, note_doc(note) if note else '<category name="note"/>'))


def note_doc(note):
    return ('<category name="note" instance="0" publishTime="2026-11-29T22:32:46Z"><note xmlns="http://schemas.microsoft.com/2006/09/sip/note">'
            '<body type="personal" uri="">%s</body></note></category>' % note)


def test_what_the_front_end_tells_is_read(lync, fe, line, partner, names):
    local, remote = names
    server = PresenceServer(fe, line)
    send(partner, remote, local, "subscribe")
    request = server.wait("sip:" + local)
    assert request.get("accept") == PIDF
    show, status = "{jabber:server}show", "{jabber:server}status"

    def tell(kind, body):
        assert server.notify(request, "active;expires=3600", body, headers=[("Content-Type", kind)]).status == 200

    def text(s, tag):
        e = s.find(tag)
        return e.text if e is not None else None
    for body, want in ((state_doc(3500, note="on the road"), (None, "on the road")),
                       (state_doc(6500, '<activity token="on-the-phone"/>'), ("dnd", "In a call")),
                       (state_doc(12500, '<activity token="be-right-back"/>'), ("away", "Be right back")),
                       (state_doc(9500), ("dnd", None)), (state_doc(5000), ("away", "Inactive"))):
        tell(CATEGORIES, body)
        presence_of(partner, local, None, lambda s, w=want: (text(s, show), text(s, status)) == w)
    only_note = '<categories xmlns="http://schemas.microsoft.com/2006/09/sip/categories" uri="sip:%s">%s</categories>' % (local, note_doc("back soon"))
    tell(CATEGORIES, only_note)
    presence_of(partner, local, None, lambda s: (text(s, show), text(s, status)) == ("away", "back soon"))
    tell(PRESENTITY, '<presentity xmlns="http://schemas.microsoft.com/2002/09/sip/presence" uri="%s"><availability aggregate="300" description="" '
         'epid="0"/><activity aggregate="600" description="" note="" epid="0"/><userInfo><note>ms note</note></userInfo><devices/></presentity>' % local)
    presence_of(partner, local, None, lambda s: (text(s, show), text(s, status)) == ("dnd", "ms note"))
    tell(CATEGORIES, state_doc(18500))
    presence_of(partner, local, "unavailable")
    assert server.notify(request, "active;expires=3600", "<categories>", headers=[("Content-Type", CATEGORIES)]).status == 400
