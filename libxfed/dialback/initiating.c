#include "xfed/dialback.h"

#include "dialback/queue.h"
#include "xfed/mem.h"

/*
 *  One pair:   request --> REQUESTED --(valid)--> VALID
 *                 ^            |
 *                 |            +--(invalid, error, timeout, end of the stream)--> FAILED
 * --(request)--> REQUESTED
 *
 *  The stream: usable -> SPOILED by an `invalid`, ENDED by its end; on neither a pair becomes VALID
 * any more. A pair that fails is reported from next(), one action at a time, so that the end of a stream with many pairs needs no room.
 */
#define STATES(X)                                                                                                                                    \
	X(REQUESTED, "requested")                                                                                                                    \
	X(VALID, "valid")                                                                                                                            \
	X(FAILED, "failed")

enum state {
#define X(id, name) id,
	STATES(X)
#undef X
};

static const char *const state_names[] = {
#define X(id, name) name,
	STATES(X)
#undef X
};

struct xfed_dbinit {
	const struct xfed_env *env;
	uint64_t wait_ms, now_ms;
	bool peer_offers_errors, is_spoiled, has_ended;
	enum xfed_reason end_reason;
	struct db_pairs pairs;
	struct db_queue queue;
	struct xfed_dialback_counts counts;
	struct xfed_span stream_id, target;
	char text[]; /* of both */
};

static const struct xfed_span any = { NULL, 0 };

int xfed_dbinit_new(const struct xfed_dbinit_config *cfg, struct xfed_dbinit **out)
{
	*out = NULL;
	if (cfg->stream_id.len == 0 || cfg->stream_id.len > XFED_DIALBACK_ID_BYTES || cfg->target.len == 0 || cfg->target.len > XFED_JID_PART_BYTES) {
		return XFED_ERR_LIMIT;
	}
	struct xfed_dbinit *m = xfed_calloc(1, sizeof(*m) + cfg->stream_id.len + cfg->target.len);
	if (!m) {
		return XFED_ERR_NOMEM;
	}
	m->env = cfg->env;
	m->wait_ms = XFED_DIALBACK_MS / (cfg->time_divisor ? cfg->time_divisor : 1);
	m->peer_offers_errors = cfg->peer_offers_errors;
	memcpy(m->text, cfg->stream_id.data, cfg->stream_id.len);
	memcpy(m->text + cfg->stream_id.len, cfg->target.data, cfg->target.len);
	m->stream_id = xfed_span_make(m->text, cfg->stream_id.len);
	m->target = xfed_span_make(m->text + cfg->stream_id.len, cfg->target.len);
	db_queue_init(&m->queue);
	*out = m;
	return XFED_OK;
}

void xfed_dbinit_free(struct xfed_dbinit *m)
{
	if (!m) {
		return;
	}
	db_pairs_free(&m->pairs);
	db_queue_deinit(&m->queue);
	xfed_free(m);
}

static void enter(struct xfed_dbinit *m, struct db_pair *p, enum state state)
{
	db_trace(m->env, "dialback.initiating", state_names[state]);
	p->state = state;
}

/* ---- requests ---- */

static int send_key(struct xfed_dbinit *m, const struct db_pair *p, struct xfed_span hash_hex)
{
	char key[XFED_DIALBACK_HEX + 1];
	int rc = xfed_dialback_key_hashed(hash_hex, p->names.target, p->names.sender, m->stream_id, key);
	if (rc != XFED_OK) {
		return rc;
	}
	struct xfed_dialback_elem e = {
		.kind = XFED_DIALBACK_RESULT,
		.type = XFED_DIALBACK_KEY,
		.from_raw = p->names.sender,
		.to_raw = p->names.target,
		.key = xfed_span_make(key, XFED_DIALBACK_HEX),
	};
	rc = db_queue_send(&m->queue, &e);
	xfed_wipe(key, sizeof(key));
	return rc;
}

/* Room for one more pair, at the cost of one that failed. */
static bool make_room(struct xfed_dbinit *m)
{
	for (size_t i = 0; i < m->pairs.count && !db_pairs_has_room(&m->pairs); i++) {
		if (m->pairs.all[i]->state == FAILED) {
			m->pairs.all[i]->is_gone = true;
			db_pairs_sweep(&m->pairs);
		}
	}
	return db_pairs_has_room(&m->pairs);
}

