/* The panel's pages: every one in both languages, for who may change and who may look, with answers as they are, hostile ones, and none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "html_check.h"
#include "panel/graph.h"
#include "panel/assets.h"
#include "panel/form.h"
#include "panel/page_own.h"
#include "panel/route.h"
#include "panel_samples.h"
#include "policy/partner_file.h"
#include "xfed/rt/command.h"

#define PAGE_BYTES (1024 * 1024)
#define HOSTILE	   "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&\x01\xe2\x80\xae"

/* ---- one page ---- */

struct shown {
	struct xfed_buf out;
	struct panel_page page;
	int rc;
	struct panel_ask asks[PANEL_ASKS_MAX];
	size_t ask_count;
};

struct world {
	enum panel_language language;
	enum panel_role role;
	json_t *(*answer)(const struct panel_ask *ask);
};

/* One sample for each ten seconds; in some nothing was delivered. */
static json_t *traffic(void)
{
	json_t *samples = json_array();
	for (int i = 0; i < 360; i++) {
		json_t *s = json_pack("{s:I, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "at", (json_int_t)1700000000 + i * 10, "to_sip", i % 37, "to_xmpp",
			i % 41, "presence_to_sip", i % 7, "presence_to_xmpp", i % 5, "refused", 0, "streams_in", 5, "streams_out", 4);
		if (i % 60 > 5) {
			json_object_set_new(s, "p50_ms", json_real(12.5));
			json_object_set_new(s, "p99_ms", json_real(40.0 + i % 9));
		}
		json_array_append_new(samples, s);
	}
	return json_pack("{s:i, s:o}", "every_s", 10, "samples", samples);
}

static const struct panel_sample *sample_of(const struct panel_ask *ask)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(panel_samples); i++) {
		if (strcmp(panel_samples[i].noun, ask->noun) == 0 && strcmp(panel_samples[i].verb, ask->verb) == 0) {
			return &panel_samples[i];
		}
	}
	fail_msg("there is no sample for %s %s", ask->noun, ask->verb);
	return NULL;
}

static json_t *sample(const struct panel_ask *ask)
{
	json_error_t error;
	const struct panel_sample *s = sample_of(ask);
	json_t *result = s->result ? json_loads(s->result, 0, &error) : traffic();
	if (!result) {
		fail_msg("%s %s: %s at %d", ask->noun, ask->verb, error.text, error.position);
	}
	return json_pack("{s:b, s:o}", "ok", 1, "result", result);
}

static json_t *poison(const json_t *from)
{
	const char *key;
	json_t *value, *copy;
	size_t i;
	if (json_is_string(from)) {
		return json_string(HOSTILE);
	}
	if (json_is_object(from)) {
		copy = json_object();
		json_object_foreach((json_t *)(uintptr_t)from, key, value) {
			/* what chooses among words stays, so that each branch is still seen */
			bool is_choice = strcmp(key, "scope") == 0 || strcmp(key, "watcher") == 0 || strcmp(key, "state") == 0 ||
					 strcmp(key, "direction") == 0;
			json_object_set_new(copy, key, is_choice ? json_deep_copy(value) : poison(value));
		}
		return copy;
	}
	if (json_is_array(from)) {
		copy = json_array();
		json_array_foreach(from, i, value) {
			json_array_append_new(copy, poison(value));
		}
		return copy;
	}
	return json_deep_copy(from);
}

static json_t *hostile(const struct panel_ask *ask)
{
	json_t *fine = sample(ask), *bad = poison(fine);
	json_decref(fine);
	return bad;
}

static json_t *refused(const struct panel_ask *ask)
{
	(void)ask;
	return json_pack("{s:b, s:{s:s, s:s, s:s}}", "ok", 0, "error", "code", "failed", "text", HOSTILE, "command", HOSTILE);
}

static json_t *nothing(const struct panel_ask *ask)
{
	(void)ask;
	return NULL;
}

