/*
 * The receiver's memory of deliveries, with the key (sender's name, boot nonce, sequence number): no delivery is processed twice, and an
 * outcome whose Settled was lost is sent again (proto/delivery.md; proto/channel.md section 6).
 *
 * An entry is kept until the sender says that it has the outcome (lowest_unsettled), or until it has an outcome and
 * XFED_DELIVERY_OUTCOME_MS have passed since the last link of its run was lost. No entry is evicted: room is reserved when credit is
 * granted, so a full table grants none.
 */
#ifndef PROTO_INBOX_H
#define PROTO_INBOX_H

#include "xfed/base.h"
#include "xfed/limits.h"

#include "proto/channel.pb-c.h"

#define PROTO_INBOX_RUNS_MAX	  256
#define PROTO_INBOX_NAME_RUNS_MAX 32 /* runs of one name, so that a service which restarts again and again takes no room from others */

enum proto_inbox_state {
	PROTO_INBOX_PENDING,   /* accepted, and nothing irrevocable done */
	PROTO_INBOX_ASKED,     /* Attempted sent, its answer outstanding */
	PROTO_INBOX_ATTEMPTED, /* AttemptedAck has come: it may be attempted, or has been */
	PROTO_INBOX_SETTLED,   /* it has its outcome */
};

enum proto_inbox_verdict {
	PROTO_INBOX_FIRST,	       /* it is new: process it */
	PROTO_INBOX_DUPLICATE_PENDING, /* it is being processed, and its outcome will come: do nothing */
	PROTO_INBOX_DUPLICATE_SETTLED, /* send the outcome again: entry->outcome */
	PROTO_INBOX_FORGOTTEN,	       /* it is below the sender's own mark: ignore it */
};

struct proto_inbox;
struct proto_inbox_run;

/* Fields of the stanza in a delivery, from which an error stanza can be made if it ends badly. Kept on request. */
struct proto_inbox_words {
	Xfed__Kind kind;
	struct xfed_span type, id, from, to;
};

struct proto_inbox_entry {
	uint64_t seq;
	enum proto_inbox_state state;
	uint64_t said_ms; /* ASKED: when it was last sent */
	uint64_t settled_ms;
	uint64_t cookie;		       /* for the caller, 0 at first */
	const Xfed__Outcome *outcome;	       /* SETTLED: valid as long as the entry */
	const struct proto_inbox_words *words; /* SETTLED: as given with the outcome, or NULL; valid as long as the entry */
};

int proto_inbox_new(size_t max_entries, struct proto_inbox **out); /* 0: XFED_DELIVERY_TABLE_MAX. OK, NOMEM */
void proto_inbox_free(struct proto_inbox *in);

/* ---- runs and their links ---- */
/*
 * A link of this run has come up: finds its memory, or makes it; credit starts at 0. Each call is followed by one proto_inbox_link_lost(),
 * in any order when a newer link replaces an older one. NULL: PROTO_INBOX_RUNS_MAX or PROTO_INBOX_NAME_RUNS_MAX is reached, or no memory:
 * close the link.
 */
struct proto_inbox_run *proto_inbox_link_up(
	struct proto_inbox *in, struct xfed_span name, uint64_t nonce, uint64_t lowest_unsettled, uint64_t now_ms);
/*
 * With the last link of the run the reserved credit is given back. The run is remembered, and the pointer valid, for
 * XFED_DELIVERY_OUTCOME_MS, and as long as it has entries without an outcome.
 */
void proto_inbox_link_lost(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t now_ms);
/* The next run that has had no link for at least `gone_ms` and has not been ended; of that name, or of any if it is empty. NULL: none. */
struct proto_inbox_run *proto_inbox_next_gone(struct proto_inbox *in, struct xfed_span name, uint64_t gone_ms, uint64_t now_ms);
/*
 * The process of this run has ended, as far as one can know: nobody will ask for its outcomes any more. A link of the run that comes
 * nevertheless undoes this.
 */
void proto_inbox_end_run(struct proto_inbox_run *run);
bool proto_inbox_run_has_ended(const struct proto_inbox_run *run);
uint64_t proto_inbox_run_lost_ms(const struct proto_inbox_run *run); /* when its last link was lost; for a run without link */
struct proto_inbox_run *proto_inbox_find_run(struct proto_inbox *in, struct xfed_span name, uint64_t nonce);
/* The number of a run, never 0 and unique in this process, and the run of a number; NULL: it is not remembered any more. */
uint64_t proto_inbox_run_number(const struct proto_inbox_run *run);
struct proto_inbox_run *proto_inbox_run_of(const struct proto_inbox *in, uint64_t number);
const char *proto_inbox_run_name(const struct proto_inbox_run *run);
uint64_t proto_inbox_run_nonce(const struct proto_inbox_run *run);
/* How long the run has had no link; 0: it has one. After 10 s none of its deliveries is begun any more. */
uint64_t proto_inbox_link_gone_ms(const struct proto_inbox_run *run, uint64_t now_ms);

