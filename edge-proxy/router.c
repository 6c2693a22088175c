#include "edge.h"

#include "xfed/hash.h"
#include "xfed/mem.h"

#define SCRATCH_ARENA (64 * 1024)

/* The domain of a normalised address. */
static struct xfed_span domain_of(struct xfed_span jid)
{
	const char *slash = jid.len ? memchr(jid.data, '/', jid.len) : NULL;
	size_t len = slash ? (size_t)(slash - jid.data) : jid.len;
	const char *at = len ? memchr(jid.data, '@', len) : NULL;
	size_t skip = at ? (size_t)(at - jid.data) + 1 : 0;
	return xfed_span_make(jid.data + skip, len - skip);
}

/* ---- from partners to gateways ---- */

static Xfed__Kind kind_of(const struct xfed_stanza *s)
{
	if (s->type == XFED_TYPE_ERROR) {
		return XFED__KIND__KIND_ERROR;
	}
	if (s->kind == XFED_STANZA_MESSAGE) {
		return XFED__KIND__KIND_MESSAGE;
	}
	switch (s->type) {
	case XFED_TYPE_SUBSCRIBE:
	case XFED_TYPE_SUBSCRIBED:
	case XFED_TYPE_UNSUBSCRIBE:
	case XFED_TYPE_UNSUBSCRIBED:
		return XFED__KIND__KIND_SUBSCRIPTION;
	default:
		return XFED__KIND__KIND_PRESENCE;
	}
}

static enum proto_replay replay_of(Xfed__Kind kind)
{
	switch (kind) {
	case XFED__KIND__KIND_SUBSCRIPTION:
		return PROTO_REPLAY_ANY;
	case XFED__KIND__KIND_PRESENCE:
		return PROTO_REPLAY_NEVER;
	case XFED__KIND__KIND_ERROR:
		return PROTO_REPLAY_SAME_RUN;
	default:
		return PROTO_REPLAY_UNATTEMPTED;
	}
}

static uint64_t pair_key(struct xfed_arena *a, const struct xfed_stanza *s)
{
	struct xfed_span from = xfed_jid_bare(a, &s->from), to = xfed_jid_bare(a, &s->to);
	struct xfed_span both = from.data && to.data ? xfed_arena_printf(a, "%s %s", from.data, to.data) : from;
	uint64_t key = both.data ? xfed_hash_bytes(both.data, both.len) : 0;
	return key ? key : 1;
}

/* Whose share it takes: the partner's, whichever of its domains it comes from. */
static uint64_t share_key(const struct edge *e, const struct xfed_stanza *s)
{
	const struct xfed_partner *p = xfed_policy_partner(e->policy, s->from.domain);
	return p ? xfed_hash_bytes(p->domain, strlen(p->domain)) : 0;
}

/*
 * Full: this stream is not read until the gateways have taken some. What stream management counts must not wait unacknowledged
 * for long, so by number it waits only while they do take; then its partner hears that there is no room.
 */
static void count_parked(struct edge_conn *c, size_t bytes, bool is_counted)
{
	c->parked_bytes += bytes;
	c->parked_count++;
	if (c->parked_bytes > c->edge->config->limits.park_bytes) {
		c->is_paused = true;
	} else if (is_counted && c->parked_count >= XFED_DELIVERY_PARK_SLOW && !c->is_impatient && c->edge->links_up > 0) {
		c->is_paused = true;
		c->patience_ms = rt_loop_now_ms(c->edge->loop) + XFED_DELIVERY_PARK_PATIENCE_MS;
	}
}

static void count_unparked(struct edge_conn *c, size_t bytes)
{
	c->parked_bytes -= bytes < c->parked_bytes ? bytes : c->parked_bytes;
	c->parked_count -= c->parked_count > 0;
	c->is_impatient = false;
	if (c->patience_ms) {
		c->patience_ms = rt_loop_now_ms(c->edge->loop) + XFED_DELIVERY_PARK_PATIENCE_MS;
	}
}

static bool may_read_again(const struct edge_conn *c)
{
	return c->is_paused && c->parked_bytes <= c->edge->config->limits.park_bytes / 2 &&
	       (!c->patience_ms || c->parked_count <= XFED_DELIVERY_PARK_SLOW / 2);
}

