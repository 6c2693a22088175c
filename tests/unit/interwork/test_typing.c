/* That somebody is typing: KeyboardActivity as clients were seen to send it, isComposing (RFC 3994), chat states (XEP-0085). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "interwork/typing.h"
#include "xfed/limits.h"
#include "xfed/mem.h"

static const struct xfed_xml_limits limits = { XFED_STANZA_BYTES_MAX, XFED_XML_DEPTH_MAX, XFED_XML_NODES_MAX };

static struct xfed_arena arena;
static struct xfed_xml_reader *reader;

static int setup(void **state)
{
	(void)state;
	xfed_arena_init(&arena, 1024 * 1024);
	return xfed_xml_reader_new_fragment(&limits, &reader);
}

static int teardown(void **state)
{
	(void)state;
	xfed_xml_reader_free(reader);
	xfed_arena_deinit(&arena);
	return 0;
}

#define DECL	      "<?xml version=\"1.0\"?>"
#define COMPOSING(in) DECL "<isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\">" in "</isComposing>"

/* "keyboard composing 6", or the error. */
static const char *model(int rc, const struct iw_typing *t)
{
	static char out[64];
	switch (rc) {
	case XFED_OK:
		snprintf(out, sizeof(out), "%s %s %u", t->form == IW_TYPING_KEYBOARD ? "keyboard" : "composing", iw_chat_state_word(t->state),
			t->lapse_s);
		return out;
	case XFED_ERR_LIMIT:
		return "limit";
	case XFED_ERR_INVALID:
		return "invalid";
	case XFED_ERR_NOT_FOUND:
		return "foreign";
	default:
		return "?";
	}
}

static const struct row {
	const char *name, *in, *model;
} rows[] = {
	/* as seen on the wire */
	{ "a client types", "<?xml version=\"1.0\"?><KeyboardActivity> <status status=\"type\" /></KeyboardActivity>", "keyboard composing 6" },
	{ "a client pauses", "<?xml version=\"1.0\"?><KeyboardActivity> <status status=\"idle\" /></KeyboardActivity>", "keyboard paused 6" },
	{ "without a declaration", "<KeyboardActivity><status status=\"type\"/></KeyboardActivity>", "keyboard composing 6" },
	{ "with a namespace", "<KeyboardActivity xmlns=\"http://schemas.microsoft.com/sip/x\"><status status=\"type\"></status></KeyboardActivity>",
		"keyboard composing 6" },
	{ "with a prefix", "<k:KeyboardActivity xmlns:k='k'><k:status status='idle'/></k:KeyboardActivity>", "keyboard paused 6" },
	{ "isComposing, active", COMPOSING("<state>active</state><refresh>90</refresh>"), "composing composing 90" },
	{ "isComposing, idle", COMPOSING("<state>idle</state>"), "composing paused 120" },
	/* RFC 3994 */
	{ "its example",
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"\n"
		"  xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"\n  xsi:schemaLocation=\"urn:ietf:params:xml:ns:im-composing "
		"iscomposing.xsd\">\n"
		"  <state>active</state>\n  <contenttype>text/plain</contenttype>\n  <refresh>90</refresh>\n</isComposing>",
		"composing composing 90" },
	{ "how long, in front of the state", COMPOSING("<refresh> 60 </refresh><state>active</state>"), "composing composing 60" },
	{ "how long: longer than is good", COMPOSING("<state>active</state><refresh>4294967295</refresh>"), "composing composing 300" },
	{ "how long: no number", COMPOSING("<state>active</state><refresh>soon</refresh>"), "composing composing 120" },
	{ "how long: none", COMPOSING("<state>active</state><refresh>0</refresh>"), "composing composing 120" },
	{ "blanks around the state", COMPOSING("<state>\n active\t</state>"), "composing composing 120" },
	{ "a byte order mark", "\xef\xbb\xbf<KeyboardActivity><status status='type'/></KeyboardActivity>", "keyboard composing 6" },
	{ "of two states the first", "<KeyboardActivity><status status='type'/><status status='idle'/></KeyboardActivity>", "keyboard composing 6" },
	{ "other elements", "<KeyboardActivity><x/><status status='type'/><y>z</y></KeyboardActivity>", "keyboard composing 6" },
	/* what is none */
	{ "the actions of a conference", DECL "<action xmlns='http://schemas.microsoft.com/sip/multiparty'><RequestRM/></action>", "foreign" },
	{ "presence", DECL "<presence xmlns='urn:ietf:params:xml:ns:pidf'/>", "foreign" },
	{ "an unknown state", "<KeyboardActivity><status status='ink'/></KeyboardActivity>", "invalid" },
	{ "the state of the other form", COMPOSING("<state>type</state>"), "invalid" },
	{ "a state in capitals", "<KeyboardActivity><status status='TYPE'/></KeyboardActivity>", "invalid" },
	{ "no state", "<KeyboardActivity/>", "invalid" },
	{ "no state in it", "<KeyboardActivity><status/></KeyboardActivity>", "invalid" },
	{ "isComposing without a state", COMPOSING(""), "invalid" },
	{ "nothing", "", "invalid" },
	{ "a text", "type", "invalid" },
	{ "half of it", "<KeyboardActivity><status status='type'/>", "invalid" },
	{ "more behind it", "<KeyboardActivity><status status='type'/></KeyboardActivity><a/>", "invalid" },
	{ "a DTD", "<!DOCTYPE a [<!ENTITY b 'type'>]><KeyboardActivity><status status='&b;'/></KeyboardActivity>", "invalid" },
	{ "UTF-16", "\xff\xfe<\0a\0/\0>\0", "invalid" },
	{ "too deep", "<KeyboardActivity><a><a><a><a><a><a/></a></a></a></a></a></KeyboardActivity>", "limit" },
};

