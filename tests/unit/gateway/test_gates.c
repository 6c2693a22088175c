/*
 * The gates of policy: every combination of partner type, direction, relation, kind and access, through the gates as they are
 * enforced and through explain, held against a table that was written by hand.
 *
 * Lync lets the users of Federated and PublicVerified partners write first and add our users, those of PublicUnverified only when our
 * user has added them to his contacts; to write to somebody within a day lets that one answer, and see nothing. Our users may always.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "admin/explain.h"
#include "policy/policy_impl.h"

enum type { FEDERATED, VERIFIED, UNVERIFIED, UNLISTED, TYPES };
enum direction { IN, OUT };
enum relation { STRANGER, WRITTEN_TO, ADDED, RELATIONS };
enum access { ALLOWED, REFUSED };

/*
 * The gate that is closed to a message, and to a request for presence: P partner, K kinds, A access, C contact, - none. First where the
 * partner's kinds have what is sent, then where they have not; of each for a user whom access.d allows and for one whom it refuses.
 */
static const struct {
	enum type type;
	enum direction direction;
	enum relation relation;
	const char *closed[2];
} table[] = {
	{ FEDERATED, IN, STRANGER, { "-A KK", "-A KK" } },
	{ FEDERATED, IN, WRITTEN_TO, { "-A KK", "-A KK" } },
	{ FEDERATED, IN, ADDED, { "-A KK", "-A KK" } },
	{ VERIFIED, IN, STRANGER, { "-A KK", "-A KK" } },
	{ VERIFIED, IN, WRITTEN_TO, { "-A KK", "-A KK" } },
	{ VERIFIED, IN, ADDED, { "-A KK", "-A KK" } },
	{ UNVERIFIED, IN, STRANGER, { "CA KK", "CA KK" } },
	{ UNVERIFIED, IN, WRITTEN_TO, { "-A KK", "CA KK" } },
	{ UNVERIFIED, IN, ADDED, { "-A KK", "-A KK" } },
	{ UNLISTED, IN, STRANGER, { "PP PP", "PP PP" } },
	{ UNLISTED, IN, WRITTEN_TO, { "PP PP", "PP PP" } },
	{ UNLISTED, IN, ADDED, { "PP PP", "PP PP" } },
	{ FEDERATED, OUT, STRANGER, { "-A KK", "-A KK" } },
	{ FEDERATED, OUT, WRITTEN_TO, { "-A KK", "-A KK" } },
	{ FEDERATED, OUT, ADDED, { "-A KK", "-A KK" } },
	{ VERIFIED, OUT, STRANGER, { "-A KK", "-A KK" } },
	{ VERIFIED, OUT, WRITTEN_TO, { "-A KK", "-A KK" } },
	{ VERIFIED, OUT, ADDED, { "-A KK", "-A KK" } },
	{ UNVERIFIED, OUT, STRANGER, { "-A KK", "-A KK" } },
	{ UNVERIFIED, OUT, WRITTEN_TO, { "-A KK", "-A KK" } },
	{ UNVERIFIED, OUT, ADDED, { "-A KK", "-A KK" } },
	{ UNLISTED, OUT, STRANGER, { "PP PP", "PP PP" } },
	{ UNLISTED, OUT, WRITTEN_TO, { "PP PP", "PP PP" } },
	{ UNLISTED, OUT, ADDED, { "PP PP", "PP PP" } },
};

/* An error and the like ends something: only from where, to where, and whose partner it is count. */
static char closed_to_endings(enum type type)
{
	return type == UNLISTED ? 'P' : '-';
}

static const struct {
	char letter;
	enum policy_gate gate;
	enum xfed_reason reason;
} letters[] = {
	{ 'P', POLICY_GATE_PARTNER, XFED_REASON_POLICY_PARTNER_UNLISTED },
	{ 'K', POLICY_GATE_KINDS, XFED_REASON_POLICY_KIND_FORBIDDEN },
	{ 'A', POLICY_GATE_ACCESS, XFED_REASON_POLICY_ACCESS_USER },
	{ 'C', POLICY_GATE_CONTACT, XFED_REASON_POLICY_CONTACT_UNAUTHORISED },
	{ '-', POLICY_GATE_COUNT, XFED_REASON_NONE },
};

static char letter_of(enum policy_gate gate, enum xfed_reason reason)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(letters); i++) {
		if (letters[i].gate == gate && letters[i].reason == reason) {
			return letters[i].letter;
		}
	}
	return '?';
}

