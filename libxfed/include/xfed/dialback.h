/*
 * Server dialback (XEP-0220 1.1.1, keys of XEP-0185): elements, keys, and the roles as machines without I/O.
 *
 *   initiating     xfed_dbinit    one per stream we opened: requests its pair (db:result), gets the result
 *   receiving      xfed_dbrecv    one per stream a peer opened: takes db:result, has the key verified, answers
 *   receiving      xfed_dbverify  one per stream we opened to an authoritative server: db:verify and its answers
 *   authoritative  xfed_dialback_authoritative(), a function: answers a db:verify
 *
 * An element is read once, by xfed_dialback_read(), and given to the machines. An element with a `type` where only requests are expected,
 * and answers to nothing we asked, are ignored (XEP-0220 3.1).
 *
 * Where the XEP leaves a choice: any error in step 3 but item-not-found is reported as remote-server-not-found (the prose of 2.5); two
 * different keys for a pair that waits are not-acceptable; an outgoing stream is for one pair (we accept sender multiplexing, and do not
 * use it); the short cut for identical certificates (XEP-0344 2.6) is not used. Questions go over streams opened only for them, which are
 * closed when the last one is answered.
 *
 * Security property: a pair is PROVED only after a verdict `valid` for exactly that pair, key and stream id, or with the certificate flag
 * of its request.
 *
 * All machines here work alike: step with an event, take the actions with next, set the timer from deadline. A step before all actions are
 * taken fails XFED_REQUIRE. What an event points to has to live until the actions are taken; what an action points to is valid until the
 * next step. After NOMEM from a step nothing has changed. A stream restart (TLS, SASL) makes a new stream id: free the machines of the old
 * one.
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
	X(UNKNOWN, NULL) /* an unknown type */

enum xfed_dialback_type {
#define X(id, word) XFED_DIALBACK_##id,
	XFED_DIALBACK_TYPES(X)
#undef X
};

/*
 * Dialback errors, XEP-0220 2.5: the word, the error type sent with it, and the reason for the side that receives it. NOT_IN_TABLE stands
 * for every other condition; INTERNAL is sent when we cannot judge.
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
/* NOT_IN_TABLE for unknown words. */
enum xfed_dialback_condition xfed_dialback_condition_by_word(struct xfed_span word);
/* The condition for a refusal by our policy: "policy-violation", "not-authorized", "resource-constraint", ... */
enum xfed_dialback_condition xfed_dialback_condition_of(enum xfed_reason refusal);
/* The reason for a condition that a peer sent us. */
enum xfed_reason xfed_dialback_condition_reason(enum xfed_dialback_condition c);

struct xfed_dialback_elem {
	enum xfed_dialback_kind kind;
	enum xfed_dialback_type type;
	struct xfed_span from, to;		/* normalised (xfed_jid_domain); data NULL: absent, or no domain */
	struct xfed_span from_raw, to_raw;	/* as written, because keys are made from them and answers repeat them; data NULL: absent */
	struct xfed_span id;			/* for VERIFY; data NULL: absent */
	struct xfed_span key;			/* for KEY, trimmed */
	enum xfed_dialback_condition condition; /* for ERROR */
	struct xfed_span condition_word;	/* for ERROR: as the peer wrote it, for the log; data NULL: none */
};

/*
 * Reads an element of namespace jabber:server:dialback with any prefix ([A8-02]). The result points into `a` and the tree. OK; INVALID: not
 * db:result or db:verify; NOMEM.
 */
int xfed_dialback_read(struct xfed_arena *a, const struct xfed_xml_elem *e, struct xfed_dialback_elem *out);

/*
 * Appends an element in its wire form, with the prefix `db`, which our stream headers declare and some peers expect (XEP-0220 2.4.1), and
 * the raw addresses. OK; INVALID for type UNKNOWN; after LIMIT and NOMEM the buffer is unchanged.
 */
int xfed_dialback_print(struct xfed_buf *out, const struct xfed_dialback_elem *e);

/* Makes the answer to a request: the raw addresses swapped, the id copied ([A8-04]). `condition` is used with type ERROR only. */
void xfed_dialback_answer_to(const struct xfed_dialback_elem *request, enum xfed_dialback_type type, enum xfed_dialback_condition condition,
	struct xfed_dialback_elem *out);

/* The feature that says we handle dialback errors ([A8-03]), for <stream:features/>. */
#define XFED_DIALBACK_FEATURE "<dialback xmlns='" XFED_NS_F_DIALBACK "'><errors/></dialback>"

/* ---- keys ---- */

#define XFED_DIALBACK_HEX 64 /* characters of one of our hashes or keys */

/* Lower-case hexadecimal SHA-256 of the secret, in which form policy carries it. OK, LIBRARY. */
int xfed_dialback_hash(struct xfed_span secret, char out[XFED_DIALBACK_HEX + 1]);
/* The key of XEP-0185 section 2, [A8-05]. OK; INVALID: `hash_hex` is not 64 lower-case hexadecimal digits; LIBRARY. */
int xfed_dialback_key_hashed(struct xfed_span hash_hex, struct xfed_span receiving, struct xfed_span originating, struct xfed_span stream_id,
	char out[XFED_DIALBACK_HEX + 1]);

