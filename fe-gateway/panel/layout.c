#include "panel/layout.h"

#include <stdio.h>

#include "panel/assets.h"
#include "xfed/reason.h"

/* ---- answers ---- */

const char *answer_str(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));
	return s ? s : "";
}

int64_t answer_int(const json_t *object, const char *key)
{
	const json_t *n = json_object_get(object, key);
	double real = json_real_value(n);
	return json_is_real(n) ? (real > -1e15 && real < 1e15 ? (int64_t)real : 0) : (int64_t)json_integer_value(n);
}

bool answer_is(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

const json_t *answer_list(const json_t *object, const char *key)
{
	const json_t *list = json_object_get(object, key);
	return json_is_array(list) ? list : NULL;
}

const json_t *view_result(const struct panel_view *v, size_t n)
{
	return n < v->result_count && answer_is(v->results[n], "ok") ? json_object_get(v->results[n], "result") : NULL;
}

const char *view_error(const struct panel_view *v, size_t n)
{
	return n < v->result_count && !answer_is(v->results[n], "ok") ? answer_str(json_object_get(v->results[n], "error"), "text") : NULL;
}

bool view_may_change(const struct panel_view *v)
{
	return v->viewer->role == PANEL_ADMIN;
}

/* ---- requests ---- */

struct xfed_span field_get(const struct panel_request *r, const char *name)
{
	for (size_t i = 0; i < r->field_count; i++) {
		if (xfed_span_is(r->fields[i].name, name)) {
			return r->fields[i].value;
		}
	}
	return (struct xfed_span){ 0 };
}

bool field_is(const struct panel_request *r, const char *name, const char *value)
{
	return xfed_span_is(field_get(r, name), value);
}

json_t *field_json(const struct panel_request *r, const char *name)
{
	struct xfed_span s = xfed_span_trim(field_get(r, name));
	return s.len > 0 ? json_stringn(s.data, s.len) : NULL;
}

struct xfed_span path_part(const struct panel_request *r, size_t n)
{
	return n < r->part_count ? r->parts[n] : (struct xfed_span){ 0 };
}

static int64_t number(struct xfed_span s)
{
	int64_t n = 0;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9' || n > INT64_MAX / 10 - 1) {
			return 0;
		}
		n = n * 10 + (s.data[i] - '0');
	}
	return n;
}

int64_t field_number(const struct panel_request *r, const char *name)
{
	return number(field_get(r, name));
}

int64_t path_number(const struct panel_request *r, size_t n)
{
	return number(path_part(r, n));
}

/* ---- the frame ---- */

static const struct {
	enum layout_place place;
	enum panel_word word;
	const char *path;
} places[] = {
	{ PLACE_OVERVIEW, W_OVERVIEW, "/" },
	{ PLACE_PARTNERS, W_PARTNERS, "/partners" },
	{ PLACE_ACCESS, W_ACCESS, "/access" },
	{ PLACE_CONTACTS, W_CONTACTS, "/contacts" },
	{ PLACE_FAILURES, W_FAILURES, "/failures" },
	{ PLACE_CERTIFICATES, W_CERTIFICATES, "/certificates" },
	{ PLACE_EXPLAIN, W_EXPLAIN, "/explain" },
	{ PLACE_AUDIT, W_AUDIT, "/audit" },
};

static void head(struct html *h, enum panel_word title, const char *subject)
{
	html_put(h,
		"<!doctype html>\n<html lang=\"%s\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, "
		"initial-scale=1\">"
		"<meta name=\"color-scheme\" content=\"light dark\"><title>%i%s%s · xfed</title><link rel=\"icon\" type=\"image/svg+xml\" "
		"href=\"%s\">"
		"<link rel=\"stylesheet\" href=\"%s\"><script src=\"%s\"></script></head>\n",
		h->language == PANEL_DE ? "de" : "en", title, subject ? " " : "", subject, panel_asset_path(PANEL_ASSET_ICON),
		panel_asset_path(PANEL_ASSET_CSS), panel_asset_path(PANEL_ASSET_JS));
}

static void navigation(struct html *h, enum layout_place place)
{
	html_put(h, "<nav aria-label=\"%i\"><ul>", W_PAGES);
	for (size_t i = 0; i < XFED_ARRAY_LEN(places); i++) {
		html_put(h, "<li><a href=\"%s\"", places[i].path);
		if (places[i].place == place) {
			html_put(h, " aria-current=\"page\"");
		}
		html_put(h, ">%i</a></li>", places[i].word);
	}
	html_put(h, "</ul></nav>");
}

