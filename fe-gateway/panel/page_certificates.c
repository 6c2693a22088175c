/* Certificates, with the days that are left. */
#include "panel/pages.h"

#include <stdio.h>

#define SOON_DAYS 14

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

static void put_days(struct html *h, int64_t not_after, int64_t now)
{
	int64_t left = not_after - now, days = left / 86400;
	if (left <= 0) {
		layout_mark(h, MARK_PROBLEM, W_EXPIRED);
		return;
	}
	layout_mark(h, days < SOON_DAYS ? MARK_WARNING : MARK_OK, days < SOON_DAYS ? W_SOON : W_FINE);
	html_put(h, " %lld&nbsp;%i", (long long)days, W_DAYS);
}

static void put_row(struct table *t, const json_t *c, int64_t now)
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
	html_put(h, "%s", *answer_str(c, "service") ? answer_str(c, "service") : answer_str(c, "edge"));
	table_cell(t);
	put_days(h, answer_int(c, "not_after"), now);
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
	const json_t *list = answer_list(view_result(v, 0), "certificates");
	layout_begin(&h, v, page->out, PLACE_CERTIFICATES, W_CERTIFICATES, NULL);
	html_put(&h, "<p>%i</p>", W_CERTIFICATES_HELP);
	if (layout_error(&h, v, 0)) {
		return layout_end(&h);
	}
	if (json_array_size(list) == 0) {
		html_put(&h, "<p>%i</p>", W_NO_CERTIFICATES);
		return layout_end(&h);
	}
	table_begin(&t, &h, W_CERTIFICATES, columns);
	json_array_foreach(list, i, c) {
		put_row(&t, c, v->now_s);
	}
	table_end(&t);
	return layout_end(&h);
}
