/*
 * Queues towards SIP users: at most one MESSAGE outside a dialog is outstanding per recipient (RFC 3428 section 8), the
 * others wait behind it in the order they came. Bounded per recipient by number and bytes, and shared by the partners that
 * write to him: alone one may fill the queue, as a backlog after an outage does; beside others it goes on while a quarter is free, then
 * up to an equal part, and a quarter above the bounds is kept for those who find it filled by others. What was accepted is never
 * dropped for it, and an empty queue takes one message of any size. No clock, no I/O.
 *
 * Items live in their owner. The first of a recipient comes out of recipients_next() once and may then be attempted;
 * recipients_remove() ends it and lets the next one come out.
 *
 * Before an item is attempted the run it came with may have to be asked (recipients_ask()), and nobody knows whether it answers. As
 * long as it does not, what others have brought steps past: the first of each other run, but never one of the same sender, whose order
 * holds. The answer (recipients_answered()) lets it be attempted where nothing else is under way, else when that has ended.
 */
#ifndef GATEWAY_IM_RECIPIENTS_H
#define GATEWAY_IM_RECIPIENTS_H

#include "util/table.h"
#include "xfed/base.h"

struct recipients;
struct recipient;
struct recipient_part;

struct recipient_item {
	struct recipient_item *prev, *next;	    /* of the same recipient */
	struct recipient_item *all_prev, *all_next; /* of all, in the order they came */
	struct recipient *recipient;
	struct recipient_part *part;
	uint64_t share;	 /* whose part of the queue it takes: one number per partner */
	uint64_t run;	 /* that may have to be asked; 0: none */
	uint64_t sender; /* whose order holds; 0: nobody's */
	size_t bytes;
	uint64_t deadline_ms; /* the owner's */
	bool has_come_out;
	bool is_asked;
};

struct recipients_limits {
	size_t messages, bytes; /* of one recipient, the one that is outstanding included */
};

int recipients_new(const struct recipients_limits *limits, struct recipients **out); /* OK, NOMEM */
void recipients_free(struct recipients *r);					     /* items are their owners' */
void recipients_set_limits(struct recipients *r, const struct recipients_limits *limits);

/*
 * `share`, `run`, `sender`, `bytes` and `deadline_ms` are set by the caller. OK; LIMIT (the queue or the partner's part of it is full:
 * delivery.queue.full); NOMEM.
 */
int recipients_add(struct recipients *r, struct xfed_span address, struct recipient_item *it);
/* The next one whose turn has come since the last call, or NULL. */
struct recipient_item *recipients_next(struct recipients *r);
/* It has come out, and is not attempted before the word of its run. */
void recipients_ask(struct recipients *r, struct recipient_item *it);
/* The word is there. True: it may be attempted now; false: it comes out again when it may. Of one that was not asked: true. */
bool recipients_answered(struct recipients *r, struct recipient_item *it);
/* Takes out one that has its fate, wherever it stands. */
void recipients_remove(struct recipients *r, struct recipient_item *it);

/* The one behind `it` in its own queue, or NULL. */
struct recipient_item *recipients_behind(const struct recipient_item *it);
/* All of them, in the order they came; NULL begins, NULL ends. */
struct recipient_item *recipients_iterate(const struct recipients *r, const struct recipient_item *after);
size_t recipients_count(const struct recipients *r);

#endif
