"""
The hooks of packaging/hooks under the clients they are for, against an ACME server (pebble): issue, renew, and no stream closes. Where its
lists say that the programs are not there, packaging/install-deps has not been run.
"""
import itertools
import json
import os
import shutil
import ssl
import stat
import subprocess
import urllib.request

import pytest

from harness.certhost import openssl
from harness.peer import Peer
from harness.proc import Process, clean_environment, wait_until
from harness.sip import SipUser
from harness.wire import free_port

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def authority(directory, certs):
    """A pebble that takes every domain as proved. Its address, and the file of the root that signs."""
    home = directory + "/pebble"
    os.makedirs(home)
    certs.leaf("pebble", "host:localhost", "ip:127.0.0.1")
    api, management = free_port(), free_port()
    with open(home + "/config.json", "w", encoding="ascii") as f:
        json.dump({"pebble": {"listenAddress": "127.0.0.1:%d" % api, "managementListenAddress": "127.0.0.1:%d" % management,
                              "certificate": certs.chain("pebble"), "privateKey": certs.key("pebble"), "httpPort": free_port(), "tlsPort": free_port(),
                              "ocspResponderURL": "", "externalAccountBindingRequired": False}}, f)
    process = Process("pebble", ["pebble", "-config", home + "/config.json"], home + "/log", None,
                      clean_environment(PEBBLE_VA_ALWAYS_VALID="1", PEBBLE_VA_NOSLEEP="1", PEBBLE_WFE_NONCEREJECT="0"))
    context = ssl.create_default_context(cafile=certs.ca)

    def fetch(path):
        try:
            with urllib.request.urlopen("https://localhost:%d%s" % (management, path), context=context, timeout=20) as answer:
                return answer.read()
        except OSError:
            return b""
    wait_until("pebble", lambda: fetch("/roots/0"), 30, process)
    with open(home + "/root.pem", "wb") as f:
        f.write(fetch("/roots/0"))
    yield "https://localhost:%d/dir" % api, home + "/root.pem"
    process.stop()


@pytest.fixture(scope="module")
def inst(install, started, certs, authority):
    """An edge with certificates in its own folder that trusts that root too, beside the one of the partners."""
    user = SipUser("corp.example")
    inst = install("acme", users={"corp.example": user})
    for name in ("corp", "corp2", "corp3"):
        shutil.copy(certs.chain(name), "%s/%s.example.pem" % (inst.dir, name))
        shutil.copy(certs.key(name), "%s/%s.example.key" % (inst.dir, name))
    inst.edge_config["certificates"] = [{"certificate": "%s/%s.example.pem" % (inst.dir, n), "key": "%s/%s.example.key" % (inst.dir, n)}
                                        for n in ("corp", "corp2", "corp3")]
    with open(inst.dir + "/trust.pem", "wb") as out:
        for path in (certs.ca, authority[1]):
            with open(path, "rb") as f:
                out.write(f.read())
    inst.edge_config["trust"] = {"ca": inst.dir + "/trust.pem"}
    inst.list_partner("acme.example")
    inst.write_configs()
    inst.user = user
    try:
        yield started(inst)
    finally:
        inst.stop()
        user.close()


@pytest.fixture(scope="module")
def partner(inst, certs, dns):
    p = Peer("acme.example", certs, certs.leaf("acme", "xmpp:acme.example"), inst.s2s, "TLS+EXTERNAL")
    dns.xmpp("acme.example", ("xmpp.acme.example", p.port, "127.0.0.1"))
    yield p
    p.close()


def hook(inst, name):
    """As it is installed, but for where xfedctl lies."""
    with open("%s/packaging/hooks/%s" % (os.environ["XFED_BUILD"], name), encoding="ascii") as f:
        text = f.read()
    installed = text.split("exec ")[1].split(" ")[0]
    path = "%s/hook-%s" % (inst.dir, name)
    with open(path, "w", encoding="ascii") as f:
        f.write(text.replace(installed, inst.tools["xfedctl"]))
    os.chmod(path, 0o755)
    return path


