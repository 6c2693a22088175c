/*
 * A user of the SIP layer: the requests it takes, and its functions. Each feature (messages, presence, sessions) is one; the transaction
 * layer names the user in its actions, and the driver of the layer calls the functions.
 */
#ifndef GATEWAY_SIP_USER_H
#define GATEWAY_SIP_USER_H

#include "sip/method.h"

struct sip_flow_info;
struct sip_message;

#define SIP_METHOD_BIT(name) (1U << SIP_METHOD_##name)

/* A request of a peer. Message and flow are borrowed for the call. */
struct sip_incoming {
	uint64_t txn; /* for the response; 0: an ACK, which gets none */
	const struct sip_message *message;
	const struct sip_flow_info *flow;
	uint64_t dialog; /* the dialog the request belongs to, or that our response to it will make; 0: none */
	uint64_t id;	 /* inside a dialog: the user's id of it */
};

struct sip_user {
	void *data;
	unsigned methods;   /* bits: methods it takes outside dialogs */
	unsigned inside;    /* further methods it takes in its own dialogs */
	unsigned anew;	    /* of its methods those that begin a dialog anew, under the To tag they have, where that dialog is not there (any more) */
	const char *accept; /* media types, such as "text/plain"; NULL: none */
	const char *supported; /* option tags; NULL: none */
	const char *events;    /* packages of SUBSCRIBE it takes; NULL: none */

	void (*request)(void *data, const struct sip_incoming *rq);
	/*
	 * Results of a request of ours, by the id it was sent with. A response is provisional or final; `dialog` is the one it belongs to or
	 * begins.
	 */
	void (*response)(void *data, uint64_t id, const struct sip_message *m, uint64_t dialog);
	void (*timeout)(void *data, uint64_t id, bool was_written);
	void (*broken)(void *data, uint64_t id, bool was_written); /* there is no connection, or it broke */
	/* The layer has answered an INVITE: the peer has cancelled it (487), or the user has not answered it in time (408). */
	void (*cancelled)(void *data, uint64_t txn);
	/* A 2xx of ours was never acknowledged: BYE has been sent, and the dialog does not exist any more. */
	void (*ended)(void *data, uint64_t id);
	/* The connection that a dialog used has closed: whoever is at the other end may know nothing of it any more. NULL is fine. */
	void (*doubted)(void *data, uint64_t id);
};

#endif
