/*
 * An arena: many small allocations freed together. `cap_bytes` limits what it takes from the allocator; beyond that xfed_arena_alloc()
 * returns NULL. xfed_arena_reset() keeps one block of at most XFED_ARENA_KEEP bytes, so that one reset per stanza usually needs no
 * allocation.
 */
#ifndef XFED_ARENA_H
#define XFED_ARENA_H

#include "xfed/base.h"

#define XFED_ARENA_KEEP 4096

struct xfed_arena_block;
struct xfed_arena {
	struct xfed_arena_block *head;
	size_t taken_bytes; /* taken from the allocator */
	size_t cap_bytes;
};

void xfed_arena_init(struct xfed_arena *a, size_t cap_bytes);
void xfed_arena_deinit(struct xfed_arena *a); /* zeroed or deinitialised arenas are fine */
void xfed_arena_reset(struct xfed_arena *a);

/* Zeroed memory aligned for any type, or NULL. Size 0 gives a valid pointer. */
void *xfed_arena_alloc(struct xfed_arena *a, size_t size);

/* A NUL-terminated copy; data NULL: no memory (a copy of an empty span has non-NULL data). */
struct xfed_span xfed_arena_copy(struct xfed_arena *a, struct xfed_span s);
struct xfed_span xfed_arena_printf(struct xfed_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
