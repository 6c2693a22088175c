/* Every refusal of the reader with its reason and stream error, and what must not be refused ([A2-01] to [A2-18], [A10-11]). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "transcript.h"

#define H	   "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>"
#define MALFORMED  "BAD stream.xml.malformed not-well-formed\n"
#define FORMAT	   "BAD stream.xml.malformed bad-format\n"
#define RESTRICTED "BAD stream.xml.restricted restricted-xml\n"
#define ENCODING   "BAD stream.xml.encoding unsupported-encoding\n"
#define TOO_BIG	   "BAD stream.xml.too-big policy-violation\n"
#define TOO_DEEP   "BAD stream.xml.too-deep policy-violation\n"

struct row {
	const char *name;
	struct xfed_span in;
	const char *end; /* last line of the transcript */
};
#define ROW(name, in, end)                                                                                                                           \
	{                                                                                                                                            \
		name, { "" in, sizeof(in) - 1 }, end                                                                                                 \
	}

static const struct row rows[] = {
	/* RFC 6120 11.1, [A2-15] */
	ROW("comment in a stanza", H "<a><!-- x --></a>", RESTRICTED),
	ROW("comment between stanzas", H "<!-- x -->", RESTRICTED),
	ROW("comment before the header", "<!-- x -->" H, RESTRICTED),
	ROW("PI in a stanza", H "<a><?php x ?></a>", RESTRICTED),
	ROW("PI between stanzas", H "<?x y?>", RESTRICTED),
	ROW("PI first", "<?x y?>" H, RESTRICTED),
	ROW("stylesheet PI first", "<?xml-stylesheet href='x'?>" H, RESTRICTED),
	ROW("DOCTYPE", "<!DOCTYPE stream [<!ENTITY a 'b'>]>" H, RESTRICTED),
	ROW("DOCTYPE behind the declaration", "<?xml version='1.0'?><!DOCTYPE a SYSTEM 'http://x/y'>", RESTRICTED),
	ROW("DOCTYPE in a stanza", H "<a><!DOCTYPE b></a>", RESTRICTED),
	ROW("entity in text", H "<a>&nbsp;</a>", RESTRICTED),
	ROW("entity with a long name", H "<a>&aVeryLongEntityName;</a>", RESTRICTED),
	ROW("entity in an attribute", H "<a b='&foo;'/>", RESTRICTED),
	ROW("entity in the header", "<stream:stream a='&x;' xmlns:stream='s'>", RESTRICTED),
	ROW("second declaration", "<?xml version='1.0'?><?xml version='1.0'?>" H, RESTRICTED),
	ROW("declaration behind a space", " <?xml version='1.0'?>" H, RESTRICTED),
	ROW("declaration between stanzas", H "<?xml version='1.0'?>", RESTRICTED),
	/* RFC 6120 11.6, 4.9.3.22, [A2-14] */
	ROW("byte order mark", "\xef\xbb\xbf" H, ENCODING),
	ROW("UTF-16 big end, mark", "\xfe\xff\0<\0s", ENCODING),
	ROW("UTF-16 little end, mark", "\xff\xfe<\0s\0", ENCODING),
	ROW("UTF-16 big end", "\0<\0s\0t", ENCODING),
	ROW("UTF-16 little end", "<\0s\0t\0", ENCODING),
	ROW("UTF-32 little end", "<\0\0\0s\0\0\0", ENCODING),
	ROW("declared EUC-JP", "<?xml version='1.0' encoding='EUC-JP'?>" H, ENCODING),
	ROW("declared ISO-8859-1", "<?xml version=\"1.0\"\n encoding =\t\"ISO-8859-1\" ?>" H, ENCODING),
	ROW("declared UTF-16", "<?xml version='1.0' encoding='UTF-16'?>" H, ENCODING),
	ROW("declared nothing", "<?xml version='1.0' encoding=''?>" H, ENCODING),
	ROW("overlong slash in text", H "<a>\xc0\xaf</a>", ENCODING),
	ROW("overlong in three bytes", H "<a>\xe0\x80\xaf</a>", ENCODING),
	ROW("overlong in four bytes", H "<a>\xf0\x80\x80\xaf</a>", ENCODING),
	ROW("surrogate in text", H "<a>\xed\xa0\x80</a>", ENCODING),
	ROW("above U+10FFFF", H "<a>\xf4\x90\x80\x80</a>", ENCODING),
	ROW("lone continuation byte", H "<a>\x80</a>", ENCODING),
	ROW("character cut short", H "<a>\xe2\x82</a>", ENCODING),
	ROW("byte 0xff", H "<a>\xff</a>", ENCODING),
	ROW("Latin-1 in an attribute", H "<a b='\xe9'/>", ENCODING),
	ROW("Latin-1 in a name", H "<\xe9/>", ENCODING),
	ROW("Latin-1 in CDATA", H "<a><![CDATA[\xe9 ]]></a>", ENCODING),
	ROW("Latin-1 in an end tag", H "<a></a\xe9>", ENCODING),
	ROW("TLS record where a stanza is due", H "\x80\x03\x01", ENCODING),
	/* RFC 6120 11.3, [A2-16] */
	ROW("NUL in text", H "<a>\0</a>", MALFORMED),
	ROW("control character in text", H "<a>\x01</a>", MALFORMED),
	ROW("escape in an attribute", H "<a b='\x1b'/>", MALFORMED),
	ROW("control character in CDATA", H "<a><![CDATA[\x08]]></a>", MALFORMED),
	ROW("control character in a tag", H "<a \x02/>", MALFORMED),
	ROW("U+FFFE", H "<a>\xef\xbf\xbe</a>", MALFORMED),
	ROW("U+FFFF by number", H "<a>&#xFFFF;</a>", MALFORMED),
	ROW("NUL by number", H "<a>&#0;</a>", MALFORMED),
	ROW("surrogate by number", H "<a>&#xD800;</a>", MALFORMED),
	ROW("number above Unicode", H "<a>&#x110000;</a>", MALFORMED),
	ROW("number that overflows", H "<a>&#99999999999999999999;</a>", MALFORMED),
	ROW("number without digits", H "<a>&#;</a>", MALFORMED),
	ROW("hex number without digits", H "<a>&#x;</a>", MALFORMED),
	ROW("hex digits in a decimal number", H "<a>&#1f;</a>", MALFORMED),
	ROW("bare ampersand", H "<a>a & b</a>", MALFORMED),
	ROW("empty reference", H "<a>&;</a>", MALFORMED),
	ROW("reference not ended", H "<a>&amp</a>", MALFORMED),
	ROW("end of CDATA in text", H "<a>]]></a>", MALFORMED),
	ROW("end of CDATA in text, more brackets", H "<a>x]]]]></a>", MALFORMED),
	ROW("misspelt CDATA", H "<a><![cdata[x]]></a>", MALFORMED),
	ROW("wrong end tag", H "<a></b>", MALFORMED),
	ROW("wrong nesting", H "<a><b></a></b>", MALFORMED),
	ROW("wrong nesting, not complete", H "<a><b></a>", MALFORMED),
	ROW("wrong end of the stream", H "</stream:strea>", MALFORMED),
	ROW("end tag before the header", "</stream:stream>", MALFORMED),
	ROW("end tag of nothing", H "<a/></a>", MALFORMED),
	ROW("attribute without quotes", H "<a b=c>", MALFORMED),
	ROW("attribute without value", H "<a b>", MALFORMED),
	ROW("value without name", H "<a 'b'>", MALFORMED),
	ROW("attributes without space", H "<a b='1'c='2'/>", MALFORMED),
	ROW("duplicate attribute", H "<a b='1' b='2'/>", MALFORMED),
	ROW("duplicate attribute by namespace", H "<a xmlns:x='n' xmlns:y='n' x:b='1' y:b='2'/>", MALFORMED),
	ROW("less-than in a value", H "<a b='<'/>", MALFORMED),
	ROW("less-than in a tag", H "<a <b/>", MALFORMED),
	ROW("slash and space", H "<a / >", MALFORMED),
	ROW("attribute in an end tag", H "<a></a b='1'>", MALFORMED),
	ROW("name that is a digit", H "<1/>", MALFORMED),
	ROW("no name", H "< a/>", MALFORMED),
	ROW("empty tag", H "<>", MALFORMED),
	ROW("unbound prefix of an element", H "<db:result/>", MALFORMED),
	ROW("unbound prefix of a child", H "<a><x:b/></a>", MALFORMED),
	ROW("unbound prefix of an attribute", H "<a x:b='1'/>", MALFORMED),
	ROW("unbound prefix of the header", "<stream:stream xmlns='jabber:server'>", MALFORMED),
	ROW("prefix unbound behind its element", H "<a xmlns:x='n'/><x:b/>", MALFORMED),
	ROW("two colons", H "<a:b:c xmlns:a='n'/>", MALFORMED),
	ROW("xmlns bound to a prefix", H "<a xmlns:xmlns='n'/>", MALFORMED),
	ROW("prefix bound to nothing", H "<a xmlns:x=''/>", MALFORMED),
	ROW("xml bound to another namespace", H "<a xmlns:xml='n'/>", MALFORMED),
	ROW("DTD declaration", H "<a><!ENTITY b 'c'></a>", MALFORMED),
	ROW("text before the header", "hello" H, MALFORMED),
	ROW("HTTP", "GET / HTTP/1.1\r\n\r\n", MALFORMED),
	ROW("declaration without version", "<?xml encoding='UTF-8'?>" H, MALFORMED),
	ROW("declaration with nonsense", "<?xml version='1.0' foo='bar'?>" H, MALFORMED),
	ROW("declaration of version 2", "<?xml version='2.0'?>" H, MALFORMED),
	/* RFC 6120 4.9.3.1 */
	ROW("text between stanzas", H "hello", FORMAT),
	ROW("reference between stanzas", H "&#32;", FORMAT),
	ROW("CDATA between stanzas", H "<![CDATA[ ]]>", FORMAT),
	ROW("U+FEFF between stanzas", H "\xef\xbb\xbf", FORMAT),
	ROW("header that ends itself", "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'/>", FORMAT),
	/* what is fine */
	ROW("declaration", "<?xml version='1.0'?>" H, "OUTSIDE\n"),
	ROW("declared UTF-8", "<?xml version='1.0' encoding='utf-8' standalone='no'?>\n" H, "OUTSIDE\n"),
	ROW("white space first", " \r\n\t" H, "OUTSIDE\n"),
	ROW("white space between", H " \n<a/> \r\n\t <a/>  ", "OUTSIDE\n"),
	ROW("the five entities", H "<a b='&amp;&lt;&gt;&quot;&apos;'>&amp;&lt;&gt;&quot;&apos;</a>", "OUTSIDE\n"),
	ROW("characters by number", H "<a>&#65;&#x1F600;&#x0000000041;&#xD;</a>", "OUTSIDE\n"),
	ROW("U+FEFF in text", H "<a>\xef\xbb\xbf</a>", "OUTSIDE\n"),
	ROW("highest character", H "<a>\xf4\x8f\xbf\xbd</a>", "OUTSIDE\n"),
	ROW("lowest of each length", H "<a>\xc2\x80\xe0\xa0\x80\xf0\x90\x80\x80</a>", "OUTSIDE\n"),
	ROW("around the surrogates", H "<a>\xed\x9f\xbf\xee\x80\x80</a>", "OUTSIDE\n"),
	ROW("DEL and C1", H "<a>\x7f\xc2\x85</a>", "OUTSIDE\n"),
	ROW("brackets", H "<a>]] > ]> ]]]</a>", "OUTSIDE\n"),
	ROW("brackets around an element", H "<a>]]<b/>></a>", "OUTSIDE\n"),
	ROW("brackets around a reference", H "<a>]]&gt;></a>", "OUTSIDE\n"),
	ROW("greater-than in a value", H "<a b='>/>'/>", "OUTSIDE\n"),
	ROW("quotes in values", H "<a b='\"' c=\"'\"/>", "OUTSIDE\n"),
	ROW("markup in CDATA", H "<a><![CDATA[<b x='>]] ]> &amp; <!-- <?x]]]]></a>", "OUTSIDE\n"),
	ROW("empty CDATA", H "<a><![CDATA[]]></a>", "OUTSIDE\n"),
	ROW("end tag with space", H "<a></a \n>", "OUTSIDE\n"),
	ROW("relative namespace", H "<a xmlns='foo'/>", "OUTSIDE\n"),
	ROW("name that is not ASCII", H "<\xc3\xa9t\xc3\xa9/>", "OUTSIDE\n"),
	ROW("odd xml:lang", H "<a xml:lang='?!'/>", "OUTSIDE\n"),
	ROW("close", H "<a/></stream:stream>", "OUTSIDE\n"),
	ROW("bytes behind the close", H "</stream:stream> <!-- & \xff", "OUTSIDE\n"),
	ROW("inside", H "<a><b/>", "INSIDE\n"),
	ROW("inside a tag", H "<a", "INSIDE\n"),
	ROW("inside the declaration", "<?xml", "INSIDE\n"),
	/* [A2-01]: the conductor judges the namespaces */
	ROW("header of another namespace", "<foo xmlns='urn:bar'>", "OUTSIDE\n"),
	ROW("header without namespace", "<stream>", "OUTSIDE\n"),
	ROW("client header", "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>", "OUTSIDE\n"),
};

