/* Stream framing: [C3-06], [C3-07], [C3-09]; RFC 3261 sections 7.5 and 18.3, RFC 5626
 * section 4.4.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "failing.h"
#include "sip/framer.h"
#include "sip/message.h"
#include "xfed/limits.h"

#define A "MESSAGE sip:c@d SIP/2.0\r\nContent-Length: 2\r\n\r\nhi"
#define B "SIP/2.0 200 OK\r\nl : \r\n 0\r\n\r\n"

struct log {
	char text[4096];
};

static void note(struct log *log, const char *word, struct xfed_span bytes)
{
	size_t n = strlen(log->text);
	snprintf(log->text + n, sizeof(log->text) - n, "%s(%zu) ", word, bytes.len);
}

/* True while the stream can go on. */
static bool drain(struct sip_framer *f, struct log *log)
{
	for (;;) {
		struct sip_frame frame = sip_framer_next(f);
		switch (frame.kind) {
		case SIP_FRAME_MORE:
			return true;
		case SIP_FRAME_MESSAGE:
			note(log, "message", frame.bytes);
			break;
		case SIP_FRAME_PING:
			note(log, "ping", frame.bytes);
			break;
		case SIP_FRAME_PONG:
			note(log, "pong", frame.bytes);
			break;
		case SIP_FRAME_ERROR:
			note(log, "error", frame.bytes);
			assert_non_null(frame.note);
			return false;
		}
	}
}

static void run(const char *text, size_t len, size_t chunk, struct log *log)
{
	struct sip_framer f;
	bool alive = true;
	sip_framer_init(&f);
	log->text[0] = '\0';
	for (size_t i = 0; i < len && alive;) {
		size_t taken, n = chunk < len - i ? chunk : len - i;
		assert_int_equal(sip_framer_feed(&f, xfed_span_make(text + i, n), &taken), XFED_OK);
		i += taken;
		alive = drain(&f, log);
	}
	if (!alive) {
		assert_int_equal(sip_framer_next(&f).kind, SIP_FRAME_ERROR);
	}
	sip_framer_deinit(&f);
}

static void streams(void **state)
{
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{ "one", A, "message(48) " },
		{ "two, compact and folded", A B, "message(48) message(28) " },
		{ "CRLF before", "\r\n" A, "message(48) " },
		{ "ping", "\r\n\r\n" A "\r\n\r\n\r\n\r\n" B, "ping(0) message(48) ping(0) ping(0) message(28) " },
		{ "three CRLF", "\r\n\r\n\r\n" A, "ping(0) message(48) " },
		{ "pong", "\r\n" A "\r\n" B, "message(48) message(28) " },
		{ "half", "MESSAGE sip:c@d SIP/2.0\r\nContent-Length: 2\r\n\r\nh", "" },
		{ "absent", "X sip:c@d SIP/2.0\r\nFoo: 1\r\n\r\n", "error(29) " },
		{ "negative", "X sip:c@d SIP/2.0\r\nContent-Length: -1\r\n\r\n", "error(41) " },
		{ "hex", "X sip:c@d SIP/2.0\r\nl: 0x1\r\n\r\n", "error(29) " },
		{ "empty", "X sip:c@d SIP/2.0\r\nl:\r\n\r\n", "error(25) " },
		{ "two of them", "X sip:c@d SIP/2.0\r\nl: 1\r\nContent-Length: 1\r\n\r\n", "error(46) " },
		{ "large", "X sip:c@d SIP/2.0\r\nl: 65536\r\n\r\n", "message(31) " },
		{ "huge", "X sip:c@d SIP/2.0\r\nl: 1048577\r\n\r\n", "error(33) " },
		{ "huger", "X sip:c@d SIP/2.0\r\nl: 99999999999999999999\r\n\r\n", "error(46) " },
		{ "bare LF", "X sip:c@d SIP/2.0\nl: 0\r\n\r\n", "error(26) " },
		{ "lone CR first", "\rX sip:c@d SIP/2.0\r\nl: 0\r\n\r\n", "error(28) " },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		size_t len = strlen(rows[i].text);
		for (size_t chunk = 1; chunk <= len; chunk++) {
			struct log log;
			run(rows[i].text, len, chunk, &log);
			if (strcmp(log.text, rows[i].want) != 0) {
				fail_msg("%s in chunks of %zu: %s", rows[i].name, chunk, log.text);
			}
		}
	}
}

/* What the framer gives up on, the parser refuses too, and says it is the framing. */
static void parser_agrees(void **state)
{
	static const char *const rows[] = { "X sip:c@d SIP/2.0\r\nFoo: 1\r\n\r\n", "X sip:c@d SIP/2.0\r\nContent-Length: -1\r\n\r\n",
		"X sip:c@d SIP/2.0\r\nl: 1\r\nContent-Length: 1\r\n\r\n", "X sip:c@d SIP/2.0\r\nl: 1048577\r\n\r\n",
		"X sip:c@d SIP/2.0\nl: 0\r\n\r\n" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct sip_message *m;
		struct sip_error err;
		assert_int_equal(sip_message_parse(xfed_span_str(rows[i]), SIP_PARSE_STREAM, &m, &err), XFED_ERR_INVALID);
		assert_true(err.is_framing);
		sip_message_free(m);
	}
}

