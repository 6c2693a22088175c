/*
 * trunk: everything between the gateway and SIP servers: SIP sockets, the transaction layer and next hops. Rooms above register as users,
 * to send and take requests.
 *
 *   next hop   a SIP server that requests for a domain go to; it is up if it answered the last request, with any status
 *   place      one transport address of a next hop (RFC 3263); places are tried one after the other
 *   flow       a connection, or a UDP socket
 *   neighbour  a federated one, such as the Edge of Lync; what goes between us goes by sip.federation, and is called outside
 *   stranger   a peer that has not shown that it may send as one of our domains
 *
 * May call core, config and the library sip/. Functions of users are called from the loop, never during a call of the user, except
 * hop_ready and hop_failed, which may be called during trunk_want().
 */
#ifndef GATEWAY_TRUNK_TRUNK_H
#define GATEWAY_TRUNK_TRUNK_H

#include "config/config.h"
#include "core/core.h"
#include "sip/failover.h"
#include "sip/layer.h"
#include "trunk/ask.h"
#include "trunk/facts.h"
#include "trunk/hop_state.h"
#include "trunk/unsent.h"
#include "xfed/tls.h"

struct trunk;
struct trunk_hop;
struct trunk_send;

struct trunk_user {
	/*
	 * The requests it takes, and its functions. Requests are answered with trunk_respond(); whether a sender may send is to be asked of
	 * trunk_may_send().
	 */
	struct sip_user sip;
	/* The results of trunk_want(): the places are in `s->places`; or there is none. */
	void (*hop_ready)(void *data, struct trunk_send *s);
	void (*hop_failed)(void *data, struct trunk_send *s, enum xfed_reason reason);
};

/* ---- the room ---- */

/* Borrowed until trunk_reloaded() brings others, or until trunk_stop(). `creds`, `outside` (sip.federation) NULL: nothing uses them. */
struct trunk_files {
	const struct config *config;
	struct xfed_tls_creds *creds, *outside;
};

/* Opens the sockets. XFED_OK, or an error with one sentence in `error`; trunk_stop() and trunk_free() have to follow in both cases. */
int trunk_new(struct core *core, const struct trunk_files *files, struct trunk **out, char error[256]);
/* To be called before the loop runs; `user` outlives the room. OK, LIMIT, or STATE: another user takes that method. */
int trunk_use(struct trunk *t, const struct trunk_user *user);
void trunk_stop(struct trunk *t); /* closes everything; jobs may still be running */
void trunk_free(struct trunk *t); /* after the loop has ended; NULL is fine */
void trunk_tick(struct trunk *t, uint64_t now_ms);
void trunk_drain(struct trunk *t); /* accepts no further connections */
/* Looks up places again, and judges connections by the present trust. */
void trunk_reloaded(struct trunk *t, const struct trunk_files *files);

/* ---- next hops ---- */

struct trunk_hop *trunk_hop_of(struct trunk *t, const struct config_domain *d); /* it exists until the process ends; NULL: no memory */

struct trunk_hop_facts {
	const char *label; /* "tls:fe.example.com:5061", or "example.com" where it is looked up */
	const struct hop_state *state;
	bool is_used;	   /* some domain uses it, as of the last reload */
	unsigned no_tcp_s; /* seconds for which it gets nothing that is too large for UDP, because it has refused TCP; 0: none */
	int64_t no_tcp_since_s;
};
struct trunk_hop_facts trunk_hop_facts(const struct trunk_hop *h);
const struct trunk_hop *trunk_hop_next(const struct trunk *t, const struct trunk_hop *h); /* iteration: NULL begins, NULL is returned at the end */

/* The transports a request may use, preferred ones first; returns their number. `is_large`: the request is too large for UDP. */
size_t trunk_hop_transports(const struct trunk_hop *h, bool is_large, enum sip_transport out[SIP_TRANSPORT_COUNT]);

/* How many bytes credentials add to a request; an upper estimate as long as the hop has not asked for any. 0: it has none configured. */
size_t trunk_hop_proof_bytes(const struct trunk_hop *h, struct xfed_span uri);

/* Adds to what waits for the hop or is in flight there. False: the limit is reached (delivery.queue.full). */
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

/* A request on its way; a member of whatever is sent. The owner fills in the first five members and zeroes the rest, which the trunk uses. */
struct trunk_send {
	const struct trunk_user *user;
	struct trunk_hop *hop;
	uint64_t recipient;		/* a hash of the recipient of a message: a refusal may come from that user's phone */
	bool is_large : 1;		/* too large for UDP */
	bool is_repeat : 1;		/* it may have been sent before, as a response of 482 would show */
	unsigned challenges : 8;	/* how often it was challenged */
	enum xfed_reason unproved : 16; /* the last response asked for credentials: sip.auth.*; NONE: it did not */
	unsigned round;			/* 0: without credentials; then the number of the round, one more after each challenge */
	struct sip_failover *places;	/* to be tried one after the other; NULL until hop_ready() */
	struct sip_digest_asked *asked;
	struct trunk_send *prev, *next, **list;
};

/* Looks up the places of the hop: hop_ready() or hop_failed() follows, at once or later. */
void trunk_want(struct trunk_send *s);
void trunk_send_end(struct trunk_send *s); /* cancels what it waits for, and frees its places */

