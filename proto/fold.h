/*
 * What an edge tells of peers that have proved nothing: anybody can fail as often as he likes, under any name, so what he causes is
 * folded before it takes room on the channel. Of each network, and of each listed partner's name in it, a few failures are told as
 * they happen; what comes beyond is counted, and the last of it told with the count when the window ends. Nothing is lost but
 * the steps of what is folded. No clock, no I/O; bounded.
 */
#ifndef PROTO_FOLD_H
#define PROTO_FOLD_H

#include "proto/fill.h"

#define PROTO_FOLD_SLOTS     512   /* networks, and partners' names in them, at a time; the one unused for longest makes room */
#define PROTO_FOLD_WINDOW_MS 10000
#define PROTO_FOLD_NAME	     10	   /* of one name in one network, in a window; all names that are not listed are one */
#define PROTO_FOLD_NETWORK   50	   /* ... of one network */
#define PROTO_FOLD_ALL	     500   /* ... of all */

struct proto_fold;

int proto_fold_new(struct proto_fold **out); /* OK, NOMEM */
void proto_fold_free(struct proto_fold *f);  /* NULL is fine */

/*
 * A failure of a peer in `network` (a text of ours, "192.0.2.0/24") under the name of the listed partner `name` (a word of our
 * policy; empty: none of them). True: send it, `*repeated` others go with it. False: it is kept.
 */
bool proto_fold_take(struct proto_fold *f, struct xfed_span network, struct xfed_span name, const struct proto_failure *m, uint64_t now_ms,
	uint32_t *repeated);

/* One that was kept and whose window has ended; valid until the next call. False: none. */
bool proto_fold_next(struct proto_fold *f, uint64_t now_ms, struct proto_failure *out, uint32_t *repeated);

#endif
