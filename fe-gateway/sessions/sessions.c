#include "sessions/sessions_impl.h"

#include <stdio.h>
#include <utlist.h>

#include "interwork/diagnostics.h"
#include "xfed/jid.h"
#include "xfed/text.h"

static uint32_t idle_ms(const struct sessions *ss)
{
	return sessions_config(ss)->im.session_idle_ms;
}

static struct xfed_span domain_of(struct xfed_span jid)
{
	const char *at = memchr(jid.data, '@', jid.len);
	size_t skip = at ? (size_t)(at - jid.data) + 1 : 0;
	return xfed_span_make(jid.data + skip, jid.len - skip);
}

const struct config_domain *session_domain(const struct session *s)
{
	return config_domain(sessions_config(s->room), domain_of(s->local));
}

/* ---- sessions ---- */

/* "local\0remote", which no other pair has. NULL: no memory. */
static char *make_key(struct xfed_span local, struct xfed_span remote)
{
	char *key = xfed_malloc(local.len + remote.len + 2), *at = key;
	if (key) {
		xfed_span_put(&at, local);
		xfed_span_put(&at, remote);
	}
	return key;
}

#define KEY_LEN(local, remote) ((local).len + 1 + (remote).len)

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

static uint64_t hash_of(struct xfed_span s)
{
	return xfed_hash_bytes(s.data, s.len);
}

static int make(struct sessions *ss, struct xfed_span local, struct xfed_span remote, struct session **out)
{
	struct session *s = xfed_calloc(1, sizeof(*s));
	char *key = s ? make_key(local, remote) : NULL;
	int rc = key ? xfed_heap_reserve(&ss->due, HASH_COUNT(ss->table) + 1) : XFED_ERR_NOMEM;
	if (rc == XFED_OK) {
		s->room = ss;
		s->local = xfed_span_make(key, local.len);
		s->remote = xfed_span_make(key + local.len + 1, remote.len);
		sip_session_init(&s->machine);
		HASH_ADD_KEYPTR(hh, ss->table, key, KEY_LEN(local, remote), s);
		rc = XFED_TABLE_ADDED(s) ? XFED_OK : XFED_ERR_NOMEM;
	}
	if (rc != XFED_OK) {
		xfed_free(key);
		xfed_free(s);
		return rc;
	}
	*out = s;
	return XFED_OK;
}

int session_of(struct sessions *ss, struct xfed_span local, struct xfed_span remote, struct session **out)
{
	uint64_t user = hash_of(local), share = policy_partner_share(ss->below.policy, domain_of(remote));
	*out = session_find(ss, local, remote);
	if (*out) {
		return XFED_OK;
	}
	int rc = HASH_COUNT(ss->table) < SESSIONS_MAX ? tally_take(&ss->users, user, SESSIONS_USER_MAX) : XFED_ERR_LIMIT;
	if (rc != XFED_OK) {
		return rc;
	}
	rc = tally_take(&ss->shares, share, SESSIONS_SHARE_MAX);
	if (rc == XFED_OK) {
		rc = make(ss, local, remote, out);
		if (rc == XFED_OK) {
			(*out)->user = user;
			(*out)->share = share;
			return XFED_OK;
		}
		tally_give(&ss->shares, share);
	}
	tally_give(&ss->users, user);
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
	tally_give(&ss->users, s->user);
	tally_give(&ss->shares, s->share);
	xfed_heap_remove(&ss->due, &s->due);
	HASH_DELETE(hh, ss->table, s);
	xfed_free((char *)(uintptr_t)s->local.data);
	xfed_free(s);
}

/* ---- calls ---- */

struct call *call_find(const struct sessions *ss, uint64_t id)
{
	struct call *c = NULL;
	HASH_FIND(hh, ss->calls, &id, sizeof(id), c);
	return c;
}

struct call *call_new(struct session *s, unsigned number, bool is_ours)
{
	struct sessions *ss = s->room;
	const struct config_domain *d = session_domain(s);
	struct trunk_hop *hop = d ? trunk_hop_of(ss->below.trunk, d) : NULL;
	struct call *c = hop ? xfed_calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		return NULL;
	}
	c->id = ++ss->below.core->last_id;
	c->room = ss;
	c->session = s;
	c->number = number;
	c->is_ours = is_ours;
	c->send.user = &ss->trunk_user;
	c->send.hop = hop;
	c->send.recipient = s->user;
	c->domain = xfed_strdup(d->domain);
	if (!c->domain) {
		xfed_free(c);
		return NULL;
	}
	HASH_ADD(hh, ss->calls, id, sizeof(c->id), c);
	if (!XFED_TABLE_ADDED(c)) {
		xfed_free(c->domain);
		xfed_free(c);
		return NULL;
	}
	s->calls[number] = c;
	return c;
}

