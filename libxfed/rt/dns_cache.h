/*
 * Answers by name and type, kept for their TTL: at most `max_entries`, of which the least recently used is dropped. The key is the type and
 * the lower-case name. No I/O; times are arguments.
 */
#ifndef XFED_RT_DNS_CACHE_H
#define XFED_RT_DNS_CACHE_H

#include "util/table.h"
#include "xfed/dns.h"

#define DNS_KEY_BYTES (2 + 253)

struct dns_key {
	uint8_t bytes[DNS_KEY_BYTES];
	size_t len;
};

/* A final dot is left out. OK; INVALID: the name is too long or empty. */
int dns_key_make(struct dns_key *key, struct xfed_span name, enum xfed_dns_type type);

struct dns_cache_entry;
struct dns_cache {
	struct dns_cache_entry *table;
	struct dns_cache_entry *by_use; /* least recently used first */
	size_t count, max_entries;
};

void dns_cache_init(struct dns_cache *c, size_t max_entries);
void dns_cache_flush(struct dns_cache *c);

/* NULL, or the answer with the rest of its ttl_s; owned by the cache, valid until the next call. */
const struct xfed_dns_answer *dns_cache_find(struct dns_cache *c, const struct dns_key *key, uint64_t now_ms);
/* Keeps a copy for ttl_s. Without memory it is not kept, which is no error. */
void dns_cache_put(struct dns_cache *c, const struct dns_key *key, const struct xfed_dns_answer *answer, uint64_t now_ms);

/* A copy in one block, released with xfed_free(); NULL: no memory. */
struct xfed_dns_answer *dns_answer_dup(const struct xfed_dns_answer *a);

#endif
