/* Numbers as hexadecimal digits, for identifiers made by the thousand. */
#ifndef XFED_UTIL_HEX_H
#define XFED_UTIL_HEX_H

#include <stdint.h>

/* 16 lower-case digits, not terminated. */
static inline void xfed_hex64(char out[16], uint64_t n)
{
	for (int i = 15; i >= 0; i--, n >>= 4) {
		out[i] = "0123456789abcdef"[n & 15];
	}
}

#endif
