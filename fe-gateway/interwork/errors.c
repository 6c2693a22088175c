#include "interwork/errors.h"

#include "interwork/text.h"
#include "sip/print.h"
#include "xfed/stanza.h"

struct sip_row {
	int status;
	const char *condition;
	enum xfed_reason reason;
	bool is_wait;
};

#define R(name) XFED_REASON_##name

/* RFC 7247 table 3; 477 and 478 are sent by Kamailio for a dead connection. */
static const struct sip_row sip_rows[] = {
	{ 300, "redirect", R(SIP_REQUEST_REDIRECTED), false },
	{ 301, "gone", R(SIP_REQUEST_REDIRECTED), false },
	{ 302, "redirect", R(SIP_REQUEST_REDIRECTED), false },
	{ 305, "redirect", R(SIP_REQUEST_REDIRECTED), false },
	{ 380, "not-acceptable", R(SIP_REQUEST_REFUSED), false },
	{ 400, "bad-request", R(SIP_REQUEST_REFUSED), false },
	{ 401, "not-authorized", R(SIP_AUTH_NEEDED), false },
	{ 402, "bad-request", R(SIP_REQUEST_REFUSED), false },
	{ 403, "forbidden", R(SIP_REQUEST_REFUSED), false },
	{ 404, "item-not-found", R(SIP_USER_UNKNOWN), false },
	{ 405, "feature-not-implemented", R(SIP_METHOD_UNSUPPORTED), false },
	{ 406, "not-acceptable", R(SIP_REQUEST_REFUSED), false },
	{ 407, "registration-required", R(SIP_AUTH_NEEDED), false },
	{ 408, "remote-server-timeout", R(SIP_SERVER_TIMEOUT), false },
	{ 410, "gone", R(SIP_USER_UNKNOWN), false },
	{ 413, "policy-violation", R(SIP_REQUEST_TOO_LARGE), false },
	{ 414, "policy-violation", R(SIP_REQUEST_TOO_LARGE), false },
	{ 415, "not-acceptable", R(SIP_CONTENT_UNSUPPORTED), false },
	{ 416, "not-acceptable", R(SIP_REQUEST_REFUSED), false },
	{ 420, "feature-not-implemented", R(SIP_REQUEST_REFUSED), false },
	{ 421, "not-acceptable", R(SIP_REQUEST_REFUSED), false },
	{ 423, "resource-constraint", R(SIP_REQUEST_REFUSED), false },
	{ 430, "recipient-unavailable", R(SIP_USER_OFFLINE), false },
	{ 439, "feature-not-implemented", R(SIP_REQUEST_REFUSED), false },
	{ 440, "policy-violation", R(SIP_REQUEST_REFUSED), false },
	{ 477, "recipient-unavailable", R(SIP_USER_OFFLINE), true },
	{ 478, "recipient-unavailable", R(SIP_USER_OFFLINE), true },
	{ 480, "recipient-unavailable", R(SIP_USER_OFFLINE), false },
	{ 481, "item-not-found", R(SIP_REQUEST_REFUSED), false },
	{ 482, "not-acceptable", R(SIP_REQUEST_REFUSED), false },
	{ 483, "not-acceptable", R(SIP_REQUEST_REFUSED), false },
	{ 484, "item-not-found", R(SIP_USER_UNKNOWN), false },
	{ 485, "item-not-found", R(SIP_USER_UNKNOWN), false },
	{ 486, "recipient-unavailable", R(SIP_USER_OFFLINE), false },
	{ 487, "recipient-unavailable", R(SIP_USER_OFFLINE), false },
	{ 488, "not-acceptable", R(SIP_REQUEST_REFUSED), false },
	{ 489, "policy-violation", R(SIP_REQUEST_REFUSED), false },
	{ 491, "unexpected-request", R(SIP_REQUEST_REFUSED), false },
	{ 493, "bad-request", R(SIP_REQUEST_REFUSED), false },
	{ 500, "internal-server-error", R(SIP_SERVER_ERROR), false },
	{ 501, "feature-not-implemented", R(SIP_METHOD_UNSUPPORTED), false },
	{ 502, "remote-server-not-found", R(SIP_SERVER_ERROR), false },
	{ 503, "internal-server-error", R(SIP_SERVER_ERROR), true },
	{ 504, "remote-server-timeout", R(SIP_SERVER_TIMEOUT), false },
	{ 505, "not-acceptable", R(SIP_SERVER_ERROR), false },
	{ 513, "policy-violation", R(SIP_REQUEST_TOO_LARGE), false },
	{ 600, "recipient-unavailable", R(SIP_USER_OFFLINE), false },
	{ 603, "recipient-unavailable", R(SIP_USER_DECLINED), false },
	{ 604, "item-not-found", R(SIP_USER_UNKNOWN), false },
	{ 606, "not-acceptable", R(SIP_REQUEST_REFUSED), false },
};

