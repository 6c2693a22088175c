/*
 * The SIP transaction layer and the rules of the transport that need no socket: one machine (RFC
 * 3261 sections 17 and 18, RFC 6026, RFC 4320, RFC 3581). Events in with sip_layer_step() and the
 * calls below, actions out with sip_layer_next(), time through sip_layer_deadline().
 *
 * Flows. The I/O side gives every UDP socket and every TCP or TLS connection a number, never 0 and
 * never used again. A message comes in on a flow; a response goes out on the flow of its request. A
 * request of ours goes to a *target* (transport, address, port, TLS name): the I/O side decides
 * whether an open connection to the same four is reused or a new one is made ([C3-08]), so
 * responses that cannot use their flow any more come out with a target too.
 *
 * Users. Who sends and takes requests registers (sip/user.h); actions for a user name it, and the driver calls its functions. A
 * request inside a dialog goes to the dialog's user, others by their method.
 *
 * Dialogs. An INVITE or SUBSCRIBE outside of one, of a user's or for a user, begins one, and the layer keeps it (sip/dialog.h)
 * under a number until the user ends it. Requests of ours inside it go where the dialog came about or where the peer sent its
 * last one from, as long as the caller names no other target: what a Contact or Record-Route says is written into them, and
 * is no licence to send anywhere. What INVITE asks of both ends (RFC 3261 section 13, RFC 6026) is done here: 2xx are acknowledged,
 * each copy again; further forks are acknowledged and ended; a 2xx of ours is repeated until its ACK comes, and given up with BYE.
 *
 * UDP. Requests of ours leave at a pace (sip/pace.h). One ends as not written when each of its datagrams has come back (ICMP) and
 * nothing else has; when only some have, somebody may have it: it ends, written, when it would be sent again.
 *
 * Keep-alives that are no SIP are the layer's on UDP (line ends, NUL, STUN: ignored) and the
 * framer's on a stream.
 *
 * Driver: step or call, then drain sip_layer_next() until false, then rearm the timer from
 * sip_layer_deadline(). A step or call while actions are undrained is XFED_REQUIRE. Spans and
 * messages in an action live until the next step or call. A TICK does a bounded amount of work:
 * when more is due the deadline is already past.
 */
#ifndef GATEWAY_SIP_LAYER_H
#define GATEWAY_SIP_LAYER_H

#include "sip/dialog.h"
#include "sip/flow.h"
#include "sip/user.h"
#include "xfed/env.h"

struct sip_layer_config {
	/* How we name ourselves in Via, by transport. A transport with an empty host sends no
	 * requests. Copied. */
	struct {
		struct xfed_span host; /* IPv6 without brackets */
		uint16_t port;	       /* 0: none written, the default is meant */
	} sent_by[SIP_TRANSPORT_COUNT];
	size_t transactions_max; /* 0: XFED_SIP_TRANSACTIONS_MAX */
	size_t server_bytes_max; /* of requests of peers and their answers; 0: XFED_SIP_SERVER_BYTES */
	unsigned time_divisor;	 /* tests: timers are divided by it; 0 is 1 */
};

enum sip_layer_event_kind {
	SIP_LAYER_RECV,	       /* flow, bytes: one datagram, or one message cut out by sip/framer.h */
	SIP_LAYER_RETURNED,    /* flow, its peer is where it went; bytes: how a datagram begins that did not arrive, says somebody (ICMP) */
	SIP_LAYER_SENT,	       /* txn, flow_id: the first byte of that request has gone out on that flow
			   (TCP, TLS) */
	SIP_LAYER_SEND_FAILED, /* txn, was_written: it could not be sent (no connection, or it
				  broke) */
	SIP_LAYER_FLOW_CLOSED, /* flow_id, was_unread */
	SIP_LAYER_TICK,
};

