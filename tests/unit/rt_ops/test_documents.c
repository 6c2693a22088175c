/*
 * What the documents tell people to type: every command of xfedctl in them is one, with arguments that fit. And the cmdlets of Lync Server:
 * those of from-lync.md are those that `xfedctl help` knows, with the same command in their place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "xfedctl/ctl.h"

#define WORDS_MAX 24

/* ---- the text of a file ---- */

static char *text_of(const char *path)
{
	FILE *f = fopen(path, "r");
	static char text[512 * 1024];
	assert_non_null(f);
	size_t len = fread(text, 1, sizeof(text) - 1, f);
	assert_true(feof(f));
	text[len] = '\0';
	fclose(f);
	return text;
}

/* ---- words of a shell ---- */

/* Cuts at what is no part of one command: a comment, a pipe, a redirection, the next one. Takes quotes off. Returns how many; `line` is changed. */
static size_t split(char *line, char *words[WORDS_MAX])
{
	size_t count = 0;
	char *out = line;
	for (char *p = line; *p;) {
		p += strspn(p, " \t\n");
		if (*p == '\0' || strchr("#|;&>(", *p) || count == WORDS_MAX) {
			break;
		}
		char *start = out;
		for (char quote = '\0'; *p && (quote || !strchr(" \t\n;", *p)); p++) {
			if (*p == quote) {
				quote = '\0';
			} else if (!quote && (*p == '\'' || *p == '"')) {
				quote = *p;
			} else {
				*out++ = *p;
			}
		}
		bool is_end = *p == '\0' || *p == ';';
		p += !is_end;
		*out++ = '\0';
		words[count++] = start;
		if (is_end) {
			break;
		}
	}
	return count;
}

static size_t skip_options(char **words, size_t count)
{
	size_t i = 1; /* xfedctl */
	while (i < count && strncmp(words[i], "--", 2) == 0) {
		bool has_value = strcmp(words[i], "--socket") == 0 || strcmp(words[i], "--name") == 0;
		bool is_last = strcmp(words[i], "--help") == 0 || strcmp(words[i], "--version") == 0;
		i = is_last ? count : i + 1 + has_value;
	}
	return i;
}

static bool is_planned(const char *noun, const char *verb)
{
	static const struct {
		const char *noun, *verbs;
	} later[] = {
#define LATER(noun, verbs) { noun, verbs },
#include "xfed/rt/commands.def"
	};
	char word[64];
	snprintf(word, sizeof(word), " %.60s ", verb);
	for (size_t i = 0; i < XFED_ARRAY_LEN(later); i++) {
		if (strcmp(noun, later[i].noun) == 0 && (verb[0] == '\0' || later[i].verbs[0] == '\0' || strstr(later[i].verbs, word))) {
			return true;
		}
	}
	return false;
}

static bool fits(const struct rt_command *c, char **words, size_t count)
{
	size_t skip = c->verb[0] ? 2 : 1;
	if (!rt_command_is_typed(c) || strcmp(c->noun, words[0]) != 0 || (skip > 1 && (count < 2 || strcmp(c->verb, words[1]) != 0))) {
		return false;
	}
	struct ctl_mistake mistake;
	json_t *args = ctl_read_args(c, words + skip, count - skip, &mistake);
	json_decref(args);
	return args != NULL;
}

/* The name of a command without its arguments, or a noun. */
static bool is_name(const struct rt_command *c, char **words, size_t count)
{
	return rt_command_is_typed(c) && count <= 2 && strcmp(c->noun, words[0]) == 0 && (count == 1 || strcmp(c->verb, words[1]) == 0);
}

/* `line` begins with xfedctl. */
static bool is_command(const char *line)
{
	char copy[1024], *words[WORDS_MAX];
	snprintf(copy, sizeof(copy), "%s", line);
	size_t count = split(copy, words), at = skip_options(words, count);
	bool is_one = at >= count || is_planned(words[at], at + 1 < count ? words[at + 1] : "");
	for (size_t i = 0; i < RT_COMMAND_COUNT && !is_one; i++) {
		is_one = fits(&rt_commands[i], words + at, count - at) || is_name(&rt_commands[i], words + at, count - at);
	}
	return is_one;
}

