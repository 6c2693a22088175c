/* The parser: fields, refusals, limits, and the reaction to messages after RFC 4475 and RFC 5118
 * ([C1], [C9]). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "failing.h"
#include "sip/scan.h"
#include "transcript.h"
#include "xfed/limits.h"

static const char *corpus_dir;

/* A message that was parsed before, as large as some and smaller than others: nothing of it may be seen in the next one. Every second time NULL. */
static struct sip_message *dirty(void)
{
	static unsigned calls;
	char text[1024] = "MESSAGE sip:old@old.example SIP/2.0\r\nVia: SIP/2.0/TCP 1.2.3.4;branch=z9hG4bKold\r\nf: <sip:a@old.example>;tag=old\r\n"
			  "t: <sip:b@old.example>\r\ni: old\r\nCSeq: 7 MESSAGE\r\nSubject: old\r\nl: 300\r\n\r\n";
	struct sip_message *m;
	struct sip_error err;
	size_t head = strlen(text);
	memset(text + head, 'x', 300);
	if (calls++ % 2 > 0) {
		return NULL;
	}
	assert_int_equal(sip_message_parse(xfed_span_make(text, head + 300), SIP_PARSE_STREAM, &m, &err), XFED_OK);
	return m;
}

static int parse(struct xfed_span bytes, enum sip_parse_flags flags, struct sip_message **m, struct sip_error *err)
{
	/* A copy of exactly that size: reading behind it is seen. */
	char *copy = malloc(bytes.len > 0 ? bytes.len : 1);
	memcpy(copy, bytes.data, bytes.len);
	int rc = sip_message_parse_into(dirty(), xfed_span_make(copy, bytes.len), flags, m, err);
	free(copy);
	return rc;
}

#define FULL                                                                                                                                         \
	"\r\n\r\nMESSAGE sip:juliet%20c@example.com;lr SIP/2.0\r\n"                                                                                  \
	"v: SIP/2.0/TLS sip.example.org:5061;branch=z9hG4bKtop;rport;i=2, SIP/2.0/UDP "                                                              \
	"10.0.0.1;branch=z9hG4bKlow\r\n"                                                                                                             \
	"Via: SIP/2.0/TCP 10.0.0.2;branch=z9hG4bKend\r\n"                                                                                            \
	"Max-Forwards: 069\r\nf: \"Dave, \\\"D\\\"\" <sip:dave@example.org>;tag=from-1\r\nt: "                                                       \
	"sip:juliet@example.com\r\n"                                                                                                                 \
	"i: abc@10.0.0.1\r\nCSeq:  42\r\n MESSAGE\r\ns: Two\r\n words\r\nc: text/plain ; "                                                           \
	"charset=\"UTF-8\"\r\n"                                                                                                                      \
	"Content-Language: de\r\nContent-Encoding: identity\r\nContent-Disposition: "                                                                \
	"render\r\nExpires: 60\r\nRetry-After: 5 (x)\r\n"                                                                                            \
	"Date: Sat, 21 Nov 2026 10:00:00 GMT\r\nRequire: a\r\nAccept: text/plain\r\nm: "                                                             \
	"<sip:dave@10.0.0.1>\r\nX-Own: v\r\n"                                                                                                        \
	"Route: <sip:r.example.com;lr>\r\nRecord-Route: <sip:q.example.com;lr>\r\nl: "                                                               \
	"5\r\n\r\nhello"

