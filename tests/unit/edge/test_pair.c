/*
 * The way to a partner (edge-proxy/s2s/pair.h) as transcripts: what the driver is told to do, line by line. WRITE is answered at once,
 * with what the bench says; everything else is the test's to answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "s2s/pair.h"
#include "xfed/limits.h"
#include "xfed/policy.h"

#define ITEMS 8

struct named {
	struct pair_item it; /* first */
	char name;
};

struct bench {
	struct pair p;
	struct pair_facts f;
	struct named items[ITEMS];
	int rc;		 /* of the next writes */
	bool is_counted; /* stream management runs */
	bool dies;	 /* the stream ends while it is written to */
	struct xfed_env env;
	char log[4096];
	uint64_t bytes; /* written to the stream so far */
};

static void no_chance(void *user, void *out, size_t len)
{
	memset(out, 0, len);
}

static void bench_init(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	b->env.random = no_chance;
	b->p.env = &b->env;
	b->f = (struct pair_facts){
		.now_ms = 1000000, .is_listed = true, .methods = XFED_METHOD_EXTERNAL | XFED_METHOD_DIALBACK_TLS, .park_bytes = 100
	};
	for (size_t i = 0; i < ITEMS; i++) {
		b->items[i].name = (char)('a' + i);
		b->items[i].it.bytes = 40;
		b->items[i].it.deadline_ms = b->f.now_ms + 100000;
	}
}

__attribute__((format(printf, 2, 3))) static void note(struct bench *b, const char *fmt, ...)
{
	size_t len = strlen(b->log);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(b->log + len, sizeof(b->log) - len, fmt, ap);
	va_end(ap);
}

static const char *fate_word(Xfed__Fate fate)
{
	switch (fate) {
	case XFED__FATE__FATE_DELIVERED:
		return "delivered";
	case XFED__FATE__FATE_REFUSED:
		return "refused";
	case XFED__FATE__FATE_UNCERTAIN:
		return "uncertain";
	case XFED__FATE__FATE_WITHDRAWN:
		return "withdrawn";
	default:
		return "?";
	}
}

static void note_item(struct bench *b, const char *word, const struct pair_item *it, bool is_told)
{
	const struct named *n = (const struct named *)it;
	if (is_told) {
		note(b, "%s %c, told before%s\n", word, n->name, it->owes_error && it->fate == XFED__FATE__FATE_UNCERTAIN ? ", lost" : "");
	} else {
		note(b, "%s %c %s%s%s\n", word, n->name, fate_word(it->fate), it->reason ? " " : "", it->reason ? xfed_reason_code(it->reason) : "");
	}
}

static void perform(struct bench *b, const struct pair_action *act);

static void step(struct bench *b, struct pair_event ev)
{
	pair_step(&b->p, &ev, &b->f);
}

static void drain(struct bench *b)
{
	struct pair_action act;
	while (pair_next(&b->p, &act)) {
		perform(b, &act);
	}
}

static void perform(struct bench *b, const struct pair_action *act)
{
	switch (act->type) {
	case PAIR_LOOK_UP:
		note(b, "look up\n");
		break;
	case PAIR_DIAL:
		note(b, "dial %zu\n", act->count);
		break;
	case PAIR_WRITE:
		note(b, "write %c\n", ((const struct named *)act->item)->name);
		if (b->dies) {
			step(b, (struct pair_event){ .type = PAIR_LOST, .reason = XFED_REASON_NET_STREAM_LOST, .side = XFED_SIDE_NETWORK });
		}
		step(b, (struct pair_event){ .type = PAIR_WROTE, .rc = b->rc, .is_counted = b->is_counted, .bytes = b->bytes += 100 });
		break;
	case PAIR_SETTLE:
		note_item(b, "settle", act->item, act->item->is_settled);
		break;
	case PAIR_TELL:
		note_item(b, act->item->owes_error ? "tell, as written," : "tell", act->item, false);
		break;
	case PAIR_OVER:
		if (act->was_open) {
			note(b, "over\n");
		} else {
			note(b, "failed %s, %zu wait, again in %u ms\n", xfed_reason_code(act->reason), act->count, (unsigned)act->wait_ms);
		}
		break;
	case PAIR_HANG_UP:
		note(b, "hang up\n");
		break;
	}
}