/* One user's body is too large: its request is refused, those of the others behind it are read. */
static void too_large_is_read_past(void **state)
{
	static const size_t bodies[] = { XFED_SIP_MESSAGE_BYTES, XFED_SIP_MESSAGE_BYTES + 1, 3 * XFED_SIP_MESSAGE_BYTES, XFED_SIP_SKIP_BYTES };
	static char text[XFED_SIP_SKIP_BYTES + 200];
	for (size_t i = 0; i < XFED_ARRAY_LEN(bodies); i++) {
		struct log log;
		char want[64];
		size_t head = (size_t)snprintf(text, sizeof(text), "X sip:c@d SIP/2.0\r\nl: %zu\r\n\r\n", bodies[i]);
		memset(text + head, '\n', bodies[i]);
		size_t len = head + bodies[i];
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", A B);
		snprintf(want, sizeof(want), "message(%zu) message(48) message(28) ", head);
		for (size_t chunk = 1; chunk <= len; chunk = chunk * 7 + 1) {
			run(text, len, chunk, &log);
			assert_string_equal(log.text, want);
		}
		run(text, len, len, &log);
		assert_string_equal(log.text, want);
		struct sip_message *m;
		struct sip_error err;
		assert_int_equal(sip_message_parse(xfed_span_make(text, head), SIP_PARSE_STREAM, &m, &err), XFED_ERR_INVALID);
		assert_false(err.is_framing);
		sip_message_free(m);
	}
}

static void limits(void **state)
{
	static char text[XFED_SIP_MESSAGE_BYTES + 100];
	struct log log;
	char want[64];
	int n = snprintf(text, sizeof(text), "X sip:c@d SIP/2.0\r\nl: %d\r\n\r\n", XFED_SIP_MESSAGE_BYTES - 31);
	memset(text + n, 'b', sizeof(text) - (size_t)n);
	run(text, XFED_SIP_MESSAGE_BYTES, 5000, &log);
	snprintf(want, sizeof(want), "message(%d) ", XFED_SIP_MESSAGE_BYTES);
	assert_string_equal(log.text, want);

	for (size_t chunk = 1; chunk < 70000; chunk *= 7) {
		memset(text, 'x', sizeof(text));
		run(text, sizeof(text), chunk, &log);
		assert_string_equal(log.text, "error(0) ");
	}
}

/* NOMEM takes nothing, and the same bytes can be fed again. */
static void failing_allocations(void **state)
{
	struct sip_framer f;
	struct log log = { "" };
	size_t taken;
	sip_framer_init(&f);
	failing_arm(0);
	assert_int_equal(sip_framer_feed(&f, XFED_SPAN(A), &taken), XFED_ERR_NOMEM);
	assert_int_equal(taken, 0);
	failing_arm(-1);
	assert_int_equal(sip_framer_feed(&f, XFED_SPAN(A), &taken), XFED_OK);
	assert_true(sip_framer_is_partial(&f));
	assert_true(drain(&f, &log));
	assert_string_equal(log.text, "message(48) ");
	assert_false(sip_framer_is_partial(&f));
	sip_framer_deinit(&f);
	assert_int_equal(failing_held, 0);
}

/* Pongs one after the other are no ping; with none awaited two are. A ping of the peer's may be taken for a pong, and is one more. */
static void pongs(void **state)
{
	static const struct {
		bool awaits;
		const char *in, *want;
	} rows[] = { { true, "\r\n", "pong(0) " }, { true, "\r\n", "pong(0) " }, { true, A "\r\n", "message(48) pong(0) " }, { false, "\r\n", "" },
		{ false, "\r\n", "ping(0) " }, { false, "\r\n", "" }, { true, "\r", "" }, { false, "\n", "pong(0) " },
		{ true, "\r\n\r\n\r\n", "pong(0) ping(0) " } };
	struct sip_framer f;
	struct log log;
	(void)state;
	sip_framer_init(&f);
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		size_t taken;
		log.text[0] = '\0';
		if (rows[i].awaits) {
			sip_framer_await_pong(&f);
		}
		assert_int_equal(sip_framer_feed(&f, xfed_span_str(rows[i].in), &taken), XFED_OK);
		assert_true(drain(&f, &log));
		assert_string_equal(log.text, rows[i].want);
	}
	sip_framer_deinit(&f);
}

int main(void)
{
	xfed_mem_set_hooks(&failing_hooks);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams),
		cmocka_unit_test(parser_agrees),
		cmocka_unit_test(too_large_is_read_past),
		cmocka_unit_test(limits),
		cmocka_unit_test(pongs),
		cmocka_unit_test(failing_allocations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
