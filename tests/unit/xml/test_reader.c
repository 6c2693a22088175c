/* What the reader yields: trees, exact ends, restart, hibernation, fragments ([A2], reader rules of xfed/xml.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "transcript.h"

#define H    "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' to='a.example'>"
#define H_AS "<stream xmlns=\"http://etherx.jabber.org/streams\" to=\"a.example\"/>"

/* Feeds `in`, expects `result`, and the tree as written with the server namespace in force. Returns bytes used. */
static size_t expect(struct xfed_xml_reader *r, struct xfed_span in, enum xfed_xml_result result, const char *tree)
{
	size_t used;
	enum xfed_xml_result got = xfed_xml_reader_feed(r, in, &used);
	if (got != result) {
		fail_msg("%.*s: result %d", (int)in.len, in.data, got);
	}
	struct xfed_xml_elem *e = xfed_xml_reader_elem(r);
	assert_int_equal(e != NULL, tree != NULL);
	if (tree) {
		struct xfed_buf out;
		xfed_buf_init(&out, 1 << 20);
		assert_int_equal(xfed_xml_write(&out, e, XFED_SPAN("jabber:server")), XFED_OK);
		if (!xfed_span_is(xfed_buf_span(&out), tree)) {
			fail_msg("expected %s got %.*s", tree, (int)xfed_buf_len(&out), xfed_buf_span(&out).data);
		}
		xfed_buf_deinit(&out);
	}
	return used;
}

static struct xfed_xml_reader *reader_new(void)
{
	struct xfed_xml_reader *r;
	assert_int_equal(xfed_xml_reader_new(&transcript_limits, &r), XFED_OK);
	return r;
}

static struct xfed_xml_reader *stream_new(void)
{
	struct xfed_xml_reader *r = reader_new();
	expect(r, XFED_SPAN(H), XFED_XML_HEADER, H_AS);
	return r;
}

static void header_is_given(void **state)
{
	(void)state;
	struct xfed_xml_reader *r = reader_new();
	assert_null(xfed_xml_reader_content_ns(r).data);
	assert_false(xfed_xml_reader_mid_element(r));
	expect(r, XFED_SPAN("<?xml version='1.0' encoding='UTF-8'?>\n<stream:str"), XFED_XML_MORE, NULL);
	assert_true(xfed_xml_reader_mid_element(r));
	struct xfed_span rest = XFED_SPAN("eam xmlns='jabber:server' xmlns:db='jabber:server:dialback' id='' xml:lang='en'"
					  " xmlns:stream='http://etherx.jabber.org/streams' version='1.0'><a/>");
	assert_int_equal(
		expect(r, rest, XFED_XML_HEADER, "<stream xmlns=\"http://etherx.jabber.org/streams\" id=\"\" xml:lang=\"en\" version=\"1.0\"/>"),
		rest.len - 4);
	struct xfed_xml_elem *e = xfed_xml_reader_elem(r);
	assert_true(xfed_xml_is(e, XFED_NS_STREAM, "stream"));
	assert_true(e->has_prefix);
	assert_true(xfed_span_is(xfed_xml_attr_get(e, "version"), "1.0"));
	assert_non_null(xfed_xml_attr_get(e, "id").data);
	assert_int_equal(xfed_xml_attr_get(e, "id").len, 0);
	assert_null(xfed_xml_attr_get(e, "to").data);
	assert_null(xfed_xml_attr_get(e, "lang").data);
	assert_true(xfed_span_is(xfed_xml_attr_get_ns(e, XFED_NS_XML, "lang"), "en"));
	assert_true(xfed_span_is(xfed_xml_reader_content_ns(r), "jabber:server"));
	assert_false(xfed_xml_reader_mid_element(r));
	xfed_xml_reader_free(r);
}

/* [A2-01], [A2-02]: any namespace, any prefix; judged elsewhere. */
static void header_namespaces_are_seen(void **state)
{
	(void)state;
	static const struct {
		const char *header, *ns, *content_ns;
		bool has_prefix;
	} rows[] = {
		{ "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>", XFED_NS_STREAM, "jabber:client", true },
		{ "<s:stream xmlns:s='http://etherx.jabber.org/streams'>", XFED_NS_STREAM, "", true },
		{ "<stream xmlns='http://etherx.jabber.org/streams'>", XFED_NS_STREAM, XFED_NS_STREAM, false },
		{ "<stream:stream xmlns='jabber:server' xmlns:stream='urn:other'>", "urn:other", "jabber:server", true },
		{ "<stream:stream xmlns='' xmlns:stream='urn:other'>", "urn:other", "", true },
		{ "<s:stream xmlns='a&amp;b' xmlns:s='c&amp;d'>", "c&d", "a&b", true },
		{ "<stream>", "", "", false },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_xml_reader *r = reader_new();
		size_t used;
		assert_int_equal(xfed_xml_reader_feed(r, xfed_span_str(rows[i].header), &used), XFED_XML_HEADER);
		struct xfed_xml_elem *e = xfed_xml_reader_elem(r);
		assert_true(xfed_xml_is(e, rows[i].ns, "stream"));
		assert_true(xfed_span_is(xfed_xml_reader_content_ns(r), rows[i].content_ns));
		assert_int_equal(e->has_prefix, rows[i].has_prefix);
		xfed_xml_reader_free(r);
	}
}

