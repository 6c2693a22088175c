/*
 * What waits for its time, as a binary heap: the first one due is on top; adding, moving and removing cost the logarithm of
 * their number. The heap holds pointers to members of what waits, and owns none of it.
 */
#ifndef XFED_UTIL_HEAP_H
#define XFED_UTIL_HEAP_H

#include "xfed/base.h"

/* Part of what waits; zero it before first use. */
struct xfed_heap_item {
	uint64_t at;	/* its time, in the unit of the caller */
	uint64_t order; /* of those of one time the lowest comes first */
	size_t place;	/* the heap's: index + 1; 0: not in it */
};

struct xfed_heap {
	struct xfed_heap_item **items;
	size_t count, room;
};

void xfed_heap_deinit(struct xfed_heap *h); /* zeroed is fine; the items are not touched */

/* Makes sure `count` items have a place, so that adding one cannot fail. OK or NOMEM. */
int xfed_heap_reserve(struct xfed_heap *h, size_t count);

/* Adds the item, for which there has to be a place, or moves it. */
void xfed_heap_set(struct xfed_heap *h, struct xfed_heap_item *item, uint64_t at, uint64_t order);
void xfed_heap_remove(struct xfed_heap *h, struct xfed_heap_item *item); /* fine when it is not in it */

static inline struct xfed_heap_item *xfed_heap_first(const struct xfed_heap *h) /* NULL: none */
{
	return h->count > 0 ? h->items[0] : NULL;
}

#endif
