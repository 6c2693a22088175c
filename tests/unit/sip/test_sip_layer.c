/* The transaction layer: transcripts (scenarios.h), routing of responses, limits, failing
 * allocations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "failing.h"
#include "scenarios.h"
#include "xfed/limits.h"

static struct play play;

static void begin(enum sip_transport transport, const struct sip_layer_config *config)
{
	play = (struct play){ .transport = transport };
	assert_int_equal(play_new(config, &play_user, &play.layer), XFED_OK);
}

/* Nothing may be due before a TICK row, and something must be due at it. */
static void check_deadline(const struct scenario *s, size_t i, unsigned divisor)
{
	const struct row *r = &s->rows[i];
	uint64_t deadline = sip_layer_deadline(play.layer), at = r->at_ms / divisor;
	if (r->what == TICK && deadline > at) {
		fail_msg("%s row %zu: deadline %llu, row at %llu", s->name, i, (unsigned long long)deadline, (unsigned long long)at);
	}
	if (r->what == TICK && deadline != 0 && deadline != at) {
		fail_msg("%s row %zu: due already at %llu", s->name, i, (unsigned long long)deadline);
	}
	if (r->what == LATE && deadline >= at) {
		fail_msg("%s row %zu: due at %llu only", s->name, i, (unsigned long long)deadline);
	}
	if (r->what == IDLE && deadline <= at) {
		fail_msg("%s row %zu: due at %llu", s->name, i, (unsigned long long)deadline);
	}
}

static void run_scenario(const struct scenario *s, unsigned divisor)
{
	struct sip_layer_config config = play_config();
	config.time_divisor = divisor;
	play = (struct play){ .transport = s->transport };
	assert_int_equal(play_new(&config, s->user, &play.layer), XFED_OK);
	for (size_t i = 0; i < s->count; i++) {
		struct row r = s->rows[i];
		check_deadline(s, i, divisor);
		r.at_ms /= divisor;
		play_row(&play, &r);
		if (strcmp(play.got, r.want) != 0) {
			fail_msg("%s row %zu (%llu ms): got \"%s\", want \"%s\"", s->name, i, (unsigned long long)r.at_ms, play.got, r.want);
		}
	}
	sip_layer_free(play.layer);
}

static void transcripts(void **state)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(scenarios); i++) {
		run_scenario(&scenarios[i], 1);
	}
}

/* The divisor speeds all timers up alike. */
static void divided_timers(void **state)
{
	static const struct scenario quick = SESSION(timer_g_and_h, SIP_UDP);
	run_scenario(&quick, 100);
}

/* Each allocation fails once in every scenario: no crash, no leak, and a fresh request works
 * afterwards. */
static void failing_allocations(void **state)
{
	struct sip_layer_config config = play_config();
	for (size_t i = 0; i < XFED_ARRAY_LEN(scenarios); i++) {
		const struct scenario *s = &scenarios[i];
		for (long n = 0;; n++) {
			failing_arm(n);
			long held = failing_held;
			play = (struct play){ .transport = s->transport };
			if (play_new(&config, s->user, &play.layer) == XFED_OK) {
				for (size_t k = 0; k < s->count; k++) {
					play_row(&play, &s->rows[k]);
				}
				bool hit = failing_hit;
				failing_arm(-1);
				failing_hit = hit;
				const char *method = s->user == &play_user ? "MESSAGE" : "INVITE";
				const struct row last = { 400000, REQUEST, method, "z9hG4bKafterwards", 99, NULL, CONTACT };
				play_row(&play, &last);
				if (strncmp(play.got, "request ", 8) != 0) {
					fail_msg("%s, allocation %ld: then \"%s\"", s->name, n, play.got);
				}
			}
			sip_layer_free(play.layer);
			if (failing_held != held) {
				fail_msg("%s, allocation %ld: %ld blocks kept", s->name, n, failing_held - held);
			}
			if (!failing_hit) {
				break;
			}
		}
	}
	failing_arm(-1);
}

static bool last_has(const char *text)
{
	return strstr(play.last_bytes, text) != NULL;
}

