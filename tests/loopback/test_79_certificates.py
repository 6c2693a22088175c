"""
Certificates of live connections are judged again: when trust or revocation lists are reloaded, and when one expires. What leaned
on one that is not good any more ends with its reason: streams of partners, links of the channel, connections of SIP servers.
"""
import itertools
import shutil
import ssl

import pytest

from harness.peer import Peer, Refused
from harness.proc import wait_until
from harness.sip import SipUser

numbers = itertools.count(1)
LIFE = (6, 20, 60)  # seconds: a certificate that lives longer where the machine is too busy for the first


@pytest.fixture(scope="module")
def judged(install, started, certs):
    """An installation with trust of its own: files that tests replace."""
    user = SipUser("corp.example")
    tls = SipUser("corp3.example", certs=certs, leaf="sip")
    inst = install("judged", users={"corp.example": user, "corp3.example": tls})
    for name in ("trust", "channel", "sip"):
        shutil.copy(certs.ca, "%s/%s.pem" % (inst.dir, name))
    shutil.copy(certs.crl, inst.dir + "/crl.pem")
    inst.edge_config["trust"] = {"ca": inst.dir + "/trust.pem", "crl": [inst.dir + "/crl.pem"]}
    inst.edge_config["channel"]["ca"] = inst.gateway_config["channel"]["ca"] = inst.dir + "/channel.pem"
    inst.gateway_config["sip"]["ca"] = inst.dir + "/sip.pem"
    inst.write_configs()
    inst.user, inst.tls = user, tls
    try:
        yield started(inst)
    finally:
        inst.stop()
        user.close()
        tls.close()


@pytest.fixture
def swap(judged, certs):
    """swap(NAME): a file of trust gives way to that of a CA nobody here has a certificate of. Put back behind the test."""
    swapped = []

    def make(name):
        swapped.append(name)
        shutil.copy(certs.dir + "/foreign/ca.crt", "%s/%s.pem" % (judged.dir, name))
    yield make
    for name in swapped:
        shutil.copy(certs.ca, "%s/%s.pem" % (judged.dir, name))
    judged.edge.control("reload")
    judged.gateway.control("reload")
    judged.wait_linked()


@pytest.fixture
def peer(judged, certs, dns):
    """peer(LEAF, ...): a partner of its own domain, listed and found."""
    made = []

    def make(leaf=None, abilities="TLS+EXTERNAL", plain=None, **file):
        domain = "judged%d.example" % next(numbers)
        leaf = leaf(domain) if leaf else certs.leaf(domain.split(".")[0], "xmpp:" + domain)
        p = Peer(domain, certs, leaf, judged.s2s, abilities, plain)
        p.leaf = leaf
        judged.list_partner(domain, **dict({"sasl": "optional", "dialback": True}, **file))
        dns.xmpp(domain, ("xmpp." + domain, p.port, "127.0.0.1"))
        judged.reload()
        made.append(p)
        return p
    yield make
    for p in made:
        p.close()
        judged.unlist_partner(p.domain)


@pytest.fixture
def flow(judged):
    flow = judged.user.dial(judged.sip)
    yield flow
    flow.close()


def directions(inst, p):
    return sorted(s["direction"] for s in inst.streams(p.domain) if s["state"] == "ready")


def told(s, condition, timeout=20):
    """A stream of ours, which somebody reads."""
    wait_until("<%s/>" % condition, lambda: ("<stream:error><%s " % condition).encode() in s.seen, timeout)


def closed(inst, p, reason, mark, timeout=30):
    for direction in ("in", "out"):
        inst.edge.process.wait_line("event=s2s.closed partner=%s .*direction=%s reason=%s" % (p.domain, direction, reason), timeout, mark)


