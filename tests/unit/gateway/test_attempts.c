/*
 * When an attempt towards SIP begins, and what its end means for those behind it (the delivery contract: Attempts 1, 3 and 4,
 * Time, Order). The real to_sip_send.c between stand-ins of its neighbours, so that time, links and answers are events.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway.h"
#include "xfed/mem.h"

#define SEQS	 16
#define DEADLINE 60000

static uint64_t now;
static struct gateway g;
static struct gateway_config config;
static struct gateway_link link_of_edge;
static struct proto_inbox_run *edge;
static bool is_up, hop_is_slow;

static struct sip_location where[2] = {
	{ .transport = SIP_TCP, .address = { 192, 0, 2, 1 }, .port = 5060, .tls_name = "" },
	{ .transport = SIP_TCP, .address = { 192, 0, 2, 2 }, .port = 5060, .tls_name = "" },
};
static const struct sip_locations places = { .reason = XFED_REASON_NONE, .list = where, .count = 2 };

/* What has become of each delivery. */
static struct {
	bool was_asked, was_sent;
	unsigned sent;
	uint64_t cookie;
	struct trunk_send *wants_hop;
	bool has_end;
	Xfed__Fate fate;
	enum xfed_reason reason;
} seen[SEQS];

/* ---- the neighbours ---- */

uint64_t rt_loop_now_ms(const struct rt_loop *loop)
{
	return now;
}

const struct gateway_config *policy_config(const struct policy *p)
{
	return &config;
}

void rt_daemon_flush_soon(struct rt_daemon *d)
{
}

static uint64_t seq_of_cookie(uint64_t cookie)
{
	return cookie - 100;
}

static void note_end(uint64_t seq, Xfed__Fate fate, enum xfed_reason reason)
{
	assert_true(seq < SEQS);
	assert_false(seen[seq].has_end); /* exactly one fate */
	seen[seq].has_end = true;
	seen[seq].fate = fate;
	seen[seq].reason = reason;
	proto_inbox_settle(g.inbox, edge,
		&(Xfed__Outcome){ PROTOBUF_C_MESSAGE_INIT(&xfed__outcome__descriptor), .seq = seq, .fate = fate, .condition = (char *)(uintptr_t) "",
			.error_type = (char *)(uintptr_t) "", .text = (char *)(uintptr_t) "", .reason = (char *)(uintptr_t) "",
			.rule = (char *)(uintptr_t) "", .address = (char *)(uintptr_t) "" },
		NULL, now);
}

void gateway_end_delivery(struct gateway *gw, const struct gateway_tag *t, const struct gateway_end *e)
{
	note_end(t->seq, e->fate, e->fate == XFED__FATE__FATE_REFUSED ? e->error.reason : e->reason);
}

void gateway_refuse_delivery(struct gateway *gw, const struct gateway_tag *t, enum xfed_reason reason, const char *text)
{
	note_end(t->seq, XFED__FATE__FATE_REFUSED, reason);
}

struct gateway_link *gateway_link_of_run(struct gateway *gw, const struct proto_inbox_run *run)
{
	return is_up ? &link_of_edge : NULL;
}

int proto_session_attempted(struct proto_session *s, const uint64_t *seqs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		seen[seqs[i]].was_asked = true;
	}
	return XFED_OK;
}

struct trunk_hop_facts trunk_hop_facts(const struct trunk_hop *h)
{
	return (struct trunk_hop_facts){ .label = "tcp:192.0.2.1:5060" };
}

bool trunk_hop_load(struct trunk_hop *h, size_t bytes)
{
	return true;
}

void trunk_hop_unload(struct trunk_hop *h, size_t bytes)
{
}

static void hop_answers(struct trunk_send *s)
{
	struct sip_failed_places none = { .count = 0 };
	assert_int_equal(sip_failover_new(&places, &none, now, &s->places), XFED_OK);
	gateway_out_hop_ready(&g, s);
}

void trunk_want(struct trunk_send *s)
{
	struct gateway_outgoing *o = (struct gateway_outgoing *)((char *)s - offsetof(struct gateway_outgoing, send));
	seen[o->tag.seq].wants_hop = s;
	if (!hop_is_slow) {
		hop_answers(s);
	}
}

void trunk_send_end(struct trunk_send *s)
{
	sip_failover_free(s->places);
}

void trunk_send_answered(struct trunk_send *s, struct xfed_span method, int status)
{
}

void trunk_send_timed_out(struct trunk_send *s)
{
}

void trunk_send_broken(struct trunk_send *s, bool was_written)
{
}

void trunk_send_unreached(struct trunk_send *s)
{
}

bool trunk_send_next_place(struct trunk_send *s, enum sip_attempt_end how, int status, bool was_written)
{
	return sip_failover_next(s->places, how, status, was_written);
}

