#include "dialback/internal.h"

#include "xfed/mem.h"

/* REQUESTED --(valid)--> VALID; --(invalid, error, timeout)--> FAILED. Later answers change nothing. */
enum state { REQUESTED, VALID, FAILED };
static const char *const state_names[] = { "requested", "valid", "failed" };

struct xfed_dbinit {
	const struct xfed_env *env;
	enum state state;
	uint64_t deadline_ms;
	struct db_pair *pair;
	struct db_queue queue;
};

static void enter(struct xfed_dbinit *m, enum state state)
{
	db_trace(m->env, "dialback.initiating", state_names[state]);
	m->state = state;
}

static int send_key(struct xfed_dbinit *m, const struct xfed_dbinit_config *cfg)
{
	char key[XFED_DIALBACK_HEX + 1];
	int rc = xfed_dialback_key_hashed(cfg->hash_hex, cfg->target, cfg->sender, cfg->stream_id, key);
	if (rc != XFED_OK) {
		return rc;
	}
	struct xfed_dialback_elem e = {
		.kind = XFED_DIALBACK_RESULT,
		.type = XFED_DIALBACK_KEY,
		.from_raw = cfg->sender,
		.to_raw = cfg->target,
		.key = xfed_span_make(key, XFED_DIALBACK_HEX),
	};
	rc = db_queue_send(&m->queue, &e);
	xfed_wipe(key, sizeof(key));
	return rc;
}

int xfed_dbinit_new(const struct xfed_dbinit_config *cfg, uint64_t now_ms, struct xfed_dbinit **out)
{
	const struct xfed_span none = { NULL, 0 };
	const struct xfed_dialback_pair names = { cfg->sender, cfg->target, cfg->sender, cfg->target };
	*out = NULL;
	if (cfg->stream_id.len == 0 || cfg->stream_id.len > XFED_DIALBACK_ID_BYTES) {
		return XFED_ERR_LIMIT;
	}
	struct xfed_dbinit *m = xfed_calloc(1, sizeof(*m));
	if (!m) {
		return XFED_ERR_NOMEM;
	}
	m->env = cfg->env;
	m->deadline_ms = now_ms + XFED_DIALBACK_MS / (cfg->time_divisor ? cfg->time_divisor : 1);
	db_queue_init(&m->queue);
	m->pair = db_pair_new(&names, none, none);
	int rc = m->pair ? send_key(m, cfg) : XFED_ERR_NOMEM;
	if (rc != XFED_OK) {
		xfed_dbinit_free(m);
		return rc;
	}
	enter(m, REQUESTED);
	*out = m;
	return XFED_OK;
}

void xfed_dbinit_free(struct xfed_dbinit *m)
{
	if (m) {
		db_pair_free(m->pair);
		db_queue_deinit(&m->queue);
		xfed_free(m);
	}
}

/* ---- results ---- */

static void fail(struct xfed_dbinit *m, enum xfed_reason reason, enum xfed_side side, const char *condition)
{
	enter(m, FAILED);
	struct xfed_dialback_action *a = db_queue_push(&m->queue, XFED_DIALBACK_DO_FAILED);
	a->pair = m->pair->names;
	a->reason = reason;
	a->side = side;
	a->condition = condition;
}

/*
 * Who is to blame for an error, seen from our side: if the peer could not call us back, or found a server without our domain, the cause is
 * our own SRV record, listener or configuration.
 */
static enum xfed_side side_of(enum xfed_dialback_condition c, enum xfed_reason reason)
{
	bool is_about_us = c == XFED_DIALBACK_REMOTE_CONNECTION_FAILED || c == XFED_DIALBACK_REMOTE_SERVER_NOT_FOUND || c == XFED_DIALBACK_FORBIDDEN;
	return is_about_us ? XFED_SIDE_US : xfed_reason_info(reason)->side;
}

/* Addresses come swapped; anything but an answer for the pair that waits is ignored ([A8-12]). */
static void take_answer(struct xfed_dbinit *m, const struct xfed_dialback_elem *e)
{
	if (!xfed_span_eq(e->to, m->pair->names.sender) || !xfed_span_eq(e->from, m->pair->names.target)) {
		return;
	}
	switch (e->type) {
	case XFED_DIALBACK_VALID:
		enter(m, VALID);
		db_queue_push(&m->queue, XFED_DIALBACK_DO_READY)->pair = m->pair->names;
		break;
	case XFED_DIALBACK_INVALID: /* [A8-09]: the peer takes us for a forger */
		fail(m, XFED_REASON_DIALBACK_INVALID, XFED_SIDE_US, "invalid");
		break;
	case XFED_DIALBACK_ERROR: {
		enum xfed_reason reason = xfed_dialback_condition_reason(e->condition);
		fail(m, reason, side_of(e->condition, reason), xfed_dialback_condition_word(e->condition));
		break;
	}
	case XFED_DIALBACK_KEY:
	case XFED_DIALBACK_UNKNOWN:
		break;
	}
}

int xfed_dbinit_step(struct xfed_dbinit *m, const struct xfed_dialback_elem *answer, uint64_t now_ms)
{
	db_queue_begin(&m->queue);
	if (answer && answer->kind != XFED_DIALBACK_RESULT) {
		return XFED_ERR_INVALID;
	}
	if (answer && m->state == REQUESTED) {
		take_answer(m, answer);
	}
	if (now_ms >= xfed_dbinit_deadline(m)) {
		fail(m, XFED_REASON_DIALBACK_TIMEOUT, xfed_reason_info(XFED_REASON_DIALBACK_TIMEOUT)->side, "");
	}
	return XFED_OK;
}

bool xfed_dbinit_next(struct xfed_dbinit *m, struct xfed_dialback_action *act)
{
	return db_queue_pop(&m->queue, act);
}

uint64_t xfed_dbinit_deadline(const struct xfed_dbinit *m)
{
	return m->state == REQUESTED ? m->deadline_ms : UINT64_MAX;
}
