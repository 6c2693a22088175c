/* Sends deliveries from the outbox over one link, as long as there is credit and room. */
#ifndef PROTO_PUMP_H
#define PROTO_PUMP_H

#include "proto/outbox.h"
#include "proto/session.h"

/*
 * Sends the next delivery for `peer` over its session and returns it; NULL: none, or not now (no credit, no room or memory, the link is
 * closing). A delivery that the session refuses for any other reason is ended, so that it blocks nothing, and comes out of
 * proto_outbox_ended().
 */
const struct proto_delivery *proto_pump_deliver(struct proto_outbox *o, int peer, struct proto_session *s, uint64_t now_ms);

#endif
