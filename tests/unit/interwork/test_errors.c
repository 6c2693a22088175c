/* RFC 7247 section 7 complete, with the decisions of [B3-01] to [B3-06]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "interwork/errors.h"
#include "interwork/warning.h"
#include "xfed/mem.h"

struct status_row {
	int status;
	const char *condition, *type;
	enum xfed_reason reason;
	bool is_hidden; /* from public partners */
};

#define R(name) XFED_REASON_SIP_##name

static const struct status_row status_rows[] = {
	{ 300, "redirect", "modify", R(REQUEST_REDIRECTED), true },
	{ 301, "gone", "cancel", R(REQUEST_REDIRECTED), true },
	{ 302, "redirect", "modify", R(REQUEST_REDIRECTED), true },
	{ 305, "redirect", "modify", R(REQUEST_REDIRECTED), true },
	{ 380, "not-acceptable", "modify", R(REQUEST_REFUSED), true },
	{ 399, "redirect", "modify", R(REQUEST_REDIRECTED), true },
	{ 400, "bad-request", "modify", R(REQUEST_REFUSED), false },
	{ 401, "not-authorized", "auth", R(AUTH_NEEDED), false },
	{ 402, "bad-request", "modify", R(REQUEST_REFUSED), false },
	{ 403, "forbidden", "auth", R(REQUEST_REFUSED), true },
	{ 404, "item-not-found", "cancel", R(USER_UNKNOWN), true },
	{ 405, "feature-not-implemented", "cancel", R(METHOD_UNSUPPORTED), false },
	{ 406, "not-acceptable", "modify", R(REQUEST_REFUSED), false },
	{ 407, "registration-required", "auth", R(AUTH_NEEDED), false },
	{ 408, "remote-server-timeout", "wait", R(SERVER_TIMEOUT), false },
	{ 410, "gone", "cancel", R(USER_UNKNOWN), true },
	{ 413, "policy-violation", "modify", R(REQUEST_TOO_LARGE), false },
	{ 414, "policy-violation", "modify", R(REQUEST_TOO_LARGE), false },
	{ 415, "not-acceptable", "modify", R(CONTENT_UNSUPPORTED), false },
	{ 416, "not-acceptable", "modify", R(REQUEST_REFUSED), false },
	{ 417, "bad-request", "modify", R(REQUEST_REFUSED), false },
	{ 420, "feature-not-implemented", "cancel", R(REQUEST_REFUSED), false },
	{ 421, "not-acceptable", "modify", R(REQUEST_REFUSED), false },
	{ 423, "resource-constraint", "wait", R(REQUEST_REFUSED), false },
	{ 430, "recipient-unavailable", "wait", R(USER_OFFLINE), true },
	{ 439, "feature-not-implemented", "cancel", R(REQUEST_REFUSED), false },
	{ 440, "policy-violation", "modify", R(REQUEST_REFUSED), false },
	{ 477, "recipient-unavailable", "wait", R(USER_OFFLINE), true },
	{ 478, "recipient-unavailable", "wait", R(USER_OFFLINE), true },
	{ 480, "recipient-unavailable", "wait", R(USER_OFFLINE), true },
	{ 481, "item-not-found", "cancel", R(REQUEST_REFUSED), false },
	{ 482, "not-acceptable", "modify", R(REQUEST_REFUSED), false },
	{ 483, "not-acceptable", "modify", R(REQUEST_REFUSED), false },
	{ 484, "item-not-found", "cancel", R(USER_UNKNOWN), true },
	{ 485, "item-not-found", "cancel", R(USER_UNKNOWN), true },
	{ 486, "recipient-unavailable", "wait", R(USER_OFFLINE), true },
	{ 487, "recipient-unavailable", "wait", R(USER_OFFLINE), true },
	{ 488, "not-acceptable", "modify", R(REQUEST_REFUSED), false },
	{ 489, "policy-violation", "modify", R(REQUEST_REFUSED), false },
	{ 491, "unexpected-request", "wait", R(REQUEST_REFUSED), false },
	{ 493, "bad-request", "modify", R(REQUEST_REFUSED), false },
	{ 499, "bad-request", "modify", R(REQUEST_REFUSED), false },
	{ 500, "internal-server-error", "cancel", R(SERVER_ERROR), false },
	{ 501, "feature-not-implemented", "cancel", R(METHOD_UNSUPPORTED), false },
	{ 502, "remote-server-not-found", "cancel", R(SERVER_ERROR), false },
	{ 503, "internal-server-error", "wait", R(SERVER_ERROR), false },
	{ 504, "remote-server-timeout", "wait", R(SERVER_TIMEOUT), false },
	{ 505, "not-acceptable", "modify", R(SERVER_ERROR), false },
	{ 513, "policy-violation", "modify", R(REQUEST_TOO_LARGE), false },
	{ 580, "internal-server-error", "cancel", R(SERVER_ERROR), false },
	{ 600, "recipient-unavailable", "wait", R(USER_OFFLINE), true },
	{ 603, "recipient-unavailable", "wait", R(USER_DECLINED), true },
	{ 604, "item-not-found", "cancel", R(USER_UNKNOWN), true },
	{ 606, "not-acceptable", "modify", R(REQUEST_REFUSED), false },
	{ 699, "recipient-unavailable", "wait", R(USER_DECLINED), true },
};

