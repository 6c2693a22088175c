/*
 * Server dialback (XEP-0220 1.1.1, keys of XEP-0185): elements, keys, and the roles as machines without I/O.
 *
 *   initiating     xfed_dbinit    one per stream we opened: asks for its pair (db:result), learns the outcome
 *   receiving      xfed_dbrecv    one per stream a peer opened: takes db:result, has the key verified, answers
 *   receiving      xfed_dbverify  one per stream we opened to an authoritative server: db:verify and its answers
 *   authoritative  xfed_dialback_authoritative(), a function: answers a db:verify
 *
 * Everything an element says is read once, by xfed_dialback_read(), and handed to the machines. What came with a
 * `type` where only requests are due, and answers nobody asked for, change nothing (XEP-0220 3.1).
 *
 * Where the XEP leaves a choice: any error of step 3 but item-not-found is told as remote-server-not-found (the prose of 2.5); two
 * different keys for a pair that waits are not-acceptable; an outgoing stream is for one pair (sender multiplexing is taken from
 * partners, not used towards them); the short cut for identical certificates (XEP-0344 2.6) is not used. Questions go over streams
 * opened for them alone, which are closed when the last one is answered.
 *
 * Security sentence: no pair is PROVED without a verdict `valid` fed for exactly that pair, key and stream id, or the
 * certificate flag of its request.
 *
 * The shape is that of all machines here: step with an event, drain the actions with next, rearm the timer from
 * deadline. Stepping with undrained actions is a broken promise (XFED_REQUIRE). What an event points to lives until
 * the actions are drained; what an action points to is valid until the next step. NOMEM from a step means that nothing
 * has changed. A stream restart (TLS, SASL) makes a new stream id: free the machines of the old one.
 */
#ifndef XFED_DIALBACK_H
#define XFED_DIALBACK_H

#include "xfed/arena.h"
#include "xfed/base.h"
#include "xfed/buf.h"
#include "xfed/env.h"
#include "xfed/reason.h"
#include "xfed/xml.h"

/* ---- elements ---- */

enum xfed_dialback_kind { XFED_DIALBACK_RESULT, XFED_DIALBACK_VERIFY };

#define XFED_DIALBACK_TYPES(X)                                                                                                                       \
	X(KEY, "") /* no type: a request with a key */                                                                                               \
	X(VALID, "valid")                                                                                                                            \
	X(INVALID, "invalid")                                                                                                                        \
	X(ERROR, "error")                                                                                                                            \
	X(UNKNOWN, NULL) /* a type the protocol does not know */

enum xfed_dialback_type {
#define X(id, word) XFED_DIALBACK_##id,
	XFED_DIALBACK_TYPES(X)
#undef X
};

/*
 * Dialback errors, XEP-0220 2.5: the word, the error type sent with it, and the reason it is to the one who receives
 * it. NOT_IN_TABLE stands for every other condition; INTERNAL is what we send where we cannot judge.
 */
#define XFED_DIALBACK_CONDITIONS(X)                                                                                                                  \
	X(ITEM_NOT_FOUND, "item-not-found", "cancel", DIALBACK_TARGET_UNKNOWN)                                                                       \
	X(REMOTE_CONNECTION_FAILED, "remote-connection-failed", "cancel", DIALBACK_AUTHORITY_UNREACHABLE)                                            \
	X(REMOTE_SERVER_NOT_FOUND, "remote-server-not-found", "cancel", DIALBACK_AUTHORITY_UNKNOWN)                                                  \
	X(REMOTE_SERVER_TIMEOUT, "remote-server-timeout", "wait", DIALBACK_TIMEOUT)                                                                  \
	X(POLICY_VIOLATION, "policy-violation", "modify", DIALBACK_POLICY_REFUSED)                                                                   \
	X(NOT_AUTHORIZED, "not-authorized", "auth", DIALBACK_CERTIFICATE_REQUIRED)                                                                   \
	X(FORBIDDEN, "forbidden", "auth", DIALBACK_INVALID)                                                                                          \
	X(NOT_ACCEPTABLE, "not-acceptable", "modify", DIALBACK_IDENTITY_REFUSED)                                                                     \
	X(RESOURCE_CONSTRAINT, "resource-constraint", "wait", DIALBACK_PAIRS_EXCEEDED)                                                               \
	X(INTERNAL, "internal-server-error", "cancel", DIALBACK_ERROR_RECEIVED)                                                                      \
	X(NOT_IN_TABLE, "undefined-condition", "cancel", DIALBACK_ERROR_RECEIVED)

enum xfed_dialback_condition {
#define X(id, word, type, reason) XFED_DIALBACK_##id,
	XFED_DIALBACK_CONDITIONS(X)
#undef X
};

