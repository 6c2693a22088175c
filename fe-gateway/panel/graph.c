#include "panel/graph.h"

#include <stdio.h>

#define WIDTH	    300
#define HEIGHT	    100
#define SAMPLES_MAX 360
#define ROWS_MAX    12 /* of the table for who reads instead of looking */

struct line {
	const char *key; /* of a point, and its name */
	enum panel_word word;
};
static const struct graph {
	enum panel_word title;
	const char *unit;
	struct line one, two;
} graphs[] = {
	{ W_MESSAGES, "/min", { "to_sip", W_TO_SIP }, { "to_xmpp", W_TO_XMPP } },
	{ W_LATENCY, "ms", { "p50_ms", W_P50 }, { "p99_ms", W_P99 } },
	{ W_STREAMS, "", { "streams_in", W_STREAMS_IN }, { "streams_out", W_STREAMS_OUT } },
	{ W_PRESENCES, "/min", { "presence_to_sip", W_TO_SIP }, { "presence_to_xmpp", W_TO_XMPP } },
};

/* Below 0: there is no such figure, as of the latency where nothing was delivered. Figures of a while are told by the minute. */
static double shown(const struct graph *g, const json_t *traffic, const json_t *sample, const char *key)
{
	const json_t *n = json_object_get(sample, key);
	double v = json_number_value(n);
	int64_t every = answer_int(traffic, "every_s");
	if (!json_is_number(n) || !(v >= 0 && v < 1e12)) { /* no NaN either */
		return -1;
	}
	return strcmp(g->unit, "/min") == 0 && every > 0 ? v * 60 / (double)every : v;
}

static double last_shown(const struct graph *g, const json_t *traffic, const char *key)
{
	const json_t *samples = answer_list(traffic, "samples");
	double v = -1;
	for (size_t i = json_array_size(samples); i > 0 && v < 0; i--) {
		v = shown(g, traffic, json_array_get(samples, i - 1), key);
	}
	return v;
}

/* The last SAMPLES_MAX of them. */
static size_t first_of(const json_t *samples)
{
	size_t n = json_array_size(samples);
	return n > SAMPLES_MAX ? n - SAMPLES_MAX : 0;
}

static double highest(const struct graph *g, const json_t *traffic)
{
	const json_t *samples = answer_list(traffic, "samples");
	double most = 0;
	for (size_t i = first_of(samples); i < json_array_size(samples); i++) {
		double one = shown(g, traffic, json_array_get(samples, i), g->one.key);
		double two = shown(g, traffic, json_array_get(samples, i), g->two.key);
		most = one > most ? one : most;
		most = two > most ? two : most;
	}
	return most;
}

/* The next of 1, 2, 5, 10, 20 ... */
static double round_up(double most)
{
	double top = 1;
	for (int i = 0; top < most && i < 40; i++) {
		top *= i % 3 == 1 ? 2.5 : 2;
	}
	return top;
}

/* The mean of what there is in some samples from the i-th on; what was before where there is nothing. */
static double mean(const struct graph *g, const json_t *traffic, size_t i, size_t count, const char *key, double before)
{
	const json_t *samples = answer_list(traffic, "samples");
	double sum = 0, n = 0;
	for (size_t k = i; k < i + count; k++) {
		double v = shown(g, traffic, json_array_get(samples, k), key);
		sum += v >= 0 ? v : 0;
		n += v >= 0;
	}
	return n > 0 ? sum / n : before;
}

/* From left to right, the newest at the right edge; three samples make a point, which is enough for the width that a line has. */
static int points_of(const struct graph *g, const json_t *traffic, const char *key, struct xfed_buf *out)
{
	const json_t *samples = answer_list(traffic, "samples");
	size_t first = first_of(samples), n = json_array_size(samples);
	double top = round_up(highest(g, traffic)), v = -1;
	int rc = XFED_OK;
	for (size_t i = first; i < n && rc == XFED_OK; i += 3) {
		size_t of = n - i < 3 ? n - i : 3;
		v = mean(g, traffic, i, of, key, v);
		double x = WIDTH - (double)(n - i - of) * WIDTH / SAMPLES_MAX, y = HEIGHT - v * HEIGHT / top;
		rc = v < 0 ? XFED_OK : xfed_buf_printf(out, "%s%.1f,%.1f", xfed_buf_len(out) > 0 ? " " : "", x, y);
	}
	return rc;
}

static void put_line(struct html *h, const struct graph *g, const json_t *traffic, const struct line *l, const char *class)
{
	struct xfed_buf points;
	xfed_buf_init(&points, 16384);
	int rc = points_of(g, traffic, l->key, &points);
	h->rc = h->rc == XFED_OK ? rc : h->rc;
	html_put(h, "<polyline class=\"%s\" data-line=\"%s\" points=\"%.*s\"/>", class, l->key, (int)xfed_buf_len(&points),
		xfed_buf_span(&points).data);
	xfed_buf_deinit(&points);
}

/* Small numbers that are not whole have one digit behind the point. */
static const char *number_text(double v, char out[32])
{
	if (v < 0) {
		return "–";
	}
	bool is_whole = v >= 10 || v == (double)(int64_t)v;
	snprintf(out, 32, is_whole ? "%.0f" : "%.1f", v);
	return out;
}

static void put_number(struct html *h, double v)
{
	char text[32];
	html_put(h, "%s", number_text(v, text));
}

