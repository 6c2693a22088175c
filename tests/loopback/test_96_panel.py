"""The panel's server: who is let in, what is refused, and that messages do not feel it."""
import os
import re
import socket
import stat
import subprocess
import threading
import time

import pytest

from harness.browser import Browser, add_user, context
from harness.installation import HOST
from harness.proc import clean_environment, wait_until
from harness.wire import free_port

PASSWORD = "correct horse battery staple"


def with_panel(install, name, **panel):
    inst = install(name)
    inst.panel = (HOST, free_port())
    inst.gateway_config["panel"] = {"listen": "%s:%d" % inst.panel, "users_file": inst.dir + "/panel.users", **panel}
    inst.write_configs()
    inst.list_partner("partner.example")
    return inst


@pytest.fixture(scope="module")
def own(install, started, tools):
    inst = with_panel(install, "panel")
    try:
        started(inst)
        add_user(inst.gateway, tools, "anna", "admin", PASSWORD)
        add_user(inst.gateway, tools, "rolf", "reader", PASSWORD)
        yield inst
    finally:
        inst.stop()


def signed_in(inst, name="anna", **kwargs):
    b = Browser(inst.panel, **kwargs)
    answer = b.sign_in(name, PASSWORD)
    assert answer.status == 303 and answer.location == "/", answer.text()
    return b


def log(inst, pattern, since=0):
    return inst.gateway.process.wait_line(pattern, 20, since)


def ctl_user(inst, tools, *words, password=""):
    done = subprocess.run([tools["xfedctl"], "--socket", inst.gateway.socket, "panel", "user", *words], input=password + "\n", text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, env=clean_environment(), check=False)
    return done.returncode, done.stdout


# ---- before there is anybody ----

def test_nobody_can_sign_in_yet_and_status_says_so(install, started, tools):
    inst = with_panel(install, "panel0")
    try:
        started(inst)
        problems = inst.gateway.control("status")["problems"]
        assert [p["text"] for p in problems if p["reason"] == "panel.users.none"], problems
        assert Browser(inst.panel).sign_in("anna", PASSWORD).status == 403
        told = add_user(inst.gateway, tools, "anna", "admin", PASSWORD)
        assert "saved, and in force" in told and "$y$" not in told, told
        assert stat.S_IMODE(os.stat(inst.dir + "/panel.users").st_mode) == 0o640
        signed_in(inst)
        assert not [p for p in inst.gateway.control("status")["problems"] if p["reason"].startswith("panel.")]
    finally:
        inst.stop()


# ---- signing in ----

def test_a_page_asks_who_one_is_and_goes_on_to_it(own):
    b = Browser(own.panel)
    asked = b.get("/partners/partner.example?a=1")
    assert (asked.status, asked.location) == (303, "/login?next=%2Fpartners%2Fpartner.example%3Fa%3D1".replace("%2F", "/"))
    page = b.get(asked.location)
    assert page.status == 200 and 'name="password"' in page.body
    answer = b.sign_in("anna", PASSWORD, next="/partners/partner.example?a=1")
    assert (answer.status, answer.location) == (303, "/partners/partner.example?a=1")
    assert b.get("/").status == 200


@pytest.mark.parametrize("where", ["//evil.example/", "/\\evil.example", "https://evil.example/", "javascript:1", "/a\r\nX: y", ""])
def test_nobody_is_led_elsewhere(own, where):
    answer = Browser(own.panel).sign_in("anna", PASSWORD, next=where)
    assert (answer.status, answer.location) == (303, "/")


def test_the_cookie_and_the_headers(own):
    b = Browser(own.panel)
    answer = b.sign_in("anna", PASSWORD)
    assert re.fullmatch(r"xfed=[0-9a-f]{64}; Path=/; HttpOnly; SameSite=Strict", answer.headers["set-cookie"])
    page = b.get("/")
    policy = page.headers["content-security-policy"]
    for part in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'",
                 "require-trusted-types-for 'script'", "trusted-types 'none'"):
        assert part in policy
    assert "unsafe" not in policy
    assert page.headers["cache-control"] == "no-store" and page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "same-origin" and page.headers["cross-origin-opener-policy"] == "same-origin"
    asset = re.search(r'href="(/assets/[^"]+\.css)"', page.body).group(1)
    got = Browser(own.panel).get(asset)
    assert got.status == 200 and "immutable" in got.headers["cache-control"]
    assert Browser(own.panel).get(asset, headers={"If-None-Match": got.headers["etag"]}).status == 304


