#include "rt/resolver_internal.h"
#include "xfed/mem.h"

struct rt_resolve_at {
	struct dns_base base;
	struct dns_query *query;
	rt_resolve_fn fn;
	void *user;
	bool is_telling;
};

static void free_request(struct rt_resolve_at *q)
{
	dns_query_free(q->query);
	xfed_free(q);
}

static void on_answer(void *user, const struct xfed_dns_answer *answer, enum xfed_reason reason)
{
	struct rt_resolve_at *q = user;
	q->is_telling = true;
	q->fn(q->user, answer, reason);
	free_request(q);
}

int rt_resolve_at(struct rt_resolver *r, const struct rt_addr *server, struct xfed_span name, enum xfed_dns_type type, rt_resolve_fn fn, void *user,
	struct rt_resolve_at **out)
{
	struct rt_resolve_at *q = xfed_calloc(1, sizeof(*q));
	*out = NULL;
	if (!q) {
		return XFED_ERR_NOMEM;
	}
	q->base = r->base;
	q->fn = fn;
	q->user = user;
	if (server) {
		q->base.servers.addr[0] = *server;
		q->base.servers.count = 1;
	}
	int rc = dns_query_start(&q->base, name, type, on_answer, q, &q->query);
	if (rc != XFED_OK) {
		xfed_free(q);
		return rc;
	}
	*out = q;
	return XFED_OK;
}

void rt_resolve_at_cancel(struct rt_resolve_at *q)
{
	if (q && !q->is_telling) {
		free_request(q);
	}
}
