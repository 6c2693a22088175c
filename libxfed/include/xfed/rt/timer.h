/* A timer, member of its owner, set to an absolute time as machines return it: set it again after every step. */
#ifndef XFED_RT_TIMER_H
#define XFED_RT_TIMER_H

#include "xfed/rt/loop.h"

struct rt_timer {
	struct rt_timer_handle *handle; /* NULL: not initialised, or closed */
};

int rt_timer_init(struct rt_timer *t, struct rt_loop *l, void (*fn)(void *user), void *user); /* OK, NOMEM */

/*
 * Fires once, in the first turn whose rt_loop_now_ms() is at or after `deadline_ms`; 0 and UINT64_MAX: never. A time in the past fires in a
 * later turn, one millisecond from now. Setting the time it already has costs nothing.
 */
void rt_timer_set(struct rt_timer *t, uint64_t deadline_ms);

/* The owner may be freed at once. Fine if zeroed or closed already. */
void rt_timer_close(struct rt_timer *t);

#endif
