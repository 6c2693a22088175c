/*
 * Limits what an edge reports about peers that have not authenticated. Anybody can cause failures, as often as he likes and under any name,
 * so they are folded before they take room on the channel: of each network, and of each listed partner's name in it, a few failures are
 * reported as they happen. Further ones are counted, and the last of them is reported with the count when the time window ends. A folded
 * failure loses its steps.
 *
 * A failure under a listed partner's name may be that partner's, and is what an operator has to see (a peer with an expired certificate is
 * not authenticated). So these have a part of all reports for themselves, the first of each name in a window is always reported, and what
 * is kept for a name is displaced only by more under that name. Limits: XFED_FOLD_*. No clock, no I/O; memory is bounded by these limits
 * and by the number of listed names.
 */
#ifndef PROTO_FOLD_H
#define PROTO_FOLD_H

#include "proto/fill.h"

struct proto_fold;

int proto_fold_new(struct proto_fold **out); /* OK, NOMEM */
void proto_fold_free(struct proto_fold *f);  /* NULL is fine */

/*
 * A failure of a peer in `network` (our text, "192.0.2.0/24") under the name of the listed partner `name` (from the policy; empty: none).
 * True: send it now. False: it is kept, or counted.
 */
bool proto_fold_take(struct proto_fold *f, struct xfed_span network, struct xfed_span name, const struct proto_failure *m, uint64_t now_ms);

/* The next kept failure whose window has ended, with `*repeated` others that were counted; valid until the next call. False: none. */
bool proto_fold_next(struct proto_fold *f, uint64_t now_ms, struct proto_failure *out, uint32_t *repeated);

#endif
