/* Partner files: the table, the matrix, the name of the file, and the directory as a whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "fe-gateway/policy/partner_file.h"
#include "xfed/limits.h"

struct row {
	const char *name, *file, *text, *expected;
};

#define F "fabrikam.example.yaml"
#define D "domain: fabrikam.example\n"

static const struct row rows[] = {
	{ "defaults", F, D, "" },
	{ "in a directory", "/etc/xfed/partners.d/" F, D, "" },
	{ "case of the domain", F, "domain: Fabrikam.EXAMPLE\n", "" },
	{ "everything", F,
		D "description: Fabrikam, contract 4711\nadditional_domains: [corp.fabrikam.example, \"*.it.fabrikam.example\"]\n"
		  "partner_type: federated\ntls: required\nsasl: required\ndialback: false\nconnect_to: xmpp.fabrikam.example:5269\n"
		  "keepalive: false\nlimits: {connections: 2, stanzas_per_second: 3, stanza_size: 256KiB}\nkinds: [message]\ndane: off\n",
		"" },
	{ "internationalised domain by A-labels", "xn--bcher-kva.example.yaml",
		"domain: b\xc3\xbc"
		"cher.example\n",
		"" },
	{ "internationalised domain by U-labels",
		"b\xc3\xbc"
		"cher.example.yaml",
		"domain: xn--bcher-kva.example\n", "" },
	{ "a text in the style of >", F, D "description: >\n  of ours\n",
		F ":2:14:description: found \"of ours\\x0a\", accepted: one line; it has a line end, as every text with > or | has (>- has none at "
		  "its end)\n" },
	{ "... and of >-", F, D "description: >-\n  of\n  ours\n", "" },
	{ "another control character", F, D "description: \"of\\tours\"\n",
		F ":2:14:description: found \"of\\x09ours\", accepted: a text without control characters\n" },
	{ "empty", F, "", F ": found an empty file\n" },
	{ "another name", "contoso.example.yaml", D,
		"contoso.example.yaml:1:9:domain: found \"fabrikam.example\", which is not the domain the file is named after: rename the "
		"file to fabrikam.example.yaml, or correct the domain\n" },
	{ "dialback misspelt", F, D "dialback: flase\n", F ":2:11:dialback: found \"flase\", accepted: true | false\n" },
	{ "sasl as a boolean", F, D "sasl: true\n", F ":2:7:sasl: found \"true\", accepted: required | optional | not-supported\n" },
	{ "an address for a domain", F, "domain: alice@fabrikam.example\n",
		F ":1:9:domain: found \"alice@fabrikam.example\", accepted: a domain such as example.com; the character \"@\" is not allowed in one "
		  "(RFC 1123)\n" },
	{ "a character that no domain has", "i.example.yaml", "domain: \"i\xe2\x9d\xa4.example\"\n",
		"i.example.yaml:1:9:domain: found \"i\xe2\x9d\xa4.example\", accepted: a domain such as example.com; the character U+2764 "
		"is "
		"not allowed in one (IDNA2008, RFC 5892)\n" },
	{ "the same as an A-label", "i.example.yaml", "domain: xn--i-7iq.example\n",
		"i.example.yaml:1:9:domain: found \"xn--i-7iq.example\", accepted: a domain such as example.com; what its xn-- stands for is not "
		"allowed in "
		"one (IDNA2008, RFC 5892)\n" },
	{ "wildcard inside", F, D "additional_domains: [\"a.*.fabrikam.example\"]\n",
		F ":2:22:additional_domains[0]: found \"a.*.fabrikam.example\", accepted: a domain, or \"*.domain\" for all below it\n" },
	{ "no kinds", F, D "kinds: []\n", F ":2:8:kinds: found 0 items, accepted: 1 to 3\n" },
	{ "unknown kind", F, D "kinds: [message, pubsub]\n", F ":2:18:kinds[1]: found \"pubsub\", accepted: message | presence | iq\n" },
	{ "stanza_size above the hard maximum", F, D "limits: {stanza_size: 257KiB}\n",
		F ":2:23:limits.stanza_size: found \"257KiB\", accepted: a size from 10000B to 256KiB, such as 64KiB\n" },
	{ "stanza_size below what RFC 6120 asks", F, D "limits: {stanza_size: 9999B}\n",
		F ":2:23:limits.stanza_size: found \"9999B\", accepted: a size from 10000B to 256KiB, such as 64KiB\n" },
	{ "more connections than an edge takes", F, D "limits:\n  stanzas_per_second: 5\n  connections: 5000\n",
		F ":4:16:limits.connections: found \"5000\", accepted: a whole number from 1 to 1000 connections\n" },
	{ "connect_to without port", F, D "connect_to: xmpp.fabrikam.example\n",
		F ":2:13:connect_to: found \"xmpp.fabrikam.example\", accepted: HOST:PORT such as host.example:5269, 192.0.2.1:53 or "
		  "[2001:db8::1]:53\n" },
	{ "pins are not built", F, D "trust: {pins: [00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff]}\n",
		F ":2:15:trust.pins: found 1 items: pins are not built in this version\n" },
	{ "own authorities are not built", F, D "trust: {ca: /etc/xfed/fabrikam.pem}\n",
		F ":2:13:trust.ca: found \"/etc/xfed/fabrikam.pem\": authorities for one partner are not built in this version\n" },
	{ "dane is not built", F, D "dane: on\n", F ":2:7:dane: found \"on\": DANE is not built in this version\n" },
	{ "dane is no boolean", F, D "dane: true\n", F ":2:7:dane: found \"true\", accepted: off | on\n" },
};

static int compare(const struct row *r, const struct rt_conf_errors *errors)
{
	struct xfed_buf out;
	xfed_buf_init(&out, 65536);
	assert_int_equal(rt_conf_errors_print(errors, &out), XFED_OK);
	struct xfed_span s = xfed_buf_span(&out);
	int differs = !xfed_span_is(s, r->expected);
	if (differs) {
		print_error("%s:\n got: %.*s\nwant: %s\n", r->name, (int)s.len, s.data, r->expected);
	}
	xfed_buf_deinit(&out);
	return differs;
}

static void each_mistake_has_its_sentence(void **state)
{
	int failed = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct rt_conf_errors errors;
		struct partner_file f;
		rt_conf_errors_init(&errors);
		int rc = partner_file_parse(rows[i].file, xfed_span_str(rows[i].text), &errors, &f);
		failed += compare(&rows[i], &errors);
		failed += (rc == XFED_OK) != (rows[i].expected[0] == '\0');
		partner_file_deinit(&f);
		rt_conf_errors_deinit(&errors);
	}
	assert_int_equal(failed, 0);
}

/* All 18 rows: invalid ones are errors, doubtful ones warnings. */
static void each_row_of_the_matrix(void **state)
{
	static const char *const words[] = { [XFED_REQUIRED] = "required", [XFED_OPTIONAL] = "optional", [XFED_NOT_SUPPORTED] = "not-supported" };
	size_t invalid = 0, fine = 0, warned = 0;
	for (int n = 0; n < 18; n++) {
		enum xfed_level tls = (enum xfed_level)(n / 6), sasl = (enum xfed_level)(n / 2 % 3);
		bool dialback = n % 2;
		const struct xfed_matrix_row *row = xfed_matrix_row(tls, sasl, dialback);
		struct rt_conf_errors errors;
		struct partner_file f;
		char text[256];
		rt_conf_errors_init(&errors);
		snprintf(text, sizeof(text), D "tls: %s\nsasl: %s\ndialback: %s\n", words[tls], words[sasl], dialback ? "true" : "false");
		int rc = partner_file_parse(F, xfed_span_str(text), &errors, &f);
		assert_int_equal(rc, row->methods ? XFED_OK : XFED_ERR_INVALID);
		if (row->methods == 0) {
			assert_int_equal(errors.items[0].reason, XFED_REASON_CONFIG_MATRIX_INVALID);
			assert_int_equal(errors.items[0].line, 3);
			invalid++;
		} else if (row->problem) {
			assert_int_equal(errors.items[0].reason, XFED_REASON_CONFIG_MATRIX_WARNED);
			assert_true(errors.items[0].is_warning);
			warned++;
		} else {
			assert_int_equal(errors.count, 0);
			fine++;
		}
		partner_file_deinit(&f);
		rt_conf_errors_deinit(&errors);
	}
	/* Rows 5, 6, 12, 14, 16, 18 are invalid. */
	assert_int_equal(invalid, 6);
	assert_int_equal(fine + warned, 12);
	assert_true(fine >= 2 && warned >= 3);
}

