/* What the files of the metrics share; see xfed/rt/metrics.h. */
#ifndef XFED_RT_METRICS_INTERNAL_H
#define XFED_RT_METRICS_INTERNAL_H

#include "util/table.h"
#include "xfed/arena.h"
#include "xfed/rt/metrics.h"

#define METRIC_BUCKETS	 RT_METRIC_BUCKETS
#define METRIC_KEY_BYTES (RT_METRIC_LABELS_MAX * (RT_METRIC_VALUE_BYTES + 2))

extern const double metric_bounds[METRIC_BUCKETS];		 /* upper bounds in seconds */
extern const char *const metric_bound_texts[METRIC_BUCKETS + 1]; /* the same as values of the label `le`, with "+Inf" behind them */

/* A row of metrics.def with its labels split. */
struct metric_info {
	const char *name, *help;
	enum rt_metric_type type;
	char label_mem[128];
	const char *labels[RT_METRIC_LABELS_MAX];
	size_t label_count;
	int partner; /* index of the label "partner", or -1 */
};

struct rt_series {
	const struct metric_info *info;
	struct xfed_span values[RT_METRIC_LABELS_MAX]; /* NUL-terminated, in `key` after their lengths */
	bool is_visible;
	uint64_t count; /* of a counter, or of observations of a histogram */
	double value;	/* of a gauge, or the sum of a histogram */
	uint64_t *buckets;
	char *key;
	size_t key_len;
	UT_hash_handle hh;
};

struct metric_family {
	struct metric_info info;
	struct rt_series *table;
	struct rt_series *recent; /* found last: messages of one partner come in a row */
	size_t count;
	struct rt_series overflow;
	char overflow_key[RT_METRIC_LABELS_MAX * 8];
	uint64_t overflow_buckets[METRIC_BUCKETS];
};

/* One sample of another process. */
enum metric_part { METRIC_VALUE, METRIC_BUCKET, METRIC_SUM, METRIC_COUNT };
struct metric_import {
	enum metric_part part;
	struct xfed_span values[RT_METRIC_LABELS_MAX + 1]; /* of the family's labels, then `le` */
	double value;
	struct metric_import *next;
	UT_hash_handle hh; /* within its family, where each sample is unique */
	size_t key_len;
	char key[]; /* part, then the values, each with a NUL */
};
struct metric_set {
	struct xfed_arena arena;
	struct metric_import *first[RT_METRIC_COUNT], *last[RT_METRIC_COUNT], *table[RT_METRIC_COUNT];
	size_t count;
	int last_id; /* of the sample before, whose family the next one most likely has */
};
struct metric_peer {
	char *edge;
	struct metric_set *current, *pending;
	UT_hash_handle hh;
};

struct rt_metrics {
	struct metric_family families[RT_METRIC_COUNT];
	struct metric_peer *peers;
};

void metrics_import_free(struct rt_metrics *m);
/* "_bucket" and so on; "" for METRIC_VALUE. */
const char *metric_part_suffix(enum metric_part part);

#endif
