/*
 * Where partners' DNS may lead us. Listeners need no look of their own: an address this host can be reached at is one of an
 * interface. What a router in front of us translates to our address is not known here.
 */
#include "edge.h"

void edge_reach_forget(struct edge *e)
{
	e->reach.read_at_ms = 0;
}

const char *edge_reach_refuses(struct edge *e, const struct rt_addr *a)
{
	const struct edge_config *c = e->config;
	uint64_t now = rt_loop_now_ms(e->loop);
	bool is_due = e->reach.read_at_ms == 0 || now - e->reach.read_at_ms >= RT_REACH_REFRESH_MS;
	if (is_due && rt_reach_read(&e->reach, now) != XFED_OK) {
		rt_log(RT_LOG_WARNING, "addresses.unreadable", RT_KV_U64("known", e->reach.own_count),
			RT_KV_STR("text", "the addresses of this host cannot be read: partners' DNS may lead to one that is new"), RT_END);
	}
	return rt_reach_refuses(&e->reach, c->external.networks, c->external.allow_networks.count, a);
}
