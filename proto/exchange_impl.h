/* What the files of the delivery engine share. Internal to proto. */
#ifndef PROTO_EXCHANGE_IMPL_H
#define PROTO_EXCHANGE_IMPL_H

#include "proto/exchange.h"
#include "xfed/buf.h"

/*
 * Number of Deliver frames per link that are remembered until `taken` comes for them: twice what credit allows in flight. Older ones are
 * settled without it.
 */
#define EXCHANGE_LINK_SENT (2 * XFED_CHANNEL_CREDIT_MSGS)

struct exchange_sent {
	uint64_t cookie, number;
};

struct proto_exchange_link {
	struct proto_exchange_link *next;
	struct proto_session *session;
	struct proto_inbox_run *run;
	int peer;
	bool is_open;
	uint64_t no_more_ms; /* 0: the peer is not shutting down */
	struct proto_owed owed;
	uint64_t sent_count, taken_count;
	struct exchange_sent sent[]; /* a circular array, by the number of frames sent before; only where taken() is used */
};

struct proto_exchange {
	const struct proto_exchange_user *user;
	void *user_data;
	uint32_t tell_good_ms;
	struct proto_outbox *out;
	struct proto_inbox *in;
	struct proto_exchange_link *links;
	struct proto_exchange_link *of_run[PROTO_INBOX_RUNS_MAX]; /* the newest link of each run, by its number modulo the size */
	size_t untold;						  /* number of fates not told yet */
	uint64_t tell_by_ms;
	struct xfed_buf scratch;
};

/* exchange.c */
void exchange_wake(struct proto_exchange *x);
struct proto_exchange_link *exchange_link_of_peer(const struct proto_exchange *x, int peer);
void exchange_close(struct proto_exchange_link *l, enum xfed_reason reason, const char *text, uint64_t now_ms);
void exchange_said(struct proto_exchange_link *l, int rc, uint64_t now_ms); /* evaluates the result of a send that is not repeated */

/* exchange_out.c: deliveries this service has given to others */
void exchange_finish_ended(struct proto_exchange *x); /* handles deliveries that ended without a peer's report */
void exchange_take_settled(struct proto_exchange *x, struct proto_exchange_link *l, const Xfed__Settled *m);
void exchange_take_attempted(struct proto_exchange *x, struct proto_exchange_link *l, const Xfed__Attempted *m, uint64_t now_ms);
bool exchange_pump_link(struct proto_exchange *x, struct proto_exchange_link *l, uint64_t now_ms); /* true: there is more to send in the next turn */

/* exchange_in.c: deliveries this service got from others */
void exchange_pay(struct proto_exchange *x, struct proto_exchange_link *l); /* grants the credit that is owed, as far as there is room */
void exchange_hear(struct proto_exchange *x, struct proto_exchange_link *l, uint64_t lowest_unsettled);
void exchange_take_deliver(struct proto_exchange *x, struct proto_exchange_link *l, const Xfed__Deliver *d, size_t frame_bytes, uint64_t now_ms);
void exchange_take_withdraw(struct proto_exchange *x, struct proto_exchange_link *l, uint64_t seq, uint64_t now_ms);
void exchange_take_ack(struct proto_exchange *x, struct proto_exchange_link *l, const Xfed__AttemptedAck *m);
void exchange_ask(struct proto_exchange_link *l, uint64_t now_ms);
void exchange_end_unanswering(struct proto_exchange *x, uint64_t now_ms);
void exchange_tell(struct proto_exchange_link *l, uint64_t now_ms);
/* Ends runs of that name (empty: of any) that have had no link for so long. */
void exchange_end_gone_runs(struct proto_exchange *x, struct xfed_span name, uint64_t gone_ms, uint64_t now_ms);

#endif
