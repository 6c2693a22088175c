/* Which DNS records partners need, and what is said of those that are published. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "admin/dns_records.h"
#include "xfed/base.h"

#define EDGE1                                                                                                                                        \
	"{'name': 'edge1', 'host': 'edge1.example.com', 'is_named': false, 'port': 5269, 'priority': 10, 'weight': 10, 'addresses': ['192.0.2.1', "  \
	"'2001:db8::1'], 'keys': ['aa11']}"
#define EDGE2                                                                                                                                        \
	"{'name': 'edge2', 'host': 'im.example.net', 'is_named': true, 'port': 5270, 'priority': 20, 'weight': 5, 'addresses': ['198.51.100.2'], "   \
	"'keys': []}"
#define UNKNOWN                                                                                                                                      \
	"{'name': 'edge1', 'host': 'edge1.example.com', 'is_named': false, 'port': 5269, 'priority': 10, 'weight': 10, 'addresses': [], 'keys': []}"
#define FACTS(edges) "{'domains': ['example.com'], 'edges': [" edges "]}"
#define OK(of, ...)  "'" of "': {'status': 'ok', 'records': [" __VA_ARGS__ "]}, "
#define NOT(of, why) "'" of "': {'status': '" why "', 'records': []}, "

/* JSON in which ' is written for ". */
static json_t *json(const char *text)
{
	char quoted[4096];
	size_t n = 0;
	json_error_t error;
	for (; text[n]; n++) {
		quoted[n] = text[n] == '\'' ? '"' : text[n];
	}
	while (n > 0 && (quoted[n - 1] == ' ' || quoted[n - 1] == ',')) {
		n--;
	}
	quoted[n] = '\0';
	json_t *j = json_loads(quoted, 0, &error);
	if (!j) {
		fail_msg("%s: %s", error.text, quoted);
	}
	return j;
}

static void needed(void **state)
{
	static const struct {
		const char *name, *type, *data;
	} rows[] = {
		{ "_xmpp-server._tcp.example.com.", "SRV", "10 10 5269 edge1.example.com." },
		{ "_xmpp-server._tcp.example.com.", "SRV", "20 5 5270 im.example.net." },
		{ "_xmpp-server._tcp.xn--bcher-kva.example.", "SRV", "10 10 5269 edge1.example.com." },
		{ "_xmpp-server._tcp.xn--bcher-kva.example.", "SRV", "20 5 5270 im.example.net." },
		{ "edge1.example.com.", "A", "192.0.2.1" },
		{ "edge1.example.com.", "AAAA", "2001:db8::1" },
		{ "im.example.net.", "A", "198.51.100.2" },
		{ "_5269._tcp.edge1.example.com.", "TLSA", "3 1 1 aa11" },
		{ "xmpp.example.com.", "A", "10.0.0.7" },
		{ "xmpp.example.com.", "AAAA", "fd00::7" },
		{ "_sipfederationtls._tcp.fabrikam.example.", "SRV", "0 0 5061 xmpp.example.com." },
	};
	json_t *facts = json("{'domains': ['example.com', 'xn--bcher-kva.example'], 'edges': [" EDGE1 ", " EDGE2
			     "], 'neighbour': {'host': 'xmpp.example.com', 'port': 5061, 'addresses': ['10.0.0.7', 'fd00::7'], 'partners': "
			     "['fabrikam.example', '*.it.fabrikam.example']}}");
	json_t *j = dns_records(facts), *record;
	size_t i;
	assert_int_equal(json_array_size(json_object_get(j, "problems")), 0);
	assert_int_equal(json_array_size(json_object_get(j, "records")), XFED_ARRAY_LEN(rows));
	json_array_foreach(json_object_get(j, "records"), i, record) {
		assert_string_equal(json_string_value(json_object_get(record, "name")), rows[i].name);
		assert_string_equal(json_string_value(json_object_get(record, "type")), rows[i].type);
		assert_string_equal(json_string_value(json_object_get(record, "data")), rows[i].data);
		assert_true(json_string_length(json_object_get(record, "why")) > 0);
	}
	json_decref(j);
	json_decref(facts);
	facts = json(FACTS(UNKNOWN));
	j = dns_records(facts);
	assert_int_equal(json_array_size(json_object_get(j, "records")), 1);
	assert_non_null(strstr(json_string_value(json_array_get(json_object_get(j, "problems"), 0)), "external.public_addresses"));
	json_decref(j);
	json_decref(facts);
}

