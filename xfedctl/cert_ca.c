#include "cert_ca.h"

#include <stdio.h>
#include <sys/stat.h>

#include "xfed/mem.h"

/* ---- what lies there ---- */

static int read_pile(const char *dir, const char *name, struct cert_pile *p, char error[CERT_ERROR])
{
	char path[PATH_MAX + 64], words[CERT_ERROR];
	struct xfed_buf text;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int rc = cert_file_read(path, &text, error);
	if (rc == XFED_OK) {
		rc = cert_pile_add(p, xfed_buf_span(&text), NULL, words);
		if (rc != XFED_OK && rc != XFED_ERR_NOMEM) {
			snprintf(error, CERT_ERROR, "%.300s %.600s", path, rc == XFED_ERR_INVALID ? words : "has a pass phrase");
			rc = XFED_ERR_INVALID;
		}
	}
	xfed_buf_wipe(&text);
	return rc;
}

static int open_authority(const char *dir, const char *name, struct cert_authority *out, char error[CERT_ERROR])
{
	struct cert_pile p = { .crt_count = 0 };
	struct cert_id of_key, of_crt;
	char file[32];
	snprintf(file, sizeof(file), "%s.key", name);
	int rc = read_pile(dir, file, &p, error);
	snprintf(file, sizeof(file), "%s.pem", name);
	rc = rc == XFED_OK ? read_pile(dir, file, &p, error) : rc;
	bool is_pair = rc == XFED_OK && p.key_count == 1 && p.crt_count == 1 && cert_id_of_key(p.keys[0], &of_key) == XFED_OK &&
		       cert_id_of(p.crts[0], &of_crt) == XFED_OK && cert_id_eq(&of_key, &of_crt);
	if (rc == XFED_OK && !is_pair) {
		snprintf(error, CERT_ERROR, "%.300s: %s.key and %s.pem do not belong together", dir, name, name);
		rc = XFED_ERR_INVALID;
	}
	if (rc == XFED_OK) {
		*out = (struct cert_authority){ .key = p.keys[0], .crt = p.crts[0] };
		p.key_count = p.crt_count = 0;
	}
	cert_pile_deinit(&p);
	return rc;
}

static int open_members(struct cert_ca *ca, char error[CERT_ERROR])
{
	char path[PATH_MAX + 64];
	struct xfed_buf text;
	snprintf(path, sizeof(path), "%s/members", ca->dir);
	int rc = cert_file_read(path, &text, error);
	struct xfed_span rest = xfed_buf_span(&text);
	while (rc == XFED_OK && rest.len > 0) {
		struct cert_member m;
		rc = cert_member_parse(xfed_span_cut(&rest, '\n'), true, &m);
		rc = rc == XFED_OK ? cert_ca_add_member(ca, &m) : rc;
		if (rc == XFED_ERR_INVALID) {
			snprintf(error, CERT_ERROR, "%.300s has a line that is none: edge or gateway, then names", path);
		}
	}
	xfed_buf_deinit(&text);
	return rc == XFED_ERR_NOT_FOUND ? XFED_ERR_INVALID : rc;
}

int cert_ca_open(struct cert_ca *ca, const struct cert_host *h, char error[CERT_ERROR])
{
	struct stat st;
	*ca = (struct cert_ca){ .member_count = 0 };
	snprintf(ca->dir, sizeof(ca->dir), "%s/" CERT_CA_FOLDER, h->dir);
	if (stat(ca->dir, &st) != 0) {
		snprintf(error, CERT_ERROR, "the channel's authority is not on this host: there is no %.300s", ca->dir);
		return XFED_ERR_NOT_FOUND;
	}
	int rc = open_authority(ca->dir, "ca", &ca->now, error);
	if (rc == XFED_ERR_NOT_FOUND) {
		snprintf(error, CERT_ERROR,
			"%.300s is not whole (ca.key or ca.pem is missing): bring it back from your backup, or let channel-init --replace make a new "
			"authority, with which each edge has to join anew",
			ca->dir);
	}
	rc = rc == XFED_OK ? open_members(ca, error) : rc;
	if (rc == XFED_OK) {
		rc = open_authority(ca->dir, "next", &ca->next, error);
		rc = rc == XFED_ERR_NOT_FOUND ? XFED_OK : rc;
	}
	return rc;
}

