/*
 * Presence of the Lync family. The rows are what a client of it was seen to send, to take and to show; where it shows nothing of a body, we
 * write none of that form.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "interwork/msrtc.h"
#include "interwork/presence_map.h"
#include "model.h"
#include "xfed/mem.h"

static const struct xfed_span none = { NULL, 0 };
static struct xfed_arena arena;

static int setup(void **state)
{
	(void)state;
	xfed_arena_init(&arena, 4 * 1024 * 1024);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	xfed_arena_deinit(&arena);
	return 0;
}

#define NS	"http://schemas.microsoft.com/2006/09/sip/"
#define WHEN	"2026-01-01T00:00:00Z" /* 1767225600 */
#define CAT(in) "<categories xmlns=\"" NS "categories\" uri=\"sip:bob@partner.example\">" in "</categories>"
#define STATE_BEGIN                                                                                                                                  \
	"<category name=\"state\" instance=\"1\" publishTime=\"" WHEN "\"><state xmlns=\"" NS "state\" "                                             \
	"xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"aggregateState\"><availability>"
#define ST(n, in) STATE_BEGIN n "</availability>" in "</state></category>"
#define NOTE(type, text)                                                                                                                             \
	"<category name=\"note\" instance=\"0\" publishTime=\"" WHEN "\"><note xmlns=\"" NS "note\"><body type=\"" type "\" uri=\"\">" text          \
	"</body></note></category>"
#define CARD(name)                                                                                                                                   \
	"<category name=\"contactCard\" instance=\"0\" publishTime=\"" WHEN "\"><contactCard xmlns=\"" NS "contactcard\"><identity><name>"           \
	"<displayName>" name "</displayName></name></identity></contactCard></category>"
#define TOKEN(t)  "<activity token=\"" t "\"/>"
#define CUSTOM(t) "<activity><custom LCID=\"1033\">" t "</custom></activity>"
#define MS(availability, activity, in)                                                                                                               \
	"<presentity xmlns=\"http://schemas.microsoft.com/2002/09/sip/presence\" uri=\"bob@partner.example\"><availability "                         \
	"aggregate=\"" availability "\" description=\"\" epid=\"e\"/><activity aggregate=\"" activity                                                \
	"\" description=\"\" note=\"\" epid=\"e\"/><displayName "                                                                                    \
	"displayName=\"Bob M\"/><userInfo>" in "</userInfo><devices/></presentity>"
#define USER_STATE(avail, word)                                                                                                                      \
	"<states xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><state avail=\"" avail "\" since=\"" WHEN                                   \
	"\" validWith=\"any-device\" deviceId=\"e\" set=\"manual\" xsi:type=\"userState\">" word "</state></states>"
#define AT " at=1767225600"

