/* DNS messages (by ldns) and the order of SRV records, without I/O. rt/resolver sends the bytes, and has ports, ids and time-outs. */
#ifndef XFED_DNS_H
#define XFED_DNS_H

#include "xfed/arena.h"
#include "xfed/base.h"
#include "xfed/env.h"

enum xfed_dns_type { XFED_DNS_A = 1, XFED_DNS_AAAA = 28, XFED_DNS_SRV = 33, XFED_DNS_NAPTR = 35, XFED_DNS_TLSA = 52 };

/*
 * A query for `name` (A-labels, with or without final dot) with `id`, RD, EDNS0 of XFED_DNS_EDNS_BYTES, and its case mixed (0x20) with
 * random bytes of env. Writes wire format to `out`. OK, INVALID, LIMIT.
 */
int xfed_dns_query(const struct xfed_env *env, struct xfed_span name, enum xfed_dns_type type, uint16_t id, uint8_t *out, size_t size, size_t *len);

enum xfed_dns_status {
	XFED_DNS_OK,	      /* there are records of the requested type */
	XFED_DNS_NO_DATA,     /* there are none; nxdomain: the name does not exist */
	XFED_DNS_TRUNCATED,   /* ask again over TCP */
	XFED_DNS_SERVFAIL,    /* SERVFAIL, REFUSED, ... of the server */
	XFED_DNS_BOGUS_REPLY, /* not a reply to our question: ignore it and keep waiting */
};

struct xfed_dns_record {
	enum xfed_dns_type type;
	union {
		uint8_t a[4];
		uint8_t aaaa[16];
		struct {
			uint16_t priority, weight, port;
			struct xfed_span target; /* "." or A-labels lower case without dot */
		} srv;
		struct {
			uint16_t order, preference;
			struct xfed_span flags, services, regexp, replacement;
		} naptr;
		struct {
			uint8_t usage, selector, matching;
			struct xfed_span data;
		} tlsa;
	};
};

struct xfed_dns_answer {
	enum xfed_dns_status status;
	bool nxdomain, ad;
	uint32_t ttl_s; /* the lowest of the chain, clamped; for negative answers from the SOA */
	struct xfed_dns_record *records;
	size_t count;
};

/*
 * Parses a reply to `query` (in wire form, for its id, type and question with 0x20). CNAMEs are followed within the message, at most
 * XFED_DNS_CNAMES_MAX; records that do not belong to the chain are ignored. Uses memory of the arena.
 */
int xfed_dns_parse(struct xfed_arena *a, struct xfed_span query, struct xfed_span reply, struct xfed_dns_answer *out);

/* Sorts SRV records in place in the order of RFC 2782 (by priority; within it weighted random, weight 0 last but possible). */
void xfed_dns_srv_order(const struct xfed_env *env, struct xfed_dns_record *records, size_t count);

#endif