static void values_arrive(void **state)
{
	struct rt_conf_errors errors;
	struct partner_file f;
	rt_conf_errors_init(&errors);
	assert_int_equal(partner_file_parse(F, xfed_span_str(rows[3].text), &errors, &f), XFED_OK);
	const struct xfed_partner *p = &f.partner;
	assert_string_equal(p->domain, "fabrikam.example");
	assert_string_equal(p->description, "Fabrikam, contract 4711");
	assert_int_equal(p->additional_count, 2);
	assert_string_equal(p->additional[1], "*.it.fabrikam.example");
	assert_int_equal(p->type, XFED_PARTNER_FEDERATED);
	assert_int_equal(p->sasl, XFED_REQUIRED);
	assert_false(p->dialback);
	assert_false(p->keepalive);
	assert_string_equal(p->connect_host, "xmpp.fabrikam.example");
	assert_int_equal(p->connect_port, 5269);
	assert_int_equal(p->max_connections, 2);
	assert_int_equal(p->stanzas_per_second, 3);
	assert_int_equal(p->stanza_bytes, 262144);
	assert_int_equal(p->kinds, XFED_KIND_MESSAGE);
	partner_file_deinit(&f);
	assert_int_equal(partner_file_parse(F, xfed_span_str(D), &errors, &f), XFED_OK);
	assert_int_equal(f.partner.type, XFED_PARTNER_PUBLIC_UNVERIFIED);
	assert_int_equal(f.partner.tls, XFED_REQUIRED);
	assert_int_equal(f.partner.sasl, XFED_OPTIONAL);
	assert_true(f.partner.dialback);
	assert_int_equal(f.partner.kinds, XFED_KIND_MESSAGE | XFED_KIND_PRESENCE | XFED_KIND_IQ);
	assert_int_equal(f.partner.stanza_bytes, XFED_STANZA_BYTES_DEFAULT);
	partner_file_deinit(&f);
	rt_conf_errors_deinit(&errors);
}

