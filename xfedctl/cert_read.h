/*
 * Certificates and keys out of whatever an authority, a browser or another server hands over: PEM in any order, DER, PKCS#7 (.p7b) and
 * PKCS#12 (.pfx, .p12). Pure: bytes in, objects of GnuTLS out. What costs time (rounds of a pass phrase) is bounded before it is spent.
 */
#ifndef XFEDCTL_CERT_READ_H
#define XFEDCTL_CERT_READ_H

#include <gnutls/x509.h>

#include "xfed/base.h"

#define CERT_FILE_BYTES	 (1024 * 1024) /* of one file */
#define CERT_PILE_CRTS	 64
#define CERT_PILE_KEYS	 8
#define CERT_PASS_ROUNDS 2000000 /* of a pass phrase's hash, about a second */
#define CERT_PASS_BYTES	 512
#define CERT_ERROR	 1024

/* What was found so far, in the order in which it was. */
struct cert_pile {
	gnutls_x509_crt_t crts[CERT_PILE_CRTS];
	gnutls_x509_privkey_t keys[CERT_PILE_KEYS];
	size_t crt_count, key_count;
};

/*
 * Adds what the bytes of one file have. OK. INVALID, with one sentence that begins as what follows "FILE": neither is there anything in
 * it, or it is damaged, or too much. AGAIN: it needs a pass phrase, and `pass` is NULL. STATE: `pass` is not the one. NOMEM. But for OK
 * the pile is as it was. A PKCS#12 with a MAC is used only if that is right.
 */
int cert_pile_add(struct cert_pile *p, struct xfed_span bytes, const char *pass, char error[CERT_ERROR]);
void cert_pile_deinit(struct cert_pile *p); /* zeroed is fine */

#endif