const char *xfed_dialback_condition_word(enum xfed_dialback_condition c);
/* Unknown words give NOT_IN_TABLE. */
enum xfed_dialback_condition xfed_dialback_condition_by_word(struct xfed_span word);
/* What a refusal by our policy is to the peer: "policy-violation", "not-authorized", "resource-constraint", ... */
enum xfed_dialback_condition xfed_dialback_condition_of(enum xfed_reason refusal);
/* What the condition a peer sent us is to the operator. */
enum xfed_reason xfed_dialback_condition_reason(enum xfed_dialback_condition c);

struct xfed_dialback_elem {
	enum xfed_dialback_kind kind;
	enum xfed_dialback_type type;
	struct xfed_span from, to;		/* normalised (xfed_jid_domain); data NULL: absent, or not a domain */
	struct xfed_span from_raw, to_raw;	/* as written: keys are made of these and answers echo them; data NULL: absent */
	struct xfed_span id;			/* VERIFY; data NULL: absent */
	struct xfed_span key;			/* KEY: without the white space around it */
	enum xfed_dialback_condition condition; /* ERROR */
	struct xfed_span condition_word;	/* ERROR: as the peer wrote it, for the log; data NULL: none */
};

/*
 * Reads an element of namespace jabber:server:dialback, whatever its prefix ([A8-02]). What it found lives in `a` and
 * in the tree. OK; INVALID: not db:result or db:verify; NOMEM.
 */
int xfed_dialback_read(struct xfed_arena *a, const struct xfed_xml_elem *e, struct xfed_dialback_elem *out);

/*
 * Appends an element as it goes on the wire, with the prefix `db` that our stream headers declare and some peers insist
 * on (XEP-0220 2.4.1). Uses the raw addresses. OK; INVALID for type UNKNOWN; LIMIT; NOMEM: the buffer is as before.
 */
int xfed_dialback_print(struct xfed_buf *out, const struct xfed_dialback_elem *e);

/* The answer to a request: addresses swapped as they came, id copied ([A8-04]). `condition` counts with type ERROR only. */
void xfed_dialback_answer_to(const struct xfed_dialback_elem *request, enum xfed_dialback_type type, enum xfed_dialback_condition condition,
	struct xfed_dialback_elem *out);

/* The feature that says we handle dialback errors ([A8-03]), for <stream:features/>. */
#define XFED_DIALBACK_FEATURE "<dialback xmlns='" XFED_NS_F_DIALBACK "'><errors/></dialback>"

/* ---- keys ---- */

#define XFED_DIALBACK_HEX 64 /* characters of a hash or key of ours */

/* Lower-case hex of SHA-256 of the secret: the form in which policy carries it. OK, LIBRARY. */
int xfed_dialback_hash(struct xfed_span secret, char out[XFED_DIALBACK_HEX + 1]);
/* The key of XEP-0185 section 2, [A8-05]. OK; INVALID: `hash_hex` is not 64 lower-case hex digits; LIBRARY. */
int xfed_dialback_key_hashed(struct xfed_span hash_hex, struct xfed_span receiving, struct xfed_span originating, struct xfed_span stream_id,
	char out[XFED_DIALBACK_HEX + 1]);

/* ---- authoritative role ---- */

struct xfed_dialback_authority {
	bool is_local;			    /* `to` is a domain of ours */
	struct xfed_span current, previous; /* hashes of the secret, of xfed_policy_dialback_current() and _previous(); may be empty */
	enum xfed_reason refuse;	    /* NONE, or why this stream may not ask (TLS_REQUIRED_MISSING) */
};

enum xfed_dialback_reaction {
	XFED_DIALBACK_ANSWER,	/* print `*answer` */
	XFED_DIALBACK_DROP,	/* it was no request: ignore it, count it ([A8-12]) */
	XFED_DIALBACK_IMPROPER, /* nothing can be answered: close with stream.address.improper */
};

/*
 * Answers a db:verify, on any stream at any time ([A8-19]); the driver keeps it from streams we opened. `*answer`
 * borrows from `verify`. The key is compared in constant time with that of the current and of the previous secret.
 */
enum xfed_dialback_reaction xfed_dialback_authoritative(
	const struct xfed_dialback_elem *verify, const struct xfed_dialback_authority *authority, struct xfed_dialback_elem *answer);

/* ---- what the machines share ---- */

/* Sender and target domain of step 1; the raw forms are as the peer wrote them. data NULL where they are not domains. */
struct xfed_dialback_pair {
	struct xfed_span sender, target;
	struct xfed_span sender_raw, target_raw;
};

