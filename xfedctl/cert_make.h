/*
 * Keys, requests for certificates, and the certificates of the channel's own authority. Pure but for GnuTLS's random numbers: no file, no
 * clock. Keys are never printed but as the PEM text that goes into their file; buffers of those are wiped (xfed_buf_wipe()).
 */
#ifndef XFEDCTL_CERT_MAKE_H
#define XFEDCTL_CERT_MAKE_H

#include <gnutls/x509.h>

#include "xfed/buf.h"

#define CERT_PEM_BYTES	(1024 * 1024) /* of one text made here */
#define CERT_LEAF_DAYS	825
#define CERT_CA_DAYS	3650
#define CERT_NAMES_MAX	512
#define CERT_BEFORE_S	86400 /* a certificate made here is valid a day before, for hosts whose clock is behind */
#define CERT_KEY_BITS	2048  /* of RSA, at least; the daemons refuse less */
#define CERT_COMMON_MAX 64    /* characters of a common name (RFC 5280 appendix A) */

/* The words of `key=`. The first is the default. */
enum cert_key_kind { CERT_KEY_P256, CERT_KEY_P384, CERT_KEY_RSA2048, CERT_KEY_RSA3072, CERT_KEY_RSA4096 };

struct cert_subject {
	const char *organisation, *unit, *place, *country; /* NULL: not in the request */
};

struct cert_names {
	const char *domains[CERT_NAMES_MAX]; /* normalised, U-labels */
	const char *ascii[CERT_NAMES_MAX];   /* the same in A-labels */
	size_t count;
	bool srvname, sip_name, xmppaddr; /* these too, for each domain */
};

/* All return OK, or LIBRARY where GnuTLS fails, or NOMEM. What `*out` gets is the caller's to deinit. */
int cert_make_key(enum cert_key_kind kind, gnutls_x509_privkey_t *out);
int cert_make_request(gnutls_x509_privkey_t key, const struct cert_names *names, const struct cert_subject *subject, struct xfed_buf *pem);
int cert_make_ca(gnutls_x509_privkey_t key, int64_t now_s, gnutls_x509_crt_t *out);
/* For TLS in both directions, with these dNSNames; it does not outlive the authority. */
int cert_make_leaf(gnutls_x509_crt_t ca, gnutls_x509_privkey_t ca_key, gnutls_x509_privkey_t key, const char *const *names, size_t count,
	int64_t now_s, gnutls_x509_crt_t *out);

/* Appends the PEM text. */
int cert_pem_of_key(gnutls_x509_privkey_t key, struct xfed_buf *pem);
int cert_pem_of(gnutls_x509_crt_t crt, struct xfed_buf *pem);

/* The SHA-256 of the public key, by which a certificate, a request and their key are known to belong together. */
#define CERT_ID_BYTES 32
struct cert_id {
	unsigned char bytes[CERT_ID_BYTES];
};
int cert_id_of_key(gnutls_x509_privkey_t key, struct cert_id *out);
int cert_id_of(gnutls_x509_crt_t crt, struct cert_id *out);
bool cert_id_eq(const struct cert_id *a, const struct cert_id *b);

#endif