/* ---- credit ---- */
/* Reserves room for up to `want` deliveries of this run; returns for how many credit may be granted (Credit.messages). */
uint32_t proto_inbox_reserve(struct proto_inbox *in, struct proto_inbox_run *run, uint32_t want);

/* Credit of one link that is due to the peer, and may have to wait for room. */
struct proto_owed {
	uint32_t messages;
	uint64_t bytes;
};
/*
 * Reserves room for as much of it as possible, for the caller to grant (proto_session_grant()). 0: nothing is owed, or there is no room:
 * call it again later, since nothing else returns credit to the link.
 */
uint32_t proto_inbox_pay(struct proto_inbox *in, struct proto_inbox_run *run, struct proto_owed *owed, uint64_t *bytes);

/* ---- deliveries ---- */
/*
 * A Deliver has come. OK with *verdict, and but for FORGOTTEN with *entry (valid until it is forgotten: keep the number); LIMIT: there is
 * no reservation for it (the peer has exceeded its credit); NOMEM: nothing has changed. Uses up a reservation; a duplicate returns the
 * room.
 */
int proto_inbox_receive(
	struct proto_inbox *in, struct proto_inbox_run *run, uint64_t seq, enum proto_inbox_verdict *verdict, struct proto_inbox_entry **entry);
struct proto_inbox_entry *proto_inbox_find(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t seq);

/* PENDING becomes ASKED, to be sent by proto_inbox_next_ask(). OK; STATE; NOT_FOUND. */
int proto_inbox_asked(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t seq);
/* For AttemptedAck: ASKED becomes ATTEMPTED. OK: begin; STATE: not asked, or answered before; NOT_FOUND. */
int proto_inbox_acked(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t seq);
/*
 * Stores the outcome, and with it the fields of the stanza (NULL: nobody will need them). OK; STATE: it has an outcome already, which
 * counts; NOT_FOUND; NOMEM: stored all the same, with fate, status and reason but without texts. Unless NOT_FOUND or STATE it is then sent
 * by proto_inbox_next_tell().
 */
int proto_inbox_settle(
	struct proto_inbox *in, struct proto_inbox_run *run, const Xfed__Outcome *outcome, const struct proto_inbox_words *words, uint64_t now_ms);
/* The sender has given up one that has no outcome (AttemptedAck.refused): forgets it. OK, NOT_FOUND. */
int proto_inbox_forget(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t seq);
/* The sender has the outcome and will not ask again: forgets the entry, wherever the mark is. */
void proto_inbox_heard(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t seq);
/* The sender's mark (in Deliver, Ping, Hello): forgets entries below it that have an outcome. */
void proto_inbox_lowest(struct proto_inbox *in, struct proto_inbox_run *run, uint64_t lowest_unsettled);

/* Goes through the entries of a run in order of arrival: NULL begins, NULL is returned at the end. Nothing may be forgotten in between. */
struct proto_inbox_entry *proto_inbox_iterate(struct proto_inbox_run *run, struct proto_inbox_entry *after);

/* ---- what is to be sent to the sender of the deliveries ---- */
/*
 * The next entry of the run that has become ASKED, or has got its outcome, and has not been sent since; each is returned once. NULL: none.
 * Valid until the entry is forgotten.
 */
struct proto_inbox_entry *proto_inbox_next_ask(struct proto_inbox_run *run, uint64_t now_ms);
struct proto_inbox_entry *proto_inbox_next_tell(struct proto_inbox_run *run);
/* For how long the oldest question sent over the present link has had no answer. 0: none is open. */
uint64_t proto_inbox_unanswered_ms(const struct proto_inbox_run *run, uint64_t now_ms);
/* For an entry in SETTLED whose outcome is asked for again. */
void proto_inbox_tell_again(struct proto_inbox_run *run, struct proto_inbox_entry *entry);
/* A link has come up: what was sent over the previous one may be lost, so everything of the run is sent again, in order of arrival. */
void proto_inbox_say_again(struct proto_inbox_run *run);

/* ---- time and state ---- */
void proto_inbox_tick(struct proto_inbox *in, uint64_t now_ms);
size_t proto_inbox_count(const struct proto_inbox *in);
size_t proto_inbox_reserved(const struct proto_inbox *in);

#endif