static void feed(struct bench *b, struct pair_event ev)
{
	step(b, ev);
	drain(b);
}

/* What was done since the last call. */
static void expect(struct bench *b, const char *lines)
{
	assert_string_equal(b->log, lines);
	b->log[0] = '\0';
}

static void simple(struct bench *b, enum pair_event_type type)
{
	feed(b, (struct pair_event){ .type = type });
}

static void send(struct bench *b, char name)
{
	b->items[name - 'a'].it.is_followed = !b->items[name - 'a'].it.is_answer;
	feed(b, (struct pair_event){ .type = PAIR_SEND, .item = &b->items[name - 'a'].it });
}

static void answer(struct bench *b, char name)
{
	b->items[name - 'a'].it.is_answer = true;
	send(b, name);
}

static void found(struct bench *b, size_t count)
{
	feed(b, (struct pair_event){ .type = PAIR_FOUND, .count = count });
}

static void connect_failed(struct bench *b)
{
	feed(b, (struct pair_event){ .type = PAIR_CONNECT_FAILED, .reason = XFED_REASON_NET_CONNECT_REFUSED, .side = XFED_SIDE_PARTNER });
}

static void lost(struct bench *b, enum xfed_reason reason)
{
	feed(b, (struct pair_event){ .type = PAIR_LOST, .reason = reason, .side = XFED_SIDE_PARTNER, .bytes = UINT64_MAX });
}

static void acked(struct bench *b, size_t count)
{
	feed(b, (struct pair_event){ .type = PAIR_ACKED, .count = count });
}

/* The partner's kernel has acknowledged so much of the stream; each stanza has 100 bytes. */
static void received(struct bench *b, uint64_t bytes)
{
	feed(b, (struct pair_event){ .type = PAIR_RECEIVED, .bytes = bytes });
}

static void tick(struct bench *b, uint64_t later_ms)
{
	b->f.now_ms += later_ms;
	simple(b, PAIR_TICK);
}

/* Ready, with nothing that waits. */
static void open_stream(struct bench *b)
{
	send(b, 'h');
	found(b, 1);
	simple(b, PAIR_CONNECTED);
	b->log[0] = '\0';
	simple(b, PAIR_OPEN);
	if (b->is_counted) {
		acked(b, 1);
		expect(b, "write h\nsettle h delivered\n");
	} else {
		received(b, b->bytes);
		expect(b, "write h\ntell h delivered\nsettle h, told before\n");
	}
}

/* ---- one way ---- */

static void test_a_stanza_opens_the_stream_and_goes_over_it(void **state)
{
	struct bench b;
	bench_init(&b);
	send(&b, 'a');
	expect(&b, "look up\n");
	send(&b, 'b');
	expect(&b, "");
	found(&b, 2);
	expect(&b, "dial 0\n");
	simple(&b, PAIR_CONNECTED);
	expect(&b, "");
	assert_string_equal(pair_state_word(&b.p), "negotiating");
	simple(&b, PAIR_OPEN);
	expect(&b, "write a\ntell a delivered\nwrite b\ntell b delivered\n");
	send(&b, 'c');
	expect(&b, "write c\ntell c delivered\n");
	assert_int_equal(pair_waiting(&b.p), 0);
}

static void test_each_address_is_called_then_everybody_is_told(void **state)
{
	struct bench b;
	bench_init(&b);
	send(&b, 'a');
	found(&b, 2);
	connect_failed(&b);
	expect(&b, "look up\ndial 0\ndial 1\n");
	connect_failed(&b);
	expect(&b, "failed net.connect.refused, 1 wait, again in 1000 ms\nsettle a refused net.connect.refused\n");
}

