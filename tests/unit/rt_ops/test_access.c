/* access.d: user beats site beats global; without any file everyone may; with files, whom none covers may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "fe-gateway/policy/access_file.h"

struct row {
	const char *name, *file, *text, *expected;
};

static const struct row rows[] = {
	{ "user", "fedpic.yaml", "name: FedPic\nscope: user\nallowed: true\ngranted_to: [alice@example.com]\n", "" },
	{ "site", "s.yaml", "name: s\nscope: site\nallowed: false\ndomains: [example.com]\n", "" },
	{ "global", "g.yaml", "name: g\nscope: global\nallowed: true\n", "" },
	{ "nothing", "g.yaml", "name: g\n", "g.yaml:1:1:scope: missing, accepted: global | site | user\n" },
	{ "no switch", "g.yaml", "name: g\nscope: global\n", "g.yaml:1:1:allowed: missing, accepted: federation and xmpp, or allowed for both\n" },
	{ "both kinds of switches", "g.yaml", "name: g\nscope: global\nxmpp: true\nallowed: true\n",
		"g.yaml:4:10:allowed: found beside federation or xmpp, accepted: federation and xmpp, or allowed for both "
		"(xfedctl access set NAME allowed= federation=... xmpp=..., or federation= xmpp= allowed=...)\n" },
	{ "both switches", "g.yaml", "name: g\nscope: global\nxmpp: true\nfederation: true\n", "" },
	{ "file in capitals", "FedPic.yaml", "name: FedPic\nscope: global\nallowed: true\n",
		"FedPic.yaml:1:7:name: found \"FedPic\", accepted: the name the file is named after in lower case\n" },
	{ "another name", "other.yaml", "name: FedPic\nscope: global\nallowed: true\n",
		"other.yaml:1:7:name: found \"FedPic\", accepted: the name the file is named after in lower case\n" },
	{ "user without users", "u.yaml", "name: u\nscope: user\nallowed: true\n",
		"u.yaml:1:1:granted_to: missing, accepted: granted_to or granted_to_file (scope is user)\n" },
	{ "site without domains", "u.yaml", "name: u\nscope: site\nallowed: true\n",
		"u.yaml:1:1:domains: missing, accepted: a list of domains (scope is site)\n" },
	{ "global with users", "u.yaml", "name: u\nscope: global\nallowed: true\ngranted_to: [a@b.example]\n",
		"u.yaml:4:13:granted_to: found with another scope, accepted: scope user only\n" },
	{ "a resource", "u.yaml", "name: u\nscope: user\nallowed: true\ngranted_to: [a@b.example/c]\n",
		"u.yaml:4:14:granted_to[0]: found \"a@b.example/c\", accepted: an address of a user such as alice@example.com\n" },
	{ "a domain", "u.yaml", "name: u\nscope: user\nallowed: true\ngranted_to: [b.example]\n",
		"u.yaml:4:14:granted_to[0]: found \"b.example\", accepted: an address of a user such as alice@example.com\n" },
	{ "no file of users", "u.yaml", "name: u\nscope: user\nallowed: true\ngranted_to_file: /nonexistent/users\n",
		"u.yaml:4:18:granted_to_file: /nonexistent/users: No such file or directory\n" },
};

static int add(struct access_set *s, const char *file, const char *text, const char *expected, const char *name)
{
	struct rt_conf_errors errors;
	struct xfed_buf out;
	rt_conf_errors_init(&errors);
	xfed_buf_init(&out, 65536);
	int rc = access_set_add(s, file, xfed_span_str(text), &errors);
	assert_int_equal(rt_conf_errors_print(&errors, &out), XFED_OK);
	struct xfed_span got = xfed_buf_span(&out);
	int failed = !xfed_span_is(got, expected) || (rc == XFED_OK) != (expected[0] == '\0');
	if (failed) {
		print_error("%s: result %d\n got: %.*s\nwant: %s\n", name, rc, (int)got.len, got.data, expected);
	}
	xfed_buf_deinit(&out);
	rt_conf_errors_deinit(&errors);
	return failed;
}

static void each_mistake_has_its_sentence(void **state)
{
	int failed = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct access_set *s;
		assert_int_equal(access_set_new(&s), XFED_OK);
		failed += add(s, rows[i].file, rows[i].text, rows[i].expected, rows[i].name);
		access_set_free(s);
	}
	assert_int_equal(failed, 0);
}

static bool allows(const struct access_set *s, const char *local, const char *domain, const char *rule)
{
	struct xfed_jid jid = { .local = xfed_span_str(local), .domain = xfed_span_str(domain) };
	const struct access_rule *by;
	bool is_allowed = access_set_judge(s, &jid, &by) == XFED_REASON_NONE;
	const char *decided = by ? by->name : NULL;
	if (rule ? !decided || strcmp(decided, rule) != 0 : decided != NULL) {
		fail_msg("%s@%s: decided by %s, not %s", local ? local : "", domain, decided ? decided : "nothing", rule ? rule : "nothing");
	}
	return is_allowed;
}

static void the_nearest_rule_decides(void **state)
{
	struct access_set *s;
	assert_int_equal(access_set_new(&s), XFED_OK);
	assert_true(allows(s, "anyone", "example.com", NULL));
	assert_int_equal(add(s, "pic.yaml", "name: Pic\nscope: user\nallowed: true\ngranted_to: [Alice@Example.com]\n", "", "pic"), 0);
	assert_true(allows(s, "alice", "example.com", "Pic"));
	assert_false(allows(s, "bob", "example.com", NULL));
	assert_int_equal(add(s, "site.yaml", "name: site\nscope: site\nallowed: false\ndomains: [example.com]\n", "", "site"), 0);
	assert_int_equal(add(s, "all.yaml", "name: all\nscope: global\nallowed: true\n", "", "all"), 0);
	assert_true(allows(s, "alice", "example.com", "Pic"));
	assert_false(allows(s, "bob", "example.com", "site"));
	assert_true(allows(s, "bob", "example.org", "all"));
	assert_true(allows(s, NULL, "example.org", "all"));
	assert_int_equal(add(s, "all2.yaml", "name: all2\nscope: global\nallowed: false\n",
				 "all2.yaml:2:8:scope: found a second rule for global, \"all\" is one already\n", "second global"),
		0);
	assert_int_equal(add(s, "pic2.yaml", "name: pic2\nscope: user\nallowed: false\ngranted_to: [alice@example.com]\n",
				 "pic2.yaml:4:13:granted_to: found \"alice@example.com\", which \"Pic\" names already, accepted: each only once\n",
				 "second user"),
		0);
	access_set_free(s);
}

/* Lync's way: two switches, both of them in the one rule that decides. */
static const struct switch_row {
	const char *user, *site, *global; /* of the rule of each scope, NULL: there is none */
	const char *decided;		  /* by scope; NULL: nothing */
	const char *off;		  /* NULL: the user may */
} switch_rows[] = {
	{ NULL, NULL, NULL, NULL, NULL },
	{ "allowed: true", NULL, NULL, "user", NULL },
	{ "allowed: false", NULL, NULL, "user", "federation and xmpp are off" },
	{ "federation: true\nxmpp: true", NULL, NULL, "user", NULL },
	{ "federation: true", NULL, NULL, "user", "xmpp is off" },
	{ "federation: true\nxmpp: false", NULL, NULL, "user", "xmpp is off" },
	{ "xmpp: true", NULL, NULL, "user", "federation is off" },
	{ "federation: false\nxmpp: false", NULL, NULL, "user", "federation and xmpp are off" },
	{ "federation: true", "allowed: true", "allowed: true", "user", "xmpp is off" },
	{ "xmpp: true", "federation: true", NULL, "user", "federation is off" },
	{ "allowed: true", "allowed: false", "allowed: false", "user", NULL },
	{ NULL, "xmpp: true\nfederation: true", "allowed: false", "site", NULL },
	{ NULL, "xmpp: true", "allowed: true", "site", "federation is off" },
	{ NULL, NULL, "allowed: true", "global", NULL },
	{ NULL, NULL, "federation: true", "global", "xmpp is off" },
};

