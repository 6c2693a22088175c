/* Messages that a SIP client has accepted with a Message-Id: proto/delivery.md, Sessions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "im/accepted.h"
#include "sweep.h"

#define BOB "bob@partner.example"

static struct accepted_name named(const char *local, const char *id)
{
	return (struct accepted_name){ xfed_span_str(local), XFED_SPAN(BOB), xfed_span_str(id) };
}

static int add(struct accepted *a, const char *local, const char *id, const char *stanza, uint64_t now_ms)
{
	struct accepted_name name = named(local, id);
	struct deliver_origin o = {
		.from = { 1, 2 }, .partner = XFED_SPAN("partner.example"), .words = { .id = xfed_span_str(stanza), .from = XFED_SPAN(BOB "/pc") }
	};
	return accepted_add(a, &name, &o, now_ms);
}

/* The id of the stanza; "": it is not known. */
static const char *take(struct accepted *a, const char *local, const char *id)
{
	struct accepted_name name = named(local, id);
	const struct deliver_origin *o = accepted_take(a, &name);
	return o ? o->words.id.data : "";
}

static void found_once_by_users_and_name(void **state)
{
	struct accepted *a;
	assert_int_equal(accepted_new(0, &a), XFED_OK);
	assert_int_equal(add(a, "alice@corp.example", "2", "one", 0), XFED_OK);
	assert_int_equal(add(a, "carol@corp.example", "2", "two", 0), XFED_OK);
	assert_string_equal(take(a, "alice@corp.example", "3"), "");
	assert_string_equal(take(a, "alice@corp.example", "2"), "one");
	assert_string_equal(take(a, "alice@corp.example", "2"), "");
	assert_string_equal(take(a, "carol@corp.example", "2"), "two");
	accepted_free(a);
}

static void a_name_used_twice_is_of_the_newer_one(void **state)
{
	struct accepted *a;
	assert_int_equal(accepted_new(0, &a), XFED_OK);
	assert_int_equal(add(a, "alice@corp.example", "2", "one", 0), XFED_OK);
	assert_int_equal(add(a, "alice@corp.example", "2", "two", 1), XFED_OK);
	assert_string_equal(take(a, "alice@corp.example", "2"), "two");
	assert_string_equal(take(a, "alice@corp.example", "2"), "");
	accepted_free(a);
}

static void the_oldest_is_forgotten(void **state)
{
	struct accepted *a;
	char id[16];
	assert_int_equal(accepted_new(2, &a), XFED_OK);
	for (int i = 0; i < 3; i++) {
		snprintf(id, sizeof(id), "%d", i);
		assert_int_equal(add(a, "alice@corp.example", id, id, (uint64_t)i), XFED_OK);
	}
	assert_string_equal(take(a, "alice@corp.example", "0"), "");
	accepted_tick(a, 1 + ACCEPTED_MS);
	assert_string_equal(take(a, "alice@corp.example", "1"), "");
	assert_string_equal(take(a, "alice@corp.example", "2"), "2");
	accepted_free(a);
}

/* However few, they take no more memory than the limit. */
static void large_ones_are_fewer(void **state)
{
	static char large[512 * 1024];
	struct accepted *a;
	char id[16];
	size_t kept = 0;
	memset(large, 'x', sizeof(large) - 1);
	assert_int_equal(accepted_new(0, &a), XFED_OK);
	for (int i = 0; i < 64; i++) {
		snprintf(id, sizeof(id), "%d", i);
		assert_int_equal(add(a, "alice@corp.example", id, large, 0), XFED_OK);
	}
	for (int i = 0; i < 64; i++) {
		snprintf(id, sizeof(id), "%d", i);
		kept += take(a, "alice@corp.example", id)[0] != '\0';
	}
	assert_in_range(kept, 30, 32);
	accepted_free(a);
}

static void scenario(void)
{
	struct accepted *a;
	if (accepted_new(0, &a) == XFED_OK) {
		add(a, "alice@corp.example", "1", "one", 0);
		take(a, "alice@corp.example", "1");
		add(a, "alice@corp.example", "2", "two", 0);
		accepted_free(a);
	}
}

static void every_allocation_may_fail(void **state)
{
	assert_true(sweep(scenario) > 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_once_by_users_and_name),
		cmocka_unit_test(a_name_used_twice_is_of_the_newer_one),
		cmocka_unit_test(the_oldest_is_forgotten),
		cmocka_unit_test(large_ones_are_fewer),
		cmocka_unit_test(every_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
