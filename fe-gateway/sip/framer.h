/*
 * Cuts a TCP or TLS byte stream into SIP messages (RFC 3261 section 18.3; keep-alive of RFC 5626 section 4.4.1). One framer per connection;
 * it keeps what is incomplete, never more than XFED_SIP_MESSAGE_BYTES.
 *
 * Use: feed, then next until SIP_FRAME_MORE. The span of a frame is valid until the next call.
 */
#ifndef GATEWAY_SIP_FRAMER_H
#define GATEWAY_SIP_FRAMER_H

#include "xfed/buf.h"

enum sip_frame_kind {
	SIP_FRAME_MORE, /* nothing complete */
	/*
	 * `bytes` is one whole message, for SIP_LAYER_RECV. If a message is too large, up to XFED_SIP_SKIP_BYTES, it is the header block, which the
	 * layer refuses for its Content-Length, and the body is skipped: the connection of a proxy carries requests of all its users, and stays
	 * open.
	 */
	SIP_FRAME_MESSAGE,
	SIP_FRAME_PING,	 /* double CRLF between messages: write one CRLF back ([C3-09]) */
	SIP_FRAME_PONG,	 /* the CRLF that was awaited: see sip_framer_await_pong() */
	SIP_FRAME_ERROR, /* the stream cannot be read any further; every later call returns this too */
};

struct sip_frame {
	enum sip_frame_kind kind;
	/*
	 * MESSAGE: the message. ERROR: the header block if it is complete, else empty. If it is not empty, give it to the layer as SIP_LAYER_RECV:
	 * parsing fails for the same reason, a request is answered if possible, and the layer asks for SIP_ACT_CLOSE_FLOW. Close the connection in
	 * either case.
	 */
	struct xfed_span bytes;
	const char *note; /* ERROR: text for the log, a literal */
};

struct sip_framer {
	struct xfed_buf in;
	size_t scanned;	   /* so many bytes do not contain the end of the header block */
	size_t message;	   /* length of the message at the front; 0: not known yet */
	size_t give_back;  /* bytes to be removed at the next call */
	size_t skip;	   /* after these: rest of a body that is skipped */
	const char *error; /* set: the stream is lost */
	bool half_ping;	   /* one CRLF has come between messages */
	bool awaits_pong;
};

void sip_framer_init(struct sip_framer *f);
void sip_framer_deinit(struct sip_framer *f);

/*
 * Adds bytes that were read. Takes what fits, as `*taken` says; the caller drains sip_framer_next() and feeds the rest. OK or NOMEM
 * (nothing was taken).
 */
int sip_framer_feed(struct sip_framer *f, struct xfed_span bytes, size_t *taken);
struct sip_frame sip_framer_next(struct sip_framer *f);

/* To be called when a ping has been written: the next CRLF between messages is its pong, and not half of a ping. */
void sip_framer_await_pong(struct sip_framer *f);

/* True: a message has begun and is not complete, so that a limit for slow senders applies. */
bool sip_framer_is_partial(const struct sip_framer *f);

#endif
