/* The 18 rows of tls, sasl and dialback, explained where they are chosen. */
#include "panel/pages.h"

#include "xfed/policy.h"

static const char *const levels[] = { [XFED_REQUIRED] = "required", [XFED_OPTIONAL] = "optional", [XFED_NOT_SUPPORTED] = "not-supported" };

static const struct {
	enum xfed_method method;
	enum panel_word word;
} methods[] = {
	{ XFED_METHOD_EXTERNAL, W_METHOD_EXTERNAL },
	{ XFED_METHOD_DIALBACK_TLS, W_METHOD_DIALBACK_TLS },
	{ XFED_METHOD_DIALBACK_PLAIN, W_METHOD_DIALBACK_PLAIN },
};

/* The methods with this state, between commas; also into an attribute. */
static void put_methods(struct html *h, unsigned chosen)
{
	size_t n = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(methods); i++) {
		if (chosen & methods[i].method) {
			html_put(h, n++ > 0 ? ", %i" : "%i", methods[i].word);
		}
	}
	if (n == 0) {
		html_put(h, "%i", W_METHOD_NONE);
	}
}

/* What the script says beside the choice: the sentence of the row. */
static void put_says(struct html *h, const struct xfed_matrix_row *row)
{
	html_put(h, "\" data-says=\"%d: ", row->number);
	if (row->methods == 0) {
		html_put(h, "%i. ", W_ROW_INVALID);
		html_said_plain(h, row->problem);
		return;
	}
	html_put(h, "%i: ", W_REMAIN);
	put_methods(h, row->methods);
	if (row->problem) {
		html_put(h, ". %i: ", W_WARNING);
		html_said_plain(h, row->problem);
	}
}

static void put_row(struct table *t, const struct xfed_matrix_row *row)
{
	struct html *h = t->h;
	unsigned all = XFED_METHOD_EXTERNAL | XFED_METHOD_DIALBACK_TLS | XFED_METHOD_DIALBACK_PLAIN;
	table_row_end(t);
	html_put(h, "<tr data-row=\"%s/%s/%s", levels[row->tls], levels[row->sasl], row->dialback ? "true" : "false");
	put_says(h, row);
	html_put(h, "\">");
	table_cell(t);
	html_put(h, "%d", row->number);
	table_cell(t);
	html_put(h, "%s", levels[row->tls]);
	table_cell(t);
	html_put(h, "%s", levels[row->sasl]);
	table_cell(t);
	html_put(h, "%s", row->dialback ? "true" : "false");
	table_cell(t);
	put_methods(h, row->methods);
	table_cell(t);
	put_methods(h, all & ~row->methods);
	table_cell(t);
	if (row->methods == 0) {
		layout_mark(h, MARK_PROBLEM, W_ROW_INVALID);
	} else if (row->problem) {
		layout_mark(h, MARK_WARNING, W_WARNING);
	} else {
		layout_mark(h, MARK_OK, W_FINE);
	}
	if (row->problem) {
		html_put(h, " ");
		html_said(h, row->problem);
	}
}

void matrix_table(struct html *h)
{
	static const enum panel_word columns[] = { W_NUMBER, W_KEY_TLS, W_KEY_SASL, W_KEY_DIALBACK, W_REMAIN, W_REFUSED, W_VERDICT, W_NONE };
	static const enum xfed_level order[] = { XFED_REQUIRED, XFED_OPTIONAL, XFED_NOT_SUPPORTED };
	struct table t;
	html_put(h,
		"<p class=\"box plain\" role=\"status\" id=\"matrix-says\">%i</p><details class=\"rows\" open><summary>%i</summary><div "
		"id=\"matrix\">",
		W_MATRIX_HELP, W_MATRIX);
	table_begin(&t, h, W_MATRIX, columns);
	for (size_t sasl = 0; sasl < XFED_ARRAY_LEN(order); sasl++) {
		for (size_t tls = 0; tls < XFED_ARRAY_LEN(order); tls++) {
			put_row(&t, xfed_matrix_row(order[tls], order[sasl], true));
			put_row(&t, xfed_matrix_row(order[tls], order[sasl], false));
		}
	}
	table_end(&t);
	html_put(h, "</div></details>\n");
}