void edge_refuse_stanza(struct edge_conn *c, const struct xfed_s2s_action *act, enum xfed_reason reason)
{
	const struct xfed_reason_info *info = xfed_reason_info(reason);
	edge_report_refusal(c->edge, reason, info->side);
	rt_log(RT_LOG_INFO, "stanza.refused", RT_KV("partner", act->stanza.from.domain), RT_KV("local", act->stanza.to.domain),
		RT_KV_REASON(reason), RT_KV_U64("conn", c->id), RT_KV("id", act->stanza.id), RT_END);
	if (!info->condition || !xfed_stanza_may_error(&act->stanza)) {
		rt_metric_add(c->edge->metrics, RT_M_DROPPED, 1, RT_LABELS(XFED_SPAN("no-error-due")));
		return;
	}
	struct xfed_stanza_error err = { .condition = info->condition, .text = xfed_span_str(info->code),
		.is_too_big = reason == XFED_REASON_POLICY_SIZE_EXCEEDED };
	edge_bounce(c->edge, act->arena, &act->stanza, &err);
}

/* What has come in this turn is not parked, only not looked at yet: that happens here before anything is refused. */
static bool has_parking_space(struct edge_conn *c)
{
	if (c->parked_count >= XFED_DELIVERY_PARK_COUNTED) {
		edge_route_pump(c->edge);
	}
	return c->parked_count < XFED_DELIVERY_PARK_COUNTED;
}

bool edge_route_to_gateway(struct edge_conn *c, const struct xfed_s2s_action *act)
{
	struct edge *e = c->edge;
	const struct xfed_stanza *s = &act->stanza;
	if (act->sm_number && !has_parking_space(c)) {
		edge_refuse_stanza(c, act, XFED_REASON_DELIVERY_QUEUE_FULL); /* what is not acknowledged for long, peers take for lost */
		return false;
	}
	if (e->service == EDGE_LEAVING || e->service == EDGE_OUT_OF_SERVICE) {
		edge_refuse_stanza(c, act, XFED_REASON_CHANNEL_DOWN); /* what waited has gone back, and this would wait in vain */
		return false;
	}
	xfed_buf_clear(&e->scratch);
	struct xfed_span from = xfed_jid_full(act->arena, &s->from), to = xfed_jid_full(act->arena, &s->to);
	if (!from.data || !to.data || xfed_xml_write(&e->scratch, s->elem, XFED_SPAN("")) != XFED_OK) {
		edge_refuse_stanza(c, act, XFED_REASON_POLICY_SIZE_EXCEEDED); /* canonical form larger than a frame */
		return false;
	}
	uint64_t now = rt_loop_now_ms(e->loop);
	char correlation[64];
	snprintf(correlation, sizeof(correlation), "%s-%llx-%llx", e->config->name, (unsigned long long)c->id, (unsigned long long)c->stanzas_in);
	Xfed__Kind kind = kind_of(s);
	struct proto_delivery_new n = {
		.kind = kind,
		.replay = replay_of(kind),
		.type = xfed_xml_attr_get(s->elem, "type"),
		.id = s->id,
		.from = from,
		.to = to,
		.lang = s->lang,
		.stanza = xfed_buf_span(&e->scratch),
		.correlation = xfed_span_str(correlation),
		.pair_key = pair_key(act->arena, s),
		.share_key = share_key(e, s),
		.deadline_ms = now + XFED_DELIVERY_DEADLINE_MS,
		.peer = PROTO_OUTBOX_NO_PEER,
		.cookie = c->id,
		.number = act->sm_number,
	};
	uint64_t seq;
	int rc = proto_outbox_add(e->outbox, &n, now, &seq);
	if (rc != XFED_OK) {
		edge_refuse_stanza(c, act, rc == XFED_ERR_INVALID ? XFED_REASON_XMPP_STANZA_INVALID : XFED_REASON_DELIVERY_QUEUE_FULL);
		return false;
	}
	count_parked(c, n.stanza.len, act->sm_number != 0);
	edge_flush_soon(e);
	return true;
}

/* It is parked no more: its stream may be read again. */
static void unpark(struct edge *e, const struct proto_delivery *d)
{
	struct edge_conn *c = edge_conn_find(e, d->cookie);
	if (!c) {
		return;
	}
	count_unparked(c, d->stanza.len);
	if (may_read_again(c)) {
		edge_conn_resume(c);
	}
}

