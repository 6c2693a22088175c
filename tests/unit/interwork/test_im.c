/* RFC 7572, RFC 3428: [B4-01] to [B4-14]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "interwork/im.h"
#include "interwork/when.h"
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

static bool is_same(struct xfed_span got, const char *want)
{
	return want ? got.data && xfed_span_is(got, want) : got.data == NULL;
}

static void read_stanza(const char *xml, struct xfed_stanza *out)
{
	size_t consumed;
	assert_int_equal(xfed_xml_reader_feed(reader, xfed_span_str(xml), &consumed), XFED_XML_ELEMENT);
	assert_int_equal(xfed_stanza_view(&arena, xfed_xml_reader_elem(reader), out), XFED_STANZA_OK);
}

/* ---- XMPP to SIP ---- */

struct xmpp_row {
	const char *name, *attrs, *children;
	enum iw_fate fate;
	const char *body, *subject, *language, *thread;
	const char *rule_or_condition;
};

static const struct xmpp_row xmpp_rows[] = {
	{ "body", "", "<body>hello</body>", IW_DELIVER, "hello", NULL, NULL, NULL, NULL },
	{ "type normal", "type='normal'", "<body>a</body>", IW_DELIVER, "a", NULL, NULL, NULL, NULL },
	{ "type chat", "type='chat'", "<body>a</body>", IW_DELIVER, "a", NULL, NULL, NULL, NULL },
	{ "unknown type is normal", "type='x'", "<body>a</body>", IW_DELIVER, "a", NULL, NULL, NULL, NULL },
	{ "all of the table", "xml:lang='en'", "<subject>Hi</subject><body>a</body><thread>t1</thread>", IW_DELIVER, "a", "Hi", "en", "t1", NULL },
	{ "unknown payload beside a body", "", "<body>a</body><x xmlns='urn:x'><body>b</body></x>", IW_DELIVER, "a", NULL, NULL, NULL, NULL },
	{ "a body of another namespace is none", "", "<body xmlns='http://www.w3.org/1999/xhtml'>a</body>", IW_REFUSE, NULL, NULL, NULL, NULL,
		"not-acceptable" },
	{ "special characters", "", "<body>&lt;&amp;&gt;&quot;&apos;</body>", IW_DELIVER, "<&>\"'", NULL, NULL, NULL, NULL },
	/* [B4-13] */
	{ "line ends as they are", "", "<body>a\nb&#xD;\nc&#xD;d</body>", IW_DELIVER, "a\nb\r\nc\rd", NULL, NULL, NULL, NULL },
	{ "blanks at the ends", "", "<body>  a \t</body>", IW_DELIVER, "  a \t", NULL, NULL, NULL, NULL },
	{ "only blanks", "", "<body> </body>", IW_DELIVER, " ", NULL, NULL, NULL, NULL },
	/* [B4-12] */
	{ "several: the one without lang", "xml:lang='en'", "<body xml:lang='de'>d</body><body>e</body>", IW_DELIVER, "e", NULL, "en", NULL, NULL },
	{ "several: the stanza's language", "xml:lang='en'", "<body xml:lang='de'>d</body><body xml:lang='EN'>e</body>", IW_DELIVER, "e", NULL, "EN",
		NULL, NULL },
	{ "several: the first", "", "<body xml:lang='de'>d</body><body xml:lang='en'>e</body>", IW_DELIVER, "d", NULL, "de", NULL, NULL },
	{ "several: an empty one does not count", "", "<body/><body xml:lang='en'>e</body>", IW_DELIVER, "e", NULL, "en", NULL, NULL },
	{ "the subject of the body's language", "",
		"<subject xml:lang='en'>S</subject><subject xml:lang='de'>B</subject><body xml:lang='de'>d</body>", IW_DELIVER, "d", "B", "de", NULL,
		NULL },
	{ "the subject without lang otherwise", "", "<subject xml:lang='en'>S</subject><subject>N</subject><body xml:lang='de'>d</body>", IW_DELIVER,
		"d", "N", "de", NULL, NULL },
	{ "a lang that is no tag", "xml:lang='en&#xD;&#xA;Via: x'", "<body>a</body>", IW_DELIVER, "a", NULL, NULL, NULL, NULL },
	{ "a lang with script and region", "xml:lang='zh-Hant-TW'", "<body>a</body>", IW_DELIVER, "a", NULL, "zh-Hant-TW", NULL, NULL },
	/* a subject is one line */
	{ "subject with line ends", "", "<subject>a&#xD;\nVia: evil</subject><body>b</body>", IW_DELIVER, "b", "a Via: evil", NULL, NULL, NULL },
	{ "subject of blanks", "", "<subject> \n </subject><body>b</body>", IW_DELIVER, "b", NULL, NULL, NULL, NULL },
	{ "empty thread", "", "<body>b</body><thread/>", IW_DELIVER, "b", NULL, NULL, NULL, NULL },
	/* [B4-11] */
	{ "no body", "", "<active xmlns='http://jabber.org/protocol/chatstates'/>", IW_DROP, NULL, NULL, NULL, NULL, "no-body" },
	{ "empty body", "", "<body/>", IW_DROP, NULL, NULL, NULL, NULL, "no-body" },
	{ "subject alone", "", "<subject>s</subject>", IW_REFUSE, NULL, NULL, NULL, NULL, "not-acceptable" },
	{ "error", "type='error'", "<body>a</body>", IW_DROP, NULL, NULL, NULL, NULL, "type-error" },
	{ "headline", "type='headline'", "<body>a</body>", IW_DROP, NULL, NULL, NULL, NULL, "headline" },
	{ "groupchat", "type='groupchat'", "<body>a</body>", IW_REFUSE, NULL, NULL, NULL, NULL, "service-unavailable" },
};

