/*
 * Stanzas from gateways: checked by the rules that apply to partners' stanzas, handed to the partner's stream, and the outcome reported to
 * every gateway that asked.
 */
#include "relay/relay_impl.h"

#include "xfed/mem.h"
#include "xfed/text.h"

#define SCRATCH_ARENA (64 * 1024)

/* The SIP status is 200 unless said otherwise; 202 where a stanza was written and not acknowledged. */
static struct proto_result result_of(Xfed__Fate fate, enum xfed_reason reason, enum xfed_side side)
{
	return (struct proto_result){
		.fate = fate,
		.sip_status = fate == XFED__FATE__FATE_DELIVERED ? 200 : (uint32_t)xfed_reason_info(reason)->sip_status,
		.reason = reason,
		.side = side,
		.whose = proto_whose_of(reason, PROTO_WHOSE_PARTNER),
	};
}

static void settle_one(struct relay *r, struct proto_from from, const struct proto_result *result)
{
	const char *condition = xfed_reason_info(result->reason)->condition;
	Xfed__Outcome oc = XFED__OUTCOME__INIT;
	proto_result_fill(result, &oc);
	oc.condition = (char *)(condition ? condition : "");
	proto_exchange_settle(channel_exchange(r->channel), from, &oc, NULL, core_now(r->core));
}

static void settle_sip(struct relay *r, const struct origin *o, const struct proto_result *result)
{
	struct proto_sip_fate *f = proto_sipmemory_find(r->sips, &o->sip);
	if (!f || f->is_settled) {
		return;
	}
	for (size_t i = 0; i < f->waiter_count; i++) {
		const struct proto_waiter *w = &f->waiters[i];
		if (w->run != o->from.run || w->seq != o->from.seq) {
			settle_one(r, (struct proto_from){ w->run, w->seq }, result);
		}
	}
	proto_sipmemory_settle(r->sips, &o->sip, result, core_now(r->core));
}

static void settle_origin(struct relay *r, const struct origin *o, const struct proto_result *result)
{
	if (o->has_sip) {
		settle_sip(r, o, result);
	}
	settle_one(r, o->from, result);
}

static void log_item(const struct item *it, const char *event, enum xfed_reason reason, enum xfed_side side)
{
	rt_log(reason == XFED_REASON_NONE ? RT_LOG_DEBUG : RT_LOG_INFO, event, RT_KV_STR("partner", it->remote),
		RT_KV("local", xfed_jid_domain_part(xfed_span_str(it->origin.from_jid))), RT_KV_REASON_SIDE(reason, side),
		RT_KV_U64("delivery", it->origin.from.seq), RT_KV_STR("id", it->origin.id),
		RT_KV_STR("call_id", it->origin.has_sip ? it->origin.sip.call_id : NULL), RT_KV_STR("correlation", it->correlation), RT_END);
}

/* Its outcome has been reported: it can no longer be withdrawn. */
static void unlist(struct relay *r, struct item *it)
{
	if (it->id > 0) {
		HASH_DELETE(hh, r->items, it);
		it->id = 0;
	}
}

void relay_fate(struct relay *r, void *owner, Xfed__Fate fate, enum xfed_reason reason, enum xfed_side side)
{
	struct item *it = owner;
	unlist(r, it);
	const char *kind = proto_kind_word(it->kind), *partner = s2s_partner_label(r->s2s, xfed_span_str(it->remote));
	switch (fate) {
	case XFED__FATE__FATE_DELIVERED:
		core_count_stanza(r->core, partner, "to_xmpp", kind, "delivered");
		log_item(it, "delivery.written", reason, side);
		break;
	case XFED__FATE__FATE_UNCERTAIN:
		core_count_stanza(r->core, partner, "to_xmpp", kind, "uncertain");
		rt_metric_add(r->core->d.metrics, RT_M_DELIVERIES_UNCERTAIN, 1, RT_NO_LABELS);
		core_count_refusal(r->core, reason, side);
		log_item(it, "delivery.uncertain", reason, side);
		break;
	default:
		core_count_stanza(r->core, partner, "to_xmpp", kind, "refused");
		core_count_refusal(r->core, reason, side);
		log_item(it, "delivery.refused", reason, side);
		break;
	}
	struct proto_result result = result_of(fate, reason, side);
	settle_origin(r, &it->origin, &result);
}

void relay_written(struct relay *r, void *owner)
{
	struct item *it = owner;
	unlist(r, it);
	core_count_stanza(r->core, s2s_partner_label(r->s2s, xfed_span_str(it->remote)), "to_xmpp", proto_kind_word(it->kind), "delivered");
	log_item(it, "delivery.written", XFED_REASON_NONE, XFED_SIDE_US);
	settle_origin(r, &it->origin, &(struct proto_result){ .fate = XFED__FATE__FATE_DELIVERED, .sip_status = 202 });
}