static void who(struct html *h, const struct panel_view *v)
{
	html_put(h, "<div class=\"who\"><a href=\"/sessions\">%s</a> <span>(%i)</span><form method=\"post\" action=\"/logout\">", v->viewer->name,
		v->viewer->role == PANEL_ADMIN ? W_ADMIN : W_READER);
	form_token(h, v);
	html_put(h, "<button>%i</button></form></div>", W_SIGN_OUT);
}

void layout_begin(
	struct html *h, const struct panel_view *v, struct xfed_buf *out, enum layout_place place, enum panel_word title, const char *subject)
{
	bool is_known = v->viewer->role != PANEL_NOBODY;
	*h = (struct html){ .out = out, .language = v->request->language };
	head(h, title, subject);
	html_put(h, "<body><a class=\"skip\" href=\"#main\">%i</a><header class=\"top\"><a class=\"brand\" href=\"/\"><b>xfed</b> %s</a>", W_SKIP,
		v->gateway);
	if (is_known) {
		who(h, v);
	}
	html_put(h, "</header>\n");
	if (is_known) {
		navigation(h, place);
	}
	html_put(h, "<main id=\"main\" tabindex=\"-1\"><h1>%i", title);
	if (subject) {
		html_put(h, " <span class=\"subject\">%s</span>", subject);
	}
	html_put(h, "</h1>\n");
}

int layout_end(struct html *h)
{
	html_put(h,
		"</main>\n<footer><p id=\"theme\" hidden>%i <button type=\"button\" data-theme=\"\">%i</button> <button type=\"button\" "
		"data-theme=\"light\">"
		"%i</button> <button type=\"button\" data-theme=\"dark\">%i</button></p><p>xfed " XFED_VERSION "</p></footer></body></html>\n",
		W_COLOURS, W_AS_BROWSER, W_LIGHT, W_DARK);
	return h->rc;
}

int page_go(struct panel_page *page, const char *before, struct xfed_span name, const char *behind)
{
	struct xfed_buf text;
	xfed_buf_init(&text, sizeof(page->location) - 1);
	struct html h = { .out = &text, .language = PANEL_EN };
	html_put(&h, "%-.*s", (int)name.len, name.data);
	int len = snprintf(page->location, sizeof(page->location), "%s%.*s%s", before, (int)xfed_buf_len(&text), xfed_buf_span(&text).data, behind);
	xfed_buf_deinit(&text);
	return h.rc != XFED_OK ? h.rc : len < (int)sizeof(page->location) ? XFED_OK : XFED_ERR_LIMIT;
}

int page_did(const struct panel_view *v, struct panel_page *page, enum layout_place place, enum panel_word title, const char *path)
{
	struct html h;
	if (view_result(v, 0)) {
		return page_go(page, path, (struct xfed_span){ 0 }, "");
	}
	layout_begin(&h, v, page->out, place, title, NULL);
	layout_error(&h, v, 0);
	return layout_end(&h);
}

bool layout_error(struct html *h, const struct panel_view *v, size_t n)
{
	const char *text = view_error(v, n);
	if (text) {
		html_put(h, "<div class=\"box problem\" role=\"alert\"><p><strong>%i</strong> <span lang=\"en\">%s</span></p></div>\n", W_FAILED,
			text);
	}
	return text != NULL;
}

void layout_done(struct html *h, const struct panel_view *v)
{
	static const struct {
		const char *name;
		enum panel_word word;
	} done[] = { { "added", W_DONE_ADDED }, { "changed", W_DONE_CHANGED }, { "removed", W_DONE_REMOVED }, { "retried", W_DONE_RETRIED },
		{ "approved", W_DONE_APPROVED }, { "closed", W_DONE_CLOSED }, { "ended", W_DONE_ENDED } };
	for (size_t i = 0; i < XFED_ARRAY_LEN(done); i++) {
		if (field_is(v->request, "done", done[i].name)) {
			html_put(h, "<div class=\"box ok\" role=\"status\"><p>%i</p></div>\n", done[i].word);
		}
	}
}

/* ---- pieces ---- */

void layout_mark(struct html *h, enum layout_mark m, enum panel_word w)
{
	static const char *const classes[] = { "ok", "warning", "problem", "plain" };
	html_put(h, "<span class=\"mark %s\">%i</span>", classes[m], w);
}

