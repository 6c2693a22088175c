/* Ends deliveries: every outcome is counted, logged and reported here. */
#include "deliver/deliver_impl.h"

#include <stdio.h>

#include "proto/check.h"
#include "proto/deliver.h"
#include "proto/rt/kv.h"

static const char *fate_word(Xfed__Fate fate)
{
	switch (fate) {
	case XFED__FATE__FATE_DELIVERED:
		return "delivered";
	case XFED__FATE__FATE_DROPPED:
		return "dropped";
	case XFED__FATE__FATE_UNCERTAIN:
		return "uncertain";
	default:
		return "refused";
	}
}

static enum xfed_reason reason_of(const struct deliver_end *e)
{
	return e->fate == XFED__FATE__FATE_REFUSED ? e->error.reason : e->fate == XFED__FATE__FATE_UNCERTAIN ? e->reason : XFED_REASON_NONE;
}

static void count(const struct deliver *d, const struct deliver_origin *origin, const struct deliver_end *e)
{
	enum xfed_reason reason = reason_of(e);
	double seconds = (double)(core_now(d->below.core) - origin->added_ms) / 1000.0;
	rt_metric_observe(d->below.core->d.metrics, RT_M_DELIVERY, seconds, RT_NO_LABELS);
	core_count_stanza(d->below.core, policy_partner_label(d->below.policy, origin->partner), "to_sip", proto_kind_word(origin->words.kind),
		fate_word(e->fate));
	if (reason != XFED_REASON_NONE) {
		core_count_refusal(d->below.core, reason, xfed_reason_info(reason)->side);
	}
	if (e->fate == XFED__FATE__FATE_UNCERTAIN) {
		rt_metric_add(d->below.core->d.metrics, RT_M_DELIVERIES_UNCERTAIN, 1, RT_NO_LABELS);
	}
	if (e->fate == XFED__FATE__FATE_DROPPED) {
		core_count_dropped(d->below.core, e->rule);
	}
}

static void log_end(const char *word, const struct deliver_origin *origin, const struct deliver_end *e)
{
	/* logging every delivered message would cost more than delivering it */
	bool is_quiet = e->fate == XFED__FATE__FATE_DELIVERED || e->fate == XFED__FATE__FATE_DROPPED;
	if (!rt_log_is_on(is_quiet ? RT_LOG_DEBUG : RT_LOG_INFO)) {
		return;
	}
	char event[32];
	snprintf(event, sizeof(event), "delivery.%s", word);
	enum proto_whose whose = proto_whose_of(reason_of(e), PROTO_WHOSE_SIP);
	char status[12] = "";
	if (e->sip_status > 0) {
		snprintf(status, sizeof(status), "%d", e->sip_status);
	}
	rt_log(is_quiet ? RT_LOG_DEBUG : RT_LOG_INFO, event, RT_KV("partner", origin->partner), RT_KV("local", origin->local),
		RT_KV_REASON(reason_of(e)), RT_KV_STR("whose", whose == PROTO_WHOSE_NONE ? NULL : proto_whose_word(whose)),
		RT_KV_U64("delivery", origin->from.seq), RT_KV("id", origin->words.id), RT_KV("correlation", origin->correlation),
		RT_KV_STR("rule", e->fate == XFED__FATE__FATE_DROPPED ? e->rule : NULL), RT_KV_STR("sip_status", status[0] ? status : NULL),
		RT_KV("text", e->text), RT_KV("diagnostics", e->said), RT_KV_ADDRESS("contact", e->pointed), RT_END);
}

static void keep(const struct deliver *d, const struct deliver_origin *origin, const struct deliver_end *e)
{
	if (e->fate == XFED__FATE__FATE_REFUSED) {
		journal_add_message(d->below.journal, &(struct journal_message){ .is_to_sip = true,
							      .is_temporary = strcmp(e->error.type, "wait") == 0,
							      .local = origin->local,
							      .remote = origin->partner,
							      .from = origin->words.from,
							      .to = origin->words.to,
							      .reason = e->error.reason,
							      .side = xfed_reason_info(e->error.reason)->side,
							      .sip_status = e->sip_status,
							      .said = e->text,
							      .diagnostics = e->said });
	}
}

