#include "admin/traffic.h"

#include <string.h>

/* ---- the metrics ---- */

static bool is_word(struct xfed_span s, const char *word)
{
	return xfed_span_eq(s, xfed_span_str(word));
}

/* Labels: partner, direction, kind, fate. */
static void add_series(void *user, const struct rt_series *s)
{
	struct traffic_totals *t = user;
	struct xfed_span direction = rt_series_label(s, 1), kind = rt_series_label(s, 2), fate = rt_series_label(s, 3);
	uint64_t n = (uint64_t)rt_series_value(s);
	bool is_to_sip = is_word(direction, "to_sip");
	if (is_word(fate, "refused")) {
		t->counts[TRAFFIC_REFUSED] += n;
	} else if (is_word(fate, "delivered") && is_word(kind, "message")) {
		t->counts[is_to_sip ? TRAFFIC_TO_SIP : TRAFFIC_TO_XMPP] += n;
	} else if (is_word(fate, "delivered") && is_word(kind, "presence")) {
		t->counts[is_to_sip ? TRAFFIC_PRESENCE_TO_SIP : TRAFFIC_PRESENCE_TO_XMPP] += n;
	}
}

void traffic_read(const struct rt_metrics *m, struct traffic_totals *out)
{
	*out = (struct traffic_totals){ .counts = { 0 } };
	rt_metric_visit(m, RT_M_STANZAS, add_series, out);
	rt_metric_buckets(m, RT_M_DELIVERY, out->buckets);
}

/* ---- samples ---- */

/* Where in the histogram that share of all lies; within a bucket as if it were spread evenly. */
static double percentile(const uint64_t buckets[RT_METRIC_BUCKETS + 1], double share)
{
	uint64_t all = 0, below = 0;
	for (size_t i = 0; i <= RT_METRIC_BUCKETS; i++) {
		all += buckets[i];
	}
	double wanted = (double)all * share;
	for (size_t i = 0; all > 0 && i < RT_METRIC_BUCKETS; i++) {
		double from = i > 0 ? rt_metric_bound(i - 1) : 0;
		if (buckets[i] > 0 && (double)(below + buckets[i]) >= wanted) {
			return from + (rt_metric_bound(i) - from) * (wanted - (double)below) / (double)buckets[i];
		}
		below += buckets[i];
	}
	return all > 0 ? rt_metric_bound(RT_METRIC_BUCKETS - 1) : -1;
}

bool traffic_is_due(const struct traffic *t, int64_t now_s)
{
	return now_s >= t->due_s || now_s < t->due_s - TRAFFIC_EVERY_S; /* the clock may have been set back */
}

void traffic_add(struct traffic *t, int64_t now_s, const struct traffic_totals *now)
{
	uint64_t buckets[RT_METRIC_BUCKETS + 1];
	bool is_first = t->due_s == 0;
	struct traffic_sample s = { .at_s = now_s, .streams_in = t->streams_in, .streams_out = t->streams_out };
	for (int i = 0; i < TRAFFIC_COUNT; i++) {
		s.counts[i] = now->counts[i] - t->last.counts[i];
	}
	for (size_t i = 0; i <= RT_METRIC_BUCKETS; i++) {
		buckets[i] = now->buckets[i] - t->last.buckets[i];
	}
	s.p50_s = percentile(buckets, 0.5);
	s.p99_s = percentile(buckets, 0.99);
	if (!is_first) {
		t->samples[t->count++ % TRAFFIC_SAMPLES] = s;
	}
	t->last = *now;
	t->due_s = now_s + TRAFFIC_EVERY_S;
	t->streams_in = t->streams_out = 0;
}

/* ---- traffic list ---- */

static json_t *sample_json(const struct traffic_sample *s)
{
	static const char *const keys[TRAFFIC_COUNT] = {
#define KEY(id, key) [TRAFFIC_##id] = (key),
		TRAFFIC_COUNTS(KEY)
#undef KEY
	};
	json_t *j = json_pack("{s:I, s:i, s:i}", "at", (json_int_t)s->at_s, "streams_in", (int)s->streams_in, "streams_out", (int)s->streams_out);
	for (int i = 0; j && i < TRAFFIC_COUNT; i++) {
		json_object_set_new(j, keys[i], json_integer((json_int_t)s->counts[i]));
	}
	if (j && s->p50_s >= 0) {
		json_object_set_new(j, "p50_ms", json_real(s->p50_s * 1000));
		json_object_set_new(j, "p99_ms", json_real(s->p99_s * 1000));
	}
	return j;
}

json_t *traffic_json(const struct traffic *t, size_t limit)
{
	json_t *list = json_array();
	size_t there = t->count < TRAFFIC_SAMPLES ? (size_t)t->count : TRAFFIC_SAMPLES;
	size_t n = limit > 0 && limit < there ? limit : there;
	for (uint64_t i = t->count - n; i < t->count; i++) {
		json_array_append_new(list, sample_json(&t->samples[i % TRAFFIC_SAMPLES]));
	}
	return json_pack("{s:i, s:o}", "every_s", TRAFFIC_EVERY_S, "samples", list);
}
