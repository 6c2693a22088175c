/*
 * What the tests of rt share: waiting for an event with an end, a failing allocator, a memory of bytes.
 */
#ifndef TESTS_UNIT_RT_SUPPORT_H
#define TESTS_UNIT_RT_SUPPORT_H

#include "xfed/buf.h"
#include "xfed/rt/addr.h"
#include "xfed/rt/loop.h"

#define WAIT_MS 10000

/* Turns the loop until `cond`; fails the test where that takes longer than any machine should need. */
#define UNTIL(l, cond)                                                                                                                               \
	do {                                                                                                                                         \
		struct until until_;                                                                                                                 \
		until_begin(&until_, (l));                                                                                                           \
		while (!(cond)) {                                                                                                                    \
			until_turn(&until_, #cond, __FILE__, __LINE__);                                                                              \
		}                                                                                                                                    \
		until_end(&until_);                                                                                                                  \
	} while (0)

struct until {
	struct rt_loop *loop;
	uv_timer_t *timer; /* wakes the loop, so that a test that hangs fails instead */
	uint64_t end_ms;
};
void until_begin(struct until *u, struct rt_loop *l);
void until_turn(struct until *u, const char *cond, const char *file, int line);
void until_end(struct until *u);

struct rt_loop *new_loop(void);
struct rt_addr addr(const char *text);
/* A blocking socket of the libc, connected to `to`. */
int raw_connect(const struct rt_addr *to);

/* From now on the n-th allocation (from 0) fails, and only that one; -1: none. Counts in `allocations`. */
void fail_allocation(long n);
extern long allocations;

#endif
