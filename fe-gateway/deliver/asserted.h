/*
 * Who the sender of a request is by the word of the SIP server that passed it on (P-Asserted-Identity, RFC 3325). Whether that
 * server's word counts is for the caller to ask (trunk_may_send). Pure. Inside the room only.
 */
#ifndef GATEWAY_DELIVER_ASSERTED_H
#define GATEWAY_DELIVER_ASSERTED_H

#include "sip/message.h"
#include "xfed/jid.h"

/*
 * The first asserted identity that is a sip: address. OK; NOMEM; NOT_FOUND: there is none, or "Privacy: id" asks that it be told to
 * nobody outside (section 9.3).
 */
int asserted_identity(struct xfed_arena *a, const struct sip_message *m, struct xfed_jid *out);

#endif
