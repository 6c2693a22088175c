/*
 * Reason codes: one stable word for every refusal, the same in log, metrics and xfedctl. The table is libxfed/reasons.def; codes are only
 * added there, and never renamed.
 */
#ifndef XFED_REASON_H
#define XFED_REASON_H

#include "xfed/base.h"

#define XFED_SIDES(X)                                                                                                                                \
	X(US, "us")                                                                                                                                  \
	X(PARTNER, "partner")                                                                                                                        \
	X(NETWORK, "network")                                                                                                                        \
	X(LOCAL_USER, "local-user")                                                                                                                  \
	X(REMOTE_USER, "remote-user")                                                                                                                \
	X(SIP, "sip")                                                                                                                                \
	X(OPERATOR, "operator")

enum xfed_side {
#define X(id, name) XFED_SIDE_##id,
	XFED_SIDES(X)
#undef X
};

enum xfed_reason {
	XFED_REASON_NONE = 0,
#define XFED_REASON(id, code, side, condition, stream_error, sip, remedy) XFED_REASON_##id,
#include "../../reasons.def"
#undef XFED_REASON
	XFED_REASON_COUNT
};

struct xfed_reason_info {
	const char *code;	  /* "tls.cert.expired" */
	enum xfed_side side;	  /* who is to blame by default; a caller may know better */
	const char *condition;	  /* XMPP stanza error condition for the sender; NULL: none */
	const char *stream_error; /* stream error condition (RFC 6120 4.9) if it closes a stream; NULL: none */
	int sip_status;		  /* for a SIP sender; 0: none */
	const char *remedy;	  /* for the operator: what to do */
};

/* Never NULL; XFED_REASON_NONE and unknown values give the code "none". */
const struct xfed_reason_info *xfed_reason_info(enum xfed_reason r);
const char *xfed_reason_code(enum xfed_reason r);
/* The remedy in the language of who reads it (libxfed/reasons_de.def); "" for XFED_REASON_NONE and unknown values. Never NULL. */
enum xfed_language { XFED_ENGLISH, XFED_GERMAN };
const char *xfed_reason_remedy_in(enum xfed_reason r, enum xfed_language language);
/* For the user whose message ended with it: one sentence without technical terms. Never NULL. */
const char *xfed_reason_sentence(enum xfed_reason r);
/* That sentence with the detail and the code, to be quoted to an administrator: "There is no user of this address: Not Found (sip.user.unknown)". */
void xfed_reason_words(char *out, size_t size, enum xfed_reason r, struct xfed_span more);
const char *xfed_side_name(enum xfed_side s); /* "us", "partner", "network", "local-user", ... */
/* The reason is about a size: its error gets <stanza-too-big/> ([A10-11]). */
bool xfed_reason_is_size(enum xfed_reason r);
enum xfed_reason xfed_reason_by_code(struct xfed_span code); /* XFED_REASON_NONE where unknown */

/*
 * Maps words of the other service to our tables, so that it cannot invent keys of logs, limits or metrics: an unknown code becomes
 * CHANNEL_REASON_UNKNOWN, an empty one NONE, an unknown side that of the reason.
 */
enum xfed_reason xfed_reason_of_peer(struct xfed_span code);
enum xfed_side xfed_side_of_peer(struct xfed_span name, enum xfed_reason r);

#endif
