/* Gathers what explain.h judges: what this gateway knows, and what its edges say of the pair within CHANNEL_ANSWER_MS. */
#ifndef GATEWAY_ADMIN_EXPLAIN_ASK_H
#define GATEWAY_ADMIN_EXPLAIN_ASK_H

#include "admin/admin.h"
#include "admin/explain.h"

/* Borrowed for the call; NULL: out of memory. */
typedef void explain_done(void *user, const struct explain_facts *f);
/* Runs `done` once, now or later. Addresses as "user@domain" or "sip:user@domain"; copied. */
void explain_ask(struct admin *ad, const char *from, const char *to, explain_done *done, void *user);

#endif
