/* How long a pair lasts, and how it ends. Inside the room only. */
#ifndef GATEWAY_PRESENCE_RIGHTS_H
#define GATEWAY_PRESENCE_RIGHTS_H

#include "presence/presence_impl.h"

/* The pair was of use; `is_by_user`: the user, by a SUBSCRIBE of its own, wanted it. */
void pair_used(struct pair *pair, bool is_by_user);
/* Whether policy lets the contact see the user (`is_contact`), or the user the contact. */
bool pair_may_see(const struct pair *pair, bool is_contact);
/* Whether what the user did for the contact is all that its rights need; not whether policy lets it through. */
bool pair_has_rights(const struct pair *pair);
/* The contact may see the user, or has asked to, and the user's server is not asked: not at all, or what there was is being ended. */
bool pair_is_unasked(const struct pair *pair);
void pair_ask_again(struct pair *pair); /* what the contact may see has perhaps changed: it is asked for where it is not */
/* The contact sees the user no more, and is told so. */
void pair_end_rights(struct pair *pair);
/* watch.c: those that wait for what is known of the contact need not wait much longer */
void watches_heard(struct pair *pair);
/* They are contacts no longer, and both are told so. */
void pair_end(struct pair *pair);

/* upkeep.c: about once a second, a few of all contacts; all of them after a start */
void presence_resume(struct presence *p);
/* Whether this partner can be given one more subscription or probe in this second, where that is not asked for by anybody just now. */
bool presence_pace(struct presence *p, struct xfed_span remote_domain);

/* to_xmpp.c: as pair_say(), for who wants to hear what comes of it: its id; NONE, or why it is not sent. */
enum xfed_reason pair_send(struct pair *pair, enum xfed_stanza_type type, const struct iw_device *d, char id[CORE_ID_LEN + 1]);

/* trial.c */
void presence_trials_hear(struct presence *p, const struct delivery *d);
void presence_trials_outcome(struct presence *p, struct xfed_span stanza_id, const struct proto_result *r);

#endif
