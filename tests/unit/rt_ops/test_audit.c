/* The last changes and failed logins: what is kept, what pushes out what, pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "xfed/limits.h"
#include "xfed/mem.h"
#include "xfed/rt/audit.h"

static json_t *answer;
static char code[32];

static void keep(void *user, json_t *result, const char *c, const char *text)
{
	json_decref(answer);
	answer = result;
	snprintf(code, sizeof(code), "%s", c ? c : "ok");
}

static size_t list(const char *args)
{
	json_t *j = json_loads(args, 0, NULL);
	rt_audit_list((struct rt_reply){ keep, NULL, NULL }, j);
	json_decref(j);
	return json_array_size(json_object_get(answer, "audit"));
}

static const char *said(size_t i, const char *key)
{
	const char *s = json_string_value(json_object_get(json_array_get(json_object_get(answer, "audit"), i), key));
	return s ? s : "";
}

static int starts(void **state)
{
	rt_audit_clear();
	return 0;
}

static int ends(void **state)
{
	rt_audit_clear();
	json_decref(answer);
	answer = NULL;
	return 0;
}

static void add(enum rt_audit_kind kind, unsigned n)
{
	char what[32];
	snprintf(what, sizeof(what), "%u", n);
	rt_audit_add(kind, &(struct rt_audit){ .who = "carol", .from = "192.0.2.7", .what = what, .result = "ok" });
}

static void the_newest_first(void **state)
{
	assert_int_equal(list("{}"), 0);
	add(RT_AUDIT_CHANGE, 1);
	add(RT_AUDIT_LOGIN, 2);
	add(RT_AUDIT_CHANGE, 3);
	assert_int_equal(list("{}"), 3);
	assert_string_equal(said(0, "what"), "3");
	assert_string_equal(said(1, "what"), "2");
	assert_string_equal(said(1, "kind"), "login");
	assert_string_equal(said(2, "what"), "1");
	assert_string_equal(said(2, "who"), "carol");
	assert_string_equal(said(2, "from"), "192.0.2.7");
	assert_null(json_object_get(answer, "next"));
}

/* Whoever guesses passwords pushes out failed logins alone. */
static void each_kind_has_its_places(void **state)
{
	add(RT_AUDIT_CHANGE, 0);
	for (unsigned i = 1; i <= XFED_AUDIT_ENTRIES + 5; i++) {
		add(RT_AUDIT_LOGIN, i);
	}
	size_t count = 0, changes = 0;
	char args[64] = "{\"limit\": 500}";
	for (const char *next = ""; next; next = json_string_value(json_object_get(answer, "next"))) {
		if (next[0]) {
			snprintf(args, sizeof(args), "{\"limit\": 500, \"after\": \"%s\"}", next);
		}
		size_t n = list(args);
		for (size_t i = 0; i < n; i++) {
			changes += strcmp(said(i, "kind"), "change") == 0;
		}
		count += n;
	}
	assert_int_equal(count, XFED_AUDIT_ENTRIES + 1);
	assert_int_equal(changes, 1);
	assert_string_equal(said(json_array_size(json_object_get(answer, "audit")) - 1, "what"), "0");
}

static void pages(void **state)
{
	for (unsigned i = 0; i < 10; i++) {
		add(i % 3 == 0 ? RT_AUDIT_LOGIN : RT_AUDIT_CHANGE, i);
	}
	assert_int_equal(list("{\"limit\": 4}"), 4);
	assert_string_equal(said(3, "what"), "6");
	assert_string_equal(json_string_value(json_object_get(answer, "next")), "7");
	assert_int_equal(list("{\"limit\": 4, \"after\": \"7\"}"), 4);
	assert_string_equal(said(0, "what"), "5");
	assert_int_equal(list("{\"limit\": 4, \"after\": \"3\"}"), 2);
	assert_null(json_object_get(answer, "next"));
	assert_int_equal(list("{\"after\": \"x\"}"), 0);
	assert_string_equal(code, "bad-request");
	assert_int_equal(list("{\"after\": \"0\"}"), 0);
}

static void what_is_long_is_cut(void **state)
{
	char *text = calloc(1, 100000);
	memset(text, 'x', 99999);
	rt_audit_add(RT_AUDIT_LOGIN, &(struct rt_audit){ .who = text, .from = NULL, .what = "\xff", .result = text });
	assert_int_equal(list("{}"), 1);
	assert_int_equal(strlen(said(0, "who")), XFED_AUDIT_TEXT_BYTES);
	assert_string_equal(said(0, "from"), "");
	free(text);
}

/* ---- commands ---- */

static void command(const char *noun, const char *verb, const char *args, const char *result)
{
	json_t *j = json_loads(args, 0, NULL);
	for (const struct rt_command *c = rt_commands; c < rt_commands + RT_COMMAND_COUNT; c++) {
		if (strcmp(c->noun, noun) == 0 && strcmp(c->verb, verb) == 0) {
			rt_audit_add_command(c, j, "uid 7", "control socket", result);
			break;
		}
	}
	json_decref(j);
}

static void a_change_of_a_file_is_one_line(void **state)
{
	static const char step[] =
		"{\"command\": \"partner set a.example tls=required\", \"file\": \"/x\", \"login\": \"carol\", \"from\": \"192.0.2.7\"}";
	command("change", "check", step, "ok");
	command("change", "begin", step, "ok");
	command("change", "drop", "{\"id\": 1}", "ok");
	command("change", "carry", "{\"noun\": \"partner\", \"verb\": \"set\", \"args\": {}, \"login\": \"carol\", \"from\": \"192.0.2.7\"}", "ok");
	assert_int_equal(list("{}"), 0);
	command("change", "finish", step, "ok");
	assert_int_equal(list("{}"), 1);
	assert_string_equal(said(0, "what"), "partner set a.example tls=required");
	assert_string_equal(said(0, "who"), "carol");
	assert_string_equal(said(0, "from"), "192.0.2.7");
	command("change", "begin", step, "failed");
	assert_int_equal(list("{}"), 2);
	assert_string_equal(said(0, "result"), "failed");
}

static void other_commands(void **state)
{
	command("status", "", "{}", "ok");
	assert_int_equal(list("{}"), 0);
	command("stream", "close", "{\"id\": \"7\"}", "not-found");
	command("reload", "", "null", "ok");
	assert_int_equal(list("{}"), 2);
	assert_string_equal(said(0, "what"), "reload");
	assert_string_equal(said(1, "what"), "stream close 7");
	assert_string_equal(said(1, "who"), "uid 7");
	assert_string_equal(said(1, "result"), "not-found");
	/* A login that somebody types is none. */
	command("contact", "approve", "{\"user\": \"a@b\", \"contact\": \"c@d\", \"login\": \"root\"}", "ok");
	assert_string_equal((list("{}"), said(0, "who")), "uid 7");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, starts, ends)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_newest_first),
		TEST(each_kind_has_its_places),
		TEST(pages),
		TEST(what_is_long_is_cut),
		TEST(a_change_of_a_file_is_one_line),
		TEST(other_commands),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
