#include <netinet/in.h>
#include <stdio.h>
#include <utlist.h>

#include "dns/name.h"
#include "rt/resolver_internal.h"
#include "xfed/limits.h"
#include "xfed/mem.h"

#define TARGETS_MAX  RT_RESOLVER_TARGETS_MAX
#define NAME_BYTES   253
#define LOOKUP_BYTES (512 * 1024) /* of one lookup's arena */

/* A or AAAA of one target. */
struct leg {
	struct rt_lookup *lookup;
	struct rt_resolve *request;	      /* running; NULL: none */
	const struct xfed_dns_answer *answer; /* memory of `owned` */
	struct xfed_dns_answer *owned;
};

struct target {
	struct xfed_span name;
	uint16_t port;
	struct rt_addr literal; /* AF_UNSPEC: a name */
	struct leg legs[2];	/* IPv4, IPv6 */
};

struct rt_lookup {
	struct rt_lookup *prev, *next;
	struct rt_resolver *resolver;
	struct rt_post post; /* to finish, or to start with the targets, in a later turn */
	struct rt_resolve *srv;
	struct xfed_arena arena;
	struct target *targets;
	size_t target_count, legs_open;
	uint16_t port;
	struct xfed_span domain;
	bool is_from_srv, srv_ad, is_telling;
	uint32_t ttl_s;
	enum xfed_reason reason; /* the worst failure so far, reported if nothing is found */
	rt_lookup_fn fn;
	void *user;
};

static void free_lookup(struct rt_lookup *l)
{
	rt_post_cancel(&l->post);
	rt_resolve_cancel(l->srv);
	for (size_t i = 0; i < l->target_count; i++) {
		for (size_t k = 0; k < XFED_ARRAY_LEN(l->targets[i].legs); k++) {
			rt_resolve_cancel(l->targets[i].legs[k].request);
			xfed_free(l->targets[i].legs[k].owned);
		}
	}
	DL_DELETE(l->resolver->lookups, l);
	xfed_arena_deinit(&l->arena);
	xfed_free(l);
}

void rt_lookup_cancel(struct rt_lookup *l)
{
	if (l && !l->is_telling) {
		free_lookup(l);
	}
}

void rt_lookup_drop_all(struct rt_resolver *r)
{
	while (r->lookups) {
		free_lookup(r->lookups);
	}
}

/* Which of several failures to report: a time-out before a server's error, that before an empty answer. */
static unsigned weight(enum xfed_reason reason)
{
	static const enum xfed_reason by_weight[] = { XFED_REASON_NONE, XFED_REASON_DNS_NAME_MISSING, XFED_REASON_DNS_BOGUS, XFED_REASON_DNS_TIMEOUT,
		XFED_REASON_STREAM_INTERNAL, XFED_REASON_DNS_SRV_REFUSED };
	unsigned i = 0;
	while (i + 1 < XFED_ARRAY_LEN(by_weight) && by_weight[i] != reason) {
		i++;
	}
	return i;
}

static void note(struct rt_lookup *l, enum xfed_reason reason)
{
	if (weight(reason) > weight(l->reason)) {
		l->reason = reason;
	}
}

static void note_ttl(struct rt_lookup *l, const struct xfed_dns_answer *answer)
{
	l->ttl_s = answer->ttl_s < l->ttl_s ? answer->ttl_s : l->ttl_s;
}

/* ---- the result ---- */

static size_t count_endpoints(const struct rt_lookup *l)
{
	size_t count = 0;
	for (size_t i = 0; i < l->target_count; i++) {
		const struct target *t = &l->targets[i];
		count += t->literal.sa.sa_family != AF_UNSPEC ? 1 : 0;
		for (size_t k = 0; k < XFED_ARRAY_LEN(t->legs); k++) {
			count += t->legs[k].answer ? t->legs[k].answer->count : 0;
		}
	}
	return count;
}

static void address_of(const struct xfed_dns_record *r, uint16_t port, struct rt_addr *out)
{
	*out = (struct rt_addr){ .sa.sa_family = AF_UNSPEC };
	if (r->type == XFED_DNS_A) {
		out->in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
		memcpy(&out->in.sin_addr, r->a, sizeof(r->a));
	} else {
		out->in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
		memcpy(&out->in6.sin6_addr, r->aaaa, sizeof(r->aaaa));
	}
}

static size_t list_target(const struct rt_lookup *l, const struct target *t, struct rt_endpoint *out)
{
	size_t n = 0;
	if (t->literal.sa.sa_family != AF_UNSPEC) {
		out[n++] = (struct rt_endpoint){ .addr = t->literal, .target = t->name };
	}
	for (size_t k = 0; k < XFED_ARRAY_LEN(t->legs); k++) {
		const struct xfed_dns_answer *answer = t->legs[k].answer;
		for (size_t i = 0; answer && i < answer->count; i++) {
			bool is_ad = answer->ad && (!l->is_from_srv || l->srv_ad);
			out[n] = (struct rt_endpoint){ .target = t->name, .is_ad = is_ad };
			address_of(&answer->records[i], t->port, &out[n++].addr);
		}
	}
	return n;
}