static const struct row {
	const char *name, *in;
	const char *model; /* "-": no state is said */
	const char *show;  /* what XMPP shows by default; NULL: not looked at */
} rows[] = {
	/* numbers */
	{ "0", CAT(ST("0", "")), "[] closed" AT, "unavailable" },
	{ "1000", CAT(ST("1000", "")), "[] closed" AT, "unavailable" },
	{ "2999", CAT(ST("2999", "")), "[] closed" AT, "unavailable" },
	{ "3000", CAT(ST("3000", "")), "[] open" AT, "available" },
	{ "3500", CAT(ST("3500", "")), "[] open" AT, "available" },
	{ "4499", CAT(ST("4499", "")), "[] open" AT, "available" },
	{ "4500", CAT(ST("4500", "")), "[] open show=away" AT " 'Inactive'@en", "away" },
	{ "5000", CAT(ST("5000", "")), "[] open show=away" AT " 'Inactive'@en", "away" },
	{ "6000", CAT(ST("6000", "")), "[] open busy" AT " 'Busy'@en", "dnd" },
	{ "6500", CAT(ST("6500", "")), "[] open busy" AT " 'Busy'@en", "dnd" },
	{ "7500", CAT(ST("7500", "")), "[] open busy" AT " 'Busy, inactive'@en", "dnd" },
	{ "8999", CAT(ST("8999", "")), "[] open busy" AT " 'Busy, inactive'@en", "dnd" },
	{ "9000", CAT(ST("9000", "")), "[] open show=dnd" AT, "dnd" },
	{ "9500", CAT(ST("9500", "")), "[] open show=dnd" AT, "dnd" },
	{ "11999", CAT(ST("11999", "")), "[] open show=dnd" AT, "dnd" },
	{ "12000", CAT(ST("12000", "")), "[] open show=away" AT " 'Be right back'@en", "away" },
	{ "12500", CAT(ST("12500", "")), "[] open show=away" AT " 'Be right back'@en", "away" },
	{ "15000", CAT(ST("15000", "")), "[] open away" AT, "away" },
	{ "15500", CAT(ST("15500", "")), "[] open away" AT, "away" },
	{ "17999", CAT(ST("17999", "")), "[] open away" AT, "away" },
	{ "18000", CAT(ST("18000", "")), "[] closed" AT, "unavailable" },
	{ "18500", CAT(ST("18500", "")), "[] closed" AT, "unavailable" },
	{ "a number in blanks", CAT(ST("\n 3500 ", "")), "[] open" AT, "available" },
	{ "a number that is none", CAT(ST("busy", "")), "-", NULL },
	{ "a number too large", CAT(ST("99999999999999999999", "")), "-", NULL },
	/* what he does */
	{ "on the phone", CAT(ST("6500", TOKEN("on-the-phone"))), "[] open on-the-phone" AT " 'In a call'@en", "dnd" },
	{ "in a meeting", CAT(ST("6500", TOKEN("in-a-meeting"))), "[] open meeting" AT " 'In a meeting'@en", "dnd" },
	{ "in a conference", CAT(ST("7000", TOKEN("in-a-conference"))), "[] open meeting" AT " 'In a conference'@en", "dnd" },
	{ "in a call, and idle", CAT(ST("7500", TOKEN("on-the-phone"))), "[] open on-the-phone" AT " 'In a call'@en", "dnd" },
	{ "presenting", CAT(ST("9500", TOKEN("in-presentation"))), "[] open show=dnd presentation" AT " 'Presenting'@en", "dnd" },
	{ "urgent interruptions only", CAT(ST("9500", TOKEN("urgent-interruptions-only"))), "[] open show=dnd" AT " 'Urgent interruptions only'@en",
		"dnd" },
	{ "out of office", CAT(ST("15500", TOKEN("out-of-office"))), "[] open vacation" AT " 'Out of office'@en", "xa" },
	{ "off work", CAT(ST("15500", TOKEN("off-work"))), "[] open away" AT " 'Off work'@en", "away" },
	{ "be right back", CAT(ST("12500", TOKEN("be-right-back"))), "[] open show=away" AT " 'Be right back'@en", "away" },
	{ "a token nobody knows", CAT(ST("6500", TOKEN("nonsense"))), "[] open busy" AT " 'Busy'@en", "dnd" },
	{ "words of his own", CAT(ST("6500", CUSTOM("Juggling"))), "[] open busy" AT " 'Juggling'", "dnd" },
	{ "a token of another state: the number counts", CAT(ST("15500", TOKEN("on-the-phone"))), "[] open away" AT " 'In a call'@en", "away" },
	/* notes */
	{ "state and note", CAT(ST("3500", "") NOTE("personal", "my note &lt;b&gt; \xc3\xa9")), "[] open" AT " 'my note <b> \xc3\xa9'", "available" },
	{ "a note says more than we could", CAT(ST("6500", TOKEN("in-a-meeting")) NOTE("personal", "x")), "[] open meeting" AT " 'x'", "dnd" },
	{ "out of office note", CAT(ST("15500", "") NOTE("OOF", "back in May")), "[] open away" AT " 'back in May'", "away" },
	{ "two notes: the first", CAT(NOTE("personal", "a") NOTE("OOF", "b") ST("3500", "")), "[] open" AT " 'a'", "available" },
	{ "a note alone", CAT(NOTE("personal", "only a note")), "-person 'only a note'", NULL },
	{ "a note removed", CAT("<category name=\"note\"/>"), "-", NULL },
	{ "a state, and no note", CAT(ST("3500", "") "<category name=\"note\"/>"), "[] open" AT, "available" },
	/* what else there is */
	{ "a card", CAT(CARD("Bob Card") ST("3500", "")), "[] open" AT, "available" },
	{ "a card alone", CAT(CARD("Bob Card")), "-", NULL },
	{ "mobile", CAT(ST("3500", "<device>Mobile</device>")), "[] open" AT, "available" },
	{ "as a front end tells of its user",
		"<categories xmlns=\"" NS "categories\" uri=\"sip:alice@corp.example\">" CARD("Alice")
			ST("6500", TOKEN("busy")) "<category name=\"note\"/>"
						  "</categories>",
		"[] open busy" AT " 'Busy'@en", "dnd" },
	{ "uri without sip:", "<categories uri=\"bob@partner.example\">" ST("6500", "") "</categories>", "[] open busy" AT " 'Busy'@en", "dnd" },
	{ "without a time, and without namespaces",
		"<categories><category name=\"state\"><state><availability>9500</availability></state></category>"
		"<category name=\"note\"><note><body>timeless</body></note></category></categories>",
		"[] open show=dnd 'timeless'", "dnd" },
	{ "the aggregate counts, whatever else is there",
		CAT("<category name='state'><state><availability>18500</availability></state></category>" ST("3500",
			"") "<category name='state'><state><availability>15500</availability><activity token='off-work'/></state></category>"),
		"[] open" AT, "available" },
	{ "without one the worst",
		CAT("<category name='state'><state><availability>6500</availability><activity token='on-the-phone'/></state></category>"
		    "<category name='state'><state><availability>3500</availability></state></category>"),
		"[] open on-the-phone 'In a call'@en", "dnd" },
	{ "empty", CAT(""), "-", NULL },
	/* what was before */
	{ "presentity: offline", MS("0", "400", ""), "[] closed", "unavailable" },
	{ "presentity: offline, whatever else", MS("0", "600", USER_STATE("6500", "busy")), "[] closed" AT, "unavailable" },
	{ "presentity: 0", MS("300", "0", ""), "[] open away", "away" },
	{ "presentity: 100", MS("300", "100", ""), "[] open away", "away" },
	{ "presentity: 150", MS("300", "150", ""), "[] open lunch 'Out to lunch'@en", NULL },
	{ "presentity: 200", MS("300", "200", ""), "[] open show=away 'Inactive'@en", "away" },
	{ "presentity: 300", MS("300", "300", ""), "[] open show=away 'Be right back'@en", "away" },
	{ "presentity: 400", MS("300", "400", ""), "[] open", "available" },
	{ "presentity: 500", MS("300", "500", ""), "[] open on-the-phone 'In a call'@en", "dnd" },
	{ "presentity: 600", MS("300", "600", ""), "[] open busy 'Busy'@en", "dnd" },
	{ "presentity: 700", MS("300", "700", ""), "[] open away", "away" },
	{ "presentity: 800", MS("300", "800", ""), "[] open", "available" },
	{ "presentity: a note", MS("300", "400", "<note>ms note</note>"), "[] open 'ms note'", "available" },
	{ "presentity: a note, out of office", MS("300", "100", "<note>gone</note><oof/>"), "[] open vacation 'gone'", "xa" },
	{ "presentity: out of office", MS("300", "100", "<oof/>"), "[] open vacation 'Out of office'@en", "xa" },
	{ "presentity: 3500 by the user", MS("300", "400", USER_STATE("3500", "")), "[] open" AT, "available" },
	{ "presentity: 6500 by the user", MS("300", "400", USER_STATE("6500", "busy")), "[] open busy" AT " 'Busy'@en", "dnd" },
	{ "presentity: 9500 by the user", MS("300", "400", USER_STATE("9500", "do-not-disturb")), "[] open show=dnd" AT, "dnd" },
	{ "presentity: 12500 by the user", MS("300", "400", USER_STATE("12500", "be-right-back")), "[] open show=away" AT " 'Be right back'@en",
		"away" },
	{ "presentity: 15500 by the user", MS("300", "400", USER_STATE("15500", "away")), "[] open away" AT, "away" },
	{ "presentity: in a call, and away by himself", MS("300", "500", USER_STATE("15500", "away")), "[] open away" AT, "away" },
	{ "presentity: as a front end tells of its user",
		"<presentity xmlns=\"http://schemas.microsoft.com/2002/09/sip/presence\" uri=\"alice@corp.example\"><availability aggregate=\"300\" "
		"description=\"\" epid=\"0\"/><activity aggregate=\"400\" description=\"\" note=\"\" epid=\"0\"/><displayName displayName=\"Alice\"/>"
		"<userInfo><note>on the road</note><states xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><state avail=\"3500\" "
		"since=\"" WHEN
		"\" validWith=\"any-device\" deviceId=\"a92c7be9925a\" set=\"manual\" xsi:type=\"userState\">online</state></states></userInfo>"
		"<devices/></presentity>",
		"[] open" AT " 'on the road'", "available" },
	{ "presentity: uri with sip:",
		"<presentity uri=\"sip:bob@partner.example\"><availability aggregate=\"300\"/><activity aggregate=\"600\"/></presentity>",
		"[] open busy 'Busy'@en", "dnd" },
	{ "presentity: nothing said", "<presentity/>", "-", NULL },
};