static void pump_link(struct edge *e, struct edge_link *l)
{
	uint64_t now = rt_loop_now_ms(e->loop), seq;
	const struct proto_delivery *d;
	size_t n = 0;
	while ((d = proto_outbox_next(e->outbox, l->peer))) {
		Xfed__Deliver m;
		Xfed__SipKey sip;
		proto_outbox_message(e->outbox, d, now, &m, &sip);
		if (proto_session_deliver(l->session, &m) != XFED_OK) {
			break; /* no credit, no room: when there is, the link comes back here */
		}
		l->sent[l->sent_count++ % EDGE_LINK_SENT] = (struct edge_sent){ d->cookie, d->number };
		proto_outbox_sent(e->outbox, d, l->peer);
		if (d->sends == 1) {
			unpark(e, d);
		}
		if (++n == XFED_CHANNEL_PUMP_MSGS) {
			edge_flush_soon(e); /* the rest in the next turn */
			break;
		}
	}
	while (proto_outbox_next_withdraw(e->outbox, l->peer, &seq)) {
		if (proto_session_withdraw(l->session, seq) != XFED_OK) {
			break;
		}
	}
}

void edge_route_pump(struct edge *e)
{
	for (struct edge_link *l = e->links; l; l = l->next) {
		if (l->is_up && !l->is_closed && !l->is_draining) {
			pump_link(e, l);
		}
	}
}

void edge_route_taken(struct edge_link *l)
{
	uint64_t taken = proto_session_taken(l->session);
	uint64_t oldest = l->sent_count > EDGE_LINK_SENT ? l->sent_count - EDGE_LINK_SENT : 0;
	l->taken_count = l->taken_count > oldest ? l->taken_count : oldest;
	for (; l->taken_count < taken; l->taken_count++) {
		const struct edge_sent *sent = &l->sent[l->taken_count % EDGE_LINK_SENT];
		edge_conn_cover(l->edge, sent->conn, sent->number);
	}
}

/* ---- fates back to the senders ---- */

void edge_send_elem(struct edge *e, struct xfed_span local, struct xfed_span remote, const struct xfed_xml_elem *elem, const char *rule)
{
	xfed_buf_clear(&e->scratch);
	struct edge_item *it = NULL;
	if (elem && xfed_xml_write(&e->scratch, elem, XFED_SPAN(XFED_NS_SERVER)) == XFED_OK) {
		it = edge_item_new(xfed_buf_span(&e->scratch), remote, XFED__KIND__KIND_ERROR, NULL);
	}
	if (!it) {
		rt_metric_add(e->metrics, RT_M_DROPPED, 1, RT_LABELS(XFED_SPAN("no-memory")));
		return;
	}
	it->rule = rule;
	edge_pair_send(e, local, remote, it);
}

/* `elem` NULL: there is no memory, or no error may be sent. */
static void send_error(struct edge *e, struct xfed_span local, struct xfed_span remote, const struct xfed_xml_elem *elem, bool nomem)
{
	if (!elem) {
		rt_metric_add(e->metrics, RT_M_DROPPED, 1, RT_LABELS(nomem ? XFED_SPAN("no-memory") : XFED_SPAN("no-error-due")));
		return;
	}
	edge_send_elem(e, local, remote, elem, "error-unsendable");
}

void edge_bounce(struct edge *e, struct xfed_arena *a, const struct xfed_stanza *s, const struct xfed_stanza_error *err)
{
	bool nomem = false;
	struct xfed_xml_elem *elem = xfed_stanza_error_new(a, s, err, &nomem);
	send_error(e, s->to.domain, s->from.domain, elem, nomem);
}

/* An error for a delivery whose stanza's tree is long gone: its attributes are in the table. */
static void bounce_delivery(struct edge *e, const struct proto_delivery *d, const Xfed__Outcome *oc, enum xfed_reason reason)
{
	struct xfed_arena a;
	xfed_arena_init(&a, SCRATCH_ARENA);
	struct xfed_stanza_error err;
	struct xfed_stanza_words words = {
		.is_message = d->kind == XFED__KIND__KIND_MESSAGE || d->kind == XFED__KIND__KIND_ERROR,
		.type = xfed_span_str(d->type), .id = xfed_span_str(d->id), .from = xfed_span_str(d->from), .to = xfed_span_str(d->to),
	};
	bool nomem;
	proto_outcome_error(oc, reason, &err);
	send_error(e, domain_of(words.to), domain_of(words.from), xfed_stanza_error_of_words(&a, &words, &err, &nomem), nomem);
	xfed_arena_deinit(&a);
}

