/*
 * contacts: what is known of a pair of a local user and an XMPP contact (normalised bare JIDs).
 *
 * For 24 h: whether the user has written to the contact, which authorises it at a public partner; whether the contact is there (it has
 * written, or taken a message without an error); type and thread of its last delivered message, which replies take over ([B4-01], [B4-07]).
 * Beyond the cap the least recently used pair is forgotten, those in which the user has not written first, so that nobody pushes out an
 * authorisation by writing from many addresses. Times of pairs in which the user has written are stored, to the hour.
 *
 * Until it is ended: the relation (RFC 6121 section 3). It is stored in batches; who must not answer before that uses contacts_when_saved().
 * Related pairs do not count towards the cap. May call: store, core, and the library interwork/.
 *
 *   held      by somebody who keeps a pointer to it; not forgotten before it is given back
 *   related   with a relation, or the user's consent to one: forgotten by nobody but contacts_relate() and contacts_approve()
 */
#ifndef GATEWAY_CONTACTS_CONTACTS_H
#define GATEWAY_CONTACTS_CONTACTS_H

#include "interwork/relation.h"
#include "store/store.h"

#define CONTACTS_MAX	    65536
#define CONTACTS_WANTED_MAX 5000 /* of one user: contacts it sees, or has asked to see; who makes them asks contact_users_wanted() */
#define CONTACT_KEEP_MS	    ((uint64_t)24 * 3600 * 1000)
#define CONTACT_SAVE_MS	    ((uint64_t)3600 * 1000) /* stored times of messages may be so much too old */
#define CONTACT_USED_S	    ((int64_t)24 * 3600)    /* the same of a relation's last use */

struct contacts;
struct contact; /* one pair */

int contacts_new(size_t max, struct contacts **out); /* 0: CONTACTS_MAX. OK, NOMEM */
void contacts_free(struct contacts *c);		     /* after the store has stopped, which ends running batches. NULL is fine */

/* Reads the store, which is not started yet, and writes changes to it from then on. OK, NOMEM; LIBRARY: `error` has a sentence. */
int contacts_load(struct contacts *c, const struct core *core, struct store *s, char error[256]);
void contacts_save(struct contacts *c);	 /* what has changed, a bounded number of pairs a call; about once a second */
void contacts_flush(struct contacts *c); /* at the end of a turn: the same, if somebody waits (contacts_when_saved()) */
void contacts_stop(struct contacts *c);	 /* before the store is stopped: writes all changes. NULL is fine */

/*
 * A pair is looked up once for a message and held while that is on its way. Found: valid until the next call that makes or forgets
 * one; NULL: nothing is known. Held: found or made, and not forgotten before it is given back; NULL: NOMEM. `known`: found just now,
 * or NULL. More than the cap are there only where more than that are held.
 */
struct contact *contacts_find(const struct contacts *c, struct xfed_span local, struct xfed_span remote);
struct contact *contacts_hold(struct contacts *c, struct contact *known, struct xfed_span local, struct xfed_span remote);
void contacts_give_back(struct contacts *c, struct contact *k, uint64_t now_ms); /* NULL is fine */

void contact_wrote(struct contact *k, uint64_t now_ms); /* the local user sends to the contact */
void contact_heard(struct contact *k, uint64_t now_ms); /* the contact has sent a message, whatever becomes of it */
void contact_took(struct contact *k, uint64_t now_ms);	/* a message of the user's, and no error came */
void contact_failed(struct contact *k);			/* an error came, in time or late: it may not be there */
/*
 * Message `id` (not 0) of the contact is on its way to the user; `type` and `thread` may be absent. They count from now on, as the
 * user may answer before we hear that he has it, and are forgotten again unless it is delivered. Of types only chat and normal
 * are kept: an answer as headline or groupchat is one that servers drop without a word (RFC 6121 8.5.2.1.1). OK, NOMEM.
 */
int contact_trying(struct contact *k, uint64_t id, struct xfed_span type, struct xfed_span thread);
/* What became of it. Nothing happens where a later one is on its way, or none. */
void contact_tried(struct contact *k, uint64_t id, bool is_delivered, uint64_t now_ms);