static void documents(void **state)
{
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct iw_typing t;
		const char *got = model(iw_typing_read(xfed_span_str(rows[i].in), &t), &t);
		if (strcmp(got, rows[i].model) != 0) {
			fail_msg("%s: \"%s\", expected \"%s\"", rows[i].name, got, rows[i].model);
		}
	}
	static char big[IW_TYPING_BYTES + 1];
	struct iw_typing t;
	memset(big, ' ', sizeof(big));
	assert_int_equal(iw_typing_read(xfed_span_make(big, sizeof(big)), &t), XFED_ERR_LIMIT);
}

static void types(void **state)
{
	(void)state;
	assert_true(iw_typing_is_type(XFED_SPAN("application/xml")));
	assert_true(iw_typing_is_type(XFED_SPAN("Application/XML; charset=utf-8")));
	assert_true(iw_typing_is_type(XFED_SPAN("text/xml")));
	assert_true(iw_typing_is_type(XFED_SPAN("application/im-iscomposing+xml")));
	assert_false(iw_typing_is_type(XFED_SPAN("application/xml-dtd")));
	assert_false(iw_typing_is_type(XFED_SPAN("text/plain")));
	assert_false(iw_typing_is_type(XFED_SPAN("application")));
	assert_false(iw_typing_is_type(xfed_span_make(NULL, 0)));
	assert_true(iw_typing_is_type(xfed_span_str(iw_typing_type(IW_TYPING_KEYBOARD))));
	assert_true(iw_typing_is_type(xfed_span_str(iw_typing_type(IW_TYPING_COMPOSING))));
}