static void both_switches_have_to_be_on(void **state)
{
	static const char *const scopes[] = { "user", "site", "global" };
	static const char *const rest[] = { "granted_to: [alice@example.com]\n", "domains: [example.com]\n", "" };
	const struct xfed_jid alice = { .local = XFED_SPAN("alice"), .domain = XFED_SPAN("example.com") };
	for (size_t i = 0; i < XFED_ARRAY_LEN(switch_rows); i++) {
		const struct switch_row *r = &switch_rows[i];
		const char *const texts[] = { r->user, r->site, r->global };
		struct access_set *s;
		const struct access_rule *by;
		assert_int_equal(access_set_new(&s), XFED_OK);
		for (size_t k = 0; k < XFED_ARRAY_LEN(texts); k++) {
			char text[256], file[32];
			snprintf(text, sizeof(text), "name: %s\nscope: %s\n%s\n%s", scopes[k], scopes[k], texts[k] ? texts[k] : "", rest[k]);
			snprintf(file, sizeof(file), "%s.yaml", scopes[k]);
			assert_int_equal(texts[k] ? add(s, file, text, "", text) : 0, 0);
		}
		bool is_allowed = access_set_judge(s, &alice, &by) == XFED_REASON_NONE;
		const char *off = by ? access_rule_off(by) : NULL;
		if (is_allowed != !r->off || strcmp(by ? by->name : "", r->decided ? r->decided : "") != 0 ||
			strcmp(off ? off : "", r->off ? r->off : "") != 0) {
			fail_msg("row %zu: %s by %s: %s", i, is_allowed ? "may" : "may not", by ? by->name : "nothing", off ? off : "");
		}
		access_set_free(s);
	}
}

