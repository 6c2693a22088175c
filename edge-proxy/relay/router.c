#include "relay/relay_impl.h"

#include <stdio.h>

#include "xfed/hash.h"
#include "xfed/mem.h"

#define SCRATCH_ARENA (64 * 1024)

/* ---- from partners to gateways ---- */

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

/* Whose share of the engine it counts for: the partner's, whichever of its domains sent it. */
static uint64_t share_key(const struct relay *r, const struct xfed_stanza *s)
{
	const struct xfed_partner *p = xfed_policy_partner(s2s_policy(r->s2s), s->from.domain);
	return p ? xfed_hash_bytes(p->domain, strlen(p->domain)) : 0;
}

/* Stanzas read in this turn are not parked but waiting to be sent: the engine sends them here, before one is refused for lack of room. */
static bool has_parking_space(struct relay *r, const struct s2s_incoming *in)
{
	if (s2s_parked(in) >= XFED_DELIVERY_PARK_COUNTED) {
		channel_pump(r->channel);
	}
	return s2s_parked(in) < XFED_DELIVERY_PARK_COUNTED;
}

bool relay_stanza(struct relay *r, const struct s2s_incoming *in)
{
	const struct xfed_s2s_action *act = in->act;
	const struct xfed_stanza *s = &act->stanza;
	if (act->sm_number && !has_parking_space(r, in)) {
		/* not left unread: a partner that gets no acknowledgement for long takes the stream for lost */
		s2s_refuse(in, XFED_REASON_DELIVERY_QUEUE_FULL);
		return false;
	}
	xfed_buf_clear(&r->scratch);
	struct xfed_span from = xfed_jid_full(act->arena, &s->from), to = xfed_jid_full(act->arena, &s->to);
	int rc = from.data && to.data ? xfed_xml_write(&r->scratch, s->elem, XFED_SPAN("")) : XFED_ERR_NOMEM;
	if (rc != XFED_OK) {
		/* in canonical form it may be larger than it was received */
		s2s_refuse(in, proto_outbox_refusal(rc == XFED_ERR_LIMIT ? XFED_ERR_TOO_LARGE : rc, XFED_REASON_XMPP_STANZA_INVALID));
		return false;
	}
	uint64_t now = core_now(r->core);
	char correlation[S2S_CORRELATION_BYTES];
	s2s_correlation(r->s2s, in->stream, in->ordinal, correlation);
	Xfed__Kind kind = proto_kind_of(s);
	struct proto_delivery_new n = {
		.kind = kind,
		.replay = replay_of(kind),
		.type = xfed_xml_attr_get(s->elem, "type"),
		.id = s->id,
		.from = from,
		.to = to,
		.lang = s->lang,
		.stanza = xfed_buf_span(&r->scratch),
		.correlation = xfed_span_str(correlation),
		.pair_key = pair_key(act->arena, s),
		.share_key = share_key(r, s),
		.deadline_ms = now + XFED_DELIVERY_DEADLINE_MS,
		.not_before_ms = in->not_before_ms,
		.peer = PROTO_OUTBOX_NO_PEER,
		.cookie = in->stream,
		.number = act->sm_number,
	};
	uint64_t seq;
	rc = proto_exchange_add(channel_exchange(r->channel), &n, now, &seq);
	if (rc != XFED_OK) {
		s2s_refuse(in, proto_outbox_refusal(rc, XFED_REASON_XMPP_STANZA_INVALID));
		return false;
	}
	s2s_park(in, n.stanza.len, channel_links_up(r->channel) > 0);
	return true;
}

void relay_sent(struct relay *r, const struct proto_delivery *d)
{
	s2s_unpark(r->s2s, d->cookie, d->stanza.len); /* its stream may be read again */
}

void relay_taken(struct relay *r, uint64_t cookie, uint64_t number)
{
	s2s_cover(r->s2s, cookie, number);
}

/* ---- outcomes, back to the senders ---- */

/* An error for a delivery whose stanza is no longer in memory: its attributes are in the table. */
static void bounce_delivery(struct relay *r, const struct proto_delivery *d, const Xfed__Outcome *oc, enum xfed_reason reason)
{
	struct xfed_arena a;
	xfed_arena_init(&a, SCRATCH_ARENA);
	struct xfed_stanza_error err;
	struct xfed_stanza_words words = {
		.is_message = d->kind == XFED__KIND__KIND_MESSAGE || d->kind == XFED__KIND__KIND_ERROR,
		.type = xfed_span_str(d->type),
		.id = xfed_span_str(d->id),
		.from = xfed_span_str(d->from),
		.to = xfed_span_str(d->to),
	};
	bool nomem;
	proto_outcome_error(oc, reason, &err);
	struct xfed_xml_elem *elem = xfed_stanza_error_of_words(&a, &words, &err, &nomem);
	if (elem || nomem) {
		s2s_answer(r->s2s, xfed_jid_domain_part(words.to), xfed_jid_domain_part(words.from), elem, "error-unsendable");
	} else {
		core_count_dropped(r->core, "no-error-due");
	}
	xfed_arena_deinit(&a);
}