static void a_neighbour_at_any_address(void **state)
{
	json_t *facts =
		json("{'domains': [], 'edges': [], 'neighbour': {'host': 'xmpp.example.com', 'port': 5061, 'addresses': [], 'partners': []}}");
	json_t *j = dns_records(facts);
	(void)state;
	assert_int_equal(json_array_size(json_object_get(j, "records")), 0);
	assert_non_null(strstr(json_string_value(json_array_get(json_object_get(j, "problems"), 0)), "sip.federation.listen"));
	json_decref(j);
	json_decref(facts);
}

static void asked(void **state)
{
	json_t *facts = json(FACTS(EDGE1)), *none = json_object(), *j = dns_questions(facts, none);
	assert_int_equal(json_array_size(j), 1);
	assert_string_equal(json_string_value(json_array_get(j, 0)), "SRV _xmpp-server._tcp.example.com");
	json_decref(j);
	json_t *some = json(
		"{'SRV _xmpp-server._tcp.example.com': {'status': 'ok', 'records': ['10 10 5269 a.example.', '10 10 5269 a.example.', '0 0 0 .']}, "
		"'A a.example': {'status': 'none', 'records': []}}");
	j = dns_questions(facts, some);
	assert_int_equal(json_array_size(j), 2);
	assert_string_equal(json_string_value(json_array_get(j, 0)), "AAAA a.example");
	assert_string_equal(json_string_value(json_array_get(j, 1)), "TLSA _5269._tcp.a.example");
	json_decref(j);
	json_decref(some);
	json_decref(none);
	json_decref(facts);
}

#define SRV	   "SRV _xmpp-server._tcp.example.com"
#define HOME	   "edge1.example.com"
#define BOTH_THERE OK("A " HOME, "'192.0.2.1'") OK("AAAA " HOME, "'2001:db8::1'")
#define NO_TLSA	   NOT("TLSA _5269._tcp." HOME, "none")
#define AT_HOME	   OK(SRV, "'10 10 5269 " HOME ".'") BOTH_THERE