/* The fate of a verification: what the receiving role sends for it ([A8-14], [A8-15]) and its reason. */
#define XFED_DIALBACK_VERDICTS(X)                                                                                                                    \
	X(VALID, "valid", NOT_IN_TABLE, NONE)                                                                                                        \
	X(INVALID, "invalid", FORBIDDEN, DIALBACK_INVALID)                                                                                           \
	X(UNKNOWN_DOMAIN, "unknown-domain", REMOTE_SERVER_NOT_FOUND, DIALBACK_AUTHORITY_UNKNOWN) /* item-not-found, host-unknown */                  \
	X(REFUSED, "refused", REMOTE_SERVER_NOT_FOUND, DIALBACK_AUTHORITY_REFUSED)		 /* any other error in step 3 */                     \
	X(UNREACHABLE, "unreachable", REMOTE_CONNECTION_FAILED, DIALBACK_AUTHORITY_UNREACHABLE)                                                      \
	X(BUSY, "busy", RESOURCE_CONSTRAINT, POLICY_UNPROVED_EXCEEDED) /* no place to ask from: the asker may come again */                          \
	X(LOST, "lost", REMOTE_SERVER_TIMEOUT, DIALBACK_TIMEOUT)                                                                                     \
	X(TIMEOUT, "timeout", REMOTE_SERVER_TIMEOUT, DIALBACK_TIMEOUT)

enum xfed_dialback_verdict {
#define X(id, word, condition, reason) XFED_DIALBACK_VERDICT_##id,
	XFED_DIALBACK_VERDICTS(X)
#undef X
};
const char *xfed_dialback_verdict_word(enum xfed_dialback_verdict v);

enum xfed_dialback_action_type {
	XFED_DIALBACK_DO_SEND,	  /* `bytes` on the machine's stream */
	XFED_DIALBACK_DO_ASK,	  /* receiving: have `key` of `pair` verified; bring the verdict back with `token` */
	XFED_DIALBACK_DO_PROVED,  /* receiving: stanzas of `pair` may be taken from now on */
	XFED_DIALBACK_DO_CLOSE,	  /* receiving: close the stream for `reason`; nothing follows */
	XFED_DIALBACK_DO_READY,	  /* initiating: stanzas of `pair` may be sent from now on */
	XFED_DIALBACK_DO_FAILED,  /* initiating, receiving: `pair` came to nothing */
	XFED_DIALBACK_DO_VERDICT, /* verify: the fate of an ASK */
};

struct xfed_dialback_action {
	enum xfed_dialback_action_type type;
	struct xfed_span bytes;		    /* SEND */
	struct xfed_dialback_pair pair;	    /* all but SEND, CLOSE */
	struct xfed_span key, stream_id;    /* ASK; VERDICT: stream_id */
	uint64_t token, origin;		    /* ASK: token; VERDICT: both as asked */
	enum xfed_dialback_verdict verdict; /* VERDICT */
	bool by_certificate;		    /* PROVED: no key was verified ([A8-18]) */
	enum xfed_reason reason;	    /* CLOSE, FAILED */
	enum xfed_side side;		    /* FAILED: the reason's, or whom a peer's error really means */
	const char *condition;		    /* FAILED: the dialback condition sent or received, "invalid", or "" */
};

/* ---- receiving role, the stream the keys come in on ---- */

struct xfed_dbrecv;

struct xfed_dbrecv_config {
	const struct xfed_env *env; /* trace only; may be NULL */
	struct xfed_span stream_id; /* the id we gave this stream; copied */
	bool is_authenticated;	    /* another pair of this stream is proved by SASL: an invalid key does not close it */
	unsigned time_divisor;	    /* tests: divides every timer; 0 means 1 */
};

/* What policy and certificate say about a request, judged when it comes (XEP-0344 3.3), not when the stream began. */
struct xfed_dialback_decision {
	bool is_local;		       /* `to` is a domain of ours */
	enum xfed_reason refuse;       /* XFED_REASON_NONE: go on */
	bool is_proved_by_certificate; /* the peer's certificate proves `from`, and policy lets it count */
};

enum xfed_dbrecv_event_type {
	XFED_DBRECV_REQUEST, /* a db:result came in, whatever its type: `elem`, `decision` */
	XFED_DBRECV_VERDICT, /* everything below `token`, as ASK had it */
	XFED_DBRECV_TICK,    /* the deadline has come; repeat while it is due */
};

struct xfed_dbrecv_event {
	enum xfed_dbrecv_event_type type;
	const struct xfed_dialback_elem *elem;
	struct xfed_dialback_decision decision;
	uint64_t token;
	struct xfed_span sender, target, stream_id;
	enum xfed_dialback_verdict verdict;
};

