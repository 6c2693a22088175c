/*
 * Frames: a 4-byte big-endian length and one Xfed__Frame (proto/channel.md section 2).
 *
 * Reading checks limits before memory: the length against XFED_FRAME_BYTES_MAX, then a scan of the bytes along the
 * message descriptor (nesting, number of fields and list elements, unknown fields, UTF-8), then the unpacking out of an
 * arena that never takes more than XFED_FRAME_ARENA_BYTES, then the limits of each message (proto/check.h).
 */
#ifndef PROTO_FRAME_H
#define PROTO_FRAME_H

#include "xfed/arena.h"
#include "xfed/buf.h"
#include "xfed/limits.h"

#include "proto/channel.pb-c.h"

#define PROTO_FRAME_HEADER	4
#define PROTO_FRAME_FIELDS_MAX	8192 /* fields and list elements of one frame, all levels together */
#define PROTO_FRAME_UNKNOWN_MAX 64   /* fields of a newer version in one frame */
#define PROTO_FRAME_DEPTH_MAX	6

/* Reads frames of one channel. Every buffer it holds is bounded. */
struct proto_frame_reader {
	struct xfed_buf in;	 /* at most one frame of the largest size, and its header */
	struct xfed_arena arena; /* the message given out last */
	size_t frame_bytes;	 /* of the message given out last, header included */
	const char *problem;	 /* after PROTO_FRAME_BAD: what is wrong, a sentence for the log */
};

enum proto_frame_result {
	PROTO_FRAME_MESSAGE, /* *out is a message */
	PROTO_FRAME_UNKNOWN, /* a whole frame whose body this version does not know: skip it */
	PROTO_FRAME_MORE,    /* the next frame is not complete */
	PROTO_FRAME_BAD,     /* breaks the protocol: close the channel (reader->problem) */
	PROTO_FRAME_NOMEM,   /* nothing consumed */
};

void proto_frame_reader_init(struct proto_frame_reader *r);
void proto_frame_reader_deinit(struct proto_frame_reader *r); /* zeroed is fine */

/* Takes as much of `bytes` as there is room for and returns how much; 0 as well when out of memory (*nomem true). */
size_t proto_frame_feed(struct proto_frame_reader *r, struct xfed_span bytes, bool *nomem);

/* The next message; it lives until the next call with the same reader. After BAD the reader is dead. */
enum proto_frame_result proto_frame_next(struct proto_frame_reader *r, const Xfed__Frame **out);

/* Bytes of `f` as a frame, header included: what credit counts for a Deliver. */
size_t proto_frame_size(const Xfed__Frame *f);

/*
 * The same, judged: OK, or TOO_LARGE (over XFED_FRAME_BYTES_MAX). With proto_check() it says whether `f` can ever be sent: who
 * queues a message asks both when taking it, the session when it is sent.
 */
int proto_frame_measure(const Xfed__Frame *f, size_t *bytes);

/*
 * Packs `f` behind what `out` holds, without memory of its own. OK; LIMIT where the frame is over
 * XFED_FRAME_BYTES_MAX or does not fit under out->cap_bytes; NOMEM. Nothing is written unless OK.
 */
int proto_frame_write(struct xfed_buf *out, const Xfed__Frame *f);
/* The same for one whose size is known. */
int proto_frame_write_sized(struct xfed_buf *out, const Xfed__Frame *f, size_t bytes);

#endif
