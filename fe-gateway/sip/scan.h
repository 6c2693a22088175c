/*
 * The header block of a message as lines, before anything is allocated: shared by the framer and
 * the parser so that both see the same lines and the same Content-Length. Lines end in CRLF; a CR
 * or LF alone is refused, because two parsers would read it in two ways. A line that begins with a
 * blank continues the one before (folding).
 */
#ifndef GATEWAY_SIP_SCAN_H
#define GATEWAY_SIP_SCAN_H

#include "sip/message.h"

/* Bytes of CRLF pairs at the front. */
size_t sip_scan_leading(struct xfed_span s);

/* Length of the header block with its blank line, looking from `from` on; 0 where it is not
 * complete. */
size_t sip_scan_head_length(struct xfed_span s, size_t from);

/*
 * Takes the next line with its continuations, without the final CRLF. OK; NOT_FOUND at the blank
 * line; INVALID: a CR or LF alone, or the end without a blank line.
 */
int sip_scan_line(struct xfed_span *rest, struct xfed_span *line);

/* name and trimmed value of a header line; false where there is no name. Folds in the value are
 * left as they are. */
bool sip_scan_header(struct xfed_span line, struct xfed_span *name, struct xfed_span *value);

/* By long name or compact form, without case. */
enum sip_header_id sip_scan_header_id(struct xfed_span name);

/* Control characters only as quoted pairs ([C1-08]); TAB and the CRLF of folding are fine. */
bool sip_scan_controls_fine(struct xfed_span line);

/*
 * The Content-Length of a header block. OK; NOT_FOUND: there is none; INVALID: more than one, not a
 * number, or larger than any message may be.
 */
int sip_scan_content_length(struct xfed_span head, size_t *out);

#endif
