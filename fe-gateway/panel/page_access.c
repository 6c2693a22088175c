/* Who may use federation: the rules, one of them, and their changes. */
#include "panel/pages.h"

#include "panel/change.h"
#include "panel/form.h"
#include "policy/policy.h"
#include "xfed/mem.h"

static json_t *of_rule(const struct panel_request *r)
{
	struct xfed_span name = path_part(r, 1);
	return json_pack("{s:s%}", "name", name.data ? name.data : "", name.len);
}

static void begin(struct html *h, const struct panel_view *v, struct panel_page *page, enum panel_word title)
{
	char *subject = xfed_strndup(path_part(v->request, 1));
	layout_begin(h, v, page->out, PLACE_ACCESS, title, title == W_RULE_NEW ? NULL : subject);
	xfed_free(subject);
}

/* ---- the list ---- */

int asks_access(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	(void)r;
	out[0] = (struct panel_ask){ "access", "list", NULL };
	*count = 1;
	return XFED_OK;
}

static enum panel_word scope_word(const char *scope)
{
	return strcmp(scope, "user") == 0 ? W_SCOPE_USER : strcmp(scope, "site") == 0 ? W_SCOPE_SITE : W_SCOPE_GLOBAL;
}

static void put_covered(struct html *h, const json_t *rule)
{
	size_t i;
	json_t *domain;
	if (json_object_get(rule, "users")) {
		html_put(h, "%i: %lld", W_USERS, (long long)(answer_int(rule, "users") + answer_int(rule, "users_in_file")));
	} else if (json_object_get(rule, "domains")) {
		json_array_foreach(answer_list(rule, "domains"), i, domain) {
			html_put(h, i > 0 ? ", %s" : "%s", json_string_value(domain));
		}
	} else {
		html_put(h, "%i", W_EVERYBODY);
	}
}

static void put_allowed(struct html *h, const json_t *rule)
{
	bool federation = answer_is(rule, "federation"), xmpp = answer_is(rule, "xmpp");
	if (answer_is(rule, "broken")) {
		layout_mark(h, MARK_PROBLEM, W_FILE_BROKEN);
	} else if (federation && xmpp) {
		layout_mark(h, MARK_OK, W_MAY);
	} else {
		layout_mark(h, MARK_PLAIN, W_MAY_NOT);
		html_put(h, " <span class=\"quiet\">federation: %i, xmpp: %i</span>", federation ? W_ON : W_OFF, xmpp ? W_ON : W_OFF);
	}
}

int page_access(const struct panel_view *v, struct panel_page *page)
{
	static const enum panel_word columns[] = { W_KEY_NAME, W_KEY_SCOPE, W_COVERED, W_ALLOWED, W_NONE };
	struct html h;
	struct table t;
	size_t i;
	json_t *rule;
	const json_t *rules = answer_list(view_result(v, 0), "rules");
	layout_begin(&h, v, page->out, PLACE_ACCESS, W_ACCESS, NULL);
	layout_done(&h, v);
	if (layout_error(&h, v, 0)) {
		return layout_end(&h);
	}
	html_put(&h, "<p>%i</p>", json_array_size(rules) > 0 ? W_ACCESS_HELP : W_ACCESS_EVERYBODY);
	if (view_may_change(v)) {
		html_put(&h, "<p class=\"actions\"><a class=\"button main\" href=\"/access/new\">%i</a></p>", W_RULE_NEW);
	}
	if (json_array_size(rules) > 0) {
		table_begin(&t, &h, W_ACCESS_ORDER, columns);
		json_array_foreach(rules, i, rule) {
			table_row(&t);
			table_cell(&t);
			html_put(&h, "<a href=\"/access/%-s\">%s</a>", answer_str(rule, "name"), answer_str(rule, "name"));
			table_cell(&t);
			html_put(&h, "%i", scope_word(answer_str(rule, "scope")));
			table_cell(&t);
			put_covered(&h, rule);
			table_cell(&t);
			put_allowed(&h, rule);
		}
		table_end(&t);
	}
	return layout_end(&h);
}

/* ---- one rule ---- */

