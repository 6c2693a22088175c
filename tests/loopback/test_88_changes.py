"""
What xfedctl changes in files: partners, access rules and numbers of gateway.yaml. Each change is tried by the gateway before it is saved,
leaves every other byte as it was, is in force when xfedctl returns, and stands in the audit log; whatever is refused leaves the file alone.
"""
import json
import os
import resource
import socket
import stat
import subprocess
import tempfile
import threading

import pytest

from harness.daemon import SANITIZER_ENV
from harness.installation import write
from harness.presence import PresenceServer, pidf
from harness.proc import clean_environment, wait_until
from harness.sip import SipUser

PARTNER = """# Fabrikam, contract 4711
domain: fabrikam.example   # theirs

partner_type: federated
tls: required              # since 2019
sasl: required
"dialback": false
additional_domains:
  - corp.fabrikam.example  # head office
  # the labs come and go
  - "*.labs.fabrikam.example"
# limits: {connections: 20}
kinds: [message, presence] # no iq
# the end, without an end of line"""

RULE = "# who may\r\nname: FedPic\r\nscope: user\r\nfederation: true\r\nxmpp: true\r\ngranted_to:\r\n  - alice@corp.example # boss\r\n  - bob@corp.example\r\n"


@pytest.fixture(scope="module")
def inst(install, started):
    user = SipUser("corp.example")
    inst = install("changes", users={"corp.example": user})
    inst.user = user
    inst.list_partner("partner.example")
    started(inst)
    yield inst
    inst.stop()
    user.close()


@pytest.fixture
def partner(inst):
    """A hand-written file, in force; afterwards it is gone."""
    path = inst.partners + "/fabrikam.example.yaml"
    write(path, PARTNER)
    os.chmod(path, 0o640)
    inst.reload()
    yield path
    if os.path.lexists(path):
        os.unlink(path)
    inst.reload()


@pytest.fixture
def rule(inst):
    path = inst.dir + "/access.d/fedpic.yaml"
    with open(path, "w", newline="", encoding="utf-8") as f:
        f.write(RULE)
    write(inst.dir + "/access.d/rest.yaml", "name: rest\nscope: global\nallowed: false\n")
    inst.reload()
    yield path
    for name in os.listdir(inst.dir + "/access.d"):
        os.unlink(inst.dir + "/access.d/" + name)
    inst.reload()


def text_of(path):
    with open(path, newline="", encoding="utf-8") as f:
        return f.read()


def left_over(inst):
    """Files that a change has left behind."""
    return [name for d in (inst.partners, inst.dir + "/access.d", inst.dir) for name in (os.listdir(d) if os.path.isdir(d) else []) if name.startswith(".xfedctl")]


def change(inst, tools, *words, status=0):
    """The answer of a change that goes well, or as `status` says; nothing is left behind in any case."""
    argv = [tools["xfedctl"], "--socket", inst.gateway.socket, "--json", *words]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                          env=clean_environment(**SANITIZER_ENV), check=False)
    assert done.returncode == status, (words, done.stdout, done.stderr)
    assert not left_over(inst)
    return json.loads(done.stdout)


def refused(inst, tools, words, *said):
    answer = change(inst, tools, *words, status=1)
    told = json.dumps(answer)
    assert all(s in told for s in said), (words, answer)
    return answer


def audit(inst, mark, verb, *words):
    """The line about a step, with who did it and what was typed."""
    return inst.gateway.process.wait_line("event=audit.command uid=%d .*noun=change verb=%s .*%s" % (os.getuid(), verb, ".*".join(words)), 20, mark)


# ---- partners ----

def test_one_value(inst, tools, partner):
    mark = inst.gateway.process.mark()
    answer = change(inst, tools, "partner", "set", "fabrikam.example", "tls=optional", "sasl=optional", "dialback=true")
    new = PARTNER.replace("tls: required  ", "tls: optional  ").replace("sasl: required", "sasl: optional").replace('"dialback": false', '"dialback": true')
    assert text_of(partner) == new and stat.S_IMODE(os.stat(partner).st_mode) == 0o640
    assert answer["ok"] and answer["changed"] and answer["saved"] and answer["revision"] > 0 and answer["file"] == partner
    assert answer["diff"].splitlines() == ["@@ line 5", "-tls: required              # since 2019", "-sasl: required", '-"dialback": false',
                                           "+tls: optional              # since 2019", "+sasl: optional", '+"dialback": true']
    assert inst.gateway.control("partner", "show", domain="fabrikam.example")["tls"] == "optional"
    words = "partner set fabrikam.example tls=optional sasl=optional dialback=true"
    audit(inst, mark, "begin", words, "result=ok")
    audit(inst, mark, "finish", words, "fabrikam.example.yaml", "result=ok")


