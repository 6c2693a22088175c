/* Attempts that failed, with their steps and certificates. */
#include "panel/pages.h"

#include <stdio.h>

static bool is_proved(const json_t *f)
{
	return !json_is_false(json_object_get(f, "proved"));
}

static bool is_in(const json_t *f)
{
	return strcmp(answer_str(f, "direction"), "in") == 0;
}

/* ---- tables ---- */

static void put_row(struct table *t, const json_t *f, bool proved)
{
	struct html *h = t->h;
	table_row(t);
	table_cell(t);
	html_put(h, "<a href=\"/failures/%lld\">%lld</a>", (long long)answer_int(f, "id"), (long long)answer_int(f, "id"));
	table_cell(t);
	html_time(h, answer_int(f, "last"));
	if (answer_int(f, "count") > 1) {
		html_put(h, " <span class=\"quiet\">(%lld×)</span>", (long long)answer_int(f, "count"));
	}
	if (!proved) {
		table_cell(t);
		html_put(h, "%s", answer_str(f, "network"));
	}
	table_cell(t);
	html_put(h, is_in(f) ? "%s ← %s" : "%s → %s", answer_str(f, "local"), answer_str(f, "remote"));
	table_cell(t);
	layout_reason(h, answer_str(f, "reason"));
	if (*answer_str(f, "text")) {
		html_put(h, "<br><span class=\"quiet\">%s</span>", answer_str(f, "text"));
	}
	table_cell(t);
	layout_side(h, answer_str(f, "side"));
}

static size_t put_rows(struct html *h, const json_t *list, bool proved)
{
	static const enum panel_word ours[] = { W_NUMBER, W_LAST_SEEN, W_FROM_TO, W_REASON, W_AT_FAULT, W_NONE };
	static const enum panel_word theirs[] = { W_NUMBER, W_LAST_SEEN, W_NETWORK, W_FROM_TO, W_REASON, W_AT_FAULT, W_NONE };
	struct table t;
	size_t i, rows = 0;
	json_t *f;
	json_array_foreach(list, i, f) {
		rows += is_proved(f) == proved;
	}
	if (rows > 0) {
		table_begin(&t, h, proved ? W_FAILURES : W_FAILURES_STRANGERS, proved ? ours : theirs);
		json_array_foreach(list, i, f) {
			if (is_proved(f) == proved) {
				put_row(&t, f, proved);
			}
		}
		table_end(&t);
	}
	return rows;
}

void failure_tables(struct html *h, const json_t *failures)
{
	size_t rows = put_rows(h, failures, true);
	rows += put_rows(h, failures, false);
	if (rows == 0) {
		html_put(h, "<p>%i</p>", W_NO_FAILURES);
	}
}

/* ---- the list ---- */

int asks_failures(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	json_t *args = json_pack("{s:i}", "limit", 50), *partner = field_json(r, "partner");
	json_int_t before = field_number(r, "before");
	if (partner) {
		json_object_set_new(args, "partner", partner);
	}
	if (before > 0) {
		json_object_set_new(args, "before", json_integer(before));
	}
	out[0] = (struct panel_ask){ "failures", "list", args };
	*count = 1;
	return args ? XFED_OK : XFED_ERR_NOMEM;
}

int page_failures(const struct panel_view *v, struct panel_page *page)
{
	struct html h;
	const json_t *result = view_result(v, 0);
	struct xfed_span partner = field_get(v->request, "partner");
	layout_begin(&h, v, page->out, PLACE_FAILURES, W_FAILURES, NULL);
	html_put(&h, "<p>%i</p><form class=\"inline\">", W_FAILURES_HELP);
	form_input(&h, "partner", W_PARTNER_DOMAIN, partner, W_NONE);
	form_button(&h, W_SHOW);
	if (!layout_error(&h, v, 0)) {
		failure_tables(&h, answer_list(result, "failures"));
		if (json_object_get(result, "next")) {
			html_put(&h, "<p><a class=\"button\" href=\"/failures?partner=%-.*s&amp;before=%lld\">%i</a></p>", (int)partner.len,
				partner.data, (long long)answer_int(result, "next"), W_OLDER);
		}
	}
	return layout_end(&h);
}

