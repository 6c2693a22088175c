/* What the two files of follows share: follow.c has the machine and what the contact is told, follow_ask.c SUBSCRIBE and its answers. */
#ifndef GATEWAY_PRESENCE_FOLLOW_H
#define GATEWAY_PRESENCE_FOLLOW_H

#include "presence/stale.h"

void follow_step(struct follow *f, const struct sip_subscriber_event *ev);
const struct config_domain *follow_domain(const struct pair *pair); /* NULL: it is none of ours any more */

#endif
