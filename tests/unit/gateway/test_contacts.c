/* What is kept of a pair of addresses for a day: [B4-01], [B4-07], and who a public partner's contact may write to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "contacts.h"
#include "sweep.h"

#define DAVE  XFED_SPAN("dave@corp.example")
#define ERIN  XFED_SPAN("erin@corp.example")
#define ALICE XFED_SPAN("alice@partner.example")
#define NONE  ((struct xfed_span){ NULL, 0 })

static struct contact_facts facts(const struct contacts *c, struct xfed_span local, struct xfed_span remote, uint64_t now_ms)
{
	struct contact_facts f;
	contacts_facts(c, local, remote, now_ms, &f);
	return f;
}

static void writing_authorises_for_a_day_and_nobody_else(void **state)
{
	(void)state;
	struct contacts *c;
	assert_int_equal(contacts_new(0, &c), XFED_OK);
	assert_false(facts(c, DAVE, ALICE, 0).is_authorised);
	assert_int_equal(contacts_wrote(c, DAVE, ALICE, 1000), XFED_OK);
	assert_true(facts(c, DAVE, ALICE, 1000).is_authorised);
	assert_false(facts(c, ERIN, ALICE, 1000).is_authorised);
	assert_false(facts(c, DAVE, XFED_SPAN("mallory@partner.example"), 1000).is_authorised);
	assert_true(facts(c, DAVE, ALICE, 1000 + CONTACT_KEEP_MS - 1).is_authorised);
	assert_false(facts(c, DAVE, ALICE, 1000 + CONTACT_KEEP_MS).is_authorised);
	contacts_free(c);
}

/* What a contact sends says that it is there, and authorises nothing. */
static void being_heard_is_no_authorisation(void **state)
{
	(void)state;
	struct contacts *c;
	assert_int_equal(contacts_new(0, &c), XFED_OK);
	assert_int_equal(contacts_heard(c, DAVE, ALICE, XFED_SPAN("chat"), NONE, 0), XFED_OK);
	assert_false(facts(c, DAVE, ALICE, 1).is_authorised);
	assert_true(facts(c, DAVE, ALICE, CONTACT_ALIVE_MS - 1).is_alive);
	assert_false(facts(c, DAVE, ALICE, CONTACT_ALIVE_MS).is_alive);
	contacts_free(c);
}

static void type_is_the_last_and_thread_the_last_there_was(void **state)
{
	(void)state;
	static const struct {
		const char *name, *type, *thread, *type_after, *thread_after;
	} rows[] = {
		{ "first", "chat", "t1", "chat", "t1" },
		{ "another thread", "chat", "thread two é", "chat", "thread two é" },
		{ "no thread keeps it", "chat", NULL, "chat", "thread two é" },
		{ "no type", NULL, NULL, NULL, "thread two é" },
		{ "an empty thread", "normal", "", "normal", "" },
		{ "a type that is none", "a-type-that-is-far-too-long", NULL, NULL, "" },
	};
	struct contacts *c;
	assert_int_equal(contacts_new(0, &c), XFED_OK);
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		assert_int_equal(contacts_heard(c, DAVE, ALICE, xfed_span_str(rows[i].type), xfed_span_str(rows[i].thread), i), XFED_OK);
		struct contact_facts f = facts(c, DAVE, ALICE, i);
		struct xfed_span type = xfed_span_str(rows[i].type_after), thread = xfed_span_str(rows[i].thread_after);
		if (!xfed_span_eq(f.type, type) || (f.type.data == NULL) != (type.data == NULL) || !xfed_span_eq(f.thread, thread)) {
			fail_msg("%s", rows[i].name);
		}
	}
	assert_null(facts(c, DAVE, ALICE, CONTACT_KEEP_MS + 5).type.data);
	assert_null(facts(c, DAVE, ALICE, CONTACT_KEEP_MS + 5).thread.data);
	contacts_free(c);
}

/* "a" + "b@c" and "a@b" + "c" are different pairs whatever is put together. */
static void pairs_do_not_run_into_each_other(void **state)
{
	(void)state;
	struct contacts *c;
	assert_int_equal(contacts_new(0, &c), XFED_OK);
	assert_int_equal(contacts_wrote(c, XFED_SPAN("ab"), XFED_SPAN("c"), 0), XFED_OK);
	assert_false(facts(c, XFED_SPAN("a"), XFED_SPAN("bc"), 0).is_authorised);
	assert_false(facts(c, XFED_SPAN("c"), XFED_SPAN("ab"), 0).is_authorised);
	contacts_free(c);
}

static void the_one_not_used_for_longest_goes_first(void **state)
{
	(void)state;
	struct contacts *c;
	assert_int_equal(contacts_new(2, &c), XFED_OK);
	contacts_wrote(c, DAVE, ALICE, 1);
	contacts_wrote(c, ERIN, ALICE, 2);
	contacts_heard(c, DAVE, ALICE, NONE, NONE, 3);
	contacts_wrote(c, DAVE, XFED_SPAN("bob@partner.example"), 4);
	assert_int_equal(contacts_count(c), 2);
	assert_true(facts(c, DAVE, ALICE, 5).is_authorised);
	assert_false(facts(c, ERIN, ALICE, 5).is_authorised);
	contacts_tick(c, CONTACT_KEEP_MS + 3);
	assert_int_equal(contacts_count(c), 1);
	contacts_tick(c, CONTACT_KEEP_MS + 4);
	assert_int_equal(contacts_count(c), 0);
	contacts_free(c);
}

static void scenario(void)
{
	struct contacts *c;
	if (contacts_new(2, &c) != XFED_OK) {
		return;
	}
	bool wrote = contacts_wrote(c, DAVE, ALICE, 0) == XFED_OK;
	assert_true(facts(c, DAVE, ALICE, 0).is_authorised == wrote);
	contacts_heard(c, DAVE, ALICE, XFED_SPAN("chat"), XFED_SPAN("thread"), 1);
	contacts_heard(c, ERIN, ALICE, XFED_SPAN("chat"), XFED_SPAN("thread"), 2);
	contacts_free(c);
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	assert_true(sweep(scenario) > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writing_authorises_for_a_day_and_nobody_else),
		cmocka_unit_test(being_heard_is_no_authorisation),
		cmocka_unit_test(type_is_the_last_and_thread_the_last_there_was),
		cmocka_unit_test(pairs_do_not_run_into_each_other),
		cmocka_unit_test(the_one_not_used_for_longest_goes_first),
		cmocka_unit_test(every_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