static void show(struct shown *s, const struct panel_route *route, struct panel_request *r, const struct world *w)
{
	char memory[512];
	json_t *results[PANEL_ASKS_MAX] = { NULL };
	struct panel_viewer viewer = { w->answer == hostile ? HOSTILE : "alice", w->role, "token" };
	*s = (struct shown){ .page = { .status = 200, .type = "text/html; charset=utf-8" } };
	assert_int_equal(panel_route_split(r, memory), XFED_OK);
	r->language = w->language;
	assert_int_equal(route->asks(r, s->asks, &s->ask_count), XFED_OK);
	for (size_t i = 0; i < s->ask_count; i++) {
		results[i] = w->answer(&s->asks[i]);
	}
	struct panel_view v = {
		.request = r, .viewer = &viewer, .gateway = "gw1", .now_s = 1700000000, .results = results, .result_count = s->ask_count
	};
	xfed_buf_init(&s->out, PAGE_BYTES);
	s->page.out = &s->out;
	s->rc = route->render(&v, &s->page);
	for (size_t i = 0; i < s->ask_count; i++) {
		json_decref(results[i]);
	}
}

static void shown_free(struct shown *s)
{
	xfed_buf_deinit(&s->out);
	for (size_t i = 0; i < s->ask_count; i++) {
		json_decref(s->asks[i].args);
	}
}

static bool has(const struct shown *s, const char *text)
{
	struct xfed_span all = xfed_buf_span(&s->out);
	return memmem(all.data, all.len, text, strlen(text)) != NULL;
}

static void must_have(const struct shown *s, const char *text)
{
	if (!has(s, text)) {
		fail_msg("not in the page: %s\n%.*s", text, (int)xfed_buf_len(&s->out), xfed_buf_span(&s->out).data);
	}
}

/* A path for a route: each star a name. */
static const char *path_of(const struct panel_route *route, char out[256])
{
	size_t n = 0;
	for (const char *p = route->path; *p; p++) {
		n += (size_t)snprintf(out + n, 256 - n, *p != '*' ? "%c" : strncmp(route->path, "/failures", 9) == 0 ? "7" : "fabrikam.example", *p);
	}
	return out;
}

#define FIELD(name_, value_)                                                                                                                         \
	{                                                                                                                                            \
		{ "" name_, sizeof(name_) - 1 },                                                                                                     \
		{                                                                                                                                    \
			"" value_, sizeof(value_) - 1                                                                                                \
		}                                                                                                                                    \
	}
static const struct panel_field all_fields[] = {
	FIELD("user", "alice@example.com"),
	FIELD("contact", "bob@fabrikam.example"),
	FIELD("id", "7"),
	FIELD("from", "alice@example.com"),
	FIELD("to", "bob@fabrikam.example"),
	FIELD("q", "fabrikam"),
	FIELD("domain", "fabrikam.example"),
	FIELD("name", "FedPic"),
	FIELD("was.sasl", "optional"),
	FIELD("sasl", "required"),
};
static const struct panel_field hostile_fields[] = {
	FIELD("user", HOSTILE),
	FIELD("contact", HOSTILE),
	FIELD("id", HOSTILE),
	FIELD("from", HOSTILE),
	FIELD("to", HOSTILE),
	FIELD("q", HOSTILE),
	FIELD("domain", HOSTILE),
	FIELD("partner", HOSTILE),
	FIELD("state", HOSTILE),
	FIELD("was.description", HOSTILE),
	FIELD("description", HOSTILE "2"),
	FIELD("was.additional_domains", HOSTILE),
	FIELD("additional_domains", HOSTILE "," HOSTILE),
	FIELD("code", HOSTILE),
	FIELD("done", HOSTILE),
	FIELD(HOSTILE, HOSTILE),
};

static void each_page(
	const struct world *w, const struct panel_field *fields, size_t field_count, void (*check)(const struct panel_route *, const struct shown *))
{
	for (size_t i = 0; i < panel_route_count; i++) {
		char path[256];
		struct panel_request r = { .method = panel_routes[i].method,
			.path = xfed_span_str(path_of(&panel_routes[i], path)),
			.fields = fields,
			.field_count = field_count };
		struct shown s;
		show(&s, &panel_routes[i], &r, w);
		assert_ptr_equal(panel_route_find(&r), &panel_routes[i]);
		if (s.rc != XFED_OK) {
			fail_msg("%s: %d", path, s.rc);
		}
		check(&panel_routes[i], &s);
		shown_free(&s);
	}
}

static void is_sound(const struct panel_route *route, const struct shown *s)
{
	static struct html_check c;
	if (s->page.location[0]) {
		assert_true(s->page.location[0] == '/' && s->page.location[1] != '/');
		assert_null(strpbrk(s->page.location, "<>\"'\r\n "));
	} else if (strstr(s->page.type, "html") && !html_is_fine(&c, xfed_buf_span(&s->out))) {
		fail_msg("%s: %s", route->path, c.error);
	}
}

