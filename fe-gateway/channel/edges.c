/* One edge: its address is looked up and connected to, again and again; its link comes up, receives messages and goes down. */
#include <stdio.h>

#include "channel/channel_impl.h"
#include "xfed/rt/log.h"
#include "xfed/rt/resolver.h"

static const char *const capabilities[] = { "im" };

static void dial(struct edge *e);

/* ---- down, and up again ---- */

static void redial_later(struct edge *e)
{
	if (e->is_stopped) {
		return;
	}
	e->backoff_ms = e->backoff_ms == 0 ? XFED_CHANNEL_REDIAL_MIN_MS : e->backoff_ms * 2;
	e->backoff_ms = e->backoff_ms > XFED_CHANNEL_REDIAL_MAX_MS ? XFED_CHANNEL_REDIAL_MAX_MS : e->backoff_ms;
	rt_timer_set(&e->redial, channel_now(e->channel) + e->backoff_ms);
}

/* The remedies of network reasons are about partners; these texts name the edge's address instead. */
static void write_down_text(struct edge *e, enum xfed_reason reason, const char *text)
{
	char *out = e->down_text;
	size_t size = sizeof(e->down_text);
	switch (reason) {
	case XFED_REASON_DNS_NAME_MISSING:
		snprintf(out, size, "the DNS has no address for %s (/etc/hosts is not asked): correct edges[].address, or the record", e->host);
		break;
	case XFED_REASON_DNS_TIMEOUT:
		snprintf(out, size, "no DNS server answered the question for %s: check dns.servers, or /etc/resolv.conf", e->host);
		break;
	case XFED_REASON_DNS_BOGUS:
		snprintf(out, size, "the DNS server failed at the question for %s (SERVFAIL): look at its log, most often it is DNSSEC", e->host);
		break;
	case XFED_REASON_NET_CONNECT_REFUSED:
		snprintf(out, size, "nobody listens at %s: start xfed-edge there, or make edges[].address here and channel.listen there agree",
			e->address);
		break;
	case XFED_REASON_NET_CONNECT_TIMEOUT:
		snprintf(out, size, "%s does not answer: check that host, and that firewalls let this gateway connect there", e->address);
		break;
	case XFED_REASON_NET_CONNECT_UNREACHABLE:
		snprintf(out, size, "%s: %s: check the routes of this host, and that edges[].address is right", e->address,
			text ? text : "no way there");
		break;
	case XFED_REASON_NET_STREAM_LOST:
		snprintf(out, size, "the connection to %s broke: look at the log of the edge for the same time", e->address);
		break;
	case XFED_REASON_CHANNEL_DOWN: /* the edge says this when it stops */
		snprintf(out, size, "%s: %s", e->address, text && *text ? text : xfed_reason_info(reason)->remedy);
		break;
	default:
		snprintf(out, size, "%s%s%s%s%s", e->address, e->address[0] ? ": " : "", text ? text : "", text && *text ? ": " : "",
			xfed_reason_info(reason)->remedy);
		break;
	}
}

static void note_replaced(struct edge *e)
{
	int64_t now_s = core_wall_s(e->channel->core);
	struct channel_replaced *r = &e->replaced;
	if (now_s - r->last_s > CHANNEL_REPLACED_S) {
		*r = (struct channel_replaced){ .first_s = now_s };
	}
	r->count++;
	r->last_s = now_s;
}

static void report_down(struct edge *e, enum xfed_reason reason, const char *text, bool was_up)
{
	struct core *core = e->channel->core;
	bool is_news = was_up || e->reason != reason;
	if (reason == XFED_REASON_CHANNEL_REPLACED) {
		note_replaced(e);
	}
	e->reason = reason;
	write_down_text(e, reason, text);
	if (was_up) {
		e->since_s = core_wall_s(core);
	}
	if (reason == XFED_REASON_CHANNEL_PEER_UNTRUSTED || reason == XFED_REASON_CHANNEL_FRAME_BAD || reason == XFED_REASON_CHANNEL_VERSION) {
		core_count_refusal(core, reason, xfed_reason_info(reason)->side);
	}
	rt_metric_set(core->d.metrics, RT_M_CHANNEL_UP, 0, RT_LABELS(xfed_span_str(e->name)));
	enum xfed_side side = xfed_reason_info(reason)->side; /* the other end is an edge of ours, so no partner is to blame */
	rt_log(is_news ? RT_LOG_WARNING : RT_LOG_DEBUG, "channel.down", RT_KV_STR("peer", e->name),
		RT_KV_STR("address", e->address[0] ? e->address : NULL), RT_KV_REASON_SIDE(reason, side == XFED_SIDE_PARTNER ? XFED_SIDE_US : side),
		RT_KV_STR("text", e->down_text), RT_END);
}

static void attempt_failed(struct edge *e, enum xfed_reason reason, const char *text)
{
	report_down(e, reason, text, false);
	redial_later(e);
}