static void all_fields(void **state)
{
	struct sip_message *m;
	struct sip_error err;
	assert_int_equal(parse(XFED_SPAN(FULL), SIP_PARSE_STREAM, &m, &err), XFED_OK);
	const struct {
		const char *name;
		struct xfed_span got;
		const char *want;
	} rows[] = {
		{ "method", m->method, "MESSAGE" },
		{ "request_uri", m->request_uri, "sip:juliet%20c@example.com;lr" },
		{ "user", m->uri.user, "juliet%20c" },
		{ "via.host", m->via.host, "sip.example.org" },
		{ "via.branch", m->via.branch, "z9hG4bKtop" },
		{ "from.uri", m->from.uri, "sip:dave@example.org" },
		{ "from.display", m->from.display, "\"Dave, \\\"D\\\"\"" },
		{ "from.tag", m->from.tag, "from-1" },
		{ "to.uri", m->to.uri, "sip:juliet@example.com" },
		{ "call_id", m->call_id, "abc@10.0.0.1" },
		{ "cseq_method", m->cseq_method, "MESSAGE" },
		{ "subject", m->subject, "Two   words" },
		{ "media_type", m->media_type, "text/plain" },
		{ "content_language", m->content_language, "de" },
		{ "content_encoding", m->content_encoding, "identity" },
		{ "content_disposition", m->content_disposition, "render" },
		{ "date", m->date, "Sat, 21 Nov 2026 10:00:00 GMT" },
		{ "accept", m->accept, "text/plain" },
		{ "contact", m->contact, "<sip:dave@10.0.0.1>" },
		{ "body", m->body, "hello" },
		{ "X-Own", sip_message_header_named(m, "x-own", NULL)->value, "v" },
		{ "second Via", sip_message_header(m, SIP_HEADER_VIA, sip_message_header_named(m, "via", NULL))->value,
			"SIP/2.0/TCP 10.0.0.2;branch=z9hG4bKend" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		if (!rows[i].got.data || !xfed_span_is(rows[i].got, rows[i].want)) {
			fail_msg("%s: %.*s", rows[i].name, (int)rows[i].got.len, rows[i].got.data);
		}
	}
	assert_true(m->is_request && m->via_count == 3 && m->max_forwards == 69 && m->cseq == 42 && m->expires == 60);
	assert_true(m->retry_after_s == 5 && m->via.has_rport && m->via.port == 5061 && m->to.tag.data == NULL);
	assert_null(sip_message_header_named(m, "Nowhere", NULL));
	sip_message_free(m);
}

static void status_line(void **state)
{
	struct sip_message *m;
	struct sip_error err;
	const char *text = "SIP/2.0 404 Nicht da \xc3\xa4\r\nVia: SIP/2.0/UDP "
			   "h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
			   "To: <sip:c@d>;tag=2\r\nCall-ID: 1\r\nCSeq: 4294967295 MESSAGE\r\n\r\n";
	assert_int_equal(parse(xfed_span_str(text), SIP_PARSE_DATAGRAM, &m, &err), XFED_OK);
	assert_true(!m->is_request && m->status == 404 && xfed_span_is(m->reason, "Nicht da \xc3\xa4") && m->cseq == UINT32_MAX);
	sip_message_free(m);
}

#define LINE "MESSAGE sip:c@d SIP/2.0\r\n"
#define VIA  "Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
#define REST "Max-Forwards: 70\r\n" FROM TO ID CSEQ
#define FROM "From: <sip:a@b>;tag=1\r\n"
#define TO   "To: <sip:c@d>\r\n"
#define ID   "Call-ID: 1\r\n"
#define CSEQ "CSeq: 1 MESSAGE\r\n"
#define MF   "Max-Forwards: 70\r\n"

#define SUBSCRIBE "SUBSCRIBE sip:c@d SIP/2.0\r\n" VIA MF FROM TO ID "CSeq: 1 SUBSCRIBE\r\n"
#define ANSWER	  "SIP/2.0 200 OK\r\n" VIA FROM "To: <sip:c@d>;tag=2\r\n" ID

/* What each fault is worth, and whether it can be answered. */
static const struct bad {
	const char *name, *text;
	int flags, status;
	bool answered, framing;
} bad_rows[] = {
	{ "no blank line", LINE VIA REST, 0, 400, false, true },
	{ "bare LF", "MESSAGE sip:c@d SIP/2.0\n" VIA REST "\r\n", 0, 400, false, true },
	{ "bare CR", LINE VIA "X: a\rb\r\n" REST "\r\n", 0, 400, false, true },
	{ "no Via", LINE REST "\r\n", 0, 400, false, false },
	{ "no From", LINE VIA MF TO ID CSEQ "\r\n", 0, 400, false, false },
	{ "no To", LINE VIA MF FROM ID CSEQ "\r\n", 0, 400, false, false },
	{ "no Call-ID", LINE VIA MF FROM TO CSEQ "\r\n", 0, 400, false, false },
	{ "no CSeq", LINE VIA MF FROM TO ID "\r\n", 0, 400, false, false },
	{ "Max-Forwards 256", LINE VIA "Max-Forwards: 256\r\n" FROM TO ID CSEQ "\r\n", 0, 400, true, false },
	{ "CSeq mismatch", LINE VIA MF FROM TO ID "CSeq: 1 OPTIONS\r\n\r\n", 0, 400, true, false },
	{ "CSeq overflow", LINE VIA MF FROM TO ID "CSeq: 4294967296 MESSAGE\r\n\r\n", 0, 400, true, false },
	{ "CSeq negative", LINE VIA MF FROM TO ID "CSeq: -1 MESSAGE\r\n\r\n", 0, 400, true, false },
	{ "CSeq without number", LINE VIA MF FROM TO ID "CSeq: MESSAGE\r\n\r\n", 0, 400, true, false },
	{ "two CSeq", LINE VIA REST CSEQ "\r\n", 0, 400, true, false },
	{ "two From", LINE VIA REST "f: <sip:x@y>;tag=2\r\n\r\n", 0, 400, true, false },
	{ "two To", LINE VIA REST "t: <sip:x@y>\r\n\r\n", 0, 400, true, false },
	{ "two Call-ID", LINE VIA REST "i: 2\r\n\r\n", 0, 400, true, false },
	{ "two Content-Length", LINE VIA REST "Content-Length: 0\r\nl: 0\r\n\r\n", 0, 400, true, true },
	{ "two Content-Type", LINE VIA REST "Content-Type: text/plain\r\nc: text/plain\r\n\r\n", 0, 400, true, false },
	{ "Content-Length negative", LINE VIA REST "Content-Length: -1\r\n\r\n", 0, 400, true, true },
	{ "Content-Length empty", LINE VIA REST "Content-Length:\r\n\r\n", 0, 400, true, true },
	{ "Content-Length hex", LINE VIA REST "Content-Length: 0x1\r\n\r\nx", 0, 400, true, true },
	{ "Content-Length too long", LINE VIA REST "Content-Length: 2\r\n\r\nx", 0, 400, true, true },
	{ "Content-Length huge", LINE VIA REST "Content-Length: 4294967295\r\n\r\nx", 0, 413, true, true },
	{ "stream without Content-Length", LINE VIA REST "\r\n", SIP_PARSE_STREAM, 400, true, true },
	{ "stream with bytes behind", LINE VIA REST "l: 1\r\n\r\nxy", SIP_PARSE_STREAM, 400, true, true },
	{ "bad Contact", SUBSCRIBE "Contact: sip:a@b?x=y\r\n\r\n", 0, 400, true, false },
	{ "bad second Contact", SUBSCRIBE "Contact: <sip:a@b>, <sip:>\r\n\r\n", 0, 400, true, false },
	{ "bad Record-Route", SUBSCRIBE "Record-Route: <sip:10.0.0.1;lr\r\n\r\n", 0, 400, true, false },
	{ "Expires without a number", SUBSCRIBE "Expires: never\r\n\r\n", 0, 400, true, false },
	{ "two Events", SUBSCRIBE "Event: presence\r\no: presence\r\n\r\n", 0, 400, true, false },
	{ "control character in Contact", SUBSCRIBE "Contact: <sip:a@b>;x=\001\r\n\r\n", 0, 400, true, false },
	{ "control character in Require", LINE VIA REST "Require: a\001\r\n\r\n", 0, 400, true, false },
	{ "control character in From", LINE VIA MF "From: \002 <sip:a@b>;tag=1\r\n" TO ID CSEQ "\r\n", 0, 400, true, false },
	{ "control character in Content-Type", LINE VIA REST "Content-Type: text/plain;a=\"\001\"\r\n\r\n", 0, 400, true, false },
	{ "headers in Request-URI", "MESSAGE sip:c@d?Route=%3Csip:x%3E SIP/2.0\r\n" VIA REST "\r\n", 0, 400, true, false },
	{ "Request-URI in <>", "MESSAGE <sip:c@d> SIP/2.0\r\n" VIA REST "\r\n", 0, 400, true, false },
	{ "two blanks", "MESSAGE  sip:c@d SIP/2.0\r\n" VIA REST "\r\n", 0, 400, true, false },
	{ "no version", "MESSAGE sip:c@d\r\n" VIA REST "\r\n", 0, 400, true, false },
	{ "version 3", "MESSAGE sip:c@d SIP/3.0\r\n" VIA REST "\r\n", 0, 505, true, false },
	{ "version of another protocol", "MESSAGE sip:c@d HTTP/1.1\r\n" VIA REST "\r\n", 0, 400, true, false },
	{ "method with brackets", "MES(SAGE sip:c@d SIP/2.0\r\n" VIA REST "\r\n", 0, 400, true, false },
	{ "header without colon", LINE VIA "nonsense\r\n" REST "\r\n", 0, 400, true, false },
	{ "bad Via", LINE "Via: SIP/2.0/UDP h;;,;\r\n" REST "\r\n", 0, 400, true, false },
	{ "bad second Via", LINE VIA "Via: nonsense\r\n" REST "\r\n", 0, 400, true, false },
	{ "bad Content-Type", LINE VIA REST "Content-Type: text\r\n\r\n", 0, 400, true, false },
	{ "bad Content-Type parameter", LINE VIA REST "Content-Type: text/plain;=\r\n\r\n", 0, 400, true, false },
	{ "Call-ID with blank", LINE VIA MF FROM TO "Call-ID: a b\r\n" CSEQ "\r\n", 0, 400, true, false },
	{ "Call-ID beyond ASCII", LINE VIA MF FROM TO "Call-ID: \xc3\xa4\r\n" CSEQ "\r\n", 0, 400, true, false },
	{ "folded start line", "MESSAGE sip:c@d\r\n SIP/2.0\r\n" VIA REST "\r\n", 0, 400, true, false },
	{ "ACK is not answered", "ACK sip:c@d SIP/2.0\r\n" VIA MF FROM TO ID "CSeq: 1 ACK\r\nContent-Type: text\r\n\r\n", 0, 400, false, false },
	{ "status 700", "SIP/2.0 700 x\r\n" VIA REST "\r\n", 0, 400, false, false },
	{ "status 99", "SIP/2.0 099 x\r\n" VIA REST "\r\n", 0, 400, false, false },
	{ "status of four digits", "SIP/2.0 2000 x\r\n" VIA REST "\r\n", 0, 400, false, false },
};

static void refusals(void **state)
{
	struct sip_message *m;
	struct sip_error err;
	assert_int_equal(parse(XFED_SPAN(LINE VIA REST "\r\n"), 0, &m, &err), XFED_OK);
	sip_message_free(m);
	for (size_t i = 0; i < XFED_ARRAY_LEN(bad_rows); i++) {
		const struct bad *r = &bad_rows[i];
		int rc = parse(xfed_span_str(r->text), (enum sip_parse_flags)r->flags, &m, &err);
		if (rc != XFED_ERR_INVALID || err.status != r->status || (m != NULL) != r->answered || err.is_framing != r->framing) {
			fail_msg("%s: rc %d, %d %s, answered %d, framing %d", r->name, rc, err.status, err.phrase ? err.phrase : "", m != NULL,
				err.is_framing);
		}
		sip_message_free(m);
	}
}

/* What is allowed, though unusual. */
static void tolerated(void **state)
{
	static const struct {
		const char *name, *text;
	} rows[] = {
		{ "lower-case version", "MESSAGE sip:c@d sip/2.0\r\n" VIA REST "\r\n" },
		{ "unknown scheme", "MESSAGE foo:bar SIP/2.0\r\n" VIA REST "\r\n" },
		{ "unknown method", "FOO~*' sip:c@d SIP/2.0\r\n" VIA MF FROM TO ID "CSeq: 1 FOO~*'\r\n\r\n" },
		{ "no From tag", LINE VIA MF "From: <sip:a@b>\r\n" TO ID CSEQ "\r\n" },
		{ "bytes behind the body", LINE VIA REST "l: 1\r\n\r\nxyz" },
		{ "quoted pair", LINE VIA MF "From: \"\\\001\\\177\" <sip:a@b>;tag=1\r\n" TO ID CSEQ "\r\n" },
		{ "Call-ID beyond the grammar", LINE VIA MF FROM TO "Call-ID: ab==@x@y\r\n" CSEQ "\r\n" },
		{ "semicolons in Content-Type", LINE VIA REST "Content-Type: text/plain;;; charset=UTF-8;; ;\r\n\r\n" },
		{ "Contact star", LINE VIA REST "Contact: *\r\n\r\n" },
		{ "UTF-8 display name", LINE VIA MF "From: J\xc3\xb6rg <sip:a@b>;tag=1\r\n" TO ID CSEQ "\r\n" },
		{ "empty Subject", LINE VIA REST "Subject:\r\n\r\n" },
		{ "Expires too large", LINE VIA REST "Expires: 99999999999999999999\r\n\r\n" },
		{ "no Max-Forwards", LINE VIA FROM TO ID CSEQ "\r\n" },
		{ "tabs and folds", LINE "Via:\tSIP/2.0/UDP\th\r\n\t;branch=z9hG4bK1\r\n" MF "From: \"Dave\"\t<sip:a@b>\r\n\t;tag=1\r\n"
					 "To: A\r\n\tB\t<sip:c@d>\r\n" ID "CSeq:\t1\tMESSAGE\r\n\r\n" },
		{ "an answer without a version of its Contact", ANSWER CSEQ "Contact: a b c\r\n\r\n" },
		{ "an answer with a line without a name", ANSWER CSEQ "nonsense\r\n\r\n" },
		{ "an answer with a bad Content-Type", ANSWER CSEQ "Content-Type: text\r\n\r\n" },
		{ "an answer with control characters", ANSWER CSEQ "Server: x\001\r\nReason\002: y\r\n\r\n" },
		{ "an answer with two Subjects and two Dates", ANSWER CSEQ "Subject: a\r\ns: b\r\nDate: a\r\nDate: b\r\n\r\n" },
		{ "an answer to MESSAGE with a bad Expires", ANSWER CSEQ "Expires: soon\r\nRecord-Route: x y\r\n\r\n" },
		{ "a reason phrase with control characters", "SIP/2.0 200 O\001K\r\n" VIA FROM TO ID CSEQ "\r\n" },
	};
	struct sip_message *m;
	struct sip_error err;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		if (parse(xfed_span_str(rows[i].text), 0, &m, &err) != XFED_OK) {
			fail_msg("%s: %d %s", rows[i].name, err.status, err.phrase);
		}
		sip_message_free(m);
	}
}

