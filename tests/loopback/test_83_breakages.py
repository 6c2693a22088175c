"""
What the administrator reads when something of the edge's side is broken: rows of (what is broken, what each answer of xfedctl says).
The cause stands in every answer that concerns it, and what to do about it.
"""
import itertools
import os
import socket
import ssl
import time

import pytest

from harness.breakages import says, told
from harness.installation import write
from harness.peer import OFFER, Peer
from harness.proc import wait_until
from harness.wire import free_port

SENDER = "user@corp.example"
numbers = itertools.count(1)


class Scene:
    """What a breaker gets: the installation, the DNS, certificates, partners; and what is to be closed again."""

    def __init__(self, **parts):
        self.__dict__.update(parts)
        self.keep = []

    def partner(self, domain, *leaf, file=None, **kwargs):
        """A listed partner whose certificate is made with these words (its right names where there are none)."""
        self.inst.list_partner(domain, **(file or {}))
        name = self.certs.leaf(domain.split(".")[0], *(leaf or ["xmpp:" + domain]))
        p = Peer(domain, self.certs, name, self.inst.s2s, **kwargs)
        self.keep.append(p)
        self.dns.xmpp(domain, ("xmpp." + domain, p.port, "127.0.0.1"))
        return p

    def close(self):
        for k in self.keep:
            k.close()
        self.keep = []
        for name in os.listdir(self.inst.partners):
            os.unlink(self.inst.partners + "/" + name)
        self.inst.reload()


# ---- a partner ----

def with_certificate(*words):
    def make(s, domain):
        s.partner(domain, *(w.replace("DOMAIN", domain) for w in words))
    return make


def nobody_listens(s, domain):
    s.inst.list_partner(domain)
    s.dns.xmpp(domain, ("xmpp." + domain, free_port(), "127.0.0.1"))


def deaf(s):
    """A port of nobody who answers, as behind a packet filter that drops: the queue of the listener is full."""
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    s.keep.append(full)
    for _ in range(4):
        c = socket.socket()
        c.setblocking(False)
        c.connect_ex(full.getsockname())
        s.keep.append(c)
    return full.getsockname()[1]


def nobody_answers(s, domain):
    s.inst.list_partner(domain)
    s.dns.xmpp(domain, ("xmpp." + domain, deaf(s), "127.0.0.1"))


def no_records(s, domain):
    s.inst.list_partner(domain)


def srv_to_nowhere(s, domain):
    s.inst.list_partner(domain)
    s.dns.xmpp(domain, ("nowhere." + domain, 5269, None))


def srv_to_us(s, domain):
    s.inst.list_partner(domain)
    s.dns.xmpp(domain, ("edge.corp.example", s.inst.s2s[1], "127.0.0.1"))


def connect_to_us(s, domain):
    s.inst.list_partner(domain, connect_to="127.0.0.1:%d" % s.inst.s2s[1])


def srv_to_another(s, domain):
    s.partner(domain).hosted = {"another.example": "all"}


def unlisted(s, domain):
    pass


def resolver_fails(s, domain):
    s.inst.list_partner(domain)
    s.dns.answer("_xmpp-server._tcp." + domain, "servfail")


def external_refused(s, domain):
    s.partner(domain).external = "refuse:not-authorized"


def no_xmpp(s, domain):
    s.partner(domain).features = lambda served: "HTTP/1.1 400 Bad Request < "


def falls_back(s, domain):
    s.partner(domain, file={"sasl": "optional", "dialback": True}).external = "refuse:not-authorized"


def dialback_partner(s, domain, receiver):
    s.partner(domain, file={"sasl": "optional", "dialback": True}).receiver = receiver


def never_calls_back(s, domain):
    dialback_partner(s, domain, "silent")


def dropped_inwards(s, domain):
    """A partner that logs in by certificate alone, and cannot connect to us."""
    s.partner(domain).receiver = "error:remote-connection-failed"


def own_srv_missing(s, domain):
    dialback_partner(s, domain, "error:remote-server-not-found")
    s.dns.clear("_xmpp-server._tcp.corp.example")
    s.dns.clear("corp.example")


def own_srv_wrong(s, domain):
    """It leads to another port, where nobody listens."""
    dialback_partner(s, domain, "error:remote-connection-failed")
    s.dns.xmpp("corp.example", ("edge.corp.example", free_port(), "127.0.0.1"))


