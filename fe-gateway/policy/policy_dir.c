#include "policy/policy_dir.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "xfed/mem.h"
#include "xfed/rt/sandbox.h"

struct names {
	char **items;
	size_t count, size;
};

static void free_names(struct names *n)
{
	for (size_t i = 0; i < n->count; i++) {
		xfed_free(n->items[i]);
	}
	xfed_free(n->items);
}

static int add_name(struct names *n, const char *name)
{
	if (n->count == n->size) {
		size_t size = n->size > 0 ? n->size * 2 : 32;
		char **items = xfed_realloc(n->items, size * sizeof(items[0]));
		if (!items) {
			return XFED_ERR_NOMEM;
		}
		n->items = items;
		n->size = size;
	}
	n->items[n->count] = xfed_strdup(name);
	if (!n->items[n->count]) {
		return XFED_ERR_NOMEM;
	}
	n->count++;
	return XFED_OK;
}

static bool ends_with(const char *s, const char *end)
{
	size_t len = strlen(s), end_len = strlen(end);
	return len > end_len && strcmp(s + len - end_len, end) == 0;
}

/* Names that were most likely meant to be loaded: .yml, .YAML, .yaml.txt, or a domain alone. Not backups, nor files renamed to disable them. */
static bool is_mistaken(const char *name)
{
	char lower[256];
	size_t len = strlen(name);
	for (size_t i = 0; i <= len && len < sizeof(lower); i++) {
		lower[i] = xfed_lower(name[i]);
	}
	if (len >= sizeof(lower) || ends_with(name, ".yaml")) {
		return false;
	}
	if (strstr(lower, ".yaml") || strstr(lower, ".yml")) {
		return ends_with(lower, ".yaml") || ends_with(lower, ".yml") || ends_with(lower, ".txt");
	}
	struct xfed_arena a;
	struct xfed_span domain;
	const char *accepted;
	xfed_arena_init(&a, 65536);
	bool is_domain = strchr(name, '.') && rt_conf_convert_domain(&a, xfed_span_str(name), &domain, &accepted) == XFED_OK;
	xfed_arena_deinit(&a);
	return is_domain && strncmp(lower, "readme", 6) != 0;
}

const char *policy_instead_of(struct policy_instead *i, const char *path)
{
	if (!i || strcmp(i->file, path) != 0) {
		return path;
	}
	i->is_used = true;
	return i->with;
}

/* A file that there is not yet. */
static int add_instead(struct names *n, const char *dir, const struct policy_instead *i)
{
	size_t len = strlen(dir);
	bool is_here = i && i->with && strncmp(i->file, dir, len) == 0 && i->file[len] == '/' && !strchr(i->file + len + 1, '/');
	const char *name = is_here ? i->file + len + 1 : NULL;
	for (size_t k = 0; name && k < n->count; k++) {
		name = strcmp(n->items[k], name) == 0 ? NULL : name;
	}
	return name && ends_with(name, ".yaml") ? add_name(n, name) : XFED_OK;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int list(const struct policy_dir_user *u, const char *dir, size_t max, struct rt_conf_errors *errors, struct names *out)
{
	const char *key = u->key;
	DIR *d = opendir(dir);
	if (!d) {
		char words[104];
		int err = errno;
		bool is_missing = err == ENOENT || err == ENOTDIR;
		enum xfed_reason reason = rt_file_reason(dir, XFED_REASON_CONFIG_SYNTAX);
		rt_conf_errors_add(errors, false, reason, dir, 0, 0, key, "cannot be read: %s; %s, or correct %s in gateway.yaml",
			rt_file_words(dir, err, words),
			is_missing				      ? "make the directory"
			: reason == XFED_REASON_CONFIG_RESTART_NEEDED ? "restart the gateway"
								      : "let that user read it (chmod, chown)",
			key);
		return XFED_ERR_INVALID;
	}
	int rc = XFED_OK;
	struct dirent *e;
	while (rc == XFED_OK && (e = readdir(d))) {
		if (e->d_name[0] == '.') {
			continue;
		}
		if (is_mistaken(e->d_name)) {
			rt_conf_errors_add(errors, true, XFED_REASON_CONFIG_FILE_IGNORED, dir, 0, 0, NULL,
				"%s is not loaded, accepted: names ending in .yaml", e->d_name);
		}
		if (!ends_with(e->d_name, ".yaml")) {
			continue;
		}
		if (out->count == max) {
			rt_conf_errors_add(errors, false, XFED_REASON_CONFIG_VALUE_INVALID, dir, 0, 0, NULL, "found more than %zu files", max);
			rc = XFED_ERR_INVALID;
		} else {
			rc = add_name(out, e->d_name);
		}
	}
	closedir(d);
	rc = rc == XFED_OK ? add_instead(out, dir, u->instead) : rc;
	if (out->count > 0) {
		qsort(out->items, out->count, sizeof(out->items[0]), by_name);
	}
	return rc;
}

void policy_dir_name_links(const char *dir)
{
	char path[PATH_MAX];
	DIR *d = opendir(dir);
	struct dirent *e;
	while (d && (e = readdir(d))) {
		if ((e->d_type == DT_LNK || e->d_type == DT_UNKNOWN) && snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) < PATH_MAX) {
			rt_sandbox_name(path, RT_SANDBOX_READ);
		}
	}
	if (d) {
		closedir(d);
	}
}

