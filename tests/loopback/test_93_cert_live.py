"""
Certificates of services that run: one is replaced, the channel gets new ones and a new authority, and streams and messages know nothing of
it; an end that comes near is seen in log, status and metric.
"""
import itertools
import json
import os
import re
import shutil
import subprocess
import threading

import pytest

from harness.certhost import openssl, sign
from harness.daemon import SANITIZER_ENV
from harness.peer import Peer
from harness.proc import clean_environment, wait_until
from harness.sip import SipUser

numbers = itertools.count(1)
DAY = 86400


@pytest.fixture(scope="module")
def inst(install, started, certs):
    """An installation whose certificates lie in its own folder; its channel is that of xfedctl."""
    user = SipUser("corp.example")
    inst = install("certs", users={"corp.example": user})
    tls = inst.dir + "/tls"
    os.makedirs(tls)
    for name, of in (("corp.example", "corp"), ("corp2.example", "corp2"), ("sip", "fe")):
        shutil.copy(certs.chain(of), "%s/%s.pem" % (tls, name))
        shutil.copy(certs.key(of), "%s/%s.key" % (tls, name))
    pair = lambda name: {"certificate": "%s/%s.pem" % (tls, name), "key": "%s/%s.key" % (tls, name)}
    inst.edge_config["certificates"] = [pair("corp.example"), pair("corp2.example")]
    inst.edge_config["channel"].update(pair("edge1"), ca=tls + "/edge1-ca.pem", allow=["nobody.example"])
    inst.gateway_config["channel"] = dict(pair("gw1"), ca=tls + "/gw1-ca.pem")
    inst.gateway_config["sip"].update(pair("sip"))
    inst.gateway_config["domains"] = inst.gateway_config["domains"][:2] # the third has no certificate
    inst.write_configs()
    inst.user, inst.tls = user, tls
    gateway(inst, "channel-init", "output=" + inst.dir)
    edge(inst, "channel-join", inst.dir + "/edge1.bundle")
    try:
        yield started(inst)
    finally:
        inst.stop()
        user.close()


def run(inst, config, words, expected=0, options=()):
    done = subprocess.run([inst.tools["xfedctl"], *options, "cert", *words, "--config", config], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=120, env=clean_environment(**SANITIZER_ENV), check=False)
    assert done.returncode == expected or (expected is None and done.returncode < 2), done.stdout
    return done.stdout


def edge(inst, *words, **how):
    return run(inst, inst.edge.config, words, **how)


def gateway(inst, *words, **how):
    return run(inst, inst.gateway.config, words, **how)


@pytest.fixture
def peer(inst, certs, dns):
    """A partner of its own, listed and found; its certificate may end soon."""
    made = []

    def make(leaf=None):
        domain = "certs%d.example" % next(numbers)
        p = Peer(domain, certs, leaf(domain) if leaf else certs.leaf(domain.split(".")[0], "xmpp:" + domain), inst.s2s, "TLS+EXTERNAL")
        inst.list_partner(domain)
        dns.xmpp(domain, ("xmpp." + domain, p.port, "127.0.0.1"))
        inst.reload(20)
        made.append(p)
        return p
    yield make
    for p in made:
        p.close()
        inst.unlist_partner(p.domain)
    inst.reload(20)


@pytest.fixture
def flow(inst):
    flow = inst.user.dial(inst.sip)
    yield flow
    flow.close()


def shown(inst, domain):
    """The certificate that a partner is shown, as text."""
    done = subprocess.run(["openssl", "s_client", "-connect", "%s:%d" % inst.s2s, "-starttls", "xmpp-server", "-xmpphost", domain, "-servername", domain],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=60, check=False)
    return openssl("x509", "-noout", "-serial", input=done.stdout).strip()


def serial(path):
    return openssl("x509", "-in", path, "-noout", "-serial").strip()


def streams(inst, p):
    return sorted((s["id"], s["direction"]) for s in inst.streams(p.domain) if s["state"] == "ready")


def test_a_certificate_is_replaced_and_no_stream_closes(inst, certs, peer, flow):
    p = peer()
    inst.both_ways(p, inst.user, flow)
    before = streams(inst, p)
    edge(inst, "request", "corp.example", "--for", "edge")
    sign(certs, inst.tls + "/corp.example.csr", inst.dir + "/back.pem")
    out = edge(inst, "import", inst.dir + "/back.pem", certs.ca)
    assert "xfed-edge has them in use" in out, out
    assert shown(inst, "corp.example") == serial(inst.tls + "/corp.example.pem") != serial(certs.chain("corp"))
    text = "after the change"
    assert inst.user.message(flow, "sip:eve@" + p.domain, text, timeout=20).status in (200, 202)
    p.wait_body(text, 20)
    assert streams(inst, p) == before and len(before) == 2


