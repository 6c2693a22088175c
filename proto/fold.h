/*
 * What an edge tells of peers that have proved nothing: anybody can fail as often as he likes, under any name, so what he causes is
 * folded before it takes room on the channel. Of each network, and of each listed partner's name in it, a few failures are told as
 * they happen; what comes beyond is counted, and the last of it told with the count when the window ends. What is folded loses its
 * steps, and of several only the last is told whole; the others are a number.
 *
 * A failure under a listed partner's name may be that partner's, and is what an operator has to see (an expired certificate proves
 * nothing): those have a part of all that is told for themselves, the first of each name in a window is told whatever else goes on,
 * and what is kept of a name is pushed out by nothing but more under that name. Limits: XFED_FOLD_*. No clock, no I/O; bounded by
 * them and by how many names are listed.
 */
#ifndef PROTO_FOLD_H
#define PROTO_FOLD_H

#include "proto/fill.h"

struct proto_fold;

int proto_fold_new(struct proto_fold **out); /* OK, NOMEM */
void proto_fold_free(struct proto_fold *f);  /* NULL is fine */

/*
 * A failure of a peer in `network` (a text of ours, "192.0.2.0/24") under the name of the listed partner `name` (a word of our
 * policy; empty: none of them). True: send it. False: it is kept.
 */
bool proto_fold_take(struct proto_fold *f, struct xfed_span network, struct xfed_span name, const struct proto_failure *m, uint64_t now_ms);

/* One that was kept and whose window has ended, `*repeated` others go with it; valid until the next call. False: none. */
bool proto_fold_next(struct proto_fold *f, uint64_t now_ms, struct proto_failure *out, uint32_t *repeated);

#endif
