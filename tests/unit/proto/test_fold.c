/* What strangers cause at an edge, folded before it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/fold.h"
#include "xfed/limits.h"
#include "xfed/mem.h"

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

static bool take(const char *network, const char *name, const char *remote, uint64_t now_ms)
{
	struct proto_failure m = { .direction = XFED__DIRECTION__DIRECTION_IN,
		.local = "example.com",
		.remote = remote,
		.text = "no",
		.address = "192.0.2.1:5",
		.reason = XFED_REASON_POLICY_PARTNER_UNLISTED };
	return proto_fold_take(fold, xfed_span_str(network), xfed_span_str(name), &m, now_ms);
}

/* How many are told at once of `n` in one window, each under another claimed name. */
static size_t burst(const char *network, const char *name, size_t n, uint64_t now_ms)
{
	size_t told = 0;
	for (size_t i = 0; i < n; i++) {
		char remote[32];
		snprintf(remote, sizeof(remote), "r%zu.example", i);
		told += take(network, name, remote, now_ms);
	}
	return told;
}

static void a_flood_is_told_with_its_count(void **state)
{
	struct proto_failure m;
	uint32_t repeated;
	(void)state;
	assert_int_equal(burst("192.0.2.0/24", "", 100000, 5), XFED_FOLD_NAME);
	assert_false(proto_fold_next(fold, 5 + XFED_FOLD_WINDOW_MS - 1, &m, &repeated));
	assert_true(proto_fold_next(fold, 5 + XFED_FOLD_WINDOW_MS, &m, &repeated));
	assert_int_equal(repeated + 1 + XFED_FOLD_NAME, 100000);
	assert_string_equal(m.remote, "r99999.example"); /* the last */
	assert_string_equal(m.local, "example.com");
	assert_string_equal(m.address, "192.0.2.1:5");
	assert_int_equal(m.reason, XFED_REASON_POLICY_PARTNER_UNLISTED);
	assert_int_equal(m.step_count, 0);
	assert_false(proto_fold_next(fold, 5 + XFED_FOLD_WINDOW_MS, &m, &repeated));
}

/* Neither another network nor another partner's name pays for it. */
static void others_are_told(void **state)
{
	(void)state;
	assert_int_equal(burst("192.0.2.0/24", "", 1000, 0), XFED_FOLD_NAME);
	assert_int_equal(burst("192.0.2.0/24", "a.example", 1000, 0), XFED_FOLD_NAME);
	assert_int_equal(burst("192.0.2.0/24", "b.example", 1, 0), 1);
	assert_int_equal(burst("198.51.100.0/24", "a.example", 1, 0), 1);
}

/* ... but who names no listed partner has an end, one network and all together, and has so too who names one. */
static void names_and_networks_have_an_end(void **state)
{
	size_t told = 0;
	char network[32];
	(void)state;
	for (size_t i = 0; i < 100000; i++) {
		snprintf(network, sizeof(network), "10.%zu.%zu.0/24", i / 256, i % 256);
		told += burst(network, "", 1, 1);
	}
	assert_int_equal(told, XFED_FOLD_ALL - XFED_FOLD_LISTED);
	told = 0;
	for (size_t i = 0; i < 1000; i++) {
		snprintf(network, sizeof(network), "10.0.%zu.0/24", i % 100);
		told += burst(network, "a.example", 2, 1);
	}
	assert_int_equal(told, XFED_FOLD_PARTNER);
	assert_int_equal(burst("192.0.2.0/24", "a.example", 5, 1 + XFED_FOLD_WINDOW_MS), 5);
}

/* One network that names all partners: the first of each is told, and of the rest no more than its share. */
static void names_of_one_network_have_an_end(void **state)
{
	size_t told = 0;
	char name[32];
	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "p%zu.example", i);
		told += burst("192.0.2.0/24", name, 2, 0);
	}
	assert_int_equal(told, 1000 + XFED_FOLD_NETWORK / 2);
}

