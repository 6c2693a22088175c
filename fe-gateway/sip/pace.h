/*
 * The pace of our UDP requests, per place: at most XFED_SIP_PACE_BURST are sent at once, and XFED_SIP_PACE_PER_MS per millisecond,
 * retransmissions included. What exceeds that waits in order; the limit on transactions bounds the queue. Part of the layer (sip/trans.h).
 *
 * A burst of 256 overran the default buffer of a receiver's socket, and what was lost was retransmitted half a second later. The pace
 * depends on time alone: unanswered requests say nothing about it, as a phone may take 30 s to answer. Responses have no pace: the peer has
 * set it with its requests, and retransmits if a response comes late.
 */
#ifndef GATEWAY_SIP_PACE_H
#define GATEWAY_SIP_PACE_H

#include "xfed/base.h"

struct sip_layer;
struct sip_trans;

/* Places with the same hash share one. */
struct sip_pace {
	unsigned level; /* what was sent of late, as of at_ms */
	uint64_t at_ms, due_ms;
	struct sip_trans *waiting;
	struct sip_pace *next, *prev; /* links of those where anything waits, by due_ms */
};

struct sip_paces {
	struct sip_pace all[64], *due;
};

void sip_pace_send(struct sip_layer *l, struct sip_trans *t, uint64_t now_ms); /* sip_trans_send(), now or when its turn comes */
void sip_pace_leave(struct sip_layer *l, struct sip_trans *t);		       /* removes a request that waits */
void sip_pace_tick(struct sip_layer *l, uint64_t now_ms);		       /* sends what is due, using at most half of the layer's actions */
uint64_t sip_pace_deadline(const struct sip_layer *l);			       /* UINT64_MAX: none */

#endif