void table_begin(struct table *t, struct html *h, enum panel_word caption, const enum panel_word *columns)
{
	*t = (struct table){ h, columns, 0 };
	html_put(h, "<table><caption>%i</caption><thead><tr>", caption);
	for (size_t i = 0; columns[i] != W_NONE; i++) {
		html_put(h, "<th scope=\"col\">%i</th>", columns[i]);
	}
	html_put(h, "</tr></thead><tbody>");
}

static void cell_end(struct table *t)
{
	if (t->at > 0) {
		html_put(t->h, t->at == 1 ? "</th>" : "</td>");
	}
}

void table_row_end(struct table *t)
{
	cell_end(t);
	if (t->at > 0) {
		html_put(t->h, "</tr>\n");
	}
	t->at = 0;
}

void table_row(struct table *t)
{
	table_row_end(t);
	html_put(t->h, "<tr>");
}

void table_cell(struct table *t)
{
	cell_end(t);
	XFED_REQUIRE(t->columns[t->at] != W_NONE);
	if (t->at == 0) {
		html_put(t->h, "<th scope=\"row\">");
	} else {
		html_put(t->h, "<td data-label=\"%i\">", t->columns[t->at]);
	}
	t->at++;
}

void table_end(struct table *t)
{
	table_row_end(t);
	html_put(t->h, "</tbody></table>\n");
}

void facts_begin(struct html *h)
{
	html_put(h, "<dl class=\"facts\">");
}

void fact_begin(struct html *h, enum panel_word name)
{
	html_put(h, "<div><dt>%i</dt><dd>", name);
}

void fact_end(struct html *h)
{
	html_put(h, "</dd></div>");
}

void fact(struct html *h, enum panel_word name, const char *value)
{
	if (value && *value) {
		fact_begin(h, name);
		html_put(h, "%s", value);
		fact_end(h);
	}
}

void fact_time(struct html *h, enum panel_word name, int64_t seconds)
{
	fact_begin(h, name);
	html_time(h, seconds);
	fact_end(h);
}

void facts_end(struct html *h)
{
	html_put(h, "</dl>\n");
}

void layout_remedy(struct html *h, const char *code)
{
	enum xfed_reason r = xfed_reason_by_code(xfed_span_str(code));
	if (r != XFED_REASON_NONE) {
		html_put(h, "<p class=\"remedy\">%s</p>", xfed_reason_remedy_in(r, h->language == PANEL_DE ? XFED_GERMAN : XFED_ENGLISH));
	}
}

void layout_reason(struct html *h, const char *code)
{
	if (xfed_reason_by_code(xfed_span_str(code)) != XFED_REASON_NONE) {
		html_put(h, "<a class=\"code\" href=\"/explain?code=%-s\">%s</a>", code, code);
	} else if (*code) {
		html_put(h, "<code>%s</code>", code);
	}
}

void layout_side(struct html *h, const char *side)
{
	static const struct {
		const char *name;
		enum panel_word word;
	} sides[] = {
#define X(id, text) { text, W_SIDE_##id },
		XFED_SIDES(X)
#undef X
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(sides); i++) {
		if (strcmp(side, sides[i].name) == 0) {
			html_put(h, "%i", sides[i].word);
			return;
		}
	}
	html_put(h, "%s", side);
}

/* ---- forms ---- */

void form_hidden(struct html *h, const char *name, struct xfed_span value)
{
	html_put(h, "<input type=\"hidden\" name=\"%s\" value=\"%.*s\">", name, (int)value.len, value.data);
}

void form_token(struct html *h, const struct panel_view *v)
{
	form_hidden(h, "csrf", xfed_span_str(v->viewer->csrf));
}

void form_input(struct html *h, const char *name, enum panel_word label, struct xfed_span value, enum panel_word hint)
{
	html_put(h,
		"<div class=\"field\"><label for=\"f-%s\">%i</label><input id=\"f-%s\" name=\"%s\" value=\"%.*s\" autocomplete=\"off\" "
		"spellcheck=\"false\"",
		name, label, name, name, (int)value.len, value.data);
	if (hint != W_NONE) {
		html_put(h, " aria-describedby=\"h-%s\"", name);
	}
	html_put(h, ">");
	if (hint != W_NONE) {
		html_put(h, "<p class=\"hint\" id=\"h-%s\">%i</p>", name, hint);
	}
	html_put(h, "</div>");
}

void form_button(struct html *h, enum panel_word button)
{
	html_put(h, "<button>%i</button></form>\n", button);
}