static const char *model(const struct iw_presence *p, bool has_state)
{
	static char text[2048];
	struct xfed_buf out;
	xfed_buf_init(&out, sizeof(text) - 1);
	assert_int_equal(xfed_buf_append_str(&out, has_state ? "" : "-"), XFED_OK);
	model_presence(&out, p);
	memcpy(text, xfed_buf_span(&out).data, xfed_buf_len(&out));
	text[xfed_buf_len(&out)] = '\0';
	xfed_buf_deinit(&out);
	return text;
}

static void documents(void **state)
{
	(void)state;
	struct iw_presence_map m;
	iw_presence_map_init(&m);
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct iw_presence p;
		bool has_state;
		enum iw_pidf_result r = iw_msrtc_read(&arena, xfed_span_str(rows[i].in), &p, &has_state);
		const char *got = model(&p, has_state);
		if (r != IW_PIDF_OK || strcmp(got, rows[i].model) != 0 || has_state != (p.count == 1)) {
			fail_msg("%s: %d \"%s\", expected \"%s\"", rows[i].name, (int)r, got, rows[i].model);
		}
		if (strstr(rows[i].in, "bob@partner.example")) {
			assert_true(xfed_span_is(p.entity, "sip:bob@partner.example"));
		}
		if (rows[i].show) {
			iw_presence_map_to_xmpp(&m, &p);
			const char *show = p.devices[0].is_open ? iw_show_word(p.devices[0].show) : "unavailable";
			if (strcmp(show, rows[i].show) != 0) {
				fail_msg("%s: shown as %s", rows[i].name, show);
			}
		}
	}
}

