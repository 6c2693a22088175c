#include "xfed/mem.h"

#include <stdlib.h>

static const struct xfed_mem_hooks defaults = { malloc, realloc, free };
static struct xfed_mem_hooks hooks = { malloc, realloc, free };

void xfed_mem_set_hooks(const struct xfed_mem_hooks *h)
{
	hooks = h ? *h : defaults;
}

void *xfed_malloc(size_t size)
{
	return hooks.malloc_fn(size > 0 ? size : 1);
}

void *xfed_calloc(size_t count, size_t size)
{
	size_t total;
	if (__builtin_mul_overflow(count, size, &total)) {
		return NULL;
	}
	void *p = xfed_malloc(total);
	if (p) {
		memset(p, 0, total);
	}
	return p;
}

void *xfed_realloc(void *p, size_t size)
{
	if (size == 0) {
		xfed_free(p);
		return NULL;
	}
	return hooks.realloc_fn(p, size);
}

void xfed_free(void *p)
{
	if (p) {
		hooks.free_fn(p);
	}
}

char *xfed_strndup(struct xfed_span s)
{
	char *p = xfed_malloc(s.len + 1);
	if (!p) {
		return NULL;
	}
	if (s.len > 0) {
		memcpy(p, s.data, s.len);
	}
	p[s.len] = '\0';
	return p;
}

char *xfed_strdup(const char *s)
{
	return s ? xfed_strndup(xfed_span_str(s)) : NULL;
}
