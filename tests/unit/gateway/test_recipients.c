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

/* ADD: item, to whom, bytes, expected code. NEXT, BEHIND: the expected item, 0 for none. */
struct row {
	enum op op;
	int item;
	const char *who;
	size_t bytes;
	int expected;
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

#define RUN(...) run(&(struct recipients_limits){ 3, 100 }, (const struct row[]){ __VA_ARGS__, { .op = END } })

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
	    { ADD, 4, "b", 60, XFED_OK }, { ADD, 5, "b", 41, XFED_ERR_LIMIT }, { ADD, 5, "b", 40, XFED_OK }, /* bytes: 100, one above */
	    { COUNT, .expected = 5 });
}

static void a_single_large_one_is_not_refused_by_the_bound_of_the_queue(void **state)
{
	(void)state;
	RUN({ ADD, 1, "a", 500, XFED_OK }, { ADD, 2, "a", 1, XFED_ERR_LIMIT }, { NEXT, .expected = 1 }, { DONE, 1 }, { ADD, 2, "a", 1, XFED_OK });
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
	struct recipient_item a = { .bytes = 1 }, b = { .bytes = 1 };
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
		cmocka_unit_test(those_behind_are_found_in_order),
		cmocka_unit_test(every_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