static void test_a_failed_attempt_makes_the_next_ones_wait(void **state)
{
	struct bench b;
	bench_init(&b);
	unsigned waits[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };
	for (size_t i = 0; i < XFED_ARRAY_LEN(waits); i++) {
		char lines[200];
		send(&b, 'a');
		feed(&b, (struct pair_event){ .type = PAIR_FOUND, .reason = XFED_REASON_DNS_NAME_MISSING, .side = XFED_SIDE_PARTNER });
		snprintf(lines, sizeof(lines), "look up\nfailed dns.name.missing, 1 wait, again in %u ms\nsettle a refused dns.name.missing\n",
			waits[i]);
		expect(&b, lines);
		send(&b, 'b');
		expect(&b, "settle b refused dns.name.missing\n");
		b.f.now_ms += waits[i];
	}
	send(&b, 'a');
	found(&b, 1);
	simple(&b, PAIR_CONNECTED);
	simple(&b, PAIR_OPEN);
	lost(&b, XFED_REASON_NET_STREAM_LOST);
	expect(&b, "look up\ndial 0\nwrite a\ntell a delivered\nover\nsettle a, told before\n");
	send(&b, 'b'); /* a stream that was open forgets the waiting */
	expect(&b, "look up\n");
}

static void test_forgetting_lets_the_next_attempt_begin(void **state)
{
	struct bench b;
	bench_init(&b);
	send(&b, 'a');
	found(&b, 0);
	assert_true(pair_waits(&b.p, b.f.now_ms));
	simple(&b, PAIR_FORGET);
	b.log[0] = '\0';
	send(&b, 'b');
	expect(&b, "look up\n");
}

static void test_who_is_listed_no_more_is_not_called(void **state)
{
	struct bench b;
	bench_init(&b);
	send(&b, 'a');
	answer(&b, 'b');
	b.f.is_listed = false;
	b.f.why_not = XFED_REASON_POLICY_PARTNER_UNLISTED;
	found(&b, 1);
	expect(&b, "look up\nfailed policy.partner.unlisted, 2 wait, again in 1000 ms\n"
		   "settle a refused policy.partner.unlisted\nsettle b refused policy.partner.unlisted\n");
}

/* ---- the next address, the next method ---- */

static void test_a_server_that_does_not_work_has_others_beside_it(void **state)
{
	struct bench b;
	bench_init(&b);
	send(&b, 'a');
	found(&b, 2);
	simple(&b, PAIR_CONNECTED);
	lost(&b, XFED_REASON_STREAM_ESTABLISH_TIMEOUT);
	expect(&b, "look up\ndial 0\ndial 1\n");
	simple(&b, PAIR_CONNECTED);
	lost(&b, XFED_REASON_STREAM_CLOSED_PEER); /* a clean close is none before the login */
	expect(&b, "failed net.stream.lost, 1 wait, again in 1000 ms\nsettle a refused net.stream.lost\n");
}

static void test_a_refusal_is_final(void **state)
{
	struct bench b;
	bench_init(&b);
	send(&b, 'a');
	found(&b, 2);
	simple(&b, PAIR_CONNECTED);
	lost(&b, XFED_REASON_DIALBACK_INVALID);
	expect(&b, "look up\ndial 0\nfailed dialback.invalid, 1 wait, again in 1000 ms\nsettle a refused dialback.invalid\n");
}

static void test_without_external_the_same_address_is_called_again_once(void **state)
{
	struct bench b;
	bench_init(&b);
	send(&b, 'a');
	found(&b, 1);
	simple(&b, PAIR_CONNECTED);
	lost(&b, XFED_REASON_SASL_EXTERNAL_REFUSED);
	expect(&b, "look up\ndial 0\ndial 0\n");
	assert_true(b.p.avoid_external);
	simple(&b, PAIR_CONNECTED);
	lost(&b, XFED_REASON_SASL_EXTERNAL_REFUSED);
	expect(&b, "failed sasl.external.refused, 1 wait, again in 1000 ms\nsettle a refused sasl.external.refused\n");
	b.f.now_ms += 1000;
	send(&b, 'b');
	assert_false(b.p.avoid_external); /* every attempt begins with the best */
}

static void test_a_connection_that_breaks_behind_auth_counts_as_external_refused(void **state)
{
	struct bench b;
	bench_init(&b);
	send(&b, 'a');
	found(&b, 1);
	simple(&b, PAIR_CONNECTED);
	feed(&b, (struct pair_event){ .type = PAIR_LOST, .reason = XFED_REASON_NET_STREAM_LOST, .side = XFED_SIDE_NETWORK, .tried_external = true });
	expect(&b, "look up\ndial 0\ndial 0\n");
}

