/*
 * presence: who may see whom, and what they see (RFC 6121 sections 3 and 4, RFC 3856, RFC 6665, RFC 8048).
 *
 *   pair     a local user and an XMPP contact of whom one watches the other, or has asked to: one, with two directions
 *   watch    a subscription of a device of the local user's to the contact's presence: a dialog in which we notify
 *   follow   our subscription to the local user's presence, in the name of the contact: a dialog in which we are notified
 *   device   what one resource of the contact, or one tuple of the user, last said
 *
 * Presence (available, unavailable, probe) is never replayed: after a loss the last known state is sent again, and the other side's state is
 * asked for. Subscription stanzas (subscribe, subscribed, unsubscribe, unsubscribed) are: sending them twice does no harm.
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
	struct store *store;
};
/* OK, or as trunk_use(), or as store_load_watches(); presence_free() follows. The contacts have been loaded. */
int presence_new(const struct presence_rooms *below, struct presence **out, char error[256]);
void presence_stop(struct presence *p); /* while the loop is there; NULL is fine */
void presence_free(struct presence *p); /* when it is gone; NULL is fine */
/* The files were reloaded: watchers whom policy now forbids to see are sent unavailable, or terminated, at once; relations are kept. */
void presence_reloaded(struct presence *p);
/* An s2s stream between these domains was lost (not closed as idle): what was sent over it may be lost. `is_ours`: we had opened it. */
void presence_stream_lost(struct presence *p, struct xfed_span local, struct xfed_span remote, bool is_ours);
void presence_stream_open(struct presence *p, struct xfed_span local, struct xfed_span remote); /* a stream is up again */
void presence_links(struct presence *p, size_t usable);						/* number of edges with a link that is up */
/* The fate of a stanza sent to a contact; an id that is not of this room is ignored. */
void presence_outcome(struct presence *p, struct xfed_span stanza_id, const struct proto_result *r);
void presence_tick(struct presence *p);	 /* about once a second */
void presence_flush(struct presence *p); /* at the end of each turn of the loop: sends queued responses, NOTIFYs and SUBSCRIBEs */

/* Why the known state may be out of date. X(id, word in log and metric, sentence for status) */
#define PRESENCE_DOUBTS(X)                                                                                                                           \
	X(STREAM, "stream-lost", "a stream to the partner was lost")                                                                                 \
	X(LINK, "link-lost", "the link to an edge was lost")                                                                                         \
	X(PUT_OFF, "put-off", "the partner's server does not answer for the contact now")                                                            \
	X(UNSENT, "unsent", "what was told did not reach the partner")                                                                               \
	X(CONNECTION, "connection-closed", "the connection to the SIP server closed")                                                                \
	X(HOP, "hop-lost", "the SIP server did not answer")                                                                                          \
	X(ENDED, "subscription-ended", "the SIP server ended the subscription, or does not take it now")                                             \
	X(START, "start", "the gateway was started, and has no answer from the SIP server yet")                                                      \
	X(ANEW, "asked-anew", "the SIP server has just been asked anew what a contact may see, and has not answered yet")                            \
	X(FLOOD, "too-often", "the SIP server sent more than is taken")

enum presence_doubt {
	PRESENCE_SURE,
#define PRESENCE_DOUBT_ID(id, word, text) PRESENCE_DOUBT_##id,
	PRESENCE_DOUBTS(PRESENCE_DOUBT_ID)
#undef PRESENCE_DOUBT_ID
		PRESENCE_DOUBT_COUNT
};
const char *presence_doubt_word(enum presence_doubt d);
const char *presence_doubt_text(enum presence_doubt d);

enum presence_phase { PRESENCE_NOT, PRESENCE_WAITING, PRESENCE_PENDING, PRESENCE_ACTIVE, PRESENCE_PHASES };

/* ---- xfedctl test presence: an operator subscribes to a contact in a user's name (trial.c) ---- */

