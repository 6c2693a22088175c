/* What servers and clients of the Lync family say of a failure: ms-diagnostics in a response, ms-imdn in a document. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "interwork/diagnostics.h"
#include "interwork/imdn.h"
#include "xfed/mem.h"
#include "xfed/xml.h"

static struct xfed_arena arena;

static int setup(void **state)
{
	(void)state;
	xfed_arena_init(&arena, 1024 * 1024);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	xfed_arena_deinit(&arena);
	return 0;
}

/* ---- ms-diagnostics ---- */

#define X10  "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10

static const struct row {
	const char *name, *headers;
	const char *words; /* NULL: none */
} rows[] = {
	{ "as seen from a front end",
		"ms-diagnostics: 4005;reason=\"Destination URI either not enabled for SIP or does not exist\";source=\"127.0.0.1\"",
		"ms-diagnostics 4005 of 127.0.0.1: Destination URI either not enabled for SIP or does not exist" },
	{ "as documented, with more attributes",
		"ms-diagnostics: 1047.2;source=\"edge.corp.example\";reason=\"Failed to complete TLS "
		"negotiation\";WinsockFailureCode=\"10054(WSAECONNRESET)\"",
		"ms-diagnostics 1047.2 of edge.corp.example: Failed to complete TLS negotiation" },
	{ "for the public", "ms-diagnostics-public: 1003;reason=\"User does not exist\";AppUri=\"http%3A%2F%2Fx\"",
		"ms-diagnostics-public 1003: User does not exist" },
	{ "of a client", "ms-client-diagnostics: 52094; reason=\"Instant Messaging conversation terminated\"",
		"ms-client-diagnostics 52094: Instant Messaging conversation terminated" },
	{ "the private one comes first", "ms-diagnostics-public: 1\r\nMS-Diagnostics: 2", "ms-diagnostics 2" },
	{ "the private one is broken", "ms-diagnostics: x\r\nms-diagnostics-public: 1", "ms-diagnostics-public 1" },
	{ "a number alone", "ms-diagnostics: 24000", "ms-diagnostics 24000" },
	{ "quotes within", "ms-diagnostics: 1;reason=\"a \\\"b\\\" \\\\c\"", "ms-diagnostics 1: a \"b\" \\c" },
	{ "empty texts", "ms-diagnostics: 1;reason=\"\";source=\"\"", "ms-diagnostics 1" },
	{ "tokens", "ms-diagnostics: 1;reason=none;source=fe", "ms-diagnostics 1 of fe: none" },
	{ "one of our codes", "ms-diagnostics: 1;reason=\"dns.timeout\"", "ms-diagnostics 1: The partner says: dns.timeout" },
	{ "no UTF-8", "ms-diagnostics: 1;reason=\"\xff\";source=\"\xff\"", "ms-diagnostics 1" },
	{ "text that turns around",
		"ms-diagnostics: 1;reason=\"a\xe2\x80\xae b\";source=\"\xe2\x80\xae"
		"c\"",
		"ms-diagnostics 1 of c: a b" },
	{ "too long texts", "ms-diagnostics: 1;source=\"" X100 "\";reason=\"" X100 X100 "\"",
		"ms-diagnostics 1 of " X10 X10 X10 X10 X10 X10 "xxxx: " X100 X10 X10 "xxxxxxxx" },
	{ "none", "Subject: x", NULL },
	{ "no number", "ms-diagnostics: ;reason=\"x\"", NULL },
	{ "a number too large", "ms-diagnostics: 4294967296", NULL },
	{ "a second number that is none", "ms-diagnostics: 1.x", NULL },
	{ "a second number of many digits", "ms-diagnostics: 1.00000000000", NULL },
	{ "text behind", "ms-diagnostics: 1 and more", NULL },
	{ "a quote that is open", "ms-diagnostics: 1;reason=\"x", NULL },
};

static int words_of(struct xfed_arena *a, const char *headers, struct xfed_span *out)
{
	char text[4096];
	struct sip_message *m;
	struct sip_error err;
	snprintf(text, sizeof(text),
		"SIP/2.0 404 Not Found\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@y>;tag=2\r\nCall-ID: c\r\n"
		"CSeq: 1 MESSAGE\r\n%s\r\nContent-Length: 0\r\n\r\n",
		headers);
	assert_int_equal(sip_message_parse(xfed_span_str(text), SIP_PARSE_STREAM, &m, &err), XFED_OK);
	int rc = iw_diagnostics_words(a, m, out);
	sip_message_free(m);
	return rc;
}