void call_wait(struct call *c, uint64_t txn)
{
	c->txn = txn;
	HASH_ADD(hh_txn, c->room->by_txn, txn, sizeof(c->txn), c);
	c->is_in_txns = c->hh_txn.tbl != NULL; /* else a CANCEL is not heard of, and the call ends as one without ACK */
}

void call_waits_no_more(struct call *c)
{
	if (c->is_in_txns) {
		HASH_DELETE(hh_txn, c->room->by_txn, c);
		c->is_in_txns = false;
	}
}

static struct call *call_of_invite(const struct sessions *ss, uint64_t txn)
{
	struct call *c = NULL;
	HASH_FIND(hh_txn, ss->by_txn, &txn, sizeof(txn), c);
	return c;
}

/* The peer has given up its INVITE, which has its response: held, or to be accepted at the end of this turn. */
void call_withdrawn(struct call *c)
{
	call_waits_no_more(c);
	if (c->todo == CALL_ACCEPT) {
		c->is_withdrawn = true;
		call_step(c, SIP_SESSION_ENDED, 0);
	} else if (c->session) {
		call_step(c, SIP_SESSION_WITHDRAWN, 0);
	} else {
		call_free(c);
	}
}

void call_queue(struct call *c, enum call_todo todo)
{
	struct sessions *ss = c->room;
	if (c->todo == CALL_REST && todo != CALL_REST) {
		DL_APPEND(ss->queue, c);
	} else if (c->todo != CALL_REST && todo == CALL_REST) {
		DL_DELETE(ss->queue, c);
	}
	c->todo = todo;
	core_flush_soon(ss->below.core);
}

void call_free(struct call *c)
{
	call_queue(c, CALL_REST);
	call_waits_no_more(c);
	if (c->session) {
		c->session->calls[c->number] = NULL;
	}
	if (c->dialog != 0) {
		trunk_dialog_end(c->room->below.trunk, c->dialog);
	}
	trunk_send_end(&c->send);
	HASH_DELETE(hh, c->room->calls, c);
	xfed_free(c->answer);
	xfed_free(c->domain);
	xfed_free(c);
}

/* ---- the machine ---- */

void call_log(const struct call *c, const char *event)
{
	const struct session *s = c->session;
	const struct sip_dialog *d = c->dialog != 0 ? trunk_dialog(c->room->below.trunk, c->dialog) : NULL;
	struct xfed_arena a;
	struct xfed_span said = { NULL, 0 };
	xfed_arena_init(&a, 16384);
	if (s->why.response && iw_diagnostics_words(&a, s->why.response, &said) != XFED_OK) {
		said = xfed_span_make(NULL, 0); /* no memory for the words: the line remains */
	}
	rt_log(RT_LOG_INFO, event, RT_KV_ADDRESS("local", s->local), RT_KV_ADDRESS("partner", s->remote), RT_KV_U64("call", c->id),
		RT_KV_STR("opened_by", c->is_ours ? "partner" : "local"),
		RT_KV("call_id", d ? sip_dialog_text(d, SIP_DIALOG_CALL_ID) : xfed_span_make(NULL, 0)), RT_KV("diagnostics", said), RT_END);
	xfed_arena_deinit(&a);
}

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
	s->must_want_again |= is_unaccepted && s->must_tell_open;
	s->must_tell_open &= !is_unaccepted;
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
		s->must_tell_open = c->todo == CALL_ACCEPT && !c->is_up; /* what is answered of one that is open is a refresh */
		*news = (struct news){ .is_open = !s->must_tell_open, .call = c->id, .waiter = s->waiter };
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

void session_settle(struct session *s)
{
	struct sessions *ss = s->room;
	uint64_t at = sip_session_deadline(&s->machine, idle_ms(ss)), typing = session_typing_deadline(s);
	at = typing < at ? typing : at;
	if (sip_session_is_empty(&s->machine)) {
		session_free(s);
	} else if (at == UINT64_MAX) {
		xfed_heap_remove(&ss->due, &s->due);
	} else {
		xfed_heap_set(&ss->due, &s->due, at, 0);
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

void call_step(struct call *c, enum sip_session_event_kind kind, int status)
{
	if (c && c->session) {
		session_step(c->session, &(struct sip_session_event){ .kind = kind, .call = c->number, .status = status });
	}
}

static void on_timer(void *user)
{
	struct sessions *ss = user;
	const struct xfed_heap_item *first;
	while ((first = xfed_heap_first(&ss->due)) && first->at <= sessions_now(ss)) {
		struct session *s = (struct session *)((char *)(uintptr_t)first - offsetof(struct session, due));
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
	s->waiter = w->id;
	s->until_ms = w->until_ms;
	s->typing.is_known |= w->says_typing;
	if (s->must_tell_open) {
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
	while (ss->queue) {
		call_flush(ss->queue); /* which leaves the queue */
	}
	session_notes_flush(ss);
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
	session_notes_free(ss);
	tally_clear(&ss->users);
	tally_clear(&ss->shares);
	xfed_heap_deinit(&ss->due);
	xfed_free(ss);
}
