#include "xfed/text.h"

char *xfed_text_put(char **at, struct xfed_span s)
{
	char *p = *at;
	if (s.len > 0) {
		memcpy(p, s.data, s.len);
	}
	p[s.len] = '\0';
	*at += s.len + 1;
	return p;
}

struct xfed_span xfed_span_put(char **at, struct xfed_span s)
{
	const char *p = xfed_text_put(at, s);
	return xfed_span_make(s.data ? p : NULL, s.len);
}

size_t xfed_text_number(char out[XFED_NUMBER_BYTES], uint64_t n)
{
	char digits[XFED_NUMBER_BYTES];
	size_t at = sizeof(digits);
	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	size_t len = sizeof(digits) - at;
	memcpy(out, digits + at, len);
	out[len] = '\0';
	return len;
}

void xfed_text_cut(char *out, size_t size, struct xfed_span s)
{
	size_t len = s.len < size ? s.len : size - 1;
	if (len > 0) {
		memcpy(out, s.data, len);
	}
	out[len] = '\0';
}
