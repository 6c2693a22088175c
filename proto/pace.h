/*
 * How much may be on the way to the peer and not taken yet, by the time it takes: credit alone would let a flood fill
 * what lies between the two services with 0.1 s of work, and whatever comes next waits behind it. The window grows while
 * what is sent comes back as credit as fast as it ever did, and shrinks as soon as that takes XFED_PACE_QUEUE_MS longer.
 * So a near link carries little at a time and a far one as much as is needed to keep it full. No clock. Inside proto only.
 */
#ifndef PROTO_PACE_H
#define PROTO_PACE_H

#include "xfed/base.h"
#include "xfed/limits.h"

struct proto_pace {
	uint32_t window;	     /* messages; a larger one counts once more for each XFED_PACE_UNIT_BYTES */
	uint64_t sent, sent_bytes;   /* Deliver frames of this link */
	uint64_t taken, taken_bytes; /* of them, by the credit that came back */
	bool has_account;	     /* the first credit has come, which nothing was sent for */
	bool has_met_limit;	     /* it has taken longer once: from then on in small steps */
	bool was_full;		     /* something had to wait since the last sample */
	bool is_timing;
	uint64_t timed, timed_ms; /* when `taken` gets there, how long it took since then is a sample */
	bool has_base;
	uint64_t base_ms;     /* the least it ever took */
	unsigned floor_count; /* samples in a row with the smallest window */
	uint64_t floor_ms;    /* the least of them */
};

void proto_pace_init(struct proto_pace *p);
bool proto_pace_covers(const struct proto_pace *p); /* may another one be sent? */
void proto_pace_waits(struct proto_pace *p);	    /* one was not, for this reason */
void proto_pace_sent(struct proto_pace *p, size_t bytes);
void proto_pace_mark(struct proto_pace *p, uint64_t now_ms); /* what has been sent goes out now */
void proto_pace_credit(struct proto_pace *p, uint32_t messages, uint64_t bytes, uint64_t now_ms);

#endif
