/* Outcomes that were told, until they were heard (proto/channel.md section 6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/told.h"
#include "xfed/mem.h"

/* In order, by the counts of the peer, however the two interleave. */
static void what_was_heard_comes_out_in_order(void **state)
{
	struct proto_told t = { 0 };
	uint64_t told = 0, out = 0, seq;
	for (unsigned step = 1; step < 2000; step++) {
		for (unsigned i = 0; i < step % 7; i++) {
			proto_told_add(&t, 1000 + told++);
		}
		assert_true(proto_told_hear(&t, told - told % 5 > t.heard ? told - told % 5 : t.heard));
		while (proto_told_next(&t, &seq)) {
			assert_int_equal(seq, 1000 + out++);
		}
		assert_int_equal(out, t.heard);
	}
	proto_told_deinit(&t);
}

static void counts_only_grow_and_never_pass_what_was_told(void **state)
{
	struct proto_told t = { 0 };
	proto_told_add(&t, 1);
	proto_told_add(&t, 2);
	assert_false(proto_told_hear(&t, 3));
	assert_true(proto_told_hear(&t, 2));
	assert_false(proto_told_hear(&t, 1));
	proto_told_deinit(&t);
}

/* "Bounded: ... the oldest are let go of": then those that are left come out, and nothing else. */
static void the_oldest_give_way(void **state)
{
	struct proto_told t = { 0 };
	uint64_t seq, count = PROTO_TOLD_MAX + 10;
	for (uint64_t i = 0; i < count; i++) {
		proto_told_add(&t, i);
	}
	assert_int_equal(t.size, PROTO_TOLD_MAX);
	assert_true(proto_told_hear(&t, 5));
	assert_false(proto_told_next(&t, &seq));
	assert_true(proto_told_hear(&t, count));
	for (uint64_t i = 10; i < count; i++) {
		assert_true(proto_told_next(&t, &seq));
		assert_int_equal(seq, i);
	}
	assert_false(proto_told_next(&t, &seq));
	proto_told_deinit(&t);
}

static bool may_allocate;

static void *some_malloc(size_t size)
{
	return may_allocate ? malloc(size) : NULL;
}

static void *no_realloc(void *p, size_t size)
{
	return NULL;
}

static void memory_runs_out(void **state)
{
	static const struct xfed_mem_hooks hooks = { some_malloc, no_realloc, free };
	struct proto_told t = { 0 };
	uint64_t seq;
	xfed_mem_set_hooks(&hooks);
	may_allocate = false;
	proto_told_add(&t, 1); /* not kept, but counted */
	assert_true(proto_told_hear(&t, 1));
	assert_false(proto_told_next(&t, &seq));
	may_allocate = true;
	proto_told_add(&t, 2);
	assert_true(proto_told_hear(&t, 2));
	assert_true(proto_told_next(&t, &seq));
	assert_int_equal(seq, 2);
	proto_told_deinit(&t);
	xfed_mem_set_hooks(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_heard_comes_out_in_order),
		cmocka_unit_test(counts_only_grow_and_never_pass_what_was_told),
		cmocka_unit_test(the_oldest_give_way),
		cmocka_unit_test(memory_runs_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
