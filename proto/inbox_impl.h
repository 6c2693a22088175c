/* What the files of the inbox share. Inside proto only. */
#ifndef PROTO_INBOX_IMPL_H
#define PROTO_INBOX_IMPL_H

#include "util/table.h"

#include "proto/inbox.h"

struct inbox_node;

/* Of entries that are to be said, by `say_prev` and `say_next`. */
struct unsaid {
	struct inbox_node *first, *last;
};

struct inbox_node {
	struct proto_inbox_entry e; /* first: what the caller sees */
	Xfed__Outcome outcome;
	struct proto_inbox_words words;
	char *texts;			/* of both */
	struct inbox_node *prev, *next; /* in order of arrival */
	struct inbox_node *late_next;	/* settled when it was below the mark already */
	struct unsaid *unsaid;		/* the list it is in; NULL: neither */
	struct inbox_node *say_prev, *say_next;
	UT_hash_handle hh;
};

struct proto_inbox_run {
	char name[256];
	uint64_t number, nonce, lowest;
	unsigned links;
	bool has_ended;
	uint64_t lost_ms, forget_at_ms;
	uint32_t reserved;
	struct inbox_node *table; /* by number */
	struct inbox_node *first, *last, *late;
	struct unsaid asks, tells;
	struct unsaid unanswered; /* asks that have been said */
	struct proto_inbox_run *next;
};

struct proto_inbox {
	size_t max, count, reserved, run_count;
	uint64_t generation; /* of the last run made */
	struct proto_inbox_run *runs;
	struct proto_inbox_run *slots[PROTO_INBOX_RUNS_MAX]; /* by number modulo their count */
};

/* inbox_say.c */
void inbox_is_said(struct inbox_node *n); /* or will not be */
void inbox_is_to_be_said(struct unsaid *l, struct inbox_node *n);
/* NOMEM: the texts are left out; the reason code is a constant of ours. */
int inbox_copy_outcome(struct inbox_node *n, const Xfed__Outcome *from, const struct proto_inbox_words *words);

#endif
