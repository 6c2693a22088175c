/* What the files of the outbox share. Inside proto only. */
#ifndef PROTO_OUTBOX_IMPL_H
#define PROTO_OUTBOX_IMPL_H

#include "proto/outbox.h"
#include "util/heap.h"
#include "util/table.h"

struct outbox_node {
	struct proto_delivery d;		   /* first: what the caller sees */
	struct outbox_node *all_prev, *all_next;   /* without a fate, by number */
	struct outbox_node *list_prev, *list_next; /* of the list its state says: withdrawals to be sent, ended, taken */
	struct outbox_node *pair_prev, *pair_next; /* queued ones of the pair, by number */
	struct proto_pair *pair;
	bool is_bound; /* QUEUED, to be sent again to d.peer and nobody else: its run may have it */
	struct xfed_heap_item due;
	UT_hash_handle hh;
};

struct outbox_pairs { /* that may send, by ready_next */
	struct proto_pair *first, *last;
};

/*
 * Where the first queued delivery of a pair may go: to a peer (its number), to any, or nowhere for now. A pair is in one
 * list at a time: the one of its lane, of replays or of new ones.
 */
#define OUTBOX_NOWHERE (-2)
#define OUTBOX_ANY     (-1)

/*
 * One sender and recipient, while they have deliveries here; key 0: one delivery that asks for no order, not in the
 * table.
 */
struct proto_pair {
	uint64_t key;
	struct outbox_share *share;
	size_t count;			  /* deliveries without a fate */
	size_t in_flight;		  /* of them SENT, ATTEMPTED or WITHDRAWING */
	int at;				  /* the peer that has those */
	struct outbox_node *first, *last; /* QUEUED */
	int lane;
	bool is_replay;
	struct proto_pair *ready_prev, *ready_next;
	uint64_t ready_since;	     /* by proto_outbox.ready_clock */
	struct xfed_heap_item paced; /* while its first queued one waits for its time; then `lane` is NOWHERE */
	UT_hash_handle hh;
};

/* What a class has for one peer, and its place in that peer's round. Of lane ANY only the list is used. */
struct outbox_lane {
	struct outbox_pairs ready;
	int64_t balance; /* bytes it may still send in this turn; below 0: turns it has to let pass */
	bool is_in_round;
	struct outbox_share *round_prev, *round_next;
};

/* A class: one partner, while it has deliveries here. */
struct outbox_share {
	uint64_t key;
	size_t count;		   /* deliveries without a fate */
	struct outbox_lane *lanes; /* of all peers there are room for, by number + 1 */
	UT_hash_handle hh;
};

struct outbox_list {
	struct outbox_node *head, *tail;
};

struct outbox_peer {
	char name[256];
	uint64_t nonce;
	bool is_live, is_released; /* released: the replay window has passed */
	uint64_t lost_ms;
	struct outbox_pairs replays;
	struct outbox_share *round_first, *round_last; /* classes that may have something for it; the first one's turn */
	struct outbox_list withdrawing;		       /* asked for, not sent on this link */
};

struct proto_outbox {
	size_t max_deliveries, max_bytes;
	uint32_t replay_ms;
	uint64_t next_seq;
	size_t count, bytes;
	struct outbox_node *table; /* by number */
	struct proto_pair *pairs;
	struct outbox_share *shares;
	struct outbox_node *first, *last;
	struct outbox_pairs replays; /* that may go to any peer */
	uint64_t ready_clock;	     /* counts pairs as they become ready */
	struct outbox_list ended, taken;
	struct xfed_heap deadlines; /* of all without a fate */
	struct xfed_heap paced;	    /* pairs */
	uint64_t now_ms;	    /* of the last add or tick */
	struct outbox_peer peers[PROTO_OUTBOX_PEERS_MAX];
	int peer_count;
};

/* outbox_list.c: the lists, and deadlines */
void outbox_list_append(struct outbox_list *l, struct outbox_node *n);
void outbox_list_remove(struct outbox_list *l, struct outbox_node *n);
void outbox_set_due(struct proto_outbox *o, struct outbox_node *n); /* again wherever its state has changed */
struct outbox_node *outbox_first_due(const struct proto_outbox *o, uint64_t now_ms);

/* outbox_queue.c: pairs, and what of them may be sent */
struct proto_pair *outbox_pair_get(struct proto_outbox *o, uint64_t key, uint64_t share_key); /* NULL: no memory */
void outbox_pair_put(struct proto_outbox *o, struct proto_pair *p);			      /* released where nothing is left */
void outbox_queue_append(struct proto_outbox *o, struct outbox_node *n);
void outbox_queue_remove(struct proto_outbox *o, struct outbox_node *n);
void outbox_queue_release(struct proto_outbox *o); /* pairs whose time has come */
void outbox_queue_rebuild(struct proto_outbox *o); /* after nodes went back to QUEUED, or a peer came or went */
void outbox_in_flight(struct proto_outbox *o, struct outbox_node *n, int peer);
void outbox_not_in_flight(struct proto_outbox *o, struct outbox_node *n);

/* outbox_share.c: classes, and whose turn it is */
struct outbox_share *outbox_share_get(struct proto_outbox *o, uint64_t key); /* NULL: no memory */
void outbox_share_put(struct proto_outbox *o, struct outbox_share *s);	     /* released where nothing is left */
int outbox_share_room(struct proto_outbox *o);				     /* lanes for one more peer in all of them: OK, NOMEM */
void outbox_ready_add(struct proto_outbox *o, struct proto_pair *p);	     /* to the end of the list it belongs to */
void outbox_ready_remove(struct proto_outbox *o, struct proto_pair *p);
struct proto_pair *outbox_ready_next(struct proto_outbox *o, int peer); /* NULL: nothing for that peer */
void outbox_ready_charge(struct outbox_share *s, int peer, size_t bytes);
void outbox_ready_reset(struct proto_outbox *o); /* all lists are emptied, the pairs do not know */

/* outbox.c */
bool outbox_is_in_flight(const struct outbox_node *n);
void outbox_end(struct proto_outbox *o, struct outbox_node *n, Xfed__Fate fate, enum xfed_reason reason, const char *rule);

/* outbox_peers.c */
bool outbox_is_at(const struct proto_outbox *o, const struct outbox_node *n, int peer);
void outbox_release_lost(struct proto_outbox *o, uint64_t now_ms);
uint64_t outbox_release_at(const struct proto_outbox *o);

#endif
