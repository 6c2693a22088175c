/*
 * The receiver's memory of deliveries beside a model of it, and the edge's memory of SIP requests behind it: every call in every
 * state, chosen by the input. Runs come, are lost, resumed and ended; deliveries are received once and again, asked about, acknowledged,
 * settled, given up, heard of and forgotten; time passes.
 *
 * Properties: a number of a run is new once, unless its sender gave it up, has heard its outcome, or the run was forgotten; the first
 * outcome stands and is what a duplicate is told; what has no outcome is not forgotten; entries and reserved room together never
 * exceed the table, and no credit is granted without room; a SIP request is written for one waiter only while it is
 * remembered, and its fate stays the same for 64 s.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/inbox.h"
#include "proto/sipmemory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond) ((cond) ? (void)0 : abort())
#define RUNS	   3
#define SEQS	   32
#define TABLE_MAX  24
#define KEYS	   6

enum state { UNKNOWN, NEW, SETTLED, LET_GO };

struct run {
	struct proto_inbox_run *run; /* with a link */
	enum state seqs[SEQS];
	Xfed__Fate fates[SEQS];
};

struct sip {
	bool is_known, is_settled;
	Xfed__Fate fate;
	uint64_t until_ms;
};

struct world {
	const uint8_t *at, *end;
	uint64_t now;
	struct proto_inbox *in;
	struct run runs[RUNS];
	struct proto_sipmemory *sips;
	struct sip sip[KEYS];
};

static uint8_t byte(struct world *w)
{
	return w->at < w->end ? *w->at++ : 0;
}

static struct proto_inbox_run *remembered(struct world *w, size_t i)
{
	char name[] = { 'e', (char)('1' + i), '\0' };
	return proto_inbox_find_run(w->in, xfed_span_str(name), 7 + i);
}

/* What the run has forgotten with its memory may be new again. */
static void forget_gone(struct world *w)
{
	for (size_t i = 0; i < RUNS; i++) {
		if (remembered(w, i)) {
			continue;
		}
		MUST(!w->runs[i].run);
		for (size_t k = 0; k < SEQS; k++) {
			MUST(w->runs[i].seqs[k] != NEW); /* nothing without an outcome is forgotten */
			w->runs[i].seqs[k] = UNKNOWN;
		}
	}
}

static void link_up(struct world *w, size_t i)
{
	char name[] = { 'e', (char)('1' + i), '\0' };
	if (!w->runs[i].run) {
		forget_gone(w);
		w->runs[i].run = proto_inbox_link_up(w->in, xfed_span_str(name), 7 + i, 0, w->now);
		MUST(w->runs[i].run && proto_inbox_link_gone_ms(w->runs[i].run, w->now) == 0 && !proto_inbox_run_has_ended(w->runs[i].run));
	}
}

static void link_lost(struct world *w, size_t i)
{
	if (w->runs[i].run) {
		proto_inbox_link_lost(w->in, w->runs[i].run, w->now);
		w->runs[i].run = NULL;
	}
}

static void receive(struct world *w, size_t i, uint8_t seq)
{
	struct run *r = &w->runs[i];
	enum proto_inbox_verdict v;
	struct proto_inbox_entry *e = NULL;
	if (!r->run || proto_inbox_receive(w->in, r->run, 1 + seq, &v, &e) != XFED_OK) {
		return;
	}
	switch (v) {
	case PROTO_INBOX_FIRST:
		MUST(r->seqs[seq] == UNKNOWN || r->seqs[seq] == LET_GO);
		MUST(e && e->state == PROTO_INBOX_PENDING && e->cookie == 0);
		r->seqs[seq] = NEW;
		e->cookie = 1000 * i + seq + 1;
		break;
	case PROTO_INBOX_DUPLICATE_PENDING:
		MUST(r->seqs[seq] == NEW && e && e->cookie == 1000 * i + seq + 1);
		break;
	case PROTO_INBOX_DUPLICATE_SETTLED:
		MUST(r->seqs[seq] == SETTLED && e && e->outcome && e->outcome->fate == r->fates[seq] && e->outcome->seq == 1U + seq);
		break;
	case PROTO_INBOX_FORGOTTEN:
		MUST(r->seqs[seq] != NEW);
		break;
	}
}

static void settle(struct world *w, size_t i, uint8_t seq, uint8_t how)
{
	struct proto_inbox_run *run = remembered(w, i);
	Xfed__Outcome oc = XFED__OUTCOME__INIT;
	struct proto_inbox_words words = { .kind = XFED__KIND__KIND_MESSAGE, .id = XFED_SPAN("i"), .from = XFED_SPAN("a@b"), .to = XFED_SPAN("c@d") };
	oc.seq = 1 + seq;
	oc.fate = (Xfed__Fate)(1 + how % 5);
	if (!run) {
		return;
	}
	int rc = proto_inbox_settle(w->in, run, &oc, how & 128 ? &words : NULL, w->now);
	MUST((rc == XFED_OK) == (w->runs[i].seqs[seq] == NEW));
	if (rc == XFED_OK) {
		w->runs[i].seqs[seq] = SETTLED;
		w->runs[i].fates[seq] = oc.fate;
	}
}

