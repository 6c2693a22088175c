/*
 * The table of deliveries beside a model of it: every call in every state, chosen by the input. Three peers come, go, and come
 * back as the same run or another; deliveries of each replay rule, of pairs and shares, bound to a peer or not, are added, sent,
 * attempted, withdrawn, settled by whoever says so, and time passes.
 *
 * Properties (proto/delivery.md): every delivery ends with exactly one fate, at the latest at its deadline; what may have
 * been attempted is never sent again by us and ends as delivered by report or as uncertain, never as refused; one taken back is not
 * sent afterwards; the order of a pair holds, and it is in flight at one peer only; an outcome counts only from the run
 * that has the delivery; neither number nor bytes exceed their caps; the mark is the oldest without a fate.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/outbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond) ((cond) ? (void)0 : abort())
#define PEERS	   3
#define NUMBERS	   512
#define TABLE_MAX  40
#define BYTES_MAX  ((size_t)64 * 1024)

struct model {
	bool was_attempted, is_over, was_withdrawn, is_sent;
	int peer; /* is_sent */
	uint64_t nonce, pair, deadline_ms, not_before_ms;
	enum proto_replay replay;
	int pinned; /* PROTO_OUTBOX_NO_PEER: no */
};

struct world {
	const uint8_t *at, *end;
	uint64_t now, last, fates;
	struct proto_outbox *o;
	int peers[PEERS];
	bool is_up[PEERS];
	uint64_t nonces[PEERS];
	struct model m[NUMBERS];
};

static uint8_t byte(struct world *w)
{
	return w->at < w->end ? *w->at++ : 0;
}

static void end(struct world *w, struct proto_delivery *d)
{
	MUST(d->seq >= 1 && d->seq <= w->last && !w->m[d->seq].is_over);
	MUST(d->state == PROTO_DELIVERY_DONE);
	w->m[d->seq].is_over = true;
	w->fates++;
	proto_outbox_done(w->o, d);
}

static void take_ended(struct world *w)
{
	for (struct proto_delivery *d; (d = proto_outbox_ended(w->o));) {
		const struct model *m = &w->m[d->seq];
		MUST(d->fate != XFED__FATE__FATE_NONE && d->fate != XFED__FATE__FATE_DELIVERED);
		/* What may have happened is not called refused, nor taken back; what may happen twice or not at all has rules of its own. */
		MUST(!m->was_attempted || d->fate == XFED__FATE__FATE_UNCERTAIN || m->replay == PROTO_REPLAY_NEVER || m->replay == PROTO_REPLAY_ANY);
		MUST(m->was_withdrawn || d->fate != XFED__FATE__FATE_WITHDRAWN);
		MUST((d->fate == XFED__FATE__FATE_DROPPED) == (d->rule != NULL));
		end(w, d);
	}
}

/* ---- events ---- */

static void add(struct world *w)
{
	static char stanza[4096];
	uint8_t how = byte(w), who = byte(w), time = byte(w);
	struct proto_delivery_new n = { .kind = XFED__KIND__KIND_MESSAGE,
		.replay = (enum proto_replay)(how % 4),
		.stanza = xfed_span_make(memset(stanza, 'x', sizeof(stanza)), how & 64 ? sizeof(stanza) : 40),
		.pair_key = who % 5,
		.share_key = who / 5 % 4,
		.deadline_ms = w->now + 1 + 250 * (uint64_t)time,
		.not_before_ms = who & 128 ? w->now + 20 * (uint64_t)time : 0,
		.withdraw_ms = how & 128 ? w->now + 100 * (uint64_t)time : 0,
		.peer = how & 16 ? w->peers[who % PEERS] : PROTO_OUTBOX_NO_PEER,
		.pinned = (how & 48) == 48 };
	uint64_t seq;
	if (w->last == NUMBERS - 1) {
		return;
	}
	size_t before = proto_outbox_count(w->o);
	if (proto_outbox_add(w->o, &n, w->now, &seq) != XFED_OK) {
		MUST(proto_outbox_count(w->o) == before);
		return;
	}
	MUST(seq == w->last + 1);
	w->last = seq;
	w->m[seq] = (struct model){ .peer = PROTO_OUTBOX_NO_PEER,
		.pair = n.pair_key,
		.deadline_ms = n.deadline_ms,
		.not_before_ms = n.not_before_ms,
		.replay = n.replay,
		.pinned = n.pinned ? n.peer : PROTO_OUTBOX_NO_PEER,
		.was_withdrawn = n.withdraw_ms != 0 };
}

