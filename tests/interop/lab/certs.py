"""The run's throw-away CA, made by tests/certs/make, and a leaf for every domain of the lab."""
import os

from harness.proc import clean_environment

from .domains import DOMAINS
from .net import WORLDS, run

# of all worlds: one for each role
OF_WORLDS = {"world-partner": "xmpp:p%d.example", "world-edge": "xmpp:c%d.example", "world-edge-int": "host:edge-int.c%d.example",
             "world-fe": "host:fe.c%d.example", "world-sip": "host:sip.c%d.example"}
MAKE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "certs", "make")

class Certs:
    def __init__(self, directory):
        self.dir = directory
        self.ca = directory + "/ca.pem"

    def make(self):
        run(MAKE, self.dir, env=clean_environment())
        for domain in DOMAINS.values():
            if domain.leaf:
                run(MAKE, self.dir, "leaf", domain.certificate, *domain.leaf, env=clean_environment())
        for name, of_one in OF_WORLDS.items():
            run(MAKE, self.dir, "leaf", name, *(of_one % n for n in range(1, WORLDS + 1)), env=clean_environment())
        return self

    def chain(self, name):
        return "%s/%s.chain.pem" % (self.dir, name)

    def key(self, name):
        return "%s/%s.key" % (self.dir, name)

    def both(self, name):
        """Chain and key in one file."""
        return "%s/%s.pem" % (self.dir, name)
