/* Numbers and octets as hexadecimal digits. */
#ifndef XFED_UTIL_HEX_H
#define XFED_UTIL_HEX_H

#include "xfed/base.h"

/* 16 lower-case digits, not terminated. */
static inline void xfed_hex64(char out[16], uint64_t n)
{
	for (int i = 15; i >= 0; i--, n >>= 4) {
		out[i] = "0123456789abcdef"[n & 15];
	}
}

/* 2 * len lower-case digits and the terminator. */
static inline void xfed_hex(char *out, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	for (size_t i = 0; i < len; i++) {
		out[2 * i] = "0123456789abcdef"[p[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[p[i] & 15];
	}
	out[2 * len] = '\0';
}

/* Exactly so many lower-case digits. */
static inline bool xfed_is_hex(struct xfed_span s, size_t digits)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!(s.data[i] >= '0' && s.data[i] <= '9') && !(s.data[i] >= 'a' && s.data[i] <= 'f')) {
			return false;
		}
	}
	return s.len == digits;
}

#endif
