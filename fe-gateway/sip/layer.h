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
 * Keep-alives that are no SIP are the layer's on UDP (line ends, NUL, STUN: ignored) and the
 * framer's on a stream.
 *
 * Driver: step or call, then drain sip_layer_next() until false, then rearm the timer from
 * sip_layer_deadline(). A step or call while actions are undrained is XFED_REQUIRE. Spans and
 * messages in an action live until the next step or call. A TICK does a bounded amount of work:
 * when more is due the deadline is already past.
 */
#ifndef SIP_LAYER_H
#define SIP_LAYER_H

#include "sip/message.h"
#include "sip/print.h"
#include "xfed/env.h"

enum sip_transport {
	SIP_UDP,
	SIP_TCP,
	SIP_TLS,
};
#define SIP_TRANSPORT_COUNT 3

const char *sip_transport_name(enum sip_transport t); /* "UDP", "TCP", "TLS" */

#define SIP_IP_SIZE   46  /* text of an address, IPv6 without brackets, with its terminator */
#define SIP_NAME_SIZE 254 /* a DNS name with its terminator */

struct sip_flow_info {
	uint64_t id;
	enum sip_transport transport;
	char peer_ip[SIP_IP_SIZE]; /* without a zone ("%eth0") */
	uint16_t peer_port;
	char local_ip[SIP_IP_SIZE];
	uint16_t local_port;
	bool is_known; /* may send as one of our domains, or we have dialled it; else a stranger */
};

struct sip_target {
	uint64_t flow; /* not 0: this connection and no other, or this UDP socket (ip and port then
			  say where to) */
	enum sip_transport transport;
	char ip[SIP_IP_SIZE];
	uint16_t port;
	char tls_name[SIP_NAME_SIZE]; /* name the certificate must carry; empty on UDP and TCP */
};

struct sip_layer_config {
	/* How we name ourselves in Via, by transport. A transport with an empty host sends no
	 * requests. Copied. */
	struct {
		struct xfed_span host; /* IPv6 without brackets */
		uint16_t port;	       /* 0: none written, the default is meant */
	} sent_by[SIP_TRANSPORT_COUNT];
	size_t transactions_max; /* 0: XFED_SIP_TRANSACTIONS_MAX */
	unsigned time_divisor;	 /* tests: timers are divided by it; 0 is 1 */
};

enum sip_layer_event_kind {
	SIP_LAYER_RECV,	       /* flow, bytes: one datagram, or one message cut out by sip/framer.h */
	SIP_LAYER_SENT,	       /* txn, flow_id: the first byte of that request has gone out on that flow
			   (TCP, TLS) */
	SIP_LAYER_SEND_FAILED, /* txn, was_written: it could not be sent (no connection, or it
				  broke) */
	SIP_LAYER_FLOW_CLOSED, /* flow_id */
	SIP_LAYER_TICK,
};

struct sip_layer_event {
	enum sip_layer_event_kind kind;
	const struct sip_flow_info *flow; /* RECV */
	struct xfed_span bytes;		  /* RECV */
	uint64_t flow_id;		  /* SENT, FLOW_CLOSED */
	uint64_t txn;			  /* SENT, SEND_FAILED */
	bool was_written;		  /* SEND_FAILED: some of the request may have gone out */
};

enum sip_layer_action_kind {
	SIP_ACT_SEND,		 /* target (flow set: on that flow), bytes; txn not 0: a request of ours,
			     report SENT / SEND_FAILED */
	SIP_ACT_REQUEST,	 /* a new request for the user: txn, message, flow; answer with
			     sip_layer_respond() */
	SIP_ACT_RESPONSE,	 /* cookie, txn, status, message: provisional (not 100) or final; a final
			     one ends the transaction for the user */
	SIP_ACT_TIMEOUT,	 /* cookie, txn, was_written (always true on UDP): Timer B or F; final */
	SIP_ACT_TRANSPORT_ERROR, /* cookie, txn, was_written; final */
	SIP_ACT_BAD_MESSAGE,	 /* flow, error: for log and metric; already answered where that was possible */
	SIP_ACT_CLOSE_FLOW,	 /* flow_id: after everything before it has been sent */
};

struct sip_layer_action {
	enum sip_layer_action_kind kind;
	struct sip_target target;
	struct xfed_span bytes;
	uint64_t txn;
	uint64_t cookie;
	int status;
	const struct sip_message *message;
	const struct sip_flow_info *flow; /* REQUEST, BAD_MESSAGE */
	uint64_t flow_id;
	bool was_written;
	const struct sip_error *error;
};

struct sip_layer;

/* OK or NOMEM. `env` is borrowed for the life of the layer. */
int sip_layer_new(const struct sip_layer_config *config, const struct xfed_env *env, struct sip_layer **out);
void sip_layer_free(struct sip_layer *l);

/* OK, or NOMEM: the event is lost as a lost packet is, the layer goes on. */
int sip_layer_step(struct sip_layer *l, const struct sip_layer_event *ev, uint64_t now_ms);
bool sip_layer_next(struct sip_layer *l, struct sip_layer_action *act);
uint64_t sip_layer_deadline(const struct sip_layer *l); /* UINT64_MAX: none */

struct sip_layer_request {
	struct sip_target target;
	struct sip_request request; /* borrowed for the call */
	struct xfed_span branch;    /* unique part of the branch; absent: random */
	size_t max_request;	    /* most bytes over TCP and TLS; 0: XFED_SIP_MAX_REQUEST. UDP: 1300
			       always */
	uint64_t cookie;	    /* comes back in RESPONSE, TIMEOUT, TRANSPORT_ERROR */
};

/*
 * Starts a client transaction (INVITE or not, by the method); `*txn` names it. Nothing is sent
 * unless OK: LIMIT: the request is larger than `max_request` or 1300 bytes over UDP
 * (sip.request.too-large). AGAIN: the table of transactions is full. STATE: a transaction with that
 * branch and method is running, or the transport has no sent_by. INVALID: a value that cannot be
 * printed. NOMEM.
 */
int sip_layer_request(struct sip_layer *l, const struct sip_layer_request *params, uint64_t now_ms, uint64_t *txn);

/*
 * The size the request would have on the wire, to judge by max_request before it is queued. OK or
 * INVALID.
 */
int sip_layer_request_size(const struct sip_layer *l, const struct sip_layer_request *params, size_t *size);

/*
 * Answers a REQUEST; one of a peer that is not known leaves no transaction behind. `extra`: further header lines, each ending in CRLF ("Accept: text/plain\r\n"),
 * or empty. Only final statuses. phrase NULL: the usual one. NOT_FOUND: the transaction is gone
 * (answered, or 32 s old: RFC 4320 forbids a later answer). INVALID: status, phrase or extra cannot
 * be printed. NOMEM: nothing sent, may be called again.
 */
int sip_layer_respond(struct sip_layer *l, uint64_t txn, int status, const char *phrase, struct xfed_span extra, uint64_t now_ms);

/* CANCELs an INVITE of ours (RFC 3261 section 9.1). NOT_FOUND, STATE (no provisional response yet:
 * try again later), NOMEM. */
int sip_layer_cancel(struct sip_layer *l, uint64_t txn, uint64_t now_ms);

/* What is there, for metrics. */
struct sip_layer_stats {
	size_t clients, servers;
	uint64_t retransmissions_sent, retransmissions_absorbed;
	uint64_t responses_stray; /* no transaction, not our sent-by, or more than one Via: dropped
				   */
};
struct sip_layer_stats sip_layer_stats(const struct sip_layer *l);

#endif
