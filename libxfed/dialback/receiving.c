#include "dialback/internal.h"

#include "xfed/mem.h"

/*
 *  One pair:   request --(refused)--> forgotten        answered with an error
 *                 |
 *                 +--(certificate)--> PROVED           answered valid
 *                 |
 *                 +--> ASKED --(valid)--> PROVED       answered valid
 *                        |
 *                        +--(anything else, timeout, another key)--> forgotten, answered invalid or
 * with an error
 *
 *  The stream: OPEN -> CLOSED, by an invalid key where nothing else is proved, an improper request
 * or too many refusals.
 */
enum state { ASKED, PROVED };
static const char *const state_names[] = { "asked", "proved" };

static const struct xfed_span any_stream = { NULL, 0 };

struct xfed_dbrecv {
	const struct xfed_env *env;
	uint64_t wait_ms, now_ms;
	bool is_authenticated, is_closed;
	struct db_pairs pairs;
	struct db_queue queue;
	uint64_t last_token;
	size_t failed; /* requests that were refused or failed */
	struct xfed_span stream_id;
	char id_text[];
};

int xfed_dbrecv_new(const struct xfed_dbrecv_config *cfg, struct xfed_dbrecv **out)
{
	*out = NULL;
	if (cfg->stream_id.len == 0 || cfg->stream_id.len > XFED_DIALBACK_ID_BYTES) {
		return XFED_ERR_LIMIT;
	}
	struct xfed_dbrecv *m = xfed_calloc(1, sizeof(*m) + cfg->stream_id.len);
	if (!m) {
		return XFED_ERR_NOMEM;
	}
	m->env = cfg->env;
	m->wait_ms = XFED_DIALBACK_MS / (cfg->time_divisor ? cfg->time_divisor : 1);
	m->is_authenticated = cfg->is_authenticated;
	memcpy(m->id_text, cfg->stream_id.data, cfg->stream_id.len);
	m->stream_id = xfed_span_make(m->id_text, cfg->stream_id.len);
	db_queue_init(&m->queue);
	*out = m;
	return XFED_OK;
}

void xfed_dbrecv_free(struct xfed_dbrecv *m)
{
	if (m) {
		db_pairs_free(&m->pairs);
		db_queue_deinit(&m->queue);
		xfed_free(m);
	}
}

static void enter(struct xfed_dbrecv *m, struct db_pair *p, enum state state)
{
	db_trace(m->env, "dialback.receiving", state_names[state]);
	p->state = state;
}

static void forget(struct xfed_dbrecv *m, struct db_pair *p)
{
	db_trace(m->env, "dialback.receiving", "forgotten");
	p->is_gone = true;
}

static bool has_proved(const struct xfed_dbrecv *m)
{
	return m->is_authenticated || db_pairs_in_state(&m->pairs, PROVED) > 0;
}

static void close_stream(struct xfed_dbrecv *m, enum xfed_reason reason)
{
	db_trace(m->env, "dialback.receiving", "closed");
	m->is_closed = true;
	db_queue_push(&m->queue, XFED_DIALBACK_DO_CLOSE)->reason = reason;
}

static struct xfed_dialback_pair pair_of(const struct xfed_dialback_elem *request)
{
	return (struct xfed_dialback_pair){ request->from, request->to, request->from_raw, request->to_raw };
}

/* ---- answers: printed before the state changes, so that without memory everything stays as it was ---- */

static int answer(struct xfed_dbrecv *m, const struct xfed_dialback_pair *p, enum xfed_dialback_type type, enum xfed_dialback_condition condition)
{
	struct xfed_dialback_elem e = {
		.kind = XFED_DIALBACK_RESULT,
		.type = type,
		.from_raw = p->target_raw,
		.to_raw = p->sender_raw,
		.condition = condition,
	};
	return db_queue_send(&m->queue, &e);
}

static void failed(struct xfed_dbrecv *m, const struct xfed_dialback_pair *p, enum xfed_reason reason, const char *condition)
{
	m->failed++;
	struct xfed_dialback_action *a = db_queue_push(&m->queue, XFED_DIALBACK_DO_FAILED);
	a->pair = *p;
	a->reason = reason;
	a->side = xfed_reason_info(reason)->side;
	a->condition = condition;
}

/* Answers with an error, which leaves the stream open (XEP-0220 2.5); but only so often if nothing has been proved on it. */
static int refuse(struct xfed_dbrecv *m, const struct xfed_dialback_pair *p, enum xfed_reason reason, enum xfed_dialback_condition condition)
{
	int rc = answer(m, p, XFED_DIALBACK_ERROR, condition);
	if (rc != XFED_OK) {
		return rc;
	}
	failed(m, p, reason, xfed_dialback_condition_word(condition));
	if (m->failed >= XFED_DIALBACK_REFUSALS_MAX && !has_proved(m)) {
		close_stream(m, XFED_REASON_DIALBACK_NOT_ALLOWED);
	}
	return XFED_OK;
}

