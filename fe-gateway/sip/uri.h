/*
 * SIP and SIPS URIs (RFC 3261 section 19.1, RFC 5118). The parts are spans of the text, with escapes as they are, so that a %00 in the user
 * part ends nothing ([C1-08]). A URI of another scheme has only scheme and opaque part.
 */
#ifndef GATEWAY_SIP_URI_H
#define GATEWAY_SIP_URI_H

#include "xfed/base.h"

struct sip_uri {
	struct xfed_span text;	 /* the whole */
	struct xfed_span scheme; /* as written */
	bool is_sip;		 /* sip or sips */
	bool is_secure;		 /* sips */
	struct xfed_span user;	 /* still escaped; data NULL: no "@" */
	struct xfed_span password;
	struct xfed_span host; /* IPv6 addresses without brackets */
	bool is_ipv6;
	uint16_t port;			   /* 0: not written */
	struct xfed_span params;	   /* from the first ";", or empty */
	struct xfed_span headers;	   /* behind "?", or empty */
	struct xfed_span transport, maddr; /* parameters; data NULL: absent */
	bool is_loose;			   /* has the lr parameter */
};

/* OK, or INVALID. Schemes other than sip and sips are accepted with is_sip false. */
int sip_uri_parse(struct xfed_span text, struct sip_uri *out);

/* Compares hosts as in RFC 3261 section 19.1.4: names without case and final dot, IPv6 addresses by value. */
bool sip_host_eq(struct xfed_span a, struct xfed_span b);

/* A name, an IPv4 address, or an IPv6 address (with or without brackets): syntax only. */
bool sip_host_is_valid(struct xfed_span host);
bool sip_host_is_address(struct xfed_span host);
struct xfed_span sip_host_bare(struct xfed_span host); /* removes brackets */

#endif
