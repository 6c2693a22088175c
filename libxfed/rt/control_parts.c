/* Parts of answers common to both daemons. */
#include "xfed/rt/control.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "util/hex.h"
#include "xfed/jid.h"
#include "xfed/mem.h"
#include "xfed/rt/log.h"

static const char *level_word(enum xfed_level l)
{
	switch (l) {
	case XFED_REQUIRED:
		return "required";
	case XFED_OPTIONAL:
		return "optional";
	case XFED_NOT_SUPPORTED:
		return "not-supported";
	}
	return "";
}

static const char *type_word(enum xfed_partner_type t)
{
	switch (t) {
	case XFED_PARTNER_FEDERATED:
		return "federated";
	case XFED_PARTNER_PUBLIC_VERIFIED:
		return "public-verified";
	case XFED_PARTNER_PUBLIC_UNVERIFIED:
		return "public-unverified";
	}
	return "";
}

static json_t *strings(const char *const *items, size_t count)
{
	json_t *a = json_array();
	for (size_t i = 0; i < count; i++) {
		json_array_append_new(a, json_string(items[i]));
	}
	return a;
}

static json_t *kinds(unsigned bits)
{
	json_t *a = json_array();
	if (bits & XFED_KIND_MESSAGE) {
		json_array_append_new(a, json_string("message"));
	}
	if (bits & XFED_KIND_PRESENCE) {
		json_array_append_new(a, json_string("presence"));
	}
	if (bits & XFED_KIND_IQ) {
		json_array_append_new(a, json_string("iq"));
	}
	return a;
}

static json_t *matrix(const struct xfed_partner *p)
{
	static const enum xfed_method all[] = { XFED_METHOD_EXTERNAL, XFED_METHOD_DIALBACK_TLS, XFED_METHOD_DIALBACK_PLAIN };
	const struct xfed_matrix_row *row = xfed_matrix_row(p->tls, p->sasl, p->dialback);
	json_t *methods = json_array();
	for (size_t i = 0; i < XFED_ARRAY_LEN(all); i++) {
		if (row->methods & (unsigned)all[i]) {
			json_array_append_new(methods, json_string(xfed_method_name(all[i])));
		}
	}
	return json_pack("{s:i, s:o, s:s*}", "row", row->number, "methods", methods, "problem", row->problem);
}

static json_t *connect_to(const struct xfed_partner *p)
{
	char text[320];
	struct rt_conf_address a = { .host = p->connect_host, .port = p->connect_port };
	return p->connect_host ? json_string(rt_conf_address_text(&a, text)) : NULL;
}

json_t *rt_control_partner(const struct xfed_partner *p)
{
	return json_pack("{s:s, s:s*, s:b, s:o*, s:o, s:s, s:s, s:s, s:b, s:o*, s:b, s:{s:I, s:I, s:I}, s:o, s:s, s:{s:b, s:o}, s:o}", "domain",
		p->domain, "description", p->description, "enabled", !p->is_disabled, "refused", p->kinds == 0 ? json_true() : NULL,
		"additional_domains", strings(p->additional, p->additional_count), "partner_type", type_word(p->type), "tls", level_word(p->tls),
		"sasl", level_word(p->sasl), "dialback", p->dialback, "connect_to", connect_to(p), "keepalive", p->keepalive, "limits", "connections",
		(json_int_t)p->max_connections, "stanzas_per_second", (json_int_t)p->stanzas_per_second, "stanza_size", (json_int_t)p->stanza_bytes,
		"kinds", kinds(p->kinds), "dane", p->dane == XFED_DANE_ON ? "on" : "off", "trust", "ca", p->trust_ca_pem != NULL, "pins",
		strings(p->pins, p->pin_count), "matrix", matrix(p));
}

static json_t *problems(const struct rt_conf_errors *errors, bool is_warning)
{
	json_t *a = json_array();
	struct xfed_buf b;
	xfed_buf_init(&b, 16384);
	for (size_t i = 0; i < errors->count; i++) {
		if (errors->items[i].is_warning == is_warning && rt_conf_problem_print(&errors->items[i], &b) == XFED_OK) {
			json_array_append_new(a, rt_control_text(xfed_buf_span(&b)));
		}
		xfed_buf_clear(&b);
	}
	size_t found = is_warning ? errors->warning_count : errors->error_count;
	if (found > json_array_size(a)) {
		json_array_append_new(a, json_sprintf("%zu more", found - json_array_size(a)));
	}
	xfed_buf_deinit(&b);
	return a;
}

