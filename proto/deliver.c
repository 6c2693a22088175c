#include "proto/deliver.h"

#include "xfed/limits.h"

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

static bool agrees(const Xfed__Deliver *d, const struct xfed_stanza *s)
{
	return proto_kind_of(s) == d->kind && xfed_span_is(xfed_xml_attr_get(s->elem, "type"), d->type) && xfed_span_is(s->id, d->id) &&
	       xfed_jid_is_full(&s->from, xfed_span_str(d->from)) && xfed_jid_is_full(&s->to, xfed_span_str(d->to)) &&
	       (!d->lang[0] || xfed_span_is(s->lang, d->lang)); /* older gateways do not send it */
}

static enum xfed_reason read_element(struct xfed_xml_reader **fragments, const Xfed__Deliver *d)
{
	struct xfed_xml_limits limits = { XFED_STANZA_BYTES_MAX, XFED_XML_DEPTH_MAX, XFED_XML_NODES_MAX };
	if (!*fragments && xfed_xml_reader_new_fragment(&limits, fragments) != XFED_OK) {
		return XFED_REASON_STREAM_INTERNAL;
	}
	switch (xfed_xml_reader_fragment(*fragments, xfed_span_make(d->stanza.data, d->stanza.len))) {
	case XFED_XML_ELEMENT:
		return XFED_REASON_NONE;
	case XFED_XML_NOMEM:
		return XFED_REASON_STREAM_INTERNAL;
	case XFED_XML_MORE:
	case XFED_XML_EXCESS:
	case XFED_XML_HEADER:
	case XFED_XML_CLOSE:
	case XFED_XML_BAD:
		break;
	}
	return XFED_REASON_XMPP_STANZA_INVALID;
}

enum xfed_reason proto_deliver_read(struct xfed_xml_reader **fragments, const Xfed__Deliver *d, struct xfed_stanza *out)
{
	enum xfed_reason reason = read_element(fragments, d);
	if (reason != XFED_REASON_NONE) {
		return reason;
	}
	switch (xfed_stanza_view(xfed_xml_reader_arena(*fragments), xfed_xml_reader_elem(*fragments), out)) {
	case XFED_STANZA_OK:
		break;
	case XFED_STANZA_NO_MEMORY:
		return XFED_REASON_STREAM_INTERNAL;
	case XFED_STANZA_MALFORMED:
		return XFED_REASON_XMPP_ADDRESS_MALFORMED;
	case XFED_STANZA_NOT:
	case XFED_STANZA_IMPROPER:
		return XFED_REASON_XMPP_STANZA_INVALID;
	}
	return out->kind != XFED_STANZA_IQ && agrees(d, out) ? XFED_REASON_NONE : XFED_REASON_XMPP_STANZA_INVALID;
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
