/*
 * The loop: posts, turns, timers, jobs, signals.
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support.h"
#include "xfed/mem.h"
#include "xfed/rt/job.h"
#include "xfed/rt/timer.h"

static char trace[128];

static void mark(void *arg)
{
	strncat(trace, arg, sizeof(trace) - strlen(trace) - 1);
}

/* ---- posts ---- */

static struct rt_post again;

static void mark_and_repost(void *arg)
{
	mark(arg);
	rt_post_schedule(&again);
}

static void posts_run_once_and_in_order(void **state)
{
	struct rt_loop *l = new_loop();
	struct rt_post a, b, end;
	(void)state;
	trace[0] = '\0';
	rt_post_init(&a, l, mark, (char[]){ "a" });
	rt_post_init(&b, l, mark, (char[]){ "b" });
	rt_post_init(&end, l, mark, (char[]){ "!" });
	rt_post_at_turn_end(&end);
	rt_post_schedule(&a);
	rt_post_schedule(&b);
	rt_post_schedule(&a);
	assert_string_equal(trace, ""); /* never inside the call */
	rt_loop_turn(l, true);
	assert_string_equal(trace, "ab!");
	rt_loop_free(l);
}

static void a_chain_of_posts_lets_turns_pass(void **state)
{
	struct rt_loop *l = new_loop();
	(void)state;
	trace[0] = '\0';
	rt_post_init(&again, l, mark_and_repost, (char[]){ "x" });
	rt_post_schedule(&again);
	for (int turn = 0; turn < 3; turn++) {
		rt_loop_turn(l, true); /* would block for ever if the post waiting did not keep the loop awake */
	}
	assert_in_range(strlen(trace), 3, 6);
	rt_post_cancel(&again);
	rt_loop_turn(l, false);
	size_t len = strlen(trace);
	rt_loop_turn(l, false);
	assert_int_equal(strlen(trace), len);
	rt_loop_free(l);
}

static struct rt_post victim;

static void cancel_victim(void *arg)
{
	mark(arg);
	rt_post_cancel(&victim);
}

static void a_post_may_cancel_the_next(void **state)
{
	struct rt_loop *l = new_loop();
	struct rt_post first, last;
	(void)state;
	trace[0] = '\0';
	rt_post_init(&first, l, cancel_victim, (char[]){ "1" });
	rt_post_init(&victim, l, mark, (char[]){ "2" });
	rt_post_init(&last, l, mark, (char[]){ "3" });
	rt_post_schedule(&first);
	rt_post_schedule(&victim);
	rt_post_schedule(&last);
	rt_loop_turn(l, true);
	assert_string_equal(trace, "13");
	struct rt_post zeroed = { 0 };
	rt_post_cancel(&zeroed);
	rt_loop_free(l);
}

/* ---- timers ---- */

struct ticker {
	struct rt_timer timer;
	struct rt_loop *loop;
	uint64_t due_ms, fired_ms;
	unsigned count;
};

static void on_tick(void *user)
{
	struct ticker *t = user;
	t->fired_ms = rt_loop_now_ms(t->loop);
	t->count++;
}

static void on_tick_set_past(void *user)
{
	struct ticker *t = user;
	t->count++;
	rt_timer_set(&t->timer, 1);
}

static void on_tick_close(void *user)
{
	struct ticker *t = user;
	t->count++;
	rt_timer_close(&t->timer);
}

static void timers_fire_at_their_deadline(void **state)
{
	struct rt_loop *l = new_loop();
	struct ticker a = { .loop = l }, b = { .loop = l };
	(void)state;
	assert_int_equal(rt_timer_init(&a.timer, l, on_tick, &a), XFED_OK);
	assert_int_equal(rt_timer_init(&b.timer, l, on_tick, &b), XFED_OK);
	a.due_ms = rt_loop_now_ms(l) + 20;
	rt_timer_set(&a.timer, a.due_ms);
	rt_timer_set(&b.timer, rt_loop_now_ms(l) + 5);
	rt_timer_set(&b.timer, UINT64_MAX); /* never */
	UNTIL(l, a.count == 1);
	assert_true(a.fired_ms >= a.due_ms);
	assert_int_equal(b.count, 0);
	rt_timer_set(&b.timer, rt_loop_now_ms(l) + 1);
	rt_timer_set(&b.timer, 0);	  /* never */
	rt_timer_set(&a.timer, a.due_ms); /* in the past: soon */
	UNTIL(l, a.count == 2);
	assert_int_equal(b.count, 0);
	rt_timer_close(&a.timer);
	rt_timer_close(&a.timer);
	rt_loop_free(l); /* closes b */
}

