/*
 * The allocator of all of xfed. One set of functions per process, so that tests can make each allocation of ours fail. Sizes are in bytes.
 * All functions may return NULL; xfed_realloc with size 0 frees. xfed_free(NULL) is fine.
 */
#ifndef XFED_MEM_H
#define XFED_MEM_H

#include "xfed/base.h"

struct xfed_mem_hooks {
	void *(*malloc_fn)(size_t size);
	void *(*realloc_fn)(void *p, size_t size);
	void (*free_fn)(void *p);
};

/* Replaces the allocator; NULL restores malloc(3). Only before the first allocation or in single-threaded tests. */
void xfed_mem_set_hooks(const struct xfed_mem_hooks *hooks);

void *xfed_malloc(size_t size);
void *xfed_calloc(size_t count, size_t size); /* zeroed; fails if the product overflows */
void *xfed_realloc(void *p, size_t size);
void xfed_free(void *p);

/* False where a sanitizer looks for memory that is used too long: what is kept to be used again would hide it. */
#if defined(__SANITIZE_ADDRESS__)
#define XFED_REUSES_MEMORY 0
#elif defined(__has_feature)
#define XFED_REUSES_MEMORY (!__has_feature(address_sanitizer))
#else
#define XFED_REUSES_MEMORY 1
#endif

/* A NUL-terminated copy of `s`, released with xfed_free(); NULL: no memory. */
char *xfed_strndup(struct xfed_span s);
char *xfed_strdup(const char *s);

#endif
