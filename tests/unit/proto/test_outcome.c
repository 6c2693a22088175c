/* What an outcome is about: side and whose peer it was, as they are said and as they are taken; and the clock of the other end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/check.h"
#include "proto/clock.h"
#include "proto/outcome.h"

static void a_reason_is_about_somebody(void **state)
{
	(void)state;
	static const struct {
		enum xfed_reason reason;
		enum proto_whose at_edge, at_gateway;
	} rows[] = {
		{ XFED_REASON_NONE, PROTO_WHOSE_NONE, PROTO_WHOSE_NONE },
		{ XFED_REASON_TLS_CERT_EXPIRED, PROTO_WHOSE_PARTNER, PROTO_WHOSE_SIP },
		{ XFED_REASON_NET_CONNECT_TIMEOUT, PROTO_WHOSE_PARTNER, PROTO_WHOSE_SIP },
		{ XFED_REASON_DNS_NAME_MISSING, PROTO_WHOSE_PARTNER, PROTO_WHOSE_SIP },
		{ XFED_REASON_DNS_TIMEOUT, PROTO_WHOSE_RESOLVER, PROTO_WHOSE_RESOLVER },
		{ XFED_REASON_DIALBACK_INVALID, PROTO_WHOSE_PARTNER, PROTO_WHOSE_PARTNER },
		{ XFED_REASON_XMPP_STANZA_INVALID, PROTO_WHOSE_PARTNER, PROTO_WHOSE_PARTNER },
		{ XFED_REASON_STREAM_INTERNAL, PROTO_WHOSE_NONE, PROTO_WHOSE_NONE },
		{ XFED_REASON_SIP_USER_UNKNOWN, PROTO_WHOSE_SIP, PROTO_WHOSE_SIP },
		{ XFED_REASON_CHANNEL_DOWN, PROTO_WHOSE_CHANNEL, PROTO_WHOSE_CHANNEL },
		{ XFED_REASON_DELIVERY_QUEUE_FULL, PROTO_WHOSE_NONE, PROTO_WHOSE_NONE },
		{ XFED_REASON_POLICY_PARTNER_UNLISTED, PROTO_WHOSE_NONE, PROTO_WHOSE_NONE },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		assert_int_equal(proto_whose_of(rows[i].reason, PROTO_WHOSE_PARTNER), rows[i].at_edge);
		assert_int_equal(proto_whose_of(rows[i].reason, PROTO_WHOSE_SIP), rows[i].at_gateway);
	}
}

static void what_is_said_is_taken(void **state)
{
	(void)state;
	Xfed__Outcome oc = XFED__OUTCOME__INIT;
	struct proto_result said = { .fate = XFED__FATE__FATE_REFUSED,
		.sip_status = 504,
		.reason = XFED_REASON_TLS_CERT_EXPIRED,
		.side = XFED_SIDE_OPERATOR,
		.whose = PROTO_WHOSE_PARTNER };
	proto_result_fill(&said, &oc);
	assert_string_equal(oc.side, "operator");
	assert_string_equal(oc.whose, "partner");
	struct proto_result taken = proto_result_told(&oc);
	assert_ptr_equal(taken.told, &oc);
	assert_int_equal(taken.fate, said.fate);
	assert_int_equal(taken.sip_status, 504);
	assert_int_equal(taken.reason, said.reason);
	assert_int_equal(taken.side, XFED_SIDE_OPERATOR);
	assert_int_equal(taken.whose, PROTO_WHOSE_PARTNER);
}

/* What went well is about nobody: nothing of it goes over the wire. */
static void good_news_say_no_more_than_before(void **state)
{
	(void)state;
	Xfed__Outcome oc = XFED__OUTCOME__INIT;
	proto_result_fill(&(struct proto_result){ .fate = XFED__FATE__FATE_DELIVERED, .sip_status = 200 }, &oc);
	assert_string_equal(oc.reason, "");
	assert_string_equal(oc.side, "");
	assert_string_equal(oc.whose, "");
}

/* A peer of before says neither, a hostile one anything: the reason's own side then, and nobody's peer. */
static void words_that_are_none_change_nothing(void **state)
{
	(void)state;
	static const char *const words[] = { "", "nobody", "PARTNER", "partner ", "us\nreason=none" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(words); i++) {
		Xfed__Outcome oc = XFED__OUTCOME__INIT;
		oc.fate = XFED__FATE__FATE_REFUSED;
		oc.reason = (char *)(uintptr_t) "tls.cert.expired";
		oc.side = oc.whose = (char *)(uintptr_t)words[i];
		struct proto_result r = proto_result_told(&oc);
		assert_int_equal(r.side, xfed_reason_info(XFED_REASON_TLS_CERT_EXPIRED)->side);
		assert_int_equal(r.whose, PROTO_WHOSE_NONE);
	}
}

static void a_clock_is_compared(void **state)
{
	(void)state;
	static const struct {
		uint64_t theirs, ours, under_way;
		bool is_known, is_apart;
		int64_t ahead;
	} rows[] = {
		{ 1780000000000, 1780000000000, 0, true, false, 0 },
		{ 1780000060000, 1780000000000, 0, true, false, 60000 },
		{ 1780000060000, 1780000000000, 1, true, true, 60001 },
		{ 1780000000000, 1780000060001, 1, true, false, -60000 },
		{ 1780000000000, 1780000060001, 0, true, true, -60001 },
		{ 1, PROTO_WALL_MS_MAX, 0, true, true, 1 - PROTO_WALL_MS_MAX },
		{ PROTO_WALL_MS_MAX, 1, PROTO_WALL_MS_MAX, true, true, 2 * PROTO_WALL_MS_MAX - 1 },
		{ 0, 1780000000000, 0, false, false, 0 },
		{ 1780000000000, 0, 0, false, false, 0 },
		{ PROTO_WALL_MS_MAX + 1, 1780000000000, 0, false, false, 0 },
		{ UINT64_MAX, 1780000000000, UINT64_MAX, false, false, 0 },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct proto_clock c = { 0 };
		proto_clock_take(&c, rows[i].theirs, rows[i].ours, rows[i].under_way);
		assert_int_equal(c.is_known, rows[i].is_known);
		assert_int_equal(c.ahead_ms, rows[i].ahead);
		assert_int_equal(proto_clock_is_apart(&c), rows[i].is_apart);
	}
}

static void a_clock_that_is_apart_is_named_with_its_remedy(void **state)
{
	(void)state;
	char words[640];
	struct proto_clock c = { true, 125900 };
	proto_clock_words(&c, "gw1", words, sizeof(words));
	assert_ptr_equal(strstr(words, "The clock of gw1 is 125 s ahead of ours. "), words);
	assert_non_null(strstr(words, "timedatectl"));
	c.ahead_ms = -86400000;
	proto_clock_words(&c, "gw1", words, sizeof(words));
	assert_ptr_equal(strstr(words, "The clock of gw1 is 86400 s behind ours. "), words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reason_is_about_somebody),
		cmocka_unit_test(what_is_said_is_taken),
		cmocka_unit_test(good_news_say_no_more_than_before),
		cmocka_unit_test(words_that_are_none_change_nothing),
		cmocka_unit_test(a_clock_is_compared),
		cmocka_unit_test(a_clock_that_is_apart_is_named_with_its_remedy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
