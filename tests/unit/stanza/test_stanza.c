/* Views on stanzas and the errors built from them ([A10-01], [A10-05] to [A10-07], [A10-11]). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "xfed/limits.h"
#include "xfed/mem.h"
#include "xfed/stanza.h"

static struct xfed_xml_reader *reader;

static struct xfed_xml_elem *parse(const char *xml)
{
	if (xfed_xml_reader_fragment(reader, xfed_span_str(xml)) != XFED_XML_ELEMENT) {
		fail_msg("not read: %s", xml);
	}
	return xfed_xml_reader_elem(reader);
}

static enum xfed_stanza_result view(const char *xml, struct xfed_stanza *s)
{
	return xfed_stanza_view(xfed_xml_reader_arena(reader), parse(xml), s);
}

#define ADDRESSES " from='Juliet@Example.COM/Balcony' to='romeo@ours.example'"

static void views_read_kind_and_type(void **state)
{
	(void)state;
	static const struct {
		const char *xml;
		enum xfed_stanza_result result;
		enum xfed_stanza_kind kind;
		enum xfed_stanza_type type;
	} rows[] = {
		{ "<message" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_MESSAGE, XFED_TYPE_NONE },
		{ "<message type='chat'" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_MESSAGE, XFED_TYPE_CHAT },
		{ "<message type='normal'" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_MESSAGE, XFED_TYPE_NORMAL },
		{ "<message type='groupchat'" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_MESSAGE, XFED_TYPE_GROUPCHAT },
		{ "<message type='headline'" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_MESSAGE, XFED_TYPE_HEADLINE },
		{ "<message type='error'" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_MESSAGE, XFED_TYPE_ERROR },
		{ "<message type='odd'" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_MESSAGE, XFED_TYPE_NONE }, /* [A11-11] */
		{ "<message type='get'" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_MESSAGE, XFED_TYPE_NONE },
		{ "<presence" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_PRESENCE, XFED_TYPE_NONE },
		{ "<presence type='unavailable'" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_PRESENCE, XFED_TYPE_UNAVAILABLE },
		{ "<presence type='subscribe'" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_PRESENCE, XFED_TYPE_SUBSCRIBE },
		{ "<presence type='subscribed'" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_PRESENCE, XFED_TYPE_SUBSCRIBED },
		{ "<presence type='unsubscribe'" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_PRESENCE, XFED_TYPE_UNSUBSCRIBE },
		{ "<presence type='unsubscribed'" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_PRESENCE, XFED_TYPE_UNSUBSCRIBED },
		{ "<presence type='probe'" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_PRESENCE, XFED_TYPE_PROBE },
		{ "<presence type='error'" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_PRESENCE, XFED_TYPE_ERROR },
		{ "<presence type='available'" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_PRESENCE, XFED_TYPE_INVALID },
		{ "<presence type=''" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_PRESENCE, XFED_TYPE_INVALID },
		{ "<iq type='get'" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_IQ, XFED_TYPE_GET },
		{ "<iq type='set'" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_IQ, XFED_TYPE_SET },
		{ "<iq type='result'" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_IQ, XFED_TYPE_RESULT },
		{ "<iq type='error'" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_IQ, XFED_TYPE_ERROR },
		{ "<iq" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_IQ, XFED_TYPE_INVALID },
		{ "<iq type='chat'" ADDRESSES "/>", XFED_STANZA_OK, XFED_STANZA_IQ, XFED_TYPE_INVALID },
		{ "<msg" ADDRESSES "/>", XFED_STANZA_NOT, 0, 0 },
		{ "<message xmlns='jabber:client'" ADDRESSES "/>", XFED_STANZA_NOT, 0, 0 },
		{ "<message to='a@b.example'/>", XFED_STANZA_IMPROPER, 0, 0 },
		{ "<message from='a@b.example'/>", XFED_STANZA_IMPROPER, 0, 0 },
		{ "<message from='' to='a@b.example'/>", XFED_STANZA_IMPROPER, 0, 0 },
		{ "<message from='a@b.example' to='a@'/>", XFED_STANZA_IMPROPER, 0, 0 },
		{ "<message from='a b@b.example' to='a@b_.example'/>", XFED_STANZA_IMPROPER, 0, 0 },
		{ "<message from='a b@b.example'/>", XFED_STANZA_IMPROPER, 0, 0 },
		{ "<message from='a@b.example' to='@b.example'/>", XFED_STANZA_MALFORMED, 0, 0 },
		{ "<message from='a@b.example/' to='a@b.example'/>", XFED_STANZA_MALFORMED, 0, 0 },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_stanza s;
		enum xfed_stanza_result result = view(rows[i].xml, &s);
		if (result != rows[i].result || (result == XFED_STANZA_OK && (s.kind != rows[i].kind || s.type != rows[i].type))) {
			fail_msg("%s: result %d kind %d type %d", rows[i].xml, result, s.kind, s.type);
		}
	}
}

