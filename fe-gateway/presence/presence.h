/*
 * presence: who may see whom, and what they see (RFC 6121 sections 3 and 4, RFC 3856, RFC 6665, RFC 8048).
 *
 *   pair     a local user and an XMPP contact of whom one watches the other, or has asked to: one, with two directions
 *   watch    a subscription of a device of the local user's to the contact's presence: a dialog in which we notify
 *   follow   our subscription to the local user's presence, in the name of the contact: a dialog in which we are notified
 *   device   what one resource of the contact, or one tuple of the user, last said
 *
 * Nothing of it is ever replayed: what is known is told anew, and where it may have been missed it is asked for.
 * Calls deliver, contacts, channel, trunk, policy, config and core, and the libraries sip/ and interwork/.
 */
#ifndef GATEWAY_PRESENCE_PRESENCE_H
#define GATEWAY_PRESENCE_PRESENCE_H

#include "channel/channel.h"
#include "contacts/contacts.h"
#include "core/core.h"
#include "deliver/deliver.h"
#include "policy/policy.h"
#include "trunk/trunk.h"

struct presence;

struct presence_rooms {
	struct core *core;
	const struct policy *policy;
	struct channel *channel;
	struct trunk *trunk;
	struct contacts *contacts;
	struct deliver *deliver;
};
/* OK, or as trunk_use(); presence_free() follows. The contacts have been loaded. */
int presence_new(const struct presence_rooms *below, struct presence **out);
void presence_stop(struct presence *p); /* while the loop is there; NULL is fine */
void presence_free(struct presence *p); /* when it is gone; NULL is fine */
/* Other files are in force: whom policy lets see nothing any more is told that the user has gone, at once; contacts are kept. */
void presence_reloaded(struct presence *p);
/* An incoming stream of these domains was lost, not closed as idle: what was said over it is in doubt. */
void presence_stream_lost(struct presence *p, struct xfed_span local, struct xfed_span remote);
void presence_links(struct presence *p, bool is_usable); /* whether any edge can be reached now */
void presence_tick(struct presence *p);			 /* about once a second */
void presence_flush(struct presence *p);		 /* the end of a turn: answers and notifications */

struct presence_load {
	size_t watches, follows; /* subscriptions of either kind */
	size_t stale;		 /* pairs of which something may have been missed */
};
struct presence_load presence_load(const struct presence *p);

#endif