/* [C3-03], [C3-04]: received and rport, and where the response goes. */
static void response_routing(void **state)
{
	static const struct {
		const char *via;
		enum sip_transport transport;
		uint64_t flow;
		const char *ip;
		int port;
		const char *top; /* in the response */
	} rows[] = {
		{ "SIP/2.0/UDP " PEER_IP ";branch=z9hG4bK1", SIP_UDP, 1, PEER_IP, 5060, "Via: SIP/2.0/UDP " PEER_IP ";branch=z9hG4bK1\r\n" },
		{ "SIP/2.0/UDP " PEER_IP ":5070;branch=z9hG4bK1", SIP_UDP, 1, PEER_IP, 5070, ":5070;branch=z9hG4bK1\r\n" },
		{ "SIP/2.0/UDP sip.example.org;branch=z9hG4bK1", SIP_UDP, 1, PEER_IP, 5060, ";branch=z9hG4bK1;received=" PEER_IP "\r\n" },
		{ "SIP/2.0/UDP " PEER_IP ";rport;branch=z9hG4bK1", SIP_UDP, 1, PEER_IP, 40000,
			";branch=z9hG4bK1;received=" PEER_IP ";rport=40000\r\n" },
		{ "SIP/2.0/UDP 10.0.0.1:5062;rport=9;received=6.6.6.6;branch=z9hG4bK1", SIP_UDP, 1, PEER_IP, 40000,
			"10.0.0.1:5062;branch=z9hG4bK1;received=" PEER_IP ";rport=40000\r\n" },
		{ "SIP/2.0/UDP h;maddr=239.255.255.1;branch=z9hG4bK1", SIP_UDP, 1, PEER_IP, 5060, ";maddr=239.255.255.1;" },
		{ "SIP/2.0/UDP h:5070;maddr=127.0.0.1;branch=z9hG4bK1", SIP_UDP, 1, PEER_IP, 5070, ";maddr=127.0.0.1;" },
		{ "SIP/2.0/UDP h:5070;maddr=[::1];branch=z9hG4bK1", SIP_UDP, 1, PEER_IP, 5070, ";maddr=[::1];" },
		{ "SIP/2.0/TCP sip.example.org:5080;branch=z9hG4bK1, SIP/2.0/UDP "
		  "deep;branch=z9hG4bK2",
			SIP_TCP, 1, PEER_IP, 5080, ";branch=z9hG4bK1;received=" PEER_IP ", SIP/2.0/UDP deep;branch=z9hG4bK2\r\n" },
		{ "SIP/2.0/TLS sip.example.org;branch=z9hG4bK1", SIP_TLS, 1, PEER_IP, 5061, ";received=" PEER_IP "\r\n" },
	};
	struct sip_layer_config config = play_config();
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		char text[1024];
		begin(rows[i].transport, &config);
		snprintf(text, sizeof(text),
			"MESSAGE sip:x@example.com SIP/2.0\r\nVia: %s\r\nMax-Forwards: 70\r\nFrom: "
			"<sip:a@b>;tag=1\r\nTo: sip:c@d\r\n"
			"Call-ID: 1\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n",
			rows[i].via);
		const struct row in = { 0, RAW, text, .want = "" }, out = { 1, RESPOND, .n = 200, .more = "Allow: MESSAGE\r\n" };
		play_row(&play, &in);
		play_row(&play, &out);
		bool fine = strcmp(play.got, "send 200") == 0 && play.last_target.flow == rows[i].flow &&
			    play.last_target.transport == rows[i].transport && strcmp(play.last_target.ip, rows[i].ip) == 0 &&
			    play.last_target.port == rows[i].port && last_has(rows[i].top) && last_has("\r\nAllow: MESSAGE\r\n");
		if (!fine) {
			fail_msg("%s: flow %llu %s:%d\n%s", rows[i].via, (unsigned long long)play.last_target.flow, play.last_target.ip,
				play.last_target.port, play.last_bytes);
		}
		assert_true(last_has("To: sip:c@d;tag="));
		sip_layer_free(play.layer);
	}
}

