/* What a machine remembers of the pairs on its stream: at most XFED_DIALBACK_PAIRS_MAX, in the order they came. */
#ifndef XFED_DIALBACK_PAIRS_H
#define XFED_DIALBACK_PAIRS_H

#include "xfed/dialback.h"
#include "xfed/limits.h"

struct db_pair {
	struct xfed_dialback_pair names;
	struct xfed_span key, stream_id;
	int state;	   /* the machine's own enum */
	uint64_t since_ms; /* of the request that waits */
	uint64_t token, origin;
	bool is_gone; /* forgotten, but actions of this step still point to it */
	char text[];  /* the spans' bytes */
};

struct db_pairs {
	struct db_pair *all[XFED_DIALBACK_PAIRS_MAX];
	size_t count;
};

/* A copy of everything; NULL on NOMEM. It belongs to nobody until it is added. */
struct db_pair *db_pair_new(const struct xfed_dialback_pair *names, struct xfed_span key, struct xfed_span stream_id);
/* The key proves something only while it is secret to the stream it was made for; still, none is left in memory. */
void db_pair_free(struct db_pair *p);

/* False where XFED_DIALBACK_PAIRS_MAX are there. */
bool db_pairs_has_room(const struct db_pairs *set);
void db_pairs_add(struct db_pairs *set, struct db_pair *p);
/* Among those not gone; NULL: none. `stream_id` with data NULL matches any. */
struct db_pair *db_pairs_find(const struct db_pairs *set, struct xfed_span sender, struct xfed_span target, struct xfed_span stream_id);
size_t db_pairs_in_state(const struct db_pairs *set, int state);
/* The earliest `since_ms` in one of two states plus `wait_ms`; UINT64_MAX: none. */
uint64_t db_pairs_deadline(const struct db_pairs *set, int state, int other_state, uint64_t wait_ms);
/* Frees those that are gone: the first thing of a step. */
void db_pairs_sweep(struct db_pairs *set);
void db_pairs_free(struct db_pairs *set);

#endif