static bool ends_with(struct xfed_span s, const char *end)
{
	size_t len = strlen(end);
	return s.len >= len && memcmp(s.data + s.len - len, end, len) == 0;
}

static size_t one_byte(void *user, size_t at, size_t left)
{
	(void)user;
	(void)at;
	(void)left;
	return 1;
}

static size_t seven_bytes(void *user, size_t at, size_t left)
{
	(void)user;
	(void)at;
	return left < 7 ? left : 7;
}

static void each_row(void **state)
{
	(void)state;
	size_t failed = 0;
	static transcript_cut_fn *const cuts[] = { NULL, one_byte, seven_bytes };
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		for (size_t c = 0; c < XFED_ARRAY_LEN(cuts); c++) {
			struct xfed_buf out;
			xfed_buf_init(&out, 1 << 20);
			transcript_of(&out, false, rows[i].in, cuts[c], NULL);
			if (!ends_with(xfed_buf_span(&out), rows[i].end)) {
				print_error("%s (cut %zu): expected %s got %.*s", rows[i].name, c, rows[i].end, (int)xfed_buf_len(&out),
					xfed_buf_span(&out).data);
				failed++;
			}
			xfed_buf_deinit(&out);
		}
	}
	assert_int_equal(failed, 0);
}

/* ---- limits: one below is read, one above is refused ---- */