def reached(code, *words, status=1):
    """What three answers say alike of a partner that cannot be reached: the code, and these words."""
    return {"status": says(status, "PROBLEM %s since" % code, "cannot be reached from corp.example", "not worked since this edge", *words),
            "edge": says(status, "PROBLEM %s since" % code, *words),
            "explain": says(1, "CLOSED stream the last attempt of edge1 failed", code, "none has worked since", *words),
            "failures": says(0, code, *words)}


def of_partner(code, step, *words, **more):
    """... and partner check, which finds it at this step."""
    return dict(reached(code, *words), check=says(1, "PROBLEM %s" % step, "%s: %s:" % (step, code), *words, never=["no problem was found"]), **more)


EXPIRED = ("start=20200101000000Z", "end=20210101000000Z", "xmpp:DOMAIN")
ROWS = {
    "its certificate has expired": (with_certificate(*EXPIRED), of_partner(
        "tls.cert.expired", "certificate", "has to renew it")),
    "its certificate is not valid yet": (with_certificate("start=20400101000000Z", "end=20410101000000Z", "xmpp:DOMAIN"), of_partner(
        "tls.cert.not-yet-valid", "certificate", "check the clocks of both hosts")),
    "its certificate names another": (with_certificate("xmpp:other.example"), of_partner(
        "tls.cert.name-mismatch", "certificate", "dns:other.example", "has to get one that does")),
    "its certificate is of another CA": (with_certificate("by=foreign", "xmpp:DOMAIN"), of_partner(
        "tls.cert.untrusted", "certificate", "whole chain of a trusted CA", "look at trust.ca of the edge")),
    "its certificate is for clients alone": (with_certificate("eku=clientAuth", "xmpp:DOMAIN"), of_partner(
        "tls.cert.purpose", "certificate", "without serverAuth", "has to get one for servers")),
    "its key is weak": (with_certificate("key=rsa1024", "xmpp:DOMAIN"), of_partner(
        "tls.cert.weak", "certificate", "RSA below 2048 bits", "has to get a new one")),
    "its signature is weak": (with_certificate("md=sha1", "xmpp:DOMAIN"), of_partner(
        "tls.cert.weak", "certificate", "SHA-1", "has to get a new one")),
    "it is down": (nobody_listens, of_partner(
        "net.connect.refused", "tcp", "connection refused", "its server is down or its SRV record is wrong")),
    "5269 is dropped outwards": (nobody_answers, of_partner(
        "net.connect.timeout", "tcp", "no answer within", "check the firewalls")),
    "its SRV record is missing": (no_records, of_partner(
        "dns.name.missing", "dns", "neither an SRV record nor an address", "has to correct its DNS; or set connect_to")),
    "its SRV record leads nowhere": (srv_to_nowhere, of_partner(
        "dns.name.missing", "dns", "the target of the SRV record has no address", "has to correct its DNS; or set connect_to")),
    "its SRV record leads to us": (srv_to_us, of_partner(
        "dns.address.ours", "dns", "a listener of this edge itself", "let the partner correct its record",
        failures=says(0, "dns.address.ours, at fault: partner"))),
    "connect_to leads to us": (connect_to_us, of_partner(
        "dns.address.ours", "dns", "a listener of this edge itself", "correct connect_to")),
    "its SRV record leads to another": (srv_to_another, of_partner(
        "stream.host.unknown", "method", "does not serve the partner's domain", "points to the wrong server")),
    "the resolver fails": (resolver_fails, of_partner(
        "dns.bogus", "dns", "the resolver", "broken DNSSEC", "the resolver of dns.servers cannot reach the Internet")),
    "it refuses our certificate": (external_refused, of_partner(
        "sasl.external.refused", "method", "not-authorized", "check its CA, our names, and the clientAuth EKU")),
    "it is not listed": (unlisted, {
        "status": says(0), "explain": says(1, "CLOSED partner", "no file in", "xfedctl partner add DOMAIN", never=["no edge has answered"]),
        "failures": says(0), "check": says(1, "PROBLEM policy", "xfedctl partner add DOMAIN", never=["no problem was found"])}),
    "it refuses our certificate and takes our key": (falls_back, {
        "status": says(0, "note sasl.external.refused since", "by dialback, for the certificate login has failed", "clientAuth EKU"),
        "edge": says(0, "note sasl.external.refused", "To try it again now: xfedctl failures retry broken"),
        "failures": says(0, "sasl.external.refused", "dialback was taken instead"),
        "explain": says(0, "a stream of ours is open at edge1, by dialback", "clientAuth EKU"),
        "check": says(0, "note method external does not work: sasl.external.refused", "ok way-back", "no problem was found")}),
    "it speaks something else": (no_xmpp, of_partner(
        "stream.xml.malformed", "method", "its server software is at fault")),
    "our SRV record is missing": (own_srv_missing, {
        "status": says(0), "explain": says(0),
        "check": says(1, "PROBLEM reverse-dns", "partners cannot find our domain corp.example", "publish _xmpp-server._tcp.corp.example",
                      "reverse-dns: dns.own.missing:", "PROBLEM way-back")}),
    "our SRV record is wrong": (own_srv_wrong, {
        "status": says(0), "explain": says(0),
        "check": says(1, "corp.example leads to 127.0.0.1", "which is no address of this edge", "PROBLEM way-back",
                      "way-back: dialback.authority.unreachable:", "check its SRV record and whether port 5269 is open")}),
    "5269 is dropped inwards": (dropped_inwards, {
        "status": says(0), "explain": says(0),
        "check": says(1, "ok method external works", "PROBLEM way-back", "its messages will not arrive either", "way-back: dialback.authority.unreachable:",
                      "whether port 5269 is open", never=["dialback-tls does not work"])}),
    "it never calls back": (never_calls_back, {
        "status": says(0), "explain": says(0),
        "check": says(1, "PROBLEM way-back the partner has not come to us", "way-back: dialback.timeout:", "Look whether that record leads to the edge",
                      "the firewall lets connections in", never=["no problem was found"])}),
}


