/*
 * The pace of requests of ours over UDP, those of one place: at most XFED_SIP_PACE_BURST leave at once and XFED_SIP_PACE_PER_MS in a
 * millisecond, repetitions too; what is beyond that waits in its order, and its transaction is what bounds the queue. Part of the
 * layer (sip/trans.h).
 *
 * A burst of 256 overran the default buffer of a receiver's socket, and what fell out came back half a second later. The pace is one of
 * time: what is unanswered says nothing of it, for a phone may think for 30 s. Responses have none: their peer has chosen the pace itself,
 * and asks again for one that comes late.
 */
#ifndef GATEWAY_SIP_PACE_H
#define GATEWAY_SIP_PACE_H

#include "xfed/base.h"

struct sip_layer;
struct sip_trans;

/* Places that have the same hash share one. */
struct sip_pace {
	unsigned level; /* what has left of late, as of at_ms */
	uint64_t at_ms, due_ms;
	struct sip_trans *waiting;
	struct sip_pace *next, *prev; /* of those where any wait, by due_ms */
};

struct sip_paces {
	struct sip_pace all[64], *due;
};

void sip_pace_send(struct sip_layer *l, struct sip_trans *t, uint64_t now_ms); /* sip_trans_send(), at once or in its turn */
void sip_pace_leave(struct sip_layer *l, struct sip_trans *t);		       /* what waited is not sent any more */
void sip_pace_tick(struct sip_layer *l, uint64_t now_ms);		       /* sends what is due, with half of the layer's actions at most */
uint64_t sip_pace_deadline(const struct sip_layer *l);			       /* UINT64_MAX: none */

#endif