def test_a_service_that_does_not_want_them_has_the_old_ones(inst, certs):
    """Its files are not fine for another reason: the certificate goes back, too, and nothing is left beside it."""
    with open(inst.edge.config, encoding="utf-8") as f:
        good = f.read()
    broken = json.loads(good)
    broken["trust"] = {"ca": inst.dir + "/nowhere.pem"}
    before, was = serial(inst.tls + "/corp.example.pem"), sorted(os.listdir(inst.tls))
    other = certs.leaf("corp-not-wanted", "xmpp:corp.example")
    with open(inst.edge.config, "w", encoding="utf-8") as f:
        json.dump(broken, f)
    try:
        out = edge(inst, "import", certs.chain(other), certs.key(other), certs.ca, "certificate=" + inst.tls + "/corp.example.pem", expected=1)
        assert "xfed-edge does not take the new files, and all is as it was" in out and "nowhere.pem" in out, out
    finally:
        with open(inst.edge.config, "w", encoding="utf-8") as f:
            f.write(good)
    assert serial(inst.tls + "/corp.example.pem") == before and sorted(os.listdir(inst.tls)) == was
    assert inst.edge.control("reload")["ok"]


def test_domains_come_from_the_gateway(inst):
    """Those pushed, which the edge knows by itself; one without a certificate is named."""
    out = edge(inst, "request", "--for", "edge", "certificate=" + inst.tls + "/corp2.example.pem")
    assert "for corp.example and others:\n  corp2.example" in out, out
    assert "no certificate" not in edge(inst, "check")
    inst.gateway_config["domains"].append({"domain": "new.example", "next_hop": inst.gateway_config["domains"][0]["next_hop"], "peer_addresses": ["127.0.0.1"]})
    inst.write_configs_of_gateway()
    try:
        inst.reload(20)
        out = edge(inst, "check", expected=1)
        assert "no certificate of certificates[] names new.example" in out, out
        said = json.loads(edge(inst, "show", expected=1, options=["--json"]))
        assert said["uncovered"] == ["new.example"] and {c["what"] for c in said["certificates"]} == {"certificates[0]", "certificates[1]", "channel"}
        wait_until("the gateway to hear of it", lambda: "new.example" in run(inst, inst.gateway.config, ["check"], expected=None), 30)
    finally:
        inst.gateway_config["domains"].pop()
        inst.write_configs_of_gateway()
        inst.reload(20)


class Traffic(threading.Thread):
    """A message after the other, each of which has to arrive."""

    def __init__(self, inst, p, flow):
        super().__init__()
        self.inst, self.p, self.flow, self.sent, self.refused, self.is_over = inst, p, flow, [], [], False
        self.start()

    def run(self):
        while not self.is_over:
            text = "traffic %d" % next(numbers)
            status = self.inst.user.message(self.flow, "sip:eve@" + self.p.domain, text, timeout=30).status
            (self.sent if status in (200, 202) else self.refused).append((text, status))

    def end(self):
        self.is_over = True
        self.join()
        assert self.sent and not self.refused, self.refused
        for text, _ in self.sent[-3:]:
            self.p.wait_body(text, 20)


def test_the_channel_is_renewed(inst, peer, flow):
    """The same authority, then another one, while messages go."""
    p = peer()
    inst.both_ways(p, inst.user, flow)
    before = streams(inst, p)
    traffic = Traffic(inst, p, flow)
    try:
        # Each end sees the new one of the other: the link is made anew.
        for renewed in (lambda: gateway(inst, "channel-renew", "output=" + inst.dir), lambda: edge(inst, "channel-join", inst.dir + "/edge1.bundle")):
            mark = inst.gateway.process.mark()
            renewed()
            inst.gateway.process.wait_line("event=channel.down peer=edge1 .*reason=channel.renewed", 20, mark)
            inst.gateway.process.wait_line("event=channel.up peer=edge1", 20, mark)
        old = serial(inst.tls + "/edge1.pem")
        out = gateway(inst, "channel-renew", "--new-ca", "output=" + inst.dir)
        assert "trusts both" in out
        out = gateway(inst, "channel-renew", expected=1)
        assert "edge1 still shows a certificate of the old authority" in out, out
        edge(inst, "channel-join", inst.dir + "/edge1.bundle")
        assert serial(inst.tls + "/edge1.pem") != old
        gateway(inst, "channel-renew", "output=" + inst.dir)
        with open(inst.tls + "/gw1-ca.pem", encoding="ascii") as f:
            assert f.read().count("BEGIN") == 1
        edge(inst, "channel-join", inst.dir + "/edge1.bundle")
        with open(inst.tls + "/edge1-ca.pem", encoding="ascii") as f:
            assert f.read().count("BEGIN") == 1
        inst.wait_linked()
    finally:
        traffic.end()
    assert streams(inst, p) == before, "no stream of a partner has closed"


