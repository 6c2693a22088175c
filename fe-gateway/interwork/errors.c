#include "interwork/errors.h"

#include "interwork/text.h"
#include "xfed/stanza.h"

struct sip_row {
	int status;
	const char *condition;
	enum xfed_reason reason;
	bool is_wait;
};

#define SIP_ROW(status, condition, reason)                                                                                                           \
	{                                                                                                                                            \
		status, condition, XFED_REASON_##reason, false                                                                                       \
	}
#define SIP_WAIT(status, condition, reason)                                                                                                          \
	{                                                                                                                                            \
		status, condition, XFED_REASON_##reason, true                                                                                        \
	}

/* RFC 7247 table 3; 477 and 478 are Kamailio's for a dead connection. */
static const struct sip_row sip_rows[] = {
	SIP_ROW(300, "redirect", SIP_REQUEST_REDIRECTED),
	SIP_ROW(301, "gone", SIP_REQUEST_REDIRECTED),
	SIP_ROW(302, "redirect", SIP_REQUEST_REDIRECTED),
	SIP_ROW(305, "redirect", SIP_REQUEST_REDIRECTED),
	SIP_ROW(380, "not-acceptable", SIP_REQUEST_REFUSED),
	SIP_ROW(400, "bad-request", SIP_REQUEST_REFUSED),
	SIP_ROW(401, "not-authorized", SIP_AUTH_NEEDED),
	SIP_ROW(402, "bad-request", SIP_REQUEST_REFUSED),
	SIP_ROW(403, "forbidden", SIP_REQUEST_REFUSED),
	SIP_ROW(404, "item-not-found", SIP_USER_UNKNOWN),
	SIP_ROW(405, "feature-not-implemented", SIP_METHOD_UNSUPPORTED),
	SIP_ROW(406, "not-acceptable", SIP_REQUEST_REFUSED),
	SIP_ROW(407, "registration-required", SIP_AUTH_NEEDED),
	SIP_ROW(408, "remote-server-timeout", SIP_SERVER_TIMEOUT),
	SIP_ROW(410, "gone", SIP_USER_UNKNOWN),
	SIP_ROW(413, "policy-violation", SIP_REQUEST_TOO_LARGE),
	SIP_ROW(414, "policy-violation", SIP_REQUEST_TOO_LARGE),
	SIP_ROW(415, "not-acceptable", SIP_CONTENT_UNSUPPORTED),
	SIP_ROW(416, "not-acceptable", SIP_REQUEST_REFUSED),
	SIP_ROW(420, "feature-not-implemented", SIP_REQUEST_REFUSED),
	SIP_ROW(421, "not-acceptable", SIP_REQUEST_REFUSED),
	SIP_ROW(423, "resource-constraint", SIP_REQUEST_REFUSED),
	SIP_ROW(430, "recipient-unavailable", SIP_USER_OFFLINE),
	SIP_ROW(439, "feature-not-implemented", SIP_REQUEST_REFUSED),
	SIP_ROW(440, "policy-violation", SIP_REQUEST_REFUSED),
	SIP_WAIT(477, "recipient-unavailable", SIP_USER_OFFLINE),
	SIP_WAIT(478, "recipient-unavailable", SIP_USER_OFFLINE),
	SIP_ROW(480, "recipient-unavailable", SIP_USER_OFFLINE),
	SIP_ROW(481, "item-not-found", SIP_REQUEST_REFUSED),
	SIP_ROW(482, "not-acceptable", SIP_REQUEST_REFUSED),
	SIP_ROW(483, "not-acceptable", SIP_REQUEST_REFUSED),
	SIP_ROW(484, "item-not-found", SIP_USER_UNKNOWN),
	SIP_ROW(485, "item-not-found", SIP_USER_UNKNOWN),
	SIP_ROW(486, "recipient-unavailable", SIP_USER_OFFLINE),
	SIP_ROW(487, "recipient-unavailable", SIP_USER_OFFLINE),
	SIP_ROW(488, "not-acceptable", SIP_REQUEST_REFUSED),
	SIP_ROW(489, "policy-violation", SIP_REQUEST_REFUSED),
	SIP_ROW(491, "unexpected-request", SIP_REQUEST_REFUSED),
	SIP_ROW(493, "bad-request", SIP_REQUEST_REFUSED),
	SIP_ROW(500, "internal-server-error", SIP_SERVER_ERROR),
	SIP_ROW(501, "feature-not-implemented", SIP_METHOD_UNSUPPORTED),
	SIP_ROW(502, "remote-server-not-found", SIP_SERVER_ERROR),
	SIP_WAIT(503, "internal-server-error", SIP_SERVER_ERROR),
	SIP_ROW(504, "remote-server-timeout", SIP_SERVER_TIMEOUT),
	SIP_ROW(505, "not-acceptable", SIP_SERVER_ERROR),
	SIP_ROW(513, "policy-violation", SIP_REQUEST_TOO_LARGE),
	SIP_ROW(600, "recipient-unavailable", SIP_USER_OFFLINE),
	SIP_ROW(603, "recipient-unavailable", SIP_USER_DECLINED),
	SIP_ROW(604, "item-not-found", SIP_USER_UNKNOWN),
	SIP_ROW(606, "not-acceptable", SIP_REQUEST_REFUSED),
};