@pytest.fixture(scope="module")
def own(install, started):
    inst = install("broken", edge={"limits": {"connect_timeout": "1s"}})
    yield started(inst)
    inst.stop()


@pytest.fixture
def scene(own, certs, dns):
    s = Scene(inst=own, certs=certs, dns=dns)
    dns.xmpp("corp.example", ("edge.corp.example", own.s2s[1], "127.0.0.1"))
    yield s
    s.close()


@pytest.fixture
def flow(own, user):
    flow = user.dial(own.sip)
    yield flow
    flow.close()


@pytest.mark.parametrize("name", ROWS)
def test_a_partner(own, tools, scene, user, flow, name):
    """Once it is listed no more nothing is said of it."""
    make, rows = ROWS[name]
    domain = "broken%d.example" % next(numbers)
    make(scene, domain)
    own.reload()
    own.edge.control("reload")  # forgets what its resolver has kept
    user.message(flow, "sip:bob@" + domain, "to one that is broken", timeout=40)
    for text in told(own, tools, rows, SENDER, "bob@" + domain).values():
        print(text)  # pytest -s
    scene.close()
    for daemon in (own.edge, own.gateway):
        told(own, tools, {"edge" if daemon is own.edge else "status": says(0, never=[domain])})


def test_what_has_worked_since_is_no_problem(own, tools, scene, user, flow):
    """A failure is told beside the last success, until it works again."""
    domain = "broken%d.example" % next(numbers)
    p = scene.partner(domain)
    own.reload()
    assert user.message(flow, "sip:bob@" + domain, "one").status in (200, 202)
    own.edge.control("stream", "close", id=str(next(s["id"] for s in own.streams(domain) if s["direction"] == "out")))
    wait_until("no stream", lambda: not [s for s in own.streams(domain) if s["direction"] == "out"], 10)
    p.external = "refuse:not-authorized"
    assert user.message(flow, "sip:bob@" + domain, "two", timeout=40).status == 504
    told(own, tools, {"status": says(1, "PROBLEM sasl.external.refused", domain, "It worked last at 20", never=["not worked since"]),
                      "explain": says(1, "CLOSED stream", "; one worked ")}, SENDER, "bob@" + domain)
    p.external = "right"
    own.gateway.ctl(tools, "failures", "retry", domain)
    told(own, tools, {"status": says(0, never=[domain]), "edge": says(0, never=[domain]),
                      "explain": says(0, "a stream of ours is open")}, SENDER, "bob@" + domain)


