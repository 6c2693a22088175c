/*
 * SIP answers held for an error (proto/delivery.md, Time): a message was written to a partner, and the 200 waits a moment
 * for an error stanza with our id. Afterwards the id stays known for some minutes, so that a late error can still be told
 * to the user. Bounded: beyond the cap the oldest answered one is forgotten. No clock, no I/O.
 */
#ifndef GATEWAY_IM_HOLD_H
#define GATEWAY_IM_HOLD_H

#include "xfed/base.h"

#define HOLDS_MAX    65536
#define HOLD_LATE_MS (5 * 60 * 1000) /* how long an id is remembered after its answer */
#define HOLD_ID_SIZE 64

struct holds;

struct hold {
	struct xfed_span id;		/* of our stanza */
	struct xfed_span local, remote; /* bare JIDs: who sent it, to whom; terminated */
	bool is_answered;
};

int holds_new(size_t max, struct holds **out); /* 0: HOLDS_MAX. OK, NOMEM */
void holds_free(struct holds *h);

/* Held until `until_ms`; already answered when `is_answered`. OK; LIMIT (all are being held); NOMEM; INVALID (the id is too long). */
int holds_add(struct holds *h, const struct hold *what, uint64_t until_ms, uint64_t now_ms);

/*
 * An error stanza has come: the hold with this id, where the error is from the contact or the contact's domain and to the local
 * user. NULL: none of ours. The id is forgotten: a second error with it says nothing new. Valid until the next call.
 */
const struct hold *holds_match(
	struct holds *h, struct xfed_span id, struct xfed_span from_bare, struct xfed_span from_domain, struct xfed_span to_bare);

/* The next one whose time has passed without an error, or NULL: the caller answers it; it is marked answered. */
const struct hold *holds_due(struct holds *h, uint64_t now_ms);
uint64_t holds_deadline(const struct holds *h); /* when to ask; UINT64_MAX: nothing is held */
/* Forgets ids that are too old; a bounded amount of work a call. */
void holds_tick(struct holds *h, uint64_t now_ms);
size_t holds_waiting(const struct holds *h);
/* The next held one, whatever its time; for leaving service. */
const struct hold *holds_release(struct holds *h, uint64_t now_ms);

#endif