/* Statuses not listed above, by class. */
static const struct sip_row sip_classes[] = {
	[3] = { 300, "redirect", R(SIP_REQUEST_REDIRECTED), false },
	[4] = { 400, "bad-request", R(SIP_REQUEST_REFUSED), false },
	[5] = { 500, "internal-server-error", R(SIP_SERVER_ERROR), false },
	[6] = { 600, "recipient-unavailable", R(SIP_USER_DECLINED), false },
};

static const struct sip_row *find_status(int status)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(sip_rows); i++) {
		if (sip_rows[i].status == status) {
			return &sip_rows[i];
		}
	}
	return &sip_classes[status / 100];
}

/*
 * Statuses that reveal that the user exists are hidden from public partners; 430 says that the user has registered, and so does a 6xx that
 * is not about media.
 */
static bool tells_of_user(int status)
{
	return status < 400 || status == 403 || status == 404 || status == 410 || status == 430 || status == 477 || status == 478 || status == 480 ||
	       (status >= 484 && status <= 487) || (status >= 600 && status != 606);
}

static void fill(struct iw_xmpp_error *out, const char *condition, bool is_wait, enum xfed_reason reason)
{
	*out = (struct iw_xmpp_error){
		.condition = condition,
		.type = is_wait ? "wait" : xfed_stanza_error_type(condition),
		.reason = reason,
		.is_too_big = xfed_reason_is_size(reason),
	};
}

int iw_sip_status_to_error(int status, bool partner_is_public, struct iw_xmpp_error *out)
{
	if (status < 300 || status > 699) {
		return XFED_ERR_INVALID;
	}
	const struct sip_row *row = find_status(status);
	if (partner_is_public && tells_of_user(status)) {
		fill(out, "service-unavailable", false, row->reason);
		return XFED_OK;
	}
	fill(out, row->condition, row->is_wait, row->reason);
	/* 410 becomes <gone/>, which has no address then. */
	out->needs_address = status == 301 || strcmp(row->condition, "redirect") == 0;
	return XFED_OK;
}

void iw_error_without_address(struct iw_xmpp_error *e)
{
	if (e->needs_address && strcmp(e->condition, "redirect") == 0) {
		fill(e, "recipient-unavailable", false, e->reason);
	}
	e->needs_address = false;
}

struct xmpp_row {
	const char *condition;
	int full, bare;
	enum xfed_reason reason;
};

/* RFC 7247 table 2, with the decisions in errors.h. */
static const struct xmpp_row xmpp_rows[] = {
	{ "bad-request", 400, 400, R(XMPP_ERROR_RECEIVED) },
	{ "conflict", 400, 400, R(XMPP_ERROR_RECEIVED) },
	{ "feature-not-implemented", 405, 501, R(XMPP_ERROR_RECEIVED) },
	{ "forbidden", 403, 403, R(XMPP_ERROR_RECEIVED) },
	{ "gone", 410, 410, R(XMPP_ERROR_RECEIVED) },
	{ "internal-server-error", 500, 500, R(XMPP_ERROR_RECEIVED) },
	{ "item-not-found", 404, 404, R(XMPP_USER_UNKNOWN) },
	{ "jid-malformed", 400, 400, R(XMPP_ERROR_RECEIVED) },
	{ "not-acceptable", 406, 406, R(XMPP_ERROR_RECEIVED) },
	{ "not-allowed", 403, 403, R(XMPP_ERROR_RECEIVED) },
	{ "not-authorized", 403, 403, R(XMPP_ERROR_RECEIVED) },
	{ "policy-violation", 403, 403, R(XMPP_ERROR_RECEIVED) },
	{ "recipient-unavailable", 480, 480, R(XMPP_ERROR_RECEIVED) },
	{ "redirect", 480, 480, R(XMPP_ERROR_RECEIVED) },
	{ "registration-required", 403, 403, R(XMPP_ERROR_RECEIVED) },
	{ "remote-server-not-found", 404, 404, R(XMPP_ERROR_RECEIVED) },
	{ "remote-server-timeout", 504, 504, R(XMPP_ERROR_RECEIVED) },
	{ "resource-constraint", 480, 480, R(XMPP_ERROR_RECEIVED) },
	{ "service-unavailable", 480, 480, R(XMPP_ERROR_RECEIVED) },
	{ "subscription-required", 400, 400, R(XMPP_ERROR_RECEIVED) },
	{ "undefined-condition", 400, 400, R(XMPP_ERROR_RECEIVED) },
	{ "unexpected-request", 400, 400, R(XMPP_ERROR_RECEIVED) },
};

static void fill_sip(struct iw_sip_error *out, int status, enum xfed_reason reason)
{
	*out = (struct iw_sip_error){
		.status = status,
		.phrase = sip_status_phrase(status),
		.reason = reason,
		.needs_contact = status == 301 || status == 302,
		.needs_allow = status == 405,
		.needs_accept = status == 406 || status == 415, /* [B3-03] */
	};
}

