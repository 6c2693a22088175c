/* What the files of the outbox share. Internal to proto. */
#ifndef PROTO_OUTBOX_IMPL_H
#define PROTO_OUTBOX_IMPL_H

#include "proto/outbox.h"
#include "util/heap.h"
#include "util/table.h"

struct outbox_node {
	struct proto_delivery d;		   /* first member, which the caller sees */
	struct outbox_node *all_prev, *all_next;   /* links of all without outcome, by number */
	struct outbox_node *list_prev, *list_next; /* links of the list its state belongs to: withdrawals to send, ended, taken */
	struct outbox_node *pair_prev, *pair_next; /* links of the queued ones of its pair, by number */
	struct proto_pair *pair;
	bool is_bound; /* QUEUED, to be sent again to d.peer and to no other: its run may have it */
	struct xfed_heap_item due;
	UT_hash_handle hh;
};

struct outbox_pairs { /* A list of pairs that may send, by ready_next. */
	struct proto_pair *first, *last;
};

/*
 * Where the first queued delivery of a pair may go: to one peer (its number), to any, or nowhere for now. A pair is in one list at a time:
 * that of its lane, of replays or of new ones.
 */
#define OUTBOX_NOWHERE (-2)
#define OUTBOX_ANY     (-1)

/* One sender and recipient, while they have deliveries here. Key 0: a single delivery without order, which is not in the table. */
struct proto_pair {
	uint64_t key;
	struct outbox_share *share;
	size_t count;			  /* deliveries without outcome */
	size_t in_flight;		  /* of these, SENT, ATTEMPTED or WITHDRAWING */
	int at;				  /* the peer they are at */
	struct outbox_node *first, *last; /* queued ones */
	int lane;
	bool is_replay;
	struct proto_pair *ready_prev, *ready_next;
	uint64_t ready_since;	     /* in terms of proto_outbox.ready_clock */
	struct xfed_heap_item paced; /* while its first queued one waits for its pace; `lane` is NOWHERE then */
	UT_hash_handle hh;
};

/* What a class has for one peer, and its place in the round of that peer. Of lane ANY only the list is used. */
struct outbox_lane {
	struct outbox_pairs ready;
	int64_t balance; /* bytes it may still send in this turn; negative: it has to skip turns */
	bool is_in_round;
	struct outbox_share *round_prev, *round_next;
};

/* A class: one partner, while it has deliveries here. */
struct outbox_share {
	uint64_t key;
	size_t count;		   /* deliveries without outcome */
	struct outbox_lane *lanes; /* for all peers there is room for, by number + 1 */
	UT_hash_handle hh;
};

struct outbox_list {
	struct outbox_node *head, *tail;
};

struct outbox_peer {
	char name[256];
	uint64_t nonce;
	bool is_live, is_released; /* is_released: the time in which its run may resume is over */
	uint64_t lost_ms;
	struct outbox_pairs replays;
	struct outbox_share *round_first, *round_last; /* the round of classes that may have something for it; the first one has its turn */
	struct outbox_list withdrawing;		       /* to be asked for, not sent on this link yet */
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
	struct outbox_pairs replays; /* pairs that may go to any peer */
	uint64_t ready_clock;	     /* counts pairs as they become ready */
	struct outbox_list ended, taken;
	struct xfed_heap deadlines; /* of all without outcome */
	struct xfed_heap paced;	    /* of pairs */
	uint64_t now_ms;	    /* as of the last add or tick */
	struct outbox_peer peers[PROTO_OUTBOX_PEERS_MAX];
	int peer_count;
};

/* outbox_list.c: the lists, and deadlines */
void outbox_list_append(struct outbox_list *l, struct outbox_node *n);
void outbox_list_remove(struct outbox_list *l, struct outbox_node *n);
void outbox_set_due(struct proto_outbox *o, struct outbox_node *n); /* to be called after each change of its state */
struct outbox_node *outbox_first_due(const struct proto_outbox *o, uint64_t now_ms);

/* outbox_queue.c: pairs, and which of their deliveries may be sent */
struct proto_pair *outbox_pair_get(struct proto_outbox *o, uint64_t key, uint64_t share_key); /* NULL: no memory */
void outbox_pair_put(struct proto_outbox *o, struct proto_pair *p);			      /* freed if it holds nothing any more */
void outbox_queue_append(struct proto_outbox *o, struct outbox_node *n);
void outbox_queue_remove(struct proto_outbox *o, struct outbox_node *n);
void outbox_queue_release(struct proto_outbox *o); /* pairs whose pace allows it */
void outbox_queue_rebuild(struct proto_outbox *o); /* after deliveries went back to QUEUED, or a peer came up or was lost */
void outbox_in_flight(struct proto_outbox *o, struct outbox_node *n, int peer);
void outbox_not_in_flight(struct proto_outbox *o, struct outbox_node *n);

/* outbox_share.c: classes and their turns */
struct outbox_share *outbox_share_get(struct proto_outbox *o, uint64_t key); /* NULL: no memory */
void outbox_share_put(struct proto_outbox *o, struct outbox_share *s);	     /* freed if it holds nothing any more */
int outbox_share_room(struct proto_outbox *o);				     /* makes room for one more peer in all lanes: OK, NOMEM */
void outbox_ready_add(struct proto_outbox *o, struct proto_pair *p);	     /* appends it to the list it belongs to */
void outbox_ready_remove(struct proto_outbox *o, struct proto_pair *p);
struct proto_pair *outbox_ready_next(struct proto_outbox *o, int peer); /* NULL: there is nothing for that peer */
void outbox_ready_charge(struct outbox_share *s, int peer, size_t bytes);
void outbox_ready_reset(struct proto_outbox *o); /* empties all lists; members of the pairs are not changed */

/* outbox.c */
bool outbox_is_in_flight(const struct outbox_node *n);
void outbox_end(struct proto_outbox *o, struct outbox_node *n, Xfed__Fate fate, enum xfed_reason reason, const char *rule);

/* outbox_peers.c */
bool outbox_is_at(const struct proto_outbox *o, const struct outbox_node *n, int peer);
void outbox_release_lost(struct proto_outbox *o, uint64_t now_ms);
uint64_t outbox_release_at(const struct proto_outbox *o);

#endif
