/*
 * s2s: our way to a partner, as a machine without I/O: look up, dial, negotiate, write, settle. One for each pair of a domain of ours
 * and one of a partner's. The driver (outbound.c) feeds events and performs actions:
 *
 *   pair_step(); while (pair_next()) perform
 *
 * Performing may lead to a further step of the same machine; what follows from it comes out of the same loop.
 *
 *   idle ---SEND, NEED---> resolving ---FOUND---> connecting ---CONNECTED---> negotiating ---OPEN---> ready
 *     ^                        |                   |  ^ the next address         |  ^ the next address,    |
 *     '------ no way left, or the stream has ended-'--'--------------------------'--' or the next method --'
 *
 * A stanza ends delivered, refused, withdrawn or uncertain, once. No message is written twice; an answer whose stream was lost before
 * it was acknowledged is: an error that comes twice harms nobody, one that does not come leaves its sender without a word.
 *
 * Where stream management runs the partner acknowledges stanzas. Elsewhere a stanza is delivered with its writing, and stays until the
 * partner's kernel has acknowledged its bytes: where the stream is lost before, the sender is told that much later, and an answer goes
 * over the next one.
 */
#ifndef EDGE_S2S_PAIR_H
#define EDGE_S2S_PAIR_H

#include "proto/channel.pb-c.h"
#include "xfed/base.h"
#include "xfed/env.h"
#include "xfed/reason.h"

#define PAIR_BACKOFF_MIN_MS 1000
#define PAIR_BACKOFF_MAX_MS 60000

/* A stanza on its way; what it carries is the driver's. */
struct pair_item {
	struct pair_item *prev, *next;
	size_t bytes;
	uint64_t deadline_ms;
	uint64_t end_bytes; /* written without stream management: the stream's bytes up to its end */
	bool is_followed;   /* somebody waits for its fate */
	bool is_answer;	    /* of the edge's own: kept for the next attempt where one fails */
	bool is_written;    /* waits to be acknowledged, or received */
	bool is_settled;    /* its fate has been told, which may be before the acknowledgement comes */
	bool owes_error;    /* ... as written: if it is lost after all, that is told too */
	Xfed__Fate fate;    /* once it has one */
	enum xfed_reason reason;
	enum xfed_side side;
};

struct pair_list {
	struct pair_item *first;
	size_t count, bytes;
};

enum pair_state { PAIR_IDLE, PAIR_RESOLVING, PAIR_CONNECTING, PAIR_NEGOTIATING, PAIR_READY };

enum pair_event_type {
	PAIR_SEND,	     /* `item`, which is the machine's until its SETTLE */
	PAIR_WITHDRAW,	     /* `item`: it is not wanted any more */
	PAIR_NEED,	     /* a stream, for something else than stanzas */
	PAIR_FOUND,	     /* answers LOOK_UP: `count` addresses, or `reason` and `side` */
	PAIR_CONNECTED,	     /* answers DIAL */
	PAIR_CONNECT_FAILED, /* likewise: `reason`, `side` */
	PAIR_OPEN,	     /* the stream is authenticated */
	PAIR_WROTE,	     /* answers WRITE: `rc` of xfed_s2s_send(), `is_counted`: an acknowledgement comes, or `bytes` of the stream so far */
	PAIR_ACKED,	     /* of the oldest `count` */
	PAIR_RECEIVED,	     /* the partner's kernel has acknowledged `bytes` of the stream */
	PAIR_LOST,   /* the stream has ended: `reason`, `side`, `tried_external`; `bytes` as with RECEIVED, UINT64_MAX: we ended it in peace */
	PAIR_DONE,   /* the stream is not needed any more; `needs_more`: but another one is */
	PAIR_REFUSE, /* all that waits, for `reason` */
	PAIR_FORGET, /* the waiting time before the next attempt */
	PAIR_TICK,   /* about once a second */
};

struct pair_event {
	enum pair_event_type type;
	struct pair_item *item;
	size_t count;
	uint64_t bytes;
	int rc;
	bool is_counted, tried_external, needs_more;
	enum xfed_reason reason;
	enum xfed_side side;
};

/* What holds at the time of an event. ACKED, RECEIVED, WROTE, OPEN, CONNECTED and WITHDRAW look at the time alone. */
struct pair_facts {
	uint64_t now_ms;
	bool is_listed; /* policy has the partner; else: */
	enum xfed_reason why_not;
	unsigned methods;  /* what it allows with it */
	bool is_leaving;   /* going out of service: nothing waits for another attempt */
	size_t park_bytes; /* so much may wait */
};

enum pair_action_type {
	PAIR_LOOK_UP, /* the partner's addresses; answer with FOUND */
	PAIR_DIAL,    /* address number `count` of those that were found */
	PAIR_WRITE,   /* `item` to the stream; answer with WROTE before the next action */
	PAIR_SETTLE,  /* `item` has its fate, or had it before; it is the driver's again */
	PAIR_TELL,    /* `item` has its fate, and stays until it is acknowledged, received or lost; `owes_error`: told as written */
	PAIR_OVER,    /* stream or attempt has ended: `reason`, `side`; `was_open`; else `wait_ms` to the next attempt, `count` stanzas waited */
	PAIR_HANG_UP, /* close the stream: it is not the pair's any more */
};

struct pair_action {
	enum pair_action_type type;
	struct pair_item *item;
	size_t count;
	bool was_open;
	uint64_t wait_ms;
	enum xfed_reason reason;
	enum xfed_side side;
};

/* Members are for reading; zeroed but for `env` and `is_for_questions` to begin with. */
struct pair {
	const struct xfed_env *env; /* chance alone: what failed together is not tried again together */
	bool is_for_questions;	    /* carries no stanzas: a verify stream */
	enum pair_state state;
	size_t address_count, address_next;
	bool avoid_external, avoid_tls; /* failed in this attempt, and policy allows the next best */
	enum xfed_reason avoided;	/* ... the last of them for this reason; NONE: the best is tried */
	bool is_for_users;		/* not for answers alone, since the stream was begun */
	uint64_t answered_ms;		/* an answer was last sent then */
	uint64_t backoff_ms, retry_at_ms;
	enum xfed_reason last_reason;
	struct pair_list queue, unacked; /* waiting; written, in this order, where stream management runs */
	struct pair_list sent;		 /* written where it does not, and not known to be received */
	/* ---- what is to be done */
	struct pair_list ended;
	struct pair_item *writing, *told, *expiring;
	size_t put_back;    /* answers back in front of the queue since `writing` was begun */
	uint64_t expire_ms; /* `expiring` and what follows it are looked at with this time */
	bool is_full;	    /* the stream takes no more until some is acknowledged */
	bool looks_up, dials, hangs_up, is_over;
	struct pair_action over;
};

void pair_step(struct pair *p, const struct pair_event *ev, const struct pair_facts *f);
bool pair_next(struct pair *p, struct pair_action *act);

size_t pair_waiting(const struct pair *p); /* stanzas it has */
/* An attempt may not begin yet: the last one failed a moment ago. */
bool pair_waits(const struct pair *p, uint64_t now_ms);
bool pair_is_forgettable(const struct pair *p, uint64_t now_ms); /* nothing of it is worth keeping */
const char *pair_state_word(const struct pair *p);
struct pair_item *pair_take_any(struct pair *p); /* at the very end: each item it has, then NULL */

#endif
