/* config export: what is configured on this host, but its keys, in one file. */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cert_run.h"
#include "export_file.h"
#include "fe-gateway/policy/access_file.h"
#include "folder.h"
#include "place.h"
#include "xfed/mem.h"

_Static_assert(EXPORT_FILE_BYTES >= ACCESS_GRANTED_FILE_BYTES, "what a configuration may name travels");

#define MARK "# What is configured here for xfed" /* how such a file begins */

struct exporting {
	struct cert_run *run;
	const struct cert_host *host;
	json_t *files, *seen;
	json_t *left_out; /* paths: keys, and what lies elsewhere */
	enum ctl_exit rc;
};

static void leave_out(struct exporting *x, const char *path)
{
	if (!json_object_get(x->seen, path)) {
		json_object_set_new(x->seen, path, json_true());
		json_array_append_new(x->left_out, json_string(path));
	}
}

static void add_text(struct exporting *x, const char *path)
{
	struct xfed_buf text;
	char error[256];
	if (x->rc != CTL_FINE || json_object_get(x->seen, path)) {
		return;
	}
	json_object_set_new(x->seen, path, json_true());
	if (rt_file_read(path, EXPORT_FILE_BYTES, &text, error) != XFED_OK) {
		x->rc = cert_run_fail(x->run, "%s", error);
		return;
	}
	struct xfed_span s = xfed_buf_span(&text);
	if (export_has_key(s)) { /* beside its certificate */
		json_array_append_new(x->left_out, json_string(path));
		xfed_buf_wipe(&text);
		return;
	}
	json_t *j = json_stringn(s.len > 0 ? s.data : "", s.len); /* NULL: no UTF-8 */
	bool is_text = j && !memchr(json_string_value(j), '\0', s.len);
	if (is_text && json_array_size(x->files) < EXPORT_FILES) {
		json_array_append_new(x->files, json_pack("{s:s, s:O}", "path", path, "text", j));
	} else {
		x->rc = cert_run_fail(x->run, is_text ? "%s: there are too many files" : "%s: is no text in UTF-8", path);
	}
	json_decref(j);
	xfed_buf_deinit(&text);
}

/* A file that the configuration names. What does not exist is left to whoever checks it. */
static void add_named(void *user, const char *named, bool is_kept)
{
	struct exporting *x = user;
	struct stat st;
	char path[PATH_MAX];
	folder_tidy(named, path);
	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
		return;
	}
	if (is_kept || !folder_really_has(x->host->dir, path)) {
		leave_out(x, path);
	} else {
		add_text(x, path);
	}
}

static void add_dir(struct exporting *x, const char *named)
{
	struct dirent **list = NULL;
	char dir[PATH_MAX];
	folder_tidy(named, dir);
	int count = scandir(dir, &list, NULL, alphasort);
	if (count < 0 && errno != ENOENT) {
		x->rc = cert_run_fail(x->run, "%s: %s", dir, strerror(errno));
	}
	for (int i = 0; i < count; i++) {
		char path[PATH_MAX];
		bool is_one = fnmatch("*.yaml", list[i]->d_name, FNM_PERIOD) == 0;
		if (is_one && snprintf(path, sizeof(path), "%s/%s", dir, list[i]->d_name) < (int)sizeof(path)) {
			if (folder_really_has(x->host->dir, path)) {
				add_text(x, path);
			} else {
				leave_out(x, path);
			}
		}
		free(list[i]);
	}
	free(list);
}

/* The lists of users that rules name. */
static void add_granted(struct exporting *x, const struct config *c)
{
	struct rt_conf_errors *errors = xfed_calloc(1, sizeof(*errors));
	struct access_set *set = NULL;
	if (!errors) {
		x->rc = cert_run_refuse(x->run, XFED_ERR_NOMEM);
		return;
	}
	rt_conf_errors_init(errors);
	int rc = access_dir_load(c->access_dir, true, NULL, NULL, errors, &set);
	if (rc != XFED_OK) {
		x->rc = errors->count > 0 ? cert_run_fail(x->run, "%s:%u: %s", errors->items[0].file, errors->items[0].line, errors->items[0].text)
					  : cert_run_refuse(x->run, rc);
	}
	for (const struct access_rule *r = set ? access_set_rules(set) : NULL; r; r = r->next) {
		if (r->granted_to_file) {
			add_named(x, r->granted_to_file, false);
		}
	}
	access_set_free(set);
	rt_conf_errors_deinit(errors);
	xfed_free(errors);
}

