/*
 * Runs a scenario again and again, failing one more allocation each time until none is left to fail: it must neither
 * crash nor leak. Returns how many times it ran.
 */
#ifndef TESTS_UNIT_GATEWAY_SWEEP_H
#define TESTS_UNIT_GATEWAY_SWEEP_H

#include <stdlib.h>

#include "xfed/mem.h"

static long sweep_left, sweep_held;
static bool sweep_hit;

static bool sweep_fails(void)
{
	sweep_hit = sweep_hit || sweep_left == 0;
	return sweep_left-- == 0;
}

static void *sweep_malloc(size_t size)
{
	void *p = sweep_fails() ? NULL : malloc(size);
	sweep_held += p != NULL;
	return p;
}

static void *sweep_realloc(void *p, size_t size)
{
	void *q = sweep_fails() ? NULL : realloc(p, size);
	sweep_held += q && !p;
	return q;
}

static void sweep_free(void *p)
{
	sweep_held -= p != NULL;
	free(p);
}

static size_t sweep(void (*scenario)(void))
{
	static const struct xfed_mem_hooks hooks = { sweep_malloc, sweep_realloc, sweep_free };
	size_t runs = 0;
	xfed_mem_set_hooks(&hooks);
	do {
		sweep_left = (long)runs++;
		sweep_held = 0;
		sweep_hit = false;
		scenario();
		assert_int_equal(sweep_held, 0);
	} while (sweep_hit);
	xfed_mem_set_hooks(NULL);
	return runs;
}

#endif
