/*
 * The header block of a message as lines, before anything is allocated. Framer and parser share it, so that both see the same lines and the
 * same Content-Length. Lines end in CRLF; a lone CR or LF is refused, because two parsers might read it differently. A line that begins
 * with white space continues the one before (folding).
 */
#ifndef GATEWAY_SIP_SCAN_H
#define GATEWAY_SIP_SCAN_H

#include "sip/message.h"

/* Number of bytes of CRLF pairs at the front. */
size_t sip_scan_leading(struct xfed_span s);

/* Length of the header block with its blank line, searched from `from` on; 0: it is incomplete. */
size_t sip_scan_head_length(struct xfed_span s, size_t from);

/* Takes the next line with its continuations, without the final CRLF. OK; NOT_FOUND at the blank line; INVALID: a lone CR or LF, or no blank line. */
int sip_scan_line(struct xfed_span *rest, struct xfed_span *line);

/* Name and trimmed value of a header line; false: it has no name. Folds in the value are kept. */
bool sip_scan_header(struct xfed_span line, struct xfed_span *name, struct xfed_span *value);

/* By long name or compact form, compared without case. */
enum sip_header_id sip_scan_header_id(struct xfed_span name);

/* True: control characters occur only as quoted pairs ([C1-08]); TAB and the CRLF of folds are allowed. */
bool sip_scan_controls_fine(struct xfed_span line);

/* The Content-Length of a header block. OK; NOT_FOUND: there is none; INVALID: more than one, no number, or too large. */
int sip_scan_content_length(struct xfed_span head, size_t *out);

#endif
