#include "xfed/rt/reach.h"

#include <ifaddrs.h>
#include <stdlib.h>

#include "xfed/mem.h"

void rt_reach_deinit(struct rt_reach *r)
{
	xfed_free(r->own);
	*r = (struct rt_reach){ 0 };
}

static const void *host_of(const struct rt_addr *a, size_t *len)
{
	*len = a->sa.sa_family == AF_INET ? sizeof(a->in.sin_addr) : sizeof(a->in6.sin6_addr);
	return a->sa.sa_family == AF_INET ? (const void *)&a->in.sin_addr : (const void *)&a->in6.sin6_addr;
}

static int compare(const void *x, const void *y)
{
	const struct rt_addr *a = x, *b = y;
	size_t len;
	if (a->sa.sa_family != b->sa.sa_family) {
		return a->sa.sa_family < b->sa.sa_family ? -1 : 1;
	}
	const void *left = host_of(a, &len);
	return memcmp(left, host_of(b, &len), len);
}

int rt_reach_read(struct rt_reach *r, uint64_t now_ms)
{
	struct ifaddrs *list = NULL;
	size_t count = 0, n = 0;
	r->read_at_ms = now_ms;
	r->is_stale = true;
	if (getifaddrs(&list) != 0) {
		return XFED_ERR_LIBRARY;
	}
	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		count++;
	}
	struct rt_addr *own = xfed_calloc(count + 1, sizeof(*own));
	for (const struct ifaddrs *i = list; own && i; i = i->ifa_next) {
		rt_addr_make(&own[n], i->ifa_addr);
		n += own[n].sa.sa_family != AF_UNSPEC;
	}
	freeifaddrs(list);
	if (!own) {
		return XFED_ERR_NOMEM;
	}
	qsort(own, n, sizeof(*own), compare);
	xfed_free(r->own);
	r->own = own;
	r->own_count = n;
	r->is_stale = false;
	return XFED_OK;
}

bool rt_reach_is_own(const struct rt_reach *r, const struct rt_addr *a)
{
	struct rt_addr v4;
	if (r->own_count > 0 && bsearch(a, r->own, r->own_count, sizeof(*r->own), compare)) {
		return true;
	}
	return rt_addr_embedded(a, &v4) && rt_reach_is_own(r, &v4);
}

const char *rt_reach_refuses(const struct rt_reach *r, const struct rt_network *allowed, size_t allowed_count, const struct rt_addr *a)
{
	enum rt_addr_kind kind = rt_addr_kind(a);
	bool is_own = kind == RT_ADDR_USUAL && rt_reach_is_own(r, a);
	if (kind == RT_ADDR_USUAL && !is_own) {
		return NULL;
	}
	for (size_t i = 0; i < allowed_count; i++) {
		if (rt_network_holds(&allowed[i], a)) {
			return NULL;
		}
	}
	return is_own ? "an address of this host" : rt_addr_kind_word(kind);
}
