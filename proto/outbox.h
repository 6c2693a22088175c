/*
 * The sender's table of deliveries: what was given to the other service and has no fate yet (proto/delivery.md,
 * proto/channel.md section 6). Visible: every delivery can be looked at and iterated.
 *
 * A delivery is added, sent to one peer run, perhaps attempted, and ends once: with the fate its peer reports, by its
 * deadline, or by the loss of its peer's run. What ends without a report comes out of proto_outbox_ended(). Whoever
 * takes a delivery that has ended releases it with proto_outbox_done(): that is the place where fates are counted.
 *
 *          +--- link lost and resumed, replayable ---+
 *          v                                         |
 *   add -> QUEUED -> SENT -> ATTEMPTED -> (settled) DONE
 *                     |  `-> WITHDRAWING ----------> DONE
 *                     `----------------------------> DONE
 *
 * Order: deliveries of one pair (`pair_key`) are sent in the order of adding and only to one peer at a time: while one
 * of them is in flight at a peer, or waits for that peer's link to resume, newer ones go nowhere else.
 *
 * Fair share: what may go to a peer is chosen by round robin over the classes (`share_key`: one per partner), by bytes:
 * each may send XFED_SHARE_QUANTUM_BYTES in its turn, and what it sends beyond that it waits for later. Within a class
 * the pairs take turns. No class may hold more than XFED_SHARE_TABLE_PERCENT of the table.
 *
 * Pace: a delivery may come with a time before which it is not sent for the first time; the next ones of its pair wait behind it.
 *
 * What is done per delivery costs the same however many wait; only a link that comes up or is lost looks at all of them.
 */
#ifndef PROTO_OUTBOX_H
#define PROTO_OUTBOX_H

#include "xfed/base.h"
#include "xfed/limits.h"
#include "xfed/reason.h"

#include "proto/channel.pb-c.h"

#define PROTO_OUTBOX_PEERS_MAX 64
#define PROTO_OUTBOX_NO_PEER   (-1)

enum proto_delivery_state {
	PROTO_DELIVERY_QUEUED,	    /* not sent to anybody, or to be sent again */
	PROTO_DELIVERY_SENT,	    /* to `peer`, not known to be attempted */
	PROTO_DELIVERY_ATTEMPTED,   /* `peer` has begun: never sent again by us */
	PROTO_DELIVERY_WITHDRAWING, /* Withdraw sent or to be sent */
	PROTO_DELIVERY_DONE,	    /* has its fate; waits for proto_outbox_done() */
};

/* What becomes of a delivery that was sent when its link is lost ("Per kind" of the contract). */
enum proto_replay {
	PROTO_REPLAY_UNATTEMPTED, /* message, XMPP to SIP: same run within 15 s, then any; attempted: never */
	PROTO_REPLAY_SAME_RUN,	  /* message, SIP to XMPP, and errors: same run asks for its fate; else uncertain */
	PROTO_REPLAY_ANY,	  /* subscriptions: idempotent, to any peer */
	PROTO_REPLAY_NEVER,	  /* presence: dropped by rule "presence-resync" */
};

/* What is given to proto_outbox_add(); everything is copied. Absent spans have data NULL or length 0. */
struct proto_delivery_new {
	Xfed__Kind kind;
	enum proto_replay replay;
	struct xfed_span type, id, from, to, lang, stanza, owner, correlation;
	uint64_t owner_epoch;
	uint64_t pair_key;	/* hash of sender and recipient; 0: no order asked for */
	uint64_t share_key;	/* whose share of the link it takes (of a pair: that of its first one); 0: one common class */
	uint64_t deadline_ms;	/* absolute, of the monotonic clock */
	uint64_t not_before_ms; /* likewise; what is past or 0 is no pace */
	uint64_t withdraw_ms;	/* absolute; 0: never withdrawn by the clock. Before deadline_ms */
	int peer;		/* the peer it should go to while that one is up, or PROTO_OUTBOX_NO_PEER */
	bool pinned;		/* to `peer` and nobody else (a domain pair stays on its edge) */
	/* SIP to XMPP */
	bool has_sip;
	struct xfed_span call_id, from_tag, request_uri;
	uint32_t cseq;
	uint32_t answer_within_ms;
	uint64_t cookie, number; /* the caller's */
};

struct proto_outbox;

/* One delivery. Read it; the outbox writes it. Strings are terminated and live in the same block. */
struct proto_delivery {
	uint64_t seq;
	enum proto_delivery_state state;
	enum proto_replay replay;
	Xfed__Kind kind;
	const char *type, *id, *from, *to, *lang, *owner, *correlation;
	struct xfed_span stanza;
	uint64_t owner_epoch, pair_key, added_ms, deadline_ms, not_before_ms, withdraw_ms, cookie, number;
	bool has_sip;
	const char *call_id, *from_tag, *request_uri;
	uint32_t cseq, answer_within_ms;

	int prefers; /* peer asked for */
	bool pinned;
	int peer;	     /* sent to, or PROTO_OUTBOX_NO_PEER */
	uint64_t peer_nonce; /* the run it was sent to */
	uint32_t sends;	     /* how often it went out; more than one: replayed */
	bool withdraw_sent;

	/* DONE: how it ended; why, where no peer has said it */
	Xfed__Fate fate;
	enum xfed_reason reason;
	const char *rule; /* with FATE_DROPPED */

