#include "channel/channel_impl.h"

#include "proto/deliver.h"
#include "xfed/rt/log.h"

#define COUNTERS_MS 10000
#define BRIEFLY_MS  5000 /* a link that was lost no longer ago than this is likely to be back in time for an answer */

/* ---- what the engine calls ---- */

static void wake(void *user)
{
	struct channel *c = user;
	core_flush_soon(c->core);
}

static void deliver(void *user, struct proto_from from, int peer, const Xfed__Deliver *d)
{
	struct channel *c = user;
	(void)peer;
	c->user->deliver(c->user_data, from, d);
}

static void acked(void *user, struct proto_from from, uint64_t cookie)
{
	struct channel *c = user;
	c->user->acked(c->user_data, from, cookie);
}

static void refused(void *user, struct proto_from from, uint64_t cookie)
{
	struct channel *c = user;
	c->user->refused(c->user_data, from, cookie);
}

static void run_ended(void *user, uint64_t run, const char *peer, bool may_take_over)
{
	struct channel *c = user;
	struct proto_run r;
	if (proto_exchange_run(c->exchange, run, channel_now(c), &r)) {
		rt_log(RT_LOG_INFO, "channel.run-ended", RT_KV_STR("peer", peer), RT_KV_HEX("boot", r.nonce), RT_KV_BOOL("taken_over", may_take_over),
			RT_END);
	}
	c->user->run_ended(c->user_data, run, may_take_over);
}

static void orphan_told(void *user, struct proto_from from, const char *peer, enum xfed_reason reason, int rc)
{
	struct channel *c = user;
	rt_log(RT_LOG_INFO, rc == XFED_OK ? "delivery.error-orphaned" : "stanza.dropped", RT_KV_STR("peer", peer), RT_KV_REASON(reason),
		RT_KV_U64("delivery", from.seq), RT_KV_STR("rule", rc == XFED_OK ? NULL : "error-unsendable"), RT_END);
	if (rc != XFED_OK) {
		core_count_dropped(c->core, "error-unsendable");
	}
}

/* An error stanza for a sender whose edge is gone has ended; no room waits for its outcome. */
static void finish_error(struct channel *c, const struct proto_delivery *d, const struct proto_result *r)
{
	if (r->fate != XFED__FATE__FATE_DELIVERED) {
		core_count_dropped(c->core, "error-unsendable");
		rt_log(RT_LOG_INFO, "stanza.dropped", RT_KV_ADDRESS("partner", xfed_span_str(d->to)), RT_KV_STR("rule", "error-unsendable"),
			RT_KV_REASON(r->reason), RT_KV_STR("id", d->id), RT_END);
	}
}

static void outcome(void *user, const struct proto_delivery *d, const struct proto_result *r)
{
	struct channel *c = user;
	if (d->kind == XFED__KIND__KIND_ERROR) {
		finish_error(c, d, r);
		return;
	}
	bool has_no_link = !r->told && r->fate == XFED__FATE__FATE_WITHDRAWN && d->sends == 0 && !proto_exchange_is_up(c->exchange, d->prefers);
	rt_metric_observe(c->core->d.metrics, RT_M_DELIVERY, (double)(channel_now(c) - d->added_ms) / 1000.0, RT_NO_LABELS);
	routes_give_back(c->routes, xfed_jid_domain_part(xfed_span_str(d->from)), xfed_jid_domain_part(xfed_span_str(d->to)));
	struct proto_result known = *r;
	if (has_no_link) {
		known.reason = XFED_REASON_CHANNEL_DOWN;
		known.side = xfed_reason_info(known.reason)->side;
	}
	c->user->outcome(c->user_data, xfed_span_str(d->id), &known);
}

static const struct proto_exchange_user exchange_user = {
	.wake = wake,
	.deliver = deliver,
	.acked = acked,
	.refused = refused,
	.run_ended = run_ended,
	.orphan_told = orphan_told,
	.outcome = outcome,
};

/* ---- making ---- */

int channel_new(
	struct core *core, struct policy *policy, struct journal *journal, const struct channel_user *user, void *user_data, struct channel **out)
{
	struct channel *c = xfed_calloc(1, sizeof(*c));
	*out = c;
	if (!c) {
		return XFED_ERR_NOMEM;
	}
	c->core = core;
	c->policy = policy;
	c->journal = journal;
	c->user = user;
	c->user_data = user_data;
	c->certs_due_s = INT64_MAX;
	(void)rt_cert_is_replaced(c->shown, policy_channel_creds(policy));
	struct proto_exchange_config x = { .tell_good_ms = XFED_CHANNEL_SETTLED_MS };
	int rc = proto_exchange_new(&x, &exchange_user, c, &c->exchange);
	rc = rc == XFED_OK ? routes_new(&c->routes) : rc;
	rc = rc == XFED_OK ? proto_links_new(&core->d, c->exchange, &channel_link_user, &c->links) : rc;
	return rc == XFED_OK ? channel_edges_new(c) : rc;
}

