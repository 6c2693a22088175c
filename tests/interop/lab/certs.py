"""The run's throw-away CA, made by tests/certs/make."""
import os

from .net import run
from .proc import clean_environment

MAKE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "certs", "make")


class Certs:
    def __init__(self, directory):
        self.dir = directory
        self.ca = directory + "/ca.pem"

    def make(self):
        run(MAKE, self.dir, env=clean_environment())
        return self

    def chain(self, name):
        return "%s/%s.chain.pem" % (self.dir, name)

    def key(self, name):
        return "%s/%s.key" % (self.dir, name)
