/*
 * Outcomes that were told on one link, in that order, until the peer says how many it has heard (proto/channel.md section 6).
 * Bounded: beyond PROTO_TOLD_MAX, or without memory, the oldest are let go of; they are forgotten by the sender's mark instead.
 * Without this one delivery that takes 32 s would keep the outcomes of all that came after it in the receiver's memory. Inside proto only.
 */
#ifndef PROTO_TOLD_H
#define PROTO_TOLD_H

#include "xfed/base.h"

#define PROTO_TOLD_MAX ((size_t)1 << 17)

struct proto_told {
	uint64_t *seqs; /* by count modulo `size`, a power of two */
	size_t size;
	uint64_t told, heard, taken; /* counts since the link began; `taken` by proto_told_next() */
	uint64_t kept_from;	     /* counts before it are not in `seqs` */
};

void proto_told_deinit(struct proto_told *t);
void proto_told_add(struct proto_told *t, uint64_t seq);
/* False: more than were told, or fewer than before. */
bool proto_told_hear(struct proto_told *t, uint64_t heard);
/* The next one that was heard. False: none. */
bool proto_told_next(struct proto_told *t, uint64_t *seq);

#endif
