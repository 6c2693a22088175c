#include "interwork/lync_status.h"

#include "sip/print.h"

#define R(name) XFED_REASON_##name

/*
 * The text for each reason. A reason that is not listed has SERVICE ("the service is not available"): this gateway, a server or the network has
 * failed, and there is nothing about the message that its writer could change.
 */
static const uint8_t reasons[XFED_REASON_COUNT] = {
	[R(SIP_USER_OFFLINE)] = IW_LYNC_OFFLINE,
	[R(SIP_REQUEST_REDIRECTED)] = IW_LYNC_OFFLINE,
	[R(POLICY_CONTACT_UNAUTHORISED)] = IW_LYNC_OFFLINE,
	[R(SIP_USER_UNKNOWN)] = IW_LYNC_UNKNOWN,
	[R(XMPP_USER_UNKNOWN)] = IW_LYNC_UNKNOWN,
	[R(XMPP_ADDRESS_MALFORMED)] = IW_LYNC_UNKNOWN,
	[R(SIP_ADDRESS_UNMAPPABLE)] = IW_LYNC_UNKNOWN,
	[R(SIP_USER_DECLINED)] = IW_LYNC_BUSY,
	/* Too large is no type, but no text is nearer: such a message will not arrive, however often it is tried. */
	[R(POLICY_SIZE_EXCEEDED)] = IW_LYNC_TYPE,
	[R(POLICY_SHAPE_EXCEEDED)] = IW_LYNC_TYPE,
	[R(SIP_REQUEST_TOO_LARGE)] = IW_LYNC_TYPE,
	[R(XMPP_SIZE_EXCEEDED)] = IW_LYNC_TYPE,
	[R(DELIVERY_SIZE_EXCEEDED)] = IW_LYNC_TYPE,
	[R(SIP_METHOD_UNSUPPORTED)] = IW_LYNC_TYPE,
	[R(SIP_CONTENT_UNSUPPORTED)] = IW_LYNC_TYPE,
	[R(SIP_CONTENT_EMPTY)] = IW_LYNC_TYPE,
	[R(SIP_CHARSET_UNSUPPORTED)] = IW_LYNC_TYPE,
	[R(SIP_CODING_UNSUPPORTED)] = IW_LYNC_TYPE,
	[R(SIP_CONTENT_GARBLED)] = IW_LYNC_TYPE,
	[R(SIP_SCHEME_UNSUPPORTED)] = IW_LYNC_TYPE,
	[R(XMPP_CONTENT_UNREADABLE)] = IW_LYNC_TYPE,
	[R(XMPP_FEATURE_MISSING)] = IW_LYNC_TYPE,
	[R(POLICY_KIND_FORBIDDEN)] = IW_LYNC_BLOCKED,
	[R(SIP_REQUEST_MALFORMED)] = IW_LYNC_PEER,
	[R(SIP_SENDER_UNTRUSTED)] = IW_LYNC_PEER,
	[R(SIP_SENDER_NAMELESS)] = IW_LYNC_PEER,
	[R(SIP_SIPS_REFUSED)] = IW_LYNC_PEER,
	[R(SIP_PEER_UNLISTED)] = IW_LYNC_PEER,
	[R(SIP_LOOP_DETECTED)] = IW_LYNC_PEER,
	[R(SIP_HOPS_EXCEEDED)] = IW_LYNC_PEER,
	[R(SIP_DIALOG_UNKNOWN)] = IW_LYNC_PEER,
	[R(SIP_SESSION_DESCRIPTION)] = IW_LYNC_PEER,
	/* Not 488, which the standard has for a call or a file: a message window reads that as offline, and a call window tries once more. */
	[R(SIP_SESSION_MEDIA)] = IW_LYNC_TYPE,
	[R(SIP_SESSION_CONTENT)] = IW_LYNC_TYPE,
	[R(SIP_SESSION_REPLACED)] = IW_LYNC_PEER,
	[R(SIP_EVENT_UNSUPPORTED)] = IW_LYNC_PEER,
	[R(SIP_ACCEPT_UNSUPPORTED)] = IW_LYNC_PEER,
	[R(SIP_EXPIRES_BRIEF)] = IW_LYNC_PEER,
	[R(SIP_PRESENCE_MALFORMED)] = IW_LYNC_PEER,
	[R(SIP_PRESENCE_TOO_LARGE)] = IW_LYNC_PEER,
	[R(SIP_PRESENCE_TOO_OFTEN)] = IW_LYNC_PEER,
};

/* The same for the condition of an error stanza (RFC 6120 section 8.3.3), where that is the reason. */
static const struct {
	const char *condition;
	enum iw_lync_text text;
} conditions[] = {
	{ "service-unavailable", IW_LYNC_OFFLINE }, /* a server without offline storage, of somebody who is not signed in */
	{ "recipient-unavailable", IW_LYNC_OFFLINE },
	{ "redirect", IW_LYNC_OFFLINE },
	{ "item-not-found", IW_LYNC_UNKNOWN },
	{ "gone", IW_LYNC_UNKNOWN },
	{ "jid-malformed", IW_LYNC_UNKNOWN },
	{ "not-acceptable", IW_LYNC_TYPE },
	{ "feature-not-implemented", IW_LYNC_TYPE },
	{ "policy-violation", IW_LYNC_BLOCKED },
};

static const int statuses[] = {
#define IW_LYNC_TEXT_STATUS(id, status, words) status,
	IW_LYNC_TEXTS(IW_LYNC_TEXT_STATUS)
#undef IW_LYNC_TEXT_STATUS
};

enum iw_lync_text iw_lync_text_of(enum xfed_reason reason, struct xfed_span condition)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(conditions) && reason == R(XMPP_ERROR_RECEIVED); i++) {
		if (xfed_span_is(condition, conditions[i].condition)) {
			return conditions[i].text;
		}
	}
	return reasons[reason];
}

enum iw_lync_text iw_lync_status(enum xfed_reason reason, struct xfed_span condition, unsigned where, struct iw_sip_error *out)
{
	bool is_misrouted = (where & IW_LYNC_OF_NEIGHBOUR) && reason == R(POLICY_PARTNER_UNLISTED);
	enum iw_lync_text text = is_misrouted ? IW_LYNC_PEER : iw_lync_text_of(reason, condition);
	if (text == IW_LYNC_PEER && iw_reason_to_sip(reason, out) == XFED_OK) {
		return text;
	}
	int status = text == IW_LYNC_PEER ? statuses[IW_LYNC_SERVICE] : statuses[text];
	status = status == 480 && (where & IW_LYNC_IN_SESSION) ? 404 : status;
	*out = (struct iw_sip_error){
		.status = status, .phrase = sip_status_phrase(status), .reason = reason, .needs_accept = status == 415 /* [B3-03] */
	};
	return text;
}