/* The error that the contact's server would have sent, made on its behalf. */
static struct xfed_xml_elem *late_error(struct xfed_arena *a, const struct origin *o)
{
	struct xfed_stanza_words words = {
		.is_message = true, .id = xfed_span_str(o->id), .from = xfed_span_str(o->from_jid), .to = xfed_span_str(o->to)
	};
	struct xfed_stanza_error err = { .condition = "remote-server-timeout",
		.text = XFED_SPAN("delivery.uncertain: the message may have been delivered") };
	bool nomem;
	return xfed_stanza_error_of_words(a, &words, &err, &nomem);
}

static int add_late_error(struct relay *r, struct xfed_arena *a, const struct origin *o)
{
	struct xfed_xml_elem *elem = late_error(a, o);
	uint64_t now = core_now(r->core), seq;
	xfed_buf_clear(&r->scratch);
	int rc = elem ? xfed_xml_write(&r->scratch, elem, XFED_SPAN("")) : XFED_ERR_NOMEM;
	if (rc != XFED_OK) {
		return rc;
	}
	struct proto_delivery_new n = {
		.kind = XFED__KIND__KIND_ERROR,
		.replay = PROTO_REPLAY_SAME_RUN,
		.type = XFED_SPAN("error"),
		.id = xfed_span_str(o->id),
		.from = xfed_span_str(o->to),
		.to = xfed_span_str(o->from_jid),
		.stanza = xfed_buf_span(&r->scratch),
		.deadline_ms = now + XFED_DELIVERY_DEADLINE_MS,
		.peer = o->peer,
	};
	return proto_exchange_add(channel_exchange(r->channel), &n, now, &seq);
}

void relay_lost(struct relay *r, void *owner)
{
	const struct item *it = owner;
	struct xfed_arena a;
	xfed_arena_init(&a, SCRATCH_ARENA);
	log_item(it, "delivery.uncertain", XFED_REASON_DELIVERY_UNCERTAIN, XFED_SIDE_NETWORK);
	rt_metric_add(r->core->d.metrics, RT_M_DELIVERIES_UNCERTAIN, 1, RT_NO_LABELS);
	core_count_refusal(r->core, XFED_REASON_DELIVERY_UNCERTAIN, XFED_SIDE_NETWORK);
	int rc = add_late_error(r, &a, &it->origin);
	if (rc != XFED_OK) {
		core_count_dropped(r->core, rc == XFED_ERR_NOMEM ? "no-memory" : "error-unsendable");
	}
	xfed_arena_deinit(&a);
}

/* NONE for a stanza from one of our domains to a partner that accepts its kind, or for one that only ends something; else why it is refused. */
static enum xfed_reason check_stanza(struct relay *r, const Xfed__Deliver *d, struct xfed_stanza *out)
{
	enum xfed_reason reason = proto_deliver_read(&r->fragments, d, out);
	if (reason != XFED_REASON_NONE) {
		return reason;
	}
	const struct xfed_policy *policy = s2s_policy(r->s2s);
	if (!policy || !xfed_policy_is_local(policy, out->from.domain)) {
		return XFED_REASON_XMPP_STANZA_INVALID;
	}
	const struct xfed_partner *p = xfed_policy_partner(policy, out->to.domain);
	if (!p) {
		return xfed_policy_why_not(policy, out->to.domain);
	}
	bool may = xfed_stanza_is_ending(out) || (p->kinds & (out->kind == XFED_STANZA_MESSAGE ? XFED_KIND_MESSAGE : XFED_KIND_PRESENCE));
	return may ? XFED_REASON_NONE : XFED_REASON_POLICY_KIND_FORBIDDEN;
}

static void refuse_delivery(struct relay *r, const Xfed__Deliver *d, const struct origin *o, enum xfed_reason reason)
{
	/* a user of the SIP side wrote what is too large in this direction */
	enum xfed_side side = reason == XFED_REASON_DELIVERY_SIZE_EXCEEDED ? XFED_SIDE_LOCAL_USER : xfed_reason_info(reason)->side;
	struct proto_result result = result_of(XFED__FATE__FATE_REFUSED, reason, side);
	core_count_refusal(r->core, reason, result.side);
	rt_log(RT_LOG_INFO, "delivery.refused", RT_KV("partner", xfed_jid_domain_part(xfed_span_str(d->to))),
		RT_KV("local", xfed_jid_domain_part(xfed_span_str(d->from))), PROTO_KV_RESULT(&result), RT_KV_U64("delivery", d->seq),
		RT_KV_STR("id", d->id), RT_KV_STR("call_id", d->sip ? d->sip->call_id : NULL), RT_KV_STR("correlation", d->correlation), RT_END);
	settle_origin(r, o, &result);
}

