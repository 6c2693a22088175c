/*
 * The way of one message, driven: what attempts.c wants done is asked of the link, the next hop and the SIP layer, and what they
 * say goes back there.
 */
#include "gateway.h"

#include <stdio.h>
#include <utlist.h>

#include "interwork/address.h"
#include "proto/check.h"

#define FROM_TAG_LEN 16

static void perform(struct gateway *g, const struct sip_message *m);

static struct gateway_outgoing *of_attempt(struct attempt *t)
{
	return (struct gateway_outgoing *)t;
}

static struct gateway_outgoing *find(struct gateway *g, uint64_t id)
{
	return of_attempt(attempts_find(g->attempts, id));
}

/* 0: none. */
static uint64_t id_of_delivery(struct gateway *g, struct proto_inbox_run *run, uint64_t seq)
{
	const struct proto_inbox_entry *e = proto_inbox_find(g->inbox, run, seq);
	return e ? e->cookie : 0;
}

static void unlist(struct gateway_outgoing *o)
{
	if (o->list) {
		DL_DELETE(*o->list, o);
		o->list = NULL;
	}
}

/* The user answers in the kind and thread of the contact's last message, once he has got it. */
static void remember(const struct gateway_outgoing *o, bool is_delivered)
{
	if (o->contact) {
		contact_tried(o->contact, o->attempt.id, is_delivered, gateway_now(o->gw));
	}
}

void gateway_out_origin(void *user, const void *run, uint64_t now_ms, struct attempt_origin *out)
{
	struct gateway *g = user;
	out->has_ended = proto_inbox_run_has_ended(run);
	out->gone_ms = proto_inbox_link_gone_ms(run, now_ms);
	const struct gateway_link *l = out->has_ended ? NULL : gateway_link_of_run(g, run);
	out->is_leaving = l && l->is_draining && now_ms >= l->attempts_end_ms;
}

int gateway_out_add(struct gateway_outgoing *o)
{
	struct gateway *g = o->gw;
	o->attempt.run = o->tag.run;
	if (!trunk_hop_load(o->send.hop, o->attempt.item.bytes)) {
		return XFED_ERR_LIMIT;
	}
	int rc = attempts_add(g->attempts, &o->attempt, o->uri);
	if (rc != XFED_OK) {
		trunk_hop_unload(o->send.hop, o->attempt.item.bytes);
		return rc;
	}
	gateway_flush_soon(g);
	return XFED_OK;
}

/* ---- asking ---- */

static void ask(struct gateway_outgoing *o)
{
	struct gateway *g = o->gw;
	proto_inbox_asked(g->inbox, o->tag.run, o->tag.seq);
	struct gateway_link *l = gateway_link_of_run(g, o->tag.run);
	if (l) {
		DL_APPEND(l->to_ask, o);
		o->list = &l->to_ask;
		gateway_flush_soon(g);
	} /* else resuming asks */
}

/* One Attempted for all of the turn. */
static void ask_link(struct gateway_link *l)
{
	uint64_t seqs[PROTO_SEQS_MAX];
	size_t n = 0;
	while (l->to_ask && n < XFED_ARRAY_LEN(seqs)) {
		seqs[n++] = l->to_ask->tag.seq;
		unlist(l->to_ask);
	}
	if (n > 0) {
		proto_session_attempted(gateway_link_session(l), seqs, n);
	}
	if (l->to_ask) {
		gateway_flush_soon(l->gw); /* more than one frame takes: the next turn */
	}
}

void gateway_out_link_lost(struct gateway_link *l)
{
	while (l->to_ask) {
		unlist(l->to_ask);
	}
}

void gateway_out_acked(struct gateway *g, struct proto_inbox_run *run, uint64_t seq)
{
	attempts_acked(g->attempts, id_of_delivery(g, run, seq));
	perform(g, NULL);
}

void gateway_out_not_ours(struct gateway *g, struct proto_inbox_run *run, uint64_t seq)
{
	attempts_not_ours(g->attempts, id_of_delivery(g, run, seq));
	perform(g, NULL);
}

