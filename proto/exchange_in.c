#include "proto/exchange_impl.h"
#include "proto/outcome.h"
#include "xfed/stanza.h"

#define ERROR_ARENA_BYTES (64 * 1024)
#define ERROR_TRIED_MS	  10000 /* for at least so long an error is tried to be sent */

void exchange_pay(struct proto_exchange *x, struct proto_exchange_link *l)
{
	uint64_t bytes;
	uint32_t n = l->owed.messages > 0 ? proto_inbox_pay(x->in, l->run, &l->owed, &bytes) : 0;
	if (n > 0) {
		proto_session_grant(l->session, n, bytes);
	}
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
		.replay = PROTO_REPLAY_ANY, /* an error that comes twice does no harm, one that is lost does */
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

int proto_exchange_error(struct proto_exchange *x, const struct proto_inbox_words *w, const struct xfed_stanza_error *err, uint64_t now_ms)
{
	return send_error(x, w, err, now_ms + ERROR_TRIED_MS, now_ms);
}

/* Tells the sender of an orphan by an error stanza, over any link, if the sender has to know. */
static void tell_orphan(struct proto_exchange *x, const struct proto_inbox_run *run, const struct proto_inbox_entry *e, uint64_t now_ms)
{
	struct xfed_stanza_error err;
	Xfed__Outcome oc = *e->outcome;
	if (!proto_outcome_is_bad(&oc)) {
		return;
	}
	uint64_t lost_ms = proto_inbox_run_lost_ms(run);
	if (e->settled_ms > lost_ms + PROTO_LINK_GONE_MS) {
		oc.fate = XFED__FATE__FATE_UNCERTAIN; /* by then the orphan's service may have given it to another gateway */
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

void exchange_end_gone_runs(struct proto_exchange *x, struct xfed_span name, uint64_t gone_ms, uint64_t now_ms)
{
	struct proto_inbox_run *run;
	while (x->user->run_ended && (run = proto_inbox_next_gone(x->in, name, gone_ms, now_ms))) {
		end_run(x, run, now_ms);
	}
}

void exchange_hear(struct proto_exchange *x, struct proto_exchange_link *l, uint64_t lowest_unsettled)
{
	uint64_t seq;
	while (proto_session_next_heard(l->session, &seq)) {
		proto_inbox_heard(x->in, l->run, seq);
	}
	proto_inbox_lowest(x->in, l->run, lowest_unsettled);
}

void exchange_take_deliver(struct proto_exchange *x, struct proto_exchange_link *l, const Xfed__Deliver *d, size_t frame_bytes, uint64_t now_ms)
{
	enum proto_inbox_verdict verdict;
	struct proto_inbox_entry *entry;
	int rc = proto_inbox_receive(x->in, l->run, d->seq, &verdict, &entry);
	if (rc != XFED_OK) {
		exchange_close(
			l, rc == XFED_ERR_NOMEM ? XFED_REASON_STREAM_INTERNAL : XFED_REASON_CHANNEL_FRAME_BAD, "delivery without room", now_ms);
		return;
	}
	exchange_hear(x, l, d->lowest_unsettled);
	switch (verdict) {
	case PROTO_INBOX_FIRST:
		x->user->deliver(x->user_data, from_of(l->run, d->seq), l->peer, d);
		break;
	case PROTO_INBOX_DUPLICATE_SETTLED:
		entry = proto_inbox_find(x->in, l->run, d->seq); /* NULL: it was below the sender's mark, and is forgotten */
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
	exchange_pay(x, l);
}

void exchange_take_withdraw(struct proto_exchange *x, struct proto_exchange_link *l, uint64_t seq, uint64_t now_ms)
{
	struct proto_inbox_entry *e = proto_inbox_find(x->in, l->run, seq);
	if (!e) {
		/* It never came in, or was settled and forgotten, in which case its sender would not ask. Nothing was done with it. */
		Xfed__Outcome oc = XFED__OUTCOME__INIT;
		const Xfed__Outcome *list[] = { &oc };
		oc.seq = seq;
		oc.fate = XFED__FATE__FATE_WITHDRAWN;
		exchange_said(l, proto_session_settled(l->session, list, 1), now_ms);
	} else if (e->state == PROTO_INBOX_SETTLED) {
		proto_inbox_tell_again(l->run, e);
		x->tell_by_ms = 0;
		x->untold++;
	} else {
		x->user->withdrawn(x->user_data, from_of(l->run, seq), e->cookie);
	}
}

void exchange_take_ack(struct proto_exchange *x, struct proto_exchange_link *l, const Xfed__AttemptedAck *m)
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

int proto_exchange_ask(struct proto_exchange *x, struct proto_from from)
{
	struct proto_inbox_run *run = proto_inbox_run_of(x->in, from.run);
	int rc = run ? proto_inbox_asked(x->in, run, from.seq) : XFED_ERR_NOT_FOUND;
	if (rc == XFED_OK) {
		exchange_wake(x);
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
		x->tell_by_ms = 0; /* a sender waits for it */
	}
	exchange_wake(x);
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

/* ---- messages to the peer ---- */

void exchange_ask(struct proto_exchange_link *l, uint64_t now_ms)
{
	XFED_UNSET uint64_t seqs[PROTO_SEQS_MAX];
	size_t n = 0;
	struct proto_inbox_entry *e;
	while ((e = proto_inbox_next_ask(l->run, now_ms))) {
		seqs[n++] = e->seq;
		if (n == XFED_ARRAY_LEN(seqs)) {
			exchange_said(l, proto_session_attempted(l->session, seqs, n), now_ms);
			n = 0;
		}
	}
	if (n > 0) {
		exchange_said(l, proto_session_attempted(l->session, seqs, n), now_ms);
	}
}

/*
 * An edge that answers pings and not this question keeps its deliveries from ever being begun, and no other gateway may have them. So the
 * link is closed, and the next one asks again.
 */
void exchange_end_unanswering(struct proto_exchange *x, uint64_t now_ms)
{
	for (struct proto_exchange_link *l = x->links; l; l = l->next) {
		if (proto_inbox_unanswered_ms(l->run, now_ms) >= XFED_CHANNEL_ANSWER_MS) {
			exchange_close(l, XFED_REASON_CHANNEL_ANSWER_MISSING, "did not answer for 20 s whether messages may be sent", now_ms);
			exchange_wake(x);
		}
	}
}

/* A frame takes so many at a time. If the link breaks, they are told again over the next one. */
void exchange_tell(struct proto_exchange_link *l, uint64_t now_ms)
{
	XFED_UNSET const Xfed__Outcome *list[PROTO_OUTCOMES_MAX];
	size_t n = 0;
	struct proto_inbox_entry *e;
	while ((e = proto_inbox_next_tell(l->run))) {
		list[n++] = e->outcome;
		if (n == XFED_ARRAY_LEN(list)) {
			exchange_said(l, proto_session_settled(l->session, list, n), now_ms);
			n = 0;
		}
	}
	if (n > 0) {
		exchange_said(l, proto_session_settled(l->session, list, n), now_ms);
	}
}
