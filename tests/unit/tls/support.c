#include "support.h"

#include <stdio.h>
#include <stdlib.h>

#include <dirent.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <sys/stat.h>

int64_t test_wall_s;
size_t test_refused;
static const char *certs_dir = ".";

static void env_random(void *user, void *out, size_t len)
{
	memset(out, 7, len);
}

static int64_t env_wall(void *user)
{
	return test_wall_s;
}

const struct xfed_env *test_env(void)
{
	static const struct xfed_env env = { NULL, env_random, env_wall, NULL };
	return &env;
}

static struct fixture {
	char name[64];
	char *data;
	size_t len;
} fixtures[200];
static size_t fixture_count;

static void give_up(const char *what, const char *name)
{
	fprintf(stderr, "%s: %s/%s\n", what, certs_dir, name);
	abort();
}

static void read_fixture(const char *name)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/%s", certs_dir, name);
	struct stat st;
	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
		return;
	}
	struct fixture *x = &fixtures[fixture_count];
	if (fixture_count == XFED_ARRAY_LEN(fixtures) || strlen(name) >= sizeof(x->name)) {
		give_up("no room", name);
	}
	FILE *f = fopen(path, "rb");
	x->data = malloc((size_t)st.st_size + 1);
	if (!f || !x->data) {
		give_up("cannot be read", name);
	}
	x->len = fread(x->data, 1, (size_t)st.st_size, f);
	strcpy(x->name, name);
	fclose(f);
	fixture_count++;
}

void test_certs_dir(const char *dir)
{
	certs_dir = dir;
	DIR *d = opendir(dir);
	if (!d) {
		give_up("cannot be read", "");
	}
	for (const struct dirent *e; (e = readdir(d));) {
		read_fixture(e->d_name);
	}
	closedir(d);
}

struct xfed_span test_file(const char *name)
{
	size_t i = 0;
	while (i < fixture_count && strcmp(fixtures[i].name, name) != 0) {
		i++;
	}
	char *data = i < fixture_count ? malloc(fixtures[i].len + 1) : NULL;
	if (!data) {
		give_up("not there", name);
	}
	memcpy(data, fixtures[i].data, fixtures[i].len);
	return xfed_span_make(data, fixtures[i].len);
}

struct xfed_span test_der(const char *name)
{
	char file[256];
	snprintf(file, sizeof(file), "%s.crt", name);
	struct xfed_span pem = test_file(file);
	gnutls_datum_t in = { (unsigned char *)(uintptr_t)pem.data, (unsigned)pem.len }, der;
	if (gnutls_pem_base64_decode2("CERTIFICATE", &in, &der) < 0) {
		give_up("no certificate", file);
	}
	char *copy = malloc(der.size);
	memcpy(copy, der.data, der.size);
	gnutls_free(der.data);
	free((void *)(uintptr_t)pem.data);
	return xfed_span_make(copy, der.size);
}

struct xfed_cert *test_cert(const char *name)
{
	struct xfed_span der = test_der(name);
	struct xfed_cert *c = NULL;
	int rc = xfed_cert_new_der(der, &c);
	if (rc != XFED_OK && rc != XFED_ERR_INVALID) {
		give_up("out of memory", name);
	}
	free((void *)(uintptr_t)der.data);
	return c;
}

struct xfed_tls_creds *test_creds(const char *const *pairs, const char *ca, const char *crl)
{
	struct xfed_tls_keypair kp[4];
	struct xfed_tls_creds_config cfg = { .pairs = kp };
	struct xfed_tls_creds *creds = NULL;
	char file[256], error[256] = "";
	for (; pairs && pairs[cfg.pair_count]; cfg.pair_count++) {
		snprintf(file, sizeof(file), "%s.chain.pem", pairs[cfg.pair_count]);
		kp[cfg.pair_count].certificate_pem = test_file(file);
		snprintf(file, sizeof(file), "%s.key", pairs[cfg.pair_count]);
		kp[cfg.pair_count].key_pem = test_file(file);
	}
	if (ca) {
		cfg.ca_pem = test_file(ca);
	}
	if (crl) {
		cfg.crl_pem = test_file(crl);
	}
	int rc = xfed_tls_creds_new(&cfg, &creds, error, sizeof(error));
	if (rc != XFED_OK && rc != XFED_ERR_NOMEM) {
		give_up(error, pairs && pairs[0] ? pairs[0] : "-");
	}
	for (size_t i = 0; i < cfg.pair_count; i++) {
		free((void *)(uintptr_t)kp[i].certificate_pem.data);
		free((void *)(uintptr_t)kp[i].key_pem.data);
	}
	free((void *)(uintptr_t)cfg.ca_pem.data);
	free((void *)(uintptr_t)cfg.crl_pem.data);
	return creds;
}

size_t test_move(struct xfed_tls *from, struct xfed_tls *to, size_t chunk)
{
	struct xfed_buf *out = xfed_tls_output(from);
	struct xfed_span s = xfed_buf_span(out);
	if (chunk > 0 && s.len > chunk) {
		s.len = chunk;
	}
	if (s.len > xfed_tls_input_room(to)) {
		s.len = xfed_tls_input_room(to);
	}
	if (s.len == 0) {
		return 0;
	}
	if (xfed_tls_input(to, s) != XFED_OK) {
		test_refused++;
		return 0;
	}
	xfed_buf_consume(out, s.len);
	return s.len;
}

static void step(struct xfed_tls *t, enum xfed_tls_result *result)
{
	if (!xfed_tls_is_established(t) && *result == XFED_TLS_WANT_INPUT) {
		*result = xfed_tls_handshake_step(t);
	}
}

void test_handshake(struct link *l)
{
	l->client_result = l->server_result = XFED_TLS_WANT_INPUT;
	size_t moved;
	do {
		step(l->client, &l->client_result);
		size_t up = test_move(l->client, l->server, l->chunk);
		step(l->server, &l->server_result);
		size_t down = test_move(l->server, l->client, l->chunk);
		l->client_bytes += up;
		l->server_bytes += down;
		moved = up + down;
	} while (moved > 0);
	step(l->client, &l->client_result);
}