void channel_free(struct channel *c)
{
	if (c) {
		channel_requests_lost(c, NULL);
		channel_edges_free(c);
		proto_links_free(c->links);
		c->links = NULL;
	}
}

void channel_done(struct channel *c)
{
	if (c) {
		proto_exchange_free(c->exchange);
		routes_free(c->routes);
		xfed_free(c);
	}
}

/* ---- policy ---- */

static void judge_certs(struct channel *c)
{
	c->certs_due_s = INT64_MAX;
	for (size_t i = 0; i < c->edge_count; i++) {
		if (c->edges[i].is_up) {
			int64_t due_s = proto_link_judge_again(c->edges[i].link, policy_channel_creds(c->policy), NULL, 0);
			c->certs_due_s = due_s < c->certs_due_s ? due_s : c->certs_due_s;
		}
	}
}

/* A link keeps the certificates it was made with: the edge would go on judging the old one. */
static void link_anew(struct channel *c)
{
	for (size_t i = 0; i < c->edge_count; i++) {
		if (c->edges[i].is_up) {
			proto_link_close(c->edges[i].link, XFED_REASON_CHANNEL_RENEWED, "the gateway has a new certificate");
		}
	}
}

void channel_policy_swapped(struct channel *c, bool is_new)
{
	judge_certs(c);
	if (rt_cert_is_replaced(c->shown, policy_channel_creds(c->policy))) {
		link_anew(c);
	}
	for (size_t i = 0; i < c->edge_count; i++) {
		/* also where the snapshot is not new: a transfer that is running reads from the memory of the old one */
		if (c->edges[i].is_up && (is_new || c->edges[i].transfer_open)) {
			channel_snapshot_start(&c->edges[i]);
		}
	}
	core_flush_soon(c->core);
}

/* ---- turns and time ---- */

void channel_flush(struct channel *c)
{
	proto_links_pump(c->links);
	for (size_t i = 0; i < c->edge_count; i++) {
		if (c->edges[i].is_up) {
			channel_snapshot_pump(&c->edges[i]);
		}
	}
	proto_links_flush(c->links);
}

static void no_reply(void *user, const struct channel_edge *edge, bool ok, json_t *json)
{
	(void)user;
	(void)edge;
	(void)ok;
	(void)json; /* the edge's metrics come in frames of their own */
}

static void ask_counters(struct channel *c, uint64_t now)
{
	if (!c->core->d.http || now < c->counters_due_ms) {
		return;
	}
	c->counters_due_ms = now + COUNTERS_MS;
	for (size_t i = 0; i < c->edge_count; i++) {
		channel_ask(c, i, "counters", NULL, 0, CHANNEL_ANSWER_MS, no_reply, NULL);
	}
}

void channel_tick(struct channel *c, uint64_t now_ms)
{
	proto_exchange_tick(c->exchange, now_ms);
	channel_requests_tick(c);
	if (core_wall_s(c->core) >= c->certs_due_s) {
		judge_certs(c);
	}
	ask_counters(c, now_ms);
}

uint64_t channel_deadline(const struct channel *c)
{
	return proto_exchange_deadline(c->exchange);
}

/* ---- deliveries ---- */

struct proto_exchange *channel_exchange(const struct channel *c)
{
	return c->exchange;
}

static bool is_usable(const struct edge *e)
{
	return e->is_up && !e->is_draining;
}

/* Its link was lost a moment ago and is being dialled: a delivery made now is likely to be in time, and else ends as "channel.down". */
static bool is_briefly_gone(const struct edge *e)
{
	return !e->is_up && e->lost_ms > 0 && channel_now(e->channel) - e->lost_ms < BRIEFLY_MS;
}

static int take_route_of(struct channel *c, struct xfed_span local, struct xfed_span remote, bool (*may)(const struct edge *e), int *edge)
{
	XFED_UNSET struct routes_edge edges[64];
	size_t n = 0;
	for (; n < c->edge_count && n < XFED_ARRAY_LEN(edges); n++) {
		edges[n] = (struct routes_edge){ .number = (int)n, .name = c->edges[n].name, .is_usable = may(&c->edges[n]) };
	}
	return routes_take(c->routes, local, remote, edges, n, edge);
}