/* What went well is a debug line: a busy edge says it by metrics. */
static void log_fate(const struct proto_delivery *d, const char *event, enum xfed_reason reason, const char *text)
{
	rt_log(reason == XFED_REASON_NONE ? RT_LOG_DEBUG : RT_LOG_INFO, event, RT_KV("partner", domain_of(xfed_span_str(d->from))), RT_KV("local", domain_of(xfed_span_str(d->to))),
		RT_KV_REASON(reason), RT_KV_U64("delivery", d->seq), RT_KV_STR("id", d->id), RT_KV_STR("correlation", d->correlation),
		RT_KV_STR("text", text && *text ? text : NULL), RT_END);
}

/* One fate, one place: metric, log line, and the error where one is due. */
static void tell_sender(struct edge *e, struct proto_delivery *d, const Xfed__Outcome *oc, enum xfed_reason reason)
{
	struct xfed_span remote = domain_of(xfed_span_str(d->from));
	const char *kind = edge_kind_word(d->kind);
	double seconds = (double)(rt_loop_now_ms(e->loop) - d->added_ms) / 1000.0;
	rt_metric_observe(e->metrics, RT_M_DELIVERY, seconds, RT_NO_LABELS);
	switch (oc->fate) {
	case XFED__FATE__FATE_DELIVERED:
		edge_report_stanza(e, remote, "to_sip", kind, "delivered");
		log_fate(d, "delivery.delivered", XFED_REASON_NONE, NULL);
		break;
	case XFED__FATE__FATE_DROPPED:
		edge_report_stanza(e, remote, "to_sip", kind, "dropped");
		rt_metric_add(e->metrics, RT_M_DROPPED, 1, RT_LABELS(xfed_span_str(oc->rule && *oc->rule ? oc->rule : "other")));
		break;
	case XFED__FATE__FATE_UNCERTAIN:
		edge_report_stanza(e, remote, "to_sip", kind, "uncertain");
		rt_metric_add(e->metrics, RT_M_DELIVERIES_UNCERTAIN, 1, RT_NO_LABELS);
		edge_report_refusal(e, XFED_REASON_DELIVERY_UNCERTAIN, XFED_SIDE_NETWORK);
		log_fate(d, "delivery.uncertain", XFED_REASON_DELIVERY_UNCERTAIN, oc->text);
		bounce_delivery(e, d, oc, XFED_REASON_DELIVERY_UNCERTAIN);
		break;
	default:
		edge_report_stanza(e, remote, "to_sip", kind, "refused");
		edge_report_refusal(e, reason, xfed_reason_info(reason)->side);
		log_fate(d, "delivery.refused", reason, oc->text);
		bounce_delivery(e, d, oc, reason);
		break;
	}
}

void edge_route_outcome(struct edge *e, struct proto_delivery *d, const Xfed__Outcome *oc)
{
	tell_sender(e, d, oc, xfed_reason_by_code(xfed_span_str(oc->reason)));
	edge_conn_cover(e, d->cookie, d->number);
	proto_outbox_done(e->outbox, d);
}

/* Deliveries that ended without a gateway's word: by their deadline, or with a gateway's run. */
void edge_route_ended(struct edge *e)
{
	struct proto_delivery *d;
	while ((d = proto_outbox_ended(e->outbox))) {
		if (d->sends == 0) {
			unpark(e, d);
		}
		enum xfed_reason reason = d->fate == XFED__FATE__FATE_WITHDRAWN || e->links_up == 0 ? XFED_REASON_CHANNEL_DOWN : d->reason;
		const struct xfed_reason_info *info = xfed_reason_info(reason);
		Xfed__Outcome oc = XFED__OUTCOME__INIT;
		oc.fate = d->fate;
		oc.condition = (char *)(info->condition ? info->condition : "");
		oc.text = (char *)info->code;
		oc.rule = (char *)(d->rule ? d->rule : "");
		tell_sender(e, d, &oc, reason);
		edge_conn_cover(e, d->cookie, d->number);
		proto_outbox_done(e->outbox, d);
	}
}

