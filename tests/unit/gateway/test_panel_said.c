/* Sentences in German: the table is sound, has what other tables say, and slots are filled from the right row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "admin/hop_words.h"
#include "panel/said.h"
#include "policy/access_file.h"
#include "policy/partner_file.h"
#include "typed.h"
#include "xfed/policy.h"
#include "xfed/reason.h"

static const char *german(const char *english, char out[2048])
{
	struct xfed_buf b;
	xfed_buf_init(&b, 2000);
	int rc = said_in_german(xfed_span_str(english), &b);
	struct xfed_span s = xfed_buf_span(&b);
	snprintf(out, 2048, "%.*s", (int)s.len, s.data);
	if (rc == XFED_ERR_NOT_FOUND) {
		assert_int_equal(s.len, 0);
	}
	xfed_buf_deinit(&b);
	return rc == XFED_OK ? out : NULL;
}

static size_t count(const char *text, char sigil, char digit)
{
	size_t n = 0;
	for (const char *p = text; *p; p++) {
		n += p[0] == sigil && p[1] == digit;
	}
	return n;
}

/* Each slot of the English once in the German, as the same kind, so that nothing that was found is left out or said twice. */
static void slots_are_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < said_row_count; i++) {
		const struct said_row *row = &said_rows[i];
		for (char digit = '0'; digit <= '9'; digit++) {
			size_t words = count(row->english, '%', digit), sentences = count(row->english, '$', digit);
			if (words + sentences > (digit == '0' ? 0 : 1) || count(row->german, '%', digit) != words ||
				count(row->german, '$', digit) != sentences) {
				fail_msg("slot %c: \"%s\", \"%s\"", digit, row->english, row->german);
			}
		}
	}
}

static void rows_are_whole_and_stand_once(void **state)
{
	char word[300];
	(void)state;
	for (size_t i = 0; i < said_row_count; i++) {
		const char *english = said_rows[i].english, *text = said_rows[i].german;
		if (!*english || !*text) {
			fail_msg("row %zu is empty", i);
		}
		for (size_t k = 0; k < i; k++) {
			if (strcmp(english, said_rows[k].english) == 0) {
				fail_msg("\"%s\" stands twice", english);
			}
		}
		bool is_shouted = english[strcspn(english, "abcdefghijklmnopqrstuvwxyz")] == '\0'; /* its capitals are no name */
		if (!is_shouted && (typed_differs(english, text, word, sizeof(word)) || typed_differs(text, english, word, sizeof(word)))) {
			fail_msg("\"%s\", \"%s\": they differ in \"%s\"", english, text, word);
		}
	}
}

/* ---- what other tables say ---- */

static void has(const char *english)
{
	char out[2048];
	if (!german(english, out)) {
		fail_msg("no German: \"%s\"", english);
	}
}

static void has_keys(const struct rt_conf_table *table)
{
	for (size_t i = 0; i < table->row_count; i++) {
		has(table->rows[i].help);
		if (table->rows[i].table) {
			has_keys(table->rows[i].table);
		}
	}
}

static void keys_of_partners_and_rules(void **state)
{
	(void)state;
	has(partner_file_table.help);
	has_keys(&partner_file_table);
	has(access_file_table.help);
	has_keys(&access_file_table);
}

static void the_matrix(void **state)
{
	(void)state;
	for (int tls = XFED_REQUIRED; tls <= XFED_NOT_SUPPORTED; tls++) {
		for (int sasl = XFED_REQUIRED; sasl <= XFED_NOT_SUPPORTED; sasl++) {
			for (int dialback = 0; dialback <= 1; dialback++) {
				const struct xfed_matrix_row *row = xfed_matrix_row((enum xfed_level)tls, (enum xfed_level)sasl, dialback);
				if (row->problem) {
					has(row->problem);
				}
			}
		}
	}
}

static void sides_and_remedies(void **state)
{
	char out[2048];
	(void)state;
	for (int side = XFED_SIDE_US; side <= XFED_SIDE_OPERATOR; side++) {
		has(xfed_side_name((enum xfed_side)side));
	}
	for (int r = XFED_REASON_NONE + 1; r < XFED_REASON_COUNT; r++) {
		const char *found = german(xfed_reason_info((enum xfed_reason)r)->remedy, out);
		assert_non_null(found);
		assert_string_equal(found, xfed_reason_remedy_in((enum xfed_reason)r, XFED_GERMAN));
	}
}

