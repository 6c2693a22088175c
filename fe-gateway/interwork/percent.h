/* Percent-encoding of URI parts (RFC 3261 section 19.1.2). Internal to interwork. */
#ifndef GATEWAY_INTERWORK_PERCENT_H
#define GATEWAY_INTERWORK_PERCENT_H

#include "xfed/arena.h"
#include "xfed/base.h"

/* Bytes that are not encoded, besides letters and digits. */
extern const char iw_raw_in_sip_user[];	 /* RFC 7247 table 1 */
extern const char iw_raw_in_im_user[];	 /* the same table, without what section 6.5 step 5 encodes */
extern const char iw_raw_in_xmpp_node[]; /* RFC 5122 section 2.2, nodeallow without brackets */
extern const char iw_raw_in_param[];	 /* RFC 3261 section 25.1, paramchar */

/* Writes the encoded form, at most three times as long, to `out` and returns its length. */
size_t iw_percent_encode(struct xfed_span s, const char *raw, char *out);

/*
 * OK, NOMEM, or INVALID: a "%" without two hexadecimal digits, a control character (encoded or not, so %00 too), or an unencoded blank,
 * quotation mark or angle bracket.
 */
int iw_percent_decode(struct xfed_arena *a, struct xfed_span s, struct xfed_span *out);

#endif
