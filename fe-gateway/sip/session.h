/*
 * The session in which two users exchange messages: what INVITE, MESSAGE and BYE between them do to it (RFC 3261 sections 13 to 15;
 * proto/delivery.md, Sessions). A machine without I/O: it is told of methods, statuses and times, and never sees a message. Its owner keeps the
 * dialogs, and the messages that wait to be sent.
 *
 *   call      one INVITE and the dialog that it makes, sent by us or by the peer (the user's client). A session has more than one only for
 *             short: when both ends have sent INVITE at the same time, or while a new call takes the place of an old one
 *               NONE -invite-> INVITING -2xx-> OPEN              an INVITE of ours
 *               NONE -INVITE-> OPEN | HELD -> OPEN               an INVITE of the peer; HELD where it has crossed one of ours
 *               OPEN -idle, replaced, failed-> ENDING -last answer, BYE-> NONE
 *   current   the open call in which our messages are sent. Those of the peer are taken in any call
 *   under way a MESSAGE without a final response, ours or the peer's. We send no BYE before it has one: the peer would take the message for
 *             undelivered
 *
 * When both ends send INVITE at the same time, clients of the Lync family accept ours and withdraw their own. Others do not withdraw it, or
 * answer ours only after we have answered theirs. So an INVITE of the peer that meets one of ours is answered after XFED_SIP_SESSION_HOLD_MS (HELD),
 * unless the peer withdraws it, or ours fails, before that. It is accepted then. If ours has been accepted meanwhile, both calls stay and ours is the
 * current one; if ours has no answer yet, it is cancelled, and the peer's takes its place. An INVITE of the peer that comes within that time after
 * the answer to ours is held too, since the peer may have sent it before its answer. Any later INVITE of the peer replaces the call there is.
 *
 * Call step, then take the actions with ..._next() until it returns false, then set the timer from ..._deadline(). A step before all
 * actions are taken fails XFED_REQUIRE. Each call ends with exactly one of CANCEL, DECLINE, BYE and FORGET; its number may be used again
 * in the next step. An event for a call whose state does not wait for it is ignored.
 */
#ifndef GATEWAY_SIP_SESSION_H
#define GATEWAY_SIP_SESSION_H

#include "xfed/base.h"

#define SIP_SESSION_CALLS   4
#define SIP_SESSION_NO_CALL SIP_SESSION_CALLS

enum sip_call_state { SIP_CALL_NONE, SIP_CALL_INVITING, SIP_CALL_HELD, SIP_CALL_OPEN, SIP_CALL_ENDING };

enum sip_session_event_kind {
	SIP_SESSION_WANT,      /* a message of ours waits for an open call, until `until_ms` at most: OPENED or FAILED follows */
	SIP_SESSION_ACCEPTED,  /* call: 2xx to INVITE */
	SIP_SESSION_REFUSED,   /* call, status: the INVITE has failed for good; 0: without a response */
	SIP_SESSION_INVITED,   /* call: sip_session_free_call(); an INVITE of the peer that may be accepted */
	SIP_SESSION_WITHDRAWN, /* call: the peer has given up its INVITE before we answered, and has its response */
	SIP_SESSION_ENDED,     /* call: by the peer's BYE, or our 2xx was never acknowledged */
	SIP_SESSION_SENT,      /* call: a MESSAGE of ours is under way */
	SIP_SESSION_ANSWERED,  /* call, status: it has its final response; 0: it will have none */
	SIP_SESSION_TAKEN,     /* call: one of the peer */
	SIP_SESSION_SETTLED,   /* call: it has been answered */
	SIP_SESSION_ACTIVE,    /* call: somebody is typing, or the peer has refreshed it */
	SIP_SESSION_LEAVE,     /* everything ends; nothing begins any more */
	SIP_SESSION_TICK,
};

struct sip_session_event {
	enum sip_session_event_kind kind;
	unsigned call;
	int status;
	uint64_t until_ms;
};

enum sip_session_action_kind {
	SIP_SESSION_INVITE,  /* call: send INVITE */
	SIP_SESSION_ACCEPT,  /* call: answer the peer's INVITE with 200 */
	SIP_SESSION_CANCEL,  /* call: cancel ours. A 2xx that comes all the same is acknowledged and ended by the layer */
	SIP_SESSION_DECLINE, /* call: refuse the peer's INVITE: another one has taken its place, or we leave service */
	SIP_SESSION_BYE,     /* call: end its dialog */
	SIP_SESSION_FORGET,  /* call: its dialog is over already */
	SIP_SESSION_OPENED,  /* call: is current, and what waits may be sent */
	SIP_SESSION_FAILED,  /* what waits is refused with `status`: the INVITE's, 480 (no answer in time), 503 (we leave, or too many calls), or 0 */
};

struct sip_session_action {
	enum sip_session_action_kind kind;
	unsigned call;
	int status;
};

struct sip_call {
	uint64_t used_ms;     /* the last event that keeps it from being idle */
	uint64_t ours_ms;     /* when one of ours was accepted */
	uint32_t sent, taken; /* under way */
	enum sip_call_state state : 8;
	unsigned todo : 8; /* an action that is not taken yet: its kind + 1 */
};

struct sip_session {
	uint64_t wanted_ms, hold_ms; /* until when something waits, and a call is held; UINT64_MAX: nothing, none */
	int status;		     /* of FAILED */
	unsigned current : 8;
	unsigned live
	    : SIP_SESSION_CALLS; /* bits of the calls that are not NONE, or have an action: the others, mostly all but one, are not looked at */
	bool is_leaving : 1, must_tell_open : 1, must_tell_failed : 1;
	struct sip_call calls[SIP_SESSION_CALLS];
};

void sip_session_init(struct sip_session *s);
/* `idle_ms`: an open call with nothing under way is ended after so long. */
void sip_session_step(struct sip_session *s, const struct sip_session_event *ev, uint64_t idle_ms, uint64_t now_ms);
bool sip_session_next(struct sip_session *s, struct sip_session_action *act);
uint64_t sip_session_deadline(const struct sip_session *s, uint64_t idle_ms); /* UINT64_MAX: none */

unsigned sip_session_free_call(const struct sip_session *s); /* for INVITED; SIP_SESSION_NO_CALL: all are in use */
bool sip_session_is_empty(const struct sip_session *s);	     /* no calls, and nothing waits */

#endif
