"""Kamailio, the SIP server of corp.example: registrar and proxy, mutual TLS towards the gateway."""
import os

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


def write_config(path, template, values):
    with open(os.path.join(os.path.dirname(__file__), template), encoding="utf-8") as f:
        text = f.read()
    for name, value in values.items():
        text = text.replace("@%s@" % name, str(value))
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    run("kamailio", "-c", "-f", path, env=clean_environment())


def start_kamailio(net, name, directory, config, address, ports):
    process = Process(name, ["kamailio", "-DD", "-E", "-m", "64", "-M", "8", "-f", config, "-Y", directory],
                      "%s/%s.log" % (directory, name), net.ns("sip"))
    for port in ports:
        wait_until("port %d of %s" % (port, name), lambda p=port: net.call("sip", can_connect, address, p), 15, process)
    return process


class Kamailio:
    def __init__(self, net, directory, certs, gateway=(HOSTS["fe"]["lan"], 5061, "tls"), domain="corp.example",
                 more_domains=()):
        self.net, self.dir, self.certs, self.gateway, self.domain = net, directory, certs, gateway, domain
        self.more_domains = more_domains
        self.address = HOSTS["sip"]["lan"]
        self.process = None

    def start(self):
        os.makedirs(self.dir, exist_ok=True)
        with open(self.dir + "/tls.cfg", "w", encoding="utf-8") as f:
            for kind in ("server", "client"):
                f.write(TLS_SECTION.format(kind=kind, key=self.certs.key("sip"), chain=self.certs.chain("sip"),
                                           ca=self.certs.ca))
        aliases = "\n".join('alias="%s"' % name for name in self.more_domains)
        write_config(self.dir + "/kamailio.cfg", "kamailio.cfg", {
            "ALIASES": aliases, "ADDRESS": self.address, "DOMAIN": self.domain, "DIR": self.dir, "GATEWAY": self.gateway[0],
            "GATEWAY_PORT": self.gateway[1], "GATEWAY_TRANSPORT": self.gateway[2]})
        self.process = start_kamailio(self.net, "kamailio", self.dir, self.dir + "/kamailio.cfg", self.address, (5060, 5061))

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
        self.process = start_kamailio(self.net, "asking", self.dir, config, address, (5070,))
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