/* Nobody who may not send to us chooses where our answers go: over UDP they go where the datagram came from. */
static void strangers_choose_no_address(void **state)
{
	static const char *const vias[] = {
		"SIP/2.0/UDP " PEER_IP ";branch=z9hG4bK1",
		"SIP/2.0/UDP " PEER_IP ":5070;branch=z9hG4bK1",
		"SIP/2.0/UDP " PEER_IP ";rport=9;branch=z9hG4bK1",
		"SIP/2.0/UDP 198.51.100.7:5070;branch=z9hG4bK1",
		"SIP/2.0/UDP 198.51.100.7;received=198.51.100.8;branch=z9hG4bK1",
		"SIP/2.0/UDP 198.51.100.7:5070;maddr=198.51.100.9;branch=z9hG4bK1",
		"SIP/2.0/UDP h;maddr=127.0.0.1;rport;branch=z9hG4bK1",
		"SIP/2.0/UDP h;maddr=victim.example;ttl=9;branch=z9hG4bK1",
	};
	/* Refused without a transaction, and by one. */
	static const char *const asked[] = { "FOO", "OPTIONS", "MESSAGE", "INVITE" };
	struct sip_layer_config config = play_config();
	(void)state;
	play_is_stranger = true;
	for (size_t i = 0; i < XFED_ARRAY_LEN(vias) * XFED_ARRAY_LEN(asked); i++) {
		const char *via = vias[i / XFED_ARRAY_LEN(asked)], *method = asked[i % XFED_ARRAY_LEN(asked)];
		char text[1024];
		begin(SIP_UDP, &config);
		snprintf(text, sizeof(text),
			"%s sip:x@example.com;maddr=198.51.100.1 SIP/2.0\r\nVia: %s\r\nMax-Forwards: 70\r\nRoute: "
			"<sip:198.51.100.2;lr>\r\nRecord-Route: <sip:198.51.100.3;lr>\r\nContact: <sip:198.51.100.4>\r\n"
			"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d;maddr=198.51.100.5>\r\nCall-ID: 1\r\nCSeq: 1 %s\r\n"
			"Content-Length: 0\r\n\r\n",
			method, via, method);
		const struct row in = { 0, RAW, text, .want = "" };
		play_row(&play, &in);
		if (strcmp(method, "MESSAGE") == 0) {
			const struct row out = { 1, RESPOND, .n = 403, .more = "" };
			play_row(&play, &out);
		}
		bool fine = strncmp(play.got, "send ", 5) == 0 && play.last_target.flow == 1 && strcmp(play.last_target.ip, PEER_IP) == 0 &&
			    play.last_target.port == 40000;
		if (!fine) {
			fail_msg("%s, %s: \"%s\" to flow %llu %s:%d", method, via, play.got, (unsigned long long)play.last_target.flow,
				play.last_target.ip, play.last_target.port);
		}
		sip_layer_free(play.layer);
	}
	play_is_stranger = false;
}

/*
 * Section 8.2.7: what is said to a stranger is forgotten. The same again is answered the same way, whatever it was answered with, and
 * neither a flood of them nor an INVITE whose ACK never comes holds anything.
 */
static void strangers_hold_no_transaction(void **state)
{
	static const enum sip_transport transports[] = { SIP_UDP, SIP_TCP, SIP_TLS };
	static const char *const asked[] = { "MESSAGE", "OPTIONS", "INVITE", "FOO" };
	struct sip_layer_config config = play_config();
	(void)state;
	play_is_stranger = true;
	for (size_t i = 0; i < XFED_ARRAY_LEN(transports) * XFED_ARRAY_LEN(asked); i++) {
		const char *method = asked[i / XFED_ARRAY_LEN(transports)];
		const struct row in = { 0, REQUEST, method, B1, 0, NULL }, out = { 0, RESPOND, .n = 403 };
		static char first[sizeof(play.last_bytes)];
		begin(transports[i % XFED_ARRAY_LEN(transports)], &config);
		for (int again = 0; again < 3; again++) {
			play_row(&play, &in);
			if (strncmp(play.got, "request ", 8) == 0) {
				assert_int_equal(sip_layer_stats(play.layer).servers, 1);
				play_row(&play, &out);
			}
			assert_memory_equal(play.got, "send ", 5);
			if (again == 0) {
				memcpy(first, play.last_bytes, sizeof(first));
			}
			assert_string_equal(play.last_bytes, first);
			assert_int_equal(sip_layer_stats(play.layer).servers, 0);
			assert_true(sip_layer_deadline(play.layer) == UINT64_MAX); /* nothing is sent again by itself */
		}
		sip_layer_free(play.layer);
	}
	play_is_stranger = false;
}

