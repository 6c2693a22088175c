/* The list of partners, and one of them. */
#include "panel/pages.h"

#include <stdio.h>

#include "xfed/rt/conf.h"

#define SHOWN_MAX 200 /* of one list; more are found by searching */

/* ---- what has lately been with whom, by the name of the other side ---- */

/* {"fabrikam.example": {"streams": 2, "age_s": of the youngest, "last": 1700000000, "reason": "..", "id": 7}}; NULL: no memory */
static json_t *by_remote(const json_t *streams, const json_t *failures)
{
	json_t *all = json_object(), *item;
	size_t i;
	json_array_foreach(streams, i, item) {
		json_t *of = json_object_get(all, answer_str(item, "remote"));
		if (!of) {
			json_object_set_new(all, answer_str(item, "remote"), of = json_object());
		}
		if (answer_int(of, "streams") == 0 || answer_int(item, "age_s") < answer_int(of, "age_s")) {
			json_object_set(of, "age_s", json_object_get(item, "age_s"));
		}
		json_object_set_new(of, "streams", json_integer((json_int_t)answer_int(of, "streams") + 1));
	}
	json_array_foreach(failures, i, item) { /* newest first */
		json_t *of = json_object_get(all, answer_str(item, "remote"));
		if (!of) {
			json_object_set_new(all, answer_str(item, "remote"), of = json_object());
		}
		if (!json_object_get(of, "last") && !json_is_false(json_object_get(item, "proved"))) {
			json_object_set(of, "last", json_object_get(item, "last"));
			json_object_set(of, "reason", json_object_get(item, "reason"));
			json_object_set(of, "id", json_object_get(item, "id"));
		}
	}
	return all;
}

struct summary {
	int64_t streams, age_s; /* of the youngest */
	const json_t *failure;	/* the newest; NULL: none is kept */
};

static void add(struct summary *s, const json_t *of)
{
	if (answer_int(of, "streams") > 0 && (s->streams == 0 || answer_int(of, "age_s") < s->age_s)) {
		s->age_s = answer_int(of, "age_s");
	}
	s->streams += answer_int(of, "streams");
	if (answer_int(of, "last") > answer_int(s->failure, "last")) {
		s->failure = of;
	}
}

static bool is_below(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);
	return n > m && strcmp(name + n - m, suffix) == 0; /* the suffix begins with its dot */
}

static struct summary sum(json_t *all, const json_t *partner)
{
	struct summary s = { 0 };
	const json_t *names = answer_list(partner, "additional_domains");
	const char *remote;
	json_t *name, *of;
	size_t i;
	add(&s, json_object_get(all, answer_str(partner, "domain")));
	json_array_foreach(names, i, name) {
		const char *n = json_string_value(name) ? json_string_value(name) : "";
		if (strncmp(n, "*.", 2) != 0) {
			add(&s, json_object_get(all, n));
			continue;
		}
		json_object_foreach(all, remote, of) {
			if (is_below(remote, n + 1)) {
				add(&s, of);
			}
		}
	}
	return s;
}

static void put_state(struct html *h, const json_t *partner, const struct summary *s)
{
	if (answer_is(partner, "refused")) {
		layout_mark(h, MARK_PROBLEM, W_FILE_BROKEN);
	} else if (json_is_false(json_object_get(partner, "enabled"))) {
		layout_mark(h, MARK_PLAIN, W_DISABLED);
	} else if (s->streams > 0) {
		layout_mark(h, MARK_OK, W_CONNECTED);
	} else if (s->failure) {
		layout_mark(h, MARK_WARNING, W_FAILED_LATELY);
	} else {
		layout_mark(h, MARK_PLAIN, W_IDLE);
	}
}

void partner_methods(struct html *h, const json_t *matrix)
{
	static const struct {
		const char *name;
		enum panel_word word;
	} methods[] = { { "external", W_METHOD_EXTERNAL }, { "dialback-tls", W_METHOD_DIALBACK_TLS }, { "dialback-plain", W_METHOD_DIALBACK_PLAIN } };
	size_t i, n = 0;
	json_t *method;
	json_array_foreach(answer_list(matrix, "methods"), i, method) {
		for (size_t m = 0; m < XFED_ARRAY_LEN(methods); m++) {
			if (json_is_string(method) && strcmp(json_string_value(method), methods[m].name) == 0) {
				html_put(h, n++ > 0 ? ", %i" : "%i", methods[m].word);
			}
		}
	}
	if (n == 0) {
		html_put(h, "%i", W_METHOD_NONE);
	}
}