static void put(struct xfed_buf *b, const char *s, size_t times)
{
	for (size_t i = 0; i < times; i++) {
		assert_int_equal(xfed_buf_append_str(b, s), XFED_OK);
	}
}

static void expect(const char *name, struct xfed_buf *in, const char *end)
{
	static transcript_cut_fn *const cuts[] = { NULL, seven_bytes };
	for (size_t c = 0; c < XFED_ARRAY_LEN(cuts); c++) {
		struct xfed_buf out;
		xfed_buf_init(&out, 16 << 20);
		transcript_of(&out, false, xfed_buf_span(in), cuts[c], NULL);
		if (!ends_with(xfed_buf_span(&out), end)) {
			struct xfed_span s = xfed_buf_span(&out);
			size_t shown = s.len < 60 ? s.len : 60;
			fail_msg("%s (cut %zu): expected %s got ...%.*s", name, c, end, (int)shown, s.data + s.len - shown);
		}
		xfed_buf_deinit(&out);
	}
	xfed_buf_clear(in);
	put(in, H, 1);
}

static struct xfed_buf begin(void)
{
	struct xfed_buf in;
	xfed_buf_init(&in, 16 << 20);
	put(&in, H, 1);
	return in;
}

static void depth_is_bounded(void **state)
{
	(void)state;
	struct xfed_buf in = begin();
	put(&in, "<a>", XFED_XML_DEPTH_MAX);
	put(&in, "</a>", XFED_XML_DEPTH_MAX);
	expect("deepest", &in, "OUTSIDE\n");
	put(&in, "<a>", XFED_XML_DEPTH_MAX);
	put(&in, "<", 1);
	expect("not yet an element", &in, "INSIDE\n");
	put(&in, "<a>", XFED_XML_DEPTH_MAX);
	put(&in, "<a", 1);
	expect("too deep before the tag ends", &in, TOO_DEEP);
	xfed_buf_deinit(&in);
}

