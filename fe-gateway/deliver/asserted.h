/*
 * The sender of a request as the SIP server in front of it asserts (P-Asserted-Identity, RFC 3325). Whether that server may do so is for
 * the caller to check (trunk_may_send). Pure. Included by this room only.
 */
#ifndef GATEWAY_DELIVER_ASSERTED_H
#define GATEWAY_DELIVER_ASSERTED_H

#include "sip/message.h"
#include "xfed/jid.h"

/*
 * The first asserted identity that is a sip: address. OK; NOMEM; NOT_FOUND: there is none, or "Privacy: id" asks that nobody outside be
 * told (section 9.3).
 */
int asserted_identity(struct xfed_arena *a, const struct sip_message *m, struct xfed_jid *out);

#endif
