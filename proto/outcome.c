#include "proto/outcome.h"

static bool is_set(const char *s)
{
	return s && *s;
}

bool proto_outcome_is_bad(const Xfed__Outcome *oc)
{
	return oc->fate == XFED__FATE__FATE_REFUSED || oc->fate == XFED__FATE__FATE_UNCERTAIN || oc->fate == XFED__FATE__FATE_WITHDRAWN;
}

/* Only these conditions carry an address (RFC 6120 8.3.3.5, 8.3.3.14). */
static bool may_point(const Xfed__Outcome *oc)
{
	return is_set(oc->address) && is_set(oc->condition) && (strcmp(oc->condition, "gone") == 0 || strcmp(oc->condition, "redirect") == 0);
}

void proto_outcome_error(const Xfed__Outcome *oc, enum xfed_reason reason, struct xfed_stanza_error *out)
{
	struct xfed_span none = { NULL, 0 };
	if (oc->fate == XFED__FATE__FATE_UNCERTAIN) {
		*out = (struct xfed_stanza_error){ .condition = "remote-server-timeout", .type = "wait", .text = XFED_SPAN(PROTO_TEXT_UNCERTAIN) };
		return;
	}
	*out = (struct xfed_stanza_error){
		.condition = is_set(oc->condition) ? oc->condition : "service-unavailable",
		.type = is_set(oc->error_type) ? oc->error_type : NULL,
		.text = xfed_span_str(is_set(oc->text) ? oc->text : xfed_reason_code(reason)),
		.content = may_point(oc) ? xfed_span_str(oc->address) : none,
		.is_too_big = xfed_reason_is_size(reason),
	};
}
