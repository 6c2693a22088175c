/*
 * How much is on the way (proto/pace.h): a flood over a link of some length to a peer that takes so many a millisecond.
 * What is measured is the contract's "Flow control": a flood costs the others little time, and a far link is kept full.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/pace.h"

enum { WAY_MAX = 200 };

struct line {
	struct proto_pace p;
	uint64_t now;
	unsigned half_ms; /* one way */
	double rate;	  /* taken in one ms */
	double may_take;
	unsigned there[WAY_MAX], back[WAY_MAX]; /* arriving in so many ms, ring by `now` */
	uint64_t waiting;			/* arrived, not taken */
	uint64_t taken, most_waiting;
};

static void line_init(struct line *l, unsigned half_ms, double rate)
{
	*l = (struct line){ .half_ms = half_ms, .rate = rate, .now = 1000 };
	proto_pace_init(&l->p);
	proto_pace_credit(&l->p, XFED_CHANNEL_CREDIT_MSGS, XFED_CHANNEL_CREDIT_BYTES, l->now);
}

/* One millisecond; `want` is what there is to send. */
static void line_ms(struct line *l, unsigned want, size_t bytes)
{
	unsigned sent = 0, done = 0;
	l->now++;
	l->waiting += l->there[l->now % WAY_MAX];
	l->there[l->now % WAY_MAX] = 0;
	l->most_waiting = l->waiting > l->most_waiting ? l->waiting : l->most_waiting;
	for (l->may_take += l->rate; l->may_take >= 1 && l->waiting > 0; l->may_take--, l->waiting--) {
		done++;
	}
	l->may_take = l->waiting == 0 ? 0 : l->may_take;
	l->taken += done;
	l->back[(l->now + l->half_ms) % WAY_MAX] += done;
	if (l->back[l->now % WAY_MAX] > 0) {
		proto_pace_credit(&l->p, l->back[l->now % WAY_MAX], l->back[l->now % WAY_MAX] * bytes, l->now);
		l->back[l->now % WAY_MAX] = 0;
	}
	for (; sent < want && proto_pace_covers(&l->p); sent++) {
		proto_pace_sent(&l->p, bytes);
	}
	if (sent < want) {
		proto_pace_waits(&l->p);
	}
	l->there[(l->now + l->half_ms + 1) % WAY_MAX] += sent;
	proto_pace_mark(&l->p, l->now);
}

static void flood(struct line *l, unsigned ms)
{
	l->taken = l->most_waiting = 0;
	for (unsigned i = 0; i < ms; i++) {
		line_ms(l, 100000, 400);
	}
}

static void a_flood_waits_little_on_the_way(void **state)
{
	static const struct {
		unsigned half_ms;
		double rate;
	} rows[] = { { 0, 10 }, { 0, 3 }, { 1, 10 }, { 5, 10 }, { 25, 10 }, { 25, 4 } };
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct line l;
		line_init(&l, rows[i].half_ms, rows[i].rate);
		flood(&l, 5000);
		flood(&l, 10000);
		double wait_ms = (double)l.most_waiting / rows[i].rate, share = (double)l.taken / (10000 * rows[i].rate);
		/* A turn of the sender has a length too, hence the floor. */
		double most = XFED_PACE_QUEUE_MS + 3 + XFED_PACE_WINDOW_MIN / rows[i].rate;
		if (wait_ms > most) {
			fail_msg("%u ms, %.0f a ms: %.1f ms of work wait", 2 * rows[i].half_ms, rows[i].rate, wait_ms);
		}
		if (share < 0.85) {
			fail_msg("%u ms, %.0f a ms: the link is used to %.0f %%", 2 * rows[i].half_ms, rows[i].rate, 100 * share);
		}
	}
}

static void large_ones_count_more(void **state)
{
	struct proto_pace p;
	unsigned n = 0;
	proto_pace_init(&p);
	for (; proto_pace_covers(&p) && n < 1000; n++) {
		proto_pace_sent(&p, 100000);
	}
	assert_in_range(n, 1, 3);
}

/* A peer that has become slow, or a way that has become longer: back to full use in a while. */
static void it_follows_what_changes(void **state)
{
	struct line l;
	line_init(&l, 0, 10);
	flood(&l, 3000);
	l.half_ms = 20;
	flood(&l, 20000);
	flood(&l, 5000);
	assert_true(l.taken > 0.8 * 5000 * 10);
	l.rate = 2;
	flood(&l, 10000);
	flood(&l, 5000);
	assert_true(l.taken > 0.8 * 5000 * 2);
	assert_true(l.most_waiting < 2 * 3 * XFED_PACE_QUEUE_MS);
}

/* What comes seldom says nothing about how much there may be, and never waits. */
static void a_trickle_changes_nothing(void **state)
{
	struct line l;
	line_init(&l, 10, 10);
	for (unsigned i = 0; i < 20000; i++) {
		line_ms(&l, i % 20 == 0, 400);
		assert_true(proto_pace_covers(&l.p));
	}
	assert_int_equal(l.p.window, XFED_PACE_WINDOW_MIN);
}

/* Credit that was held back, and more than ever was sent: nothing is counted twice, nothing is stuck. */
static void credit_that_comes_later(void **state)
{
	struct proto_pace p;
	proto_pace_init(&p);
	proto_pace_credit(&p, 10, 1000, 1);
	for (int i = 0; i < 10; i++) {
		proto_pace_sent(&p, 100);
	}
	proto_pace_mark(&p, 1);
	proto_pace_credit(&p, 1024, 4000000, 5);
	assert_int_equal(p.taken, 10);
	assert_int_equal(p.taken_bytes, 1000);
	for (uint32_t i = 0; i < p.window; i++) {
		assert_true(proto_pace_covers(&p));
		proto_pace_sent(&p, 1);
	}
	assert_false(proto_pace_covers(&p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_waits_little_on_the_way),
		cmocka_unit_test(large_ones_count_more),
		cmocka_unit_test(it_follows_what_changes),
		cmocka_unit_test(a_trickle_changes_nothing),
		cmocka_unit_test(credit_that_comes_later),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