/* ---- from gateways to partners ---- */

/* A fate in SIP's words: 202 where it is written and nobody has acknowledged it. */
static uint32_t status_of(Xfed__Fate fate, enum xfed_reason reason)
{
	return fate == XFED__FATE__FATE_DELIVERED ? 200 : (uint32_t)xfed_reason_info(reason)->sip_status;
}

static void settle_run(struct edge *e, struct proto_inbox_run *run, uint64_t seq, Xfed__Fate fate, uint32_t sip_status, enum xfed_reason reason)
{
	const struct xfed_reason_info *info = xfed_reason_info(reason);
	Xfed__Outcome oc = XFED__OUTCOME__INIT;
	oc.seq = seq;
	oc.fate = fate;
	oc.sip_status = sip_status;
	if (reason != XFED_REASON_NONE) {
		oc.reason = (char *)info->code;
		oc.condition = (char *)(info->condition ? info->condition : "");
	}
	proto_inbox_settle(e->inbox, run, &oc, NULL, rt_loop_now_ms(e->loop));
	struct edge_link *l = edge_link_of(e, run);
	const Xfed__Outcome *list[] = { &oc };
	if (l) {
		proto_session_settled(l->session, list, 1); /* a link that is down asks again when it resumes */
		edge_flush_soon(e);
	}
}

/* A boot nonce names one run of one gateway. */
static struct proto_inbox_run *run_of_nonce(struct edge *e, uint64_t nonce)
{
	for (struct edge_link *l = e->links; l; l = l->next) {
		if (l->run && proto_inbox_run_nonce(l->run) == nonce) {
			return l->run;
		}
	}
	return NULL;
}

static void settle_sip(struct edge *e, const struct edge_origin *o, Xfed__Fate fate, uint32_t sip_status, enum xfed_reason reason)
{
	uint64_t now = rt_loop_now_ms(e->loop);
	struct proto_sip_fate *f = proto_sipmemory_find(e->sips, &o->sip);
	if (!f || f->is_settled) {
		return;
	}
	for (size_t i = 0; i < f->waiter_count; i++) {
		struct proto_inbox_run *run = run_of_nonce(e, f->waiters[i].nonce);
		if (run && (run != o->run || f->waiters[i].seq != o->seq)) {
			settle_run(e, run, f->waiters[i].seq, fate, sip_status, reason);
		}
	}
	proto_sipmemory_settle(e->sips, &o->sip, fate, sip_status, reason, now);
}

static void settle_origin(struct edge *e, const struct edge_origin *o, Xfed__Fate fate, uint32_t sip_status, enum xfed_reason reason)
{
	if (o->has_sip) {
		settle_sip(e, o, fate, sip_status, reason);
	}
	settle_run(e, o->run, o->seq, fate, sip_status, reason);
}

static void log_item(const struct edge_item *it, const char *event, enum xfed_reason reason, enum xfed_side side)
{
	rt_log(reason == XFED_REASON_NONE ? RT_LOG_DEBUG : RT_LOG_INFO, event, RT_KV_STR("partner", it->remote), RT_KV_REASON_SIDE(reason, side),
		RT_KV_U64("delivery", it->origin.seq), RT_KV_STR("call_id", it->origin.has_sip ? it->origin.sip.call_id : NULL), RT_END);
}

/* One of the edge's own: nobody waits for its fate. */
static void settle_own(struct edge *e, const struct edge_item *it, Xfed__Fate fate, enum xfed_reason reason, enum xfed_side side)
{
	if (fate != XFED__FATE__FATE_DELIVERED) {
		rt_metric_add(e->metrics, RT_M_DROPPED, 1, RT_LABELS(xfed_span_str(it->rule)));
		rt_log(RT_LOG_INFO, "stanza.dropped", RT_KV_STR("partner", it->remote), RT_KV_STR("rule", it->rule), RT_KV_REASON_SIDE(reason, side), RT_END);
	}
}

