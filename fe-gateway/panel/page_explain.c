/* Every gate between two addresses, and what a reason code means. */
#include "panel/pages.h"

#include "xfed/reason.h"

int asks_explain(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	json_t *from = field_json(r, "from"), *to = field_json(r, "to"), *kind = field_json(r, "kind");
	if (!from || !to) {
		json_decref(from);
		json_decref(to);
		json_decref(kind);
		return XFED_OK;
	}
	json_t *args = json_pack("{s:o, s:o}", "from", from, "to", to);
	if (kind) {
		json_object_set_new(args, "kind", kind);
	}
	out[0] = (struct panel_ask){ "explain", "", args };
	*count = 1;
	return args ? XFED_OK : XFED_ERR_NOMEM;
}

static enum panel_word kind_word(const char *kind)
{
	return strcmp(kind, "presence") == 0 ? W_PRESENCE : strcmp(kind, "subscription") == 0 ? W_SUBSCRIPTION : W_MESSAGE;
}

static void put_form(struct html *h, const struct panel_request *r)
{
	static const char *const kinds[] = { "message", "presence", "subscription" };
	html_put(h, "<form class=\"inline\">");
	form_input(h, "from", W_FROM, field_get(r, "from"), W_NONE);
	form_input(h, "to", W_TO, field_get(r, "to"), W_NONE);
	html_put(h, "<div class=\"field\"><label for=\"f-kind\">%i</label><select id=\"f-kind\" name=\"kind\">", W_KIND);
	for (size_t i = 0; i < XFED_ARRAY_LEN(kinds); i++) {
		html_put(h, field_is(r, "kind", kinds[i]) ? "<option value=\"%s\" selected>%i</option>" : "<option value=\"%s\">%i</option>",
			kinds[i], kind_word(kinds[i]));
	}
	html_put(h, "</select></div>");
	form_button(h, W_EXPLAIN);
}

static void put_judged(struct html *h, const json_t *j)
{
	bool is_fine = answer_is(j, "ok");
	html_put(h, "<div class=\"box %s\" role=\"status\"><p>%i: %i", is_fine ? "ok" : "problem", kind_word(answer_str(j, "kind")),
		is_fine ? W_PASSES : W_DOES_NOT_PASS);
	if (*answer_str(j, "closed")) {
		html_put(h, " (");
		html_said(h, answer_str(j, "closed"));
		html_put(h, ")");
	}
	html_put(h, "</p></div>\n");
}

static void put_code(struct html *h, struct xfed_span code)
{
	enum xfed_reason r = xfed_reason_by_code(code);
	if (r == XFED_REASON_NONE) {
		html_put(h, "<p>%i</p>", W_UNKNOWN_REASON);
		return;
	}
	html_put(h, "<div class=\"card\"><h2><code>%s</code></h2><p>%i: ", xfed_reason_code(r), W_AT_FAULT);
	layout_side(h, xfed_side_name(xfed_reason_info(r)->side));
	html_put(h, "</p>");
	layout_remedy(h, xfed_reason_code(r));
	html_put(h, "</div>");
}

int page_explain(const struct panel_view *v, struct panel_page *page)
{
	struct html h;
	size_t i;
	json_t *other;
	const json_t *result = view_result(v, 0);
	struct xfed_span code = field_get(v->request, "code");
	layout_begin(&h, v, page->out, PLACE_EXPLAIN, W_EXPLAIN, NULL);
	if (code.len > 0) {
		put_code(&h, code);
	}
	html_put(&h, "<p>%i</p>", W_EXPLAIN_HELP);
	put_form(&h, v->request);
	if (!layout_error(&h, v, 0) && result) {
		put_judged(&h, result);
		step_table(&h, answer_list(result, "gates"), W_GATES);
		json_array_foreach(answer_list(result, "others"), i, other) {
			put_judged(&h, other);
		}
	}
	return layout_end(&h);
}