#define A10(x) x x x x x x x x x x

static void refusals(void **state)
{
	(void)state;
	static const struct {
		const char *name, *in;
		enum iw_pidf_result result;
	} cases[] = {
		{ "PIDF", "<presence xmlns='urn:ietf:params:xml:ns:pidf'/>", IW_PIDF_FOREIGN },
		{ "xpidf, which begins with a document type",
			"<?xml version=\"1.0\"?><!DOCTYPE presence PUBLIC \"-//IETF//DTD RFCxxxx XPIDF 1.0//EN\" \"xpidf.dtd\"><presence/>",
			IW_PIDF_RESTRICTED },
		{ "entities", "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><categories>&b;</categories>", IW_PIDF_RESTRICTED },
		{ "half of it", "<categories uri='sip:a@x'>" ST("3500", ""), IW_PIDF_MALFORMED },
		{ "nothing", "", IW_PIDF_MALFORMED },
		{ "a text", "busy", IW_PIDF_MALFORMED },
		{ "another charset", "<?xml version='1.0' encoding='iso-8859-1'?><categories/>", IW_PIDF_ENCODING },
		{ "too deep", "<categories>" A10("<a>") A10("<a>") A10("</a>") A10("</a>") "</categories>", IW_PIDF_TOO_DEEP },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(cases); i++) {
		struct iw_presence p;
		bool has_state;
		enum iw_pidf_result r = iw_msrtc_read(&arena, xfed_span_str(cases[i].in), &p, &has_state);
		if (r != cases[i].result || p.count > 0 || p.entity.data || has_state) {
			fail_msg("%s: %d", cases[i].name, (int)r);
		}
	}
	static char big[IW_PIDF_BYTES + 1];
	struct iw_presence p;
	bool has_state;
	memset(big, ' ', sizeof(big));
	assert_int_equal(iw_msrtc_read(&arena, xfed_span_make(big, sizeof(big)), &p, &has_state), IW_PIDF_TOO_LARGE);
	for (size_t count = IW_PIDF_NODES; count <= IW_PIDF_NODES + 1; count++) {
		struct xfed_buf in;
		xfed_buf_init(&in, IW_PIDF_BYTES);
		assert_int_equal(xfed_buf_append_str(&in, "<categories>"), XFED_OK);
		for (size_t i = 0; i < count; i++) {
			assert_int_equal(xfed_buf_append_str(&in, "<a/>"), XFED_OK);
		}
		assert_int_equal(xfed_buf_append_str(&in, "</categories>"), XFED_OK);
		enum iw_pidf_result want = count > IW_PIDF_NODES ? IW_PIDF_TOO_LARGE : IW_PIDF_OK;
		assert_int_equal(iw_msrtc_read(&arena, xfed_buf_span(&in), &p, &has_state), want);
		xfed_buf_deinit(&in);
	}
}

