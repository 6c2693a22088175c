/* Going in and out of service (edge-proxy/service/service.h) as transcripts: what is to be done, line by line, and the state after it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "service/service.h"

struct bench {
	struct service m;
	struct service_facts f;
	char log[1024];
};

static void bench_init(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	b->f = (struct service_facts){ .now_ms = 1000000, .grace_ms = 5000, .stop_timeout_ms = 60000 };
}

static void feed(struct bench *b, enum service_event ev)
{
	static const char *const words[] = { [SERVICE_TELL] = "tell",
		[SERVICE_LISTEN] = "listen",
		[SERVICE_LISTEN_NO_MORE] = "listen no more",
		[SERVICE_HAND_BACK] = "hand back",
		[SERVICE_GIVE_UP] = "give up",
		[SERVICE_DRAIN_PARTS] = "drain",
		[SERVICE_CLOSE_INCOMING] = "close incoming",
		[SERVICE_CLOSE_ALL] = "close all",
		[SERVICE_STOP] = "stop" };
	enum service_action act;
	service_step(&b->m, ev, &b->f);
	while (service_next(&b->m, &act)) {
		size_t len = strlen(b->log);
		snprintf(b->log + len, sizeof(b->log) - len, act == SERVICE_TELL ? "%s %s\n" : "%s\n", words[act], service_word(&b->m));
	}
}

static void expect(struct bench *b, const char *lines)
{
	assert_string_equal(b->log, lines);
	b->log[0] = '\0';
}

static void tick(struct bench *b, uint64_t later_ms)
{
	b->f.now_ms += later_ms;
	feed(b, SERVICE_TICK);
}

static void go_in(struct bench *b)
{
	b->f.has_gateway = true;
	feed(b, SERVICE_JUDGE);
	expect(b, "tell in-service\nlisten\n");
}

/* What ends is judged in a turn of its own. */
static void left(struct bench *b)
{
	feed(b, SERVICE_LEFT);
	expect(b, "");
	feed(b, SERVICE_TICK);
}

static void test_nothing_is_open_before_the_first_gateway(void **state)
{
	struct bench b;
	bench_init(&b);
	feed(&b, SERVICE_JUDGE);
	tick(&b, 100000);
	expect(&b, "");
	assert_string_equal(service_word(&b.m), "out-of-service");
	assert_false(service_takes(&b.m));
	go_in(&b);
	assert_true(service_is_in(&b.m) && service_takes(&b.m));
	feed(&b, SERVICE_JUDGE);
	expect(&b, "");
}

static void test_a_gateway_that_comes_back_in_time_changes_nothing(void **state)
{
	struct bench b;
	bench_init(&b);
	go_in(&b);
	b.f.has_gateway = false;
	feed(&b, SERVICE_JUDGE);
	tick(&b, 4999);
	assert_true(service_is_in(&b.m));
	b.f.has_gateway = true;
	feed(&b, SERVICE_JUDGE);
	tick(&b, 100000);
	expect(&b, "");
	assert_true(service_is_in(&b.m));
}

static void test_who_knocks_without_being_a_gateway_makes_the_grace_no_longer(void **state)
{
	struct bench b;
	bench_init(&b);
	go_in(&b);
	b.f.has_gateway = false;
	feed(&b, SERVICE_JUDGE);
	b.f.now_ms += 4000;
	feed(&b, SERVICE_JUDGE); /* a link that came to nothing */
	tick(&b, 1000);
	expect(&b, "tell out-of-service\nhand back\n");
}

static void leave(struct bench *b)
{
	go_in(b);
	b->f.has_gateway = false;
	b->f.waiting = 3;
	b->f.streams = 5;
	b->f.streams_incoming = 2;
	feed(b, SERVICE_JUDGE);
	tick(b, 5000);
	expect(b, "tell out-of-service\nhand back\n");
	assert_true(service_is_leaving(&b->m));
	assert_false(service_takes(&b->m));
}

static void test_out_of_service_step_by_step(void **state)
{
	struct bench b;
	bench_init(&b);
	leave(&b);
	feed(&b, SERVICE_LEFT);
	tick(&b, SERVICE_RETURN_MS - 1);
	expect(&b, ""); /* some still wait */
	b.f.waiting = 0;
	left(&b);
	expect(&b, "close incoming\n");
	b.f.streams_incoming = 0;
	left(&b);
	expect(&b, "close all\nlisten no more\ntell out-of-service\n");
	assert_false(service_is_leaving(&b.m));
	go_in(&b);
}

static void test_each_step_ends_at_its_deadline(void **state)
{
	struct bench b;
	bench_init(&b);
	leave(&b);
	tick(&b, SERVICE_RETURN_MS);
	expect(&b, "close incoming\n");
	tick(&b, SERVICE_SAY_MS - 1);
	expect(&b, "");
	tick(&b, 1);
	expect(&b, "close all\nlisten no more\ntell out-of-service\n");
}

