/*
 * An arena: many small allocations freed together. `cap_bytes` limits what it takes from the allocator; beyond that xfed_arena_alloc()
 * returns NULL. xfed_arena_reset() keeps one block of at most XFED_ARENA_KEEP bytes, so that one reset per stanza usually needs no
 * allocation.
 */
#ifndef XFED_ARENA_H
#define XFED_ARENA_H

#include <stddef.h>

#include "xfed/base.h"

#define XFED_ARENA_KEEP 4096

/* Memory of the caller's, mostly on its stack, that an arena uses first: most of what is done for one message needs no allocation then. */
struct xfed_arena_room {
	_Alignas(max_align_t) char mem[XFED_ARENA_KEEP];
};

struct xfed_arena_block;
struct xfed_arena {
	struct xfed_arena_block *head;
	struct xfed_arena_block *lent; /* in the caller's memory; NULL: none */
	size_t taken_bytes;	       /* taken from the allocator */
	size_t cap_bytes;
};

void xfed_arena_init(struct xfed_arena *a, size_t cap_bytes);
/* `room` is uninitialised (XFED_UNSET), and has to live as long as the arena. It is not counted in `cap_bytes`. */
void xfed_arena_init_in(struct xfed_arena *a, size_t cap_bytes, struct xfed_arena_room *room);
void xfed_arena_deinit(struct xfed_arena *a); /* zeroed or deinitialised arenas are fine */
void xfed_arena_reset(struct xfed_arena *a);

/* Zeroed memory aligned for any type, or NULL. Size 0 gives a valid pointer. */
void *xfed_arena_alloc(struct xfed_arena *a, size_t size);

/* A NUL-terminated copy; data NULL: no memory (a copy of an empty span has non-NULL data). */
struct xfed_span xfed_arena_copy(struct xfed_arena *a, struct xfed_span s);
struct xfed_span xfed_arena_printf(struct xfed_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
