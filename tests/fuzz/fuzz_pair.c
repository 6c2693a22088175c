/*
 * The edge's way to a partner: every event that a driver may feed in each state, chosen by the input, beside what is known of each
 * stanza from outside. Answers are given late, writes end in every way, streams end over a write, time passes.
 *
 * Properties: each stanza is settled once, and last; delivered is only what was written and taken, refused and withdrawn only what was
 * not, or never left; no message is written twice, nor out of its order; nothing is written but to an open stream that is not full; a
 * lookup is answered before the next one, and addresses are dialled in their order, one at a time; what waits keeps within its bound; what
 * is acknowledged is told; what is written without acknowledgements and received is not lost afterwards; behind a failed attempt nothing begins by itself before its time.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s2s/pair.h"
#include "xfed/limits.h"
#include "xfed/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond) ((cond) ? (void)0 : abort())
#define COUNT	   24
#define PARK_BYTES 200

struct stanza {
	struct pair_item item; /* first */
	bool is_sent, is_ended, is_told;
	bool is_taken;	 /* by the stream that is open: an acknowledgement is to come */
	bool was_taken;	 /* by any */
	bool is_acked;	 /* or written where no acknowledgement comes */
	uint64_t end;	 /* of the stream's bytes, where it was written so; UINT64_MAX: the stream ended over it */
	unsigned writes; /* that the stream did not put off */
};

struct world {
	const uint8_t *at, *end;
	struct pair pair;
	struct pair_facts facts;
	struct xfed_env env;
	struct stanza stanzas[COUNT];
	size_t sent, last_written; /* on a stream: in the order they were sent in */
	size_t held;		   /* sent, and not ended */
	bool is_looking, is_dialling, is_open, is_full, is_writing;
	size_t found, dialled;
	uint64_t bytes, received; /* of the stream; the partner's kernel has so many of them */
	uint64_t not_before_ms;	  /* no attempt begins by itself */
	bool is_needed;		  /* ... but by NEED */
};

static uint8_t byte(struct world *w)
{
	return w->at < w->end ? *w->at++ : 0;
}

static void chance(void *user, void *out, size_t len)
{
	struct world *w = user;
	for (size_t i = 0; i < len; i++) {
		((uint8_t *)out)[i] = byte(w);
	}
}

static enum xfed_reason any_reason(struct world *w)
{
	static const enum xfed_reason reasons[] = { XFED_REASON_NET_STREAM_LOST, XFED_REASON_STREAM_CLOSED_PEER, XFED_REASON_STREAM_CLOSED_IDLE,
		XFED_REASON_SASL_EXTERNAL_REFUSED, XFED_REASON_TLS_HANDSHAKE_FAILED, XFED_REASON_TLS_CERT_EXPIRED,
		XFED_REASON_STREAM_ESTABLISH_TIMEOUT, XFED_REASON_POLICY_PARTNER_UNLISTED };
	return reasons[byte(w) % XFED_ARRAY_LEN(reasons)];
}

static void feed(struct world *w, struct pair_event ev)
{
	if (ev.reason != XFED_REASON_NONE) {
		ev.side = xfed_reason_info(ev.reason)->side;
	}
	pair_step(&w->pair, &ev, &w->facts);
}

static void lose(struct world *w)
{
	w->is_open = w->is_dialling = w->is_full = false;
	for (size_t i = 0; i < w->sent; i++) {
		w->stanzas[i].is_taken = false;
	}
	w->received = byte(w) & 1 ? UINT64_MAX - 1 : w->received;
	for (size_t i = 0; i < w->sent; i++) { /* answers that did not arrive go over the next stream */
		struct stanza *s = &w->stanzas[i];
		s->is_acked = s->is_acked && !(s->item.is_answer && s->end > w->received);
	}
	feed(w, (struct pair_event){ .type = PAIR_LOST, .reason = any_reason(w), .tried_external = byte(w) & 1, .bytes = w->received });
}

/* ---- actions ---- */