/* ---- writing ---- */

#define D_(...)                                                                                                                                      \
	{                                                                                                                                            \
		.priority = IW_PRIORITY_NONE, .changed_s = 1767225600, __VA_ARGS__                                                                   \
	}
#define BIT(name) (1u << IW_ACTIVITY_##name)

static const struct written {
	const char *name;
	struct iw_device device;
	const char *note, *state, *availability, *activity; /* of categories; of presentity */
	const char *user_state, *basic;
} written[] = {
	{ "available", D_(.is_open = true), NULL, ST("3500", ""), "300", "400", "", "open</basic>" },
	{ "chat", D_(.is_open = true, .show = IW_SHOW_CHAT), NULL, ST("3500", ""), "300", "400", "", "open</basic>" },
	{ "idle", D_(.is_open = true, .idle_since_s = 5), NULL, ST("5000", ""), "300", "200", "",
		"open</basic><ep:activities><ep:activity>away</ep:activity></ep:activities>" },
	{ "away", D_(.is_open = true, .show = IW_SHOW_AWAY), NULL, ST("15500", TOKEN("away")), "300", "100", "",
		"open</basic><ep:activities><ep:activity>away</ep:activity></ep:activities>" },
	{ "away, as the map says it", D_(.is_open = true, .show = IW_SHOW_AWAY, .activities = BIT(AWAY)), NULL, ST("15500", TOKEN("away")), "300",
		"100", "", "open</basic><ep:activities><ep:activity>away</ep:activity></ep:activities>" },
	{ "xa", D_(.is_open = true, .show = IW_SHOW_XA, .idle_since_s = 5), NULL, ST("15500", TOKEN("away")), "300", "100", "",
		"open</basic><ep:activities><ep:activity>away</ep:activity></ep:activities>" },
	{ "dnd", D_(.is_open = true, .show = IW_SHOW_DND), NULL, ST("9500", ""), "300", "600", USER_STATE("9500", "do-not-disturb"),
		"open</basic><ep:activities><ep:activity>busy</ep:activity></ep:activities>" },
	{ "dnd, as the map says it", D_(.is_open = true, .show = IW_SHOW_DND, .activities = BIT(BUSY)), NULL, ST("9500", ""), "300", "600",
		USER_STATE("9500", "do-not-disturb"), "open</basic><ep:activities><ep:activity>busy</ep:activity></ep:activities>" },
	{ "dnd that is configured as a meeting", D_(.is_open = true, .show = IW_SHOW_DND, .activities = BIT(MEETING)), NULL,
		ST("6500", TOKEN("in-a-meeting")), "300", "600", "", "open</basic><ep:activities><ep:activity>busy</ep:activity></ep:activities>" },
	{ "busy", D_(.is_open = true, .activities = BIT(BUSY)), NULL, ST("6500", TOKEN("busy")), "300", "600", "",
		"open</basic><ep:activities><ep:activity>busy</ep:activity></ep:activities>" },
	{ "on the phone", D_(.is_open = true, .activities = BIT(ON_THE_PHONE)), NULL, ST("6500", TOKEN("on-the-phone")), "300", "500", "",
		"open</basic><ep:activities><ep:activity>busy</ep:activity></ep:activities>" },
	{ "out of office", D_(.is_open = true, .show = IW_SHOW_XA, .activities = BIT(VACATION)), NULL, ST("15500", TOKEN("out-of-office")), "300",
		"100", "", "open</basic><ep:activities><ep:activity>away</ep:activity></ep:activities>" },
	{ "lunch: words of our own", D_(.is_open = true, .show = IW_SHOW_AWAY, .activities = BIT(LUNCH)), NULL, ST("15500", CUSTOM("Lunch")), "300",
		"150", "", "open</basic><ep:activities><ep:activity>away</ep:activity></ep:activities>" },
	{ "in transit", D_(.is_open = true, .activities = BIT(IN_TRANSIT)), NULL, ST("3500", CUSTOM("In transit")), "300", "400", "",
		"open</basic>" },
	{ "a note", D_(.is_open = true), "my <note> & \"more\"", ST("3500", ""), "300", "400", "", "open</basic>" },
	{ "closed", D_(.is_open = false, .show = IW_SHOW_DND), NULL, ST("18500", ""), "0", "0", "", "closed</basic>" },
	{ "closed, with a note", D_(.is_open = false), "gone fishing", ST("18500", ""), "0", "0", "", "closed</basic>" },
};

