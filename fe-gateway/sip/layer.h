/*
 * The SIP transaction layer, and the rules of the transport that need no socket, as one machine (RFC 3261 sections 17 and 18, RFC 6026, RFC
 * 4320, RFC 3581). Events go in by sip_layer_step() and the calls below, actions come out of sip_layer_next(), time goes by
 * sip_layer_deadline().
 *
 * Flows. The I/O side gives every UDP socket and every TCP or TLS connection a number, never 0 and never used again. A message comes in on
 * a flow; its response goes out on the same flow. A request of ours goes to a *target* (transport, address, port, TLS name): the I/O side
 * decides whether it reuses an open connection to the same four or makes a new one ([C3-08]). A response whose flow is closed comes out
 * with a target too.
 *
 * Users. Whoever sends and takes requests registers (sip/user.h); actions for a user name it, and the driver calls its functions. A request
 * inside a dialog goes to the dialog's user, others go by their method.
 *
 * Dialogs. An INVITE or SUBSCRIBE outside of one, from or for a user, begins a dialog, which the layer keeps (sip/dialog.h) under a number
 * until the user ends it. If the caller names no target, requests inside it go where the dialog was set up, or where the peer sent its last
 * request from; Contact and Record-Route are written into them, and never decide by themselves where to send. The layer does what INVITE
 * demands of both ends (RFC 3261 section 13, RFC 6026): 2xx are acknowledged, each copy again; further forks are acknowledged and ended; a
 * 2xx of ours is repeated until its ACK comes, and given up with BYE.
 *
 * UDP. Requests of ours are sent at a limited pace (sip/pace.h). One ends as not written when all its datagrams have come back (ICMP). When
 * only some have, a server may have it: it ends as written, at the time of its next retransmission.
 *
 * Keep-alives that are no SIP are handled by the layer on UDP (line ends, NUL, STUN: ignored) and by the framer on a stream.
 *
 * Driver: step or call, then drain sip_layer_next() until false, then set the timer from sip_layer_deadline(). A step or call before all
 * actions are drained fails XFED_REQUIRE. Spans and messages in an action are valid until the next step or call. A TICK does a bounded
 * amount of work: if more is due, the deadline is already past.
 */
#ifndef GATEWAY_SIP_LAYER_H
#define GATEWAY_SIP_LAYER_H

#include "sip/dialog.h"
#include "sip/flow.h"
#include "sip/user.h"
#include "xfed/env.h"

struct sip_layer_config {
	/* Our host and port in Via, by transport. A transport with an empty host sends no requests. Copied. */
	struct {
		struct xfed_span host;		 /* IPv6 without brackets */
		uint16_t port;			 /* 0: not written, which means the default */
	} sent_by[SIP_TRANSPORT_COUNT], outside; /* outside: at federated neighbours, over TLS; an empty host: there are none */
	size_t transactions_max;		 /* 0: XFED_SIP_TRANSACTIONS_MAX */
	size_t server_bytes_max;		 /* memory for requests of peers and their responses; 0: XFED_SIP_SERVER_BYTES */
	unsigned time_divisor;			 /* for tests: timers are divided by it; 0: 1 */
};

enum sip_layer_event_kind {
	SIP_LAYER_RECV,	       /* flow, bytes: one datagram, or one message cut by sip/framer.h */
	SIP_LAYER_RETURNED,    /* flow with the address it was sent to; bytes: the beginning of a datagram that did not arrive, according to ICMP */
	SIP_LAYER_SENT,	       /* txn, flow_id: the first byte of that request has been sent on that flow (TCP, TLS) */
	SIP_LAYER_SEND_FAILED, /* txn, was_written: the request could not be sent (no connection, or it broke) */
	SIP_LAYER_FLOW_CLOSED, /* flow_id, was_unread */
	SIP_LAYER_TICK,
};

struct sip_layer_event {
	enum sip_layer_event_kind kind;
	const struct sip_flow_info *flow; /* RECV, RETURNED */
	struct xfed_span bytes;		  /* RECV, RETURNED */
	uint64_t flow_id;		  /* SENT, FLOW_CLOSED */
	uint64_t txn;			  /* SENT, SEND_FAILED */
	bool was_written;		  /* SEND_FAILED: some of the request may have been sent */
	bool was_unread;		  /* FLOW_CLOSED: the peer has read nothing of what was sent on it */
};