/* Of an address that is none the domain is known, by which it was routed; what is answered names it as it came. */
static void malformed_addresses_have_a_domain(void **state)
{
	(void)state;
	static const struct {
		const char *from, *to, *from_domain, *to_domain, *error_from;
	} rows[] = {
		{ "a b@B.Example/r", "dave@Corp.Example/x", "b.example", "corp.example", "dave@Corp.Example/x" },
		{ "alice@b.example", "da ve@Corp.Example", "b.example", "corp.example", "corp.example" },
		{ "a@b@b.example/c@d", "@corp.example/y@z/@", "b.example", "corp.example", "corp.example" },
		{ "alice@b.example/\u0378", "dave@@corp.example", "b.example", "corp.example", "corp.example" },
		{ "&quot;a&apos;&lt;@b.example", "dave@corp.example", "b.example", "corp.example", "dave@corp.example" },
		{ "a@b.example", "d@xn--bcher-kva.example/", "b.example", "b\u00fccher.example", "b\u00fccher.example" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_stanza s;
		char xml[512];
		bool nomem;
		static const struct xfed_stanza_error err = { .condition = "jid-malformed" };
		snprintf(xml, sizeof(xml), "<message from='%s' to='%s' id='i' type='chat'/>", rows[i].from, rows[i].to);
		assert_int_equal(view(xml, &s), XFED_STANZA_MALFORMED);
		assert_true(xfed_span_is(s.from.domain, rows[i].from_domain) && xfed_span_is(s.to.domain, rows[i].to_domain));
		assert_true(s.is_from_malformed ? !s.from.local.data && !s.from.resource.data : s.from.local.data != NULL);
		assert_true(s.is_to_malformed ? !s.to.local.data && !s.to.resource.data : s.to.local.data != NULL);
		assert_true(xfed_span_is(s.id, "i") && s.type == XFED_TYPE_CHAT);
		const struct xfed_xml_elem *e = xfed_stanza_error_new(xfed_xml_reader_arena(reader), &s, &err, &nomem);
		assert_non_null(e);
		assert_true(xfed_span_is(xfed_xml_attr_get(e, "from"), rows[i].error_from));
		assert_true(xfed_span_eq(xfed_xml_attr_get(e, "to"), xfed_xml_attr_get(s.elem, "from")));
	}
}

static void views_read_attributes(void **state)
{
	(void)state;
	struct xfed_stanza s;
	assert_int_equal(view("<message id='x1' xml:lang='de'" ADDRESSES "/>", &s), XFED_STANZA_OK);
	assert_true(xfed_span_is(s.from.local, "juliet"));
	assert_true(xfed_span_is(s.from.domain, "example.com"));
	assert_true(xfed_span_is(s.from.resource, "Balcony"));
	assert_null(s.to.resource.data);
	assert_true(xfed_span_is(s.id, "x1"));
	assert_true(xfed_span_is(s.lang, "de"));
	/* The element keeps what came. */
	assert_true(xfed_span_is(xfed_xml_attr_get(s.elem, "from"), "Juliet@Example.COM/Balcony"));
	assert_int_equal(view("<message lang='de'" ADDRESSES "/>", &s), XFED_STANZA_OK);
	assert_null(s.id.data);
	assert_null(s.lang.data);
}

static void iqs_are_sound(void **state)
{
	(void)state;
	static const struct {
		const char *xml;
		bool is_sound;
	} rows[] = {
		{ "<iq type='get' id='1'" ADDRESSES "><q xmlns='x'/></iq>", true },
		{ "<iq type='set' id='1'" ADDRESSES "> <q xmlns='x'/> </iq>", true },
		{ "<iq type='get' id='1'" ADDRESSES "/>", false },
		{ "<iq type='get' id='1'" ADDRESSES "><q xmlns='x'/><q xmlns='x'/></iq>", false },
		{ "<iq type='get'" ADDRESSES "><q xmlns='x'/></iq>", false },
		{ "<iq type='get' id=''" ADDRESSES "><q xmlns='x'/></iq>", false },
		{ "<iq type='result' id='1'" ADDRESSES "/>", true },
		{ "<iq type='result' id='1'" ADDRESSES "><q xmlns='x'/></iq>", true },
		{ "<iq type='result' id='1'" ADDRESSES "><q/><q/></iq>", false },
		{ "<iq type='error' id='1'" ADDRESSES "><q xmlns='x'/><error type='cancel'/></iq>", true },
		{ "<iq type='error' id='1'" ADDRESSES "/>", false },
		{ "<iq type='odd' id='1'" ADDRESSES "><q xmlns='x'/></iq>", false },
		{ "<iq id='1'" ADDRESSES "><q xmlns='x'/></iq>", false },
		{ "<message type='get' id='1'" ADDRESSES "><q xmlns='x'/></message>", false },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_stanza s;
		assert_int_equal(view(rows[i].xml, &s), XFED_STANZA_OK);
		if (xfed_stanza_iq_is_sound(&s) != rows[i].is_sound) {
			fail_msg("%s", rows[i].xml);
		}
	}
}

static char written[4096];

static const char *write_elem(const struct xfed_xml_elem *e)
{
	struct xfed_buf out;
	xfed_buf_init(&out, sizeof(written) - 1);
	assert_int_equal(xfed_xml_write(&out, e, XFED_SPAN(XFED_NS_SERVER)), XFED_OK);
	struct xfed_span s = xfed_buf_span(&out);
	memcpy(written, s.data, s.len);
	written[s.len] = '\0';
	xfed_buf_deinit(&out);
	return written;
}

#define STANZAS "xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\""
#define SWAPPED " from=\"romeo@ours.example\" to=\"Juliet@Example.COM/Balcony\""

static void errors_are_built(void **state)
{
	(void)state;
	static const struct {
		const char *xml;
		struct xfed_stanza_error err;
		const char *expected; /* NULL: none may be sent */
	} rows[] = {
		{ "<message id='7' type='chat'" ADDRESSES "><body>secret</body></message>", { .condition = "service-unavailable" },
			"<message" SWAPPED " id=\"7\" type=\"error\"><error type=\"cancel\"><service-unavailable " STANZAS "/></error></message>" },
		{ "<message" ADDRESSES "/>", { .condition = "remote-server-timeout", .text = { "a < b", 5 } },
			"<message" SWAPPED " type=\"error\"><error type=\"wait\"><remote-server-timeout " STANZAS "/><text " STANZAS
			" xml:lang=\"en\">a &lt; b</text></error></message>" },
		{ "<message" ADDRESSES "/>", { .condition = "policy-violation", .type = "wait", .is_too_big = true },
			"<message" SWAPPED " type=\"error\"><error type=\"wait\"><policy-violation " STANZAS
			"/><stanza-too-big xmlns=\"urn:xmpp:errors\"/></error></message>" },
		{ "<message" ADDRESSES "/>", { .condition = "gone", .content = { "xmpp:new@x.example", 18 } },
			"<message" SWAPPED " type=\"error\"><error type=\"cancel\"><gone " STANZAS ">xmpp:new@x.example</gone></error></message>" },
		{ "<iq type='get' id='9'" ADDRESSES "><q xmlns='x'/></iq>", { .condition = "bad-request" },
			"<iq" SWAPPED " id=\"9\" type=\"error\"><error type=\"modify\"><bad-request " STANZAS "/></error></iq>" },
		{ "<presence type='subscribe'" ADDRESSES "/>", { .condition = "forbidden" },
			"<presence" SWAPPED " type=\"error\"><error type=\"auth\"><forbidden " STANZAS "/></error></presence>" },
		{ "<message type='error'" ADDRESSES "/>", { .condition = "gone" }, NULL },
		{ "<iq type='error' id='1'" ADDRESSES "/>", { .condition = "gone" }, NULL },
		{ "<iq type='result' id='1'" ADDRESSES "/>", { .condition = "gone" }, NULL },
		{ "<presence type='error'" ADDRESSES "/>", { .condition = "gone" }, NULL },
		{ "<presence type='unavailable'" ADDRESSES "/>", { .condition = "gone" }, NULL },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_stanza s;
		bool nomem = true;
		assert_int_equal(view(rows[i].xml, &s), XFED_STANZA_OK);
		struct xfed_xml_elem *e = xfed_stanza_error_new(xfed_xml_reader_arena(reader), &s, &rows[i].err, &nomem);
		assert_false(nomem);
		assert_int_equal(xfed_stanza_may_error(&s), rows[i].expected != NULL);
		if (!e || !rows[i].expected) {
			assert_true(!e && !rows[i].expected);
		} else {
			assert_string_equal(write_elem(e), rows[i].expected);
		}
	}
}

/* RFC 6120 8.3.3 */
static void each_condition_has_its_type(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{ "bad-request", "modify" },
		{ "conflict", "cancel" },
		{ "feature-not-implemented", "cancel" },
		{ "forbidden", "auth" },
		{ "gone", "cancel" },
		{ "internal-server-error", "cancel" },
		{ "item-not-found", "cancel" },
		{ "jid-malformed", "modify" },
		{ "not-acceptable", "modify" },
		{ "not-allowed", "cancel" },
		{ "not-authorized", "auth" },
		{ "policy-violation", "modify" },
		{ "recipient-unavailable", "wait" },
		{ "redirect", "modify" },
		{ "registration-required", "auth" },
		{ "remote-server-not-found", "cancel" },
		{ "remote-server-timeout", "wait" },
		{ "resource-constraint", "wait" },
		{ "service-unavailable", "cancel" },
		{ "subscription-required", "auth" },
		{ "undefined-condition", "cancel" },
		{ "unexpected-request", "wait" },
		{ "never-heard-of", "cancel" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		assert_string_equal(xfed_stanza_error_type(rows[i][0]), rows[i][1]);
	}
	/* Every stanza condition of the reason table is one of RFC 6120. */
	for (int r = 0; r < XFED_REASON_COUNT; r++) {
		const char *condition = xfed_reason_info((enum xfed_reason)r)->condition;
		bool is_known = !condition;
		for (size_t i = 0; i + 1 < XFED_ARRAY_LEN(rows) && !is_known; i++) {
			is_known = strcmp(rows[i][0], condition) == 0;
		}
		if (!is_known) {
			fail_msg("%s: %s", xfed_reason_code((enum xfed_reason)r), condition);
		}
	}
}

static void received_errors_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *xml, *condition, *text;
	} rows[] = {
		{ "<message type='error'><error type='cancel'><item-not-found xmlns='" XFED_NS_STANZA_ERR "'/></error></message>", "item-not-found",
			NULL },
		{ "<message type='error'><body>x</body><error><text xmlns='" XFED_NS_STANZA_ERR
		  "'>no<x xmlns=''/>pe</text><gone xmlns='" XFED_NS_STANZA_ERR "'>xmpp:x</gone></error></message>",
			"gone", "nope" },
		{ "<message type='error'><error><brand-new xmlns='" XFED_NS_STANZA_ERR "'/></error></message>", "undefined-condition", NULL },
		{ "<message type='error'><error><item-not-found xmlns='other'/></error></message>", "undefined-condition", NULL },
		{ "<message type='error'><error/></message>", "undefined-condition", NULL },
		{ "<message type='error'/>", "undefined-condition", NULL },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_span text, condition;
		const struct xfed_xml_elem *e = parse(rows[i].xml);
		condition = xfed_stanza_error_condition(e, xfed_xml_reader_arena(reader), &text);
		if (!xfed_span_is(condition, rows[i].condition) || !xfed_span_is(text, rows[i].text ? rows[i].text : "") ||
			(text.data != NULL) != (rows[i].text != NULL)) {
			fail_msg("%s: %.*s", rows[i].xml, (int)condition.len, condition.data);
		}
	}
}

