#include "xfed/rt/command.h"

#include <stdarg.h>
#include <stdio.h>

void rt_reply_ok(struct rt_reply r, json_t *result)
{
	if (!r.done) {
		json_decref(result);
	} else if (result) {
		r.done(r.user, result, NULL, NULL);
	} else {
		r.done(r.user, NULL, "failed", "out of memory");
	}
}

void rt_reply_fail(struct rt_reply r, const char *code, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (r.done) {
		r.done(r.user, NULL, code, text);
	}
}