def test_a_slip_below_a_wildcard_is_no_problem(own, tools, scene, user, flow):
    """A name that nobody listed, and that has never worked, is told to who asks for it; one that has worked is a partner's."""
    n = next(numbers)
    slip, real = ("%s.wide%d.example" % (name, n) for name in ("tpyo", "im"))
    p = scene.partner(real)
    own.unlist_partner(real)
    own.list_partner("wide%d.example" % n, additional_domains=["*.wide%d.example" % n])
    own.reload()
    assert user.message(flow, "sip:bob@" + slip, "to nobody", timeout=40).status == 404
    assert user.message(flow, "sip:bob@" + real, "to somebody").status in (200, 202)
    told(own, tools, {"status": says(0, never=[slip]), "edge": says(0, never=[slip]), "failures": says(0, "dns.name.missing"),
                      "explain": says(1, "CLOSED stream the last attempt of edge1 failed", "dns.name.missing")}, SENDER, "bob@" + slip)
    own.edge.control("stream", "close", id=str(next(s["id"] for s in own.streams(real) if s["direction"] == "out")))
    wait_until("no stream", lambda: not [s for s in own.streams(real) if s["direction"] == "out"], 10)
    p.external = "refuse:not-authorized"
    assert user.message(flow, "sip:bob@" + real, "refused", timeout=40).status == 504
    told(own, tools, {"status": says(1, "PROBLEM sasl.external.refused", real + " cannot be reached", "It worked last at 20", never=[slip])})


@pytest.mark.parametrize("how", ["partner check", "failures retry"])
def test_it_was_down_and_is_up_again(own, tools, scene, user, flow, how):
    """No message has to come for that to be noticed: status names the command, and a check that works is enough."""
    domain = "broken%d.example" % next(numbers)
    p = scene.partner(domain)
    port, up = p.port, {"status": says(0, never=[domain]), "edge": says(0, never=[domain]), "explain": says(0, "a stream of ours is open")}
    scene.dns.xmpp(domain, ("xmpp." + domain, free_port(), "127.0.0.1"))
    own.reload()
    user.message(flow, "sip:bob@" + domain, "to one that is down", timeout=40)
    told(own, tools, {"status": says(1, "PROBLEM net.connect.refused", "xfedctl failures retry %s tries now" % domain),
                      "explain": says(1, "or failures retry")}, SENDER, "bob@" + domain)
    scene.dns.xmpp(domain, ("xmpp." + domain, port, "127.0.0.1"))
    own.edge.control("reload")
    own.gateway.ctl(tools, *how.split(), domain, check=False)
    told(own, tools, up, SENDER, "bob@" + domain)


def test_another_reason_is_told_from_its_own_time(own, scene, user, flow):
    domain = "broken%d.example" % next(numbers)
    nobody_listens(scene, domain)
    own.reload()

    def since(code):
        user.message(flow, "sip:bob@" + domain, "to one that is broken", timeout=40)
        (problem,) = [p for p in own.edge.control("status")["problems"] if p["reason"] == code]
        return problem["since"]
    refused = since("net.connect.refused")
    assert since("net.connect.refused") == refused
    scene.dns.xmpp(domain, ("xmpp." + domain, deaf(scene), "127.0.0.1"))
    own.edge.control("reload")
    own.gateway.control("failures", "retry", domain=domain)
    wait_until("the other reason", lambda: [p for p in own.edge.control("status")["problems"] if p["reason"] == "net.connect.timeout"], 20)
    assert [p["since"] for p in own.edge.control("status")["problems"] if p["reason"] == "net.connect.timeout"][0] > refused