/* What does not parse and is not needed is as if it were absent (RFC 3261 section 8.2.2); what stands beside it is read. */
static void as_if_absent(void **state)
{
	static const struct {
		const char *line;
		enum sip_header_id id;
	} rows[] = {
		{ "Contact: dave", SIP_HEADER_CONTACT },
		{ "Contact: <sip:a@b>, <sip:PBX#1@10.0.0.7>", SIP_HEADER_CONTACT },
		{ "m: <sip:dave@[fe80::1%eth0]>", SIP_HEADER_CONTACT },
		{ "Record-Route: <sip:10.0.0.1;lr", SIP_HEADER_RECORD_ROUTE },
		{ "Expires: never", SIP_HEADER_EXPIRES },
		{ "Subject: a\r\ns: b", SIP_HEADER_SUBJECT },
		{ "Subject: with a \001 in it", SIP_HEADER_SUBJECT },
		{ "Date: \177", SIP_HEADER_DATE },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct sip_message *m;
		struct sip_error err;
		char text[1024];
		snprintf(text, sizeof(text), LINE VIA REST "%s\r\nAccept: text/plain\r\n\r\n", rows[i].line);
		if (parse(xfed_span_str(text), 0, &m, &err) != XFED_OK) {
			fail_msg("%s: %d %s", rows[i].line, err.status, err.phrase);
		}
		assert_null(sip_message_header(m, rows[i].id, NULL));
		assert_null(m->contact.data);
		assert_null(m->subject.data);
		assert_null(m->date.data);
		assert_int_equal(m->expires, -1);
		assert_true(xfed_span_is(m->accept, "text/plain"));
		sip_message_free(m);
	}
}

