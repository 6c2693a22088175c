/*
 * The transactions that wait for time, as a binary heap: the next one due is at the top, moving or
 * removing one costs the logarithm of their number.
 */
#ifndef SIP_TIMERS_H
#define SIP_TIMERS_H

#include "xfed/base.h"

/* Part of what waits. `place` belongs to the heap; zero it before first use. */
struct sip_timer {
	uint64_t at_ms;
	size_t place; /* index + 1, 0: not waiting */
};

struct sip_timers {
	struct sip_timer **heap;
	size_t count, room;
};

void sip_timers_deinit(struct sip_timers *t); /* the timers themselves are not touched */

/* Makes sure `count` timers have a place, so that setting one cannot fail. OK or NOMEM. */
int sip_timers_reserve(struct sip_timers *t, size_t count);

/* Starts or moves a timer; UINT64_MAX stops it. */
void sip_timers_set(struct sip_timers *t, struct sip_timer *timer, uint64_t at_ms);

struct sip_timer *sip_timers_first(const struct sip_timers *t); /* NULL: none */

#endif