static void to_sip(void **state)
{
	(void)state;
	int failed = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(xmpp_rows); i++) {
		const struct xmpp_row *r = &xmpp_rows[i];
		struct xfed_stanza s;
		struct iw_sip_im im;
		struct xfed_span xml = xfed_arena_printf(
			&arena, "<message from='romeo@xmpp.example/orchard' to='juliet@sip.example' %s>%s</message>", r->attrs, r->children);
		read_stanza(xml.data, &s);
		enum iw_fate fate = iw_im_to_sip(&arena, &s, &im);
		const char *got = fate == IW_DROP ? im.rule : fate == IW_REFUSE ? im.refusal.condition : "";
		const char *want = r->rule_or_condition ? r->rule_or_condition : "";
		bool is_right = fate == r->fate && strcmp(got, want) == 0;
		if (is_right && fate == IW_DELIVER) {
			is_right = is_same(im.body, r->body) && is_same(im.subject, r->subject) && is_same(im.language, r->language) &&
				   is_same(im.thread, r->thread);
		}
		if (!is_right) {
			print_error("%s: fate %d %s, body '%.*s'\n", r->name, (int)fate, got, (int)im.body.len, im.body.data ? im.body.data : "");
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

static void to_a_domain(void **state)
{
	(void)state;
	struct xfed_stanza s;
	struct iw_sip_im im;
	read_stanza("<message from='romeo@xmpp.example' to='sip.example'><body>a</body></message>", &s);
	assert_int_equal(iw_im_to_sip(&arena, &s, &im), IW_DELIVER);
}

/* Nothing a person wrote is dropped silently; what is only a signal between clients is. */
struct payload_row {
	const char *children;
	const char *untold; /* words of it; NULL: dropped */
};

#define OMEMO "eu.siacs.conversations.axolotl"

static const struct payload_row payload_rows[] = {
	{ "<composing xmlns='http://jabber.org/protocol/chatstates'/>", NULL },
	{ "<gone xmlns='http://jabber.org/protocol/chatstates'/><no-store xmlns='urn:xmpp:hints'/>", NULL },
	{ "<received xmlns='urn:xmpp:receipts' id='x'/>", NULL },
	{ "<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/><thread>t</thread>", NULL },
	{ "<x xmlns='jabber:x:event'><composing/></x>", NULL },
	{ "<encrypted xmlns='" OMEMO "'><header sid='1'><key rid='2' prekey='true'>AA==</key></header></encrypted><store xmlns='urn:xmpp:hints'/>",
		NULL },
	{ "<encrypted xmlns='urn:xmpp:omemo:2'><header sid='1'/></encrypted><encryption xmlns='urn:xmpp:eme:0' namespace='urn:xmpp:omemo:2'/>",
		NULL },
	{ "<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='x'/></event>", NULL },
	{ "<x xmlns='http://jabber.org/protocol/muc#user'><status code='104'/></x>", NULL },
	{ "<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body>x</body></message>"
	  "</forwarded></received>",
		NULL },
	{ "", NULL },
	{ "<body/><subject/>", NULL },
	{ "just text", NULL },
	{ "<encrypted xmlns='" OMEMO "'><header sid='1'/><payload>BB==</payload></encrypted><encryption xmlns='urn:xmpp:eme:0'/>", "encrypted" },
	{ "<encrypted xmlns='urn:xmpp:omemo:2'><header sid='1'/><payload>BB==</payload></encrypted>", "encrypted" },
	{ "<openpgp xmlns='urn:xmpp:openpgp:0'>CC==</openpgp>", "encrypted" },
	{ "<x xmlns='jabber:x:encrypted'>DD==</x>", "encrypted" },
	{ "<e2e xmlns='urn:ietf:params:xml:ns:xmpp-e2e'>E</e2e>", "encrypted" },
	{ "<body>?OTR:AAMDabc=.</body>", "encrypted" },
	{ "<body>?OTR,1,3,?OTR:AAMD,</body>", "encrypted" },
	{ "<body>?OTR|1|2,1,3,AAMD,</body>", "encrypted" },
	{ "<x xmlns='jabber:x:conference' jid='room@muc.example'/>", "invitation" },
	{ "<x xmlns='http://jabber.org/protocol/muc#user'><invite from='a@b'/></x>", "invitation" },
	{ "<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'>a</body></html>", "formatted" },
	{ "<x xmlns='jabber:x:oob'><url>https://up.example/a</url></x>", "link" },
	{ "<reference xmlns='urn:xmpp:reference:0' type='data'/>", "file" },
	{ "<reactions xmlns='urn:xmpp:reactions:0' id='x'><reaction>+</reaction></reactions>", "reaction" },
	{ "<propose xmlns='urn:xmpp:jingle-message:0' id='x'/>", "call" },
	{ "<body xmlns='jabber:client'>a</body>", "namespace" },
	{ "<body xmlns=''>a</body>", "namespace" },
	{ "<composing xmlns='http://jabber.org/protocol/chatstates'/><x xmlns='urn:nobody:knows'/>", "only plain text" },
	{ "<subject>s</subject>", "subject" },
};

static void payloads(void **state)
{
	(void)state;
	int failed = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(payload_rows); i++) {
		const struct payload_row *r = &payload_rows[i];
		struct xfed_stanza s;
		struct iw_sip_im im;
		struct xfed_span xml = xfed_arena_printf(&arena, "<message from='a@b' to='c@d' type='chat'>%s</message>", r->children);
		read_stanza(xml.data, &s);
		enum iw_fate fate = iw_im_to_sip(&arena, &s, &im);
		bool is_right = r->untold ? fate == IW_REFUSE && im.refusal.reason == XFED_REASON_XMPP_CONTENT_UNREADABLE && im.untold &&
						    strstr(im.untold, r->untold)
					  : fate == IW_DROP && strcmp(im.rule, "no-body") == 0;
		if (!is_right) {
			print_error("%s: fate %d, %s\n", r->children, (int)fate, im.untold ? im.untold : "-");
			failed++;
		}
	}
	assert_int_equal(failed, 0);
	/* A query is words for people too, and question marks are no encryption. */
	static const char *const texts[] = { "?OTRv23? Alice wants to talk in private", "?OTR", "?", "what?OTR:" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(texts); i++) {
		struct xfed_stanza s;
		struct iw_sip_im im;
		struct xfed_span xml = xfed_arena_printf(&arena, "<message from='a@b' to='c@d'><body>%s</body></message>", texts[i]);
		read_stanza(xml.data, &s);
		assert_int_equal(iw_im_to_sip(&arena, &s, &im), IW_DELIVER);
	}
}

static void delays(void **state)
{
	(void)state;
	static const struct {
		const char *children;
		int64_t sent_s;
	} rows[] = {
		{ "", 0 },
		{ "<delay xmlns='urn:xmpp:delay' from='b' stamp='2002-09-10T23:08:25Z'>Offline</delay>", 1031699305 },
		{ "<x xmlns='jabber:x:delay' stamp='20020910T23:08:25'/>", 1031699305 },
		/* Each place that kept it has added one: the first of them counts. */
		{ "<delay xmlns='urn:xmpp:delay' stamp='2002-09-11T00:00:00Z'/><delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25Z'/>"
		  "<x xmlns='jabber:x:delay' stamp='20030101T00:00:00'/>",
			1031699305 },
		{ "<delay xmlns='urn:xmpp:delay' stamp='nonsense'/><delay xmlns='urn:xmpp:delay'/>", 0 },
		{ "<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25Z'/></forwarded>", 0 },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_stanza s;
		struct iw_sip_im im;
		struct xfed_span xml = xfed_arena_printf(&arena, "<message from='a@b' to='c@d'><body>x</body>%s</message>", rows[i].children);
		read_stanza(xml.data, &s);
		assert_int_equal(iw_im_to_sip(&arena, &s, &im), IW_DELIVER);
		if (im.sent_s != rows[i].sent_s) {
			fail_msg("%s: %lld", rows[i].children, (long long)im.sent_s);
		}
	}
}

static void stamps(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t seconds; /* -1: it is none */
	} rows[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2002-09-10T23:08:25Z", 1031699305 },
		{ "2002-09-10T23:08:25.9999Z", 1031699305 },
		{ "2002-09-10T18:08:25-05:00", 1031699305 },
		{ "2002-09-11T04:38:25+05:30", 1031699305 },
		{ "20020910T23:08:25", 1031699305 },
		{ "2024-02-29T12:00:00Z", 1709208000 },
		{ "9999-12-31T23:59:59Z", 253402300799 },
		{ "2023-02-29T12:00:00Z", -1 },
		{ "2002-13-10T23:08:25Z", -1 },
		{ "2002-09-10T24:08:25Z", -1 },
		{ "2002-09-10T23:60:25Z", -1 },
		{ "1969-12-31T23:59:59Z", -1 },
		{ "2002-0910T23:08:25Z", -1 },
		{ "2002-09-10 23:08:25Z", -1 },
		{ "2002-09-10T23:08:25.Z", -1 },
		{ "2002-09-10T23:08:25ZZ", -1 },
		{ "2002-09-10T23:08:25+5:00", -1 },
		{ "2002-09-10T23:08:25+24:00", -1 },
		{ "2002-09-10T23:08", -1 },
		{ "2002-09-10", -1 },
		{ "+002-09-10T23:08:25Z", -1 },
		{ "", -1 },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		int64_t seconds = -1;
		char back[IW_WHEN_SIZE];
		int rc = iw_when_parse(xfed_span_str(rows[i].text), &seconds);
		if ((rc == XFED_OK) != (rows[i].seconds >= 0) || (rc == XFED_OK && seconds != rows[i].seconds)) {
			fail_msg("%s: %lld", rows[i].text, (long long)seconds);
		}
		int64_t again;
		assert_true(rc != XFED_OK ||
			    (iw_when_print(seconds, back) == XFED_OK && iw_when_parse(xfed_span_str(back), &again) == XFED_OK && again == seconds));
	}
	char back[IW_WHEN_SIZE];
	assert_int_equal(iw_when_print(1031699305, back), XFED_OK);
	assert_string_equal(back, "2002-09-10T23:08:25Z");
	assert_int_equal(iw_when_print(-1, back), XFED_ERR_INVALID);
	assert_int_equal(iw_when_print(253402300800, back), XFED_ERR_INVALID);
	/* Sixty seconds are a clock that is off; more than a year is one that was never set. */
	const int64_t now = 1700000000;
	assert_true(iw_when_is_late(now - 61, now) && iw_when_is_late(now - IW_WHEN_OLDEST_S, now));
	assert_false(iw_when_is_late(now - 60, now) || iw_when_is_late(now + 1, now) || iw_when_is_late(0, now));
	assert_false(iw_when_is_late(now - IW_WHEN_OLDEST_S - 1, now));
	assert_int_equal(iw_when_left_s(60, now - 50, now), 10);
	assert_int_equal(iw_when_left_s(60, now - 70, now), -10);
	assert_true(iw_when_left_s(60, now - IW_WHEN_OLDEST_S, now) < 0);
	/* Not known, of a clock that is ahead, of one that was never set. */
	static const int64_t distrusted[] = { 0, 1, 946684805, 2147483647 };
	for (size_t i = 0; i < XFED_ARRAY_LEN(distrusted); i++) {
		assert_int_equal(iw_when_left_s(60, distrusted[i], now), 60);
	}
}

