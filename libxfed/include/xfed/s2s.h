/*
 * The conductor of one server-to-server stream (RFC 6120): headers, features, STARTTLS, SASL EXTERNAL, server dialback (XEP-0220), stanzas,
 * acknowledgements (XEP-0198), close. One machine per TCP connection, for either direction. It does no I/O: the driver feeds events, takes
 * actions, and sends the bytes of the output buffer it provided.
 *
 *   for each input: xfed_s2s_step(); while (xfed_s2s_next()) perform; repeat with PUMP while xfed_s2s_has_pending()
 *   then set the timer from xfed_s2s_deadline()
 *
 * The machine stops after every first-level element, so at most XFED_S2S_ACTIONS_MAX actions wait, and no chunk of bytes keeps the driver
 * from other work. A step before all actions are taken fails XFED_REQUIRE.
 *
 * An incoming stream may prove several pairs of domains by dialback; each gives an ESTABLISHED. An outgoing stream is for one pair, or as a
 * verify stream for none: it carries db:verify questions to an authoritative server.
 *
 * A stanza for a pair the stream has not proved ends the stream: with stream.from.unproved, or if its `from` is proved and its `to` is not
 * of that pair with stream.relay.attempt, even if `to` is another domain of ours: pairs are proved, not domains.
 *
 * A stanza that exceeds a limit, or has an invalid address, is the doing of one of the peer's users. It comes out as STANZA_REFUSED, after
 * the check of its pair, with a number like any other, and the stream goes on.
 *
 * Stream management, if both sides want it, counts stanzas; streams are not resumed. On a stream the peer opened, each STANZA has a number,
 * and the driver says by xfed_s2s_cover() for which the sender's server is not needed any more; of those an unbroken sequence is
 * acknowledged. On a stream of ours ACKED says how many more the peer has acknowledged, in the order in which they were sent.
 *
 * Security property: STANZA and STANZA_REFUSED are only given for a pair (domain of `from`, domain of `to`) for which this stream had an
 * ESTABLISHED before, and ESTABLISHED only after a certificate that proves `from`, or a verdict `valid` for the pair, on this stream.
 * STARTTLS and SASL begin the stream anew, with nothing proved; EXTERNAL is only reported after SASL has succeeded inside TLS; after our
 * closing tag nothing is proved.
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
	X(NEW, "new")				/* waits for START */                                                                                \
	X(WAIT_HEADER, "wait-header")		/* waits for the peer's stream header */                                                             \
	X(WAIT_DECISION, "wait-decision")	/* waits for the driver's answer to HEADER */                                                        \
	X(WAIT_FEATURES, "wait-features")	/* out: waits for <stream:features/> */                                                              \
	X(WAIT_PROCEED, "wait-proceed")		/* out: waits for <proceed/> */                                                                      \
	X(WAIT_NEGOTIATION, "wait-negotiation") /* in: waits for <starttls/> or <auth/> */                                                           \
	X(HANDSHAKING, "handshaking")		/* TLS handshake */                                                                                  \
	X(WAIT_SASL, "wait-sasl")		/* out: waits for <success/> or <failure/> */                                                        \
	X(WAIT_DIALBACK, "wait-dialback")	/* out: waits for the answer to db:result */                                                         \
	X(VERIFYING, "verifying")		/* out: a verify stream that is open for questions */                                                \
	X(READY, "ready")                                                                                                                            \
	X(CLOSING, "closing") /* our closing tag is sent, the peer's is awaited */                                                                   \
	X(DONE, "done")

/* For people: what a stream in that state waits for, or is. An unknown name is returned unchanged. */
const char *xfed_s2s_words(const char *state_name);

enum xfed_s2s_state {
#define X(id, name) XFED_S2S_##id,
	XFED_S2S_STATES(X)
#undef X
};