static void move_on(struct world *w, size_t i, uint8_t seq, uint8_t how)
{
	struct run *r = &w->runs[i];
	struct proto_inbox_run *run = remembered(w, i);
	struct proto_inbox_entry *e = run ? proto_inbox_find(w->in, run, 1 + seq) : NULL;
	MUST(!run || (e != NULL) == (r->seqs[seq] == NEW || (e && r->seqs[seq] == SETTLED)));
	if (!run) {
		return;
	}
	enum proto_inbox_state before = e ? e->state : PROTO_INBOX_SETTLED;
	switch (how % 4) {
	case 0:
		MUST((proto_inbox_asked(w->in, run, 1 + seq) == XFED_OK) == (e && before == PROTO_INBOX_PENDING));
		break;
	case 1:
		MUST((proto_inbox_acked(w->in, run, 1 + seq) == XFED_OK) == (e && before == PROTO_INBOX_ASKED));
		break;
	case 2:
		if (r->seqs[seq] == NEW && proto_inbox_forget(w->in, run, 1 + seq) == XFED_OK) {
			r->seqs[seq] = LET_GO;
		}
		break;
	case 3:
		proto_inbox_heard(w->in, run, 1 + seq);
		MUST(r->seqs[seq] != NEW || proto_inbox_find(w->in, run, 1 + seq));
		r->seqs[seq] = r->seqs[seq] == SETTLED ? LET_GO : r->seqs[seq];
		break;
	}
}

static void grant(struct world *w, size_t i, uint8_t want)
{
	if (w->runs[i].run) {
		size_t room = TABLE_MAX - proto_inbox_count(w->in) - proto_inbox_reserved(w->in);
		uint32_t given = proto_inbox_reserve(w->in, w->runs[i].run, want);
		MUST(given <= want && given <= room);
	}
}

static void pass(struct world *w, uint64_t ms)
{
	w->now += ms;
	proto_inbox_tick(w->in, w->now);
	proto_sipmemory_tick(w->sips, w->now);
	forget_gone(w);
}

/* ---- SIP requests ---- */

static void sip_request(struct world *w, uint8_t what, uint8_t who)
{
	char call_id[] = { 'c', (char)('0' + what % KEYS), '\0' };
	Xfed__SipKey key = XFED__SIP_KEY__INIT;
	struct proto_waiter waiter = { .run = 1 + who % 3, .seq = who / 3 % 4 };
	struct sip *s = &w->sip[what % KEYS];
	enum proto_sip_verdict v;
	struct proto_sip_fate *f;
	struct proto_result result = { .sip_status = 200 };
	key.call_id = call_id;
	key.cseq = 1;
	s->is_known = s->is_known && (!s->is_settled || s->until_ms > w->now);
	s->is_settled = s->is_known && s->is_settled;
	switch (what / KEYS % 4) {
	case 0:
	case 1:
		MUST(proto_sipmemory_claim(w->sips, &key, &waiter, w->now, &v, &f) == XFED_OK);
		MUST((v == PROTO_SIP_FIRST) == !s->is_known && (v == PROTO_SIP_SETTLED) == s->is_settled);
		MUST(f->waiter_count >= 1 && f->waiter_count <= PROTO_SIPMEMORY_WAITERS && (v != PROTO_SIP_SETTLED || f->result.fate == s->fate));
		s->is_known = true;
		break;
	case 2:
		result.fate = (Xfed__Fate)(1 + who % 5);
		if (proto_sipmemory_settle(w->sips, &key, &result, w->now) == XFED_OK) {
			MUST(s->is_known && !s->is_settled);
			*s = (struct sip){ true, true, (Xfed__Fate)(1 + who % 5), w->now + XFED_DELIVERY_SIP_MEMORY_MS };
		}
		break;
	case 3:
		f = proto_sipmemory_find(w->sips, &key);
		MUST(!s->is_known || (f && f->is_settled == s->is_settled));
		break;
	}
	MUST(proto_sipmemory_count(w->sips) <= KEYS);
}

static void run_one(struct world *w)
{
	uint8_t what = byte(w);
	size_t i = what / 16 % RUNS;
	switch (what % 16) {
	case 0:
		link_up(w, i);
		break;
	case 1:
		link_lost(w, i);
		break;
	case 2:
		if (remembered(w, i) && !w->runs[i].run) {
			proto_inbox_end_run(remembered(w, i));
		}
		break;
	case 3:
	case 4:
		grant(w, i, byte(w));
		break;
	case 5:
	case 6:
	case 7:
		receive(w, i, byte(w) % SEQS);
		break;
	case 8:
	case 9: {
		uint8_t seq = byte(w) % SEQS;
		settle(w, i, seq, byte(w));
		break;
	}
	case 10:
	case 11: {
		uint8_t seq = byte(w) % SEQS;
		move_on(w, i, seq, byte(w));
		break;
	}
	case 12:
		if (remembered(w, i)) {
			proto_inbox_lowest(w->in, remembered(w, i), byte(w) % SEQS);
		}
		break;
	case 13:
	case 14: {
		uint8_t which = byte(w);
		sip_request(w, which, byte(w));
		break;
	}
	case 15:
		pass(w, (uint64_t)byte(w) * 500);
		break;
	}
	MUST(proto_inbox_count(w->in) + proto_inbox_reserved(w->in) <= TABLE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	memset(&w, 0, sizeof(w));
	w.at = data;
	w.end = data + size;
	w.now = 1000;
	MUST(proto_inbox_new(TABLE_MAX, &w.in) == XFED_OK && proto_sipmemory_new(KEYS, &w.sips) == XFED_OK);
	while (w.at < w.end) {
		run_one(&w);
	}
	/* Without links and with every outcome, nothing is kept. */
	for (size_t i = 0; i < RUNS; i++) {
		link_lost(&w, i);
		for (uint8_t seq = 0; seq < SEQS; seq++) {
			settle(&w, i, seq, 0);
		}
	}
	pass(&w, 2 * XFED_DELIVERY_OUTCOME_MS);
	MUST(proto_inbox_count(w.in) == 0 && proto_inbox_reserved(w.in) == 0);
	proto_inbox_free(w.in);
	proto_sipmemory_free(w.sips);
	return 0;
}
