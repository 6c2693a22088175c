#include "dialback/internal.h"

void db_queue_init(struct db_queue *q)
{
	q->head = q->count = 0;
	xfed_buf_init(&q->bytes, XFED_DIALBACK_OUTPUT_BYTES);
}

void db_queue_deinit(struct db_queue *q)
{
	xfed_buf_wipe(&q->bytes);
}

void db_queue_begin(struct db_queue *q)
{
	XFED_REQUIRE(q->count == 0);
	q->head = 0;
	xfed_buf_wipe(&q->bytes); /* it may contain keys, and most streams need it only once */
}

size_t db_queue_room(const struct db_queue *q)
{
	return XFED_DIALBACK_ACTIONS_MAX - q->head - q->count;
}

struct xfed_dialback_action *db_queue_push(struct db_queue *q, enum xfed_dialback_action_type type)
{
	XFED_REQUIRE(db_queue_room(q) > 0);
	struct xfed_dialback_action *a = &q->actions[q->head + q->count++];
	*a = (struct xfed_dialback_action){ .type = type, .condition = "" };
	return a;
}

void db_queue_undo(struct db_queue *q)
{
	XFED_REQUIRE(q->count > 0);
	q->count--;
}

void db_queue_send_printed(struct db_queue *q, size_t offset)
{
	struct xfed_dialback_action *a = db_queue_push(q, XFED_DIALBACK_DO_SEND);
	a->bytes.len = xfed_buf_len(&q->bytes) - offset;
	q->offsets[q->head + q->count - 1] = offset;
}

int db_queue_send(struct db_queue *q, const struct xfed_dialback_elem *e)
{
	size_t offset = xfed_buf_len(&q->bytes);
	int rc = xfed_dialback_print(&q->bytes, e);
	if (rc == XFED_OK) {
		db_queue_send_printed(q, offset);
	}
	return rc;
}

bool db_queue_pop(struct db_queue *q, struct xfed_dialback_action *act)
{
	if (q->count == 0) {
		return false;
	}
	*act = q->actions[q->head];
	if (act->type == XFED_DIALBACK_DO_SEND) {
		act->bytes.data = xfed_buf_span(&q->bytes).data + q->offsets[q->head];
	}
	q->head++;
	q->count--;
	return true;
}

void db_trace(const struct xfed_env *env, const char *machine, const char *state)
{
	if (env && env->trace) {
		env->trace(env->user, machine, state);
	}
}
