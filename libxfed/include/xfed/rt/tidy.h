/*
 * Returns memory to the system that a burst of work has left free between blocks still in use. glibc keeps it: after a thousand handshakes
 * more than half of the heap was such gaps. It takes milliseconds, so it waits for the end of the burst.
 */
#ifndef XFED_RT_TIDY_H
#define XFED_RT_TIDY_H

#include "xfed/base.h"

#define RT_TIDY_CALM_MS	  1500	/* nothing was freed for so long: the burst is over */
#define RT_TIDY_LATEST_MS 60000 /* or it has lasted so long */
#define RT_TIDY_MIN	  32	/* fewer are not worth it */

struct rt_tidy {	     /* zeroed to begin with */
	uint64_t seen, done; /* earlier values of `freed` */
	uint64_t changed_ms, done_ms;
};

/*
 * To be called from the loop's tick. `freed` counts objects freed since the process began: streams that ended or became idle. True: memory
 * was returned.
 */
bool rt_tidy(struct rt_tidy *t, uint64_t freed, uint64_t now_ms);

#endif
