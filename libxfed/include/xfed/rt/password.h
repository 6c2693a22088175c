/*
 * Passwords as a file keeps them: crypt(5), yescrypt. Each call takes about a tenth of a second of a processor and 16 MiB of memory: not for the loop's
 * thread (xfed/rt/job.h), and bounded by whoever calls.
 */
#ifndef XFED_RT_PASSWORD_H
#define XFED_RT_PASSWORD_H

#include "xfed/base.h"

#define RT_PASSWORD_BYTES 256 /* of one */
#define RT_PASSWORD_HASH  384 /* its text, with the NUL */

/* Whether it can be one: neither empty, nor too long, and without NUL. */
bool rt_password_is_usable(struct xfed_span password);
/* What stands in the file, with fresh salt. OK; INVALID: it cannot be one; NOMEM; LIBRARY. */
int rt_password_hash(struct xfed_span password, char out[RT_PASSWORD_HASH]);
/* Whether a text is such a hash, of that method alone: others take another time, which would tell who has one. */
bool rt_password_is_hash(struct xfed_span text);
/*
 * Whether that is the password. `hash` NULL: nobody's, and the answer is no, after the same work: so the time does not tell which
 * names there are. `like` is a hash whose cost that work has, NULL: the usual one.
 */
bool rt_password_is(const char *hash, const char *like, struct xfed_span password);

/* For tests: how often a password has been hashed in this process, and with which setting last. */
unsigned rt_password_count(char setting[RT_PASSWORD_HASH]);

#endif