static bool is_same(const struct iw_xmpp_error *e, const char *condition, const char *type, enum xfed_reason reason)
{
	return strcmp(e->condition, condition) == 0 && strcmp(e->type, type) == 0 && e->reason == reason;
}

static void statuses(void **state)
{
	(void)state;
	int failed = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(status_rows); i++) {
		const struct status_row *r = &status_rows[i];
		struct iw_xmpp_error e, hidden;
		assert_int_equal(iw_sip_status_to_error(r->status, false, &e), XFED_OK);
		assert_int_equal(iw_sip_status_to_error(r->status, true, &hidden), XFED_OK);
		const char *condition = r->is_hidden ? "service-unavailable" : r->condition;
		const char *type = r->is_hidden ? "cancel" : r->type;
		if (!is_same(&e, r->condition, r->type, r->reason) || !is_same(&hidden, condition, type, r->reason)) {
			print_error("%d: %s %s %s; public: %s %s\n", r->status, e.condition, e.type, xfed_reason_code(e.reason), hidden.condition,
				hidden.type);
			failed++;
		}
		if (r->is_hidden && hidden.needs_address) {
			print_error("%d: shows a public partner an address\n", r->status);
			failed++;
		}
		bool needs_address = r->status == 301 || strcmp(r->condition, "redirect") == 0;
		if (e.needs_address != needs_address || e.is_too_big != (r->reason == R(REQUEST_TOO_LARGE))) {
			print_error("%d: address or size\n", r->status);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

/* [B3-05]: 1xx and 2xx have no counterpart. */
static void no_failure(void **state)
{
	(void)state;
	static const int rows[] = { -1, 0, 100, 183, 200, 202, 299, 700, 1000 };
	struct iw_xmpp_error e;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		assert_int_equal(iw_sip_status_to_error(rows[i], false, &e), XFED_ERR_INVALID);
	}
}

static void without_address(void **state)
{
	(void)state;
	struct iw_xmpp_error e;
	assert_int_equal(iw_sip_status_to_error(301, false, &e), XFED_OK);
	iw_error_without_address(&e);
	assert_string_equal(e.condition, "gone");
	assert_false(e.needs_address);
	assert_int_equal(iw_sip_status_to_error(302, false, &e), XFED_OK);
	iw_error_without_address(&e);
	assert_string_equal(e.condition, "recipient-unavailable");
	assert_string_equal(e.type, "wait");
	assert_false(e.needs_address);
	assert_int_equal(iw_sip_status_to_error(404, false, &e), XFED_OK);
	iw_error_without_address(&e);
	assert_string_equal(e.condition, "item-not-found");
}

struct condition_row {
	const char *condition;
	int full, bare, full_with_address;
};

static const struct condition_row condition_rows[] = {
	{ "bad-request", 400, 400, 400 },
	{ "conflict", 400, 400, 400 },
	{ "feature-not-implemented", 405, 501, 405 },
	{ "forbidden", 403, 403, 403 }, /* 603 stops forking everywhere */
	{ "gone", 410, 410, 301 },
	{ "internal-server-error", 500, 500, 500 },
	{ "item-not-found", 404, 404, 404 }, /* 604 likewise */
	{ "jid-malformed", 400, 400, 400 },
	{ "not-acceptable", 406, 406, 406 }, /* 606 likewise */
	{ "not-allowed", 403, 403, 403 },
	{ "not-authorized", 403, 403, 403 }, /* no 401 without a challenge */
	{ "policy-violation", 403, 403, 403 },
	{ "recipient-unavailable", 480, 480, 480 }, /* 600 likewise */
	{ "redirect", 480, 480, 302 },
	{ "registration-required", 403, 403, 403 }, /* no 407 without a challenge */
	{ "remote-server-not-found", 404, 404, 404 },
	{ "remote-server-timeout", 504, 504, 504 }, /* RFC 4320 section 4.2 */
	{ "resource-constraint", 480, 480, 480 },
	{ "service-unavailable", 480, 480, 480 },
	{ "subscription-required", 400, 400, 400 },
	{ "undefined-condition", 400, 400, 400 },
	{ "unexpected-request", 400, 400, 400 }, /* no 491 for a MESSAGE */
	{ "no-such-condition", 400, 400, 400 },
	{ "", 400, 400, 400 },
};

static void conditions(void **state)
{
	(void)state;
	int failed = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(condition_rows); i++) {
		const struct condition_row *r = &condition_rows[i];
		struct iw_sip_error full, bare, with;
		iw_condition_to_sip(xfed_span_str(r->condition), true, false, &full);
		iw_condition_to_sip(xfed_span_str(r->condition), false, false, &bare);
		iw_condition_to_sip(xfed_span_str(r->condition), true, true, &with);
		bool is_congestion = strcmp(r->condition, "resource-constraint") == 0;
		if (full.status != r->full || bare.status != r->bare || with.status != r->full_with_address ||
			full.retry_after_s != (is_congestion ? IW_RETRY_AFTER_S : 0) || full.needs_allow != (full.status == 405) ||
			full.needs_contact || with.needs_contact != (with.status < 400) || strcmp(full.phrase, "Error") == 0 ||
			strcmp(bare.phrase, "Error") == 0 || strcmp(with.phrase, "Error") == 0) {
			print_error("%s: %d %d %d\n", r->condition, full.status, bare.status, with.status);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
	struct iw_sip_error e;
	iw_condition_to_sip(XFED_SPAN("item-not-found"), false, false, &e);
	assert_int_equal(e.reason, XFED_REASON_XMPP_USER_UNKNOWN);
	iw_condition_to_sip(XFED_SPAN("forbidden"), false, false, &e);
	assert_int_equal(e.reason, XFED_REASON_XMPP_ERROR_RECEIVED);
}

/* Every reason of the table: what is due comes out, and nothing a gateway must not say. */
static void reasons(void **state)
{
	(void)state;
	int failed = 0;
	for (int i = XFED_REASON_NONE; i < XFED_REASON_COUNT; i++) {
		const struct xfed_reason_info *info = xfed_reason_info((enum xfed_reason)i);
		struct iw_xmpp_error x;
		struct iw_sip_error s;
		int rc = iw_reason_to_xmpp((enum xfed_reason)i, false, &x);
		bool is_wait = info->condition &&
			       (strcmp(info->condition, "resource-constraint") == 0 || strcmp(info->condition, "remote-server-timeout") == 0);
		if (rc != (info->condition ? XFED_OK : XFED_ERR_NOT_FOUND) ||
			(info->condition && (strcmp(x.condition, info->condition) != 0 || (is_wait && strcmp(x.type, "wait") != 0)))) {
			print_error("%s: to XMPP %d\n", info->code, rc);
			failed++;
		}
		rc = iw_reason_to_sip((enum xfed_reason)i, &s);
		bool is_bad = rc == XFED_OK && (s.status < 400 || s.status >= 600 || s.status == 401 || s.status == 407 || s.status == 408 ||
						       s.status == 491 || s.status == 503 || strcmp(s.phrase, "Error") == 0);
		if (rc != (info->sip_status ? XFED_OK : XFED_ERR_NOT_FOUND) || is_bad) {
			print_error("%s: to SIP %d\n", info->code, rc);
			failed++;
		}
	}
	assert_int_equal(failed, 0);

	struct iw_xmpp_error x;
	struct iw_sip_error s;
	assert_int_equal(iw_reason_to_xmpp(XFED_REASON_SIP_USER_UNKNOWN, true, &x), XFED_OK);
	assert_true(is_same(&x, "service-unavailable", "cancel", XFED_REASON_SIP_USER_UNKNOWN));
	assert_int_equal(iw_reason_to_xmpp(XFED_REASON_POLICY_SIZE_EXCEEDED, false, &x), XFED_OK);
	assert_true(x.is_too_big);
	assert_int_equal(iw_reason_to_xmpp(XFED_REASON_DELIVERY_SIZE_EXCEEDED, false, &x), XFED_OK);
	assert_true(x.is_too_big && is_same(&x, "policy-violation", "modify", XFED_REASON_DELIVERY_SIZE_EXCEEDED));
	assert_int_equal(iw_reason_to_sip(XFED_REASON_DELIVERY_SIZE_EXCEEDED, &s), XFED_OK);
	assert_true(s.status == 513 && s.retry_after_s == 0);
	assert_int_equal(iw_reason_to_sip(XFED_REASON_XMPP_SIZE_EXCEEDED, &s), XFED_OK);
	assert_int_equal(s.status, 413);
	assert_string_equal(s.phrase, "Request Entity Too Large");
	assert_int_equal(iw_reason_to_sip(XFED_REASON_SIP_USER_DECLINED, &s), XFED_OK);
	assert_int_equal(s.status, 403);
	assert_int_equal(iw_reason_to_sip(XFED_REASON_DELIVERY_QUEUE_FULL, &s), XFED_OK);
	assert_int_equal(s.retry_after_s, IW_RETRY_AFTER_S);
	assert_int_equal(iw_reason_to_sip(XFED_REASON_SIP_CONTENT_UNSUPPORTED, &s), XFED_OK);
	assert_true(s.status == 415 && s.needs_accept);
	iw_condition_to_sip(XFED_SPAN("not-acceptable"), true, false, &s);
	assert_true(s.status == 406 && s.needs_accept);
}

struct text_row {
	const char *name, *in, *phrase, *text; /* text NULL: absent */
};

static const struct text_row text_rows[] = {
	{ "plain", "User not found", "User not found", "User not found" },
	{ "line ends", "a\r\nVia: SIP/2.0/UDP evil\r\n\r\nbody", "a Via: SIP/2.0/UDP evil body", "a Via: SIP/2.0/UDP evil body" },
	{ "blanks at the ends", "  a  b \t", "a  b", "a  b" },
	{ "controls only", "\r\n\x01\x7F", "Fallback", NULL },
	{ "next line",
		"a\xC2\x85"
		"b",
		"a b", "a b" },
	{ "umlaut", "gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F" },
	{ "not UTF-8", "a\xFF", "Fallback", NULL },
	{ "noncharacter",
		"a\xEF\xBF\xBF"
		"b",
		"a b", "a b" },
	{ "empty", "", "Fallback", NULL },
	{ "turned round", "\xE2\x80\xAEtxet\xE2\x80\xAC \xE2\x81\xA6x\xE2\x81\xA9\xE2\x80\xA8y", "txet xy", "txet xy" },
	{ "turns alone", "\xE2\x80\xAE", "Fallback", NULL },
	{ "marks of Hebrew and Arabic stay", "\xE2\x80\x8F\xD7\x90!\xE2\x80\x8E", "\xE2\x80\x8F\xD7\x90!\xE2\x80\x8E",
		"\xE2\x80\x8F\xD7\x90!\xE2\x80\x8E" },
	/* What looks like a refusal of ours is said to be a partner's; a SIP server's words stand behind our sentence in any case. */
	{ "a code of ours", "policy.access.user: No", "The partner says: policy.access.user: No", "policy.access.user: No" },
	{ "... at the end", "Not for you (Policy.Access.User).", "The partner says: Not for you (Policy.Access.User).",
		"Not for you (Policy.Access.User)." },
	{ "... in between", "a policy.access.user. b", "The partner says: a policy.access.user. b", "a policy.access.user. b" },
	{ "... turned round inside",
		"policy.\xE2\x80\xAE"
		"access.user",
		"The partner says: policy.access.user", "policy.access.user" },
	{ "... behind what a terminal would have taken", "\x1B[31mpolicy.access.user", "The partner says: [31mpolicy.access.user",
		"[31mpolicy.access.user" },
	{ "no code", "policy access.user. None", "policy access.user. None", "policy access.user. None" },
};

/* [B3-01] */
static void texts(void **state)
{
	(void)state;
	struct xfed_arena a;
	int failed = 0;
	xfed_arena_init(&a, 65536);
	for (size_t i = 0; i < XFED_ARRAY_LEN(text_rows); i++) {
		const struct text_row *r = &text_rows[i];
		struct xfed_span phrase, text;
		assert_int_equal(iw_phrase_from_text(&a, xfed_span_str(r->in), "Fallback", &phrase), XFED_OK);
		assert_int_equal(iw_text_from_phrase(&a, xfed_span_str(r->in), &text), XFED_OK);
		if (!xfed_span_is(phrase, r->phrase) || (r->text ? !xfed_span_is(text, r->text) : text.data != NULL)) {
			print_error("%s: '%.*s'\n", r->name, (int)phrase.len, phrase.data);
			failed++;
		}
	}
	assert_int_equal(failed, 0);

	/* Cut between characters. */
	char longer[IW_PHRASE_BYTES + 2];
	struct xfed_span phrase;
	memset(longer, 'x', sizeof(longer));
	longer[IW_PHRASE_BYTES - 1] = '\xC3';
	longer[IW_PHRASE_BYTES] = '\xBC';
	assert_int_equal(iw_phrase_from_text(&a, xfed_span_make(longer, sizeof(longer)), "Fallback", &phrase), XFED_OK);
	assert_int_equal(phrase.len, IW_PHRASE_BYTES - 1);
	memset(longer, 'x', sizeof(longer));
	memcpy(longer, "sip.user.unknown ", 17);
	assert_int_equal(iw_phrase_from_text(&a, xfed_span_make(longer, sizeof(longer)), "Fallback", &phrase), XFED_OK);
	assert_int_equal(phrase.len, IW_PHRASE_BYTES);
	assert_memory_equal(phrase.data, "The partner says: sip.user.unknown xxx", 38);
	xfed_arena_deinit(&a);
}

static void *no_malloc(size_t size)
{
	(void)size;
	return NULL;
}

static void no_memory(void **state)
{
	(void)state;
	static const struct xfed_mem_hooks hooks = { no_malloc, realloc, free };
	struct xfed_arena a;
	struct xfed_span out;
	xfed_arena_init(&a, 65536);
	xfed_mem_set_hooks(&hooks);
	assert_int_equal(iw_phrase_from_text(&a, XFED_SPAN("x"), "Fallback", &out), XFED_ERR_NOMEM);
	assert_int_equal(iw_text_from_phrase(&a, XFED_SPAN("x"), &out), XFED_ERR_NOMEM);
	xfed_mem_set_hooks(NULL);
	xfed_arena_deinit(&a);
}

static void warnings(void **state)
{
	(void)state;
	char line[IW_WARNING_BYTES];
	const struct xfed_span host = XFED_SPAN("gw.example"), none = { NULL, 0 };
	iw_warning(line, sizeof(line), host, XFED_REASON_SIP_SCHEME_UNSUPPORTED, none);
	assert_string_equal(line, "Warning: 399 gw.example \"sip.scheme.unsupported: Only sip: addresses can be reached.\"\r\n");
	iw_warning(line, sizeof(line), XFED_SPAN("2001:db8::1"), XFED_REASON_SIP_SCHEME_UNSUPPORTED, XFED_SPAN("a\"b\\c\r\nd\xC3"));
	assert_string_equal(line, "Warning: 399 [2001:db8::1] \"sip.scheme.unsupported: Only sip: addresses can be reached. (a\\\"b\\\\c??d?)\"\r\n");
	iw_warning(line, sizeof(line), host, XFED_REASON_NONE, XFED_SPAN("x"));
	assert_string_equal(line, "");
	/* Whatever the size, a whole line or none. */
	for (size_t size = 1; size < sizeof(line); size++) {
		iw_warning(line, size, host, XFED_REASON_SIP_SCHEME_UNSUPPORTED, XFED_SPAN("\"\"\"\""));
		size_t len = strlen(line);
		assert_true(len < size && (len == 0 || strcmp(line + len - 4, ")\"\r\n") == 0));
	}
	/* Every reason that answers SIP fits, with the longest detail there is. */
	char detail[IW_DETAIL_BYTES + 1];
	memset(detail, '"', sizeof(detail) - 1);
	detail[sizeof(detail) - 1] = '\0';
	for (int r = XFED_REASON_NONE + 1; r < XFED_REASON_COUNT; r++) {
		iw_warning(line, sizeof(line), host, (enum xfed_reason)r, xfed_span_str(detail));
		assert_true(line[0] != '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(warnings),
		cmocka_unit_test(statuses),
		cmocka_unit_test(no_failure),
		cmocka_unit_test(without_address),
		cmocka_unit_test(conditions),
		cmocka_unit_test(reasons),
		cmocka_unit_test(texts),
		cmocka_unit_test(no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
