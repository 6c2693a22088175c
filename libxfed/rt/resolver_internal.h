/* The interface between resolver.c (questions) and lookup.c (where to connect). */
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
	struct question *questions; /* open questions, by key */
	struct rt_resolve *cached;  /* answered from the cache, to be passed on in a later turn */
	struct rt_lookup *lookups;
	unsigned configured; /* counts configurations: answers from servers that are not configured any more are not kept */
};

/* lookup.c: ends every lookup without a callback. */
void rt_lookup_drop_all(struct rt_resolver *r);

#endif
