/*
 * contacts: what is known of a pair of a local user and an XMPP contact. For a day: whether the user has written to the contact
 * (which authorises a contact at a public partner), whether the contact is known to be there (it has written, or taken a message without
 * an error), and the type and thread of the last message of it that the user has got, which are given back ([B4-01], [B4-07]).
 * Bounded: beyond the cap the pair not used for longest is forgotten, and one in which the user has not written, while there is any:
 * nobody pushes out an authorisation by writing from many addresses. Of pairs in which the user has written the times are kept in the
 * store, to the hour. Until it is ended: the relation of the two, who may see whom and who has asked to (RFC 6121 section 3), which is in
 * the store before anybody is told that it is. Addresses are normalised bare JIDs. May call: store, core, and the library interwork/.
 *
 *   held      by somebody who keeps a pointer to it; not forgotten before it is given back
 *   related   with a relation, or the user's consent to one: forgotten by nobody but contacts_relate() and contacts_approve()
 */
#ifndef GATEWAY_CONTACTS_CONTACTS_H
#define GATEWAY_CONTACTS_CONTACTS_H

#include "interwork/relation.h"
#include "store/store.h"

#define CONTACTS_MAX	65536
#define CONTACT_KEEP_MS ((uint64_t)24 * 3600 * 1000)
#define CONTACT_SAVE_MS ((uint64_t)3600 * 1000) /* a time in the store is at most so much older than the true one */
#define CONTACT_USED_S	((int64_t)24 * 3600)	/* and that of a relation's last use */

struct contacts;
struct contact; /* one pair */

int contacts_new(size_t max, struct contacts **out); /* 0: CONTACTS_MAX. OK, NOMEM */
void contacts_free(struct contacts *c);		     /* behind the store's end, which gives back what was being written. NULL is fine */

/* What the store has, before it is started, and from then on where changes go. OK; NOMEM, LIBRARY with a sentence. */
int contacts_load(struct contacts *c, const struct core *core, struct store *s, char error[256]);
void contacts_save(struct contacts *c);	 /* what has changed, a bounded number of pairs a call; about once a second */
void contacts_flush(struct contacts *c); /* the end of a turn: the same where somebody waits for it */
void contacts_stop(struct contacts *c);	 /* before the store is: all of it. NULL is fine */

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
/* Of one that is held: the user lets it ask and write where policy wants to be told so, without having asked for it. */
void contacts_approve(struct contacts *c, struct contact *k, bool is_approved);
bool contact_is_approved(const struct contact *k);
/* When the relation was last of any use, and, not later than that, when the user did anything for it: both to a day after a restart. */
void contacts_used(struct contacts *c, struct contact *k, bool is_by_user, int64_t now_s);
int64_t contact_used_s(const struct contact *k);
int64_t contact_wanted_s(const struct contact *k);
struct xfed_span contact_local(const struct contact *k); /* live as long as it does */
struct xfed_span contact_remote(const struct contact *k);
void *contact_live(const struct contact *k); /* what contact_set_live() has put there; NULL: nothing */
void contact_set_live(struct contact *k, void *live);

/* Which related ones: of one user, of one domain of a partner's, of both; data NULL: of all. */
struct contacts_filter {
	struct xfed_span local;		/* bare JID */
	struct xfed_span remote_domain; /* as it stands in the contact's address */
};
/*
 * One after the other, those of one domain together, without looking at others but those of one user in other domains. `after`: one that
 * is related and fits, NULL: from the first; NULL: that was the last. Whoever goes on in another turn holds it, or finds it again by its
 * addresses: where it is not related any more the list begins anew.
 */
struct contact *contacts_next(const struct contacts *c, const struct contacts_filter *f, const struct contact *after);
bool contact_is_related(const struct contact *k);
size_t contacts_related_count(const struct contacts *c);
/* One related contact, each after all others have been: NULL: there is none. To look at all of them, a few at a time. */
struct contact *contacts_rotate(struct contacts *c);

/* Lives in its owner. */
struct contacts_wait {
	void (*done)(struct contacts_wait *w, int rc); /* OK; else the store did not take it: what was changed is in memory alone */
	struct contacts_wait *prev, *next;
	uint64_t turn;
};
/* Runs `done` once, at the latest with contacts_free(): when what is known of this one (NULL: of all) is in the store, which may be at once; contacts_flush() sees to it. */
void contacts_when_saved(struct contacts *c, struct contact *k, struct contacts_wait *w);
/* The store could not be written the last time: what is new would be lost with this process. */
bool contacts_are_failing(const struct contacts *c);

struct contact_facts {
	bool is_written_to;	       /* the local user wrote to it within a day */
	bool is_alive;		       /* it wrote, or took a message without an error, within a day */
	bool is_added;		       /* the user sees the contact, has asked to, or has let it ask */
	bool is_watching;	       /* the contact sees the user: the user, or the user's server, has let it */
	struct xfed_span type, thread; /* data NULL: none; valid until the next call that changes something */
};
void contact_facts(const struct contact *k, uint64_t now_ms, struct contact_facts *out); /* NULL: nothing is known */

/* Forgets what is older than a day; a bounded amount of work a call. */
void contacts_tick(struct contacts *c, uint64_t now_ms);
size_t contacts_count(const struct contacts *c);

#endif
