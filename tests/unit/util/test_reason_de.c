/* The remedies in German: every one, once, a whole sentence, and what is typed is the same as in English. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "typed.h"
#include "xfed/reason.h"

static const enum xfed_reason rows[] = {
#define XFED_REASON_DE(id, remedy) XFED_REASON_##id,
#include "../../../libxfed/reasons_de.def"
#undef XFED_REASON_DE
};

/* In the same order, so that none is missing and none stands twice. */
static void both_tables_have_the_same_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows) || i + 1 < XFED_REASON_COUNT; i++) {
		enum xfed_reason here = i < XFED_ARRAY_LEN(rows) ? rows[i] : XFED_REASON_NONE;
		enum xfed_reason there = i + 1 < XFED_REASON_COUNT ? (enum xfed_reason)(i + 1) : XFED_REASON_NONE;
		if (here != there) {
			fail_msg("row %zu of reasons_de.def is %s, of reasons.def %s", i + 1, xfed_reason_code(here), xfed_reason_code(there));
		}
	}
}

static void every_remedy_is_a_sentence_of_its_own(void **state)
{
	(void)state;
	for (int r = XFED_REASON_NONE + 1; r < XFED_REASON_COUNT; r++) {
		const char *code = xfed_reason_code((enum xfed_reason)r), *text = xfed_reason_remedy_in((enum xfed_reason)r, XFED_GERMAN);
		assert_non_null(text);
		if (strlen(text) < 20 || text[strlen(text) - 1] != '.') {
			fail_msg("%s: no sentence: %s", code, text);
		}
		for (int other = XFED_REASON_NONE + 1; other < r; other++) {
			if (strcmp(text, xfed_reason_remedy_in((enum xfed_reason)other, XFED_GERMAN)) == 0) {
				fail_msg("%s says the same as %s", code, xfed_reason_code((enum xfed_reason)other));
			}
		}
	}
}

static void what_is_typed_is_the_same(void **state)
{
	char word[300];
	(void)state;
	for (int r = XFED_REASON_NONE + 1; r < XFED_REASON_COUNT; r++) {
		const char *english = xfed_reason_remedy_in((enum xfed_reason)r, XFED_ENGLISH);
		const char *german = xfed_reason_remedy_in((enum xfed_reason)r, XFED_GERMAN);
		if (typed_differs(english, german, word, sizeof(word)) || typed_differs(german, english, word, sizeof(word))) {
			fail_msg("%s: the languages differ in \"%s\"", xfed_reason_code((enum xfed_reason)r), word);
		}
	}
}

static void unknown_reasons_have_none(void **state)
{
	(void)state;
	assert_string_equal(xfed_reason_remedy_in(XFED_REASON_NONE, XFED_GERMAN), "");
	assert_string_equal(xfed_reason_remedy_in(XFED_REASON_COUNT, XFED_GERMAN), "");
	assert_string_equal(xfed_reason_remedy_in((enum xfed_reason) - 1, XFED_ENGLISH), "");
	assert_ptr_equal(xfed_reason_remedy_in(XFED_REASON_DNS_BOGUS, XFED_ENGLISH), xfed_reason_info(XFED_REASON_DNS_BOGUS)->remedy);
}

/* The control of what_is_typed_is_the_same(). */
static void differences_are_seen(void **state)
{
	static const struct {
		const char *one, *other, *differs; /* NULL: they do not */
	} cases[] = {
		{ "Set dns.servers.", "Setzen Sie dns.servers.", NULL },
		{ "Set dns.servers.", "Setzen Sie die Server.", "dns.servers" },
		{ "Set tls: optional in it.", "Setzen Sie tls: optional darin.", NULL },
		{ "Set tls: optional in it.", "Setzen Sie tls: required darin.", "tls: optional" },
		{ "Set tls: optional in it.", "Setzen Sie sasl: optional darin.", "tls: optional" },
		{ "It is: true words.", "So ist es.", "is: true" },
		{ "See xfedctl config check.", "Siehe xfedctl config check.", NULL },
		{ "See xfedctl config check.", "Siehe xfedctl config show.", "xfedctl config show" },
		{ "See xfedctl.", "Siehe dort.", "xfedctl" },
		{ "At most 100,000 of them.", "Höchstens 100.000 davon.", NULL },
		{ "At most 100,000 of them.", "Höchstens 10.000 davon.", "100000" },
		{ "TLS 1.1, or older.", "TLS 1.2 oder älter.", "1.1" },
		{ "An INVITE came.", "Eine Einladung kam.", "INVITE" },
		{ "Behind <proceed/>.", "Hinter <starttls/>.", "<proceed/>" },
		{ "List it in domains[].peers (tls).", "Tragen Sie ihn in domains[].peers ein (tls).", NULL },
	};
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(cases); i++) {
		char word[300] = "";
		bool differs = typed_differs(cases[i].one, cases[i].other, word, sizeof(word));
		if (differs != (cases[i].differs != NULL) || (differs && strcmp(word, cases[i].differs) != 0)) {
			fail_msg("\"%s\" and \"%s\": found \"%s\"", cases[i].one, cases[i].other, differs ? word : "nothing");
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_tables_have_the_same_rows),
		cmocka_unit_test(every_remedy_is_a_sentence_of_its_own),
		cmocka_unit_test(what_is_typed_is_the_same),
		cmocka_unit_test(unknown_reasons_have_none),
		cmocka_unit_test(differences_are_seen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
