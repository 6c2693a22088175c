/*
 * service: going in and out of service, as a machine without I/O and clock. Its events and actions are those of the edge's
 * (edge-proxy/service/service.h), as far as a gateway needs them. Calls no other room.
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
	SERVICE_SETTLING, /* draining: begins nothing new, and settles what is in flight */
	SERVICE_GIVEN_UP, /* what was left has been settled, and the edges are told */
	SERVICE_CLOSING,  /* the edges have been told that we leave; the last frames and responses are being sent */
	SERVICE_STOPPED,
};

enum service_event {
	SERVICE_JUDGE, /* the links have changed */
	SERVICE_LEFT,  /* something has ended, and nothing may be in flight any more */
	SERVICE_TICK,  /* the deadline has come */
	SERVICE_DRAIN, /* SIGTERM */
};

struct service_facts {
	uint64_t now_ms;
	bool has_edge; /* at least one edge takes messages */
	bool is_quiet; /* nothing is in flight */
	uint32_t stop_timeout_ms;
};

enum service_action {
	SERVICE_NOTHING,
	SERVICE_TELL,	     /* the result of service_word() has changed */
	SERVICE_DRAIN_PARTS, /* the same, and: begin nothing new, tell the edges */
	SERVICE_GIVE_UP,     /* settle what is left, as refused or uncertain */
	SERVICE_CLOSE_ALL,   /* close the links */
	SERVICE_STOP,	     /* answer the requests that are still open, close what is left, end the process */
};

struct service { /* to be zeroed before use */
	enum service_state state;
	uint64_t deadline_ms; /* time of the next TICK; 0: none */
};

enum service_action service_step(struct service *m, enum service_event ev, const struct service_facts *f);

const char *service_word(const struct service *m);
static inline bool service_is_draining(const struct service *m)
{
	return m->state >= SERVICE_SETTLING;
}

#endif
