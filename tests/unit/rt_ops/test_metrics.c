/* Metrics: the families of the interface, the text format, the bound on series, and what an edge reports to a gateway. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "xfed/rt/metrics.h"

static struct rt_metrics *m;
static struct xfed_buf out;

static int setup(void **state)
{
	xfed_buf_init(&out, 64 * 1024 * 1024);
	return rt_metrics_new(&m);
}

static int teardown(void **state)
{
	rt_metrics_free(m);
	xfed_buf_deinit(&out);
	return 0;
}

static const char *print(struct rt_metrics *of)
{
	xfed_buf_clear(&out);
	assert_int_equal(rt_metrics_print(of, &out), XFED_OK);
	assert_int_equal(xfed_buf_append(&out, xfed_span_make("", 1)), XFED_OK);
	return xfed_buf_span(&out).data;
}

#define HAS(of, line)                                                                                                                                \
	do {                                                                                                                                         \
		const char *text_ = print(of);                                                                                                       \
		if (!strstr(text_, "\n" line "\n")) {                                                                                                \
			fail_msg("missing: %s\nin:\n%.4000s", line, text_);                                                                          \
		}                                                                                                                                    \
	} while (0)

/* The names and labels an operator relies on. */
static void families_of_the_interface(void **state)
{
	static const struct {
		const char *name, *type;
		size_t labels;
	} families[] = {
		{ "xfed_s2s_streams", "gauge", 2 },
		{ "xfed_s2s_auth_total", "counter", 4 },
		{ "xfed_s2s_closed_total", "counter", 3 },
		{ "xfed_stanzas_total", "counter", 4 },
		{ "xfed_refusals_total", "counter", 2 },
		{ "xfed_dropped_total", "counter", 1 },
		{ "xfed_deliveries_in_flight", "gauge", 0 },
		{ "xfed_deliveries_uncertain_total", "counter", 0 },
		{ "xfed_deliveries_unaccounted", "gauge", 0 },
		{ "xfed_translate_total", "counter", 2 },
		{ "xfed_presence_subscriptions", "gauge", 2 },
		{ "xfed_presence_stale", "gauge", 1 },
		{ "xfed_presence_notifications_total", "counter", 2 },
		{ "xfed_presence_refreshes_total", "counter", 1 },
		{ "xfed_presence_drift", "counter", 0 },
		{ "xfed_sip_sessions", "gauge", 0 },
		{ "xfed_sip_responses_total", "counter", 3 },
		{ "xfed_sip_next_hop_up", "gauge", 1 },
		{ "xfed_store_writable", "gauge", 0 },
		{ "xfed_channel_up", "gauge", 1 },
		{ "xfed_channel_unsent_total", "counter", 1 },
		{ "xfed_channel_rtt_seconds", "gauge", 1 },
		{ "xfed_channel_clock_difference_seconds", "gauge", 1 },
		{ "xfed_policy_revision", "gauge", 0 },
		{ "xfed_certificate_not_after_timestamp_seconds", "gauge", 2 },
		{ "xfed_tls_total", "counter", 2 },
		{ "xfed_handshake_seconds", "histogram", 0 },
		{ "xfed_delivery_seconds", "histogram", 0 },
		{ "xfed_loop_lag_seconds", "gauge", 0 },
		{ "xfed_sandbox", "gauge", 1 },
		{ "xfed_sandbox_denied_total", "counter", 1 },
		{ "xfed_panel_requests_total", "counter", 0 },
		{ "xfed_panel_logins_total", "counter", 1 },
		{ "xfed_panel_sessions", "gauge", 0 },
		{ "xfed_panel_connections", "gauge", 0 },
		{ "xfed_build_info", "gauge", 2 },
	};
	const struct xfed_span values[4] = { XFED_SPAN("a"), XFED_SPAN("b"), XFED_SPAN("c"), XFED_SPAN("d") };
#define RT_METRIC(id, name, type, labels, help) { name, labels, RT_M_##id, type },
	static const struct {
		const char *name, *labels;
		enum rt_metric_id id;
		enum rt_metric_type type;
	} table[] = {
#include "metrics.def"
	};
#undef RT_METRIC
	assert_int_equal(XFED_ARRAY_LEN(table), XFED_ARRAY_LEN(families));
	for (size_t i = 0; i < XFED_ARRAY_LEN(table); i++) {
		size_t labels = table[i].labels[0] ? 1 : 0;
		for (const char *p = table[i].labels; *p; p++) {
			labels += *p == ',';
		}
		if (table[i].type == RT_METRIC_HISTOGRAM) {
			rt_metric_observe(m, table[i].id, 1, values, labels);
		} else {
			rt_metric_add(m, table[i].id, 1, values, labels);
		}
	}
	const char *text = print(m);
	for (size_t i = 0; i < XFED_ARRAY_LEN(families); i++) {
		char line[256];
		snprintf(line, sizeof(line), "# TYPE %s %s\n", families[i].name, families[i].type);
		if (!strstr(text, line)) {
			fail_msg("missing: %s", line);
		}
		for (size_t t = 0; t < XFED_ARRAY_LEN(table); t++) {
			size_t labels = table[t].labels[0] ? 1 : 0;
			for (const char *p = table[t].labels; *p; p++) {
				labels += *p == ',';
			}
			if (strcmp(table[t].name, families[i].name) == 0 && labels != families[i].labels) {
				fail_msg("%s has %zu labels", families[i].name, labels);
			}
		}
	}
}

