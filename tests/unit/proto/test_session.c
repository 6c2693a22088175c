/* One link, both ends joined in memory (proto/channel.md sections 1, 3 and 5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ends.h"
#include "samples.h"
#include "xfed/mem.h"

static void expect_log(const struct ends *e, const char *log)
{
	if (strcmp(e->log, log) != 0) {
		fail_msg("actions: \"%s\", expected \"%s\" (gw: %s; edge: %s)", e->log, log, e->gw_text, e->edge_text);
	}
}

static const Xfed__Frame *sample(const char *name)
{
	for (size_t i = 0; i < sample_count; i++) {
		if (strcmp(samples[i].name, name) == 0) {
			return samples[i].frame;
		}
	}
	fail_msg("no sample %s", name);
	return NULL;
}

static void inject_frame(struct ends *e, struct proto_session *s, const Xfed__Frame *f)
{
	struct xfed_buf out;
	xfed_buf_init(&out, 1 << 20);
	if (proto_frame_write(&out, f) != XFED_OK) {
		abort();
	}
	ends_inject(e, s, xfed_buf_span(&out).data, xfed_buf_len(&out));
	xfed_buf_deinit(&out);
}

/* ---- Hello ---- */

static void hello_makes_a_link(void **state)
{
	struct ends e = { 0 };
	ends_up(&e);
	expect_log(&e, "edge:up gw:up ");
	const struct proto_peer *p = proto_session_peer(e.edge);
	assert_string_equal(p->name, "gw1");
	assert_int_equal(p->boot_nonce, 9);
	assert_int_equal(p->version, 1);
	assert_string_equal(p->hello->software, "xfed test");
	assert_int_equal(p->hello->lowest_unsettled, 1);
	ends_free(&e);
}

static void versions(void **state)
{
	static const struct {
		uint32_t gw_min, gw_max, edge_min, edge_max, agreed; /* 0: none */
	} rows[] = {
		{ 1, 1, 1, 1, 1 },
		{ 1, 3, 2, 5, 3 },
		{ 2, 5, 1, 3, 3 },
		{ 1, 1, 2, 3, 0 },
		{ 3, 4, 1, 2, 0 },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct proto_session_config gw = ends_config(PROTO_GATEWAY), edge = ends_config(PROTO_EDGE);
		struct ends e = { 0 };
		gw.hello.version_min = rows[i].gw_min;
		gw.hello.version_max = rows[i].gw_max;
		edge.hello.version_min = rows[i].edge_min;
		edge.hello.version_max = rows[i].edge_max;
		assert_int_equal(ends_new(&e, &gw, &edge), XFED_OK);
		ends_run(&e);
		if (rows[i].agreed) {
			assert_int_equal(proto_session_peer(e.gw)->version, rows[i].agreed);
			assert_int_equal(proto_session_peer(e.edge)->version, rows[i].agreed);
		} else {
			/* Whoever sees it first tells the other. */
			assert_int_equal(e.gw_reason, XFED_REASON_CHANNEL_VERSION);
			assert_int_equal(e.edge_reason, XFED_REASON_CHANNEL_VERSION);
		}
		ends_free(&e);
	}
}

static void no_hello_in_time(void **state)
{
	struct ends e = { .now = 5000 };
	struct proto_session_config gw = ends_config(PROTO_GATEWAY), edge = ends_config(PROTO_EDGE);
	assert_int_equal(ends_new(&e, &gw, &edge), XFED_OK);
	assert_int_equal(proto_session_deadline(e.gw), 5000 + XFED_CHANNEL_HELLO_MS);
	ends_tick(&e, 5000 + XFED_CHANNEL_HELLO_MS - 1);
	expect_log(&e, "");
	ends_tick(&e, 5000 + XFED_CHANNEL_HELLO_MS);
	expect_log(&e, "gw:channel.timeout edge:channel.timeout ");
	ends_free(&e);
}

/* ---- refusals: a frame given to one end that is up, or waits for Hello ---- */

static const struct refusal {
	const char *name;
	bool is_up, to_gw;
	const char *sample;
	const char *text;
} refusals[] = {
	{ "message before hello", false, false, "withdraw", "a message before hello" },
	{ "ping before hello", false, false, "ping", "a message before hello" },
	{ "edge greets an edge", false, false, "hello", "hello: both ends have one role" },
	{ "second hello", true, true, "hello", "a second hello" },
	{ "policy from an edge", true, true, "policy-begin", "a message that is not the peer's to send" },
	{ "attempted from an edge", true, true, "attempted", "a message that is not the peer's to send" },
	{ "withdraw from an edge", true, true, "withdraw", "a message that is not the peer's to send" },
	{ "request from an edge", true, true, "request", "a message that is not the peer's to send" },
	{ "reply from a gateway", true, false, "reply", "a message that is not the peer's to send" },
	{ "counters from a gateway", true, false, "counters", "a message that is not the peer's to send" },
	{ "stream event from a gateway", true, false, "stream-event", "a message that is not the peer's to send" },
	{ "failure event from a gateway", true, false, "failure-event", "a message that is not the peer's to send" },
	{ "attempted-ack from a gateway", true, false, "attempted-ack", "a message that is not the peer's to send" },
	{ "deliver without credit", true, false, "deliver-to-xmpp", "a deliver beyond the credit" },
	{ "deliver without credit", true, true, "deliver-to-sip", "a deliver beyond the credit" },
};

static void what_is_not_legal_ends_the_link(void **state)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(refusals); i++) {
		const struct refusal *r = &refusals[i];
		struct proto_session_config gw = ends_config(PROTO_GATEWAY), edge = ends_config(PROTO_EDGE);
		struct ends e = { 0 };
		assert_int_equal(ends_new(&e, &gw, &edge), XFED_OK);
		if (r->is_up) {
			ends_run(&e);
		}
		inject_frame(&e, r->to_gw ? e.gw : e.edge, sample(r->sample));
		enum xfed_reason reason = r->to_gw ? e.gw_reason : e.edge_reason;
		const char *text = r->to_gw ? e.gw_text : e.edge_text;
		if (reason != XFED_REASON_CHANNEL_FRAME_BAD || strcmp(text, r->text) != 0) {
			fail_msg("%s: %s, \"%s\"", r->name, xfed_reason_code(reason), text);
		}
		/* The other end is told why. */
		ends_run(&e);
		assert_int_equal(r->to_gw ? e.edge_reason : e.gw_reason, XFED_REASON_CHANNEL_FRAME_BAD);
		ends_free(&e);
	}
}

