"""What an administrator changes: nothing by mistake, nothing over somebody else's head, everything with who and from where."""
import json
import os

import pytest

from harness.installation import partner_file, write
from harness.proc import wait_until
from world import ADMIN, EVIL, READER

PREVIEW, SAVE, BACK = "text=Show what will change", "text=Save and put into force", "text=Back to the form"


def files(world):
    """Everything that rules the gateway, as it lies on the disk."""
    found = {}
    for folder in ("partners.d", "access.d"):
        for name in os.listdir("%s/%s" % (world.dir, folder)):
            with open("%s/%s/%s" % (world.dir, folder, name), encoding="utf-8") as f:
                found[folder + "/" + name] = f.read()
    return found


@pytest.fixture
def untouched(world):
    """The files are those of before, or the test has failed."""
    before = files(world)
    yield
    now = files(world)
    for name in now.keys() - before.keys():
        os.unlink("%s/%s" % (world.dir, name))
    assert now == before


@pytest.fixture
def partner(world):
    """A partner of the test's own."""
    domain = "mine.example"
    world.list_partner(domain, description="mine")
    world.reload()
    yield domain
    if os.path.exists(world.partner_path(domain)):
        world.unlist_partner(domain)
        world.reload()


INVALID = {  # what is typed into the form of a new partner, and words of what it says
    "no domain at all": ({"domain": "two words.example"}, ["two words.example"]),
    "one of ours": ({"domain": "corp.example"}, ["corp.example"]),
    "one that is there": ({"domain": "partner.example"}, ["partner.example"]),
    "one that leads out of the folder": ({"domain": "../../etc/evil"}, []),
    "claimed by another": ({"domain": "new.example", "additional_domains": "partner.example"}, ["partner.example"]),
    "a row that cannot be": ({"domain": "new.example", "tls": "not-supported", "sasl": "required", "dialback": "false"}, ["tls"]),
    "a limit that is none": ({"domain": "new.example", "limits.connections": "many"}, ["limits.connections", "many"]),
    "a limit beyond": ({"domain": "new.example", "limits.stanza_size": "1GiB"}, ["limits.stanza_size"]),
    "no server": ({"domain": "new.example", "connect_to": "http://x/"}, ["connect_to"]),
    "a script": ({"domain": EVIL}, []),
}


def enter(page, values):
    for name, value in values.items():
        if page.is_visible("input[type=radio][name='%s']" % name):
            page.check("input[name='%s'][value='%s']" % (name, value))
        else:
            page.fill("[name='%s']" % name, value)


@pytest.mark.parametrize("script", [True, False])
def test_nothing_is_saved_while_a_value_is_wrong(world, visit, untouched, script):
    """Whatever is wrong: it is said, with the sentence of the command where there is one, and what was typed is there still."""
    page = visit(script=script)
    for name, (values, words) in INVALID.items():
        page.go("/partners/new")
        enter(page, dict(values, description="typed for nothing"))
        page.click_on(PREVIEW)
        text = page.text()
        assert "Nothing was saved" in text and all(w in text for w in words), (name, text)
        assert not page.is_visible(SAVE), name
        assert page.input_value("[name=description]") == "typed for nothing" and page.input_value("[name=domain]") == values["domain"], name
        page.is_fine(axe=False)
    page.is_fine()


def test_the_sentence_is_the_command_s(world, visit, untouched):
    page = visit()
    page.go("/partners/new")
    enter(page, {"domain": "new.example", "limits.connections": "0"})
    page.click_on(PREVIEW)
    status, told = world.gateway.ctl(world.tools, "partner", "add", "new.example", "limits.connections=0", check=False)
    assert status != 0
    sentence = max((line.strip() for line in told.splitlines()), key=len)
    assert sentence.split(": ", 1)[-1][:60] in " ".join(page.text().split()), (sentence, page.text())


def test_what_is_shown_first_changes_nothing(world, visit, partner, untouched):
    page = visit()
    for start, button in (("/partners/%s/edit" % partner, None), ("/partners/" + partner, "text=Switch off"), ("/partners/" + partner, "text=Remove")):
        page.go(start)
        if button is None:
            page.fill("[name=description]", "something else")
        page.click_on(button or PREVIEW)
        assert page.is_visible(SAVE), page.text()
        page.is_fine(axe=False)
        assert page.click_on("main >> text=Cancel") == "/partners/" + partner


def test_live_streams_are_told_of_before(world, visit):
    """Which ways to prove who it is remain, and what happens to streams that are open."""
    page = visit()
    page.go("/partners/partner.example")
    page.click_on("text=Remove")
    text = " ".join(page.text().split())
    assert "stream" in text and "2" in text, text
    assert page.is_visible(SAVE)
    page.is_fine()


def test_the_command_stands_beside(world, visit, partner, untouched):
    """Who would rather type finds what to type: it does the same."""
    page = visit()
    page.go("/partners/%s/edit" % partner)
    page.fill("[name=description]", "by 'command' & more")
    page.click_on(PREVIEW)
    page.click("text=The same as a command")
    assert page.inner_text("details[open] pre").startswith("xfedctl partner set %s " % partner)
    page.is_fine()