@pytest.mark.parametrize("settings, old, new", [
    (["limits.connections=7"], "kinds: [message, presence] # no iq\n", "kinds: [message, presence] # no iq\nlimits: {connections: 7}\n"),
    (["kinds=message,iq"], "kinds: [message, presence] # no iq", "kinds: [message, iq] # no iq"),
    (["additional_domains=*.labs.fabrikam.example,new.fabrikam.example"], "  - corp.fabrikam.example  # head office\n", ""),
    (["description=it's: ours"], "# no iq\n", "# no iq\ndescription: \"it's: ours\"\n"),
    (["sasl=", "dialback="], 'sasl: required\n"dialback": false\n', ""),
    (["connect_to=xmpp.fabrikam.example:5269"], "# no iq\n", "# no iq\nconnect_to: \"xmpp.fabrikam.example:5269\"\n"),
], ids=["new", "list", "list-in-lines", "quotes", "default", "address"])
def test_only_what_is_meant(inst, tools, partner, settings, old, new):
    change(inst, tools, "partner", "set", "Fabrikam.Example", *settings)
    want = PARTNER.replace(old, new)
    if settings[0].startswith("additional"):
        want = want.replace('  - "*.labs.fabrikam.example"\n', '  - "*.labs.fabrikam.example"\n  - new.fabrikam.example\n')
    assert text_of(partner) == want


def test_a_dry_run_saves_nothing(inst, tools, partner):
    mark = inst.gateway.process.mark()
    revision = inst.gateway.control("status")["policy"]["revision"]
    for words in (["set", "fabrikam.example", "tls=optional", "sasl=optional"], ["remove", "fabrikam.example"]):
        answer = change(inst, tools, "partner", *words, "--dry-run")
        assert answer["ok"] and answer["changed"] and not answer["saved"] and answer["diff"]
        assert text_of(partner) == PARTNER
    answer = change(inst, tools, "partner", "add", "other.example", "--dry-run")
    assert answer["diff"].splitlines()[-1] == "+domain: other.example" and not os.path.exists(inst.partners + "/other.example.yaml")
    assert inst.gateway.control("status")["policy"]["revision"] == revision
    audit(inst, mark, "check", "partner add other.example", "result=ok")
    refused(inst, tools, ["partner", "set", "fabrikam.example", "tls=maybe", "--dry-run"], "found \\\"maybe\\\"")


@pytest.mark.parametrize("settings, said", [
    (["tls=maybe"], 'fabrikam.example.yaml:5:6:tls: found "maybe", accepted: required | optional | not-supported'),
    (["tls=not-supported"], "row "),
    (["limits.connections=0"], "a whole number from 1 to 1000 connections"),
    (["kinds="], None),
    (["kinds=message,mail"], '"mail", accepted: message | presence | iq'),
    (["additional_domains=partner.example"], "partner.example"),
    (["additional_domains=corp.example"], "which is a domain of ours"),
    (["domain=other.example"], "which is not the domain the file is named after"),
    (["tsl=optional"], 'there is no key "tsl", accepted: domain | description'),
    (["limits=5"], "limits has keys of its own, set one of them: connections"),
    (["trust.pins=aa"], "pins are not built in this version"),
    (["description=a\nb"], "control character"),
], ids=lambda v: v[0].split("=")[0] if isinstance(v, list) else None)
def test_what_is_wrong_is_not_saved(inst, tools, partner, settings, said):
    mark = inst.gateway.process.mark()
    if said is None:
        change(inst, tools, "partner", "set", "fabrikam.example", *settings)
        return
    answer = refused(inst, tools, ["partner", "set", "fabrikam.example", "keepalive=false", *settings])
    told = "\n".join(answer.get("errors", [])) or answer["error"]["text"]
    assert said in told, answer
    assert text_of(partner) == PARTNER
    if "errors" in answer:
        assert not answer["ok"] and answer["changed"] and not answer["saved"]
        audit(inst, mark, "begin", "partner set fabrikam.example keepalive=false", "result=failed")
    change(inst, tools, "partner", "set", "fabrikam.example", "description=fine")  # nobody is kept waiting by it


def test_a_partner_comes_and_goes(inst, tools):
    path = inst.partners + "/new.example.yaml"
    os.chmod(inst.partners, 0o750)
    answer = change(inst, tools, "partner", "add", "New.Example", "partner_type=federated", "limits.connections=5", "additional_domains=a.new.example,*.b.new.example")
    assert text_of(path) == 'domain: new.example\npartner_type: federated\nlimits: {connections: 5}\nadditional_domains: [a.new.example, "*.b.new.example"]\n'
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640  # what its directory lets people do
    assert answer["saved"] and "new.example" in [p["domain"] for p in inst.gateway.control("partner", "list")["partners"]]
    refused(inst, tools, ["partner", "add", "new.example"], "listed already")
    refused(inst, tools, ["partner", "set", "a.new.example", "tls=required"], "one of the domains of new.example")
    assert not change(inst, tools, "partner", "set", "new.example", "limits.connections=5")["changed"]
    answer = change(inst, tools, "partner", "remove", "new.example")
    assert "nobody may exchange anything with new.example" in answer["notes"][0]
    assert answer["saved"] and not os.path.exists(path)
    assert "new.example" not in [p["domain"] for p in inst.gateway.control("partner", "list")["partners"]]
    refused(inst, tools, ["partner", "remove", "new.example"], "is not listed: there is no " + path)
    refused(inst, tools, ["partner", "add", "a b"], "a domain")
    refused(inst, tools, ["partner", "add", "corp.example"], "which is a domain of ours")
    assert not os.path.exists(inst.partners + "/corp.example.yaml")