static void garbage_ends_the_link(void **state)
{
	struct ends e = { 0 };
	ends_up(&e);
	ends_inject(&e, e.edge, "GET / HTTP/1.1\r\n\r\n", 18);
	assert_int_equal(e.edge_reason, XFED_REASON_CHANNEL_FRAME_BAD);
	assert_string_equal(e.edge_text, "a frame above the maximum");
	/* Nothing more is read, sent or done. */
	ends_inject(&e, e.edge, "more", 4);
	assert_int_equal(proto_session_withdraw(e.edge, 1), XFED_ERR_STATE);
	assert_int_equal(proto_session_deadline(e.edge), UINT64_MAX);
	ends_free(&e);
}

static void an_unknown_message_is_skipped(void **state)
{
	struct ends e = { 0 };
	ends_up(&e);
	ends_inject(&e, e.edge, "\x00\x00\x00\x03\xd2\x05\x00", 7); /* field 90 of Frame */
	assert_int_equal(proto_session_withdraw(e.gw, 7), XFED_OK);
	ends_run(&e);
	expect_log(&e, "edge:up gw:up edge:withdraw ");
	ends_free(&e);
}

/* ---- credit ---- */

static Xfed__Deliver deliver(uint64_t seq, uint8_t *stanza, size_t len)
{
	Xfed__Deliver d = XFED__DELIVER__INIT;
	d.seq = seq;
	d.kind = XFED__KIND__KIND_MESSAGE;
	d.stanza.data = stanza;
	d.stanza.len = len;
	return d;
}

static void deliver_needs_credit(void **state)
{
	struct ends e = { 0 };
	uint8_t stanza[100] = "x";
	Xfed__Deliver d = deliver(1, stanza, sizeof(stanza));
	Xfed__Frame f = XFED__FRAME__INIT;
	f.body_case = XFED__FRAME__BODY_DELIVER;
	f.deliver = &d;
	size_t bytes = proto_frame_size(&f);
	ends_up(&e);
	assert_int_equal(proto_session_deliver(e.edge, &d), XFED_ERR_AGAIN);

	proto_session_grant(e.gw, 2, 2 * bytes - 1);
	ends_run(&e);
	assert_int_equal(proto_session_deliver(e.edge, &d), XFED_OK);
	d.seq = 2;
	assert_int_equal(proto_session_deliver(e.edge, &d), XFED_ERR_AGAIN); /* one byte is missing */
	proto_session_grant(e.gw, 0, 1);
	ends_run(&e);
	assert_int_equal(proto_session_deliver(e.edge, &d), XFED_OK);
	d.seq = 3;
	proto_session_grant(e.gw, 0, 1000);
	ends_run(&e);
	assert_int_equal(proto_session_deliver(e.edge, &d), XFED_ERR_AGAIN); /* bytes alone do not do */
	expect_log(&e, "edge:up gw:up edge:credit edge:credit gw:deliver edge:credit gw:deliver ");

	uint32_t in, out;
	uint64_t in_bytes, out_bytes;
	proto_session_credit(e.gw, &in, &in_bytes, &out, &out_bytes);
	assert_int_equal(in, 0);
	assert_int_equal(in_bytes, 1000);
	ends_free(&e);
}

static void grants_of_a_turn_travel_together(void **state)
{
	struct ends e = { 0 };
	ends_up(&e);
	size_t before = e.carried;
	for (int i = 0; i < 100; i++) {
		proto_session_grant(e.gw, 1, 300);
	}
	ends_run(&e);
	expect_log(&e, "edge:up gw:up edge:credit ");
	assert_true(e.carried - before < 20);
	ends_free(&e);
}

static void a_grant_beyond_measure_is_refused(void **state)
{
	Xfed__Credit c = XFED__CREDIT__INIT;
	Xfed__Frame f = XFED__FRAME__INIT;
	struct ends e = { 0 };
	c.messages = UINT32_MAX;
	f.body_case = XFED__FRAME__BODY_CREDIT;
	f.credit = &c;
	ends_up(&e);
	inject_frame(&e, e.edge, &f);
	assert_int_equal(e.edge_reason, XFED_REASON_CHANNEL_FRAME_BAD);
	ends_free(&e);
}

/* ---- what was taken ---- */

static void send_three(struct ends *e)
{
	uint8_t stanza[10] = "x";
	proto_session_grant(e->gw, 3, 4096);
	ends_run(e);
	for (uint64_t seq = 1; seq <= 3; seq++) {
		Xfed__Deliver d = deliver(seq, stanza, sizeof(stanza));
		assert_int_equal(proto_session_deliver(e->edge, &d), XFED_OK);
	}
	ends_run(e);
}

/* Told with the credit of the turn, and alone where there is none to give. */
static void taken_is_told(void **state)
{
	struct ends e = { 0 };
	ends_up(&e);
	send_three(&e);
	assert_int_equal(proto_session_taken(e.edge), 0);
	proto_session_took(e.gw);
	proto_session_took(e.gw);
	ends_run(&e);
	assert_int_equal(proto_session_taken(e.edge), 2);
	proto_session_took(e.gw);
	proto_session_grant(e.gw, 1, 100);
	ends_run(&e);
	assert_int_equal(proto_session_taken(e.edge), 3);
	proto_session_grant(e.gw, 1, 100);
	ends_run(&e);
	assert_int_equal(proto_session_taken(e.edge), 3);
	expect_log(&e, "edge:up gw:up edge:credit gw:deliver gw:deliver gw:deliver edge:credit edge:credit edge:credit ");
	ends_free(&e);
}

