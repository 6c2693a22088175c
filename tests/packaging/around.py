"""
What is around two hosts with our packages: networks, DNS, a partner's Prosody with its users, our Kamailio with its. It is the lab of the
interop suite, without what these tests have no use for.
"""
import lab.certs
import lab.dns
import lab.lab
import lab.net
from lab.domains import DOMAINS, Domain
from lab.kamailio import Kamailio
from lab.net import HOSTS, RESOLVERS

PARTNER, OURS, SECOND = "fabrikam.example", "corp.example", "two.corp.example"


def made_smaller():
    """The lab's lists, cut down before it is started, with a partner that has the name it has in README.md, and a second domain of ours."""
    for module in (lab.net, lab.dns, lab.certs):
        module.WORLDS = 0
    for host in list(HOSTS):
        if host not in ("partner", "edge", "fe", "sip", "sipua", "dns"):
            del HOSTS[host], RESOLVERS[host]
    for host in list(lab.dns.SRV_TARGETS):
        if host not in HOSTS:
            del lab.dns.SRV_TARGETS[host]
    DOMAINS.clear()
    DOMAINS[PARTNER] = Domain("partner", ["xmpp:" + PARTNER], PARTNER)
    DOMAINS["partner.example"] = Domain("partner", certificate="partner")  # its records are what the DNS waits for
    DOMAINS[OURS] = Domain("edge", certificate="corp")
    DOMAINS[SECOND] = Domain("edge", ["xmpp:" + SECOND], SECOND, 5270)


class Around(lab.lab.Lab):
    EARLY = ("partner", "sip")
    SMACKS = ("partner",)

    def _make(self, host, directory):
        if host == "sip":
            return Kamailio(self.net, directory, self.certs, gateway=(HOSTS["fe"]["lan"], 5060, "tcp"), more_domains=[SECOND])
        return super()._make(host, directory)
