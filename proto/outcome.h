/*
 * What an outcome is to the sender of a stanza: the error it gets, whichever service writes it (proto/channel.md section 6).
 * Pure.
 */
#ifndef PROTO_OUTCOME_H
#define PROTO_OUTCOME_H

#include "xfed/reason.h"
#include "xfed/stanza.h"

#include "proto/channel.pb-c.h"

/* Whose peer it was with whom a reason arose: the same one may speak of a partner, of the SIP server, of the other service. */
#define PROTO_WHOSE(X) X(NONE, "") X(PARTNER, "partner") X(SIP, "sip") X(CHANNEL, "channel") X(RESOLVER, "resolver")
enum proto_whose {
#define PROTO_WHOSE_ID(id, word) PROTO_WHOSE_##id,
	PROTO_WHOSE(PROTO_WHOSE_ID)
#undef PROTO_WHOSE_ID
};
const char *proto_whose_word(enum proto_whose w); /* "" for NONE */
/* Of a reason of ours; `near` is whom the service talks with beside the other service: PARTNER at an edge, SIP at a gateway. */
enum proto_whose proto_whose_of(enum xfed_reason reason, enum proto_whose near);

/* A fate, and what its reason is about. */
struct proto_result {
	Xfed__Fate fate;
	uint32_t sip_status; /* 0: none */
	enum xfed_reason reason;
	enum xfed_side side; /* at fault; the reason's own where nobody knew better */
	enum proto_whose whose;
	const Xfed__Outcome *told; /* by the peer; NULL: it ended without its word (deadline, withdrawn before it was sent, end of a run) */
};
struct proto_result proto_result_told(const Xfed__Outcome *oc); /* in words of ours; borrows `oc` */
/* Fate, status and, where there is a reason, what it is about; the rest of `oc` stays. Its words are constants. */
void proto_result_fill(const struct proto_result *r, Xfed__Outcome *oc);

#define PROTO_TEXT_UNCERTAIN "The message may have been delivered: the answer was lost (delivery.uncertain)"

/* True where the sender has to be told: refused, uncertain, withdrawn. */
bool proto_outcome_is_bad(const Xfed__Outcome *oc);
/* The error for an outcome that is bad; `reason` speaks where the outcome has no words. Borrows from `oc`. */
void proto_outcome_error(const Xfed__Outcome *oc, enum xfed_reason reason, struct xfed_stanza_error *out);

/* A rule of FATE_DROPPED as a word of ours: "other" where it is none of those a gateway drops by. */
const char *proto_outcome_rule(const Xfed__Outcome *oc);

#endif
