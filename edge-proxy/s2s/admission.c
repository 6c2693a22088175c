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

/* What one direction may have at most of limits.connections: the rest is the other's. */
static size_t part_of_one(const struct edge *e)
{
	size_t all = e->config->limits.connections;
	return all - all * XFED_CONNECTIONS_RESERVE_PERCENT / 100;
}

/* Questions of dialback have places of their own: strangers cause them. */
static bool has_room(const struct edge *e, size_t of_this_direction)
{
	return rt_has_room(e->config->limits.connections, e->conn_count - e->asking, of_this_direction);
}

static bool refuse_dial(struct edge_pair *p, size_t most, const char *what)
{
	snprintf(p->text, sizeof(p->text), "%zu streams of ours %s, more are not opened", most, what);
	return false;
}

/*
 * The names a partner answers to, and what it asks from them, have us open streams: it has a share of them. Those for answers alone
 * leave room for what users write, however many partners ask.
 */
bool edge_admit_dial(struct edge_pair *p, const struct xfed_partner *partner, enum xfed_side *side)
{
	struct edge *e = p->edge;
	size_t part = part_of_one(e), share = rt_source_share(part, XFED_DIALLED_PARTNER_PERCENT),
	       answers = rt_source_share(part, XFED_DIALLED_ANSWERS_PERCENT);
	*side = XFED_SIDE_PARTNER;
	if (edge_tally_dialled(e, partner->domain) >= share) {
		return refuse_dial(p, share, "go to this partner, its share of limits.connections");
	}
	if (!p->is_for_users && e->answering >= answers) {
		return refuse_dial(p, answers, "carry answers alone, their share of limits.connections");
	}
	if (!has_room(e, e->dialled)) {
		*side = XFED_SIDE_OPERATOR;
		return refuse_dial(p, e->dialled, "are open, the edge's limits.connections");
	}
	p->dialled = edge_tally_dial(e, partner->domain);
	p->has_place = true;
	e->dialled++;
	e->answering += !p->is_for_users;
	return true;
}

void edge_dial_for_users(struct edge_pair *p)
{
	p->edge->answering -= p->has_place && !p->is_for_users;
	p->is_for_users = true;
}

void edge_dial_over(struct edge_pair *p)
{
	if (p->has_place) {
		p->edge->dialled--;
		p->edge->answering -= !p->is_for_users;
		edge_tally_hang_up(p->edge, p->dialled);
		p->dialled = NULL;
		p->has_place = false;
	}
	p->is_for_users = false;
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
	rt_sources_log(&e->callers, &r, rt_loop_now_ms(e->core.d.loop));
	core_count_refusal(&e->core, r.reason, xfed_reason_info(r.reason)->side);
	return false;
}

bool edge_admit_question(struct edge *e, const struct edge_conn *asker, struct rt_source_hold *hold)
{
	struct rt_source_refusal r = { .event = "dialback.refused",
		.limit = "unauthenticated",
		.address = rt_stream_peer(asker->stream),
		.reason = XFED_REASON_POLICY_UNPROVED_EXCEEDED };
	r.verdict = rt_sources_take(&e->questioners, r.address, hold);
	if (r.verdict != RT_SOURCE_OK) {
		rt_sources_log(&e->questioners, &r, rt_loop_now_ms(e->core.d.loop));
	}
	return r.verdict == RT_SOURCE_OK;
}