static void test_a_gateway_stops_the_way_out(void **state)
{
	for (int is_saying = 0; is_saying <= 1; is_saying++) {
		struct bench b;
		bench_init(&b);
		leave(&b);
		if (is_saying) {
			tick(&b, SERVICE_RETURN_MS);
			expect(&b, "close incoming\n");
		}
		go_in(&b);
		tick(&b, 100000);
		expect(&b, "");
		assert_true(service_takes(&b.m));
	}
}

static void test_drained_with_nothing_left(void **state)
{
	struct bench b;
	bench_init(&b);
	go_in(&b);
	b.f.is_quiet = true;
	feed(&b, SERVICE_DRAIN);
	expect(&b, "tell draining\nlisten no more\ndrain\n");
	assert_true(service_takes(&b.m) && service_is_leaving(&b.m) && !service_is_in(&b.m));
	feed(&b, SERVICE_DRAIN);
	expect(&b, "");
	left(&b);
	expect(&b, "close incoming\n"); /* nothing to give up */
	assert_false(service_takes(&b.m));
	left(&b);
	expect(&b, "close all\n");
	left(&b);
	expect(&b, "stop\n");
	left(&b);
	tick(&b, 1000000);
	expect(&b, "");
}

/* What the stop timeout leaves for settling, then 10 s for errors, 2 s for last words, and the rest for our streams to close. */
static void test_drained_by_the_clock(void **state)
{
	struct bench b;
	bench_init(&b);
	go_in(&b);
	b.f.waiting = b.f.streams = b.f.streams_incoming = 1;
	feed(&b, SERVICE_DRAIN);
	expect(&b, "tell draining\nlisten no more\ndrain\n");
	uint64_t settle_ms = 60000 - SERVICE_CLOSE_MS - SERVICE_RETURN_MS;
	tick(&b, settle_ms - 1);
	expect(&b, "");
	tick(&b, 1);
	expect(&b, "give up\n");
	assert_true(service_takes(&b.m));
	tick(&b, SERVICE_RETURN_MS);
	expect(&b, "close incoming\n");
	tick(&b, SERVICE_SAY_MS);
	expect(&b, "close all\n");
	tick(&b, SERVICE_CLOSE_MS - SERVICE_SAY_MS - 1);
	expect(&b, "");
	tick(&b, 1);
	expect(&b, "stop\n");
}

static void test_what_comes_in_the_last_moment_is_still_settled(void **state)
{
	struct bench b;
	bench_init(&b);
	go_in(&b);
	b.f.is_quiet = true;
	feed(&b, SERVICE_DRAIN);
	feed(&b, SERVICE_LEFT);
	b.f.is_quiet = false; /* behind LEFT, before its turn */
	feed(&b, SERVICE_TICK);
	expect(&b, "tell draining\nlisten no more\ndrain\n");
	b.f.is_quiet = true;
	left(&b);
	expect(&b, "close incoming\n");
}

static void test_a_way_out_that_had_begun_ends_with_the_drain(void **state)
{
	struct bench b;
	bench_init(&b);
	leave(&b);
	feed(&b, SERVICE_DRAIN);
	expect(&b, "tell draining\nlisten no more\ndrain\n");
	b.f.has_gateway = true;
	feed(&b, SERVICE_JUDGE); /* no way back */
	expect(&b, "");
	tick(&b, 60000);
	expect(&b, "give up\n");
}

static void test_a_short_stop_timeout_still_has_every_step(void **state)
{
	struct bench b;
	bench_init(&b);
	go_in(&b);
	b.f.stop_timeout_ms = 3000;
	b.f.waiting = b.f.streams = b.f.streams_incoming = 1;
	feed(&b, SERVICE_DRAIN);
	tick(&b, SERVICE_CLOSE_MS - 1000);
	expect(&b, "tell draining\nlisten no more\ndrain\ngive up\n");
	tick(&b, 1000);
	expect(&b, "close incoming\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_open_before_the_first_gateway),
		cmocka_unit_test(test_a_gateway_that_comes_back_in_time_changes_nothing),
		cmocka_unit_test(test_who_knocks_without_being_a_gateway_makes_the_grace_no_longer),
		cmocka_unit_test(test_out_of_service_step_by_step),
		cmocka_unit_test(test_each_step_ends_at_its_deadline),
		cmocka_unit_test(test_a_gateway_stops_the_way_out),
		cmocka_unit_test(test_drained_with_nothing_left),
		cmocka_unit_test(test_drained_by_the_clock),
		cmocka_unit_test(test_what_comes_in_the_last_moment_is_still_settled),
		cmocka_unit_test(test_a_way_out_that_had_begun_ends_with_the_drain),
		cmocka_unit_test(test_a_short_stop_timeout_still_has_every_step),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
