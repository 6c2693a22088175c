/*
 * The clock of the peer, as its Pings and Pongs tell (proto/channel.md section 3), compared with ours. The result is only shown to people,
 * because a peer can send any time. Pure.
 */
#ifndef PROTO_CLOCK_H
#define PROTO_CLOCK_H

#include "xfed/base.h"

#define PROTO_CLOCK_APART_MS 60000 /* a larger difference is reported as a problem: certificates, logs and times in messages depend on the clock */

struct proto_clock {
	bool is_known;
	int64_t ahead_ms; /* its clock minus ours; negative: it is behind */
};

/* Takes the peer's time, which was under way for so long. One of the two is 0: unknown, and nothing changes. */
void proto_clock_take(struct proto_clock *c, uint64_t theirs_ms, uint64_t ours_ms, uint64_t under_way_ms);
bool proto_clock_is_apart(const struct proto_clock *c);
/* "The clock of gw1 is 125 s ahead of ours. ..." with the remedy. */
void proto_clock_words(const struct proto_clock *c, const char *peer, char *out, size_t size);

#endif