/* ---- the directory ---- */

static char dir[64], config_text[1024];
static struct config *config;

static void put(const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void drop(const char *name)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(unlink(path), 0);
}

static int setup(void **state)
{
	struct rt_conf_errors errors;
	snprintf(dir, sizeof(dir), "/tmp/xfed-test-partner-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(config_text, sizeof(config_text),
		"name: gw1\nedges: [{name: e, address: \"h.example:1\"}]\nchannel: {certificate: /c, key: /k, ca: /a}\n"
		"sip: {listen: [\"tcp:127.0.0.1:5060\"], advertise: gw1.example}\n"
		"domains: [{domain: example.com, next_hop: \"sip:127.0.0.1:5070;transport=tcp\", peers: [a.example]}]\n"
		"dialback: {secret_file: %s/secret}\n",
		dir);
	put("secret", "correct horse battery staple\nprevious secret of ours\n");
	rt_conf_errors_init(&errors);
	int rc = config_parse("gateway.yaml", xfed_span_str(config_text), &errors, &config);
	rt_conf_errors_deinit(&errors);
	return rc;
}

static struct partner_presence *presence;

static int teardown(void **state)
{
	config_free(config);
	drop("secret");
	return rmdir(dir);
}

static int load_dir(struct xfed_policy **out, char *text, size_t size)
{
	struct rt_conf_errors errors;
	struct xfed_buf b;
	rt_conf_errors_init(&errors);
	xfed_buf_init(&b, 65536);
	int rc = partner_dir_load(dir, config, NULL, NULL, &errors, &presence, out);
	assert_int_equal(rt_conf_errors_print(&errors, &b), XFED_OK);
	snprintf(text, size, "%.*s", (int)xfed_buf_len(&b), xfed_buf_span(&b).data);
	xfed_buf_deinit(&b);
	rt_conf_errors_deinit(&errors);
	return rc;
}

