/* The values of Event and Subscription-State. */
#include "sip/event.h"

#include <stdio.h>

#include "sip/lex.h"

static const char *const reason_words[] = {
#define X(id, word, again) word,
	SIP_END_REASONS(X)
#undef X
};

const char *sip_end_reason_word(enum sip_end_reason r)
{
	return reason_words[r];
}

const char *sip_sub_state_word(enum sip_sub_state s)
{
	static const char *const words[] = { "", "", "pending", "active", "terminated" };
	return words[s];
}

static enum sip_sub_state state_of(struct xfed_span word)
{
	return xfed_span_eq_nocase(word, XFED_SPAN("pending"))	    ? SIP_SUB_PENDING
	       : xfed_span_eq_nocase(word, XFED_SPAN("terminated")) ? SIP_SUB_TERMINATED
								    : SIP_SUB_ACTIVE;
}

static enum sip_end_reason reason_of(struct xfed_span word)
{
	for (size_t i = 1; i < XFED_ARRAY_LEN(reason_words); i++) {
		if (xfed_span_eq_nocase(word, xfed_span_str(reason_words[i]))) {
			return (enum sip_end_reason)i;
		}
	}
	return SIP_END_NONE;
}

static struct xfed_span first_token(struct xfed_span value, struct xfed_span *params)
{
	size_t n = sip_find_outside(value, ';');
	n = n == SIZE_MAX ? value.len : n;
	*params = xfed_span_make(value.data + n, value.len - n);
	return sip_trim(xfed_span_make(value.data, n));
}

static bool take_seconds(struct xfed_span value, int64_t *out)
{
	uint64_t n;
	bool fine = sip_number(value, UINT32_MAX, &n);
	*out = fine ? (int64_t)n : -1;
	return fine;
}

int sip_sub_value_parse(struct xfed_span text, struct sip_sub_value *out)
{
	struct xfed_span params, name, value, word = first_token(text, &params);
	bool bad = !sip_is_token(word);
	*out = (struct sip_sub_value){ .state = state_of(word), .expires_s = -1, .retry_after_s = -1 };
	while (!bad && sip_param_next(&params, &name, &value, &bad)) {
		if (xfed_span_eq_nocase(name, XFED_SPAN("expires"))) {
			bad = !take_seconds(value, &out->expires_s);
		} else if (xfed_span_eq_nocase(name, XFED_SPAN("retry-after"))) {
			bad = !take_seconds(value, &out->retry_after_s);
		} else if (xfed_span_eq_nocase(name, XFED_SPAN("reason"))) {
			out->reason = reason_of(value);
		}
	}
	return bad ? XFED_ERR_INVALID : XFED_OK;
}

size_t sip_sub_value_print(const struct sip_sub_value *v, char out[SIP_SUB_VALUE_SIZE])
{
	bool is_over = v->state == SIP_SUB_TERMINATED;
	int n = snprintf(out, SIP_SUB_VALUE_SIZE, "%s", sip_sub_state_word(v->state));
	if (is_over && v->reason != SIP_END_NONE) {
		n += snprintf(out + n, SIP_SUB_VALUE_SIZE - (size_t)n, ";reason=%s", sip_end_reason_word(v->reason));
	}
	if (is_over && v->retry_after_s >= 0) {
		n += snprintf(out + n, SIP_SUB_VALUE_SIZE - (size_t)n, ";retry-after=%lld", (long long)v->retry_after_s);
	}
	if (!is_over && v->expires_s >= 0) {
		n += snprintf(out + n, SIP_SUB_VALUE_SIZE - (size_t)n, ";expires=%lld", (long long)v->expires_s);
	}
	return (size_t)n;
}

int sip_event_parse(struct xfed_span text, struct xfed_span *package, struct xfed_span *id)
{
	struct xfed_span params, name, value;
	bool bad = false;
	*package = first_token(text, &params);
	*id = (struct xfed_span){ NULL, 0 };
	while (sip_param_next(&params, &name, &value, &bad)) {
		if (xfed_span_eq_nocase(name, XFED_SPAN("id"))) {
			*id = value;
		}
	}
	return !bad && sip_is_token(*package) ? XFED_OK : XFED_ERR_INVALID;
}

bool sip_status_refuses_subscription(int status)
{
	switch (status) {
	case 403:
	case 404:
	case 405:
	case 410:
	case 489:
	case 501:
	case 603:
	case 604:
	case 607:
		return true;
	default:
		return false;
	}
}

bool sip_status_ends_subscription(int status)
{
	switch (status) {
	case 404:
	case 405:
	case 408:
	case 410:
	case 416:
	case 480:
	case 481:
	case 482:
	case 483:
	case 484:
	case 485:
	case 489:
	case 501:
	case 604:
		return true;
	default:
		return false;
	}
}
