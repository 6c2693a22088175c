"""
The panel suite: the gateway's panel in a real browser, between the peers of tests/harness.

XFED_BUILD names the build directory whose daemons are tested; XFED_LOOPBACK_DIR, when set, is where the run's files stay. Screenshots go to
build/panel-screenshots.
"""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]

from browser import Browser  # noqa: E402
from loopback.conftest import (certs, directory, dns, followed, pytest_runtest_makereport, pytest_runtest_setup, tools,  # noqa: E402,F401
                               users)
from world import ADMIN, Life, PanelInstallation  # noqa: E402

SCREENSHOTS = os.path.join(os.path.dirname(os.path.dirname(HERE)), "build", "panel-screenshots")
RESOLVER = "--host-resolver-rules=MAP *.example 127.0.0.1"  # names that others give to our address


@pytest.fixture(scope="session")
def browser(directory):
    os.makedirs(SCREENSHOTS, exist_ok=True)
    b = Browser(directory + "/browser.log", RESOLVER)
    yield b
    b.close()


@pytest.fixture(scope="session")
def panel(directory, tools, certs, dns, users):
    """panel(NAME, ...) makes an installation with a panel and starts it."""
    made = []

    def make(name, starts=True, **kwargs):
        path = "%s/%s" % (directory, name)
        os.makedirs(path)
        inst = PanelInstallation(path, tools, certs, dns, users, edge={"limits": {"connect_timeout": "1s"}}, **kwargs)
        made.append(inst)
        if starts:
            try:
                inst.start()
            finally:
                followed.extend(inst.processes())
        return inst
    yield make
    problems = []
    for inst in made:
        try:
            inst.stop()
        except AssertionError as e:
            problems.append(str(e))
    assert not problems, "\n".join(problems)


@pytest.fixture(scope="session")
def world(panel, certs, dns, users):
    """The installation most tests share, with its life."""
    inst = panel("panel")
    life = Life(inst, certs, dns, users["corp.example"])
    inst.life = life
    yield inst
    life.close()


@pytest.fixture(scope="session")
def cookies():
    """Of who has signed in, by origin and user: tries are few, and signing in costs a hash."""
    return {}


@pytest.fixture
def visit(browser, world, cookies):
    """visit(language=, scheme=, width=, script=, user=, of=) is a page of a fresh browser, at the overview where somebody has signed in."""
    contexts = []

    def make(user=ADMIN, of=None, **options):
        origin = (of or world).origin
        contexts.append(browser.context(origin, **options))
        page = contexts[-1].page()
        if user and (origin, user) in cookies:
            contexts[-1].add_cookies(cookies[origin, user])
            assert page.go("/") == 200 and page.path == "/", page.path
        elif user:
            assert sign_in(page, user) == "/", page.text()
            cookies[origin, user] = contexts[-1].cookies()
        return page
    yield make
    for context in contexts:
        context.close()


def sign_in(page, user, place="/"):
    """By the form that everybody meets who has no session. Where it leads to."""
    assert page.go(place) == 200
    assert page.path.startswith("/login"), page.path
    page.fill("[name=name]", user[0])
    page.fill("[name=password]", user[1])
    return page.click_on("main button")
