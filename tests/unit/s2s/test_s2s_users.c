/* What a single user of an honest server can send: it is that stanza's end, never the stream's. And what is the server's own doing. */
#include "transcript.h"
#include "xfed/sasl.h"

#define SM	   "xmlns='urn:xmpp:sm:3'"
#define ENABLE	   "<enable " SM "/>"
#define R	   "<r " SM "/>"
#define A(h)	   "<a " SM " h='" #h "'/>"
#define OPEN(id)   "<message from='alice@partner.example/r' to='dave@corp.example' id='" id "'>"
#define MALFORMED  "refused(x xmpp.address.malformed)"
#define TOO_BIG	   "refused(x policy.size.exceeded)"
#define SHAPE	   "refused(x policy.shape.exceeded)"
#define LIMIT_TEXT "<max-bytes>65536</max-bytes><idle-seconds>600</idle-seconds></limits>"

static char big[512 * 1024];

/* `begin`, `piece` so often that it fills `bytes`, then `end`: in `big`. */
static const char *filled(const char *begin, const char *piece, size_t bytes, const char *end)
{
	size_t len = (size_t)snprintf(big, sizeof(big), "%s", begin), step = strlen(piece);
	while (len + step <= bytes) {
		memcpy(big + len, piece, step);
		len += step;
	}
	snprintf(big + len, sizeof(big) - len, "%s", end);
	return big;
}

static const char *many(const char *begin, const char *piece, size_t count, const char *end)
{
	return filled(begin, piece, strlen(begin) + count * strlen(piece), end);
}

/* ---- addresses ---- */

/* Stringprep, or no preparation at all, lets these through; the domain is one that was proved all the same. */
static const char *const odd_from[] = { "i\u2665you@partner.example/x", "a\u00a0b@partner.example", "alice@partner.example/\u0378",
	"@partner.example", "a@b@partner.example", "alice@partner.example/", "&quot;a&quot;@partner.example", "a b@partner.example/\u2028" };
static const char *const odd_to[] = { "da ve@corp.example", "d\u2665ve@corp.example", "dave@corp.example/\u0378", "@corp.example",
	"dave@@corp.example", "da&lt;ve@corp.example", "&quot;dave&quot;@corp.example/r", "dave@corp.example/" };

static void addresses_of_users(void **state)
{
	char stanza[1024];
	for (size_t i = 0; i < XFED_ARRAY_LEN(odd_from); i++) {
		snprintf(stanza, sizeof(stanza), "<message from='%s' to='dave@corp.example' id='x'/>" MESSAGE("next"), odd_from[i]);
		RUN_IN(IN_READY, { RX, stanza, .actions = MALFORMED " stanza(next)", .output = NULL });
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(odd_to); i++) {
		snprintf(stanza, sizeof(stanza), "<presence from='a@partner.example' to='%s' id='x'/>" MESSAGE("next"), odd_to[i]);
		RUN_IN(IN_READY, { RX, stanza, .actions = MALFORMED " stanza(next)", .output = NULL });
	}
	/* Longer than any part may be: nothing of it is looked at but the domain. */
	RUN_IN(IN_READY, { RX, filled("<iq type='get' id='x' from='a@partner.example' to='", "d", 9000, "@corp.example'/>" MESSAGE("next")),
				 .actions = MALFORMED " stanza(next)", .output = NULL });
}

/* A domain that is not proved, or none, is nobody's but the server's. */
static void addresses_of_servers(void **state)
{
	static const struct {
		const char *from, *to, *code;
	} rows[] = {
		{ "a b@other.example", "dave@corp.example", "stream.from.unproved" },
		{ "a b@partner.example@other.example", "dave@corp.example", "stream.from.unproved" },
		{ "a@partner.example", "da ve@else.example", "stream.relay.attempt" },
		{ "a@partner.example", "dave@corp.example@else.example", "stream.relay.attempt" },
		{ "a@", "dave@corp.example", "stream.address.improper" },
		{ "a b@part ner.example", "dave@corp.example", "stream.address.improper" },
		{ "a@partner.example", "da ve@", "stream.address.improper" },
		{ "a@partner.example", "da ve@co_rp.example", "stream.address.improper" },
	};
	char stanza[256], actions[64];
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		snprintf(stanza, sizeof(stanza), "<message from='%s' to='%s' id='x'/>", rows[i].from, rows[i].to);
		snprintf(actions, sizeof(actions), "closed(%s)", rows[i].code);
		RUN_IN(IN_READY, { RX, stanza, .actions = actions, .output = "<stream:error>" });
	}
}

