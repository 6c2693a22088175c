/*
 * The receiver's memory of deliveries, keyed by (sender's name, boot nonce, sequence number): nothing is done twice, and
 * an outcome whose Settled was lost is told again (proto/delivery.md; proto/channel.md section 6).
 *
 * An entry stays until the sender says that it is settled (lowest_unsettled), or until XFED_DELIVERY_OUTCOME_MS after
 * the last link of its run was lost and not resumed, and it has an outcome. Nothing is ever evicted: room is reserved
 * when credit is granted, so a full table grants none.
 */
#ifndef PROTO_INBOX_H
#define PROTO_INBOX_H

#include "xfed/base.h"
#include "xfed/limits.h"

#include "proto/channel.pb-c.h"

#define PROTO_INBOX_RUNS_MAX	  256
#define PROTO_INBOX_NAME_RUNS_MAX 32 /* of one name: one that starts again and again takes no place of the others */

enum proto_inbox_state {
	PROTO_INBOX_PENDING,   /* accepted, nothing irrevocable done */
	PROTO_INBOX_ASKED,     /* Attempted sent, its answer outstanding */
	PROTO_INBOX_ATTEMPTED, /* AttemptedAck came: it may be, or has been, attempted */
	PROTO_INBOX_SETTLED,   /* has its outcome */
};

enum proto_inbox_verdict {
	PROTO_INBOX_FIRST,	       /* new: handle it */
	PROTO_INBOX_DUPLICATE_PENDING, /* in hand: its outcome will come; do nothing */
	PROTO_INBOX_DUPLICATE_SETTLED, /* tell the outcome again: entry->outcome */
	PROTO_INBOX_FORGOTTEN,	       /* below the sender's own mark: ignore */
};

struct proto_inbox;
struct proto_inbox_run;

/* The words of the stanza a delivery carried, so that its outcome can be an error stanza. Kept where asked for. */
struct proto_inbox_words {
	Xfed__Kind kind;
	struct xfed_span type, id, from, to;
};

struct proto_inbox_entry {
	uint64_t seq;
	enum proto_inbox_state state;
	uint64_t said_ms; /* ASKED: when it was said last */
	uint64_t settled_ms;
	uint64_t cookie;		       /* the caller's, 0 to begin with; write it freely */
	const Xfed__Outcome *outcome;	       /* SETTLED: lives as long as the entry */
	const struct proto_inbox_words *words; /* SETTLED: what was given with the outcome, or NULL; lives as long as the entry */
};

int proto_inbox_new(size_t max_entries, struct proto_inbox **out); /* 0: XFED_DELIVERY_TABLE_MAX. OK, NOMEM */
void proto_inbox_free(struct proto_inbox *in);

/* ---- runs and their links ---- */
/*
 * A link of this run is up: its memory is found again or made; credit begins at nothing. Every link that came up is
 * taken back by one proto_inbox_link_lost(), in any order where a newer link replaces an older one.
 * NULL: PROTO_INBOX_RUNS_MAX, PROTO_INBOX_NAME_RUNS_MAX or no memory (end the link).
 */
struct proto_inbox_run *proto_inbox_link_up(
	struct proto_inbox *in, struct xfed_span name, uint64_t nonce, uint64_t lowest_unsettled, uint64_t now_ms);
/*
 * With the last link its reserved credit is given back. The run is remembered, and its pointer good, for
 * XFED_DELIVERY_OUTCOME_MS and as long as it has entries without an outcome.
 */
void proto_inbox_link_lost(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t now_ms);
/*
 * The next run without a link that has not been ended: of that name, or of any where it is empty, and gone for at least
 * `gone_ms`. NULL: none.
 */
struct proto_inbox_run *proto_inbox_next_gone(struct proto_inbox *in, struct xfed_span name, uint64_t gone_ms, uint64_t now_ms);
/*
 * Its process has ended, as far as anybody can know: nobody will ask for its outcomes any more. A link of the run, should one
 * come all the same, takes that back.
 */
void proto_inbox_end_run(struct proto_inbox_run *run);
bool proto_inbox_run_has_ended(const struct proto_inbox_run *run);
uint64_t proto_inbox_run_lost_ms(const struct proto_inbox_run *run); /* when its last link was lost; of a run without one */
struct proto_inbox_run *proto_inbox_find_run(struct proto_inbox *in, struct xfed_span name, uint64_t nonce);
/* Its number, never 0 and never that of another run in this process, and back; NULL: it is not remembered any more. */
uint64_t proto_inbox_run_number(const struct proto_inbox_run *run);
struct proto_inbox_run *proto_inbox_run_of(const struct proto_inbox *in, uint64_t number);
const char *proto_inbox_run_name(const struct proto_inbox_run *run);
uint64_t proto_inbox_run_nonce(const struct proto_inbox_run *run);
/* 0 while a link is up, else for how long there has been none. After 10 s nothing of it is attempted any more. */
uint64_t proto_inbox_link_gone_ms(const struct proto_inbox_run *run, uint64_t now_ms);

