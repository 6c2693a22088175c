/* Building, looking and the canonical form; what is written is read back as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "transcript.h"

static struct xfed_arena arena;

static struct xfed_span text(const char *s)
{
	return xfed_span_str(s);
}

static struct xfed_xml_elem *elem(const char *ns, const char *name)
{
	struct xfed_xml_elem *e = xfed_xml_elem_new(&arena, text(ns), text(name));
	assert_non_null(e);
	return e;
}

static struct xfed_xml_elem *child(struct xfed_xml_elem *parent, const char *ns, const char *name)
{
	struct xfed_xml_elem *e = xfed_xml_add_elem(&arena, parent, text(ns), text(name));
	assert_non_null(e);
	return e;
}

static void attr(struct xfed_xml_elem *e, const char *ns, const char *name, const char *value)
{
	assert_int_equal(xfed_xml_set_attr(&arena, e, text(ns), text(name), text(value)), XFED_OK);
}

static void add(struct xfed_xml_elem *e, const char *s)
{
	assert_int_equal(xfed_xml_add_text(&arena, e, text(s)), XFED_OK);
}

static void expect(const struct xfed_xml_elem *e, const char *context, const char *expected)
{
	struct xfed_buf out;
	xfed_buf_init(&out, 1 << 20);
	assert_int_equal(xfed_xml_write(&out, e, text(context)), XFED_OK);
	struct xfed_span s = xfed_buf_span(&out);
	if (!xfed_span_is(s, expected)) {
		fail_msg("expected %s got %.*s", expected, (int)s.len, s.data);
	}
	xfed_buf_deinit(&out);
}

static void namespaces_are_declared_where_they_change(void **state)
{
	(void)state;
	struct xfed_xml_elem *m = elem("jabber:server", "message");
	child(child(m, "urn:x", "x"), "urn:x", "y");
	child(m, "jabber:server", "body");
	child(m, "", "none");
	expect(m, "jabber:server", "<message><x xmlns=\"urn:x\"><y/></x><body/><none xmlns=\"\"/></message>");
	expect(m, "", "<message xmlns=\"jabber:server\"><x xmlns=\"urn:x\"><y/></x><body/><none xmlns=\"\"/></message>");
	expect(elem("", "a"), "", "<a/>");
	expect(elem("u&\"", "a"), "", "<a xmlns=\"u&amp;&quot;\"/>");
}

static void attributes_are_written(void **state)
{
	(void)state;
	struct xfed_xml_elem *e = elem("", "a");
	attr(e, "", "x", "1");
	attr(e, XFED_NS_XML, "lang", "de");
	attr(e, "urn:n", "y", "2");
	attr(e, "urn:n", "z", "3");
	attr(e, "", "x", "<&>\"'\t\n\r ");
	expect(e, "", "<a x=\"&lt;&amp;>&quot;'&#x9;&#xA;&#xD; \" xml:lang=\"de\" xmlns:n3=\"urn:n\" n3:y=\"2\" n3:z=\"3\"/>");
	assert_true(xfed_span_is(xfed_xml_attr_get_ns(e, "urn:n", "z"), "3"));
	assert_null(xfed_xml_attr_get(e, "z").data);
}

static void text_is_escaped(void **state)
{
	(void)state;
	struct xfed_xml_elem *e = elem("", "a");
	add(e, "<&>\"'\t\n\r]]>\xf0\x9f\x98\x80");
	expect(e, "", "<a>&lt;&amp;&gt;\"'\t\n&#xD;]]&gt;\xf0\x9f\x98\x80</a>");
	struct xfed_buf out;
	xfed_buf_init(&out, 100);
	assert_int_equal(xfed_xml_escape(&out, text("<&>\"'\t\n\r x")), XFED_OK);
	assert_true(xfed_span_is(xfed_buf_span(&out), "&lt;&amp;&gt;&quot;&apos;&#x9;&#xA;&#xD; x"));
	xfed_buf_deinit(&out);
}

/* Text from SIP may hold what XML cannot: the stream must not break on it. */
static void illegal_text_is_replaced(void **state)
{
	(void)state;
	static const struct {
		struct xfed_span in;
		const char *out;
	} rows[] = {
		{ { "a\0b", 3 }, "a\xef\xbf\xbd"
				 "b" },
		{ { "\x01\x1b", 2 }, "\xef\xbf\xbd\xef\xbf\xbd" },
		{ { "\xff", 1 }, "\xef\xbf\xbd" },
		{ { "\xc0\xaf", 2 }, "\xef\xbf\xbd\xef\xbf\xbd" },
		{ { "\xed\xa0\x80", 3 }, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ { "x\xe2\x82", 3 }, "x\xef\xbf\xbd\xef\xbf\xbd" },
		{ { "\xef\xbf\xbf", 3 }, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ { "\xe2\x82"
		    "a",
			  3 },
			"\xef\xbf\xbd\xef\xbf\xbd"
			"a" },
		{ { "\xef\xbf\xbd", 3 }, "\xef\xbf\xbd" },
		{ { "", 0 }, "" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_buf out;
		xfed_buf_init(&out, 100);
		assert_int_equal(xfed_xml_escape(&out, rows[i].in), XFED_OK);
		if (!xfed_span_is(xfed_buf_span(&out), rows[i].out)) {
			fail_msg("row %zu: %.*s", i, (int)xfed_buf_len(&out), xfed_buf_span(&out).data);
		}
		xfed_buf_deinit(&out);
	}
}

static void trees_are_searched(void **state)
{
	(void)state;
	struct xfed_xml_elem *e = elem("n", "a");
	add(e, "x");
	add(e, "y");
	struct xfed_xml_elem *b = child(e, "n", "b");
	add(e, "z");
	struct xfed_xml_elem *c = child(e, "m", "b");
	assert_ptr_equal(xfed_xml_child(e, "m", "b"), c);
	assert_ptr_equal(xfed_xml_child(e, NULL, "b"), b);
	assert_ptr_equal(xfed_xml_child(e, "m", NULL), c);
	assert_ptr_equal(xfed_xml_next(b, NULL, "b"), c);
	assert_null(xfed_xml_next(b, "n", "b"));
	assert_null(xfed_xml_next(c, NULL, NULL));
	assert_null(xfed_xml_next(e, NULL, NULL));
	assert_null(xfed_xml_child(b, NULL, NULL));
	assert_false(xfed_xml_is(NULL, NULL, NULL));
	assert_true(xfed_span_is(e->children->text, "xy"));
	assert_true(xfed_span_is(xfed_xml_text(&arena, e), "xyz"));
	assert_non_null(xfed_xml_text(&arena, b).data);
	assert_int_equal(xfed_xml_text(&arena, b).len, 0);
	struct xfed_arena none;
	xfed_arena_init(&none, 0);
	assert_null(xfed_xml_text(&none, e).data);
	assert_null(xfed_xml_elem_new(&none, text(""), text("a")));
	assert_int_equal(xfed_xml_add_text(&none, b, text("x")), XFED_ERR_NOMEM);
	assert_int_equal(xfed_xml_set_attr(&none, b, text(""), text("x"), text("y")), XFED_ERR_NOMEM);
	assert_null(b->children);
	assert_null(b->attrs);
}

/* Every cap below the length: LIMIT, and the buffer as it was. */
static void failure_leaves_the_buffer(void **state)
{
	(void)state;
	struct xfed_xml_elem *e = elem("urn:n", "a");
	attr(e, "urn:m", "b", "<c>");
	add(child(e, "", "d"), "a & b \x01");
	struct xfed_buf whole;
	xfed_buf_init(&whole, 1 << 20);
	assert_int_equal(xfed_xml_write(&whole, e, text("")), XFED_OK);
	for (size_t cap = 0; cap <= xfed_buf_len(&whole); cap++) {
		struct xfed_buf out;
		xfed_buf_init(&out, cap + 6);
		assert_int_equal(xfed_buf_append_str(&out, "before"), XFED_OK);
		int rc = xfed_xml_write(&out, e, text(""));
		bool fits = cap == xfed_buf_len(&whole);
		assert_int_equal(rc, fits ? XFED_OK : XFED_ERR_LIMIT);
		assert_int_equal(xfed_buf_len(&out), fits ? cap + 6 : 6);
		assert_memory_equal(xfed_buf_span(&out).data, "before", 6);
		xfed_buf_deinit(&out);
	}
	xfed_buf_deinit(&whole);
	struct xfed_buf out;
	xfed_buf_init(&out, 8);
	assert_int_equal(xfed_xml_escape(&out, text("abc&&&")), XFED_ERR_LIMIT);
	assert_int_equal(xfed_buf_len(&out), 0);
	xfed_buf_deinit(&out);
}

/* CR, tabs, quotes, every ASCII character and some others survive writing and reading. */
static void round_trips(void **state)
{
	(void)state;
	char all[256];
	size_t len = 0;
	for (int c = 1; c < 0x80; c++) {
		if (c >= 0x20 || c == '\t' || c == '\n' || c == '\r') {
			all[len++] = (char)c;
		}
	}
	memcpy(all + len, "\r\n\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbb\xbf]]>\r", 18);
	len += 18;
	struct xfed_xml_elem *e = elem("jabber:server", "message");
	assert_int_equal(xfed_xml_set_attr(&arena, e, text(""), text("id"), xfed_span_make(all, len)), XFED_OK);
	assert_int_equal(xfed_xml_set_attr(&arena, e, text("urn:x"), text("id"), xfed_span_make(all, len)), XFED_OK);
	attr(e, XFED_NS_XML, "lang", "de");
	assert_int_equal(xfed_xml_add_text(&arena, child(e, "jabber:server", "body"), xfed_span_make(all, len)), XFED_OK);
	struct xfed_buf out, again;
	xfed_buf_init(&out, 1 << 20);
	xfed_buf_init(&again, 1 << 20);
	assert_int_equal(xfed_xml_write(&out, e, text("jabber:server")), XFED_OK);
	struct xfed_xml_reader *r;
	assert_int_equal(xfed_xml_reader_new_fragment(&transcript_limits, &r), XFED_OK);
	assert_int_equal(xfed_xml_reader_fragment(r, xfed_buf_span(&out)), XFED_XML_ELEMENT);
	struct xfed_xml_elem *read = xfed_xml_reader_elem(r);
	struct xfed_span same = xfed_span_make(all, len);
	assert_true(xfed_span_eq(xfed_xml_attr_get(read, "id"), same));
	assert_true(xfed_span_eq(xfed_xml_attr_get_ns(read, "urn:x", "id"), same));
	assert_true(xfed_span_is(xfed_xml_attr_get_ns(read, XFED_NS_XML, "lang"), "de"));
	assert_true(xfed_span_eq(xfed_xml_text(&arena, xfed_xml_child(read, NULL, "body")), same));
	assert_int_equal(xfed_xml_write(&again, read, text("jabber:server")), XFED_OK);
	assert_true(xfed_span_eq(xfed_buf_span(&out), xfed_buf_span(&again)));
	xfed_buf_deinit(&out);
	xfed_buf_deinit(&again);
	xfed_xml_reader_free(r);
}

static int init(void **state)
{
	(void)state;
	xfed_arena_init(&arena, 1 << 20);
	return xfed_xml_global_init();
}

static int deinit(void **state)
{
	(void)state;
	xfed_arena_deinit(&arena);
	xfed_xml_global_deinit();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(namespaces_are_declared_where_they_change),
		cmocka_unit_test(attributes_are_written),
		cmocka_unit_test(text_is_escaped),
		cmocka_unit_test(illegal_text_is_replaced),
		cmocka_unit_test(trees_are_searched),
		cmocka_unit_test(failure_leaves_the_buffer),
		cmocka_unit_test(round_trips),
	};
	return cmocka_run_group_tests(tests, init, deinit);
}
