#include "xfed/base.h"

#include <stdio.h>
#include <stdlib.h>

bool xfed_span_eq_nocase(struct xfed_span a, struct xfed_span b)
{
	if (a.len != b.len || (a.len > 0 && xfed_lower(a.data[0]) != xfed_lower(b.data[0]))) {
		return false;
	}
	if (a.len == 0 || memcmp(a.data, b.data, a.len) == 0) {
		return true; /* as most are written */
	}
	for (size_t i = 1; i < a.len; i++) {
		if (xfed_lower(a.data[i]) != xfed_lower(b.data[i])) {
			return false;
		}
	}
	return true;
}

struct xfed_span xfed_span_cut(struct xfed_span *rest, char end)
{
	const char *at = rest->len > 0 ? memchr(rest->data, end, rest->len) : NULL;
	struct xfed_span before = xfed_span_make(rest->data, at ? (size_t)(at - rest->data) : rest->len);
	size_t skip = before.len + (at != NULL);
	*rest = xfed_span_make(skip > 0 ? rest->data + skip : rest->data, rest->len - skip);
	return before;
}

struct xfed_span xfed_span_trim(struct xfed_span s)
{
	while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
		s = xfed_span_make(s.data + 1, s.len - 1);
	}
	while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t')) {
		s.len--;
	}
	return s;
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
