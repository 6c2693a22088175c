/* Which labels of an edge's metrics a gateway takes over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "channel/labels.h"

static void only_words_of_ours_pass(void **state)
{
	static const struct {
		const char *name, *value;
		enum labels_verdict verdict;
	} rows[] = {
		{ "partner", "fabrikam.example", LABELS_OURS },
		{ "partner", "other", LABELS_OURS },
		{ "partner", "r1.example", LABELS_BAD },
		{ "partner", "sub.fabrikam.example", LABELS_BAD }, /* its first domain is the label */
		{ "partner", "", LABELS_BAD },
		{ "reason", "tls.cert.expired", LABELS_OURS },
		{ "reason", "none", LABELS_OURS },
		{ "reason", "made.up", LABELS_BAD },
		{ "result", "ok", LABELS_OURS },
		{ "result", "dialback.timeout", LABELS_OURS },
		{ "result", "fine", LABELS_BAD },
		{ "side", "partner", LABELS_OURS },
		{ "side", "somebody", LABELS_BAD },
		{ "direction", "to_xmpp", LABELS_OURS },
		{ "direction", "up", LABELS_BAD },
		{ "method", "dialback-plain", LABELS_OURS },
		{ "method", "magic", LABELS_BAD },
		{ "state", "opening", LABELS_OURS },
		{ "state", "x", LABELS_BAD },
		{ "kind", "iq", LABELS_OURS },
		{ "kind", "iqs", LABELS_BAD },
		{ "fate", "uncertain", LABELS_OURS },
		{ "fate", "lost", LABELS_BAD },
		{ "owner", "us", LABELS_OURS },
		{ "owner", "them", LABELS_BAD },
		{ "role", "edge", LABELS_OURS },
		{ "role", "gateway", LABELS_BAD },
		{ "le", "0.5", LABELS_OURS },
		{ "rule", "no-error-due", LABELS_FREE },
		{ "rule", "a rule", LABELS_BAD },
		{ "rule", "a-rule-that-is-longer-than-any-there-is", LABELS_BAD },
		{ "message", "failure-event", LABELS_FREE },
		{ "message", "Failure 1", LABELS_BAD },
		{ "name", "fabrikam.example", LABELS_OURS },
		{ "name", "CN=xmpp.example.com", LABELS_FREE },
		{ "peer", "gw1", LABELS_FREE },
		{ "version", "TLS1.3", LABELS_FREE },
		{ "cipher", "AES-256-GCM", LABELS_FREE },
		{ "next_hop", "tcp:10.0.0.1:5060", LABELS_BAD },
		{ "edge", "edge1", LABELS_BAD },
		{ "", "", LABELS_BAD },
	};
	struct xfed_policy *policy;
	struct xfed_policy_error err;
	const char *more = "sub.fabrikam.example";
	struct xfed_partner p = { .domain = "fabrikam.example",
		.additional = &more,
		.additional_count = 1,
		.tls = XFED_REQUIRED,
		.sasl = XFED_OPTIONAL,
		.dialback = true,
		.max_connections = 20,
		.stanzas_per_second = 200,
		.stanza_bytes = 65536,
		.kinds = XFED_KIND_MESSAGE };
	(void)state;
	assert_int_equal(xfed_policy_new(&policy), XFED_OK);
	assert_int_equal(xfed_policy_add_partner(policy, &p, &err), XFED_OK);
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		if (labels_judge(policy, xfed_span_str(rows[i].name), xfed_span_str(rows[i].value)) != rows[i].verdict) {
			fail_msg("%s=%s", rows[i].name, rows[i].value);
		}
	}
	assert_int_equal(labels_judge(NULL, XFED_SPAN("partner"), XFED_SPAN("fabrikam.example")), LABELS_BAD);
	xfed_policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_words_of_ours_pass),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
