/*
 * Checks the modes of files that a configuration names: whoever can write to them decides what we trust. "Everybody" is the last digit of
 * the mode; group rights are up to the operator. Only the file's own mode counts, not whether its directories protect it.
 */
#include "conf_internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Where to put the warning: at a key of the document; without a key at the file itself. */
struct place {
	struct rt_conf_errors *errors;
	struct rt_conf_doc *doc;
	const void *object;
	const char *key;
};

static bool was_said(const struct rt_conf_errors *e, const char *text)
{
	for (size_t i = 0; i < e->count; i++) {
		if (strcmp(e->items[i].text, text) == 0) {
			return true;
		}
	}
	return false;
}

/* `path` may be on the way to several files, and is warned of once. */
static void warn(const struct place *p, const char *path, const struct stat *st, mode_t exposed)
{
	char text[PATH_MAX * 2 + 128];
	const char *what = exposed == 06 ? "readable and writable" : exposed == 04 ? "readable" : "writable";
	snprintf(text, sizeof(text), "%s%s is %s by everybody (mode %04o): chmod o-%s%s %s", S_ISDIR(st->st_mode) ? "directory " : "", path, what,
		(unsigned)st->st_mode & 07777u, exposed & 04 ? "r" : "", exposed & 02 ? "w" : "", path);
	if (was_said(p->errors, text)) {
		return;
	}
	if (p->doc) {
		rt_conf_warn(p->doc, p->object, p->key, XFED_REASON_CONFIG_FILE_EXPOSED, "%s", text);
	} else {
		rt_conf_errors_add(p->errors, true, XFED_REASON_CONFIG_FILE_EXPOSED, path, 0, 0, NULL, "%s", text);
	}
}

/* Follows symbolic links. What does not exist or cannot be accessed is reported by whoever reads it. */
static void judge_one(const struct place *p, const char *path, mode_t forbidden)
{
	struct stat st;
	if (stat(path, &st) != 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))) {
		return;
	}
	bool is_dir = S_ISDIR(st.st_mode);
	mode_t exposed = st.st_mode & (is_dir ? 02 : forbidden);
	/* in a directory with the sticky bit, like /tmp, users cannot replace files of others */
	if (exposed && !(is_dir && (st.st_mode & S_ISVTX))) {
		warn(p, path, &st, exposed);
	}
}

/* Whoever can write to a directory can replace the file in it; the same holds for directories above. */
static void judge_directories(const struct place *p, const char *path)
{
	char dir[PATH_MAX];
	if (snprintf(dir, sizeof(dir), "%s", path) >= (int)sizeof(dir)) {
		return; /* such a file cannot be opened */
	}
	for (char *slash = strrchr(dir, '/'); slash && slash != dir; slash = strrchr(dir, '/')) {
		*slash = '\0';
		judge_one(p, dir, 02);
	}
}

static void judge(const struct place *p, const char *path, bool is_kept)
{
	char target[PATH_MAX];
	judge_one(p, path, is_kept ? 06 : 02);
	judge_directories(p, path);
	if (realpath(path, target) && strcmp(target, path) != 0) {
		judge_directories(p, target);
	}
}

/* ---- every value of a loaded struct ---- */

static bool each(const struct conf_visitor *v, const struct rt_conf_table *t, const void *object, const void *part, const char *prefix)
{
	bool is_found = false;
	for (size_t i = 0; i < t->row_count && !is_found; i++) {
		const struct rt_conf_row *row = &t->rows[i];
		const void *field = conf_field_const(row, part);
		char key[CONF_PATH_BYTES];
		struct conf_list list = { 0 };
		snprintf(key, sizeof(key), "%s%s%s", prefix, prefix[0] ? "." : "", row->name);
		if (row->type == RT_CONF_OBJECT) {
			is_found = each(v, row->table, object, field, key);
		} else if (row->type == RT_CONF_OBJECTS) {
			memcpy(&list, field, sizeof(list));
		} else {
			is_found = v->value(v->user, row, field, object, key);
		}
		for (size_t k = 0; k < list.count && !is_found; k++) {
			const void *item = (const char *)list.items + k * row->table->struct_size;
			is_found = each(v, row->table, item, item, "");
		}
	}
	return is_found;
}

