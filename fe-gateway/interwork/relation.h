/*
 * Presence subscriptions between a user here and a contact: RFC 6121 section 3 and appendix A, [A11-01] to [A11-05], as one table of
 * nine states and eight events, seen from the user's side. Where section 3.2.3 says less than appendix A, the appendix holds ([A11-05]).
 *
 * Nothing is approved here by itself: `from` (the contact sees the user) is reached by the user's own `subscribed` alone, given
 * before or after the contact asked, and `to` (the user sees the contact) by the contact's, and only while the user's
 * request is open. The stanzas, their bare addresses and what is sent beside them ([A11-03]) are the caller's.
 */
#ifndef GATEWAY_INTERWORK_RELATION_H
#define GATEWAY_INTERWORK_RELATION_H

#include "xfed/base.h"

/* X(id, word, to, from, pending out, pending in). The words are stable: they are stored and shown. */
#define IW_RELATIONS(X)                                                                                                                              \
	X(NONE, "none", 0, 0, 0, 0)                                                                                                                  \
	X(NONE_OUT, "none+pending-out", 0, 0, 1, 0)                                                                                                  \
	X(NONE_IN, "none+pending-in", 0, 0, 0, 1)                                                                                                    \
	X(NONE_OUT_IN, "none+pending-out+in", 0, 0, 1, 1)                                                                                            \
	X(TO, "to", 1, 0, 0, 0)                                                                                                                      \
	X(TO_IN, "to+pending-in", 1, 0, 0, 1)                                                                                                        \
	X(FROM, "from", 0, 1, 0, 0)                                                                                                                  \
	X(FROM_OUT, "from+pending-out", 0, 1, 1, 0)                                                                                                  \
	X(BOTH, "both", 1, 1, 0, 0)

enum iw_relation_state {
#define IW_RELATION_ID(id, word, to, from, out, in) IW_RELATION_##id,
	IW_RELATIONS(IW_RELATION_ID)
#undef IW_RELATION_ID
		IW_RELATION_STATES
};

/* What the user does (OUT), and what the contact's side sends (IN). */
enum iw_relation_event {
	IW_RELATION_OUT_SUBSCRIBE,
	IW_RELATION_OUT_UNSUBSCRIBE,
	IW_RELATION_OUT_SUBSCRIBED,
	IW_RELATION_OUT_UNSUBSCRIBED,
	IW_RELATION_IN_SUBSCRIBE,
	IW_RELATION_IN_UNSUBSCRIBE,
	IW_RELATION_IN_SUBSCRIBED,
	IW_RELATION_IN_UNSUBSCRIBED,
	IW_RELATION_EVENTS
};

/* Zeroed: no relation. */
struct iw_relation {
	enum iw_relation_state state;
	bool is_preapproved; /* the user's `subscribed` came before the contact's request (section 3.4); never where `from` holds */
};

enum iw_relation_reply { IW_RELATION_SILENT, IW_RELATION_SUBSCRIBED, IW_RELATION_UNSUBSCRIBED };

struct iw_relation_step {
	bool is_passed;		      /* OUT: routed to the contact. IN: delivered to the user */
	enum iw_relation_reply reply; /* IN: sent back to the contact on the user's behalf */
	bool is_changed;	      /* `*r` is another than before, and has to be stored */
};

/*
 * Changes `*r` by one row of the table. A pre-approval is used up by the request it answers, and cancelled by the user's
 * `unsubscribed` (section 3.4.2). A state or event out of range is a broken promise of the caller's.
 */
struct iw_relation_step iw_relation_step(struct iw_relation *r, enum iw_relation_event event);

bool iw_relation_is_to(enum iw_relation_state s);   /* the user sees the contact */
bool iw_relation_is_from(enum iw_relation_state s); /* the contact sees the user: probes are answered ([A11-06]) */
bool iw_relation_is_pending_out(enum iw_relation_state s);
bool iw_relation_is_pending_in(enum iw_relation_state s);

const char *iw_relation_word(enum iw_relation_state s);
/* False where no state has this word. */
bool iw_relation_of_word(struct xfed_span word, enum iw_relation_state *out);

#endif
