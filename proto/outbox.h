/*
 * The sender's table of deliveries: those given to the other service that have no outcome yet (proto/delivery.md, proto/channel.md section
 * 6). Every delivery can be looked at.
 *
 * A delivery is added, sent to one run of a peer, perhaps attempted there, and ends once: with the outcome its peer reports, by its
 * deadline, or because its peer's run is lost. One that ends without a report comes out of proto_outbox_ended(). Whoever gets a delivery
 * that has ended releases it with proto_outbox_done(), which is where outcomes are counted.
 *
 *          +--- link lost and resumed, replayable ---+
 *          v                                         |
 *   add -> QUEUED -> SENT -> ATTEMPTED -> (settled) DONE
 *                     |  `-> WITHDRAWING ----------> DONE
 *                     `----------------------------> DONE
 *
 * Order: deliveries of one pair (`pair_key`) are sent in the order in which they were added, and to one peer at a time: while one of them
 * is in flight at a peer, or waits for that peer's link to resume, newer ones go to no other peer.
 *
 * Fair share: the deliveries for a peer take turns by class (`share_key`: one per partner), counted in bytes: each class may send
 * XFED_SHARE_QUANTUM_BYTES in its turn, and pays for what exceeds that in later turns. Within a class the pairs take turns. No class may
 * hold more than XFED_SHARE_TABLE_PERCENT of the table.
 *
 * Pace: a delivery may have a time before which it is not sent for the first time; later ones of its pair wait behind it.
 *
 * The work per delivery does not depend on how many wait; only a link that comes up or is lost goes through all of them.
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
	PROTO_DELIVERY_SENT,	    /* sent to `peer`, and not known to be begun */
	PROTO_DELIVERY_ATTEMPTED,   /* `peer` has begun it: never sent again by us */
	PROTO_DELIVERY_WITHDRAWING, /* Withdraw sent or to be sent */
	PROTO_DELIVERY_DONE,	    /* has its outcome; waits for proto_outbox_done() */
};

/* What happens to a delivery that was sent when its link is lost (proto/delivery.md, "Per kind"). */
enum proto_replay {
	PROTO_REPLAY_UNATTEMPTED, /* message, XMPP to SIP: to the same run within 15 s, then to any; never if attempted */
	PROTO_REPLAY_SAME_RUN,	  /* message, SIP to XMPP, and errors: the same run is asked for the outcome; else uncertain */
	PROTO_REPLAY_ANY,	  /* subscriptions: idempotent, to any peer */
	PROTO_REPLAY_NEVER,	  /* presence: dropped by rule "presence-resync" */
};

/* The argument of proto_outbox_add(); everything is copied. Absent spans have data NULL or length 0. */
struct proto_delivery_new {
	Xfed__Kind kind;
	enum proto_replay replay;
	struct xfed_span type, id, from, to, lang, stanza, owner, correlation;
	uint64_t owner_epoch;
	uint64_t pair_key;	/* hash of sender and recipient; 0: no order needed */
	uint64_t share_key;	/* the class it belongs to (of a pair: the class of its first delivery); 0: one common class */
	uint64_t deadline_ms;	/* absolute, monotonic */
	uint64_t not_before_ms; /* likewise; 0 or in the past: at once */
	uint64_t withdraw_ms;	/* absolute, before deadline_ms; 0: not withdrawn by time */
	int peer;		/* the peer to prefer while it is up, or PROTO_OUTBOX_NO_PEER */
	bool pinned;		/* only to `peer` (a pair of domains stays on its edge) */
	/* from SIP to XMPP */
	bool has_sip;
	struct xfed_span call_id, from_tag, request_uri;
	uint32_t cseq;
	uint32_t answer_within_ms;
	uint64_t cookie, number; /* of the caller */
};

struct proto_outbox;

/* One delivery; only the outbox changes it. Strings are NUL-terminated and in the same block. */
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

	int prefers; /* the preferred peer */
	bool pinned;
	int peer;	     /* sent to, or PROTO_OUTBOX_NO_PEER */
	uint64_t peer_nonce; /* the run it was sent to */
	uint32_t sends;	     /* how often it was sent; more than once: replayed */
	bool withdraw_sent;

	/* DONE: its fate; the reason, if no peer has reported one */
	Xfed__Fate fate;
	enum xfed_reason reason;
	const char *rule; /* for FATE_DROPPED */

	size_t bytes; /* memory, counted against the limit */
};

struct proto_outbox_config {
	size_t max_deliveries; /* 0: XFED_DELIVERY_TABLE_MAX */
	size_t max_bytes;      /* 0: 256 MiB */
	uint32_t replay_ms;    /* 0: XFED_DELIVERY_REPLAY_MS */
};

int proto_outbox_new(const struct proto_outbox_config *cfg, struct proto_outbox **out); /* OK, NOMEM */
void proto_outbox_free(struct proto_outbox *o);

