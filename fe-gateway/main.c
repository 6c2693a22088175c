/* xfed-gateway [-c FILE] [--check-config] [--version] */
#include <errno.h>
#include <stdio.h>

#include "gateway.h"
#include "store/store.h"
#include "xfed/rt/process.h"

static int serve(struct policy_files *files, const char *path)
{
	struct gateway *g = NULL;
	char error[256];
	rt_daemon_start_log(&policy_files_config(files)->base);
	policy_files_name(files);
	int rc = rt_daemon_confine(&policy_files_config(files)->base, error);
	if (rc != XFED_OK) {
		policy_files_free(files);
	} else {
		rc = gateway_new(path, files, &g, error);
	}
	if (rc == XFED_OK) {
		gateway_run(g);
	} else {
		fprintf(stderr, "xfed-gateway: %s\n", error);
	}
	gateway_free(g);
	return rc == XFED_OK ? 0 : 1;
}

/* To be called before the gateway is made; one sentence in `text`. */
static bool store_is_denied(const struct policy_files *files, char text[256])
{
	char words[96];
	const char *path = policy_files_config(files)->store.sqlite;
	int err = store_access(path);
	snprintf(text, 256, "store.sqlite: %.140s: %s", path, rt_errno_words(err, words));
	return err == EACCES;
}

static int run(const char *path, bool check_only)
{
	struct rt_conf_errors errors;
	struct policy_files *files;
	rt_conf_errors_init(&errors);
	int rc = policy_files_load(path, !check_only, &errors, &files);
	rt_print_problems(&errors);
	rt_conf_errors_deinit(&errors);
	if (rc != XFED_OK) {
		return 1;
	}
	if (!check_only) {
		return serve(files, path);
	}
	char text[256];
	if (store_is_denied(files, text)) {
		printf("%s: warning: %s\n", path, text);
	}
	policy_files_free(files);
	printf("%s: fine\n", path);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct rt_program program = { .name = "xfed-gateway", .default_config = "/etc/xfed/gateway.yaml", .run = run };
	return rt_program_main(&program, argc, argv);
}