def test_who_only_claims_to_be_the_partner(own, tools, scene):
    """Anybody can fail in its name: no gate is closed for it, and nothing is said to be the partner's; what it does later makes it past."""
    domain = "broken%d.example" % next(numbers)
    p = scene.partner(domain)
    scene.dns.xmpp("corp.example", ("edge.corp.example", own.s2s[1], "127.0.0.1"))
    own.reload()
    c = socket.create_connection(own.s2s)
    c.sendall(("<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "
               "from='%s' to='corp.example' version='1.0'><x>garbage\0" % domain).encode())
    while c.recv(4096):
        pass
    c.close()
    told(own, tools, {"failures": says(0, "stream.xml.malformed", "peers that have not authenticated")}, partner=domain)
    words = ["who claimed to be " + domain, " s ago failed without having authenticated: stream.xml.malformed (failures show "]
    told(own, tools, {"back": says(0, *words, never=["CLOSED", "server software"]), "explain": says(0, never=["malformed"]),
                      "status": says(0, never=[domain]), "edge": says(0, never=[domain]),
                      "check": says(0, "note reverse", *words, "no problem was found", never=["server software"])}, SENDER, "bob@" + domain)
    p.say("eve", "user@corp.example", "from the partner itself")
    wait_until("its stream", lambda: own.streams(domain), 10)
    p.close()
    wait_until("no stream", lambda: not own.streams(domain), 10)
    told(own, tools, {"back": says(0, "they have not failed to open one", never=["claimed"])}, SENDER, "bob@" + domain)


def test_a_certificate_login_is_tried_again(own, tools, scene, user, flow):
    """The partner has mended something, of which we know nothing: the stream by dialback ends by what the note names."""
    domain = "broken%d.example" % next(numbers)
    falls_back(scene, domain)
    own.reload()
    assert user.message(flow, "sip:bob@" + domain, "by dialback", timeout=40).status in (200, 202)
    told(own, tools, {"status": says(0, "note sasl.external.refused since", "xfedctl failures retry " + domain)}, SENDER, "bob@" + domain)
    own.gateway.ctl(tools, "failures", "retry", domain)  # nothing is mended yet
    wait_until("the same again", lambda: [s["method"] for s in own.streams(domain) if s["direction"] == "out" and s["state"] == "ready"] == ["dialback-tls"], 10)
    scene.keep[-1].external = "right"
    own.gateway.ctl(tools, "failures", "retry", domain)
    told(own, tools, {"status": says(0, never=[domain]), "explain": says(0, "a stream of ours is open", never=["by dialback"])}, SENDER, "bob@" + domain)


@pytest.mark.parametrize("sender, target", [("a@foreign.example", "b@strange.example"), ("a@strange.example", "b@strange.example")])
def test_neither_side_is_ours(own, tools, sender, target):
    told(own, tools, {"explain": says(1, "CLOSED direction neither domain is one of domains[], which has corp.example", "should be ours", never=["no edge has answered", "CLOSED edge"])}, sender, target)


def test_half_an_address(own, tools):
    """What has no user is a domain: said, as it was hardly meant."""
    told(own, tools, {"explain": says(1, "ok addresses from alice to b@strange.example; alice is the address of a domain, that of a user is user@domain")},
         "alice", "b@strange.example")


# ---- of our two services; each row has an installation of its own ----

def foreign_trust(s):
    s.inst.edge_config["trust"]["ca"] = s.certs.dir + "/foreign/ca.crt"


def foreign_channel_ca(which):
    def change(s):
        getattr(s.inst, which + "_config")["channel"]["ca"] = s.certs.dir + "/foreign/ca.crt"
    return change


def channel_certificate(which, name, *words):
    def change(s):
        leaf = s.certs.leaf(which + "-" + "".join(c for c in "".join(words) if c.isalnum())[:40], *words, name)
        getattr(s.inst, which + "_config")["channel"].update(certificate=s.certs.chain(leaf), key=s.certs.key(leaf))
    return change


def not_allowed(s):
    s.inst.edge_config["channel"]["allow"] = ["gw9.corp.example"]


def wrong_tls_name(s):
    s.inst.gateway_config["edges"][0]["tls_name"] = "edge9.corp.example"


def wrong_edge_name(s):
    s.inst.gateway_config["edges"][0]["name"] = "edge9"


def channel_dropped(s):
    s.inst.gateway_config["edges"][0]["address"] = "127.0.0.1:%d" % deaf(s)


def edge_stopped(s):
    s.inst.edge.start = lambda: s.inst.edge


def own_certificate(leaf, *words):
    def change(s):
        s.certs.leaf(leaf, *words)
        s.inst.edge_config["certificates"][0] = {"certificate": s.certs.chain(leaf), "key": s.certs.key(leaf)}
    return change


def resolver_down(s):
    s.inst.edge_config["dns"] = {"servers": ["127.0.0.1:%d" % free_port()]}


