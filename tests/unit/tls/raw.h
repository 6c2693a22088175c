/*
 * A peer that is not ours: plain GnuTLS with any priority string, for what our own ends refuse to
 * do.
 */
#ifndef TESTS_UNIT_TLS_RAW_H
#define TESTS_UNIT_TLS_RAW_H

#include <gnutls/gnutls.h>

#include "support.h"

struct raw {
	gnutls_session_t session;
	gnutls_certificate_credentials_t creds;
	gnutls_priority_t priority;
	struct xfed_buf in, out;
	int result; /* of the last handshake step */
};

/* `pair` names a certificate or is NULL. */
void raw_init(struct raw *r, bool is_server, const char *priority, const char *pair);
void raw_deinit(struct raw *r);
/* Runs a handshake between `r` and `t` until neither moves; the result of ours. */
enum xfed_tls_result raw_handshake(struct raw *r, struct xfed_tls *t);
/* Moves bytes both ways without doing anything with them. */
size_t raw_to_ours(struct raw *r, struct xfed_tls *t);
size_t ours_to_raw(struct raw *r, struct xfed_tls *t);

#endif
