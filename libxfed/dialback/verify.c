#include "dialback/internal.h"

#include "xfed/mem.h"

/*
 *  One question:  HELD (no stream yet) --(open)--> SENT --(answer)--> forgotten
 *                   |                               |
 *                   +--(timeout, end)--> forgotten  +--(timeout)--> UNANSWERED, remembered while
 * the stream lives
 *
 *  The stream: WAIT_OPEN -> OPEN -> ENDED. What fails by time or with the stream is reported from
 * next().
 */
enum state { HELD, SENT, UNANSWERED };
static const char *const state_names[] = { "held", "sent", "unanswered" };

struct xfed_dbverify {
	const struct xfed_env *env;
	uint64_t connection;
	uint64_t wait_ms, now_ms;
	bool is_open, has_ended;
	enum xfed_dialback_verdict end_verdict;
	struct db_pairs asked;
	struct db_queue queue;
};

int xfed_dbverify_new(const struct xfed_dbverify_config *cfg, struct xfed_dbverify **out)
{
	struct xfed_dbverify *m = xfed_calloc(1, sizeof(*m));
	*out = m;
	if (!m) {
		return XFED_ERR_NOMEM;
	}
	m->env = cfg->env;
	m->connection = cfg->connection;
	m->wait_ms = XFED_DIALBACK_MS / (cfg->time_divisor ? cfg->time_divisor : 1);
	db_queue_init(&m->queue);
	return XFED_OK;
}

void xfed_dbverify_free(struct xfed_dbverify *m)
{
	if (m) {
		db_pairs_free(&m->asked);
		db_queue_deinit(&m->queue);
		xfed_free(m);
	}
}

static void enter(struct xfed_dbverify *m, struct db_pair *p, enum state state)
{
	db_trace(m->env, "dialback.verify", state_names[state]);
	p->state = state;
}

/* ---- questions ---- */

/* With the addresses as the peer wrote them in step 1, because its key was made for that spelling (XEP-0220 2.1.2). */
static struct xfed_dialback_elem question(const struct db_pair *p)
{
	return (struct xfed_dialback_elem){
		.kind = XFED_DIALBACK_VERIFY,
		.type = XFED_DIALBACK_KEY,
		.from_raw = p->names.target_raw,
		.to_raw = p->names.sender_raw,
		.id = p->stream_id,
		.key = p->key,
	};
}

static int take_ask(struct xfed_dbverify *m, const struct xfed_dbverify_event *ev)
{
	/* XEP-0288 2.2: otherwise the sender of the key would judge it itself. */
	bool is_own = ev->origin == m->connection;
	if (is_own || m->has_ended || db_pairs_find(&m->asked, ev->pair.sender, ev->pair.target, ev->stream_id)) {
		return XFED_ERR_STATE;
	}
	if (!db_pairs_has_room(&m->asked)) {
		return XFED_ERR_LIMIT;
	}
	struct db_pair *p = db_pair_new(&ev->pair, ev->key, ev->stream_id);
	if (!p) {
		return XFED_ERR_NOMEM;
	}
	p->token = ev->token;
	p->origin = ev->origin;
	p->since_ms = m->now_ms;
	struct xfed_dialback_elem e = question(p);
	int rc = m->is_open ? db_queue_send(&m->queue, &e) : XFED_OK;
	if (rc != XFED_OK) {
		db_pair_free(p);
		return rc;
	}
	enter(m, p, m->is_open ? SENT : HELD);
	db_pairs_add(&m->asked, p);
	return XFED_OK;
}

/* Sends all questions that waited at once; without memory none of them. */
static int take_open(struct xfed_dbverify *m)
{
	if (m->has_ended || m->is_open) {
		return XFED_OK;
	}
	for (size_t i = 0; i < m->asked.count; i++) {
		struct xfed_dialback_elem e = question(m->asked.all[i]);
		int rc = xfed_dialback_print(&m->queue.bytes, &e);
		if (rc != XFED_OK) {
			return rc;
		}
	}
	if (m->asked.count > 0) {
		db_queue_send_printed(&m->queue, 0);
	}
	for (size_t i = 0; i < m->asked.count; i++) {
		enter(m, m->asked.all[i], SENT);
	}
	m->is_open = true;
	return XFED_OK;
}

