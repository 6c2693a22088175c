/*
 * What the sender's table takes can be sent (proto/delivery.md: Permanent and temporary): whatever an outbox accepts goes
 * through a session that has credit and room, with whatever numbers it gets; what it refuses for good is really too large or
 * broken; and what cannot be sent after all ends, and holds up nobody.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ends.h"
#include "proto/outbox_impl.h"
#include "proto/pump.h"
#include "proto/session_impl.h"

#define NOW   1000
#define SEEDS 800
#define SLACK 64 /* around the edge, to both sides */

static uint32_t rnd(uint32_t *s, uint32_t below)
{
	*s = *s * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(*s >> 8) * below >> 24);
}

/* ---- one content ---- */

enum { TYPE, ID, FROM, TO, LANG, OWNER, CORRELATION, CALL_ID, FROM_TAG, REQUEST_URI, TEXTS };

static const size_t most[TEXTS] = { PROTO_WORD_BYTES, PROTO_ID_BYTES, PROTO_ADDRESS_BYTES, PROTO_ADDRESS_BYTES, PROTO_WORD_BYTES, PROTO_NAME_BYTES,
	PROTO_WORD_BYTES, PROTO_ID_BYTES, PROTO_ID_BYTES, PROTO_URI_BYTES };

struct content {
	char text[TEXTS][PROTO_URI_BYTES + 8];
	size_t len[TEXTS];
	struct proto_delivery_new n;
	bool has_bad_text;
};

static char stanza_bytes[XFED_STANZA_BYTES_MAX + 1];

static struct xfed_span span_of(const struct content *c, int i)
{
	return xfed_span_make(c->text[i], c->len[i]);
}

static size_t any_length(uint32_t *s, size_t max)
{
	switch (rnd(s, 8)) {
	case 0:
		return 0;
	case 1:
		return 1;
	case 2:
		return max - 1;
	case 3:
		return rnd(s, (uint32_t)max + 1);
	default:
		return max;
	}
}

/* Now and then one byte too long, or not UTF-8. */
static void fill_text(struct content *c, int i, uint32_t *s)
{
	c->len[i] = any_length(s, most[i]);
	memset(c->text[i], 'a', sizeof(c->text[i]));
	if (rnd(s, 100) == 0) {
		c->len[i] = most[i] + 1;
		c->has_bad_text = true;
	} else if (c->len[i] > 1 && rnd(s, 10) == 0) {
		memcpy(c->text[i], "\xc3\xbc", 2);
	} else if (c->len[i] > 0 && rnd(s, 100) == 0) {
		c->text[i][c->len[i] - 1] = '\xc3';
		c->has_bad_text = true;
	}
}

static uint64_t any_number(uint32_t *s)
{
	uint64_t edge = 1ULL << (7 * (1 + rnd(s, 9)));
	return rnd(s, 4) == 0 ? UINT64_MAX - rnd(s, 2) : edge - 1 + rnd(s, 2);
}

static void fill(struct content *c, uint32_t *s)
{
	memset(c, 0, sizeof(*c));
	bool has_sip = rnd(s, 2);
	for (int i = 0; i < TEXTS; i++) {
		if (i < CALL_ID || has_sip) {
			fill_text(c, i, s);
		}
	}
	c->has_bad_text |= has_sip && c->len[CALL_ID] == 0;
	c->n = (struct proto_delivery_new){
		.kind = (Xfed__Kind)(XFED__KIND__KIND_MESSAGE + rnd(s, XFED__KIND__KIND_ERROR)),
		.replay = PROTO_REPLAY_ANY,
		.type = span_of(c, TYPE),
		.id = span_of(c, ID),
		.from = span_of(c, FROM),
		.to = span_of(c, TO),
		.lang = span_of(c, LANG),
		.owner = span_of(c, OWNER),
		.correlation = span_of(c, CORRELATION),
		.owner_epoch = any_number(s),
		.has_sip = has_sip,
		.call_id = span_of(c, CALL_ID),
		.from_tag = span_of(c, FROM_TAG),
		.request_uri = span_of(c, REQUEST_URI),
		.cseq = (uint32_t)any_number(s),
		.answer_within_ms = (uint32_t)any_number(s),
		.deadline_ms = NOW + 1 + any_number(s) / 2,
		.peer = PROTO_OUTBOX_NO_PEER,
	};
}