static void credit_says(struct ends *e, uint32_t messages, uint64_t taken)
{
	Xfed__Credit c = XFED__CREDIT__INIT;
	Xfed__Frame f = XFED__FRAME__INIT;
	c.messages = messages;
	c.taken = taken;
	f.body_case = XFED__FRAME__BODY_CREDIT;
	f.credit = &c;
	inject_frame(e, e->edge, &f);
}

static void taken_beyond_what_was_sent_is_refused(void **state)
{
	struct ends e = { 0 };
	ends_up(&e);
	send_three(&e);
	credit_says(&e, 0, 3);
	assert_int_equal(proto_session_taken(e.edge), 3);
	assert_int_equal(e.edge_reason, XFED_REASON_NONE);
	credit_says(&e, 0, 4);
	assert_int_equal(e.edge_reason, XFED_REASON_CHANNEL_FRAME_BAD);
	ends_free(&e);
}

static void taken_never_goes_back(void **state)
{
	for (uint64_t back = 0; back < 2; back++) {
		struct ends e = { 0 };
		ends_up(&e);
		send_three(&e);
		credit_says(&e, 0, 2);
		credit_says(&e, 1, back);
		assert_int_equal(e.edge_reason, XFED_REASON_CHANNEL_FRAME_BAD);
		ends_free(&e);
	}
}

/* A peer of before the field. */
static void taken_may_be_absent(void **state)
{
	struct ends e = { 0 };
	ends_up(&e);
	send_three(&e);
	credit_says(&e, 5, 0);
	assert_int_equal(e.edge_reason, XFED_REASON_NONE);
	assert_int_equal(proto_session_taken(e.edge), 0);
	ends_free(&e);
}

/* ---- which outcomes were heard ---- */

static void settle_three(struct ends *e)
{
	Xfed__Outcome oc = XFED__OUTCOME__INIT;
	const Xfed__Outcome *list[] = { &oc };
	oc.fate = XFED__FATE__FATE_DELIVERED;
	for (oc.seq = 7; oc.seq <= 9; oc.seq++) {
		assert_int_equal(proto_session_settled(e->gw, list, 1), XFED_OK);
	}
	ends_run(e);
}

/* The next Deliver, or the next Ping, of the side that has taken them says so. */
static void outcomes_heard_are_told(void **state)
{
	for (int with_ping = 0; with_ping < 2; with_ping++) {
		struct ends e = { 0 };
		uint64_t seq = 0;
		ends_up(&e);
		settle_three(&e);
		assert_false(proto_session_next_heard(e.gw, &seq));
		if (with_ping) {
			ends_tick(&e, e.now + XFED_CHANNEL_PING_MS);
			ends_run(&e);
		} else {
			send_three(&e);
		}
		for (uint64_t expected = 7; expected <= 9; expected++) {
			assert_true(proto_session_next_heard(e.gw, &seq));
			assert_int_equal(seq, expected);
		}
		assert_false(proto_session_next_heard(e.gw, &seq));
		assert_false(proto_session_next_heard(e.edge, &seq));
		ends_free(&e);
	}
}

static void ping_says(struct ends *e, uint64_t outcomes_heard)
{
	Xfed__Ping p = XFED__PING__INIT;
	Xfed__Frame f = XFED__FRAME__INIT;
	p.id = 5;
	p.outcomes_heard = outcomes_heard;
	f.body_case = XFED__FRAME__BODY_PING;
	f.ping = &p;
	inject_frame(e, e->gw, &f);
}

/* More than were told, or fewer than before; saying nothing is what older peers do. */
static void a_count_of_outcomes_that_cannot_be_is_refused(void **state)
{
	static const struct {
		uint64_t first, second;
		enum xfed_reason reason;
	} rows[] = {
		{ 3, 3, XFED_REASON_NONE },
		{ 2, 0, XFED_REASON_NONE },
		{ 4, 0, XFED_REASON_CHANNEL_FRAME_BAD },
		{ 2, 1, XFED_REASON_CHANNEL_FRAME_BAD },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct ends e = { 0 };
		ends_up(&e);
		settle_three(&e);
		ping_says(&e, rows[i].first);
		if (e.gw_reason == XFED_REASON_NONE) {
			ping_says(&e, rows[i].second);
		}
		assert_int_equal(e.gw_reason, rows[i].reason);
		ends_free(&e);
	}
}

/* ---- keep-alive ---- */

static void pings_measure_and_find_the_dead(void **state)
{
	struct ends e = { .now = 1000 };
	ends_up(&e);
	assert_int_equal(proto_session_deadline(e.gw), 1000 + XFED_CHANNEL_PING_MS);
	ends_tick(&e, 1000 + XFED_CHANNEL_PING_MS);
	e.now += 3;
	ends_run(&e);
	assert_int_equal(proto_session_rtt_us(e.gw), 3000);
	assert_int_equal(proto_session_rtt_us(e.edge), 3000);

	/* Unanswered: nothing is carried any more. */
	uint64_t heard = e.now, next = proto_session_deadline(e.gw);
	ends_tick(&e, next);
	assert_int_equal(proto_session_deadline(e.gw), heard + XFED_CHANNEL_DEAD_MS);
	ends_tick(&e, heard + XFED_CHANNEL_DEAD_MS - 1);
	assert_false(e.gw_down);
	ends_tick(&e, heard + XFED_CHANNEL_DEAD_MS);
	assert_int_equal(e.gw_reason, XFED_REASON_CHANNEL_TIMEOUT);
	ends_free(&e);
}

/* A process that was stopped for a while does not take its peer for dead. */
static void a_late_tick_asks_first(void **state)
{
	struct ends e = { .now = 1000 };
	ends_up(&e);
	ends_tick(&e, 1000 + 60000);
	assert_false(e.gw_down);
	ends_run(&e);
	assert_false(e.gw_down);
	assert_true(proto_session_deadline(e.gw) > e.now);
	ends_free(&e);
}

