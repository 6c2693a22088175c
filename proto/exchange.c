#include "proto/exchange.h"

#include <utlist.h>

#include "proto/outcome.h"
#include "proto/pump.h"
#include "xfed/mem.h"
#include "xfed/stanza.h"

#define ERROR_ARENA_BYTES (64 * 1024)
#define ERROR_TRIED_MS	  10000 /* at least so long an error for an orphan is tried to be told */

/* Delivers whose `taken` may still come: what credit leaves under way, twice over. What is older, settling covers. */
#define LINK_SENT (2 * XFED_CHANNEL_CREDIT_MSGS)

struct sent {
	uint64_t cookie, number;
};

struct proto_exchange_link {
	struct proto_exchange_link *next;
	struct proto_session *session;
	struct proto_inbox_run *run;
	int peer;
	bool is_open;
	uint64_t no_more_ms; /* 0: the peer stays */
	struct proto_owed owed;
	uint64_t sent_count, taken_count;
	struct sent sent[]; /* by how many were sent before, modulo LINK_SENT; only where taken() is asked for */
};

struct proto_exchange {
	const struct proto_exchange_user *user;
	void *user_data;
	uint32_t tell_good_ms;
	struct proto_outbox *out;
	struct proto_inbox *in;
	struct proto_exchange_link *links;
	struct proto_exchange_link *of_run[PROTO_INBOX_RUNS_MAX]; /* the newest of each run, by its number modulo the size */
	size_t untold;						  /* fates since the last telling */
	uint64_t tell_by_ms;
	struct xfed_buf scratch;
};

int proto_exchange_new(const struct proto_exchange_config *cfg, const struct proto_exchange_user *user, void *user_data, struct proto_exchange **out)
{
	struct proto_exchange *x = xfed_calloc(1, sizeof(*x));
	*out = x;
	if (!x) {
		return XFED_ERR_NOMEM;
	}
	x->user = user;
	x->user_data = user_data;
	x->tell_good_ms = cfg->tell_good_ms;
	xfed_buf_init(&x->scratch, XFED_STANZA_BYTES_MAX);
	int rc = proto_outbox_new(&cfg->outbox, &x->out);
	rc = rc == XFED_OK ? proto_inbox_new(cfg->inbox_max, &x->in) : rc;
	if (rc != XFED_OK) {
		proto_exchange_free(x);
		*out = NULL;
	}
	return rc;
}

void proto_exchange_free(struct proto_exchange *x)
{
	if (!x) {
		return;
	}
	while (x->links) {
		struct proto_exchange_link *l = x->links;
		LL_DELETE(x->links, l);
		xfed_free(l);
	}
	proto_outbox_free(x->out);
	proto_inbox_free(x->in);
	xfed_buf_deinit(&x->scratch);
	xfed_free(x);
}

static void wake(struct proto_exchange *x)
{
	x->user->wake(x->user_data);
}

/* ---- finding ---- */

static struct proto_exchange_link **newest_of(struct proto_exchange *x, const struct proto_inbox_run *run)
{
	return &x->of_run[proto_inbox_run_number(run) % PROTO_INBOX_RUNS_MAX];
}

static struct proto_exchange_link *link_of_peer(const struct proto_exchange *x, int peer)
{
	for (struct proto_exchange_link *l = x->links; l; l = l->next) {
		if (l->peer == peer) {
			return l;
		}
	}
	return NULL;
}

static struct proto_inbox_entry *entry_of(struct proto_exchange *x, struct proto_from from, struct proto_inbox_run **run)
{
	*run = proto_inbox_run_of(x->in, from.run);
	return *run ? proto_inbox_find(x->in, *run, from.seq) : NULL;
}

static struct proto_from from_of(const struct proto_inbox_run *run, uint64_t seq)
{
	return (struct proto_from){ proto_inbox_run_number(run), seq };
}

/* ---- a link that cannot go on ---- */

static void close_link(struct proto_exchange_link *l, enum xfed_reason reason, const char *text, uint64_t now_ms)
{
	struct proto_event ev = { .type = PROTO_EV_CLOSE, .reason = reason, .text = text };
	proto_session_step(l->session, &ev, now_ms);
}

/* What was to be said is not said again over this link: without memory for it the link ends, and the next one says it. */
static void said(struct proto_exchange_link *l, int rc, uint64_t now_ms)
{
	if (rc == XFED_ERR_NOMEM) {
		close_link(l, XFED_REASON_STREAM_INTERNAL, "out of memory", now_ms);
	}
}