#define HEAD_CAT	"<categories xmlns=\"" NS "categories\" uri=\"sip:bob@partner.example\">"
#define NOTE_ESCAPED(n) ((n) && strchr((n), '<') ? "my &lt;note&gt; &amp; &quot;more&quot;" : (n))

static void golden(char *want, size_t size, enum iw_msrtc_format f, const struct written *w)
{
	const char *note = NOTE_ESCAPED(w->note);
	char part[512] = "";
	switch (f) {
	case IW_MSRTC_CATEGORIES:
		if (note) {
			snprintf(part, sizeof(part),
				"<category name=\"note\" instance=\"0\" publishTime=\"" WHEN "\"><note xmlns=\"" NS
				"note\"><body type=\"personal\" uri=\"\">%s"
				"</body></note></category>",
				note);
		}
		snprintf(want, size, HEAD_CAT CARD("Bob M") "%s%s</categories>", w->state, note ? part : "<category name=\"note\"/>");
		break;
	case IW_MSRTC_PRESENTITY:
		snprintf(part, sizeof(part), note ? "<note>%s</note>" : "%s", note ? note : "");
		snprintf(want, size,
			"<presentity xmlns=\"http://schemas.microsoft.com/2002/09/sip/presence\" uri=\"bob@partner.example\"><availability "
			"aggregate=\"%s\" "
			"description=\"\" epid=\"e\"/><activity aggregate=\"%s\" description=\"\" note=\"\" epid=\"e\"/><displayName "
			"displayName=\"Bob M\"/>"
			"<userInfo>%s%s</userInfo><devices/></presentity>",
			w->availability, w->activity, part, w->user_state);
		break;
	case IW_MSRTC_PIDF:
		snprintf(part, sizeof(part), note ? "<note>%s</note>" : "%s", note ? note : "");
		snprintf(want, size,
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?><presence xmlns=\"urn:ietf:params:xml:ns:pidf\" "
			"xmlns:ep=\"urn:ietf:params:xml:ns:pidf:status:rpid-status\" xmlns:ci=\"urn:ietf:params:xml:ns:pidf:cipid\" "
			"entity=\"sip:bob@partner.example\"><tuple "
			"id=\"0\"><status><basic>%s</status><contact>sip:bob@partner.example</contact></tuple>%s"
			"<ci:display-name>Bob M</ci:display-name></presence>",
			w->basic, part);
		break;
	case IW_MSRTC_FORMATS_COUNT:
		break;
	}
}

static const struct iw_msrtc_subject bob = { { "bob@partner.example", 19 }, { "Bob M", 5 } };

