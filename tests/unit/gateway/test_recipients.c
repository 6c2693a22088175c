/* Queues of recipients: RFC 3428 section 8, proto/delivery.md "Order". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "im/recipients.h"
#include "sweep.h"

#define ITEMS 16

enum op { END, ADD, NEXT, DONE, BEHIND, COUNT };

/* ADD: item, to whom, bytes, expected code; whose it is. NEXT, BEHIND: the expected item, 0 for none. */
struct row {
	enum op op;
	int item;
	const char *who;
	size_t bytes;
	int expected;
	uint64_t share;
};

static void run(const struct recipients_limits *limits, const struct row *rows)
{
	struct recipient_item items[ITEMS] = { 0 };
	struct recipients *r;
	assert_int_equal(recipients_new(limits, &r), XFED_OK);
	for (int i = 0; rows[i].op != END; i++) {
		const struct row *w = &rows[i];
		struct recipient_item *it = &items[w->item], *got = NULL;
		int rc = w->expected;
		switch (w->op) {
		case ADD:
			it->bytes = w->bytes;
			it->share = w->share;
			rc = recipients_add(r, xfed_span_str(w->who), it);
			break;
		case NEXT:
			got = recipients_next(r);
			rc = got ? (int)(got - items) : 0;
			break;
		case DONE:
			recipients_remove(r, it);
			break;
		case BEHIND:
			got = recipients_behind(it);
			rc = got ? (int)(got - items) : 0;
			break;
		case COUNT:
			rc = (int)recipients_count(r);
			break;
		case END:
			break;
		}
		if (rc != w->expected) {
			fail_msg("row %d: %d instead of %d", i, rc, w->expected);
		}
	}
	recipients_free(r);
}

/* A quarter above them: ten, 500 bytes. */
#define RUN(...) run(&(struct recipients_limits){ 8, 400 }, (const struct row[]){ __VA_ARGS__, { .op = END } })

static void one_is_outstanding_and_order_holds(void **state)
{
	(void)state;
	RUN({ ADD, 1, "a", 10, XFED_OK }, { ADD, 2, "a", 10, XFED_OK }, { ADD, 3, "b", 10, XFED_OK }, { NEXT, .expected = 1 },
		{ NEXT, .expected = 3 }, { NEXT, .expected = 0 }, /* 2 waits for 1, not for 3 */
		{ DONE, 3 }, { NEXT, .expected = 0 }, { DONE, 1 }, { NEXT, .expected = 2 }, { NEXT, .expected = 0 }, { ADD, 4, "a", 10, XFED_OK },
		{ NEXT, .expected = 0 }, { DONE, 2 }, { NEXT, .expected = 4 }, { DONE, 4 }, { COUNT, .expected = 0 });
}

static void a_recipient_comes_out_once_until_it_is_done(void **state)
{
	(void)state;
	RUN({ ADD, 1, "a", 1, XFED_OK }, { NEXT, .expected = 1 }, { ADD, 2, "a", 1, XFED_OK }, { NEXT, .expected = 0 }, { DONE, 2 },
		{ NEXT, .expected = 0 }, /* what is taken out of the middle moves nobody up */
		{ ADD, 3, "a", 1, XFED_OK }, { DONE, 1 }, { NEXT, .expected = 3 });
}

static void one_that_never_came_out_may_go(void **state)
{
	(void)state;
	RUN({ ADD, 1, "a", 1, XFED_OK }, { ADD, 2, "a", 1, XFED_OK }, { DONE, 1 }, { NEXT, .expected = 2 }, { DONE, 2 }, { NEXT, .expected = 0 });
}

static void bounds_are_of_one_recipient(void **state)
{
	(void)state;
	RUN({ ADD, 1, "a", 10, XFED_OK }, { ADD, 2, "a", 10, XFED_OK }, { ADD, 3, "a", 10, XFED_OK }, { ADD, 4, "a", 10, XFED_OK },
		{ ADD, 5, "a", 10, XFED_OK }, { ADD, 6, "a", 10, XFED_OK }, { ADD, 7, "a", 10, XFED_OK }, { ADD, 8, "a", 10, XFED_OK },
		{ ADD, 9, "a", 10, XFED_ERR_LIMIT },								       /* number: eight, one above */
		{ ADD, 10, "b", 300, XFED_OK }, { ADD, 11, "b", 101, XFED_ERR_LIMIT }, { ADD, 11, "b", 100, XFED_OK }, /* bytes: 400, one above */
		{ ADD, 12, "b", 1, XFED_ERR_LIMIT }, { COUNT, .expected = 10 });
}

static void a_single_large_one_is_not_refused_by_the_bound_of_the_queue(void **state)
{
	(void)state;
	RUN({ ADD, 1, "a", 500, XFED_OK }, { ADD, 2, "a", 1, XFED_ERR_LIMIT }, { NEXT, .expected = 1 }, { DONE, 1 }, { ADD, 2, "a", 1, XFED_OK });
	/* Nor is the first of a partner by what another has there, as long as there is room. */
	RUN({ ADD, 1, "a", 50, XFED_OK }, { ADD, 2, "a", 400, XFED_OK, 2 }, { ADD, 3, "a", 51, XFED_ERR_LIMIT, 3 }, { ADD, 3, "a", 50, XFED_OK, 3 });
}

