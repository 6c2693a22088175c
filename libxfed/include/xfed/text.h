/* Strings stored behind their struct, in one block with it, and what is written without a format in the path of a message. */
#ifndef XFED_TEXT_H
#define XFED_TEXT_H

#include "xfed/base.h"

/*
 * Copies `s` with a NUL to *at, and moves *at behind it; the caller has reserved the room. An absent span (data NULL) stays absent, and
 * becomes an empty string.
 */
char *xfed_text_put(char **at, struct xfed_span s);
struct xfed_span xfed_span_put(char **at, struct xfed_span s);

#define XFED_NUMBER_BYTES 21 /* the largest number and a NUL */

/* Writes `n` in decimal, with a NUL, and returns its length. */
size_t xfed_text_number(char out[XFED_NUMBER_BYTES], uint64_t n);
/* Copies what fits of `s` to `out`, with a NUL; `size` is at least 1. */
void xfed_text_cut(char *out, size_t size, struct xfed_span s);

#endif
