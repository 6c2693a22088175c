/*
 * The conductor of one server-to-server stream (RFC 6120): headers, features, STARTTLS, SASL EXTERNAL, server dialback
 * (XEP-0220), stanzas, acknowledgements (XEP-0198), close.
 * One machine per TCP connection, for either direction. It does no I/O: the driver feeds events, drains actions, and
 * carries the bytes of the output buffer it handed in.
 *
 *   for each input: xfed_s2s_step(); while (xfed_s2s_next()) perform; repeat with PUMP while xfed_s2s_has_pending()
 *   then rearm the timer from xfed_s2s_deadline()
 *
 * The machine stops behind every first-level element, so at most XFED_S2S_ACTIONS_MAX actions wait, and no chunk of bytes
 * keeps the driver from other work. Calling step with undrained actions is a broken promise (XFED_REQUIRE).
 *
 * An incoming stream may prove several pairs of domains by dialback; each gives an ESTABLISHED. An outgoing stream is for
 * one pair, or, as a verify stream, for none: it carries db:verify questions to an authoritative server.
 *
 * A stanza for a pair the stream has not proved ends it as stream.from.unproved, or as stream.relay.attempt where its `from` is
 * proved and its `to` is not of that pair, also when that other domain is one of ours: what is proved is proved for pairs.
 *
 * A stanza that breaks a limit, or has an address that is none, is the doing of one user of the peer's. It comes as
 * STANZA_REFUSED, judged against its pair and numbered like any other, and the stream goes on.
 *
 * Stream management, where both sides want it, counts stanzas and resumes nothing. On a stream the peer opened, each STANZA
 * has a number and the driver says by xfed_s2s_cover() which of them are its responsibility now; only an unbroken run of
 * those is acknowledged. On a stream of ours ACKED says how many more the peer has taken, in the order they were sent.
 *
 * Security sentence: a STANZA or STANZA_REFUSED action is only ever given for a pair (domain of `from`, domain of `to`) that an ESTABLISHED
 * named before on this stream; and a pair is only ever named there with a certificate that proves `from`, or a verdict
 * `valid` for it, on this stream. STARTTLS and SASL begin a stream anew, with nothing proved; EXTERNAL is only ever reported
 * where a login inside TLS succeeded; behind our closing tag nothing is established.
 */
#ifndef XFED_S2S_H
#define XFED_S2S_H

#include "xfed/base.h"
#include "xfed/buf.h"
#include "xfed/dialback.h"
#include "xfed/env.h"
#include "xfed/policy.h"
#include "xfed/reason.h"
#include "xfed/stanza.h"
#include "xfed/tls.h"

struct xfed_s2s;

enum xfed_s2s_direction { XFED_S2S_IN, XFED_S2S_OUT }; /* who opened the TCP connection: the peer, or we */

#define XFED_S2S_STATES(X)                                                                                                                           \
	X(NEW, "new")				/* START is awaited */                                                                               \
	X(WAIT_HEADER, "wait-header")		/* the peer's stream header */                                                                       \
	X(WAIT_DECISION, "wait-decision")	/* the driver's answer to HEADER */                                                                  \
	X(WAIT_FEATURES, "wait-features")	/* out: <stream:features/> */                                                                        \
	X(WAIT_PROCEED, "wait-proceed")		/* out: <proceed/> */                                                                                \
	X(WAIT_NEGOTIATION, "wait-negotiation") /* in: <starttls/> or <auth/> */                                                                     \
	X(HANDSHAKING, "handshaking")		/* TLS */                                                                                            \
	X(WAIT_SASL, "wait-sasl")		/* out: <success/> or <failure/> */                                                                  \
	X(WAIT_DIALBACK, "wait-dialback")	/* out: the answer to db:result */                                                                   \
	X(VERIFYING, "verifying")		/* out: a verify stream that is open for questions */                                                \
	X(READY, "ready")                                                                                                                            \
	X(CLOSING, "closing") /* our closing tag is out, the peer's is awaited */                                                                    \
	X(DONE, "done")

