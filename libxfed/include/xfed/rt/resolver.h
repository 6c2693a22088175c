/*
 * Asynchronous DNS with the configured recursive servers: a new socket, port, id and 0x20 case per query, TCP for truncated answers, a
 * limited cache, equal questions asked only once. Callbacks never run inside the call that asks; their arguments are borrowed for the
 * callback. /etc/hosts is not read.
 */
#ifndef XFED_RT_RESOLVER_H
#define XFED_RT_RESOLVER_H

#include "xfed/dns.h"
#include "xfed/reason.h"
#include "xfed/rt/addr.h"
#include "xfed/rt/loop.h"

struct rt_resolver;

#define RT_RESOLV_CONF		"/etc/resolv.conf"
#define RT_RESOLVER_SERVERS_MAX 8
#define RT_RESOLVER_TARGETS_MAX 16   /* SRV records used per answer */
#define RT_RESOLVER_PENDING_MAX 4096 /* open questions */

struct rt_resolver_options {
	const char *const *servers; /* "ADDRESS[:PORT]"; copied */
	size_t server_count;	    /* 0: those of resolv_conf, or 127.0.0.1 as resolv.conf(5) says */
	const char *resolv_conf;    /* NULL: /etc/resolv.conf */
	bool trust_ad;		    /* dns.dnssec: trust-ad */
	uint32_t timeout_ms;	    /* 0: XFED_DNS_TIMEOUT_MS */
};

/* OK; INVALID with one sentence in `error`; NOMEM. */
int rt_resolver_new(struct rt_loop *loop, const struct rt_resolver_options *options, struct rt_resolver **out, char *error, size_t error_size);
/*
 * Other servers from now on, and an empty cache; open questions stay with their servers. OK; after INVALID with one sentence in `error`
 * nothing has changed.
 */
int rt_resolver_configure(struct rt_resolver *r, const struct rt_resolver_options *options, char *error, size_t error_size);
/* Open questions get no answer. NULL is fine. Not allowed inside one of its callbacks. */
void rt_resolver_free(struct rt_resolver *r);

/*
 * False if trust_ad is set and a server is not on loopback: the caller warns. The AD bit is set only in answers from a loopback server with
 * trust_ad.
 */
bool rt_resolver_ad_is_usable(const struct rt_resolver *r);

/* The servers that are asked, with their ports; returns how many. */
size_t rt_resolver_servers(const struct rt_resolver *r, struct rt_addr out[RT_RESOLVER_SERVERS_MAX]);

struct rt_resolver_stats {
	uint64_t queries, tcp_queries, cache_hits, coalesced, timeouts, bogus_replies;
	size_t cache_entries, pending;
	size_t unanswered;	/* questions in a row without an answer from any server, up to now */
	uint64_t unanswered_ms; /* when the first of these ended */
};
void rt_resolver_stats(const struct rt_resolver *r, struct rt_resolver_stats *out);

/* ---- one question ---- */

struct rt_resolve; /* an open question; invalid after its callback or its cancel */

/* `answer` is NULL if there is none; then `reason` is dns.timeout, or stream.internal for an internal error. */
typedef void (*rt_resolve_fn)(void *user, const struct xfed_dns_answer *answer, enum xfed_reason reason);

/*
 * `name` in A-labels. OK, and `*out` (may be NULL) can be cancelled; INVALID (not a name); LIMIT (RT_RESOLVER_PENDING_MAX); NOMEM.
 */
int rt_resolve(struct rt_resolver *r, struct xfed_span name, enum xfed_dns_type type, rt_resolve_fn fn, void *user, struct rt_resolve **out);
void rt_resolve_cancel(struct rt_resolve *q); /* NULL is fine */

/*
 * One question to that server alone (NULL: to the configured ones, in their order), past the cache: for who wants to know what is
 * published now. As rt_resolve(); to be cancelled before the resolver is freed.
 */
struct rt_resolve_at; /* invalid after its callback or its cancel */
int rt_resolve_at(struct rt_resolver *r, const struct rt_addr *server, struct xfed_span name, enum xfed_dns_type type, rt_resolve_fn fn, void *user,
	struct rt_resolve_at **out);
void rt_resolve_at_cancel(struct rt_resolve_at *q); /* NULL is fine */

/* ---- where to connect ---- */

struct rt_endpoint {
	struct rt_addr addr;	 /* with port */
	struct xfed_span target; /* the host name asked for, A-labels; of a numeric host its text */
	bool is_ad;		 /* SRV and address were both authenticated (trust_ad) */
};

struct rt_endpoints {
	enum xfed_reason reason;	/* NONE: there is at least one; else dns.*, or stream.internal */
	const struct rt_endpoint *list; /* in the order to try: SRV order, of each target its IPv4 then its IPv6 addresses */
	size_t count;
	bool is_from_srv;
	uint32_t ttl_s;
};

struct rt_lookup; /* invalid after its callback or its cancel */
typedef void (*rt_lookup_fn)(void *user, const struct rt_endpoints *result);

/*
 * `service` ("_xmpp-server._tcp") at `domain` (A-labels, or an address): RFC 6120 section 3.2 with RFC 2782 order. SRV
 * answered: only its targets, "." is dns.srv.refused. No SRV: the addresses of the domain itself at `default_port`.
 * SERVFAIL is dns.bogus, nothing at all dns.name.missing, silence dns.timeout. OK, INVALID, LIMIT, NOMEM.
 */
int rt_resolve_service(struct rt_resolver *r, struct xfed_span domain, const char *service, uint16_t default_port, rt_lookup_fn fn, void *user,
	struct rt_lookup **out);
/* The addresses of `host`: a name, an address (brackets allowed), or localhost. OK, INVALID, LIMIT, NOMEM. */
int rt_resolve_host(struct rt_resolver *r, struct xfed_span host, uint16_t port, rt_lookup_fn fn, void *user, struct rt_lookup **out);
void rt_lookup_cancel(struct rt_lookup *l); /* NULL is fine */

#endif