static void values_and_escapes(void **state)
{
	rt_metric_add(m, RT_M_REFUSALS, 3, RT_LABELS(XFED_SPAN("tls.cert.expired"), XFED_SPAN("partner")));
	rt_metric_add(m, RT_M_REFUSALS, 4, RT_LABELS(XFED_SPAN("tls.cert.expired"), XFED_SPAN("partner")));
	HAS(m, "xfed_refusals_total{reason=\"tls.cert.expired\",side=\"partner\"} 7");
	rt_metric_add(m, RT_M_DROPPED, 1, RT_LABELS(XFED_SPAN("a\"b\\c\nd")));
	HAS(m, "xfed_dropped_total{rule=\"a\\\"b\\\\c\\nd\"} 1");
	rt_metric_set(m, RT_M_CHANNEL_RTT, 0.0125, RT_LABELS(XFED_SPAN("edge1")));
	HAS(m, "xfed_channel_rtt_seconds{peer=\"edge1\"} 0.0125");
	rt_metric_set(m, RT_M_CERTIFICATE_NOT_AFTER, 1893456000, RT_LABELS(XFED_SPAN("a.example"), XFED_SPAN("us")));
	HAS(m, "xfed_certificate_not_after_timestamp_seconds{name=\"a.example\",owner=\"us\"} 1893456000");
	HAS(m, "xfed_deliveries_uncertain_total 0");
	rt_metric_add(m, RT_M_DELIVERIES_IN_FLIGHT, 5, RT_NO_LABELS);
	rt_metric_sub(m, RT_M_DELIVERIES_IN_FLIGHT, 2, RT_NO_LABELS);
	HAS(m, "xfed_deliveries_in_flight 3");
	assert_true(rt_metric_value(m, RT_M_DELIVERIES_IN_FLIGHT, RT_NO_LABELS) == 3);
	rt_metric_add(m, RT_M_DELIVERIES_UNCERTAIN, 9007199254740991, RT_NO_LABELS);
	HAS(m, "xfed_deliveries_uncertain_total 9007199254740991");
	/* Bytes that are no text must not reach whoever scrapes. */
	rt_metric_add(m, RT_M_DROPPED, 1, RT_LABELS(XFED_SPAN("\xff")));
	HAS(m, "xfed_dropped_total{rule=\"?\"} 1");
}

static void histograms(void **state)
{
	struct rt_series *s = rt_metric_series(m, RT_M_HANDSHAKE, RT_NO_LABELS);
	rt_series_observe(s, 0.0005);
	rt_series_observe(s, 0.05);
	rt_series_observe(s, 3);
	rt_series_observe(s, 1000);
	HAS(m, "xfed_handshake_seconds_bucket{le=\"0.001\"} 1");
	HAS(m, "xfed_handshake_seconds_bucket{le=\"0.025\"} 1");
	HAS(m, "xfed_handshake_seconds_bucket{le=\"0.05\"} 2");
	HAS(m, "xfed_handshake_seconds_bucket{le=\"5\"} 3");
	HAS(m, "xfed_handshake_seconds_bucket{le=\"60\"} 3");
	HAS(m, "xfed_handshake_seconds_bucket{le=\"+Inf\"} 4");
	HAS(m, "xfed_handshake_seconds_sum 1003.0505");
	HAS(m, "xfed_handshake_seconds_count 4");
}

