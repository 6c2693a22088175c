"""
Stream management (XEP-0198) in both directions [A9-06]: what a partner is told is ours, what of ours a partner has, and what
becomes of the rest when a stream is lost. The oracle is the log of both peers, by the texts they sent and received.
"""
import itertools
import threading

import pytest

from harness.channel import GATEWAY, ChannelPeer
from harness.inbox import Inbox
from harness.proc import wait_until
from harness.proxy import HostileProxy
from harness.sip import SipUser
from harness.xmpp import ASK, ENABLE, SM, child_text, error_of, message

numbers = itertools.count(1)
PING = "<iq from='alice@%s' to='corp.example' type='get' id='%s'><ping xmlns='urn:xmpp:ping'/></iq>"


class Lab:
    """An installation whose channel runs through a proxy, with a partner that offers stream management, and a user."""

    def __init__(self, inst, proxy, partner, user):
        self.inst, self.proxy, self.partner, self.user = inst, proxy, partner, user

    def dial(self):
        return self.partner.dial("corp.example").enable_sm()

    def text(self, word="sm"):
        return "%s %d" % (word, next(numbers))

    def xml(self, text, to="dave@corp.example", id=None):
        return message("alice@" + self.partner.domain, to, text, id=id or text.replace(" ", "-"))

    def cut_off(self):
        """The gateway is gone, and does not come back yet. What it still had would hold up what follows of its pair."""
        wait_until("nothing in flight", lambda: self.inst.edge.metric("xfed_deliveries_in_flight") == 0, 20)
        self.proxy.refuses = True
        self.proxy.cut()
        wait_until("no link", lambda: self.inst.edge.metric("xfed_channel_up", peer="gw1") == 0, 20)

    def connect_again(self):
        self.proxy.refuses = False
        self.proxy.resume()
        wait_until("the channel", lambda: self.inst.edge.metric("xfed_channel_up", peer="gw1") == 1, 20)

    def stream_of(self, direction):
        """What `stream show` knows of the newest stream with the partner."""
        found = [s for s in self.inst.streams(self.partner.domain) if s["direction"] == direction]
        return self.inst.edge.control("stream", "show", id=str(max(s["id"] for s in found)))

    def ask(self, flow, text, sender="sip:dave@corp.example"):
        """A MESSAGE to the partner's user; its final status comes into an inbox."""
        box = Inbox("the sender of " + text)

        def run():
            box.put(self.user.message(flow, "sip:alice@" + self.partner.domain, text, sender=sender).status)
        threading.Thread(target=run, name="sender", daemon=True).start()
        return box


def make_lab(install, started, new_partner, name, **edge):
    user = SipUser("corp.example")
    edge = dict({"channel": {"grace": "20s", "allow": ["fe.corp.example", "rogue.corp.example"]}}, **edge)
    inst = install(name, users={"corp.example": user}, edge=edge)
    proxy = HostileProxy(inst.channel)
    inst.gateway_config["edges"][0]["address"] = "127.0.0.1:%d" % proxy.port
    inst.write_configs()
    inst.list_partner(name + ".example")
    started(inst)
    partner = new_partner(inst, name + ".example")
    partner.sm = True
    return Lab(inst, proxy, partner, user)


def take_down(lab):
    lab.inst.stop()
    lab.proxy.close()
    lab.user.close()


@pytest.fixture(scope="module")
def shared(install, started, new_partner):
    lab = make_lab(install, started, new_partner, "smacks")
    yield lab
    take_down(lab)


@pytest.fixture
def lab(shared):
    yield shared
    shared.partner.acks = True
    for stream in list(shared.partner.streams):
        if stream.sm_received is not None and stream.wire.sock.fileno() >= 0:
            stream.ack()
    shared.user.answer = 200
    shared.connect_again()


@pytest.fixture
def flow(lab):
    flow = lab.user.dial(lab.inst.sip)
    yield flow
    flow.close()


# ---- the partner sends ----

def test_acknowledged_when_the_gateway_has_it(lab, tools):
    """Not when SIP has answered: a phone that is silent holds up no acknowledgement."""
    lab.user.answer = None
    stream, text, since = lab.dial(), lab.text(), lab.user.said.mark()
    assert b"<sm xmlns='urn:xmpp:sm:3'/>" in stream.seen
    stream.send(lab.xml(text) + ASK)
    stream.wait_ack(1)
    lab.user.respond(lab.user.wait_text(text, 10, since))
    assert lab.stream_of("in")["stream_management"] == {"received": 1, "acknowledged": 1}
    shown = lab.inst.edge.ctl(tools, "stream", "show", str(lab.stream_of("in")["id"]))
    assert "acknowledged" in shown and "1 of 1 received" in shown
    assert stream.ask_ack() == 1
    stream.close()


