/* What is known of a next hop: a transcript of what happened to it, and what is said of it then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trunk/hop_state.h"

enum what { DOWN, ANSWERS, WORKS, REFUSES };

struct row {
	int64_t at_s;
	enum what what;
	int status; /* REFUSES */
	/* afterwards */
	bool is_logged, is_up;
	enum xfed_reason reason;
	int64_t since_s;
	unsigned refusals;
};

#define GOOD  XFED_REASON_NONE
#define GONE  XFED_REASON_SIP_SERVER_UNREACHABLE
#define ERROR XFED_REASON_SIP_SERVER_ERROR
#define AUTH  XFED_REASON_SIP_AUTH_REFUSED

static void run(const struct row *rows, size_t count)
{
	struct hop_state s = { 0 };
	for (size_t i = 0; i < count; i++) {
		const struct row *r = &rows[i];
		bool is_logged = r->what == DOWN      ? hop_state_down(&s, GONE, "no connection", r->at_s)
				 : r->what == ANSWERS ? hop_state_answers(&s, r->at_s)
				 : r->what == WORKS   ? hop_state_works(&s, r->at_s)
						      : hop_state_refuses(&s, r->status, r->status == 407 ? AUTH : ERROR, NULL, r->at_s);
		if (is_logged != r->is_logged || s.is_up != r->is_up || s.reason != r->reason || s.since_s != r->since_s ||
			s.refusals.count != r->refusals || s.tried_s != r->at_s) {
			fail_msg("row %zu: logged %d up %d reason %s since %lld refusals %u", i, is_logged, s.is_up, xfed_reason_code(s.reason),
				(long long)s.since_s, s.refusals.count);
		}
	}
}
#define RUN(...)                                                                                                                                     \
	do {                                                                                                                                         \
		static const struct row rows[] = { __VA_ARGS__ };                                                                                    \
		run(rows, XFED_ARRAY_LEN(rows));                                                                                                     \
	} while (0)

static void down_and_up_again(void **state)
{
	RUN({ 100, DOWN, 0, true, false, GONE, 100, 0 }, { 110, DOWN, 0, false, false, GONE, 100, 0 }, /* it still is */
		{ 120, ANSWERS, 0, true, true, GOOD, 120, 0 }, { 130, WORKS, 0, false, true, GOOD, 120, 0 });
}

static void a_refusal_is_counted_and_becomes_history(void **state)
{
	RUN({ 100, WORKS, 0, true, true, GOOD, 100, 0 }, { 200, REFUSES, 503, true, true, ERROR, 200, 1 },
		{ 201, REFUSES, 503, false, true, ERROR, 200, 2 }, { 202, WORKS, 0, true, true, GOOD, 202, 2 },
		{ 300, REFUSES, 503, true, true, ERROR, 300, 3 },
		{ 300 + HOP_STATE_WINDOW_S, REFUSES, 503, false, true, ERROR, 300, 1 },	 /* not counted with those of before */
		{ 301 + HOP_STATE_WINDOW_S, REFUSES, 500, false, true, ERROR, 300, 1 }); /* nor another status */
}

/* A server that refuses every second message fills no log: neither with refusals nor with their ends. */
static void what_comes_and_goes_is_logged_once_a_minute(void **state)
{
	RUN({ 100, REFUSES, 503, true, true, ERROR, 100, 1 }, { 101, WORKS, 0, true, true, GOOD, 101, 1 },
		{ 102, REFUSES, 503, false, true, ERROR, 102, 2 }, { 103, WORKS, 0, false, true, GOOD, 103, 2 },
		{ 100 + HOP_STATE_QUIET_S, REFUSES, 503, true, true, ERROR, 100 + HOP_STATE_QUIET_S, 3 },
		{ 101 + HOP_STATE_QUIET_S, WORKS, 0, true, true, GOOD, 101 + HOP_STATE_QUIET_S, 3 });
}

/* 407 asks, and says nothing of whether the answer will do: what was wrong with it last still is. */
static void a_challenge_settles_nothing(void **state)
{
	RUN({ 100, REFUSES, 407, true, true, AUTH, 100, 1 }, { 110, ANSWERS, 0, false, true, AUTH, 100, 1 },
		{ 120, WORKS, 0, true, true, GOOD, 120, 1 });
}

static void whose_fault_an_answer_is(void **state)
{
	static const int of_server[] = { 401, 403, 405, 407, 420, 421, 482, 483, 500, 501, 503, 504, 580 };
	static const int of_others[] = { 200, 202, 302, 400, 404, 408, 410, 413, 415, 480, 486, 488, 513, 600, 603, 604, 606 };
	for (size_t i = 0; i < XFED_ARRAY_LEN(of_server); i++) {
		assert_true(hop_state_is_refusal(of_server[i]));
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(of_others); i++) {
		assert_false(hop_state_is_refusal(of_others[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(down_and_up_again),
		cmocka_unit_test(a_refusal_is_counted_and_becomes_history),
		cmocka_unit_test(what_comes_and_goes_is_logged_once_a_minute),
		cmocka_unit_test(a_challenge_settles_nothing),
		cmocka_unit_test(whose_fault_an_answer_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
