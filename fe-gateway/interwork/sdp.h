/*
 * Session descriptions of IM sessions in the dialect of Lync and its predecessors: SDP (RFC 4566), with a media line of its own kind,
 * "m=message PORT sip null" ("m=x-ms-message" before 2007), and types separated by blanks in "a=accept-types". What RFC 4975 makes of the
 * name "message" ("TCP/MSRP") is other media here. Bodies may be hostile: limits apply before they are read.
 */
#ifndef GATEWAY_INTERWORK_SDP_H
#define GATEWAY_INTERWORK_SDP_H

#include "xfed/base.h"
#include "xfed/buf.h"

#define IW_SDP_TYPE "application/sdp"

#define IW_SDP_BYTES	 (16 * 1024)
#define IW_SDP_MEDIA_MAX 16 /* media lines of one description */

enum iw_sdp_name {
	IW_SDP_MESSAGE,	     /* "message": Office Communications Server 2007 and later */
	IW_SDP_X_MS_MESSAGE, /* "x-ms-message": Live Communications Server 2005 */
};

/* X(id, media type), in the order in which they are written. */
#define IW_SDP_ACCEPTS(X)                                                                                                                            \
	X(TEXT, "text/plain")                                                                                                                        \
	X(MULTIPART, "multipart/alternative")                                                                                                        \
	X(HTML, "text/html")                                                                                                                         \
	X(RTF, "text/rtf")                                                                                                                           \
	X(GIF, "image/gif")                                                                                                                          \
	X(TYPING, "application/im-iscomposing+xml")                                                                                                  \
	X(IMDN, "application/ms-imdn+xml")                                                                                                           \
	X(FILE, "text/x-msmsgsinvite")

enum iw_sdp_accept {
#define IW_SDP_ACCEPT_ID(id, type) IW_SDP_ACCEPT_##id,
	IW_SDP_ACCEPTS(IW_SDP_ACCEPT_ID)
#undef IW_SDP_ACCEPT_ID
		IW_SDP_ACCEPT_COUNT
};

typedef uint32_t iw_sdp_accept_set; /* 1 << enum iw_sdp_accept */

/* What we read: offered and answered. */
#define IW_SDP_ACCEPT_OURS                                                                                                                           \
	(1u << IW_SDP_ACCEPT_TEXT | 1u << IW_SDP_ACCEPT_MULTIPART | 1u << IW_SDP_ACCEPT_HTML | 1u << IW_SDP_ACCEPT_TYPING | 1u << IW_SDP_ACCEPT_IMDN)

/* Spans are of the body that was read. */
struct iw_sdp {
	bool has_im;		  /* there is a media line for IM whose port is not 0 (RFC 3264: 0 refuses); of several the first one counts */
	enum iw_sdp_name name;	  /* of that line */
	iw_sdp_accept_set accept; /* what the other side takes there, of what we know; without accept-types: text/plain */
	struct xfed_span other;	  /* name of the first other media that is not refused ("audio"), a token; data NULL: none */
	size_t count;		  /* of media lines */
	size_t im;		  /* index of the IM line, if has_im */
	struct xfed_span media[IW_SDP_MEDIA_MAX]; /* each media line without "m=" */
};

/* XFED_OK; XFED_ERR_INVALID: it is no SDP; XFED_ERR_LIMIT: too many bytes or media lines. Unless OK `*out` is zeroed. */
int iw_sdp_read(struct xfed_span body, struct iw_sdp *out);

/*
 * Appends a description: `address` is an IPv4 or IPv6 address without brackets, `port` where we listen for SIP. With `offer` it is the
 * answer to that, whose has_im is true: the line for IM has its name, and other media is refused with port 0 (RFC 3264 section 6). `offer`
 * NULL: a description with one line called `name`. XFED_OK; XFED_ERR_LIMIT, XFED_ERR_NOMEM: the buffer is unchanged.
 */
int iw_sdp_write(
	struct xfed_buf *out, const struct iw_sdp *offer, enum iw_sdp_name name, struct xfed_span address, uint16_t port, iw_sdp_accept_set accept);

const char *iw_sdp_name_word(enum iw_sdp_name name);

#endif
