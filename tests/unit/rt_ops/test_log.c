/* Log lines: what they look like, that no value can forge one, and that a hostile peer cannot flood them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <jansson.h>

#include "xfed/rt/log.h"

static char last[RT_LOG_LINE_BYTES + 1];
static size_t lines;
static int64_t now = 1769860800123; /* 2026-01-31T12:00:00.123Z */

static void sink(void *user, enum rt_log_level level, struct xfed_span line)
{
	assert_true(line.len <= RT_LOG_LINE_BYTES);
	memcpy(last, line.data, line.len);
	last[line.len] = '\0';
	lines++;
}

static int64_t clock_ms(void *user)
{
	return now;
}

static int setup(void **state)
{
	rt_log_set_clock(clock_ms, NULL);
	rt_log_set_sink(sink, NULL);
	rt_log_configure(RT_LOG_INFO, RT_LOG_TEXT, false);
	lines = 0;
	last[0] = '\0';
	return 0;
}

#define STAMP "2026-01-31T12:00:00.123Z "

static void a_line(void **state)
{
	rt_log(RT_LOG_INFO, "s2s.authenticated", RT_KV("partner", XFED_SPAN("a.example")), RT_KV_U64("conn", 7), RT_KV_I64("delta", -3),
		RT_KV_BOOL("tls", true), RT_KV_HEX("delivery", 0xab), RT_KV_STR("absent", NULL), RT_END);
	assert_string_equal(last, STAMP "info event=s2s.authenticated partner=a.example conn=7 delta=-3 tls=true delivery=00000000000000ab");
	rt_log(RT_LOG_WARNING, "s2s.closed", RT_KV_REASON(XFED_REASON_TLS_CERT_EXPIRED), RT_END);
	assert_string_equal(last, STAMP "warning event=s2s.closed reason=tls.cert.expired side=partner");
	rt_log(RT_LOG_ERROR, "s2s.closed", RT_KV_REASON_SIDE(XFED_REASON_TLS_CERT_EXPIRED, XFED_SIDE_US), RT_END);
	assert_string_equal(last, STAMP "error event=s2s.closed reason=tls.cert.expired side=us");
	rt_log(RT_LOG_INFO, "s2s.closed", RT_KV_REASON(XFED_REASON_NONE), RT_END);
	assert_string_equal(last, STAMP "info event=s2s.closed");
}

#define S(lit)                                                                                                                                       \
	{                                                                                                                                            \
		"" lit, sizeof(lit) - 1                                                                                                              \
	}

static const struct {
	const char *name;
	struct xfed_span value;
	const char *text, *json;
} values[] = {
	{ "plain", S("a.example:5269/x@y"), "a.example:5269/x@y", "\"a.example:5269/x@y\"" },
	{ "empty", S(""), "\"\"", "\"\"" },
	{ "blank", S("a b"), "\"a b\"", "\"a b\"" },
	{ "equals sign", S("a=b"), "\"a=b\"", "\"a=b\"" },
	{ "quote", S("a\"b"), "\"a\\\"b\"", "\"a\\\"b\"" },
	{ "backslash", S("a\\b"), "\"a\\\\b\"", "\"a\\\\b\"" },
	{ "forged line", S("x\n2026-01-01T00:00:00.000Z info event=fine"), "\"x\\x0a2026-01-01T00:00:00.000Z info event=fine\"",
		"\"x\\\\x0a2026-01-01T00:00:00.000Z info event=fine\"" },
	{ "carriage return", S("a\rb"), "\"a\\x0db\"", "\"a\\\\x0db\"" },
	{ "NUL", S("a\0b"), "\"a\\x00b\"", "\"a\\\\x00b\"" },
	{ "escape sequence", S("\x1b[31m"), "\"\\x1b[31m\"", "\"\\\\x1b[31m\"" },
	{ "C1 control",
		S("a\xc2\x9b"
		  "b"),
		"\"a\\xc2\\x9bb\"", "\"a\\\\xc2\\\\x9bb\"" },
	{ "line separator",
		S("a\xe2\x80\xa8"
		  "b"),
		"\"a\\xe2\\x80\\xa8b\"", "\"a\\\\xe2\\\\x80\\\\xa8b\"" },
	{ "right-to-left override",
		S("\xe2\x80\xae"
		  "b"),
		"\"\\xe2\\x80\\xaeb\"", "\"\\\\xe2\\\\x80\\\\xaeb\"" },
	{ "UTF-8",
		S("b\xc3\xbc"
		  "cher.example"),
		"b\xc3\xbc"
		"cher.example",
		"\"b\xc3\xbc"
		"cher.example\"" },
	{ "not UTF-8", S("a\xff\xc3"), "\"a\\xff\\xc3\"", "\"a\\\\xff\\\\xc3\"" },
};

