/* What is wrong first, then how things are. */
#include "panel/pages.h"

#include <stdio.h>

#include "panel/graph.h"
#include "xfed/reason.h"

int asks_overview(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	(void)r;
	out[0] = (struct panel_ask){ "status", "", NULL };
	out[1] = (struct panel_ask){ "traffic", "list", NULL };
	out[2] = (struct panel_ask){ "failures", "list", json_pack("{s:i}", "limit", 5) };
	*count = 3;
	return out[2].args ? XFED_OK : XFED_ERR_NOMEM;
}

/* ---- problems ---- */

/* Where a problem is mended, by the beginning of its reason; the first that fits. */
static const struct {
	const char *begins;
	const char *path;
	enum panel_word word;
} places[] = {
	{ "config.file", "/configuration", W_CONFIGURATION },
	{ "config.", "/configuration", W_CONFIGURATION },
	{ "policy.access", "/access", W_ACCESS },
	{ "policy.", "/partners", W_PARTNERS },
	{ "tls.", "/certificates", W_CERTIFICATES },
	{ "channel.", "#edges", W_EDGES },
	{ "sip.", "#hops", W_NEXT_HOPS },
	{ "presence.", "/contacts", W_CONTACTS },
	{ "dns.", "/failures", W_FAILURES },
	{ "net.", "/failures", W_FAILURES },
	{ "stream.", "/streams", W_STREAMS },
	{ "dialback.", "/failures", W_FAILURES },
	{ "sasl.", "/failures", W_FAILURES },
};

static void put_place(struct html *h, const char *reason)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(places); i++) {
		if (strncmp(reason, places[i].begins, strlen(places[i].begins)) == 0) {
			html_put(h, "<p><a href=\"%s\">%i</a></p>", places[i].path, places[i].word);
			return;
		}
	}
}

static size_t put_problems(struct html *h, const json_t *status, const char *key, enum layout_mark mark)
{
	bool is_problem = mark == MARK_PROBLEM;
	size_t i;
	json_t *p;
	json_array_foreach(answer_list(status, key), i, p) {
		const char *reason = answer_str(p, "reason");
		html_put(h, "<li class=\"box %s\"><p>", is_problem ? "problem" : "warning");
		layout_mark(h, mark, is_problem ? W_PROBLEM : W_NOTE);
		html_put(h, " <strong>%s</strong> ", answer_str(status, "name"));
		html_said(h, answer_str(p, "text"));
		html_put(h, "</p>");
		if (!strstr(answer_str(p, "text"), xfed_reason_info(xfed_reason_by_code(xfed_span_str(reason)))->remedy)) {
			layout_remedy(h, reason);
		}
		html_put(h, "<p class=\"quiet\">");
		layout_reason(h, reason);
		html_put(h, " · %i ", W_SINCE);
		html_time(h, answer_int(p, "since"));
		html_put(h, "</p>");
		put_place(h, reason);
		html_put(h, "</li>\n");
	}
	return json_array_size(answer_list(status, key));
}

static void put_all_problems(struct html *h, const json_t *status)
{
	size_t i, n = 0;
	json_t *edge;
	html_put(h, "<section aria-labelledby=\"problems\"><h2 id=\"problems\">%i</h2><ul class=\"problems\">", W_PROBLEMS);
	n += put_problems(h, status, "problems", MARK_PROBLEM);
	json_array_foreach(answer_list(status, "edges"), i, edge) {
		n += put_problems(h, edge, "problems", MARK_PROBLEM);
	}
	size_t problems = n;
	n += put_problems(h, status, "notes", MARK_WARNING);
	json_array_foreach(answer_list(status, "edges"), i, edge) {
		n += put_problems(h, edge, "notes", MARK_WARNING);
	}
	if (problems == 0) {
		html_put(h, "<li class=\"box ok\"><p>");
		layout_mark(h, MARK_OK, W_FINE);
		html_put(h, " %i</p></li>", W_NO_PROBLEM);
	}
	html_put(h, "</ul></section>\n");
}

