/* What a refusal of ours says to a SIP administrator, beside its status: a Warning header (RFC 3261 section 20.43). */
#ifndef GATEWAY_INTERWORK_WARNING_H
#define GATEWAY_INTERWORK_WARNING_H

#include "xfed/base.h"
#include "xfed/reason.h"

#define IW_DETAIL_BYTES	 80  /* of what the reason was about, as Warning and log have it */
#define IW_WARNING_BYTES 640 /* no line is longer */

/*
 * Writes 'Warning: 399 AGENT "CODE: REMEDY (DETAIL)"' with its CRLF and a NUL. Code 399, as the others of RFC 3261 speak of session
 * descriptions. `agent`: our name in Via headers; `detail` may be absent. Nothing is written (the string is empty) for NONE, and
 * where it would be longer than `size` or IW_WARNING_BYTES.
 */
void iw_warning(char *out, size_t size, struct xfed_span agent, enum xfed_reason reason, struct xfed_span detail);

#endif
