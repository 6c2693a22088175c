#include "proto/clock.h"

#include <inttypes.h>
#include <stdio.h>

#include "proto/check.h"
#include "xfed/reason.h"

void proto_clock_take(struct proto_clock *c, uint64_t theirs_ms, uint64_t ours_ms, uint64_t under_way_ms)
{
	bool can_be = theirs_ms > 0 && theirs_ms <= PROTO_WALL_MS_MAX && ours_ms > 0 && ours_ms <= PROTO_WALL_MS_MAX;
	if (can_be && under_way_ms <= PROTO_WALL_MS_MAX) {
		c->is_known = true;
		c->ahead_ms = (int64_t)theirs_ms + (int64_t)under_way_ms - (int64_t)ours_ms;
	}
}

static uint64_t apart_ms(const struct proto_clock *c)
{
	return (uint64_t)(c->ahead_ms < 0 ? -c->ahead_ms : c->ahead_ms);
}

bool proto_clock_is_apart(const struct proto_clock *c)
{
	return c->is_known && apart_ms(c) > PROTO_CLOCK_APART_MS;
}

void proto_clock_words(const struct proto_clock *c, const char *peer, char *out, size_t size)
{
	snprintf(out, size, "The clock of %.255s is %" PRIu64 " s %s ours. %s", peer, apart_ms(c) / 1000, c->ahead_ms < 0 ? "behind" : "ahead of",
		xfed_reason_info(XFED_REASON_CHANNEL_CLOCK_APART)->remedy);
}