void cert_authority_deinit(struct cert_authority *a)
{
	if (a->key) {
		gnutls_x509_privkey_deinit(a->key);
	}
	if (a->crt) {
		gnutls_x509_crt_deinit(a->crt);
	}
	*a = (struct cert_authority){ NULL, NULL };
}

void cert_ca_close(struct cert_ca *ca)
{
	cert_authority_deinit(&ca->now);
	cert_authority_deinit(&ca->next);
	xfed_free(ca->members);
	*ca = (struct cert_ca){ .member_count = 0 };
}

int cert_authority_new(struct cert_authority *out, int64_t now_s)
{
	*out = (struct cert_authority){ NULL, NULL };
	int rc = cert_make_key(CERT_KEY_P256, &out->key);
	rc = rc == XFED_OK ? cert_make_ca(out->key, now_s, &out->crt) : rc;
	if (rc != XFED_OK) {
		cert_authority_deinit(out);
	}
	return rc;
}

/* ---- members ---- */

const struct cert_member *cert_ca_member(const struct cert_ca *ca, const char *name)
{
	for (size_t i = 0; i < ca->member_count; i++) {
		for (size_t k = 0; k < ca->members[i].name_count; k++) {
			if (strcmp(ca->members[i].names[k], name) == 0) {
				return &ca->members[i];
			}
		}
	}
	return NULL;
}

int cert_ca_add_member(struct cert_ca *ca, const struct cert_member *m)
{
	struct cert_member *more = xfed_realloc(ca->members, (ca->member_count + 1) * sizeof(*more));
	if (!more) {
		return XFED_ERR_NOMEM;
	}
	ca->members = more;
	more[ca->member_count++] = *m;
	return XFED_OK;
}

/* ---- into files ---- */

static int save_authority(const struct cert_ca *ca, const struct cert_authority *a, const char *name, struct cert_plan *plan, char error[CERT_ERROR])
{
	char path[PATH_MAX + 64];
	struct xfed_buf text;
	xfed_buf_init(&text, CERT_PEM_BYTES);
	snprintf(path, sizeof(path), "%s/%s.key", ca->dir, name);
	int rc = a->key ? cert_pem_of_key(a->key, &text) : XFED_OK;
	rc = rc != XFED_OK ? rc
	     : a->key	   ? cert_plan_add(plan, path, xfed_buf_span(&text), CERT_PLAN_ROOT, error)
			   : cert_plan_remove(plan, path, error);
	xfed_buf_wipe(&text);
	xfed_buf_init(&text, CERT_PEM_BYTES);
	snprintf(path, sizeof(path), "%s/%s.pem", ca->dir, name);
	rc = rc == XFED_OK && a->crt ? cert_pem_of(a->crt, &text) : rc;
	rc = rc != XFED_OK ? rc
	     : a->crt	   ? cert_plan_add(plan, path, xfed_buf_span(&text), CERT_PLAN_PUBLIC, error)
			   : cert_plan_remove(plan, path, error);
	xfed_buf_deinit(&text);
	return rc;
}

static int save_members(const struct cert_ca *ca, struct cert_plan *plan, char error[CERT_ERROR])
{
	char path[PATH_MAX + 64];
	struct xfed_buf text;
	xfed_buf_init(&text, CERT_FILE_BYTES);
	snprintf(path, sizeof(path), "%s/members", ca->dir);
	int rc = XFED_OK;
	for (size_t i = 0; rc == XFED_OK && i < ca->member_count; i++) {
		rc = cert_member_print(&ca->members[i], true, &text);
	}
	rc = rc == XFED_OK ? cert_plan_add(plan, path, xfed_buf_span(&text), CERT_PLAN_PUBLIC, error) : rc;
	xfed_buf_deinit(&text);
	return rc;
}

