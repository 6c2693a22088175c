#include "edge.h"

#define ALL_METHODS (XFED_METHOD_EXTERNAL | XFED_METHOD_DIALBACK_TLS | XFED_METHOD_DIALBACK_PLAIN)

void edge_decision_for(const struct edge *e, const struct xfed_partner *partner, struct xfed_s2s_decision *out)
{
	*out = (struct xfed_s2s_decision){
		.needs_tls = xfed_partner_needs_tls(partner),
		.methods = xfed_partner_methods(partner),
		.stanza_bytes = partner->stanza_bytes,
		.creds = partner->tls == XFED_NOT_SUPPORTED ? NULL : e->creds,
	};
}

static enum xfed_reason refuse_header(const struct edge_conn *c, const struct xfed_s2s_action *act, const struct xfed_partner **partner)
{
	const struct edge *e = c->edge;
	*partner = NULL;
	if (e->service != EDGE_IN_SERVICE || !e->policy) {
		return e->service == EDGE_DRAINING ? XFED_REASON_STREAM_CLOSED_DRAIN : XFED_REASON_CHANNEL_DOWN;
	}
	if (!xfed_policy_is_local(e->policy, act->to)) {
		return XFED_REASON_STREAM_TO_UNKNOWN;
	}
	if (!act->from.data) {
		return XFED_REASON_NONE; /* before TLS that is tolerated [A2-09]; inside it proves nothing */
	}
	*partner = xfed_policy_partner(e->policy, act->from);
	if (!*partner || xfed_policy_is_local(e->policy, act->from)) {
		return XFED_REASON_POLICY_PARTNER_UNLISTED;
	}
	/* Full of streams that proved themselves: told before the work is done. It is judged again when this one has. */
	if (act->is_secure && !c->tally && edge_tally_streams(e, (*partner)->domain) >= (*partner)->max_connections) {
		return XFED_REASON_POLICY_CONNECTIONS_EXCEEDED;
	}
	return XFED_REASON_NONE;
}

void edge_inbound_decide(struct edge_conn *c, const struct xfed_s2s_action *act, struct xfed_s2s_decision *out)
{
	const struct xfed_partner *partner;
	enum xfed_reason refuse = refuse_header(c, act, &partner);
	if (partner && refuse == XFED_REASON_NONE) {
		edge_decision_for(c->edge, partner, out);
		return;
	}
	*out = (struct xfed_s2s_decision){
		.refuse = refuse,
		.needs_tls = true,
		.methods = ALL_METHODS & ~XFED_METHOD_DIALBACK_PLAIN,
		.stanza_bytes = XFED_STANZA_BYTES_DEFAULT,
		.creds = c->edge->creds,
	};
}

/* The pair a key is for: judged when it comes, whatever the header said. */
void edge_inbound_pair(struct edge_conn *c, const struct xfed_s2s_action *act)
{
	struct edge *e = c->edge;
	const struct xfed_partner *partner = e->policy ? xfed_policy_partner(e->policy, act->from) : NULL;
	c->decision = (struct xfed_s2s_decision){ .refuse = XFED_REASON_NONE, .stanza_bytes = XFED_STANZA_BYTES_DEFAULT };
	c->pair_is_local = e->policy && xfed_policy_is_local(e->policy, act->to);
	if (e->service != EDGE_IN_SERVICE || !e->policy) {
		c->decision.refuse = XFED_REASON_CHANNEL_DOWN;
	} else if (!partner || xfed_policy_is_local(e->policy, act->from)) {
		c->decision.refuse = XFED_REASON_POLICY_PARTNER_UNLISTED;
	} else if (!c->tally && edge_tally_streams(e, partner->domain) >= partner->max_connections) {
		c->decision.refuse = XFED_REASON_POLICY_CONNECTIONS_EXCEEDED;
	} else {
		edge_decision_for(e, partner, &c->decision);
	}
}

bool edge_inbound_proved(struct edge_conn *c, const struct xfed_s2s_action *act)
{
	const struct edge *e = c->edge;
	const struct xfed_partner *partner = e->policy ? xfed_policy_partner(e->policy, act->from) : NULL;
	if (!partner || c->tally) {
		return true; /* unlisted meanwhile: its stanzas are judged one by one */
	}
	if (edge_tally_streams(e, partner->domain) >= partner->max_connections) {
		edge_conn_close(c, XFED_REASON_POLICY_CONNECTIONS_EXCEEDED, "");
		return false;
	}
	edge_tally_add(c, partner->domain);
	return true;
}

static unsigned kind_bit(enum xfed_stanza_kind k)
{
	switch (k) {
	case XFED_STANZA_MESSAGE:
		return XFED_KIND_MESSAGE;
	case XFED_STANZA_PRESENCE:
		return XFED_KIND_PRESENCE;
	case XFED_STANZA_IQ:
		return XFED_KIND_IQ;
	}
	return 0;
}

/* A reload judges streams by their own pair; others that ride on one are judged when they speak. */
static enum xfed_reason judge_pair(const struct edge *e, const struct xfed_partner *partner, const struct xfed_s2s_action *act)
{
	if (partner && !xfed_policy_is_local(e->policy, act->stanza.to.domain)) {
		return XFED_REASON_STREAM_TO_UNKNOWN;
	}
	return edge_policy_judge(partner, act->method);
}

bool edge_inbound_stanza(struct edge_conn *c, const struct xfed_s2s_action *act)
{
	const struct xfed_partner *partner = xfed_policy_partner(c->edge->policy, act->stanza.from.domain);
	enum xfed_reason gone = judge_pair(c->edge, partner, act);
	if (gone != XFED_REASON_NONE) {
		edge_conn_close(c, gone, "no longer allowed");
		return false;
	}
	if (!edge_rate_take(c->edge, partner)) {
		edge_refuse_stanza(c, act, XFED_REASON_POLICY_RATE_EXCEEDED);
		return true;
	}
	if (act->type == XFED_S2S_STANZA_REFUSED) {
		edge_refuse_users(c, act);
		return true;
	}
	if (!(partner->kinds & kind_bit(act->stanza.kind))) {
		edge_refuse_stanza(c, act, XFED_REASON_POLICY_KIND_FORBIDDEN);
		return true;
	}
	if (act->stanza.kind == XFED_STANZA_IQ) {
		edge_iq(c, act);
		return true;
	}
	return !edge_route_to_gateway(c, act);
}