static void attributes_are_bounded(void **state)
{
	(void)state;
	struct xfed_buf in = begin();
	for (int over = 0; over < 2; over++) {
		put(&in, "<a xmlns='n'", 1);
		for (int i = 1; i < XFED_XML_ATTRS_MAX + over; i++) {
			assert_int_equal(xfed_buf_printf(&in, " a%d='%d'", i, i), XFED_OK);
		}
		put(&in, "/>", 1);
		expect(over ? "65 attributes" : "64 attributes", &in, over ? TOO_DEEP : "OUTSIDE\n");
	}
	put(&in, "<a b='", 1);
	put(&in, "' b='", 1000);
	expect("many equal attributes", &in, TOO_DEEP);
	xfed_buf_deinit(&in);
}

static void nodes_are_bounded(void **state)
{
	(void)state;
	struct xfed_buf in = begin();
	put(&in, "<a>", 1);
	put(&in, "<b/>x", XFED_XML_NODES_MAX / 2 - 1);
	put(&in, "<b/></a>", 1);
	expect("most nodes", &in, "OUTSIDE\n");
	put(&in, "<a>", 1);
	put(&in, "<b/>x", XFED_XML_NODES_MAX / 2);
	expect("a text run too many", &in, TOO_DEEP);
	put(&in, "<a>", 1);
	put(&in, "<b/>", XFED_XML_NODES_MAX);
	expect("an element too many", &in, TOO_DEEP);
	put(&in, "<a>", 1);
	put(&in, "x&amp;<![CDATA[y]]>", 9000);
	put(&in, "</a>", 1);
	expect("one run of text, however it is written", &in, "OUTSIDE\n");
	for (int i = 0; i < 3; i++) {
		put(&in, "<a>", 1);
		put(&in, "<b/>", XFED_XML_NODES_MAX - 1);
		put(&in, "</a>", 1);
	}
	expect("counted for each stanza", &in, "OUTSIDE\n");
	xfed_buf_deinit(&in);
}

