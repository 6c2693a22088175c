/*
 * What a certificate says, and whose identity it proves.
 *
 * Identity of an XMPP domain (RFC 6120 13.7, RFC 9525): dNSName (a wildcard only as the complete left-most label,
 * for exactly one label), SRVName _xmpp-server.DOMAIN (no wildcard), XmppAddr. The CN never counts, an iPAddress never
 * authenticates a domain. Identity of a SIP domain (RFC 5922): SAN URI sip:DOMAIN, dNSName only without one, no wildcard.
 * Purpose: serverAuth, anyExtendedKeyUsage or no EKU at all, in both directions; clientAuth alone is refused.
 */
#ifndef XFED_CERT_H
#define XFED_CERT_H

#include "xfed/base.h"
#include "xfed/reason.h"

struct xfed_cert;

enum xfed_cert_eku { XFED_EKU_SERVER = 1, XFED_EKU_CLIENT = 2, XFED_EKU_ANY = 4, XFED_EKU_OTHER = 8, XFED_EKU_SIP = 16 };

struct xfed_cert_facts {
	const char *subject, *issuer, *serial_hex;
	const char *sha256_hex;
	int64_t not_before_s, not_after_s; /* seconds since 1970 UTC */
	unsigned eku;			   /* bits of xfed_cert_eku; 0: no such extension (an empty one is OTHER) */
	const char *const *names;	   /* "dns:a.example", "srv:_xmpp-server.a.example", "xmpp:a.example", "uri:sip:a.example" */
	size_t name_count;
	const char *spki_sha256_hex; /* SHA-256 of the public key, for pins; empty for a key of an unknown kind */
};

/*
 * Copies what it needs. OK; INVALID: not a certificate, a name with an embedded NUL, a SRVName or XmppAddr of the wrong type, more than
 * 1024 names or 64 KiB; NOMEM. Control characters, bytes that are not UTF-8, and backslashes are written as \xNN in the strings, so that
 * they fit in a log line.
 */
int xfed_cert_new_der(struct xfed_span der, struct xfed_cert **out);
void xfed_cert_free(struct xfed_cert *c);
const struct xfed_cert_facts *xfed_cert_facts(const struct xfed_cert *c);

/* `domain` is normalised (xfed_jid_domain). [A6-03] to [A6-08]. */
bool xfed_cert_proves_xmpp(const struct xfed_cert *c, struct xfed_span domain);
/* RFC 5922 7.1, 7.2; `domain` in A-labels. */
bool xfed_cert_proves_sip(const struct xfed_cert *c, struct xfed_span domain);
/* Compares a host name in A-labels with dNSName entries, without wildcards; for certificates of the channel. */
bool xfed_cert_names_host(const struct xfed_cert *c, struct xfed_span host);
/*
 * Name number `i`, if it is one that is valid for a SIP domain or a host: exactly for those names xfed_cert_proves_sip() or
 * xfed_cert_names_host() is true; compared without case.
 */
bool xfed_cert_sip_name(const struct xfed_cert *c, size_t i, struct xfed_span *out);
bool xfed_cert_purpose_ok(const struct xfed_cert *c);
/* The same for SIP, where sipDomain (RFC 5924) is accepted too: [C5-02]. */
bool xfed_cert_purpose_sip_ok(const struct xfed_cert *c);

#endif
