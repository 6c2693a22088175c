/*
 * The way of one message: its recipient's queue, reported to the edge as attempted, the transaction, its end. Before the
 * edge has answered nothing is sent, after that the edge never sends it again by itself (the delivery contract, Attempts).
 */
#include "gateway.h"

#include <stdio.h>
#include <utlist.h>

#include "interwork/address.h"
#include "proto/check.h"

#define LATE_MS	     2000
#define FROM_TAG_LEN 16

static void attempt(struct gateway_outgoing *o);

/* ---- finding and ending ---- */

static struct gateway_outgoing *find(struct gateway *g, uint64_t id)
{
	struct gateway_outgoing *o = NULL;
	HASH_FIND(hh, g->outgoing, &id, sizeof(id), o);
	return o;
}

static struct gateway_outgoing *find_delivery(struct gateway *g, struct proto_inbox_run *run, uint64_t seq)
{
	const struct proto_inbox_entry *e = proto_inbox_find(g->inbox, run, seq);
	return e ? find(g, e->cookie) : NULL;
}

static void unlist(struct gateway_outgoing *o)
{
	if (o->list) {
		DL_DELETE(*o->list, o);
		o->list = NULL;
	}
}

static void enlist(struct gateway_outgoing *o, struct gateway_outgoing **list)
{
	unlist(o);
	DL_APPEND(*list, o);
	o->list = list;
	gateway_flush_soon(o->gw);
}

static struct xfed_span bare(struct xfed_span jid)
{
	const char *slash = memchr(jid.data, '/', jid.len);
	return xfed_span_make(jid.data, slash ? (size_t)(slash - jid.data) : jid.len);
}

/* The user answers in the kind and thread of the contact's last message, once he has got it. */
static void remember(const struct gateway_outgoing *o, bool is_delivered)
{
	const struct proto_inbox_words *w = &o->tag.words;
	if (w->from.len > 0 && w->to.len > 0) { /* not a message of our own */
		contacts_tried(o->gw->contacts, bare(w->to), bare(w->from), o->id, is_delivered, gateway_now(o->gw));
	}
}

static void about_to_send(const struct gateway_outgoing *o)
{
	const struct proto_inbox_words *w = &o->tag.words;
	if (w->from.len > 0 && w->to.len > 0) { /* NOMEM: it is answered as if it had been none */
		contacts_trying(o->gw->contacts, bare(w->to), bare(w->from), o->id, w->type, o->thread, gateway_now(o->gw));
	}
}

static void release(struct gateway_outgoing *o)
{
	struct gateway *g = o->gw;
	if (o->state == GATEWAY_OUT_SENT) {
		remember(o, false); /* where it was delivered that is known already */
	}
	unlist(o);
	HASH_DELETE(hh, g->outgoing, o);
	recipients_remove(g->recipients, &o->item);
	trunk_hop_unload(o->send.hop, o->item.bytes);
	trunk_send_end(&o->send);
	xfed_free(o);
	gateway_flush_soon(g); /* the next of the recipient may go; and we may be leaving */
}

static void end(struct gateway_outgoing *o, const struct gateway_end *e)
{
	gateway_end_delivery(o->gw, &o->tag, e);
	release(o);
}

static void refuse(struct gateway_outgoing *o, enum xfed_reason reason, const char *text)
{
	gateway_refuse_delivery(o->gw, &o->tag, reason, text);
	release(o);
}

static void be_uncertain(struct gateway_outgoing *o, enum xfed_reason reason)
{
	end(o, &(struct gateway_end){ .fate = XFED__FATE__FATE_UNCERTAIN, .reason = reason });
}

/* Not ours to end: the edge still has it, and brings it again when it may. */
static void let_go(struct gateway_outgoing *o)
{
	rt_log(RT_LOG_DEBUG, "delivery.let-go", RT_KV("partner", o->tag.partner), RT_KV_U64("delivery", o->tag.seq),
		RT_KV("correlation", o->tag.correlation), RT_END);
	if (o->tag.run) {
		proto_inbox_forget(o->gw->inbox, o->tag.run, o->tag.seq);
	}
	release(o);
}

