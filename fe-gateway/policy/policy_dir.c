#include "policy/policy_dir.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "xfed/mem.h"

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

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int list(const char *key, const char *dir, size_t max, struct rt_conf_errors *errors, struct names *out)
{
	DIR *d = opendir(dir);
	if (!d) {
		rt_conf_errors_add(errors, false, XFED_REASON_CONFIG_SYNTAX, dir, 0, 0, key,
			"cannot be read: %s; make the directory, or correct %s in gateway.yaml", strerror(errno), key);
		return XFED_ERR_INVALID;
	}
	int rc = XFED_OK;
	struct dirent *e;
	while (rc == XFED_OK && (e = readdir(d))) {
		if (e->d_name[0] == '.') {
			continue;
		}
		if (ends_with(e->d_name, ".yml")) {
			rt_conf_errors_add(errors, true, XFED_REASON_CONFIG_VALUE_INVALID, dir, 0, 0, NULL,
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
	if (out->count > 0) {
		qsort(out->items, out->count, sizeof(out->items[0]), by_name);
	}
	return rc;
}

static int one_file(const char *path, struct rt_conf_errors *errors, int (*each)(void *user, const char *file, struct xfed_span text), void *user)
{
	struct xfed_buf text;
	int rc = rt_conf_read(path, &text, errors);
	if (rc != XFED_OK) {
		return rc;
	}
	rt_conf_check_file(errors, path);
	rc = each(user, path, xfed_buf_span(&text));
	xfed_buf_deinit(&text);
	return rc;
}

int policy_dir_each(const char *key, const char *dir, size_t max, struct rt_conf_errors *errors,
	int (*each)(void *user, const char *file, struct xfed_span text), void *user, size_t *count)
{
	struct names names = { 0 };
	size_t errors_before = errors->error_count;
	int rc = list(key, dir, max, errors, &names);
	for (size_t i = 0; i < names.count && rc == XFED_OK; i++) {
		char path[4096];
		if (snprintf(path, sizeof(path), "%s/%s", dir, names.items[i]) >= (int)sizeof(path)) {
			rt_conf_errors_add(
				errors, false, XFED_REASON_CONFIG_SYNTAX, dir, 0, 0, NULL, "the path of %.200s is too long", names.items[i]);
			continue;
		}
		rc = one_file(path, errors, each, user);
		rc = rc == XFED_ERR_INVALID ? XFED_OK : rc;
	}
	*count = names.count;
	free_names(&names);
	if (rc == XFED_OK && errors->error_count > errors_before) {
		rc = XFED_ERR_INVALID;
	}
	return rc;
}

bool policy_dir_is_named(const char *file, struct xfed_span name)
{
	const char *slash = strrchr(file, '/');
	struct xfed_span base = xfed_span_str(slash ? slash + 1 : file);
	return base.len == name.len + 5 && memcmp(base.data, name.data, name.len) == 0 && memcmp(base.data + name.len, ".yaml", 5) == 0;
}
