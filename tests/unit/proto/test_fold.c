/* What strangers cause at an edge, folded before it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/fold.h"

static struct proto_fold *fold;

static int setup(void **state)
{
	(void)state;
	return proto_fold_new(&fold);
}

static int teardown(void **state)
{
	(void)state;
	proto_fold_free(fold);
	return 0;
}

static bool take(const char *network, const char *name, const char *remote, uint64_t now_ms, uint32_t *repeated)
{
	struct proto_failure m = { .direction = XFED__DIRECTION__DIRECTION_IN, .local = "example.com", .remote = remote, .text = "no",
		.address = "192.0.2.1:5", .reason = XFED_REASON_POLICY_PARTNER_UNLISTED };
	return proto_fold_take(fold, xfed_span_str(network), xfed_span_str(name), &m, now_ms, repeated);
}

/* How many are told at once of `n` in one window, each under another claimed name. */
static size_t burst(const char *network, const char *name, size_t n, uint64_t now_ms)
{
	size_t told = 0;
	for (size_t i = 0; i < n; i++) {
		char remote[32];
		uint32_t repeated;
		snprintf(remote, sizeof(remote), "r%zu.example", i);
		told += take(network, name, remote, now_ms, &repeated);
		assert_int_equal(repeated, 0);
	}
	return told;
}

static void a_flood_is_told_with_its_count(void **state)
{
	struct proto_failure m;
	uint32_t repeated;
	(void)state;
	assert_int_equal(burst("192.0.2.0/24", "", 100000, 5), PROTO_FOLD_NAME);
	assert_false(proto_fold_next(fold, 5 + PROTO_FOLD_WINDOW_MS - 1, &m, &repeated));
	assert_true(proto_fold_next(fold, 5 + PROTO_FOLD_WINDOW_MS, &m, &repeated));
	assert_int_equal(repeated + 1 + PROTO_FOLD_NAME, 100000);
	assert_string_equal(m.remote, "r99999.example"); /* the last */
	assert_string_equal(m.local, "example.com");
	assert_string_equal(m.address, "192.0.2.1:5");
	assert_int_equal(m.reason, XFED_REASON_POLICY_PARTNER_UNLISTED);
	assert_int_equal(m.step_count, 0);
	assert_false(proto_fold_next(fold, 5 + PROTO_FOLD_WINDOW_MS, &m, &repeated));
}

/* Neither another network nor another partner's name pays for it. */
static void others_are_told(void **state)
{
	(void)state;
	assert_int_equal(burst("192.0.2.0/24", "", 1000, 0), PROTO_FOLD_NAME);
	assert_int_equal(burst("192.0.2.0/24", "a.example", 1000, 0), PROTO_FOLD_NAME);
	assert_int_equal(burst("192.0.2.0/24", "b.example", 1, 0), 1);
	assert_int_equal(burst("198.51.100.0/24", "a.example", 1, 0), 1);
}

/* ... but a network that names all partners has an end, and so have all of them together. */
static void names_and_networks_have_an_end(void **state)
{
	size_t told = 0;
	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		char name[32];
		snprintf(name, sizeof(name), "p%zu.example", i);
		told += burst("192.0.2.0/24", name, 2, 0);
	}
	assert_int_equal(told, PROTO_FOLD_NETWORK);
	for (size_t i = 0; i < 100000; i++) {
		char network[32];
		snprintf(network, sizeof(network), "10.%zu.%zu.0/24", i / 256, i % 256);
		told += burst(network, "", 1, 1);
	}
	assert_int_equal(told, PROTO_FOLD_ALL);
}

/* However it comes, every one is told or counted, once. */
static void none_is_lost(void **state)
{
	uint64_t put = 0, got = 0, now = 0;
	uint32_t chance = 1, repeated;
	struct proto_failure m;
	(void)state;
	for (int i = 0; i < 200000; i++) {
		char network[32], name[32];
		chance = chance * 1664525u + 1013904223u;
		snprintf(network, sizeof(network), "10.0.%u.0/24", (chance >> 8) % (i < 100000 ? 2000 : 3));
		snprintf(name, sizeof(name), "p%u.example", (chance >> 20) % 40);
		put++;
		if (take(network, chance & 128 ? name : "", "x.example", now, &repeated)) {
			got += 1 + (uint64_t)repeated;
		}
		now += (chance >> 4) % 5;
		if (i % 1000 == 0) {
			while (proto_fold_next(fold, now, &m, &repeated)) {
				got += 1 + (uint64_t)repeated;
			}
		}
	}
	while (proto_fold_next(fold, now + PROTO_FOLD_WINDOW_MS, &m, &repeated)) {
		got += 1 + (uint64_t)repeated;
	}
	assert_int_equal(put, got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_flood_is_told_with_its_count, setup, teardown),
		cmocka_unit_test_setup_teardown(others_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(names_and_networks_have_an_end, setup, teardown),
		cmocka_unit_test_setup_teardown(none_is_lost, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
