/* Which certificate of the configuration a command means, and what lies in its place now. */
#ifndef XFEDCTL_CERT_PAIR_H
#define XFEDCTL_CERT_PAIR_H

#include "cert_judge.h"
#include "cert_run.h"

#define CERT_PENDING ".new" /* behind the path of a key: one that was requested for, and waits for its certificate */

/* What `for` says; the default is that of the service which is configured here. INVALID with one sentence: both are, and it was not said. */
int cert_role_of(struct cert_run *r, enum cert_role *out);
const char *cert_role_word(enum cert_role role);

/* The leaf of a PEM file. OK; NOT_FOUND: no file; INVALID with one sentence; NOMEM. */
int cert_pair_load(const char *path, struct xfed_cert **out, char error[CERT_ERROR]);

/*
 * The pair of that role which `certificate=` names; else the only one; else the one whose file is called after one of the names; else the
 * one whose certificate has one. OK, INVALID with one sentence. A panel's is made up, in the memory of the first host.
 */
struct cert_place {
	const struct cert_host *host;
	const struct cert_pair *pair;
};
int cert_pair_choose(struct cert_run *r, enum cert_role role, const char *const *names, size_t count, struct cert_place *out);

/* Whether the certificate does not have the name that SIP servers look for in it. An address is looked for by nobody. */
bool cert_pair_lacks_name(const struct cert_pair *p, const struct xfed_cert *cert);

const char *cert_pair_pending(const struct cert_pair *p, char out[PATH_MAX + 8]);

/* "2027-02-28 (90 days)", as of now. */
const char *cert_until(int64_t not_after_s, int64_t now_s, char out[64]);

#endif
