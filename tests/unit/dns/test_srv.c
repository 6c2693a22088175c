/*
 * The order of SRV records (RFC 2782 "Usage rules", [A1-01]) with a random source of the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "xfed/dns.h"

#define ROUNDS	    20000
#define RECORDS_MAX 8

static uint64_t seed;

static void test_random(void *user, void *out, size_t len)
{
	uint8_t *p = out;
	(void)user;
	for (size_t i = 0; i < len; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		p[i] = (uint8_t)(seed >> 32);
	}
}

static const struct xfed_env env = { .random = test_random };

struct weights {
	const char *row;
	struct {
		unsigned priority, weight;
	} in[RECORDS_MAX];
	size_t count;
	/* How often, of a thousand, record i stands first of its priority; and the tolerance. */
	int first[RECORDS_MAX];
};

static const struct weights rows[] = {
	{ "one record", { { 5, 7 } }, 1, { 1000 } },
	{ "1 to 3", { { 0, 1 }, { 0, 3 } }, 2, { 250, 750 } },
	{ "equal weights", { { 0, 5 }, { 0, 5 }, { 0, 5 }, { 0, 5 } }, 4, { 250, 250, 250, 250 } },
	{ "all zero: no order of their own", { { 0, 0 }, { 0, 0 }, { 0, 0 }, { 0, 0 } }, 4, { 250, 250, 250, 250 } },
	{ "zero beside 9: one draw of ten", { { 0, 0 }, { 0, 9 } }, 2, { 100, 900 } },
	{ "the largest weights", { { 0, 65535 }, { 0, 65535 } }, 2, { 500, 500 } },
	{ "priority before weight", { { 20, 65535 }, { 10, 0 }, { 10, 1 } }, 3, { 1000, 500, 500 } },
};

static size_t first_of_priority(const struct xfed_dns_record *r, size_t count, unsigned priority)
{
	for (size_t i = 0; i < count; i++) {
		if (r[i].srv.priority == priority) {
			return r[i].srv.port;
		}
	}
	return count;
}

/* Fills records whose port is their index, orders them, and checks that they are all there and sorted by priority. */
static void order_once(const struct weights *w, struct xfed_dns_record *r)
{
	unsigned seen = 0;
	for (size_t i = 0; i < w->count; i++) {
		r[i] = (struct xfed_dns_record){ .type = XFED_DNS_SRV,
			.srv = { (uint16_t)w->in[i].priority, (uint16_t)w->in[i].weight, (uint16_t)i, XFED_SPAN("t") } };
	}
	xfed_dns_srv_order(&env, r, w->count);
	for (size_t i = 0; i < w->count; i++) {
		seen |= 1u << r[i].srv.port;
		if (i > 0 && r[i].srv.priority < r[i - 1].srv.priority) {
			fail_msg("row \"%s\": priority %u behind %u", w->row, r[i].srv.priority, r[i - 1].srv.priority);
		}
	}
	assert_int_equal(seen, (1u << w->count) - 1);
}

static void weights_are_kept(void **state)
{
	(void)state;
	for (size_t n = 0; n < XFED_ARRAY_LEN(rows); n++) {
		const struct weights *w = &rows[n];
		unsigned first[RECORDS_MAX] = { 0 };
		seed = 0x2545f4914f6cdd1dULL;
		for (unsigned round = 0; round < ROUNDS; round++) {
			struct xfed_dns_record r[RECORDS_MAX];
			order_once(w, r);
			for (size_t i = 0; i < w->count; i++) {
				first[i] += first_of_priority(r, w->count, w->in[i].priority) == i;
			}
		}
		for (size_t i = 0; i < w->count; i++) {
			int got = (int)(first[i] * 1000 / ROUNDS);
			if (got < w->first[i] - 15 || got > w->first[i] + 15) {
				fail_msg("row \"%s\": record %zu is first %d times of 1000, not %d", w->row, i, got, w->first[i]);
			}
		}
	}
}

static void second_place_follows_weight_too(void **state)
{
	static const struct weights w = { "tail", { { 0, 60 }, { 0, 30 }, { 0, 10 } }, 3, { 0 } };
	unsigned after_first = 0, larger = 0;
	(void)state;
	seed = 77;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct xfed_dns_record r[RECORDS_MAX];
		order_once(&w, r);
		if (r[0].srv.port == 0) {
			after_first++;
			larger += r[1].srv.port == 1;
		}
	}
	/* 30 of 40, once the record of weight 60 is gone. */
	int got = (int)(larger * 1000 / after_first);
	assert_in_range(got, 730, 770);
}

static void nothing_to_order(void **state)
{
	(void)state;
	xfed_dns_srv_order(&env, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weights_are_kept),
		cmocka_unit_test(second_place_follows_weight_too),
		cmocka_unit_test(nothing_to_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