static const struct {
	const char *what, *facts, *answers;
	const char *said; /* "STATE STEP" and words of each, one a line */
} differences[] = {
	{ "all is well", FACTS(EDGE1), AT_HOME OK("TLSA _5269._tcp." HOME, "'3 1 1 aa11'"),
		"ok srv edge1\nok address 192.0.2.1\nok address 2001:db8::1\nok tlsa aa11\n" },
	{ "nothing is published", FACTS(EDGE1), NOT(SRV, "none"), "problem srv dns print\n" },
	{ "the server fails", FACTS(EDGE1), NOT(SRV, "failed"), "problem srv failure\n" },
	{ "silence", FACTS(EDGE1), NOT(SRV, "silent"), "problem srv no answer\n" },
	{ "no time", FACTS(EDGE1), NOT(SRV, "unasked"), "problem srv not asked\n" },
	{ "an answer that is not valid", FACTS(EDGE1), "'" SRV "': {'status': 'invalid', 'text': 'records[0] is no record', 'records': []}",
		"problem srv answer is not valid: records[0] is no record\n" },
	{ "no XMPP here", FACTS(EDGE1), OK(SRV, "'0 0 0 .'"), "problem srv has no XMPP\nproblem srv leads to the edge edge1\n" },
	{ "another name of the same edge", FACTS(EDGE1),
		OK(SRV, "'10 10 5269 xmpp.example.com.'") OK("A xmpp.example.com", "'192.0.2.1'") OK("AAAA xmpp.example.com", "'2001:db8::1'")
			NOT("TLSA _5269._tcp.xmpp.example.com", "none"),
		"ok srv edge1\nok address 192.0.2.1\nok address 2001:db8::1\nnote tlsa no TLSA\n" },
	{ "somebody else's server", FACTS(EDGE1),
		OK(SRV, "'10 10 5269 old.example.com.'") OK("A old.example.com", "'203.0.113.9'") NOT("AAAA old.example.com", "none"),
		"problem srv no edge of this gateway\nok address 203.0.113.9\nproblem srv leads to the edge edge1\n" },
	{ "a target without an address", FACTS(EDGE1), OK(SRV, "'10 10 5269 " HOME ".'") NOT("A " HOME, "none") NOT("AAAA " HOME, "none"),
		"problem address has no address\nproblem srv leads to the edge edge1\n" },
	{ "one address is missing", FACTS(EDGE1), OK(SRV, "'10 10 5269 " HOME ".'") OK("A " HOME, "'192.0.2.1'") NOT("AAAA " HOME, "none") NO_TLSA,
		"ok srv edge1\nok address 192.0.2.1\nproblem address does not have 2001:db8::1\nnote tlsa no TLSA\n" },
	{ "an address too many", FACTS(EDGE1),
		OK(SRV, "'10 10 5269 " HOME ".'") OK("A " HOME, "'192.0.2.1', '192.0.2.7'") OK("AAAA " HOME, "'2001:db8::1'") NO_TLSA,
		"ok srv edge1\nok address 192.0.2.1\nproblem address 192.0.2.7\nok address 2001:db8::1\nnote tlsa no TLSA\n" },
	{ "another port", FACTS(EDGE1), OK(SRV, "'10 10 5222 " HOME ".'") BOTH_THERE NOT("TLSA _5222._tcp." HOME, "none"),
		"problem srv port 5269\nok address 192.0.2.1\nok address 2001:db8::1\nnote tlsa no TLSA\n" },
	{ "another priority of the only edge", FACTS(EDGE1), OK(SRV, "'0 5 5269 " HOME ".'") BOTH_THERE NO_TLSA,
		"note srv 10 10\nok address 192.0.2.1\nok address 2001:db8::1\nnote tlsa no TLSA\n" },
	{ "two edges, one with another priority", FACTS(EDGE1 ", " EDGE2),
		OK(SRV, "'10 10 5269 " HOME ".', '10 5 5270 im.example.net.'") BOTH_THERE NO_TLSA OK("A im.example.net", "'198.51.100.2'")
			NOT("AAAA im.example.net", "none") NOT("TLSA _5270._tcp.im.example.net", "none"),
		"ok srv edge1\nok address 192.0.2.1\nok address 2001:db8::1\nnote tlsa no TLSA\nproblem srv 20 5\nok address 198.51.100.2\nnote tlsa "
		"no TLSA\n" },
	{ "the second edge is not published", FACTS(EDGE1 ", " EDGE2), AT_HOME NO_TLSA,
		"ok srv edge1\nok address 192.0.2.1\nok address 2001:db8::1\nnote tlsa no TLSA\nproblem srv edge2; to be added: 20 5 5270 "
		"im.example.net.\n" },
	{ "a key of before", FACTS(EDGE1), AT_HOME OK("TLSA _5269._tcp." HOME, "'3 1 1 bb22'"),
		"ok srv edge1\nok address 192.0.2.1\nok address 2001:db8::1\nproblem tlsa aa11\nnote tlsa bb22\n" },
	{ "a key of later", FACTS(EDGE1), AT_HOME OK("TLSA _5269._tcp." HOME, "'3 1 1 aa11', '3 1 1 bb22'"),
		"ok srv edge1\nok address 192.0.2.1\nok address 2001:db8::1\nok tlsa aa11\nnote tlsa bb22\n" },
	{ "an edge whose address nobody knows", FACTS(UNKNOWN),
		OK(SRV, "'10 10 5269 " HOME ".'") OK("A " HOME, "'192.0.2.1'") NOT("AAAA " HOME, "none"),
		"note srv external.public_addresses\nok address 192.0.2.1\n" },
};

