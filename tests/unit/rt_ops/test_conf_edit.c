/* Changes of hand-written files: what was to change has changed, every other byte is as it was, or the change is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "conf_internal.h"
#include "fe-gateway/config/config.h"
#include "fe-gateway/policy/access_file.h"
#include "fe-gateway/policy/partner_file.h"
#include "xfed/rt/conf_edit.h"

/* ---- the four edits ---- */

#define SET	   RT_CONF_EDIT_SET
#define UNSET	   RT_CONF_EDIT_UNSET
#define ADD_ITEM   RT_CONF_EDIT_ADD_ITEM
#define TAKE(item) RT_CONF_EDIT_REMOVE_ITEM, item

static const struct row {
	const char *name, *text;
	enum rt_conf_edit_kind kind;
	size_t item;
	const char *key, *value;
	const char *want; /* the new text; words of the refusal where it begins with '!' */
} rows[] = {
	/* a value that is there */
	{ "a value", "a: b\ntls: required\n", SET, 0, "tls", "optional", "a: b\ntls: optional\n" },
	{ "... with a comment behind", "tls: required   # since 2019\nb: c\n", SET, 0, "tls", "off", "tls: off   # since 2019\nb: c\n" },
	{ "... in quotes", "a: \"b\"\n", SET, 0, "a", "c", "a: \"c\"\n" },
	{ "... in single ones", "a: 'b' # x\n", SET, 0, "a", "c d", "a: 'c d' # x\n" },
	{ "... which have to become double ones", "a: 'b'\n", SET, 0, "a", "it's", "a: \"it's\"\n" },
	{ "... that needs quotes", "a: b\n", SET, 0, "a", "c: d # e", "a: \"c: d # e\"\n" },
	{ "... with quotes in it", "a: b\n", SET, 0, "a", "say \"\\\"", "a: \"say \\\"\\\\\\\"\"\n" },
	{ "... of blanks", "a: b\n", SET, 0, "a", " c ", "a: \" c \"\n" },
	{ "... nothing", "a: b\n", SET, 0, "a", "", "a: \"\"\n" },
	{ "... null", "a: b\n", SET, 0, "a", "null", "a: \"null\"\n" },
	{ "... with letters of all kinds before it", "# \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\nd: \xc3\xbc\na: b\n", SET, 0, "a", "\xc3\xb6",
		"# \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\nd: \xc3\xbc\na: \"\xc3\xb6\"\n" },
	{ "... behind a byte order mark",
		"\xef\xbb\xbf"
		"a: b\n",
		SET, 0, "a", "c",
		"\xef\xbb\xbf"
		"a: c\n" },
	{ "... with CRLF", "a: b\r\nc: d\r\n", SET, 0, "c", "e", "a: b\r\nc: e\r\n" },
	{ "... without an end of line", "a: b\nc: d", SET, 0, "c", "e", "a: b\nc: e" },
	{ "... over several lines", "a: one\n  two\nb: c\n", SET, 0, "a", "x", "a: x\nb: c\n" },
	{ "... in the next line", "a:\n  one\nb: c\n", SET, 0, "a", "x", "a:\n  x\nb: c\n" },
	{ "... of a key in quotes", "\"a\": b\n'c': d\n", SET, 0, "c", "x", "\"a\": b\n'c': x\n" },
	{ "... inside", "limits:\n  # few\n  connections: 5 # five\n  b: c\nd: e\n", SET, 0, "limits.connections", "6",
		"limits:\n  # few\n  connections: 6 # five\n  b: c\nd: e\n" },
	{ "... inside brackets", "limits: {connections: 5, b: c} # x\n", SET, 0, "limits.connections", "6", "limits: {connections: 6, b: c} # x\n" },
	{ "... of JSON", "{\"a\": \"b\", \"c\": 1}", SET, 0, "c", "2", "{\"a\": \"b\", \"c\": 2}" },
	{ "... null before", "a:\nb: c\n", SET, 0, "a", "x", "a: x\nb: c\n" },
	{ "... behind ---", "---\na: b\n...\n", SET, 0, "a", "c", "---\na: c\n...\n" },
	{ "a text in lines of its own", "a: |\n  b\nc: d\n", SET, 0, "a", "x", "!style of | or >" },
	{ "a list", "a: [b]\n", SET, 0, "a", "x", "!found a list" },
	{ "an object", "a: {b: c}\n", SET, 0, "a", "x", "!found an object" },
	{ "inside what is no object", "a: b\n", SET, 0, "a.c", "x", "!found no keys" },
	{ "a key that stands there twice", "a: b\na: c\n", SET, 0, "a", "x", "!twice" },
	{ "an anchor", "a: &x b\nc: *x\n", SET, 0, "a", "x", "!found an anchor (&)" },
	{ "a tag", "a: !x b\n", SET, 0, "a", "x", "!found a tag (!)" },
	{ "no YAML", "a: [b\n", SET, 0, "a", "x", "!f.yaml:2:1: not valid YAML" },
	{ "no keys", "- a\n", SET, 0, "a", "x", "!found no keys" },
	{ "nothing", "", SET, 0, "a", "x", "!empty file" },
	{ "too deep", "a: b\n", SET, 0, "a.b.c.d", "x", "!too many parts" },
	{ "two lines", "a: b\n", SET, 0, "a", "x\ny", "!control character" },
	/* a new key */
	{ "a key", "a: b\n", SET, 0, "c", "d", "a: b\nc: d\n" },
	{ "... before comments", "a: b # x\n# c: off\n", SET, 0, "c", "d", "a: b # x\nc: d\n# c: off\n" },
	{ "... with CRLF", "a: b\r\n", SET, 0, "c", "d", "a: b\r\nc: d\r\n" },
	{ "... without an end of line", "a: b", SET, 0, "c", "d", "a: b\nc: d" },
	{ "... behind a list", "a:\n  - b\n  # more\n  - c   # x\n  # end\n", SET, 0, "d", "e", "a:\n  - b\n  # more\n  - c   # x\nd: e\n  # end\n" },
	{ "... behind a list without indentation", "a:\n- b\n- c\n", SET, 0, "d", "e", "a:\n- b\n- c\nd: e\n" },
	{ "... behind brackets over lines", "a: [b,\n  c\n  ] # x\n", SET, 0, "d", "e", "a: [b,\n  c\n  ] # x\nd: e\n" },
	{ "... behind a text in lines", "a: |\n  b\n  c\n# x\n", SET, 0, "d", "e", "a: |\n  b\n  c\nd: e\n# x\n" },
	{ "... behind a text that keeps its empty lines", "a: |+\n  b\n\n", SET, 0, "c", "d", "!leaves no place" },
	{ "... in braces", "{a: b}\n", SET, 0, "c", "d", "{a: b, c: d}\n" },
	{ "... in JSON", "{\n  \"a\": \"b\"\n}\n", SET, 0, "c", "d", "{\n  \"a\": \"b\", \"c\": \"d\"\n}\n" },
	{ "... inside, in JSON", "{\"a\": 1}", SET, 0, "c.x", "5", "{\"a\": 1, \"c\": {\"x\": 5}}" },
	{ "... a list in JSON", "{\"a\": true}", ADD_ITEM, 0, "c", "d", "{\"a\": true, \"c\": [\"d\"]}" },
	{ "... an item in JSON", "{\"a\": [\"b\"]}", ADD_ITEM, 0, "a", "d", "{\"a\": [\"b\", \"d\"]}" },
	{ "... before the end of a document", "a: b\n...\n", SET, 0, "c", "d", "a: b\nc: d\n...\n" },
	{ "... of an object", "a:\n    b: c\nd: e\n", SET, 0, "a.x", "y", "a:\n    b: c\n    x: y\nd: e\n" },
	{ "... in an object's braces", "a: {b: c}\n", SET, 0, "a.x", "y", "a: {b: c, x: y}\n" },
	{ "... in empty ones", "a: {}\n", SET, 0, "a.x", "y", "a: {x: y}\n" },
	{ "... with its object", "a: b\n", SET, 0, "c.x", "y", "a: b\nc: {x: y}\n" },
	{ "... with its objects in braces", "{a: b}", SET, 0, "c.x.z", "y", "{a: b, c: {x: {z: y}}}" },
	{ "... behind a document's mark in the same line", "--- {a: b}\n", SET, 0, "c", "d", "--- {a: b, c: d}\n" },
	{ "... behind a question mark", "? a\n: b\n", SET, 0, "c", "d", "!laid out" },
	/* a key that goes */
	{ "gone", "a: b\nc: d # x\n# y\ne: f\n", UNSET, 0, "c", "", "a: b\n# y\ne: f\n" },
	{ "... first", "a: b\nc: d\n", UNSET, 0, "a", "", "c: d\n" },
	{ "... first behind a byte order mark",
		"\xef\xbb\xbf"
		"a: b\nc: d\n",
		UNSET, 0, "a", "",
		"\xef\xbb\xbf"
		"c: d\n" },
	{ "... last, without an end of line", "a: b\nc: d", UNSET, 0, "c", "", "a: b\n" },
	{ "... with its list", "a:\n  - b\n  - c # x\nd: e\n", UNSET, 0, "a", "", "d: e\n" },
	{ "... with CRLF", "a: b\r\nc: d\r\n", UNSET, 0, "a", "", "c: d\r\n" },
	{ "... out of braces", "{a: b, c: d, e: f}", UNSET, 0, "c", "", "{a: b, e: f}" },
	{ "... out of braces, first", "{a: b, c: d}", UNSET, 0, "a", "", "{c: d}" },
	{ "... out of braces, last", "{a: b, c: d}", UNSET, 0, "c", "", "{a: b}" },
	{ "... out of an object", "a:\n  b: c\n  d: e\nf: g\n", UNSET, 0, "a.b", "", "a:\n  d: e\nf: g\n" },
	{ "... with its object", "a:\n  b: c\nf: g\n", UNSET, 0, "a.b", "", "f: g\n" },
	{ "... with its object in braces", "{a: {b: c}, f: g}", UNSET, 0, "a.b", "", "{f: g}" },
	{ "... with its object, and not the comments in it", "a:   # x\n  # y\n  b: c   # z\nf: g\n", UNSET, 0, "a.b", "", "  # y\nf: g\n" },
	{ "... with CRLF, too", "a:\r\n\r\n  # y\r\n  b: c\r\nf: g\r\n", UNSET, 0, "a.b", "", "  # y\r\nf: g\r\n" },
	{ "... with its object's braces over lines", "l: { # x\n  # y\n  b: 1 # z\n  # end\n}\nf: g\n", UNSET, 0, "l.b", "",
		"  # y\n  # end\nf: g\n" },
	{ "... with its object's braces in others", "{l: {\n  # y\n  b: 1\n  }, f: g}\n", UNSET, 0, "l.b", "", "{\n  # y\nf: g}\n" },
	{ "... with its list, and not the comments in it", "a:\n  # x\n  - b\n# y\n  - c\n  # z\nd: e\n", UNSET, 0, "a", "",
		"  # x\n# y\n  # z\nd: e\n" },
	{ "... with what only looks like a comment", "a:\n  # x\n  b: \"c\n    # d\n    e\"\nf: g\n", UNSET, 0, "a.b", "", "  # x\nf: g\n" },
	{ "... with a text in lines, in its object", "a:\n  b: |\n    # c\nd: e\n", UNSET, 0, "a.b", "", "!style of | or >" },
	{ "... out of braces, before a comment", "l: {a: 5, # x\n  b: c}\n", UNSET, 0, "l.a", "", "l: { # x\n  b: c}\n" },
	{ "... all there is", "a: b\n", UNSET, 0, "a", "", "!all there is" },
	{ "... not there", "a: b\n", UNSET, 0, "c", "", "!c is not in the file" },
	{ "... not there inside", "a: b\n", UNSET, 0, "c.d", "", "!c.d is not in the file" },
	{ "... a text in lines", "a: |\n  b\nc: d\n", UNSET, 0, "a", "", "!style of | or >" },
	/* items */
	{ "an item", "a: [b, c] # x\n", ADD_ITEM, 0, "a", "d", "a: [b, c, d] # x\n" },
	{ "... in an empty list", "a: []\n", ADD_ITEM, 0, "a", "d", "a: [d]\n" },
	{ "... behind a comma", "a: [b,]\n", ADD_ITEM, 0, "a", "d", "a: [b, d,]\n" },
	{ "... behind a comment", "a: [b, # x\n  c # y\n  ]\n", ADD_ITEM, 0, "a", "d", "a: [b, # x\n  c, d # y\n  ]\n" },
	{ "... in a line", "a:\n  - b # x\n  # y\n  - c # z\n# end\n", ADD_ITEM, 0, "a", "d@e.example",
		"a:\n  - b # x\n  # y\n  - c # z\n  - d@e.example\n# end\n" },
	{ "... in a line with wide indentation", "a:\n-   b\n", ADD_ITEM, 0, "a", "d", "a:\n-   b\n-   d\n" },
	{ "... in a line without end", "a:\r\n  - b", ADD_ITEM, 0, "a", "d", "a:\r\n  - b\r\n  - d" },
	{ "... that needs quotes", "a: [b]\n", ADD_ITEM, 0, "a", "*.x.example", "a: [b, \"*.x.example\"]\n" },
	{ "... of a list that is not there", "a: b\n", ADD_ITEM, 0, "c", "d", "a: b\nc: [d]\n" },
	{ "... of no list", "a: b\n", ADD_ITEM, 0, "a", "d", "!found no list" },
	{ "not an item", "a: [b, c, d]\n", TAKE(1), "a", "", "a: [b, d]\n" },
	{ "... first", "a: [b, c]\n", TAKE(0), "a", "", "a: [c]\n" },
	{ "... last", "a: [b,  c]\n", TAKE(1), "a", "", "a: [b]\n" },
	{ "... only", "a: [b]\n", TAKE(0), "a", "", "a: []\n" },
	{ "... before a comment", "a: [b, # x\n  c]\n", TAKE(0), "a", "", "a: [ # x\n  c]\n" },
	{ "... before one behind two blanks", "a: [ b,  # x\n  c]\n", TAKE(0), "a", "", "a: [ # x\n  c]\n" },
	{ "... behind a comment", "a: [b, # x\n  c]\n", TAKE(1), "a", "", "a: [b, # x\n  ]\n" },
	{ "... in a line", "a:\n  - b # x\n  # y\n  - c # z\n", TAKE(0), "a", "", "a:\n  # y\n  - c # z\n" },
	{ "... last in a line", "a:\n- b\n- c\nd: e\n", TAKE(1), "a", "", "a:\n- b\nd: e\n" },
	{ "... the only line", "a:\n- b\nd: e\n", TAKE(0), "a", "", "!the last item" },
	{ "... that is not there", "a: [b]\n", TAKE(1), "a", "", "!no such item" },
};