def test_a_wrong_password_and_an_unknown_name_are_answered_alike(own):
    mark = own.gateway.process.mark()
    wrong = Browser(own.panel).sign_in("anna", "no")
    unknown = Browser(own.panel).sign_in("nobody", "no")
    assert wrong.status == unknown.status == 403 and wrong.body == unknown.body
    log(own, r"event=audit.login login=anna from=127.0.0.1 reason=panel.login.refused", mark)
    log(own, r"event=audit.login from=127.0.0.1 reason=panel.login.refused", mark)


def test_who_signs_in_rightly_does_not_use_up_tries(own):
    for _ in range(12):
        signed_in(own, source="127.0.0.44")


def test_who_signs_in_and_out_is_in_the_log(own):
    mark = own.gateway.process.mark()
    b = signed_in(own)
    log(own, r"info event=audit.login login=anna from=127.0.0.1 role=admin method=password", mark)
    old = b.cookie
    out = b.submit("/", "/logout")
    assert (out.status, out.location) == (303, "/login") and "Max-Age=0" in out.headers["set-cookie"]
    log(own, r"event=audit.logout login=anna", mark)
    b.cookie = old
    assert b.get("/").location == "/login"


# ---- who may ----

def test_a_form_of_nobody_changes_nothing(own):
    b = signed_in(own)
    for token in ({}, {"csrf": "0" * 64}, {"csrf": signed_in(own).get("/").token()}):
        answer = b.post("/configuration/reload", token)
        assert answer.status == 403, answer.text()
    elsewhere = b.post("/configuration/reload", {"csrf": b.get("/").token()}, headers={"Origin": "https://evil.example"})
    assert elsewhere.status == 403
    site = b.post("/configuration/reload", {"csrf": b.get("/").token()}, headers={"Sec-Fetch-Site": "cross-site"})
    assert site.status == 403
    mark = own.gateway.process.mark()
    assert b.submit("/", "/configuration/reload").status in (200, 303)
    log(own, r"event=audit.command login=anna from=127.0.0.1 noun=reload", mark)


def test_a_reader_looks_and_changes_nothing(own):
    b = signed_in(own, "rolf")
    assert b.get("/").status == 200
    assert b.submit("/", "/configuration/reload").status == 403
    assert b.get("/partners/new").status == 403


def test_sessions_are_listed_and_ended(own):
    anna, rolf = signed_in(own), signed_in(own, "rolf")
    assert 'anna' not in re.sub(r"<script.*?</script>", "", rolf.get("/sessions").body)
    page = anna.get("/sessions")
    assert "rolf" in page.text()
    ids = re.findall(r'name="id" value="(\d+)"', page.body)
    for number in ids:
        if rolf.get("/").status != 200:
            break
        if number in re.findall(r'name="id" value="(\d+)"', rolf.get("/sessions").body):
            assert anna.submit("/", "/sessions/end", id=number).location == "/sessions"
    assert rolf.get("/").location == "/login"
    assert anna.get("/").status == 200


def test_nobody_has_more_sessions_than_a_few(own):
    first = signed_in(own, "rolf")
    for _ in range(16):
        signed_in(own, "rolf")
    assert first.get("/").location == "/login"


def test_a_user_who_is_removed_is_signed_out_and_so_is_one_with_another_password(own, tools):
    add_user(own.gateway, tools, "gone", "reader", PASSWORD)
    gone = signed_in(own, "gone")
    rolf = signed_in(own, "rolf")
    status, text = ctl_user(own, tools, "passwd", "gone", password=PASSWORD + "2")
    assert status == 0, text
    assert gone.get("/").location == "/login" and rolf.get("/").status == 200
    assert gone.sign_in("gone", PASSWORD + "2").status == 303
    assert ctl_user(own, tools, "remove", "gone")[0] == 0
    assert gone.get("/").location == "/login"
    status, text = ctl_user(own, tools, "list")
    assert status == 0 and "anna" in text and "gone" not in text and "$y$" not in text
    assert ctl_user(own, tools, "add", "anna", "reader", password="x")[0] == 1
    assert ctl_user(own, tools, "add", "a:b", "reader", password="x")[0] == 1
    assert ctl_user(own, tools, "add", "new", "reader", password="")[0] == 1


# ---- names ----

