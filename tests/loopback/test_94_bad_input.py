"""
The commands of dns, firewall, store, config export and import, partner routes with what they cannot do: one sentence, the exit status that says
so, and nothing is changed.
"""
import os
import shutil
import subprocess

import pytest

from harness.proc import clean_environment

FULL = "unshare -m sh -c 'mount -t tmpfs -o size=8k none \"$0\" && head -c 8192 /dev/zero > \"$0/fill\"; exec \"$@\"' \"$0\""  # a disk of its own, where hardly anything has room
NOBODY = "setpriv --reuid 65534 --regid 65534 --clear-groups"


@pytest.fixture(scope="module")
def own(install, started, tools):
    inst = install("bad")
    inst.list_partner("partner.example")
    try:
        yield started(inst)
    finally:
        inst.stop()


@pytest.fixture(scope="module")
def place(own, tools):
    """A directory with files that are good and others that are not."""
    path = own.dir + "/place"
    os.makedirs(path + "/full")
    assert run(own, tools, "", "store", "backup", path + "/copy.db")[0] == 0
    assert run(own, tools, "", "config", "export", path + "/all.xfed", "--config", own.gateway.config, socket=False)[0] == 0
    with open(path + "/text", "w", encoding="utf-8") as f:
        f.write("nothing of the kind\n")
    shutil.copy(path + "/text", path + "/secret")
    os.chmod(path + "/secret", 0o600)
    os.chmod(path, 0o755)
    return path


def run(own, tools, before, *words, socket=True):
    argv = "%s \"$@\"" % before
    done = subprocess.run(["sh", "-c", argv, own.dir + "/place/full", tools["xfedctl"], *(("--socket", own.gateway.socket) if socket else ()), *words],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, env=clean_environment(), check=False)
    return done.returncode, done.stdout, done.stderr


def state(own):
    found = {}
    for folder, _, names in os.walk(own.dir):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not name.endswith((".log", "-journal", ".db")):
                with open(path, "rb") as f:
                    found[path] = f.read()
            else:
                found[path] = None
    return found, own.gateway.control("partner", "list"), own.gateway.control("status")["policy"]


# words, in which PLACE is the directory above, CONFIG gateway.yaml; exit status; what is said; what runs before it; whether --socket is given
CASES = [
    ("dns print no..domain", 2, "is no domain", "", True),
    ("dns print other.example", 1, "is not one of domains[]", "", True),
    ("dns check --server 300.1.1.1", 2, "is no address of a server", "", True),
    ("dns check --server", 2, "OUR-DOMAIN is a domain", "", True),
    ("dns check corp.example more", 2, "one word too many", "", True),
    ("dns check --edge other", 1, "there is no edge other", "", True),
    ("dns publish", 2, "dns does not take", "", True),
    ("firewall print --for iptables", 2, "table, nftables", "", True),
    ("partner routes", 2, "say for which product", "", True),
    ("partner routes --for exchange", 2, "kamailio", "", True),
    ("partner routes other.example --for asterisk", 1, "is no partner that is listed", "", True),
    ("store backup", 2, "FILE is missing", "", True),
    ("store backup PLACE/text", 1, "there is another file already, which is not replaced", "", True),
    ("store backup PLACE/none/copy.db", 1, "No such file or directory", "", True),
    ("store backup PLACE/full/copy.db", 1, "No space left on device", FULL, True),
    ("store backup PLACE/other.db", 1, "Permission denied: ask as root, or as a member of xfed-admin", NOBODY, True),
    ("store restore", 2, "FILE is missing", "", True),
    ("store restore PLACE/none", 1, "No such file or directory", "", True),
    ("store restore PLACE/text", 1, "not a database", "", True),
    ("store restore PLACE", 1, "not a regular file", "", True),
    ("store restore PLACE/copy.db", 1, "Permission denied: ask as root, or as a member of xfed-admin", NOBODY, True),
    ("config export", 2, "FILE is missing", "", False),
    ("config export PLACE/text --config CONFIG", 1, "there is another file already, which is not replaced", "", False),
    ("config export PLACE/other.xfed --config PLACE/none", 1, "there is no such file", "", False),
    ("config export PLACE/other.xfed --config PLACE/text", 1, "PLACE/text:1", "", False),
    ("config export PLACE/full/all.xfed --config CONFIG", 1, "No space left on device", FULL, False),
    ("config export PLACE/other.xfed --config CONFIG", 1, "Permission denied for the user nobody", NOBODY, False),
    ("config import", 2, "FILE is missing", "", False),
    ("config import PLACE/none", 1, "No such file or directory", "", False),
    ("config import PLACE/text --config CONFIG", 1, "is no file of config export", "", False),
    ("config import PLACE/all.xfed", 1, "is not below /etc/xfed", "", False),
    ("config import PLACE/all.xfed --config PLACE/text", 1, "is not the file that --config means", "", False),
    ("config import PLACE/secret", 1, "Permission denied", NOBODY, False),
]


@pytest.mark.parametrize("words, status, said, before, socket", CASES, ids=[c[0] + (" (full)" if c[3] == FULL else " (nobody)" if c[3] else "") for c in CASES])
def test_one_sentence(own, tools, place, words, status, said, before, socket):
    words = words.replace("PLACE", place).replace("CONFIG", own.gateway.config).split()
    kept = state(own)
    got, out, err = run(own, tools, before, *words, socket=socket)
    lines = [line for line in err.splitlines() if not line.startswith("usage:")]
    assert got == status and len(lines) == 1 and said.replace("PLACE", place) in lines[0] and not out, (got, out, err)
    assert state(own) == kept


def test_without_a_service(own, tools, place):
    own.gateway.stop()
    for words in ("dns print", "dns check", "firewall print", "store backup PLACE/new.db", "store restore PLACE/copy.db"):
        got, out, err = run(own, tools, "", *words.replace("PLACE", place).split())
        assert got == 1 and len(err.splitlines()) == 1 and "the service does not run" in err and not out, (words, got, out, err)
    assert not os.path.exists(place + "/new.db")
    own.gateway.start().wait_ready()
