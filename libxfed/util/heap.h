/*
 * A binary heap of things that wait for a time: the first one due is on top; adding, moving and removing take logarithmic time. It has
 * pointers to members of the things, and owns none.
 */
#ifndef XFED_UTIL_HEAP_H
#define XFED_UTIL_HEAP_H

#include "xfed/base.h"

/* A member of what waits; to be zeroed before first use. */
struct xfed_heap_item {
	uint64_t at;	/* its time, in any unit */
	uint64_t order; /* with equal times the lowest comes first */
	size_t place;	/* private: index + 1; 0: not in the heap */
};

struct xfed_heap {
	struct xfed_heap_item **items;
	size_t count, room;
};

void xfed_heap_deinit(struct xfed_heap *h); /* zeroed memory is fine; items are not changed */

/* Makes room for `count` items, so that adding one cannot fail. OK or NOMEM. */
int xfed_heap_reserve(struct xfed_heap *h, size_t count);

/* Adds the item, for which there has to be room, or moves it. */
void xfed_heap_set(struct xfed_heap *h, struct xfed_heap_item *item, uint64_t at, uint64_t order);
/* The same where what waits finds out itself, when its time comes, whether anything is due: an item that comes sooner already stays where it is. */
static inline void xfed_heap_set_by(struct xfed_heap *h, struct xfed_heap_item *item, uint64_t at)
{
	if (item->place == 0 || at < item->at) {
		xfed_heap_set(h, item, at, 0);
	}
}
void xfed_heap_remove(struct xfed_heap *h, struct xfed_heap_item *item); /* fine if it is not in the heap */

static inline struct xfed_heap_item *xfed_heap_first(const struct xfed_heap *h) /* NULL: none */
{
	return h->count > 0 ? h->items[0] : NULL;
}

#endif
