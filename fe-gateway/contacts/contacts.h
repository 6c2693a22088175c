/*
 * What is known of a pair of a local user and an XMPP contact, for a day: whether the user has written to the contact
 * (which authorises a contact at a public partner), when the contact was last heard of, and the type and thread of the last
 * message of it that the user has got, which are given back ([B4-01], [B4-07]). Bounded: beyond the cap the pair not used for longest is forgotten,
 * and one in which the user has not written, while there is any: nobody pushes out an authorisation by writing from many addresses.
 * Addresses are normalised bare JIDs. No clock, no I/O.
 */
#ifndef GATEWAY_CONTACTS_H
#define GATEWAY_CONTACTS_H

#include "xfed/base.h"

#define CONTACTS_MAX	 65536
#define CONTACT_KEEP_MS	 ((uint64_t)24 * 3600 * 1000)
#define CONTACT_ALIVE_MS (10 * 60 * 1000) /* heard of within: no error is waited for */

struct contacts;

int contacts_new(size_t max, struct contacts **out); /* 0: CONTACTS_MAX. OK, NOMEM */
void contacts_free(struct contacts *c);

/* The local user sends to the contact. OK, NOMEM. */
int contacts_wrote(struct contacts *c, struct xfed_span local, struct xfed_span remote, uint64_t now_ms);
/* The contact has sent a message, whatever becomes of it. OK, NOMEM. */
int contacts_heard(struct contacts *c, struct xfed_span local, struct xfed_span remote, uint64_t now_ms);
/*
 * Message `id` (not 0) of the contact is on its way to the user; `type` and `thread` may be absent. They count from now on, as the
 * user may answer before we hear that he has it, and are forgotten again unless it is delivered. Of types only chat and normal
 * are kept: an answer as headline or groupchat is one that servers drop without a word (RFC 6121 8.5.2.1.1). OK, NOMEM.
 */
int contacts_trying(struct contacts *c, struct xfed_span local, struct xfed_span remote, uint64_t id, struct xfed_span type, struct xfed_span thread,
	uint64_t now_ms);
/* What became of it. Nothing happens where a later one is on its way, or none. */
void contacts_tried(struct contacts *c, struct xfed_span local, struct xfed_span remote, uint64_t id, bool is_delivered, uint64_t now_ms);

struct contact_facts {
	bool is_authorised;	       /* the local user wrote to it within a day */
	bool is_alive;		       /* heard of within CONTACT_ALIVE_MS */
	struct xfed_span type, thread; /* data NULL: none; valid until the next call that changes something */
};
void contacts_facts(const struct contacts *c, struct xfed_span local, struct xfed_span remote, uint64_t now_ms, struct contact_facts *out);

/* Forgets what is older than a day; a bounded amount of work a call. */
void contacts_tick(struct contacts *c, uint64_t now_ms);
size_t contacts_count(const struct contacts *c);

#endif