static void diagnostics(void **state)
{
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_span got;
		assert_int_equal(words_of(&arena, rows[i].headers, &got), XFED_OK);
		if (rows[i].words ? !xfed_span_is(got, rows[i].words) : got.data != NULL) {
			fail_msg("%s: '%.*s'", rows[i].name, (int)got.len, got.data ? got.data : "");
		}
	}
	static char big[IW_DIAGNOSTICS_BYTES + 1];
	struct iw_diagnostics d;
	memset(big, ' ', sizeof(big));
	big[0] = '1';
	assert_int_equal(iw_diagnostics_read(&arena, xfed_span_make(big, sizeof(big) - 1), &d), XFED_OK);
	assert_int_equal(iw_diagnostics_read(&arena, xfed_span_make(big, sizeof(big)), &d), XFED_ERR_INVALID);
}

/* ---- ms-imdn ---- */

#define IMDN(in) "<?xml version=\"1.0\"?><imdn xmlns=\"urn:ietf:params:xml:ns:imdn\">" in "</imdn>"
#define SEEN	 IMDN("<message-id>a1</message-id><recipient uri=\"sip:bob@partner.example\"><status>408</status></recipient>")

/* What a client showed as "not delivered". */
static void imdn_written(void **state)
{
	(void)state;
	struct iw_imdn back;
	struct xfed_buf out;
	for (size_t cap = 0; cap <= strlen(SEEN); cap++) {
		xfed_buf_init(&out, cap);
		int rc = iw_imdn_write(&out, XFED_SPAN("a1"), XFED_SPAN("sip:bob@partner.example"), 408);
		assert_int_equal(rc, cap < strlen(SEEN) ? XFED_ERR_LIMIT : XFED_OK);
		assert_true(xfed_span_is(xfed_buf_span(&out), rc == XFED_OK ? SEEN : ""));
		xfed_buf_deinit(&out);
	}
	xfed_buf_init(&out, 1024);
	assert_int_equal(iw_imdn_write(&out, XFED_SPAN("<&\">"), XFED_SPAN("sip:a&b\"<@x"), 404), XFED_OK);
	assert_int_equal(iw_imdn_read(&arena, xfed_buf_span(&out), &back), XFED_OK);
	assert_true(xfed_span_is(back.id, "<&\">") && back.status == 404);
	xfed_buf_deinit(&out);
}

static const struct imdn_row {
	const char *name, *in, *id; /* NULL: the error */
	int status;
} imdn_rows[] = {
	{ "as seen", SEEN, "a1", 408 },
	{ "the worst of several recipients",
		IMDN("<message-id> a2\n</message-id><recipient uri='sip:a@x'><status>200</status></recipient>"
		     "<recipient uri='sip:b@x'><status> 480 </status><ms-diagnostics>x</ms-diagnostics></recipient>"
		     "<recipient uri='sip:c@x'><status>404</status></recipient>"),
		"a2", 480 },
	{ "of two ids the first", IMDN("<message-id>a</message-id><message-id>b</message-id><recipient><status>500</status></recipient>"), "a", 500 },
	{ "without a namespace", "<imdn><message-id>a</message-id><recipient><status>500</status></recipient></imdn>", "a", 500 },
	{ "delivered to all", IMDN("<message-id>2</message-id>"), "2", 200 },
	{ "no id", IMDN("<recipient><status>500</status></recipient>"), NULL, XFED_ERR_INVALID },
	{ "an empty id", IMDN("<message-id/><recipient><status>500</status></recipient>"), NULL, XFED_ERR_INVALID },
	{ "no status", IMDN("<message-id>a</message-id><recipient/>"), NULL, XFED_ERR_INVALID },
	{ "a status that is none", IMDN("<message-id>a</message-id><recipient><status>99</status></recipient>"), NULL, XFED_ERR_INVALID },
	{ "a status too large", IMDN("<message-id>a</message-id><recipient><status>700</status></recipient>"), NULL, XFED_ERR_INVALID },
	{ "the notification of others (RFC 5438)", "<notification xmlns='urn:ietf:params:xml:ns:imdn'/>", NULL, XFED_ERR_INVALID },
	{ "half of it", "<imdn><message-id>a</message-id><recipient><status>500</status></recipient>", NULL, XFED_ERR_INVALID },
	{ "a DTD", "<!DOCTYPE imdn [<!ENTITY a 'b'>]><imdn/>", NULL, XFED_ERR_INVALID },
	{ "a long id", IMDN("<message-id>" X100 X100 X100 "</message-id>"), NULL, XFED_ERR_LIMIT },
	{ "too deep", IMDN("<a><a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a></a>"), NULL, XFED_ERR_LIMIT },
};