/*
 * [A8-11]: an invalid key ends the stream, unless it has proved other pairs, whose partner may merely have one domain configured wrongly
 * (XEP-0220 2.2.1).
 */
static int refuse_invalid(struct xfed_dbrecv *m, const struct xfed_dialback_pair *p)
{
	if (has_proved(m)) {
		return refuse(m, p, XFED_REASON_DIALBACK_INVALID, XFED_DIALBACK_FORBIDDEN);
	}
	int rc = answer(m, p, XFED_DIALBACK_INVALID, XFED_DIALBACK_NOT_IN_TABLE);
	if (rc == XFED_OK) {
		failed(m, p, XFED_REASON_DIALBACK_INVALID, "invalid");
		close_stream(m, XFED_REASON_DIALBACK_INVALID);
	}
	return rc;
}

/* PROVED comes before the answer, because the peer may send as soon as it reads that. */
static int prove(struct xfed_dbrecv *m, struct db_pair *p, bool by_certificate)
{
	struct xfed_dialback_action *a = db_queue_push(&m->queue, XFED_DIALBACK_DO_PROVED);
	a->pair = p->names;
	a->by_certificate = by_certificate;
	int rc = answer(m, &p->names, XFED_DIALBACK_VALID, XFED_DIALBACK_NOT_IN_TABLE);
	if (rc != XFED_OK) {
		db_queue_undo(&m->queue);
		return rc;
	}
	enter(m, p, PROVED);
	return XFED_OK;
}

/* ---- requests ---- */

static int take_new(struct xfed_dbrecv *m, const struct xfed_dialback_elem *e, bool by_certificate)
{
	struct xfed_dialback_pair names = pair_of(e);
	bool is_full = !db_pairs_has_room(&m->pairs) || (!by_certificate && db_pairs_in_state(&m->pairs, ASKED) >= XFED_DIALBACK_WAITING_MAX);
	if (is_full) {
		return refuse(m, &names, XFED_REASON_DIALBACK_PAIRS_EXCEEDED, XFED_DIALBACK_RESOURCE_CONSTRAINT);
	}
	struct db_pair *p = db_pair_new(&names, e->key, m->stream_id);
	if (!p) {
		return XFED_ERR_NOMEM;
	}
	if (by_certificate) {
		int rc = prove(m, p, true);
		if (rc != XFED_OK) {
			db_pair_free(p);
			return rc;
		}
	} else {
		p->since_ms = m->now_ms;
		p->token = ++m->last_token;
		enter(m, p, ASKED);
		struct xfed_dialback_action *a = db_queue_push(&m->queue, XFED_DIALBACK_DO_ASK);
		a->pair = p->names;
		a->key = p->key;
		a->stream_id = p->stream_id;
		a->token = p->token;
	}
	db_pairs_add(&m->pairs, p);
	return XFED_OK;
}

/* The peer cannot tell this answer from the one to a request that still waits, so the refusal is for both. */
static int refuse_request(struct xfed_dbrecv *m, struct db_pair *waiting, const struct xfed_dialback_elem *e, enum xfed_reason reason,
	enum xfed_dialback_condition condition)
{
	struct xfed_dialback_pair names = pair_of(e);
	int rc = refuse(m, &names, reason, condition);
	if (rc == XFED_OK && waiting && waiting->state == ASKED) {
		forget(m, waiting);
	}
	return rc;
}

/* One answer serves all requests for a pair; but two different keys for it on one stream are refused. */
static int take_again(struct xfed_dbrecv *m, struct db_pair *p, const struct xfed_dialback_elem *e, bool by_certificate)
{
	bool is_proved = p->state == PROVED;
	if (!is_proved && by_certificate) {
		return prove(m, p, true);
	}
	if (by_certificate || xfed_span_eq_secret(p->key, e->key)) {
		return is_proved ? answer(m, &p->names, XFED_DIALBACK_VALID, XFED_DIALBACK_NOT_IN_TABLE) : XFED_OK;
	}
	return refuse_request(m, p, e, XFED_REASON_DIALBACK_IDENTITY_REFUSED, XFED_DIALBACK_NOT_ACCEPTABLE);
}