/* A NUL is a NUL, whoever needs the field; as a quoted pair it is text [C1-08]. */
static void nul_in_a_field(void **state)
{
	struct sip_message *m;
	struct sip_error err;
	const struct xfed_span bare[] = { XFED_SPAN(LINE VIA REST "X: a\0b\r\n\r\n"), XFED_SPAN(ANSWER CSEQ "Server: a\0b\r\n\r\n") };
	for (size_t i = 0; i < XFED_ARRAY_LEN(bare); i++) {
		assert_int_equal(parse(bare[i], 0, &m, &err), XFED_ERR_INVALID);
		assert_string_equal(err.phrase, "NUL in Header");
		sip_message_free(m);
	}
	assert_int_equal(parse(XFED_SPAN(LINE VIA REST "X: \"\\\0\"\r\n\r\n"), 0, &m, &err), XFED_OK);
	sip_message_free(m);
}

/* What the log line of a refusal is made of. */
static void findings(void **state)
{
	static const struct {
		const char *text, *header, *call_id;
		bool is_response;
	} rows[] = {
		{ LINE VIA REST "Content-Type: text\r\n\r\n", "Content-Type", "1", false },
		{ LINE VIA MF "From: <sip:a@b\r\n" TO "i: one\001two\r\n" CSEQ "\r\n", "Call-ID", "one\001two", false },
		{ "SIP/2.0 200 OK\r\n" VIA FROM TO "Call-ID: x@y\r\n\r\n", "CSeq", "x@y", true },
		{ LINE VIA FROM TO CSEQ "\r\n", "Call-ID", "", false },
		{ "MESSAGE\r\n" VIA REST "\r\n", NULL, "1", false },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct sip_message *m;
		struct sip_error err;
		assert_int_equal(parse(xfed_span_str(rows[i].text), 0, &m, &err), XFED_ERR_INVALID);
		bool same = rows[i].header ? err.header && strcmp(err.header, rows[i].header) == 0 : !err.header;
		if (!same || strcmp(err.call_id, rows[i].call_id) != 0 || err.is_response != rows[i].is_response) {
			fail_msg("row %zu: header %s, call id %s, response %d", i, err.header ? err.header : "none", err.call_id, err.is_response);
		}
		sip_message_free(m);
	}
}