def test_what_the_edge_ends_is_acknowledged_too(lab):
    """Answered IQs, answers nobody asked for, dropped headlines, refused stanzas and errors all count."""
    stream, domain = lab.dial(), lab.partner.domain
    stanzas = [PING % (domain, "p1"), "<iq from='a@%s' to='corp.example' type='result' id='r1'/>" % domain,
               "<iq from='a@%s' to='dave@corp.example' type='get' id='q1'><query xmlns='jabber:iq:roster'/></iq>" % domain,
               "<presence from='a@%s' to='dave@corp.example'/>" % domain,
               message("a@" + domain, "dave@corp.example", "x", id="e1", type="error"),
               message("a@" + domain, "dave@corp.example", "x", id="h1", type="headline"),
               message("a@" + domain, "dave@corp.example", None, id="n1")]
    stream.send("".join(stanzas) + ASK)
    stream.wait_ack(len(stanzas))
    stream.close()


def test_parked_is_not_acknowledged(lab):
    """Without a gateway h stands still, whatever else is answered; afterwards it catches up by itself."""
    lab.cut_off()
    stream, texts, since, iqs = lab.dial(), [lab.text() for _ in range(3)], lab.user.said.mark(), lab.partner.inbox.mark()
    ident = "ping%d" % next(numbers)
    stream.send(PING % (lab.partner.domain, "before") + "".join(lab.xml(t) for t in texts) + PING % (lab.partner.domain, ident) + ASK)
    assert stream.read_ack() == 1
    lab.partner.inbox.wait(lambda s: s.get("id") == ident, 10, iqs)
    assert stream.ask_ack() == 1
    assert lab.stream_of("in")["stream_management"] == {"received": 5, "acknowledged": 1}
    lab.connect_again()
    assert stream.read_ack() == 5  # nobody asked again
    lab.user.wait_text(texts[-1], 10, since)
    assert [m.text for m in lab.user.said.items[since:]] == texts
    stream.close()


def test_sent_and_not_taken_is_not_acknowledged(lab):
    """The link stands still with the delivery on its way: only the gateway's word covers it."""
    stream, text, since = lab.dial(), lab.text(), lab.user.said.mark()
    lab.proxy.stall()
    stream.send(lab.xml(text) + ASK)
    assert stream.read_ack() == 0
    lab.proxy.resume()
    assert stream.read_ack() == 1
    lab.user.wait_text(text, 10, since)
    stream.close()


def test_a_gateway_that_does_not_say_what_it_has_taken(lab, certs):
    """One of before Credit.taken: the fate alone covers a stanza, in whatever order fates come."""
    lab.cut_off()
    peer = ChannelPeer.connect(lab.inst.channel, certs.client(certs.leaf("rogue", "host:rogue.corp.example")), "edge-int.corp.example")
    peer.hello("rogue", GATEWAY)
    peer.read_until("Hello")
    peer.send("Credit", messages=10, bytes=100000)
    stream = lab.dial()
    stream.send(lab.xml(lab.text()) + lab.xml(lab.text()))
    seqs = [peer.read_until("Deliver")["seq"] for _ in range(2)]
    assert stream.ask_ack() == 0
    for seq, h in zip(reversed(seqs), (0, 2)):
        peer.send("Settled", outcomes={"seq": seq, "fate": 1})
        peer.send("Ping", id=seq, lowest_unsettled=1)
        peer.read_until("Pong")
        assert (stream.ask_ack() if h == 0 else stream.read_ack()) == h
    peer.close()
    stream.close()


