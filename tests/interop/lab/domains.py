"""The XMPP domains of the lab: who serves each one, and what its certificate is like."""
import dataclasses
from typing import Optional, Sequence

# What a certificate can be like, as arguments of certs/make. ejabberd finds the certificate of a domain by the common
# name too, which proves nothing to anybody else: so a wrong name is one in a certificate that it does use.
VARIANTS = {
    "wrongname": ["cn={domain}", "xmpp:other.example"],
    "expired": ["start=20200101000000Z", "end=20210101000000Z", "xmpp:{domain}"],
    "selfsigned": ["by=self", "xmpp:{domain}"],
    "foreign": ["by=foreign", "xmpp:{domain}"],
    "serverauth": ["eku=serverAuth", "xmpp:{domain}"],
    "xmppaddr": ["xmpp:{domain}", "xaddr:{domain}"],
}
GOOD = ["xmpp:{domain}"]
ASKING = "asks.corp.example"  # ours, behind a SIP server that asks for a password
LYNC = "lync.corp.example"  # ours, of users with clients of the Lync family
BAD = ("wrongname", "expired", "selfsigned", "foreign")
THEIRS = BAD + ("serverauth",)
OURS = THEIRS + ("xmppaddr",)


@dataclasses.dataclass(frozen=True)
class Domain:
    host: str                           # whose address its SRV record leads to
    leaf: Optional[Sequence[str]] = None  # arguments of its certificate; None: certs/make makes it, or it has none
    certificate: Optional[str] = None   # name of the certificate's files; None: the domain has none of its own
    port: int = 5269


def _leaf(host, domain, variant=None):
    arguments = VARIANTS[variant] if variant else GOOD
    return Domain(host, [a.format(domain=domain) for a in arguments], domain)


def _domains():
    found = {
        "partner.example": Domain("partner", certificate="partner"),
        "partner2.example": Domain("partner2", certificate="partner2"),
        "untrusted.example": _leaf("partner2", "untrusted.example", "foreign"),
        "unlisted.example": _leaf("partner2", "unlisted.example"),
        "silent.example": Domain("partner2", port=5999),  # nobody listens there
        "corp.example": Domain("edge", certificate="corp"),
        "corp2.example": Domain("edge", certificate="corp2"),
    }
    for variant in ("wrongname", "expired", "selfsigned", "serverauth"):
        found[variant + ".example"] = _leaf("partner2", variant + ".example", variant)
    # db.ejabberd.example: the server has two sorts of domains, with dialback and without
    for parent in ("partner3.example", "ejabberd.example", "db.ejabberd.example", "jabberd2.example"):
        host = parent.split(".")[-2]
        for domain in (parent, "best." + parent):
            found[domain] = _leaf(host, domain)
        for variant in THEIRS:
            found["%s.%s" % (variant, parent)] = _leaf(host, "%s.%s" % (variant, parent), variant)
    # Served without TLS, where policy wants none, some, or insists.
    for host in ("partner3", "ejabberd"):
        for name in ("plain", "optional", "naked"):
            found["%s.%s.example" % (name, host)] = Domain(host)
    for name in ("unlisted", "refused"):
        found[name + ".jabberd2.example"] = _leaf("jabberd2", name + ".jabberd2.example")
    # Ours, with one fault each. There is no certificate for wrongname.corp.example, so the edge shows its first one.
    for variant in OURS:
        domain = variant + ".corp.example"
        found[domain] = Domain("edge") if variant == "wrongname" else _leaf("edge", domain, variant)
    found[ASKING] = _leaf("edge", ASKING)
    found[LYNC] = _leaf("edge", LYNC)
    return found


DOMAINS = _domains()


def served_by(host):
    return [name for name, domain in DOMAINS.items() if domain.host == host and domain.port == 5269]
