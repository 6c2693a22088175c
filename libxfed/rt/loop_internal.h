/* The loop as the files of rt see it. */
#ifndef XFED_RT_LOOP_INTERNAL_H
#define XFED_RT_LOOP_INTERNAL_H

#include "xfed/rt/loop.h"

#define RT_SIGNALS_MAX 8

struct rt_signal {
	uv_signal_t handle;
	void (*fn)(void *user, int signum);
	void *user;
};

struct rt_loop {
	uv_loop_t uv;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t idle; /* active while posts wait, so that the poll does not block */
	uv_timer_t lag_timer;
	uv_timer_t ack_timer; /* runs while `unacked` has a stream: stream_ack.c */
	struct rt_stream *unacked, *silent;
	struct rt_post *posts, *turn_end;
	struct rt_resource *resources;
	struct rt_signal signals[RT_SIGNALS_MAX];
	size_t signal_count;
	size_t jobs;
	uint64_t lag_due_ns;
	void (*lag_fn)(void *user, uint64_t lag_us);
	void *lag_user;
	bool is_closing;
	char read_mem[RT_READ_BYTES];
};

/* post.c: runs both lists as they are now; what is added meanwhile waits for the next turn. */
void rt_loop_run_posts(struct rt_loop *l);

#endif