def no_link(code, *words, edge=()):
    """The gateway has no link: each of its answers says why, and the edge who was refused."""
    rows = {"status": says(1, "PROBLEM %s since" % code, "No link to the edge", *words),
            "explain": says(1, "CLOSED link no link to the edge", *words),
            "check": says(1, "there is no link to the edge", *words)}
    if edge:
        rows["edge"] = says(1, "PROBLEM %s since" % code, " at 127.0.0.1", "does not get a link", *edge)
    return rows


ANOTHER_CA = "is not signed by an authority in channel.ca of the %s: give both hosts certificates of one CA"
OWN_RECORD = "no certificate of certificates[] names corp.example"
SERVICES = {
    "trust.ca of the edge is another's": (foreign_trust, {
        "status": says(1, "PROBLEM tls.cert.untrusted", "Of no partner has the certificate been found trusted since trust.ca (", "foreign/ca.crt) was loaded, and 2 were refused",
                       "Correct trust.ca, or the file, and reload"),
        "edge": says(1, "Of no partner has the certificate been found trusted"),
        "explain": says(1, "CLOSED stream", "no trusted issuer", "look at trust.ca of the edge"),
        "failures": says(0, "tls.cert.untrusted", "look at trust.ca of the edge"),
        "check": says(1, "PROBLEM certificate", "look at trust.ca of the edge")}),
    "channel.ca of the edge is another's": (foreign_channel_ca("edge"), no_link(
        "channel.peer.untrusted", "the gateway's certificate " + ANOTHER_CA % "edge", edge=["the gateway's certificate " + ANOTHER_CA % "edge"])),
    "channel.ca of the gateway is another's": (foreign_channel_ca("gateway"), no_link(
        "channel.peer.untrusted", "the edge's certificate " + ANOTHER_CA % "gateway", edge=["the edge's certificate " + ANOTHER_CA % "gateway"])),
    "the edge does not allow the gateway's name": (not_allowed, no_link(
        "channel.peer.untrusted", "no name of channel.allow: it has dns:fe.corp.example", "channel.allow of the edge a name of the gateway's",
        edge=["no name of channel.allow: it has dns:fe.corp.example", "channel.allow of the edge a name of the gateway's"])),
    "tls_name is another": (wrong_tls_name, no_link(
        "channel.peer.untrusted", "does not carry its host or tls_name: it has dns:edge-int.corp.example", edge=["does not carry its host or tls_name"])),
    "edges[].name is another": (wrong_edge_name, no_link(
        "channel.peer.untrusted", "the edge calls itself edge1 (name in its edge.yaml), and edges[].name here is edge9: make them one", edge=["the edge calls itself edge1"])),
    "the edge's channel certificate has expired": (channel_certificate("edge", "host:edge-int.corp.example", *EXPIRED[:2]), dict(no_link(
        "channel.peer.untrusted", "the edge's certificate has expired: renew it there"), edge=says(1, "PROBLEM tls.own.expired", "renew it, and reload"))),
    "the edge's clock is behind: what is good is not valid yet": (
        channel_certificate("gateway", "sip:fe.corp.example", "start=20400101000000Z", "end=20410101000000Z"),
        no_link("channel.peer.untrusted", "is not valid yet: set the clocks of both hosts", edge=["is not valid yet: set the clocks of both hosts"])),
    "the edge's clock is ahead: what is good has expired": (
        channel_certificate("gateway", "sip:fe.corp.example", *EXPIRED[:2]),
        no_link("channel.peer.untrusted", "the gateway's certificate has expired", "or that host's or this one's clock is wrong",
                edge=["the gateway's certificate has expired", "clock is wrong"])),
    "the channel's port is dropped": (channel_dropped, no_link(
        "net.connect.timeout", "does not answer: check that host, and that firewalls let this gateway connect there")),
    "the edge is stopped": (edge_stopped, dict(no_link(
        "net.connect.refused", "nobody listens at", "start xfed-edge there"), edge=says(1, "edge1.sock"))),
    "our certificate has expired": (own_certificate("corp-expired", "start=20200101000000Z", "end=20210101000000Z", "xmpp:corp.example"), {
        "status": says(1, "PROBLEM tls.own.expired", "Our certificate CN=corp.example has expired, at 2021", "renew it, and reload"),
        "edge": says(1, "PROBLEM tls.own.expired", "renew it, and reload"),
        "explain": says(1, "CLOSED stream", "tls.cert.refused", "renew it"),
        "failures": says(0, "tls.cert.refused", "renew it"),
        "check": says(1, "PROBLEM own-certificate ours for corp.example has expired, at 2021", "own-certificate: tls.own.expired:", "Renew it")}),
    "our certificate names none of our domains": (own_certificate("nobody", "xmpp:nobody.example"), {
        "status": says(1, "PROBLEM tls.own.missing", "No certificate of certificates[] names corp.example", "Get one with its dNSName, list it, and reload"),
        "edge": says(1, "PROBLEM tls.own.missing", never=["names corp2.example"]),
        "explain": says(1, "CLOSED stream"),
        "check": says(1, "PROBLEM own-certificate " + OWN_RECORD, "own-certificate: tls.own.missing:", "Get one with its dNSName")}),
    "the resolver is down": (resolver_down, {
        "status": says(1, "PROBLEM dns.timeout", "questions were answered by no DNS server", "check dns.servers and the firewall"),
        "edge": says(1, "PROBLEM dns.timeout", "questions were answered by no DNS server"),
        "explain": says(1, "CLOSED stream", "dns.timeout", "the resolver does not answer", "check dns.servers"),
        "failures": says(0, "dns.timeout", "check dns.servers", "those of /etc/resolv.conf are asked"),
        "check": says(1, "PROBLEM dns", "dns: dns.timeout:", "check dns.servers")}),
}


