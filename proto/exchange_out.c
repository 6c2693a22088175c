#include "proto/exchange_impl.h"
#include "proto/pump.h"

static void finish(struct proto_exchange *x, struct proto_delivery *d, const struct proto_result *r)
{
	x->user->outcome(x->user_data, d, r);
	if (x->user->taken) {
		x->user->taken(x->user_data, d->cookie, d->number);
	}
	proto_outbox_done(x->out, d);
}

/* Handles deliveries that ended without a peer's report. */
void exchange_finish_ended(struct proto_exchange *x)
{
	struct proto_delivery *d;
	while ((d = proto_outbox_ended(x->out))) {
		finish(x, d, &(struct proto_result){ .fate = d->fate, .reason = d->reason, .side = xfed_reason_info(d->reason)->side });
	}
}

void exchange_take_settled(struct proto_exchange *x, struct proto_exchange_link *l, const Xfed__Settled *m)
{
	for (size_t i = 0; i < m->n_outcomes; i++) {
		const Xfed__Outcome *oc = m->outcomes[i];
		struct proto_delivery *d = proto_outbox_settled(x->out, l->peer, oc);
		if (d) {
			struct proto_result r = proto_result_told(oc);
			finish(x, d, &r);
		}
	}
}

void exchange_take_attempted(struct proto_exchange *x, struct proto_exchange_link *l, const Xfed__Attempted *m, uint64_t now_ms)
{
	XFED_UNSET uint64_t yes[PROTO_SEQS_MAX], no[PROTO_SEQS_MAX];
	size_t n_yes = 0, n_no = 0;
	for (size_t i = 0; i < m->n_seqs; i++) {
		if (proto_outbox_attempted(x->out, l->peer, m->seqs[i])) {
			yes[n_yes++] = m->seqs[i];
		} else {
			no[n_no++] = m->seqs[i];
		}
	}
	exchange_said(l, proto_session_attempted_ack(l->session, yes, n_yes, no, n_no), now_ms);
}

int proto_exchange_add(struct proto_exchange *x, const struct proto_delivery_new *n, uint64_t now_ms, uint64_t *seq)
{
	int rc = proto_outbox_add(x->out, n, now_ms, seq);
	if (rc == XFED_OK) {
		exchange_wake(x);
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
	exchange_finish_ended(x);
	exchange_wake(x);
}

void proto_exchange_give_up(struct proto_exchange *x)
{
	proto_outbox_give_up(x->out);
	exchange_finish_ended(x);
}

int proto_exchange_peer(struct proto_exchange *x, struct xfed_span name)
{
	return proto_outbox_peer(x->out, name);
}

bool proto_exchange_is_up(const struct proto_exchange *x, int peer)
{
	return exchange_link_of_peer(x, peer) != NULL;
}

const struct proto_outbox *proto_exchange_outbox(const struct proto_exchange *x)
{
	return x->out;
}

void proto_exchange_credit(struct proto_exchange *x, struct proto_exchange_link *l)
{
	if (x->user->taken) {
		uint64_t taken = proto_session_taken(l->session);
		uint64_t oldest = l->sent_count > EXCHANGE_LINK_SENT ? l->sent_count - EXCHANGE_LINK_SENT : 0;
		l->taken_count = l->taken_count > oldest ? l->taken_count : oldest;
		while (l->taken_count < taken) {
			const struct exchange_sent *s = &l->sent[l->taken_count++ % EXCHANGE_LINK_SENT];
			x->user->taken(x->user_data, s->cookie, s->number);
		}
	}
	exchange_wake(x);
}

/* True: there is more to send in the next turn. Without credit or room it stops, and goes on when the link has some. */
bool exchange_pump_link(struct proto_exchange *x, struct proto_exchange_link *l, uint64_t now_ms)
{
	const struct proto_delivery *d;
	uint64_t seq;
	size_t n = 0;
	while (l->is_open && n < XFED_CHANNEL_PUMP_MSGS && (d = proto_pump_deliver(x->out, l->peer, l->session, now_ms))) {
		n++;
		if (x->user->taken) {
			l->sent[l->sent_count++ % EXCHANGE_LINK_SENT] = (struct exchange_sent){ d->cookie, d->number };
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