/*
 * Sends it to the target it names, with credentials where the next hop asks for them. A further round of the same request has a CSeq one
 * higher, and the number of the round in its branch. Returns OK, or an error of sip_layer_request(). Functions of the user may be called
 * during this call.
 */
int trunk_send_request(struct trunk_send *s, const struct sip_layer_request *rq, uint64_t *txn);
/* To be called after LIMIT. True: credentials have made it too large for UDP, and other places of the hop may accept it: trunk_want() again. */
bool trunk_send_enlarge(struct trunk_send *s);
/* True: this final response asks for credentials that we have; the request is to be sent once more, to the same place. */
bool trunk_send_challenged(struct trunk_send *s, const struct sip_message *m);
/*
 * Whether 482 (another copy has arrived before) means that the request was accepted. Where the hop asks for credentials and this copy has
 * none, the other one had none either and was refused.
 */
bool trunk_send_may_have_been_taken(const struct trunk_send *s);
int trunk_request_size(const struct trunk *t, const struct sip_layer_request *rq, size_t *size);

/* Cancels an INVITE of ours; its end is reported like that of any request. NOT_FOUND: it has its final response. NOMEM. */
int trunk_cancel(struct trunk *t, uint64_t txn);

/*
 * How the attempt at the present place of `s` ended, for the hop's state, its failed places and the metrics. A request inside a dialog
 * (places NULL) counts in the metrics only, and a refusal of anything but MESSAGE, or INVITE in its place, does not count against the hop.
 */
void trunk_send_answered(struct trunk_send *s, struct xfed_span method, const struct sip_message *m);
void trunk_send_timed_out(struct trunk_send *s);
void trunk_send_broken(struct trunk_send *s, bool was_written);
/* To be called when no further place is left: what to report. The hop is down, or the request is too large for UDP and the hop accepts no TCP. */
enum xfed_reason trunk_send_unreached(struct trunk_send *s);

/* ---- dialogs ---- */

/*
 * Sends a request inside rq->dialog, a dialog of domain `d`, whose next hop is that of `s`; credentials as above. It is sent to the address
 * in the dialog's Contact or Record-Route if that is a peer of the domain, else along the dialog's own way (trunk/way.h). OK; NOT_FOUND:
 * the dialog does not exist, or no peer of the domain is on its way any more (sip.peer.unlisted, which has been logged), and the caller
 * gives the dialog up; or an error of sip_layer_request().
 */
int trunk_send_inside(struct trunk_send *s, const struct config_domain *d, const struct sip_layer_request *rq, uint64_t *txn);
/* NULL: it does not exist. Borrowed until anything is sent or the loop runs on. */
const struct sip_dialog *trunk_dialog(const struct trunk *t, uint64_t dialog);
/*
 * Takes up a dialog of the process before from sip_dialog_write()'s text; it is the user's of `s`, under `id`. Requests inside it go to the
 * first of the places of `s`, until the peer says otherwise; `*transport`: over what. 0: it cannot be read, or NOMEM.
 */
uint64_t trunk_dialog_resume(struct trunk_send *s, uint64_t id, struct xfed_span text, enum sip_transport *transport);
void trunk_dialog_end(struct trunk *t, uint64_t dialog); /* forgets the dialog */

/* ---- requests of peers ---- */

/* Whether the peer on this flow may send as this domain. */
bool trunk_may_send(const struct trunk *t, const struct config_domain *d, const struct sip_flow_info *flow);
/* The peer in words, for the log: "192.0.2.1:5061 over tls, certificate of dns:a.example". */
#define TRUNK_PEER_WORDS 400
const char *trunk_peer_words(const struct trunk *t, const struct sip_flow_info *flow, char out[TRUNK_PEER_WORDS]);
/*
 * The last peers that were refused because they may not send, for `status`; by address, transport and domain of ours. A peer that may send
 * now is forgotten. `domain`: that of its From; `is_ours`: it is one of domains[].
 */
#define TRUNK_UNTRUSTED_MAX 4
struct trunk_untrusted {
	char peer[TRUNK_PEER_WORDS]; /* in the words of trunk_peer_words() */
	char ip[SIP_IP_SIZE], domain[SIP_NAME_SIZE], remedy[448];
	enum sip_transport transport;
	bool is_ours;
	bool has_others;	/* another peer has sent as `domain` since, and was allowed to */
	uint64_t count, number; /* messages refused, 0: the place is empty; number of the last refusal among all */
	int64_t first_s, last_s;
};
void trunk_note_sender(struct trunk *t, const struct sip_flow_info *flow, struct xfed_span domain, bool is_ours, bool may_send);
const struct trunk_untrusted *trunk_untrusted(const struct trunk *t, size_t i); /* NULL: the place is empty */

/* Our Contact for that transport: "<sip:gw1.int.example.com:5061;transport=tls>". */
#define TRUNK_CONTACT_BYTES 320
const char *trunk_contact(const struct trunk *t, enum sip_transport transport, char out[TRUNK_CONTACT_BYTES]);
const char *trunk_allow(const struct trunk *t); /* the Allow header field for a 405, with CRLF */
/* As sip_layer_answer(): a provisional or final response, with Contact, further header fields and a body. */
int trunk_answer(struct trunk *t, uint64_t txn, const struct sip_response *r, uint64_t id);
/* The same without a dialog; a phrase or header fields that cannot be printed are left out. */
int trunk_respond(struct trunk *t, uint64_t txn, int status, const char *phrase, struct xfed_span extra);

#endif