/* The check itself sees what it has to. */
static void the_check_sees(void **state)
{
	(void)state;
	static const char *const bad[] = { "<p>", "</p>", "<p><b></p></b>", "<p style=\"x\"></p>", "<p onclick=\"x\"></p>", "<iframe></iframe>",
		"<p class=x></p>", "a > b", "<a href=\"javascript:x\"></a>", "<a href=\"//x\"></a>", "<p class=\"<\"></p>", "<p" };
	static struct html_check c;
	for (size_t i = 0; i < XFED_ARRAY_LEN(bad); i++) {
		char text[256];
		snprintf(text, sizeof(text), "<!doctype html>%s", bad[i]);
		if (html_is_fine(&c, xfed_span_str(text))) {
			fail_msg("passed: %s", bad[i]);
		}
	}
	assert_true(html_is_fine(&c, XFED_SPAN("<!doctype html><p class=\"x\">a<br>&lt;</p>")));
}

static void every_page_is_sound(void **state)
{
	(void)state;
	static json_t *(*const answers[])(const struct panel_ask *) = { sample, hostile, refused, nothing };
	for (size_t a = 0; a < XFED_ARRAY_LEN(answers); a++) {
		for (int i = 0; i < 4; i++) {
			struct world w = { i & 1 ? PANEL_DE : PANEL_EN, i & 2 ? PANEL_ADMIN : PANEL_READER, answers[a] };
			each_page(&w, all_fields, XFED_ARRAY_LEN(all_fields), is_sound);
			each_page(&w, hostile_fields, XFED_ARRAY_LEN(hostile_fields), is_sound);
		}
	}
}

static void is_readable(const struct panel_route *route, const struct shown *s)
{
	if (route->method != PANEL_GET || route->role == PANEL_ADMIN || !strstr(s->page.type, "html")) {
		return;
	}
	struct xfed_span all = xfed_buf_span(&s->out);
	const char *post = memmem(all.data, all.len, "method=\"post\"", 13);
	assert_non_null(post); /* signing out */
	if (memmem(post + 1, all.len - (size_t)(post + 1 - all.data), "method=\"post\"", 13) || has(s, "/edit\"") || has(s, "/new\"")) {
		fail_msg("%s offers a change to who may only look", route->path);
	}
}

static void who_may_only_look_is_offered_no_change(void **state)
{
	(void)state;
	struct world w = { PANEL_EN, PANEL_READER, sample };
	each_page(&w, all_fields, XFED_ARRAY_LEN(all_fields), is_readable);
	for (size_t i = 0; i < panel_route_count; i++) {
		assert_true(panel_routes[i].method == PANEL_GET || panel_routes[i].role == PANEL_ADMIN);
	}
}

/* What the panel asks is a command with its arguments, as whoever types it has them. */
static void asks_are_commands(const struct panel_route *route, const struct shown *s)
{
	for (size_t i = 0; i < s->ask_count; i++) {
		bool is_found = false;
		if (strcmp(s->asks[i].noun, "change") == 0) { /* the server adds who asks */
			json_object_set_new(s->asks[i].args, "login", json_string("alice"));
			json_object_set_new(s->asks[i].args, "from", json_string("192.0.2.1"));
		}
		for (size_t n = 0; n < RT_COMMAND_COUNT && !is_found; n++) {
			const struct rt_command *c = &rt_commands[n];
			is_found =
				strcmp(c->noun, s->asks[i].noun) == 0 && strcmp(c->verb, s->asks[i].verb) == 0 && c->server != RT_COMMAND_OF_XFEDCTL;
			if (is_found && rt_command_missing(c, s->asks[i].args)) {
				fail_msg("%s: %s %s lacks %s", route->path, c->noun, c->verb, rt_command_missing(c, s->asks[i].args)->key);
			}
			if (is_found && c->changes && route->role != PANEL_ADMIN) {
				fail_msg("%s: %s %s is not for who may only look", route->path, c->noun, c->verb);
			}
		}
		if (!is_found) {
			fail_msg("%s: there is no %s %s", route->path, s->asks[i].noun, s->asks[i].verb);
		}
	}
}

