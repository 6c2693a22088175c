"""The oldest TLS that SIP servers may speak (sip.tls_min, domains[].tls_min), with OpenSSL at the other end: its command and its library."""
import itertools
import ssl
import subprocess
import warnings

import pytest

from harness.daemon import Refusal
from harness.proc import clean_environment, wait_until
from harness.sip import SipUser

numbers = itertools.count(1)
CBC = "ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256"


class Old:
    """Certificates as harness.certs shows them, by ends that know one version of TLS only."""

    def __init__(self, certs, version=ssl.TLSVersion.TLSv1, ciphers="DEFAULT:@SECLEVEL=0"):
        self.certs, self.version, self.ciphers = certs, version, ciphers

    def _limited(self, context):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = self.version
        context.set_ciphers(self.ciphers)
        return context

    def server(self, leaf):
        return self._limited(self.certs.server(leaf))

    def client(self, leaf):
        return self._limited(self.certs.client(leaf))


def openssl(address, certs, *options):
    """The version that openssl s_client and the gateway agree on; None: they do not."""
    done = subprocess.run(["openssl", "s_client", "-connect", "%s:%d" % address, "-CAfile", certs.ca, "-cert", certs.chain("sip"),
                           "-key", certs.key("sip"), *options], input=b"", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                          env=clean_environment(), check=False)
    text = done.stdout.decode("utf-8", "replace")
    for line in text.splitlines():
        if line.startswith("New, TLSv"):
            return text[text.index("Protocol"):].split()[2] if "Protocol  :" in text else line.split(", ")[1]
    return None


@pytest.fixture
def inst(install, started, certs):
    """An installation whose corp3.example has a next hop that speaks TLS 1.0 alone."""
    old = SipUser("corp3.example", certs=Old(certs), leaf="sip")
    inst = install("oldtls", users={"corp3.example": old})
    inst.old = old
    inst.list_partner("partner.example")

    def ready(sip=None, hop=None, **more):
        for where, value in ((inst.gateway_config["sip"], sip), (inst.gateway_config["domains"][2], hop)):
            where.pop("tls_min", None)
            if value:
                where["tls_min"] = value
        inst.gateway_config["domains"][2].update(more)
        inst.write_configs()
        if not inst.gateway.process:
            started(inst)
        else:
            inst.reload()
        return inst
    inst.ready = ready
    try:
        yield inst
    finally:
        inst.stop()
        old.close()


def check(inst):
    done = subprocess.run([inst.tools["xfed-gateway"], "-c", inst.gateway.config, "--check-config"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, env=clean_environment(), check=False)
    assert done.returncode == 0, done.stdout
    return [line for line in done.stdout.splitlines() if "tls_min" in line]


def problems(inst):
    return [p["text"] for p in inst.gateway.control("status")["problems"] if p["reason"] == "tls.old.allowed"]


def text():
    return "old %d" % next(numbers)


def test_old_tls_is_refused_unless_asked_for(inst, certs, new_partner):
    inst.ready()
    partner = new_partner(inst, "partner.example", leaf="partner")
    assert check(inst) == [] and problems(inst) == []
    for version in ("-tls1", "-tls1_1"):
        with Refusal(inst, "tls.version.old"):
            assert openssl(inst.sips, certs, version, "-cipher", "DEFAULT:@SECLEVEL=0") is None
    assert openssl(inst.sips, certs, "-tls1_2") == "TLSv1.2"
    assert openssl(inst.sips, certs, "-tls1_2", "-cipher", CBC) is None
    with pytest.raises((ssl.SSLError, OSError)):
        inst.old.dial(inst.sips, "tls", Old(certs).client("sip"), "fe.corp.example")
    ident = partner.say("alice", "dave@corp3.example", "not to you")
    assert partner.wait_error(ident, 40)[0] == "remote-server-timeout"


def test_old_tls_where_it_is_asked_for(inst, certs, new_partner):
    """TLS 1.0 both ways, the warnings, and what is left of it when a reload takes it back."""
    inst.ready("1.0", "1.0")
    partner = new_partner(inst, "partner.example", leaf="partner")
    assert len(check(inst)) == 2, check(inst)
    assert len(problems(inst)) == 2 and "corp3.example" in problems(inst)[1], problems(inst)
    assert openssl(inst.sips, certs, "-tls1", "-cipher", "DEFAULT:@SECLEVEL=0") == "TLSv1"
    assert openssl(inst.sips, certs) == "TLSv1.3"
    flow = inst.old.dial(inst.sips, "tls", Old(certs).client("sip"), "fe.corp.example")
    words = text()
    assert inst.old.message(flow, "sip:alice@partner.example", words, timeout=30).status in (200, 202)
    partner.wait_body(words, 30)
    words = text()
    partner.say("alice", "dave@corp3.example", words)
    out = inst.old.raw.wait(lambda m: m[0].text == words, 30)[1]
    assert inst.gateway.metric("xfed_tls_total", version="TLS1.0") >= 3

    with Refusal(inst, "tls.version.old", "tls_min is above its version now"):
        inst.ready()
    flow.wait_end(30)
    out.wait_end(30)
    assert problems(inst) == []
    ident = partner.say("alice", "dave@corp3.example", "not to you")
    assert partner.wait_error(ident, 40)[0] == "remote-server-timeout"


def test_the_next_hop_alone(inst, certs):
    """What the next hop may speak says nothing of those who connect to us."""
    inst.ready(None, "1.1")
    assert openssl(inst.sips, certs, "-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0") is None
    inst.ready("1.3", None)
    assert openssl(inst.sips, certs, "-tls1_2") is None
    assert openssl(inst.sips, certs, "-tls1_3") == "TLSv1.3"
    inst.ready("1.1", None)
    assert openssl(inst.sips, certs, "-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0") == "TLSv1.1"
    assert openssl(inst.sips, certs, "-tls1", "-cipher", "DEFAULT:@SECLEVEL=0") is None


def test_suites_of_windows(inst, certs, new_partner):
    """What Windows Server 2012 R2 has for an RSA key (ECDHE with CBC) is taken where a domain has dialect lync, by TLS 1.2 alone."""
    inst.ready(dialect="lync")
    assert problems(inst) == []
    assert openssl(inst.sips, certs, "-tls1_2", "-cipher", CBC) == "TLSv1.2"
    assert openssl(inst.sips, certs, "-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0") is None
    assert openssl(inst.sips, certs, "-tls1_2", "-cipher", "AES128-SHA256:AES128-SHA") is None
    inst.old.certs = Old(certs, ssl.TLSVersion.TLSv1_2, CBC)
    partner = new_partner(inst, "partner.example", leaf="partner")
    partner.say("alice", "dave@corp3.example", "hello")
    wait_until("an INVITE over the old suite", lambda: [m for m in inst.old.inbox.items if m.method == "INVITE"], 30)
