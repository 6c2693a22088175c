#include "xfed/rt/process.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "xfed/hash.h"
#include "xfed/rt/log.h"
#include "xfed/rt/loop.h"
#include "xfed/xml.h"

/* ---- before anything else ---- */

static bool is_unwanted(const char *variable)
{
	static const char *const prefixes[] = { "SSLKEYLOGFILE", "GNUTLS_", "SASL_", "XML_" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(prefixes); i++) {
		if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0) {
			return true;
		}
	}
	return false;
}

void rt_clean_environment(void)
{
	for (char **p = environ; p && *p;) {
		char name[256];
		const char *eq = strchr(*p, '=');
		if (!is_unwanted(*p) || !eq || (size_t)(eq - *p) >= sizeof(name)) {
			p++;
			continue;
		}
		memcpy(name, *p, (size_t)(eq - *p));
		name[eq - *p] = '\0';
		unsetenv(name); /* this moves the following ones up, so `p` already points to the next */
	}
}

static int usage(FILE *to, const char *program)
{
	fprintf(to, "usage: %s [-c FILE] [--user NAME] [--check-config] [--version]\n", program);
	return to == stdout ? 0 : 2;
}

int rt_arguments_read(int argc, char **argv, const char *program, struct rt_arguments *out)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "user", required_argument, NULL, 'u' },
		{ "check-config", no_argument, NULL, 'k' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	for (int o; (o = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
		switch (o) {
		case 'c':
			out->config = optarg;
			break;
		case 'u':
			out->user = optarg;
			break;
		case 'k':
			out->check_only = true;
			break;
		case 'v':
			printf("%s %s\n", program, XFED_VERSION);
			return 0;
		case 'h':
			return usage(stdout, program);
		default:
			return usage(stderr, program);
		}
	}
	return optind < argc ? usage(stderr, program) : -1;
}

int rt_global_init(void)
{
	static struct xfed_env env; /* kept by GnuTLS as long as the process */
	uint8_t key[16];
	rt_env(&env);
	env.random(env.user, key, sizeof(key));
	xfed_hash_set_key(key);
	int rc = xfed_xml_global_init();
	return rc == XFED_OK ? xfed_tls_global_init(&env) : rc;
}

void rt_global_deinit(void)
{
	xfed_tls_global_deinit();
	xfed_xml_global_deinit();
}

/* ---- problems of configuration ---- */

void rt_print_problems(const struct rt_conf_errors *errors)
{
	struct xfed_buf b;
	xfed_buf_init(&b, 256 * 1024);
	if (rt_conf_errors_print(errors, &b) == XFED_OK) {
		fwrite(xfed_buf_span(&b).data, 1, xfed_buf_len(&b), stderr);
	}
	xfed_buf_deinit(&b);
}

void rt_log_problems(const struct rt_conf_errors *errors)
{
	for (size_t i = 0; i < errors->count; i++) {
		const struct rt_conf_problem *p = &errors->items[i];
		struct xfed_buf b;
		xfed_buf_init(&b, 4096);
		if (rt_conf_problem_print(p, &b) == XFED_OK) {
			rt_log(p->is_warning ? RT_LOG_WARNING : RT_LOG_ERROR, "config.problem", RT_KV_REASON(p->reason),
				RT_KV("text", xfed_buf_span(&b)), RT_END);
		}
		xfed_buf_deinit(&b);
	}
}

/* ---- credentials ---- */

static int append_file(struct xfed_buf *to, const char *path, char error[256])
{
	struct xfed_buf one;
	int rc = rt_file_read(path, RT_PEM_BYTES, &one, error);
	if (rc != XFED_OK) {
		return rc;
	}
	rc = xfed_buf_append(to, xfed_buf_span(&one));
	if (rc == XFED_OK) {
		rc = xfed_buf_append_str(to, "\n");
	}
	if (rc != XFED_OK) {
		snprintf(error, 256, "%s: too large", path);
	}
	xfed_buf_deinit(&one);
	return rc;
}

struct pem_texts {
	struct xfed_buf certs[RT_PEM_PAIRS_MAX], keys[RT_PEM_PAIRS_MAX], ca, crl;
	struct xfed_tls_keypair pairs[RT_PEM_PAIRS_MAX];
	size_t count;
};

static int read_pair(struct pem_texts *t, const struct rt_pem_pair *p, char error[256])
{
	size_t i = t->count;
	int rc = rt_file_read(p->certificate, RT_PEM_BYTES, &t->certs[i], error);
	if (rc != XFED_OK) {
		return rc;
	}
	rc = rt_file_read(p->key, RT_PEM_BYTES, &t->keys[i], error);
	if (rc != XFED_OK) {
		xfed_buf_deinit(&t->certs[i]);
		return rc;
	}
	t->pairs[i] = (struct xfed_tls_keypair){ xfed_buf_span(&t->certs[i]), xfed_buf_span(&t->keys[i]), p->certificate, p->key };
	t->count++;
	return XFED_OK;
}

static int read_files(struct pem_texts *t, const struct rt_pem_files *f, char error[256])
{
	int rc = XFED_OK;
	if (f->pair_count > RT_PEM_PAIRS_MAX) {
		snprintf(error, 256, "more than %d certificates", RT_PEM_PAIRS_MAX);
		return XFED_ERR_LIMIT;
	}
	for (size_t i = 0; i < f->pair_count && rc == XFED_OK; i++) {
		rc = read_pair(t, &f->pairs[i], error);
	}
	if (rc == XFED_OK && f->ca) {
		rc = append_file(&t->ca, strcmp(f->ca, "system") == 0 ? RT_SYSTEM_CA : f->ca, error);
	}
	for (size_t i = 0; i < f->crl_count && rc == XFED_OK; i++) {
		rc = append_file(&t->crl, f->crls[i], error);
	}
	return rc;
}

int rt_creds_load(const struct rt_pem_files *files, struct xfed_tls_creds **out, char error[256])
{
	struct pem_texts t;
	*out = NULL;
	t.count = 0;
	xfed_buf_init(&t.ca, RT_PEM_BYTES);
	xfed_buf_init(&t.crl, RT_PEM_BYTES);
	int rc = read_files(&t, files, error);
	if (rc == XFED_OK) {
		struct xfed_tls_creds_config cfg = { .pairs = t.pairs,
			.pair_count = t.count,
			.ca_pem = xfed_buf_span(&t.ca),
			.crl_pem = xfed_buf_span(&t.crl),
			.ca_name = files->ca };
		rc = xfed_tls_creds_new(&cfg, out, error, 256);
	}
	for (size_t i = 0; i < t.count; i++) {
		xfed_buf_deinit(&t.certs[i]);
		xfed_buf_wipe(&t.keys[i]);
	}
	xfed_buf_deinit(&t.ca);
	xfed_buf_deinit(&t.crl);
	return rc;
}
