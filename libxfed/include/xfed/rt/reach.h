/*
 * Which addresses somebody else's DNS may lead us to: none that is loopback, link-local, unspecified, multicast or broadcast,
 * and none of this host itself, in any form, unless a network the operator has listed holds it. Otherwise whoever runs a
 * zone could have us knock at services that trust our address. Private networks are reachable (partners may well be there), and so is
 * what a router in front of us translates, which we cannot know.
 */
#ifndef XFED_RT_REACH_H
#define XFED_RT_REACH_H

#include "xfed/rt/network.h"

#define RT_REACH_REFRESH_MS 5000 /* the host's own addresses are read again when they are this old, and somebody asks */

struct rt_reach {
	struct rt_addr *own; /* of the interfaces, sorted, without ports */
	size_t own_count;
	uint64_t read_at_ms; /* 0: not yet */
	bool is_stale;	     /* the last reading failed: those of the one before */
};

void rt_reach_deinit(struct rt_reach *r); /* zeroed is fine */
/* Reads the host's addresses. OK; LIBRARY (netlink is closed to us) or NOMEM: those of before stay. */
int rt_reach_read(struct rt_reach *r, uint64_t now_ms);
bool rt_reach_is_own(const struct rt_reach *r, const struct rt_addr *a); /* also of an address inside `a` */

/* NULL: a connection may go there; else what the address is, as words behind "is". */
const char *rt_reach_refuses(const struct rt_reach *r, const struct rt_network *allowed, size_t allowed_count, const struct rt_addr *a);

#endif
