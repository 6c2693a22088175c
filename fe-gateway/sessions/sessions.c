#include "sessions/sessions_impl.h"

#include <utlist.h>

#include "xfed/jid.h"
#include "xfed/text.h"

static uint32_t idle_ms(const struct sessions *ss)
{
	return sessions_config(ss)->im.session_idle_ms;
}

const struct config_domain *session_domain(const struct session *s)
{
	return config_domain(sessions_config(s->room), xfed_jid_domain_part(s->local));
}

/* ---- sessions ---- */

#define KEY_LEN(local, remote) ((local).len + 1 + (remote).len) /* "local\0remote", which no other pair has */

struct session *session_find(const struct sessions *ss, struct xfed_span local, struct xfed_span remote)
{
	XFED_UNSET char key[2 * XFED_JID_BYTES + 2];
	char *at = key;
	struct session *s = NULL;
	if (local.len + remote.len + 2 <= sizeof(key)) {
		xfed_span_put(&at, local);
		xfed_span_put(&at, remote);
		HASH_FIND(hh, ss->table, key, KEY_LEN(local, remote), s);
	}
	return s;
}

struct call *session_current(const struct session *s)
{
	struct call *c = s && s->machine.current != SIP_SESSION_NO_CALL ? s->calls[s->machine.current] : NULL;
	return c && c->is_up ? c : NULL;
}

static uint64_t hash_of(struct xfed_span s)
{
	return xfed_hash_bytes(s.data, s.len);
}

/* With the keys of the tallies. */
static int make(struct sessions *ss, const struct session *keys, struct xfed_span local, struct xfed_span remote, struct session **out)
{
	struct session *s = xfed_malloc(sizeof(*s) + KEY_LEN(local, remote) + 1);
	int rc = s ? xfed_heap_reserve(&ss->due, HASH_COUNT(ss->table) + 1) : XFED_ERR_NOMEM;
	if (rc == XFED_OK) {
		char *at = s->key;
		*s = *keys;
		s->room = ss;
		s->local = xfed_span_put(&at, local);
		s->remote = xfed_span_put(&at, remote);
		sip_session_init(&s->machine);
		HASH_ADD_KEYPTR(hh, ss->table, s->key, KEY_LEN(local, remote), s);
		rc = XFED_TABLE_ADDED(s) ? XFED_OK : XFED_ERR_NOMEM;
	}
	if (rc != XFED_OK) {
		xfed_free(s);
		return rc;
	}
	*out = s;
	return XFED_OK;
}

static void give(struct sessions *ss, const struct session *s)
{
	tally_give(&ss->users, s->user);
	tally_give(&ss->shares, s->share);
	tally_give(&ss->pairs, s->pair);
}

/* Takes of each tally, or of none. */
static int take(struct sessions *ss, const struct session *s)
{
	int rc = HASH_COUNT(ss->table) < SESSIONS_MAX ? tally_take(&ss->users, s->user, SESSIONS_USER_MAX) : XFED_ERR_LIMIT;
	if (rc != XFED_OK) {
		return rc;
	}
	rc = tally_take(&ss->shares, s->share, SESSIONS_SHARE_MAX);
	if (rc == XFED_OK) {
		rc = tally_take(&ss->pairs, s->pair, SESSIONS_PAIR_MAX);
		if (rc == XFED_OK) {
			return XFED_OK;
		}
		tally_give(&ss->shares, s->share);
	}
	tally_give(&ss->users, s->user);
	return rc;
}

int session_of(struct sessions *ss, struct xfed_span local, struct xfed_span remote, struct session **out)
{
	*out = session_find(ss, local, remote);
	if (*out) {
		return XFED_OK;
	}
	struct session keys = { .user = hash_of(local), .share = policy_partner_share(ss->below.policy, xfed_jid_domain_part(remote)) };
	uint64_t both[2] = { keys.user, keys.share };
	keys.pair = xfed_hash_bytes(both, sizeof(both));
	int rc = take(ss, &keys);
	if (rc != XFED_OK) {
		return rc;
	}
	rc = make(ss, &keys, local, remote, out);
	if (rc != XFED_OK) {
		give(ss, &keys);
	}
	return rc;
}

static void session_free(struct session *s)
{
	struct sessions *ss = s->room;
	for (unsigned i = 0; i < SIP_SESSION_CALLS; i++) {
		if (s->calls[i]) {
			call_free(s->calls[i]);
		}
	}
	give(ss, s);
	xfed_heap_remove(&ss->due, &s->due);
	HASH_DELETE(hh, ss->table, s);
	xfed_free(s);
}