static void long_ones(void **state)
{
	(void)state;
	struct xfed_stanza s;
	struct iw_sip_im im;
	char text[IW_SUBJECT_BYTES + 101];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	struct xfed_span xml = xfed_arena_printf(
		&arena, "<message from='a@b' to='c@d'><subject>%s</subject><body>b</body><thread>%s</thread></message>", text, text);
	read_stanza(xml.data, &s);
	assert_int_equal(iw_im_to_sip(&arena, &s, &im), IW_DELIVER);
	assert_int_equal(im.subject.len, IW_SUBJECT_BYTES);
	assert_null(im.thread.data);
}

/* ---- SIP to XMPP ---- */

#define NO                                                                                                                                           \
	{                                                                                                                                            \
		NULL, 0                                                                                                                              \
	}
#define S(lit)                                                                                                                                       \
	{                                                                                                                                            \
		lit, sizeof(lit) - 1                                                                                                                 \
	}

struct sip_row {
	const char *name;
	struct iw_sip_message in;
	const char *type, *thread;
	const char *xml; /* NULL: refused with `status` */
	int status;
};

#define HEAD  "<message from=\"juliet@sip.example\" to=\"romeo@xmpp.example\" id=\"i1\""
#define PLAIN S("text/plain")

static const struct sip_row sip_rows[] = {
	{ "plain", { PLAIN, NO, NO, NO, NO, S("hello") }, NULL, NULL, HEAD "><body>hello</body></message>", 0 },
	{ "all of the table", { S("text/plain;charset=UTF-8"), NO, S("en"), NO, S("Hi"), S("a") }, "chat", "t1",
		HEAD " type=\"chat\" xml:lang=\"en\"><subject>Hi</subject><body>a</body><thread>t1</thread></message>", 0 },
	{ "type and charset without case, quoted", { S("Text/PLAIN ; format=flowed ; Charset = \"utf-8\""), NO, NO, NO, NO, S("\xC3\xBC") }, NULL,
		NULL, HEAD "><body>\xC3\xBC</body></message>", 0 },
	{ "identity", { PLAIN, S("identity"), NO, NO, NO, S("a") }, NULL, NULL, HEAD "><body>a</body></message>", 0 },
	{ "US-ASCII", { S("text/plain;charset=US-ASCII"), NO, NO, NO, NO, S("a") }, NULL, NULL, HEAD "><body>a</body></message>", 0 },
	{ "ISO-8859-1", { S("text/plain;charset=ISO-8859-1"), NO, NO, NO, NO, S("gr\xFC\xDF") }, NULL, NULL,
		HEAD "><body>gr\xC3\xBC\xC3\x9F</body></message>", 0 },
	{ "CR LF", { PLAIN, NO, NO, NO, NO, S("a\r\nb\rc\nd") }, NULL, NULL, HEAD "><body>a&#xD;\nb&#xD;c\nd</body></message>", 0 },
	{ "markup is text", { PLAIN, NO, NO, NO, NO, S("<body>&amp;]]>") }, NULL, NULL, HEAD "><body>&lt;body&gt;&amp;amp;]]&gt;</body></message>",
		0 },
	{ "NUL and controls left out", { PLAIN, NO, NO, NO, NO, S("a\0b\x01\x1F\tc\x7F") }, NULL, NULL, HEAD "><body>ab\tc\x7F</body></message>", 0 },
	{ "noncharacters left out",
		{ PLAIN, NO, NO, NO, NO,
			S("a\xEF\xBF\xBE"
			  "b\xEF\xBF\xBF"
			  "c\xEF\xBF\xBD") },
		NULL, NULL, HEAD "><body>abc\xEF\xBF\xBD</body></message>", 0 },
	{ "first language of a list", { PLAIN, NO, S(" en-GB , de"), NO, NO, S("a") }, NULL, NULL,
		HEAD " xml:lang=\"en-GB\"><body>a</body></message>", 0 },
	{ "language that is none", { PLAIN, NO, S("e\"n"), NO, NO, S("a") }, NULL, NULL, HEAD "><body>a</body></message>", 0 },
	{ "subject not UTF-8", { PLAIN, NO, NO, NO, S("a\xFF"), S("a") }, NULL, NULL, HEAD "><body>a</body></message>", 0 },
	{ "subject empty", { PLAIN, NO, NO, NO, S(""), S("a") }, NULL, NULL, HEAD "><body>a</body></message>", 0 },
	{ "disposition render", { PLAIN, NO, NO, S("render;handling=required"), NO, S("a") }, NULL, NULL, HEAD "><body>a</body></message>", 0 },
	{ "disposition unknown, optional", { PLAIN, NO, NO, S("x;handling=optional"), NO, S("a") }, NULL, NULL, HEAD "><body>a</body></message>", 0 },
	{ "disposition unknown, required", { PLAIN, NO, NO, S("x;handling=required"), NO, S("a") }, NULL, NULL, NULL, 415 },
	{ "html", { S("text/html"), NO, NO, NO, NO, S("<p>a</p>") }, NULL, NULL, NULL, 415 },
	{ "cpim", { S("message/cpim"), NO, NO, NO, NO, S("a") }, NULL, NULL, NULL, 415 },
	{ "typing", { S("application/im-iscomposing+xml"), NO, NO, NO, NO, S("<x/>") }, NULL, NULL, NULL, 415 },
	{ "imdn deflated (linphone)", { S("message/imdn+xml"), S("deflate"), NO, NO, NO, S("x") }, NULL, NULL, NULL, 415 },
	{ "plain deflated", { PLAIN, S("deflate"), NO, NO, NO, S("x") }, NULL, NULL, NULL, 415 },
	{ "identity and gzip", { PLAIN, S("identity, gzip"), NO, NO, NO, S("x") }, NULL, NULL, NULL, 415 },
	{ "no type", { NO, NO, NO, NO, NO, S("x") }, NULL, NULL, NULL, 415 },
	{ "type that is none", { S("text"), NO, NO, NO, NO, S("x") }, NULL, NULL, NULL, 415 },
	{ "another charset", { S("text/plain;charset=EUC-JP"), NO, NO, NO, NO, S("x") }, NULL, NULL, NULL, 415 },
	{ "empty charset", { S("text/plain;charset="), NO, NO, NO, NO, S("x") }, NULL, NULL, NULL, 415 },
	{ "not UTF-8", { PLAIN, NO, NO, NO, NO, S("a\xFF") }, NULL, NULL, NULL, 415 },
	{ "not ASCII", { S("text/plain;charset=us-ascii"), NO, NO, NO, NO, S("\xC3\xBC") }, NULL, NULL, NULL, 415 },
	{ "empty", { PLAIN, NO, NO, NO, NO, S("") }, NULL, NULL, NULL, 400 },
	{ "nothing but NUL", { PLAIN, NO, NO, NO, NO, S("\0\0") }, NULL, NULL, NULL, 400 },
};