void iw_condition_to_sip(struct xfed_span condition, bool is_full_jid, bool has_address, struct iw_sip_error *out)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(xmpp_rows); i++) {
		const struct xmpp_row *row = &xmpp_rows[i];
		if (!xfed_span_is(condition, row->condition)) {
			continue;
		}
		fill_sip(out, is_full_jid ? row->full : row->bare, row->reason);
		if (has_address && xfed_span_is(condition, "gone")) {
			fill_sip(out, 301, row->reason);
		} else if (has_address && xfed_span_is(condition, "redirect")) {
			fill_sip(out, 302, row->reason);
		} else if (xfed_span_is(condition, "resource-constraint")) {
			out->retry_after_s = IW_RETRY_AFTER_S;
		}
		return;
	}
	fill_sip(out, 400, XFED_REASON_XMPP_ERROR_RECEIVED);
}

static bool reason_tells_of_user(enum xfed_reason reason)
{
	return reason == XFED_REASON_SIP_USER_UNKNOWN || reason == XFED_REASON_SIP_USER_OFFLINE || reason == XFED_REASON_SIP_USER_DECLINED;
}

int iw_reason_to_xmpp(enum xfed_reason reason, bool partner_is_public, struct iw_xmpp_error *out)
{
	const char *condition = xfed_reason_info(reason)->condition;
	if (!condition) {
		return XFED_ERR_NOT_FOUND;
	}
	if (partner_is_public && reason_tells_of_user(reason)) {
		condition = "service-unavailable";
	}
	bool is_wait = strcmp(condition, "resource-constraint") == 0 || strcmp(condition, "remote-server-timeout") == 0;
	fill(out, condition, is_wait, reason);
	return XFED_OK;
}

/* The table of reasons has what SIP said; some statuses must not be sent by us. */
static int sayable(int status)
{
	switch (status) {
	case 401:
	case 407:
	case 603:
		return 403;
	case 408:
		return 504;
	case 600:
		return 480;
	case 604:
		return 404;
	case 606:
		return 406;
	default:
		return status;
	}
}

int iw_reason_to_sip(enum xfed_reason reason, struct iw_sip_error *out)
{
	const struct xfed_reason_info *info = xfed_reason_info(reason);
	if (info->sip_status == 0) {
		return XFED_ERR_NOT_FOUND;
	}
	fill_sip(out, sayable(info->sip_status), reason);
	if (out->status == 480 && info->condition && strcmp(info->condition, "resource-constraint") == 0) {
		out->retry_after_s = IW_RETRY_AFTER_S;
	}
	return XFED_OK;
}

/* One line of text from the other side, at most `max` bytes; data NULL: nothing is left. */
static int line_of_others(struct xfed_arena *a, struct xfed_span text, size_t max, struct xfed_span *out)
{
	*out = xfed_span_make(NULL, 0);
	int rc = xfed_utf8_is_valid(text) ? iw_text_without_turns(a, text, &text) : XFED_OK;
	return rc == XFED_OK ? iw_text_line(a, text, max, out) : rc;
}

/* True: the text contains one of our reason codes, in any case, which readers would take for ours. */
static bool names_a_code(struct xfed_span line)
{
	char lower[IW_PHRASE_BYTES];
	XFED_REQUIRE(line.len <= sizeof(lower));
	for (size_t i = 0; i < line.len; i++) {
		lower[i] = xfed_lower(line.data[i]);
	}
	bool is_found = false;
	for (int r = XFED_REASON_NONE + 1; r < XFED_REASON_COUNT && !is_found && memchr(lower, '.', line.len); r++) {
		const char *code = xfed_reason_code((enum xfed_reason)r);
		is_found = memmem(lower, line.len, code, strlen(code));
	}
	return is_found;
}

int iw_phrase_from_text(struct xfed_arena *a, struct xfed_span text, const char *fallback, struct xfed_span *out)
{
	int rc = line_of_others(a, text, IW_PHRASE_BYTES, out);
	if (rc == XFED_OK && !out->data) {
		*out = xfed_span_str(fallback);
	} else if (rc == XFED_OK && names_a_code(*out)) {
		struct xfed_span whole = xfed_arena_printf(a, "The partner says: %.*s", (int)out->len, out->data);
		return whole.data ? iw_text_line(a, whole, IW_PHRASE_BYTES, out) : XFED_ERR_NOMEM;
	}
	return rc;
}

int iw_text_from_phrase(struct xfed_arena *a, struct xfed_span phrase, struct xfed_span *out)
{
	return line_of_others(a, phrase, SIZE_MAX, out);
}

struct iw_sip_error iw_leaving_to_sip(void)
{
	return (struct iw_sip_error){ .status = 503, .retry_after_s = IW_RETRY_AFTER_S, .reason = XFED_REASON_SERVICE_LEAVING };
}
