/* What is known of a next hop: a transcript of what happened to it, and what is said of it then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trunk/hop_state.h"

enum what { DOWN, ANSWERS, WORKS, REFUSES, TIME };

struct row {
	int64_t at_s;
	enum what what;
	int status;	    /* REFUSES */
	uint64_t recipient; /* REFUSES: 0: it would refuse everybody */
	/* afterwards */
	bool is_logged, is_up;
	enum xfed_reason reason;
	int64_t since_s;
	unsigned refusals;
};

#define GOOD  XFED_REASON_NONE
#define GONE  XFED_REASON_SIP_SERVER_UNREACHABLE
#define ERROR XFED_REASON_SIP_SERVER_ERROR
#define NO    XFED_REASON_SIP_REQUEST_REFUSED
#define AUTH  XFED_REASON_SIP_AUTH_REFUSED

static bool apply(struct hop_state *s, const struct row *r)
{
	enum xfed_reason reason = r->status == 407 ? AUTH : r->status == 403 ? NO : ERROR;
	struct hop_refusal refusal = { .status = r->status, .reason = reason, .recipient = r->recipient };
	switch (r->what) {
	case DOWN:
		return hop_state_down(s, GONE, "no connection", r->at_s);
	case ANSWERS:
		return hop_state_answers(s, r->at_s);
	case WORKS:
		return hop_state_works(s, r->at_s);
	case REFUSES:
		return hop_state_refuses(s, &refusal, r->at_s);
	case TIME:
		break;
	}
	return hop_state_age(s, r->at_s);
}

