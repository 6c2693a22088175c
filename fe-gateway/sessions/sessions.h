/*
 * sessions: INVITE, and what goes on in its dialog, for the domains whose messages go in sessions (domains[].im). One session for each user
 * and contact (sip/session.h), opened by whichever end writes first, ended when nobody has for im.session_idle. The messages themselves are
 * the business of the room im: it asks for a call to send one in, and gets those of the peer.
 *
 *   session   of a local user and a contact      call   one INVITE and its dialog; known by a number that is never used again
 *
 * May call deliver, channel, trunk, journal, policy, config and core, and the libraries sip/ and interwork/.
 */
#ifndef GATEWAY_SESSIONS_SESSIONS_H
#define GATEWAY_SESSIONS_SESSIONS_H

#include "core/core.h"
#include "deliver/deliver.h"
#include "interwork/imdn.h"
#include "interwork/typing.h"
#include "journal/journal.h"
#include "policy/policy.h"
#include "trunk/trunk.h"

struct sessions;

/* Why no call came about: a reason, or where that is NONE a response with `status`. */
struct session_failure {
	enum xfed_reason reason;
	int status;
	const struct sip_message *response; /* NULL: none is there (any more) */
	const char *text;		    /* what is known besides the reason, static; NULL: nothing */
};

/* A MESSAGE of the user in a call, and what policy says of it. */
struct session_message {
	uint64_t call;
	struct deliver_request who;
	enum xfed_reason reason;
};

/* Functions of the room above; called from the loop. */
struct sessions_user {
	void *data;
	/* The results of sessions_want(), perhaps before it returns. */
	void (*opened)(void *data, uint64_t id, uint64_t call);
	void (*failed)(void *data, uint64_t id, const struct session_failure *why);
	/* To be answered by trunk_respond(); from sessions_taken() to sessions_settled() the call is not ended by us. */
	void (*message)(void *data, const struct sip_incoming *rq, const struct session_message *m);
	/* The user's client says what has become of a message of ours that it has accepted with this Message-Id before; bare JIDs. */
	void (*told)(void *data, struct xfed_span local, struct xfed_span remote, const struct iw_imdn *what);
	/* A message lost could not be told in its session, see sessions_tell_lost(): the user is to be told by those words otherwise. */
	void (*untold)(void *data, struct xfed_span local, struct xfed_span remote, struct xfed_span words);
	/* The user begins or stops to type, and the contact is to be told: COMPOSING or PAUSED; bare JIDs. */
	void (*typing)(void *data, struct xfed_span local, struct xfed_span remote, enum iw_chat_state state);
};

struct sessions_rooms {
	struct core *core;
	const struct policy *policy;
	struct journal *journal;
	struct trunk *trunk;
	struct deliver *deliver;
};
int sessions_new(const struct sessions_rooms *below, struct sessions **out); /* OK, or an error of trunk_use(); sessions_free() has to follow */
void sessions_stop(struct sessions *ss);				     /* while the loop still runs; NULL is fine, as it is here: */
void sessions_free(struct sessions *ss);				     /* after the loop has ended */
void sessions_use(struct sessions *ss, const struct sessions_user *user);    /* before the loop runs */
void sessions_flush(struct sessions *ss);				     /* at the end of a turn: sends what is due */
void sessions_gauges(const struct sessions *ss);
void sessions_drain(struct sessions *ss); /* calls of peers are refused from here on */
void sessions_close(struct sessions *ss); /* ends all that have nothing under way; nothing begins any more */

struct sessions_load {
	size_t sessions, calls;
};
struct sessions_load sessions_load(const struct sessions *ss);

/* A call, for operators; borrowed until the loop runs on. */
struct sessions_call {
	uint64_t id;
	struct xfed_span local, remote, call_id; /* call_id: data NULL where it has no dialog yet */
	bool is_ours;				 /* we have sent the INVITE: the contact has begun */
	const char *state;			 /* "inviting", "held", "open", "ending": sip/session.h */
	uint64_t idle_ms;
	unsigned under_way; /* messages without a final response */
};
/* The one with the lowest number above `after`; in the order of numbers, from 0. False: there are no more. */
bool sessions_next(const struct sessions *ss, uint64_t after, struct sessions_call *out);

/* ---- messages of ours ---- */

struct session_want {
	uint64_t id;			/* given back with the result */
	struct xfed_span local, remote; /* the user and the contact: normalised bare JIDs */
	uint64_t until_ms;		/* when it fails at the latest */
	bool says_typing;		/* the contact's client tells of typing, and so wants to be told */
};
/* Asks for an open call in the name of a message that waits; of a user and a contact one at a time. opened() or failed() follows. */
void sessions_want(struct sessions *ss, const struct session_want *w);
uint64_t sessions_dialog(const struct sessions *ss, uint64_t call); /* 0: the call is over */
/* A message is sent in the call; and it has its final response, or (status 0) will have none. */
void sessions_sent(struct sessions *ss, uint64_t call);
void sessions_answered(struct sessions *ss, uint64_t call, int status);

/* What the contact says of its typing without a text; the user is told while a call is open. False: none is. */
bool sessions_typing(struct sessions *ss, struct xfed_span local, struct xfed_span remote, enum iw_chat_state state);

/* ---- messages of peers ---- */

void sessions_taken(struct sessions *ss, uint64_t call);
void sessions_settled(struct sessions *ss, uint64_t call);
struct session_lost {
	struct xfed_span local, remote; /* bare JIDs */
	struct xfed_span message_id, words;
	int status;
};
/*
 * A message of the user that was answered with this Message-Id has not been delivered: his client is told in the open call; where it does not
 * take it, untold() follows with the words. False: there is no such call, or NOMEM.
 */
bool sessions_tell_lost(struct sessions *ss, const struct session_lost *lost);

#endif