def test_revoked_by_a_reload(judged, certs, peer, flow):
    """Its streams end, those of others stay: of a good certificate, and of dialback, to which a certificate says nothing."""
    revoked, good = peer(sasl="required", dialback=False), peer()
    unproved = certs.leaf("judged-plain", "by=self", "host:nobody.example")
    by_key = peer(abilities="TLS+dialback", plain=unproved)
    s = judged.both_ways(revoked, judged.user, flow)
    for p in (good, by_key):
        judged.both_ways(p, judged.user, flow)
    certs.revoke(revoked.leaf)
    shutil.copy(certs.crl, judged.dir + "/crl.pem")
    mark = judged.edge.process.mark()
    assert judged.edge.control("reload")["ok"]
    told(s, "not-authorized")
    closed(judged, revoked, "tls.cert.revoked", mark)
    assert directions(judged, good) == directions(judged, by_key) == ["in", "out"]
    # It does not come back.
    assert judged.user.message(flow, "sip:eve@" + revoked.domain, "too late", timeout=20).status == 504
    assert directions(judged, revoked) == []


def test_untrusted_by_a_reload(judged, peer, flow, swap):
    """Also where dialback was proved by the certificate, without a question ([A8-18])."""
    by_login, by_shortcut = peer(), peer()
    judged.both_ways(by_login, judged.user, flow)
    shortcut = by_shortcut.open_stream("corp.example", abilities={"tls", "external", "dialback"})
    by_shortcut.send_key(shortcut)
    assert by_shortcut.wait_result(shortcut, 20) == ("valid", None)
    assert by_shortcut.asked.items == []
    swap("trust")
    mark = judged.edge.process.mark()
    assert judged.edge.control("reload")["ok"]
    closed(judged, by_login, "tls.cert.untrusted", mark)
    judged.edge.process.wait_line("event=s2s.closed partner=%s .*direction=in reason=tls.cert.untrusted" % by_shortcut.domain, 20, mark)
    shortcut.close()


def test_a_fall_back_ends_with_its_cause(judged, peer, flow, swap, certs):
    """Told once, in log, failures and status; the reload that brings the authorities back has the certificate login tried again by itself."""
    swap("trust")
    assert judged.edge.control("reload")["ok"]
    p = peer(abilities="all")
    mark = judged.edge.process.mark()
    for body in ("by dialback", "and again"):
        assert judged.user.message(flow, "sip:eve@" + p.domain, body, timeout=20).status in (200, 202)
        p.wait_body(body, 20)
    told = "event=s2s.fell-back partner=%s .*reason=tls.cert.untrusted side=partner" % p.domain
    judged.edge.process.wait_line("warning " + told, 5, mark)
    out, = [s for s in judged.streams(p.domain) if s["direction"] == "out"]
    assert out["method"] == "dialback-tls"
    wait_until("the failure", lambda: [f["reason"] for f in judged.gateway.control("failures", "list", partner=p.domain)["failures"]] == ["tls.cert.untrusted"], 10)
    note, = judged.edge.control("status")["notes"]
    assert note["reason"] == "tls.cert.untrusted" and "failures retry " + p.domain in note["text"], note
    shutil.copy(certs.ca, judged.dir + "/trust.pem")
    assert judged.edge.control("reload")["ok"]
    wait_until("the better login", lambda: [s["method"] for s in judged.streams(p.domain) if s["direction"] == "out" and s["state"] == "ready"] == ["external"], 20)
    assert judged.edge.control("status")["notes"] == []
    assert len([line for line in judged.edge.process.lines[mark:] if "event=s2s.fell-back" in line]) == 1
    assert judged.user.message(flow, "sip:eve@" + p.domain, "by certificate", timeout=20).status in (200, 202)
    p.wait_body("by certificate", 20)


def test_trust_is_reloaded_during_a_handshake(judged, certs, peer):
    """What was decided about a stream before is held against what is trusted when it is authenticated."""
    p = peer(sasl="required", dialback=False)
    context = p.client_context

    def late(_):  # <proceed/> has come, the handshake has not begun
        certs.revoke(p.leaf)
        shutil.copy(certs.crl, judged.dir + "/crl.pem")
        assert judged.edge.control("reload")["ok"]
        return context
    p.client_context_of = late
    mark = judged.edge.process.mark()
    s = p.open_stream("corp.example")
    with pytest.raises(Refused, match="not-authorized"):
        p.prove_by_certificate(s)
        p.next_of(s, "element", timeout=20)
    judged.edge.process.wait_line("event=s2s.closed partner=%s .*direction=in reason=tls.cert.revoked" % p.domain, 20, mark)
    assert not [x for x in judged.edge.process.lines[mark:] if "event=s2s.authenticated partner=" + p.domain in x]
    s.close()


