#include "channel/labels.h"

#include "xfed/reason.h"

#define FREE_BYTES 128
#define WORD_BYTES 32

static bool is_one_of(struct xfed_span value, const char *const *words)
{
	for (; *words; words++) {
		if (xfed_span_is(value, *words)) {
			return true;
		}
	}
	return false;
}

/* Rules and kinds of messages are words in the code, and which ones exist depends on the edge's version. */
static bool is_word(struct xfed_span value)
{
	for (size_t i = 0; i < value.len; i++) {
		if ((value.data[i] < 'a' || value.data[i] > 'z') && value.data[i] != '-') {
			return false;
		}
	}
	return value.len > 0 && value.len <= WORD_BYTES;
}

static bool is_reason(struct xfed_span value)
{
	return xfed_span_is(value, xfed_reason_code(XFED_REASON_NONE)) || xfed_reason_by_code(value) != XFED_REASON_NONE;
}

static bool is_partner(const struct xfed_policy *policy, struct xfed_span value)
{
	const struct xfed_partner *p = policy && value.len > 0 ? xfed_policy_partner(policy, value) : NULL;
	return xfed_span_is(value, "other") || (p && xfed_span_is(value, p->domain)); /* partners are labelled by their first domain */
}

static const struct {
	const char *name;
	const char *words[16];
} tables[] = {
	{ "direction", { "in", "out", "to_sip", "to_xmpp" } },
	{ "state", { "ready", "opening" } },
	{ "method", { "external", "dialback-tls", "dialback-plain" } },
	{ "kind", { "message", "presence", "subscription", "iq" } },
	{ "fate", { "delivered", "refused", "dropped", "uncertain" } },
	{ "side", { "us", "partner", "network", "local-user", "remote-user", "sip", "operator" } },
	{ "owner", { "us", "partner" } },
	{ "role", { "edge" } },
};

enum labels_verdict labels_judge(const struct xfed_policy *policy, struct xfed_span name, struct xfed_span value)
{
	static const char *const free_ones[] = { "name", "peer", "version", "cipher", NULL };
	for (size_t i = 0; i < XFED_ARRAY_LEN(tables); i++) {
		if (xfed_span_is(name, tables[i].name)) {
			return is_one_of(value, tables[i].words) ? LABELS_OURS : LABELS_BAD;
		}
	}
	if (xfed_span_is(name, "reason") || (xfed_span_is(name, "result") && !xfed_span_is(value, "ok"))) {
		return is_reason(value) ? LABELS_OURS : LABELS_BAD;
	}
	if (xfed_span_is(name, "partner") || (xfed_span_is(name, "name") && is_partner(policy, value))) {
		return is_partner(policy, value) ? LABELS_OURS : LABELS_BAD;
	}
	if (xfed_span_is(name, "result") || xfed_span_is(name, "le")) {
		return LABELS_OURS; /* "ok", or the bound of a histogram, which is checked when it is taken over */
	}
	if (xfed_span_is(name, "rule") || xfed_span_is(name, "message")) {
		return is_word(value) ? LABELS_FREE : LABELS_BAD;
	}
	return is_one_of(name, free_ones) && value.len <= FREE_BYTES ? LABELS_FREE : LABELS_BAD;
}