/* An edge has no store that could be written or not. */
static void gauges_nobody_sets_are_absent(void **state)
{
	assert_null(strstr(print(m), "xfed_store_writable"));
	HAS(m, "xfed_presence_drift 0");
	rt_metric_set(m, RT_M_STORE_WRITABLE, 0, RT_NO_LABELS);
	HAS(m, "xfed_store_writable 0");
}

static void gauges_can_be_cleared(void **state)
{
	rt_metric_set(m, RT_M_CHANNEL_UP, 1, RT_LABELS(XFED_SPAN("edge1")));
	rt_metric_set(m, RT_M_CHANNEL_UP, 1, RT_LABELS(XFED_SPAN("edge2")));
	rt_metric_clear(m, RT_M_CHANNEL_UP, 0, XFED_SPAN("edge1"));
	assert_null(strstr(print(m), "edge1"));
	rt_metric_clear(m, RT_M_CHANNEL_UP, 0, XFED_SPAN("edge2"));
	assert_null(strstr(print(m), "xfed_channel_up"));
	rt_metric_set(m, RT_M_CHANNEL_UP, 1, RT_LABELS(XFED_SPAN("edge2")));
	HAS(m, "xfed_channel_up{peer=\"edge2\"} 1");
	assert_null(strstr(print(m), "edge1"));
}

/* A peer that makes up names cannot make us grow: partner="other" takes the rest, and no count is lost. */
static void series_are_bounded(void **state)
{
	const unsigned names = RT_METRIC_SERIES_MAX + 1000;
	for (unsigned i = 0; i < names; i++) {
		char name[32];
		snprintf(name, sizeof(name), "p%u.example", i);
		rt_metric_add(m, RT_M_S2S_CLOSED, 1, RT_LABELS(xfed_span_str(name), XFED_SPAN("in"), XFED_SPAN("stream.closed.peer")));
	}
	HAS(m, "xfed_s2s_closed_total{partner=\"other\",direction=\"in\",reason=\"stream.closed.peer\"} 1000");
	for (unsigned i = 0; i < names; i++) {
		char reason[32];
		snprintf(reason, sizeof(reason), "r%u", i);
		rt_metric_add(m, RT_M_S2S_CLOSED, 1, RT_LABELS(XFED_SPAN("x.example"), XFED_SPAN("in"), xfed_span_str(reason)));
	}
	/* The 511 others with partner="other" that were left, then everything "other". */
	HAS(m, "xfed_s2s_closed_total{partner=\"other\",direction=\"other\",reason=\"other\"} 4585");
	size_t series = 0;
	for (const char *p = print(m); (p = strstr(p, "\nxfed_s2s_closed_total{")); p++) {
		series++;
	}
	assert_int_equal(series, RT_METRIC_SERIES_MAX + RT_METRIC_OTHER_MAX + 1);
	char rule[32];
	for (unsigned i = 0; i < names; i++) {
		snprintf(rule, sizeof(rule), "r%u", i);
		rt_metric_add(m, RT_M_DROPPED, 1, RT_LABELS(xfed_span_str(rule)));
	}
	HAS(m, "xfed_dropped_total{rule=\"other\"} 1000");
}

static void long_values_are_cut_at_a_character(void **state)
{
	char value[RT_METRIC_VALUE_BYTES + 10];
	memset(value, 'a', sizeof(value));
	memcpy(value + RT_METRIC_VALUE_BYTES - 2, "\xc3\xbc", 2);
	rt_metric_add(m, RT_M_DROPPED, 1, RT_LABELS(xfed_span_make(value, sizeof(value))));
	char line[RT_METRIC_VALUE_BYTES + 64];
	snprintf(line, sizeof(line), "\nxfed_dropped_total{rule=\"%.*s\"} 1\n", RT_METRIC_VALUE_BYTES - 2, value);
	assert_non_null(strstr(print(m), line));
}