def test_parked_and_refused(lab):
    """More than 400 unacknowledged make peers give up delivered ones: the rest is refused, and counts as done."""
    lab.cut_off()
    stream, since, errors = lab.dial(), lab.user.said.mark(), lab.partner.inbox.mark()
    texts = [lab.text("many") for _ in range(403)]
    stream.send("".join(lab.xml(t, "u%d@corp.example" % (i % 10)) for i, t in enumerate(texts)) + ASK)
    assert stream.read_ack() == 0
    refused = lab.partner.inbox.wait_count(3, 10, errors)
    assert [s.get("id") for s in refused] == [t.replace(" ", "-") for t in texts[400:]]
    assert {error_of(s)[:2] for s in refused} == {("resource-constraint", "wait")}
    lab.connect_again()
    stream.wait_ack(403, 20)
    lab.user.said.wait_count(400, 30, since)
    assert {m.text for m in lab.user.said.items[since:]} == set(texts[:400])
    stream.close()


def test_a_burst_is_not_parked(lab):
    """Hundreds of stanzas in one read, with a gateway there: none is refused."""
    stream, since, errors = lab.dial(), lab.user.said.mark(), lab.partner.inbox.mark()
    stanza = "<message from='a@%s' to='u%d@corp.example' id='%s'><body>%s</body></message>"
    texts = [lab.text("b") for _ in range(900)]
    stream.send("".join(stanza % (lab.partner.domain, i % 20, t.replace(" ", "-"), t) for i, t in enumerate(texts)) + ASK)
    stream.wait_ack(900, 20)
    lab.user.said.wait_count(900, 30, since)
    assert {m.text for m in lab.user.said.items[since:]} == set(texts)
    assert lab.partner.inbox.items[errors:] == []
    stream.close()


@pytest.mark.parametrize("how", ["operator", "peer", "error"])
def test_the_last_word_is_an_acknowledgement(lab, how):
    stream, text, since = lab.dial(), lab.text(), lab.user.said.mark()
    stream.send(lab.xml(text))
    lab.user.wait_text(text, 10, since)
    wait_until("the acknowledgement", lambda: lab.stream_of("in")["stream_management"]["acknowledged"] == 1, 10)
    if how == "operator":
        lab.inst.edge.control("stream", "close", id=str(lab.stream_of("in")["id"]))
    else:
        stream.send("</stream:stream>" if how == "peer" else ENABLE)
    assert stream.read_ack() == 1
    if how == "error":
        assert stream.read_error().condition == "unsupported-stanza-type"
    else:
        assert stream.event()[0] == "end"
    stream.close()


def test_no_resumption(lab):
    stream = lab.partner.dial("corp.example")
    stream.send("<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>")
    failed = stream.expect(SM + "failed")
    assert failed[0].tag.endswith("}item-not-found")
    stream.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    assert stream.expect(SM + "enabled").attrib == {}
    stream.close()


# ---- we send ----

def test_delivered_when_acknowledged(lab, flow):
    text = lab.text()
    assert lab.ask(flow, text).wait(bool, 10) == 200
    lab.partner.wait_body(text)
    facts = lab.stream_of("out")["stream_management"]
    assert facts["sent"] == facts["acknowledged"] > 0


def test_the_answer_waits_for_the_acknowledgement(lab, flow):
    assert lab.ask(flow, lab.text()).wait(bool, 10) == 200
    lab.partner.acks = False
    text, since = lab.text(), lab.partner.events.mark()
    answer = lab.ask(flow, text)
    lab.partner.wait_body(text)
    _, stream = lab.partner.wait_event("r", 10, since)
    before = lab.inst.edge.metric("xfed_deliveries_in_flight")
    assert before >= 1 and answer.mark() == 0
    stream.ack()
    assert answer.wait(bool, 2.5) == 200  # well before its time is up
    wait_until("nothing in flight", lambda: lab.inst.edge.metric("xfed_deliveries_in_flight") == 0, 5)


def test_an_error_before_the_acknowledgement(lab, flow):
    """The partner's server refuses a message and only then acknowledges it, as Prosody may: the answer is that error, not 200."""
    assert lab.ask(flow, lab.text()).wait(bool, 10) == 200
    lab.partner.acks = False
    text = lab.text()
    answer = lab.ask(flow, text)
    stanza = lab.partner.wait_body(text)
    _, stream = lab.partner.wait_event("r", 10)
    before = lab.inst.edge.metric("xfed_stanzas_total", direction="to_sip", fate="delivered")
    lab.partner.send("<message type='error' from='%s' to='%s' id='%s'><error type='cancel'><item-not-found "
                     "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>" % (stanza.get("to"), stanza.get("from"), stanza.get("id")))
    wait_until("the error at the gateway", lambda: lab.inst.edge.metric("xfed_stanzas_total", direction="to_sip", fate="delivered") > before, 10)
    assert answer.mark() == 0
    lab.partner.streams[-1].ack()
    assert answer.wait(bool, 2.5) == 404


