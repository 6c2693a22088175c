/* RFC 7247 section 6, XEP-0106: every vector of [B2-01] to [B2-15]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "interwork/address.h"
#include "xfed/mem.h"

static struct xfed_arena arena;

static int setup(void **state)
{
	(void)state;
	xfed_arena_init(&arena, 1024 * 1024);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	xfed_arena_deinit(&arena);
	return 0;
}

struct sip_row {
	const char *name, *uri;
	const char *jid; /* NULL: refused with `why` */
	enum xfed_reason why;
};

#define UNMAPPABLE NULL, XFED_REASON_SIP_ADDRESS_UNMAPPABLE
#define SCHEME	   NULL, XFED_REASON_SIP_SCHEME_UNSUPPORTED
#define SIPS	   NULL, XFED_REASON_SIP_SIPS_REFUSED

static const struct sip_row sip_rows[] = {
	/* RFC 7247 section 6.4 */
	{ "7247 umlaut", "sip:f%C3%BC@sip.example", "f\xC3\xBC@sip.example", 0 },
	{ "7247 apostrophe", "sip:o'malley@sip.example", "o\\27malley@sip.example", 0 },
	{ "7247 gr", "sip:foo@sip.example;gr=bar", "foo@sip.example/bar", 0 },
	/* XEP-0106 section 5.2 */
	{ "XEP-0106 mail-like", "sip:here%27s_a_wild_%26_%2Fcr%25zy%2F_address@example.com",
		"here\\27s_a_wild_\\26_\\2fcr%zy\\2f_address@example.com", 0 },
	/* [B2-01]: the full set, lower-case hex */
	{ "B2-01 at", "sip:a%40b@x", "a\\40b@x", 0 },
	{ "B2-01 all ten", "sip:a%20%22%26%27%2F%3A%3C%3E%40%5C5Cz@x", "a\\20\\22\\26\\27\\2f\\3a\\3c\\3e\\40\\5c5cz@x", 0 },
	{ "B2-01 raw & ' /", "sip:a&b'c/d@x", "a\\26b\\27c\\2fd@x", 0 },
	/* [B2-02] */
	{ "B2-02 net", "sip:c%3A%5Cnet@x", "c\\3a\\net@x", 0 },
	{ "B2-02 5commas", "sip:c%3A%5C5commas@x", "c\\3a\\5c5commas@x", 0 },
	{ "B2-02 3and", "sip:%5C3and%5C2is%5C5cool@x", "\\5c3and\\2is\\5c5cool@x", 0 },
	{ "B2-02 2plus", "sip:%5C2plus%5C2is%5C4@x", "\\2plus\\2is\\4@x", 0 },
	{ "B2-02 foob41r", "sip:foob%5C41r@x", "foob\\41r@x", 0 },
	/* [B2-03] */
	{ "B2-03 leading space", "sip:%20a@x", UNMAPPABLE },
	{ "B2-03 trailing space", "sip:a%20@x", UNMAPPABLE },
	{ "B2-03 inner space", "sip:a%20b@x", "a\\20b@x", 0 },
	/* [B2-06], [B2-14] */
	{ "B2-06 im with encoded dot", "im:a%2Eb@x", "a.b@x", 0 },
	{ "B2-06 im with raw dot", "im:a.b@x", "a.b@x", 0 },
	{ "pres", "pres:juliet@example.com", "juliet@example.com", 0 },
	{ "scheme without case", "SIP:juliet@example.com", "juliet@example.com", 0 },
	/* [B2-07] */
	{ "B2-07 NUL", "sip:a%00b@x", UNMAPPABLE },
	{ "B2-07 control", "sip:a%0D%0Ab@x", UNMAPPABLE },
	{ "B2-07 delete", "sip:a%7F@x", UNMAPPABLE },
	{ "B2-07 C1 control", "sip:a%C2%85@x", UNMAPPABLE },
	{ "B2-07 not UTF-8", "sip:a%FF@x", UNMAPPABLE },
	{ "B2-07 overlong", "sip:a%C0%AF@x", UNMAPPABLE },
	{ "B2-07 percent without digits", "sip:a%4@x", UNMAPPABLE },
	{ "B2-07 percent with letters", "sip:a%zz@x", UNMAPPABLE },
	{ "B2-07 empty user", "sip:@x", UNMAPPABLE },
	{ "B2-07 empty user with password", "sip::secret@x", UNMAPPABLE },
	{ "no user is a domain", "sip:example.com", "example.com", 0 },
	{ "a domain with port and parameters", "<sip:Example.COM.:5060;transport=tcp>;tag=1", "example.com", 0 },
	{ "a domain in A-labels", "sip:xn--bcher-kva.example",
		"b\xC3\xBC"
		"cher.example",
		0 },
	{ "a domain with gr", "sip:example.com;gr=announce", "example.com/announce", 0 },
	{ "a domain of im", "im:example.com", UNMAPPABLE },
	{ "a domain of pres", "pres:example.com", UNMAPPABLE },
	{ "a domain that is none", "sip:exa_mple..com", UNMAPPABLE },
	{ "a domain and a resource", "sip:example.com/evil", UNMAPPABLE },
	{ "B2-07 tel", "tel:+15551234", SCHEME },
	{ "B2-07 password dropped", "sip:juliet:secret@example.com", "juliet@example.com", 0 },
	{ "emoji is no username", "sip:%F0%9F%98%80@x", UNMAPPABLE },
	/* [B2-08] */
	{ "B2-08 A-label", "sip:a@xn--bcher-kva.example",
		"a@b\xC3\xBC"
		"cher.example",
		0 },
	{ "B2-08 host case and final dot", "sip:a@Example.COM.", "a@example.com", 0 },
	{ "B2-08 port, parameters, headers", "sip:a@example.com:5061;transport=tls;lr?subject=x%20y", "a@example.com", 0 },
	{ "B2-08 IPv6 and port", "sip:a@[2001:DB8::1]:5060", "a@[2001:db8::1]", 0 },
	{ "B2-08 IPv4", "sip:a@192.0.2.1", "a@192.0.2.1", 0 },
	{ "header with gr is none", "sip:a@example.com?gr=x", "a@example.com", 0 },
	{ "port without digits", "sip:a@example.com:", UNMAPPABLE },
	{ "port of letters", "sip:a@example.com:sip", UNMAPPABLE },
	{ "escape in host", "sip:a@ex%61mple.com", UNMAPPABLE },
	{ "resource smuggled into host", "sip:a@example.com/evil", UNMAPPABLE },
	{ "second at", "sip:a@b@example.com", UNMAPPABLE },
	{ "empty host", "sip:a@", UNMAPPABLE },
	{ "bracket left open", "sip:a@[::1", UNMAPPABLE },
	{ "user with semicolon and question mark", "sip:alice;day=tuesday?x@atlanta.com", "alice;day=tuesday?x@atlanta.com", 0 },
	/* [B2-09]: gr inside or outside */
	{ "B2-09 inside", "<sip:juliet@example.com;gr=balcony>", "juliet@example.com/balcony", 0 },
	{ "B2-09 outside", "<sip:juliet@example.com>;gr=balcony", "juliet@example.com/balcony", 0 },
	{ "B2-09 outside, quoted, behind a tag", "<sip:juliet@example.com>;tag=1;gr=\"balcony\"", "juliet@example.com/balcony", 0 },
	{ "B2-09 inside wins", "<sip:juliet@example.com;gr=in>;gr=out", "juliet@example.com/in", 0 },
	{ "display name", "\"Juliet <sip:x@y>\" <sip:juliet@example.com>;tag=1", "juliet@example.com", 0 },
	{ "display name without quotes", "Juliet <sip:juliet@example.com>", "juliet@example.com", 0 },
	{ "angle bracket left open", "<sip:juliet@example.com", UNMAPPABLE },
	{ "gr in capitals among others", "sip:a@x;ob;GR=r;lr", "a@x/r", 0 },
	{ "gr encoded", "sip:a@x;gr=%E2%99%9A%20%2F", "a@x/\xE2\x99\x9A /", 0 },
	{ "gr urn", "sip:a@x;gr=urn:uuid:f81d4fae", "a@x/urn:uuid:f81d4fae", 0 },
	{ "gr with control", "sip:a@x;gr=a%0Ab", UNMAPPABLE },
	{ "gr not UTF-8", "sip:a@x;gr=%FF", UNMAPPABLE },
	/* [B2-10]: a temporary GRUU has gr without a value */
	{ "B2-10 temporary GRUU", "sip:asd887f9dfkk76690@example.com;gr", "asd887f9dfkk76690@example.com", 0 },
	{ "gr empty", "sip:a@x;gr=", "a@x", 0 },
	/* [B2-11], [B1-05] */
	{ "B2-11 xmpp", "xmpp:juliet@example.com", SCHEME },
	{ "B1-05 sips", "sips:juliet@example.com", SIPS },
	{ "B1-05 sips in capitals", "<SIPS:juliet@example.com>", SIPS },
	{ "no scheme", "juliet@example.com", UNMAPPABLE },
	{ "empty", "", UNMAPPABLE },
	{ "scheme only", "sip:", UNMAPPABLE },
	/* [B2-12]: case is lost, and an escape may not appear or vanish with it */
	{ "B2-12 case", "sip:Juliet@example.com", "juliet@example.com", 0 },
	{ "capital escape", "sip:%5C5Cool@x", "\\5c5cool@x", 0 },
	{ "fullwidth digits behind a backslash", "sip:a%5C%EF%BC%92%EF%BC%90b@x", "a\\5c20b@x", 0 },
	{ "combining mark behind an escape", "sip:a%3A%CC%81@x", UNMAPPABLE },
	{ "not-less-than", "sip:%3C%CC%B8@x", UNMAPPABLE },
	{ "raw blank", "sip:a b@x", UNMAPPABLE },
	{ "raw line end", "sip:a\r\nb@x", UNMAPPABLE },
	{ "line end in host", "sip:a@x\r\nVia: y", UNMAPPABLE },
};

