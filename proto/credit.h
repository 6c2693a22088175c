/*
 * The account of credit on one link, both directions: messages and bytes of Deliver frames (proto/channel.md section 5).
 * Inside proto only.
 */
#ifndef PROTO_CREDIT_H
#define PROTO_CREDIT_H

#include "xfed/base.h"

/* More than this outstanding is a broken peer, not a generous one. */
#define PROTO_CREDIT_MESSAGES_MAX (1u << 24)
#define PROTO_CREDIT_BYTES_MAX	  ((uint64_t)1 << 40)

struct proto_credit_side {
	uint32_t messages;
	uint64_t bytes;
};

struct proto_credit {
	struct proto_credit_side in;	  /* what the peer may still send us */
	struct proto_credit_side pending; /* granted by us, not told yet; not part of `in` */
	struct proto_credit_side out;	  /* what we may still send */
};

/* False: above the maximum, nothing changed. */
bool proto_credit_add(struct proto_credit_side *side, uint32_t messages, uint64_t bytes);
/* Takes one message of that many bytes. False: not covered, nothing changed. */
bool proto_credit_take(struct proto_credit_side *side, size_t bytes);
bool proto_credit_covers(const struct proto_credit_side *side, size_t bytes);

#endif
