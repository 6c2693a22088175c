/*
 * Credit of one link in both directions: the messages and bytes of Deliver frames that may still be sent (proto/channel.md section 5).
 * Internal to proto.
 */
#ifndef PROTO_CREDIT_H
#define PROTO_CREDIT_H

#include "xfed/base.h"

/* a peer that grants more than this is broken */
#define PROTO_CREDIT_MESSAGES_MAX (1u << 24)
#define PROTO_CREDIT_BYTES_MAX	  ((uint64_t)1 << 40)

struct proto_credit_side {
	uint32_t messages;
	uint64_t bytes;
};

struct proto_credit {
	struct proto_credit_side in;	  /* what the peer may still send to us */
	struct proto_credit_side pending; /* granted by us, and not sent to the peer yet; not contained in `in` */
	struct proto_credit_side out;	  /* what we may still send */
};

/* False: the sum would be above the maximum; nothing changes. */
bool proto_credit_add(struct proto_credit_side *side, uint32_t messages, uint64_t bytes);
/* Uses credit for one message of so many bytes. False: there is not enough; nothing changes. */
bool proto_credit_take(struct proto_credit_side *side, size_t bytes);
bool proto_credit_covers(const struct proto_credit_side *side, size_t bytes);

#endif
