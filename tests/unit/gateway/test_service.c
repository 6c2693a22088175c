/* In and out of service, and the way out: each event in each state, and the times in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "service.h"

#define NOW    1000000
#define WITHIN 10000

static const char *const states[] = { "out", "in", "draining", "giving-up", "closing", "over" };
static const char *const actions[] = { "nothing", "say", "drain", "give-up", "close", "end" };

static void step(struct service *s, enum service_event ev, uint64_t now, const char *state, const char *action)
{
	const char *did = actions[service_step(s, ev, WITHIN, now)];
	assert_string_equal(did, action);
	assert_string_equal(states[s->state], state);
}

static void edges_come_and_go(void **state)
{
	struct service s = { 0 };
	assert_string_equal(service_name(s.state), "out-of-service");
	step(&s, SERVICE_EDGES_GONE, NOW, "out", "nothing");
	step(&s, SERVICE_EDGES_USABLE, NOW, "in", "say");
	assert_string_equal(service_name(s.state), "in-service");
	step(&s, SERVICE_EDGES_USABLE, NOW, "in", "nothing");
	step(&s, SERVICE_TURN_QUIET, NOW, "in", "nothing");
	step(&s, SERVICE_TICK, NOW + WITHIN, "in", "nothing");
	step(&s, SERVICE_EDGES_GONE, NOW, "out", "say");
	assert_int_equal(service_deadline(&s), 0);
}

static void it_leaves_when_all_is_settled(void **state)
{
	struct service s = { .state = SERVICE_IN };
	step(&s, SERVICE_LEAVE, NOW, "draining", "drain");
	assert_int_equal(service_deadline(&s), NOW + WITHIN - 1500);
	step(&s, SERVICE_EDGES_GONE, NOW, "draining", "nothing"); /* and it is no way back */
	step(&s, SERVICE_EDGES_USABLE, NOW, "draining", "nothing");
	step(&s, SERVICE_LEAVE, NOW + 1, "draining", "nothing");
	assert_int_equal(service_deadline(&s), NOW + WITHIN - 1500);
	step(&s, SERVICE_TICK, NOW + 100, "draining", "nothing");
	step(&s, SERVICE_TURN_QUIET, NOW + 200, "closing", "close");
	step(&s, SERVICE_TURN_QUIET, NOW + 201, "closing", "nothing");
	step(&s, SERVICE_LEAVE, NOW + 201, "closing", "nothing");
	step(&s, SERVICE_TICK, NOW + 699, "closing", "nothing");
	step(&s, SERVICE_TICK, NOW + 700, "over", "end");
	step(&s, SERVICE_TICK, NOW + 9999, "over", "nothing");
	step(&s, SERVICE_TURN_QUIET, NOW + 9999, "over", "nothing");
	step(&s, SERVICE_EDGES_USABLE, NOW + 9999, "over", "nothing");
	assert_string_equal(service_name(s.state), "draining");
}

static void what_is_not_settled_in_time_is_given_up(void **state)
{
	struct service s = { .state = SERVICE_IN };
	step(&s, SERVICE_LEAVE, NOW, "draining", "drain");
	step(&s, SERVICE_TICK, NOW + WITHIN - 1501, "draining", "nothing");
	step(&s, SERVICE_TICK, NOW + WITHIN - 1500, "giving-up", "give-up");
	/* The fates leave over the links, and those close last. */
	step(&s, SERVICE_TURN_QUIET, NOW + WITHIN - 1400, "giving-up", "nothing");
	step(&s, SERVICE_TICK, NOW + WITHIN - 1001, "giving-up", "nothing");
	step(&s, SERVICE_TICK, NOW + WITHIN - 1000, "over", "end");
}

static void it_leaves_without_having_been_in_service(void **state)
{
	struct service s = { 0 };
	step(&s, SERVICE_LEAVE, NOW, "draining", "drain");
	step(&s, SERVICE_TURN_QUIET, NOW, "closing", "close");
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
		assert_int_equal(service_step(&s, SERVICE_LEAVE, rows[i].within_ms, NOW), SERVICE_DRAIN);
		assert_int_equal(service_deadline(&s), NOW + rows[i].most_ms);
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