/* The callback comes last; the lookup has been freed then. */
static void finish(struct rt_lookup *l)
{
	struct rt_endpoints result = { .is_from_srv = l->is_from_srv, .ttl_s = l->ttl_s == UINT32_MAX ? XFED_DNS_TTL_MIN_S : l->ttl_s };
	size_t count = count_endpoints(l);
	struct rt_endpoint *list = count > 0 ? xfed_arena_alloc(&l->arena, count * sizeof(*list)) : NULL;
	if (list) {
		for (size_t i = 0; i < l->target_count; i++) {
			result.count += list_target(l, &l->targets[i], list + result.count);
		}
		result.list = list;
	} else {
		note(l, count > 0 ? XFED_REASON_STREAM_INTERNAL : XFED_REASON_DNS_NAME_MISSING);
		result.reason = l->reason;
	}
	l->is_telling = true;
	l->fn(l->user, &result);
	free_lookup(l);
}

static void on_post(void *arg)
{
	finish(arg);
}

/* ---- addresses of the targets, all at once ---- */

static void on_address(void *user, const struct xfed_dns_answer *answer, enum xfed_reason reason)
{
	struct leg *leg = user;
	struct rt_lookup *l = leg->lookup;
	leg->request = NULL;
	if (!answer) {
		note(l, reason);
	} else if (answer->status == XFED_DNS_OK) {
		note_ttl(l, answer);
		leg->owned = dns_answer_dup(answer);
		leg->answer = leg->owned;
		if (!leg->owned) {
			note(l, XFED_REASON_STREAM_INTERNAL);
		}
	} else if (answer->status == XFED_DNS_SERVFAIL) {
		note(l, XFED_REASON_DNS_BOGUS);
	}
	if (--l->legs_open == 0) {
		finish(l);
	}
}

static bool ends_with_label(struct xfed_span name, struct xfed_span label)
{
	if (name.len < label.len) {
		return false;
	}
	size_t at = name.len - label.len;
	return xfed_span_eq_nocase(xfed_span_make(name.data + at, label.len), label) && (at == 0 || name.data[at - 1] == '.');
}

/* RFC 6761 section 6.3: the DNS is not asked for localhost. */
static const struct xfed_dns_answer *localhost(size_t family)
{
	static struct xfed_dns_record v4 = { .type = XFED_DNS_A, .a = { 127, 0, 0, 1 } };
	static struct xfed_dns_record v6 = { .type = XFED_DNS_AAAA, .aaaa = { [15] = 1 } };
	static const struct xfed_dns_answer answers[2] = {
		{ .status = XFED_DNS_OK, .ttl_s = XFED_DNS_TTL_MAX_S, .records = &v4, .count = 1 },
		{ .status = XFED_DNS_OK, .ttl_s = XFED_DNS_TTL_MAX_S, .records = &v6, .count = 1 },
	};
	return &answers[family];
}

static void start_target(struct rt_lookup *l, struct target *t)
{
	static const enum xfed_dns_type types[2] = { XFED_DNS_A, XFED_DNS_AAAA };
	if (rt_addr_parse_host(&t->literal, t->name, t->port) == XFED_OK) {
		return;
	}
	for (size_t k = 0; k < XFED_ARRAY_LEN(t->legs); k++) {
		struct leg *leg = &t->legs[k];
		leg->lookup = l;
		if (ends_with_label(t->name, XFED_SPAN("localhost"))) {
			leg->answer = localhost(k);
			continue;
		}
		int rc = rt_resolve(l->resolver, t->name, types[k], on_address, leg, &leg->request);
		if (rc == XFED_OK) {
			l->legs_open++;
		} else if (rc != XFED_ERR_INVALID) {
			note(l, XFED_REASON_STREAM_INTERNAL);
		}
	}
}

/* Ends with finish(), always in a later turn. */
static void start_targets(struct rt_lookup *l)
{
	for (size_t i = 0; i < l->target_count; i++) {
		start_target(l, &l->targets[i]);
	}
	if (l->legs_open == 0) {
		rt_post_schedule(&l->post);
	}
}

/* ---- SRV ---- */

