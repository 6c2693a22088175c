#include "xfed/rt/resolver.h"

#include <errno.h>
#include <stdio.h>
#include <utlist.h>

#include "rt/resolv_conf.h"
#include "rt/resolver_internal.h"
#include "xfed/limits.h"
#include "xfed/mem.h"
#include "xfed/rt/conf.h"
#include "xfed/rt/sandbox.h"

#define DNS_PORT 53

/* An open question, and all who wait for its answer. */
struct question {
	UT_hash_handle hh;
	struct dns_key key;
	struct rt_resolver *resolver;
	struct dns_query *query;
	struct rt_resolve *waiters;
	unsigned configured; /* the resolver's counter at that time */
	bool is_telling;
};

struct rt_resolve {
	struct rt_resolve *prev, *next; /* links of question->waiters, or of resolver->cached */
	struct rt_resolver *resolver;
	struct question *question;	/* NULL: answered from the cache */
	struct xfed_dns_answer *answer; /* copy of the answer in the cache */
	struct rt_post post;
	bool is_telling; /* its callback is running, in which a cancel does nothing */
	rt_resolve_fn fn;
	void *user;
};

/* ---- configuration ---- */

static int bad_server(const char *text, char *error, size_t error_size)
{
	snprintf(error, error_size, "dns.servers: \"%.60s\" is not an address such as 127.0.0.1, 127.0.0.1:53 or [::1]:53", text);
	return XFED_ERR_INVALID;
}

int rt_resolver_configure(struct rt_resolver *r, const struct rt_resolver_options *o, char *error, size_t error_size)
{
	struct dns_servers s = { .count = o->server_count, .trust_ad = o->trust_ad };
	char words[104];
	if (o->server_count > RT_RESOLVER_SERVERS_MAX) {
		snprintf(error, error_size, "dns.servers: at most %d servers are used", RT_RESOLVER_SERVERS_MAX);
		return XFED_ERR_INVALID;
	}
	for (size_t i = 0; i < o->server_count; i++) {
		if (rt_addr_parse(&s.addr[i], xfed_span_str(o->servers[i]), DNS_PORT) != XFED_OK || rt_addr_port(&s.addr[i]) == 0) {
			return bad_server(o->servers[i], error, error_size);
		}
	}
	const char *file = o->resolv_conf ? o->resolv_conf : RT_RESOLV_CONF;
	if (s.count == 0 && rt_sandbox_is_outside(file)) {
		snprintf(error, error_size, "%.80s: %s", file, rt_file_words(file, EACCES, words));
		return XFED_ERR_INVALID;
	}
	if (s.count == 0) {
		s.count = resolv_conf_load(file, s.addr, RT_RESOLVER_SERVERS_MAX);
	}
	s.timeout_ms = o->timeout_ms != 0 ? o->timeout_ms : XFED_DNS_TIMEOUT_MS;
	r->base.servers = s;
	r->configured++;
	r->stats.unanswered = 0;
	dns_cache_flush(&r->cache);
	return XFED_OK;
}

static void close_resource(struct rt_resource *res)
{
	rt_resolver_free((struct rt_resolver *)((char *)res - offsetof(struct rt_resolver, resource)));
}

int rt_resolver_new(struct rt_loop *loop, const struct rt_resolver_options *options, struct rt_resolver **out, char *error, size_t error_size)
{
	*out = NULL;
	struct rt_resolver *r = xfed_calloc(1, sizeof(*r));
	if (!r) {
		return XFED_ERR_NOMEM;
	}
	dns_cache_init(&r->cache, XFED_DNS_CACHE_ENTRIES);
	int rc = rt_resolver_configure(r, options, error, error_size);
	if (rc != XFED_OK) {
		xfed_free(r);
		return rc;
	}
	r->loop = r->base.loop = loop;
	r->base.stats = &r->stats;
	rt_env(&r->base.env);
	rt_loop_own(loop, &r->resource, close_resource);
	*out = r;
	return XFED_OK;
}

bool rt_resolver_ad_is_usable(const struct rt_resolver *r)
{
	const struct dns_servers *s = &r->base.servers;
	bool is_usable = true;
	for (size_t i = 0; s->trust_ad && i < s->count; i++) {
		is_usable = is_usable && rt_addr_is_loopback(&s->addr[i]);
	}
	return is_usable;
}

size_t rt_resolver_servers(const struct rt_resolver *r, struct rt_addr out[RT_RESOLVER_SERVERS_MAX])
{
	memcpy(out, r->base.servers.addr, r->base.servers.count * sizeof(*out));
	return r->base.servers.count;
}

void rt_resolver_stats(const struct rt_resolver *r, struct rt_resolver_stats *out)
{
	*out = r->stats;
	out->cache_entries = r->cache.count;
}

/* ---- questions ---- */

static void free_request(struct rt_resolve *q)
{
	rt_post_cancel(&q->post);
	xfed_free(q->answer);
	q->resolver->stats.pending--;
	xfed_free(q);
}

static void free_question(struct question *w)
{
	if (w->hh.tbl) {
		HASH_DEL(w->resolver->questions, w);
	}
	dns_query_free(w->query);
	xfed_free(w);
}