/* ---- the machine ---- */

/*
 * The call has left its session, and lives on for its last request only. What has not been said yet is taken back: an INVITE that has not
 * gone out needs no CANCEL, and one of the peer that has not been accepted is refused.
 */
static void part(struct call *c, enum call_todo last)
{
	struct session *s = c->session;
	bool is_unaccepted = c->todo == CALL_ACCEPT && !c->is_up;
	if (c->todo == CALL_ACCEPT && c->is_up) { /* a refresh has no answer yet */
		sessions_reply(s->room, c->txn, 487, NULL, "");
	}
	s->must_want_again |= is_unaccepted && s->opens_later;
	s->opens_later &= !is_unaccepted;
	if (c->is_up) {
		call_log(c, "session.ended");
	}
	s->calls[c->number] = NULL;
	c->session = NULL;
	if (c->is_withdrawn || (last == CALL_REST && !is_unaccepted) || (last == CALL_CANCEL && c->txn == 0)) {
		call_free(c);
	} else {
		call_queue(c, is_unaccepted ? CALL_DECLINE : last);
	}
}

/* What the room above is to be told, when the machine has been drained. */
struct news {
	bool is_open, has_failed;
	uint64_t call, waiter;
	struct session_failure why;
};

static struct session_failure failure_of(const struct session *s, int status)
{
	if (s->why.reason != XFED_REASON_NONE || s->why.status != 0) {
		return s->why;
	}
	enum xfed_reason reason = s->room->is_leaving ? XFED_REASON_SERVICE_LEAVING
				  : status == 480     ? XFED_REASON_SIP_SESSION_UNANSWERED
				  : status == 503     ? XFED_REASON_SIP_SESSION_LIMIT
						      : XFED_REASON_SIP_SERVER_UNREACHABLE;
	return (struct session_failure){ .reason = reason };
}

/* True: an INVITE cannot be made for want of memory. */
static bool perform(struct session *s, const struct sip_session_action *a, struct news *news)
{
	struct call *c = a->call < SIP_SESSION_CALLS ? s->calls[a->call] : NULL;
	switch (a->kind) {
	case SIP_SESSION_INVITE:
		c = call_new(s, a->call, true);
		if (!c) {
			return true;
		}
		call_queue(c, CALL_INVITE);
		break;
	case SIP_SESSION_ACCEPT:
		call_queue(c, CALL_ACCEPT);
		break;
	case SIP_SESSION_CANCEL:
		part(c, CALL_CANCEL);
		break;
	case SIP_SESSION_DECLINE:
		part(c, CALL_DECLINE);
		break;
	case SIP_SESSION_BYE:
		part(c, CALL_BYE);
		break;
	case SIP_SESSION_FORGET:
		if (c) { /* an INVITE that could not be made has none */
			part(c, c->is_unwanted ? CALL_BYE : CALL_REST);
		}
		break;
	case SIP_SESSION_OPENED:
		s->opens_later = c->todo == CALL_ACCEPT && !c->is_up; /* what is answered of one that is open is a refresh */
		*news = (struct news){ .is_open = !s->opens_later, .call = c->id, .waiter = s->waiter };
		break;
	case SIP_SESSION_FAILED:
		*news = (struct news){ .has_failed = true, .waiter = s->waiter, .why = failure_of(s, a->status) };
		break;
	}
	return false;
}

static void rearm(struct sessions *ss)
{
	const struct xfed_heap_item *first = xfed_heap_first(&ss->due);
	rt_timer_set(&ss->timer, first ? first->at : UINT64_MAX);
}

/*
 * Each message puts off the time at which its session has been idle for too long. A session is not moved in the heap for that: it comes out at
 * the time it had, finds that nothing is due, and goes in again. To move one touches as many others as the heap is deep.
 */
void session_settle(struct session *s)
{
	struct sessions *ss = s->room;
	uint64_t at = sip_session_deadline(&s->machine, idle_ms(ss)), typing = session_typing_deadline(s);
	at = typing < at ? typing : at;
	if (sip_session_is_empty(&s->machine)) {
		session_free(s);
	} else if (at != UINT64_MAX) {
		xfed_heap_set_by(&ss->due, &s->due, at);
	}
	rearm(ss);
}

