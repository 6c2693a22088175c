/* Shared by follow.c (NOTIFY, and what the contact is sent) and follow_ask.c (SUBSCRIBE and its responses). */
#ifndef GATEWAY_PRESENCE_FOLLOW_H
#define GATEWAY_PRESENCE_FOLLOW_H

#include "presence/stale.h"

void follow_step(struct follow *f, const struct sip_subscriber_event *ev);
const struct config_domain *follow_domain(const struct pair *pair); /* of the user; NULL: not configured any more */

#endif
