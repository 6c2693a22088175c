/* What the files of the outbox share. Inside proto only. */
#ifndef PROTO_OUTBOX_IMPL_H
#define PROTO_OUTBOX_IMPL_H

#include "proto/outbox.h"
#include "util/table.h"

struct outbox_node {
	struct proto_delivery d; /* first: what the caller sees */
	struct outbox_node *all_prev, *all_next;   /* without a fate, by number */
	struct outbox_node *list_prev, *list_next; /* of the list its state says: queued, withdrawing, ended, taken */
	struct outbox_node *pair_next;		   /* queued ones of the pair, by number */
	struct proto_pair *pair;
	bool is_bound; /* QUEUED, to be sent again to d.peer and nobody else: its run may have it */
	size_t heap_at;
	UT_hash_handle hh;
};

/* One sender and recipient, while they have deliveries here. */
struct proto_pair {
	uint64_t key;
	size_t count;	  /* deliveries without a fate */
	size_t in_flight; /* of them SENT, ATTEMPTED or WITHDRAWING */
	int at;		  /* the peer that has those */
	struct outbox_node *first, *last; /* QUEUED */
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
	struct outbox_node *cursor; /* nothing before it in the queue may go to this peer */
};

struct proto_outbox {
	size_t max_deliveries, max_bytes;
	uint32_t replay_ms;
	uint64_t next_seq;
	size_t count, bytes;
	struct outbox_node *table; /* by number */
	struct proto_pair *pairs;
	struct outbox_node *first, *last;
	struct outbox_list queued, withdrawing, ended, taken;
	struct outbox_node **heap;
	size_t heap_size;
	struct outbox_peer peers[PROTO_OUTBOX_PEERS_MAX];
	int peer_count;
};

/* outbox_queue.c */
void outbox_list_append(struct outbox_list *l, struct outbox_node *n);
void outbox_list_remove(struct outbox_list *l, struct outbox_node *n);
int outbox_heap_reserve(struct proto_outbox *o); /* room for one more than there are */
void outbox_heap_push(struct proto_outbox *o, struct outbox_node *n);
void outbox_heap_remove(struct proto_outbox *o, struct outbox_node *n);
void outbox_heap_fix(struct proto_outbox *o, struct outbox_node *n);
uint64_t outbox_due(const struct outbox_node *n);
struct proto_pair *outbox_pair_get(struct proto_outbox *o, uint64_t key); /* NULL: no memory */
void outbox_pair_put(struct proto_outbox *o, struct proto_pair *p);	 /* released where nothing is left */
void outbox_queue_append(struct proto_outbox *o, struct outbox_node *n);
void outbox_queue_remove(struct proto_outbox *o, struct outbox_node *n); /* but for sending: outbox_rescan() after it */
void outbox_queue_rebuild(struct proto_outbox *o); /* after nodes went back to QUEUED */
void outbox_in_flight(struct outbox_node *n, int peer);
void outbox_not_in_flight(struct proto_outbox *o, struct outbox_node *n);
void outbox_rescan(struct proto_outbox *o);

/* outbox.c */
bool outbox_is_in_flight(const struct outbox_node *n);
void outbox_end(struct proto_outbox *o, struct outbox_node *n, Xfed__Fate fate, enum xfed_reason reason, const char *rule);

/* outbox_peers.c */
bool outbox_is_at(const struct proto_outbox *o, const struct outbox_node *n, int peer);
void outbox_release_lost(struct proto_outbox *o, uint64_t now_ms);
uint64_t outbox_release_at(const struct proto_outbox *o);

#endif
