"""
What xfedctl cert does with files, without a service: requests, every form in which a certificate comes back, and each way in which that
can be wrong, which is told in one sentence and changes nothing.
"""
import json
import os
import pty
import pwd
import re
import resource
import select
import shutil
import signal
import stat
import subprocess
import tempfile
import termios

import pytest

from harness.certhost import GATEWAY_NAME, CertHost, openssl, sign

PASS = "tr0ub4dor & 3"


@pytest.fixture
def host(tools, certs):
    """An edge whose folder others may look into; it trusts the test's root."""
    directory = tempfile.mkdtemp(prefix="xfc-")
    os.chmod(directory, 0o755)
    made = CertHost(directory, tools, "edge", trust={"ca": certs.ca})
    os.makedirs(made.tls)
    made.put("channel-domains", os.devnull)
    with open(directory + "/channel-domains", "w", encoding="ascii") as f:
        f.write("corp.example\n")
    yield made
    made.remove()


@pytest.fixture
def gateway(tools, certs):
    directory = tempfile.mkdtemp(prefix="xfc-")
    made = CertHost(directory, tools, "gateway")
    os.makedirs(made.tls)
    shutil.copy(certs.ca, made.tls + "/sip-ca.pem")
    yield made
    made.remove()


def names_of(path, what="x509"):
    return openssl(what, "-in", path, "-noout", "-text")


def service_of(host):
    """User and group of its service on this machine; those of whoever runs the test where it has none."""
    try:
        user = pwd.getpwnam("xfed-" + host.kind)
        return user.pw_uid, user.pw_gid
    except KeyError:
        return os.geteuid(), os.getegid()


# ---- request ----

KINDS = [("ecdsa-p256", "NIST CURVE: P-256"), ("ecdsa-p384", "NIST CURVE: P-384"), ("rsa-2048", "Public-Key: (2048 bit)"),
         ("rsa-3072", "Public-Key: (3072 bit)"), ("rsa-4096", "Public-Key: (4096 bit)")]


@pytest.mark.parametrize("kind,shown", KINDS)
def test_a_request_has_what_was_asked_for(host, kind, shown):
    out = host.fine("request", "--for", "edge", "key=" + kind, "organisation=Beispiel GmbH & Söhne", "unit=IT", "place=Köln", "country=DE")
    text = openssl("req", "-in", host.tls + "/corp.example.csr", "-noout", "-verify", "-text", "-nameopt", "utf8")
    assert shown in text and "C=DE, L=Köln, O=Beispiel GmbH & Söhne, OU=IT, CN=corp.example" in text.replace(" = ", "="), text
    assert "DNS:corp.example\n" in text and "othername" not in text and "URI" not in text, text
    key = host.tls + "/corp.example.key.new"
    assert stat.S_IMODE(os.stat(key).st_mode) == 0o600 and "PRIVATE KEY" not in out
    assert openssl("pkey", "-in", key, "-pubout") == openssl("req", "-in", host.tls + "/corp.example.csr", "-noout", "-pubkey")
    assert not os.path.exists(host.tls + "/corp.example.key")


def test_other_names_say_what_comes_of_them(host):
    out = host.fine("request", "bücher.example", "corp.example", "--srvname", "--sip-name", "--xmppaddr")
    text = names_of(host.tls + "/corp.example.csr", "req")
    for name in ("DNS:xn--bcher-kva.example", "SRVName::_xmpp-server.xn--bcher-kva.example", "XmppAddr::b", "URI:sip:xn--bcher-kva.example", "DNS:corp.example"):
        assert name in text, text
    for words in ("SRVName limits", "XmppAddr is of an older standard", "RFC 5922 look at these alone"):
        assert words in out, out


def test_a_key_that_waits_is_used_again(host):
    host.fine("request")
    waiting = open(host.tls + "/corp.example.key.new", "rb").read()
    assert "waits for its certificate" in host.fine("request", "unit=IT")
    assert open(host.tls + "/corp.example.key.new", "rb").read() == waiting
    host.fine("request", "--replace")
    assert open(host.tls + "/corp.example.key.new", "rb").read() != waiting


def test_the_same_key_again(host, certs):
    """A pin, or a TLSA record, stays what it is."""
    host.put("tls/corp.example.key", certs.key("corp"))
    host.fine("request", "key=same")
    assert openssl("req", "-in", host.tls + "/corp.example.csr", "-noout", "-pubkey") == openssl("pkey", "-in", certs.key("corp"), "-pubout")
    assert not os.path.exists(host.tls + "/corp.example.key.new")
    host.fine("import", sign(certs, host.tls + "/corp.example.csr", host.dir + "/back.pem"))


def test_a_request_for_sip_and_for_the_panel(gateway):
    gateway.fine("request", "--for", "sip")
    assert "DNS:gw1.int.example\n" in names_of(gateway.tls + "/sip.csr", "req")
    gateway.fine("request", "panel.corp.example", "--for", "panel")
    assert "DNS:panel.corp.example\n" in names_of(gateway.tls + "/panel.csr", "req")