/* The security of STARTTLS rests on it: what stands behind is seen, not swallowed ([A2-13]). */
static void stops_behind_each_result(void **state)
{
	(void)state;
	struct xfed_xml_reader *r = reader_new();
	static const char in[] = "<?xml version='1.0'?>" H "<proceed xmlns='urn:t'/>\x16\x03\x01<a><b/></a>x</stream:stream>zz";
	struct xfed_span left = xfed_span_make(in, sizeof(in) - 1);
	size_t used = expect(r, left, XFED_XML_HEADER, H_AS);
	assert_int_equal(used, strlen("<?xml version='1.0'?>" H));
	left = xfed_span_make(left.data + used, left.len - used);
	assert_int_equal(expect(r, left, XFED_XML_ELEMENT, "<proceed xmlns=\"urn:t\"/>"), strlen("<proceed xmlns='urn:t'/>"));
	xfed_xml_reader_free(r);

	static const char *const tails[] = { "", "<", "<a", "</stream:stream>", "&", "\xff", "x", " ", "<a><b/></a>", "]]>", "<?" };
	static const struct {
		const char *xml, *tree;
	} elems[] = {
		{ "<a/>", "<a/>" },
		{ "<a b='/>'/>", "<a b=\"/>\"/>" },
		{ "<a></a >", "<a/>" },
		{ "<a>x</a>", "<a>x</a>" },
		{ "<a><![CDATA[</a>]]></a>", "<a>&lt;/a&gt;</a>" },
		{ "<a><a/><a></a>></a>", "<a><a/><a/>&gt;</a>" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(elems); i++) {
		for (size_t t = 0; t < XFED_ARRAY_LEN(tails); t++) {
			char input[256];
			int len = snprintf(input, sizeof(input), "%s%s", elems[i].xml, tails[t]);
			r = stream_new();
			assert_int_equal(expect(r, xfed_span_make(input, (size_t)len), XFED_XML_ELEMENT, elems[i].tree), strlen(elems[i].xml));
			assert_int_equal(xfed_xml_reader_stanza_bytes(r), strlen(elems[i].xml));
			xfed_xml_reader_free(r);
		}
	}
}

static void trees_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *xml, *tree;
	} rows[] = {
		{ "<a>&amp;&lt;&gt;&quot;&apos;&#65;&#x1F600;</a>", "<a>&amp;&lt;&gt;\"'A\xf0\x9f\x98\x80</a>" },
		{ "<a b='&amp;&lt;&gt;&quot;&apos;&#38;amp;&#x26;#38;'/>", "<a b=\"&amp;&lt;>&quot;'&amp;amp;&amp;#38;\"/>" },
		{ "<a b='&amp;#38;'/>", "<a b=\"&amp;#38;\"/>" },
		{ "<a b=' x\ty\nz&#9;&#10;&#13; '/>", "<a b=\" x y z&#x9;&#xA;&#xD; \"/>" },
		{ "<a>x\r\ny\rz&#13;\n</a>", "<a>x\ny\nz&#xD;\n</a>" },
		{ "<a>x<![CDATA[<&]]>y<![CDATA[]]></a>", "<a>x&lt;&amp;y</a>" },
		{ "<a>x<b/>y<c>z</c></a>", "<a>x<b/>y<c>z</c></a>" },
		{ "<a> <b> </b> </a>", "<a> <b> </b> </a>" },
		{ "<p:a xmlns:p='n'><p:b><c/></p:b></p:a>", "<a xmlns=\"n\"><b><c xmlns=\"jabber:server\"/></b></a>" },
		{ "<a xmlns:p='n' xmlns:q='m' p:x='1' q:x='2' p:y='3' x='4'/>",
			"<a xmlns:n1=\"n\" n1:x=\"1\" xmlns:n2=\"m\" n2:x=\"2\" n1:y=\"3\" x=\"4\"/>" },
		{ "<a xmlns=''><b xmlns='jabber:server'/></a>", "<a xmlns=\"\"><b xmlns=\"jabber:server\"/></a>" },
		{ "<stream:features><x xmlns='y'/></stream:features>",
			"<features xmlns=\"http://etherx.jabber.org/streams\"><x xmlns=\"y\"/></features>" },
		{ "<a xml:lang='de' xml:space='preserve'/>", "<a xml:lang=\"de\" xml:space=\"preserve\"/>" },
		{ "<p:a xmlns:p='n&amp;m' p:b='1'><p:c/></p:a>", "<a xmlns=\"n&amp;m\" xmlns:n1=\"n&amp;m\" n1:b=\"1\"><c/></a>" },
		{ "<a xmlns='no URI: &lt;%&#10;'/>", "<a xmlns=\"no URI: &lt;%&#xA;\"/>" },
		{ "<a><xml:b>x<c/></xml:b></a>", "<a><xml:b>x<c/></xml:b></a>" },
	};
	struct xfed_xml_reader *r = stream_new();
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		expect(r, xfed_span_str(rows[i].xml), XFED_XML_ELEMENT, rows[i].tree);
	}
	xfed_xml_reader_free(r);
}