static void a_timer_set_to_the_past_starves_nobody(void **state)
{
	struct rt_loop *l = new_loop();
	struct ticker a = { .loop = l };
	(void)state;
	assert_int_equal(rt_timer_init(&a.timer, l, on_tick_set_past, &a), XFED_OK);
	rt_timer_set(&a.timer, 1);
	UNTIL(l, a.count == 3); /* each turn of it returns */
	rt_timer_close(&a.timer);

	assert_int_equal(rt_timer_init(&a.timer, l, on_tick_close, &a), XFED_OK);
	rt_timer_set(&a.timer, 1);
	UNTIL(l, a.count == 4);
	rt_loop_free(l);
}

/* ---- jobs ---- */

struct work {
	struct rt_job job;
	atomic_int *running, *most;
	pthread_t runner, ender;
	unsigned *done;
};

static void run_work(void *arg)
{
	struct work *w = arg;
	int now = atomic_fetch_add(w->running, 1) + 1, most = atomic_load(w->most);
	while (now > most && !atomic_compare_exchange_weak(w->most, &most, now)) {
	}
	w->runner = pthread_self();
	for (volatile unsigned i = 0; i < 100000; i++) {
	}
	atomic_fetch_sub(w->running, 1);
}

static void end_work(void *arg)
{
	struct work *w = arg;
	w->ender = pthread_self();
	(*w->done)++;
}

static void jobs_run_elsewhere_and_end_here(void **state)
{
	enum { JOBS = 64 };
	struct rt_loop *l = new_loop();
	struct work work[JOBS];
	atomic_int running = 0, most = 0;
	unsigned done = 0;
	(void)state;
	for (int i = 0; i < JOBS; i++) {
		work[i] = (struct work){ .running = &running, .most = &most, .done = &done };
		rt_job_start(&work[i].job, l, run_work, end_work, &work[i]);
		assert_true(rt_job_is_running(&work[i].job));
	}
	UNTIL(l, done == JOBS);
	for (int i = 0; i < JOBS; i++) {
		assert_false(pthread_equal(work[i].runner, pthread_self()));
		assert_true(pthread_equal(work[i].ender, pthread_self()));
		assert_false(rt_job_is_running(&work[i].job));
	}
	assert_true((unsigned)most <= rt_job_workers()); /* cores - 1, at least 1 */
	rt_loop_free(l);
}

static void the_end_of_the_loop_waits_for_jobs(void **state)
{
	struct rt_loop *l = new_loop();
	atomic_int running = 0, most = 0;
	unsigned done = 0;
	struct work w = { .running = &running, .most = &most, .done = &done };
	(void)state;
	rt_job_start(&w.job, l, run_work, end_work, &w);
	rt_loop_stop(l);
	rt_loop_free(l);
	assert_int_equal(done, 1);
}

/* A handshake is a chain of jobs in one owner, which goes with the last of them. */
struct chain {
	struct rt_job job;
	struct rt_loop *loop;
	unsigned left, *ran;
};

static void run_link(void *arg)
{
	struct chain *c = arg;
	(*c->ran)++;
}

static void end_link(void *arg)
{
	struct chain *c = arg;
	assert_false(rt_job_is_running(&c->job));
	if (--c->left > 0) {
		rt_job_start(&c->job, c->loop, run_link, end_link, c);
	} else {
		rt_loop_stop(c->loop);
		xfed_free(c);
	}
}

static void a_job_starts_again_and_goes_with_its_owner(void **state)
{
	struct rt_loop *l = new_loop();
	unsigned ran = 0;
	struct chain *c = xfed_calloc(1, sizeof(*c));
	(void)state;
	assert_non_null(c);
	*c = (struct chain){ .loop = l, .left = 3, .ran = &ran };
	rt_job_start(&c->job, l, run_link, end_link, c);
	rt_loop_run(l);
	assert_int_equal(ran, 3);
	rt_loop_free(l);
}

