/* Dialback beyond one stream: keys that came in are asked about elsewhere; as authoritative server we answer by the secret. */
#include "s2s/s2s_impl.h"

#include <utlist.h>

void s2s_verify_ask(struct s2s_conn *c, const struct xfed_s2s_question *asked)
{
	struct s2s_question *q = s2s_question_new(asked);
	if (q) {
		s2s_questions_ask(c, q);
	} /* else: the machine that asked has a deadline of its own and answers remote-server-timeout */
}

/* ---- verdicts go back as events of their own ---- */

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
			driver_event(&c->d, &ev);
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
