/*
 * trunk: everything between the gateway and SIP servers. Owns the SIP sockets, the transaction layer and the next hops; who sends
 * and takes requests is its user, in a room above.
 *
 *   next hop   a SIP server that requests of a domain go to; it is up when it answered the last request, whatever it said
 *   place      one transport address of a next hop (RFC 3263); tried in turn
 *   flow       a connection, or a UDP socket
 *   stranger   a peer that has not shown that it may send as one of our domains
 *
 * Calls core, config and the library sip/. Functions of the user are called in the loop, never from inside a call of the user's,
 * except hop_ready and hop_failed, which may come from inside trunk_want().
 */
#ifndef GATEWAY_TRUNK_TRUNK_H
#define GATEWAY_TRUNK_TRUNK_H

#include "config/config.h"
#include "core/core.h"
#include "sip/failover.h"
#include "sip/layer.h"
#include "trunk/hop_state.h"
#include "xfed/tls.h"

struct trunk;
struct trunk_hop;
struct trunk_send;

struct trunk_user {
	/* What it takes, and what it is told. A request is answered with trunk_respond(); nothing is proved of its sender: trunk_may_send(). */
	struct sip_user sip;
	/* trunk_want(): `s->places` holds where to try; or there is nowhere. */
	void (*hop_ready)(void *data, struct trunk_send *s);
	void (*hop_failed)(void *data, struct trunk_send *s, enum xfed_reason reason);
};

/* ---- the room ---- */

/* Borrowed until trunk_reloaded() gives others, or trunk_stop(). `creds` NULL: nothing uses tls. */
struct trunk_files {
	const struct config *config;
	struct xfed_tls_creds *creds;
};

/* Opens the sockets. Whatever it returns, trunk_stop() and trunk_free() follow. OK, or an error with one sentence in `error`. */
int trunk_new(struct core *core, const struct trunk_files *files, struct trunk **out, char error[256]);
/* Before the loop runs; `user` outlives the room. OK, LIMIT, or STATE: another takes that method. */
int trunk_use(struct trunk *t, const struct trunk_user *user);
void trunk_stop(struct trunk *t); /* closes everything; jobs of it may still run */
void trunk_free(struct trunk *t); /* when the loop is gone; NULL is fine */
void trunk_tick(struct trunk *t, uint64_t now_ms);
void trunk_drain(struct trunk *t); /* no new connections of peers */
/* Places are looked up again and connections judged by what is trusted now. */
void trunk_reloaded(struct trunk *t, const struct trunk_files *files);

/* ---- next hops ---- */

struct trunk_hop *trunk_hop_of(struct trunk *t, const struct config_domain *d); /* stays until the process ends; NULL: NOMEM */

struct trunk_hop_facts {
	const char *label; /* "tls:fe.example.com:5061", or "example.com" to be located */
	const struct hop_state *state;
	bool is_used;	   /* a domain has it, as of the last reload */
	unsigned no_tcp_s; /* so long it gets nothing that is too large for UDP, as it has refused TCP; 0: it may */
	int64_t no_tcp_since_s;
};
struct trunk_hop_facts trunk_hop_facts(const struct trunk_hop *h);
const struct trunk_hop *trunk_hop_next(const struct trunk *t, const struct trunk_hop *h); /* all of them; NULL: the first, the end */

/* Transports a request may go over, the one liked best first; 0: none. Large: above what UDP takes. */
size_t trunk_hop_transports(const struct trunk_hop *h, bool is_large, enum sip_transport out[SIP_TRANSPORT_COUNT]);

/* What the credentials for it add to a request, or, before it has asked, more than they usually do; 0: it gets none. */
size_t trunk_hop_proof_bytes(const struct trunk_hop *h, struct xfed_span uri);

/* What waits for the hop or is in flight there. False: as much as may be (delivery.queue.full). */
bool trunk_hop_load(struct trunk_hop *h, size_t bytes);
void trunk_hop_unload(struct trunk_hop *h, size_t bytes);

/*
 * Dialogs with whoever is behind a hop outlive connections, and he may be started anew. A connection that closes tells so (sip_user's
 * doubted); over UDP nothing does, so a hop that carries dialogs is asked (OPTIONS) every 30 s.
 */
void trunk_hop_carries(struct trunk_hop *h, bool is_more); /* a dialog over UDP more, or one less */
/* Counts up when the dialogs of the hop are in doubt: it was asked in vain, no connection came about, or it is there again after that. */
uint64_t trunk_hop_doubts(const struct trunk_hop *h);
bool trunk_hop_is_lost(const struct trunk_hop *h); /* the first two, and it has not answered since */
uint64_t trunk_doubts(const struct trunk *t);	   /* of all hops */

/* ---- requests of ours ---- */

/* One request on its way; lives in what it is sent for. Its owner fills in the first five and zeroes the rest, which is the trunk's. */
struct trunk_send {
	const struct trunk_user *user;
	struct trunk_hop *hop;
	bool is_large;		     /* too large for UDP */
	bool is_repeat;		     /* it may have been sent before: 482 says that it was */
	uint64_t recipient;	     /* a hash of whom a message is for: what one of them refuses may be his phone's doing */
	struct sip_failover *places; /* to try in turn; NULL until hop_ready() */
	struct sip_digest_asked *asked;
	unsigned round;		   /* 0: without credentials; counts up with each that is asked for and given */
	unsigned challenges;	   /* how often it was asked for them */
	enum xfed_reason unproved; /* sip.auth.*: the last answer was for want of the right ones; NONE: it was not */
	struct trunk_send *prev, *next, **list;
};