void edge_item_settle(struct edge *e, struct edge_item *it, Xfed__Fate fate, enum xfed_reason reason, enum xfed_side side)
{
	if (it->is_settled) {
		return;
	}
	it->is_settled = true;
	if (!it->origin.run) {
		settle_own(e, it, fate, reason, side);
		return;
	}
	const char *kind = edge_kind_word(it->kind);
	struct xfed_span remote = xfed_span_str(it->remote);
	switch (fate) {
	case XFED__FATE__FATE_DELIVERED:
		edge_report_stanza(e, remote, "to_xmpp", kind, "delivered");
		log_item(it, "delivery.written", reason, side);
		break;
	case XFED__FATE__FATE_UNCERTAIN:
		edge_report_stanza(e, remote, "to_xmpp", kind, "uncertain");
		rt_metric_add(e->metrics, RT_M_DELIVERIES_UNCERTAIN, 1, RT_NO_LABELS);
		edge_report_refusal(e, reason, side);
		log_item(it, "delivery.uncertain", reason, side);
		break;
	default:
		edge_report_stanza(e, remote, "to_xmpp", kind, "refused");
		edge_report_refusal(e, reason, side);
		log_item(it, "delivery.refused", reason, side);
		break;
	}
	settle_origin(e, &it->origin, fate, status_of(fate, reason), reason);
}

void edge_item_settle_written(struct edge *e, struct edge_item *it)
{
	if (it->is_settled) {
		return;
	}
	it->is_settled = it->owes_error = true;
	edge_report_stanza(e, xfed_span_str(it->remote), "to_xmpp", edge_kind_word(it->kind), "delivered");
	log_item(it, "delivery.written", XFED_REASON_NONE, XFED_SIDE_US);
	settle_origin(e, &it->origin, XFED__FATE__FATE_DELIVERED, 202, XFED_REASON_NONE);
}

/* The error a contact's server would have sent, in its place. */
static struct xfed_xml_elem *late_error(struct xfed_arena *a, const struct edge_origin *o)
{
	struct xfed_stanza_words words = { .is_message = true, .id = xfed_span_str(o->id), .from = xfed_span_str(o->from), .to = xfed_span_str(o->to) };
	struct xfed_stanza_error err = { .condition = "remote-server-timeout", .text = XFED_SPAN("delivery.uncertain: the message may have been delivered") };
	bool nomem;
	return xfed_stanza_error_of_words(a, &words, &err, &nomem);
}

static int add_late_error(struct edge *e, struct xfed_arena *a, const struct edge_origin *o)
{
	struct xfed_xml_elem *elem = late_error(a, o);
	uint64_t now = rt_loop_now_ms(e->loop), seq;
	xfed_buf_clear(&e->scratch);
	if (!elem || xfed_xml_write(&e->scratch, elem, XFED_SPAN("")) != XFED_OK) {
		return XFED_ERR_NOMEM;
	}
	struct proto_delivery_new n = {
		.kind = XFED__KIND__KIND_ERROR,
		.replay = replay_of(XFED__KIND__KIND_ERROR),
		.type = XFED_SPAN("error"),
		.id = xfed_span_str(o->id),
		.from = xfed_span_str(o->to),
		.to = xfed_span_str(o->from),
		.stanza = xfed_buf_span(&e->scratch),
		.deadline_ms = now + XFED_DELIVERY_DEADLINE_MS,
		.peer = o->peer,
	};
	return proto_outbox_add(e->outbox, &n, now, &seq);
}

void edge_item_tell_late(struct edge *e, const struct edge_item *it)
{
	struct xfed_arena a;
	xfed_arena_init(&a, SCRATCH_ARENA);
	log_item(it, "delivery.uncertain", XFED_REASON_DELIVERY_UNCERTAIN, XFED_SIDE_NETWORK);
	rt_metric_add(e->metrics, RT_M_DELIVERIES_UNCERTAIN, 1, RT_NO_LABELS);
	edge_report_refusal(e, XFED_REASON_DELIVERY_UNCERTAIN, XFED_SIDE_NETWORK);
	if (add_late_error(e, &a, &it->origin) != XFED_OK) {
		rt_metric_add(e->metrics, RT_M_DROPPED, 1, RT_LABELS(XFED_SPAN("no-memory")));
	}
	edge_flush_soon(e);
	xfed_arena_deinit(&a);
}

/*
 * What a gateway sends is read again, by the same rules as what partners send: one whole stanza, from one of our domains to a
 * partner, of the kind it is said to be.
 */