struct filler {
	char text[80000];
	size_t len;
};

static void fill(struct filler *f, const char *s, size_t times)
{
	for (size_t i = 0; i < times; i++) {
		memcpy(f->text + f->len, s, strlen(s));
		f->len += strlen(s);
	}
}

static void expect_limit(const char *name, const struct filler *f, int status)
{
	struct sip_message *m;
	struct sip_error err;
	int rc = parse(xfed_span_make(f->text, f->len), 0, &m, &err);
	if (status == 0 ? rc != XFED_OK : rc != XFED_ERR_INVALID || err.status != status) {
		fail_msg("%s: rc %d, %d %s", name, rc, err.status, err.phrase ? err.phrase : "");
	}
	sip_message_free(m);
}

/* XFED_SIP_* : at the limit fine, one above refused. */
static void limits(void **state)
{
	static struct filler f;
	for (int above = 0; above <= 1; above++) {
		f.len = 0;
		fill(&f, LINE VIA REST, 1);
		fill(&f, "Foo: y\r\n", XFED_SIP_HEADERS_MAX - 6 + (size_t)above);
		fill(&f, "\r\n", 1);
		expect_limit("header fields", &f, above ? 513 : 0);

		f.len = 0;
		fill(&f, LINE VIA REST "Foo: ", 1);
		fill(&f, "y", XFED_SIP_HEADER_BYTES - f.len - 4 + (size_t)above);
		fill(&f, "\r\n\r\n", 1);
		expect_limit("header bytes", &f, above ? 513 : 0);

		f.len = 0;
		fill(&f, LINE VIA REST "\r\n", 1);
		fill(&f, "b", XFED_SIP_MESSAGE_BYTES - f.len + (size_t)above);
		expect_limit("message bytes", &f, above ? 413 : 0);
	}
	f.len = 0;
	fill(&f, "x", XFED_SIP_HEADER_BYTES + 1);
	expect_limit("no end of header", &f, 513);
}

