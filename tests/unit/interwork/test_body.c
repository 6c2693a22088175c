/* What a text was written in: charsets (RFC 3629, 2781), Content-Transfer-Encoding (RFC 2045 section 6), and what is refused, by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <strings.h>

#include <cmocka.h>

#include "interwork/body.h"
#include "interwork/charset.h"
#include "interwork/transfer_coding.h"

#define S(lit) (lit), sizeof(lit) - 1

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

struct row {
	const char *name, *in;
	size_t in_len;
	const char *out; /* NULL: INVALID */
	size_t out_len;
};

static int judge(const struct row *r, int rc, struct xfed_span out)
{
	bool is_right = r->out ? rc == XFED_OK && xfed_span_eq(out, xfed_span_make(r->out, r->out_len)) : rc == XFED_ERR_INVALID;
	if (!is_right) {
		print_error("%s (%s): %d '%.*s'\n", r->name, r->in, rc, rc == XFED_OK ? (int)out.len : 0, rc == XFED_OK ? out.data : "");
	}
	return !is_right;
}

static const struct row charset_rows[] = {
	{ "utf-8", S("gr\xC3\xBC\xC3\x9F"), S("gr\xC3\xBC\xC3\x9F") },
	{ "UTF8", S("\xC3\xBC"), S("\xC3\xBC") },
	{ "utf-8", S("\xC3"), NULL, 0 },
	{ "utf-8", S("\xED\xA0\x80"), NULL, 0 },
	{ "US-ASCII", S("a~"), S("a~") },
	{ "ascii", S("\x80"), NULL, 0 },
	{ "ISO-8859-1", S("\xE9\xA4\xFF"), S("\xC3\xA9\xC2\xA4\xC3\xBF") },
	{ "latin1", S("\xA0"), S("\xC2\xA0") },
	{ "iso_8859-1", S(""), S("") },
	/* The eight characters that are another, and one that is not. */
	{ "ISO-8859-15", S("\xA4\xA6\xA8\xB4\xB8\xBC\xBD\xBE\xE9"),
		S("\xE2\x82\xAC\xC5\xA0\xC5\xA1\xC5\xBD\xC5\xBE\xC5\x92\xC5\x93\xC5\xB8\xC3\xA9") },
	{ "latin-9", S("\xA5"), S("\xC2\xA5") },
	{ "windows-1252", S("\x80\x93x\x94\x99\x9F\xE4"), S("\xE2\x82\xAC\xE2\x80\x9Cx\xE2\x80\x9D\xE2\x84\xA2\xC5\xB8\xC3\xA4") },
	{ "CP1252", S("\x85\x97"), S("\xE2\x80\xA6\xE2\x80\x94") },
	{ "windows-1252", S("a\x81"), NULL, 0 },
	{ "windows-1252", S("\x8D"), NULL, 0 },
	{ "windows-1252", S("\x8F"), NULL, 0 },
	{ "windows-1252", S("\x90"), NULL, 0 },
	{ "windows-1252", S("\x9D"), NULL, 0 },
	/* With a mark as it says, without one big-endian. */
	{ "UTF-16", S("\xFE\xFF\0a\x20\xAC"), S("a\xE2\x82\xAC") },
	{ "utf-16",
		S("\xFF\xFE"
		  "a\0\xAC\x20"),
		S("a\xE2\x82\xAC") },
	{ "utf-16", S("\0a\0\xFC"), S("a\xC3\xBC") },
	{ "utf-16", S("\xFE\xFF"), S("") },
	{ "utf-16", S(""), S("") },
	{ "utf-16", S("\xFE\xFF\xFE\xFF\0a"),
		S("\xEF\xBB\xBF"
		  "a") }, /* the second is a character */
	{ "UTF-16LE", S("a\0\x3D\xD8\x00\xDE"), S("a\xF0\x9F\x98\x80") },
	{ "UTF-16BE", S("\xD8\x3D\xDE\x00\0b"),
		S("\xF0\x9F\x98\x80"
		  "b") },
	{ "UTF-16BE", S("\xDB\xFF\xDF\xFD"), S("\xF4\x8F\xBF\xBD") },
	{ "UTF-16LE", S("a"), NULL, 0 },
	{ "UTF-16LE", S("a\0b"), NULL, 0 },
	{ "UTF-16BE", S("\xD8\x3D"), NULL, 0 },
	{ "UTF-16BE", S("\xD8\x3D\0a"), NULL, 0 },
	{ "UTF-16BE", S("\xD8\x3D\xD8\x3D"), NULL, 0 },
	{ "UTF-16BE", S("\xDE\x00\0a"), NULL, 0 },
	{ "EUC-JP", S("a"), NULL, 0 },
	{ "UTF-32", S("\0\0\0a"), NULL, 0 },
	{ "UTF-7", S("a"), NULL, 0 },
	{ "", S("a"), NULL, 0 },
};