static enum xfed_reason check_fragment(struct edge *e, const Xfed__Deliver *d, struct xfed_stanza *out)
{
	struct xfed_span bytes = xfed_span_make(d->stanza.data, d->stanza.len);
	if (xfed_xml_reader_fragment(e->fragments, bytes) != XFED_XML_ELEMENT) {
		return XFED_REASON_XMPP_STANZA_INVALID;
	}
	struct xfed_xml_elem *elem = xfed_xml_reader_elem(e->fragments);
	if (xfed_stanza_view(xfed_xml_reader_arena(e->fragments), elem, out) != XFED_STANZA_OK || out->kind == XFED_STANZA_IQ) {
		return XFED_REASON_XMPP_STANZA_INVALID;
	}
	if (!e->policy || !xfed_policy_is_local(e->policy, out->from.domain)) {
		return XFED_REASON_XMPP_STANZA_INVALID;
	}
	const struct xfed_partner *p = xfed_policy_partner(e->policy, out->to.domain);
	if (!p) {
		return XFED_REASON_POLICY_PARTNER_UNLISTED;
	}
	bool may = out->type == XFED_TYPE_ERROR || (p->kinds & (out->kind == XFED_STANZA_MESSAGE ? XFED_KIND_MESSAGE : XFED_KIND_PRESENCE));
	return may ? XFED_REASON_NONE : XFED_REASON_POLICY_KIND_FORBIDDEN;
}

static bool has_reader(struct edge *e)
{
	struct xfed_xml_limits limits = { XFED_STANZA_BYTES_MAX, XFED_XML_DEPTH_MAX, XFED_XML_NODES_MAX };
	return e->fragments || xfed_xml_reader_new_fragment(&limits, &e->fragments) == XFED_OK;
}

static void refuse_delivery(struct edge_link *l, const Xfed__Deliver *d, const struct edge_origin *o, enum xfed_reason reason)
{
	edge_report_refusal(l->edge, reason, xfed_reason_info(reason)->side);
	rt_log(RT_LOG_INFO, "delivery.refused", RT_KV("partner", domain_of(xfed_span_str(d->to))), RT_KV_REASON(reason),
		RT_KV_U64("delivery", d->seq), RT_KV_STR("correlation", d->correlation), RT_END);
	settle_origin(l->edge, o, XFED__FATE__FATE_REFUSED, status_of(XFED__FATE__FATE_REFUSED, reason), reason);
}

static void send_on(struct edge_link *l, const Xfed__Deliver *d, const struct edge_origin *o, struct proto_inbox_entry *entry)
{
	struct edge *e = l->edge;
	struct xfed_stanza s;
	enum xfed_reason refuse = has_reader(e) ? check_fragment(e, d, &s) : XFED_REASON_STREAM_INTERNAL;
	struct edge_item *it = NULL;
	if (refuse == XFED_REASON_NONE) {
		xfed_buf_clear(&e->scratch);
		bool ok = xfed_xml_write(&e->scratch, s.elem, XFED_SPAN(XFED_NS_SERVER)) == XFED_OK;
		it = ok ? edge_item_new(xfed_buf_span(&e->scratch), s.to.domain, d->kind, o) : NULL;
		refuse = it ? XFED_REASON_NONE : XFED_REASON_STREAM_INTERNAL;
	}
	if (refuse != XFED_REASON_NONE) {
		refuse_delivery(l, d, o, refuse);
		return;
	}
	it->deadline_ms = rt_loop_now_ms(e->loop) + (d->remaining_ms ? d->remaining_ms : XFED_DELIVERY_DEADLINE_MS);
	entry->cookie = (uint64_t)(uintptr_t)it;
	edge_pair_send(e, s.from.domain, s.to.domain, it);
}

/* Another gateway, or an earlier run of this one, may have brought the same SIP request. */
static bool claim_sip(struct edge_link *l, const Xfed__Deliver *d, const struct edge_origin *o)
{
	struct edge *e = l->edge;
	struct proto_waiter who = { .nonce = proto_inbox_run_nonce(o->run), .seq = o->seq };
	enum proto_sip_verdict verdict;
	struct proto_sip_fate *f;
	if (proto_sipmemory_claim(e->sips, d->sip, &who, rt_loop_now_ms(e->loop), &verdict, &f) != XFED_OK) {
		verdict = PROTO_SIP_BUSY;
	}
	switch (verdict) {
	case PROTO_SIP_FIRST:
		return true;
	case PROTO_SIP_WAIT:
		return false;
	case PROTO_SIP_SETTLED:
		settle_run(e, o->run, o->seq, f->fate, f->sip_status, f->reason);
		return false;
	case PROTO_SIP_BUSY: {
		struct edge_origin plain = { .run = o->run, .seq = o->seq };
		refuse_delivery(l, d, &plain, XFED_REASON_DELIVERY_QUEUE_FULL);
		return false;
	}
	}
	return false;
}