/* What is written is read as the same; with any smaller buffer nothing is written. */
static void written(void **state)
{
	(void)state;
	static const struct {
		enum iw_typing_form form;
		enum iw_chat_state state;
		const char *out;
	} cases[] = {
		{ IW_TYPING_KEYBOARD, IW_CHAT_COMPOSING, DECL "<KeyboardActivity><status status=\"type\"/></KeyboardActivity>" },
		{ IW_TYPING_KEYBOARD, IW_CHAT_PAUSED, DECL "<KeyboardActivity><status status=\"idle\"/></KeyboardActivity>" },
		{ IW_TYPING_KEYBOARD, IW_CHAT_ACTIVE, DECL "<KeyboardActivity><status status=\"idle\"/></KeyboardActivity>" },
		{ IW_TYPING_KEYBOARD, IW_CHAT_INACTIVE, DECL "<KeyboardActivity><status status=\"idle\"/></KeyboardActivity>" },
		{ IW_TYPING_KEYBOARD, IW_CHAT_GONE, DECL "<KeyboardActivity><status status=\"idle\"/></KeyboardActivity>" },
		{ IW_TYPING_COMPOSING, IW_CHAT_COMPOSING,
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?><isComposing "
			"xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"><state>active</state></isComposing>" },
		{ IW_TYPING_COMPOSING, IW_CHAT_GONE,
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?><isComposing "
			"xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"><state>idle</state></isComposing>" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(cases); i++) {
		for (size_t cap = 0; cap <= strlen(cases[i].out); cap++) {
			struct xfed_buf out;
			struct iw_typing t;
			xfed_buf_init(&out, cap);
			int rc = iw_typing_write(&out, cases[i].form, cases[i].state);
			assert_int_equal(rc, cap < strlen(cases[i].out) ? XFED_ERR_LIMIT : XFED_OK);
			assert_true(xfed_span_is(xfed_buf_span(&out), rc == XFED_OK ? cases[i].out : ""));
			if (rc == XFED_OK) {
				assert_int_equal(iw_typing_read(xfed_buf_span(&out), &t), XFED_OK);
				assert_int_equal(t.form, cases[i].form);
				assert_int_equal(t.state == IW_CHAT_COMPOSING, cases[i].state == IW_CHAT_COMPOSING);
			}
			xfed_buf_deinit(&out);
		}
	}
}

/* ---- chat states ---- */

static bool state_of(const char *xml, enum iw_chat_state *out)
{
	struct xfed_stanza s;
	assert_int_equal(xfed_xml_reader_fragment(reader, xfed_span_str(xml)), XFED_XML_ELEMENT);
	assert_int_equal(xfed_stanza_view(&arena, xfed_xml_reader_elem(reader), &s), XFED_STANZA_OK);
	return iw_chat_state_of(&s, out);
}

#define MESSAGE(attrs, in) "<message from='a@x/r' to='b@y' " attrs ">" in "</message>"
#define STATE(word)	   "<" word " xmlns='http://jabber.org/protocol/chatstates'/>"

static void states_in_messages(void **state)
{
	(void)state;
	static const struct {
		const char *xml, *word; /* NULL: none */
	} cases[] = {
		{ MESSAGE("type='chat'", STATE("composing")), "composing" },
		{ MESSAGE("type='chat'", STATE("paused")), "paused" },
		{ MESSAGE("type='chat'", STATE("active") "<body>x</body>"), "active" },
		{ MESSAGE("", "<body>x</body>" STATE("inactive")), "inactive" },
		{ MESSAGE("type='normal'", "<thread>t</thread>" STATE("gone")), "gone" },
		{ MESSAGE("type='chat'", STATE("waiting") STATE("composing") STATE("paused")), "composing" },
		{ MESSAGE("type='chat'", "<composing xmlns='x'/>"), NULL },
		{ MESSAGE("type='chat'", "<composing/>"), NULL },
		{ MESSAGE("type='chat'", "<body>x</body>"), NULL },
		{ MESSAGE("type='error'", STATE("composing")), NULL },
		{ MESSAGE("type='groupchat'", STATE("composing")), NULL },
		{ MESSAGE("type='headline'", STATE("composing")), NULL },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(cases); i++) {
		enum iw_chat_state got = IW_CHAT_STATES_COUNT;
		if (state_of(cases[i].xml, &got) != (cases[i].word != NULL)) {
			fail_msg("%s", cases[i].xml);
		}
		if (cases[i].word) {
			assert_string_equal(iw_chat_state_word(got), cases[i].word);
		}
	}
}

static struct iw_xmpp_envelope envelope(void)
{
	static const struct xfed_jid from = { { "a", 1 }, { "x", 1 }, { "r", 1 } }, to = { { "b", 1 }, { "y", 1 }, { NULL, 0 } };
	return (struct iw_xmpp_envelope){ .from = &from, .to = &to, .id = XFED_SPAN("i1"), .type = XFED_SPAN("normal"), .sent_s = 5 };
}

static void written_as_messages(void **state)
{
	(void)state;
	for (unsigned i = 0; i < IW_CHAT_STATES_COUNT; i++) {
		struct iw_xmpp_envelope env = envelope();
		struct xfed_xml_elem *e;
		struct xfed_buf out;
		char want[512];
		const char *word = iw_chat_state_word((enum iw_chat_state)i);
		xfed_buf_init(&out, sizeof(want));
		env.thread = i % 2 ? XFED_SPAN("t") : env.thread;
		assert_int_equal(iw_chat_state_write(&arena, (enum iw_chat_state)i, &env, &e), XFED_OK);
		assert_int_equal(xfed_xml_write(&out, e, XFED_SPAN(XFED_NS_SERVER)), XFED_OK);
		snprintf(want, sizeof(want),
			"<message from=\"a@x/r\" to=\"b@y\" id=\"i1\" type=\"chat\"><%s "
			"xmlns=\"http://jabber.org/protocol/chatstates\"/>%s</message>",
			word, i % 2 ? "<thread>t</thread>" : "");
		assert_true(xfed_span_is(xfed_buf_span(&out), want));
		enum iw_chat_state back;
		assert_true(state_of(want, &back));
		assert_int_equal(back, i);
		xfed_buf_deinit(&out);
	}
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
	struct iw_xmpp_envelope env = envelope();
	struct xfed_xml_elem *e;
	int rc = XFED_ERR_NOMEM, read = XFED_ERR_NOMEM;
	for (size_t n = 0; rc == XFED_ERR_NOMEM || read == XFED_ERR_NOMEM; n++) {
		struct xfed_arena a;
		struct iw_typing t;
		xfed_arena_init(&a, 1024 * 1024);
		xfed_mem_set_hooks(&hooks);
		left = n;
		rc = iw_chat_state_write(&a, IW_CHAT_COMPOSING, &env, &e);
		left = n;
		read = iw_typing_read(XFED_SPAN(COMPOSING("<state>active</state>")), &t);
		xfed_arena_deinit(&a);
		xfed_mem_set_hooks(NULL);
		assert_true(n < 1000);
	}
	assert_int_equal(rc, XFED_OK);
	assert_int_equal(read, XFED_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents),
		cmocka_unit_test(types),
		cmocka_unit_test(written),
		cmocka_unit_test_setup_teardown(states_in_messages, setup, teardown),
		cmocka_unit_test_setup_teardown(written_as_messages, setup, teardown),
		cmocka_unit_test(allocations_fail),
	};
	if (xfed_xml_global_init() != XFED_OK) {
		return 1;
	}
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	xfed_xml_global_deinit();
	return rc;
}
