/* The Warning header field (RFC 3261 section 20.43) of a refusal, which tells a SIP administrator its reason. */
#ifndef GATEWAY_INTERWORK_WARNING_H
#define GATEWAY_INTERWORK_WARNING_H

#include "xfed/base.h"
#include "xfed/reason.h"

#define IW_DETAIL_BYTES	 80  /* limit of a detail in Warning and log */
#define IW_WARNING_BYTES 640 /* limit of the whole line */
#define IW_WARNING_CODE	 399 /* of most */

/*
 * Writes 'Warning: 399 AGENT "CODE: REMEDY (DETAIL)"' with CRLF and NUL. 399, because the other codes of RFC 3261 are about session
 * descriptions. `agent`: our name in Via; `detail` may be absent. Writes an empty string for NONE, and if the line would be longer than
 * `size` or IW_WARNING_BYTES.
 */
void iw_warning(char *out, size_t size, struct xfed_span agent, enum xfed_reason reason, struct xfed_span detail);
/* The same with another code than 399, where a client goes by it (interwork/lync_status.h). */
void iw_warning_as(char *out, size_t size, int code, struct xfed_span agent, enum xfed_reason reason, struct xfed_span detail);

/*
 * Whether whoever has asked is told the reason. A stranger (who may send for no domain of ours) is not told that its sender is refused, as the
 * source address may be forged.
 */
bool iw_warning_is_told(enum xfed_reason reason, bool is_stranger);

#endif
