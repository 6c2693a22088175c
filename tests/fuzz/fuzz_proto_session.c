/*
 * An edge's end of the channel as its driver runs it: session, outbox and inbox, against a peer made of the input. The
 * input is a program: links come and go (with the same run or another), frames arrive well-formed or as raw bytes, time
 * passes, deliveries are added and received.
 *
 * Properties: every delivery added ends with exactly one fate, at the latest at its deadline; none that was attempted is
 * ever sent again; no more of our frames are taken than were sent on the link, and none is given back; an outcome counts only for a delivery that its giver has; nothing received is handled twice; the
 * session goes down at most once and its output stays bounded.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/inbox.h"
#include "proto/outbox.h"
#include "proto/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond) ((cond) ? (void)0 : abort())
#define NUMBERS	   256

struct world {
	const uint8_t *at, *end;
	uint64_t now;
	struct proto_session *s;
	bool is_down;
	struct proto_outbox *out;
	int peer;
	struct proto_inbox *in;
	struct proto_inbox_run *run;
	uint64_t nonce;
	uint64_t delivered, taken;	/* frames on this link: sent, and what the peer said of them last */
	uint64_t last;			/* number added */
	uint8_t fates[NUMBERS];		/* per number added */
	uint64_t attempted_by[NUMBERS]; /* the run whose attempt we acknowledged */
	uint64_t sent_to[NUMBERS];
	struct {
		uint64_t nonce, seq;
	} handled[NUMBERS];
	size_t handled_count;
};

static void env_random(void *user, void *out, size_t len)
{
	(void)user;
	memset(out, 7, len);
}
static int64_t env_wall(void *user)
{
	(void)user;
	return 1780000000;
}
static const struct xfed_env env = { NULL, env_random, env_wall, NULL };

static uint8_t byte(struct world *w)
{
	return w->at < w->end ? *w->at++ : 0;
}

/* ---- fates ---- */

static void count_fate(struct world *w, const struct proto_delivery *d)
{
	MUST(d->seq >= 1 && d->seq <= w->last && w->fates[d->seq] == 0);
	w->fates[d->seq] = 1;
}

static void take_ended(struct world *w)
{
	for (struct proto_delivery *d; (d = proto_outbox_ended(w->out));) {
		count_fate(w, d);
		/* What may have happened is not called refused. */
		MUST(!w->attempted_by[d->seq] || d->fate == XFED__FATE__FATE_UNCERTAIN);
		proto_outbox_done(w->out, d);
	}
}

static void take_settled(struct world *w, const Xfed__Settled *settled)
{
	for (size_t i = 0; i < settled->n_outcomes; i++) {
		uint64_t seq = settled->outcomes[i]->seq;
		struct proto_delivery *d = proto_outbox_settled(w->out, w->peer, settled->outcomes[i]);
		if (d) {
			MUST(d->seq == seq && w->sent_to[seq] == w->nonce);
			count_fate(w, d);
			proto_outbox_done(w->out, d);
		}
	}
}

static void take_attempted(struct world *w, const Xfed__Attempted *a)
{
	for (size_t i = 0; i < a->n_seqs; i++) {
		uint64_t seq = a->seqs[i];
		if (!proto_outbox_attempted(w->out, w->peer, seq)) {
			proto_session_attempted_ack(w->s, NULL, 0, &seq, 1);
			continue;
		}
		MUST(seq <= w->last && w->fates[seq] == 0 && w->sent_to[seq] == w->nonce);
		MUST(!w->attempted_by[seq] || w->attempted_by[seq] == w->nonce);
		w->attempted_by[seq] = w->nonce;
		proto_session_attempted_ack(w->s, &seq, 1, NULL, 0);
	}
}

/* ---- receiving ---- */

static void handle_once(struct world *w, uint64_t seq)
{
	for (size_t i = 0; i < w->handled_count; i++) {
		MUST(w->handled[i].nonce != w->nonce || w->handled[i].seq != seq);
	}
	if (w->handled_count < NUMBERS) {
		w->handled[w->handled_count].nonce = w->nonce;
		w->handled[w->handled_count++].seq = seq;
	}
}

