/*
 * Dialback beyond one stream: verify pairs ask a partner's server about keys that came in on other streams, and we answer such questions as
 * authoritative server, with the secret.
 */
#include "s2s/s2s_impl.h"

#include <utlist.h>

#include "xfed/mem.h"
#include "xfed/text.h"

static struct s2s_question *question_new(const struct xfed_s2s_question *q)
{
	const struct xfed_dialback_pair *p = &q->pair;
	size_t len = p->sender.len + p->target.len + p->sender_raw.len + p->target_raw.len + q->key.len + q->stream_id.len + 6;
	struct s2s_question *out = xfed_malloc(sizeof(*out) + len);
	if (!out) {
		return NULL;
	}
	char *at = (char *)(out + 1);
	*out = (struct s2s_question){ .q = *q };
	out->q.pair = (struct xfed_dialback_pair){ .sender = xfed_span_put(&at, p->sender),
		.target = xfed_span_put(&at, p->target),
		.sender_raw = xfed_span_put(&at, p->sender_raw),
		.target_raw = xfed_span_put(&at, p->target_raw) };
	out->q.key = xfed_span_put(&at, q->key);
	out->q.stream_id = xfed_span_put(&at, q->stream_id);
	return out;
}

static void question_free(struct s2s_question *q)
{
	rt_sources_give_back(&q->place);
	xfed_free(q);
}

/* Takes ownership of `q`. Its stream is told the verdict a little later, by an event of its own. */
static void settle(struct s2s *s, struct s2s_question *q, enum xfed_dialback_verdict verdict)
{
	q->verdict = verdict;
	rt_sources_give_back(&q->place);
	DL_APPEND(s->verdicts, q);
	rt_post_schedule(&s->tell_verdicts);
}

void s2s_questions_tell(void *arg)
{
	struct s2s *s = arg;
	while (s->verdicts) {
		struct s2s_question *q = s->verdicts;
		DL_DELETE(s->verdicts, q);
		struct s2s_conn *c = s2s_conn_find(s, q->q.origin);
		if (q->verdict != XFED_DIALBACK_VERDICT_VALID) {
			rt_log(RT_LOG_WARNING, "dialback.verdict", RT_KV("partner", q->q.pair.sender), RT_KV("local", q->q.pair.target),
				RT_KV_STR("verdict", xfed_dialback_verdict_word(q->verdict)), RT_KV_U64("conn", q->q.origin), RT_END);
		}
		if (c) {
			struct xfed_s2s_event ev = { .type = XFED_S2S_VERDICT, .question = q->q, .verdict = q->verdict };
			driver_event(&c->d, &ev);
		}
		question_free(q);
	}
}

void s2s_verdicts_free(struct s2s *s)
{
	while (s->verdicts) {
		struct s2s_question *q = s->verdicts;
		DL_DELETE(s->verdicts, q);
		question_free(q);
	}
}

/* ---- the verify stream ---- */

/* The stream was opened for questions alone. A question that comes while it closes, or still waits for a place on it, needs another stream. */
static void hang_up(struct s2s_pair *p)
{
	struct pair_event ev = { .type = PAIR_DONE, .needs_more = p->waiting.count > 0 };
	s2s_pair_event(p, &ev);
	if (p->way.state == PAIR_IDLE) {
		s2s_questions_fail(p, true);
	}
}

/* Each question is an event of its own: this must not run inside the actions of the stream that has become ready. */
void s2s_questions_go_on(void *arg)
{
	struct s2s_pair *p = arg;
	while (p->way.state == PAIR_READY && p->conn && p->waiting.count > 0 && p->asked + p->unanswered < XFED_DIALBACK_PAIRS_MAX) {
		struct s2s_question *q = s2s_turns_take(&p->waiting);
		if (!s2s_conn_find(p->s2s, q->q.origin)) {
			question_free(q); /* the stream that asked has ended */
			continue;
		}
		DL_APPEND(p->questions, q);
		p->asked++;
		struct xfed_s2s_event ev = { .type = XFED_S2S_ASK, .question = q->q };
		driver_event(&p->conn->d, &ev);
	}
	if (p->way.state == PAIR_READY && p->conn && p->asked == 0) {
		hang_up(p);
	}
}

/* A list search, of the questions on one stream: at most XFED_DIALBACK_PAIRS_MAX. NULL: already answered. */
static struct s2s_question *find_asked(const struct s2s_pair *p, const struct xfed_s2s_question *asked)
{
	struct s2s_question *q;
	DL_FOREACH(p->questions, q) {
		if (q->q.origin == asked->origin && q->q.token == asked->token && xfed_span_eq(q->q.stream_id, asked->stream_id)) {
			return q;
		}
	}
	return NULL;
}