/* ---- import ---- */

struct copying {
	struct rt_metrics *to;
	size_t samples;
};

static int copy_sample(void *user, const struct rt_metric_sample *s)
{
	struct copying *c = user;
	c->samples++;
	return rt_metrics_import_add(c->to, XFED_SPAN("edge1"), s);
}

static void an_edge_shows_on_its_gateway(void **state)
{
	struct rt_metrics *edge;
	assert_int_equal(rt_metrics_new(&edge), XFED_OK);
	rt_metric_add(edge, RT_M_DROPPED, 2, RT_LABELS(XFED_SPAN("a\"b")));
	rt_metric_add(m, RT_M_DROPPED, 5, RT_LABELS(XFED_SPAN("own")));
	rt_metric_observe(edge, RT_M_HANDSHAKE, 0.5, RT_NO_LABELS);
	struct copying c = { .to = m };
	assert_int_equal(rt_metrics_import_begin(m, XFED_SPAN("edge1")), XFED_OK);
	assert_int_equal(rt_metrics_each(edge, copy_sample, &c), XFED_OK);
	assert_null(strstr(print(m), "edge="));
	rt_metrics_import_commit(m, XFED_SPAN("edge1"));
	HAS(m, "xfed_dropped_total{edge=\"edge1\",rule=\"a\\\"b\"} 2");
	HAS(m, "xfed_dropped_total{rule=\"own\"} 5");
	HAS(m, "xfed_handshake_seconds_bucket{edge=\"edge1\",le=\"0.5\"} 1");
	HAS(m, "xfed_handshake_seconds_count{edge=\"edge1\"} 1");
	HAS(m, "xfed_deliveries_uncertain_total{edge=\"edge1\"} 0");
	/* One header a family, whoever has samples of it. */
	const char *first = strstr(print(m), "# TYPE xfed_dropped_total");
	assert_non_null(first);
	assert_null(strstr(first + 1, "# TYPE xfed_dropped_total"));
	/* A second set replaces the first; half a set does not. */
	assert_int_equal(rt_metrics_import_begin(m, XFED_SPAN("edge1")), XFED_OK);
	HAS(m, "xfed_dropped_total{edge=\"edge1\",rule=\"a\\\"b\"} 2");
	rt_metrics_import_commit(m, XFED_SPAN("edge1"));
	assert_null(strstr(print(m), "edge="));
	rt_metrics_import_drop(m, XFED_SPAN("edge1"));
	rt_metrics_free(edge);
}

#define SAMPLE(n, v, ...)                                                                                                                            \
	{                                                                                                                                            \
		.name = XFED_SPAN(n), .value = (v), __VA_ARGS__                                                                                      \
	}
#define L(n, v)                                                                                                                                      \
	{                                                                                                                                            \
		XFED_SPAN(n), XFED_SPAN(v)                                                                                                           \
	}

/* A page with two lines of one series is read by nobody. */
static void no_sample_stands_twice(void **state)
{
	struct rt_metric_sample s = SAMPLE("xfed_dropped_total", 7, .labels = { L("rule", "twice") }, .label_count = 1);
	(void)state;
	assert_int_equal(rt_metrics_import_begin(m, XFED_SPAN("edge1")), XFED_OK);
	assert_int_equal(rt_metrics_import_add(m, XFED_SPAN("edge1"), &s), XFED_OK);
	s.value = 8;
	assert_int_equal(rt_metrics_import_add(m, XFED_SPAN("edge1"), &s), XFED_OK);
	s.labels[0].value = XFED_SPAN("once");
	assert_int_equal(rt_metrics_import_add(m, XFED_SPAN("edge1"), &s), XFED_OK);
	rt_metrics_import_commit(m, XFED_SPAN("edge1"));
	HAS(m, "xfed_dropped_total{edge=\"edge1\",rule=\"twice\"} 8");
	HAS(m, "xfed_dropped_total{edge=\"edge1\",rule=\"once\"} 8");
	assert_null(strstr(print(m), "rule=\"twice\"} 7"));
	rt_metrics_import_drop(m, XFED_SPAN("edge1"));
}