/* ---- figures ---- */

static void put_figure(struct html *h, enum panel_word name, const char *live, int64_t n, const char *path)
{
	html_put(h, "<div class=\"card\"><p class=\"figure\" data-live=\"%s\">%lld</p><p>", live, (long long)n);
	if (path) {
		html_put(h, "<a href=\"%s\">%i</a>", path, name);
	} else {
		html_put(h, "%i", name);
	}
	html_put(h, "</p></div>");
}

static void put_figures(struct html *h, const json_t *s)
{
	const json_t *streams = json_object_get(s, "streams"), *presence = json_object_get(s, "presence");
	html_put(h, "<div class=\"grid figures\">");
	put_figure(h, W_STREAMS_IN, "streams_in", answer_int(streams, "in"), "/streams");
	put_figure(h, W_STREAMS_OUT, "streams_out", answer_int(streams, "out"), "/streams");
	put_figure(h, W_IN_FLIGHT, "in_flight", answer_int(s, "deliveries_in_flight"), NULL);
	put_figure(h, W_PARTNERS, "partners", answer_int(json_object_get(s, "policy"), "partners"), "/partners");
	put_figure(h, W_SUBSCRIPTIONS, "subscriptions", answer_int(presence, "watching") + answer_int(presence, "watched"), "/subscriptions");
	html_put(h, "</div>\n");
}

/* ---- edges ---- */

static const json_t *edge_of(const json_t *status, const char *name)
{
	size_t i;
	json_t *edge;
	json_array_foreach(answer_list(status, "edges"), i, edge) {
		if (strcmp(answer_str(edge, "name"), name) == 0) {
			return edge;
		}
	}
	return NULL;
}

static void put_state_of(struct html *h, const json_t *edge)
{
	const char *state = answer_str(edge, "state");
	if (strcmp(state, "in-service") == 0) {
		layout_mark(h, MARK_OK, W_IN_SERVICE);
	} else if (strcmp(state, "draining") == 0) {
		layout_mark(h, MARK_WARNING, W_DRAINING);
	} else if (*state) {
		layout_mark(h, MARK_PROBLEM, W_OUT_OF_SERVICE);
	}
}

static void put_edges(struct html *h, const json_t *status)
{
	static const enum panel_word columns[] = { W_EDGE, W_LINK, W_SINCE_HEAD, W_ROUND_TRIP, W_STATE, W_STREAMS, W_VERSION, W_NONE };
	struct table t;
	size_t i;
	json_t *c;
	html_put(h, "<h2 id=\"edges\">%i</h2>", W_EDGES);
	table_begin(&t, h, W_EDGES, columns);
	json_array_foreach(answer_list(status, "channel"), i, c) {
		const json_t *edge = edge_of(status, answer_str(c, "peer")), *streams = json_object_get(edge, "streams");
		table_row(&t);
		table_cell(&t);
		html_put(h, "%s", answer_str(c, "peer"));
		table_cell(&t);
		layout_mark(h, answer_is(c, "up") ? MARK_OK : MARK_PROBLEM, answer_is(c, "up") ? W_UP : W_DOWN);
		if (*answer_str(c, "reason")) {
			html_put(h, " ");
			layout_reason(h, answer_str(c, "reason"));
		}
		table_cell(&t);
		html_time(h, answer_int(c, "since"));
		table_cell(&t);
		if (answer_int(c, "rtt_ms") > 0) {
			html_put(h, "%lld&nbsp;ms", (long long)answer_int(c, "rtt_ms"));
		}
		table_cell(&t);
		put_state_of(h, edge);
		table_cell(&t);
		if (edge) {
			html_put(h, "↓ %lld, ↑ %lld", (long long)answer_int(streams, "in"), (long long)answer_int(streams, "out"));
		}
		table_cell(&t);
		html_put(h, "%s", answer_str(edge, "version"));
	}
	table_end(&t);
}

