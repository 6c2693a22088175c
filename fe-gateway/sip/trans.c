#include "sip/trans.h"

#include "sip/legs.h"
#include "xfed/limits.h"

#define T1	     XFED_SIP_T1_MS
#define T2	     XFED_SIP_T2_MS
#define T4	     XFED_SIP_T4_MS
#define B_F_H_J	     (64 * T1)
#define TRYING_AFTER (T1 + 2 * T1 + 4 * T1) /* the time at which Timer E reaches T2: RFC 4320 section 4.1 */
#define C	     180000		    /* RFC 3261 section 16.6 step 11; nothing else limits a ringing INVITE */
#define SAY_100	     200		    /* RFC 3261 section 17.2.1 */
#define UNANSWERED   170000		    /* of an INVITE to a user of ours: shorter than Timer C of the peer */
#define FORGET_STEP  100 /* those that are only remembered are forgotten together: a wake-up for each is dearer than a tenth of a second more */
#define NEVER	     UINT64_MAX
#define KEEP	     (UINT64_MAX - 1) /* the limit of the previous state still applies */

/* AGAIN: retransmit over UDP; REPEAT: over streams too, because the response is from the other end and not from the next hop. */
enum due { NOTHING, AGAIN, REPEAT, SAY_TRYING };
enum expiry { QUIET, TIMEOUT, GIVE_UP, NO_ACK };

/*
 * Times in ms: the first retransmission and its maximum (over UDP; `due` says what happens), how long the state lasts over UDP and over a
 * stream, and what its end means. Letters are the timers of RFC 3261 table 4.
 */
/* clang-format off */
static const struct row {
	const char *name;
	bool is_client, is_open;
	enum due due;
	uint64_t first, cap, life, life_stream;
	enum expiry expiry;
} rows[SIP_STATE_COUNT] = {
	/*                            client  open   due         first         cap    life     stream */
	[SIP_STATE_TRYING] =            /* E, F */
		{ "TRYING",             true,  true,  AGAIN,      T1,           T2,    B_F_H_J, B_F_H_J, TIMEOUT },
	[SIP_STATE_PROCEEDING] =        /* E, F */
		{ "PROCEEDING",         true,  true,  AGAIN,      T2,           T2,    KEEP,    KEEP,    TIMEOUT },
	[SIP_STATE_COMPLETED] =         /* K */
		{ "COMPLETED",          true,  false, NOTHING,    NEVER,        0,     T4,      0,       QUIET },
	[SIP_STATE_CALLING] =           /* A, B */
		{ "CALLING",            true,  true,  AGAIN,      T1,           NEVER, B_F_H_J, B_F_H_J, TIMEOUT },
	[SIP_STATE_INVITE_PROCEEDING] = /* C */
		{ "INVITE_PROCEEDING",  true,  true,  NOTHING,    NEVER,        0,     C,       C,       TIMEOUT },
	[SIP_STATE_INVITE_COMPLETED] =  /* D */
		{ "INVITE_COMPLETED",   true,  false, NOTHING,    NEVER,        0,     B_F_H_J, 0,       QUIET },
	[SIP_STATE_ACCEPTED] =          /* M */
		{ "ACCEPTED",           true,  false, NOTHING,    NEVER,        0,     B_F_H_J, B_F_H_J, QUIET },
	[SIP_STATE_S_TRYING] =
		{ "S_TRYING",           false, true,  SAY_TRYING, TRYING_AFTER, 0,     B_F_H_J, B_F_H_J, QUIET },
	[SIP_STATE_S_PROCEEDING] =
		{ "S_PROCEEDING",       false, true,  NOTHING,    NEVER,        0,     KEEP,    KEEP,    QUIET },
	[SIP_STATE_S_COMPLETED] =       /* J */
		{ "S_COMPLETED",        false, false, NOTHING,    NEVER,        0,     B_F_H_J, 0,       QUIET },
	[SIP_STATE_S_REFUSED] =         /* G, H */
		{ "S_REFUSED",          false, false, AGAIN,      T1,           T2,    B_F_H_J, B_F_H_J, QUIET },
	[SIP_STATE_S_CONFIRMED] =       /* I */
		{ "S_CONFIRMED",        false, false, NOTHING,    NEVER,        0,     T4,      0,       QUIET },
	[SIP_STATE_S_INVITE_TRYING] =
		{ "S_INVITE_TRYING",    false, true,  SAY_TRYING, SAY_100,      0,     UNANSWERED, UNANSWERED, GIVE_UP },
	[SIP_STATE_S_INVITE_PROCEEDING] =
		{ "S_INVITE_PROCEEDING", false, true, NOTHING,    NEVER,        0,     UNANSWERED, UNANSWERED, GIVE_UP },
	[SIP_STATE_S_ACCEPTED] =        /* L; RFC 3261 section 13.3.1.4 */
		{ "S_ACCEPTED",         false, false, REPEAT,     T1,           T2,    B_F_H_J, B_F_H_J, NO_ACK },
	[SIP_STATE_S_ACKNOWLEDGED] =
		{ "S_ACKNOWLEDGED",     false, false, NOTHING,    NEVER,        0,     KEEP,    KEEP,    QUIET },
};
/* clang-format on */

