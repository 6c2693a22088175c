/* xfed-edge [-c FILE] [--check-config] [--version] */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "edge.h"
#include "xfed/sasl.h"

#define DEFAULT_CONFIG "/etc/xfed/edge.yaml"

/* These make the libraries underneath write secrets or load code: they are nobody's business here. */
static void clean_environment(void)
{
	static const char *const prefixes[] = { "SSLKEYLOGFILE", "GNUTLS_", "SASL_", "XML_" };
	for (char **p = environ; *p;) {
		bool bad = false;
		for (size_t i = 0; i < XFED_ARRAY_LEN(prefixes); i++) {
			bad = bad || strncmp(*p, prefixes[i], strlen(prefixes[i])) == 0;
		}
		char name[256];
		const char *eq = strchr(*p, '=');
		if (!bad || !eq || (size_t)(eq - *p) >= sizeof(name)) {
			p++;
			continue;
		}
		memcpy(name, *p, (size_t)(eq - *p));
		name[eq - *p] = '\0';
		unsetenv(name);
	}
}

static int usage(FILE *to)
{
	fputs("usage: xfed-edge [-c FILE] [--check-config] [--version]\n", to);
	return to == stdout ? 0 : 2;
}

static void print_problems(const struct rt_conf_errors *errors)
{
	struct xfed_buf b;
	xfed_buf_init(&b, 256 * 1024);
	if (rt_conf_errors_print(errors, &b) == XFED_OK) {
		fwrite(xfed_buf_span(&b).data, 1, xfed_buf_len(&b), stderr);
	}
	xfed_buf_deinit(&b);
}

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
	rt_log(RT_LOG_INFO, "service.start", RT_KV_STR("name", config->name), RT_KV_STR("version", XFED_VERSION), RT_KV_HEX("boot", e->boot_nonce), RT_END);
	rt_notify_ready(e->notify, edge_service_name(e->service));
	rt_loop_run(e->loop);
	int code = e->exit_code;
	rt_log(RT_LOG_INFO, "service.stop", RT_END);
	rt_log_flush(true);
	edge_free(e);
	return code;
}

static int global_init(void)
{
	struct xfed_env env;
	uint8_t key[16];
	rt_env(&env);
	env.random(env.user, key, sizeof(key));
	xfed_hash_set_key(key);
	static struct xfed_env for_tls; /* GnuTLS keeps it as long as the process */
	for_tls = env;
	return xfed_xml_global_init() | xfed_sasl_global_init() | xfed_tls_global_init(&for_tls);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check-config", no_argument, NULL, 'k' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *path = DEFAULT_CONFIG;
	bool check = false;
	clean_environment();
	for (int o; (o = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
		switch (o) {
		case 'c':
			path = optarg;
			break;
		case 'k':
			check = true;
			break;
		case 'v':
			puts("xfed-edge " XFED_VERSION);
			return 0;
		case 'h':
			return usage(stdout);
		default:
			return usage(stderr);
		}
	}
	if (optind < argc) {
		return usage(stderr);
	}
	if (global_init() != XFED_OK) {
		fputs("xfed-edge: a library did not initialise\n", stderr);
		return 1;
	}
	struct rt_conf_errors errors;
	struct edge_config *config = NULL;
	rt_conf_errors_init(&errors);
	int rc = edge_config_load(path, &errors, &config);
	print_problems(&errors);
	rt_conf_errors_deinit(&errors);
	int code = rc != XFED_OK ? 1 : check ? check_only(config, path) : serve(config, path);
	xfed_tls_global_deinit();
	xfed_sasl_global_deinit();
	xfed_xml_global_deinit();
	return code;
}
