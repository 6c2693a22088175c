/*
 * Links in a process with a loop: each is one session (proto/session.h) over one stream (xfed/rt/stream.h). Bytes, jobs of the
 * TLS handshake, timers, output and the orderly end are done here; deliveries go to the engine (proto/exchange.h), all other
 * messages to the owner. Both daemons use it: one dials, one accepts.
 *
 *   owner    who made the link, and hears of its end: after down() the link is gone
 */
#ifndef PROTO_RT_LINK_H
#define PROTO_RT_LINK_H

#include "proto/exchange.h"
#include "xfed/rt/daemon.h"
#include "xfed/rt/source.h"
#include "xfed/rt/stream.h"

struct proto_links; /* all of a process */
struct proto_link;

struct proto_link_user {
	/* Fills in what its session needs, but for the environment, the boot nonce and the mark of what is unsettled. */
	void (*configure)(void *owner, struct proto_session_config *cfg);
	/* The peer has proved itself. NULL: it may be a link; else why not (channel.peer.untrusted). */
	const char *(*judge)(void *owner, const struct proto_peer *peer);
	void (*up)(void *owner);
	void (*message)(void *owner, const Xfed__Frame *f); /* of a link that is up; not about deliveries */
	/* The last call; always comes, but for proto_links_free(). Not inside proto_link_dial() or _accept(). */
	void (*down)(void *owner, bool was_up, enum xfed_reason reason, const char *text);
};

/* OK, NOMEM. All outlive it. Call proto_links_pump() and proto_links_flush() at the end of each turn. */
int proto_links_new(struct rt_daemon *d, struct proto_exchange *x, const struct proto_link_user *user, struct proto_links **out);
/* At once, telling the peer nothing; before rt_daemon_close(), in which the jobs of links come back. NULL is fine. */
void proto_links_free(struct proto_links *ls);
/* NULL is fine to both: the process ends. */
void proto_links_pump(struct proto_links *ls);	/* the engine's; then come those of the owners */
void proto_links_flush(struct proto_links *ls); /* encrypts, writes */

/* Connects, then as an accepted one. OK, NOMEM, LIBRARY. */
int proto_link_dial(struct proto_links *ls, const struct rt_addr *to, void *owner, struct proto_link **out);
/* Takes the stream, also where it fails. OK, NOMEM, LIBRARY. */
int proto_link_accept(struct proto_links *ls, struct rt_stream *s, void *owner, struct proto_link **out);
void proto_link_close(struct proto_link *l, enum xfed_reason reason, const char *text); /* down() comes, now or soon */

/* What proto_session_send() says. */
int proto_link_send(struct proto_link *l, const Xfed__Frame *f);
struct proto_session *proto_link_session(const struct proto_link *l);	     /* NULL before it is connected */
struct proto_exchange_link *proto_link_exchange(const struct proto_link *l); /* NULL unless it is up */
const struct rt_addr *proto_link_from(const struct proto_link *l);
struct rt_source_hold *proto_link_place(struct proto_link *l); /* of rt_stream_place() */
bool proto_link_is_busy(const struct proto_link *l);	       /* a job of it runs */
/*
 * Judges its peer's certificate once more, when what trusts it, or `allow`, has changed; it is closed where it does not hold any
 * more. Gives when to ask again, INT64_MAX: never.
 */
int64_t proto_link_judge_again(struct proto_link *l, struct xfed_tls_creds *creds, const char *const *allow, size_t allow_count);

#endif