static void targets_of_srv(struct rt_lookup *l, const struct xfed_dns_answer *answer)
{
	size_t count = answer->count;
	struct xfed_dns_record *r = xfed_arena_alloc(&l->arena, count * sizeof(*r));
	l->targets = xfed_arena_alloc(&l->arena, TARGETS_MAX * sizeof(*l->targets));
	if (!r || !l->targets) {
		note(l, XFED_REASON_STREAM_INTERNAL);
		return;
	}
	memcpy(r, answer->records, count * sizeof(*r));
	xfed_dns_srv_order(&l->resolver->base.env, r, count);
	for (size_t i = 0; i < count && l->target_count < TARGETS_MAX; i++) {
		if (xfed_span_is(r[i].srv.target, ".")) {
			continue;
		}
		struct target *t = &l->targets[l->target_count];
		t->name = xfed_arena_copy(&l->arena, r[i].srv.target);
		t->port = r[i].srv.port;
		if (!t->name.data) {
			note(l, XFED_REASON_STREAM_INTERNAL);
			return;
		}
		l->target_count++;
	}
	if (l->target_count == 0) {
		note(l, XFED_REASON_DNS_SRV_REFUSED); /* RFC 2782: "." says that the service is not offered */
	}
}

static void target_of_domain(struct rt_lookup *l)
{
	l->targets = xfed_arena_alloc(&l->arena, sizeof(*l->targets));
	if (!l->targets) {
		note(l, XFED_REASON_STREAM_INTERNAL);
		return;
	}
	l->targets[0].name = l->domain;
	l->targets[0].port = l->port;
	l->target_count = 1;
}

/*
 * RFC 6120 section 3.2.1: the addresses of the domain itself are used only if there is no SRV record (item 9); an SRV answer is binding
 * even if none of its targets can be reached (item 8).
 */
static void on_srv(void *user, const struct xfed_dns_answer *answer, enum xfed_reason reason)
{
	struct rt_lookup *l = user;
	l->srv = NULL;
	if (!answer) {
		note(l, reason);
	} else if (answer->status == XFED_DNS_OK) {
		l->is_from_srv = true;
		l->srv_ad = answer->ad;
		note_ttl(l, answer);
		targets_of_srv(l, answer);
	} else if (answer->status == XFED_DNS_NO_DATA) {
		note_ttl(l, answer);
		target_of_domain(l);
	} else {
		note(l, XFED_REASON_DNS_BOGUS);
	}
	start_targets(l);
}

/* ---- beginning ---- */

static int make_lookup(struct rt_resolver *r, struct xfed_span host, uint16_t port, rt_lookup_fn fn, void *user, struct rt_lookup **out)
{
	if (host.len > 0 && host.data[host.len - 1] == '.') {
		host.len--;
	}
	struct rt_addr literal;
	if (!dns_name_is_valid(host) && rt_addr_parse_host(&literal, host, port) != XFED_OK) {
		return XFED_ERR_INVALID;
	}
	struct rt_lookup *l = xfed_calloc(1, sizeof(*l));
	if (!l) {
		return XFED_ERR_NOMEM;
	}
	xfed_arena_init(&l->arena, LOOKUP_BYTES);
	l->resolver = r;
	l->port = port;
	l->ttl_s = UINT32_MAX;
	l->fn = fn;
	l->user = user;
	rt_post_init(&l->post, r->loop, on_post, l);
	DL_APPEND(r->lookups, l);
	l->domain = xfed_arena_copy(&l->arena, host);
	if (!l->domain.data) {
		free_lookup(l);
		return XFED_ERR_NOMEM;
	}
	*out = l;
	return XFED_OK;
}

int rt_resolve_host(struct rt_resolver *r, struct xfed_span host, uint16_t port, rt_lookup_fn fn, void *user, struct rt_lookup **out)
{
	struct rt_lookup *l = NULL;
	if (out) {
		*out = NULL;
	}
	int rc = make_lookup(r, host, port, fn, user, &l);
	if (rc != XFED_OK) {
		return rc;
	}
	target_of_domain(l);
	start_targets(l);
	if (out) {
		*out = l;
	}
	return XFED_OK;
}

int rt_resolve_service(struct rt_resolver *r, struct xfed_span domain, const char *service, uint16_t default_port, rt_lookup_fn fn, void *user,
	struct rt_lookup **out)
{
	struct rt_addr literal;
	struct rt_lookup *l = NULL;
	char name[NAME_BYTES + 1];
	if (rt_addr_parse_host(&literal, domain, default_port) == XFED_OK || ends_with_label(domain, XFED_SPAN("localhost"))) {
		return rt_resolve_host(r, domain, default_port, fn, user, out);
	}
	if (out) {
		*out = NULL;
	}
	int rc = make_lookup(r, domain, default_port, fn, user, &l);
	if (rc != XFED_OK) {
		return rc;
	}
	int len = snprintf(name, sizeof(name), "%s.%s", service, l->domain.data);
	if (len < 0 || (size_t)len >= sizeof(name)) {
		target_of_domain(l); /* with a longer name the record cannot exist */
		start_targets(l);
		rc = XFED_OK;
	} else {
		rc = rt_resolve(r, xfed_span_make(name, (size_t)len), XFED_DNS_SRV, on_srv, l, &l->srv);
	}
	if (rc != XFED_OK) {
		free_lookup(l);
		return rc;
	}
	if (out) {
		*out = l;
	}
	return XFED_OK;
}