/* The sweep of every allocation, and there is none. */
static void a_job_needs_no_memory(void **state)
{
	struct rt_loop *l = new_loop();
	atomic_int running = 0, most = 0;
	unsigned done = 0;
	struct work w = { .running = &running, .most = &most, .done = &done };
	(void)state;
	fail_allocation(0);
	rt_job_start(&w.job, l, run_work, end_work, &w);
	while (done == 0) {
		rt_loop_turn(l, true);
	}
	assert_int_equal(allocations, 0);
	fail_allocation(-1);
	xfed_mem_set_hooks(NULL);
	rt_loop_free(l);
}

/* ---- signals, lag, environment ---- */

static int last_signal;

static void on_signal(void *user, int signum)
{
	last_signal = signum;
	rt_loop_stop(user);
}

static void signals_arrive_in_the_loop(void **state)
{
	struct rt_loop *l = new_loop();
	(void)state;
	assert_int_equal(rt_loop_on_signal(l, SIGHUP, on_signal, l), XFED_OK);
	assert_int_equal(rt_loop_on_signal(l, SIGTERM, on_signal, l), XFED_OK);
	raise(SIGHUP);
	assert_int_equal(last_signal, 0);
	rt_loop_run(l);
	assert_int_equal(last_signal, SIGHUP);
	raise(SIGTERM);
	rt_loop_run(l);
	assert_int_equal(last_signal, SIGTERM);
	raise(SIGPIPE); /* ignored: writing to a lost connection is an error, not the end */
	rt_loop_free(l);
}

static unsigned lag_count;
static uint64_t lag_us;

static void on_lag(void *user, uint64_t us)
{
	(void)user;
	lag_us = us > lag_us ? us : lag_us;
	lag_count++;
}

static void lag_is_what_a_turn_takes_too_long(void **state)
{
	struct rt_loop *l = new_loop();
	(void)state;
	assert_int_equal(rt_loop_on_lag(l, on_lag, NULL), XFED_OK);
	poll(NULL, 0, 1050); /* blocks the loop, as a slow disk would: 50 ms beyond its second */
	UNTIL(l, lag_count >= 1);
	assert_true(lag_us >= 40000);
	rt_loop_free(l);
}

static void the_environment_is_random_and_has_a_clock(void **state)
{
	struct xfed_env env;
	uint8_t a[64] = { 0 }, b[64] = { 0 };
	(void)state;
	rt_env(&env);
	env.random(env.user, a, sizeof(a));
	env.random(env.user, b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_true(env.wall_s(env.user) > 1700000000);
	assert_null(env.trace);
}

static void loop_without_memory(void **state)
{
	(void)state;
	for (long n = 0;; n++) {
		struct rt_loop *l = NULL;
		struct ticker t = { 0 };
		fail_allocation(n);
		int rc = rt_loop_new(&l);
		if (rc == XFED_OK) {
			rc = rt_timer_init(&t.timer, l, on_tick, &t);
		}
		rt_loop_free(l);
		bool all_given = allocations <= n;
		fail_allocation(-1);
		xfed_mem_set_hooks(NULL);
		if (all_given) {
			assert_int_equal(rc, XFED_OK);
			assert_true(n >= 2);
			return;
		}
		assert_int_equal(rc, XFED_ERR_NOMEM);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(posts_run_once_and_in_order),
		cmocka_unit_test(a_chain_of_posts_lets_turns_pass),
		cmocka_unit_test(a_post_may_cancel_the_next),
		cmocka_unit_test(timers_fire_at_their_deadline),
		cmocka_unit_test(a_timer_set_to_the_past_starves_nobody),
		cmocka_unit_test(jobs_run_elsewhere_and_end_here),
		cmocka_unit_test(the_end_of_the_loop_waits_for_jobs),
		cmocka_unit_test(a_job_starts_again_and_goes_with_its_owner),
		cmocka_unit_test(a_job_needs_no_memory),
		cmocka_unit_test(signals_arrive_in_the_loop),
		cmocka_unit_test(lag_is_what_a_turn_takes_too_long),
		cmocka_unit_test(the_environment_is_random_and_has_a_clock),
		cmocka_unit_test(loop_without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
