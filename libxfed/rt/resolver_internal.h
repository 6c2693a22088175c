/*
 * The resolver as resolver.c (questions) and lookup.c (where to connect) share it.
 */
#ifndef XFED_RT_RESOLVER_INTERNAL_H
#define XFED_RT_RESOLVER_INTERNAL_H

#include "rt/dns_cache.h"
#include "rt/dns_query.h"

struct question;

struct rt_resolver {
	struct rt_loop *loop;
	struct rt_resource resource;
	struct dns_base base;
	struct rt_resolver_stats stats;
	struct dns_cache cache;
	struct question *questions; /* under way, by key */
	struct rt_resolve *cached;  /* answered from the cache, to be told in a later turn */
	struct rt_lookup *lookups;
	unsigned configured; /* how often: an answer of servers we do not ask any more is not kept */
};

/* lookup.c: ends every lookup without a callback. */
void rt_lookup_drop_all(struct rt_resolver *r);

#endif
