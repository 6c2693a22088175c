/* Networks as text: "10.2.0.0/24", "2001:db8::/32", or one address. And the kind of an address, for addresses from other people's DNS. */
#ifndef XFED_RT_NETWORK_H
#define XFED_RT_NETWORK_H

#include "xfed/rt/addr.h"

struct rt_network {
	uint8_t bytes[16]; /* IPv4 in the first four */
	uint8_t bits;
	bool is_ipv6;
};

/* Bits beyond the prefix have to be 0. OK, INVALID. */
int rt_network_parse(struct xfed_span s, struct rt_network *out);
/* An IPv4 peer of a dual-stack socket appears as ::ffff:192.0.2.1, and matches IPv4 networks only, never ::/0. */
bool rt_network_holds(const struct rt_network *n, const struct rt_addr *a);

/* Many networks, for frequent use: sealed once (sorted in place, without networks contained in others), then searched. */
struct rt_network_set {
	struct rt_network *networks;
	size_t count;
};

void rt_network_set_seal(struct rt_network_set *s);
bool rt_network_set_holds(const struct rt_network_set *s, const struct rt_addr *a); /* one of its networks does */

/* ---- addresses that lead to ourselves or our own link only ---- */

enum rt_addr_kind {
	RT_ADDR_USUAL, /* also private networks (10.0.0.0/8, fc00::/7 ...), in which a partner may be */
	RT_ADDR_LOOPBACK,
	RT_ADDR_LINK_LOCAL,
	RT_ADDR_UNSPECIFIED, /* 0.0.0.0/8 and ::, which reach this host */
	RT_ADDR_MULTICAST,
	RT_ADDR_BROADCAST,
};

/* An IPv6 address that contains an IPv4 one (mapped, compatible, 6to4, NAT64) has the kind of that. */
enum rt_addr_kind rt_addr_kind(const struct rt_addr *a);
const char *rt_addr_kind_word(enum rt_addr_kind k); /* "a loopback address" */

/* The IPv4 address inside an IPv6 one, without port. False: there is none. */
bool rt_addr_embedded(const struct rt_addr *a, struct rt_addr *out);

#endif