/* A request of one who may send, repeated by a stranger, perhaps over a connection of its own: the answer stays where it belongs. */
static void strangers_get_nobodys_answer(void **state)
{
	static const enum sip_transport transports[] = { SIP_UDP, SIP_TCP, SIP_TLS };
	struct sip_layer_config config = play_config();
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(transports); i++) {
		const struct row in = { 0, REQUEST, "MESSAGE", B1, 0, NULL }, out = { 0, RESPOND, .n = 200 };
		begin(transports[i], &config);
		for (int answered = 0; answered < 2; answered++) {
			play_row(&play, &in);
			assert_string_equal(play.got, answered && transports[i] == SIP_UDP ? "send 200" : "request MESSAGE");
			play_is_stranger = true;
			play_row(&play, &in);
			assert_string_equal(play.got, "send 482");
			play_is_stranger = false;
			if (!answered) {
				play_row(&play, &out);
				assert_string_equal(play.got, "send 200");
			}
		}
		sip_layer_free(play.layer);
	}
}

/* Those who may send do not use up what requests of ours need. */
static void requests_of_ours_have_a_reserve(void **state)
{
	struct sip_layer_config config = play_config();
	(void)state;
	config.transactions_max = 10;
	begin(SIP_UDP, &config);
	for (int i = 0; i < 9; i++) {
		char branch[32];
		snprintf(branch, sizeof(branch), "z9hG4bKr%d", i);
		const struct row in = { 0, REQUEST, "MESSAGE", branch, i + 1, NULL };
		play_row(&play, &in);
		assert_string_equal(play.got, "request MESSAGE");
	}
	const struct row beyond = { 0, REQUEST, "MESSAGE", "z9hG4bKmore", 10, NULL }, ours = { 0, CALL, "MESSAGE", "mine", 0, NULL },
			 none = { 0, CALL, "MESSAGE", "other", 0, NULL };
	play_row(&play, &beyond);
	assert_string_equal(play.got, "send 503");
	assert_int_equal(play_row(&play, &ours), XFED_OK);
	assert_string_equal(play.got, "send MESSAGE");
	assert_int_equal(play_row(&play, &none), XFED_ERR_AGAIN);
	sip_layer_free(play.layer);
}

/* ... and no connection is opened to a stranger whose own has gone: port 0. */
static void strangers_are_not_called_back(void **state)
{
	static const enum sip_transport streams[] = { SIP_TCP, SIP_TLS };
	struct sip_layer_config config = play_config();
	(void)state;
	play_is_stranger = true;
	for (size_t i = 0; i < XFED_ARRAY_LEN(streams); i++) {
		const struct row in = { 0, REQUEST, "MESSAGE", B1, 0, NULL }, closed = { 1, CLOSED, .n = 1 }, out = { 2, RESPOND, .n = 403 };
		begin(streams[i], &config);
		play_row(&play, &in);
		play_row(&play, &closed);
		play_row(&play, &out);
		assert_string_equal(play.got, "send 403");
		assert_true(play.last_target.flow == 0 && play.last_target.port == 0);
		assert_string_equal(play.last_target.tls_name, "");
		sip_layer_free(play.layer);
	}
	play_is_stranger = false;
}

/* [C3-04]: the connection has gone: the response asks for a new one. A copy over a new one moves it
 * there. */