static int request_again(struct xfed_dbinit *m, struct db_pair *p, struct xfed_span hash_hex)
{
	if (p->state == VALID) {
		db_queue_push(&m->queue, XFED_DIALBACK_DO_READY)->pair = p->names;
	}
	if (p->state != FAILED) {
		m->counts.repeated++;
		return XFED_OK;
	}
	int rc = send_key(m, p, hash_hex);
	if (rc == XFED_OK) {
		p->since_ms = m->now_ms;
		enter(m, p, REQUESTED);
	}
	return rc;
}

static int take_request(struct xfed_dbinit *m, const struct xfed_dbinit_event *ev)
{
	/* XEP-0220 2.7.1, 2.7.2: another sender needs no leave; another target needs errors, and
	 * the same server. */
	bool may_target = xfed_span_eq(ev->target, m->target) || (m->peer_offers_errors && ev->is_same_server);
	if (m->is_spoiled || m->has_ended || !may_target) {
		return XFED_ERR_STATE;
	}
	struct db_pair *p = db_pairs_find(&m->pairs, ev->sender, ev->target, any);
	if (p) {
		return request_again(m, p, ev->hash_hex);
	}
	if (!make_room(m)) {
		return XFED_ERR_LIMIT;
	}
	struct xfed_dialback_pair names = { ev->sender, ev->target, ev->sender, ev->target };
	p = db_pair_new(&names, any, any);
	if (!p) {
		return XFED_ERR_NOMEM;
	}
	int rc = send_key(m, p, ev->hash_hex);
	if (rc != XFED_OK) {
		db_pair_free(p);
		return rc;
	}
	p->since_ms = m->now_ms;
	enter(m, p, REQUESTED);
	db_pairs_add(&m->pairs, p);
	return XFED_OK;
}

/* ---- outcomes ---- */

static void fill_failed(struct xfed_dbinit *m, struct db_pair *p, struct xfed_dialback_action *a, enum xfed_reason reason, enum xfed_side side)
{
	enter(m, p, FAILED);
	m->counts.failed++;
	*a = (struct xfed_dialback_action){
		.type = XFED_DIALBACK_DO_FAILED,
		.pair = p->names,
		.reason = reason,
		.side = side,
		.condition = "",
		.stanza_condition = "remote-server-timeout", /* XEP-0220 2.1.1, whatever the
								reason's own condition */
	};
}

/*
 * Whose fault an error is, seen from here: where the peer could not call us back or found a server
 * without our domain, it speaks of our own SRV record, listener or configuration.
 */
static enum xfed_side side_of(enum xfed_dialback_condition c, enum xfed_reason reason)
{
	bool is_about_us = c == XFED_DIALBACK_REMOTE_CONNECTION_FAILED || c == XFED_DIALBACK_REMOTE_SERVER_NOT_FOUND || c == XFED_DIALBACK_FORBIDDEN;
	return is_about_us ? XFED_SIDE_US : xfed_reason_info(reason)->side;
}

static void take_error(struct xfed_dbinit *m, struct db_pair *p, enum xfed_dialback_condition c)
{
	enum xfed_reason reason = xfed_dialback_condition_reason(c);
	struct xfed_dialback_action *a = db_queue_push(&m->queue, XFED_DIALBACK_DO_FAILED);
	fill_failed(m, p, a, reason, side_of(c, reason));
	a->condition = xfed_dialback_condition_word(c);
	a->is_worth_new_stream = c == XFED_DIALBACK_RESOURCE_CONSTRAINT; /* XEP-0220 2.5 */
}

/* [A8-09]: the peer thinks us a forger. It will close; nothing more is sent, not even for other
 * pairs. */
static void take_invalid(struct xfed_dbinit *m, struct db_pair *p)
{
	struct xfed_dialback_action *a = db_queue_push(&m->queue, XFED_DIALBACK_DO_FAILED);
	fill_failed(m, p, a, XFED_REASON_DIALBACK_INVALID, XFED_SIDE_US);
	a->condition = "invalid";
	a->stanza_condition = "internal-server-error";
	if (!m->is_spoiled) {
		m->is_spoiled = true;
		db_queue_push(&m->queue, XFED_DIALBACK_DO_SPOILED)->reason = XFED_REASON_DIALBACK_INVALID;
	}
}

