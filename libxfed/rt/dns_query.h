/* One question to the servers: datagrams, attempts, time-outs, TCP for truncated answers. */
#ifndef XFED_RT_DNS_QUERY_H
#define XFED_RT_DNS_QUERY_H

#include "xfed/rt/resolver.h"

/* Servers, reference-counted: a query keeps those it began with. */
struct dns_servers {
	struct rt_addr addr[RT_RESOLVER_SERVERS_MAX];
	size_t count;
	uint32_t timeout_ms;
	bool trust_ad;
};
struct dns_base {
	struct rt_loop *loop;
	struct xfed_env env;
	struct rt_resolver_stats *stats;
	struct dns_servers servers;
};

struct dns_query;

/* `base` outlives the query. `done` runs once, from the loop, and may free the query. OK, INVALID, NOMEM. */
int dns_query_start(
	const struct dns_base *base, struct xfed_span name, enum xfed_dns_type type, rt_resolve_fn done, void *user, struct dns_query **out);
/* Also releases the answer given to `done`. NULL is fine. */
void dns_query_free(struct dns_query *q);

#endif
