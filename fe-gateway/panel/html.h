/*
 * The one writer of the panel's pages. Its formats are literals (-Wformat-nonliteral), and whatever stands in for a conversion is escaped:
 * so markup comes out of our own source alone.
 *
 *   %s %.*s   text, escaped for elements and quoted attributes; NULL: nothing
 *   %-s %-.*s  a text as one part of an address: everything but unreserved characters is percent-encoded (RFC 3986 section 2.3)
 *   %i        a word of words.def, in the language of the page, escaped
 *   %d %zu %lld %llu   a number
 */
#ifndef GATEWAY_PANEL_HTML_H
#define GATEWAY_PANEL_HTML_H

#include <stdint.h>

#include "panel/words.h"
#include "xfed/buf.h"

struct html {
	struct xfed_buf *out;
	enum panel_language language;
	int rc; /* the first error; nothing is written behind it */
};

void html_put(struct html *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void html_text(struct html *h, struct xfed_span s); /* escaped */
/* A word with "{1}" and "{2}" in it; both are escaped, NULL is nothing. */
void html_say(struct html *h, enum panel_word w, const char *first, const char *second);
/* A sentence that a command says, in the language of the page (said.h), or marked as English. */
void html_said(struct html *h, const char *english);
void html_said_plain(struct html *h, const char *english); /* inside of an attribute */
void html_time(struct html *h, int64_t seconds);	   /* since 1970; 0 and before: "never" */
void html_duration(struct html *h, int64_t seconds);

#endif