static void the_directory_becomes_a_policy(void **state)
{
	struct xfed_policy *p;
	char text[4096];
	put("b.example.yaml", "domain: b.example\nadditional_domains: [\"*.b.example\"]\n");
	put("a.example.yaml", "domain: a.example\n");
	put("README", "not a partner\n");
	put(".hidden.yaml", "nonsense: [\n");
	put("c.example.yml", "domain: c.example\n");
	put("d.example.YAML", "domain: d.example\n");
	put("e.example.yaml.txt", "domain: e.example\n");
	put("f.example", "domain: f.example\n");
	put("g.example.yaml.bak", "domain: g.example\n");
	assert_int_equal(load_dir(&p, text, sizeof(text)), XFED_OK);
	static const char *const told[] = { "c.example.yml", "d.example.YAML", "e.example.yaml.txt", "f.example" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(told); i++) {
		char words[128];
		snprintf(words, sizeof(words), "warning: %s is not loaded, accepted: names ending in .yaml\n", told[i]);
		assert_non_null(strstr(text, words));
	}
	assert_null(strstr(text, "README"));
	assert_null(strstr(text, ".bak"));
	assert_int_equal(xfed_policy_partner_count(p), 2);
	assert_non_null(xfed_policy_partner(p, XFED_SPAN("x.b.example")));
	assert_null(xfed_policy_partner(p, XFED_SPAN("c.example")));
	assert_true(xfed_policy_is_local(p, XFED_SPAN("example.com")));
	/* sha256("correct horse battery staple") */
	assert_true(xfed_span_is(xfed_policy_dialback_current(p), "c4bbcb1fbec99d65bf59d85c8cb62ee2db963f0fe106f483d9afa73bd4e39a8a"));
	assert_int_equal(xfed_policy_dialback_previous(p).len, 64);
	xfed_policy_free(p);
	drop("a.example.yaml");
	drop("b.example.yaml");
	drop("README");
	drop(".hidden.yaml");
	drop("c.example.yml");
	drop("d.example.YAML");
	drop("e.example.yaml.txt");
	drop("f.example");
	drop("g.example.yaml.bak");
}

static void an_empty_directory_is_a_warning(void **state)
{
	struct xfed_policy *p;
	char text[4096], expected[256];
	assert_int_equal(load_dir(&p, text, sizeof(text)), XFED_OK);
	snprintf(expected, sizeof(expected), "%s: warning: no partner file: nobody can reach us\n", dir);
	assert_string_equal(text, expected);
	assert_int_equal(xfed_policy_partner_count(p), 0);
	xfed_policy_free(p);
}

/* One broken file: nothing is loaded, and the errors of all files are shown. */
static void any_error_loads_nothing(void **state)
{
	struct xfed_policy *p;
	char text[4096];
	put("a.example.yaml", "domain: a.example\n");
	put("b.example.yaml", "domain: b.example\nsasl: maybe\n");
	put("c.example.yaml", "domain: c.example\ntsl: required\n");
	put("example.com.yaml", "domain: example.com\n");
	assert_int_equal(load_dir(&p, text, sizeof(text)), XFED_ERR_INVALID);
	assert_null(p);
	assert_non_null(strstr(text, "/b.example.yaml:2:7:sasl: found \"maybe\", accepted: required | optional | not-supported\n"));
	assert_non_null(strstr(text, "/c.example.yaml:2:1:tsl: found the unknown key \"tsl\"; did you mean \"tls\"?\n"));
	assert_non_null(strstr(text, "/example.com.yaml:1:9:domain: found \"example.com\", which is a domain of ours\n"));
	drop("a.example.yaml");
	drop("b.example.yaml");
	drop("c.example.yaml");
	drop("example.com.yaml");
}

