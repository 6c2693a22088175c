/*
 * DNS messages (ldns) and SRV order, as data. Carrying the bytes, ports, ids and time-outs is rt's resolver.
 */
#ifndef XFED_DNS_H
#define XFED_DNS_H

#include "xfed/arena.h"
#include "xfed/base.h"
#include "xfed/env.h"

enum xfed_dns_type { XFED_DNS_A = 1, XFED_DNS_AAAA = 28, XFED_DNS_SRV = 33, XFED_DNS_NAPTR = 35, XFED_DNS_TLSA = 52 };

/*
 * Query for `name` (A-labels, no trailing dot needed) with `id`, RD, EDNS0 of XFED_DNS_EDNS_BYTES, and 0x20 case from
 * env's random bytes. Writes wire format to `out`. OK, INVALID, LIMIT.
 */
int xfed_dns_query(const struct xfed_env *env, struct xfed_span name, enum xfed_dns_type type, uint16_t id, uint8_t *out, size_t size, size_t *len);

enum xfed_dns_status {
	XFED_DNS_OK,	      /* records of the type asked for */
	XFED_DNS_NO_DATA,     /* the name exists, or not (nxdomain tells), without such records */
	XFED_DNS_TRUNCATED,   /* ask again over TCP */
	XFED_DNS_SERVFAIL,    /* SERVFAIL, REFUSED, ... of the server */
	XFED_DNS_BOGUS_REPLY, /* not an answer to our question: ignore, keep waiting */
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
	uint32_t ttl_s; /* lowest of the chain, clamped; negative answers: from the SOA */
	struct xfed_dns_record *records;
	size_t count;
};

/*
 * Parses a reply to the query in `query` (its wire form, for id, question echo with 0x20, type). CNAMEs are followed
 * inside the message, at most XFED_DNS_CNAMES_MAX; records off the chain are ignored (bailiwick). Memory is the arena's.
 */
int xfed_dns_parse(struct xfed_arena *a, struct xfed_span query, struct xfed_span reply, struct xfed_dns_answer *out);

/* Sorts SRV records in place into the order of RFC 2782 (priority; weighted random inside, zero weights last but possible). */
void xfed_dns_srv_order(const struct xfed_env *env, struct xfed_dns_record *records, size_t count);

#endif
