/* Dialback beyond one stream: keys that came in are asked about elsewhere; as authoritative server we answer by the secret. */
#include "edge.h"

#include <utlist.h>

#include "xfed/mem.h"

static struct xfed_span keep(char **at, struct xfed_span s)
{
	char *p = *at;
	if (!s.data) {
		return s;
	}
	memcpy(p, s.data, s.len);
	p[s.len] = '\0';
	*at += s.len + 1;
	return xfed_span_make(p, s.len);
}

struct edge_question *edge_question_new(const struct xfed_s2s_question *q)
{
	const struct xfed_dialback_pair *p = &q->pair;
	size_t len = p->sender.len + p->target.len + p->sender_raw.len + p->target_raw.len + q->key.len + q->stream_id.len + 6;
	struct edge_question *out = xfed_malloc(sizeof(*out) + len);
	if (!out) {
		return NULL;
	}
	char *at = (char *)(out + 1);
	*out = (struct edge_question){ .q = *q };
	out->q.pair = (struct xfed_dialback_pair){ .sender = keep(&at, p->sender),
		.target = keep(&at, p->target),
		.sender_raw = keep(&at, p->sender_raw),
		.target_raw = keep(&at, p->target_raw) };
	out->q.key = keep(&at, q->key);
	out->q.stream_id = keep(&at, q->stream_id);
	return out;
}

void edge_question_free(struct edge_question *q)
{
	rt_sources_give_back(&q->place);
	xfed_free(q);
}

void edge_verify_ask(struct edge_conn *c, const struct xfed_s2s_question *asked)
{
	struct edge_question *q = edge_question_new(asked);
	if (q) {
		edge_pair_ask(c, q);
	} /* else: the machine that asked has a deadline of its own and answers remote-server-timeout */
}

/* ---- verdicts go back as events of their own ---- */

void edge_verify_settle(struct edge *e, struct edge_question *q, enum xfed_dialback_verdict verdict)
{
	q->verdict = verdict;
	rt_sources_give_back(&q->place);
	DL_APPEND(e->verdicts, q);
	rt_post_schedule(&e->tell_verdicts);
}

void edge_verify_tell(void *arg)
{
	struct edge *e = arg;
	while (e->verdicts) {
		struct edge_question *q = e->verdicts;
		DL_DELETE(e->verdicts, q);
		struct edge_conn *c = edge_conn_find(e, q->q.origin);
		if (q->verdict != XFED_DIALBACK_VERDICT_VALID) {
			rt_log(RT_LOG_WARNING, "dialback.verdict", RT_KV("partner", q->q.pair.sender), RT_KV("local", q->q.pair.target),
				RT_KV_STR("verdict", xfed_dialback_verdict_word(q->verdict)), RT_KV_U64("conn", q->q.origin), RT_END);
		}
		if (c) {
			struct xfed_s2s_event ev = { .type = XFED_S2S_VERDICT, .question = q->q, .verdict = q->verdict };
			edge_conn_event(c, &ev);
		}
		edge_question_free(q);
	}
}

void edge_verify_free(struct edge *e)
{
	while (e->verdicts) {
		struct edge_question *q = e->verdicts;
		DL_DELETE(e->verdicts, q);
		edge_question_free(q);
	}
}

/* ---- authoritative ---- */

static bool is_local(void *user, struct xfed_span domain)
{
	const struct edge *e = user;
	return e->policy && xfed_policy_is_local(e->policy, domain);
}

void edge_verify_answer(struct edge_conn *c, const struct xfed_dialback_elem *verify)
{
	struct edge *e = c->edge;
	struct xfed_dialback_authority authority = { .is_local = is_local, .user = e };
	struct xfed_dialback_elem answer;
	if (e->policy) {
		authority.current = xfed_policy_dialback_current(e->policy);
		authority.previous = xfed_policy_dialback_previous(e->policy);
	}
	switch (xfed_dialback_authoritative(verify, &authority, &answer)) {
	case XFED_DIALBACK_ANSWER:
		c->has_served = true;
		if (xfed_dialback_print(&c->say, &answer) != XFED_OK) {
			edge_conn_close(c, XFED_REASON_STREAM_INTERNAL, "dialback answer");
		}
		break;
	case XFED_DIALBACK_DROP:
		core_count_dropped(&e->core, "dialback-unsolicited");
		break;
	case XFED_DIALBACK_IMPROPER:
		edge_conn_close(c, XFED_REASON_STREAM_ADDRESS_IMPROPER, "db:verify");
		break;
	}
}