bool conf_each(const struct rt_conf_table *t, const void *object, const struct conf_visitor *v)
{
	return each(v, t, object, object, "");
}

size_t conf_paths(const struct rt_conf_row *row, const void *field, const char *const **out)
{
	const struct rt_conf_strings *list = field;
	const char *const *path = field;
	bool is_path = row->type == RT_CONF_PATH || (row->type == RT_CONF_STRING && (row->flags & RT_CONF_FILE));
	*out = row->type == RT_CONF_PATHS ? (const char *const *)list->items : path;
	return row->type == RT_CONF_PATHS ? list->count : is_path && *path && (*path)[0] == '/' ? 1 : 0;
}

static bool judge_value(void *user, const struct rt_conf_row *row, const void *field, const void *object, const char *key)
{
	struct rt_conf_doc *doc = user;
	struct place p = { .errors = doc->errors, .doc = doc, .object = object, .key = key };
	const char *const *paths;
	size_t count = conf_paths(row, field, &paths);
	for (size_t i = 0; i < count; i++) {
		judge(&p, paths[i], row->flags & RT_CONF_KEPT);
	}
	return false;
}

void rt_conf_check_files(struct rt_conf_doc *doc)
{
	char path[PATH_MAX];
	struct place self = { .errors = doc->errors };
	/* on a command line the path may be relative */
	judge(&self, realpath(doc->file, path) ? path : doc->file, false);
	conf_each(doc->table, doc->object, &(struct conf_visitor){ judge_value, doc });
}

/* ---- all that is named ---- */

struct path_visitor {
	rt_conf_path_fn *fn;
	void *user;
};

static bool each_path(void *user, const struct rt_conf_row *row, const void *field, const void *object, const char *key)
{
	const struct path_visitor *v = user;
	const char *const *paths;
	size_t count = conf_paths(row, field, &paths);
	for (size_t i = 0; i < count; i++) {
		v->fn(v->user, paths[i], row->flags & (RT_CONF_KEPT | RT_CONF_WRITTEN | RT_CONF_SOCKET));
	}
	return false;
}

void rt_conf_each_path(const struct rt_conf_doc *doc, rt_conf_path_fn *fn, void *user)
{
	struct path_visitor v = { fn, user };
	conf_each(doc->table, doc->object, &(struct conf_visitor){ each_path, &v });
}

/* ---- errors about a file ---- */

/* The object and key whose value is the path at the beginning of `error`. */
struct found {
	const char *error, *path;
	const void *object;
	char key[CONF_PATH_BYTES];
};

static bool find_path(void *user, const struct rt_conf_row *row, const void *field, const void *object, const char *key)
{
	struct found *f = user;
	const char *const *paths;
	size_t count = conf_paths(row, field, &paths);
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(paths[i]);
		if (strncmp(f->error, paths[i], len) == 0 && f->error[len] == ':') {
			f->object = object;
			f->path = paths[i];
			snprintf(f->key, sizeof(f->key), "%s", key);
			return true;
		}
	}
	return false;
}

void rt_conf_fail_file(struct rt_conf_doc *doc, const char *key, const char *error)
{
	struct found f = { .error = error, .object = doc->object };
	snprintf(f.key, sizeof(f.key), "%s", key);
	conf_each(doc->table, doc->object, &(struct conf_visitor){ find_path, &f });
	rt_conf_fail(doc, f.object, f.key, rt_file_reason(f.path, XFED_REASON_CONFIG_VALUE_INVALID), "%s", error);
}

void rt_conf_check_file(struct rt_conf_errors *errors, const char *path)
{
	struct place self = { .errors = errors };
	judge_one(&self, path, 02);
}
