/*
 * s2s: our way to a partner, as a machine without I/O: look up, connect, negotiate, write, settle. One for each pair of a domain of ours
 * and a partner's domain. The driver (outbound.c) feeds events and performs actions:
 *
 *   pair_step(); while (pair_next()) perform
 *
 * Performing may call pair_step() again; the actions that follow come out of the same loop.
 *
 *   idle ---SEND, NEED---> resolving ---FOUND---> connecting ---CONNECTED---> negotiating ---OPEN---> ready
 *     ^                        |                   |  ^ the next address         |  ^ the next address,    |
 *     '------ no address left, or the stream has ended'--------------------------'--' or the next method --'
 *
 * A stanza ends once: delivered, refused, withdrawn or uncertain. No message is written twice. An answer whose stream was lost before it
 * was acknowledged is written again: an error that comes twice does no harm, and one that never comes leaves its sender uninformed.
 *
 * With stream management the partner acknowledges stanzas. Without it a stanza counts as delivered when it is written, and is kept until
 * the partner's kernel has acknowledged its bytes: where the stream is lost before that, the sender is told so later, and an answer goes
 * over the next stream.
 */
#ifndef EDGE_S2S_PAIR_H
#define EDGE_S2S_PAIR_H

#include "proto/channel.pb-c.h"
#include "xfed/base.h"
#include "xfed/env.h"
#include "xfed/reason.h"

#define PAIR_BACKOFF_MIN_MS 1000
#define PAIR_BACKOFF_MAX_MS 60000

/* A stanza on its way; the driver's struct around it has the content. */
struct pair_item {
	struct pair_item *prev, *next;
	size_t bytes;
	uint64_t deadline_ms;
	uint64_t end_bytes; /* written without stream management: the position of its end in the stream */
	bool is_followed;   /* an owner waits for its outcome */
	bool is_answer;	    /* made by the edge itself: kept for the next attempt when one fails */
	bool is_written;    /* waits for an acknowledgement of the partner or its kernel */
	bool is_settled;    /* its outcome has been reported, perhaps before the acknowledgement */
	bool owes_error;    /* and it was reported as written: if it is lost after all, that is reported too */
	Xfed__Fate fate;    /* valid once it has ended */
	enum xfed_reason reason;
	enum xfed_side side;
};

struct pair_list {
	struct pair_item *first;
	size_t count, bytes;
};

enum pair_state { PAIR_IDLE, PAIR_RESOLVING, PAIR_CONNECTING, PAIR_NEGOTIATING, PAIR_READY };

enum pair_event_type {
	PAIR_SEND,	     /* `item`, which belongs to the machine until its SETTLE */
	PAIR_WITHDRAW,	     /* `item` is not wanted any more */
	PAIR_NEED,	     /* a stream is needed for something other than stanzas */
	PAIR_FOUND,	     /* answers LOOK_UP: `count` addresses, or `reason` and `side` */
	PAIR_CONNECTED,	     /* answers DIAL */
	PAIR_CONNECT_FAILED, /* likewise: `reason`, `side` */
	PAIR_OPEN,	     /* the stream is authenticated */
	/* answers WRITE: `rc` of xfed_s2s_send(); `is_counted`: it will be acknowledged; else `bytes`: position of its end in the stream */
	PAIR_WROTE,
	PAIR_ACKED,    /* the oldest `count` are acknowledged */
	PAIR_RECEIVED, /* the partner's kernel has acknowledged `bytes` of the stream */
	PAIR_LOST,   /* the stream has ended: `reason`, `side`, `tried_external`; `bytes` as with RECEIVED, UINT64_MAX: we closed it in good order */
	PAIR_DONE,   /* the stream is not needed any more; `needs_more`: another one is */
	PAIR_REFUSE, /* refuse all that waits, for `reason` */
	PAIR_FORGET, /* forget the wait before the next attempt */
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

/* Facts at the time of an event. ACKED, RECEIVED, WROTE, OPEN, CONNECTED and WITHDRAW use the time alone. */
struct pair_facts {
	uint64_t now_ms;
	bool is_listed; /* policy lists the partner; else `why_not` */
	enum xfed_reason why_not;
	unsigned methods;  /* methods it allows with the partner */
	bool is_leaving;   /* the edge is going out of service: nothing waits for another attempt */
	size_t park_bytes; /* limit of the bytes that wait */
};

enum pair_action_type {
	PAIR_LOOK_UP, /* look up the partner's addresses; answered by FOUND */
	PAIR_DIAL,    /* connect to address number `count` of those found */
	PAIR_WRITE,   /* write `item` to the stream; answered by WROTE before the next action */
	PAIR_SETTLE,  /* `item` has ended, and is the driver's again */
	PAIR_TELL,    /* report the outcome of `item`, which stays until it is acknowledged, received or lost; `owes_error`: reported as written */
	/* stream or attempt has ended: `reason`, `side`; `was_open`; else `wait_ms` until the next attempt, `count` stanzas had waited */
	PAIR_OVER,
	PAIR_HANG_UP, /* close the stream, which is no longer the pair's */
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

/* The driver only reads members. Zeroed at first but for `env` and `is_for_questions`. */
struct pair {
	const struct xfed_env *env; /* for random numbers: pairs that failed together are not tried again together */
	bool is_for_questions;	    /* a verify pair, which carries no stanzas */
	enum pair_state state;
	size_t address_count, address_next;
	bool avoid_external, avoid_tls; /* failed in this attempt, and policy allows the next best method */
	enum xfed_reason avoided;	/* why the last of them failed; NONE: the best method is used */
	bool is_for_users;		/* the stream has carried, or is to carry, more than answers */
	uint64_t answered_ms;		/* when an answer was last sent */
	uint64_t backoff_ms, retry_at_ms;
	enum xfed_reason last_reason;
	struct pair_list queue, unacked; /* waiting; written with stream management and not acknowledged, in order */
	struct pair_list sent;		 /* written without it, and not known to be received */
	/* ---- for pair_next() ---- */
	struct pair_list ended;
	struct pair_item *writing, *told, *expiring;
	size_t put_back;    /* answers put back in front of the queue since `writing` was begun */
	uint64_t expire_ms; /* `expiring` and the items behind it are compared with this time */
	bool is_full;	    /* the partner has to acknowledge some before more is written */
	bool looks_up, dials, hangs_up, is_over;
	struct pair_action over;
};

void pair_step(struct pair *p, const struct pair_event *ev, const struct pair_facts *f);
bool pair_next(struct pair *p, struct pair_action *act);

size_t pair_waiting(const struct pair *p); /* stanzas the pair has */
/* The last attempt failed a moment ago, and the next may not begin yet. */
bool pair_waits(const struct pair *p, uint64_t now_ms);
bool pair_is_forgettable(const struct pair *p, uint64_t now_ms); /* nothing of it has to be kept */
const char *pair_state_word(const struct pair *p);
struct pair_item *pair_take_any(struct pair *p); /* when the process ends: takes out one item after the other, then NULL */

#endif
