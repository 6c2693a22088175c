/* From an outcome to the error stanza for the sender, whichever service writes it (proto/channel.md section 6). Pure. */
#ifndef PROTO_OUTCOME_H
#define PROTO_OUTCOME_H

#include "xfed/reason.h"
#include "xfed/stanza.h"

#include "proto/channel.pb-c.h"

/* Whose peer a reason is about: the same reason may be about a partner, the SIP server or the other service. */
#define PROTO_WHOSE(X) X(NONE, "") X(PARTNER, "partner") X(SIP, "sip") X(CHANNEL, "channel") X(RESOLVER, "resolver")
enum proto_whose {
#define PROTO_WHOSE_ID(id, word) PROTO_WHOSE_##id,
	PROTO_WHOSE(PROTO_WHOSE_ID)
#undef PROTO_WHOSE_ID
};
const char *proto_whose_word(enum proto_whose w); /* "" for NONE */
/* For a reason found by this service; `near` is the peer it talks with besides the other service: PARTNER at an edge, SIP at a gateway. */
enum proto_whose proto_whose_of(enum xfed_reason reason, enum proto_whose near);

/* A fate with its reason, and what the reason is about. */
struct proto_result {
	Xfed__Fate fate;
	uint32_t sip_status; /* 0: none */
	enum xfed_reason reason;
	enum xfed_side side; /* to blame; the default of the reason if nothing more is known */
	enum proto_whose whose;
	const Xfed__Outcome *told; /* the report of the peer; NULL: it ended without one (deadline, withdrawn before it was sent, end of a run) */
};
struct proto_result proto_result_told(const Xfed__Outcome *oc); /* maps the reason to our table; borrows `oc` */
/* Sets fate, status and, if there is a reason, what it is about; other members of `oc` stay. The texts are constants. */
void proto_result_fill(const struct proto_result *r, Xfed__Outcome *oc);

#define PROTO_TEXT_UNCERTAIN "The message may have been delivered: the answer was lost (delivery.uncertain)"

/* True: the sender has to be told (refused, uncertain, withdrawn). */
bool proto_outcome_is_bad(const Xfed__Outcome *oc);
/* The error for a bad outcome; `reason` is used if the outcome has no text. Borrows from `oc`. */
void proto_outcome_error(const Xfed__Outcome *oc, enum xfed_reason reason, struct xfed_stanza_error *out);

/* The rule of FATE_DROPPED, mapped to our words: "other" if no gateway drops by such a rule. */
const char *proto_outcome_rule(const Xfed__Outcome *oc);

#endif
