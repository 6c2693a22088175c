/* What a change of partners would do, before it is made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "admin/effects.h"
#include "xfed/limits.h"

#define ALL (XFED_KIND_MESSAGE | XFED_KIND_PRESENCE | XFED_KIND_IQ)

static const struct xfed_partner usual = { .domain = "fabrikam.example",
	.tls = XFED_REQUIRED,
	.sasl = XFED_OPTIONAL,
	.dialback = true,
	.max_connections = 20,
	.stanzas_per_second = 200,
	.stanza_bytes = 65536,
	.kinds = ALL };

/* `a` and `b` may be NULL. */
static struct xfed_policy *policy(const struct xfed_partner *a, const struct xfed_partner *b)
{
	struct xfed_policy *p;
	struct xfed_policy_error err;
	assert_int_equal(xfed_policy_new(&p), XFED_OK);
	assert_int_equal(xfed_policy_add_local(p, xfed_span_str("corp.example"), &err), XFED_OK);
	if (a) {
		assert_int_equal(xfed_policy_add_partner(p, a, &err), XFED_OK);
	}
	if (b) {
		assert_int_equal(xfed_policy_add_partner(p, b, &err), XFED_OK);
	}
	return p;
}

/* The whats of a change, each with a blank behind it, and the text of the last. */
static char last[512];
static const char *whats(struct xfed_policy *was, struct xfed_policy *is)
{
	static char out[512];
	size_t i, len = 0;
	json_t *list = json_array(), *e;
	out[0] = last[0] = '\0';
	effects_partners(was, is, list);
	json_array_foreach(list, i, e) {
		len += (size_t)snprintf(out + len, sizeof(out) - len, "%s ", json_string_value(json_object_get(e, "what")));
		snprintf(last, sizeof(last), "%s", json_string_value(json_object_get(e, "text")));
	}
	json_decref(list);
	xfed_policy_free(was);
	xfed_policy_free(is);
	return out;
}

static struct xfed_policy *with(const struct xfed_partner *a)
{
	return policy(a, NULL);
}

static void partners(void **state)
{
	struct xfed_partner other = usual;
	assert_string_equal(whats(with(&usual), with(&usual)), "");
	assert_string_equal(whats(with(NULL), with(&usual)), "methods ");
	assert_string_equal(last, "fabrikam.example proves itself by external, dialback-tls");
	assert_string_equal(whats(with(&usual), with(NULL)), ""); /* who is live of it is counted */
	other.sasl = XFED_REQUIRED;
	other.dialback = false;
	assert_string_equal(whats(with(&usual), with(&other)), "methods ");
	assert_string_equal(last, "fabrikam.example proves itself by external; until now by external, dialback-tls");
	other = usual;
	other.kinds = XFED_KIND_MESSAGE;
	assert_string_equal(whats(with(&usual), with(&other)), "kinds kinds ");
	other = usual;
	other.max_connections = 5;
	assert_string_equal(whats(with(&usual), with(&other)), "limits ");
	assert_string_equal(whats(with(&other), with(&usual)), "");
}

/* Others, before and behind the one that changes, are not told of. */
static void the_changed_one_alone(void **state)
{
	struct xfed_partner before = usual, behind = usual, other = usual;
	before.domain = "a.example";
	behind.domain = "z.example";
	other.kinds = XFED_KIND_MESSAGE | XFED_KIND_PRESENCE;
	assert_string_equal(whats(policy(&before, &usual), policy(&before, &other)), "kinds ");
	assert_string_equal(whats(policy(&usual, &behind), policy(&other, &behind)), "kinds ");
	assert_string_equal(whats(policy(&before, &behind), policy(&before, &usual)), "methods ");
}

static void streams(void **state)
{
	struct xfed_partner strict = usual;
	struct effects_streams s = { 0 };
	json_t *list = json_array();
	json_t *all = json_loads("[{\"local\": \"corp.example\", \"remote\": \"fabrikam.example\", \"method\": \"dialback-tls\"},"
				 "{\"local\": \"corp.example\", \"remote\": \"fabrikam.example\", \"method\": \"external\"},"
				 "{\"local\": \"corp.example\", \"remote\": \"fabrikam.example\"},"
				 "{\"local\": \"corp.example\", \"remote\": \"gone.example\", \"method\": \"external\"},"
				 "{\"local\": \"\", \"remote\": \"\"}, 7]",
		0, NULL);
	strict.dialback = false;
	struct xfed_policy *is = with(&strict);
	effects_add_streams(&s, is, all);
	effects_add_streams(&s, is, NULL);
	effects_tell_streams(&s, list);
	assert_int_equal(s.closed[XFED_REASON_DIALBACK_NOT_ALLOWED], 1);
	assert_int_equal(s.closed[XFED_REASON_POLICY_PARTNER_UNLISTED], 1);
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "what")), "streams");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "count")), 1);
	json_decref(list);
	json_decref(all);
	xfed_policy_free(is);
}

static void pairs(void **state)
{
	struct xfed_partner other = usual;
	struct xfed_policy *was = with(&usual), *none = with(NULL);
	other.kinds = XFED_KIND_MESSAGE;
	struct xfed_policy *is = with(&other);
	struct xfed_span domain = xfed_span_str("fabrikam.example");
	assert_false(effects_pair(was, was, domain).is_gone || effects_pair(was, was, domain).loses_presence);
	assert_true(effects_pair(was, none, domain).is_gone);
	assert_false(effects_pair(none, was, domain).is_gone);
	assert_true(effects_pair(was, is, domain).loses_presence && !effects_pair(was, is, domain).is_gone);
	assert_false(effects_pair(none, none, domain).is_gone);
	xfed_policy_free(was);
	xfed_policy_free(none);
	xfed_policy_free(is);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(partners),
		cmocka_unit_test(the_changed_one_alone),
		cmocka_unit_test(streams),
		cmocka_unit_test(pairs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
