/*
 * One TCP connection. Input is passed on as it arrives, at most RT_READ_BYTES per call; output is appended to a limited buffer and written
 * once at the end of the turn.
 *
 * Callbacks run from the loop, never inside a call of the owner. In a callback the owner may do anything, also rt_stream_close(); after
 * that no callback comes and the pointer is invalid.
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
	 * For rt_stream_connect() only. NONE: connected, and reading begins; net.connect.refused or net.connect.timeout: the owner closes the
	 * stream. rt_stream_error_text() says more.
	 */
	void (*on_connect)(void *user, enum xfed_reason reason);
	/*
	 * Returns how much was consumed. The rest is kept (at most one read), and reading stops until rt_stream_resume(), which passes it again
	 * first.
	 */
	size_t (*on_bytes)(void *user, struct xfed_span in);
	void (*on_eof)(void *user); /* the peer sends no more, and all was passed on; writing is still possible. May be NULL */
	/*
	 * The connection is broken and the output lost; the owner closes the stream. net.stream.lost, or net.stream.silent: the peer's kernel has
	 * acknowledged nothing for 30 s although bytes were in flight. (A peer that acknowledges and does not read is not silent.) May be NULL.
	 */
	void (*on_error)(void *user, enum xfed_reason reason);
	/* The output was above the low-water mark, and is not any more. May be NULL. */
	void (*on_drained)(void *user);
};

/*
 * Starts connecting, from `source` (with its port; NULL: any). `handlers` have to live as long as the stream. `out_bytes` limits the
 * output, with what the kernel has not taken. After OK on_connect always follows. OK, NOMEM, LIBRARY (no socket, or `source` is not an
 * address of this host).
 */
int rt_stream_connect(struct rt_loop *l, const struct rt_addr *to, const struct rt_addr *source, uint64_t timeout_ms,
	const struct rt_stream_handlers *handlers, void *user, size_t out_bytes, struct rt_stream **out);

/* Starts reading a stream from a listener. `handlers` have to live as long as the stream. */
void rt_stream_start(struct rt_stream *s, const struct rt_stream_handlers *handlers, void *user, size_t out_bytes);

/* The buffer to append to; its address does not change. LIMIT from xfed_buf_append() means that the peer does not read. */
struct xfed_buf *rt_stream_out(struct rt_stream *s);
void rt_stream_kick(struct rt_stream *s);			 /* something was appended: write at the end of the turn */
size_t rt_stream_out_len(const struct rt_stream *s);		 /* bytes the kernel has not taken */
void rt_stream_set_low_water(struct rt_stream *s, size_t bytes); /* default: a quarter of the limit */

void rt_stream_pause(struct rt_stream *s);  /* no on_bytes until resume */
void rt_stream_resume(struct rt_stream *s); /* as a post: first what was kept, then the socket */
bool rt_stream_is_paused(const struct rt_stream *s);

/* When the output is written, tells the peer that no more comes (FIN); nothing may be appended after this call. Reading goes on. */
void rt_stream_shutdown_after_flush(struct rt_stream *s);
/* At once: output is lost, and unread input makes the kernel send a reset. NULL is fine. */
void rt_stream_close(struct rt_stream *s);
/*
 * Gives the stream up: no callback comes any more and the pointer is invalid. rt writes the rest, sends FIN, discards input, and closes at
 * the peer's FIN, at the latest after `timeout_ms`, so that nothing sent is lost by a reset.
 */
void rt_stream_linger(struct rt_stream *s, uint64_t timeout_ms);

void rt_stream_keepalive(struct rt_stream *s, unsigned delay_s); /* TCP keep-alive; 0: off. Nagle's algorithm is always off */

const struct rt_addr *rt_stream_peer(const struct rt_stream *s);
/*
 * Its place among the peers that have not authenticated; at first none. It is given back when the socket has been closed, after lingering,
 * so its table has to outlive the loop; or earlier by rt_sources_give_back().
 */
struct rt_source_hold *rt_stream_place(struct rt_stream *s);
const struct rt_addr *rt_stream_local(const struct rt_stream *s); /* AF_UNSPEC until connected */
/* "connection refused", "no answer within 10 s": of the last failure, "" before. */
const char *rt_stream_error_text(const struct rt_stream *s);
uint64_t rt_stream_bytes_in(const struct rt_stream *s);
uint64_t rt_stream_bytes_out(const struct rt_stream *s);
/* How many of the bytes written the peer's kernel has acknowledged; valid after on_error too, until the stream is closed. */
uint64_t rt_stream_bytes_acked(const struct rt_stream *s);

#endif
