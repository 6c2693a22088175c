/* The parts of a multipart/alternative body (RFC 2046 section 5.1). Internal to interwork. */
#ifndef GATEWAY_INTERWORK_MULTIPART_H
#define GATEWAY_INTERWORK_MULTIPART_H

#include "interwork/im.h"

#define IW_PARTS_MAX	       16
#define IW_PART_HEADERS_BYTES  4096
#define IW_PART_BOUNDARY_BYTES 70 /* RFC 2046 section 5.1.1 */

/*
 * The part that is best read as plain text: text/plain, else text/html. `params`: those of the Content-Type, for the boundary. `*part` gets
 * the part's Content-Type, Content-Transfer-Encoding and body, and is otherwise as it was. False: there is no such part, the boundary is
 * none, or a limit is exceeded.
 */
bool iw_multipart_choose(struct xfed_span params, struct xfed_span body, struct iw_sip_message *part);

#endif
