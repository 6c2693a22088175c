/* Live streams with partners. */
#include "panel/pages.h"

#include <stdio.h>

static bool is_in(const json_t *s)
{
	return strcmp(answer_str(s, "direction"), "in") == 0;
}

static enum panel_word method_word(const char *method)
{
	return strcmp(method, "external") == 0	       ? W_METHOD_EXTERNAL
	       : strcmp(method, "dialback-tls") == 0   ? W_METHOD_DIALBACK_TLS
	       : strcmp(method, "dialback-plain") == 0 ? W_METHOD_DIALBACK_PLAIN
						       : W_NOT_YET;
}

/* As commands take it: a number is an edge's own. */
#define STREAM_ID 300
static void stream_id(const json_t *s, char out[STREAM_ID])
{
	const char *edge = answer_str(s, "edge");
	snprintf(out, STREAM_ID, "%s%s%lld", edge, *edge ? "/" : "", (long long)answer_int(s, "id"));
}

void stream_table(struct html *h, const json_t *streams)
{
	static const enum panel_word columns[] = { W_NUMBER, W_FROM_TO, W_STATE, W_TLS_VERSION, W_METHOD, W_AGE, W_QUEUED, W_NONE };
	struct table t;
	size_t i;
	json_t *s;
	if (json_array_size(streams) == 0) {
		html_put(h, "<p>%i</p>", W_NO_STREAMS);
		return;
	}
	table_begin(&t, h, W_STREAMS, columns);
	json_array_foreach(streams, i, s) {
		table_row(&t);
		table_cell(&t);
		char id[STREAM_ID];
		stream_id(s, id);
		html_put(h, "<a href=\"/streams/show?id=%-s\">%s</a>", id, id);
		table_cell(&t);
		html_put(h, is_in(s) ? "%s ← %s" : "%s → %s", answer_str(s, "local"), answer_str(s, "remote"));
		table_cell(&t);
		html_put(h, "%s", answer_str(s, "state"));
		table_cell(&t);
		html_put(h, "%s", answer_str(s, "tls"));
		table_cell(&t);
		html_put(h, "%i", method_word(answer_str(s, "method")));
		table_cell(&t);
		html_duration(h, answer_int(s, "age_s"));
		table_cell(&t);
		html_put(h, "%lld", (long long)answer_int(s, "queued"));
	}
	table_end(&t);
}

int asks_streams(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	json_t *domain = field_json(r, "domain");
	out[0] = (struct panel_ask){ "stream", "list", domain ? json_pack("{s:o}", "domain", domain) : NULL };
	*count = 1;
	return domain && !out[0].args ? XFED_ERR_NOMEM : XFED_OK;
}

int page_streams(const struct panel_view *v, struct panel_page *page)
{
	struct html h;
	layout_begin(&h, v, page->out, PLACE_PARTNERS, W_STREAMS, NULL);
	layout_done(&h, v);
	html_put(&h, "<form class=\"inline\">");
	form_input(&h, "domain", W_KEY_DOMAIN, field_get(v->request, "domain"), W_NONE);
	form_button(&h, W_SHOW);
	if (!layout_error(&h, v, 0)) {
		stream_table(&h, answer_list(view_result(v, 0), "streams"));
	}
	return layout_end(&h);
}

/* ---- one ---- */

static int ask_one(const struct panel_request *r, struct panel_ask out[], size_t *count, const char *verb)
{
	json_t *id = field_json(r, "id");
	out[0] = (struct panel_ask){ "stream", verb, json_pack("{s:o}", "id", id ? id : json_string("")) };
	*count = 1;
	return out[0].args ? XFED_OK : XFED_ERR_NOMEM;
}

int asks_stream(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	return ask_one(r, out, count, "show");
}

int asks_stream_close(const struct panel_request *r, struct panel_ask out[], size_t *count)
{
	return ask_one(r, out, count, "close");
}

static void put_facts(struct html *h, const json_t *s)
{
	const json_t *c = json_object_get(s, "certificate");
	facts_begin(h);
	fact_begin(h, W_FROM_TO);
	html_put(h, is_in(s) ? "%s ← %s" : "%s → %s", answer_str(s, "local"), answer_str(s, "remote"));
	fact_end(h);
	fact(h, W_STATE, answer_str(s, "state"));
	fact(h, W_ADDRESS, answer_str(s, "peer_address"));
	fact(h, W_EDGE, answer_str(s, "edge"));
	fact(h, W_TLS_VERSION, answer_str(s, "tls"));
	fact(h, W_CIPHER, answer_str(s, "cipher"));
	fact_begin(h, W_METHOD);
	html_put(h, "%i", method_word(answer_str(s, "method")));
	fact_end(h);
	fact_begin(h, W_AGE);
	html_duration(h, answer_int(s, "age_s"));
	fact_end(h);
	fact_begin(h, W_STANZAS);
	html_put(h, "↓ %lld, ↑ %lld, %i: %lld", (long long)answer_int(s, "stanzas_in"), (long long)answer_int(s, "stanzas_out"), W_QUEUED,
		(long long)answer_int(s, "queued"));
	fact_end(h);
	fact(h, W_SUBJECT, answer_str(c, "subject"));
	fact(h, W_ISSUER, answer_str(c, "issuer"));
	if (c) {
		fact_time(h, W_VALID_UNTIL, answer_int(c, "not_after"));
	}
	facts_end(h);
}

int page_stream(const struct panel_view *v, struct panel_page *page)
{
	struct html h;
	const json_t *s = view_result(v, 0);
	char id[STREAM_ID];
	stream_id(s, id);
	layout_begin(&h, v, page->out, PLACE_PARTNERS, W_STREAM, s ? id : NULL);
	if (layout_error(&h, v, 0)) {
		page->status = 404;
		return layout_end(&h);
	}
	put_facts(&h, s);
	if (*answer_str(s, "certificate_problem")) {
		html_put(&h, "<div class=\"box warning\"><p>%i ", W_CERTIFICATE_PROVES_NOTHING);
		layout_reason(&h, answer_str(s, "certificate_problem"));
		html_put(&h, "</p>");
		layout_remedy(&h, answer_str(s, "certificate_problem"));
		html_put(&h, "</div>");
	}
	if (view_may_change(v)) {
		html_put(&h, "<details><summary>%i</summary><p>%i</p><form method=\"post\" action=\"/streams/close\">", W_CLOSE_STREAM,
			W_CLOSE_STREAM_HELP);
		form_token(&h, v);
		form_hidden(&h, "id", xfed_span_str(id));
		html_put(&h, "<button class=\"danger\">%i</button></form></details>", W_CLOSE_STREAM);
	}
	return layout_end(&h);
}

int page_stream_close(const struct panel_view *v, struct panel_page *page)
{
	return page_did(v, page, PLACE_PARTNERS, W_CLOSE_STREAM, "/streams?done=closed");
}