/* Long text arrives from the parser in many runs: still one node. */
static void text_is_one_node(void **state)
{
	(void)state;
	struct xfed_xml_reader *r = stream_new();
	struct xfed_buf in;
	xfed_buf_init(&in, 1 << 20);
	assert_int_equal(xfed_buf_append_str(&in, "<a>"), XFED_OK);
	for (int i = 0; i < 5000; i++) {
		assert_int_equal(xfed_buf_append_str(&in, i % 2 ? "&amp;\xc3\xa9" : "<![CDATA[x]]>yz"), XFED_OK);
	}
	assert_int_equal(xfed_buf_append_str(&in, "</a>"), XFED_OK);
	size_t used;
	assert_int_equal(xfed_xml_reader_feed(r, xfed_buf_span(&in), &used), XFED_XML_ELEMENT);
	struct xfed_xml_elem *e = xfed_xml_reader_elem(r);
	assert_non_null(e->children);
	assert_null(e->children->next);
	assert_int_equal(e->children->text.len, 2500 * 6);
	for (size_t i = 0; i < 2500; i++) {
		assert_memory_equal(e->children->text.data + 6 * i, "xyz&\xc3\xa9", 6);
	}
	xfed_buf_deinit(&in);
	xfed_xml_reader_free(r);
}

static void prefixes_are_seen(void **state)
{
	(void)state;
	struct xfed_xml_reader *r = stream_new();
	size_t used;
	/* [A2-03] */
	assert_int_equal(xfed_xml_reader_feed(r, XFED_SPAN("<s:message xmlns:s='jabber:server'><body xmlns='jabber:server'/></s:message>"), &used),
		XFED_XML_ELEMENT);
	struct xfed_xml_elem *e = xfed_xml_reader_elem(r);
	assert_true(xfed_xml_is(e, "jabber:server", "message"));
	assert_true(e->has_prefix);
	assert_false(xfed_xml_child(e, "jabber:server", "body")->has_prefix);
	xfed_xml_reader_free(r);
}

static void stream_ends(void **state)
{
	(void)state;
	struct xfed_xml_reader *r = stream_new();
	assert_int_equal(expect(r, XFED_SPAN("  </stream:stream>xyz"), XFED_XML_CLOSE, NULL), 18);
	assert_false(xfed_xml_reader_mid_element(r));
	assert_int_equal(expect(r, XFED_SPAN("<a/>\xff"), XFED_XML_MORE, NULL), 5);
	xfed_xml_reader_restart(r);
	expect(r, XFED_SPAN(H), XFED_XML_HEADER, H_AS);
	xfed_xml_reader_free(r);
}

/* RFC 6120 4.3.3: nothing of the old stream lives on. */
static void stream_restarts(void **state)
{
	(void)state;
	struct xfed_xml_reader *r = reader_new();
	expect(r, XFED_SPAN("<stream:stream xmlns='jabber:server' xmlns:old='o' xmlns:stream='http://etherx.jabber.org/streams' to='a.example'>"),
		XFED_XML_HEADER, H_AS);
	expect(r, XFED_SPAN("<old:a/>"), XFED_XML_ELEMENT, "<a xmlns=\"o\"/>");
	expect(r, XFED_SPAN("<half><"), XFED_XML_MORE, NULL);
	xfed_xml_reader_restart(r);
	assert_null(xfed_xml_reader_elem(r));
	assert_null(xfed_xml_reader_content_ns(r).data);
	expect(r, XFED_SPAN("<?xml version='1.0'?>" H), XFED_XML_HEADER, H_AS);
	expect(r, XFED_SPAN("<old:a/>"), XFED_XML_BAD, NULL);
	assert_string_equal(xfed_xml_reader_stream_error(r), "not-well-formed");
	xfed_xml_reader_restart(r);
	assert_int_equal(xfed_xml_reader_reason(r), XFED_REASON_NONE);
	expect(r, XFED_SPAN(H), XFED_XML_HEADER, H_AS);
	expect(r, XFED_SPAN("<a/>"), XFED_XML_ELEMENT, "<a/>");
	xfed_xml_reader_free(r);
}