/* ---- authoritative role ---- */

struct xfed_dialback_authority {
	bool is_local;			    /* `to` is one of our domains */
	struct xfed_span current, previous; /* hashes of the secret, of xfed_policy_dialback_current() and _previous(); may be empty */
	enum xfed_reason refuse;	    /* NONE, or why this stream may not ask (TLS_REQUIRED_MISSING) */
};

enum xfed_dialback_reaction {
	XFED_DIALBACK_ANSWER,	/* send `*answer` */
	XFED_DIALBACK_DROP,	/* not a request: ignore and count it ([A8-12]) */
	XFED_DIALBACK_IMPROPER, /* it cannot be answered: close with stream.address.improper */
};

/*
 * Answers a db:verify, on any stream at any time ([A8-19]); the driver does not pass those from streams we opened. `*answer` borrows from
 * `verify`. The key is compared in constant time with that of the current and of the previous secret.
 */
enum xfed_dialback_reaction xfed_dialback_authoritative(
	const struct xfed_dialback_elem *verify, const struct xfed_dialback_authority *authority, struct xfed_dialback_elem *answer);

/* ---- types shared by the machines ---- */

/* Sender and target domain of step 1; the raw forms as the peer wrote them. data NULL: not a domain. */
struct xfed_dialback_pair {
	struct xfed_span sender, target;
	struct xfed_span sender_raw, target_raw;
};

/* Results of a verification: what the receiving role sends for them ([A8-14], [A8-15]), and their reason. */
#define XFED_DIALBACK_VERDICTS(X)                                                                                                                    \
	X(VALID, "valid", NOT_IN_TABLE, NONE)                                                                                                        \
	X(INVALID, "invalid", FORBIDDEN, DIALBACK_INVALID)                                                                                           \
	X(UNKNOWN_DOMAIN, "unknown-domain", REMOTE_SERVER_NOT_FOUND, DIALBACK_AUTHORITY_UNKNOWN) /* item-not-found, host-unknown */                  \
	X(REFUSED, "refused", REMOTE_SERVER_NOT_FOUND, DIALBACK_AUTHORITY_REFUSED)		 /* any other error in step 3 */                     \
	X(UNREACHABLE, "unreachable", REMOTE_CONNECTION_FAILED, DIALBACK_AUTHORITY_UNREACHABLE)                                                      \
	X(BUSY, "busy", RESOURCE_CONSTRAINT, POLICY_UNPROVED_EXCEEDED) /* no place for the question: the asker may try again */                      \
	X(LOST, "lost", REMOTE_SERVER_TIMEOUT, DIALBACK_TIMEOUT)                                                                                     \
	X(TIMEOUT, "timeout", REMOTE_SERVER_TIMEOUT, DIALBACK_TIMEOUT)

enum xfed_dialback_verdict {
#define X(id, word, condition, reason) XFED_DIALBACK_VERDICT_##id,
	XFED_DIALBACK_VERDICTS(X)
#undef X
};
const char *xfed_dialback_verdict_word(enum xfed_dialback_verdict v);

enum xfed_dialback_action_type {
	XFED_DIALBACK_DO_SEND,	  /* send `bytes` on the machine's stream */
	XFED_DIALBACK_DO_ASK,	  /* receiving: have `key` of `pair` verified; return the verdict with `token` */
	XFED_DIALBACK_DO_PROVED,  /* receiving: stanzas of `pair` may be accepted from now on */
	XFED_DIALBACK_DO_CLOSE,	  /* receiving: close the stream for `reason`; no further action follows */
	XFED_DIALBACK_DO_READY,	  /* initiating: stanzas of `pair` may be sent from now on */
	XFED_DIALBACK_DO_FAILED,  /* initiating, receiving: `pair` was not proved */
	XFED_DIALBACK_DO_VERDICT, /* verify: the result of an ASK */
};

struct xfed_dialback_action {
	enum xfed_dialback_action_type type;
	struct xfed_span bytes;		    /* for SEND */
	struct xfed_dialback_pair pair;	    /* for all but SEND and CLOSE */
	struct xfed_span key, stream_id;    /* for ASK; stream_id also for VERDICT */
	uint64_t token, origin;		    /* token: for ASK; both: for VERDICT, as in its ASK */
	enum xfed_dialback_verdict verdict; /* for VERDICT */
	bool by_certificate;		    /* for PROVED: without verifying a key ([A8-18]) */
	enum xfed_reason reason;	    /* for CLOSE and FAILED */
	enum xfed_side side;		    /* for FAILED: the default of the reason, or the side a peer's error is really about */
	const char *condition;		    /* for FAILED: the dialback condition sent or received, "invalid", or "" */
};

/* ---- receiving role: the stream on which keys come in ---- */

struct xfed_dbrecv;

struct xfed_dbrecv_config {
	const struct xfed_env *env; /* for tracing only; may be NULL */
	struct xfed_span stream_id; /* the id we gave this stream; copied */
	bool is_authenticated;	    /* the stream has authenticated a pair by SASL, so an invalid key does not close it */
	unsigned time_divisor;	    /* for tests: divides every timer; 0: 1 */
};