/* The policy for a pair; the driver's answer to HEADER, or part of the configuration of an outgoing stream. */
struct xfed_s2s_decision {
	enum xfed_reason refuse; /* XFED_REASON_NONE: go on */
	bool needs_tls;
	unsigned methods;		/* bits of enum xfed_method that may end the negotiation */
	size_t stanza_bytes;		/* the partner's limit */
	bool is_quiet;			/* out: no white space while the stream is idle */
	struct xfed_tls_creds *creds;	/* borrowed for the call; NULL: no TLS */
	struct xfed_span dialback_hash; /* out: hash of the current secret, copied; empty: no dialback */
};

struct xfed_s2s_config {
	const struct xfed_env *env; /* has to live as long as the machine */
	enum xfed_s2s_direction direction;
	struct xfed_buf *out;		      /* bytes for the socket; the driver owns and empties it */
	struct xfed_span local, remote;	      /* out: normalised domains, copied; in: ignored */
	struct xfed_s2s_decision decision;    /* out only */
	bool is_verify;			      /* out: for db:verify only; no pair is proved on it */
	uint64_t connection;		      /* the driver's number of this connection */
	uint32_t establish_ms, inactivity_ms; /* 0: those of limits.h */
	unsigned time_divisor;		      /* for tests: divides every timer; 0: 1 */
	uint32_t sm_start;		      /* for tests: first value of the counters of stream management */
};

/*
 * The table in libxfed/s2s/legal.c says which events a state takes. One that comes too late (a verdict after our closing tag, an answer to
 * a question that has been dropped) is ignored, whenever and however often it comes.
 */
#define XFED_S2S_EVENTS(X)                                                                                                                           \
	X(START, "start")		  /* once, first: TCP is connected */                                                                        \
	X(BYTES, "bytes")		  /* from the socket; `consumed` is a result; offer the rest again after the actions */                      \
	X(PUMP, "pump")			  /* go on with what the machine still has */                                                                \
	X(JOB_DONE, "job-done")		  /* the JOB action ran; `tls_result` is what it returned */                                                 \
	X(DECISION, "decision")		  /* answers HEADER */                                                                                       \
	X(TICK, "tick")			  /* the deadline has come */                                                                                \
	X(END, "end")			  /* the socket is closed: `reason` net.stream.lost, or NONE for an orderly end of file */                   \
	X(PAIR_DECISION, "pair-decision") /* answers PAIR: `decision` for that pair, `is_local` */                                                   \
	X(ASK, "ask")			  /* verify stream: `question` */                                                                            \
	X(VERDICT, "verdict")		  /* the result of an ASK_VERIFY of this stream: `question` and `verdict` */                                 \
	X(SAY, "say")			  /* send `bytes`, a first-level element of ours (the answer to AUTHORITY) */                                \
	X(CLOSE, "close")		  /* close it: `reason`, optional `text` (sent to the peer; no secrets) */

enum xfed_s2s_event_type {
#define X(id, name) XFED_S2S_##id,
	XFED_S2S_EVENTS(X)
#undef X
};

/* A dialback key that the sender's authoritative server has to verify. */
struct xfed_s2s_question {
	struct xfed_dialback_pair pair;
	struct xfed_span key, stream_id;
	uint64_t token, origin; /* `token`: its number on the stream it came in on; `origin`: the number of that connection */
};

struct xfed_s2s_event {
	enum xfed_s2s_event_type type;
	struct xfed_span bytes;
	size_t consumed;
	bool took_element; /* result: BYTES or PUMP stopped after an element, so that the driver can turn to other streams */
	enum xfed_tls_result tls_result;
	struct xfed_s2s_decision decision;
	bool is_local; /* PAIR_DECISION: the target is one of our domains */
	struct xfed_s2s_question question;
	enum xfed_dialback_verdict verdict;
	enum xfed_reason reason;
	const char *text;
};

