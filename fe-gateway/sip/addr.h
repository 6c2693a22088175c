/*
 * name-addr and addr-spec with parameters: From, To, Contact, Route (RFC 3261 section 20). Behind a
 * bare addr-spec the parameters belong to the header field ([C1-05]).
 */
#ifndef GATEWAY_SIP_ADDR_H
#define GATEWAY_SIP_ADDR_H

#include "sip/uri.h"

struct sip_addr {
	struct xfed_span value;	  /* the whole header value */
	struct xfed_span display; /* as written, with its quotes; data NULL: none */
	struct xfed_span uri;	  /* without <> */
	struct xfed_span params;  /* header parameters from the first ";", or empty */
	struct xfed_span tag;	  /* data NULL: none */
};

/* OK, or INVALID. Checks the syntax around the URI, not that of the URI. */
int sip_addr_parse(struct xfed_span value, struct sip_addr *out);

#endif
