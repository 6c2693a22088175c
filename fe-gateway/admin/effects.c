#include "admin/effects.h"

#include <stdio.h>
#include <string.h>

#include "xfed/rt/control.h"

/* ---- partners' files ---- */

static bool is_served(const struct xfed_partner *p)
{
	return p && xfed_partner_is_served(p);
}

static void methods_words(unsigned methods, char out[96])
{
	static const enum xfed_method all[] = { XFED_METHOD_EXTERNAL, XFED_METHOD_DIALBACK_TLS, XFED_METHOD_DIALBACK_PLAIN };
	size_t len = 0;
	out[0] = '\0';
	for (size_t i = 0; i < XFED_ARRAY_LEN(all); i++) {
		if (methods & all[i]) {
			len += (size_t)snprintf(out + len, 96 - len, "%s%s", len > 0 ? ", " : "", xfed_method_name(all[i]));
		}
	}
}

static json_t *methods_list(unsigned methods)
{
	json_t *list = json_array();
	for (unsigned m = XFED_METHOD_EXTERNAL; m <= XFED_METHOD_DIALBACK_PLAIN; m <<= 1) {
		if (methods & m) {
			json_array_append_new(list, json_string(xfed_method_name((enum xfed_method)m)));
		}
	}
	return list;
}

static void tell_methods(const struct xfed_partner *was, const struct xfed_partner *is, json_t *list)
{
	char now[96], before[96] = "", text[512];
	const struct xfed_matrix_row *row = xfed_matrix_row(is->tls, is->sasl, is->dialback);
	methods_words(row->methods, now);
	if (is_served(was)) {
		methods_words(xfed_partner_methods(was), before);
	}
	if (strcmp(now, before) == 0) {
		return;
	}
	snprintf(text, sizeof(text), "%.150s proves itself by %s%s%s%s%.200s", is->domain, now, before[0] ? "; until now by " : "", before,
		row->problem ? "; " : "", row->problem ? row->problem : "");
	json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:i, s:o}", "what", "methods", "domain", is->domain, "text", text, "row", row->number,
					    "methods", methods_list(row->methods)));
}

static void tell_kinds(const struct xfed_partner *was, const struct xfed_partner *is, json_t *list)
{
	static const struct {
		unsigned bit;
		const char *name;
	} kinds[] = { { XFED_KIND_MESSAGE, "messages" }, { XFED_KIND_PRESENCE, "presence" }, { XFED_KIND_IQ, "questions between servers (iq)" } };
	for (size_t i = 0; i < XFED_ARRAY_LEN(kinds); i++) {
		char text[256];
		if (was->kinds & ~is->kinds & kinds[i].bit) {
			snprintf(text, sizeof(text), "no %s any more with %.150s", kinds[i].name, is->domain);
			json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "what", "kinds", "domain", is->domain, "text", text));
		}
	}
}

static void tell_limits(const struct xfed_partner *was, const struct xfed_partner *is, json_t *list)
{
	char text[256];
	if (is->max_connections < was->max_connections || is->stanzas_per_second < was->stanzas_per_second || is->stanza_bytes < was->stanza_bytes) {
		snprintf(text, sizeof(text), "the lower limits of %.150s hold for what comes from then on; they close no stream that is open",
			is->domain);
		json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "what", "limits", "domain", is->domain, "text", text));
	}
}

static size_t tell_partner(const struct xfed_partner *was, const struct xfed_partner *is, json_t *list)
{
	size_t before = json_array_size(list);
	if (is_served(is)) {
		tell_methods(was, is, list);
	}
	if (is_served(is) && is_served(was)) {
		tell_kinds(was, is, list);
		tell_limits(was, is, list);
	}
	return json_array_size(list) > before;
}

void effects_partners(const struct xfed_policy *was, const struct xfed_policy *is, json_t *list)
{
	size_t i = 0, j = 0, told = 0, others = 0, was_count = xfed_policy_partner_count(was), is_count = xfed_policy_partner_count(is);
	json_t *rest = json_array();
	while (i < was_count || j < is_count) {
		const struct xfed_partner *a = i < was_count ? xfed_policy_partner_at(was, i) : NULL;
		const struct xfed_partner *b = j < is_count ? xfed_policy_partner_at(is, j) : NULL;
		int order = !a ? 1 : !b ? -1 : strcmp(a->domain, b->domain);
		size_t more = tell_partner(order <= 0 ? a : NULL, order >= 0 ? b : NULL, told < EFFECTS_PARTNERS ? list : rest);
		told += more;
		others += told > EFFECTS_PARTNERS ? more : 0;
		i += order <= 0;
		j += order >= 0;
		json_array_clear(rest);
	}
	json_decref(rest);
	effects_tell_count(list, "unknown", others, "more partners are changed too");
}

/* ---- what is live ---- */

static unsigned method_of(const char *word)
{
	for (unsigned m = XFED_METHOD_EXTERNAL; word && m <= XFED_METHOD_DIALBACK_PLAIN; m <<= 1) {
		if (strcmp(word, xfed_method_name((enum xfed_method)m)) == 0) {
			return m;
		}
	}
	return 0;
}

void effects_add_streams(struct effects_streams *s, const struct xfed_policy *is, const json_t *streams)
{
	size_t i;
	json_t *stream;
	json_array_foreach(streams, i, stream) {
		const char *local = json_string_value(json_object_get(stream, "local")),
			   *remote = json_string_value(json_object_get(stream, "remote"));
		unsigned method = method_of(json_string_value(json_object_get(stream, "method")));
		if (local && remote && local[0] && remote[0]) {
			s->closed[xfed_policy_judge(is, xfed_span_str(remote), xfed_span_str(local), method)]++;
		}
	}
}

void effects_tell_streams(const struct effects_streams *s, json_t *list)
{
	for (int r = XFED_REASON_NONE + 1; r < XFED_REASON_COUNT; r++) {
		char text[256];
		size_t n = s->closed[r];
		if (n > 0) {
			const char *code = xfed_reason_code((enum xfed_reason)r);
			snprintf(text, sizeof(text), "%zu stream%s will be closed (%s)", n, n == 1 ? "" : "s", code);
			json_array_append_new(
				list, json_pack("{s:s, s:s, s:I, s:s}", "what", "streams", "text", text, "count", (json_int_t)n, "reason", code));
		}
	}
}

struct effects_pair effects_pair(const struct xfed_policy *was, const struct xfed_policy *is, struct xfed_span remote_domain)
{
	const struct xfed_partner *before = xfed_policy_partner(was, remote_domain), *after = xfed_policy_partner(is, remote_domain);
	unsigned lost = before ? before->kinds & ~(after ? after->kinds : 0) : 0;
	return (struct effects_pair){ .is_gone = before && !after, .loses_presence = (lost & XFED_KIND_PRESENCE) != 0 };
}

void effects_tell_count(json_t *list, const char *what, size_t count, const char *text)
{
	char line[320];
	if (count > 0) {
		snprintf(line, sizeof(line), "%zu %s", count, text);
		json_array_append_new(list, json_pack("{s:s, s:s, s:I}", "what", what, "text", line, "count", (json_int_t)count));
	}
}
