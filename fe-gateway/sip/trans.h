/*
 * What the parts of the transaction layer share: the layer itself, one transaction, its states as a
 * table. The states and timers are those of RFC 3261 section 17 with RFC 6026 and RFC 4320.
 *
 *   client:  TRYING -1xx-> PROCEEDING -final-> COMPLETED (K)          F, lost connection: end
 *   INVITE:  CALLING -1xx-> PROCEEDING -3xx..6xx, ACK-> COMPLETED (D)    2xx-> ACCEPTED (M)
 *   server:  S_TRYING -3.5 s, 100-> S_PROCEEDING -final-> S_COMPLETED (J)
 *   INVITE:  S_INVITE_TRYING -200 ms, 100 or 1xx-> S_INVITE_PROCEEDING -3xx..6xx-> S_REFUSED (G, H) -ACK-> S_CONFIRMED (I)
 *            -2xx-> S_ACCEPTED (L; repeated as by G) -ACK-> S_ACKNOWLEDGED
 */
#ifndef GATEWAY_SIP_TRANS_H
#define GATEWAY_SIP_TRANS_H

#include "sip/dispatch.h"
#include "sip/key.h"
#include "sip/layer.h"
#include "sip/pace.h"
#include "util/heap.h"
#include "util/table.h"

#define SIP_STATES(X)                                                                                                                                \
	X(TRYING)                                                                                                                                    \
	X(PROCEEDING)                                                                                                                                \
	X(COMPLETED)                                                                                                                                 \
	X(CALLING)                                                                                                                                   \
	X(INVITE_PROCEEDING)                                                                                                                         \
	X(INVITE_COMPLETED)                                                                                                                          \
	X(ACCEPTED)                                                                                                                                  \
	X(S_TRYING)                                                                                                                                  \
	X(S_PROCEEDING)                                                                                                                              \
	X(S_COMPLETED)                                                                                                                               \
	X(S_INVITE_TRYING)                                                                                                                           \
	X(S_INVITE_PROCEEDING)                                                                                                                       \
	X(S_ACCEPTED)                                                                                                                                \
	X(S_ACKNOWLEDGED)                                                                                                                            \
	X(S_REFUSED)                                                                                                                                 \
	X(S_CONFIRMED)

enum sip_state {
#define X(name) SIP_STATE_##name,
	SIP_STATES(X)
#undef X
		SIP_STATE_COUNT
};

struct sip_trans {
	struct xfed_heap_item timer; /* first member: the heap's pointer is ours */
	uint64_t id;
	enum sip_state state;
	UT_hash_handle hh, hh_key, hh_merged; /* by id, key, merged */
	struct sip_key key, merged;
	bool is_merge_owner; /* stands in the table of merged requests */
	bool is_stranger;    /* server: nothing is kept once it is answered (section 8.2.7) */
	struct sip_target target;
	struct sip_trans *flow_next, **flow_prev; /* others on a connection; flow_prev NULL: on none */
	char *head;				  /* server: what its responses begin with; NULL once the final one is there */
	char *last;				  /* the request, or the last response: retransmissions send these bytes */
	size_t head_len, last_len, weight;	  /* weight: server: of `server_bytes` */
	const struct sip_user *user;
	uint64_t id_of_user;
	uint64_t dialog;	       /* it makes, or is inside; 0: none */
	uint64_t resend_ms, expire_ms; /* absolute, UINT64_MAX: never */
	uint64_t interval_ms;	       /* until the next retransmission */
	unsigned sends;
	bool is_written;		/* client: some of it has gone out, and may have been read */
	bool is_lost;			/* client: its connection has closed */
	bool is_silent;			/* client: a CANCEL or BYE that the layer sends by itself: nobody asks for its outcome */
	bool is_cancelled, must_cancel; /* client: CANCEL has gone out, or goes with the first provisional response */
	struct sip_trans *pace_next, *pace_prev, *dead_next;
	struct sip_pace *pace; /* client, UDP: it waits for its turn there; NULL: it does not */
	unsigned returned;     /* client, UDP: that many of its datagrams did not arrive */
};