static bool is_refusal_of(const struct row *r, int rc, const char *error)
{
	return (rc == XFED_ERR_INVALID || rc == XFED_ERR_NOT_FOUND) && r->want[0] == '!' && strstr(error, r->want + 1);
}

static void one_piece_of_the_text_is_replaced(void **state)
{
	int failed = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		char error[RT_CONF_EDIT_ERROR] = "";
		struct xfed_buf out;
		const struct rt_conf_edit edit = { .kind = r->kind, .key = r->key, .value = xfed_span_str(r->value), .item = r->item };
		xfed_buf_init(&out, 65536);
		int rc = rt_conf_edit("f.yaml", xfed_span_str(r->text), &edit, &out, error);
		struct xfed_span got = xfed_buf_span(&out);
		if (rc == XFED_OK ? !xfed_span_is(got, r->want) : !is_refusal_of(r, rc, error)) {
			print_error("%s: %s: result %d (%s)\n%.*s", r->name, r->key, rc, rc == XFED_OK ? "" : error, (int)got.len, got.data);
			failed++;
		}
		xfed_buf_deinit(&out);
	}
	assert_int_equal(failed, 0);
}

/* ---- by a table ---- */

static const struct set_row {
	const char *name;
	const struct rt_conf_table *table;
	const char *text, *key, *value, *want;
} set_rows[] = {
	{ "a value", &partner_file_table, "domain: a.example\n", "tls", "optional", "domain: a.example\ntls: optional\n" },
	{ "the default", &partner_file_table, "domain: a.example\ntls: optional # x\n", "tls", "", "domain: a.example\n" },
	{ "... it has already", &partner_file_table, "domain: a.example\n", "tls", "", "domain: a.example\n" },
	{ "a limit", &partner_file_table, "domain: a.example\n", "limits.connections", "5", "domain: a.example\nlimits: {connections: 5}\n" },
	{ "a set", &partner_file_table, "domain: a.example\nkinds: [message, presence, iq]\n", "kinds", "iq, message",
		"domain: a.example\nkinds: [message, iq]\n" },
	{ "a set that is all new", &partner_file_table, "domain: a.example\nkinds:\n  - presence\n", "kinds", "message",
		"domain: a.example\nkinds:\n  - message\n" },
	{ "a new set", &partner_file_table, "domain: a.example\n", "kinds", "message,iq", "domain: a.example\nkinds: [message, iq]\n" },
	{ "items in other letters", &partner_file_table, "domain: a.example\nadditional_domains: [B.Example, \"*.C.example\"]\n",
		"additional_domains", "*.c.example,b.example,d.example",
		"domain: a.example\nadditional_domains: [B.Example, \"*.C.example\", d.example]\n" },
	{ "no item", &partner_file_table, "domain: a.example\n", "kinds", "message,,iq", "!nothing between two commas" },
	{ "no key", &partner_file_table, "domain: a.example\n", "tsl", "optional", "!there is no key \"tsl\", accepted: domain | description" },
	{ "no key of an object", &partner_file_table, "domain: a.example\n", "limits.conections", "5", "!there is no key" },
	{ "an object", &partner_file_table, "domain: a.example\n", "limits", "5",
		"!limits has keys of its own, set one of them: connections | stanzas_per_second" },
	{ "a switch", &access_file_table, "name: a\nscope: user\nallowed: true\ngranted_to: [b@c.example]\n", "allowed", "false",
		"name: a\nscope: user\nallowed: false\ngranted_to: [b@c.example]\n" },
};