/* ---- fates of ours ---- */

static void finish(struct proto_exchange *x, struct proto_delivery *d, const struct proto_result *r)
{
	x->user->outcome(x->user_data, d, r);
	if (x->user->taken) {
		x->user->taken(x->user_data, d->cookie, d->number);
	}
	proto_outbox_done(x->out, d);
}

/* Those that ended without a peer's word. */
static void finish_ended(struct proto_exchange *x)
{
	struct proto_delivery *d;
	while ((d = proto_outbox_ended(x->out))) {
		finish(x, d, &(struct proto_result){ .fate = d->fate, .reason = d->reason });
	}
}

static void take_settled(struct proto_exchange *x, struct proto_exchange_link *l, const Xfed__Settled *m)
{
	for (size_t i = 0; i < m->n_outcomes; i++) {
		const Xfed__Outcome *oc = m->outcomes[i];
		struct proto_delivery *d = proto_outbox_settled(x->out, l->peer, oc);
		if (d) {
			finish(x, d, &(struct proto_result){ .fate = oc->fate, .reason = d->reason, .told = oc });
		}
	}
}

static void take_attempted(struct proto_exchange *x, struct proto_exchange_link *l, const Xfed__Attempted *m, uint64_t now_ms)
{
	uint64_t yes[PROTO_SEQS_MAX], no[PROTO_SEQS_MAX];
	size_t n_yes = 0, n_no = 0;
	for (size_t i = 0; i < m->n_seqs; i++) {
		if (proto_outbox_attempted(x->out, l->peer, m->seqs[i])) {
			yes[n_yes++] = m->seqs[i];
		} else {
			no[n_no++] = m->seqs[i];
		}
	}
	said(l, proto_session_attempted_ack(l->session, yes, n_yes, no, n_no), now_ms);
}

int proto_exchange_add(struct proto_exchange *x, const struct proto_delivery_new *n, uint64_t now_ms, uint64_t *seq)
{
	int rc = proto_outbox_add(x->out, n, now_ms, seq);
	if (rc == XFED_OK) {
		wake(x);
	}
	return rc;
}

void proto_exchange_withdraw(struct proto_exchange *x, bool all)
{
	const struct proto_delivery *next;
	for (const struct proto_delivery *d = proto_outbox_iterate(x->out, NULL); d; d = next) {
		next = proto_outbox_iterate(x->out, d);
		bool is_sent = d->sends > 0 && (d->state != PROTO_DELIVERY_QUEUED || d->replay != PROTO_REPLAY_UNATTEMPTED);
		if (all || !is_sent) {
			proto_outbox_withdraw(x->out, d->seq);
		}
	}
	finish_ended(x);
	wake(x);
}

void proto_exchange_give_up(struct proto_exchange *x)
{
	proto_outbox_give_up(x->out);
	finish_ended(x);
}

int proto_exchange_peer(struct proto_exchange *x, struct xfed_span name)
{
	return proto_outbox_peer(x->out, name);
}

bool proto_exchange_is_up(const struct proto_exchange *x, int peer)
{
	return link_of_peer(x, peer) != NULL;
}

const struct proto_outbox *proto_exchange_outbox(const struct proto_exchange *x)
{
	return x->out;
}

void proto_exchange_credit(struct proto_exchange *x, struct proto_exchange_link *l)
{
	if (x->user->taken) {
		uint64_t taken = proto_session_taken(l->session);
		uint64_t oldest = l->sent_count > LINK_SENT ? l->sent_count - LINK_SENT : 0;
		l->taken_count = l->taken_count > oldest ? l->taken_count : oldest;
		while (l->taken_count < taken) {
			const struct sent *s = &l->sent[l->taken_count++ % LINK_SENT];
			x->user->taken(x->user_data, s->cookie, s->number);
		}
	}
	wake(x);
}

/* ---- orphans ---- */

static int write_error(struct proto_exchange *x, const struct proto_inbox_words *w, const struct xfed_stanza_error *err)
{
	struct xfed_arena a;
	xfed_arena_init(&a, ERROR_ARENA_BYTES);
	struct xfed_stanza_words words = {
		.is_message = w->kind == XFED__KIND__KIND_MESSAGE, .type = w->type, .id = w->id, .from = w->from, .to = w->to
	};
	bool nomem;
	struct xfed_xml_elem *elem = xfed_stanza_error_of_words(&a, &words, err, &nomem);
	xfed_buf_clear(&x->scratch);
	int rc = elem ? xfed_xml_write(&x->scratch, elem, XFED_SPAN("")) : nomem ? XFED_ERR_NOMEM : XFED_ERR_INVALID;
	xfed_arena_deinit(&a);
	return rc;
}