static void answer(struct world *w, uint64_t seq)
{
	Xfed__Outcome oc = XFED__OUTCOME__INIT;
	const Xfed__Outcome *list[] = { &oc };
	oc.seq = seq;
	oc.fate = XFED__FATE__FATE_DELIVERED;
	if (w->run && proto_inbox_settle(w->in, w->run, &oc, NULL, w->now) == XFED_OK) {
		proto_session_settled(w->s, list, 1);
	}
}

static void take_deliver(struct world *w, const Xfed__Deliver *d, size_t bytes)
{
	enum proto_inbox_verdict v;
	struct proto_inbox_entry *e;
	MUST(proto_inbox_receive(w->in, w->run, d->seq, &v, &e) == XFED_OK);
	proto_inbox_lowest(w->in, w->run, d->lowest_unsettled);
	if (v == PROTO_INBOX_FIRST) {
		handle_once(w, d->seq);
		if (d->seq % 2) {
			answer(w, d->seq);
		}
	} else if (v == PROTO_INBOX_DUPLICATE_SETTLED && proto_inbox_find(w->in, w->run, d->seq)) {
		const Xfed__Outcome *list[] = { e->outcome };
		proto_session_settled(w->s, list, 1);
	}
	proto_session_grant(w->s, proto_inbox_reserve(w->in, w->run, 1), bytes);
}

/* ---- the driver ---- */

/* A run that was forgotten, 120 s after its link, begins anew. */
static void forget_handled(struct world *w)
{
	for (size_t i = 0; i < w->handled_count; i++) {
		if (w->handled[i].nonce == w->nonce) {
			w->handled[i--] = w->handled[--w->handled_count];
		}
	}
}

static void link_is_up(struct world *w)
{
	const struct proto_peer *p = proto_session_peer(w->s);
	MUST(p && p->boot_nonce != 0 && *p->name);
	w->nonce = p->boot_nonce;
	if (!proto_inbox_find_run(w->in, xfed_span_str(p->name), w->nonce)) {
		forget_handled(w);
	}
	w->peer = proto_outbox_peer(w->out, xfed_span_str(p->name));
	w->run = proto_inbox_link_up(w->in, xfed_span_str(p->name), w->nonce, p->hello->lowest_unsettled, w->now);
	if (w->peer == PROTO_OUTBOX_NO_PEER || !w->run) {
		struct proto_event ev = { .type = PROTO_EV_CLOSE, .reason = XFED_REASON_CHANNEL_DOWN, .text = "full" };
		proto_session_step(w->s, &ev, w->now);
		return;
	}
	proto_outbox_peer_up(w->out, w->peer, w->nonce, w->now);
	proto_session_grant(w->s, proto_inbox_reserve(w->in, w->run, 8), 4096);
}

static void link_is_down(struct world *w)
{
	MUST(!w->is_down);
	w->is_down = true;
	if (w->run) {
		proto_inbox_link_lost(w->in, w->run, w->now);
	}
	if (w->peer != PROTO_OUTBOX_NO_PEER) {
		proto_outbox_peer_lost(w->out, w->peer, w->now);
	}
	w->run = NULL;
	w->peer = PROTO_OUTBOX_NO_PEER;
}

static void take_message(struct world *w, const Xfed__Frame *f, size_t bytes)
{
	if (f->body_case == XFED__FRAME__BODY_DELIVER) {
		take_deliver(w, f->deliver, bytes);
	} else if (f->body_case == XFED__FRAME__BODY_SETTLED) {
		take_settled(w, f->settled);
	} else if (f->body_case == XFED__FRAME__BODY_ATTEMPTED) {
		take_attempted(w, f->attempted);
	} else if (f->body_case == XFED__FRAME__BODY_PING) {
		proto_inbox_lowest(w->in, w->run, f->ping->lowest_unsettled);
	} else {
		MUST(f->body_case != XFED__FRAME__BODY_HELLO && f->body_case != XFED__FRAME__BODY_CLOSE);
	}
}