static void a_name_claimed_twice_is_an_error(void **state)
{
	struct xfed_policy *p;
	char text[4096];
	put("a.example.yaml", "domain: a.example\nadditional_domains: [it.example]\n");
	put("b.example.yaml", "domain: b.example\nadditional_domains: [it.example]\n");
	assert_int_equal(load_dir(&p, text, sizeof(text)), XFED_ERR_INVALID);
	assert_null(p);
	assert_non_null(strstr(text, "/b.example.yaml:2:21:additional_domains: "));
	assert_non_null(strstr(text, "it.example"));
	drop("a.example.yaml");
	drop("b.example.yaml");
}

/* ---- at a start ---- */

static void write_file(const char *file, struct xfed_span text)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(text.data, 1, text.len, f), text.len);
	fclose(f);
}

/* What loads with `text` (of `len` bytes) as FILE beside good.example, which has a wildcard; its `status` sentences in `told`. */
static struct xfed_policy *start_with(const char *file, const char *text, size_t len, char *told, size_t size)
{
	struct rt_conf_errors errors;
	struct policy_broken broken;
	struct xfed_policy *p;
	size_t n = 0;
	put("good.example.yaml", "domain: good.example\nadditional_domains: [\"*.wide.example\", also.good.example]\n");
	write_file(file, xfed_span_make(text, len));
	rt_conf_errors_init(&errors);
	policy_broken_init(&broken);
	assert_int_equal(partner_dir_load(dir, config, NULL, &broken, &errors, &presence, &p), XFED_OK);
	told[0] = '\0';
	for (const struct policy_broken_file *b = broken.first; b; b = b->next) {
		n += (size_t)snprintf(told + n, size - n, "%s\n", b->text);
	}
	policy_broken_deinit(&broken);
	rt_conf_errors_deinit(&errors);
	drop(file);
	drop("good.example.yaml");
	return p;
}

static bool is_refused(const struct xfed_policy *p, const char *name)
{
	struct xfed_span domain = xfed_span_str(name);
	return !xfed_policy_partner(p, domain) && xfed_policy_why_not(p, domain) == XFED_REASON_POLICY_PARTNER_BROKEN;
}

static void require_refused(const struct xfed_policy *p, const char *name, const char *what)
{
	if (!is_refused(p, name)) {
		fail_msg("%s: %s is not refused", what, name);
	}
}

/* However a good file is broken, at whatever line: its own domain is refused, and every name whose bytes are still there. */
static void every_name_that_can_be_read_is_refused(void **state)
{
	static const char good[] =
		"domain: sub.wide.example\ndescription: \"Sub, \\u00a7 5\"\nadditional_domains: [a.wide.example, 'b.wide.example']\n"
		"partner_type: federated # with them\ntls: required\nlimits:\n  connections: 5\nadditional_domains:\n- c.wide.example\n"
		"- \"*.d.wide.example\"\n- B\303\274cher.Wide.Example\nkinds: [message]\n";
	static const char *const names[][2] = { { "a.wide.example", "a.wide.example" }, { "b.wide.example", "b.wide.example" },
		{ "c.wide.example", "c.wide.example" }, { "*.d.wide.example", "x.d.wide.example" },
		{ "B\303\274cher.Wide.Example", "b\303\274cher.wide.example" } };
	static const char *const junk[] = { "\t", "\377\376", "[", "}", "\"", "'", "&", "%", "- ", "x: y: z\n", "---\n", "\302\240", "#", "\n\n", "*",
		"!" };
	for (size_t at = 0; at <= strlen(good); at++) {
		if (at > 0 && good[at - 1] != '\n') {
			continue;
		}
		for (size_t k = 0; k <= XFED_ARRAY_LEN(junk); k++) {
			char text[1024], told[4096], what[64];
			bool is_cut = k == XFED_ARRAY_LEN(junk);
			snprintf(text, sizeof(text), "%.*s%s%s", (int)at, good, is_cut ? "" : junk[k], is_cut ? "" : good + at);
			struct xfed_policy *p = start_with("sub.wide.example.yaml", text, strlen(text), told, sizeof(told));
			snprintf(what, sizeof(what), "byte %zu, junk %zu", at, k);
			if (!xfed_policy_partner(p, XFED_SPAN("sub.wide.example"))) {
				require_refused(p, "sub.wide.example", what);
				for (size_t n = 0; n < XFED_ARRAY_LEN(names); n++) {
					const char *line = strstr(text, names[n][0]);
					/* A line that begins with # is a comment, and names nobody. */
					while (line && line > text && line[-1] != '\n') {
						line--;
					}
					if (line && *line != '#') {
						require_refused(p, names[n][1], what);
					}
				}
				assert_non_null(strstr(told, "sub.wide.example"));
			}
			assert_non_null(xfed_policy_partner(p, XFED_SPAN("good.example")));
			assert_non_null(xfed_policy_partner(p, XFED_SPAN("other.wide.example")));
			xfed_policy_free(p);
		}
	}
}

