/*
 * Datagrams: a bound socket (SIP), or one connected to a single peer from a random port (DNS). Sending is tried at once and nothing is
 * queued: what the kernel does not take is lost, as datagrams may be, and the caller retransmits it.
 */
#ifndef XFED_RT_UDP_H
#define XFED_RT_UDP_H

#include "xfed/rt/addr.h"
#include "xfed/rt/loop.h"

struct rt_udp;

struct rt_udp_handlers {
	/* `in` is complete; truncated datagrams are dropped. */
	void (*on_datagram)(void *user, struct xfed_span in, const struct rt_addr *from);
	/* Nothing can be received now, or for a connected socket: the peer's host refuses (ICMP). The socket stays open. May be NULL. */
	void (*on_error)(void *user, int uv_error);
	/*
	 * Bound sockets: a datagram did not arrive, according to ICMP (destination unreachable), which anybody can forge. `quoted`: its beginning,
	 * up to 520 bytes for IPv4 and 914 for IPv6 on Linux, perhaps empty; `to`: its destination. May be NULL.
	 */
	void (*on_returned)(void *user, struct xfed_span quoted, const struct rt_addr *to, int uv_error);
};

/* OK; LIBRARY with one sentence in `error` ("cannot listen on udp 127.0.0.1:5060: address already in use"); NOMEM. */
int rt_udp_bind(struct rt_loop *loop, const struct rt_addr *address, const struct rt_udp_handlers *handlers, void *user, struct rt_udp **out,
	char *error, size_t error_size);
/* A new socket on a random port that receives from `to` only. OK, LIBRARY, NOMEM. */
int rt_udp_connect(struct rt_loop *loop, const struct rt_addr *to, const struct rt_udp_handlers *handlers, void *user, struct rt_udp **out);

/*
 * Sends one datagram made of `count` (at most 8) parts; `to` is NULL for a connected socket. OK; AGAIN (the kernel's buffer is full); LIMIT
 * (too large for a datagram); LIBRARY (no route, refused: see rt_udp_error_text()).
 */
int rt_udp_send(struct rt_udp *u, const struct rt_addr *to, const struct xfed_span *parts, size_t count);
const struct rt_addr *rt_udp_addr(const struct rt_udp *u); /* as bound */
const char *rt_udp_error_text(const struct rt_udp *u);
void rt_udp_close(struct rt_udp *u); /* NULL is fine; no callback afterwards */

#endif
