/*
 * Shares and budgets of those who have proved nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support.h"
#include "xfed/limits.h"
#include "xfed/mem.h"
#include "xfed/rt/reserve.h"
#include "xfed/rt/source.h"

#define HOLDS 64

static const struct rt_source_limits slots = { .slots = 12, .slots_address = 3, .slots_network = 6 };
static const struct rt_source_limits budget = { .budget_address = 10, .budget_network = 15, .refill_ms = 1000 };

static struct rt_addr ip(const char *text)
{
	struct rt_addr a;
	assert_int_equal(rt_addr_parse(&a, xfed_span_str(text), 5269), XFED_OK);
	return a;
}

static enum rt_source_verdict take(struct rt_sources *t, const char *from, struct rt_source_hold *h)
{
	struct rt_addr a = ip(from);
	return rt_sources_take(t, &a, h);
}

static enum rt_source_verdict spend(struct rt_sources *t, const char *from, uint32_t cost, uint64_t now_ms)
{
	struct rt_addr a = ip(from);
	return rt_sources_spend(t, &a, cost, now_ms);
}

/* Rows of one story: who asks for a slot, and what it hears. */
struct row {
	const char *from;
	enum rt_source_verdict verdict;
};

static void shares(void **state)
{
	static const struct row rows[] = {
		{ "192.0.2.1", RT_SOURCE_OK }, { "192.0.2.1", RT_SOURCE_OK }, { "::ffff:192.0.2.1", RT_SOURCE_OK }, /* the same address */
		{ "::ffff:192.0.2.1", RT_SOURCE_ADDRESS }, { "192.0.2.1", RT_SOURCE_ADDRESS },
		{ "192.0.2.255", RT_SOURCE_OK }, /* another one of that network */
		{ "192.0.2.254", RT_SOURCE_OK }, { "192.0.2.253", RT_SOURCE_OK }, { "192.0.2.252", RT_SOURCE_NETWORK },
		{ "192.0.3.252", RT_SOURCE_OK },							   /* the next network */
		{ "2001:db8:0:1::1", RT_SOURCE_OK }, { "2001:db8:0:1:ffff:ffff:ffff:ffff", RT_SOURCE_OK }, /* one /64 is one address */
		{ "2001:db8:0:1::2", RT_SOURCE_OK }, { "2001:db8:0:1::3", RT_SOURCE_ADDRESS }, { "2001:db8:0:2::1", RT_SOURCE_OK },
		{ "2001:db8:1:2::1", RT_SOURCE_OK },					 /* another /48 */
		{ "198.51.100.1", RT_SOURCE_TOTAL }, { "192.0.2.1", RT_SOURCE_ADDRESS }, /* its own share is what it hears of first */
	};
	struct rt_source_hold holds[HOLDS] = { { NULL, NULL, NULL } };
	struct rt_sources t;
	size_t held = 0;
	rt_sources_init(&t, &slots);
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		if (take(&t, rows[i].from, &holds[i]) != rows[i].verdict) {
			fail_msg("row %zu, %s", i, rows[i].from);
		}
		held += rows[i].verdict == RT_SOURCE_OK;
		assert_int_equal(t.held, held);
		assert_int_equal(holds[i].sources != NULL, rows[i].verdict == RT_SOURCE_OK);
	}
	rt_sources_give_back(&holds[0]);
	rt_sources_give_back(&holds[0]); /* holds nothing any more */
	assert_int_equal(take(&t, "192.0.2.1", &holds[0]), RT_SOURCE_OK);
	for (size_t i = 0; i < HOLDS; i++) {
		rt_sources_give_back(&holds[i]);
	}
	assert_int_equal(t.held, 0);
	assert_null(t.table); /* what holds nothing is not kept */
	rt_sources_deinit(&t);
}

