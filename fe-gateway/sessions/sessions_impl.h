/* What the files of sessions share. Inside the room only. */
#ifndef GATEWAY_SESSIONS_SESSIONS_IMPL_H
#define GATEWAY_SESSIONS_SESSIONS_IMPL_H

#include "interwork/sdp.h"
#include "sessions/sessions.h"
#include "sip/session.h"
#include "util/heap.h"
/* Each thing in a chain of a table that is passed over costs a cache line that is not there: chains are shorter here than usual. */
#define HASH_BKT_CAPACITY_THRESH 7
#include "util/table.h"
#include "util/tally.h"

/* How many sessions may exist at the same time, whichever side has opened them. What is above is refused (sip.session.limit). */
#define SESSIONS_MAX	   100000
#define SESSIONS_USER_MAX  1000
#define SESSIONS_SHARE_MAX 50000 /* of one partner */
#define SESSIONS_PAIR_MAX  500	 /* of a user with one partner, which may have as many addresses as it likes */

#define SESSION_CONVERSATION_SIZE 33
#define SESSION_LINES_SIZE	  512

enum call_todo { CALL_REST, CALL_INVITE, CALL_ACCEPT, CALL_DECLINE, CALL_CANCEL, CALL_BYE };

/* A call that is over exists without a session until its last request has been sent, at the end of the turn: BYE, CANCEL or a refusal. */
struct call {
	UT_hash_handle hh; /* by id; here, what a message needs of it is in few cache lines */
	uint64_t id;
	struct sessions *room;
	struct session *session; /* NULL: it is over, but for `todo` */
	uint64_t dialog;	 /* 0: none yet */
	unsigned number;	 /* of the session's machine */
	enum call_todo todo;	 /* at the end of the turn, in sessions.queue */
	bool is_ours : 1;
	bool is_up : 1;	       /* it has been accepted */
	bool is_unwanted : 1;  /* its description refuses what we offered: it is accepted only to be ended */
	bool is_withdrawn : 1; /* the INVITE of the peer has its response already */
	bool is_in_txns : 1;
	bool is_hanging_up : 1;		  /* its BYE waits for the answer, as that may ask for credentials */
	enum sip_transport transport : 8; /* of our Contact in it */
	uint64_t txn;			  /* of the INVITE: to be cancelled, or answered; 0: it has not gone out */
	uint64_t invite;		  /* hash of Call-ID and From tag of the peer's INVITE */
	char *domain;			  /* of the user; owned */
	char *answer;			  /* the session description for `todo` ACCEPT, and header fields before it; owned */
	struct trunk_send send;
	struct call *prev, *next;
	UT_hash_handle hh_txn; /* by txn, while the peer waits for the answer */
};

/*
 * First what every message needs of it, so that it is in few cache lines: where there are many sessions, what is read of one is in no cache, and
 * each line of it costs as much as a hundred instructions.
 */
struct session {
	UT_hash_handle hh; /* by key */
	struct sessions *room;
	struct xfed_span local, remote; /* bare JIDs: both parts of `key` */
	struct xfed_heap_item due;
	/* 0: nobody is. When the user is told again that the contact types, and for how long; when the user has stopped unless he says more. */
	struct {
		uint64_t again_ms, until_ms, heard_ms;
		uint64_t said_ms;	   /* when the user was told last that the contact types */
		uint64_t tell_ms, told_ms; /* when the contact is to be told that the user types, and when it was last */
		bool is_told;		   /* the user, and has not been told that the contact has stopped */
		bool is_contact_told;	   /* the same the other way */
		bool is_known;		   /* the contact has said something of typing */
	} typing;
	struct sip_session machine;
	struct call *calls[SIP_SESSION_CALLS];
	struct session_failure why;	/* of the event that is being stepped; `response` may be a BYE */
	bool opens_later;		/* the waiter gets opened() once our 200 to the peer's INVITE has been sent */
	bool must_want_again;		/* that 200 will not be sent: another call is opened for the waiter */
	uint64_t waiter;		/* the id that sessions_want() was called with */
	uint64_t until_ms;		/* of the last sessions_want() */
	uint64_t user, share, pair;	/* keys of the tallies */
	uint64_t given_up, given_up_ms; /* hash of the INVITE that the peer has given up before it got here, and when */
	char conversation[SESSION_CONVERSATION_SIZE];
	char key[]; /* both users, with a NUL between */
};