def change_on_disk(world, domain, **more):
    write(world.partner_path(domain), json.dumps(partner_file(domain, **more), indent=1) + "\n")


def test_a_file_that_changes_meanwhile(world, visit, partner):
    """Between the form and saving: it is told what, nothing is saved, and what was typed can be saved over it knowingly."""
    page = visit()
    page.go("/partners/%s/edit" % partner)
    page.fill("[name=description]", "mine, changed")
    page.click_on(PREVIEW)
    change_on_disk(world, partner, description="theirs, by an editor", limits={"connections": 7})
    world.reload()
    page.click_on(SAVE)
    text = page.text()
    assert "Nothing was saved" in text and "theirs, by an editor" in text, text
    page.is_fine()
    with open(world.partner_path(partner), encoding="utf-8") as f:
        assert "theirs, by an editor" in f.read()
    assert page.input_value("[name=description]") == "mine, changed"
    page.click_on(PREVIEW)
    page.click_on(SAVE)
    shown = world.gateway.control("partner", "show", domain=partner)
    assert shown["description"] == "mine, changed" and shown["limits"]["connections"] == 7, "only what was typed is changed"


def test_a_file_that_changes_and_is_not_loaded(world, visit, partner):
    """The gateway does not know of it yet; the one who saves is told all the same."""
    page = visit()
    page.go("/partners/%s/edit" % partner)
    page.fill("[name=description]", "mine, changed")
    page.click_on(PREVIEW)
    change_on_disk(world, partner, description="on the disk alone")
    page.click_on(SAVE)
    assert "Nothing was saved" in page.text()
    with open(world.partner_path(partner), encoding="utf-8") as f:
        assert "on the disk alone" in f.read()
    page.is_fine()


def test_two_editors(world, visit, partner):
    """Who saves second is told of the first, and of what he has changed."""
    first, second = visit(), visit()
    for page, words in ((first, "of the first"), (second, "of the second")):
        page.go("/partners/%s/edit" % partner)
        page.fill("[name=description]", words)
        page.click_on(PREVIEW)
    assert first.click_on(SAVE).startswith("/partners/" + partner)
    second.click_on(SAVE)
    text = second.text()
    assert "Nothing was saved" in text and "of the first" in text, text
    second.is_fine()
    assert world.gateway.control("partner", "show", domain=partner)["description"] == "of the first"
    late = visit()
    late.go("/partners/%s/edit" % partner)
    late.fill("[name=description]", "of the third")
    change_on_disk(world, partner, description="before it was shown", limits={"connections": 9})
    world.reload()
    late.click_on(PREVIEW)
    assert "before it was shown" in late.text()
    late.is_fine()


def test_a_partner_that_goes_while_it_is_edited(world, visit, partner):
    page = visit()
    page.go("/partners/%s/edit" % partner)
    page.fill("[name=description]", "of nobody")
    world.unlist_partner(partner)
    world.reload()
    page.click_on(PREVIEW)
    page.is_fine(axe=False, allowed=["404"])
    assert partner in page.text() and not page.is_visible(SAVE)
    assert not os.path.exists(world.partner_path(partner))


def test_texts_of_every_kind_are_kept(world, visit, partner):
    """What is typed is what is saved, whatever signs it has; it runs nowhere."""
    page = visit()
    for text in (EVIL, "# no remark: [a, b] {c} *d &e !f %g @h `i`", "Ü\u00a0ber \U0001F44B abc", "'single' \"double\" \\ back", "yes"):
        page.go("/partners/%s/edit" % partner)
        page.fill("[name=description]", text)
        page.click_on(PREVIEW)
        page.is_fine(axe=False)
        page.click_on(SAVE)
        page.is_fine(axe=False)
        assert world.gateway.control("partner", "show", domain=partner)["description"] == text
        assert text in page.text() and page.title() != "pwned"
        page.go("/partners")
        page.is_fine(axe=False)
        page.go("/partners/%s/edit" % partner)
        assert page.input_value("[name=description]") == text


def test_the_row_that_is_chosen_is_marked(visit):
    """While choosing: which ways remain, what warns. (Without JavaScript the whole table is read: test_30_plain.)"""
    page = visit()
    page.go("/partners/new")
    seen = {}
    for tls in ("required", "optional", "not-supported"):
        for sasl in ("required", "optional", "not-supported"):
            for dialback in ("true", "false"):
                enter(page, {"tls": tls, "sasl": sasl, "dialback": dialback})
                (row,) = page.evaluate("[...document.querySelectorAll('#matrix tr[aria-current]')].map((r) => r.dataset.row)")
                assert row == "%s/%s/%s" % (tls, sasl, dialback)
                seen[row] = page.inner_text("#matrix-says")
    assert len(set(seen)) == 18 and "EXTERNAL" in seen["required/required/false"] and "EXTERNAL" not in seen["required/not-supported/true"], seen
    page.is_fine()