/* [A10-11]: counted from '<' to '>'. */
static void stanza_bytes_are_bounded(void **state)
{
	(void)state;
	struct xfed_buf in = begin();
	size_t room = XFED_STANZA_BYTES_MAX - strlen("<a></a>");
	for (size_t over = 0; over < 2; over++) {
		put(&in, "  \n<a>", 1);
		put(&in, "x", room + over);
		put(&in, "</a>\n", 1);
		expect(over ? "one byte too many" : "largest stanza", &in, over ? TOO_BIG : "OUTSIDE\n");
	}
	put(&in, "<a>", 1);
	put(&in, "<b>x</b>", XFED_XML_NODES_MAX / 2 - 1);
	put(&in, "x", XFED_STANZA_BYTES_MAX);
	expect("refused before it ends", &in, TOO_BIG);
	xfed_buf_deinit(&in);
}

static void silent_bytes_are_bounded(void **state)
{
	(void)state;
	struct xfed_buf in = begin();
	for (size_t over = 0; over < 2; over++) {
		put(&in, "<a b='", 1);
		put(&in, "x", XFED_XML_SILENT_BYTES - strlen("<a b=''/>") + over);
		put(&in, "'/>", 1);
		expect(over ? "tag a byte too long" : "longest tag", &in, over ? TOO_BIG : "OUTSIDE\n");
	}
	for (size_t over = 0; over < 2; over++) {
		put(&in, "<a><![CDATA[", 1);
		put(&in, "<", XFED_XML_SILENT_CDATA_BYTES - strlen("<![CDATA[]]>") + over);
		put(&in, "]]></a>", 1);
		expect(over ? "CDATA a byte too long" : "longest CDATA", &in, over ? TOO_BIG : "OUTSIDE\n");
	}
	put(&in, "<a>&#", 1);
	put(&in, "0", XFED_XML_SILENT_BYTES);
	expect("endless reference", &in, TOO_BIG);
	put(&in, "<a></a", 1);
	put(&in, " ", XFED_XML_SILENT_BYTES);
	expect("endless end tag", &in, TOO_BIG);
	xfed_buf_clear(&in);
	put(&in, "<?xml ", 1);
	put(&in, " ", XFED_XML_SILENT_BYTES);
	expect("endless declaration", &in, TOO_BIG);
	xfed_buf_clear(&in);
	put(&in, "<stream:stream x='", 1);
	put(&in, "y", XFED_XML_SILENT_BYTES);
	expect("endless header", &in, TOO_BIG);
	xfed_buf_deinit(&in);
}

