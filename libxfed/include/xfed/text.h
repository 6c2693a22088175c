/* Strings stored behind their struct, in one block with it. */
#ifndef XFED_TEXT_H
#define XFED_TEXT_H

#include "xfed/base.h"

/*
 * Copies `s` with a NUL to *at, and moves *at behind it; the caller has reserved the room. An absent span (data NULL) stays absent, and
 * becomes an empty string.
 */
char *xfed_text_put(char **at, struct xfed_span s);
struct xfed_span xfed_span_put(char **at, struct xfed_span s);

#endif
