/*
 * Two delivery engines joined in memory, an edge's and a gateway's: every event in every state, chosen by the input. Deliveries go both
 * ways, are asked for, settled and withdrawn; links are cut between any two bytes and come back; either process ends and another run
 * of it begins; links open, close and leave; time passes.
 *
 * Properties: what was taken has exactly one outcome, the last of them when its time is over; what may be begun was asked for by
 * this run of the gateway, and is begun once in all; nothing that was given its fate comes again.
 */
#include <stdint.h>

#include "../unit/proto/joined.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond) ((cond) ? (void)0 : abort())
#define SEQS	   64

static struct {
	struct joined j;
	const uint8_t *at, *end;
	bool is_added[2][SEQS], has_outcome[2][SEQS]; /* by the end whose it is, in its present run */
	bool is_begun[SEQS];
	struct proto_from in_hand[2][SEQS]; /* by the end that has it; run 0: none */
} w;

static uint8_t byte(void)
{
	return w.at < w.end ? *w.at++ : 0;
}

static int side(const struct end *e)
{
	return e == &w.j.edge;
}

static void on_wake(void *user)
{
	((struct end *)user)->is_awake = true;
}

static void on_deliver(void *user, struct proto_from from, int peer, const Xfed__Deliver *d)
{
	struct end *e = user;
	MUST(peer >= 0 && from.run > 0);
	if (from.seq < SEQS && d->kind == XFED__KIND__KIND_MESSAGE) {
		w.in_hand[side(e)][from.seq] = from;
		proto_exchange_mark(e->x, from, from.seq);
	}
}

static void on_acked(void *user, struct proto_from from, uint64_t cookie)
{
	struct end *e = user;
	MUST(e->role == PROTO_GATEWAY && cookie == from.seq);
	MUST(!w.is_begun[from.seq]);
	w.is_begun[from.seq] = true;
}

static void on_refused(void *user, struct proto_from from, uint64_t cookie)
{
	struct end *e = user;
	MUST(e->role == PROTO_GATEWAY && cookie == from.seq);
	proto_exchange_forget(e->x, from);
}

static void settle(struct end *e, struct proto_from from, uint8_t how)
{
	Xfed__Outcome oc = XFED__OUTCOME__INIT;
	struct proto_inbox_words words = {
		.kind = XFED__KIND__KIND_MESSAGE, .id = XFED_SPAN("i"), .from = XFED_SPAN("a@p.example"), .to = XFED_SPAN("b@o.example")
	};
	oc.fate = how % 2 ? XFED__FATE__FATE_DELIVERED : XFED__FATE__FATE_REFUSED;
	oc.reason = (char *)(uintptr_t)(how % 2 ? "" : "sip.user.unknown");
	proto_exchange_settle(e->x, from, &oc, how % 4 < 2 ? &words : NULL, w.j.now);
}

static void on_withdrawn(void *user, struct proto_from from, uint64_t cookie)
{
	struct end *e = user;
	MUST(e->role == PROTO_EDGE && cookie == from.seq);
	settle(e, from, 2);
}

static void on_run_ended(void *user, uint64_t run, const char *peer, bool may_take_over)
{
	struct proto_run r;
	(void)may_take_over;
	MUST(proto_exchange_run(((struct end *)user)->x, run, w.j.now, &r) && r.has_ended && strcmp(r.name, peer) == 0);
}

static void on_orphan_told(void *user, struct proto_from from, const char *peer, enum xfed_reason reason, int rc)
{
	(void)user;
	(void)from;
	(void)reason;
	MUST(peer[0] && (rc == XFED_OK || rc == XFED_ERR_NOMEM || rc == XFED_ERR_INVALID));
}

static void on_outcome(void *user, const struct proto_delivery *d, const struct proto_result *r)
{
	const struct end *e = user;
	MUST(r->fate != XFED__FATE__FATE_NONE);
	if (d->seq < SEQS && d->kind == XFED__KIND__KIND_MESSAGE) {
		MUST(w.is_added[side(e)][d->seq] && !w.has_outcome[side(e)][d->seq]);
		w.has_outcome[side(e)][d->seq] = true;
	}
}

static void on_taken(void *user, uint64_t cookie, uint64_t number)
{
	(void)user;
	MUST(cookie == 5 || cookie == 0);
	(void)number;
}