/* The largest frame it can become, by a message of our own making: packed, not calculated. Without the stanza, but its field. */
static size_t widest_frame(const struct content *c, size_t stanza_len)
{
	static uint8_t packed[2 * XFED_FRAME_BYTES_MAX];
	char text[TEXTS][PROTO_URI_BYTES + 9];
	Xfed__Frame f = XFED__FRAME__INIT;
	Xfed__Deliver m = XFED__DELIVER__INIT;
	Xfed__SipKey sip = XFED__SIP_KEY__INIT;
	for (int i = 0; i < TEXTS; i++) {
		snprintf(text[i], sizeof(text[i]), "%.*s", (int)c->len[i], c->text[i]);
	}
	m = (Xfed__Deliver){ .base = m.base,
		.seq = UINT64_MAX,
		.kind = c->n.kind,
		.type = text[TYPE],
		.id = text[ID],
		.from = text[FROM],
		.to = text[TO],
		.lang = text[LANG],
		.owner = text[OWNER],
		.correlation = text[CORRELATION],
		.owner_epoch = c->n.owner_epoch,
		.remaining_ms = UINT32_MAX,
		.replay = true,
		.lowest_unsettled = UINT64_MAX,
		.outcomes_heard = UINT64_MAX,
		.answer_within_ms = c->n.answer_within_ms };
	m.stanza.data = (uint8_t *)stanza_bytes;
	m.stanza.len = stanza_len;
	sip.call_id = text[CALL_ID];
	sip.from_tag = text[FROM_TAG];
	sip.request_uri = text[REQUEST_URI];
	sip.cseq = c->n.cseq;
	m.sip = c->n.has_sip ? &sip : NULL;
	f.body_case = XFED__FRAME__BODY_DELIVER;
	f.deliver = &m;
	return xfed__frame__pack(&f, packed);
}

/* So long that the frame comes out near its largest size, or the stanza near its own. */
static size_t near_the_edge(const struct content *c, uint32_t *s)
{
	size_t rest = widest_frame(c, XFED_STANZA_BYTES_MAX) - XFED_STANZA_BYTES_MAX;
	size_t len = XFED_FRAME_BYTES_MAX - rest - SLACK + rnd(s, 2 * SLACK);
	len = rnd(s, 20) == 0 ? rnd(s, 3) : len;
	return len < sizeof(stanza_bytes) ? len : sizeof(stanza_bytes) - rnd(s, 2);
}

static int expected(const struct content *c)
{
	size_t len = c->n.stanza.len;
	if (len > XFED_STANZA_BYTES_MAX) {
		return XFED_ERR_TOO_LARGE;
	}
	if (len == 0 || c->has_bad_text) {
		return XFED_ERR_INVALID;
	}
	return widest_frame(c, len) <= XFED_FRAME_BYTES_MAX ? XFED_OK : XFED_ERR_TOO_LARGE;
}

/* ---- sending it ---- */

static void up(struct ends *e)
{
	ends_up(e);
	proto_session_grant(e->gw, 100, 32 * 1024 * 1024);
	ends_run(e);
	e->edge->pace.window = XFED_CHANNEL_CREDIT_MSGS;
}

/* The other side's reader takes the whole of it, and it is what was added. */
static void read_back(struct proto_session *from, const struct content *c, uint64_t seq)
{
	struct proto_frame_reader r;
	const Xfed__Frame *f;
	bool nomem;
	struct xfed_buf *out = proto_session_output(from);
	proto_frame_reader_init(&r);
	assert_int_equal(proto_frame_feed(&r, xfed_buf_span(out), &nomem), xfed_buf_len(out));
	assert_int_equal(proto_frame_next(&r, &f), PROTO_FRAME_MESSAGE);
	assert_int_equal(f->body_case, XFED__FRAME__BODY_DELIVER);
	assert_true(f->deliver->seq == seq);
	assert_int_equal(f->deliver->stanza.len, c->n.stanza.len);
	assert_true(xfed_span_is(c->n.from, f->deliver->from));
	xfed_buf_consume(out, xfed_buf_len(out));
	proto_frame_reader_deinit(&r);
}

