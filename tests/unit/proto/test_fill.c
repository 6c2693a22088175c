/* What is filled in for the other side always passes the checks, however long and odd what comes from elsewhere is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/fill.h"
#include "proto/frame.h"
#include "proto/outcome.h"
#include "xfed/limits.h"
#include "xfed/mem.h"

static uint32_t state_of_chance = 1;

static uint32_t chance(uint32_t below)
{
	state_of_chance = state_of_chance * 1664525u + 1013904223u;
	return (state_of_chance >> 8) % below;
}

/* Of any length up to `max`: ASCII, characters of two to four bytes, controls, bytes that are no UTF-8. */
static char *any_text(size_t max)
{
	static const char *const parts[] = { "a", "z", ".", "é", "€", "\xf0\x9f\x98\x80", "\n", "\x7f", "\xff", "\xc3", "\xe2\x82", "\xed\xa0\x80",
		" " };
	size_t want = chance(4) == 0 ? max : chance((uint32_t)max + 1), len = 0;
	char *s = malloc(max + 8);
	assert_non_null(s);
	bool is_plain = chance(2);
	while (len < want) {
		const char *p = parts[is_plain ? chance(2) : chance(XFED_ARRAY_LEN(parts))];
		memcpy(s + len, p, strlen(p));
		len += strlen(p);
	}
	s[len] = '\0';
	return s;
}

static void expect_sendable(const char *what, const Xfed__Frame *f)
{
	const char *problem = proto_check(f);
	if (problem) {
		fail_msg("%s: %s", what, problem);
	}
	struct xfed_buf out;
	struct proto_frame_reader r;
	const Xfed__Frame *read;
	bool nomem;
	xfed_buf_init(&out, 2 * XFED_FRAME_BYTES_MAX);
	proto_frame_reader_init(&r);
	assert_int_equal(proto_frame_write(&out, f), XFED_OK);
	assert_int_equal(proto_frame_feed(&r, xfed_buf_span(&out), &nomem), xfed_buf_len(&out));
	if (proto_frame_next(&r, &read) != PROTO_FRAME_MESSAGE) {
		fail_msg("%s: the other side refuses it: %s", what, r.problem);
	}
	proto_frame_reader_deinit(&r);
	xfed_buf_deinit(&out);
}

#define NAMES_MAX 300

static void any_facts_can_be_told(void **state)
{
	(void)state;
	for (int round = 0; round < 300; round++) {
		char *texts[6], *names[NAMES_MAX], *details[40];
		struct proto_fill_step steps[40];
		for (size_t i = 0; i < XFED_ARRAY_LEN(texts); i++) {
			texts[i] = any_text(5000);
		}
		size_t name_count = chance(NAMES_MAX + 1), step_count = chance(XFED_ARRAY_LEN(steps) + 1);
		for (size_t i = 0; i < name_count; i++) {
			names[i] = any_text(400);
		}
		for (size_t i = 0; i < step_count; i++) {
			details[i] = any_text(3000);
			steps[i] = (struct proto_fill_step){ chance(100000), details[i], chance(2), details[i] };
		}
		struct xfed_cert_facts facts = { .subject = texts[0],
			.issuer = texts[1],
			.serial_hex = texts[2],
			.sha256_hex = texts[3],
			.names = (const char *const *)(void *)names,
			.name_count = name_count };
		struct proto_failure f = { .direction = XFED__DIRECTION__DIRECTION_IN,
			.local = texts[0],
			.remote = texts[1],
			.text = texts[4],
			.address = texts[5],
			.reason = (enum xfed_reason)chance(XFED_REASON_COUNT),
			.side = (enum xfed_side)chance(7),
			.steps = steps,
			.step_count = step_count,
			.cert = chance(8) ? &facts : NULL };
		static struct proto_fill_failure out;
		proto_fill_failure(&out, &f);
		expect_sendable("failure", &out.frame);
		struct proto_fill_certificate cert;
		Xfed__StreamEvent event = XFED__STREAM_EVENT__INIT;
		Xfed__Frame frame = XFED__FRAME__INIT;
		proto_fill_certificate(&cert, &facts);
		event.change = XFED__STREAM_CHANGE__STREAM_OPENED;
		event.certificate = &cert.m;
		frame.body_case = XFED__FRAME__BODY_STREAM_EVENT;
		frame.stream_event = &event;
		expect_sendable("stream", &frame);
		for (size_t i = 0; i < XFED_ARRAY_LEN(texts); i++) {
			free(texts[i]);
		}
		for (size_t i = 0; i < name_count; i++) {
			free(names[i]);
		}
		for (size_t i = 0; i < step_count; i++) {
			free(details[i]);
		}
	}
}

