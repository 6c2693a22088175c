/* Certificates, as the files of tls/ see them beyond the public facts. */
#ifndef XFED_TLS_CERT_PRIV_H
#define XFED_TLS_CERT_PRIV_H

#include <gnutls/x509.h>

#include "xfed/cert.h"

/* One block holds the struct, the array of names and every string. */
struct xfed_cert {
	struct xfed_cert_facts facts;
	bool is_ca;
	const char *strings[]; /* facts.names */
};

/* xfed_cert_new_der() in two steps, for callers with further questions; `der` has to be what `crt` was imported from. */
int xfed_cert_import(struct xfed_span der, gnutls_x509_crt_t *crt);
int xfed_cert_new_crt(gnutls_x509_crt_t crt, struct xfed_span der, struct xfed_cert **out);

/* The same test as xfed_cert_proves_xmpp() for a name in A-labels, without XmppAddr: to choose our certificate by SNI. */
bool xfed_cert_covers_ascii(const struct xfed_cert *c, struct xfed_span name);

/* True for an IPv4 or IPv6 literal in place of a domain. */
bool xfed_cert_is_address(struct xfed_span domain);

#endif
