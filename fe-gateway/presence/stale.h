/*
 * Never stuck: what may have been missed, and what is done about it. A pair is in doubt as to the contact (a stream or link is lost, a
 * stanza did not get there): its server is probed, and the contact told again. A subscription is in doubt as to SIP (a connection closed,
 * the next hop did not answer, the server ended it): it is refreshed. Whoever is not answered for in a minute, counted from when that
 * was asked, is shown as offline until more is known. Inside the room only.
 */
#ifndef GATEWAY_PRESENCE_STALE_H
#define GATEWAY_PRESENCE_STALE_H

#include "presence/presence_impl.h"

#define STALE_ANSWER_MS 60000
#define STALE_NEVER	UINT64_MAX

/* resync.c: pairs; about once a second those whose turn it is */
void presence_resync(struct presence *p);
void pair_doubt(struct pair *pair, enum presence_doubt why);
void pair_was_heard(struct pair *pair); /* the contact's server has said something */
/* When any contact of the same partner was heard last; 0: not known, as where others of the bucket were heard since. */
uint64_t pair_partner_heard_ms(const struct pair *pair);
void pair_is_fresh(struct pair *pair); /* nothing is in doubt any more */

/* presence.c */
void party_dialog(struct party *t, uint64_t dialog); /* the one it is in from now on; 0: none. Another one before is ended */
void party_count(struct party *t, enum sip_sub_state state);

/* doubt.c: subscriptions */
void party_doubt(struct party *t, enum presence_doubt why); /* is asked again in its turn: storms are spread */
bool party_is_turn(struct party *t);			    /* it has come */
void party_rearm(struct party *t);
void follow_mark(struct follow *f, enum presence_doubt why);
/* follow.c: as follow_tell_all() where something was told before, and nothing where nothing was */
void follow_tell_again(struct follow *f);
void follow_is_fresh(struct follow *f);
bool follow_is_known(const struct follow *f); /* what was told holds: a probe is answered from it */
void follow_await(struct follow *f);	      /* it has been asked: its minute begins, unless it has already */
bool follow_is_given_up(struct follow *f);    /* that is over */
bool follow_may_notify(struct follow *f);     /* false: its server has sent too many; what it says will be asked for */

/* walk.c: all pairs, a bounded number a turn */
enum walk { WALK_POLICY = 1, WALK_LINK = 2, WALK_HOPS = 4 };
void presence_walk(struct presence *p, unsigned what);
void presence_walk_on(struct presence *p);	  /* the end of a turn */
void presence_walk_past(const struct pair *pair); /* it goes */
void presence_watch_hops(struct presence *p);	  /* about once a second */

/* drift.c: about once a second a few pairs */
void presence_check(struct presence *p);
uint64_t pair_digest(const struct pair *pair); /* of what is known of the contact */

/* said.c: stanzas under way to the contact, whose outcome is awaited */
void pair_said(struct pair *pair, struct xfed_span id, enum xfed_stanza_type type);
void pair_unsaid(struct pair *pair, enum xfed_stanza_type type); /* a word of a subscription did not get there, and is said again */
bool pair_has_unsaid(const struct pair *pair);
void pair_all_said(struct pair *pair);
void presence_forget_said(struct presence *p);

#endif