/* A delivery's words, when the tree is long gone, give the same error as the stanza itself. */
static void errors_of_words(void **state)
{
	(void)state;
	static const struct {
		const char *xml;
		struct xfed_stanza_words words;
	} rows[] = {
		{ "<message type='chat' id='7'" ADDRESSES "/>",
			{ true, { "chat", 4 }, { "7", 1 }, { "Juliet@Example.COM/Balcony", 26 }, { "romeo@ours.example", 18 } } },
		{ "<message" ADDRESSES "/>", { true, { "", 0 }, { NULL, 0 }, { "Juliet@Example.COM/Balcony", 26 }, { "romeo@ours.example", 18 } } },
		{ "<presence type='subscribe'" ADDRESSES "/>",
			{ false, { "subscribe", 9 }, { "", 0 }, { "Juliet@Example.COM/Balcony", 26 }, { "romeo@ours.example", 18 } } },
		{ "<message type='error'" ADDRESSES "/>", /* none may be sent */
			{ true, { "error", 5 }, { "", 0 }, { "Juliet@Example.COM/Balcony", 26 }, { "romeo@ours.example", 18 } } },
	};
	const struct xfed_stanza_error err = { .condition = "gone", .text = { "t", 1 }, .content = { "xmpp:x", 6 } };
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_arena a;
		struct xfed_stanza s;
		struct xfed_buf want, got;
		bool nomem;
		xfed_arena_init(&a, 65536);
		xfed_buf_init(&want, 65536);
		xfed_buf_init(&got, 65536);
		assert_int_equal(view(rows[i].xml, &s), XFED_STANZA_OK);
		const struct xfed_xml_elem *one = xfed_stanza_error_new(&a, &s, &err, &nomem);
		const struct xfed_xml_elem *two = xfed_stanza_error_of_words(&a, &rows[i].words, &err, &nomem);
		assert_int_equal(one == NULL, two == NULL);
		assert_false(nomem);
		if (one) {
			assert_int_equal(xfed_xml_write(&want, one, XFED_SPAN("")), XFED_OK);
			assert_int_equal(xfed_xml_write(&got, two, XFED_SPAN("")), XFED_OK);
			assert_true(xfed_span_eq(xfed_buf_span(&want), xfed_buf_span(&got)));
		}
		xfed_buf_deinit(&want);
		xfed_buf_deinit(&got);
		xfed_arena_deinit(&a);
	}
	struct xfed_stanza_words nobody = { .is_message = true, .to = XFED_SPAN("romeo@ours.example") };
	struct xfed_arena none;
	bool nomem;
	xfed_arena_init(&none, 65536);
	assert_null(xfed_stanza_error_of_words(&none, &nobody, &err, &nomem));
	assert_false(nomem);
	xfed_arena_deinit(&none);
	xfed_arena_init(&none, 16);
	assert_null(xfed_stanza_error_of_words(&none, &rows[0].words, &err, &nomem));
	assert_true(nomem);
	xfed_arena_deinit(&none);
}