int trunk_request(struct trunk *t, const struct sip_layer_request *rq, uint64_t *txn)
{
	uint64_t seq = seq_of_cookie(rq->cookie);
	assert_true(seq < SEQS && !seen[seq].has_end);
	seen[seq].was_sent = true;
	seen[seq].sent++;
	*txn = rq->cookie;
	return XFED_OK;
}

void core_id(const struct core *c, enum core_id_use use, struct xfed_span name, uint64_t nonce, uint64_t seq, struct core_id *out)
{
	*out = (struct core_id){ .text = "0123456789abcdef0123456789abcdef", .number = seq };
}

void rt_metric_add(struct rt_metrics *m, enum rt_metric_id id, uint64_t n, const struct xfed_span *labels, size_t count)
{
}

/* ---- the script ---- */

static int setup(void **state)
{
	memset(&g, 0, sizeof(g));
	memset(seen, 0, sizeof(seen));
	memset(&link_of_edge, 0, sizeof(link_of_edge));
	rt_log_set_level(RT_LOG_ERROR);
	now = 1000000;
	g.core.d.loop = (struct rt_loop *)&g; /* only asked for the time, see above */
	config.sip.advertise = (char *)(uintptr_t) "fe.corp.example";
	hop_is_slow = false;
	is_up = true;
	g.links = &link_of_edge;
	g.link_count = 1;
	link_of_edge.gw = &g;
	assert_int_equal(recipients_new(&(struct recipients_limits){ 256, 512 * 1024 }, &g.recipients), XFED_OK);
	assert_int_equal(proto_inbox_new(0, &g.inbox), XFED_OK);
	edge = proto_inbox_link_up(g.inbox, XFED_SPAN("edge1"), 7, 1, now);
	assert_non_null(edge);
	assert_int_equal(proto_inbox_reserve(g.inbox, edge, SEQS), SEQS);
	return 0;
}

static int teardown(void **state)
{
	gateway_out_free_all(&g);
	recipients_free(g.recipients);
	proto_inbox_free(g.inbox);
	return 0;
}

/* A delivery arrives, with so much time left. */
static void take(uint64_t seq, const char *to, uint64_t left_ms)
{
	enum proto_inbox_verdict verdict;
	struct proto_inbox_entry *entry;
	struct gateway_outgoing *o = xfed_calloc(1, sizeof(*o));
	assert_non_null(o);
	o->gw = &g;
	o->id = seq + 100;
	o->max_request = 15 * 1024;
	o->item.bytes = 100;
	o->item.deadline_ms = now + left_ms;
	o->tag = (struct gateway_tag){ .run = edge, .seq = seq, .added_ms = now };
	o->uri = xfed_span_str(to);
	o->from_uri = XFED_SPAN("sip:alice@partner.example");
	o->body = XFED_SPAN("hello");
	assert_int_equal(proto_inbox_receive(g.inbox, edge, seq, now, &verdict, &entry), XFED_OK);
	assert_int_equal(gateway_out_add(o), XFED_OK);
	proto_inbox_find(g.inbox, edge, seq)->cookie = o->id;
}

static void ack(uint64_t seq)
{
	assert_int_equal(proto_inbox_acked(g.inbox, edge, seq), XFED_OK);
	gateway_out_acked(&g, edge, seq);
	gateway_out_pump(&g);
}

/* Up to the first byte: the edge has answered. */
static void take_and_send(uint64_t seq, const char *to)
{
	take(seq, to, DEADLINE);
	gateway_out_pump(&g);
	assert_true(seen[seq].was_asked && !seen[seq].was_sent);
	ack(seq);
	assert_int_equal(seen[seq].sent, 1);
}

static void lose_link(void)
{
	is_up = false;
	proto_inbox_link_lost(g.inbox, edge, now);
	gateway_out_link_lost(&link_of_edge);
}

static void answer(uint64_t seq, int status)
{
	struct sip_message m = { .status = status, .reason = XFED_SPAN("Words") };
	gateway_out_response(&g, seq + 100, &m);
	gateway_out_pump(&g);
}

static void assert_ended(uint64_t seq, Xfed__Fate fate, enum xfed_reason reason)
{
	if (!seen[seq].has_end || seen[seq].fate != fate || seen[seq].reason != reason) {
		fail_msg("delivery %d: end %d, fate %d, %s", (int)seq, seen[seq].has_end, seen[seq].fate, xfed_reason_code(seen[seq].reason));
	}
}

static void assert_waits(uint64_t seq)
{
	assert_false(seen[seq].has_end);
	assert_false(seen[seq].was_sent);
}

/* ---- behind one that got no answer ---- */

