#include "panel/change.h"

#include "xfed/limits.h"
#include "xfed/rt/command.h"

enum change_step change_step(const struct panel_request *r)
{
	return field_is(r, "step", "save") ? CHANGE_SAVE : field_is(r, "step", "back") ? CHANGE_BACK : CHANGE_TRY;
}

int change_ask(const struct panel_request *r, struct panel_ask *out, const char *noun, const char *verb, json_t *args)
{
	json_t *all = args ? json_pack("{s:s, s:s, s:o}", "noun", noun, "verb", verb, "args", args) : NULL;
	if (!all) {
		return XFED_ERR_NOMEM;
	}
	if (change_step(r) != CHANGE_SAVE) {
		json_object_set_new(all, "dry-run", json_true());
	}
	json_t *expect = field_json(r, "expect");
	if (expect) {
		json_object_set_new(all, "expect", expect);
	}
	*out = (struct panel_ask){ "change", "carry", all };
	return XFED_OK;
}

enum change_outcome change_outcome(const struct panel_view *v, size_t n)
{
	const json_t *result = view_result(v, n);
	if (!result || !answer_is(result, "ok")) {
		return CHANGE_REFUSED;
	}
	bool is_same = !answer_is(result, "changed");
	return answer_is(result, "saved") || (is_same && change_step(v->request) == CHANGE_SAVE) ? CHANGE_SAVED : CHANGE_TRIED;
}

static void list(struct html *h, const json_t *texts, const char *box, enum panel_word title)
{
	size_t i;
	json_t *text;
	if (json_array_size(texts) == 0) {
		return;
	}
	html_put(h, "<div class=\"box %s\"><p><strong>%i</strong></p><ul>", box, title);
	json_array_foreach(texts, i, text) {
		html_put(h, "<li>");
		html_said(h, json_is_string(text) ? json_string_value(text) : answer_str(text, "text"));
		html_put(h, "</li>");
	}
	html_put(h, "</ul></div>\n");
}

static void put_command(struct html *h, struct xfed_span command)
{
	html_put(h, "<details><summary>%i</summary><pre>%.*s</pre></details>\n", W_COMMAND_INSTEAD, (int)command.len, command.data);
}

/* What stands in a request for a change, as people type it; whoever carries out a change tells it, and may not be there. */
static void put_typed(struct html *h, const struct panel_ask *ask)
{
	const json_t *args = json_object_get(ask->args, "args");
	char error[160];
	struct xfed_buf text;
	xfed_buf_init(&text, XFED_PANEL_FORM_BYTES);
	for (size_t i = 0; i < RT_COMMAND_COUNT; i++) {
		const struct rt_command *c = &rt_commands[i];
		bool is_meant = strcmp(c->noun, answer_str(ask->args, "noun")) == 0 && strcmp(c->verb, answer_str(ask->args, "verb")) == 0;
		if (is_meant && rt_command_check(c, args, error) && rt_command_typed(c, args, &text) == XFED_OK) {
			put_command(h, xfed_buf_span(&text));
		}
	}
	xfed_buf_deinit(&text);
}

void change_refusal(struct html *h, const struct panel_view *v, size_t n, change_asks_fn *asks)
{
	const json_t *result = view_result(v, n), *answer = n < v->result_count ? v->results[n] : NULL, *error = json_object_get(answer, "error");
	if (!result) {
		html_put(h, "<div class=\"box problem\" role=\"alert\"><p><strong>%i</strong> ", W_NOTHING_SAVED);
		html_said(h, answer_str(error, "text"));
		html_put(h, "</p></div>\n");
	}
	if (json_array_size(answer_list(result, "errors")) > 0) {
		html_put(h, "<div role=\"alert\">");
		list(h, answer_list(result, "errors"), "problem", W_NOTHING_SAVED);
		html_put(h, "</div>");
	}
	struct panel_ask asked[PANEL_ASKS_MAX];
	size_t count = 0;
	asks(v->request, asked, &count);
	if (n < count) {
		put_typed(h, &asked[n]);
	}
	for (size_t i = 0; i < count; i++) {
		json_decref(asked[i].args);
	}
}

