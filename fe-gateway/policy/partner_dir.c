/* Loads the directory partners.d into a snapshot. */
#include "policy/partner_file.h"

#include <stdio.h>

#include "policy/policy_dir.h"
#include "xfed/limits.h"
#include "xfed/dialback.h"
#include "xfed/mem.h"

#define SECRET_FILE_BYTES 4096
#define SECRET_BYTES_MIN  16

#define NAMES_BYTES (64 * 1024 * 1024) /* for the names in all files that cannot be loaded */

struct loading {
	const struct config *config;
	struct rt_conf_errors *errors;
	struct xfed_policy *policy;
	struct policy_instead *instead;
	struct partner_presence **presence;
	struct policy_broken *broken;
	struct xfed_buf refused; /* names to be refused; each with a NUL behind it */
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
	rc = l->errors->error_count > errors_before ? XFED_ERR_INVALID : rc;
	if (rc == XFED_OK) {
		rc = xfed_policy_add_partner(l->policy, &f.partner, &error);
		if (rc == XFED_ERR_INVALID) {
			rt_conf_fail(&f.doc, f.doc.object, error.key ? error.key : "domain",
				error.reason != XFED_REASON_NONE ? error.reason : XFED_REASON_CONFIG_VALUE_INVALID, "%s", error.text);
		}
		rc = rc == XFED_OK ? partner_presence_add(l->presence, f.partner.domain, &f.presence) : rc;
	}
	partner_file_deinit(&f);
	return rc;
}

/* ---- files that cannot be loaded ---- */

/* A word without a dot is most likely a key or a value, unless a partner has that name. */
static bool is_meant(const struct xfed_policy *p, const char *name)
{
	return strchr(name, '.') || xfed_policy_partner(p, xfed_span_str(name));
}

/* Writes the names as a phrase, as many as fit; most files contain their own domain twice. */
static void list_names(struct xfed_span names, char *out, size_t size)
{
	size_t len = 0;
	snprintf(out, size, "nothing that could be read");
	for (const char *name = names.data; name < names.data + names.len; name += strlen(name) + 1) {
		char item[XFED_JID_PART_BYTES + 4];
		size_t n = (size_t)snprintf(item, sizeof(item), "%s%s", len > 0 ? ", " : "", name);
		bool is_again = name != names.data && strcmp(name, names.data) == 0;
		if (!strchr(name, '.') || is_again) {
			continue;
		}
		if (len + n + sizeof(", ...") > size) {
			snprintf(out + len, size - len, ", ...");
			return;
		}
		memcpy(out + len, item, n + 1);
		len += n;
	}
}

static int broken_partner(void *user, const char *file, struct xfed_span text, size_t before)
{
	struct loading *l = user;
	char names[400];
	size_t had = xfed_buf_len(&l->refused);
	int rc = policy_broken_names(file, text, &l->refused);
	if (rc != XFED_OK) {
		return rc;
	}
	struct xfed_span all = xfed_buf_span(&l->refused);
	list_names(xfed_span_make(all.data + had, all.len - had), names, sizeof(names));
	return policy_broken_add(l->broken, XFED_REASON_POLICY_PARTNER_BROKEN, file, l->errors, before, names);
}

/* Where a name cannot be refused by itself (there are too many) the wildcards that cover it are removed, and the start goes on. */
static int refuse_names(struct loading *l)
{
	struct xfed_span all = xfed_buf_span(&l->refused);
	size_t before = l->errors->count, errors_before = l->errors->error_count;
	int rc = XFED_OK;
	for (const char *name = all.data; name < all.data + all.len && rc == XFED_OK; name += strlen(name) + 1) {
		struct xfed_policy_error error = { 0 };
		rc = is_meant(l->policy, name) ? xfed_policy_refuse(l->policy, name, &error) : XFED_OK;
		if (rc == XFED_ERR_INVALID) {
			rt_conf_errors_add(l->errors, false, XFED_REASON_CONFIG_VALUE_INVALID, l->config->partners_dir, 0, 0, NULL,
				"%.100s is in a file that cannot be loaded, and cannot be refused by its name: %s", name, error.text);
			rc = XFED_OK;
		}
	}
	return rc != XFED_OK || l->errors->error_count == errors_before
		       ? rc
		       : policy_broken_add(l->broken, XFED_REASON_POLICY_PARTNER_BROKEN, l->config->partners_dir, l->errors, before,
				 "whom only a wildcard lists that covers such a name");
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
		rt_conf_errors_add(l->errors, false, rt_file_reason(file, XFED_REASON_CONFIG_VALUE_INVALID), l->config->base.doc.file, 0, 0,
			"dialback.secret_file", "%s", error);
		return rc;
	}
	rc = take_secret(l, file, xfed_buf_span(&text));
	xfed_buf_wipe(&text);
	return rc;
}

/* INVALID does not stop loading: later files may have errors too, and all are shown. */
static int worst(int a, int b)
{
	return a == XFED_OK || a == XFED_ERR_INVALID ? (b == XFED_OK ? a : b) : a;
}

static int load_files(struct loading *l, const char *dir, size_t *count)
{
	struct policy_dir_user u = { .key = "partners_dir", .instead = l->instead, .each = add_partner, .broken = l->broken ? broken_partner : NULL };
	int rc = policy_dir_each(dir, PARTNER_FILES_MAX, l->errors, &u, l, count);
	if (rc == XFED_ERR_LIMIT) {
		size_t before = l->errors->count;
		rt_conf_errors_add(l->errors, false, XFED_REASON_CONFIG_VALUE_INVALID, dir, 0, 0, NULL, "files that cannot be loaded name too much");
		xfed_policy_refuse_all(l->policy);
		return policy_broken_add(l->broken, XFED_REASON_POLICY_PARTNER_BROKEN, dir, l->errors, before, "every partner");
	}
	return rc == XFED_OK ? refuse_names(l) : rc;
}

int partner_dir_load(const char *dir, const struct config *config, struct policy_instead *instead, struct policy_broken *broken,
	struct rt_conf_errors *errors, struct partner_presence **presence, struct xfed_policy **out)
{
	struct loading l = { .config = config, .errors = errors, .instead = instead, .broken = broken, .presence = presence };
	size_t errors_before = errors->error_count, count = 0;
	*out = NULL;
	int rc = xfed_policy_new(&l.policy);
	if (rc != XFED_OK) {
		return rc;
	}
	xfed_buf_init(&l.refused, NAMES_BYTES);
	rc = worst(add_locals(&l), add_secret(&l));
	if (rc == XFED_OK || rc == XFED_ERR_INVALID) {
		rc = worst(rc, load_files(&l, dir, &count));
	}
	xfed_buf_deinit(&l.refused);
	if (rc == XFED_OK && !broken && errors->error_count > errors_before) {
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