static void fewer_after_a_reload(void **state)
{
	struct rt_source_limits fewer = { .slots = 2, .slots_address = 1, .slots_network = 2 };
	struct rt_source_hold h[4] = { { NULL, NULL, NULL } };
	struct rt_sources t;
	rt_sources_init(&t, &slots);
	assert_int_equal(take(&t, "192.0.2.1", &h[0]), RT_SOURCE_OK);
	assert_int_equal(take(&t, "192.0.2.1", &h[1]), RT_SOURCE_OK);
	rt_sources_limit(&t, &fewer);
	assert_int_equal(take(&t, "192.0.2.1", &h[2]), RT_SOURCE_ADDRESS);
	assert_int_equal(take(&t, "203.0.113.1", &h[2]), RT_SOURCE_TOTAL);
	rt_sources_give_back(&h[0]);
	assert_int_equal(take(&t, "203.0.113.1", &h[2]), RT_SOURCE_OK);
	rt_sources_give_back(&h[1]);
	rt_sources_give_back(&h[2]);
	rt_sources_deinit(&t);
}

static void unknown_addresses_are_one_source(void **state)
{
	struct rt_addr none = { .sa.sa_family = AF_UNSPEC };
	struct rt_source_hold h[4] = { { NULL, NULL, NULL } };
	struct rt_sources t;
	char text[RT_SOURCE_TEXT];
	rt_sources_init(&t, &slots);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(rt_sources_take(&t, &none, &h[i]), RT_SOURCE_OK);
	}
	assert_int_equal(rt_sources_take(&t, &none, &h[3]), RT_SOURCE_ADDRESS);
	assert_string_equal(rt_source_text(&none, RT_SOURCE_ADDRESS, text), "");
	for (size_t i = 0; i < 3; i++) {
		rt_sources_give_back(&h[i]);
	}
	rt_sources_deinit(&t);
}

static void budgets(void **state)
{
	struct rt_sources t;
	rt_sources_init(&t, &budget);
	assert_int_equal(spend(&t, "192.0.2.1", 11, 5000), RT_SOURCE_ADDRESS); /* more than there ever is */
	assert_null(t.table);
	assert_int_equal(spend(&t, "192.0.2.1", 7, 5000), RT_SOURCE_OK);
	assert_int_equal(spend(&t, "192.0.2.1", 4, 5000), RT_SOURCE_ADDRESS);
	assert_int_equal(spend(&t, "192.0.2.1", 3, 5000), RT_SOURCE_OK);
	assert_int_equal(spend(&t, "192.0.2.1", 1, 5099), RT_SOURCE_ADDRESS);
	assert_int_equal(spend(&t, "192.0.2.1", 1, 5100), RT_SOURCE_OK); /* a tenth of the time, a tenth of it */
	assert_int_equal(spend(&t, "192.0.2.2", 9, 5100), RT_SOURCE_NETWORK);
	assert_int_equal(spend(&t, "192.0.2.2", 5, 5100), RT_SOURCE_OK);
	assert_int_equal(spend(&t, "192.0.3.2", 10, 5100), RT_SOURCE_OK);
	assert_int_equal(spend(&t, "192.0.2.1", 10, 6100), RT_SOURCE_OK); /* full again, and no fuller */
	assert_int_equal(spend(&t, "192.0.2.1", 1, 6100), RT_SOURCE_ADDRESS);
	rt_sources_tick(&t, 5100 + RT_SOURCE_TELL_MS - 1);
	assert_non_null(t.table);
	rt_sources_tick(&t, 6100 + RT_SOURCE_TELL_MS);
	assert_null(t.table);
	rt_sources_deinit(&t);
}

static void a_table_without_a_budget_grants_none(void **state)
{
	struct rt_sources t;
	rt_sources_init(&t, &slots);
	assert_int_equal(spend(&t, "192.0.2.1", 1, 1), RT_SOURCE_TOTAL);
	rt_sources_deinit(&t);
}