static struct policy_facts facts(size_t row, enum access access, unsigned kinds)
{
	static const enum xfed_partner_type types[TYPES] = {
		[FEDERATED] = XFED_PARTNER_FEDERATED, [VERIFIED] = XFED_PARTNER_PUBLIC_VERIFIED, [UNVERIFIED] = XFED_PARTNER_PUBLIC_UNVERIFIED
	};
	bool is_listed = table[row].type != UNLISTED;
	return (struct policy_facts){
		.from_is_good = true,
		.to_is_good = true,
		.from_is_ours = table[row].direction == OUT,
		.to_is_ours = table[row].direction == IN,
		.is_listed = is_listed,
		.type = types[table[row].type],
		.kinds = is_listed ? kinds : 0,
		.access_allows = access == ALLOWED,
		.is_written_to = table[row].relation == WRITTEN_TO,
		.is_added = table[row].relation == ADDED,
		.from_maps = true,
		.to_maps = true,
	};
}

static char enforced(const struct policy_facts *f, enum policy_kind kind)
{
	struct policy_verdict v[POLICY_GATE_COUNT];
	enum policy_gate closed = policy_gates(f, kind, true, v);
	return letter_of(closed, closed == POLICY_GATE_COUNT ? XFED_REASON_NONE : v[closed].reason);
}

static char explained(const struct policy_facts *f, enum policy_kind kind)
{
	bool is_message = kind == POLICY_MESSAGE;
	struct explain_facts x = {
		.from = "alice@example.com",
		.to = "bob@fabrikam.example",
		.policy = *f,
		.local_domain = "example.com",
		.remote_domain = "fabrikam.example",
		.partner = "fabrikam.example",
		.partner_file = "/p/fabrikam.example.yaml",
		.ours = "example.com",
		.why_not_partner = "no file in /p covers fabrikam.example",
		.service = "in-service",
	};
	struct explain_gate g[EXPLAIN_GATE_COUNT];
	enum explain_gate_id closed = explain_gates(&x, is_message ? EXPLAIN_OF_MESSAGE : EXPLAIN_OF_SUBSCRIPTION, g);
	bool is_of_policy = (int)closed < (int)POLICY_GATE_COUNT;
	return letter_of(is_of_policy ? (enum policy_gate)closed : POLICY_GATE_COUNT, is_of_policy ? g[closed].reason : XFED_REASON_NONE);
}

static int combinations;

static void expect(size_t row, enum access access, unsigned kinds, enum policy_kind kind, char want)
{
	struct policy_facts f = facts(row, access, kinds);
	struct policy_verdict v[POLICY_GATE_COUNT], all[POLICY_GATE_COUNT];
	char got = enforced(&f, kind), told = kind != POLICY_ENDING ? explained(&f, kind) : want;
	if (got != want || told != want) {
		fail_msg("row %zu, access %d, kinds %u, kind %d: enforced %c, explained %c, expected %c", row, access, kinds, kind, got, told, want);
	}
	assert_int_equal(policy_gates(&f, kind, true, v), policy_gates(&f, kind, false, all));
	combinations++;
}

static void every_combination(void **state)
{
	static const struct {
		enum policy_kind kind;
		unsigned bit;
	} sent[] = { { POLICY_MESSAGE, XFED_KIND_MESSAGE }, { POLICY_PRESENCE, XFED_KIND_PRESENCE } };
	(void)state;
	for (size_t row = 0; row < XFED_ARRAY_LEN(table); row++) {
		for (enum access access = ALLOWED; access <= REFUSED; access++) {
			for (unsigned kinds = 0; kinds < 8; kinds++) {
				for (size_t s = 0; s < XFED_ARRAY_LEN(sent); s++) {
					bool has_it = kinds & sent[s].bit;
					expect(row, access, kinds, sent[s].kind, table[row].closed[s][(has_it ? 0 : 3) + (int)access]);
				}
				expect(row, access, kinds, POLICY_ENDING, closed_to_endings(table[row].type));
			}
		}
	}
	assert_int_equal(combinations, 24 * 2 * 8 * 3);
}

/* The table has each row once, so that nothing is left out of it. */
static void the_table_is_whole(void **state)
{
	bool seen[TYPES][2][RELATIONS] = { 0 };
	(void)state;
	for (size_t i = 0; i < XFED_ARRAY_LEN(table); i++) {
		bool *s = &seen[table[i].type][table[i].direction][table[i].relation];
		assert_false(*s);
		*s = true;
		assert_int_equal(strlen(table[i].closed[0]), 5);
		assert_int_equal(strlen(table[i].closed[1]), 5);
	}
	assert_int_equal(XFED_ARRAY_LEN(table), sizeof(seen) / sizeof(bool));
}