struct session_note;

/* A response, sent at the end of the turn. */
struct session_reply {
	uint64_t txn;
	int status;
	const char *phrase; /* static, or NULL */
	struct session_reply *prev, *next;
	char lines[SESSION_LINES_SIZE + 1];
};

struct sessions {
	struct sessions_rooms below;
	struct trunk_user trunk_user;
	const struct sessions_user *user;
	struct session *table;
	struct call *calls, *by_txn, *queue;
	struct session_reply *replies;
	struct session_note *notes, *notes_by_id; /* notes.c; those that are due, and all */
	struct xfed_heap due;
	struct rt_timer timer;
	struct tally *users, *shares, *pairs;
	bool is_draining, is_leaving; /* INVITEs are refused; and everything else ends */
};

static inline uint64_t sessions_now(const struct sessions *ss)
{
	return core_now(ss->below.core);
}
static inline const struct config *sessions_config(const struct sessions *ss)
{
	return policy_config(ss->below.policy);
}

/* sessions.c */
struct session *session_find(const struct sessions *ss, struct xfed_span local, struct xfed_span remote);
/* Found or made. OK; LIMIT: one of the limits is reached; NOMEM. */
int session_of(struct sessions *ss, struct xfed_span local, struct xfed_span remote, struct session **out);
struct call *session_current(const struct session *s); /* the call in which messages of ours are sent; NULL: none is open; `s` NULL is fine */
const struct config_domain *session_domain(const struct session *s); /* NULL: it is none of ours any more */
void session_settle(struct session *s);				     /* sets its timer, or frees it if it has nothing left */
/* Feeds the machine and performs its actions; the session and its calls may be gone afterwards. */
void session_step(struct session *s, const struct sip_session_event *ev);

/* calls.c */
struct call *call_find(const struct sessions *ss, uint64_t id);
struct call *call_new(struct session *s, unsigned number, bool is_ours); /* NULL: no memory, or no domain */
void call_queue(struct call *c, enum call_todo todo);
void call_wait(struct call *c, uint64_t txn); /* the peer's INVITE waits for its answer, until: */
void call_waits_no_more(struct call *c);
struct call *call_of_invite(const struct sessions *ss, uint64_t txn); /* NULL: none waits with that transaction */
void call_withdrawn(struct call *c);
void call_log(const struct call *c, const char *event);
void call_free(struct call *c);
void call_step(struct call *c, enum sip_session_event_kind kind, int status); /* NULL, and one without a session, are fine */

/* outgoing.c: our INVITE, and the end of calls */
void call_flush(struct call *c);
void call_response(void *data, uint64_t id, const struct sip_message *m, uint64_t dialog); /* these as in struct trunk_user */
void call_timeout(void *data, uint64_t id, bool was_written);
void call_broken(void *data, uint64_t id, bool was_written);
void call_hop_ready(void *data, struct trunk_send *send);
void call_hop_failed(void *data, struct trunk_send *send, enum xfed_reason reason);
int call_describe(const struct sessions *ss, bool is_outside, const struct iw_sdp *offer, struct xfed_buf *out); /* our session description */

/* notes.c: other requests in a call; `lost` NULL: nobody waits for the answer. OK, NOMEM */
int session_note(struct call *c, const char *method, const char *type, struct xfed_span body, const struct session_lost *lost);
bool session_note_answered(struct sessions *ss, uint64_t id, const struct sip_message *m); /* false: it is about something else */
bool session_note_failed(struct sessions *ss, uint64_t id);
void session_notes_flush(struct sessions *ss);
void session_notes_free(struct sessions *ss);

/* typing.c */
void session_user_types(struct session *s, const struct iw_typing *t);
uint64_t session_typing_deadline(const struct session *s);
void session_typing_tick(struct session *s);
void session_typing_over(struct session *s, bool is_users);

/* incoming.c: requests of peers */
void sessions_request(void *data, const struct sip_incoming *rq);
void sessions_reply(struct sessions *ss, uint64_t txn, int status, const char *phrase, const char *lines);

#endif
