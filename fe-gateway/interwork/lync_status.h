/*
 * The status of a refusal, chosen for what its reader sees: a client of Lync shows one of five texts, by the status alone, and never a reason
 * phrase, a Warning (but its code 309) or ms-diagnostics. So each reason has the text that is true for the user; which one it is exactly, is
 * told to administrators by Warning and log as to any other.
 */
#ifndef GATEWAY_INTERWORK_LYNC_STATUS_H
#define GATEWAY_INTERWORK_LYNC_STATUS_H

#include "interwork/errors.h"

#define IW_LYNC_WARNING_BLOCKED 309 /* the code of Warning without which 606 reads as offline */

/* X(id, status, what the text says of the recipient, or the message). */
#define IW_LYNC_TEXTS(X)                                                                                                                             \
	X(SERVICE, 504, "the service is not available") /* not 503, after which a proxy would avoid the gateway */                                   \
	X(OFFLINE, 480, "is offline")                                                                                                                \
	X(UNKNOWN, 404, "is offline")                                                                                                                \
	X(BUSY, 486, "does not want to be disturbed")                                                                                                \
	X(TYPE, 415, "does not support this type of message")                                                                                        \
	X(BLOCKED, 606, "has content that the administrator has blocked")

enum iw_lync_text {
#define IW_LYNC_TEXT_ID(id, status, words) IW_LYNC_##id,
	IW_LYNC_TEXTS(IW_LYNC_TEXT_ID)
#undef IW_LYNC_TEXT_ID
		IW_LYNC_PEER, /* nothing for a user to read, but for the server or client that made a mistake: the status of iw_reason_to_sip() */
};

/* `condition`: of the error stanza, for XMPP_ERROR_RECEIVED; data NULL: not known. */
enum iw_lync_text iw_lync_text_of(enum xfed_reason reason, struct xfed_span condition);

/* Where the response goes; 0: to an INVITE of one of the servers inside. */
#define IW_LYNC_IN_SESSION   1u /* to a MESSAGE, where 408, 480 and 481 would end the session: who is offline is 404, which reads the same */
#define IW_LYNC_OF_NEIGHBOUR 2u /* by way of a federated neighbour */

/*
 * The response. That a domain is no partner (policy.partner.unlisted) is "the service is not available" to a user inside, whose own
 * administrator has made the route. A neighbour gets 403 for it: its Edge has sent us what is not ours, which its administrators have to
 * correct, and it would take 504 for a failure of ours, as of all other domains that it reaches through us. `out->needs_contact` is never set; with BLOCKED the code of Warning has to be IW_LYNC_WARNING_BLOCKED (iw_warning_as()).
 */
enum iw_lync_text iw_lync_status(enum xfed_reason reason, struct xfed_span condition, unsigned where, struct iw_sip_error *out);

#endif
