"""
Beside Lync as a federated neighbour (sip.federation, domains[].federated): a scripted Edge that stands for two domains connects to listeners of
their own, with a certificate of their own, and routes by domain.
"""
import itertools
import re
import socket
import ssl

import pytest

from harness.daemon import Refusal
from harness.installation import HOST
from harness.lync import LyncUser
from harness.sip import SipUser
from harness.wire import free_port

numbers = itertools.count(1)
BOB = "sip:bob@partner.example"
OURS = "xmpp.neighbour.example"


def words(prefix):
    return "%s %d" % (prefix, next(numbers))


@pytest.fixture(scope="module")
def edge(certs):
    """The Edge, whose certificate has sip.corp.example."""
    edge = SipUser("corp.example", certs=certs, leaf="sip")
    yield edge
    edge.close()


@pytest.fixture(scope="module")
def inst(install, started, certs, dns, edge):
    """corp.example by next_hop, corp2.example by its SRV record, both behind that Edge; corp3.example inside."""
    certs.leaf("neighbour", "host:" + OURS)
    inst = install("neighbour", users={"corp.example": edge})
    inst.federation = (HOST, free_port())
    inst.gateway_config["sip"]["federation"] = {
        "listen": ["%s:%d" % inst.federation], "advertise": OURS, "certificate": certs.chain("neighbour"), "key": certs.key("neighbour"),
        "ca": certs.ca}
    first, second, _ = inst.gateway_config["domains"]
    for d in (first, second):
        d.clear()
        d.update(federated=True, dialect="lync", peers=["sip.corp.example"], peer_addresses=[HOST])
    first.update(domain="corp.example", next_hop="sip:%s:%d" % (HOST, edge.port), tls_name="sip.corp.example")
    second.update(domain="corp2.example")
    dns.add("_sipfederationtls._tcp.corp2.example", "SRV", (0, 0, edge.port, "sip.corp.example"))
    dns.add("sip.corp.example", "A", HOST)
    inst.gateway_config["dns"] = {"servers": ["%s:%d" % dns.address[:2]]}
    inst.gateway_config["domains"][2]["peers"] = ["inside.corp.example"]
    inst.gateway_config["domains"][2]["tls_name"] = "inside.corp.example"
    inst.write_configs()
    inst.list_partner("partner.example")
    try:
        yield started(inst)
    finally:
        inst.stop()


@pytest.fixture(scope="module")
def partner(inst, new_partner):
    return new_partner(inst, "partner.example", leaf="partner")


@pytest.fixture
def line(inst, edge, certs):
    flow = edge.dial(inst.federation, "tls", certs.client("sip"), OURS)
    yield flow
    flow.close()


@pytest.fixture
def person(edge, line):
    """person(DOMAIN): a user behind the Edge."""
    def make(domain="corp.example", flow=None):
        user = LyncUser(edge, flow or line, words("u").replace(" ", ""))
        user.uri = user.uri.split("@")[0] + "@" + domain
        user.gruu = "<%s;opaque=user:epid:%s;gruu>" % (user.uri, "X" * 8)
        return user
    yield make
    edge.answer = 200


def remedies(inst):
    return [u["remedy"] for u in inst.gateway.control("status")["untrusted"]]


def tells_of_the_inside(message):
    """The name and address that those inside know us by."""
    text = "\r\n".join([message.start] + ["%s: %s" % h for h in message.headers]) + message.text
    return "fe.corp.example" in text


def contact_of(message):
    return re.sub(r"\s", "", message.get("contact"))


@pytest.mark.parametrize("domain", ["corp.example", "corp2.example"])
def test_both_ways(inst, partner, person, domain):
    """Our name there, our certificate there, and a Contact at the contact's own domain, by which requests in the dialog come."""
    alice, one, back = person(domain), words("one"), words("back")
    since = alice.sip.raw.mark()
    partner.say("bob", alice.uri[4:], one)
    assert alice.wait_text(one, 30)
    invite = alice.wait("INVITE")
    assert contact_of(invite) == "<%s;gr=xfed>" % BOB
    assert "c=IN IP4 %s\r\n" % OURS in invite.text and not tells_of_the_inside(invite), invite
    assert invite.get("via").startswith("SIP/2.0/TLS %s:%d;" % (OURS, inst.federation[1])), invite.get("via")
    flow = next(f for m, f in alice.sip.raw.items[since:] if m.method == "INVITE")
    shown = flow.wire.tls.getpeercert()
    assert ("DNS", OURS) in shown["subjectAltName"], shown
    d = alice.dialogs[0]
    assert d.contact == BOB + ";gr=xfed"
    assert alice.say(d, back).status == 202
    partner.wait_body(back, 30)
    assert alice.bye(d).status == 200

    answer, d = alice.invite(BOB)
    assert answer.status == 200 and contact_of(answer) == "<%s;gr=xfed>" % BOB
    assert "c=IN IP4 %s\r\n" % OURS in answer.text and not tells_of_the_inside(answer), answer
    there = words("there")
    assert alice.say(d, there).status == 202
    assert partner.wait_body(there, 30).get("from") == alice.uri[4:]
    assert alice.bye(d).status == 200