/* Ever new addresses: the memory stays bounded, and who spends now is remembered. */
static void many_addresses(void **state)
{
	struct rt_sources t;
	char text[RT_ADDR_TEXT];
	rt_sources_init(&t, &budget);
	for (unsigned i = 0; i < 3 * XFED_SOURCES_REMEMBERED; i++) {
		snprintf(text, sizeof(text), "2001:db8:%x::1", i);
		assert_int_equal(spend(&t, text, 10, 1000), RT_SOURCE_OK);
		assert_int_equal(spend(&t, text, 1, 1000), RT_SOURCE_ADDRESS);
		assert_true(t.remembered_count <= XFED_SOURCES_REMEMBERED);
	}
	rt_sources_deinit(&t);
	assert_null(t.table);
}

/* The entry that is the oldest of all is used in the moment the newest needs its place. */
static void the_oldest_spends_again(void **state)
{
	struct rt_sources t;
	char text[RT_ADDR_TEXT];
	rt_sources_init(&t, &budget);
	assert_int_equal(spend(&t, "192.0.2.1", 1, 1000), RT_SOURCE_OK);
	for (unsigned i = 0; i < XFED_SOURCES_REMEMBERED / 2 - 1; i++) {
		snprintf(text, sizeof(text), "2001:db8:%x::1", i);
		assert_int_equal(spend(&t, text, 1, 1000), RT_SOURCE_OK);
	}
	assert_int_equal(t.remembered_count, XFED_SOURCES_REMEMBERED);
	assert_int_equal(spend(&t, "192.0.2.2", 10, 1000), RT_SOURCE_OK); /* its network is the oldest */
	assert_int_equal(spend(&t, "192.0.2.3", 5, 1000), RT_SOURCE_NETWORK);
	rt_sources_deinit(&t);
}

static void one_line_a_minute(void **state)
{
	struct rt_addr a = ip("192.0.2.1"), b = ip("203.0.113.1");
	struct rt_source_hold h = { NULL, NULL, NULL };
	struct rt_sources t;
	uint64_t count = 0;
	rt_sources_init(&t, &slots);
	assert_int_equal(take(&t, "192.0.2.1", &h), RT_SOURCE_OK);
	assert_true(rt_sources_is_news(&t, &a, RT_SOURCE_ADDRESS, 0, &count));
	assert_int_equal(count, 1);
	for (uint64_t ms = 1; ms < 100; ms++) {
		assert_false(rt_sources_is_news(&t, &a, RT_SOURCE_ADDRESS, ms, &count));
	}
	assert_true(rt_sources_is_news(&t, &a, RT_SOURCE_NETWORK, 100, &count)); /* its network is another source */
	rt_sources_give_back(&h);						 /* and a share that is free again is not news anew */
	assert_false(rt_sources_is_news(&t, &a, RT_SOURCE_ADDRESS, 101, &count));
	assert_true(rt_sources_is_news(&t, &a, RT_SOURCE_ADDRESS, RT_SOURCE_TELL_MS, &count));
	assert_int_equal(count, 101);
	assert_true(rt_sources_is_news(&t, &b, RT_SOURCE_TOTAL, 5, &count));
	assert_int_equal(count, 1);
	assert_false(rt_sources_is_news(&t, &a, RT_SOURCE_TOTAL, 6, &count)); /* for all there is one line */
	rt_sources_tick(&t, 2 * RT_SOURCE_TELL_MS);
	assert_null(t.table);
	rt_sources_deinit(&t);
}