def test_202_when_its_time_is_up(lab, flow):
    """Written and not acknowledged: that is what is answered. A late acknowledgement is the good end."""
    lab.partner.acks = False
    text, since = lab.text(), lab.partner.inbox.mark()
    stray = lab.user.said.mark()
    assert lab.ask(flow, text).wait(bool, 10) == 202
    stream = lab.partner.streams[-1]
    stream.ack()
    lab.partner.acks = True
    assert lab.ask(flow, lab.text()).wait(bool, 10) == 200
    assert [child_text(s, "body") for s in lab.partner.inbox.items[since:]].count(text) == 1
    assert lab.user.said.items[stray:] == []


def test_202_and_lost_after_all(lab, flow):
    """The user hears of it from the contact, once, and the message is not written again."""
    lab.partner.acks = False
    text, since, told = lab.text(), lab.partner.inbox.mark(), lab.user.said.mark()
    assert lab.ask(flow, text).wait(bool, 10) == 202
    before = lab.inst.edge.metric("xfed_deliveries_uncertain_total")
    lab.partner.streams[-1].wire.reset()
    notice = lab.user.said.wait(lambda m: "not certain" in m.text, 10, told)
    assert "delivery.uncertain" in notice.text
    assert lab.inst.edge.metric("xfed_deliveries_uncertain_total") == before + 1
    lab.partner.acks = True
    assert lab.ask(flow, lab.text()).wait(bool, 10) == 200
    assert [child_text(s, "body") for s in lab.partner.inbox.items[since:]].count(text) == 1
    assert len(lab.user.said.items[told:]) == 1


def test_lost_before_the_acknowledgement_is_uncertain(lab, flow):
    """504, counted as uncertain at both services, never repeated; what was acknowledged before is not touched."""
    texts = [lab.text() for _ in range(3)]
    since = lab.partner.inbox.mark()
    assert lab.ask(flow, texts[0]).wait(bool, 10) == 200
    lab.partner.acks = False
    before = [d.metric("xfed_deliveries_uncertain_total") for d in (lab.inst.edge, lab.inst.gateway)]
    answers = [lab.ask(flow, t) for t in texts[1:]]
    for t in texts[1:]:
        lab.partner.wait_body(t)
    lab.partner.streams[-1].wire.reset()
    assert [a.wait(bool, 2.5) for a in answers] == [504, 504]
    assert [d.metric("xfed_deliveries_uncertain_total") for d in (lab.inst.edge, lab.inst.gateway)] == [b + 2 for b in before]
    lab.partner.acks = True
    assert lab.ask(flow, lab.text()).wait(bool, 10) == 200
    bodies = [child_text(s, "body") for s in lab.partner.inbox.items[since:]]
    assert all(bodies.count(t) == 1 for t in texts)


def test_an_error_that_was_not_acknowledged_is_written_again(lab, flow):
    """It is the only word its sender gets, and one that comes twice harms nobody."""
    assert lab.ask(flow, lab.text()).wait(bool, 10) == 200  # there is a stream
    lab.partner.acks = False
    lab.user.answer = 404
    since = lab.partner.inbox.mark()
    idents = [lab.partner.say("alice", "nobody@corp.example", lab.text()) for _ in range(2)]
    lab.partner.inbox.wait_count(2, 10, since)
    lab.partner.streams[-1].wire.reset()
    lab.partner.acks = True
    lab.partner.inbox.wait_count(4, 10, since)
    lab.user.answer = 200
    assert [s.get("id") for s in lab.partner.inbox.items[since:]] == idents + idents


