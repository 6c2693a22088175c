"""
Each command with what it cannot do: one sentence, the exit status that says so, and nothing is changed. Whatever stands in commands.def has rows here.
"""
import functools
import json
import os
import re
import shutil
import subprocess
import tempfile

import pytest

from harness.certhost import CertHost, openssl
from harness.daemon import SANITIZER_ENV
from harness.proc import clean_environment
from harness.wire import free_port

NOBODY = "setpriv --reuid 65534 --regid 65534 --clear-groups"
DENIED = "Permission denied: ask as root, or as a member of xfed-admin"
FULL = "full disk at "  # and a directory: what stands there lies on a disk without room, and is looked at by the command's own side
ON_A_FULL_DISK = """
at=$1 kept=$2; shift 2
mount --bind "$at" "$kept" && mount -t tmpfs -o size=16m none "$at" && cp -a "$kept/." "$at" || exit 96
cat /dev/zero > "$at/fill" 2>/dev/null
"$@"; got=$?
rm "$at/fill"
look() { (cd "$1" && find . -mindepth 1 ! -name '*-journal' -printf '%P %m %U %G\n' && find . -type f ! -name '*.log' ! -name '*.db*' -exec sha256sum {} +) | sort; }
look "$kept" > "$kept.before"; look "$at" > "$kept.after"
cmp "$kept.before" "$kept.after" >&2 || exit 97
exit $got
"""
DEF = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../libxfed/include/xfed/rt/commands.def")


@pytest.fixture(scope="module")
def own(install, started, tools):
    inst = install("bad")
    inst.list_partner("partner.example")
    os.makedirs(inst.dir + "/access.d", exist_ok=True)
    for name, text in (("friends", "name: friends\nscope: user\nxmpp: true\nfederation: true\ngranted_to: [alice@corp.example, carol@corp.example]\n"),
                       ("rest", "name: rest\nscope: global\nallowed: true\n")):
        with open("%s/access.d/%s.yaml" % (inst.dir, name), "w", encoding="utf-8") as f:
            f.write(text)
    os.makedirs(inst.dir + "/people")
    inst.gateway_config["panel"] = {"listen": "127.0.0.1:%d" % free_port(), "users_file": inst.dir + "/people/users"}
    inst.write_configs()
    try:
        yield started(inst)
    finally:
        inst.stop()


