/*
 * Outcomes sent on one link, in order, until the peer says how many it has received (proto/channel.md section 6). Bounded: beyond
 * PROTO_TOLD_MAX, or without memory, the oldest are dropped from here, and forgotten by the sender's mark instead. Without this list, one
 * delivery that takes 32 s would keep the outcomes of all later ones in the receiver's memory. Internal to proto.
 */
#ifndef PROTO_TOLD_H
#define PROTO_TOLD_H

#include "xfed/base.h"

#define PROTO_TOLD_MAX ((size_t)1 << 17)

struct proto_told {
	uint64_t *seqs; /* by count modulo `size`, a power of two */
	size_t size;
	uint64_t told, heard, taken; /* counts since the link began; `taken`: returned by proto_told_next() */
	uint64_t kept_from;	     /* earlier counts are not in `seqs` */
};

void proto_told_deinit(struct proto_told *t);
void proto_told_add(struct proto_told *t, uint64_t seq);
/* False: more than were sent, or fewer than before. */
bool proto_told_hear(struct proto_told *t, uint64_t heard);
/* The next one that the peer has received. False: none. */
bool proto_told_next(struct proto_told *t, uint64_t *seq);

#endif