/* ---- limits ---- */

static const struct {
	const char *name, *begin, *piece;
	size_t count;
	const char *end, *actions;
} over[] = {
	{ "bytes of text", OPEN("x") "<body>", "0123456789", 7000, "</body></message>", TOO_BIG },
	{ "bytes of elements", OPEN("x"), "<a b='01234567890123456789012345678901234567890123456789'/>", 1300, "</message>", TOO_BIG },
	{ "bytes, then depth", OPEN("x") "<body>", "0123456789", 7000,
		"</body><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>"
		"<a><a><a><a><a><a><a><a><a><a><a><a><a></a></a></a></a></a></a></a></a></a></a></a></a></a></a></a></a></a></a></a></a></a></a></"
		"a></a></a>"
		"</a></a></a></a></a></a></a></a></a></a></message>",
		TOO_BIG },
	{ "elements", OPEN("x"), "<a/>", XFED_XML_NODES_MAX, "</message>", SHAPE },
	{ "texts", OPEN("x") "<b>", "x<a/>", XFED_XML_NODES_MAX / 2, "</b></message>", SHAPE },
	{ "sections between texts", OPEN("x") "<b>", "<a/><![CDATA[]] >]]>", XFED_XML_NODES_MAX / 2, "</b></message>", SHAPE },
	{ "attributes of a child", OPEN("x") "<b ", "a='' ", XFED_XML_ATTRS_MAX + 1, "/><c>text</c></message>", SHAPE },
	{ "a section", OPEN("x") "<b>&amp;<![CDATA[", "<nothing & more]", 4100, "]]></b></message>", TOO_BIG },
};

static void limits_of_a_stanza(void **state)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(over); i++) {
		const char *stanza = many(over[i].begin, over[i].piece, over[i].count, over[i].end);
		char actions[128];
		snprintf(actions, sizeof(actions), "%s stanza(next)", over[i].actions);
		RUN_IN_WHOLE(IN_READY, { RX, stanza, .actions = over[i].actions, .output = NULL },
			{ RX, MESSAGE("next"), .actions = "stanza(next)", .output = NULL });
		strcat(big, MESSAGE("next"));
		RUN_IN_WHOLE(IN_READY, { RX, big, .actions = actions, .output = NULL });
	}
}

/* As deep as 256 KiB can be, all of it closed again. */
static void depth_of_a_stanza(void **state)
{
	static char deep[XFED_STANZA_BYTES_MAX + 64];
	size_t len = (size_t)snprintf(deep, sizeof(deep), "%s", OPEN("x"));
	size_t count = (XFED_STANZA_BYTES_MAX - len - strlen("</message>")) / strlen("<a></a>");
	for (size_t i = 0; i < count; i++, len += 3) {
		memcpy(deep + len, "<a>", 3);
	}
	for (size_t i = 0; i < count; i++, len += 4) {
		memcpy(deep + len, "</a>", 4);
	}
	snprintf(deep + len, sizeof(deep) - len, "</message>");
	RUN_IN(IN_READY, { RX, deep, .actions = SHAPE, .output = NULL }, { RX, MESSAGE("next"), .actions = "stanza(next)", .output = NULL });
}