void gateway_out_run_ended(struct gateway *g, const struct proto_inbox_run *run, bool may_take_over)
{
	attempts_run_ended(g->attempts, run, may_take_over);
	perform(g, NULL);
}

/* ---- sending ---- */

/* Branch (with the target's number), From tag, Call-ID and CSeq follow from the delivery's id: a repeat is the same request. */
static uint32_t make_ids(const struct gateway_outgoing *o, struct gateway_out_ids *ids)
{
	const struct gateway *g = o->gw;
	struct xfed_span name = xfed_span_str(o->tag.run ? proto_inbox_run_name(o->tag.run) : "");
	struct core_id id;
	core_id(&g->core, CORE_ID_REQUEST, name, o->tag.run ? proto_inbox_run_nonce(o->tag.run) : g->core.d.boot_nonce, o->tag.seq, &id);
	struct xfed_span host = xfed_span_str(policy_config(g->policy)->sip.advertise);
	host.len = host.len < SIP_NAME_SIZE ? host.len : SIP_NAME_SIZE - 1;
	memcpy(ids->call_id, id.text, CORE_ID_LEN);
	ids->call_id[CORE_ID_LEN] = '@';
	memcpy(ids->call_id + CORE_ID_LEN + 1, host.data, host.len);
	ids->call_id[CORE_ID_LEN + 1 + host.len] = '\0';
	memcpy(ids->branch, id.text, CORE_ID_LEN);
	snprintf(ids->branch + CORE_ID_LEN, sizeof(ids->branch) - CORE_ID_LEN, ".%u", o->attempt.places ? sip_failover_number(o->attempt.places) : 0);
	return 1 + (uint32_t)(id.number % 0x3fffffff);
}

void gateway_out_prepare(const struct gateway_outgoing *o, const struct sip_target *t, struct gateway_out_ids *ids, struct sip_layer_request *out)
{
	uint32_t cseq = make_ids(o, ids);
	*out = (struct sip_layer_request){
		.target = *t,
		.branch = xfed_span_str(ids->branch),
		.max_request = o->max_request,
		.user = &o->gw->trunk_user.sip,
		.id = o->attempt.id,
		.request = {
			.method = XFED_SPAN("MESSAGE"),
			.uri = o->uri,
			.from_uri = o->from_uri,
			.from_tag = xfed_span_make(ids->branch, FROM_TAG_LEN),
			.to_uri = o->uri,
			.call_id = xfed_span_str(ids->call_id),
			.cseq = cseq,
			.user_agent = XFED_SPAN(SIP_USER_AGENT),
			.subject = o->subject,
			.content_type = XFED_SPAN("text/plain;charset=UTF-8"),
			.content_language = o->language,
			.body = o->body,
		},
	};
}

static uint64_t id_of(const struct trunk_send *s)
{
	return ((const struct gateway_outgoing *)(const void *)((const char *)s - offsetof(struct gateway_outgoing, send)))->attempt.id;
}

void gateway_out_hop_ready(void *data, struct trunk_send *s)
{
	struct gateway *g = data;
	attempts_located(g->attempts, id_of(s), s->places);
	gateway_flush_soon(g);
	perform(g, NULL);
}

void gateway_out_hop_failed(void *data, struct trunk_send *s, enum xfed_reason reason)
{
	struct gateway *g = data;
	attempts_not_located(g->attempts, id_of(s), reason);
	perform(g, NULL);
}

static void unsent(struct gateway *g, uint64_t id, int rc)
{
	switch (rc) {
	case XFED_ERR_LIMIT:
		attempts_unsent(g->attempts, id, XFED_REASON_SIP_REQUEST_TOO_LARGE, NULL);
		break;
	case XFED_ERR_AGAIN:
		attempts_unsent(g->attempts, id, XFED_REASON_DELIVERY_QUEUE_FULL, "too many transactions");
		break;
	case XFED_ERR_INVALID:
		attempts_unsent(g->attempts, id, XFED_REASON_SIP_ADDRESS_UNMAPPABLE, NULL);
		break;
	default:
		attempts_unsent(g->attempts, id, XFED_REASON_STREAM_INTERNAL, NULL);
		break;
	}
	perform(g, NULL);
}