/* A limit that changes when a stream is authenticated. */
static void limits_can_change(void **state)
{
	(void)state;
	struct xfed_xml_reader *r;
	struct xfed_xml_limits small = { 100, 4, 16 };
	size_t used;
	assert_int_equal(xfed_xml_reader_new(&small, &r), XFED_OK);
	assert_int_equal(xfed_xml_reader_feed(r, XFED_SPAN(H "<a>"), &used), XFED_XML_HEADER);
	assert_int_equal(used, sizeof(H) - 1);
	struct xfed_buf in;
	xfed_buf_init(&in, 1 << 20);
	put(&in, "<a>", 1);
	put(&in, "x", 200);
	put(&in, "</a>", 1);
	xfed_xml_reader_set_limits(r, &transcript_limits);
	assert_int_equal(xfed_xml_reader_feed(r, xfed_buf_span(&in), &used), XFED_XML_ELEMENT);
	assert_int_equal(xfed_xml_reader_stanza_bytes(r), 207);
	xfed_xml_reader_set_limits(r, &small);
	assert_int_equal(xfed_xml_reader_feed(r, xfed_buf_span(&in), &used), XFED_XML_BAD);
	assert_int_equal(used, 100);
	assert_int_equal(xfed_xml_reader_reason(r), XFED_REASON_STREAM_XML_TOO_BIG);
	assert_int_equal(xfed_xml_reader_feed(r, xfed_buf_span(&in), &used), XFED_XML_BAD);
	assert_int_equal(used, 0);
	xfed_buf_deinit(&in);
	xfed_xml_reader_free(r);
}

static int init(void **state)
{
	(void)state;
	return xfed_xml_global_init();
}

static int deinit(void **state)
{
	(void)state;
	xfed_xml_global_deinit();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(attributes_are_bounded),
		cmocka_unit_test(nodes_are_bounded),
		cmocka_unit_test(stanza_bytes_are_bounded),
		cmocka_unit_test(silent_bytes_are_bounded),
		cmocka_unit_test(limits_can_change),
	};
	return cmocka_run_group_tests(tests, init, deinit);
}