/* What policy and certificate say about a request, judged when it comes in (XEP-0344 3.3), not when the stream began. */
struct xfed_dialback_decision {
	bool is_local;		       /* `to` is one of our domains */
	enum xfed_reason refuse;       /* XFED_REASON_NONE: go on */
	bool is_proved_by_certificate; /* the peer's certificate proves `from`, and policy accepts that */
};

enum xfed_dbrecv_event_type {
	XFED_DBRECV_REQUEST, /* a db:result of any type: `elem`, `decision` */
	XFED_DBRECV_VERDICT, /* the members below `token`, which is that of the ASK */
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

int xfed_dbrecv_new(const struct xfed_dbrecv_config *cfg, struct xfed_dbrecv **out); /* OK; LIMIT: the stream id is too long; NOMEM */
void xfed_dbrecv_free(struct xfed_dbrecv *m);

/*
 * ASK has to be carried out over another connection than this one ([A8-13]): xfed_dbverify refuses others. If no connection can be made,
 * feed the verdict of xfed_dialback_verdict_of(). A verdict whose token, pair and stream id match no pair that waits is ignored. OK;
 * INVALID: not a db:result; NOMEM.
 */
int xfed_dbrecv_step(struct xfed_dbrecv *m, const struct xfed_dbrecv_event *ev, uint64_t now_ms);
bool xfed_dbrecv_next(struct xfed_dbrecv *m, struct xfed_dialback_action *act);
uint64_t xfed_dbrecv_deadline(const struct xfed_dbrecv *m); /* UINT64_MAX: none */
/* Normalised domains. */
bool xfed_dbrecv_is_proved(const struct xfed_dbrecv *m, struct xfed_span sender, struct xfed_span target);

/* ---- initiating role ---- */

struct xfed_dbinit;

struct xfed_dbinit_config {
	const struct xfed_env *env;	 /* for tracing only; may be NULL */
	struct xfed_span stream_id;	 /* complete `id` of the peer's stream header */
	struct xfed_span sender, target; /* normalised: the pair of the stream; copied */
	struct xfed_span hash_hex;	 /* of the current secret; not kept */
	unsigned time_divisor;
};

/* Its first action is the request. OK; LIMIT: no stream id, or too long; INVALID: no hash; NOMEM; LIBRARY. */
int xfed_dbinit_new(const struct xfed_dbinit_config *cfg, uint64_t now_ms, struct xfed_dbinit **out);
void xfed_dbinit_free(struct xfed_dbinit *m);
/* `answer`: a db:result has come in; NULL: the deadline has come. READY or FAILED follows once. OK; INVALID: no db:result. */
int xfed_dbinit_step(struct xfed_dbinit *m, const struct xfed_dialback_elem *answer, uint64_t now_ms);
bool xfed_dbinit_next(struct xfed_dbinit *m, struct xfed_dialback_action *act);
uint64_t xfed_dbinit_deadline(const struct xfed_dbinit *m);

/* ---- receiving role: the stream to the authoritative server ---- */

struct xfed_dbverify;

struct xfed_dbverify_config {
	const struct xfed_env *env; /* for tracing only; may be NULL */
	uint64_t connection;	    /* the driver's id of this connection */
	unsigned time_divisor;
};

enum xfed_dbverify_event_type {
	XFED_DBVERIFY_ASK,    /* the members of an ASK action; `origin` is the connection it came from */
	XFED_DBVERIFY_OPEN,   /* the stream can carry db:verify now; until then questions wait */
	XFED_DBVERIFY_ANSWER, /* a db:verify came in: `elem` */
	XFED_DBVERIFY_TICK,
	XFED_DBVERIFY_END, /* there will be no stream, or it has ended: `is_host_unknown` */
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
 * The verdict for a connection that failed for `reason` (DNS, TCP, TLS, stream): UNREACHABLE before the stream was open, LOST afterwards,
 * UNKNOWN_DOMAIN for host-unknown ([A8-14]).
 */
enum xfed_dialback_verdict xfed_dialback_verdict_of(bool was_open, bool is_host_unknown);

int xfed_dbverify_new(const struct xfed_dbverify_config *cfg, struct xfed_dbverify **out); /* OK, NOMEM */
void xfed_dbverify_free(struct xfed_dbverify *m);

/*
 * ASK returns STATE if the question has to go over another connection: `origin` is this one ([A8-13]), the stream has ended, or the same
 * pair and stream id were asked here before without an answer, so that the answer could not be attributed to one key; LIMIT:
 * XFED_DIALBACK_PAIRS_MAX questions are on the stream; NOMEM. INVALID: not a db:verify.
 */
int xfed_dbverify_step(struct xfed_dbverify *m, const struct xfed_dbverify_event *ev, uint64_t now_ms);
bool xfed_dbverify_next(struct xfed_dbverify *m, struct xfed_dialback_action *act);
uint64_t xfed_dbverify_deadline(const struct xfed_dbverify *m);

#endif