uint64_t sip_layer_scale(const struct sip_layer *l, uint64_t ms)
{
	if (ms >= KEEP || ms == 0) {
		return ms;
	}
	uint64_t scaled = ms / l->time_divisor;
	return scaled > 0 ? scaled : 1;
}

static uint64_t after(uint64_t now_ms, uint64_t ms)
{
	return ms >= KEEP || now_ms > UINT64_MAX - ms ? UINT64_MAX : now_ms + ms;
}

bool sip_layer_is_full(const struct sip_layer *l)
{
	return l->stats.clients + l->stats.servers >= l->transactions_max;
}

bool sip_layer_is_full_of_servers(const struct sip_layer *l)
{
	size_t reserve = l->transactions_max * XFED_SIP_TRANSACTIONS_RESERVE_PERCENT / 100;
	return sip_layer_is_full(l) || l->stats.servers >= l->transactions_max - reserve || l->stats.server_bytes >= l->server_bytes_max;
}

void sip_trans_weigh(struct sip_layer *l, struct sip_trans *t)
{
	size_t weight = sizeof(*t) + t->head_len + t->last_len;
	l->stats.server_bytes += weight - t->weight;
	t->weight = weight;
}

bool sip_trans_is_client(const struct sip_trans *t)
{
	return rows[t->state].is_client;
}

bool sip_trans_is_open(const struct sip_trans *t)
{
	return rows[t->state].is_open;
}

struct sip_trans *sip_trans_by_id(const struct sip_layer *l, uint64_t id)
{
	struct sip_trans *t;
	HASH_FIND(hh, l->by_id, &id, sizeof(id), t);
	return t;
}

struct sip_trans *sip_trans_by_key(const struct sip_layer *l, const struct sip_key *key)
{
	struct sip_trans *t;
	HASH_FIND(hh_key, l->by_key, key, sizeof(*key), t);
	return t;
}

int sip_trans_add(struct sip_layer *l, struct sip_trans *t)
{
	size_t count = HASH_COUNT(l->by_id);
	if (xfed_heap_reserve(&l->timers, count + 1) != XFED_OK) {
		return XFED_ERR_NOMEM;
	}
	t->id = l->last_id + 1;
	HASH_ADD(hh, l->by_id, id, sizeof(t->id), t);
	if (!t->hh.tbl) {
		return XFED_ERR_NOMEM;
	}
	HASH_ADD(hh_key, l->by_key, key, sizeof(t->key), t);
	if (!t->hh_key.tbl) {
		HASH_DELETE(hh, l->by_id, t);
		return XFED_ERR_NOMEM;
	}
	l->last_id++;
	if (sip_trans_is_client(t)) {
		l->stats.clients++;
	} else {
		l->stats.servers++;
	}
	return XFED_OK;
}

void sip_trans_rearm(struct sip_layer *l, struct sip_trans *t)
{
	uint64_t at = t->resend_ms < t->expire_ms ? t->resend_ms : t->expire_ms;
	at = t->is_lost ? 0 : at;
	if (at == UINT64_MAX) {
		xfed_heap_remove(&l->timers, &t->timer);
	} else {
		xfed_heap_set(&l->timers, &t->timer, at, 0);
	}
}

static void trace(struct sip_layer *l, const char *state)
{
	if (l->env->trace) {
		l->env->trace(l->env->user, "sip", state);
	}
}

/* `at` or a little later. */
static uint64_t together(const struct sip_layer *l, uint64_t at)
{
	uint64_t step = sip_layer_scale(l, FORGET_STEP);
	return at > UINT64_MAX - step ? at : (at + step - 1) / step * step;
}

void sip_trans_enter(struct sip_layer *l, struct sip_trans *t, enum sip_state state, uint64_t now_ms)
{
	const struct row *row = &rows[state];
	bool is_stream = t->target.transport != SIP_UDP;
	uint64_t life = is_stream ? row->life_stream : row->life;
	sip_pace_leave(l, t);
	trace(l, row->name);
	t->state = state;
	if (life == 0) {
		sip_trans_end(l, t);
		return;
	}
	bool resends = row->due == SAY_TRYING || row->due == REPEAT || (row->due == AGAIN && !is_stream);
	t->interval_ms = sip_layer_scale(l, row->first);
	t->resend_ms = resends ? after(now_ms, t->interval_ms) : NEVER;
	if (life != KEEP) {
		t->expire_ms = after(now_ms, sip_layer_scale(l, life));
		t->expire_ms = row->expiry == QUIET && !row->is_open ? together(l, t->expire_ms) : t->expire_ms;
	}
	sip_trans_rearm(l, t);
}

void sip_trans_bind(struct sip_layer *l, struct sip_trans *t, uint64_t flow)
{
	sip_trans_unbind(t);
	struct sip_trans **bucket = &l->flows[flow % SIP_FLOW_BUCKETS];
	t->target.flow = flow;
	t->flow_next = *bucket;
	t->flow_prev = bucket;
	if (t->flow_next) {
		t->flow_next->flow_prev = &t->flow_next;
	}
	*bucket = t;
}

