/* One Via value (RFC 3261 section 20.42, RFC 3581). */
#ifndef GATEWAY_SIP_VIA_H
#define GATEWAY_SIP_VIA_H

#include "xfed/base.h"

struct sip_via {
	struct xfed_span value;	    /* the whole */
	struct xfed_span transport; /* "UDP" and so on, as written */
	struct xfed_span host;	    /* sent-by, IPv6 without brackets */
	uint16_t port;		    /* 0: not written */
	struct xfed_span params;    /* from the first ";" */
	struct xfed_span branch;    /* data NULL: absent */
	bool has_cookie;	    /* branch begins with z9hG4bK (in any case) and goes on */
	struct xfed_span received;  /* data NULL: absent; without brackets */
	struct xfed_span maddr;
	bool has_rport;
	uint16_t rport; /* 0: it has no value */
};

/* OK, or INVALID. */
int sip_via_parse(struct xfed_span value, struct sip_via *out);

#endif
