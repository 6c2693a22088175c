/* Sentences for users. Operators read the remedies in reasons.def. */
#include "xfed/reason.h"

#include <stdio.h>

static const char *const sentences[XFED_REASON_COUNT] = {
	[XFED_REASON_POLICY_PARTNER_UNLISTED] = "This domain does not exchange messages with yours.",
	[XFED_REASON_POLICY_PARTNER_DISABLED] = "This domain does not exchange messages with yours at the moment.",
	[XFED_REASON_POLICY_PARTNER_BROKEN] = "This domain does not exchange messages with yours at the moment.",
	[XFED_REASON_POLICY_ACCESS_USER] = "This user does not exchange messages with other domains.",
	[XFED_REASON_POLICY_ACCESS_BROKEN] = "This user does not exchange messages with other domains at the moment.",
	[XFED_REASON_POLICY_CONTACT_UNAUTHORISED] = "This user takes messages only from addresses that he or she has written to.",
	[XFED_REASON_POLICY_KIND_FORBIDDEN] = "This kind of message does not pass between your domain and this one.",
	[XFED_REASON_POLICY_RATE_EXCEEDED] = "Your server sends too much at a time; try again later.",
	[XFED_REASON_POLICY_SIZE_EXCEEDED] = "The message is too large.",
	[XFED_REASON_POLICY_SHAPE_EXCEEDED] = "The message has too many parts.",
	[XFED_REASON_POLICY_CONNECTIONS_EXCEEDED] = "The server is busy; try again later.",
	[XFED_REASON_POLICY_UNPROVED_EXCEEDED] = "The server is busy; try again later.",
	[XFED_REASON_POLICY_WORK_EXCEEDED] = "The server is busy; try again later.",
	[XFED_REASON_STREAM_INTERNAL] = "The message was lost by a fault of the gateway.",
	[XFED_REASON_STREAM_OUTPUT_FULL] = "Your server does not read what it is sent; try again later.",
	[XFED_REASON_SIP_USER_UNKNOWN] = "There is no user of this address.",
	[XFED_REASON_SIP_USER_OFFLINE] = "The user cannot be reached at the moment.",
	[XFED_REASON_SIP_USER_DECLINED] = "The user has declined the message.",
	[XFED_REASON_SIP_SERVER_TIMEOUT] = "The user's server or device did not answer in time.",
	[XFED_REASON_SIP_SERVER_ERROR] = "The user's server has failed.",
	[XFED_REASON_SIP_SERVER_UNREACHABLE] = "The user's server cannot be reached at the moment.",
	[XFED_REASON_SIP_REQUEST_REFUSED] = "The user's server or device has refused the message.",
	[XFED_REASON_SIP_REQUEST_REDIRECTED] = "The user is reached at another address.",
	[XFED_REASON_SIP_AUTH_NEEDED] = "The user's server does not take messages from here.",
	[XFED_REASON_SIP_AUTH_UNSUPPORTED] = "The user's server does not take messages from here.",
	[XFED_REASON_SIP_AUTH_REFUSED] = "The user's server does not take messages from here.",
	[XFED_REASON_SIP_REQUEST_TOO_LARGE] = "The message is too long for the user's server.",
	[XFED_REASON_SIP_METHOD_UNSUPPORTED] = "The user's server or device does not take messages.",
	[XFED_REASON_SIP_CONTENT_UNSUPPORTED] = "The user's device cannot show this kind of message.",
	[XFED_REASON_SIP_CONTENT_EMPTY] = "The message has no text.",
	[XFED_REASON_SIP_SESSION_UNANSWERED] = "The user's devices did not answer in time.",
	[XFED_REASON_SIP_SESSION_LIMIT] = "There are too many conversations at the moment; try again later.",
	[XFED_REASON_SIP_SESSION_MEDIA] = "The user's device takes no text messages.",
	[XFED_REASON_SIP_ADDRESS_UNMAPPABLE] = "The address of the sender or the recipient cannot be written as a SIP address.",
	[XFED_REASON_XMPP_ADDRESS_MALFORMED] = "The address of the sender or the recipient is not valid.",
	[XFED_REASON_XMPP_SIZE_EXCEEDED] = "The message is larger than the contact's server takes.",
	[XFED_REASON_XMPP_STANZA_INVALID] = "The message is not what XMPP allows.",
	[XFED_REASON_XMPP_CONTENT_UNREADABLE] = "The message has no text that the user could read.",
	[XFED_REASON_XMPP_FEATURE_MISSING] = "This is not offered here.",
	[XFED_REASON_DELIVERY_DEADLINE] = "The message could not be delivered in time.",
	[XFED_REASON_DELIVERY_UNCERTAIN] = "The message may have been delivered: the answer was lost.",
	[XFED_REASON_DELIVERY_QUEUE_FULL] = "Too many messages are waiting already; try again later.",
	[XFED_REASON_DELIVERY_SIZE_EXCEEDED] = "The message is too large.",
	[XFED_REASON_SERVICE_LEAVING] = "The gateway is being restarted; try again in a moment.",
	[XFED_REASON_CHANNEL_DOWN] = "The gateway is out of service; try again later.",
};

const char *xfed_reason_sentence(enum xfed_reason r)
{
	const char *own = (unsigned)r < XFED_REASON_COUNT ? sentences[r] : NULL;
	return own ? own : "The message could not be delivered.";
}

void xfed_reason_words(char *out, size_t size, enum xfed_reason r, struct xfed_span more)
{
	const char *sentence = xfed_reason_sentence(r);
	snprintf(out, size, "%.*s%s%.*s (%s)", (int)strlen(sentence) - 1, sentence, more.len > 0 ? ": " : "", (int)more.len,
		more.data ? more.data : "", xfed_reason_code(r));
}
