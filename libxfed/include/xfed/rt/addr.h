/*
 * Socket addresses as text: "192.0.2.1:5269", "[2001:db8::1]:5269". Never names.
 */
#ifndef XFED_RT_ADDR_H
#define XFED_RT_ADDR_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "xfed/base.h"

struct rt_addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
};

#define RT_ADDR_TEXT 56 /* the longest text, with its NUL */

/* "ADDRESS:PORT", or "ADDRESS" with `default_port`; IPv6 in brackets, which are optional without port. OK, INVALID. */
int rt_addr_parse(struct rt_addr *out, struct xfed_span text, uint16_t default_port);
/* An address without port, brackets allowed; gets `port`. OK, INVALID. */
int rt_addr_parse_host(struct rt_addr *out, struct xfed_span host, uint16_t port);
void rt_addr_make(struct rt_addr *out, const struct sockaddr *sa); /* any other family becomes AF_UNSPEC */

const char *rt_addr_text(const struct rt_addr *a, char out[RT_ADDR_TEXT]);	/* with port; returns `out` */
const char *rt_addr_host_text(const struct rt_addr *a, char out[RT_ADDR_TEXT]); /* without port and brackets */
uint16_t rt_addr_port(const struct rt_addr *a);
/* The IPv4 address, or the one mapped into an IPv6 address, as peers of a dual-stack socket appear. False: there is none. */
static inline bool rt_addr_v4(const struct rt_addr *a, struct in_addr *out)
{
	if (a->sa.sa_family == AF_INET) {
		*out = a->in.sin_addr;
		return true;
	}
	if (a->sa.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr)) {
		return false;
	}
	memcpy(out, &a->in6.sin6_addr.s6_addr[12], sizeof(*out));
	return true;
}
bool rt_addr_is_loopback(const struct rt_addr *a);
bool rt_addr_eq(const struct rt_addr *a, const struct rt_addr *b); /* port included */

#endif
