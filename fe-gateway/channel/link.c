/* The channel to one edge: we dial (the inside dials out), and dial again with a growing pause. */
#include "gateway.h"

#include <stdio.h>

#define LINK_BUFFER_BYTES (PROTO_OUTPUT_BYTES + 1024 * 1024)
#define LINGER_MS	  2000

static const char *const capabilities[] = { "im" };

static void dial(struct gateway_link *l);
static void drain(struct gateway_session *run);

/* ---- down, and up again ---- */

static void session_free(struct gateway_session *run)
{
	if (!rt_job_is_running(&run->job)) { /* else when the job comes back */
		proto_session_free(run->session);
		xfed_free(run);
	}
}

static void enter(struct gateway_link *l, enum gateway_link_state state)
{
	l->state = state;
}

static void redial_later(struct gateway_link *l)
{
	uint64_t now = gateway_now(l->gw);
	enter(l, GATEWAY_LINK_IDLE);
	if (l->is_stopped) {
		return;
	}
	l->backoff_ms = l->backoff_ms == 0 ? XFED_CHANNEL_REDIAL_MIN_MS : l->backoff_ms * 2;
	l->backoff_ms = l->backoff_ms > XFED_CHANNEL_REDIAL_MAX_MS ? XFED_CHANNEL_REDIAL_MAX_MS : l->backoff_ms;
	rt_timer_set(&l->redial, now + l->backoff_ms);
}

static void report_down(struct gateway_link *l, enum xfed_reason reason, const char *text, bool was_up)
{
	struct gateway *g = l->gw;
	bool is_news = was_up || l->reason != reason;
	l->reason = reason;
	if (was_up) {
		l->since_s = gateway_wall_s(g);
	}
	if (reason == XFED_REASON_CHANNEL_PEER_UNTRUSTED || reason == XFED_REASON_CHANNEL_FRAME_BAD || reason == XFED_REASON_CHANNEL_VERSION) {
		core_count_refusal(&g->core, reason, xfed_reason_info(reason)->side);
	}
	rt_metric_set(g->core.d.metrics, RT_M_CHANNEL_UP, 0, RT_LABELS(xfed_span_str(l->name)));
	rt_log(is_news ? RT_LOG_WARNING : RT_LOG_DEBUG, "channel.down", RT_KV_STR("peer", l->name),
		RT_KV_STR("address", l->address[0] ? l->address : NULL), RT_KV_REASON(reason), RT_KV_STR("text", text && *text ? text : NULL),
		RT_END);
}

static void attempt_failed(struct gateway_link *l, enum xfed_reason reason, const char *text)
{
	if (l->address_next < l->address_count) {
		rt_log(RT_LOG_DEBUG, "channel.connect-failed", RT_KV_STR("peer", l->name), RT_KV_STR("address", l->address), RT_KV_REASON(reason),
			RT_END);
		dial(l);
		return;
	}
	report_down(l, reason, text, false);
	redial_later(l);
}

static void take_back_link(struct gateway_link *l)
{
	struct gateway *g = l->gw;
	uint64_t now = gateway_now(g);
	l->lost_ms = l->is_draining || l->is_stopped ? 0 : now;
	l->is_up = false;
	l->is_draining = false;
	l->transfer_open = false;
	l->is_importing = false;
	g->links_up--;
	proto_inbox_link_lost(g->inbox, l->inbox_run, now);
	proto_outbox_peer_lost(g->outbox, l->peer, now);
	l->inbox_run = NULL;
	gateway_out_link_lost(l);
	rt_metrics_import_drop(g->core.d.metrics, xfed_span_str(l->name));
	gateway_requests_lost(l);
}

/* ---- the session's output ---- */

static void move_output(struct gateway_link *l)
{
	struct xfed_buf *from = proto_session_output(l->run->session), *to = rt_stream_out(l->stream);
	size_t len = xfed_buf_len(from), queued = rt_stream_out_len(l->stream);
	size_t room = to->cap_bytes > queued ? to->cap_bytes - queued : 0;
	len = len < room ? len : room;
	if (len > 0 && xfed_buf_append(to, xfed_span_make(xfed_buf_span(from).data, len)) == XFED_OK) {
		xfed_buf_consume(from, len);
		rt_stream_kick(l->stream);
	}
}

