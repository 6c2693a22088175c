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
	struct xfed_heap_item timer; /* first member: the heap's pointer is one to the transaction */
	uint64_t id;
	enum sip_state state;
	UT_hash_handle hh, hh_key, hh_merged; /* by id, key, merged */
	struct sip_key key, merged;
	bool is_merge_owner; /* is in the table of merged requests */
	bool is_stranger;    /* server: nothing is kept after the response (section 8.2.7) */
	struct sip_target target;
	struct sip_trans *flow_next, **flow_prev; /* links of those on the same connection; flow_prev NULL: on none */
	char *head;				  /* server: the common beginning of responses; NULL after the final one */
	char *last;				  /* the request, or the last response, for retransmissions */
	size_t head_len, last_len, weight;	  /* `weight`: of a server transaction, counted in `server_bytes` */
	const struct sip_user *user;
	uint64_t id_of_user;
	uint64_t dialog;	       /* the dialog it makes or belongs to; 0: none */
	bool is_in_leg;		       /* its leg names it: it makes the dialog, or is an INVITE inside */
	uint64_t resend_ms, expire_ms; /* monotonic time; UINT64_MAX: never */
	uint64_t interval_ms;	       /* to the next retransmission */
	unsigned sends;
	bool is_written;		  /* client: some of it has been sent, and may have been read */
	bool is_lost;			  /* client: its connection has closed */
	uint8_t is_silent : 1, forks : 7; /* client: made by the layer, nobody is told its outcome; dialogs of its INVITE ended with BYE */
	bool is_cancelled, must_cancel;	  /* client: CANCEL has been sent, or is to be sent after the first provisional response */
	struct sip_trans *pace_next, *pace_prev, *dead_next;
	struct sip_pace *pace; /* client, UDP: it waits there to be sent; NULL: it does not */
	unsigned returned;     /* client, UDP: how many of its datagrams did not arrive */
};

struct sip_leg; /* sip/legs.h */

#define SIP_ACTIONS_MAX	 64
#define SIP_KEPT_MAX	 4
#define SIP_FLOW_BUCKETS 1024

struct sip_layer {
	const struct xfed_env *env;
	struct sip_secret secret;
	struct {
		char *host;
		uint16_t port;
	} sent_by[SIP_TRANSPORT_COUNT + 1]; /* the last: outside */
	size_t transactions_max, server_bytes_max;
	unsigned time_divisor;
	uint64_t last_id, last_dialog;
	struct sip_trans *by_id, *by_key, *by_merged; /* uthash tables */
	struct xfed_heap timers;
	struct sip_users users;
	struct sip_leg *legs, *legs_by_key;
	struct sip_leg *leg_flows[SIP_FLOW_BUCKETS], *doubted; /* doubted: their connection has closed, and their users do not know yet */
	struct sip_trans *flows[SIP_FLOW_BUCKETS];	       /* transactions on connections, by hash of the flow */
	struct sip_paces paces;
	struct sip_layer_stats stats;
	char *scratch; /* XFED_SIP_MESSAGE_BYTES: requests are printed into it */

	struct sip_layer_action actions[SIP_ACTIONS_MAX];
	size_t action_count, action_next;

	/* What actions point to, until the next step or call. */
	struct sip_message *message, *spare; /* spare: the last one, in whose memory the next is parsed; NULL: none */
	struct sip_error error;
	struct sip_flow_info flow;
	char *kept[SIP_KEPT_MAX];
	size_t kept_count;
	struct sip_trans *dead;
};

/* Forgets the actions of the last step and what they pointed to. */
void sip_layer_begin(struct sip_layer *l);
void sip_layer_push(struct sip_layer *l, const struct sip_layer_action *act);
static inline size_t sip_layer_room(const struct sip_layer *l)
{
	return SIP_ACTIONS_MAX - l->action_count;
}

/* For what is printed in the layer's scratch buffer: a copy of it, NULL: no memory; or sends it at once, without transaction: OK or NOMEM. */
char *sip_layer_copy(const struct sip_layer *l, size_t size);
int sip_layer_send(struct sip_layer *l, const struct sip_target *target, size_t size);

/* trans.c */
uint64_t sip_layer_scale(const struct sip_layer *l, uint64_t ms);
bool sip_layer_is_full(const struct sip_layer *l);
bool sip_layer_is_full_of_servers(const struct sip_layer *l);	/* the rest of the table is reserved for requests of ours */
int sip_trans_add(struct sip_layer *l, struct sip_trans *t);	/* gives it an id, adds it to the tables by id and key; OK or NOMEM */
void sip_trans_weigh(struct sip_layer *l, struct sip_trans *t); /* server: to be called when the memory it holds has changed */
void sip_trans_enter(struct sip_layer *l, struct sip_trans *t, enum sip_state state, uint64_t now_ms);
void sip_trans_end(struct sip_layer *l, struct sip_trans *t); /* its memory is valid until the next step */
void sip_trans_free(struct sip_trans *t);		      /* frees one that is in no table */
void sip_trans_send(struct sip_layer *l, struct sip_trans *t);
void sip_trans_bind(struct sip_layer *l, struct sip_trans *t, uint64_t flow);
void sip_trans_unbind(struct sip_trans *t);
void sip_trans_rearm(struct sip_layer *l, struct sip_trans *t);
int sip_trans_fire(struct sip_layer *l, struct sip_trans *t, uint64_t now_ms);
struct sip_trans *sip_trans_by_id(const struct sip_layer *l, uint64_t id);
struct sip_trans *sip_trans_by_key(const struct sip_layer *l, const struct sip_key *key);
bool sip_trans_is_client(const struct sip_trans *t);
bool sip_trans_is_open(const struct sip_trans *t); /* a final response, of either side, is still awaited */

/* ctrans.c */
int sip_client_receive(struct sip_layer *l, const struct sip_message *m, uint64_t now_ms);
void sip_client_sent(struct sip_layer *l, uint64_t txn, uint64_t flow);
void sip_client_returned(struct sip_layer *l, const struct sip_layer_event *ev);
void sip_client_failed(struct sip_layer *l, struct sip_trans *t, bool was_written);

struct sip_via_out sip_client_via(const struct sip_layer *l, const struct sip_target *target, struct xfed_span branch);
/* Sends the request in the layer's scratch buffer; `*out` is NULL unless OK. */
int sip_client_launch(struct sip_layer *l, const struct sip_target *target, struct xfed_span branch, struct xfed_span method, size_t size,
	uint64_t now_ms, struct sip_trans **out);
/* The INVITE or SUBSCRIBE we sent, parsed. OK or an error. */
int sip_client_read_back(const struct sip_trans *t, struct sip_message **out);

/* strans.c */
int sip_server_receive(struct sip_layer *l, const struct sip_message *m, uint64_t now_ms);
int sip_server_answer(struct sip_layer *l, const struct sip_message *m, int status, const char *phrase, struct xfed_span extra);
int sip_server_say_trying(struct sip_layer *l, struct sip_trans *t, uint64_t now_ms);
int sip_server_give_up(struct sip_layer *l, struct sip_trans *t, uint64_t now_ms); /* ends an INVITE that its user has not answered */

#endif
