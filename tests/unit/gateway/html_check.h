/*
 * Is a page of the panel what a browser reads as it was meant? Every tag is one that the panel writes, with attributes that it writes, in quotes;
 * what is opened is closed in order; no style, no handler, no script but the one of its own.
 */
#ifndef TESTS_UNIT_GATEWAY_HTML_CHECK_H
#define TESTS_UNIT_GATEWAY_HTML_CHECK_H

#include <stdio.h>

#include "xfed/base.h"

#define HTML_DEPTH 64

struct html_check {
	struct xfed_span open[HTML_DEPTH];
	size_t depth;
	char error[256];
};

static const char *const html_tags[] = { "html", "head", "meta", "title", "link", "script", "body", "a", "header", "b", "div", "span", "form",
	"button", "nav", "ul", "li", "main", "h1", "h2", "h3", "p", "footer", "strong", "table", "caption", "thead", "tbody", "tr", "th", "td", "dl",
	"dt", "dd", "code", "input", "label", "select", "option", "textarea", "fieldset", "legend", "details", "summary", "pre", "ins", "del",
	"section", "svg", "polyline", "line", "time", "br", NULL };
static const char *const html_void[] = { "meta", "link", "input", "br", NULL };
static const char *const html_attributes[] = { "lang", "charset", "name", "content", "rel", "type", "href", "src", "class", "method", "action",
	"value", "aria-label", "aria-labelledby", "aria-current", "aria-describedby", "aria-hidden", "id", "tabindex", "hidden", "data-theme", "role",
	"scope", "data-label", "for", "autocomplete", "spellcheck", "autocapitalize", "checked", "selected", "required", "inputmode", "rows", "open",
	"data-row", "data-says", "data-live", "data-line", "data-on", "data-off", "viewBox", "preserveAspectRatio", "points", "x1", "x2", "y1", "y2",
	"datetime", NULL };

static inline bool html_is_one_of(struct xfed_span s, const char *const *list)
{
	while (*list && !xfed_span_is(s, *list)) {
		list++;
	}
	return *list != NULL;
}

static inline bool html_fail(struct html_check *c, const char *what, struct xfed_span at)
{
	snprintf(c->error, sizeof(c->error), "%s: %.*s", what, (int)(at.len < 80 ? at.len : 80), at.data);
	return false;
}

static inline size_t html_name(struct xfed_span s)
{
	size_t n = 0;
	while (n < s.len && (s.data[n] == '-' || (s.data[n] >= '0' && s.data[n] <= '9') || (s.data[n] >= 'a' && s.data[n] <= 'z') ||
				    (s.data[n] >= 'A' && s.data[n] <= 'Z'))) {
		n++;
	}
	return n;
}

/* Behind a tag's name, up to and with its '>'. Addresses are of this site. */
static inline bool html_tag_rest(struct html_check *c, struct xfed_span *s)
{
	while (s->len > 0 && s->data[0] != '>') {
		if (s->data[0] == ' ' || s->data[0] == '/') {
			*s = xfed_span_make(s->data + 1, s->len - 1);
			continue;
		}
		struct xfed_span name = xfed_span_make(s->data, html_name(*s));
		if (!html_is_one_of(name, html_attributes)) {
			return html_fail(c, "an attribute", *s);
		}
		*s = xfed_span_make(s->data + name.len, s->len - name.len);
		if (s->len < 2 || s->data[0] != '=') {
			continue;
		}
		const char *end = s->data[1] == '"' ? memchr(s->data + 2, '"', s->len - 2) : NULL;
		struct xfed_span value = end ? xfed_span_make(s->data + 2, (size_t)(end - s->data) - 2) : (struct xfed_span){ 0 };
		bool is_address = xfed_span_is(name, "href") || xfed_span_is(name, "src") || xfed_span_is(name, "action");
		if (!end || memchr(value.data, '<', value.len) || memchr(value.data, '>', value.len)) {
			return html_fail(c, "a value", *s);
		}
		if (is_address && (value.len == 0 || (value.data[0] != '/' && value.data[0] != '#') ||
					  (value.len > 1 && value.data[0] == '/' && value.data[1] == '/'))) {
			return html_fail(c, "an address", *s);
		}
		*s = xfed_span_make(end + 1, s->len - value.len - 3);
	}
	if (s->len == 0) {
		return html_fail(c, "a tag has no end", *s);
	}
	*s = xfed_span_make(s->data + 1, s->len - 1);
	return true;
}

static inline bool html_is_fine(struct html_check *c, struct xfed_span s)
{
	*c = (struct html_check){ 0 };
	if (s.len < 15 || memcmp(s.data, "<!doctype html>", 15) != 0) {
		return html_fail(c, "no doctype", s);
	}
	s = xfed_span_make(s.data + 15, s.len - 15);
	while (s.len > 0) {
		const char *next = memchr(s.data, '<', s.len);
		struct xfed_span text = xfed_span_make(s.data, next ? (size_t)(next - s.data) : s.len);
		if (memchr(text.data, '>', text.len)) {
			return html_fail(c, "text", text);
		}
		if (!next) {
			break;
		}
		bool is_end = s.len > text.len + 1 && next[1] == '/';
		s = xfed_span_make(next + 1 + is_end, s.len - text.len - 1 - is_end);
		struct xfed_span name = xfed_span_make(s.data, html_name(s));
		if (!html_is_one_of(name, html_tags)) {
			return html_fail(c, "a tag", s);
		}
		s = xfed_span_make(s.data + name.len, s.len - name.len);
		if (is_end && (c->depth == 0 || !xfed_span_eq(c->open[--c->depth], name))) {
			return html_fail(c, "closed out of order", name);
		}
		const char *end = memchr(s.data, '>', s.len);
		bool is_closed = end && end > s.data && end[-1] == '/';
		if (!is_end && !is_closed && !html_is_one_of(name, html_void)) {
			if (c->depth == HTML_DEPTH) {
				return html_fail(c, "too deep", name);
			}
			c->open[c->depth++] = name;
		}
		if (!html_tag_rest(c, &s)) {
			return false;
		}
	}
	return c->depth == 0 || html_fail(c, "not closed", c->open[c->depth - 1]);
}

#endif
