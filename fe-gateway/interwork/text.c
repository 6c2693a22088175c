#include "interwork/text.h"

#include "xfed/jid.h"

#define LANGUAGE_BYTES 35

/* Length of the character at `at` if XML forbids it (the UTF-8 is valid): a C0 control, U+FFFE, U+FFFF; else 0. */
static size_t forbidden_at(struct xfed_span s, size_t at)
{
	uint8_t c = (uint8_t)s.data[at];
	if (c < 0x20) {
		return c == '\t' || c == '\n' || c == '\r' ? 0 : 1;
	}
	bool is_noncharacter = c == 0xEF && s.len - at >= 3 && (uint8_t)s.data[at + 1] == 0xBF && (uint8_t)s.data[at + 2] >= 0xBE;
	return is_noncharacter ? 3 : 0;
}

/* Length of the character at `at` if it is U+2028 to U+202E or U+2066 to U+2069 (E2 80 A8 to AE and E2 81 A6 to A9); else 0. */
static size_t turn_at(struct xfed_span s, size_t at)
{
	if ((uint8_t)s.data[at] != 0xE2 || s.len - at < 3) {
		return 0;
	}
	uint8_t second = (uint8_t)s.data[at + 1], third = (uint8_t)s.data[at + 2];
	return (second == 0x80 && third >= 0xA8 && third <= 0xAE) || (second == 0x81 && third >= 0xA6 && third <= 0xA9) ? 3 : 0;
}

/* Removes the characters that `at` recognises. */
static int without(struct xfed_arena *a, struct xfed_span s, size_t (*at)(struct xfed_span s, size_t at), struct xfed_span *out)
{
	size_t first = 0;
	while (first < s.len && at(s, first) == 0) {
		first++;
	}
	if (first == s.len) {
		*out = s;
		return XFED_OK;
	}
	char *p = xfed_arena_alloc(a, s.len + 1);
	if (!p) {
		return XFED_ERR_NOMEM;
	}
	size_t len = 0;
	for (size_t i = 0; i < s.len;) {
		size_t skip = at(s, i);
		if (skip > 0) {
			i += skip;
		} else {
			p[len++] = s.data[i++];
		}
	}
	*out = xfed_span_make(p, len);
	return XFED_OK;
}

int iw_text_for_xml(struct xfed_arena *a, struct xfed_span s, struct xfed_span *out)
{
	return without(a, s, forbidden_at, out);
}

int iw_text_without_turns(struct xfed_arena *a, struct xfed_span s, struct xfed_span *out)
{
	return without(a, s, turn_at, out);
}

/*
 * Length of the character at `at` if it must not be in a line: a control character (C1 too: NEXT LINE is a line end for some), or forbidden
 * in XML; else 0.
 */
static size_t control_at(struct xfed_span s, size_t at)
{
	uint8_t c = (uint8_t)s.data[at];
	if (c < 0x20 || c == 0x7F) {
		return 1;
	}
	if (c == 0xC2 && s.len - at >= 2 && (uint8_t)s.data[at + 1] < 0xA0) {
		return 2;
	}
	return forbidden_at(s, at);
}

struct xfed_span iw_text_cut(struct xfed_span s, size_t max)
{
	if (s.len <= max) {
		return s;
	}
	while (max > 0 && ((uint8_t)s.data[max] & 0xC0) == 0x80) {
		max--;
	}
	return xfed_span_make(s.data, max);
}

int iw_text_line(struct xfed_arena *a, struct xfed_span s, size_t max, struct xfed_span *out)
{
	*out = xfed_span_make(NULL, 0);
	if (!xfed_utf8_is_valid(s)) {
		return XFED_OK;
	}
	char *p = xfed_arena_alloc(a, s.len + 1);
	if (!p) {
		return XFED_ERR_NOMEM;
	}
	size_t len = 0;
	bool in_gap = false;
	for (size_t i = 0; i < s.len;) {
		size_t skip = control_at(s, i);
		bool is_blank = skip > 0 || s.data[i] == ' ';
		/* No blank at the start, and one blank for a run of control characters. */
		if (!is_blank || (len > 0 && !(skip > 0 && in_gap))) {
			p[len++] = is_blank ? ' ' : s.data[i];
		}
		in_gap = skip > 0;
		i += skip > 0 ? skip : 1;
	}
	while (len > 0 && p[len - 1] == ' ') {
		len--;
	}
	if (len > 0) {
		*out = iw_text_cut(xfed_span_make(p, len), max);
	}
	return XFED_OK;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct xfed_span iw_text_trim(struct xfed_span s)
{
	while (s.len > 0 && is_space(s.data[s.len - 1])) {
		s.len--;
	}
	while (s.len > 0 && is_space(*s.data)) {
		s = xfed_span_make(s.data + 1, s.len - 1);
	}
	return s;
}

bool iw_text_is_language(struct xfed_span s)
{
	size_t subtag = 0;
	bool is_first = true;
	if (s.len == 0 || s.len > LANGUAGE_BYTES) {
		return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		char c = (char)(s.data[i] | 0x20);
		bool is_letter = c >= 'a' && c <= 'z';
		bool is_digit = s.data[i] >= '0' && s.data[i] <= '9';
		if (s.data[i] == '-' && subtag > 0) {
			subtag = 0;
			is_first = false;
		} else if ((is_letter || (is_digit && !is_first)) && ++subtag <= 8) {
			continue;
		} else {
			return false;
		}
	}
	return subtag > 0;
}

struct xfed_span iw_text_next_line(struct xfed_span *rest)
{
	struct xfed_span line = xfed_span_cut(rest, '\n');
	line.len -= line.len > 0 && line.data[line.len - 1] == '\r';
	return line;
}