def ends(daemon):
    return {(have["owner"], have["name"]) for name, have, value in daemon.samples()
            if name == "xfed_certificate_not_after_timestamp_seconds" and value > 0 and "edge" not in have}


def test_an_end_that_comes_near(inst, certs, peer, flow):
    """Ours is a problem of status, a partner's a note; both have a line in the log and the metric."""
    mark = inst.edge.process.mark()
    soon = certs.leaf_until("corp-soon", 5 * DAY, "xmpp:corp.example")
    edge(inst, "import", certs.dir + "/%s.pem" % soon, certs.ca, "certificate=" + inst.tls + "/corp.example.pem")
    inst.edge.process.wait_line('event=certificate.ends name="?CN=corp.example"? owner=us not_after=.* days=[45] reason=tls.own.expired', 20, mark)
    problems = [x["text"] for x in inst.edge.control("status")["problems"] if x["reason"] == "tls.own.expired"]
    assert len(problems) == 1 and "expires within 14 days" in problems[0], problems
    assert re.search(r"corp.example.pem ends 20..-..-.. \([45] days\): renew it", edge(inst, "check", expected=1))
    p = peer(lambda domain: certs.leaf_until(domain.split(".")[0], 2 * DAY, "xmpp:" + domain))
    mark = inst.edge.process.mark()
    inst.both_ways(p, inst.user, flow)
    inst.edge.process.wait_line("warning event=certificate.ends name=%s owner=partner .*days=[12]" % p.domain, 20, mark)
    notes = [x["text"] for x in inst.edge.control("status")["notes"]]
    assert any(p.domain in text and "That is for the partner to do" in text for text in notes), notes
    assert ("partner", p.domain) in ends(inst.edge)
    assert ("channel", "gw1") in ends(inst.edge)
    assert ("channel", "edge1") in ends(inst.gateway)
    out = edge(inst, "show", expected=1)
    assert "partner %s" % p.domain in out and "channel gw1" in out, out
    edge(inst, "import", certs.dir + "/corp.pem", certs.ca, "certificate=" + inst.tls + "/corp.example.pem")


def test_a_channel_that_is_about_to_end(inst, certs, started):
    """What the other side shows counts too: the gateway names the edge."""
    inst.wait_linked()
    keep = {name: open("%s/%s" % (inst.tls, name), "rb").read() for name in ("edge1.pem", "edge1.key", "gw1-ca.pem")}
    soon = certs.leaf_until("edge-soon", 3 * DAY, "host:edge-int.corp.example")
    try:
        shutil.copy(certs.chain(soon), inst.tls + "/edge1.pem")
        shutil.copy(certs.key(soon), inst.tls + "/edge1.key")
        with open(inst.tls + "/gw1-ca.pem", "ab") as f, open(certs.ca, "rb") as ca:
            f.write(ca.read())
        assert inst.gateway.control("reload")["ok"]
        mark = inst.gateway.process.mark()
        inst.edge.stop()
        started_again(inst)
        inst.gateway.process.wait_line("error event=certificate.ends name=edge1 owner=channel", 30, mark)
        text = [x["text"] for x in inst.gateway.control("status")["problems"] if x["reason"] == "tls.own.expired"]
        assert any("edge1 shows on the channel expires within 14 days" in t and "channel-renew" in t for t in text), text
    finally:
        for name, was in keep.items():
            with open("%s/%s" % (inst.tls, name), "wb") as f:
                f.write(was)
        inst.gateway.control("reload")
        inst.edge.stop()
        started_again(inst)
    inst.wait_linked()
    assert not [x for x in inst.gateway.control("status")["problems"] if x["reason"] == "tls.own.expired"]


def started_again(inst):
    inst.edge.start()
    inst.edge.wait_ready(30)


def test_all_that_is_known_in_one_list(inst, peer, flow, certs):
    """Of the gateway, of the edge, of both ends of the channel and of a partner, the one that ends first at the top."""
    p = peer(lambda domain: certs.leaf_until("soon-" + domain.split(".")[0], 5 * DAY, "xmpp:" + domain))
    inst.both_ways(p, inst.user, flow)
    answer = inst.gateway.control("cert", "list")
    found = answer["certificates"]
    ends = [c["not_after"] for c in found]
    assert ends == sorted(ends) and answer["silent"] == [] and answer["more"] == 0
    of = lambda owner, edge: {c["name"]: c for c in found if c["owner"] == owner and c.get("edge") == edge}
    assert of("us", None) and of("us", "edge1") and of("channel", None) and of("channel", "edge1"), found
    theirs = of("partner", "edge1")[p.domain]
    assert theirs["state"] == "soon" and theirs["days"] in (4, 5)
    status, out = inst.gateway.ctl(inst.tools, "cert", "list", check=False)
    late = [c for c in found if c["state"] != "ok" and c["owner"] != "partner"]  # a partner's is the partner's affair
    assert status == (1 if late else 0) and p.domain in out and "edge1" in out