def test_a_foreign_name_is_refused(own):
    port = own.panel[1]
    mark = own.gateway.process.mark()
    for host in ("evil.example", "evil.example:%d" % port, "127.0.0.1.evil.example", "192.0.2.1:%d" % port, ""):
        assert Browser(own.panel, host=host or " ").get("/login").status == 421, host
    for host in ("localhost:%d" % port, "LOCALHOST", "127.0.0.1", "127.0.0.1:%d" % port, socket.gethostname()):
        assert Browser(own.panel, host=host).get("/login").status == 200, host
    log(own, r"event=panel.refused .*reason=panel.host.unknown", mark)


def test_a_name_is_added_by_a_reload(own):
    assert Browser(own.panel, host="panel.corp.example").get("/login").status == 421
    b = signed_in(own)
    own.gateway_config["panel"]["hosts"] = ["panel.corp.example"]
    own.write_configs_of_gateway()
    own.reload()
    wait_until("the new name", lambda: Browser(own.panel, host="panel.corp.example").get("/login").status == 200, 20)
    assert b.get("/").status == 200  # sessions stay


# ---- what no browser sends ----

@pytest.mark.parametrize("method,path,kwargs,status", [
    ("DELETE", "/", {}, 405),
    ("GET", "/%zz", {}, 400),
    ("GET", "/a/b/c/d/e/f", {}, 400),
    ("GET", "/nothing-there", {}, 404),
    ("GET", "/?a=%00", {}, 400),
    ("POST", "/login", {"raw": "a=1&" * 300, "headers": {"Content-Type": "application/x-www-form-urlencoded"}}, 413),
    ("GET", "/" + "a" * 4000, {}, 414),
    ("POST", "/login", {"raw": "{}", "headers": {"Content-Type": "application/json"}}, 415),
    ("POST", "/login", {"fields": {"name": "a" * 70000}}, 413),
    ("POST", "/login", {"fields": {"name": "a" * 100, "password": "b"}}, 403),
    ("POST", "/login", {"raw": "name=%ff", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}, 400),
])
def test_bad_requests(own, method, path, kwargs, status):
    answer = Browser(own.panel).ask(method, path, **kwargs)
    assert answer.status == status, answer.text()


# ---- who tries ----

def test_brute_force_ends_by_address_and_by_name(install, started, tools):
    inst = with_panel(install, "panelb")
    try:
        started(inst)
        add_user(inst.gateway, tools, "anna", "admin", PASSWORD)
        add_user(inst.gateway, tools, "rolf", "reader", PASSWORD)
        signed_in(inst, source="127.0.0.9")
        one = Browser(inst.panel, source="127.0.0.2")
        statuses = [one.sign_in("name%d" % i, "no").status for i in range(12)]
        assert statuses[:10] == [403] * 10 and statuses[10:] == [429] * 2
        assert one.sign_in("rolf", PASSWORD).status == 429  # right, and too late
        statuses = []
        for i in range(12):
            statuses.append(Browser(inst.panel, source="127.0.%d.1" % (i + 1)).sign_in("anna", "no").status)
        assert statuses.count(429) >= 2 and 303 not in statuses
        signed_in(inst, source="127.0.0.9")  # where she was before
        assert inst.gateway.metric("xfed_panel_logins_total", result="limited") >= 5
        assert inst.gateway.metric("xfed_refusals_total", reason="panel.login.limited") >= 5
    finally:
        inst.stop()


# ---- TLS and client certificates ----

@pytest.fixture(scope="module")
def tls(install, started, tools, certs):
    certs.leaf("panel-anna", "eku=clientAuth", "host:anna.people.example")
    certs.leaf("panel-nobody", "eku=clientAuth", "host:nobody.people.example")
    certs.leaf("panel-foreign", "by=foreign", "eku=clientAuth", "host:anna.people.example")
    certs.leaf("panel-server", "eku=serverAuth", "host:anna.people.example")
    certs.leaf("panel-host", "host:localhost", "ip:127.0.0.1")
    inst = with_panel(install, "panelt", certificate=certs.chain("panel-host"), key=certs.key("panel-host"), client_ca=certs.ca)
    try:
        started(inst)
        add_user(inst.gateway, tools, "anna.people.example", "admin")
        add_user(inst.gateway, tools, "rolf", "reader", PASSWORD)
        yield inst
    finally:
        inst.stop()


def test_with_tls_the_cookie_is_for_this_host_alone(tls, certs):
    b = Browser(tls.panel, tls=context(certs))
    answer = b.sign_in("rolf", PASSWORD)
    assert re.fullmatch(r"__Host-xfed=[0-9a-f]{64}; Path=/; HttpOnly; SameSite=Strict; Secure", answer.headers["set-cookie"])
    assert b.get("/").status == 200