static void note_silence(struct rt_resolver *r, bool is_answered)
{
	if (is_answered) {
		r->stats.unanswered = 0;
	} else if (r->stats.unanswered++ == 0) {
		r->stats.unanswered_ms = rt_loop_now_ms(r->loop);
	}
}

static void on_answer(void *user, const struct xfed_dns_answer *answer, enum xfed_reason reason)
{
	struct question *w = user;
	struct rt_resolver *r = w->resolver;
	/* Taken out of the table first: if a callback asks the same again it gets the cache, or a new question. */
	HASH_DEL(r->questions, w);
	w->hh.tbl = NULL;
	w->is_telling = true;
	note_silence(r, answer != NULL);
	if (answer && w->configured == r->configured) {
		dns_cache_put(&r->cache, &w->key, answer, rt_loop_now_ms(r->loop));
	}
	while (w->waiters) {
		struct rt_resolve *q = w->waiters;
		DL_DELETE(w->waiters, q);
		q->is_telling = true;
		q->fn(q->user, answer, reason);
		free_request(q);
	}
	free_question(w);
}

static void tell_cached(void *arg)
{
	struct rt_resolve *q = arg;
	DL_DELETE(q->resolver->cached, q);
	q->is_telling = true;
	q->fn(q->user, q->answer, XFED_REASON_NONE);
	free_request(q);
}

static int answer_from_cache(struct rt_resolve *q, const struct xfed_dns_answer *answer)
{
	struct rt_resolver *r = q->resolver;
	q->answer = dns_answer_dup(answer);
	if (!q->answer) {
		return XFED_ERR_NOMEM;
	}
	r->stats.cache_hits++;
	DL_APPEND(r->cached, q);
	rt_post_schedule(&q->post);
	return XFED_OK;
}

static int ask(struct rt_resolver *r, const struct dns_key *key, struct xfed_span name, enum xfed_dns_type type, struct question **out)
{
	struct question *w = xfed_calloc(1, sizeof(*w));
	if (!w) {
		return XFED_ERR_NOMEM;
	}
	w->resolver = r;
	w->key = *key;
	w->configured = r->configured;
	HASH_ADD_KEYPTR(hh, r->questions, w->key.bytes, w->key.len, w);
	if (!XFED_TABLE_ADDED(w)) {
		xfed_free(w);
		return XFED_ERR_NOMEM;
	}
	int rc = dns_query_start(&r->base, name, type, on_answer, w, &w->query);
	if (rc != XFED_OK) {
		free_question(w);
		return rc;
	}
	*out = w;
	return XFED_OK;
}

static int begin(struct rt_resolve *q, const struct dns_key *key, struct xfed_span name, enum xfed_dns_type type)
{
	struct rt_resolver *r = q->resolver;
	const struct xfed_dns_answer *cached = dns_cache_find(&r->cache, key, rt_loop_now_ms(r->loop));
	if (cached) {
		return answer_from_cache(q, cached);
	}
	HASH_FIND(hh, r->questions, key->bytes, key->len, q->question);
	if (q->question) {
		r->stats.coalesced++;
	} else {
		int rc = ask(r, key, name, type, &q->question);
		if (rc != XFED_OK) {
			return rc;
		}
	}
	DL_APPEND(q->question->waiters, q);
	return XFED_OK;
}

int rt_resolve(struct rt_resolver *r, struct xfed_span name, enum xfed_dns_type type, rt_resolve_fn fn, void *user, struct rt_resolve **out)
{
	struct dns_key key;
	if (out) {
		*out = NULL;
	}
	if (dns_key_make(&key, name, type) != XFED_OK) {
		return XFED_ERR_INVALID;
	}
	if (r->stats.pending >= RT_RESOLVER_PENDING_MAX) {
		return XFED_ERR_LIMIT;
	}
	struct rt_resolve *q = xfed_calloc(1, sizeof(*q));
	if (!q) {
		return XFED_ERR_NOMEM;
	}
	r->stats.pending++;
	q->resolver = r;
	q->fn = fn;
	q->user = user;
	rt_post_init(&q->post, r->loop, tell_cached, q);
	int rc = begin(q, &key, name, type);
	if (rc != XFED_OK) {
		free_request(q);
		return rc;
	}
	if (out) {
		*out = q;
	}
	return XFED_OK;
}

void rt_resolve_cancel(struct rt_resolve *q)
{
	if (!q || q->is_telling) {
		return;
	}
	struct question *w = q->question;
	if (!w) {
		DL_DELETE(q->resolver->cached, q);
	} else {
		DL_DELETE(w->waiters, q);
		if (!w->waiters && !w->is_telling) {
			free_question(w); /* nobody waits for it any more */
		}
	}
	free_request(q);
}

void rt_resolver_free(struct rt_resolver *r)
{
	struct question *w, *next;
	if (!r) {
		return;
	}
	rt_lookup_drop_all(r);
	while (r->cached) {
		rt_resolve_cancel(r->cached);
	}
	HASH_ITER(hh, r->questions, w, next) {
		/* The last cancel of a question frees it. */
		for (size_t left = 1; left > 0;) {
			struct rt_resolve *q = w->waiters;
			left = q->next ? 1 : 0;
			rt_resolve_cancel(q);
		}
	}
	dns_cache_flush(&r->cache);
	rt_loop_disown(r->loop, &r->resource);
	xfed_free(r);
}
