"""What breaks in the field (loopback/test_83_breakages.py): the overview names the cause and the remedy of each, in both languages."""
import re
import threading

import pytest

from harness.proc import wait_until
from loopback.test_83_breakages import ROWS, SERVICES, Scene
from test_10_pages import picture
from world import HOST


def words_of(row):
    """(reason code, words) of what `status` says of it; None where it says nothing."""
    words = list(row[1]["status"].words)
    told = re.match(r"(?:PROBLEM|note) (\S+)", words[0]) if words else None
    return told and (told.group(1), words[1:])


PARTNERS = {name: row for name, row in ROWS.items() if words_of(row)}
OURS = {name: row for name, row in SERVICES.items() if words_of(row)}


def is_said(page, code, words, of=""):
    """In one entry of the list, in English."""
    for text in page.evaluate("[...document.querySelectorAll('main li.box')].map((e) => e.innerText)"):
        text = " ".join(text.split())
        if code in text and of in text and all(w in text for w in words):
            return True
    return False


def remedy(page, code):
    """As the page that explains a code has it."""
    page.go("/explain?code=" + code)
    return " ".join(page.inner_text(".remedy").split())


def said_in_german(page, codes):
    """The remedy of each code, in German, stands in an entry that names the code."""
    remedies = {code: remedy(page, code) for code in codes}
    page.go("/")
    page.is_fine(axe=False)
    entries = [" ".join(t.split()) for t in page.evaluate("[...document.querySelectorAll('main li.box')].map((e) => e.innerText)")]
    absent = [code for code, text in remedies.items() if not any(code in e and text in e for e in entries)]
    assert not absent, "without their remedy: %s\n%s" % (absent, "\n".join(entries))


@pytest.mark.parametrize("half", [0, 1])
def test_partners(panel, visit, certs, dns, users, half):
    """Half of them at once, as status tells of ten: whoever looks after a bad night finds each."""
    own, rows = panel("broken%d" % half), dict(list(PARTNERS.items())[half::2])
    scene, user = Scene(inst=own, certs=certs, dns=dns), users["corp.example"]
    dns.xmpp("corp.example", ("edge.corp.example", own.s2s[1], HOST))
    domains = {}
    for n, (name, (make, _)) in enumerate(rows.items()):
        domains[name] = "broken%d-%d.example" % (half, n)  # names of its own: all tests share the DNS
        make(scene, domains[name])
    own.reload()
    flow = user.dial(own.sip)
    threads = [threading.Thread(target=user.message, args=(flow, "sip:bob@" + d, "to one that is broken"), kwargs={"timeout": 60}) for d in domains.values()]
    try:
        for t in threads:
            t.start()
        for t in threads:
            t.join(90)
        page = visit(of=own)
        missing = dict(rows)

        def all_said():
            page.go("/")
            for name in list(missing):
                code, words = words_of(missing[name])
                if is_said(page, code, words, domains[name]):
                    del missing[name]
            return not missing
        try:
            wait_until("every cause on the overview", all_said, 20)
        except AssertionError:
            raise AssertionError("not said: %s\n%s" % ({n: words_of(r) for n, r in missing.items()}, page.text())) from None
        page.is_fine()
        picture(page, "overview-broken", "en", "light", 1280)
        said_in_german(visit(of=own, language="de", width=360), sorted({words_of(row)[0] for row in rows.values()}))
    finally:
        flow.close()
        scene.close()


@pytest.mark.parametrize("name", OURS)
def test_a_service(panel, visit, certs, dns, users, name):
    """Whatever is wrong with our own two."""
    change, row = OURS[name]
    code, words = words_of(OURS[name])
    inst = panel("own-" + re.sub(r"\W+", "-", name)[:30], starts=False)
    scene = Scene(inst=inst, certs=certs, dns=dns)
    dns.xmpp("corp.example", ("edge.corp.example", inst.s2s[1], HOST))
    partners = ["well.example", "fine.example"]
    for domain in partners:
        scene.partner(domain)
    change(scene)
    inst.write_configs()
    is_linked = "there is no link to the edge" not in row["check"].words
    try:
        inst.start_as_it_is(is_linked)
        if is_linked:
            flow = users["corp.example"].dial(inst.sip)
            for domain in partners:
                users["corp.example"].message(flow, "sip:bob@" + domain, "to one that is well", timeout=60)
            flow.close()
        page = visit(of=inst)

        def said():
            page.go("/")
            return is_said(page, code, words)
        try:
            wait_until("the cause on the overview", said, 20)
        except AssertionError:
            raise AssertionError("not said: %s %s\n%s" % (code, words, page.text())) from None
        page.is_fine(axe=False)
        said_in_german(visit(of=inst, language="de"), [code])
    finally:
        for k in scene.keep:
            k.close()
        inst.stop()
