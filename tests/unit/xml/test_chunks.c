/* However the input is cut, the results, their ends, trees and reasons are the same (style: split-invariance). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "transcript.h"

#define H "<?xml version='1.0'?>\n<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>"

static const struct {
	const char *name;
	struct xfed_span in;
} scenarios[] = {
#define IN(name, s)                                                                                                                                  \
	{                                                                                                                                            \
		name,                                                                                                                                \
		{                                                                                                                                    \
			"" s, sizeof(s) - 1                                                                                                          \
		}                                                                                                                                    \
	}
	IN("a stream", H " <stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>"
			 "<message to='a@b' xml:lang='de'><body>\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80 &amp; &#x1F600;\r\nx\ry]]</body>"
			 "<x xmlns='jabber:x'><![CDATA[<]]]]>]]&gt;<![CDATA[>]]></x></message>\n\n<presence/>"
			 "<iq type='get' id='&lt;&quot;\xc3\xa9&#10;'><q a='>' b=\"'/>\"/></iq ></stream:stream>   behind"),
	IN("CR at every place", H "<a>\r\r\n\n\r<b/>\r\n<![CDATA[\r\r\n]]>\r&#13;\r</a\r\n>\r\n<a b='\r\n\r'/>"),
	IN("prefixes", H "<p:a xmlns:p='n'><p:b q:c='1' xmlns:q='m'/></p:a><stream:error><e/></stream:error>"),
	IN("unbound prefix behind good", H "<a/><a><b/><x:c/></a><d/>"),
	IN("wrong end tag in the middle", H "<a/><a><b>x</c></a>"),
	IN("comment behind a wrong tag", H "<a><b></c><!-- x --></a>"),
	IN("wrong tag behind text", H "<a>xxxx&amp;<b c></a>"),
	IN("duplicate attribute", H "<a>text<b x='1' x='2'/>&foo;</a>"),
	IN("broken UTF-8 behind a wrong tag", H "<a></b>\xff"),
	IN("end of CDATA in text", H "<a>xx]]></a>"),
	IN("entity", H "<a>x</a><a>&nbsp;</a>"),
	IN("BOM", "\xef\xbb\xbf" H),
	IN("other encoding", "<?xml version='1.0' encoding='latin1'?><stream>"),
	IN("text between", H "<a/> x"),
	IN("empty header", "<stream/>"),
	IN("second header", H H),
};

static size_t one_byte(void *user, size_t at, size_t left)
{
	(void)user;
	(void)at;
	(void)left;
	return 1;
}

/* Two pieces, the first of `*user` bytes. */
static size_t two_pieces(void *user, size_t at, size_t left)
{
	return at == 0 && *(size_t *)user < left ? *(size_t *)user : left;
}

static uint64_t next_random(uint64_t *state)
{
	/* xorshift64: fixed seeds, the same pieces in every run. */
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static size_t random_pieces(void *user, size_t at, size_t left)
{
	(void)at;
	uint64_t *state = user;
	size_t most = (size_t)1 << (next_random(state) % 14);
	size_t n = 1 + (size_t)(next_random(state) % most);
	return n < left ? n : left;
}

static void compare(const char *name, struct xfed_span in, const struct xfed_buf *whole, transcript_cut_fn *cut, void *user, size_t which)
{
	struct xfed_buf out;
	xfed_buf_init(&out, 64 << 20);
	transcript_of(&out, false, in, cut, user);
	struct xfed_span a = xfed_buf_span(whole), b = xfed_buf_span(&out);
	if (!xfed_span_eq(a, b)) {
		fail_msg("%s, cut %zu:\n%.*s---\n%.*s", name, which, (int)a.len, a.data, (int)b.len, b.data);
	}
	xfed_buf_deinit(&out);
}

static void cut_everywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(scenarios); i++) {
		struct xfed_buf whole;
		xfed_buf_init(&whole, 1 << 20);
		struct xfed_span in = scenarios[i].in;
		transcript_of(&whole, false, in, NULL, NULL);
		compare(scenarios[i].name, in, &whole, one_byte, NULL, 0);
		for (size_t at = 1; at < in.len; at++) {
			compare(scenarios[i].name, in, &whole, two_pieces, &at, at);
		}
		for (uint64_t seed = 1; seed < 50; seed++) {
			uint64_t s = seed;
			compare(scenarios[i].name, in, &whole, random_pieces, &s, (size_t)seed);
		}
		xfed_buf_deinit(&whole);
	}
}

