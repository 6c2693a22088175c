/* Pages that the server answers by itself: sign in, sessions, and what went wrong. */
#include "panel/page_own.h"

int page_login(const struct panel_view *v, enum panel_word problem, struct panel_page *page)
{
	struct html h;
	struct xfed_span next = field_get(v->request, "next");
	layout_begin(&h, v, page->out, PLACE_NONE, W_SIGN_IN, NULL);
	if (problem != W_NONE) {
		html_put(&h, "<div class=\"box problem\" role=\"alert\"><p>%i</p></div>\n", problem);
	}
	html_put(&h, "<form class=\"card signin\" method=\"post\" action=\"/login\">");
	form_token(&h, v);
	form_hidden(&h, "next", next);
	html_put(&h,
		"<div class=\"field\"><label for=\"f-name\">%i</label><input id=\"f-name\" name=\"name\" autocomplete=\"username\" "
		"autocapitalize=\"none\" "
		"spellcheck=\"false\" required></div><div class=\"field\"><label for=\"f-password\">%i</label><input id=\"f-password\" "
		"name=\"password\" "
		"type=\"password\" autocomplete=\"current-password\" required></div><button class=\"main\">%i</button></form>",
		W_NAME, W_PASSWORD, W_SIGN_IN);
	return layout_end(&h);
}

int page_sessions(const struct panel_view *v, const json_t *sessions, struct panel_page *page)
{
	static const enum panel_word columns[] = { W_WHO, W_ROLE, W_FROM_WHERE, W_SINCE_HEAD, W_LAST_USED, W_ACTION, W_NONE };
	struct html h;
	struct table t;
	size_t i;
	json_t *s;
	layout_begin(&h, v, page->out, PLACE_SESSIONS, W_SESSIONS, NULL);
	table_begin(&t, &h, W_SESSIONS, columns);
	json_array_foreach(sessions, i, s) {
		table_row(&t);
		table_cell(&t);
		html_put(&h, "%s", answer_str(s, "name"));
		if (answer_is(s, "current")) {
			html_put(&h, " ");
			layout_mark(&h, MARK_PLAIN, W_THIS_ONE);
		}
		table_cell(&t);
		html_put(&h, "%i", strcmp(answer_str(s, "role"), "admin") == 0 ? W_ADMIN : W_READER);
		table_cell(&t);
		html_put(&h, "%s", answer_str(s, "from"));
		table_cell(&t);
		html_time(&h, answer_int(s, "since"));
		table_cell(&t);
		html_time(&h, answer_int(s, "used"));
		table_cell(&t);
		html_put(&h, "<form method=\"post\" action=\"/sessions/end\">");
		form_token(&h, v);
		html_put(&h, "<input type=\"hidden\" name=\"id\" value=\"%lld\"><button>%i<span class=\"hidden\"> %s</span></button></form>",
			(long long)answer_int(s, "id"), W_SIGN_OUT, answer_str(s, "from"));
	}
	table_end(&t);
	return layout_end(&h);
}

int page_error(const struct panel_view *v, int status, enum panel_word what, struct panel_page *page)
{
	struct html h;
	page->status = status;
	layout_begin(&h, v, page->out, PLACE_NONE, W_ERROR, NULL);
	html_put(&h, "<div class=\"box problem\" role=\"alert\"><p>%i</p></div><p><a class=\"button\" href=\"/\">%i</a></p>", what, W_OVERVIEW);
	return layout_end(&h);
}
