/*
 * One link of the channel, at either end: TLS 1.3 with certificates on both sides, Hello, keep-alive, credit (proto/channel.md sections 1,
 * 3 and 5). No I/O: the driver carries bytes, runs jobs and knows the time.
 *
 *   proto_session_new(); drain; then for each event: proto_session_step(); drain;
 *   drain:  while (proto_session_next(s, &act)) perform(&act);
 *           write what proto_session_output(s) holds; set the timer from proto_session_deadline(s)
 *   at the end of a loop turn: proto_session_flush(s, now), and write what proto_session_output(s) holds
 *
 * proto_session_next() reads frames one by one from what has come in, so a large chunk never becomes a long queue, and a driver that stops
 * draining gets no more (a BYTES event then consumes nothing). The message of an action is valid until the next proto_session_next() or
 * proto_session_step().
 */
#ifndef PROTO_SESSION_H
#define PROTO_SESSION_H

#include "xfed/buf.h"
#include "xfed/env.h"
#include "xfed/reason.h"
#include "xfed/tls.h"

#include "proto/check.h"
#include "proto/clock.h"
#include "proto/frame.h"

#define PROTO_VERSION_MIN 1
#define PROTO_VERSION_MAX 1
#define PROTO_ALPN	  "xfed-channel"

#define PROTO_OUTPUT_BYTES	(8 * 1024 * 1024) /* frames waiting for TLS and the socket; above it the link is closed */
#define PROTO_OUTPUT_BULK_BYTES (6 * 1024 * 1024) /* Deliver, PolicyPart, Counters and events are refused above it: LIMIT */

struct proto_session;

enum proto_role {
	PROTO_GATEWAY, /* connects: TLS client */
	PROTO_EDGE,    /* listens: TLS server */
};

/* Our Hello. */
struct proto_hello {
	struct xfed_span name; /* the daemon's configured name */
	uint64_t boot_nonce;   /* random, one per run of the process */
	uint64_t lowest_unsettled;
	const char *const *capabilities;
	size_t capability_count;
	struct xfed_span software; /* "xfed-edge 0.1.0" */
	uint64_t policy_epoch, policy_counter;
	struct xfed_span policy_hash; /* 32 bytes, or empty: no policy yet */
	uint64_t owner_epoch;
	uint32_t version_min, version_max; /* 0: PROTO_VERSION_MIN, PROTO_VERSION_MAX */
};

struct proto_session_config {
	const struct xfed_env *env;
	enum proto_role role;
	struct xfed_tls_creds *creds; /* the session takes its own reference */
	struct xfed_span host;	      /* gateway: host of edges[].address, or tls_name; A-labels */
	const char *const *allow;     /* edge: names of certificates that may link */
	size_t allow_count;
	struct proto_hello hello;  /* copied */
	uint64_t (*wall_ms)(void); /* our wall clock, for Ping and Pong, since 1970 UTC; NULL: no time is sent */
	bool plaintext_for_tests;  /* no TLS, for unit tests and fuzzing; a daemon never sets it */
};

enum proto_event_type {
	PROTO_EV_BYTES,	   /* from the socket; `consumed` says how much was taken: offer the rest again after draining */
	PROTO_EV_EOF,	   /* the socket has closed or failed */
	PROTO_EV_JOB_DONE, /* proto_session_job_run() has returned */
	PROTO_EV_TICK,	   /* proto_session_deadline() has come */
	PROTO_EV_CLOSE,	   /* close it with `reason` and `text` */
};

struct proto_event {
	enum proto_event_type type;
	struct xfed_span bytes;
	size_t consumed; /* result */
	enum xfed_reason reason;
	const char *text; /* may be NULL */
};

enum proto_action_type {
	PROTO_ACT_JOB, /* run proto_session_job_run() on a worker thread (or at once), then step JOB_DONE */
	PROTO_ACT_UP,  /* Hello was exchanged: proto_session_peer() is valid, and sending is allowed */
	/*
	 * Any body but hello, pong, credit and close, which the session handles. A ping was answered already, and is passed on for its
	 * lowest_unsettled.
	 */
	PROTO_ACT_MESSAGE,
	PROTO_ACT_CREDIT, /* the peer has granted more credit, or taken deliveries: try Deliver again, see proto_session_taken() */
	PROTO_ACT_DOWN,	  /* the last action: write the output, close the socket, free the session */
};

struct proto_action {
	enum proto_action_type type;
	const Xfed__Frame *frame; /* for MESSAGE */
	size_t frame_bytes;	  /* for MESSAGE: what credit counts, to be granted again for a Deliver */
	enum xfed_reason reason;  /* for DOWN */
	const char *text;	  /* for DOWN: for the log; never NULL; valid as long as the session */
};

/* The peer. Valid from UP on, as long as the session. */
struct proto_peer {
	const char *name; /* from its Hello: with boot_nonce the key of delivery ids */
	uint64_t boot_nonce;
	const char *cert_name; /* the name of `allow` (edge) or `host` (gateway) that its certificate is valid for; "" without TLS */
	uint32_t version;      /* the version agreed on */
	const Xfed__Hello *hello;
	const char *tls_version, *cipher; /* "" without TLS */
};