/* The worst that can happen on the way there and back: what is shown stays the same. */
static void comes_back(enum iw_msrtc_format f, struct xfed_span document, const struct written *w)
{
	struct iw_presence back;
	struct iw_presence_map m;
	bool has_state = true;
	enum iw_pidf_result r = f == IW_MSRTC_PIDF ? iw_pidf_read(&arena, document, none, &back) : iw_msrtc_read(&arena, document, &back, &has_state);
	assert_int_equal(r, IW_PIDF_OK);
	assert_true(has_state && back.count == 1 && xfed_span_is(back.entity, "sip:bob@partner.example"));
	assert_int_equal(back.devices[0].is_open, w->device.is_open);
	iw_presence_map_init(&m);
	iw_presence_map_to_xmpp(&m, &back);
	if (w->note) {
		assert_true(xfed_span_is(back.devices[0].notes.list[0].text, w->note));
	}
	if (f == IW_MSRTC_CATEGORIES && w->device.is_open) {
		assert_int_equal(iw_msrtc_state_of_device(&back.devices[0], back.devices[0].activities) == IW_MSRTC_DO_NOT_DISTURB,
			strstr(w->state, ">9500<") != NULL || (w->device.activities & BIT(BUSY)) != 0);
	}
}

static void golden_documents(void **state)
{
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(written); i++) {
		struct iw_device d = written[i].device;
		struct iw_presence p = { .devices = &d, .count = 1 };
		if (written[i].note) {
			iw_notes_add(&d.notes, xfed_span_str(written[i].note), none);
		}
		for (unsigned f = 0; f < IW_MSRTC_FORMATS_COUNT; f++) {
			char want[2048] = "";
			struct xfed_buf out;
			golden(want, sizeof(want), (enum iw_msrtc_format)f, &written[i]);
			xfed_buf_init(&out, sizeof(want));
			assert_int_equal(iw_msrtc_write(&out, (enum iw_msrtc_format)f, &p, &bob), XFED_OK);
			if (!xfed_span_is(xfed_buf_span(&out), want)) {
				fail_msg("%s:\n%.*s\nexpected\n%s", written[i].name, (int)xfed_buf_len(&out), xfed_buf_span(&out).data, want);
			}
			comes_back((enum iw_msrtc_format)f, xfed_buf_span(&out), &written[i]);
			xfed_buf_deinit(&out);
		}
	}
}

/* The first device counts, with the note of the person where it has none; without any the user is closed; without a time none is said. */
static void of_several(void **state)
{
	(void)state;
	struct iw_device d[] = { D_(.is_open = false), { .is_open = true, .priority = 1, .show = IW_SHOW_AWAY },
		{ .is_open = true, .priority = 5, .changed_s = 1767225600 } };
	struct iw_presence p = { .devices = d, .count = 3 };
	const struct iw_msrtc_subject nameless = { bob.address, none };
	struct xfed_buf out;
	xfed_buf_init(&out, 4096);
	iw_notes_add(&p.person.notes, XFED_SPAN("of all"), none);
	assert_int_equal(iw_msrtc_write(&out, IW_MSRTC_CATEGORIES, &p, &nameless), XFED_OK);
	assert_true(xfed_span_is(xfed_buf_span(&out), CAT(ST("3500", "") NOTE("personal", "of all"))));
	xfed_buf_clear(&out);
	p.devices = &d[1];
	p.count = 1;
	assert_int_equal(iw_msrtc_write(&out, IW_MSRTC_CATEGORIES, &p, &nameless), XFED_OK);
	assert_null(memmem(xfed_buf_span(&out).data, xfed_buf_len(&out), "publishTime", 11));
	xfed_buf_clear(&out);
	p = (struct iw_presence){ .count = 0 };
	assert_int_equal(iw_msrtc_write(&out, IW_MSRTC_PRESENTITY, &p, &nameless), XFED_OK);
	assert_non_null(memmem(xfed_buf_span(&out).data, xfed_buf_len(&out), "<availability aggregate=\"0\"", 27));
	xfed_buf_deinit(&out);
}