int cert_ca_save(const struct cert_ca *ca, struct cert_plan *plan, char error[CERT_ERROR])
{
	int rc = cert_plan_dir(plan, ca->dir, 0700, error);
	rc = rc == XFED_OK ? save_authority(ca, &ca->now, "ca", plan, error) : rc;
	rc = rc == XFED_OK ? save_authority(ca, &ca->next, "next", plan, error) : rc;
	return rc == XFED_OK ? save_members(ca, plan, error) : rc;
}

int cert_ca_trust(const struct cert_ca *ca, struct xfed_buf *pem)
{
	int rc = cert_pem_of(ca->now.crt, pem);
	return rc == XFED_OK && ca->next.crt ? cert_pem_of(ca->next.crt, pem) : rc;
}

/* ---- issuing ---- */

int cert_ca_issue(const struct cert_authority *by, const struct cert_member *m, int64_t now_s, struct xfed_buf *certificate, struct xfed_buf *key)
{
	const char *names[CERT_BUNDLE_NAMES];
	gnutls_x509_privkey_t k = NULL;
	gnutls_x509_crt_t crt = NULL;
	for (size_t i = 0; i < m->name_count; i++) {
		names[i] = m->names[i];
	}
	int rc = cert_make_key(CERT_KEY_P256, &k);
	rc = rc == XFED_OK ? cert_make_leaf(by->crt, by->key, k, names, m->name_count, now_s, &crt) : rc;
	rc = rc == XFED_OK ? cert_pem_of(crt, certificate) : rc;
	rc = rc == XFED_OK ? cert_pem_of_key(k, key) : rc;
	if (crt) {
		gnutls_x509_crt_deinit(crt);
	}
	if (k) {
		gnutls_x509_privkey_deinit(k);
	}
	return rc;
}

static int print_lines(const struct cert_ca *ca, const struct cert_member *m, const json_t *domains, struct xfed_buf *out)
{
	size_t i;
	json_t *domain;
	int rc = xfed_buf_printf(out, CERT_BUNDLE_MARK "\nfor: %s %s\n", m->is_edge ? "edge" : "gateway", m->names[0]);
	for (i = 0; rc == XFED_OK && i < ca->member_count; i++) {
		if (!ca->members[i].is_edge) {
			rc = xfed_buf_append_str(out, "gateway: ");
			rc = rc == XFED_OK ? cert_member_print(&ca->members[i], false, out) : rc;
		}
	}
	json_array_foreach(domains, i, domain) {
		rc = rc == XFED_OK ? xfed_buf_printf(out, "domain: %s\n", json_string_value(domain)) : rc;
	}
	return rc == XFED_OK ? xfed_buf_append_str(out, "\n") : rc;
}

int cert_ca_bundle(const struct cert_ca *ca, const struct cert_authority *by, const struct cert_member *m, const json_t *domains, int64_t now_s,
	struct xfed_buf *out)
{
	struct xfed_buf certificate, key;
	xfed_buf_init(&certificate, CERT_PEM_BYTES);
	xfed_buf_init(&key, CERT_PEM_BYTES);
	int rc = print_lines(ca, m, domains, out);
	rc = rc == XFED_OK ? cert_ca_issue(by, m, now_s, &certificate, &key) : rc;
	rc = rc == XFED_OK ? xfed_buf_append(out, xfed_buf_span(&certificate)) : rc;
	rc = rc == XFED_OK ? xfed_buf_append(out, xfed_buf_span(&key)) : rc;
	rc = rc == XFED_OK ? cert_ca_trust(ca, out) : rc;
	xfed_buf_deinit(&certificate);
	xfed_buf_wipe(&key);
	return rc;
}