/* ---- commands in a document ---- */

struct found {
	size_t count, wrong;
};

static void look_at(struct found *f, const char *file, const char *start, size_t len)
{
	char line[1024];
	snprintf(line, sizeof(line), "%.*s", (int)len, start);
	f->count++;
	if (!is_command(line)) {
		f->wrong++;
		print_error("%s: no command: %s\n", file, line);
	}
}

/* Of Markdown: in `...`, which may go on in the next line; and lines of blocks of code, behind a prompt or without one. */
static void look_through(struct found *f, const char *file, const char *text)
{
	bool is_block = false;
	for (const char *p = text; *p;) {
		size_t len = strcspn(p, "\n");
		const char *word = p + strspn(p, " \t");
		bool is_fence = strncmp(word, "```", 3) == 0;
		is_block ^= is_fence;
		word += word[0] == '$' || word[0] == '#' ? 1 + strspn(word + 1, " ") : 0;
		if ((is_block || word >= p + 4) && strncmp(word, "xfedctl ", 8) == 0) {
			look_at(f, file, word, len - (size_t)(word - p));
		}
		for (const char *tick = p; !is_block && !is_fence && (tick = strchr(tick, '`')) && tick < p + len;) {
			size_t span = strcspn(tick + 1, "`");
			if (strncmp(tick + 1, "xfedctl ", 8) == 0) {
				look_at(f, file, tick + 1, span);
			}
			tick += span + 2;
			if (tick > p + len) { /* it went on in the next line */
				len = (size_t)(tick - p) + strcspn(tick, "\n");
			}
		}
		p += len + (p[len] == '\n');
	}
}

/* Of a manual page: lines of examples. */
static void look_through_page(struct found *f, const char *file, const char *text)
{
	for (const char *p = text; *p;) {
		size_t len = strcspn(p, "\n"), out = 0;
		char line[1024];
		for (size_t i = 0; i < len && out + 1 < sizeof(line); i++) {
			if (p[i] != '\\') {
				line[out++] = p[i];
			}
		}
		if (strncmp(p, "xfedctl ", 8) == 0 && p[8] != '\\') { /* not the line of NAME */
			look_at(f, file, line, out);
		}
		p += len + (p[len] == '\n');
	}
}

static void each_command_is_one(void **state)
{
	static const char *const places[] = { "/README.md", "/CONTRIBUTING.md", "/tests/README.md", "/tests/bench/README.md", "/packaging/docs/*.md",
		"/packaging/man/*.in" };
	struct found f = { 0 };
	for (size_t i = 0; i < XFED_ARRAY_LEN(places); i++) {
		char pattern[512];
		glob_t files;
		snprintf(pattern, sizeof(pattern), "%s%s", SOURCE_ROOT, places[i]);
		assert_int_equal(glob(pattern, 0, NULL, &files), 0);
		for (size_t j = 0; j < files.gl_pathc; j++) {
			const char *file = files.gl_pathv[j];
			bool is_page = strcmp(file + strlen(file) - 3, ".in") == 0;
			(is_page ? look_through_page : look_through)(&f, file, text_of(file));
		}
		globfree(&files);
	}
	assert_true(f.count > 40);
	assert_int_equal(f.wrong, 0);
}

/* The control: what the check has to see, and what it has to let pass. */
static void the_check_sees(void **state)
{
	static const struct {
		const char *text;
		size_t count, wrong;
	} rows[] = {
		{ "a `xfedctl status` b `xfedctl  partner show a.example`", 2, 0 },
		{ "a `xfedctl explain\nalice@a.example bob@b.example` b `xfedctl nothing`", 2, 1 },
		{ "`xfedctl` status; xfedctl asks either", 0, 0 },
		{ "```\nxfedctl failures show 17     # the newest\n# xfedctl failures show seventeen\n```\nxfedctl is a program", 2, 1 },
		{ "    xfedctl --name gw1 --json stream list | jq .\n", 1, 0 },
		{ "`xfedctl partner list now`", 1, 1 },
		{ "`xfedctl config set delivery.deadline ''`; `xfedctl partner set`, `xfedctl partner set a.example b`", 3, 1 },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct found f = { 0 };
		look_through(&f, "control", rows[i].text);
		assert_int_equal(f.count, rows[i].count);
		assert_int_equal(f.wrong, rows[i].wrong);
	}
}

