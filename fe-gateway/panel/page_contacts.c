/* Contacts, and subscriptions to presence. */
#include "panel/pages.h"

/* ---- lists with a filter, a page at a time ---- */

static int ask_list(const struct panel_request *r, struct panel_ask *out, const char *noun)
{
	static const char *const fields[] = { "user", "partner", "state", "after" };
	json_t *args = json_pack("{s:i}", "limit", 100);
	for (size_t i = 0; i < XFED_ARRAY_LEN(fields); i++) {
		json_t *value = i == 2 && strcmp(noun, "contact") != 0 ? NULL : field_json(r, fields[i]);
		if (value) {
			json_object_set_new(args, fields[i], value);
		}
	}
	*out = (struct panel_ask){ noun, "list", args };
	return args ? XFED_OK : XFED_ERR_NOMEM;
}

int asks_contacts(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	*count = 1;
	return ask_list(r, &out[0], "contact");
}

int asks_subscriptions(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	*count = 1;
	return ask_list(r, &out[0], "subscription");
}

static void put_filter(struct html *h, const struct panel_request *r, bool has_state)
{
	html_put(h, "<form class=\"inline\">");
	form_input(h, "user", W_USER, field_get(r, "user"), W_NONE);
	form_input(h, "partner", W_PARTNER_DOMAIN, field_get(r, "partner"), W_NONE);
	if (has_state) {
		html_put(h,
			"<div class=\"field\"><label for=\"f-state\">%i</label><select id=\"f-state\" name=\"state\"><option value=\"\">%i</option>",
			W_STATE, W_ALL);
		html_put(h, field_is(r, "state", "waiting") ? "<option value=\"waiting\" selected>" : "<option value=\"waiting\">");
		html_put(h, "%i</option>", W_WAITING);
		html_put(h, field_is(r, "state", "asked") ? "<option value=\"asked\" selected>" : "<option value=\"asked\">");
		html_put(h, "%i</option></select></div>", W_ASKED);
	}
	form_button(h, W_SHOW);
}

static void put_next(struct html *h, const struct panel_request *r, const json_t *result, const char *path)
{
	struct xfed_span user = field_get(r, "user"), partner = field_get(r, "partner"), state = field_get(r, "state");
	if (*answer_str(result, "next")) {
		html_put(h, "<p><a class=\"button\" href=\"%s?user=%-.*s&amp;partner=%-.*s&amp;state=%-.*s&amp;after=%-s\">%i</a></p>\n", path,
			(int)user.len, user.data, (int)partner.len, partner.data, (int)state.len, state.data, answer_str(result, "next"), W_FURTHER);
	}
}

static void put_pair_link(struct html *h, const json_t *c, const char *text)
{
	html_put(h, "<a href=\"/contacts/pair?user=%-s&amp;contact=%-s\">%s</a>", answer_str(c, "user"), answer_str(c, "contact"), text);
}

static void put_sees(struct html *h, const char *sees)
{
	if (strcmp(sees, "yes") == 0) {
		layout_mark(h, MARK_OK, W_YES);
	} else if (strcmp(sees, "asked") == 0) {
		layout_mark(h, MARK_WARNING, W_ASKED);
	} else {
		layout_mark(h, MARK_PLAIN, W_NO);
	}
}

int page_contacts(const struct panel_view *v, struct panel_page *page)
{
	static const enum panel_word columns[] = { W_USER, W_CONTACT, W_USER_SEES, W_CONTACT_SEES, W_SUBSCRIPTIONS, W_NONE };
	struct html h;
	struct table t;
	size_t i;
	json_t *c;
	const json_t *result = view_result(v, 0), *contacts = answer_list(result, "contacts");
	layout_begin(&h, v, page->out, PLACE_CONTACTS, W_CONTACTS, NULL);
	layout_done(&h, v);
	html_put(&h, "<p><a href=\"/subscriptions\">%i</a></p>", W_SUBSCRIPTIONS);
	put_filter(&h, v->request, true);
	if (layout_error(&h, v, 0)) {
		return layout_end(&h);
	}
	if (json_array_size(contacts) == 0) {
		html_put(&h, "<p>%i</p>", W_NOTHING_FOUND);
		return layout_end(&h);
	}
	table_begin(&t, &h, W_CONTACTS, columns);
	json_array_foreach(contacts, i, c) {
		table_row(&t);
		table_cell(&t);
		put_pair_link(&h, c, answer_str(c, "user"));
		table_cell(&t);
		html_put(&h, "%s", answer_str(c, "contact"));
		table_cell(&t);
		put_sees(&h, answer_str(c, "user_sees"));
		table_cell(&t);
		put_sees(&h, answer_str(c, "contact_sees"));
		table_cell(&t);
		html_put(&h, "%lld", (long long)answer_int(c, "subscriptions"));
	}
	table_end(&t);
	put_next(&h, v->request, result, "/contacts");
	return layout_end(&h);
}