static void reader_hibernates(void **state)
{
	(void)state;
	struct xfed_xml_reader *r = reader_new();
	xfed_xml_reader_hibernate(r);
	assert_false(xfed_xml_reader_is_hibernating(r));
	expect(r,
		XFED_SPAN("<?xml version='1.0' encoding='UTF-8'?>\n<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback'\n"
			  "xmlns:stream='http://etherx.jabber.org/streams' to='a.example'>"),
		XFED_XML_HEADER, H_AS);
	for (int i = 0; i < 3; i++) {
		assert_false(xfed_xml_reader_is_hibernating(r));
		xfed_xml_reader_hibernate(r);
		assert_true(xfed_xml_reader_is_hibernating(r));
		assert_null(xfed_xml_reader_elem(r));
		/* A keep-alive does not wake it. */
		expect(r, XFED_SPAN(" \n"), XFED_XML_MORE, NULL);
		assert_true(xfed_xml_reader_is_hibernating(r));
		expect(r, XFED_SPAN("<db:x>"), XFED_XML_MORE, NULL);
		assert_false(xfed_xml_reader_is_hibernating(r));
		xfed_xml_reader_hibernate(r);
		assert_false(xfed_xml_reader_is_hibernating(r));
		expect(r, XFED_SPAN("<y"), XFED_XML_MORE, NULL);
		xfed_xml_reader_hibernate(r);
		expect(r, XFED_SPAN("/></db:x><a/>"), XFED_XML_ELEMENT, "<x xmlns=\"jabber:server:dialback\"><y xmlns=\"jabber:server\"/></x>");
	}
	xfed_xml_reader_hibernate(r);
	expect(r, XFED_SPAN("</stream:stream>"), XFED_XML_CLOSE, NULL);
	xfed_xml_reader_free(r);
}

static void fragments_are_whole(void **state)
{
	(void)state;
	static const struct {
		const char *in;
		enum xfed_xml_result result;
	} rows[] = {
		{ "<message><body>x</body></message>", XFED_XML_ELEMENT },
		{ " <a/>\n", XFED_XML_ELEMENT },
		{ "<stream:features/>", XFED_XML_ELEMENT },
		{ "", XFED_XML_BAD },
		{ "  ", XFED_XML_BAD },
		{ "<a>", XFED_XML_BAD },
		{ "<a/><b/>", XFED_XML_BAD },
		{ "<a/>x", XFED_XML_BAD },
		{ "<a/></stream:stream>", XFED_XML_BAD },
		{ "</stream:stream>", XFED_XML_BAD },
		{ "<?xml version='1.0'?><a/>", XFED_XML_BAD },
		{ "<a><!----></a>", XFED_XML_BAD },
		{ "<x:a/>", XFED_XML_BAD },
		{ "text", XFED_XML_BAD },
	};
	struct xfed_xml_reader *r;
	assert_int_equal(xfed_xml_reader_new_fragment(&transcript_limits, &r), XFED_OK);
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		for (int twice = 0; twice < 2; twice++) {
			enum xfed_xml_result result = xfed_xml_reader_fragment(r, xfed_span_str(rows[i].in));
			if (result != rows[i].result) {
				fail_msg("'%s': %d", rows[i].in, result);
			}
			assert_int_equal(xfed_xml_reader_elem(r) != NULL, result == XFED_XML_ELEMENT);
			assert_int_equal(xfed_xml_reader_reason(r) != XFED_REASON_NONE, result != XFED_XML_ELEMENT);
		}
		/* A bad one leaves nothing behind for the next. */
		assert_int_equal(xfed_xml_reader_fragment(r, XFED_SPAN("<ok/>")), XFED_XML_ELEMENT);
		assert_true(xfed_xml_is(xfed_xml_reader_elem(r), "jabber:server", "ok"));
	}
	xfed_xml_reader_hibernate(r);
	assert_true(xfed_xml_reader_is_hibernating(r));
	assert_int_equal(xfed_xml_reader_fragment(r, XFED_SPAN("<ok/>")), XFED_XML_ELEMENT);
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
		cmocka_unit_test(header_is_given),
		cmocka_unit_test(header_namespaces_are_seen),
		cmocka_unit_test(stops_behind_each_result),
		cmocka_unit_test(trees_are_read),
		cmocka_unit_test(text_is_one_node),
		cmocka_unit_test(prefixes_are_seen),
		cmocka_unit_test(stream_ends),
		cmocka_unit_test(stream_restarts),
		cmocka_unit_test(reader_hibernates),
		cmocka_unit_test(fragments_are_whole),
	};
	return cmocka_run_group_tests(tests, init, deinit);
}
