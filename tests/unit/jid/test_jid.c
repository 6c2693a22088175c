/* RFC 7622, RFC 8264/8265, RFC 5893, XEP-0106: [A10-20] to [A10-24], [B2-02], [B2-03]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "jid/internal.h"
#include "xfed/jid.h"
#include "xfed/limits.h"
#include "xfed/mem.h"

#define CAP (1024 * 1024)

static struct xfed_arena arena;

static int setup(void **state)
{
	(void)state;
	xfed_arena_init(&arena, CAP);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	xfed_arena_deinit(&arena);
	return 0;
}

static struct xfed_span span(const char *s)
{
	return xfed_span_str(s);
}

static bool is_same(struct xfed_span got, const char *want)
{
	return want ? got.data && xfed_span_is(got, want) : got.data == NULL;
}

static void show(const char *row, const char *what, struct xfed_span got, const char *want)
{
	print_error("%s: %s is '%.*s', expected '%s'\n", row, what, (int)got.len, got.data ? got.data : "(none)", want ? want : "(none)");
}

struct jid_row {
	const char *name, *in;
	const char *local, *domain, *resource; /* domain NULL: to be refused */
};

/* clang-format off */
static const struct jid_row jid_rows[] = {
	/* RFC 7622 section 3.5, table 1: legal */
	{ "7622 1", "juliet@example.com", "juliet", "example.com", NULL },
	{ "7622 2", "juliet@example.com/foo", "juliet", "example.com", "foo" },
	{ "7622 3", "juliet@example.com/foo bar", "juliet", "example.com", "foo bar" },
	{ "7622 4", "juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar" },
	{ "7622 5", "foo\\20bar@example.com", "foo\\20bar", "example.com", NULL },
	{ "7622 6", "fussball@example.com", "fussball", "example.com", NULL },
	{ "7622 7", "fu\xC3\x9F" "ball@example.com", "fu\xC3\x9F" "ball", "example.com", NULL },
	{ "7622 8", "\xCF\x80@example.com", "\xCF\x80", "example.com", NULL },
	{ "7622 9 capital sigma", "\xCE\xA3@example.com/foo", "\xCF\x83", "example.com", "foo" },
	{ "7622 10 sigma", "\xCF\x83@example.com/foo", "\xCF\x83", "example.com", "foo" },
	{ "7622 11 final sigma", "\xCF\x82@example.com/foo", "\xCF\x82", "example.com", "foo" },
	{ "7622 12", "king@example.com/\xE2\x99\x9A", "king", "example.com", "\xE2\x99\x9A" },
	{ "7622 13", "example.com", NULL, "example.com", NULL },
	{ "7622 14", "example.com/foobar", NULL, "example.com", "foobar" },
	{ "7622 15", "a.example.com/b@example.net", NULL, "a.example.com", "b@example.net" },
	/* table 2: illegal; "leading space" is accepted here by decision, [A10-24] */
	{ "7622 16 quotation marks", "\"juliet\"@example.com", NULL, NULL, NULL },
	{ "7622 17 space in localpart", "foo bar@example.com", NULL, NULL, NULL },
	{ "7622 18 leading space in resource", "juliet@example.com/ foo", "juliet", "example.com", " foo" },
	{ "7622 19", "@example.com/", NULL, NULL, NULL },
	{ "7622 20 roman numeral four", "henry\xE2\x85\xA3@example.com", NULL, NULL, NULL },
	{ "7622 21 chess king", "\xE2\x99\x9A@example.com", NULL, NULL, NULL },
	{ "7622 22", "juliet@", NULL, NULL, NULL },
	{ "7622 23", "/foobar", NULL, NULL, NULL },

	/* cutting, [A10-20] */
	{ "first slash wins", "a/b@c/d", NULL, "a", "b@c/d" },
	{ "second at belongs to the domain", "a@b@c", NULL, NULL, NULL },
	{ "empty", "", NULL, NULL, NULL },
	{ "only at", "@", NULL, NULL, NULL },
	{ "only slash", "/", NULL, NULL, NULL },
	{ "empty localpart", "@example.com", NULL, NULL, NULL },
	{ "empty resource", "a@example.com/", NULL, NULL, NULL },
	{ "trailing space in resource", "a@b/c ", "a", "b", "c " },

	/* localpart, [A10-21] */
	{ "ASCII lower case", "JuLiEt@EXAMPLE.com/Foo", "juliet", "example.com", "Foo" },
	{ "excluded &", "a&b@c", NULL, NULL, NULL },
	{ "excluded '", "a'b@c", NULL, NULL, NULL },
	{ "excluded :", "a:b@c", NULL, NULL, NULL },
	{ "excluded <", "a<b@c", NULL, NULL, NULL },
	{ "excluded >", "a>b@c", NULL, NULL, NULL },
	{ "control", "a\x01" "b@c", NULL, NULL, NULL },
	{ "delete", "a\x7F" "b@c", NULL, NULL, NULL },
	{ "all else of ASCII", "!#$%()*+,-.;=?[\\]^_`{|}~@c", "!#$%()*+,-.;=?[\\]^_`{|}~", "c", NULL },
	{ "fullwidth letters", "\xEF\xBC\xAA\xEF\xBD\x95@c", "ju", "c", NULL },
	{ "fullwidth at", "a\xEF\xBC\xA0" "b@c", NULL, NULL, NULL },
	{ "fullwidth solidus", "a\xEF\xBC\x8F" "b@c", NULL, NULL, NULL },
	{ "fullwidth quotation mark", "a\xEF\xBC\x82@c", NULL, NULL, NULL },
	{ "ideographic space", "a\xE3\x80\x80" "b@c", NULL, NULL, NULL },
	{ "halfwidth katakana with voice mark", "\xEF\xBD\xB6\xEF\xBE\x9E@c", "\xE3\x82\xAC", "c", NULL },
	{ "NFC", "u\xCC\x88@c", "\xC3\xBC", "c", NULL },
	{ "upper case umlaut", "\xC3\x9C@c", "\xC3\xBC", "c", NULL },
	{ "I with dot", "\xC4\xB0@c", "i\xCC\x87", "c", NULL },
	{ "titlecase digraph has a compatibility form", "\xC7\x85@c", NULL, NULL, NULL },
	{ "word with capital final sigma", "\xCE\x91\xCE\xA3@c", "\xCE\xB1\xCF\x83", "c", NULL },
	{ "no-break space", "a\xC2\xA0" "b@c", NULL, NULL, NULL },
	{ "soft hyphen", "a\xC2\xAD" "b@c", NULL, NULL, NULL },
	{ "C1 control", "a\xC2\x85@c", NULL, NULL, NULL },
	{ "old hangul jamo", "\xE1\x84\x80@c", NULL, NULL, NULL },
	{ "hangul syllable", "\xEA\xB0\x80@c", "\xEA\xB0\x80", "c", NULL },
	{ "private use", "\xEE\x80\x80@c", NULL, NULL, NULL },
	{ "noncharacter", "\xEF\xBF\xBF@c", NULL, NULL, NULL },
	{ "unassigned", "\xCD\xB8@c", NULL, NULL, NULL },
	{ "emoji", "\xF0\x9F\x98\x80@c", NULL, NULL, NULL },
	{ "tatweel", "\xD8\xA8\xD9\x80@c", NULL, NULL, NULL },

	/* contextual rules, RFC 5892 appendix A */
	{ "A.1 ZWNJ behind virama", "\xE0\xA4\x95\xE0\xA5\x8D\xE2\x80\x8C\xE0\xA4\xB7@c", "\xE0\xA4\x95\xE0\xA5\x8D\xE2\x80\x8C\xE0\xA4\xB7", "c", NULL },
	{ "A.1 ZWNJ between joining letters", "\xD8\xA8\xE2\x80\x8C\xD8\xA8@c", "\xD8\xA8\xE2\x80\x8C\xD8\xA8", "c", NULL },
	{ "A.1 ZWNJ behind a letter that joins to the right only", "\xD8\xA7\xE2\x80\x8C\xD8\xA8@c", NULL, NULL, NULL },
	{ "A.1 ZWNJ in ASCII", "a\xE2\x80\x8C" "b@c", NULL, NULL, NULL },
	{ "A.1 ZWNJ alone", "\xE2\x80\x8C@c", NULL, NULL, NULL },
	{ "A.2 ZWJ behind virama", "\xE0\xA4\x95\xE0\xA5\x8D\xE2\x80\x8D@c", "\xE0\xA4\x95\xE0\xA5\x8D\xE2\x80\x8D", "c", NULL },
	{ "A.2 ZWJ in ASCII", "a\xE2\x80\x8D" "b@c", NULL, NULL, NULL },
	{ "A.3 middle dot between l", "al\xC2\xB7la@c", "al\xC2\xB7la", "c", NULL },
	{ "A.3 middle dot elsewhere", "a\xC2\xB7" "b@c", NULL, NULL, NULL },
	{ "A.4 keraia before Greek", "\xCD\xB5\xCE\xB1@c", "\xCD\xB5\xCE\xB1", "c", NULL },
	{ "A.4 keraia before Latin", "\xCD\xB5" "a@c", NULL, NULL, NULL },
	{ "A.5 geresh behind Hebrew", "\xD7\x90\xD7\xB3@c", "\xD7\x90\xD7\xB3", "c", NULL },
	{ "A.6 gershayim behind nothing", "\xD7\xB4\xD7\x90@c", NULL, NULL, NULL },
	{ "A.7 katakana middle dot with kana", "\xE3\x83\xBB\xE3\x82\xA2@c", "\xE3\x83\xBB\xE3\x82\xA2", "c", NULL },
	{ "A.7 katakana middle dot in ASCII", "\xE3\x83\xBB" "a@c", NULL, NULL, NULL },
	{ "A.8 Arabic-Indic digits", "\xD8\xA8\xD9\xA1\xD9\xA2@c", "\xD8\xA8\xD9\xA1\xD9\xA2", "c", NULL },
	{ "A.8 mixed with extended ones", "\xD8\xA8\xD9\xA1\xDB\xB1@c", NULL, NULL, NULL },

	/* Bidi rule, RFC 5893 section 2 */
	{ "Hebrew", "\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D@c", "\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D", "c", NULL },
	{ "Hebrew with a digit behind", "\xD7\xA9" "1@c", "\xD7\xA9" "1", "c", NULL },
	{ "bidi 1: digit before Hebrew", "1\xD7\xA9@c", NULL, NULL, NULL },
	{ "bidi 2: Latin in Hebrew", "\xD7\xA9" "a\xD7\xA9@c", NULL, NULL, NULL },
	{ "bidi 3: punctuation at the end", "\xD7\xA9-@c", NULL, NULL, NULL },
	{ "bidi 3: marks behind the last letter", "\xD7\xA9\xD6\xB8@c", "\xD7\xA9\xD6\xB8", "c", NULL },
	{ "bidi 4: both kinds of digits", "\xD8\xA8" "1\xD9\xA1@c", NULL, NULL, NULL },
	{ "bidi 5: Hebrew in Latin", "a\xD7\xA9@c", NULL, NULL, NULL },
	{ "no right-to-left: no rule", "1\xC3\xA4-@c", "1\xC3\xA4-", "c", NULL },

	/* resource: OpaqueString */
	{ "case is kept", "c/\xC3\x84" "B", NULL, "c", "\xC3\x84" "B" },
	{ "no-break space becomes space", "c/a\xC2\xA0" "b", NULL, "c", "a b" },
	{ "ideographic space becomes space", "c/\xE3\x80\x80", NULL, "c", " " },
	{ "no width mapping", "c/\xEF\xBC\xA1", NULL, "c", "\xEF\xBC\xA1" },
	{ "resource NFC", "c/u\xCC\x88", NULL, "c", "\xC3\xBC" },
	{ "resource emoji", "c/\xF0\x9F\x98\x80", NULL, "c", "\xF0\x9F\x98\x80" },
	{ "resource emoji with ZWJ has no virama", "c/\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB", NULL, NULL, NULL },
	{ "resource with direction mixed", "c/a\xD7\xA9" "1", NULL, "c", "a\xD7\xA9" "1" },
	{ "resource tab", "c/a\tb", NULL, NULL, NULL },
	{ "resource line end", "c/a\nb", NULL, NULL, NULL },
	{ "resource delete", "c/\x7F", NULL, NULL, NULL },

	/* UTF-8 */
	{ "overlong slash", "a\xC0\xAF" "b@c", NULL, NULL, NULL },
	{ "surrogate", "a@c/\xED\xA0\x80", NULL, NULL, NULL },
	{ "above U+10FFFF", "a@c/\xF4\x90\x80\x80", NULL, NULL, NULL },
	{ "cut off", "a@c/\xE2\x82", NULL, NULL, NULL },
	{ "stray continuation in domain", "a@c\x80", NULL, NULL, NULL },
};
/* clang-format on */

