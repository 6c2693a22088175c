/* xfed-edge [-c FILE] [--check-config] [--version] */
#include <stdio.h>

#include "edge.h"
#include "xfed/sasl.h"

#define DEFAULT_CONFIG "/etc/xfed/edge.yaml"

static int check_only(struct edge_config *config, const char *path)
{
	struct xfed_tls_creds *partners, *channel;
	char error[256];
	int rc = edge_load_creds(config, &partners, &channel, error);
	if (rc != XFED_OK) {
		fprintf(stderr, "%s: %s\n", path, error);
	} else {
		printf("%s: fine\n", path);
	}
	xfed_tls_creds_unref(partners);
	xfed_tls_creds_unref(channel);
	edge_config_free(config);
	return rc == XFED_OK ? 0 : 1;
}

static int serve(struct edge_config *config, const char *path)
{
	struct edge *e = NULL;
	char error[256];
	rt_log_init(config->name);
	rt_log_configure(config->log.level, config->log.format, config->log.mask_addresses);
	int rc = edge_new(path, config, &e, error);
	if (rc != XFED_OK) {
		fprintf(stderr, "xfed-edge: %s\n", error);
		edge_free(e);
		return 1;
	}
	rt_log(RT_LOG_INFO, "service.start", RT_KV_STR("name", config->name), RT_KV_STR("version", XFED_VERSION), RT_KV_HEX("boot", e->boot_nonce),
		RT_END);
	rt_notify_ready(e->notify, edge_service_name(e->service));
	rt_loop_run(e->loop);
	int code = e->exit_code;
	rt_log(RT_LOG_INFO, "service.stop", RT_END);
	rt_log_flush(true);
	edge_free(e);
	return code;
}

int main(int argc, char **argv)
{
	struct rt_arguments args = { .config = DEFAULT_CONFIG };
	rt_clean_environment();
	int code = rt_arguments_read(argc, argv, "xfed-edge", &args);
	if (code >= 0) {
		return code;
	}
	if (rt_global_init() != XFED_OK || xfed_sasl_global_init() != XFED_OK) {
		fputs("xfed-edge: a library did not initialise\n", stderr);
		return 1;
	}
	struct rt_conf_errors errors;
	struct edge_config *config = NULL;
	rt_conf_errors_init(&errors);
	int rc = edge_config_load(args.config, &errors, &config);
	rt_print_problems(&errors);
	rt_conf_errors_deinit(&errors);
	code = rc != XFED_OK ? 1 : args.check_only ? check_only(config, args.config) : serve(config, args.config);
	xfed_sasl_global_deinit();
	rt_global_deinit();
	return code;
}
