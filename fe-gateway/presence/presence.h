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
	struct store *store;
};
/* OK, or as trunk_use(), or as store_load_watches(); presence_free() follows. The contacts have been loaded. */
int presence_new(const struct presence_rooms *below, struct presence **out, char error[256]);
void presence_stop(struct presence *p); /* while the loop is there; NULL is fine */
void presence_free(struct presence *p); /* when it is gone; NULL is fine */
/* Other files are in force: whom policy lets see nothing any more is told that the user has gone, at once; contacts are kept. */
void presence_reloaded(struct presence *p);
/* A stream of these domains was lost, not closed as idle: what was said over it is in doubt. `is_ours`: we had opened it. */
void presence_stream_lost(struct presence *p, struct xfed_span local, struct xfed_span remote, bool is_ours);
void presence_stream_open(struct presence *p, struct xfed_span local, struct xfed_span remote); /* there is a way again */
void presence_links(struct presence *p, size_t usable);						/* so many edges can be reached now */
/* What came of a stanza of ours; not known: not one of presence's. */
void presence_outcome(struct presence *p, struct xfed_span stanza_id, const struct proto_result *r);
void presence_tick(struct presence *p);	 /* about once a second */
void presence_flush(struct presence *p); /* the end of a turn: answers and notifications */

/* Why something may have been missed. X(id, word, sentence for status) */
#define PRESENCE_DOUBTS(X)                                                                                                                           \
	X(STREAM, "stream-lost", "a stream to the partner was lost")                                                                                 \
	X(LINK, "link-lost", "the link to an edge was lost")                                                                                         \
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

/* ---- an operator looks in a user's name whether a contact can be seen (trial.c) ---- */

enum presence_heard { PRESENCE_HEARD_APPROVED, PRESENCE_HEARD_REFUSED, PRESENCE_HEARD_ONLINE, PRESENCE_HEARD_OFFLINE };
/*
 * From presence_try() to presence_leave(), in its owner. The contact is asked as where the user's device watches, or, where the user sees it
 * already, its server is asked to say again what it knows. The functions are called from the loop, never from inside presence_try().
 */
struct presence_trial {
	struct xfed_span local, remote;		 /* bare JIDs; local: with the domain it has outside */
	void (*taken)(struct presence_trial *t); /* the partner's server has what was asked, as far as it says */
	void (*failed)(struct presence_trial *t, enum xfed_reason reason, const char *text);
	void (*heard)(struct presence_trial *t, enum presence_heard what); /* perhaps several times */
	bool may_see;							   /* from presence_try() on: the user saw the contact before */
	bool is_asked;							   /* ... or had asked before: what there was stays */
	bool is_lost;							   /* it never came to the partner's server */
	struct pair *pair;						   /* the room's, as is what follows */
	struct contact *contact;
	char id[CORE_ID_LEN + 1];
	struct presence_trial *prev, *next;
};
enum xfed_reason presence_try(struct presence *p, struct presence_trial *t); /* NONE; else it was refused, and there is no trial */
/* Takes back what was asked, unless there was a relation before or a device of the user's watches by now: true. */
bool presence_leave(struct presence *p, struct presence_trial *t);

/* ---- what operators ask and do ---- */

/*
 * The user lets the contact ask to see it, and write: for partners whose users may not unasked (public-unverified). What the user's SIP
 * server says of it holds all the same. OK, also where it was so already; NOT_FOUND: the user's domain is none of ours, or the contact's no
 * partner's; STATE: users of that partner need no consent; NOMEM. Addresses are normalised and bare. It is in the store when
 * contacts_when_saved() says so.
 */
int presence_approve(struct presence *p, struct xfed_span local, struct xfed_span remote);
/* The two are contacts no longer: both are told, whatever was between them. NOT_FOUND: nothing was. */
int presence_remove(struct presence *p, struct xfed_span local, struct xfed_span remote);

/* A subscription there is now. */
struct presence_subscription {
	uint64_t id;
	bool is_of_user; /* the user watches the contact; else the contact watches the user */
	const struct contact *contact;
	const char *state;   /* a word of Subscription-State; "" while it is asked for; "ending": its last NOTIFY is awaited */
	uint64_t expires_ms; /* of the loop's clock; UINT64_MAX: not known */
	size_t devices;	     /* that the watcher sees; of a user's watch: resources of the contact */
	bool is_stale;	     /* something may have been missed, and has been asked for */
};
/* Those of one contact: how many there are; the first `room` of them into `out`. */
size_t presence_subscriptions(const struct presence *p, const struct contact *k, struct presence_subscription *out, size_t room);
bool presence_subscription(const struct presence *p, uint64_t id, struct presence_subscription *out); /* false: there is none */
/*
 * Ends one: the user's device is told that it may ask again; the user's SIP server is told that nothing more is wanted, the contact that
 * the user is offline, until it asks again. The relation stays. False: there is none.
 */
bool presence_subscription_end(struct presence *p, uint64_t id);

/* Nothing new is taken. What there is is left: it outlives the process, and an end told to each would be a storm (RFC 6665 section 4.4.1). */
void presence_drain(struct presence *p);

struct presence_load {
	size_t watches[PRESENCE_PHASES], follows[PRESENCE_PHASES]; /* subscriptions of either kind */
	size_t contacts, stale, stale_by[PRESENCE_DOUBT_COUNT];	   /* of all pairs there are those of which something may have been missed */
};
struct presence_load presence_load(const struct presence *p);
void presence_gauges(const struct presence *p); /* the same as metrics */

#endif
