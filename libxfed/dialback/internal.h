/*
 * What the files of dialback share: the pairs a machine remembers, the actions of one step with the bytes they send, and the columns of
 * the tables of xfed/dialback.h that only the roles need.
 */
#ifndef XFED_DIALBACK_INTERNAL_H
#define XFED_DIALBACK_INTERNAL_H

#include "xfed/dialback.h"
#include "xfed/limits.h"

/* ---- pairs ---- */

struct db_pair {
	struct xfed_dialback_pair names;
	struct xfed_span key, stream_id;
	int state;	   /* the machine's own enum: those that wait for an answer stand first in it */
	uint64_t since_ms; /* of the request that waits */
	uint64_t token, origin;
	bool is_gone; /* forgotten, but actions of this step still point to it */
	char text[];  /* the spans' bytes */
};

/* At most XFED_DIALBACK_PAIRS_MAX, in the order they came. */
struct db_pairs {
	struct db_pair *all[XFED_DIALBACK_PAIRS_MAX];
	size_t count;
};

/* A copy of everything; NULL on NOMEM. It belongs to nobody until it is added. */
struct db_pair *db_pair_new(const struct xfed_dialback_pair *names, struct xfed_span key, struct xfed_span stream_id);
/* The key proves something only while it is secret to the stream it was made for; still, none is left in memory. */
void db_pair_free(struct db_pair *p);

bool db_pairs_has_room(const struct db_pairs *set);
void db_pairs_add(struct db_pairs *set, struct db_pair *p);
/* Among those not gone; NULL: none. `stream_id` with data NULL matches any. */
struct db_pair *db_pairs_find(const struct db_pairs *set, struct xfed_span sender, struct xfed_span target, struct xfed_span stream_id);
size_t db_pairs_in_state(const struct db_pairs *set, int state);
/* Of those in a state up to `last_waiting` the one that has waited longest; NULL: none. */
struct db_pair *db_pairs_oldest(const struct db_pairs *set, int last_waiting);
/* When its `wait_ms` are over; UINT64_MAX: nobody waits. */
uint64_t db_pairs_deadline(const struct db_pairs *set, int last_waiting, uint64_t wait_ms);
/* Frees those that are gone: the first thing of a step. */
void db_pairs_sweep(struct db_pairs *set);
void db_pairs_free(struct db_pairs *set);

/* ---- actions ---- */

struct db_queue {
	struct xfed_dialback_action actions[XFED_DIALBACK_ACTIONS_MAX];
	size_t offsets[XFED_DIALBACK_ACTIONS_MAX]; /* SEND: where its bytes begin in `bytes` */
	size_t head, count;
	struct xfed_buf bytes;
};

void db_queue_init(struct db_queue *q);
void db_queue_deinit(struct db_queue *q);
/* The first thing of a step: what the last one gave is drained and is forgotten. */
void db_queue_begin(struct db_queue *q);
size_t db_queue_room(const struct db_queue *q);
/* All fields but the type are zero, `condition` is "". The caller knows that there is room. */
struct xfed_dialback_action *db_queue_push(struct db_queue *q, enum xfed_dialback_action_type type);
/* Takes the last push back. */
void db_queue_undo(struct db_queue *q);
/* One SEND of all that has been printed to `bytes` from `offset` on. What no action covers is never sent. */
void db_queue_send_printed(struct db_queue *q, size_t offset);
/* Prints `e` and queues it as SEND. OK, LIMIT, NOMEM with nothing queued. */
int db_queue_send(struct db_queue *q, const struct xfed_dialback_elem *e);
bool db_queue_pop(struct db_queue *q, struct xfed_dialback_action *act);

/* What the three machines trace: the step a pair takes. */
void db_trace(const struct xfed_env *env, const char *machine, const char *state);

/* ---- the tables of XEP-0220 2.5 ---- */

const char *db_condition_type(enum xfed_dialback_condition c);			 /* "cancel", "wait", ... */
enum xfed_dialback_condition db_verdict_condition(enum xfed_dialback_verdict v); /* of the answer in step 4 */
enum xfed_reason db_verdict_reason(enum xfed_dialback_verdict v);

#endif
