/* Reading and writing dialback elements: [A8-02] to [A8-04], [A8-07], [A8-14] to [A8-16]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support.h"

#define STANZAS "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'"

struct shape {
	const char *requirement, *xml;
	enum xfed_dialback_kind kind;
	enum xfed_dialback_type type;
	const char *from, *to, *id, *key; /* NULL: absent */
	enum xfed_dialback_condition condition;
};

static const struct shape shapes[] = {
	{ "A8-04 a request", "<db:result from='a.example' to='b.example'>k</db:result>", XFED_DIALBACK_RESULT, XFED_DIALBACK_KEY, "a.example",
		"b.example", NULL, "k", 0 },
	{ "A8-04 a verification", "<db:verify from='a.example' to='b.example' id='1'>k</db:verify>", XFED_DIALBACK_VERIFY, XFED_DIALBACK_KEY,
		"a.example", "b.example", "1", "k", 0 },
	{ "a result has no id", "<db:result from='a.example' to='b.example' id='1'>k</db:result>", XFED_DIALBACK_RESULT, XFED_DIALBACK_KEY,
		"a.example", "b.example", NULL, "k", 0 },
	{ "A8-02 any prefix",
		"<x:result xmlns:x='jabber:server:dialback' from='a.example' "
		"to='b.example'>k</x:result>",
		XFED_DIALBACK_RESULT, XFED_DIALBACK_KEY, "a.example", "b.example", NULL, "k", 0 },
	{ "A8-02 no prefix", "<result xmlns='jabber:server:dialback' from='a.example' to='b.example'>k</result>", XFED_DIALBACK_RESULT,
		XFED_DIALBACK_KEY, "a.example", "b.example", NULL, "k", 0 },
	{ "A8-07 white space", "<db:result from='a.example' to='b.example'>\n\t k k \r\n</db:result>", XFED_DIALBACK_RESULT, XFED_DIALBACK_KEY,
		"a.example", "b.example", NULL, "k k", 0 },
	{ "nothing but white space", "<db:result from='a.example' to='b.example'> \n </db:result>", XFED_DIALBACK_RESULT, XFED_DIALBACK_KEY,
		"a.example", "b.example", NULL, "", 0 },
	{ "valid", "<db:result from='a.example' to='b.example' type='valid'/>", XFED_DIALBACK_RESULT, XFED_DIALBACK_VALID, "a.example", "b.example",
		NULL, NULL, 0 },
	{ "valid with a key in it", "<db:result from='a.example' to='b.example' type='valid'>k</db:result>", XFED_DIALBACK_RESULT,
		XFED_DIALBACK_VALID, "a.example", "b.example", NULL, NULL, 0 },
	{ "invalid", "<db:verify from='a.example' to='b.example' id='' type='invalid'/>", XFED_DIALBACK_VERIFY, XFED_DIALBACK_INVALID, "a.example",
		"b.example", "", NULL, 0 },
	{ "types have one spelling", "<db:result from='a.example' to='b.example' type='VALID'/>", XFED_DIALBACK_RESULT, XFED_DIALBACK_UNKNOWN,
		"a.example", "b.example", NULL, NULL, 0 },
	{ "A10-22 domains are normalised", "<db:result from='A.Example.' to='xn--bcher-kva.example'>k</db:result>", XFED_DIALBACK_RESULT,
		XFED_DIALBACK_KEY, "a.example",
		"b\xc3\xbc"
		"cher.example",
		NULL, "k", 0 },
	{ "a user is no domain", "<db:result from='u@a.example' to='b.example/r'>k</db:result>", XFED_DIALBACK_RESULT, XFED_DIALBACK_KEY, NULL, NULL,
		NULL, "k", 0 },
	{ "no addresses", "<db:result>k</db:result>", XFED_DIALBACK_RESULT, XFED_DIALBACK_KEY, NULL, NULL, NULL, "k", 0 },
	{ "A8-16 an error without a word", "<db:result from='a.example' to='b.example' type='error'/>", XFED_DIALBACK_RESULT, XFED_DIALBACK_ERROR,
		"a.example", "b.example", NULL, NULL, XFED_DIALBACK_NOT_IN_TABLE },
	{ "A8-16 text before the condition",
		"<db:result from='a.example' to='b.example' type='error'><error "
		"type='cancel'><text " STANZAS ">no</text><forbidden " STANZAS "/></error></db:result>",
		XFED_DIALBACK_RESULT, XFED_DIALBACK_ERROR, "a.example", "b.example", NULL, NULL, XFED_DIALBACK_FORBIDDEN },
	{ "A8-16 an error of no namespace",
		"<db:result from='a.example' to='b.example' type='error'><error xmlns='' "
		"type='cancel'><item-not-found " STANZAS "/></error></db:result>",
		XFED_DIALBACK_RESULT, XFED_DIALBACK_ERROR, "a.example", "b.example", NULL, NULL, XFED_DIALBACK_ITEM_NOT_FOUND },
	{ "A8-16 a condition of another namespace",
		"<db:result from='a.example' to='b.example' type='error'><error "
		"type='cancel'><forbidden/></error></db:result>",
		XFED_DIALBACK_RESULT, XFED_DIALBACK_ERROR, "a.example", "b.example", NULL, NULL, XFED_DIALBACK_NOT_IN_TABLE },
};