static void put_key(struct html *h, const struct line *l, const char *class)
{
	html_put(h,
		"<span><svg class=\"graph\" viewBox=\"0 0 28 12\" aria-hidden=\"true\"><polyline class=\"%s\" points=\"0,6 28,6\"/></svg>%i</span>",
		class, l->word);
}

/* Every so many-th point, oldest first. */
static void put_table(struct html *h, const struct graph *g, const json_t *traffic)
{
	const enum panel_word columns[] = { W_WHEN, g->one.word, g->two.word, W_NONE };
	const json_t *samples = answer_list(traffic, "samples");
	size_t first = first_of(samples), n = json_array_size(samples), step = (n - first + ROWS_MAX - 1) / ROWS_MAX;
	struct table t;
	html_put(h, "<details><summary>%i</summary>", W_AS_TABLE);
	table_begin(&t, h, g->title, columns);
	for (size_t i = first; i < n; i += step) {
		const json_t *p = json_array_get(samples, i);
		table_row(&t);
		table_cell(&t);
		html_time(h, answer_int(p, "at"));
		table_cell(&t);
		put_number(h, shown(g, traffic, p, g->one.key));
		table_cell(&t);
		put_number(h, shown(g, traffic, p, g->two.key));
	}
	table_end(&t);
	html_put(h, "</details>");
}

static void put_graph(struct html *h, const struct graph *g, const json_t *traffic)
{
	html_put(h, "<section class=\"card\"><h3>%i</h3><p class=\"figure\"><span data-live=\"%s\">", g->title, g->one.key);
	put_number(h, last_shown(g, traffic, g->one.key));
	html_put(h, "</span>");
	html_put(h, " / <span data-live=\"%s\">", g->two.key);
	put_number(h, last_shown(g, traffic, g->two.key));
	html_put(h, "</span>");
	html_put(h,
		" <span class=\"quiet\">%s</span></p><svg class=\"graph\" viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" role=\"img\" "
		"aria-label=\"%i: %i\">",
		g->unit, WIDTH, HEIGHT, g->title, W_LAST_HOUR);
	html_put(h, "<line x1=\"0\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>", HEIGHT, WIDTH, HEIGHT);
	put_line(h, g, traffic, &g->one, "one");
	put_line(h, g, traffic, &g->two, "two");
	html_put(h, "</svg><p class=\"key\">");
	put_key(h, &g->one, "one");
	put_key(h, &g->two, "two");
	html_put(h, "<span>%i <span data-live=\"%s.most\">", W_AT_MOST, g->one.key);
	put_number(h, highest(g, traffic));
	html_put(h, "</span></span></p>");
	put_table(h, g, traffic);
	html_put(h, "</section>\n");
}

void graph_all(struct html *h, const json_t *traffic)
{
	if (json_array_size(answer_list(traffic, "samples")) == 0) {
		html_put(h, "<p>%i</p>", W_NO_TRAFFIC);
		return;
	}
	html_put(h, "<div class=\"grid graphs\">");
	for (size_t i = 0; i < XFED_ARRAY_LEN(graphs); i++) {
		put_graph(h, &graphs[i], traffic);
	}
	html_put(h, "</div>\n");
}

/* ---- for the script ---- */

static int add_points(json_t *all, const struct graph *g, const json_t *traffic, const char *key)
{
	struct xfed_buf text;
	xfed_buf_init(&text, 16384);
	int rc = points_of(g, traffic, key, &text);
	if (rc == XFED_OK && json_object_set_new(all, key, json_stringn(xfed_buf_span(&text).data, xfed_buf_len(&text))) != 0) {
		rc = XFED_ERR_NOMEM;
	}
	xfed_buf_deinit(&text);
	return rc;
}

json_t *graph_points(const json_t *traffic)
{
	json_t *all = json_object();
	int rc = all ? XFED_OK : XFED_ERR_NOMEM;
	for (size_t i = 0; i < XFED_ARRAY_LEN(graphs) && rc == XFED_OK; i++) {
		rc = add_points(all, &graphs[i], traffic, graphs[i].one.key);
		rc = rc == XFED_OK ? add_points(all, &graphs[i], traffic, graphs[i].two.key) : rc;
	}
	if (rc != XFED_OK) {
		json_decref(all);
		return NULL;
	}
	return all;
}

static int add_figure(json_t *all, const char *key, double v)
{
	char text[32];
	return json_object_set_new(all, key, json_string(number_text(v, text))) == 0 ? XFED_OK : XFED_ERR_NOMEM;
}

static int add_figures(json_t *all, const struct graph *g, const json_t *traffic)
{
	char most[64];
	snprintf(most, sizeof(most), "%s.most", g->one.key);
	int rc = add_figure(all, g->one.key, last_shown(g, traffic, g->one.key));
	rc = rc == XFED_OK ? add_figure(all, g->two.key, last_shown(g, traffic, g->two.key)) : rc;
	return rc == XFED_OK ? add_figure(all, most, highest(g, traffic)) : rc;
}

json_t *graph_figures(const json_t *traffic)
{
	json_t *all = json_object();
	int rc = all ? XFED_OK : XFED_ERR_NOMEM;
	for (size_t i = 0; i < XFED_ARRAY_LEN(graphs) && rc == XFED_OK; i++) {
		rc = add_figures(all, &graphs[i], traffic);
	}
	if (rc != XFED_OK) {
		json_decref(all);
		return NULL;
	}
	return all;
}