/* Sent, and sent again after the link was lost, when the numbers are what they may be by then. */
static void send_twice(struct proto_outbox *o, const struct content *c, uint64_t seq, uint32_t *s)
{
	struct ends e = { 0 };
	int peer = proto_outbox_peer(o, XFED_SPAN("gw1"));
	up(&e);
	e.edge->outcomes_in = any_number(s);
	proto_outbox_peer_up(o, peer, 1, NOW);
	const struct proto_delivery *d = proto_pump_deliver(o, peer, e.edge, NOW);
	assert_non_null(d);
	read_back(e.edge, c, seq);
	e.edge->outcomes_in = UINT64_MAX;
	proto_outbox_peer_lost(o, peer, NOW);
	proto_outbox_peer_up(o, peer, 1, NOW);
	d = proto_pump_deliver(o, peer, e.edge, NOW + rnd(s, 2));
	assert_non_null(d);
	assert_int_equal(d->sends, 2);
	read_back(e.edge, c, seq);
	assert_null(proto_pump_deliver(o, peer, e.edge, NOW));
	assert_null(proto_outbox_ended(o));
	ends_free(&e);
}

static void what_is_taken_can_be_sent_and_nothing_else_is_refused(void **state)
{
	static struct content c;
	size_t count[3] = { 0 };
	memset(stanza_bytes, 'x', sizeof(stanza_bytes));
	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		uint32_t s = seed;
		struct proto_outbox *o;
		uint64_t seq;
		fill(&c, &s);
		c.n.stanza = xfed_span_make(stanza_bytes, near_the_edge(&c, &s));
		assert_int_equal(proto_outbox_new(NULL, &o), XFED_OK);
		o->next_seq = any_number(&s);
		o->next_seq -= o->next_seq == UINT64_MAX;
		int want = expected(&c), rc = proto_outbox_add(o, &c.n, NOW, &seq);
		if (rc != want) {
			fail_msg("seed %u: %d instead of %d", seed, rc, want);
		}
		if (rc == XFED_OK) {
			assert_true(widest_frame(&c, c.n.stanza.len) < proto_outbox_find(o, seq)->bytes); /* what add() relies on */
			send_twice(o, &c, seq, &s);
		} else {
			assert_int_equal(proto_outbox_count(o), 0);
			assert_int_equal(proto_outbox_bytes(o), 0);
		}
		count[rc == XFED_OK ? 0 : rc == XFED_ERR_TOO_LARGE ? 1 : 2]++;
		proto_outbox_free(o);
	}
	/* The generator is worth something: each of the three comes often. */
	for (int i = 0; i < 3; i++) {
		assert_true(count[i] > SEEDS / 20);
	}
}

/* ---- the pump ---- */

struct lab {
	struct proto_outbox *o;
	struct ends e;
	int peer;
};

static uint64_t add(struct lab *l, uint64_t pair, enum proto_replay replay)
{
	struct proto_delivery_new n = { .kind = XFED__KIND__KIND_MESSAGE,
		.replay = replay,
		.from = XFED_SPAN("a@a.example"),
		.to = XFED_SPAN("b@b.example"),
		.stanza = XFED_SPAN("<message/>"),
		.pair_key = pair,
		.share_key = 1,
		.deadline_ms = NOW + 60000,
		.peer = PROTO_OUTBOX_NO_PEER };
	uint64_t seq;
	assert_int_equal(proto_outbox_add(l->o, &n, NOW, &seq), XFED_OK);
	return seq;
}

static void lab_up(struct lab *l)
{
	assert_int_equal(proto_outbox_new(NULL, &l->o), XFED_OK);
	l->peer = proto_outbox_peer(l->o, XFED_SPAN("gw1"));
	ends_up(&l->e);
	proto_outbox_peer_up(l->o, l->peer, 1, NOW);
}

