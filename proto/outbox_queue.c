#include "proto/outbox_impl.h"

/* ---- lists ---- */

void outbox_list_append(struct outbox_list *l, struct outbox_node *n)
{
	n->list_prev = l->tail;
	n->list_next = NULL;
	if (l->tail) {
		l->tail->list_next = n;
	} else {
		l->head = n;
	}
	l->tail = n;
}

void outbox_list_remove(struct outbox_list *l, struct outbox_node *n)
{
	if (n->list_prev) {
		n->list_prev->list_next = n->list_next;
	} else {
		l->head = n->list_next;
	}
	if (n->list_next) {
		n->list_next->list_prev = n->list_prev;
	} else {
		l->tail = n->list_prev;
	}
	n->list_prev = n->list_next = NULL;
}

/* ---- deadlines: a binary heap by outbox_due() ---- */

uint64_t outbox_due(const struct outbox_node *n)
{
	bool may_withdraw = n->d.state == PROTO_DELIVERY_QUEUED || n->d.state == PROTO_DELIVERY_SENT;
	return may_withdraw && n->d.withdraw_ms && n->d.withdraw_ms < n->d.deadline_ms ? n->d.withdraw_ms : n->d.deadline_ms;
}

static void heap_set(struct proto_outbox *o, size_t at, struct outbox_node *n)
{
	o->heap[at] = n;
	n->heap_at = at;
}

/* By time, and of one time by number, so that what expires together keeps its order. */
static bool is_before(const struct outbox_node *a, const struct outbox_node *b)
{
	uint64_t due_a = outbox_due(a), due_b = outbox_due(b);
	return due_a < due_b || (due_a == due_b && a->d.seq < b->d.seq);
}

