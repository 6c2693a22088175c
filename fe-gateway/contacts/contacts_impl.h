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

/* Those the contact has written: the last that was delivered, and the one on its way. */
struct contact_messages {
	struct last last, trying;
	uint64_t trying_id; /* 0: none is on its way */
};

/* Those of one user, or of one domain of a partner's; there while there are any, related or not. */
struct contact_group {
	struct contact *first; /* related ones only */
	size_t members;
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
	struct contact *prev, *next; /* related: in that list; else in one of the orders, least recently used first; held: in none */
	unsigned holders;
	bool has_written : 1, is_alive : 1, has_reached : 1;
	bool is_related : 1, is_approved : 1;
	bool has_use : 1, has_users_use : 1; /* since it is held */
	uint64_t wrote_ms, alive_ms, delivered_ms, used_ms;
	struct iw_relation relation;
	int64_t asked_s, used_s, wanted_s;
	struct contact_place of_user, of_domain;
	void *live;
	struct {
		struct contact *prev, *next; /* in `changed` */
		uint64_t wrote_ms, alive_ms;
		int64_t asked_s, used_s, wanted_s;
		uint64_t batch; /* that it was last in */
		struct iw_relation relation;
		bool is_changed, has_written, is_alive, is_approved;
	} saved;			   /* what the store has */
	struct contact_messages *messages; /* NULL: none yet */
	uint32_t local_len, key_len;
	UT_hash_handle hh;
	char key[]; /* local, NUL, remote */
};

/* Two orders of those that may be forgotten, so that whoever writes under very many addresses pushes out what is kept of strangers, not whom our users have written to. */
struct contacts {
	struct contact *table, *heard, *written;
	struct contact *related;		/* whether held or not; the one looked at longest ago first */
	struct contact_group *users, *partners; /* tables */
	struct contact_group *domains;		/* of `partners`: with related ones */
	size_t max, count, related_count;
	/* ---- contacts_save.c */
	const struct core *core;
	struct store *store; /* NULL: nothing is kept */
	struct contact *changed;
	struct contacts_wait *waiting, *in_batch; /* for a batch to come, for the one being written */
	struct store_batch batch;
	uint64_t batch_number;
	bool is_writing, is_stopping;
	uint64_t write_again_ms, trimmed_ms; /* the batch could not be written: again then; 0: it was, or there is none */
};

/* contacts_group.c. A new one belongs to its groups (OK, NOMEM), and is listed there as long as it is related. */
int contacts_group(struct contacts *c, struct contact *k);
void contacts_ungroup(struct contacts *c, struct contact *k);
void contacts_list(struct contacts *c, struct contact *k);
void contacts_unlist(struct contacts *c, struct contact *k);

/* Given back: into `changed`, where the store should know more. */
void contacts_mark(struct contacts *c, struct contact *k);
void contacts_unmark(struct contacts *c, struct contact *k);
void contacts_break_waits(struct contacts *c); /* nothing is saved any more */

#endif
