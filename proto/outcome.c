#include "proto/outcome.h"

static bool is_set(const char *s)
{
	return s && *s;
}

const char *proto_whose_word(enum proto_whose w)
{
	static const char *const words[] = {
#define PROTO_WHOSE_WORD(id, word) [PROTO_WHOSE_##id] = word,
		PROTO_WHOSE(PROTO_WHOSE_WORD)
#undef PROTO_WHOSE_WORD
	};
	return words[w];
}

static enum proto_whose whose_of_peer(struct xfed_span word)
{
	enum proto_whose w = word.len > 0 ? PROTO_WHOSE_RESOLVER : PROTO_WHOSE_NONE;
	while (w != PROTO_WHOSE_NONE && !xfed_span_is(word, proto_whose_word(w))) {
		w--;
	}
	return w;
}

enum proto_whose proto_whose_of(enum xfed_reason reason, enum proto_whose near)
{
	static const struct {
		const char *area;
		enum proto_whose whose; /* NONE: that of the peer this service talks with */
	} rows[] = {
		{ "channel.", PROTO_WHOSE_CHANNEL },
		{ "dialback.", PROTO_WHOSE_PARTNER },
		{ "dns.", PROTO_WHOSE_NONE },
		{ "net.", PROTO_WHOSE_NONE },
		{ "sasl.", PROTO_WHOSE_PARTNER },
		{ "sip.", PROTO_WHOSE_SIP },
		{ "starttls.", PROTO_WHOSE_PARTNER },
		{ "stream.", PROTO_WHOSE_PARTNER },
		{ "tls.", PROTO_WHOSE_NONE },
		{ "xmpp.", PROTO_WHOSE_PARTNER },
	};
	const char *code = xfed_reason_code(reason);
	if (reason == XFED_REASON_NONE) {
		return PROTO_WHOSE_NONE; /* of most messages */
	}
	if (reason == XFED_REASON_DNS_TIMEOUT || reason == XFED_REASON_STREAM_INTERNAL) {
		return reason == XFED_REASON_DNS_TIMEOUT ? PROTO_WHOSE_RESOLVER : PROTO_WHOSE_NONE;
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		if (strncmp(code, rows[i].area, strlen(rows[i].area)) == 0) {
			return rows[i].whose != PROTO_WHOSE_NONE ? rows[i].whose : near;
		}
	}
	return PROTO_WHOSE_NONE;
}

struct proto_result proto_result_told(const Xfed__Outcome *oc)
{
	struct proto_result r = { .fate = oc->fate, .sip_status = oc->sip_status, .told = oc };
	r.reason = xfed_reason_of_peer(xfed_span_str(oc->reason));
	r.side = xfed_side_of_peer(xfed_span_str(oc->side), r.reason);
	r.whose = whose_of_peer(xfed_span_str(oc->whose));
	return r;
}

void proto_result_fill(const struct proto_result *r, Xfed__Outcome *oc)
{
	oc->fate = r->fate;
	oc->sip_status = r->sip_status;
	if (r->reason != XFED_REASON_NONE) {
		oc->reason = (char *)(uintptr_t)xfed_reason_code(r->reason);
		oc->side = (char *)(uintptr_t)xfed_side_name(r->side);
		oc->whose = (char *)(uintptr_t)proto_whose_word(r->whose);
	}
}

bool proto_outcome_is_bad(const Xfed__Outcome *oc)
{
	return oc->fate == XFED__FATE__FATE_REFUSED || oc->fate == XFED__FATE__FATE_UNCERTAIN || oc->fate == XFED__FATE__FATE_WITHDRAWN;
}

/* Only these conditions carry an address (RFC 6120 8.3.3.5, 8.3.3.14). */
static bool may_point(const Xfed__Outcome *oc)
{
	return is_set(oc->address) && is_set(oc->condition) && (strcmp(oc->condition, "gone") == 0 || strcmp(oc->condition, "redirect") == 0);
}

/* A word of RFC 6120 8.3, else `other`: it becomes the name of an element, or instructs a client. */
static const char *word_of(const char *s, const char *const *words, size_t count, const char *other)
{
	for (size_t i = 0; i < count; i++) {
		if (is_set(s) && strcmp(s, words[i]) == 0) {
			return words[i];
		}
	}
	return other;
}

static const char *condition_of(const char *s)
{
	static const char *const words[] = { "bad-request", "conflict", "feature-not-implemented", "forbidden", "gone", "internal-server-error",
		"item-not-found", "jid-malformed", "not-acceptable", "not-allowed", "not-authorized", "policy-violation", "recipient-unavailable",
		"redirect", "registration-required", "remote-server-not-found", "remote-server-timeout", "resource-constraint", "service-unavailable",
		"subscription-required", "undefined-condition", "unexpected-request" };
	return is_set(s) ? word_of(s, words, XFED_ARRAY_LEN(words), "undefined-condition") : "service-unavailable";
}

static const char *type_of(const char *s)
{
	static const char *const words[] = { "auth", "cancel", "continue", "modify", "wait" };
	return word_of(s, words, XFED_ARRAY_LEN(words), NULL);
}

void proto_outcome_error(const Xfed__Outcome *oc, enum xfed_reason reason, struct xfed_stanza_error *out)
{
	struct xfed_span none = { NULL, 0 };
	if (oc->fate == XFED__FATE__FATE_UNCERTAIN) {
		*out = (struct xfed_stanza_error){ .condition = "remote-server-timeout", .type = "wait", .text = XFED_SPAN(PROTO_TEXT_UNCERTAIN) };
		return;
	}
	*out = (struct xfed_stanza_error){
		.condition = condition_of(oc->condition),
		.type = type_of(oc->error_type),
		.text = xfed_span_str(is_set(oc->text) ? oc->text : xfed_reason_sentence(reason)),
		.content = may_point(oc) ? xfed_span_str(oc->address) : none,
		.is_too_big = xfed_reason_is_size(reason),
	};
}

const char *proto_outcome_rule(const Xfed__Outcome *oc)
{
	static const char *const rules[] = { "headline", "no-body", "presence", "presence-resync", "type-error" };
	return word_of(oc->rule, rules, XFED_ARRAY_LEN(rules), "other");
}