static void to_xmpp(void **state)
{
	(void)state;
	int failed = 0;
	struct xfed_jid from, to;
	assert_int_equal(xfed_jid_parse(&arena, XFED_SPAN("juliet@sip.example"), &from), XFED_OK);
	assert_int_equal(xfed_jid_parse(&arena, XFED_SPAN("romeo@xmpp.example"), &to), XFED_OK);
	for (size_t i = 0; i < XFED_ARRAY_LEN(sip_rows); i++) {
		const struct sip_row *r = &sip_rows[i];
		const struct iw_xmpp_envelope env = { &from, &to, XFED_SPAN("i1"), xfed_span_str(r->type), xfed_span_str(r->thread), 0 };
		struct iw_xmpp_im im;
		struct xfed_buf buf;
		xfed_buf_init(&buf, 65536);
		enum iw_fate fate = iw_im_to_xmpp(&arena, &r->in, &env, &im);
		bool is_right = fate == (r->xml ? IW_DELIVER : IW_REFUSE);
		if (is_right && r->xml) {
			assert_int_equal(xfed_xml_write(&buf, im.elem, XFED_SPAN(XFED_NS_SERVER)), XFED_OK);
			is_right = xfed_span_is(xfed_buf_span(&buf), r->xml);
		} else if (is_right) {
			is_right = im.refusal.status == r->status && im.refusal.needs_accept == (r->status == 415) && im.refusal.detail.len > 0;
		}
		if (!is_right) {
			print_error("%s: fate %d, status %d, %.*s\n", r->name, (int)fate, im.refusal.status, (int)xfed_buf_len(&buf),
				xfed_buf_span(&buf).data);
			failed++;
		}
		xfed_buf_deinit(&buf);
	}
	assert_int_equal(failed, 0);
}

