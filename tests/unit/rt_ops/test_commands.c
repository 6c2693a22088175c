/*
 * The table of commands against a list written by hand, and whatever is made of it against the table: usage, manual, completion,
 * and who may. The metrics in the manual, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "xfed/rt/command.h"

/* Names stay put: an operator's scripts have them. */
static const struct {
	const char *words;
	enum rt_command_server server;
	bool changes;
} names[] = {
	{ "status", RT_COMMAND_OF_BOTH, false },
	{ "stream list [DOMAIN]", RT_COMMAND_OF_BOTH, false },
	{ "stream show [EDGE/]ID", RT_COMMAND_OF_BOTH, false },
	{ "stream close [EDGE/]ID", RT_COMMAND_OF_BOTH, true },
	{ "partner list", RT_COMMAND_OF_GATEWAY, false },
	{ "partner show DOMAIN", RT_COMMAND_OF_GATEWAY, false },
	{ "partner add DOMAIN [KEY=VALUE...] [--dry-run]", RT_COMMAND_OF_XFEDCTL, true },
	{ "partner set DOMAIN KEY=VALUE... [--dry-run]", RT_COMMAND_OF_XFEDCTL, true },
	{ "partner remove DOMAIN [--dry-run]", RT_COMMAND_OF_XFEDCTL, true },
	{ "partner check DOMAIN [OUR-DOMAIN] [edge=NAME]", RT_COMMAND_OF_GATEWAY, false },
	{ "partner routes [DOMAIN] [for=PRODUCT]", RT_COMMAND_OF_GATEWAY, false },
	{ "dns print [OUR-DOMAIN]", RT_COMMAND_OF_GATEWAY, false },
	{ "dns check [OUR-DOMAIN] [edge=NAME] [server=ADDR]", RT_COMMAND_OF_GATEWAY, false },
	{ "firewall print [for=FORM]", RT_COMMAND_OF_BOTH, false },
	{ "access list", RT_COMMAND_OF_GATEWAY, false },
	{ "access show NAME", RT_COMMAND_OF_GATEWAY, false },
	{ "access add NAME KEY=VALUE... [--dry-run]", RT_COMMAND_OF_XFEDCTL, true },
	{ "access set NAME KEY=VALUE... [--dry-run]", RT_COMMAND_OF_XFEDCTL, true },
	{ "access remove NAME [--dry-run]", RT_COMMAND_OF_XFEDCTL, true },
	{ "access grant NAME USER [--dry-run]", RT_COMMAND_OF_XFEDCTL, true },
	{ "access revoke NAME USER [--dry-run]", RT_COMMAND_OF_XFEDCTL, true },
	{ "failures list [DOMAIN] [since=TIME] [limit=N] [before=ID]", RT_COMMAND_OF_GATEWAY, false },
	{ "failures show ID", RT_COMMAND_OF_GATEWAY, false },
	{ "failures retry ID|DOMAIN", RT_COMMAND_OF_GATEWAY, true },
	{ "explain FROM TO [kind=KIND]", RT_COMMAND_OF_GATEWAY, false },
	{ "explain CODE", RT_COMMAND_OF_XFEDCTL, false },
	{ "test im TO [from=USER] [wait=S]", RT_COMMAND_OF_GATEWAY, true },
	{ "test presence TO [from=USER] [wait=S]", RT_COMMAND_OF_GATEWAY, true },
	{ "contact list [user=USER] [partner=DOMAIN] [state=STATE] [limit=N] [after=WHERE]", RT_COMMAND_OF_GATEWAY, false },
	{ "contact show USER CONTACT", RT_COMMAND_OF_GATEWAY, false },
	{ "contact approve USER CONTACT", RT_COMMAND_OF_GATEWAY, true },
	{ "contact remove USER CONTACT", RT_COMMAND_OF_GATEWAY, true },
	{ "subscription list [user=USER] [partner=DOMAIN] [limit=N] [after=WHERE]", RT_COMMAND_OF_GATEWAY, false },
	{ "subscription show ID", RT_COMMAND_OF_GATEWAY, false },
	{ "subscription remove ID", RT_COMMAND_OF_GATEWAY, true },
	{ "cert request [DOMAIN...] [for=ROLE] [key=KIND] [organisation=NAME] [unit=NAME] [place=NAME] [country=XX] [--srvname] [--sip-name] "
	  "[--xmppaddr] [--replace] [certificate=FILE] [config=FILE]",
		RT_COMMAND_OF_XFEDCTL, true },
	{ "cert import FILE... [for=ROLE] [certificate=FILE] [pass-file=FILE] [--dry-run] [config=FILE]", RT_COMMAND_OF_XFEDCTL, true },
	{ "cert show [config=FILE]", RT_COMMAND_OF_XFEDCTL, false },
	{ "cert list", RT_COMMAND_OF_GATEWAY, false },
	{ "cert check [config=FILE]", RT_COMMAND_OF_XFEDCTL, false },
	{ "cert channel-init [--replace] [output=DIR] [config=FILE]", RT_COMMAND_OF_XFEDCTL, true },
	{ "cert channel-join BUNDLE [--gateway] [output=DIR] [config=FILE]", RT_COMMAND_OF_XFEDCTL, true },
	{ "cert channel-renew [--new-ca] [output=DIR] [config=FILE]", RT_COMMAND_OF_XFEDCTL, true },
	{ "sip list [kind=KIND] [limit=N] [after=WHERE]", RT_COMMAND_OF_GATEWAY, false },
	{ "traffic list [limit=N]", RT_COMMAND_OF_GATEWAY, false },
	{ "audit list [limit=N] [after=WHERE]", RT_COMMAND_OF_BOTH, false },
	{ "config show", RT_COMMAND_OF_BOTH, false },
	{ "config check", RT_COMMAND_OF_BOTH, false },
	{ "config check FILE", RT_COMMAND_OF_XFEDCTL, false },
	{ "config set KEY VALUE [--dry-run]", RT_COMMAND_OF_XFEDCTL, true },
	{ "config export FILE [config=FILE]", RT_COMMAND_OF_XFEDCTL, false },
	{ "config import FILE [--dry-run] [config=FILE]", RT_COMMAND_OF_XFEDCTL, true },
	{ "store backup FILE", RT_COMMAND_OF_XFEDCTL, true },
	{ "store restore FILE [--dry-run] [config=FILE]", RT_COMMAND_OF_XFEDCTL, true },
	{ "change snapshot WORDS [NAME]", RT_COMMAND_OF_INTERNAL, true },
	{ "change forget WORDS [NAME]", RT_COMMAND_OF_INTERNAL, true },
	{ "change take WORDS FILE [NAME] [--dry-run]", RT_COMMAND_OF_INTERNAL, true },
	{ "panel user add|passwd|remove|list [NAME] [ROLE] [--cert] [--dry-run]", RT_COMMAND_OF_XFEDCTL, true },
	{ "watched certificates", RT_COMMAND_OF_INSIDE, false },
	{ "change files", RT_COMMAND_OF_INTERNAL, false },
	{ "change check WORDS FILE [FILE] [NAME] [ADDR]", RT_COMMAND_OF_INTERNAL, true },
	{ "change begin WORDS FILE [FILE] [NAME] [ADDR]", RT_COMMAND_OF_INTERNAL, true },
	{ "change finish ID WORDS FILE [NAME] [ADDR]", RT_COMMAND_OF_INTERNAL, true },
	{ "change drop ID", RT_COMMAND_OF_INTERNAL, true },
	{ "change carry NOUN VERB ARGS NAME ADDR [--dry-run] [HASH]", RT_COMMAND_OF_PANEL, true },
	{ "panel writer [config=FILE] [user=NAME]", RT_COMMAND_OF_XFEDCTL, true },
	{ "reload", RT_COMMAND_OF_BOTH, true },
	{ "log level LEVEL [DOMAIN]", RT_COMMAND_OF_BOTH, true },
	{ "help [NOUN]", RT_COMMAND_OF_XFEDCTL, false },
};

