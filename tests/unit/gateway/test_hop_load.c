/* What may wait for one SIP server (proto/delivery.md, Flow control: "30 % of the window per SIP next hop"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trunk/hop_load.h"
#include "xfed/limits.h"

#define MOST_BYTES ((size_t)256 * 1024 * 1024)
#define HOP_MSGS   (XFED_SIP_QUEUE_MSGS * XFED_SIP_HOP_PERCENT / 100)
#define HOP_BYTES  (MOST_BYTES / 100 * XFED_SIP_HOP_PERCENT)

static const struct hop_load most = { XFED_SIP_QUEUE_MSGS, MOST_BYTES };

/* Until it is refused; how many there were. */
static size_t fill(struct hop_load *all, struct hop_load *hop, size_t bytes)
{
	size_t n = 0;
	while (n < 10 * XFED_SIP_QUEUE_MSGS && hop_load_add(all, hop, &most, bytes)) {
		n++;
	}
	return n;
}

static void a_hop_has_its_part_and_no_more(void **state)
{
	struct hop_load all = { 0 }, dead = { 0 }, good = { 0 };
	(void)state;
	assert_int_equal(fill(&all, &dead, 1000), HOP_MSGS);
	for (int i = 0; i < 1000; i++) { /* the others do not notice */
		assert_true(hop_load_add(&all, &good, &most, 1000));
	}
	assert_false(hop_load_add(&all, &dead, &most, 1000));
	hop_load_remove(&all, &dead, 1000);
	assert_true(hop_load_add(&all, &dead, &most, 1000));
	assert_int_equal(all.messages, dead.messages + good.messages);
	assert_int_equal(all.bytes, dead.bytes + good.bytes);
}

static void bytes_count_too(void **state)
{
	struct hop_load all = { 0 }, hop = { 0 };
	(void)state;
	assert_int_equal(fill(&all, &hop, 60000), HOP_BYTES / 60000);
	assert_true(hop.bytes <= HOP_BYTES);
	assert_true(hop_load_add(&all, &hop, &most, HOP_BYTES - hop.bytes));
	assert_false(hop_load_add(&all, &hop, &most, 1));
}

static void many_dead_hops_end_at_the_whole(void **state)
{
	struct hop_load all = { 0 }, hops[8] = { { 0 } };
	size_t n = 0;
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(hops); i++) {
		n += fill(&all, &hops[i], 1000);
	}
	assert_int_equal(n, XFED_SIP_QUEUE_MSGS);
	assert_true(all.bytes <= MOST_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hop_has_its_part_and_no_more),
		cmocka_unit_test(bytes_count_too),
		cmocka_unit_test(many_dead_hops_end_at_the_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