static void tell(const struct sessions *ss, const struct news *news)
{
	if (news->is_open) {
		ss->user->opened(ss->user->data, news->waiter, news->call);
	} else if (news->has_failed) {
		ss->user->failed(ss->user->data, news->waiter, &news->why);
	}
}

/* Steps the machine and performs what it says; what follows from that is stepped too. */
static void run(struct session *s, const struct sip_session_event *ev, struct news *news)
{
	const struct sessions *ss = s->room;
	struct sip_session_event next = *ev;
	struct sip_session_action a;
	for (bool is_more = true; is_more;) {
		sip_session_step(&s->machine, &next, idle_ms(ss), sessions_now(ss));
		is_more = false;
		while (sip_session_next(&s->machine, &a)) {
			if (perform(s, &a, news)) {
				next = (struct sip_session_event){ .kind = SIP_SESSION_REFUSED, .call = a.call };
				s->why.reason = XFED_REASON_STREAM_INTERNAL;
				is_more = true;
			}
		}
		if (!is_more && s->must_want_again) {
			next = (struct sip_session_event){ .kind = SIP_SESSION_WANT, .until_ms = s->until_ms };
			s->must_want_again = false;
			is_more = true;
		}
	}
	s->why = (struct session_failure){ .reason = XFED_REASON_NONE };
}

void session_step(struct session *s, const struct sip_session_event *ev)
{
	struct sessions *ss = s->room;
	struct news news = { .is_open = false };
	run(s, ev, &news);
	session_settle(s);
	tell(ss, &news); /* last of all: it may ask for another call */
}

static void on_timer(void *user)
{
	struct sessions *ss = user;
	const struct xfed_heap_item *first;
	while ((first = xfed_heap_first(&ss->due)) && first->at <= sessions_now(ss)) {
		struct session *s = (struct session *)((char *)(uintptr_t)first - offsetof(struct session, due));
		xfed_heap_remove(&ss->due, &s->due);
		session_typing_tick(s);
		session_step(s, &(struct sip_session_event){ .kind = SIP_SESSION_TICK });
	}
	rearm(ss);
}

/* ---- called by the room above ---- */

void sessions_want(struct sessions *ss, const struct session_want *w)
{
	struct session *s;
	int rc = ss->is_leaving ? XFED_ERR_STATE : session_of(ss, w->local, w->remote, &s);
	if (rc != XFED_OK) {
		enum xfed_reason reason = rc == XFED_ERR_STATE	 ? XFED_REASON_SERVICE_LEAVING
					  : rc == XFED_ERR_LIMIT ? XFED_REASON_SIP_SESSION_LIMIT
								 : XFED_REASON_STREAM_INTERNAL;
		ss->user->failed(ss->user->data, w->id, &(struct session_failure){ .reason = reason });
		return;
	}
	s->typing.is_known |= w->says_typing;
	struct call *c = session_current(s);
	if (c) { /* the machine would say the same, as of a session that is open most messages are */
		ss->user->opened(ss->user->data, w->id, c->id);
		return;
	}
	s->waiter = w->id;
	s->until_ms = w->until_ms;
	if (s->opens_later) {
		return; /* it is told when the call has been accepted in fact */
	}
	session_step(s, &(struct sip_session_event){ .kind = SIP_SESSION_WANT, .until_ms = w->until_ms });
}

uint64_t sessions_dialog(const struct sessions *ss, uint64_t call)
{
	const struct call *c = call_find(ss, call);
	return c && c->session ? c->dialog : 0;
}

void sessions_sent(struct sessions *ss, uint64_t call)
{
	struct call *c = call_find(ss, call);
	if (c && c->session) {
		session_typing_over(c->session, false);
		call_step(c, SIP_SESSION_SENT, 0);
	}
}

void sessions_answered(struct sessions *ss, uint64_t call, int status)
{
	call_step(call_find(ss, call), SIP_SESSION_ANSWERED, status);
}

void sessions_taken(struct sessions *ss, uint64_t call)
{
	struct call *c = call_find(ss, call);
	if (c && c->session) {
		session_typing_over(c->session, true);
		call_step(c, SIP_SESSION_TAKEN, 0);
	}
}

void sessions_settled(struct sessions *ss, uint64_t call)
{
	call_step(call_find(ss, call), SIP_SESSION_SETTLED, 0);
}