static int send_error(struct proto_exchange *x, const struct proto_inbox_words *w, const struct xfed_stanza_error *err, uint64_t until, uint64_t now)
{
	uint64_t seq;
	int rc = write_error(x, w, err);
	if (rc != XFED_OK) {
		return rc;
	}
	struct proto_delivery_new n = {
		.kind = XFED__KIND__KIND_ERROR,
		.replay = PROTO_REPLAY_ANY, /* an error told twice does no harm, one that is lost does */
		.type = XFED_SPAN("error"),
		.id = w->id,
		.from = w->to,
		.to = w->from,
		.stanza = xfed_buf_span(&x->scratch),
		.deadline_ms = until,
		.peer = PROTO_OUTBOX_NO_PEER,
	};
	return proto_exchange_add(x, &n, now, &seq);
}

/* Its sender is told by a whole error stanza, over any link, where it has to know. */
static void tell_orphan(struct proto_exchange *x, const struct proto_inbox_run *run, const struct proto_inbox_entry *e, uint64_t now_ms)
{
	struct xfed_stanza_error err;
	Xfed__Outcome oc = *e->outcome;
	if (!proto_outcome_is_bad(&oc)) {
		return;
	}
	uint64_t lost_ms = proto_inbox_run_lost_ms(run);
	if (e->settled_ms > lost_ms + PROTO_LINK_GONE_MS) {
		oc.fate = XFED__FATE__FATE_UNCERTAIN; /* by then its service may have given it to another one */
	}
	uint64_t until = lost_ms + XFED_DELIVERY_OUTCOME_MS, least = now_ms + ERROR_TRIED_MS;
	enum xfed_reason reason = xfed_reason_by_code(xfed_span_str(oc.reason));
	proto_outcome_error(&oc, reason, &err);
	int rc = e->words ? send_error(x, e->words, &err, until > least ? until : least, now_ms) : XFED_ERR_NOMEM;
	x->user->orphan_told(x->user_data, from_of(run, e->seq), proto_inbox_run_name(run), reason, rc);
}

static void end_run(struct proto_exchange *x, struct proto_inbox_run *run, uint64_t now_ms)
{
	bool may_take_over = proto_inbox_link_gone_ms(run, now_ms) <= PROTO_LINK_GONE_MS;
	proto_inbox_end_run(run);
	for (struct proto_inbox_entry *e = NULL; (e = proto_inbox_iterate(run, e));) {
		if (e->state == PROTO_INBOX_SETTLED) {
			tell_orphan(x, run, e, now_ms);
		}
	}
	x->user->run_ended(x->user_data, proto_inbox_run_number(run), proto_inbox_run_name(run), may_take_over);
}

static void end_gone_runs(struct proto_exchange *x, struct xfed_span name, uint64_t gone_ms, uint64_t now_ms)
{
	struct proto_inbox_run *run;
	while (x->user->run_ended && (run = proto_inbox_next_gone(x->in, name, gone_ms, now_ms))) {
		end_run(x, run, now_ms);
	}
}

/* ---- links ---- */

static void pay(struct proto_exchange *x, struct proto_exchange_link *l)
{
	uint64_t bytes;
	uint32_t n = l->owed.messages > 0 ? proto_inbox_pay(x->in, l->run, &l->owed, &bytes) : 0;
	if (n > 0) {
		proto_session_grant(l->session, n, bytes);
	}
}

int proto_exchange_up(struct proto_exchange *x, struct proto_session *s, uint64_t now_ms, struct proto_exchange_link **out)
{
	const struct proto_peer *peer = proto_session_peer(s);
	struct xfed_span name = xfed_span_str(peer->name);
	size_t ring = x->user->taken ? LINK_SENT * sizeof(struct sent) : 0;
	struct proto_exchange_link *l = xfed_calloc(1, sizeof(*l) + ring);
	*out = l;
	if (!l) {
		return XFED_ERR_NOMEM;
	}
	l->session = s;
	l->peer = proto_outbox_peer(x->out, name);
	l->run = l->peer != PROTO_OUTBOX_NO_PEER ? proto_inbox_link_up(x->in, name, peer->boot_nonce, peer->hello->lowest_unsettled, now_ms) : NULL;
	if (!l->run) {
		xfed_free(l);
		*out = NULL;
		return XFED_ERR_LIMIT;
	}
	l->is_open = true;
	l->owed = (struct proto_owed){ XFED_CHANNEL_CREDIT_MSGS, XFED_CHANNEL_CREDIT_BYTES };
	LL_APPEND(x->links, l);
	*newest_of(x, l->run) = l;
	pay(x, l);
	proto_outbox_peer_up(x->out, l->peer, peer->boot_nonce, now_ms);
	end_gone_runs(x, name, 0, now_ms);
	proto_inbox_say_again(l->run);
	x->tell_by_ms = 0;
	finish_ended(x);
	wake(x);
	return XFED_OK;
}

