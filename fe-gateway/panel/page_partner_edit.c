/* A partner's file: new, changed, switched off and on, removed. */
#include "panel/pages.h"

#include <stdio.h>

#include "panel/change.h"
#include "panel/form.h"
#include "policy/policy.h"

static json_t *of_domain(struct xfed_span domain)
{
	return json_pack("{s:s%}", "domain", domain.data ? domain.data : "", domain.len);
}

static json_t *with_settings(struct xfed_span domain, json_t *settings)
{
	json_t *args = settings ? json_pack("{s:s%, s:o}", "domain", domain.data ? domain.data : "", domain.len, "settings", settings) : NULL;
	if (!args) {
		json_decref(settings);
	}
	return args;
}

static void begin(struct html *h, const struct panel_view *v, struct panel_page *page, enum panel_word title)
{
	struct xfed_span domain = path_part(v->request, 1);
	char subject[1024];
	snprintf(subject, sizeof(subject), "%.*s", (int)domain.len, domain.data ? domain.data : "");
	layout_begin(h, v, page->out, PLACE_PARTNERS, title, subject[0] && title != W_PARTNER_NEW ? subject : NULL);
}

static void put_matrix(struct html *h, const char *key)
{
	if (strcmp(key, "dialback") == 0) {
		matrix_table(h);
	}
}

static void put_form(struct html *h, const struct panel_view *v, const struct form *f, const char *cancel, struct xfed_span domain)
{
	html_put(h, "<form method=\"post\">");
	form_token(h, v);
	form_keys(f);
	html_put(h, "<p class=\"actions\"><button class=\"main\">%i</button><a class=\"button\" href=\"%s%-.*s\">%i</a></p></form>\n", W_PREVIEW,
		cancel, (int)domain.len, domain.data, W_CANCEL);
}

/* ---- new ---- */

int asks_partner_new(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	if (r->method == PANEL_GET || change_step(r) == CHANGE_BACK) {
		return XFED_OK;
	}
	json_t *args = with_settings(xfed_span_trim(field_get(r, "domain")), form_settings(r, &partner_file_table, "domain"));
	*count = 1;
	return change_ask(r, &out[0], "partner", "add", args);
}

int page_partner_new(const struct panel_view *v, struct panel_page *page)
{
	struct html h;
	bool is_asked = v->result_count > 0;
	enum change_outcome outcome = is_asked ? change_outcome(v, 0) : CHANGE_REFUSED;
	if (is_asked && outcome == CHANGE_SAVED) {
		return page_go(page, "/partners/", xfed_span_trim(field_get(v->request, "domain")), "?done=added");
	}
	begin(&h, v, page, W_PARTNER_NEW);
	if (is_asked && outcome == CHANGE_TRIED) {
		change_trial(&h, v, 0, true, "/partners", XFED_SPAN(""));
		return layout_end(&h);
	}
	if (is_asked) {
		change_refusal(&h, v, 0, asks_partner_new);
	}
	struct form f = {
		.h = &h, .table = &partner_file_table, .given = v->request->method == PANEL_POST ? v->request : NULL, .behind = put_matrix
	};
	put_form(&h, v, &f, "/partners", XFED_SPAN(""));
	return layout_end(&h);
}

/* ---- changed ---- */

int asks_partner_edit(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	struct xfed_span domain = path_part(r, 1);
	out[0] = (struct panel_ask){ "partner", "show", of_domain(domain) };
	*count = 1;
	if (!out[0].args || r->method == PANEL_GET || change_step(r) == CHANGE_BACK) {
		return out[0].args ? XFED_OK : XFED_ERR_NOMEM;
	}
	*count = 2;
	return change_ask(r, &out[1], "partner", "set", with_settings(domain, form_settings(r, &partner_file_table, "domain")));
}

int page_partner_edit(const struct panel_view *v, struct panel_page *page)
{
	struct html h;
	bool is_asked = v->result_count > 1;
	enum change_outcome outcome = is_asked ? change_outcome(v, 1) : CHANGE_REFUSED;
	struct xfed_span domain = path_part(v->request, 1);
	if (is_asked && outcome == CHANGE_SAVED) {
		return page_go(page, "/partners/", domain, "?done=changed");
	}
	begin(&h, v, page, W_EDIT);
	if (layout_error(&h, v, 0)) {
		page->status = 404;
		return layout_end(&h);
	}
	form_meanwhile(&h, v, &partner_file_table, view_result(v, 0));
	if (is_asked && outcome == CHANGE_TRIED) {
		change_trial(&h, v, 1, true, "/partners/", domain);
		return layout_end(&h);
	}
	if (is_asked) {
		change_refusal(&h, v, 1, asks_partner_edit);
	}
	struct form f = { .h = &h,
		.table = &partner_file_table,
		.values = view_result(v, 0),
		.named_by = "domain",
		.behind = put_matrix,
		.given = v->request->method == PANEL_POST ? v->request : NULL };
	put_form(&h, v, &f, "/partners/", domain);
	return layout_end(&h);
}

/* ---- without a form: off and on, removed ---- */

int asks_partner_enabled(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	json_t *settings = json_pack("[s]", field_is(r, "enabled", "false") ? "enabled=false" : "enabled=true");
	*count = 1;
	return change_ask(r, &out[0], "partner", "set", with_settings(path_part(r, 1), settings));
}

int asks_partner_remove(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	*count = 1;
	return change_ask(r, &out[0], "partner", "remove", of_domain(path_part(r, 1)));
}

int page_partner_enabled(const struct panel_view *v, struct panel_page *page)
{
	struct html h;
	if (change_outcome(v, 0) == CHANGE_SAVED) {
		return page_go(page, "/partners/", path_part(v->request, 1), "?done=changed");
	}
	begin(&h, v, page, field_is(v->request, "enabled", "false") ? W_DISABLE : W_ENABLE);
	change_page(&h, v, 0, "/partners/", path_part(v->request, 1), asks_partner_enabled);
	return layout_end(&h);
}

int page_partner_remove(const struct panel_view *v, struct panel_page *page)
{
	struct html h;
	if (change_outcome(v, 0) == CHANGE_SAVED) {
		return page_go(page, "/partners?done=removed", (struct xfed_span){ 0 }, "");
	}
	begin(&h, v, page, W_REMOVE);
	change_page(&h, v, 0, "/partners/", path_part(v->request, 1), asks_partner_remove);
	return layout_end(&h);
}
