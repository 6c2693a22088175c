/*
 * How much waits for SIP or is in flight there: for all hops, and for one next hop, which may have XFED_SIP_HOP_PERCENT of the total, so
 * that a server that does not answer leaves room for the others. No clock, no I/O.
 */
#ifndef GATEWAY_TRUNK_HOP_LOAD_H
#define GATEWAY_TRUNK_HOP_LOAD_H

#include "xfed/base.h"

struct hop_load {
	size_t messages, bytes;
};

/* `most`: the limit for all hops together. False (delivery.queue.full): nothing was added. */
bool hop_load_add(struct hop_load *all, struct hop_load *hop, const struct hop_load *most, size_t bytes);
void hop_load_remove(struct hop_load *all, struct hop_load *hop, size_t bytes);

#endif
