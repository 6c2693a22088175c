"""ejabberd 23.01 with SASL EXTERNAL: messages both ways, the certificates of either side, and its bugs (traps)."""
import os
import signal
import socket
import threading

import pytest

from harness.proc import wait_until

from lab.bodies import BODIES, normal
from lab.domains import THEIRS
from lab.net import HOSTS

OK = (200, 202)
BURST = 40
# of their certificate -> what it is to us
REASONS = {"wrongname": "tls.cert.name-mismatch", "expired": "tls.cert.expired", "selfsigned": "tls.cert.untrusted",
           "foreign": "tls.cert.untrusted"}


@pytest.fixture(scope="module", autouse=True)
def listed(partners):
    partners(dict.fromkeys(["ejabberd.example", "best.ejabberd.example"] + ["%s.ejabberd.example" % v for v in THEIRS], 2))


@pytest.fixture
def eve(lab):
    return lab.user("eve@ejabberd.example")


def test_first_message_each_way_logs_in_with_external_both_ways(lab, xfed, eve, dave):
    log = lab.server("ejabberd").process
    mark = log.mark()
    eve.send("dave@corp.example", "hello from ejabberd")
    assert dave.wait_text("hello from ejabberd", 20).uri("from") == "sip:eve@ejabberd.example"
    assert dave.message("sip:eve@ejabberd.example", "hello to ejabberd").status in OK
    eve.wait_body("hello to ejabberd", 20)
    log.wait_line(r"Accepted outbound s2s EXTERNAL authentication ejabberd\.example -> corp\.example", 5, mark)
    log.wait_line(r"Accepted inbound s2s EXTERNAL authentication corp\.example -> ejabberd\.example", 5, mark)
    assert xfed.logins("ejabberd.example") == {"in": {"external"}, "out": {"external"}}
    assert xfed.methods("corp.example", "ejabberd.example") == {"in": {"external"}, "out": {"external"}}


@pytest.mark.parametrize("name", BODIES)
def test_body_both_ways(xfed, eve, dave, name):
    since = dave.inbox.mark()
    eve.send("dave@corp.example", BODIES[name])
    dave.inbox.wait(lambda m: normal(m.text) == normal(BODIES[name]), 15, since)
    since = eve.inbox.mark()
    assert dave.message("sip:eve@ejabberd.example", BODIES[name]).status in OK
    eve.inbox.wait(lambda m: m.body is not None and normal(m.body) == normal(BODIES[name]), 15, since)


class TestTheirCertificate:
    @pytest.mark.parametrize("variant", REASONS)
    def test_bad_one_sip_to_xmpp(self, lab, xfed, dave, refusal, variant):
        domain = variant + ".ejabberd.example"
        lab.server("ejabberd")
        with refusal(REASONS[variant], domain):
            assert dave.message("sip:eve@" + domain, "never arrives").status == 504

    @pytest.mark.parametrize("variant", REASONS)
    def test_bad_one_xmpp_to_sip(self, lab, xfed, dave, refusal, variant):
        domain = variant + ".ejabberd.example"
        eve = lab.user("eve@" + domain)
        since = dave.inbox.mark()
        with refusal(REASONS[variant], domain):
            error = eve.wait_error(eve.send("dave@corp.example", "never arrives"), 40)
        assert error.condition in ("remote-server-timeout", "remote-server-not-found")
        assert dave.inbox.mark() == since
        assert xfed.logins(domain) == {"in": set(), "out": set()}

    def test_one_for_servers_only_is_good(self, lab, xfed, dave):
        """Public CAs no longer write clientAuth into certificates."""
        eve = lab.user("eve@serverauth.ejabberd.example")
        eve.send("dave@corp.example", "as a client, with serverAuth")
        dave.wait_text("as a client, with serverAuth", 20)
        assert dave.message("sip:" + eve.jid, "to a server, with serverAuth").status in OK
        eve.wait_body("to a server, with serverAuth", 20)
        assert xfed.logins("serverauth.ejabberd.example") == {"in": {"external"}, "out": {"external"}}


# of our certificate -> what comes of it when we log in there, with ejabberd's own words
OURS = {
    "wrongname": ("sasl.external.refused", "Certificate host name mismatch"),
    "expired": ("sasl.external.refused", "certificate has expired"),
    "selfsigned": ("sasl.external.refused", "self signed certificate"),
    "foreign": ("sasl.external.refused", "unable to verify the first certificate"),
    "serverauth": ("sasl.external.refused", "unsupported certificate purpose"),
    "xmppaddr": ("net.stream.lost", ""),  # a domain in an XmppAddr: it closes without a word, for its process has died
}


