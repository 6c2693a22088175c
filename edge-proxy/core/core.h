/* core: the loop and its services (rt/daemon.h), which every room of the edge uses. The lowest room: it calls libxfed alone. */
#ifndef EDGE_CORE_CORE_H
#define EDGE_CORE_CORE_H

#include "xfed/reason.h"
#include "xfed/rt/daemon.h"
#include "xfed/rt/source.h"

struct core {
	struct rt_daemon d;
};

static inline uint64_t core_now(const struct core *c)
{
	return rt_daemon_now_ms(&c->d);
}
static inline int64_t core_wall_s(const struct core *c)
{
	return rt_daemon_wall_s(&c->d);
}
static inline void core_flush_soon(struct core *c)
{
	rt_daemon_flush_soon(&c->d);
}
static inline void core_count_refusal(struct core *c, enum xfed_reason reason, enum xfed_side side)
{
	rt_daemon_count_refusal(&c->d, reason, side);
}
static inline void core_count_stanza(struct core *c, const char *partner, const char *direction, const char *kind, const char *fate)
{
	rt_daemon_count_stanza(&c->d, partner, direction, kind, fate);
}
static inline void core_count_dropped(struct core *c, const char *rule)
{
	rt_daemon_count_dropped(&c->d, rule);
}

/* True: `r` got a place in `t`. False: it did not, which has been logged and counted. */
static inline bool core_has_place(struct core *c, struct rt_sources *t, const struct rt_source_refusal *r, enum xfed_side side)
{
	if (r->verdict == RT_SOURCE_OK) {
		return true;
	}
	rt_sources_log(t, r, core_now(c));
	core_count_refusal(c, r->reason, side);
	return false;
}

#endif