/* Lines with - and + behind "@@ line N". A word stands beside the colour for who does not see it. */
static void diff(struct html *h, const char *text)
{
	struct xfed_span rest = xfed_span_str(text);
	html_put(h, "<pre>");
	while (rest.len > 0) {
		struct xfed_span line = xfed_span_cut(&rest, '\n');
		char first = line.len > 0 ? line.data[0] : ' ';
		if (first == '+') {
			html_put(h, "<ins>%.*s</ins>", (int)line.len, line.data);
		} else if (first == '-') {
			html_put(h, "<del>%.*s</del>", (int)line.len, line.data);
		} else {
			html_put(h, "%.*s\n", (int)line.len, line.data);
		}
	}
	html_put(h, "</pre>\n");
}

/* The fields of the form once more, but for those that each page makes itself. */
static void repeat_fields(struct html *h, const struct panel_request *r)
{
	static const char *const own[] = { "csrf", "step", "expect" };
	for (size_t i = 0; i < r->field_count; i++) {
		bool is_own = false;
		for (size_t n = 0; n < XFED_ARRAY_LEN(own); n++) {
			is_own = is_own || xfed_span_is(r->fields[i].name, own[n]);
		}
		if (!is_own) {
			html_put(h, "<input type=\"hidden\" name=\"%.*s\" value=\"%.*s\">", (int)r->fields[i].name.len, r->fields[i].name.data,
				(int)r->fields[i].value.len, r->fields[i].value.data);
		}
	}
}

static void buttons(struct html *h, const struct panel_view *v, const json_t *result, bool has_form, const char *cancel, struct xfed_span name)
{
	html_put(h, "<form method=\"post\" class=\"actions\">");
	form_token(h, v);
	form_hidden(h, "expect", xfed_span_str(answer_str(result, "hash")));
	repeat_fields(h, v->request);
	if (answer_is(result, "changed")) {
		html_put(h, "<button class=\"main\" name=\"step\" value=\"save\">%i</button>", W_SAVE);
	}
	if (has_form) {
		html_put(h, "<button name=\"step\" value=\"back\">%i</button>", W_BACK_TO_FORM);
	}
	html_put(h, "<a class=\"button\" href=\"%s%-.*s\">%i</a></form>\n", cancel, (int)name.len, name.data, W_CANCEL);
}

void change_trial(struct html *h, const struct panel_view *v, size_t n, bool has_form, const char *cancel, struct xfed_span name)
{
	const json_t *result = view_result(v, n);
	html_put(h, "<p>%i</p>", answer_is(result, "changed") ? W_TRIAL : W_TRIAL_SAME);
	if (answer_is(result, "changed")) {
		html_put(h, "<h2>%i</h2><p><code>%s</code></p>", W_WHAT_CHANGES, answer_str(result, "file"));
		diff(h, answer_str(result, "diff"));
	}
	list(h, answer_list(result, "warnings"), "warning", W_WARNINGS);
	list(h, answer_list(result, "effects"), "plain", W_EFFECTS);
	list(h, answer_list(result, "notes"), "plain", W_NOTES);
	buttons(h, v, result, has_form, cancel, name);
	if (*answer_str(result, "command")) {
		put_command(h, xfed_span_str(answer_str(result, "command")));
	}
}

void change_page(struct html *h, const struct panel_view *v, size_t n, const char *cancel, struct xfed_span name, change_asks_fn *asks)
{
	if (change_outcome(v, n) == CHANGE_TRIED) {
		change_trial(h, v, n, false, cancel, name);
		return;
	}
	change_refusal(h, v, n, asks);
	html_put(h, "<p><a class=\"button\" href=\"%s%-.*s\">%i</a></p>\n", cancel, (int)name.len, name.data, W_BACK);
}
