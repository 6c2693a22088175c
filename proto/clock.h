/*
 * The clock of the other end of a link, as its Pings and Pongs give it (proto/channel.md section 3), against ours. It is shown and nothing
 * else: whoever is at the other end can say what it likes. Pure.
 */
#ifndef PROTO_CLOCK_H
#define PROTO_CLOCK_H

#include "xfed/base.h"

#define PROTO_CLOCK_APART_MS 60000 /* more is a problem: certificates, logs and times in messages are judged by it */

struct proto_clock {
	bool is_known;
	int64_t ahead_ms; /* theirs before ours; below 0: behind it */
};

/* What it said; it was under way for so long. 0 for one of the two times: not known, and nothing changes. */
void proto_clock_take(struct proto_clock *c, uint64_t theirs_ms, uint64_t ours_ms, uint64_t under_way_ms);
bool proto_clock_is_apart(const struct proto_clock *c);
/* "The clock of gw1 is 125 s ahead of ours. ..." with the remedy. */
void proto_clock_words(const struct proto_clock *c, const char *peer, char *out, size_t size);

#endif