static void a_remedy_behind_what_is_not_known(void **state)
{
	char text[2048], out[2048], expected[2048];
	(void)state;
	for (int r = XFED_REASON_NONE + 1; r < XFED_REASON_COUNT; r++) {
		snprintf(text, sizeof(text), "whatever it was: %s", xfed_reason_info((enum xfed_reason)r)->remedy);
		snprintf(expected, sizeof(expected), "whatever it was: %s", xfed_reason_remedy_in((enum xfed_reason)r, XFED_GERMAN));
		const char *found = german(text, out);
		assert_non_null(found);
		assert_string_equal(found, expected);
	}
}

/* Every reason a SIP server may be down for, with what to do. */
static void sip_servers(void **state)
{
	char words[HOP_WORDS_SIZE], text[2 * HOP_WORDS_SIZE + 400], out[2048];
	(void)state;
	for (int r = XFED_REASON_NONE + 1; r < XFED_REASON_COUNT; r++) {
		struct hop_state s = { .is_known = true, .reason = (enum xfed_reason)r, .text = "what was tried" };
		const char *advice = hop_words_advice(&s);
		snprintf(text, sizeof(text), "The SIP server tls:fe.example.com:5061 %s%s%s%s", hop_words(&s, words), advice ? ": " : ". ",
			advice ? advice : xfed_reason_info(hop_words_reason(&s))->remedy, advice ? "." : "");
		const char *found = german(text, out);
		if (!found || strstr(found, "the ") || !strstr(found, "what was tried")) {
			fail_msg("\"%s\": \"%s\"", text, found ? found : "");
		}
	}
}

/* ---- slots ---- */

static void slots_are_filled(void **state)
{
	static const struct {
		const char *english, *german; /* NULL: none */
	} cases[] = {
		{ "in service", "in Betrieb" },
		{ "linked: edge1, edge2", "verbunden: edge1, edge2" },
		/* of two rows the one that leaves less in English; a slot that is a sentence itself */
		{ "/p/a.yaml: tls required, sasl required, dialback true; dialback never runs: certificate login (sasl) is required",
			"/p/a.yaml: tls required, sasl required, dialback true; Dialback kommt nie zum Zug: Die Anmeldung mit Zertifikat (sasl) ist "
			"vorgeschrieben" },
		{ "no link to the edge edge1: it said [this], and more", "keine Verbindung zum Edge edge1: it said [this], and more" },
		{ "srv.fabrikam.example at [2001:db8::1]:5269: none was presented",
			"srv.fabrikam.example mit [2001:db8::1]:5269: es wurde keines vorgelegt" },
		{ "The edge edge1 has a policy in force that is not ours. Nothing to do: an idle stream was closed.",
			"Auf dem Edge edge1 ist eine Richtlinie in Kraft, die nicht unsere ist. Nichts zu tun: Ein Stream, auf dem nichts mehr kam, "
			"wurde geschlossen." },
		/* a name is one word, and never empty */
		{ "some other sentence covers this one", NULL },
		{ " covers x", NULL },
		{ "x covers ", NULL },
		{ "SRV ", NULL },
		/* what looks like a slot in a text is text */
		{ "$1 is no address", "$1 ist keine Adresse" },
		{ "%1 covers $2", "%1 deckt $2 ab" },
		{ "", NULL },
		{ "something that nobody says", NULL },
	};
	char out[2048];
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(cases); i++) {
		const char *found = german(cases[i].english, out);
		if ((found == NULL) != (cases[i].german == NULL) || (found && strcmp(found, cases[i].german) != 0)) {
			fail_msg("\"%s\": \"%s\"", cases[i].english, found ? found : "none");
		}
	}
}

/* A full buffer is told, and a text beyond all limits is no sentence of ours. */
static void limits(void **state)
{
	static char lengthy[8192];
	struct xfed_buf b;
	(void)state;
	xfed_buf_init(&b, 5);
	assert_int_equal(said_in_german(XFED_SPAN("in service"), &b), XFED_ERR_LIMIT);
	xfed_buf_deinit(&b);
	memset(lengthy, 'a', sizeof(lengthy));
	memcpy(lengthy, "linked: ", 8);
	xfed_buf_init(&b, 100000);
	assert_int_equal(said_in_german(xfed_span_make(lengthy, sizeof(lengthy)), &b), XFED_ERR_NOT_FOUND);
	assert_int_equal(said_in_german(xfed_span_make(lengthy, 4096), &b), XFED_OK);
	xfed_buf_deinit(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_the_same),
		cmocka_unit_test(rows_are_whole_and_stand_once),
		cmocka_unit_test(keys_of_partners_and_rules),
		cmocka_unit_test(the_matrix),
		cmocka_unit_test(sides_and_remedies),
		cmocka_unit_test(a_remedy_behind_what_is_not_known),
		cmocka_unit_test(sip_servers),
		cmocka_unit_test(slots_are_filled),
		cmocka_unit_test(limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
