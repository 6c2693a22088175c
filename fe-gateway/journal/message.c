/* Adds refused messages to the failures, as if this gateway had reported a failed attempt. Why a partner cannot be reached, its edge reports. */
#include <stdio.h>

#include "journal/journal_impl.h"
#include "xfed/rt/log.h"

#define FACTS 2

static bool is_of(const char *code, const char *area)
{
	return strncmp(code, area, strlen(area)) == 0;
}

/* Messages of SIP peers that may not send are only logged: anybody can cause these. */
bool message_is_kept(const struct journal_message *m)
{
	const char *code = xfed_reason_code(m->reason);
	if (m->local.len == 0 || m->remote.len == 0 || is_of(code, "sip.sender.") || is_of(code, "sip.request.malformed")) {
		return false;
	}
	return is_of(code, "policy.") || (!m->is_temporary && (is_of(code, "sip.") || is_of(code, "xmpp.") || xfed_reason_is_size(m->reason)));
}

/* "alice@corp.example", or "***@corp.example" where the log masks addresses. */
static void set_address(Xfed__Field *f, const char *name, struct xfed_span address, char *text, size_t size)
{
	char raw[PROTO_ADDRESS_BYTES + 1];
	xfed__field__init(f);
	f->name = (char *)(uintptr_t)name;
	f->value = (char *)(uintptr_t)proto_text_clean(text, size, rt_log_address(address, raw, sizeof(raw)));
}

static struct xfed_span most(struct xfed_span s, size_t bytes)
{
	return xfed_span_make(s.data ? s.data : "", s.len < bytes ? s.len : bytes);
}

void journal_add_message(struct journal *j, const struct journal_message *message)
{
	char local[256], remote[256], text[PROTO_TEXT_BYTES + 1], from[PROTO_ADDRESS_BYTES + 1], to[PROTO_ADDRESS_BYTES + 1], status[24] = "";
	if (!message_is_kept(message)) {
		return;
	}
	Xfed__FailureEvent m = XFED__FAILURE_EVENT__INIT;
	Xfed__Field fields[FACTS], *facts[FACTS] = { &fields[0], &fields[1] };
	snprintf(local, sizeof(local), "%.*s", (int)message->local.len, message->local.data);
	snprintf(remote, sizeof(remote), "%.*s", (int)message->remote.len, message->remote.data);
	if (message->sip_status > 0) {
		snprintf(status, sizeof(status), ", SIP %d", message->sip_status);
	}
	struct xfed_span said = most(message->said, 200), more = most(message->diagnostics, 400);
	snprintf(text, sizeof(text), "a message was refused%s%s%.*s%s%.*s%s", status, said.len > 0 ? ": " : "", (int)said.len, said.data,
		more.len > 0 ? " (" : "", (int)more.len, more.data, more.len > 0 ? ")" : "");
	set_address(&fields[0], "from", message->from, from, sizeof(from));
	set_address(&fields[1], "to", message->to, to, sizeof(to));
	m.at_s = core_wall_s(journal_core(j));
	m.direction = message->is_to_sip ? XFED__DIRECTION__DIRECTION_IN : XFED__DIRECTION__DIRECTION_OUT;
	m.local = local;
	m.remote = remote;
	m.reason = (char *)(uintptr_t)xfed_reason_code(message->reason);
	m.side = (char *)(uintptr_t)xfed_side_name(message->side);
	m.text = text;
	m.facts = facts;
	m.n_facts = FACTS;
	journal_add(j, xfed_span_str(""), message->remote, &m, false);
}
