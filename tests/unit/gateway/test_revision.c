/* Which revision a gateway makes next, and what an edge that refuses ours can make it do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/policy_impl.h"

static void reload(struct policy *p)
{
	static const struct policy_files files = { .hash = { 1 } };
	policy_next_revision(&p->revision, &files, &p->outbid);
}

static void what_an_edge_has_is_outbid(void **state)
{
	struct policy p = { .revision = { .epoch = 7, .counter = 3, .hash = { 1 } } };
	(void)state;
	reload(&p);
	assert_int_equal(p.revision.counter, 3); /* the same files */
	policy_outbid(&p, 7, 1000);
	reload(&p);
	assert_int_equal(p.revision.counter, 1001);
	policy_outbid(&p, 9, 5);
	reload(&p);
	assert_int_equal(p.revision.epoch, 9);
	assert_int_equal(p.revision.counter, 6);
	policy_outbid(&p, UINT64_MAX, 7); /* the store cannot hold it */
	reload(&p);
	assert_int_equal(p.revision.epoch, 9);
}

/* However an edge lies: another gateway can still outbid what came of it, and the store holds that. */
static void a_lie_does_not_use_up_the_numbers(void **state)
{
	static const uint64_t lies[] = { UINT64_MAX, INT64_MAX, INT64_MAX - 1, INT64_MAX / 2 };
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(lies); i++) {
		struct policy a = { .revision = { .epoch = 7, .counter = 30, .hash = { 1 } } }, b = a;
		for (int again = 0; again < 1000; again++) {
			policy_outbid(&a, 7, lies[i]);
			reload(&a);
		}
		assert_in_range(a.revision.counter, 30, INT64_MAX / 2);
		for (int again = 0; again < 2000 && proto_revision_compare(&b.revision, &a.revision) <= 0; again++) {
			policy_outbid(&b, a.revision.epoch, a.revision.counter);
			reload(&b);
		}
		assert_true(proto_revision_compare(&b.revision, &a.revision) > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_an_edge_has_is_outbid),
		cmocka_unit_test(a_lie_does_not_use_up_the_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