static void every_ask_is_a_command(void **state)
{
	(void)state;
	struct world w = { PANEL_EN, PANEL_ADMIN, sample };
	each_page(&w, all_fields, XFED_ARRAY_LEN(all_fields), asks_are_commands);
}

/* ---- words ---- */

static void every_word_is_there_in_both(void **state)
{
	(void)state;
	for (int i = W_NONE + 1; i < PANEL_WORD_COUNT; i++) {
		const char *en = panel_word((enum panel_word)i, PANEL_EN), *de = panel_word((enum panel_word)i, PANEL_DE);
		bool same = !strstr(en, "{1}") == !strstr(de, "{1}") && !strstr(en, "{2}") == !strstr(de, "{2}");
		if (!*en || !*de || !same) {
			fail_msg("word %d: \"%s\", \"%s\"", i, en, de);
		}
	}
}

static const struct panel_route *route_of(enum panel_method m, const char *path, struct panel_request *r, char memory[512])
{
	*r = (struct panel_request){ .method = m, .path = xfed_span_str(path) };
	return panel_route_split(r, memory) == XFED_OK ? panel_route_find(r) : NULL;
}

static void the_first_page_is_small(void **state)
{
	(void)state;
	char memory[512];
	struct panel_request r;
	struct world w = { PANEL_DE, PANEL_ADMIN, sample };
	struct shown s;
	show(&s, route_of(PANEL_GET, "/", &r, memory), &r, &w);
	size_t all = xfed_buf_len(&s.out);
	for (int i = 0; i < PANEL_ASSET_COUNT; i++) {
		const struct panel_asset *a = panel_asset_find(xfed_span_str(panel_asset_path((enum panel_asset_id)i)));
		assert_non_null(a);
		all += a->data.len;
	}
	shown_free(&s);
	if (all > 60000) {
		fail_msg("the first page is %zu bytes in all", all);
	}
}

/* ---- paths ---- */

static void paths_lead_to_pages(void **state)
{
	(void)state;
	static const struct {
		const char *path;
		bool is_found;
	} rows[] = { { "/", true }, { "/partners", true }, { "/partners/", true }, { "/partners/new", true }, { "/partners/a%2eexample", true },
		{ "/partners/a/b", false }, { "/partners/%", false }, { "/partners/%00", false }, { "/partners/%ff", false },
		{ "/partners/%zz", false }, { "/partners//edit", false }, { "", false }, { "partners", false }, { "/a/b/c/d/e", false },
		{ "/logout", false }, { "/partners/%2", false }, { "/failures/7", true } };
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		char memory[512];
		struct panel_request r;
		if ((route_of(PANEL_GET, rows[i].path, &r, memory) != NULL) != rows[i].is_found) {
			fail_msg("%s", rows[i].path);
		}
	}
	char memory[512];
	struct panel_request r;
	assert_null(route_of(PANEL_GET, "/partners/a/remove", &r, memory));
	assert_non_null(route_of(PANEL_POST, "/partners/a%2fb/remove", &r, memory));
	assert_true(xfed_span_is(r.parts[1], "a/b"));
}

/* ---- overview ---- */

static void problems_come_first_with_their_remedy(void **state)
{
	(void)state;
	char memory[512];
	struct panel_request r;
	struct world w = { PANEL_EN, PANEL_READER, sample };
	struct shown s;
	show(&s, route_of(PANEL_GET, "/", &r, memory), &r, &w);
	struct xfed_span all = xfed_buf_span(&s.out);
	const char *problem = memmem(all.data, all.len, "fe.example.com:5061 cannot be connected to", 42),
		   *figures = memmem(all.data, all.len, "class=\"figure\"", 14);
	assert_true(problem && figures && problem < figures);
	must_have(&s, "href=\"#hops\"");
	must_have(&s, "href=\"/certificates\""); /* of the edge */
	must_have(&s, "<strong>edge1</strong>");
	must_have(&s, "asked, no answer yet"); /* a SIP server that nobody has needed: in the words of status, not "not needed" */
	shown_free(&s);
	w.language = PANEL_DE;
	show(&s, route_of(PANEL_GET, "/", &r, memory), &r, &w);
	must_have(&s, "Was nicht stimmt");
	must_have(&s, xfed_reason_remedy_in(XFED_REASON_TLS_OWN_EXPIRED, XFED_GERMAN));
	shown_free(&s);
}

/* ---- forms and changes ---- */