static void take_back(struct edge *e, enum xfed_reason reason)
{
	struct channel *c = e->channel;
	/* The link was good, so it is tried again soon; but not where two gateways take it from each other. */
	e->backoff_ms = reason == XFED_REASON_CHANNEL_REPLACED || reason == XFED_REASON_CHANNEL_FRAME_BAD ? e->backoff_ms : 0;
	e->lost_ms = e->is_draining || e->is_stopped ? 0 : channel_now(c);
	e->is_up = e->is_draining = e->transfer_open = e->is_importing = false;
	c->edges_up--;
	rt_metrics_import_drop(c->core->d.metrics, xfed_span_str(e->name));
	rt_certs_forget(c->core->d.certs, RT_CERT_CHANNEL, xfed_span_str(e->name));
	channel_requests_lost(c, e);
}

static void on_down(void *owner, bool was_up, enum xfed_reason reason, const char *text)
{
	struct edge *e = owner;
	bool was_connected = proto_link_session(e->link) != NULL;
	e->link = NULL;
	if (was_up) {
		take_back(e, reason);
	}
	if (!was_connected && e->address_next < e->address_count) {
		rt_log(RT_LOG_DEBUG, "channel.connect-failed", RT_KV_STR("peer", e->name), RT_KV_STR("address", e->address), RT_KV_REASON(reason),
			RT_END);
		dial(e);
		return;
	}
	report_down(e, reason, text, was_up);
	redial_later(e);
	e->channel->user->link_changed(e->channel->user_data);
}

/* ---- up ---- */

static const char *on_judge(void *owner, const struct proto_peer *peer)
{
	struct edge *e = owner;
	struct channel *c = e->channel;
	int64_t due_s;
	/* Trust may have been reloaded since the handshake of this link. */
	const char *problem =
		proto_session_judge_again(proto_link_session(e->link), policy_channel_creds(c->policy), NULL, 0, core_wall_s(c->core), &due_s);
	c->certs_due_s = due_s < c->certs_due_s ? due_s : c->certs_due_s;
	if (!problem && strcmp(peer->name, e->name) != 0) {
		snprintf(e->wrong_name, sizeof(e->wrong_name),
			"the edge calls itself %.64s (name in its edge.yaml), and edges[].name here is %.64s: make them one", peer->name, e->name);
		problem = e->wrong_name;
	}
	return problem;
}

static void on_up(void *owner)
{
	struct edge *e = owner;
	struct channel *c = e->channel;
	const struct proto_peer *peer = proto_session_peer(proto_link_session(e->link));
	e->is_up = true;
	e->reason = XFED_REASON_NONE;
	e->down_text[0] = '\0';
	e->since_s = core_wall_s(c->core);
	c->edges_up++;
	c->has_linked = true;
	rt_metric_set(c->core->d.metrics, RT_M_CHANNEL_UP, 1, RT_LABELS(xfed_span_str(e->name)));
	const struct xfed_cert *cert = proto_session_certificate(proto_link_session(e->link));
	if (cert) {
		rt_certs_seen(c->core->d.certs, RT_CERT_CHANNEL, xfed_span_str(e->name), cert, core_wall_s(c->core));
	}
	rt_log(RT_LOG_INFO, "channel.up", RT_KV_STR("peer", e->name), RT_KV_STR("certificate", peer->cert_name), RT_KV_STR("address", e->address),
		RT_KV_STR("tls", peer->tls_version), RT_KV_STR("cipher", peer->cipher), RT_KV_STR("software", peer->hello->software),
		RT_KV_HEX("boot", peer->boot_nonce), RT_END);
	channel_snapshot_greet(e);
	if (c->is_draining) {
		channel_drain(c, c->grace_ms);
	}
	c->user->link_changed(c->user_data);
}

/* ---- messages ---- */

static void take_drain(struct edge *e, const Xfed__Drain *m)
{
	struct channel *c = e->channel;
	e->is_draining = true;
	/* The second half of the grace time is for what has been begun by then, and for the errors to reach their senders. */
	proto_exchange_no_more_after(proto_link_exchange(e->link), channel_now(c) + m->grace_ms / 2);
	rt_log(RT_LOG_INFO, "channel.draining", RT_KV_STR("peer", e->name), RT_KV_U64("grace_ms", m->grace_ms), RT_END);
	c->user->link_changed(c->user_data);
}

static void on_message(void *owner, const Xfed__Frame *f)
{
	struct edge *e = owner;
	switch (f->body_case) {
	case XFED__FRAME__BODY_REPLY:
		channel_take_reply(e, f->reply);
		break;
	case XFED__FRAME__BODY_COUNTERS:
		channel_take_counters(e, f->counters);
		break;
	case XFED__FRAME__BODY_POLICY_RESULT:
		channel_snapshot_result(e, f->policy_result);
		break;
	case XFED__FRAME__BODY_STREAM_EVENT:
		channel_take_stream_event(e, f->stream_event);
		break;
	case XFED__FRAME__BODY_FAILURE_EVENT:
		channel_take_failure(e, f->failure_event);
		break;
	case XFED__FRAME__BODY_DRAIN:
		take_drain(e, f->drain);
		break;
	default:
		break; /* the session lets no other frame of an edge through */
	}
}