static void jids(void **state)
{
	(void)state;
	int failed = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(jid_rows); i++) {
		const struct jid_row *r = &jid_rows[i];
		struct xfed_jid j = { 0 };
		xfed_arena_reset(&arena);
		int rc = xfed_jid_parse(&arena, span(r->in), &j);
		if (rc != (r->domain ? XFED_OK : XFED_ERR_INVALID)) {
			print_error("%s: result %d\n", r->name, rc);
			failed++;
		} else if (r->domain && (!is_same(j.local, r->local) || !is_same(j.domain, r->domain) || !is_same(j.resource, r->resource))) {
			show(r->name, "localpart", j.local, r->local);
			show(r->name, "domain", j.domain, r->domain);
			show(r->name, "resource", j.resource, r->resource);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

struct pair {
	const char *name, *in, *out; /* out NULL: refused */
};

#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* clang-format off */
static const struct pair domain_rows[] = {
	{ "plain", "Example.COM", "example.com" },
	{ "trailing dot", "example.com.", "example.com" },
	{ "two trailing dots", "example.com..", NULL },
	{ "only a dot", ".", NULL },
	{ "leading dot", ".example.com", NULL },
	{ "empty label", "a..b", NULL },
	{ "label of 63", L63 ".c", L63 ".c" },
	{ "label of 64", L63 "a.c", NULL },
	{ "hyphen first", "-a.c", NULL },
	{ "hyphen last", "a-.c", NULL },
	{ "hyphens at 3 and 4 in ASCII", "r3---sn.c", "r3---sn.c" },
	{ "underscore", "_xmpp.c", NULL },
	{ "space", "a b", NULL },
	{ "percent", "a%2eb", NULL },
	{ "with localpart", "a@example.com", NULL },
	{ "with resource", "example.com/x", NULL },
	{ "port", "example.com:5269", NULL },
	{ "IPv4", "192.0.2.1", "192.0.2.1" },
	{ "IPv4 with final dot", "192.0.2.1.", "192.0.2.1" },
	{ "IPv4 out of range", "192.0.2.256", NULL },
	{ "IPv4 with leading zero", "192.0.02.1", NULL },
	{ "three numbers", "192.0.2", NULL },
	{ "one number", "127", NULL },
	{ "number inside", "1.2.example", "1.2.example" },
	{ "IPv6", "[2001:db8::1]", "[2001:db8::1]" },
	{ "IPv6 canonical", "[2001:0DB8:0:0:0:0:0:1]", "[2001:db8::1]" },
	{ "IPv6 longer when canonical", "[::1:1]", "[::0.1.0.1]" },
	{ "IPv6 without brackets", "2001:db8::1", NULL },
	{ "IPv6 zone", "[fe80::1%eth0]", NULL },
	{ "IPv6 garbage behind", "[::1]x", NULL },
	{ "IPv6 open", "[::1", NULL },
	{ "brackets only", "[]", NULL },
	{ "IPv4 in brackets", "[192.0.2.1]", NULL },
	{ "U-label", "b\xC3\xBC" "cher.example", "b\xC3\xBC" "cher.example" },
	{ "U-label in capitals", "B\xC3\x9C" "CHER.Example", "b\xC3\xBC" "cher.example" },
	{ "U-label decomposed", "bu\xCC\x88" "cher.example", "b\xC3\xBC" "cher.example" },
	{ "A-label", "xn--bcher-kva.example", "b\xC3\xBC" "cher.example" },
	{ "A-label in capitals", "XN--BCHER-KVA.example", "b\xC3\xBC" "cher.example" },
	{ "sharp s stays", "fa\xC3\x9F.example", "fa\xC3\x9F.example" },
	{ "sharp s as A-label", "xn--fa-hia.example", "fa\xC3\x9F.example" },
	{ "A-label of nothing", "xn--.example", NULL },
	{ "A-label that does not decode", "xn--99zzzz.example", NULL },
	{ "A-label of ASCII", "xn--ab-.example", NULL },
	{ "A-label of a heart", "xn--i-7iq.ws", NULL },
	{ "A-label of a control", "xn--a.example", NULL },
	{ "heart", "i\xE2\x9D\xA4.ws", NULL },
	{ "fullwidth", "\xEF\xBD\x85\xEF\xBD\x98.example", "ex.example" },
	{ "fullwidth full stop", "a\xEF\xBC\x8E" "b", "a.b" },
	{ "ideographic full stop", "a\xE3\x80\x82" "b", "a.b" },
	{ "halfwidth ideographic full stop", "a\xEF\xBD\xA1" "b", "a.b" },
	{ "ideographic full stop at the end", "a.b\xE3\x80\x82", "a.b" },
	{ "fullwidth solidus", "a\xEF\xBC\x8F" "b", NULL },
	{ "fullwidth IPv4", "\xEF\xBC\x91" ".2.3.4", "1.2.3.4" },
	{ "fullwidth false address", "\xEF\xBC\x91" ".2.3.999", NULL },
	{ "U-label under a number", "\xC3\xBC.123", NULL },
	{ "middle dot between l", "l\xC2\xB7l.example", "l\xC2\xB7l.example" },
	{ "middle dot elsewhere (lookup would let it pass)", "a\xC2\xB7" "b.example", NULL },
	{ "Hebrew", "\xD7\xA9\xD7\x9C.example", "\xD7\xA9\xD7\x9C.example" },
	{ "Hebrew beside a label that begins with a digit", "\xD7\xA9\xD7\x9C.3com", NULL },
	{ "Cherokee: capitals are the valid ones", "\xE1\x8F\xAB.example", "\xE1\x8F\xAB.example" },
	{ "Cherokee small letter", "\xEA\xAE\xBB.example", "\xE1\x8F\xAB.example" },
	{ "Cherokee A-label", "xn--bce.example", "\xE1\x8F\xAB.example" },
	{ "zero width joiner", "a\xE2\x80\x8D" "b", NULL },
	{ "hyphens at 3 and 4 in a U-label", "ab--\xC3\xBC.example", NULL },
	{ "not UTF-8", "a\xFF.example", NULL },
};
/* clang-format on */

static void domains(void **state)
{
	(void)state;
	int failed = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(domain_rows); i++) {
		const struct pair *r = &domain_rows[i];
		struct xfed_span out = { NULL, 0 };
		xfed_arena_reset(&arena);
		int rc = xfed_jid_domain(&arena, span(r->in), &out);
		if (rc != (r->out ? XFED_OK : XFED_ERR_INVALID) || !is_same(out, r->out)) {
			print_error("%s: result %d\n", r->name, rc);
			show(r->name, "domain", out, r->out);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

static const struct pair ascii_rows[] = {
	{ "ASCII", "example.com", "example.com" },
	{ "U-label",
		"b\xC3\xBC"
		"cher.example",
		"xn--bcher-kva.example" },
	{ "sharp s", "fa\xC3\x9F.example", "xn--fa-hia.example" },
	{ "two labels", "\xE3\x81\x82.\xE3\x81\x84", "xn--l8j.xn--n8j" },
	{ "IPv4", "192.0.2.1", "192.0.2.1" },
	{ "IPv6", "[2001:db8::1]", "[2001:db8::1]" },
	{ "253 octets",
		L63 "." L63 "." L63 "."
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		L63 "." L63 "." L63 "."
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
	{ "254 octets",
		L63 "." L63 "." L63 "."
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		NULL },
	{ "empty", "", NULL },
};

static void ascii_domains(void **state)
{
	(void)state;
	int failed = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(ascii_rows); i++) {
		const struct pair *r = &ascii_rows[i];
		struct xfed_span out = { NULL, 0 };
		int rc = xfed_jid_domain_ascii(&arena, span(r->in), &out);
		if (rc != (r->out ? XFED_OK : XFED_ERR_INVALID) || !is_same(out, r->out)) {
			print_error("%s: result %d\n", r->name, rc);
			show(r->name, "A-labels", out, r->out);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

/* clang-format off */
static const struct pair escape_rows[] = {
	/* XEP-0106 sections 4 and 5 */
	{ "space", "space cadet", "space\\20cadet" },
	{ "quotes", "call me \"ishmael\"", "call\\20me\\20\\22ishmael\\22" },
	{ "ampersand", "at&t guy", "at\\26t\\20guy" },
	{ "apostrophe", "d'artagnan", "d\\27artagnan" },
	{ "solidus", "/.fanboy", "\\2f.fanboy" },
	{ "colons", "::foo::", "\\3a\\3afoo\\3a\\3a" },
	{ "angle brackets", "<foo>", "\\3cfoo\\3e" },
	{ "at", "user@host", "user\\40host" },
	{ "backslash alone", "c:\\net", "c\\3a\\net" },
	{ "two backslashes", "c:\\\\net", "c\\3a\\\\net" },
	{ "backslash before text", "c:\\cool stuff", "c\\3a\\cool\\20stuff" },
	{ "backslash that reads as an escape", "c:\\5commas", "c\\3a\\5c5commas" },
	{ "two that read as escapes", "\\3and\\2is\\5cool", "\\5c3and\\2is\\5c5cool" },
	{ "unchanged 1", "\\2plus\\2is\\4", "\\2plus\\2is\\4" },
	{ "unchanged 2", "foo\\bar", "foo\\bar" },
	{ "unchanged 3", "foob\\41r", "foob\\41r" },
	{ "mail address", "here's_a_wild_&_/cr%zy/_address", "here\\27s_a_wild_\\26_\\2fcr%zy\\2f_address" },
	{ "capital that lower case would make an escape", "\\5Cool", "\\5c5Cool" },
	{ "leading space", " a", NULL },
	{ "trailing space", "a ", NULL },
};
/* clang-format on */

static void escapes(void **state)
{
	(void)state;
	int failed = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(escape_rows); i++) {
		const struct pair *r = &escape_rows[i];
		struct xfed_span out = { NULL, 0 }, back = { NULL, 0 };
		int rc = xfed_jid_escape(&arena, span(r->in), &out);
		if (rc != (r->out ? XFED_OK : XFED_ERR_INVALID) || !is_same(out, r->out)) {
			show(r->name, "escaped", out, r->out);
			failed++;
		} else if (r->out && (xfed_jid_unescape(&arena, out, &back) != XFED_OK || !is_same(back, r->in))) {
			show(r->name, "unescaped", back, r->in);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

/* clang-format off */
static const struct pair text_rows[] = {
	{ "plain", "Juliet", "juliet" },
	{ "apostrophe", "O'Malley", "o\\27malley" },
	{ "umlaut", "F\xC3\x9C", "f\xC3\xBC" },
	{ "umlaut and at", "\xC3\xBC@b", "\xC3\xBC\\40b" },
	{ "capital in an escape", "\\5Cool", "\\5c5cool" },
	{ "fullwidth digits behind a backslash", "a\\\xEF\xBC\x92\xEF\xBC\x90" "b", "a\\5c20b" },
	{ "fullwidth at", "a\xEF\xBC\xA0", "a\\40" },
	{ "fullwidth space at the end", "a\xE3\x80\x80", NULL },
	{ "combining mark behind an escape", "a:\xCC\x81", NULL },
	{ "empty", "", NULL },
	{ "NUL", NULL, NULL },
	{ "control", "a\rb", NULL },
	{ "emoji", "\xF0\x9F\x98\x80", NULL },
	{ "not UTF-8", "\xFF", NULL },
	{ "space", " ", NULL },
};
/* clang-format on */

static void texts(void **state)
{
	(void)state;
	int failed = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(text_rows); i++) {
		const struct pair *r = &text_rows[i];
		struct xfed_span out = { NULL, 0 };
		struct xfed_span in = r->in ? span(r->in) : xfed_span_make("a\0b", 3);
		int rc = xfed_jid_local_from_text(&arena, in, &out);
		if (rc != (r->out ? XFED_OK : XFED_ERR_INVALID) || !is_same(out, r->out)) {
			print_error("%s: result %d\n", r->name, rc);
			show(r->name, "localpart", out, r->out);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

/* [A10-20]: 1023 octets a part after normalisation, in both paths. */
static void lengths(void **state)
{
	(void)state;
	enum { MAX = XFED_JID_PART_BYTES };
	static char text[3 * (MAX + 1) + 16];
	struct xfed_jid j;
	struct {
		const char *name, *unit, *tail;
		size_t count;
		bool before; /* the long part comes first */
		bool ok;
	} rows[] = {
		{ "localpart 1023", "a", "@c", MAX, true, true },
		{ "localpart 1024", "a", "@c", MAX + 1, true, false },
		{ "resource 1023", "a", "c/", MAX, false, true },
		{ "resource 1024", "a", "c/", MAX + 1, false, false },
		{ "fullwidth localpart 1023 when mapped", "\xEF\xBD\x81", "@c", MAX, true, true },
		{ "fullwidth localpart 1024 when mapped", "\xEF\xBD\x81", "@c", MAX + 1, true, false },
		{ "umlauts 1022", "\xC3\xBC", "@c", MAX / 2, true, true },
		{ "umlauts 1024", "\xC3\xBC", "@c", MAX / 2 + 1, true, false },
		{ "domain 253", "a.", "a@", 127, false, true }, /* the last dot does not count */
		{ "domain 255", "a.", "a@", 128, false, false },
		{ "domain 1023", "aaa.", "a@", 256, false, false },
		{ "domain of 247 as A-labels", "\xC3\xBC.", "a@", 31, false, true },
		{ "domain of 255 as A-labels", "\xC3\xBC.", "a@", 32, false, false },
		{ "domain of A-labels, 247", "xn--tda.", "a@", 31, false, true },
		{ "domain of A-labels, 255", "xn--tda.", "a@", 32, false, false },
		{ "domain of ideographic dots", "a\xE3\x80\x82", "a@", 127, false, true },
		{ "label of 63 points that is not ASCII", "\xC3\xBC", "a@", 63, false, false },
		{ "label of 50 points that is not ASCII", "\xC3\xBC", "a@", 50, false, true },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		size_t unit = strlen(rows[i].unit), n = 0;
		if (!rows[i].before) {
			n = (size_t)snprintf(text, sizeof(text), "%s", rows[i].tail);
		}
		for (size_t k = 0; k < rows[i].count; k++, n += unit) {
			memcpy(text + n, rows[i].unit, unit);
		}
		if (rows[i].before) {
			memcpy(text + n, rows[i].tail, 2);
			n += 2;
		}
		xfed_arena_reset(&arena);
		int rc = xfed_jid_parse(&arena, xfed_span_make(text, n), &j);
		if (rc != (rows[i].ok ? XFED_OK : XFED_ERR_INVALID)) {
			fail_msg("%s: result %d", rows[i].name, rc);
		}
	}
}

/* What no DNS name can be is refused before it is mapped: there is no memory to map it into. */
static void long_domains_cost_nothing(void **state)
{
	(void)state;
	char text[2 * 1500];
	struct xfed_arena none;
	struct xfed_span out;
	for (size_t i = 0; i < sizeof(text); i += 2) {
		memcpy(text + i, "\xC3\xBC", 2);
	}
	xfed_arena_init(&none, 0);
	assert_int_equal(jid_domain_full(&none, xfed_span_make(text, 2 * 255), &out), XFED_ERR_INVALID);
	assert_int_equal(jid_domain_full(&none, xfed_span_make(text, sizeof(text)), &out), XFED_ERR_INVALID);
	assert_int_equal(jid_domain_full(&none, xfed_span_make(text, 2 * 60), &out), XFED_ERR_NOMEM);
	assert_int_equal(xfed_jid_domain_ascii(&none, xfed_span_make(text, 2 * 64), &out), XFED_ERR_INVALID);
	xfed_arena_deinit(&none);
}

static void joining_and_comparing(void **state)
{
	(void)state;
	struct xfed_jid a, b, c;
	assert_int_equal(xfed_jid_parse(&arena, span("Juliet@Example.com/Balcony"), &a), XFED_OK);
	assert_int_equal(xfed_jid_parse(&arena, span("juliet@example.com./chamber"), &b), XFED_OK);
	assert_int_equal(xfed_jid_parse(&arena, span("example.com"), &c), XFED_OK);
	assert_true(is_same(xfed_jid_full(&arena, &a), "juliet@example.com/Balcony"));
	assert_true(is_same(xfed_jid_bare(&arena, &a), "juliet@example.com"));
	assert_true(is_same(xfed_jid_full(&arena, &c), "example.com"));
	assert_true(is_same(xfed_jid_bare(&arena, &c), "example.com"));
	assert_true(xfed_jid_is_full(&a, span("juliet@example.com/Balcony")));
	assert_true(xfed_jid_is_full(&c, span("example.com")));
	static const char *const others[] = { "", "juliet", "juliet@example.com", "juliet@example.com/", "juliet@example.com/Balcon",
		"juliet@example.com/Balcony2", "juliet@example.com/balcony", "juliet/example.com/Balcony", "example.com/Balcony",
		"xjuliet@example.com/Balcony", "example.com", "@example.com" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(others); i++) {
		assert_false(xfed_jid_is_full(&a, span(others[i])));
		assert_true(xfed_jid_is_full(&c, span(others[i])) == (strcmp(others[i], "example.com") == 0));
	}
	assert_true(xfed_jid_equal_bare(&a, &b));
	assert_false(xfed_jid_equal_bare(&a, &c));
	assert_int_equal(xfed_jid_parse(&arena, span("fussball@example.com"), &a), XFED_OK);
	assert_int_equal(xfed_jid_parse(&arena,
				 span("fu\xC3\x9F"
				      "ball@example.com"),
				 &b),
		XFED_OK);
	assert_false(xfed_jid_equal_bare(&a, &b)); /* RFC 7622 section 3.5, 6 and 7 */
}

/* The fast path is no other rule: every ASCII byte gives what the full path gives. */
static void ascii_is_the_full_path(void **state)
{
	(void)state;
	for (int c = 0; c < 0x80; c++) {
		char text[3] = { 'x', (char)c, 'y' };
		struct xfed_span full, raw = xfed_span_make(text, 3);
		int rc = jid_precis_opaque(&arena, raw, &full);
		assert_int_equal(jid_resource_check_ascii(text, 3) == JID_ASCII_OK, rc == XFED_OK);
		rc = jid_local_full(&arena, raw, &full);
		assert_int_equal(jid_local_fold_ascii(text, 3) == JID_ASCII_OK, rc == XFED_OK);
		if (rc == XFED_OK) {
			assert_true(xfed_span_eq(full, raw)); /* folded in place */
		}
		char name[3] = { 'x', (char)c, 'y' };
		size_t len = 3;
		rc = jid_domain_full(&arena, xfed_span_make(name, 3), &full);
		assert_int_equal(jid_domain_fold_ascii(name, &len) == JID_ASCII_OK, rc == XFED_OK);
		if (rc == XFED_OK) {
			assert_true(xfed_span_eq(full, xfed_span_make(name, len)));
		}
	}
}

/* Of what is normalised: the first "@" ends the localpart, a resource may have anything. */
static void the_parts_of_a_text(void **state)
{
	static const struct {
		const char *jid, *local, *domain, *resource;
	} rows[] = {
		{ "alice@a.example", "alice", "a.example", NULL },
		{ "a.example", NULL, "a.example", NULL },
		{ "alice@a.example/desk@b.example/x", "alice", "a.example", "desk@b.example/x" },
		{ "a.example/alice@b.example", NULL, "a.example", "alice@b.example" },
		{ "", NULL, "", NULL },
	};
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_jid j = xfed_jid_of_normalised(span(rows[i].jid));
		assert_true(xfed_span_is(xfed_jid_domain_part(span(rows[i].jid)), rows[i].domain));
		assert_true(xfed_span_is(j.domain, rows[i].domain));
		assert_true(rows[i].local ? xfed_span_is(j.local, rows[i].local) : !j.local.data);
		assert_true(rows[i].resource ? xfed_span_is(j.resource, rows[i].resource) : !j.resource.data);
	}
	assert_int_equal(xfed_jid_domain_part(xfed_span_make(NULL, 0)).len, 0);
}

static void utf8(void **state)
{
	(void)state;
	assert_true(xfed_utf8_is_valid(xfed_span_make(NULL, 0)));
	assert_true(xfed_utf8_is_valid(span("0123456789abcdef\xF4\x8F\xBF\xBF")));
	assert_false(xfed_utf8_is_valid(span("0123456789abcdef\xF4\x90\x80\x80")));
	assert_false(xfed_utf8_is_valid(span("\xC1\x81")));
	static const struct {
		const char *in;
		size_t max;
		const char *cut;
	} cuts[] = {
		{ "", 0, "" },
		{ "abc", 2, "ab" },
		{ "abc", 9, "abc" },
		{ "a\xC3\xBC", 2, "a" },
		{ "a\xC3\xBC", 3, "a\xC3\xBC" },
		{ "a\xC3\xBC"
		  "b",
			3, "a\xC3\xBC" },
		{ "\xF0\x9F\x98\x80", 3, "" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(cuts); i++) {
		assert_true(xfed_span_is(xfed_utf8_cut(span(cuts[i].in), cuts[i].max), cuts[i].cut));
	}
	char broken[] = "a\xC3\xBC\xC3 b\xE2\x82";
	xfed_utf8_mend(broken, strlen(broken));
	assert_string_equal(broken, "a\xC3\xBC? b??");
	assert_false(xfed_utf8_is_valid(span("0123456\xED\xBF\xBF"
					     "789")));
	assert_false(xfed_utf8_is_valid(span("01234567\xE2\x82")));
}

/* Fails each of our allocations in turn: NOMEM comes out, nothing leaks, and in the end it succeeds. */
static size_t left, count;

static void *failing_malloc(size_t size)
{
	count++;
	if (left == 0) {
		return NULL;
	}
	left--;
	return malloc(size);
}

static void *failing_realloc(void *p, size_t size)
{
	(void)p;
	(void)size;
	return NULL;
}

static void allocation_sweep(void **state)
{
	(void)state;
	static const struct xfed_mem_hooks hooks = { failing_malloc, failing_realloc, free };
	static const char *const inputs[] = {
		"Juliet@Example.com/Balcony",
		("\xEF\xBC\xAA\xC3\x9C@B\xC3\x9C"
		 "cher.xn--bcher-kva/\xE2\x99\x9A\xC2\xA0"),
		"a@[2001:db8::1]",
	};
	xfed_mem_set_hooks(&hooks);
	for (size_t i = 0; i < XFED_ARRAY_LEN(inputs); i++) {
		for (size_t allowed = 0;; allowed++) {
			struct xfed_arena a;
			struct xfed_jid j;
			struct xfed_span out;
			xfed_arena_init(&a, CAP);
			left = allowed;
			int rc = xfed_jid_parse(&a, span(inputs[i]), &j);
			rc = rc == XFED_OK ? xfed_jid_domain_ascii(&a, j.domain, &out) : rc;
			rc = rc == XFED_OK ? xfed_jid_local_from_text(&a, span("\xC3\x9C'"), &out) : rc;
			rc = rc == XFED_OK && !xfed_jid_full(&a, &j).data ? XFED_ERR_NOMEM : rc;
			xfed_arena_deinit(&a);
			if (rc == XFED_OK) {
				assert_true(allowed > 0);
				break;
			}
			assert_int_equal(rc, XFED_ERR_NOMEM);
			assert_true(allowed < 100);
		}
	}
	xfed_mem_set_hooks(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(jids, setup, teardown),
		cmocka_unit_test_setup_teardown(domains, setup, teardown),
		cmocka_unit_test_setup_teardown(ascii_domains, setup, teardown),
		cmocka_unit_test_setup_teardown(escapes, setup, teardown),
		cmocka_unit_test_setup_teardown(texts, setup, teardown),
		cmocka_unit_test_setup_teardown(lengths, setup, teardown),
		cmocka_unit_test(long_domains_cost_nothing),
		cmocka_unit_test_setup_teardown(joining_and_comparing, setup, teardown),
		cmocka_unit_test_setup_teardown(ascii_is_the_full_path, setup, teardown),
		cmocka_unit_test(the_parts_of_a_text),
		cmocka_unit_test(utf8),
		cmocka_unit_test(allocation_sweep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
