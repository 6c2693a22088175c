"""States that an administrator gets out of by what he is told: a policy that drifts, files that cannot be read, certificates that end."""
import json
import os
import shutil
import subprocess

import pytest

from harness.breakages import says, told
from harness.installation import write
from harness.proc import clean_environment, wait_until
from harness.xmpp import XmppStream


@pytest.fixture(scope="module")
def own(install, started):
    inst = install("dead-ends")
    inst.list_partner("partner.example")
    yield started(inst)
    inst.stop()


def problems(daemon, reason):
    return [p for p in daemon.control("status")["problems"] if p["reason"] == reason]


# ---- two policies that carry one revision, or an older one ----

@pytest.fixture
def backup(own):
    """take(): the gateway is restarted, with its store kept as it is; restore(): that one is back, and the gateway stopped."""
    def stored(name="gateway.db"):
        return [n for n in os.listdir(own.dir) if n.startswith(name)]

    class Backup:
        def take(self):
            own.gateway.stop()
            for name in stored():
                shutil.copy("%s/%s" % (own.dir, name), "%s/backup-%s" % (own.dir, name))
            own.gateway.start().wait_ready()

        def restore(self):
            own.gateway.stop()
            for name in stored():
                os.unlink("%s/%s" % (own.dir, name))
            for name in stored("backup-gateway.db"):
                os.rename("%s/%s" % (own.dir, name), "%s/%s" % (own.dir, name[len("backup-"):]))
            assert os.path.exists(own.dir + "/gateway.db")
    return Backup()


def policies(own):
    return own.gateway.control("status")["policy"], own.edge.control("status")["policy"]


def in_force(own):
    wait_until("no drift", lambda: not problems(own.gateway, "channel.policy.drift"), 5)
    wait_until("one policy", lambda: len({json.dumps(p, sort_keys=True) for p in policies(own)}) == 1, 5)


@pytest.mark.parametrize("behind", [0, 3], ids=["the-same", "older"])
def test_a_policy_that_drifts_is_cured_by_a_reload(own, backup, behind):
    """A store from a backup, and other files than then: what status says to do is enough."""
    backup.take()
    for i in range(behind + 1):
        own.list_partner("drift%d.example" % i)
        own.reload()
    backup.restore()
    for i in range(behind + 1):
        own.unlist_partner("drift%d.example" % i)
    own.list_partner("other%d.example" % behind)
    own.gateway.start()
    own.gateway.process.wait_line("event=policy.refused .*reason=channel.policy.drift", 10)
    assert "eload on the gateway whose files are right" in problems(own.gateway, "channel.policy.drift")[0]["text"]
    own.reload()
    in_force(own)


def test_the_same_policy_is_in_force_whatever_its_number(own, backup, tools):
    """A store from a backup, and the files of then: nothing drifts; the first reload of other files comes into force."""
    backup.take()
    for change in (own.list_partner, own.unlist_partner):
        change("passing.example")
        own.reload()
    backup.restore()
    own.gateway.start().wait_ready()
    ours, theirs = policies(own)
    assert ours["hash"] == theirs["hash"] and ours["revision"] < theirs["revision"], (ours, theirs)
    assert not problems(own.gateway, "channel.policy.drift")
    told = own.gateway.ctl(tools, "explain", "user@corp.example", "bob@partner.example", check=False)
    assert told[0] == 0 and "our policy is in force" in told[1], told
    own.list_partner("new-since.example")
    assert own.gateway.control("reload")["revision"] == theirs["revision"] + 1
    in_force(own)
    own.unlist_partner("new-since.example")
    own.reload()


# ---- files that cannot be loaded when the gateway starts ----

@pytest.fixture
def restarted(own):
    """restarted(PATH, TEXT...): the gateway starts with these files beside the good ones; afterwards they are gone."""
    made = []

    def restart(*files):
        for path, text in files:
            with open(path, "wb") as f:
                f.write(text)
            made.append(path)
        own.gateway.stop()
        own.gateway.start()
        own.gateway.wait_ready()
        wait_until("the policy", lambda: own.gateway.control("status")["policy"] == own.edge.control("status")["policy"], 5)
        return own
    yield restart
    for path in made:
        if os.path.exists(path):
            os.unlink(path)
    own.reload()


