/*
 * The text of an HTML fragment or document, as a message may be written in. Nothing is loaded, no entities are known but HTML's own, and a
 * charset that the document names is ignored. Time and output are linear in the input.
 */
#ifndef XFED_HTML_H
#define XFED_HTML_H

#include "xfed/base.h"
#include "xfed/buf.h"

/*
 * Appends what a person reads, in UTF-8: white space is one blank, <br> and blocks (<p>, <div>, <li> ...) are on lines of their own, ended by
 * LF, <pre> stays as it is; an image is its alt, a link its text and, where that is another, its address in <>. Scripts, styles, the title
 * and white space at the end are left out; what looks like a tag and has no end is text. `html` has to be UTF-8. The text is never longer
 * than `html` and one byte. XFED_OK; XFED_ERR_LIMIT, XFED_ERR_NOMEM: the buffer is unchanged.
 */
int xfed_html_text(struct xfed_buf *out, struct xfed_span html);

#endif