/* Runs inside the actions of the verify stream, so what follows is posted. */
void s2s_questions_answered(struct s2s_pair *p, const struct xfed_s2s_question *asked, enum xfed_dialback_verdict verdict)
{
	struct s2s_question *q = p ? find_asked(p, asked) : NULL;
	if (q) {
		DL_DELETE(p->questions, q);
		p->asked--;
		p->unanswered += verdict == XFED_DIALBACK_VERDICT_TIMEOUT;
		settle(p->s2s, q, verdict);
		rt_post_schedule(&p->ask);
	}
}

void s2s_questions_fail(struct s2s_pair *p, bool was_open)
{
	struct s2s_question *q;
	while ((q = p->questions)) {
		DL_DELETE(p->questions, q);
		p->asked--;
		settle(p->s2s, q, XFED_DIALBACK_VERDICT_LOST);
	}
	while ((q = s2s_turns_take(&p->waiting))) {
		settle(p->s2s, q, xfed_dialback_verdict_of(was_open, false));
	}
}

/* A question that found no place on the verify stream in time is answered as busy before its asker times out: the partner may ask again. */
void s2s_questions_tick(struct s2s_pair *p, uint64_t now_ms)
{
	struct s2s_question *q;
	while (p->way.state == PAIR_READY && (q = s2s_turns_overdue(&p->waiting, now_ms))) {
		settle(p->s2s, q, XFED_DIALBACK_VERDICT_BUSY);
	}
}

/* ---- asking ---- */

/*
 * A stranger's question takes one of the strangers' places, whether it opens a stream of ours or joins one. An asker that has authenticated
 * needs none.
 */
static bool admit(const struct s2s_conn *asker, struct rt_source_hold *hold)
{
	return asker->is_established || s2s_admit_question(asker->s2s, asker, hold);
}

void s2s_questions_ask(const struct s2s_conn *asker, const struct xfed_s2s_question *asked)
{
	struct s2s *s = asker->s2s;
	struct s2s_question *q = question_new(asked);
	if (!q) {
		return; /* the stream that asked has a deadline of its own, and then answers remote-server-timeout */
	}
	struct xfed_span local = q->q.pair.target, remote = q->q.pair.sender;
	const struct xfed_partner *partner = s2s_partner(s, remote);
	struct s2s_pair *p = partner ? s2s_pair_find(s, local, remote, true) : NULL;
	struct rt_source_hold hold = { NULL, NULL, NULL };
	bool begins = !p || p->way.state == PAIR_IDLE;
	if (!partner || (p && begins && pair_waits(&p->way, core_now(s->core)))) {
		settle(s, q, XFED_DIALBACK_VERDICT_UNREACHABLE);
		return;
	}
	if (!admit(asker, &hold)) {
		settle(s, q, XFED_DIALBACK_VERDICT_BUSY);
		return;
	}
	p = p ? p : s2s_pair_new(s, local, remote, true);
	q->deadline_ms = core_now(s->core) + XFED_DIALBACK_PLACE_MS;
	if (!p || !s2s_turns_add(&p->waiting, rt_stream_peer(asker->d.stream), q)) {
		rt_sources_give_back(&hold);
		settle(s, q, XFED_DIALBACK_VERDICT_UNREACHABLE);
		return;
	}
	*(begins ? &p->asker : &q->place) = hold;
	if (begins) {
		snprintf(p->stranger, sizeof(p->stranger), "%s", asker->is_established ? "" : asker->address);
	}
	if (p->way.state == PAIR_READY) {
		rt_post_schedule(&p->ask);
	} else if (p->way.state == PAIR_IDLE) {
		s2s_pair_simple(p, PAIR_NEED);
	}
}

void s2s_questions_free(struct s2s_pair *p)
{
	struct s2s_question *q;
	while ((q = s2s_turns_take(&p->waiting))) {
		question_free(q);
	}
	while ((q = p->questions)) {
		DL_DELETE(p->questions, q);
		question_free(q);
	}
}

/* ---- as authoritative server ---- */

void s2s_questions_reply(struct s2s_conn *c, const struct xfed_dialback_elem *verify)
{
	struct s2s *s = c->s2s;
	struct xfed_dialback_authority authority = { .is_local = s2s_is_local(s, verify->to) };
	struct xfed_dialback_elem answer;
	if (s->policy) {
		authority.current = xfed_policy_dialback_current(s->policy);
		authority.previous = xfed_policy_dialback_previous(s->policy);
	}
	switch (xfed_dialback_authoritative(verify, &authority, &answer)) {
	case XFED_DIALBACK_ANSWER:
		c->has_served = true;
		if (xfed_dialback_print(&c->say, &answer) != XFED_OK) {
			s2s_conn_close(c, XFED_REASON_STREAM_INTERNAL, "dialback answer");
		}
		break;
	case XFED_DIALBACK_DROP:
		core_count_dropped(s->core, "dialback-unsolicited");
		break;
	case XFED_DIALBACK_IMPROPER:
		s2s_conn_close(c, XFED_REASON_STREAM_ADDRESS_IMPROPER, "db:verify");
		break;
	}
}
