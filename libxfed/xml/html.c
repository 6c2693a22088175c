/*
 * The tags are found here and not by libxml2's HTML parser, of which only the table of entities is used: version 2.9.14 compares each
 * attribute with all before it and each end tag with all open elements (0.2 s for 64 KiB), loops without end when memory fails, and loses the
 * text behind the first element of a fragment.
 */
#include "xfed/html.h"

#include <libxml/HTMLparser.h>
#include <libxml/parserInternals.h>

#define REFERENCE_BYTES 10 /* of the longest name: "thetasym" */

struct writing {
	struct xfed_buf *out;
	size_t before;	       /* length of the buffer before our text */
	int rc;		       /* the first error */
	unsigned verbatim;     /* open <pre> */
	bool has_blank;	       /* white space is due before the next text */
	bool has_end;	       /* a line end is due before it */
	bool is_open;	       /* the rest has a tag without an end: it is text */
	struct xfed_span link; /* the address of the open link, as written; data NULL: none, or none that a person could use */
	size_t link_at;	       /* length of the buffer where its text begins */
};

struct tag {
	struct xfed_span name;
	bool is_end;
	struct xfed_span href, alt; /* as written; data NULL: absent */
};

enum kind { INLINE, BLOCK, BREAK, CELL, VERBATIM, LINK, IMAGE, HIDDEN };

