/* The methods. Names are case-sensitive ([C1-01]). */
#ifndef GATEWAY_SIP_METHOD_H
#define GATEWAY_SIP_METHOD_H

#include "xfed/base.h"

/* RFC 3261, 3262, 3265, 3311, 3428, 3515, 3903, 6086. */
#define SIP_METHODS(X)                                                                                                                               \
	X(INVITE)                                                                                                                                    \
	X(ACK)                                                                                                                                       \
	X(CANCEL)                                                                                                                                    \
	X(BYE)                                                                                                                                       \
	X(OPTIONS)                                                                                                                                   \
	X(REGISTER)                                                                                                                                  \
	X(MESSAGE)                                                                                                                                   \
	X(SUBSCRIBE)                                                                                                                                 \
	X(NOTIFY)                                                                                                                                    \
	X(PUBLISH)                                                                                                                                   \
	X(INFO)                                                                                                                                      \
	X(PRACK)                                                                                                                                     \
	X(UPDATE)                                                                                                                                    \
	X(REFER)

enum sip_method {
	SIP_METHOD_UNKNOWN,
#define X(name) SIP_METHOD_##name,
	SIP_METHODS(X)
#undef X
		SIP_METHOD_COUNT
};

enum sip_method sip_method_parse(struct xfed_span name);
struct xfed_span sip_method_name(enum sip_method m); /* empty: UNKNOWN */

#endif
