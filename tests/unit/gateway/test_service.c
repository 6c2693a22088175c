/* In and out of service, and the way out: each event in each state, and the times in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "service/service.h"

#define NOW    1000000
#define WITHIN 10000

static const char *const states[] = { "out", "in", "settling", "given-up", "closing", "stopped" };
static const char *const actions[] = { "nothing", "tell", "drain", "give-up", "close", "stop" };

/* Events of the transcripts: links and what is in flight are facts. */
enum { USABLE, GONE, QUIET, BUSY, TICK, DRAIN };

static void step(struct service *s, int what, uint64_t now, const char *state, const char *action)
{
	static const enum service_event events[] = { [USABLE] = SERVICE_JUDGE,
		[GONE] = SERVICE_JUDGE,
		[QUIET] = SERVICE_LEFT,
		[BUSY] = SERVICE_LEFT,
		[TICK] = SERVICE_TICK,
		[DRAIN] = SERVICE_DRAIN };
	struct service_facts f = { .now_ms = now, .has_edge = what == USABLE, .is_quiet = what == QUIET, .stop_timeout_ms = WITHIN };
	const char *did = actions[service_step(s, events[what], &f)];
	assert_string_equal(did, action);
	assert_string_equal(states[s->state], state);
}

static void edges_come_and_go(void **state)
{
	struct service s = { 0 };
	assert_string_equal(service_word(&s), "out-of-service");
	step(&s, GONE, NOW, "out", "nothing");
	step(&s, USABLE, NOW, "in", "tell");
	assert_string_equal(service_word(&s), "in-service");
	step(&s, USABLE, NOW, "in", "nothing");
	step(&s, QUIET, NOW, "in", "nothing");
	step(&s, TICK, NOW + WITHIN, "in", "nothing");
	step(&s, GONE, NOW, "out", "tell");
	assert_int_equal(s.deadline_ms, 0);
}

static void it_leaves_when_all_is_settled(void **state)
{
	struct service s = { .state = SERVICE_IN };
	step(&s, DRAIN, NOW, "settling", "drain");
	assert_int_equal(s.deadline_ms, NOW + WITHIN - 1500);
	step(&s, GONE, NOW, "settling", "nothing"); /* and it is no way back */
	step(&s, USABLE, NOW, "settling", "nothing");
	step(&s, DRAIN, NOW + 1, "settling", "nothing");
	assert_int_equal(s.deadline_ms, NOW + WITHIN - 1500);
	step(&s, TICK, NOW + 100, "settling", "nothing");
	step(&s, BUSY, NOW + 150, "settling", "nothing");
	step(&s, QUIET, NOW + 200, "closing", "close");
	step(&s, QUIET, NOW + 201, "closing", "nothing");
	step(&s, DRAIN, NOW + 201, "closing", "nothing");
	step(&s, TICK, NOW + 699, "closing", "nothing");
	step(&s, TICK, NOW + 700, "stopped", "stop");
	step(&s, TICK, NOW + 9999, "stopped", "nothing");
	step(&s, QUIET, NOW + 9999, "stopped", "nothing");
	step(&s, USABLE, NOW + 9999, "stopped", "nothing");
	assert_string_equal(service_word(&s), "draining");
}

static void what_is_not_settled_in_time_is_given_up(void **state)
{
	struct service s = { .state = SERVICE_IN };
	step(&s, DRAIN, NOW, "settling", "drain");
	step(&s, TICK, NOW + WITHIN - 1501, "settling", "nothing");
	step(&s, TICK, NOW + WITHIN - 1500, "given-up", "give-up");
	/* The fates leave over the links, and those close last. */
	step(&s, QUIET, NOW + WITHIN - 1400, "given-up", "nothing");
	step(&s, TICK, NOW + WITHIN - 1001, "given-up", "nothing");
	step(&s, TICK, NOW + WITHIN - 1000, "stopped", "stop");
}

static void it_leaves_without_having_been_in_service(void **state)
{
	struct service s = { 0 };
	step(&s, DRAIN, NOW, "settling", "drain");
	step(&s, QUIET, NOW, "closing", "close");
}

/* Where there is little time, half of it is for what is in flight. */
static void a_short_time_is_halved(void **state)
{
	static const struct {
		uint32_t within_ms;
		uint64_t most_ms;
	} rows[] = { { 0, 0 }, { 1000, 500 }, { 3000, 1500 }, { 3001, 1501 }, { 60000, 58500 } };
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct service s = { 0 };
		struct service_facts f = { .now_ms = NOW, .stop_timeout_ms = rows[i].within_ms };
		assert_int_equal(service_step(&s, SERVICE_DRAIN, &f), SERVICE_DRAIN_PARTS);
		assert_int_equal(s.deadline_ms, NOW + rows[i].most_ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edges_come_and_go),
		cmocka_unit_test(it_leaves_when_all_is_settled),
		cmocka_unit_test(what_is_not_settled_in_time_is_given_up),
		cmocka_unit_test(it_leaves_without_having_been_in_service),
		cmocka_unit_test(a_short_time_is_halved),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
