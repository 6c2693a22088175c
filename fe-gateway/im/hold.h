/*
 * SIP responses that are held back (proto/delivery.md, Time): a message was written to a partner, and its 200 waits a moment for an error
 * stanza with the id of our stanza. Afterwards the id is remembered for some minutes, so that the user can still be told of a late error.
 * Bounded: beyond the limit the oldest answered one is forgotten. No clock, no I/O.
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
	struct xfed_span local, remote; /* bare JIDs of sender and recipient; NUL-terminated */
	bool is_answered;
};

int holds_new(size_t max, struct holds **out); /* 0: HOLDS_MAX. OK, NOMEM */
void holds_free(struct holds *h);

/*
 * Holds the response until `until_ms`; where `is_answered`, only remembers the id. OK; LIMIT (all are being held); NOMEM; INVALID (the id
 * is too long).
 */
int holds_add(struct holds *h, const struct hold *what, uint64_t until_ms, uint64_t now_ms);

/*
 * To be called for an error stanza: finds what has this id, if the error comes from the contact or its domain and is addressed to the local
 * user. NULL: none. The id is forgotten, since a second error with it says nothing new. Valid until the next call.
 */
const struct hold *holds_match(
	struct holds *h, struct xfed_span id, struct xfed_span from_bare, struct xfed_span from_domain, struct xfed_span to_bare);

/* The next one whose time has passed without an error, now marked as answered, for the caller to answer; or NULL. */
const struct hold *holds_due(struct holds *h, uint64_t now_ms);
uint64_t holds_deadline(const struct holds *h); /* when to call holds_due(); UINT64_MAX: nothing is held */
/* Forgets ids that are too old; does a bounded amount of work per call. */
void holds_tick(struct holds *h, uint64_t now_ms);
size_t holds_waiting(const struct holds *h);
/* As holds_due(), but whatever the time; for going out of service. */
const struct hold *holds_release(struct holds *h, uint64_t now_ms);

#endif