int asks_rule(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	out[0] = (struct panel_ask){ "access", "show", of_rule(r) };
	*count = 1;
	return out[0].args ? XFED_OK : XFED_ERR_NOMEM;
}

#define USERS_SHOWN 500

static void put_users(struct html *h, const struct panel_view *v, const json_t *rule)
{
	const json_t *users = answer_list(rule, "granted_to");
	size_t i;
	json_t *user;
	html_put(h, "<h2>%i</h2>", W_KEY_GRANTED_TO);
	if (view_may_change(v)) {
		html_put(h, "<form method=\"post\" class=\"inline\" action=\"/access/%-s/grant\">", answer_str(rule, "name"));
		form_token(h, v);
		form_input(h, "user", W_USER, (struct xfed_span){ 0 }, W_NONE);
		form_button(h, W_GRANT);
	}
	html_put(h, "<ul class=\"names\">");
	json_array_foreach(users, i, user) {
		if (i >= USERS_SHOWN) {
			html_put(h, "<li>…</li>");
			break;
		}
		html_put(h, "<li>%s", json_string_value(user));
		if (view_may_change(v)) {
			html_put(h, " <form method=\"post\" action=\"/access/%-s/revoke\">", answer_str(rule, "name"));
			form_token(h, v);
			form_hidden(h, "user", xfed_span_str(json_string_value(user)));
			html_put(h, "<button>%i<span class=\"hidden\"> %s</span></button></form>", W_REVOKE, json_string_value(user));
		}
		html_put(h, "</li>");
	}
	html_put(h, "</ul>\n");
}

int page_rule(const struct panel_view *v, struct panel_page *page)
{
	struct html h;
	const json_t *rule = view_result(v, 0);
	begin(&h, v, page, W_RULE);
	layout_done(&h, v);
	if (layout_error(&h, v, 0)) {
		page->status = 404;
		return layout_end(&h);
	}
	html_put(&h, "<p>");
	put_allowed(&h, rule);
	html_put(&h, "</p>");
	facts_begin(&h);
	fact_begin(&h, W_KEY_SCOPE);
	html_put(&h, "%i", scope_word(answer_str(rule, "scope")));
	fact_end(&h);
	fact_begin(&h, W_COVERED);
	put_covered(&h, rule);
	fact_end(&h);
	fact(&h, W_FILE, answer_str(rule, "file"));
	fact(&h, W_KEY_GRANTED_TO_FILE, answer_str(rule, "granted_to_file"));
	facts_end(&h);
	if (view_may_change(v)) {
		html_put(&h,
			"<div class=\"actions\"><a class=\"button\" href=\"/access/%-s/edit\">%i</a><form method=\"post\" "
			"action=\"/access/%-s/remove\">",
			answer_str(rule, "name"), W_EDIT, answer_str(rule, "name"));
		form_token(&h, v);
		html_put(&h, "<button class=\"danger\">%i</button></form></div>\n", W_REMOVE);
	}
	if (strcmp(answer_str(rule, "scope"), "user") == 0) {
		put_users(&h, v, rule);
	}
	return layout_end(&h);
}

/* ---- changes with a form ---- */

static json_t *with_settings(struct xfed_span name, const struct panel_request *r)
{
	json_t *settings = form_settings(r, &access_file_table, "name");
	json_t *args = settings ? json_pack("{s:s%, s:o}", "name", name.data ? name.data : "", name.len, "settings", settings) : NULL;
	if (!args) {
		json_decref(settings);
	}
	return args;
}

int asks_rule_new(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	if (r->method == PANEL_GET || change_step(r) == CHANGE_BACK) {
		return XFED_OK;
	}
	*count = 1;
	return change_ask(r, &out[0], "access", "add", with_settings(xfed_span_trim(field_get(r, "name")), r));
}

int asks_rule_edit(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	out[0] = (struct panel_ask){ "access", "show", of_rule(r) };
	*count = 1;
	if (!out[0].args || r->method == PANEL_GET || change_step(r) == CHANGE_BACK) {
		return out[0].args ? XFED_OK : XFED_ERR_NOMEM;
	}
	*count = 2;
	return change_ask(r, &out[1], "access", "set", with_settings(path_part(r, 1), r));
}

