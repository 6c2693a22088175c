/*
 * SIP and SIPS URIs (RFC 3261 section 19.1, RFC 5118). The parts are spans of the text, escapes
 * left as they stand: a %00 in the user part ends nothing ([C1-08]). A URI of another scheme has
 * scheme and opaque part only.
 */
#ifndef GATEWAY_SIP_URI_H
#define GATEWAY_SIP_URI_H

#include "xfed/base.h"

struct sip_uri {
	struct xfed_span text;	 /* the whole */
	struct xfed_span scheme; /* as written */
	bool is_sip;		 /* sip or sips */
	bool is_secure;		 /* sips */
	struct xfed_span user;	 /* still escaped; data NULL where there is no "@" */
	struct xfed_span password;
	struct xfed_span host; /* IPv6 addresses without brackets */
	bool is_ipv6;
	uint16_t port;			   /* 0 where none is written */
	struct xfed_span params;	   /* from the first ";", or empty */
	struct xfed_span headers;	   /* behind "?", or empty */
	struct xfed_span transport, maddr; /* parameters; data NULL where absent */
	bool is_loose;			   /* has lr */
};

/* OK, or INVALID. Other schemes than sip and sips are accepted with is_sip false. */
int sip_uri_parse(struct xfed_span text, struct sip_uri *out);

/* Hosts compared as RFC 3261 section 19.1.4 does: names without case and final dot, IPv6 addresses
 * by value. */
bool sip_host_eq(struct xfed_span a, struct xfed_span b);

/* A name, an IPv4 address, or an IPv6 address (with or without brackets): syntax only. */
bool sip_host_is_valid(struct xfed_span host);
bool sip_host_is_address(struct xfed_span host);
struct xfed_span sip_host_bare(struct xfed_span host); /* without the brackets, where there are some */

/* The user part with %HH undone into `out` of at least user.len bytes; returns the length, which
 * may hold a NUL byte. */
size_t sip_user_unescape(struct xfed_span user, char *out);

#endif
