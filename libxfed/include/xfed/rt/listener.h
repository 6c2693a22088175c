/*
 * A listening TCP socket with SO_REUSEADDR and SO_REUSEPORT (several instances share a port; IPv6 sockets take IPv6
 * only). What the kernel has queued is handed over before it closes, so nobody who connected in time is reset.
 */
#ifndef XFED_RT_LISTENER_H
#define XFED_RT_LISTENER_H

#include "xfed/rt/addr.h"
#include "xfed/rt/stream.h"

struct rt_listener;

/* What an operator reads of an address that cannot be listened on: the key that has it, and what was said. At most 256 bytes of 160. */
#define RT_LISTEN_FAILED "%s: %.130s: set it to a free address of this host (ip address: which it has; ss -lntup: who listens)"

/* `s` is the owner's from now on: rt_stream_start() or rt_stream_close() it, at once or later. */
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