static void put_form(struct html *h, const struct panel_view *v, const json_t *values, const char *named_by, const char *cancel)
{
	struct form f = { .h = h,
		.table = &access_file_table,
		.values = values,
		.named_by = named_by,
		.given = v->request->method == PANEL_POST ? v->request : NULL };
	html_put(h, "<form method=\"post\">");
	form_token(h, v);
	form_keys(&f);
	html_put(h, "<p class=\"actions\"><button class=\"main\">%i</button><a class=\"button\" href=\"%s\">%i</a></p></form>\n", W_PREVIEW, cancel,
		W_CANCEL);
}

int page_rule_new(const struct panel_view *v, struct panel_page *page)
{
	struct html h;
	bool is_asked = v->result_count > 0;
	enum change_outcome outcome = is_asked ? change_outcome(v, 0) : CHANGE_REFUSED;
	if (is_asked && outcome == CHANGE_SAVED) {
		return page_go(page, "/access/", xfed_span_trim(field_get(v->request, "name")), "?done=added");
	}
	begin(&h, v, page, W_RULE_NEW);
	if (is_asked && outcome == CHANGE_TRIED) {
		change_trial(&h, v, 0, true, "/access", (struct xfed_span){ 0 });
		return layout_end(&h);
	}
	if (is_asked) {
		change_refusal(&h, v, 0, asks_rule_new);
	}
	put_form(&h, v, NULL, NULL, "/access");
	return layout_end(&h);
}

int page_rule_edit(const struct panel_view *v, struct panel_page *page)
{
	struct html h;
	bool is_asked = v->result_count > 1;
	enum change_outcome outcome = is_asked ? change_outcome(v, 1) : CHANGE_REFUSED;
	if (is_asked && outcome == CHANGE_SAVED) {
		return page_go(page, "/access/", path_part(v->request, 1), "?done=changed");
	}
	begin(&h, v, page, W_EDIT);
	if (layout_error(&h, v, 0)) {
		page->status = 404;
		return layout_end(&h);
	}
	form_meanwhile(&h, v, &access_file_table, view_result(v, 0));
	if (is_asked && outcome == CHANGE_TRIED) {
		change_trial(&h, v, 1, true, "/access/", path_part(v->request, 1));
		return layout_end(&h);
	}
	if (is_asked) {
		change_refusal(&h, v, 1, asks_rule_edit);
	}
	put_form(&h, v, view_result(v, 0), "name", "/access");
	return layout_end(&h);
}

/* ---- changes without one ---- */

static int ask_user(const struct panel_request *r, struct panel_ask out[], size_t *count, const char *verb)
{
	json_t *args = of_rule(r), *user = field_json(r, "user");
	json_object_set_new(args, "user", user ? user : json_string(""));
	*count = 1;
	return change_ask(r, &out[0], "access", verb, args);
}

int asks_rule_grant(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	return ask_user(r, out, count, "grant");
}

int asks_rule_revoke(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	return ask_user(r, out, count, "revoke");
}

int asks_rule_remove(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	*count = 1;
	return change_ask(r, &out[0], "access", "remove", of_rule(r));
}

static int page_simple(const struct panel_view *v, struct panel_page *page, enum panel_word title, bool is_gone, change_asks_fn *asks)
{
	struct html h;
	if (change_outcome(v, 0) == CHANGE_SAVED) {
		return is_gone ? page_go(page, "/access?done=removed", (struct xfed_span){ 0 }, "")
			       : page_go(page, "/access/", path_part(v->request, 1), "?done=changed");
	}
	begin(&h, v, page, title);
	change_page(&h, v, 0, "/access/", path_part(v->request, 1), asks);
	return layout_end(&h);
}

int page_rule_grant(const struct panel_view *v, struct panel_page *page)
{
	return page_simple(v, page, W_GRANT, false, asks_rule_grant);
}

int page_rule_revoke(const struct panel_view *v, struct panel_page *page)
{
	return page_simple(v, page, W_REVOKE, false, asks_rule_revoke);
}

int page_rule_remove(const struct panel_view *v, struct panel_page *page)
{
	return page_simple(v, page, W_REMOVE, true, asks_rule_remove);
}