static enum kind kind_of(struct xfed_span name)
{
	static const struct {
		const char *name;
		enum kind kind;
	} rows[] = { { "br", BREAK }, { "p", BLOCK }, { "div", BLOCK }, { "a", LINK }, { "img", IMAGE }, { "li", BLOCK }, { "ul", BLOCK },
		{ "ol", BLOCK }, { "tr", BLOCK }, { "td", CELL }, { "th", CELL }, { "table", BLOCK }, { "blockquote", BLOCK }, { "pre", VERBATIM },
		{ "h1", BLOCK }, { "h2", BLOCK }, { "h3", BLOCK }, { "h4", BLOCK }, { "h5", BLOCK }, { "h6", BLOCK }, { "hr", BLOCK },
		{ "dl", BLOCK }, { "dt", BLOCK }, { "dd", BLOCK }, { "address", BLOCK }, { "script", HIDDEN }, { "style", HIDDEN },
		{ "title", HIDDEN } };
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		if (xfed_span_eq_nocase(name, xfed_span_str(rows[i].name))) {
			return rows[i].kind;
		}
	}
	return INLINE;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool is_letter(char c)
{
	c = xfed_lower(c);
	return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void skip(struct xfed_span *s, size_t n)
{
	*s = xfed_span_make(s->data + n, s->len - n);
}

/* ---- writing ---- */

static bool is_at_start(const struct writing *w)
{
	struct xfed_span s = xfed_buf_span(w->out);
	return s.len == w->before || s.data[s.len - 1] == '\n';
}

static void put(struct writing *w, struct xfed_span s)
{
	w->rc = w->rc == XFED_OK ? xfed_buf_append(w->out, s) : w->rc;
}

/* What is due before text that is not white space. */
static void put_due(struct writing *w)
{
	if (w->has_end && !is_at_start(w)) {
		put(w, XFED_SPAN("\n"));
	} else if (w->has_blank && !is_at_start(w)) {
		put(w, XFED_SPAN(" "));
	}
	w->has_end = w->has_blank = false;
}

/* A character by its number. */
static void put_char(struct writing *w, uint32_t c)
{
	xmlChar out[4];
	bool is_one = c > 0 && c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
	put(w, xfed_span_make(out, (size_t)xmlCopyCharMultiByte(out, is_one ? (int)c : 0xFFFD)));
}

/* "#228;", "#xE4;" behind "&"; returns its length, 0: it is none. */
static size_t number_of(struct xfed_span s, uint32_t *c)
{
	bool is_hex = s.len > 1 && xfed_lower(s.data[1]) == 'x';
	size_t start = is_hex ? 2 : 1, i = start;
	*c = 0;
	for (; i < s.len; i++) {
		char d = xfed_lower(s.data[i]);
		if (!is_digit(d) && !(is_hex && d >= 'a' && d <= 'f')) {
			break;
		}
		uint32_t value = (uint32_t)(is_digit(d) ? d - '0' : d - 'a' + 10);
		*c = *c <= 0x10FFFF ? *c * (is_hex ? 16 : 10) + value : *c;
	}
	return i == start ? 0 : i < s.len && s.data[i] == ';' ? i + 1 : i;
}

/* "auml;" behind "&"; returns its length, 0: it is none. */
static size_t name_of(struct xfed_span s, uint32_t *c)
{
	xmlChar name[REFERENCE_BYTES + 1];
	size_t i = 0;
	while (i < s.len && i < REFERENCE_BYTES && (is_letter(s.data[i]) || is_digit(s.data[i]))) {
		name[i] = (xmlChar)s.data[i];
		i++;
	}
	name[i] = '\0';
	const htmlEntityDesc *entity = i > 0 && i < s.len && s.data[i] == ';' ? htmlEntityLookup(name) : NULL;
	*c = xfed_span_is(xfed_span_make(name, i), "apos") ? '\'' : entity ? entity->value : 0;
	return *c && i < s.len && s.data[i] == ';' ? i + 1 : 0;
}

/* Text with references. */
static void put_text(struct writing *w, struct xfed_span s)
{
	while (s.len > 0) {
		uint32_t c;
		size_t n = 0;
		if (w->verbatim == 0 && is_blank(*s.data)) {
			w->has_blank = true;
			skip(&s, 1);
			continue;
		}
		put_due(w);
		if (*s.data == '&') {
			struct xfed_span rest = xfed_span_make(s.data + 1, s.len - 1);
			n = rest.len > 0 && *rest.data == '#' ? number_of(rest, &c) : name_of(rest, &c);
		}
		if (n > 0) {
			put_char(w, c);
			skip(&s, n + 1);
			continue;
		}
		for (n = 1; n < s.len && s.data[n] != '&' && (w->verbatim > 0 || !is_blank(s.data[n]));) {
			n++;
		}
		put(w, xfed_span_make(s.data, n));
		skip(&s, n);
	}
}

/* ---- elements ---- */

/* Addresses that mean something outside of the page. */
static bool is_worth_telling(struct xfed_span address)
{
	static const char *const schemes[] = { "http:", "https:", "mailto:", "sip:", "xmpp:", "tel:" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(schemes); i++) {
		size_t len = strlen(schemes[i]);
		if (address.len > len && xfed_span_eq_nocase(xfed_span_make(address.data, len), xfed_span_make(schemes[i], len))) {
			return true;
		}
	}
	return false;
}

/* The address follows the text, unless it is the text: it is written, compared, and taken back. */
static void end_link(struct writing *w)
{
	struct xfed_span address = w->link;
	size_t end = xfed_buf_len(w->out);
	w->link = xfed_span_make(NULL, 0);
	if (!address.data) {
		return;
	}
	bool has_blank = w->has_blank, has_end = w->has_end;
	w->has_blank |= end > w->link_at;
	put_due(w);
	put(w, XFED_SPAN("<"));
	size_t from = xfed_buf_len(w->out);
	put_text(w, address);
	struct xfed_span all = xfed_buf_span(w->out);
	struct xfed_span text = xfed_span_make(all.data + w->link_at, end - w->link_at);
	bool is_same = w->rc == XFED_OK && xfed_span_eq(text, xfed_span_make(all.data + from, all.len - from));
	put(w, XFED_SPAN(">"));
	w->has_blank = has_blank;
	if (is_same) {
		w->out->end = w->out->start + end;
		w->has_end = has_end;
	}
}

static void begin_link(struct writing *w, struct xfed_span address)
{
	end_link(w);
	address = xfed_span_trim(address);
	if (is_worth_telling(address)) {
		put_due(w);
		w->link = address;
		w->link_at = xfed_buf_len(w->out);
	}
}

/* Returns whether its content is not shown. */
static bool begin(struct writing *w, const struct tag *t)
{
	enum kind kind = kind_of(t->name);
	switch (kind) {
	case BREAK:
		/* Blanks at the end of a line are left out. */
		put(w, XFED_SPAN("\n"));
		w->has_blank = w->has_end = false;
		break;
	case VERBATIM:
		w->verbatim++;
		w->has_end = true;
		break;
	case BLOCK:
		w->has_end = true;
		break;
	case CELL:
		w->has_blank = true;
		break;
	case LINK:
		begin_link(w, t->href);
		break;
	case IMAGE:
		put_text(w, t->alt);
		break;
	case INLINE:
	case HIDDEN:
		break;
	}
	return kind == HIDDEN;
}

static void end(struct writing *w, const struct tag *t)
{
	enum kind kind = kind_of(t->name);
	if (kind == LINK) {
		end_link(w);
	}
	w->verbatim -= kind == VERBATIM && w->verbatim > 0;
	w->has_end |= kind == BLOCK || kind == VERBATIM;
}

/* ---- tags ---- */

static struct xfed_span word(struct xfed_span *s)
{
	size_t n = 0;
	while (n < s->len && !is_blank(s->data[n]) && !memchr("=>/", s->data[n], 3)) {
		n++;
	}
	struct xfed_span w = xfed_span_make(s->data, n);
	skip(s, n);
	return w;
}

static void skip_blanks(struct xfed_span *s)
{
	while (s->len > 0 && is_blank(*s->data)) {
		skip(s, 1);
	}
}

/* Behind "=": in quotes, or up to a blank or ">". False: its end is missing. */
static bool value(struct xfed_span *s, struct xfed_span *out)
{
	skip_blanks(s);
	if (s->len == 0) {
		return false;
	}
	char quote = *s->data;
	if (quote == '"' || quote == '\'') {
		skip(s, 1);
		const char *close = s->len > 0 ? memchr(s->data, quote, s->len) : NULL;
		*out = close ? xfed_span_cut(s, quote) : *out;
		return close != NULL;
	}
	size_t n = 0;
	while (n < s->len && !is_blank(s->data[n]) && s->data[n] != '>') {
		n++;
	}
	*out = xfed_span_make(s->data, n);
	skip(s, n);
	return true;
}

/* The attributes, and the ">" behind them. False: it is missing. */
static bool attributes(struct xfed_span *s, struct tag *t)
{
	while (s->len > 0 && *s->data != '>') {
		struct xfed_span name = word(s), v = xfed_span_make("", 0);
		skip_blanks(s);
		if (s->len > 0 && *s->data == '=') {
			skip(s, 1);
			if (!value(s, &v)) {
				return false;
			}
		} else if (name.len == 0 && s->len > 0 && *s->data == '/') {
			skip(s, 1);
		}
		if (xfed_span_eq_nocase(name, XFED_SPAN("href"))) {
			t->href = v;
		} else if (xfed_span_eq_nocase(name, XFED_SPAN("alt"))) {
			t->alt = v;
		}
	}
	if (s->len == 0) {
		return false;
	}
	skip(s, 1);
	return true;
}

/* Moves behind the end of a comment, declaration or instruction; false: it has none. */
static bool skip_markup(struct xfed_span *s)
{
	bool is_comment = s->len >= 4 && memcmp(s->data, "<!--", 4) == 0;
	const char *close = is_comment ? memmem(s->data + 4, s->len - 4, "-->", 3) : memchr(s->data, '>', s->len);
	if (close) {
		skip(s, (size_t)(close - s->data) + (is_comment ? 3 : 1));
	}
	return close != NULL;
}

/* Moves in front of the end tag of an element whose content is not shown, or to the end. */
static void skip_content(struct xfed_span *s, struct xfed_span name)
{
	while (s->len > 0) {
		bool is_end = s->len >= name.len + 2 && s->data[0] == '<' && s->data[1] == '/' &&
			      xfed_span_eq_nocase(xfed_span_make(s->data + 2, name.len), name);
		if (is_end) {
			return;
		}
		skip(s, 1);
	}
}

/* At "<". Moves behind the tag; false: it is text. */
static bool read_tag(struct writing *w, struct xfed_span *s)
{
	struct xfed_span rest = *s;
	struct tag t = { .is_end = s->len > 1 && s->data[1] == '/' };
	if (w->is_open || s->len < 2) {
		return false;
	}
	if (s->data[1] == '!' || s->data[1] == '?') {
		w->is_open = !skip_markup(s);
		return !w->is_open;
	}
	skip(&rest, t.is_end ? 2 : 1);
	if (rest.len == 0 || !is_letter(*rest.data)) {
		return false;
	}
	t.name = word(&rest);
	if (!attributes(&rest, &t)) {
		w->is_open = true;
		return false;
	}
	*s = rest;
	if (t.is_end) {
		end(w, &t);
	} else if (begin(w, &t)) {
		skip_content(s, t.name);
	}
	return true;
}

int xfed_html_text(struct xfed_buf *out, struct xfed_span html)
{
	struct writing w = { .out = out, .before = xfed_buf_len(out) };
	while (html.len > 0 && w.rc == XFED_OK) {
		if (*html.data == '<' && read_tag(&w, &html)) {
			continue;
		}
		const char *next = html.len > 1 ? memchr(html.data + 1, '<', html.len - 1) : NULL;
		size_t n = next ? (size_t)(next - html.data) : html.len;
		put_text(&w, xfed_span_make(html.data, n));
		skip(&html, n);
	}
	end_link(&w);
	if (w.rc != XFED_OK) {
		out->end = out->start + w.before;
	}
	while (xfed_buf_len(out) > w.before && is_blank(out->mem[out->end - 1])) {
		out->end--; /* the last <br> of many clients */
	}
	return w.rc;
}