static void no_value_breaks_a_line(void **state)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(values); i++) {
		char expected[512];
		now += RT_LOG_WINDOW_MS; /* beyond the limiter; the stamp is cut off below */
		rt_log_configure(RT_LOG_INFO, RT_LOG_TEXT, false);
		rt_log(RT_LOG_INFO, "x", RT_KV("v", values[i].value), RT_KV_U64("n", 1), RT_END);
		snprintf(expected, sizeof(expected), "info event=x v=%s n=1", values[i].text);
		if (strcmp(last + sizeof(STAMP) - 1, expected) != 0) {
			fail_msg("%s: %s", values[i].name, last);
		}
		rt_log_configure(RT_LOG_INFO, RT_LOG_JSON, false);
		rt_log(RT_LOG_INFO, "x", RT_KV("v", values[i].value), RT_KV_U64("n", 1), RT_END);
		snprintf(expected, sizeof(expected), "\"level\":\"info\",\"event\":\"x\",\"v\":%s,\"n\":1}", values[i].json);
		json_t *j = json_loads(last, JSON_REJECT_DUPLICATES, NULL);
		if (!j || !strstr(last, expected)) {
			fail_msg("%s as JSON: %s", values[i].name, last);
		}
		json_decref(j);
	}
	now = 1769860800123;
}

static void long_values_and_lines_are_cut(void **state)
{
	char value[2000];
	memset(value, 'a', sizeof(value));
	struct xfed_span v = xfed_span_make(value, sizeof(value));
	rt_log(RT_LOG_INFO, "x", RT_KV("a", v), RT_KV_U64("n", 1), RT_END);
	assert_non_null(strstr(last, "aaa...\" n=1"));
	rt_log(RT_LOG_INFO, "x", RT_KV("a", v), RT_KV("b", v), RT_KV("c", v), RT_KV("d", v), RT_KV_U64("n", 1), RT_END);
	assert_null(strstr(last, " d="));
	assert_string_equal(last + strlen(last) - 9, " cut=true");
	rt_log_configure(RT_LOG_INFO, RT_LOG_JSON, false);
	rt_log(RT_LOG_INFO, "x", RT_KV("a", v), RT_KV("b", v), RT_KV("c", v), RT_KV("d", v), RT_KV_U64("n", 1), RT_END);
	json_t *j = json_loads(last, 0, NULL);
	assert_non_null(j);
	assert_true(json_is_true(json_object_get(j, "cut")));
	json_decref(j);
}

static void addresses_are_masked(void **state)
{
	rt_log(RT_LOG_INFO, "x", RT_KV_ADDRESS("from", XFED_SPAN("alice@a.example")), RT_END);
	assert_string_equal(last, STAMP "info event=x from=alice@a.example");
	rt_log_configure(RT_LOG_INFO, RT_LOG_TEXT, true);
	rt_log(RT_LOG_INFO, "x", RT_KV_ADDRESS("from", XFED_SPAN("alice@a.example")), RT_KV_ADDRESS("to", XFED_SPAN("sip:bob@b.example;x")),
		RT_KV_ADDRESS("domain", XFED_SPAN("c.example")), RT_KV("plain", XFED_SPAN("dave@d.example")), RT_END);
	assert_string_equal(last, STAMP "info event=x from=***@a.example to=sip:***@b.example;x domain=c.example plain=dave@d.example");
}