static void response_after_close(void **state)
{
	struct sip_layer_config config = play_config();
	const struct row in = { 0, REQUEST, "MESSAGE", B1, 0, NULL }, closed = { 1, CLOSED, .n = 1 }, out = { 2, RESPOND, .n = 200 };
	begin(SIP_TLS, &config);
	play_row(&play, &in);
	play_row(&play, &closed);
	play_row(&play, &out);
	assert_string_equal(play.got, "send 200");
	assert_true(play.last_target.flow == 0 && play.last_target.port == 5061 && play.last_target.transport == SIP_TLS);
	assert_string_equal(play.last_target.ip, PEER_IP);
	assert_string_equal(play.last_target.tls_name, "sip.example.org");
	sip_layer_free(play.layer);

	begin(SIP_TLS, &config);
	play_row(&play, &in);
	play_row(&play, &closed);
	play_row(&play, &in);
	assert_string_equal(play.got, "");
	play_row(&play, &out);
	assert_true(play.last_target.flow == 1);
	sip_layer_free(play.layer);
}

/* [C1-11]: the To tag is the same for every copy, with a transaction and without. */
static void stable_to_tag(void **state)
{
	static const char *const methods_tried[] = { "MESSAGE", "BYE" };
	struct sip_layer_config config = play_config();
	for (size_t i = 0; i < XFED_ARRAY_LEN(methods_tried); i++) {
		char first[70000];
		const struct row in = { 0, REQUEST, methods_tried[i], B1, 0, NULL }, out = { 2, RESPOND, .n = 200 };
		begin(SIP_UDP, &config);
		play_row(&play, &in);
		if (i == 0) {
			play_row(&play, &out);
		}
		memcpy(first, play.last_bytes, sizeof(first));
		assert_non_null(strstr(first, ";tag="));
		play_row(&play, &in);
		assert_string_equal(play.last_bytes, first);
		sip_layer_free(play.layer);
	}
}

/* 405 and 501 carry Allow, 489 Allow-Events, 420 Unsupported ([C1-09], [C7-10]). */
static void headers_of_refusals(void **state)
{
	static const struct {
		const char *method, *more, *want;
	} rows[] = {
		{ "INVITE", NULL, "\r\nAllow: MESSAGE, OPTIONS\r\n" },
		{ "FOO", NULL, "\r\nAllow: MESSAGE, OPTIONS\r\n" },
		{ "SUBSCRIBE", NULL, "\r\nAllow-Events:\r\n" },
		{ "OPTIONS", NULL, "\r\nAllow: MESSAGE, OPTIONS\r\nAccept: text/plain\r\nContent-Length: 0\r\n" },
		{ "MESSAGE", "Require: 100rel, x\r\nRequire: y\r\n", "\r\nUnsupported: 100rel, x\r\nUnsupported: y\r\n" },
	};
	struct sip_layer_config config = play_config();
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		const struct row in = { 0, REQUEST, rows[i].method, B1, 0, NULL, rows[i].more };
		begin(SIP_UDP, &config);
		play_row(&play, &in);
		if (!last_has(rows[i].want)) {
			fail_msg("%s: %s", rows[i].method, play.last_bytes);
		}
		sip_layer_free(play.layer);
	}
}

/* A To tag names a dialog there is not (section 12.2.2); OPTIONS is answered all the same. */
static void inside_dialogs(void **state)
{
	static const struct {
		const char *method, *want;
	} rows[] = {
		{ "MESSAGE", "send 481" },
		{ "OPTIONS", "send 200" },
		{ "INVITE", "send 481" },
		{ "BYE", "send 481" },
		{ "NOTIFY", "send 481" },
		{ "SUBSCRIBE", "send 481" },
		{ "INFO", "send 481" },
		{ "PRACK", "send 481" },
		{ "UPDATE", "send 481" },
		{ "REFER", "send 481" },
		{ "PUBLISH", "send 405" },
		{ "REGISTER", "send 405" },
		{ "FOO", "send 501" },
	};
	struct sip_layer_config config = play_config();
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		char text[1024];
		begin(SIP_UDP, &config);
		snprintf(text, sizeof(text),
			"%s sip:x@example.com SIP/2.0\r\nVia: SIP/2.0/UDP "
			"h;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\n"
			"To: <sip:c@d>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 %s\r\n\r\n",
			rows[i].method, rows[i].method);
		const struct row in = { 0, RAW, text, .want = "" };
		play_row(&play, &in);
		if (strcmp(play.got, rows[i].want) != 0) {
			fail_msg("%s with To tag: %s", rows[i].method, play.got);
		}
		sip_layer_free(play.layer);
	}
}