static void names_stay(void **state)
{
	assert_int_equal(RT_COMMAND_COUNT, XFED_ARRAY_LEN(names));
	for (size_t i = 0; i < XFED_ARRAY_LEN(names); i++) {
		char words[RT_COMMAND_WORDS];
		assert_string_equal(rt_command_words(&rt_commands[i], words), names[i].words);
		if (rt_commands[i].server != names[i].server || rt_commands[i].changes != names[i].changes) {
			fail_msg("%s: served by %d, changes %d", words, rt_commands[i].server, rt_commands[i].changes);
		}
	}
}

/* What a program prints, or a file has, with a space at both ends and one in the place of every run of white space. */
static char *text_of(FILE *f, int (*close)(FILE *))
{
	static char text[262144];
	size_t len = 0;
	assert_non_null(f);
	text[len++] = ' ';
	for (int c; (c = fgetc(f)) != EOF;) {
		c = isspace(c) ? ' ' : c;
		if (c == '\\') { /* roff's hyphen */
			continue;
		}
		if (c != ' ' || text[len - 1] != ' ') {
			assert_true(len < sizeof(text) - 2);
			text[len++] = (char)c;
		}
	}
	text[len] = '\0';
	assert_int_equal(close(f), 0);
	return text;
}

static void has(const char *text, const char *before, const char *words, const char *behind, const char *where)
{
	char line[512];
	snprintf(line, sizeof(line), "%s%s%s", before, words, behind);
	if (!strstr(text, line)) {
		fail_msg("%s: no \"%s\" in %s", words, line, where);
	}
}

