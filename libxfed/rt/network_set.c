/* Many networks in order: one binary search, however many there are. */
#include <stdlib.h>

#include "xfed/rt/network.h"

/* Compares the first `bits` bits. Two networks contain one another or have nothing in common, so addresses can be ordered among networks. */
static int compare(const struct rt_network *x, const struct rt_network *y, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	int difference = x->is_ipv6 != y->is_ipv6 ? x->is_ipv6 - y->is_ipv6 : memcmp(x->bytes, y->bytes, whole);
	if (difference != 0 || rest == 0) {
		return difference;
	}
	return (x->bytes[whole] >> (8 - rest)) - (y->bytes[whole] >> (8 - rest));
}

static int compare_networks(const void *x, const void *y)
{
	const struct rt_network *a = x, *b = y;
	int difference = compare(a, b, 128); /* unused bytes are 0 */
	return difference != 0 ? difference : a->bits - b->bits;
}

void rt_network_set_seal(struct rt_network_set *s)
{
	size_t kept = 0;
	if (s->count > 0) {
		qsort(s->networks, s->count, sizeof(*s->networks), compare_networks);
	}
	for (size_t i = 0; i < s->count; i++) {
		const struct rt_network *last = kept > 0 ? &s->networks[kept - 1] : NULL;
		if (!last || compare(&s->networks[i], last, last->bits) != 0) {
			s->networks[kept++] = s->networks[i];
		}
	}
	s->count = kept;
}

static int compare_to_network(const void *key, const void *item)
{
	const struct rt_network *n = item;
	return compare(key, n, n->bits);
}

bool rt_network_set_holds(const struct rt_network_set *s, const struct rt_addr *a)
{
	struct rt_network key = { .is_ipv6 = false };
	struct in_addr v4;
	if (rt_addr_v4(a, &v4)) {
		memcpy(key.bytes, &v4, sizeof(v4));
	} else if (a->sa.sa_family == AF_INET6) {
		key.is_ipv6 = true;
		memcpy(key.bytes, &a->in6.sin6_addr, sizeof(key.bytes));
	} else {
		return false;
	}
	return s->count > 0 && bsearch(&key, s->networks, s->count, sizeof(*s->networks), compare_to_network);
}
