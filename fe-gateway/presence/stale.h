/*
 * Never stuck: how out-of-date state is found and repaired. A pair is in doubt when an s2s stream or a link was lost, or a stanza was not
 * delivered: the contact is probed, and sent the user's state again. A subscription is in doubt when a SIP connection closed, the next hop
 * did not answer, or the server ended it: it is refreshed. Without an answer within a minute of the probe or SUBSCRIBE, watchers are told
 * unavailable. Inside the room only.
 */
#ifndef GATEWAY_PRESENCE_STALE_H
#define GATEWAY_PRESENCE_STALE_H

#include "presence/presence_impl.h"

#define STALE_ANSWER_MS 60000
#define STALE_NEVER	UINT64_MAX

/* resync.c: pairs in doubt. presence_resync() is called about once a second, and serves a bounded number */
void presence_resync(struct presence *p);
void pair_doubt(struct pair *pair, enum presence_doubt why);
void pair_was_heard(struct pair *pair); /* presence of the contact, which answers a probe, has come */
void pair_ask_soon(struct pair *pair);	/* there is a way: who waits for the end of a pause waits no more */
/* When any contact of the same partner was heard last; 0: not known, as where others of the bucket were heard since. */
uint64_t pair_partner_heard_ms(const struct pair *pair);
void pair_is_fresh(struct pair *pair); /* nothing is in doubt any more */

/* presence.c */
void party_dialog(struct party *t, uint64_t dialog); /* its dialog from now on; 0: none. Ends the previous one */
void party_count(struct party *t, enum sip_sub_state state);

/* doubt.c: subscriptions */
void party_doubt(struct party *t, enum presence_doubt why); /* refreshes it when its turn comes: refreshes are spread in time */
bool party_is_turn(struct party *t);			    /* whether that turn has come; true once */
void party_rearm(struct party *t);
/* Around each change of why a pair or its follow is in doubt: a pair counts once, whatever of it is. */
void doubt_uncount(const struct pair *pair);
void doubt_count(const struct pair *pair);
void follow_mark(struct follow *f, enum presence_doubt why);
/* follow.c: as follow_tell_all() where something was told before, and nothing where nothing was */
void follow_tell_again(struct follow *f);
void follow_is_fresh(struct follow *f);
bool follow_is_known(const struct follow *f); /* whether a probe may be answered from `told` */
void follow_await(struct follow *f);	      /* starts the minute for an answer, unless it runs */
bool follow_is_given_up(struct follow *f);    /* whether it has run out; true once */
bool follow_may_notify(struct follow *f);     /* rate limit; false: refuse the NOTIFY, a refresh is scheduled */

/* large.c: a NOTIFY has not got there; true: it had gone by TCP, being too large for UDP, and is sent again by UDP, with what fits */
int notify_send(struct watch *w, struct xfed_arena *a); /* what it has to send; OK, LIMIT: not even without most of its devices; or why not */
bool watch_falls_back(struct watch *w);

/* walk.c: all pairs, or those of a stream's domains, a bounded number a turn */
enum walk { WALK_POLICY = 1, WALK_LINK = 2, WALK_HOPS = 4 };
void presence_walk(struct presence *p, unsigned what);
void presence_walk_on(struct presence *p);	  /* the end of a turn */
void presence_walk_past(const struct pair *pair); /* before the pair is freed */
void presence_watch_hops(struct presence *p);	  /* about once a second */
void presence_walk_stop(struct presence *p);

/* drift.c: about once a second a few pairs; and one, whether its contact sees what it may see */
void presence_check(struct presence *p);
void pair_check_asked(struct pair *pair);
bool follow_is_asleep(const struct follow *f); /* it has ended, or never begun, and waits for nothing; but the last state holds for good */
uint64_t pair_digest(const struct pair *pair); /* of what is known of the contact */

/* said.c: stanzas under way to the contact, whose outcome is awaited */
void pair_said(struct pair *pair, struct xfed_span id, enum xfed_stanza_type type);
void pair_unsaid(struct pair *pair, enum xfed_stanza_type type); /* a word of a subscription did not get there, and is said again */
bool pair_has_unsaid(const struct pair *pair);
void pair_all_said(struct pair *pair);
void presence_forget_said(struct presence *p);

#endif