enum xfed_s2s_action_type {
	XFED_S2S_JOB,	       /* run xfed_tls_handshake_step(tls) on any thread, then JOB_DONE; do not free it meanwhile */
	XFED_S2S_HEADER,       /* in: the header names a pair; answer with DECISION */
	XFED_S2S_PAIR,	       /* in: the peer wants to prove the pair (from, to) by dialback; answer with PAIR_DECISION */
	XFED_S2S_ASK_VERIFY,   /* in: have `question` verified over another connection, then VERDICT */
	XFED_S2S_AUTHORITY,    /* in: a db:verify for us as the authoritative server: `dialback`; answer with SAY */
	XFED_S2S_VERIFY_OPEN,  /* verify stream: ASK is allowed from now on */
	XFED_S2S_VERIFIED,     /* verify stream: `question` has its `verdict` */
	XFED_S2S_PAIR_REFUSED, /* in: the pair (from, to) was answered with a dialback error, `text`; the stream goes on */
	XFED_S2S_ESTABLISHED,  /* the pair (from, to) is authenticated by `method`: xfed_s2s_info() has the facts */
	/*
	 * A whole stanza, of a pair that is proved. Also after our closing tag until the peer's (RFC 6120 4.4), if we close because the stream is
	 * idle or the edge is going out of service, and there is no stream management.
	 */
	XFED_S2S_STANZA,
	/*
	 * A stanza that is refused: `reason`, `side`, `text`. With a malformed address the stanza has the domain alone; one above a limit has no
	 * children. The driver answers its sender, if an answer is due, and calls xfed_s2s_cover() for its number.
	 */
	XFED_S2S_STANZA_REFUSED,
	XFED_S2S_ACKED,	 /* out: the peer has acknowledged `count` more stanzas; all of them, if it has refused stream management */
	XFED_S2S_CLOSED, /* last action: send what is in the output buffer, close the socket, free the machine */
};

struct xfed_s2s_action {
	enum xfed_s2s_action_type type;
	struct xfed_tls *tls;			   /* for JOB */
	struct xfed_span from, to;		   /* for HEADER, PAIR, PAIR_REFUSED, ESTABLISHED: normalised; data NULL: absent */
	bool is_secure;				   /* for HEADER, PAIR, PAIR_REFUSED */
	enum xfed_method method;		   /* for ESTABLISHED; for STANZA what proved its pair */
	struct xfed_s2s_question question;	   /* for ASK_VERIFY, VERIFIED */
	enum xfed_dialback_verdict verdict;	   /* for VERIFIED */
	const struct xfed_dialback_elem *dialback; /* for AUTHORITY: valid until the next step */
	struct xfed_stanza stanza;		   /* for STANZA, STANZA_REFUSED: valid until the next step, like `arena` */
	struct xfed_arena *arena;
	size_t stanza_bytes;
	uint64_t sm_number;	 /* for STANZA, STANZA_REFUSED: argument of xfed_s2s_cover(); 0: not counted */
	size_t count;		 /* for ACKED: at least 1 */
	enum xfed_reason reason; /* for PAIR_REFUSED, STANZA_REFUSED, CLOSED; XFED_REASON_STREAM_CLOSED_* for an orderly end */
	enum xfed_side side;
	const char *text; /* for PAIR_REFUSED, STANZA_REFUSED, CLOSED: detail, never NULL, valid until the next step; of CLOSED until free */
	bool is_abrupt;	  /* for CLOSED: close the connection without sending what is left */
};

int xfed_s2s_new(const struct xfed_s2s_config *cfg, struct xfed_s2s **out); /* OK, NOMEM */
void xfed_s2s_free(struct xfed_s2s *s);					    /* not while a job is running: see xfed_s2s_has_job() */