static void charsets(void **state)
{
	(void)state;
	int failed = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(charset_rows); i++) {
		const struct row *r = &charset_rows[i];
		struct xfed_span out = { NULL, 0 };
		int rc = iw_charset_decode(&arena, iw_charset_of(xfed_span_str(r->name)), xfed_span_make(r->in, r->in_len), &out);
		failed += judge(r, rc, out);
	}
	assert_int_equal(failed, 0);
	assert_int_equal(iw_charset_of(xfed_span_make(NULL, 0)), IW_CHARSET_UTF8);
}

/* Text in UTF-8 is not copied. */
static void nothing_is_copied(void **state)
{
	(void)state;
	struct xfed_span in = XFED_SPAN("gr\xC3\xBC"), out;
	assert_int_equal(iw_charset_decode(&arena, IW_CHARSET_UTF8, in, &out), XFED_OK);
	assert_ptr_equal(out.data, in.data);
	assert_int_equal(iw_transfer_decode(&arena, IW_TRANSFER_IDENTITY, in, &out), XFED_OK);
	assert_ptr_equal(out.data, in.data);
}

#define BASE64 "base64"
#define QP     "quoted-printable"

static const struct row coding_rows[] = {
	{ "7bit", S("a=3D"), S("a=3D") },
	{ "8BIT", S("\xC3\xBC"), S("\xC3\xBC") },
	{ "Binary", S("a\0b"), S("a\0b") },
	{ "x-uuencode", S("a"), NULL, 0 },
	{ "", S("a"), NULL, 0 },
	{ "7bit 8bit", S("a"), NULL, 0 },
	{ BASE64, S(""), S("") },
	{ BASE64, S("Zg=="), S("f") },
	{ BASE64, S("Zm8="), S("fo") },
	{ BASE64, S("Zm9v"), S("foo") },
	{ "BASE64", S("Zm9vYg=="), S("foob") },
	{ BASE64, S("Zm9vYmE=\r\n"), S("fooba") },
	{ BASE64, S("Zm9v\r\nYmFy\r\n"), S("foobar") },
	{ BASE64, S("Zm9v YmFy\n"), S("foobar") },
	{ BASE64, S("//79"), S("\xFF\xFE\xFD") },
	{ BASE64, S("++A"), S("\xFB\xE0") },
	{ BASE64, S("Zg"), S("f") }, /* padding is missing: nothing else can be meant */
	{ BASE64, S("Zg="), NULL, 0 },
	{ BASE64, S("Zg==="), NULL, 0 },
	{ BASE64, S("Zm9v="), NULL, 0 },
	{ BASE64, S("Z"), NULL, 0 },
	{ BASE64, S("Zm9vY"), NULL, 0 },
	{ BASE64, S("Zg==Zg=="), NULL, 0 },
	{ BASE64, S("hello, world"), NULL, 0 },
	{ BASE64, S("Zm9v-_"), NULL, 0 },
	{ BASE64, S("Zm\0v"), NULL, 0 },
	{ QP, S(""), S("") },
	{ QP, S("a=C3=BCb=3d"),
		S("a\xC3\xBC"
		  "b=") },
	{ QP, S("one=\r\ntwo=\nthree"), S("onetwothree") },
	{ QP, S("one= \t\r\ntwo"), S("onetwo") },
	{ QP, S("one="), S("one") },
	{ QP, S("one=\r\n"), S("one") },
	{ QP, S("a  \r\n b\t\nc "), S("a\r\n b\nc") }, /* blanks at the end of a line have been added on the way */
	{ QP, S("a=20\r\nb"), S("a \r\nb") },
	{ QP, S("a  b"), S("a  b") },
	{ QP, S("\xC3\xBC"), S("\xC3\xBC") },
	{ QP, S("a\rb"), S("a\rb") },
	{ QP, S("a=4"), NULL, 0 },
	{ QP, S("a=G0"), NULL, 0 },
	{ QP, S("a=0G"), NULL, 0 },
	{ QP, S("a==3D"), NULL, 0 },
	{ QP, S("1+1=2"), NULL, 0 },
};

