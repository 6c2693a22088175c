/* A budget of work for each address and network that has not authenticated, over all its connections. */
#include "s2s/s2s_impl.h"

static bool spend(struct s2s *s, struct rt_sources *of, const struct rt_addr *from, uint32_t cost)
{
	uint64_t now = core_now(s->core), count;
	enum rt_source_verdict v = rt_sources_spend(of, from, cost, now);
	if (v != RT_SOURCE_OK && rt_sources_is_news(of, from, v, now, &count)) {
		char text[RT_SOURCE_TEXT];
		rt_log(RT_LOG_WARNING, "s2s.work-exceeded", RT_KV_REASON(XFED_REASON_POLICY_WORK_EXCEEDED),
			RT_KV_STR("source", rt_source_text(from, v, text)), RT_KV_STR("work", of == &s->sources[S2S_HANDSHAKES] ? "tls" : NULL),
			RT_KV_U64("count", count), RT_END);
	}
	return v == RT_SOURCE_OK;
}

bool s2s_work_spend(struct s2s *s, const struct rt_addr *from, uint32_t cost)
{
	return spend(s, &s->sources[S2S_WORK], from, cost);
}

/* Handshakes have a budget of their own, so that a flood of elements keeps nobody else behind the same address from authenticating. */
bool s2s_work_handshake(struct s2s_conn *c)
{
	if (c->direction != XFED_S2S_IN || spend(c->s2s, &c->s2s->sources[S2S_HANDSHAKES], rt_stream_peer(c->d.stream), XFED_S2S_WORK_TLS)) {
		return true;
	}
	s2s_conn_close(c, XFED_REASON_POLICY_WORK_EXCEEDED, "too many TLS handshakes from one address or network");
	return false;
}

/* Charges CPU time beyond the flat price of a handshake: the peer chose the key, which may be costly. */
void s2s_work_job(struct s2s_conn *c)
{
	struct s2s *s = c->s2s;
	uint64_t units = c->d.job_cpu_us / XFED_S2S_WORK_UNIT_US;
	if (c->d.is_closed || c->direction != XFED_S2S_IN || units <= c->charged_job) {
		return;
	}
	uint32_t cost = (uint32_t)(units - c->charged_job);
	c->charged_job = units;
	if (!spend(s, &s->sources[S2S_HANDSHAKES], rt_stream_peer(c->d.stream), cost)) {
		s2s_conn_close(c, XFED_REASON_POLICY_WORK_EXCEEDED, "too many TLS handshakes from one address or network");
	}
}

/* The limit per stream is the conductor's (libxfed/s2s). What an authentication costs is not counted: partners may reconnect by the hundred. */
void s2s_work_charge(struct s2s_conn *c)
{
	struct s2s *s = c->s2s;
	uint64_t work = c->direction == XFED_S2S_IN && !c->d.is_closed ? xfed_s2s_unproved_work(c->d.machine) : c->charged_work;
	if (work <= c->charged_work) {
		return;
	}
	uint32_t cost = (uint32_t)(work - c->charged_work);
	c->charged_work = work;
	if (!s2s_work_spend(s, rt_stream_peer(c->d.stream), cost)) {
		s2s_conn_close(c, XFED_REASON_POLICY_WORK_EXCEEDED, "too much work for one address or network before authentication");
	}
}