static void link_down(struct gateway_link *l, enum xfed_reason reason, const char *text)
{
	struct gateway *g = l->gw;
	bool was_up = l->is_up;
	struct gateway_session *run = l->run;
	move_output(l);
	rt_stream_linger(l->stream, LINGER_MS);
	l->stream = NULL;
	rt_timer_set(&l->timer, 0);
	if (was_up) {
		/* It was a good link, so it is tried again soon; but not where two fight for one name. */
		l->backoff_ms = reason == XFED_REASON_CHANNEL_REPLACED || reason == XFED_REASON_CHANNEL_FRAME_BAD ? l->backoff_ms : 0;
		take_back_link(l);
	}
	report_down(l, reason, text, was_up);
	l->run = NULL;
	run->link = NULL; /* drain() frees it */
	redial_later(l);
	gateway_service_judge(g);
	gateway_flush_soon(g);
}

/* ---- up ---- */

static const char *join_tables(struct gateway_link *l, const struct proto_peer *peer)
{
	struct gateway *g = l->gw;
	uint64_t now = gateway_now(g);
	if (strcmp(peer->name, l->name) != 0) {
		return "the edge calls itself by another name than edges[].name";
	}
	l->peer = proto_outbox_peer(g->outbox, xfed_span_str(peer->name));
	l->inbox_run = l->peer != PROTO_OUTBOX_NO_PEER
			       ? proto_inbox_link_up(g->inbox, xfed_span_str(peer->name), peer->boot_nonce, peer->hello->lowest_unsettled, now)
			       : NULL;
	return l->inbox_run ? NULL : "out of memory";
}

static void link_up(struct gateway_link *l)
{
	struct gateway *g = l->gw;
	struct proto_session *s = l->run->session;
	const struct proto_peer *peer = proto_session_peer(s);
	const char *problem = gateway_certs_link_problem(l); /* trust may have been reloaded since its handshake */
	problem = problem ? problem : join_tables(l, peer);
	if (problem) {
		gateway_link_fail(l, XFED_REASON_CHANNEL_PEER_UNTRUSTED, problem);
		return;
	}
	l->is_up = true;
	l->reason = XFED_REASON_NONE;
	l->since_s = gateway_wall_s(g);
	g->links_up++;
	g->has_linked = true;
	proto_outbox_peer_up(g->outbox, l->peer, peer->boot_nonce, gateway_now(g));
	l->owed = (struct proto_owed){ XFED_CHANNEL_CREDIT_MSGS, XFED_CHANNEL_CREDIT_BYTES };
	gateway_link_pay(l);
	rt_metric_set(g->core.d.metrics, RT_M_CHANNEL_UP, 1, RT_LABELS(xfed_span_str(l->name)));
	rt_log(RT_LOG_INFO, "channel.up", RT_KV_STR("peer", l->name), RT_KV_STR("certificate", peer->cert_name), RT_KV_STR("address", l->address),
		RT_KV_STR("tls", peer->tls_version), RT_KV_STR("cipher", peer->cipher), RT_KV_STR("software", peer->hello->software),
		RT_KV_HEX("boot", peer->boot_nonce), RT_END);
	gateway_orphans_of(g, l->name);
	gateway_route_resumed(l);
	gateway_policy_greet(l);
	if (g->service == GATEWAY_DRAINING) {
		gateway_links_drain(g, policy_config(g->policy)->stop_timeout_ms);
	}
	gateway_service_judge(g);
	gateway_flush_soon(g);
}

/* ---- messages ---- */

static void take_drain(struct gateway_link *l, const Xfed__Drain *m)
{
	struct gateway *g = l->gw;
	l->is_draining = true;
	/* The second half is for what has been attempted by then, and for the errors to travel. */
	l->attempts_end_ms = gateway_now(g) + m->grace_ms / 2;
	rt_log(RT_LOG_INFO, "channel.draining", RT_KV_STR("peer", l->name), RT_KV_U64("grace_ms", m->grace_ms), RT_END);
	gateway_service_judge(g);
}

static void take_message(struct gateway_link *l, const Xfed__Frame *f, size_t frame_bytes)
{
	switch (f->body_case) {
	case XFED__FRAME__BODY_DELIVER:
		gateway_route_deliver(l, f->deliver, frame_bytes);
		break;
	case XFED__FRAME__BODY_SETTLED:
		gateway_route_settled(l, f->settled);
		break;
	case XFED__FRAME__BODY_ATTEMPTED_ACK:
		gateway_route_acked(l, f->attempted_ack);
		break;
	case XFED__FRAME__BODY_PING:
		gateway_route_heard(l, f->ping->lowest_unsettled);
		break;
	case XFED__FRAME__BODY_REPLY:
		gateway_take_reply(l, f->reply);
		break;
	case XFED__FRAME__BODY_COUNTERS:
		gateway_take_counters(l, f->counters);
		break;
	case XFED__FRAME__BODY_POLICY_RESULT:
		gateway_policy_result(l, f->policy_result);
		break;
	case XFED__FRAME__BODY_STREAM_EVENT:
		gateway_take_stream_event(l, f->stream_event);
		break;
	case XFED__FRAME__BODY_FAILURE_EVENT:
		gateway_take_failure(l, f->failure_event);
		break;
	case XFED__FRAME__BODY_DRAIN:
		take_drain(l, f->drain);
		break;
	default:
		break; /* the session lets nothing else of an edge through */
	}
}