/* ---- subscriptions ---- */

static void put_state(struct html *h, const json_t *s)
{
	html_put(h, "%s", answer_str(s, "state"));
	if (answer_is(s, "stale")) {
		html_put(h, " ");
		layout_mark(h, MARK_WARNING, W_MAY_BE_OLD);
	}
}

static void subscription_table(struct html *h, const struct panel_view *v, const json_t *list)
{
	static const enum panel_word columns[] = { W_NUMBER, W_WATCHER, W_USER, W_CONTACT, W_STATE, W_EXPIRES, W_DEVICES, W_ACTION, W_NONE };
	struct table t;
	size_t i;
	json_t *s;
	table_begin(&t, h, W_SUBSCRIPTIONS, columns);
	json_array_foreach(list, i, s) {
		table_row(&t);
		table_cell(&t);
		html_put(h, "%lld", (long long)answer_int(s, "id"));
		table_cell(&t);
		html_put(h, "%i", strcmp(answer_str(s, "watcher"), "user") == 0 ? W_THE_USER : W_THE_CONTACT);
		table_cell(&t);
		put_pair_link(h, s, answer_str(s, "user"));
		table_cell(&t);
		html_put(h, "%s", answer_str(s, "contact"));
		table_cell(&t);
		put_state(h, s);
		table_cell(&t);
		if (json_object_get(s, "expires_s")) {
			html_duration(h, answer_int(s, "expires_s"));
		}
		table_cell(&t);
		html_put(h, "%lld", (long long)answer_int(s, "devices"));
		table_cell(&t);
		if (view_may_change(v)) {
			html_put(h, "<details><summary>%i</summary><p>%i</p><form method=\"post\" action=\"/subscriptions/remove\">", W_END,
				W_END_SUBSCRIPTION);
			form_token(h, v);
			html_put(h, "<input type=\"hidden\" name=\"id\" value=\"%lld\"><button class=\"danger\">%i</button></form></details>",
				(long long)answer_int(s, "id"), W_END);
		}
	}
	table_end(&t);
}

int page_subscriptions(const struct panel_view *v, struct panel_page *page)
{
	struct html h;
	const json_t *result = view_result(v, 0), *list = answer_list(result, "subscriptions");
	layout_begin(&h, v, page->out, PLACE_CONTACTS, W_SUBSCRIPTIONS, NULL);
	layout_done(&h, v);
	put_filter(&h, v->request, false);
	if (!layout_error(&h, v, 0)) {
		if (json_array_size(list) == 0) {
			html_put(&h, "<p>%i</p>", W_NOTHING_FOUND);
		} else {
			subscription_table(&h, v, list);
			put_next(&h, v->request, result, "/subscriptions");
		}
	}
	return layout_end(&h);
}

int asks_subscription_remove(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	out[0] = (struct panel_ask){ "subscription", "remove", json_pack("{s:I}", "id", field_number(r, "id")) };
	*count = 1;
	return out[0].args ? XFED_OK : XFED_ERR_NOMEM;
}

int page_subscription_remove(const struct panel_view *v, struct panel_page *page)
{
	return page_did(v, page, PLACE_CONTACTS, W_SUBSCRIPTIONS, "/subscriptions?done=ended");
}

/* ---- one pair ---- */