static void give_credit(struct edge_link *l, size_t frame_bytes)
{
	l->owed.messages++;
	l->owed.bytes += frame_bytes;
	edge_link_pay(l);
	edge_flush_soon(l->edge);
}

void edge_route_heard(struct edge_link *l, uint64_t lowest_unsettled)
{
	uint64_t seq;
	while (proto_session_next_heard(l->session, &seq)) {
		proto_inbox_heard(l->edge->inbox, l->run, seq);
	}
	proto_inbox_lowest(l->edge->inbox, l->run, lowest_unsettled);
}

void edge_route_from_gateway(struct edge_link *l, const Xfed__Deliver *d, size_t frame_bytes)
{
	struct edge *e = l->edge;
	enum proto_inbox_verdict verdict;
	struct proto_inbox_entry *entry = NULL;
	int rc = proto_inbox_receive(e->inbox, l->run, d->seq, rt_loop_now_ms(e->loop), &verdict, &entry);
	if (rc != XFED_OK) {
		struct proto_event ev = { .type = PROTO_EV_CLOSE, .reason = XFED_REASON_CHANNEL_FRAME_BAD, .text = "delivery without room" };
		proto_session_step(l->session, &ev, rt_loop_now_ms(e->loop));
		return;
	}
	edge_route_heard(l, d->lowest_unsettled);
	struct edge_origin o = { .run = l->run, .seq = d->seq, .has_sip = d->sip != NULL, .peer = l->peer, .id = d->id, .from = d->from, .to = d->to };
	if (d->sip) {
		o.sip = *d->sip;
	}
	const Xfed__Outcome *list[1];
	switch (verdict) {
	case PROTO_INBOX_FIRST:
		if (!d->sip || claim_sip(l, d, &o)) {
			send_on(l, d, &o, entry);
		}
		break;
	case PROTO_INBOX_DUPLICATE_SETTLED:
		/* Asked by number: what was heard above may have let go of the entry. */
		entry = proto_inbox_find(e->inbox, l->run, d->seq);
		list[0] = entry ? entry->outcome : NULL;
		if (list[0]) {
			proto_session_settled(l->session, list, 1);
		}
		break;
	case PROTO_INBOX_DUPLICATE_PENDING:
	case PROTO_INBOX_FORGOTTEN:
		break;
	}
	proto_session_took(l->session);
	give_credit(l, frame_bytes);
	edge_flush_soon(e);
}

void edge_route_withdraw(struct edge_link *l, uint64_t seq)
{
	struct proto_inbox_entry *entry = proto_inbox_find(l->edge->inbox, l->run, seq);
	if (!entry) {
		/* It never came, or was settled and forgotten: then its sender does not ask. Nothing was written for it. */
		Xfed__Outcome oc = XFED__OUTCOME__INIT;
		oc.seq = seq;
		oc.fate = XFED__FATE__FATE_WITHDRAWN;
		const Xfed__Outcome *list[] = { &oc };
		proto_session_settled(l->session, list, 1);
		edge_flush_soon(l->edge);
		return;
	}
	if (entry->state == PROTO_INBOX_SETTLED) {
		const Xfed__Outcome *list[] = { entry->outcome };
		proto_session_settled(l->session, list, 1);
		edge_flush_soon(l->edge);
		return;
	}
	struct edge_item *it = (struct edge_item *)(uintptr_t)entry->cookie;
	if (it) {
		edge_pair_withdraw(l->edge, it);
	} else {
		/* It waits for the fate of the same request brought by another gateway: this one may go. */
		settle_run(l->edge, l->run, seq, XFED__FATE__FATE_WITHDRAWN, status_of(XFED__FATE__FATE_WITHDRAWN, XFED_REASON_DELIVERY_DEADLINE),
			XFED_REASON_DELIVERY_DEADLINE);
	}
}
