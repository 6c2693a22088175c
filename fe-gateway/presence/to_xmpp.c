/* Stanzas to the contact, from the user. */
#include "presence/rights.h"
#include "presence/stale.h"

#include "proto/deliver.h"
#include "xfed/rt/log.h"

#define ARENA_BYTES (256 * 1024)

static struct xfed_span type_word(enum xfed_stanza_type t)
{
	switch (t) {
	case XFED_TYPE_SUBSCRIBE:
		return XFED_SPAN("subscribe");
	case XFED_TYPE_SUBSCRIBED:
		return XFED_SPAN("subscribed");
	case XFED_TYPE_UNSUBSCRIBE:
		return XFED_SPAN("unsubscribe");
	case XFED_TYPE_UNSUBSCRIBED:
		return XFED_SPAN("unsubscribed");
	case XFED_TYPE_PROBE:
		return XFED_SPAN("probe");
	case XFED_TYPE_UNAVAILABLE:
		return XFED_SPAN("unavailable");
	default:
		return xfed_span_make(NULL, 0);
	}
}

static bool is_subscription(enum xfed_stanza_type t)
{
	return t == XFED_TYPE_SUBSCRIBE || t == XFED_TYPE_SUBSCRIBED || t == XFED_TYPE_UNSUBSCRIBE || t == XFED_TYPE_UNSUBSCRIBED;
}

static int plain(struct xfed_arena *a, const struct iw_xmpp_envelope *e, struct xfed_span from, struct xfed_span to, struct xfed_xml_elem **out)
{
	struct xfed_span none = xfed_span_make(NULL, 0);
	struct xfed_xml_elem *p = *out = xfed_xml_elem_new(a, XFED_SPAN(XFED_NS_SERVER), XFED_SPAN("presence"));
	bool is_made = p && xfed_xml_set_attr(a, p, none, XFED_SPAN("from"), from) == XFED_OK &&
		       xfed_xml_set_attr(a, p, none, XFED_SPAN("to"), to) == XFED_OK &&
		       xfed_xml_set_attr(a, p, none, XFED_SPAN("id"), e->id) == XFED_OK &&
		       (!e->type.data || xfed_xml_set_attr(a, p, none, XFED_SPAN("type"), e->type) == XFED_OK);
	return is_made ? XFED_OK : XFED_ERR_NOMEM;
}

static int send_elem(struct pair *pair, enum xfed_stanza_type type, const struct xfed_xml_elem *elem, const struct iw_xmpp_envelope *e)
{
	struct presence *p = pair->presence;
	struct xfed_span remote = contact_remote(pair->contact);
	xfed_buf_clear(&p->scratch);
	int rc = xfed_xml_write(&p->scratch, elem, XFED_SPAN(""));
	if (rc != XFED_OK) {
		return rc;
	}
	struct proto_delivery_new n = {
		.kind = is_subscription(type) ? XFED__KIND__KIND_SUBSCRIPTION : XFED__KIND__KIND_PRESENCE,
		.replay = is_subscription(type) ? PROTO_REPLAY_ANY : PROTO_REPLAY_NEVER,
		.type = xfed_xml_attr_get(elem, "type"),
		.id = e->id,
		.from = xfed_xml_attr_get(elem, "from"),
		.to = xfed_xml_attr_get(elem, "to"),
		.lang = xfed_xml_attr_get_ns(elem, XFED_NS_XML, "lang"),
		.stanza = xfed_buf_span(&p->scratch),
		.correlation = e->id,
		.pair_key = deliver_pair_key(contact_local(pair->contact), remote),
		.share_key = policy_partner_share(p->policy, e->to->domain),
		.deadline_ms = presence_now(p) + policy_config(p->policy)->delivery.deadline_ms,
	};
	core_flush_soon(p->core);
	rc = channel_send(p->channel, e->from->domain, e->to->domain, &n);
	if (rc == XFED_OK) {
		pair_said(pair, e->id, type);
	}
	return rc;
}

static void not_said(struct pair *pair, enum xfed_stanza_type type)
{
	if (pair->follow && type == XFED_TYPE_UNAVAILABLE) {
		pair->follow->is_remembered = true;
	}
	if (is_subscription(type)) {
		pair_unsaid(pair, type);
	}
	if (type != XFED_TYPE_PROBE) {
		pair_doubt(pair, PRESENCE_DOUBT_UNSENT);
	}
}

static void stanza_id(const struct presence *p, uint64_t number, struct core_id *out)
{
	core_id(p->core, CORE_ID_STANZA, XFED_SPAN("presence"), p->core->d.boot_nonce, number, out);
}

bool pair_has_asked(const struct pair *pair, struct xfed_span said)
{
	struct core_id id;
	if (pair->question == 0) {
		return false;
	}
	stanza_id(pair->presence, pair->question, &id);
	return xfed_span_eq(said, xfed_span_make(id.text, CORE_ID_LEN));
}

enum xfed_reason pair_send(struct pair *pair, enum xfed_stanza_type type, const struct iw_device *d, char said[CORE_ID_LEN + 1])
{
	struct presence *p = pair->presence;
	struct xfed_span local = contact_local(pair->contact), remote = contact_remote(pair->contact);
	struct xfed_arena a;
	struct xfed_jid from, to;
	struct core_id id;
	struct xfed_xml_elem *elem;
	xfed_arena_init(&a, ARENA_BYTES);
	uint64_t number = ++p->core->last_id;
	stanza_id(p, number, &id);
	memcpy(said, id.text, sizeof(id.text));
	int rc = xfed_jid_parse(&a, local, &from);
	rc = rc == XFED_OK ? xfed_jid_parse(&a, remote, &to) : rc;
	struct iw_xmpp_envelope e = { .from = &from, .to = &to, .id = xfed_span_make(id.text, CORE_ID_LEN), .type = type_word(type) };
	if (rc == XFED_OK) {
		rc = d ? iw_presence_write(&a, d, &e, &elem) : plain(&a, &e, local, remote, &elem);
	}
	rc = rc == XFED_OK ? send_elem(pair, type, elem, &e) : rc;
	xfed_arena_deinit(&a);
	if (rc == XFED_OK && (type == XFED_TYPE_SUBSCRIBE || type == XFED_TYPE_PROBE)) {
		pair->question = number;
	}
	return rc == XFED_OK		  ? XFED_REASON_NONE
	       : rc == XFED_ERR_NOT_FOUND ? XFED_REASON_CHANNEL_DOWN
					  : proto_outbox_refusal(rc, XFED_REASON_STREAM_INTERNAL);
}

/* A stanza that cannot be sent now is not queued: resync.c sends the state again later. */
bool pair_say(struct pair *pair, enum xfed_stanza_type type, const struct iw_device *d)
{
	char id[CORE_ID_LEN + 1];
	enum xfed_reason reason = pair_send(pair, type, d, id);
	if (reason != XFED_REASON_NONE) {
		rt_log(RT_LOG_INFO, "presence.unsent", RT_KV_ADDRESS("local", contact_local(pair->contact)),
			RT_KV_ADDRESS("partner", contact_remote(pair->contact)), RT_KV_REASON(reason), RT_KV("type", type_word(type)), RT_END);
		not_said(pair, type);
	}
	return reason == XFED_REASON_NONE;
}
