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

/* ---- deadlines ---- */

static uint64_t due(const struct outbox_node *n)
{
	bool may_withdraw = n->d.state == PROTO_DELIVERY_QUEUED || n->d.state == PROTO_DELIVERY_SENT;
	return may_withdraw && n->d.withdraw_ms && n->d.withdraw_ms < n->d.deadline_ms ? n->d.withdraw_ms : n->d.deadline_ms;
}

/* With equal times ordered by number, so that what expires together stays in order. */
void outbox_set_due(struct proto_outbox *o, struct outbox_node *n)
{
	xfed_heap_set(&o->deadlines, &n->due, due(n), n->d.seq);
}

struct outbox_node *outbox_first_due(const struct proto_outbox *o, uint64_t now_ms)
{
	struct xfed_heap_item *first = xfed_heap_first(&o->deadlines);
	return first && first->at <= now_ms ? (struct outbox_node *)((char *)first - offsetof(struct outbox_node, due)) : NULL;
}
