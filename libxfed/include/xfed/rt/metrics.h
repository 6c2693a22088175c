/*
 * Metrics: a table of families (metrics.def) over series found by their label values. Names and labels are public
 * (they stay put). The number of series per family is bounded; what comes beyond is counted under partner="other" (all
 * labels "other" where a family has no partner label), so no peer can make us grow. Unknown domains are the caller's to
 * name "other" (RT_METRIC_OTHER).
 *
 * One registry per process in practice, but it is an object so that tests are independent. Loop thread only.
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
 * The handle for hot paths. Never NULL: out of memory or beyond the bound it is the family's overflow series. A count of
 * labels that is not the family's is a broken promise.
 */
struct rt_series *rt_metric_series(struct rt_metrics *m, enum rt_metric_id id, const struct xfed_span *labels, size_t count);
void rt_series_add(struct rt_series *s, uint64_t n);	   /* counters and gauges */
void rt_series_sub(struct rt_series *s, uint64_t n);	   /* gauges */
void rt_series_set(struct rt_series *s, double value);	   /* gauges */
void rt_series_observe(struct rt_series *s, double value); /* histograms, in seconds */
double rt_series_value(const struct rt_series *s);	   /* of a histogram: the number of observations */

/* The same with a look-up each time. */
void rt_metric_add(struct rt_metrics *m, enum rt_metric_id id, uint64_t n, const struct xfed_span *labels, size_t count);
void rt_metric_sub(struct rt_metrics *m, enum rt_metric_id id, uint64_t n, const struct xfed_span *labels, size_t count);
void rt_metric_set(struct rt_metrics *m, enum rt_metric_id id, double value, const struct xfed_span *labels, size_t count);
void rt_metric_observe(struct rt_metrics *m, enum rt_metric_id id, double value, const struct xfed_span *labels, size_t count);
/* 0 where there is no such series yet. */
double rt_metric_value(const struct rt_metrics *m, enum rt_metric_id id, const struct xfed_span *labels, size_t count);
/* Gauges whose objects are gone: series whose label number `label` has the value become absent from the output until they are set again. */
void rt_metric_clear(struct rt_metrics *m, enum rt_metric_id id, size_t label, struct xfed_span value);

/* The Prometheus text format, ours and the imported ones. OK, LIMIT, NOMEM. */
int rt_metrics_print(const struct rt_metrics *m, struct xfed_buf *out);

/* ---- between an edge and its gateway ---- */

struct rt_metric_label {
	struct xfed_span name, value; /* not escaped; terminated in what rt_metrics_each() gives */
};
struct rt_metric_sample {
	struct xfed_span name; /* as in the text format: with _bucket, _sum, _count for histograms; terminated likewise */
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
 * What another process reported, shown under an extra label edge="`edge`". begin; add each sample; commit replaces what that
 * edge had before; of samples that are alike but for the value the last one counts. A sample whose name or labels are not those
 * of a family of ours, or whose value is no finite number, is
 * refused (INVALID, nothing added; the set goes on); beyond RT_METRIC_IMPORT_MAX samples, RT_METRIC_IMPORT_BYTES or
 * RT_METRIC_PEERS_MAX edges it is LIMIT. NOMEM leaves what was there. add without begin is XFED_ERR_STATE.
 */
int rt_metrics_import_begin(struct rt_metrics *m, struct xfed_span edge);
int rt_metrics_import_add(struct rt_metrics *m, struct xfed_span edge, const struct rt_metric_sample *s);
void rt_metrics_import_commit(struct rt_metrics *m, struct xfed_span edge);
void rt_metrics_import_drop(struct rt_metrics *m, struct xfed_span edge);

#endif
