/*
 * The reader of frames (proto/frame.h). The first byte chooses how the rest is cut into chunks.
 *
 * Properties: unpacking never takes more than the cap, the input buffer never more than one frame; what is accepted is a
 * message within the limits that packs again and reads as the same; cutting changes nothing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond) ((cond) ? (void)0 : abort())

struct seen {
	size_t messages, unknown, bytes;
	const char *problem;
};

static void check_message(const Xfed__Frame *f, struct seen *seen)
{
	struct xfed_buf out;
	struct proto_frame_reader r;
	const Xfed__Frame *again;
	bool nomem;
	MUST(!proto_check(f));
	xfed_buf_init(&out, PROTO_FRAME_HEADER + XFED_FRAME_BYTES_MAX);
	size_t bytes = proto_frame_size(f);
	seen->bytes = seen->bytes * 31 + bytes;
	/* Unpacked lists are packed again, so it only gets shorter; what it did not know is kept. */
	if (bytes <= PROTO_FRAME_HEADER + XFED_FRAME_BYTES_MAX) {
		MUST(proto_frame_write(&out, f) == XFED_OK && xfed_buf_len(&out) == bytes);
		proto_frame_reader_init(&r);
		MUST(proto_frame_feed(&r, xfed_buf_span(&out), &nomem) == bytes);
		MUST(proto_frame_next(&r, &again) == PROTO_FRAME_MESSAGE);
		MUST(again->body_case == f->body_case && proto_frame_size(again) == bytes);
		proto_frame_reader_deinit(&r);
	}
	xfed_buf_deinit(&out);
}

static struct seen read_all(const uint8_t *data, size_t size, size_t chunk)
{
	struct seen seen = { 0 };
	struct proto_frame_reader r;
	proto_frame_reader_init(&r);
	while (size > 0 && !seen.problem) {
		const Xfed__Frame *f;
		enum proto_frame_result result;
		bool nomem;
		size_t taken = proto_frame_feed(&r, xfed_span_make(data, size < chunk ? size : chunk), &nomem);
		data += taken;
		size -= taken;
		while ((result = proto_frame_next(&r, &f)) == PROTO_FRAME_MESSAGE || result == PROTO_FRAME_UNKNOWN) {
			seen.messages += result == PROTO_FRAME_MESSAGE;
			seen.unknown += result == PROTO_FRAME_UNKNOWN;
			if (f) {
				check_message(f, &seen);
			}
			MUST(r.arena.taken_bytes <= XFED_FRAME_ARENA_BYTES);
		}
		MUST(xfed_buf_len(&r.in) <= PROTO_FRAME_HEADER + XFED_FRAME_BYTES_MAX);
		MUST(r.arena.taken_bytes <= XFED_FRAME_ARENA_BYTES);
		MUST((result == PROTO_FRAME_BAD) == (r.problem != NULL));
		MUST(taken > 0 || result == PROTO_FRAME_BAD);
		seen.problem = r.problem;
	}
	proto_frame_reader_deinit(&r);
	return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1) {
		return 0;
	}
	struct seen whole = read_all(data + 1, size - 1, size);
	struct seen cut = read_all(data + 1, size - 1, 1 + data[0] % 64);
	MUST(whole.messages == cut.messages && whole.unknown == cut.unknown && whole.bytes == cut.bytes && whole.problem == cut.problem);
	return 0;
}
