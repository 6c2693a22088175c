"""The run's throw-away CA, made by tests/certs/make, and a leaf for every domain of the lab."""
import os

from harness.proc import clean_environment

from .net import run

MAKE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "certs", "make")

# Each of these is refused for one reason only; the domain says which.
LEAVES = {
    "untrusted": ["by=foreign", "xmpp:untrusted.example"],
    "expired": ["start=20200101000000Z", "end=20210101000000Z", "xmpp:expired.example"],
    "wrongname": ["xmpp:other.example"],
    "unlisted": ["xmpp:unlisted.example"],
}


class Certs:
    def __init__(self, directory):
        self.dir = directory
        self.ca = directory + "/ca.pem"

    def make(self):
        run(MAKE, self.dir, env=clean_environment())
        for name, arguments in LEAVES.items():
            run(MAKE, self.dir, "leaf", name, *arguments, env=clean_environment())
        return self

    def chain(self, name):
        return "%s/%s.chain.pem" % (self.dir, name)

    def key(self, name):
        return "%s/%s.key" % (self.dir, name)