/* ---- the machine's driver ---- */

static void run_job(void *arg)
{
	proto_session_job_run(((struct gateway_session *)arg)->session);
}

static void job_done(void *arg)
{
	struct gateway_session *run = arg;
	if (!run->link) {
		session_free(run);
		return;
	}
	struct proto_event ev = { .type = PROTO_EV_JOB_DONE };
	proto_session_step(run->session, &ev, gateway_now(run->gw));
	rt_stream_resume(run->link->stream);
	gateway_flush_soon(run->gw); /* our Hello */
	drain(run);
}

static void perform(struct gateway_session *run, const struct proto_action *act)
{
	switch (act->type) {
	case PROTO_ACT_JOB:
		rt_job_start(&run->job, run->gw->core.d.loop, run_job, job_done, run);
		break;
	case PROTO_ACT_UP:
		link_up(run->link);
		break;
	case PROTO_ACT_MESSAGE:
		if (run->link->is_up) {
			take_message(run->link, act->frame, act->frame_bytes);
		}
		break;
	case PROTO_ACT_CREDIT:
		gateway_flush_soon(run->gw);
		break;
	case PROTO_ACT_DOWN:
		link_down(run->link, act->reason, act->text);
		break;
	}
}

/* `run` may be gone afterwards. */
static void drain(struct gateway_session *run)
{
	struct proto_action act;
	while (run->link && proto_session_next(run->session, &act)) {
		perform(run, &act);
	}
	if (!run->link) {
		session_free(run);
		return;
	}
	move_output(run->link);
	rt_timer_set(&run->link->timer, proto_session_deadline(run->session));
}

static void step(struct gateway_session *run, struct proto_event *ev)
{
	proto_session_step(run->session, ev, gateway_now(run->gw));
	drain(run);
}

static size_t on_bytes(void *user, struct xfed_span in)
{
	struct gateway_link *l = user;
	struct gateway_session *run = l->run;
	struct proto_event ev = { .type = PROTO_EV_BYTES, .bytes = in };
	proto_session_step(run->session, &ev, gateway_now(l->gw));
	size_t consumed = ev.consumed;
	if (consumed < in.len && !rt_job_is_running(&run->job)) {
		rt_stream_resume(l->stream);
	}
	gateway_flush_soon(l->gw); /* a Pong, and what else the session answers by itself */
	drain(run);
	return consumed;
}

static void on_gone(void *user)
{
	struct gateway_link *l = user;
	step(l->run, &(struct proto_event){ .type = PROTO_EV_EOF });
}

static void on_error(void *user, enum xfed_reason reason)
{
	(void)reason;
	on_gone(user);
}

static void on_drained(void *user)
{
	struct gateway_link *l = user;
	move_output(l);
	gateway_flush_soon(l->gw);
}

static void on_timer(void *user)
{
	struct gateway_link *l = user;
	if (l->run) {
		gateway_flush_soon(l->gw);
		step(l->run, &(struct proto_event){ .type = PROTO_EV_TICK });
	}
}

void gateway_link_fail(struct gateway_link *l, enum xfed_reason reason, const char *text)
{
	struct proto_event ev = { .type = PROTO_EV_CLOSE, .reason = reason, .text = text };
	proto_session_step(l->run->session, &ev, gateway_now(l->gw));
	gateway_flush_soon(l->gw); /* the DOWN that follows is taken by the driver, or by the flush */
}

/* ---- dialling ---- */

