"""Without a mouse: what has the focus is seen, everything is reached, and a partner can be added."""
import os

from test_10_pages import pages
from world import ADMIN

TABBABLE = "[...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')].filter((e) => e.checkVisibility() && !e.disabled)"
# Of radio buttons of one name the tabulator reaches one.
COUNT = "((all) => new Set(all.map((e) => e.type === 'radio' ? e.name : e)).size)(%s)" % TABBABLE


def tab_to(page, what, most=120):
    """Until what(focused) holds; whatever has the focus on the way is marked and in view."""
    for _ in range(most):
        page.press("Tab")
        at = page.focused()
        assert at is None or at["isMarked"], "the focus is not seen on %s" % at
        assert at is None or at["isInView"], "the focus is outside of the window on %s" % at
        if at and what(at):
            return at
    raise AssertionError("%d times Tab does not lead there" % most)


def test_everything_is_reached(world, visit):
    """The link past the navigation comes first; each link, button and field has the focus once; nothing keeps it."""
    page = visit(width=360, height=640)
    for name, path in pages(world).items():
        if name in ("partner-check-expired", "partner-evil", "partner-idle", "explain-closed", "partner-edit"):
            continue  # as others of its kind
        page.go(path)
        wanted, reached = page.evaluate(COUNT), []
        while len(reached) <= wanted:
            page.press("Tab")
            at = page.focused()
            if at is None or at["id"] in reached:
                break
            assert at["isMarked"] and at["isInView"], (path, at)
            if not reached:
                assert at["href"] == "#main", (path, at)
            reached.append(at["id"])
        assert len(reached) == wanted, "%s: %d of %d are reached" % (path, len(reached), wanted)


def test_the_navigation_can_be_skipped(visit):
    page = visit()
    page.press("Tab")
    page.press("Enter")
    page.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_a_partner_is_added(world, visit):
    """From signing in to the partner's page, by keys alone."""
    page = visit(user=None, scheme="dark")
    page.go("/partners/new")
    tab_to(page, lambda at: at["field"] == "name")
    page.type(ADMIN[0])
    tab_to(page, lambda at: at["field"] == "password")
    page.type(ADMIN[1])
    assert page.press_on("Enter") == "/partners/new", "it leads to where one wanted to go"
    tab_to(page, lambda at: at["field"] == "domain")
    page.type("keys.example")
    tab_to(page, lambda at: at["field"] == "sasl")
    page.press("ArrowLeft")
    assert page.input_value("[name=sasl]:checked") == "required"
    tab_to(page, lambda at: at["field"] == "dialback")
    page.press("ArrowRight")
    tab_to(page, lambda at: at["tag"] == "button" and at["name"] == "Show what will change")
    page.press_on("Enter")
    page.is_fine()
    assert "+sasl: required" in page.text() and not os.path.exists(world.partner_path("keys.example"))
    tab_to(page, lambda at: at["name"] == "Save and put into force")
    assert page.press_on("Enter").startswith("/partners/keys.example")
    page.is_fine()
    assert os.path.exists(world.partner_path("keys.example"))
    assert world.gateway.control("partner", "show", domain="keys.example")["sasl"] == "required"
    world.unlist_partner("keys.example")
    world.reload()