static void lab_free(struct lab *l)
{
	ends_free(&l->e);
	proto_outbox_free(l->o);
}

static uint64_t pump(struct lab *l)
{
	const struct proto_delivery *d = proto_pump_deliver(l->o, l->peer, l->e.edge, NOW);
	return d ? d->seq : 0;
}

/* What must not happen: it was taken, and the session will never have it. */
static void spoil(struct lab *l, uint64_t seq)
{
	char *from = (char *)(uintptr_t)proto_outbox_find(l->o, seq)->from;
	from[0] = '\xff';
}

static void expect_end(struct lab *l, uint64_t seq, Xfed__Fate fate, enum xfed_reason reason)
{
	struct proto_delivery *d = proto_outbox_ended(l->o);
	assert_non_null(d);
	assert_int_equal(d->seq, seq);
	assert_int_equal(d->fate, fate);
	assert_int_equal(d->reason, reason);
	proto_outbox_done(l->o, d);
}

static void what_cannot_be_sent_ends_and_holds_up_nobody(void **state)
{
	struct lab l = { 0 };
	lab_up(&l);
	proto_session_grant(l.e.gw, 10, 100000);
	ends_run(&l.e);
	spoil(&l, add(&l, 7, PROTO_REPLAY_UNATTEMPTED));
	add(&l, 7, PROTO_REPLAY_UNATTEMPTED); /* behind it in its pair */
	add(&l, 8, PROTO_REPLAY_UNATTEMPTED); /* and beside it */
	spoil(&l, add(&l, 9, PROTO_REPLAY_UNATTEMPTED));
	assert_int_equal(pump(&l) + pump(&l), 2 + 3);
	assert_int_equal(pump(&l), 0);
	expect_end(&l, 1, XFED__FATE__FATE_REFUSED, XFED_REASON_STREAM_INTERNAL);
	expect_end(&l, 4, XFED__FATE__FATE_REFUSED, XFED_REASON_STREAM_INTERNAL);
	assert_null(proto_outbox_ended(l.o));
	assert_int_equal(proto_outbox_count(l.o), 2);
	lab_free(&l);
}

/* Where it went out before, the other side may have done it. */
static void a_repetition_that_cannot_be_sent_is_uncertain(void **state)
{
	struct lab l = { 0 };
	lab_up(&l);
	proto_session_grant(l.e.gw, 10, 100000);
	ends_run(&l.e);
	add(&l, 7, PROTO_REPLAY_SAME_RUN);
	add(&l, 8, PROTO_REPLAY_UNATTEMPTED); /* nobody says that it has begun: then it has not */
	assert_int_equal(pump(&l) + pump(&l), 1 + 2);
	proto_outbox_peer_lost(l.o, l.peer, NOW);
	proto_outbox_peer_up(l.o, l.peer, 1, NOW);
	spoil(&l, 1);
	spoil(&l, 2);
	assert_int_equal(pump(&l), 0);
	expect_end(&l, 1, XFED__FATE__FATE_UNCERTAIN, XFED_REASON_DELIVERY_UNCERTAIN);
	expect_end(&l, 2, XFED__FATE__FATE_REFUSED, XFED_REASON_STREAM_INTERNAL);
	assert_int_equal(proto_outbox_count(l.o), 0);
	lab_free(&l);
}

static long mallocs_left = -1;

static void *failing_malloc(size_t n)
{
	return mallocs_left == 0 || (mallocs_left > 0 && mallocs_left-- == 0) ? NULL : malloc(n);
}

static void *failing_realloc(void *p, size_t n)
{
	return mallocs_left == 0 ? NULL : realloc(p, n);
}