/* ---- as it is typed ---- */

static void typed(const char *noun, const char *verb, const char *args, const char *expected)
{
	char error[160], text[512];
	json_error_t where;
	struct xfed_buf out;
	json_t *j = json_loads(args, 0, &where);
	xfed_buf_init(&out, 4096);
	for (const struct rt_command *c = rt_commands; c < rt_commands + RT_COMMAND_COUNT; c++) {
		if (strcmp(c->noun, noun) == 0 && strcmp(c->verb, verb) == 0 && rt_command_check(c, j, error)) {
			assert_int_equal(rt_command_typed(c, j, &out), XFED_OK);
			break;
		}
	}
	snprintf(text, sizeof(text), "%.*s", (int)xfed_buf_span(&out).len, xfed_buf_span(&out).data);
	assert_string_equal(text, expected);
	xfed_buf_deinit(&out);
	json_decref(j);
}

/* It comes from a browser, and goes into a shell. */
static void what_is_typed_is_quoted(void **state)
{
	typed("partner", "set", "{\"domain\": \"a.example\", \"settings\": [\"tls=\", \"kinds=message,iq\", \"description=$(rm) 'x'\"]}",
		"xfedctl partner set a.example tls= kinds=message,iq description='$(rm) '\\''x'\\'''");
	typed("access", "remove", "{\"name\": \"a b\", \"dry-run\": true}", "xfedctl access remove 'a b' --dry-run");
	typed("config", "set", "{\"key\": \"limits.connections\", \"value\": \"\"}", "xfedctl config set limits.connections ''");
	typed("failures", "list", "{\"limit\": 7, \"partner\": \"a.example\"}", "xfedctl failures list a.example limit=7");
}

static void usage_has_each(void **state)
{
	const char *text = text_of(popen(BUILD_ROOT "/xfedctl/xfedctl --help", "r"), pclose);
	for (size_t i = 0; i < XFED_ARRAY_LEN(names); i++) {
		char behind[256], noun[64];
		if (!rt_command_is_typed(&rt_commands[i])) {
			snprintf(noun, sizeof(noun), " %s %s ", rt_commands[i].noun, rt_commands[i].verb);
			assert_null(strstr(text, noun));
			continue;
		}
		snprintf(behind, sizeof(behind), " %s ", rt_commands[i].help);
		has(text, " ", names[i].words, behind, "xfedctl --help");
	}
}