/* ---- the list ---- */

int asks_partners(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	(void)r;
	out[0] = (struct panel_ask){ "partner", "list", NULL };
	out[1] = (struct panel_ask){ "stream", "list", NULL };
	out[2] = (struct panel_ask){ "failures", "list", json_pack("{s:i}", "limit", 500) };
	*count = 3;
	return out[2].args ? XFED_OK : XFED_ERR_NOMEM;
}

static bool has_text(const char *text, struct xfed_span sought)
{
	size_t len = strlen(text);
	for (size_t i = 0; i + sought.len <= len; i++) {
		if (xfed_span_eq_nocase(xfed_span_make(text + i, sought.len), sought)) {
			return true;
		}
	}
	return false;
}

static bool is_sought(const json_t *partner, struct xfed_span sought)
{
	size_t i;
	json_t *name;
	bool is = has_text(answer_str(partner, "domain"), sought) || has_text(answer_str(partner, "description"), sought);
	json_array_foreach(answer_list(partner, "additional_domains"), i, name) {
		is = is || has_text(json_is_string(name) ? json_string_value(name) : "", sought);
	}
	return is;
}

static void list_row(struct table *t, const json_t *partner, const struct summary *s, int64_t now_s)
{
	struct html *h = t->h;
	const char *domain = answer_str(partner, "domain");
	table_row(t);
	table_cell(t);
	html_put(h, "<a href=\"/partners/%-s\">%s</a>", domain, domain);
	if (*answer_str(partner, "description")) {
		html_put(h, "<br><span class=\"quiet\">%s</span>", answer_str(partner, "description"));
	}
	table_cell(t);
	put_state(h, partner, s);
	table_cell(t);
	partner_methods(h, json_object_get(partner, "matrix"));
	table_cell(t);
	html_put(h, "%s", answer_str(partner, "partner_type"));
	table_cell(t);
	html_put(h, "%lld", (long long)s->streams);
	table_cell(t);
	if (s->streams > 0) {
		html_time(h, now_s - s->age_s);
	} else {
		html_put(h, "%i", W_NONE_OPEN);
	}
	table_cell(t);
	if (s->failure) {
		html_put(h, "<a href=\"/failures/%lld\">%s</a><br>", (long long)answer_int(s->failure, "id"), answer_str(s->failure, "reason"));
		html_time(h, answer_int(s->failure, "last"));
	} else {
		html_put(h, "%i", W_NONE_KEPT);
	}
}

static void list(struct html *h, const struct panel_view *v, const json_t *partners)
{
	static const enum panel_word columns[] = { W_KEY_DOMAIN, W_STATE, W_METHODS, W_KEY_PARTNER_TYPE, W_STREAMS, W_LAST_SUCCESS, W_LAST_FAILURE,
		W_NONE };
	json_t *all = by_remote(answer_list(view_result(v, 1), "streams"), answer_list(view_result(v, 2), "failures")), *partner;
	struct xfed_span sought = xfed_span_trim(field_get(v->request, "q"));
	size_t i, found = 0;
	struct table t;
	table_begin(&t, h, W_PARTNERS, columns);
	json_array_foreach(partners, i, partner) {
		if (sought.len > 0 && !is_sought(partner, sought)) {
			continue;
		}
		if (++found <= SHOWN_MAX) {
			struct summary s = sum(all, partner);
			list_row(&t, partner, &s, v->now_s);
		}
	}
	table_end(&t);
	if (found == 0) {
		html_put(h, "<p>%i</p>", W_NOTHING_FOUND);
	} else if (found > SHOWN_MAX) {
		char shown[24], of[24];
		snprintf(shown, sizeof(shown), "%d", SHOWN_MAX);
		snprintf(of, sizeof(of), "%zu", found);
		html_put(h, "<p>");
		html_say(h, W_ONLY_SHOWN, shown, of);
		html_put(h, "</p>");
	}
	json_decref(all);
}

