/*
 * When an attempt towards SIP begins, and what its end means for those behind it (proto/delivery.md: Attempts 1, 3 and 4,
 * Time, Order). Transcripts: events go into im/attempts, and what it wants done is compared word by word.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "im/attempts.h"
#include "xfed/limits.h"
#include "xfed/mem.h"

#define COUNT	 16
#define DEADLINE 60000

static uint64_t now;
static struct attempts *attempts;
static struct attempt *of[COUNT]; /* NULL: not taken yet, or ended */
static struct sip_failover *places_of[COUNT];
static struct sip_failed_places failed;
static char transcript[2048];

/* The run of the edge that all come from. */
#define RUN   7
#define OTHER 8 /* that of another edge, which is always there */
static struct attempt_origin origin;
static uint64_t lost_ms; /* 0: it has a link */

static struct sip_location where[2] = {
	{ .transport = SIP_TCP, .address = { 192, 0, 2, 1 }, .port = 5060, .tls_name = "" },
	{ .transport = SIP_TCP, .address = { 192, 0, 2, 2 }, .port = 5060, .tls_name = "" },
};
static const struct sip_locations places = { .reason = XFED_REASON_NONE, .list = where, .count = 2 };

static void judge_origin(void *user, uint64_t of_run, uint64_t now_ms, struct attempt_origin *out)
{
	assert_ptr_equal(user, &origin);
	assert_true(of_run == RUN || of_run == OTHER);
	assert_int_equal(now_ms, now);
	*out = of_run == RUN ? origin : (struct attempt_origin){ .gone_ms = 0 };
	out->gone_ms = of_run == RUN && lost_ms ? now - lost_ms : 0;
}

/* ---- the transcript ---- */

static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *format, ...)
{
	char word[160];
	va_list args;
	va_start(args, format);
	vsnprintf(word, sizeof(word), format, args);
	va_end(args);
	size_t len = strlen(transcript);
	snprintf(transcript + len, sizeof(transcript) - len, "%s%s", len > 0 ? ", " : "", word);
}

static void note_end(struct attempt *t, const struct attempt_end *e)
{
	static const char *const fates[] = { "delivered", "refused", "uncertain", "let-go" };
	assert_ptr_equal(of[t->id], t); /* exactly one end */
	assert_int_equal(t->state, ATTEMPT_ENDED);
	assert_null(attempts_find(attempts, t->id));
	if (e->reason != XFED_REASON_NONE) {
		note("%s %d %s", fates[e->fate], (int)t->id, xfed_reason_code(e->reason));
	} else if (e->status) {
		note("%s %d %d", fates[e->fate], (int)t->id, e->status);
	} else {
		note("%s %d", fates[e->fate], (int)t->id);
	}
	sip_failover_free(places_of[t->id]);
	of[t->id] = NULL;
	places_of[t->id] = NULL;
	xfed_free(t);
}

static void take_actions(void)
{
	struct attempt_action act;
	while (attempts_next(attempts, &act)) {
		switch (act.kind) {
		case ATTEMPT_ASK:
			note("ask %d", (int)act.attempt->id);
			break;
		case ATTEMPT_LOCATE:
			note("locate %d", (int)act.attempt->id);
			break;
		case ATTEMPT_NEXT_PLACE:
			note("next-place %d", (int)act.attempt->id);
			break;
		case ATTEMPT_END:
			note_end(act.attempt, &act.end);
			break;
		}
	}
}

/* What has come out since the last look. */
static void expect(const char *wanted)
{
	take_actions();
	assert_string_equal(transcript, wanted);
	transcript[0] = '\0';
}

static void turn(const char *wanted)
{
	struct attempt *t;
	attempts_turn(attempts, now);
	take_actions();
	while ((t = attempts_next_send(attempts, now))) {
		assert_int_equal(t->state, ATTEMPT_SENT);
		if (t->is_in_session) {
			note("send %d", (int)t->id);
		} else {
			note("send %d to %u", (int)t->id, sip_failover_number(t->places));
		}
	}
	expect(wanted);
}

/* ---- events ---- */

static struct attempt *make(uint64_t id, uint64_t left_ms)
{
	struct attempt *t = xfed_calloc(1, sizeof(*t));
	assert_non_null(t);
	t->id = id;
	t->item.run = RUN;
	t->item.bytes = 100;
	t->item.deadline_ms = now + left_ms;
	return of[id] = t;
}

