/*
 * Queues towards SIP users: at most one MESSAGE outside a dialog is outstanding per recipient (RFC 3428 section 8); the others wait in the
 * order in which they came. Each queue is bounded by number and bytes, and shared by the partners that write to the recipient: one that is
 * alone may fill it, as a backlog after an outage does; beside others it may add while a quarter is free, then up to an equal part; and a
 * quarter above the limits is kept for partners that find it filled by others. What was accepted is never dropped for that, and an empty
 * queue takes a message of any size. No clock, no I/O.
 *
 * Items are members of their owners. The first of a recipient comes out of recipients_next() once and may then be attempted;
 * recipients_remove() ends it, and the next one may come out.
 *
 * Before an item is attempted the edge it came from may have to be asked (recipients_ask()), which may take long. Meanwhile items of other
 * runs may overtake it: the first one of each run, but never one whose sender has an earlier message in the queue, so that a sender's
 * messages keep their order. When the answer comes (recipients_answered()) it may be attempted, or has to wait until the item in flight has
 * ended.
 */
#ifndef GATEWAY_IM_RECIPIENTS_H
#define GATEWAY_IM_RECIPIENTS_H

#include "util/table.h"
#include "xfed/base.h"

struct recipients;
struct recipient;
struct recipient_part;

struct recipient_item {
	struct recipient_item *prev, *next;	    /* links within its recipient's queue */
	struct recipient_item *all_prev, *all_next; /* links of all items, in the order in which they came */
	struct recipient *recipient;
	struct recipient_part *part;
	uint64_t share;	 /* the partner whose part of the queue it takes, as a number */
	uint64_t run;	 /* the run that may have to be asked; 0: none */
	uint64_t sender; /* messages of one sender keep their order; 0: no order */
	size_t bytes;
	uint64_t deadline_ms; /* used by the owner */
	bool has_come_out;
	bool is_asked;
};

struct recipients_limits {
	size_t messages, bytes; /* limits per recipient, with the item in flight */
};

int recipients_new(const struct recipients_limits *limits, struct recipients **out); /* OK, NOMEM */
void recipients_free(struct recipients *r);					     /* the owners free the items */
void recipients_set_limits(struct recipients *r, const struct recipients_limits *limits);

/*
 * The caller sets `share`, `run`, `sender`, `bytes` and `deadline_ms`. OK; LIMIT (the queue, or the partner's part of it, is full:
 * delivery.queue.full); NOMEM.
 */
int recipients_add(struct recipients *r, struct xfed_span address, struct recipient_item *it);
/* The next item whose turn has come; each is returned once. NULL: none. */
struct recipient_item *recipients_next(struct recipients *r);
/* An item that has come out may not be attempted before its run has answered. */
void recipients_ask(struct recipients *r, struct recipient_item *it);
/* The answer has come. True: it may be attempted now (also where it was not asked about); false: it comes out again when it may. */
bool recipients_answered(struct recipients *r, struct recipient_item *it);
/* Takes out an item that has ended, wherever it is. */
void recipients_remove(struct recipients *r, struct recipient_item *it);

/* The item behind `it` in its recipient's queue, or NULL. */
struct recipient_item *recipients_behind(const struct recipient_item *it);
/* Goes through all items in the order in which they came: NULL begins, NULL is returned at the end. */
struct recipient_item *recipients_iterate(const struct recipients *r, const struct recipient_item *after);
size_t recipients_count(const struct recipients *r);

#endif