static void same(const char *row, const char *what, struct xfed_span got, const char *expected)
{
	bool is_same = expected ? got.data && xfed_span_is(got, expected) : !got.data;
	if (!is_same) {
		fail_msg("%s: %s is '%.*s', expected '%s'", row, what, (int)got.len, got.data ? got.data : "", expected ? expected : "(absent)");
	}
}

static void reading(void **state)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(shapes); i++) {
		const struct shape *s = &shapes[i];
		struct parsed p;
		assert_true(parse(&p, s->xml));
		same(s->requirement, "from", p.elem.from, s->from);
		same(s->requirement, "to", p.elem.to, s->to);
		same(s->requirement, "id", p.elem.id, s->id);
		same(s->requirement, "key", p.elem.key, s->key);
		if (p.elem.kind != s->kind || p.elem.type != s->type || (s->type == XFED_DIALBACK_ERROR && p.elem.condition != s->condition)) {
			fail_msg("%s: kind %d, type %d, condition %d", s->requirement, p.elem.kind, p.elem.type, p.elem.condition);
		}
		parsed_free(&p);
	}
}

static void other_elements_are_none(void **state)
{
	static const char *const names[][2] = { { XFED_NS_DIALBACK, "stream" }, { XFED_NS_SERVER, "result" }, { "", "verify" } };
	for (size_t i = 0; i < XFED_ARRAY_LEN(names); i++) {
		struct xfed_arena a;
		struct xfed_dialback_elem e;
		xfed_arena_init(&a, 1 << 16);
		assert_int_equal(
			xfed_dialback_read(&a, xfed_xml_elem_new(&a, xfed_span_str(names[i][0]), xfed_span_str(names[i][1])), &e), XFED_ERR_INVALID);
		xfed_arena_deinit(&a);
	}
}

/* ---- printing ---- */

static struct xfed_dialback_elem elem(enum xfed_dialback_kind kind, enum xfed_dialback_type type, enum xfed_dialback_condition c)
{
	return (struct xfed_dialback_elem){
		.kind = kind,
		.type = type,
		.from_raw = XFED_SPAN("a.example"),
		.to_raw = XFED_SPAN("b.example"),
		.id = XFED_SPAN("i&d"),
		.key = XFED_SPAN("<k>"),
		.condition = c,
	};
}

static void prints(const struct xfed_dialback_elem *e, const char *expected)
{
	struct xfed_buf b;
	xfed_buf_init(&b, 1024);
	assert_int_equal(xfed_dialback_print(&b, e), XFED_OK);
	assert_int_equal(xfed_buf_append(&b, xfed_span_make("", 1)), XFED_OK);
	assert_string_equal(xfed_buf_span(&b).data, expected);
	xfed_buf_deinit(&b);
}

/* [A8-02]: byte for byte with the prefix our stream headers declare, and without a declaration of
 * its own. */
static void printing(void **state)
{
	struct xfed_dialback_elem e = elem(XFED_DIALBACK_RESULT, XFED_DIALBACK_KEY, 0);
	prints(&e, "<db:result from='a.example' to='b.example'>&lt;k&gt;</db:result>");
	e = elem(XFED_DIALBACK_VERIFY, XFED_DIALBACK_KEY, 0);
	prints(&e, "<db:verify from='a.example' to='b.example' id='i&amp;d'>&lt;k&gt;</db:verify>");
	e = elem(XFED_DIALBACK_RESULT, XFED_DIALBACK_VALID, 0);
	prints(&e, "<db:result from='a.example' to='b.example' type='valid'/>");
	e = elem(XFED_DIALBACK_VERIFY, XFED_DIALBACK_INVALID, 0);
	prints(&e, "<db:verify from='a.example' to='b.example' id='i&amp;d' type='invalid'/>");
	e = elem(XFED_DIALBACK_RESULT, XFED_DIALBACK_ERROR, XFED_DIALBACK_ITEM_NOT_FOUND);
	prints(&e, "<db:result from='a.example' to='b.example' type='error'><error type='cancel'>"
		   "<item-not-found " STANZAS "/></error></db:result>");
	e = elem(XFED_DIALBACK_RESULT, XFED_DIALBACK_UNKNOWN, 0);
	struct xfed_buf b;
	xfed_buf_init(&b, 1024);
	assert_int_equal(xfed_dialback_print(&b, &e), XFED_ERR_INVALID);
	xfed_buf_deinit(&b);
}