static size_t allocations_left;

static void *failing_malloc(size_t size)
{
	return allocations_left-- > 0 ? malloc(size) : NULL;
}
static void *failing_realloc(void *p, size_t size)
{
	return allocations_left-- > 0 ? realloc(p, size) : NULL;
}

/* An arena that fails at its n-th allocation: an answer, or "no memory", never half of one. */
static void memory_runs_out(void **state)
{
	(void)state;
	static const struct xfed_mem_hooks hooks = { failing_malloc, failing_realloc, free };
	struct xfed_stanza s;
	assert_int_equal(view("<message id='7'" ADDRESSES "/>", &s), XFED_STANZA_OK);
	const struct xfed_stanza_error err = { .condition = "gone", .text = { "t", 1 }, .content = { "c", 1 }, .is_too_big = true };
	size_t failures = 0;
	/* Caps in small steps cut off the building at every allocation. */
	for (size_t cap = 0; cap < 4096; cap += 16) {
		struct xfed_arena a;
		xfed_arena_init(&a, cap);
		bool nomem = false;
		struct xfed_xml_elem *e = xfed_stanza_error_new(&a, &s, &err, &nomem);
		assert_int_equal(e == NULL, nomem);
		failures += nomem;
		xfed_arena_deinit(&a);
	}
	assert_true(failures > 10 && failures < 256);
	xfed_mem_set_hooks(&hooks);
	allocations_left = 0;
	struct xfed_arena a;
	xfed_arena_init(&a, 4096);
	struct xfed_stanza again;
	enum xfed_stanza_result result = xfed_stanza_view(&a, s.elem, &again);
	xfed_arena_deinit(&a);
	xfed_mem_set_hooks(NULL);
	assert_int_equal(result, XFED_STANZA_NO_MEMORY);
}

static int init(void **state)
{
	(void)state;
	static const struct xfed_xml_limits limits = { XFED_STANZA_BYTES_MAX, XFED_XML_DEPTH_MAX, XFED_XML_NODES_MAX };
	return xfed_xml_global_init() != XFED_OK || xfed_xml_reader_new_fragment(&limits, &reader) != XFED_OK;
}

static int deinit(void **state)
{
	(void)state;
	xfed_xml_reader_free(reader);
	xfed_xml_global_deinit();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(views_read_kind_and_type),
		cmocka_unit_test(views_read_attributes),
		cmocka_unit_test(malformed_addresses_have_a_domain),
		cmocka_unit_test(iqs_are_sound),
		cmocka_unit_test(errors_are_built),
		cmocka_unit_test(each_condition_has_its_type),
		cmocka_unit_test(received_errors_are_read),
		cmocka_unit_test(errors_of_words),
		cmocka_unit_test(memory_runs_out),
	};
	return cmocka_run_group_tests(tests, init, deinit);
}