@pytest.fixture(scope="module")
def place(own, tools, certs):
    """A directory with files that are good and others that are not; two hosts in it, EDGE and GATE, whose services do not run."""
    path = own.dir + "/place"
    os.makedirs(path + "/full")
    assert run(own, tools, "", "store", "backup", path + "/copy.db")[0] == 0
    assert run(own, tools, "", "config", "export", path + "/all.xfed", "--config", own.gateway.config, socket=False)[0] == 0
    with open(path + "/all.xfed", encoding="utf-8") as f:
        whole = f.read()
    assert '"tls": "required"' in whole
    with open(path + "/changed.xfed", "w", encoding="utf-8") as f:
        f.write(whole.replace('"tls": "required"', '"tls": "optional"'))
    with open(path + "/text", "w", encoding="utf-8") as f:
        f.write("nothing of the kind\n")
    shutil.copy(path + "/text", path + "/secret")
    os.chmod(path + "/secret", 0o600)
    os.chmod(path, 0o755)
    edge, gate = CertHost(path + "/edge", tools, "edge", trust={"ca": certs.ca}), CertHost(path + "/gate", tools, "gateway")
    CertHost(path + "/fresh", tools, "gateway")
    os.makedirs(edge.tls)
    os.makedirs(gate.tls)
    with open(edge.dir + "/channel-domains", "w", encoding="ascii") as f:
        f.write("corp.example\n")
    gate.fine("channel-init", "output=" + gate.dir)
    edge.put("tls/corp.example.pem", certs.chain("corp"))
    edge.put("tls/corp.example.key", certs.key("corp"))
    edge.put("expired.pem", "%s/%s.pem" % (certs.dir, certs.leaf("bad-old", "start=20200101000000Z", "end=20210101000000Z", "xmpp:corp.example")))
    edge.put("mismatch.pem", certs.chain("corp"), certs.key("corp2"))
    edge.put("good.pem", certs.dir + "/corp.pem")
    openssl("pkcs12", "-export", "-in", certs.dir + "/corp.pem", "-out", edge.dir + "/locked.p12", "-passout", "pass:right")
    with open(gate.dir + "/edge1.bundle", encoding="utf-8") as f:
        bundle = f.read()
    with open(edge.dir + "/cut.bundle", "w", encoding="utf-8") as f:
        f.write(bundle[:len(bundle) // 2])
    shutil.copy(gate.dir + "/edge1.bundle", edge.dir + "/edge1.bundle")
    return path


def run(own, tools, before, *words, socket=True):
    """Exit status, output, errors. `before`: what runs the command."""
    argv = [tools["xfedctl"], *(("--socket", own.gateway.socket) if socket else ()), *words]
    if before.startswith(FULL):
        kept = tempfile.mkdtemp(prefix="xfk-")
        at = before[len(FULL):]
        argv = ["unshare", "-m", "sh", "-c", ON_A_FULL_DISK, "sh", at, kept, *(a.replace(own.gateway.socket, kept + own.gateway.socket[len(at):]) if own.gateway.socket.startswith(at + "/") else a for a in argv)]
    else:
        argv = before.split() + argv
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                              env=clean_environment(**SANITIZER_ENV), start_new_session=True, check=False)
    finally:
        if before.startswith(FULL):
            for left in (kept + ".before", kept + ".after"):
                if os.path.exists(left):
                    os.unlink(left)
            os.rmdir(kept)
    return done.returncode, done.stdout, done.stderr


def files(own):
    """Names, modes, owners and bytes."""
    found = {}
    for folder, folders, names in os.walk(own.dir):
        for name in folders + names:
            path = os.path.join(folder, name)
            st = os.lstat(path)
            text = None
            if os.path.isfile(path) and not name.endswith((".log", "-journal", ".db")):
                with open(path, "rb") as f:
                    text = f.read()
            found[path] = st.st_mode, st.st_uid, st.st_gid, text
    return found


def state(own):
    """What must not change; also what the gateway says of itself."""
    return files(own), own.gateway.control("partner", "list"), own.gateway.control("access", "list"), own.gateway.control("status")["policy"]


REPORTS = ("partner check", "explain", "test ", "config check")  # what these print is a report

# words, in which PLACE is the directory above, CONFIG gateway.yaml, OWN its directory; exit status; what is said; what runs before it; whether --socket is given
CASES = [
    ("status more", 2, "one word too many", "", True),
    ("partner list more", 2, "one word too many", "", True),
    ("access list more", 2, "one word too many", "", True),
    ("cert list more", 2, "one word too many", "", True),
    ("cert list", 1, DENIED, NOBODY, True),
    ("traffic list limit=0", 2, "limit is a number from 1", "", True),
    ("traffic list", 1, DENIED, NOBODY, True),
    ("audit list limit=0", 2, "limit is a number from 1", "", True),
    ("audit list", 1, DENIED, NOBODY, True),
    ("panel user fly anna", 2, "is add, passwd, remove, list", "", True),
    ("panel user remove anna", 1, "anna", "", True),
    ("panel user list", 1, DENIED, NOBODY, True),
    ("panel user add anna admin --cert", 1, "No space left on device", FULL + "OWN/people", True),
    ("panel writer config=PLACE/none.yaml", 1, "No such file", "", True),
    ("panel writer config=CONFIG", 1, "", NOBODY, True),
    ("config show more", 2, "one word too many", "", True),
    ("reload more", 2, "one word too many", "", True),
    ("config check one two", 2, "one word too many", "", True),
    ("stream list no..domain", 2, "no..domain is no domain", "", True),
    ("stream show x", 2, "is the number of a stream", "", True),
    ("stream show 999999", 1, "there is no such stream", "", True),
    ("stream close 999999", 1, "there is no such stream", "", True),
    ("partner show no..domain", 2, "no..domain is no domain", "", True),
    ("partner show other.example", 1, "other.example is not listed", "", True),
    ("partner add no..domain", 1, "accepted: a domain such as", "", True),
    ("partner add partner.example", 1, "is listed already: partner set changes it", "", True),
    ("partner add corp.example", 1, "which is a domain of ours", "", True),
    ("partner add new.example tls=maybe", 1, "accepted: required | optional", "", True),
    ("partner add new.example nokey=1", 1, "there is no key", "", True),
    ("partner add new.example word", 2, "KEY=VALUE is KEY=VALUE", "", True),
    ("partner add new.example", 1, "No space left on device", FULL + "OWN/partners.d", True),
    ("partner set", 2, "DOMAIN is missing", "", True),
    ("partner set no..domain tls=required", 1, "accepted: a domain such as", "", True),
    ("partner set other.example tls=required", 1, "other.example is not listed", "", True),
    ("partner set partner.example", 2, "KEY=VALUE is missing", "", True),
    ("partner set partner.example tls=maybe", 1, "accepted: required | optional", "", True),
    ("partner set partner.example tls=optional", 1, "No space left on device", FULL + "OWN/partners.d", True),
    ("partner remove", 2, "DOMAIN is missing", "", True),
    ("partner remove no..domain", 1, "accepted: a domain such as", "", True),
    ("partner remove other.example", 1, "other.example is not listed", "", True),
    ("partner check no..domain", 2, "no..domain is no domain", "", True),
    ("partner check other.example", 1, "no file in OWN/partners.d covers other.example", "", True),
    ("access show", 2, "NAME is missing", "", True),
    ("access show none", 1, "there is no rule none", "", True),
    ("access add new", 2, "KEY=VALUE is missing", "", True),
    ("access add friends scope=global allowed=true", 1, "there is a rule friends already", "", True),
    ("access add new scope=all", 1, "accepted: global | site | user", "", True),
    ("access add new scope=user allowed=true granted_to=nobody", 1, "accepted: an address of a user", "", True),
    ("access add new scope=user allowed=true granted_to=bob@corp.example", 1, "No space left on device", FULL + "OWN/access.d", True),
    ("access set none xmpp=false", 1, "there is no rule none", "", True),
    ("access set friends xmpp=maybe", 1, "accepted: true | false", "", True),
    ("access set friends xmpp=false", 1, "No space left on device", FULL + "OWN/access.d", True),
    ("access remove none", 1, "there is no rule none", "", True),
    ("access grant none bob@corp.example", 1, "there is no rule none", "", True),
    ("access grant friends bob", 1, "accepted: an address of a user", "", True),
    ("access grant friends bob@corp.example", 1, "No space left on device", FULL + "OWN/access.d", True),
    ("access revoke none alice@corp.example", 1, "there is no rule none", "", True),
    ("access revoke friends bob@corp.example", 1, "is not named in the rule friends", "", True),
    ("access revoke friends bob@", 1, "accepted: an address of a user", "", True),
    ("access revoke friends alice@corp.example", 1, "No space left on device", FULL + "OWN/access.d", True),
    ("failures list no..domain", 2, "no..domain is no domain", "", True),
    ("failures list since=soon", 2, "since is how long ago", "", True),
    ("failures list limit=0", 2, "limit is a number from 1", "", True),
    ("failures show x", 2, "ID is the number of a failure", "", True),
    ("failures show 999999", 1, "there is no failure of that number", "", True),
    ("failures retry other.example", 1, "no edge remembers an attempt", "", True),
    ("failures retry 999999", 1, "there is no failure of that number", "", True),
    ("failures retry no..domain", 2, "no..domain is no domain", "", True),
    ("explain alice@corp.example", 2, "TO is missing", "", False),
    ("explain alice@@corp.example bob@partner.example", 1, "CLOSED  addresses  alice@@corp.example is no address", "", True),
    ("explain no.such.code", 1, "no reason code is called", "", False),
    ("explain a@corp.example b@partner.example kind=mail", 2, "kind is message", "", True),
    ("test im", 2, "TO is missing", "", True),
    ("test im bob from=alice@corp.example", 2, "bob is no address of a user", "", True),
    ("test im bob@partner.example from=alice@corp.example wait=0", 2, "wait is seconds", "", True),
    ("test im bob@partner.example", 2, "who sends it", "", True),
    ("test im bob@partner.example from=alice@elsewhere.example", 2, "is no user of ours", "", True),
    ("test presence", 2, "TO is missing", "", True),
    ("test presence bob@partner.example", 2, "who sends it", "", True),
    ("test presence bob@partner.example from=alice@elsewhere.example", 2, "is no user of ours", "", True),
    ("contact list user=alice", 2, "alice is no address of a user", "", True),
    ("contact list partner=no..domain", 2, "no..domain is no domain", "", True),
    ("contact list state=never", 2, "state is", "", True),
    ("contact list after=there", 2, "after is what the page before had", "", True),
    ("contact show alice@corp.example", 2, "CONTACT is missing", "", True),
    ("contact show alice@corp.example bob@partner.example", 1, "are no contacts", "", True),
    ("contact approve alice bob", 2, "alice is no address of a user", "", True),
    ("contact approve alice@corp.example bob@elsewhere.example", 1, "is at no partner that is listed", "", True),
    ("contact remove alice@corp.example bob@partner.example", 1, "are no contacts", "", True),
    ("subscription list partner=no..domain", 2, "no..domain is no domain", "", True),
    ("subscription list after=there", 2, "after is what the page before had", "", True),
    ("subscription show x", 2, "ID is the number of a subscription", "", True),
    ("subscription show 999999", 1, "there is no subscription 999999", "", True),
    ("subscription remove 999999", 1, "there is no subscription 999999", "", True),
    ("sip list kind=all", 2, "kind is connection", "", True),
    ("sip list after=there", 2, "after is what the page before had", "", True),
    ("cert request no..domain --config PLACE/edge/edge.yaml", 1, "accepted: a domain such as", "", False),
    ("cert request --for mail --config PLACE/edge/edge.yaml", 2, "for is edge, sip, panel", "", False),
    ("cert request --config PLACE/none", 1, "there is no such file", "", False),
    ("cert request --config PLACE/text", 1, "accepted: keys and values", "", False),
    ("cert request corp.example --config PLACE/edge/edge.yaml", 1, "Permission denied for the user nobody", NOBODY, False),
    ("cert request corp.example --config PLACE/edge/edge.yaml", 1, "No space left on device", FULL + "PLACE/edge/tls", False),
    ("cert import", 2, "FILE is missing", "", False),
    ("cert import PLACE/none --config PLACE/edge/edge.yaml", 1, "there is no such file", "", False),
    ("cert import PLACE/text --config PLACE/edge/edge.yaml", 1, "is none of what is accepted", "", False),
    ("cert import PLACE/edge/expired.pem --config PLACE/edge/edge.yaml", 1, "has expired", "", False),
    ("cert import PLACE/edge/mismatch.pem --config PLACE/edge/edge.yaml", 1, "the key is not that of any certificate in the files", "", False),
    ("cert import PLACE/edge/locked.p12 pass-file=PLACE/text --config PLACE/edge/edge.yaml", 1, "that is not its pass phrase", "", False),
    ("cert import PLACE/edge/locked.p12 pass-file=PLACE/none --config PLACE/edge/edge.yaml", 1, "there is no such file", "", False),
    ("cert import PLACE/edge/locked.p12 --config PLACE/edge/edge.yaml", 1, "there is no terminal to ask at", "", False),
    ("cert import PLACE/edge/good.pem --config PLACE/edge/edge.yaml", 1, "Permission denied for the user nobody", NOBODY, False),
    ("cert import PLACE/edge/good.pem --config PLACE/edge/edge.yaml", 1, "No space left on device", FULL + "PLACE/edge/tls", False),
    ("cert show more --config PLACE/edge/edge.yaml", 2, "one word too many", "", False),
    ("cert show --config PLACE/none", 1, "there is no such file", "", False),
    ("cert show --config PLACE/text", 1, "accepted: keys and values", "", False),
    ("cert check more --config PLACE/edge/edge.yaml", 2, "one word too many", "", False),
    ("cert check --config PLACE/none", 1, "there is no such file", "", False),
    ("cert check --config PLACE/text", 1, "accepted: keys and values", "", False),
    ("cert channel-init --config PLACE/edge/edge.yaml", 1, "is no gateway.yaml", "", False),
    ("cert channel-init --config PLACE/gate/gateway.yaml", 1, "is the channel's authority already", "", False),
    ("cert channel-init output=PLACE/none --config PLACE/fresh/gateway.yaml", 1, "No such file or directory", "", False),
    ("cert channel-init --config PLACE/fresh/gateway.yaml", 1, "Permission denied for the user nobody", NOBODY, False),
    ("cert channel-init output=PLACE/fresh --config PLACE/fresh/gateway.yaml", 1, "No space left on device", FULL + "PLACE/fresh", False),
    ("cert channel-init output=PLACE/full --config PLACE/fresh/gateway.yaml", 1, "No space left on device", FULL + "PLACE/full", False),
    ("cert channel-join", 2, "BUNDLE is missing", "", False),
    ("cert channel-join PLACE/none.bundle --config PLACE/edge/edge.yaml", 1, "there is no such file", "", False),
    ("cert channel-join PLACE/text --config PLACE/edge/edge.yaml", 1, "is no bundle", "", False),
    ("cert channel-join PLACE/edge/cut.bundle --config PLACE/edge/edge.yaml", 1, "was damaged on its way", "", False),
    ("cert channel-join PLACE/edge/edge1.bundle --config PLACE/gate/gateway.yaml", 1, "the bundle is for edge edge1", "", False),
    ("cert channel-join other --config PLACE/gate/gateway.yaml", 1, "is none of edges[]", "", False),
    ("cert channel-join PLACE/edge/edge1.bundle --config PLACE/edge/edge.yaml", 1, "Permission denied for the user nobody", NOBODY, False),
    ("cert channel-join PLACE/edge/edge1.bundle --config PLACE/edge/edge.yaml", 1, "No space left on device", FULL + "PLACE/edge/tls", False),
    ("cert channel-renew --config PLACE/edge/edge.yaml", 1, "is no gateway.yaml", "", False),
    ("cert channel-renew output=PLACE/none --config PLACE/gate/gateway.yaml", 1, "No such file or directory", "", False),
    ("cert channel-renew --config PLACE/gate/gateway.yaml", 1, "Permission denied for the user nobody", NOBODY, False),
    ("cert channel-renew output=PLACE/gate --config PLACE/gate/gateway.yaml", 1, "No space left on device", FULL + "PLACE/gate", False),
    ("cert channel-renew output=PLACE/full --config PLACE/gate/gateway.yaml", 1, "No space left on device", FULL + "PLACE/full", False),
    ("config check PLACE/none", 1, "No such file or directory", "", False),
    ("config check PLACE/text", 1, "accepted: keys and values", "", False),
    ("config check PLACE/secret", 1, "Permission denied", NOBODY, False),
    ("config set limits.none 5", 1, "there is no key", "", True),
    ("config set limits.connections many", 1, "accepted: a whole number", "", True),
    ("config set limits.connections", 2, "VALUE is missing", "", True),
    ("config set name gw2", 1, "name is no number", "", True),
    ("config set delivery.deadline 20s", 1, "No space left on device", FULL + "OWN", True),
    ("config import PLACE/changed.xfed --config CONFIG", 1, "Permission denied for the user nobody", NOBODY, False),
    ("config import PLACE/changed.xfed --config CONFIG", 1, "No space left on device", FULL + "OWN/partners.d", False),
    ("store restore PLACE/copy.db", 1, "No space left on device", FULL + "OWN", True),
    ("log level loud", 2, "LEVEL is error", "", True),
    ("log level info no..domain", 2, "no..domain is no domain", "", True),
    ("help nothing", 2, "there is no command", "", False),
    ("status", 1, DENIED, NOBODY, True),
    ("stream list", 1, DENIED, NOBODY, True),
    ("stream show 1", 1, DENIED, NOBODY, True),
    ("stream close 1", 1, DENIED, NOBODY, True),
    ("partner list", 1, DENIED, NOBODY, True),
    ("partner show partner.example", 1, DENIED, NOBODY, True),
    ("partner add new.example", 1, DENIED, NOBODY, True),
    ("partner set partner.example tls=optional", 1, DENIED, NOBODY, True),
    ("partner remove partner.example", 1, DENIED, NOBODY, True),
    ("partner check partner.example", 1, DENIED, NOBODY, True),
    ("partner routes --for lync", 1, DENIED, NOBODY, True),
    ("dns print", 1, DENIED, NOBODY, True),
    ("dns check", 1, DENIED, NOBODY, True),
    ("firewall print", 1, DENIED, NOBODY, True),
    ("access list", 1, DENIED, NOBODY, True),
    ("access show friends", 1, DENIED, NOBODY, True),
    ("access add new scope=site site=x allowed=true", 1, DENIED, NOBODY, True),
    ("access set friends xmpp=false", 1, DENIED, NOBODY, True),
    ("access remove friends", 1, DENIED, NOBODY, True),
    ("access grant friends bob@corp.example", 1, DENIED, NOBODY, True),
    ("access revoke friends alice@corp.example", 1, DENIED, NOBODY, True),
    ("failures list", 1, DENIED, NOBODY, True),
    ("failures show 1", 1, DENIED, NOBODY, True),
    ("failures retry partner.example", 1, DENIED, NOBODY, True),
    ("explain alice@corp.example bob@partner.example", 1, DENIED, NOBODY, True),
    ("test im bob@partner.example", 1, DENIED, NOBODY, True),
    ("test presence bob@partner.example", 1, DENIED, NOBODY, True),
    ("contact list", 1, DENIED, NOBODY, True),
    ("contact show alice@corp.example bob@partner.example", 1, DENIED, NOBODY, True),
    ("contact approve alice@corp.example bob@partner.example", 1, DENIED, NOBODY, True),
    ("contact remove alice@corp.example bob@partner.example", 1, DENIED, NOBODY, True),
    ("subscription list", 1, DENIED, NOBODY, True),
    ("subscription show 1", 1, DENIED, NOBODY, True),
    ("subscription remove 1", 1, DENIED, NOBODY, True),
    ("sip list", 1, DENIED, NOBODY, True),
    ("config show", 1, DENIED, NOBODY, True),
    ("config check", 1, DENIED, NOBODY, True),
    ("config set delivery.deadline 20s", 1, DENIED, NOBODY, True),
    ("reload", 1, DENIED, NOBODY, True),
    ("log level info", 1, DENIED, NOBODY, True),
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
    ("store backup PLACE/full/copy.db", 1, "No space left on device", FULL + "PLACE/full", True),
    ("store backup PLACE/other.db", 1, DENIED, NOBODY, True),
    ("store restore", 2, "FILE is missing", "", True),
    ("store restore PLACE/none", 1, "No such file or directory", "", True),
    ("store restore PLACE/text", 1, "not a database", "", True),
    ("store restore PLACE", 1, "not a regular file", "", True),
    ("store restore PLACE/copy.db", 1, DENIED, NOBODY, True),
    ("config export", 2, "FILE is missing", "", False),
    ("config export PLACE/text --config CONFIG", 1, "there is another file already, which is not replaced", "", False),
    ("config export PLACE/other.xfed --config PLACE/none", 1, "there is no such file", "", False),
    ("config export PLACE/other.xfed --config PLACE/text", 1, "PLACE/text:1", "", False),
    ("config export PLACE/full/all.xfed --config CONFIG", 1, "No space left on device", FULL + "PLACE/full", False),
    ("config export PLACE/other.xfed --config CONFIG", 1, "Permission denied for the user nobody", NOBODY, False),
    ("config import", 2, "FILE is missing", "", False),
    ("config import PLACE/none", 1, "No such file or directory", "", False),
    ("config import PLACE/text --config CONFIG", 1, "is no file of config export", "", False),
    ("config import PLACE/all.xfed", 1, "is not below /etc/xfed", "", False),
    ("config import PLACE/all.xfed --config PLACE/text", 1, "is not the file that --config means", "", False),
    ("config import PLACE/secret", 1, "Permission denied", NOBODY, False),
]


@pytest.mark.parametrize("words, status, said, before, socket", CASES, ids=[c[0] + (" (full)" if c[3].startswith(FULL) else " (nobody)" if c[3] else "") for c in CASES])
def test_one_sentence(own, tools, place, words, status, said, before, socket):
    def filled(text):
        return text.replace("PLACE", place).replace("CONFIG", own.gateway.config).replace("OWN", own.dir)
    words, before = filled(words).split(), filled(before)
    kept = state(own)
    got, out, err = run(own, tools, before, *words, socket=socket)
    lines = [line for line in err.splitlines() if not line.startswith("usage:")]
    if " ".join(words).startswith(REPORTS) or out.endswith("nothing is saved\n"):  # there it stands among other lines
        lines = [line for line in out.splitlines() if filled(said) in line] or lines
        out = ""
    assert got == status and len(lines) == 1 and filled(said) in lines[0] and not out, (got, lines, out, err)
    assert state(own) == kept


def check_by_both(own, tools, daemon):
    """What --check-config and config check FILE say of a service's file: exit status and problems of each."""
    asked = subprocess.run([daemon.binary, "-c", daemon.config, "--check-config"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                           env=clean_environment(**SANITIZER_ENV), check=False)
    got, out, err = run(own, tools, "", "config", "check", daemon.config, socket=False)
    assert not err
    return (asked.returncode, sorted(asked.stderr.splitlines())), (got, sorted(out.splitlines()[:-1]))


# what a service's file leads to -> what is said of it, where it is none of its kind
LED_TO = {
    "a partner": ("gateway", "partners.d/partner.example.yaml", "accepted: keys and values"),
    "a rule": ("gateway", "access.d/friends.yaml", "accepted: keys and values"),
    "a certificate of the gateway": ("gateway", "channel.certificate", "channel.certificate"),
    "a certificate of the edge": ("edge", "certificates.0.certificate", "certificates"),
    "a certificate of the edge's channel": ("edge", "channel.certificate", "certificates"),
}


@pytest.mark.parametrize("row", LED_TO)
def test_a_file_is_checked_with_what_it_leads_to(own, tools, place, row):
    """config check FILE and --check-config agree, and see what else than the file itself is wrong."""
    kind, what, said = LED_TO[row]
    daemon = getattr(own, kind)
    by_service, by_ctl = check_by_both(own, tools, daemon)
    assert by_service == by_ctl and by_ctl[0] == 0
    with open(daemon.config, encoding="utf-8") as f:
        whole = f.read()
    if "/" in what:
        changed = own.dir + "/" + what
        with open(changed, encoding="utf-8") as f:
            kept = f.read()
        broken = "nothing of the kind\n"
    else:
        changed, kept, config = daemon.config, whole, json.loads(whole)
        *outer, last = what.split(".")
        inside = functools.reduce(lambda found, key: found[int(key) if key.isdigit() else key], outer, config)
        inside[last] = place + "/text"
        broken = json.dumps(config, indent=1)
    try:
        with open(changed, "w", encoding="utf-8") as f:
            f.write(broken)
        by_service, by_ctl = check_by_both(own, tools, daemon)
    finally:
        with open(changed, "w", encoding="utf-8") as f:
            f.write(kept)
    assert by_service == by_ctl and by_ctl[0] == 1 and any(said in line for line in by_ctl[1]), (by_service, by_ctl)


WITHOUT_ROOM = ("partner remove", "access remove", "panel writer")  # they write nothing, or by another command


def typed():
    """noun and verb -> (who serves it, who may) of each command that somebody types."""
    with open(DEF, encoding="utf-8") as f:
        rows = re.findall(r'^COMMAND\((\w+), "(\w+)", "([\w-]*)", (\w+), (\w+),', f.read(), re.M)
    assert len(rows) > 50
    return {(noun + " " + verb).strip(): (served, who) for _, noun, verb, served, who in rows if served not in ("INTERNAL", "INSIDE", "PANEL")}


def has_row(command, fits):
    return any((words + " ").startswith(command + " ") and fits(before) for words, _, _, before, _ in CASES)


def test_every_command_has_rows():
    """Bad input for all; whoever may not for those of a service, and those that change something; a full disk for those that write files."""
    missing = []
    for command, (served, who) in typed().items():
        of_files = served == "XFEDCTL" and (who == "CHANGE" or command == "config export")
        if not has_row(command, lambda before: before == ""):
            missing.append(command + ": bad input")
        if (served != "XFEDCTL" or of_files) and not has_row(command, lambda before: before == NOBODY):
            missing.append(command + ": no permission")
        if of_files and command not in WITHOUT_ROOM and not has_row(command, lambda before: before.startswith(FULL)):
            missing.append(command + ": a full disk")
    assert not missing


def test_without_a_service(own, tools, place):
    """What may not be asked of a service cannot be asked of one that does not run, either."""
    asking = [words.replace("PLACE", place) for words, _, said, _, _ in CASES if said == DENIED]
    assert len(asking) > 40
    own.gateway.stop()
    kept = files(own)
    for words in asking:
        got, out, err = run(own, tools, "", *words.split())
        assert got == 1 and len(err.splitlines()) == 1 and "the service does not run" in err and not out, (words, got, out, err)
        assert files(own) == kept, words
    own.gateway.start().wait_ready()
