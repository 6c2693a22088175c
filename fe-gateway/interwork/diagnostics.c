#include "interwork/diagnostics.h"

#include "interwork/errors.h"
#include "interwork/text.h"
#include "sip/lex.h"
#include "xfed/jid.h"

/* A parameter's value without quotes and backslashes; data NULL: no memory. */
static struct xfed_span unquoted(struct xfed_arena *a, struct xfed_span value)
{
	bool is_quoted = value.len >= 2 && value.data[0] == '"';
	char *p = xfed_arena_alloc(a, value.len);
	size_t len = 0, end = is_quoted ? value.len - 1 : value.len;
	for (size_t i = is_quoted; p && i < end; i++) {
		i += is_quoted && value.data[i] == '\\' && i + 1 < end;
		p[len++] = value.data[i];
	}
	return xfed_span_make(p, len);
}

static int read_param(struct xfed_arena *a, struct xfed_span name, struct xfed_span value, struct iw_diagnostics *out)
{
	bool is_reason = xfed_span_eq_nocase(name, XFED_SPAN("reason")), is_source = xfed_span_eq_nocase(name, XFED_SPAN("source"));
	if ((!is_reason && !is_source) || !value.data) {
		return XFED_OK;
	}
	struct xfed_span text = unquoted(a, value);
	if (!text.data) {
		return XFED_ERR_NOMEM;
	}
	if (is_reason) {
		return iw_phrase_from_text(a, text, NULL, &out->reason);
	}
	struct xfed_span plain = xfed_span_make(NULL, 0);
	int rc = xfed_utf8_is_valid(text) ? iw_text_without_turns(a, text, &plain) : XFED_OK;
	return rc == XFED_OK ? iw_text_line(a, plain, IW_DIAGNOSTICS_SOURCE_BYTES, &out->source) : rc;
}

int iw_diagnostics_read(struct xfed_arena *a, struct xfed_span value, struct iw_diagnostics *out)
{
	uint64_t id, sub;
	*out = (struct iw_diagnostics){ 0 };
	if (value.len > IW_DIAGNOSTICS_BYTES) {
		return XFED_ERR_INVALID;
	}
	const char *semicolon = value.len > 0 ? memchr(value.data, ';', value.len) : NULL;
	size_t len = semicolon ? (size_t)(semicolon - value.data) : value.len;
	struct xfed_span params = xfed_span_make(value.data + len, value.len - len), rest = sip_trim(xfed_span_make(value.data, len));
	struct xfed_span number = xfed_span_cut(&rest, '.');
	if (!sip_number(number, UINT32_MAX, &id) || rest.len > 10 || (rest.len > 0 && !sip_number(rest, UINT32_MAX, &sub))) {
		return XFED_ERR_INVALID;
	}
	out->id = (uint32_t)id;
	out->sub = rest.len > 0 ? rest : out->sub;
	bool is_bad = false;
	int rc = XFED_OK;
	for (struct xfed_span name, v; rc == XFED_OK && sip_param_next(&params, &name, &v, &is_bad);) {
		rc = read_param(a, name, v, out);
	}
	return rc == XFED_OK && is_bad ? XFED_ERR_INVALID : rc;
}

int iw_diagnostics_text(struct xfed_arena *a, const char *name, struct xfed_span value, struct xfed_span *out)
{
	struct iw_diagnostics d;
	*out = xfed_span_make(NULL, 0);
	int rc = iw_diagnostics_read(a, value, &d);
	if (rc == XFED_OK) {
		*out = xfed_arena_printf(a, "%s %u%s%.*s%s%.*s%s%.*s", name, d.id, d.sub.data ? "." : "", (int)d.sub.len,
			d.sub.data ? d.sub.data : "", d.source.data ? " of " : "", (int)d.source.len, d.source.data ? d.source.data : "",
			d.reason.data ? ": " : "", (int)d.reason.len, d.reason.data ? d.reason.data : "");
		rc = out->data ? XFED_OK : XFED_ERR_NOMEM;
	}
	return rc;
}

int iw_diagnostics_words(struct xfed_arena *a, const struct sip_message *m, struct xfed_span *out)
{
	static const char *const names[] = { "ms-diagnostics", "ms-diagnostics-public", "ms-client-diagnostics" };
	int rc = XFED_ERR_INVALID;
	*out = xfed_span_make(NULL, 0);
	for (size_t i = 0; i < XFED_ARRAY_LEN(names) && rc == XFED_ERR_INVALID; i++) {
		const struct sip_header *h = sip_message_header_named(m, names[i], NULL);
		rc = h ? iw_diagnostics_text(a, names[i], h->value, out) : XFED_ERR_INVALID;
	}
	return rc == XFED_ERR_NOMEM ? rc : XFED_OK;
}
