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
