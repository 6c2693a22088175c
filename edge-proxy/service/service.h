/*
 * Going in and out of service, as a machine without I/O. The driver (edge-proxy/service.c) says what has come about and what is left, and does
 * what comes out.
 *
 *   out <--> in --no gateway--> grace --> returning --> saying --> out        another gateway: back to `in` from any of these
 *   any --SIGTERM--> settling --> given-up --> last-in --> last-out --> stopped
 *
 * Out of service in order: what no gateway took goes back to its senders, over streams that may have to be opened first; then the
 * partners' streams are closed, and what they still bring is answered; then ours, which carried the last errors. Each step ends when
 * nothing is left for it, at the latest at its deadline.
 *
 *   settled   the sender has its answer, or there is none to be given
 *   parked    read from a stream, and taken by no gateway yet
 *
 * Calls nobody.
 */
#ifndef EDGE_SERVICE_SERVICE_H
#define EDGE_SERVICE_SERVICE_H

#include "xfed/base.h"
#include "xfed/limits.h"

#define SERVICE_RETURN_MS 10000				  /* to hand back what is parked */
#define SERVICE_CLOSE_MS  (XFED_S2S_CLOSE_WAIT_MS + 1000) /* for streams to close */
#define SERVICE_SAY_MS	  2000				  /* of it: for the last words of partners, and the answers to them */

enum service_state {
	SERVICE_OUT,
	SERVICE_IN,
	SERVICE_GRACE,	   /* in service, and no gateway is there */
	SERVICE_RETURNING, /* what waits goes back */
	SERVICE_SAYING,	   /* partners' streams are closed */
	SERVICE_SETTLING,  /* draining: nothing new, what is in flight is settled */
	SERVICE_GIVEN_UP,  /* what was not settled has been refused, or called uncertain */
	SERVICE_LAST_IN,   /* partners' streams are closed */
	SERVICE_LAST_OUT,  /* ... and ours */
	SERVICE_STOPPED,
};

enum service_event {
	SERVICE_JUDGE, /* policy or links have changed */
	SERVICE_LEFT,  /* something has ended */
	SERVICE_TICK,  /* the deadline has come */
	SERVICE_DRAIN, /* SIGTERM */
};

struct service_facts {
	uint64_t now_ms;
	bool has_gateway;		  /* and a policy of one */
	size_t waiting;			  /* stanzas for partners */
	bool is_quiet;			  /* no part has anything left to settle */
	size_t streams, streams_incoming; /* all; those that partners opened */
	uint32_t grace_ms, stop_timeout_ms;
};

enum service_action {
	SERVICE_TELL,		/* service_word() has changed, or its meaning */
	SERVICE_LISTEN,		/* for partners, where that is not done already */
	SERVICE_LISTEN_NO_MORE, /* likewise */
	SERVICE_HAND_BACK,	/* what no gateway has been sent */
	SERVICE_GIVE_UP,	/* what is not settled is refused, or called uncertain */
	SERVICE_DRAIN_PARTS,	/* nothing new is to begin */
	SERVICE_CLOSE_INCOMING, /* streams of partners */
	SERVICE_CLOSE_ALL,	/* streams */
	SERVICE_STOP,		/* the process */
};

#define SERVICE_ACTIONS_MAX 8 /* twice those of one step: performing one may lead to another */

struct service { /* zeroed to begin with */
	enum service_state state;
	uint64_t deadline_ms; /* the next TICK; 0: none */
	uint64_t latest_ms;   /* this step ends then, whatever is left */
	size_t count, next;
	enum service_action actions[SERVICE_ACTIONS_MAX];
};

void service_step(struct service *m, enum service_event ev, const struct service_facts *f);
bool service_next(struct service *m, enum service_action *act);

const char *service_word(const struct service *m);
bool service_is_in(const struct service *m);	  /* streams of partners may prove themselves */
bool service_is_leaving(const struct service *m); /* or draining: nothing waits for another attempt */
bool service_is_draining(const struct service *m);
bool service_takes(const struct service *m); /* stanzas for gateways: what is taken now need not go back */

#endif