/* What is behind a closed gate, and hangs on it, is skipped; the rest is judged, unless nobody wants to know. */
static void behind_a_closed_gate(void **state)
{
	(void)state;
	struct policy_verdict v[POLICY_GATE_COUNT];
	struct policy_facts f = facts(9, REFUSED, 0); /* unlisted */
	f.from_maps = false;
	assert_int_equal(policy_gates(&f, POLICY_MESSAGE, false, v), POLICY_GATE_PARTNER);
	assert_int_equal(v[POLICY_GATE_KINDS].state, POLICY_SKIPPED);
	assert_int_equal(v[POLICY_GATE_ACCESS].state, POLICY_CLOSED);
	assert_int_equal(v[POLICY_GATE_CONTACT].state, POLICY_SKIPPED);
	assert_int_equal(v[POLICY_GATE_MAPPING].state, POLICY_CLOSED);
	v[POLICY_GATE_ACCESS] = (struct policy_verdict){ POLICY_SKIPPED, XFED_REASON_STREAM_INTERNAL };
	assert_int_equal(policy_gates(&f, POLICY_MESSAGE, true, v), POLICY_GATE_PARTNER);
	assert_int_equal(v[POLICY_GATE_ACCESS].reason, XFED_REASON_STREAM_INTERNAL); /* not looked at */
	f = facts(0, ALLOWED, XFED_KIND_MESSAGE);
	f.to_maps = false;
	assert_int_equal(policy_gates(&f, POLICY_MESSAGE, true, v), POLICY_GATE_MAPPING);
	assert_int_equal(v[POLICY_GATE_MAPPING].reason, XFED_REASON_SIP_ADDRESS_UNMAPPABLE);
	f.from_is_ours = true;
	assert_int_equal(policy_gates(&f, POLICY_ENDING, true, v), POLICY_GATE_DIRECTION);
	assert_int_equal(v[POLICY_GATE_DIRECTION].reason, XFED_REASON_SIP_LOOP_DETECTED);
	f.from_is_ours = f.to_is_ours = false;
	assert_int_equal(policy_gates(&f, POLICY_ENDING, true, v), POLICY_GATE_DIRECTION);
	assert_int_equal(v[POLICY_GATE_DIRECTION].reason, XFED_REASON_STREAM_RELAY_ATTEMPT);
	f.to_is_good = false;
	assert_int_equal(policy_gates(&f, POLICY_MESSAGE, false, v), POLICY_GATE_ADDRESSES);
	for (int i = POLICY_GATE_DIRECTION; i < POLICY_GATE_COUNT; i++) {
		assert_int_equal(v[i].state, POLICY_SKIPPED);
	}
}

/* ---- whose an address is ---- */

/* example.com is known inside as corp.local; plain.example has one name. */
static void names_inside_and_outside(void **state)
{
	static struct config_domain domains[] = { { .domain = "example.com", .sip_domain = "corp.local" }, { .domain = "plain.example" } };
	static const struct {
		bool is_from_sip;
		const char *from, *to;
		const char *from_ours, *to_ours; /* NULL: not ours */
	} rows[] = {
		{ true, "corp.local", "partner.example", "example.com", NULL },
		{ true, "example.com", "partner.example", "example.com", NULL },
		{ true, "plain.example", "partner.example", "plain.example", NULL },
		{ true, "corp.local", "plain.example", "example.com", "plain.example" },
		{ true, "plain.example", "corp.local", "plain.example", "example.com" },
		{ true, "elsewhere.example", "partner.example", NULL, NULL },
		{ false, "partner.example", "example.com", NULL, "example.com" },
		{ false, "partner.example", "plain.example", NULL, "plain.example" },
		{ false, "partner.example", "corp.local", NULL, NULL }, /* a partner does not know that name, and no edge takes it */
		{ false, "example.com", "plain.example", "example.com", "plain.example" },
		{ false, "", "", NULL, NULL },
	};
	(void)state;
	struct config config = { .domains = { domains, XFED_ARRAY_LEN(domains) } };
	struct policy_files files = { .config = &config };
	struct policy p = { .files = &files };
	struct xfed_arena a;
	xfed_arena_init(&a, 65536);
	assert_int_equal(config_index(&config, &a), XFED_OK);
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct policy_ends ends = policy_ends(&p, rows[i].is_from_sip, xfed_span_str(rows[i].from), xfed_span_str(rows[i].to));
		const char *from = ends.from ? ends.from->domain : "none", *to = ends.to ? ends.to->domain : "none";
		if (strcmp(from, rows[i].from_ours ? rows[i].from_ours : "none") != 0 ||
			strcmp(to, rows[i].to_ours ? rows[i].to_ours : "none") != 0) {
			fail_msg("row %zu: %s, %s", i, from, to);
		}
	}
	xfed_arena_deinit(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_whole),
		cmocka_unit_test(every_combination),
		cmocka_unit_test(behind_a_closed_gate),
		cmocka_unit_test(names_inside_and_outside),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