/* With any smaller buffer: without the note, or nothing. */
static void bounded(void **state)
{
	(void)state;
	struct iw_device d = D_(.is_open = true);
	struct iw_presence p = { .devices = &d, .count = 1 };
	char note[IW_NOTE_BYTES];
	memset(note, 'n', sizeof(note));
	iw_notes_add(&d.notes, xfed_span_make(note, sizeof(note)), none);
	for (unsigned f = 0; f < IW_MSRTC_FORMATS_COUNT; f++) {
		bool was_short = false;
		for (size_t cap = 0; cap < 2048; cap++) {
			struct xfed_buf out;
			struct iw_presence back;
			bool has_state = true;
			xfed_buf_init(&out, cap);
			int rc = iw_msrtc_write(&out, (enum iw_msrtc_format)f, &p, &bob);
			assert_true(rc == XFED_OK || (rc == XFED_ERR_LIMIT && xfed_buf_len(&out) == 0));
			if (rc == XFED_OK) {
				struct xfed_span s = xfed_buf_span(&out);
				enum iw_pidf_result r =
					f == IW_MSRTC_PIDF ? iw_pidf_read(&arena, s, none, &back) : iw_msrtc_read(&arena, s, &back, &has_state);
				assert_true(r == IW_PIDF_OK && back.count == 1 && back.devices[0].is_open);
				was_short |= back.devices[0].notes.count + back.person.notes.count == 0;
				xfed_arena_reset(&arena);
			}
			xfed_buf_deinit(&out);
		}
		assert_true(was_short);
	}
}

static void formats(void **state)
{
	(void)state;
	enum iw_msrtc_format f;
	for (unsigned i = 0; i < IW_MSRTC_FORMATS_COUNT; i++) {
		assert_true(iw_msrtc_format_of(xfed_span_str(iw_msrtc_type((enum iw_msrtc_format)i)), &f));
		assert_int_equal(f, i);
	}
	assert_true(iw_msrtc_format_of(XFED_SPAN("TEXT/XML+msrtc.pidf"), &f) && f == IW_MSRTC_PRESENTITY);
	assert_false(iw_msrtc_format_of(XFED_SPAN("application/xpidf+xml"), &f));
	assert_false(iw_msrtc_format_of(none, &f));
}

/* Both directions use one table: the number that is written for a state is read as that state. */
static void one_table(void **state)
{
	(void)state;
	for (unsigned s = IW_MSRTC_AVAILABLE; s < IW_MSRTC_STATES_COUNT; s++) {
		assert_int_equal(iw_msrtc_state_of(iw_msrtc_number((enum iw_msrtc_state)s)), s);
		struct iw_device d = { .priority = IW_PRIORITY_NONE };
		iw_msrtc_apply((enum iw_msrtc_state)s, &d);
		assert_int_equal(d.is_open, iw_msrtc_is_open((enum iw_msrtc_state)s));
		enum iw_msrtc_state back = iw_msrtc_state_of_device(&d, d.activities);
		/* XMPP has one word for three of them, and idle is a time there. */
		bool is_away = s == IW_MSRTC_IDLE || s == IW_MSRTC_BE_RIGHT_BACK;
		assert_int_equal(back, is_away ? IW_MSRTC_AWAY : s == IW_MSRTC_BUSY_IDLE ? IW_MSRTC_BUSY : s);
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
	static const char *const in[] = { CAT(ST("6500", CUSTOM("Juggling")) NOTE("personal", "x")), MS("300", "400", "<note>n</note>") };
	for (size_t i = 0; i < XFED_ARRAY_LEN(in); i++) {
		enum iw_pidf_result r = IW_PIDF_NO_MEMORY;
		for (size_t n = 0; r == IW_PIDF_NO_MEMORY; n++) {
			struct xfed_arena a;
			struct iw_presence p;
			bool has_state;
			xfed_arena_init(&a, 1024 * 1024);
			xfed_mem_set_hooks(&hooks);
			left = n;
			r = iw_msrtc_read(&a, xfed_span_str(in[i]), &p, &has_state);
			xfed_arena_deinit(&a);
			xfed_mem_set_hooks(NULL);
			assert_true(n < 1000);
		}
		assert_int_equal(r, IW_PIDF_OK);
	}
}

int main(void)
{
	if (xfed_xml_global_init() != XFED_OK) {
		return 1;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(documents, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(golden_documents, setup, teardown),
		cmocka_unit_test(of_several),
		cmocka_unit_test_setup_teardown(bounded, setup, teardown),
		cmocka_unit_test(formats),
		cmocka_unit_test(one_table),
		cmocka_unit_test(allocations_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
