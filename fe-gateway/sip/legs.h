/*
 * A leg: a dialog in the tables of the transaction layer, with where its requests go and the INVITEs that run in it; or a request of ours that
 * may make one. Inside the library only.
 */
#ifndef GATEWAY_SIP_LEGS_H
#define GATEWAY_SIP_LEGS_H

#include "sip/trans.h"

struct sip_leg {
	/* First what a request inside the dialog needs of it. */
	UT_hash_handle hh_key; /* by key */
	struct sip_key key;
	struct sip_dialog *dialog; /* NULL: a request of ours without response yet */
	const struct sip_user *user;
	uint64_t id, number;
	UT_hash_handle hh; /* by number */
	/* Ids of transactions; 0: none. */
	uint64_t maker;			/* the INVITE or SUBSCRIBE that makes the dialog, until it has its final response */
	uint64_t ours, theirs, unacked; /* INVITEs running inside the dialog; a 2xx of ours without ACK */
	uint32_t invite_cseq;		/* of the last INVITE of the peer */
	bool is_keyed, is_caller;	/* is in the table by key: a dialog, or one that a NOTIFY may begin; we made the Call-ID */
	bool is_target_ours;		/* a request of ours chose the target */
	struct sip_target *target;	/* no larger than its name: sip_leg_target() */
	struct sip_leg *flow_next, **flow_prev;
};

struct sip_leg *sip_leg_by_number(const struct sip_layer *l, uint64_t number);
void sip_leg_free(struct sip_layer *l, struct sip_leg *leg);
bool sip_legs_are_full(const struct sip_layer *l);
void sip_leg_forget(struct sip_layer *l, struct sip_trans *t); /* it ends without the dialog it might have made */
/* To be called before an INVITE or SUBSCRIBE of a user is sent. OK, AGAIN, NOMEM. */
int sip_leg_of_call(struct sip_layer *l, const struct sip_layer_request *rq, struct sip_leg **out);
/* For a response to one, or inside a dialog: makes, confirms, refreshes or removes the dialog, and acknowledges a 2xx to INVITE. OK or NOMEM. */
int sip_leg_answered(struct sip_layer *l, struct sip_trans *t, const struct sip_message *m, uint64_t now_ms, bool *is_for_user);
/* For an INVITE or SUBSCRIBE for a user: OK, INVALID (400), NOMEM. */
int sip_leg_of_request(struct sip_layer *l, struct sip_trans *t, const struct sip_user *user, const struct sip_message *m);
/* To be called before a response that makes a dialog is sent: adds it to the tables. OK or NOMEM. */
int sip_leg_enter(struct sip_layer *l, struct sip_leg *leg);
/* The dialog of a request; `*is_new`: it came before the 2xx, and has made it. NULL: none; `*rc` NOMEM, or INVALID (400). */
struct sip_leg *sip_leg_of(struct sip_layer *l, const struct sip_message *m, bool *is_new, int *rc);
void sip_leg_unacknowledged(struct sip_layer *l, struct sip_trans *t, uint64_t now_ms);

/* leg_way.c: where requests inside a dialog go */
void sip_leg_close_flow(struct sip_layer *l, uint64_t flow);
void sip_leg_tell_doubted(struct sip_layer *l); /* as many as there is room for */
void sip_leg_unbind(struct sip_leg *leg);	/* from its connection */
void sip_leg_target(const struct sip_leg *leg, struct sip_target *out);
bool sip_leg_set_target(struct sip_leg *leg, const struct sip_target *t); /* false: no memory, it stays as it was */
void sip_leg_moved(struct sip_layer *l, struct sip_leg *leg, const struct sip_target *target, bool is_ours);
/* The way that a request of ours took has been answered by: where the connection before it is gone, that one is used from now on. */
void sip_leg_took(struct sip_layer *l, struct sip_leg *leg, const struct sip_target *way);

#endif
