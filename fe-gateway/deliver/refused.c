/* Which refusals are kept for operators: those that trying again does not cure. Why a partner cannot be reached its edge tells. */
#include "deliver/deliver_impl.h"

static bool is_of(const char *code, const char *area)
{
	return strncmp(code, area, strlen(area)) == 0;
}

/* Of a SIP peer that may not send, nothing is kept but its line in the log: anybody can be one. */
static bool is_kept(enum xfed_reason reason, bool is_temporary)
{
	const char *code = xfed_reason_code(reason);
	if (is_of(code, "sip.sender.") || is_of(code, "sip.request.malformed")) {
		return false;
	}
	return is_of(code, "policy.") || (!is_temporary && (is_of(code, "sip.") || is_of(code, "xmpp.") || xfed_reason_is_size(reason)));
}

void deliver_keep_refused(const struct deliver *d, const struct journal_message *m, bool is_temporary)
{
	if (m->local.len > 0 && m->remote.len > 0 && is_kept(m->reason, is_temporary)) {
		journal_add_message(d->below.journal, m);
	}
}
