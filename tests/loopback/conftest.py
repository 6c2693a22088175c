"""
The loopback suite: both daemons on 127.0.0.1 between the bundled peers of tests/harness.

XFED_BUILD names the build directory whose daemons are tested; XFED_LOOPBACK_DIR, when set, is where the run's files stay.
"""
import functools
import json
import os
import shutil
import sys
import tempfile
import zlib

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # for harness/

from harness import wire  # noqa: E402
from harness.certs import Certs  # noqa: E402
from harness.daemon import Refusal  # noqa: E402
from harness.installation import Installation  # noqa: E402
from harness.mockdns import MockDns  # noqa: E402
from harness.sip import SipUser  # noqa: E402
from harness.xmpp import Partner  # noqa: E402

PROGRAMS = {"xfed-edge": "edge-proxy/xfed-edge", "xfed-gateway": "fe-gateway/xfed-gateway", "xfedctl": "xfedctl/xfedctl"}
if "PYTEST_XDIST_WORKER" in os.environ:  # several processes at a time: each has ports above those of tests/fault, which one of them runs
    low = 23000 + 1125 * (int(os.environ["PYTEST_XDIST_WORKER"][2:]) % 8)
    wire.PORTS = (low, low + 1125)


def leaves_sandbox_out():
    """What a sanitizer does at the end of a process is what a sandbox forbids: such builds have none."""
    facts = os.path.join(os.environ.get("XFED_BUILD", ""), "meson-info/intro-buildoptions.json")
    if not os.path.exists(facts):
        return False
    with open(facts, encoding="utf-8") as f:
        options = {o["name"]: o["value"] for o in json.load(f)}
    return options["b_sanitize"] != "none" or options["b_coverage"]


if leaves_sandbox_out():
    collect_ignore = ["test_93_sandbox.py"]

LONG = ["test_90_fault.py", "test_89_presence_udp.py", "test_88_presence_commands.py", "test_89_presence_watched.py", "test_91_sessions.py", "test_83_breakages_sip.py",
        "test_94_lync_hostile.py", "test_89_presence_followed.py", "test_88_life.py", "test_73_limits.py", "test_89_presence_hostile.py", "test_89_presence_policy.py"]


