"""xfedctl partner routes: what SIP servers have to be told of a running gateway. What Kamailio gets is given to Kamailio."""
import json
import shutil
import subprocess

import pytest

from harness.proc import clean_environment


@pytest.fixture(scope="module")
def routes(xfed, tools):
    """routes(WORDS...): exit status and text, or the answer with --json."""
    def make(*words, as_json=False):
        status, text = xfed.gateway.ctl(tools, *(("--json",) if as_json else ()), "partner", "routes", *words, check=False)
        return status, json.loads(text) if as_json and text.startswith("{") else text
    return make


@pytest.fixture(scope="module")
def listed(xfed):
    xfed.list_partner("routed.example", additional_domains=["*.it.routed.example", "bücher.example"])
    xfed.reload()
    yield
    xfed.unlist_partner("routed.example")
    xfed.reload()


WITHOUT_DIALECT = "# PROBLEM: no domain has dialect: lync in gateway.yaml, and clients of Lync take no message without it"


@pytest.mark.parametrize("product", ["lync", "skype"])
def test_lync(xfed, routes, listed, product):
    status, text = routes("--for", product)
    assert status == 1 and [line for line in text.splitlines() if "PROBLEM" in line] == [WITHOUT_DIALECT], text
    port = xfed.sips[1]
    for line in ("New-CsTrustedApplication -ApplicationId xfed -TrustedApplicationPoolFqdn fe.corp.example -Port %d" % port,
                 "$route = New-CsStaticRoute -TLSRoute -Destination fe.corp.example -Port %d -MatchUri \"partner.example\" "
                 "-UseDefaultCertificate $true" % port,
                 "$route = New-CsStaticRoute -TLSRoute -Destination fe.corp.example -Port %d -MatchUri \"xn--bcher-kva.example\" "
                 "-UseDefaultCertificate $true" % port, "Enable-CsTopology"):
        assert line in text.splitlines(), (line, text)
    assert "New-CsAllowedDomain" not in text and "# Not configured: as a federated neighbour" in text, text
    assert "# gateway: fe.corp.example, port %d, tls" % port in text and "names dns:fe.corp.example" in text, text


def test_one_partner(xfed, routes, listed):
    status, answer = routes("routed.example", "--for", "lync", as_json=True)
    assert status == 1 and answer["partners"] == ["routed.example", "*.it.routed.example", "xn--bcher-kva.example"], answer
    assert answer["host"] == "fe.corp.example" and answer["port"] == xfed.sips[1] and answer["transport"] == "tls", answer
    assert "dns:fe.corp.example" in answer["certificate"]["names"] and ["# PROBLEM: " + p for p in answer["problems"]] == [WITHOUT_DIALECT], answer
    assert set(answer["domains"]) == {"corp.example", "corp2.example", "corp3.example"}, answer
    assert not any("partner.example" in line for s in answer["sections"] for line in s["lines"])


def test_what_it_cannot_tell(routes):
    assert routes("nobody.example", "--for", "lync")[0] == 1
    assert routes("--for", "freeswitch")[0] == 2
    status, text = routes()
    assert status == 2 and "--for" in text, text


def test_what_does_not_fit(install, started, tools):
    """Without tls Lync cannot use it; and a certificate has to carry the name that others are told."""
    inst = install("routes")
    inst.gateway_config["sip"]["advertise"] = "other.corp.example"
    inst.write_configs()
    try:
        started(inst)
        status, text = inst.gateway.ctl(tools, "partner", "routes", "--for", "lync", check=False)
        assert status == 1 and "no partner is listed" in text, text
        inst.list_partner("partner.example")
        inst.reload()
        status, text = inst.gateway.ctl(tools, "partner", "routes", "--for", "lync", check=False)
        assert status == 1 and "PROBLEM: sip.certificate does not name other.corp.example" in text, text
        assert "PROBLEM: no domain has dialect: lync" in text, text
    finally:
        inst.stop()


@pytest.mark.skipif(not shutil.which("kamailio"), reason="no Kamailio")
def test_kamailio_takes_it(routes, listed, directory):
    status, text = routes("--for", "kamailio")
    assert status == 0, text
    path = directory + "/routes-kamailio.cfg"
    with open(path, "w", encoding="utf-8") as f:
        f.write("loadmodule \"tm.so\"\nloadmodule \"sl.so\"\nloadmodule \"pv.so\"\nloadmodule \"textops.so\"\nenable_tls=no\n"
                "request_route {\n\troute(XFED);\n\tsl_send_reply(\"404\", \"none\");\n}\n" + text)
    done = subprocess.run(["kamailio", "-c", "-f", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                          env=clean_environment(), check=False)
    assert done.returncode == 0, done.stdout


def test_asterisk_comments_are_its_own(routes, listed):
    """A line that begins with # is a directive there."""
    status, text = routes("--for", "asterisk")
    assert status == 0 and "pjsip:xfed/sip:${EXTEN}@routed.example" in text, text
    assert all(line[:1] in ("", ";", "[") or " = " in line or line.startswith(("exten => ", " same => ")) for line in text.splitlines()), text


def test_a_transport_that_may_be_used(install, started, tools):
    """Where no domain has names of certificates, nobody may send over tls, although there is a listener."""
    inst = install("untold")
    for domain in inst.gateway_config["domains"]:
        domain.pop("peers", None)
    inst.list_partner("partner.example")
    inst.write_configs()
    try:
        started(inst)
        status, text = inst.gateway.ctl(tools, "partner", "routes", "--for", "kamailio", check=False)
        assert status == 0 and "# gateway: fe.corp.example, port %d, tcp" % inst.sip[1] in text, text
    finally:
        inst.stop()