/* What is not listed, by its class. */
static const struct sip_row sip_classes[] = {
	[3] = SIP_ROW(300, "redirect", SIP_REQUEST_REDIRECTED),
	[4] = SIP_ROW(400, "bad-request", SIP_REQUEST_REFUSED),
	[5] = SIP_ROW(500, "internal-server-error", SIP_SERVER_ERROR),
	[6] = SIP_ROW(600, "recipient-unavailable", SIP_USER_DECLINED),
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
 * 430 says that the user has registered, and so does a 6xx that is not about the media: they join the list of
 * statuses hidden from public partners.
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
	/* 410 is the gone that must not carry an address. */
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

#define XMPP_ROW(condition, full, bare)                                                                                                              \
	{                                                                                                                                            \
		condition, full, bare, XFED_REASON_XMPP_ERROR_RECEIVED                                                                               \
	}

/* RFC 7247 table 2 with the decisions of errors.h. */
static const struct xmpp_row xmpp_rows[] = {
	XMPP_ROW("bad-request", 400, 400),
	XMPP_ROW("conflict", 400, 400),
	XMPP_ROW("feature-not-implemented", 405, 501),
	XMPP_ROW("forbidden", 403, 403),
	XMPP_ROW("gone", 410, 410),
	XMPP_ROW("internal-server-error", 500, 500),
	{ "item-not-found", 404, 404, XFED_REASON_XMPP_USER_UNKNOWN },
	XMPP_ROW("jid-malformed", 400, 400),
	XMPP_ROW("not-acceptable", 406, 406),
	XMPP_ROW("not-allowed", 403, 403),
	XMPP_ROW("not-authorized", 403, 403),
	XMPP_ROW("policy-violation", 403, 403),
	XMPP_ROW("recipient-unavailable", 480, 480),
	XMPP_ROW("redirect", 480, 480),
	XMPP_ROW("registration-required", 403, 403),
	XMPP_ROW("remote-server-not-found", 404, 404),
	XMPP_ROW("remote-server-timeout", 504, 504),
	XMPP_ROW("resource-constraint", 480, 480),
	XMPP_ROW("service-unavailable", 480, 480),
	XMPP_ROW("subscription-required", 400, 400),
	XMPP_ROW("undefined-condition", 400, 400),
	XMPP_ROW("unexpected-request", 400, 400),
};

struct phrase {
	int status;
	const char *text;
};

static const struct phrase phrases[] = {
	{ 301, "Moved Permanently" },
	{ 302, "Moved Temporarily" },
	{ 400, "Bad Request" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 410, "Gone" },
	{ 413, "Request Entity Too Large" },
	{ 415, "Unsupported Media Type" },
	{ 416, "Unsupported URI Scheme" },
	{ 480, "Temporarily Unavailable" },
	{ 482, "Loop Detected" },
	{ 483, "Too Many Hops" },
	{ 500, "Server Internal Error" },
	{ 501, "Not Implemented" },
	{ 504, "Server Time-out" },
	{ 513, "Message Too Large" },
};

static const char *phrase_of(int status)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(phrases); i++) {
		if (phrases[i].status == status) {
			return phrases[i].text;
		}
	}
	return "Error";
}

static void fill_sip(struct iw_sip_error *out, int status, enum xfed_reason reason)
{
	*out = (struct iw_sip_error){
		.status = status,
		.phrase = phrase_of(status),
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

/* The reason table holds what SIP said; some of it is not ours to say. */
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

int iw_phrase_from_text(struct xfed_arena *a, struct xfed_span text, const char *fallback, struct xfed_span *out)
{
	struct xfed_span line;
	int rc = iw_text_line(a, text, &line);
	if (rc == XFED_ERR_NOMEM) {
		return rc;
	}
	if (rc == XFED_OK) {
		line = iw_text_cut(line, IW_PHRASE_BYTES);
	}
	*out = rc == XFED_OK && line.len > 0 ? line : xfed_span_str(fallback);
	return XFED_OK;
}

int iw_text_from_phrase(struct xfed_arena *a, struct xfed_span phrase, struct xfed_span *out)
{
	struct xfed_span line;
	int rc = iw_text_line(a, phrase, &line);
	if (rc == XFED_ERR_NOMEM) {
		return rc;
	}
	*out = rc == XFED_OK && line.len > 0 ? line : xfed_span_make(NULL, 0);
	return XFED_OK;
}