/* Every allocation of a parse fails once: no crash, no leak, and the outcome is NOMEM. */
static void failing_allocations(void **state)
{
	static const char *const rows[] = { FULL, LINE VIA REST "Content-Type: text\r\n\r\n" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		for (long n = 0;; n++) {
			struct sip_message *m;
			struct sip_error err;
			long held = failing_held;
			failing_arm(n);
			int rc = sip_message_parse(xfed_span_str(rows[i]), SIP_PARSE_DATAGRAM, &m, &err);
			bool hit = failing_hit;
			failing_arm(-1);
			assert_true(!hit || (rc == XFED_ERR_NOMEM && !m));
			sip_message_free(m);
			assert_int_equal(failing_held, held);
			if (!hit) {
				break;
			}
		}
	}
}

/*
 * [C9]: the reaction of the whole layer, on the transport named. "" is silence: a response that is
 * dropped, or a request that cannot be answered because what an answer must copy is not there.
 * INVITE and REGISTER are refused by their method.
 */
static const struct torture {
	const char *file, *want;
	enum sip_transport transport;
} torture[] = {
	{ "rfc4475/wsinv", "send 481" },
	{ "rfc4475/intmeth", "send 501", SIP_TCP },
	{ "rfc4475/esc01", "send 405" },
	{ "rfc4475/escnull", "send 405" },
	{ "rfc4475/esc02", "send 501" },
	{ "rfc4475/lwsdisp", "send 200" },
	{ "rfc4475/longreq", "send 405", SIP_TCP },
	{ "rfc4475/dblreq", "send 405" },
	{ "rfc4475/semiuri", "send 200" },
	{ "rfc4475/transports", "send 200" },
	{ "rfc4475/mpart01", "request MESSAGE" },
	{ "rfc4475/unreason", "" },
	{ "rfc4475/noreason", "" },
	{ "rfc4475/badinv01", "send 400, bad 400" },
	{ "rfc4475/clerr", "send 400, bad 400" },
	{ "rfc4475/ncl", "send 400, bad 400" },
	{ "rfc4475/ncl", "send 400, bad 400, close", SIP_TCP },
	{ "rfc4475/scalar02", "send 400, bad 400" },
	{ "rfc4475/scalarlg", "bad 400" },
	{ "rfc4475/quotbal", "send 400, bad 400" },
	{ "rfc4475/ltgtruri", "send 400, bad 400" },
	{ "rfc4475/lwsruri", "send 400, bad 400" },
	{ "rfc4475/lwsstart", "send 400, bad 400" },
	{ "rfc4475/trws", "send 400, bad 400" },
	{ "rfc4475/escruri", "send 400, bad 400" },
	{ "rfc4475/baddate", "send 405" },
	{ "rfc4475/regbadct", "send 400, bad 400" },
	{ "rfc4475/badaspec", "send 400, bad 400" },
	{ "rfc4475/baddn", "send 400, bad 400" },
	{ "rfc4475/badvers", "send 505, bad 505" },
	{ "rfc4475/mismatch01", "send 400, bad 400" },
	{ "rfc4475/mismatch02", "send 501, bad 501" },
	{ "rfc4475/bigcode", "bad 400" },
	{ "rfc4475/badbranch", "send 200" },
	{ "rfc4475/insuf", "bad 400" },
	{ "rfc4475/unkscm", "send 416" },
	{ "rfc4475/novelsc", "send 416" },
	{ "rfc4475/unksm2", "send 405" },
	{ "rfc4475/bext01", "send 420" },
	{ "rfc4475/invut", "send 405" },
	{ "rfc4475/regaut01", "send 405" },
	{ "rfc4475/multi01", "send 400, bad 400" },
	{ "rfc4475/mcl01", "send 400, bad 400" },
	{ "rfc4475/mcl01", "send 400, bad 400, close", SIP_TLS },
	{ "rfc4475/bcast", "" },
	{ "rfc4475/zeromf", "send 200" },
	{ "rfc4475/cparam01", "send 405" },
	{ "rfc4475/cparam02", "send 405" },
	{ "rfc4475/regescrt", "send 405" },
	{ "rfc4475/sdp01", "send 405" },
	{ "rfc4475/inv2543", "send 405" },
	{ "rfc5118/ipv6-good", "send 405" },
	{ "rfc5118/ipv6-bad", "send 400, bad 400" },
	{ "rfc5118/port-ambiguous", "send 405" },
	{ "rfc5118/port-unambiguous", "send 405" },
	{ "rfc5118/via-received-param-with-delim", "send 481" },
	{ "rfc5118/via-received-param-no-delim", "send 200" },
	{ "rfc5118/ipv6-in-sdp", "send 405" },
	{ "rfc5118/ipv4-mapped-ipv6", "send 405" },
	{ "rfc5118/mult-ip-in-header", "send 481" },
	{ "rfc5118/mult-ip-in-sdp", "send 405" },
	{ "rfc5118/ipv6-correct-abnf-2-colons", "send 200" },
	{ "rfc5118/ipv6-bug-abnf-3-colons", "send 200" },
};

