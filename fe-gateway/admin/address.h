/* Addresses as operators write them: "user@domain" or "sip:user@domain". */
#ifndef GATEWAY_ADMIN_ADDRESS_H
#define GATEWAY_ADMIN_ADDRESS_H

#include "admin/admin.h"
#include "xfed/jid.h"

/* OK, INVALID, NOMEM. */
int address_read(struct xfed_arena *a, const char *text, struct xfed_jid *out);
/* A user of ours, by the name inside or outside; `out` has the one outside. False: the reply has been sent, and says why not. */
bool address_of_user(const struct admin *ad, struct rt_reply reply, struct xfed_arena *a, const char *text, struct xfed_jid *out);

#endif
