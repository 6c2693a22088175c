#include "edge.h"

#include <utlist.h>

#include "xfed/limits.h"
#include "xfed/mem.h"

#define LINK_BUFFER_BYTES (PROTO_OUTPUT_BYTES + 1024 * 1024)
#define LINGER_MS	  2000

static const char *const capabilities[] = { "im", "iq-local" };

static void drain(struct edge_link *l);

static void link_release(struct edge_link *l)
{
	if (rt_job_is_running(&l->job)) {
		return; /* freed when the job comes back */
	}
	struct edge *e = l->edge;
	edge_checks_drop(e, l);
	DL_DELETE(e->links, l);
	proto_transfer_in_deinit(&l->transfer);
	proto_session_free(l->session);
	rt_timer_close(&l->timer);
	xfed_free(l);
}

/* Output of the session goes to the stream; the stream writes at the end of the turn. */
static void move_output(struct edge_link *l)
{
	struct xfed_buf *from = proto_session_output(l->session), *to = rt_stream_out(l->stream);
	size_t len = xfed_buf_len(from);
	size_t room = to->cap_bytes > rt_stream_out_len(l->stream) ? to->cap_bytes - rt_stream_out_len(l->stream) : 0;
	len = len < room ? len : room;
	if (len > 0 && xfed_buf_append(to, xfed_span_make(xfed_buf_span(from).data, len)) == XFED_OK) {
		xfed_buf_consume(from, len);
		rt_stream_kick(l->stream);
	}
}

/* Of two links with one certificate name the newest wins: it has just proved that it is alive. */
static void replace_older(struct edge_link *l, const char *cert_name)
{
	struct edge_link *old, *next;
	DL_FOREACH_SAFE(l->edge->links, old, next) {
		if (old == l || !old->is_up || strcmp(proto_session_peer(old->session)->cert_name, cert_name) != 0) {
			continue;
		}
		struct proto_event ev = {
			.type = PROTO_EV_CLOSE, .reason = XFED_REASON_CHANNEL_REPLACED, .text = "a newer link with that certificate"
		};
		proto_session_step(old->session, &ev, rt_loop_now_ms(l->edge->core.d.loop));
		drain(old);
	}
}

/* A resumed link: outcomes whose Settled may have been lost with the old one are told again. */
static void tell_again(struct edge_link *l)
{
	for (struct proto_inbox_entry *en = proto_inbox_iterate(l->run, NULL); en; en = proto_inbox_iterate(l->run, en)) {
		if (en->state == PROTO_INBOX_SETTLED) {
			const Xfed__Outcome *list[] = { en->outcome };
			proto_session_settled(l->session, list, 1);
		}
	}
}

static void link_up(struct edge_link *l)
{
	struct edge *e = l->edge;
	const struct proto_peer *peer = proto_session_peer(l->session);
	uint64_t now = rt_loop_now_ms(e->core.d.loop);
	l->run = proto_inbox_link_up(e->inbox, xfed_span_str(peer->name), peer->boot_nonce, peer->hello->lowest_unsettled, now);
	l->peer = proto_outbox_peer(e->outbox, xfed_span_str(peer->name));
	const char *problem = edge_link_problem(l); /* trust may have been reloaded since its handshake */
	if (problem || !l->run || l->peer == PROTO_OUTBOX_NO_PEER) {
		struct proto_event ev = { .type = PROTO_EV_CLOSE,
			.reason = problem ? XFED_REASON_CHANNEL_PEER_UNTRUSTED : XFED_REASON_CHANNEL_FRAME_BAD,
			.text = problem ? problem : "too many gateways" };
		proto_session_step(l->session, &ev, now);
		return;
	}
	l->is_up = true;
	rt_sources_give_back(rt_stream_place(l->stream));
	l->since_s = edge_wall_s(e);
	e->links_up++;
	replace_older(l, peer->cert_name);
	l->owed = (struct proto_owed){ XFED_CHANNEL_CREDIT_MSGS, XFED_CHANNEL_CREDIT_BYTES };
	edge_link_pay(l);
	tell_again(l);
	proto_outbox_peer_up(e->outbox, l->peer, peer->boot_nonce, now);
	edge_route_ended(e);
	rt_metric_set(e->core.d.metrics, RT_M_CHANNEL_UP, 1, RT_LABELS(xfed_span_str(peer->name)));
	rt_log(RT_LOG_INFO, "channel.up", RT_KV_STR("peer", peer->name), RT_KV_STR("certificate", peer->cert_name), RT_KV_STR("address", l->address),
		RT_KV_STR("tls", peer->tls_version), RT_KV_STR("cipher", peer->cipher), RT_KV_HEX("boot", peer->boot_nonce), RT_END);
	edge_events_snapshot(l);
	edge_service_judge(e);
	edge_flush_soon(e);
}

