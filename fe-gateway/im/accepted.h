/*
 * Messages that a SIP client has accepted under a name of its own (202 with Message-Id), remembered for some minutes: if it says later that
 * one has not been delivered (interwork/imdn.h), its sender is still told. Bounded in number and bytes: the oldest are forgotten first.
 * No clock, no I/O.
 */
#ifndef GATEWAY_IM_ACCEPTED_H
#define GATEWAY_IM_ACCEPTED_H

#include "deliver/deliver.h"

#define ACCEPTED_MAX	   16384
#define ACCEPTED_BYTES_MAX (16 * 1024 * 1024)
#define ACCEPTED_MS	   (5 * 60 * 1000)

struct accepted;

struct accepted_name {
	struct xfed_span local, remote; /* bare JIDs of the user and the contact */
	struct xfed_span id;		/* Message-Id; unique at most among the messages of these two */
};

int accepted_new(size_t max, struct accepted **out); /* 0: ACCEPTED_MAX. OK, NOMEM */
void accepted_free(struct accepted *a);

/* Everything is copied. One of the same name is replaced. OK; NOMEM: nothing is remembered. */
int accepted_add(struct accepted *a, const struct accepted_name *name, const struct deliver_origin *origin, uint64_t now_ms);
/* Where the message came from, which is forgotten with this; valid until the next call. NULL: it is not known (any more). */
const struct deliver_origin *accepted_take(struct accepted *a, const struct accepted_name *name);
/* Forgets what is too old; does a bounded amount of work per call. */
void accepted_tick(struct accepted *a, uint64_t now_ms);

#endif