static void codings(void **state)
{
	(void)state;
	int failed = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(coding_rows); i++) {
		const struct row *r = &coding_rows[i];
		struct xfed_span out = { NULL, 0 };
		int rc = iw_transfer_decode(&arena, iw_transfer_coding_of(xfed_span_str(r->name)), xfed_span_make(r->in, r->in_len), &out);
		failed += judge(r, rc, out);
	}
	assert_int_equal(failed, 0);
	assert_int_equal(iw_transfer_coding_of(xfed_span_make(NULL, 0)), IW_TRANSFER_IDENTITY);
}

#define NO                                                                                                                                           \
	{                                                                                                                                            \
		NULL, 0                                                                                                                              \
	}
#define V(lit)                                                                                                                                       \
	{                                                                                                                                            \
		lit, sizeof(lit) - 1                                                                                                                 \
	}

struct body_row {
	const char *type;
	struct xfed_span encoding, disposition, transfer, body;
	const char *text; /* NULL: refused */
	enum xfed_reason reason;
	const char *detail;
};

static const struct body_row body_rows[] = {
	{ "text/plain", NO, NO, V("base64"), V("Z3LDvA=="), "gr\xC3\xBC", XFED_REASON_NONE, NULL },
	{ "text/plain;charset=windows-1252", NO, NO, V("quoted-printable"), V("=80 5"), "\xE2\x82\xAC 5", XFED_REASON_NONE, NULL },
	{ "text/plain; charset=\"utf-16\"", NO, NO, V("base64"), V("/v8AYQ=="), "a", XFED_REASON_NONE, NULL },
	{ "text/plain;charset=utf-16be", NO, NO, NO, V("\0a\0\0\xFF\xFE\0b"), "ab", XFED_REASON_NONE, NULL }, /* NUL, U+FFFE */
	{ "text/plain", NO, NO, V("base64"), V("AWEA"), "a", XFED_REASON_NONE, NULL },
	{ "image/png", NO, NO, NO, V("x"), NULL, XFED_REASON_SIP_CONTENT_UNSUPPORTED, "Content-Type image/png" },
	{ "text/html\"\\\x01\xC3", NO, NO, NO, V("x"), NULL, XFED_REASON_SIP_CONTENT_UNSUPPORTED, "Content-Type text/html????" },
	{ "application/vnd.of-a-vendor-with-a-very-long-name+xml", NO, NO, NO, V("x"), NULL, XFED_REASON_SIP_CONTENT_UNSUPPORTED,
		"Content-Type application/vnd.of-a-vendor-with-a-very-" },
	{ "text/plain", NO, V("x;handling=required"), NO, V("x"), NULL, XFED_REASON_SIP_CONTENT_UNSUPPORTED,
		"Content-Disposition x;handling=required" },
	{ "text/plain", V("gzip"), NO, NO, V("x"), NULL, XFED_REASON_SIP_CODING_UNSUPPORTED, "Content-Encoding gzip" },
	{ "text/plain", NO, NO, V("x-uuencode"), V("x"), NULL, XFED_REASON_SIP_CODING_UNSUPPORTED, "Content-Transfer-Encoding x-uuencode" },
	{ "text/plain", NO, NO, V(""), V("x"), NULL, XFED_REASON_SIP_CODING_UNSUPPORTED, "Content-Transfer-Encoding (empty)" },
	{ "text/plain;charset=EUC-JP", NO, NO, NO, V("x"), NULL, XFED_REASON_SIP_CHARSET_UNSUPPORTED, "charset EUC-JP" },
	{ "text/plain", NO, NO, V("base64"), V("1+1=2"), NULL, XFED_REASON_SIP_CONTENT_GARBLED, "it is no base64" },
	{ "text/plain", NO, NO, V("base64"), V("Y=Q="), NULL, XFED_REASON_SIP_CONTENT_GARBLED, "it is no base64" },
	{ "text/plain", NO, NO, V("quoted-printable"), V("1+1=2"), NULL, XFED_REASON_SIP_CONTENT_GARBLED, "it is no quoted-printable" },
	{ "text/plain", NO, NO, V("base64"), V("/w=="), NULL, XFED_REASON_SIP_CONTENT_GARBLED, "it has bytes that are none of its charset" },
};

