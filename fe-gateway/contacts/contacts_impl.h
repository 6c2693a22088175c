/* What contacts.c (the table) and contacts_save.c (the store) share. */
#ifndef GATEWAY_CONTACTS_CONTACTS_IMPL_H
#define GATEWAY_CONTACTS_CONTACTS_IMPL_H

#include "contacts/contacts.h"
#include "util/table.h"

/* Of a message of the contact. */
struct last {
	const char *type; /* "chat", "normal", or NULL: none */
	char *thread;	  /* NULL: none */
	size_t thread_len;
};

/* Messages of the contact: the last that was delivered, and the one on its way. */
struct contact_messages {
	struct last last, trying;
	uint64_t trying_id; /* 0: none is on its way */
};

/* Contacts of one user, or of one partner's domain; exists while it has members, related or not. */
struct contact_group {
	struct contact *first;		   /* list of its related contacts */
	size_t members, wanted;		   /* wanted: those that the user sees, or has asked to see */
	struct contact_group *prev, *next; /* of partners' domains: in contacts.domains, where `first` is set */
	UT_hash_handle hh;
	size_t len;
	char key[];
};

struct contact_place {
	struct contact_group *group;
	struct contact *prev, *next;
};

struct contact {
	struct contact *prev, *next; /* in `related`; else, unless it is held, in `heard` or `written`, least recently used first */
	unsigned holders;
	bool has_written : 1, is_alive : 1, has_reached : 1;
	bool is_related : 1, is_approved : 1;
	bool is_owing : 1;		     /* the store keeps the relation it has until contacts_told() */
	bool has_use : 1, has_users_use : 1; /* used, used by the user, since it was last given back */
	uint64_t wrote_ms, alive_ms, delivered_ms, used_ms;
	struct iw_relation relation;
	int64_t asked_s, used_s, wanted_s;
	struct contact_place of_user, of_domain;
	void *live;
	struct {
		struct contact *prev, *next; /* in `changed` */
		uint64_t wrote_ms, alive_ms;
		int64_t asked_s, used_s, wanted_s;
		uint64_t batch, turn; /* number of the batch that last had it; since when it is in `changed`, which is in this order */
		struct iw_relation relation;
		bool is_changed, has_written, is_alive, is_approved;
	} saved;			   /* what the store has */
	struct contact_messages *messages; /* NULL: none yet */
	uint32_t local_len, key_len;
	UT_hash_handle hh;
	char key[]; /* local, NUL, remote */
};

/* `heard` is forgotten before `written`: who writes from very many addresses pushes out other strangers only, not whom our users wrote to. */
struct contacts {
	struct contact *table, *heard, *written;
	struct contact *related;		/* held or not, in the order of contacts_rotate() */
	struct contact_group *users, *partners; /* tables */
	struct contact_group *domains;		/* of `partners`: with related ones */
	size_t max, count, related_count;
	/* ---- contacts_save.c */
	const struct core *core;
	struct store *store; /* NULL: nothing is kept */
	struct contact *changed;
	struct contacts_wait *waiting, *in_batch; /* for a later batch; for the one being written */
	struct store_batch batch;
	uint64_t batch_number, turn; /* turn: of what changed last */
	bool is_writing, is_stopping;
	uint64_t write_again_ms, trimmed_ms; /* when a failed batch is written again (0: none has failed); when old rows were last deleted */
};

/* contacts_group.c. A new one belongs to its groups (OK, NOMEM), and is listed there as long as it is related. */
int contacts_group(struct contacts *c, struct contact *k);
void contacts_ungroup(struct contacts *c, struct contact *k);
void contacts_list(struct contacts *c, struct contact *k);
void contacts_unlist(struct contacts *c, struct contact *k);

/* Puts it into `changed` if it differs enough from its row. */
void contacts_mark(struct contacts *c, struct contact *k);
void contacts_unmark(struct contacts *c, struct contact *k);
void contacts_break_waits(struct contacts *c); /* ends all waits with STATE: nothing is saved any more */

#endif