static const struct proto_exchange_user joined_user = {
	.wake = on_wake,
	.deliver = on_deliver,
	.acked = on_acked,
	.refused = on_refused,
	.withdrawn = on_withdrawn,
	.run_ended = on_run_ended,
	.orphan_told = on_orphan_told,
	.taken = on_taken,
	.outcome = on_outcome,
};

static void add(struct end *e)
{
	struct proto_delivery_new n = {
		.kind = XFED__KIND__KIND_MESSAGE,
		.replay = e->role == PROTO_EDGE ? PROTO_REPLAY_UNATTEMPTED : PROTO_REPLAY_SAME_RUN,
		.from = XFED_SPAN("a@p.example"),
		.to = XFED_SPAN("b@o.example"),
		.stanza = XFED_SPAN("<message/>"),
		.pair_key = byte() % 3,
		.deadline_ms = w.j.now + 60000,
		.withdraw_ms = e->role == PROTO_EDGE ? 0 : w.j.now + 10000,
		.peer = PROTO_OUTBOX_NO_PEER,
		.cookie = 5,
	};
	uint64_t seq, next = proto_outbox_count(proto_exchange_outbox(e->x));
	if (next < 32 && proto_exchange_add(e->x, &n, w.j.now, &seq) == XFED_OK && seq < SEQS) {
		w.is_added[side(e)][seq] = true;
	}
}

/* Its process ends: nobody asks for what it had any more. */
static void restart(struct end *e)
{
	static const struct proto_exchange_config cfg = { .inbox_max = 24, .tell_good_ms = 5 };
	joined_cut(&w.j);
	proto_exchange_free(e->x);
	e->nonce++;
	joined_make(e, &cfg);
	memset(w.in_hand[side(e)], 0, sizeof(w.in_hand[0]));
	memset(w.is_added[side(e)], 0, sizeof(w.is_added[0]));
	memset(w.has_outcome[side(e)], 0, sizeof(w.has_outcome[0]));
	if (e->role == PROTO_EDGE) {
		memset(w.is_begun, 0, sizeof(w.is_begun)); /* other deliveries go by these numbers */
		memset(w.in_hand[0], 0, sizeof(w.in_hand[0]));
	}
}

static void pass(uint64_t ms)
{
	w.j.now += ms;
	proto_exchange_tick(w.j.gw.x, w.j.now);
	proto_exchange_tick(w.j.edge.x, w.j.now);
}

static void one(void)
{
	struct end *e = byte() % 2 ? &w.j.edge : &w.j.gw;
	struct proto_from from = w.in_hand[side(e)][byte() % SEQS];
	switch (byte() % 12) {
	case 0:
	case 1:
		add(e);
		break;
	case 2:
		if (from.run > 0 && e->role == PROTO_GATEWAY) {
			proto_exchange_ask(e->x, from);
		}
		break;
	case 3:
		if (from.run > 0) {
			settle(e, from, byte());
		}
		break;
	case 4:
		joined_cut(&w.j);
		break;
	case 5:
		joined_link(&w.j);
		break;
	case 6:
		restart(e);
		break;
	case 7:
		pass(byte() * 100u);
		break;
	case 8:
		if (e->link) {
			proto_exchange_open(e->link, byte() % 2);
		}
		break;
	case 9:
		proto_exchange_withdraw(e->x, e->role == PROTO_GATEWAY && byte() % 2);
		break;
	case 10:
		joined_run(&w.j);
		break;
	default:
		w.j.chunk = byte();
		joined_step(&w.j);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct proto_exchange_config cfg = { .inbox_max = 24, .tell_good_ms = 5 };
	memset(&w, 0, sizeof(w));
	w.at = data;
	w.end = data + (size < 4096 ? size : 4096);
	joined_init(&w.j, &cfg, &cfg);
	joined_link(&w.j);
	while (w.at < w.end) {
		one();
	}
	joined_cut(&w.j);
	pass(60000);
	for (int s = 0; s < 2; s++) {
		for (size_t i = 0; i < SEQS; i++) {
			MUST(w.is_added[s][i] == w.has_outcome[s][i]);
		}
	}
	joined_free(&w.j);
	return 0;
}