void proto_exchange_down(struct proto_exchange *x, struct proto_exchange_link *l, uint64_t now_ms)
{
	struct proto_exchange_link **newest = newest_of(x, l->run), *other;
	LL_DELETE(x->links, l);
	if (*newest == l) {
		*newest = NULL;
		LL_FOREACH(x->links, other) {
			*newest = other->run == l->run ? other : *newest;
		}
	}
	proto_inbox_link_lost(x->in, l->run, now_ms);
	if (!link_of_peer(x, l->peer)) {
		proto_outbox_peer_lost(x->out, l->peer, now_ms);
	}
	xfed_free(l);
	finish_ended(x);
	wake(x);
}

void proto_exchange_open(struct proto_exchange_link *l, bool is_open)
{
	l->is_open = is_open;
}

void proto_exchange_no_more_after(struct proto_exchange_link *l, uint64_t when_ms)
{
	l->no_more_ms = when_ms;
}

int proto_exchange_link_peer(const struct proto_exchange_link *l)
{
	return l->peer;
}

/* ---- deliveries that come ---- */

static void hear(struct proto_exchange *x, struct proto_exchange_link *l, uint64_t lowest_unsettled)
{
	uint64_t seq;
	while (proto_session_next_heard(l->session, &seq)) {
		proto_inbox_heard(x->in, l->run, seq);
	}
	proto_inbox_lowest(x->in, l->run, lowest_unsettled);
}

static void take_deliver(struct proto_exchange *x, struct proto_exchange_link *l, const Xfed__Deliver *d, size_t frame_bytes, uint64_t now_ms)
{
	enum proto_inbox_verdict verdict;
	struct proto_inbox_entry *entry;
	int rc = proto_inbox_receive(x->in, l->run, d->seq, now_ms, &verdict, &entry);
	if (rc != XFED_OK) {
		close_link(l, rc == XFED_ERR_NOMEM ? XFED_REASON_STREAM_INTERNAL : XFED_REASON_CHANNEL_FRAME_BAD, "delivery without room", now_ms);
		return;
	}
	hear(x, l, d->lowest_unsettled);
	switch (verdict) {
	case PROTO_INBOX_FIRST:
		x->user->deliver(x->user_data, from_of(l->run, d->seq), l->peer, d);
		break;
	case PROTO_INBOX_DUPLICATE_SETTLED:
		entry = proto_inbox_find(x->in, l->run, d->seq); /* the mark may have let go of it */
		if (entry) {
			proto_inbox_tell_again(l->run, entry);
			x->tell_by_ms = 0;
			x->untold++;
		}
		break;
	case PROTO_INBOX_DUPLICATE_PENDING:
	case PROTO_INBOX_FORGOTTEN:
		break;
	}
	proto_session_took(l->session);
	l->owed.messages++;
	l->owed.bytes += frame_bytes;
	pay(x, l);
}

static void take_withdraw(struct proto_exchange *x, struct proto_exchange_link *l, uint64_t seq, uint64_t now_ms)
{
	struct proto_inbox_entry *e = proto_inbox_find(x->in, l->run, seq);
	if (!e) {
		/* It never came, or was settled and forgotten: then its sender does not ask. Nothing was done for it. */
		Xfed__Outcome oc = XFED__OUTCOME__INIT;
		const Xfed__Outcome *list[] = { &oc };
		oc.seq = seq;
		oc.fate = XFED__FATE__FATE_WITHDRAWN;
		said(l, proto_session_settled(l->session, list, 1), now_ms);
	} else if (e->state == PROTO_INBOX_SETTLED) {
		proto_inbox_tell_again(l->run, e);
		x->tell_by_ms = 0;
		x->untold++;
	} else {
		x->user->withdrawn(x->user_data, from_of(l->run, seq), e->cookie);
	}
}