/* A dialog in the layer's tables, or what becomes one. */
struct sip_leg {
	uint64_t number;
	const struct sip_user *user;
	uint64_t id;
	struct sip_dialog *dialog; /* NULL: a request of ours that nobody has answered */
	struct sip_key key;
	bool is_keyed, is_caller; /* found by it: of a dialog, or of what a NOTIFY may come for; the Call-ID is ours */
	/* Transactions, 0: none. */
	uint64_t maker;			/* the INVITE or SUBSCRIBE that makes it, while that is not settled */
	uint64_t ours, theirs, unacked; /* INVITEs under way in it; a 2xx of ours */
	uint32_t invite_cseq;		/* of the last INVITE of theirs */
	struct sip_target *target;	/* no larger than its name: sip_leg_target() */
	bool is_target_ours;		/* chosen by a request of ours */
	struct sip_leg *flow_next, **flow_prev;
	UT_hash_handle hh, hh_key; /* by number; by key */
};

#define SIP_ACTIONS_MAX	 64
#define SIP_KEPT_MAX	 4
#define SIP_FLOW_BUCKETS 1024

struct sip_layer {
	const struct xfed_env *env;
	struct sip_secret secret;
	struct {
		char *host;
		uint16_t port;
	} sent_by[SIP_TRANSPORT_COUNT];
	size_t transactions_max, server_bytes_max;
	unsigned time_divisor;
	uint64_t last_id, last_dialog;
	struct sip_trans *by_id, *by_key, *by_merged; /* uthash tables */
	struct xfed_heap timers;
	struct sip_users users;
	struct sip_leg *legs, *legs_by_key;
	struct sip_leg *leg_flows[SIP_FLOW_BUCKETS], *doubted; /* doubted: their connection has closed, which their users have not heard yet */
	struct sip_trans *flows[SIP_FLOW_BUCKETS];	       /* those on connections, by hash of the flow */
	struct sip_paces paces;
	struct sip_layer_stats stats;
	char *scratch; /* XFED_SIP_MESSAGE_BYTES: a request is printed here first */

	struct sip_layer_action actions[SIP_ACTIONS_MAX];
	size_t action_count, action_next;

	/* What the actions point to, until the next step or call. */
	struct sip_message *message;
	struct sip_error error;
	struct sip_flow_info flow;
	char *kept[SIP_KEPT_MAX];
	size_t kept_count;
	struct sip_trans *dead;
};

/* Forgets the last step's actions and what they pointed to. */
void sip_layer_begin(struct sip_layer *l);
void sip_layer_push(struct sip_layer *l, const struct sip_layer_action *act);
static inline size_t sip_layer_room(const struct sip_layer *l)
{
	return SIP_ACTIONS_MAX - l->action_count;
}

/* What is printed stands in the layer's scratch first. Its own copy, NULL: NOMEM; or sent at once, by no transaction: OK or NOMEM. */
char *sip_layer_copy(const struct sip_layer *l, size_t size);
int sip_layer_send(struct sip_layer *l, const struct sip_target *target, size_t size);

/* trans.c */
uint64_t sip_layer_scale(const struct sip_layer *l, uint64_t ms);
bool sip_layer_is_full(const struct sip_layer *l);
bool sip_layer_is_full_of_servers(const struct sip_layer *l);	/* the rest is for requests of ours */
int sip_trans_add(struct sip_layer *l, struct sip_trans *t);	/* gives it an id, enters it by id and key; OK or NOMEM */
void sip_trans_weigh(struct sip_layer *l, struct sip_trans *t); /* server: what it holds has changed */
void sip_trans_enter(struct sip_layer *l, struct sip_trans *t, enum sip_state state, uint64_t now_ms);
void sip_trans_end(struct sip_layer *l, struct sip_trans *t); /* its memory lives until the next step */
void sip_trans_free(struct sip_trans *t);		      /* one that is in no table */
void sip_trans_send(struct sip_layer *l, struct sip_trans *t);
void sip_trans_bind(struct sip_layer *l, struct sip_trans *t, uint64_t flow);
void sip_trans_unbind(struct sip_trans *t);
void sip_trans_rearm(struct sip_layer *l, struct sip_trans *t);
int sip_trans_fire(struct sip_layer *l, struct sip_trans *t, uint64_t now_ms);
struct sip_trans *sip_trans_by_id(const struct sip_layer *l, uint64_t id);
struct sip_trans *sip_trans_by_key(const struct sip_layer *l, const struct sip_key *key);
bool sip_trans_is_client(const struct sip_trans *t);
bool sip_trans_is_open(const struct sip_trans *t); /* a final response, of theirs or ours, is still awaited */