def test_a_name_in_other_letters(inst, tools):
    change(inst, tools, "partner", "add", "b\u00fccher.example")
    assert os.path.exists(inst.partners + "/b\u00fccher.example.yaml")
    os.rename(inst.partners + "/b\u00fccher.example.yaml", inst.partners + "/xn--bcher-kva.example.yaml")
    change(inst, tools, "partner", "set", "b\u00fccher.example", "tls=required")
    change(inst, tools, "partner", "remove", "xn--bcher-kva.example")
    assert not [n for n in os.listdir(inst.partners) if "cher" in n]


def test_a_mistake_elsewhere(inst, tools, partner):
    """The files are judged together: nothing is saved while another one is broken, but for what mends it."""
    broken = inst.partners + "/broken.example.yaml"
    write(broken, "domain: broken.example\ntls: maybe\n")
    try:
        refused(inst, tools, ["partner", "set", "fabrikam.example", "sasl=optional"], broken)
        assert text_of(partner) == PARTNER
        assert change(inst, tools, "partner", "set", "broken.example", "tls=required")["saved"]
        assert text_of(broken) == "domain: broken.example\ntls: required\n"
    finally:
        os.unlink(broken)


def test_a_link_stays_one(inst, tools, partner):
    target = inst.dir + "/fabrikam.real"
    os.rename(partner, target)
    os.symlink(target, partner)
    change(inst, tools, "partner", "set", "fabrikam.example", "tls=optional", "sasl=optional")
    assert os.path.islink(partner) and "tls: optional" in text_of(target) and stat.S_IMODE(os.stat(target).st_mode) == 0o640
    change(inst, tools, "partner", "remove", "fabrikam.example")
    assert not os.path.lexists(partner) and os.path.exists(target)
    os.unlink(target)


def test_layouts_that_cannot_be_changed(inst, tools, partner):
    for text, setting in (("? domain\n: fabrikam.example\n", "tls=optional"), ("domain: fabrikam.example\ndescription: |\n  a\n", "description=b")):
        write(partner, text)
        refused(inst, tools, ["partner", "set", "fabrikam.example", setting], "change the file by hand")
        assert text_of(partner) == text
    write(partner, "domain: &a fabrikam.example\n")
    refused(inst, tools, ["partner", "set", "fabrikam.example", "tls=optional"], "found an anchor (&)")


# ---- who may write, and when ----

def fake_service(path, answers):
    """A service that gives these answers, one a connection; None: it goes away instead. A function gives its answer when asked."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    os.chmod(path, 0o666)
    server.listen(4)
    server.settimeout(60)  # a client that never comes ends the test, and does not hold it up

    def serve():
        for answer in answers:
            with server.accept()[0] as s:
                s.settimeout(60)
                with s.makefile("rb") as lines:
                    lines.readline()
                answer = answer() if callable(answer) else answer
                if answer is not None:
                    s.sendall(json.dumps({"ok": True, "result": answer}).encode() + b"\n")
        server.close()
    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def run(tools, path, *words, **process):
    done = subprocess.run([tools["xfedctl"], "--socket", path, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                          env=clean_environment(**SANITIZER_ENV), check=False, **process)
    return done.returncode, done.stdout


@pytest.fixture
def open_directory():
    """Another user gets there, which is not so below pytest's own directories."""
    with tempfile.TemporaryDirectory(prefix="xfl-own-") as d:
        os.chmod(d, 0o755)
        yield d


@pytest.mark.skipif(os.getuid() != 0, reason="takes the rights of another user")
@pytest.mark.parametrize("mode, said", [(0o755, "Permission denied"), (0o777, "belongs to root, which cannot be kept")], ids=["directory", "owner"])
def test_without_the_right_to_write(inst, tools, open_directory, mode, said):
    """As an administrator whom the service answers, and who may not write there."""
    own = open_directory
    config = json.loads(text_of(inst.dir + "/gateway.yaml"))
    config["partners_dir"] = own + "/partners.d"
    os.mkdir(own + "/partners.d")
    write(own + "/gateway.yaml", json.dumps(config))
    write(own + "/partners.d/fabrikam.example.yaml", PARTNER)
    os.chmod(own + "/partners.d", mode)
    thread = fake_service(own + "/fake.sock", [{"config": own + "/gateway.yaml"}])
    status, out = run(tools, own + "/fake.sock", "partner", "set", "fabrikam.example", "tls=optional", user=65534, group=65534, extra_groups=[])
    thread.join()
    assert status == 1 and said in out, out
    assert text_of(own + "/partners.d/fabrikam.example.yaml") == PARTNER and os.listdir(own + "/partners.d") == ["fabrikam.example.yaml"]