static int run_set(const struct set_row *r,
	int (*set)(const struct rt_conf_table *, const char *, struct xfed_span, const char *, const char *, struct xfed_buf *, char *))
{
	char error[RT_CONF_EDIT_ERROR] = "";
	struct xfed_buf out;
	xfed_buf_init(&out, 65536);
	int rc = set(r->table, "f.yaml", xfed_span_str(r->text), r->key, r->value, &out, error);
	struct xfed_span got = xfed_buf_span(&out);
	bool is_refused = rc != XFED_OK && r->want[0] == '!' && strstr(error, r->want + 1) && got.len == 0;
	int failed = rc == XFED_OK ? !xfed_span_is(got, r->want) : !is_refused;
	if (failed) {
		print_error("%s: %s: result %d (%s)\n%.*s", r->name, r->key, rc, rc == XFED_OK ? "" : error, (int)got.len, got.data);
	}
	xfed_buf_deinit(&out);
	return failed;
}

static void values_are_set_by_the_table(void **state)
{
	int failed = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(set_rows); i++) {
		failed += run_set(&set_rows[i], rt_conf_set);
	}
	assert_int_equal(failed, 0);
}

static void items_are_the_same_in_other_letters(void **state)
{
	static const char text[] =
		"name: a\nscope: user\nallowed: true\ngranted_to:\n  - Alice@Example.COM # boss\n  - bob@example.com\n  - alice@example.com\n";
	static const struct set_row added[] = {
		{ "new", &access_file_table, "name: a\ngranted_to: [b@c.example]\n", "granted_to", "d@c.example", "name: a\ngranted_to: [b@c.example, d@c.example]\n" },
		{ "there already", &access_file_table, text, "granted_to", "BOB@example.com", "!BOB@example.com is in granted_to already" },
		{ "no list", &access_file_table, text, "scope", "x", "!scope is no list" },
	}, removed[] = {
		{ "everywhere", &access_file_table, text, "granted_to", "alice@EXAMPLE.com", "name: a\nscope: user\nallowed: true\ngranted_to:\n  - bob@example.com\n" },
		{ "with its key", &access_file_table, "name: a\ngranted_to:\n  - b@c.example\nscope: user\n", "granted_to", "b@c.example", "name: a\nscope: user\n" },
		{ "not there", &access_file_table, text, "granted_to", "carol@example.com", "!carol@example.com is not in granted_to" },
		{ "no such list", &access_file_table, "name: a\n", "granted_to", "carol@example.com", "!is not in granted_to" },
	};
	int failed = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(added); i++) {
		failed += run_set(&added[i], rt_conf_add_item);
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(removed); i++) {
		failed += run_set(&removed[i], rt_conf_remove_item);
	}
	assert_int_equal(failed, 0);
}