static void link_down(struct edge_link *l, enum xfed_reason reason, const char *text)
{
	struct edge *e = l->edge;
	uint64_t now = rt_loop_now_ms(e->core.d.loop);
	const struct proto_peer *peer = proto_session_peer(l->session);
	rt_log(l->is_up ? RT_LOG_WARNING : RT_LOG_INFO, "channel.down", RT_KV_STR("peer", peer ? peer->name : NULL), RT_KV_STR("address", l->address),
		RT_KV_REASON(reason), RT_KV_STR("text", text), RT_END);
	l->is_closed = true;
	move_output(l);
	rt_stream_linger(l->stream, LINGER_MS);
	l->stream = NULL;
	if (l->is_up) {
		l->is_up = false;
		e->links_up--;
		proto_inbox_link_lost(e->inbox, l->run, now);
		if (!edge_link_of_peer(e, l->peer)) {
			proto_outbox_peer_lost(e->outbox, l->peer, now);
			edge_route_ended(e);
			rt_metric_set(e->core.d.metrics, RT_M_CHANNEL_UP, 0, RT_LABELS(xfed_span_str(peer->name)));
		}
		/* "drain" is the gateway's own good end; what is wrong here is that there is none. */
		e->link_reason = reason == XFED_REASON_STREAM_CLOSED_DRAIN ? XFED_REASON_CHANNEL_DOWN : reason;
		e->link_since_s = edge_wall_s(e);
	}
	edge_service_judge(e);
	edge_flush_soon(e);
}

/* ---- messages ---- */

static void take_settled(struct edge_link *l, const Xfed__Settled *m)
{
	for (size_t i = 0; i < m->n_outcomes; i++) {
		struct proto_delivery *d = proto_outbox_settled(l->edge->outbox, l->peer, m->outcomes[i]);
		if (d) {
			edge_route_outcome(l->edge, d, m->outcomes[i]);
		}
	}
	edge_flush_soon(l->edge);
}

static void take_attempted(struct edge_link *l, const Xfed__Attempted *m)
{
	uint64_t yes[PROTO_SEQS_MAX], no[PROTO_SEQS_MAX];
	size_t n_yes = 0, n_no = 0;
	for (size_t i = 0; i < m->n_seqs; i++) {
		if (proto_outbox_attempted(l->edge->outbox, l->peer, m->seqs[i])) {
			yes[n_yes++] = m->seqs[i];
		} else {
			no[n_no++] = m->seqs[i];
		}
	}
	proto_session_attempted_ack(l->session, yes, n_yes, no, n_no);
	edge_flush_soon(l->edge);
}

static void take_message(struct edge_link *l, const Xfed__Frame *f, size_t frame_bytes)
{
	switch (f->body_case) {
	case XFED__FRAME__BODY_DELIVER:
		edge_forward_take(l, f->deliver, frame_bytes);
		break;
	case XFED__FRAME__BODY_SETTLED:
		take_settled(l, f->settled);
		break;
	case XFED__FRAME__BODY_ATTEMPTED:
		take_attempted(l, f->attempted);
		break;
	case XFED__FRAME__BODY_PING: /* answered already; its mark lets us forget */
		edge_forward_heard(l, f->ping->lowest_unsettled);
		break;
	case XFED__FRAME__BODY_WITHDRAW:
		edge_forward_withdraw(l, f->withdraw->seq);
		break;
	case XFED__FRAME__BODY_REQUEST:
		edge_control_request(l, f->request);
		break;
	case XFED__FRAME__BODY_POLICY_BEGIN:
	case XFED__FRAME__BODY_POLICY_PART:
	case XFED__FRAME__BODY_POLICY_COMMIT:
		edge_policy_take(l, f);
		break;
	case XFED__FRAME__BODY_DRAIN:
		l->is_draining = true; /* nothing new goes there; what is there is settled */
		edge_service_judge(l->edge);
		break;
	default:
		break; /* the session lets nothing else of a gateway through */
	}
}

/* ---- the machine's driver ---- */

static void run_job(void *arg)
{
	proto_session_job_run(((struct edge_link *)arg)->session);
}

static void job_done(void *arg)
{
	struct edge_link *l = arg;
	struct proto_event ev = { .type = PROTO_EV_JOB_DONE };
	proto_session_step(l->session, &ev, rt_loop_now_ms(l->edge->core.d.loop));
	if (!l->is_closed) {
		rt_stream_resume(l->stream);
	}
	edge_flush_soon(l->edge); /* our Hello waits for it */
	drain(l);
}