enum sip_layer_action_kind {
	SIP_ACT_SEND,	 /* target (flow set: on that flow), bytes; txn not 0: a request of ours, to be followed by SENT or SEND_FAILED */
	SIP_ACT_REQUEST, /* a new request for the user: txn (0: an ACK), message, flow, dialog, id; answered by sip_layer_respond() */
	/* id, txn, status, message, dialog: a provisional (not 100) or final response; a final one ends the transaction for the user */
	SIP_ACT_RESPONSE,
	/* id, txn, was_written (always true for UDP): Timer B or F; ends the transaction. flow_id: the connection it went over, or 0 */
	SIP_ACT_TIMEOUT,
	SIP_ACT_TRANSPORT_ERROR, /* id, txn, was_written; ends the transaction */
	SIP_ACT_CANCELLED,	 /* txn: an INVITE for the user that the layer has answered */
	SIP_ACT_ENDED,		 /* id, dialog: a 2xx was never acknowledged, and the dialog does not exist any more */
	SIP_ACT_DOUBTED,	 /* id, dialog: the connection it used has closed; the peer may have been restarted */
	SIP_ACT_BAD_MESSAGE,	 /* flow, error: for log and metric; already answered if possible */
	SIP_ACT_REFUSED,	 /* flow, message, status: answered by the layer because no user takes it; for log and metric */
	SIP_ACT_CLOSE_FLOW,	 /* flow_id: close it after everything before has been sent */
};

struct sip_layer_action {
	enum sip_layer_action_kind kind;
	struct sip_target target;
	struct xfed_span bytes;
	uint64_t txn;
	const struct sip_user *user; /* REQUEST to DOUBTED; NULL: no user is to be told */
	uint64_t id, dialog;	     /* `id` is the user's own; 0: none */
	int status;
	const struct sip_message *message;
	const struct sip_flow_info *flow; /* REQUEST, BAD_MESSAGE, REFUSED */
	uint64_t flow_id;
	bool was_written;
	const struct sip_error *error;
};

struct sip_layer;

/* OK or NOMEM. `env` is borrowed as long as the layer exists. */
int sip_layer_new(const struct sip_layer_config *config, const struct xfed_env *env, struct sip_layer **out);
void sip_layer_free(struct sip_layer *l);

/* To be called before anything is received; the user outlives the layer. OK, LIMIT, or STATE: another user takes that method or package. */
int sip_layer_use(struct sip_layer *l, const struct sip_user *user);

/* The Allow header field for a 405, with CRLF. */
const char *sip_layer_allow(const struct sip_layer *l);

/* Calls the function of the user that the action is for; false: the action is for no user. */
bool sip_layer_tell(const struct sip_layer_action *act);

/* OK, or NOMEM: the event is lost, as a packet may be, and the layer goes on. */
int sip_layer_step(struct sip_layer *l, const struct sip_layer_event *ev, uint64_t now_ms);
bool sip_layer_next(struct sip_layer *l, struct sip_layer_action *act);
uint64_t sip_layer_deadline(const struct sip_layer *l); /* UINT64_MAX: none */

struct sip_layer_request {
	struct sip_target target;
	struct sip_request request;  /* borrowed for the call */
	struct xfed_span branch;     /* unique part of the branch; absent: random */
	size_t max_request;	     /* limit over TCP and TLS; 0: XFED_SIP_MAX_REQUEST. Over UDP it is always 1300 */
	const struct sip_user *user; /* is told the outcome, under `id`; NULL: nobody, and the request makes no dialog */
	uint64_t id;
	/*
	 * Not 0: a request inside that dialog. Request-URI, Route, From, To, Call-ID and CSeq are taken from it, and the target too if `target` has
	 * no address. A CSeq that was used is not given back.
	 */
	uint64_t dialog;
};

/*
 * Starts a client transaction (INVITE or not, by the method); `*txn` identifies it. Unless OK, nothing is sent. LIMIT: the request is
 * larger than `max_request`, or than 1300 bytes over UDP (sip.request.too-large). AGAIN: the table of transactions is full. STATE: a
 * transaction with that branch and method is running, the transport has no sent_by, or an INVITE is running in the dialog (section 14.1).
 * NOT_FOUND: the dialog does not exist, or not yet. INVALID: a value that cannot be printed. NOMEM.
 */
