/* What strangers may have us do: a budget by address and network, over all their connections. */
#include "edge.h"

static const struct rt_source_limits limits = {
	.budget_address = XFED_S2S_WORK_ADDRESS, .budget_network = XFED_S2S_WORK_NETWORK, .refill_ms = XFED_S2S_WORK_FULL_MS
};

void edge_work_init(struct edge *e)
{
	rt_sources_init(&e->work, &limits);
}

bool edge_work_spend(struct edge *e, const struct rt_addr *from, uint32_t cost)
{
	uint64_t now = rt_loop_now_ms(e->loop), count;
	enum rt_source_verdict v = rt_sources_spend(&e->work, from, cost, now);
	if (v != RT_SOURCE_OK && rt_sources_is_news(&e->work, from, v, now, &count)) {
		char text[RT_SOURCE_TEXT];
		rt_log(RT_LOG_WARNING, "s2s.work-exceeded", RT_KV_REASON(XFED_REASON_POLICY_WORK_EXCEEDED),
			RT_KV_STR("source", rt_source_text(from, v, text)), RT_KV_U64("count", count), RT_END);
	}
	return v == RT_SOURCE_OK;
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
