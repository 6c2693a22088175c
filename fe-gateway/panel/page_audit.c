/* Who has changed what, and failed logins. */
#include "panel/pages.h"

int asks_audit(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	json_t *args = json_pack("{s:i}", "limit", 100), *after = field_json(r, "after");
	if (after) {
		json_object_set_new(args, "after", after);
	}
	out[0] = (struct panel_ask){ "audit", "list", args };
	*count = 1;
	return args ? XFED_OK : XFED_ERR_NOMEM;
}

static void put_row(struct table *t, const json_t *e)
{
	struct html *h = t->h;
	table_row(t);
	table_cell(t);
	html_time(h, answer_int(e, "at"));
	table_cell(t);
	html_put(h, "%s", answer_str(e, "who"));
	table_cell(t);
	html_put(h, "%s", answer_str(e, "from"));
	table_cell(t);
	if (strcmp(answer_str(e, "kind"), "login") == 0) {
		html_put(h, "%i", W_SIGN_IN);
	} else {
		html_put(h, "<code>%s</code>", answer_str(e, "what"));
	}
	table_cell(t);
	if (strcmp(answer_str(e, "result"), "ok") == 0) {
		layout_mark(h, MARK_OK, W_FINE);
	} else {
		layout_mark(h, MARK_WARNING, W_FAILED_WORD);
		html_put(h, " ");
		layout_reason(h, answer_str(e, "result"));
	}
}

int page_audit(const struct panel_view *v, struct panel_page *page)
{
	static const enum panel_word columns[] = { W_WHEN, W_WHO, W_FROM_WHERE, W_COMMAND, W_RESULT, W_NONE };
	struct html h;
	struct table t;
	size_t i;
	json_t *e;
	const json_t *result = view_result(v, 0), *list = answer_list(result, "audit");
	layout_begin(&h, v, page->out, PLACE_AUDIT, W_AUDIT, NULL);
	html_put(&h, "<p>%i</p>", W_AUDIT_HELP);
	if (layout_error(&h, v, 0)) {
		return layout_end(&h);
	}
	if (json_array_size(list) == 0) {
		html_put(&h, "<p>%i</p>", W_NO_AUDIT);
		return layout_end(&h);
	}
	table_begin(&t, &h, W_AUDIT, columns);
	json_array_foreach(list, i, e) {
		put_row(&t, e);
	}
	table_end(&t);
	if (*answer_str(result, "next")) {
		html_put(&h, "<p><a class=\"button\" href=\"/audit?after=%-s\">%i</a></p>", answer_str(result, "next"), W_OLDER);
	}
	return layout_end(&h);
}
