/*
 * service: going in and out of service, and the way out of the gateway, as a machine: no I/O and no clock. Its events and actions are
 * those of the edge's (edge-proxy/service/service.h), as far as a gateway has the same to do. Calls nobody.
 *
 *   out <--> in     with the first edge that takes messages, and without the last
 *   any --SIGTERM--> settling --> closing --> stopped
 *                    settling --no time left--> given-up --> stopped
 */
#ifndef GATEWAY_SERVICE_SERVICE_H
#define GATEWAY_SERVICE_SERVICE_H

#include "xfed/base.h"

enum service_state {
	SERVICE_OUT, /* SIP requests are refused */
	SERVICE_IN,
	SERVICE_SETTLING, /* draining: nothing new, what is in flight is settled */
	SERVICE_GIVEN_UP, /* what had no fate has been given one, and a moment is left to tell it */
	SERVICE_CLOSING,  /* the edges have been told; a moment for the last frames and responses */
	SERVICE_STOPPED,
};

enum service_event {
	SERVICE_JUDGE, /* links have changed */
	SERVICE_LEFT,  /* perhaps nothing is in flight any more */
	SERVICE_TICK,  /* the deadline has come */
	SERVICE_DRAIN, /* SIGTERM */
};

struct service_facts {
	uint64_t now_ms;
	bool has_edge; /* at least one takes messages */
	bool is_quiet; /* nothing is in flight */
	uint32_t stop_timeout_ms;
};

enum service_action {
	SERVICE_NOTHING,
	SERVICE_TELL,	     /* service_word() has changed */
	SERVICE_DRAIN_PARTS, /* and it has: nothing new is to begin, the edges hear of it */
	SERVICE_GIVE_UP,     /* what has no fate is given one */
	SERVICE_CLOSE_ALL,   /* links */
	SERVICE_STOP,	     /* who has no answer yet gets one, links close where they have not, the process ends */
};

struct service { /* zeroed to begin with */
	enum service_state state;
	uint64_t deadline_ms; /* the next TICK; 0: none */
};

enum service_action service_step(struct service *m, enum service_event ev, const struct service_facts *f);

const char *service_word(const struct service *m);
static inline bool service_is_draining(const struct service *m)
{
	return m->state >= SERVICE_SETTLING;
}

#endif