/* [C3-02]: 1300 bytes over UDP, max_request elsewhere; refused before anything is sent. */
static void request_sizes(void **state)
{
	static char body[20000];
	struct sip_layer_config config = play_config();
	memset(body, 'x', sizeof(body));
	for (int t = 0; t < SIP_TRANSPORT_COUNT; t++) {
		struct sip_layer_request r = play_request((enum sip_transport)t, "MESSAGE", "size");
		size_t limit = t == SIP_UDP ? XFED_SIP_UDP_REQUEST_BYTES : 4000, size;
		uint64_t txn;
		r.max_request = 4000;
		begin((enum sip_transport)t, &config);
		r.request.body = xfed_span_make(body, 1000);
		assert_int_equal(sip_layer_request_size(play.layer, &r, &size), XFED_OK);
		/* The body one byte larger as long as Content-Length has the same number of digits.
		 */
		r.request.body.len += limit - size + 1;
		assert_int_equal(sip_layer_request(play.layer, &r, 0, &txn), XFED_ERR_LIMIT);
		assert_int_equal(sip_layer_deadline(play.layer), UINT64_MAX);
		r.request.body.len--;
		assert_int_equal(sip_layer_request(play.layer, &r, 0, &txn), XFED_OK);
		drain(&play);
		assert_int_equal(play.last_len, limit);
		sip_layer_free(play.layer);
	}
}

static void refused_calls(void **state)
{
	struct sip_layer_config config = play_config();
	struct sip_layer_request r = play_request(SIP_TCP, "MESSAGE", "x");
	uint64_t txn;
	config.sent_by[SIP_TCP].host = XFED_SPAN("");
	begin(SIP_TCP, &config);
	assert_int_equal(sip_layer_request(play.layer, &r, 0, &txn), XFED_ERR_STATE);
	r.target.transport = SIP_TLS;
	r.request.method = XFED_SPAN("ACK");
	assert_int_equal(sip_layer_request(play.layer, &r, 0, &txn), XFED_ERR_INVALID);
	r.request.method = XFED_SPAN("MESSAGE");
	r.request.subject = XFED_SPAN("a\r\nRoute: <sip:evil>");
	assert_int_equal(sip_layer_request(play.layer, &r, 0, &txn), XFED_ERR_INVALID);
	assert_int_equal(sip_layer_respond(play.layer, 77, 200, NULL, XFED_SPAN(""), 0), XFED_ERR_NOT_FOUND);
	sip_layer_free(play.layer);
}