int gateway_out_add(struct gateway_outgoing *o)
{
	struct gateway *g = o->gw;
	int rc = XFED_ERR_NOMEM;
	if (!trunk_hop_load(o->send.hop, o->item.bytes)) {
		return XFED_ERR_LIMIT;
	}
	HASH_ADD(hh, g->outgoing, id, sizeof(o->id), o);
	if (!XFED_TABLE_ADDED(o)) {
		goto unload;
	}
	rc = recipients_add(g->recipients, o->uri, &o->item);
	if (rc != XFED_OK) {
		goto remove;
	}
	gateway_flush_soon(g);
	return XFED_OK;

remove:
	HASH_DELETE(hh, g->outgoing, o);
unload:
	trunk_hop_unload(o->send.hop, o->item.bytes);
	return rc;
}

/* ---- what may begin ---- */

/* No edge has a say: made here, or taken over from a run that has ended. */
static bool is_ours_alone(const struct gateway_outgoing *o)
{
	return !o->tag.run || proto_inbox_run_has_ended(o->tag.run);
}

enum verdict { MAY, TOO_LATE, LINK_GONE, EDGE_LEAVES };

static enum verdict may_attempt(const struct gateway_outgoing *o)
{
	struct gateway *g = o->gw;
	uint64_t now = gateway_now(g);
	if (o->item.deadline_ms < now + XFED_DELIVERY_SIP_LEFT_MS) {
		return TOO_LATE;
	}
	if (is_ours_alone(o)) {
		return MAY;
	}
	if (proto_inbox_link_gone_ms(o->tag.run, now) > GATEWAY_LINK_GONE_MS) {
		return LINK_GONE;
	}
	const struct gateway_link *l = gateway_link_of_run(g, o->tag.run);
	return l && l->is_draining && now >= l->attempts_end_ms ? EDGE_LEAVES : MAY;
}

/* False: it had no future and is gone. */
static bool keep_or_end(struct gateway_outgoing *o)
{
	switch (may_attempt(o)) {
	case MAY:
		return true;
	case TOO_LATE:
		refuse(o, XFED_REASON_DELIVERY_DEADLINE, NULL);
		break;
	case LINK_GONE:
		if (o->state != GATEWAY_OUT_READY) {
			return true; /* a link that resumes asks for it, a new run of the edge decides, or its time passes */
		}
		refuse(o, XFED_REASON_CHANNEL_DOWN, NULL); /* acknowledged: the edge waits for our word */
		break;
	case EDGE_LEAVES:
		refuse(o, XFED_REASON_CHANNEL_DOWN, "the edge goes out of service");
		break;
	}
	return false;
}

/* ---- asking ---- */

static void be_ready(struct gateway_outgoing *o)
{
	unlist(o);
	o->state = GATEWAY_OUT_READY;
	trunk_want(&o->send);
}