static void write_one(struct world *w, struct stanza *s)
{
	static const int results[] = { XFED_OK, XFED_OK, XFED_OK, XFED_ERR_AGAIN, XFED_ERR_TOO_LARGE, XFED_ERR_LIMIT, XFED_ERR_STATE };
	size_t number = 1 + (size_t)(s - w->stanzas);
	MUST(w->is_open && !w->is_full && !w->is_writing && !s->is_ended && !s->is_taken && !s->is_told);
	struct pair_event ev = { .type = PAIR_WROTE, .rc = results[byte(w) % XFED_ARRAY_LEN(results)], .is_counted = byte(w) & 1 };
	MUST(number > w->last_written && (s->writes == 0 || s->item.is_answer));
	w->last_written = ev.rc == XFED_ERR_AGAIN ? w->last_written : number;
	s->writes += ev.rc != XFED_ERR_AGAIN;
	w->is_writing = true;
	w->bytes += 10;
	s->end = UINT64_MAX;
	ev.bytes = w->bytes;
	if (byte(w) % 8 == 0) {
		lose(w); /* over the write */
	}
	w->is_writing = false;
	w->is_full = w->is_open && ev.rc == XFED_ERR_AGAIN;
	s->is_taken = w->is_open && ev.rc == XFED_OK && ev.is_counted;
	s->was_taken = s->was_taken || (ev.rc == XFED_OK && ev.is_counted);
	s->is_acked = ev.rc == XFED_OK && !ev.is_counted;
	s->end = ev.is_counted ? 0 : w->is_open ? ev.bytes : UINT64_MAX;
	feed(w, ev);
}

static void judge(const struct world *w, const struct stanza *s)
{
	switch (s->item.fate) {
	case XFED__FATE__FATE_DELIVERED:
		MUST(s->is_acked || (s->item.owes_error && s->was_taken));
		break;
	case XFED__FATE__FATE_UNCERTAIN:
		MUST((s->was_taken && !s->is_acked) || (s->is_acked && s->end > w->received && (s->item.is_followed || s->end == UINT64_MAX)));
		break;
	case XFED__FATE__FATE_WITHDRAWN:
		MUST(!s->is_taken && (s->item.is_answer || !s->was_taken));
		break;
	default:
		MUST(s->item.fate == XFED__FATE__FATE_REFUSED && s->item.reason != XFED_REASON_NONE);
		MUST(!s->is_taken && !s->is_acked && (s->item.is_answer || !s->was_taken));
		break;
	}
}

static void perform(struct world *w, const struct pair_action *act)
{
	struct stanza *s = (struct stanza *)act->item;
	switch (act->type) {
	case PAIR_LOOK_UP:
		MUST(!w->is_looking && !w->is_dialling && !w->is_open);
		MUST(w->is_needed || w->facts.now_ms >= w->not_before_ms);
		w->is_looking = true;
		w->is_needed = false;
		break;
	case PAIR_DIAL: /* the next one, or the same with another method */
		MUST(!w->is_looking && !w->is_dialling && !w->is_open && act->count < w->found);
		MUST(act->count == w->dialled || act->count + 1 == w->dialled);
		w->dialled = act->count + 1;
		w->is_dialling = true;
		break;
	case PAIR_WRITE:
		write_one(w, s);
		break;
	case PAIR_SETTLE:
		MUST(s->is_sent && !s->is_ended && s->item.is_settled == s->is_told);
		judge(w, s);
		s->is_ended = true;
		w->held--;
		break;
	case PAIR_TELL:
		MUST(!s->is_ended && !s->is_told && s->item.is_settled &&
			(s->is_taken || (s->is_acked && (s->item.is_followed || s->item.is_answer))));
		judge(w, s);
		s->is_told = true;
		break;
	case PAIR_OVER:
		MUST(!w->is_open && !w->is_dialling);
		if (!act->was_open) {
			MUST(act->wait_ms <= PAIR_BACKOFF_MAX_MS && act->reason != XFED_REASON_NONE);
			w->not_before_ms = w->facts.now_ms + act->wait_ms;
		}
		break;
	case PAIR_HANG_UP:
		MUST(w->is_open);
		w->is_open = w->is_full = false;
		break;
	}
}

static void drain(struct world *w)
{
	struct pair_action act;
	for (size_t n = 0; pair_next(&w->pair, &act); n++) {
		MUST(n < 20 * COUNT);
		perform(w, &act);
	}
	MUST(pair_waiting(&w->pair) + w->pair.sent.count == w->held);
}

/* ---- events ---- */

static void send_one(struct world *w)
{
	if (w->sent < COUNT && !w->pair.is_for_questions) {
		struct stanza *s = &w->stanzas[w->sent++];
		uint8_t how = byte(w);
		s->item = (struct pair_item){ .bytes = 10 + how,
			.is_answer = how & 1,
			.is_followed = (how & 3) == 0,
			.deadline_ms = w->facts.now_ms + 1000 * (1 + byte(w) % 64) };
		s->is_sent = true;
		w->held++;
		const struct pair_list before = w->pair.queue;
		feed(w, (struct pair_event){ .type = PAIR_SEND, .item = &s->item });
		MUST(!before.first || before.bytes + s->item.bytes <= PARK_BYTES || w->pair.queue.bytes == before.bytes);
	}
}

static void withdraw(struct world *w)
{
	struct stanza *s = &w->stanzas[byte(w) % COUNT];
	if (s->is_sent && !s->is_ended) {
		feed(w, (struct pair_event){ .type = PAIR_WITHDRAW, .item = &s->item });
	}
}

