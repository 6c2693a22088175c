/*
 * Cuts a TCP or TLS byte stream into SIP messages (RFC 3261 section 18.3; keep-alive of RFC 5626
 * section 4.4.1). One framer per connection; it holds what is incomplete, never more than
 * XFED_SIP_MESSAGE_BYTES.
 *
 * Use: feed, then next until SIP_FRAME_MORE. A frame's span lives until the next call.
 */
#ifndef GATEWAY_SIP_FRAMER_H
#define GATEWAY_SIP_FRAMER_H

#include "xfed/buf.h"

enum sip_frame_kind {
	SIP_FRAME_MORE, /* nothing complete: read on */
	/*
	 * `bytes` is one whole message: SIP_LAYER_RECV. Of one that is too large, up to
	 * XFED_SIP_SKIP_BYTES, it is the header block: the layer refuses it for its Content-Length. A
	 * connection of a proxy carries the requests of all its users, so the body is read past.
	 */
	SIP_FRAME_MESSAGE,
	SIP_FRAME_PING,	 /* double CRLF between messages: write one CRLF back ([C3-09]) */
	SIP_FRAME_PONG,	 /* the CRLF that was awaited: see sip_framer_await_pong() */
	SIP_FRAME_ERROR, /* the stream is lost: see below; every later call says so again */
};

struct sip_frame {
	enum sip_frame_kind kind;
	/*
	 * MESSAGE: the message. ERROR: the header block where it is there whole, else empty. Where
	 * it is not empty give it to the layer as SIP_LAYER_RECV: parsing fails for the same cause,
	 * a request is answered if it can be, and the layer asks for SIP_ACT_CLOSE_FLOW. Close the
	 * connection in either case.
	 */
	struct xfed_span bytes;
	const char *note; /* ERROR: a literal for the log */
};

struct sip_framer {
	struct xfed_buf in;
	size_t scanned;	   /* bytes known not to hold the end of the header block */
	size_t message;	   /* length of the message at the front once known, else 0 */
	size_t give_back;  /* consumed at the next call */
	size_t skip;	   /* behind that: of a body nobody wants */
	const char *error; /* set: lost */
	bool half_ping;	   /* one CRLF seen between messages */
	bool awaits_pong;
};

void sip_framer_init(struct sip_framer *f);
void sip_framer_deinit(struct sip_framer *f);

/*
 * Appends bytes read from the connection. Takes at most what fits and reports it in `*taken`; the
 * caller drains sip_framer_next() and feeds the rest. OK or NOMEM (nothing taken).
 */
int sip_framer_feed(struct sip_framer *f, struct xfed_span bytes, size_t *taken);
struct sip_frame sip_framer_next(struct sip_framer *f);

/* A ping has been written: the next CRLF between messages is its pong, and no half of a ping of the peer's. */
void sip_framer_await_pong(struct sip_framer *f);

/* True where a message has begun and is not complete: an idle limit for slow senders may look at
 * it. */
bool sip_framer_is_partial(const struct sip_framer *f);

#endif