/* Files that are no text, or another's. */
static void files_that_are_none(void **state)
{
	static const struct {
		const char *name, *file, *text;
		size_t len;
		const char *refused[4], *not [3];
	} files[] = {
#define TEXT(s) s, sizeof(s) - 1
		{ "empty", "sub.wide.example.yaml", TEXT(""), { "sub.wide.example" }, { "other.wide.example", "good.example" } },
		{ "binary", "sub.wide.example.yaml", TEXT("\0\1\2\377\376PK\3\4x.wide.example\0\0\200"), { "sub.wide.example", "x.wide.example" },
			{ "good.example" } },
		{ "UTF-16", "sub.wide.example.yaml", TEXT("\377\376d\0:\0 \0x\0.\0w\0i\0d\0e\0.\0e\0x\0a\0m\0p\0l\0e\0\n\0"),
			{ "sub.wide.example", "x.wide.example" }, { "good.example" } },
		{ "an escape of JSON", "sub.wide.example.yaml", TEXT("{\"domain\": \"b\\u00fccher.wide.example\", \"tls\": \"maybe\"}"),
			{ "sub.wide.example", "b\303\274cher.wide.example" }, { "good.example" } },
		{ "quotation marks of a word processor", "sub.wide.example.yaml", TEXT("domain: \342\200\234x.wide.example\342\200\235\n"),
			{ "sub.wide.example", "x.wide.example" }, { "good.example" } },
		{ "... and a name of more than ASCII", "sub.wide.example.yaml", TEXT("domain: \342\200\234b\303\274cher.wide.example\342\200\235\n"),
			{ "sub.wide.example", "b\303\274cher.wide.example" }, { "good.example", "other.wide.example", "cher.wide.example" } },
		{ "Latin-1", "sub.wide.example.yaml", TEXT("domain: sub.wide.example\nadditional_domains: [b\374cher.wide.example]\n"),
			{ "sub.wide.example", "b\303\274cher.wide.example" }, { "good.example" } },
		{ "Shift JIS, with a backslash in a letter", "sub.wide.example.yaml", TEXT("domain: \203\\ft.wide.example\n"),
			{ "sub.wide.example", "\343\202\275ft.wide.example" }, { "good.example" } },
		{ "... at the end of a label", "sub.wide.example.yaml", TEXT("domain: \225\\.wide.example\n"),
			{ "sub.wide.example", "\350\241\250.wide.example" }, { "good.example" } },
		{ "UTF-16 with more than ASCII", "sub.wide.example.yaml",
			TEXT("\377\376d\0:\0 \0b\0\374\0c\0h\0.\0w\0i\0d\0e\0.\0e\0x\0a\0m\0p\0l\0e\0\n\0"),
			{ "sub.wide.example", "b\303\274ch.wide.example" }, { "good.example", "ch.wide.example", "other.wide.example" } },
		{ "... whose letters are ASCII by halves, and no mark", "sub.wide.example.yaml",
			TEXT("\0:\0 ab\0.\0w\0i\0d\0e\0.\0e\0x\0a\0m\0p\0l\0e\0\n"), { "sub.wide.example", "\346\205\242.wide.example" },
			{ "good.example", "other.wide.example" } },
		{ "a long escape", "sub.wide.example.yaml", TEXT("domain: \"b\\U000000fccher.wide.example\"\ntls: maybe\n"),
			{ "sub.wide.example", "b\303\274cher.wide.example" }, { "good.example", "other.wide.example" } },
		{ "a line that goes on", "sub.wide.example.yaml", TEXT("domain: \"b\\\n  bc.wide.example\"\ntls: maybe\n"),
			{ "sub.wide.example", "bbc.wide.example" }, { "good.example", "bc.wide.example", "other.wide.example" } },
		{ "an address", "sub.wide.example.yaml", TEXT("domain: alice@x.wide.example:5269\n"), { "sub.wide.example", "x.wide.example" },
			{ "good.example" } },
		{ "another's domain", "good2.example.yaml", TEXT("domain: good.example\n"),
			{ "good2.example", "good.example", "also.good.example", "x.wide.example" }, { NULL } },
		{ "a name of another", "new.example.yaml", TEXT("domain: new.example\nadditional_domains: [also.good.example]\n"),
			{ "new.example", "also.good.example" }, { "good.example", "x.wide.example" } },
		{ "a file named after nothing", "copy of.yaml", TEXT("domain: x.wide.example\n"), { "x.wide.example" },
			{ "good.example", "other.wide.example" } },
		{ "in capitals", "Sub.Wide.EXAMPLE.yaml", TEXT("tls: maybe\n"), { "sub.wide.example" }, { "good.example" } },
		{ "one of ours", "example.com.yaml", TEXT("domain: example.com\nadditional_domains: [x.wide.example]\n"), { "x.wide.example" },
			{ "good.example" } },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(files); i++) {
		char told[4096];
		struct xfed_policy *p = start_with(files[i].file, files[i].text, files[i].len, told, sizeof(told));
		for (size_t k = 0; k < 4 && files[i].refused[k]; k++) {
			require_refused(p, files[i].refused[k], files[i].name);
		}
		for (size_t k = 0; k < 3 && files[i].not [k]; k++) {
			if (!xfed_policy_partner(p, xfed_span_str(files[i].not [k]))) {
				fail_msg("%s: %s is not served", files[i].name, files[i].not [k]);
			}
		}
		assert_true(xfed_policy_is_local(p, XFED_SPAN("example.com")));
		assert_non_null(strstr(told, files[i].file));
		xfed_policy_free(p);
	}
}

