/* The transactions there are now, for operators. */
#ifndef GATEWAY_SIP_FACTS_H
#define GATEWAY_SIP_FACTS_H

#include "sip/layer.h"

/* Borrowed until the next step or call of the layer. */
struct sip_trans_facts {
	uint64_t id;
	bool is_ours;			  /* we have sent the request */
	const char *state;		  /* as RFC 3261 section 17 has it, "proceeding" */
	struct xfed_span method, call_id; /* data NULL: not known */
	const struct sip_target *target;  /* the other side */
};
/* The one with the lowest number above `after`; in the order of numbers, from 0. False: there are no more. */
bool sip_trans_next(const struct sip_layer *l, uint64_t after, struct sip_trans_facts *out);

#endif
