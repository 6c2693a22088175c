/* What a firewall has to let through so that a service works, as rows of an answer; xfedctl makes a table or nftables of them. */
#ifndef XFED_RT_FIREWALL_H
#define XFED_RT_FIREWALL_H

#include <jansson.h>

#include "xfed/rt/conf_base.h"
#include "xfed/rt/resolver.h"

struct rt_firewall_row {
	bool is_out;	      /* we connect; else others connect to us */
	const char *protocol; /* "tcp", "udp" */
	const char *own;      /* in: the address of ours; NULL or a wildcard: any */
	json_t *networks;     /* of the other side: "192.0.2.1", "10.0.0.0/8"; taken over; empty or NULL: any */
	const char *peer;     /* the other side in words */
	uint16_t port;	      /* of who is connected to */
	const char *why;
};
void rt_firewall_add(json_t *rows, const struct rt_firewall_row *row);

/* What both services have: DNS, and metrics where others than this host can read them. */
void rt_firewall_add_base(json_t *rows, const struct rt_conf_base *c, const struct rt_resolver *resolver);

/* {"name", "role", "for"?, "user": our user id, "instance": bool, "rows"}; steals `rows`. */
json_t *rt_firewall_answer(const struct rt_conf_base *c, const char *role, const json_t *args, json_t *rows);

#endif
