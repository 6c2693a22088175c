/* Presence stanzas to devices and back: RFC 6121 section 4.7, RFC 8048, XEP-0319, XEP-0256; [A11-10], [B5-12], [B5-18]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model.h"
#include "xfed/limits.h"
#include "xfed/mem.h"

#define NOW_S 1000000000 /* 2001-09-09T01:46:40Z */

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

static void read_stanza(struct xfed_span xml, struct xfed_stanza *out)
{
	assert_int_equal(xfed_xml_reader_fragment(reader, xml), XFED_XML_ELEMENT);
	assert_int_equal(xfed_stanza_view(&arena, xfed_xml_reader_elem(reader), out), XFED_STANZA_OK);
}

#define LONG10	"0123456789"
#define LONG100 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10

static const struct row {
	const char *name, *attrs, *children;
	const char *device;  /* NULL: no such stanza */
	const char *written; /* children; NULL: as they came */
} rows[] = {
	{ "available", "", "", "[r] open at=1000000000", NULL },
	{ "from a bare JID", "from='a@x'", "", "[] open at=1000000000", NULL },
	{ "unavailable", "type='unavailable'", "", "[r] closed at=1000000000", NULL },
	{ "away", "", "<show>away</show>", "[r] open show=away at=1000000000", NULL },
	{ "chat", "", "<show>chat</show>", "[r] open show=chat at=1000000000", NULL },
	{ "dnd", "", "<show>\n dnd </show>", "[r] open show=dnd at=1000000000", "<show>dnd</show>" },
	{ "xa", "", "<show>xa</show>", "[r] open show=xa at=1000000000", NULL },
	{ "a show of its own", "", "<show>busy</show>", "[r] open at=1000000000", "" },
	{ "the word for no show", "", "<show>available</show>", "[r] open at=1000000000", "" },
	{ "a show with letters", "", "<show>Away</show>", "[r] open at=1000000000", "" },
	{ "show of another namespace", "", "<show xmlns='n'>away</show>", "[r] open at=1000000000", "" },
	{ "priority", "", "<priority>5</priority>", "[r] open prio=5 at=1000000000", NULL },
	{ "priority 0", "", "<priority>0</priority>", "[r] open prio=0 at=1000000000", NULL },
	{ "priority +7", "", "<priority> +7</priority>", "[r] open prio=7 at=1000000000", "<priority>7</priority>" },
	{ "priority 127", "", "<priority>127</priority>", "[r] open prio=127 at=1000000000", NULL },
	{ "priority -128", "", "<priority>-128</priority>", "[r] open prio=-128 at=1000000000", NULL },
	{ "priority 128", "", "<priority>128</priority>", "[r] open at=1000000000", "" },
	{ "priority -129", "", "<priority>-129</priority>", "[r] open at=1000000000", "" },
	{ "priority that overflows", "", "<priority>99999999999999999999</priority>", "[r] open at=1000000000", "" },
	{ "priority that is none", "", "<priority>high</priority>", "[r] open at=1000000000", "" },
	{ "priority without digits", "", "<priority>-</priority>", "[r] open at=1000000000", "" },
	{ "no priority", "", "<priority/>", "[r] open at=1000000000", "" },
	{ "status", "", "<status>out  to\nlunch</status>", "[r] open at=1000000000 'out  to\nlunch'", NULL },
	{ "several", "", "<status>a</status><status xml:lang='de'>b</status><status xml:lang='fr-CA'>c</status>",
		"[r] open at=1000000000 'a' 'b'@de 'c'@fr-CA", NULL },
	{ "languages from the stanza", "xml:lang='en'", "<status>a</status><status xml:lang='de'>b</status>", "[r] open at=1000000000 'a'@en 'b'@de",
		"<status xml:lang=\"en\">a</status><status xml:lang=\"de\">b</status>" },
	{ "one language twice", "", "<status xml:lang='en'>a</status><status xml:lang='EN'>b</status><status>c</status><status>d</status>",
		"[r] open at=1000000000 'a'@en 'c'", "<status xml:lang=\"en\">a</status><status>c</status>" },
	{ "a language that is no tag", "", "<status xml:lang='e n'>a</status>", "[r] open at=1000000000 'a'", "<status>a</status>" },
	{ "empty status", "", "<status/><status> \n</status><status>\t a\r\n</status>", "[r] open at=1000000000 'a'", "<status>a</status>" },
	{ "more languages than are kept", "",
		"<status xml:lang='a'>1</status><status xml:lang='b'>2</status><status xml:lang='c'>3</status><status xml:lang='d'>4</status>"
		"<status xml:lang='e'>5</status><status xml:lang='f'>6</status><status xml:lang='g'>7</status><status xml:lang='h'>8</status>"
		"<status xml:lang='i'>9</status>",
		"[r] open at=1000000000 '1'@a '2'@b '3'@c '4'@d '5'@e '6'@f '7'@g '8'@h",
		"<status xml:lang=\"a\">1</status><status xml:lang=\"b\">2</status><status xml:lang=\"c\">3</status><status xml:lang=\"d\">4</status>"
		"<status xml:lang=\"e\">5</status><status xml:lang=\"f\">6</status><status xml:lang=\"g\">7</status><status "
		"xml:lang=\"h\">8</status>" },
	{ "a long status", "",
		"<status>" LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG10 LONG10 "012\xc3\xa4</status>",
		"[r] open at=1000000000 '" LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG10 LONG10 "012'",
		"<status>" LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG10 LONG10 "012</status>" },
	{ "unavailable says no more than why", "type='unavailable'",
		"<show>dnd</show><status>gone</status><priority>5</priority><idle xmlns='urn:xmpp:idle:1' since='2001-09-09T01:46:39Z'/>",
		"[r] closed at=1000000000 'gone'", "<status>gone</status>" },
	{ "idle", "", "<idle xmlns=\"urn:xmpp:idle:1\" since=\"2001-09-09T01:45:00Z\"/>", "[r] open idle=999999900 at=1000000000", NULL },
	{ "idle elsewhere", "", "<idle xmlns='urn:xmpp:idle:1' since='2001-09-09T03:45:00.5+02:00'/>", "[r] open idle=999999900 at=1000000000",
		"<idle xmlns=\"urn:xmpp:idle:1\" since=\"2001-09-09T01:45:00Z\"/>" },
	{ "idle since no time", "", "<idle xmlns='urn:xmpp:idle:1' since='yesterday'/>", "[r] open at=1000000000", "" },
	{ "idle since a time that cannot be written again", "", "<idle xmlns='urn:xmpp:idle:1' since='9999-12-31T23:59:59-01:00'/>",
		"[r] open at=1000000000", "" },
	{ "last activity", "", "<query xmlns='jabber:iq:last' seconds='100'/>", "[r] open idle=999999900 at=1000000000",
		"<idle xmlns=\"urn:xmpp:idle:1\" since=\"2001-09-09T01:45:00Z\"/>" },
	{ "last activity when it was sent", "",
		"<query xmlns='jabber:iq:last' seconds='100'/><delay xmlns='urn:xmpp:delay' stamp='2001-09-09T01:30:00Z'/>",
		"[r] open idle=999998900 at=999999000", "<idle xmlns=\"urn:xmpp:idle:1\" since=\"2001-09-09T01:28:20Z\"/>" },
	{ "both", "", "<query xmlns='jabber:iq:last' seconds='1'/><idle xmlns='urn:xmpp:idle:1' since='2001-09-09T01:45:00Z'/>",
		"[r] open idle=999999900 at=1000000000", "<idle xmlns=\"urn:xmpp:idle:1\" since=\"2001-09-09T01:45:00Z\"/>" },
	{ "no activity ever", "", "<query xmlns='jabber:iq:last' seconds='99999999999999999999999'/>", "[r] open at=1000000000", "" },
	{ "in use", "", "<query xmlns='jabber:iq:last' seconds='0'/>", "[r] open at=1000000000", "" },
	{ "everything", "",
		"<show>xa</show><status>a</status><priority>-1</priority><idle xmlns=\"urn:xmpp:idle:1\" since=\"2001-09-09T01:45:00Z\"/>",
		"[r] open show=xa prio=-1 idle=999999900 at=1000000000 'a'", NULL },
	{ "other elements", "", "<c xmlns='http://jabber.org/protocol/caps' ver='1'/><x xmlns='vcard-temp:x:update'/>", "[r] open at=1000000000",
		"" },
	{ "subscribe", "type='subscribe'", "", NULL, NULL },
	{ "subscribed", "type='subscribed'", "", NULL, NULL },
	{ "unsubscribe", "type='unsubscribe'", "", NULL, NULL },
	{ "unsubscribed", "type='unsubscribed'", "", NULL, NULL },
	{ "probe", "type='probe'", "", NULL, NULL },
	{ "error", "type='error'", "", NULL, NULL },
	{ "no type of presence", "type='away'", "", NULL, NULL },
};