def test_no_more_than_the_partner_acknowledges(lab, flow):
    """1,024 stanzas may be open; the others wait in their order and follow."""
    assert lab.ask(flow, lab.text()).wait(bool, 10) == 200
    lab.partner.acks = False
    stream, since = lab.dial(), lab.partner.inbox.mark()
    idents = ["w%d-%d" % (next(numbers), i) for i in range(1100)]
    for at in range(0, len(idents), 50):
        stream.send("".join(PING % (lab.partner.domain, i) for i in idents[at:at + 50]))
        stream.send(ASK)
        stream.wait_ack(at + 50)  # within the rate the partner may send at; every twenty are acknowledged unasked
    lab.partner.inbox.wait_count(1024, 20, since)
    facts = lab.stream_of("out")
    assert facts["stream_management"]["sent"] - facts["stream_management"]["acknowledged"] == 1024 and facts["queued"] == 76
    assert lab.partner.inbox.mark() - since == 1024
    out = lab.partner.streams[-1]
    out.ack(out.sm_received - 1000)  # room for 24 of them
    lab.partner.inbox.wait_count(1048, 10, since)
    wait_until("52 waiting", lambda: lab.stream_of("out")["queued"] == 52, 5)
    lab.partner.acks = True
    out.ack()
    lab.partner.inbox.wait_count(1100, 20, since)
    assert [s.get("id") for s in lab.partner.inbox.items[since:]] == idents
    stream.close()


@pytest.mark.parametrize("h", [99999, -1])
def test_a_count_that_cannot_be(lab, flow, h):
    assert lab.ask(flow, lab.text()).wait(bool, 10) == 200
    log = lab.inst.edge.process.mark()
    since = lab.partner.events.mark()
    lab.partner.streams[-1].ack(h)
    lab.partner.wait_event("error:undefined-condition", 10, since)
    lab.inst.edge.process.wait_line("reason=stream.sm.count-wrong", 5, log)
    assert lab.ask(flow, lab.text()).wait(bool, 10) == 200  # over another stream


def test_a_partner_that_refuses(lab, flow):
    """<failed/>: as if it had never been offered."""
    assert lab.ask(flow, lab.text()).wait(bool, 10) == 200
    lab.partner.streams[-1].wire.reset()
    original = lab.partner._take_sm
    lab.partner._take_sm = lambda s, name: s.send(
        "<failed xmlns='urn:xmpp:sm:3'><unexpected-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>")
    try:
        wait_until("no stream", lambda: not [s for s in lab.inst.streams(lab.partner.domain) if s["direction"] == "out"], 10)
        for _ in range(2):
            text = lab.text()
            assert lab.ask(flow, text).wait(bool, 10) in (200, 202)
            lab.partner.wait_body(text)
        assert "stream_management" not in lab.stream_of("out")
    finally:
        lab.partner._take_sm = original
        lab.partner.streams[-1].wire.reset()


# ---- out of service ----

def test_what_is_handed_back_is_acknowledged(install, started, new_partner):
    """No gateway for longer than the grace: parked stanzas go back as errors, and that is their fate."""
    lab = make_lab(install, started, new_partner, "smgrace", channel={"grace": "1s", "allow": ["fe.corp.example"]})
    try:
        stream, errors = lab.dial(), lab.partner.inbox.mark()
        lab.cut_off()
        texts = [lab.text() for _ in range(2)]
        stream.send("".join(lab.xml(t) for t in texts) + ASK)
        assert stream.read_ack() == 0
        back = lab.partner.inbox.wait_count(2, 15, errors)
        assert [(s.get("id"), error_of(s)[0]) for s in back] == [(t.replace(" ", "-"), "remote-server-timeout") for t in texts]
        stream.wait_ack(2)
        assert stream.read_ack() == 2  # the last word
        assert stream.read_error().condition == "system-shutdown"
    finally:
        take_down(lab)


def test_drain_waits_for_acknowledgements(install, started, new_partner):
    """SIGTERM with a message written and not acknowledged: it is waited for; then the streams close, with the last word said."""
    lab = make_lab(install, started, new_partner, "smdrain", stop_timeout="20s")
    try:
        flow = lab.user.dial(lab.inst.sip)
        incoming, text, since = lab.dial(), lab.text(), lab.user.said.mark()
        incoming.send(lab.xml(text))
        lab.user.wait_text(text, 10, since)
        lab.partner.acks = False
        answer = lab.ask(flow, lab.text("drain"))
        _, stream = lab.partner.wait_event("r", 10)
        lab.inst.edge.process.child.terminate()
        lab.inst.edge.process.wait_line("event=service.state .*draining", 10)
        assert answer.mark() == 0
        stream.ack()
        assert answer.wait(bool, 3) == 200
        assert incoming.read_ack() == 1
        assert incoming.read_error().condition == "system-shutdown"
        lab.partner.wait_event("error:system-shutdown", 10)
        flow.close()
    finally:
        take_down(lab)