static void drain(struct world *w)
{
	struct proto_action act;
	while (proto_session_next(w->s, &act)) {
		MUST(!w->is_down);
		if (act.type == PROTO_ACT_UP) {
			link_is_up(w);
		} else if (act.type == PROTO_ACT_DOWN) {
			link_is_down(w);
		} else if (act.type == PROTO_ACT_MESSAGE) {
			take_message(w, act.frame, act.frame_bytes);
		}
	}
	take_ended(w);
	proto_session_flush(w->s, w->now);
	MUST(xfed_buf_len(proto_session_output(w->s)) <= PROTO_OUTPUT_BYTES);
}

static void new_session(struct world *w)
{
	static const char *const allow[] = { "gw1" };
	struct proto_session_config cfg = { .env = &env,
		.role = PROTO_EDGE,
		.allow = allow,
		.allow_count = 1,
		.plaintext_for_tests = true,
		.hello = { .name = XFED_SPAN("edge1"), .boot_nonce = 1, .lowest_unsettled = proto_outbox_lowest_unsettled(w->out) } };
	if (w->s && !w->is_down) {
		struct proto_event ev = { .type = PROTO_EV_EOF };
		proto_session_step(w->s, &ev, w->now);
		drain(w);
		MUST(w->is_down);
	}
	proto_session_free(w->s);
	w->is_down = false;
	w->delivered = w->taken = 0;
	MUST(proto_session_new(&cfg, w->now, &w->s) == XFED_OK);
	drain(w);
}

static void inject(struct world *w, struct xfed_span bytes)
{
	struct proto_event ev = { .type = PROTO_EV_BYTES, .bytes = bytes };
	do {
		MUST(proto_session_step(w->s, &ev, w->now) == XFED_OK && ev.consumed <= ev.bytes.len);
		drain(w);
		ev.bytes.data += ev.consumed;
		ev.bytes.len -= ev.consumed;
	} while (ev.bytes.len > 0 && ev.consumed > 0);
	MUST(ev.bytes.len == 0); /* everything is taken while the driver drains */
}

static void inject_frame(struct world *w, const Xfed__Frame *f)
{
	struct xfed_buf out;
	xfed_buf_init(&out, 1 << 20);
	MUST(proto_frame_write(&out, f) == XFED_OK);
	inject(w, xfed_buf_span(&out));
	xfed_buf_deinit(&out);
}

static void inject_hello(struct world *w)
{
	Xfed__Hello h = XFED__HELLO__INIT;
	Xfed__Frame f = XFED__FRAME__INIT;
	uint8_t b = byte(w);
	char name[4] = { 'g', 'w', (char)('1' + (b >> 6)), '\0' };
	h.version_min = h.version_max = 1;
	h.role = XFED__ROLE__ROLE_GATEWAY;
	h.name = name;
	h.boot_nonce = 1 + b % 3 + 10 * (b >> 6);
	f.body_case = XFED__FRAME__BODY_HELLO;
	f.hello = &h;
	inject_frame(w, &f);
}

static void inject_deliver(struct world *w)
{
	Xfed__Deliver d = XFED__DELIVER__INIT;
	Xfed__Frame f = XFED__FRAME__INIT;
	uint8_t stanza[100] = "<message/>";
	d.seq = 1 + byte(w) % 16;
	d.lowest_unsettled = byte(w) % 16;
	d.kind = XFED__KIND__KIND_MESSAGE;
	d.stanza.data = stanza;
	d.stanza.len = 1 + byte(w) % sizeof(stanza);
	f.body_case = XFED__FRAME__BODY_DELIVER;
	f.deliver = &d;
	inject_frame(w, &f);
}

static void inject_answer(struct world *w)
{
	Xfed__Outcome oc = XFED__OUTCOME__INIT;
	Xfed__Outcome *list[] = { &oc };
	Xfed__Settled settled = XFED__SETTLED__INIT;
	Xfed__Attempted attempted = XFED__ATTEMPTED__INIT;
	Xfed__Frame f = XFED__FRAME__INIT;
	uint64_t seq = byte(w);
	uint8_t what = byte(w);
	if (what % 2) {
		attempted.n_seqs = 1;
		attempted.seqs = &seq;
		f.body_case = XFED__FRAME__BODY_ATTEMPTED;
		f.attempted = &attempted;
	} else {
		oc.seq = seq;
		oc.fate = (Xfed__Fate)(1 + what / 2 % 5);
		settled.n_outcomes = 1;
		settled.outcomes = list;
		f.body_case = XFED__FRAME__BODY_SETTLED;
		f.settled = &settled;
	}
	inject_frame(w, &f);
}

