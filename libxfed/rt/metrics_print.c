#include <stdio.h>

#include "metrics_internal.h"

const char *metric_part_suffix(enum metric_part part)
{
	switch (part) {
	case METRIC_VALUE:
		return "";
	case METRIC_BUCKET:
		return "_bucket";
	case METRIC_SUM:
		return "_sum";
	case METRIC_COUNT:
		return "_count";
	}
	return "";
}

/* ---- every sample of a series ---- */

typedef int sample_fn(
	void *user, const struct metric_info *info, enum metric_part part, const struct xfed_span *values, size_t value_count, double value);

static int each_of_histogram(const struct rt_series *s, sample_fn *fn, void *user)
{
	struct xfed_span values[RT_METRIC_LABELS_MAX + 1];
	size_t n = s->info->label_count;
	uint64_t below = 0;
	int rc = XFED_OK;
	memcpy(values, s->values, sizeof(s->values));
	for (size_t i = 0; i <= METRIC_BUCKETS && rc == XFED_OK; i++) {
		below = i == METRIC_BUCKETS ? s->count : below + s->buckets[i];
		values[n] = xfed_span_str(metric_bound_texts[i]);
		rc = fn(user, s->info, METRIC_BUCKET, values, n + 1, (double)below);
	}
	if (rc == XFED_OK) {
		rc = fn(user, s->info, METRIC_SUM, values, n, s->value);
	}
	return rc == XFED_OK ? fn(user, s->info, METRIC_COUNT, values, n, (double)s->count) : rc;
}

static int each_of_series(const struct rt_series *s, sample_fn *fn, void *user)
{
	if (!s->is_visible) {
		return XFED_OK;
	}
	if (s->info->type == RT_METRIC_HISTOGRAM) {
		return each_of_histogram(s, fn, user);
	}
	return fn(user, s->info, METRIC_VALUE, s->values, s->info->label_count, rt_series_value(s));
}

static int each_of_family(const struct metric_family *f, sample_fn *fn, void *user)
{
	int rc = XFED_OK;
	for (const struct rt_series *s = f->table; s && rc == XFED_OK; s = s->hh.next) {
		rc = each_of_series(s, fn, user);
	}
	return rc == XFED_OK ? each_of_series(&f->overflow, fn, user) : rc;
}

/* ---- for a gateway ---- */

struct giver {
	int (*each)(void *user, const struct rt_metric_sample *s);
	void *user;
};

static int give(void *user, const struct metric_info *info, enum metric_part part, const struct xfed_span *values, size_t value_count, double value)
{
	struct giver *g = user;
	char name[128];
	struct rt_metric_sample s = { .label_count = value_count, .value = value };
	snprintf(name, sizeof(name), "%s%s", info->name, metric_part_suffix(part));
	s.name = xfed_span_str(name);
	for (size_t i = 0; i < value_count; i++) {
		s.labels[i].name = xfed_span_str(i < info->label_count ? info->labels[i] : "le");
		s.labels[i].value = values[i];
	}
	return g->each(g->user, &s);
}

int rt_metrics_each(const struct rt_metrics *m, int (*each)(void *user, const struct rt_metric_sample *s), void *user)
{
	struct giver g = { each, user };
	int rc = XFED_OK;
	for (int id = 0; id < RT_METRIC_COUNT && rc == XFED_OK; id++) {
		rc = each_of_family(&m->families[id], give, &g);
	}
	return rc;
}

/* ---- the text format ---- */

struct printer {
	struct xfed_buf *out;
	struct xfed_span edge; /* data NULL: our own metrics */
	bool has_header;
};

static int put_label(struct xfed_buf *out, const char *name, struct xfed_span value, bool is_first)
{
	int rc = xfed_buf_printf(out, "%s%s=\"", is_first ? "" : ",", name);
	for (size_t i = 0; i < value.len && rc == XFED_OK; i++) {
		char c = value.data[i];
		if (c == '\n') {
			rc = xfed_buf_append(out, XFED_SPAN("\\n"));
		} else {
			rc = c == '"' || c == '\\' ? xfed_buf_append(out, XFED_SPAN("\\")) : XFED_OK;
			rc = rc == XFED_OK ? xfed_buf_append(out, xfed_span_make(&c, 1)) : rc;
		}
	}
	return rc == XFED_OK ? xfed_buf_append(out, XFED_SPAN("\"")) : rc;
}

static int put_header(struct printer *p, const struct metric_info *info)
{
	static const char *const types[] = { [RT_METRIC_COUNTER] = "counter", [RT_METRIC_GAUGE] = "gauge", [RT_METRIC_HISTOGRAM] = "histogram" };
	p->has_header = true;
	return xfed_buf_printf(p->out, "# HELP %s %s\n# TYPE %s %s\n", info->name, info->help, info->name, types[info->type]);
}

static int put_sample(
	void *user, const struct metric_info *info, enum metric_part part, const struct xfed_span *values, size_t value_count, double value)
{
	struct printer *p = user;
	int rc = p->has_header ? XFED_OK : put_header(p, info);
	bool has_labels = value_count > 0 || p->edge.data;
	if (rc == XFED_OK) {
		rc = xfed_buf_printf(p->out, "%s%s%s", info->name, metric_part_suffix(part), has_labels ? "{" : "");
	}
	if (rc == XFED_OK && p->edge.data) {
		rc = put_label(p->out, "edge", p->edge, true);
	}
	for (size_t i = 0; i < value_count && rc == XFED_OK; i++) {
		rc = put_label(p->out, i < info->label_count ? info->labels[i] : "le", values[i], i == 0 && !p->edge.data);
	}
	/* Whole numbers are printed completely, so that a counter keeps its last digits. */
	bool is_whole = value > -9007199254740992.0 && value < 9007199254740992.0 && value == (double)(int64_t)value;
	if (rc == XFED_OK) {
		rc = is_whole ? xfed_buf_printf(p->out, "%s %.0f\n", has_labels ? "}" : "", value)
			      : xfed_buf_printf(p->out, "%s %.9g\n", has_labels ? "}" : "", value);
	}
	return rc;
}

static int put_imported(struct printer *p, const struct metric_info *info, const struct metric_import *s)
{
	int rc = XFED_OK;
	for (; s && rc == XFED_OK; s = s->next) {
		rc = put_sample(p, info, s->part, s->values, info->label_count + (s->part == METRIC_BUCKET ? 1 : 0), s->value);
	}
	return rc;
}

int rt_metrics_print(const struct rt_metrics *m, struct xfed_buf *out)
{
	int rc = XFED_OK;
	for (int id = 0; id < RT_METRIC_COUNT && rc == XFED_OK; id++) {
		struct printer p = { .out = out };
		rc = each_of_family(&m->families[id], put_sample, &p);
		for (const struct metric_peer *peer = m->peers; peer && rc == XFED_OK; peer = peer->hh.next) {
			p.edge = xfed_span_str(peer->edge);
			rc = peer->current ? put_imported(&p, &m->families[id].info, peer->current->first[id]) : XFED_OK;
		}
	}
	return rc;
}