static void a_form_sets_what_was_changed(void **state)
{
	(void)state;
	static const struct panel_field fields[] = { FIELD("was.domain", "x.example"), FIELD("domain", "y.example"), FIELD("was.description", "old"),
		FIELD("description", ""), FIELD("was.sasl", "optional"), FIELD("sasl", "required"), FIELD("was.tls", "required"),
		FIELD("tls", "required"), FIELD("was.kinds", "message,presence,iq"), FIELD("kinds", "message"), FIELD("kinds", "iq"),
		FIELD("was.additional_domains", "a.example"), FIELD("additional_domains", "a.example\r\n b.example \r\n\r\n"),
		FIELD("dialback", "false"), FIELD("limits.connections", "7"), FIELD("was.limits.connections", "20") };
	struct panel_request r = { .fields = fields, .field_count = XFED_ARRAY_LEN(fields) };
	json_t *settings = form_settings(&r, &partner_file_table, "domain");
	char *text = json_dumps(settings, JSON_COMPACT);
	assert_string_equal(text,
		"[\"description=\",\"additional_domains=a.example,b.example\",\"sasl=required\",\"limits.connections=7\",\"kinds=message,iq\"]");
	free(text);
	json_decref(settings);
}

static void show_fields(struct shown *s, const char *path, const struct panel_field *fields, size_t n, json_t *(*answer)(const struct panel_ask *))
{
	char memory[512];
	struct panel_request r;
	struct world w = { PANEL_EN, PANEL_ADMIN, answer };
	const struct panel_route *route = route_of(fields ? PANEL_POST : PANEL_GET, path, &r, memory);
	r.fields = fields;
	r.field_count = n;
	show(s, route, &r, &w);
}

static json_t *saved(const struct panel_ask *ask)
{
	json_t *j = sample(ask);
	if (strcmp(ask->noun, "change") == 0) {
		json_object_set_new(json_object_get(j, "result"), "saved", json_true());
	}
	return j;
}

static json_t *invalid(const struct panel_ask *ask)
{
	json_t *j = sample(ask);
	if (strcmp(ask->noun, "change") == 0) {
		json_object_set_new(json_object_get(j, "result"), "ok", json_false());
		json_object_set_new(json_object_get(j, "result"), "errors", json_pack("[s]", "sasl: row 5 is invalid"));
	}
	return j;
}

static void a_change_is_tried_before_it_is_saved(void **state)
{
	(void)state;
	static const struct panel_field form[] = { FIELD("csrf", "token"), FIELD("was.sasl", "optional"), FIELD("sasl", "required") };
	static const struct panel_field again[] = { FIELD("csrf", "token"), FIELD("was.sasl", "optional"), FIELD("sasl", "required"),
		FIELD("expect", "0123abcd"), FIELD("step", "save") };
	struct shown s;
	show_fields(&s, "/partners/fabrikam.example/edit", form, 3, sample);
	assert_int_equal(s.ask_count, 2);
	assert_true(json_is_true(json_object_get(s.asks[1].args, "dry-run")));
	assert_null(json_object_get(s.asks[1].args, "expect"));
	must_have(&s, "<del>-sasl: optional</del><ins>+sasl: required</ins>");
	must_have(&s, "name=\"expect\" value=\"0123abcd\"");
	must_have(&s, "name=\"sasl\" value=\"required\"");
	must_have(&s, "1 stream is closed");
	must_have(&s, "value=\"save\"");
	shown_free(&s);
	show_fields(&s, "/partners/fabrikam.example/edit", again, 5, saved);
	assert_null(json_object_get(s.asks[1].args, "dry-run"));
	assert_string_equal(json_string_value(json_object_get(s.asks[1].args, "expect")), "0123abcd");
	assert_string_equal(s.page.location, "/partners/fabrikam.example?done=changed");
	shown_free(&s);
}

static void what_is_invalid_comes_back_with_what_was_typed(void **state)
{
	(void)state;
	static const struct panel_field form[] = { FIELD("was.tls", "required"), FIELD("tls", "not-supported"), FIELD("was.description", "a"),
		FIELD("description", "as typed") };
	struct shown s;
	show_fields(&s, "/partners/fabrikam.example/edit", form, 4, invalid);
	must_have(&s, "row 5 is invalid");
	must_have(&s, "value=\"not-supported\" checked");
	must_have(&s, "value=\"as typed\"");
	must_have(&s, "name=\"was.description\" value=\"a\"");
	assert_false(has(&s, "value=\"save\""));
	shown_free(&s);
}