/* Older ones of its pair are over or in flight at the same peer. */
static void check_order(struct world *w, uint64_t seq, int peer)
{
	for (uint64_t i = 1; w->m[seq].pair != 0 && i < seq; i++) {
		const struct proto_delivery *d = w->m[i].pair == w->m[seq].pair && !w->m[i].is_over ? proto_outbox_find(w->o, i) : NULL;
		MUST(!d || d->state == PROTO_DELIVERY_DONE || (d->state != PROTO_DELIVERY_QUEUED && d->peer == peer) ||
			d->state == PROTO_DELIVERY_WITHDRAWING);
	}
}

static void send(struct world *w, size_t i, unsigned most)
{
	for (const struct proto_delivery *d; w->is_up[i] && most > 0 && (d = proto_outbox_next(w->o, w->peers[i])); most--) {
		struct model *m = &w->m[d->seq];
		Xfed__Deliver msg;
		Xfed__SipKey sip;
		MUST(!m->is_over && !m->was_attempted && d->state == PROTO_DELIVERY_QUEUED);
		MUST(m->is_sent || m->not_before_ms <= w->now);
		MUST(m->pinned == PROTO_OUTBOX_NO_PEER || m->pinned == w->peers[i]);
		MUST(proto_outbox_next(w->o, w->peers[i]) == d);
		/* Sent twice only to the run that had it, or where rules allow any. */
		MUST(!m->is_sent || m->nonce == w->nonces[i] || m->replay == PROTO_REPLAY_UNATTEMPTED || m->replay == PROTO_REPLAY_ANY);
		MUST(!m->is_sent || m->replay != PROTO_REPLAY_NEVER);
		check_order(w, d->seq, w->peers[i]);
		proto_outbox_message(w->o, d, w->now, &msg, &sip);
		MUST(msg.seq == d->seq && msg.replay == (d->sends > 0));
		m->is_sent = true;
		m->peer = w->peers[i];
		m->nonce = w->nonces[i];
		proto_outbox_sent(w->o, d, w->peers[i]);
	}
}

static void attempt(struct world *w, size_t i, uint64_t seq)
{
	if (!w->is_up[i] || !proto_outbox_attempted(w->o, w->peers[i], seq)) {
		return;
	}
	MUST(seq >= 1 && seq <= w->last && !w->m[seq].is_over && w->m[seq].is_sent);
	MUST(w->m[seq].peer == w->peers[i] && w->m[seq].nonce == w->nonces[i]);
	w->m[seq].was_attempted = true;
}

static void settle(struct world *w, size_t i, uint64_t seq, uint8_t how)
{
	Xfed__Outcome oc = XFED__OUTCOME__INIT;
	oc.seq = seq;
	oc.fate = (Xfed__Fate)(1 + how % 5);
	struct proto_delivery *d = w->is_up[i] ? proto_outbox_settled(w->o, w->peers[i], &oc) : NULL;
	if (d) {
		MUST(d->seq == seq && w->m[seq].is_sent && w->m[seq].peer == w->peers[i] && w->m[seq].nonce == w->nonces[i]);
		end(w, d);
	}
}

static void withdraw(struct world *w, uint64_t seq)
{
	bool is_there = seq >= 1 && seq <= w->last && !w->m[seq].is_over;
	int rc = proto_outbox_withdraw(w->o, seq);
	MUST(rc == (is_there ? XFED_OK : XFED_ERR_NOT_FOUND) || is_there);
	if (is_there && rc == XFED_OK) {
		w->m[seq].was_withdrawn = true;
	}
}

static void send_withdrawals(struct world *w, size_t i)
{
	uint64_t seq;
	unsigned count = 0;
	while (w->is_up[i] && proto_outbox_next_withdraw(w->o, w->peers[i], &seq)) {
		MUST(seq >= 1 && seq <= w->last && !w->m[seq].is_over && w->m[seq].was_withdrawn);
		MUST(w->m[seq].peer == w->peers[i] && w->m[seq].nonce == w->nonces[i]);
		MUST(++count <= TABLE_MAX);
	}
}