int channel_send(struct channel *c, struct xfed_span local, struct xfed_span remote, struct proto_delivery_new *n)
{
	int edge;
	uint64_t seq;
	int rc = take_route_of(c, local, remote, is_usable, &edge);
	rc = rc == XFED_ERR_NOT_FOUND ? take_route_of(c, local, remote, is_briefly_gone, &edge) : rc;
	if (rc != XFED_OK) {
		return rc;
	}
	n->peer = c->edges[edge].peer;
	n->pinned = true;
	rc = proto_exchange_add(c->exchange, n, channel_now(c), &seq);
	if (rc != XFED_OK) {
		routes_give_back(c->routes, local, remote);
	}
	return rc;
}

size_t channel_waiting(const struct channel *c)
{
	return proto_outbox_count(proto_exchange_outbox(c->exchange));
}

size_t channel_late(const struct channel *c, uint64_t now_ms)
{
	return proto_outbox_unaccounted(proto_exchange_outbox(c->exchange), now_ms);
}

/* ---- edges ---- */

size_t channel_edge_count(const struct channel *c)
{
	return c->edge_count;
}

void channel_edge(const struct channel *c, size_t number, struct channel_edge *out)
{
	const struct edge *e = &c->edges[number];
	*out = (struct channel_edge){
		.number = number,
		.name = e->name,
		.host = e->host,
		.is_up = e->is_up,
		.is_draining = e->is_draining,
		.reason = e->reason,
		.since_s = e->since_s,
		.is_policy_pending = e->transfer_open,
		.policy_problem = e->policy_problem,
		.policy_text = e->policy_text,
		.down_text = e->down_text,
		.replaced = e->replaced,
		.rtt_us = e->is_up ? proto_session_rtt_us(proto_link_session(e->link)) : 0,
		.clock = e->is_up ? proto_session_clock(proto_link_session(e->link)) : (struct proto_clock){ .is_known = false },
	};
}

void channel_gauges(const struct channel *c)
{
	for (size_t i = 0; i < c->edge_count; i++) {
		struct channel_edge e;
		channel_edge(c, i, &e);
		if (e.is_up) {
			rt_metric_set(c->core->d.metrics, RT_M_CHANNEL_RTT, (double)e.rtt_us / 1e6, RT_LABELS(xfed_span_str(e.name)));
		}
		if (e.clock.is_known) {
			rt_metric_set(c->core->d.metrics, RT_M_CHANNEL_CLOCK, (double)e.clock.ahead_ms / 1e3, RT_LABELS(xfed_span_str(e.name)));
		}
	}
}

bool channel_edge_named(const struct channel *c, struct xfed_span name, struct channel_edge *out)
{
	for (size_t i = 0; i < c->edge_count; i++) {
		if (xfed_span_is(name, c->edges[i].name)) {
			channel_edge(c, i, out);
			return true;
		}
	}
	return false;
}

size_t channel_usable_count(const struct channel *c)
{
	size_t n = 0;
	for (size_t i = 0; i < channel_edge_count(c); i++) {
		n += is_usable(&c->edges[i]);
	}
	return n;
}

bool channel_is_usable(const struct channel *c)
{
	return channel_usable_count(c) > 0;
}

bool channel_has_linked(const struct channel *c)
{
	return c->has_linked;
}

/* ---- going out of service ---- */

void channel_drain(struct channel *c, uint32_t grace_ms)
{
	Xfed__Frame f = XFED__FRAME__INIT;
	Xfed__Drain d = XFED__DRAIN__INIT;
	d.grace_ms = c->grace_ms = grace_ms;
	c->is_draining = true;
	proto_exchange_hurry(c->exchange);
	f.body_case = XFED__FRAME__BODY_DRAIN;
	f.drain = &d;
	for (size_t i = 0; i < c->edge_count; i++) {
		if (c->edges[i].is_up) {
			proto_link_send(c->edges[i].link, &f);
		}
	}
	core_flush_soon(c->core);
}

void channel_give_up(struct channel *c)
{
	proto_exchange_withdraw(c->exchange, true);
}

void channel_close(struct channel *c)
{
	for (size_t i = 0; i < c->edge_count; i++) {
		channel_edge_close(&c->edges[i], XFED_REASON_CHANNEL_DOWN, "the gateway stops");
	}
}