def pytest_collection_modifyitems(items):
    """pytest's -n hands the files out in this order: those of a minute and more come first, so that none is left over when all others are done."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


followed = []  # processes whose output a failing test shows


@pytest.fixture(scope="session")
def directory():
    path = os.environ.get("XFED_LOOPBACK_DIR")
    if path:
        path = os.path.join(path, os.environ.get("PYTEST_XDIST_WORKER", ""))  # several processes, one directory each
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        yield os.path.abspath(path)
        return
    path = tempfile.mkdtemp(prefix="xfl-")  # short: control sockets live in it
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def tools():
    build = os.environ.get("XFED_BUILD")
    assert build, "XFED_BUILD is not set: tests/run loopback sets it"
    paths = {name: os.path.join(os.path.abspath(build), path) for name, path in PROGRAMS.items()}
    absent = [p for p in paths.values() if not os.access(p, os.X_OK)]
    assert not absent, "not built: %s" % ", ".join(absent)
    return paths


@pytest.fixture(scope="session")
def certs(directory):
    os.makedirs(directory + "/ca")
    return Certs(directory + "/ca").make()


@pytest.fixture(scope="session")
def dns():
    server = MockDns()
    yield server
    server.close()


@pytest.fixture(scope="session")
def users(certs):
    """The SIP servers of our domains."""
    users = {"corp.example": SipUser("corp.example"), "corp2.example": SipUser("corp2.example"),
             "corp3.example": SipUser("corp3.example", certs=certs, leaf="sip")}
    yield users
    for user in users.values():
        user.close()


@pytest.fixture(scope="session")
def install(directory, tools, certs, dns, users):
    """install(NAME, ...) makes an installation of its own; the caller stops it."""
    def make(name, **kwargs):
        path = "%s/%s" % (directory, name)
        while os.path.exists(path):  # another file of this worker has taken the name
            path += "-"
        os.makedirs(path)
        return Installation(path, tools, certs, dns, kwargs.pop("users", users), **kwargs)
    return make


@pytest.fixture(scope="session")
def started():
    """Starts an installation and has a failing test show its logs."""
    def start(installation):
        try:
            return installation.start()
        finally:
            followed.extend(installation.processes())
    return start


@pytest.fixture(scope="session")
def xfed(install, started, certs):
    """The installation most tests share."""
    inst = install("x", edge={"limits": {"connect_timeout": "1s"}})
    inst.list_partner("partner.example")
    try:
        yield started(inst)
    finally:
        inst.stop()


@pytest.fixture(scope="session")
def new_partner(certs, dns):
    """new_partner(INSTALLATION, DOMAIN, ...) makes a server for a domain, with its certificate and DNS records."""
    made = []

    def make(inst, domain, leaf=None, names=None, **kwargs):
        if leaf is None:
            leaf = domain.split(".")[0]
            if names:  # another test may have made one of that name, with other names in it
                leaf += "-%08x" % zlib.crc32(" ".join(names).encode())
            leaf = certs.leaf(leaf, *(names or ["xmpp:" + domain]))
        partner = Partner(domain, certs, leaf, inst.s2s, **kwargs)
        made.append(partner)
        name(partner)
        return partner

    def name(partner):
        dns.xmpp(partner.domain, ("xmpp." + partner.domain, partner.port, partner.listener.address[0]))

    def give_back():
        """The name of the shared one is its own again, for the edge that all share too: that may have dialled another in the meantime."""
        others = [p for p in made if p.domain == "partner.example" and p is not make.shared]
        for other in others:
            other.close()
            made.remove(other)
        if others and make.shared:
            name(make.shared)
    make.shared, make.give_back = None, give_back
    yield make
    for partner in made:
        partner.close()


@pytest.fixture(scope="session")
def partner(xfed, new_partner):
    """The partner everything works with."""
    new_partner.shared = new_partner(xfed, "partner.example", leaf="partner")
    return new_partner.shared


@pytest.fixture(scope="module", autouse=True)
def partner_is_itself(new_partner):
    """Files with installations of their own have partners of that name of their own."""
    yield
    new_partner.give_back()


@pytest.fixture(scope="module", autouse=True)
def our_names_are_free(dns, users):
    """What a file says of our domains in DNS is not there for the next one, whichever that is."""
    yield
    dns.clear_below(*users)


@pytest.fixture
def listed(xfed, new_partner):
    """listed(DOMAIN, file=..., ...) makes a partner of the shared installation that policy lists, for one test."""
    mine = []

    def make(domain, file=None, **kwargs):
        xfed.list_partner(domain, **(file or {}))
        mine.append(new_partner(xfed, domain, **kwargs))
        xfed.reload()
        return mine[-1]
    yield make
    for p in mine:
        p.close()
        if os.path.exists(xfed.partner_path(p.domain)):
            xfed.unlist_partner(p.domain)  # with the next reload


@pytest.fixture
def user(users):
    """The SIP user of corp.example (TCP), answering 200."""
    user = users["corp.example"]
    yield user
    user.answer = 200


@pytest.fixture
def flow(xfed, user):
    """A TCP connection of that user to the gateway."""
    flow = user.dial(xfed.sip)
    yield flow
    flow.close()


@pytest.fixture
def refusal(xfed):
    """`with refusal(CODE, WORDS):` a refusal for that reason has to be logged and counted in the block."""
    return functools.partial(Refusal, xfed)


@pytest.fixture(autouse=True)
def still_running(request):
    """After a crash every wait would run into its bound: say so at once instead."""
    if "xfed" in request.fixturenames:
        inst = request.getfixturevalue("xfed")
        for daemon in (inst.edge, inst.gateway):
            if daemon.process is not None and not daemon.process.is_running:
                pytest.fail("%s has exited with %s" % (daemon.name, daemon.process.child.poll()), pytrace=False)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    item.log_marks = {p: p.mark() for p in followed}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for process in followed:
            since = getattr(item, "log_marks", {}).get(process, 0)
            lines = process.lines[since:]
            if lines:
                report.sections.append(("log of %s during the test, last %d of %d lines" % (
                    process.name, min(60, len(lines)), len(lines)), "\n".join(lines[-60:])))
