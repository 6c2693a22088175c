/* UTF-8 one byte at a time (Unicode table 3-7) and the Char production of XML 1.0. */
#ifndef XFED_XML_CHARS_H
#define XFED_XML_CHARS_H

#include "xfed/base.h"

struct xml_utf8 {
	uint8_t left;	/* continuation bytes to come; 0: between characters */
	uint8_t lo, hi; /* limits of the next one, which exclude overlong forms, surrogates and code points above U+10FFFF */
	uint32_t code;
};

/* For a byte above 0x7f at the beginning of a character. False: no character begins with it. */
static inline bool xml_utf8_begin(struct xml_utf8 *u, unsigned char c)
{
	if (c < 0xc2 || c > 0xf4) {
		return false;
	}
	u->lo = 0x80;
	u->hi = 0xbf;
	if (c < 0xe0) {
		u->left = 1;
		u->code = c & 0x1fu;
	} else if (c < 0xf0) {
		u->left = 2;
		u->code = c & 0x0fu;
		u->lo = c == 0xe0 ? 0xa0 : 0x80;
		u->hi = c == 0xed ? 0x9f : 0xbf;
	} else {
		u->left = 3;
		u->code = c & 0x07u;
		u->lo = c == 0xf0 ? 0x90 : 0x80;
		u->hi = c == 0xf4 ? 0x8f : 0xbf;
	}
	return true;
}

/* For a continuation byte; only if `left` is not 0. */
static inline bool xml_utf8_next(struct xml_utf8 *u, unsigned char c)
{
	if (c < u->lo || c > u->hi) {
		return false;
	}
	u->code = u->code << 6 | (c & 0x3fu);
	u->left--;
	u->lo = 0x80;
	u->hi = 0xbf;
	return true;
}

static inline bool xml_is_char(uint32_t c)
{
	if (c < 0x20) {
		return c == '\t' || c == '\n' || c == '\r';
	}
	return c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff) && c != 0xfffe && c != 0xffff;
}

static inline bool xml_is_space(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Length of the white space at the beginning of `s`. */
static inline size_t xml_space_len(struct xfed_span s)
{
	size_t n = 0;
	while (n < s.len && xml_is_space((unsigned char)s.data[n])) {
		n++;
	}
	return n;
}

static inline struct xfed_span xml_behind(struct xfed_span s, size_t n)
{
	return xfed_span_make(s.data + n, s.len - n);
}

#endif