static void rules_are_shown_as_they_stand(void **state)
{
	struct access_set *s;
	assert_int_equal(access_set_new(&s), XFED_OK);
	assert_null(access_set_rules(s));
	assert_int_equal(add(s, "a.yaml", "name: A\nscope: user\nxmpp: true\ngranted_to: [Bob@x.example, al@x.example]\n", "", "a"), 0);
	assert_int_equal(add(s, "b.yaml", "name: b\nscope: site\nallowed: true\ndomains: [x.example]\n", "", "b"), 0);
	const struct access_rule *r = access_set_rules(s);
	assert_string_equal(r->name, "A");
	assert_string_equal(r->file, "a.yaml");
	assert_int_equal(r->scope, ACCESS_USER);
	assert_true(r->xmpp && !r->federation && !r->is_broken);
	assert_int_equal(r->granted_to.count, 2);
	assert_string_equal(r->granted_to.items[0], "bob@x.example");
	r = r->next;
	assert_true(r->xmpp && r->federation && r->scope == ACCESS_SITE && r->domains.count == 1 && !r->next);
	access_set_free(s);
}

static void users_come_from_a_file(void **state)
{
	char path[] = "/tmp/xfed-test-access-XXXXXX", text[256], expected[256];
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	static const char users[] = "# users\n\nalice@example.com  \r\nbob@example.com\nno address\ncarol@example.com";
	assert_int_equal(write(fd, users, sizeof(users) - 1), (ssize_t)sizeof(users) - 1);
	snprintf(text, sizeof(text), "name: f\nscope: user\nallowed: true\ngranted_to_file: %s\n", path);
	snprintf(expected, sizeof(expected), "%s:5:1: found a line that is no address, accepted: an address of a user such as alice@example.com\n",
		path);
	struct access_set *s;
	assert_int_equal(access_set_new(&s), XFED_OK);
	assert_int_equal(add(s, "f.yaml", text, expected, "one bad line"), 0);
	/* Whom that line means nobody knows. */
	assert_int_equal(add(s, "all.yaml", "name: all\nscope: global\nallowed: true\n", "", "all"), 0);
	assert_false(allows(s, "alice", "example.com", "f"));
	assert_false(allows(s, "dave", "example.com", "f"));
	access_set_free(s);
	assert_int_equal(pwrite(fd, "#", 1, 46), 1);
	assert_int_equal(access_set_new(&s), XFED_OK);
	assert_int_equal(add(s, "f.yaml", text, "", "no bad line"), 0);
	assert_true(allows(s, "alice", "example.com", "f"));
	assert_true(allows(s, "carol", "example.com", "f"));
	assert_false(allows(s, "dave", "example.com", NULL));
	access_set_free(s);
	/* Whom a rule that forbids was for nobody knows when its file is empty: it forbids everybody whom no other names. */
	assert_int_equal(ftruncate(fd, 0), 0);
	snprintf(text, sizeof(text), "name: f\nscope: user\nallowed: false\ngranted_to_file: %s\n", path);
	snprintf(expected, sizeof(expected), "f.yaml:4:18:granted_to_file: found no address in %s, accepted: at least one\n", path);
	assert_int_equal(access_set_new(&s), XFED_OK);
	assert_int_equal(add(s, "f.yaml", text, expected, "emptied"), 0);
	assert_int_equal(add(s, "all.yaml", "name: all\nscope: global\nallowed: true\n", "", "all"), 0);
	assert_int_equal(add(s, "u.yaml", "name: u\nscope: user\nallowed: true\ngranted_to: [bob@example.com]\n", "", "u"), 0);
	assert_false(allows(s, "alice", "example.com", "f"));
	assert_true(allows(s, "bob", "example.com", "u"));
	access_set_free(s);
	close(fd);
	unlink(path);
}