@pytest.fixture
def services(install, certs, dns, request):
    """An installation that is not started, with two partners that are well."""
    s = Scene(inst=install("services-%d" % next(numbers)), certs=certs, dns=dns)
    dns.xmpp("corp.example", ("edge.corp.example", s.inst.s2s[1], "127.0.0.1"))
    s.domains = ["well%d.example" % next(numbers) for _ in range(2)]
    for domain in s.domains:
        s.partner(domain)
    yield s
    s.inst.stop()
    for k in s.keep:
        k.close()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service(services, tools, user, name):
    change, rows = SERVICES[name]
    inst = services.inst
    change(services)
    inst.write_configs()
    inst.edge.start()
    inst.gateway.start()
    if "there is no link to the edge" not in rows["check"].words:
        inst.edge.wait_ready()
        inst.gateway.wait_ready()
        flow = user.dial(inst.sip)
        for domain in services.domains:
            user.message(flow, "sip:bob@" + domain, "to one that is well", timeout=40)
        flow.close()
    for text in told(inst, tools, rows, SENDER, "bob@" + services.domains[0]).values():
        print(text)  # pytest -s


def test_a_missing_certificate_is_missing_since_it_is(services):
    """The time of a problem is not that of the question."""
    own_certificate("nobody", "xmpp:nobody.example")(services)
    inst = services.inst
    inst.write_configs()
    inst.start()

    def since():
        (found,) = [p["since"] for p in inst.edge.control("status")["problems"] if p["reason"] == "tls.own.missing"]
        return found
    first = since()
    wait_until("the next second but one", lambda: time.time() >= first + 2, 10)
    assert since() == first
    inst.reload()
    inst.edge.control("reload")
    assert since() == first


def test_a_refusal_of_our_certificate_that_has_expired(services, tools, user):
    """A partner that takes it in the handshake, and not for EXTERNAL: what it says is right, and the fault ours."""
    inst, partner = services.inst, services.keep[0]
    own_certificate("corp-expired", "start=20200101000000Z", "end=20210101000000Z", "xmpp:corp.example")(services)
    inst.write_configs()
    partner.server_context.verify_mode, partner.external = ssl.CERT_NONE, "refuse:not-authorized"
    for daemon in (inst.edge, inst.gateway):
        daemon.start()
    inst.edge.wait_ready()
    inst.gateway.wait_ready()
    flow = user.dial(inst.sip)
    assert user.message(flow, "sip:bob@" + partner.domain, "hello", timeout=40).status == 504
    flow.close()
    inst.edge.process.wait_line("event=s2s.closed partner=%s .*reason=sasl.external.refused side=operator" % partner.domain, 10)
    told(inst, tools, {"failures": says(0, "sasl.external.refused, at fault: operator")}, SENDER, "bob@" + partner.domain)


