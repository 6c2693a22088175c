/* xfed-edge [-c FILE] [--check-config] [--version] */
#include <stdio.h>

#include "edge.h"
#include "xfed/rt/process.h"
#include "xfed/sasl.h"

static int serve(struct edge_config *config, const char *path)
{
	struct edge *e = NULL;
	char error[256];
	rt_daemon_start_log(&config->base);
	int rc = rt_daemon_confine(&config->base, error), code = 1;
	if (rc != XFED_OK) {
		edge_config_free(config);
	} else {
		rc = edge_new(path, config, &e, error);
	}
	if (rc == XFED_OK) {
		rt_daemon_run(&e->core.d, config->base.name);
		code = e->exit_code;
	} else {
		fprintf(stderr, "xfed-edge: %s\n", error);
	}
	edge_free(e);
	return code;
}

static int run(const char *path, bool check_only)
{
	struct rt_conf_errors errors;
	struct edge_config *config = NULL;
	rt_conf_errors_init(&errors);
	int rc = check_only ? edge_config_check(path, &errors) : edge_config_load(path, &errors, &config);
	rt_print_problems(&errors);
	rt_conf_errors_deinit(&errors);
	if (rc == XFED_OK && !check_only) {
		return serve(config, path);
	}
	if (rc == XFED_OK) {
		printf("%s: fine\n", path);
	}
	edge_config_free(config);
	return rc == XFED_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct rt_program program = { .name = "xfed-edge",
		.default_config = "/etc/xfed/edge.yaml",
		.init = xfed_sasl_global_init,
		.deinit = xfed_sasl_global_deinit,
		.run = run };
	return rt_program_main(&program, argc, argv);
}