/* NONE, or why a request is refused without asking anybody. */
static enum xfed_reason judge(const struct xfed_dialback_elem *e, const struct xfed_dialback_decision *d, enum xfed_dialback_condition *condition)
{
	if (!e->to.data || !d->is_local) {
		*condition = XFED_DIALBACK_ITEM_NOT_FOUND; /* [A8-10] */
		return XFED_REASON_STREAM_TO_UNKNOWN;
	}
	if (d->refuse != XFED_REASON_NONE) {
		*condition = xfed_dialback_condition_of(d->refuse);
		return d->refuse;
	}
	*condition = XFED_DIALBACK_NOT_ACCEPTABLE;
	bool has_key = e->key.len > 0 || d->is_proved_by_certificate;
	bool is_sound = e->from.data && has_key && e->key.len <= XFED_DIALBACK_KEY_BYTES;
	return is_sound ? XFED_REASON_NONE : XFED_REASON_DIALBACK_IDENTITY_REFUSED;
}

static int take_request(struct xfed_dbrecv *m, const struct xfed_dbrecv_event *ev)
{
	const struct xfed_dialback_elem *e = ev->elem;
	if (e->kind != XFED_DIALBACK_RESULT) {
		return XFED_ERR_INVALID;
	}
	if (e->type != XFED_DIALBACK_KEY || m->is_closed) {
		return XFED_OK; /* [A8-12]: answers do not belong on a stream the peer opened */
	}
	if (!e->from_raw.data || !e->to_raw.data) {
		close_stream(m, XFED_REASON_STREAM_ADDRESS_IMPROPER);
		return XFED_OK;
	}
	struct db_pair *p = e->from.data && e->to.data ? db_pairs_find(&m->pairs, e->from, e->to, any_stream) : NULL;
	enum xfed_dialback_condition condition;
	enum xfed_reason reason = judge(e, &ev->decision, &condition);
	if (reason != XFED_REASON_NONE) {
		return refuse_request(m, p, e, reason, condition);
	}
	bool by_certificate = ev->decision.is_proved_by_certificate;
	return p ? take_again(m, p, e, by_certificate) : take_new(m, e, by_certificate);
}

/* ---- verdicts ---- */

static int settle(struct xfed_dbrecv *m, struct db_pair *p, enum xfed_dialback_verdict verdict)
{
	if (verdict == XFED_DIALBACK_VERDICT_VALID) {
		return prove(m, p, false);
	}
	int rc = verdict == XFED_DIALBACK_VERDICT_INVALID ? refuse_invalid(m, &p->names)
							  : refuse(m, &p->names, db_verdict_reason(verdict), db_verdict_condition(verdict));
	if (rc == XFED_OK) {
		forget(m, p);
	}
	return rc;
}

/* XEP-0220 2.1.2: a verdict for which there is no request is ignored. */
static int take_verdict(struct xfed_dbrecv *m, const struct xfed_dbrecv_event *ev)
{
	struct db_pair *p = db_pairs_find(&m->pairs, ev->sender, ev->target, any_stream);
	bool is_awaited = p && p->state == ASKED && p->token == ev->token && xfed_span_eq(ev->stream_id, m->stream_id);
	return is_awaited && !m->is_closed ? settle(m, p, ev->verdict) : XFED_OK;
}

/* As many as the queue holds. The deadline stays due for the rest, and for one that failed for lack of memory. */
static int take_tick(struct xfed_dbrecv *m)
{
	int rc = XFED_OK;
	size_t done = 0;
	while (rc == XFED_OK && m->now_ms >= xfed_dbrecv_deadline(m) && db_queue_room(&m->queue) >= 3) {
		rc = settle(m, db_pairs_oldest(&m->pairs, ASKED), XFED_DIALBACK_VERDICT_TIMEOUT);
		done += rc == XFED_OK;
	}
	return done > 0 ? XFED_OK : rc;
}

int xfed_dbrecv_step(struct xfed_dbrecv *m, const struct xfed_dbrecv_event *ev, uint64_t now_ms)
{
	db_queue_begin(&m->queue);
	db_pairs_sweep(&m->pairs);
	m->now_ms = now_ms;
	switch (ev->type) {
	case XFED_DBRECV_REQUEST:
		return take_request(m, ev);
	case XFED_DBRECV_VERDICT:
		return take_verdict(m, ev);
	case XFED_DBRECV_TICK:
		return take_tick(m);
	}
	return XFED_ERR_INVALID;
}

bool xfed_dbrecv_next(struct xfed_dbrecv *m, struct xfed_dialback_action *act)
{
	return db_queue_pop(&m->queue, act);
}

uint64_t xfed_dbrecv_deadline(const struct xfed_dbrecv *m)
{
	return m->is_closed ? UINT64_MAX : db_pairs_deadline(&m->pairs, ASKED, m->wait_ms);
}

bool xfed_dbrecv_is_proved(const struct xfed_dbrecv *m, struct xfed_span sender, struct xfed_span target)
{
	const struct db_pair *p = db_pairs_find(&m->pairs, sender, target, any_stream);
	return p && p->state == PROVED && !m->is_closed;
}