/* What a power cut leaves: a whole file of zero bytes costs no more than any other. */
static void zero_bytes_are_read_once(void **state)
{
	size_t len = RT_CONF_FILE_BYTES;
	char told[4096], *text = calloc(1, len + 1);
	static const char names[] = "x.wide.example # y.wide.example";
	assert_non_null(text);
	memcpy(text + len - strlen(names), names, strlen(names));
	clock_t begin = clock();
	struct xfed_policy *p = start_with("sub.wide.example.yaml", text, len, told, sizeof(told));
	assert_true(clock() - begin < 5 * CLOCKS_PER_SEC); /* quadratic it is minutes */
	require_refused(p, "sub.wide.example", "zeros");
	require_refused(p, "x.wide.example", "zeros");
	assert_non_null(xfed_policy_partner(p, XFED_SPAN("y.wide.example")));
	xfed_policy_free(p);
	free(text);
}

/* More names than a policy holds: the start goes on, and what found no place is not let through by a wildcard. */
static void too_many_names_are_refused_too(void **state)
{
	const size_t count = 66000;
	struct xfed_buf text;
	char told[4096];
	xfed_buf_init(&text, RT_CONF_FILE_BYTES);
	assert_int_equal(xfed_buf_append_str(&text, "domain: [\n"), XFED_OK);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(xfed_buf_printf(&text, "%05zx.y\n", i), XFED_OK);
	}
	assert_int_equal(xfed_buf_append_str(&text, "last.wide.example also.good.example\n"), XFED_OK);
	struct xfed_policy *p = start_with("sub.wide.example.yaml", xfed_buf_span(&text).data, xfed_buf_len(&text), told, sizeof(told));
	require_refused(p, "sub.wide.example", "many");
	require_refused(p, "00000.y", "many");
	assert_null(xfed_policy_partner(p, XFED_SPAN("last.wide.example")));
	assert_null(xfed_policy_partner(p, XFED_SPAN("also.good.example")));
	assert_non_null(xfed_policy_partner(p, XFED_SPAN("good.example")));
	assert_non_null(strstr(told, "cannot be refused by its name"));
	xfed_policy_free(p);
	xfed_buf_deinit(&text);
}