static void names(void **state)
{
	struct {
		const char *in;
		enum rt_source_verdict v;
		const char *out;
	} rows[] = {
		{ "192.0.2.7", RT_SOURCE_ADDRESS, "192.0.2.7" },
		{ "::ffff:192.0.2.7", RT_SOURCE_ADDRESS, "192.0.2.7" },
		{ "192.0.2.7", RT_SOURCE_NETWORK, "192.0.2.0/24" },
		{ "2001:db8:1:2:3:4:5:6", RT_SOURCE_ADDRESS, "2001:db8:1:2::/64" },
		{ "2001:db8:1:2:3:4:5:6", RT_SOURCE_NETWORK, "2001:db8:1::/48" },
		{ "1111:2222:3333:4444:5:6:7:8", RT_SOURCE_ADDRESS, "1111:2222:3333:4444::/64" },
		{ "1111:2222:3333:4444:5:6:7:8", RT_SOURCE_NETWORK, "1111:2222:3333::/48" },
		{ "0.0.0.0", RT_SOURCE_NETWORK, "0.0.0.0/24" },
		{ "255.255.255.255", RT_SOURCE_NETWORK, "255.255.255.0/24" },
		{ "[::ffff:192.0.2.77]:1", RT_SOURCE_NETWORK, "192.0.2.0/24" },
		{ "::1", RT_SOURCE_NETWORK, "::/48" },
		{ "192.0.2.7", RT_SOURCE_TOTAL, "" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		char text[RT_SOURCE_TEXT];
		struct rt_addr a = ip(rows[i].in);
		assert_string_equal(rt_source_text(&a, rows[i].v, text), rows[i].out);
	}
	assert_int_equal(rt_source_share(200, 25), 50);
	assert_int_equal(rt_source_share(8, 25), 2);
	assert_int_equal(rt_source_share(1, 25), 1);
	assert_int_equal(rt_source_share(3, 100), 3);
	assert_int_equal(rt_source_share(5, 50), 3);
}

/* A tenth of the limit is each direction's own. */
static void what_each_direction_keeps(void **state)
{
	static const struct {
		size_t limit, held, of_this;
		bool fits;
	} rows[] = {
		{ 100, 0, 0, true },
		{ 100, 89, 89, true },
		{ 100, 90, 90, false },
		{ 100, 99, 89, true },
		{ 100, 99, 9, true },
		{ 100, 100, 10, false },
		{ 100, 101, 0, false },
		{ 1, 0, 0, true },
		{ 1, 1, 0, false },
		{ 0, 0, 0, false },
	};
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		if (rt_reserve_allows(rows[i].limit, rows[i].held, rows[i].of_this) != rows[i].fits) {
			fail_msg("row %zu: of %zu, %zu are held, %zu of this direction", i, rows[i].limit, rows[i].held, rows[i].of_this);
		}
	}
}

/* Without memory nothing is granted, nothing is lost, nothing is kept. */
static void without_memory(void **state)
{
	for (long n = 0; n < 4; n++) {
		struct rt_source_hold h = { NULL, NULL, NULL };
		struct rt_sources t;
		rt_sources_init(&t, &slots);
		fail_allocation(n);
		enum rt_source_verdict v = take(&t, "192.0.2.1", &h);
		fail_allocation(-1);
		assert_int_equal(v, RT_SOURCE_TOTAL);
		assert_int_equal(t.held, 0);
		assert_null(h.sources);
		assert_null(t.table);
		rt_sources_limit(&t, &budget);
		fail_allocation(n);
		v = spend(&t, "192.0.2.1", 1, 1);
		fail_allocation(-1);
		assert_int_equal(v, RT_SOURCE_TOTAL);
		assert_null(t.table);
		rt_sources_deinit(&t);
		xfed_mem_set_hooks(NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares),
		cmocka_unit_test(fewer_after_a_reload),
		cmocka_unit_test(unknown_addresses_are_one_source),
		cmocka_unit_test(budgets),
		cmocka_unit_test(a_table_without_a_budget_grants_none),
		cmocka_unit_test(many_addresses),
		cmocka_unit_test(the_oldest_spends_again),
		cmocka_unit_test(one_line_a_minute),
		cmocka_unit_test(names),
		cmocka_unit_test(what_each_direction_keeps),
		cmocka_unit_test(without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