static void levels(void **state)
{
	rt_log(RT_LOG_DEBUG, "x", RT_KV("partner", XFED_SPAN("a.example")), RT_END);
	assert_int_equal(lines, 0);
	assert_false(rt_log_is_on(RT_LOG_DEBUG));
	assert_int_equal(rt_log_debug_domain(XFED_SPAN("a.example"), true), XFED_OK);
	rt_log(RT_LOG_DEBUG, "x", RT_KV("partner", XFED_SPAN("a.example")), RT_END);
	rt_log(RT_LOG_DEBUG, "x", RT_KV("local", XFED_SPAN("a.example")), RT_END);
	assert_int_equal(lines, 2);
	rt_log(RT_LOG_DEBUG, "x", RT_KV("partner", XFED_SPAN("b.example")), RT_END);
	rt_log(RT_LOG_DEBUG, "x", RT_KV("other", XFED_SPAN("a.example")), RT_END);
	assert_int_equal(lines, 2);
	assert_int_equal(rt_log_debug_domain(XFED_SPAN("a.example"), false), XFED_OK);
	assert_false(rt_log_is_on(RT_LOG_DEBUG));
	for (int i = 0; i < RT_LOG_DOMAINS_MAX; i++) {
		char name[32];
		snprintf(name, sizeof(name), "d%d.example", i);
		assert_int_equal(rt_log_debug_domain(xfed_span_str(name), true), XFED_OK);
	}
	assert_int_equal(rt_log_debug_domain(XFED_SPAN("one.more"), true), XFED_ERR_LIMIT);
	for (int i = 0; i < RT_LOG_DOMAINS_MAX; i++) {
		char name[32];
		snprintf(name, sizeof(name), "d%d.example", i);
		assert_int_equal(rt_log_debug_domain(xfed_span_str(name), false), XFED_OK);
	}
	rt_log_set_level(RT_LOG_ERROR);
	rt_log(RT_LOG_WARNING, "x", RT_END);
	assert_int_equal(lines, 2);
	rt_log(RT_LOG_ERROR, "x", RT_END);
	assert_int_equal(lines, 3);
}

static void repeated_refusals_are_summed_up(void **state)
{
	for (int i = 0; i < RT_LOG_BURST + 250; i++) {
		rt_log(RT_LOG_WARNING, "s2s.refused", RT_KV_REASON(XFED_REASON_POLICY_PARTNER_UNLISTED), RT_KV_U64("conn", (uint64_t)i), RT_END);
	}
	assert_int_equal(lines, RT_LOG_BURST);
	/* Another reason, and audit lines, are not held back by it. */
	rt_log(RT_LOG_WARNING, "s2s.refused", RT_KV_REASON(XFED_REASON_DNS_TIMEOUT), RT_END);
	assert_int_equal(lines, RT_LOG_BURST + 1);
	for (int i = 0; i < RT_LOG_BURST_PLAIN + 10; i++) {
		rt_log(RT_LOG_INFO, "audit.command", RT_KV_STR("reason", "x"), RT_END);
	}
	assert_int_equal(lines, RT_LOG_BURST + 1 + RT_LOG_BURST_PLAIN + 10);
	lines = 0;
	rt_log_flush(false);
	assert_int_equal(lines, 0);
	now += RT_LOG_WINDOW_MS;
	rt_log_flush(false);
	assert_int_equal(lines, 1);
	assert_non_null(strstr(last, " warning event=log.suppressed of=s2s.refused of_reason=policy.partner.unlisted count=250"));
	rt_log(RT_LOG_WARNING, "s2s.refused", RT_KV_REASON(XFED_REASON_POLICY_PARTNER_UNLISTED), RT_END);
	assert_int_equal(lines, 2);
	now = 1769860800123;
}

static const char *listed(void *user, struct xfed_span domain)
{
	(void)user;
	return xfed_span_is(domain, "storm.example") || xfed_span_is(domain, "sub.storm.example") ? "storm.example"
	       : xfed_span_is(domain, "quiet.example")						  ? "quiet.example"
												  : NULL;
}