def test_a_request_of_a_gateway_that_is_a_neighbour_alone(gateway):
    tls = gateway.tls
    edge = {"domain": "corp.example", "federated": True, "peers": ["sip.corp.example"], "peer_addresses": ["192.0.2.1"]}
    ours = {"listen": ["127.0.0.1:5061"], "advertise": "xmpp.corp.example", "certificate": tls + "/out.pem", "key": tls + "/out.key", "ca": tls + "/sip-ca.pem"}
    gateway.write(domains=[edge], sip={"listen": ["tcp:127.0.0.1:5060"], "advertise": GATEWAY_NAME, "federation": ours})
    gateway.fine("request", "--for", "sip")
    assert "DNS:xmpp.corp.example\n" in names_of(tls + "/out.csr", "req")


def test_check_says_what_it_does_not_know(host, certs):
    host.put("tls/corp.example.pem", certs.chain("corp"))
    host.put("tls/corp.example.key", certs.key("corp"))
    for verb in ("check", "show"):
        assert "note: xfed-edge edge1 does not answer: what it has seen of others is not shown\n" in host.ctl(verb)[1], verb


# ---- import: every form ----

def test_the_whole_way(host, certs):
    host.fine("request")
    host.put("tls/corp.example.pem", certs.chain("corp"))
    host.put("tls/corp.example.key", certs.key("corp"))
    os.chmod(host.tls + "/corp.example.key", 0o644)
    out = host.fine("import", sign(certs, host.tls + "/corp.example.csr", host.dir + "/back.pem"))
    assert re.search(r"good until 20..-..-.. \((89|90) days\)", out) and "does not run" in out, out
    assert not os.path.exists(host.tls + "/corp.example.key.new")
    assert openssl("x509", "-in", host.tls + "/corp.example.pem", "-noout", "-pubkey") == openssl("pkey", "-in", host.tls + "/corp.example.key", "-pubout")
    assert open(host.tls + "/corp.example.pem", encoding="ascii").read().count("BEGIN") == 2
    assert stat.S_IMODE(os.stat(host.tls + "/corp.example.key").st_mode) == 0o640, "what everybody could read is closed to others"
    assert sorted(os.listdir(host.tls)) == ["corp.example.csr", "corp.example.key", "corp.example.pem"], "nothing is left beside them"


def make_forms(host, certs):
    """form -> files of the command."""
    leaf, key, inter, root = (certs.leaf("forms", "by=inter", "xmpp:corp.example"), certs.key("forms"), certs.dir + "/inter/ca.crt", certs.ca)
    crt = certs.dir + "/%s.crt" % leaf
    d = host.dir

    def der(name, *words):
        openssl(*words, "-outform", "DER", "-out", "%s/%s" % (d, name))
        return "%s/%s" % (d, name)

    def p12(name, *words):
        openssl("pkcs12", "-export", "-inkey", key, "-in", crt, "-certfile", inter, "-out", "%s/%s" % (d, name), *words)
        return "%s/%s" % (d, name)
    openssl("crl2pkcs7", "-nocrl", "-certfile", crt, "-certfile", inter, "-out", d + "/p7.pem")
    openssl("pkey", "-in", key, "-aes256", "-passout", "pass:" + PASS, "-out", d + "/locked.key")
    openssl("ec", "-in", key, "-out", d + "/old.key")
    openssl("ec", "-in", key, "-aes128", "-passout", "pass:" + PASS, "-out", d + "/old-locked.key")
    host.put("windows.pem", crt)
    with open(d + "/windows.pem", "r+", encoding="ascii") as f:
        text = "Bag Attributes\r\n    friendlyName: x\r\n" + f.read().replace("\n", "\r\n")
        f.seek(0)
        f.write(text)
    return {
        "PEM in order": [host.put("1.pem", crt, inter, key)],
        "PEM backwards": [host.put("2.pem", key, root, inter, crt)],
        "PEM in three files": [key, inter, crt],
        "PEM with line ends of Windows": [d + "/windows.pem", inter, key],
        "PEM, the leaf in two files": [host.put("3.pem", crt, inter), host.put("4.pem", crt, key)],
        "an old key": [crt, inter, d + "/old.key"],
        "a key with pass phrase": [crt, inter, d + "/locked.key"],
        "an old key with pass phrase": [crt, inter, d + "/old-locked.key"],
        "DER": [der("c.cer", "x509", "-in", crt), der("i.cer", "x509", "-in", inter), der("k.der", "pkey", "-in", key)],
        "PKCS#7": [d + "/p7.pem", key],
        "PKCS#7 in DER": [der("c.p7b", "pkcs7", "-in", d + "/p7.pem"), key],
        "PKCS#12": [p12("modern.p12", "-passout", "pass:" + PASS)],
        "PKCS#12 of old": [p12("old.pfx", "-passout", "pass:" + PASS, "-legacy")],
        "PKCS#12 without MAC": [p12("nomac.p12", "-passout", "pass:" + PASS, "-nomac")],
        "PKCS#12 with an empty pass phrase": [p12("empty.p12", "-passout", "pass:")],
        "PKCS#12 with nothing encrypted": [p12("plain.p12", "-passout", "pass:" + PASS, "-keypbe", "NONE", "-certpbe", "NONE")],
    }