enum presence_heard { PRESENCE_HEARD_APPROVED, PRESENCE_HEARD_REFUSED, PRESENCE_HEARD_ONLINE, PRESENCE_HEARD_OFFLINE };
/*
 * Memory of its owner, in use from presence_try() to presence_leave(). Sends subscribe, as for a device that watches, or probe where the user
 * is subscribed already. The callbacks come from the loop, never from inside presence_try().
 */
struct presence_trial {
	struct xfed_span local, remote;		 /* bare JIDs; local: with the domain it has outside */
	void (*taken)(struct presence_trial *t); /* the stanza was delivered: written, or acknowledged where stream management runs */
	void (*failed)(struct presence_trial *t, enum xfed_reason reason, const char *text);
	void (*heard)(struct presence_trial *t, enum presence_heard what); /* a stanza of the contact's has come; may be called several times */
	bool may_see;							   /* set by presence_try(): the user was subscribed before the trial */
	bool is_asked;	   /* set by presence_try(): a request was pending before; it is not taken back */
	bool is_lost;	   /* the stanza was refused or dropped: there is nothing to unsubscribe from */
	struct pair *pair; /* from here on private to the room */
	struct contact *contact;
	char id[CORE_ID_LEN + 1];
	struct presence_trial *prev, *next;
};
enum xfed_reason presence_try(struct presence *p, struct presence_trial *t); /* NONE; else the reason: there is no trial to leave */
/* Ends the trial. True: the request was taken back; false: it stays, as there was a relation before or a device of the user's watches now. */
bool presence_leave(struct presence *p, struct presence_trial *t);

/* ---- what operators ask and do ---- */

/*
 * Records the user's consent that the contact may write and ask for presence, which policy wants at public-unverified partners. The user's
 * SIP server still decides about presence. Bare, normalised JIDs. OK, also where consent was there; NOT_FOUND: the user's domain is not
 * configured, or the contact's is no partner's; STATE: that partner's type needs no consent; NOMEM. In the store when contacts_when_saved()
 * says so.
 */
int presence_approve(struct presence *p, struct xfed_span local, struct xfed_span remote);
/* Ends the relation in both directions and tells both sides. OK; NOT_FOUND: there is no relation; NOMEM. Stored as after presence_approve(). */
int presence_remove(struct presence *p, struct xfed_span local, struct xfed_span remote);

/* A live subscription, as `xfedctl subscription list` shows it. */
struct presence_subscription {
	uint64_t id;
	bool is_of_user; /* the subscriber is the user (a watch); else the contact (a follow) */
	const struct contact *contact;
	const char *state;   /* a word of Subscription-State; "" while it is asked for; "ending": its last NOTIFY is awaited */
	uint64_t expires_ms; /* of the loop's clock; UINT64_MAX: not known */
	size_t devices;	     /* number the watcher sees: tuples of the user, or resources of the contact */
	bool is_stale;	     /* the known state may be out of date, and is asked for again */
};
/* Subscriptions of one contact: returns their number, and copies the first `room` of them to `out`. */
size_t presence_subscriptions(const struct presence *p, const struct contact *k, struct presence_subscription *out, size_t room);
bool presence_subscription(const struct presence *p, uint64_t id, struct presence_subscription *out); /* false: there is none */
/*
 * Ends one; the relation stays. A watch: NOTIFY terminated;reason=deactivated, so that the device may subscribe again. A follow: SUBSCRIBE
 * with Expires 0, and the contact is sent unavailable until it subscribes or probes again, or the gateway reloads or restarts. False: there
 * is no such subscription.
 */
bool presence_subscription_end(struct presence *p, uint64_t id);

/* Nothing new is taken. What there is is left: it outlives the process, and an end told to each would be a storm (RFC 6665 section 4.4.1). */
void presence_drain(struct presence *p);

struct presence_load {
	size_t watches[PRESENCE_PHASES], follows[PRESENCE_PHASES]; /* numbers of subscriptions by phase */
	size_t contacts, stale, stale_by[PRESENCE_DOUBT_COUNT];	   /* of all pairs there are those of which something may have been missed */
};
struct presence_load presence_load(const struct presence *p);
void presence_gauges(const struct presence *p); /* the same as metrics */

#endif