int page_partners(const struct panel_view *v, struct panel_page *page)
{
	struct html h;
	const json_t *partners = answer_list(view_result(v, 0), "partners");
	layout_begin(&h, v, page->out, PLACE_PARTNERS, W_PARTNERS, NULL);
	layout_done(&h, v);
	if (!layout_error(&h, v, 0)) {
		html_put(&h, "<form class=\"inline\" role=\"search\">");
		form_input(&h, "q", W_SEARCH, field_get(v->request, "q"), W_NONE);
		form_button(&h, W_SEARCH);
		if (view_may_change(v)) {
			html_put(&h, "<p class=\"actions\"><a class=\"button main\" href=\"/partners/new\">%i</a></p>", W_PARTNER_NEW);
		}
		if (json_array_size(partners) == 0) {
			html_put(&h, "<p>%i</p>", W_NO_PARTNERS);
		} else {
			list(&h, v, partners);
		}
	}
	return layout_end(&h);
}

/* ---- one partner ---- */

int asks_partner(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	struct xfed_span domain = path_part(r, 1);
	json_t *show = json_pack("{s:s%}", "domain", domain.data, domain.len),
	       *failed = json_pack("{s:s%, s:i}", "partner", domain.data, domain.len, "limit", 10);
	out[0] = (struct panel_ask){ "partner", "show", show };
	out[1] = (struct panel_ask){ "failures", "list", failed };
	*count = 2;
	return show && failed ? XFED_OK : XFED_ERR_NOMEM;
}

static void put_list(struct html *h, enum panel_word name, const json_t *items)
{
	size_t i;
	json_t *item;
	if (json_array_size(items) == 0) {
		return;
	}
	fact_begin(h, name);
	json_array_foreach(items, i, item) {
		html_put(h, i > 0 ? ", %s" : "%s", json_string_value(item));
	}
	fact_end(h);
}

static void put_matrix(struct html *h, const json_t *matrix)
{
	fact_begin(h, W_METHODS);
	partner_methods(h, matrix);
	html_put(h, " <span class=\"quiet\">(");
	char row[24];
	snprintf(row, sizeof(row), "%lld", (long long)answer_int(matrix, "row"));
	html_say(h, W_ROW, row, NULL);
	html_put(h, ")</span>");
	if (*answer_str(matrix, "problem")) {
		html_put(h, "<br>");
		layout_mark(h, MARK_WARNING, W_WARNING);
		html_put(h, " ");
		html_said(h, answer_str(matrix, "problem"));
	}
	fact_end(h);
}

static void put_settings(struct html *h, const json_t *p)
{
	const json_t *limits = json_object_get(p, "limits");
	char size[32];
	int64_t bytes = answer_int(limits, "stanza_size");
	facts_begin(h);
	fact(h, W_KEY_DESCRIPTION, answer_str(p, "description"));
	put_list(h, W_KEY_ADDITIONAL_DOMAINS, answer_list(p, "additional_domains"));
	fact(h, W_KEY_PARTNER_TYPE, answer_str(p, "partner_type"));
	fact(h, W_KEY_TLS, answer_str(p, "tls"));
	fact(h, W_KEY_SASL, answer_str(p, "sasl"));
	fact_begin(h, W_KEY_DIALBACK);
	html_put(h, "%i", answer_is(p, "dialback") ? W_YES : W_NO);
	fact_end(h);
	put_matrix(h, json_object_get(p, "matrix"));
	fact(h, W_KEY_CONNECT_TO, answer_str(p, "connect_to"));
	put_list(h, W_KEY_KINDS, answer_list(p, "kinds"));
	fact_begin(h, W_LIMITS);
	html_put(h, "%i: %lld; %i: %lld; %i: %s", W_KEY_CONNECTIONS, (long long)answer_int(limits, "connections"), W_KEY_STANZAS,
		(long long)answer_int(limits, "stanzas_per_second"), W_KEY_STANZA_SIZE,
		rt_conf_number_text(RT_CONF_SIZE, bytes > 0 ? (uint64_t)bytes : 0, size));
	fact_end(h);
	facts_end(h);
}

static void actions(struct html *h, const struct panel_view *v, const json_t *p)
{
	const char *domain = answer_str(p, "domain");
	bool is_off = json_is_false(json_object_get(p, "enabled"));
	html_put(h, "<div class=\"actions\"><a class=\"button main\" href=\"/partners/%-s/check\">%i</a>", domain, W_CHECK_NOW);
	if (view_may_change(v)) {
		html_put(h, "<a class=\"button\" href=\"/partners/%-s/edit\">%i</a>", domain, W_EDIT);
		html_put(h, "<form method=\"post\" action=\"/partners/%-s/enabled\">", domain);
		form_token(h, v);
		form_hidden(h, "enabled", xfed_span_str(is_off ? "true" : "false"));
		html_put(
			h, "<button>%i</button></form><form method=\"post\" action=\"/partners/%-s/remove\">", is_off ? W_ENABLE : W_DISABLE, domain);
		form_token(h, v);
		html_put(h, "<button class=\"danger\">%i</button></form>", W_REMOVE);
	}
	html_put(h, "</div>\n");
}

