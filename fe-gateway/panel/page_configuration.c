/* The files as they are and as they are in force. */
#include "panel/pages.h"

int asks_configuration(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	(void)r;
	out[0] = (struct panel_ask){ "config", "check", NULL };
	out[1] = (struct panel_ask){ "config", "show", NULL };
	*count = 2;
	return XFED_OK;
}

static void put_list(struct html *h, const json_t *texts, const char *box, enum panel_word title)
{
	size_t i;
	json_t *text;
	if (json_array_size(texts) > 0) {
		html_put(h, "<div class=\"box %s\"><p><strong>%i</strong></p><ul>", box, title);
		json_array_foreach(texts, i, text) {
			html_put(h, "<li>");
			html_said(h, json_string_value(text));
			html_put(h, "</li>");
		}
		html_put(h, "</ul></div>\n");
	}
}

static void put_problems(struct html *h, const json_t *r)
{
	put_list(h, answer_list(r, "errors"), "problem", W_ERRORS);
	put_list(h, answer_list(r, "warnings"), "warning", W_WARNINGS);
	put_list(h, answer_list(r, "needs_restart"), "warning", W_NEEDS_RESTART);
}

int page_configuration(const struct panel_view *v, struct panel_page *page)
{
	struct html h;
	const json_t *check = view_result(v, 0), *show = view_result(v, 1);
	layout_begin(&h, v, page->out, PLACE_NONE, W_CONFIGURATION, NULL);
	layout_done(&h, v);
	html_put(&h, "<h2>%i</h2>", W_FILES_NOW);
	if (!layout_error(&h, v, 0)) {
		if (answer_is(check, "ok")) {
			html_put(&h, "<div class=\"box ok\"><p>%i</p></div>", W_FILES_FINE);
		}
		put_problems(&h, check);
	}
	if (view_may_change(v)) {
		html_put(&h, "<form class=\"actions\" method=\"post\" action=\"/configuration/reload\">");
		form_token(&h, v);
		html_put(&h, "<button>%i</button></form>", W_RELOAD);
	}
	html_put(&h, "<h2>%i</h2>", W_IN_FORCE);
	if (!layout_error(&h, v, 1)) {
		html_put(&h, "<pre>%s</pre>", answer_str(show, "text"));
	}
	return layout_end(&h);
}

int asks_reload(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	(void)r;
	out[0] = (struct panel_ask){ "reload", "", NULL };
	*count = 1;
	return XFED_OK;
}

int page_reload(const struct panel_view *v, struct panel_page *page)
{
	struct html h;
	const json_t *r = view_result(v, 0);
	if (answer_is(r, "ok") && json_array_size(answer_list(r, "needs_restart")) == 0) {
		return page_go(page, "/configuration?done=changed", (struct xfed_span){ 0 }, "");
	}
	layout_begin(&h, v, page->out, PLACE_NONE, W_RELOAD, NULL);
	layout_error(&h, v, 0);
	put_problems(&h, r);
	html_put(&h, "<p><a class=\"button\" href=\"/configuration\">%i</a></p>", W_BACK);
	return layout_end(&h);
}
