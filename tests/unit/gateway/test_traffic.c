/* Figures of the last hour: differences, percentiles, the ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "admin/traffic.h"

static struct traffic traffic;

static json_int_t figure(size_t limit, size_t i, const char *key)
{
	json_t *j = traffic_json(&traffic, limit);
	json_int_t n = json_integer_value(json_object_get(json_array_get(json_object_get(j, "samples"), i), key));
	json_decref(j);
	return n;
}

static size_t size(size_t limit)
{
	json_t *j = traffic_json(&traffic, limit);
	size_t n = json_array_size(json_object_get(j, "samples"));
	json_decref(j);
	return n;
}

/* What was counted before the first sample is of no ten seconds. */
static void differences(void **state)
{
	struct traffic_totals now = { .counts = { [TRAFFIC_TO_SIP] = 100 } };
	memset(&traffic, 0, sizeof(traffic));
	assert_true(traffic_is_due(&traffic, 1000));
	traffic_add(&traffic, 1000, &now);
	assert_int_equal(size(0), 0);
	assert_false(traffic_is_due(&traffic, 1009));
	assert_true(traffic_is_due(&traffic, 1010));
	assert_true(traffic_is_due(&traffic, 500));
	now.counts[TRAFFIC_TO_SIP] = 107;
	now.counts[TRAFFIC_REFUSED] = 2;
	traffic.streams_in = 3;
	traffic_add(&traffic, 1010, &now);
	assert_int_equal(figure(0, 0, "to_sip"), 7);
	assert_int_equal(figure(0, 0, "refused"), 2);
	assert_int_equal(figure(0, 0, "streams_in"), 3);
	assert_int_equal(figure(0, 0, "at"), 1010);
	traffic_add(&traffic, 1020, &now);
	assert_int_equal(figure(0, 1, "to_sip"), 0);
	assert_int_equal(figure(0, 1, "streams_in"), 0);
	assert_int_equal(figure(1, 0, "at"), 1020);
}

static void percentiles(void **state)
{
	struct traffic_totals now = { .counts = { 0 } };
	memset(&traffic, 0, sizeof(traffic));
	traffic_add(&traffic, 1000, &now);
	traffic_add(&traffic, 1010, &now);
	assert_true(traffic.samples[0].p50_s < 0);
	now.buckets[0] = 98; /* at most 1 ms */
	now.buckets[6] = 2;  /* 50 to 100 ms */
	traffic_add(&traffic, 1020, &now);
	assert_true(traffic.samples[1].p50_s > 0.0004 && traffic.samples[1].p50_s < 0.0006);
	assert_true(traffic.samples[1].p99_s > 0.05 && traffic.samples[1].p99_s < 0.1);
	now.buckets[RT_METRIC_BUCKETS] = 1;
	traffic_add(&traffic, 1030, &now);
	assert_true(traffic.samples[2].p50_s == 60);
}

static void an_hour(void **state)
{
	struct traffic_totals now = { .counts = { 0 } };
	memset(&traffic, 0, sizeof(traffic));
	for (int i = 0; i <= TRAFFIC_SAMPLES + 5; i++) {
		now.counts[TRAFFIC_TO_XMPP] += (uint64_t)i;
		traffic_add(&traffic, 1000 + 10 * i, &now);
	}
	assert_int_equal(size(0), TRAFFIC_SAMPLES);
	assert_int_equal(figure(0, 0, "to_xmpp"), 6);
	assert_int_equal(figure(0, TRAFFIC_SAMPLES - 1, "to_xmpp"), TRAFFIC_SAMPLES + 5);
}

static void the_metrics(void **state)
{
	struct rt_metrics *m;
	struct traffic_totals t;
	assert_int_equal(rt_metrics_new(&m), 0);
	static const char *const series[][4] = { { "a.example", "to_sip", "message", "delivered" }, { "b.example", "to_sip", "message", "delivered" },
		{ "a.example", "to_xmpp", "presence", "delivered" }, { "a.example", "to_xmpp", "message", "refused" },
		{ "a.example", "to_xmpp", "message", "dropped" } };
	for (size_t i = 0; i < XFED_ARRAY_LEN(series); i++) {
		rt_metric_add(m, RT_M_STANZAS, i + 1,
			RT_LABELS(
				xfed_span_str(series[i][0]), xfed_span_str(series[i][1]), xfed_span_str(series[i][2]), xfed_span_str(series[i][3])));
	}
	rt_metric_observe(m, RT_M_DELIVERY, 0.002, RT_NO_LABELS);
	rt_metric_observe(m, RT_M_DELIVERY, 100, RT_NO_LABELS);
	traffic_read(m, &t);
	assert_int_equal(t.counts[TRAFFIC_TO_SIP], 3);
	assert_int_equal(t.counts[TRAFFIC_TO_XMPP], 0);
	assert_int_equal(t.counts[TRAFFIC_PRESENCE_TO_XMPP], 3);
	assert_int_equal(t.counts[TRAFFIC_REFUSED], 4);
	assert_int_equal(t.buckets[1], 1);
	assert_int_equal(t.buckets[RT_METRIC_BUCKETS], 1);
	rt_metrics_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(differences),
		cmocka_unit_test(percentiles),
		cmocka_unit_test(an_hour),
		cmocka_unit_test(the_metrics),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
