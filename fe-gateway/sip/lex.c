#include "sip/lex.h"

#include "sip/chars.h"

bool sip_is_token_char(unsigned char c)
{
	return sip_set_has(SIP_TOKEN, c);
}

static bool is_all_of(struct sip_set set, struct xfed_span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!sip_set_has(set, (unsigned char)s.data[i])) {
			return false;
		}
	}
	return s.len > 0;
}

bool sip_is_token(struct xfed_span s)
{
	return is_all_of(SIP_TOKEN, s);
}

bool sip_is_printable(struct xfed_span s)
{
	size_t i = 0;
	for (uint64_t v; s.len - i >= sizeof(v); i += sizeof(v)) {
		memcpy(&v, s.data + i, sizeof(v));
		if (sip_bytes_have_control(v)) {
			break; /* which may be a TAB */
		}
	}
	for (; i < s.len; i++) {
		unsigned char c = (unsigned char)s.data[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f) {
			return false;
		}
	}
	return true;
}

bool sip_is_call_id(struct xfed_span s)
{
	const char *at = s.len > 0 ? memchr(s.data, '@', s.len) : NULL;
	if (!at) {
		return is_all_of(SIP_WORD, s);
	}
	size_t left = (size_t)(at - s.data);
	return is_all_of(SIP_WORD, xfed_span_make(s.data, left)) && is_all_of(SIP_WORD, xfed_span_make(at + 1, s.len - left - 1));
}

/* Length of the sequence that `lead` begins; 0: it begins none (RFC 3629). */
static size_t utf8_length(unsigned char lead)
{
	if (lead < 0x80) {
		return 1;
	}
	if (lead >= 0xc2 && lead <= 0xdf) {
		return 2;
	}
	if (lead >= 0xe0 && lead <= 0xef) {
		return 3;
	}
	return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

/* Checks the second byte, which excludes overlong forms, surrogates and code points above U+10FFFF. */
static bool utf8_second(unsigned char lead, unsigned char second)
{
	switch (lead) {
	case 0xe0:
		return second >= 0xa0;
	case 0xed:
		return second <= 0x9f;
	case 0xf0:
		return second >= 0x90;
	case 0xf4:
		return second <= 0x8f;
	default:
		return true;
	}
}

bool sip_is_utf8(struct xfed_span s)
{
	const unsigned char *p = (const unsigned char *)s.data;
	for (size_t i = 0; i < s.len;) {
		uint64_t v = SIP_BYTES(0x80);
		memcpy(&v, p + i, s.len - i >= sizeof(v) ? sizeof(v) : 0);
		if ((v & SIP_BYTES(0x80)) == 0) { /* ASCII */
			i += sizeof(v);
			continue;
		}
		size_t n = utf8_length(p[i]);
		if (n == 0 || n > s.len - i || (n > 1 && !utf8_second(p[i], p[i + 1]))) {
			return false;
		}
		for (size_t k = 1; k < n; k++) {
			if ((p[i + k] & 0xc0) != 0x80) {
				return false;
			}
		}
		i += n;
	}
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct xfed_span sip_trim(struct xfed_span s)
{
	while (s.len > 0 && is_blank(s.data[0])) {
		s.data++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.data[s.len - 1])) {
		s.len--;
	}
	return s;
}

bool sip_number(struct xfed_span s, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned)((unsigned char)s.data[i] - '0');
		if (digit > 9 || n > (max - digit) / 10) {
			return false;
		}
		n = n * 10 + digit;
	}
	*out = n;
	return s.len > 0 && n <= max;
}

/* Index behind the quoted string that begins at `i`, or SIZE_MAX. */
static size_t skip_quoted(struct xfed_span s, size_t i)
{
	for (i++; i < s.len; i++) {
		if (s.data[i] == '\\') {
			i++;
		} else if (s.data[i] == '"') {
			return i + 1;
		}
	}
	return SIZE_MAX;
}

/* Most have neither quotes nor brackets in front of it. */
static bool is_plain(struct xfed_span s)
{
	return s.len == 0 || (!memchr(s.data, '"', s.len) && !memchr(s.data, '<', s.len));
}

size_t sip_find_outside(struct xfed_span s, char c)
{
	const char *first = s.len > 0 ? memchr(s.data, c, s.len) : NULL;
	size_t i = first ? (size_t)(first - s.data) : s.len;
	if (is_plain(xfed_span_make(s.data, i))) {
		return i;
	}
	i = 0;
	while (i < s.len) {
		if (s.data[i] == c) {
			return i;
		}
		if (s.data[i] == '"') {
			i = skip_quoted(s, i);
			if (i == SIZE_MAX) {
				return SIZE_MAX;
			}
		} else if (s.data[i] == '<') {
			const char *end = memchr(s.data + i, '>', s.len - i);
			if (!end) {
				return SIZE_MAX;
			}
			i = (size_t)(end - s.data) + 1;
		} else {
			i++;
		}
	}
	return s.len;
}

bool sip_list_next(struct xfed_span *rest, struct xfed_span *element, bool *bad)
{
	while (rest->len > 0) {
		size_t end = sip_find_outside(*rest, ',');
		if (end == SIZE_MAX) {
			*bad = true;
			rest->len = 0;
			return false;
		}
		*element = sip_trim(xfed_span_make(rest->data, end));
		size_t taken = end < rest->len ? end + 1 : end;
		rest->data += taken;
		rest->len -= taken;
		if (element->len > 0) {
			return true;
		}
	}
	return false;
}

/* gen-value: a token, a host (which may hold "[", "]" and ":") or a quoted string. */
static bool is_param_value(struct xfed_span v)
{
	if (v.len > 0 && v.data[0] == '"') {
		return skip_quoted(v, 0) == v.len;
	}
	const struct sip_set special = { SIP_BIT(' ') | SIP_BIT(';') | SIP_BIT(',') | SIP_BIT('"') | SIP_BIT('<') | SIP_BIT('>') | SIP_BIT('=') |
						 SIP_BIT('?') | ~SIP_PRINTABLE_LOW,
		SIP_BIT('@') | SIP_BIT('\\') | SIP_BIT(0x7f) };
	for (size_t i = 0; i < v.len; i++) {
		if (sip_set_has(special, (unsigned char)v.data[i])) {
			return false;
		}
	}
	return v.len > 0;
}

bool sip_param_next(struct xfed_span *rest, struct xfed_span *name, struct xfed_span *value, bool *bad)
{
	*rest = sip_trim(*rest);
	if (rest->len == 0) {
		return false;
	}
	struct xfed_span tail = xfed_span_make(rest->data + 1, rest->len - 1);
	size_t end = rest->data[0] == ';' ? sip_find_outside(tail, ';') : SIZE_MAX;
	if (end == SIZE_MAX) {
		*bad = true;
		return false;
	}
	struct xfed_span param = xfed_span_make(tail.data, end);
	rest->data = tail.data + end;
	rest->len = tail.len - end;
	size_t eq = sip_find_outside(param, '=');
	*name = sip_trim(xfed_span_make(param.data, eq));
	*value = (struct xfed_span){ NULL, 0 };
	if (eq < param.len) {
		*value = sip_trim(xfed_span_make(param.data + eq + 1, param.len - eq - 1));
	}
	if (!sip_is_token(*name) || (value->data && !is_param_value(*value))) {
		*bad = true;
		return false;
	}
	return true;
}
