/*
 * Metrics: a table of families (metrics.def) with series found by their label values. Names and labels are public and do not change. The
 * number of series per family is limited; further ones are counted under partner="other" (all labels "other" in a family without partner
 * label), so that no peer can make it grow. The caller passes "other" (RT_METRIC_OTHER) for unknown domains.
 *
 * There is one registry per process; it is an object so that tests are independent. For the loop's thread only.
 */
#ifndef XFED_RT_METRICS_H
#define XFED_RT_METRICS_H

#include "xfed/base.h"
#include "xfed/buf.h"

#define RT_METRIC_LABELS_MAX   4
#define RT_METRIC_VALUE_BYTES  256   /* of one label value; longer ones are cut */
#define RT_METRIC_SERIES_MAX   4096  /* per family, before overflow */
#define RT_METRIC_OTHER_MAX    512   /* series with partner="other" beyond that */
#define RT_METRIC_IMPORT_MAX   65536 /* samples kept of one peer */
#define RT_METRIC_IMPORT_BYTES (16 * 1024 * 1024)
#define RT_METRIC_PEERS_MAX    64
#define RT_METRIC_OTHER	       XFED_SPAN("other")

enum rt_metric_type { RT_METRIC_COUNTER, RT_METRIC_GAUGE, RT_METRIC_HISTOGRAM };

enum rt_metric_id {
#define RT_METRIC(id, name, type, labels, help) RT_M_##id,
#include "../../../rt/metrics.def"
#undef RT_METRIC
	RT_METRIC_COUNT
};

struct rt_metrics;
struct rt_series; /* one counter, gauge or histogram; lives as long as the registry */

int rt_metrics_new(struct rt_metrics **out); /* OK, NOMEM */
void rt_metrics_free(struct rt_metrics *m);

/* Label values in the order of metrics.def: rt_metric_add(m, RT_M_REFUSALS, 1, RT_LABELS(xfed_span_str(code), side)). */
#define RT_LABELS(...) (const struct xfed_span[]){ __VA_ARGS__ }, sizeof((const struct xfed_span[]){ __VA_ARGS__ }) / sizeof(struct xfed_span)
#define RT_NO_LABELS   NULL, 0

/*
 * The handle for frequent use. Never NULL: without memory, or beyond the limit, it is the family's overflow series. The number of labels
 * has to be that of the family (XFED_REQUIRE).
 */
struct rt_series *rt_metric_series(struct rt_metrics *m, enum rt_metric_id id, const struct xfed_span *labels, size_t count);
void rt_series_add(struct rt_series *s, uint64_t n);	   /* counters and gauges */
void rt_series_sub(struct rt_series *s, uint64_t n);	   /* gauges */
void rt_series_set(struct rt_series *s, double value);	   /* gauges */
void rt_series_observe(struct rt_series *s, double value); /* histograms, in seconds */
double rt_series_value(const struct rt_series *s);	   /* for a histogram the number of observations */

/* The same with a look-up each time. */
void rt_metric_add(struct rt_metrics *m, enum rt_metric_id id, uint64_t n, const struct xfed_span *labels, size_t count);
void rt_metric_sub(struct rt_metrics *m, enum rt_metric_id id, uint64_t n, const struct xfed_span *labels, size_t count);
void rt_metric_set(struct rt_metrics *m, enum rt_metric_id id, double value, const struct xfed_span *labels, size_t count);
void rt_metric_observe(struct rt_metrics *m, enum rt_metric_id id, double value, const struct xfed_span *labels, size_t count);
/* 0 where there is no such series yet. */
double rt_metric_value(const struct rt_metrics *m, enum rt_metric_id id, const struct xfed_span *labels, size_t count);
/* For gauges whose objects do not exist any more: hides the series in which label number `label` has the value, until they are set again. */
void rt_metric_clear(struct rt_metrics *m, enum rt_metric_id id, size_t label, struct xfed_span value);

/* For figures made of metrics: each series of ours of a family, with its labels; the buckets of a histogram without labels, each for itself. */
#define RT_METRIC_BUCKETS 15
void rt_metric_visit(const struct rt_metrics *m, enum rt_metric_id id, void (*fn)(void *user, const struct rt_series *s), void *user);
struct xfed_span rt_series_label(const struct rt_series *s, size_t i);
void rt_metric_buckets(const struct rt_metrics *m, enum rt_metric_id id, uint64_t out[RT_METRIC_BUCKETS + 1]); /* the last: above all bounds */
double rt_metric_bound(size_t bucket); /* the most that is in it, in seconds; not of the last */

/* The Prometheus text format, ours and the imported ones. OK, LIMIT, NOMEM. */
int rt_metrics_print(const struct rt_metrics *m, struct xfed_buf *out);

/* ---- between an edge and its gateway ---- */

struct rt_metric_label {
	struct xfed_span name, value; /* not escaped; NUL-terminated in what rt_metrics_each() passes */
};
struct rt_metric_sample {
	struct xfed_span name; /* as in the text format: with _bucket, _sum, _count for histograms; NUL-terminated likewise */
	struct rt_metric_label labels[RT_METRIC_LABELS_MAX + 1];
	size_t label_count;
	double value;
};

/*
 * Calls `each` for every local sample in the order of the text format; stops at the first result that is not OK and returns
 * it. The sample is valid for the call.
 */
int rt_metrics_each(const struct rt_metrics *m, int (*each)(void *user, const struct rt_metric_sample *s), void *user);

/*
 * Metrics of another process, shown with an additional label edge="`edge`". begin; add each sample; commit replaces the edge's previous
 * set; of samples that differ in the value only, the last one counts. A sample whose name or labels are not those of a family of ours, or
 * whose value is not finite, is refused (INVALID; the set goes on). LIMIT: RT_METRIC_IMPORT_MAX samples, RT_METRIC_IMPORT_BYTES or
 * RT_METRIC_PEERS_MAX edges are reached. After NOMEM nothing has changed. add without begin is XFED_ERR_STATE.
 */
int rt_metrics_import_begin(struct rt_metrics *m, struct xfed_span edge);
int rt_metrics_import_add(struct rt_metrics *m, struct xfed_span edge, const struct rt_metric_sample *s);
void rt_metrics_import_commit(struct rt_metrics *m, struct xfed_span edge);
void rt_metrics_import_drop(struct rt_metrics *m, struct xfed_span edge);

#endif
