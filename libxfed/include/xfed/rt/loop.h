/*
 * The event loop of a process (libuv). One turn waits, handles what is ready, runs posts, then writes what streams have collected.
 * Everything here belongs to the loop's thread. Times are in milliseconds of the monotonic clock.
 *
 * An object made on a loop (stream, listener, timer ...) is closed by its owner; rt_loop_free() closes what is still open, and the owner's
 * pointer is invalid afterwards.
 */
#ifndef XFED_RT_LOOP_H
#define XFED_RT_LOOP_H

#include <uv.h>

#include "xfed/base.h"
#include "xfed/env.h"

struct rt_loop;

int rt_loop_new(struct rt_loop **out); /* OK, NOMEM, LIBRARY (no file descriptors) */
/* Closes what is open, waits for jobs (their `done` still runs), frees. NULL is fine. Never inside a callback. */
void rt_loop_free(struct rt_loop *l);

void rt_loop_run(struct rt_loop *l);  /* until rt_loop_stop() */
void rt_loop_stop(struct rt_loop *l); /* the running turn ends first */
/* One turn; waits for an event when `wait`. For tests. */
void rt_loop_turn(struct rt_loop *l, bool wait);

/* The time of this turn: monotonic, the same throughout a callback; used for deadlines and xfed_*_step(). */
uint64_t rt_loop_now_ms(const struct rt_loop *l);

/* For features of libuv that rt does not wrap (uv_poll). Close your own handles before rt_loop_free(). */
uv_loop_t *rt_loop_uv(struct rt_loop *l);

/* ---- later ---- */

/*
 * A function to run later in this turn, or in the next if posted by a post: never recursive, and a chain of posts does not keep sockets
 * waiting. A member of its owner, without memory of its own; scheduling it twice runs it once.
 */
struct rt_post {
	struct rt_loop *loop;
	void (*fn)(void *arg);
	void *arg;
	struct rt_post *prev, *next;
	struct rt_post **queue; /* NULL: not scheduled */
};
void rt_post_init(struct rt_post *p, struct rt_loop *l, void (*fn)(void *arg), void *arg);
void rt_post_schedule(struct rt_post *p);
void rt_post_cancel(struct rt_post *p); /* to be called before its memory is freed; fine if not scheduled, or zeroed */

/* Like a post, but runs at the end of the turn, after all events and posts, so that what was collected is written once. */
void rt_post_at_turn_end(struct rt_post *p);

/* ---- signals, lag, environment ---- */

/* Runs `fn` in the loop for each `signum`; replaces an earlier one. SIGPIPE is ignored from rt_loop_new() on. OK, NOMEM, LIBRARY. */
int rt_loop_on_signal(struct rt_loop *l, int signum, void (*fn)(void *user, int signum), void *user);

/* Measures once a second how late the loop runs, for a histogram. OK, NOMEM. */
int rt_loop_on_lag(struct rt_loop *l, void (*fn)(void *user, uint64_t lag_us), void *user);

/* Random bytes of the kernel and the wall clock; no trace hook. */
void rt_env(struct xfed_env *out);

/* ---- for rt itself: what rt_loop_free() closes ---- */

struct rt_resource {
	struct rt_resource *prev, *next;
	void (*close)(struct rt_resource *self); /* removes itself */
};
void rt_loop_own(struct rt_loop *l, struct rt_resource *r, void (*close)(struct rt_resource *self));
void rt_loop_disown(struct rt_loop *l, struct rt_resource *r);

/* One 64 KiB buffer shared by all readers of the loop: its content is valid until the read callback returns. */
#define RT_READ_BYTES (64 * 1024)
uv_buf_t rt_loop_read_buf(struct rt_loop *l);

#endif
