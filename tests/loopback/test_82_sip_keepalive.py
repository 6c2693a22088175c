"""Keep-alives of ours on connections to next hops (RFC 5626 section 4.4.1), and who is held to answering them."""
import itertools
import socket
import threading

import pytest

from harness.proc import wait_until
from harness.sipmsg import parse_sip, response_to, split_stream
from harness.wire import Listener

numbers = itertools.count(1)
HOST = "127.0.0.1"


class Server:
    """A SIP server on TCP that takes every MESSAGE; `pongs` says whether it answers a ping."""

    def __init__(self):
        self.pongs, self.pings, self.connections, self.ended, self.texts = True, 0, 0, 0, []
        self.listener = Listener((HOST, 0), self.serve, "sip-keepalive")

    @property
    def port(self):
        return self.listener.port

    def serve(self, sock, _):
        self.connections += 1
        buffer = b""
        try:
            while True:
                data = sock.recv(65536)
                if not data:
                    break
                buffer += data
                while buffer.startswith(b"\r\n\r\n"):
                    buffer = buffer[4:]
                    self.pings += 1
                    if self.pongs:
                        sock.sendall(b"\r\n")
                if not buffer.startswith(b"\r"):
                    whole, buffer = split_stream(buffer)
                    for raw in whole:
                        message = parse_sip(raw)
                        self.texts.append(message.text)
                        sock.sendall(response_to(message, 200))
        except OSError:
            pass
        finally:
            self.ended += 1
            sock.shutdown(socket.SHUT_RDWR) if sock.fileno() >= 0 else None
            sock.close()

    def close(self):
        self.listener.close()


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="module")
def inst(install, started, server):
    inst = install("keepalive", gateway={
        "sip": {"keepalive": "1s"},
        "domains": [{"domain": "corp.example", "next_hop": "sip:%s:%d;transport=tcp" % (HOST, server.port), "peer_addresses": [HOST]}]})
    inst.list_partner("keepalive.example")
    try:
        yield started(inst)
    finally:
        inst.stop()


@pytest.fixture(scope="module")
def peer(inst, new_partner):
    return new_partner(inst, "keepalive.example")


def say(peer, server):
    text = "over it %d" % next(numbers)
    peer.say("alice", "dave@corp.example", text)
    wait_until("the message %r" % text, lambda: text in server.texts, 10)


def test_a_server_that_never_answers_keeps_its_connection(inst, peer, server):
    server.pongs = False
    say(peer, server)
    before = server.pings
    wait_until("a second ping, which comes when the first one has waited for its pong", lambda: server.pings >= before + 2, 30)
    say(peer, server)
    assert (server.connections, server.ended) == (1, 0)


def test_one_that_has_answered_is_held_to_it(inst, peer, server):
    mark = inst.gateway.process.mark()
    server.pongs = True
    before = server.pings
    wait_until("three answered pings", lambda: server.pings >= before + 3, 20)
    assert (server.connections, server.ended) == (1, 0)
    server.pongs = False
    wait_until("the connection's end", lambda: server.ended == 1, 30)
    assert [line for line in inst.gateway.process.lines[mark:] if "sip.closed" in line and "keep-alive" in line]
    say(peer, server)  # over a new one
    assert server.connections == 2
