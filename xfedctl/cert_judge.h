/*
 * Whether certificates that somebody handed over are fit to be put in place: the one that belongs to a key of ours, its chain in the order
 * in which TLS sends it, up to an authority that is trusted here or stands in the files itself. Pure.
 */
#ifndef XFEDCTL_CERT_JUDGE_H
#define XFEDCTL_CERT_JUDGE_H

#include "cert_make.h"
#include "cert_read.h"
#include "xfed/cert.h"

#define CERT_CHAIN_MAX 16

/* Authorities: of the system, and of the configuration. */
struct cert_trust {
	gnutls_x509_trust_list_t list;
};
int cert_trust_init(struct cert_trust *t);			/* OK, NOMEM */
int cert_trust_add(struct cert_trust *t, struct xfed_span pem); /* OK, INVALID (none in it), NOMEM */
void cert_trust_deinit(struct cert_trust *t);			/* zeroed is fine */

struct cert_chain {
	gnutls_x509_crt_t crts[CERT_CHAIN_MAX]; /* borrowed from the pile; the leaf first, the root left out unless it is the leaf */
	size_t count;
	bool is_self_signed;
	bool is_trusted; /* by an authority of `trust`; else only by the root that stands in the files */
	char root[256];	 /* that authority's name */
};

/*
 * The chain of crts[leaf]. OK; INVALID with one sentence: an issuer is missing, a signature is wrong, something is out of date at `now_s`,
 * too weak (PROFILE_MEDIUM, as in TLS), or no authority; NOMEM.
 */
int cert_chain_find(
	const struct cert_pile *p, size_t leaf, const struct cert_trust *trust, int64_t now_s, struct cert_chain *out, char error[CERT_ERROR]);
/* Appends it as PEM. */
int cert_chain_print(const struct cert_chain *c, struct xfed_buf *pem);

/* What TLS and our own checks see of a certificate. OK, INVALID, NOMEM. */
int cert_facts_of(gnutls_x509_crt_t crt, struct xfed_cert **out);

#endif