/* The failure an operator needs is told at once, however many strangers fail from however many networks, under no listed name. */
static void a_listed_partner_is_told_of_past_strangers(void **state)
{
	char network[32];
	(void)state;
	for (size_t i = 0; i < 100000; i++) {
		snprintf(network, sizeof(network), "10.%zu.%zu.0/24", i / 256, i % 256);
		burst(network, "", 1, 1);
	}
	assert_true(take("192.0.2.0/24", "partner.example", "partner.example", 2));
	assert_int_equal(burst("192.0.2.0/24", "partner.example", 100, 2), XFED_FOLD_NAME - 1);
}

/* ... or under the names of all other listed partners, from its own network as well; and what is kept of it is what is told later. */
static void nor_do_other_names_push_it_out(void **state)
{
	char network[32], name[32];
	struct proto_failure m;
	uint32_t repeated, found = 0;
	(void)state;
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < 3000; i++) {
			snprintf(network, sizeof(network), "10.0.%zu.0/24", i % 200);
			snprintf(name, sizeof(name), "p%zu.example", i % 1000);
			burst(i % 4 ? network : "192.0.2.0/24", name, 4, 1);
		}
		assert_int_equal(take("192.0.2.0/24", "partner.example", "the partner", 2), round == 0);
	}
	for (size_t i = 0; i < 3000; i++) { /* its place in the network has to make room */
		snprintf(name, sizeof(name), "q%zu.example", i % 1000);
		burst("192.0.2.0/24", name, 4, 3);
	}
	while (proto_fold_next(fold, 3 + XFED_FOLD_WINDOW_MS, &m, &repeated)) {
		found += strcmp(m.remote, "the partner") == 0;
	}
	assert_int_equal(found, 1);
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
		if (take(network, chance & 128 ? name : "", "x.example", now)) {
			got++;
		}
		now += (chance >> 4) % 5;
		if (i % 1000 == 0) {
			while (proto_fold_next(fold, now, &m, &repeated)) {
				got += 1 + (uint64_t)repeated;
			}
		}
	}
	while (proto_fold_next(fold, now + XFED_FOLD_WINDOW_MS, &m, &repeated)) {
		got += 1 + (uint64_t)repeated;
	}
	assert_int_equal(put, got);
}

/* ---- failing allocations ---- */

static long fail_at, allocations;

static void *failing_malloc(size_t size)
{
	return allocations++ == fail_at ? NULL : malloc(size);
}
static void *failing_realloc(void *p, size_t size)
{
	return allocations++ == fail_at ? NULL : realloc(p, size);
}

/* Without memory something is told later, and counted with others; it is not lost. */
static void every_allocation_may_fail(void **state)
{
	static const struct xfed_mem_hooks hooks = { failing_malloc, failing_realloc, free };
	bool failed = true;
	(void)state;
	for (fail_at = 0; failed; fail_at++) {
		struct proto_failure m;
		uint32_t repeated;
		uint64_t got = 0, put = 0;
		allocations = 0;
		xfed_mem_set_hooks(&hooks);
		if (proto_fold_new(&fold) == XFED_OK) {
			for (size_t i = 0; i < 1200; i++, put++) {
				char network[32], name[32];
				snprintf(network, sizeof(network), "10.0.%zu.0/24", i / 2);
				snprintf(name, sizeof(name), "p%zu.example", i % 7);
				got += take(network, i % 3 ? name : "", "x.example", 1);
			}
			while (proto_fold_next(fold, 1 + XFED_FOLD_WINDOW_MS, &m, &repeated)) {
				got += 1 + (uint64_t)repeated;
			}
		}
		proto_fold_free(fold);
		xfed_mem_set_hooks(NULL);
		failed = allocations > fail_at;
		assert_int_equal(got, put);
	}
	assert_true(fail_at > 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_flood_is_told_with_its_count, setup, teardown),
		cmocka_unit_test_setup_teardown(others_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(names_and_networks_have_an_end, setup, teardown),
		cmocka_unit_test_setup_teardown(names_of_one_network_have_an_end, setup, teardown),
		cmocka_unit_test_setup_teardown(a_listed_partner_is_told_of_past_strangers, setup, teardown),
		cmocka_unit_test_setup_teardown(nor_do_other_names_push_it_out, setup, teardown),
		cmocka_unit_test_setup_teardown(none_is_lost, setup, teardown),
		cmocka_unit_test(every_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
