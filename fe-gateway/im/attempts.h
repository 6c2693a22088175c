/*
 * Messages on their way to SIP: the queue of each recipient, the question to the edge before a message is attempted, the places (servers)
 * of its next hop one after the other, and its end (proto/delivery.md, Attempts). A machine without I/O and clock: events are function
 * calls, actions come out of attempts_next(), and messages to be sent out of attempts_next_send().
 *
 *   QUEUED    behind others for its recipient, or its turn has just come
 *   OPENING   it goes in a session, which is being opened by an INVITE (sip/session.h). The INVITE carries no message, so this is no attempt
 *   ASKED its edge has been told that it is about to be attempted; nothing is sent before the edge answers. Messages of other runs for the
 *             same recipient may overtake it
 *   ALLOWED   the edge has answered, while a message that overtook it is in flight to the recipient
 *   LOCATING  it may be sent; the places of its next hop are being looked up, or its session is looked for once more
 *   READY     it has a place, and is sent at the end of the turn
 *   SENT      its transaction is running
 *   ENDED     it has its outcome
 *
 * Events that the state does not wait for are ignored: they were under way when something else ended what they belong to.
 */
#ifndef GATEWAY_IM_ATTEMPTS_H
#define GATEWAY_IM_ATTEMPTS_H

#include "im/recipients.h"
#include "sip/failover.h"
#include "xfed/reason.h"

/* when an edge has had no link for so long, none of its messages is begun: the edge may have given them to another gateway */
#define ATTEMPT_LINK_GONE_MS 10000

enum attempt_state { ATTEMPT_QUEUED, ATTEMPT_OPENING, ATTEMPT_ASKED, ATTEMPT_ALLOWED, ATTEMPT_LOCATING, ATTEMPT_READY, ATTEMPT_SENT, ATTEMPT_ENDED };

enum attempt_fate {
	ATTEMPT_DELIVERED,
	ATTEMPT_REFUSED,   /* with `reason`; where that is NONE, by a SIP response with `status` */
	ATTEMPT_UNCERTAIN, /* with `reason` */
	ATTEMPT_LET_GO,	   /* ends here without an outcome: the edge still has it, and will send it again if it should be tried */
};

struct attempt_end {
	enum attempt_fate fate;
	enum xfed_reason reason;
	const char *text; /* static, or NULL */
	int status;	  /* of the SIP response; 0: there was none */
};

enum attempt_action_kind {
	ATTEMPT_ASK, /* tell its edge that it is about to be attempted */
	/* Look up its places, or open its session: answered by attempts_located(), attempts_not_located() or attempts_not_opened(), at once or later. */
	ATTEMPT_LOCATE,
	ATTEMPT_NEXT_PLACE, /* for the log: the place it was sent to did not accept it; it goes to the next one at the end of the turn */
	ATTEMPT_END,	    /* `end`; the attempt belongs to the caller again, and the machine has forgotten it */
};

/* The present state of the edge's run that a message came from. */
struct attempt_origin {
	bool has_ended;	  /* the run has ended: no edge decides about the message any more */
	bool is_leaving;  /* the edge is shutting down: no attempt may begin */
	uint64_t gone_ms; /* how long it has had no link; 0: it has one */
};
typedef void attempt_origin_fn(void *user, uint64_t run, uint64_t now_ms, struct attempt_origin *out);

/* A member of its owner, who fills in the part above "The machine's". */
struct attempt {
	struct recipient_item
		/* first member; everything but its lists is set by the owner. `run` (proto/exchange.h) is 0 for a message made by this gateway */
		item;
	uint64_t id;	    /* never 0, never used twice */
	bool is_repeat;	    /* the edge has sent it before, so a SIP server may have seen it */
	bool is_in_session; /* it is sent in the dialog of a session (proto/delivery.md, Sessions), whose messages alone are in its queue */

	/*
	 * A repetition that is sent without the credentials its next hop asks for. The first copy may have been refused for that, so 482 does not
	 * show that it was accepted.
	 */
	bool is_without_proof;