static void run(const struct row *rows, size_t count)
{
	struct hop_state s = { 0 };
	for (size_t i = 0; i < count; i++) {
		const struct row *r = &rows[i];
		bool is_logged = apply(&s, r);
		if (is_logged != r->is_logged || s.is_up != r->is_up || s.reason != r->reason || s.since_s != r->since_s ||
			s.refusals.count != r->refusals || (r->what != TIME && s.tried_s != r->at_s)) {
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

/* clang-format off */
static void down_and_up_again(void **state)
{
	RUN({ 100, DOWN, 0, 0, true, false, GONE, 100, 0 },
		{ 110, DOWN, 0, 0, false, false, GONE, 100, 0 }, /* it still is */
		{ 120, ANSWERS, 0, 0, true, true, GOOD, 120, 0 },
		{ 130, WORKS, 0, 0, false, true, GOOD, 120, 0 });
}

static void a_refusal_is_counted_and_becomes_history(void **state)
{
	RUN({ 100, WORKS, 0, 0, true, true, GOOD, 100, 0 },
		{ 200, REFUSES, 503, 0, true, true, ERROR, 200, 1 },
		{ 201, REFUSES, 503, 0, false, true, ERROR, 200, 2 },
		{ 202, WORKS, 0, 0, true, true, GOOD, 202, 2 },
		{ 300, REFUSES, 503, 0, true, true, ERROR, 300, 3 },
		{ 300 + HOP_STATE_WINDOW_S, REFUSES, 503, 0, false, true, ERROR, 300, 1 },   /* not counted with those of before */
		{ 301 + HOP_STATE_WINDOW_S, REFUSES, 500, 0, false, true, ERROR, 300, 1 });  /* nor another status */
}

/* One phone that takes no messages, and one whose server is down: nobody else is worse off for them. */
static void what_a_phone_refuses_is_none_of_the_server(void **state)
{
	RUN({ 100, WORKS, 0, 0, true, true, GOOD, 100, 0 },
		{ 101, REFUSES, 405, 1, false, true, GOOD, 100, 1 },
		{ 102, REFUSES, 405, 1, false, true, GOOD, 100, 2 },
		{ 103, REFUSES, 503, 2, false, true, GOOD, 100, 1 },
		{ 104, REFUSES, 503, 2, false, true, GOOD, 100, 2 },
		{ 105, WORKS, 0, 0, false, true, GOOD, 100, 2 }, /* a third one got his message */
		{ 106, REFUSES, 503, 3, false, true, GOOD, 100, 3 },
		{ 107, REFUSES, 405, 1, false, true, GOOD, 100, 1 });
	RUN({ 100, REFUSES, 405, 1, true, true, GOOD, 100, 1 }); /* it is up: it answered */
	RUN({ 100, DOWN, 0, 0, true, false, GONE, 100, 0 },
		{ 110, REFUSES, 503, 1, true, true, GOOD, 110, 1 });
}

static void what_several_are_refused_is_of_the_server(void **state)
{
	RUN({ 100, WORKS, 0, 0, true, true, GOOD, 100, 0 },
		{ 101, REFUSES, 403, 1, false, true, GOOD, 100, 1 },
		{ 102, REFUSES, 403, 2, false, true, GOOD, 100, 2 },
		{ 103, REFUSES, 403, 1, false, true, GOOD, 100, 3 },
		{ 104, REFUSES, 403, 3, true, true, NO, 104, 4 },
		{ 105, REFUSES, 403, 1, false, true, NO, 104, 5 },
		{ 106, WORKS, 0, 0, true, true, GOOD, 106, 5 },
		{ 107, REFUSES, 403, 3, false, true, GOOD, 106, 6 });
	RUN({ 100, REFUSES, 403, 1, true, true, GOOD, 100, 1 },
		{ 101, REFUSES, 403, 2, false, true, GOOD, 100, 2 },
		{ 101 + HOP_STATE_WINDOW_S, REFUSES, 403, 3, false, true, GOOD, 100, 1 }); /* too far apart */
}

static void so_is_what_one_is_refused_again_and_again(void **state)
{
	RUN({ 100, REFUSES, 503, 1, true, true, GOOD, 100, 1 },
		{ 101, REFUSES, 503, 1, false, true, GOOD, 100, 2 },
		{ 102, REFUSES, 503, 1, false, true, GOOD, 100, 3 },
		{ 103, REFUSES, 503, 1, false, true, GOOD, 100, 4 },
		{ 104, REFUSES, 503, 1, false, true, GOOD, 100, 5 }, /* within a moment: he has pressed the key again */
		{ 99 + HOP_STATE_ROW_S, REFUSES, 503, 1, false, true, GOOD, 100, 6 },
		{ 100 + HOP_STATE_ROW_S, REFUSES, 503, 1, true, true, ERROR, 100 + HOP_STATE_ROW_S, 7 });
	RUN({ 100, REFUSES, 503, 1, true, true, GOOD, 100, 1 },
		{ 101, REFUSES, 503, 1, false, true, GOOD, 100, 2 },
		{ 102, REFUSES, 503, 1, false, true, GOOD, 100, 3 },
		{ 100 + HOP_STATE_ROW_S, REFUSES, 503, 1, false, true, GOOD, 100, 4 }, /* too few yet */
		{ 101 + HOP_STATE_ROW_S, REFUSES, 503, 1, true, true, ERROR, 101 + HOP_STATE_ROW_S, 5 });
}

static void what_is_old_is_no_problem(void **state)
{
	RUN({ 100, REFUSES, 403, 0, true, true, NO, 100, 1 },
		{ 200, REFUSES, 403, 0, false, true, NO, 100, 2 },
		{ 300, ANSWERS, 0, 0, false, true, NO, 100, 2 },
		{ 199 + HOP_STATE_OLD_S, TIME, 0, 0, false, true, NO, 100, 2 },
		{ 200 + HOP_STATE_OLD_S, TIME, 0, 0, true, true, GOOD, 200 + HOP_STATE_OLD_S, 2 },
		{ 201 + HOP_STATE_OLD_S, TIME, 0, 0, false, true, GOOD, 200 + HOP_STATE_OLD_S, 2 });
	RUN({ 100, DOWN, 0, 0, true, false, GONE, 100, 0 }, /* as it is asked once a minute */
		{ 100 + HOP_STATE_OLD_S, TIME, 0, 0, false, false, GONE, 100, 0 });
}

/* A server that refuses every second message fills no log: neither with refusals nor with their ends. */
static void what_comes_and_goes_is_logged_once_a_minute(void **state)
{
	RUN({ 100, REFUSES, 503, 0, true, true, ERROR, 100, 1 },
		{ 101, WORKS, 0, 0, true, true, GOOD, 101, 1 },
		{ 102, REFUSES, 503, 0, false, true, ERROR, 102, 2 },
		{ 103, WORKS, 0, 0, false, true, GOOD, 103, 2 },
		{ 100 + HOP_STATE_QUIET_S, REFUSES, 503, 0, true, true, ERROR, 100 + HOP_STATE_QUIET_S, 3 },
		{ 101 + HOP_STATE_QUIET_S, WORKS, 0, 0, true, true, GOOD, 101 + HOP_STATE_QUIET_S, 3 });
	RUN({ 100, REFUSES, 503, 0, true, true, ERROR, 100, 1 }, /* nor one that refuses now so, now so */
		{ 101, REFUSES, 403, 0, false, true, NO, 101, 1 },
		{ 102, REFUSES, 503, 0, false, true, ERROR, 102, 1 },
		{ 103, REFUSES, 403, 0, false, true, NO, 103, 1 },
		{ 100 + HOP_STATE_QUIET_S, REFUSES, 403, 0, true, true, NO, 103, 2 });
}

/* What the log said last of it is how it is. */
static void the_end_of_what_was_logged_is_logged(void **state)
{
	RUN({ 100, REFUSES, 503, 0, true, true, ERROR, 100, 1 },
		{ 105, DOWN, 0, 0, true, false, GONE, 105, 1 },
		{ 110, REFUSES, 503, 0, true, true, ERROR, 110, 2 },
		{ 112, WORKS, 0, 0, true, true, GOOD, 112, 2 });
	RUN({ 100, REFUSES, 503, 0, true, true, ERROR, 100, 1 },
		{ 105, DOWN, 0, 0, true, false, GONE, 105, 1 },
		{ 110, ANSWERS, 0, 0, true, true, GOOD, 110, 1 });
	RUN({ 100, REFUSES, 503, 0, true, true, ERROR, 100, 1 },
		{ 101, REFUSES, 403, 0, false, true, NO, 101, 1 },
		{ 102, WORKS, 0, 0, true, true, GOOD, 102, 1 });
}

/* 407 asks, and says nothing of whether the answer will do: what was wrong with it last still is. */
static void a_challenge_settles_nothing(void **state)
{
	RUN({ 100, REFUSES, 407, 0, true, true, AUTH, 100, 1 },
		{ 110, ANSWERS, 0, 0, false, true, AUTH, 100, 1 },
		{ 115, REFUSES, 403, 1, false, true, AUTH, 100, 1 }, /* nor does a phone */
		{ 120, WORKS, 0, 0, true, true, GOOD, 120, 1 });
}
/* clang-format on */

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

/* One moment without TCP is not paid for by ten minutes. */
static void who_refuses_tcp_is_asked_again(void **state)
{
	(void)state;
	static const uint64_t waits_s[] = { 30, 60, 120, 240, 480, 600, 600 };
	struct hop_no_tcp n = { 0 };
	uint64_t now_ms = 5000;
	for (size_t i = 0; i < XFED_ARRAY_LEN(waits_s); i++) {
		hop_no_tcp_refused(&n, now_ms, 100 + (int64_t)i);
		assert_int_equal(n.until_ms, now_ms + 1000 * waits_s[i]);
		hop_no_tcp_refused(&n, now_ms + 1, 100); /* another that was under way */
		assert_int_equal(n.until_ms, now_ms + 1000 * waits_s[i]);
		assert_int_equal(n.since_s, 100);
		now_ms = n.until_ms;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(down_and_up_again),
		cmocka_unit_test(a_refusal_is_counted_and_becomes_history),
		cmocka_unit_test(what_a_phone_refuses_is_none_of_the_server),
		cmocka_unit_test(what_several_are_refused_is_of_the_server),
		cmocka_unit_test(so_is_what_one_is_refused_again_and_again),
		cmocka_unit_test(what_is_old_is_no_problem),
		cmocka_unit_test(what_comes_and_goes_is_logged_once_a_minute),
		cmocka_unit_test(the_end_of_what_was_logged_is_logged),
		cmocka_unit_test(a_challenge_settles_nothing),
		cmocka_unit_test(whose_fault_an_answer_is),
		cmocka_unit_test(who_refuses_tcp_is_asked_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
