/* partners.d as a whole into a snapshot. */
#include "policy/partner_file.h"

#include "policy/policy_dir.h"
#include "xfed/dialback.h"
#include "xfed/mem.h"

#define SECRET_FILE_BYTES 4096
#define SECRET_BYTES_MIN  16

struct loading {
	const struct config *config;
	struct rt_conf_errors *errors;
	struct xfed_policy *policy;
};

static void refuse_ours(struct loading *l, struct partner_file *f)
{
	const struct xfed_partner *p = &f->partner;
	if (config_domain(l->config, xfed_span_str(p->domain))) {
		rt_conf_fail(
			&f->doc, f->doc.object, "domain", XFED_REASON_CONFIG_VALUE_INVALID, "found \"%.200s\", which is a domain of ours", p->domain);
	}
	for (size_t i = 0; i < p->additional_count; i++) {
		if (config_domain(l->config, xfed_span_str(p->additional[i]))) {
			rt_conf_fail(&f->doc, f->doc.object, "additional_domains", XFED_REASON_CONFIG_VALUE_INVALID,
				"found \"%.200s\", which is a domain of ours", p->additional[i]);
		}
	}
}

static int add_partner(void *user, const char *file, struct xfed_span text)
{
	struct loading *l = user;
	struct partner_file f;
	struct xfed_policy_error error = { 0 };
	int rc = partner_file_parse(file, text, l->errors, &f);
	if (rc != XFED_OK) {
		return rc;
	}
	size_t errors_before = l->errors->error_count;
	refuse_ours(l, &f);
	if (l->errors->error_count == errors_before) {
		rc = xfed_policy_add_partner(l->policy, &f.partner, &error);
		if (rc == XFED_ERR_INVALID) {
			rt_conf_fail(&f.doc, f.doc.object, "domain",
				error.reason != XFED_REASON_NONE ? error.reason : XFED_REASON_CONFIG_VALUE_INVALID, "%s", error.text);
		}
	}
	partner_file_deinit(&f);
	return rc;
}

static int add_locals(struct loading *l)
{
	int rc = XFED_OK;
	for (size_t i = 0; i < l->config->domains.count && rc == XFED_OK; i++) {
		struct xfed_policy_error error = { 0 };
		const char *domain = l->config->domains.items[i].domain;
		rc = xfed_policy_add_local(l->policy, xfed_span_str(domain), &error);
		if (rc == XFED_ERR_INVALID) {
			rt_conf_errors_add(l->errors, false, XFED_REASON_CONFIG_VALUE_INVALID, l->config->base.doc.file, 0, 0, "domains", "%s: %s",
				domain, error.text);
		}
	}
	return rc;
}

/* ---- the dialback secret ---- */

static struct xfed_span next_line(struct xfed_span *rest)
{
	struct xfed_span line = xfed_span_cut(rest, '\n');
	line.len -= line.len > 0 && line.data[line.len - 1] == '\r';
	return line;
}

static int take_secret(struct loading *l, const char *file, struct xfed_span text)
{
	char current[65] = "", previous[65] = "";
	struct xfed_span first = next_line(&text), second = next_line(&text);
	if (first.len < SECRET_BYTES_MIN || (second.len > 0 && second.len < SECRET_BYTES_MIN)) {
		rt_conf_errors_add(l->errors, false, XFED_REASON_CONFIG_VALUE_INVALID, file, first.len < SECRET_BYTES_MIN ? 1 : 2, 1, NULL,
			"found a secret of %zu characters, accepted: at least %d", first.len < SECRET_BYTES_MIN ? first.len : second.len,
			SECRET_BYTES_MIN);
		return XFED_ERR_INVALID;
	}
	int rc = xfed_dialback_hash(first, current);
	if (rc == XFED_OK && second.len > 0) {
		rc = xfed_dialback_hash(second, previous);
	}
	if (rc == XFED_OK) {
		rc = xfed_policy_set_dialback(l->policy, xfed_span_str(current), xfed_span_str(previous));
	}
	xfed_wipe(current, sizeof(current));
	xfed_wipe(previous, sizeof(previous));
	return rc;
}

static int add_secret(struct loading *l)
{
	const char *file = l->config->dialback.secret_file;
	struct xfed_buf text;
	char error[256];
	if (!file) {
		return XFED_OK;
	}
	int rc = rt_file_read(file, SECRET_FILE_BYTES, &text, error);
	if (rc != XFED_OK) {
		rt_conf_errors_add(
			l->errors, false, XFED_REASON_CONFIG_VALUE_INVALID, l->config->base.doc.file, 0, 0, "dialback.secret_file", "%s", error);
		return rc;
	}
	rc = take_secret(l, file, xfed_buf_span(&text));
	xfed_buf_wipe(&text);
	return rc;
}

/* INVALID does not stop the load: what comes after may have errors too, and all are to be shown. */
static int worst(int a, int b)
{
	return a == XFED_OK || a == XFED_ERR_INVALID ? (b == XFED_OK ? a : b) : a;
}

int partner_dir_load(const char *dir, const struct config *config, struct rt_conf_errors *errors, struct xfed_policy **out)
{
	struct loading l = { .config = config, .errors = errors };
	size_t errors_before = errors->error_count, count = 0;
	*out = NULL;
	int rc = xfed_policy_new(&l.policy);
	if (rc != XFED_OK) {
		return rc;
	}
	rc = worst(add_locals(&l), add_secret(&l));
	if (rc == XFED_OK || rc == XFED_ERR_INVALID) {
		rc = worst(rc, policy_dir_each("partners_dir", dir, PARTNER_FILES_MAX, errors, add_partner, &l, &count));
	}
	if (rc == XFED_OK && errors->error_count > errors_before) {
		rc = XFED_ERR_INVALID;
	}
	if (rc != XFED_OK) {
		xfed_policy_free(l.policy);
		return rc;
	}
	if (count == 0) {
		rt_conf_errors_add(errors, true, XFED_REASON_CONFIG_VALUE_INVALID, dir, 0, 0, NULL, "no partner file: nobody can reach us");
	}
	*out = l.policy;
	return XFED_OK;
}
