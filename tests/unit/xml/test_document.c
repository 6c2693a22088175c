/* Whole documents, as bodies of SIP carry them (RFC 3863): comments pass, the root may close itself, all else is as in a stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "transcript.h"

#define MALFORMED  "BAD stream.xml.malformed not-well-formed\n"
#define FORMAT	   "BAD stream.xml.malformed bad-format\n"
#define RESTRICTED "BAD stream.xml.restricted restricted-xml\n"
#define ENCODING   "BAD stream.xml.encoding unsupported-encoding\n"
#define TOO_BIG	   "BAD stream.xml.too-big policy-violation\n"
#define TOO_DEEP   "BAD stream.xml.too-deep policy-violation\n"
#define D	   "<?xml version='1.0' encoding='UTF-8' standalone='no'?>\r\n"

static const struct row {
	const char *name, *in;
	const char *out; /* the whole transcript, or its last line where it begins with BAD or is INSIDE */
} rows[] = {
	{ "a root and children", D "<p:a xmlns:p='n' x='1'>\n <p:b><c/></p:b> <d/></p:a>\n\n",
		"HEADER @79 bytes=23 ns= <a xmlns=\"n\" x=\"1\"/>\n"
		"ELEMENT @96 bytes=15 ns= <b xmlns=\"n\"><c xmlns=\"\"/></b>\n"
		"ELEMENT @101 bytes=4 ns= <d/>\n"
		"CLOSE @107\n"
		"OUTSIDE\n" },
	{ "a root that closes itself", D "<a xmlns='n'/> \r\n", "HEADER @70 bytes=14 ns=n <a xmlns=\"n\"/>\nOUTSIDE\n" },
	{ "comments everywhere", D "<!-- 1 --> <!----><a><!--2--> <!-- - -><b/>\xc3\xa4 --><b>op<!--3-->en<!-- --><c/><!--4--></b><!-- 5 --></a>",
		"HEADER @77 bytes=3 ns= <a/>\n"
		"ELEMENT @144 bytes=39 ns= <b>open<c/></b>\n"
		"CLOSE @158\n"
		"OUTSIDE\n" },
	{ "no declaration", "<a/>", "HEADER @4 bytes=4 ns= <a/>\nOUTSIDE\n" },
	{ "two dashes in a comment", "<a><!-- -- --></a>", MALFORMED },
	{ "three dashes at its end", "<a><!-- x ---></a>", MALFORMED },
	{ "one dash at its begin", "<a><!- x --></a>", MALFORMED },
	{ "the shortest that is none", "<a><!--></a>", "INSIDE\n" },
	{ "a dash too few", "<a><!---></a>", "INSIDE\n" },
	{ "a control character in a comment", "<a><!-- \x01 --></a>", MALFORMED },
	{ "no UTF-8 in a comment", "<a><!-- \xe4 --></a>", ENCODING },
	{ "a comment in a tag", "<a <!-- --> >", MALFORMED },
	{ "a comment before the declaration", "<!-- x --><?xml version='1.0'?><a/>", RESTRICTED },
	{ "a comment that does not end", "<a><!-- x", "INSIDE\n" },
	{ "PI", D "<?php x ?><a/>", RESTRICTED },
	{ "PI inside", "<a><?php x ?></a>", RESTRICTED },
	{ "DOCTYPE", D "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", RESTRICTED },
	{ "entity", "<a><b>&nbsp;</b></a>", RESTRICTED },
	{ "other encoding", "<?xml version='1.0' encoding='ISO-8859-1'?><a/>", ENCODING },
	{ "byte order mark", "\xef\xbb\xbf<a/>", ENCODING },
	{ "text between children", "<a><b/>x</a>", FORMAT },
	{ "unbound prefix", "<a><x:b/></a>", MALFORMED },
	{ "a second root", "<a></a><b/>", MALFORMED },
	{ "a second root behind one that closed itself", "<a/> <b/>", MALFORMED },
	{ "text behind the root", "<a></a>\n x", MALFORMED },
	{ "the wrong end", "<a></b>", MALFORMED },
	{ "no end", "<a><b/>", "OUTSIDE\n" },
	{ "nothing", "", "OUTSIDE\n" },
};