static void acknowledge(struct world *w)
{
	size_t count = byte(w) % 8, left = count;
	for (struct pair_item *it = w->pair.unacked.first; it && left > 0; it = it->next, left--) {
		((struct stanza *)it)->is_acked = true;
		((struct stanza *)it)->is_taken = false;
	}
	w->is_full = false;
	feed(w, (struct pair_event){ .type = PAIR_ACKED, .count = count });
}

static void receive(struct world *w)
{
	uint64_t bytes = w->received + byte(w);
	w->received = bytes < w->bytes ? bytes : w->bytes;
	feed(w, (struct pair_event){ .type = PAIR_RECEIVED, .bytes = w->received });
}

static void find(struct world *w)
{
	bool is_found = byte(w) & 1;
	w->found = is_found ? byte(w) % 4 : 0;
	w->dialled = 0;
	w->is_looking = false;
	feed(w, (struct pair_event){ .type = PAIR_FOUND, .count = w->found, .reason = is_found ? XFED_REASON_NONE : XFED_REASON_DNS_NAME_MISSING });
}

static void tick(struct world *w)
{
	static const uint32_t spans_ms[] = { 0, 1000, 5000, 30000, 70000, XFED_S2S_ANSWERED_MS };
	w->facts.now_ms += spans_ms[byte(w) % XFED_ARRAY_LEN(spans_ms)];
	feed(w, (struct pair_event){ .type = PAIR_TICK });
	drain(w);
	const struct pair_item *first = w->pair.queue.first;
	MUST(!first || first->deadline_ms > w->facts.now_ms || w->pair.unacked.count > 0 || w->is_open);
}

static void turn(struct world *w)
{
	uint8_t what = byte(w) % 16;
	if (what < 4) {
		send_one(w);
	} else if (what < 6 && w->is_looking) {
		find(w);
	} else if (what < 6 && w->is_dialling && w->pair.state == PAIR_CONNECTING) {
		w->is_dialling = what == 4;
		feed(w, what == 4 ? (struct pair_event){ .type = PAIR_CONNECTED }
				  : (struct pair_event){ .type = PAIR_CONNECT_FAILED, .reason = XFED_REASON_NET_CONNECT_REFUSED });
	} else if (what < 8 && w->pair.state == PAIR_NEGOTIATING) {
		w->is_dialling = false;
		w->is_open = true;
		w->last_written = w->not_before_ms = 0;
		w->received = w->bytes;
		feed(w, (struct pair_event){ .type = PAIR_OPEN });
	} else if (what == 8 && w->pair.state >= PAIR_NEGOTIATING) {
		lose(w);
	} else if (what == 9) {
		withdraw(w);
	} else if (what == 10 && w->is_open && byte(w) & 1) {
		acknowledge(w);
	} else if (what == 10 && w->is_open) {
		receive(w);
	} else if (what == 11 && w->is_open && w->pair.is_for_questions) {
		w->is_needed = byte(w) & 1;
		feed(w, (struct pair_event){ .type = PAIR_DONE, .needs_more = w->is_needed });
	} else if (what == 12) {
		feed(w, (struct pair_event){ .type = PAIR_REFUSE, .reason = XFED_REASON_CHANNEL_DOWN });
	} else if (what == 13) {
		w->not_before_ms = 0;
		feed(w, (struct pair_event){ .type = PAIR_FORGET });
	} else if (what == 14 && w->pair.state == PAIR_IDLE) {
		w->is_needed = true;
		feed(w, (struct pair_event){ .type = PAIR_NEED });
	} else if (what == 15) {
		uint8_t how = byte(w);
		w->facts.is_listed = (how & 3) != 0;
		w->facts.is_leaving = (how & 28) == 0;
		w->facts.methods = how >> 5;
	} else {
		tick(w);
	}
	drain(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .at = data,
		.end = data + size,
		.facts = { .now_ms = 1000000,
			.is_listed = true,
			.why_not = XFED_REASON_POLICY_PARTNER_UNLISTED,
			.methods = 7,
			.park_bytes = PARK_BYTES } };
	struct pair_item *it;
	w.env = (struct xfed_env){ .random = chance, .user = &w };
	w.pair.env = &w.env;
	w.pair.is_for_questions = byte(&w) % 8 == 7;
	while (w.at < w.end) {
		turn(&w);
	}
	while ((it = pair_take_any(&w.pair))) {
		struct stanza *s = (struct stanza *)it;
		MUST(s->is_sent && !s->is_ended);
		s->is_ended = true;
		w.held--;
	}
	MUST(w.held == 0);
	return 0;
}
