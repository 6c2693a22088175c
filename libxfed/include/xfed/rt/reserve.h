/* How two directions share a limit: for each, XFED_CONNECTIONS_RESERVE_PERCENT of it are reserved. */
#ifndef XFED_RT_RESERVE_H
#define XFED_RT_RESERVE_H

#include "xfed/base.h"
#include "xfed/limits.h"

/* Whether one more fits: `held` is for both directions, `of_this` for the one that asks. */
static inline bool rt_reserve_allows(size_t limit, size_t held, size_t of_this)
{
	return held < limit && of_this < limit - limit * XFED_CONNECTIONS_RESERVE_PERCENT / 100;
}

#endif
