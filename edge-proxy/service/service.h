/*
 * Going in and out of service, as a machine without I/O. The driver (edge-proxy/service.c) reports events and facts, and performs the
 * actions.
 *
 *   out <--> in --no gateway--> grace --> returning --> saying --> out        a gateway links: back to `in` from any of these
 *   any --SIGTERM--> settling --> given-up --> last-in --> last-out --> stopped
 *
 * Going out of service has an order. First, stanzas that no gateway took are returned to their senders, over streams that may have to be
 * opened for it. Then the partners' streams are closed, and stanzas they still send are answered. Then our own streams are closed, which
 * carried the last errors. Each step ends when nothing is left to wait for, at the latest at its deadline.
 *
 *   settled   the sender has its answer, or none is due
 *   parked    read from a stream, and not sent to a gateway yet
 *
 * Calls no other room.
 */
#ifndef EDGE_SERVICE_SERVICE_H
#define EDGE_SERVICE_SERVICE_H

#include "xfed/base.h"
#include "xfed/limits.h"

#define SERVICE_RETURN_MS 10000				  /* to return what is parked to its senders */
#define SERVICE_CLOSE_MS  (XFED_S2S_CLOSE_WAIT_MS + 1000) /* for streams to close */
#define SERVICE_SAY_MS	  2000				  /* of that: for stanzas partners still send, and answers to them */

enum service_state {
	SERVICE_OUT,
	SERVICE_IN,
	SERVICE_GRACE,	   /* in service, though no gateway is linked */
	SERVICE_RETURNING, /* parked stanzas are returned to their senders */
	SERVICE_SAYING,	   /* partners' streams are closed */
	SERVICE_SETTLING,  /* draining: begins nothing new, and settles what is in flight */
	SERVICE_GIVEN_UP,  /* what was not settled has been refused, or reported as uncertain */
	SERVICE_LAST_IN,   /* partners' streams are closed */
	SERVICE_LAST_OUT,  /* and ours */
	SERVICE_STOPPED,
};

enum service_event {
	SERVICE_JUDGE, /* the policy or the links have changed */
	SERVICE_LEFT,  /* a stream or a delivery has ended */
	SERVICE_TICK,  /* the deadline has come */
	SERVICE_DRAIN, /* SIGTERM */
};

struct service_facts {
	uint64_t now_ms;
	bool has_gateway;		  /* a gateway is linked, and its policy is in force */
	size_t waiting;			  /* stanzas that wait for a partner's stream */
	bool is_quiet;			  /* every delivery is settled */
	size_t streams, streams_incoming; /* all streams; those that partners opened */
	uint32_t grace_ms, stop_timeout_ms;
};

enum service_action {
	SERVICE_TELL,		/* the result of service_word() has changed, or what it means */
	SERVICE_LISTEN,		/* open the partners' listeners, where they are closed */
	SERVICE_LISTEN_NO_MORE, /* close them, where they are open */
	SERVICE_HAND_BACK,	/* refuse what no gateway has been sent */
	SERVICE_GIVE_UP,	/* settle what is left, as refused or uncertain */
	SERVICE_DRAIN_PARTS,	/* tell the parts to begin nothing new */
	SERVICE_CLOSE_INCOMING, /* close the streams that partners opened */
	SERVICE_CLOSE_ALL,	/* close all streams */
	SERVICE_STOP,		/* stop the process */
};

#define SERVICE_ACTIONS_MAX 8 /* twice what one step can cause: performing an action may cause a further step */

struct service { /* to be zeroed before use */
	enum service_state state;
	uint64_t deadline_ms; /* time of the next TICK; 0: none */
	uint64_t latest_ms;   /* the present step ends then, whatever is left */
	size_t count, next;
	enum service_action actions[SERVICE_ACTIONS_MAX];
};

void service_step(struct service *m, enum service_event ev, const struct service_facts *f);
bool service_next(struct service *m, enum service_action *act);

const char *service_word(const struct service *m);
bool service_is_in(const struct service *m);	  /* partners may authenticate their streams */
bool service_is_leaving(const struct service *m); /* or draining: stanzas that find no stream do not wait for another attempt */
bool service_is_draining(const struct service *m);
bool service_takes(const struct service *m); /* stanzas for gateways are accepted: they will not have to be returned */

#endif