static void send_request(struct gateway_outgoing *o)
{
	struct gateway *g = o->gw;
	struct gateway_out_ids ids;
	struct sip_layer_request rq;
	struct sip_target target;
	uint64_t txn, id = o->attempt.id;
	sip_location_target(sip_failover_place(o->attempt.places), &target);
	gateway_out_prepare(o, &target, &ids, &rq);
	if (o->contact) { /* NOMEM: it is answered as if it had been none */
		contact_trying(o->contact, id, o->tag.words.type, o->thread);
	}
	int rc = trunk_request(g->trunk, &rq, &txn); /* it may come back broken at once, and have ended */
	if (rc != XFED_OK) {
		unsent(g, id, rc);
	}
}

void gateway_out_pump(struct gateway *g)
{
	struct attempt *t;
	attempts_turn(g->attempts, gateway_now(g));
	perform(g, NULL);
	for (size_t i = 0; i < g->link_count; i++) {
		ask_link(&g->links[i]);
	}
	while ((t = attempts_next_send(g->attempts, gateway_now(g)))) {
		send_request(of_attempt(t));
	}
	perform(g, NULL);
}

/* ---- its end ---- */

/*
 * Where a 3xx points, as the partner may know it: a user of a domain of ours. What is inside (phones, other servers) is
 * nobody's business outside.
 */
static struct xfed_span new_address(struct gateway_outgoing *o, struct xfed_arena *a, const struct sip_message *m)
{
	struct xfed_span none = { NULL, 0 }, uri;
	struct xfed_jid j;
	enum xfed_reason why;
	if (!m->contact.data || iw_sip_to_jid(a, m->contact, &j, &why) != XFED_OK) {
		return none;
	}
	const struct gateway_domain *d = gateway_config_inside(policy_config(o->gw->policy), j.domain);
	if (!d) {
		return none;
	}
	j.domain = xfed_span_str(d->domain);
	return iw_jid_to_xmpp_uri(a, &j, &uri) == XFED_OK && uri.len <= PROTO_URI_BYTES ? uri : none;
}

/* `m` NULL: the response is not at hand any more, its status says enough. */
static void refused_by_sip(struct gateway_outgoing *o, int status, const struct sip_message *m)
{
	struct xfed_arena a;
	struct gateway_end e = { .fate = XFED__FATE__FATE_REFUSED, .sip_status = status };
	xfed_arena_init(&a, 16384);
	if (iw_sip_status_to_error(status, o->tag.is_public, &e.error) != XFED_OK) {
		e.error = (struct iw_xmpp_error){ .condition = "internal-server-error", .type = "cancel", .reason = XFED_REASON_SIP_SERVER_ERROR };
	}
	if (m && e.error.needs_address) {
		e.address = new_address(o, &a, m);
	}
	if (!e.address.data) {
		iw_error_without_address(&e.error);
	}
	if (m && iw_text_from_phrase(&a, m->reason, &e.text) != XFED_OK) {
		e.text = xfed_span_make(NULL, 0); /* no memory for words: the code says enough */
	}
	gateway_end_delivery(o->gw, &o->tag, &e);
	xfed_arena_deinit(&a);
}

static void let_go(struct gateway_outgoing *o)
{
	rt_log(RT_LOG_DEBUG, "delivery.let-go", RT_KV("partner", o->tag.partner), RT_KV_U64("delivery", o->tag.seq),
		RT_KV("correlation", o->tag.correlation), RT_END);
	if (o->tag.run) {
		proto_inbox_forget(o->gw->inbox, o->tag.run, o->tag.seq);
	}
}

static void tell_end(struct gateway_outgoing *o, const struct attempt_end *e, const struct sip_message *m)
{
	switch (e->fate) {
	case ATTEMPT_DELIVERED:
		gateway_end_delivery(o->gw, &o->tag, &(struct gateway_end){ .fate = XFED__FATE__FATE_DELIVERED, .sip_status = e->status });
		break;
	case ATTEMPT_REFUSED:
		if (e->reason != XFED_REASON_NONE) {
			gateway_refuse_delivery(o->gw, &o->tag, e->reason, e->text);
		} else {
			refused_by_sip(o, e->status, m);
		}
		break;
	case ATTEMPT_UNCERTAIN:
		gateway_end_delivery(o->gw, &o->tag, &(struct gateway_end){ .fate = XFED__FATE__FATE_UNCERTAIN, .reason = e->reason });
		break;
	case ATTEMPT_LET_GO:
		let_go(o);
		break;
	}
}

