/* How we stand with partners (edge-proxy/s2s/standing.c): whose names are remembered, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "s2s/s2s_impl.h"

#define MANY 5000 /* more than are remembered of a kind */

static int64_t wall_s(void *user)
{
	(void)user;
	return 1700000000;
}

struct bench {
	struct core core;
	struct s2s s2s;
};

/* A name that begins with a dot stands for a partner with a wildcard. */
static struct xfed_policy *policy_of(const char *const *names, size_t count)
{
	struct xfed_policy *p;
	assert_int_equal(xfed_policy_new(&p), XFED_OK);
	assert_int_equal(xfed_policy_add_local(p, XFED_SPAN("corp.example"), NULL), XFED_OK);
	for (size_t i = 0; i < count; i++) {
		char wild[64];
		const char *const additional[] = { wild };
		bool is_wild = names[i][0] == '.';
		snprintf(wild, sizeof(wild), "*%s", names[i]);
		struct xfed_partner x = { .domain = names[i] + (is_wild ? 1 : 0),
			.additional = additional,
			.additional_count = is_wild ? 1 : 0,
			.tls = XFED_REQUIRED,
			.sasl = XFED_REQUIRED,
			.max_connections = 8,
			.stanzas_per_second = 100,
			.stanza_bytes = XFED_STANZA_BYTES_MAX,
			.kinds = XFED_KIND_MESSAGE };
		assert_int_equal(xfed_policy_add_partner(p, &x, NULL), XFED_OK);
	}
	return p;
}

static void begin(struct bench *b, const char *const *names, size_t count)
{
	memset(b, 0, sizeof(*b));
	b->core.d.env.wall_s = wall_s;
	b->s2s.core = &b->core;
	b->s2s.policy = policy_of(names, count);
}

static void end(struct bench *b)
{
	s2s_standings_free(&b->s2s);
	xfed_policy_free(b->s2s.policy);
}

static void attempt(struct bench *b, const char *remote, bool works)
{
	char local[] = "corp.example", to[64];
	struct s2s_pair p = { .s2s = &b->s2s, .local = local, .remote = to, .text = "Certificate is required." };
	snprintf(to, sizeof(to), "%s", remote);
	if (works) {
		s2s_standing_worked(&p, XFED_REASON_NONE);
	} else {
		s2s_standing_failed(&p, XFED_REASON_DNS_NAME_MISSING);
	}
}

static const struct s2s_standing *of(const struct bench *b, const char *remote)
{
	return s2s_standing_of(&b->s2s, "corp.example", remote);
}

static void attempt_many(struct bench *b, char first, bool work)
{
	char remote[64];
	for (int i = 0; i < MANY; i++) {
		snprintf(remote, sizeof(remote), "%c%d.wide.example", first, i);
		attempt(b, remote, work);
	}
}

static const char *const names[] = { "fabrikam.example", ".wide.example" };

static void a_name_below_a_wildcard_is_made_up_until_it_works(void **state)
{
	struct bench b;
	(void)state;
	begin(&b, names, 2);
	attempt(&b, "fabrikam.example", false);
	attempt(&b, "tpyo.wide.example", false);
	attempt(&b, "im.wide.example", true);
	attempt(&b, "im.wide.example", false);
	assert_false(of(&b, "fabrikam.example")->is_made_up);
	assert_true(of(&b, "tpyo.wide.example")->is_made_up);
	assert_int_equal(of(&b, "tpyo.wide.example")->reason, XFED_REASON_DNS_NAME_MISSING); /* for explain */
	assert_string_equal(of(&b, "tpyo.wide.example")->text, "Certificate is required");
	assert_false(of(&b, "im.wide.example")->is_made_up);
	end(&b);
}

static void made_up_names_push_out_nobody_else(void **state)
{
	struct bench b;
	(void)state;
	begin(&b, names, 2);
	attempt(&b, "fabrikam.example", false);
	attempt(&b, "im.wide.example", true);
	attempt_many(&b, 'u', false);
	assert_non_null(of(&b, "fabrikam.example"));
	assert_non_null(of(&b, "im.wide.example"));
	assert_null(of(&b, "u0.wide.example"));
	assert_non_null(of(&b, "u4999.wide.example"));
	attempt_many(&b, 'u', true); /* a partner whose server takes every name */
	assert_non_null(of(&b, "fabrikam.example"));
	assert_null(of(&b, "im.wide.example"));
	end(&b);
}

static void the_longest_unused_goes(void **state)
{
	struct bench b;
	char remote[64];
	(void)state;
	begin(&b, names, 2);
	attempt(&b, "old.wide.example", true);
	attempt(&b, "unused.wide.example", true);
	for (int i = 0; i < MANY; i++) {
		snprintf(remote, sizeof(remote), "n%d.wide.example", i);
		attempt(&b, remote, true);
		attempt(&b, "old.wide.example", i % 2 == 0);
	}
	assert_non_null(of(&b, "old.wide.example"));
	assert_null(of(&b, "unused.wide.example"));
	end(&b);
}

static void count_one(void *user, const struct s2s_standing *st)
{
	size_t *counts = user;
	counts[st->is_made_up ? 1 : 0]++;
}

static void a_policy_may_list_them_or_not(void **state)
{
	static const char *const listed[] = { "fabrikam.example", ".wide.example", "u4999.wide.example" }, *const wild[] = { ".wide.example" };
	struct bench b;
	size_t counts[2] = { 0 };
	(void)state;
	begin(&b, names, 2);
	attempt(&b, "fabrikam.example", false);
	attempt_many(&b, 'u', false);
	xfed_policy_free(b.s2s.policy);
	b.s2s.policy = policy_of(listed, 3);
	s2s_standings_judge(&b.s2s);
	assert_false(of(&b, "u4999.wide.example")->is_made_up);
	xfed_policy_free(b.s2s.policy);
	b.s2s.policy = policy_of(wild, 1);
	attempt_many(&b, 'v', false);
	s2s_standings_judge(&b.s2s); /* one more that is made up than there is room for */
	assert_null(of(&b, "fabrikam.example"));
	assert_true(of(&b, "u4999.wide.example")->is_made_up);
	s2s_each_standing(&b.s2s, count_one, counts);
	assert_int_equal(counts[0], 0);
	assert_int_equal(counts[1], 4096);
	end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_below_a_wildcard_is_made_up_until_it_works),
		cmocka_unit_test(made_up_names_push_out_nobody_else),
		cmocka_unit_test(the_longest_unused_goes),
		cmocka_unit_test(a_policy_may_list_them_or_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
