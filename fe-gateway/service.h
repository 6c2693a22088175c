/*
 * In and out of service, and the way out of the gateway: nothing new is taken, what is in flight is settled, then the links close.
 * A machine: no I/O and no clock. Each event leads to one thing to be done; service_deadline() says when to step with TICK.
 *
 *   OUT       no edge takes messages; SIP requests are refused
 *   IN        at least one does
 *   DRAINING  on the way out: until nothing is in flight (taken, and its sender has no answer yet), or there is no time left for it
 *   GIVING_UP what was still in flight has been refused or called uncertain, and a moment is left to tell the senders
 *   CLOSING   the edges have been told; a moment for the last frames and responses
 *   OVER      the loop ends
 *
 * Calls nobody; gateway.c drives it.
 */
#ifndef GATEWAY_SERVICE_H
#define GATEWAY_SERVICE_H

#include "xfed/base.h"

enum service_state { SERVICE_OUT, SERVICE_IN, SERVICE_DRAINING, SERVICE_GIVING_UP, SERVICE_CLOSING, SERVICE_OVER };

enum service_event {
	SERVICE_EDGES_USABLE, /* at least one edge is */
	SERVICE_EDGES_GONE,
	SERVICE_LEAVE,	    /* the process is to end; `within_ms` */
	SERVICE_TURN_QUIET, /* the end of a turn, and nothing is in flight */
	SERVICE_TICK,
};

enum service_action {
	SERVICE_NOTHING,
	SERVICE_SAY,	 /* the state has changed */
	SERVICE_DRAIN,	 /* ... to DRAINING: nothing new is taken, the edges hear of it */
	SERVICE_GIVE_UP, /* what is still in flight is refused, or called uncertain, now */
	SERVICE_CLOSE,	 /* the links close */
	SERVICE_END,	 /* who has no answer yet gets one, links close where they have not, the loop ends */
};

struct service {
	enum service_state state;
	uint64_t deadline_ms; /* 0: none */
};

/* Zeroed, it is OUT. */
enum service_action service_step(struct service *s, enum service_event ev, uint32_t within_ms, uint64_t now_ms);
static inline uint64_t service_deadline(const struct service *s) /* 0: none */
{
	return s->deadline_ms;
}
static inline bool service_is_leaving(const struct service *s)
{
	return s->state >= SERVICE_DRAINING;
}
const char *service_name(enum service_state s); /* for operators: whatever the way out has come to, it is "draining" */

#endif