static size_t one_byte(void *user, size_t at, size_t left)
{
	(void)user;
	(void)at;
	(void)left;
	return 1;
}

static size_t two_pieces(void *user, size_t at, size_t left)
{
	return at == 0 && *(size_t *)user < left ? *(size_t *)user : left;
}

static bool is_expected(struct xfed_span got, const char *want)
{
	size_t len = strlen(want);
	bool is_whole = strncmp(want, "HEADER", 6) == 0;
	return got.len >= len && (!is_whole || got.len == len) && memcmp(got.data + got.len - len, want, len) == 0;
}

static void try(const struct row *row, struct xfed_span in, transcript_cut_fn *cut, void *user)
{
	struct xfed_buf out;
	xfed_buf_init(&out, 1024 * 1024);
	transcript_of(&out, false, in, cut, user);
	if (!is_expected(xfed_buf_span(&out), row->out)) {
		fail_msg("%s:\n%.*s", row->name, (int)xfed_buf_len(&out), xfed_buf_span(&out).data);
	}
	xfed_buf_deinit(&out);
}

static void documents(void **state)
{
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_span in = xfed_span_str(rows[i].in);
		try(&rows[i], in, NULL, NULL);
		try(&rows[i], in, one_byte, NULL);
		for (size_t cut = 1; cut < in.len; cut++) {
			try(&rows[i], in, two_pieces, &cut);
		}
	}
}

/* The reader can be used again, and ends where it says. */
static void over_and_again(void **state)
{
	(void)state;
	struct xfed_xml_reader *r;
	size_t used;
	assert_int_equal(xfed_xml_reader_new_document(&transcript_limits, &r), XFED_OK);
	for (unsigned i = 0; i < 2; i++) {
		assert_false(xfed_xml_reader_is_over(r));
		assert_int_equal(xfed_xml_reader_feed(r, XFED_SPAN("<!-- x --><a/> "), &used), XFED_XML_HEADER);
		assert_true(xfed_xml_reader_is_over(r));
		assert_int_equal(xfed_xml_reader_feed(r, XFED_SPAN(" \n"), &used), XFED_XML_MORE);
		assert_int_equal(xfed_xml_reader_feed(r, XFED_SPAN("<!-- x -->"), &used), XFED_XML_BAD);
		assert_false(xfed_xml_reader_is_over(r));
		xfed_xml_reader_restart(r);
	}
	assert_int_equal(xfed_xml_reader_feed(r, XFED_SPAN("<a><b/></a>"), &used), XFED_XML_HEADER);
	assert_false(xfed_xml_reader_is_over(r));
	xfed_xml_reader_free(r);
}

/* A comment is bounded before the parser has it, inside of an element and between them. */
static void a_long_comment(void **state)
{
	(void)state;
	static const struct row between = { "long comment", "<a>", TOO_BIG }, inside = { "long comment", "<a><b>", TOO_BIG };
	static const struct row *const both[] = { &between, &inside };
	for (size_t i = 0; i < XFED_ARRAY_LEN(both); i++) {
		struct xfed_buf in;
		xfed_buf_init(&in, 1024 * 1024);
		assert_int_equal(xfed_buf_printf(&in, "%s<!--%*s-->", both[i]->in, XFED_XML_SILENT_BYTES, ""), XFED_OK);
		try(both[i], xfed_buf_span(&in), NULL, NULL);
		try(both[i], xfed_buf_span(&in), one_byte, NULL);
		xfed_buf_deinit(&in);
	}
}

static int setup(void **state)
{
	(void)state;
	transcript_is_document = true;
	return xfed_xml_global_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents),
		cmocka_unit_test(over_and_again),
		cmocka_unit_test(a_long_comment),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
