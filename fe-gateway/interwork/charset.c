#include "interwork/charset.h"

#include "xfed/jid.h"

#define UNASSIGNED 0xFFFFu
#define MARK	   0xFEFFu

enum iw_charset iw_charset_of(struct xfed_span name)
{
	static const struct {
		const char *name;
		enum iw_charset charset;
	} names[] = {
		{ "utf-8", IW_CHARSET_UTF8 },
		{ "utf8", IW_CHARSET_UTF8 },
		{ "us-ascii", IW_CHARSET_ASCII },
		{ "ascii", IW_CHARSET_ASCII },
		{ "ansi_x3.4-1968", IW_CHARSET_ASCII },
		{ "iso646-us", IW_CHARSET_ASCII },
		{ "iso-8859-1", IW_CHARSET_LATIN1 },
		{ "iso_8859-1", IW_CHARSET_LATIN1 },
		{ "iso8859-1", IW_CHARSET_LATIN1 },
		{ "latin1", IW_CHARSET_LATIN1 },
		{ "l1", IW_CHARSET_LATIN1 },
		{ "cp819", IW_CHARSET_LATIN1 },
		{ "iso-8859-15", IW_CHARSET_LATIN9 },
		{ "iso_8859-15", IW_CHARSET_LATIN9 },
		{ "iso8859-15", IW_CHARSET_LATIN9 },
		{ "latin-9", IW_CHARSET_LATIN9 },
		{ "latin9", IW_CHARSET_LATIN9 },
		{ "windows-1252", IW_CHARSET_CP1252 },
		{ "cp1252", IW_CHARSET_CP1252 },
		{ "utf-16", IW_CHARSET_UTF16 },
		{ "utf16", IW_CHARSET_UTF16 },
		{ "utf-16le", IW_CHARSET_UTF16LE },
		{ "utf-16be", IW_CHARSET_UTF16BE },
	};
	if (!name.data) {
		return IW_CHARSET_UTF8;
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(names); i++) {
		if (xfed_span_eq_nocase(name, xfed_span_str(names[i].name))) {
			return names[i].charset;
		}
	}
	return IW_CHARSET_OTHER;
}

static uint32_t latin1(uint8_t c)
{
	return c;
}

/* The eight places where ISO-8859-15 is another than ISO-8859-1. */
static uint32_t latin9(uint8_t c)
{
	switch (c) {
	case 0xA4:
		return 0x20AC; /* euro sign */
	case 0xA6:
		return 0x0160;
	case 0xA8:
		return 0x0161;
	case 0xB4:
		return 0x017D;
	case 0xB8:
		return 0x017E;
	case 0xBC:
		return 0x0152;
	case 0xBD:
		return 0x0153;
	case 0xBE:
		return 0x0178;
	default:
		return c;
	}
}

static uint32_t cp1252(uint8_t c)
{
	static const uint16_t from_80[32] = {
		0x20AC, UNASSIGNED, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,	/* 80 */
		0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, UNASSIGNED, 0x017D, UNASSIGNED, /* 88 */
		UNASSIGNED, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,	/* 90 */
		0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, UNASSIGNED, 0x017E, 0x0178,	/* 98 */
	};
	return c >= 0x80 && c < 0xA0 ? from_80[c - 0x80] : c;
}

/* Writes a Unicode scalar value in UTF-8. */
static char *put(char *p, uint32_t c)
{
	if (c < 0x80) {
		*p++ = (char)c;
		return p;
	}
	if (c < 0x800) {
		*p++ = (char)(0xC0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*p++ = (char)(0xE0 | c >> 12);
		} else {
			*p++ = (char)(0xF0 | c >> 18);
			*p++ = (char)(0x80 | (c >> 12 & 0x3F));
		}
		*p++ = (char)(0x80 | (c >> 6 & 0x3F));
	}
	*p++ = (char)(0x80 | (c & 0x3F));
	return p;
}

/* No character of these sets needs more than three bytes. */
static int from_bytes(struct xfed_arena *a, uint32_t (*point_of)(uint8_t c), struct xfed_span in, struct xfed_span *out)
{
	char *start = in.len < SIZE_MAX / 3 ? xfed_arena_alloc(a, 3 * in.len + 1) : NULL;
	if (!start) {
		return XFED_ERR_NOMEM;
	}
	char *p = start;
	for (size_t i = 0; i < in.len; i++) {
		uint32_t c = point_of((uint8_t)in.data[i]);
		if (c == UNASSIGNED) {
			return XFED_ERR_INVALID;
		}
		p = put(p, c);
	}
	*out = xfed_span_make(start, (size_t)(p - start));
	return XFED_OK;
}

static uint32_t unit_at(struct xfed_span in, size_t at, bool is_little)
{
	uint32_t first = (uint8_t)in.data[at], second = (uint8_t)in.data[at + 1];
	return is_little ? second << 8 | first : first << 8 | second;
}

/* RFC 2781 section 2.2. Two bytes become at most three, four become four. */
static int from_utf16(struct xfed_arena *a, struct xfed_span in, bool is_little, struct xfed_span *out)
{
	if (in.len % 2 != 0) {
		return XFED_ERR_INVALID;
	}
	char *start = in.len < SIZE_MAX / 2 ? xfed_arena_alloc(a, in.len / 2 * 3 + 1) : NULL;
	if (!start) {
		return XFED_ERR_NOMEM;
	}
	char *p = start;
	for (size_t i = 0; i < in.len; i += 2) {
		uint32_t c = unit_at(in, i, is_little);
		if (c >= 0xD800 && c < 0xE000) {
			uint32_t low = c < 0xDC00 && i + 4 <= in.len ? unit_at(in, i + 2, is_little) : 0;
			if (low < 0xDC00 || low >= 0xE000) {
				return XFED_ERR_INVALID;
			}
			c = 0x10000 + ((c & 0x3FF) << 10 | (low & 0x3FF));
			i += 2;
		}
		p = put(p, c);
	}
	*out = xfed_span_make(start, (size_t)(p - start));
	return XFED_OK;
}

static int from_marked_utf16(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out)
{
	bool is_little = in.len >= 2 && unit_at(in, 0, true) == MARK;
	bool is_marked = is_little || (in.len >= 2 && unit_at(in, 0, false) == MARK);
	return from_utf16(a, is_marked ? xfed_span_make(in.data + 2, in.len - 2) : in, is_little, out);
}

static bool is_ascii(struct xfed_span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] & 0x80) {
			return false;
		}
	}
	return true;
}

int iw_charset_decode(struct xfed_arena *a, enum iw_charset charset, struct xfed_span in, struct xfed_span *out)
{
	*out = in;
	switch (charset) {
	case IW_CHARSET_UTF8:
		return xfed_utf8_is_valid(in) ? XFED_OK : XFED_ERR_INVALID;
	case IW_CHARSET_ASCII:
		return is_ascii(in) ? XFED_OK : XFED_ERR_INVALID;
	case IW_CHARSET_LATIN1:
		return from_bytes(a, latin1, in, out);
	case IW_CHARSET_LATIN9:
		return from_bytes(a, latin9, in, out);
	case IW_CHARSET_CP1252:
		return from_bytes(a, cp1252, in, out);
	case IW_CHARSET_UTF16:
		return from_marked_utf16(a, in, out);
	case IW_CHARSET_UTF16LE:
		return from_utf16(a, in, true, out);
	case IW_CHARSET_UTF16BE:
		return from_utf16(a, in, false, out);
	case IW_CHARSET_OTHER:
		break;
	}
	return XFED_ERR_INVALID;
}