/* The same where nearly every element breaks a limit that is not fatal. */
static void cut_everywhere_over_limits(void **state)
{
	static const struct xfed_xml_limits tight[] = { { 40, 32, 4096, 256 * 1024 }, { 4096, 2, 4096, 256 * 1024 }, { 4096, 32, 3, 256 * 1024 },
		{ 10, 1, 1, 300 } };
	const struct xfed_xml_limits usual = transcript_limits;
	for (size_t i = 0; i < XFED_ARRAY_LEN(tight); i++) {
		transcript_limits = tight[i];
		cut_everywhere(state);
	}
	transcript_limits = usual;
}

static void put(struct xfed_buf *b, const char *s)
{
	assert_int_equal(xfed_buf_append_str(b, s), XFED_OK);
}

/* Input larger than a slice, with tokens and characters of every kind across each slice border. */
static void build_long(struct xfed_buf *in, uint64_t seed)
{
	static const char *const parts[] = { "plain text ", "\xf0\x9f\x98\x80", "&amp;", "&#x1F600;", "\r\n", "\r", "]]", "<b/>", "<b c='>'/>",
		"\xe2\x82\xac", "<![CDATA[ <x>\xc3\xa9 ]] ]]>", "<b>x</b>" };
	static const char *const pads[] = { "x", "\xc3\xa9", "&lt;", " " };
	put(in, H);
	for (int stanza = 0; stanza < 3; stanza++) {
		put(in, "<a>");
		for (int i = 0; i < 900; i++) {
			put(in, parts[next_random(&seed) % XFED_ARRAY_LEN(parts)]);
		}
		/* A tag, a section and text that are longer than a slice. */
		put(in, "<b c='");
		for (int i = 0; i < 2000; i++) {
			put(in, pads[next_random(&seed) % XFED_ARRAY_LEN(pads)]);
		}
		put(in, "'/><![CDATA[");
		for (int i = 0; i < 9000; i++) {
			put(in, pads[next_random(&seed) % XFED_ARRAY_LEN(pads)]);
		}
		put(in, "]]>");
		for (int i = 0; i < 9000; i++) {
			put(in, pads[next_random(&seed) % XFED_ARRAY_LEN(pads)]);
		}
		put(in, "</a> \n");
	}
	put(in, seed % 2 ? "<a></b>" : "<a>\xff");
}

static void cut_long_input(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed < 12; seed++) {
		struct xfed_buf in, whole;
		xfed_buf_init(&in, 1 << 20);
		xfed_buf_init(&whole, 16 << 20);
		build_long(&in, seed);
		transcript_of(&whole, false, xfed_buf_span(&in), NULL, NULL);
		compare("long", xfed_buf_span(&in), &whole, one_byte, NULL, 0);
		for (uint64_t s = 1; s < 12; s++) {
			uint64_t pieces = s;
			compare("long", xfed_buf_span(&in), &whole, random_pieces, &pieces, (size_t)s);
		}
		xfed_buf_deinit(&whole);
		xfed_buf_deinit(&in);
	}
}

/* "]]>" in text across the border of a slice, where the parser alone does not see it. */
static void brackets_across_slices(void **state)
{
	(void)state;
	for (size_t pad = XFED_XML_SLICE_BYTES - 16; pad < XFED_XML_SLICE_BYTES + 16; pad++) {
		struct xfed_buf in, out;
		xfed_buf_init(&in, 1 << 20);
		xfed_buf_init(&out, 1 << 20);
		put(&in, H "<a>");
		for (size_t i = 0; i < pad; i++) {
			put(&in, "x");
		}
		put(&in, "]]>");
		for (size_t i = 0; i < pad; i++) {
			put(&in, "x");
		}
		put(&in, "</a>");
		transcript_of(&out, false, xfed_buf_span(&in), NULL, NULL);
		struct xfed_span s = xfed_buf_span(&out);
		static const char end[] = "BAD stream.xml.malformed not-well-formed\n";
		assert_true(s.len > sizeof(end) && memcmp(s.data + s.len - sizeof(end) + 1, end, sizeof(end) - 1) == 0);
		xfed_buf_deinit(&in);
		xfed_buf_deinit(&out);
	}
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
		cmocka_unit_test(cut_everywhere),
		cmocka_unit_test(cut_everywhere_over_limits),
		cmocka_unit_test(cut_long_input),
		cmocka_unit_test(brackets_across_slices),
	};
	return cmocka_run_group_tests(tests, init, deinit);
}