/* Who fills it keeps nobody else out, and gets no more of it while others are there; the order holds. */
static void the_queue_is_shared(void **state)
{
	(void)state;
	RUN({ ADD, 1, "a", 1, XFED_OK, 1 }, { ADD, 2, "a", 1, XFED_OK, 1 }, { ADD, 3, "a", 1, XFED_OK, 1 }, { ADD, 4, "a", 1, XFED_OK, 1 },
		{ ADD, 5, "a", 1, XFED_OK, 1 }, { ADD, 6, "a", 1, XFED_OK, 1 }, { ADD, 7, "a", 1, XFED_OK, 1 }, { ADD, 8, "a", 1, XFED_OK, 1 },
		{ ADD, 9, "a", 1, XFED_ERR_LIMIT, 1 }, { ADD, 9, "a", 1, XFED_OK, 2 }, { ADD, 10, "a", 1, XFED_OK, 3 }, /* from the quarter above */
		{ ADD, 11, "a", 1, XFED_ERR_LIMIT, 4 }, { ADD, 11, "b", 1, XFED_OK, 1 }, /* that is bounded too; another recipient is another queue */
		{ NEXT, .expected = 1 }, { NEXT, .expected = 11 }, { DONE, 1 }, { DONE, 2 }, { DONE, 3 }, { ADD, 1, "a", 1, XFED_ERR_LIMIT, 1 },
		{ ADD, 1, "a", 1, XFED_OK, 2 },					       /* seven there: five are more than a third, one is not */
		{ DONE, 4 }, { DONE, 5 }, { DONE, 6 }, { ADD, 2, "a", 1, XFED_OK, 1 }, /* a quarter is free */
		{ NEXT, .expected = 7 }, { DONE, 7 }, { NEXT, .expected = 8 }, { DONE, 8 }, { NEXT, .expected = 9 });
}

/* Several partners, each as greedy as it may be, one after the other: there is room for one that has nothing there. */
static void there_is_room_for_one_more(void **state)
{
	enum { LIMIT = 256, PARTNERS = 8 };
	static struct recipient_item items[LIMIT + LIMIT / 4], one_more;
	struct recipients_limits limits = { LIMIT, 512 * 1024 };
	struct recipients *r;
	size_t used = 0;
	(void)state;
	assert_int_equal(recipients_new(&limits, &r), XFED_OK);
	for (uint64_t partner = 1; partner <= PARTNERS; partner++) {
		size_t took = 0;
		for (; used < XFED_ARRAY_LEN(items); used++, took++) {
			items[used] = (struct recipient_item){ .share = partner, .bytes = 1000 };
			if (recipients_add(r, XFED_SPAN("a"), &items[used]) != XFED_OK) {
				break;
			}
		}
		assert_true(partner == 1 ? took == LIMIT : took > 0 && took <= LIMIT / 8);
	}
	assert_int_equal(used, XFED_ARRAY_LEN(items)); /* and no more than a quarter above it in all */
	one_more = (struct recipient_item){ .share = PARTNERS + 1, .bytes = 1 };
	assert_int_equal(recipients_add(r, XFED_SPAN("a"), &one_more), XFED_ERR_LIMIT);
	while (used > 0) {
		recipients_remove(r, &items[--used]);
	}
	assert_int_equal(recipients_count(r), 0);
	recipients_free(r);
}

static void those_behind_are_found_in_order(void **state)
{
	(void)state;
	RUN({ ADD, 1, "a", 1, XFED_OK }, { ADD, 2, "b", 1, XFED_OK }, { ADD, 3, "a", 1, XFED_OK }, { ADD, 4, "a", 1, XFED_OK },
		{ BEHIND, 1, .expected = 3 }, { DONE, 3 }, { BEHIND, 1, .expected = 4 }, { DONE, 4 }, { BEHIND, 1, .expected = 0 },
		{ BEHIND, 2, .expected = 0 });
}

static void scenario(void)
{
	struct recipients *r;
	struct recipient_item a = { .bytes = 1 }, b = { .bytes = 1, .share = 7 };
	if (recipients_new(&(struct recipients_limits){ 3, 100 }, &r) != XFED_OK) {
		return;
	}
	bool has_a = recipients_add(r, XFED_SPAN("x"), &a) == XFED_OK;
	bool has_b = recipients_add(r, XFED_SPAN("y"), &b) == XFED_OK;
	assert_int_equal(recipients_count(r), has_a + has_b);
	while (recipients_next(r)) {
	}
	recipients_free(r);
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	assert_true(sweep(scenario) > 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_is_outstanding_and_order_holds),
		cmocka_unit_test(a_recipient_comes_out_once_until_it_is_done),
		cmocka_unit_test(one_that_never_came_out_may_go),
		cmocka_unit_test(bounds_are_of_one_recipient),
		cmocka_unit_test(a_single_large_one_is_not_refused_by_the_bound_of_the_queue),
		cmocka_unit_test(the_queue_is_shared),
		cmocka_unit_test(there_is_room_for_one_more),
		cmocka_unit_test(those_behind_are_found_in_order),
		cmocka_unit_test(every_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
