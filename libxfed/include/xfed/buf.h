/*
 * A byte queue: append at the end, consume at the front. `cap_bytes` limits the unread bytes; appending more fails with XFED_ERR_LIMIT and
 * changes nothing. xfed_buf_trim() frees the memory of an empty buffer, so that an idle stream holds none.
 */
#ifndef XFED_BUF_H
#define XFED_BUF_H

#include "xfed/base.h"

struct xfed_buf {
	char *mem;
	size_t start, end, size; /* unread bytes are mem[start, end) */
	size_t cap_bytes;
};

void xfed_buf_init(struct xfed_buf *b, size_t cap_bytes);
void xfed_buf_deinit(struct xfed_buf *b);
void xfed_buf_wipe(struct xfed_buf *b); /* overwrites the memory, then frees it; for secrets */

static inline size_t xfed_buf_len(const struct xfed_buf *b)
{
	return b->end - b->start;
}
static inline struct xfed_span xfed_buf_span(const struct xfed_buf *b)
{
	return xfed_span_make(b->mem ? b->mem + b->start : "", b->end - b->start);
}

int xfed_buf_append(struct xfed_buf *b, struct xfed_span s); /* OK, LIMIT, NOMEM */
int xfed_buf_append_str(struct xfed_buf *b, const char *s);
int xfed_buf_printf(struct xfed_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Makes room for `len` more bytes at the end: returns where to write, or NULL; xfed_buf_commit() appends what was written. */
char *xfed_buf_reserve(struct xfed_buf *b, size_t len);
void xfed_buf_commit(struct xfed_buf *b, size_t len);

void xfed_buf_consume(struct xfed_buf *b, size_t len); /* len <= xfed_buf_len() */
void xfed_buf_clear(struct xfed_buf *b);	       /* drops the bytes, keeps the memory */
void xfed_buf_trim(struct xfed_buf *b);		       /* frees memory if nothing is unread */

#endif
