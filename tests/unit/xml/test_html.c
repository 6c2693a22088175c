/* The text of HTML: what clients send, what a person reads of it, and what must not cost more than it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "xfed/html.h"

static const struct row {
	const char *name, *in, *out;
} rows[] = {
	/* what a client was sent, and showed */
	{ "bold and italic", "<html><body><b>bold</b> &amp; <i>it</i></body></html>", "bold & it" },
	{ "breaks, a link, a paragraph", "a<br>b<br/><a href=\"http://e.org/\">l</a>\r\n<p>p</p>", "a\nb\nl <http://e.org/>\np" },
	{ "no markup at all", "a < b & c", "a < b & c" },
	{ "the HTML part of several", "<b>html part</b>", "html part" },
	/* what an enterprise client sends */
	{ "a span with a font",
		"<DIV style=\"font-size: 10pt;font-family: Segoe UI,sans-serif;color: #000000;direction: ltr\">hello&nbsp;you<BR></DIV>",
		"hello\xc2\xa0you" },
	{ "a document with a head",
		"<html><head><meta http-equiv=\"Content-Type\" content=\"text/html; "
		"charset=utf-8\"><title>t</title><style>p{color:red}</style></head>"
		"<body><p>text</p></body></html>",
		"text" },
	{ "an image that stands for a face", "hi <img src=\"x.gif\" alt=\":-)\"> there", "hi :-) there" },
	{ "an image without words", "hi <img src=\"x.gif\"> there", "hi there" },
	/* white space */
	{ "white space is one blank", " a \n\t b <b> c</b>d\r\n", "a b cd" },
	{ "words that markup parts", "a<b>b</b>c", "abc" },
	{ "blocks are on their own", "a<div>b</div>c<p>d<p>e", "a\nb\nc\nd\ne" },
	{ "nested blocks make one line end", "<div><div><p>a</p></div></div><div><p>b</p></div>", "a\nb" },
	{ "an empty line", "a<br><br>b", "a\n\nb" },
	{ "a list", "<ul><li>a</li><li>b</li></ul>c", "a\nb\nc" },
	{ "a table", "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>", "a b\nc d" },
	{ "verbatim", "x<pre>a  b\n\tc</pre>y", "x\na  b\n\tc\ny" },
	{ "nothing", "", "" },
	{ "nothing to read", "<p> <br> </p>", "" },
	/* links */
	{ "a link that says where it leads", "<a href='https://e.org/x?a=1&amp;b=2'>https://e.org/x?a=1&amp;b=2</a>", "https://e.org/x?a=1&b=2" },
	{ "a link without a text", "see <a href='http://e.org/'></a>.", "see <http://e.org/>." },
	{ "a link that is not closed", "<a href='http://e.org/'>x", "x <http://e.org/>" },
	{ "a link in a link", "<a href='http://e.org/'>x <a href='http://f.org/'>y</a>", "x <http://e.org/> y <http://f.org/>" },
	{ "a link within the page", "<a href='#top'>up</a>", "up" },
	{ "a link that is a script", "<a href='javascript:alert(1)'>x</a>", "x" },
	{ "an address to write to", "<a href='MAILTO:a@x'>Al</a>", "Al <MAILTO:a@x>" },
	/* references */
	{ "references", "&lt;b&gt; &quot;&eacute;&quot; &#8364; &#x20AC; &euro;", "<b> \"\xc3\xa9\" \xe2\x82\xac \xe2\x82\xac \xe2\x82\xac" },
	{ "a reference that is none", "AT&T &nosuch; &", "AT&T &nosuch; &" },
	{ "UTF-8 stays, whatever the document claims", "<meta charset='iso-8859-1'><p>gr\xc3\xbc\xc3\x9f \xe4\xb8\xad \xf0\x9f\x98\x80</p>",
		"gr\xc3\xbc\xc3\x9f \xe4\xb8\xad \xf0\x9f\x98\x80" },
	{ "the same without markup", "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
	/* what is not shown */
	{ "a script", "a<script>if (a < b) alert('<p>')</script>b", "ab" },
	{ "a style", "a<style>p{}</style>b", "ab" },
	{ "a comment", "a<!-- b <p> -->c", "ac" },
	{ "a document type with entities", "<!DOCTYPE html [<!ENTITY a 'b'><!ENTITY c SYSTEM 'file:///etc/passwd'>]><p>&a;&c;x</p>", "]>\n&a;&c;x" },
	{ "a processing instruction", "a<?php b ?>c", "ac" },
	{ "an end that was never begun", "</p>a</div></b>", "a" },
	{ "a tag that never ends", "a<i>b</i><b c=d &amp; e", "ab<b c=d & e" },
	{ "a value that never ends", "a<b c=\"d> <i>e</i> &lt;", "a<b c=\"d> <i>e</i> <" },
	{ "a comment that never ends", "a<!-- b <i>c</i>", "a<!-- b <i>c</i>" },
	{ "a bracket in a value", "<b c=\"d>e\">f</b>", "f" },
	{ "values without quotes", "<img src=x/y alt=z/>&", "z/&" },
	{ "tags in capitals", "a<BR/>b<SCRIPT>c</script>d", "a\nbd" },
	{ "characters that are none", "&#0;&#xD800;&#x110000;&#99999999999999999999;", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
};

static void texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_buf out;
		xfed_buf_init(&out, 4096);
		assert_int_equal(xfed_buf_append_str(&out, "before: "), XFED_OK);
		assert_int_equal(xfed_html_text(&out, xfed_span_str(rows[i].in)), XFED_OK);
		xfed_buf_consume(&out, 8);
		if (!xfed_span_is(xfed_buf_span(&out), rows[i].out)) {
			fail_msg("%s: \"%.*s\"", rows[i].name, (int)xfed_buf_len(&out), xfed_buf_span(&out).data);
		}
		xfed_buf_deinit(&out);
	}
}

