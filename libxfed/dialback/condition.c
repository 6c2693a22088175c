#include "dialback/internal.h"

static const struct {
	const char *word, *type;
	enum xfed_reason reason;
} conditions[] = {
#define X(id, word, type, reason) { word, type, XFED_REASON_##reason },
	XFED_DIALBACK_CONDITIONS(X)
#undef X
};

static const struct {
	const char *word;
	enum xfed_dialback_condition condition;
	enum xfed_reason reason;
} verdicts[] = {
#define X(id, word, condition, reason) { word, XFED_DIALBACK_##condition, XFED_REASON_##reason },
	XFED_DIALBACK_VERDICTS(X)
#undef X
};

const char *xfed_dialback_condition_word(enum xfed_dialback_condition c)
{
	return conditions[c].word;
}

const char *db_condition_type(enum xfed_dialback_condition c)
{
	return conditions[c].type;
}

enum xfed_reason xfed_dialback_condition_reason(enum xfed_dialback_condition c)
{
	return conditions[c].reason;
}

enum xfed_dialback_condition xfed_dialback_condition_by_word(struct xfed_span word)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(conditions); i++) {
		if (xfed_span_is(word, conditions[i].word)) {
			return (enum xfed_dialback_condition)i;
		}
	}
	return XFED_DIALBACK_NOT_IN_TABLE;
}

/*
 * XEP-0220 2.5: policy-violation where TLS is needed before dialback (and for a domain unknown to policy, which the XEP leaves open),
 * not-authorized where only a certificate is accepted.
 */
static const struct {
	enum xfed_reason reason;
	enum xfed_dialback_condition condition;
} refusals[] = {
	{ XFED_REASON_POLICY_PARTNER_UNLISTED, XFED_DIALBACK_POLICY_VIOLATION },
	{ XFED_REASON_POLICY_PARTNER_BROKEN, XFED_DIALBACK_POLICY_VIOLATION },
	{ XFED_REASON_POLICY_PARTNER_DISABLED, XFED_DIALBACK_POLICY_VIOLATION },
	{ XFED_REASON_TLS_REQUIRED_MISSING, XFED_DIALBACK_POLICY_VIOLATION },
	{ XFED_REASON_TLS_VERSION_OLD, XFED_DIALBACK_POLICY_VIOLATION },
	{ XFED_REASON_DIALBACK_NOT_ALLOWED, XFED_DIALBACK_NOT_AUTHORIZED },
	{ XFED_REASON_SASL_REQUIRED_MISSING, XFED_DIALBACK_NOT_AUTHORIZED },
	{ XFED_REASON_TLS_CERT_MISSING, XFED_DIALBACK_NOT_AUTHORIZED },
	{ XFED_REASON_TLS_CERT_EXPIRED, XFED_DIALBACK_NOT_AUTHORIZED },
	{ XFED_REASON_TLS_CERT_NOT_YET_VALID, XFED_DIALBACK_NOT_AUTHORIZED },
	{ XFED_REASON_TLS_CERT_NAME_MISMATCH, XFED_DIALBACK_NOT_AUTHORIZED },
	{ XFED_REASON_TLS_CERT_UNTRUSTED, XFED_DIALBACK_NOT_AUTHORIZED },
	{ XFED_REASON_TLS_CERT_WEAK, XFED_DIALBACK_NOT_AUTHORIZED },
	{ XFED_REASON_TLS_CERT_REVOKED, XFED_DIALBACK_NOT_AUTHORIZED },
	{ XFED_REASON_TLS_CERT_PURPOSE, XFED_DIALBACK_NOT_AUTHORIZED },
	{ XFED_REASON_TLS_CERT_DANE_MISMATCH, XFED_DIALBACK_NOT_AUTHORIZED },
	{ XFED_REASON_POLICY_CONNECTIONS_EXCEEDED, XFED_DIALBACK_RESOURCE_CONSTRAINT },
	{ XFED_REASON_POLICY_RATE_EXCEEDED, XFED_DIALBACK_RESOURCE_CONSTRAINT },
	{ XFED_REASON_DIALBACK_PAIRS_EXCEEDED, XFED_DIALBACK_RESOURCE_CONSTRAINT },
	{ XFED_REASON_DIALBACK_TARGET_UNKNOWN, XFED_DIALBACK_ITEM_NOT_FOUND },
	{ XFED_REASON_STREAM_INTERNAL, XFED_DIALBACK_INTERNAL },
};

enum xfed_dialback_condition xfed_dialback_condition_of(enum xfed_reason refusal)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(refusals); i++) {
		if (refusals[i].reason == refusal) {
			return refusals[i].condition;
		}
	}
	return XFED_DIALBACK_NOT_ACCEPTABLE;
}

const char *xfed_dialback_verdict_word(enum xfed_dialback_verdict v)
{
	return verdicts[v].word;
}

enum xfed_dialback_condition db_verdict_condition(enum xfed_dialback_verdict v)
{
	return verdicts[v].condition;
}

enum xfed_reason db_verdict_reason(enum xfed_dialback_verdict v)
{
	return verdicts[v].reason;
}

enum xfed_dialback_verdict xfed_dialback_verdict_of(bool was_open, bool is_host_unknown)
{
	if (is_host_unknown) {
		return XFED_DIALBACK_VERDICT_UNKNOWN_DOMAIN;
	}
	return was_open ? XFED_DIALBACK_VERDICT_LOST : XFED_DIALBACK_VERDICT_UNREACHABLE;
}
