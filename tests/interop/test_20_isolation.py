"""Who reaches whom. A listener stands behind every "cannot", so that a closed port proves nothing."""
import subprocess

import pytest

from lab.net import run
from lab.ports import can_connect, can_connect_from, listener

PORT = 7777


@pytest.mark.parametrize("source, target, address", [
    ("partner", "edge", "10.91.1.20"),   # the partner reaches the edge's outer address
    ("edge", "partner", "10.91.1.10"),
    ("fe", "edge", "10.91.2.20"),        # the inside dials out to the edge
    ("fe", "sip", "10.91.3.40"),
    ("sip", "fe", "10.91.3.30"),
])
def test_reaches(lab, source, target, address):
    with listener(lab.net, target, address, PORT):
        assert lab.net.call(source, can_connect, address, PORT)


@pytest.mark.parametrize("source, target, address", [
    ("partner", "edge", "10.91.2.20"),   # the edge's inner address
    ("partner", "fe", "10.91.2.30"),
    ("partner", "fe", "10.91.3.30"),
    ("partner", "sip", "10.91.3.40"),
    ("edge", "fe", "10.91.2.30"),        # inwards: the packet filter
    ("edge", "fe", "10.91.3.30"),
    ("edge", "sip", "10.91.3.40"),
    ("fe", "partner", "10.91.1.10"),     # the gateway cannot reach the partner
    ("fe", "edge", "10.91.1.20"),
    ("sip", "partner", "10.91.1.10"),
    ("sip", "edge", "10.91.2.20"),
])
def test_does_not_reach(lab, source, target, address):
    with listener(lab.net, target, address, PORT):
        assert not lab.net.call(source, can_connect, address, PORT)


def test_edge_opens_no_connection_inwards(lab):
    """The filter itself: it counts what it drops, whatever the port, and lets the answers to the gateway through."""
    for port in (1, 5061, 23456, 55555):
        with listener(lab.net, "fe", "10.91.2.30", port):
            before = lab.net.dropped("fe")
            assert not lab.net.call("edge", can_connect_from, "10.91.2.20", "10.91.2.30", port, 0.5)
            assert lab.net.dropped("fe") > before


@pytest.mark.parametrize("source, gateway, target, address", [
    ("partner", "10.91.1.20", "edge", "10.91.2.20"),  # a partner that sets a route through the edge
    ("partner", "10.91.1.20", "fe", "10.91.2.30"),
    ("edge", "10.91.2.30", "sip", "10.91.3.40"),      # an edge that sets a route through the gateway
    ("fe", "10.91.2.20", "partner", "10.91.1.10"),
])
def test_a_route_of_ones_own_does_not_help(lab, source, gateway, target, address):
    netns, route = lab.net.ns(source), [address + "/32", "via", gateway]
    run("ip", "-n", netns, "route", "add", *route)
    try:
        with listener(lab.net, target, address, PORT):
            assert not lab.net.call(source, can_connect, address, PORT, 0.5)
    finally:
        subprocess.run(["ip", "-n", netns, "route", "del", *route], check=True)
