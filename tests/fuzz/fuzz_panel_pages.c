/*
 * Any answers into any page of the panel, for any request. The first line is "NUMBER WHO LANGUAGE PATH?FIELDS" (number of the route, a for who may
 * change, d for German, fields as name=value between &, as they are); the rest is JSON, an array with the answers.
 *
 * Security sentence: what is sent to a browser has no markup but that of the page itself, and leads nowhere else.
 */
#include <stdint.h>
#include <stdlib.h>

#include "panel/route.h"
#include "tests/unit/gateway/html_check.h"

#define PAGE_BYTES (4 * 1024 * 1024)
#define FIELDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds) {
		abort();
	}
}

static size_t read_fields(struct xfed_span text, struct panel_field *fields)
{
	size_t n = 0;
	while (text.len > 0 && n < FIELDS_MAX) {
		fields[n].value = xfed_span_cut(&text, '&');
		fields[n].name = xfed_span_cut(&fields[n].value, '=');
		n++;
	}
	return n;
}

static void check(const struct panel_page *page)
{
	static struct html_check c;
	if (page->location[0]) {
		require(page->location[0] == '/' && page->location[1] != '/' && !strpbrk(page->location, "<>\"' \r\n"));
	} else if (strcmp(page->type, "text/html") == 0) {
		require(html_is_fine(&c, xfed_buf_span(page->out)));
	} else {
		json_t *j = json_loadb(xfed_buf_span(page->out).data, xfed_buf_len(page->out), 0, NULL);
		require(json_is_object(j));
		json_decref(j);
	}
}

static void render(const struct panel_route *route, const struct panel_request *r, enum panel_role role, const json_t *answers)
{
	struct panel_ask asks[PANEL_ASKS_MAX];
	json_t *results[PANEL_ASKS_MAX];
	size_t count = 0;
	struct xfed_buf out;
	struct panel_viewer viewer = { "alice", role, "token" };
	int rc = route->asks(r, asks, &count);
	require(count <= PANEL_ASKS_MAX && rc == XFED_OK);
	for (size_t i = 0; i < count; i++) {
		results[i] = json_array_get(answers, i);
	}
	struct panel_view v = { .request = r, .viewer = &viewer, .gateway = "gw1", .now_s = 1700000000, .results = results, .result_count = count };
	xfed_buf_init(&out, PAGE_BYTES);
	struct panel_page page = { .status = 200, .type = "text/html", .out = &out };
	rc = route->render(&v, &page);
	if (rc == XFED_OK) {
		check(&page);
	}
	require(rc == XFED_OK || rc == XFED_ERR_LIMIT);
	xfed_buf_deinit(&out);
	for (size_t i = 0; i < count; i++) {
		json_decref(asks[i].args);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct panel_field fields[FIELDS_MAX];
	struct panel_request r = { .fields = fields };
	char memory[4096];
	struct xfed_span rest = xfed_span_make(data, size), line = xfed_span_cut(&rest, '\n'), number = xfed_span_cut(&line, ' '),
			 who = xfed_span_cut(&line, ' '), language = xfed_span_cut(&line, ' ');
	r.path = xfed_span_cut(&line, '?');
	if (number.len == 0 || r.path.len > sizeof(memory) || panel_route_split(&r, memory) != XFED_OK) {
		return 0;
	}
	r.field_count = read_fields(line, fields);
	r.language = xfed_span_is(language, "d") ? PANEL_DE : PANEL_EN;
	size_t n = 0;
	for (size_t i = 0; i < number.len; i++) {
		n = (n * 10 + (uint8_t)(number.data[i] - '0')) % panel_route_count;
	}
	const struct panel_route *route = &panel_routes[n];
	r.method = route->method;
	json_t *answers = json_loadb(rest.data, rest.len, JSON_REJECT_DUPLICATES, NULL);
	render(route, &r, xfed_span_is(who, "a") ? PANEL_ADMIN : PANEL_READER, answers);
	json_decref(answers);
	return 0;
}