/* ---- cmdlets ---- */

static const struct {
	const char *name, *command;
} cmdlets[] = {
#define CMDLET(name, kind, command, text) { name, "xfedctl " command },
#include "xfedctl/cmdlets.def"
};

static size_t cmdlet_of(const char *name, size_t len)
{
	size_t i = 0;
	while (i < XFED_ARRAY_LEN(cmdlets) && (strlen(cmdlets[i].name) != len || memcmp(cmdlets[i].name, name, len) != 0)) {
		i++;
	}
	return i;
}

/* The next Verb-CsNoun; its length in `len`. NULL: there is none. */
static const char *next_cmdlet(const char *text, size_t *len)
{
	for (const char *cs = text; (cs = strstr(cs, "-Cs")); cs += 3) {
		const char *start = cs;
		while (start > text && isalpha((unsigned char)start[-1])) {
			start--;
		}
		size_t noun = 3;
		while (isalpha((unsigned char)cs[noun])) {
			noun++;
		}
		if (isupper((unsigned char)start[0]) && isupper((unsigned char)cs[3])) {
			*len = (size_t)(cs - start) + noun;
			return start;
		}
	}
	return NULL;
}

/* The rows of tables whose first cell names a cmdlet have the command that replaces it. */
static void look_at_row(const char *row, bool *has_command)
{
	const char *cell = strchr(row + 1, '|');
	size_t len;
	for (const char *name = row; cell && (name = next_cmdlet(name, &len)) && name < cell; name += len) {
		size_t i = cmdlet_of(name, len);
		if (i < XFED_ARRAY_LEN(cmdlets) && strstr(cell, cmdlets[i].command)) {
			has_command[i] = true;
		}
	}
}

static void cmdlets_are_those_of_the_document(void **state)
{
	bool is_named[XFED_ARRAY_LEN(cmdlets)] = { 0 }, has_command[XFED_ARRAY_LEN(cmdlets)] = { 0 };
	char *text = text_of(SOURCE_ROOT "/packaging/docs/from-lync.md"), *rest = text;
	size_t len, wrong = 0;
	for (const char *name = text; (name = next_cmdlet(name, &len)); name += len) {
		size_t i = cmdlet_of(name, len);
		if (i == XFED_ARRAY_LEN(cmdlets)) {
			print_error("xfedctl help does not know %.*s\n", (int)len, name);
			wrong++;
		} else {
			is_named[i] = true;
		}
	}
	for (char *line; (line = strsep(&rest, "\n"));) {
		if (line[0] == '|') {
			look_at_row(line, has_command);
		}
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(cmdlets); i++) {
		if (!is_named[i] || !has_command[i]) {
			print_error("from-lync.md does not have %s%s%s\n", cmdlets[i].name, is_named[i] ? " with " : "",
				is_named[i] ? cmdlets[i].command : "");
			wrong++;
		}
		assert_true(is_command(cmdlets[i].command));
	}
	assert_int_equal(wrong, 0);
}

/* A copy that is given up half-way stays beside the store, with the key in it. */
static void a_whole_store_is_waited_for(void **state)
{
	(void)state;
	json_t *args = json_pack("{s:i}", "wait", 5);
	assert_int_equal(ctl_patience_s("status", "", NULL), 60);
	assert_int_equal(ctl_patience_s("change", "files", args), 65);
	assert_true(ctl_patience_s("change", "snapshot", NULL) >= 3600 && ctl_patience_s("change", "take", NULL) >= 3600);
	json_decref(args);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_check_sees),
		cmocka_unit_test(a_whole_store_is_waited_for),
		cmocka_unit_test(each_command_is_one),
		cmocka_unit_test(cmdlets_are_those_of_the_document),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
