/* What creds.c, global.c, handshake.c and session.c share. */
#ifndef XFED_TLS_TLS_PRIV_H
#define XFED_TLS_TLS_PRIV_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "xfed/limits.h"
#include "xfed/tls.h"

struct xfed_tls_pair {
	gnutls_pcert_st *chain;
	unsigned chain_len;
	gnutls_privkey_t key;
	struct xfed_cert *leaf;
};

/* The pair whose certificate covers `name` (A- or U-labels), preferably with a key the peer supports; else the default pair; NULL: there are none. */
const struct xfed_tls_pair *xfed_tls_creds_choose(
	const struct xfed_tls_creds *c, struct xfed_span name, const gnutls_pk_algorithm_t *algos, size_t algo_count);
gnutls_certificate_credentials_t xfed_tls_creds_gnutls(const struct xfed_tls_creds *c);

/* Priority caches of the process, read-only and shared by all sessions. NULL before xfed_tls_global_init(). */
gnutls_priority_t xfed_tls_priority(enum xfed_tls_version oldest, bool takes_cbc);

struct xfed_tls {
	gnutls_session_t gnutls;
	struct xfed_tls_creds *creds;
	struct xfed_buf in, out;
	enum xfed_tls_role role;
	bool is_established, is_failed, is_closed;
	bool has_said_bye;  /* close_notify was written */
	bool out_of_memory; /* the output could not grow: not the peer's fault */
	bool is_flooded;    /* more than XFED_TLS_SILENT_BYTES of input without effect */
	bool is_key_costly; /* the peer's chain has a key that is too costly */
	size_t silent_bytes;
	unsigned char first[2]; /* the peer's first bytes, to distinguish old TLS from something else */
	size_t first_len;
	unsigned char last[7]; /* the last ones GnuTLS has read: an unencrypted alert is a record of 7 bytes */
	char *name;	       /* server: whose certificate to present without SNI; client: whose certificate to present */
	char *sni;	       /* server: as the client sent it */
	struct xfed_cert *peer;
	int64_t ends_s[XFED_TLS_CHAIN_MAX]; /* expiry of the peer's certificates; 0: none, or malformed */
	unsigned chain_len;
	enum xfed_reason reason, chain_reason;
	const char *text;    /* static */
	int64_t judge_due_s; /* 0: not known yet */
};

/* For the credentials: gives GnuTLS the pair of this session. */
int xfed_tls_retrieve(gnutls_session_t session, const struct gnutls_cert_retr_st *info, gnutls_pcert_st **certs, unsigned *certs_len,
	gnutls_ocsp_data_st **ocsp, unsigned *ocsp_len, gnutls_privkey_t *key, unsigned *flags);

/* A hook of the session: reads the peer's chain into peer and ends_s, and refuses costly keys. */
int xfed_tls_message(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming, const gnutls_datum_t *msg);

/* A buffer of ours was full: GnuTLS would keep what it could not send and try again as if nothing had happened. */
bool xfed_tls_is_broken(const struct xfed_tls *t);

/* Marks the session as failed with GnuTLS error `ret`, and queues the alert for the peer. */
enum xfed_tls_result xfed_tls_fail(struct xfed_tls *t, int ret);

#endif
