/* What the files of policy/ share. */
#ifndef XFED_POLICY_POLICY_PRIV_H
#define XFED_POLICY_POLICY_PRIV_H

#include "util/hex.h"
#include "xfed/arena.h"
#include "xfed/limits.h"
#include "xfed/policy.h"

#define POLICY_PARTNERS_MAX    65536
#define POLICY_LOCALS_MAX      65536
#define POLICY_NAMES_MAX       262144 /* of all partners together */
#define POLICY_ADDITIONAL_MAX  4096
#define POLICY_PINS_MAX	       64
#define POLICY_DESCRIPTION_MAX 1024
#define POLICY_CA_PEM_MAX      (64 * 1024)
#define POLICY_RATE_MAX	       1000000
#define POLICY_HASH_HEX	       64

/* OK: `s` has the form of xfed_jid_domain(); INVALID, NOMEM. `scratch` is reset. */
int policy_check_domain(struct xfed_arena *scratch, struct xfed_span s);

/* Checks one partner as far as that is possible without the others. OK, INVALID, NOMEM. */
int policy_check_partner(const struct xfed_partner *partner, struct xfed_policy_error *err);

/* Fills `err` (which may be NULL) and returns XFED_ERR_INVALID. */
int policy_refuse(struct xfed_policy_error *err, enum xfed_reason reason, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