static int ask_pair(const struct panel_request *r, struct panel_ask out[], size_t *count, const char *verb)
{
	struct xfed_span user = xfed_span_trim(field_get(r, "user")), contact = xfed_span_trim(field_get(r, "contact"));
	out[0] = (struct panel_ask){ "contact", verb,
		json_pack("{s:s%, s:s%}", "user", user.data ? user.data : "", user.len, "contact", contact.data ? contact.data : "", contact.len) };
	*count = 1;
	return out[0].args ? XFED_OK : XFED_ERR_NOMEM;
}

int asks_contact(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	return ask_pair(r, out, count, "show");
}

int asks_contact_approve(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	return ask_pair(r, out, count, "approve");
}

int asks_contact_remove(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	return ask_pair(r, out, count, "remove");
}

static void put_pair_fields(struct html *h, const struct panel_view *v, const json_t *c)
{
	form_token(h, v);
	form_hidden(h, "user", xfed_span_str(answer_str(c, "user")));
	form_hidden(h, "contact", xfed_span_str(answer_str(c, "contact")));
}

static void pair_actions(struct html *h, const struct panel_view *v, const json_t *c)
{
	html_put(h, "<div class=\"actions\">");
	html_put(h, "<a class=\"button\" href=\"/explain?from=%-s&amp;to=%-s\">%i</a>", answer_str(c, "user"), answer_str(c, "contact"), W_EXPLAIN);
	html_put(h, "<a class=\"button\" href=\"/explain?from=%-s&amp;to=%-s\">%i</a>", answer_str(c, "contact"), answer_str(c, "user"),
		W_EXPLAIN_BACK);
	if (view_may_change(v) && !answer_is(c, "approved")) {
		html_put(h, "<form method=\"post\" action=\"/contacts/approve\">");
		put_pair_fields(h, v, c);
		html_put(h, "<button>%i</button></form>", W_APPROVE);
	}
	html_put(h, "</div>");
	if (view_may_change(v)) {
		html_put(h, "<details><summary>%i</summary><p>%i</p><form method=\"post\" action=\"/contacts/remove\">", W_REMOVE, W_REMOVE_CONTACT);
		put_pair_fields(h, v, c);
		html_put(h, "<button class=\"danger\">%i</button></form></details>\n", W_REMOVE);
	}
}

int page_contact(const struct panel_view *v, struct panel_page *page)
{
	struct html h;
	const json_t *c = view_result(v, 0), *live = answer_list(c, "live");
	layout_begin(&h, v, page->out, PLACE_CONTACTS, W_CONTACT, *answer_str(c, "contact") ? answer_str(c, "contact") : NULL);
	layout_done(&h, v);
	if (layout_error(&h, v, 0)) {
		page->status = 404;
		return layout_end(&h);
	}
	facts_begin(&h);
	fact(&h, W_USER, answer_str(c, "user"));
	fact(&h, W_CONTACT, answer_str(c, "contact"));
	fact(&h, W_STATE, answer_str(c, "state"));
	fact_begin(&h, W_USER_SEES);
	put_sees(&h, answer_str(c, "user_sees"));
	fact_end(&h);
	fact_begin(&h, W_CONTACT_SEES);
	put_sees(&h, answer_str(c, "contact_sees"));
	fact_end(&h);
	fact_begin(&h, W_APPROVED);
	html_put(&h, "%i", answer_is(c, "approved") ? W_YES : W_NO);
	fact_end(&h);
	if (json_object_get(c, "asked")) {
		fact_time(&h, W_WAITS_SINCE, answer_int(c, "asked"));
	}
	fact_time(&h, W_LAST_USED, answer_int(c, "used"));
	facts_end(&h);
	pair_actions(&h, v, c);
	if (json_array_size(live) > 0) {
		subscription_table(&h, v, live);
	}
	return layout_end(&h);
}

int page_contact_approve(const struct panel_view *v, struct panel_page *page)
{
	return page_did(v, page, PLACE_CONTACTS, W_APPROVE, "/contacts?done=approved");
}

int page_contact_remove(const struct panel_view *v, struct panel_page *page)
{
	return page_did(v, page, PLACE_CONTACTS, W_REMOVE, "/contacts?done=removed");
}