bool policy_dir_find_stray(const char *dir, struct xfed_span name, char out[512])
{
	static const char *const endings[] = { ".yaml", ".yaml.txt", ".yml", ".yml.txt", ".YAML", ".YML", ".txt", "" };
	for (size_t i = 0; i < XFED_ARRAY_LEN(endings); i++) {
		int len = snprintf(out, 512, "%.200s/%.*s%s", dir, (int)(name.len < 255 ? name.len : 255), name.data, endings[i]);
		if (len > 0 && len < 512 && access(out, F_OK) == 0) {
			return true;
		}
	}
	return false;
}

static int one_file(const char *path, struct rt_conf_errors *errors, const struct policy_dir_user *u, void *user)
{
	struct xfed_buf text;
	size_t before = errors->count;
	const char *from = policy_instead_of(u->instead, path);
	if (!from) {
		return XFED_OK;
	}
	int rc = rt_conf_read(from, &text, errors);
	bool is_read = rc == XFED_OK;
	if (is_read) {
		rt_conf_check_file(errors, from);
		before = errors->count;
		rc = u->each(user, path, xfed_buf_span(&text));
	}
	if (rc == XFED_ERR_INVALID && u->broken) {
		rc = u->broken(user, path, is_read ? xfed_buf_span(&text) : XFED_SPAN(""), before);
	}
	if (is_read) {
		xfed_buf_deinit(&text);
	}
	return rc;
}

int policy_dir_each(const char *dir, size_t max, struct rt_conf_errors *errors, const struct policy_dir_user *u, void *user, size_t *count)
{
	struct names names = { 0 };
	size_t errors_before = errors->error_count;
	int rc = list(u, dir, max, errors, &names);
	for (size_t i = 0; i < names.count && rc == XFED_OK; i++) {
		char path[4096];
		if (snprintf(path, sizeof(path), "%s/%s", dir, names.items[i]) >= (int)sizeof(path)) {
			rt_conf_errors_add(
				errors, false, XFED_REASON_CONFIG_SYNTAX, dir, 0, 0, NULL, "the path of %.200s is too long", names.items[i]);
			rc = XFED_ERR_INVALID;
			break;
		}
		rc = one_file(path, errors, u, user);
		rc = rc == XFED_ERR_INVALID && !u->broken ? XFED_OK : rc;
	}
	*count = names.count;
	free_names(&names);
	if (rc == XFED_OK && !u->broken && errors->error_count > errors_before) {
		rc = XFED_ERR_INVALID;
	}
	return rc;
}

struct xfed_span policy_dir_name(const char *file)
{
	const char *slash = strrchr(file, '/');
	struct xfed_span base = xfed_span_str(slash ? slash + 1 : file);
	bool is_yaml = base.len > 5 && memcmp(base.data + base.len - 5, ".yaml", 5) == 0;
	return xfed_span_make(base.data, is_yaml ? base.len - 5 : 0);
}

bool policy_dir_is_named(const char *file, struct xfed_span name)
{
	return name.len > 0 && xfed_span_eq(policy_dir_name(file), name);
}
