/*
 * What becomes of a request that is no retransmission, as one table (RFC 3261 sections 8.2.1
 * to 8.2.2; design: until the rest is built). Pure: looks at the message only.
 */
#ifndef SIP_DISPATCH_H
#define SIP_DISPATCH_H

#include "sip/message.h"

/* The value of Allow. */
#define SIP_ALLOW "MESSAGE, OPTIONS"

enum sip_disposition {
	SIP_DISPOSE_USER,   /* a REQUEST action */
	SIP_DISPOSE_ANSWER, /* status and header given */
	SIP_DISPOSE_ABSORB, /* ACK: never answered */
	SIP_DISPOSE_CANCEL, /* 200 or 481 by the transactions there are */
};

struct sip_verdict {
	enum sip_disposition disposition;
	int status;
	const char *extra;	/* header lines with CRLF, or "" */
	bool needs_unsupported; /* 420: Unsupported with the values of Require */
};

struct sip_verdict sip_dispatch(const struct sip_message *m);

#endif
