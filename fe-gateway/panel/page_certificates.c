/* Certificates, with the days that are left. */
#include "panel/pages.h"

#include <stdio.h>

int asks_certificates(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	(void)r;
	out[0] = (struct panel_ask){ "cert", "list", NULL };
	*count = 1;
	return XFED_OK;
}

static enum panel_word owner_word(const char *owner)
{
	return strcmp(owner, "partner") == 0   ? W_OWNER_PARTNER
	       : strcmp(owner, "channel") == 0 ? W_OWNER_CHANNEL
	       : strcmp(owner, "us") == 0      ? W_OWNER_US
					       : W_NONE;
}

static void put_days(struct html *h, const json_t *c)
{
	const char *state = answer_str(c, "state");
	if (strcmp(state, "ended") == 0) {
		layout_mark(h, MARK_PROBLEM, W_EXPIRED);
		return;
	}
	bool is_soon = strcmp(state, "soon") == 0;
	layout_mark(h, is_soon ? MARK_WARNING : MARK_OK, is_soon ? W_SOON : W_FINE);
	html_put(h, " %lld&nbsp;%i", (long long)answer_int(c, "days"), W_DAYS);
}

static void put_row(struct table *t, const json_t *c)
{
	struct html *h = t->h;
	const char *owner = answer_str(c, "owner");
	table_row(t);
	table_cell(t);
	html_put(h, "%s", answer_str(c, "name"));
	table_cell(t);
	if (owner_word(owner) == W_NONE) {
		html_put(h, "%s", owner);
	} else {
		html_put(h, "%i", owner_word(owner));
	}
	table_cell(t);
	if (*answer_str(c, "edge")) {
		html_put(h, "%s", answer_str(c, "edge"));
	} else {
		html_put(h, "%i", W_GATEWAY);
	}
	table_cell(t);
	put_days(h, c);
	table_cell(t);
	html_time(h, answer_int(c, "not_after"));
}

int page_certificates(const struct panel_view *v, struct panel_page *page)
{
	static const enum panel_word columns[] = { W_KEY_NAME, W_OWNER, W_SEEN_BY, W_LEFT, W_VALID_UNTIL, W_NONE };
	struct html h;
	struct table t;
	size_t i;
	json_t *c;
	const json_t *result = view_result(v, 0), *list = answer_list(result, "certificates"), *silent = answer_list(result, "silent");
	layout_begin(&h, v, page->out, PLACE_CERTIFICATES, W_CERTIFICATES, NULL);
	html_put(&h, "<p>%i</p>", W_CERTIFICATES_HELP);
	if (layout_error(&h, v, 0)) {
		return layout_end(&h);
	}
	if (json_array_size(silent) > 0) {
		html_put(&h, "<div class=\"box warning\"><p>%i", W_SILENT);
		json_array_foreach(silent, i, c) {
			html_put(&h, " %s", json_string_value(c));
		}
		html_put(&h, "</p></div>\n");
	}
	if (json_array_size(list) == 0) {
		html_put(&h, "<p>%i</p>", W_NO_CERTIFICATES);
		return layout_end(&h);
	}
	table_begin(&t, &h, W_CERTIFICATES, columns);
	json_array_foreach(list, i, c) {
		put_row(&t, c);
	}
	table_end(&t);
	if (answer_int(result, "more") > 0) {
		char shown[24], of[24];
		snprintf(shown, sizeof(shown), "%zu", json_array_size(list));
		snprintf(of, sizeof(of), "%lld", (long long)json_array_size(list) + (long long)answer_int(result, "more"));
		html_put(&h, "<p>");
		html_say(&h, W_ONLY_SHOWN_FIRST, shown, of);
		html_put(&h, "</p>");
	}
	return layout_end(&h);
}