static void perform(struct edge_link *l, const struct proto_action *act)
{
	switch (act->type) {
	case PROTO_ACT_JOB:
		rt_job_start(&l->job, l->edge->core.d.loop, run_job, job_done, l);
		break;
	case PROTO_ACT_UP:
		link_up(l);
		break;
	case PROTO_ACT_MESSAGE:
		take_message(l, act->frame, act->frame_bytes);
		break;
	case PROTO_ACT_CREDIT:
		edge_route_taken(l);
		edge_flush_soon(l->edge);
		break;
	case PROTO_ACT_DOWN:
		link_down(l, act->reason, act->text);
		break;
	}
}

/* `l` may be gone afterwards. */
static void drain(struct edge_link *l)
{
	struct proto_action act;
	while (!l->is_closed && proto_session_next(l->session, &act)) {
		perform(l, &act);
	}
	if (l->is_closed) {
		link_release(l);
		return;
	}
	move_output(l);
	rt_timer_set(&l->timer, proto_session_deadline(l->session));
}

static size_t on_bytes(void *user, struct xfed_span in)
{
	struct edge_link *l = user;
	struct proto_event ev = { .type = PROTO_EV_BYTES, .bytes = in };
	proto_session_step(l->session, &ev, rt_loop_now_ms(l->edge->core.d.loop));
	size_t consumed = ev.consumed;
	if (consumed < in.len && !rt_job_is_running(&l->job)) {
		rt_stream_resume(l->stream);
	}
	edge_flush_soon(l->edge); /* a Pong, and what else the session answers by itself */
	drain(l);
	return consumed;
}

static void on_gone(void *user)
{
	struct edge_link *l = user;
	struct proto_event ev = { .type = PROTO_EV_EOF };
	proto_session_step(l->session, &ev, rt_loop_now_ms(l->edge->core.d.loop));
	drain(l);
}

static void on_error(void *user, enum xfed_reason reason)
{
	on_gone(user);
}

static void on_drained(void *user)
{
	struct edge_link *l = user;
	move_output(l);
	edge_flush_soon(l->edge);
}

static void on_timer(void *user)
{
	struct edge_link *l = user;
	if (l->is_closed) {
		return;
	}
	struct proto_event ev = { .type = PROTO_EV_TICK };
	proto_session_step(l->session, &ev, rt_loop_now_ms(l->edge->core.d.loop));
	edge_flush_soon(l->edge);
	drain(l);
}

static const struct rt_stream_handlers handlers = { .on_bytes = on_bytes, .on_eof = on_gone, .on_error = on_error, .on_drained = on_drained };

/*
 * Who holds a place without going on loses it to a newcomer, the oldest of those the newcomer shares with first: a gateway links
 * within a moment, and one that has started anew must find a place however many strangers sit there.
 */
static bool make_room(struct edge *e, const struct rt_addr *from, enum rt_source_verdict v)
{
	uint64_t now = rt_loop_now_ms(e->core.d.loop);
	for (struct edge_link *l = e->links; l; l = l->next) {
		bool can_go = !l->is_up && !l->is_closed && !rt_job_is_running(&l->job) && now - l->accepted_ms >= XFED_CHANNEL_ROOM_AFTER_MS;
		if (can_go && rt_source_is_same(rt_stream_peer(l->stream), from, v)) {
			struct proto_event ev = {
				.type = PROTO_EV_CLOSE, .reason = XFED_REASON_POLICY_UNPROVED_EXCEEDED, .text = "made room for a newer link"
			};
			rt_sources_give_back(rt_stream_place(l->stream)); /* at once: its socket lingers a moment */
			proto_session_step(l->session, &ev, now);
			drain(l);
			return true;
		}
	}
	return false;
}

static bool admit(struct edge *e, struct rt_stream *s)
{
	struct rt_source_refusal r = { .event = "channel.refused", .address = rt_stream_peer(s) };
	enum xfed_side side = XFED_SIDE_OPERATOR;
	if (e->links_up >= XFED_CHANNEL_LINKS_MAX) { /* gateways that have proved themselves, not strangers */
		r.limit = "links";
		r.reason = XFED_REASON_POLICY_CONNECTIONS_EXCEEDED;
		r.verdict = RT_SOURCE_TOTAL;
	} else {
		r.limit = "handshakes";
		r.reason = XFED_REASON_POLICY_UNPROVED_EXCEEDED;
		r.verdict = rt_sources_take(&e->linkers, r.address, rt_stream_place(s));
		if (r.verdict != RT_SOURCE_OK && make_room(e, r.address, r.verdict)) {
			r.verdict = rt_sources_take(&e->linkers, r.address, rt_stream_place(s));
		}
		side = xfed_reason_info(r.reason)->side;
	}
	return core_has_place(&e->core, &e->linkers, &r, side);
}

