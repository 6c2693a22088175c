/* xfed-gateway [-c FILE] [--check-config] [--version] */
#include <stdio.h>

#include "gateway.h"

#define DEFAULT_CONFIG "/etc/xfed/gateway.yaml"

static int check_only(struct gateway_files *files, const char *path)
{
	gateway_files_deinit(files);
	printf("%s: fine\n", path);
	return 0;
}

static int serve(struct gateway_files *files, const char *path)
{
	struct gateway *g = NULL;
	char error[256], name[65];
	const struct gateway_config *c = files->config;
	snprintf(name, sizeof(name), "%s", c->name);
	rt_log_init(name);
	rt_log_configure(c->log.level, c->log.format, c->log.mask_addresses);
	int rc = gateway_new(path, files, &g, error);
	if (rc != XFED_OK) {
		fprintf(stderr, "xfed-gateway: %s\n", error);
		gateway_free(g);
		return 1;
	}
	rt_log(RT_LOG_INFO, "service.start", RT_KV_STR("name", name), RT_KV_STR("version", XFED_VERSION), RT_KV_HEX("boot", g->boot_nonce), RT_END);
	rt_notify_ready(g->notify, gateway_service_name(g->service));
	rt_loop_run(g->loop);
	rt_log(RT_LOG_INFO, "service.stop", RT_END);
	rt_log_flush(true);
	gateway_free(g);
	return 0;
}

static int run(const char *path, bool check)
{
	struct rt_conf_errors errors;
	struct gateway_files files;
	rt_conf_errors_init(&errors);
	int rc = gateway_files_load(path, &errors, &files);
	rt_print_problems(&errors);
	rt_conf_errors_deinit(&errors);
	return rc != XFED_OK ? 1 : check ? check_only(&files, path) : serve(&files, path);
}

int main(int argc, char **argv)
{
	struct rt_arguments args = { .config = DEFAULT_CONFIG };
	rt_clean_environment();
	int code = rt_arguments_read(argc, argv, "xfed-gateway", &args);
	if (code >= 0) {
		return code;
	}
	if (rt_global_init() != XFED_OK) {
		fputs("xfed-gateway: a library did not initialise\n", stderr);
		return 1;
	}
	code = run(args.config, args.check_only);
	rt_global_deinit();
	return code;
}
