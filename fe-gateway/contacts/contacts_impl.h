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

struct contact {
	struct contact *prev, *next; /* in one of the orders, least recently used first; held: in none */
	unsigned holders;
	uint64_t wrote_ms, alive_ms, delivered_ms, used_ms;
	bool has_written, is_alive, has_reached;
	bool is_related; /* in `related` where it is in one of the orders, and counted there */
	struct iw_relation relation;
	int64_t asked_s, used_s;
	void *live;
	struct {
		struct contact *prev, *next; /* in `changed` */
		bool is_changed, has_written, is_alive;
		uint64_t wrote_ms, alive_ms;
		struct iw_relation relation;
		int64_t asked_s, used_s;
	} saved; /* what the store has */
	struct last last, trying;
	uint64_t trying_id; /* 0: none is on its way */
	size_t local_len, key_len;
	UT_hash_handle hh;
	char key[]; /* local, NUL, remote */
};

/* Two orders of those that may be forgotten, so that whoever writes under very many addresses pushes out what is kept of strangers, not whom our users have written to. */
struct contacts {
	struct contact *table, *heard, *written, *related;
	size_t max, count, related_count;
	/* ---- contacts_save.c */
	const struct core *core;
	struct store *store; /* NULL: nothing is kept */
	struct contact *changed;
	struct contacts_wait *waiting, *in_batch; /* for a batch to come, for the one being written */
	struct store_batch batch;
	bool is_writing, is_stopping;
	uint64_t write_again_ms, trimmed_ms; /* the batch could not be written: again then; 0: it was, or there is none */
};

/* Given back: into `changed`, where the store should know more. */
void contacts_mark(struct contacts *c, struct contact *k);
void contacts_unmark(struct contacts *c, struct contact *k);
void contacts_break_waits(struct contacts *c); /* nothing is saved any more */

#endif