int xfed_dbrecv_new(const struct xfed_dbrecv_config *cfg, struct xfed_dbrecv **out); /* OK; LIMIT: stream id; NOMEM */
void xfed_dbrecv_free(struct xfed_dbrecv *m);

/*
 * ASK must be carried out on another connection than this one ([A8-13]): xfed_dbverify refuses the rest. Where no
 * connection comes about, feed the verdict of xfed_dialback_verdict_of(). A verdict whose token, pair and stream id do
 * not match a pair still waiting is dropped. OK; INVALID: not a db:result; NOMEM.
 */
int xfed_dbrecv_step(struct xfed_dbrecv *m, const struct xfed_dbrecv_event *ev, uint64_t now_ms);
bool xfed_dbrecv_next(struct xfed_dbrecv *m, struct xfed_dialback_action *act);
uint64_t xfed_dbrecv_deadline(const struct xfed_dbrecv *m); /* UINT64_MAX: none */
/* Normalised domains. */
bool xfed_dbrecv_is_proved(const struct xfed_dbrecv *m, struct xfed_span sender, struct xfed_span target);

/* ---- initiating role ---- */

struct xfed_dbinit;

struct xfed_dbinit_config {
	const struct xfed_env *env;	 /* trace only; may be NULL */
	struct xfed_span stream_id;	 /* `id` of the peer's stream header, whole */
	struct xfed_span sender, target; /* normalised: the pair the stream is for; copied */
	struct xfed_span hash_hex;	 /* of the current secret; not kept */
	unsigned time_divisor;
};

/* The request is its first action. OK; LIMIT: no stream id, or too long; INVALID: no hash; NOMEM; LIBRARY. */
int xfed_dbinit_new(const struct xfed_dbinit_config *cfg, uint64_t now_ms, struct xfed_dbinit **out);
void xfed_dbinit_free(struct xfed_dbinit *m);
/* `answer`: a db:result came in; NULL: the deadline has come. READY or FAILED, once. OK; INVALID: no db:result. */
int xfed_dbinit_step(struct xfed_dbinit *m, const struct xfed_dialback_elem *answer, uint64_t now_ms);
bool xfed_dbinit_next(struct xfed_dbinit *m, struct xfed_dialback_action *act);
uint64_t xfed_dbinit_deadline(const struct xfed_dbinit *m);

/* ---- receiving role, the stream to the authoritative server ---- */

struct xfed_dbverify;

struct xfed_dbverify_config {
	const struct xfed_env *env; /* trace only; may be NULL */
	uint64_t connection;	    /* the driver's id of this connection */
	unsigned time_divisor;
};

enum xfed_dbverify_event_type {
	XFED_DBVERIFY_ASK,    /* what an ASK action said, `origin` being the connection it came from */
	XFED_DBVERIFY_OPEN,   /* the stream can carry db:verify now; before that questions wait */
	XFED_DBVERIFY_ANSWER, /* a db:verify came in: `elem` */
	XFED_DBVERIFY_TICK,
	XFED_DBVERIFY_END, /* no stream came about, or it is gone: `is_host_unknown` */
};

struct xfed_dbverify_event {
	enum xfed_dbverify_event_type type;
	struct xfed_dialback_pair pair;
	struct xfed_span key, stream_id;
	uint64_t token, origin;
	const struct xfed_dialback_elem *elem;
	bool is_host_unknown; /* the peer closed with the stream error host-unknown */
};

/*
 * The verdict where a connection failed for `reason` (DNS, TCP, TLS, stream): UNREACHABLE before the stream was open, LOST
 * after, UNKNOWN_DOMAIN for host-unknown ([A8-14]).
 */
enum xfed_dialback_verdict xfed_dialback_verdict_of(bool was_open, bool is_host_unknown);

int xfed_dbverify_new(const struct xfed_dbverify_config *cfg, struct xfed_dbverify **out); /* OK, NOMEM */
void xfed_dbverify_free(struct xfed_dbverify *m);

/*
 * ASK gives STATE where the question must go over another connection: `origin` is this one ([A8-13]), the stream has
 * ended, or the same pair and stream id were asked here before without an answer, so that one could not tell which key an
 * answer is for; LIMIT where XFED_DIALBACK_PAIRS_MAX questions are on it; NOMEM. INVALID: not a db:verify.
 */
int xfed_dbverify_step(struct xfed_dbverify *m, const struct xfed_dbverify_event *ev, uint64_t now_ms);
bool xfed_dbverify_next(struct xfed_dbverify *m, struct xfed_dialback_action *act);
uint64_t xfed_dbverify_deadline(const struct xfed_dbverify *m);

#endif