/* A moment without memory ends nothing: everything is still there, and goes when there is some. */
static void memory_is_waited_for(void **state)
{
	static const struct xfed_mem_hooks hooks = { failing_malloc, failing_realloc, free };
	struct lab l = { 0 };
	xfed_mem_set_hooks(&hooks);
	lab_up(&l);
	proto_session_grant(l.e.gw, 100, 1000000);
	ends_run(&l.e);
	for (int i = 0; i < 20; i++) {
		add(&l, 7, PROTO_REPLAY_UNATTEMPTED);
	}
	xfed_buf_trim(&l.e.edge->plain);
	mallocs_left = 0;
	assert_int_equal(pump(&l), 0);
	mallocs_left = -1;
	assert_null(proto_outbox_ended(l.o));
	assert_int_equal(proto_outbox_count(l.o), 20);
	l.e.edge->pace.window = 100;
	for (uint64_t seq = 1; seq <= 20; seq++) {
		assert_int_equal(pump(&l), seq);
	}
	lab_free(&l);
	xfed_mem_set_hooks(NULL);
}

static void credit_room_and_a_link_are_waited_for(void **state)
{
	struct lab l = { 0 };
	lab_up(&l);
	add(&l, 7, PROTO_REPLAY_UNATTEMPTED);
	assert_int_equal(pump(&l), 0); /* no credit */
	proto_session_grant(l.e.gw, 10, 100000);
	ends_run(&l.e);
	/* No room. */
	size_t fill = PROTO_OUTPUT_BULK_BYTES;
	char *at = xfed_buf_reserve(&l.e.edge->plain, fill);
	assert_non_null(at);
	memset(at, 0, fill);
	xfed_buf_commit(&l.e.edge->plain, fill);
	assert_int_equal(pump(&l), 0);
	xfed_buf_consume(&l.e.edge->plain, fill);
	/* The pace. */
	l.e.edge->pace.window = 0;
	assert_int_equal(pump(&l), 0);
	l.e.edge->pace.window = 1;
	assert_null(proto_outbox_ended(l.o));
	assert_int_equal(pump(&l), 1);
	/* The link is going down. */
	add(&l, 8, PROTO_REPLAY_UNATTEMPTED);
	proto_session_step(l.e.edge, &(struct proto_event){ .type = PROTO_EV_CLOSE, .reason = XFED_REASON_CHANNEL_DOWN }, NOW);
	assert_int_equal(pump(&l), 0);
	assert_null(proto_outbox_ended(l.o));
	assert_int_equal(proto_outbox_find(l.o, 2)->state, PROTO_DELIVERY_QUEUED);
	lab_free(&l);
}

/* A message of any kind that is too large is said to be so, and not to come again later. */
static void too_large_is_not_for_later(void **state)
{
	struct ends e = { 0 };
	static char value[PROTO_VALUE_BYTES + 1];
	Xfed__Frame f = XFED__FRAME__INIT;
	Xfed__Reply m = XFED__REPLY__INIT;
	Xfed__Field field = XFED__FIELD__INIT, *fields[PROTO_FIELDS_MAX];
	memset(value, 'v', PROTO_VALUE_BYTES);
	field.name = (char *)"n";
	field.value = value;
	for (int i = 0; i < PROTO_FIELDS_MAX; i++) {
		fields[i] = &field;
	}
	m.status = XFED__STATUS__STATUS_OK;
	m.fields = fields;
	m.n_fields = PROTO_FIELDS_MAX;
	m.json.data = (uint8_t *)stanza_bytes;
	m.json.len = PROTO_JSON_BYTES;
	f.body_case = XFED__FRAME__BODY_REPLY;
	f.reply = &m;
	ends_up(&e);
	assert_int_equal(proto_session_send(e.edge, &f), XFED_ERR_TOO_LARGE);
	m.n_fields = 1;
	assert_int_equal(proto_session_send(e.edge, &f), XFED_OK);
	ends_free(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_taken_can_be_sent_and_nothing_else_is_refused),
		cmocka_unit_test(what_cannot_be_sent_ends_and_holds_up_nobody),
		cmocka_unit_test(a_repetition_that_cannot_be_sent_is_uncertain),
		cmocka_unit_test(credit_room_and_a_link_are_waited_for),
		cmocka_unit_test(memory_is_waited_for),
		cmocka_unit_test(too_large_is_not_for_later),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
