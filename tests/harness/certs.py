"""A run's throw-away CA, made by tests/certs/make."""
import os
import ssl
import subprocess
import time

from .proc import clean_environment

MAKE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "certs", "make")


class Certs:
    def __init__(self, directory):
        self.dir = directory
        self.ca = directory + "/ca.pem"
        self.weak = set()  # of keys or signatures that OpenSSL does not show unless told to

    def make(self):
        self._run()
        return self

    def _run(self, *arguments):
        done = subprocess.run([MAKE, self.dir, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=60, env=clean_environment(), check=False)
        assert done.returncode == 0, "certs/make %s: %s" % (" ".join(arguments), done.stdout)

    def leaf(self, name, *arguments):
        """One more certificate; its name."""
        if not os.path.exists(self.chain(name)):
            self._run("leaf", name, *arguments)
        if {"key=rsa1024", "md=sha1"} & set(arguments):
            self.weak.add(name)
        return name

    def leaf_until(self, name, seconds, *arguments):
        """One that expires in so many seconds."""
        return self.leaf(name, time.strftime("end=%Y%m%d%H%M%SZ", time.gmtime(time.time() + seconds)), *arguments)

    def revoke(self, name):
        """Puts a certificate of the root on its revocation list."""
        self._run("revoke", name)

    @property
    def crl(self):
        return self.dir + "/root.crl.pem"

    def chain(self, name):
        return "%s/%s.chain.pem" % (self.dir, name)

    def key(self, name):
        return "%s/%s.key" % (self.dir, name)

    def _show(self, context, name):
        if name in self.weak:
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.load_cert_chain(self.chain(name), self.key(name))

    def server(self, name, ca=None):
        """A context that shows a certificate and asks for the client's; a bad one is refused."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._show(context, name)
        context.load_verify_locations(ca or self.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self, name=None):
        """A context that checks the server's certificate for the name it asks for, and shows ours when asked."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if name:
            self._show(context, name)
        context.load_verify_locations(self.ca)
        return context