/* OK; NOMEM; LIBRARY. There may be an action at once (a client's first job). Copies everything in `cfg`. */
int proto_session_new(const struct proto_session_config *cfg, uint64_t now_ms, struct proto_session **out);
/* Not while a job runs. NULL is fine. */
void proto_session_free(struct proto_session *s);

/*
 * OK, or NOMEM: the link is closing, and DOWN follows. While a job is running BYTES are queued (`consumed` may be less than all), and
 * everything else waits for JOB_DONE.
 */
int proto_session_step(struct proto_session *s, struct proto_event *ev, uint64_t now_ms);
bool proto_session_next(struct proto_session *s, struct proto_action *act);
uint64_t proto_session_deadline(const struct proto_session *s); /* UINT64_MAX: none */

/* The handshake step; on any thread, while nobody else uses the session but by proto_session_step(BYTES or CLOSE). */
void proto_session_job_run(struct proto_session *s);
bool proto_session_job_running(const struct proto_session *s);

/* Bytes for the socket; the driver consumes them, then calls proto_session_flush() again. Empty while a job is running. */
struct xfed_buf *proto_session_output(struct proto_session *s);
/*
 * Sends credit granted since the last call, and encrypts what waits; nothing else writes to the output (but for the last frames before
 * DOWN). To be called at the end of every turn of the loop in which the session was used.
 */
void proto_session_flush(struct proto_session *s, uint64_t now_ms);
/* Bytes that wait for TLS or the socket. */
size_t proto_session_output_bytes(const struct proto_session *s);

bool proto_session_is_up(const struct proto_session *s);
const struct proto_peer *proto_session_peer(const struct proto_session *s); /* NULL before UP */
/* its cert_name; NULL: the peer's certificate has not been found valid yet */
const char *proto_session_proved(const struct proto_session *s);
const struct xfed_cert *proto_session_certificate(const struct proto_session *s); /* the peer's; NULL without TLS, and before it has shown one */
uint64_t proto_session_rtt_us(const struct proto_session *s);			  /* round trip of the last ping, in whole ms x 1000; 0: none yet */
struct proto_clock proto_session_clock(const struct proto_session *s);		  /* that of the peer */

/*
 * Sends one message. OK. Not now: LIMIT (a bulk message does not fit: try again when the output has drained); AGAIN (a Deliver without
 * credit, or with as much in flight as proto/pace.h allows: try again after PROTO_ACT_CREDIT); STATE (not up, or closing); NOMEM (nothing
 * sent). Never: INVALID (breaks proto/check.h, or is not ours to send); TOO_LARGE (larger than a frame). A message that is not bulk and
 * finds no room closes the link: STATE, and DOWN follows.
 */
int proto_session_send(struct proto_session *s, const Xfed__Frame *f);
/*
 * Messages of ours that proto/check.h refused: a mistake of ours, which the driver logs once a turn. What could be sent without the part
 * that was wrong has been (proto/fill.h), and its sender got OK.
 */
struct proto_refused {
	uint64_t count;		    /* since the last call; 0: none */
	Xfed__Frame__BodyCase body; /* of the last one */
	const char *problem;	    /* a constant string */
};
struct proto_refused proto_session_refused(struct proto_session *s);
int proto_session_deliver(struct proto_session *s, const Xfed__Deliver *d);
int proto_session_settled(struct proto_session *s, const Xfed__Outcome *const *outcomes, size_t count); /* split into several frames as needed */
int proto_session_attempted(struct proto_session *s, const uint64_t *seqs, size_t count);		/* split into several frames as needed */
int proto_session_attempted_ack(struct proto_session *s, const uint64_t *seqs, size_t count, const uint64_t *refused, size_t refused_count);
int proto_session_withdraw(struct proto_session *s, uint64_t seq);

/* ---- credit: for Deliver only ---- */
/* Adds to what the peer may send to us; sent with the next flush. A peer that exceeds it is closed with channel.frame.bad. */
void proto_session_grant(struct proto_session *s, uint32_t messages, uint64_t bytes);
/* What the peer may still send to us, and we to the peer. */
void proto_session_credit(const struct proto_session *s, uint32_t *in_messages, uint64_t *in_bytes, uint32_t *out_messages, uint64_t *out_bytes);

/* The driver has taken over one more Deliver of this link, new or duplicate; the peer is told with the next flush. */
void proto_session_took(struct proto_session *s);
/*
 * The next outcome sent on this link that the peer has received, according to its Deliver or Ping. The peer never asks for it again, so it
 * may be forgotten (proto_inbox_heard()). False: none.
 */
bool proto_session_next_heard(struct proto_session *s, uint64_t *seq);
/* How many of our Deliver frames the peer has taken over; 0 also if it does not say. */
uint64_t proto_session_taken(const struct proto_session *s);

/* Sent with the next Hello and each Ping, so that the receiver forgets settled deliveries on an idle link too. */
void proto_session_set_lowest(struct proto_session *s, uint64_t lowest_unsettled);

/*
 * Judges the peer's certificate again once the link is up, as xfed_tls_judge_again() does, and at an edge also its names by `allow`, which
 * replaces the list from before. NULL: it is valid; else why not, and the driver closes it with channel.peer.untrusted. `*due_s`: when to
 * call this again, INT64_MAX: never.
 */
const char *proto_session_judge_again(
	struct proto_session *s, struct xfed_tls_creds *creds, const char *const *allow, size_t allow_count, int64_t now_s, int64_t *due_s);

#endif
