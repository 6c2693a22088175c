/*
 * Pairs, and where the first delivery of each may go. After every change of a pair, place() puts it into the list it belongs to, so that
 * nothing has to be searched for.
 */
#include "proto/outbox_impl.h"

/* ---- pairs ---- */

static struct proto_pair *pair_new(struct proto_outbox *o, uint64_t key, uint64_t share_key)
{
	struct proto_pair *p = xfed_calloc(1, sizeof(*p));
	if (!p) {
		return NULL;
	}
	p->key = key;
	p->at = PROTO_OUTBOX_NO_PEER;
	p->lane = OUTBOX_NOWHERE;
	p->share = outbox_share_get(o, share_key);
	if (!p->share) {
		xfed_free(p);
		return NULL;
	}
	return p;
}

struct proto_pair *outbox_pair_get(struct proto_outbox *o, uint64_t key, uint64_t share_key)
{
	struct proto_pair *p = NULL;
	if (key) {
		HASH_FIND(hh, o->pairs, &key, sizeof(key), p);
	}
	if (p) {
		return p;
	}
	p = pair_new(o, key, share_key);
	if (!p || !key) {
		return p;
	}
	HASH_ADD(hh, o->pairs, key, sizeof(p->key), p);
	if (!XFED_TABLE_ADDED(p)) {
		outbox_share_put(o, p->share);
		xfed_free(p);
		return NULL;
	}
	return p;
}

void outbox_pair_put(struct proto_outbox *o, struct proto_pair *p)
{
	if (p->count > 0) {
		return;
	}
	if (p->key) {
		HASH_DEL(o->pairs, p);
	}
	outbox_share_put(o, p->share);
	xfed_free(p);
}

/* ---- where it may go ---- */

static bool is_asked_for(const struct proto_outbox *o, const struct proto_delivery *d)
{
	return d->prefers != PROTO_OUTBOX_NO_PEER && (d->pinned || o->peers[d->prefers].is_live);
}

static int lane_of_first(const struct proto_outbox *o, const struct proto_pair *p)
{
	const struct outbox_node *n = p->first;
	if (!n) {
		return OUTBOX_NOWHERE;
	}
	int lane = n->is_bound ? n->d.peer : is_asked_for(o, &n->d) ? n->d.prefers : OUTBOX_ANY;
	if (p->in_flight == 0) {
		return lane;
	}
	return lane == OUTBOX_ANY || lane == p->at ? p->at : OUTBOX_NOWHERE; /* earlier ones of the pair are at another peer */
}

/* A pair that stays in its list keeps its place there. */
static void place(struct proto_outbox *o, struct proto_pair *p)
{
	int lane = lane_of_first(o, p);
	if (lane != OUTBOX_NOWHERE && p->first->d.sends == 0 && p->first->d.not_before_ms > o->now_ms) {
		xfed_heap_set(&o->paced, &p->paced, p->first->d.not_before_ms, p->first->d.seq);
		lane = OUTBOX_NOWHERE;
	} else {
		xfed_heap_remove(&o->paced, &p->paced);
	}
	bool is_replay = lane != OUTBOX_NOWHERE && p->first->d.sends > 0;
	if (lane == p->lane && is_replay == p->is_replay) {
		return;
	}
	if (p->lane != OUTBOX_NOWHERE) {
		outbox_ready_remove(o, p);
	}
	p->lane = lane;
	p->is_replay = is_replay;
	if (lane != OUTBOX_NOWHERE) {
		outbox_ready_add(o, p);
	}
}

/* After its turn, the other pairs of its class come first. */
static void place_last(struct proto_outbox *o, struct proto_pair *p)
{
	outbox_ready_remove(o, p);
	p->lane = OUTBOX_NOWHERE;
	place(o, p);
}

/* ---- the queues ---- */

static void append(struct outbox_node *n)
{
	struct proto_pair *p = n->pair;
	n->pair_prev = p->last;
	n->pair_next = NULL;
	if (p->last) {
		p->last->pair_next = n;
	} else {
		p->first = n;
	}
	p->last = n;
}

static void take_out(struct outbox_node *n)
{
	struct proto_pair *p = n->pair;
	if (n->pair_prev) {
		n->pair_prev->pair_next = n->pair_next;
	} else {
		p->first = n->pair_next;
	}
	if (n->pair_next) {
		n->pair_next->pair_prev = n->pair_prev;
	} else {
		p->last = n->pair_prev;
	}
	n->pair_prev = n->pair_next = NULL;
}

void outbox_queue_append(struct proto_outbox *o, struct outbox_node *n)
{
	append(n);
	place(o, n->pair);
}

void outbox_queue_remove(struct proto_outbox *o, struct outbox_node *n)
{
	take_out(n);
	place(o, n->pair);
}

void outbox_in_flight(struct proto_outbox *o, struct outbox_node *n, int peer)
{
	n->pair->in_flight++;
	n->pair->at = peer;
	place(o, n->pair);
}

/* When no delivery of the pair is in flight any more, the queued ones may go to another peer. */
void outbox_not_in_flight(struct proto_outbox *o, struct outbox_node *n)
{
	if (--n->pair->in_flight == 0) {
		n->pair->at = PROTO_OUTBOX_NO_PEER;
		place(o, n->pair);
	}
}

void outbox_queue_release(struct proto_outbox *o)
{
	for (struct xfed_heap_item *i; (i = xfed_heap_first(&o->paced)) && i->at <= o->now_ms;) {
		place(o, (struct proto_pair *)((char *)i - offsetof(struct proto_pair, paced)));
	}
}

void outbox_queue_rebuild(struct proto_outbox *o)
{
	outbox_ready_reset(o);
	for (struct outbox_node *n = o->first; n; n = n->all_next) {
		n->pair->first = n->pair->last = NULL;
		n->pair->lane = OUTBOX_NOWHERE;
		n->pair->is_replay = false;
	}
	for (struct outbox_node *n = o->first; n; n = n->all_next) {
		if (n->d.state == PROTO_DELIVERY_QUEUED) {
			append(n);
		}
	}
	for (struct outbox_node *n = o->first; n; n = n->all_next) {
		if (n->d.state == PROTO_DELIVERY_QUEUED) {
			place(o, n->pair);
		}
	}
}

/* ---- sending ---- */

const struct proto_delivery *proto_outbox_next(struct proto_outbox *o, int peer)
{
	XFED_REQUIRE(peer >= 0 && peer < o->peer_count);
	struct proto_pair *p = o->peers[peer].is_live ? outbox_ready_next(o, peer) : NULL;
	return p ? &p->first->d : NULL;
}

void proto_outbox_sent(struct proto_outbox *o, const struct proto_delivery *d, int peer)
{
	struct outbox_node *n = (struct outbox_node *)(uintptr_t)d;
	struct proto_pair *p = n->pair;
	XFED_REQUIRE(n->d.state == PROTO_DELIVERY_QUEUED && p->first == n && (p->lane == peer || p->lane == OUTBOX_ANY));
	take_out(n);
	n->is_bound = false;
	n->d.state = PROTO_DELIVERY_SENT;
	n->d.peer = peer;
	n->d.peer_nonce = o->peers[peer].nonce;
	n->d.sends++;
	p->in_flight++;
	p->at = peer;
	outbox_ready_charge(p->share, peer, n->d.bytes);
	place_last(o, p);
}