def call(inst, certs, *argv):
    env = clean_environment(REQUESTS_CA_BUNDLE=certs.ca, XFED_CONFIG=inst.edge.config, HOME=inst.dir)
    done = subprocess.run(argv, cwd=inst.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=180, env=env,
                          check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


def shown(inst, domain):
    done = subprocess.run(["openssl", "s_client", "-connect", "%s:%d" % inst.s2s, "-starttls", "xmpp-server", "-xmpphost", domain, "-servername", domain],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=60, check=False)
    return openssl("x509", "-noout", "-serial", "-issuer", input=done.stdout)


def message(inst, partner):
    flow = inst.user.dial(inst.sip)
    text = "acme %d" % next(numbers)
    assert inst.user.message(flow, "sip:eve@acme.example", text, timeout=30).status in (200, 202)
    partner.wait_body(text, 20)
    flow.close()


def streams(inst):
    return sorted((s["id"], s["direction"]) for s in inst.streams("acme.example") if s["state"] == "ready")


def issue_and_renew(inst, partner, domain, issue, renew):
    """The certificate that is shown is the new one, twice, and the streams of before are still there."""
    message(inst, partner)
    before, seen = streams(inst), {shown(inst, domain)}
    for step in (issue, renew):
        step()
        now = shown(inst, domain)
        assert "Pebble" in now and now not in seen, (now, seen)
        seen.add(now)
        message(inst, partner)
    assert streams(inst) == before
    assert stat.S_IMODE(os.stat("%s/%s.key" % (inst.dir, domain)).st_mode) & 0o007 == 0


def test_certbot(inst, certs, partner, authority):
    home = [word for name in ("config", "work", "logs") for word in ("--%s-dir" % name, "%s/certbot-%s" % (inst.dir, name))]
    common = ["certbot", "--server", authority[0], "--non-interactive", *home]

    def issue():
        call(inst, certs, *common, "certonly", "-d", "corp.example", "--agree-tos", "--register-unsafely-without-email", "--manual",
             "--preferred-challenges", "http", "--manual-auth-hook", "/bin/true", "--deploy-hook", hook(inst, "certbot"))

    def renew():
        call(inst, certs, *common, "renew", "--force-renewal", "--no-random-sleep-on-renew")
    issue_and_renew(inst, partner, "corp.example", issue, renew)


def test_dehydrated(inst, certs, partner, authority):
    home = inst.dir + "/dehydrated"
    os.makedirs(home + "/well-known")
    with open(home + "/config", "w", encoding="ascii") as f:
        f.write("CA=%s\nBASEDIR=%s\nWELLKNOWN=%s/well-known\nCURL_OPTS='--cacert %s'\nHOOK=%s\n" % (authority[0], home, home, certs.ca,
                                                                                                 hook(inst, "dehydrated")))
    call(inst, certs, "dehydrated", "-f", home + "/config", "--register", "--accept-terms")

    def issue(*more):
        call(inst, certs, "dehydrated", "-f", home + "/config", "--cron", "-d", "corp2.example", *more)
    issue_and_renew(inst, partner, "corp2.example", issue, lambda: issue("--force"))


def test_acme_sh(inst, certs, partner):
    """Not packaged in Debian: its documented way, --install-cert with a --reloadcmd, is these files and that command."""
    leaf = certs.leaf("acme-sh", "by=inter", "xmpp:corp3.example")
    shutil.copy(certs.chain(leaf), inst.dir + "/fullchain.cer")
    shutil.copy(certs.key(leaf), inst.dir + "/corp3.example.acme.key")
    message(inst, partner)
    before = streams(inst)
    call(inst, certs, inst.tools["xfedctl"], "cert", "import", "--for", "edge", inst.dir + "/fullchain.cer", inst.dir + "/corp3.example.acme.key",
         "--config", inst.edge.config)
    assert openssl("x509", "-in", certs.chain(leaf), "-noout", "-serial") in shown(inst, "corp3.example")
    assert streams(inst) == before