/* ---- one ---- */

static int ask_one(const struct panel_request *r, struct panel_ask out[], size_t *count, const char *verb)
{
	out[0] = (struct panel_ask){ "failures", verb, json_pack("{s:I}", "id", path_number(r, 1)) };
	*count = 1;
	return out[0].args ? XFED_OK : XFED_ERR_NOMEM;
}

int asks_failure(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	return ask_one(r, out, count, "show");
}

int asks_failure_retry(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	return ask_one(r, out, count, "retry");
}

static void put_list(struct html *h, enum panel_word name, const json_t *list)
{
	size_t i;
	json_t *s;
	fact_begin(h, name);
	if (json_array_size(list) == 0) {
		html_put(h, "%i", W_NOTHING);
	}
	json_array_foreach(list, i, s) {
		html_put(h, i > 0 ? "<br>%s" : "%s", json_string_value(s));
	}
	fact_end(h);
}

static void put_head(struct html *h, const json_t *f)
{
	html_put(h, "<div class=\"box problem\"><p><strong>");
	layout_reason(h, answer_str(f, "reason"));
	html_put(h, "</strong> · %i: ", W_AT_FAULT);
	layout_side(h, answer_str(f, "side"));
	html_put(h, "</p>");
	if (*answer_str(f, "remedy")) {
		layout_remedy(h, answer_str(f, "reason"));
	} else {
		html_put(h, "<p>%i</p>", W_NEWER_REASON);
	}
	html_put(h, "</div>\n");
}

static void put_facts(struct html *h, const json_t *f)
{
	size_t i;
	json_t *item;
	facts_begin(h);
	fact_begin(h, W_FROM_TO);
	html_put(h, is_in(f) ? "%s ← %s" : "%s → %s", answer_str(f, "local"), answer_str(f, "remote"));
	fact_end(h);
	fact_time(h, W_LAST_SEEN, answer_int(f, "last"));
	if (answer_int(f, "count") > 1) {
		fact_begin(h, W_TIMES);
		html_put(h, "%lld, ", (long long)answer_int(f, "count"));
		html_put(h, "%i ", W_SINCE);
		html_time(h, answer_int(f, "at"));
		fact_end(h);
	}
	if (!is_proved(f)) {
		fact_begin(h, W_PROVED);
		html_put(h, "%i", W_PROVED_NOTHING);
		fact_end(h);
		fact(h, W_NETWORK, answer_str(f, "network"));
		put_list(h, W_NAMES_CLAIMED, answer_list(f, "names"));
	}
	fact(h, W_EDGE, answer_str(f, "edge"));
	fact(h, W_WHAT_WAS_SAID, answer_str(f, "text"));
	fact(h, W_CORRELATION, answer_str(f, "correlation"));
	json_array_foreach(answer_list(f, "facts"), i, item) {
		html_put(h, "<div><dt lang=\"en\">%s</dt><dd>%s</dd></div>", answer_str(item, "name"), answer_str(item, "value"));
	}
	facts_end(h);
}

static void put_certificate(struct html *h, const json_t *c, size_t number, size_t count)
{
	char n[24], of[24];
	snprintf(n, sizeof(n), "%zu", number);
	snprintf(of, sizeof(of), "%zu", count);
	html_put(h, "<h3>");
	html_say(h, W_CERTIFICATE_OF, n, of);
	html_put(h, "</h3>");
	facts_begin(h);
	fact(h, W_SUBJECT, answer_str(c, "subject"));
	fact(h, W_ISSUER, answer_str(c, "issuer"));
	fact_time(h, W_VALID_FROM, answer_int(c, "not_before"));
	fact_time(h, W_VALID_UNTIL, answer_int(c, "not_after"));
	put_list(h, W_NAMES, answer_list(c, "names"));
	put_list(h, W_KEY_USAGE, answer_list(c, "eku"));
	fact(h, W_SERIAL, answer_str(c, "serial"));
	fact(h, W_SHA256, answer_str(c, "sha256"));
	facts_end(h);
}

