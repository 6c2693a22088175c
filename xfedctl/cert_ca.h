/*
 * The channel's own authority, in a folder of root's on one host: ca.key and ca.pem, who the members are (`members`), and during a change
 * next.key and next.pem, whose certificates everybody trusts already.
 */
#ifndef XFEDCTL_CERT_CA_H
#define XFEDCTL_CERT_CA_H

#include "cert_bundle.h"
#include "cert_run.h"

#define CERT_CA_FOLDER "channel-ca"

struct cert_authority {
	gnutls_x509_privkey_t key; /* NULL: there is none */
	gnutls_x509_crt_t crt;
};

struct cert_ca {
	char dir[PATH_MAX + 16];
	struct cert_authority now, next; /* next: while it changes */
	struct cert_member *members;	 /* this gateway first */
	size_t member_count;
};

/* Where it would lie, and what lies there. OK; NOT_FOUND: nothing; INVALID with one sentence; NOMEM. Has to be closed in any case. */
int cert_ca_open(struct cert_ca *ca, const struct cert_host *h, char error[CERT_ERROR]);
void cert_ca_close(struct cert_ca *ca);

/* A new one into `*out`. OK, NOMEM, LIBRARY. */
int cert_authority_new(struct cert_authority *out, int64_t now_s);
void cert_authority_deinit(struct cert_authority *a);

/* The member with that name among its names, or NULL; and a new one, copied. */
const struct cert_member *cert_ca_member(const struct cert_ca *ca, const char *name);
int cert_ca_add_member(struct cert_ca *ca, const struct cert_member *m); /* OK, NOMEM */

/* What is in memory into the plan. OK, INVALID with one sentence, NOMEM, LIBRARY. */
int cert_ca_save(const struct cert_ca *ca, struct cert_plan *plan, char error[CERT_ERROR]);
/* What members trust: the present one, and the next. */
int cert_ca_trust(const struct cert_ca *ca, struct xfed_buf *pem);

/* A new key and certificate of one member by `by`. The caller wipes the key's text. */
int cert_ca_issue(const struct cert_authority *by, const struct cert_member *m, int64_t now_s, struct xfed_buf *certificate, struct xfed_buf *key);
/* The bundle of a member. `domains`: a list of strings. The caller wipes it. */
int cert_ca_bundle(const struct cert_ca *ca, const struct cert_authority *by, const struct cert_member *m, const json_t *domains, int64_t now_s,
	struct xfed_buf *out);

#endif