static struct xfed_span loaded[XFED_ARRAY_LEN(torture)];

/* Before the tests, which may open nothing. */
static int load_corpus(void **state)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(torture); i++) {
		char path[4096], *text = malloc(70000);
		snprintf(path, sizeof(path), "%s/%s.dat", corpus_dir, torture[i].file);
		FILE *f = fopen(path, "rb");
		if (!f || !text) {
			print_error("%s: cannot be read\n", path);
			free(text);
			return -1;
		}
		loaded[i] = xfed_span_make(text, fread(text, 1, 70000, f));
		fclose(f);
	}
	return 0;
}

static int free_corpus(void **state)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(torture); i++) {
		free((void *)(uintptr_t)loaded[i].data);
	}
	return 0;
}

static void torture_messages(void **state)
{
	struct sip_layer_config config = play_config();
	for (size_t i = 0; i < XFED_ARRAY_LEN(torture); i++) {
		static struct play p;
		p = (struct play){ .transport = torture[i].transport };
		assert_int_equal(play_new(&config, &play_user, &p.layer), XFED_OK);
		assert_int_equal(play_receive(&p, loaded[i], 0), XFED_OK);
		drain(&p);
		if (strcmp(p.got, torture[i].want) != 0) {
			fail_msg("%s: got \"%s\", want \"%s\"", torture[i].file, p.got, torture[i].want);
		}
		sip_layer_free(p.layer);
	}
}