/* The sender's resource where the GRUU is known ([B4] table 2: from). */
static void full_from(void **state)
{
	(void)state;
	struct xfed_jid from, to;
	struct iw_xmpp_im im;
	const struct iw_sip_message in = { .content_type = PLAIN, .body = S("a") };
	assert_int_equal(xfed_jid_parse(&arena, XFED_SPAN("juliet@sip.example/gr1"), &from), XFED_OK);
	assert_int_equal(xfed_jid_parse(&arena, XFED_SPAN("romeo@xmpp.example"), &to), XFED_OK);
	const struct iw_xmpp_envelope env = { .from = &from, .to = &to, .id = XFED_SPAN("i") };
	assert_int_equal(iw_im_to_xmpp(&arena, &in, &env, &im), IW_DELIVER);
	assert_true(is_same(xfed_xml_attr_get(im.elem, "from"), "juliet@sip.example/gr1"));
	assert_null(xfed_xml_attr_get(im.elem, "type").data);
}

static void late_to_xmpp(void **state)
{
	(void)state;
	struct xfed_jid from, to;
	struct iw_xmpp_im im;
	struct xfed_buf buf;
	const struct iw_sip_message in = { .content_type = PLAIN, .body = S("a") };
	assert_int_equal(xfed_jid_parse(&arena, XFED_SPAN("juliet@sip.example"), &from), XFED_OK);
	assert_int_equal(xfed_jid_parse(&arena, XFED_SPAN("romeo@xmpp.example"), &to), XFED_OK);
	const struct iw_xmpp_envelope env = { .from = &from, .to = &to, .id = XFED_SPAN("i1"), .sent_s = 1031699305 };
	assert_int_equal(iw_im_to_xmpp(&arena, &in, &env, &im), IW_DELIVER);
	xfed_buf_init(&buf, 65536);
	assert_int_equal(xfed_xml_write(&buf, im.elem, XFED_SPAN(XFED_NS_SERVER)), XFED_OK);
	assert_true(xfed_span_is(xfed_buf_span(&buf),
		HEAD "><body>a</body><delay xmlns=\"urn:xmpp:delay\" from=\"sip.example\" stamp=\"2002-09-10T23:08:25Z\"/></message>"));
	xfed_buf_deinit(&buf);
}

