"""
People with a real client of the Lync dialect (pidgin-sipe on libpurple, lync/lync_user.c) behind a front end (lab/lync_front.py), and people
at Prosody. What is asserted is what they see.
"""
import itertools
import os

import pytest

from lab.lync_client import PROGRAM
from lab.lync_world import LyncWorld

WORLD = 9  # those before it belong to test_87_presence_recovery.py
numbers = itertools.count(1)


def words(prefix):
    return "%s %d" % (prefix, next(numbers))


@pytest.fixture(scope="module")
def world(lab, tools):
    program = os.path.join(os.path.abspath(os.environ["XFED_BUILD"]), PROGRAM)
    if not os.access(program, os.X_OK):
        pytest.skip("not built, for the lack of libpurple-dev: %s (packaging/install-deps test)" % program)
    world = LyncWorld(lab, WORLD, tools, program, lab.on_start)
    try:
        yield world.start()
    finally:
        failed = world.end()
    assert failed is None, failed


@pytest.fixture(scope="module")
def bob(world):
    return world.contact("bob")


@pytest.fixture
def person(world):
    """person(): somebody at a client, whom nobody knows from another test."""
    there = []

    def make(name=None, **kwargs):
        there.append(world.client(name or "u%d" % next(numbers), **kwargs))
        return there[-1]
    yield make
    for client in there:
        client.close()


def uri(contact):
    return "sip:" + contact.jid.split("/")[0]


def test_the_client_writes_first(person, bob):
    anna, text, back = person(), words("first & <b>"), words("answer & <b>")
    anna.say(uri(bob), text)
    got = bob.wait_body(text)
    assert got.sender.split("/")[0] == anna.user
    bob.send(got.sender, back)
    anna.wait_said(uri(bob), back)


def test_the_contact_writes_first(person, bob):
    anna, text, back = person(), words("first & <b>"), words("answer & <b>")
    bob.send(anna.user, text)
    anna.wait_said(uri(bob), text)
    anna.say(uri(bob), back)
    assert bob.wait_body(back).sender.split("/")[0] == anna.user