BROKEN = [
    ("a value", b"domain: sub.wide.example\ntls: maybe\nadditional_domains: [other.wide.example]\n", "maybe"),
    ("no YAML", b"domain: sub.wide.example\nadditional_domains: [other.wide.example\ntls: required\n", "sub.wide.example.yaml"),
    ("UTF-16", "domain: sub.wide.example\nadditional_domains: [other.wide.example]\n".encode("utf-16"), "UTF-8"),
]


@pytest.mark.parametrize("name, text, word", BROKEN, ids=[row[0].replace(" ", "-") for row in BROKEN])
def test_a_broken_partner_file_at_the_start(own, restarted, new_partner, users, name, text, word):
    """What it names is refused although a wildcard covers it, everything else works, and a reload of the mended file is all it takes."""
    own.list_partner("wide.example", additional_domains=["*.wide.example"])
    path = own.partner_path("sub.wide.example")
    restarted((path, text))
    assert own.gateway.get("/readyz")[0] == 200
    first = own.gateway.control("status")["problems"][0]
    assert first["reason"] == "policy.partner.broken" and path in first["text"] and word in first["text"], first
    assert "sub.wide.example, other.wide.example" in first["text"], first
    good = len([n for n in os.listdir(own.partners) if n.endswith(".yaml")]) - 1
    assert [p["partners"] for p in policies(own)] == [good, good]
    own.gateway.process.wait_line("event=policy.loaded .*partners=%d " % good, 5)
    user = users["corp.example"]
    flow = user.dial(own.sip)
    names = ["xmpp:" + d for d in ("wide.example", "sub.wide.example", "other.wide.example", "third.wide.example")]
    wide = new_partner(own, "wide.example", names=names)
    for domain in ("sub.wide.example", "other.wide.example"):
        before = own.refusals("policy.partner.broken")
        stream = XmppStream.connect(own.s2s)
        stream.open(domain, "corp.example")
        assert stream.read_error(with_header=True).condition == "policy-violation"
        assert user.message(flow, "sip:alice@" + domain, "to nobody").status == 403
        assert own.refusals("policy.partner.broken") >= before + 2
        assert not own.gateway.control("partner", "check", domain=domain)["ok"]
    XmppStream.connect(own.s2s).log_in("third.wide.example", "corp.example", wide.client_context).close()
    assert not own.gateway.control("reload")["ok"]
    assert own.gateway.control("status")["problems"][0]["reason"] == "policy.partner.broken"  # still what is in force
    own.list_partner("sub.wide.example", additional_domains=["other.wide.example"])
    own.reload()
    assert not problems(own.gateway, "policy.partner.broken")
    XmppStream.connect(own.s2s).log_in("sub.wide.example", "corp.example", wide.client_context).close()
    flow.close()
    wide.close()
    own.unlist_partner("wide.example")


@pytest.mark.parametrize("ending", [".yaml.txt", ".yml", ""], ids=["txt", "yml", "none"])
def test_a_partner_file_with_another_ending(own, tools, ending):
    """Whoever looks for the partner is told of the file that was meant to list it, and of what is left to do."""
    stray = own.partner_path("stray.example")[:-len(".yaml")] + ending
    write(stray, "domain: stray.example\n")
    own.reload()
    way = "%s lies there and is not loaded: its name has to end in .yaml alone, rename it and reload" % stray
    told(own, tools, {"status": says(1, "PROBLEM config.file.ignored since 2", "%s is not loaded" % os.path.basename(stray)),
                      "explain": says(1, "CLOSED partner no file in", way), "check": says(1, "PROBLEM policy", way)},
         "user@corp.example", "bob@stray.example")
    os.rename(stray, own.partner_path("stray.example"))
    told(own, tools, {"explain": says(1, "stray.example.yaml lies there and is not loaded: reload")}, "user@corp.example", "bob@stray.example")
    own.reload()
    told(own, tools, {"status": says(0, never=["stray.example"]), "explain": says(0)}, "user@corp.example", "bob@stray.example")
    own.unlist_partner("stray.example")
    own.reload()