/* Beside a good rule of each scope: whom a file that cannot be loaded lets have. */
static const struct broken_row {
	const char *name, *text;
	const char *allowed; /* of "ugx": named by a good rule for users, of a good site, anybody else */
} broken_rows[] = {
	{ "a value that names nobody", "name: b\nscope: user\nallowed: maybe\ngranted_to: [b@x.example]\n", "ugx" },
	{ "... of JSON", "{\"name\": \"b\", \"scope\": \"user\", \"allowed\": 1, \"granted_to\": [\"b@x.example\"]}", "ugx" },
	{ "... and a user whose name has signs in it",
		"name: b\nscope: user\nallowed: maybe\ngranted_to: ['o\\27brien@x.example', 'a;(b|c)=d@x.example']\n", "ugx" },
	{ "... and does not say who is meant", "name: b\nscope: user\nallowed: maybe\n", "u" },
	{ "... and names sites where users are meant", "name: b\nscope: user\nallowed: maybe\ndomains: [s.example]\n", "u" },
	{ "another name", "name: c\nscope: user\nallowed: false\ngranted_to: ['o\\27brien@x.example', 'a;(b|c)=d@x.example']\n", "ugx" },
	{ "a user that cannot be read", "name: b\nscope: user\nallowed: false\ngranted_to: [b@]\n", "u" },
	{ "a key that could be granted_to", "name: b\nscope: user\nallowed: false\ngrnated_to: [b@x.example]\n", "u" },
	{ "no YAML", "name: b\nscope: user\nallowed: false\ngranted_to: [b@x.example\nmore: }\n", "u" },
	{ "a site", "name: b\nscope: site\nallowed: maybe\ndomains: [s.example]\n", "ugx" },
	{ "a site that cannot be read", "name: b\nscope: site\nallowed: false\ndomains: [\"x example\"]\n", "ug" },
	{ "the good site again", "name: b\nscope: site\nallowed: false\ndomains: [g.example]\n", "ux" },
	{ "the good user again", "name: b\nscope: user\nallowed: false\ngranted_to: [u@x.example]\n", "gx" },
	{ "... where nothing else can be read", "\"u@x.example\n\t\377", "" },
	{ "all", "name: b\nscope: global\nallowed: false\nmore: 1\n", "ug" },
	{ "a second rule for all", "name: b\nscope: global\nallowed: true\n", "ug" },
	{ "no scope", "name: b\nallowed: false\n", "u" },
	{ "two scopes", "name: b\nscope: global\nscope: user\nallowed: false\n", "u" },
	{ "a scope in a comment", "name: b\n# scope: global\nscpe: user\nallowed: false\n", "u" },
	{ "a garbled scope", "name: b\nscope: uesr\nallowed: false\n", "u" },
	{ "nothing", "", "u" },
};

