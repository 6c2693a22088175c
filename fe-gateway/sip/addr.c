#include "sip/addr.h"

#include "sip/lex.h"

/* display-name: a quoted string, or tokens with blanks between them. */
static bool is_display(struct xfed_span s)
{
	if (s.len > 0 && s.data[0] == '"') {
		for (size_t i = 1; i < s.len; i++) {
			if (s.data[i] == '\\') {
				i++;
			} else if (s.data[i] == '"') {
				return i == s.len - 1;
			}
		}
		return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];
		/* UTF-8 outside quotes is not in the grammar and common in the field. */
		if (!sip_is_token_char(c) && c != ' ' && c != '\t' && c < 0x80) {
			return false;
		}
	}
	return true;
}

static bool check_params(struct sip_addr *a)
{
	struct xfed_span rest = a->params, name, value;
	bool bad = false;
	while (sip_param_next(&rest, &name, &value, &bad)) {
		if (xfed_span_eq_nocase(name, XFED_SPAN("tag"))) {
			if (a->tag.data || !sip_is_token(value)) {
				return false;
			}
			a->tag = value;
		}
	}
	return !bad;
}

static bool split_bracketed(struct xfed_span value, size_t open, struct sip_addr *out)
{
	const char *close = memchr(value.data + open, '>', value.len - open);
	if (!close) {
		return false;
	}
	struct xfed_span display = sip_trim(xfed_span_make(value.data, open));
	if (display.len > 0) {
		out->display = display;
	}
	size_t end = (size_t)(close - value.data);
	out->uri = xfed_span_make(value.data + open + 1, end - open - 1);
	out->params = sip_trim(xfed_span_make(close + 1, value.len - end - 1));
	return is_display(display);
}

/* Where "<" stands outside quotes, or len; SIZE_MAX for a quoted string without end. */
static size_t find_open(struct xfed_span s)
{
	bool quoted = false;
	for (size_t i = 0; i < s.len; i++) {
		if (quoted && s.data[i] == '\\') {
			i++;
		} else if (s.data[i] == '"') {
			quoted = !quoted;
		} else if (!quoted && s.data[i] == '<') {
			return i;
		}
	}
	return quoted ? SIZE_MAX : s.len;
}

int sip_addr_parse(struct xfed_span value, struct sip_addr *out)
{
	value = sip_trim(value);
	*out = (struct sip_addr){ .value = value };
	size_t open = find_open(value);
	if (open == SIZE_MAX) {
		return XFED_ERR_INVALID;
	}
	/* A "<" behind the first ";" would be inside a parameter, where it may stand in quotes only. */
	if (open < value.len) {
		if (!split_bracketed(value, open, out)) {
			return XFED_ERR_INVALID;
		}
	} else {
		const char *semi = value.len > 0 ? memchr(value.data, ';', value.len) : NULL;
		size_t n = semi ? (size_t)(semi - value.data) : value.len;
		out->uri = sip_trim(xfed_span_make(value.data, n));
		out->params = xfed_span_make(value.data + n, value.len - n);
		/* [C1-05]: such a URI has to be enclosed in <>. */
		if (out->uri.len > 0 && (memchr(out->uri.data, '?', out->uri.len) || memchr(out->uri.data, ',', out->uri.len))) {
			return XFED_ERR_INVALID;
		}
	}
	return out->uri.len > 0 && check_params(out) ? XFED_OK : XFED_ERR_INVALID;
}