int sip_layer_request(struct sip_layer *l, const struct sip_layer_request *params, uint64_t now_ms, uint64_t *txn);

/* The size of the request on the wire, for comparing with max_request before it is queued. OK or INVALID. */
int sip_layer_request_size(const struct sip_layer *l, const struct sip_layer_request *params, size_t *size);

/*
 * Answers a REQUEST. A response to a stranger, and a refusal that follows from the request alone (405, 415 ...), keep no transaction.
 * Provisional responses are allowed for INVITE only (RFC 4320). `id`: the user's id of the dialog that this makes or belongs to. NOT_FOUND:
 * the transaction does not exist any more (answered, or 32 s old: RFC 4320 forbids a later response). INVALID: a value cannot be printed.
 * NOMEM: nothing was sent, and it may be called again.
 */
int sip_layer_answer(struct sip_layer *l, uint64_t txn, const struct sip_response *r, uint64_t id, uint64_t now_ms);
/* The same without a dialog. phrase NULL: the standard one. */
static inline int sip_layer_respond(struct sip_layer *l, uint64_t txn, int status, const char *phrase, struct xfed_span extra, uint64_t now_ms)
{
	struct sip_response r = { .status = status, .phrase = xfed_span_str(phrase), .extra = extra };
	return sip_layer_answer(l, txn, &r, 0, now_ms);
}

/*
 * Cancels an INVITE of ours (RFC 3261 section 9.1) as soon as a provisional response has come. Its end is reported like that of any
 * request. Where the peer has accepted meanwhile, that is acknowledged and ended, and there is no dialog. NOT_FOUND, NOMEM.
 */
int sip_layer_cancel(struct sip_layer *l, uint64_t txn, uint64_t now_ms);

/* ---- dialogs ---- */

/* NULL: it does not exist, or not yet. Borrowed until the next step or call. */
const struct sip_dialog *sip_layer_dialog(const struct sip_layer *l, uint64_t dialog);
/* A dialog of the process before; requests go `to` a place we chose. 0: one of that name exists, or NOMEM; else its number, and `d` is taken. */
uint64_t sip_layer_dialog_resume(struct sip_layer *l, const struct sip_user *user, uint64_t id, struct sip_dialog *d, const struct sip_target *to);
/*
 * The dialog, and where requests inside it go if no target is named; `*is_ours`: a request of ours has chosen that, not the peer. NULL: it does
 * not exist, or not yet. Borrowed as above.
 */
const struct sip_dialog *sip_layer_dialog_way(const struct sip_layer *l, uint64_t dialog, struct sip_target *out, bool *is_ours);
/* Sets the mark in the dialog, by which the caller knows his judgement of that way again. It is 0 from the beginning, and as soon as the way changes. */
void sip_layer_dialog_judged(struct sip_layer *l, uint64_t dialog, uint32_t mark);
/* Whoever is at the other end of the connection it came over carries that name: another one to the same place must, too. False: NOMEM. */
bool sip_layer_dialog_named(struct sip_layer *l, uint64_t dialog, struct xfed_span name);
/* Forgets the dialog. Whoever ends a session sends BYE before. May be called between actions. */
void sip_layer_dialog_end(struct sip_layer *l, uint64_t dialog);
/* How long to wait after a 491 before sending the INVITE again (section 14.1). */
uint64_t sip_layer_glare_ms(const struct sip_layer *l, uint64_t dialog);
/* Whether a dialog uses that connection, so that it should be kept. */
bool sip_layer_flow_is_used(const struct sip_layer *l, uint64_t flow);

/* Counts for metrics. */
struct sip_layer_stats {
	size_t clients, servers, dialogs;
	size_t server_bytes; /* memory of these */
	uint64_t retransmissions_sent, retransmissions_absorbed;
	uint64_t responses_stray; /* dropped: for no transaction, not with our sent-by, or with more than one Via */
};
struct sip_layer_stats sip_layer_stats(const struct sip_layer *l);

#endif