static void take_ack(struct proto_exchange *x, struct proto_exchange_link *l, const Xfed__AttemptedAck *m)
{
	for (size_t i = 0; i < m->n_seqs; i++) {
		struct proto_inbox_entry *e = proto_inbox_find(x->in, l->run, m->seqs[i]);
		if (e && proto_inbox_acked(x->in, l->run, m->seqs[i]) == XFED_OK) {
			x->user->acked(x->user_data, from_of(l->run, m->seqs[i]), e->cookie);
		}
	}
	for (size_t i = 0; i < m->n_refused; i++) {
		struct proto_inbox_entry *e = proto_inbox_find(x->in, l->run, m->refused[i]);
		if (e && e->state == PROTO_INBOX_ASKED) {
			x->user->refused(x->user_data, from_of(l->run, m->refused[i]), e->cookie);
		}
	}
}

bool proto_exchange_take(struct proto_exchange *x, struct proto_exchange_link *l, const Xfed__Frame *f, size_t frame_bytes, uint64_t now_ms)
{
	switch (f->body_case) {
	case XFED__FRAME__BODY_DELIVER:
		take_deliver(x, l, f->deliver, frame_bytes, now_ms);
		break;
	case XFED__FRAME__BODY_SETTLED:
		take_settled(x, l, f->settled);
		break;
	case XFED__FRAME__BODY_ATTEMPTED:
		take_attempted(x, l, f->attempted, now_ms);
		break;
	case XFED__FRAME__BODY_ATTEMPTED_ACK:
		take_ack(x, l, f->attempted_ack);
		break;
	case XFED__FRAME__BODY_WITHDRAW:
		take_withdraw(x, l, f->withdraw->seq, now_ms);
		break;
	case XFED__FRAME__BODY_PING: /* answered already; its marks let us forget */
		hear(x, l, f->ping->lowest_unsettled);
		break;
	default:
		return false;
	}
	wake(x);
	return true;
}

int proto_exchange_ask(struct proto_exchange *x, struct proto_from from)
{
	struct proto_inbox_run *run = proto_inbox_run_of(x->in, from.run);
	int rc = run ? proto_inbox_asked(x->in, run, from.seq) : XFED_ERR_NOT_FOUND;
	if (rc == XFED_OK) {
		wake(x);
	}
	return rc;
}

void proto_exchange_settle(
	struct proto_exchange *x, struct proto_from from, Xfed__Outcome *outcome, const struct proto_inbox_words *words, uint64_t now_ms)
{
	struct proto_inbox_run *run = proto_inbox_run_of(x->in, from.run);
	outcome->seq = from.seq;
	int rc = run ? proto_inbox_settle(x->in, run, outcome, proto_outcome_is_bad(outcome) ? words : NULL, now_ms) : XFED_ERR_NOT_FOUND;
	if (rc != XFED_OK && rc != XFED_ERR_NOMEM) {
		return; /* it has a fate already */
	}
	if (proto_inbox_run_has_ended(run)) {
		tell_orphan(x, run, proto_inbox_find(x->in, run, from.seq), now_ms);
		return;
	}
	if (x->untold++ == 0) {
		x->tell_by_ms = now_ms + x->tell_good_ms;
	}
	if (outcome->fate != XFED__FATE__FATE_DELIVERED) {
		x->tell_by_ms = 0; /* somebody waits for it */
	}
	wake(x);
}

void proto_exchange_forget(struct proto_exchange *x, struct proto_from from)
{
	struct proto_inbox_run *run = proto_inbox_run_of(x->in, from.run);
	if (run) {
		proto_inbox_forget(x->in, run, from.seq);
	}
}

void proto_exchange_mark(struct proto_exchange *x, struct proto_from from, uint64_t cookie)
{
	struct proto_inbox_run *run;
	struct proto_inbox_entry *e = entry_of(x, from, &run);
	if (e) {
		e->cookie = cookie;
	}
}

bool proto_exchange_run(const struct proto_exchange *x, uint64_t number, uint64_t now_ms, struct proto_run *out)
{
	const struct proto_inbox_run *run = proto_inbox_run_of(x->in, number);
	if (!run) {
		return false;
	}
	const struct proto_exchange_link *l = x->of_run[number % PROTO_INBOX_RUNS_MAX];
	*out = (struct proto_run){
		.name = proto_inbox_run_name(run),
		.nonce = proto_inbox_run_nonce(run),
		.has_ended = proto_inbox_run_has_ended(run),
		.is_leaving = l && l->no_more_ms > 0 && now_ms >= l->no_more_ms,
		.gone_ms = proto_inbox_link_gone_ms(run, now_ms),
	};
	return true;
}

