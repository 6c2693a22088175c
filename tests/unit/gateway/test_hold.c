/* Answers held for an error of the contact's server: proto/delivery.md "Time", [B4-06]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "im/hold.h"
#include "sweep.h"

#define LOCAL  "dave@corp.example"
#define REMOTE "alice@partner.example"

static int add(struct holds *h, const char *id, bool is_answered, uint64_t until_ms, uint64_t now_ms)
{
	struct hold w = { .id = xfed_span_str(id), .local = XFED_SPAN(LOCAL), .remote = XFED_SPAN(REMOTE), .is_answered = is_answered };
	return holds_add(h, &w, until_ms, now_ms);
}

static const struct hold *match(struct holds *h, const char *id, const char *from, const char *domain, const char *to)
{
	return holds_match(h, xfed_span_str(id), xfed_span_str(from), xfed_span_str(domain), xfed_span_str(to));
}

static void silence_for_the_hold_is_success(void **state)
{
	(void)state;
	struct holds *h;
	assert_int_equal(holds_new(0, &h), XFED_OK);
	assert_int_equal(holds_deadline(h), UINT64_MAX);
	assert_int_equal(add(h, "a", false, 1000, 0), XFED_OK);
	assert_int_equal(add(h, "b", false, 1500, 500), XFED_OK);
	assert_int_equal(holds_deadline(h), 1000);
	assert_null(holds_due(h, 999));
	assert_string_equal(holds_due(h, 1000)->id.data, "a");
	assert_null(holds_due(h, 1000));
	assert_int_equal(holds_deadline(h), 1500);
	assert_int_equal(holds_waiting(h), 1);
	assert_string_equal(holds_due(h, 1500)->id.data, "b");
	assert_int_equal(holds_waiting(h), 0);
	holds_free(h);
}

static void a_shorter_hold_comes_first(void **state)
{
	(void)state;
	struct holds *h;
	assert_int_equal(holds_new(0, &h), XFED_OK);
	assert_int_equal(add(h, "a", false, 1000, 0), XFED_OK);
	assert_int_equal(add(h, "b", false, 2000, 0), XFED_OK);
	assert_int_equal(add(h, "c", false, 1500, 0), XFED_OK);
	assert_int_equal(add(h, "d", false, 500, 0), XFED_OK);
	static const char *const order[] = { "d", "a", "c", "b" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(order); i++) {
		assert_string_equal(holds_due(h, 5000)->id.data, order[i]);
	}
	holds_free(h);
}

/* Who may speak about a message: its recipient, or the domain it went to. */
static void only_the_contact_or_its_server_may_say_no(void **state)
{
	(void)state;
	static const struct {
		const char *name, *id, *from, *domain, *to;
		bool is_taken;
	} rows[] = {
		{ "the contact", "a", REMOTE, "partner.example", LOCAL, true },
		{ "its server", "a", "partner.example", "partner.example", LOCAL, true },
		{ "another user there", "a", "mallory@partner.example", "partner.example", LOCAL, false },
		{ "another domain", "a", "mallory@other.example", "other.example", LOCAL, false },
		{ "a server of another domain", "a", "other.example", "other.example", LOCAL, false },
		{ "to another user of ours", "a", REMOTE, "partner.example", "erin@corp.example", false },
		{ "another id", "b", REMOTE, "partner.example", LOCAL, false },
		{ "no id", "", REMOTE, "partner.example", LOCAL, false },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct holds *h;
		assert_int_equal(holds_new(0, &h), XFED_OK);
		assert_int_equal(add(h, "a", false, 1000, 0), XFED_OK);
		const struct hold *w = match(h, rows[i].id, rows[i].from, rows[i].domain, rows[i].to);
		if ((w != NULL) != rows[i].is_taken) {
			fail_msg("%s: %s", rows[i].name, w ? "taken" : "not taken");
		}
		/* One that was refused a word leaves the hold as it was. */
		assert_int_equal(holds_waiting(h), rows[i].is_taken ? 0 : 1);
		assert_true((holds_due(h, 1000) != NULL) == !rows[i].is_taken);
		holds_free(h);
	}
}

static void an_error_is_taken_once(void **state)
{
	(void)state;
	struct holds *h;
	assert_int_equal(holds_new(0, &h), XFED_OK);
	assert_int_equal(add(h, "a", false, 1000, 0), XFED_OK);
	const struct hold *w = match(h, "a", REMOTE, "partner.example", LOCAL);
	assert_non_null(w);
	assert_string_equal(w->id.data, "a");
	assert_false(w->is_answered);
	assert_null(match(h, "a", REMOTE, "partner.example", LOCAL));
	assert_null(holds_due(h, 1000));
	holds_free(h);
}

static void a_late_error_is_known_for_minutes(void **state)
{
	(void)state;
	struct holds *h;
	assert_int_equal(holds_new(0, &h), XFED_OK);
	assert_int_equal(add(h, "held", false, 1000, 0), XFED_OK);
	assert_int_equal(add(h, "alive", true, 0, 500), XFED_OK);
	assert_non_null(holds_due(h, 1000));
	const struct hold *w = match(h, "held", REMOTE, "partner.example", LOCAL);
	assert_true(w && w->is_answered);
	holds_tick(h, 500 + HOLD_LATE_MS - 1);
	w = match(h, "alive", REMOTE, "partner.example", LOCAL);
	assert_true(w && w->is_answered);
	assert_int_equal(add(h, "late", true, 0, 500), XFED_OK);
	holds_tick(h, 500 + HOLD_LATE_MS);
	assert_null(match(h, "late", REMOTE, "partner.example", LOCAL));
	holds_free(h);
}

static void full_forgets_the_answered_and_never_the_held(void **state)
{
	(void)state;
	struct holds *h;
	assert_int_equal(holds_new(2, &h), XFED_OK);
	assert_int_equal(add(h, "a", true, 0, 0), XFED_OK);
	assert_int_equal(add(h, "b", false, 1000, 0), XFED_OK);
	assert_int_equal(add(h, "c", false, 1000, 0), XFED_OK);
	assert_null(match(h, "a", REMOTE, "partner.example", LOCAL));
	assert_int_equal(add(h, "d", false, 1000, 0), XFED_ERR_LIMIT);
	assert_string_equal(holds_release(h, 0)->id.data, "b");
	assert_string_equal(holds_release(h, 0)->id.data, "c");
	assert_null(holds_release(h, 0));
	holds_free(h);
}

static void scenario(void)
{
	struct holds *h;
	if (holds_new(0, &h) != XFED_OK) {
		return;
	}
	size_t n = 0;
	for (int i = 0; i < 4; i++) {
		char id[8];
		snprintf(id, sizeof(id), "%d", i);
		n += add(h, id, false, 1000, 0) == XFED_OK;
	}
	match(h, "2", REMOTE, "partner.example", LOCAL);
	assert_true(holds_waiting(h) <= n);
	holds_free(h);
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	assert_true(sweep(scenario) > 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence_for_the_hold_is_success),
		cmocka_unit_test(a_shorter_hold_comes_first),
		cmocka_unit_test(only_the_contact_or_its_server_may_say_no),
		cmocka_unit_test(an_error_is_taken_once),
		cmocka_unit_test(a_late_error_is_known_for_minutes),
		cmocka_unit_test(full_forgets_the_answered_and_never_the_held),
		cmocka_unit_test(every_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
