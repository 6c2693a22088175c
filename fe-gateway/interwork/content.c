#include "interwork/content.h"

#include "interwork/text.h"

/* Cuts at the first `sep` outside a quoted string: returns what is before it, trimmed, and leaves what follows in `*rest`. */
static struct xfed_span next_piece(struct xfed_span *rest, char sep)
{
	bool is_quoted = false;
	size_t i = 0;
	for (; i < rest->len && (is_quoted || rest->data[i] != sep); i++) {
		if (is_quoted && rest->data[i] == '\\' && i + 1 < rest->len) {
			i++;
		} else if (rest->data[i] == '"') {
			is_quoted = !is_quoted;
		}
	}
	struct xfed_span piece = xfed_span_make(rest->data, i);
	size_t used = i < rest->len ? i + 1 : i;
	*rest = xfed_span_make(rest->data + used, rest->len - used);
	return xfed_span_trim(piece);
}

bool iw_content_type_parse(struct xfed_span value, struct iw_content_type *out)
{
	if (!value.data) {
		return false;
	}
	struct xfed_span params = value;
	struct xfed_span subtype = next_piece(&params, ';');
	out->type = next_piece(&subtype, '/');
	out->subtype = xfed_span_trim(subtype);
	out->params = params;
	return out->type.len > 0 && out->subtype.len > 0;
}

struct xfed_span iw_content_param(struct xfed_span params, const char *name)
{
	while (params.len > 0) {
		struct xfed_span value = next_piece(&params, ';');
		struct xfed_span key = next_piece(&value, '=');
		value = xfed_span_trim(value);
		if (!xfed_span_eq_nocase(key, xfed_span_str(name))) {
			continue;
		}
		if (value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"') {
			value = xfed_span_make(value.data + 1, value.len - 2);
		}
		return value;
	}
	return xfed_span_make(NULL, 0);
}

bool iw_content_is_identity(struct xfed_span content_encoding)
{
	while (content_encoding.len > 0) {
		struct xfed_span coding = next_piece(&content_encoding, ',');
		if (coding.len > 0 && !xfed_span_eq_nocase(coding, XFED_SPAN("identity"))) {
			return false;
		}
	}
	return true;
}

struct xfed_span iw_content_language(struct xfed_span value)
{
	while (value.len > 0) {
		struct xfed_span tag = next_piece(&value, ',');
		if (iw_text_is_language(tag)) {
			return tag;
		}
	}
	return xfed_span_make(NULL, 0);
}