/* ---- SIP ---- */

static void put_hop_state(struct html *h, const json_t *hop)
{
	static const struct {
		const char *name;
		enum layout_mark mark;
		enum panel_word word;
	} states[] = { { "up", MARK_OK, W_UP }, { "refuses", MARK_WARNING, W_REFUSES }, { "down", MARK_PROBLEM, W_DOWN },
		{ "asked", MARK_PLAIN, W_ASKED_HOP } };
	for (size_t i = 0; i < XFED_ARRAY_LEN(states); i++) {
		if (strcmp(answer_str(hop, "state"), states[i].name) == 0) {
			layout_mark(h, states[i].mark, states[i].word);
			return;
		}
	}
	html_put(h, "%s", answer_str(hop, "state"));
}

static void put_hops(struct html *h, const json_t *status)
{
	static const enum panel_word columns[] = { W_NEXT_HOP, W_STATE, W_SINCE_HEAD, W_LAST_WORKED, W_LAST_REFUSED, W_NONE };
	const json_t *hops = answer_list(status, "sip");
	struct table t;
	size_t i;
	json_t *hop;
	html_put(h, "<h2 id=\"hops\">%i</h2>", W_NEXT_HOPS);
	if (json_array_size(hops) == 0) {
		html_put(h, "<p>%i</p>", W_NO_HOPS);
		return;
	}
	table_begin(&t, h, W_NEXT_HOPS, columns);
	json_array_foreach(hops, i, hop) {
		const json_t *refused = json_object_get(hop, "refusals");
		table_row(&t);
		table_cell(&t);
		html_put(h, "%s", answer_str(hop, "next_hop"));
		table_cell(&t);
		put_hop_state(h, hop);
		if (*answer_str(hop, "reason")) {
			html_put(h, " ");
			layout_reason(h, answer_str(hop, "reason"));
		}
		table_cell(&t);
		html_time(h, answer_int(hop, "since"));
		table_cell(&t);
		html_time(h, answer_int(hop, "worked"));
		table_cell(&t);
		if (refused) {
			html_put(h, "%lld (%lld×) %s ", (long long)answer_int(refused, "status"), (long long)answer_int(refused, "count"),
				answer_str(refused, "text"));
			html_time(h, answer_int(refused, "last"));
		}
	}
	table_end(&t);
}

static void put_untrusted(struct html *h, const json_t *status)
{
	static const enum panel_word columns[] = { W_SENDER, W_AS_DOMAIN, W_TIMES, W_LAST_SEEN, W_REMEDY, W_NONE };
	const json_t *list = answer_list(status, "untrusted");
	struct table t;
	size_t i;
	json_t *u;
	if (json_array_size(list) == 0) {
		return;
	}
	table_begin(&t, h, W_UNTRUSTED, columns);
	json_array_foreach(list, i, u) {
		table_row(&t);
		table_cell(&t);
		html_put(h, "%s", answer_str(u, "peer"));
		table_cell(&t);
		html_put(h, "%s", answer_str(u, "domain"));
		table_cell(&t);
		html_put(h, "%lld", (long long)answer_int(u, "count"));
		table_cell(&t);
		html_time(h, answer_int(u, "last"));
		table_cell(&t);
		html_said(h, answer_str(u, "remedy"));
	}
	table_end(&t);
}

static void put_stale(struct html *h, const json_t *status)
{
	const json_t *presence = json_object_get(status, "presence"), *by = answer_list(presence, "stale_by");
	size_t i;
	json_t *w;
	if (json_array_size(by) == 0) {
		return;
	}
	html_put(h, "<h2>%i</h2><ul>", W_MAY_BE_OLD);
	json_array_foreach(by, i, w) {
		html_put(h, "<li>%lld: ", (long long)answer_int(w, "count"));
		html_said(h, answer_str(w, "text"));
		html_put(h, "</li>");
	}
	html_put(h, "</ul>\n");
}