static uint64_t seen_lowest;

static void note_lowest(struct ends *e, struct proto_session *s, const Xfed__Frame *f, size_t frame_bytes)
{
	if (s == e->gw && f->body_case == XFED__FRAME__BODY_PING) {
		seen_lowest = f->ping->lowest_unsettled;
	}
}

static void pings_carry_the_mark(void **state)
{
	struct ends e = { .now = 1000, .on_message = note_lowest };
	ends_up(&e);
	proto_session_set_lowest(e.edge, 77);
	ends_tick(&e, 1000 + XFED_CHANNEL_PING_MS);
	ends_run(&e);
	assert_int_equal(seen_lowest, 77);
	ends_free(&e);
}

static uint64_t wall[2]; /* of the gateway and the edge */

static uint64_t gw_wall_ms(void)
{
	return wall[0];
}

static uint64_t edge_wall_ms(void)
{
	return wall[1];
}

static void clocks_up(struct ends *e, bool edge_says)
{
	struct proto_session_config gw = ends_config(PROTO_GATEWAY), edge = ends_config(PROTO_EDGE);
	gw.wall_ms = gw_wall_ms;
	edge.wall_ms = edge_says ? edge_wall_ms : NULL;
	assert_int_equal(ends_new(e, &gw, &edge), XFED_OK);
	ends_run(e);
}

/* The edge is 100 s ahead; a ping is 3 ms under way with its answer. */
static void pings_compare_the_clocks(void **state)
{
	struct ends e = { .now = 1000 };
	wall[0] = 1780000000000;
	wall[1] = 1780000100000;
	clocks_up(&e, true);
	assert_false(proto_session_clock(e.gw).is_known);
	ends_tick(&e, 1000 + XFED_CHANNEL_PING_MS);
	e.now += 4;
	ends_run(&e);
	assert_true(proto_session_clock(e.gw).is_known);
	assert_int_equal(proto_session_clock(e.gw).ahead_ms, 100002);
	assert_int_equal(proto_session_clock(e.edge).ahead_ms, -99998);
	ends_free(&e);
}

/* A peer of before, or one whose own clock cannot be: nothing is known, and the link stays. */
static void a_clock_that_is_not_said_is_not_known(void **state)
{
	static const uint64_t walls[] = { 0, PROTO_WALL_MS_MAX + 1, UINT64_MAX };
	for (size_t i = 0; i <= XFED_ARRAY_LEN(walls); i++) {
		struct ends e = { .now = 1000 };
		wall[0] = 1780000000000;
		wall[1] = i < XFED_ARRAY_LEN(walls) ? walls[i] : 0;
		clocks_up(&e, i < XFED_ARRAY_LEN(walls));
		ends_tick(&e, 1000 + XFED_CHANNEL_PING_MS);
		ends_run(&e);
		assert_false(proto_session_clock(e.gw).is_known);
		assert_false(proto_session_clock(e.edge).is_known);
		assert_false(e.gw_down || e.edge_down);
		ends_free(&e);
	}
}

static void a_clock_that_cannot_be_ends_the_link(void **state)
{
	struct ends e = { .now = 1000 };
	Xfed__Pong p = XFED__PONG__INIT;
	Xfed__Frame f = XFED__FRAME__INIT;
	wall[0] = 1780000000000;
	clocks_up(&e, false);
	f.body_case = XFED__FRAME__BODY_PONG;
	f.pong = &p;
	p.wall_ms = PROTO_WALL_MS_MAX; /* of a pong nobody asked for: it is not looked at */
	inject_frame(&e, e.gw, &f);
	assert_false(proto_session_clock(e.gw).is_known);
	assert_int_equal(e.gw_reason, XFED_REASON_NONE);
	p.wall_ms++;
	inject_frame(&e, e.gw, &f);
	assert_int_equal(e.gw_reason, XFED_REASON_CHANNEL_FRAME_BAD);
	ends_free(&e);
}

/* ---- ends ---- */

static void close_tells_its_reason(void **state)
{
	struct ends e = { 0 };
	struct proto_event ev = { .type = PROTO_EV_CLOSE, .reason = XFED_REASON_CHANNEL_REPLACED, .text = "a newer link" };
	ends_up(&e);
	/* What was sent before still arrives before it. */
	assert_int_equal(proto_session_send(e.edge, sample("drain")), XFED_OK);
	proto_session_step(e.edge, &ev, e.now);
	ends_run(&e);
	expect_log(&e, "edge:up gw:up edge:channel.replaced gw:drain gw:channel.replaced ");
	assert_string_equal(e.gw_text, "the peer closed: a newer link");
	ends_free(&e);
}

static void end_of_file_comes_behind_the_messages(void **state)
{
	struct ends e = { 0 };
	struct xfed_buf out;
	struct proto_event bytes = { .type = PROTO_EV_BYTES }, eof = { .type = PROTO_EV_EOF };
	struct proto_action act;
	ends_up(&e);
	xfed_buf_init(&out, 1 << 20);
	assert_int_equal(proto_frame_write(&out, sample("withdraw")), XFED_OK);
	assert_int_equal(proto_frame_write(&out, sample("drain")), XFED_OK);
	bytes.bytes = xfed_buf_span(&out);
	proto_session_step(e.edge, &bytes, e.now);
	assert_int_equal(bytes.consumed, bytes.bytes.len);
	proto_session_step(e.edge, &eof, e.now);
	assert_true(proto_session_next(e.edge, &act));
	assert_int_equal(act.frame->body_case, XFED__FRAME__BODY_WITHDRAW);
	assert_true(proto_session_next(e.edge, &act));
	assert_int_equal(act.frame->body_case, XFED__FRAME__BODY_DRAIN);
	assert_true(proto_session_next(e.edge, &act));
	assert_int_equal(act.type, PROTO_ACT_DOWN);
	assert_int_equal(act.reason, XFED_REASON_CHANNEL_DOWN);
	assert_false(proto_session_next(e.edge, &act));
	xfed_buf_deinit(&out);
	ends_free(&e);
}

