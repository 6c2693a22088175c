/*
 * Frames: a 4-byte big-endian length and one Xfed__Frame (proto/channel.md section 2).
 *
 * Reading checks limits before it uses memory: first the length against XFED_FRAME_BYTES_MAX; then a scan of the bytes along the message
 * descriptor (nesting, number of fields and list elements, unknown fields, UTF-8); then it is unpacked from an arena that never takes more
 * than XFED_FRAME_ARENA_BYTES; then the limits of each message are checked (proto/check.h).
 */
#ifndef PROTO_FRAME_H
#define PROTO_FRAME_H

#include "xfed/arena.h"
#include "xfed/buf.h"
#include "xfed/limits.h"

#include "proto/channel.pb-c.h"

#define PROTO_FRAME_HEADER	4
#define PROTO_FRAME_FIELDS_MAX	8192 /* fields and list elements of one frame, at all levels together */
#define PROTO_FRAME_UNKNOWN_MAX 64   /* unknown fields (of a newer version) in one frame */
#define PROTO_FRAME_DEPTH_MAX	6

/* Reads frames of one channel. Every buffer it holds is bounded. */
struct proto_frame_reader {
	struct xfed_buf in;	 /* at most one frame of the largest size with its header */
	struct xfed_arena arena; /* memory of the message returned last */
	size_t frame_bytes;	 /* size of the message returned last, with header */
	const char *problem;	 /* after PROTO_FRAME_BAD: what is wrong, a sentence for the log */
};

enum proto_frame_result {
	PROTO_FRAME_MESSAGE, /* *out is a complete message */
	PROTO_FRAME_UNKNOWN, /* a whole frame whose body this version does not know: skip it */
	PROTO_FRAME_MORE,    /* the next frame is incomplete */
	PROTO_FRAME_BAD,     /* it breaks the protocol: close the channel (see reader->problem) */
	PROTO_FRAME_NOMEM,   /* no memory; nothing consumed */
};

void proto_frame_reader_init(struct proto_frame_reader *r);
void proto_frame_reader_deinit(struct proto_frame_reader *r); /* zeroed memory is fine */

/* Takes as much of `bytes` as there is room for, and returns how much; also 0 when out of memory (*nomem is true). */
size_t proto_frame_feed(struct proto_frame_reader *r, struct xfed_span bytes, bool *nomem);

/* The next message; valid until the next call with this reader. After BAD the reader must not be used any more. */
enum proto_frame_result proto_frame_next(struct proto_frame_reader *r, const Xfed__Frame **out);

/* The size of `f` as a frame with its header, which is what credit counts for a Deliver. */
size_t proto_frame_size(const Xfed__Frame *f);

/*
 * The same with a check: OK, or TOO_LARGE (above XFED_FRAME_BYTES_MAX). Together with proto_check() it tells whether `f` can ever be sent:
 * an outbox checks both before it takes a delivery, a session before it sends.
 */
int proto_frame_measure(const Xfed__Frame *f, size_t *bytes);

/*
 * Appends `f` to `out` as a frame, without other memory. OK; LIMIT: the frame is above XFED_FRAME_BYTES_MAX or does not fit below
 * out->cap_bytes; NOMEM. Unless OK nothing is written.
 */
int proto_frame_write(struct xfed_buf *out, const Xfed__Frame *f);
/* The same if the size is known. */
int proto_frame_write_sized(struct xfed_buf *out, const Xfed__Frame *f, size_t bytes);

#endif