/* ---- credit ---- */
/* Reserves room for up to `want` deliveries of this run; returns how many may be granted (Credit.messages). */
uint32_t proto_inbox_reserve(struct proto_inbox *in, struct proto_inbox_run *run, uint32_t want);

/* Credit of one link that is due to the peer, and for which there may be no room now. */
struct proto_owed {
	uint32_t messages;
	uint64_t bytes;
};
/*
 * Reserves as much of it as there is room for; it is owed no more, and to be granted (proto_session_grant()). 0: nothing
 * is owed, or there is no room: to be tried again, as nothing else gives the link its credit back.
 */
uint32_t proto_inbox_pay(struct proto_inbox *in, struct proto_inbox_run *run, struct proto_owed *owed, uint64_t *bytes);

/* ---- deliveries ---- */
/*
 * A Deliver has come. OK with *verdict and, but for FORGOTTEN, *entry (valid until it is forgotten: keep the seq);
 * LIMIT: not covered by a reservation (the peer overran its credit); NOMEM: nothing changed.
 * It takes the reservation; a duplicate gives the room back.
 */
int proto_inbox_receive(
	struct proto_inbox *in, struct proto_inbox_run *run, uint64_t seq, enum proto_inbox_verdict *verdict, struct proto_inbox_entry **entry);
struct proto_inbox_entry *proto_inbox_find(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t seq);

/* PENDING becomes ASKED, to be said by proto_inbox_next_ask(). OK; STATE; NOT_FOUND. */
int proto_inbox_asked(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t seq);
/* AttemptedAck: ASKED becomes ATTEMPTED. OK: go on; STATE: not asked, or answered before; NOT_FOUND. */
int proto_inbox_acked(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t seq);
/*
 * Writes down the outcome, and beside it the words of the stanza (NULL: nobody will want them). OK; STATE: it has one
 * already (the first stands); NOT_FOUND; NOMEM: it is settled all the same, with fate, status and reason but without texts.
 * But for NOT_FOUND and STATE it is to be said by proto_inbox_next_tell().
 */
int proto_inbox_settle(
	struct proto_inbox *in, struct proto_inbox_run *run, const Xfed__Outcome *outcome, const struct proto_inbox_words *words, uint64_t now_ms);
/* The sender gave up on one that has no outcome (AttemptedAck.refused): forgotten. OK, NOT_FOUND. */
int proto_inbox_forget(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t seq);
/* Its sender has taken the outcome and does not send it again: forgotten, wherever the mark stands. */
void proto_inbox_heard(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t seq);
/* The sender's mark (Deliver, Ping, Hello): settled entries below it are forgotten. */
void proto_inbox_lowest(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t lowest_unsettled);

/* The entries of a run in order of arrival. NULL begins, NULL ends; nothing may be forgotten in between. */
struct proto_inbox_entry *proto_inbox_iterate(struct proto_inbox_run *run, struct proto_inbox_entry *after);

/* ---- what is to be said to the sender, gathered until a link says it ---- */
/*
 * The next of the run that was asked for, or settled, and has not been said since: each comes out once. NULL: none. The entry is
 * valid until it is forgotten.
 */
struct proto_inbox_entry *proto_inbox_next_ask(struct proto_inbox_run *run, uint64_t now_ms);
struct proto_inbox_entry *proto_inbox_next_tell(struct proto_inbox_run *run);
/* For so long the oldest question has been said over the link of now, and has no answer. 0: there is none. */
uint64_t proto_inbox_unanswered_ms(const struct proto_inbox_run *run, uint64_t now_ms);
/* It is SETTLED, and asked for once more. */
void proto_inbox_tell_again(struct proto_inbox_run *run, struct proto_inbox_entry *entry);
/* A link has come: what was said over the one before may be lost, so all of the run is to be said again, in order of arrival. */
void proto_inbox_say_again(struct proto_inbox_run *run);

/* ---- time and looking ---- */
void proto_inbox_tick(struct proto_inbox *in, uint64_t now_ms);
size_t proto_inbox_count(const struct proto_inbox *in);
size_t proto_inbox_reserved(const struct proto_inbox *in);

#endif
