/*
 * Places for connections that have not authenticated yet: they are shared out by address and by network, and each direction has a part of
 * all streams that the other direction cannot use.
 */
#include "s2s/s2s_impl.h"

#include "xfed/rt/reserve.h"

/* The budgets of work are shared out by the same limits: where all partners come through one proxy, its address has the whole. */
void s2s_shares_configure(struct s2s *s)
{
	const struct edge_config *c = s->config;
	struct rt_source_limits places = rt_source_slots(c->limits.unauthenticated, c->limits.address_share, c->limits.network_share);
	struct rt_source_limits work = { .refill_ms = XFED_S2S_WORK_FULL_MS,
		.budget_address = (uint32_t)rt_source_share(XFED_S2S_WORK_TOTAL, c->limits.address_share),
		.budget_network = (uint32_t)rt_source_share(XFED_S2S_WORK_TOTAL, c->limits.network_share) };
	rt_sources_limit(&s->sources[S2S_CALLERS], &places);
	rt_sources_limit(&s->sources[S2S_QUESTIONERS], &places);
	rt_sources_limit(&s->sources[S2S_WORK], &work);
	rt_sources_limit(&s->sources[S2S_HANDSHAKES], &work);
}

/* What one direction may have of limits.connections; the rest is reserved for the other. */
static size_t part_of_one(const struct s2s *s)
{
	size_t all = s->config->limits.connections;
	return all - all * XFED_CONNECTIONS_RESERVE_PERCENT / 100;
}

/* Streams for dialback questions have places of their own, since strangers can cause them. */
static bool has_room(const struct s2s *s, size_t of_this_direction)
{
	return rt_reserve_allows(s->config->limits.connections, s->conn_count - s->asking, of_this_direction);
}

static bool refuse_dial(struct s2s_pair *p, size_t most, const char *what)
{
	snprintf(p->text, sizeof(p->text), "%zu streams of ours %s, more are not opened", most, what);
	return false;
}

/*
 * A partner can cause streams of ours by the many names it may have and by what it asks from them, so its share of them is limited. Streams
 * for answers alone have a limit too, so that partners' queries leave room for stanzas of users.
 */
bool s2s_admit_dial(struct s2s_pair *p, const struct xfed_partner *partner, enum xfed_side *side)
{
	struct s2s *s = p->s2s;
	size_t part = part_of_one(s), share = rt_source_share(part, XFED_DIALLED_PARTNER_PERCENT),
	       answers = rt_source_share(part, XFED_DIALLED_ANSWERS_PERCENT);
	struct s2s_tally *t = s2s_tally_of(s, partner->domain);
	*side = XFED_SIDE_PARTNER;
	if (t && t->dialled >= share) {
		return refuse_dial(p, share, "go to this partner, its share of limits.connections");
	}
	if (!p->way.is_for_users && s->answering >= answers) {
		return refuse_dial(p, answers, "carry answers alone, their share of limits.connections");
	}
	if (!has_room(s, s->dialled)) {
		*side = XFED_SIDE_OPERATOR;
		return refuse_dial(p, s->dialled, "are open, the edge's limits.connections");
	}
	p->dialled = t;
	if (t) {
		t->dialled++;
	}
	p->has_place = true;
	s->dialled++;
	p->is_answering = !p->way.is_for_users;
	s->answering += p->is_answering;
	return true;
}

void s2s_dial_use(struct s2s_pair *p)
{
	if (p->is_answering && p->way.is_for_users) {
		p->s2s->answering--;
		p->is_answering = false;
	}
}

void s2s_dial_over(struct s2s_pair *p)
{
	if (p->has_place) {
		p->s2s->dialled--;
		p->s2s->answering -= p->is_answering;
		if (p->dialled) {
			p->dialled->dialled--;
			p->dialled = NULL;
		}
		p->has_place = p->is_answering = false;
	}
}

bool s2s_admit_partner(struct s2s *s, struct rt_stream *stream)
{
	struct rt_source_refusal r = { .event = "s2s.refused", .address = rt_stream_peer(stream) };
	if (!has_room(s, s->incoming)) {
		r.limit = "connections";
		r.reason = XFED_REASON_POLICY_CONNECTIONS_EXCEEDED;
		r.verdict = RT_SOURCE_TOTAL;
	} else {
		r.limit = "unauthenticated";
		r.reason = XFED_REASON_POLICY_UNPROVED_EXCEEDED;
		r.verdict = rt_sources_take(&s->sources[S2S_CALLERS], r.address, rt_stream_place(stream));
	}
	return core_has_place(s->core, &s->sources[S2S_CALLERS], &r, xfed_reason_info(r.reason)->side);
}

bool s2s_admit_question(struct s2s *s, const struct s2s_conn *asker, struct rt_source_hold *hold)
{
	struct rt_source_refusal r = { .event = "dialback.refused",
		.limit = "unauthenticated",
		.address = rt_stream_peer(asker->d.stream),
		.reason = XFED_REASON_POLICY_UNPROVED_EXCEEDED };
	r.verdict = rt_sources_take(&s->sources[S2S_QUESTIONERS], r.address, hold);
	if (r.verdict != RT_SOURCE_OK) {
		rt_sources_log(&s->sources[S2S_QUESTIONERS], &r, core_now(s->core));
	}
	return r.verdict == RT_SOURCE_OK;
}