/* ---- sending ---- */

static void ask(struct proto_exchange_link *l, uint64_t now_ms)
{
	uint64_t seqs[PROTO_SEQS_MAX];
	size_t n = 0;
	struct proto_inbox_entry *e;
	while ((e = proto_inbox_next_ask(l->run))) {
		seqs[n++] = e->seq;
		if (n == XFED_ARRAY_LEN(seqs)) {
			said(l, proto_session_attempted(l->session, seqs, n), now_ms);
			n = 0;
		}
	}
	if (n > 0) {
		said(l, proto_session_attempted(l->session, seqs, n), now_ms);
	}
}

/* As many as a frame takes at a time; where the link breaks over it they are told again over the next. */
static void tell(struct proto_exchange_link *l, uint64_t now_ms)
{
	const Xfed__Outcome *list[PROTO_OUTCOMES_MAX];
	size_t n = 0;
	struct proto_inbox_entry *e;
	while ((e = proto_inbox_next_tell(l->run))) {
		list[n++] = e->outcome;
		if (n == XFED_ARRAY_LEN(list)) {
			said(l, proto_session_settled(l->session, list, n), now_ms);
			n = 0;
		}
	}
	if (n > 0) {
		said(l, proto_session_settled(l->session, list, n), now_ms);
	}
}

/* True: there is more for the next turn. Without credit or room it ends, and when there is some the link comes back. */
static bool pump_link(struct proto_exchange *x, struct proto_exchange_link *l, uint64_t now_ms)
{
	const struct proto_delivery *d;
	uint64_t seq;
	size_t n = 0;
	while (l->is_open && n < XFED_CHANNEL_PUMP_MSGS && (d = proto_pump_deliver(x->out, l->peer, l->session, now_ms))) {
		n++;
		if (x->user->taken) {
			l->sent[l->sent_count++ % LINK_SENT] = (struct sent){ d->cookie, d->number };
		}
		if (x->user->sent && d->sends == 1) {
			x->user->sent(x->user_data, d);
		}
	}
	while (proto_outbox_next_withdraw(x->out, l->peer, &seq)) {
		if (proto_session_withdraw(l->session, seq) != XFED_OK) {
			break;
		}
	}
	return n == XFED_CHANNEL_PUMP_MSGS;
}

/*
 * Nobody waits for the news that a message was delivered: where nothing else goes over the links in this turn it may wait a
 * little for company, which spares both sides a wake-up.
 */
static bool may_tell_later(const struct proto_exchange *x, uint64_t now_ms)
{
	bool is_due = now_ms >= x->tell_by_ms || x->untold >= XFED_CHANNEL_SETTLED_MAX;
	for (const struct proto_exchange_link *l = x->links; l && !is_due; l = l->next) {
		is_due = proto_session_output_bytes(l->session) > 0;
	}
	return !is_due;
}

uint64_t proto_exchange_pump(struct proto_exchange *x, uint64_t now_ms)
{
	struct proto_exchange_link *l;
	uint64_t again = UINT64_MAX;
	LL_FOREACH(x->links, l) {
		pay(x, l); /* what a full memory kept back, or the link would stand still for good */
		ask(l, now_ms);
		again = pump_link(x, l, now_ms) ? now_ms : again;
	}
	finish_ended(x); /* what could not be sent */
	if (x->untold > 0 && may_tell_later(x, now_ms)) {
		return x->tell_by_ms < again ? x->tell_by_ms : again;
	}
	LL_FOREACH(x->links, l) {
		tell(l, now_ms);
	}
	x->untold = 0;
	return again;
}

void proto_exchange_hurry(struct proto_exchange *x)
{
	x->tell_good_ms = 0;
	x->tell_by_ms = 0;
}

void proto_exchange_tick(struct proto_exchange *x, uint64_t now_ms)
{
	proto_outbox_tick(x->out, now_ms);
	finish_ended(x);
	end_gone_runs(x, XFED_SPAN(""), PROTO_RUN_ENDED_MS, now_ms);
	proto_inbox_tick(x->in, now_ms);
}

uint64_t proto_exchange_deadline(const struct proto_exchange *x)
{
	return proto_outbox_deadline(x->out);
}