static void told(void **state)
{
	for (size_t n = 0; n < XFED_ARRAY_LEN(differences); n++) {
		char text[4096] = "{";
		size_t i, len;
		json_t *step;
		snprintf(text + 1, sizeof(text) - 1, "%s", differences[n].answers);
		len = strlen(text);
		while (len > 1 && (text[len - 1] == ' ' || text[len - 1] == ',')) {
			len--;
		}
		snprintf(text + len, sizeof(text) - len, "}");
		json_t *facts = json(differences[n].facts), *answers = json(text), *steps = dns_differences(facts, answers),
		       *open = dns_questions(facts, answers);
		if (json_array_size(open) > 0 && !strstr(text, "has no address")) {
			size_t left = json_array_size(open);
			for (i = 0; i < json_array_size(open); i++) { /* of what leads to no edge, the keys are not judged */
				left -= strncmp(json_string_value(json_array_get(open, i)), "TLSA", 4) == 0;
			}
			assert_int_equal(left, 0);
		}
		const char *want = differences[n].said;
		json_array_foreach(steps, i, step) {
			char state_word[16], name[16], words[128];
			const char *said = json_string_value(json_object_get(step, "text"));
			if (sscanf(want, "%15s %15s %127[^\n]", state_word, name, words) != 3 ||
				strcmp(json_string_value(json_object_get(step, "state")), state_word) != 0 ||
				strcmp(json_string_value(json_object_get(step, "step")), name) != 0 || !strstr(said, words)) {
				fail_msg("%s: %s %s: \"%s\" where \"%.60s\" is expected", differences[n].what,
					json_string_value(json_object_get(step, "state")), json_string_value(json_object_get(step, "step")), said,
					want);
			}
			want = strchr(want, '\n') + 1;
		}
		if (*want) {
			fail_msg("%s: nothing says \"%s\"", differences[n].what, want);
		}
		json_decref(open);
		json_decref(steps);
		json_decref(answers);
		json_decref(facts);
	}
}

/* ---- what an edge says is checked before anything is made of it ---- */

#define KEY	"'00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'"
#define V4	"'192.0.2.1'"
#define V6	"'2001:db8::1'"
#define NUMBERS "'port': 5269, 'priority': 0, 'weight': 65535"
#define NAMED	"'name': 'edge1', "
#define LISTS	", 'addresses': [" V4 ", " V6 "], 'keys': [" KEY "]"

static const char *const wrong_facts[] = {
	"{" NAMED "'host': 'a..b', " NUMBERS ", 'addresses': [], 'keys': []}",
	"{" NAMED "'host': 'im.example.net.', " NUMBERS ", 'addresses': [], 'keys': []}",
	"{" NAMED "'host': 'IM.example.net', " NUMBERS ", 'addresses': [], 'keys': []}",
	"{" NAMED "'host': 'im_.example.net/', " NUMBERS ", 'addresses': [], 'keys': []}",
	"{" NAMED "'host': '-.example', " NUMBERS ", 'addresses': [], 'keys': []}",
	"[]",
	"{" NUMBERS LISTS "}",
	"{'name': 1, " NUMBERS LISTS "}",
	"{'name': '', " NUMBERS LISTS "}",
	"{'name': 'edge one', " NUMBERS LISTS "}",
	"{" NAMED "'host': 1, " NUMBERS LISTS "}",
	"{" NAMED "'host': null, " NUMBERS LISTS "}",
	"{" NAMED "'host': 'a.example.\\n', " NUMBERS LISTS "}",
	"{" NAMED "'priority': 0, 'weight': 0" LISTS "}",
	"{" NAMED "'port': '5269', 'priority': 0, 'weight': 0" LISTS "}",
	"{" NAMED "'port': 0, 'priority': 0, 'weight': 0" LISTS "}",
	"{" NAMED "'port': 65536, 'priority': 0, 'weight': 0" LISTS "}",
	"{" NAMED "'port': 5269, 'priority': -1, 'weight': 0" LISTS "}",
	"{" NAMED "'port': 5269, 'priority': 0, 'weight': 1.5" LISTS "}",
	"{" NAMED NUMBERS ", 'keys': []}",
	"{" NAMED NUMBERS ", 'addresses': {}, 'keys': []}",
	"{" NAMED NUMBERS ", 'addresses': [1], 'keys': []}",
	"{" NAMED NUMBERS ", 'addresses': [" V4 ", null], 'keys': []}",
	"{" NAMED NUMBERS ", 'addresses': [[" V4 "]], 'keys': []}",
	"{" NAMED NUMBERS ", 'addresses': ['edge1.example.com'], 'keys': []}",
	"{" NAMED NUMBERS ", 'addresses': ['192.0.2.0/24'], 'keys': []}",
	"{" NAMED NUMBERS ", 'addresses': []}",
	"{" NAMED NUMBERS ", 'addresses': [], 'keys': " KEY "}",
	"{" NAMED NUMBERS ", 'addresses': [], 'keys': [1]}",
	"{" NAMED NUMBERS ", 'addresses': [], 'keys': [" KEY ", {}]}",
	"{" NAMED NUMBERS ", 'addresses': [], 'keys': ['aa11']}",
	"{" NAMED NUMBERS ", 'addresses': [], 'keys': ['zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff']}",
};