static void take(uint64_t id, const char *to, uint64_t left_ms)
{
	assert_int_equal(attempts_add(attempts, make(id, left_ms), xfed_span_str(to)), XFED_OK);
}

static void acked(uint64_t id)
{
	attempts_acked(attempts, id);
}

static void located(uint64_t id)
{
	if (of[id] && !places_of[id]) {
		assert_int_equal(sip_failover_new(&places, &failed, now, &places_of[id]), XFED_OK);
	}
	attempts_located(attempts, id, places_of[id], now);
}

static void answer(uint64_t id, int status)
{
	attempts_response(attempts, id, status, now);
}

static const char *words(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *words(const char *format, ...)
{
	static char out[160];
	va_list args;
	va_start(args, format);
	vsnprintf(out, sizeof(out), format, args);
	va_end(args);
	return out;
}

/* Up to the first byte: the edge has answered, the next hop is known. */
static void take_and_send(uint64_t id, const char *to)
{
	take(id, to, DEADLINE);
	turn(words("ask %d", (int)id));
	acked(id);
	expect(words("locate %d", (int)id));
	located(id);
	expect("");
	turn(words("send %d to 0", (int)id));
}

/* Acknowledged, and waiting for the addresses of its next hop. */
static void take_and_locate(uint64_t id, const char *to)
{
	take(id, to, DEADLINE);
	turn(words("ask %d", (int)id));
	acked(id);
	expect(words("locate %d", (int)id));
}

static int setup(void **state)
{
	now = 1000000;
	lost_ms = 0;
	origin = (struct attempt_origin){ 0 };
	failed.count = 0;
	transcript[0] = '\0';
	memset(of, 0, sizeof(of));
	return attempts_new(&(struct recipients_limits){ 8, 512 * 1024 }, judge_origin, &origin, &attempts);
}

static int teardown(void **state)
{
	struct attempt *t;
	size_t n = attempts_count(attempts);
	while ((t = attempts_drop(attempts))) {
		assert_ptr_equal(of[t->id], t);
		sip_failover_free(places_of[t->id]);
		places_of[t->id] = NULL;
		xfed_free(t);
		n--;
	}
	assert_int_equal(n, 0);
	attempts_free(attempts);
	return 0;
}

/* Brought by the other edge, from somebody. */
static void take_other(uint64_t id, const char *to, uint64_t sender)
{
	make(id, DEADLINE)->item.run = OTHER;
	of[id]->item.sender = sender;
	assert_int_equal(attempts_add(attempts, of[id], xfed_span_str(to)), XFED_OK);
}

/* ---- the way ---- */

static void a_message_is_asked_for_before_it_is_sent(void **state)
{
	take(1, "sip:zoe@corp.example", DEADLINE);
	expect("");
	turn("ask 1");
	turn("");
	acked(1);
	expect("locate 1");
	turn("");
	located(1);
	turn("send 1 to 0");
	answer(1, 100);
	expect("");
	answer(1, 200);
	expect("delivered 1 200");
	assert_int_equal(attempts_count(attempts), 0);
}

static void one_of_our_own_asks_nobody(void **state)
{
	make(1, DEADLINE)->item.run = 0;
	assert_int_equal(attempts_add(attempts, of[1], XFED_SPAN("sip:zoe@corp.example")), XFED_OK);
	turn("locate 1");
	located(1);
	turn("send 1 to 0");
}

static void recipients_go_one_message_at_a_time(void **state)
{
	take(1, "sip:zoe@corp.example", DEADLINE);
	take(2, "sip:zoe@corp.example", DEADLINE);
	take(3, "sip:bob@corp.example", DEADLINE);
	turn("ask 1, ask 3");
	acked(3);
	acked(1);
	expect("locate 3, locate 1");
	located(1);
	located(3);
	turn("send 1 to 0, send 3 to 0");
	answer(1, 200);
	expect("delivered 1 200");
	turn("ask 2");
}

static void what_the_edge_keeps_is_let_go(void **state)
{
	take(1, "sip:zoe@corp.example", DEADLINE);
	take(2, "sip:zoe@corp.example", DEADLINE);
	turn("ask 1");
	attempts_not_ours(attempts, 1);
	expect("let-go 1");
	turn("ask 2");
}

static void a_full_queue_takes_no_more(void **state)
{
	for (uint64_t i = 1; i <= 8; i++) {
		take(i, "sip:zoe@corp.example", DEADLINE);
	}
	assert_int_equal(attempts_add(attempts, make(9, DEADLINE), XFED_SPAN("sip:zoe@corp.example")), XFED_ERR_LIMIT);
	assert_null(attempts_find(attempts, 9));
	xfed_free(of[9]);
	take(10, "sip:bob@corp.example", DEADLINE);
	turn("ask 1, ask 10");
}

static void a_next_hop_that_is_not_found_refuses(void **state)
{
	take_and_locate(1, "sip:zoe@corp.example");
	attempts_not_located(attempts, 1, XFED_REASON_SIP_SERVER_UNREACHABLE, "dns.name.missing");
	expect("refused 1 sip.server.unreachable");
}

static void what_cannot_be_begun_is_refused_with_its_reason(void **state)
{
	take_and_send(1, "sip:zoe@corp.example");
	attempts_unsent(attempts, 1, XFED_REASON_SIP_REQUEST_TOO_LARGE, NULL);
	expect("refused 1 sip.request.too-large");
}

/* ---- what SIP says ---- */

static void the_same_request_again_was_delivered_where_it_is_merged(void **state)
{
	take_and_send(1, "sip:zoe@corp.example");
	answer(1, 482);
	expect("refused 1 482");
	take(2, "sip:zoe@corp.example", DEADLINE);
	of[2]->is_repeat = true;
	turn("ask 2");
	acked(2);
	expect("locate 2");
	located(2);
	turn("send 2 to 0");
	answer(2, 482);
	expect("delivered 2 482");
}

static void the_next_place_is_tried_only_where_nobody_has_it(void **state)
{
	take_and_send(1, "sip:zoe@corp.example");
	take_and_send(2, "sip:bob@corp.example");
	take_and_send(3, "sip:eve@corp.example");
	take_and_send(4, "sip:dan@corp.example");
	answer(1, 503);
	expect("next-place 1");
	attempts_broken(attempts, 2, false, now);
	expect("next-place 2");
	attempts_broken(attempts, 3, true, now);
	expect("uncertain 3 delivery.uncertain");
	answer(4, 486);
	expect("refused 4 486");
	turn("send 1 to 1, send 2 to 1");
	answer(1, 503);
	expect("refused 1 503");
	attempts_broken(attempts, 2, false, now);
	expect("refused 2 sip.server.unreachable");
}

static void those_behind_a_timer_f_are_refused_at_once(void **state)
{
	take_and_send(1, "sip:zoe@corp.example");
	take(2, "sip:zoe@corp.example", DEADLINE);
	take(3, "sip:zoe@corp.example", DEADLINE);
	take_and_send(4, "sip:bob@corp.example");
	now += XFED_SIP_TIMER_F_MS / 2;
	attempts_tick(attempts, now);
	turn("");
	now += XFED_SIP_TIMER_F_MS / 2;
	attempts_timeout(attempts, 1, true);
	expect("refused 2 sip.server.timeout, refused 3 sip.server.timeout, uncertain 1 sip.server.timeout");
	turn("");
	take_and_send(5, "sip:zoe@corp.example"); /* what comes later has its own try */
}

static void the_same_behind_a_408_and_where_nothing_was_written(void **state)
{
	take_and_send(1, "sip:zoe@corp.example");
	take(2, "sip:zoe@corp.example", DEADLINE);
	answer(1, 408);
	expect("refused 2 sip.server.timeout, refused 1 408");
	take_and_send(3, "sip:bob@corp.example");
	take(4, "sip:bob@corp.example", DEADLINE);
	attempts_timeout(attempts, 3, false);
	expect("refused 4 sip.server.timeout, refused 3 sip.server.unreachable");
}

static void behind_any_other_answer_the_next_one_goes(void **state)
{
	static const int statuses[] = { 200, 404, 486, 500 };
	for (size_t i = 0; i < XFED_ARRAY_LEN(statuses); i++) {
		take_and_send(1, "sip:zoe@corp.example");
		take(2, "sip:zoe@corp.example", DEADLINE);
		answer(1, statuses[i]);
		expect(words("%s 1 %d", statuses[i] == 200 ? "delivered" : "refused", statuses[i]));
		turn("ask 2");
		acked(2);
		expect("locate 2");
		located(2);
		turn("send 2 to 0");
		answer(2, 200);
		expect("delivered 2 200");
	}
}

/* ---- without a link (Attempts 4) ---- */

static void lose_link(void)
{
	lost_ms = now;
}

static void an_attempt_may_begin_within_ten_seconds_without_a_link(void **state)
{
	take_and_locate(1, "sip:zoe@corp.example");
	lose_link();
	now += ATTEMPT_LINK_GONE_MS;
	located(1);
	turn("send 1 to 0");
}

static void none_begins_later(void **state)
{
	take_and_locate(1, "sip:zoe@corp.example");
	lose_link();
	now += ATTEMPT_LINK_GONE_MS + 1;
	located(1);
	turn("refused 1 channel.down");
}

static void nor_does_the_next_place_get_it_then(void **state)
{
	take_and_send(1, "sip:zoe@corp.example");
	take_and_send(2, "sip:bob@corp.example");
	lose_link();
	now += ATTEMPT_LINK_GONE_MS;
	answer(1, 503);
	expect("next-place 1");
	turn("send 1 to 1");
	now += 1;
	answer(2, 503);
	expect("refused 2 503"); /* what the first place said */
	attempts_broken(attempts, 1, false, now);
	expect("refused 1 sip.server.unreachable");
}

static void whoever_was_not_acknowledged_waits_for_the_link(void **state)
{
	take_and_send(1, "sip:zoe@corp.example");
	take(2, "sip:zoe@corp.example", DEADLINE);
	lose_link();
	now += ATTEMPT_LINK_GONE_MS + 1;
	answer(1, 200);
	expect("delivered 1 200");
	attempts_tick(attempts, now);
	turn("ask 2"); /* when it resumes */
	attempts_run_ended(attempts, RUN, false);
	expect("uncertain 2 delivery.uncertain"); /* nobody knows who has it */
}

static void what_is_taken_over_is_ours_however_long_the_link_is_gone(void **state)
{
	take(1, "sip:bob@corp.example", DEADLINE);
	turn("ask 1");
	take_and_send(2, "sip:zoe@corp.example");
	take(3, "sip:zoe@corp.example", DEADLINE);
	lose_link();
	now += ATTEMPT_LINK_GONE_MS;
	origin.has_ended = true;
	attempts_run_ended(attempts, RUN, true);
	expect("locate 1");
	now += 5000;
	answer(2, 200);
	expect("delivered 2 200");
	turn("locate 3");
	located(3);
	turn("send 3 to 0");
}

static void another_runs_end_is_none_of_its_business(void **state)
{
	take(1, "sip:bob@corp.example", DEADLINE);
	turn("ask 1");
	attempts_run_ended(attempts, RUN + 1, false);
	expect("");
}

static void nothing_begins_for_an_edge_that_leaves(void **state)
{
	take_and_locate(2, "sip:zoe@corp.example");
	take(1, "sip:bob@corp.example", DEADLINE);
	origin.is_leaving = true;
	attempts_tick(attempts, now);
	expect("refused 1 service.leaving");
	located(2);
	turn("refused 2 service.leaving");
}

/* ---- with little time left (Time) ---- */

static void an_attempt_needs_thirty_three_seconds(void **state)
{
	take(1, "sip:zoe@corp.example", XFED_DELIVERY_SIP_LEFT_MS);
	turn("ask 1");
	acked(1);
	expect("locate 1");
	located(1);
	turn("send 1 to 0");
	take(2, "sip:bob@corp.example", XFED_DELIVERY_SIP_LEFT_MS - 1);
	turn("refused 2 delivery.deadline");
}

static void its_time_may_pass_at_every_step(void **state)
{
	const uint64_t spare = 10;
	static const char *const names[] = { "sip:zoe@corp.example", "sip:zoe@corp.example", "sip:bob@corp.example", "sip:eve@corp.example",
		"sip:dan@corp.example" };
	for (uint64_t i = 0; i < XFED_ARRAY_LEN(names); i++) {
		take(i + 1, names[i], XFED_DELIVERY_SIP_LEFT_MS + spare);
	}
	turn("ask 1, ask 3, ask 4, ask 5"); /* 2 waits behind 1, 3 is not answered */
	acked(1);
	acked(4);
	acked(5);
	expect("locate 1, locate 4, locate 5"); /* 4: the addresses do not come */
	located(1);
	located(5);
	turn("send 1 to 0, send 5 to 0");
	now += spare;
	attempts_tick(attempts, now);
	expect("");
	now += 1;
	attempts_tick(attempts, now);
	expect("refused 2 delivery.deadline, refused 3 delivery.deadline");
	located(4);
	turn("refused 4 delivery.deadline");
	answer(5, 503);
	expect("refused 5 503"); /* the next place is not tried */
	assert_int_equal(attempts_late(attempts, now + DEADLINE), 1);
}

static void an_answer_of_the_edge_that_comes_too_late_begins_nothing(void **state)
{
	take(1, "sip:zoe@corp.example", XFED_DELIVERY_SIP_LEFT_MS + 10);
	turn("ask 1");
	now += 11;
	acked(1);
	expect("locate 1");
	located(1);
	turn("refused 1 delivery.deadline");
}

/* ---- the way out ---- */

static void leaving_refuses_what_was_not_sent(void **state)
{
	take_and_send(1, "sip:zoe@corp.example");
	take(2, "sip:zoe@corp.example", DEADLINE);
	take(3, "sip:bob@corp.example", DEADLINE);
	turn("ask 3");
	take_and_locate(4, "sip:eve@corp.example");
	take_and_locate(5, "sip:dan@corp.example");
	located(5);
	attempts_give_up(attempts);
	expect("uncertain 1 delivery.uncertain, refused 2 service.leaving, refused 3 service.leaving, refused 4 service.leaving, refused 5 "
	       "service.leaving");
	turn("");
}

/* Every event in every state: what the state does not wait for changes nothing. */
static void what_is_not_waited_for_is_ignored(void **state)
{
	const uint64_t last = ATTEMPT_SENT + 1;
	for (int s = ATTEMPT_QUEUED; s <= ATTEMPT_SENT; s++) {
		uint64_t id = (uint64_t)s + 1;
		if (s == ATTEMPT_ALLOWED || s == ATTEMPT_OPENING) {
			continue; /* the_answer_may_come_while_another_is_under_way(), and in sessions */
		}
		char to[] = "sip:a@corp.example";
		to[4] = (char)('a' + s);
		take(id, to, DEADLINE);
		if (s >= ATTEMPT_ASKED) {
			turn(words("ask %d", (int)id));
		}
		if (s >= ATTEMPT_LOCATING) {
			acked(id);
			expect(words("locate %d", (int)id));
		}
		if (s >= ATTEMPT_READY) {
			located(id);
			expect("");
		}
		if (s >= ATTEMPT_SENT) {
			turn(words("send %d to 0", (int)id));
			break;
		}
		if (s != ATTEMPT_ASKED) {
			acked(id);
			attempts_not_ours(attempts, id);
		}
		if (s != ATTEMPT_LOCATING) {
			located(id);
			attempts_not_located(attempts, id, XFED_REASON_SIP_SERVER_UNREACHABLE, "dns.name.missing");
		}
		attempts_unsent(attempts, id, XFED_REASON_STREAM_INTERNAL, NULL);
		answer(id, 200);
		attempts_timeout(attempts, id, true);
		attempts_broken(attempts, id, true, now);
		expect("");
		assert_int_equal(attempts_find(attempts, id)->state, s);
		attempts_give_up(attempts);
		take_actions();
		transcript[0] = '\0';
	}
	acked(last);
	attempts_not_ours(attempts, last);
	located(last);
	attempts_not_located(attempts, last, XFED_REASON_SIP_SERVER_UNREACHABLE, "dns.name.missing");
	attempts_run_ended(attempts, RUN, false);
	expect("");
	assert_int_equal(attempts_find(attempts, last)->state, ATTEMPT_SENT);
}

/* ---- an edge that does not answer ---- */

#define ZOE "sip:zoe@corp.example"

/* It holds up what it has brought itself, and nobody else. */
static void what_other_edges_bring_steps_past_a_question(void **state)
{
	take(1, ZOE, DEADLINE);
	take(2, ZOE, DEADLINE);
	take_other(3, ZOE, 30);
	take_other(4, ZOE, 40);
	turn("ask 1, ask 3");
	acked(3);
	expect("locate 3");
	located(3);
	turn("send 3 to 0");
	answer(3, 200);
	expect("delivered 3 200");
	turn("ask 4");
	acked(4);
	expect("locate 4");
	now += 20000;
	acked(1); /* at last, and it waits for its turn */
	expect("");
	located(4);
	turn("send 4 to 0");
	answer(4, 200);
	expect("delivered 4 200");
	turn("locate 1");
	located(1);
	turn("send 1 to 0");
	answer(1, 200);
	expect("delivered 1 200");
	turn("ask 2");
}

static void the_answer_may_come_while_another_is_under_way(void **state)
{
	take(1, ZOE, DEADLINE);
	take_other(2, ZOE, 20);
	turn("ask 1, ask 2");
	acked(2);
	expect("locate 2");
	located(2);
	turn("send 2 to 0");
	acked(1);
	expect("");
	acked(1); /* once is enough */
	turn("");
	answer(2, 486);
	expect("refused 2 486");
	turn("locate 1");
	located(1);
	turn("send 1 to 0");
	answer(1, 200);
	expect("delivered 1 200");
}

/* Order: one sender's message never overtakes an older one, by whichever edge it comes. */
static void the_same_sender_steps_past_nothing(void **state)
{
	take(1, ZOE, DEADLINE);
	of[1]->item.sender = 5;
	take_other(2, ZOE, 5);
	take_other(3, ZOE, 6); /* behind it on its edge */
	turn("ask 1");
	acked(1);
	expect("locate 1");
	located(1);
	turn("send 1 to 0");
	answer(1, 200);
	expect("delivered 1 200");
	turn("ask 2");
}

static void one_that_waits_for_its_turn_ends_with_its_time(void **state)
{
	take(1, ZOE, DEADLINE);
	take_other(2, ZOE, 20);
	turn("ask 1, ask 2");
	acked(2);
	acked(1);
	expect("locate 2");
	now += DEADLINE - XFED_DELIVERY_SIP_LEFT_MS + 1;
	attempts_tick(attempts, now);
	expect("refused 1 delivery.deadline");
}

static void an_edge_that_has_gone_holds_up_nobody(void **state)
{
	take(1, ZOE, DEADLINE);
	turn("ask 1");
	lost_ms = now;
	take_other(2, ZOE, 20);
	turn("ask 2");
	now += 11000;
	attempts_run_ended(attempts, RUN, true); /* nobody is to be asked any more; but one is under way at a time */
	expect("locate 1");
	acked(2);
	expect("");
}

/* ---- in sessions ---- */

static void take_for_session(uint64_t id)
{
	make(id, DEADLINE)->is_in_session = true;
	assert_int_equal(attempts_add(attempts, of[id], XFED_SPAN(ZOE)), XFED_OK);
}

static void opened(uint64_t id)
{
	attempts_located(attempts, id, NULL, now);
}

/* The session is open; up to the first byte. */
static void send_in_session(uint64_t id)
{
	turn(words("locate %d", (int)id));
	opened(id);
	expect(words("ask %d", (int)id));
	acked(id);
	expect(words("locate %d", (int)id));
	opened(id);
	turn(words("send %d", (int)id));
}

static void the_session_is_opened_before_the_edge_is_asked(void **state)
{
	take_for_session(1);
	take_for_session(2);
	turn("locate 1");
	turn("");
	acked(1);
	expect("");
	opened(1);
	expect("ask 1");
	acked(1);
	expect("locate 1");
	opened(1);
	turn("send 1");
	answer(1, 200);
	expect("delivered 1 200");
	send_in_session(2);
	answer(2, 415);
	expect("refused 2 415");
}

static void not_opened(uint64_t id, enum xfed_reason reason, int status)
{
	attempts_not_opened(attempts, id, &(struct attempt_end){ .fate = ATTEMPT_REFUSED, .reason = reason, .status = status });
}

static void an_invite_that_fails_refuses_all_that_waits(void **state)
{
	take_for_session(1);
	take_for_session(2);
	turn("locate 1");
	not_opened(1, XFED_REASON_NONE, 486);
	expect("refused 1 486, refused 2 486");
	take_for_session(3);
	turn("locate 3");
	not_opened(3, XFED_REASON_SIP_SESSION_UNANSWERED, 0);
	expect("refused 3 sip.session.unanswered");
	not_opened(3, XFED_REASON_SIP_SESSION_UNANSWERED, 0);
	expect("");
}

static void what_waits_for_its_session_may_be_taken_over(void **state)
{
	take_for_session(1);
	turn("locate 1");
	origin.has_ended = true;
	attempts_run_ended(attempts, RUN, true);
	expect("");
	opened(1);
	expect("locate 1");
	opened(1);
	turn("send 1");
}

static void or_is_uncertain(void **state)
{
	take_for_session(1);
	turn("locate 1");
	attempts_run_ended(attempts, RUN, false);
	expect("uncertain 1 delivery.uncertain");
}

static void a_dialog_that_is_gone_means_one_more_try(void **state)
{
	take_for_session(1);
	send_in_session(1);
	answer(1, 481);
	expect("locate 1");
	opened(1);
	turn("send 1");
	answer(1, 481);
	expect("refused 1 481");
	take_for_session(2);
	send_in_session(2);
	attempts_broken(attempts, 2, false, now);
	expect("locate 2");
	not_opened(2, XFED_REASON_NONE, 480);
	expect("refused 2 480");
}

static void but_not_without_time(void **state)
{
	take_for_session(1);
	send_in_session(1);
	now += DEADLINE - XFED_DELIVERY_SIP_LEFT_MS + 1;
	answer(1, 481);
	expect("refused 1 481");
}

static void no_answer_in_a_session_is_uncertain_and_those_behind_go_on(void **state)
{
	take_for_session(1);
	take_for_session(2);
	take_for_session(3);
	take_for_session(4);
	send_in_session(1);
	answer(1, 408);
	expect("uncertain 1 sip.server.timeout");
	send_in_session(2);
	attempts_timeout(attempts, 2, true);
	expect("uncertain 2 sip.server.timeout");
	send_in_session(3);
	attempts_broken(attempts, 3, true, now);
	expect("uncertain 3 delivery.uncertain");
	turn("locate 4");
}

static void what_waits_too_long_for_its_session_is_refused(void **state)
{
	take_for_session(1);
	turn("locate 1");
	now += DEADLINE - XFED_DELIVERY_SIP_LEFT_MS + 1;
	attempts_tick(attempts, now);
	expect("refused 1 delivery.deadline");
	opened(1);
	expect("");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_message_is_asked_for_before_it_is_sent),
		T(one_of_our_own_asks_nobody),
		T(recipients_go_one_message_at_a_time),
		T(what_the_edge_keeps_is_let_go),
		T(a_full_queue_takes_no_more),
		T(a_next_hop_that_is_not_found_refuses),
		T(what_cannot_be_begun_is_refused_with_its_reason),
		T(the_same_request_again_was_delivered_where_it_is_merged),
		T(the_next_place_is_tried_only_where_nobody_has_it),
		T(those_behind_a_timer_f_are_refused_at_once),
		T(the_same_behind_a_408_and_where_nothing_was_written),
		T(behind_any_other_answer_the_next_one_goes),
		T(an_attempt_may_begin_within_ten_seconds_without_a_link),
		T(none_begins_later),
		T(nor_does_the_next_place_get_it_then),
		T(whoever_was_not_acknowledged_waits_for_the_link),
		T(what_is_taken_over_is_ours_however_long_the_link_is_gone),
		T(another_runs_end_is_none_of_its_business),
		T(nothing_begins_for_an_edge_that_leaves),
		T(an_attempt_needs_thirty_three_seconds),
		T(its_time_may_pass_at_every_step),
		T(an_answer_of_the_edge_that_comes_too_late_begins_nothing),
		T(leaving_refuses_what_was_not_sent),
		T(what_is_not_waited_for_is_ignored),
		T(what_other_edges_bring_steps_past_a_question),
		T(the_answer_may_come_while_another_is_under_way),
		T(the_same_sender_steps_past_nothing),
		T(one_that_waits_for_its_turn_ends_with_its_time),
		T(an_edge_that_has_gone_holds_up_nobody),
		T(the_session_is_opened_before_the_edge_is_asked),
		T(an_invite_that_fails_refuses_all_that_waits),
		T(what_waits_for_its_session_may_be_taken_over),
		T(or_is_uncertain),
		T(a_dialog_that_is_gone_means_one_more_try),
		T(but_not_without_time),
		T(no_answer_in_a_session_is_uncertain_and_those_behind_go_on),
		T(what_waits_too_long_for_its_session_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