struct sip_layer_event {
	enum sip_layer_event_kind kind;
	const struct sip_flow_info *flow; /* RECV, RETURNED */
	struct xfed_span bytes;		  /* RECV, RETURNED */
	uint64_t flow_id;		  /* SENT, FLOW_CLOSED */
	uint64_t txn;			  /* SENT, SEND_FAILED */
	bool was_written;		  /* SEND_FAILED: some of the request may have gone out */
	bool was_unread;		  /* FLOW_CLOSED: the peer has read nothing of what went out on it */
};

enum sip_layer_action_kind {
	SIP_ACT_SEND,		 /* target (flow set: on that flow), bytes; txn not 0: a request of ours,
			     report SENT / SEND_FAILED */
	SIP_ACT_REQUEST,	 /* a new request for the user: txn (0: an ACK), message, flow, dialog, id; answer with
			     sip_layer_respond() */
	SIP_ACT_RESPONSE,	 /* id, txn, status, message, dialog: provisional (not 100) or final; a final
			     one ends the transaction for the user */
	SIP_ACT_TIMEOUT,	 /* id, txn, was_written (always true on UDP): Timer B or F; final. flow_id: the connection it went over, or 0 */
	SIP_ACT_TRANSPORT_ERROR, /* id, txn, was_written; final */
	SIP_ACT_CANCELLED,	 /* txn: an INVITE for the user that has been answered here */
	SIP_ACT_ENDED,		 /* id, dialog: a 2xx was never acknowledged, the dialog is no more */
	SIP_ACT_DOUBTED,	 /* id, dialog: the connection it used has closed, so its other end may be another process by now */
	SIP_ACT_BAD_MESSAGE,	 /* flow, error: for log and metric; already answered where that was possible */
	SIP_ACT_REFUSED,	 /* flow, message, status: answered here, as no user takes it; for log and metric */
	SIP_ACT_CLOSE_FLOW,	 /* flow_id: after everything before it has been sent */
};

struct sip_layer_action {
	enum sip_layer_action_kind kind;
	struct sip_target target;
	struct xfed_span bytes;
	uint64_t txn;
	const struct sip_user *user; /* REQUEST to DOUBTED; NULL: nobody is to be told */
	uint64_t id, dialog;	     /* the user's word for it; 0: none */
	int status;
	const struct sip_message *message;
	const struct sip_flow_info *flow; /* REQUEST, BAD_MESSAGE, REFUSED */
	uint64_t flow_id;
	bool was_written;
	const struct sip_error *error;
};

struct sip_layer;

/* OK or NOMEM. `env` is borrowed for the life of the layer. */
int sip_layer_new(const struct sip_layer_config *config, const struct xfed_env *env, struct sip_layer **out);
void sip_layer_free(struct sip_layer *l);

/* Before anything is received; the user outlives the layer. OK, LIMIT, or STATE: another takes that method or package. */
int sip_layer_use(struct sip_layer *l, const struct sip_user *user);

/* The header line of a 405, with CRLF. */
const char *sip_layer_allow(const struct sip_layer *l);

/* Calls the function of the user that the action is for; false: it is not for a user. */
bool sip_layer_tell(const struct sip_layer_action *act);

/* OK, or NOMEM: the event is lost as a lost packet is, the layer goes on. */
int sip_layer_step(struct sip_layer *l, const struct sip_layer_event *ev, uint64_t now_ms);
bool sip_layer_next(struct sip_layer *l, struct sip_layer_action *act);
uint64_t sip_layer_deadline(const struct sip_layer *l); /* UINT64_MAX: none */

struct sip_layer_request {
	struct sip_target target;
	struct sip_request request;  /* borrowed for the call */
	struct xfed_span branch;     /* unique part of the branch; absent: random */
	size_t max_request;	     /* most bytes over TCP and TLS; 0: XFED_SIP_MAX_REQUEST. UDP: 1300
			       always */
	const struct sip_user *user; /* is told what becomes of it, under `id`; NULL: no dialog is made of it */
	uint64_t id;
	/*
	 * Not 0: a request inside it. Request-URI, Route, From, To, Call-ID and CSeq are the dialog's, and so is the target where `target`
	 * has no address. Of a CSeq given out nothing is taken back.
	 */
	uint64_t dialog;
};