static int make_session(struct gateway_link *l)
{
	struct gateway *g = l->gw;
	char software[64];
	snprintf(software, sizeof(software), "xfed-gateway %s", XFED_VERSION);
	struct proto_session_config cfg = {
		.env = &g->core.d.env,
		.role = PROTO_GATEWAY,
		.creds = policy_channel_creds(g->policy),
		.host = xfed_span_str(l->tls_name),
		.hello = {
			.name = xfed_span_str(policy_config(g->policy)->name),
			.boot_nonce = g->core.d.boot_nonce,
			.lowest_unsettled = proto_outbox_lowest_unsettled(g->outbox),
			.capabilities = capabilities,
			.capability_count = XFED_ARRAY_LEN(capabilities),
			.software = xfed_span_str(software),
			.policy_epoch = policy_revision(g->policy)->epoch,
			.policy_counter = policy_revision(g->policy)->counter,
			.policy_hash = xfed_span_make(policy_revision(g->policy)->hash, sizeof(policy_revision(g->policy)->hash)),
		},
	};
	l->run = xfed_calloc(1, sizeof(*l->run));
	if (!l->run) {
		return XFED_ERR_NOMEM;
	}
	l->run->gw = g;
	l->run->link = l;
	int rc = proto_session_new(&cfg, gateway_now(g), &l->run->session);
	if (rc != XFED_OK) {
		xfed_free(l->run);
		l->run = NULL;
	}
	return rc;
}

static void on_connect(void *user, enum xfed_reason reason)
{
	struct gateway_link *l = user;
	if (reason == XFED_REASON_NONE && make_session(l) != XFED_OK) {
		reason = XFED_REASON_STREAM_INTERNAL;
	}
	if (reason == XFED_REASON_NONE) {
		enter(l, GATEWAY_LINK_SESSION);
		rt_stream_keepalive(l->stream, 60);
		drain(l->run);
		return;
	}
	char text[128];
	snprintf(text, sizeof(text), "%s", rt_stream_error_text(l->stream));
	rt_stream_close(l->stream);
	l->stream = NULL;
	attempt_failed(l, reason, text);
}

static const struct rt_stream_handlers handlers = {
	.on_connect = on_connect, .on_bytes = on_bytes, .on_eof = on_gone, .on_error = on_error, .on_drained = on_drained
};

/* The next address that was found. */
static void dial(struct gateway_link *l)
{
	const struct rt_addr *to = &l->addresses[l->address_next++];
	rt_addr_text(to, l->address);
	enter(l, GATEWAY_LINK_CONNECTING);
	if (rt_stream_connect(l->gw->core.d.loop, to, NULL, XFED_CONNECT_TIMEOUT_MS, &handlers, l, LINK_BUFFER_BYTES, &l->stream) != XFED_OK) {
		attempt_failed(l, XFED_REASON_STREAM_INTERNAL, "no socket");
	}
}

static enum xfed_reason keep_addresses(struct gateway_link *l, const struct rt_endpoints *found)
{
	xfed_free(l->addresses);
	l->address_count = l->address_next = 0;
	l->addresses = found->count > 0 ? xfed_calloc(found->count, sizeof(*l->addresses)) : NULL;
	if (found->reason != XFED_REASON_NONE || !l->addresses) {
		return found->reason != XFED_REASON_NONE ? found->reason : XFED_REASON_STREAM_INTERNAL;
	}
	for (size_t i = 0; i < found->count; i++) {
		l->addresses[l->address_count++] = found->list[i].addr;
	}
	return XFED_REASON_NONE;
}

static void on_lookup(void *user, const struct rt_endpoints *found)
{
	struct gateway_link *l = user;
	l->lookup = NULL;
	enum xfed_reason reason = keep_addresses(l, found);
	if (reason != XFED_REASON_NONE) {
		attempt_failed(l, reason, "the name of edges[].address");
	} else {
		dial(l);
	}
}

static void on_redial(void *user)
{
	struct gateway_link *l = user;
	enter(l, GATEWAY_LINK_RESOLVING);
	l->address_count = l->address_next = 0;
	if (rt_resolve_host(l->gw->core.d.resolver, xfed_span_str(l->host), l->port, on_lookup, l, &l->lookup) != XFED_OK) {
		attempt_failed(l, XFED_REASON_STREAM_INTERNAL, "cannot look up edges[].address");
	}
}

/* ---- all of them ---- */

/* Copies, as a reload replaces the configuration; a change of edges needs a restart. */
static int link_init(struct gateway *g, struct gateway_link *l, const struct gateway_edge *e)
{
	l->gw = g;
	l->peer = PROTO_OUTBOX_NO_PEER;
	l->since_s = gateway_wall_s(g);
	l->name = xfed_strdup(e->name);
	l->host = xfed_strdup(e->address.host);
	l->port = e->address.port;
	l->tls_name = xfed_strdup(e->tls_name);
	if (!l->name || !l->host || !l->tls_name) {
		return XFED_ERR_NOMEM;
	}
	int rc = rt_timer_init(&l->timer, g->core.d.loop, on_timer, l);
	return rc == XFED_OK ? rt_timer_init(&l->redial, g->core.d.loop, on_redial, l) : rc;
}

