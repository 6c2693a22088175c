/*
 * An allocator that fails on demand, for sweeps: sip_failing_arm(n) lets n allocations pass and
 * refuses the next one. Counts what is still held, so a leak is seen without a sanitizer too.
 */
#ifndef TESTS_UNIT_SIP_FAILING_H
#define TESTS_UNIT_SIP_FAILING_H

#include <stdlib.h>

#include "xfed/mem.h"

static long failing_left = -1; /* -1: never */
static bool failing_hit;
static long failing_held;

static bool failing_now(void)
{
	if (failing_left < 0) {
		return false;
	}
	if (failing_left-- == 0) {
		failing_hit = true;
		return true;
	}
	return false;
}

static void *failing_malloc(size_t size)
{
	if (failing_now()) {
		return NULL;
	}
	void *p = malloc(size);
	failing_held += p != NULL;
	return p;
}

static void *failing_realloc(void *p, size_t size)
{
	if (failing_now()) {
		return NULL;
	}
	void *q = realloc(p, size);
	failing_held += q && !p;
	return q;
}

static void failing_free(void *p)
{
	failing_held -= p != NULL;
	free(p);
}

static const struct xfed_mem_hooks failing_hooks = { failing_malloc, failing_realloc, failing_free };

/* n allocations pass; negative: all of them. */
static void failing_arm(long n)
{
	failing_left = n;
	failing_hit = false;
}

#endif