static void without_a_writer_the_command_is_told(void **state)
{
	(void)state;
	static const struct panel_field form[] = { FIELD("was.sasl", "optional"), FIELD("sasl", "required"), FIELD("was.description", ""),
		FIELD("description", "it's <b>") };
	struct shown s;
	show_fields(&s, "/partners/fabrikam.example/edit", form, 4, refused);
	shown_free(&s);
	show_fields(&s, "/partners/fabrikam.example/remove", form, 4, refused);
	must_have(&s, "<pre>xfedctl partner remove fabrikam.example</pre>");
	shown_free(&s);
	show_fields(&s, "/partners/new", form, 4, refused);
	assert_false(has(&s, "<pre>")); /* it has no domain */
	shown_free(&s);
	show_fields(&s, "/partners/fabrikam.example/enabled", form, 4, refused);
	must_have(&s, "<pre>xfedctl partner set fabrikam.example enabled=true</pre>");
	shown_free(&s);
}

static void two_who_edit_one_partner_are_told(void **state)
{
	(void)state;
	static const struct panel_field form[] = { FIELD("was.sasl", "not-supported"), FIELD("sasl", "required"), FIELD("was.tls", "required"),
		FIELD("tls", "required") };
	struct shown s;
	show_fields(&s, "/partners/fabrikam.example/edit", form, 4, sample);
	must_have(&s, "<li><code>sasl</code>: <del>not-supported</del> <ins>optional</ins></li>");
	assert_false(has(&s, "<code>tls</code>: <del>"));
	shown_free(&s);
}

static void the_form_has_every_key_and_row(void **state)
{
	(void)state;
	static const char *const keys[] = { "description", "additional_domains", "partner_type", "tls", "sasl", "dialback", "connect_to", "keepalive",
		"limits.connections", "limits.stanzas_per_second", "limits.stanza_size", "kinds", "presence.meeting" };
	struct shown s;
	show_fields(&s, "/partners/fabrikam.example/edit", NULL, 0, sample);
	for (size_t i = 0; i < XFED_ARRAY_LEN(keys); i++) {
		char name[64];
		snprintf(name, sizeof(name), " name=\"%s\"", keys[i]);
		must_have(&s, name);
	}
	must_have(&s, "value=\"64KiB\"");
	must_have(&s, "\n*.it.fabrikam.example</textarea>");
	must_have(&s, "data-row=\"not-supported/required/false\" data-says=\"6: cannot be saved");
	must_have(&s, "data-row=\"required/optional/true\" data-says=\"7: Remain: certificate (EXTERNAL), dialback inside TLS\"");
	size_t rows = 0;
	struct xfed_span all = xfed_buf_span(&s.out);
	for (const char *p = all.data; (p = memmem(p, all.len - (size_t)(p - all.data), "data-row=", 9)); p++) {
		rows++;
	}
	assert_int_equal(rows, 18);
	shown_free(&s);
}