static void heap_up(struct proto_outbox *o, size_t at)
{
	struct outbox_node *n = o->heap[at];
	while (at > 0 && is_before(n, o->heap[(at - 1) / 2])) {
		heap_set(o, at, o->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	heap_set(o, at, n);
}

static void heap_down(struct proto_outbox *o, size_t at)
{
	struct outbox_node *n = o->heap[at];
	for (size_t child = 2 * at + 1; child < o->count; child = 2 * at + 1) {
		if (child + 1 < o->count && is_before(o->heap[child + 1], o->heap[child])) {
			child++;
		}
		if (!is_before(o->heap[child], n)) {
			break;
		}
		heap_set(o, at, o->heap[child]);
		at = child;
	}
	heap_set(o, at, n);
}

int outbox_heap_reserve(struct proto_outbox *o)
{
	if (o->count < o->heap_size) {
		return XFED_OK;
	}
	size_t size = o->heap_size ? 2 * o->heap_size : 64;
	struct outbox_node **heap = xfed_realloc(o->heap, size * sizeof(struct outbox_node *));
	if (!heap) {
		return XFED_ERR_NOMEM;
	}
	o->heap = heap;
	o->heap_size = size;
	return XFED_OK;
}

/* `count` is the heap's length: every delivery without a fate is in it. */
void outbox_heap_push(struct proto_outbox *o, struct outbox_node *n)
{
	heap_set(o, o->count++, n);
	heap_up(o, n->heap_at);
}

void outbox_heap_remove(struct proto_outbox *o, struct outbox_node *n)
{
	size_t at = n->heap_at;
	struct outbox_node *last = o->heap[--o->count];
	if (last != n) {
		heap_set(o, at, last);
		outbox_heap_fix(o, last);
	}
}

void outbox_heap_fix(struct proto_outbox *o, struct outbox_node *n)
{
	heap_up(o, n->heap_at);
	heap_down(o, n->heap_at);
}

/* ---- pairs ---- */

struct proto_pair *outbox_pair_get(struct proto_outbox *o, uint64_t key)
{
	struct proto_pair *p = NULL;
	HASH_FIND(hh, o->pairs, &key, sizeof(key), p);
	if (p) {
		return p;
	}
	p = xfed_calloc(1, sizeof(*p));
	if (!p) {
		return NULL;
	}
	p->key = key;
	p->at = PROTO_OUTBOX_NO_PEER;
	HASH_ADD(hh, o->pairs, key, sizeof(p->key), p);
	if (!XFED_TABLE_ADDED(p)) {
		xfed_free(p);
		return NULL;
	}
	return p;
}

void outbox_pair_put(struct proto_outbox *o, struct proto_pair *p)
{
	if (p && p->count == 0) {
		HASH_DEL(o->pairs, p);
		xfed_free(p);
	}
}

static void pair_append(struct outbox_node *n)
{
	n->pair_next = NULL;
	if (!n->pair) {
		return;
	}
	if (n->pair->last) {
		n->pair->last->pair_next = n;
	} else {
		n->pair->first = n;
	}
	n->pair->last = n;
}

static void pair_remove(struct outbox_node *n)
{
	struct proto_pair *p = n->pair;
	struct outbox_node *before = NULL;
	if (!p) {
		return;
	}
	for (struct outbox_node *i = p->first; i != n; i = i->pair_next) {
		before = i;
	}
	if (before) {
		before->pair_next = n->pair_next;
	} else {
		p->first = n->pair_next;
	}
	if (p->last == n) {
		p->last = before;
	}
	n->pair_next = NULL;
}

void outbox_in_flight(struct outbox_node *n, int peer)
{
	if (n->pair) {
		n->pair->in_flight++;
		n->pair->at = peer;
	}
}

void outbox_not_in_flight(struct proto_outbox *o, struct outbox_node *n)
{
	if (n->pair && --n->pair->in_flight == 0) {
		n->pair->at = PROTO_OUTBOX_NO_PEER;
		if (n->pair->first) {
			outbox_rescan(o); /* those that waited may go elsewhere now */
		}
	}
}

/* ---- the queue ---- */

void outbox_rescan(struct proto_outbox *o)
{
	for (int i = 0; i < o->peer_count; i++) {
		o->peers[i].cursor = o->queued.head;
	}
}

void outbox_queue_append(struct proto_outbox *o, struct outbox_node *n)
{
	outbox_list_append(&o->queued, n);
	pair_append(n);
	for (int i = 0; i < o->peer_count; i++) {
		if (!o->peers[i].cursor) {
			o->peers[i].cursor = n;
		}
	}
}

void outbox_queue_remove(struct proto_outbox *o, struct outbox_node *n)
{
	for (int i = 0; i < o->peer_count; i++) {
		if (o->peers[i].cursor == n) {
			o->peers[i].cursor = n->list_next;
		}
	}
	pair_remove(n);
	outbox_list_remove(&o->queued, n);
}

void outbox_queue_rebuild(struct proto_outbox *o)
{
	struct proto_pair *p, *next;
	o->queued = (struct outbox_list){ NULL, NULL };
	HASH_ITER(hh, o->pairs, p, next) {
		p->first = p->last = NULL;
	}
	for (struct outbox_node *n = o->first; n; n = n->all_next) {
		if (n->d.state == PROTO_DELIVERY_QUEUED) {
			outbox_list_append(&o->queued, n);
			pair_append(n);
		}
	}
	outbox_rescan(o);
}

static bool may_go_to(const struct proto_outbox *o, const struct outbox_node *n, int peer)
{
	const struct proto_delivery *d = &n->d;
	if (n->is_bound && d->peer != peer) {
		return false;
	}
	if (d->prefers != peer && d->prefers != PROTO_OUTBOX_NO_PEER && (d->pinned || o->peers[d->prefers].is_live) && !n->is_bound) {
		return false;
	}
	return !n->pair || (n->pair->first == n && (n->pair->in_flight == 0 || n->pair->at == peer));
}

const struct proto_delivery *proto_outbox_next(struct proto_outbox *o, int peer)
{
	struct outbox_peer *p = &o->peers[peer];
	XFED_REQUIRE(peer >= 0 && peer < o->peer_count);
	if (!p->is_live) {
		return NULL;
	}
	while (p->cursor && !may_go_to(o, p->cursor, peer)) {
		p->cursor = p->cursor->list_next;
	}
	return p->cursor ? &p->cursor->d : NULL;
}

void proto_outbox_sent(struct proto_outbox *o, const struct proto_delivery *d, int peer)
{
	struct outbox_node *n = (struct outbox_node *)(uintptr_t)d;
	XFED_REQUIRE(n->d.state == PROTO_DELIVERY_QUEUED && may_go_to(o, n, peer));
	outbox_queue_remove(o, n);
	n->is_bound = false;
	n->d.state = PROTO_DELIVERY_SENT;
	n->d.peer = peer;
	n->d.peer_nonce = o->peers[peer].nonce;
	n->d.sends++;
	outbox_in_flight(n, peer);
}