/* ---- verdicts ---- */

static void fill_verdict(const struct db_pair *p, enum xfed_dialback_verdict verdict, struct xfed_dialback_action *a)
{
	*a = (struct xfed_dialback_action){
		.type = XFED_DIALBACK_DO_VERDICT,
		.pair = p->names,
		.stream_id = p->stream_id,
		.token = p->token,
		.origin = p->origin,
		.verdict = verdict,
		.condition = "",
	};
}

/* [A8-14]: an unknown domain is distinguished from all other errors of step 3. */
static enum xfed_dialback_verdict verdict_of(const struct xfed_dialback_elem *e)
{
	if (e->type == XFED_DIALBACK_VALID) {
		return XFED_DIALBACK_VERDICT_VALID;
	}
	if (e->type == XFED_DIALBACK_INVALID) {
		return XFED_DIALBACK_VERDICT_INVALID;
	}
	return e->condition == XFED_DIALBACK_ITEM_NOT_FOUND ? XFED_DIALBACK_VERDICT_UNKNOWN_DOMAIN : XFED_DIALBACK_VERDICT_REFUSED;
}

static int take_answer(struct xfed_dbverify *m, const struct xfed_dialback_elem *e)
{
	if (e->kind != XFED_DIALBACK_VERIFY) {
		return XFED_ERR_INVALID;
	}
	bool is_answer = e->type == XFED_DIALBACK_VALID || e->type == XFED_DIALBACK_INVALID || e->type == XFED_DIALBACK_ERROR;
	bool is_whole = e->from.data && e->to.data && e->id.data;
	struct db_pair *p = is_answer && is_whole ? db_pairs_find(&m->asked, e->from, e->to, e->id) : NULL;
	if (!p || p->state == HELD) {
		return XFED_OK; /* [A8-12] */
	}
	p->is_gone = true;
	if (p->state == UNANSWERED) {
		return XFED_OK; /* too late; the same question may be asked here again now */
	}
	fill_verdict(p, verdict_of(e), db_queue_push(&m->queue, XFED_DIALBACK_DO_VERDICT));
	return XFED_OK;
}

static void take_end(struct xfed_dbverify *m, const struct xfed_dbverify_event *ev)
{
	if (!m->has_ended) {
		m->has_ended = true;
		m->end_verdict = xfed_dialback_verdict_of(m->is_open, ev->is_host_unknown);
	}
}

static struct db_pair *overdue(const struct xfed_dbverify *m)
{
	return m->has_ended || m->now_ms >= xfed_dbverify_deadline(m) ? db_pairs_oldest(&m->asked, SENT) : NULL;
}

int xfed_dbverify_step(struct xfed_dbverify *m, const struct xfed_dbverify_event *ev, uint64_t now_ms)
{
	XFED_REQUIRE(!overdue(m));
	db_queue_begin(&m->queue);
	db_pairs_sweep(&m->asked);
	m->now_ms = now_ms;
	switch (ev->type) {
	case XFED_DBVERIFY_ASK:
		return take_ask(m, ev);
	case XFED_DBVERIFY_OPEN:
		return take_open(m);
	case XFED_DBVERIFY_ANSWER:
		return take_answer(m, ev->elem);
	case XFED_DBVERIFY_TICK:
		break;
	case XFED_DBVERIFY_END:
		take_end(m, ev);
		break;
	}
	return XFED_OK;
}

bool xfed_dbverify_next(struct xfed_dbverify *m, struct xfed_dialback_action *act)
{
	if (db_queue_pop(&m->queue, act)) {
		return true;
	}
	struct db_pair *p = overdue(m);
	if (!p) {
		return false;
	}
	fill_verdict(p, m->has_ended ? m->end_verdict : XFED_DIALBACK_VERDICT_TIMEOUT, act);
	/* A question that was sent may still be answered: the answer must not be taken for that to another one. */
	if (p->state == SENT && !m->has_ended) {
		enter(m, p, UNANSWERED);
	} else {
		p->is_gone = true;
	}
	return true;
}

uint64_t xfed_dbverify_deadline(const struct xfed_dbverify *m)
{
	return db_pairs_deadline(&m->asked, SENT, m->wait_ms);
}