class TestOurCertificate:
    @pytest.mark.parametrize("variant", OURS)
    def test_sip_to_xmpp(self, lab, xfed, dave, eve, refusal, variant):
        domain, mark = variant + ".corp.example", xfed.edge.process.mark()
        with refusal(*OURS[variant]):
            assert dave.message("sip:eve@ejabberd.example", "never arrives", sender="sip:dave@" + domain).status == 504
        failed = xfed.edge.process.wait_line(r"event=s2s\.out-failed .*local=%s " % domain, 5, mark)
        assert ("XmppAddr" in failed) == (variant == "xmppaddr"), failed  # what is suspected is said, and only there
        assert xfed.methods(domain, "ejabberd.example")["out"] == set()

    @pytest.mark.parametrize("variant", OURS)
    def test_xmpp_to_sip(self, lab, xfed, dave, eve, variant):
        domain = variant + ".corp.example"
        since, mark = dave.inbox.mark(), xfed.edge.process.mark()
        sent = eve.send("dave@" + domain, "with ours being " + variant)
        if variant == "serverauth":  # good enough for the side that is called
            dave.wait_text("with ours being serverauth", 20, since)
            assert xfed.methods(domain, "ejabberd.example")["in"] == {"external"}
            return
        condition = eve.wait_error(sent, 40).condition
        assert condition == ("internal-server-error" if variant == "xmppaddr" else "remote-server-timeout")
        closed = xfed.edge.process.wait_line(r"event=s2s\.closed .*local=%s direction=in " % domain, 5, mark)
        assert "authenticated=false" in closed, closed
        assert dave.inbox.mark() == since


def overflows():
    """Connections that a full listen queue has turned away, in this thread's namespace."""
    with open("/proc/thread-self/net/netstat", encoding="ascii") as f:
        rows = [line.split() for line in f if line.startswith("TcpExt:")]
    return int(dict(zip(*rows))["ListenOverflows"])


def is_stopped(pid):
    """Whether each of a process's threads has stopped."""
    states = []
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/stat" % (pid, task), encoding="utf-8", errors="replace") as f:
            states.append(f.read().rpartition(")")[2].split()[0])
    return set(states) == {"T"}


def fill(address, count):
    sockets = []
    for _ in range(count):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex((address, 5269))
        sockets.append(s)
    return sockets


def test_full_listen_queue_is_waited_for(lab, xfed, dave):
    """ejabberd accepts with a backlog of 5: in a burst, connecting takes a second."""
    server = lab.server("ejabberd")
    answers = []
    calling = threading.Thread(target=lambda: answers.append(
        dave.message("sip:eve@best.ejabberd.example", "through a full queue").status))
    eve = lab.user("eve@best.ejabberd.example")
    child = server.process.child
    child.send_signal(signal.SIGSTOP)
    try:
        wait_until("a standstill", lambda: is_stopped(child.pid), 5)
        queue = lab.net.call("partner", fill, HOSTS["ejabberd"]["wan"], 8)
        before = lab.net.call("ejabberd", overflows)
        calling.start()
        wait_until("a connection turned away", lambda: lab.net.call("ejabberd", overflows) > before, 10)
    finally:
        child.send_signal(signal.SIGCONT)
    for s in queue:
        s.close()
    calling.join(30)
    assert answers and answers[0] in OK, answers
    eve.wait_body("through a full queue", 20)


def test_burst_keeps_its_order_while_the_stream_is_made(lab, xfed, dave):
    """The first messages to a server with which there is no stream yet (ejabberd issue 511)."""
    eve = lab.user("eve@best.ejabberd.example")
    assert xfed.methods("corp.example", "best.ejabberd.example")["in"] == set()
    bodies = ["first %d" % i for i in range(BURST)]
    since = dave.inbox.mark()
    for body in bodies:
        eve.send("dave@corp.example", body)
    dave.wait_text(bodies[-1], 30, since)
    assert [m.text for m in dave.inbox.items[since:]] == bodies


def test_none_of_this_has_harmed_anybody(xfed, alice, eve, dave):
    for user in (alice, eve):
        user.send("dave@corp.example", "still here")
        dave.inbox.wait(lambda m: m.text == "still here" and m.uri("from") == "sip:" + user.jid, 15)
        assert dave.message("sip:" + user.jid, "so am I").status in OK
        user.wait_body("so am I")
    for daemon in (xfed.edge, xfed.gateway):
        assert daemon.metric("xfed_deliveries_unaccounted") == 0
