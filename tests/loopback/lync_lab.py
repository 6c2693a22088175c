"""
What the tests of the Lync dialect share: an installation whose corp.example speaks it, its front end, people there, and a partner. A test file
imports the fixtures it needs, and says in LYNC what of its installation differs: {"name": ..., "gateway": ..., "partner": ..., "domains": ...}.
"""
import contextlib
import itertools
import types

import pytest

from harness.daemon import Refusal
from harness.lync import LyncUser
from harness.sip import SipUser

numbers = itertools.count(1)
BOB = "sip:bob@partner.example"


def words(prefix):
    return "%s %d" % (prefix, next(numbers))


def jid(u):
    return u.uri[4:]


@pytest.fixture(scope="module")
def fe():
    """The front end of corp.example."""
    sip = SipUser("corp.example")
    yield sip
    sip.close()


@pytest.fixture(scope="module")
def lync(request, install, started, users, fe):
    """An installation whose corp.example speaks the dialect, to that front end."""
    what = request.module.LYNC
    inst = install(what["name"], users=dict(users, **{"corp.example": fe}), gateway=what.get("gateway"))
    domains = what.get("domains", {"corp.example": {"dialect": "lync"}})
    for d in inst.gateway_config["domains"]:
        d.update(domains.get(d["domain"], {}))
    inst.write_configs()
    inst.list_partner("partner.example", **what.get("partner", {}))
    try:
        yield started(inst)
    finally:
        inst.stop()


@pytest.fixture(scope="module")
def partner(lync, new_partner):
    return new_partner(lync, "partner.example", leaf="partner")


@pytest.fixture
def line(lync, fe):
    """A connection of the front end to the gateway."""
    flow = fe.dial(lync.sip)
    yield flow
    flow.close()
    fe.answer = 200


@pytest.fixture
def person(fe, line):
    """person(NAME): a user of the front end; each test has its own, so that no session is left from another."""
    made = {}

    def make(name=None, flow=None, **kwargs):
        one = LyncUser(fe, flow or line, name or words("u").replace(" ", ""), **kwargs)
        made[one.uri] = one
        fe.answer = lambda m: made[m.uri("to")].answer(m) if m.uri("to") in made else 200
        return one
    return make


@pytest.fixture
def refusal(lync):
    """refusal(CODE): a block in which exactly this reason has to show up; refusal(None): one in which nothing has to."""
    return lambda code, mentions="": Refusal(lync, code, mentions) if code else contextlib.nullcontext()


@pytest.fixture
def lab(lync, fe, line, partner, person, refusal):
    """All of it, for tests that are rows of a table."""
    return types.SimpleNamespace(inst=lync, fe=fe, line=line, partner=partner, person=person, refusal=refusal)
