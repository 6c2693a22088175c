/* Deliveries from the sender's table over one link, for as long as there is credit and room. */
#ifndef PROTO_PUMP_H
#define PROTO_PUMP_H

#include "proto/outbox.h"
#include "proto/session.h"

/*
 * Sends the next delivery that may go to `peer` over its session and returns it; NULL: none, or not now (no credit, no room or
 * memory, the link is going down). These alone are waited for: one that the session refuses for anything else is ended, so that
 * nothing stands behind it, and comes out of proto_outbox_ended().
 */
const struct proto_delivery *proto_pump_deliver(struct proto_outbox *o, int peer, struct proto_session *s, uint64_t now_ms);

#endif