static void link_up(struct world *w, size_t i, uint64_t nonce)
{
	if (!w->is_up[i]) {
		w->is_up[i] = true;
		w->nonces[i] = nonce;
		proto_outbox_peer_up(w->o, w->peers[i], nonce, w->now);
	}
}

static void link_lost(struct world *w, size_t i)
{
	if (w->is_up[i]) {
		w->is_up[i] = false;
		proto_outbox_peer_lost(w->o, w->peers[i], w->now);
	}
}

static void pass(struct world *w, uint64_t ms)
{
	w->now += ms;
	proto_outbox_tick(w->o, w->now);
	take_ended(w);
	MUST(proto_outbox_unaccounted(w->o, w->now) == 0);
	for (uint64_t i = 1; i <= w->last; i++) {
		MUST(w->m[i].is_over || w->m[i].deadline_ms >= w->now);
	}
	MUST(proto_outbox_deadline(w->o) > w->now);
}

static void check(const struct world *w)
{
	uint64_t lowest = w->last + 1;
	for (uint64_t i = w->last; i >= 1; i--) {
		lowest = w->m[i].is_over ? lowest : i;
	}
	MUST(proto_outbox_lowest_unsettled(w->o) == lowest);
	MUST(proto_outbox_count(w->o) == w->last - w->fates);
	MUST(proto_outbox_count(w->o) <= TABLE_MAX && proto_outbox_bytes(w->o) <= BYTES_MAX);
	MUST(proto_outbox_count(w->o) > 0 || proto_outbox_bytes(w->o) == 0);
}

static void run_one(struct world *w)
{
	uint8_t what = byte(w);
	size_t i = what / 16 % PEERS;
	switch (what % 16) {
	case 0:
	case 1:
	case 2:
		add(w);
		break;
	case 3:
	case 4:
		send(w, i, UINT16_MAX);
		break;
	case 5:
		send(w, i, 1);
		break;
	case 6:
		attempt(w, i, byte(w));
		break;
	case 7:
		attempt(w, i, w->last > 0 ? 1 + byte(w) % w->last : 0);
		break;
	case 8:
	case 9: {
		uint8_t n = byte(w);
		settle(w, i, w->last > 0 ? 1 + n % w->last : n, byte(w));
		break;
	}
	case 10:
		withdraw(w, byte(w));
		break;
	case 11:
		send_withdrawals(w, i);
		break;
	case 12:
		link_up(w, i, 1 + 10 * i + byte(w) % 3);
		break;
	case 13:
		link_lost(w, i);
		break;
	case 14:
		pass(w, (uint64_t)byte(w) * 100);
		break;
	case 15:
		if (byte(w) == 255) {
			proto_outbox_give_up(w->o);
			take_ended(w);
			MUST(proto_outbox_count(w->o) == 0);
		}
		break;
	}
	take_ended(w);
	check(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	static const char *const names[PEERS] = { "gw1", "gw2", "gw3" };
	const struct proto_outbox_config cfg = { .max_deliveries = TABLE_MAX, .max_bytes = BYTES_MAX };
	memset(&w, 0, sizeof(w));
	w.at = data;
	w.end = data + size;
	w.now = 1000;
	MUST(proto_outbox_new(&cfg, &w.o) == XFED_OK);
	for (size_t i = 0; i < PEERS; i++) {
		w.peers[i] = proto_outbox_peer(w.o, xfed_span_str(names[i]));
		MUST(w.peers[i] != PROTO_OUTBOX_NO_PEER && proto_outbox_peer(w.o, xfed_span_str(names[i])) == w.peers[i]);
	}
	while (w.at < w.end) {
		run_one(&w);
	}
	pass(&w, 65 * 1000); /* the end of time: whatever is left ends too */
	MUST(w.fates == w.last && proto_outbox_count(w.o) == 0 && proto_outbox_bytes(w.o) == 0);
	proto_outbox_free(w.o);
	return 0;
}