/* ---- back-pressure ---- */

static void a_driver_that_does_not_drain_is_not_fed(void **state)
{
	struct ends e = { 0 };
	struct xfed_buf out;
	struct proto_event ev = { .type = PROTO_EV_BYTES };
	size_t sent = 0, messages = 0, taken = 0;
	ends_up(&e);
	xfed_buf_init(&out, 4 << 20);
	for (; xfed_buf_len(&out) < 1 << 20; sent++) {
		assert_int_equal(proto_frame_write(&out, sample("request")), XFED_OK);
	}
	struct xfed_span all = xfed_buf_span(&out);
	for (;;) {
		ev.bytes = xfed_span_make(all.data + taken, all.len - taken);
		proto_session_step(e.edge, &ev, e.now);
		if (ev.consumed == 0) {
			break;
		}
		taken += ev.consumed;
	}
	assert_int_equal(taken, PROTO_FRAME_HEADER + XFED_FRAME_BYTES_MAX);
	/* Drained, it takes the rest, and nothing is lost. */
	for (struct proto_action act; taken < all.len || ev.consumed > 0;) {
		while (proto_session_next(e.edge, &act)) {
			messages += act.type == PROTO_ACT_MESSAGE;
		}
		ev.bytes = xfed_span_make(all.data + taken, all.len - taken);
		proto_session_step(e.edge, &ev, e.now);
		taken += ev.consumed;
	}
	assert_int_equal(messages, sent);
	xfed_buf_deinit(&out);
	ends_free(&e);
}

static void output_is_bounded(void **state)
{
	struct ends e = { 0 };
	uint8_t *stanza = calloc(1, 200000);
	Xfed__Deliver d = deliver(1, stanza, 200000);
	int rc = XFED_OK;
	ends_up(&e);
	proto_session_grant(e.gw, 1000, 1000000000);
	ends_run(&e);
	for (int i = 0; i < 1000 && rc == XFED_OK; i++) {
		rc = proto_session_deliver(e.edge, &d);
	}
	assert_int_equal(rc, XFED_ERR_AGAIN); /* the pace stops them long before that */
	rc = XFED_OK;
	for (int i = 0; i < 1000000 && rc == XFED_OK; i++) {
		rc = proto_session_send(e.edge, sample("counters"));
	}
	assert_int_equal(rc, XFED_ERR_LIMIT);
	assert_true(proto_session_output_bytes(e.edge) <= PROTO_OUTPUT_BULK_BYTES);
	/* Control passes where bulk does not, until nothing does: then the peer is dead. */
	rc = XFED_OK;
	for (int i = 0; i < 1000000 && rc == XFED_OK; i++) {
		rc = proto_session_send(e.edge, sample("settled"));
	}
	assert_int_equal(rc, XFED_ERR_STATE);
	assert_true(proto_session_output_bytes(e.edge) <= PROTO_OUTPUT_BYTES);
	struct proto_action act;
	assert_true(proto_session_next(e.edge, &act));
	assert_int_equal(act.type, PROTO_ACT_DOWN);
	assert_int_equal(act.reason, XFED_REASON_CHANNEL_TIMEOUT);
	free(stanza);
	ends_free(&e);
}

static void what_we_may_not_send_is_not_sent(void **state)
{
	struct ends e = { 0 };
	Xfed__Withdraw w = XFED__WITHDRAW__INIT;
	Xfed__Frame f = XFED__FRAME__INIT;
	f.body_case = XFED__FRAME__BODY_WITHDRAW;
	f.withdraw = &w;
	ends_up(&e);
	assert_int_equal(proto_session_send(e.gw, &f), XFED_ERR_INVALID); /* no number */
	assert_int_equal(proto_session_send(e.edge, sample("withdraw")), XFED_ERR_INVALID);
	assert_int_equal(proto_session_send(e.edge, sample("ping")), XFED_ERR_INVALID);
	assert_int_equal(proto_session_send(e.edge, sample("hello")), XFED_ERR_INVALID);
	ends_run(&e);
	expect_log(&e, "edge:up gw:up ");
	ends_free(&e);
}

static char heard_reason[64];
static size_t heard_text;

static void hear_failure(struct ends *e, struct proto_session *s, const Xfed__Frame *f, size_t frame_bytes)
{
	(void)e;
	(void)s;
	(void)frame_bytes;
	snprintf(heard_reason, sizeof(heard_reason), "%s", f->failure_event->reason);
	heard_text = strlen(f->failure_event->text);
}

/* A message of ours that breaks the limits is our fault: it is said, and what is left of the message is told. */
static void a_fault_of_ours_is_no_silence(void **state)
{
	struct ends e = { .on_message = hear_failure };
	Xfed__FailureEvent m = XFED__FAILURE_EVENT__INIT;
	Xfed__Frame f = XFED__FRAME__INIT;
	static char words[PROTO_TEXT_BYTES + 2];
	(void)state;
	memset(words, 'x', sizeof(words) - 1);
	m.reason = (char *)(uintptr_t) "tls.cert.expired";
	m.text = words;
	f.body_case = XFED__FRAME__BODY_FAILURE_EVENT;
	f.failure_event = &m;
	ends_up(&e);
	assert_int_equal(proto_session_refused(e.edge).count, 0);
	assert_int_equal(proto_session_send(e.edge, &f), XFED_OK);
	assert_int_equal(proto_session_send(e.edge, &f), XFED_OK);
	assert_int_equal(proto_session_send(e.edge, sample("withdraw")), XFED_ERR_INVALID);
	ends_run(&e);
	assert_string_equal(heard_reason, "tls.cert.expired");
	assert_int_equal(heard_text, 0);
	struct proto_refused r = proto_session_refused(e.edge);
	assert_int_equal(r.count, 3);
	assert_int_equal(r.body, XFED__FRAME__BODY_WITHDRAW);
	assert_non_null(r.problem);
	assert_int_equal(proto_session_refused(e.edge).count, 0);
	ends_free(&e);
}

