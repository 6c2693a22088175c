"""Others at the panel's door, with a real browser between: pages of other sites, foreign names, frames, stolen and old sessions, certificates."""
import http.server
import os
import threading

import pytest

from conftest import sign_in
from harness.browser import Browser as Client, add_user
from harness.proc import wait_until
from world import ADMIN, EVIL, HOST, READER


class Site:
    """A site of somebody else's, at any name of *.example: it serves what is put into it."""

    def __init__(self):
        self.pages, site = {}, self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = site.pages.get(self.path, "").encode()
                self.send_response(200 if body else 204)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer((HOST, 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def address(self, host, path="/"):
        return "http://%s:%d%s" % (host, self.server.server_port, path)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(20)


@pytest.fixture
def site():
    s = Site()
    yield s
    s.close()


FORM = """<!doctype html><title>win a prize</title><form id=f method=post enctype="%s" action="%s%s">
<input name=step value=save><input name=csrf value="%s"></form><script>document.getElementById('f').submit()</script>"""


@pytest.mark.parametrize("host", [HOST, "evil.example"])
@pytest.mark.parametrize("enctype", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"])
def test_a_form_of_another_site_changes_nothing(world, visit, site, host, enctype):
    """Sent with the session of who looks at that site: also from another port of the same host, to which browsers give the cookie."""
    page = visit()
    token = visit(user=READER).evaluate("document.querySelector('[name=csrf]').value")  # somebody's, not his
    site.pages["/"] = FORM % (enctype, world.origin, "/partners/idle.example/remove", token)
    page.goto(site.address(host))
    wait_until("the answer to the form", lambda: page.url().startswith(world.origin), 20)
    assert os.path.exists(world.partner_path("idle.example"))
    assert world.gateway.control("partner", "show", domain="idle.example")["domain"] == "idle.example"
    page.told()
    assert page.go("/") == 200 and page.path == "/", "and the session goes on"


def test_a_script_of_another_site_reads_nothing(world, visit, site):
    page = visit()
    for host in (HOST, "evil.example"):
        site.pages["/"] = "<!doctype html><title>x</title>"
        page.goto(site.address(host))
        for options in ("{credentials: 'include'}", "{credentials: 'include', method: 'POST', headers: {'Content-Type': 'application/x-www-form-urlencoded'}, body: 'a=1'}"):
            got = page.evaluate("fetch('%s/partners', %s).then((r) => r.text(), () => 'nothing')" % (world.origin, options))
            assert got == "nothing", got[:200]


@pytest.mark.parametrize("host", [HOST, "evil.example"])
def test_no_page_of_the_panel_is_in_a_frame(world, visit, site, host):
    page = visit()
    site.pages["/"] = "<!doctype html><title>x</title><iframe id=i src='%s/partners'></iframe>" % world.origin
    page.goto(site.address(host))
    assert page.evaluate("(() => { try { return document.getElementById('i').contentDocument.body.textContent } catch (e) { return '' } })()") == ""
    complaints = page.told()
    assert [c for c in complaints if "frame-ancestors" in c or "X-Frame-Options" in c], complaints


def test_a_name_that_is_led_here_is_refused(world, browser):
    """Rebinding: a foreign name with our address makes a site of the panel; it is not served under it."""
    port = world.panel[1]
    foreign = browser.context("http://evil.example:%d" % port)
    try:
        page = foreign.page()
        assert page.go("/login") == 421
        assert not page.is_visible("[name=password]") and "panel.hosts" in page.text()
    finally:
        foreign.close()


def test_cookies_are_nobody_else_s(visit):
    page = visit()
    (cookie,) = page.context.cookies()
    assert cookie["name"] == "xfed" and cookie["httpOnly"] and cookie["sameSite"] == "Strict" and cookie["path"] == "/", cookie
    assert cookie["expires"] == -1, "it ends with the browser"
    assert page.evaluate("document.cookie") == "" and page.evaluate("[...Object.keys(localStorage)].join()") in ("", "theme")


def test_signing_out_ends_it(world, visit, browser):
    """Also for a copy of the cookie, and for the button that goes back."""
    page = visit(user=None)
    sign_in(page, ADMIN)
    page.go("/configuration")
    copy = browser.context(world.origin)
    try:
        copy.add_cookies(page.context.cookies())
        page.click_on("text=Sign out")
        assert page.path.startswith("/login")
        page.is_fine()
        page.go_back()
        assert page.is_visible("[name=password]"), "nothing is kept of what was shown"
        thief = copy.page()
        thief.go("/configuration")
        assert thief.path.startswith("/login")
    finally:
        copy.close()


def test_a_session_that_another_one_ends(world, visit):
    """All sessions are listed; one of them is ended from another browser."""
    add_user(world.gateway, world.tools, "lena", "reader", "lent to somebody")
    lost, page = visit(user=None), visit()
    sign_in(lost, ("lena", "lent to somebody"))
    page.go("/sessions")
    assert "this one" in page.text() and "127.0.0.1" in page.text() and "lena" in page.text()
    page.is_fine()
    page.click_on("main tr:has-text('lena') button")
    page.is_fine()
    page.go("/sessions")
    assert "lena" not in page.text()
    lost.go("/partners")
    assert lost.path.startswith("/login")


def test_a_form_that_is_older_than_the_session(world, visit):
    """The browser has signed out and in again meanwhile: nothing is changed, and it is told what to do."""
    page = visit(user=None)
    sign_in(page, ADMIN)
    page.go("/partners/idle.example")
    page.evaluate("document.querySelectorAll('[name=csrf]').forEach((f) => { f.value = '0'.repeat(64) })")
    page.click_on("text=Remove")
    assert "Nothing was changed" in page.text(), page.text()
    assert os.path.exists(world.partner_path("idle.example"))
    page.is_fine(allowed=["403"])


def test_brute_force(panel, visit):
    """Told when it is enough, before a hash is made; known names and unknown ones are answered alike; it is in the log and the metrics."""
    own = panel("brute")
    page, told = visit(user=None, of=own), {}
    for name in (ADMIN[0], "nobody"):
        page.go("/login")
        page.fill("[name=name]", name)
        page.fill("[name=password]", "wrong")
        page.click_on("main button")
        told[name] = page.text()
        page.is_fine(allowed=["403"])
    assert told[ADMIN[0]] == told["nobody"] and "Name or password is wrong." in told["nobody"]
    client, statuses = Client(own.panel), []
    for n in range(12):
        statuses.append(client.sign_in("name%d" % n, "wrong").status)
    assert statuses[0] == 403 and statuses[-1] == 429, statuses
    page.go("/login")
    page.fill("[name=name]", ADMIN[0])
    page.fill("[name=password]", ADMIN[1])
    page.click_on("main button")
    assert "Too many attempts" in page.text()
    page.is_fine(allowed=["429"])
    own.gateway.process.wait_line("reason=panel.login.limited", 20)
    assert own.refusals("panel.login.limited") > 0
    assert [f for f in own.gateway.control("audit", "list")["audit"] if f["kind"] == "login" and f["from"] == HOST]


def test_certificates_of_clients(panel, browser, certs):
    """One of the panel's authority signs in by its name; a foreign one, an expired one, and none are asked for a password, and told to nobody."""
    leaf = certs.leaf("panel-host", "host:localhost", "ip:127.0.0.1")
    good = certs.leaf("panel-anna", "cn=Anna A", "eku=clientAuth", "host:anna.corp.example")
    foreign = certs.leaf("panel-foreign", "cn=Anna A", "by=foreign", "eku=clientAuth", "host:anna.corp.example")
    expired = certs.leaf("panel-old", "cn=Anna A", "start=20200101000000Z", "end=20210101000000Z", "eku=clientAuth", "host:anna.corp.example")
    own = panel("tls", panel={"certificate": certs.chain(leaf), "key": certs.key(leaf), "client_ca": certs.ca})
    own.gateway.ctl(own.tools, "panel", "user", "add", "Anna A", "admin", "--cert")

    def visitor(name):
        options = {"ignoreHTTPSErrors": True}
        if name:
            options["clientCertificates"] = [{"origin": own.origin, "certPath": certs.chain(name), "keyPath": certs.key(name)}]
        return browser.context(own.origin, **options)
    for name, is_known in ((good, True), (foreign, False), (expired, False), (None, False)):
        context = visitor(name)
        page = context.page()
        page.go("/partners")
        if is_known:
            assert page.path == "/partners" and "Anna A" in page.text("header"), page.text("body")
            (cookie,) = context.cookies()
            assert cookie["name"] == "__Host-xfed" and cookie["secure"] and cookie["httpOnly"] and cookie["sameSite"] == "Strict"
            page.is_fine()
        else:
            assert page.path.startswith("/login"), (name, page.path)
        context.close()
    own.gateway.process.wait_line("reason=panel.certificate.untrusted", 20)


def test_what_a_stranger_types_stays_a_text(world, visit):
    """A name that nobody has, in the audit log and in the log."""
    stranger = visit(user=None)
    stranger.go("/login?next=" + "/%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    stranger.fill("[name=name]", EVIL[:40])
    stranger.fill("[name=password]", EVIL)
    stranger.click_on("main button")
    stranger.is_fine(allowed=["403"])
    page = visit()
    for path in ("/audit", "/partners?q=%3Cscript%3Ealert(1)%3C/script%3E", "/explain?from=%3Cb%3E&to=%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E&kind=message",
                 "/explain?code=%3Cscript%3Ealert(1)%3C/script%3E", "/contacts?user=%3Cscript%3E", "/streams?domain=%3Cscript%3E", "/no/%3Cscript%3Ealert(1)%3C/script%3E",
                 "/partners/%3Cscript%3Ealert(1)%3C%2Fscript%3E", "/?done=%3Cscript%3E"):
        page.go(path)
        page.is_fine(axe=False, allowed=["404"])
        assert page.title() != "pwned"
