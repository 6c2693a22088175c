#include "interwork/warning.h"

#include <stdio.h>

/* Appends to a quoted string: escapes what would end it, and writes "?" for what a header line cannot have. */
static void put(char *out, size_t size, size_t *len, struct xfed_span s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];
		bool is_special = c == '"' || c == '\\';
		if (*len + 2 < size && is_special) {
			out[(*len)++] = '\\';
		}
		if (*len + 1 < size) {
			out[(*len)++] = (char)((uint8_t)c < ' ' || (uint8_t)c >= 0x7F ? '?' : c);
		}
	}
}

void iw_warning(char *out, size_t size, struct xfed_span agent, enum xfed_reason reason, struct xfed_span detail)
{
	iw_warning_as(out, size, IW_WARNING_CODE, agent, reason, detail);
}

void iw_warning_as(char *out, size_t size, int code, struct xfed_span agent, enum xfed_reason reason, struct xfed_span detail)
{
	static const struct xfed_span end = { "\"\r\n", 3 };
	const struct xfed_reason_info *info = xfed_reason_info(reason);
	size = size < IW_WARNING_BYTES ? size : IW_WARNING_BYTES;
	out[0] = '\0';
	bool is_address = agent.len > 0 && memchr(agent.data, ':', agent.len) != NULL; /* an IPv6 address */
	int n = snprintf(
		out, size, is_address ? "Warning: %03d [%.*s] \"" : "Warning: %03d %.*s \"", code, (int)agent.len, agent.data ? agent.data : "");
	if (reason == XFED_REASON_NONE || n < 0 || (size_t)n >= size) {
		out[0] = '\0';
		return;
	}
	size_t len = (size_t)n;
	put(out, size, &len, xfed_span_str(info->code));
	put(out, size, &len, XFED_SPAN(": "));
	put(out, size, &len, xfed_span_str(info->remedy));
	if (detail.len > 0) {
		put(out, size, &len, XFED_SPAN(" ("));
		put(out, size, &len, xfed_span_make(detail.data, detail.len < IW_DETAIL_BYTES ? detail.len : IW_DETAIL_BYTES));
		put(out, size, &len, XFED_SPAN(")"));
	}
	if (len + end.len >= size) {
		out[0] = '\0';
		return;
	}
	memcpy(out + len, end.data, end.len + 1);
}

bool iw_warning_is_told(enum xfed_reason reason, bool is_stranger)
{
	bool is_of_sender = reason == XFED_REASON_SIP_SENDER_UNTRUSTED || reason == XFED_REASON_SIP_SENDER_NAMELESS;
	return reason != XFED_REASON_NONE && !(is_of_sender && is_stranger);
}