int page_partner(const struct panel_view *v, struct panel_page *page)
{
	struct html h;
	const json_t *p = view_result(v, 0), *streams = answer_list(p, "streams"), *failures = answer_list(view_result(v, 1), "failures");
	struct summary s = { .streams = (int64_t)json_array_size(streams), .failure = json_array_get(failures, 0) };
	layout_begin(&h, v, page->out, PLACE_PARTNERS, W_PARTNER, *answer_str(p, "domain") ? answer_str(p, "domain") : NULL);
	layout_done(&h, v);
	if (layout_error(&h, v, 0)) {
		page->status = 404;
		return layout_end(&h);
	}
	html_put(&h, "<p>");
	put_state(&h, p, &s);
	html_put(&h, "</p>");
	actions(&h, v, p);
	put_settings(&h, p);
	html_put(&h, "<h2>%i</h2>", W_STREAMS);
	stream_table(&h, streams);
	html_put(&h, "<h2>%i</h2>", W_FAILURES);
	failure_tables(&h, failures);
	return layout_end(&h);
}

/* ---- the check ---- */

int asks_partner_check(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	struct xfed_span domain = path_part(r, 1);
	out[0] = (struct panel_ask){ "partner", "check", json_pack("{s:s%}", "domain", domain.data, domain.len) };
	*count = 1;
	return out[0].args ? XFED_OK : XFED_ERR_NOMEM;
}

static void put_methods_tried(struct html *h, const json_t *methods)
{
	static const enum panel_word columns[] = { W_METHOD, W_ALLOWED, W_WORKS, W_REASON, W_NONE };
	size_t i;
	json_t *m;
	struct table t;
	if (json_array_size(methods) == 0) {
		return;
	}
	table_begin(&t, h, W_METHODS, columns);
	json_array_foreach(methods, i, m) {
		const json_t *works = json_object_get(m, "works");
		table_row(&t);
		table_cell(&t);
		html_put(h, "%s", answer_str(m, "method"));
		table_cell(&t);
		html_put(h, "%i", answer_is(m, "allowed") ? W_YES : W_NO);
		table_cell(&t);
		html_put(h, "%i", !works ? W_NOT_TRIED : json_is_true(works) ? W_YES : W_NO);
		table_cell(&t);
		layout_reason(h, answer_str(m, "reason"));
	}
	table_end(&t);
}

int page_partner_check(const struct panel_view *v, struct panel_page *page)
{
	struct html h;
	const json_t *r = view_result(v, 0);
	struct xfed_span part = path_part(v->request, 1);
	char domain[1024];
	snprintf(domain, sizeof(domain), "%.*s", (int)part.len, part.data ? part.data : "");
	layout_begin(&h, v, page->out, PLACE_PARTNERS, W_CHECK, domain);
	html_put(&h,
		"<p class=\"actions\"><a class=\"button\" href=\"/partners/%-s/check\">%i</a><a class=\"button\" href=\"/partners/%-s\">%i</a></p>",
		domain, W_CHECK_AGAIN, domain, W_PARTNER);
	if (!layout_error(&h, v, 0)) {
		bool is_fine = answer_is(r, "ok");
		html_put(&h, "<div class=\"box %s\" role=\"status\"><p>%i</p></div>\n", is_fine ? "ok" : "problem",
			is_fine ? W_CHECK_FINE : W_CHECK_PROBLEM);
		step_table(&h, answer_list(r, "steps"), W_STEPS);
		put_methods_tried(&h, answer_list(r, "methods"));
		facts_begin(&h);
		fact(&h, W_EDGE, answer_str(r, "edge"));
		fact(&h, W_OUR_DOMAIN, answer_str(r, "local"));
		fact(&h, W_TLS_VERSION, answer_str(r, "tls"));
		fact(&h, W_CIPHER, answer_str(r, "cipher"));
		facts_end(&h);
	}
	return layout_end(&h);
}
