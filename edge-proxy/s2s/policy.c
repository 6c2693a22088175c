/* What the policy in force says of pairs, and of streams that were opened under an earlier one. */
#include "s2s/s2s_impl.h"

const struct xfed_policy *s2s_policy(const struct s2s *s)
{
	return s->policy;
}

const struct xfed_partner *s2s_partner(const struct s2s *s, struct xfed_span remote)
{
	return s->policy && remote.len > 0 ? xfed_policy_partner(s->policy, remote) : NULL;
}

bool s2s_is_local(const struct s2s *s, struct xfed_span domain)
{
	return s->policy && xfed_policy_is_local(s->policy, domain);
}

const char *s2s_partner_label(const struct s2s *s, struct xfed_span remote)
{
	const struct xfed_partner *p = s2s_partner(s, remote);
	return p ? p->domain : "other";
}

enum xfed_reason s2s_why_not(const struct s2s *s, struct xfed_span remote)
{
	return s->policy ? xfed_policy_why_not(s->policy, remote) : XFED_REASON_POLICY_PARTNER_UNLISTED;
}

enum xfed_reason s2s_policy_judge(
	const struct s2s *s, const struct xfed_partner *partner, struct xfed_span remote, struct xfed_span local, enum xfed_method method)
{
	if (!partner) {
		return s2s_why_not(s, remote);
	}
	return !s2s_is_local(s, local) ? XFED_REASON_STREAM_TO_UNKNOWN : xfed_partner_judge(partner, method);
}

/* Whether a live stream would be allowed under the present policy. */
static enum xfed_reason judge(const struct s2s *s, const struct xfed_s2s_info *info)
{
	return xfed_policy_judge(s->policy, info->remote, info->local, info->is_authenticated ? info->method : 0);
}

static bool is_listed(void *user, const char *domain)
{
	return s2s_partner(user, xfed_span_str(domain)) != NULL;
}

/* The old policy is kept until the streams are judged: those that close may still use what they borrow from it. */
void s2s_use_policy(struct s2s *s, struct xfed_policy *fresh)
{
	struct xfed_policy *old = s->policy;
	struct s2s_conn *c, *next;
	s->policy = fresh;
	HASH_ITER(hh, s->conns, c, next) {
		struct xfed_s2s_info info;
		if (c->d.is_closed || !c->d.machine) {
			continue;
		}
		xfed_s2s_info(c->d.machine, &info);
		if (info.local.len == 0 || info.remote.len == 0) {
			continue;
		}
		enum xfed_reason reason = judge(s, &info);
		if (reason != XFED_REASON_NONE) {
			s2s_conn_close(c, reason, "no longer allowed");
		}
	}
	s2s_pairs_judge(s);
	s2s_pairs_forget_backoff(s);
	s2s_standings_judge(s);
	s2s_certs_name_ours(s);
	rt_certs_keep(s->core->d.certs, RT_CERT_PARTNER, is_listed, s);
	xfed_policy_free(old);
}