int gateway_links_start(struct gateway *g)
{
	const struct gateway_config *c = policy_config(g->policy);
	int rc = XFED_OK;
	g->links = xfed_calloc(c->edges.count, sizeof(*g->links));
	if (!g->links) {
		return XFED_ERR_NOMEM;
	}
	for (size_t i = 0; i < c->edges.count && rc == XFED_OK; i++) {
		g->links[i].number = (int)i;
		g->link_count++;
		rc = link_init(g, &g->links[i], &c->edges.items[i]);
		if (rc == XFED_OK) {
			rt_timer_set(&g->links[i].redial, gateway_now(g) + 1);
		}
	}
	return rc;
}

void gateway_link_pay(struct gateway_link *l)
{
	uint64_t bytes;
	uint32_t n = l->owed.messages > 0 ? proto_inbox_pay(l->gw->inbox, l->inbox_run, &l->owed, &bytes) : 0;
	if (n > 0) {
		proto_session_grant(gateway_link_session(l), n, bytes);
	}
}

/* Once per turn: what was granted and gathered since. A session may end here; drain() sees to it. */
void gateway_links_flush(struct gateway *g)
{
	for (size_t i = 0; i < g->link_count; i++) {
		struct gateway_link *l = &g->links[i];
		if (!l->run || rt_job_is_running(&l->run->job)) {
			continue;
		}
		if (l->is_up) {
			gateway_link_pay(l); /* what a full memory kept back, or the link would stand still for good */
			gateway_policy_pump(l);
		}
		proto_session_set_lowest(l->run->session, proto_outbox_lowest_unsettled(g->outbox));
		proto_session_flush(l->run->session, gateway_now(g));
		if (proto_report_refused(l->run->session, l->name)) {
			core_count_refusal(&g->core, XFED_REASON_STREAM_INTERNAL, XFED_SIDE_US);
		}
		drain(l->run);
	}
}

void gateway_links_drain(struct gateway *g, uint32_t grace_ms)
{
	Xfed__Frame f = XFED__FRAME__INIT;
	Xfed__Drain d = XFED__DRAIN__INIT;
	d.grace_ms = grace_ms;
	f.body_case = XFED__FRAME__BODY_DRAIN;
	f.drain = &d;
	for (size_t i = 0; i < g->link_count; i++) {
		if (g->links[i].is_up) {
			proto_session_send(gateway_link_session(&g->links[i]), &f);
		}
	}
	gateway_flush_soon(g);
}

void gateway_links_close(struct gateway *g)
{
	for (size_t i = 0; i < g->link_count; i++) {
		struct gateway_link *l = &g->links[i];
		l->is_stopped = true;
		rt_timer_set(&l->redial, 0);
		if (l->run && !rt_job_is_running(&l->run->job)) {
			step(l->run,
				&(struct proto_event){ .type = PROTO_EV_CLOSE, .reason = XFED_REASON_CHANNEL_DOWN, .text = "the gateway stops" });
		}
	}
}

void gateway_links_free(struct gateway *g)
{
	for (size_t i = 0; i < g->link_count; i++) {
		struct gateway_link *l = &g->links[i];
		gateway_out_link_lost(l);
		rt_lookup_cancel(l->lookup);
		rt_stream_close(l->stream);
		rt_timer_close(&l->timer);
		rt_timer_close(&l->redial);
		if (l->run) {
			l->run->link = NULL;
			session_free(l->run);
		}
		xfed_free(l->addresses);
		xfed_free(l->name);
		xfed_free(l->host);
		xfed_free(l->tls_name);
	}
	xfed_free(g->links);
	g->links = NULL;
	g->link_count = 0;
}

struct gateway_link *gateway_link_of_run(struct gateway *g, const struct proto_inbox_run *run)
{
	for (size_t i = 0; i < g->link_count; i++) {
		if (g->links[i].is_up && g->links[i].inbox_run == run) {
			return &g->links[i];
		}
	}
	return NULL;
}

struct gateway_link *gateway_link_of_peer(struct gateway *g, int peer)
{
	for (size_t i = 0; i < g->link_count; i++) {
		if (g->links[i].is_up && g->links[i].peer == peer) {
			return &g->links[i];
		}
	}
	return NULL;
}