static void manual_has_each(void **state)
{
	const char *text = text_of(fopen(BUILD_ROOT "/packaging/man/xfedctl.8", "r"), fclose);
	for (size_t i = 0; i < XFED_ARRAY_LEN(names); i++) {
		const struct rt_command *c = &rt_commands[i];
		char tag[256], said[512];
		if (!rt_command_is_typed(&rt_commands[i])) {
			continue;
		}
		size_t name = strlen(c->noun) + (c->verb[0] ? 1 + strlen(c->verb) : 0);
		snprintf(tag, sizeof(tag), ".TP .BI \"%.*s\" \"%s\" ", (int)name, names[i].words, names[i].words + name);
		snprintf(said, sizeof(said), "%c%s.%s%s", toupper((unsigned char)c->help[0]), c->help + 1,
			names[i].server == RT_COMMAND_OF_GATEWAY ? " On a gateway." : "", names[i].changes ? " Not for members of xfed-read." : "");
		has(text, tag, said, " ", "xfedctl.8");
	}
}

static void manual_has_each_metric(void **state)
{
#define RT_METRIC(id, name, type, labels, help) { name, labels, help },
	static const struct {
		const char *name, *labels, *help;
	} metrics[] = {
#include "metrics.def"
	};
#undef RT_METRIC
	const char *text = text_of(fopen(BUILD_ROOT "/packaging/man/xfed-gateway.8", "r"), fclose);
	for (size_t i = 0; i < XFED_ARRAY_LEN(metrics); i++) {
		char tag[512], labels[128];
		snprintf(tag, sizeof(tag), " .TP .B %s %s .br A ", metrics[i].name, metrics[i].help);
		snprintf(labels, sizeof(labels), "; labels: %s. ", metrics[i].labels[0] ? metrics[i].labels : "none");
		has(text, tag, "", "", "xfed-gateway.8");
		has(strstr(text, tag), labels, "", "", "xfed-gateway.8");
	}
}

/* What bash offers behind `line`, which ends where the cursor is; words are split at spaces, and at "=" as bash does. */
static void completes(const char *line, const char *expected)
{
	char script[1024];
	snprintf(script, sizeof(script),
		"bash -c 'set -u; cd " SOURCE_ROOT "/packaging/examples; . " BUILD_ROOT "/packaging/completion/xfedctl; COMP_WORDS=(%s); "
		"COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _xfedctl; echo \"${COMPREPLY[*]-}\"'",
		line);
	const char *text = text_of(popen(script, "r"), pclose);
	char wanted[1024];
	snprintf(wanted, sizeof(wanted), *expected ? " %s " : " %s", expected);
	if (strncmp(text, wanted, strlen(wanted)) != 0 || text[strlen(wanted)] != '\0') {
		fail_msg("\"%s\" gives \"%s\", not \"%s\"", line, text, wanted);
	}
}

static void completion_has_each(void **state)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(names); i++) {
		const struct rt_command *c = &rt_commands[i];
		char line[128];
		bool is_shown = rt_command_is_typed(c);
		snprintf(line, sizeof(line), "xfedctl %s", c->noun);
		completes(line, is_shown ? c->noun : "");
		if (c->verb[0]) {
			snprintf(line, sizeof(line), "xfedctl --json %s %s", c->noun, c->verb);
			completes(line, is_shown ? c->verb : "");
		}
	}
}

static void completion_knows_arguments(void **state)
{
	completes("xfedctl stream \"\"", "close list show");
	completes("xfedctl log level \"\"", "debug error info warning");
	completes("xfedctl log level debug \"\"", "");
	completes("xfedctl failures list \"\"", "before= limit= since=");
	completes("xfedctl failures list since = 2h \"\"", "before= limit=");
	completes("xfedctl failures list since = \"\"", "");
	completes("xfedctl explain tls.cert.e", "tls.cert.expired");
	completes("xfedctl explain a@b.example c@d.example \"\"", "kind=");
	completes("xfedctl config check gat", "gateway.yaml");
	completes("xfedctl help fai", "failures");
	completes("xfedctl --socket edg", "edge.yaml");
	completes("xfedctl --name gw1 rel", "reload");
	completes("xfedctl access grant fedpic a@b.example \"\"", "--dry-run");
	completes("xfedctl access grant fedpic --dry-run \"\"", "");
	completes("xfedctl bogus \"\"", "");
}

