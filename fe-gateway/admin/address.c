#include "admin/address.h"

#include "interwork/address.h"

int address_read(struct xfed_arena *a, const char *text, struct xfed_jid *out)
{
	struct xfed_span s = xfed_span_str(text);
	enum xfed_reason why;
	bool is_uri = s.len > 4 && (xfed_span_eq_nocase(xfed_span_make(s.data, 4), XFED_SPAN("sip:")) || s.data[0] == '<');
	return is_uri ? iw_sip_to_jid(a, s, out, &why) : xfed_jid_parse(a, s, out);
}

bool address_of_user(const struct admin *ad, struct rt_reply reply, struct xfed_arena *a, const char *text, struct xfed_jid *out)
{
	if (address_read(a, text, out) != XFED_OK || out->local.len == 0) {
		rt_reply_fail(reply, "bad-request", "%.200s is no address of a user", text);
		return false;
	}
	const struct config_domain *d = config_inside(policy_config(ad->policy), out->domain);
	if (!d) {
		rt_reply_fail(reply, "bad-request", "%.200s is no user of ours: domains[] does not have the domain", text);
		return false;
	}
	out->domain = xfed_span_str(d->domain);
	return true;
}
