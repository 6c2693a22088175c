/* All configuration files, loaded and checked together, so that a start, a reload and --check-config judge alike. */
#include "policy/policy_impl.h"

#include <gnutls/crypto.h>
#include <stdio.h>

#include "policy/partner_file.h"
#include "xfed/dialback.h"
#include "xfed/mem.h"
#include "xfed/rt/process.h"
#include "xfed/rt/sandbox.h"

static void complain(struct rt_conf_errors *errors, const char *file, const char *key, const char *text)
{
	rt_conf_errors_add(errors, false, XFED_REASON_CONFIG_VALUE_INVALID, file, 0, 0, key, "%s", text);
}

static int load_creds(const char *certificate, const char *key, const char *ca, struct xfed_tls_creds **out, char error[256])
{
	struct rt_pem_pair pair = { certificate, key };
	struct rt_pem_files files = { .pairs = &pair, .pair_count = 1, .ca = ca };
	return rt_creds_load(&files, out, error);
}

static int read_pem(struct policy_files *f, const char *key, const char *path, struct xfed_buf *out)
{
	char error[256];
	int rc = path ? rt_file_read(path, RT_PEM_BYTES, out, error) : XFED_OK;
	if (rc != XFED_OK) {
		rt_conf_fail_file(&f->config->base.doc, key, error);
		return rc;
	}
	return path ? xfed_buf_append(out, xfed_span_make("", 1)) : XFED_OK;
}

/* The panel's server makes its credentials of the files itself; ours judge them, and know when they end. */
static int load_panel(struct policy_files *f)
{
	const struct config *c = f->config;
	char error[256];
	if (!c->panel.listen.host || !c->panel.certificate || !c->panel.key) {
		return XFED_OK;
	}
	int rc = load_creds(c->panel.certificate, c->panel.key, c->panel.client_ca, &f->panel_creds, error);
	if (rc != XFED_OK) {
		rt_conf_fail_file(&f->config->base.doc, "panel.certificate", error);
		return rc;
	}
	rt_conf_check_certificate(&f->config->base.doc, f->config, "panel.certificate", xfed_tls_creds_cert(f->panel_creds, 0));
	rc = read_pem(f, "panel.certificate", c->panel.certificate, &f->panel_pem.certificate);
	rc = rc == XFED_OK ? read_pem(f, "panel.key", c->panel.key, &f->panel_pem.key) : rc;
	return rc == XFED_OK ? read_pem(f, "panel.client_ca", c->panel.client_ca, &f->panel_pem.client_ca) : rc;
}

static int load_certificates(struct policy_files *f)
{
	const struct config *c = f->config;
	char error[256];
	int rc = load_creds(c->channel.certificate, c->channel.key, c->channel.ca, &f->channel_creds, error);
	if (rc != XFED_OK) {
		rt_conf_fail_file(&f->config->base.doc, "channel.certificate", error);
	} else {
		rt_conf_check_certificate(&f->config->base.doc, f->config, "channel.certificate", xfed_tls_creds_cert(f->channel_creds, 0));
	}
	const struct {
		const char *name, *certificate, *key, *ca;
		struct xfed_tls_creds **out;
	} sides[] = {
		{ "sip.certificate", c->sip.certificate, c->sip.key, c->sip.ca, &f->sip_creds },
		{ "sip.federation.certificate", c->sip.federation.certificate, c->sip.federation.key, c->sip.federation.ca, &f->outside_creds },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(sides); i++) {
		bool is_there = sides[i].certificate && sides[i].key && sides[i].ca;
		int other = is_there ? load_creds(sides[i].certificate, sides[i].key, sides[i].ca, sides[i].out, error) : XFED_OK;
		if (other != XFED_OK) {
			rt_conf_fail_file(&f->config->base.doc, sides[i].name, error);
			rc = other;
		} else if (is_there) {
			rt_conf_check_certificate(&f->config->base.doc, f->config, sides[i].name, xfed_tls_creds_cert(*sides[i].out, 0));
		}
	}
	return rc;
}

static int make_snapshot(struct policy_files *f)
{
	xfed_buf_clear(&f->snapshot);
	int rc = xfed_policy_encode(f->partners, &f->snapshot);
	return rc == XFED_OK ? proto_transfer_hash(xfed_buf_span(&f->snapshot), f->hash) : rc;
}

/* Without dialback.secret_file the secret is derived from the store's key, so that dialback works from the first start. */
int policy_files_secret(struct policy_files *f, const uint8_t key[CORE_KEY_BYTES])
{
	static const char purpose[] = "xfed dialback secret";
	uint8_t secret[32];
	char hash[XFED_DIALBACK_HEX + 1];
	if (xfed_policy_dialback_current(f->partners).len > 0) {
		return XFED_OK;
	}
	if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, CORE_KEY_BYTES, purpose, sizeof(purpose) - 1, secret) != 0) {
		return XFED_ERR_LIBRARY;
	}
	int rc = xfed_dialback_hash(xfed_span_make(secret, sizeof(secret)), hash);
	if (rc == XFED_OK) {
		rc = xfed_policy_set_dialback(f->partners, xfed_span_str(hash), (struct xfed_span){ NULL, 0 });
	}
	xfed_wipe(secret, sizeof(secret));
	xfed_wipe(hash, sizeof(hash));
	return rc == XFED_OK ? make_snapshot(f) : rc;
}