int edge_link_accept(struct edge *e, struct rt_stream *s)
{
	if (!admit(e, s)) {
		rt_stream_close(s);
		return XFED_ERR_LIMIT;
	}
	struct edge_link *l = xfed_calloc(1, sizeof(*l));
	if (!l) {
		rt_stream_close(s);
		return XFED_ERR_NOMEM;
	}
	l->edge = e;
	l->stream = s;
	l->accepted_ms = rt_loop_now_ms(e->core.d.loop);
	l->peer = PROTO_OUTBOX_NO_PEER;
	char software[64];
	snprintf(software, sizeof(software), "xfed-edge %s", XFED_VERSION);
	struct proto_session_config cfg = {
		.env = &e->core.d.env,
		.role = PROTO_EDGE,
		.creds = e->channel_creds,
		.allow = (const char *const *)e->config->channel.allow.items,
		.allow_count = e->config->channel.allow.count,
		.hello = {
			.name = xfed_span_str(e->config->name),
			.boot_nonce = e->core.d.boot_nonce,
			.lowest_unsettled = proto_outbox_lowest_unsettled(e->outbox),
			.capabilities = capabilities,
			.capability_count = XFED_ARRAY_LEN(capabilities),
			.software = xfed_span_str(software),
			.policy_epoch = e->revision.epoch,
			.policy_counter = e->revision.counter,
			.policy_hash = xfed_span_make(e->revision.hash, s2s_policy(e->s2s) ? sizeof(e->revision.hash) : 0),
		},
	};
	int rc = rt_timer_init(&l->timer, e->core.d.loop, on_timer, l);
	if (rc == XFED_OK) {
		rc = proto_session_new(&cfg, rt_loop_now_ms(e->core.d.loop), &l->session);
	}
	if (rc != XFED_OK) {
		rt_timer_close(&l->timer);
		rt_stream_close(s);
		xfed_free(l);
		return rc;
	}
	DL_APPEND(e->links, l);
	rt_stream_start(s, &handlers, l, LINK_BUFFER_BYTES);
	rt_addr_text(rt_stream_peer(s), l->address);
	drain(l);
	return XFED_OK;
}

struct edge_link *edge_link_of(struct edge *e, const struct proto_inbox_run *run)
{
	for (struct edge_link *l = e->links; l; l = l->next) {
		if (l->is_up && l->run == run) {
			return l;
		}
	}
	return NULL;
}

struct edge_link *edge_link_of_peer(struct edge *e, int peer)
{
	for (struct edge_link *l = e->links; l; l = l->next) {
		if (l->is_up && l->peer == peer) {
			return l;
		}
	}
	return NULL;
}

void edge_link_pay(struct edge_link *l)
{
	uint64_t bytes;
	uint32_t n = l->owed.messages > 0 ? proto_inbox_pay(l->edge->inbox, l->run, &l->owed, &bytes) : 0;
	if (n > 0) {
		proto_session_grant(l->session, n, bytes);
	}
}

/* Once per turn: what was granted and encrypted since. A session may end here; drain() sees to it. */
void edge_links_flush(struct edge *e)
{
	struct edge_link *l, *next;
	uint64_t now = rt_loop_now_ms(e->core.d.loop);
	DL_FOREACH_SAFE(e->links, l, next) {
		if (l->is_closed || rt_job_is_running(&l->job)) {
			continue;
		}
		if (l->is_up) {
			edge_link_pay(l); /* what a full memory kept back, or the link would starve */
		}
		proto_session_set_lowest(l->session, proto_outbox_lowest_unsettled(e->outbox));
		proto_session_flush(l->session, now);
		if (proto_report_refused(l->session, l->is_up ? proto_session_peer(l->session)->name : NULL)) {
			core_count_refusal(&e->core, XFED_REASON_STREAM_INTERNAL, XFED_SIDE_US);
		}
		drain(l);
	}
}

void edge_link_send(struct edge_link *l, const Xfed__Frame *f)
{
	if (proto_session_send(l->session, f) != XFED_OK) {
		rt_metric_add(l->edge->core.d.metrics, RT_M_CHANNEL_UNSENT, 1, RT_LABELS(xfed_span_str(proto_body_name(f->body_case))));
	}
}

void edge_links_send(struct edge *e, const Xfed__Frame *f)
{
	for (struct edge_link *l = e->links; l; l = l->next) {
		if (l->is_up && !l->is_closed) {
			edge_link_send(l, f);
		}
	}
	edge_flush_soon(e);
}

void edge_links_drain(struct edge *e, uint32_t grace_ms)
{
	Xfed__Frame f = XFED__FRAME__INIT;
	Xfed__Drain d = XFED__DRAIN__INIT;
	d.grace_ms = grace_ms;
	f.body_case = XFED__FRAME__BODY_DRAIN;
	f.drain = &d;
	edge_links_send(e, &f);
}

void edge_links_free(struct edge *e)
{
	struct edge_link *l, *next;
	DL_FOREACH_SAFE(e->links, l, next) {
		rt_stream_close(l->stream);
		l->stream = NULL;
		l->is_closed = true;
		rt_timer_close(&l->timer);
		link_release(l);
	}
}