int page_failure(const struct panel_view *v, struct panel_page *page)
{
	struct html h;
	size_t i;
	json_t *c;
	const json_t *f = view_result(v, 0), *chain = answer_list(f, "chain");
	layout_begin(&h, v, page->out, PLACE_FAILURES, W_FAILURE, *answer_str(f, "remote") ? answer_str(f, "remote") : NULL);
	layout_done(&h, v);
	if (layout_error(&h, v, 0)) {
		page->status = 404;
		return layout_end(&h);
	}
	put_head(&h, f);
	if (view_may_change(v) && !is_in(f)) {
		html_put(&h, "<form class=\"actions\" method=\"post\" action=\"/failures/%lld/retry\">", (long long)answer_int(f, "id"));
		form_token(&h, v);
		html_put(&h, "<button class=\"main\">%i</button></form>", W_RETRY);
	}
	put_facts(&h, f);
	step_table(&h, answer_list(f, "steps"), W_STEPS);
	if (json_array_size(chain) > 0) {
		html_put(&h, "<h2>%i</h2>", W_CHAIN);
	}
	json_array_foreach(chain, i, c) {
		put_certificate(&h, c, i + 1, json_array_size(chain));
	}
	if (answer_is(f, "unreadable")) {
		html_put(&h, "<p>%i</p>", W_UNREADABLE);
	}
	return layout_end(&h);
}

int page_failure_retry(const struct panel_view *v, struct panel_page *page)
{
	if (view_result(v, 0)) {
		return page_go(page, "/failures/", path_part(v->request, 1), "?done=retried");
	}
	return page_did(v, page, PLACE_FAILURES, W_RETRY, "/failures");
}

/* ---- steps of anything ---- */

static enum layout_mark mark_of(const json_t *s, enum panel_word *word)
{
	const char *state = answer_str(s, "state");
	if (strcmp(state, "note") == 0) {
		*word = W_NOTE;
		return MARK_WARNING;
	}
	if (strcmp(state, "skipped") == 0) {
		*word = W_SKIPPED;
		return MARK_PLAIN;
	}
	if (strcmp(state, "closed") == 0) {
		*word = W_CLOSED;
		return MARK_PROBLEM;
	}
	bool is_fine = *state ? strcmp(state, "ok") == 0 : answer_is(s, "ok");
	*word = is_fine ? W_FINE : W_PROBLEM;
	return is_fine ? MARK_OK : MARK_PROBLEM;
}

static void put_step(struct table *t, const json_t *s, bool has_times)
{
	struct html *h = t->h;
	enum panel_word word;
	enum layout_mark mark = mark_of(s, &word);
	table_row(t);
	table_cell(t);
	html_said(h, *answer_str(s, "step") ? answer_str(s, "step") : answer_str(s, "gate"));
	if (has_times) {
		table_cell(t);
		html_put(h, "%lld&nbsp;ms", (long long)answer_int(s, "at_ms"));
	}
	table_cell(t);
	layout_mark(h, mark, word);
	table_cell(t);
	html_said(h, *answer_str(s, "text") ? answer_str(s, "text") : answer_str(s, "detail"));
	if (*answer_str(s, "reason") && mark != MARK_OK) {
		html_put(h, " ");
		layout_reason(h, answer_str(s, "reason"));
		layout_remedy(h, answer_str(s, "reason"));
	}
}

void step_table(struct html *h, const json_t *steps, enum panel_word caption)
{
	static const enum panel_word timed[] = { W_STEP, W_AT_MS, W_STATE, W_FOUND, W_NONE };
	static const enum panel_word plain[] = { W_STEP, W_STATE, W_FOUND, W_NONE };
	bool has_times = json_object_get(json_array_get(steps, 0), "at_ms");
	struct table t;
	size_t i;
	json_t *s;
	if (json_array_size(steps) == 0) {
		return;
	}
	table_begin(&t, h, caption, has_times ? timed : plain);
	json_array_foreach(steps, i, s) {
		put_step(&t, s, has_times);
	}
	table_end(&t);
}