def test_presence_too(person):
    alice = person()
    raw, branch = alice.request("SUBSCRIBE", BOB, BOB, 1, words("call").replace(" ", "") + "@x", "tag1",
                                headers=[("Event", "presence"), ("Expires", "600"), ("Accept", "application/pidf+xml")])
    answer = alice.sip.ask(alice.flow, raw, branch)
    assert answer.status in (200, 202) and contact_of(answer) == "<%s;gr=xfed>" % BOB
    notify = alice.wait("NOTIFY", 30)
    assert contact_of(notify) == "<%s;gr=xfed>" % BOB and OURS in notify.get("via")


@pytest.mark.parametrize("sender, to, status, code", [
    ("corp3.example", BOB, 403, "sip.sender.untrusted"), ("foreign.example", BOB, 403, "sip.sender.untrusted"),
    ("corp.example", "sip:bob@nobody.example", 403, "policy.partner.unlisted"),
    ("corp.example", "sip:carol@corp2.example", 482, "sip.loop.detected"), ("corp.example", "sip:carol@corp3.example", 482, "sip.loop.detected"),
])
def test_from_theirs_to_a_partner(inst, partner, person, sender, to, status, code):
    """From is of the neighbour's domains, the Request-URI of a listed partner; both on one side is a loop."""
    alice = person(sender)
    answers = []
    with Refusal(inst, code):
        answers.append(alice.invite(to)[0])
    with Refusal(inst, code):
        answers.append(alice.sip.message(alice.flow, to, "no", sender=alice.uri))
    raw, branch = alice.request("SUBSCRIBE", to, to, 1, words("call").replace(" ", "") + "@x", "tag1", headers=[("Event", "presence")])
    with Refusal(inst, code):
        answers.append(alice.sip.ask(alice.flow, raw, branch))
    for answer in answers:
        assert answer.status == status and not tells_of_the_inside(answer), answer
        assert status == 403 and code.startswith("sip.") or answer.get("warning").split()[1] == OURS, answer


@pytest.mark.parametrize("leaf", ["partner", "fe", None])
def test_only_with_the_name_of_the_edge(inst, edge, certs, partner, person, leaf):
    flow = edge.dial(inst.federation, "tls", certs.client(leaf), OURS)
    assert person(flow=flow).invite(BOB)[0].status == 403
    with Refusal(inst, "sip.sender.untrusted"):
        assert edge.message(flow, BOB, "no").status == 403
    flow.close()


def test_only_from_the_address_of_the_edge(inst, certs):
    """The right certificate from elsewhere: closed before a handshake."""
    with Refusal(inst, "sip.sender.untrusted"):
        s = socket.create_connection(inst.federation, timeout=20, source_address=("127.0.0.2", 0))
        with pytest.raises((ssl.SSLError, OSError)):
            certs.client("sip").wrap_socket(s, server_hostname=OURS)
        s.close()


def test_each_at_its_own_door(inst, edge, certs, partner, person):
    """The Edge is a stranger at the listener of those inside, and they are at that of the Edge."""
    certs.leaf("inside", "host:inside.corp.example")
    inner = edge.dial(inst.sips, "tls", certs.client("sip"), "fe.corp.example")
    assert person(flow=inner).invite(BOB)[0].status == 403
    with Refusal(inst, "sip.sender.untrusted"):
        assert edge.message(inner, BOB, "no").status == 403
    inner.close()
    assert "corp.example is federated: it may be sent as by sip.federation alone" in remedies(inst)
    outer = edge.dial(inst.federation, "tls", certs.client("inside"), OURS)
    with Refusal(inst, "sip.sender.untrusted"):
        assert edge.message(outer, BOB, "no", sender="sip:carol@corp3.example").status == 403
    outer.close()
    assert "corp3.example is not federated: it may be sent as by sip.listen alone" in remedies(inst)
    inner, text = edge.dial(inst.sips, "tls", certs.client("inside"), "fe.corp.example"), words("inside")
    assert edge.message(inner, BOB, text, sender="sip:carol@corp3.example").status in (200, 202)
    partner.wait_body(text, 30)
    inner.close()


def test_what_the_edge_has_to_be_told(inst, tools):
    """partner routes has the name and the port of the neighbours' side, and says what an Edge would not find."""
    status, text = inst.gateway.ctl(tools, "partner", "routes", "--for", "skype", check=False)
    assert "New-CsAllowedDomain -Identity partner.example -ProxyFqdn %s -Comment" % OURS in text, text
    assert "PROBLEM: sip.federation.listen has port %d, and an Edge calls a neighbour at 5061" % inst.federation[1] in text and status == 1, text
    # nothing of the other way, which its domains do not take: its listener is no matter
    assert "# gateway: %s, port %d, tls" % (OURS, inst.federation[1]) in text and "names dns:%s" % OURS in text, text
    assert "New-CsTrustedApplication" not in text and "# Not configured: inside" in text, text
