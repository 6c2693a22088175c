#include "proto/frame.h"

#include "proto/check.h"
#include "proto/scan.h"

/* A reader frees an emptied buffer that is larger than this. */
#define KEEP_BYTES (32 * 1024)

struct unpack_memory {
	ProtobufCAllocator allocator;
	struct xfed_arena *arena;
	bool is_capped; /* an allocation failed at the arena's limit */
	bool is_nomem;	/* an allocation failed for lack of memory */
};

static void *unpack_alloc(void *data, size_t size)
{
	struct unpack_memory *m = data;
	void *p = xfed_arena_alloc(m->arena, size);
	if (!p) {
		/* Tells the two apart: there is no room below the limit for this and a block's header; else malloc has failed. */
		size_t left = m->arena->cap_bytes - m->arena->taken_bytes;
		m->is_capped = left < 64 || left - 64 < size;
		m->is_nomem = !m->is_capped;
	}
	return p;
}

/* Freed with the arena. */
static void unpack_free(void *data, void *p)
{
	(void)data;
	(void)p;
}

void proto_frame_reader_init(struct proto_frame_reader *r)
{
	memset(r, 0, sizeof(*r));
	xfed_buf_init(&r->in, PROTO_FRAME_HEADER + XFED_FRAME_BYTES_MAX);
	xfed_arena_init(&r->arena, XFED_FRAME_ARENA_BYTES);
}

void proto_frame_reader_deinit(struct proto_frame_reader *r)
{
	xfed_buf_deinit(&r->in);
	xfed_arena_deinit(&r->arena);
}

size_t proto_frame_feed(struct proto_frame_reader *r, struct xfed_span bytes, bool *nomem)
{
	size_t room = r->in.cap_bytes - xfed_buf_len(&r->in);
	*nomem = false;
	if (bytes.len > room) {
		bytes.len = room;
	}
	if (xfed_buf_append(&r->in, bytes) != XFED_OK) {
		*nomem = true;
		return 0;
	}
	return bytes.len;
}

static uint32_t read_be32(const char *p)
{
	const uint8_t *b = (const uint8_t *)p;
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static enum proto_frame_result bad(struct proto_frame_reader *r, const char *problem)
{
	r->problem = problem;
	return PROTO_FRAME_BAD;
}

/* The body of the next frame, within its limits; MESSAGE if it is complete. */
static enum proto_frame_result next_body(struct proto_frame_reader *r, struct xfed_span *body)
{
	struct xfed_span have = xfed_buf_span(&r->in);
	if (have.len < PROTO_FRAME_HEADER) {
		return PROTO_FRAME_MORE;
	}
	uint32_t len = read_be32(have.data);
	if (len == 0) {
		return bad(r, "an empty frame");
	}
	if (len > XFED_FRAME_BYTES_MAX) {
		return bad(r, "a frame above the maximum");
	}
	if (have.len - PROTO_FRAME_HEADER < len) {
		return PROTO_FRAME_MORE;
	}
	*body = xfed_span_make(have.data + PROTO_FRAME_HEADER, len);
	return PROTO_FRAME_MESSAGE;
}

static enum proto_frame_result unpack(struct proto_frame_reader *r, struct xfed_span body, const Xfed__Frame **out)
{
	struct unpack_memory m = { .arena = &r->arena };
	m.allocator = (ProtobufCAllocator){ unpack_alloc, unpack_free, &m };
	const Xfed__Frame *f = xfed__frame__unpack(&m.allocator, body.len, (const uint8_t *)body.data);
	if (!f && m.is_nomem) {
		return PROTO_FRAME_NOMEM;
	}
	if (!f) {
		return m.is_capped ? bad(r, "a message needs more memory than a frame may") : bad(r, "a message does not parse");
	}
	*out = f;
	return PROTO_FRAME_MESSAGE;
}

static enum proto_frame_result read_body(struct proto_frame_reader *r, struct xfed_span body, const Xfed__Frame **out)
{
	struct proto_scan scan = { PROTO_FRAME_FIELDS_MAX, PROTO_FRAME_UNKNOWN_MAX, PROTO_FRAME_DEPTH_MAX, 0, NULL };
	if (!proto_scan(&scan, &xfed__frame__descriptor, body)) {
		return bad(r, scan.problem);
	}
	if (scan.known_at_top == 0) {
		return PROTO_FRAME_UNKNOWN;
	}
	if (scan.known_at_top > 1) {
		return bad(r, "a frame with two messages");
	}
	enum proto_frame_result result = unpack(r, body, out);
	if (result != PROTO_FRAME_MESSAGE) {
		return result;
	}
	const char *problem = proto_check(*out);
	return problem ? bad(r, problem) : PROTO_FRAME_MESSAGE;
}

enum proto_frame_result proto_frame_next(struct proto_frame_reader *r, const Xfed__Frame **out)
{
	struct xfed_span body;
	*out = NULL;
	if (r->problem) {
		return PROTO_FRAME_BAD;
	}
	xfed_arena_reset(&r->arena);
	enum proto_frame_result result = next_body(r, &body);
	if (result != PROTO_FRAME_MESSAGE) {
		return result;
	}
	result = read_body(r, body, out);
	if (result == PROTO_FRAME_MESSAGE || result == PROTO_FRAME_UNKNOWN) {
		r->frame_bytes = PROTO_FRAME_HEADER + body.len;
		xfed_buf_consume(&r->in, r->frame_bytes);
		if (r->in.size > KEEP_BYTES) {
			xfed_buf_trim(&r->in);
		}
	}
	return result;
}

size_t proto_frame_size(const Xfed__Frame *f)
{
	return PROTO_FRAME_HEADER + xfed__frame__get_packed_size(f);
}

int proto_frame_measure(const Xfed__Frame *f, size_t *bytes)
{
	*bytes = proto_frame_size(f);
	return *bytes <= PROTO_FRAME_HEADER + XFED_FRAME_BYTES_MAX ? XFED_OK : XFED_ERR_TOO_LARGE;
}

int proto_frame_write(struct xfed_buf *out, const Xfed__Frame *f)
{
	return proto_frame_write_sized(out, f, proto_frame_size(f));
}

int proto_frame_write_sized(struct xfed_buf *out, const Xfed__Frame *f, size_t bytes)
{
	size_t len = bytes - PROTO_FRAME_HEADER;
	size_t unread = xfed_buf_len(out);
	if (len == 0 || len > XFED_FRAME_BYTES_MAX || unread > out->cap_bytes || out->cap_bytes - unread < bytes) {
		return XFED_ERR_LIMIT;
	}
	uint8_t *p = (uint8_t *)xfed_buf_reserve(out, bytes);
	if (!p) {
		return XFED_ERR_NOMEM;
	}
	p[0] = (uint8_t)(len >> 24);
	p[1] = (uint8_t)(len >> 16);
	p[2] = (uint8_t)(len >> 8);
	p[3] = (uint8_t)len;
	xfed__frame__pack(f, p + PROTO_FRAME_HEADER);
	xfed_buf_commit(out, bytes);
	return XFED_OK;
}