static struct iw_xmpp_envelope envelope(void)
{
	static const struct xfed_jid from = { { "a", 1 }, { "x", 1 }, { "ignored", 7 } }, to = { { "b", 1 }, { "y", 1 }, { NULL, 0 } };
	return (struct iw_xmpp_envelope){ .from = &from, .to = &to, .id = XFED_SPAN("i1") };
}

static void write_device(struct xfed_buf *out, const struct iw_device *d)
{
	struct xfed_xml_elem *e;
	struct iw_xmpp_envelope env = envelope();
	assert_int_equal(iw_presence_write(&arena, d, &env, &e), XFED_OK);
	assert_int_equal(xfed_xml_write(out, e, XFED_SPAN(XFED_NS_SERVER)), XFED_OK);
}

static void one_row(const struct row *row)
{
	struct xfed_buf xml, got;
	struct xfed_stanza s;
	struct iw_device d;
	xfed_buf_init(&xml, 65536);
	xfed_buf_init(&got, 65536);
	const char *from = strstr(row->attrs, "from=") ? "" : "from='a@x/r'";
	assert_int_equal(xfed_buf_printf(&xml, "<presence to='b@y' %s %s>%s</presence>", from, row->attrs, row->children), XFED_OK);
	read_stanza(xfed_buf_span(&xml), &s);
	int rc = iw_presence_read(&arena, &s, NOW_S, &d);
	assert_int_equal(rc, row->device ? XFED_OK : XFED_ERR_INVALID);
	if (row->device) {
		model_device(&got, &d);
		if (!xfed_span_is(xfed_buf_span(&got), row->device)) {
			fail_msg("%s: %.*s", row->name, (int)xfed_buf_len(&got), xfed_buf_span(&got).data);
		}
		const char *children = row->written ? row->written : row->children;
		xfed_buf_clear(&xml);
		xfed_buf_clear(&got);
		int rc2 = xfed_buf_printf(
			&xml, "<presence from=\"a@x%s\" to=\"b@y\" id=\"i1\"%s", d.name.data ? "/r" : "", d.is_open ? "" : " type=\"unavailable\"");
		rc2 = rc2 == XFED_OK && *children ? xfed_buf_printf(&xml, ">%s</presence>", children) : xfed_buf_append_str(&xml, "/>");
		assert_int_equal(rc2, XFED_OK);
		struct xfed_span want = xfed_buf_span(&xml);
		for (char *p = (char *)want.data; p < want.data + want.len; p++) {
			*p = *p == '\'' ? '"' : *p;
		}
		write_device(&got, &d);
		if (!xfed_span_eq(xfed_buf_span(&got), want)) {
			fail_msg("%s: written %.*s", row->name, (int)xfed_buf_len(&got), xfed_buf_span(&got).data);
		}
	}
	xfed_buf_deinit(&xml);
	xfed_buf_deinit(&got);
}

