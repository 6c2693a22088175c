/*
 * Reason codes: one stable word for every refusal, the same in log, metric, xfedctl and panel. The table is
 * libxfed/reasons.def; a code is added there and nowhere else, and never renamed.
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
	enum xfed_side side;	  /* default side at fault; a caller may know better */
	const char *condition;	  /* XMPP stanza error condition for the sender, or NULL where none is due */
	const char *stream_error; /* RFC 6120 4.9 condition when it closes a stream, or NULL */
	int sip_status;		  /* for a SIP sender, 0 where none is due */
	const char *remedy;	  /* one sentence for the operator */
};

/* Never NULL; XFED_REASON_NONE and unknown values give the code "none". */
const struct xfed_reason_info *xfed_reason_info(enum xfed_reason r);
const char *xfed_reason_code(enum xfed_reason r);
/* What a user reads whose message ended for it: one sentence without our words. Never NULL. */
const char *xfed_reason_sentence(enum xfed_reason r);
/* That with what there is to add and the code for whoever is asked about it: "There is no user of this address: Not Found (sip.user.unknown)". */
void xfed_reason_words(char *out, size_t size, enum xfed_reason r, struct xfed_span more);
const char *xfed_side_name(enum xfed_side s); /* "us", "partner", "network", "local-user", ... */
/* Something is larger than it may be: its error says so with <stanza-too-big/> ([A10-11]). */
bool xfed_reason_is_size(enum xfed_reason r);
enum xfed_reason xfed_reason_by_code(struct xfed_span code); /* XFED_REASON_NONE where unknown */

/*
 * What the other service said, in words of ours, so that nothing it makes up becomes a key of a log, a limit or a metric: a code
 * that is not in the table is CHANNEL_REASON_UNKNOWN, an empty one NONE; a side that is none is the reason's own.
 */
enum xfed_reason xfed_reason_of_peer(struct xfed_span code);
enum xfed_side xfed_side_of_peer(struct xfed_span name, enum xfed_reason r);

#endif