/* Those of the stanza itself: what its answer is made of is found wherever it stands among them. */
static void attributes_of_a_stanza(void **state)
{
	char attrs[2048] = "";
	for (int i = 0; i < 200; i++) {
		snprintf(attrs + strlen(attrs), sizeof(attrs) - strlen(attrs), " a%d=\"'\"", i);
	}
	static const struct {
		const char *begin, *end, *actions;
	} rows[] = {
		{ "<message", " from='a@partner.example' to='dave@corp.example' id='x'><body>x</body></message>", SHAPE },
		{ "<message to = 'dave@corp.example' from='a@partner.example'", " id=\"x\"/>", SHAPE },
		{ "<message", " from='a@partner.example' to='dave@corp.example' id='x'></message >", SHAPE },
		{ "<message", " from='a@partner.example' to='da ve@corp.example' id='x'/>", MALFORMED },
		{ "<s:message xmlns:s='jabber:server'", " to='dave@corp.example' from='a@partner.example'/>", "closed(stream.xml.prefix)" },
		{ "<message xmlns='jabber:client'", " to='dave@corp.example' from='a@partner.example'/>", "closed(stream.xml.namespace)" },
		{ "<message", " from='a@partner.example' to='dave@corp.example' to='eve@corp.example'/>", "closed(stream.xml.malformed)" },
		{ "<message", " b from='a@partner.example' to='dave@corp.example'/>", "closed(stream.xml.malformed)" },
		{ "<message", " from='a@partner.example' to='dave@corp.example' / >", "closed(stream.xml.malformed)" },
		{ "<message", " from='a@partner.example' to='dave@corp.example'></presence>", "closed(stream.xml.malformed)" },
		{ "<message", " from='a@other.example' to='dave@corp.example'/>", "closed(stream.from.unproved)" },
		{ "<message", " from='a@partner.example'/>", "closed(stream.address.improper)" },
	};
	char stanza[8192];
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		snprintf(stanza, sizeof(stanza), "%s%s%s", rows[i].begin, attrs, rows[i].end);
		bool is_over = strncmp(rows[i].actions, "closed", 6) == 0;
		RUN_IN(IN_READY, { RX, stanza, .actions = rows[i].actions, .output = is_over ? "<stream:error>" : NULL });
	}
}