/* A name that nobody has listed, and a reason that is none, make no room for lines: they cost a flooder nothing. */
static void what_a_peer_writes_is_no_key(void **state)
{
	char name[32];
	rt_log_set_partner_names(listed, NULL);
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "n%d.example", i);
		rt_log(RT_LOG_WARNING, "s2s.closed", RT_KV_REASON(XFED_REASON_TLS_CERT_EXPIRED), RT_KV_STR("partner", name), RT_END);
	}
	assert_int_equal(lines, RT_LOG_BURST);
	lines = 0;
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "made.up.r%d", i);
		rt_log(RT_LOG_WARNING, "failure", RT_KV_STR("reason", name), RT_END);
	}
	assert_int_equal(lines, RT_LOG_BURST);
	lines = 0;
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "made.up.r%d", i);
		rt_log(RT_LOG_WARNING, "failure", RT_KV_STR("reason", name), RT_KV_STR("partner", i % 2 ? "sub.storm.example" : "storm.example"),
			RT_END);
	}
	assert_true(lines <= 10);
	lines = 0;
	rt_log_flush(true);
	assert_int_equal(lines, 2);
	assert_non_null(strstr(last, "of_reason=other") ? last : strstr(last, "of_reason=tls.cert.expired"));
	rt_log_set_partner_names(NULL, NULL);
}

/* One partner's storm leaves a few lines to each of the others; a storm of names is bounded all the same. */
static void a_storm_does_not_hide_other_partners(void **state)
{
	char name[32];
	rt_log_set_partner_names(listed, NULL);
	for (int i = 0; i < RT_LOG_BURST + 250; i++) {
		rt_log(RT_LOG_WARNING, "s2s.closed", RT_KV_REASON(XFED_REASON_TLS_CERT_EXPIRED), RT_KV_STR("partner", "storm.example"), RT_END);
	}
	assert_int_equal(lines, RT_LOG_BURST);
	rt_log(RT_LOG_WARNING, "s2s.closed", RT_KV_REASON(XFED_REASON_TLS_CERT_EXPIRED), RT_KV_STR("partner", "sub.storm.example"), RT_END);
	assert_int_equal(lines, RT_LOG_BURST); /* another name of the same */
	rt_log(RT_LOG_WARNING, "s2s.closed", RT_KV_REASON(XFED_REASON_TLS_CERT_EXPIRED), RT_KV_STR("partner", "quiet.example"), RT_END);
	assert_int_equal(lines, RT_LOG_BURST + 1);
	assert_non_null(strstr(last, "partner=quiet.example"));
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "n%d.example", i);
		rt_log(RT_LOG_WARNING, "s2s.closed", RT_KV_REASON(XFED_REASON_TLS_CERT_EXPIRED), RT_KV_STR("partner", name), RT_END);
	}
	assert_int_equal(lines, RT_LOG_BURST + 1);
	lines = 0;
	rt_log_flush(true);
	assert_int_equal(lines, 1); /* one summary for all that was held back */
	rt_log_set_partner_names(NULL, NULL);
}

static void many_kinds_of_lines_lose_no_count(void **state)
{
	/* More events than there are slots: each that makes room for another leaves its summary. */
	char event[32];
	for (int e = 0; e < 400; e++) {
		snprintf(event, sizeof(event), "event%d", e);
		for (int i = 0; i < RT_LOG_BURST + 1; i++) {
			rt_log(RT_LOG_INFO, event, RT_KV_STR("reason", "r"), RT_END);
		}
	}
	rt_log_flush(true);
	assert_int_equal(lines, 400 * RT_LOG_BURST + 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_line, setup),
		cmocka_unit_test_setup(no_value_breaks_a_line, setup),
		cmocka_unit_test_setup(long_values_and_lines_are_cut, setup),
		cmocka_unit_test_setup(addresses_are_masked, setup),
		cmocka_unit_test_setup(levels, setup),
		cmocka_unit_test_setup(repeated_refusals_are_summed_up, setup),
		cmocka_unit_test_setup(a_storm_does_not_hide_other_partners, setup),
		cmocka_unit_test_setup(what_a_peer_writes_is_no_key, setup),
		cmocka_unit_test_setup(many_kinds_of_lines_lose_no_count, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
