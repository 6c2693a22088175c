#include "s2s/s2s_impl.h"

#define ALL_METHODS (XFED_METHOD_EXTERNAL | XFED_METHOD_DIALBACK_TLS | XFED_METHOD_DIALBACK_PLAIN)

void s2s_decision_for(const struct s2s *s, const struct xfed_partner *partner, struct xfed_s2s_decision *out)
{
	*out = (struct xfed_s2s_decision){
		.needs_tls = xfed_partner_needs_tls(partner),
		.methods = xfed_partner_methods(partner),
		.stanza_bytes = partner->stanza_bytes,
		.is_quiet = !partner->keepalive,
		.creds = partner->tls == XFED_NOT_SUPPORTED ? NULL : s->creds,
	};
}

/* The partner already has as many streams as it may, and this one does not count among them yet. */
static bool is_full(const struct s2s_conn *c, const struct xfed_partner *partner)
{
	const struct s2s_tally *t = c->tally ? NULL : s2s_tally_find(c->s2s, partner->domain);
	return t && t->streams >= partner->max_connections;
}

static enum xfed_reason refuse_header(const struct s2s_conn *c, const struct xfed_s2s_action *act, const struct xfed_partner **partner)
{
	const struct s2s *s = c->s2s;
	*partner = NULL;
	if (s->why_not != XFED_REASON_NONE || !s->policy) {
		return s->why_not != XFED_REASON_NONE ? s->why_not : XFED_REASON_CHANNEL_DOWN;
	}
	if (!xfed_policy_is_local(s->policy, act->to)) {
		return XFED_REASON_STREAM_TO_UNKNOWN;
	}
	if (!act->from.data) {
		return XFED_REASON_NONE; /* a false name is tolerated before TLS [A2-09]; inside TLS it authenticates nothing */
	}
	*partner = xfed_policy_partner(s->policy, act->from);
	if (!*partner) {
		return s2s_why_not(s, act->from);
	}
	/*
	 * Where the partner has all its authenticated streams, it is refused here, before the work of authentication. s2s_inbound_proved() judges
	 * it again.
	 */
	if (act->is_secure && is_full(c, *partner)) {
		return XFED_REASON_POLICY_CONNECTIONS_EXCEEDED;
	}
	return XFED_REASON_NONE;
}

void s2s_inbound_decide(struct s2s_conn *c, const struct xfed_s2s_action *act, struct xfed_s2s_decision *out)
{
	const struct xfed_partner *partner;
	enum xfed_reason refuse = refuse_header(c, act, &partner);
	if (partner && refuse == XFED_REASON_NONE) {
		s2s_decision_for(c->s2s, partner, out);
		return;
	}
	*out = (struct xfed_s2s_decision){
		.refuse = refuse,
		.needs_tls = true,
		.methods = ALL_METHODS & ~XFED_METHOD_DIALBACK_PLAIN,
		.stanza_bytes = XFED_STANZA_BYTES_DEFAULT,
		.creds = c->s2s->creds,
	};
}

/* The pair of domains that a dialback key is for is judged when the key comes, whatever the stream header named. */
void s2s_inbound_pair(struct s2s_conn *c, const struct xfed_s2s_action *act)
{
	struct s2s *s = c->s2s;
	const struct xfed_partner *partner = s2s_partner(s, act->from);
	c->decision = (struct xfed_s2s_decision){ .refuse = XFED_REASON_NONE, .stanza_bytes = XFED_STANZA_BYTES_DEFAULT };
	c->pair_is_local = s2s_is_local(s, act->to);
	if (s->why_not != XFED_REASON_NONE || !s->policy) {
		c->decision.refuse = XFED_REASON_CHANNEL_DOWN;
	} else if (!partner) {
		c->decision.refuse = s2s_why_not(s, act->from);
	} else if (is_full(c, partner)) {
		c->decision.refuse = XFED_REASON_POLICY_CONNECTIONS_EXCEEDED;
	} else {
		s2s_decision_for(s, partner, &c->decision);
	}
}

bool s2s_inbound_proved(struct s2s_conn *c, const struct xfed_s2s_action *act)
{
	const struct xfed_partner *partner = s2s_partner(c->s2s, act->from);
	if (!partner || c->tally) {
		return true; /* no longer listed: its stanzas are judged one by one */
	}
	if (is_full(c, partner)) {
		s2s_conn_close(c, XFED_REASON_POLICY_CONNECTIONS_EXCEEDED, "");
		return false;
	}
	c->tally = s2s_tally_of(c->s2s, partner->domain);
	if (c->tally) {
		c->tally->streams++;
	}
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

/*
 * Whether the stanza is within the partner's rate. Queries over it are refused at once. Errors pass, since somebody waits for them; a flood
 * of errors is delayed like messages.
 */
static bool is_in_rate(struct s2s *s, const struct xfed_partner *partner, struct s2s_incoming *in)
{
	const struct xfed_stanza *st = &in->act->stanza;
	bool is_answered = in->act->type == XFED_S2S_STANZA_REFUSED || st->kind == XFED_STANZA_IQ;
	if ((is_answered || st->type == XFED_TYPE_ERROR) && s2s_tally_answered(s, partner)) {
		return true;
	}
	return !is_answered && s2s_tally_stanza(s, partner, &in->not_before_ms);
}

bool s2s_inbound_stanza(struct s2s_conn *c, const struct xfed_s2s_action *act)
{
	const struct xfed_partner *partner = xfed_policy_partner(c->s2s->policy, act->stanza.from.domain);
	/* A reload judges a stream by its first pair; further pairs on it are judged here, when they send something. */
	enum xfed_reason gone = s2s_policy_judge(c->s2s, partner, act->stanza.from.domain, act->stanza.to.domain, act->method);
	if (gone != XFED_REASON_NONE) {
		s2s_conn_close(c, gone, "no longer allowed");
		return false;
	}
	struct s2s_incoming in = { .conn = c, .stream = c->id, .ordinal = c->stanzas_in, .act = act };
	if (!is_in_rate(c->s2s, partner, &in)) {
		s2s_refuse_stanza(c, act, XFED_REASON_POLICY_RATE_EXCEEDED);
		return true;
	}
	if (act->type == XFED_S2S_STANZA_REFUSED) {
		s2s_refuse_users(c, act);
		return true;
	}
	if (!(partner->kinds & kind_bit(act->stanza.kind))) {
		s2s_refuse_stanza(c, act, XFED_REASON_POLICY_KIND_FORBIDDEN);
		return true;
	}
	if (act->stanza.kind == XFED_STANZA_IQ) {
		s2s_iq(c, act);
		return true;
	}
	struct s2s *s = c->s2s;
	return !s->user->stanza(s->user_data, &in);
}
