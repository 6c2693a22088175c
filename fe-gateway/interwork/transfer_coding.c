#include "interwork/transfer_coding.h"

enum iw_transfer_coding iw_transfer_coding_of(struct xfed_span value)
{
	static const struct {
		const char *name;
		enum iw_transfer_coding coding;
	} names[] = {
		{ "7bit", IW_TRANSFER_IDENTITY },
		{ "8bit", IW_TRANSFER_IDENTITY },
		{ "binary", IW_TRANSFER_IDENTITY },
		{ "base64", IW_TRANSFER_BASE64 },
		{ "quoted-printable", IW_TRANSFER_QUOTED_PRINTABLE },
	};
	if (!value.data) {
		return IW_TRANSFER_IDENTITY;
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(names); i++) {
		if (xfed_span_eq_nocase(value, xfed_span_str(names[i].name))) {
			return names[i].coding;
		}
	}
	return IW_TRANSFER_OTHER;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* ---- base64, RFC 2045 section 6.8 ---- */

/* -1: not in the alphabet. */
static int sextet(char c)
{
	if (c >= 'A' && c <= 'Z') {
		return c - 'A';
	}
	if (c >= 'a' && c <= 'z') {
		return c - 'a' + 26;
	}
	if (c >= '0' && c <= '9') {
		return c - '0' + 52;
	}
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static int from_base64(struct xfed_span in, char *start, struct xfed_span *out)
{
	char *p = start;
	uint32_t bits = 0;
	size_t count = 0, padding = 0;
	for (size_t i = 0; i < in.len; i++) {
		char c = in.data[i];
		int six = sextet(c);
		if (is_blank(c) || c == '\r' || c == '\n') {
			continue;
		}
		padding += c == '=';
		if ((six < 0 && c != '=') || (six >= 0 && padding > 0)) {
			return XFED_ERR_INVALID; /* text after the padding is an error */
		}
		if (six >= 0) {
			bits = bits << 6 | (uint32_t)six;
			count++;
		}
		if (six >= 0 && count % 4 != 1) {
			*p++ = (char)(bits >> (6 - 2 * ((count + 3) % 4)));
		}
	}
	*out = xfed_span_make(start, (size_t)(p - start));
	/* A single sextet at the end is no byte; two need two "=", three need one. */
	bool is_whole = count % 4 != 1 && (padding == 0 || padding == (4 - count % 4) % 4);
	return is_whole ? XFED_OK : XFED_ERR_INVALID;
}

/* ---- quoted-printable, RFC 2045 section 6.7 ---- */

static int hex(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t count_blanks(struct xfed_span in, size_t at)
{
	size_t i = at;
	while (i < in.len && is_blank(in.data[i])) {
		i++;
	}
	return i - at;
}

/* Whether a line or the text ends at `at`; `*len`: the bytes of the line end. */
static bool ends_line(struct xfed_span in, size_t at, size_t *len)
{
	size_t i = at < in.len && in.data[at] == '\r' ? at + 1 : at;
	*len = i < in.len ? i + 1 - at : i - at;
	return i == in.len || in.data[i] == '\n';
}

static int from_quoted_printable(struct xfed_span in, char *start, struct xfed_span *out)
{
	char *p = start;
	for (size_t i = 0; i < in.len;) {
		char c = in.data[i];
		bool is_escape = c == '=';
		size_t end, blanks = is_escape || is_blank(c) ? count_blanks(in, i + is_escape) : 0;
		if (is_escape && ends_line(in, i + 1 + blanks, &end)) {
			i += 1 + blanks + end; /* a soft line break */
		} else if (is_escape) {
			int high = in.len - i >= 3 ? hex(in.data[i + 1]) : -1, low = high >= 0 ? hex(in.data[i + 2]) : -1;
			if (low < 0) {
				return XFED_ERR_INVALID;
			}
			*p++ = (char)(high << 4 | low);
			i += 3;
		} else if (blanks > 0) {
			if (!ends_line(in, i + blanks, &end)) { /* blanks at the end of a line were added in transit */
				memcpy(p, in.data + i, blanks);
				p += blanks;
			}
			i += blanks;
		} else {
			*p++ = c;
			i++;
		}
	}
	*out = xfed_span_make(start, (size_t)(p - start));
	return XFED_OK;
}

int iw_transfer_decode(struct xfed_arena *a, enum iw_transfer_coding coding, struct xfed_span in, struct xfed_span *out)
{
	*out = in;
	if (coding == IW_TRANSFER_IDENTITY) {
		return XFED_OK;
	}
	if (coding == IW_TRANSFER_OTHER) {
		return XFED_ERR_INVALID;
	}
	char *start = xfed_arena_alloc(a, in.len + 1);
	if (!start) {
		return XFED_ERR_NOMEM;
	}
	return coding == IW_TRANSFER_BASE64 ? from_base64(in, start, out) : from_quoted_printable(in, start, out);
}
