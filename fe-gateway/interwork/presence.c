#include "interwork/presence.h"

enum iw_fate iw_presence_to_sip(const struct xfed_stanza *s, const char **rule, struct iw_xmpp_error *refusal)
{
	*rule = NULL;
	if (s->type == XFED_TYPE_SUBSCRIBE && iw_reason_to_xmpp(XFED_REASON_XMPP_FEATURE_MISSING, false, refusal) == XFED_OK) {
		return IW_REFUSE;
	}
	*rule = "presence";
	return IW_DROP;
}
