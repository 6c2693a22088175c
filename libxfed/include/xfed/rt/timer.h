/*
 * A timer that lives in its owner and is set to an absolute time, as machines give it: rearm it after every step.
 */
#ifndef XFED_RT_TIMER_H
#define XFED_RT_TIMER_H

#include "xfed/rt/loop.h"

struct rt_timer {
	struct rt_timer_handle *handle; /* NULL: not initialised, or closed */
};

int rt_timer_init(struct rt_timer *t, struct rt_loop *l, void (*fn)(void *user), void *user); /* OK, NOMEM */

/*
 * Fires once, in the first turn whose rt_loop_now_ms() is at or past `deadline_ms`; 0 and UINT64_MAX: never. What has
 * passed already fires in a later turn, a millisecond from now. Setting it to what it is set to already costs nothing.
 */
void rt_timer_set(struct rt_timer *t, uint64_t deadline_ms);

/* The owner's memory may go at once. Fine when zeroed or closed already. */
void rt_timer_close(struct rt_timer *t);

#endif
