#include "dns/name.h"

static bool is_name_byte(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool dns_name_is_valid(struct xfed_span name)
{
	size_t label = 0;
	if (name.len == 0 || name.len > DNS_NAME_TEXT_MAX) {
		return false;
	}
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.data[i];
		if (c == '.') {
			if (label == 0) {
				return false;
			}
			label = 0;
		} else if (!is_name_byte(c) || ++label > DNS_LABEL_MAX) {
			return false;
		}
	}
	return label > 0;
}

int dns_name_text(struct xfed_arena *a, const ldns_rdf *dname, struct xfed_span *out)
{
	const uint8_t *wire = ldns_rdf_data(dname);
	size_t size = ldns_rdf_size(dname);
	char text[DNS_NAME_TEXT_MAX + 2];
	size_t len = 0, at = 0;
	while (at < size && wire[at] != 0) {
		size_t label = wire[at++];
		if (label > DNS_LABEL_MAX || label > size - at || len + label + 1 > sizeof(text)) {
			return XFED_ERR_INVALID;
		}
		for (size_t i = 0; i < label; i++) {
			if (!is_name_byte(wire[at + i])) {
				return XFED_ERR_INVALID;
			}
			text[len++] = xfed_lower((char)wire[at + i]);
		}
		text[len++] = '.';
		at += label;
	}
	if (len > 1) {
		len--; /* without the final dot */
	} else {
		text[0] = '.';
		len = 1;
	}
	*out = xfed_arena_copy(a, xfed_span_make(text, len));
	return out->data ? XFED_OK : XFED_ERR_NOMEM;
}

bool dns_name_eq(const ldns_rdf *a, const ldns_rdf *b)
{
	size_t size = ldns_rdf_size(a);
	const uint8_t *x = ldns_rdf_data(a), *y = ldns_rdf_data(b);
	if (size != ldns_rdf_size(b)) {
		return false;
	}
	/* Length bytes are at most 63, below 'A', so the whole wire form can be lower-cased. */
	for (size_t i = 0; i < size; i++) {
		if (xfed_lower((char)x[i]) != xfed_lower((char)y[i])) {
			return false;
		}
	}
	return true;
}