static void add_host(struct exporting *x, const struct cert_host *h, json_t *services)
{
	x->host = h;
	json_array_append_new(services, json_string(h->path));
	add_text(x, h->path);
	rt_conf_each_path(&h->base->doc, add_named, x);
	if (h->gateway) {
		add_dir(x, h->gateway->partners_dir);
		add_dir(x, h->gateway->access_dir);
		add_granted(x, h->gateway);
	}
}

/* ---- the file ---- */

static int print_head(const struct exporting *x, struct xfed_buf *out)
{
	char now[32];
	size_t i;
	json_t *path;
	int rc = xfed_buf_printf(out,
		MARK ", as of %s (version " XFED_VERSION "). xfedctl config import FILE brings it into force.\n"
		     "# Not in it are keys and passwords, the store, and what lies elsewhere%s\n",
		ctl_time((json_int_t)time(NULL), now), json_array_size(x->left_out) > 0 ? ":" : ".");
	json_array_foreach(x->left_out, i, path) {
		rc = rc == XFED_OK ? xfed_buf_printf(out, "#   %s\n", json_string_value(path)) : rc;
	}
	return rc;
}

static enum ctl_exit write_file(const struct exporting *x, const char *path, struct xfed_span text)
{
	struct place to;
	enum ctl_exit rc = place_open(x->run->options, path, &to);
	rc = rc == CTL_FINE ? place_check(&to, MARK) : rc;
	int fd = rc == CTL_FINE ? place_begin(&to) : -1;
	rc = fd >= 0 ? place_write(&to, fd, text) : CTL_PROBLEM;
	rc = rc == CTL_FINE ? place_end(&to, fd) : rc;
	if (fd >= 0) {
		close(fd);
	}
	place_close(&to);
	return rc;
}

static enum ctl_exit export_all(struct exporting *x, const char *path)
{
	struct xfed_buf head, out;
	json_t *what = json_pack("{s:[], s:O}", "services", "files", x->files);
	for (size_t i = 0; i < x->run->hosts.count && x->rc == CTL_FINE; i++) {
		add_host(x, &x->run->hosts.items[i], json_object_get(what, "services"));
	}
	xfed_buf_init(&head, EXPORT_BYTES);
	xfed_buf_init(&out, EXPORT_BYTES);
	int rc = x->rc == CTL_FINE ? print_head(x, &head) : XFED_ERR_INVALID;
	rc = rc == XFED_OK ? export_print(what, xfed_buf_span(&head), &out) : rc;
	if (rc == XFED_OK) {
		x->rc = write_file(x, path, xfed_buf_span(&out));
	} else if (x->rc == CTL_FINE) {
		x->rc = rc == XFED_ERR_LIMIT ? cert_run_fail(x->run, "all files together are larger than 64 MiB") : cert_run_refuse(x->run, rc);
	}
	if (x->rc == CTL_FINE) {
		cert_run_add(x->run->done, "%zu files are in %s", json_array_size(x->files), path);
		x->rc = cert_run_tell(x->run);
	}
	xfed_buf_deinit(&head);
	xfed_buf_deinit(&out);
	json_decref(what);
	return x->rc;
}

enum ctl_exit ctl_do_config_export(const json_t *args, const struct ctl_options *options)
{
	struct cert_run r;
	enum ctl_exit rc = cert_run_open(&r, CERT_OF_ANY, args, options);
	if (rc == CTL_FINE) {
		struct exporting x = { .run = &r, .files = json_array(), .seen = json_object(), .left_out = json_array(), .rc = CTL_FINE };
		rc = export_all(&x, cert_run_arg(&r, "file"));
		json_decref(x.files);
		json_decref(x.seen);
		json_decref(x.left_out);
	}
	cert_run_close(&r);
	return rc;
}