json_t *rt_control_problems(const struct rt_conf_errors *errors, const struct rt_conf_doc *fresh)
{
	const struct rt_conf_strings *keys = fresh ? &fresh->needs_restart : NULL;
	return json_pack("{s:b, s:o, s:o, s:o*}", "ok", errors->error_count == 0, "errors", problems(errors, false), "warnings",
		problems(errors, true), "needs_restart", keys && keys->count > 0 ? strings(keys->items, keys->count) : NULL);
}

void rt_control_add_problem(json_t *list, enum xfed_reason reason, int64_t since_s, const char *fmt, ...)
{
	char text[4096];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_append_new(list, json_pack("{s:s, s:o, s:I}", "reason", xfed_reason_code(reason), "text", rt_control_text(xfed_span_str(text)),
					    "since", (json_int_t)since_s));
}

const char *rt_control_time(int64_t seconds, char out[24])
{
	time_t t = (time_t)seconds;
	struct tm tm;
	if (!gmtime_r(&t, &tm) || strftime(out, 24, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
		snprintf(out, 24, "an unknown time");
	}
	return out;
}

json_t *rt_control_text(struct xfed_span s)
{
	json_t *j = json_stringn(s.data ? s.data : "", s.len);
	char *mended = j ? NULL : xfed_strndup(s);
	if (mended) {
		xfed_utf8_mend(mended, s.len);
		j = json_stringn(mended, s.len);
		xfed_free(mended);
	}
	return j;
}

void rt_control_set_reason(json_t *j, enum xfed_reason reason)
{
	if (j && reason != XFED_REASON_NONE) {
		const struct xfed_reason_info *i = xfed_reason_info(reason);
		json_object_set_new(j, "reason", json_string(i->code));
		json_object_set_new(j, "side", json_string(xfed_side_name(i->side)));
		json_object_set_new(j, "remedy", json_string(i->remedy));
	}
}

void rt_control_add_step(json_t *steps, const char *step, const char *state, enum xfed_reason reason, const char *text)
{
	json_t *j = json_pack("{s:s, s:s, s:o}", "step", step, "state", state, "text", rt_control_text(xfed_span_str(text)));
	rt_control_set_reason(j, reason);
	json_array_append_new(steps, j);
}

json_t *rt_control_policy(uint64_t epoch, uint64_t counter, const uint8_t hash[32], size_t partners)
{
	char hex[65];
	xfed_hex(hex, hash, 32);
	return json_pack(
		"{s:I, s:I, s:s, s:I}", "epoch", (json_int_t)epoch, "revision", (json_int_t)counter, "hash", hex, "partners", (json_int_t)partners);
}

/* ---- config show ---- */

static int print_config(const struct rt_conf_doc *doc, struct xfed_buf *b)
{
	int rc = rt_conf_print(doc->table, doc->object, b);
	for (size_t i = 0; i < doc->needs_restart.count && rc == XFED_OK; i++) {
		rc = xfed_buf_printf(b, "# %s has another value in the file, which takes effect with a restart\n", doc->needs_restart.items[i]);
	}
	return rc;
}

void rt_control_show_config(struct rt_reply reply, const struct rt_conf_doc *in_force)
{
	struct xfed_buf b;
	xfed_buf_init(&b, RT_CONTROL_REPLY_BYTES / 2);
	int rc = print_config(in_force, &b);
	rt_reply_ok(reply, rc == XFED_OK ? json_pack("{s:o}", "text", rt_control_text(xfed_buf_span(&b))) : NULL);
	xfed_buf_deinit(&b);
}

/* ---- log level ---- */

static enum rt_log_level level_of(const char *word)
{
	enum rt_log_level l = RT_LOG_ERROR;
	while (strcmp(word, rt_log_level_name(l)) != 0) {
		l++;
	}
	return l;
}

void command_log_level(struct rt_reply reply, const json_t *args, void *user)
{
	const char *word = json_string_value(json_object_get(args, "level"));
	const char *domain = json_string_value(json_object_get(args, "domain"));
	enum rt_log_level level = level_of(word);
	if (domain && rt_log_debug_domain(xfed_span_str(domain), level == RT_LOG_DEBUG) != XFED_OK) {
		rt_reply_fail(reply, "failed", "at most %d domains can be debugged at a time", RT_LOG_DOMAINS_MAX);
		return;
	}
	if (!domain) {
		rt_log_set_level(level);
	}
	rt_reply_ok(reply, json_pack("{s:s, s:s*}", "level", rt_log_level_name(domain ? level : rt_log_level_now()), "domain", domain));
}

bool rt_control_has_text(const json_t *list, const char *text)
{
	size_t i;
	json_t *s;
	json_array_foreach(list, i, s) {
		if (json_is_string(s) && strcmp(json_string_value(s), text) == 0) {
			return true;
		}
	}
	return false;
}
