/* The actions of one step and the bytes they send. */
#ifndef XFED_DIALBACK_QUEUE_H
#define XFED_DIALBACK_QUEUE_H

#include "dialback/pairs.h"

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
/* All fields but the type are zero, `condition` and `stanza_condition` are "". The caller knows that there is room. */
struct xfed_dialback_action *db_queue_push(struct db_queue *q, enum xfed_dialback_action_type type);
/* Takes the last push back. */
void db_queue_undo(struct db_queue *q);
/* Prints `e` without an action: for db_queue_send_printed(), which sends all from `offset` on. What no action covers is never sent. */
int db_queue_print(struct db_queue *q, const struct xfed_dialback_elem *e);
void db_queue_send_printed(struct db_queue *q, size_t offset);
/* Prints `e` and queues it as SEND. OK, LIMIT, NOMEM with nothing queued. */
int db_queue_send(struct db_queue *q, const struct xfed_dialback_elem *e);
bool db_queue_pop(struct db_queue *q, struct xfed_dialback_action *act);

/* What the three machines trace: the step a pair takes. */
void db_trace(const struct xfed_env *env, const char *machine, const char *state);

#endif