/* For people: what a stream in that state waits for, or is. A name that is none comes back as it is. */
const char *xfed_s2s_words(const char *state_name);

enum xfed_s2s_state {
#define X(id, name) XFED_S2S_##id,
	XFED_S2S_STATES(X)
#undef X
};

/* What policy says about a pair; the driver's answer to HEADER, or part of the configuration of an outgoing stream. */
struct xfed_s2s_decision {
	enum xfed_reason refuse; /* XFED_REASON_NONE: go on */
	bool needs_tls;
	unsigned methods;		/* bits of enum xfed_method that may end the negotiation */
	size_t stanza_bytes;		/* the partner's limit */
	struct xfed_tls_creds *creds;	/* borrowed for the call; NULL: no TLS here */
	struct xfed_span dialback_hash; /* out: hash of the current secret, copied; empty: no dialback */
};

struct xfed_s2s_config {
	const struct xfed_env *env; /* lives as long as the machine */
	enum xfed_s2s_direction direction;
	struct xfed_buf *out;		      /* bytes for the socket; the driver owns and drains it */
	struct xfed_span local, remote;	      /* out: normalised domains, copied; in: ignored */
	struct xfed_s2s_decision decision;    /* out only */
	bool is_verify;			      /* out: for db:verify only; no pair is proved on it */
	uint64_t connection;		      /* the driver's number of this connection */
	uint32_t establish_ms, inactivity_ms; /* 0: those of limits.h */
	unsigned time_divisor;		      /* tests: divides every timer; 0 means 1 */
	uint32_t sm_start;		      /* tests: what the counters of stream management begin with */
};

/*
 * Which of them a state takes is the table of libxfed/s2s/legal.c. One that comes too late (a verdict behind our closing tag,
 * an answer to what is asked no more) is ignored, at any time and as often as it comes.
 */
#define XFED_S2S_EVENTS(X)                                                                                                                           \
	X(START, "start")		  /* once, first: the TCP connection is there */                                                             \
	X(BYTES, "bytes")		  /* from the socket; `consumed` comes back; offer the rest again after the actions */                       \
	X(PUMP, "pump")			  /* go on with what the machine still holds */                                                              \
	X(JOB_DONE, "job-done")		  /* the JOB action ran; `tls_result` is what it returned */                                                 \
	X(DECISION, "decision")		  /* answers HEADER */                                                                                       \
	X(TICK, "tick")			  /* the deadline has come */                                                                                \
	X(END, "end")			  /* the socket is gone: `reason` net.stream.lost, or NONE for an orderly end of file */                     \
	X(PAIR_DECISION, "pair-decision") /* answers PAIR: `decision` for that pair, `is_local` */                                                   \
	X(ASK, "ask")			  /* verify stream: `question` */                                                                            \
	X(VERDICT, "verdict")		  /* the fate of an ASK_VERIFY of this stream: `question` and `verdict` */                                   \
	X(SAY, "say")			  /* `bytes` are a first-level element of ours (the answer to AUTHORITY) */                                  \
	X(CLOSE, "close")		  /* we want it closed: `reason`, optional `text` (for the peer; no secrets) */

enum xfed_s2s_event_type {
#define X(id, name) XFED_S2S_##id,
	XFED_S2S_EVENTS(X)
#undef X
};

/* One dialback key to be verified by the sender's authoritative server. */
struct xfed_s2s_question {
	struct xfed_dialback_pair pair;
	struct xfed_span key, stream_id;
	uint64_t token, origin; /* of the stream the key came in on: its own number, and the connection's */
};

struct xfed_s2s_event {
	enum xfed_s2s_event_type type;
	struct xfed_span bytes;
	size_t consumed;
	bool took_element; /* comes back: BYTES or PUMP ended at an element, so that the driver can see to others */
	enum xfed_tls_result tls_result;
	struct xfed_s2s_decision decision;
	bool is_local; /* PAIR_DECISION: the target is a domain of ours */
	struct xfed_s2s_question question;
	enum xfed_dialback_verdict verdict;
	enum xfed_reason reason;
	const char *text;
};