void sip_trans_unbind(struct sip_trans *t)
{
	if (t->flow_prev) {
		*t->flow_prev = t->flow_next;
		if (t->flow_next) {
			t->flow_next->flow_prev = t->flow_prev;
		}
	}
	t->flow_prev = NULL;
	t->flow_next = NULL;
}

void sip_trans_free(struct sip_trans *t)
{
	if (t) {
		xfed_free(t->head);
		xfed_free(t->last);
		xfed_free(t);
	}
}

void sip_trans_end(struct sip_layer *l, struct sip_trans *t)
{
	if (sip_trans_is_client(t)) {
		l->stats.clients--;
	} else {
		l->stats.servers--;
		l->stats.server_bytes -= t->weight;
	}
	if (t->is_in_leg) {
		sip_leg_forget(l, t);
	}
	xfed_heap_remove(&l->timers, &t->timer);
	sip_pace_leave(l, t);
	sip_trans_unbind(t);
	HASH_DELETE(hh, l->by_id, t);
	HASH_DELETE(hh_key, l->by_key, t);
	if (t->is_merge_owner) {
		HASH_DELETE(hh_merged, l->by_merged, t);
	}
	t->dead_next = l->dead;
	l->dead = t;
}

void sip_trans_send(struct sip_layer *l, struct sip_trans *t)
{
	struct sip_layer_action act = {
		.kind = SIP_ACT_SEND,
		.target = t->target,
		.bytes = xfed_span_make(t->last, t->last_len),
		.txn = sip_trans_is_client(t) ? t->id : 0,
	};
	l->stats.retransmissions_sent += t->sends > 0;
	t->sends++;
	sip_layer_push(l, &act);
}

static void time_out(struct sip_layer *l, struct sip_trans *t)
{
	if (rows[t->state].expiry == TIMEOUT && !t->is_silent) {
		struct sip_layer_action act = { .kind = SIP_ACT_TIMEOUT, .txn = t->id, .user = t->user, .id = t->id_of_user };
		act.was_written = t->is_written || t->target.transport == SIP_UDP;
		act.flow_id = t->is_written && !t->is_lost ? t->target.flow : 0;
		sip_layer_push(l, &act);
	}
	sip_trans_end(l, t);
}

/* After the process was stopped, or its machine suspended, timers are due although responses may be waiting in the sockets. */
static bool is_late(const struct sip_layer *l, uint64_t due_ms, uint64_t now_ms)
{
	return now_ms - due_ms > sip_layer_scale(l, XFED_SIP_T1_MS);
}

/* Responses that may be there are read first. */
static void postpone_end(struct sip_layer *l, struct sip_trans *t, uint64_t now_ms)
{
	t->resend_ms = NEVER;
	t->expire_ms = after(now_ms, sip_layer_scale(l, XFED_SIP_T1_MS));
	sip_trans_rearm(l, t);
}

/*
 * A server recognises a copy by its branch for about T4 after it has answered (proto/delivery.md, Attempts); after a longer gap it would be
 * a new request, and its user would get the message twice.
 */
static bool may_repeat(const struct sip_layer *l, const struct sip_trans *t, uint64_t now_ms)
{
	uint64_t gap_ms = now_ms - (t->resend_ms - t->interval_ms);
	return !sip_trans_is_client(t) || !is_late(l, t->resend_ms, now_ms) || gap_ms < sip_layer_scale(l, XFED_SIP_T4_MS);
}

int sip_trans_fire(struct sip_layer *l, struct sip_trans *t, uint64_t now_ms)
{
	const struct row *row = &rows[t->state];
	int rc = XFED_OK;
	if (t->is_lost) {
		sip_client_failed(l, t, false);
	} else if (now_ms >= t->expire_ms && row->expiry != QUIET && is_late(l, t->expire_ms, now_ms)) {
		postpone_end(l, t, now_ms);
	} else if (now_ms >= t->expire_ms && row->expiry == GIVE_UP) {
		rc = sip_server_give_up(l, t, now_ms);
	} else if (now_ms >= t->expire_ms && row->expiry == NO_ACK) {
		sip_leg_unacknowledged(l, t, now_ms);
	} else if (now_ms >= t->expire_ms) {
		time_out(l, t);
	} else if (row->due == SAY_TRYING) {
		/* Without memory the 100 is lost, as a datagram may be; the transaction goes on. */
		rc = sip_server_say_trying(l, t, now_ms);
	} else if (!may_repeat(l, t, now_ms)) {
		t->resend_ms = NEVER;
		sip_trans_rearm(l, t);
	} else if (t->returned > 0 && (t->state == SIP_STATE_TRYING || t->state == SIP_STATE_CALLING)) {
		sip_client_failed(l, t, true); /* the port is closed now, but an earlier datagram may have arrived */
	} else {
		sip_pace_send(l, t, now_ms);
		uint64_t cap = sip_layer_scale(l, row->cap);
		t->interval_ms = t->interval_ms * 2 < cap ? t->interval_ms * 2 : cap;
		t->resend_ms = after(now_ms, t->interval_ms);
		sip_trans_rearm(l, t);
	}
	return rc;
}