/* ---- the page ---- */

static void put_service(struct html *h, const json_t *status)
{
	const json_t *policy = json_object_get(status, "policy");
	facts_begin(h);
	fact_begin(h, W_GATEWAY);
	html_put(h, "%s ", answer_str(status, "name"));
	put_state_of(h, status);
	fact_end(h);
	fact(h, W_VERSION, answer_str(status, "version"));
	fact_begin(h, W_UP_SINCE);
	html_duration(h, answer_int(status, "uptime_s"));
	fact_end(h);
	fact_begin(h, W_POLICY);
	html_put(h, "%i %lld.%lld", W_REVISION, (long long)answer_int(policy, "epoch"), (long long)answer_int(policy, "revision"));
	fact_end(h);
	facts_end(h);
	html_put(h, "<p><a href=\"/configuration\">%i</a></p>", W_CONFIGURATION);
}

int page_overview(const struct panel_view *v, struct panel_page *page)
{
	struct html h;
	const json_t *status = view_result(v, 0);
	layout_begin(&h, v, page->out, PLACE_OVERVIEW, W_OVERVIEW, NULL);
	if (layout_error(&h, v, 0)) {
		return layout_end(&h);
	}
	put_all_problems(&h, status);
	html_put(
		&h, "<h2>%i</h2><p class=\"quiet\" id=\"live\" data-on=\"%i\" data-off=\"%i\">%i</p>", W_TRAFFIC, W_LIVE_ON, W_LIVE_OFF, W_LAST_HOUR);
	put_figures(&h, status);
	if (!layout_error(&h, v, 1)) {
		graph_all(&h, view_result(v, 1));
	}
	put_edges(&h, status);
	put_hops(&h, status);
	put_untrusted(&h, status);
	put_stale(&h, status);
	html_put(&h, "<h2>%i</h2>", W_LAST_FAILURES);
	if (!layout_error(&h, v, 2)) {
		failure_tables(&h, answer_list(view_result(v, 2), "failures"));
	}
	html_put(&h, "<h2>%i</h2>", W_SERVICE);
	put_service(&h, status);
	return layout_end(&h);
}

/* ---- figures for the script ---- */

int asks_live(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	(void)r;
	out[0] = (struct panel_ask){ "status", "", NULL };
	out[1] = (struct panel_ask){ "traffic", "list", NULL };
	*count = 2;
	return XFED_OK;
}

static void set_number(json_t *figures, const char *name, int64_t n)
{
	json_object_set_new(figures, name, json_sprintf("%lld", (long long)n));
}

static int append(const char *text, size_t size, void *out)
{
	return xfed_buf_append(out, xfed_span_make(text, size)) == XFED_OK ? 0 : -1;
}

int page_live(const struct panel_view *v, struct panel_page *page)
{
	const json_t *status = view_result(v, 0), *streams = json_object_get(status, "streams"), *presence = json_object_get(status, "presence");
	json_t *figures = graph_figures(view_result(v, 1)), *lines = graph_points(view_result(v, 1));
	if (status) {
		set_number(figures, "streams_in", answer_int(streams, "in"));
		set_number(figures, "streams_out", answer_int(streams, "out"));
		set_number(figures, "in_flight", answer_int(status, "deliveries_in_flight"));
		set_number(figures, "partners", answer_int(json_object_get(status, "policy"), "partners"));
		set_number(figures, "subscriptions", answer_int(presence, "watching") + answer_int(presence, "watched"));
	}
	json_t *all = json_pack("{s:o, s:o}", "figures", figures, "lines", lines);
	page->type = "application/json";
	int rc = all && json_dump_callback(all, append, page->out, JSON_COMPACT) == 0 ? XFED_OK : XFED_ERR_NOMEM;
	json_decref(all);
	return rc;
}
