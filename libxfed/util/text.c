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