/* An item for the stanza in r->scratch, addressed to domain `remote`, with what is needed to report its outcome. NULL: no memory. */
static struct s2s_item *item_new(struct relay *r, const Xfed__Deliver *d, const struct origin *o, struct xfed_span remote)
{
	struct xfed_span words[] = { remote, xfed_span_str(o->id), xfed_span_str(o->from_jid), xfed_span_str(o->to),
		xfed_span_str(o->has_sip ? o->sip.call_id : ""), xfed_span_str(o->has_sip ? o->sip.from_tag : ""),
		xfed_span_str(o->has_sip ? o->sip.request_uri : ""), xfed_span_str(d->correlation) };
	size_t bytes = sizeof(struct item);
	for (size_t i = 0; i < XFED_ARRAY_LEN(words); i++) {
		bytes += words[i].len + 1;
	}
	struct s2s_item_new n = { .stanza = xfed_buf_span(&r->scratch),
		.remote = remote,
		.owner_bytes = bytes,
		.deadline_ms = core_now(r->core) + (d->remaining_ms ? d->remaining_ms : XFED_DELIVERY_DEADLINE_MS) };
	struct s2s_item *item = s2s_item_new(&n);
	if (!item) {
		return NULL;
	}
	struct item *it = s2s_item_owner(item);
	char *at = (char *)(it + 1);
	*it = (struct item){ .id = ++r->last_item, .item = item, .origin = *o, .kind = d->kind, .remote = xfed_text_put(&at, words[0]) };
	it->origin.id = xfed_text_put(&at, words[1]);
	it->origin.from_jid = xfed_text_put(&at, words[2]);
	it->origin.to = xfed_text_put(&at, words[3]);
	it->origin.sip.call_id = xfed_text_put(&at, words[4]);
	it->origin.sip.from_tag = xfed_text_put(&at, words[5]);
	it->origin.sip.request_uri = xfed_text_put(&at, words[6]);
	it->correlation = xfed_text_put(&at, words[7]);
	return item;
}

static void send_on(struct relay *r, const Xfed__Deliver *d, const struct origin *o)
{
	struct xfed_stanza s;
	enum xfed_reason refuse = check_stanza(r, d, &s);
	struct s2s_item *item = NULL;
	if (refuse == XFED_REASON_NONE) {
		xfed_buf_clear(&r->scratch);
		int rc = xfed_xml_write(&r->scratch, s.elem, XFED_SPAN(XFED_NS_SERVER));
		item = rc == XFED_OK ? item_new(r, d, o, s.to.domain) : NULL;
		refuse = item ? XFED_REASON_NONE : rc == XFED_ERR_LIMIT ? XFED_REASON_DELIVERY_SIZE_EXCEEDED : XFED_REASON_STREAM_INTERNAL;
	}
	if (refuse != XFED_REASON_NONE) {
		refuse_delivery(r, d, o, refuse);
		return;
	}
	struct item *it = s2s_item_owner(item);
	HASH_ADD(hh, r->items, id, sizeof(it->id), it);
	it->id = XFED_TABLE_ADDED(it) ? it->id : 0;
	proto_exchange_mark(channel_exchange(r->channel), o->from, it->id > 0 ? it->id : UINT64_MAX); /* no memory: it cannot be withdrawn */
	s2s_send(r->s2s, s.from.domain, s.to.domain, item);
}

/* False: another gateway, or an earlier run of this one, has brought the same SIP request, and its outcome answers this one too. */
static bool claim_sip(struct relay *r, const Xfed__Deliver *d, const struct origin *o)
{
	struct proto_waiter who = { .run = o->from.run, .seq = o->from.seq };
	enum proto_sip_verdict verdict;
	struct proto_sip_fate *f;
	if (proto_sipmemory_claim(r->sips, d->sip, &who, core_now(r->core), &verdict, &f) != XFED_OK) {
		verdict = PROTO_SIP_BUSY;
	}
	switch (verdict) {
	case PROTO_SIP_FIRST:
		return true;
	case PROTO_SIP_WAIT:
		return false;
	case PROTO_SIP_SETTLED:
		settle_one(r, o->from, &f->result);
		return false;
	case PROTO_SIP_BUSY: {
		struct origin plain = { .from = o->from };
		refuse_delivery(r, d, &plain, XFED_REASON_DELIVERY_QUEUE_FULL);
		return false;
	}
	}
	return false;
}

void relay_deliver(struct relay *r, struct proto_from from, int peer, const Xfed__Deliver *d)
{
	struct origin o = { .from = from, .has_sip = d->sip != NULL, .peer = peer, .id = d->id, .from_jid = d->from, .to = d->to };
	if (d->sip) {
		o.sip = *d->sip;
	}
	if (!d->sip || claim_sip(r, d, &o)) {
		send_on(r, d, &o);
	}
}

void relay_withdrawn(struct relay *r, struct proto_from from, uint64_t cookie)
{
	struct item *it = NULL;
	HASH_FIND(hh, r->items, &cookie, sizeof(cookie), it);
	if (it) {
		s2s_withdraw(r->s2s, it->item);
	} else if (cookie == 0) {
		/* This delivery only waits for the outcome of the same request from another gateway, so it can be withdrawn at once. */
		struct proto_result result = result_of(XFED__FATE__FATE_WITHDRAWN, XFED_REASON_DELIVERY_DEADLINE, XFED_SIDE_US);
		settle_one(r, from, &result);
	}
}