def test_every_form(host, certs):
    host.put("pass", os.devnull)
    with open(host.dir + "/pass", "w", encoding="utf-8") as f:
        f.write(PASS + "\nsecond line\n")
    forms = make_forms(host, certs)
    for form, files in forms.items():
        for name in ("pem", "key"):
            if os.path.exists("%s/corp.example.%s" % (host.tls, name)):
                os.unlink("%s/corp.example.%s" % (host.tls, name))
        status, out = host.ctl("import", *files, "pass-file=" + host.dir + "/pass")
        assert status == 0, (form, out)
        with open(host.tls + "/corp.example.pem", encoding="ascii") as f:
            written = f.read()
        with open(certs.chain("forms"), encoding="ascii") as f:
            assert written.split() == f.read().split(), form
        assert openssl("pkey", "-in", host.tls + "/corp.example.key", "-pubout") == openssl("pkey", "-in", certs.key("forms"), "-pubout"), form
        assert stat.S_IMODE(os.stat(host.tls + "/corp.example.key").st_mode) == 0o600, form


def test_a_pass_phrase_at_the_terminal(host, certs):
    """Asked for where standard input is something else; never shown."""
    files = make_forms(host, certs)["PKCS#12"]
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(host.tools["xfedctl"], ["xfedctl", "cert", "import", *files, "--config", host.config])
    shown = b""
    while b"Pass phrase of" not in shown:
        shown += os.read(fd, 1024)
    os.write(fd, PASS.encode() + b"\n")
    try:
        while True:
            shown += os.read(fd, 1024)
    except OSError: # the end of a terminal whose program has ended
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, shown
    assert PASS.encode() not in shown and b"good until" in shown, shown
    os.close(fd)


