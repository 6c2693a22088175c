#include "xml/scan_impl.h"

/* ---- references ---- */

static bool is_predefined(struct xfed_span name)
{
	return xfed_span_is(name, "amp") || xfed_span_is(name, "lt") || xfed_span_is(name, "gt") || xfed_span_is(name, "quot") ||
	       xfed_span_is(name, "apos");
}

/* Of a name: one of the five predefined entities; all others are refused (RFC 6120 11.1). */
cursor xml_scan_ref(struct xml_scan *s, cursor p)
{
	unsigned char c = *p;
	if (c == '#' && s->ref_len == 0) {
		s->state = XML_SCAN_REF_DEC;
		s->ref_value = 0;
		return p + 1;
	}
	if (c == ';' && s->ref_len > 0) {
		if (!is_predefined(xfed_span_make(s->ref_name, s->ref_len))) {
			return xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_RESTRICTED);
		}
		s->state = s->behind_ref;
		return p + 1;
	}
	bool is_name = xml_may_start_name(c) || (s->ref_len > 0 && ((c >= '0' && c <= '9') || c == '-' || c == '.'));
	if (!is_name) {
		return xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_MALFORMED);
	}
	if (s->ref_len == sizeof(s->ref_name)) {
		return xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_RESTRICTED);
	}
	s->ref_name[s->ref_len++] = (char)c;
	return p + 1;
}

/* Value of a digit in `base`, or -1. */
static int digit(unsigned char c, unsigned base)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	unsigned char lower = c | 0x20;
	return base == 16 && lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

cursor xml_scan_ref_number(struct xml_scan *s, cursor p)
{
	unsigned base = s->state == XML_SCAN_REF_HEX ? 16 : 10;
	if (*p == 'x' && base == 10 && s->ref_len == 0) {
		s->state = XML_SCAN_REF_HEX;
		return p + 1;
	}
	if (*p == ';' && s->ref_len > 0 && xml_is_char(s->ref_value)) {
		s->state = s->behind_ref;
		return p + 1;
	}
	int d = digit(*p, base);
	if (d < 0) {
		return xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_MALFORMED);
	}
	s->ref_len = 1;
	s->ref_value = s->ref_value * base + (uint32_t)d;
	if (s->ref_value > 0x10ffff) {
		return xml_scan_refuse(s, p, XFED_REASON_STREAM_XML_MALFORMED);
	}
	return p + 1;
}

/* ---- the XML declaration ---- */

/* Cuts `s` at the first `c`: what is before it goes to `*out`, what is after it stays. */
static bool take_until(struct xfed_span *s, char c, struct xfed_span *out)
{
	const char *at = s->len > 0 ? memchr(s->data, c, s->len) : NULL;
	if (!at) {
		return false;
	}
	*out = xfed_span_make(s->data, (size_t)(at - s->data));
	*s = xfed_span_make(at + 1, s->len - out->len - 1);
	return true;
}

bool xml_scan_declares_utf8(struct xfed_span declaration)
{
	struct xfed_span rest = xml_behind(declaration, 5), name, value;
	while (take_until(&rest, '=', &name)) {
		rest = xml_behind(rest, xml_space_len(rest));
		if (rest.len == 0 || (*rest.data != '"' && *rest.data != '\'')) {
			return true;
		}
		char quote = *rest.data;
		rest = xml_behind(rest, 1);
		if (!take_until(&rest, quote, &value)) {
			return true;
		}
		name = xml_behind(name, xml_space_len(name));
		if (name.len >= 8 && memcmp(name.data, "encoding", 8) == 0) {
			return xfed_span_eq_nocase(value, XFED_SPAN("utf-8"));
		}
	}
	return true;
}