static int load_config(const char *path, struct policy_instead *instead, struct rt_conf_errors *errors, struct config **out)
{
	const char *from = policy_instead_of(instead, path);
	struct xfed_buf text;
	if (!from || from == path) {
		return config_load(path, errors, out);
	}
	int rc = rt_conf_read(from, &text, errors);
	if (rc == XFED_OK) {
		rc = config_parse(path, xfed_buf_span(&text), errors, out);
		xfed_buf_wipe(&text);
	}
	return rc;
}

static int load_policy(const char *path, bool is_start, struct policy_instead *instead, struct rt_conf_errors *errors, struct policy_files *f)
{
	int rc = partner_dir_load(f->config->partners_dir, f->config, instead, is_start ? &f->broken : NULL, errors, &f->presence, &f->partners);
	if (rc != XFED_OK) {
		return rc;
	}
	rc = make_snapshot(f);
	if (rc != XFED_OK) {
		complain(errors, path, "partners_dir", rc == XFED_ERR_LIMIT ? "all partners together are larger than 64 MiB" : "out of memory");
	}
	return rc;
}

/* Loads everything even after an error, so that the operator sees all errors at once. */
static int load_all(const char *path, bool is_start, struct policy_instead *instead, struct rt_conf_errors *errors, struct policy_files *f)
{
	int rc = load_config(path, instead, errors, &f->config);
	if (rc != XFED_OK) {
		return rc;
	}
	rt_conf_check_files(&f->config->base.doc);
	bool may_be_missing = !rt_conf_is_set(&f->config->base.doc, f->config, "access_dir");
	int certificates = load_certificates(f), panel = load_panel(f);
	int policy = load_policy(path, is_start, instead, errors, f);
	int secrets = config_read_secrets(f->config), users = XFED_OK;
	if (f->config->panel.users_file) {
		users = config_read_panel_users(f->config, policy_instead_of(instead, f->config->panel.users_file));
	}
	int access = access_dir_load(f->config->access_dir, may_be_missing, instead, is_start ? &f->broken : NULL, errors, &f->access);
	if (access == XFED_OK) {
		access_set_warn(f->access, f->config, errors);
	}
	f->config->base.doc.errors = NULL; /* the error collector belongs to the caller and may end before the configuration */
	const int all[] = { certificates, panel, policy, secrets, users, access };
	for (size_t i = 0; rc == XFED_OK && i < XFED_ARRAY_LEN(all); i++) {
		rc = all[i];
	}
	return rc == XFED_OK ? policy_broken_add_ignored(&f->broken, errors) : rc;
}

static int load(const char *path, bool is_start, struct policy_instead *instead, struct rt_conf_errors *errors, struct policy_files **out)
{
	struct policy_files *f = xfed_calloc(1, sizeof(*f));
	*out = NULL;
	if (!f) {
		return XFED_ERR_NOMEM;
	}
	xfed_buf_init(&f->snapshot, XFED_POLICY_BYTES_MAX);
	policy_broken_init(&f->broken);
	int rc = load_all(path, is_start, instead, errors, f);
	if (rc == XFED_OK && instead && !instead->is_used) {
		complain(errors, instead->file, NULL, "is none of the files that are read");
		rc = XFED_ERR_INVALID;
	}
	if (rc != XFED_OK) {
		policy_files_free(f);
		return rc;
	}
	*out = f;
	return XFED_OK;
}

int policy_files_load(const char *path, bool is_start, struct rt_conf_errors *errors, struct policy_files **out)
{
	return load(path, is_start, NULL, errors, out);
}

int policy_files_try(const char *path, struct policy_instead *i, struct rt_conf_errors *errors, struct policy_files **out)
{
	return load(path, false, i, errors, out);
}

void policy_files_free(struct policy_files *f)
{
	if (!f) {
		return;
	}
	access_set_free(f->access);
	xfed_policy_free(f->partners);
	partner_presence_free(&f->presence);
	xfed_buf_wipe(&f->snapshot);
	policy_broken_deinit(&f->broken);
	xfed_tls_creds_unref(f->channel_creds);
	xfed_tls_creds_unref(f->sip_creds);
	xfed_tls_creds_unref(f->outside_creds);
	xfed_tls_creds_unref(f->panel_creds);
	xfed_buf_wipe(&f->panel_pem.certificate);
	xfed_buf_wipe(&f->panel_pem.key);
	xfed_buf_wipe(&f->panel_pem.client_ca);
	config_free(f->config);
	xfed_free(f);
}

const struct config *policy_files_config(const struct policy_files *f)
{
	return f->config;
}

void policy_files_name(const struct policy_files *f)
{
	policy_dir_name_links(f->config->partners_dir);
	policy_dir_name_links(f->config->access_dir);
	for (const struct access_rule *r = access_set_rules(f->access); r; r = r->next) {
		if (r->granted_to_file) {
			rt_sandbox_name(r->granted_to_file, RT_SANDBOX_READ);
		}
	}
}