static void a_full_buffer_is_left_as_it_was(void **state)
{
	struct xfed_dialback_elem e = elem(XFED_DIALBACK_RESULT, XFED_DIALBACK_ERROR, XFED_DIALBACK_FORBIDDEN);
	struct xfed_buf b;
	xfed_buf_init(&b, 1024);
	assert_int_equal(xfed_dialback_print(&b, &e), XFED_OK);
	size_t need = xfed_buf_len(&b) + 3;
	xfed_buf_deinit(&b);
	for (size_t cap = 3; cap <= need; cap++) {
		xfed_buf_init(&b, cap);
		assert_int_equal(xfed_buf_append_str(&b, "abc"), XFED_OK);
		int rc = xfed_dialback_print(&b, &e);
		if (rc == XFED_ERR_LIMIT) {
			assert_true(xfed_span_is(xfed_buf_span(&b), "abc"));
		} else {
			assert_int_equal(rc, XFED_OK);
		}
		assert_int_equal(rc == XFED_OK, cap == need);
		xfed_buf_deinit(&b);
	}
}

/* Every condition crosses the wire as itself ([A8-16]). */
static void every_condition_survives(void **state)
{
	for (int c = 0; c <= XFED_DIALBACK_NOT_IN_TABLE; c++) {
		struct xfed_dialback_elem e = elem(XFED_DIALBACK_VERIFY, XFED_DIALBACK_ERROR, (enum xfed_dialback_condition)c);
		struct xfed_buf b;
		struct parsed p;
		xfed_buf_init(&b, 1024);
		assert_int_equal(xfed_dialback_print(&b, &e), XFED_OK);
		assert_true(parse_behind(&p, STREAM_HEADER, xfed_buf_span(&b)));
		assert_int_equal(p.elem.type, XFED_DIALBACK_ERROR);
		assert_int_equal(p.elem.condition, c);
		assert_true(xfed_span_is(p.elem.condition_word, xfed_dialback_condition_word((enum xfed_dialback_condition)c)));
		assert_true(xfed_span_is(p.elem.from, "a.example") && xfed_span_is(p.elem.id, "i&d"));
		parsed_free(&p);
		xfed_buf_deinit(&b);
	}
}

/* [A8-14], [A8-19]: what a refusal of ours is called on the wire. */
static void refusals(void **state)
{
	static const struct {
		enum xfed_reason reason;
		const char *word;
	} rows[] = {
		{ XFED_REASON_TLS_REQUIRED_MISSING, "policy-violation" },
		{ XFED_REASON_POLICY_PARTNER_UNLISTED, "policy-violation" },
		{ XFED_REASON_SASL_REQUIRED_MISSING, "not-authorized" },
		{ XFED_REASON_DIALBACK_NOT_ALLOWED, "not-authorized" },
		{ XFED_REASON_TLS_CERT_EXPIRED, "not-authorized" },
		{ XFED_REASON_POLICY_CONNECTIONS_EXCEEDED, "resource-constraint" },
		{ XFED_REASON_DIALBACK_TARGET_UNKNOWN, "item-not-found" },
		{ XFED_REASON_STREAM_INTERNAL, "internal-server-error" },
		{ XFED_REASON_SIP_USER_UNKNOWN, "not-acceptable" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		assert_string_equal(xfed_dialback_condition_word(xfed_dialback_condition_of(rows[i].reason)), rows[i].word);
	}
}

static int libraries_up(void **state)
{
	return xfed_xml_global_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading),
		cmocka_unit_test(other_elements_are_none),
		cmocka_unit_test(printing),
		cmocka_unit_test(a_full_buffer_is_left_as_it_was),
		cmocka_unit_test(every_condition_survives),
		cmocka_unit_test(refusals),
	};
	return cmocka_run_group_tests(tests, libraries_up, NULL);
}