def test_a_certificate_signs_in(tls, certs):
    mark = tls.gateway.process.mark()
    b = Browser(tls.panel, tls=context(certs, "panel-anna"))
    assert b.get("/").status == 200 and b.cookie
    log(tls, r"event=audit.login login=anna.people.example from=127.0.0.1 role=admin method=certificate", mark)
    bare = Browser(tls.panel, tls=context(certs))
    bare.cookie = b.cookie
    assert bare.get("/").location == "/login"  # the cookie alone is not enough


@pytest.mark.parametrize("leaf,reason", [("panel-foreign", "panel.certificate.untrusted"), ("panel-server", "panel.certificate.untrusted"),
                                         ("panel-nobody", "panel.certificate.unknown")])
def test_other_certificates_do_not(tls, certs, leaf, reason):
    mark = tls.gateway.process.mark()
    b = Browser(tls.panel, tls=context(certs, leaf))
    assert b.get("/").location == "/login"
    log(tls, "reason=" + re.escape(reason), mark)


def test_the_certificate_is_replaced_by_a_reload(tls, certs):
    old = certs.chain("panel-host")
    certs.leaf("panel-host2", "host:localhost", "ip:127.0.0.1")
    tls.gateway_config["panel"].update(certificate=certs.chain("panel-host2"), key=certs.key("panel-host2"))
    tls.write_configs_of_gateway()
    tls.reload()

    def shown():
        with socket.create_connection(tls.panel, timeout=20) as s, context(certs).wrap_socket(s, server_hostname="localhost") as t:
            return t.getpeercert()["serialNumber"]
    assert old != certs.chain("panel-host2")
    serial = subprocess.run(["openssl", "x509", "-noout", "-serial", "-in", certs.chain("panel-host2")], stdout=subprocess.PIPE, text=True,
                            check=True).stdout.strip().split("=")[1]
    wait_until("the new certificate", lambda: int(shown(), 16) == int(serial, 16), 20)


# ---- load ----

def test_the_server_is_on_a_thread_of_low_priority(own):
    Browser(own.panel).get("/login")
    pid = own.gateway.process.child.pid
    nice = {}
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/stat" % (pid, task), encoding="utf-8") as f:
            nice[int(task)] = int(f.read().rsplit(")", 1)[1].split()[16])
    low = [t for t, n in nice.items() if n == 19]
    assert len(low) == 1 and low != [pid], nice


def test_slow_clients_go(own):
    """Each byte would begin the library's own time-out anew."""
    with socket.create_connection(own.panel, timeout=60) as s:
        s.sendall(b"GET /login HTTP/1.1\r\nHost: localhost\r\nX: ")
        began = time.monotonic()

        def drip():
            try:
                while True:
                    s.sendall(b"a")
                    if stop.wait(0.5):
                        return
            except OSError:
                return
        stop = threading.Event()
        t = threading.Thread(target=drip)
        t.start()
        try:
            assert s.recv(1000) == b""
        except ConnectionError:
            pass
        finally:
            stop.set()
            t.join()
        assert time.monotonic() - began > 15
    wait_until("the refusal in the log", lambda: own.gateway.metric("xfed_refusals_total", reason="panel.request.slow") >= 1, 20)


def test_a_thousand_connections_keep_nobody_out_and_hold_up_no_message(own, new_partner, users):
    """They come from two networks: each has a share."""
    held, partner = [], new_partner(own, "partner.example", leaf="partner")
    partner.say("alice", "dave@corp.example", "before the crowd")
    users["corp.example"].wait_text("before the crowd")
    try:
        for i in range(1000):
            s = socket.socket()
            s.settimeout(20)
            s.bind(("127.0.%d.%d" % (70 + i % 2, 10 + i % 5), 0))
            s.connect(own.panel)
            held.append(s)
        wait_until("refused connections", lambda: own.gateway.metric("xfed_refusals_total", reason="panel.connections.exceeded") > 100, 20)
        assert own.gateway.metric("xfed_panel_connections") <= 128
        assert Browser(own.panel, source="127.9.9.9").get("/login").status == 200
        for i in range(20):
            partner.say("alice", "dave@corp.example", "through the crowd %d" % i)
            users["corp.example"].wait_text("through the crowd %d" % i)
        assert own.gateway.control("status")["state"] == "in-service"
    finally:
        for s in held:
            s.close()
