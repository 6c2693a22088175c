#include "xfed/base.h"

#include <stdio.h>
#include <stdlib.h>

bool xfed_span_eq_nocase(struct xfed_span a, struct xfed_span b)
{
	if (a.len != b.len) {
		return false;
	}
	for (size_t i = 0; i < a.len; i++) {
		if (xfed_lower(a.data[i]) != xfed_lower(b.data[i])) {
			return false;
		}
	}
	return true;
}

bool xfed_span_eq_secret(struct xfed_span a, struct xfed_span b)
{
	if (a.len != b.len) {
		return false;
	}
	volatile unsigned char diff = 0;
	for (size_t i = 0; i < a.len; i++) {
		diff = (unsigned char)(diff | (a.data[i] ^ b.data[i]));
	}
	return diff == 0;
}

void xfed_wipe(void *p, size_t len)
{
	if (p && len > 0) {
		explicit_bzero(p, len);
	}
}

void xfed_require_failed(const char *cond, const char *file, int line)
{
	fprintf(stderr, "xfed: broken promise: %s at %s:%d\n", cond, file, line);
	abort();
}
