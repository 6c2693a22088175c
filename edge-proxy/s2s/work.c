/* What strangers may have us do: a budget by address and network, over all their connections. */
#include "edge.h"

/* The shares of the places are those of the work as well: where all come through one proxy, its address has the whole. */
void edge_work_configure(struct edge *e)
{
	const struct edge_config *c = e->config;
	struct rt_source_limits l = { .refill_ms = XFED_S2S_WORK_FULL_MS,
		.budget_address = (uint32_t)rt_source_share(XFED_S2S_WORK_TOTAL, c->limits.address_share),
		.budget_network = (uint32_t)rt_source_share(XFED_S2S_WORK_TOTAL, c->limits.network_share) };
	rt_sources_limit(&e->work, &l);
	rt_sources_limit(&e->handshakes, &l);
}

void edge_work_free(struct edge *e)
{
	rt_sources_deinit(&e->work);
	rt_sources_deinit(&e->handshakes);
}

void edge_work_tick(struct edge *e, uint64_t now_ms)
{
	rt_sources_tick(&e->work, now_ms);
	rt_sources_tick(&e->handshakes, now_ms);
}

static bool spend(struct edge *e, struct rt_sources *of, const struct rt_addr *from, uint32_t cost)
{
	uint64_t now = rt_loop_now_ms(e->core.d.loop), count;
	enum rt_source_verdict v = rt_sources_spend(of, from, cost, now);
	if (v != RT_SOURCE_OK && rt_sources_is_news(of, from, v, now, &count)) {
		char text[RT_SOURCE_TEXT];
		rt_log(RT_LOG_WARNING, "s2s.work-exceeded", RT_KV_REASON(XFED_REASON_POLICY_WORK_EXCEEDED),
			RT_KV_STR("source", rt_source_text(from, v, text)), RT_KV_STR("work", of == &e->handshakes ? "tls" : NULL),
			RT_KV_U64("count", count), RT_END);
	}
	return v == RT_SOURCE_OK;
}

bool edge_work_spend(struct edge *e, const struct rt_addr *from, uint32_t cost)
{
	return spend(e, &e->work, from, cost);
}

/* Apart from the rest, so that who floods with elements keeps nobody of his address from logging in. */
bool edge_work_handshake(struct edge_conn *c)
{
	if (c->direction != XFED_S2S_IN || spend(c->edge, &c->edge->handshakes, rt_stream_peer(c->stream), XFED_S2S_WORK_TLS)) {
		return true;
	}
	edge_conn_close(c, XFED_REASON_POLICY_WORK_EXCEEDED, "TLS handshakes of one address");
	return false;
}

/* What it took beyond its price. The peer chose the key that was worked with. */
void edge_work_job(struct edge_conn *c)
{
	struct edge *e = c->edge;
	uint64_t units = c->job_cpu_us / XFED_S2S_WORK_UNIT_US;
	if (c->is_closed || c->direction != XFED_S2S_IN || units <= c->charged_job) {
		return;
	}
	uint32_t cost = (uint32_t)(units - c->charged_job);
	c->charged_job = units;
	if (!spend(e, &e->handshakes, rt_stream_peer(c->stream), cost)) {
		edge_conn_close(c, XFED_REASON_POLICY_WORK_EXCEEDED, "TLS handshakes of one address");
	}
}

/* That of one stream is the conductor's. What a login takes is not counted: partners may come back by the hundred. */
void edge_work_charge(struct edge_conn *c)
{
	struct edge *e = c->edge;
	uint64_t work = c->direction == XFED_S2S_IN && !c->is_closed ? xfed_s2s_unproved_work(c->s2s) : c->charged_work;
	if (work <= c->charged_work) {
		return;
	}
	uint32_t cost = (uint32_t)(work - c->charged_work);
	c->charged_work = work;
	if (!edge_work_spend(e, rt_stream_peer(c->stream), cost)) {
		edge_conn_close(c, XFED_REASON_POLICY_WORK_EXCEEDED, "of one address, before anything was proved");
	}
}