@pytest.mark.skipif(os.getuid() != 0, reason="gives a file to another user")
def test_the_owner_stays(inst, tools, partner):
    os.chown(partner, 12345, 23456)
    os.chmod(partner, 0o604)
    change(inst, tools, "partner", "set", "fabrikam.example", "sasl=optional")
    st = os.stat(partner)
    assert (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) == (12345, 23456, 0o604)


def test_a_full_disk(inst, tools, partner):
    """Not a byte more can be written: the old file stays, and nothing beside it."""
    def nothing_fits():
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    # The interpreter ignores SIGXFSZ, and so does what it starts: the write fails.
    status, out = run(tools, inst.gateway.socket, "partner", "set", "fabrikam.example", "sasl=optional", preexec_fn=nothing_fits, restore_signals=False)
    assert status == 1 and "cannot be written, and is as it was" in out, out
    assert text_of(partner) == PARTNER and not left_over(inst)


def test_a_directory_nobody_may_write_to(inst, tools, partner):
    """Not for root either: it is taken away."""
    away = inst.partners + ".away"
    os.rename(inst.partners, away)
    try:
        refused(inst, tools, ["partner", "add", "more.example"], "No such file or directory")
    finally:
        os.rename(away, inst.partners)


def test_a_configuration_of_others(inst, tools, partner):
    config = inst.dir + "/gateway.yaml"
    mode = stat.S_IMODE(os.stat(config).st_mode)
    os.chmod(config, 0o666)
    try:
        refused(inst, tools, ["partner", "set", "fabrikam.example", "tls=optional"], "chmod o-w")
    finally:
        os.chmod(config, mode)


def test_only_one_at_a_time(inst, tools, partner):
    """Whoever has begun keeps others from it, until it is done; a dry run disturbs nobody."""
    with_ = inst.partners + "/.mine"
    write(with_, PARTNER)
    mine = inst.gateway.control("change", "begin", command="a test", file=partner, **{"with": with_})
    assert mine["ok"] and mine["change"] > 0
    other = inst.gateway.ask("change", "begin", command="another", file=partner, **{"with": with_})
    assert other["error"]["code"] == "busy"
    assert change(inst, tools, "partner", "set", "fabrikam.example", "tls=optional", "sasl=optional", "--dry-run")["ok"]
    inst.gateway.control("change", "drop", id=mine["change"])
    os.unlink(with_)
    assert change(inst, tools, "partner", "set", "fabrikam.example", "tls=optional", "sasl=optional")["saved"]


def test_two_at_once(inst, tools, partner):
    """Both come into force, one behind the other: neither is lost."""
    done = []
    threads = [threading.Thread(target=lambda n=n: done.append(inst.gateway.ctl(tools, "partner", "set", "fabrikam.example", "additional_domains=%s" % ",".join(
        ["corp.fabrikam.example", "*.labs.fabrikam.example"]), "limits.%s=%d" % (n, 9), check=False))) for n in ("connections", "stanzas_per_second")]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    # One that has read the file before the other has changed it says so, and changes nothing.
    good = [out for status, out in done if status == 0]
    assert good and all("somebody else has changed it meanwhile" in out for status, out in done if status != 0), done
    assert sum(text_of(partner).count(word) for word in ("connections: 9", "stanzas_per_second: 9")) == len(good)


def test_what_the_service_reads_for_a_change(inst, partner):
    """Only a hidden file beside the one that is changed, and only for one that a reload reads."""
    for with_, file in ((inst.dir + "/gateway.yaml", partner), ("/etc/passwd", partner), (inst.partners + "/partner.example.yaml", partner),
                        (inst.partners + "/..", partner), (".hidden", partner)):
        answer = inst.gateway.ask("change", "check", command="x", file=file, **{"with": with_})
        assert answer["error"]["code"] == "bad-request", (with_, answer)
    hidden = inst.dir + "/.hidden"
    write(hidden, "x")
    answer = inst.gateway.control("change", "check", command="x", file=inst.dir + "/nothing", **{"with": hidden})
    assert not answer["ok"] and "is none of the files that are read" in answer["errors"][0]
    os.unlink(hidden)