/* ---- the relation ---- */

struct iw_relation contact_relation(const struct contact *k); /* NULL: none */
/* Of one that is held. `asked_s`: when the request came that waits for an answer, of the wall clock; 0: none does. */
void contacts_relate(struct contacts *c, struct contact *k, struct iw_relation r, int64_t asked_s);
int64_t contact_asked_s(const struct contact *k);
/*
 * The next contacts_relate() takes the user's presence from a contact that has to be told so. The store keeps the relation it has until
 * contacts_told(), for a process that is killed before would otherwise start without anybody who knows. Not where what it has is not in
 * the store yet; contacts_when_saved() of the contact ends it, too.
 */
void contacts_owe(struct contact *k);
void contacts_told(struct contacts *c, struct contact *k);
size_t contact_users_wanted(const struct contact *k); /* number of contacts that its user sees or has asked to see, this one included */
/* Of one that is held: the user's consent, recorded by an operator (public-unverified partners). */
void contacts_approve(struct contacts *c, struct contact *k, bool is_approved);
bool contact_is_approved(const struct contact *k);
/* Last use of the relation, and last use by the user, in seconds of the wall clock; after a restart they may be a day too old. */
void contacts_used(struct contacts *c, struct contact *k, bool is_by_user, int64_t now_s);
int64_t contact_used_s(const struct contact *k);
int64_t contact_wanted_s(const struct contact *k);
struct xfed_span contact_local(const struct contact *k); /* live as long as it does */
struct xfed_span contact_remote(const struct contact *k);
void *contact_live(const struct contact *k); /* the pointer last set (by presence: its pair); NULL: none */
void contact_set_live(struct contact *k, void *live);

/* Selects related contacts by user, by partner's domain, or by both; data NULL: any. */
struct contacts_filter {
	struct xfed_span local;		/* bare JID */
	struct xfed_span remote_domain; /* domain of the contact's address */
};
/*
 * The next related contact that fits, behind `after` (NULL: the first one); NULL: there are no more. Contacts of one domain follow each
 * other. Cost: one step, but with both filters set the user's contacts of other domains are passed by. `after` must be related and fit: who
 * goes on in another turn holds it, or finds it again by its addresses, and begins anew where it is gone.
 */
struct contact *contacts_next(const struct contacts *c, const struct contacts_filter *f, const struct contact *after);
bool contact_is_related(const struct contact *k);
size_t contacts_related_count(const struct contacts *c);
/* Round robin through all related contacts; NULL: there are none. */
struct contact *contacts_rotate(struct contacts *c);

/* Memory of its owner, until `done` is called. */
struct contacts_wait {
	void (*done)(struct contacts_wait *w, int rc); /* rc other than OK: the write failed, the change is in memory only */
	struct contacts_wait *prev, *next;
	uint64_t turn;
};
/*
 * Calls `done` once: when all changes of this contact (NULL: of all) are in the store, perhaps before it returns; at the latest in
 * contacts_free(). The write begins in contacts_flush().
 */
void contacts_when_saved(struct contacts *c, struct contact *k, struct contacts_wait *w);
/* The last write failed: new relations would be lost with this process, and are refused. */
bool contacts_are_failing(const struct contacts *c);

struct contact_facts {
	bool is_written_to;	       /* the local user wrote to it within a day */
	bool is_alive;		       /* it wrote, or took a message without an error, within a day */
	bool is_added;		       /* subscribed to the contact, or pending, or consent is recorded */
	bool is_watching;	       /* the contact is subscribed to the user */
	struct xfed_span type, thread; /* data NULL: none; valid until the next call that changes something */
};
void contact_facts(const struct contact *k, uint64_t now_ms, struct contact_facts *out); /* NULL: nothing is known */

/* Forgets what is older than a day; a bounded amount of work a call. */
void contacts_tick(struct contacts *c, uint64_t now_ms);
size_t contacts_count(const struct contacts *c);

#endif
