/* What the files of the inbox share. Internal to proto. */
#ifndef PROTO_INBOX_IMPL_H
#define PROTO_INBOX_IMPL_H

#include "util/table.h"

#include "proto/inbox.h"

struct inbox_node;

/* A list of entries that are to be sent, by `say_prev` and `say_next`. */
struct unsaid {
	struct inbox_node *first, *last;
};

struct inbox_node {
	struct proto_inbox_entry e; /* first member, which the caller sees */
	Xfed__Outcome outcome;
	struct proto_inbox_words words;
	char *texts;			/* memory of both */
	struct inbox_node *prev, *next; /* in order of arrival */
	struct inbox_node *late_next;	/* list of entries that were below the mark when they got their outcome */
	struct unsaid *unsaid;		/* the list it is in; NULL: none */
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
	struct unsaid unanswered; /* questions that were sent and have no answer */
	struct proto_inbox_run *next;
};

struct proto_inbox {
	size_t max, count, reserved, run_count;
	uint64_t generation; /* number of the last run made */
	struct proto_inbox_run *runs;
	struct proto_inbox_run *slots[PROTO_INBOX_RUNS_MAX]; /* by number modulo their count */
};

/* inbox_say.c */
void inbox_is_said(struct inbox_node *n); /* also if it is not going to be sent */
void inbox_is_to_be_said(struct unsaid *l, struct inbox_node *n);
/* NOMEM: the texts are left out; the reason code is one of our constants. */
int inbox_copy_outcome(struct inbox_node *n, const Xfed__Outcome *from, const struct proto_inbox_words *words);

#endif
