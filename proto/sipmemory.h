/*
 * The edge's memory of SIP requests: (Call-ID, From tag, CSeq, Request-URI) and the outcome, for XFED_DELIVERY_SIP_MEMORY_MS, so that a
 * retransmission that comes through another gateway, or after a gateway's restart, gets the same answer and makes no second stanza
 * (proto/delivery.md, Identity).
 */
#ifndef PROTO_SIPMEMORY_H
#define PROTO_SIPMEMORY_H

#include "xfed/base.h"
#include "xfed/limits.h"

#include "proto/outcome.h"

#define PROTO_SIPMEMORY_WAITERS 4

struct proto_sipmemory;

/* Who waits for the outcome: a run of a gateway (proto_inbox_run_number()), and its delivery. */
struct proto_waiter {
	uint64_t run, seq;
};

struct proto_sip_fate {
	bool is_settled;
	struct proto_result result;
	struct proto_waiter waiters[PROTO_SIPMEMORY_WAITERS]; /* the first is the one whose stanza is in flight */
	size_t waiter_count;
};

enum proto_sip_verdict {
	PROTO_SIP_FIRST,   /* it is new, and now remembered as in flight: write the stanza */
	PROTO_SIP_WAIT,	   /* in flight for another delivery: this waiter was added, answer both when it is settled */
	PROTO_SIP_SETTLED, /* answer with this outcome */
	PROTO_SIP_BUSY,	   /* in flight, without room for one more waiter: refuse with resource-constraint */
};

int proto_sipmemory_new(size_t max_entries, struct proto_sipmemory **out); /* 0: 4 x XFED_DELIVERY_TABLE_MAX */
void proto_sipmemory_free(struct proto_sipmemory *m);

/* OK with *verdict and *fate (valid until the next claim or tick); LIMIT: full (refuse, resource-constraint); NOMEM. */
int proto_sipmemory_claim(struct proto_sipmemory *m, const Xfed__SipKey *key, const struct proto_waiter *who, uint64_t now_ms,
	enum proto_sip_verdict *verdict, struct proto_sip_fate **fate);
struct proto_sip_fate *proto_sipmemory_find(struct proto_sipmemory *m, const Xfed__SipKey *key);
/* Stores the outcome, once; its 64 s begin. OK; STATE: it has one; NOT_FOUND. */
int proto_sipmemory_settle(struct proto_sipmemory *m, const Xfed__SipKey *key, const struct proto_result *result, uint64_t now_ms);

void proto_sipmemory_tick(struct proto_sipmemory *m, uint64_t now_ms);
size_t proto_sipmemory_count(const struct proto_sipmemory *m);

#endif
