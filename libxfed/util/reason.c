#include "xfed/reason.h"

static const struct xfed_reason_info table[XFED_REASON_COUNT] = {
	[XFED_REASON_NONE] = { "none", XFED_SIDE_US, NULL, NULL, 0, "" },
#define XFED_REASON(id, code_, side_, condition_, stream_, sip_, remedy_) [XFED_REASON_##id] = { code_, side_, condition_, stream_, sip_, remedy_ },
#include "../reasons.def"
#undef XFED_REASON
};

const struct xfed_reason_info *xfed_reason_info(enum xfed_reason r)
{
	return (unsigned)r < XFED_REASON_COUNT ? &table[r] : &table[XFED_REASON_NONE];
}

bool xfed_reason_is_size(enum xfed_reason r)
{
	return r == XFED_REASON_POLICY_SIZE_EXCEEDED || r == XFED_REASON_SIP_REQUEST_TOO_LARGE || r == XFED_REASON_DELIVERY_SIZE_EXCEEDED;
}

const char *xfed_reason_code(enum xfed_reason r)
{
	return xfed_reason_info(r)->code;
}

const char *xfed_side_name(enum xfed_side s)
{
	static const char *const names[] = {
#define X(id, name) name,
		XFED_SIDES(X)
#undef X
	};
	return (unsigned)s < XFED_ARRAY_LEN(names) ? names[s] : names[XFED_SIDE_US];
}

enum xfed_reason xfed_reason_by_code(struct xfed_span code)
{
	for (int r = code.len > 0 ? XFED_REASON_NONE + 1 : XFED_REASON_COUNT; r < XFED_REASON_COUNT; r++) {
		if (xfed_span_is(code, table[r].code)) {
			return (enum xfed_reason)r;
		}
	}
	return XFED_REASON_NONE;
}

enum xfed_reason xfed_reason_of_peer(struct xfed_span code)
{
	enum xfed_reason r = xfed_reason_by_code(code);
	return r == XFED_REASON_NONE && code.len > 0 ? XFED_REASON_CHANNEL_REASON_UNKNOWN : r;
}

enum xfed_side xfed_side_of_peer(struct xfed_span name, enum xfed_reason r)
{
	for (int s = XFED_SIDE_US; s <= XFED_SIDE_OPERATOR; s++) {
		if (xfed_span_is(name, xfed_side_name((enum xfed_side)s))) {
			return (enum xfed_side)s;
		}
	}
	return xfed_reason_info(r)->side;
}