def test_it_expires(judged, certs, peer, flow):
    """Nobody reloads anything: its time is over."""
    for seconds in LIFE:
        mark = judged.edge.process.mark()
        p = peer(lambda domain, life=seconds: certs.leaf_until(domain.split(".")[0], life, "xmpp:" + domain), sasl="required", dialback=False)
        try:
            s = judged.both_ways(p, judged.user, flow)
        except (AssertionError, ssl.SSLError, OSError):
            if seconds == LIFE[-1]:
                raise
            continue
        told(s, "not-authorized", seconds + 30)
        closed(judged, p, "tls.cert.expired", mark, seconds + 30)
        return


@pytest.mark.parametrize("who", ["edge", "gateway"])
def test_a_link_whose_ca_is_gone(judged, flow, peer, swap, who):
    judged.wait_linked()
    daemon = getattr(judged, who)
    mark = daemon.process.mark()
    swap("channel")
    assert daemon.control("reload")["ok"]
    daemon.process.wait_line("event=channel.down .*reason=channel.peer.untrusted .*tls.cert.untrusted", 20, mark)
    shutil.copy(judged.edge_config["trust"]["ca"], judged.dir + "/channel.pem")
    assert daemon.control("reload")["ok"]
    judged.wait_linked()


def test_a_link_that_is_not_allowed_any_more(judged):
    judged.wait_linked()
    mark = judged.edge.process.mark()
    judged.edge_config["channel"]["allow"] = ["other.corp.example"]
    judged.write_configs()
    try:
        assert judged.edge.control("reload")["ok"]
        judged.edge.process.wait_line("event=channel.down peer=gw1 .*reason=channel.peer.untrusted .*channel.allow", 20, mark)
    finally:
        judged.edge_config["channel"]["allow"] = ["another.example", "fe.corp.example"]
        judged.write_configs()
        assert judged.edge.control("reload")["ok"]
    judged.wait_linked()
    # A reload that still names it leaves it alone.
    mark = judged.edge.process.mark()
    judged.edge_config["channel"]["allow"] = ["fe.corp.example"]
    judged.write_configs()
    assert judged.edge.control("reload")["ok"]
    judged.edge.process.wait_line("event=config.reload ok=true", 20, mark)
    assert judged.edge.metric("xfed_channel_up", peer="gw1") == 1
    assert not [line for line in judged.edge.process.lines[mark:] if "event=channel.down" in line]


def tls_flow(inst, certs, leaf):
    context = certs.client(leaf)
    context.check_hostname = False
    return inst.tls.dial(inst.sips, "tls", context, "fe.corp.example")


def test_sip_connections_whose_ca_is_gone(judged, certs, peer, swap):
    p = peer()
    into = tls_flow(judged, certs, "sip")
    assert judged.tls.message(into, "sip:eve@" + p.domain, "by name", sender="sip:carol@corp3.example", timeout=20).status in (200, 202)
    p.say("alice", "carol@corp3.example", "to the next hop")
    judged.tls.wait_text("to the next hop", 20)
    swap("sip")
    mark = judged.gateway.process.mark()
    assert judged.gateway.control("reload")["ok"]
    for direction in ("in", "out"):
        judged.gateway.process.wait_line("event=sip.closed transport=TLS direction=%s .*reason=tls.cert.untrusted" % direction, 20, mark)
    assert into.wait_end(20) is None


def test_a_sip_certificate_expires(judged, certs, peer):
    p = peer()
    for seconds in LIFE:
        mark = judged.gateway.process.mark()
        leaf = certs.leaf_until("sip-life%d" % seconds, seconds, "sip:corp.example", "host:sip.corp.example")
        into = tls_flow(judged, certs, leaf)
        answer = judged.tls.message(into, "sip:eve@" + p.domain, "in time", sender="sip:carol@corp3.example", timeout=20)
        if answer.status not in (200, 202) and seconds != LIFE[-1]:
            into.close()
            continue
        assert answer.status in (200, 202)
        judged.gateway.process.wait_line("event=sip.closed transport=TLS direction=in .*reason=tls.cert.expired", seconds + 30, mark)
        return
