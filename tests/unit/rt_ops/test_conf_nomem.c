/* Failing each of our allocations in turn while files are loaded: an error each time, never a crash or a leak. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "edge-proxy/config.h"
#include "fe-gateway/policy/access_file.h"
#include "fe-gateway/policy/partner_file.h"
#include "xfed/mem.h"
#include "xfed/rt/conf_edit.h"
#include "xfed/rt/metrics.h"

static long countdown;

static void *failing_malloc(size_t size)
{
	return countdown-- == 0 ? NULL : malloc(size);
}

static void *failing_realloc(void *p, size_t size)
{
	return countdown-- == 0 ? NULL : realloc(p, size);
}

static const struct xfed_mem_hooks hooks = { failing_malloc, failing_realloc, free };

static int load_edge(void)
{
	static const char text[] = "name: e\nchannel: {listen: [\"127.0.0.1:1\"], certificate: /c, key: /k, ca: /a, allow: [g.example]}\n"
				   "certificates: [{certificate: /c, key: /k}, {certificate: /d, key: /l}]\nlimits: {connections: 500}\n";
	struct rt_conf_errors errors;
	struct edge_config *c = NULL;
	rt_conf_errors_init(&errors);
	int rc = edge_config_parse("e.yaml", xfed_span_str(text), &errors, &c);
	if (rc == XFED_OK) {
		struct xfed_buf out;
		xfed_buf_init(&out, 65536);
		rc = rt_conf_print(&edge_config_table, c, &out);
		xfed_buf_deinit(&out);
	}
	edge_config_free(c);
	rt_conf_errors_deinit(&errors);
	return rc;
}

static int load_gateway(void)
{
	static const char text[] = "name: g\nedges: [{name: e, address: \"h.example:1\"}]\nchannel: {certificate: /c, key: /k, ca: /a}\n"
				   "sip: {listen: [\"tcp:127.0.0.1:5060\"], advertise: g.example}\n"
				   "domains: [{domain: example.com, next_hop: \"sip:h.example;transport=tcp\", peer_addresses: [10.0.0.0/8]}]\n";
	struct rt_conf_errors errors;
	struct config *c = NULL;
	rt_conf_errors_init(&errors);
	int rc = config_parse("g.yaml", xfed_span_str(text), &errors, &c);
	config_free(c);
	rt_conf_errors_deinit(&errors);
	return rc;
}

static int load_partner(void)
{
	struct rt_conf_errors errors;
	struct partner_file f;
	rt_conf_errors_init(&errors);
	int rc =
		partner_file_parse("a.example.yaml", XFED_SPAN("domain: a.example\nadditional_domains: [b.example, \"*.c.example\"]\n"), &errors, &f);
	partner_file_deinit(&f);
	rt_conf_errors_deinit(&errors);
	return rc;
}

static int load_access(void)
{
	struct rt_conf_errors errors;
	struct access_set *s = NULL;
	rt_conf_errors_init(&errors);
	int rc = access_set_new(&s);
	if (rc == XFED_OK) {
		rc = access_set_add(s, "p.yaml", XFED_SPAN("name: P\nscope: user\nallowed: true\ngranted_to: [a@b.example, c@d.example]\n"), &errors);
	}
	access_set_free(s);
	rt_conf_errors_deinit(&errors);
	return rc;
}

static int edit_partner(void)
{
	static const char text[] = "domain: a.example\nadditional_domains: [b.example]\nlimits: {connections: 5}\n";
	char error[RT_CONF_EDIT_ERROR];
	struct xfed_buf out;
	xfed_buf_init(&out, 65536);
	int rc = rt_conf_set(&partner_file_table, "f.yaml", xfed_span_str(text), "additional_domains", "B.example,c.example", &out, error);
	if (rc == XFED_OK) {
		rc = rt_conf_set(&partner_file_table, "f.yaml", xfed_span_str(text), "limits.connections", "", &out, error);
	} else {
		assert_int_equal(xfed_buf_len(&out), 0);
	}
	xfed_buf_deinit(&out);
	return rc;
}

/* Metrics never fail a caller: what cannot be kept is counted under "other". */
static int use_metrics(void)
{
	struct rt_metrics *m = NULL;
	int rc = rt_metrics_new(&m);
	if (rc != XFED_OK) {
		return rc;
	}
	struct rt_series *s = rt_metric_series(m, RT_M_REFUSALS, RT_LABELS(XFED_SPAN("r"), XFED_SPAN("s")));
	rt_series_add(s, 1);
	rt_metric_observe(m, RT_M_HANDSHAKE, 1, RT_NO_LABELS);
	struct xfed_buf out;
	xfed_buf_init(&out, 65536);
	rc = rt_metrics_print(m, &out);
	xfed_buf_deinit(&out);
	if (rc == XFED_OK) {
		rc = rt_metrics_import_begin(m, XFED_SPAN("edge1"));
	}
	rt_metrics_free(m);
	return rc;
}

/* Broken files: the errors themselves cost memory. */
static int load_broken(void)
{
	struct rt_conf_errors errors;
	struct edge_config *c = NULL;
	rt_conf_errors_init(&errors);
	int rc = edge_config_parse("e.yaml", XFED_SPAN("name: E\nchannel: 5\nlog: {levle: x}\n"), &errors, &c);
	assert_true(rc != XFED_OK && !c);
	assert_true(errors.error_count > 0);
	rt_conf_errors_deinit(&errors);
	return XFED_OK;
}

static const struct {
	const char *name;
	int (*run)(void);
	long at_least; /* allocations, so that a sweep over nothing is seen */
	bool may_succeed;
} scenarios[] = {
	{ "edge.yaml", load_edge, 3, false },
	{ "gateway.yaml", load_gateway, 3, false },
	{ "partner file", load_partner, 3, false },
	{ "access file", load_access, 3, false },
	{ "change of a file", edit_partner, 10, false },
	{ "metrics", use_metrics, 5, true },
	{ "broken file", load_broken, 2, true },
};

static void each_allocation_fails_in_turn(void **state)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(scenarios); i++) {
		long n = 0;
		for (;; n++) {
			countdown = n;
			xfed_mem_set_hooks(&hooks);
			int rc = scenarios[i].run();
			xfed_mem_set_hooks(NULL);
			bool has_failed_one = countdown < 0;
			if (!has_failed_one) {
				assert_int_equal(rc, XFED_OK);
				break;
			}
			if (rc == XFED_OK && !scenarios[i].may_succeed) {
				fail_msg("%s: allocation %ld failed and nobody noticed", scenarios[i].name, n);
			}
		}
		if (n < scenarios[i].at_least) {
			fail_msg("%s: only %ld allocations", scenarios[i].name, n);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_allocation_fails_in_turn) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