/* Success is logged at level debug: on a busy edge the metrics show it. */
static void log_fate(const struct proto_delivery *d, const char *event, const struct proto_result *result, const char *text)
{
	rt_log(result->reason == XFED_REASON_NONE ? RT_LOG_DEBUG : RT_LOG_INFO, event, RT_KV("partner", xfed_jid_domain_part(xfed_span_str(d->from))),
		RT_KV("local", xfed_jid_domain_part(xfed_span_str(d->to))), PROTO_KV_RESULT(result), RT_KV_U64("delivery", d->seq),
		RT_KV_STR("id", d->id), RT_KV_STR("correlation", d->correlation), RT_KV_STR("text", text && *text ? text : NULL), RT_END);
}

/* Handles every outcome: metric, log line, and an error to the sender where one is due. */
static void tell_sender(struct relay *r, const struct proto_delivery *d, const Xfed__Outcome *oc, const struct proto_result *result)
{
	struct xfed_span remote = xfed_jid_domain_part(xfed_span_str(d->from));
	const char *kind = proto_kind_word(d->kind);
	double seconds = (double)(core_now(r->core) - d->added_ms) / 1000.0;
	rt_metric_observe(r->core->d.metrics, RT_M_DELIVERY, seconds, RT_NO_LABELS);
	switch (oc->fate) {
	case XFED__FATE__FATE_DELIVERED:
		core_count_stanza(r->core, s2s_partner_label(r->s2s, remote), "to_sip", kind, "delivered");
		log_fate(d, "delivery.delivered", &(struct proto_result){ .fate = oc->fate }, NULL);
		break;
	case XFED__FATE__FATE_DROPPED:
		core_count_stanza(r->core, s2s_partner_label(r->s2s, remote), "to_sip", kind, "dropped");
		core_count_dropped(r->core, proto_outcome_rule(oc));
		break;
	case XFED__FATE__FATE_UNCERTAIN:
		core_count_stanza(r->core, s2s_partner_label(r->s2s, remote), "to_sip", kind, "uncertain");
		rt_metric_add(r->core->d.metrics, RT_M_DELIVERIES_UNCERTAIN, 1, RT_NO_LABELS);
		core_count_refusal(r->core, XFED_REASON_DELIVERY_UNCERTAIN, result->side);
		log_fate(d, "delivery.uncertain",
			&(struct proto_result){ .reason = XFED_REASON_DELIVERY_UNCERTAIN, .side = result->side, .whose = result->whose }, oc->text);
		bounce_delivery(r, d, oc, XFED_REASON_DELIVERY_UNCERTAIN);
		break;
	default:
		core_count_stanza(r->core, s2s_partner_label(r->s2s, remote), "to_sip", kind, "refused");
		core_count_refusal(r->core, result->reason, result->side);
		log_fate(d, "delivery.refused", result, oc->text);
		bounce_delivery(r, d, oc, result->reason);
		break;
	}
}

/* It ended without an answer of a gateway: by its deadline, because the gateway's run ended, or because no gateway is linked. */
static void tell_untold(struct relay *r, const struct proto_delivery *d, const struct proto_result *result)
{
	bool is_down = result->fate == XFED__FATE__FATE_WITHDRAWN || channel_links_up(r->channel) == 0;
	enum xfed_reason reason = is_down ? XFED_REASON_CHANNEL_DOWN : result->reason;
	struct proto_result known = { .fate = result->fate, .reason = reason, .side = xfed_reason_info(reason)->side };
	known.whose = proto_whose_of(reason, PROTO_WHOSE_NONE);
	const struct xfed_reason_info *info = xfed_reason_info(reason);
	Xfed__Outcome oc = XFED__OUTCOME__INIT;
	oc.fate = result->fate;
	oc.condition = (char *)(info->condition ? info->condition : "");
	char words[256];
	xfed_reason_words(words, sizeof(words), reason, xfed_span_make(NULL, 0));
	oc.text = words;
	oc.rule = (char *)(d->rule ? d->rule : "");
	if (d->sends == 0) {
		s2s_unpark(r->s2s, d->cookie, d->stanza.len); /* its stream may be read again */
	}
	tell_sender(r, d, &oc, &known);
}

void relay_outcome(struct relay *r, const struct proto_delivery *d, const struct proto_result *result)
{
	if (result->told) {
		tell_sender(r, d, result->told, result);
	} else {
		tell_untold(r, d, result);
	}
}
