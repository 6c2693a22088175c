#include "xfed/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "xfed/mem.h"

#define FIRST_BYTES 512

void xfed_buf_init(struct xfed_buf *b, size_t cap_bytes)
{
	*b = (struct xfed_buf){ .cap_bytes = cap_bytes };
}

void xfed_buf_deinit(struct xfed_buf *b)
{
	xfed_free(b->mem);
	*b = (struct xfed_buf){ .cap_bytes = b->cap_bytes };
}

void xfed_buf_wipe(struct xfed_buf *b)
{
	xfed_wipe(b->mem, b->size);
	xfed_buf_deinit(b);
}

/* Makes room for `len` more bytes at `end`. OK, LIMIT, NOMEM. */
static int make_room(struct xfed_buf *b, size_t len)
{
	size_t unread = b->end - b->start;
	if (len > b->cap_bytes || unread > b->cap_bytes - len) {
		return XFED_ERR_LIMIT;
	}
	if (b->size - b->end >= len) {
		return XFED_OK;
	}
	if (b->start > 0 && b->size - unread >= len && b->start >= unread) {
		memcpy(b->mem, b->mem + b->start, unread);
		b->start = 0;
		b->end = unread;
		return XFED_OK;
	}
	size_t size = b->size > 0 ? b->size : FIRST_BYTES;
	while (size < unread + len) {
		size *= 2;
	}
	char *mem = xfed_malloc(size);
	if (!mem) {
		return XFED_ERR_NOMEM;
	}
	if (unread > 0) {
		memcpy(mem, b->mem + b->start, unread);
	}
	xfed_free(b->mem);
	b->mem = mem;
	b->size = size;
	b->start = 0;
	b->end = unread;
	return XFED_OK;
}

int xfed_buf_append(struct xfed_buf *b, struct xfed_span s)
{
	int rc = make_room(b, s.len);
	if (rc != XFED_OK || s.len == 0) {
		return rc;
	}
	memcpy(b->mem + b->end, s.data, s.len);
	b->end += s.len;
	return XFED_OK;
}

int xfed_buf_append_str(struct xfed_buf *b, const char *s)
{
	return xfed_buf_append(b, xfed_span_str(s));
}

int xfed_buf_printf(struct xfed_buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0) {
		return XFED_ERR_INVALID;
	}
	/* One byte more for the NUL of vsnprintf(), which is not part of the content. */
	size_t cap = b->cap_bytes;
	b->cap_bytes = cap < SIZE_MAX ? cap + 1 : cap;
	size_t unread = b->end - b->start;
	int rc = (size_t)n > cap || unread > cap - (size_t)n ? XFED_ERR_LIMIT : make_room(b, (size_t)n + 1);
	b->cap_bytes = cap;
	if (rc != XFED_OK) {
		return rc;
	}
	va_start(ap, fmt);
	vsnprintf(b->mem + b->end, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->end += (size_t)n;
	return XFED_OK;
}

char *xfed_buf_reserve(struct xfed_buf *b, size_t len)
{
	if (make_room(b, len) != XFED_OK) {
		return NULL;
	}
	return b->mem ? b->mem + b->end : NULL;
}

void xfed_buf_commit(struct xfed_buf *b, size_t len)
{
	XFED_REQUIRE(len <= b->size - b->end);
	b->end += len;
}

void xfed_buf_consume(struct xfed_buf *b, size_t len)
{
	XFED_REQUIRE(len <= xfed_buf_len(b));
	b->start += len;
	if (b->start == b->end) {
		b->start = b->end = 0;
	}
}

void xfed_buf_clear(struct xfed_buf *b)
{
	b->start = b->end = 0;
}

void xfed_buf_trim(struct xfed_buf *b)
{
	if (b->start == b->end) {
		xfed_buf_deinit(b);
	}
}