/* More than can be remembered: nobody can say whom it was about, so nobody is served, and the start goes on. */
static void too_much_to_remember_refuses_everybody(void **state)
{
	const size_t count = 65;
	struct xfed_buf text;
	char told[16384], label[61], file[64];
	memset(label, 'a', sizeof(label) - 1);
	label[sizeof(label) - 1] = '\0';
	xfed_buf_init(&text, RT_CONF_FILE_BYTES);
	while (xfed_buf_printf(&text, "\t%s.%s.%s.%s", label, label, label, label) == XFED_OK) {
	}
	for (size_t i = 0; i < count; i++) {
		snprintf(file, sizeof(file), "z%zu.example.yaml", i);
		write_file(file, xfed_buf_span(&text));
	}
	struct xfed_policy *p = start_with("zz.example.yaml", "?", 1, told, sizeof(told));
	require_refused(p, "good.example", "too much");
	require_refused(p, "x.wide.example", "too much");
	assert_null(xfed_policy_partner(p, XFED_SPAN("z0.example")));
	assert_true(xfed_policy_is_local(p, XFED_SPAN("example.com")));
	xfed_policy_free(p);
	for (size_t i = 0; i < count; i++) {
		snprintf(file, sizeof(file), "z%zu.example.yaml", i);
		drop(file);
	}
	xfed_buf_deinit(&text);
}

static void a_short_secret_is_an_error(void **state)
{
	struct xfed_policy *p;
	char text[4096], expected[256];
	put("secret", "short\n");
	assert_int_equal(load_dir(&p, text, sizeof(text)), XFED_ERR_INVALID);
	snprintf(expected, sizeof(expected), "%s/secret:1:1: found a secret of 5 characters, accepted: at least 16\n", dir);
	assert_string_equal(text, expected);
	put("secret", "correct horse battery staple\nprevious secret of ours\n");
}

static void a_missing_directory_is_an_error(void **state)
{
	struct rt_conf_errors errors;
	struct xfed_policy *p;
	rt_conf_errors_init(&errors);
	assert_int_equal(partner_dir_load("/nonexistent/partners.d", config, NULL, NULL, &errors, &presence, &p), XFED_ERR_INVALID);
	assert_null(p);
	assert_string_equal(
		errors.items[0].text, "cannot be read: No such file or directory; make the directory, or correct partners_dir in gateway.yaml");
	rt_conf_errors_deinit(&errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_mistake_has_its_sentence),
		cmocka_unit_test(each_row_of_the_matrix),
		cmocka_unit_test(values_arrive),
		cmocka_unit_test(the_directory_becomes_a_policy),
		cmocka_unit_test(an_empty_directory_is_a_warning),
		cmocka_unit_test(any_error_loads_nothing),
		cmocka_unit_test(a_name_claimed_twice_is_an_error),
		cmocka_unit_test(every_name_that_can_be_read_is_refused),
		cmocka_unit_test(files_that_are_none),
		cmocka_unit_test(zero_bytes_are_read_once),
		cmocka_unit_test(too_many_names_are_refused_too),
		cmocka_unit_test(too_much_to_remember_refuses_everybody),
		cmocka_unit_test(a_short_secret_is_an_error),
		cmocka_unit_test(a_missing_directory_is_an_error),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