static void from_sip(void **state)
{
	(void)state;
	int failed = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(sip_rows); i++) {
		const struct sip_row *r = &sip_rows[i];
		struct xfed_jid j;
		enum xfed_reason why = XFED_REASON_COUNT;
		int rc = iw_sip_to_jid(&arena, xfed_span_str(r->uri), &j, &why);
		if (rc != (r->jid ? XFED_OK : XFED_ERR_INVALID) || why != (r->jid ? XFED_REASON_NONE : r->why)) {
			print_error("%s: result %d, %s\n", r->name, rc, xfed_reason_code(why));
			failed++;
			continue;
		}
		struct xfed_span got = r->jid ? xfed_jid_full(&arena, &j) : xfed_span_make("", 0);
		if (r->jid && !xfed_span_is(got, r->jid)) {
			print_error("%s: '%.*s', expected '%s'\n", r->name, (int)got.len, got.data, r->jid);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

struct jid_row {
	const char *name, *jid;
	enum iw_scheme scheme;
	bool with_gr;
	const char *uri; /* NULL: refused */
};

static const struct jid_row jid_rows[] = {
	/* RFC 7247 section 6.5 */
	{ "7247 ampersand", "m\\26m@xmpp.example", IW_SCHEME_SIP, false, "sip:m&m@xmpp.example" },
	{ "7247 umlaut", "tsch\xC3\xBCss@xmpp.example", IW_SCHEME_SIP, false, "sip:tsch%C3%BCss@xmpp.example" },
	{ "7247 resource", "baz@xmpp.example/qux", IW_SCHEME_SIP, true, "sip:baz@xmpp.example;gr=qux" },
	{ "B2-15 resource not asked for", "baz@xmpp.example/qux", IW_SCHEME_SIP, false, "sip:baz@xmpp.example" },
	{ "7247 back", "o\\27malley@sip.example", IW_SCHEME_SIP, false, "sip:o'malley@sip.example" },
	/* table 1: what a sip user may hold raw, and what not */
	{ "raw in sip", "!$()*+,-.;=?_~a1@x", IW_SCHEME_SIP, false, "sip:!$()*+,-.;=?_~a1@x" },
	{ "encoded in sip", "#%[\\]^`{|}@x", IW_SCHEME_SIP, false, "sip:%23%25%5B%5C%5D%5E%60%7B%7C%7D@x" },
	{ "raw in im", "!#$*+-=?^_`{|}~@x", IW_SCHEME_IM, false, "im:!#$*+-=?^_`{|}~@x" },
	{ "encoded in im", "%(),.;[\\]@x", IW_SCHEME_IM, false, "im:%25%28%29%2C%2E%3B%5B%5C%5D@x" },
	{ "pres has no gr", "a@x/r", IW_SCHEME_PRES, true, "pres:a@x" },
	/* [B2-05] */
	{ "B2-05 all escapes", "a\\20\\22\\26\\27\\2f\\3a\\3c\\3e\\40b@x", IW_SCHEME_SIP, false, "sip:a%20%22&'/%3A%3C%3E%40b@x" },
	{ "B2-05 backslash", "c\\3a\\5c5commas@x", IW_SCHEME_SIP, false, "sip:c%3A%5C5commas@x" },
	{ "not canonical: \\5c without need", "\\5cfoo@x", IW_SCHEME_SIP, false, NULL },
	{ "not canonical: leading space", "\\20foo@x", IW_SCHEME_SIP, false, NULL },
	{ "not canonical: trailing space", "foo\\20@x", IW_SCHEME_SIP, false, NULL },
	{ "unescaping would compose", "\\3c\xCC\xB8@x", IW_SCHEME_SIP, false, NULL },
	{ "domain alone", "example.com", IW_SCHEME_SIP, false, "sip:example.com" },
	{ "domain and resource", "example.com/a b", IW_SCHEME_SIP, true, "sip:example.com;gr=a%20b" },
	{ "domain and resource not asked for", "example.com/a", IW_SCHEME_SIP, false, "sip:example.com" },
	{ "domain alone in im", "example.com", IW_SCHEME_IM, false, NULL },
	{ "domain alone in pres", "example.com", IW_SCHEME_PRES, false, NULL },
	{ "B2-08 U-label",
		"a@b\xC3\xBC"
		"cher.example",
		IW_SCHEME_SIP, false, "sip:a@xn--bcher-kva.example" },
	{ "IPv6", "a@[2001:db8::1]", IW_SCHEME_SIP, false, "sip:a@[2001:db8::1]" },
	{ "gr encoded", "a@x/\xE2\x99\x9A ;=?\"<>@,/", IW_SCHEME_SIP, true, "sip:a@x;gr=%E2%99%9A%20%3B%3D%3F%22%3C%3E%40%2C/" },
};

static void to_sip(void **state)
{
	(void)state;
	int failed = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(jid_rows); i++) {
		const struct jid_row *r = &jid_rows[i];
		const struct iw_address_options o = { .scheme = r->scheme, .with_gr = r->with_gr };
		struct xfed_jid j;
		struct xfed_span uri = { NULL, 0 };
		assert_int_equal(xfed_jid_parse(&arena, xfed_span_str(r->jid), &j), XFED_OK);
		int rc = iw_jid_to_sip(&arena, &j, &o, &uri);
		if (rc != (r->uri ? XFED_OK : XFED_ERR_INVALID) || (r->uri && !xfed_span_is(uri, r->uri))) {
			print_error("%s: result %d, '%.*s'\n", r->name, rc, (int)uri.len, uri.data ? uri.data : "");
			failed++;
		}
	}
	assert_int_equal(failed, 0);
	struct xfed_jid j;
	struct xfed_span uri;
	assert_int_equal(xfed_jid_parse(&arena, XFED_SPAN("a@x/r"), &j), XFED_OK);
	assert_int_equal(iw_jid_to_sip(&arena, &j, NULL, &uri), XFED_OK);
	assert_true(xfed_span_is(uri, "sip:a@x"));
}

/* [B2-05]: whatever maps, maps back to the same JID; each byte stands in a localpart as itself or as an escape, and in a gr. */
static void there_and_back(void **state)
{
	(void)state;
	static const struct iw_address_options with_gr = { .with_gr = true };
	int mapped = 0;
	for (int c = 0x20; c < 0x7F; c++) {
		for (int d = 0x20; d < 0x7F; d++) {
			struct xfed_jid j = { 0 }, back;
			struct xfed_span uri;
			enum xfed_reason why;
			xfed_arena_reset(&arena);
			const char text[6] = { (char)c, (char)d, '2', '0', (char)c, 'z' };
			if (xfed_jid_local_from_text(&arena, xfed_span_make(text, 6), &j.local) != XFED_OK) {
				assert_int_equal(c, ' ');
				continue;
			}
			j.domain = XFED_SPAN("example.com");
			j.resource = xfed_span_make(text, 2);
			assert_int_equal(iw_jid_to_sip(&arena, &j, &with_gr, &uri), XFED_OK);
			assert_int_equal(iw_sip_to_jid(&arena, uri, &back, &why), XFED_OK);
			assert_true(xfed_jid_equal_bare(&j, &back) && xfed_span_eq(j.resource, back.resource));
			mapped++;
		}
	}
	assert_int_equal(mapped, 94 * 95); /* all but those with a leading space */
}

/* RFC 5122, for <gone/> and <redirect/>: what maps comes back; what is no such address is refused. */
static void xmpp_uris(void **state)
{
	(void)state;
	static const struct {
		const char *uri, *jid, *back; /* jid NULL: refused; back NULL: as it was */
	} rows[] = {
		{ "xmpp:romeo@example.net", "romeo@example.net", NULL },
		{ "XMPP:romeo@EXAMPLE.net/orchard?message;body=x#y", "romeo@example.net", "xmpp:romeo@example.net" },
		{ "  xmpp:o%5C27brien@example.net\n", NULL, NULL },
		{ "xmpp:o%5C27brien@example.net", "o\\27brien@example.net", NULL },
		{ "xmpp:tr%C3%A4umer@xn--bcher-kva.example",
			"tr\xC3\xA4umer@b\xC3\xBC"
			"cher.example",
			NULL },
		{ "xmpp:a%2Fb@example.net", NULL, NULL },
		{ "xmpp:a%00b@example.net", NULL, NULL },
		{ "xmpp:a%zz@example.net", NULL, NULL },
		{ "xmpp://guest@example.com/support@example.net", NULL, NULL },
		{ "xmpp:example.net", NULL, NULL },
		{ "xmpp:", NULL, NULL },
		{ "", NULL, NULL },
		{ "sip:romeo@example.net", NULL, NULL },
		{ "romeo@example.net", NULL, NULL },
		{ "xmpp:romeo@example.net>\r\nVia: x", NULL, NULL },
	};
	int failed = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_jid j;
		struct xfed_span full, uri = { NULL, 0 };
		xfed_arena_reset(&arena);
		int rc = iw_xmpp_uri_to_jid(&arena, xfed_span_str(rows[i].uri), &j);
		bool is_right = rc == (rows[i].jid ? XFED_OK : XFED_ERR_INVALID);
		if (rc == XFED_OK && rows[i].jid) {
			full = xfed_jid_full(&arena, &j);
			is_right = xfed_span_is(full, rows[i].jid) && iw_jid_to_xmpp_uri(&arena, &j, &uri) == XFED_OK &&
				   xfed_span_is(uri, rows[i].back ? rows[i].back : rows[i].uri);
		}
		if (!is_right) {
			print_error("%s: %d, back %.*s\n", rows[i].uri, rc, (int)uri.len, uri.data ? uri.data : "");
			failed++;
		}
	}
	assert_int_equal(failed, 0);
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
	static const struct iw_address_options with_gr = { .with_gr = true };
	xfed_mem_set_hooks(&hooks);
	int rc = XFED_ERR_NOMEM;
	for (size_t allowed = 0; rc != XFED_OK; allowed++) {
		struct xfed_arena a;
		struct xfed_jid j;
		struct xfed_span uri;
		enum xfed_reason why = XFED_REASON_COUNT;
		xfed_arena_init(&a, 1024 * 1024);
		left = allowed;
		rc = iw_sip_to_jid(&a, xfed_span_str("sip:F%C3%9C%40@xn--bcher-kva.example;gr=%E2%99%9A"), &j, &why);
		assert_int_equal(why, XFED_REASON_NONE);
		if (rc == XFED_OK) {
			rc = iw_jid_to_sip(&a, &j, &with_gr, &uri);
		}
		if (rc == XFED_OK) {
			rc = iw_jid_to_xmpp_uri(&a, &j, &uri);
		}
		if (rc == XFED_OK) {
			rc = iw_xmpp_uri_to_jid(&a, uri, &j);
		}
		xfed_arena_deinit(&a);
		assert_true(rc == XFED_OK || rc == XFED_ERR_NOMEM);
		assert_true(allowed < 100);
	}
	xfed_mem_set_hooks(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(from_sip, setup, teardown),
		cmocka_unit_test_setup_teardown(to_sip, setup, teardown),
		cmocka_unit_test_setup_teardown(there_and_back, setup, teardown),
		cmocka_unit_test_setup_teardown(xmpp_uris, setup, teardown),
		cmocka_unit_test(allocation_sweep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
