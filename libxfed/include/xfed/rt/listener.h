/*
 * A listening TCP socket with SO_REUSEADDR and SO_REUSEPORT (several instances may share a port; IPv6 sockets are IPv6 only). Before it
 * closes, connections in the kernel's queue are handed over, so that nobody who connected in time is reset.
 */
#ifndef XFED_RT_LISTENER_H
#define XFED_RT_LISTENER_H

#include "xfed/rt/addr.h"
#include "xfed/rt/stream.h"

struct rt_listener;

/* The message for an operator about an address that cannot be listened on: its key, and the error. At most 256 bytes if the error has 160. */
#define RT_LISTEN_FAILED "%s: %.130s: set it to a free address of this host (ip address: which it has; ss -lntup: who listens)"

/* The callee owns `s`: it calls rt_stream_start() or rt_stream_close(), at once or later. */
typedef void (*rt_accept_fn)(void *user, struct rt_listener *l, struct rt_stream *s);

/*
 * Port 0: the kernel chooses, see rt_listener_addr(). is_exclusive leaves out SO_REUSEPORT, so that a port another
 * process of ours holds is an error rather than shared. OK; LIBRARY with one sentence in `error`
 * ("cannot listen on 0.0.0.0:5269: address already in use"); NOMEM.
 */
int rt_listener_new(struct rt_loop *loop, const struct rt_addr *address, bool is_exclusive, rt_accept_fn on_accept, void *user,
	struct rt_listener **out, char *error, size_t error_size);
const struct rt_addr *rt_listener_addr(const struct rt_listener *l); /* as bound */
/* Hands over what the kernel has queued (on_accept runs inside this call), then closes. NULL is fine. */
void rt_listener_close(struct rt_listener *l);

#endif
