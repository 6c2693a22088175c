/*
 * Memory that a wave of work has left free between what is still used goes back to the system. glibc keeps it: after a thousand
 * handshakes more than half of the heap was such holes. It takes milliseconds, so it waits for the end of the wave.
 */
#ifndef XFED_RT_TIDY_H
#define XFED_RT_TIDY_H

#include "xfed/base.h"

#define RT_TIDY_CALM_MS	  1500	/* nothing was freed for so long: the wave is over */
#define RT_TIDY_LATEST_MS 60000 /* or it goes on for so long */
#define RT_TIDY_MIN	  32	/* fewer are not worth it */

struct rt_tidy {	     /* zeroed to begin with */
	uint64_t seen, done; /* of `freed` */
	uint64_t changed_ms, done_ms;
};

/*
 * From the loop's tick. `freed` counts what has left memory behind since the process began: streams that ended or fell asleep.
 * True: memory was given back.
 */
bool rt_tidy(struct rt_tidy *t, uint64_t freed, uint64_t now_ms);

#endif
