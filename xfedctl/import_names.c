/* config import: which files may be in what comes. Of the services in it, what they and their rules name, and neither keys nor secrets. */
#include <fnmatch.h>
#include <stdio.h>

#include "cert_ca.h"
#include "export_file.h"
#include "folder.h"
#include "import.h"

struct xfed_span import_text(const struct importing *m, const char *path)
{
	const json_t *j = json_object_get(m->by_path, path);
	return xfed_span_make(json_string_value(j), json_string_length(j));
}

bool import_has_yaml_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return fnmatch("*.yaml", slash + 1, FNM_PERIOD) == 0;
}

bool import_is_in(const char *path, const char *named)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	folder_tidy(named, dir);
	return (size_t)(slash - path) == strlen(dir) && folder_has(dir, path) && import_has_yaml_name(path);
}

bool import_is_of_services(const struct importing *m, const char *path)
{
	static const char *const folders[] = { "", "/edge", "/gateway" };
	char dir[PATH_MAX + 16];
	bool is_one = false;
	for (size_t i = 0; i < XFED_ARRAY_LEN(folders); i++) {
		snprintf(dir, sizeof(dir), "%s%s", m->dir, folders[i]);
		is_one = is_one || import_is_in(path, dir);
	}
	return is_one;
}

void import_name(struct importing *m, const char *path, enum coming_kind kind)
{
	if (json_integer_value(json_object_get(m->named, path)) != COMING_KEPT) {
		json_object_set_new(m->named, path, json_integer(kind));
	}
}

static void name_file(void *user, const char *named, bool is_kept)
{
	char path[PATH_MAX];
	folder_tidy(named, path);
	import_name(user, path, is_kept ? COMING_KEPT : COMING_PEM);
}

/* Its *.yaml are written, and those that do not come are removed: none of them may be something else. */
static enum ctl_exit name_dir(struct importing *m, const char *named, const char *other)
{
	char dir[PATH_MAX], probe[PATH_MAX + 16], beside[PATH_MAX];
	size_t i;
	json_t *item;
	folder_tidy(named, dir);
	folder_tidy(other, beside);
	json_object_del(m->named, dir);
	snprintf(probe, sizeof(probe), "%s/x.yaml", dir);
	if (import_is_of_services(m, probe) || strcmp(dir, beside) == 0) {
		return cert_run_fail(m->run, "it has partners or access rules in %s, where other files are", dir);
	}
	json_array_foreach(json_object_get(m->what, "files"), i, item) {
		if (import_is_in(ctl_str(item, "path"), dir)) {
			import_name(m, ctl_str(item, "path"), COMING_TEXT);
		}
	}
	return CTL_FINE;
}

enum ctl_exit import_name_files(struct importing *m, const struct coming *s)
{
	const struct config *c = s->gateway;
	rt_conf_each_path(c ? &c->base.doc : &s->edge->base.doc, name_file, m);
	enum ctl_exit rc = c ? name_dir(m, c->partners_dir, c->access_dir) : CTL_FINE;
	return rc == CTL_FINE && c ? name_dir(m, c->access_dir, c->partners_dir) : rc;
}

bool import_is_of_kind(const struct importing *m, const char *path, struct xfed_span text)
{
	json_int_t kind = json_integer_value(json_object_get(m->named, path));
	static const char pem[] = "-----BEGIN ";
	bool is_pem = text.len > 0 && memmem(text.data, text.len, pem, strlen(pem)) && !export_has_key(text);
	return kind == COMING_TEXT || text.len == 0 || (kind == COMING_PEM && is_pem) || (kind == COMING_LIST && memchr(text.data, '@', text.len));
}

enum ctl_exit import_check_files(struct importing *m)
{
	size_t i;
	json_t *item;
	char authority[PATH_MAX + 16];
	snprintf(authority, sizeof(authority), "%s/" CERT_CA_FOLDER, m->dir);
	for (i = 0; i < m->count; i++) {
		import_name(m, m->services[i].path, COMING_TEXT);
	}
	json_array_foreach(json_object_get(m->what, "files"), i, item) {
		const char *path = ctl_str(item, "path");
		const json_t *kind = json_object_get(m->named, path);
		bool is_anothers = folder_has(authority, path) || (import_is_of_services(m, path) && json_integer_value(kind) != COMING_TEXT);
		if (!kind || is_anothers) {
			return cert_run_fail(m->run, "it has %s, which neither its services nor their rules name", path);
		}
		if (json_integer_value(kind) == COMING_KEPT) {
			return cert_run_fail(
				m->run, "it has %s, where a key, a secret or what a service makes itself belongs: those do not travel", path);
		}
		if (!import_is_of_kind(m, path, import_text(m, path))) {
			return cert_run_fail(m->run, "it has %s, with something else than belongs there", path);
		}
	}
	return CTL_FINE;
}