static size_t outcomes_seen, numbers_seen, late_most;

static void count_outcomes(struct ends *e, struct proto_session *s, const Xfed__Frame *f, size_t frame_bytes)
{
	if (f->body_case == XFED__FRAME__BODY_SETTLED) {
		size_t late = 0;
		for (size_t i = 0; i < f->settled->n_outcomes; i++) {
			const Xfed__Outcome *oc = f->settled->outcomes[i];
			assert_int_equal(oc->seq, ++outcomes_seen);
			late += (size_t)(oc->side[0] != '\0') + (size_t)(oc->whose[0] != '\0');
		}
		late_most = late > late_most ? late : late_most;
	} else if (f->body_case == XFED__FRAME__BODY_ATTEMPTED) {
		for (size_t i = 0; i < f->attempted->n_seqs; i++) {
			assert_int_equal(f->attempted->seqs[i], ++numbers_seen);
		}
	}
}

static void long_lists_are_split(void **state)
{
	enum { COUNT = 2500 };
	struct ends e = { .on_message = count_outcomes };
	static Xfed__Outcome outcomes[COUNT];
	static const Xfed__Outcome *list[COUNT];
	static uint64_t seqs[COUNT];
	char text[PROTO_TEXT_BYTES + 1];
	memset(text, 't', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 0; i < COUNT; i++) {
		xfed__outcome__init(&outcomes[i]);
		outcomes[i].seq = i + 1;
		outcomes[i].fate = XFED__FATE__FATE_REFUSED;
		outcomes[i].text = text;
		list[i] = &outcomes[i];
		seqs[i] = i + 1;
	}
	outcomes_seen = numbers_seen = 0;
	ends_up(&e);
	assert_int_equal(proto_session_settled(e.gw, list, COUNT), XFED_OK);
	assert_int_equal(proto_session_attempted(e.gw, seqs, COUNT), XFED_OK);
	ends_run(&e);
	assert_int_equal(outcomes_seen, COUNT);
	assert_int_equal(numbers_seen, COUNT);
	assert_false(e.edge_down);
	ends_free(&e);
}

/* Peers of before read 64 fields in a frame that they do not know, and close the link over more. */
static void fields_that_came_later_are_few_in_a_frame(void **state)
{
	enum { COUNT = 1000 };
	struct ends e = { .on_message = count_outcomes };
	static Xfed__Outcome outcomes[COUNT];
	static const Xfed__Outcome *list[COUNT];
	char side[] = "partner", whose[] = "resolver", none[] = "";
	for (size_t i = 0; i < COUNT; i++) {
		xfed__outcome__init(&outcomes[i]);
		outcomes[i].seq = i + 1;
		outcomes[i].fate = XFED__FATE__FATE_REFUSED;
		outcomes[i].side = i % 7 == 0 ? none : side;
		outcomes[i].whose = i % 5 == 0 ? none : whose;
		list[i] = &outcomes[i];
	}
	outcomes_seen = late_most = 0;
	ends_up(&e);
	assert_int_equal(proto_session_settled(e.gw, list, COUNT), XFED_OK);
	ends_run(&e);
	assert_int_equal(outcomes_seen, COUNT);
	assert_in_range(late_most, 63, 64);
	ends_free(&e);
}

/* ---- TLS ---- */

static struct ca *ca, *other_ca;

static int tls_setup(void **state)
{
	ca = ca_new();
	other_ca = ca_new();
	return xfed_tls_global_init(ends_env());
}

static int tls_teardown(void **state)
{
	ca_free(ca);
	ca_free(other_ca);
	xfed_tls_global_deinit();
	return 0;
}

static void run_tls(struct ends *e, struct xfed_tls_creds *gw_creds, struct xfed_tls_creds *edge_creds)
{
	struct proto_session_config gw = ends_config(PROTO_GATEWAY), edge = ends_config(PROTO_EDGE);
	gw.plaintext_for_tests = edge.plaintext_for_tests = false;
	gw.creds = gw_creds;
	edge.creds = edge_creds;
	assert_int_equal(ends_new(e, &gw, &edge), XFED_OK);
	xfed_tls_creds_unref(gw_creds);
	xfed_tls_creds_unref(edge_creds);
	ends_run(e);
}

static void tls_carries_a_link(void **state)
{
	static const size_t chunks[] = { 0, 1, 7, 500, 4096 };
	for (size_t i = 0; i < XFED_ARRAY_LEN(chunks); i++) {
		struct ends e = { .chunk = chunks[i] };
		run_tls(&e, ca_creds(ca, "gw1.int.example", 0, ca), ca_creds(ca, "edge1.int.example", 0, ca));
		if (!proto_session_is_up(e.gw) || !proto_session_is_up(e.edge)) {
			fail_msg("chunks of %zu: %s (gw: %s; edge: %s)", chunks[i], e.log, e.gw_text, e.edge_text);
		}
		assert_string_equal(proto_session_peer(e.edge)->cert_name, "gw1.int.example");
		assert_string_equal(proto_session_peer(e.gw)->cert_name, "edge1.int.example");
		assert_string_equal(proto_session_peer(e.gw)->tls_version, "TLS1.3");
		proto_session_grant(e.gw, 10, 1000000);
		ends_run(&e);
		uint8_t *stanza = calloc(1, XFED_STANZA_BYTES_MAX);
		Xfed__Deliver d = deliver(1, stanza, i == 0 ? XFED_STANZA_BYTES_MAX : 3000);
		assert_int_equal(proto_session_deliver(e.edge, &d), XFED_OK);
		assert_int_equal(proto_session_withdraw(e.gw, 5), XFED_OK);
		ends_run(&e);
		assert_non_null(strstr(e.log, "gw:deliver "));
		assert_non_null(strstr(e.log, "edge:withdraw "));
		struct proto_event ev = { .type = PROTO_EV_CLOSE, .reason = XFED_REASON_STREAM_CLOSED_DRAIN, .text = "bye" };
		proto_session_step(e.gw, &ev, e.now);
		ends_run(&e);
		assert_int_equal(e.edge_reason, XFED_REASON_STREAM_CLOSED_DRAIN);
		free(stanza);
		ends_free(&e);
	}
}