static void imdn_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(imdn_rows); i++) {
		const struct imdn_row *r = &imdn_rows[i];
		struct iw_imdn d;
		int rc = iw_imdn_read(&arena, xfed_span_str(r->in), &d);
		bool is_right =
			r->id ? rc == XFED_OK && xfed_span_is(d.id, r->id) && d.status == r->status : rc == r->status && !d.id.data && d.status == 0;
		if (!is_right) {
			fail_msg("%s: %d '%.*s' %d", r->name, rc, (int)d.id.len, d.id.data ? d.id.data : "", d.status);
		}
	}
}

/* The form of [MS-CONFIM] section 2.2.2, with a line break inside the value. */
static const char text[] =
	"<?xml version=\"1.0\" encoding=\"utf-8\"?><imdn xmlns=\"http://schemas.microsoft.com/rtc/2005/08/imdn\"><message-id>2</message-id>"
	"<recipient uri=\"&lt;sip:a@x&gt;\"><status>200</status><entry><key>ms-diagnostics</key><value>1</value></entry></recipient>"
	"<recipient uri=\"&lt;sip:b@x;gruu&gt;\"><status>408</status><entry><key>other</key><value>2</value></entry><entry>"
	"<key>ms-diagnostics</key><value>6001;source=\"server.corp.example\";\r\n   reason=\"Request Timeout\";component=\"ImMcu\"\n</value>"
	"</entry></recipient></imdn>";

static void imdn_says_why(void **state)
{
	(void)state;
	struct iw_imdn d;
	assert_int_equal(iw_imdn_read(&arena, xfed_span_str(text), &d), XFED_OK);
	assert_true(xfed_span_is(d.id, "2") && d.status == 408);
	assert_true(xfed_span_is(d.diagnostics, "ms-diagnostics 6001 of server.corp.example: Request Timeout"));
	assert_int_equal(iw_imdn_read(&arena, XFED_SPAN(SEEN), &d), XFED_OK);
	assert_null(d.diagnostics.data);
}

/* ---- memory ---- */

static size_t left;

static void *failing_malloc(size_t size)
{
	return left > 0 && left-- ? malloc(size) : NULL;
}

static void *failing_realloc(void *p, size_t size)
{
	return left > 0 && left-- ? realloc(p, size) : NULL;
}

static void allocations_fail(void **state)
{
	(void)state;
	static const struct xfed_mem_hooks hooks = { failing_malloc, failing_realloc, free };
	int read = XFED_ERR_NOMEM, said = XFED_ERR_NOMEM;
	for (size_t n = 0; read == XFED_ERR_NOMEM || said == XFED_ERR_NOMEM; n++) {
		struct xfed_arena a;
		struct iw_imdn d;
		struct iw_diagnostics g;
		xfed_arena_init(&a, 1024 * 1024);
		xfed_mem_set_hooks(&hooks);
		left = n;
		read = iw_imdn_read(&a, xfed_span_str(text), &d);
		xfed_arena_deinit(&a);
		left = n;
		said = iw_diagnostics_read(&a, XFED_SPAN("1;reason=\"dns.timeout\";source=\"a\""), &g);
		xfed_arena_deinit(&a);
		xfed_mem_set_hooks(NULL);
		assert_true(n < 1000);
	}
	assert_int_equal(read, XFED_OK);
	assert_int_equal(said, XFED_OK);
}

int main(void)
{
	if (xfed_xml_global_init() != XFED_OK) {
		return 1;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(diagnostics, setup, teardown),
		cmocka_unit_test_setup_teardown(imdn_written, setup, teardown),
		cmocka_unit_test_setup_teardown(imdn_read, setup, teardown),
		cmocka_unit_test_setup_teardown(imdn_says_why, setup, teardown),
		cmocka_unit_test(allocations_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