static void finish(struct gateway_outgoing *o, const struct attempt_end *e, const struct sip_message *m)
{
	struct gateway *g = o->gw;
	unlist(o);
	remember(o, e->fate == ATTEMPT_DELIVERED);
	tell_end(o, e, m);
	trunk_hop_unload(o->send.hop, o->attempt.item.bytes);
	trunk_send_end(&o->send);
	contacts_give_back(g->contacts, o->contact, gateway_now(g));
	xfed_free(o);
	gateway_flush_soon(g); /* the next of the recipient may go; and we may be leaving */
}

static void note_next_place(const struct gateway_outgoing *o)
{
	remember(o, false);
	rt_log(RT_LOG_INFO, "delivery.next-place", RT_KV_STR("next_hop", trunk_hop_facts(o->send.hop).label), RT_KV_U64("delivery", o->tag.seq),
		RT_KV_U64("number", sip_failover_number(o->attempt.places)), RT_KV("correlation", o->tag.correlation), RT_END);
	gateway_flush_soon(o->gw);
}

/* `m`: the response that has just come in; NULL: none has. */
static void perform(struct gateway *g, const struct sip_message *m)
{
	struct attempt_action act;
	while (attempts_next(g->attempts, &act)) {
		struct gateway_outgoing *o = of_attempt(act.attempt);
		switch (act.kind) {
		case ATTEMPT_ASK:
			ask(o);
			break;
		case ATTEMPT_LOCATE:
			unlist(o);
			trunk_want(&o->send);
			break;
		case ATTEMPT_NEXT_PLACE:
			note_next_place(o);
			break;
		case ATTEMPT_END:
			finish(o, &act.end, m);
			break;
		}
	}
}

void gateway_out_response(void *data, uint64_t id, const struct sip_message *m, uint64_t dialog)
{
	struct gateway *g = data;
	(void)dialog;
	struct gateway_outgoing *o = find(g, id);
	if (!o || o->attempt.state != ATTEMPT_SENT || m->status < 200) {
		return;
	}
	trunk_send_answered(&o->send, XFED_SPAN("MESSAGE"), m->status);
	attempts_response(g->attempts, id, m->status, gateway_now(g));
	perform(g, m);
}

void gateway_out_timeout(void *data, uint64_t id, bool was_written)
{
	struct gateway *g = data;
	struct gateway_outgoing *o = find(g, id);
	if (o && o->attempt.state == ATTEMPT_SENT) {
		trunk_send_timed_out(&o->send);
		attempts_timeout(g->attempts, id, was_written);
		perform(g, NULL);
	}
}

void gateway_out_broken(void *data, uint64_t id, bool was_written)
{
	struct gateway *g = data;
	struct gateway_outgoing *o = find(g, id);
	if (!o || o->attempt.state != ATTEMPT_SENT) {
		return;
	}
	trunk_send_broken(&o->send, was_written);
	attempts_broken(g->attempts, id, was_written, gateway_now(g));
	if (!was_written && o->attempt.state == ATTEMPT_ENDED) {
		trunk_send_unreached(&o->send);
	}
	perform(g, NULL);
}

/* ---- time ---- */

void gateway_out_tick(struct gateway *g)
{
	attempts_tick(g->attempts, gateway_now(g));
	perform(g, NULL);
}

void gateway_out_give_up(struct gateway *g)
{
	attempts_give_up(g->attempts);
	perform(g, NULL);
}

void gateway_out_free_all(struct gateway *g)
{
	struct attempt *t;
	while (g->attempts && (t = attempts_drop(g->attempts))) {
		trunk_send_end(&of_attempt(t)->send);
		xfed_free(t);
	}
	attempts_free(g->attempts);
}