	/* Of the machine: */
	bool is_second_try; /* the dialog of the first one was gone */
	enum attempt_state state;
	enum attempt_action_kind pending; /* its entry in attempts.actions */
	struct attempt_end end;		  /* valid in ENDED */
	struct sip_failover *places;	  /* set from READY on; owned by the caller */
	struct attempt *prev, *next;	  /* links of the list it is in: that of actions, or that of messages to send */
	struct attempt **list;		  /* that list; NULL: none */
	UT_hash_handle hh;		  /* key: id, until it has ended */
};

struct attempts;
struct attempt_action {
	enum attempt_action_kind kind;
	struct attempt *attempt;
	struct attempt_end end; /* for END */
};

int attempts_new(const struct recipients_limits *limits, attempt_origin_fn *origin, void *user, struct attempts **out); /* OK, NOMEM */
/* it must not have any attempts left */
void attempts_free(struct attempts *a);
void attempts_set_limits(struct attempts *a, const struct recipients_limits *limits);

/* Adds a message to the queue of its recipient; the address is copied. OK; LIMIT (the queue, or the partner's part of it, is full); NOMEM. */
int attempts_add(struct attempts *a, struct attempt *t, struct xfed_span address);
struct attempt *attempts_find(struct attempts *a, uint64_t id); /* NULL: unknown, or ended */

void attempts_acked(struct attempts *a, uint64_t id);
void attempts_not_ours(struct attempts *a, uint64_t id); /* the edge has answered: it no longer has the message, or gave it to another gateway */
/*
 * The edge's run has ended for good. Messages not attempted yet are this gateway's alone and go on, or end as uncertain where
 * `may_take_over` is false: another gateway may have them.
 */
void attempts_run_ended(struct attempts *a, uint64_t run, bool may_take_over);
/* `places` is borrowed until the attempt has ended; NULL: its session is open. */
void attempts_located(struct attempts *a, uint64_t id, struct sip_failover *places, uint64_t now_ms);
/* Its session cannot be opened: it is REFUSED so, and all that waits behind it. */
void attempts_not_opened(struct attempts *a, uint64_t id, const struct attempt_end *how);
void attempts_not_located(struct attempts *a, uint64_t id, enum xfed_reason reason, const char *text);
void attempts_unsent(struct attempts *a, uint64_t id, enum xfed_reason reason, const char *text); /* no transaction could be started */
/* no transaction was started, because the request is too large for its place; other places are looked up */
void attempts_too_large(struct attempts *a, uint64_t id);
void attempts_response(struct attempts *a, uint64_t id, int status, uint64_t now_ms);
/* A response asked for credentials. True: attempts_next_send() will return the message once more, for the same place. */
bool attempts_challenged(struct attempts *a, uint64_t id, uint64_t now_ms);
void attempts_timeout(struct attempts *a, uint64_t id, bool was_written);
void attempts_broken(struct attempts *a, uint64_t id, bool was_written, uint64_t now_ms);
void attempts_tick(struct attempts *a, uint64_t now_ms); /* checks the deadlines of all messages */
void attempts_turn(struct attempts *a, uint64_t now_ms); /* to be called at the end of a turn: messages at the head of their queue begin */
void attempts_give_up(struct attempts *a);		 /* refuses what was not sent; the rest becomes uncertain */

/* The next action; to be called until false after every call above. */
bool attempts_next(struct attempts *a, struct attempt_action *out);
/*
 * To be called at the end of a turn, when the SIP layer has no event pending: the next message to send, to sip_failover_place(); it is SENT
 * then. NULL: none. Messages past their deadline have been ended, so attempts_next() is to be called again.
 */
struct attempt *attempts_next_send(struct attempts *a, uint64_t now_ms);

/* For the end of the process: takes out one that has no outcome, or whose END was not returned. NULL: none is left. */
struct attempt *attempts_drop(struct attempts *a);

size_t attempts_count(const struct attempts *a);
size_t attempts_late(const struct attempts *a, uint64_t now_ms); /* messages past their deadline without an outcome */

#endif
