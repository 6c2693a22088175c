#include "xfed/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "xfed/mem.h"

struct xfed_arena_block {
	struct xfed_arena_block *next;
	size_t size, used;
	_Alignas(max_align_t) char mem[];
};

#define ALIGNMENT   _Alignof(max_align_t)
#define FIRST_BLOCK (XFED_ARENA_KEEP - sizeof(struct xfed_arena_block))

void xfed_arena_init(struct xfed_arena *a, size_t cap_bytes)
{
	*a = (struct xfed_arena){ .cap_bytes = cap_bytes };
}

void xfed_arena_init_in(struct xfed_arena *a, size_t cap_bytes, struct xfed_arena_room *room)
{
	struct xfed_arena_block *b = (struct xfed_arena_block *)room->mem;
	b->next = NULL;
	b->size = FIRST_BLOCK;
	b->used = 0;
	*a = (struct xfed_arena){ .cap_bytes = cap_bytes, .head = b, .lent = b };
}

static void free_block(const struct xfed_arena *a, struct xfed_arena_block *b)
{
	if (b != a->lent) {
		xfed_free(b);
	}
}

void xfed_arena_deinit(struct xfed_arena *a)
{
	for (struct xfed_arena_block *b = a->head, *next; b; b = next) {
		next = b->next;
		free_block(a, b);
	}
	a->head = a->lent = NULL;
	a->taken_bytes = 0;
}

void xfed_arena_reset(struct xfed_arena *a)
{
	struct xfed_arena_block *keep = NULL;
	struct xfed_arena_block *b = a->head;
	a->taken_bytes = 0;
	while (b) {
		struct xfed_arena_block *next = b->next;
		if (!keep && sizeof(*b) + b->size <= XFED_ARENA_KEEP) {
			keep = b;
			keep->next = NULL;
			keep->used = 0;
			a->taken_bytes = b != a->lent ? sizeof(*b) + b->size : 0;
		} else {
			free_block(a, b);
		}
		b = next;
	}
	a->head = keep;
}

static struct xfed_arena_block *add_block(struct xfed_arena *a, size_t need)
{
	/* Blocks double up to 64 KiB, so that a large stanza needs only a few allocations. */
	size_t size = FIRST_BLOCK;
	if (a->head) {
		size = a->head->size * 2 < 65536 ? a->head->size * 2 : 65536;
	}
	if (size < need) {
		size = need;
	}
	size_t left = a->cap_bytes > a->taken_bytes ? a->cap_bytes - a->taken_bytes : 0;
	if (left < sizeof(struct xfed_arena_block) || left - sizeof(struct xfed_arena_block) < need) {
		return NULL;
	}
	if (size > left - sizeof(struct xfed_arena_block)) {
		size = left - sizeof(struct xfed_arena_block);
	}
	struct xfed_arena_block *b = xfed_malloc(sizeof(*b) + size);
	if (!b) {
		return NULL;
	}
	b->next = a->head;
	b->size = size;
	b->used = 0;
	a->head = b;
	a->taken_bytes += sizeof(*b) + size;
	return b;
}

void *xfed_arena_alloc(struct xfed_arena *a, size_t size)
{
	if (size > SIZE_MAX - ALIGNMENT) {
		return NULL;
	}
	size = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
	struct xfed_arena_block *b = a->head;
	if (!b || b->size - b->used < size) {
		b = add_block(a, size);
		if (!b) {
			return NULL;
		}
	}
	void *p = b->mem + b->used;
	b->used += size;
	memset(p, 0, size);
	return p;
}

struct xfed_span xfed_arena_copy(struct xfed_arena *a, struct xfed_span s)
{
	if (s.len == SIZE_MAX) {
		return (struct xfed_span){ NULL, 0 };
	}
	char *p = xfed_arena_alloc(a, s.len + 1);
	if (!p) {
		return (struct xfed_span){ NULL, 0 };
	}
	if (s.len > 0) {
		memcpy(p, s.data, s.len);
	}
	return xfed_span_make(p, s.len);
}

struct xfed_span xfed_arena_printf(struct xfed_arena *a, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0) {
		return (struct xfed_span){ NULL, 0 };
	}
	char *p = xfed_arena_alloc(a, (size_t)n + 1);
	if (!p) {
		return (struct xfed_span){ NULL, 0 };
	}
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return xfed_span_make(p, (size_t)n);
}