/* A serial of 20 bytes is what RFC 5280 4.1.2.2 asks for; a CA may make it longer. */
static void what_fits_is_told_as_it_is(void **state)
{
	char serial[513];
	(void)state;
	memset(serial, 'a', 512);
	serial[512] = '\0';
	struct xfed_cert_facts facts = { .subject = "CN=ä", .issuer = "CN=CA", .serial_hex = serial, .sha256_hex = "00ff" };
	struct proto_fill_certificate cert;
	proto_fill_certificate(&cert, &facts);
	assert_string_equal(cert.m.subject, "CN=ä");
	assert_string_equal(cert.m.sha256_hex, "00ff");
	assert_int_equal(strlen(cert.m.serial_hex), PROTO_NAME_BYTES);
	facts.serial_hex = "0a1b";
	proto_fill_certificate(&cert, &facts);
	assert_string_equal(cert.m.serial_hex, "0a1b");
}

/* ---- what is wrong all the same ---- */

static char long_text[8000];

static void without_what_is_wrong_it_goes(void **state)
{
	struct proto_bare bare;
	Xfed__Frame f = XFED__FRAME__INIT;
	Xfed__FailureEvent failure = XFED__FAILURE_EVENT__INIT;
	Xfed__StreamEvent stream = XFED__STREAM_EVENT__INIT;
	Xfed__Reply reply = XFED__REPLY__INIT;
	Xfed__Outcome outcomes[2] = { XFED__OUTCOME__INIT, XFED__OUTCOME__INIT }, *list[] = { &outcomes[0], &outcomes[1] };
	Xfed__Settled settled = XFED__SETTLED__INIT;
	Xfed__Deliver deliver = XFED__DELIVER__INIT;
	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	failure.reason = (char *)(uintptr_t) "tls.cert.expired";
	failure.remote = (char *)(uintptr_t) "a.example";
	failure.text = failure.correlation = long_text;
	f.body_case = XFED__FRAME__BODY_FAILURE_EVENT;
	f.failure_event = &failure;
	assert_non_null(proto_check(&f));
	assert_non_null(proto_bare(&bare, &f));
	expect_sendable("failure", &bare.frame);
	assert_string_equal(bare.failure.reason, "tls.cert.expired");
	assert_string_equal(bare.failure.remote, "a.example");

	stream.change = XFED__STREAM_CHANGE__STREAM_CLOSED;
	stream.stream = 7;
	stream.cipher = long_text;
	f.body_case = XFED__FRAME__BODY_STREAM_EVENT;
	f.stream_event = &stream;
	assert_non_null(proto_check(&f));
	assert_non_null(proto_bare(&bare, &f));
	expect_sendable("stream", &bare.frame);
	assert_int_equal(bare.stream.stream, 7);

	reply.id = 9;
	reply.status = XFED__STATUS__STATUS_OK;
	reply.text = long_text;
	f.body_case = XFED__FRAME__BODY_REPLY;
	f.reply = &reply;
	assert_non_null(proto_bare(&bare, &f));
	expect_sendable("reply", &bare.frame);
	assert_int_equal(bare.reply.id, 9);
	assert_int_equal(bare.reply.status, XFED__STATUS__STATUS_FAILED);

	outcomes[0].seq = 1;
	outcomes[0].fate = XFED__FATE__FATE_REFUSED;
	outcomes[0].reason = (char *)(uintptr_t) "sip.user.unknown";
	outcomes[0].text = long_text;
	outcomes[0].sip_status = 70000;
	outcomes[1].seq = 2;
	outcomes[1].fate = XFED__FATE__FATE_DELIVERED;
	settled.outcomes = list;
	settled.n_outcomes = 2;
	f.body_case = XFED__FRAME__BODY_SETTLED;
	f.settled = &settled;
	assert_non_null(proto_check(&f));
	assert_non_null(proto_bare(&bare, &f));
	expect_sendable("settled", &bare.frame);
	assert_int_equal(bare.settled.m.n_outcomes, 2);
	assert_int_equal(bare.settled.m.outcomes[0]->fate, XFED__FATE__FATE_REFUSED);
	assert_string_equal(bare.settled.m.outcomes[0]->reason, "sip.user.unknown");
	assert_int_equal(bare.settled.m.outcomes[1]->seq, 2);

	/* Nothing of a delivery may be left out: its sender has to end it. */
	f.body_case = XFED__FRAME__BODY_DELIVER;
	f.deliver = &deliver;
	assert_null(proto_bare(&bare, &f));
	outcomes[1].seq = 0;
	f.body_case = XFED__FRAME__BODY_SETTLED;
	f.settled = &settled;
	assert_null(proto_bare(&bare, &f));
}

