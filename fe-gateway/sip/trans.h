/*
 * What the parts of the transaction layer share: the layer itself, one transaction, its states as a
 * table. The states and timers are those of RFC 3261 section 17 with RFC 6026 and RFC 4320.
 *
 *   client:  TRYING -1xx-> PROCEEDING -final-> COMPLETED (K)          F, lost connection: end
 *   INVITE:  CALLING -1xx-> PROCEEDING -3xx..6xx, ACK-> COMPLETED (D)    2xx-> ACCEPTED (M)
 *   server:  S_TRYING -3.5 s, 100-> S_PROCEEDING -final-> S_COMPLETED (J)
 *   INVITE:  refused at once: S_REFUSED (G, H) -ACK-> S_CONFIRMED (I)
 */
#ifndef SIP_TRANS_H
#define SIP_TRANS_H

#include "sip/key.h"
#include "sip/layer.h"
#include "sip/timers.h"
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
	X(S_REFUSED)                                                                                                                                 \
	X(S_CONFIRMED)

enum sip_state {
#define X(name) SIP_STATE_##name,
	SIP_STATES(X)
#undef X
		SIP_STATE_COUNT
};

struct sip_trans {
	struct sip_timer timer; /* first member: the heap's pointer is ours */
	uint64_t id;
	enum sip_state state;
	UT_hash_handle hh, hh_key, hh_merged; /* by id, key, merged */
	struct sip_key key, merged;
	bool is_merge_owner; /* stands in the table of merged requests */
	bool is_stranger;    /* server: nothing is kept once it is answered (section 8.2.7) */

	struct sip_target target;
	struct sip_trans *flow_next, **flow_prev; /* others on a connection; flow_prev NULL: on none */
	char *head;				  /* server: what its responses begin with */
	size_t head_len;
	char *last; /* the request, or the last response: retransmissions send these bytes */
	size_t last_len;

	uint64_t cookie;
	uint64_t resend_ms, expire_ms; /* absolute, UINT64_MAX: never */
	uint64_t interval_ms;	       /* until the next retransmission */
	unsigned sends;
	bool is_written; /* client: some of it has gone out */
	bool is_lost;	 /* client: its connection has closed */
	bool is_silent;	 /* client: a CANCEL of ours, nobody asks for its outcome */
	struct sip_trans *dead_next;
};

#define SIP_ACTIONS_MAX	 64
#define SIP_FLOW_BUCKETS 1024

struct sip_layer {
	const struct xfed_env *env;
	struct sip_secret secret;
	struct {
		char *host;
		uint16_t port;
	} sent_by[SIP_TRANSPORT_COUNT];
	size_t transactions_max;
	unsigned time_divisor;

	uint64_t last_id;
	struct sip_trans *by_id, *by_key, *by_merged; /* uthash tables */
	struct sip_timers timers;
	struct sip_trans *flows[SIP_FLOW_BUCKETS]; /* those on connections, by hash of the flow */
	struct sip_layer_stats stats;
	char *scratch; /* XFED_SIP_MESSAGE_BYTES: a request is printed here first */

	struct sip_layer_action actions[SIP_ACTIONS_MAX];
	size_t action_count, action_next;

	/* What the actions point to, until the next step or call. */
	struct sip_message *message;
	struct sip_error error;
	struct sip_flow_info flow;
	char *reply;
	struct sip_trans *dead;
};

/* Forgets the last step's actions and what they pointed to. */
void sip_layer_begin(struct sip_layer *l);
void sip_layer_push(struct sip_layer *l, const struct sip_layer_action *act);
static inline size_t sip_layer_room(const struct sip_layer *l)
{
	return SIP_ACTIONS_MAX - l->action_count;
}

/* trans.c */
uint64_t sip_layer_scale(const struct sip_layer *l, uint64_t ms);
bool sip_layer_is_full(const struct sip_layer *l);
bool sip_layer_is_full_of_servers(const struct sip_layer *l); /* the rest is for requests of ours */
int sip_trans_add(struct sip_layer *l, struct sip_trans *t);  /* gives it an id, enters it by id and key; OK or NOMEM */
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
void sip_client_failed(struct sip_layer *l, struct sip_trans *t, bool was_written);

/* strans.c */
int sip_server_receive(struct sip_layer *l, const struct sip_message *m, uint64_t now_ms);
int sip_server_answer(struct sip_layer *l, const struct sip_message *m, int status, const char *phrase, struct xfed_span extra);
int sip_server_say_trying(struct sip_layer *l, struct sip_trans *t);

#endif
