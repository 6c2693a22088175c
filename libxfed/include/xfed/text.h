/* Texts that live behind their struct, in one block with it. */
#ifndef XFED_TEXT_H
#define XFED_TEXT_H

#include "xfed/base.h"

/*
 * A copy of `s` with a NUL behind it, at *at, which moves behind both; the room is the caller's. A span that is absent (data NULL)
 * stays absent, its text is empty.
 */
char *xfed_text_put(char **at, struct xfed_span s);
struct xfed_span xfed_span_put(char **at, struct xfed_span s);

#endif