	size_t bytes; /* of memory, counted against the cap */
};

struct proto_outbox_config {
	size_t max_deliveries; /* 0: XFED_DELIVERY_TABLE_MAX */
	size_t max_bytes;      /* 0: 256 MiB */
	uint32_t replay_ms;    /* 0: XFED_DELIVERY_REPLAY_MS */
};

int proto_outbox_new(const struct proto_outbox_config *cfg, struct proto_outbox **out); /* OK, NOMEM */
void proto_outbox_free(struct proto_outbox *o);

/*
 * OK and *seq. Not now: LIMIT (the table or the share is full: delivery.queue.full), NOMEM. Never: TOO_LARGE (the stanza, or
 * the frame with all it carries: delivery.size.exceeded), INVALID (a text breaks proto/check.h). What is taken is of a size
 * and kind that proto_session_deliver() sends where there is credit and room, whatever number it gets.
 */
int proto_outbox_add(struct proto_outbox *o, const struct proto_delivery_new *n, uint64_t now_ms, uint64_t *seq);

/* ---- peers ---- */
/* Number of the peer of that name, known from now on; PROTO_OUTBOX_NO_PEER: too many, or no memory. */
int proto_outbox_peer(struct proto_outbox *o, struct xfed_span name);
/*
 * A link to it is up. The same nonce as before: its run goes on, what was sent and not attempted is sent again to it,
 * withdrawals are asked again. Another nonce: that run is over; see enum proto_replay.
 */
void proto_outbox_peer_up(struct proto_outbox *o, int peer, uint64_t nonce, uint64_t now_ms);
void proto_outbox_peer_lost(struct proto_outbox *o, int peer, uint64_t now_ms);

/* ---- sending ---- */
/*
 * The next delivery that may go to this live peer, or NULL: replays first, then by fair share. The same one is returned
 * until proto_outbox_sent() is called for it or something else happens to the table.
 */
const struct proto_delivery *proto_outbox_next(struct proto_outbox *o, int peer);
/* Fills in the message; it borrows from `d` and `sip`, which is storage of the caller's. remaining_ms counts from now. */
void proto_outbox_message(const struct proto_outbox *o, const struct proto_delivery *d, uint64_t now_ms, Xfed__Deliver *out, Xfed__SipKey *sip);
void proto_outbox_sent(struct proto_outbox *o, const struct proto_delivery *d, int peer);
/* It cannot be sent, now or later: refused with `reason`, or uncertain where it went out before and may have happened. */
void proto_outbox_unsendable(struct proto_outbox *o, const struct proto_delivery *d, enum xfed_reason reason);

/* ---- answers ---- */
/* True: to be answered in AttemptedAck.seqs. False: in AttemptedAck.refused (unknown, ended, or gone elsewhere). */
bool proto_outbox_attempted(struct proto_outbox *o, int peer, uint64_t seq);
/*
 * An outcome from a peer. Returns the delivery, now DONE (the caller acts on `oc`, then calls proto_outbox_done()), or
 * NULL where the outcome is not the peer's to give: unknown, ended before, sent to another peer or run since.
 */
struct proto_delivery *proto_outbox_settled(struct proto_outbox *o, int peer, const Xfed__Outcome *oc);
/*
 * Takes one back. One that is not sent, or whose peer's run is over, is DONE at once with FATE_WITHDRAWN and comes out
 * of proto_outbox_ended(); else proto_outbox_next_withdraw() asks for it. OK; NOT_FOUND.
 */
int proto_outbox_withdraw(struct proto_outbox *o, uint64_t seq);
/* A withdrawal to be sent to this live peer; each comes out once per link. False: none. */
bool proto_outbox_next_withdraw(struct proto_outbox *o, int peer, uint64_t *seq);

/* ---- time ---- */
/*
 * Lets go what has waited for its pace; ends what is past its deadline (refused with delivery.deadline, or uncertain with delivery.uncertain where it may have
 * happened), begins withdrawals that are due, releases what waited for a link in vain.
 */
void proto_outbox_tick(struct proto_outbox *o, uint64_t now_ms);
/* Leaving: ends everything as its deadline would. */
void proto_outbox_give_up(struct proto_outbox *o);
uint64_t proto_outbox_deadline(const struct proto_outbox *o); /* when to tick; UINT64_MAX: never */

/* The next delivery that ended without a peer's report; NULL: none. Valid until proto_outbox_done(). */
struct proto_delivery *proto_outbox_ended(struct proto_outbox *o);
/* Releases a DONE delivery. */
void proto_outbox_done(struct proto_outbox *o, struct proto_delivery *d);

/* ---- looking ---- */
uint64_t proto_outbox_lowest_unsettled(const struct proto_outbox *o); /* the next number, where nothing is unsettled */
size_t proto_outbox_count(const struct proto_outbox *o);	      /* without a fate */
size_t proto_outbox_bytes(const struct proto_outbox *o);
size_t proto_outbox_unaccounted(const struct proto_outbox *o, uint64_t now_ms); /* past the deadline without a fate */
const struct proto_delivery *proto_outbox_find(const struct proto_outbox *o, uint64_t seq);
/* In order of numbers; NULL as `after` begins, NULL ends. */
const struct proto_delivery *proto_outbox_iterate(const struct proto_outbox *o, const struct proto_delivery *after);

#endif