static size_t left;

static void *failing_malloc(size_t size)
{
	if (left == 0) {
		return NULL;
	}
	left--;
	return malloc(size);
}

static void allocation_sweep(void **state)
{
	(void)state;
	static const struct xfed_mem_hooks hooks = { failing_malloc, realloc, free };
	static char body[20000]; /* several blocks of an arena */
	memset(body, '\xFC', sizeof(body));
	struct xfed_stanza s;
	struct xfed_span xml = xfed_arena_printf(&arena,
		"<message from='a@b' to='c@d' xml:lang='en'><subject>%05000d</subject><body>%05000d</body><body xml:lang='en'>x<i/>%05000d</body>"
		"<thread>t</thread></message>",
		1, 2, 3);
	read_stanza(xml.data, &s);
	const struct iw_sip_message in = { .content_type = S("text/plain;charset=latin1"), .subject = S("s"), .body = { body, sizeof(body) } };
	const struct iw_xmpp_envelope env = { &s.from, &s.to, XFED_SPAN("i"), XFED_SPAN("chat"), XFED_SPAN("t"), 1031699305 };
	enum iw_fate out = IW_NO_MEMORY, back = IW_NO_MEMORY;
	for (size_t allowed = 0; out != IW_DELIVER || back != IW_DELIVER; allowed++) {
		struct xfed_arena a;
		struct iw_sip_im im;
		struct iw_xmpp_im xim;
		xfed_arena_init(&a, 1024 * 1024);
		xfed_mem_set_hooks(&hooks);
		left = allowed;
		out = iw_im_to_sip(&a, &s, &im);
		left = allowed;
		back = iw_im_to_xmpp(&a, &in, &env, &xim);
		xfed_mem_set_hooks(NULL);
		xfed_arena_deinit(&a);
		assert_true(out == IW_DELIVER || out == IW_NO_MEMORY);
		assert_true(back == IW_DELIVER || back == IW_NO_MEMORY);
		assert_true(allowed < 100);
	}
}

int main(void)
{
	if (xfed_xml_global_init() != XFED_OK) {
		return 1;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(to_sip, setup, teardown),
		cmocka_unit_test_setup_teardown(to_a_domain, setup, teardown),
		cmocka_unit_test_setup_teardown(payloads, setup, teardown),
		cmocka_unit_test_setup_teardown(delays, setup, teardown),
		cmocka_unit_test(stamps),
		cmocka_unit_test_setup_teardown(long_ones, setup, teardown),
		cmocka_unit_test_setup_teardown(to_xmpp, setup, teardown),
		cmocka_unit_test_setup_teardown(full_from, setup, teardown),
		cmocka_unit_test_setup_teardown(late_to_xmpp, setup, teardown),
		cmocka_unit_test_setup_teardown(allocation_sweep, setup, teardown),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	xfed_xml_global_deinit();
	return rc;
}
