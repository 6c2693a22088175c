/*
 * Streams of ours that authenticated by dialback after EXTERNAL had failed, though the partner's file allows EXTERNAL. That is logged once,
 * until EXTERNAL works again or fails for another reason. Such a stream is replaced, at a time when nothing is under way on it, once the
 * cause may be gone (a reload has brought other authorities, or another certificate of ours), or when an operator asks for it.
 */
#include "s2s/s2s_impl.h"

static enum xfed_reason reason_of(const struct s2s_pair *p, const struct xfed_s2s_info *info)
{
	bool is_external = info->is_authenticated && info->method == XFED_METHOD_EXTERNAL;
	return is_external ? XFED_REASON_NONE : p->way.avoided != XFED_REASON_NONE ? p->way.avoided : info->why_not_external;
}

static void tell(struct s2s_pair *p, const struct xfed_s2s_info *info, enum xfed_reason reason)
{
	const char *text = "the login by certificate has failed, and dialback was taken instead";
	struct xfed_s2s_action end = { .reason = reason, .side = xfed_reason_info(reason)->side };
	struct proto_failure f = { .direction = XFED__DIRECTION__DIRECTION_OUT,
		.local = p->local,
		.remote = p->remote,
		.reason = reason,
		.side = s2s_certs_side(p->s2s, info, &end),
		.text = text,
		.cert = info->is_secure && info->tls.peer ? xfed_cert_facts(info->tls.peer) : NULL };
	s2s_steps_of_stream(&p->steps, core_now(p->s2s->core), info, reason, text);
	rt_log(RT_LOG_WARNING, "s2s.fell-back", RT_KV_STR("partner", p->remote), RT_KV_STR("local", p->local), RT_KV_REASON_SIDE(reason, f.side),
		RT_KV_STR("text", text), RT_END);
	s2s_failure_send(p->s2s, &f, p->steps);
}

void s2s_fallback_opened(struct s2s_pair *p, const struct xfed_s2s_info *info)
{
	const struct s2s_standing *st = s2s_standing_of(p->s2s, p->local, p->remote);
	enum xfed_reason reason = reason_of(p, info);
	if (reason != XFED_REASON_NONE && (!st || st->why_not_external != reason)) {
		tell(p, info, reason);
	}
	s2s_standing_worked(p, reason);
	p->is_second_best = reason != XFED_REASON_NONE;
	p->renews = false;
}

static bool is_other(const struct xfed_cert *a, const struct xfed_cert *b)
{
	return b && (!a || strcmp(xfed_cert_facts(a)->sha256_hex, xfed_cert_facts(b)->sha256_hex) != 0);
}

void s2s_fallback_judge(struct s2s_conn *c, const struct xfed_s2s_info *info, const struct xfed_tls_creds *before)
{
	struct s2s_pair *p = c->pair;
	if (!p || !p->is_second_best || !c->is_established) {
		return;
	}
	enum xfed_reason reason = reason_of(p, info);
	bool is_of_ours = reason == XFED_REASON_SASL_EXTERNAL_REFUSED || reason == XFED_REASON_SASL_EXTERNAL_NOT_OFFERED;
	bool is_good_now = is_of_ours
				   ? before && is_other(xfed_tls_creds_proof(before, info->local), xfed_tls_creds_proof(c->s2s->creds, info->local))
				   : reason == info->why_not_external && info->is_secure && info->cert_reason == XFED_REASON_NONE;
	p->renews = p->renews || is_good_now;
}

int s2s_fallback_renew(struct s2s_pair *p)
{
	if (!p->is_second_best || p->way.state != PAIR_READY || pair_waiting(&p->way) > 0) {
		return XFED_OK;
	}
	p->renews = true;
	s2s_pair_simple(p, PAIR_DONE);
	p->renews = p->is_second_best = false;
	return s2s_pair_open(p->s2s, xfed_span_str(p->local), xfed_span_str(p->remote));
}
