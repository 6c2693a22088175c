"""packaging/demo: the first ten minutes of a newcomer."""
import os
import shutil
import signal
import subprocess
import tempfile

import pytest

from conftest import TOP
from harness.browser import Browser

VERDICTS = (" ok", " FAILED")


def verdicts(text):
    return [line for line in text.splitlines() if line.startswith("  ") and not line.startswith("      ") and line.endswith(VERDICTS)]


@pytest.fixture
def own_tmp():
    """What the demo leaves behind would be found here."""
    path = tempfile.mkdtemp(prefix="xfd-")
    yield path
    shutil.rmtree(path, ignore_errors=True)


def demo(tree, *words, tmp):
    return subprocess.run([tree + "/packaging/demo", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=600, env=dict(os.environ, TMPDIR=tmp), check=False)


def running(word):
    """Processes whose command line contains a word."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                line = f.read().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if word in line:
            found.append(line)
    return found


def test_once(own_tmp):
    done = demo(TOP, "--once", tmp=own_tmp)
    assert done.returncode == 0, done.stdout[-6000:]
    lines = verdicts(done.stdout)
    assert len(lines) >= 10 and all(line.endswith(" ok") for line in lines), lines
    for words in ("XMPP to SIP", "SIP to XMPP", "a refusal", "policy.partner.unlisted", "xfedctl status"):
        assert words in done.stdout
    assert os.listdir(own_tmp) == [] and not running(own_tmp)


def test_once_in_the_lync_dialect(own_tmp):
    """The same conversation, in sessions."""
    done = demo(TOP, "--lync", "--once", tmp=own_tmp)
    assert done.returncode == 0, done.stdout[-6000:]
    lines = verdicts(done.stdout)
    assert len(lines) >= 18 and all(line.endswith(" ok") for line in lines), lines
    for words in ("opens a session", "INVITE sip:dave@corp.example", "m=message ", "alice types", "dave types", "another session",
                  "application/sdp", "/sip/categories", "policy.partner.unlisted"):
        assert words in done.stdout, words
    assert os.listdir(own_tmp) == [] and not running(own_tmp)


def test_stays_until_interrupted(own_tmp):
    child = subprocess.Popen([TOP + "/packaging/demo"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             start_new_session=True, env=dict(os.environ, TMPDIR=own_tmp),
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # ignored below a shell's background job
    try:
        said = ""
        for line in child.stdout:
            said += line
            if "tail -f" in line:
                break
        assert "Everything stays up" in said, said[-6000:]
        address, login = next(line for line in said.splitlines() if line.startswith("  http://127.0.0.1:")).split("/        ")
        name, password = login.replace("name ", "").split(", password ")
        browser = Browser(("127.0.0.1", int(address.rsplit(":", 1)[1])))
        assert browser.sign_in(name, password).status == 303 and "partner.example" in browser.get("/partners").body
        hint = next(line.split() for line in said.splitlines() if line.endswith("/gw1.sock status"))
        status = subprocess.run(hint, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20, check=False)
        assert status.returncode == 0 and "in service" in status.stdout, status.stdout
        os.killpg(child.pid, signal.SIGINT)  # what Ctrl-C does
        assert child.wait(60) == 0, child.stdout.read()
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait(60)
        child.stdout.close()
    assert os.listdir(own_tmp) == [] and not running(own_tmp)


def test_a_step_that_fails_is_told(own_tmp):
    """A tree whose conversation expects something else: FAILED at that step, the logs' ends, exit status 1, nothing left."""
    tree = os.path.join(own_tmp, "tree")
    os.makedirs(tree + "/packaging")
    for name in ("demo", "install-deps"):
        shutil.copy(os.path.join(TOP, "packaging", name), tree + "/packaging")
    shutil.copytree(TOP + "/tests/harness", tree + "/tests/harness")
    shutil.copytree(TOP + "/tests/certs", tree + "/tests/certs")
    os.symlink(TOP + "/build", tree + "/build")
    path = tree + "/tests/harness/talk.py"
    with open(path, encoding="utf-8") as f:
        text = f.read()
    assert '"item-not-found"' in text
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace('"item-not-found"', '"something-else"'))
    os.makedirs(own_tmp + "/tmp")
    done = demo(tree, "--once", tmp=own_tmp + "/tmp")
    assert done.returncode == 1, done.stdout[-6000:]
    failed = [line for line in verdicts(done.stdout) if line.endswith("FAILED")]
    assert len(failed) == 1 and "a user SIP does not know" in failed[0], done.stdout[-6000:]
    assert "log" in done.stdout and "a step has failed" in done.stdout
    assert os.listdir(own_tmp + "/tmp") == [] and not running(own_tmp)


def test_usage():
    done = demo(TOP, "--twice", tmp="/tmp")
    assert done.returncode == 2 and "usage" in done.stdout