/* ---- connecting ---- */

static void on_configure(void *owner, struct proto_session_config *cfg)
{
	struct edge *e = owner;
	struct channel *c = e->channel;
	const struct proto_revision *r = policy_revision(c->policy);
	cfg->role = PROTO_GATEWAY;
	cfg->creds = policy_channel_creds(c->policy);
	cfg->host = xfed_span_str(e->tls_name);
	cfg->hello = (struct proto_hello){
		.name = xfed_span_str(policy_config(c->policy)->base.name),
		.capabilities = capabilities,
		.capability_count = XFED_ARRAY_LEN(capabilities),
		.software = XFED_SPAN("xfed-gateway " XFED_VERSION),
		.policy_epoch = r->epoch,
		.policy_counter = r->counter,
		.policy_hash = xfed_span_make(r->hash, sizeof(r->hash)),
	};
}

const struct proto_link_user channel_link_user = {
	.configure = on_configure, .judge = on_judge, .up = on_up, .message = on_message, .down = on_down
};

/* Connects to the next address that was found. */
static void dial(struct edge *e)
{
	const struct rt_addr *to = &e->addresses[e->address_next++];
	rt_addr_text(to, e->address);
	if (proto_link_dial(e->channel->links, to, e, &e->link) != XFED_OK) {
		attempt_failed(e, XFED_REASON_STREAM_INTERNAL, "no socket");
	}
}

static enum xfed_reason keep_addresses(struct edge *e, const struct rt_endpoints *found)
{
	xfed_free(e->addresses);
	e->address_count = e->address_next = 0;
	e->addresses = found->count > 0 ? xfed_calloc(found->count, sizeof(*e->addresses)) : NULL;
	if (found->reason != XFED_REASON_NONE || !e->addresses) {
		return found->reason != XFED_REASON_NONE ? found->reason : XFED_REASON_STREAM_INTERNAL;
	}
	for (size_t i = 0; i < found->count; i++) {
		e->addresses[e->address_count++] = found->list[i].addr;
	}
	return XFED_REASON_NONE;
}

static void on_lookup(void *user, const struct rt_endpoints *found)
{
	struct edge *e = user;
	e->lookup = NULL;
	enum xfed_reason reason = keep_addresses(e, found);
	if (reason != XFED_REASON_NONE) {
		attempt_failed(e, reason, "the name of edges[].address");
	} else {
		dial(e);
	}
}

static void on_redial(void *user)
{
	struct edge *e = user;
	e->address_count = e->address_next = 0;
	e->address[0] = '\0';
	if (rt_resolve_host(e->channel->core->d.resolver, xfed_span_str(e->host), e->port, on_lookup, e, &e->lookup) != XFED_OK) {
		attempt_failed(e, XFED_REASON_STREAM_INTERNAL, "cannot look up edges[].address");
	}
}

void channel_edge_close(struct edge *e, enum xfed_reason reason, const char *text)
{
	e->is_stopped = true;
	rt_timer_set(&e->redial, 0);
	if (e->link) {
		proto_link_close(e->link, reason, text);
	}
}

/* ---- all edges ---- */

/* Copies the names: a reload replaces the configuration, while a change of edges[] needs a restart. */
static int edge_init(struct channel *c, struct edge *e, const struct config_edge *from)
{
	e->channel = c;
	e->since_s = core_wall_s(c->core);
	e->name = xfed_strdup(from->name);
	e->host = xfed_strdup(from->address.host);
	e->port = from->address.port;
	e->tls_name = xfed_strdup(from->tls_name);
	if (!e->name || !e->host || !e->tls_name) {
		return XFED_ERR_NOMEM;
	}
	e->peer = proto_exchange_peer(c->exchange, xfed_span_str(e->name));
	int rc = e->peer != PROTO_OUTBOX_NO_PEER ? rt_timer_init(&e->redial, c->core->d.loop, on_redial, e) : XFED_ERR_LIMIT;
	if (rc == XFED_OK) {
		rt_timer_set(&e->redial, channel_now(c) + 1);
	}
	return rc;
}

int channel_edges_new(struct channel *c)
{
	const struct config *config = policy_config(c->policy);
	int rc = XFED_OK;
	c->edges = xfed_calloc(config->edges.count, sizeof(*c->edges));
	if (!c->edges) {
		return XFED_ERR_NOMEM;
	}
	for (size_t i = 0; i < config->edges.count && rc == XFED_OK; i++) {
		c->edges[i].number = i;
		c->edge_count++;
		rc = edge_init(c, &c->edges[i], &config->edges.items[i]);
	}
	return rc;
}

void channel_edges_free(struct channel *c)
{
	for (size_t i = 0; i < c->edge_count; i++) {
		struct edge *e = &c->edges[i];
		rt_lookup_cancel(e->lookup);
		rt_timer_close(&e->redial);
		xfed_free(e->addresses);
		xfed_free(e->name);
		xfed_free(e->host);
		xfed_free(e->tls_name);
	}
	xfed_free(c->edges);
	c->edges = NULL;
	c->edge_count = 0;
}
