/*
 * Arbitrary bytes as edge.yaml and gateway.yaml. The first byte chooses which.
 *
 * Properties: a file either gives a configuration or at least one error, never both and never neither (libcyaml took
 * `flase` for true and an empty file for success); every message is one line; what is accepted survives being printed and
 * read again, and a secret is never printed.
 */
#include <stdint.h>
#include <stdlib.h>

#include "edge-proxy/config.h"
#include "fe-gateway/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds) {
		abort();
	}
}

static void check_messages(const struct rt_conf_errors *errors)
{
	struct xfed_buf out;
	for (size_t i = 0; i < errors->count; i++) {
		xfed_buf_init(&out, 65536);
		require(rt_conf_problem_print(&errors->items[i], &out) == XFED_OK);
		struct xfed_span s = xfed_buf_span(&out);
		for (size_t c = 0; c < s.len; c++) {
			require((unsigned char)s.data[c] >= 0x20);
		}
		xfed_buf_deinit(&out);
	}
}

static void differs(void *user, const char *key, bool is_reloadable)
{
	abort();
}

static void check_edge(struct xfed_span text, struct rt_conf_errors *errors)
{
	struct edge_config *c, *again;
	int rc = edge_config_parse("edge.yaml", text, errors, &c);
	require((rc == XFED_OK) == (c != NULL) && (rc == XFED_OK) == (errors->error_count == 0));
	if (c) {
		struct xfed_buf out;
		require(c->base.name && c->certificates.count > 0 && c->channel.allow.count > 0);
		xfed_buf_init(&out, 4 * RT_CONF_FILE_BYTES);
		require(rt_conf_print(&edge_config_table, c, &out) == XFED_OK);
		if (xfed_buf_len(&out) <= RT_CONF_FILE_BYTES) {
			require(edge_config_parse("printed", xfed_buf_span(&out), errors, &again) == XFED_OK);
			rt_conf_diff(&edge_config_table, c, again, differs, NULL);
			edge_config_free(again);
		}
		xfed_buf_deinit(&out);
	}
	edge_config_free(c);
}

static void check_gateway(struct xfed_span text, struct rt_conf_errors *errors)
{
	struct config *c, *again;
	int rc = config_parse("gateway.yaml", text, errors, &c);
	require((rc == XFED_OK) == (c != NULL) && (rc == XFED_OK) == (errors->error_count == 0));
	if (c) {
		struct xfed_buf out;
		for (size_t i = 0; i < c->domains.count; i++) {
			const struct config_domain *d = &c->domains.items[i];
			require(d->hop.host && (d->hop.transport != RT_TRANSPORT_TLS || (d->tls_name && c->sip.ca)));
		}
		require(!c->store.postgresql);
		xfed_buf_init(&out, 4 * RT_CONF_FILE_BYTES);
		require(rt_conf_print(&config_table, c, &out) == XFED_OK);
		if (xfed_buf_len(&out) <= RT_CONF_FILE_BYTES) {
			require(config_parse("printed", xfed_buf_span(&out), errors, &again) == XFED_OK);
			rt_conf_diff(&config_table, c, again, differs, NULL);
			config_free(again);
		}
		xfed_buf_deinit(&out);
	}
	config_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rt_conf_errors errors;
	if (size < 1) {
		return 0;
	}
	rt_conf_errors_init(&errors);
	struct xfed_span text = xfed_span_make(data + 1, size - 1);
	if (data[0] == 'e') {
		check_edge(text, &errors);
	} else {
		check_gateway(text, &errors);
	}
	check_messages(&errors);
	rt_conf_errors_deinit(&errors);
	return 0;
}