static void tls_refuses_the_wrong_peer(void **state)
{
	static const struct {
		const char *name;
		const char *gw_dns, *edge_dns;
		unsigned gw_flags, edge_flags;
		bool gw_other, edge_other;
		bool gw_judges; /* else the edge */
		const char *text;
	} rows[] = {
		{ "edge under another name", "gw1.int.example", "edge2.int.example", 0, 0, false, false, true,
			"the edge's certificate does not carry its host or tls_name: it has dns:edge2.int.example" },
		{ "edge's CN is not its name", "gw1.int.example", "leaf.int.example", 0, 0, false, false, true,
			"the edge's certificate does not carry its host or tls_name" },
		{ "wildcard", "gw1.int.example", "*.int.example", 0, 0, false, false, true,
			"the edge's certificate does not carry its host or tls_name" },
		{ "edge of another CA", "gw1.int.example", "edge1.int.example", 0, 0, false, true, true, "tls.cert.untrusted" },
		{ "edge expired", "gw1.int.example", "edge1.int.example", 0, CERT_EXPIRED, false, false, true, "tls.cert.expired" },
		{ "edge with a client's certificate", "gw1.int.example", "edge1.int.example", 0, CERT_CLIENT_ONLY, false, false, true,
			"tls.cert.purpose" },
		{ "gateway not allowed", "gw2.int.example", "edge1.int.example", 0, 0, false, false, false,
			"the gateway's certificate carries no name of channel.allow: it has dns:gw2.int.example" },
		{ "gateway of another CA", "gw1.int.example", "edge1.int.example", 0, 0, true, false, false, "tls.cert.untrusted" },
		{ "gateway expired", "gw1.int.example", "edge1.int.example", CERT_EXPIRED, 0, false, false, false, "tls.cert.expired" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct ends e = { 0 };
		run_tls(&e, ca_creds(rows[i].gw_other ? other_ca : ca, rows[i].gw_dns, rows[i].gw_flags, ca),
			ca_creds(rows[i].edge_other ? other_ca : ca, rows[i].edge_dns, rows[i].edge_flags, ca));
		enum xfed_reason reason = rows[i].gw_judges ? e.gw_reason : e.edge_reason;
		const char *text = rows[i].gw_judges ? e.gw_text : e.edge_text;
		if (reason != XFED_REASON_CHANNEL_PEER_UNTRUSTED || !strstr(text, rows[i].text)) {
			fail_msg("%s: %s, \"%s\" (gw: %s; edge: %s)", rows[i].name, xfed_reason_code(reason), text, e.gw_text, e.edge_text);
		}
		/* Nobody came up, and the other end is told the reason too. */
		assert_null(strstr(e.log, rows[i].gw_judges ? "gw:up" : "edge:up"));
		assert_int_equal(rows[i].gw_judges ? e.edge_reason : e.gw_reason, XFED_REASON_CHANNEL_PEER_UNTRUSTED);
		ends_free(&e);
	}
}

static void garbage_instead_of_tls(void **state)
{
	struct proto_session_config cfg = ends_config(PROTO_EDGE), other = ends_config(PROTO_GATEWAY);
	struct ends e = { 0 };
	cfg.plaintext_for_tests = false;
	cfg.creds = ca_creds(ca, "edge1.int.example", 0, ca);
	assert_int_equal(ends_new(&e, &other, &cfg), XFED_OK); /* a gateway that speaks without TLS */
	xfed_tls_creds_unref(cfg.creds);
	ends_run(&e);
	assert_true(e.edge_down);
	assert_int_equal(e.edge_reason, XFED_REASON_TLS_HANDSHAKE_FAILED);
	ends_free(&e);
}

/* While a handshake step runs elsewhere, bytes wait and an end waits too. */
static void a_running_job_is_left_alone(void **state)
{
	struct proto_session_config gw = ends_config(PROTO_GATEWAY), edge = ends_config(PROTO_EDGE);
	struct ends e = { .now = 1000 };
	struct proto_action act;
	struct proto_event close = { .type = PROTO_EV_CLOSE, .reason = XFED_REASON_STREAM_CLOSED_DRAIN, .text = "stop" };
	struct proto_event bytes = { .type = PROTO_EV_BYTES, .bytes = XFED_SPAN("anything") };
	struct proto_event tick = { .type = PROTO_EV_TICK }, done = { .type = PROTO_EV_JOB_DONE };
	gw.plaintext_for_tests = false;
	gw.creds = ca_creds(ca, "gw1.int.example", 0, ca);
	assert_int_equal(ends_new(&e, &gw, &edge), XFED_OK);
	xfed_tls_creds_unref(gw.creds);
	assert_true(proto_session_next(e.gw, &act));
	assert_int_equal(act.type, PROTO_ACT_JOB);
	assert_true(proto_session_job_running(e.gw));
	assert_int_equal(proto_session_step(e.gw, &bytes, 1001), XFED_OK);
	assert_int_equal(bytes.consumed, 8);
	assert_int_equal(proto_session_step(e.gw, &close, 1002), XFED_OK);
	assert_int_equal(proto_session_step(e.gw, &tick, 1000 + XFED_CHANNEL_HELLO_MS), XFED_OK);
	assert_false(proto_session_next(e.gw, &act));
	assert_int_equal(xfed_buf_len(proto_session_output(e.gw)), 0);
	assert_int_equal(proto_session_deadline(e.gw), UINT64_MAX);
	proto_session_job_run(e.gw);
	assert_int_equal(proto_session_step(e.gw, &done, 20000), XFED_OK);
	assert_true(proto_session_next(e.gw, &act));
	assert_int_equal(act.type, PROTO_ACT_DOWN);
	assert_int_equal(act.reason, XFED_REASON_STREAM_CLOSED_DRAIN);
	assert_string_equal(act.text, "stop");
	ends_free(&e);
}

/* ---- sweeps ---- */

/* A conversation with something of everything. */
static void converse(struct ends *e)
{
	static uint8_t stanza[300] = "<message/>";
	Xfed__Deliver d = deliver(1, stanza, sizeof(stanza));
	proto_session_grant(e->gw, 3, 3000);
	proto_session_grant(e->edge, 3, 3000);
	ends_run(e);
	proto_session_deliver(e->edge, &d);
	proto_session_send(e->edge, sample("stream-event"));
	proto_session_send(e->edge, sample("counters"));
	d.seq = 2;
	proto_session_deliver(e->edge, &d);
	proto_session_deliver(e->gw, &d);
	proto_session_send(e->gw, sample("policy-begin"));
	proto_session_send(e->gw, sample("settled"));
	ends_run(e);
	ends_tick(e, e->now + XFED_CHANNEL_PING_MS);
	ends_run(e);
	struct proto_event ev = { .type = PROTO_EV_CLOSE, .reason = XFED_REASON_CHANNEL_REPLACED, .text = "done" };
	proto_session_step(e->gw, &ev, e->now);
	ends_run(e);
}

/* The actions of one end, in their order. */
static void actions_of(const char *log, const char *who, char *out)
{
	*out = '\0';
	for (const char *at = log; *at; at += strcspn(at, " ") + 1) {
		if (strncmp(at, who, strlen(who)) == 0) {
			strncat(out, at, strcspn(at, " ") + 1);
		}
	}
}

static void any_chunking_gives_the_same_actions(void **state)
{
	char first_gw[4096], first_edge[4096];
	for (size_t chunk = 0; chunk < 40; chunk++) {
		struct ends e = { .chunk = chunk };
		char gw[4096], edge[4096];
		ends_up(&e);
		converse(&e);
		actions_of(e.log, "gw:", gw);
		actions_of(e.log, "edge:", edge);
		if (chunk == 0) {
			strcpy(first_gw, gw);
			strcpy(first_edge, edge);
			assert_string_equal(gw, "gw:up gw:credit gw:deliver gw:stream-event gw:counters gw:deliver gw:channel.replaced ");
			assert_string_equal(edge, "edge:up edge:credit edge:deliver edge:policy-begin edge:settled edge:channel.replaced ");
		}
		assert_string_equal(gw, first_gw);
		assert_string_equal(edge, first_edge);
		ends_free(&e);
	}
}

static long fail_at, allocations;

static void *failing_malloc(size_t size)
{
	return allocations++ == fail_at ? NULL : malloc(size);
}
static void *failing_realloc(void *p, size_t size)
{
	return allocations++ == fail_at ? NULL : realloc(p, size);
}

static void every_allocation_may_fail(void **state)
{
	static const struct xfed_mem_hooks hooks = { failing_malloc, failing_realloc, free };
	xfed_mem_set_hooks(&hooks);
	for (fail_at = 0;; fail_at++) {
		struct proto_session_config gw = ends_config(PROTO_GATEWAY), edge = ends_config(PROTO_EDGE);
		struct ends e = { 0 };
		allocations = 0;
		if (ends_new(&e, &gw, &edge) == XFED_OK) {
			ends_run(&e);
			converse(&e);
			/* It ended for both, one way or the other. */
			if (!e.gw_down || !e.edge_down) {
				fail_msg("allocation %ld: %s", fail_at, e.log);
			}
		}
		ends_free(&e);
		if (allocations <= fail_at) {
			break;
		}
	}
	xfed_mem_set_hooks(NULL);
	assert_true(fail_at > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_makes_a_link),
		cmocka_unit_test(versions),
		cmocka_unit_test(no_hello_in_time),
		cmocka_unit_test(what_is_not_legal_ends_the_link),
		cmocka_unit_test(garbage_ends_the_link),
		cmocka_unit_test(an_unknown_message_is_skipped),
		cmocka_unit_test(deliver_needs_credit),
		cmocka_unit_test(taken_is_told),
		cmocka_unit_test(taken_beyond_what_was_sent_is_refused),
		cmocka_unit_test(taken_never_goes_back),
		cmocka_unit_test(taken_may_be_absent),
		cmocka_unit_test(outcomes_heard_are_told),
		cmocka_unit_test(a_count_of_outcomes_that_cannot_be_is_refused),
		cmocka_unit_test(grants_of_a_turn_travel_together),
		cmocka_unit_test(a_grant_beyond_measure_is_refused),
		cmocka_unit_test(pings_measure_and_find_the_dead),
		cmocka_unit_test(a_late_tick_asks_first),
		cmocka_unit_test(pings_carry_the_mark),
		cmocka_unit_test(pings_compare_the_clocks),
		cmocka_unit_test(a_clock_that_is_not_said_is_not_known),
		cmocka_unit_test(a_clock_that_cannot_be_ends_the_link),
		cmocka_unit_test(close_tells_its_reason),
		cmocka_unit_test(end_of_file_comes_behind_the_messages),
		cmocka_unit_test(a_driver_that_does_not_drain_is_not_fed),
		cmocka_unit_test(output_is_bounded),
		cmocka_unit_test(what_we_may_not_send_is_not_sent),
		cmocka_unit_test(a_fault_of_ours_is_no_silence),
		cmocka_unit_test(long_lists_are_split),
		cmocka_unit_test(fields_that_came_later_are_few_in_a_frame),
		cmocka_unit_test(tls_carries_a_link),
		cmocka_unit_test(tls_refuses_the_wrong_peer),
		cmocka_unit_test(garbage_instead_of_tls),
		cmocka_unit_test(a_running_job_is_left_alone),
		cmocka_unit_test(any_chunking_gives_the_same_actions),
		cmocka_unit_test(every_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, tls_setup, tls_teardown);
}
