/*
 * Who may take a place while it has proved nothing: the places are shared by address and by network, and each direction keeps a
 * part of all streams that the other cannot have.
 */
#include "edge.h"

#include "xfed/rt/room.h"

void edge_admission_configure(struct edge *e)
{
	const struct edge_config *c = e->config;
	struct rt_source_limits callers = rt_source_slots(c->limits.unauthenticated, c->limits.address_share, c->limits.network_share);
	/* The inside is often one network, gateways and all. */
	struct rt_source_limits links = rt_source_slots(XFED_CHANNEL_UNAUTH_MAX, XFED_SHARE_ADDRESS_PERCENT, 100);
	rt_sources_limit(&e->callers, &callers);
	rt_sources_limit(&e->questioners, &callers);
	rt_sources_limit(&e->linkers, &links);
}

void edge_admission_tick(struct edge *e, uint64_t now_ms)
{
	rt_sources_tick(&e->callers, now_ms);
	rt_sources_tick(&e->questioners, now_ms);
	rt_sources_tick(&e->linkers, now_ms);
}

void edge_admission_free(struct edge *e)
{
	rt_sources_deinit(&e->callers);
	rt_sources_deinit(&e->questioners);
	rt_sources_deinit(&e->linkers);
}

/* Questions of dialback have places of their own: strangers cause them. */
static bool has_room(const struct edge *e, size_t of_this_direction)
{
	return rt_has_room(e->config->limits.connections, e->conn_count - e->asking, of_this_direction);
}

bool edge_admit_dial(const struct edge *e)
{
	return has_room(e, e->conn_count - e->incoming - e->asking);
}

bool edge_admit_partner(struct edge *e, struct rt_stream *s)
{
	struct rt_source_refusal r = { .event = "s2s.refused", .address = rt_stream_peer(s) };
	if (!has_room(e, e->incoming)) {
		r.limit = "connections";
		r.reason = XFED_REASON_POLICY_CONNECTIONS_EXCEEDED;
		r.verdict = RT_SOURCE_TOTAL;
	} else {
		r.limit = "unauthenticated";
		r.reason = XFED_REASON_POLICY_UNPROVED_EXCEEDED;
		r.verdict = rt_sources_take(&e->callers, r.address, rt_stream_place(s));
	}
	if (r.verdict == RT_SOURCE_OK) {
		return true;
	}
	rt_sources_log(&e->callers, &r, rt_loop_now_ms(e->loop));
	edge_report_refusal(e, r.reason, xfed_reason_info(r.reason)->side);
	return false;
}

bool edge_admit_question(struct edge *e, const struct edge_conn *asker, struct rt_source_hold *hold)
{
	struct rt_source_refusal r = { .event = "dialback.refused", .limit = "unauthenticated", .address = rt_stream_peer(asker->stream),
		.reason = XFED_REASON_POLICY_UNPROVED_EXCEEDED };
	r.verdict = rt_sources_take(&e->questioners, r.address, hold);
	if (r.verdict != RT_SOURCE_OK) {
		rt_sources_log(&e->questioners, &r, rt_loop_now_ms(e->loop));
	}
	return r.verdict == RT_SOURCE_OK;
}
