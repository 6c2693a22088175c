/* Dialback beyond one stream: keys that came in are asked about elsewhere; as authoritative server we answer by the secret. */
#include "s2s/s2s_impl.h"

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

struct s2s_question *s2s_question_new(const struct xfed_s2s_question *q)
{
	const struct xfed_dialback_pair *p = &q->pair;
	size_t len = p->sender.len + p->target.len + p->sender_raw.len + p->target_raw.len + q->key.len + q->stream_id.len + 6;
	struct s2s_question *out = xfed_malloc(sizeof(*out) + len);
	if (!out) {
		return NULL;
	}
	char *at = (char *)(out + 1);
	*out = (struct s2s_question){ .q = *q };
	out->q.pair = (struct xfed_dialback_pair){ .sender = keep(&at, p->sender),
		.target = keep(&at, p->target),
		.sender_raw = keep(&at, p->sender_raw),
		.target_raw = keep(&at, p->target_raw) };
	out->q.key = keep(&at, q->key);
	out->q.stream_id = keep(&at, q->stream_id);
	return out;
}

void s2s_question_free(struct s2s_question *q)
{
	rt_sources_give_back(&q->place);
	xfed_free(q);
}

void s2s_verify_ask(struct s2s_conn *c, const struct xfed_s2s_question *asked)
{
	struct s2s_question *q = s2s_question_new(asked);
	if (q) {
		s2s_pair_ask(c, q);
	} /* else: the machine that asked has a deadline of its own and answers remote-server-timeout */
}

/* ---- verdicts go back as events of their own ---- */

void s2s_verify_settle(struct s2s *s, struct s2s_question *q, enum xfed_dialback_verdict verdict)
{
	q->verdict = verdict;
	rt_sources_give_back(&q->place);
	DL_APPEND(s->verdicts, q);
	rt_post_schedule(&s->tell_verdicts);
}

void s2s_verify_tell(void *arg)
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
			s2s_conn_event(c, &ev);
		}
		s2s_question_free(q);
	}
}

void s2s_verify_free(struct s2s *s)
{
	while (s->verdicts) {
		struct s2s_question *q = s->verdicts;
		DL_DELETE(s->verdicts, q);
		s2s_question_free(q);
	}
}

/* ---- authoritative ---- */

static bool is_local(void *user, struct xfed_span domain)
{
	return s2s_is_local(user, domain);
}

void s2s_verify_answer(struct s2s_conn *c, const struct xfed_dialback_elem *verify)
{
	struct s2s *s = c->s2s;
	struct xfed_dialback_authority authority = { .is_local = is_local, .user = s };
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