static void stanzas(void **state)
{
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		one_row(&rows[i]);
		xfed_arena_reset(&arena);
	}
}

static void messages_are_no_presence(void **state)
{
	(void)state;
	struct xfed_stanza s;
	struct iw_device d;
	read_stanza(XFED_SPAN("<message from='a@x/r' to='b@y'/>"), &s);
	assert_int_equal(iw_presence_read(&arena, &s, NOW_S, &d), XFED_ERR_INVALID);
}

/* Whatever a device says that was filled by hand: [B5-18]. */
static void closed_is_closed(void **state)
{
	(void)state;
	struct iw_device d = { .name = XFED_SPAN("r"), .show = IW_SHOW_DND, .priority = 5, .idle_since_s = 1 };
	struct xfed_buf got;
	xfed_buf_init(&got, 4096);
	write_device(&got, &d);
	assert_true(xfed_span_is(xfed_buf_span(&got), "<presence from=\"a@x/r\" to=\"b@y\" id=\"i1\" type=\"unavailable\"/>"));
	xfed_buf_deinit(&got);
}

/* Tuple ids of others are names of devices, and need not be resources. */
static void names(void **state)
{
	(void)state;
	const struct {
		struct xfed_span name;
		const char *from;
	} cases[] = {
		{ XFED_SPAN("t4109"), "from=\"a@x/t4109\"" },
		{ XFED_SPAN("a/b c@d"), "from=\"a@x/a/b c@d\"" },
		{ XFED_SPAN("a\tb"), "from=\"a@x/ID-a_09b\"" },
		{ XFED_SPAN("\xe2\x80\xa8"), "from=\"a@x/ID-_e2_80_a8\"" },
		{ XFED_SPAN(""), "from=\"a@x/ID-\"" },
		{ { NULL, 0 }, "from=\"a@x\"" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(cases); i++) {
		struct iw_device d = { .name = cases[i].name, .is_open = true, .priority = IW_PRIORITY_NONE };
		struct xfed_buf got;
		xfed_buf_init(&got, 4096);
		write_device(&got, &d);
		if (!memmem(xfed_buf_span(&got).data, xfed_buf_len(&got), cases[i].from, strlen(cases[i].from))) {
			fail_msg("%zu: %.*s", i, (int)xfed_buf_len(&got), xfed_buf_span(&got).data);
		}
		xfed_buf_deinit(&got);
	}
}

static void a_delay_is_told(void **state)
{
	(void)state;
	struct iw_device d = { .is_open = false };
	struct iw_xmpp_envelope env = envelope();
	struct xfed_xml_elem *e;
	struct xfed_buf got;
	env.sent_s = NOW_S;
	xfed_buf_init(&got, 4096);
	assert_int_equal(iw_presence_write(&arena, &d, &env, &e), XFED_OK);
	assert_int_equal(xfed_xml_write(&got, e, XFED_SPAN(XFED_NS_SERVER)), XFED_OK);
	assert_true(xfed_span_is(xfed_buf_span(&got), "<presence from=\"a@x\" to=\"b@y\" id=\"i1\" type=\"unavailable\">"
						      "<delay xmlns=\"urn:xmpp:delay\" from=\"x\" stamp=\"2001-09-09T01:46:40Z\"/></presence>"));
	xfed_buf_deinit(&got);
}

/* ---- the model ---- */

static void equal_and_copied(void **state)
{
	(void)state;
	struct iw_device d = {
		.name = XFED_SPAN("r"), .is_open = true, .show = IW_SHOW_AWAY, .priority = 1, .activities = 2, .idle_since_s = 3, .changed_s = 4
	};
	iw_notes_add(&d.notes, XFED_SPAN("a"), XFED_SPAN("en"));
	iw_notes_add(&d.notes, XFED_SPAN("b"), xfed_span_make(NULL, 0));
	struct iw_device *copy = iw_device_copy(&d);
	assert_non_null(copy);
	assert_true(iw_device_equal(&d, copy));
	assert_ptr_not_equal(copy->name.data, d.name.data);
	assert_ptr_not_equal(copy->notes.list[0].text.data, d.notes.list[0].text.data);
	assert_null(copy->notes.list[1].language.data);
	copy->changed_s++;
	assert_true(iw_device_equal(&d, copy));
	struct iw_device other[] = { d, d, d, d, d, d, d, d, d, d };
	other[0].name = XFED_SPAN("s");
	other[1].name = xfed_span_make(NULL, 0);
	other[2].is_open = false;
	other[3].show = IW_SHOW_DND;
	other[4].priority = IW_PRIORITY_NONE;
	other[5].activities = 0;
	other[6].idle_since_s = 0;
	other[7].notes.count = 1;
	other[8].notes.list[0].text = XFED_SPAN("x");
	other[9].notes.list[0].language = xfed_span_make(NULL, 0);
	for (size_t i = 0; i < XFED_ARRAY_LEN(other); i++) {
		assert_false(iw_device_equal(copy, &other[i]));
	}
	xfed_free(copy);
}

/* From the one most worth telling to the one least. */
static void order(void **state)
{
	(void)state;
	static const struct iw_device d[] = {
		{ .is_open = true, .priority = 9, .show = IW_SHOW_DND },
		{ .is_open = true, .priority = 5, .show = IW_SHOW_CHAT },
		{ .is_open = true, .priority = 5, .changed_s = 2 },
		{ .is_open = true, .priority = 5, .changed_s = 1 },
		{ .is_open = true, .priority = 5, .idle_since_s = 1, .changed_s = 3 },
		{ .is_open = true, .priority = 5, .show = IW_SHOW_AWAY },
		{ .is_open = true, .priority = 5, .show = IW_SHOW_XA },
		{ .is_open = true, .priority = 5, .show = IW_SHOW_DND },
		{ .is_open = true, .priority = IW_PRIORITY_NONE },
		{ .is_open = true, .priority = -1 },
		{ .is_open = false, .priority = IW_PRIORITY_NONE },
	};
	for (size_t x = 0; x < XFED_ARRAY_LEN(d); x++) {
		for (size_t y = 0; y < XFED_ARRAY_LEN(d); y++) {
			assert_int_equal(iw_device_is_before(&d[x], &d[y]), x < y);
		}
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
	struct iw_device d = { .name = XFED_SPAN("a\tb"), .is_open = true, .show = IW_SHOW_AWAY, .priority = 1, .idle_since_s = 3, .changed_s = 4 };
	struct iw_xmpp_envelope env = envelope();
	struct xfed_xml_elem *e;
	int rc = XFED_ERR_NOMEM;
	env.sent_s = NOW_S;
	iw_notes_add(&d.notes, XFED_SPAN("a"), XFED_SPAN("en"));
	for (size_t tries = 0; rc != XFED_OK; tries++) {
		/* An arena of little room fails in smaller steps than the allocator. */
		struct xfed_arena small;
		xfed_arena_init(&small, 64 * tries);
		rc = iw_presence_write(&small, &d, &env, &e);
		assert_true(rc == XFED_OK || rc == XFED_ERR_NOMEM);
		xfed_arena_deinit(&small);
		assert_true(tries < 1000);
	}
	left = 0;
	xfed_mem_set_hooks(&hooks);
	struct iw_device *copy = iw_device_copy(&d);
	xfed_mem_set_hooks(NULL);
	assert_null(copy);
}

int main(void)
{
	if (xfed_xml_global_init() != XFED_OK) {
		return 1;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(stanzas, setup, teardown),
		cmocka_unit_test_setup_teardown(messages_are_no_presence, setup, teardown),
		cmocka_unit_test_setup_teardown(closed_is_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(names, setup, teardown),
		cmocka_unit_test_setup_teardown(a_delay_is_told, setup, teardown),
		cmocka_unit_test(equal_and_copied),
		cmocka_unit_test(order),
		cmocka_unit_test_setup_teardown(allocations_fail, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