static void inject_credit(struct world *w)
{
	Xfed__Credit c = XFED__CREDIT__INIT;
	Xfed__Frame f = XFED__FRAME__INIT;
	uint8_t b;
	c.messages = byte(w);
	b = byte(w);
	c.bytes = (uint64_t)b * 16;
	c.taken = b % 4 == 3 ? b / 4 : proto_session_taken(w->s);
	f.body_case = XFED__FRAME__BODY_CREDIT;
	f.credit = &c;
	inject_frame(w, &f);
	MUST(proto_session_taken(w->s) >= w->taken && proto_session_taken(w->s) <= w->delivered);
	w->taken = proto_session_taken(w->s);
}

static void add_delivery(struct world *w)
{
	uint8_t b = byte(w);
	struct proto_delivery_new n = { .kind = XFED__KIND__KIND_MESSAGE,
		.replay = PROTO_REPLAY_UNATTEMPTED,
		.stanza = XFED_SPAN("<message/>"),
		.pair_key = b % 4,
		.deadline_ms = w->now + 1000 * (1 + b / 4),
		.peer = PROTO_OUTBOX_NO_PEER };
	if (w->last < NUMBERS - 1) {
		MUST(proto_outbox_add(w->out, &n, w->now, &w->last) == XFED_OK);
	}
}

static void send_all(struct world *w)
{
	for (const struct proto_delivery *d; w->peer != PROTO_OUTBOX_NO_PEER && (d = proto_outbox_next(w->out, w->peer));) {
		Xfed__Deliver m;
		Xfed__SipKey sip;
		MUST(!w->attempted_by[d->seq] && w->fates[d->seq] == 0);
		proto_outbox_message(w->out, d, w->now, &m, &sip);
		if (proto_session_deliver(w->s, &m) != XFED_OK) {
			return;
		}
		w->sent_to[d->seq] = w->nonce;
		w->delivered++;
		proto_outbox_sent(w->out, d, w->peer);
	}
}

static void pass_time(struct world *w, uint64_t ms)
{
	struct proto_event ev = { .type = PROTO_EV_TICK };
	w->now += ms;
	proto_outbox_tick(w->out, w->now);
	proto_inbox_tick(w->in, w->now);
	proto_session_step(w->s, &ev, w->now);
	drain(w);
}

static void raw_bytes(struct world *w)
{
	size_t len = byte(w), left = (size_t)(w->end - w->at);
	len = len < left ? len : left;
	inject(w, xfed_span_make(w->at, len));
	w->at += len;
}

static void run_one(struct world *w)
{
	switch (byte(w) % 10) {
	case 0:
		raw_bytes(w);
		return;
	case 1:
		new_session(w);
		return;
	case 2:
		inject_hello(w);
		return;
	case 3:
		inject_deliver(w);
		return;
	case 4:
		inject_answer(w);
		return;
	case 5:
		inject_credit(w);
		return;
	case 6:
		add_delivery(w);
		return;
	case 7:
		send_all(w);
		return;
	case 8:
		pass_time(w, (uint64_t)byte(w) * 50);
		return;
	case 9:
		answer(w, byte(w) % 16);
		return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .at = data, .end = data + size, .now = 1000, .peer = PROTO_OUTBOX_NO_PEER };
	MUST(proto_outbox_new(NULL, &w.out) == XFED_OK && proto_inbox_new(32, &w.in) == XFED_OK);
	new_session(&w);
	while (w.at < w.end) {
		run_one(&w);
	}
	/* The end of time: whatever is left ends too. */
	pass_time(&w, 65 * 1000);
	for (uint64_t seq = 1; seq <= w.last; seq++) {
		MUST(w.fates[seq] == 1);
	}
	MUST(proto_outbox_count(w.out) == 0);
	proto_session_free(w.s);
	proto_outbox_free(w.out);
	proto_inbox_free(w.in);
	return 0;
}
