/* Queues of recipients: RFC 3428 section 8, the delivery contract "Order". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "recipients.h"
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

/* Alone a partner has half: three of six, 100 of 200. */
#define RUN(...) run(&(struct recipients_limits){ 6, 200 }, (const struct row[]){ __VA_ARGS__, { .op = END } })

static void one_is_outstanding_and_order_holds(void **state)
{
	(void)state;
	RUN({ ADD, 1, "a", 10, XFED_OK }, { ADD, 2, "a", 10, XFED_OK }, { ADD, 3, "b", 10, XFED_OK },
	    { NEXT, .expected = 1 }, { NEXT, .expected = 3 }, { NEXT, .expected = 0 }, /* 2 waits for 1, not for 3 */
	    { DONE, 3 }, { NEXT, .expected = 0 },
	    { DONE, 1 }, { NEXT, .expected = 2 }, { NEXT, .expected = 0 },
	    { ADD, 4, "a", 10, XFED_OK }, { NEXT, .expected = 0 }, { DONE, 2 }, { NEXT, .expected = 4 }, { DONE, 4 }, { COUNT, .expected = 0 });
}

static void a_recipient_comes_out_once_until_it_is_done(void **state)
{
	(void)state;
	RUN({ ADD, 1, "a", 1, XFED_OK }, { NEXT, .expected = 1 }, { ADD, 2, "a", 1, XFED_OK }, { NEXT, .expected = 0 },
	    { DONE, 2 }, { NEXT, .expected = 0 }, /* what is taken out of the middle moves nobody up */
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
	RUN({ ADD, 1, "a", 10, XFED_OK }, { ADD, 2, "a", 10, XFED_OK }, { ADD, 3, "a", 10, XFED_OK },
	    { ADD, 4, "a", 10, XFED_ERR_LIMIT }, /* number: three, one above */
	    { ADD, 6, "a", 10, XFED_OK, 2 }, { ADD, 7, "a", 10, XFED_OK, 3 }, { ADD, 8, "a", 10, XFED_OK, 4 },
	    { ADD, 9, "a", 10, XFED_ERR_LIMIT, 5 }, /* all together: six */
	    { ADD, 4, "b", 60, XFED_OK }, { ADD, 5, "b", 41, XFED_ERR_LIMIT }, { ADD, 5, "b", 40, XFED_OK }, /* bytes: 100, one above */
	    { ADD, 10, "b", 100, XFED_OK, 2 }, { ADD, 11, "b", 1, XFED_ERR_LIMIT, 3 }, /* all together: 200 */
	    { COUNT, .expected = 9 });
}

static void a_single_large_one_is_not_refused_by_the_bound_of_the_queue(void **state)
{
	(void)state;
	RUN({ ADD, 1, "a", 500, XFED_OK }, { ADD, 2, "a", 1, XFED_ERR_LIMIT }, { NEXT, .expected = 1 }, { DONE, 1 }, { ADD, 2, "a", 1, XFED_OK });
	/* Nor is the first of a partner by what another has there, as long as there is room. */
	RUN({ ADD, 1, "a", 50, XFED_OK }, { ADD, 2, "a", 150, XFED_OK, 2 }, { ADD, 3, "a", 1, XFED_ERR_LIMIT, 3 });
}

/* What one leaves is there for the others: each has a part, and those who have little take first. */
static void the_queue_is_shared(void **state)
{
	(void)state;
	RUN({ ADD, 1, "a", 1, XFED_OK, 1 }, { ADD, 2, "a", 1, XFED_OK, 1 }, { ADD, 3, "a", 1, XFED_OK, 1 }, { ADD, 4, "a", 1, XFED_ERR_LIMIT, 1 },
	    { ADD, 4, "a", 1, XFED_OK, 2 }, { ADD, 5, "a", 1, XFED_ERR_LIMIT, 2 }, { ADD, 5, "a", 1, XFED_OK, 3 }, /* never more than is left free */
	    { ADD, 6, "b", 1, XFED_OK, 1 },						    /* another recipient is another queue */
	    { NEXT, .expected = 1 }, { NEXT, .expected = 6 }, { DONE, 1 }, { DONE, 2 },	    /* order holds, whoever's they are */
	    { NEXT, .expected = 3 }, { ADD, 1, "a", 1, XFED_OK, 2 }, { DONE, 3 }, { NEXT, .expected = 4 },
	    { ADD, 2, "a", 1, XFED_OK, 1 }, { DONE, 4 }, { NEXT, .expected = 5 }, { DONE, 5 }, { NEXT, .expected = 1 }, { DONE, 1 },
	    { NEXT, .expected = 2 }, { DONE, 2 }, { DONE, 6 }, { COUNT, .expected = 0 });
}

/* Several partners, each as greedy as it may be, one after the other: there is room for one that has nothing there. */
static void there_is_room_for_one_more(void **state)
{
	enum { LIMIT = 256, PARTNERS = 8 };
	static struct recipient_item items[LIMIT + 1];
	struct recipients_limits limits = { LIMIT, 512 * 1024 };
	struct recipients *r;
	size_t used = 0, had = LIMIT;
	(void)state;
	assert_int_equal(recipients_new(&limits, &r), XFED_OK);
	for (uint64_t partner = 1; partner <= PARTNERS; partner++) {
		size_t took = 0;
		for (; used < LIMIT; used++, took++) {
			items[used] = (struct recipient_item){ .share = partner, .bytes = 1000 };
			if (recipients_add(r, XFED_SPAN("a"), &items[used]) != XFED_OK) {
				break;
			}
		}
		assert_true(took > 0 && took <= had);
		had = took;
	}
	assert_true(used < LIMIT);
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
	    { BEHIND, 1, .expected = 3 }, { DONE, 3 }, { BEHIND, 1, .expected = 4 }, { DONE, 4 }, { BEHIND, 1, .expected = 0 }, { BEHIND, 2, .expected = 0 });
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