static void test_without_tls_only_where_policy_allows_it(void **state)
{
	for (int allowed = 0; allowed <= 1; allowed++) {
		struct bench b;
		bench_init(&b);
		b.f.methods |= allowed ? XFED_METHOD_DIALBACK_PLAIN : 0;
		send(&b, 'a');
		found(&b, 1);
		simple(&b, PAIR_CONNECTED);
		lost(&b, XFED_REASON_TLS_HANDSHAKE_FAILED);
		assert_int_equal(b.p.avoid_tls, allowed);
		expect(&b,
			allowed ? "look up\ndial 0\ndial 0\n"
				: "look up\ndial 0\nfailed tls.handshake.failed, 1 wait, again in 1000 ms\nsettle a refused tls.handshake.failed\n");
	}
}

/* ---- writing ---- */

static void test_what_is_acknowledged_is_delivered_in_order(void **state)
{
	struct bench b;
	bench_init(&b);
	b.is_counted = true;
	open_stream(&b);
	send(&b, 'a');
	send(&b, 'b');
	send(&b, 'c');
	expect(&b, "write a\nwrite b\nwrite c\n");
	acked(&b, 2);
	expect(&b, "settle a delivered\nsettle b delivered\n");
	acked(&b, 5);
	expect(&b, "settle c delivered\n");
}

static void test_a_full_stream_takes_more_after_an_acknowledgement(void **state)
{
	struct bench b;
	bench_init(&b);
	b.is_counted = true;
	open_stream(&b);
	send(&b, 'a');
	b.rc = XFED_ERR_AGAIN;
	send(&b, 'b');
	send(&b, 'c');
	expect(&b, "write a\nwrite b\n");
	assert_int_equal(b.p.queue.count, 2);
	b.rc = XFED_OK;
	acked(&b, 1);
	expect(&b, "settle a delivered\nwrite b\nwrite c\n");
}