static void memory_is_used_again(void **state)
{
	static const char small[] = "OPTIONS sip:a SIP/2.0\r\nv: SIP/2.0/TCP a;branch=z9hG4bK1\r\nf: <sip:a>;tag=1\r\nt: <sip:a>\r\ni: 1\r\nCSeq: 1 "
				    "OPTIONS\r\nl: 0\r\n\r\n";
	struct sip_message *first, *second, *third;
	struct sip_error err;
	(void)state;
	assert_int_equal(sip_message_parse(XFED_SPAN(FULL), SIP_PARSE_DATAGRAM, &first, &err), XFED_OK);
	uintptr_t block = (uintptr_t)first;
	assert_int_equal(sip_message_parse_into(first, xfed_span_str(small), SIP_PARSE_STREAM, &second, &err), XFED_OK);
	assert_true((uintptr_t)second == block && second->header_count == 6 && !second->subject.data && second->body.len == 0);
	assert_int_equal(
		sip_message_parse_into(second, XFED_SPAN(FULL), SIP_PARSE_DATAGRAM, &third, &err), XFED_OK); /* there was room for that once */
	assert_true((uintptr_t)third == block && xfed_span_is(third->body, "hello"));
	assert_int_equal(sip_message_parse_into(third, XFED_SPAN("no SIP"), SIP_PARSE_STREAM, &first, &err), XFED_ERR_INVALID); /* released */
	assert_null(first);
}

int main(int argc, char **argv)
{
	corpus_dir = argc > 1 ? argv[1] : ".";
	xfed_mem_set_hooks(&failing_hooks);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_fields),
		cmocka_unit_test(status_line),
		cmocka_unit_test(refusals),
		cmocka_unit_test(tolerated),
		cmocka_unit_test(as_if_absent),
		cmocka_unit_test(nul_in_a_field),
		cmocka_unit_test(findings),
		cmocka_unit_test(limits),
		cmocka_unit_test(memory_is_used_again),
		cmocka_unit_test(failing_allocations),
		cmocka_unit_test(torture_messages),
	};
	return cmocka_run_group_tests(tests, load_corpus, free_corpus);
}