/* ctrans.c */
int sip_client_receive(struct sip_layer *l, const struct sip_message *m, uint64_t now_ms);
void sip_client_sent(struct sip_layer *l, uint64_t txn, uint64_t flow);
void sip_client_returned(struct sip_layer *l, const struct sip_layer_event *ev);
void sip_client_failed(struct sip_layer *l, struct sip_trans *t, bool was_written);

struct sip_via_out sip_client_via(const struct sip_layer *l, enum sip_transport transport, struct xfed_span branch);
/* Sends a request that stands in the layer's scratch; `*out` NULL unless OK. */
int sip_client_launch(struct sip_layer *l, const struct sip_target *target, struct xfed_span branch, struct xfed_span method, size_t size,
	uint64_t now_ms, struct sip_trans **out);
/* The INVITE or SUBSCRIBE we sent, read back. OK or an error. */
int sip_client_read_back(const struct sip_trans *t, struct sip_message **out);

/* strans.c */
int sip_server_receive(struct sip_layer *l, const struct sip_message *m, uint64_t now_ms);
int sip_server_answer(struct sip_layer *l, const struct sip_message *m, int status, const char *phrase, struct xfed_span extra);
int sip_server_say_trying(struct sip_layer *l, struct sip_trans *t, uint64_t now_ms);
int sip_server_give_up(struct sip_layer *l, struct sip_trans *t, uint64_t now_ms); /* an INVITE that its user has not answered */

/* legs.c: what dialogs ask of transactions */
struct sip_leg *sip_leg_by_number(const struct sip_layer *l, uint64_t number);
void sip_leg_free(struct sip_layer *l, struct sip_leg *leg);
bool sip_legs_are_full(const struct sip_layer *l);
void sip_leg_close_flow(struct sip_layer *l, uint64_t flow);
void sip_leg_tell_doubted(struct sip_layer *l);		       /* as many as there is room for */
void sip_leg_forget(struct sip_layer *l, struct sip_trans *t); /* it ends: what it would have made is not */
/* Before an INVITE or SUBSCRIBE of a user goes out. OK, AGAIN, NOMEM. */
int sip_leg_of_call(struct sip_layer *l, const struct sip_layer_request *rq, struct sip_leg **out);
/* A response to one, or inside a dialog: that is made, confirmed, refreshed or gone; a 2xx to INVITE is acknowledged. OK or NOMEM. */
int sip_leg_answered(struct sip_layer *l, struct sip_trans *t, const struct sip_message *m, uint64_t now_ms, bool *is_for_user);
/* Of an INVITE or SUBSCRIBE for a user: OK, INVALID (400), NOMEM. */
int sip_leg_of_request(struct sip_layer *l, struct sip_trans *t, const struct sip_user *user, const struct sip_message *m);
/* Before a response goes out that makes a dialog: it can be found from now on. OK or NOMEM. */
int sip_leg_enter(struct sip_layer *l, struct sip_leg *leg);
/* The dialog of a request; `*is_new`: made by this NOTIFY, which has come before the 2xx. NULL: none; `*rc` NOMEM, or INVALID (400). */
struct sip_leg *sip_leg_of(struct sip_layer *l, const struct sip_message *m, bool *is_new, int *rc);
void sip_leg_target(const struct sip_leg *leg, struct sip_target *out);
void sip_leg_moved(struct sip_layer *l, struct sip_leg *leg, const struct sip_target *target, bool is_ours);
void sip_leg_unacknowledged(struct sip_layer *l, struct sip_trans *t, uint64_t now_ms);

#endif
