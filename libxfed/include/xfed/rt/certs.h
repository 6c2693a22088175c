/*
 * When certificates end: ours, those that the other ends of the channel show, and those of partners, as they were seen last. Each end is a
 * line in the log when it comes to be 30, 14, 7, 3 and 1 days away, and when it has come; at the start, and for a certificate that is new, one
 * line says where it stands if that is within 30 days. For the loop's thread only.
 */
#ifndef XFED_RT_CERTS_H
#define XFED_RT_CERTS_H

#include "xfed/cert.h"
#include "xfed/tls.h"

/* X(id, word): whose it is, as in the metric. */
#define RT_CERT_OWNERS(X)                                                                                                                            \
	X(US, "us")                                                                                                                                  \
	X(CHANNEL, "channel")                                                                                                                        \
	X(PARTNER, "partner")

enum rt_cert_owner {
#define RT_CERT_ENUM(id, word) RT_CERT_##id,
	RT_CERT_OWNERS(RT_CERT_ENUM)
#undef RT_CERT_ENUM
};
const char *rt_cert_owner_word(enum rt_cert_owner owner);

/*
 * True where the first of these certificates is another one than at the last call, whose hash `shown` has; at the first call, with "" there, it is
 * only noted.
 */
#define RT_CERT_HASH 65
bool rt_cert_is_replaced(char shown[RT_CERT_HASH], const struct xfed_tls_creds *creds);

struct rt_certs;
int rt_certs_new(struct rt_certs **out); /* OK, NOMEM */
void rt_certs_free(struct rt_certs *w);	 /* NULL is fine */

/*
 * Seen now: in the place of what was known by that name. Without memory it is not watched, and the next time it is seen is another chance.
 */
void rt_certs_seen(struct rt_certs *w, enum rt_cert_owner owner, struct xfed_span name, const struct xfed_cert *cert, int64_t now_s);
void rt_certs_forget(struct rt_certs *w, enum rt_cert_owner owner, struct xfed_span name);
/* Forgets those of an owner for whose name `stays` says no. */
void rt_certs_keep(struct rt_certs *w, enum rt_cert_owner owner, bool (*stays)(void *user, const char *name), void *user);

/* Tells what has come nearer. Costs little: once a second is fine. */
void rt_certs_tick(struct rt_certs *w, int64_t now_s);

struct rt_cert_end {
	enum rt_cert_owner owner;
	const char *name;
	int64_t not_after_s;
};
/* Each of them, in no order. */
void rt_certs_each(const struct rt_certs *w, void (*fn)(void *user, const struct rt_cert_end *end), void *user);

#endif