# ---- messages that are refused for good ----

def kinds(s, domain):
    s.inst.list_partner(domain, kinds=["presence"])


def small(s, domain):
    """A partner that says how much it takes (XEP-0478)."""
    p = s.partner(domain)
    p.features = lambda served: "<stream:features>%s<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>10000</max-bytes></limits></stream:features>" % \
        "".join(OFFER[a] for a in served.offers())


REFUSED = {  # how it is made, length of the message, words of failures
    "kinds": (kinds, 10, ["policy.kind.forbidden", "a message was refused, SIP 403", "from user@corp.example", "at fault: operator", "partner set DOMAIN kinds="]),
    "not listed": (unlisted, 10, ["policy.partner.unlisted", "a message was refused, SIP 403", "xfedctl partner add DOMAIN"]),
    "too long for the partner": (small, 12000, ["xmpp.size.exceeded", "a message was refused, SIP 413", "larger than the partner's server says it accepts"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_message(own, tools, scene, user, flow, name):
    make, size, words = REFUSED[name]
    domain = "broken%d.example" % next(numbers)
    make(scene, domain)
    own.reload()
    for _ in range(2):
        assert user.message(flow, "sip:bob@" + domain, "x" * size, sender="sip:user@corp.example").status in (403, 413)
    told(own, tools, {"failures": says(0, *words)}, partner=domain)
    (failure,) = own.gateway.control("failures", "list", partner=domain)["failures"]
    assert (failure["count"], failure["direction"], failure["local"], failure.get("edge")) == (2, "out", "corp.example", None)
    status, text = own.gateway.ctl(tools, "failures", "retry", str(failure["id"]), check=False)
    assert status == 1 and "only its sender can send it again" in text


def test_a_refused_message_of_theirs(own, tools, scene, user, flow):
    """It is no failed attempt at a stream: explain and partner check say nothing of it."""
    domain = "broken%d.example" % next(numbers)
    p = scene.partner(domain)
    own.reload()
    user.answer = 404
    p.wait_error(p.say("eve", "nobody@corp.example", "to nobody"))
    told(own, tools, {"failures": says(0, "sip.user.unknown", "a message was refused, SIP 404", "from eve@" + domain, "to nobody@corp.example"),
                      "explain": says(0, "a stream of theirs is open")}, "eve@" + domain, "user@corp.example", partner=domain)
    user.answer = 200


def test_addresses_of_refused_messages_are_masked(own, tools, scene, user, flow):
    """Where those of the log are."""
    domain = "broken%d.example" % next(numbers)
    kinds(scene, domain)
    own.gateway_config["log"]["mask_addresses"] = True
    own.write_configs()
    try:
        own.reload()
        user.message(flow, "sip:bob@" + domain, "hello", sender="sip:user@corp.example")
        told(own, tools, {"failures": says(0, "policy.kind.forbidden", "***@corp.example", "***@" + domain, never=["user@corp.example", "bob@"])}, partner=domain)
    finally:
        own.gateway_config["log"]["mask_addresses"] = False
        own.write_configs()


# ---- files ----

def two_files(s, domain):
    s.inst.list_partner(domain)
    s.inst.list_partner("other." + domain, additional_domains=[domain])
    return ["both claim " + domain, "take it out of one file"]


def broken_file(s, domain):
    write(s.inst.partner_path(domain), "domain: %s\ntls: maybe\n" % domain)
    return [domain + ".yaml:2:", "tls", "maybe", "accepted: required | optional | not-supported"]


@pytest.mark.parametrize("make", [two_files, broken_file])
def test_a_partner_file(own, tools, scene, make):
    """A reload that changes nothing says which file, which key, what was found and what is accepted; status says so until one succeeds."""
    domain = "broken%d.example" % next(numbers)
    words = make(scene, domain)
    status, text = own.gateway.ctl(tools, "reload", check=False)
    assert status == 1 and not says(1, *words).complaints(status, text), text
    told(own, tools, {"status": says(1, "PROBLEM config.reload.failed", "The last reload failed, what was in force stays", own.partners),
                      "explain": says(1, "CLOSED partner", "no file in"), "check": says(1, "PROBLEM policy")}, SENDER, "bob@" + domain)
    scene.close()
    told(own, tools, {"status": says(0, never=["config.reload.failed"])})
