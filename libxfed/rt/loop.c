#include "xfed/rt/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <utlist.h>

#include "rt/loop_internal.h"
#include "xfed/mem.h"
#include "xfed/rt/job.h"

#define LAG_EVERY_MS 1000

/* Runs what timers have caused before the poll, and what sockets have caused after it, so that all output of a turn is written in that turn. */
static void on_prepare(uv_prepare_t *h)
{
	rt_loop_run_posts(h->data);
}

static void on_check(uv_check_t *h)
{
	rt_loop_run_posts(h->data);
}

static void set_pool_size(void)
{
	char text[16];
	snprintf(text, sizeof(text), "%u", rt_job_workers());
	setenv("UV_THREADPOOL_SIZE", text, 1); /* read by libuv at the first job */
}

int rt_loop_new(struct rt_loop **out)
{
	*out = NULL;
	struct rt_loop *l = xfed_malloc(sizeof(*l));
	if (!l) {
		return XFED_ERR_NOMEM;
	}
	memset(l, 0, offsetof(struct rt_loop, read_mem));
	set_pool_size();
	if (uv_loop_init(&l->uv) != 0) {
		xfed_free(l);
		return XFED_ERR_LIBRARY;
	}
	signal(SIGPIPE, SIG_IGN);
	l->uv.data = l;
	/* These cannot fail: they only add the handle to lists of the loop. */
	uv_prepare_init(&l->uv, &l->prepare);
	uv_check_init(&l->uv, &l->check);
	uv_idle_init(&l->uv, &l->idle);
	uv_timer_init(&l->uv, &l->lag_timer);
	uv_timer_init(&l->uv, &l->ack_timer);
	l->prepare.data = l->check.data = l->idle.data = l->lag_timer.data = l->ack_timer.data = l;
	uv_prepare_start(&l->prepare, on_prepare);
	uv_check_start(&l->check, on_check);
	uv_unref((uv_handle_t *)&l->lag_timer);
	uv_unref((uv_handle_t *)&l->ack_timer);
	*out = l;
	return XFED_OK;
}

static void close_own_handles(struct rt_loop *l)
{
	l->is_closing = true;
	uv_close((uv_handle_t *)&l->prepare, NULL);
	uv_close((uv_handle_t *)&l->check, NULL);
	uv_close((uv_handle_t *)&l->idle, NULL);
	uv_close((uv_handle_t *)&l->lag_timer, NULL);
	uv_close((uv_handle_t *)&l->ack_timer, NULL);
	for (size_t i = 0; i < l->signal_count; i++) {
		uv_close((uv_handle_t *)&l->signals[i].handle, NULL);
	}
}

void rt_loop_free(struct rt_loop *l)
{
	if (!l) {
		return;
	}
	/* `done` of a job may make new objects, so jobs come first. Objects in the order in which they were made: owners before what they own. */
	while (l->jobs > 0) {
		uv_run(&l->uv, UV_RUN_ONCE);
	}
	while (l->resources) {
		l->resources->close(l->resources);
	}
	close_own_handles(l);
	while (uv_loop_alive(&l->uv)) { /* a pending rt_loop_stop() ends the first run early */
		uv_run(&l->uv, UV_RUN_DEFAULT);
	}
	XFED_REQUIRE(uv_loop_close(&l->uv) == 0); /* fails if the caller has left open a handle of its own */
	xfed_free(l);
}

void rt_loop_run(struct rt_loop *l)
{
	uv_run(&l->uv, UV_RUN_DEFAULT);
}

void rt_loop_stop(struct rt_loop *l)
{
	uv_stop(&l->uv);
}

void rt_loop_turn(struct rt_loop *l, bool wait)
{
	uv_run(&l->uv, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
}

uint64_t rt_loop_now_ms(const struct rt_loop *l)
{
	return uv_now(&l->uv);
}

uv_loop_t *rt_loop_uv(struct rt_loop *l)
{
	return &l->uv;
}

uv_buf_t rt_loop_read_buf(struct rt_loop *l)
{
	return uv_buf_init(l->read_mem, sizeof(l->read_mem));
}

void rt_loop_own(struct rt_loop *l, struct rt_resource *r, void (*close)(struct rt_resource *self))
{
	r->close = close;
	DL_APPEND(l->resources, r);
}

void rt_loop_disown(struct rt_loop *l, struct rt_resource *r)
{
	DL_DELETE(l->resources, r);
}

static void on_signal(uv_signal_t *h, int signum)
{
	struct rt_signal *s = h->data;
	s->fn(s->user, signum);
}

static struct rt_signal *find_signal(struct rt_loop *l, int signum)
{
	for (size_t i = 0; i < l->signal_count; i++) {
		if (l->signals[i].handle.signum == signum) {
			return &l->signals[i];
		}
	}
	return NULL;
}

int rt_loop_on_signal(struct rt_loop *l, int signum, void (*fn)(void *user, int signum), void *user)
{
	struct rt_signal *s = find_signal(l, signum);
	if (!s) {
		XFED_REQUIRE(l->signal_count < RT_SIGNALS_MAX);
		s = &l->signals[l->signal_count];
		if (uv_signal_init(&l->uv, &s->handle) != 0) {
			return XFED_ERR_LIBRARY;
		}
		l->signal_count++;
		s->handle.data = s;
	}
	s->fn = fn;
	s->user = user;
	return uv_signal_start(&s->handle, on_signal, signum) == 0 ? XFED_OK : XFED_ERR_LIBRARY;
}

static void rearm_lag(struct rt_loop *l);

static void on_lag_timer(uv_timer_t *h)
{
	struct rt_loop *l = h->data;
	uint64_t now_ns = uv_hrtime();
	l->lag_fn(l->lag_user, now_ns > l->lag_due_ns ? (now_ns - l->lag_due_ns) / 1000 : 0);
	rearm_lag(l);
}

static void rearm_lag(struct rt_loop *l)
{
	uv_update_time(&l->uv); /* or the timer would fire too early by the time this turn has taken */
	l->lag_due_ns = uv_hrtime() + (uint64_t)LAG_EVERY_MS * 1000000;
	uv_timer_start(&l->lag_timer, on_lag_timer, LAG_EVERY_MS, 0);
}

int rt_loop_on_lag(struct rt_loop *l, void (*fn)(void *user, uint64_t lag_us), void *user)
{
	l->lag_fn = fn;
	l->lag_user = user;
	rearm_lag(l);
	return XFED_OK;
}

static void kernel_random(void *user, void *out, size_t len)
{
	uint8_t *p = out;
	(void)user;
	while (len > 0) {
		ssize_t n = getrandom(p, len, 0);
		XFED_REQUIRE(n > 0 || errno == EINTR);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
}

static int64_t wall_clock_s(void *user)
{
	(void)user;
	return (int64_t)time(NULL);
}

void rt_env(struct xfed_env *out)
{
	*out = (struct xfed_env){ .random = kernel_random, .wall_s = wall_clock_s };
}