static void those_behind_a_timer_f_are_refused_at_once(void **state)
{
	(void)state;
	take_and_send(1, "sip:zoe@corp.example");
	take(2, "sip:zoe@corp.example", DEADLINE);
	take(3, "sip:zoe@corp.example", DEADLINE);
	take_and_send(4, "sip:bob@corp.example");
	now += XFED_SIP_TIMER_F_MS / 2;
	gateway_out_tick(&g);
	gateway_out_pump(&g);
	assert_waits(2);
	assert_waits(3);
	now += XFED_SIP_TIMER_F_MS / 2;
	gateway_out_timeout(&g, 101, true);
	assert_ended(1, XFED__FATE__FATE_UNCERTAIN, XFED_REASON_SIP_SERVER_TIMEOUT);
	assert_ended(2, XFED__FATE__FATE_REFUSED, XFED_REASON_SIP_SERVER_TIMEOUT);
	assert_ended(3, XFED__FATE__FATE_REFUSED, XFED_REASON_SIP_SERVER_TIMEOUT);
	gateway_out_pump(&g);
	assert_int_equal(seen[2].sent + seen[3].sent, 0);
	assert_false(seen[4].has_end);		  /* somebody else's */
	take_and_send(5, "sip:zoe@corp.example"); /* and what comes later has its own try */
}

static void the_same_behind_a_408_and_where_nothing_was_written(void **state)
{
	(void)state;
	take_and_send(1, "sip:zoe@corp.example");
	take(2, "sip:zoe@corp.example", DEADLINE);
	answer(1, 408);
	assert_ended(2, XFED__FATE__FATE_REFUSED, XFED_REASON_SIP_SERVER_TIMEOUT);
	take_and_send(3, "sip:bob@corp.example");
	take(4, "sip:bob@corp.example", DEADLINE);
	gateway_out_timeout(&g, 103, false);
	assert_ended(3, XFED__FATE__FATE_REFUSED, XFED_REASON_SIP_SERVER_UNREACHABLE);
	assert_ended(4, XFED__FATE__FATE_REFUSED, XFED_REASON_SIP_SERVER_TIMEOUT);
}

static void behind_any_other_answer_the_next_one_goes(void **state)
{
	(void)state;
	static const int statuses[] = { 200, 404, 486, 500 };
	for (uint64_t i = 0; i < XFED_ARRAY_LEN(statuses); i++) {
		take_and_send(2 * i + 1, "sip:zoe@corp.example");
		take(2 * i + 2, "sip:zoe@corp.example", DEADLINE);
		answer(2 * i + 1, statuses[i]);
		assert_true(seen[2 * i + 1].has_end && seen[2 * i + 2].was_asked);
		ack(2 * i + 2);
		assert_int_equal(seen[2 * i + 2].sent, 1);
		answer(2 * i + 2, 200);
	}
}

/* ---- without a link (Attempts 4) ---- */

/* Acknowledged, and waiting for the addresses of its next hop when the link goes. */
static void wait_for_addresses(uint64_t seq)
{
	hop_is_slow = true;
	take(seq, "sip:zoe@corp.example", DEADLINE);
	gateway_out_pump(&g);
	ack(seq);
	assert_waits(seq);
	lose_link();
}

static void an_attempt_may_begin_within_ten_seconds_without_a_link(void **state)
{
	(void)state;
	wait_for_addresses(1);
	now += GATEWAY_LINK_GONE_MS;
	hop_answers(seen[1].wants_hop);
	gateway_out_pump(&g);
	assert_int_equal(seen[1].sent, 1);
	assert_false(seen[1].has_end);
}

static void none_begins_later(void **state)
{
	(void)state;
	wait_for_addresses(1);
	now += GATEWAY_LINK_GONE_MS + 1;
	hop_answers(seen[1].wants_hop);
	gateway_out_pump(&g);
	assert_int_equal(seen[1].sent, 0);
	assert_ended(1, XFED__FATE__FATE_REFUSED, XFED_REASON_CHANNEL_DOWN);
}

static void nor_does_the_next_place_get_it_then(void **state)
{
	(void)state;
	take_and_send(1, "sip:zoe@corp.example");
	take_and_send(2, "sip:bob@corp.example");
	lose_link();
	now += GATEWAY_LINK_GONE_MS;
	answer(1, 503);
	assert_int_equal(seen[1].sent, 2); /* in time: the second place */
	now += 1;
	answer(2, 503);
	assert_int_equal(seen[2].sent, 1);
	assert_ended(2, XFED__FATE__FATE_REFUSED, XFED_REASON_SIP_SERVER_ERROR); /* what the first place said */
	gateway_out_broken(&g, 101, false);
	assert_int_equal(seen[1].sent, 2);
	assert_true(seen[1].has_end);
}

