/*
 * Which addresses other people's DNS may lead us to: none that is loopback, link-local, unspecified, multicast or broadcast, and none of
 * this host itself, in any form, unless it is in a network the operator has listed. Otherwise the owner of a zone could make us connect to
 * services that trust our address. Private networks are allowed (a partner may be there), and so are addresses that a router in front of us
 * translates, which we cannot know.
 */
#ifndef XFED_RT_REACH_H
#define XFED_RT_REACH_H

#include "xfed/rt/network.h"

#define RT_REACH_REFRESH_MS 5000 /* the host's addresses are read again when they are older than this and needed */

struct rt_reach {
	struct rt_addr *own; /* of the interfaces, sorted, without port */
	size_t own_count;
	uint64_t read_at_ms; /* 0: not read yet */
	bool is_stale;	     /* the last reading failed, so these are those of the one before */
};

void rt_reach_deinit(struct rt_reach *r); /* zeroed is fine */
/* Reads the host's addresses. OK; after LIBRARY (netlink is denied) and NOMEM the previous ones are kept. */
int rt_reach_read(struct rt_reach *r, uint64_t now_ms);
bool rt_reach_is_own(const struct rt_reach *r, const struct rt_addr *a); /* also for an address contained in `a` */

/* NULL: a connection may go there; else what the address is, in words that follow "is". */
const char *rt_reach_refuses(const struct rt_reach *r, const struct rt_network *allowed, size_t allowed_count, const struct rt_addr *a);

#endif
