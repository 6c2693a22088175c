/*
 * The certificates of live streams are judged again when trust or revocation lists were reloaded, when a certificate expires, and from time
 * to time, because CA certificates expire and revocation lists age too. A stream whose certificate is no longer valid is closed with the
 * certificate's reason, if the certificate proved it: by EXTERNAL, or by standing in for verifying a dialback key [A8-18].
 */
#include "s2s/s2s_impl.h"

#include "xfed/rt/control.h"

/* Also judged when the stream is authenticated, because trust may have been reloaded since the handshake began. */
bool s2s_certs_hold(struct s2s_conn *c, const struct xfed_tls_creds *before)
{
	struct s2s *s = c->s2s;
	int64_t due_s;
	if (c->d.is_closed || !c->d.machine) {
		return false;
	}
	enum xfed_reason reason = xfed_s2s_judge_again(c->d.machine, s->creds, core_wall_s(s->core), &due_s);
	s->certs_due_s = due_s < s->certs_due_s ? due_s : s->certs_due_s;
	struct xfed_s2s_info info;
	xfed_s2s_info(c->d.machine, &info);
	s2s_trust_note(s, &info);
	s2s_fallback_judge(c, &info, before);
	if (reason != XFED_REASON_NONE) {
		s2s_conn_close(c, reason, "the certificate was judged again");
	}
	return reason == XFED_REASON_NONE;
}

void s2s_certs_judge(struct s2s *s, const struct xfed_tls_creds *before)
{
	struct s2s_conn *c, *next;
	s->certs_due_s = INT64_MAX;
	HASH_ITER(hh, s->conns, c, next) {
		s2s_certs_hold(c, before);
	}
}

enum xfed_side s2s_certs_side(const struct s2s *s, const struct xfed_s2s_info *info, const struct xfed_s2s_action *act)
{
	bool is_of_ours = act->reason == XFED_REASON_SASL_EXTERNAL_REFUSED || act->reason == XFED_REASON_SASL_EXTERNAL_NOT_OFFERED;
	const struct xfed_cert *ours = is_of_ours ? xfed_tls_creds_proof(s->creds, info->local) : NULL;
	bool is_good = ours && rt_cert_problem(ours, core_wall_s(s->core)) == XFED_REASON_NONE;
	return is_of_ours && !is_good ? XFED_SIDE_OPERATOR : act->side;
}

void s2s_certs_name_ours(struct s2s *s)
{
	bool is_old = s->unnamed != NULL;
	s->unnamed = NULL;
	s->unnamed_more = 0;
	for (size_t i = 0; s->policy && i < xfed_policy_local_count(s->policy); i++) {
		const char *domain = xfed_policy_local_at(s->policy, i);
		if (!xfed_tls_creds_proof(s->creds, xfed_span_str(domain))) {
			s->unnamed_more += s->unnamed != NULL;
			s->unnamed = s->unnamed ? s->unnamed : domain;
		}
	}
	s->unnamed_since_s = is_old ? s->unnamed_since_s : core_wall_s(s->core);
}

const char *s2s_unnamed(const struct s2s *s, size_t *more, int64_t *since_s)
{
	*since_s = s->unnamed_since_s;
	*more = s->unnamed_more;
	return s->unnamed;
}

void s2s_certs_tick(struct s2s *s)
{
	if (core_wall_s(s->core) >= s->certs_due_s) {
		s2s_certs_judge(s, NULL);
	}
}
