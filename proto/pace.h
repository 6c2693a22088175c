/*
 * How much may be in flight to the peer and not taken yet, derived from the time that takes. With credit alone a flood would fill the
 * buffers between the two services, and everything after it would wait behind it. The window grows as long as credit for what was sent
 * comes back as fast as ever, and shrinks when that takes XFED_PACE_QUEUE_MS longer. So a near link has little in flight, and a distant one
 * as much as is needed to use it fully. No clock. Internal to proto.
 */
#ifndef PROTO_PACE_H
#define PROTO_PACE_H

#include "xfed/base.h"
#include "xfed/limits.h"

struct proto_pace {
	uint32_t window;	     /* in messages; a large one counts once more per XFED_PACE_UNIT_BYTES */
	uint64_t sent, sent_bytes;   /* Deliver frames sent on this link */
	uint64_t taken, taken_bytes; /* of these, taken by the peer, as the returned credit shows */
	bool has_account;	     /* the first credit, which is not for anything sent, has come */
	bool has_met_limit;	     /* it has taken longer once: from then on the window grows in small steps */
	bool was_full;		     /* something had to wait since the last sample */
	bool is_timing;
	uint64_t timed, timed_ms; /* when `taken` reaches `timed`, the time since timed_ms is a sample */
	bool has_base;
	uint64_t base_ms;     /* the shortest sample */
	unsigned floor_count; /* samples in a row with the smallest window */
	uint64_t floor_ms;    /* the shortest of these */
};

void proto_pace_init(struct proto_pace *p);
bool proto_pace_covers(const struct proto_pace *p); /* whether another one may be sent */
void proto_pace_waits(struct proto_pace *p);	    /* notes that one was not sent because of the pace */
void proto_pace_sent(struct proto_pace *p, size_t bytes);
void proto_pace_mark(struct proto_pace *p, uint64_t now_ms); /* to be called when what was added is written */
void proto_pace_credit(struct proto_pace *p, uint32_t messages, uint64_t bytes, uint64_t now_ms);

#endif
