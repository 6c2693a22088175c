/*
 * Messages on their way to SIP: the queue of each recipient, the report to the edge that a message is about to be attempted, the
 * places of its next hop in turn, and its end (proto/delivery.md, Attempts). A machine: no I/O and no clock; events come in as
 * calls, what is to be done comes out of attempts_next(), requests out of attempts_next_send().
 *
 *   QUEUED    behind others of its recipient, or its turn has just come
 *   ASKED     reported to its edge as attempted; the edge has not answered, and nothing may be sent before it has. What other runs have
 *             brought for the same recipient steps past
 *   ALLOWED   the edge has answered, while something that stepped past is under way to the recipient
 *   LOCATING  may be sent; the places of its next hop are looked for
 *   READY     has a place, and goes out at the end of the turn
 *   SENT      a transaction runs
 *   ENDED     has its fate: exactly one
 *
 * An event that the state does not wait for is ignored: it was on its way when something else ended its cause.
 */
#ifndef GATEWAY_IM_ATTEMPTS_H
#define GATEWAY_IM_ATTEMPTS_H

#include "im/recipients.h"
#include "sip/failover.h"
#include "xfed/reason.h"

#define ATTEMPT_LINK_GONE_MS 10000 /* without a link for so long nothing of its edge is begun: the edge may give it to another gateway */

enum attempt_state { ATTEMPT_QUEUED, ATTEMPT_ASKED, ATTEMPT_ALLOWED, ATTEMPT_LOCATING, ATTEMPT_READY, ATTEMPT_SENT, ATTEMPT_ENDED };

enum attempt_fate {
	ATTEMPT_DELIVERED,
	ATTEMPT_REFUSED,   /* by `reason`, or where that is NONE by a response with `status` */
	ATTEMPT_UNCERTAIN, /* `reason` */
	ATTEMPT_LET_GO,	   /* not ours to end: its edge still has it, and brings it again when it may */
};

struct attempt_end {
	enum attempt_fate fate;
	enum xfed_reason reason;
	const char *text; /* static, or NULL */
	int status;	  /* of SIP; 0: there was no response */
};

enum attempt_action_kind {
	ATTEMPT_ASK,	    /* report it to its edge as attempted */
	ATTEMPT_LOCATE,	    /* find its places: attempts_located() or attempts_not_located(), at once or later */
	ATTEMPT_NEXT_PLACE, /* to be noted: the place it was sent to did not take it, the next one gets it at the end of the turn */
	ATTEMPT_END,	    /* `end`; it is the caller's again and nothing here knows it any more */
};

/* The run of the edge that a message came from, as it is now. */
struct attempt_origin {
	bool has_ended;	  /* no edge has a say any more */
	bool is_leaving;  /* and no attempt may begin for it */
	uint64_t gone_ms; /* without a link for so long; 0: it has one */
};
typedef void attempt_origin_fn(void *user, uint64_t run, uint64_t now_ms, struct attempt_origin *out);

/* Lives in its owner, who fills in the first part. */
struct attempt {
	struct recipient_item
		item;	/* first; all but its lists is set. Its run (proto/exchange.h) is 0 where it was made by this gateway and no edge has a say */
	uint64_t id;	/* not 0, never used again */
	bool is_repeat; /* its edge has sent it before: SIP may have seen it */

	/* Sent without the credentials its next hop asks for. The first copy was refused for the same reason, so 482 is no sign that it was taken. */
	bool is_without_proof;

	/* The machine's. */
	enum attempt_state state;
	enum attempt_action_kind pending; /* in attempts.actions */
	struct attempt_end end;		  /* ENDED */
	struct sip_failover *places;	  /* from READY on; the caller's */
	struct attempt *prev, *next;	  /* of the list it is in: actions, or those to send */
	struct attempt **list;		  /* which; NULL: none */
	UT_hash_handle hh;		  /* by id, until it has ended */
};

struct attempts;
struct attempt_action {
	enum attempt_action_kind kind;
	struct attempt *attempt;
	struct attempt_end end; /* END */
};

int attempts_new(const struct recipients_limits *limits, attempt_origin_fn *origin, void *user, struct attempts **out); /* OK, NOMEM */
void attempts_free(struct attempts *a);											/* holds none any more */
void attempts_set_limits(struct attempts *a, const struct recipients_limits *limits);

/* The address is kept. OK; LIMIT (the recipient's queue, or the partner's part of it, is full); NOMEM. */
int attempts_add(struct attempts *a, struct attempt *t, struct xfed_span address);
struct attempt *attempts_find(struct attempts *a, uint64_t id); /* NULL: none, or it has ended */

void attempts_acked(struct attempts *a, uint64_t id);
void attempts_not_ours(struct attempts *a, uint64_t id); /* the edge's answer: it has it no more, or gave it to another */
/* No link of that run will ever come. What was not attempted is ours alone, or, where others may have it by now, uncertain. */
void attempts_run_ended(struct attempts *a, uint64_t run, bool may_take_over);
void attempts_located(struct attempts *a, uint64_t id, struct sip_failover *places); /* borrowed until it has ended */
void attempts_not_located(struct attempts *a, uint64_t id, enum xfed_reason reason);
void attempts_unsent(struct attempts *a, uint64_t id, enum xfed_reason reason, const char *text); /* no transaction could be begun */
void attempts_too_large(struct attempts *a, uint64_t id); /* not begun: for its place, others are looked for */
void attempts_response(struct attempts *a, uint64_t id, int status, uint64_t now_ms);
/* A response asked for credentials: true: it goes to the same place once more, as attempts_next_send() says. */
bool attempts_challenged(struct attempts *a, uint64_t id, uint64_t now_ms);
void attempts_timeout(struct attempts *a, uint64_t id, bool was_written);
void attempts_broken(struct attempts *a, uint64_t id, bool was_written, uint64_t now_ms);
void attempts_tick(struct attempts *a, uint64_t now_ms); /* looks at all that wait */
void attempts_turn(struct attempts *a, uint64_t now_ms); /* the end of the turn: those at the head of their queue begin */
void attempts_give_up(struct attempts *a);		 /* what was not sent is refused, the rest is uncertain */

/* What is to be done now; to be drained after every call above. */
bool attempts_next(struct attempts *a, struct attempt_action *out);
/*
 * At the end of the turn, when the SIP layer has nothing in hand: the next one to be sent, to sip_failover_place(); SENT with that.
 * NULL: none, and those whose time has passed have ended, so attempts_next() is to be drained again.
 */
struct attempt *attempts_next_send(struct attempts *a, uint64_t now_ms);

/* Takes one out that has no fate, or whose end has not come out: the process ends. NULL: none is left. */
struct attempt *attempts_drop(struct attempts *a);

size_t attempts_count(const struct attempts *a);
size_t attempts_late(const struct attempts *a, uint64_t now_ms); /* past their time without a fate */

#endif