def test_a_partner_file_that_the_service_may_not_read(own, restarted):
    """A directory under that name cannot be read by anybody, root included."""
    path = own.partner_path("closed.example")
    os.mkdir(path)
    try:
        restarted()
        first = own.gateway.control("status")["problems"][0]
        assert first["reason"] == "policy.partner.broken" and "closed.example" in first["text"]
    finally:
        os.rmdir(path)


def test_a_broken_access_file_at_the_start(own, restarted, new_partner, users):
    """Whom it names may not, although a rule for all lets him; whom it cannot have named still may."""
    good = own.dir + "/access.d/all.yaml"
    path = own.dir + "/access.d/few.yaml"
    restarted((good, b"name: All\nscope: global\nallowed: true\n"), (path, b"name: Few\nscope: user\nallowed: maybe\ngranted_to: [dave@corp.example]\n"))
    p = new_partner(own, "partner.example", leaf="partner")
    user = users["corp.example"]
    flow = user.dial(own.sip)
    try:
        assert own.gateway.control("status")["problems"][0]["reason"] == "policy.access.broken"
        before = own.refusals("policy.access.broken")
        assert user.message(flow, "sip:alice@partner.example", "not from you", sender="sip:dave@corp.example").status == 403
        assert own.refusals("policy.access.broken") == before + 1
        assert user.message(flow, "sip:alice@partner.example", "from you", sender="sip:erin@corp.example").status in (200, 202)
    finally:
        flow.close()
        p.close()


@pytest.mark.parametrize("at_start", [True, False], ids=["start", "reload"])
@pytest.mark.parametrize("where, text", [("access.d", b"name: None\nscope: global\nallowed: false\n"), ("partners.d", b"domain: none.example\n")],
                         ids=["access", "partner"])
def test_a_file_that_is_not_loaded_for_its_name(own, restarted, where, text, at_start):
    """A rule that is there and does not count is a problem for as long as it is so."""
    path = "%s/%s/none.YAML" % (own.dir, where)
    restarted(*([(path, text)] if at_start else []))
    if not at_start:
        with open(path, "wb") as f:
            f.write(text)
        own.reload()
    problem, = problems(own.gateway, "config.file.ignored")
    assert "none.YAML is not loaded" in problem["text"] and where in problem["text"] and "rename it" in problem["text"], problem
    os.unlink(path)
    own.reload()
    assert not problems(own.gateway, "config.file.ignored")


# ---- certificates and keys ----