static int take_answer(struct xfed_dbinit *m, const struct xfed_dialback_elem *e)
{
	if (e->kind != XFED_DIALBACK_RESULT) {
		return XFED_ERR_INVALID;
	}
	/* Addresses come swapped; only a request of this very stream that still waits has an answer
	 * ([A8-12]). */
	struct db_pair *p = e->from.data && e->to.data ? db_pairs_find(&m->pairs, e->to, e->from, any) : NULL;
	bool is_awaited = p && p->state == REQUESTED;
	if (is_awaited && e->type == XFED_DIALBACK_VALID && m->is_spoiled) {
		/* Right, but too late: nothing is sent here any more. */
		struct xfed_dialback_action *a = db_queue_push(&m->queue, XFED_DIALBACK_DO_FAILED);
		fill_failed(m, p, a, XFED_REASON_DIALBACK_INVALID, XFED_SIDE_US);
		a->is_worth_new_stream = true;
	} else if (is_awaited && e->type == XFED_DIALBACK_VALID) {
		enter(m, p, VALID);
		db_queue_push(&m->queue, XFED_DIALBACK_DO_READY)->pair = p->names;
	} else if (is_awaited && e->type == XFED_DIALBACK_INVALID) {
		take_invalid(m, p);
	} else if (is_awaited && e->type == XFED_DIALBACK_ERROR) {
		take_error(m, p, e->condition);
	} else {
		m->counts.dropped++;
	}
	return XFED_OK;
}

static void take_end(struct xfed_dbinit *m, enum xfed_reason reason)
{
	if (!m->has_ended) {
		m->has_ended = true;
		m->end_reason = reason != XFED_REASON_NONE ? reason : XFED_REASON_NET_STREAM_LOST;
	}
}

/* A pair that fails without an element: by time, or with the stream. */
static struct db_pair *overdue(const struct xfed_dbinit *m)
{
	for (size_t i = 0; i < m->pairs.count; i++) {
		struct db_pair *p = m->pairs.all[i];
		if (p->state == REQUESTED && (m->has_ended || m->now_ms >= p->since_ms + m->wait_ms)) {
			return p;
		}
	}
	return NULL;
}

int xfed_dbinit_step(struct xfed_dbinit *m, const struct xfed_dbinit_event *ev, uint64_t now_ms)
{
	XFED_REQUIRE(!overdue(m));
	db_queue_begin(&m->queue);
	m->now_ms = now_ms;
	switch (ev->type) {
	case XFED_DBINIT_REQUEST:
		return take_request(m, ev);
	case XFED_DBINIT_ANSWER:
		return take_answer(m, ev->elem);
	case XFED_DBINIT_TICK:
		break;
	case XFED_DBINIT_END:
		take_end(m, ev->reason);
		break;
	}
	return XFED_OK;
}

bool xfed_dbinit_next(struct xfed_dbinit *m, struct xfed_dialback_action *act)
{
	if (db_queue_pop(&m->queue, act)) {
		return true;
	}
	struct db_pair *p = overdue(m);
	if (!p) {
		return false;
	}
	enum xfed_reason reason = m->has_ended ? m->end_reason : XFED_REASON_DIALBACK_TIMEOUT;
	fill_failed(m, p, act, reason, xfed_reason_info(reason)->side);
	return true;
}

uint64_t xfed_dbinit_deadline(const struct xfed_dbinit *m)
{
	return db_pairs_deadline(&m->pairs, REQUESTED, REQUESTED, m->wait_ms);
}

bool xfed_dbinit_may_send(const struct xfed_dbinit *m, struct xfed_span sender, struct xfed_span target)
{
	const struct db_pair *p = db_pairs_find(&m->pairs, sender, target, any);
	return p && p->state == VALID && !m->is_spoiled && !m->has_ended;
}

void xfed_dbinit_counts(const struct xfed_dbinit *m, struct xfed_dialback_counts *out)
{
	*out = m->counts;
	out->waiting = db_pairs_in_state(&m->pairs, REQUESTED);
	out->done = db_pairs_in_state(&m->pairs, VALID);
}
