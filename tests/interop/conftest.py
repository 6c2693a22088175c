"""
The interop suite: real Prosody and Kamailio around one edge and one gateway, each in its own network namespace.

XFED_BUILD names the build directory whose daemons are tested; XFED_INTEROP_DIR, when set, is where the run's logs stay.
Without the rights to make network namespaces, or without a peer, every test is skipped with the reason (and a skip
counts as a failure where CI=true).
"""
import functools
import os
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # for harness/

from harness.daemon import Refusal

from lab.daemons import Installation, partner_yaml
from lab.lab import Lab
from lab.net import run

PEERS = ("prosody", "erl", "ejabberdctl", "jabberd2-s2s", "kamailio", "baresip", "knotd", "kdig", "unbound", "nft", "openssl")
PROGRAMS = {"xfed-edge": "edge-proxy/xfed-edge", "xfed-gateway": "fe-gateway/xfed-gateway",
            "xfedctl": "xfedctl/xfedctl"}
followed = []  # processes whose output a failing test shows


def why_not_here():
    missing = [p for p in PEERS if shutil.which(p, path="/usr/sbin:/usr/bin:/sbin:/bin") is None]
    if missing:
        return "not installed: %s (packaging/install-deps test)" % ", ".join(missing)
    probe = "xf%d-probe" % os.getpid()
    try:
        run("ip", "netns", "add", probe)
        run("ip", "netns", "del", probe)
    except (RuntimeError, OSError) as e:
        return "no network namespaces: %s" % e
    return None


@pytest.fixture(scope="session")
def directory():
    path = os.environ.get("XFED_INTEROP_DIR")
    if path:
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        yield os.path.abspath(path)
        return
    path = tempfile.mkdtemp(prefix="xfi-")  # short: control sockets live in it
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def lab(directory):
    reason = why_not_here()
    if reason:
        pytest.skip(reason)
    lab = Lab(directory, followed.append).start()
    yield lab
    lab.stop()


@pytest.fixture(scope="session")
def tools():
    build = os.environ.get("XFED_BUILD")
    assert build, "XFED_BUILD is not set: tests/run interop sets it"
    paths = {name: os.path.join(os.path.abspath(build), path) for name, path in PROGRAMS.items()}
    absent = [p for p in paths.values() if not os.access(p, os.X_OK)]
    assert not absent, "not built: %s" % ", ".join(absent)
    return paths


@pytest.fixture(scope="session")
def xfed(lab, tools, directory):
    inst = Installation(lab.net, directory, lab.certs, tools)
    try:
        inst.start()
        followed[:0] = [inst.edge.process, inst.gateway.process]
        yield inst
    finally:
        followed[:0] = [d.process for d in (inst.edge, inst.gateway) if d.process and d.process not in followed]
        inst.stop()


@pytest.fixture(autouse=True)
def still_running(request):
    """After a crash every wait would run into its bound: say so at once instead."""
    if "xfed" in request.fixturenames:
        inst = request.getfixturevalue("xfed")
        for daemon in (inst.edge, inst.gateway):
            if daemon.process is not None and not daemon.process.is_running:
                pytest.fail("%s has exited with %s" % (daemon.name, daemon.process.child.poll()), pytrace=False)


@pytest.fixture(scope="module")
def partners(xfed):
    """partners({DOMAIN: ROW of the negotiation matrix}) lists partners for the tests of one module."""
    listed = set()

    def list_them(rows):
        listed.update(rows)
        for domain, row in rows.items():
            xfed.list_partner(domain, partner_yaml(row))
        xfed.reload_and_wait()
    yield list_them
    for domain in listed:
        xfed.unlist_partner(domain)
    xfed.reload_and_wait()


@pytest.fixture
def alice(lab):
    return lab.user("alice")


@pytest.fixture
def dave(lab):
    return lab.user("dave")


@pytest.fixture
def refusal(xfed):
    """`with refusal(CODE, WORDS):` a refusal for that reason has to be logged and counted in the block."""
    return functools.partial(Refusal, xfed)


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
