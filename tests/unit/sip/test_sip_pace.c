/* The pace of requests over UDP: how many leave when, in which order, and for whom it is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "transcript.h"
#include "xfed/limits.h"

#define BURST XFED_SIP_PACE_BURST

static struct play play;
static unsigned order[1000]; /* the branches of what has left, as numbers */
static size_t left;

static int setup(void **state)
{
	struct sip_layer_config config = play_config();
	play = (struct play){ .transport = SIP_UDP };
	left = 0;
	return play_new(&config, &play_user, &play.layer);
}

static int teardown(void **state)
{
	sip_layer_free(play.layer);
	return 0;
}

static void take_actions(void)
{
	struct sip_layer_action act;
	while (sip_layer_next(play.layer, &act)) {
		if (act.kind == SIP_ACT_SEND) {
			const char *branch = memmem(act.bytes.data, act.bytes.len, "z9hG4bK", 7);
			assert_non_null(branch);
			assert_true(left < XFED_ARRAY_LEN(order));
			order[left++] = (unsigned)strtoul(branch + 7, NULL, 10);
		}
	}
}

static void call_to(const char *ip, enum sip_transport transport, unsigned number, uint64_t at_ms)
{
	char branch[16];
	snprintf(branch, sizeof(branch), "%u", number);
	struct sip_layer_request r = play_request(transport, "MESSAGE", branch);
	snprintf(r.target.ip, sizeof(r.target.ip), "%s", ip);
	assert_int_equal(sip_layer_request(play.layer, &r, at_ms, &play.client_txn), XFED_OK);
	take_actions();
}

static void call(unsigned number, uint64_t at_ms)
{
	call_to(PEER_IP, SIP_UDP, number, at_ms);
}

/* All that is due, as the driver does. */
static void tick(uint64_t at_ms)
{
	while (sip_layer_deadline(play.layer) <= at_ms) {
		sip_layer_step(play.layer, &(struct sip_layer_event){ .kind = SIP_LAYER_TICK }, at_ms);
		take_actions();
	}
}

static void answer(unsigned number, uint64_t at_ms)
{
	char branch[16];
	snprintf(branch, sizeof(branch), "%u", number);
	struct row r = { at_ms, RESPONSE, "MESSAGE", branch, 200 };
	assert_int_equal(receive_response(&play, &r), XFED_OK);
	take_actions();
}

static void a_burst_leaves_in_batches_and_in_order(void **state)
{
	for (unsigned i = 0; i < 4 * BURST; i++) {
		call(i, 10);
	}
	assert_int_equal(left, BURST);
	for (unsigned batch = 1; batch < 4; batch++) {
		uint64_t due = 10 + batch * XFED_SIP_PACE_MS;
		assert_int_equal(sip_layer_deadline(play.layer), due);
		tick(due - 1);
		assert_int_equal(left, batch * BURST);
		tick(due);
		assert_int_equal(left, (batch + 1) * BURST);
	}
	for (unsigned i = 0; i < left; i++) {
		assert_int_equal(order[i], i);
	}
	assert_int_equal(sip_layer_deadline(play.layer), 510); /* the first repetition */
}

/* What comes later stands behind what waits, though there would be room for it. */
static void nothing_overtakes(void **state)
{
	for (unsigned i = 0; i <= BURST; i++) {
		call(i, 0);
	}
	call(BURST + 1, 1);
	assert_int_equal(left, BURST);
	tick(XFED_SIP_PACE_MS);
	assert_int_equal(left, BURST + 2);
	assert_int_equal(order[BURST], BURST);
	assert_int_equal(order[BURST + 1], BURST + 1);
}

/* The pace is one of time: whether anything is answered makes no difference. */
static void what_is_unanswered_holds_up_nothing(void **state)
{
	uint64_t now = 0;
	for (unsigned i = 0; i < 400; i++, now++) {
		call(i, now);
		assert_int_equal(left, i + 1);
	}
}

static void places_do_not_wait_for_each_other(void **state)
{
	unsigned at_once = 0;
	for (unsigned i = 0; i <= BURST; i++) {
		call(i, 0);
	}
	/* One of eight may share the pace of the first by its hash, not all. */
	for (unsigned i = 0; i < 8; i++) {
		char ip[SIP_IP_SIZE];
		snprintf(ip, sizeof(ip), "198.51.100.%u", i);
		size_t before = left;
		call_to(ip, SIP_UDP, 500 + i, 0);
		at_once += left - before;
	}
	assert_true(at_once >= 4);
}

static void streams_have_no_pace(void **state)
{
	for (unsigned i = 0; i < 3 * BURST; i++) {
		call_to(PEER_IP, SIP_TCP, i, 0);
	}
	assert_int_equal(left, 3 * BURST);
}

/* A repetition waits its turn like a first one; what has its answer meanwhile does not leave any more. */
static void repetitions_count(void **state)
{
	for (unsigned i = 0; i < 2 * BURST; i++) {
		call(i, 0);
	}
	tick(XFED_SIP_PACE_MS);
	assert_int_equal(left, 2 * BURST);
	left = 0;
	for (unsigned i = 0; i < BURST; i++) {
		call(300 + i, 499);
	}
	tick(500); /* 32 of the repetitions leave, the others wait */
	call(400, 500);
	assert_int_equal(left, BURST + XFED_SIP_PACE_PER_MS);
	for (unsigned i = 0; i < 2 * BURST; i++) {
		answer(i, 501);
	}
	left = 0;
	tick(600);
	assert_int_equal(left, 1);
	assert_int_equal(order[0], 400);
	assert_true(sip_layer_deadline(play.layer) > 600);
}

/* Thousands at once: the memory and time of a turn stay bounded, and each leaves once. */
static void a_long_queue(void **state)
{
	uint64_t now = 0;
	for (unsigned i = 0; i < 900; i++) {
		call(i, now);
	}
	while (left < 900) {
		uint64_t due = sip_layer_deadline(play.layer);
		size_t before = left;
		assert_true(due > now && due <= now + XFED_SIP_PACE_MS);
		now = due;
		tick(now);
		assert_true(left - before <= BURST);
	}
	for (unsigned i = 0; i < 900; i++) {
		assert_int_equal(order[i], i);
	}
	assert_true(now <= 900 / XFED_SIP_PACE_PER_MS + XFED_SIP_PACE_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_burst_leaves_in_batches_and_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_overtakes, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_unanswered_holds_up_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(places_do_not_wait_for_each_other, setup, teardown),
		cmocka_unit_test_setup_teardown(streams_have_no_pace, setup, teardown),
		cmocka_unit_test_setup_teardown(repetitions_count, setup, teardown),
		cmocka_unit_test_setup_teardown(a_long_queue, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