static void a_broken_file_allows_nobody_it_could_be_about(void **state)
{
	for (size_t i = 0; i < 2 * XFED_ARRAY_LEN(broken_rows); i++) {
		const struct broken_row *r = &broken_rows[i / 2];
		struct rt_conf_errors errors;
		struct access_set *s;
		if (i % 2 == 1 && (strstr(r->name, " again") || strstr(r->name, "second"))) {
			continue; /* alone it is good */
		}
		rt_conf_errors_init(&errors);
		assert_int_equal(access_set_new(&s), XFED_OK);
		/* Before or behind the good ones. */
		for (size_t k = 0; k < 2; k++) {
			if (k == i % 2) {
				assert_int_equal(add(s, "us.yaml", "name: us\nscope: user\nallowed: true\ngranted_to: [u@x.example]\n", "", "us") +
							 add(s, "gs.yaml", "name: gs\nscope: site\nallowed: true\ndomains: [g.example]\n", "", "gs") +
							 add(s, "xs.yaml", "name: xs\nscope: global\nallowed: true\n", "", "xs"),
					0);
			} else {
				assert_int_equal(access_set_add(s, "b.yaml", xfed_span_str(r->text), &errors), XFED_ERR_INVALID);
			}
		}
		const struct xfed_jid users[] = {
			{ .local = XFED_SPAN("u"), .domain = XFED_SPAN("x.example") },
			{ .local = XFED_SPAN("y"), .domain = XFED_SPAN("g.example") },
			{ .local = XFED_SPAN("y"), .domain = XFED_SPAN("x.example") },
			{ .local = XFED_SPAN("b"), .domain = XFED_SPAN("x.example") },
			{ .local = XFED_SPAN("o\\27brien"), .domain = XFED_SPAN("x.example") },
			{ .local = XFED_SPAN("a;(b|c)=d"), .domain = XFED_SPAN("x.example") },
		};
		for (size_t k = 0; k < XFED_ARRAY_LEN(users); k++) {
			const struct access_rule *rule;
			static const char *const names[] = { "b@x.example", "o\\27brien@x.example", "a;(b|c)=d@x.example" };
			bool names_him = k >= 3 && strstr(r->text, names[k - 3]);
			bool may = k < 3 ? strchr(r->allowed, "ugx"[k]) != NULL : !names_him && strchr(r->allowed, 'x');
			enum xfed_reason reason = access_set_judge(s, &users[k], &rule);
			if ((reason == XFED_REASON_NONE) != may || (!may && reason != XFED_REASON_POLICY_ACCESS_BROKEN)) {
				fail_msg("%s (%zu): user %zu: %s", r->name, i % 2, k, xfed_reason_code(reason));
			}
		}
		access_set_free(s);
		rt_conf_errors_deinit(&errors);
	}
}

/* Of one that is no YAML: whom it names no good rule for users lets have either, whatever signs his name has. */
static void a_garbled_file_is_read_in_every_way(void **state)
{
	static const char *const names[] = { "plain", "o\\27brien", "dave=smith", "a;b", "(x)", "x|y", "l[i]{s}t", "a,b" };
	static const char *const around[][2] = { { "'", "'" }, { "\"", "\"" }, { "- ", "" }, { "", "" } };
	for (size_t i = 0; i < XFED_ARRAY_LEN(names) * XFED_ARRAY_LEN(around); i++) {
		const char *name = names[i / XFED_ARRAY_LEN(around)], *const *sign = around[i % XFED_ARRAY_LEN(around)];
		char good[128], garbled[128];
		struct rt_conf_errors errors;
		struct access_set *s;
		const struct access_rule *rule;
		const struct xfed_jid user = { .local = xfed_span_str(name), .domain = XFED_SPAN("x.example") };
		snprintf(good, sizeof(good), "name: u\nscope: user\nallowed: true\ngranted_to: ['%s@x.example']\n", name);
		snprintf(garbled, sizeof(garbled), "scope: user\n\t[\ngranted_to:\n%s%s@x.example%s\n", sign[0], name, sign[1]);
		rt_conf_errors_init(&errors);
		assert_int_equal(access_set_new(&s), XFED_OK);
		assert_int_equal(add(s, "u.yaml", good, "", name), 0);
		assert_int_equal(access_set_add(s, "b.yaml", xfed_span_str(garbled), &errors), XFED_ERR_INVALID);
		if (access_set_judge(s, &user, &rule) != XFED_REASON_POLICY_ACCESS_BROKEN) {
			fail_msg("%s is let in", garbled);
		}
		access_set_free(s);
		rt_conf_errors_deinit(&errors);
	}
}

static void a_missing_directory_is_empty_only_by_default(void **state)
{
	struct rt_conf_errors errors;
	struct access_set *s;
	rt_conf_errors_init(&errors);
	assert_int_equal(access_dir_load("/nonexistent/access.d", true, NULL, NULL, &errors, &s), XFED_OK);
	assert_int_equal(errors.count, 0);
	access_set_free(s);
	assert_int_equal(access_dir_load("/nonexistent/access.d", false, NULL, NULL, &errors, &s), XFED_ERR_INVALID);
	assert_null(s);
	assert_int_equal(errors.error_count, 1);
	rt_conf_errors_deinit(&errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_mistake_has_its_sentence),
		cmocka_unit_test(the_nearest_rule_decides),
		cmocka_unit_test(both_switches_have_to_be_on),
		cmocka_unit_test(rules_are_shown_as_they_stand),
		cmocka_unit_test(users_come_from_a_file),
		cmocka_unit_test(a_broken_file_allows_nobody_it_could_be_about),
		cmocka_unit_test(a_garbled_file_is_read_in_every_way),
		cmocka_unit_test(a_missing_directory_is_empty_only_by_default),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