/* OK; NOMEM: the machine has closed itself (CLOSED follows). */
int xfed_s2s_step(struct xfed_s2s *s, struct xfed_s2s_event *ev, uint64_t now_ms);
bool xfed_s2s_next(struct xfed_s2s *s, struct xfed_s2s_action *act);
uint64_t xfed_s2s_deadline(const struct xfed_s2s *s); /* UINT64_MAX: none */
/* To be called after the driver has not read for a time: the peer's silence starts to count now. */
void xfed_s2s_unread(struct xfed_s2s *s, uint64_t now_ms);
bool xfed_s2s_has_pending(const struct xfed_s2s *s);
bool xfed_s2s_has_job(const struct xfed_s2s *s);
bool xfed_s2s_is_asleep(const struct xfed_s2s *s); /* idle: its parser and its queue are freed until the next byte */

/*
 * Writes a whole stanza, canonical and in context jabber:server, to an established outgoing stream. OK; STATE: the stream is not READY;
 * TOO_LARGE: the peer does not accept stanzas of this size (XEP-0478), so waiting does not help; LIMIT: the output buffer is full; AGAIN:
 * XFED_S2S_SM_UNACKED_MAX stanzas are not acknowledged, and there is room after the next ACKED. Unless OK nothing was written.
 */
int xfed_s2s_send(struct xfed_s2s *s, struct xfed_span stanza, uint64_t now_ms);
/* True: a stanza sent now will be acknowledged by an ACKED; else it is only written. */
bool xfed_s2s_is_counting(const struct xfed_s2s *s);
/*
 * To be called when the sender's server is not needed any more for the stanza with this number (STANZA): it has ended, or was handed on. In
 * any order, once or more often; 0 does nothing. True: an <a/> has been written, or is due at some time: take the actions and ask for the
 * deadline, as after xfed_s2s_send().
 */
bool xfed_s2s_cover(struct xfed_s2s *s, uint64_t number, uint64_t now_ms);

/*
 * Work the peer has caused before it was authenticated, in the units of limits.h (XFED_S2S_WORK_UNITS); never decreases. The machine limits
 * it per stream; the driver has to limit it per address.
 */
uint64_t xfed_s2s_unproved_work(const struct xfed_s2s *s);

struct xfed_s2s_info {
	enum xfed_s2s_direction direction;
	enum xfed_s2s_state state;
	const char *state_name;
	struct xfed_span local, remote; /* the pair; empty while unknown */
	bool is_secure, is_authenticated;
	bool tried_external;				   /* out: <auth/> was sent */
	bool has_features;				   /* out: the peer's features have been received, on the stream as secure as it is now */
	bool offers_tls, offers_external, offers_dialback; /* what was among them (before authentication) */
	enum xfed_method method;			   /* valid if authenticated */
	struct xfed_tls_facts tls;			   /* valid if secure */
	enum xfed_reason cert_reason;			   /* why the peer's certificate does not prove `remote`; NONE: it does */
	/* out: why EXTERNAL failed, where it was allowed and dialback was used instead; NONE: it did not */
	enum xfed_reason why_not_external;
	size_t peer_bytes; /* out: largest stanza the peer accepts, as it says (XEP-0478); 0: it does not say */
	uint64_t opened_ms, established_ms, last_traffic_ms;
	bool has_sm;					     /* stream management is in use */
	uint64_t sm_sent, sm_acked, sm_received, sm_covered; /* stanzas since then */
	struct xfed_span stream_id;
};
void xfed_s2s_info(const struct xfed_s2s *s, struct xfed_s2s_info *out);

/*
 * Judges the peer's certificate again, as xfed_tls_judge_again() does, for what will be proved from now on. NONE, or why something that a
 * certificate has proved on this stream is not valid any more: the driver closes it with that reason. What dialback alone has proved stays
 * valid. `*due_s`: when to call this again, INT64_MAX: never. It is no step, and may be called between actions.
 */
enum xfed_reason xfed_s2s_judge_again(struct xfed_s2s *s, struct xfed_tls_creds *creds, int64_t now_s, int64_t *due_s);

#endif