def test_rules_of_access(world, visit, untouched):
    """New, shown, a user added and taken out, changed, removed."""
    page = visit()
    page.go("/access/new")
    enter(page, {"name": "Pilots", "scope": "user", "federation": "true", "xmpp": "true", "granted_to": "pia@corp.example"})
    page.click_on(PREVIEW)
    page.is_fine()
    assert page.click_on(SAVE).startswith("/access/Pilots")
    page.fill("[name=user]", "pete@corp.example")
    page.click_on("text=Add the user")
    page.is_fine()
    page.click_on(SAVE)
    assert "pete@corp.example" in page.text() and "pia@corp.example" in page.text()
    (rule,) = [r for r in world.gateway.control("access", "list")["rules"] if r["name"] == "Pilots"]
    assert rule["federation"] and rule["xmpp"] and rule["users"] == 2
    page.click_on("li:has-text('pia@corp.example') button, tr:has-text('pia@corp.example') button")
    page.click_on(SAVE)
    assert "pia@corp.example" not in page.text() and "pete@corp.example" in page.text()
    page.click_on("text=Edit")
    enter(page, {"xmpp": "false"})
    page.click_on(PREVIEW)
    page.is_fine()
    page.click_on(SAVE)
    assert "may not" in page.text()
    page.click_on("text=Remove")
    page.click_on(SAVE)
    assert "Pilots" not in page.text()
    page.is_fine()


def test_contacts_and_subscriptions(world, visit):
    """A request that waits is approved; what is between two people is ended."""
    page = visit()
    page.go("/contacts")
    page.click_on("tr:has-text('erin@public.example') a")
    page.click_on("text=Approve")
    assert "done=approved" in page.path, page.text()
    page.is_fine()
    assert world.gateway.control("contact", "show", user="frank@corp.example", contact="erin@public.example")["approved"]
    page.go("/subscriptions")
    before = len(world.gateway.control("subscription", "list")["subscriptions"])
    page.click("summary >> nth=0")
    page.click_on("details[open] button")
    page.is_fine()
    wait_until("one subscription less", lambda: len(world.gateway.control("subscription", "list")["subscriptions"]) < before, 20)


def test_streams_and_failures(world, visit):
    """A stream is closed, a failure tried again."""
    page = visit()
    page.go("/streams?domain=partner.example")
    page.click_on("main table a")
    page.click("text=Close the stream")
    before = {s["id"] for s in world.streams("partner.example")}
    page.click_on("details[open] button")
    page.is_fine()
    wait_until("the stream to go", lambda: before - {s["id"] for s in world.streams("partner.example")}, 20)
    (failure,) = world.gateway.control("failures", "list", partner="nowhere.example")["failures"]
    page.go("/failures/%d" % failure["id"])
    mark = world.edge.process.mark()
    page.click_on("text=Try again now")
    assert "done=retried" in page.path, page.text()
    page.is_fine()
    world.edge.process.wait_line("event=s2s.out-failed partner=nowhere.example", 30, mark)


def test_who_did_it(world, visit, partner):
    """In the log and in the audit page: who, from where, what."""
    page = visit()
    mark = world.gateway.process.mark()
    page.go("/partners/%s/edit" % partner)
    page.fill("[name=description]", "audited")
    page.click_on(PREVIEW)
    page.click_on(SAVE)
    line = world.gateway.process.wait_line(r"event=audit\.\w+ .*partner set %s" % partner, 20, mark)
    assert ADMIN[0] in line and "127.0.0.1" in line, line
    page.go("/audit")
    text = page.text()
    assert "partner set %s" % partner in " ".join(text.split()) and ADMIN[0] in text and "127.0.0.1" in text, text
    page.is_fine()


def test_without_the_writer_it_is_read_only(world, visit, partner, untouched):
    """It says so, with what to do about it and with the command to be typed."""
    world.stop_writer()
    try:
        page = visit()
        page.go("/partners/%s/edit" % partner)
        page.fill("[name=description]", "by nobody")
        page.click_on(PREVIEW)
        text = page.text()
        assert "Nothing was saved" in text and "xfed-panel-writer" in text, text
        page.is_fine()
        page.go("/partners/" + partner)
        assert partner in page.text()
    finally:
        world.start_writer()


def test_who_may_look_changes_nothing(world, visit, partner, untouched):
    """Even with a form of an administrator's and a token of his own."""
    page = visit(user=READER)
    token = page.evaluate("document.querySelector('[name=csrf]').value")
    for path, body in (("/partners/%s/remove" % partner, "step=save"), ("/partners/%s/edit" % partner, "step=save&was.description=mine&description=x"),
                       ("/access/Sales/remove", "step=save"), ("/contacts/remove", "user=dave@corp.example&contact=alice@partner.example"),
                       ("/configuration/reload", "")):
        status = page.evaluate("fetch('%s', {method: 'POST', headers: {'Content-Type': 'application/x-www-form-urlencoded'}, body: 'csrf=%s&%s'}).then((r) => r.status)" % (
            path, token, body))
        assert status == 403, path
    assert os.path.exists(world.partner_path(partner))
    assert [c for c in world.gateway.control("contact", "list")["contacts"] if c.get("contact") == "alice@partner.example"]