/* All of the keys, and where there is no room for them as many whole ones as there is. */
static void keys_are_listed_in_whole(void **state)
{
	static const struct rt_conf_table *const tables[] = { &config_table, &partner_file_table, &access_file_table };
	for (size_t i = 0; i < XFED_ARRAY_LEN(tables); i++) {
		char error[RT_CONF_EDIT_ERROR];
		struct xfed_buf out;
		xfed_buf_init(&out, 65536);
		assert_int_equal(rt_conf_set(tables[i], "f.yaml", XFED_SPAN("a: b\n"), "nonsense", "4", &out, error), XFED_ERR_INVALID);
		for (size_t k = 0; k < tables[i]->row_count; k++) {
			const struct rt_conf_row *row = &tables[i]->rows[k];
			char word[64];
			snprintf(word, sizeof(word), "%s %s%s%s", k > 0 ? " |" : "accepted:", row->name, row->type == RT_CONF_OBJECT ? ".KEY" : "",
				k + 1 < tables[i]->row_count ? " |" : "");
			assert_non_null(strstr(error, word));
		}
		xfed_buf_deinit(&out);
	}
	static const struct rt_conf_row three[] = { { .name = "one" }, { .name = "two", .type = RT_CONF_OBJECT }, { .name = "three" } };
	static const struct rt_conf_table table = { .rows = three, .row_count = XFED_ARRAY_LEN(three) };
	static const char *const wants[] = { "one | two.KEY | three", "one | two.KEY | ...", "one | ..." };
	for (size_t size = sizeof("one | ..."); size <= sizeof("one | two.KEY | three"); size++) {
		char keys[64];
		conf_list_keys(&table, ".KEY", keys, size);
		size_t i = size >= sizeof("one | two.KEY | three") ? 0 : size >= sizeof("one | two.KEY | ...") ? 1 : 2;
		assert_string_equal(keys, wants[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_piece_of_the_text_is_replaced),
		cmocka_unit_test(values_are_set_by_the_table),
		cmocka_unit_test(items_are_the_same_in_other_letters),
		cmocka_unit_test(keys_are_listed_in_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
