/*
 * What the files of dialback share: the pairs a machine remembers, the actions of one step with the bytes they send, and those columns of
 * the tables in xfed/dialback.h that only the roles need.
 */
#ifndef XFED_DIALBACK_INTERNAL_H
#define XFED_DIALBACK_INTERNAL_H

#include "xfed/dialback.h"
#include "xfed/limits.h"

/* ---- pairs ---- */

struct db_pair {
	struct xfed_dialback_pair names;
	struct xfed_span key, stream_id;
	int state;	   /* an enum of the machine's own, in which the states that wait for an answer come first */
	uint64_t since_ms; /* of the request that waits for an answer */
	uint64_t token, origin;
	bool is_gone; /* forgotten, but still referred to by actions of this step */
	char text[];  /* memory of the spans */
};

/* At most XFED_DIALBACK_PAIRS_MAX, in order of arrival. */
struct db_pairs {
	struct db_pair *all[XFED_DIALBACK_PAIRS_MAX];
	size_t count;
};

/* Copies everything; NULL: no memory. Not in a list until it is added. */
struct db_pair *db_pair_new(const struct xfed_dialback_pair *names, struct xfed_span key, struct xfed_span stream_id);
/* Wipes the memory, although a key is worth something only while its stream lives. */
void db_pair_free(struct db_pair *p);

bool db_pairs_has_room(const struct db_pairs *set);
void db_pairs_add(struct db_pairs *set, struct db_pair *p);
/* Not those that are gone; NULL: none. `stream_id` with data NULL matches any. */
struct db_pair *db_pairs_find(const struct db_pairs *set, struct xfed_span sender, struct xfed_span target, struct xfed_span stream_id);
size_t db_pairs_in_state(const struct db_pairs *set, int state);
/* Of the pairs in a state up to `last_waiting` the one that has waited for longest; NULL: none. */
struct db_pair *db_pairs_oldest(const struct db_pairs *set, int last_waiting);
/* When that pair has waited for `wait_ms`; UINT64_MAX: none waits. */
uint64_t db_pairs_deadline(const struct db_pairs *set, int last_waiting, uint64_t wait_ms);
/* Frees the pairs that are gone; at the beginning of a step. */
void db_pairs_sweep(struct db_pairs *set);
void db_pairs_free(struct db_pairs *set);

/* ---- actions ---- */

struct db_queue {
	struct xfed_dialback_action actions[XFED_DIALBACK_ACTIONS_MAX];
	size_t offsets[XFED_DIALBACK_ACTIONS_MAX]; /* for SEND: offset of its bytes in `bytes` */
	size_t head, count;
	struct xfed_buf bytes;
};

void db_queue_init(struct db_queue *q);
void db_queue_deinit(struct db_queue *q);
/* At the beginning of a step: forgets the actions of the last one. */
void db_queue_begin(struct db_queue *q);
size_t db_queue_room(const struct db_queue *q);
/* All members but the type are zero, `condition` is "". The caller knows that there is room. */
struct xfed_dialback_action *db_queue_push(struct db_queue *q, enum xfed_dialback_action_type type);
/* Removes the last action. */
void db_queue_undo(struct db_queue *q);
/* Adds one SEND for everything printed to `bytes` from `offset` on. Bytes that belong to no action are never sent. */
void db_queue_send_printed(struct db_queue *q, size_t offset);
/* Prints `e` and adds it as SEND. OK; after LIMIT and NOMEM nothing was added. */
int db_queue_send(struct db_queue *q, const struct xfed_dialback_elem *e);
bool db_queue_pop(struct db_queue *q, struct xfed_dialback_action *act);

/* Traces a change of state of a pair, for all three machines. */
void db_trace(const struct xfed_env *env, const char *machine, const char *state);

/* ---- the tables of XEP-0220 2.5 ---- */

const char *db_condition_type(enum xfed_dialback_condition c);			 /* "cancel", "wait", ... */
enum xfed_dialback_condition db_verdict_condition(enum xfed_dialback_verdict v); /* for the answer in step 4 */
enum xfed_reason db_verdict_reason(enum xfed_dialback_verdict v);

#endif