/* The gateway does not trust the edge. */
static void a_hostile_edge_is_refused(void **state)
{
	const double nan = strtod("nan", NULL), inf = strtod("inf", NULL);
	const struct {
		const char *name;
		struct rt_metric_sample s;
	} bad[] = {
		{ "unknown family", SAMPLE("node_load1", 1, .label_count = 0) },
		{ "prefix of a family", SAMPLE("xfed_dropped_totals", 1, .labels = { L("rule", "x") }, .label_count = 1) },
		{ "suffix of a counter", SAMPLE("xfed_dropped_total_sum", 1, .labels = { L("rule", "x") }, .label_count = 1) },
		{ "histogram without suffix", SAMPLE("xfed_handshake_seconds", 1, .label_count = 0) },
		{ "label missing", SAMPLE("xfed_dropped_total", 1, .label_count = 0) },
		{ "label too many", SAMPLE("xfed_dropped_total", 1, .labels = { L("rule", "x"), L("edge", "gw") }, .label_count = 2) },
		{ "another label", SAMPLE("xfed_dropped_total", 1, .labels = { L("edge", "x") }, .label_count = 1) },
		{ "bound that is none", SAMPLE("xfed_handshake_seconds_bucket", 1, .labels = { L("le", "7") }, .label_count = 1) },
		{ "not a number", SAMPLE("xfed_dropped_total", nan, .labels = { L("rule", "x") }, .label_count = 1) },
		{ "infinite", SAMPLE("xfed_dropped_total", inf, .labels = { L("rule", "x") }, .label_count = 1) },
		{ "value not UTF-8", SAMPLE("xfed_dropped_total", 1, .labels = { L("rule", "\xff") }, .label_count = 1) },
		{ "value with NUL", SAMPLE("xfed_dropped_total", 1, .labels = { L("rule", "a\0b") }, .label_count = 1) },
	};
	const struct rt_metric_sample good = SAMPLE("xfed_dropped_total", 1, .labels = { L("rule", "x") }, .label_count = 1);
	assert_int_equal(rt_metrics_import_add(m, XFED_SPAN("e"), &good), XFED_ERR_STATE);
	assert_int_equal(rt_metrics_import_begin(m, XFED_SPAN("e")), XFED_OK);
	for (size_t i = 0; i < XFED_ARRAY_LEN(bad); i++) {
		if (rt_metrics_import_add(m, XFED_SPAN("e"), &bad[i].s) != XFED_ERR_INVALID) {
			fail_msg("%s was taken", bad[i].name);
		}
	}
	for (int i = 0; i < RT_METRIC_IMPORT_MAX; i++) {
		assert_int_equal(rt_metrics_import_add(m, XFED_SPAN("e"), &good), XFED_OK);
	}
	assert_int_equal(rt_metrics_import_add(m, XFED_SPAN("e"), &good), XFED_ERR_LIMIT);
	for (int i = 0; i < RT_METRIC_PEERS_MAX - 1; i++) {
		char name[16];
		snprintf(name, sizeof(name), "e%d", i);
		assert_int_equal(rt_metrics_import_begin(m, xfed_span_str(name)), XFED_OK);
	}
	assert_int_equal(rt_metrics_import_begin(m, XFED_SPAN("one more")), XFED_ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(families_of_the_interface, setup, teardown),
		cmocka_unit_test_setup_teardown(values_and_escapes, setup, teardown),
		cmocka_unit_test_setup_teardown(histograms, setup, teardown),
		cmocka_unit_test_setup_teardown(gauges_nobody_sets_are_absent, setup, teardown),
		cmocka_unit_test_setup_teardown(gauges_can_be_cleared, setup, teardown),
		cmocka_unit_test_setup_teardown(series_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(long_values_are_cut_at_a_character, setup, teardown),
		cmocka_unit_test_setup_teardown(an_edge_shows_on_its_gateway, setup, teardown),
		cmocka_unit_test_setup_teardown(no_sample_stands_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(a_hostile_edge_is_refused, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