/*
 * OK and *seq. Not now: LIMIT (the table or the share is full: delivery.queue.full), NOMEM. Never: TOO_LARGE (the stanza, or the whole
 * frame: delivery.size.exceeded), INVALID (a text breaks proto/check.h). What is taken has a size and kind that proto_session_deliver()
 * sends when there is credit and room, whatever its number.
 */
int proto_outbox_add(struct proto_outbox *o, const struct proto_delivery_new *n, uint64_t now_ms, uint64_t *seq);

/* ---- peers ---- */
/* The number of the peer with that name, which is known from then on; PROTO_OUTBOX_NO_PEER: too many, or no memory. */
int proto_outbox_peer(struct proto_outbox *o, struct xfed_span name);
/*
 * A link to the peer is up. Same nonce as before: its run goes on; what was sent and not attempted is sent again to it, and withdrawals are
 * asked for again. Another nonce: the previous run has ended; see enum proto_replay.
 */
void proto_outbox_peer_up(struct proto_outbox *o, int peer, uint64_t nonce, uint64_t now_ms);
void proto_outbox_peer_lost(struct proto_outbox *o, int peer, uint64_t now_ms);

/* ---- sending ---- */
/*
 * The next delivery for this peer, which is up, or NULL: replays first, then by fair share. Returns the same one until proto_outbox_sent()
 * is called for it, or something else changes the table.
 */
const struct proto_delivery *proto_outbox_next(struct proto_outbox *o, int peer);
/* Fills in the message, which borrows from `d` and from `sip`, memory of the caller. remaining_ms counts from now. */
void proto_outbox_message(const struct proto_outbox *o, const struct proto_delivery *d, uint64_t now_ms, Xfed__Deliver *out, Xfed__SipKey *sip);
void proto_outbox_sent(struct proto_outbox *o, const struct proto_delivery *d, int peer);
/* It can never be sent: refuses it with `reason`; uncertain if it was sent before and may have been delivered. */
void proto_outbox_unsendable(struct proto_outbox *o, const struct proto_delivery *d, enum xfed_reason reason);

/* ---- answers ---- */
/* True: answer in AttemptedAck.seqs. False: answer in AttemptedAck.refused (unknown, ended, or sent elsewhere since). */
bool proto_outbox_attempted(struct proto_outbox *o, int peer, uint64_t seq);
/*
 * A peer reports an outcome. Returns the delivery, now DONE (the caller acts on `oc`, then calls proto_outbox_done()), or NULL if this peer
 * may not report it: it is unknown, has ended, or was sent to another peer or run since.
 */
struct proto_delivery *proto_outbox_settled(struct proto_outbox *o, int peer, const Xfed__Outcome *oc);
/*
 * Withdraws a delivery. If it is not sent, or its peer's run has ended, it is DONE at once with FATE_WITHDRAWN, and comes out of
 * proto_outbox_ended(); else proto_outbox_next_withdraw() asks the peer for it. OK; NOT_FOUND.
 */
int proto_outbox_withdraw(struct proto_outbox *o, uint64_t seq);
/* The next withdrawal to send to this peer, which is up; each is returned once per link. False: none. */
bool proto_outbox_next_withdraw(struct proto_outbox *o, int peer, uint64_t *seq);

/* ---- time ---- */
/*
 * Releases deliveries that waited for their pace; ends those past their deadline (refused with delivery.deadline, or uncertain with
 * delivery.uncertain if they may have been delivered); begins withdrawals that are due; and releases what has waited too long for a link.
 */
void proto_outbox_tick(struct proto_outbox *o, uint64_t now_ms);
/* For the end of the process: ends everything as its deadline would. */
void proto_outbox_give_up(struct proto_outbox *o);
uint64_t proto_outbox_deadline(const struct proto_outbox *o); /* when to call tick; UINT64_MAX: never */

/* The next delivery that has ended without a report of a peer; NULL: none. Valid until proto_outbox_done(). */
struct proto_delivery *proto_outbox_ended(struct proto_outbox *o);
/* Releases a DONE delivery. */
void proto_outbox_done(struct proto_outbox *o, struct proto_delivery *d);

/* ---- state ---- */
uint64_t proto_outbox_lowest_unsettled(const struct proto_outbox *o); /* the next number if all are settled */
size_t proto_outbox_count(const struct proto_outbox *o);	      /* deliveries without outcome */
size_t proto_outbox_bytes(const struct proto_outbox *o);
size_t proto_outbox_unaccounted(const struct proto_outbox *o, uint64_t now_ms); /* those past their deadline */
const struct proto_delivery *proto_outbox_find(const struct proto_outbox *o, uint64_t seq);
/* In order of numbers; NULL as `after` begins, NULL is returned at the end. */
const struct proto_delivery *proto_outbox_iterate(const struct proto_outbox *o, const struct proto_delivery *after);

#endif