/* The text the sender sees. A public partner learns nothing about users: where the condition was replaced by a neutral one, so is the text. */
static void write_text(const struct deliver_origin *origin, const struct deliver_end *e, char *out, size_t size)
{
	struct xfed_span more = { e->text.data, e->text.len < IW_PHRASE_BYTES ? e->text.len : IW_PHRASE_BYTES };
	if (origin->is_public && e->fate == XFED__FATE__FATE_REFUSED && strcmp(e->error.condition, "service-unavailable") == 0) {
		snprintf(out, size, "not available");
	} else {
		xfed_reason_words(out, size, reason_of(e), more);
	}
}

void deliver_end(const struct deliver *d, const struct deliver_origin *origin, const struct deliver_end *e)
{
	XFED_UNSET char raw[512], text[512], address[PROTO_URI_BYTES + 1];
	Xfed__Outcome oc = XFED__OUTCOME__INIT;
	count(d, origin, e);
	log_end(fate_word(e->fate), origin, e);
	keep(d, origin, e);
	if (!origin->from.run) {
		return;
	}
	struct proto_result r = { .fate = e->fate, .sip_status = (uint32_t)e->sip_status, .reason = reason_of(e) };
	r.side = xfed_reason_info(r.reason)->side;
	r.whose = proto_whose_of(r.reason, PROTO_WHOSE_SIP);
	proto_result_fill(&r, &oc);
	if (e->fate == XFED__FATE__FATE_REFUSED || e->fate == XFED__FATE__FATE_UNCERTAIN) {
		write_text(origin, e, raw, sizeof(raw));
		oc.text = (char *)(uintptr_t)proto_text_clean(text, sizeof(text), raw);
	}
	if (e->fate == XFED__FATE__FATE_REFUSED) {
		oc.condition = (char *)(uintptr_t)e->error.condition;
		oc.error_type = (char *)(uintptr_t)e->error.type;
	}
	if (e->fate == XFED__FATE__FATE_REFUSED && e->address.data) {
		snprintf(address, sizeof(address), "%.*s", (int)e->address.len, e->address.data);
		oc.address = address;
	}
	if (e->fate == XFED__FATE__FATE_DROPPED) {
		oc.rule = (char *)(uintptr_t)e->rule;
	}
	proto_exchange_settle(channel_exchange(d->below.channel), origin->from, &oc, &origin->words, core_now(d->below.core));
}

void deliver_refuse(const struct deliver *d, const struct deliver_origin *origin, enum xfed_reason reason, const char *text)
{
	struct deliver_end e = { .fate = XFED__FATE__FATE_REFUSED, .text = xfed_span_str(text) };
	if (iw_reason_to_xmpp(reason, origin->is_public, &e.error) != XFED_OK) {
		e.error = (struct iw_xmpp_error){ .condition = "service-unavailable", .type = "cancel", .reason = reason };
	}
	deliver_end(d, origin, &e);
}

void deliver_drop(const struct deliver *d, const struct deliver_origin *origin, const char *rule)
{
	deliver_end(d, origin, &(struct deliver_end){ .fate = XFED__FATE__FATE_DROPPED, .rule = rule });
}

void deliver_done(const struct deliver *d, const struct deliver_origin *origin)
{
	deliver_end(d, origin, &(struct deliver_end){ .fate = XFED__FATE__FATE_DELIVERED });
}

void deliver_late(const struct deliver *d, const struct deliver_origin *origin, const struct deliver_end *e)
{
	XFED_UNSET char raw[512], text[512];
	struct xfed_stanza_error err = { .condition = e->error.condition, .type = e->error.type };
	core_count_refusal(d->below.core, e->error.reason, xfed_reason_info(e->error.reason)->side);
	log_end("error-late", origin, e);
	keep(d, origin, e);
	if (!origin->from.run) {
		return; /* made here */
	}
	write_text(origin, e, raw, sizeof(raw));
	err.text = xfed_span_str(proto_text_clean(text, sizeof(text), raw));
	int rc = proto_exchange_error(channel_exchange(d->below.channel), &origin->words, &err, core_now(d->below.core));
	if (rc != XFED_OK) {
		core_count_dropped(d->below.core, rc == XFED_ERR_INVALID ? "no-error-due" : "error-unsendable");
	}
}