/*
 * Starts a client transaction (INVITE or not, by the method); `*txn` names it. Nothing is sent
 * unless OK: LIMIT: the request is larger than `max_request` or 1300 bytes over UDP
 * (sip.request.too-large). AGAIN: the table of transactions is full. STATE: a transaction with that
 * branch and method is running, the transport has no sent_by, or an INVITE is under way in the dialog (section 14.1).
 * NOT_FOUND: no such dialog, or it is not made yet. INVALID: a value that cannot be printed. NOMEM.
 */
int sip_layer_request(struct sip_layer *l, const struct sip_layer_request *params, uint64_t now_ms, uint64_t *txn);

/*
 * The size the request would have on the wire, to judge by max_request before it is queued. OK or
 * INVALID.
 */
int sip_layer_request_size(const struct sip_layer *l, const struct sip_layer_request *params, size_t *size);

/*
 * Answers a REQUEST; one of a peer that is not known, and a refusal that follows from the request alone (405, 415 ...), leave no
 * transaction behind. Provisional statuses for INVITE only (RFC 4320).
 * `id`: what the user calls the dialog that this makes, or whose it is. NOT_FOUND: the transaction is gone
 * (answered, or 32 s old: RFC 4320 forbids a later answer). INVALID: a value cannot
 * be printed. NOMEM: nothing sent, may be called again.
 */
int sip_layer_answer(struct sip_layer *l, uint64_t txn, const struct sip_response *r, uint64_t id, uint64_t now_ms);
/* The same without a dialog. phrase NULL: the usual one. */
static inline int sip_layer_respond(struct sip_layer *l, uint64_t txn, int status, const char *phrase, struct xfed_span extra, uint64_t now_ms)
{
	struct sip_response r = { .status = status, .phrase = xfed_span_str(phrase), .extra = extra };
	return sip_layer_answer(l, txn, &r, 0, now_ms);
}

/*
 * CANCELs an INVITE of ours (RFC 3261 section 9.1), as soon as a provisional response has come. Its end is told as that of any
 * request; should the peer have accepted meanwhile, that is acknowledged and ended, and there is no dialog. NOT_FOUND, NOMEM.
 */
int sip_layer_cancel(struct sip_layer *l, uint64_t txn, uint64_t now_ms);

/* ---- dialogs ---- */

/* NULL: no such dialog, or it is not made yet. Borrowed until the next step or call. */
const struct sip_dialog *sip_layer_dialog(const struct sip_layer *l, uint64_t dialog);
/* Where requests inside it go when no target is named; `*is_ours`: chosen by a request of ours, not by the peer. False: no such dialog. */
bool sip_layer_dialog_way(const struct sip_layer *l, uint64_t dialog, struct sip_target *out, bool *is_ours);
/* Nothing more is sent or taken inside it. Whoever ends a session sends BYE before. May be called between actions. */
void sip_layer_dialog_end(struct sip_layer *l, uint64_t dialog);
/* How long to wait after a 491 before the INVITE is sent again (section 14.1). */
uint64_t sip_layer_glare_ms(const struct sip_layer *l, uint64_t dialog);
/* Whether a dialog uses that connection: it is to be kept. */
bool sip_layer_flow_is_used(const struct sip_layer *l, uint64_t flow);

/* What is there, for metrics. */
struct sip_layer_stats {
	size_t clients, servers, dialogs;
	size_t server_bytes; /* what those hold */
	uint64_t retransmissions_sent, retransmissions_absorbed;
	uint64_t responses_stray; /* no transaction, not our sent-by, or more than one Via: dropped
				   */
};
struct sip_layer_stats sip_layer_stats(const struct sip_layer *l);

#endif
