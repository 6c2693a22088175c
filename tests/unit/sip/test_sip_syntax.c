/* URIs, addresses, Via and the small productions: RFC 3261 sections 19.1, 20.10, 20.42, 25.1; RFC
 * 5118; RFC 3581. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "sip/addr.h"
#include "sip/lex.h"
#include "sip/scan.h"
#include "sip/uri.h"
#include "sip/via.h"

#define CHECK(row, cond)                                                                                                                             \
	do {                                                                                                                                         \
		if (!(cond)) {                                                                                                                       \
			fail_msg("%s: %s", (row), #cond);                                                                                            \
		}                                                                                                                                    \
	} while (0)

static bool span_is(struct xfed_span s, const char *want)
{
	return want ? s.data && xfed_span_is(s, want) : s.data == NULL;
}

static void uris(void **state)
{
	static const struct {
		const char *text, *user, *host;
		int port;
		const char *transport;
		bool secure, loose;
	} rows[] = {
		{ "sip:example.com", NULL, "example.com", 0, NULL, false, false },
		{ "SIP:alice@EXAMPLE.com", "alice", "EXAMPLE.com", 0, NULL, false, false },
		{ "sips:alice:pw@example.com:5061;transport=tcp;lr", "alice", "example.com", 5061, "tcp", true, true },
		{ "sip:user;par=u%40example.net@example.com", "user;par=u%40example.net", "example.com", 0, NULL, false, false },
		{ "sip:nul-%00-nul@example.com", "nul-%00-nul", "example.com", 0, NULL, false, false },
		{ "sip:[2001:db8::10:5070]", NULL, "2001:db8::10:5070", 0, NULL, false, false },
		{ "sip:[2001:db8::10]:5070", NULL, "2001:db8::10", 5070, NULL, false, false },
		{ "sip:[::ffff:192.0.2.1]", NULL, "::ffff:192.0.2.1", 0, NULL, false, false },
		{ "sip:[2001:db8:::192.0.2.1]", NULL, "2001:db8:::192.0.2.1", 0, NULL, false, false },
		{ "sip:192.0.2.1:1", NULL, "192.0.2.1", 1, NULL, false, false },
		{ "sip:a@b?Subject=x%20y", "a", "b", 0, NULL, false, false },
		{ "sip:under_score@in_side", "under_score", "in_side", 0, NULL, false, false },
		{ "sip:juliet@example.com;gr=urn:uuid:f81d", "juliet", "example.com", 0, NULL, false, false },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct sip_uri u;
		CHECK(rows[i].text, sip_uri_parse(xfed_span_str(rows[i].text), &u) == XFED_OK);
		CHECK(rows[i].text, u.is_sip && u.is_secure == rows[i].secure && u.is_loose == rows[i].loose);
		CHECK(rows[i].text, span_is(u.user, rows[i].user) && span_is(u.host, rows[i].host));
		CHECK(rows[i].text, u.port == rows[i].port && span_is(u.transport, rows[i].transport));
	}
}

static void other_schemes(void **state)
{
	static const char *const rows[] = { "tel:+4930555", "im:alice@example.com", "soap.beep://192.0.2.1:3002", "nobody:opaque" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct sip_uri u;
		CHECK(rows[i], sip_uri_parse(xfed_span_str(rows[i]), &u) == XFED_OK && !u.is_sip);
	}
}

static void bad_uris(void **state)
{
	static const char *const rows[] = { "", "example.com", "sip:", "sip:@example.com", "sip:2001:db8::10", "sip:[2001:db8::10", "sip:a@b:0",
		"sip:a@b:65536", "sip:a@b:", "sip:a@b; lr", "sip:a b@c", "sip:a@b;", "sip:a@b;x=", "sip:a%4@b", "sip:a%zz@b", "sip:a@b?",
		"sip:a@b\r\nX: y", "sip:a@b>", "sip:<a@b>", "sip:a@b..c", "sip:a@.b", "1sip:a@b", "sip:a\"@b", "tel:", "sip:\xc3\xa4@b",
		"sip:a@[1.2.3.4]" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct sip_uri u;
		CHECK(rows[i], sip_uri_parse(xfed_span_str(rows[i]), &u) == XFED_ERR_INVALID);
	}
	struct sip_uri u;
	assert_int_equal(sip_uri_parse(xfed_span_make("sip:a\0b@c", 9), &u), XFED_ERR_INVALID);
}

static void hosts(void **state)
{
	static const struct {
		const char *a, *b;
		bool equal;
	} rows[] = {
		{ "example.com", "EXAMPLE.COM", true },
		{ "example.com.", "example.com", true },
		{ "example.com", "example.org", false },
		{ "[2001:db8::1]", "2001:DB8:0::1", true },
		{ "2001:db8::1", "2001:db8::2", false },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "::ffff:192.0.2.1", false },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		CHECK(rows[i].a, sip_host_eq(xfed_span_str(rows[i].a), xfed_span_str(rows[i].b)) == rows[i].equal);
	}
	assert_true(sip_host_is_address(XFED_SPAN("[::1]")));
	assert_false(sip_host_is_address(XFED_SPAN("example.com")));
}

static void addresses(void **state)
{
	static const struct {
		const char *value, *display, *uri, *tag;
	} rows[] = {
		{ "<sip:a@b>", NULL, "sip:a@b", NULL },
		{ "sip:a@b;tag=x", NULL, "sip:a@b", "x" },
		{ "\"A. \\\"B\\\" <c>\" <sip:a@b;lr>;tag=x;y", "\"A. \\\"B\\\" <c>\"", "sip:a@b;lr", "x" },
		{ "Alice B <sip:a@b>;q=0.5;tag=t", "Alice B", "sip:a@b", "t" },
		{ "caller<sip:a@b>;tag=323", "caller", "sip:a@b", "323" },
		{ "<sip:a@b?x=y>  ;  tag  =  z", NULL, "sip:a@b?x=y", "z" },
		{ "J\xc3\xb6rg <sip:a@b>", "J\xc3\xb6rg", "sip:a@b", NULL },
		{ "<sip:a@b>;p=\"a;tag=no\";tag=yes", NULL, "sip:a@b", "yes" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct sip_addr a;
		CHECK(rows[i].value, sip_addr_parse(xfed_span_str(rows[i].value), &a) == XFED_OK);
		CHECK(rows[i].value, span_is(a.display, rows[i].display) && span_is(a.uri, rows[i].uri) && span_is(a.tag, rows[i].tag));
	}
	static const char *const bad[] = { "", "<>", "<sip:a@b", "\"x <sip:a@b>", "A, B <sip:a@b>", "<sip:a@b> x", "<sip:a@b>;;tag=x",
		"<sip:a@b>;tag=", "<sip:a@b>;tag=a;tag=b", "sip:a@b?x=y", "sip:a@b,c", "<sip:a@b>;=x", "<sip:a@b>;x=\"y", "\"a\"b <sip:a@b>" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(bad); i++) {
		struct sip_addr a;
		CHECK(bad[i], sip_addr_parse(xfed_span_str(bad[i]), &a) == XFED_ERR_INVALID);
	}
}

static void vias(void **state)
{
	static const struct {
		const char *value, *transport, *host;
		int port;
		const char *branch, *received;
		bool cookie, rport;
		int rport_value;
	} rows[] = {
		{ "SIP/2.0/UDP a.example;branch=z9hG4bKx", "UDP", "a.example", 0, "z9hG4bKx", NULL, true, false, 0 },
		{ "SIP / 2.0 / TCP [2001:db8::1] : 5070 ; rport ; branch = Z9HG4BKy", "TCP", "2001:db8::1", 5070, "Z9HG4BKy", NULL, true, true, 0 },
		{ "SIP/2.0/TLS 192.0.2.1:5061;received=[2001:db8::2];rport=1;branch=z9hG4bK", "TLS", "192.0.2.1", 5061, "z9hG4bK", "2001:db8::2",
			false, true, 1 },
		{ "SIP/2.0/UDP h;received=2001:db8::2", "UDP", "h", 0, NULL, "2001:db8::2", false, false, 0 },
		{ "SIP/7.0/UNKNOWN h;i=2;x=\"a;b\"", "UNKNOWN", "h", 0, NULL, NULL, false, false, 0 },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct sip_via v;
		CHECK(rows[i].value, sip_via_parse(xfed_span_str(rows[i].value), &v) == XFED_OK);
		CHECK(rows[i].value, span_is(v.transport, rows[i].transport) && span_is(v.host, rows[i].host) && v.port == rows[i].port);
		CHECK(rows[i].value, span_is(v.branch, rows[i].branch) && span_is(v.received, rows[i].received));
		CHECK(rows[i].value, v.has_cookie == rows[i].cookie && v.has_rport == rows[i].rport && v.rport == rows[i].rport_value);
	}
	static const char *const bad[] = { "", "SIP/2.0/UDP", "SIP/2.0/UDP ", "SIP/2.0 h", "HTTP/2.0/UDP h", "SIP/2.0/UDPh", "SIP/2.0/UDP h:0",
		"SIP/2.0/UDP h:x", "SIP/2.0/UDP [2001:db8::1", "SIP/2.0/UDP h;;,;,,", "SIP/2.0/UDP h;branch=", "SIP/2.0/UDP h;branch=a;branch=b",
		"SIP/2.0/UDP h;received=name", "SIP/2.0/UDP h;rport=99999", "SIP/2.0/UDP a b" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(bad); i++) {
		struct sip_via v;
		CHECK(bad[i], sip_via_parse(xfed_span_str(bad[i]), &v) == XFED_ERR_INVALID);
	}
}

static void small_productions(void **state)
{
	uint64_t n;
	assert_true(sip_number(XFED_SPAN("0068"), 255, &n) && n == 68);
	assert_true(sip_number(XFED_SPAN("4294967295"), UINT32_MAX, &n) && n == UINT32_MAX);
	assert_false(sip_number(XFED_SPAN("4294967296"), UINT32_MAX, &n));
	assert_false(sip_number(XFED_SPAN("36893488147419103232"), UINT64_MAX, &n));
	assert_false(sip_number(XFED_SPAN(""), 9, &n) || sip_number(XFED_SPAN("-1"), 9, &n) || sip_number(XFED_SPAN("1 "), 9, &n));
	assert_true(sip_is_call_id(XFED_SPAN("w%ZK-!.*_+'@word`~)(><:\\/\"][?}{")));
	assert_false(sip_is_call_id(XFED_SPAN("a@b@c")) || sip_is_call_id(XFED_SPAN("")) || sip_is_call_id(XFED_SPAN("a b")));
	assert_true(sip_is_utf8(XFED_SPAN("\xf0\x9f\x98\x80\xed\x9f\xbf")));
	assert_false(sip_is_utf8(XFED_SPAN("\xc0\x80")) || sip_is_utf8(XFED_SPAN("\xed\xa0\x80")) || sip_is_utf8(XFED_SPAN("\xf4\x90\x80\x80")) ||
		     sip_is_utf8(XFED_SPAN("\xe2\x82")) || sip_is_utf8(XFED_SPAN("\x80")));
}

static void lists(void **state)
{
	struct xfed_span rest = XFED_SPAN(" a, ,<b,c> , \"d,\\\"\" ;e"), element;
	static const char *const want[] = { "a", "<b,c>", "\"d,\\\"\" ;e" };
	bool bad = false;
	for (size_t i = 0; i < XFED_ARRAY_LEN(want); i++) {
		assert_true(sip_list_next(&rest, &element, &bad));
		CHECK(want[i], xfed_span_is(element, want[i]));
	}
	assert_false(sip_list_next(&rest, &element, &bad));
	assert_false(bad);
	rest = XFED_SPAN("a, \"b");
	assert_true(sip_list_next(&rest, &element, &bad));
	assert_false(sip_list_next(&rest, &element, &bad));
	assert_true(bad);
}

/* Each character at each place of a line that is longer than what is looked at in one step; in quotes, a backslash takes any. */
static void controls(void **state)
{
	enum { LEN = 27 };
	for (unsigned c = 0; c < 256; c++) {
		bool fine = (c >= 0x20 && c != 0x7f) || c == '\t' || c == '\r' || c == '\n';
		for (size_t i = 0; i < LEN; i++) {
			char line[LEN];
			memset(line, 'a', sizeof(line));
			line[i] = (char)c;
			struct xfed_span s = xfed_span_make(line, sizeof(line));
			bool is_printable = fine && c != '\r' && c != '\n';
			if (sip_scan_controls_fine(s) != fine || sip_is_printable(s) != is_printable || sip_is_utf8(s) != (c < 0x80)) {
				fail_msg("%u at %zu", c, i);
			}
		}
	}
	assert_true(sip_scan_controls_fine(XFED_SPAN("12345678 \"a quoted \\\001 character\" and so on")));
	assert_false(sip_scan_controls_fine(XFED_SPAN("12345678 \"a quoted character\" and \\\001 and so on")));
	assert_false(sip_scan_controls_fine(XFED_SPAN("12345678 \"a quoted \001 character\" and so on")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uris),
		cmocka_unit_test(other_schemes),
		cmocka_unit_test(bad_uris),
		cmocka_unit_test(hosts),
		cmocka_unit_test(addresses),
		cmocka_unit_test(vias),
		cmocka_unit_test(small_productions),
		cmocka_unit_test(lists),
		cmocka_unit_test(controls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
