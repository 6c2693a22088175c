"""Kamailio, the SIP server of a domain of ours: registrar, proxy and presence server, mutual TLS, TCP or UDP towards the gateway."""
import contextlib
import http.client
import os
import sqlite3

from harness.proc import Process, clean_environment, wait_until

from .net import HOSTS, run
from .ports import can_connect

TLS_SECTION = """[{kind}:default]
method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
private_key = {key}
certificate = {chain}
ca_list = {ca}
"""
SCHEMA = "/usr/share/kamailio/db_sqlite/%s-create.sql"
# RFC 5025: who may see a user, and who may not and is not told so
RULES = """<?xml version="1.0" encoding="UTF-8"?>
<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules">{rules}</ruleset>"""
RULE = """<rule id="{handling}"><conditions><identity>{who}</identity></conditions>
<actions><pr:sub-handling>{handling}</pr:sub-handling></actions><transformations/></rule>"""


def write_config(path, template, values):
    with open(os.path.join(os.path.dirname(__file__), template), encoding="utf-8") as f:
        text = f.read()
    for name, value in values.items():
        text = text.replace("@%s@" % name, str(value))
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    run("kamailio", "-c", "-f", path, env=clean_environment())


def start_kamailio(net, host, name, directory, config, address, ports):
    process = Process(name, ["kamailio", "-DD", "-E", "-m", "64", "-M", "8", "-f", config, "-Y", directory],
                      "%s/%s.log" % (directory, name), net.ns(host))
    for port in ports:
        wait_until("port %d of %s" % (port, name), lambda p=port: net.call(host, can_connect, address, p), 15, process)
    return process


class Kamailio:
    """`gateway`: its address, port and transport. What it knows of presence is lost with its process, but for the rules and what was published."""

    def __init__(self, net, directory, certs, gateway=(HOSTS["fe"]["lan"], 5061, "tls"), domain="corp.example", more_domains=(), host="sip",
                 certificate="sip"):
        self.net, self.dir, self.certs, self.gateway, self.domain = net, directory, certs, gateway, domain
        self.more_domains, self.host, self.certificate = more_domains, host, certificate
        self.address = HOSTS[host]["lan"]
        self.process = None

    def configure(self):
        os.makedirs(self.dir, exist_ok=True)
        with contextlib.closing(sqlite3.connect(self.dir + "/kamailio.db")) as db:
            db.execute("PRAGMA journal_mode=WAL")  # its processes do not wait for each other
            for part in ("standard", "presence"):
                with open(SCHEMA % part, encoding="utf-8") as f:
                    db.executescript(f.read())
        with open(self.dir + "/tls.cfg", "w", encoding="utf-8") as f:
            for kind in ("server", "client"):
                f.write(TLS_SECTION.format(kind=kind, key=self.certs.key(self.certificate), chain=self.certs.chain(self.certificate),
                                           ca=self.certs.ca))
        aliases = "\n".join('alias="%s"' % name for name in self.more_domains)
        write_config(self.dir + "/kamailio.cfg", "kamailio.cfg", {
            "ALIASES": aliases, "ADDRESS": self.address, "DOMAIN": self.domain, "DIR": self.dir, "GATEWAY": self.gateway[0],
            "GATEWAY_PORT": self.gateway[1], "GATEWAY_TRANSPORT": self.gateway[2], "PRESENCE_PORT": 5061 if self.gateway[2] == "tls" else 5060})

    def start(self):
        if not os.path.exists(self.dir + "/kamailio.cfg"):
            self.configure()
        self.process = start_kamailio(self.net, self.host, "kamailio", self.dir, self.dir + "/kamailio.cfg", self.address, (5060, 5061))

    def rule(self, user, allow=(), block=()):
        """The user's rules from now on: SIP addresses; who is not named has to wait."""
        def one(handling, addresses):
            who = "".join('<one id="%s"/>' % a for a in addresses)
            return RULE.format(handling=handling, who=who) if who else ""
        self._put("/xcap/pres-rules/users/sip:%s@%s/index" % (user, self.domain), RULES.format(rules=one("allow", allow) + one("block", block)))

    def _put(self, path, body):
        def put():
            with contextlib.closing(http.client.HTTPConnection(self.address, 5060, timeout=10)) as c:
                c.request("PUT", path, body.encode(), {"Content-Type": "application/auth-policy+xml"})
                return c.getresponse().status
        wait_until("answer to the rules", lambda: self.net.call(self.host, put) in (200, 201), 10, self.process)

    def processes(self):
        return [self.process] if self.process is not None else []

    def stop(self):
        if self.process is not None:
            self.process.stop()


class AskingKamailio:
    """A proxy before it that asks for a password: `algorithm`, whether a nonce is good once, as a server (401) or as a proxy (407)."""

    def __init__(self, net, directory, user, password):
        self.net, self.dir, self.user, self.password = net, directory, user, password
        self.process = None

    def start(self, algorithm, one_time, status):
        address = HOSTS["sip"]["lan"]
        config = self.dir + "/asking.cfg"
        write_config(config, "kamailio_asking.cfg", {
            "ADDRESS": address, "ALGORITHM": algorithm, "ONE_TIME": int(one_time), "COUNTS": int(not one_time), "KIND": "www" if status == 401 else "proxy",
            "USER": self.user, "PASSWORD": self.password})
        self.process = start_kamailio(self.net, "sip", "asking", self.dir, config, address, (5070,))
        return self.process

    def said(self, word):
        """How often it has asked (ASKED), or let a request through (KNOWN)."""
        return len([line for line in self.process.lines if word + " sip:" in line])

    def wait_said(self, word, count):
        wait_until("%d times %s" % (count, word), lambda: self.said(word) >= count, 5, self.process)
        return self.said(word)

    def stop(self):
        if self.process is not None:
            self.process.stop()


class RecipeKamailio:
    """One beside it for a domain of its own, which knows of the gateway what `routes` (printed by xfedctl) says."""

    PORT, TLS_PORT = 5999, 5998

    def __init__(self, net, directory, certs, domain, routes):
        self.net, self.dir, self.certs, self.domain, self.routes = net, directory, certs, domain, routes
        self.process = None

    def start(self):
        address = HOSTS["sip"]["lan"]
        os.makedirs(self.dir)
        with open(self.dir + "/tls.cfg", "w", encoding="utf-8") as f:
            for kind in ("server", "client"):
                f.write(TLS_SECTION.format(kind=kind, key=self.certs.key("sip"), chain=self.certs.chain("sip"), ca=self.certs.ca))
        config = self.dir + "/recipe.cfg"
        write_config(config, "kamailio_recipe.cfg", {"ADDRESS": address, "PORT": self.PORT, "TLS_PORT": self.TLS_PORT, "DOMAIN": self.domain, "DIR": self.dir,
                                                     "ROUTES": self.routes})
        self.process = start_kamailio(self.net, "sip", "recipe", self.dir, config, address, (self.PORT, self.TLS_PORT))
        return self.process

    def stop(self):
        if self.process is not None:
            self.process.stop()