class Asked:
    """An import at a terminal of its own that asks for a pass phrase; each wait has an end, and so has the program."""

    def __init__(self, host, files):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP): # whoever runs the tests may ignore them, in the background
                signal.signal(number, signal.SIG_DFL)
            os.execv(host.tools["xfedctl"], ["xfedctl", "cert", "import", *files, "--config", host.config])
        self.pidfd, self.shown = os.pidfd_open(self.pid), b""

    def wait(self, what):
        ready, _, _ = select.select([what], [], [], 60)
        assert ready, self.shown

    def wait_shown(self, words):
        while words not in self.shown:
            self.wait(self.fd)
            self.shown += os.read(self.fd, 1024)

    def has_echo(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def status(self):
        self.wait(self.pidfd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def close(self):
        try:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        except ProcessLookupError: # it has ended
            pass
        os.close(self.pidfd)
        os.close(self.fd)


@pytest.mark.parametrize("end", [b"\x03", b"\x1c", signal.SIGTERM, signal.SIGHUP])
def test_an_end_at_the_terminal_leaves_it_with_echo(host, certs, end):
    asked = Asked(host, make_forms(host, certs)["PKCS#12"])
    other = -1
    try:
        asked.wait_shown(b"Pass phrase of")
        other = os.open("/proc/%d/fd/0" % asked.pid, os.O_RDWR | os.O_NOCTTY)  # the terminal outlives the program
        assert not asked.has_echo()
        if isinstance(end, bytes):
            os.write(asked.fd, end)
        else:
            signal.pidfd_send_signal(asked.pidfd, end)
        assert asked.status() == -{b"\x03": signal.SIGINT, b"\x1c": signal.SIGQUIT}.get(end, end)
        assert asked.has_echo()
    finally:
        asked.close()
        if other >= 0:
            os.close(other)


def test_a_dry_run_changes_nothing(host, certs):
    before = host.everything()
    assert "nothing is changed" in host.fine("import", certs.dir + "/corp.pem", "--dry-run")
    assert host.everything() == before


def test_json_for_programs(host, certs):
    said = json.loads(subprocess_json(host, "import", certs.dir + "/corp.pem"))
    assert said["ok"] and any("good until" in line for line in said["done"]), said


def subprocess_json(host, *words):
    done = subprocess.run([host.tools["xfedctl"], "--json", "cert", *words, "--config", host.config], stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    return done.stdout


def test_the_right_one_of_several(tools, certs, host):
    host.write(trust={"ca": certs.ca}, certificates=[{"certificate": "%s/%s.pem" % (host.tls, n), "key": "%s/%s.key" % (host.tls, n)}
                                                    for n in ("corp.example", "other", "corp2.example")])
    with open(host.dir + "/channel-domains", "w", encoding="ascii") as f:
        f.write("corp.example\ncorp2.example\n")
    host.fine("import", certs.dir + "/corp2.pem")
    assert os.path.exists(host.tls + "/corp2.example.key") and not os.path.exists(host.tls + "/corp.example.key")
    host.fine("import", certs.dir + "/corp.pem", "certificate=" + host.tls + "/other.pem")
    assert os.path.exists(host.tls + "/other.key")
    # From now on it is found by the name in it, wherever it lies.
    os.unlink(host.tls + "/other.key")
    os.rename(host.tls + "/corp2.example.pem", host.tls + "/moved")
    host.fine("import", certs.dir + "/corp.pem", "certificate=" + host.tls + "/other.pem")
    assert os.path.exists(host.tls + "/other.key")


# ---- what is wrong ----

def leaf(certs, name, *how):
    """Certificate, chain and key of one more leaf, in one file."""
    return certs.dir + "/%s.pem" % certs.leaf(name, *how)


WRONG = {
    "a domain that is none": (["request", "co rp.example"], "found \"co rp.example\", accepted: a domain such as example.com", 1),
    "a key of a kind nobody has": (["request", "key=dsa"], "key is ecdsa-p256, ecdsa-p384", 2),
    "a role nobody has": (["request", "--for", "mail"], "for is edge, sip, panel", 2),
    "a country in three letters": (["request", "country=DEU"], "country: accepted: two letters", 1),
    "an organisation longer than fits": (["request", "organisation=" + "x" * 65], "organisation: accepted: 1 to 64 characters", 1),
    "a subject with a line end": (["request", "unit=a\nb"], "unit: accepted", 1),
    "no file": (["import", "nowhere.pem"], "nowhere.pem: there is no such file", 1),
    "no file at all": (["import"], "files", 2),
    "a folder": (["import", "tls"], "tls", 1),
    "an empty file": (["import", "channel-domains", "/dev/null"], "", 1),
    "a file of something else": (["import", "edge.yaml"], "none of what is accepted", 1),
    "no such configuration": (["request", "--config", "nowhere.yaml"], "nowhere.yaml: there is no such file", 1),
    "no authority here": (["channel-renew"], "is no gateway.yaml", 1),
    "a bundle that is none": (["channel-join", "./edge.yaml"], "is no bundle of xfedctl cert channel-init", 1),
    "no bundle": (["channel-join", "./nowhere.bundle"], "there is no such file", 1),
    "a bundle without the end of its name": (["channel-join", "edge1"], "there is no file edge1 here (a bundle is called NAME.bundle)", 1),
}


@pytest.mark.parametrize("row", WRONG)
def test_what_is_wrong_is_said(host, row):
    words, said, expected = WRONG[row]
    before = host.everything()
    status, out = host.ctl(*words)
    assert status == expected and said in out, (status, out)
    assert len(out.strip().split("\n")) == 1 or expected == 2, out
    assert host.everything() == before


def bad_files(host, certs):
    def p12(password, *words):
        path = "%s/x%d.p12" % (host.dir, len(words))
        openssl("pkcs12", "-export", "-in", certs.dir + "/corp.pem", "-out", path, "-passout", "pass:" + password, *words)
        return path
    with open(certs.dir + "/corp.pem", encoding="ascii") as f:
        whole = f.read()
    with open(host.dir + "/cut.pem", "w", encoding="ascii") as f:
        f.write(whole[:len(whole) // 2])
    with open(host.dir + "/damaged.pem", "w", encoding="ascii") as f:
        f.write(whole.replace("MII", "MIJ", 1))
    with open(host.dir + "/wrong-pass", "w", encoding="ascii") as f:
        f.write("wrong\n")
    host.put("many.pem", *[certs.dir + "/corp.pem"] * 2)
    return {
        "the key of another one": ([certs.chain("corp"), certs.key("corp2")], "the key is not that of any certificate"),
        "no key anywhere": ([certs.chain("corp")], "no key of this host belongs to it"),
        "a key alone": ([certs.key("corp")], "there is a key, and no certificate"),
        "a request": ([host.put("r.pem", host.tls + "/corp.example.csr")], "is a request for a certificate"),
        "cut off": ([host.dir + "/cut.pem"], "it was cut off"),
        "damaged": ([host.dir + "/damaged.pem"], "cannot be read"),
        "expired": ([leaf(certs, "c-old", "start=20200101000000Z", "end=20210101000000Z", "xmpp:corp.example")], "has expired (2021-01-01; it is"),
        "not valid yet": ([leaf(certs, "c-new", "start=20400101000000Z", "end=20410101000000Z", "xmpp:corp.example")], "is not valid yet (2040-01-01"),
        "not for servers": ([leaf(certs, "c-client", "eku=clientAuth", "xmpp:corp.example")], "is not for servers"),
        "another name": ([leaf(certs, "c-other", "xmpp:other.example")], "it names none of our domains (corp.example)"),
        "an issuer is missing": ([certs.dir + "/%s.crt" % certs.leaf("c-inter", "by=inter", "xmpp:corp.example"), certs.key("c-inter")],
                                 "the certificate of \"CN=Test Intermediate CA\" is neither"),
        "an authority nobody knows": ([leaf(certs, "c-foreign", "by=foreign", "xmpp:corp.example")], "CN=Test Foreign CA"),
        "a weak key": ([leaf(certs, "c-weak", "key=rsa1024", "xmpp:corp.example")], "is not good"),
        "the wrong pass phrase": ([p12(PASS), "pass-file=" + host.dir + "/wrong-pass"], "that is not its pass phrase"),
        "a pass phrase hashed for ever": ([p12(PASS, "-iter", "2100000"), "pass-file=" + host.dir + "/wrong-pass"],
                                          "asks for more rounds of its pass phrase than are sensible"),
        "no pass phrase, no terminal": ([p12(PASS)], "there is no terminal to ask at: --pass-file FILE"),
        "no file of the pass phrase": ([p12(PASS), "pass-file=" + host.dir + "/nowhere"], "there is no such file"),
    }


def test_what_must_not_be_put_in_place(host, certs):
    host.fine("request")
    for row, (words, said) in bad_files(host, certs).items():
        before = host.everything()
        status, out = host.ctl("import", *words, start_new_session=True) # without a terminal
        assert status == 1 and said in out, (row, status, out)
        assert len(out.strip().split("\n")) == 1, (row, out)
        assert host.everything() == before, row


def test_a_key_of_another_one_is_not_passed_over(host, certs):
    """Also where the host has the right one."""
    host.put("tls/corp.example.key", certs.key("corp"))
    before = host.everything()
    status, out = host.ctl("import", certs.chain("corp"), certs.key("corp2"))
    assert status == 1 and "the key is not that of any certificate" in out, out
    assert host.everything() == before


def test_a_name_that_would_be_lost(host, certs):
    with open(host.dir + "/channel-domains", "w", encoding="ascii") as f:
        f.write("corp.example\ncorp2.example\n")
    host.fine("import", leaf(certs, "c-both", "xmpp:corp.example", "xmpp:corp2.example"))
    before = host.everything()
    status, out = host.ctl("import", certs.dir + "/corp.pem")
    assert status == 1 and "it does not name corp2.example, which the certificate in its place does" in out, out
    assert host.everything() == before


def test_a_name_that_sip_needs(gateway, certs):
    before = gateway.everything()
    status, out = gateway.ctl("import", "--for", "sip", certs.dir + "/corp.pem")
    assert status == 1 and "does not name gw1.int.example, which is sip.advertise" in out, out
    assert gateway.everything() == before
    gateway.fine("import", "--for", "sip", leaf(certs, "c-sip", "host:gw1.int.example"))


def nobody():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


def test_a_key_that_may_not_be_read_is_told(host, certs):
    """Not that the certificate belongs to no key of this host, for that is not known."""
    if os.getuid() != 0:
        pytest.skip("becomes somebody else")
    openssl("pkey", "-in", certs.dir + "/corp.pem", "-out", host.put("tls/corp.example.key", os.devnull))
    os.chmod(host.tls + "/corp.example.key", 0o600)
    openssl("x509", "-in", certs.dir + "/corp.pem", "-out", host.put("alone.pem", os.devnull))
    os.chmod(host.dir + "/alone.pem", 0o644)
    program = host.put("xfedctl", host.tools["xfedctl"])
    os.chmod(program, 0o755)
    host.tools = dict(host.tools, xfedctl=program)
    status, out = host.ctl("import", "alone.pem", preexec_fn=nobody)
    assert status == 1 and "/tls/corp.example.key: Permission denied for the user nobody" in out and "no key of this host" not in out, out


def nothing_fits():
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@pytest.mark.parametrize("words", [["request"], ["import", "CORP"], ["channel-join", "./b.bundle"]])
def test_a_full_disk(host, gateway, certs, words):
    gateway.fine("channel-init", "output=" + gateway.dir)
    host.put("b.bundle", gateway.dir + "/edge1.bundle")
    before = host.everything()
    # The interpreter ignores SIGXFSZ, and so does what it starts: the write fails.
    status, out = host.ctl(*[w.replace("CORP", certs.dir + "/corp.pem") for w in words], preexec_fn=nothing_fits, restore_signals=False)
    assert status == 1 and "cannot be written, and is as it was" in out, out
    assert host.everything() == before


@pytest.mark.skipif(os.getuid() != 0, reason="becomes somebody else")
@pytest.mark.parametrize("words", [["request"], ["import", "CORP"], ["channel-join", "./b.bundle"]])
def test_nobody_may_not(host, gateway, certs, words):
    """The program and the certificates lie where anybody may look."""
    gateway.fine("channel-init", "output=" + gateway.dir)
    host.put("b.bundle", gateway.dir + "/edge1.bundle")
    program = host.put("xfedctl", host.tools["xfedctl"])
    os.chmod(program, 0o755)
    host.tools = dict(host.tools, xfedctl=program)
    words = [w.replace("CORP", host.put("corp.pem", certs.dir + "/corp.pem")) for w in words]
    before = host.everything()
    status, out = host.ctl(*words, preexec_fn=nobody)
    assert status == 1 and "ermission denied" in out, out
    assert host.everything() == before


# ---- the channel ----

def test_two_hosts_join(host, gateway, certs):
    """No value is typed twice, and both services are fine with what comes of it."""
    out = gateway.fine("channel-init", "output=" + gateway.dir)
    assert "next: copy" in out and "xfedctl cert channel-join edge1.bundle" in out
    assert stat.S_IMODE(os.stat(gateway.dir + "/channel-ca").st_mode) == 0o700
    assert stat.S_IMODE(os.stat(gateway.dir + "/channel-ca/ca.key").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(gateway.dir + "/edge1.bundle").st_mode) == 0o600
    host.put("edge1.bundle", gateway.dir + "/edge1.bundle")
    out = host.fine("channel-join", "edge1.bundle")
    assert "channel.allow is now gw1.int.example" in out, out
    with open(host.config, encoding="utf-8") as f:
        assert json.load(f)["channel"]["allow"] == ["gw1.int.example"]
    for h, name in ((host, "edge1.int.example"), (gateway, "gw1.int.example")):
        openssl("verify", "-x509_strict", "-CAfile", h.tls + "/channel-ca.pem", h.tls + "/channel.pem")
        assert "DNS:" + name in names_of(h.tls + "/channel.pem")
        assert stat.S_IMODE(os.stat(h.tls + "/channel.key").st_mode) == 0o600
    host.fine("request")
    host.fine("import", sign(certs, host.tls + "/corp.example.csr", host.dir + "/back.pem"))
    gateway.fine("request")
    gateway.fine("import", sign(certs, gateway.tls + "/sip.csr", gateway.dir + "/back.pem", by="root"))
    for h in (host, gateway):
        status, out = h.check()
        assert status == 0 and "tls" not in out, out


def test_channel_init_is_done_once(gateway):
    gateway.fine("channel-init", "output=" + gateway.dir)
    before = gateway.everything()
    status, out = gateway.ctl("channel-init")
    assert status == 1 and "is the channel's authority already" in out
    assert gateway.everything() == before


@pytest.mark.parametrize("name", ["other-authority", "self-signed"])
def test_a_bundle_has_the_authority_of_its_certificate(host, gateway, certs, name):
    """Else no link would come up, and what stood there is gone."""
    gateway.fine("channel-init", "output=" + gateway.dir)
    with open(gateway.dir + "/edge1.bundle", encoding="ascii") as f:
        head, leaf, key, _ = re.split(r"(?=-----BEGIN )", f.read())
    if name == "self-signed":
        with open(host.dir + "/leaf.key", "w", encoding="ascii") as f:
            f.write(key)
        openssl("req", "-x509", "-key", host.dir + "/leaf.key", "-subj", "/CN=edge1", "-addext", "subjectAltName=DNS:edge1", "-out", host.dir + "/leaf.pem")
        with open(host.dir + "/leaf.pem", encoding="ascii") as f:
            leaf = f.read()
    with open(host.dir + "/mixed.bundle", "w", encoding="ascii") as f, open(certs.ca, encoding="ascii") as ca:
        f.write(head + leaf + key + ca.read())
    before = host.everything()
    status, out = host.ctl("channel-join", "mixed.bundle")
    assert status == 1 and "is not signed by an authority in it" in out and len(out.strip().splitlines()) == 1, out
    assert host.everything() == before


@pytest.mark.parametrize("name", ["channel.pem", "channel-ca.pem"])
def test_certificates_of_another_authority_are_not_replaced_unasked(gateway, certs, name):
    gateway.put("tls/" + name, certs.chain("fe"))
    before = gateway.everything()
    status, out = gateway.ctl("channel-init")
    assert status == 1 and "--replace" in out
    assert gateway.everything() == before
    gateway.fine("channel-init", "--replace", "output=" + gateway.dir)


@pytest.mark.skipif(os.getuid() != 0, reason="gives files to other users")
@pytest.mark.parametrize("kind", ["another user's file", "another user's bundle", "a link", "a link to nothing", "our own file", "a folder"])
def test_a_bundle_is_nobody_elses(gateway, kind):
    """Who was in a shared folder first does not come to have the key, and a file that is no bundle of ours is not lost."""
    shared = gateway.dir + "/shared"
    os.makedirs(shared)
    os.chmod(shared, 0o1777)
    path, elsewhere = shared + "/edge1.bundle", gateway.dir + "/elsewhere"
    if kind.startswith("a link"):
        os.symlink(elsewhere, path)
    if kind == "a folder":
        os.makedirs(path)
    elif kind != "a link to nothing":
        with open(path, "w", encoding="ascii") as f:
            f.write("xfed channel bundle\n" if "bundle" in kind else "notes\n")
        os.chmod(path, 0o660)
    if kind.startswith("another"):
        os.chown(path, 65534, 65534)
    st = os.lstat(path)[:7] + (os.lstat(path).st_mtime_ns,)  # it may have been looked at
    status, out = gateway.ctl("channel-init", "output=" + shared)
    assert status == 1 and "edge1.bundle: there is another file already, which is not replaced" in out, out
    assert os.lstat(path)[:7] + (os.lstat(path).st_mtime_ns,) == st and os.listdir(shared) == ["edge1.bundle"] and not os.path.exists(gateway.dir + "/channel-ca")
    assert os.path.exists(elsewhere) == (kind == "a link")


def test_a_bundle_that_is_made_again_is_for_its_user_alone(gateway):
    gateway.fine("channel-init", "output=" + gateway.dir)
    path = gateway.dir + "/edge1.bundle"
    with open(path, encoding="ascii") as f:
        before = f.read()
    os.chmod(path, 0o660)
    gateway.fine("channel-renew", "output=" + gateway.dir)
    with open(path, encoding="ascii") as f:
        assert f.read() != before
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


@pytest.mark.skipif(os.getuid() != 0, reason="gives files to other users")
@pytest.mark.parametrize("owner,group,mode,left", [(65534, 65534, 0o660, (0, 0, 0o600)), (0, 65534, 0o640, (0, 0, 0o600)), (0, 0, 0o660, (0, 0, 0o640))])
def test_who_could_read_the_old_key_cannot_read_the_new_one(gateway, owner, group, mode, left):
    """But for the service's own group. Its user is who asks, as there is no other here."""
    key, root = gateway.tls + "/channel.key", gateway.dir + "/channel-ca/ca.key"
    gateway.fine("channel-init", "output=" + gateway.dir)
    for path in (key, root):
        os.chown(path, owner, group)
        os.chmod(path, mode)
    uid, gid = service_of(gateway)
    gateway.fine("channel-renew", "output=" + gateway.dir)
    st = os.stat(key)
    assert (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) == (left if (uid, gid) == (0, 0) else (uid, gid, 0o600))
    st = os.stat(root)
    assert (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) == (0, 0, 0o600)


def test_an_authority_without_its_key(gateway):
    """It says what to do; nothing changes."""
    gateway.fine("channel-init", "output=" + gateway.dir)
    os.unlink(gateway.dir + "/channel-ca/ca.key")
    before = gateway.everything()
    for words in (["channel-renew"], ["channel-join", "edge1"]):
        status, out = gateway.ctl(*words, "output=" + gateway.dir)
        assert status == 1 and "bring it back from your backup" in out and "channel-init --replace" in out and len(out.strip().split("\n")) == 1, out
    assert gateway.everything() == before
    gateway.fine("channel-init", "--replace", "output=" + gateway.dir)


def test_a_key_that_cannot_be_read_is_told_of_as_such(gateway):
    gateway.fine("channel-init", "output=" + gateway.dir)
    with open(gateway.tls + "/channel.key", "w", encoding="ascii") as f:
        f.write("nothing\n")
    status, out = gateway.ctl("check")
    assert status == 1 and "channel.key: there is no key in it that can be used" in out and "is not the key of" not in out, out


@pytest.mark.parametrize("name", ["a" * 300, "gw2\nedge edge9", "gw 2", "a" * 64 + ".example"], ids=["long", "two lines", "blank", "label"])
def test_a_further_gateway_has_the_name_of_a_host(gateway, name):
    """What is written down of it is read by each later command."""
    gateway.fine("channel-init", "output=" + gateway.dir)
    status, out = gateway.ctl("channel-join", "--gateway", name, "output=" + gateway.dir)
    assert status == 1 and "has to be the name of a host" in out, out
    gateway.fine("channel-renew", "output=" + gateway.dir)


def test_one_more_edge_and_a_further_gateway(gateway, host, tools):
    gateway.fine("channel-init", "output=" + gateway.dir)
    gateway.write(edges=[{"name": "edge1", "address": "edge1.int.example:23456"}, {"name": "edge2", "address": "10.0.0.2:23456", "tls_name": "e2.int.example"}])
    gateway.fine("channel-join", "edge2", "output=" + gateway.dir)
    before = gateway.everything()
    status, out = gateway.ctl("channel-join", "gw2.int.example", "output=" + gateway.dir)
    assert status == 1 and "gw2.int.example is none of edges[] in" in out and "--gateway" in out and gateway.everything() == before, out
    status, out = gateway.ctl("channel-join", "edge2", "--gateway", "output=" + gateway.dir)
    assert status == 1 and "edge2 is one of edges[] in" in out and gateway.everything() == before, out
    out = gateway.fine("channel-join", "gw2.int.example", "--gateway", "output=" + gateway.dir)
    assert "a further gateway" in out
    host.put("edge2.bundle", gateway.dir + "/edge2.bundle")
    before = host.everything()
    status, out = host.ctl("channel-join", "edge2.bundle")
    assert status == 1 and "the bundle is for edge edge2" in out and "is edge1: make them one" in out, out
    assert host.everything() == before
    status, out = host.ctl("import", "edge2.bundle")
    assert status == 1 and "edge2.bundle: that is a bundle of the channel: xfedctl cert channel-join" in out and host.everything() == before, out
    status, out = host.ctl("channel-join", gateway.dir + "/gw2.int.example.bundle")
    assert status == 1 and "is for gateway gw2.int.example, and" in out and host.everything() == before
    status, out = gateway.ctl("channel-join", "gw1.int.example")
    assert status == 1 and "is this gateway" in out


def test_what_edges_says_wins(gateway, host):
    """One that was first given a bundle as a gateway, and then became an edge, is allowed as a gateway no more."""
    gateway.fine("channel-init", "output=" + gateway.dir)
    gateway.fine("channel-join", "edge2", "--gateway", "output=" + gateway.dir)
    with open(gateway.dir + "/edge2.bundle", encoding="ascii") as f:
        assert "for: gateway edge2" in f.read()
    gateway.write(edges=[{"name": "edge1", "address": "edge1.int.example:23456"}, {"name": "edge2", "address": "e2.int.example:23456"}])
    gateway.fine("channel-join", "edge2", "output=" + gateway.dir)
    with open(gateway.dir + "/edge2.bundle", encoding="ascii") as f:
        text = f.read()
    assert "for: edge edge2" in text and [line for line in text.splitlines() if line.startswith("gateway: ") and "edge2" in line] == []


def test_an_edge_keeps_the_gateways_it_has(host, gateway):
    """Names that were added by hand stay when a host joins anew."""
    gateway.fine("channel-init", "output=" + gateway.dir)
    host.fine("channel-join", gateway.dir + "/edge1.bundle")
    with open(host.config, encoding="utf-8") as f:
        config = json.load(f)
    config["channel"]["allow"] = ["by-hand.example"]
    with open(host.config, "w", encoding="utf-8") as f:
        json.dump(config, f)
    host.fine("channel-join", gateway.dir + "/edge1.bundle")
    with open(host.config, encoding="utf-8") as f:
        assert json.load(f)["channel"]["allow"] == ["by-hand.example", "gw1.int.example"]


def test_a_change_does_not_end_before_the_edges_have_joined(gateway):
    gateway.write(edges=[{"name": "edge1", "address": "127.0.0.1:9", "tls_name": "edge1.int.example"}])
    gateway.fine("channel-init", "output=" + gateway.dir)
    gateway.fine("channel-renew", "--new-ca", "output=" + gateway.dir)
    assert open(gateway.tls + "/channel-ca.pem", encoding="ascii").read().count("BEGIN") == 2
    before = gateway.everything()
    status, out = gateway.ctl("channel-renew", "output=" + gateway.dir)
    assert status == 1 and "edge1 cannot be asked what it shows" in out, out
    status, out = gateway.ctl("channel-renew", "--new-ca")
    assert status == 1 and "a change is under way already" in out, out
    assert gateway.everything() == before


# ---- where everything lies where it is looked for ----

@pytest.fixture
def machine(tools, certs):
    """run(WORDS...): xfedctl where /etc is of the test: an edge, a gateway, an instance of another, and the users of both services."""
    directory = tempfile.mkdtemp(prefix="xfc-")
    etc = directory + "/etc"
    os.makedirs(etc + "/xfed/gateway")
    for name in ("passwd", "group"):
        shutil.copy("/etc/" + name, etc)
    with open(etc + "/passwd", "a", encoding="utf-8") as f:
        f.write("xfed-edge:x:47110:47110::/:/bin/false\nxfed-gateway:x:47111:47111::/:/bin/false\n")
    for kind, more in (("edge", {}), ("gateway", {})):
        with open(CertHost(directory + "/as", tools, kind, **more).config, encoding="utf-8") as f:
            text = f.read().replace(directory + "/as", "/etc/xfed").replace("/tls/", "/tls-%s/" % kind)
        with open("%s/xfed/%s.yaml" % (etc, kind), "w", encoding="utf-8") as f:
            f.write(text)
    with open(etc + "/xfed/gateway/other.yaml", "w", encoding="utf-8") as f:
        f.write(text.replace('"name": "gw1"', '"name": "gw2"').replace("/tls-gateway/", "/tls2/"))

    def run(*words, expected=0):
        done = subprocess.run(["unshare", "-m", "sh", "-c", "mount --bind %s /etc && cd %s && exec \"$@\"" % (etc, directory), "sh", tools["xfedctl"], *words],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        assert done.returncode == expected, done.stdout
        return done.stdout
    run.etc, run.dir = etc, directory
    yield run
    shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.skipif(os.getuid() != 0, reason="gives files to other users")
def test_keys_belong_to_the_users_of_the_services(machine):
    """Without a word about files: names, owners and modes come out right; of several services one is chosen."""
    assert "choose one with --name: gw1 gw2" in machine("cert", "channel-init", expected=2)
    machine("--name", "gw1", "cert", "channel-init")
    machine("cert", "channel-join", "edge1.bundle")
    assert "--for edge, --for sip or --for panel" in machine("cert", "request", expected=1)
    machine("cert", "request", "--for", "edge")
    machine("--name", "gw2", "cert", "request", "--for", "sip")
    for name, uid, mode in (("tls-edge/channel.key", 47110, 0o600), ("tls-edge/corp.example.key.new", 47110, 0o600), ("tls-gateway/channel.key", 47111, 0o600),
                            ("tls2/sip.key.new", 47111, 0o600),
                            ("tls-edge/channel.pem", 0, 0o644), ("channel-ca/ca.key", 0, 0o600)):
        st = os.stat("%s/xfed/%s" % (machine.etc, name))
        assert (st.st_uid, stat.S_IMODE(st.st_mode)) == (uid, mode), name
    assert "gw1 channel" in machine("cert", "show", expected=1)