/* `unit` again and again up to 1 MiB: a minute or more if it took quadratic time. */
static void time_is_linear(void **state)
{
	(void)state;
	static const char *const units[] = { "<", "</", "<!", "<!--", "<?", "<a ", "<a b='", "<a b=\"c\" ", "<b></i>", "<p>", "<pre>", "&", "&#",
		"&#x", "&am", "<a href='http://e.org/'>", "<script>", "<script></s", "<title", "= ' \" ", " ", "\n<br>", ">", "<a href=http:x>http:x",
		"&Alpha;" };
	const size_t size = 1024 * 1024;
	for (size_t i = 0; i < XFED_ARRAY_LEN(units); i++) {
		struct xfed_buf in, out;
		xfed_buf_init(&in, size);
		xfed_buf_init(&out, size + 1);
		while (xfed_buf_append_str(&in, units[i]) == XFED_OK) {
		}
		assert_int_equal(xfed_html_text(&out, xfed_buf_span(&in)), XFED_OK);
		xfed_buf_deinit(&in);
		xfed_buf_deinit(&out);
	}
}

/* A NUL is a character like others, within a tag and without. */
static void with_nul(void **state)
{
	(void)state;
	static const char in[] = "a\0b<i\0 \0=\0 c>d</i\0>&\0;";
	struct xfed_buf out;
	xfed_buf_init(&out, 256);
	assert_int_equal(xfed_html_text(&out, xfed_span_make(in, sizeof(in) - 1)), XFED_OK);
	assert_true(xfed_span_eq(xfed_buf_span(&out), XFED_SPAN("a\0bd&\0;")));
	xfed_buf_deinit(&out);
}

static void bounded(void **state)
{
	(void)state;
	static const char in[] = "<p>a &eacute; <a href='http://e.org/'>b</a><br>c</p>", want[] = "a \xc3\xa9 b <http://e.org/>\nc";
	for (size_t cap = 0; cap < sizeof(in); cap++) {
		struct xfed_buf out;
		xfed_buf_init(&out, cap);
		int rc = xfed_html_text(&out, xfed_span_str(in));
		assert_int_equal(rc, cap < sizeof(want) - 1 ? XFED_ERR_LIMIT : XFED_OK);
		assert_true(xfed_span_is(xfed_buf_span(&out), rc == XFED_OK ? want : ""));
		xfed_buf_deinit(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		cmocka_unit_test(time_is_linear),
		cmocka_unit_test(with_nul),
		cmocka_unit_test(bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