static void test_what_cannot_be_written_is_refused_for_what_it_is(void **state)
{
	static const struct {
		int rc;
		const char *lines;
	} rows[] = {
		{ XFED_ERR_TOO_LARGE, "write a\nsettle a refused xmpp.size.exceeded\n" },
		{ XFED_ERR_LIMIT, "write a\nsettle a refused stream.output.full\n" },
		{ XFED_ERR_STATE, "write a\nsettle a refused net.stream.lost\n" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct bench b;
		bench_init(&b);
		open_stream(&b);
		b.rc = rows[i].rc;
		send(&b, 'a');
		expect(&b, rows[i].lines);
	}
}

static void test_one_always_fits_and_then_the_bound_holds(void **state)
{
	struct bench b;
	bench_init(&b);
	b.items[0].it.bytes = 1000;
	send(&b, 'a');
	send(&b, 'b');
	expect(&b, "look up\nsettle b refused delivery.queue.full\n");
}

static void test_no_message_is_written_twice_but_an_answer_is(void **state)
{
	struct bench b;
	bench_init(&b);
	b.is_counted = true;
	open_stream(&b);
	answer(&b, 'a');
	send(&b, 'b');
	answer(&b, 'c');
	lost(&b, XFED_REASON_NET_STREAM_LOST);
	expect(&b, "write a\nwrite b\nwrite c\nover\nsettle b uncertain delivery.uncertain\n");
	tick(&b, 1000);
	found(&b, 1);
	simple(&b, PAIR_CONNECTED);
	simple(&b, PAIR_OPEN);
	acked(&b, 2);
	expect(&b, "look up\ndial 0\nwrite a\nwrite c\nsettle a delivered\nsettle c delivered\n");
}

static void test_without_acknowledgements_what_the_partner_did_not_receive_is_told_later(void **state)
{
	struct bench b;
	bench_init(&b);
	open_stream(&b);
	send(&b, 'a');
	send(&b, 'b');
	answer(&b, 'c');
	send(&b, 'd');
	expect(&b, "write a\ntell a delivered\nwrite b\ntell b delivered\nwrite c\nwrite d\ntell d delivered\n");
	assert_int_equal(pair_waiting(&b.p), 0); /* nothing waits for that: streams close as they would */
	received(&b, 299);			 /* h and a are there, and not the whole of b */
	expect(&b, "settle a, told before\n");
	feed(&b, (struct pair_event){ .type = PAIR_LOST, .reason = XFED_REASON_NET_STREAM_SILENT, .side = XFED_SIDE_NETWORK, .bytes = 300 });
	expect(&b, "over\nsettle b, told before\nsettle d, told before, lost\n");
	assert_int_equal(b.p.sent.count, 0);
	assert_int_equal(pair_waiting(&b.p), 1); /* the answer goes over the next stream */
}

/* One that only has the stream opened, say: nobody could be told, and its driver has no memory of anybody. */
static void test_what_nobody_waits_for_is_not_told_later(void **state)
{
	struct bench b;
	bench_init(&b);
	open_stream(&b);
	feed(&b, (struct pair_event){ .type = PAIR_SEND, .item = &b.items[0].it });
	expect(&b, "write a\nsettle a delivered\n");
	feed(&b, (struct pair_event){ .type = PAIR_LOST, .reason = XFED_REASON_NET_STREAM_LOST, .side = XFED_SIDE_NETWORK });
	expect(&b, "over\n");
}

static void test_a_stream_that_ends_while_it_is_written_to_without_acknowledgements(void **state)
{
	struct bench b;
	bench_init(&b);
	open_stream(&b);
	b.dies = true;
	send(&b, 'a');
	expect(&b, "write a\nover\nsettle a uncertain delivery.uncertain\n");
}

static void test_a_stream_that_ends_while_it_is_written_to_loses_what_was_written(void **state)
{
	struct bench b;
	bench_init(&b);
	b.is_counted = true;
	open_stream(&b);
	b.dies = true;
	send(&b, 'a');
	expect(&b, "write a\nover\nsettle a uncertain delivery.uncertain\n");
	assert_int_equal(pair_waiting(&b.p), 0);
}

/* What is written again is what was lost before it, in the order it was sent in. */
static void test_a_stream_that_ends_while_it_is_written_to_changes_no_order(void **state)
{
	static const int results[] = { XFED_OK, XFED_ERR_AGAIN };
	for (size_t i = 0; i < XFED_ARRAY_LEN(results); i++) {
		struct bench b;
		bench_init(&b);
		b.is_counted = true;
		open_stream(&b);
		answer(&b, 'a');
		answer(&b, 'b');
		b.dies = true;
		b.rc = results[i];
		answer(&b, 'c');
		expect(&b, "write a\nwrite b\nwrite c\nover\n");
		b.dies = false;
		b.rc = XFED_OK;
		tick(&b, 1000);
		found(&b, 1);
		simple(&b, PAIR_CONNECTED);
		simple(&b, PAIR_OPEN);
		expect(&b, "look up\ndial 0\nwrite a\nwrite b\nwrite c\n");
	}
}

/* ---- answers ---- */

static void test_answers_wait_for_the_next_attempt_until_their_deadline(void **state)
{
	struct bench b;
	bench_init(&b);
	answer(&b, 'a');
	send(&b, 'b');
	found(&b, 1);
	connect_failed(&b);
	expect(&b, "look up\ndial 0\nfailed net.connect.refused, 2 wait, again in 1000 ms\nsettle b refused net.connect.refused\n");
	tick(&b, 999);
	expect(&b, "");
	tick(&b, 1);
	expect(&b, "look up\n");
	tick(&b, 100000);
	expect(&b, "settle a refused dns.timeout\n");
}

static void test_going_out_of_service_nothing_waits(void **state)
{
	struct bench b;
	bench_init(&b);
	b.f.is_leaving = true;
	answer(&b, 'a');
	found(&b, 1);
	connect_failed(&b);
	expect(&b, "look up\ndial 0\nfailed net.connect.refused, 1 wait, again in 1000 ms\nsettle a refused net.connect.refused\n");
}

static void test_answers_alone_keep_no_stream_open(void **state)
{
	struct bench b;
	bench_init(&b);
	answer(&b, 'a');
	found(&b, 1);
	simple(&b, PAIR_CONNECTED);
	simple(&b, PAIR_OPEN);
	expect(&b, "look up\ndial 0\nwrite a\n");
	tick(&b, XFED_S2S_ANSWERED_MS - 1);
	expect(&b, "");
	tick(&b, 1);
	expect(&b, ""); /* not before it is known to be there */
	received(&b, 1000);
	tick(&b, 1);
	expect(&b, "settle a delivered\nhang up\n");
	send(&b, 'b'); /* needs another one at once */
	expect(&b, "look up\n");
	found(&b, 1);
	simple(&b, PAIR_CONNECTED);
	simple(&b, PAIR_OPEN);
	tick(&b, XFED_S2S_ANSWERED_MS * 2);
	expect(&b, "dial 0\nwrite b\ntell b delivered\n"); /* a user's stanza went over it */
}

/* ---- deadlines and withdrawals ---- */

static void test_a_partner_that_does_not_acknowledge_holds_up_nobodys_answer(void **state)
{
	struct bench b;
	bench_init(&b);
	b.is_counted = true;
	open_stream(&b);
	send(&b, 'a');
	send(&b, 'b');
	b.items[1].it.deadline_ms += 50000;
	tick(&b, 100000);
	expect(&b, "write a\nwrite b\ntell a uncertain delivery.uncertain\n");
	tick(&b, 1000);
	expect(&b, "");
	acked(&b, 2); /* the order counts: `a` has kept its place */
	expect(&b, "settle a, told before\nsettle b delivered\n");
}

static void test_what_is_taken_back_is_told_by_what_it_waited_on(void **state)
{
	struct bench b;
	bench_init(&b);
	for (int i = 0; i < 4; i++) {
		send(&b, (char)('a' + i));
		b.f.park_bytes = 1000;
	}
	feed(&b, (struct pair_event){ .type = PAIR_WITHDRAW, .item = &b.items[0].it });
	found(&b, 1);
	feed(&b, (struct pair_event){ .type = PAIR_WITHDRAW, .item = &b.items[1].it });
	simple(&b, PAIR_CONNECTED);
	feed(&b, (struct pair_event){ .type = PAIR_WITHDRAW, .item = &b.items[2].it });
	expect(&b, "look up\nsettle a withdrawn dns.timeout\ndial 0\nsettle b withdrawn net.connect.timeout\n"
		   "settle c withdrawn stream.establish.timeout\n");
	b.rc = XFED_ERR_AGAIN;
	simple(&b, PAIR_OPEN);
	feed(&b, (struct pair_event){ .type = PAIR_WITHDRAW, .item = &b.items[3].it });
	expect(&b, "write d\nsettle d withdrawn stream.sm.unanswered\n");
}

static void test_what_is_written_is_told_so_and_an_error_follows_if_it_is_lost(void **state)
{
	struct bench b;
	bench_init(&b);
	b.is_counted = true;
	open_stream(&b);
	send(&b, 'a');
	send(&b, 'b');
	feed(&b, (struct pair_event){ .type = PAIR_WITHDRAW, .item = &b.items[0].it });
	feed(&b, (struct pair_event){ .type = PAIR_WITHDRAW, .item = &b.items[0].it });
	feed(&b, (struct pair_event){ .type = PAIR_WITHDRAW, .item = &b.items[1].it });
	expect(&b, "write a\nwrite b\ntell, as written, a delivered\ntell, as written, b delivered\n");
	acked(&b, 1);
	expect(&b, "settle a, told before\n");
	lost(&b, XFED_REASON_NET_STREAM_LOST);
	expect(&b, "over\nsettle b, told before, lost\n");
}

static void test_what_waits_is_refused_when_policy_says_so(void **state)
{
	struct bench b;
	bench_init(&b);
	send(&b, 'a');
	answer(&b, 'b');
	feed(&b, (struct pair_event){ .type = PAIR_REFUSE, .reason = XFED_REASON_POLICY_PARTNER_UNLISTED });
	expect(&b, "look up\nsettle a refused policy.partner.unlisted\nsettle b refused policy.partner.unlisted\n");
}

/* ---- a stream for questions ---- */

static void test_a_stream_for_questions_is_opened_and_hung_up(void **state)
{
	struct bench b;
	bench_init(&b);
	b.p.is_for_questions = true;
	simple(&b, PAIR_NEED);
	simple(&b, PAIR_NEED);
	expect(&b, "look up\n");
	found(&b, 1);
	simple(&b, PAIR_CONNECTED);
	simple(&b, PAIR_OPEN);
	tick(&b, XFED_S2S_ANSWERED_MS * 2);
	expect(&b, "dial 0\n");
	feed(&b, (struct pair_event){ .type = PAIR_DONE, .needs_more = true });
	expect(&b, "hang up\nlook up\n");
	found(&b, 1);
	simple(&b, PAIR_CONNECTED);
	simple(&b, PAIR_OPEN);
	simple(&b, PAIR_DONE);
	expect(&b, "dial 0\nhang up\n");
	assert_int_equal(b.p.state, PAIR_IDLE);
}

/* ---- the end ---- */

static void test_a_pair_is_forgotten_when_its_waiting_is_long_over(void **state)
{
	struct bench b;
	bench_init(&b);
	send(&b, 'a');
	assert_false(pair_is_forgettable(&b.p, UINT64_MAX));
	found(&b, 0);
	assert_false(pair_is_forgettable(&b.p, b.f.now_ms + 1000));
	assert_true(pair_is_forgettable(&b.p, b.f.now_ms + 1000 + PAIR_BACKOFF_MAX_MS));
}

static void test_at_the_end_every_item_comes_back_once(void **state)
{
	struct bench b;
	bench_init(&b);
	b.is_counted = true;
	open_stream(&b);
	send(&b, 'a');
	b.rc = XFED_ERR_AGAIN;
	send(&b, 'b');
	unsigned seen = 0;
	struct pair_item *it;
	while ((it = pair_take_any(&b.p))) {
		seen += 1u << (((struct named *)it)->name - 'a');
	}
	assert_int_equal(seen, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_stanza_opens_the_stream_and_goes_over_it),
		cmocka_unit_test(test_each_address_is_called_then_everybody_is_told),
		cmocka_unit_test(test_a_failed_attempt_makes_the_next_ones_wait),
		cmocka_unit_test(test_forgetting_lets_the_next_attempt_begin),
		cmocka_unit_test(test_who_is_listed_no_more_is_not_called),
		cmocka_unit_test(test_a_server_that_does_not_work_has_others_beside_it),
		cmocka_unit_test(test_a_refusal_is_final),
		cmocka_unit_test(test_without_external_the_same_address_is_called_again_once),
		cmocka_unit_test(test_a_connection_that_breaks_behind_auth_counts_as_external_refused),
		cmocka_unit_test(test_without_tls_only_where_policy_allows_it),
		cmocka_unit_test(test_what_is_acknowledged_is_delivered_in_order),
		cmocka_unit_test(test_a_full_stream_takes_more_after_an_acknowledgement),
		cmocka_unit_test(test_what_cannot_be_written_is_refused_for_what_it_is),
		cmocka_unit_test(test_one_always_fits_and_then_the_bound_holds),
		cmocka_unit_test(test_no_message_is_written_twice_but_an_answer_is),
		cmocka_unit_test(test_without_acknowledgements_what_the_partner_did_not_receive_is_told_later),
		cmocka_unit_test(test_what_nobody_waits_for_is_not_told_later),
		cmocka_unit_test(test_a_stream_that_ends_while_it_is_written_to_without_acknowledgements),
		cmocka_unit_test(test_a_stream_that_ends_while_it_is_written_to_loses_what_was_written),
		cmocka_unit_test(test_a_stream_that_ends_while_it_is_written_to_changes_no_order),
		cmocka_unit_test(test_answers_wait_for_the_next_attempt_until_their_deadline),
		cmocka_unit_test(test_going_out_of_service_nothing_waits),
		cmocka_unit_test(test_answers_alone_keep_no_stream_open),
		cmocka_unit_test(test_a_partner_that_does_not_acknowledge_holds_up_nobodys_answer),
		cmocka_unit_test(test_what_is_taken_back_is_told_by_what_it_waited_on),
		cmocka_unit_test(test_what_is_written_is_told_so_and_an_error_follows_if_it_is_lost),
		cmocka_unit_test(test_what_waits_is_refused_when_policy_says_so),
		cmocka_unit_test(test_a_stream_for_questions_is_opened_and_hung_up),
		cmocka_unit_test(test_a_pair_is_forgotten_when_its_waiting_is_long_over),
		cmocka_unit_test(test_at_the_end_every_item_comes_back_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