/* ---- who may ---- */

static unsigned ran[RT_COMMAND_COUNT];
static char code[32];

enum {
#define COMMAND(id, noun, verb, served, who, help, more, args) ROW_##id,
#include "xfed/rt/commands.def"
};
#define COMMAND(id, noun, verb, served, who, help, more, args)                                                                                       \
	static void run_##id(struct rt_reply reply, const json_t *given, void *user)                                                                 \
	{                                                                                                                                            \
		ran[ROW_##id]++;                                                                                                                     \
		rt_reply_ok(reply, json_object());                                                                                                   \
	}
#include "xfed/rt/commands.def"
static rt_command_handler *const handlers[] = {
#define COMMAND(id, noun, verb, served, who, help, more, args) run_##id,
#include "xfed/rt/commands.def"
};
static const struct rt_command_table table = { rt_commands, handlers, RT_COMMAND_COUNT };

static void keep_code(void *user, json_t *result, const char *c, const char *text)
{
	snprintf(code, sizeof(code), "%s", c ? c : "ok");
	json_decref(result);
}

/* The needed arguments, each a value of its kind. */
static json_t *fitting(const struct rt_command *c)
{
	json_t *args = json_object();
	for (const struct rt_command_arg *a = c->args; a->key; a++) {
		json_type type = rt_arg_info(a->kind)->type;
		if (a->place == RT_ARG_NEEDED) {
			json_object_set_new(args, a->key,
				type == JSON_OBJECT   ? json_object()
				: type == JSON_STRING ? json_string(rt_arg_has_word(a->kind, "x") ? "x" : "debug")
						      : json_integer(1));
		}
	}
	return args;
}

static void who_may(void **state)
{
	struct rt_reply reply = { keep_code, NULL };
	for (size_t i = 0; i < RT_COMMAND_COUNT; i++) {
		if (rt_commands[i].server == RT_COMMAND_OF_XFEDCTL) {
			continue; /* never travels */
		}
		json_t *args = fitting(&rt_commands[i]);
		memset(ran, 0, sizeof(ran));
		rt_command_run(&table, &rt_commands[i], false, args, reply, NULL);
		if (strcmp(code, names[i].changes ? "not-authorised" : "ok") != 0 || ran[i] != !names[i].changes) {
			fail_msg("%s by a reader: %s, run %u times", names[i].words, code, ran[i]);
		}
		memset(ran, 0, sizeof(ran));
		rt_command_run(&table, &rt_commands[i], true, args, reply, NULL);
		if (strcmp(code, "ok") != 0 || ran[i] != 1) {
			fail_msg("%s by an administrator: %s, run %u times", names[i].words, code, ran[i]);
		}
		json_decref(args);
	}
}

static void what_does_not_fit_is_refused(void **state)
{
	struct rt_reply reply = { keep_code, NULL };
	for (size_t i = 0; i < RT_COMMAND_COUNT; i++) {
		if (rt_commands[i].server == RT_COMMAND_OF_XFEDCTL) {
			continue; /* never travels */
		}
		json_t *args = fitting(&rt_commands[i]);
		memset(ran, 0, sizeof(ran));
		if (json_object_size(args) > 0) {
			rt_command_run(&table, &rt_commands[i], true, NULL, reply, NULL);
			assert_string_equal(code, "bad-request");
		}
		json_object_set_new(args, "bogus", json_integer(1));
		rt_command_run(&table, &rt_commands[i], true, args, reply, NULL);
		assert_string_equal(code, "bad-request");
		json_object_del(args, "bogus");
		for (const struct rt_command_arg *a = rt_commands[i].args; a->key; a++) {
			bool is_string = rt_arg_info(a->kind)->type == JSON_STRING;
			json_t *wrong = json_copy(args);
			json_object_set_new(wrong, a->key, is_string ? json_integer(1) : json_string("1"));
			rt_command_run(&table, &rt_commands[i], true, wrong, reply, NULL);
			assert_string_equal(code, "bad-request");
			json_object_set_new(wrong, a->key, is_string ? json_string("") : json_integer(-1));
			rt_command_run(&table, &rt_commands[i], true, wrong, reply, NULL);
			assert_string_equal(code, "bad-request");
			json_object_set_new(wrong, a->key, is_string ? json_null() : json_real(1.5));
			rt_command_run(&table, &rt_commands[i], true, wrong, reply, NULL);
			assert_string_equal(code, "bad-request");
			json_decref(wrong);
		}
		assert_int_equal(ran[i], 0);
		json_decref(args);
	}
}

static void what_is_no_domain_is_refused(void **state)
{
	static const char *const rows[] = { "no..domain", "user@partner.example", "a b", ".", "-" };
	struct rt_reply reply = { keep_code, NULL };
	for (size_t i = 0; i < RT_COMMAND_COUNT; i++) {
		for (const struct rt_command_arg *a = rt_commands[i].args; a->key; a++) {
			if (rt_commands[i].server == RT_COMMAND_OF_XFEDCTL || a->kind != RT_ARG_DOMAIN) {
				continue;
			}
			json_t *args = fitting(&rt_commands[i]);
			json_object_set_new(args, a->key, json_string("B\303\234cher.Example"));
			rt_command_run(&table, &rt_commands[i], true, args, reply, NULL);
			assert_string_equal(code, "ok");
			for (size_t k = 0; k < XFED_ARRAY_LEN(rows); k++) {
				json_object_set_new(args, a->key, json_string(rows[k]));
				rt_command_run(&table, &rt_commands[i], true, args, reply, NULL);
				if (strcmp(code, "bad-request") != 0) {
					fail_msg("%s with %s=%s: %s", names[i].words, a->key, rows[k], code);
				}
			}
			json_decref(args);
		}
	}
}

/* What is one of a few words is checked, explained and offered by the same list. */
static void words_of_a_few(void **state)
{
	static const char *const states[] = {
#define WORD(id, word, ...) word,
		XFED_RELATIONS(WORD)
#undef WORD
	};
	struct rt_reply reply = { keep_code, NULL };
	const char *said = rt_arg_info(RT_ARG_RELATION)->what;
	for (size_t i = 0; i < XFED_ARRAY_LEN(states); i++) {
		assert_true(rt_arg_has_word(RT_ARG_RELATION, states[i]));
		assert_non_null(strstr(said, states[i]));
	}
	assert_true(rt_arg_has_word(RT_ARG_RELATION, "waiting") && rt_arg_has_word(RT_ARG_RELATION, "asked"));
	assert_non_null(strstr(said, "waiting, asked, none, "));
	has(text_of(fopen(BUILD_ROOT "/packaging/man/xfedctl.8", "r"), fclose), "state is one of ", said, "; ", "xfedctl.8");
	for (size_t i = 0; i < 2; i++) {
		json_t *args = json_pack("{s:s}", "state", i == 0 ? "to+pending-in" : "loud");
		rt_command_run(&table, &rt_commands[ROW_contact_list], false, args, reply, NULL);
		assert_string_equal(code, i == 0 ? "ok" : "bad-request");
		json_decref(args);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_stay),
		cmocka_unit_test(what_is_typed_is_quoted),
		cmocka_unit_test(usage_has_each),
		cmocka_unit_test(manual_has_each),
		cmocka_unit_test(manual_has_each_metric),
		cmocka_unit_test(completion_has_each),
		cmocka_unit_test(completion_knows_arguments),
		cmocka_unit_test(who_may),
		cmocka_unit_test(words_of_a_few),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(what_is_no_domain_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
