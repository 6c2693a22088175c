/*
 * Presence subscriptions between a local user and a contact: RFC 6121 section 3 and appendix A, [A11-01] to [A11-05], as one table of nine
 * states and eight events, as seen by the user. Where section 3.2.3 and appendix A differ, the appendix counts ([A11-05]).
 *
 * Nothing is approved automatically. `from` (the contact sees the user) is only reached by the user's own `subscribed`, given before or
 * after the contact asked; `to` (the user sees the contact) only by the contact's, while the user's request is open. The caller makes the
 * stanzas with their bare addresses, and what is sent besides them ([A11-03]).
 *
 * The tables are whole, though the gateway needs less: SIP knows no approval before a request (section 3.4), so that nobody is pre-approved
 * here, and the gateway sends by what has changed, where is_passed has the column of the tables.
 */
#ifndef GATEWAY_INTERWORK_RELATION_H
#define GATEWAY_INTERWORK_RELATION_H

#include "xfed/base.h"
#include "xfed/relation.h"

enum iw_relation_state {
#define IW_RELATION_ID(id, word, to, from, out, in) IW_RELATION_##id,
	XFED_RELATIONS(IW_RELATION_ID)
#undef IW_RELATION_ID
		IW_RELATION_STATES
};

/* Events: what the user does (OUT), and what the contact's side sends (IN). */
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

/* Zeroed: no subscription in either direction. */
struct iw_relation {
	enum iw_relation_state state;
	bool is_preapproved; /* the user's `subscribed` came before the contact's request (section 3.4); never set together with `from` */
};

enum iw_relation_reply { IW_RELATION_SILENT, IW_RELATION_SUBSCRIBED, IW_RELATION_UNSUBSCRIBED };

struct iw_relation_step {
	bool is_passed;		      /* OUT: to be sent to the contact. IN: to be delivered to the user */
	enum iw_relation_reply reply; /* IN: sent back to the contact on the user's behalf */
	bool is_changed;	      /* `*r` has changed, and has to be stored */
};

/*
 * Changes `*r` by one event. A pre-approval is used up by the request it answers, and cancelled by the user's `unsubscribed` (section
 * 3.4.2). A state or event out of range is an error of the caller (XFED_REQUIRE).
 */
struct iw_relation_step iw_relation_step(struct iw_relation *r, enum iw_relation_event event);

bool iw_relation_is_to(enum iw_relation_state s);   /* the user sees the contact */
bool iw_relation_is_from(enum iw_relation_state s); /* the contact sees the user: the contact's probes are answered ([A11-06]) */
bool iw_relation_is_pending_out(enum iw_relation_state s);
bool iw_relation_is_pending_in(enum iw_relation_state s);

const char *iw_relation_word(enum iw_relation_state s);
/* False: no state has this word. */
bool iw_relation_of_word(struct xfed_span word, enum iw_relation_state *out);

#endif