static void errors_are_told_in_german(void **state)
{
	(void)state;
	static const struct {
		const char *english, *html;
	} rows[] = {
		{ "/etc/x/a.yaml:3:1:sasl: row 5 of tls, sasl and dialback: certificate login (sasl) needs TLS, which is not supported",
			"/etc/x/a.yaml:3:1:sasl: Zeile 5 von tls, sasl und dialback: die Anmeldung mit Zertifikat (sasl) braucht TLS, das nicht "
			"unterstützt wird" },
		{ "/etc/x/a.yaml:3:1:name: a slip of the hand", "<span lang=\"en\">/etc/x/a.yaml:3:1:name: a slip of the hand</span>" },
		{ "the writer of files does not run, so that the panel cannot change any: xfedctl changes files as well; or start it: systemctl "
		  "start xfed-panel-writer",
			"der Dienst, der Dateien schreibt, läuft nicht, darum kann die Oberfläche keine ändern: xfedctl ändert Dateien ebenso; oder "
			"starten Sie ihn: "
			"systemctl start xfed-panel-writer" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_buf out;
		xfed_buf_init(&out, 4096);
		struct html h = { .out = &out, .language = PANEL_DE };
		html_said(&h, rows[i].english);
		assert_int_equal(h.rc, XFED_OK);
		char text[1024];
		snprintf(text, sizeof(text), "%.*s", (int)xfed_buf_len(&out), xfed_buf_span(&out).data);
		assert_string_equal(text, rows[i].html);
		xfed_buf_deinit(&out);
	}
}

/* ---- pages of the server itself ---- */

static void own_pages_are_sound(void **state)
{
	(void)state;
	static struct html_check c;
	json_error_t error;
	json_t *sessions = json_loads(
		"[{\"id\":1,\"name\":\"<b>\",\"role\":\"admin\",\"from\":\"192.0.2.1\",\"since\":1,\"used\":2,\"current\":true}]", 0, &error);
	for (int i = 0; i < 6; i++) {
		struct panel_request r = { .path = XFED_SPAN("/login"),
			.language = i & 1 ? PANEL_DE : PANEL_EN,
			.fields = hostile_fields,
			.field_count = XFED_ARRAY_LEN(hostile_fields) };
		struct panel_viewer viewer = { i < 2 ? "" : HOSTILE, i < 2 ? PANEL_NOBODY : PANEL_ADMIN, HOSTILE };
		struct panel_view v = { .request = &r, .viewer = &viewer, .gateway = "gw1" };
		struct xfed_buf out;
		xfed_buf_init(&out, PAGE_BYTES);
		struct panel_page page = { .status = 200, .out = &out };
		int rc = i < 2	 ? page_login(&v, W_LOGIN_WRONG, &page)
			 : i < 4 ? page_sessions(&v, sessions, &page)
				 : page_error(&v, 404, W_ERROR_NOT_FOUND, &page);
		assert_int_equal(rc, XFED_OK);
		if (!html_is_fine(&c, xfed_buf_span(&out))) {
			fail_msg("%s", c.error);
		}
		assert_int_equal(page.status, i < 4 ? 200 : 404);
		xfed_buf_deinit(&out);
	}
	json_decref(sessions);
}

static void a_page_that_is_too_large_says_so(void **state)
{
	(void)state;
	struct panel_request r = { .language = PANEL_EN };
	struct panel_viewer viewer = { "", PANEL_NOBODY, "" };
	struct panel_view v = { .request = &r, .viewer = &viewer, .gateway = "gw1" };
	struct xfed_buf out;
	xfed_buf_init(&out, 100);
	struct panel_page page = { .out = &out };
	assert_int_equal(page_error(&v, 500, W_ERROR_INSIDE, &page), XFED_ERR_LIMIT);
	xfed_buf_deinit(&out);
}

/* Live figures: by the minute, with the top of each graph; where nothing was delivered there is no latency, and none is made up. */
static void figures_without_a_delivery(void **state)
{
	json_t *traffic_now = json_pack("{s:i, s:[{s:i, s:i, s:i}]}", "every_s", 10, "samples", "at", 1700000000, "to_sip", 5, "streams_in", 2);
	json_t *figures = graph_figures(traffic_now);
	(void)state;
	assert_string_equal(json_string_value(json_object_get(figures, "to_sip")), "30");
	assert_string_equal(json_string_value(json_object_get(figures, "to_sip.most")), "30");
	assert_string_equal(json_string_value(json_object_get(figures, "streams_in")), "2");
	assert_string_equal(json_string_value(json_object_get(figures, "p50_ms")), "–");
	json_decref(figures);
	json_decref(traffic_now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_check_sees),
		cmocka_unit_test(every_page_is_sound),
		cmocka_unit_test(who_may_only_look_is_offered_no_change),
		cmocka_unit_test(every_ask_is_a_command),
		cmocka_unit_test(every_word_is_there_in_both),
		cmocka_unit_test(the_first_page_is_small),
		cmocka_unit_test(paths_lead_to_pages),
		cmocka_unit_test(problems_come_first_with_their_remedy),
		cmocka_unit_test(a_form_sets_what_was_changed),
		cmocka_unit_test(a_change_is_tried_before_it_is_saved),
		cmocka_unit_test(what_is_invalid_comes_back_with_what_was_typed),
		cmocka_unit_test(without_a_writer_the_command_is_told),
		cmocka_unit_test(two_who_edit_one_partner_are_told),
		cmocka_unit_test(the_form_has_every_key_and_row),
		cmocka_unit_test(errors_are_told_in_german),
		cmocka_unit_test(own_pages_are_sound),
		cmocka_unit_test(a_page_that_is_too_large_says_so),
		cmocka_unit_test(figures_without_a_delivery),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
