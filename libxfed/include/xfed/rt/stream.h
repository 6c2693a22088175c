/*
 * One TCP connection. Reads come in as they arrive, at most RT_READ_BYTES a call; output is appended to a bounded
 * buffer and written once at the end of the loop's turn.
 *
 * Every callback runs from the loop, never inside a call of the owner. In a callback the owner may do anything,
 * rt_stream_close() included; after rt_stream_close() none comes and the pointer is dead.
 */
#ifndef XFED_RT_STREAM_H
#define XFED_RT_STREAM_H

#include "xfed/buf.h"
#include "xfed/reason.h"
#include "xfed/rt/addr.h"
#include "xfed/rt/loop.h"

struct rt_source_hold;
struct rt_stream;

struct rt_stream_handlers {
	/*
	 * Of rt_stream_connect() only: NONE, and reading begins; net.connect.refused or net.connect.timeout, and the
	 * owner closes the stream. rt_stream_error_text() says more.
	 */
	void (*on_connect)(void *user, enum xfed_reason reason);
	/*
	 * Returns how much was consumed. What is left is kept (never more than one read) and reading stops until
	 * rt_stream_resume(), which offers it again first.
	 */
	size_t (*on_bytes)(void *user, struct xfed_span in);
	void (*on_eof)(void *user); /* the peer sends no more, and everything was offered; writing goes on. May be NULL */
	/*
	 * The connection is dead and output is gone; the owner closes the stream. net.stream.lost, or net.stream.silent: the peer's kernel
	 * has acknowledged nothing for 30 s while bytes were under way. One that acknowledges but takes no more lives. May be NULL.
	 */
	void (*on_error)(void *user, enum xfed_reason reason);
	/* Output had been above the low-water mark and is at or below it again. May be NULL. */
	void (*on_drained)(void *user);
};

/*
 * Starts connecting, from `source` (its port too; NULL: any). `handlers` live as long as the stream. `out_bytes` caps
 * the output, what the kernel has not taken included. Always answers through on_connect when OK. OK, NOMEM, LIBRARY
 * (no socket, or `source` is not ours).
 */
int rt_stream_connect(struct rt_loop *l, const struct rt_addr *to, const struct rt_addr *source, uint64_t timeout_ms,
	const struct rt_stream_handlers *handlers, void *user, size_t out_bytes, struct rt_stream **out);

/* Begins reading a stream a listener gave. `handlers` live as long as the stream. */
void rt_stream_start(struct rt_stream *s, const struct rt_stream_handlers *handlers, void *user, size_t out_bytes);

/* The buffer to append to; its address stays. LIMIT of xfed_buf_append() means the peer does not read. */
struct xfed_buf *rt_stream_out(struct rt_stream *s);
void rt_stream_kick(struct rt_stream *s);			 /* something was appended: write at the end of the turn */
size_t rt_stream_out_len(const struct rt_stream *s);		 /* bytes the kernel has not taken */
void rt_stream_set_low_water(struct rt_stream *s, size_t bytes); /* default: a quarter of the cap */

void rt_stream_pause(struct rt_stream *s);  /* no on_bytes until resume */
void rt_stream_resume(struct rt_stream *s); /* posted: leftovers first, then the socket */
bool rt_stream_is_paused(const struct rt_stream *s);

/* When the output is gone, tells the peer that no more comes (FIN); append nothing behind it. Reading goes on. */
void rt_stream_shutdown_after_flush(struct rt_stream *s);
/* At once: unsent output is lost, and unread input makes the kernel send a reset. NULL is fine. */
void rt_stream_close(struct rt_stream *s);
/*
 * Lets go of the stream: no callback comes any more and the pointer is dead, while rt writes the rest, sends FIN,
 * discards what comes and closes at the peer's FIN, at the latest after `timeout_ms`. So nothing sent is lost to a reset.
 */
void rt_stream_linger(struct rt_stream *s, uint64_t timeout_ms);

void rt_stream_keepalive(struct rt_stream *s, unsigned delay_s); /* TCP keep-alive; 0: off. Nagle is always off */

const struct rt_addr *rt_stream_peer(const struct rt_stream *s);
/*
 * The place it holds among those who have proved nothing; none to begin with. It goes back when the socket has been closed, lingering
 * included, so its table outlives the loop; or before, by rt_sources_give_back().
 */
struct rt_source_hold *rt_stream_place(struct rt_stream *s);
const struct rt_addr *rt_stream_local(const struct rt_stream *s); /* AF_UNSPEC until connected */
/* "connection refused", "no answer within 10 s": of the last failure, "" before. */
const char *rt_stream_error_text(const struct rt_stream *s);
uint64_t rt_stream_bytes_in(const struct rt_stream *s);
uint64_t rt_stream_bytes_out(const struct rt_stream *s);
/* Of the bytes out, what the peer's kernel has acknowledged; right after on_error too, until the stream is closed. */
uint64_t rt_stream_bytes_acked(const struct rt_stream *s);

#endif