def test_the_service_does_not_run(inst, tools):
    done = subprocess.run([tools["xfedctl"], "--socket", inst.dir + "/nobody.sock", "partner", "add", "a.example"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, env=clean_environment(**SANITIZER_ENV), check=False)
    assert done.returncode == 1 and "the service does not run" in done.stdout
    status, out = inst.edge.ctl(tools, "partner", "add", "a.example", check=False)
    assert status == 1 and "changed on the inside host" in out


def test_a_service_that_says_no_more(inst, tools, partner):
    """It goes away in the middle: what was not saved is not there, and nothing is left behind."""
    path = inst.dir + "/fake.sock"
    thread = fake_service(path, [{"config": inst.dir + "/gateway.yaml"}, None])
    status, out = run(tools, path, "partner", "set", "fabrikam.example", "sasl=optional")
    thread.join()
    os.unlink(path)
    assert status == 1 and text_of(partner) == PARTNER and not left_over(inst), out


def test_a_reload_that_does_not_come(inst, tools, partner):
    """It is judged fine, saved, and the service goes away then: that is said."""
    path = inst.dir + "/fake.sock"
    thread = fake_service(path, [{"config": inst.dir + "/gateway.yaml"}, {"ok": True, "errors": [], "warnings": [], "change": 1}, None])
    status, out = run(tools, path, "partner", "set", "fabrikam.example", "sasl=optional")
    thread.join()
    os.unlink(path)
    assert status == 1 and "is saved, and not in force: xfedctl reload" in out, out
    assert text_of(partner) == PARTNER.replace("sasl: required", "sasl: optional")


def test_somebody_else_is_quicker(inst, tools, partner):
    """Between the reading and the saving an editor has written the file: it stays as the editor has left it."""
    path = inst.dir + "/fake.sock"
    others = PARTNER.replace("# no iq", "# by hand")

    def late():
        write(partner, others)
        return {"ok": True, "errors": [], "warnings": [], "change": 1}
    thread = fake_service(path, [{"config": inst.dir + "/gateway.yaml"}, late, {}])
    status, out = run(tools, path, "partner", "set", "fabrikam.example", "sasl=optional")
    thread.join()
    os.unlink(path)
    assert status == 1 and "somebody else has changed it meanwhile" in out, out
    assert text_of(partner) == others and not left_over(inst)


# ---- access ----

def test_a_user_is_named_and_named_no_more(inst, tools, rule):
    mark = inst.gateway.process.mark()
    answer = change(inst, tools, "access", "grant", "fedpic", "Carol@corp.example")
    assert text_of(rule) == RULE + "  - Carol@corp.example\r\n" and answer["diff"].splitlines()[1:] == ["+  - Carol@corp.example"]
    assert inst.gateway.control("access", "show", name="FEDPIC")["granted_to"] == ["alice@corp.example", "bob@corp.example", "carol@corp.example"]
    audit(inst, mark, "finish", "access grant fedpic Carol@corp.example", "result=ok")
    assert not change(inst, tools, "access", "grant", "FedPic", "carol@corp.example")["changed"]
    change(inst, tools, "access", "revoke", "FedPic", "ALICE@corp.example")
    assert text_of(rule) == RULE.replace("  - alice@corp.example # boss\r\n", "") + "  - Carol@corp.example\r\n"
    refused(inst, tools, ["access", "revoke", "FedPic", "alice@corp.example"], "alice@corp.example is not named in the rule FedPic")
    change(inst, tools, "access", "revoke", "FedPic", "carol@corp.example")
    refused(inst, tools, ["access", "revoke", "FedPic", "bob@corp.example"], "access remove FedPic", "access set FedPic federation=false")
    refused(inst, tools, ["access", "grant", "FedPic", "corp.example"], "an address of a user")
    refused(inst, tools, ["access", "grant", "nobody", "a@corp.example"], "there is no rule nobody")
    refused(inst, tools, ["access", "grant", "../partners.d/partner.example", "a@corp.example"], "a name that a file can have")
    refused(inst, tools, ["access", "grant", "rest", "a@corp.example"], "found with another scope")
    answer = change(inst, tools, "access", "set", "FedPic", "federation=false")
    assert answer["notes"] == []
    answer = change(inst, tools, "access", "grant", "FedPic", "carol@corp.example")
    assert answer["notes"] == ["the rule is off: it forbids whom it names"]
    answer = change(inst, tools, "access", "remove", "FedPic")
    assert "whom the rule forbade may use federation where a wider rule" in answer["notes"][0]


def test_who_is_not_ours_is_warned_of(inst, tools, rule):
    """A slip of the hand would never be found: the rule decides about nobody by it."""
    def warned(answer, *words):
        return [w for w in answer["warnings"] if all(x in w for x in words)]
    answer = change(inst, tools, "access", "grant", "FedPic", "carol@corp.exmaple")
    assert warned(answer, rule, "granted_to", "carol@corp.exmaple", "is no domain of ours") and not warned(answer, "alice@corp.example"), answer
    answer = change(inst, tools, "access", "add", "site", "scope=site", "allowed=true", "domains=crop.example,corp.example")
    assert warned(answer, "site.yaml", "domains", "crop.example is no domain of ours") and not warned(answer, "found \"corp.example\""), answer
    path = inst.dir + "/users"
    write(path, "dora@corp.exmaple\neva@corp.example\n")
    try:
        answer = change(inst, tools, "access", "add", "More", "scope=user", "allowed=true", "granted_to_file=" + path)
        assert warned(answer, path, "dora@corp.exmaple") and not warned(answer, "eva@corp.example"), answer
        answer = change(inst, tools, "access", "remove", "More")
        assert "whom the rule let use federation may no more" in answer["notes"][0] and not warned(answer, "dora"), answer
    finally:
        os.unlink(path)


@pytest.mark.parametrize("before, granted, revoked", [
    ("# ours\n\nalice@corp.example  \nBob@corp.example\n", "# ours\n\nalice@corp.example  \nBob@corp.example\ncarol@corp.example\n",
     "# ours\n\nalice@corp.example  \ncarol@corp.example\n"),
    ("alice@corp.example\r\nbob@corp.example", "alice@corp.example\r\nbob@corp.example\r\ncarol@corp.example\r\n",
     "alice@corp.example\r\ncarol@corp.example\r\n"),
], ids=["plain", "crlf"])
def test_a_file_of_users(inst, tools, rule, before, granted, revoked):
    path = inst.dir + "/users"
    with open(path, "w", newline="", encoding="utf-8") as f:
        f.write(before)
    os.chmod(path, 0o600)
    write(rule, "name: FedPic\nscope: user\nallowed: true\ngranted_to_file: %s\n" % path)
    rule_before = text_of(rule)
    inst.reload()
    try:
        answer = change(inst, tools, "access", "grant", "FedPic", "carol@corp.example")
        assert answer["file"] == path and text_of(path) == granted and stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert not change(inst, tools, "access", "grant", "FedPic", "alice@corp.example")["changed"]
        change(inst, tools, "access", "revoke", "FedPic", "bob@corp.example")
        assert text_of(path) == revoked and text_of(rule) == rule_before
        assert inst.gateway.control("access", "list")["rules"][0]["users_in_file"] == 2
        change(inst, tools, "access", "revoke", "FedPic", "carol@corp.example")
        refused(inst, tools, ["access", "revoke", "FedPic", "carol@corp.example"], "carol@corp.example is not named in the rule FedPic")
        refused(inst, tools, ["access", "revoke", "FedPic", "alice@corp.example"], "access remove FedPic", "access set FedPic allowed=false")
        assert "alice@corp.example" in text_of(path)
    finally:
        os.unlink(path)


def test_a_rule_that_locks_everybody_out_says_so(inst, tools):
    for settings, said in ((("scope=global", "allowed=false"), "lets nobody use federation: nobody may any more"),
                           (("scope=user", "allowed=false", "granted_to=alice@corp.example"), "lets nobody use federation: nobody may any more"),
                           (("scope=global", "allowed=true"), "whoever no rule covers may not")):
        answer = change(inst, tools, "access", "add", "first", *settings, "--dry-run")
        assert len(answer["notes"]) == 1 and said in answer["notes"][0], answer
    refused(inst, tools, ["access", "add", "first", "scope=global", "allowed=true", "allowed=false"], "allowed is given twice")


def test_a_rule_comes_and_goes(inst, tools):
    path = inst.dir + "/access.d/fedpic.yaml"
    answer = change(inst, tools, "access", "add", "FedPic", "scope=user", "federation=true", "xmpp=true", "granted_to=alice@corp.example,bob@corp.example")
    assert text_of(path) == "name: FedPic\nscope: user\nfederation: true\nxmpp: true\ngranted_to: [alice@corp.example, bob@corp.example]\n"
    assert "it is the first rule" in answer["notes"][0]
    try:
        refused(inst, tools, ["access", "add", "FEDPIC", "scope=global", "allowed=true"], "there is a rule FEDPIC already")
        refused(inst, tools, ["access", "add", "more", "scope=site"], "domains: missing")
        refused(inst, tools, ["access", "set", "FedPic", "allowed=true"], "found beside federation or xmpp", "federation= xmpp= allowed=...")
        change(inst, tools, "access", "set", "FedPic", "federation=", "xmpp=", "allowed=true")
        assert text_of(path) == "name: FedPic\nscope: user\ngranted_to: [alice@corp.example, bob@corp.example]\nallowed: true\n"
        refused(inst, tools, ["access", "remove", "FedPic"], "is the last rule", "scope=global allowed=true", "scope=global allowed=false")
        answer = change(inst, tools, "access", "add", "everyone", "scope=global", "allowed=true")
        assert answer["notes"] == []
        rules = inst.gateway.control("access", "list")["rules"]
        assert [(r["name"], r["scope"], r["federation"], r["xmpp"]) for r in rules] == [("FedPic", "user", True, True), ("everyone", "global", True, True)]
        change(inst, tools, "access", "remove", "FedPic")
        assert not os.path.exists(path)
        refused(inst, tools, ["access", "set", "everyone", "federation=false"], "found beside federation or xmpp", "allowed= federation=... xmpp=...")
        assert inst.gateway.ask("access", "show", name="FedPic")["error"]["code"] == "not-found"
    finally:
        for name in os.listdir(inst.dir + "/access.d"):
            os.unlink(inst.dir + "/access.d/" + name)
        inst.reload()
    assert inst.gateway.control("access", "list")["rules"] == []


def test_a_switch_that_goes_off_counts_at_once(inst, tools, rule, new_partner):
    alice, bob = "alice@corp.example", "x@switched.example"  # a name of its own: the DNS is everybody's
    inst.list_partner("switched.example")
    inst.reload()
    flow = inst.user.dial(inst.sip)
    partner = new_partner(inst, "switched.example")
    assert inst.user.message(flow, "sip:" + bob, "may", sender="sip:" + alice, timeout=20).status in (200, 202)
    change(inst, tools, "access", "set", "FedPic", "xmpp=false")
    response = inst.user.message(flow, "sip:" + bob, "may not", sender="sip:" + alice, timeout=20)
    assert response.status == 403 and "policy.access.user" in response.get("warning")
    status, out = inst.gateway.ctl(tools, "explain", alice, bob, check=False)
    assert status == 1 and "the rule FedPic refuses alice@corp.example: xmpp is off" in out
    change(inst, tools, "access", "set", "FedPic", "xmpp=true")
    assert inst.user.message(flow, "sip:" + bob, "may again", sender="sip:" + alice, timeout=20).status in (200, 202)
    flow.close()
    partner.close()
    inst.unlist_partner("switched.example")
    inst.reload()


def test_who_is_revoked_is_seen_no_more(inst, tools, rule, new_partner):
    """The subscription on the SIP side ends, and the contact is told at once."""
    inst.list_partner("seen.example")
    inst.reload()
    partner = new_partner(inst, "seen.example")
    flow = inst.user.dial(inst.sip)
    local, uri = "bob@corp.example", "sip:bob@corp.example"
    server = PresenceServer(inst.user, flow)
    partner.send("<presence from='carl@seen.example' to='%s' type='subscribe'/>" % local)
    request = server.wait(uri)
    assert server.notify(request, "active;expires=3600", pidf("pres:" + local, ("desk", "open", None, "here"))).status == 200

    def told(kind):
        return partner.inbox.wait(lambda s: s.tag.endswith("}presence") and s.get("type") == kind and s.get("from", "").startswith(local), 20)
    told(None)
    change(inst, tools, "access", "revoke", "FedPic", local)
    server.wait_inside(request, "0", 20)
    told("unavailable")
    flow.close()
    partner.close()
    inst.unlist_partner("seen.example")


# ---- numbers of gateway.yaml ----

def test_config_set(inst, tools):
    path = inst.dir + "/gateway.yaml"
    before = text_of(path)
    mode = stat.S_IMODE(os.stat(path).st_mode)
    try:
        answer = change(inst, tools, "config", "set", "delivery.deadline", "45s")
        assert answer["saved"] and answer["file"] == path and stat.S_IMODE(os.stat(path).st_mode) == mode
        assert json.loads(text_of(path))["delivery"] == {"deadline": "45s"}  # JSON stays JSON
        assert "deadline: 45s" in inst.gateway.control("config", "show")["text"]
        assert change(inst, tools, "config", "set", "limits.transactions", "128")["needs_restart"] == ["limits.transactions"]
        change(inst, tools, "config", "set", "limits.transactions", "")
        change(inst, tools, "config", "set", "delivery.deadline", "")
        assert "delivery" not in json.loads(text_of(path))
        for key, value, said in (("delivery.deadline", "1s", "a duration from 34s"), ("delivery.deadline", "soon", "found \\\"soon\\\""),
                                 ("name", "gw2", "is no number"), ("domains", "5", "is no number"), ("limits.conections", "5", "there is no key"),
                                 ("limits", "5", "is no number")):
            now = text_of(path)
            refused(inst, tools, ["config", "set", key, value], said)
            assert text_of(path) == now
    finally:
        write(path, before)
        inst.reload()


# ---- for people ----

def test_words_for_people(inst, tools, partner):
    others = "1 warning about other files: xfedctl config check\n"  # a key of the tests' CA, that everybody may read
    status, out = inst.gateway.ctl(tools, "partner", "set", "fabrikam.example", "sasl=optional", check=False)
    assert (status, out) == (0, partner + "\n@@ line 6\n-sasl: required\n+sasl: optional\n" + others + "saved, and in force\n")
    status, out = inst.gateway.ctl(tools, "partner", "set", "fabrikam.example", "sasl=optional", check=False)
    assert (status, out) == (0, partner + "\nit says so already: nothing is changed\n")
    status, out = inst.gateway.ctl(tools, "partner", "set", "fabrikam.example", "tls=maybe", check=False)
    assert status == 1 and out.endswith("accepted: required | optional | not-supported\n" + others + "nothing is saved\n"), out
    status, out = inst.gateway.ctl(tools, "partner", "remove", "fabrikam.example", "--dry-run", check=False)
    assert status == 0 and out.endswith("all files are fine with it; nothing is saved (--dry-run)\n"), out
    status, out = inst.gateway.ctl(tools, "access", "list", check=False)
    assert (status, out) == (0, "no rules: everyone may use federation\n")


# ---- what it would do ----

def effects(inst, tools, *words):
    answer = change(inst, tools, *words, "--dry-run")
    return {e["what"]: e for e in answer["effects"]}


def test_what_a_change_would_do_is_told_first(inst, tools, new_partner):
    """Streams that would close with the reason that the edge gives them, and who is shown whom no more; then it is done, and is so."""
    inst.list_partner("live.example")
    inst.reload()
    partner = new_partner(inst, "live.example")
    flow = inst.user.dial(inst.sip)
    assert inst.user.message(flow, "sip:x@live.example", "opens a stream", sender="sip:alice@corp.example", timeout=20).status in (200, 202)
    partner.send("<presence from='carl@live.example' to='alice@corp.example' type='subscribe'/>")
    request = PresenceServer(inst.user, flow).wait("sip:alice@corp.example")
    assert request

    def counted():
        """The login of a stream that has just opened may not be over yet."""
        return len([s for s in inst.gateway.control("stream", "list", domain="live.example")["streams"] if s.get("method") == "external"])
    live = wait_until("streams of the partner", counted, 20)
    told = effects(inst, tools, "partner", "set", "live.example", "sasl=not-supported", "dialback=true")
    assert told["methods"]["methods"] == ["dialback-tls"] and told["methods"]["domain"] == "live.example"
    assert told["streams"]["count"] >= live and told["streams"]["reason"] == "sasl.required.missing"
    assert "contacts" not in told
    told = effects(inst, tools, "partner", "remove", "live.example")
    assert told["streams"]["reason"] == "policy.partner.unlisted" and told["contacts"]["count"] == 1 and told["subscriptions"]["count"] >= 1
    assert set(effects(inst, tools, "partner", "set", "live.example", "kinds=message,iq")) == {"kinds", "contacts", "subscriptions"}
    assert set(effects(inst, tools, "partner", "set", "live.example", "limits.connections=1")) == {"limits"}
    assert not effects(inst, tools, "partner", "set", "live.example", "description=x")
    status, out = inst.gateway.ctl(tools, "partner", "remove", "live.example", "--dry-run", check=False)
    assert status == 0 and "effect: 1 pairs of a user and a contact are shown each other no more\n" in out and "(policy.partner.unlisted)\n" in out
    mark = inst.edge.process.mark()
    change(inst, tools, "partner", "remove", "live.example")
    inst.edge.process.wait_line("reason=policy.partner.unlisted", 20, mark)
    flow.close()
    partner.close()


def test_a_partner_is_disabled_for_a_while(inst, tools, new_partner):
    """As one that is not listed, but told apart, on both sides of the channel; its file stays, and it comes back."""
    inst.list_partner("off.example")
    inst.reload()
    partner = new_partner(inst, "off.example")
    flow = inst.user.dial(inst.sip)
    alice, bob = "sip:alice@corp.example", "sip:x@off.example"
    assert inst.user.message(flow, bob, "before", sender=alice, timeout=20).status in (200, 202)
    told = effects(inst, tools, "partner", "set", "off.example", "enabled=false")
    assert told["streams"]["reason"] == "policy.partner.disabled" and told["streams"]["count"] >= 1
    mark = inst.edge.process.mark()
    change(inst, tools, "partner", "set", "off.example", "enabled=false")
    inst.edge.process.wait_line("reason=policy.partner.disabled", 20, mark)
    response = inst.user.message(flow, bob, "meanwhile", sender=alice, timeout=20)
    assert response.status == 403 and "policy.partner.disabled" in response.get("warning")
    shown = inst.gateway.control("partner", "show", domain="off.example")
    assert shown["enabled"] is False and "refused" not in shown and shown["tls"] == "required"
    assert [p["enabled"] for p in inst.gateway.control("partner", "list")["partners"] if p["domain"] == "off.example"] == [False]
    status, out = inst.gateway.ctl(tools, "explain", "alice@corp.example", "x@off.example", check=False)
    assert status == 1 and "off.example.yaml has enabled: false" in out and "policy.partner.disabled" in out
    assert "disabled" in inst.gateway.ctl(tools, "partner", "list")
    change(inst, tools, "partner", "set", "off.example", "enabled=")
    assert inst.user.message(flow, bob, "again", sender=alice, timeout=20).status in (200, 202)
    flow.close()
    partner.close()
    inst.unlist_partner("off.example")
    inst.reload()
