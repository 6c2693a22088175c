/*
 * A user of SIP: what it takes, and what it is told. Each feature (messages, presence, sessions) is one; the transaction layer
 * names it in its actions, and whoever drives the layer calls the functions.
 */
#ifndef GATEWAY_SIP_USER_H
#define GATEWAY_SIP_USER_H

#include "sip/method.h"

struct sip_flow_info;
struct sip_message;

#define SIP_METHOD_BIT(name) (1U << SIP_METHOD_##name)

/* A request of a peer. Message and flow are borrowed for the call. */
struct sip_incoming {
	uint64_t txn; /* for the answer; 0: an ACK, which gets none */
	const struct sip_message *message;
	const struct sip_flow_info *flow;
	uint64_t dialog; /* the dialog it is inside, or the one that our answer to it will make; 0: neither */
	uint64_t id;	 /* inside a dialog: what the user calls that */
};

struct sip_user {
	void *data;
	unsigned methods;      /* bits: those it takes outside dialogs */
	unsigned inside;       /* and further ones in its own dialogs */
	const char *accept;    /* media types, "text/plain"; NULL: none */
	const char *supported; /* option tags; NULL: none */
	const char *events;    /* packages it takes SUBSCRIBE for; NULL: none */

	void (*request)(void *data, const struct sip_incoming *rq);
	/* Of a request of ours, by the id it was sent with. A response is provisional or final; `dialog` is what it is inside, or begins. */
	void (*response)(void *data, uint64_t id, const struct sip_message *m, uint64_t dialog);
	void (*timeout)(void *data, uint64_t id, bool was_written);
	void (*broken)(void *data, uint64_t id, bool was_written); /* no connection, or it is lost */
	/* An INVITE has been answered here: withdrawn by the peer (487), or for too long by nobody (408). */
	void (*cancelled)(void *data, uint64_t txn);
	/* A 2xx of ours was never acknowledged: a BYE has gone out, the dialog is no more. */
	void (*ended)(void *data, uint64_t id);
	/* The connection that a dialog used has closed: whoever is at the other end may know nothing of it any more. NULL is fine. */
	void (*doubted)(void *data, uint64_t id);
};

#endif