def checked(own, daemon, **channel):
    """(exit status, output) of --check-config where the channel has other files."""
    config = json.loads(json.dumps(own.edge_config if daemon is own.edge else own.gateway_config))
    config["channel"].update(channel)
    path = own.dir + "/checked.yaml"
    write(path, json.dumps(config, indent=1) + "\n")
    done = subprocess.run([daemon.binary, "--check-config", "-c", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=30, env=clean_environment(), check=False)
    return done.returncode, done.stdout


@pytest.fixture(params=["edge", "gateway"])
def daemon(request, own):
    return getattr(own, request.param)


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, timeout=60, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_certificates_and_keys_in_other_forms(own, certs, daemon):
    """What it is and how it becomes PEM, at the key that names the file."""
    d = own.dir + "/form"
    chain, key = certs.chain("fe"), certs.key("fe")
    openssl("pkcs12", "-export", "-in", chain, "-inkey", key, "-out", d + ".pfx", "-passout", "pass:secret")
    openssl("x509", "-in", chain, "-outform", "DER", "-out", d + ".der")
    openssl("pkey", "-in", key, "-outform", "DER", "-out", d + ".key.der")
    openssl("pkey", "-in", key, "-aes128", "-passout", "pass:secret", "-out", d + ".encrypted.key")
    openssl("crl2pkcs7", "-nocrl", "-certfile", chain, "-out", d + ".p7b")
    openssl("req", "-new", "-key", key, "-subj", "/CN=x", "-out", d + ".csr")
    for option, name, word in (("certificate", ".pfx", "PKCS#12"), ("key", ".pfx", "PKCS#12"), ("ca", ".pfx", "PKCS#12"), ("certificate", ".der", "is DER"),
                               ("ca", ".der", "is DER"), ("key", ".key.der", "is DER"), ("key", ".encrypted.key", "pass phrase"),
                               ("certificate", ".p7b", "PKCS#7"), ("certificate", ".csr", "request for a certificate")):
        code, text = checked(own, daemon, **{option: d + name})
        line, = [line for line in text.splitlines() if d + name in line]
        assert code == 1 and word in line and ":channel.%s: " % option in line, text


VALIDITY = {
    "bygone": (("start=20190101000000Z", "end=20200101000000Z"), "has expired (2020-01-01; it is 20", "tls.own.expired", "has expired, at 2020-01-01"),
    "coming": (("start=20700101000000Z", "end=20710101000000Z"), "is not valid yet (2070-01-01; it is 20", "tls.own.not-yet-valid", "is not valid before 2070-01-01"),
}


@pytest.mark.parametrize("name", VALIDITY)
def test_a_certificate_that_is_not_valid_now_is_found(own, certs, daemon, name):
    """
    Before a partner or a gateway finds it: by --check-config, by a reload and by status. It is ours, so no partner is at fault; what the
    host takes for the time stands beside it.
    """
    times, words, code, problem = VALIDITY[name]
    leaf = certs.leaf(name, *times, "host:edge-int.corp.example", "sip:fe.corp.example")
    files = {"certificate": certs.chain(leaf), "key": certs.key(leaf)}
    status, text = checked(own, daemon, **files)
    line, = [line for line in text.splitlines() if "this host's clock" in line]
    assert status == 0 and ":channel.certificate: warning: our certificate" in line and words in line, text
    config = json.loads(json.dumps(own.edge_config if daemon is own.edge else own.gateway_config))
    config["channel"].update(files)
    write(daemon.config, json.dumps(config))
    try:
        mark = daemon.process.mark()
        assert daemon.control("reload")["ok"]
        daemon.process.wait_line("event=config.problem reason=%s side=operator " % code.replace(".", r"\."), 10, mark)
        text, = [p["text"] for p in daemon.control("status")["problems"] if p["reason"] == code]
        assert problem in text and "this host's clock" in text and "timedatectl" in text, text
    finally:
        own.write_configs()
        assert daemon.control("reload")["ok"]


def test_the_metric_of_a_replaced_certificate_goes(own, certs, daemon):
    def names():
        return {labels["name"] for name, labels, _ in daemon.samples()
                if name == "xfed_certificate_not_after_timestamp_seconds" and labels.get("owner") == "us" and "edge" not in labels}
    before = names()
    other = certs.leaf("replaced-" + daemon.name, "cn=replaced-" + daemon.name, "host:edge-int.corp.example", "sip:fe.corp.example")
    config = json.loads(json.dumps(own.edge_config if daemon is own.edge else own.gateway_config))
    config["channel"].update(certificate=certs.chain(other), key=certs.key(other))
    write(daemon.config, json.dumps(config))
    try:
        assert daemon.control("reload")["ok"]
        new = names() - before
        assert new
    finally:
        own.write_configs()
        assert daemon.control("reload")["ok"]
    wait_until("the metric gone", lambda: names() == before, 5)


# ---- the check of root ----

@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_checks_what_the_service_may_read(own, certs, daemon):
    """As its user, who is called like the program: a key that root alone can read is found."""
    program = {own.edge: "xfed-edge", own.gateway: "xfed-gateway"}[daemon]
    users, key = own.dir + "/passwd", own.dir + "/root.key"
    with open("/etc/passwd", encoding="utf-8") as f:
        write(users, "".join(line for line in f if not line.startswith(program + ":")) + program + ":x:64998:64998::/:/usr/sbin/nologin\n")
    config = json.loads(json.dumps(own.edge_config if daemon is own.edge else own.gateway_config))
    shutil.copy(config["channel"]["key"], key)
    path = own.dir + "/root.yaml"
    above = os.path.dirname(own.dir)
    modes = {d: os.stat(d).st_mode for d in (above, own.dir)}
    check = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/passwd && exec "$@"', users, daemon.binary, "--check-config", "-c"]
    try:
        for d in modes:
            os.chmod(d, 0o755)
        for name, mode, code in ((config["channel"]["key"], None, 0), (key, 0o600, 1), (key, 0o644, 0)):
            config["channel"]["key"] = name
            write(path, json.dumps(config, indent=1) + "\n")
            if mode:
                os.chmod(key, mode)
            done = subprocess.run([*check, path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, env=clean_environment(),
                                  check=False)
            assert done.returncode == code, done.stdout
            assert "read as the user " + program in done.stdout
            assert (":channel.key: %s: Permission denied" % key in done.stdout) == (code == 1), done.stdout
        os.chmod(own.dir, 0o700)  # somebody tries something out
        done = subprocess.run([*check, path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, env=clean_environment(),
                              check=False)
        assert done.returncode == 0 and "read as root" in done.stdout, done.stdout
    finally:
        for d, mode in modes.items():
            os.chmod(d, mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_is_denied_says_to_whom(own):
    """A store, a directory or a file of another owner: "no such file" or "make the directory" would send the administrator astray."""
    users = own.dir + "/denied-passwd"
    with open("/etc/passwd", encoding="utf-8") as f:
        write(users, "".join(line for line in f if not line.startswith("xfed-gateway:")) + "xfed-gateway:x:64998:64998::/:/usr/sbin/nologin\n")
    config = json.loads(json.dumps(own.gateway_config))
    config["store"]["sqlite"] = own.dir + "/denied/gateway.db"
    path = own.dir + "/denied.yaml"
    above = os.path.dirname(own.dir)
    modes = {d: os.stat(d).st_mode for d in (above, own.dir)}
    who = "Permission denied for the user xfed-gateway (namei -l shows who may)"
    enter = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/passwd && exec "$@"', users]

    def run(*command):
        write(path, json.dumps(config, indent=1) + "\n")
        done = subprocess.run([*enter, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, env=clean_environment(), check=False)
        return done.returncode, done.stdout
    try:
        for d in modes:
            os.chmod(d, 0o755)
        os.makedirs(own.dir + "/denied", 0o755, exist_ok=True)
        os.makedirs(own.dir + "/closed", 0o700, exist_ok=True)
        code, text = run(own.gateway.binary, "--check-config", "-c", path)
        assert code == 0 and "warning: store.sqlite: %s/denied/gateway.db: %s" % (own.dir, who) in text, text
        code, text = run("setpriv", "--reuid=64998", "--regid=64998", "--clear-groups", own.gateway.binary, "-c", path)
        assert code == 1 and who in text and "No such file" not in text, text
        config["partners_dir"] = own.dir + "/closed"
        code, text = run(own.gateway.binary, "--check-config", "-c", path)
        assert code == 1 and who in text and "let that user read it" in text and "make the directory" not in text, text
    finally:
        for d, mode in modes.items():
            os.chmod(d, mode)


# ---- one word to look for ----

def test_refusals_of_the_edge_can_be_followed(own, new_partner, users):
    """Both ways their lines carry partner, local, id and correlation, as all others do; the gateway's say the same."""
    user = users["corp.example"]
    own.list_partner("queries.example", kinds=["iq"])
    own.list_partner("gone.example", connect_to="127.0.0.1:9")
    own.reload()
    p = new_partner(own, "queries.example")
    flow = user.dial(own.sip)
    try:
        mark = own.edge.process.mark()
        ident = p.say("alice", "dave@corp.example", "not allowed")
        own.edge.process.wait_line("event=stanza.refused partner=queries.example local=corp.example reason=policy.kind.forbidden .*id=%s correlation=edge1-" % ident, 10, mark)
        gateway = own.gateway.process.mark()
        assert user.message(flow, "sip:alice@gone.example", "nobody there").status >= 400
        line = own.edge.process.wait_line("event=delivery.refused partner=gone.example local=corp.example reason=net.connect.refused .*id=.* correlation=gw1-", 10, mark)
        words = dict(w.split("=", 1) for w in line.split() if "=" in w)
        own.gateway.process.wait_line("event=delivery.refused partner=gone.example .*id=%s .*correlation=%s " % (words["id"], words["correlation"]), 10, gateway)
    finally:
        flow.close()
        p.close()
        own.unlist_partner("queries.example")
        own.unlist_partner("gone.example")
        own.reload()