/* Looks for the places of its hop: hop_ready() or hop_failed(), at once or later. */
void trunk_want(struct trunk_send *s);
void trunk_send_end(struct trunk_send *s); /* it waits for nothing any more, its places are freed */

/*
 * Sends it, to the target that it names. Where the next hop asks for credentials they are added; a new round of the same request has
 * a CSeq one higher and its number in the branch. OK, or as sip_layer_request(). The functions of the user may have been called before
 * it returns.
 */
int trunk_send_request(struct trunk_send *s, const struct sip_layer_request *rq, uint64_t *txn);
/*
 * After LIMIT. True: with its credentials it has become too large for UDP, and the hop may have places that take it: trunk_want() again.
 */
bool trunk_send_enlarge(struct trunk_send *s);
/* True: that final answer asks for credentials that we have. To be sent once more, to the same place. */
bool trunk_send_challenged(struct trunk_send *s, const struct sip_message *m);
/*
 * Whether 482 (a copy has been here before) means that the copy was taken. Where the hop asks for credentials and the request has none,
 * the copy had none either and was refused.
 */
bool trunk_send_may_have_been_taken(const struct trunk_send *s);
int trunk_request_size(const struct trunk *t, const struct sip_layer_request *rq, size_t *size);

/* CANCELs an INVITE of ours; its end is told as that of any request. NOT_FOUND: it has its answer. NOMEM. */
int trunk_cancel(struct trunk *t, uint64_t txn);

/*
 * How the attempt at the present place of `s` ended; told to the hop's state, its failed places and the metrics. Of a request inside a
 * dialog (places NULL) only the metrics are told, and of answers to anything but MESSAGE the state hears no refusal.
 */
void trunk_send_answered(struct trunk_send *s, struct xfed_span method, int status);
void trunk_send_timed_out(struct trunk_send *s);
void trunk_send_broken(struct trunk_send *s, bool was_written);
/* No other place was left to try after that. What to tell of it: the hop is down, or it takes no TCP and the request is too large for UDP. */
enum xfed_reason trunk_send_unreached(struct trunk_send *s);

/* ---- dialogs ---- */

/*
 * Sends it inside rq->dialog, one of the domain `d`, whose next hop is that of `s`; credentials as above. It goes to the address its
 * Contact or Record-Route names where that is a peer of the domain, else the dialog's own way: trunk/way.h. OK; NOT_FOUND: there is no
 * such dialog, or nobody on its way is a peer of the domain any more (sip.peer.unlisted, told in the log): it is to be given up;
 * or as sip_layer_request().
 */
int trunk_send_inside(struct trunk_send *s, const struct config_domain *d, const struct sip_layer_request *rq, uint64_t *txn);
/* NULL: no such dialog. Borrowed until anything is sent or the loop goes on. */
const struct sip_dialog *trunk_dialog(const struct trunk *t, uint64_t dialog);
void trunk_dialog_end(struct trunk *t, uint64_t dialog); /* nothing more is sent or taken inside it */

/* ---- requests of peers ---- */

/* Whether whoever is behind the flow may send as this domain. */
bool trunk_may_send(const struct trunk *t, const struct config_domain *d, const struct sip_flow_info *flow);
/* Who that is, for the log: "192.0.2.1:5061 over tls, certificate of dns:a.example". */
#define TRUNK_PEER_WORDS 400
const char *trunk_peer_words(const struct trunk *t, const struct sip_flow_info *flow, char out[TRUNK_PEER_WORDS]);
/*
 * Who was refused lately: for status. The last few, by address, transport and domain of ours; one that may send now is forgotten.
 * `domain`: of its From, `is_ours` where it is one of domains[].
 */
#define TRUNK_UNTRUSTED_MAX 4
struct trunk_untrusted {
	char peer[TRUNK_PEER_WORDS]; /* as trunk_peer_words() */
	char ip[SIP_IP_SIZE], domain[SIP_NAME_SIZE], remedy[448];
	enum sip_transport transport;
	bool is_ours;
	bool has_others;	/* another has been let send as `domain` since */
	uint64_t count, number; /* of messages, 0: nobody; the last of them among all */
	int64_t first_s, last_s;
};
void trunk_note_sender(struct trunk *t, const struct sip_flow_info *flow, struct xfed_span domain, bool is_ours, bool may_send);
const struct trunk_untrusted *trunk_untrusted(const struct trunk *t, size_t i); /* NULL: nobody is in that place */

/* Our Contact over that transport: "<sip:gw1.int.example.com:5061;transport=tls>". */
#define TRUNK_CONTACT_BYTES 320
const char *trunk_contact(const struct trunk *t, enum sip_transport transport, char out[TRUNK_CONTACT_BYTES]);
const char *trunk_allow(const struct trunk *t); /* the header line of a 405, with CRLF */
/* As sip_layer_answer(): provisional and final, with Contact, header lines and a body. */
int trunk_answer(struct trunk *t, uint64_t txn, const struct sip_response *r, uint64_t id);
/* The same without a dialog; a phrase or header lines that cannot be printed are left out. */
int trunk_respond(struct trunk *t, uint64_t txn, int status, const char *phrase, struct xfed_span extra);

#endif