/* The table is bounded: 503 with Retry-After, and AGAIN for our own. */
static void full_table(void **state)
{
	struct sip_layer_config config = play_config();
	config.transactions_max = 2;
	begin(SIP_UDP, &config);
	const struct row rows[] = {
		{ 0, REQUEST, "MESSAGE", "z9hG4bK1", 1, "request MESSAGE" },
		{ 0, CALL, "MESSAGE", "a", 0, "send MESSAGE" },
		{ 1, REQUEST, "MESSAGE", "z9hG4bK2", 2, "send 503" },
		{ 2, REQUEST, "INVITE", "z9hG4bK3", 3, "send 405" },
		{ 3, CALL, "MESSAGE", "b", 0, "refused -7" },
		{ 4, REQUEST, "MESSAGE", "z9hG4bK1", 1, "" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		play_row(&play, &rows[i]);
		if (strcmp(play.got, rows[i].want) != 0) {
			fail_msg("row %zu: %s", i, play.got);
		}
		if (i == 2) {
			assert_true(last_has("Retry-After: 5\r\n"));
		}
	}
	struct sip_layer_stats stats = sip_layer_stats(play.layer);
	assert_true(stats.clients == 1 && stats.servers == 1);
	sip_layer_free(play.layer);
}

/* What peers' requests hold is weighed: large ones fill the table sooner. The head of a request goes with its final response. */
static void weighed(void **state)
{
	struct sip_layer_config config = play_config();
	static char vias[12000];
	size_t before, open;
	config.server_bytes_max = 100000;
	memset(vias, 'x', sizeof(vias));
	memcpy(vias, "Via: SIP/2.0/UDP h;x=", 21);
	memcpy(vias + sizeof(vias) - 3, "\r\n", 3);
	begin(SIP_UDP, &config);
	assert_int_equal(sip_layer_stats(play.layer).server_bytes, 0);
	for (int i = 0; i < 20; i++) {
		char branch[32];
		snprintf(branch, sizeof(branch), "z9hG4bKw%d", i);
		const struct row in = { 0, REQUEST, "MESSAGE", branch, i + 1, NULL, vias };
		before = sip_layer_stats(play.layer).server_bytes;
		play_row(&play, &in);
		assert_string_equal(play.got, before < 100000 ? "request MESSAGE" : "send 503");
	}
	open = sip_layer_stats(play.layer).servers;
	assert_in_range(open, 8, 9);
	const struct row out = { 1, RESPOND, .n = 200 }, late = { 40000, LATE };
	before = sip_layer_stats(play.layer).server_bytes;
	play_row(&play, &out);
	assert_string_equal(play.got, "send 200");
	assert_in_range(sip_layer_stats(play.layer).server_bytes, before - 500, before + 500); /* the response for the head */
	while (sip_layer_deadline(play.layer) != UINT64_MAX) {
		play_row(&play, &late);
	}
	assert_int_equal(sip_layer_stats(play.layer).server_bytes, 0);
	sip_layer_free(play.layer);
}

/* A flow with more transactions than actions fit in one TICK: the deadline stays past until all are
 * told. */
static void many_lost_at_once(void **state)
{
	struct sip_layer_config config = play_config();
	struct sip_layer_action act;
	int errors = 0, ticks = 0;
	begin(SIP_TCP, &config);
	for (int i = 0; i < 500; i++) {
		char branch[16];
		snprintf(branch, sizeof(branch), "m%d", i);
		const struct row call = { 0, CALL, "MESSAGE", branch, 0, NULL }, sent = { 0, SENT, .n = 9 };
		play_row(&play, &call);
		play_row(&play, &sent);
	}
	const struct row closed = { 1, CLOSED, .n = 9 };
	play_row(&play, &closed);
	while (sip_layer_deadline(play.layer) <= 1) {
		struct sip_layer_event tick = { .kind = SIP_LAYER_TICK };
		assert_int_equal(sip_layer_step(play.layer, &tick, 1), XFED_OK);
		ticks++;
		while (sip_layer_next(play.layer, &act)) {
			assert_true(act.kind == SIP_ACT_TRANSPORT_ERROR && act.was_written && act.id == 7);
			errors++;
		}
	}
	assert_int_equal(errors, 500);
	assert_true(ticks > 1);
	sip_layer_free(play.layer);
}

int main(void)
{
	xfed_mem_set_hooks(&failing_hooks);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transcripts),
		cmocka_unit_test(divided_timers),
		cmocka_unit_test(failing_allocations),
		cmocka_unit_test(response_routing),
		cmocka_unit_test(strangers_choose_no_address),
		cmocka_unit_test(strangers_are_not_called_back),
		cmocka_unit_test(strangers_hold_no_transaction),
		cmocka_unit_test(strangers_get_nobodys_answer),
		cmocka_unit_test(requests_of_ours_have_a_reserve),
		cmocka_unit_test(response_after_close),
		cmocka_unit_test(stable_to_tag),
		cmocka_unit_test(headers_of_refusals),
		cmocka_unit_test(inside_dialogs),
		cmocka_unit_test(request_sizes),
		cmocka_unit_test(refused_calls),
		cmocka_unit_test(full_table),
		cmocka_unit_test(weighed),
		cmocka_unit_test(many_lost_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