static void come_out(struct gateway_outgoing *o)
{
	struct gateway *g = o->gw;
	if (!keep_or_end(o)) {
		return;
	}
	if (is_ours_alone(o)) {
		be_ready(o);
		return;
	}
	o->state = GATEWAY_OUT_ASKED;
	proto_inbox_asked(g->inbox, o->tag.run, o->tag.seq);
	struct gateway_link *l = gateway_link_of_run(g, o->tag.run);
	if (l) {
		enlist(o, &l->to_ask);
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

void gateway_out_pump(struct gateway *g)
{
	struct recipient_item *it;
	struct gateway_outgoing *o;
	while ((it = recipients_next(g->recipients))) {
		come_out((struct gateway_outgoing *)it);
	}
	for (size_t i = 0; i < g->link_count; i++) {
		ask_link(&g->links[i]);
	}
	while ((o = g->to_send)) {
		unlist(o);
		attempt(o);
	}
}

void gateway_out_acked(struct gateway *g, struct proto_inbox_run *run, uint64_t seq)
{
	struct gateway_outgoing *o = find_delivery(g, run, seq);
	if (o && o->state == GATEWAY_OUT_ASKED) {
		be_ready(o);
	}
}

void gateway_out_run_ended(struct gateway *g, const struct proto_inbox_run *run, bool may_take_over)
{
	struct recipient_item *next;
	for (struct recipient_item *it = recipients_iterate(g->recipients, NULL); it; it = next) {
		struct gateway_outgoing *o = (struct gateway_outgoing *)it;
		next = recipients_iterate(g->recipients, it);
		if (o->tag.run != run || (o->state != GATEWAY_OUT_WAITS && o->state != GATEWAY_OUT_ASKED)) {
			continue;
		}
		if (!may_take_over) {
			be_uncertain(o, XFED_REASON_DELIVERY_UNCERTAIN);
		} else if (o->state == GATEWAY_OUT_ASKED) {
			be_ready(o); /* those that wait for their turn find out when it comes */
		}
	}
}

void gateway_out_not_ours(struct gateway *g, struct proto_inbox_run *run, uint64_t seq)
{
	struct gateway_outgoing *o = find_delivery(g, run, seq);
	if (o && o->state == GATEWAY_OUT_ASKED) {
		let_go(o);
	}
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
	snprintf(ids->branch + CORE_ID_LEN, sizeof(ids->branch) - CORE_ID_LEN, ".%u", o->send.places ? sip_failover_number(o->send.places) : 0);
	return 1 + (uint32_t)(id.number % 0x3fffffff);
}

void gateway_out_prepare(const struct gateway_outgoing *o, const struct sip_target *t, struct gateway_out_ids *ids, struct sip_layer_request *out)
{
	uint32_t cseq = make_ids(o, ids);
	*out = (struct sip_layer_request){
		.target = *t,
		.branch = xfed_span_str(ids->branch),
		.max_request = o->max_request,
		.cookie = o->id,
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

static struct gateway_outgoing *of_send(struct trunk_send *s)
{
	return (struct gateway_outgoing *)(void *)((char *)s - offsetof(struct gateway_outgoing, send));
}

void gateway_out_hop_ready(void *data, struct trunk_send *s)
{
	struct gateway *g = data;
	enlist(of_send(s), &g->to_send);
}

void gateway_out_hop_failed(void *data, struct trunk_send *s, enum xfed_reason reason)
{
	(void)data;
	refuse(of_send(s), XFED_REASON_SIP_SERVER_UNREACHABLE, xfed_reason_code(reason));
}

static void attempt(struct gateway_outgoing *o)
{
	struct gateway_out_ids ids;
	struct sip_layer_request rq;
	struct sip_target target;
	uint64_t txn;
	if (!keep_or_end(o)) {
		return;
	}
	sip_location_target(sip_failover_place(o->send.places), &target);
	gateway_out_prepare(o, &target, &ids, &rq);
	o->state = GATEWAY_OUT_SENT; /* it may come back broken at once */
	about_to_send(o);
	uint64_t id = o->id;
	struct gateway *g = o->gw;
	int rc = trunk_request(g->trunk, &rq, &txn);
	o = find(g, id);
	if (rc == XFED_OK || !o) {
		return;
	}
	switch (rc) {
	case XFED_ERR_LIMIT:
		refuse(o, XFED_REASON_SIP_REQUEST_TOO_LARGE, NULL);
		break;
	case XFED_ERR_AGAIN:
		refuse(o, XFED_REASON_DELIVERY_QUEUE_FULL, "too many transactions");
		break;
	case XFED_ERR_INVALID:
		refuse(o, XFED_REASON_SIP_ADDRESS_UNMAPPABLE, NULL);
		break;
	default:
		refuse(o, XFED_REASON_STREAM_INTERNAL, NULL);
		break;
	}
}

/* Another place, by a new branch; only where it is certain that nobody has taken the request. */
static bool try_next(struct gateway_outgoing *o, enum sip_attempt_end how, int status, bool was_written)
{
	if (may_attempt(o) != MAY || !trunk_send_next_place(&o->send, how, status, was_written)) {
		return false;
	}
	remember(o, false);
	rt_log(RT_LOG_INFO, "delivery.next-place", RT_KV_STR("next_hop", trunk_hop_facts(o->send.hop).label), RT_KV_U64("delivery", o->tag.seq),
		RT_KV_U64("number", sip_failover_number(o->send.places)), RT_KV("correlation", o->tag.correlation), RT_END);
	o->state = GATEWAY_OUT_READY;
	enlist(o, &o->gw->to_send);
	return true;
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

static void refused_by_sip(struct gateway_outgoing *o, const struct sip_message *m)
{
	struct xfed_arena a;
	struct gateway_end e = { .fate = XFED__FATE__FATE_REFUSED, .sip_status = m->status };
	xfed_arena_init(&a, 16384);
	if (iw_sip_status_to_error(m->status, o->tag.is_public, &e.error) != XFED_OK) {
		e.error = (struct iw_xmpp_error){ .condition = "internal-server-error", .type = "cancel", .reason = XFED_REASON_SIP_SERVER_ERROR };
	}
	e.address = e.error.needs_address ? new_address(o, &a, m) : (struct xfed_span){ NULL, 0 };
	if (!e.address.data) {
		iw_error_without_address(&e.error);
	}
	if (iw_text_from_phrase(&a, m->reason, &e.text) != XFED_OK) {
		e.text = xfed_span_make(NULL, 0); /* no memory for words: the code says enough */
	}
	end(o, &e);
	xfed_arena_deinit(&a);
}

/* The queue behind one that timed out would time out too: it is refused at once. */
static void refuse_behind(struct gateway_outgoing *o)
{
	struct recipient_item *it;
	while ((it = recipients_behind(&o->item))) {
		refuse((struct gateway_outgoing *)it, XFED_REASON_SIP_SERVER_TIMEOUT, "the message before this one got no answer");
	}
}

void gateway_out_response(void *data, uint64_t id, const struct sip_message *m)
{
	struct gateway *g = data;
	struct gateway_outgoing *o = find(g, id);
	if (!o || m->status < 200) {
		return;
	}
	trunk_send_answered(&o->send, XFED_SPAN("MESSAGE"), m->status);
	/* 482 to a repeat: the first one is being served, or was. */
	bool is_delivered = m->status < 300 || (m->status == 482 && o->is_repeat);
	if (is_delivered) {
		remember(o, true);
		end(o, &(struct gateway_end){ .fate = XFED__FATE__FATE_DELIVERED, .sip_status = m->status });
	} else if (!try_next(o, SIP_ATTEMPT_RESPONSE, m->status, true)) {
		if (m->status == 408) {
			refuse_behind(o); /* a proxy's word for the same */
		}
		refused_by_sip(o, m);
	}
}

void gateway_out_timeout(void *data, uint64_t id, bool was_written)
{
	struct gateway_outgoing *o = find(data, id);
	if (!o) {
		return;
	}
	trunk_send_timed_out(&o->send);
	refuse_behind(o);
	if (was_written) {
		be_uncertain(o, XFED_REASON_SIP_SERVER_TIMEOUT);
	} else {
		refuse(o, XFED_REASON_SIP_SERVER_UNREACHABLE, NULL);
	}
}

void gateway_out_broken(void *data, uint64_t id, bool was_written)
{
	struct gateway_outgoing *o = find(data, id);
	if (!o) {
		return;
	}
	trunk_send_broken(&o->send, was_written);
	if (try_next(o, SIP_ATTEMPT_ERROR, 0, was_written)) {
		return;
	}
	if (was_written) {
		be_uncertain(o, XFED_REASON_DELIVERY_UNCERTAIN);
	} else {
		trunk_send_unreached(&o->send);
		refuse(o, XFED_REASON_SIP_SERVER_UNREACHABLE, NULL);
	}
}

/* ---- time ---- */

void gateway_out_tick(struct gateway *g)
{
	struct recipient_item *next;
	for (struct recipient_item *it = recipients_iterate(g->recipients, NULL); it; it = next) {
		struct gateway_outgoing *o = (struct gateway_outgoing *)it;
		next = recipients_iterate(g->recipients, it);
		if (o->state == GATEWAY_OUT_WAITS || o->state == GATEWAY_OUT_ASKED) {
			keep_or_end(o);
		}
	}
}

void gateway_out_give_up(struct gateway *g)
{
	struct recipient_item *it;
	while ((it = recipients_iterate(g->recipients, NULL))) {
		struct gateway_outgoing *o = (struct gateway_outgoing *)it;
		if (o->state == GATEWAY_OUT_SENT) {
			be_uncertain(o, XFED_REASON_DELIVERY_UNCERTAIN);
		} else {
			refuse(o, XFED_REASON_CHANNEL_DOWN, "the gateway goes out of service");
		}
	}
}

size_t gateway_out_late(const struct gateway *g)
{
	size_t n = 0;
	for (struct recipient_item *it = recipients_iterate(g->recipients, NULL); it; it = recipients_iterate(g->recipients, it)) {
		n += it->deadline_ms + LATE_MS < gateway_now(g);
	}
	return n;
}

void gateway_out_free_all(struct gateway *g)
{
	struct gateway_outgoing *o, *next;
	HASH_ITER(hh, g->outgoing, o, next) {
		unlist(o);
		HASH_DELETE(hh, g->outgoing, o);
		recipients_remove(g->recipients, &o->item);
		trunk_send_end(&o->send);
		xfed_free(o);
	}
}