enum xfed_s2s_action_type {
	XFED_S2S_JOB,	       /* run xfed_tls_handshake_step(tls) on any thread, then JOB_DONE; do not free meanwhile */
	XFED_S2S_HEADER,       /* in: who wants to talk to whom; answer with DECISION */
	XFED_S2S_PAIR,	       /* in: somebody wants to prove the pair (from, to) by dialback; answer with PAIR_DECISION */
	XFED_S2S_ASK_VERIFY,   /* in: have `question` verified over another connection, then VERDICT */
	XFED_S2S_AUTHORITY,    /* in: a db:verify for us as the authoritative server: `dialback`; answer with SAY */
	XFED_S2S_VERIFY_OPEN,  /* verify stream: ASK may be given */
	XFED_S2S_VERIFIED,     /* verify stream: `question` has its `verdict` */
	XFED_S2S_PAIR_REFUSED, /* in: the pair (from, to) was answered with a dialback error, `text`; the stream goes on */
	XFED_S2S_ESTABLISHED,  /* the pair (from, to) is authenticated by `method`: xfed_s2s_info() has the facts */
	/*
	 * A whole stanza, checked against the pair. On a stream we close for idleness or as we go out of service also behind our
	 * closing tag, until the peer's (RFC 6120 4.4), where stream management does not run.
	 */
	XFED_S2S_STANZA,
	/*
	 * The same, but it goes no further: `reason`, `side`, `text`. Of a malformed address the stanza has the domain, of one over a
	 * limit the element without children. The driver answers its sender, where an answer is due, and covers its number.
	 */
	XFED_S2S_STANZA_REFUSED,
	XFED_S2S_ACKED,	 /* out: the peer has taken `count` more stanzas; where it refused stream management: all written */
	XFED_S2S_CLOSED, /* last action: send what is in the output buffer, close the socket, free the machine */
};

struct xfed_s2s_action {
	enum xfed_s2s_action_type type;
	struct xfed_tls *tls;			   /* JOB */
	struct xfed_span from, to;		   /* HEADER, PAIR, PAIR_REFUSED, ESTABLISHED: normalised; data NULL where absent */
	bool is_secure;				   /* HEADER, PAIR, PAIR_REFUSED */
	enum xfed_method method;		   /* ESTABLISHED; STANZA: what proved its pair */
	struct xfed_s2s_question question;	   /* ASK_VERIFY, VERIFIED */
	enum xfed_dialback_verdict verdict;	   /* VERIFIED */
	const struct xfed_dialback_elem *dialback; /* AUTHORITY: valid until the next step */
	struct xfed_stanza stanza;		   /* STANZA, STANZA_REFUSED: valid until the next step, like `arena` */
	struct xfed_arena *arena;
	size_t stanza_bytes;
	uint64_t sm_number;	 /* STANZA, STANZA_REFUSED: for xfed_s2s_cover(); 0: not counted */
	size_t count;		 /* ACKED: 1 or more */
	enum xfed_reason reason; /* PAIR_REFUSED, STANZA_REFUSED, CLOSED; XFED_REASON_STREAM_CLOSED_* for clean ends */
	enum xfed_side side;
	const char *text; /* PAIR_REFUSED, STANZA_REFUSED, CLOSED: detail, never NULL, valid until the next step; CLOSED: until free */
	bool is_abrupt;	  /* CLOSED: drop the connection without sending what is left */
};

int xfed_s2s_new(const struct xfed_s2s_config *cfg, struct xfed_s2s **out); /* OK, NOMEM */
void xfed_s2s_free(struct xfed_s2s *s);					    /* never while a job runs: see xfed_s2s_has_job() */