static void bodies(void **state)
{
	(void)state;
	int failed = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(body_rows); i++) {
		const struct body_row *r = &body_rows[i];
		const struct iw_sip_message m = { .content_type = xfed_span_str(r->type),
			.content_encoding = r->encoding,
			.content_disposition = r->disposition,
			.transfer_encoding = r->transfer,
			.body = r->body };
		struct xfed_span text = { NULL, 0 };
		struct iw_body_fault fault = { XFED_REASON_NONE, { NULL, 0 } };
		int rc = iw_body_read(&arena, &m, &text, &fault);
		bool is_right = r->text ? rc == XFED_OK && xfed_span_is(text, r->text)
					: rc == XFED_ERR_INVALID && fault.reason == r->reason && xfed_span_is(fault.detail, r->detail);
		if (!is_right) {
			print_error("row %zu: %d %s '%.*s' '%.*s'\n", i, rc, xfed_reason_code(fault.reason), (int)fault.detail.len,
				fault.detail.data ? fault.detail.data : "", (int)text.len, text.data ? text.data : "");
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

/* ---- what clients of Lync write ---- */

#define PART(type, text) "--bb\r\nContent-Type: " type "\r\n\r\n" text "\r\n"
#define RTF		 "{\\rtf1\\ansi\\deff0 {\\fonttbl{\\f0 Arial;}}\\f0\\fs20 rtf \\b bold\\b0\\par}"
#define ALTERNATIVE	 "multipart/alternative;boundary=bb"
#define P8(x)		 x x x x x x x x

static const struct rich_row {
	const char *name, *type, *body;
	const char *text; /* NULL: refused */
} rich_rows[] = {
	/* as seen on the wire */
	{ "a client's text with its font", "text/plain; charset=UTF-8;msgr=WAAtAE0ATQBTAC0ASQBNAC0ARgBvAHIAbQBhAHQAOgAgAEYATgA9AE0AUwA", "hi", "hi" },
	{ "type in capitals", "TEXT/PLAIN; charset=utf-8", "hi", "hi" },
	{ "HTML", "text/html; charset=UTF-8", "<html><body><b>bold</b> &amp; <i>it</i></body></html>", "bold & it" },
	{ "HTML without a charset", "text/html", "a < b & c", "a < b & c" },
	{ "plain and HTML", ALTERNATIVE,
		PART("text/plain; charset=UTF-8", "plain part") PART("text/html; charset=UTF-8", "<b>html part</b>") "--bb--\r\n", "plain part" },
	{ "rich text", "text/rtf", RTF, NULL },
	{ "XHTML", "application/xhtml+xml", "<p>x</p>", NULL },
	{ "CPIM", "message/cpim", "From: <im:a@x>\r\n\r\nContent-type: text/plain\r\n\r\nx", NULL },
	{ "a notification", "message/imdn+xml", "<imdn/>", NULL },
	/* parts */
	{ "HTML first", ALTERNATIVE, PART("text/html", "<b>h</b>") PART("text/plain", "p") "--bb--", "p" },
	{ "rich text and HTML", ALTERNATIVE, PART("text/rtf", RTF) PART("text/html", "<b>h</b>") "--bb--", "h" },
	{ "rich text alone", ALTERNATIVE, PART("text/rtf", RTF) "--bb--", NULL },
	{ "an empty line before the boundary", ALTERNATIVE, "--bb\r\nContent-Type: text/plain\r\n\r\np\r\n\r\n--bb--\r\n", "p" },
	{ "none", ALTERNATIVE, "--bb\r\nContent-Type: text/plain\r\n\r\np\r\n--bb--\r\n", "p" },
	{ "LF alone", ALTERNATIVE, "--bb\nContent-Type: text/plain\n\np\nq\n--bb--\n", "p\nq" },
	{ "lines of the text stay", ALTERNATIVE, PART("text/plain", "a\r\n\r\n--b\r\n --bb\r\nc") "--bb--", "a\r\n\r\n--b\r\n --bb\r\nc" },
	{ "a preamble, and more behind", ALTERNATIVE, "to be ignored\r\n" PART("text/plain", "p") "--bb--\r\n" PART("text/plain", "q"), "p" },
	{ "a part without a type", ALTERNATIVE, "--bb\r\n\r\np\r\n--bb--", "p" },
	{ "a part without an end", ALTERNATIVE, PART("text/plain", "p"), "p" },
	{ "a quoted boundary", "multipart/alternative; type=x; boundary=\"b b\"", "--b b\r\nContent-Type: text/plain\r\n\r\np\r\n--b b--", "p" },
	{ "a coding of the part", ALTERNATIVE,
		"--bb\r\ncontent-transfer-encoding: Quoted-Printable\r\nCONTENT-TYPE:text/plain;charset=iso-8859-1\r\n\r\n=FC\r\n--bb--",
		"\xc3\xbc" },
	{ "a coding of the part that is none", ALTERNATIVE, "--bb\r\nContent-Transfer-Encoding: x\r\nContent-Type: text/plain\r\n\r\n=FC\r\n--bb--",
		NULL },
	{ "parts within a part", ALTERNATIVE, PART("multipart/alternative;boundary=cc", "--cc\r\n\r\np\r\n--cc--") "--bb--", NULL },
	{ "another boundary", ALTERNATIVE, "--cc\r\n\r\np\r\n--cc--", NULL },
	{ "no boundary", "multipart/alternative", "--bb\r\n\r\np\r\n--bb--", NULL },
	{ "no parts", ALTERNATIVE, "--bb--\r\n", NULL },
	{ "an empty body", ALTERNATIVE, "", NULL },
	{ "sixteen parts", ALTERNATIVE, P8(PART("text/rtf", "r")) P8(PART("text/plain", "p")) "--bb--", "p" },
	{ "seventeen parts", ALTERNATIVE, P8(PART("text/rtf", "r")) P8(PART("text/plain", "p")) PART("text/plain", "p") "--bb--", NULL },
	{ "related parts", "multipart/related;boundary=bb", PART("text/plain", "p") "--bb--", NULL },
};

/* Without is_rich none but text/plain is read. */
static void rich_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rich_rows); i++) {
		const struct rich_row *r = &rich_rows[i];
		struct iw_sip_message m = { .content_type = xfed_span_str(r->type), .body = xfed_span_str(r->body), .is_rich = true };
		struct iw_body_fault fault = { XFED_REASON_NONE, { NULL, 0 } };
		struct xfed_span text = { NULL, 0 };
		int rc = iw_body_read(&arena, &m, &text, &fault);
		if (r->text ? rc != XFED_OK || !xfed_span_is(text, r->text) : rc != XFED_ERR_INVALID) {
			fail_msg("%s: %d '%.*s'", r->name, rc, (int)text.len, text.data ? text.data : "");
		}
		struct iw_sip_error error;
		assert_true(rc == XFED_OK || (iw_reason_to_sip(fault.reason, &error) == XFED_OK && error.status == 415));
		m.is_rich = false;
		assert_int_equal(iw_body_read(&arena, &m, &text, &fault), strncasecmp(r->type, "text/plain", 10) == 0 ? XFED_OK : XFED_ERR_INVALID);
	}
}

/* The header fields of a part are bounded, its text is not. */
static void long_parts(void **state)
{
	(void)state;
	static char body[64 * 1024];
	struct xfed_span text;
	struct iw_body_fault fault;
	for (int is_header = 0; is_header < 2; is_header++) {
		memset(body, 'x', sizeof(body));
		const char *head = is_header ? "--bb\r\nContent-Type: text/plain; x=" : "--bb\r\nContent-Type: text/plain\r\n\r\n";
		memcpy(body, head, strlen(head));
		const struct iw_sip_message m = { .content_type = XFED_SPAN(ALTERNATIVE), .body = { body, sizeof(body) }, .is_rich = true };
		assert_int_equal(iw_body_read(&arena, &m, &text, &fault), is_header ? XFED_ERR_INVALID : XFED_OK);
		assert_true(is_header || text.len == sizeof(body) - strlen(head));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rich_texts, setup, teardown),
		cmocka_unit_test_setup_teardown(long_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(charsets, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_copied, setup, teardown),
		cmocka_unit_test_setup_teardown(codings, setup, teardown),
		cmocka_unit_test_setup_teardown(bodies, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