struct sessions_load sessions_load(const struct sessions *ss)
{
	return (struct sessions_load){ .sessions = HASH_COUNT(ss->table), .calls = HASH_COUNT(ss->calls) };
}

/* ---- the room ---- */

static void on_cancelled(void *data, uint64_t txn)
{
	struct call *c = call_of_invite(data, txn);
	if (c) {
		call_withdrawn(c);
	}
}

static void on_ended(void *data, uint64_t id)
{
	struct call *c = call_find(data, id);
	if (c) {
		c->dialog = 0;
		call_step(c, SIP_SESSION_ENDED, 0);
	}
}

/*
 * Nothing is done where a connection closes (`doubted`): a dialog outlives it, and ends with BYE, or when a request in it is answered 481 or
 * not at all (RFC 3261 sections 12.2.1.2, 12.3). Front ends close connections that are idle. If the other end has been started anew and
 * knows the dialog no more, the next message of ours is answered 481, and goes in a new one; and a client that writes opens one itself.
 */
static struct trunk_user trunk_user_of(struct sessions *ss)
{
	return (struct trunk_user){
		.sip = {
			.data = ss,
			.methods = SIP_METHOD_BIT(INVITE) | SIP_METHOD_BIT(BYE),
			.inside = SIP_METHOD_BIT(MESSAGE) | SIP_METHOD_BIT(INFO) | SIP_METHOD_BIT(UPDATE) | SIP_METHOD_BIT(NOTIFY),
			.accept = "application/sdp",
			.request = sessions_request,
			.response = call_response,
			.timeout = call_timeout,
			.broken = call_broken,
			.cancelled = on_cancelled,
			.ended = on_ended,
		},
		.hop_ready = call_hop_ready,
		.hop_failed = call_hop_failed,
	};
}

int sessions_new(const struct sessions_rooms *below, struct sessions **out)
{
	struct sessions *ss = *out = xfed_calloc(1, sizeof(*ss));
	if (!ss) {
		return XFED_ERR_NOMEM;
	}
	ss->below = *below;
	ss->trunk_user = trunk_user_of(ss);
	int rc = rt_timer_init(&ss->timer, below->core->d.loop, on_timer, ss);
	return rc == XFED_OK ? trunk_use(below->trunk, &ss->trunk_user) : rc;
}

void sessions_use(struct sessions *ss, const struct sessions_user *user)
{
	ss->user = user;
}

static void send_replies(struct sessions *ss)
{
	struct session_reply *r, *next;
	DL_FOREACH_SAFE(ss->replies, r, next) {
		if (trunk_respond(ss->below.trunk, r->txn, r->status, r->phrase, xfed_span_str(r->lines)) != XFED_ERR_NOMEM) {
			DL_DELETE(ss->replies, r);
			xfed_free(r);
		} /* else the next turn tries again */
	}
}

void sessions_flush(struct sessions *ss)
{
	send_replies(ss);
	session_notes_flush(ss); /* before a BYE of the same turn */
	while (ss->queue) {
		call_flush(ss->queue); /* which leaves the queue */
	}
}

void sessions_gauges(const struct sessions *ss)
{
	rt_metric_set(ss->below.core->d.metrics, RT_M_SIP_SESSIONS, HASH_COUNT(ss->table), RT_NO_LABELS);
}

void sessions_drain(struct sessions *ss)
{
	ss->is_draining = true;
}

void sessions_close(struct sessions *ss)
{
	struct session *s, *next;
	ss->is_draining = ss->is_leaving = true;
	HASH_ITER(hh, ss->table, s, next) {
		session_step(s, &(struct sip_session_event){ .kind = SIP_SESSION_LEAVE });
	}
	sessions_flush(ss);
}

void sessions_stop(struct sessions *ss)
{
	struct session *s, *next;
	if (!ss) {
		return;
	}
	rt_timer_close(&ss->timer);
	HASH_ITER(hh, ss->table, s, next) {
		session_free(s);
	}
	session_notes_free(ss);
	while (ss->calls) {
		call_free(ss->calls);
	}
}

void sessions_free(struct sessions *ss)
{
	struct session_reply *r, *next;
	if (!ss) {
		return;
	}
	DL_FOREACH_SAFE(ss->replies, r, next) {
		xfed_free(r);
	}
	tally_clear(&ss->users);
	tally_clear(&ss->shares);
	tally_clear(&ss->pairs);
	xfed_heap_deinit(&ss->due);
	xfed_free(ss);
}