/* ---- what the other side says ---- */

static void what_is_said_becomes_words_of_ours(void **state)
{
	struct xfed_stanza_error err;
	Xfed__Outcome oc = XFED__OUTCOME__INIT;
	(void)state;
	for (int r = XFED_REASON_NONE + 1; r < XFED_REASON_COUNT; r++) {
		assert_int_equal(xfed_reason_of_peer(xfed_span_str(xfed_reason_code((enum xfed_reason)r))), r);
	}
	assert_int_equal(xfed_reason_of_peer(XFED_SPAN("made.up")), XFED_REASON_CHANNEL_REASON_UNKNOWN);
	assert_int_equal(xfed_reason_of_peer(XFED_SPAN("none")), XFED_REASON_CHANNEL_REASON_UNKNOWN);
	assert_int_equal(xfed_reason_of_peer(XFED_SPAN("")), XFED_REASON_NONE);
	assert_int_equal(xfed_side_of_peer(XFED_SPAN("operator"), XFED_REASON_TLS_CERT_EXPIRED), XFED_SIDE_OPERATOR);
	assert_int_equal(xfed_side_of_peer(XFED_SPAN("somebody"), XFED_REASON_TLS_CERT_EXPIRED), XFED_SIDE_PARTNER);
	oc.fate = XFED__FATE__FATE_REFUSED;
	oc.condition = (char *)(uintptr_t) "iq xmlns='evil'";
	oc.error_type = (char *)(uintptr_t) "please";
	oc.rule = (char *)(uintptr_t) "made-up";
	proto_outcome_error(&oc, XFED_REASON_CHANNEL_REASON_UNKNOWN, &err);
	assert_string_equal(err.condition, "undefined-condition");
	assert_null(err.type);
	assert_string_equal(proto_outcome_rule(&oc), "other");
	oc.condition = (char *)(uintptr_t) "item-not-found";
	oc.error_type = (char *)(uintptr_t) "modify";
	oc.rule = (char *)(uintptr_t) "headline";
	proto_outcome_error(&oc, XFED_REASON_SIP_USER_UNKNOWN, &err);
	assert_string_equal(err.condition, "item-not-found");
	assert_string_equal(err.type, "modify");
	assert_string_equal(proto_outcome_rule(&oc), "headline");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_facts_can_be_told),
		cmocka_unit_test(what_fits_is_told_as_it_is),
		cmocka_unit_test(without_what_is_wrong_it_goes),
		cmocka_unit_test(what_is_said_becomes_words_of_ours),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