static void whoever_was_not_acknowledged_waits_for_the_link(void **state)
{
	(void)state;
	take_and_send(1, "sip:zoe@corp.example");
	take(2, "sip:zoe@corp.example", DEADLINE);
	lose_link();
	now += GATEWAY_LINK_GONE_MS + 1;
	answer(1, 200);
	gateway_out_tick(&g);
	gateway_out_pump(&g);
	assert_waits(2);
	/* The end of that run: nobody knows who has it. */
	gateway_out_run_ended(&g, edge, false);
	assert_ended(2, XFED__FATE__FATE_UNCERTAIN, XFED_REASON_DELIVERY_UNCERTAIN);
	assert_int_equal(seen[2].sent, 0);
}

static void what_is_taken_over_is_ours_however_long_the_link_is_gone(void **state)
{
	(void)state;
	take_and_send(1, "sip:zoe@corp.example");
	take(2, "sip:zoe@corp.example", DEADLINE);
	lose_link();
	now += GATEWAY_LINK_GONE_MS;
	proto_inbox_end_run(edge);
	gateway_out_run_ended(&g, edge, true);
	now += 5000;
	answer(1, 200);
	assert_int_equal(seen[2].sent, 1);
}

/* ---- with little time left (Time) ---- */

static void an_attempt_needs_thirty_three_seconds(void **state)
{
	(void)state;
	take(1, "sip:zoe@corp.example", XFED_DELIVERY_SIP_LEFT_MS);
	gateway_out_pump(&g);
	ack(1);
	assert_int_equal(seen[1].sent, 1);
	take(2, "sip:bob@corp.example", XFED_DELIVERY_SIP_LEFT_MS - 1);
	gateway_out_pump(&g);
	assert_false(seen[2].was_asked);
	assert_ended(2, XFED__FATE__FATE_REFUSED, XFED_REASON_DELIVERY_DEADLINE);
}

static void its_time_may_pass_at_every_step(void **state)
{
	(void)state;
	const uint64_t spare = 10;
	/* waiting behind another one */
	take_and_send(1, "sip:zoe@corp.example");
	take(2, "sip:zoe@corp.example", XFED_DELIVERY_SIP_LEFT_MS + spare);
	/* asked, not answered */
	take(3, "sip:bob@corp.example", XFED_DELIVERY_SIP_LEFT_MS + spare);
	gateway_out_pump(&g);
	assert_true(seen[3].was_asked);
	/* acknowledged, the addresses are not there */
	hop_is_slow = true;
	take(4, "sip:eve@corp.example", XFED_DELIVERY_SIP_LEFT_MS + spare);
	gateway_out_pump(&g);
	ack(4);
	hop_is_slow = false;
	/* at its first place */
	take(5, "sip:dan@corp.example", XFED_DELIVERY_SIP_LEFT_MS + spare);
	gateway_out_pump(&g);
	ack(5);
	assert_int_equal(seen[5].sent, 1);

	now += spare;
	gateway_out_tick(&g);
	assert_waits(2);
	assert_waits(3);
	now += 1;
	gateway_out_tick(&g);
	assert_ended(2, XFED__FATE__FATE_REFUSED, XFED_REASON_DELIVERY_DEADLINE);
	assert_ended(3, XFED__FATE__FATE_REFUSED, XFED_REASON_DELIVERY_DEADLINE);
	hop_answers(seen[4].wants_hop);
	gateway_out_pump(&g);
	assert_ended(4, XFED__FATE__FATE_REFUSED, XFED_REASON_DELIVERY_DEADLINE);
	answer(5, 503);
	assert_int_equal(seen[5].sent, 1);
	assert_ended(5, XFED__FATE__FATE_REFUSED, XFED_REASON_SIP_SERVER_ERROR);
	assert_int_equal(seen[2].sent + seen[3].sent + seen[4].sent, 0);
}

static void an_answer_of_the_edge_that_comes_too_late_begins_nothing(void **state)
{
	(void)state;
	take(1, "sip:zoe@corp.example", XFED_DELIVERY_SIP_LEFT_MS + 10);
	gateway_out_pump(&g);
	now += 11;
	ack(1);
	assert_int_equal(seen[1].sent, 0);
	assert_ended(1, XFED__FATE__FATE_REFUSED, XFED_REASON_DELIVERY_DEADLINE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(those_behind_a_timer_f_are_refused_at_once),
		T(the_same_behind_a_408_and_where_nothing_was_written),
		T(behind_any_other_answer_the_next_one_goes),
		T(an_attempt_may_begin_within_ten_seconds_without_a_link),
		T(none_begins_later),
		T(nor_does_the_next_place_get_it_then),
		T(whoever_was_not_acknowledged_waits_for_the_link),
		T(what_is_taken_over_is_ours_however_long_the_link_is_gone),
		T(an_attempt_needs_thirty_three_seconds),
		T(its_time_may_pass_at_every_step),
		T(an_answer_of_the_edge_that_comes_too_late_begins_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
