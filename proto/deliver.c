#include "proto/deliver.h"

Xfed__Kind proto_kind_of(const struct xfed_stanza *s)
{
	if (s->type == XFED_TYPE_ERROR) {
		return XFED__KIND__KIND_ERROR;
	}
	if (s->kind == XFED_STANZA_MESSAGE) {
		return XFED__KIND__KIND_MESSAGE;
	}
	bool is_subscription = s->type == XFED_TYPE_SUBSCRIBE || s->type == XFED_TYPE_SUBSCRIBED || s->type == XFED_TYPE_UNSUBSCRIBE ||
			       s->type == XFED_TYPE_UNSUBSCRIBED;
	return is_subscription ? XFED__KIND__KIND_SUBSCRIPTION : XFED__KIND__KIND_PRESENCE;
}

const char *proto_kind_word(Xfed__Kind kind)
{
	switch (kind) {
	case XFED__KIND__KIND_PRESENCE:
		return "presence";
	case XFED__KIND__KIND_SUBSCRIPTION:
		return "subscription";
	default:
		return "message";
	}
}

bool proto_deliver_agrees(const Xfed__Deliver *d, const struct xfed_stanza *s)
{
	return proto_kind_of(s) == d->kind && xfed_span_is(xfed_xml_attr_get(s->elem, "type"), d->type) && xfed_span_is(s->id, d->id) &&
	       xfed_jid_is_full(&s->from, xfed_span_str(d->from)) && xfed_jid_is_full(&s->to, xfed_span_str(d->to)) &&
	       (!d->lang[0] || xfed_span_is(s->lang, d->lang)); /* the gateways of before say none */
}

struct xfed_span proto_domain_of(struct xfed_span jid)
{
	const char *slash = jid.len ? memchr(jid.data, '/', jid.len) : NULL;
	size_t len = slash ? (size_t)(slash - jid.data) : jid.len;
	const char *at = len ? memchr(jid.data, '@', len) : NULL;
	size_t skip = at ? (size_t)(at - jid.data) + 1 : 0;
	return xfed_span_make(jid.data + skip, len - skip);
}

enum xfed_reason proto_outbox_refusal(int rc, enum xfed_reason invalid)
{
	switch (rc) {
	case XFED_ERR_TOO_LARGE:
		return XFED_REASON_DELIVERY_SIZE_EXCEEDED;
	case XFED_ERR_INVALID:
		return invalid;
	case XFED_ERR_LIMIT:
		return XFED_REASON_DELIVERY_QUEUE_FULL;
	default:
		return XFED_REASON_STREAM_INTERNAL;
	}
}
