"""Every page in every look: what a browser, axe-core and the policy of the page have to say of it; and a picture of each."""
import os
import re

import pytest

from conftest import SCREENSHOTS
from harness.proc import wait_until
from world import EVIL, READER

# Between them each language, theme and width meets each of the others.
LOOKS = [("en", "light", 1280), ("de", "light", 360), ("en", "dark", 360), ("de", "dark", 1280)]
ROUTES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../fe-gateway/panel/route.c")
PAIR = "user=dave@corp.example&contact=alice@partner.example"


def pages(world):
    """Path of the picture -> what is asked for."""
    failures = world.gateway.control("failures", "list")["failures"]
    stream = world.streams("partner.example")[0]
    expired = next(f["id"] for f in failures if f.get("partner") == "expired.example" or f.get("remote") == "expired.example")
    return {
        "overview": "/", "partners": "/partners", "partners-found": "/partners?q=idle", "partner-new": "/partners/new", "partner": "/partners/partner.example",
        "partner-idle": "/partners/idle.example", "partner-evil": "/partners/expired.example", "partner-edit": "/partners/idle.example/edit",
        "partner-check": "/partners/partner.example/check", "partner-check-expired": "/partners/expired.example/check",
        "access": "/access", "access-new": "/access/new", "access-rule": "/access/Sales", "access-edit": "/access/Sales/edit",
        "contacts": "/contacts", "contacts-pair": "/contacts/pair?" + PAIR, "subscriptions": "/subscriptions",
        "failures": "/failures", "failure": "/failures/%d" % expired, "streams": "/streams",
        "stream": "/streams/show?id=%s" % stream["id"], "certificates": "/certificates",
        "explain": "/explain", "explain-passes": "/explain?from=dave@corp.example&to=alice@partner.example&kind=message",
        "explain-closed": "/explain?from=dave@corp.example&to=bob@expired.example&kind=message", "explain-code": "/explain?code=policy.partner.unlisted",
        "audit": "/audit", "configuration": "/configuration", "sessions": "/sessions",
    }


def picture(page, name, language, scheme, width):
    page.screenshot({"path": "%s/%s.%s.%s.%d.png" % (SCREENSHOTS, name, language, scheme, width), "fullPage": True})


@pytest.mark.parametrize("language, scheme, width", LOOKS)
def test_every_page(world, visit, language, scheme, width):
    wait_until("figures of the traffic", lambda: world.gateway.control("traffic", "list")["samples"], 30)
    page, bad = visit(user=None, language=language, scheme=scheme, width=width), []

    def look(name, path, status=200):
        if page.go(path) != status:
            bad.append("%s is answered by another status than %d" % (path, status))
        bad.extend("%s: %s" % (path, c) for c in page.complaints(True) if status == 200 or " %d " % status not in c)
        if page.get_attribute("html", "lang") != language or " · xfed" not in page.title() or not page.text("h1"):
            bad.append("%s has the title %r, in %r" % (path, page.title(), page.get_attribute("html", "lang")))
        picture(page, name, language, scheme, width)
    look("login", "/login")
    page = visit(language=language, scheme=scheme, width=width)
    for name, path in pages(world).items():
        look(name, path)
    look("error", "/no/such/page", 404)
    assert not bad, "\n".join(bad)


def test_every_route_is_visited(world):
    with open(ROUTES, encoding="utf-8") as f:
        routes = re.findall(r'GET\("([^"]+)"', f.read())
    assert len(routes) > 15
    visited = [path.split("?")[0] for path in pages(world).values()] + ["/live"]
    for route in routes:
        pattern = re.compile(re.escape(route).replace(r"\*", "[^/]+") + "$")
        assert any(pattern.match(path) for path in visited), "no test goes to " + route


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_first_page_is_small(visit, language):
    """Of a browser that has nothing yet: signing in, and what comes behind it."""
    page = visit(language=language)
    assert page.path == "/"
    assert page.bytes() < 60 * 1024, page.bytes()
    fresh = visit(user=None, language=language)
    fresh.go("/login")
    assert fresh.bytes() < 60 * 1024, fresh.bytes()


def test_what_is_chosen_of_the_colours_stays(visit):
    page = visit(scheme="light")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.click("#theme [data-theme=dark]")
    dark = page.evaluate(background)
    assert light != dark
    page.go("/partners")
    assert page.evaluate(background) == dark and page.get_attribute("#theme [data-theme=dark]", "aria-pressed") == "true"
    page.is_fine()
    other = visit(scheme="dark")
    assert other.evaluate(background) == dark, "the same colours, whoever has chosen them"


def test_figures_are_live(world, visit):
    """Without loading the page anew."""
    page = visit()
    shown = "[...document.querySelectorAll('[data-live]')].map((e) => e.textContent).join('|')"
    before = page.evaluate(shown)
    for n in range(3):
        world.life.partner.say("alice", "dave@corp.example", "to be counted %d" % n)
        world.life.user.wait_text("to be counted %d" % n)
    wait_until("the figures to move", lambda: page.evaluate(shown) != before, 60)
    page.is_fine()
    page.set_viewport_size({"width": 1040, "height": 700})
    page.screenshot({"path": SCREENSHOTS + "/readme.png"})  # packaging/docs/panel.png is one of these


def test_every_page_of_the_other_role(world, visit):
    """Who may look sees all that there is to see, and no form that changes something."""
    page = visit(user=READER)
    for name, path in pages(world).items():
        is_form = path.endswith(("/new", "/edit"))
        assert page.go(path) == (403 if is_form else 200), path
        page.is_fine(axe=False, allowed=["403"])
        forms = page.evaluate("[...document.querySelectorAll('form[method=post]')].map((f) => new URL(f.action).pathname)")
        assert set(forms) <= {"/logout", "/sessions/end"}, (path, forms)


def test_texts_of_others_stay_texts(world, visit):
    """What a partner, a stranger or a colleague has written is shown as it is."""
    page = visit()
    for path in ("/partners", "/partners/expired.example", "/partners/expired.example/edit"):
        page.go(path)
        shown = page.text() if not path.endswith("edit") else page.input_value("[name=description]")
        assert EVIL in shown, path
        page.is_fine(axe=False)
        assert page.title() != "pwned"
