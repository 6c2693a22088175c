"""What xfedctl prints for others, given to them: records to Knot, asked of Unbound and of Knot; a route block to Kamailio."""
import re

import pytest

from harness.proc import wait_until

from lab.daemons import write
from lab.federation import both_ways
from lab.kamailio import RecipeKamailio
from lab.net import HOSTS, run
from lab.sip_user import SipUser

OURS = "corp2.example"


@pytest.fixture(scope="module")
def public(xfed):
    """The lab's addresses are private: the edge is told that they are what partners reach it at."""
    path = xfed.dir + "/edge.yaml"
    with open(path, encoding="utf-8") as f:
        before = f.read()
    write(path, before.replace("external:\n", "external:\n  public_addresses: [%s]\n" % HOSTS["edge"]["wan"]))
    xfed.edge.ctl(xfed.tools, "reload")
    yield xfed
    write(path, before)
    xfed.edge.ctl(xfed.tools, "reload")


def check(xfed, *words):
    return xfed.gateway.ctl(xfed.tools, "dns", "check", *words, check=False)


def test_the_zone_that_is_there(public):
    """By the edge's resolver, which validates; the target has another name than dns print proposes."""
    status, text = check(public, "corp.example")
    assert status == 0 and re.search(r"ok +srv +_xmpp-server\._tcp\.corp\.example SRV 10 10 5269 edge\.corp\.example\.: the edge edge1", text), text
    status, text = check(public)
    assert status == 0 and "no problem was found" in text, text


def test_the_records_are_taken_by_a_real_server(lab, public):
    status, zone = public.gateway.ctl(public.tools, "dns", "print", "corp.example", check=False)
    assert status == 0, zone
    path, control = lab.dns.dir + "/zones/example.zone", lab.dns.dir + "/run/knot.sock"
    with open(path, encoding="ascii") as f:
        before = f.read()

    def load(text):
        write(path, text)
        run("ip", "netns", "exec", lab.net.ns("dns"), "knotc", "-s", control, "zone-reload", "example.")

    def checked(expected, words, *more):
        """Unbound keeps what it has heard for some seconds."""
        def look():
            status, text = check(public, "corp.example", *more)
            return text if status == expected and re.search(words, text) else None
        return wait_until("%d and %s" % (expected, words), look, 60)
    try:
        load("\n".join(line for line in before.splitlines() if not line.startswith("_xmpp-server._tcp.corp.example.")) + "\n" + zone)
        wait_until("the records, validated", lambda: lab.dns.ask("edge1.corp.example", "A"), 30)
        for words in ((), ("--server", HOSTS["dns"]["wan"])):
            text = checked(0, r"ok +tlsa +_5269\._tcp\.edge1\.corp\.example TLSA 3 1 1 [0-9a-f]{64}", *words)
            assert "no problem was found" in text, text
        wrong = re.sub(r"(edge1\.corp\.example\. 3600 IN A) \S+", r"\1 10.91.1.99", zone)
        load("\n".join(line for line in before.splitlines() if not line.startswith("_xmpp-server._tcp.corp.example.")) + "\n" + wrong)
        checked(1, "no edge of this gateway(.|\n)*10\\.91\\.1\\.99")
    finally:
        load(before)
        wait_until("the records of before, by the resolver too: the next test's partners ask it", lambda: any(
            "edge.corp.example." in line for line in lab.dns.ask("_xmpp-server._tcp.corp.example", "SRV")), 60)


@pytest.fixture
def peer(xfed):
    """The recipe calls the gateway over TLS, where names of certificates say who may send."""
    path = xfed.dir + "/gateway.yaml"
    with open(path, encoding="utf-8") as f:
        before = f.read()
    write(path, before.replace("  - domain: %s\n" % OURS, "  - domain: %s\n    peers: [sip.corp.example]\n" % OURS))
    xfed.reload()
    yield
    write(path, before)
    xfed.reload()


def test_kamailio_runs_the_recipe(lab, xfed, alice, peer):
    status, routes = xfed.gateway.ctl(xfed.tools, "partner", "routes", "--for", "kamailio", check=False)
    assert status == 0, routes
    kamailio = RecipeKamailio(lab.net, lab.dir + "/recipe", lab.certs, OURS, routes)
    user = None
    try:
        kamailio.start()
        user = SipUser(lab._loop("sipua"), "sip:frank@" + OURS, (HOSTS["sip"]["lan"], kamailio.PORT), HOSTS["sipua"]["lan"], "tcp")
        user.register()
        both_ways(alice, user, OURS, timeout=60)
    finally:
        if user:
            user.close()
        kamailio.stop()
