#include "util/heap.h"

#include "xfed/mem.h"

#define FIRST_ROOM 64

void xfed_heap_deinit(struct xfed_heap *h)
{
	xfed_free(h->items);
	*h = (struct xfed_heap){ 0 };
}

int xfed_heap_reserve(struct xfed_heap *h, size_t count)
{
	if (count <= h->room) {
		return XFED_OK;
	}
	size_t room = h->room > 0 ? h->room : FIRST_ROOM;
	while (room < count) {
		room *= 2;
	}
	struct xfed_heap_item **items = xfed_realloc(h->items, room * sizeof(struct xfed_heap_item *));
	if (!items) {
		return XFED_ERR_NOMEM;
	}
	h->items = items;
	h->room = room;
	return XFED_OK;
}

static bool is_before(const struct xfed_heap_item *a, const struct xfed_heap_item *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void put(struct xfed_heap *h, size_t i, struct xfed_heap_item *item)
{
	h->items[i] = item;
	item->place = i + 1;
}

/* Puts the item at `i`, or moves it up or down from there. */
static void settle(struct xfed_heap *h, size_t i, struct xfed_heap_item *item)
{
	while (i > 0 && is_before(item, h->items[(i - 1) / 2])) {
		put(h, i, h->items[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	for (size_t child = 2 * i + 1; child < h->count; child = 2 * i + 1) {
		if (child + 1 < h->count && is_before(h->items[child + 1], h->items[child])) {
			child++;
		}
		if (!is_before(h->items[child], item)) {
			break;
		}
		put(h, i, h->items[child]);
		i = child;
	}
	put(h, i, item);
}

void xfed_heap_set(struct xfed_heap *h, struct xfed_heap_item *item, uint64_t at, uint64_t order)
{
	item->at = at;
	item->order = order;
	if (item->place == 0) {
		XFED_REQUIRE(h->count < h->room);
		item->place = ++h->count;
	}
	settle(h, item->place - 1, item);
}

void xfed_heap_remove(struct xfed_heap *h, struct xfed_heap_item *item)
{
	if (item->place == 0) {
		return;
	}
	size_t i = item->place - 1;
	struct xfed_heap_item *last = h->items[--h->count];
	item->place = 0;
	if (last != item) {
		settle(h, i, last);
	}
}
