/*
 * Links in a process with a loop: each is one session (proto/session.h) over one stream (xfed/rt/stream.h). Bytes, handshake jobs, timers,
 * output and closing are handled here; deliveries go to the engine (proto/exchange.h), all other messages to the owner. Both daemons use
 * it: the gateway connects, the edge accepts.
 *
 *   owner    made the link, and is told its end: after down() the link does not exist any more
 */
#ifndef PROTO_RT_LINK_H
#define PROTO_RT_LINK_H

#include "proto/exchange.h"
#include "xfed/rt/daemon.h"
#include "xfed/rt/source.h"
#include "xfed/rt/stream.h"

struct proto_links; /* all links of a process */
struct proto_link;

struct proto_link_user {
	/* Fills in the session's configuration, but for the environment, the boot nonce and the lowest unsettled number. */
	void (*configure)(void *owner, struct proto_session_config *cfg);
	/* The peer has authenticated. NULL: it may be a link; else why not (channel.peer.untrusted). */
	const char *(*judge)(void *owner, const struct proto_peer *peer);
	void (*up)(void *owner);
	void (*message)(void *owner, const Xfed__Frame *f); /* of a link that is up; only messages that are not about deliveries */
	/* The last call; always comes, unless proto_links_free() is called. Not called within proto_link_dial() or _accept(). */
	void (*down)(void *owner, bool was_up, enum xfed_reason reason, const char *text);
};

/* OK, NOMEM. All arguments outlive it. Call proto_links_pump() and proto_links_flush() at the end of each turn. */
int proto_links_new(struct rt_daemon *d, struct proto_exchange *x, const struct proto_link_user *user, struct proto_links **out);
/* Ends all links at once, without telling the peers; to be called before rt_daemon_close(), during which jobs of links return. NULL is fine. */
void proto_links_free(struct proto_links *ls);
/* NULL is fine for both, while the process ends. */
void proto_links_pump(struct proto_links *ls);	/* sends what the engine has; frames of the owners follow */
void proto_links_flush(struct proto_links *ls); /* encrypts and writes */

/* Connects; then like an accepted link. OK, NOMEM, LIBRARY. */
int proto_link_dial(struct proto_links *ls, const struct rt_addr *to, void *owner, struct proto_link **out);
/* Takes over the stream, also where it fails. OK, NOMEM, LIBRARY. */
int proto_link_accept(struct proto_links *ls, struct rt_stream *s, void *owner, struct proto_link **out);
void proto_link_close(struct proto_link *l, enum xfed_reason reason, const char *text); /* down() follows, during the call or later */

/* Returns what proto_session_send() does. */
int proto_link_send(struct proto_link *l, const Xfed__Frame *f);
struct proto_session *proto_link_session(const struct proto_link *l);	     /* NULL before TCP is connected */
struct proto_exchange_link *proto_link_exchange(const struct proto_link *l); /* NULL unless it is up */
const struct rt_addr *proto_link_from(const struct proto_link *l);
struct rt_source_hold *proto_link_place(struct proto_link *l); /* that of rt_stream_place() */
bool proto_link_is_busy(const struct proto_link *l);	       /* a job of it is running */
/*
 * Judges the peer's certificate again, when trust or `allow` has changed, and closes the link if it is not valid any more. Returns when to
 * call this again, INT64_MAX: never.
 */
int64_t proto_link_judge_again(struct proto_link *l, struct xfed_tls_creds *creds, const char *const *allow, size_t allow_count);

#endif