/* OK; NOMEM: the machine has closed itself (CLOSED follows). */
int xfed_s2s_step(struct xfed_s2s *s, struct xfed_s2s_event *ev, uint64_t now_ms);
bool xfed_s2s_next(struct xfed_s2s *s, struct xfed_s2s_action *act);
uint64_t xfed_s2s_deadline(const struct xfed_s2s *s); /* UINT64_MAX: none */
/* The driver has not been reading until now: what the peer has not said in that time does not count as its silence. */
void xfed_s2s_unread(struct xfed_s2s *s, uint64_t now_ms);
bool xfed_s2s_has_pending(const struct xfed_s2s *s);
bool xfed_s2s_has_job(const struct xfed_s2s *s);
bool xfed_s2s_is_asleep(const struct xfed_s2s *s); /* idle: its parser and its queue have been freed until the next byte */

/*
 * Writes a whole stanza, already canonical and in context jabber:server, to an established outgoing stream. OK; STATE
 * where the stream is not READY; TOO_LARGE where it is larger than the peer has said it takes (XEP-0478), which no waiting
 * changes; LIMIT where the output buffer is full; AGAIN where XFED_S2S_SM_UNACKED_MAX stanzas are not acknowledged: there is
 * room after the next ACKED. Nothing was written but with OK.
 */
int xfed_s2s_send(struct xfed_s2s *s, struct xfed_span stanza, uint64_t now_ms);
/* True where a stanza sent now will come back in an ACKED; else it is only written. */
bool xfed_s2s_is_counting(const struct xfed_s2s *s);
/*
 * The stanza with this number (STANZA) needs the peer no more: it has its fate, or has been handed on. In any order, once or
 * more often; 0 does nothing. True: an <a/> has been written, or is due at a time of its
 * own: actions are to be drained and the deadline asked for as after xfed_s2s_send().
 */
bool xfed_s2s_cover(struct xfed_s2s *s, uint64_t number, uint64_t now_ms);

/*
 * What the peer has had us do before it proved anything, in the units of limits.h (XFED_S2S_WORK_UNITS): it only grows. The
 * stream's own share is kept here; the driver keeps that of an address.
 */
uint64_t xfed_s2s_unproved_work(const struct xfed_s2s *s);

struct xfed_s2s_info {
	enum xfed_s2s_direction direction;
	enum xfed_s2s_state state;
	const char *state_name;
	struct xfed_span local, remote; /* of the pair; empty while unknown */
	bool is_secure, is_authenticated;
	bool tried_external;				   /* out: <auth/> was sent */
	bool has_features;				   /* out: the peer's features have been seen, on the stream as secure as it is now */
	bool offers_tls, offers_external, offers_dialback; /* ... and what was among them (before authentication) */
	enum xfed_method method;			   /* where authenticated */
	struct xfed_tls_facts tls;			   /* where secure */
	enum xfed_reason cert_reason;			   /* why the peer's certificate does not prove `remote`; NONE: it does */
	enum xfed_reason why_not_external;		   /* out: it was allowed, and dialback had to do; NONE: it was not so */
	size_t peer_bytes;				   /* out: most the peer takes of one stanza, as it says (XEP-0478); 0: it does not */
	uint64_t opened_ms, established_ms, last_traffic_ms;
	bool has_sm;					     /* stream management runs */
	uint64_t sm_sent, sm_acked, sm_received, sm_covered; /* stanzas since it does */
	struct xfed_span stream_id;
};
void xfed_s2s_info(const struct xfed_s2s *s, struct xfed_s2s_info *out);

/*
 * Judges the peer's certificate again, as xfed_tls_judge_again() does, for what is proved from now on. NONE, or why what a
 * certificate has proved on this stream does not hold any more: the driver closes it with that reason. What dialback alone has
 * proved stays. `*due_s`: when to ask again, INT64_MAX: never. It is no step: it may be called between actions.
 */
enum xfed_reason xfed_s2s_judge_again(struct xfed_s2s *s, struct xfed_tls_creds *creds, int64_t now_s, int64_t *due_s);

#endif