/* The same inside what is let go of: it is still XML, and restricted. */
static void rest_is_still_judged(void **state)
{
	static const struct {
		const char *rest, *code;
	} rows[] = {
		{ "<b></c></a></message>", "stream.xml.malformed" },
		{ "</message></a>", "stream.xml.malformed" },
		{ "<!-- x --></a></message>", "stream.xml.restricted" },
		{ "<?pi?></a></message>", "stream.xml.restricted" },
		{ "<!DOCTYPE x></a></message>", "stream.xml.restricted" },
		{ "&unknown;</a></message>", "stream.xml.restricted" },
		{ "\x01</a></message>", "stream.xml.malformed" },
		{ "<b c='<'/></a></message>", "stream.xml.malformed" },
		{ "\xff</a></message>", "stream.xml.encoding" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		char actions[64];
		snprintf(actions, sizeof(actions), "closed(%s)", rows[i].code);
		RUN_IN_WHOLE(IN_READY, { RX, filled(OPEN("x") "<a>", "text ", 70000, rows[i].rest), .actions = actions, .output = "<stream:error>" });
		RUN_IN_WHOLE(IN_READY,
			{ RX, many(OPEN("x") "<a>", "<n/>", XFED_XML_NODES_MAX, rows[i].rest), .actions = actions, .output = "<stream:error>" });
		RUN_IN_WHOLE(IN_READY, { RX, many(OPEN("x"), "<a>", 40, rows[i].rest), .actions = actions, .output = "<stream:error>" });
	}
	/* What the parser sees is judged by the parser: here the stanza has too many bytes, and nothing else. */
	RUN_IN_WHOLE(IN_READY, { RX, filled(OPEN("x") "<a>", "text ", 70000, "<b c='' c=''/></a></message>"),
				       .actions = "closed(stream.xml.malformed)", .output = "<not-well-formed " });
	RUN_IN_WHOLE(IN_READY, { RX, filled(OPEN("x") "<a>", "text ", 70000, "<p:b/></a></message>"), .actions = "closed(stream.xml.malformed)",
				       .output = "<not-well-formed " });
}

/* What nothing is done about: a tag without end and the hard maximum. */
static void hard_limits(void **state)
{
	RUN_IN_WHOLE(IN_READY, { RX, filled(OPEN("x") "<a b='", "x", XFED_XML_SILENT_BYTES + 200, ""), .actions = "closed(stream.xml.too-big)",
				       .output = "<policy-violation |<stanza-too-big " });
	RUN_IN_WHOLE(IN_READY, { RX, filled("<message from='a@partner.example' to='dave@corp.example' a='", "x", XFED_XML_SILENT_BYTES + 200, ""),
				       .actions = "closed(stream.xml.too-big)", .output = "<policy-violation |<stanza-too-big " });
	RUN_IN_WHOLE(IN_READY, { RX, filled(OPEN("x") "<a>", "text ", XFED_STANZA_BYTES_MAX - 20, ""), .actions = "", .output = NULL },
		{ RX, "twenty bytes and some more", .actions = "closed(stream.xml.too-big)", .output = "<policy-violation |<stanza-too-big " });
	RUN_IN_WHOLE(IN_READY, { RX, many(OPEN("x"), "<a>", XFED_STANZA_BYTES_MAX / 3, ""), .actions = "closed(stream.xml.too-big)",
				       .output = "<policy-violation " });
}

/* Over a limit and not from its pair, or no stanza at all: what an honest server never sends. */
static void pair_counts_first(void **state)
{
	RUN_IN_WHOLE(IN_READY, { RX, filled("<message from='a@other.example' to='dave@corp.example'><a>", "text ", 70000, "</a></message>"),
				       .actions = "closed(stream.from.unproved)", .output = "<invalid-from " });
	RUN_IN_WHOLE(IN_READY, { RX, filled("<message from='a@partner.example' to='dave@else.example'><a>", "text ", 70000, "</a></message>"),
				       .actions = "closed(stream.relay.attempt)", .output = "<host-unknown " });
	RUN_IN_WHOLE(IN_READY, { RX, filled("<hello xmlns='urn:x'>", "text ", 70000, "</hello>"), .actions = "closed(stream.xml.too-big)",
				       .output = "<policy-violation |<stanza-too-big " });
	RUN_IN_WHOLE(IN_READY, { RX, many("<hello xmlns='urn:x'>", "<a/>", XFED_XML_NODES_MAX, "</hello>"), .actions = "closed(stream.xml.too-deep)",
				       .output = "<policy-violation " });
	/* Where we only tidy up it is taken as any other; nothing comes of it where we do not. */
	static char hello[80 * 1024];
	snprintf(hello, sizeof(hello), "%s", filled("<hello xmlns='urn:x'>", "text ", 70000, "</hello>"));
	RUN_IN_WHOLE(IN_READY, { CLOSE_WITH, .reason = XFED_REASON_STREAM_CLOSED_IDLE, .actions = "", .output = "</stream:stream>" },
		{ RX, filled(OPEN("x") "<a>", "text ", 70000, "</a></message>"), .actions = TOO_BIG, .output = NULL },
		{ RX, hello, .actions = "", .output = NULL }, { RX, "</stream:stream>", .actions = "closed(stream.closed.idle)", .output = NULL });
}

/* Counted like any other, so both sides agree on the numbers of those behind it. */
static void refused_ones_are_numbered(void **state)
{
	static char two[160 * 1024];
	snprintf(two, sizeof(two), "%s", filled(OPEN("x") "<a>", "text ", 70000, "</a></message>"));
	RUN_IN(IN_READY, { RX, ENABLE, .actions = "", .output = "<enabled " }, { RX, MESSAGE("1"), .actions = "stanza(1)", .output = NULL },
		{ RX, two, .actions = TOO_BIG, .output = NULL }, { RX, R, .actions = "", .output = A(0) },
		{ COVER, .number = 2, .actions = "", .output = NULL },
		{ RX, "<message from='a@partner.example' to='da ve@corp.example' id='x'/>" MESSAGE("4"), .actions = MALFORMED " stanza(4)",
			.output = NULL },
		{ COVER, .number = 1, .actions = "", .output = A(2) }, { COVER, .number = 3, .actions = "", .output = NULL },
		{ COVER, .number = 4, .actions = "", .output = NULL }, { RX, R, .actions = "", .output = A(4) });
}

/* Its sender is told which limit it is. */
static void limits_are_named(void **state)
{
	static const char *const inputs[] = { HEADER_FROM_PARTNER, STARTTLS, STUB_CLIENT_HELLO, HEADER_FROM_PARTNER, AUTH, HEADER_FROM_PARTNER };
	static const char *const words[] = { "65536 bytes", "65536 bytes", "65536 bytes", "4096 elements", "4096 elements", "4096 elements",
		"64 attributes", "65536 bytes" };
	struct rig r = { 0 };
	stub_peer = (struct stub_certificate){ true, true, "partner.example", XFED_REASON_NONE };
	stub_handshake_fails = XFED_REASON_NONE;
	assert_true(rig_up(&r, XFED_S2S_IN));
	for (size_t i = 0; i < XFED_ARRAY_LEN(inputs); i++) {
		rig_receive(&r, xfed_span_str(inputs[i]));
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(over); i++) {
		rig_receive(&r, xfed_span_str(many(over[i].begin, over[i].piece, over[i].count, over[i].end)));
		assert_int_equal(r.refused, i + 1);
		if (!strstr(r.refusal, words[i])) {
			fail_msg("%s: \"%s\" does not name %s", over[i].name, r.refusal, words[i]);
		}
	}
	rig_down(&r);
}

/* ---- before authentication nothing of it holds ---- */

static void limits_of_strangers(void **state)
{
	RUN_IN(IN_CLEAR,
		{ RX, many("", "<a>", XFED_XML_DEPTH_MAX + 1, ""), .actions = "closed(stream.xml.too-deep)", .output = "<policy-violation " });
	RUN_IN(IN_CLEAR, { RX, filled("<a>", "text ", XFED_UNAUTH_STANZA_BYTES + 5, ""), .actions = "closed(stream.xml.too-big)",
				 .output = "<policy-violation " });
	RUN_IN(IN_CLEAR, { RX, "<message from='a b@partner.example' to='dave@corp.example'/>", .actions = "closed(stream.unauthenticated)",
				 .output = "<not-authorized " });
}

/* ---- XEP-0478 ---- */

static void our_limits_are_told(void **state)
{
	RUN_IN(IN_CLEAR, IN_TLS,
		{ RX, HEADER_FROM_PARTNER, .actions = "header(partner.example,corp.example,secure)",
			.output = "<mechanisms |<limits xmlns='urn:xmpp:stream-limits:0'>" LIMIT_TEXT "</stream:features>" },
		{ RX, AUTH, .actions = "", .output = "<success " },
		{ RX, HEADER_FROM_PARTNER, .actions = "established",
			.output = "<limits xmlns='urn:xmpp:stream-limits:0'>" LIMIT_TEXT "</stream:features>" });
}

/* One that is refused is an element like any other: a step ends behind it, and others have their part. */
static void a_step_is_one_refusal(void **state)
{
	static const char *const inputs[] = { HEADER_FROM_PARTNER, STARTTLS, STUB_CLIENT_HELLO, HEADER_FROM_PARTNER, AUTH, HEADER_FROM_PARTNER };
	struct rig r = { .methods = XFED_METHOD_EXTERNAL };
	stub_peer = (struct stub_certificate){ true, true, "partner.example", XFED_REASON_NONE };
	stub_handshake_fails = XFED_REASON_NONE;
	assert_true(rig_up(&r, XFED_S2S_IN));
	for (size_t i = 0; i < XFED_ARRAY_LEN(inputs); i++) {
		rig_receive(&r, xfed_span_str(inputs[i]));
	}
	assert_true(r.was_established);
	char one[2048] = "<message from='alice@partner.example/r' to='dave@corp.example' id='x'><a", chunk[4096];
	for (int i = 0; i <= XFED_XML_ATTRS_MAX; i++) {
		size_t len = strlen(one);
		snprintf(one + len, sizeof(one) - len, " a%d=''", i);
	}
	strcat(one, "/></message>");
	snprintf(chunk, sizeof(chunk), "%s%s", one, one);
	struct xfed_s2s_event ev = { .type = XFED_S2S_BYTES, .bytes = xfed_span_str(chunk) };
	rig_event(&r, &ev);
	assert_true(ev.took_element);
	assert_int_equal(r.refused, 2);
	rig_down(&r);
}

/* What the partner's features say, and what may be written then. */
static void their_limit(const char *features, size_t most)
{
	const char *const inputs[] = { HEADER_ANSWER, FEATURES_TLS, PROCEED, STUB_SERVER_HELLO, HEADER_ANSWER, FEATURES_EXTERNAL, SASL_SUCCESS,
		HEADER_ANSWER, features };
	struct rig r = { 0 };
	struct xfed_s2s_info info;
	stub_peer = (struct stub_certificate){ true, true, "partner.example", XFED_REASON_NONE };
	stub_handshake_fails = XFED_REASON_NONE;
	assert_true(rig_up(&r, XFED_S2S_OUT));
	for (size_t i = 0; i < XFED_ARRAY_LEN(inputs); i++) {
		rig_receive(&r, xfed_span_str(inputs[i]));
	}
	assert_true(r.was_established);
	xfed_s2s_info(r.s2s, &info);
	assert_int_equal(info.peer_bytes, most);
	size_t fits = most ? most : 100000;
	filled("<message from='d@corp.example' to='a@partner.example'><body>", "x", fits - strlen("</body></message>"), "</body></message>");
	assert_int_equal(strlen(big), fits);
	xfed_buf_clear(&r.out);
	assert_int_equal(xfed_s2s_send(r.s2s, xfed_span_str(big), r.now_ms), XFED_OK);
	assert_true(xfed_buf_len(&r.out) > 0);
	xfed_buf_clear(&r.out);
	filled("<message from='d@corp.example' to='a@partner.example'><body>", "x", fits + 1 - strlen("</body></message>"), "</body></message>");
	assert_int_equal(xfed_s2s_send(r.s2s, xfed_span_str(big), r.now_ms), most ? XFED_ERR_TOO_LARGE : XFED_OK);
	assert_int_equal(xfed_buf_len(&r.out) == 0, most != 0);
	assert_false(r.is_over);
	rig_down(&r);
}

#define LIMITS(inside) "<stream:features><limits xmlns='urn:xmpp:stream-limits:0'>" inside "</limits></stream:features>"

static void their_limits_are_obeyed(void **state)
{
	their_limit(LIMITS("<max-bytes>10000</max-bytes><idle-seconds>1</idle-seconds>"), 10000);
	their_limit(LIMITS("<idle-seconds>900</idle-seconds><max-bytes>0000065536</max-bytes>"), 65536);
	their_limit(LIMITS("<max-bytes>262144</max-bytes>"), 262144);
}

/* None, or none that means anything. */
static void their_limits_are_garbage(void **state)
{
	static const char *const rows[] = { "<stream:features/>", LIMITS(""), LIMITS("<max-bytes/>"), LIMITS("<max-bytes>0</max-bytes>"),
		LIMITS("<max-bytes>-10000</max-bytes>"), LIMITS("<max-bytes>9999</max-bytes>"), LIMITS("<max-bytes>+20000</max-bytes>"),
		LIMITS("<max-bytes>20000.5</max-bytes>"), LIMITS("<max-bytes>20 000</max-bytes>"), LIMITS("<max-bytes>0x10000</max-bytes>"),
		LIMITS("<max-bytes>18446744073709561616</max-bytes>"), LIMITS("<max-bytes>99999999999999999999999999999999</max-bytes>"),
		LIMITS("<max-bytes>262145</max-bytes>"), LIMITS("<max-bytes>20000<x/></max-bytes>"),
		LIMITS("<max-bytes xmlns='urn:x'>20000</max-bytes>"),
		"<stream:features><max-bytes xmlns='urn:xmpp:stream-limits:0'>20000</max-bytes></stream:features>" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		their_limit(rows[i], 0);
	}
}

/* Those of the stream before SASL are gone with it. */
static void their_limits_are_of_the_stream(void **state)
{
	RUN_OUT(OUT_CLEAR, OUT_TLS, { RX, HEADER_ANSWER, .actions = "", .output = NULL },
		{ RX,
			"<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>"
			"<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>10000</max-bytes></limits></stream:features>",
			.actions = "", .output = "<auth " },
		{ RX, SASL_SUCCESS, .actions = "", .output = "<stream:stream " }, { RX, HEADER_ANSWER, .actions = "", .output = NULL },
		{ RX, "<stream:features/>", .actions = "established", .output = NULL },
		{ SEND, filled("<message from='d@corp.example' to='a@partner.example'><body>", "x", 20000, "</body></message>"), .actions = "",
			.output = "<message " });
}

static int set_up(void **state)
{
	as = (struct rig){ .methods = XFED_METHOD_EXTERNAL };
	return xfed_xml_global_init() | xfed_sasl_global_init();
}

static int tear_down(void **state)
{
	xfed_sasl_global_deinit();
	xfed_xml_global_deinit();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_step_is_one_refusal),
		cmocka_unit_test(addresses_of_users),
		cmocka_unit_test(addresses_of_servers),
		cmocka_unit_test(limits_of_a_stanza),
		cmocka_unit_test(depth_of_a_stanza),
		cmocka_unit_test(attributes_of_a_stanza),
		cmocka_unit_test(rest_is_still_judged),
		cmocka_unit_test(hard_limits),
		cmocka_unit_test(pair_counts_first),
		cmocka_unit_test(refused_ones_are_numbered),
		cmocka_unit_test(limits_are_named),
		cmocka_unit_test(limits_of_strangers),
		cmocka_unit_test(our_limits_are_told),
		cmocka_unit_test(their_limits_are_obeyed),
		cmocka_unit_test(their_limits_are_garbage),
		cmocka_unit_test(their_limits_are_of_the_stream),
	};
	return cmocka_run_group_tests_name("s2s users", tests, set_up, tear_down);
}
