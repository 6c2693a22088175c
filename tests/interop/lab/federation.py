"""What the scenarios with other servers have in common: a message each way, and what it came by."""
import hashlib
import ssl

OK = (200, 202)


def to_sip(xmpp, sip, ours="corp.example", timeout=30):
    """A message from an XMPP user to a SIP user, who is known under a domain of ours."""
    body = "to %s from %s" % (ours, xmpp.jid)
    since = sip.inbox.mark()
    xmpp.send("%s@%s" % (sip.user, ours), body)
    got = sip.wait_text(body, timeout, since)
    assert got.uri("from") == "sip:" + xmpp.jid


def to_xmpp(sip, xmpp, ours="corp.example", timeout=30):
    body = "from %s to %s" % (ours, xmpp.jid)
    since = xmpp.inbox.mark()
    response = sip.message("sip:" + xmpp.jid, body, sender="sip:%s@%s" % (sip.user, ours))
    assert response.status in OK, response.start
    got = xmpp.wait_body(body, timeout, since)
    assert got.sender.split("/")[0] == "%s@%s" % (sip.user, ours)


def both_ways(xmpp, sip, ours="corp.example", timeout=30):
    to_sip(xmpp, sip, ours, timeout)
    to_xmpp(sip, xmpp, ours, timeout)


def fingerprint(certs, name):
    """SHA-256 of a leaf, as operators compare it."""
    with open(certs.chain(name), encoding="ascii") as f:
        pem = f.read()
    end = "-----END CERTIFICATE-----"
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem[:pem.index(end) + len(end)] + "\n")).hexdigest()
