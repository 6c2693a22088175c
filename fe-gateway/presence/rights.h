/* Rights of a pair, their renewal and their end. Inside the room only. */
#ifndef GATEWAY_PRESENCE_RIGHTS_H
#define GATEWAY_PRESENCE_RIGHTS_H

#include "presence/presence_impl.h"

/* Renews the relation for `contact_memory`; `is_by_user`: by a SUBSCRIBE of the user's, which also renews what rests on adding. */
void pair_used(struct pair *pair, bool is_by_user);
/* Whether policy lets the contact see the user (`is_contact`), or the user the contact. */
bool pair_may_see(const struct pair *pair, bool is_contact);
/* The same while a reload has not come to all pairs (walk.c): whether policy in force forbids it and this one may not have heard so yet. */
bool pair_is_forbidden(const struct pair *pair, bool is_contact);
/* Whether the partner's type needs no consent of the user's, or the user has given it by adding. Other gates are not asked. */
bool pair_has_rights(const struct pair *pair);
/* The contact may see the user, or has asked to, and the user's server is not asked: not at all, or what there was is being ended. */
bool pair_is_unasked(const struct pair *pair);
void pair_ask_again(struct pair *pair); /* what the contact may see has perhaps changed: it is asked for where it is not */
/* For a request of the contact: not too many of that partner wait for the user. */
bool pair_may_ask(const struct pair *pair);
/* The user, or the user's server, has let the contact see: it is told when that is in the store (from_xmpp.c). */
void pair_approved(struct pair *pair);
/* The contact's subscription ends: unavailable, then unsubscribed ([A11-03]). */
void pair_end_rights(struct pair *pair);
/* follow.c */
void follow_rejudge(struct follow *f); /* other files are in force: what may not be seen any more is told anew without it */
/* watch.c: presence of the contact has come; waiting fetches are answered shortly, and watches that know nothing yet are told */
void watches_heard(struct pair *pair);
/* Ends the relation in both directions, and tells both sides. */
void pair_end(struct pair *pair);

/* upkeep.c: begins a round through all contacts, which makes missing follows; after a start or reload */
void presence_resume(struct presence *p, enum presence_doubt why); /* START, ANEW */
/* Takes one of the SUBSCRIBEs or probes that may be made for this partner in this second without anybody's asking; false: used up. */
bool presence_pace(struct presence *p, struct xfed_span remote_domain);

/* to_xmpp.c: as pair_say(), and returns the stanza's id, by which presence_outcome() tells its fate. NONE; else why it was not sent. */
enum xfed_reason pair_send(struct pair *pair, enum xfed_stanza_type type, const struct iw_device *d, char id[CORE_ID_LEN + 1]);

bool pair_has_asked(const struct pair *pair, struct xfed_span id); /* whether that is the id of the last subscribe or probe */

/* trial.c */
void presence_trials_hear(struct presence *p, const struct delivery *d);
void presence_trials_outcome(struct presence *p, struct xfed_span stanza_id, const struct proto_result *r);

#endif
