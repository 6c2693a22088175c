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


class Kamailio:
    def __init__(self, net, directory, certs, gateway=(HOSTS["fe"]["lan"], 5061, "tls"), domain="corp.example",
                 more_domains=()):
        self.net, self.dir, self.certs, self.gateway, self.domain = net, directory, certs, gateway, domain
        self.more_domains = more_domains
        self.address = HOSTS["sip"]["lan"]
        self.process = None

    def start(self):
        os.makedirs(self.dir, exist_ok=True)
        config = self.dir + "/kamailio.cfg"
        with open(os.path.join(os.path.dirname(__file__), "kamailio.cfg"), encoding="utf-8") as f:
            text = f.read()
        aliases = "\n".join('alias="%s"' % name for name in self.more_domains)
        for name, value in (("ALIASES", aliases), ("ADDRESS", self.address), ("DOMAIN", self.domain), ("DIR", self.dir),
                            ("GATEWAY", self.gateway[0]), ("GATEWAY_PORT", str(self.gateway[1])),
                            ("GATEWAY_TRANSPORT", self.gateway[2])):
            text = text.replace("@%s@" % name, value)
        with open(config, "w", encoding="utf-8") as f:
            f.write(text)
        with open(self.dir + "/tls.cfg", "w", encoding="utf-8") as f:
            for kind in ("server", "client"):
                f.write(TLS_SECTION.format(kind=kind, key=self.certs.key("sip"), chain=self.certs.chain("sip"),
                                           ca=self.certs.ca))
        run("kamailio", "-c", "-f", config, env=clean_environment())
        self.process = Process("kamailio", ["kamailio", "-DD", "-E", "-m", "64", "-M", "8", "-f", config,
                                            "-Y", self.dir], self.dir + "/kamailio.log", self.net.ns("sip"))
        for port in (5060, 5061):
            wait_until("port %d of Kamailio" % port,
                       lambda p=port: self.net.call("sip", can_connect, self.address, p), 15, self.process)

    def processes(self):
        return [self.process] if self.process is not None else []

    def stop(self):
        if self.process is not None:
            self.process.stop()