static const struct {
	const char *type, *record;
} right_records[] = { { "A", V4 }, { "AAAA", V6 }, { "SRV", "'0 65535 5269 edge_1.example.com.'" }, { "SRV", "'0 0 0 .'" },
	{ "TLSA", "'3 1 1 aa11'" }, { "TLSA", "'255 255 255 (long)'" } },
  wrong_records[] = { { "A", V6 }, { "A", "''" }, { "AAAA", V4 }, { "AAAA", "'::1%lo'" }, { "SRV", "'0 0 5269'" }, { "SRV", "'0 0 65536 a.'" },
	  { "SRV", "'0 0 -1 a.'" }, { "SRV", "'0 0 5269 a'" }, { "SRV", "'0 0 5269 '" }, { "SRV", "'0 0 5269 a b.'" },
	  { "SRV", "'0 0 99999999999 a.'" }, { "TLSA", "'3 1 1'" }, { "TLSA", "'3 1 1 '" }, { "TLSA", "'3 1 256 aa'" }, { "TLSA", "'3 1 1 xy'" } };

static void facts_checked(void **state)
{
	char words[DNS_SAID_WORDS];
	json_t *good = json("{" NAMED NUMBERS LISTS "}");
	assert_true(dns_facts_valid(good, words));
	json_decref(good);
	good = json("{" NAMED "'host': 'im.example.net', " NUMBERS ", 'addresses': [], 'keys': []}");
	assert_true(dns_facts_valid(good, words));
	json_decref(good);
	assert_false(dns_facts_valid(NULL, words));
	for (size_t i = 0; i < XFED_ARRAY_LEN(wrong_facts); i++) {
		json_t *said = json(wrong_facts[i]);
		words[0] = '\0';
		if (dns_facts_valid(said, words) || !words[0]) {
			fail_msg("%s is taken", wrong_facts[i]);
		}
		json_decref(said);
	}
}

static bool is_taken(const char *type, const char *status, const char *records)
{
	char text[300], words[DNS_SAID_WORDS] = "";
	snprintf(text, sizeof(text), "{'status': %s, 'records': %s}", status, records);
	json_t *said = json(text);
	bool is_valid = dns_answer_valid(said, type, words);
	assert_true(is_valid || words[0]);
	json_decref(said);
	return is_valid;
}

static void answers_checked(void **state)
{
	static const char *const types[] = { "A", "AAAA", "SRV", "TLSA" }, *const statuses[] = { "'none'", "'failed'", "'silent'" },
				 *const kinds[] = { "1", "1.5", "null", "true", "[]", "{}", "'words'" };
	char list[200], words[DNS_SAID_WORDS];
	for (size_t t = 0; t < XFED_ARRAY_LEN(types); t++) {
		assert_false(dns_answer_valid(NULL, types[t], words));
		for (size_t i = 0; i < XFED_ARRAY_LEN(statuses); i++) {
			assert_true(is_taken(types[t], statuses[i], "[]"));
		}
		for (size_t i = 0; i < XFED_ARRAY_LEN(kinds); i++) {
			assert_false(is_taken(types[t], kinds[i], "[]"));
			snprintf(list, sizeof(list), "[%s]", kinds[i]);
			assert_false(is_taken(types[t], "'ok'", list));
			assert_true(strcmp(kinds[i], "[]") == 0 || !is_taken(types[t], "'ok'", kinds[i]));
		}
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(right_records); i++) {
		snprintf(list, sizeof(list), "[%s]", right_records[i].record);
		assert_true(is_taken(right_records[i].type, "'ok'", list));
		snprintf(list, sizeof(list), "[%s, 1]", right_records[i].record);
		assert_false(is_taken(right_records[i].type, "'ok'", list));
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(wrong_records); i++) {
		snprintf(list, sizeof(list), "[%s]", wrong_records[i].record);
		if (is_taken(wrong_records[i].type, "'ok'", list)) {
			fail_msg("%s %s is taken", wrong_records[i].type, wrong_records[i].record);
		}
	}
	assert_false(is_taken("MX", "'ok'", "[]"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(needed), cmocka_unit_test(a_neighbour_at_any_address), cmocka_unit_test(asked),
		cmocka_unit_test(told), cmocka_unit_test(facts_checked), cmocka_unit_test(answers_checked) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
